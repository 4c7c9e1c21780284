// SPDX-License-Identifier: MIT
//
// Model -> Float: what the engines can do becomes operations of their own, the rest stays an
// operator of the host with the reason beside its source node.
#pragma once

#include "tools/accc/diagnostics.h"
#include "tools/accc/ir/graph.h"

namespace acc::accc
{

// Engines work on float activations of at least one axis. Scales that the model states
// (QuantizeLinear and DequantizeLinear of int8 or uint8) are kept as the `quant` of float values.
Status legalize(Graph &graph, Diagnostics &diag);

} // namespace acc::accc
