// SPDX-License-Identifier: MIT
//
// The dims of results. The importer asks for them, the verifier compares with them.
#pragma once

#include "tools/accc/diagnostics.h"
#include "tools/accc/ir/graph.h"

#include <optional>

namespace acc::accc
{

inline constexpr int64_t kMaxElements = int64_t{1} << 28; // of one value: 1 GiB of floats
inline constexpr size_t kMaxRank = 6;
inline constexpr int64_t kMaxKernel = int64_t{1} << 16; // of a window, stride, pad, dilation

// The dims of op's output from those of its inputs, or what is wrong with the inputs'.
// The error says "expected …; found …", without the node's name.
Result<Dims> infer_dims(const Graph &graph, const Op &op, Diagnostics &diag);

// The results of an operator of the host. -EAGAIN when their shape depends on a computed value.
Result<std::vector<host::Desc>> infer_host(const Graph &graph, const Op &op, Diagnostics &diag);

// Product of dims. An error when a dim is below 1, there are more than kMaxRank or
// the product is above kMaxElements.
Result<int64_t> checked_elements(const Dims &dims, Diagnostics &diag);

// A product of elements as rows of factors: `b` has a row for each of `outer`,
// which `middle` rows of `a` meet. Nothing where b's dims are not a's, or 1
// along one run of axes.
struct Rows {
    int64_t outer = 1, middle = 1, inner = 1;
};
std::optional<Rows> product_rows(const Dims &a, const Dims &b);

} // namespace acc::accc
