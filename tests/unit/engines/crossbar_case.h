// SPDX-License-Identifier: MIT
//
// A matrix, its inputs and what must come out: by the integer product, and by a machine
// that looks at every cell.
#pragma once

#include "harness.h"

#include <cstdint>
#include <string>
#include <vector>

namespace acc::emu::test
{

// Parameters of the machine, apart from the engine's own idea of them.
struct Machine {
    uint32_t rows = 128, cols = 128, cell_bits = 2, adc_bits = 9;

    std::string text() const
    {
        return "rows=" + std::to_string(rows) + ",cols=" + std::to_string(cols) +
               ",cell_bits=" + std::to_string(cell_bits) + ",adc_bits=" + std::to_string(adc_bits) +
               ",arrays=16777216";
    }
};

struct MvmCase {
    Machine machine;
    uint32_t rows = 1, cols = 1, weight_bits = 8, input_bits = 8;
    bool input_signed = true;
    uint32_t vectors = 1;
    uint32_t input_gap = 0, output_gap = 0; // strides beyond the minimum
    std::vector<int16_t> weights;           // [rows][cols]
    std::vector<uint16_t> inputs;           // [vectors][rows], raw bits of an element

    std::string text() const;

    int64_t weight(uint32_t k, uint32_t n) const { return weights[size_t{k} * cols + n]; }
    // The value that the low input_bits of an element stand for.
    int64_t input(uint32_t v, uint32_t k) const;
    // 4 if no output can leave an int32, else 8.
    uint16_t output_bytes() const;
};

struct MvmResult {
    std::vector<int64_t> outputs; // [vectors][cols]
    uint64_t saturations = 0;
};

// sum over k of in[v][k] * W[k][n].
MvmResult integer_product(const MvmCase &c);

// Every array, every input bit, every column, every cell.
MvmResult cell_by_cell(const MvmCase &c);

// What the engine makes of it; everything it says about itself is checked on the way.
MvmResult on_engine(const MvmCase &c);

// Fills weights and inputs: all extremes, patterns and random ones, by `style`.
constexpr uint32_t kStyles = 7;
void fill(MvmCase &c, uint32_t style, std::mt19937_64 &random);

} // namespace acc::emu::test
