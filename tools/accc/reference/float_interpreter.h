// SPDX-License-Identifier: MIT
//
// The oracle: straightforward loops over a float graph (stages Float and Physical), with sums
// in double.
#pragma once

#include "tools/accc/ir/graph.h"

#include <span>
#include <vector>

namespace acc::accc
{

// Values of one item by ValueId; constants and values that nothing made are empty.
using FloatValues = std::vector<std::vector<float>>;

// Evaluates a verified graph on one item: inputs[i] has the elements of graph.inputs[i].
FloatValues evaluate(const Graph &graph, std::span<const std::span<const float>> inputs);

} // namespace acc::accc
