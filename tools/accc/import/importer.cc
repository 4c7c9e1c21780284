// SPDX-License-Identifier: MIT
#include "tools/accc/import/importer.h"

#include "tools/accc/ir/shape.h"

namespace acc::accc
{
namespace
{

const std::string kNone;

} // namespace

const std::string &Node::input(size_t i) const
{
    return i < inputs() ? proto_.input(static_cast<int>(i)) : kNone;
}

const std::string &Node::output(size_t i) const
{
    return i < outputs() ? proto_.output(static_cast<int>(i)) : kNone;
}

Error Node::error(const std::string &text)
{
    return diag_.error("node '" + name_ + "' (" + op() + "): " + text);
}

const onnx::AttributeProto *Node::find(const char *attribute, int type)
{
    known_.insert(attribute);
    for (const auto &a : proto_.attribute()) {
        if (a.name() != attribute) continue;
        if (a.type() == type) return &a;
        if (bad_.empty())
            bad_ = std::string("expected attribute '") + attribute + "' of type " +
                   onnx::AttributeProto::AttributeType_Name(type) + "; found " +
                   onnx::AttributeProto::AttributeType_Name(a.type());
    }
    return nullptr;
}

bool Node::has(const char *attribute) const
{
    for (const auto &a : proto_.attribute())
        if (a.name() == attribute) return true;
    return false;
}

int64_t Node::get_int(const char *attribute, int64_t otherwise)
{
    const auto *a = find(attribute, onnx::AttributeProto::INT);
    return a ? a->i() : otherwise;
}

float Node::get_float(const char *attribute, float otherwise)
{
    const auto *a = find(attribute, onnx::AttributeProto::FLOAT);
    return a ? a->f() : otherwise;
}

std::string Node::get_string(const char *attribute, const char *otherwise)
{
    const auto *a = find(attribute, onnx::AttributeProto::STRING);
    return a ? a->s() : otherwise;
}

std::vector<int64_t> Node::get_ints(const char *attribute)
{
    const auto *a = find(attribute, onnx::AttributeProto::INTS);
    if (!a) return {};
    return {a->ints().begin(), a->ints().end()};
}

std::vector<float> Node::get_floats(const char *attribute)
{
    const auto *a = find(attribute, onnx::AttributeProto::FLOATS);
    if (!a) return {};
    return {a->floats().begin(), a->floats().end()};
}

const onnx::TensorProto *Node::get_tensor(const char *attribute)
{
    const auto *a = find(attribute, onnx::AttributeProto::TENSOR);
    return a ? &a->t() : nullptr;
}

Status Node::done()
{
    for (const auto &a : proto_.attribute())
        if (bad_.empty() && !known_.contains(a.name()))
            bad_ = "expected attributes that accc knows; found '" + a.name() + "'";
    if (!bad_.empty()) return error(bad_);
    return Ok{};
}

const Named &Importer::operand(const Node &node, size_t i) const
{
    return names_.find(node.input(i))->second;
}

Result<ValueId> Importer::activation(Node &node, size_t i)
{
    const ValueId *id = node.has_input(i) ? std::get_if<ValueId>(&operand(node, i)) : nullptr;
    if (!id)
        return node.error("expected input " + std::to_string(i) +
                          " to be computed from the model's input; found " +
                          (node.has_input(i) ? "the constant '" + node.input(i) + "'" : "none"));
    return *id;
}

Result<Tensor> Importer::float_constant(Node &node, size_t i)
{
    const Tensor *t = node.has_input(i) ? std::get_if<Tensor>(&operand(node, i)) : nullptr;
    if (!t || !t->is_float())
        return node.error("expected input " + std::to_string(i) +
                          " to be a constant of floats; found " +
                          (node.has_input(i) ? "'" + node.input(i) + "'" : "none"));
    return *t;
}

Result<Tensor> Importer::int_constant(Node &node, size_t i)
{
    const Tensor *t = node.has_input(i) ? std::get_if<Tensor>(&operand(node, i)) : nullptr;
    if (!t || t->is_float())
        return node.error("expected input " + std::to_string(i) +
                          " to be a constant of integers; found " +
                          (node.has_input(i) ? "'" + node.input(i) + "'" : "none"));
    return *t;
}

Result<ValueId> Importer::add(Node &node, Op op)
{
    Diagnostics inner;
    const auto dims = infer_dims(graph_, op, inner);
    if (!dims) return node.error(inner.text());
    op.output = graph_.add_value(node.output(), DType::F32, *dims);
    graph_.ops.push_back(std::move(op));
    return graph_.ops.back().output;
}

ValueId Importer::constant(Node &node, Tensor tensor)
{
    return graph_.add_constant(node.name(), std::move(tensor.dims), std::move(tensor.floats()));
}

Status Importer::define(const Node &node, Named named)
{
    names_.insert_or_assign(node.output(), std::move(named));
    return Ok{};
}

Status Importer::finish(Node &node, Op op)
{
    ACCC_CHECK(node.done());
    const auto id = add(node, std::move(op));
    if (!id) return Error{id.error()};
    return define(node, *id);
}

Op make_op(const Node &node, Kind kind, std::vector<ValueId> inputs)
{
    Op op;
    op.kind = kind;
    op.source = node.source();
    op.inputs = std::move(inputs);
    return op;
}

int64_t normal_axis(int64_t axis, size_t rank)
{
    const auto r = static_cast<int64_t>(rank);
    if (axis < -r || axis >= r) return -1;
    return axis < 0 ? axis + r : axis;
}

} // namespace acc::accc
