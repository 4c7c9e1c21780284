// SPDX-License-Identifier: MIT
//
// TensorFlow Lite's operators by those of host/host.h.
#include "tools/accc/import/tflite_builder.h"
#include "tools/accc/ir/layout.h"

#include <algorithm>

namespace acc::accc::tflite_import
{
namespace
{

using tflite::Operator;

// Operators that are another's under one of our names.
struct TflitePlain {
    int code;
    const char *op;
    int operands;
};
constexpr TflitePlain tflite_plain_ops[] = {
    {8, "Floor", 1},
    {14, "Sigmoid", 1},
    {19, "Relu", 1},
    {28, "Tanh", 1},
    {47, "Exp", 1},
    {55, "Max", 2},
    {57, "Min", 2},
    {58, "Less", 2},
    {59, "Neg", 1},
    {61, "Greater", 2},
    {62, "GreaterOrEqual", 2},
    {63, "LessOrEqual", 2},
    {64, "Where", 3},
    {66, "Sin", 1},
    {71, "Equal", 2},
    {73, "Log", 1},
    {75, "Sqrt", 1},
    {78, "Pow", 2},
    {84, "Or", 2},
    {86, "And", 2},
    {87, "Not", 1},
    {101, "Abs", 1},
    {104, "Ceil", 1},
    {108, "Cos", 1},
    {111, "Elu", 1},
    {116, "Round", 1},
    {117, "HardSwish", 1},
    {123, "Where", 3},
    {54, "PRelu", 2},
    {106, "Sum", 64},
    {50, "LogSoftmax", 1},
};

std::string padding_name(int padding)
{
    return padding == 0 ? "SAME_UPPER" : "VALID";
}

} // namespace

Result<std::vector<int64_t>> Reader::constant_ints(const Operator &op, size_t i)
{
    ACC_TRY(const ValueId id, stored(input(op, i)));
    if (!b_.is_constant(id))
        return b_.error("expected input " + std::to_string(i) +
                        " to be constant; found it "
                        "computed");
    return b_.read_ints(id);
}

Status Reader::read_operator(const Operator &op)
{
    const auto *codes = model_->operator_codes();
    if (op.code() >= codes->size())
        return diag_.error("expected an operator code of the file; found " +
                           std::to_string(op.code()));
    const auto *entry = codes->Get(op.code());
    const int code = std::max<int>(entry->code(), entry->old_code());
    const int t = output(op);
    std::string name = "operator " + std::to_string(code);
    if (t >= 0 && static_cast<size_t>(t) < values_.size()) {
        const auto *tensor = graph_->tensors()->Get(static_cast<uint32_t>(t));
        if (tensor->name()) name = tensor->name()->str();
    }
    b_.begin_node(name, "tflite:" + std::to_string(code));
    if (t < 0) return b_.error("expected an output; found none");
    return read_known(op, code);
}

Status Reader::read_window(const Operator &op, int code)
{
    const bool depthwise = code == 4;
    const auto *conv = depthwise ? nullptr : options<tflite::ConvOptions>(op);
    const auto *depth = depthwise ? options<tflite::DepthwiseOptions>(op) : nullptr;
    if (!conv && !depth) return b_.error("expected options of a convolution; found none");
    ACC_TRY(ValueId x, real(input(op, 0)));
    ACC_TRY(ValueId w, real(input(op, 1)));
    if (b_.dims(x).size() != 4 || b_.dims(w).size() != 4)
        return b_.error("expected operands of 4 dimensions; found " + dims_text(b_.dims(x)) +
                        " and " + dims_text(b_.dims(w)));
    host::Attrs attrs;
    attrs["auto_pad"] = padding_name(depth ? depth->padding() : conv->padding());
    attrs["strides"] = depth ? std::vector<int64_t>{depth->stride_h(), depth->stride_w()}
                             : std::vector<int64_t>{conv->stride_h(), conv->stride_w()};
    attrs["dilations"] = depth ? std::vector<int64_t>{depth->dilation_h(), depth->dilation_w()}
                               : std::vector<int64_t>{conv->dilation_h(), conv->dilation_w()};
    const int64_t channels = b_.dims(x)[3];
    // [1, h, w, out] when depthwise, else [out, h, w, in / groups].
    if (depthwise)
        attrs["group"] = channels;
    else if (b_.dims(w)[3] > 0 && channels % b_.dims(w)[3] == 0)
        attrs["group"] = channels / b_.dims(w)[3];
    ACC_TRY(x, transpose(x, kToChannelsFirst<int64_t>));
    ACC_TRY(w,
            transpose(w, depthwise ? std::vector<int64_t>{3, 0, 1, 2} : kToChannelsFirst<int64_t>));
    std::vector<ValueId> in = {x, w};
    if (input(op, 2) >= 0) {
        ACC_TRY(const ValueId bias, real(input(op, 2)));
        in.push_back(bias);
    }
    ACC_TRY(ValueId y, b_.add1("Conv", std::move(attrs), std::move(in)));
    ACC_TRY(y, activate(y, depth ? depth->activation() : conv->activation()));
    ACC_TRY(y, transpose(y, kToChannelsLast<int64_t>));
    return set(output(op), y);
}

Status Reader::read_pool(const Operator &op, bool max)
{
    const auto *o = options<tflite::PoolOptions>(op);
    if (!o) return b_.error("expected options of a pool; found none");
    ACC_TRY(ValueId x, real(input(op, 0)));
    if (b_.dims(x).size() != 4)
        return b_.error("expected 4 dimensions; found " + dims_text(b_.dims(x)));
    host::Attrs attrs;
    attrs["auto_pad"] = padding_name(o->padding());
    attrs["strides"] = std::vector<int64_t>{o->stride_h(), o->stride_w()};
    attrs["kernel_shape"] = std::vector<int64_t>{o->height(), o->width()};
    ACC_TRY(x, transpose(x, kToChannelsFirst<int64_t>));
    ACC_TRY(x, b_.add1(max ? "MaxPool" : "AveragePool", std::move(attrs), {x}));
    ACC_TRY(x, activate(x, o->activation()));
    ACC_TRY(x, transpose(x, kToChannelsLast<int64_t>));
    return set(output(op), x);
}

Status Reader::read_product(const Operator &op)
{
    const auto *o = options<tflite::ProductOptions>(op);
    if (o && o->format() != 0)
        return b_.error("expected weights in their plain order; found another");
    ACC_TRY(ValueId x, real(input(op, 0)));
    ACC_TRY(ValueId w, real(input(op, 1)));
    if (b_.dims(w).size() != 2 || b_.dims(x).empty())
        return b_.error("expected weights of 2 dimensions; found " + dims_text(b_.dims(w)));
    const int64_t k = b_.dims(w)[1], n = b_.dims(w)[0], all = elements(b_.dims(x));
    if (all % k)
        return b_.error("expected rows of " + std::to_string(k) + "; found " +
                        dims_text(b_.dims(x)));
    Dims rows = {all / k, k};
    Dims result = {all / k, n};
    if (o && o->keep_dims()) {
        rows = result = b_.dims(x);
        result.back() = n;
    }
    if (b_.dims(x) != rows) {
        ACC_TRY(x, b_.add1("Reshape", {}, {x, b_.ints(rows)}));
    }
    ValueId y = kNoValue;
    if (rows.size() == 2) {
        std::vector<ValueId> in = {x, w};
        if (input(op, 2) >= 0) {
            ACC_TRY(const ValueId bias, real(input(op, 2)));
            in.push_back(bias);
        }
        ACC_TRY(y, b_.add1("Gemm", {{"transB", int64_t{1}}}, std::move(in)));
    } else {
        ACC_TRY(w, transpose(w, {1, 0}));
        ACC_TRY(y, b_.add1("MatMul", {}, {x, w}));
        if (input(op, 2) >= 0) {
            ACC_TRY(const ValueId bias, real(input(op, 2)));
            ACC_TRY(y, b_.add1("Add", {}, {y, bias}));
        }
    }
    ACC_TRY(y, activate(y, o ? o->activation() : 0));
    return set(output(op), y);
}

// output_shape, weights [out, h, w, in], x, bias
Status Reader::read_transposed(const Operator &op)
{
    const auto *o = options<tflite::ConvOptions>(op); // the first three fields are the same
    if (!o) return b_.error("expected options of a convolution; found none");
    ACC_TRY(const std::vector<int64_t> shape, constant_ints(op, 0));
    ACC_TRY(ValueId w, real(input(op, 1)));
    ACC_TRY(ValueId x, real(input(op, 2)));
    if (shape.size() != 4 || b_.dims(w).size() != 4 || b_.dims(x).size() != 4)
        return b_.error("expected operands of 4 dimensions; found others");
    ACC_TRY(x, transpose(x, kToChannelsFirst<int64_t>));
    ACC_TRY(w, transpose(w, {3, 0, 1, 2}));
    host::Attrs attrs;
    attrs["strides"] = std::vector<int64_t>{o->stride_h(), o->stride_w()};
    attrs["output_shape"] = std::vector<int64_t>{shape[1], shape[2]};
    attrs["auto_pad"] = std::string("SAME_UPPER");
    std::vector<ValueId> in = {x, w};
    if (input(op, 3) >= 0) {
        ACC_TRY(const ValueId bias, real(input(op, 3)));
        in.push_back(bias);
    }
    ACC_TRY(ValueId y, b_.add1("ConvTranspose", std::move(attrs), std::move(in)));
    ACC_TRY(y, activate(y, o->activation()));
    ACC_TRY(y, transpose(y, kToChannelsLast<int64_t>));
    return set(output(op), y);
}

Status Reader::read_resize(const Operator &op, bool nearest)
{
    ACC_TRY(ValueId x, real(input(op, 0)));
    ACC_TRY(std::vector<int64_t> size, constant_ints(op, 1));
    if (size.size() != 2 || b_.dims(x).size() != 4)
        return b_.error("expected an image and two sizes; found others");
    bool corners = false, half = false;
    if (nearest) {
        if (const auto *o = options<tflite::NearestOptions>(op)) {
            corners = o->align_corners();
            half = o->half_pixel();
        }
    } else if (const auto *o = options<tflite::ResizeOptions>(op)) {
        corners = o->align_corners();
        half = o->half_pixel();
    }
    host::Attrs attrs;
    attrs["mode"] = std::string(nearest ? "nearest" : "linear");
    attrs["coordinate_transformation_mode"] =
        std::string(corners ? "align_corners"
                    : half  ? (nearest ? "tf_half_pixel_for_nn" : "half_pixel")
                            : "asymmetric");
    attrs["nearest_mode"] = std::string(corners ? "round_prefer_ceil" : "floor");
    size = {b_.dims(x)[0], size[0], size[1], b_.dims(x)[3]};
    ACC_TRY(x, b_.add1("Resize", std::move(attrs), {x, kNoValue, kNoValue, b_.ints(size)}));
    return set(output(op), x);
}

Status Reader::read_strided_slice(const Operator &op)
{
    const auto *o = options<tflite::SliceOptions>(op);
    if (!o) return b_.error("expected options of a slice; found none");
    if (o->ellipsis_mask() || o->new_axis_mask())
        return b_.error("expected neither an ellipsis nor new axes; found one");
    ACC_TRY(ValueId x, real(input(op, 0)));
    ACC_TRY(std::vector<int64_t> begin, constant_ints(op, 1));
    ACC_TRY(std::vector<int64_t> end, constant_ints(op, 2));
    ACC_TRY(const std::vector<int64_t> step, constant_ints(op, 3));
    if (begin.size() != end.size() || begin.size() != step.size() ||
        begin.size() > b_.dims(x).size())
        return b_.error("expected as many ends and steps as starts; found others");
    std::vector<int64_t> axes, gone;
    for (size_t i = 0; i < begin.size(); i++) {
        axes.push_back(static_cast<int64_t>(i));
        const int bit = 1 << i;
        const int64_t far = int64_t{1} << 30;
        if (o->begin_mask() & bit) begin[i] = step[i] > 0 ? 0 : far;
        if (o->end_mask() & bit) end[i] = step[i] > 0 ? far : -far;
        if (!(o->shrink_axis_mask() & bit)) continue;
        gone.push_back(static_cast<int64_t>(i));
        end[i] = begin[i] == -1 ? far : begin[i] + 1;
    }
    ACC_TRY(x,
            b_.add1("Slice", {}, {x, b_.ints(begin), b_.ints(end), b_.ints(axes), b_.ints(step)}));
    if (!gone.empty()) {
        ACC_TRY(x, b_.add1("Squeeze", {}, {x, b_.ints(gone)}));
    }
    return set(output(op), x);
}

Status Reader::read_reduce(const Operator &op, const char *name)
{
    const auto *o = options<tflite::FlagOption>(op);
    ACC_TRY(ValueId x, real(input(op, 0)));
    ACC_TRY(const std::vector<int64_t> axes, constant_ints(op, 1));
    ACC_TRY(x, b_.add1(name, {{"keepdims", int64_t{o && o->flag()}}}, {x, b_.ints(axes)}));
    return set(output(op), x);
}

Status Reader::read_batch_product(const Operator &op)
{
    const auto *o = options<tflite::BatchProductOptions>(op);
    ValueId sides[2];
    for (size_t i = 0; i < 2; i++) {
        ACC_TRY(sides[i], real(input(op, i)));
        if (!o || !(i ? o->adj_y() : o->adj_x())) continue;
        std::vector<int64_t> perm;
        for (size_t a = 0; a < b_.dims(sides[i]).size(); a++)
            perm.push_back(static_cast<int64_t>(a));
        if (perm.size() < 2) return b_.error("expected at least 2 dimensions; found fewer");
        std::swap(perm[perm.size() - 1], perm[perm.size() - 2]);
        ACC_TRY(sides[i], transpose(sides[i], perm));
    }
    ACC_TRY(const ValueId y, b_.add1("MatMul", {}, {sides[0], sides[1]}));
    return set(output(op), y);
}

Status Reader::read_pack(const Operator &op, bool unpack)
{
    const auto *o = options<tflite::IntPairOptions>(op); // count, axis
    const int64_t axis = o ? o->second() : 0;
    if (!unpack) {
        std::vector<ValueId> parts;
        for (size_t i = 0; op.inputs() && i < op.inputs()->size(); i++) {
            ACC_TRY(ValueId part, real(input(op, i)));
            ACC_TRY(part, b_.add1("Unsqueeze", {}, {part, b_.ints({axis})}));
            parts.push_back(part);
        }
        if (parts.empty()) return b_.error("expected operands; found none");
        ACC_TRY(const ValueId y, b_.add1("Concat", {{"axis", axis}}, std::move(parts)));
        return set(output(op), y);
    }
    ACC_TRY(const ValueId x, real(input(op, 0)));
    const std::vector<bool> wanted(op.outputs()->size(), true);
    ACC_TRY(const std::vector<ValueId> parts, b_.add("Split", {{"axis", axis}}, {x}, wanted));
    for (size_t i = 0; i < parts.size(); i++) {
        ACC_TRY(const ValueId y, b_.add1("Squeeze", {}, {parts[i], b_.ints({axis})}));
        ACCC_CHECK(set(output(op, i), y));
    }
    return Ok{};
}

Status Reader::read_known(const Operator &op, int code)
{
    const auto simple = [&](const char *name, host::Attrs attrs, std::vector<ValueId> more = {},
                            int activation = 0) -> Status {
        ACC_TRY(const ValueId x, real(input(op, 0)));
        std::vector<ValueId> in = {x};
        in.insert(in.end(), more.begin(), more.end());
        ACC_TRY(ValueId y, b_.add1(name, std::move(attrs), std::move(in)));
        ACC_TRY(y, activate(y, activation));
        return set(output(op), y);
    };
    const auto binary = [&](const char *name) -> Status {
        const auto *o = options<tflite::ActivationOption>(op);
        ACC_TRY(const ValueId other, real(input(op, 1)));
        return simple(name, {}, {other}, o ? o->activation() : 0);
    };
    const auto ints = [&](size_t i) -> Result<ValueId> {
        ACC_TRY(const std::vector<int64_t> values, constant_ints(op, i));
        return b_.ints(values);
    };
    for (const TflitePlain &p : tflite_plain_ops) {
        if (p.code != code) continue;
        std::vector<ValueId> in;
        for (size_t i = 0; i < static_cast<size_t>(p.operands) && input(op, i) >= 0; i++) {
            ACC_TRY(const ValueId x, real(input(op, i)));
            in.push_back(x);
        }
        ACC_TRY(const ValueId y, b_.add1(p.op, {}, std::move(in)));
        return set(output(op), y);
    }
    switch (code) {
    case 0:
        return binary("Add");
    case 18:
        return binary("Mul");
    case 41:
        return binary("Sub");
    case 42:
        return binary("Div");
    case 1:
        return read_pool(op, false);
    case 17:
        return read_pool(op, true);
    case 2: {
        const auto *o = options<tflite::ConcatOptions>(op);
        std::vector<ValueId> more;
        for (size_t i = 1; op.inputs() && i < op.inputs()->size(); i++) {
            ACC_TRY(const ValueId x, real(input(op, i)));
            more.push_back(x);
        }
        return simple("Concat", {{"axis", int64_t{o ? o->axis() : 0}}}, std::move(more),
                      o ? o->activation() : 0);
    }
    case 3:
    case 4:
        return read_window(op, code);
    case 9:
        return read_product(op);
    case 67:
        return read_transposed(op);
    case 6:
    case 114: { // dequantize, quantize: the tensors say how
        ACC_TRY(const ValueId x, real(input(op, 0)));
        if (code == 6 && b_.graph().value(x).dtype != DType::F32)
            return b_.error("expected a tensor with a scale; found another");
        return set(output(op), x);
    }
    case 20:
    case 21: {
        ACC_TRY(const ValueId x, real(input(op, 0)));
        ACC_TRY(const ValueId y, activate(x, code == 20 ? 2 : 3));
        return set(output(op), y);
    }
    case 22:
    case 43:
    case 70: { // reshape, squeeze, expand_dims: to what the result says
        ACC_TRY(const ValueId x, stored(input(op, 0)));
        const int t = output(op);
        if (static_cast<size_t>(t) >= values_.size())
            return b_.error("expected a tensor of the file; found another");
        const auto *shape = graph_->tensors()->Get(static_cast<uint32_t>(t))->shape();
        std::vector<int64_t> dims;
        if (shape) dims.assign(shape->begin(), shape->end());
        ACC_TRY(ValueId from, quantised(input(op, 0)) ? real(input(op, 0)) : Result<ValueId>(x));
        ACC_TRY(const ValueId y, b_.add1("Reshape", {}, {from, b_.ints(dims)}));
        return set(t, y);
    }
    case 23:
        return read_resize(op, false);
    case 97:
        return read_resize(op, true);
    case 25: {
        const auto *o = options<tflite::FloatOption>(op);
        ACC_TRY(ValueId x, real(input(op, 0)));
        if (o && o->value() != 1) {
            ACC_TRY(
                x, b_.add1("Mul", {}, {x, b_.scalar(DType::F32, static_cast<double>(o->value()))}));
        }
        ACC_TRY(x, b_.add1("Softmax", {{"axis", int64_t{-1}}}, {x}));
        return set(output(op), x);
    }
    case 34:
    case 60: {
        ACC_TRY(std::vector<int64_t> pads, constant_ints(op, 1)); // [before, after] of each axis
        std::vector<int64_t> turned;
        for (size_t i = 0; i < pads.size(); i += 2)
            turned.push_back(pads[i]);
        for (size_t i = 1; i < pads.size(); i += 2)
            turned.push_back(pads[i]);
        std::vector<ValueId> more = {b_.ints(turned)};
        if (code == 60) {
            ACC_TRY(const ValueId value, real(input(op, 2)));
            more.push_back(value);
        }
        return simple("Pad", {}, std::move(more));
    }
    case 36: {
        const auto *o = options<tflite::IntPairOptions>(op); // axis, batch_dims
        if (o && o->second() != 0) return b_.error("expected no batch dims; found some");
        ACC_TRY(const ValueId indices, stored(input(op, 1)));
        return simple("Gather", {{"axis", int64_t{o ? o->first() : 0}}}, {indices});
    }
    case 39: {
        ACC_TRY(const std::vector<int64_t> perm, constant_ints(op, 1));
        return simple("Transpose", {{"perm", perm}});
    }
    case 40:
        return read_reduce(op, "ReduceMean");
    case 74:
        return read_reduce(op, "ReduceSum");
    case 81:
        return read_reduce(op, "ReduceProd");
    case 82:
        return read_reduce(op, "ReduceMax");
    case 89:
        return read_reduce(op, "ReduceMin");
    case 45:
        return read_strided_slice(op);
    case 49:
    case 102: { // split: axis, x; split_v: x, sizes, axis
        const bool sized = code == 102;
        ACC_TRY(const std::vector<int64_t> axis, constant_ints(op, sized ? 2 : 0));
        if (axis.size() != 1) return b_.error("expected one axis; found another");
        ACC_TRY(const ValueId x, real(input(op, sized ? 0 : 1)));
        std::vector<ValueId> in = {x};
        if (sized) {
            ACC_TRY(const ValueId sizes, ints(1));
            in.push_back(sizes);
        }
        const std::vector<bool> wanted(op.outputs()->size(), true);
        ACC_TRY(const std::vector<ValueId> parts,
                b_.add("Split", {{"axis", axis[0]}}, std::move(in), wanted));
        for (size_t i = 0; i < parts.size(); i++)
            ACCC_CHECK(set(output(op, i), parts[i]));
        return Ok{};
    }
    case 53: {
        const int t = output(op);
        if (static_cast<size_t>(t) >= values_.size())
            return b_.error("expected a tensor of the file; found another");
        const auto to = dtype_of_tensor(graph_->tensors()->Get(static_cast<uint32_t>(t))->type());
        return simple("Cast", {{"to", static_cast<int64_t>(dtype_code(*to))}});
    }
    case 56:
    case 79: {
        ACC_TRY(const std::vector<int64_t> axis, constant_ints(op, 1));
        if (axis.size() != 1) return b_.error("expected one axis; found another");
        ACC_TRY(const ValueId x, real(input(op, 0)));
        ACC_TRY(ValueId y, b_.add1(code == 56 ? "ArgMax" : "ArgMin",
                                   {{"axis", axis[0]}, {"keepdims", int64_t{0}}}, {x}));
        const int t = output(op);
        if (static_cast<size_t>(t) < values_.size() &&
            graph_->tensors()->Get(static_cast<uint32_t>(t))->type() == 2) {
            ACC_TRY(y, b_.add1("Cast", {{"to", int64_t{ACC_DTYPE_I32}}}, {y}));
        }
        return set(t, y);
    }
    case 65: { // begin, size
        ACC_TRY(const std::vector<int64_t> begin, constant_ints(op, 1));
        ACC_TRY(std::vector<int64_t> end, constant_ints(op, 2));
        if (begin.size() != end.size()) return b_.error("expected as many sizes as starts");
        for (size_t i = 0; i < end.size(); i++)
            end[i] = end[i] < 0 ? int64_t{1} << 30 : begin[i] + end[i];
        return simple("Slice", {}, {b_.ints(begin), b_.ints(end)});
    }
    case 69: {
        ACC_TRY(const ValueId repeats, ints(1));
        return simple("Tile", {}, {repeats});
    }
    case 76: {
        ACC_TRY(const ValueId x, real(input(op, 0)));
        ACC_TRY(const ValueId root, b_.add1("Sqrt", {}, {x}));
        ACC_TRY(const ValueId y, b_.add1("Reciprocal", {}, {root}));
        return set(output(op), y);
    }
    case 83:
        return read_pack(op, false);
    case 88:
        return read_pack(op, true);
    case 92: {
        ACC_TRY(const ValueId x, real(input(op, 0)));
        ACC_TRY(const ValueId y, b_.add1("Mul", {}, {x, x}));
        return set(output(op), y);
    }
    case 98: {
        const auto *o = options<tflite::FloatOption>(op);
        return simple("LeakyRelu", {{"alpha", o ? o->value() : 0.0f}});
    }
    case 99: {
        ACC_TRY(const ValueId a, real(input(op, 0)));
        ACC_TRY(const ValueId c, real(input(op, 1)));
        ACC_TRY(const ValueId d, b_.add1("Sub", {}, {a, c}));
        ACC_TRY(const ValueId y, b_.add1("Mul", {}, {d, d}));
        return set(output(op), y);
    }
    case 126:
        return read_batch_product(op);
    case 130: {
        ACC_TRY(const ValueId shape, ints(1));
        return simple("Expand", {}, {shape});
    }
    case 150: {
        const auto *o = options<tflite::FlagOption>(op);
        return simple("Gelu", {{"approximate", std::string(o && o->flag() ? "tanh" : "none")}});
    }
    case 5:
    case 26: {
        const auto *o = options<tflite::IntOption>(op);
        ACC_TRY(ValueId x, real(input(op, 0)));
        if (b_.dims(x).size() != 4 || !o)
            return b_.error("expected an image and a block size; found another");
        ACC_TRY(x, transpose(x, kToChannelsFirst<int64_t>));
        ACC_TRY(x, b_.add1(code == 5 ? "DepthToSpace" : "SpaceToDepth",
                           {{"blocksize", int64_t{o->value()}}}, {x}));
        ACC_TRY(x, transpose(x, kToChannelsLast<int64_t>));
        return set(output(op), x);
    }
    case 11: {
        return simple("LpNormalization", {{"axis", int64_t{-1}}, {"p", int64_t{2}}});
    }
    default:
        return b_.error("expected an operator that accc knows; found TensorFlow Lite's number " +
                        std::to_string(code));
    }
}

} // namespace acc::accc::tflite_import
