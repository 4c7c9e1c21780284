// SPDX-License-Identifier: MIT
//
// A graph as text: for people, for --print-after and, with every constant's values, for
// parse_graph(), which reads it back. One thing a line:
//
//   graph "digits", stage physical
//   node "/conv1/Conv" "Conv"                      of the model; fate "…" and host "…" may follow
//   const %3 "conv1.weight" : f32 16x1x3x3 = ...   left out; else [0.5,-1,…], or bytes in hex
//   input %0 "x" : f32 1x1x8x8
//   %5 "y" = conv %0, %3 {kernel [3,3], pad [1,1]} : f32 1x16x8x8 # "/conv1/Conv"
//   output "y" %5
//
// A type may go on with `scale S zero Z`, and `scales [S,…] along AXIS` (Value). Operations of the
// host have ONNX's names, the others are in lower case; `none` is an operand or result that is
// left out. A table's attribute `formula` is what it does to an element (formula.h). An attribute's
// value is an integer, a float (f0.5), a string, or a list ([1,2], f[0.5]); a flag has none.
#pragma once

#include "tools/accc/diagnostics.h"
#include "tools/accc/ir/graph.h"

#include <string_view>

namespace acc::accc
{

enum class Constants { Short, Whole }; // Short: those of more than eight values are left out

std::string print_graph(const Graph &graph, Constants constants = Constants::Short);

// The graph that print_graph() wrote with Constants::Whole, verified. The text may be hostile: the
// error names the line and what was expected and found there.
Result<Graph> parse_graph(std::string_view text, Diagnostics &diag);

} // namespace acc::accc
