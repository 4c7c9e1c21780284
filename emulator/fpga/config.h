// SPDX-License-Identifier: MIT
//
// Parameters of an FPGA device, read once from its options, and what its model costs.
#pragma once

#include "common/result.h"
#include "emulator/engine.h"
#include "emulator/fpga/rates.h"
#include "program/role_costs.h"

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace acc::emu::fpga
{

// One constant, its unit in the name; docs/fpga.md gives the sources and says which are
// estimates.
inline constexpr uint64_t kRegionBytes = 1'030'000; // a partial bitstream, any role
// Of a ZCU106's device, a sixth or so: LUTs, flip-flops, block memories, DSPs.
inline constexpr Resources kRegion = {40'000, 80'000, 54, 300};
inline constexpr Resources kBigRegion = {100'000, 200'000, 135, 750};
inline constexpr uint32_t kRegionClass = 1, kBigClass = 2;
inline constexpr std::string_view kResourceNames[] = {"LUTs", "FFs", "BRAMs", "DSPs"};
inline constexpr uint64_t kZcu106LoadNs = 89'000'000; // kRegionBytes, measured by Nimblock
inline constexpr uint64_t kCoyoteLoadNs = 49'000'000; // a Coyote-like shell
inline constexpr double kConfigurePjPerNs = 500;      // half a watt while configuring

struct Config {
    uint32_t regions = 4;
    uint32_t big = 0; // of them, the last ones
    Resources size = kRegion, big_size = kBigRegion;
    uint32_t clock_mhz = program::kRegionMhz;
    std::string preset = "zcu106";
    uint64_t setup_us = 0;         // of a load
    uint64_t bytes_per_second = 0; // of the configuration port; 0: no limit
    // What runs in a process of its own: machine code that nobody signed (untrusted), all
    // machine code (native), or the behavioural library as well (all).
    std::string isolation = "native";
    std::string trace; // a file for the waveform of the first design that can write one
    // What a dispatch of machine code may touch where memory is copied for it (docs/roles.md).
    uint64_t staging_bytes = 256u << 20;
    std::string keys; // a folder of trusted keys, instead of the configured ones

    // Options: regions (or slots), big, size, big_size, clock_mhz, preset, setup_us, bandwidth,
    // isolation, staging (MiB), keys, trace.
    // What is said beside a preset replaces a part of it.
    static Result<Config> create(std::span<const Option> options, std::string &why);

    // "key=value,…", at most 95 bytes.
    std::string text() const;

    // Empty, or why a unit can't be of this class.
    std::string check_class(uint32_t class_id) const;
    uint64_t load_ns(uint64_t bitstream_bytes) const;
    uint64_t load_pj(uint64_t load_ns) const;
    // Of a role of that many LUTs.
    Rates rates(double luts) const
    {
        return {clock_mhz, luts * program::kPjPerLutCycle, program::kPjPerByte};
    }
};

} // namespace acc::emu::fpga
