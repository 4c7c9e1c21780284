// SPDX-License-Identifier: MIT
#include "tools/accc/place/network.h"

#include "program/text.h"
#include "tools/accc/emit/emit.h"

#include <algorithm>
#include <map>

namespace acc::accc
{
namespace
{

using isa::dataflow::Join;
using isa::dataflow::Limits;
using isa::dataflow::Node;
using isa::dataflow::NodeKind;
using isa::dataflow::Shape;
using isa::dataflow::Then;

constexpr uint32_t kNone = UINT32_MAX;

bool integers(const Value &v)
{
    return v.dtype == DType::I8 || v.dtype == DType::I16;
}

uint32_t u32(int64_t value)
{
    return static_cast<uint32_t>(value);
}

// [1, h, w, c], [1, h, c] as an image one pixel wide, [1, c] as a pixel.
Shape shape_of(const Dims &dims)
{
    Shape s;
    s.c = u32(last_dim(dims));
    if (dims.size() >= 3) s.h = u32(dims[1]);
    for (size_t i = 2; i + 1 < dims.size(); i++)
        s.w *= u32(dims[i]);
    return s;
}

isa::dataflow::Window window_in(const Window &w)
{
    isa::dataflow::Window out;
    for (int axis : {0, 1}) {
        out.kernel[axis] = u32(w.kernel[axis]);
        out.stride[axis] = u32(w.stride[axis]);
        out.dilation[axis] = u32(w.dilation[axis]);
        out.pad[axis] = u32(w.pad[axis]);
    }
    return out;
}

// Whether a window has taps outside of its image.
bool leaves_image(const Graph &g, const Op &op)
{
    const Dims &x = g.value(op.inputs[0]).dims;
    for (int axis : {0, 1}) {
        const Window &w = op.window;
        const int64_t reach = (w.out[axis] - 1) * w.stride[axis] +
                              (w.kernel[axis] - 1) * w.dilation[axis] + 1 - w.pad[axis];
        if (w.pad[axis] || reach > x[static_cast<size_t>(axis + 1)]) return true;
    }
    return false;
}

class NetworkBuilder
{
public:
    NetworkBuilder(const Graph &g, std::span<const size_t> ops) : g_(g), ops_(ops), uses_(g.uses())
    {
        for (const size_t i : ops)
            for (const ValueId id : g.ops[i].inputs)
                if (id != kNoValue) inside_[id]++;
    }

    std::string build()
    {
        for (const size_t i : ops_) {
            at_ = i;
            const std::string why = add(g_.ops[i]);
            if (!why.empty()) return why;
        }
        for (const auto &[id, node] : node_of_) {
            const bool made = net_.nodes[node].kind != NodeKind::Input;
            const auto read = inside_.find(id);
            if (!made || uses_[id] == (read == inside_.end() ? 0 : read->second)) continue;
            net_.nodes[node].output = true;
            net_.values[node] = id;
        }
        return {};
    }

    Network take() { return std::move(net_); }

private:
    std::string add(const Op &op)
    {
        switch (op.kind) {
        case Kind::Im2col:
        case Kind::Mvm:
            made_by_[op.output] = &op;
            return {};
        case Kind::Requantize:
            return add_product(op);
        case Kind::MaxPool:
        case Kind::AvgPool:
            return add_pool(op);
        case Kind::Add:
            return add_sum(op);
        case Kind::Clip: {
            const uint32_t x = node(op.inputs[0], {});
            then(alone(op.inputs[0]) ? x : copy_of(x, op), op,
                 {.join = {}, .limits = limits(op, 0)});
            return {};
        }
        default: { // Reshape: of what comes from outside, who reads it says the shape
            const auto x = node_of_.find(op.inputs[0]);
            if (x == node_of_.end() || net_.nodes[x->second].kind == NodeKind::Input) return {};
            node_of_[op.output] = x->second;
            return {};
        }
        }
    }

