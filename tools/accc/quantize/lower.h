// SPDX-License-Identifier: MIT
//
// Physical -> Lowered: 8-bit post-training quantisation. Activations are int8 with a zero
// point, one scale for a value, or int16 without one where a product asks for it; weights are
// symmetric int8, one scale for an output channel; sums are exact int32. docs/accc.md has the
// arithmetic.
#pragma once

#include "tools/accc/diagnostics.h"
#include "tools/accc/ir/graph.h"
#include "tools/accc/quantize/calibrate.h"

#include <set>
#include <span>

namespace acc::accc
{

// Inputs of a product: within it no sum of int8 products with a bias leaves int32.
inline constexpr int64_t kMaxProductInputs = 32768;

// `ranges` by ValueId, as calibrate() gives them. `wide`: results of Conv, MatMul and Add that
// products with constant weights are to read as int16 (quantize/precision.h).
Status lower(Graph &graph, std::span<const Range> ranges, Diagnostics &diag,
             const std::set<ValueId> &wide = {});

// multiplier * 2^-shift, the nearest to `factor` that requant() of acc/kernels.h takes:
// multiplier 0 … 2^31 - 1, shift 1 … 62. False when factor is 2^30 or more.
struct Fixed {
    int32_t multiplier = 0;
    int32_t shift = 1;
};
bool fixed_point(double factor, Fixed &fixed);

} // namespace acc::accc
