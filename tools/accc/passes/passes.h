// SPDX-License-Identifier: MIT
//
// What is done to a float graph before it is quantised. Each pass keeps what the graph
// computes (up to float rounding); run_passes() verifies the graph after each.
#pragma once

#include "tools/accc/diagnostics.h"
#include "tools/accc/ir/graph.h"

#include <functional>
#include <span>
#include <string>

namespace acc::accc
{

// Stage Model: operators with the same operands and attributes become one.
Status merge_equal(Graph &graph, Diagnostics &diag);
// Stage Model: transpositions that undo each other, and Identity, go; a transposition of one sinks
// past operators that work element by element.
Status cancel_transposes(Graph &graph, Diagnostics &diag);

// Makes LayerNormalization of the operators that it was written as before it was one.
Status fuse_norms(Graph &graph, Diagnostics &diag);

// Makes one Table of a chain of functions of one value's elements that has an activation in it.
Status fuse_chains(Graph &graph, Diagnostics &diag);

// Folds scales and shifts (BatchNormalization, constants added or multiplied) into the
// products before them; one that has none becomes a product with a diagonal matrix.
Status fold_scales(Graph &graph, Diagnostics &diag);

// Float -> Physical: windows work on channels-last images. Transpositions of the model
// become other readings of the same memory where they can, else operations.
Status choose_layout(Graph &graph, Diagnostics &diag);

// Makes Relu and Clip a limit of the operation before them, and Pad the padding of the convolution
// behind it.
Status fuse_limits(Graph &graph, Diagnostics &diag);

// Permutes the rows of weights behind a flattened image, so that the image need not be.
Status permute_weights(Graph &graph, Diagnostics &diag);

struct Pass {
    const char *name;
    Status (*run)(Graph &, Diagnostics &);
};

// In order: cse, transposes. They keep what the graph computes to the bit.
std::span<const Pass> model_passes();
// In order: norms, chains, legalize, fold, layout, fuse, weights.
std::span<const Pass> float_passes();

// Runs them all. `after` (may be empty) sees the graph after each, by the pass's name.
using AfterPass = std::function<void(const char *name, const Graph &)>;
Status run_model_passes(Graph &graph, Diagnostics &diag, const AfterPass &after);
Status run_passes(Graph &graph, Diagnostics &diag, const AfterPass &after);

} // namespace acc::accc
