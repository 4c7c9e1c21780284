// SPDX-License-Identifier: MIT
//
// Weights of a product as int8: docs/quantisation.md.
#pragma once

#include "tools/accc/ir/graph.h"

#include <cstdint>
#include <span>
#include <vector>

namespace acc::accc
{

// A product's weights as int8 [k][n] with a scale for each column.
struct Weights {
    int64_t k = 0, n = 0;
    std::vector<int8_t> data;
    std::vector<double> scale;
    std::vector<int32_t> bias; // the zero point of x folded in
};

// One or one for each column; empty: free.
using Scales = std::span<const float>;

// Rows of the matrix of a convolution in the order of im2col: [ky][kx][c]. Groups become
// zeros, since a crossbar computes them anyway.
std::vector<float> conv_matrix(const Graph &graph, const Op &conv);

// Whether a matrix [k][n] with these scales is stored as 8 bits; what is stored as wider integers
// has scales as well.
bool fits_8_bits(std::span<const float> matrix, Scales scales);

// `scales`, `bias_scales`: those that the model states. x: of the other operand.
Weights quantize_weights(std::span<const float> matrix, int64_t k, int64_t n,
                         std::span<const float> bias, const Quant &x, Scales scales,
                         Scales bias_scales);

} // namespace acc::accc
