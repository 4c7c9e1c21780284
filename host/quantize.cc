// SPDX-License-Identifier: MIT
//
// Between real and quantised values, for a tensor or along an axis.
#include "host/call.h"

#include <algorithm>
#include <limits>

namespace acc::host
{
namespace
{

// Scales and zero points of x: one, one for each slice along `axis`, or one for each block of
// `block_size` along it.
bool check_scales(Call &c)
{
    const int64_t block = c.get("block_size", int64_t{0});
    if (block < 0)
        return c.fail("expected attribute 'block_size' of at least 0; found " +
                      std::to_string(block));
    if (block > 0 || elements(c.dims(1)) != 1 || c.rank(1) > 1) {
        int64_t axis = 0;
        if (!c.axis(c.get("axis", int64_t{1}), c.rank(0), axis)) return false;
        const int64_t along = c.dims(0)[static_cast<size_t>(axis)];
        if (block > 0) {
            Dims blocks = c.dims(0);
            blocks[static_cast<size_t>(axis)] = along / block + (along % block != 0);
            if (c.dims(1) != blocks)
                return c.fail("expected a scale for each block, " + dims_text(blocks) + "; found " +
                              dims_text(c.dims(1)));
        } else if (c.dims(1) != Dims{along}) {
            return c.fail("expected one scale, or one for each of " + std::to_string(along) +
                          "; found " + dims_text(c.dims(1)));
        }
    }
    if (c.has(2) && elements(c.dims(2)) != elements(c.dims(1)))
        return c.fail("expected as many zero points as scales; found " +
                      both(c.dims(1), c.dims(2)));
    return true;
}

// Which scale an element has.
class ScaleOf
{
public:
    explicit ScaleOf(Call &c) : count_(static_cast<size_t>(elements(c.dims(1))))
    {
        block_ = static_cast<size_t>(c.get("block_size", int64_t{0}));
        if (!block_ && count_ == 1) return;
        int64_t axis = c.get("axis", int64_t{1});
        if (axis < 0) axis += c.rank(0);
        const Split3 split = split_at(c.dims(0), axis);
        inner_ = static_cast<size_t>(split.inner);
        axis_ = static_cast<size_t>(split.axis);
        if (block_) blocks_ = (axis_ + block_ - 1) / block_;
    }
    size_t operator()(size_t i) const
    {
        if (!block_) return i / inner_ % count_;
        const size_t outer = i / (inner_ * axis_), k = i / inner_ % axis_ / block_;
        return (outer * blocks_ + k) * inner_ + i % inner_;
    }

private:
    size_t count_, block_ = 0, inner_ = 1, axis_ = 1, blocks_ = 1;
};

bool infer_quantize(Call &c)
{
    if (!check_scales(c)) return false;
    uint32_t dtype = c.has(2) ? c.in[2].dtype : static_cast<uint32_t>(ACC_DTYPE_U8);
    if (!c.has(2) && c.has_attr("output_dtype"))
        dtype = static_cast<uint32_t>(c.get("output_dtype", int64_t{0}));
    if (is_float(dtype) || !element_bytes(dtype))
        return c.fail("expected a result of integers; found " + std::string(type_name(dtype)));
    return c.give(dtype, c.dims(0));
}

std::pair<double, double> limits_of(uint32_t dtype)
{
    switch (dtype) {
    case ACC_DTYPE_I8:
        return {-128, 127};
    case ACC_DTYPE_U8:
        return {0, 255};
    case ACC_DTYPE_I16:
        return {-32768, 32767};
    case ACC_DTYPE_U16:
        return {0, 65535};
    default:
        return {std::numeric_limits<int32_t>::min(), std::numeric_limits<int32_t>::max()};
    }
}

bool run_quantize(Call &c)
{
    const In<float> x(c.in[0]), scale(c.in[1]);
    const ScaleOf scale_of(c);
    std::vector<int64_t> zero(scale.size(), 0);
    if (c.has(2)) zero = read_ints(c.in[2]);
    const auto [least, most] = limits_of(c.out[0].dtype);
    std::vector<int64_t> y(x.size());
    for (size_t i = 0; i < y.size(); i++) {
        const size_t s = scale_of(i);
        const double v = static_cast<double>(std::nearbyint(x[i] / scale[s]));
        y[i] =
            std::isnan(v)
                ? zero[s]
                : static_cast<int64_t>(std::clamp(v + static_cast<double>(zero[s]), least, most));
    }
    store(y.data(), c.out[0]);
    return true;
}

bool infer_dequantize(Call &c)
{
    if (!check_scales(c)) return false;
    if (!is_float(c.in[1].dtype)) return c.fail("expected a scale of floats; found another");
    if (is_float(c.in[0].dtype)) return c.fail("expected integers; found floats");
    if (c.has(2) && c.in[2].dtype != c.in[0].dtype)
        return c.fail("expected a zero point of the input's type; found another");
    return c.give(c.in[1].dtype, c.dims(0));
}

bool run_dequantize(Call &c)
{
    const In<int64_t> x(c.in[0]);
    const In<float> scale(c.in[1]);
    const ScaleOf scale_of(c);
    std::vector<int64_t> zero(scale.size(), 0);
    if (c.has(2)) zero = read_ints(c.in[2]);
    Out<float> y(c.out[0]);
    for (size_t i = 0; i < y.size(); i++) {
        const size_t s = scale_of(i);
        y[i] = static_cast<float>(x[i] - zero[s]) * scale[s];
    }
    return true;
}

bool infer_dynamic(Call &c)
{
    if (c.in[0].dtype != ACC_DTYPE_F32) return c.fail("expected floats; found another type");
    c.give(ACC_DTYPE_U8, c.dims(0));
    c.give(ACC_DTYPE_F32, {});
    return c.give(ACC_DTYPE_U8, {});
}

bool run_dynamic(Call &c)
{
    const In<float> x(c.in[0]);
    float least = 0, most = 0;
    for (size_t i = 0; i < x.size(); i++) {
        least = std::min(least, x[i]);
        most = std::max(most, x[i]);
    }
    float scale = (most - least) / 255;
    if (scale == 0) scale = 1;
    const auto zero =
        static_cast<uint8_t>(std::clamp(std::nearbyint(-least / scale), 0.0f, 255.0f));
    if (c.wants(1)) std::memcpy(c.out[1].data, &scale, sizeof(scale));
    if (c.wants(2)) std::memcpy(c.out[2].data, &zero, sizeof(zero));
    if (!c.wants(0)) return true;
    auto *y = static_cast<uint8_t *>(c.out[0].data);
    for (size_t i = 0; i < x.size(); i++) {
        const float v = std::nearbyint(x[i] / scale) + static_cast<float>(zero);
        y[i] = std::isnan(v) ? zero : static_cast<uint8_t>(std::clamp(v, 0.0f, 255.0f));
    }
    return true;
}

} // namespace

const Operator quantize_ops[] = {
    {"QuantizeLinear", 2, 3, 1, "axis saturate block_size output_dtype", infer_quantize,
     run_quantize},
    {"DequantizeLinear", 2, 3, 1, "axis block_size", infer_dequantize, run_dequantize},
    {"DynamicQuantizeLinear", 1, 1, 3, "", infer_dynamic, run_dynamic},
    {nullptr, 0, 0, 0, nullptr, nullptr, nullptr},
};

} // namespace acc::host
