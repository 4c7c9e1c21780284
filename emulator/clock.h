// SPDX-License-Identifier: MIT
//
// The one clock: device time is CLOCK_MONOTONIC.
#pragma once

#include <cstdint>
#include <ctime>

namespace acc::emu
{

inline uint64_t now_ns()
{
    timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return uint64_t(time.tv_sec) * 1'000'000'000u + uint64_t(time.tv_nsec);
}

} // namespace acc::emu
