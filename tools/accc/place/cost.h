// SPDX-License-Identifier: MIT
//
// What a product will cost on a crossbar of the default arch: the same functions that the emulator
// charges by (arch/costs.h; docs/crossbar.md, "Time and energy").
#pragma once

#include <cstdint>

namespace acc::accc
{

struct ProductCost {
    double ns = 0, pj = 0;                 // of all vectors, one after the other
    double program_ns = 0, program_pj = 0; // of the matrix, once for each load
    double utilisation = 0;                // of the cells of its arrays, 0 … 1
};

// A matrix of rows x cols weights of 8 bits, `vectors` inputs of `input_bits`.
ProductCost product_cost(int64_t rows, int64_t cols, uint64_t vectors, uint32_t input_bits);

} // namespace acc::accc
