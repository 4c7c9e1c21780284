// SPDX-License-Identifier: MIT
//
// QLinearConv and QLinearMatMul with constant weights, as the operators that they stand for between
// DequantizeLinear and QuantizeLinear: quantisation that the model states has one form from here
// on.
#include "tools/accc/legalize/legalizer.h"

#include <algorithm>
#include <cmath>

namespace acc::accc
{
namespace
{

constexpr int64_t kMaxBias = int64_t{1} << 23; // what a float times a scale still tells apart

// Constant weights or a bias as floats that know their integers and scales.
struct Stored {
    Dims dims;
    std::vector<float> values, scales;
    int64_t axis = 0;
};

std::vector<float> floats_of(const Graph &g, ValueId id)
{
    const std::vector<double> wide = host::read_floats(g.view(id));
    return {wide.begin(), wide.end()};
}

// Weights without their zero point, which must be one for all of them; false where they are not
// int8 then. Scales are along `axis`.
bool read_weights(const Graph &g, const Op &op, int64_t axis, Stored &w)
{
    w.dims = g.value(op.inputs[3]).dims;
    w.axis = axis;
    w.scales = floats_of(g, op.inputs[4]);
    const std::vector<int64_t> q = host::read_ints(g.view(op.inputs[3]));
    const std::vector<int64_t> zeros = host::read_ints(g.view(op.inputs[5]));
    const auto per = static_cast<size_t>(w.dims[static_cast<size_t>(axis)]);
    if (zeros.empty() || w.scales.empty() || (w.scales.size() != 1 && w.scales.size() != per))
        return false;
    if (std::any_of(zeros.begin(), zeros.end(), [&](int64_t z) { return z != zeros[0]; }))
        return false;
    for (const float s : w.scales)
        if (!(s > 0) || !std::isfinite(s)) return false;
    size_t run = 1;
    for (size_t i = static_cast<size_t>(axis) + 1; i < w.dims.size(); i++)
        run *= static_cast<size_t>(w.dims[i]);
    for (size_t i = 0; i < q.size(); i++) {
        const int64_t v = q[i] - zeros[0];
        if (v < -128 || v > 127) return false;
        const float scale = w.scales[w.scales.size() == 1 ? 0 : i / run % per];
        w.values.push_back(static_cast<float>(v) * scale);
    }
    return true;
}

// The bias, int32 in steps of the sums.
bool read_bias(const Graph &g, const Op &op, const Stored &w, Stored &bias)
{
    const std::vector<float> x_scale = floats_of(g, op.inputs[1]);
    if (x_scale.size() != 1) return false;
    bias.dims = g.value(op.inputs[8]).dims;
    for (const float s : w.scales)
        bias.scales.push_back(x_scale[0] * s);
    const std::vector<int64_t> b = host::read_ints(g.view(op.inputs[8]));
    for (size_t i = 0; i < b.size(); i++) {
        if (std::abs(b[i]) > kMaxBias) return false;
        const float step = bias.scales[bias.scales.size() == 1 ? 0 : i % bias.scales.size()];
        if (!(step > 0)) return false;
        bias.values.push_back(static_cast<float>(b[i]) * step);
    }
    return true;
}

ValueId add_stored(Graph &g, const std::string &name, Stored s)
{
    const ValueId id = g.add_constant(name, std::move(s.dims), std::move(s.values));
    g.value(id).scales = std::move(s.scales);
    g.value(id).scale_axis = s.axis;
    return id;
}

Op host_op(const Op &like, const char *name, std::vector<ValueId> inputs, ValueId output)
{
    Op op;
    op.kind = Kind::Host;
    op.source = like.source;
    op.node.op = name;
    op.inputs = std::move(inputs);
    op.output = output;
    return op;
}

bool expand(Graph &g, const Op &op, std::vector<Op> &out)
{
    const bool conv = op.node.op == "QLinearConv";
    if ((!conv && op.node.op != "QLinearMatMul") || op.inputs.size() < 8 || !op.more.empty())
        return false;
    // x and weights, each with scale and zero point, then those of the result.
    for (size_t i = 1; i < op.inputs.size(); i++)
        if (op.inputs[i] == kNoValue ? i != 8 : !g.value(op.inputs[i]).is_constant()) return false;
    const size_t rank = g.value(op.inputs[3]).dims.size();
    if (conv ? rank < 3 : rank != 2) return false;
    Stored w, bias;
    if (!read_weights(g, op, conv ? 0 : 1, w)) return false;
    const bool has_bias = op.inputs.size() > 8 && op.inputs[8] != kNoValue;
    if (has_bias && !read_bias(g, op, w, bias)) return false;

    const std::string name = g.source(op).name;
    const auto real = [&](ValueId like) {
        return g.add_value(name, DType::F32, Dims(g.value(like).dims));
    };
    const ValueId x = real(op.inputs[0]), y = real(op.output);
    out.push_back(host_op(op, "DequantizeLinear", {op.inputs[0], op.inputs[1], op.inputs[2]}, x));
    Op product = host_op(op, conv ? "Conv" : "MatMul", {x, add_stored(g, name, std::move(w))}, y);
    product.node.attrs = op.node.attrs;
    if (has_bias) product.inputs.push_back(add_stored(g, name, std::move(bias)));
    out.push_back(std::move(product));
    out.push_back(host_op(op, "QuantizeLinear", {y, op.inputs[6], op.inputs[7]}, op.output));
    return true;
}

} // namespace

void expand_qlinear(Graph &g)
{
    const std::vector<Op> old = std::move(g.ops);
    g.ops.clear();
    std::vector<Op> made;
    for (const Op &op : old)
        if (!expand(g, op, made)) made.push_back(op);
    g.ops = std::move(made);
}

} // namespace acc::accc
