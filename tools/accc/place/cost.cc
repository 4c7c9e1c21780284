// SPDX-License-Identifier: MIT
#include "tools/accc/place/cost.h"

#include "arch/costs.h"
#include "tools/accc/place/place.h"

#include <algorithm>

namespace acc::accc
{

ProductCost product_cost(int64_t rows, int64_t cols, uint64_t vectors, uint32_t input_bits)
{
    const arch::Arch machine;
    const TileCut cut = cut_matrix(rows, cols);
    ProductCost cost;
    double vector_ns = 0, vector_pj = 0;
    for (uint32_t rb = 0; rb < cut.row_blocks; rb++)
        for (uint32_t cb = 0; cb < cut.col_blocks; cb++) {
            arch::ArrayUse use;
            use.rows = static_cast<uint32_t>(
                std::min<int64_t>(machine.rows, rows - int64_t{rb} * machine.rows));
            use.cols = static_cast<uint32_t>(
                std::min<int64_t>(machine.cols, cols - int64_t{cb} * machine.cols));
            use.arrays = cut.slices * 2;
            use.input_bits = input_bits;
            use.adc_bits = machine.adc_bits;
            use.dac_bits = machine.dac_bits;
            use.adcs = machine.adcs_per_array;
            vector_ns = std::max(vector_ns, arch::mvm_ns(use)); // side by side
            vector_pj += arch::mvm_pj(use);
            cost.program_ns += use.arrays * arch::program_ns(use.rows);
            cost.program_pj += use.arrays * arch::program_pj(use.rows, use.cols);
        }
    vector_ns += arch::reduce_ns(cut.row_blocks,
                                 static_cast<uint32_t>(std::min<int64_t>(cols, machine.cols)));
    vector_pj += arch::reduce_pj(cut.row_blocks, static_cast<uint32_t>(cols));
    cost.ns = vector_ns * static_cast<double>(vectors);
    cost.pj = vector_pj * static_cast<double>(vectors);
    cost.utilisation = static_cast<double>(rows) * static_cast<double>(cols) /
                       (static_cast<double>(cut.row_blocks) * cut.col_blocks *
                        static_cast<double>(machine.rows) * machine.cols);
    return cost;
}

} // namespace acc::accc
