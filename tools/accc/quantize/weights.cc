// SPDX-License-Identifier: MIT
#include "tools/accc/quantize/weights.h"

#include "tools/accc/quantize/lower.h"

#include <algorithm>
#include <cmath>

namespace acc::accc
{
namespace
{

constexpr double kMaxBias = 1 << 28;     // in steps of a product
constexpr double kMaxBiasOff = 1.0 / 16; // of a stated scale from that of the sums

double scale_of(Scales scales, size_t column)
{
    return static_cast<double>(scales[scales.size() == 1 ? 0 : column]);
}

// Whether a bias counts steps of the sums, as its scale says but for the digits that it was
// rounded to. Such a bias is taken as the integers that it is.
bool counts_steps(Scales bias, const std::vector<double> &weights, double x_scale)
{
    if (bias.empty()) return false;
    for (size_t j = 0; j < weights.size(); j++)
        if (!(std::abs(scale_of(bias, j) / (weights[j] * x_scale) - 1) <= kMaxBiasOff))
            return false;
    return true;
}

} // namespace

std::vector<float> conv_matrix(const Graph &g, const Op &op)
{
    const Dims &w = g.value(op.inputs[1]).dims;
    const std::vector<float> &from = g.floats(op.inputs[1]);
    const int64_t n = w[0], depth = w[1], taps = w[2] * w[3];
    const int64_t channels = depth * op.groups, per_group = n / op.groups;
    std::vector<float> matrix(static_cast<size_t>(taps * channels * n), 0);
    for (int64_t o = 0; o < n; o++)
        for (int64_t c = 0; c < depth; c++)
            for (int64_t t = 0; t < taps; t++) {
                const int64_t row = t * channels + o / per_group * depth + c;
                matrix[row * n + o] = from[(o * depth + c) * taps + t];
            }
    return matrix;
}

bool fits_8_bits(std::span<const float> matrix, Scales scales)
{
    for (size_t i = 0; !scales.empty() && i < matrix.size(); i++) {
        const double q = static_cast<double>(matrix[i]) / scale_of(scales, i % scales.size());
        if (!(std::nearbyint(q) >= -128 && std::nearbyint(q) <= 127)) return false;
    }
    return true;
}

Weights quantize_weights(std::span<const float> matrix, int64_t k, int64_t n,
                         std::span<const float> bias, const Quant &x, Scales scales,
                         Scales bias_scales)
{
    Weights w;
    w.k = k;
    w.n = n;
    w.data.resize(static_cast<size_t>(k * n));
    std::vector<double> most(static_cast<size_t>(n), 0);
    for (size_t i = 0; i < matrix.size(); i++) {
        double &m = most[i % static_cast<size_t>(n)];
        m = std::max(m, std::abs(static_cast<double>(matrix[i])));
    }
    for (int64_t j = 0; j < n; j++) {
        const double b = bias.empty() ? 0 : static_cast<double>(bias[j]);
        // Coarse enough that the bias, in steps of scale * x.scale, fits as well.
        const double for_bias = std::abs(b) / (static_cast<double>(x.scale) * kMaxBias);
        if (scales.empty())
            w.scale.push_back(std::max({most[j] / 127, for_bias, 1e-30}));
        else
            w.scale.push_back(scale_of(scales, static_cast<size_t>(j)));
    }
    const auto x_scale = static_cast<double>(x.scale);
    const bool steps_stated = !scales.empty() && counts_steps(bias_scales, w.scale, x_scale);
    std::vector<int64_t> sums(static_cast<size_t>(n), 0);
    for (size_t i = 0; i < matrix.size(); i++) {
        const size_t j = i % static_cast<size_t>(n);
        const double q = std::nearbyint(static_cast<double>(matrix[i]) / w.scale[j]);
        w.data[i] = static_cast<int8_t>(std::clamp(q, scales.empty() ? -127.0 : -128.0, 127.0));
        sums[j] += w.data[i];
    }
    for (int64_t j = 0; j < n; j++) {
        const double b = bias.empty() ? 0 : static_cast<double>(bias[j]);
        const double step =
            steps_stated ? scale_of(bias_scales, static_cast<size_t>(j)) : w.scale[j] * x_scale;
        const double steps = std::clamp(std::nearbyint(b / step), -0x1p30, 0x1p30);
        w.bias.push_back(
            static_cast<int32_t>(static_cast<int64_t>(steps) - x.zero_point * sums[j]));
    }
    return w;
}

bool fixed_point(double factor, Fixed &fixed)
{
    if (!(factor >= 0) || factor >= 0x1p30) return false;
    fixed = {};
    if (factor == 0) return true;
    int exponent = 0;
    const double fraction = std::frexp(factor, &exponent); // 0.5 … 1
    int shift = 31 - exponent;
    double multiplier = std::nearbyint(std::ldexp(fraction, 31));
    if (multiplier >= 0x1p31) { // rounded up to the next power
        multiplier = 0x1p30;
        shift--;
    }
    if (shift > 62) { // so small that its last bits are lost
        multiplier = std::nearbyint(std::ldexp(factor, 62));
        shift = 62;
    }
    fixed.multiplier = static_cast<int32_t>(multiplier);
    fixed.shift = shift;
    return shift >= 1;
}

} // namespace acc::accc
