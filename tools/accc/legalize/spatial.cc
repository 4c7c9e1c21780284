// SPDX-License-Identifier: MIT
//
// Pad and ReduceMean over the two axes of an image, as windows of an average: of one element, where
// what lies outside counts as zero, and of the whole image.
#include "tools/accc/ir/layout.h"
#include "tools/accc/ir/shape.h"
#include "tools/accc/legalize/legalizer.h"

#include <algorithm>

namespace acc::accc
{
namespace
{

enum class Image { ChannelsFirst, ChannelsLast };

Result<ValueId> transposed(Legalizer &in, Node &node, ValueId x, const std::vector<int> &perm)
{
    Op op = make_op(node, Kind::Transpose, {x});
    op.perm = perm;
    return in.add(node, std::move(op));
}

// An average over windows of an image, which the layout pass puts into memory as it likes.
Result<ValueId> average(Legalizer &in, Node &node, ValueId x, Image order, const Window &window,
                        bool count_include_pad)
{
    if (order == Image::ChannelsLast) {
        ACC_TRY(x, transposed(in, node, x, kToChannelsFirst<>));
    }
    Op op = make_op(node, Kind::AvgPool, {x});
    op.window = window;
    op.count_include_pad = count_include_pad;
    ACC_TRY(ValueId y, in.add(node, std::move(op)));
    if (order == Image::ChannelsLast) {
        ACC_TRY(y, transposed(in, node, y, kToChannelsLast<>));
    }
    return y;
}

// Integers of a constant operand; `otherwise` where it is left out.
Result<std::vector<int64_t>> constant_ints(Legalizer &in, Node &node, size_t i,
                                           std::vector<int64_t> otherwise)
{
    if (!node.has_input(i)) return otherwise;
    const Tensor *t = std::get_if<Tensor>(&in.operand(node, i));
    if (!t || t->is_float())
        return node.error("expected input " + std::to_string(i) +
                          " to be a constant of integers; found another");
    return std::get<std::vector<int64_t>>(t->data);
}

Status legalize_pad(Legalizer &in, Node &node)
{
    ACC_TRY(const ValueId x, in.activation(node, 0));
    const Dims dims = in.dims(x);
    if (dims.size() != 4) return node.error("expected 4 dimensions; found " + dims_text(dims));
    if (node.get_string("mode", "constant") != "constant")
        return node.error("expected attribute 'mode' = constant; found another");
    if (node.has_input(2)) {
        ACC_TRY(const Tensor value, in.float_constant(node, 2));
        if (value.floats() != std::vector<float>{0})
            return node.error("expected padding of 0; found another");
    }
    ACC_TRY(const std::vector<int64_t> pads, constant_ints(in, node, 1, {}));
    ACC_TRY(const std::vector<int64_t> axes, constant_ints(in, node, 3, {0, 1, 2, 3}));
    int64_t before[4] = {}, after[4] = {};
    if (pads.size() != 2 * axes.size()) return node.error("expected two pads for each axis");
    for (size_t i = 0; i < axes.size(); i++) {
        const int64_t axis = normal_axis(axes[i], 4);
        if (axis < 0) return node.error("expected axes of 4 dimensions; found another");
        before[axis] = pads[i];
        after[axis] = pads[axes.size() + i];
    }
    const auto none = [&](int axis) { return before[axis] == 0 && after[axis] == 0; };
    if (!none(0) || (!none(1) && !none(3)))
        return node.error("expected padding of the two axes of an image; found it of others");
    const Image order = none(1) ? Image::ChannelsFirst : Image::ChannelsLast;
    const int first = order == Image::ChannelsFirst ? 2 : 1;
    Window window;
    for (int i = 0; i < 2; i++) {
        if (before[first + i] < 0 || after[first + i] < 0 || before[first + i] >= kMaxKernel ||
            after[first + i] >= kMaxKernel)
            return node.error("expected pads of 0 to 65535; found others");
        window.pad[i] = before[first + i];
        window.out[i] = dims[static_cast<size_t>(first + i)] + before[first + i] + after[first + i];
    }
    ACC_TRY(const ValueId y, average(in, node, x, order, window, true));
    return in.define(node, y);
}

Status legalize_mean(Legalizer &in, Node &node)
{
    ACC_TRY(const ValueId x, in.activation(node, 0));
    const Dims dims = in.dims(x);
    if (dims.size() != 4) return node.error("expected 4 dimensions; found " + dims_text(dims));
    ACC_TRY(std::vector<int64_t> axes, constant_ints(in, node, 1, {}));
    for (int64_t &axis : axes)
        axis = normal_axis(axis, 4);
    std::sort(axes.begin(), axes.end());
    const bool first = axes == std::vector<int64_t>{2, 3};
    if (!first && axes != std::vector<int64_t>{1, 2})
        return node.error("expected the mean over the two axes of an image; found another");
    Window window;
    for (int i = 0; i < 2; i++) {
        window.kernel[i] = dims[static_cast<size_t>((first ? 2 : 1) + i)];
        window.out[i] = 1;
    }
    const Image order = first ? Image::ChannelsFirst : Image::ChannelsLast;
    ACC_TRY(const ValueId y, average(in, node, x, order, window, false));
    if (node.get_int("keepdims", 1) != 0) return in.define(node, y);
    Op op = make_op(node, Kind::Reshape, {y});
    op.shape = node.dims();
    return in.finish(node, std::move(op));
}

} // namespace

LegalizeFunction find_spatial(std::string_view op)
{
    if (op == "Pad") return legalize_pad;
    if (op == "ReduceMean") return legalize_mean;
    return nullptr;
}

} // namespace acc::accc