    Limits limits(const Op &op, int32_t zero_point) const
    {
        const bool wide = g_.value(op.output).dtype == DType::I16;
        return {.zero_point = zero_point,
                .min = static_cast<int32_t>(std::max(op.lo, wide ? -32768.0f : -128.0f)),
                .max = static_cast<int32_t>(std::min(op.hi, wide ? 32767.0f : 127.0f))};
    }

    uint32_t append(Node node, ValueId value, uint32_t source)
    {
        node.name = "node '" + g_.sources[source].name + "'";
        node.bytes = g_.value(value).dtype == DType::I8;
        const auto index = static_cast<uint32_t>(net_.nodes.size());
        net_.nodes.push_back(std::move(node));
        net_.values.push_back(value);
        net_.sources.push_back(source);
        net_.operations.push_back(at_);
        return index;
    }

    // The node that makes a value; an Input of this shape (or that of its dims) if it is made
    // elsewhere.
    uint32_t node(ValueId id, Shape shape)
    {
        const auto it = node_of_.find(id);
        if (it != node_of_.end()) return it->second;
        Node input;
        input.kind = NodeKind::Input;
        input.out = shape.words() > 1 ? shape : shape_of(g_.value(id).dims);
        return node_of_[id] = append(std::move(input), id, g_.ops[at_].source);
    }

    std::string add_product(const Op &op)
    {
        const Op &mvm = *made_by_.at(op.inputs[0]);
        const ValueId x = mvm.inputs[0];
        const Dims &w = g_.value(mvm.inputs[1]).dims;
        Node product;
        product.kind = NodeKind::Product;
        const auto im2col = made_by_.find(x);
        const std::string where = "node '" + g_.source(mvm).name + "': ";
        if (im2col != made_by_.end()) {
            const Op &of = *im2col->second;
            const Shape image = shape_of(g_.value(of.inputs[0]).dims);
            product.from = node(of.inputs[0], image);
            if (net_.nodes[product.from].out != image)
                return where + "expected an image of the shape that it is made in; found another";
            product.window = window_in(of.window);
            product.pad_value = static_cast<int16_t>(g_.value(of.inputs[0]).quant.zero_point);
            product.out = {u32(of.window.out[0]), u32(of.window.out[1]), u32(w[1])};
        } else {
            product.from = node(x, {});
            const Shape &in = net_.nodes[product.from].out;
            product.out = {in.h, in.w, u32(w[1])};
            if (in.c != w[0]) {
                // A flattened image: a window of its size.
                if (static_cast<int64_t>(in.words()) != w[0])
                    return where + "expected rows of the width that they are made in; found others";
                product.window.kernel[0] = in.h;
                product.window.kernel[1] = in.w;
                product.out = {1, 1, u32(w[1])};
            }
        }
        product.weights = g_.int8s(mvm.inputs[1]);
        product.bias = g_.int32s(op.inputs[1]);
        product.multiplier = g_.int32s(op.inputs[2]);
        product.shift = g_.int32s(op.inputs[3]);
        product.limits = limits(op, g_.value(op.output).quant.zero_point);
        product.input_bits = g_.value(x).dtype == DType::I16 ? 16 : 8;
        node_of_[op.output] = append(std::move(product), op.output, mvm.source);
        return {};
    }

    std::string add_pool(const Op &op)
    {
        const Shape image = shape_of(g_.value(op.inputs[0]).dims);
        Node pool;
        pool.kind = op.kind == Kind::MaxPool ? NodeKind::MaxPool : NodeKind::AveragePool;
        pool.from = node(op.inputs[0], image);
        if (net_.nodes[pool.from].out != image)
            return "node '" + g_.source(op).name +
                   "': expected an image of the shape that it is made in; found another";
        pool.window = window_in(op.window);
        pool.pad_value = static_cast<int16_t>(
            op.kind == Kind::MaxPool ? -128 : g_.value(op.inputs[0]).quant.zero_point);
        pool.out = shape_of(g_.value(op.output).dims);
        node_of_[op.output] = append(std::move(pool), op.output, op.source);
        return {};
    }

