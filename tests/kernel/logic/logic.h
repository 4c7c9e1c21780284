// SPDX-License-Identifier: MIT
//
// The kernel driver's pure files, as a test sees them.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

extern "C" {
#include "kernel_driver/acc_extent.h"
#include "kernel_driver/acc_ring.h"
#include "kernel_driver/acc_va.h"

extern int acc_shim_fail;
}

namespace acc::fuzz
{

// Plays a string of operations against the driver's bookkeeping and against a model that is
// written differently (a byte a page), and aborts where they differ. For the fuzzer.
void try_logic(std::span<const std::byte> input);
std::vector<std::vector<std::byte>> logic_seeds();

} // namespace acc::fuzz
