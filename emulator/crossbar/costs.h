// SPDX-License-Identifier: MIT
//
// The one table of what an analog operation costs, and the functions that scale it.
// docs/crossbar.md derives them. Replace the constants and nothing else changes.
#pragma once

#include <cstdint>

namespace acc::emu::crossbar
{

// One constant, its unit in the name, its source behind it.
struct CostTable {
    // PUMA (ASPLOS'19): 1 GHz; an MVM takes 2304 = (16 + 2) * 128 cycles: one column of the
    // 128 a cycle, one round for each of 16 input bits, and two rounds to fill and drain.
    double cycle_ns = 1.0;
    uint32_t pipeline_rounds = 2;

    // ADC time: PUMA's published simulator sweeps 128 columns in 100 ns at 8 bits and
    // proportionally to the bits otherwise (ISAAC's 1.28 GS/s).
    double adc_ns_per_bit_and_column = 100.0 / 8 / 128;
    // ADC power: the same tables, 2 mW at 8 bits, proportional to the bits.
    double adc_mw_per_bit = 2.0 / 8;

    // A 128 x 128 array of 2-bit cells while it is read: ISAAC (ISCA'16), 0.3 mW.
    double array_mw_per_cell = 0.3 / (128 * 128);

    // Row drivers (1-bit DACs), sample-and-hold, shift-and-add: what remains of PUMA's
    // 19.09 mW for a 16-bit MVM unit of 8 arrays beside 8 ADCs of 8 bits and the arrays.
    double periphery_mw_per_row = (19.09 - 8 * 2.0 - 8 * 0.3) / 8 / 128;

    // Sums of several row blocks meet in the vector unit: PUMA's 128 cycles for an operation
    // on 128 elements, and the core's 42.4 mW less its two MVM units while it works.
    double add_cycles_per_column = 1.0;
    double vector_unit_mw = 42.4 - 2 * 19.09;

    // Programming: PUMA's published simulator, 351 / 32 us and 676 / 32 nJ for a whole
    // 128 x 128 array, row after row. One array of a slot at a time.
    double program_ns_per_row = 351e3 / 32 / 128;
    double program_pj_per_cell = 676e3 / 32 / (128 * 128);
};

inline constexpr CostTable kCosts{};

// What one input vector meets in one array position of a matrix: `arrays` arrays (slices of
// both polarities) of the same used part, each with an ADC of its own.
struct ArrayUse {
    uint32_t rows = 0; // used
    uint32_t cols = 0; // used: the others are not converted
    uint32_t arrays = 0;
    uint32_t input_bits = 0; // streamed one a round
    uint32_t adc_bits = 0;
};

// Both are monotonic in every field. At PUMA's point {128, 128, 8, 16, 8} they give 2304 ns
// and 43,983 pJ.
double mvm_ns(const ArrayUse &use, const CostTable &costs = kCosts);
double mvm_pj(const ArrayUse &use, const CostTable &costs = kCosts);

// Adding up `row_blocks` partial sums of `cols` columns: a tree of vector operations.
double reduce_ns(uint32_t row_blocks, uint32_t cols, const CostTable &costs = kCosts);
double reduce_pj(uint32_t row_blocks, uint32_t cols, const CostTable &costs = kCosts);

// Programming one array's used part.
double program_ns(uint32_t rows, const CostTable &costs = kCosts);
double program_pj(uint32_t rows, uint32_t cols, const CostTable &costs = kCosts);

} // namespace acc::emu::crossbar
