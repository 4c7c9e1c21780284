// SPDX-License-Identifier: MIT
//
// What foreign code in a region's process may do: compute, allocate, start threads. No file, no
// network, no other process. What it tries beyond that ends the process, and its region faults
// with the reason.
#pragma once

#include "emulator/fpga/process/windows.h"

namespace acc::emu::fpga
{

// Signal handlers, limits and the filter; for good. 0 or -errno.
[[nodiscard]] int enter_sandbox(Control &control, Windows &windows);

// Under this name the loader finds the image, and nothing else under any name.
inline constexpr char kImagePath[] = "/acc/image.so";
void serve_image(int fd); // -1: no more

// An alternate stack for the calling thread's faults.
[[nodiscard]] int use_fault_stack();

// Ends the process: the region faults. Safe in signal handlers.
[[noreturn]] void end_with_fault(Fault fault, int number, uint64_t address);

// Where a stack overflow would be met, so that it can be told from another fault.
void watch_stack_guard(uint64_t start, uint64_t end);

} // namespace acc::emu::fpga
