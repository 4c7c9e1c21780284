// SPDX-License-Identifier: MIT
//
// An MVM unit, operands for it, and what must come out by a model that loops over every
// cell, written apart from the engine's.
#pragma once

#include "emulator/crossbar/unit.h"

#include <cstdint>
#include <random>
#include <string>
#include <vector>

namespace acc::emu::test
{

using crossbar::Config;
using crossbar::MvmUnit;
using crossbar::UnitCounts;
using crossbar::UnitShape;

struct UnitCase {
    Config config;
    UnitShape shape;
    std::vector<int16_t> weights; // [rows][cols]
    std::vector<int16_t> inputs;  // [vectors][rows]

    size_t vectors() const { return inputs.size() / shape.rows; }
    int64_t input(size_t vector, uint32_t row) const;
    std::string text() const;
};

struct UnitResult {
    std::vector<int64_t> sums; // [vectors][cols]
    UnitCounts counts;
    bool operator==(const UnitResult &other) const
    {
        return sums == other.sums && counts.clipped == other.counts.clipped;
    }
};

// Operands: all largest, all smallest, alternating, one-hot, random …
constexpr uint32_t kOperands = 6;
void fill(UnitCase &c, uint32_t style, size_t vectors, std::mt19937_64 &random);

UnitResult exact_sums(const UnitCase &c);
// Every array, round, column and cell; ideal cells, an aligned converter.
UnitResult cell_by_cell_unit(const UnitCase &c);

// Bits by the rule of docs/crossbar-analog.md, "When a result is exact".
uint32_t enough_adc_bits(const Config &config);

std::unique_ptr<MvmUnit> make_unit(const UnitCase &c, uint64_t first_array = 0);
UnitResult run_unit(const MvmUnit &unit, const UnitCase &c, uint64_t event = 0);

} // namespace acc::emu::test
