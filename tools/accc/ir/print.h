// SPDX-License-Identifier: MIT
#pragma once

#include "tools/accc/ir/graph.h"

namespace acc::accc
{

// The graph as text, one operation a line, for people and for --print-after:
//   %5 conv1 = conv %0, %1 {kernel 3x3 pad 1x1}  : f32 1x16x8x8   # /conv1/Conv
std::string print_graph(const Graph &graph);

} // namespace acc::accc
