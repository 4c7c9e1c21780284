// SPDX-License-Identifier: MIT
//
// What is done with a sequence of packets, by libFuzzer and by the smoke test: a hostile
// client publishes them on an emulated device. Aborts when the device hangs or when a
// client beside it is disturbed.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

namespace acc::fuzz
{

// The first byte picks the engine (null or FPGA), each of the rest an action.
void try_packets(std::span<const std::byte> bytes);
std::vector<std::vector<std::byte>> packets_seeds();

} // namespace acc::fuzz
