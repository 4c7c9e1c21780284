// SPDX-License-Identifier: MIT
#include "tools/accc/passes/passes.h"

namespace acc::accc
{
namespace
{

constexpr int64_t kMaxDiagonal = 2048;

// Whether each of p's outputs along `axis` belongs to one column of its weights.
bool takes_scale(const Graph &g, const Op &p, int64_t axis)
{
    const auto last = static_cast<int64_t>(g.value(p.output).dims.size()) - 1;
    switch (p.kind) {
    case Kind::Conv:
        return axis == 1;
    case Kind::MatMul:
        return axis == last && g.value(p.inputs[1]).is_constant();
    case Kind::ScaleShift:
        return axis == p.axis;
    default:
        return false;
    }
}

// p's result * scale + shift, by other weights of p.
void fold_into(Graph &g, Op &p, const Op &scaling)
{
    const std::vector<float> scale = g.floats(scaling.inputs[1]);
    const std::vector<float> shift = g.floats(scaling.inputs[2]);
    const size_t channels = scale.size();
    std::vector<float> weights = g.floats(p.inputs[1]);
    // Conv: [out, …], a run per channel. MatMul: [k, n], channels are columns.
    const size_t run = p.kind == Kind::Conv ? weights.size() / channels : 1;
    for (size_t i = 0; i < weights.size(); i++)
        weights[i] *= scale[i / run % channels];
    std::vector<float> bias(channels, 0);
    if (p.inputs.size() == 3) bias = g.floats(p.inputs[2]);
    for (size_t c = 0; c < channels; c++)
        bias[c] = bias[c] * scale[c] + shift[c];
    const std::string name = g.source(p).name;
    const Dims dims = g.value(p.inputs[1]).dims;
    p.inputs.resize(3);
    p.inputs[1] = g.add_constant(name + " weights", dims, std::move(weights));
    p.inputs[2] = g.add_constant(name + " bias", {static_cast<int64_t>(channels)}, std::move(bias));
}

// A product that scales and shifts by itself, for a ScaleShift behind no product.
Status to_product(Graph &g, Op &op, Diagnostics &diag)
{
    const Dims &x = g.value(op.inputs[0]).dims;
    const std::vector<float> scale = g.floats(op.inputs[1]);
    const auto channels = static_cast<int64_t>(scale.size());
    const std::string name = g.source(op).name;
    if (x.size() == 4 && op.axis == 1) {
        op.kind = Kind::Conv;
        op.groups = channels;
        op.window = {};
        for (int i = 0; i < 2; i++)
            op.window.out[i] = x[2 + i];
        op.inputs[1] = g.add_constant(name + " scale", {channels, 1, 1, 1}, scale);
        return Ok{};
    }
    if (op.axis + 1 != static_cast<int64_t>(x.size()) || channels > kMaxDiagonal)
        return diag.error("node '" + name + "' (" + g.source(op).op +
                          "): expected it behind a product, or at most 2048 channels in the last "
                          "axis; found " +
                          dims_text(x) + " along axis " + std::to_string(op.axis));
    std::vector<float> diagonal(static_cast<size_t>(channels * channels), 0);
    for (int64_t c = 0; c < channels; c++)
        diagonal[static_cast<size_t>(c * channels + c)] = scale[static_cast<size_t>(c)];
    op.kind = Kind::MatMul;
    op.inputs[1] = g.add_constant(name + " scale", {channels, channels}, std::move(diagonal));
    return Ok{};
}

} // namespace

Status fold_scales(Graph &g, Diagnostics &diag)
{
    std::vector<uint32_t> uses = g.uses();
    std::vector<int64_t> maker = g.makers();
    for (Op &op : g.ops) {
        if (op.kind != Kind::ScaleShift) continue;
        const ValueId x = op.inputs[0];
        Op *p = maker[x] >= 0 ? &g.ops[maker[x]] : nullptr;
        if (!p || uses[x] != 1 || !takes_scale(g, *p, op.axis)) continue;
        fold_into(g, *p, op);
        g.sources[op.source].fate = "folded into the weights of " + g.source(*p).name;
        // p makes the result now; what it made, nobody reads.
        p->output = op.output;
        maker[op.output] = maker[x];
        op.inputs = {x};
        op.output = x;
        op.kind = Kind::Reshape; // a mark, erased below
        op.shape.clear();
    }
    std::erase_if(g.ops,
                  [](const Op &op) { return op.inputs.size() == 1 && op.inputs[0] == op.output; });
    for (Op &op : g.ops)
        if (op.kind == Kind::ScaleShift) ACCC_CHECK(to_product(g, op, diag));
    return Ok{};
}

} // namespace acc::accc
