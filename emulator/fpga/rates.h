// SPDX-License-Identifier: MIT
//
// What a dispatch costs on the model: for the engine, and for a region's process that completes
// packets itself.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>

namespace acc::emu::fpga
{

struct Rates {
    uint32_t clock_mhz = 1;
    double pj_per_cycle = 0; // of all its LUTs
    double pj_per_byte = 0;  // moved from and to memory

    uint64_t busy_ns(uint64_t cycles) const
    {
        const double ns = static_cast<double>(cycles) * 1e3 / clock_mhz;
        return static_cast<uint64_t>(std::llround(std::min(ns, 1e18)));
    }
    uint64_t energy_pj(uint64_t cycles, uint64_t bytes) const
    {
        const double pj =
            static_cast<double>(cycles) * pj_per_cycle + static_cast<double>(bytes) * pj_per_byte;
        return static_cast<uint64_t>(std::llround(std::min(pj, 1e18)));
    }
};

} // namespace acc::emu::fpga
