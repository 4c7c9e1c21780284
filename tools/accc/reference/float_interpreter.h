// SPDX-License-Identifier: MIT
//
// The oracle: straightforward loops over a graph before it is lowered, with sums in double;
// operators of the host run as they do there.
#pragma once

#include "tools/accc/ir/graph.h"

#include <functional>
#include <span>
#include <vector>

namespace acc::accc
{

// Values of one item by ValueId; constants and values that nothing made are empty.
using FloatValues = std::vector<std::vector<float>>;

// Evaluates a verified graph on one item: inputs[i] has the elements of graph.inputs[i], as floats
// whatever their type is. Values of other types than float are empty but for inputs and outputs.
// `why` (may be null): what an operator refused a value for, or nothing.
// `rewrite` (may be empty) may change float values of inputs and of engines' operations as soon as
// they are there.
using Rewrite = std::function<void(ValueId, std::vector<float> &)>;
FloatValues evaluate(const Graph &graph, std::span<const std::span<const float>> inputs,
                     std::string *why = nullptr, const Rewrite &rewrite = {});

} // namespace acc::accc
