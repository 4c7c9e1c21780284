// SPDX-License-Identifier: MIT
//
// What makes images larger: ConvTranspose as a convolution for each phase of its stride, whose
// results take turns, and Resize to the nearest by a whole factor as rows said several times.
#include "tools/accc/ir/shape.h"
#include "tools/accc/legalize/legalizer.h"

#include <algorithm>

namespace acc::accc
{
namespace
{

Result<ValueId> as_shape(Legalizer &in, Node &node, ValueId x, Dims dims)
{
    Op op = make_op(node, Kind::Reshape, {x});
    op.shape = std::move(dims);
    return in.add(node, std::move(op));
}

// Two values of an attribute from `first` on; `otherwise` where it is left out.
bool two_of(const Node &node, std::string_view name, int64_t otherwise, int64_t (&to)[2])
{
    const std::vector<int64_t> list = node.get_ints(name);
    for (size_t i = 0; i < 2; i++)
        to[i] = list.empty() ? otherwise : i < list.size() ? list[i] : -1;
    return to[0] >= 0 && to[1] >= 0;
}

// Sizes of a transposed convolution. Output row r is row r + pad of one without padding: phase
// (r + pad) mod stride of turn (r + pad) / stride.
struct Phases {
    int64_t kernel[2], stride[2], pad[2];
    int64_t taps[2];  // of a phase
    int64_t turns[2]; // of which the output has a part
};

// [in, out, kh, kw] -> [(phase y, phase x, out), in, taps y, taps x], flipped.
Tensor phase_weights(const Tensor &w, const Phases &p)
{
    const int64_t inputs = w.dims[0], outputs = w.dims[1];
    const int64_t phases = p.stride[0] * p.stride[1];
    Tensor t{{phases * outputs, inputs, p.taps[0], p.taps[1]}, std::vector<float>(), {}, 0};
    std::vector<float> &to = t.floats();
    to.reserve(static_cast<size_t>(elements(t.dims)));
    for (int64_t row = 0; row < phases * outputs; row++)
        for (int64_t c = 0; c < inputs; c++)
            for (int64_t tap = 0; tap < p.taps[0] * p.taps[1]; tap++) {
                const int64_t phase = row / outputs, o = row % outputs;
                const int64_t ky =
                    phase / p.stride[1] + p.stride[0] * (p.taps[0] - 1 - tap / p.taps[1]);
                const int64_t kx =
                    phase % p.stride[1] + p.stride[1] * (p.taps[1] - 1 - tap % p.taps[1]);
                const bool inside = ky < p.kernel[0] && kx < p.kernel[1];
                to.push_back(inside
                                 ? w.floats()[static_cast<size_t>(
                                       ((c * outputs + o) * p.kernel[0] + ky) * p.kernel[1] + kx)]
                                 : 0);
            }
    // A scale for each output is there once for each phase.
    for (int64_t i = 0; w.scales.size() > 1 && w.scale_axis == 1 && i < phases; i++)
        t.scales.insert(t.scales.end(), w.scales.begin(), w.scales.end());
    if (w.scales.size() == 1) t.scales = w.scales;
    return t;
}

Status read_phases(Node &node, const Dims &x, const Dims &w, Phases &p)
{
    int64_t dilation[2];
    if (x.size() != 4 || w.size() != 4)
        return node.error("expected an input and weights of 4 dimensions; found " + dims_text(x) +
                          " and " + dims_text(w));
    if (node.get_int("group", 1) != 1)
        return node.error("expected attribute 'group' = 1; found another");
    if (!two_of(node, "dilations", 1, dilation) || dilation[0] != 1 || dilation[1] != 1)
        return node.error("expected attribute 'dilations' of 1; found others");
    if (node.get_string("auto_pad", "NOTSET") != "NOTSET" || node.has("output_shape"))
        return node.error("expected attribute 'pads'; found 'auto_pad' or 'output_shape'");
    if (!two_of(node, "strides", 1, p.stride) || !two_of(node, "pads", 0, p.pad))
        return node.error("expected attributes 'strides' and 'pads' of two axes; found others");
    for (int i = 0; i < 2; i++) {
        p.kernel[i] = w[static_cast<size_t>(2 + i)];
        if (p.stride[i] < 1 || p.stride[i] > 64 || p.kernel[i] > kMaxKernel)
            return node.error("expected strides of 1 to 64; found " + std::to_string(p.stride[i]));
        p.taps[i] = (p.kernel[i] + p.stride[i] - 1) / p.stride[i];
        const int64_t rows = node.dims()[static_cast<size_t>(2 + i)] + p.pad[i];
        p.turns[i] = (rows + p.stride[i] - 1) / p.stride[i];
    }
    return Ok{};
}

Status legalize_conv_transpose(Legalizer &in, Node &node)
{
    ACC_TRY(const ValueId x, in.activation(node, 0));
    ACC_TRY(const Tensor w, in.float_constant(node, 1));
    const Dims dims = in.dims(x);
    Phases p;
    ACCC_CHECK(read_phases(node, dims, w.dims, p));
    const int64_t outputs = w.dims[1], phases = p.stride[0] * p.stride[1];
    if (elements(w.dims) * phases > kMaxElements / 8)
        return node.error("expected fewer weights for all phases; found " + dims_text(w.dims));
    Op op = make_op(node, Kind::Conv, {x, in.constant(node, phase_weights(w, p))});
    if (node.has_input(2)) {
        ACC_TRY(const Tensor bias, in.float_constant(node, 2));
        Tensor all{{phases * outputs}, std::vector<float>(), bias.scales, 0};
        for (int64_t i = 0; i < phases; i++)
            all.floats().insert(all.floats().end(), bias.floats().begin(), bias.floats().end());
        for (int64_t i = 1; bias.scales.size() > 1 && i < phases; i++)
            all.scales.insert(all.scales.end(), bias.scales.begin(), bias.scales.end());
        op.inputs.push_back(in.constant(node, std::move(all)));
    }
    for (int i = 0; i < 2; i++) {
        op.window.kernel[i] = p.taps[i];
        op.window.pad[i] = p.taps[i] - 1;
        op.window.out[i] = p.turns[i];
    }
    ACC_TRY(ValueId y, in.add(node, std::move(op)));
    // [n, turn y, turn x, (phase y, phase x, out)]: phases y go before turns x.
    ACC_TRY(y, add_transpose(in, node, y, {0, 2, 3, 1}));
    if (phases > 1) {
        ACC_TRY(y,
                as_shape(in, node, y,
                         {dims[0] * p.turns[0], p.turns[1], p.stride[0], p.stride[1] * outputs}));
        ACC_TRY(y, add_transpose(in, node, y, {0, 2, 1, 3}));
        ACC_TRY(y,
                as_shape(in, node, y,
                         {dims[0], p.turns[0] * p.stride[0], p.turns[1] * p.stride[1], outputs}));
    }
    // Channels last; the image begins behind the padding.
    ACC_TRY(y, add_slice(in, node, y, 1, p.pad[0], node.dims()[2]));
    ACC_TRY(y, add_slice(in, node, y, 2, p.pad[1], node.dims()[3]));
    ACC_TRY(y, add_transpose(in, node, y, {0, 3, 1, 2}));
    return in.define(node, y);
}

// Each row of `bytes` elements `times` times.
Result<ValueId> repeated(Legalizer &in, Node &node, ValueId x, int64_t row, int64_t times)
{
    const int64_t rows = elements(in.dims(x)) / row;
    ACC_TRY(x, as_shape(in, node, x, {rows, row}));
    if (times == 1) return x;
    Op op = make_op(node, Kind::Concat, std::vector<ValueId>(static_cast<size_t>(times), x));
    op.axis = 1;
    return in.add(node, std::move(op));
}

Status legalize_resize(Legalizer &in, Node &node)
{
    ACC_TRY(ValueId x, in.activation(node, 0));
    if (in.made_by_host(x))
        return node.error("expected an operand that an engine makes; found floats of the host's");
    const Dims dims = in.dims(x), to = node.dims();
    if (dims.size() != 4) return node.error("expected 4 dimensions; found " + dims_text(dims));
    const std::string mode = node.get_string("mode", "nearest"),
                      where = node.get_string("coordinate_transformation_mode", "half_pixel"),
                      nearest = node.get_string("nearest_mode", "round_prefer_floor");
    const bool centers = (where == "half_pixel" || where == "half_pixel_symmetric") &&
                         (nearest == "round_prefer_floor" || nearest == "round_prefer_ceil");
    if (mode != "nearest" || !(centers || (where == "asymmetric" && nearest == "floor")))
        return node.error("expected the nearest pixel of half_pixel, or of asymmetric with floor; "
                          "found " +
                          mode + ", " + where + ", " + nearest);
    for (const char *attribute : {"axes", "antialias", "keep_aspect_ratio_policy"})
        if (node.has(attribute))
            return node.error(std::string("expected no attribute '") + attribute + "'; found it");
    int64_t times[2];
    for (size_t i = 0; i < 2; i++) {
        times[i] = to[2 + i] / dims[2 + i];
        if (times[i] < 1 || times[i] > 8 || times[i] * dims[2 + i] != to[2 + i] ||
            to[0] != dims[0] || to[1] != dims[1])
            return node.error("expected a factor of 1 to 8 along both axes of an image; found " +
                              dims_text(dims) + " to " + dims_text(to));
    }
    // A factor that is none of whole pixels may come to the same size.
    if (node.has_input(2)) {
        ACC_TRY(const Tensor scales, in.float_constant(node, 2));
        const std::vector<float> whole = {1, 1, static_cast<float>(times[0]),
                                          static_cast<float>(times[1])};
        if (!scales.floats().empty() && scales.floats() != whole)
            return node.error("expected scales of whole pixels; found others");
    }
    ACC_TRY(x, add_transpose(in, node, x, {0, 2, 3, 1}));
    ACC_TRY(x, repeated(in, node, x, dims[1], times[1]));
    ACC_TRY(x, repeated(in, node, x, to[3] * dims[1], times[0]));
    ACC_TRY(x, as_shape(in, node, x, {to[0], to[2], to[3], to[1]}));
    ACC_TRY(x, add_transpose(in, node, x, {0, 3, 1, 2}));
    return in.define(node, x);
}

} // namespace

LegalizeFunction find_upscale(std::string_view op)
{
    if (op == "ConvTranspose") return legalize_conv_transpose;
    if (op == "Resize") return legalize_resize;
    return nullptr;
}

} // namespace acc::accc
