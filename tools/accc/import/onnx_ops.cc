// SPDX-License-Identifier: MIT
#include "tools/accc/import/onnx_ops.h"

#include <onnx/onnx_pb.h>

#include <algorithm>

namespace acc::accc
{
namespace
{

using Ids = Result<std::vector<ValueId>>;

template <typename T>
std::optional<T> take(OnnxNode &n, const std::string &name)
{
    const auto it = n.attrs.find(name);
    if (it == n.attrs.end()) return std::nullopt;
    const T *value = std::get_if<T>(&it->second);
    std::optional<T> taken;
    if (value) taken = *value;
    n.attrs.erase(it);
    return taken;
}

bool has_input(const OnnxNode &n, size_t i)
{
    return i < n.inputs.size() && n.inputs[i] != kNoValue;
}

void set_input(OnnxNode &n, size_t i, ValueId id)
{
    if (n.inputs.size() <= i) n.inputs.resize(i + 1, kNoValue);
    n.inputs[i] = id;
}

// Lists that were attributes are inputs now.
void ints_to_input(ModelBuilder &b, OnnxNode &n, const char *name, size_t i)
{
    if (const auto ints = take<std::vector<int64_t>>(n, name)) set_input(n, i, b.ints(*ints));
}

ValueId floats_constant(ModelBuilder &b, const std::vector<float> &values)
{
    return b.constant("", DType::F32, {static_cast<int64_t>(values.size())},
                      std::as_bytes(std::span(values)));
}

Ids plain(ModelBuilder &b, OnnxNode &n)
{
    for (const auto &[name, value] : n.attrs)
        if (!host::known_attr(n.op, name))
            return b.error("expected attributes that accc knows; found '" + name + "'");
    return b.add(n.op, std::move(n.attrs), std::move(n.inputs), n.wanted, n.declared);
}

Ids add_constant(ModelBuilder &b, OnnxNode &n)
{
    ValueId id = kNoValue;
    if (const auto it = n.tensors.find("value"); it != n.tensors.end()) id = it->second;
    if (const auto v = take<float>(n, "value_float"))
        id = b.scalar(DType::F32, static_cast<double>(*v));
    if (const auto v = take<int64_t>(n, "value_int"))
        id = b.constant("", DType::I64, {}, std::as_bytes(std::span(&*v, 1)));
    if (const auto v = take<std::vector<float>>(n, "value_floats")) id = floats_constant(b, *v);
    if (const auto v = take<std::vector<int64_t>>(n, "value_ints")) id = b.ints(*v);
    if (id == kNoValue) return b.error("expected a value of floats or integers; found another");
    b.graph().sources.back().fate = "a constant";
    return std::vector<ValueId>{id};
}

// Before opset 13 these are over all axes from `axis` on.
Ids add_flat_softmax(ModelBuilder &b, OnnxNode &n)
{
    const Dims dims = b.dims(n.inputs.at(0));
    int64_t axis = take<int64_t>(n, "axis").value_or(1);
    const auto rank = static_cast<int64_t>(dims.size());
    if (axis < 0) axis += rank;
    if (axis < 0 || axis >= std::max<int64_t>(rank, 1))
        return b.error("expected an axis of " + dims_text(dims) + "; found " +
                       std::to_string(axis));
    n.attrs["axis"] = int64_t{-1};
    if (axis + 1 >= rank) return plain(b, n);
    // Each row is what the axes from `axis` on hold.
    Dims rows(dims.begin(), dims.begin() + axis);
    rows.push_back(elements({dims.begin() + axis, dims.end()}));
    ACC_TRY(const ValueId flat, b.add1("Reshape", {}, {n.inputs[0], b.ints(rows)}));
    ACC_TRY(const ValueId soft, b.add1(n.op, n.attrs, {flat}));
    return b.add("Reshape", {}, {soft, b.ints(dims)});
}

Ids add_clip(ModelBuilder &b, OnnxNode &n)
{
    const DType dtype = b.graph().value(n.inputs.at(0)).dtype;
    if (const auto lo = take<float>(n, "min"))
        set_input(n, 1, b.scalar(dtype, static_cast<double>(*lo)));
    if (const auto hi = take<float>(n, "max"))
        set_input(n, 2, b.scalar(dtype, static_cast<double>(*hi)));
    return plain(b, n);
}

Ids add_slice(ModelBuilder &b, OnnxNode &n)
{
    ints_to_input(b, n, "starts", 1);
    ints_to_input(b, n, "ends", 2);
    ints_to_input(b, n, "axes", 3);
    return plain(b, n);
}

Ids add_pad(ModelBuilder &b, OnnxNode &n)
{
    ints_to_input(b, n, "pads", 1);
    if (const auto value = take<float>(n, "value")) {
        if (has_input(n, 0))
            set_input(n, 2,
                      b.scalar(b.graph().value(n.inputs[0]).dtype, static_cast<double>(*value)));
    }
    return plain(b, n);
}

Ids add_upsample(ModelBuilder &b, OnnxNode &n)
{
    if (const auto scales = take<std::vector<float>>(n, "scales"))
        set_input(n, 1, floats_constant(b, *scales));
    if (!has_input(n, 1)) return b.error("expected scales; found none");
    n.inputs = {n.inputs[0], kNoValue, n.inputs[1]};
    n.op = "Resize";
    n.attrs["coordinate_transformation_mode"] = std::string("asymmetric");
    n.attrs["nearest_mode"] = std::string("floor");
    return plain(b, n);
}

Ids add_resize(ModelBuilder &b, OnnxNode &n)
{
    if (n.opset < 11) return add_upsample(b, n);
    return plain(b, n);
}

Ids add_batch_norm(ModelBuilder &b, OnnxNode &n)
{
    if (n.wanted.size() > 1 &&
        std::any_of(n.wanted.begin() + 1, n.wanted.end(), [](bool wanted) { return wanted; }))
        return b.error("expected inference, with one output; found training");
    n.wanted.resize(1);
    return plain(b, n);
}

Ids add_dropout(ModelBuilder &b, OnnxNode &n)
{
    take<float>(n, "ratio");
    take<int64_t>(n, "seed");
    if (has_input(n, 2) && b.is_constant(n.inputs[2])) {
        const std::vector<int64_t> training = b.read_ints(n.inputs[2]);
        if (training.size() != 1 || training[0] != 0)
            return b.error("expected inference, 'training_mode' false; found training");
        n.inputs.resize(1);
    } else if (!has_input(n, 2) && !n.inputs.empty()) {
        n.inputs.resize(1);
    }
    return plain(b, n);
}

Ids add_cast(ModelBuilder &b, OnnxNode &n)
{
    const auto to = onnx_dtype(static_cast<int>(take<int64_t>(n, "to").value_or(0)));
    if (!to) return b.error("expected attribute 'to' to be a number type; found another");
    n.attrs["to"] = static_cast<int64_t>(dtype_code(*to));
    take<int64_t>(n, "saturate"); // of 8-bit floats only
    return plain(b, n);
}

Ids add_cast_like(ModelBuilder &b, OnnxNode &n)
{
    if (!has_input(n, 1)) return b.error("expected two inputs; found one");
    take<int64_t>(n, "saturate");
    n.op = "Cast";
    n.attrs["to"] = static_cast<int64_t>(dtype_code(b.graph().value(n.inputs[1]).dtype));
    n.inputs.resize(1);
    return plain(b, n);
}

// An attribute that names a type.
Ids add_typed(ModelBuilder &b, OnnxNode &n, const char *name)
{
    if (const auto type = take<int64_t>(n, name); type && *type) {
        const auto dtype = onnx_dtype(static_cast<int>(*type));
        if (!dtype)
            return b.error(std::string("expected attribute '") + name +
                           "' to be a number type; found another");
        n.attrs[name] = static_cast<int64_t>(dtype_code(*dtype));
    }
    return plain(b, n);
}

Ids add_reduce(ModelBuilder &b, OnnxNode &n)
{
    ints_to_input(b, n, "axes", 1);
    return plain(b, n);
}

Ids add_fill(ModelBuilder &b, OnnxNode &n)
{
    if (const auto it = n.tensors.find("value"); it != n.tensors.end()) {
        if (elements(b.dims(it->second)) != 1)
            return b.error("expected a value of one element; found " +
                           dims_text(b.dims(it->second)));
        set_input(n, 1, it->second);
    }
    return plain(b, n);
}

Ids add_topk(ModelBuilder &b, OnnxNode &n)
{
    if (const auto k = take<int64_t>(n, "k")) set_input(n, 1, b.ints({*k}));
    return plain(b, n);
}

struct Rule {
    const char *op;
    Ids (*add)(ModelBuilder &, OnnxNode &);
};

constexpr Rule rules[] = {
    {"Constant", add_constant},
    {"ConstantOfShape", add_fill},
    {"Clip", add_clip},
    {"Slice", add_slice},
    {"Pad", add_pad},
    {"Upsample", add_upsample},
    {"Resize", add_resize},
    {"BatchNormalization", add_batch_norm},
    {"Dropout", add_dropout},
    {"Cast", add_cast},
    {"CastLike", add_cast_like},
    {"TopK", add_topk},
    {"EyeLike", [](ModelBuilder &b, OnnxNode &n) { return add_typed(b, n, "dtype"); }},
    {"QuantizeLinear",
     [](ModelBuilder &b, OnnxNode &n) { return add_typed(b, n, "output_dtype"); }},
    {"Squeeze", add_reduce},
    {"Unsqueeze", add_reduce},
    {"Split",
     [](ModelBuilder &b, OnnxNode &n) {
         ints_to_input(b, n, "split", 1);
         return plain(b, n);
     }},
    {"Scatter",
     [](ModelBuilder &b, OnnxNode &n) {
         n.op = "ScatterElements";
         return plain(b, n);
     }},
};

} // namespace

bool onnx_knows(const std::string &op)
{
    for (const Rule &r : rules)
        if (op == r.op) return true;
    return host::known(op);
}

Result<std::vector<ValueId>> add_onnx_node(ModelBuilder &b, OnnxNode n)
{
    if (n.op != "Constant" && n.op != "ConstantOfShape" && !n.tensors.empty())
        return b.error("expected attributes that accc knows; found '" + n.tensors.begin()->first +
                       "'");
    if (n.op != "Constant" && (n.inputs.empty() || n.inputs[0] == kNoValue))
        return b.error("expected an input; found none");
    const bool soft = n.op == "Softmax" || n.op == "LogSoftmax" || n.op == "Hardmax";
    if (soft && n.opset < 13) return add_flat_softmax(b, n);
    if (n.op.starts_with("Reduce")) return add_reduce(b, n);
    for (const Rule &r : rules)
        if (n.op == r.op) return r.add(b, n);
    return plain(b, n);
}

int onnx_attr_type(const std::string &op, const std::string &name)
{
    static const std::map<std::string, int> types = [] {
        std::map<std::string, int> t;
        using A = onnx::AttributeProto;
        const auto set = [&](int type, std::initializer_list<const char *> names) {
            for (const char *n : names)
                t[n] = type;
        };
        set(A::FLOAT,
            {"alpha", "beta", "gamma", "epsilon", "momentum", "bias", "lambd", "ratio",
             "cubic_coeff_a", "extrapolation_value", "clip", "value_float", "min", "max"});
        set(A::STRING, {"auto_pad", "mode", "direction", "coordinate_transformation_mode",
                        "nearest_mode", "keep_aspect_ratio_policy", "reduction", "approximate"});
        set(A::INTS, {"kernel_shape", "strides", "dilations", "pads", "axes", "perm", "starts",
                      "ends", "split", "output_padding", "output_shape", "value_ints"});
        set(A::FLOATS, {"scales", "activation_alpha", "activation_beta", "value_floats"});
        set(A::INT, {"axis",
                     "group",
                     "keepdims",
                     "transA",
                     "transB",
                     "ceil_mode",
                     "storage_order",
                     "count_include_pad",
                     "to",
                     "allowzero",
                     "blocksize",
                     "hidden_size",
                     "layout",
                     "linear_before_reset",
                     "input_forget",
                     "size",
                     "p",
                     "start",
                     "end",
                     "exclusive",
                     "reverse",
                     "largest",
                     "sorted",
                     "k",
                     "batch_dims",
                     "select_last_index",
                     "value_int",
                     "training_mode",
                     "spatial",
                     "noop_with_empty_axes",
                     "exclude_outside",
                     "antialias"});
        return t;
    }();
    if (op == "BitShift" || (op == "Pad" && name == "value") || op == "Shrink") return 0;
    const auto it = types.find(name);
    return it == types.end() ? 0 : it->second;
}

std::optional<DType> onnx_dtype(int type)
{
    switch (type) {
    case onnx::TensorProto::FLOAT:
        return DType::F32;
    case onnx::TensorProto::INT8:
        return DType::I8;
    case onnx::TensorProto::INT32:
        return DType::I32;
    case onnx::TensorProto::UINT8:
        return DType::U8;
    case onnx::TensorProto::INT16:
        return DType::I16;
    case onnx::TensorProto::UINT16:
        return DType::U16;
    case onnx::TensorProto::UINT32:
        return DType::U32;
    case onnx::TensorProto::INT64:
        return DType::I64;
    case onnx::TensorProto::UINT64:
        return DType::U64;
    case onnx::TensorProto::BOOL:
        return DType::Bool;
    case onnx::TensorProto::FLOAT16:
        return DType::F16;
    case onnx::TensorProto::BFLOAT16:
        return DType::BF16;
    case onnx::TensorProto::DOUBLE:
        return DType::F64;
    default:
        return std::nullopt;
    }
}

} // namespace acc::accc
