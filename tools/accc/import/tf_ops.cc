// SPDX-License-Identifier: MIT
//
// TensorFlow's operators by those of host/host.h.
#include "tools/accc/import/tf_graph.h"
#include "tools/accc/ir/layout.h"

#include <algorithm>

namespace acc::accc
{
namespace
{

const tf::Attr *attr(const tf::Node &node, const char *name)
{
    const auto it = node.attr().find(name);
    return it == node.attr().end() ? nullptr : &it->second;
}

bool flag(const tf::Node &node, const char *name)
{
    const auto *a = attr(node, name);
    return a && a->b();
}

int64_t number(const tf::Node &node, const char *name, int64_t otherwise)
{
    const auto *a = attr(node, name);
    return a ? a->i() : otherwise;
}

float real(const tf::Node &node, const char *name, float otherwise)
{
    const auto *a = attr(node, name);
    return a ? a->f() : otherwise;
}

std::string text(const tf::Node &node, const char *name, const char *otherwise)
{
    const auto *a = attr(node, name);
    return a ? a->s() : otherwise;
}

std::vector<int64_t> list(const tf::Node &node, const char *name)
{
    const auto *a = attr(node, name);
    if (!a) return {};
    return {a->list().i().begin(), a->list().i().end()};
}

struct TfPlain {
    const char *tf, *op;
    size_t operands;
};
constexpr TfPlain tf_plain_ops[] = {
    {"Relu", "Relu", 1},
    {"Elu", "Elu", 1},
    {"Selu", "Selu", 1},
    {"Sigmoid", "Sigmoid", 1},
    {"Tanh", "Tanh", 1},
    {"Softplus", "Softplus", 1},
    {"Softsign", "Softsign", 1},
    {"Softmax", "Softmax", 1},
    {"LogSoftmax", "LogSoftmax", 1},
    {"Exp", "Exp", 1},
    {"Log", "Log", 1},
    {"Sqrt", "Sqrt", 1},
    {"Reciprocal", "Reciprocal", 1},
    {"Neg", "Neg", 1},
    {"Abs", "Abs", 1},
    {"Floor", "Floor", 1},
    {"Ceil", "Ceil", 1},
    {"Round", "Round", 1},
    {"Rint", "Round", 1},
    {"Erf", "Erf", 1},
    {"Sin", "Sin", 1},
    {"Cos", "Cos", 1},
    {"Identity", "Identity", 1},
    {"StopGradient", "Identity", 1},
    {"PreventGradient", "Identity", 1},
    {"ReadVariableOp", "Identity", 1},
    {"Snapshot", "Identity", 1},
    {"Add", "Add", 2},
    {"AddV2", "Add", 2},
    {"Sub", "Sub", 2},
    {"Mul", "Mul", 2},
    {"RealDiv", "Div", 2},
    {"Div", "Div", 2},
    {"Maximum", "Max", 2},
    {"Minimum", "Min", 2},
    {"Pow", "Pow", 2},
    {"Equal", "Equal", 2},
    {"Less", "Less", 2},
    {"LessEqual", "LessOrEqual", 2},
    {"Greater", "Greater", 2},
    {"GreaterEqual", "GreaterOrEqual", 2},
    {"LogicalAnd", "And", 2},
    {"LogicalOr", "Or", 2},
    {"LogicalNot", "Not", 1},
    {"Select", "Where", 3},
    {"SelectV2", "Where", 3},
    {"AddN", "Sum", 64},
    {"IdentityN", "", 0},
    {"Tile", "Tile", 2},
    {"BroadcastTo", "Expand", 2},
};

} // namespace

Result<TfReader::Ids> TfReader::one(const std::string &op, host::Attrs attrs, Ids in)
{
    return b_.add(op, std::move(attrs), std::move(in));
}

Result<std::vector<int64_t>> TfReader::ints_of(const Ids &in, size_t i)
{
    if (i >= in.size() || !b_.is_constant(in[i]))
        return b_.error("expected input " + std::to_string(i) + " to be constant; found " +
                        (i < in.size() ? "it computed" : "none"));
    return b_.read_ints(in[i]);
}

// Conv2D, DepthwiseConv2dNative, with their image's channels first or last.
Result<TfReader::Ids> TfReader::make_window(const tf::Node &node, const Ids &in)
{
    const bool depthwise = node.op() == "DepthwiseConv2dNative";
    if (in.size() != 2 || b_.dims(in[0]).size() != 4 || b_.dims(in[1]).size() != 4)
        return b_.error("expected an image and weights of 4 dimensions; found others");
    const bool last = text(node, "data_format", "NHWC") == "NHWC";
    const size_t h = last ? 1 : 2;
    const auto strides = list(node, "strides"), dilations = list(node, "dilations");
    const std::string padding = text(node, "padding", "VALID");
    if (strides.size() != 4 || (!dilations.empty() && dilations.size() != 4))
        return b_.error("expected four strides and dilations; found others");
    host::Attrs attrs;
    attrs["strides"] = std::vector<int64_t>{strides[h], strides[h + 1]};
    if (!dilations.empty())
        attrs["dilations"] = std::vector<int64_t>{dilations[h], dilations[h + 1]};
    if (padding == "EXPLICIT") {
        const auto p = list(node, "explicit_paddings"); // [before, after] of each axis
        if (p.size() != 8) return b_.error("expected eight explicit paddings; found others");
        attrs["pads"] = std::vector<int64_t>{p[2 * h], p[2 * h + 2], p[2 * h + 1], p[2 * h + 3]};
    } else {
        attrs["auto_pad"] = std::string(padding == "SAME" ? "SAME_UPPER" : "VALID");
    }
    ValueId x = in[0];
    if (last) {
        ACC_TRY(x, b_.add1("Transpose", {{"perm", kToChannelsFirst<int64_t>}}, {x}));
    }
    const int64_t channels = b_.dims(x)[1];
    const Dims w = b_.dims(in[1]); // [h, w, in, out] or, depthwise, [h, w, in, multiplier]
    ValueId weights = kNoValue;
    if (depthwise) {
        attrs["group"] = channels;
        ACC_TRY(weights, b_.add1("Reshape", {}, {in[1], b_.ints({w[0], w[1], 1, w[2] * w[3]})}));
        ACC_TRY(weights,
                b_.add1("Transpose", {{"perm", std::vector<int64_t>{3, 2, 0, 1}}}, {weights}));
    } else {
        if (w[2] > 0 && channels % w[2] == 0) attrs["group"] = channels / w[2];
        ACC_TRY(weights,
                b_.add1("Transpose", {{"perm", std::vector<int64_t>{3, 2, 0, 1}}}, {in[1]}));
    }
    ACC_TRY(ValueId y, b_.add1("Conv", std::move(attrs), {x, weights}));
    if (last) {
        ACC_TRY(y, b_.add1("Transpose", {{"perm", kToChannelsLast<int64_t>}}, {y}));
    }
    return Ids{y};
}

Result<TfReader::Ids> TfReader::make_pool(const tf::Node &node, const Ids &in, bool max)
{
    const bool last = text(node, "data_format", "NHWC") == "NHWC";
    const size_t h = last ? 1 : 2;
    const auto strides = list(node, "strides"), size = list(node, "ksize");
    if (in.size() != 1 || b_.dims(in[0]).size() != 4 || strides.size() != 4 || size.size() != 4)
        return b_.error("expected an image, four strides and sizes; found others");
    host::Attrs attrs;
    attrs["strides"] = std::vector<int64_t>{strides[h], strides[h + 1]};
    attrs["kernel_shape"] = std::vector<int64_t>{size[h], size[h + 1]};
    attrs["auto_pad"] =
        std::string(text(node, "padding", "VALID") == "SAME" ? "SAME_UPPER" : "VALID");
    ValueId x = in[0];
    if (last) {
        ACC_TRY(x, b_.add1("Transpose", {{"perm", kToChannelsFirst<int64_t>}}, {x}));
    }
    ACC_TRY(x, b_.add1(max ? "MaxPool" : "AveragePool", std::move(attrs), {x}));
    if (last) {
        ACC_TRY(x, b_.add1("Transpose", {{"perm", kToChannelsLast<int64_t>}}, {x}));
    }
    return Ids{x};
}

// StridedSlice
Result<TfReader::Ids> TfReader::make_slice(const tf::Node &node, const Ids &in)
{
    ACC_TRY(std::vector<int64_t> begin, ints_of(in, 1));
    ACC_TRY(std::vector<int64_t> end, ints_of(in, 2));
    ACC_TRY(const std::vector<int64_t> step, ints_of(in, 3));
    if (number(node, "ellipsis_mask", 0) || number(node, "new_axis_mask", 0))
        return b_.error("expected neither an ellipsis nor new axes; found one");
    if (begin.size() != end.size() || begin.size() != step.size() || begin.size() > 8)
        return b_.error("expected as many ends and steps as starts; found others");
    const int64_t begin_mask = number(node, "begin_mask", 0),
                  end_mask = number(node, "end_mask", 0),
                  shrink = number(node, "shrink_axis_mask", 0), far = int64_t{1} << 30;
    std::vector<int64_t> axes, gone;
    for (size_t i = 0; i < begin.size(); i++) {
        const int64_t bit = int64_t{1} << i;
        axes.push_back(static_cast<int64_t>(i));
        if (begin_mask & bit) begin[i] = step[i] > 0 ? 0 : far;
        if (end_mask & bit) end[i] = step[i] > 0 ? far : -far;
        if (!(shrink & bit)) continue;
        gone.push_back(static_cast<int64_t>(i));
        end[i] = begin[i] == -1 ? far : begin[i] + 1;
    }
    ACC_TRY(
        ValueId x,
        b_.add1("Slice", {}, {in[0], b_.ints(begin), b_.ints(end), b_.ints(axes), b_.ints(step)}));
    if (!gone.empty()) {
        ACC_TRY(x, b_.add1("Squeeze", {}, {x, b_.ints(gone)}));
    }
    return Ids{x};
}

// What needs its operands as they are: moving, reducing, joining.
Result<TfReader::Ids> TfReader::make_shape_op(const tf::Node &node, const Ids &in)
{
    const std::string &op = node.op();
    if (in.empty()) return b_.error("expected an operand; found none");
    if (op == "Reshape") return one("Reshape", {}, in);
    if (op == "Shape" || op == "Size") {
        ACC_TRY(const ValueId y, b_.add1(op, {}, {in[0]}));
        const auto *type = attr(node, "out_type");
        if (type && type->type() == 9) return Ids{y};
        return one("Cast", {{"to", int64_t{ACC_DTYPE_I32}}}, {y});
    }
    if (op == "Squeeze") {
        const auto axes = list(node, "squeeze_dims");
        if (axes.empty()) return one("Squeeze", {}, {in[0]});
        return one("Squeeze", {}, {in[0], b_.ints(axes)});
    }
    if (op == "ExpandDims") {
        ACC_TRY(const std::vector<int64_t> axis, ints_of(in, 1));
        return one("Unsqueeze", {}, {in[0], b_.ints(axis)});
    }
    if (op == "Transpose") {
        ACC_TRY(const std::vector<int64_t> perm, ints_of(in, 1));
        return one("Transpose", {{"perm", perm}}, {in[0]});
    }
    if (op == "ConcatV2") {
        ACC_TRY(const std::vector<int64_t> axis, ints_of(in, in.size() - 1));
        if (axis.size() != 1) return b_.error("expected one axis; found another");
        return one("Concat", {{"axis", axis[0]}}, {in.begin(), in.end() - 1});
    }
    if (op == "Pack") {
        Ids parts;
        const int64_t axis = number(node, "axis", 0);
        for (const ValueId id : in) {
            ACC_TRY(const ValueId part, b_.add1("Unsqueeze", {}, {id, b_.ints({axis})}));
            parts.push_back(part);
        }
        return one("Concat", {{"axis", axis}}, std::move(parts));
    }
    if (op == "Pad" || op == "PadV2" || op == "MirrorPad") {
        ACC_TRY(const std::vector<int64_t> pads, ints_of(in, 1)); // [before, after] of each axis
        std::vector<int64_t> turned;
        for (size_t start : {0, 1})
            for (size_t i = start; i < pads.size(); i += 2)
                turned.push_back(pads[i]);
        Ids operands = {in[0], b_.ints(turned)};
        if (op == "PadV2" && in.size() > 2) operands.push_back(in[2]);
        if (op != "MirrorPad") return one("Pad", {}, std::move(operands));
        if (text(node, "mode", "REFLECT") != "REFLECT")
            return b_.error("expected attribute 'mode' = REFLECT; found another");
        return one("Pad", {{"mode", std::string("reflect")}}, std::move(operands));
    }
    if (op == "GatherV2") {
        ACC_TRY(const std::vector<int64_t> axis, ints_of(in, 2));
        if (axis.size() != 1 || number(node, "batch_dims", 0) != 0)
            return b_.error("expected one axis and no batch dims; found others");
        return one("Gather", {{"axis", axis[0]}}, {in[0], in[1]});
    }
    if (op == "Split" || op == "SplitV") {
        const bool sized = op == "SplitV"; // x, sizes, axis; Split: axis, x
        ACC_TRY(const std::vector<int64_t> axis, ints_of(in, sized ? 2 : 0));
        const int64_t parts = number(node, "num_split", 0);
        if (axis.size() != 1 || in.size() < 2 || parts < 1 || parts > 1024)
            return b_.error("expected one axis and 1 to 1024 parts; found others");
        Ids operands = {in[sized ? 0 : 1]};
        if (sized) operands.push_back(in[1]);
        return b_.add("Split", {{"axis", axis[0]}}, std::move(operands),
                      std::vector<bool>(static_cast<size_t>(parts), true));
    }
    if (op == "Slice") {
        ACC_TRY(const std::vector<int64_t> begin, ints_of(in, 1));
        ACC_TRY(std::vector<int64_t> end, ints_of(in, 2));
        if (begin.size() != end.size())
            return b_.error("expected as many sizes as starts; found others");
        for (size_t i = 0; i < end.size(); i++)
            end[i] = end[i] < 0 ? int64_t{1} << 30 : begin[i] + end[i];
        return one("Slice", {}, {in[0], b_.ints(begin), b_.ints(end)});
    }
    if (op == "Fill" && in.size() == 2) return one("ConstantOfShape", {}, {in[0], in[1]});
    for (const auto &[name, reduce] : {std::pair("Mean", "ReduceMean"),
                                       {"Sum", "ReduceSum"},
                                       {"Max", "ReduceMax"},
                                       {"Min", "ReduceMin"},
                                       {"Prod", "ReduceProd"}}) {
        if (op != name) continue;
        ACC_TRY(const std::vector<int64_t> axes, ints_of(in, 1));
        return one(reduce, {{"keepdims", int64_t{flag(node, "keep_dims")}}},
                   {in[0], b_.ints(axes)});
    }
    if (op == "ArgMax" || op == "ArgMin") {
        ACC_TRY(const std::vector<int64_t> axis, ints_of(in, 1));
        if (axis.size() != 1) return b_.error("expected one axis; found another");
        ACC_TRY(const ValueId y,
                b_.add1(op, {{"axis", axis[0]}, {"keepdims", int64_t{0}}}, {in[0]}));
        const auto *type = attr(node, "output_type");
        if (!type || type->type() == 9) return Ids{y};
        return one("Cast", {{"to", int64_t{ACC_DTYPE_I32}}}, {y});
    }
    return b_.error("expected an operator that accc knows; found another");
}

Result<TfReader::Ids> TfReader::make_known(const tf::Node &node, const Ids &in)
{
    const std::string &op = node.op();
    if (op == "IdentityN") return in;
    if (op == "Const") return constant(node);
    if (op == "Placeholder") return placeholder(node);
    if (op == "NoOp") return Ids{};
    if (op == "VarHandleOp" || op == "Variable" || op == "VariableV2")
        return b_.error("expected a frozen graph, or the variable in the bundle; found none");
    for (const TfPlain &p : tf_plain_ops) {
        if (op != p.tf) continue;
        if (in.empty() || in.size() > p.operands)
            return b_.error("expected " + std::to_string(p.operands) + " operands; found " +
                            std::to_string(in.size()));
        return one(p.op, {}, in);
    }
    if (op == "Conv2D" || op == "DepthwiseConv2dNative") return make_window(node, in);
    if (op == "MaxPool" || op == "AvgPool") return make_pool(node, in, op == "MaxPool");
    if (op == "StridedSlice") return make_slice(node, in);
    if (in.empty()) return b_.error("expected an operator that accc knows; found another");
    if (op == "Relu6")
        return one("Clip", {},
                   {in[0], b_.scalar(b_.graph().value(in[0]).dtype, 0),
                    b_.scalar(b_.graph().value(in[0]).dtype, 6)});
    if (op == "LeakyRelu") return one("LeakyRelu", {{"alpha", real(node, "alpha", 0.2f)}}, in);
    if (op == "Square") return one("Mul", {}, {in[0], in[0]});
    if (op == "Rsqrt") {
        ACC_TRY(const ValueId root, b_.add1("Sqrt", {}, {in[0]}));
        return one("Reciprocal", {}, {root});
    }
    if (op == "SquaredDifference" && in.size() == 2) {
        ACC_TRY(const ValueId d, b_.add1("Sub", {}, in));
        return one("Mul", {}, {d, d});
    }
    if (op == "Cast") {
        const auto *to = attr(node, "DstT");
        const auto dtype = to ? tf_dtype(to->type()) : std::nullopt;
        if (!dtype) return b_.error("expected attribute 'DstT' of numbers; found another");
        return one("Cast", {{"to", static_cast<int64_t>(dtype_code(*dtype))}}, {in[0]});
    }
    if (op == "BiasAdd" && in.size() == 2) {
        if (text(node, "data_format", "NHWC") == "NHWC") return one("Add", {}, in);
        Dims spread(b_.dims(in[0]).size(), 1);
        if (spread.size() < 2) return b_.error("expected at least 2 dimensions; found fewer");
        spread[1] = elements(b_.dims(in[1]));
        ACC_TRY(const ValueId bias, b_.add1("Reshape", {}, {in[1], b_.ints(spread)}));
        return one("Add", {}, {in[0], bias});
    }
    if (op == "MatMul" && in.size() == 2)
        return one("Gemm",
                   {{"transA", int64_t{flag(node, "transpose_a")}},
                    {"transB", int64_t{flag(node, "transpose_b")}}},
                   in);
    if ((op == "BatchMatMulV2" || op == "BatchMatMul") && in.size() == 2) {
        Ids sides = in;
        for (size_t i = 0; i < 2; i++) {
            if (!flag(node, i ? "adj_y" : "adj_x")) continue;
            std::vector<int64_t> perm;
            for (size_t a = 0; a < b_.dims(sides[i]).size(); a++)
                perm.push_back(static_cast<int64_t>(a));
            if (perm.size() < 2) return b_.error("expected at least 2 dimensions; found fewer");
            std::swap(perm[perm.size() - 1], perm[perm.size() - 2]);
            ACC_TRY(sides[i], b_.add1("Transpose", {{"perm", perm}}, {sides[i]}));
        }
        return one("MatMul", {}, sides);
    }
    if (op.starts_with("FusedBatchNorm") && in.size() == 5) {
        if (attr(node, "is_training") && flag(node, "is_training"))
            return b_.error("expected attribute 'is_training' = false; found true");
        const bool last = text(node, "data_format", "NHWC") == "NHWC";
        ValueId x = in[0];
        if (last) {
            ACC_TRY(x, b_.add1("Transpose", {{"perm", kToChannelsFirst<int64_t>}}, {x}));
        }
        ACC_TRY(x, b_.add1("BatchNormalization", {{"epsilon", real(node, "epsilon", 1e-4f)}},
                           {x, in[1], in[2], in[3], in[4]}));
        if (last) {
            ACC_TRY(x, b_.add1("Transpose", {{"perm", kToChannelsLast<int64_t>}}, {x}));
        }
        return Ids{x};
    }
    return make_shape_op(node, in);
}

} // namespace acc::accc
