// SPDX-License-Identifier: MIT
#include "tools/accc/legalize/legalize.h"

#include "tools/accc/ir/shape.h"
#include "tools/accc/legalize/legalizer.h"

#include <cmath>

namespace acc::accc
{
namespace
{

template <typename T>
const T *attr(const Op &op, std::string_view name)
{
    const auto it = op.node.attrs.find(name);
    return it == op.node.attrs.end() ? nullptr : std::get_if<T>(&it->second);
}

LegalizeFunction find_function(std::string_view op)
{
    for (const auto find : {find_linear, find_join, find_move, find_window, find_quantize,
                            find_spatial, find_upscale})
        if (const LegalizeFunction function = find(op)) return function;
    return nullptr;
}

Tensor tensor_of(const Graph &g, ValueId id)
{
    const Value &v = g.value(id);
    Tensor t;
    t.dims = v.dims;
    t.scales = v.scales;
    t.scale_axis = v.scale_axis;
    const host::View view = g.view(id);
    const bool is_float = v.dtype == DType::F32 || v.dtype == DType::F64 || v.dtype == DType::F16 ||
                          v.dtype == DType::BF16;
    if (v.dtype == DType::F32) {
        t.data = g.floats(id);
    } else if (is_float) {
        const std::vector<double> wide = host::read_floats(view);
        t.data = std::vector<float>(wide.begin(), wide.end());
    } else {
        t.data = host::read_ints(view);
    }
    return t;
}

} // namespace

int64_t Node::get_int(std::string_view name, int64_t otherwise) const
{
    const auto *v = attr<int64_t>(op_, name);
    return v ? *v : otherwise;
}

float Node::get_float(std::string_view name, float otherwise) const
{
    const auto *v = attr<float>(op_, name);
    return v ? *v : otherwise;
}

std::string Node::get_string(std::string_view name, const char *otherwise) const
{
    const auto *v = attr<std::string>(op_, name);
    return v ? *v : otherwise;
}

std::vector<int64_t> Node::get_ints(std::string_view name) const
{
    const auto *v = attr<std::vector<int64_t>>(op_, name);
    return v ? *v : std::vector<int64_t>{};
}

const Named &Legalizer::operand(const Node &node, size_t i)
{
    std::optional<Named> &named = names_[node.input(i)];
    if (!named) named = tensor_of(model_, node.input(i));
    return *named;
}

Result<ValueId> Legalizer::activation(Node &node, size_t i)
{
    const ValueId *id = node.has_input(i) ? std::get_if<ValueId>(&operand(node, i)) : nullptr;
    if (!id)
        return node.error("expected input " + std::to_string(i) +
                          " to be computed from the model's input; found " +
                          (node.has_input(i) ? "a constant" : "none"));
    const Value &v = graph_.value(*id);
    if (v.dtype != DType::F32)
        return node.error("expected input " + std::to_string(i) + " of float; found " +
                          dtype_name(v.dtype));
    if (v.dims.empty())
        return node.error("expected input " + std::to_string(i) +
                          " with at least one axis; found one value");
    return *id;
}

Result<Tensor> Legalizer::float_constant(Node &node, size_t i)
{
    const Tensor *t = node.has_input(i) ? std::get_if<Tensor>(&operand(node, i)) : nullptr;
    if (!t || !t->is_float())
        return node.error("expected input " + std::to_string(i) +
                          " to be a constant of floats; found " +
                          (node.has_input(i) ? "it computed, or integers" : "none"));
    for (const float v : t->floats())
        if (!std::isfinite(v))
            return node.error("expected input " + std::to_string(i) + " of finite values; found " +
                              std::to_string(v));
    return *t;
}

Result<ValueId> Legalizer::add(Node &node, Op op)
{
    Diagnostics inner;
    const auto dims = infer_dims(graph_, op, inner);
    if (!dims) return node.error(inner.text());
    op.output = graph_.add_value(model_.value(node.output()).name, DType::F32, *dims);
    graph_.ops.push_back(std::move(op));
    return graph_.ops.back().output;
}

ValueId Legalizer::constant(Node &node, Tensor tensor)
{
    const ValueId id =
        graph_.add_constant(node.name(), std::move(tensor.dims), std::move(tensor.floats()));
    graph_.value(id).scales = std::move(tensor.scales);
    graph_.value(id).scale_axis = tensor.scale_axis;
    return id;
}

Status Legalizer::define(const Node &node, Named named)
{
    names_[node.output()] = std::move(named);
    return Ok{};
}

bool Legalizer::made_by_host(ValueId id) const
{
    return host_made_.contains(id) && !(graph_.value(id).quant.scale > 0);
}

void Legalizer::define_output(const Node &node, size_t i, ValueId id)
{
    const ValueId output = i ? node.whole().more[i - 1] : node.output();
    if (output == kNoValue) return;
    // add() named it after the first.
    if (graph_.value(id).name == model_.value(node.output()).name)
        graph_.value(id).name = model_.value(output).name;
    names_[output] = id;
}

Status Legalizer::finish(Node &node, Op op)
{
    const auto id = add(node, std::move(op));
    if (!id) return Error{id.error()};
    return define(node, *id);
}

std::optional<ValueId> Legalizer::stored(ValueId model_value) const
{
    const auto it = stored_.find(model_value);
    if (it == stored_.end()) return std::nullopt;
    return it->second;
}

Status Legalizer::to_host(const Op &old)
{
    Op op = old;
    for (ValueId &id : op.inputs) {
        if (id == kNoValue) continue;
        if (!model_.value(id).is_constant()) {
            id = *std::get_if<ValueId>(&*names_[id]);
            continue;
        }
        const auto [it, fresh] = constants_.emplace(id, 0);
        if (fresh) {
            graph_.values.push_back(model_.value(id));
            it->second = static_cast<ValueId>(graph_.values.size() - 1);
        }
        id = it->second;
    }
    const auto made = [&](ValueId &id) {
        if (id == kNoValue) return;
        const Value &v = model_.value(id);
        const ValueId fresh = graph_.add_value(v.name, v.dtype, v.dims);
        host_made_.insert(fresh);
        names_[id] = fresh;
        id = fresh;
    };
    made(op.output);
    for (ValueId &id : op.more)
        made(id);
    graph_.ops.push_back(std::move(op));
    return Ok{};
}

// Of a computed operand, as fuse_chains() made it.
void Legalizer::add_table(Op op)
{
    op.inputs[0] = *std::get_if<ValueId>(&*names_[op.inputs[0]]);
    const Value &y = model_.value(op.output);
    const ValueId fresh = graph_.add_value(y.name, y.dtype, y.dims);
    names_[op.output] = fresh;
    op.output = fresh;
    graph_.ops.push_back(std::move(op));
}

Status Legalizer::run(Diagnostics &diag)
{
    graph_.stage = Stage::Float;
    graph_.name = model_.name;
    graph_.sources = model_.sources;
    graph_.output_names = model_.output_names;
    names_.resize(model_.values.size());
    for (const ValueId id : model_.inputs) {
        const Value &v = model_.value(id);
        const ValueId fresh = graph_.add_value(v.name, v.dtype, v.dims);
        graph_.value(fresh).quant = v.quant;
        names_[id] = fresh;
        graph_.inputs.push_back(fresh);
    }
    for (const Op &op : model_.ops) {
        if (op.kind == Kind::Table) {
            add_table(op);
            continue;
        }
        std::string reason = "no engine has the operator";
        if (const LegalizeFunction function = find_function(op.node.op)) {
            const size_t ops = graph_.ops.size(), values = graph_.values.size();
            Diagnostics inner;
            Node node(model_, op, inner);
            if (function(*this, node)) continue;
            reason = inner.text();
            // As if nothing had been tried.
            graph_.ops.resize(ops);
            graph_.values.resize(values);
            host_made_.erase(host_made_.lower_bound(static_cast<ValueId>(values)),
                             host_made_.end());
        }
        graph_.sources[op.source].host = reason;
        ACCC_CHECK(to_host(op));
    }
    for (const ValueId id : model_.outputs) {
        const ValueId *made = names_[id] ? std::get_if<ValueId>(&*names_[id]) : nullptr;
        if (!made) return diag.error("internal: output: expected a result; found a constant");
        graph_.outputs.push_back(*made);
    }
    model_ = std::move(graph_);
    return Ok{};
}

Status legalize(Graph &graph, Diagnostics &diag)
{
    if (graph.stage != Stage::Model) return Ok{};
    expand_qlinear(graph);
    return Legalizer(graph).run(diag);
}

Op make_op(const Node &node, Kind kind, std::vector<ValueId> inputs)
{
    Op op;
    op.kind = kind;
    op.source = node.source();
    op.inputs = std::move(inputs);
    return op;
}

Result<ValueId> add_slice(Legalizer &in, Node &node, ValueId x, int64_t axis, int64_t start,
                          int64_t count)
{
    if (count == in.dims(x)[static_cast<size_t>(axis)]) return x;
    Op op = make_op(node, Kind::Slice, {x});
    op.axis = axis;
    op.start = start;
    op.shape = {count};
    return in.add(node, std::move(op));
}

int64_t normal_axis(int64_t axis, size_t rank)
{
    const auto r = static_cast<int64_t>(rank);
    if (axis < -r || axis >= r) return -1;
    return axis < 0 ? axis + r : axis;
}

} // namespace acc::accc
