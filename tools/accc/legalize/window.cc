// SPDX-License-Identifier: MIT
//
// Windows, limits and softmax.
#include "tools/accc/ir/shape.h"
#include "tools/accc/legalize/legalizer.h"
#include "tools/accc/legalize/window_attributes.h"

#include <algorithm>
#include <cmath>

namespace acc::accc
{
namespace
{

std::string list_text(const std::vector<int64_t> &list)
{
    std::string text;
    for (const int64_t v : list)
        text += (text.empty() ? "" : ",") + std::to_string(v);
    return "[" + text + "]";
}

// Two values of an attribute, or `otherwise` when it is absent.
bool read_pair(const std::vector<int64_t> &list, const Dims &otherwise, int64_t (&pair)[2])
{
    const std::vector<int64_t> &from = list.empty() ? otherwise : list;
    if (from.size() != 2) return false;
    for (int i = 0; i < 2; i++) {
        if (from[i] < 1 || from[i] > kMaxKernel) return false;
        pair[i] = from[i];
    }
    return true;
}

Status legalize_pool(Legalizer &in, Node &node)
{
    ACC_TRY(const ValueId x, in.activation(node, 0));
    if (in.dims(x).size() != 4)
        return node.error("expected 4 dimensions; found " + dims_text(in.dims(x)));
    const bool max = node.op() == "MaxPool";
    Op op = make_op(node, max ? Kind::MaxPool : Kind::AvgPool, {x});
    if (node.op() == "GlobalAveragePool") {
        for (int i = 0; i < 2; i++) {
            op.window.kernel[i] = in.dims(x)[2 + i];
            op.window.out[i] = 1;
        }
        return in.finish(node, std::move(op));
    }
    const bool ceil = node.get_int("ceil_mode", 0) != 0;
    ACCC_CHECK(read_window(in, node, in.dims(x), {}, op.window));
    for (int i = 0; i < 2; i++) {
        const int64_t reach = (op.window.kernel[i] - 1) * op.window.dilation[i] + 1;
        if (op.window.pad[i] >= reach)
            return node.error("expected pads smaller than the kernel; found " +
                              std::to_string(op.window.pad[i]));
    }
    if (max) {
        if (node.get_int("storage_order", 0) != 0)
            return node.error("expected attribute 'storage_order' = 0; found another");
        if (node.outputs() > 1) return node.error("expected one output; found the indices as well");
    } else {
        op.count_include_pad = node.get_int("count_include_pad", 0) != 0;
        // Implementations disagree about what such windows count.
        if (op.count_include_pad && ceil)
            return node.error("expected 'ceil_mode' or 'count_include_pad'; found both");
    }
    return in.finish(node, std::move(op));
}

Status legalize_relu(Legalizer &in, Node &node)
{
    ACC_TRY(const ValueId x, in.activation(node, 0));
    Op op = make_op(node, Kind::Clip, {x});
    op.lo = 0;
    return in.finish(node, std::move(op));
}

Status legalize_clip(Legalizer &in, Node &node)
{
    ACC_TRY(const ValueId x, in.activation(node, 0));
    Op op = make_op(node, Kind::Clip, {x});
    for (const size_t i : {1, 2}) {
        if (!node.has_input(i)) continue;
        ACC_TRY(const Tensor limit, in.float_constant(node, i));
        if (limit.floats().size() != 1)
            return node.error("expected a limit of one value; found " + dims_text(limit.dims));
        (i == 1 ? op.lo : op.hi) = limit.floats()[0];
    }
    if (!(op.lo <= op.hi))
        return node.error("expected min <= max; found " + std::to_string(op.lo) + " and " +
                          std::to_string(op.hi));
    return in.finish(node, std::move(op));
}

Status legalize_softmax(Legalizer &in, Node &node)
{
    ACC_TRY(ValueId x, in.activation(node, 0));
    const Dims dims = in.dims(x);
    const int64_t asked = node.get_int("axis", -1);
    const int64_t axis = normal_axis(asked, dims.size());
    if (axis < 0)
        return node.error("expected an axis of " + dims_text(dims) + "; found " +
                          std::to_string(asked));
    if (axis + 1 == static_cast<int64_t>(dims.size()))
        return in.finish(node, make_op(node, Kind::Softmax, {x}));
    // The axis goes last and comes back.
    std::vector<int> there, back(dims.size());
    for (int i = 0; i < static_cast<int>(dims.size()); i++)
        if (i != axis) there.push_back(i);
    there.push_back(static_cast<int>(axis));
    for (size_t i = 0; i < dims.size(); i++)
        back[there[i]] = static_cast<int>(i);
    ACC_TRY(x, add_transpose(in, node, x, there));
    ACC_TRY(x, in.add(node, make_op(node, Kind::Softmax, {x})));
    ACC_TRY(x, add_transpose(in, node, x, back));
    return in.define(node, x);
}

} // namespace

Status read_window(Legalizer &, Node &node, const Dims &x, const Dims &kernel, Window &w)
{
    auto shape = node.get_ints("kernel_shape"), strides = node.get_ints("strides"),
         dilations = node.get_ints("dilations"), pads = node.get_ints("pads");
    // Of a convolution over one axis, in an image of one row.
    if (node.dims().size() == 3 && x.size() == 4) {
        for (auto *list : {&shape, &strides, &dilations})
            if (list->size() == 1) list->insert(list->begin(), 1);
        if (pads.size() == 2) pads = {0, pads[0], 0, pads[1]};
    }
    const std::string auto_pad = node.get_string("auto_pad", "NOTSET");
    const bool ceil = node.op() != "Conv" && node.get_int("ceil_mode", 0) != 0;
    if (!read_pair(shape, kernel, w.kernel) || (!kernel.empty() && w.kernel[0] != kernel[0]) ||
        (!kernel.empty() && w.kernel[1] != kernel[1]))
        return node.error(
            "expected attribute 'kernel_shape' of two sizes, as the weights'; found " +
            list_text(shape));
    if (!read_pair(strides, {1, 1}, w.stride))
        return node.error("expected attribute 'strides' of two sizes; found " + list_text(strides));
    if (!read_pair(dilations, {1, 1}, w.dilation))
        return node.error("expected attribute 'dilations' of two sizes; found " +
                          list_text(dilations));
    bool good = pads.empty() || pads.size() == 4;
    for (const int64_t p : pads)
        good = good && p >= 0 && p < kMaxKernel;
    if (!good)
        return node.error("expected attribute 'pads' of four sizes from 0; found " +
                          list_text(pads));
    const bool same = auto_pad == "SAME_UPPER" || auto_pad == "SAME_LOWER";
    if (!same && auto_pad != "VALID" && auto_pad != "NOTSET")
        return node.error("expected attribute 'auto_pad' to be NOTSET, VALID, SAME_UPPER or "
                          "SAME_LOWER; found '" +
                          auto_pad + "'");
    for (int i = 0; i < 2; i++) {
        const int64_t image = x[2 + i];
        const int64_t reach = (w.kernel[i] - 1) * w.dilation[i] + 1;
        if (same) {
            w.out[i] = (image - 1) / w.stride[i] + 1;
            const int64_t total =
                std::max<int64_t>((w.out[i] - 1) * w.stride[i] + reach - image, 0);
            w.pad[i] = auto_pad == "SAME_UPPER" ? total / 2 : total - total / 2;
            continue;
        }
        const bool padded = auto_pad == "NOTSET" && !pads.empty();
        w.pad[i] = padded ? pads[i] : 0;
        const int64_t room = image + w.pad[i] + (padded ? pads[2 + i] : 0) - reach;
        if (room < 0)
            return node.error("expected a window inside the padded image; found a reach of " +
                              std::to_string(reach) + " over " + std::to_string(room + reach));
        w.out[i] = (ceil ? room + w.stride[i] - 1 : room) / w.stride[i] + 1;
        // A window that would start in the padding behind the image does not count.
        if (ceil && (w.out[i] - 1) * w.stride[i] >= image + w.pad[i]) w.out[i]--;
    }
    return Ok{};
}

LegalizeFunction find_window(std::string_view op)
{
    if (op == "MaxPool" || op == "AveragePool" || op == "GlobalAveragePool") return legalize_pool;
    if (op == "Relu") return legalize_relu;
    if (op == "Clip") return legalize_clip;
    if (op == "Softmax") return legalize_softmax;
    return nullptr;
}

} // namespace acc::accc
