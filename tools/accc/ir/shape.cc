// SPDX-License-Identifier: MIT
#include "tools/accc/ir/shape.h"

#include <algorithm>

namespace acc::accc
{
namespace
{

Result<Dims> window_dims(const Op &op, const Dims &x, int64_t channels, Diagnostics &diag)
{
    const Window &w = op.window;
    for (int i = 0; i < 2; i++) {
        const int64_t field[] = {w.kernel[i], w.stride[i], w.dilation[i], w.pad[i] + 1};
        for (const int64_t f : field)
            if (f < 1 || f > kMaxKernel)
                return diag.error(
                    "expected kernels, strides, dilations and pads of 1 to 65536 (pads "
                    "from 0); found " +
                    std::to_string(f));
        const int64_t in = x[(op.channels_last ? 1 : 2) + i];
        // What is behind the image is padding as well, but no more than an attribute can ask for.
        if (w.out[i] < 1 || (w.out[i] - 1) * w.stride[i] > in + w.pad[i] + kMaxKernel)
            return diag.error("expected windows over the image of " + dims_text(x) + "; found " +
                              std::to_string(w.out[i]) + " windows of stride " +
                              std::to_string(w.stride[i]));
    }
    if (op.kind == Kind::Im2col) channels *= w.kernel[0] * w.kernel[1];
    if (op.channels_last) return Dims{x[0], w.out[0], w.out[1], channels};
    return Dims{x[0], channels, w.out[0], w.out[1]};
}

Result<Dims> conv_dims(const Graph &g, const Op &op, Diagnostics &diag)
{
    const Dims &x = g.value(op.inputs[0]).dims, &w = g.value(op.inputs[1]).dims;
    if (x.size() != 4 || w.size() != 4)
        return diag.error("expected an input and weights of 4 dimensions; found " + dims_text(x) +
                          " and " + dims_text(w));
    const int64_t in = op.channels_last ? x[3] : x[1];
    if (op.groups < 1 || in % op.groups || w[0] % op.groups || w[1] != in / op.groups)
        return diag.error("expected weights [out, " + std::to_string(in) +
                          " / groups, h, w]; found " + dims_text(w) + " in " +
                          std::to_string(op.groups) + " groups");
    if (w[2] != op.window.kernel[0] || w[3] != op.window.kernel[1])
        return diag.error("expected a kernel of the weights' " + dims_text(w) + "; found " +
                          std::to_string(op.window.kernel[0]) + "x" +
                          std::to_string(op.window.kernel[1]));
    if (op.inputs.size() == 3 && g.value(op.inputs[2]).dims != Dims{w[0]})
        return diag.error("expected a bias of " + std::to_string(w[0]) + " values; found " +
                          dims_text(g.value(op.inputs[2]).dims));
    return window_dims(op, x, w[0], diag);
}

// x [..., k] by w [k, n], or by as many matrices as there are of x when both
// are activations.
Result<Dims> product_dims(const Graph &g, const Op &op, Diagnostics &diag)
{
    const Value &xv = g.value(op.inputs[0]), &wv = g.value(op.inputs[1]);
    const Dims &x = xv.dims, &w = wv.dims;
    const bool constant = wv.is_constant();
    // One matrix each could be a whole batch, whose rows are not the other's.
    const bool fits = constant ? x.size() >= 2 && w.size() == 2
                               : x.size() >= 3 && x.size() == w.size() &&
                                     std::equal(x.begin(), x.end() - 2, w.begin());
    if (!fits)
        return diag.error("expected operands [..., k] and constant [k, n], or [..., m, k] and "
                          "[..., k, n]; found " +
                          dims_text(x) + " and " + dims_text(w));
    const int64_t k = w[w.size() - 2], n = w.back();
    if (x.back() != k)
        return diag.error("expected operands that agree in k; found " + dims_text(x) + " and " +
                          dims_text(w));
    if (op.kind != Kind::Mvm && op.inputs.size() == 3 && g.value(op.inputs[2]).dims != Dims{n})
        return diag.error("expected a bias of " + std::to_string(n) + " values; found " +
                          dims_text(g.value(op.inputs[2]).dims));
    Dims y = x;
    y.back() = n;
    return y;
}

Result<Dims> add_dims(const Graph &g, const Op &op, Diagnostics &diag)
{
    const Value &a = g.value(op.inputs[0]), &b = g.value(op.inputs[1]);
    const bool tail = b.is_constant() && b.dims.size() <= a.dims.size() &&
                      std::equal(b.dims.rbegin(), b.dims.rend(), a.dims.rbegin());
    if (a.dims != b.dims && !tail)
        return diag.error("expected two results of the same shape, or a constant; found " +
                          dims_text(a.dims) + " and " + dims_text(b.dims));
    return a.dims;
}

Result<Dims> transpose_dims(const Op &op, const Dims &x, Diagnostics &diag)
{
    std::vector<int> sorted = op.perm;
    std::sort(sorted.begin(), sorted.end());
    bool good = sorted.size() == x.size() && !x.empty();
    for (size_t i = 0; good && i < sorted.size(); i++)
        good = sorted[i] == static_cast<int>(i);
    if (!good)
        return diag.error("expected a permutation of " + std::to_string(x.size()) +
                          " axes; found another");
    if (op.perm[0] != 0)
        return diag.error("expected the batch, axis 0, to stay first; found axis " +
                          std::to_string(op.perm[0]) + " there");
    Dims y;
    for (const int axis : op.perm)
        y.push_back(x[axis]);
    return y;
}

Result<Dims> reshape_dims(const Op &op, const Dims &x, Diagnostics &diag)
{
    if (op.shape.empty() || elements(op.shape) != elements(x))
        return diag.error("expected a shape of " + std::to_string(elements(x)) +
                          " elements; found " + dims_text(op.shape) + " for " + dims_text(x));
    return op.shape;
}

// Sources that a role has room for.
constexpr size_t kMaxConcat = 8;

Result<Dims> concat_dims(const Graph &g, const Op &op, Diagnostics &diag)
{
    Dims y = g.value(op.inputs[0]).dims;
    const auto axis = static_cast<size_t>(op.axis);
    if (op.inputs.size() > kMaxConcat || op.axis < 0 || axis >= y.size())
        return diag.error("expected 1 to 8 operands along an axis that they have; found " +
                          std::to_string(op.inputs.size()) + " along " + std::to_string(op.axis));
    y[axis] = 0;
    for (const ValueId id : op.inputs) {
        Dims x = g.value(id).dims;
        const bool repeated =
            g.value(id).is_constant() &&
            elements({x.begin(),
                      x.begin() + static_cast<std::ptrdiff_t>(std::min(axis, x.size()))}) != 1;
        if (x.size() != y.size() || repeated)
            return diag.error("expected operands of one rank, constants with no axis "
                              "before; found " +
                              dims_text(x));
        const int64_t along = x[axis];
        x[axis] = y[axis];
        if (x != y)
            return diag.error("expected operands that differ along one axis; found " +
                              dims_text(g.value(id).dims) + " and " +
                              dims_text(g.value(op.inputs[0]).dims));
        y[axis] += along;
    }
    return y;
}

Result<Dims> slice_dims(const Op &op, const Dims &x, Diagnostics &diag)
{
    Dims y = x;
    const auto axis = static_cast<size_t>(op.axis);
    if (op.axis < 0 || axis >= x.size() || op.shape.size() != 1 || op.shape[0] < 1 ||
        op.start < 0 || op.start > x[axis] - op.shape[0])
        return diag.error("expected a part of an axis of " + dims_text(x) + "; found another");
    y[axis] = op.shape[0];
    return y;
}

size_t min_inputs(Kind kind)
{
    switch (kind) {
    case Kind::Conv:
    case Kind::MatMul:
    case Kind::Add:
    case Kind::Mul:
    case Kind::Mvm:
    case Kind::Gemm:
        return 2;
    case Kind::ScaleShift:
        return 3;
    case Kind::Requantize:
        return 4;
    default:
        return 1;
    }
}

} // namespace

Result<int64_t> checked_elements(const Dims &dims, Diagnostics &diag)
{
    if (dims.size() > kMaxRank)
        return diag.error("expected at most " + std::to_string(kMaxRank) + " dimensions; found " +
                          std::to_string(dims.size()));
    int64_t count = 1;
    for (const int64_t dim : dims) {
        if (dim < 1)
            return diag.error("expected dimensions of at least 1; found " + dims_text(dims));
        if (dim > kMaxElements / count)
            return diag.error("expected at most 2^28 elements in a tensor; found " +
                              dims_text(dims));
        count *= dim;
    }
    return count;
}

Result<std::vector<host::Desc>> infer_host(const Graph &g, const Op &op, Diagnostics &diag)
{
    std::vector<host::View> in;
    for (const ValueId id : op.inputs)
        in.push_back(g.view(id));
    std::vector<host::Desc> out;
    std::string why;
    if (const int error = host::infer(op.node, in, 1 + op.more.size(), out, why))
        return diag.error(why, error);
    return out;
}

std::optional<Rows> product_rows(const Dims &a, const Dims &b)
{
    if (a.size() != b.size()) return std::nullopt;
    Rows rows;
    enum { Before, Between, Behind } at = Before;
    for (size_t i = 0; i < a.size(); i++) {
        if (a[i] == 1 && b[i] == 1) continue;
        if (b[i] == 1) {
            if (at == Behind) return std::nullopt;
            at = Between;
            rows.middle *= a[i];
            continue;
        }
        if (a[i] != b[i]) return std::nullopt;
        if (at == Between) at = Behind;
        (at == Before ? rows.outer : rows.inner) *= a[i];
    }
    return rows;
}

Result<Dims> infer_dims(const Graph &graph, const Op &op, Diagnostics &diag)
{
    if (op.kind == Kind::Host)
        return diag.error("expected an operation of an engine; found another");
    const size_t least = min_inputs(op.kind);
    const bool bias = op.kind == Kind::Conv || op.kind == Kind::MatMul || op.kind == Kind::Table;
    const size_t most = op.kind == Kind::Concat ? kMaxConcat : least + bias;
    if (op.inputs.size() < least || op.inputs.size() > most)
        return diag.error("expected " + std::to_string(least) + " operands; found " +
                          std::to_string(op.inputs.size()));
    const Dims &x = graph.value(op.inputs[0]).dims;
    if (x.empty()) return diag.error("expected an operand with at least one axis; found none");
    Dims y;
    switch (op.kind) {
    case Kind::Conv: {
        ACC_TRY(y, conv_dims(graph, op, diag));
        break;
    }
    case Kind::MatMul:
    case Kind::Mvm:
    case Kind::Gemm: {
        ACC_TRY(y, product_dims(graph, op, diag));
        break;
    }
    case Kind::MaxPool:
    case Kind::AvgPool:
    case Kind::Im2col: {
        if (x.size() != 4) return diag.error("expected 4 dimensions; found " + dims_text(x));
        ACC_TRY(y, window_dims(op, x, op.channels_last ? x[3] : x[1], diag));
        break;
    }
    case Kind::Add: {
        ACC_TRY(y, add_dims(graph, op, diag));
        break;
    }
    case Kind::Mul: {
        const Dims &b = graph.value(op.inputs[1]).dims;
        if (!product_rows(x, b))
            return diag.error("expected factors of the same shape, or 1 along a run "
                              "of axes; found " +
                              dims_text(x) + " and " + dims_text(b));
        y = x;
        break;
    }
    case Kind::Concat: {
        ACC_TRY(y, concat_dims(graph, op, diag));
        break;
    }
    case Kind::Slice: {
        ACC_TRY(y, slice_dims(op, x, diag));
        break;
    }
    case Kind::Transpose: {
        ACC_TRY(y, transpose_dims(op, x, diag));
        break;
    }
    case Kind::Reshape: {
        ACC_TRY(y, reshape_dims(op, x, diag));
        break;
    }
    case Kind::ScaleShift: {
        const bool inside = op.axis >= 1 && op.axis < static_cast<int64_t>(x.size());
        for (const int i : {1, 2})
            if (!inside || graph.value(op.inputs[i]).dims != Dims{x[op.axis]})
                return diag.error("expected one value for each channel of " + dims_text(x) +
                                  "; found " + dims_text(graph.value(op.inputs[i]).dims));
        y = x;
        break;
    }
    case Kind::Requantize: {
        for (const int i : {1, 2, 3})
            if (graph.value(op.inputs[i]).dims != Dims{x.back()})
                return diag.error("expected a value for each of the last dim of " + dims_text(x) +
                                  "; found " + dims_text(graph.value(op.inputs[i]).dims));
        y = x;
        break;
    }
    case Kind::Clip:
    case Kind::Softmax:
    case Kind::Table:
    case Kind::Quantize:
    case Kind::Dequantize:
    case Kind::Host:
        y = x;
        break;
    }
    ACC_TRY([[maybe_unused]] const int64_t count, checked_elements(y, diag));
    return y;
}

} // namespace acc::accc
