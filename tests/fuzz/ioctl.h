// SPDX-License-Identifier: MIT
//
// What is done with a sequence of ioctls, by libFuzzer and by the smoke test: two clients of
// one emulated device call it with mutated structs, wrong sizes and directions. Aborts on an
// answer that is no errno and when the device does not work for a third client afterwards.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

namespace acc::fuzz
{

void try_ioctls(std::span<const std::byte> bytes);
std::vector<std::vector<std::byte>> ioctl_seeds();

} // namespace acc::fuzz
