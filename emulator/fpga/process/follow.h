// SPDX-License-Identifier: MIT
//
// A region's process as the packet processor of a ring: a launch then costs no turn of the
// device's thread.
#pragma once

#include "emulator/fpga/process/runner.h"
#include "emulator/fpga/process/windows.h"

namespace acc::emu::fpga
{

// Does what control.to_process.follow says, and fills control.to_device but for its `answer`.
// `run` executes a dispatch whose `kernargs` and `grid` are filled in. Returns the text of a
// failed packet.
std::string follow_ring(Control &control, Windows &windows, RunRequest &request,
                        const std::function<RunResult(const RunRequest &)> &run);

} // namespace acc::emu::fpga
