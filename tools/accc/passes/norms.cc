// SPDX-License-Identifier: MIT
//
// Layer normalisation, as exporters wrote it before ONNX had an operator for it:
//   d = x - mean(x); y = d / sqrt(mean(d^2) + epsilon), then * scale and + bias
// A variance and its root need more than 8 bits: as one operator they stay in float.
#include "tools/accc/passes/passes.h"

#include <algorithm>
#include <map>
#include <optional>

namespace acc::accc
{
namespace
{

class Norms
{
public:
    explicit Norms(Graph &g) : g_(g), makers_(g.makers()), uses_(g.uses()) {}

    void run()
    {
        for (size_t i = 0; i < g_.ops.size(); i++)
            if (const auto found = match(g_.ops[i])) rewrite(i, *found);
        // What was part of one and of nothing else.
        std::vector<bool> needed(g_.values.size());
        for (const ValueId id : g_.outputs)
            needed[id] = true;
        for (size_t i = g_.ops.size(); i-- > 0;) {
            const Op &op = g_.ops[i];
            const std::vector<ValueId> made = results(op);
            const bool live = std::any_of(made.begin(), made.end(),
                                          [&](ValueId id) { return id != kNoValue && needed[id]; });
            for (const ValueId id : op.inputs)
                if (live && id != kNoValue) needed[id] = true;
            const auto part = parts_.find(op.output);
            if (!live && part != parts_.end())
                g_.sources[op.source].fate = "fused into " + part->second + ", a normalisation";
        }
    }

private:
    struct Found {
        ValueId x;
        int64_t axis; // and all after it
        float epsilon;
        std::vector<ValueId> parts; // what is made on the way
    };

    const Op *maker(ValueId id, std::string_view name) const
    {
        if (id == kNoValue || makers_[id] < 0) return nullptr;
        const Op &op = g_.ops[static_cast<size_t>(makers_[id])];
        return op.kind == Kind::Host && op.node.op == name && op.more.empty() ? &op : nullptr;
    }

    const float *scalar(ValueId id) const
    {
        const Value &v = g_.value(id);
        const bool one = v.is_constant() && v.dtype == DType::F32 && elements(v.dims) == 1;
        return one ? g_.floats(id).data() : nullptr;
    }

    // The first of the last axes that a mean is over; -1 where it is over others.
    int64_t mean_axis(const Op &mean) const
    {
        const auto rank = static_cast<int64_t>(g_.value(mean.inputs[0]).dims.size());
        const auto keep = mean.node.attrs.find("keepdims");
        if (keep != mean.node.attrs.end() && keep->second != host::Attr(int64_t{1})) return -1;
        if (mean.inputs.size() < 2 || mean.inputs[1] == kNoValue ||
            !g_.value(mean.inputs[1]).is_constant())
            return -1;
        std::vector<int64_t> axes = host::read_ints(g_.view(mean.inputs[1]));
        for (int64_t &axis : axes)
            axis += axis < 0 ? rank : 0;
        std::sort(axes.begin(), axes.end());
        for (size_t i = 0; i < axes.size(); i++)
            if (axes[i] != rank - static_cast<int64_t>(axes.size() - i)) return -1;
        return axes.empty() ? -1 : axes[0];
    }

    bool is_square_of(ValueId square, ValueId d) const
    {
        if (const Op *mul = maker(square, "Mul")) return mul->inputs[0] == d && mul->inputs[1] == d;
        const Op *pow = maker(square, "Pow");
        if (!pow || pow->inputs[0] != d || !g_.value(pow->inputs[1]).is_constant()) return false;
        return host::read_floats(g_.view(pow->inputs[1])) == std::vector<double>{2};
    }