    // Whether nobody but the operation at hand reads it, so that the node can go on with it.
    bool alone(ValueId id) const
    {
        const auto it = node_of_.find(id);
        return uses_[id] == 1 && it != node_of_.end() &&
               net_.nodes[it->second].kind != NodeKind::Input && net_.values[it->second] == id;
    }

    uint32_t copy_of(uint32_t from, const Op &op)
    {
        Node copy;
        copy.from = from;
        copy.out = net_.nodes[from].out;
        return append(std::move(copy), op.output, op.source);
    }

    void then(uint32_t node, const Op &op, const Then &what)
    {
        net_.nodes[node].then.push_back(what);
        net_.nodes[node].bytes = g_.value(op.output).dtype == DType::I8;
        net_.values[node] = op.output;
        net_.operations[node] = at_;
        node_of_[op.output] = node;
    }

    std::string add_sum(const Op &op)
    {
        const std::string where = "node '" + g_.source(op).name + "': ";
        const Value &y = g_.value(op.output);
        ValueId own = op.inputs[0], other = op.inputs[1];
        AddFactors factors;
        const auto scale = [&](ValueId id) {
            return static_cast<double>(g_.value(id).quant.scale);
        };
        if (!add_factors(scale(own), scale(other), static_cast<double>(y.quant.scale), factors))
            return where + "expected operands of scales that are not too far apart; found others";
        uint32_t a = node(own, {}), b = node(other, {});
        if (net_.nodes[a].out != net_.nodes[b].out)
            return where + "expected operands of one shape; found others";
        // With the later one's result, if that is for nothing else.
        if (a < b) {
            std::swap(own, other);
            std::swap(a, b);
            std::swap(factors.a, factors.b);
        }
        const Then sum = {.join = Join{.other = b,
                                       .factor = factors.a,
                                       .other_factor = factors.b,
                                       .zero = g_.value(own).quant.zero_point,
                                       .other_zero = g_.value(other).quant.zero_point,
                                       .shift = factors.shift},
                          .limits = limits(op, y.quant.zero_point)};
        then(a != b && alone(own) ? a : copy_of(a, op), op, sum);
        return {};
    }

    const Graph &g_;
    const std::span<const size_t> ops_;
    const std::vector<uint32_t> uses_;
    std::map<ValueId, uint32_t> inside_; // reads by these operations
    std::map<ValueId, uint32_t> node_of_;
    std::map<ValueId, const Op *> made_by_; // Im2col and Mvm
    size_t at_ = 0;
    Network net_;
};

} // namespace

bool can_be_instructions(const Graph &g, const Op &op)
{
    if (op.inputs.empty() || op.inputs[0] == kNoValue) return false;
    const Value &x = g.value(op.inputs[0]), &y = g.value(op.output);
    const auto image = [](const Value &v) {
        return v.dims.size() >= 2 && v.dims.size() <= 4 && v.dims[0] == 1;
    };
    switch (op.kind) {
    case Kind::Im2col:
        return true;
    case Kind::Mvm:
    case Kind::Reshape:
        return integers(x);
    case Kind::Requantize:
        return integers(y) && image(y);
    case Kind::MaxPool:
        return image(x);
    case Kind::AvgPool:
        return image(x) && op.window.kernel[0] * op.window.kernel[1] <= 255 &&
               (op.count_include_pad || !leaves_image(g, op));
    case Kind::Add:
        return !g.value(op.inputs[1]).is_constant() && !x.is_constant() && image(y) &&
               x.dims == g.value(op.inputs[1]).dims;
    case Kind::Clip:
        return x.dtype == DType::I8 && image(x);
    default:
        return false;
    }
}

Result<Network> make_network(const Graph &graph, std::span<const size_t> ops, std::string *why)
{
    NetworkBuilder builder(graph, ops);
    std::string text = builder.build();
    if (!text.empty()) return program::refuse(why, -EINVAL, std::move(text));
    return builder.take();
}

} // namespace acc::accc
