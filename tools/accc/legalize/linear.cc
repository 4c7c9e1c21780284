// SPDX-License-Identifier: MIT
//
// Products, sums and what scales and shifts.
#include "tools/accc/ir/shape.h"
#include "tools/accc/legalize/legalizer.h"
#include "tools/accc/legalize/window_attributes.h"

#include <cmath>
#include <numeric>

namespace acc::accc
{
namespace
{

// The axis that weights belong to: 1 of images (N, C, H, W), else the last.
size_t channel_axis(const Dims &dims)
{
    return dims.size() == 4 ? 1 : dims.size() - 1;
}

std::string both(const Dims &a, const Dims &b)
{
    return dims_text(a) + " and " + dims_text(b);
}

Status legalize_conv(Legalizer &in, Node &node)
{
    ACC_TRY(ValueId x, in.activation(node, 0));
    ACC_TRY(Tensor w, in.float_constant(node, 1));
    // One axis: an image of one row.
    const bool line = in.dims(x).size() == 3 && w.dims.size() == 3;
    if (line) {
        Op op = make_op(node, Kind::Reshape, {x});
        op.shape = {in.dims(x)[0], in.dims(x)[1], 1, in.dims(x)[2]};
        ACC_TRY(x, in.add(node, std::move(op)));
        w.dims.insert(w.dims.begin() + 2, 1);
    }
    if (in.dims(x).size() != 4 || w.dims.size() != 4)
        return node.error("expected an input and weights of 4 dimensions; found " +
                          both(in.dims(x), w.dims));
    Op op = make_op(node, Kind::Conv, {x});
    op.groups = node.get_int("group", 1);
    const Dims kernel = {w.dims[2], w.dims[3]};
    ACCC_CHECK(read_window(in, node, in.dims(x), kernel, op.window));
    if (w.scales.size() > 1 && w.scale_axis != 0) w.scales.clear();
    op.inputs.push_back(in.constant(node, std::move(w)));
    if (node.has_input(2)) {
        ACC_TRY(Tensor bias, in.float_constant(node, 2));
        op.inputs.push_back(in.constant(node, std::move(bias)));
    }
    if (!line) return in.finish(node, std::move(op));
    ACC_TRY(const ValueId y, in.add(node, std::move(op)));
    Op back = make_op(node, Kind::Reshape, {y});
    back.shape = node.dims();
    return in.finish(node, std::move(back));
}

Tensor transposed(const Tensor &t)
{
    const int64_t rows = t.dims[0], cols = t.dims[1];
    Tensor out{{cols, rows}, std::vector<float>(t.floats().size()), t.scales, 1 - t.scale_axis};
    for (int64_t r = 0; r < rows; r++)
        for (int64_t c = 0; c < cols; c++)
            out.floats()[c * rows + r] = t.floats()[r * cols + c];
    return out;
}

// c, spread to n values; false when its dims are none that [1, n] takes.
bool spread_bias(Tensor &c, int64_t n)
{
    for (size_t i = 0; i + 1 < c.dims.size(); i++)
        if (c.dims[i] != 1) return false;
    const int64_t last = last_dim(c.dims);
    if (last != 1 && last != n) return false;
    if (c.floats().empty()) return false;
    const float first = c.floats()[0];
    if (last == 1) c.data = std::vector<float>(static_cast<size_t>(n), first);
    c.dims = {n};
    return true;
}

// x * scale + shift, where one of them is c spread over x's channels or
// elements.
enum class By { Scale, Shift };
Status legalize_by_constant(Legalizer &in, Node &node, ValueId x, Tensor c, By by, float sign);

Status legalize_gemm(Legalizer &in, Node &node)
{
    const float alpha = node.get_float("alpha", 1), beta = node.get_float("beta", 1);
    const bool trans_a = node.get_int("transA", 0) != 0, trans_b = node.get_int("transB", 0) != 0;
    ACC_TRY(ValueId a, in.activation(node, 0));
    ACC_TRY(Tensor b, in.float_constant(node, 1));
    if (!std::isfinite(alpha) || !std::isfinite(beta))
        return node.error("expected finite alpha and beta; found another");
    if (b.dims.size() != 2 || in.dims(a).size() != 2)
        return node.error("expected operands of 2 dimensions; found " + both(in.dims(a), b.dims));
    if (trans_a) {
        ACC_TRY(a, add_transpose(in, node, a, {1, 0}));
    }
    if (trans_b) b = transposed(b);
    for (float &v : b.floats())
        v *= alpha;
    if (alpha != 1 || (b.scales.size() > 1 && b.scale_axis != 1)) b.scales.clear();
    const int64_t n = b.dims[1];
    Op op = make_op(node, Kind::MatMul, {a, in.constant(node, std::move(b))});
    const bool summed = node.has_input(2) && std::get_if<ValueId>(&in.operand(node, 2));
    if (node.has_input(2) && !summed) {
        ACC_TRY(Tensor c, in.float_constant(node, 2));
        for (float &v : c.floats())
            v *= beta;
        if (!spread_bias(c, n)) {
            // One for each row, too.
            ACC_TRY(const ValueId product, in.add(node, std::move(op)));
            return legalize_by_constant(in, node, product, std::move(c), By::Shift, 1);
        }
        op.inputs.push_back(in.constant(node, std::move(c)));
    }
    if (!summed) return in.finish(node, std::move(op));
    if (beta != 1)
        return node.error("expected attribute 'beta' = 1 where C is computed; found another");
    ACC_TRY(const ValueId c, in.activation(node, 2));
    ACC_TRY(const ValueId product, in.add(node, std::move(op)));
    return in.finish(node, make_op(node, Kind::Add, {product, c}));
}

std::vector<int> last_two_swapped(size_t rank)
{
    std::vector<int> perm(rank);
    std::iota(perm.begin(), perm.end(), 0);
    std::swap(perm[rank - 1], perm[rank - 2]);
    return perm;
}

// W x as the transposed of x^T W^T: conductances are on the right.
Status legalize_left_constant(Legalizer &in, Node &node)
{
    ACC_TRY(ValueId x, in.activation(node, 1));
    ACC_TRY(Tensor w, in.float_constant(node, 0));
    const Dims dims = in.dims(x);
    while (w.dims.size() > 2 && w.dims[0] == 1)
        w.dims.erase(w.dims.begin());
    if (w.dims.size() != 2 || dims.size() < 2 || node.dims().size() > dims.size())
        return node.error("expected one matrix on the left; found " + both(w.dims, dims));
    if (w.scales.size() > 1) w.scales.clear();
    const std::vector<int> swap = last_two_swapped(dims.size());
    ACC_TRY(x, add_transpose(in, node, x, swap));
    w = transposed(w);
    Op op = make_op(node, Kind::MatMul, {x, in.constant(node, std::move(w))});
    ACC_TRY(const ValueId product, in.add(node, std::move(op)));
    ACC_TRY(const ValueId y, add_transpose(in, node, product, swap));
    return in.define(node, y);
}

Status legalize_matmul(Legalizer &in, Node &node)
{
    if (node.has_input(0) && std::get_if<Tensor>(&in.operand(node, 0)))
        return legalize_left_constant(in, node);
    ACC_TRY(ValueId a, in.activation(node, 0));
    const Dims dims = in.dims(a);
    if (node.has_input(1) && std::get_if<Tensor>(&in.operand(node, 1))) {
        ACC_TRY(Tensor b, in.float_constant(node, 1));
        // Scales along an axis: of the columns, or they are those of another shape.
        if (b.scales.size() > 1 && (b.dims.size() != 2 || b.scale_axis != 1)) b.scales.clear();
        while (b.dims.size() > 2 && b.dims[0] == 1)
            b.dims.erase(b.dims.begin());
        if (b.dims.size() != 2 || dims.size() < 2 || node.dims().size() > dims.size())
            return node.error("expected one matrix on the right; found " + both(dims, b.dims));
        return in.finish(node, make_op(node, Kind::MatMul, {a, in.constant(node, std::move(b))}));
    }
    ACC_TRY(ValueId b, in.activation(node, 1));
    return in.finish(node, make_op(node, Kind::MatMul, {a, b}));
}

Status legalize_batch_norm(Legalizer &in, Node &node)
{
    const float epsilon = node.get_float("epsilon", 1e-5f);
    if (node.get_int("spatial", 1) != 1)
        return node.error("expected attribute 'spatial' = 1; found another");
    if (node.get_int("training_mode", 0) != 0)
        return node.error("expected attribute 'training_mode' = 0; found another");
    ACC_TRY(const ValueId x, in.activation(node, 0));
    if (in.dims(x).size() < 2)
        return node.error("expected at least 2 dimensions; found " + dims_text(in.dims(x)));
    const int64_t channels = in.dims(x)[1];
    std::vector<Tensor> p;
    for (size_t i = 1; i <= 4; i++) {
        ACC_TRY(Tensor t, in.float_constant(node, i));
        if (t.dims != Dims{channels})
            return node.error("expected input " + std::to_string(i) + " of " +
                              std::to_string(channels) + " values; found " + dims_text(t.dims));
        p.push_back(std::move(t));
    }
    Tensor scale{{channels}, std::vector<float>(static_cast<size_t>(channels)), {}, 0},
        shift = scale;
    for (size_t c = 0; c < static_cast<size_t>(channels); c++) {
        const double spread = static_cast<double>(p[3].floats()[c]) + static_cast<double>(epsilon);
        const double s = static_cast<double>(p[0].floats()[c]) / std::sqrt(spread);
        const double t =
            static_cast<double>(p[1].floats()[c]) - s * static_cast<double>(p[2].floats()[c]);
        if (!std::isfinite(s) || !std::isfinite(t))
            return node.error("expected a variance + epsilon above 0; found " +
                              std::to_string(spread) + " in channel " + std::to_string(c));
        scale.floats()[c] = static_cast<float>(s);
        shift.floats()[c] = static_cast<float>(t);
    }
    Op op = make_op(node, Kind::ScaleShift, {x});
    op.axis = 1;
    op.inputs.push_back(in.constant(node, std::move(scale)));
    op.inputs.push_back(in.constant(node, std::move(shift)));
    return in.finish(node, std::move(op));
}

// The axis of c's values when c is a scalar or varies along one axis of x; -1
// when not.
int64_t only_axis(const Dims &x, const Dims &c)
{
    int64_t axis = -1;
    for (size_t i = 0; i < c.size(); i++) {
        if (c[i] == 1) continue;
        if (axis != -1) return -1;
        axis = static_cast<int64_t>(x.size() - c.size() + i);
    }
    return axis == -1 ? static_cast<int64_t>(channel_axis(x)) : axis;
}

// c's elements for every element of x; c's dims broadcast to x's.
Tensor spread(const Tensor &c, const Dims &x)
{
    Tensor full{x, std::vector<float>(static_cast<size_t>(elements(x))), {}, 0};
    Dims step(x.size(), 0);
    for (int64_t i = static_cast<int64_t>(x.size()) - 1, stride = 1, j; i >= 0; i--) {
        j = i - static_cast<int64_t>(x.size() - c.dims.size());
        if (j < 0) break;
        step[i] = c.dims[j] == 1 ? 0 : stride;
        stride *= c.dims[j];
    }
    Dims at(x.size(), 0);
    int64_t from = 0;
    for (float &v : full.floats()) {
        v = c.floats()[from];
        for (size_t i = x.size(); i-- > 0;) {
            from += step[i];
            if (++at[i] < x[i]) break;
            from -= step[i] * x[i];
            at[i] = 0;
        }
    }
    return full;
}

Status legalize_by_constant(Legalizer &in, Node &node, ValueId x, Tensor c, By by, float sign)
{
    const Dims dims = in.dims(x);
    bool fits = c.dims.size() <= dims.size() && !c.floats().empty() && dims.size() >= 2;
    for (size_t i = 0; fits && i < c.dims.size(); i++) {
        const int64_t of_x = dims[dims.size() - c.dims.size() + i];
        fits = c.dims[i] == 1 || c.dims[i] == of_x;
    }
    if (!fits)
        return node.error("expected a constant that fits the other operand's shape; found " +
                          both(dims, c.dims));
    const int64_t axis = only_axis(dims, c.dims);
    const bool channel = axis == static_cast<int64_t>(channel_axis(dims));
    if (!channel && by == By::Scale)
        return node.error("expected a factor for each channel, or one; found " +
                          both(dims, c.dims));
    if (!channel) {
        Tensor full = spread(c, dims);
        for (float &v : full.floats())
            v *= sign;
        return in.finish(node, make_op(node, Kind::Add, {x, in.constant(node, std::move(full))}));
    }
    const auto channels = static_cast<size_t>(dims[axis]);
    Tensor scale{{dims[axis]}, std::vector<float>(channels, by == By::Scale ? 0 : sign), {}, 0};
    Tensor shift{{dims[axis]}, std::vector<float>(channels, 0), {}, 0};
    for (size_t i = 0; i < channels; i++)
        (by == By::Scale ? scale : shift).floats()[i] = c.floats()[c.floats().size() == 1 ? 0 : i];
    Op op = make_op(node, Kind::ScaleShift, {x});
    op.axis = axis;
    op.inputs.push_back(in.constant(node, std::move(scale)));
    op.inputs.push_back(in.constant(node, std::move(shift)));
    return in.finish(node, std::move(op));
}

// Add, Sub, Mul and Div.
Status legalize_arithmetic(Legalizer &in, Node &node)
{
    const bool a_constant = node.has_input(0) && std::get_if<Tensor>(&in.operand(node, 0));
    const bool b_constant = node.has_input(1) && std::get_if<Tensor>(&in.operand(node, 1));
    const std::string &name = node.op();
    if (!a_constant && !b_constant) {
        ACC_TRY(const ValueId a, in.activation(node, 0));
        ACC_TRY(const ValueId b, in.activation(node, 1));
        if (name == "Add") return in.finish(node, make_op(node, Kind::Add, {a, b}));
        if (name != "Mul") return node.error("expected a constant operand; found none");
        if (in.made_by_host(a) || in.made_by_host(b))
            return node.error("expected operands that engines make; found floats of the host's");
        // The larger one first.
        const bool swapped = elements(in.dims(b)) > elements(in.dims(a));
        return in.finish(node, make_op(node, Kind::Mul, {swapped ? b : a, swapped ? a : b}));
    }
    ACC_TRY(const ValueId x, in.activation(node, a_constant ? 1 : 0));
    ACC_TRY(Tensor c, in.float_constant(node, a_constant ? 0 : 1));
    if (name == "Div" && a_constant)
        return node.error("expected a constant divisor; found a constant dividend");
    if (name == "Div") {
        for (float &v : c.floats()) {
            v = 1 / v;
            if (!std::isfinite(v)) return node.error("expected divisors other than 0; found 0");
        }
    }
    if (name == "Mul" || name == "Div")
        return legalize_by_constant(in, node, x, std::move(c), By::Scale, 1);
    if (name == "Sub" && !a_constant)
        for (float &v : c.floats())
            v = -v;
    const bool negated = name == "Sub" && a_constant;
    if (negated && only_axis(in.dims(x), c.dims) != static_cast<int64_t>(channel_axis(in.dims(x))))
        return node.error("expected a constant for each channel, or one, on the left; found " +
                          both(c.dims, in.dims(x)));
    return legalize_by_constant(in, node, x, std::move(c), By::Shift, negated ? -1.0f : 1.0f);
}

} // namespace

LegalizeFunction find_linear(std::string_view op)
{
    if (op == "Conv") return legalize_conv;
    if (op == "Gemm") return legalize_gemm;
    if (op == "MatMul") return legalize_matmul;
    if (op == "BatchNormalization") return legalize_batch_norm;
    if (op == "Add" || op == "Sub" || op == "Mul" || op == "Div") return legalize_arithmetic;
    return nullptr;
}

} // namespace acc::accc
