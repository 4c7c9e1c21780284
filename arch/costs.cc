// SPDX-License-Identifier: MIT
#include "arch/costs.h"

#include <algorithm>
#include <cstdlib>

namespace acc::arch
{
namespace
{

uint32_t ceil_div(uint32_t a, uint32_t b)
{
    return static_cast<uint32_t>((uint64_t{a} + b - 1) / b);
}

} // namespace

double mvm_ns(const ArrayUse &use, const Costs &costs)
{
    // A round ends when both the digital side and the ADCs are through with the columns.
    const double column = std::max(costs.cycle_ns, costs.adc_ns_per_bit_and_column * use.adc_bits);
    return (ceil_div(use.input_bits, use.dac_bits) + costs.pipeline_rounds) *
           (ceil_div(use.cols, use.adcs) * column);
}

double mvm_adc_pj(const ArrayUse &use, const Costs &costs)
{
    return mvm_ns(use, costs) * costs.adc_mw_per_bit * use.adc_bits * use.adcs * use.arrays;
}

double mvm_cells_pj(const ArrayUse &use, const Costs &costs)
{
    return mvm_ns(use, costs) * costs.array_mw_per_cell * use.rows * use.cols * use.arrays;
}

double mvm_pj(const ArrayUse &use, const Costs &costs)
{
    const double power = costs.adc_mw_per_bit * use.adc_bits * use.adcs +
                         costs.array_mw_per_cell * use.rows * use.cols +
                         costs.periphery_mw_per_row * use.rows;
    return mvm_ns(use, costs) * power * use.arrays; // ns * mW = pJ
}

double reduce_ns(uint32_t row_blocks, uint32_t cols, const Costs &costs)
{
    uint32_t levels = 0;
    while ((1ull << levels) < row_blocks)
        levels++;
    return levels * (cols * (costs.add_cycles_per_column * costs.cycle_ns));
}

double reduce_pj(uint32_t row_blocks, uint32_t cols, const Costs &costs)
{
    if (row_blocks < 2) return 0;
    return (row_blocks - 1.0) * cols * costs.add_cycles_per_column * costs.cycle_ns *
           costs.vector_unit_mw;
}

double program_ns(uint32_t rows, const Costs &costs)
{
    return costs.program_ns_per_row * rows;
}

double program_pj(uint32_t rows, uint32_t cols, const Costs &costs)
{
    return costs.program_pj_per_cell * rows * cols;
}

uint64_t vector_cycles(uint32_t words, const Costs &costs)
{
    return uint64_t{ceil_div(words, costs.vector_lanes)} * costs.vector_cycles;
}

uint64_t transcendental_cycles(uint32_t words, const Costs &costs)
{
    return uint64_t{ceil_div(words, costs.vector_lanes)} * costs.transcendental_cycles;
}

uint64_t pair_cycles(uint32_t pairs, const Costs &costs)
{
    return uint64_t{ceil_div(pairs, costs.vector_lanes)} * costs.pair_cycles;
}

uint64_t requant_cycles(uint32_t words, const Costs &costs)
{
    return uint64_t{ceil_div(words, costs.vector_lanes)} * costs.requant_cycles;
}

uint32_t accesses(uint32_t words, const Costs &costs)
{
    return ceil_div(words, costs.access_words);
}

uint64_t send_cycles(uint32_t words, const Costs &costs)
{
    return costs.noc_header_cycles + uint64_t{words} * costs.noc_word_cycles;
}

uint64_t hop_cycles(uint32_t hops, const Costs &costs)
{
    return uint64_t{hops} * costs.noc_hop_cycles;
}

uint32_t exact_adc_bits(const Arch &arch)
{
    const uint64_t levels =
        uint64_t{arch.rows} * ((1u << arch.dac_bits) - 1) * ((1u << arch.cell_bits) - 1);
    uint32_t bits = 0;
    while ((uint64_t{1} << bits) < levels + 1)
        bits++;
    return bits;
}

ArrayUse unit_use(const Arch &arch)
{
    return {.rows = arch.rows,
            .cols = arch.cols,
            .arrays = arch.arrays_per_unit(),
            .input_bits = arch.input_bits,
            .adc_bits = arch.adc_bits ? arch.adc_bits : exact_adc_bits(arch),
            .dac_bits = arch.dac_bits,
            .adcs = arch.adcs_per_array};
}

uint32_t hops(const Arch &arch, uint32_t from, uint32_t to)
{
    const uint32_t routers = ceil_div(arch.tiles, 4);
    uint32_t width = 1;
    while (width * width < routers)
        width++;
    const auto distance = [](uint32_t a, uint32_t b) { return a > b ? a - b : b - a; };
    const uint32_t a = from / 4, b = to / 4;
    return 1 + distance(a % width, b % width) + distance(a / width, b / width);
}

} // namespace acc::arch