    std::optional<Found> match(const Op &div) const
    {
        if (div.kind != Kind::Host || div.node.op != "Div" ||
            g_.value(div.output).dtype != DType::F32)
            return std::nullopt;
        const ValueId d = div.inputs[0];
        const Op *sub = maker(d, "Sub"), *root = maker(div.inputs[1], "Sqrt");
        const Op *add = root ? maker(root->inputs[0], "Add") : nullptr;
        if (!sub || !add) return std::nullopt;
        const bool first = scalar(add->inputs[0]) != nullptr;
        const float *epsilon = scalar(add->inputs[first ? 0 : 1]);
        const Op *variance = maker(add->inputs[first ? 1 : 0], "ReduceMean");
        const Op *mean = maker(sub->inputs[1], "ReduceMean");
        if (!epsilon || !variance || !mean || mean->inputs[0] != sub->inputs[0] ||
            !is_square_of(variance->inputs[0], d))
            return std::nullopt;
        const int64_t axis = mean_axis(*mean);
        if (axis < 0 || mean_axis(*variance) != axis) return std::nullopt;
        return Found{mean->inputs[0],
                     axis,
                     *epsilon,
                     {mean->output, d, variance->inputs[0], variance->output, add->output,
                      root->output, div.output}};
    }

    // The only reader of a value, if it is `name` of it and a constant of these dims; and that.
    std::optional<size_t> reader(ValueId id, std::string_view name, const Dims &dims,
                                 ValueId &constant) const
    {
        if (uses_[id] != 1) return std::nullopt;
        for (size_t i = 0; i < g_.ops.size(); i++) {
            const Op &op = g_.ops[i];
            if (std::find(op.inputs.begin(), op.inputs.end(), id) == op.inputs.end()) continue;
            if (op.kind != Kind::Host || op.node.op != name) return std::nullopt;
            constant = op.inputs[op.inputs[0] == id ? 1 : 0];
            const Value &v = g_.value(constant);
            // Axes of size 1 before the others say nothing.
            const bool fits = v.is_constant() && v.dims.size() >= dims.size() &&
                              v.dims.size() <= g_.value(id).dims.size() &&
                              elements(v.dims) == elements(dims) &&
                              std::equal(dims.rbegin(), dims.rend(), v.dims.rbegin());
            return fits ? std::optional(i) : std::nullopt;
        }
        return std::nullopt;
    }

    void rewrite(size_t at, const Found &found)
    {
        const Dims whole = g_.value(found.x).dims;
        const Dims dims(whole.begin() + found.axis, whole.end());
        size_t last = at;
        std::vector<float> scale(static_cast<size_t>(elements(dims)), 1), bias;
        ValueId constant = 0;
        if (const auto mul = reader(g_.ops[at].output, "Mul", dims, constant)) {
            scale = g_.floats(constant);
            last = *mul;
        }
        if (const auto add = reader(g_.ops[last].output, "Add", dims, constant)) {
            bias = g_.floats(constant);
            last = *add;
        }
        const std::string name = g_.source(g_.ops[last]).name;
        for (const ValueId id : found.parts)
            parts_[id] = name;
        for (const ValueId id : g_.ops[last].inputs)
            parts_[id] = name; // of the scale
        parts_.erase(found.x);
        const ValueId scales = g_.add_constant(name + " scale", dims, std::move(scale));
        Op &op = g_.ops[last];
        op.node = {"LayerNormalization", {}};
        op.node.attrs["axis"] = found.axis;
        op.node.attrs["epsilon"] = found.epsilon;
        op.inputs = {found.x, scales};
        if (!bias.empty())
            op.inputs.push_back(g_.add_constant(name + " bias", dims, std::move(bias)));
        makers_.resize(g_.values.size(), -1);
        uses_.resize(g_.values.size(), 1);
    }

    Graph &g_;
    std::vector<int64_t> makers_;
    std::vector<uint32_t> uses_;
    std::map<ValueId, std::string> parts_; // of which node
};

} // namespace

Status fuse_norms(Graph &g, Diagnostics &)
{
    if (g.stage == Stage::Model) Norms(g).run();
    return Ok{};
}

} // namespace acc::accc
