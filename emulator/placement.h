// SPDX-License-Identifier: MIT
//
// Where the emulator's threads run, by hwloc.
#pragma once

namespace acc::emu
{

// Processors that this process may use; at least 1.
unsigned usable_processors();

// Binds the calling worker to the cores of one package (the first that this process may
// use), so that rings and signals stay in one last-level cache. Does nothing where there
// is one package only, or where the process is bound already.
void place_worker_thread();

} // namespace acc::emu
