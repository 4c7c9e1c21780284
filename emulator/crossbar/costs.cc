// SPDX-License-Identifier: MIT
#include "emulator/crossbar/costs.h"

#include <algorithm>

namespace acc::emu::crossbar
{

double mvm_ns(const ArrayUse &use, const CostTable &costs)
{
    // A round ends when both the digital side and the ADC are through with the columns.
    const double column = std::max(costs.cycle_ns, costs.adc_ns_per_bit_and_column * use.adc_bits);
    return (use.input_bits + costs.pipeline_rounds) * (use.cols * column);
}

double mvm_pj(const ArrayUse &use, const CostTable &costs)
{
    const double power = costs.adc_mw_per_bit * use.adc_bits +
                         costs.array_mw_per_cell * use.rows * use.cols +
                         costs.periphery_mw_per_row * use.rows;
    return mvm_ns(use, costs) * power * use.arrays; // ns * mW = pJ
}

double reduce_ns(uint32_t row_blocks, uint32_t cols, const CostTable &costs)
{
    uint32_t levels = 0;
    while ((1ull << levels) < row_blocks)
        levels++;
    return levels * (cols * (costs.add_cycles_per_column * costs.cycle_ns));
}

double reduce_pj(uint32_t row_blocks, uint32_t cols, const CostTable &costs)
{
    if (row_blocks < 2) return 0;
    return (row_blocks - 1.0) * cols * costs.add_cycles_per_column * costs.cycle_ns *
           costs.vector_unit_mw;
}

double program_ns(uint32_t rows, const CostTable &costs)
{
    return costs.program_ns_per_row * rows;
}

double program_pj(uint32_t rows, uint32_t cols, const CostTable &costs)
{
    return costs.program_pj_per_cell * rows * cols;
}

} // namespace acc::emu::crossbar
