// SPDX-License-Identifier: MIT
#pragma once

#include "tools/accc/diagnostics.h"
#include "tools/accc/ir/graph.h"

namespace acc::accc
{

// Checks a graph's promises: order, one maker for each value, dims, types, scales, and
// operations that its stage may have. Runs after every pass; the error's text
// names the operation: the pass before it is wrong.
Status verify_graph(const Graph &graph, Diagnostics &diag);

} // namespace acc::accc
