// SPDX-License-Identifier: MIT
#include "tools/accc/reference/roles.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

namespace acc::accc
{
namespace
{

constexpr uint64_t kMaxCount = uint64_t{1} << 40; // products of counts stay in 64 bits

template <typename T = int8_t>
T clamped(int64_t v, int32_t lo, int32_t hi)
{
    return static_cast<T>(std::clamp<int64_t>(v, lo, hi));
}

template <typename T = int8_t>
bool limits(int32_t lo, int32_t hi)
{
    return lo >= std::numeric_limits<T>::min() && lo <= hi && hi <= std::numeric_limits<T>::max();
}

bool quantize(const acc_quantize_args &a, RoleMemory &m)
{
    const auto src = m.read<float>(a.src, a.count);
    const auto dst = m.write<int8_t>(a.dst, a.count);
    if (m.faulted() || !(a.scale > 0)) return false;
    for (uint64_t i = 0; i < a.count; i++) {
        const float steps = std::nearbyintf(src[i] / a.scale);
        const double v = static_cast<double>(steps) + a.zero_point;
        dst[i] = static_cast<int8_t>(std::isnan(v) ? a.zero_point : std::clamp(v, -128.0, 127.0));
    }
    return true;
}

bool dequantize(const acc_quantize_args &a, RoleMemory &m)
{
    const auto src = m.read<int8_t>(a.src, a.count);
    const auto dst = m.write<float>(a.dst, a.count);
    if (m.faulted()) return false;
    for (uint64_t i = 0; i < a.count; i++)
        dst[i] = static_cast<float>(src[i] - a.zero_point) * a.scale;
    return true;
}

template <typename Out>
bool requantize(const acc_requantize_args &a, RoleMemory &m)
{
    if (a.rows > kMaxCount || !limits<Out>(a.min, a.max)) return false;
    const uint64_t count = a.rows * a.channels;
    const auto src = m.read<int32_t>(a.src, count);
    const auto dst = m.write<Out>(a.dst, count);
    const auto bias = m.read<int32_t>(a.bias, a.channels);
    const auto multiplier = m.read<int32_t>(a.multiplier, a.channels);
    const auto shift = m.read<int32_t>(a.shift, a.channels);
    if (m.faulted()) return false;
    for (uint64_t c = 0; c < a.channels; c++)
        if (shift[c] < 1 || shift[c] > 62 || multiplier[c] < 0) return false;
    for (uint64_t i = 0; i < count; i++) {
        const uint64_t c = i % a.channels;
        const int64_t x = int64_t{src[i]} + bias[c];
        dst[i] = clamped<Out>(a.zero_point + requant(x, multiplier[c], shift[c]), a.min, a.max);
    }
    return true;
}

// Walks the windows of an image: see(output element's pixel, tap, source pixel or -1).
template <typename See>
void for_each_tap(const acc_window &w, See see)
{
    int64_t pixel = 0;
    for (int64_t b = 0; b < w.batch; b++)
        for (int64_t oy = 0; oy < w.out_h; oy++)
            for (int64_t ox = 0; ox < w.out_w; ox++, pixel++)
                for (int64_t ky = 0, tap = 0; ky < w.kernel_h; ky++)
                    for (int64_t kx = 0; kx < w.kernel_w; kx++, tap++) {
                        const int64_t y = oy * w.stride_h + ky * w.dilation_h - w.pad_top;
                        const int64_t x = ox * w.stride_w + kx * w.dilation_w - w.pad_left;
                        const bool inside = y >= 0 && y < w.h && x >= 0 && x < w.w;
                        see(pixel, tap, inside ? (b * w.h + y) * w.w + x : -1);
                    }
}

bool window_sizes(const acc_window &w, uint64_t &source, uint64_t &pixels)
{
    const uint32_t all[] = {w.batch,      w.h,          w.w,        w.c,
                            w.kernel_h,   w.kernel_w,   w.stride_h, w.stride_w,
                            w.dilation_h, w.dilation_w, w.out_h,    w.out_w};
    for (const uint32_t v : all)
        if (v == 0 || v > (1u << 28)) return false;
    unsigned __int128 in = w.batch, out = w.batch;
    for (const uint32_t v : {w.h, w.w, w.c})
        in *= v;
    for (const uint32_t v : {w.out_h, w.out_w})
        out *= v;
    if (in > kMaxCount || out > kMaxCount || uint64_t{w.kernel_h} * w.kernel_w > (1u << 24) ||
        out * w.kernel_h * w.kernel_w * w.c > kMaxCount)
        return false;
    source = static_cast<uint64_t>(in);
    pixels = static_cast<uint64_t>(out);
    return true;
}

bool im2col(const acc_im2col_args &a, RoleMemory &m)
{
    const acc_window &w = a.window;
    uint64_t source = 0, pixels = 0;
    if (!window_sizes(w, source, pixels)) return false;
    const int64_t taps = int64_t{w.kernel_h} * w.kernel_w;
    const auto src = m.read<int8_t>(a.src, source);
    const auto dst = m.write<int8_t>(a.dst, pixels * static_cast<uint64_t>(taps) * w.c);
    if (m.faulted() || !limits(a.pad_value, a.pad_value)) return false;
    for_each_tap(w, [&](int64_t pixel, int64_t tap, int64_t from) {
        int8_t *to = &dst[static_cast<uint64_t>((pixel * taps + tap) * w.c)];
        if (from < 0)
            std::fill_n(to, w.c, static_cast<int8_t>(a.pad_value));
        else
            std::copy_n(&src[static_cast<uint64_t>(from * w.c)], w.c, to);
    });
    return true;
}

bool pool(const acc_pool_args &a, bool max, RoleMemory &m)
{
    const acc_window &w = a.window;
    uint64_t source = 0, pixels = 0;
    if (!window_sizes(w, source, pixels) || a.count_include_pad > 1) return false;
    const auto src = m.read<int8_t>(a.src, source);
    const auto dst = m.write<int8_t>(a.dst, pixels * w.c);
    if (m.faulted()) return false;
    std::vector<int64_t> value(dst.size(), max ? -128 : 0), count(pixels, 0);
    for_each_tap(w, [&](int64_t pixel, int64_t, int64_t from) {
        if (from < 0 && (max || !a.count_include_pad)) return;
        count[pixel]++;
        for (int64_t c = 0; c < w.c; c++) {
            int64_t &v = value[pixel * w.c + c];
            const int64_t x = from < 0 ? a.zero_point : src[from * w.c + c];
            v = max ? std::max(v, x) : v + x;
        }
    });
    for (size_t i = 0; i < dst.size(); i++) {
        int64_t v = value[i];
        const int64_t n = count[i / w.c];
        if (!max && !n) v = a.zero_point;
        if (!max && n) v = (2 * std::abs(v) + n) / (2 * n) * (v < 0 ? -1 : 1); // half away
        dst[i] = clamped(v, -128, 127);
    }
    return true;
}

template <typename T>
bool add(const acc_add_i8_args &a, RoleMemory &m)
{
    const auto x = m.read<T>(a.a, a.count);
    const auto y = m.read<T>(a.b, a.b_count);
    const auto dst = m.write<T>(a.dst, a.count);
    if (m.faulted() || a.b_count == 0 || a.shift < 1 || a.shift > 62 || !limits<T>(a.min, a.max))
        return false;
    for (uint64_t i = 0; i < a.count; i++) {
        const int64_t sum =
            int64_t{x[i] - a.a_zero} * a.a_mul + int64_t{y[i % a.b_count] - a.b_zero} * a.b_mul;
        dst[i] = clamped<T>(a.zero_point + requant(sum, 1, a.shift), a.min, a.max);
    }
    return true;
}

bool clip(const acc_clip_i8_args &a, RoleMemory &m)
{
    const auto src = m.read<int8_t>(a.src, a.count);
    const auto dst = m.write<int8_t>(a.dst, a.count);
    if (m.faulted() || !limits(a.min, a.max)) return false;
    for (uint64_t i = 0; i < a.count; i++)
        dst[i] = clamped(src[i], a.min, a.max);
    return true;
}

bool table(const acc_table_args &a, RoleMemory &m)
{
    const auto src = m.read<int8_t>(a.src, a.count);
    const auto values = m.read<int8_t>(a.table, 256);
    const auto dst = m.write<int8_t>(a.dst, a.count);
    if (m.faulted()) return false;
    for (uint64_t i = 0; i < a.count; i++)
        dst[i] = values[static_cast<size_t>(src[i] + 128)];
    return true;
}

bool multiply_elements(const acc_mul_i8_args &a, RoleMemory &m)
{
    const unsigned __int128 all = static_cast<unsigned __int128>(a.outer) * a.middle;
    if (all > kMaxCount || a.inner > kMaxCount || all * a.inner > kMaxCount || !a.inner ||
        !a.middle || a.shift < 1 || a.shift > 62 || a.multiplier < 0 || !limits(a.min, a.max))
        return false;
    const auto x = m.read<int8_t>(a.a, a.outer * a.middle * a.inner);
    const auto y = m.read<int8_t>(a.b, a.outer * a.inner);
    const auto dst = m.write<int8_t>(a.dst, a.outer * a.middle * a.inner);
    if (m.faulted()) return false;
    for (uint64_t i = 0; i < a.outer * a.middle * a.inner; i++) {
        const int64_t factor = y[i / (a.middle * a.inner) * a.inner + i % a.inner] - a.b_zero;
        dst[i] = clamped(a.zero_point + requant((x[i] - a.a_zero) * factor, a.multiplier, a.shift),
                         a.min, a.max);
    }
    return true;
}

bool concat(const acc_concat_args &a, RoleMemory &m)
{
    uint64_t row = 0, to = 0;
    for (const uint32_t bytes : a.bytes)
        row += bytes;
    if (a.rows == 0 || a.rows > kMaxCount || row == 0 || row > kMaxCount / a.rows) return false;
    const auto dst = m.write<int8_t>(a.dst, a.rows * row);
    for (int i = 0; i < ACC_CONCAT_SOURCES && a.bytes[i]; i++) {
        if (a.stride[i] > kMaxCount / a.rows) return false;
        const auto src = m.read<int8_t>(a.src[i], (a.rows - 1) * a.stride[i] + a.bytes[i]);
        if (m.faulted()) return false;
        for (uint64_t r = 0; r < a.rows; r++)
            std::copy_n(&src[r * a.stride[i]], a.bytes[i], &dst[r * row + to]);
        to += a.bytes[i];
    }
    return true;
}

bool permute(const acc_permute_args &a, RoleMemory &m)
{
    uint64_t count = 1;
    uint32_t seen = 0;
    for (int i = 0; i < 4; i++) {
        if (a.perm[i] > 3 || a.dims[i] == 0 || a.dims[i] > kMaxCount / count) return false;
        count *= a.dims[i];
        seen |= 1u << a.perm[i];
    }
    if (seen != 15) return false;
    const auto src = m.read<int8_t>(a.src, count);
    const auto dst = m.write<int8_t>(a.dst, count);
    if (m.faulted()) return false;
    uint64_t step[4] = {uint64_t{a.dims[1]} * a.dims[2] * a.dims[3],
                        uint64_t{a.dims[2]} * a.dims[3], a.dims[3], 1};
    const auto dim = [&](int i) { return uint64_t{a.dims[a.perm[i]]}; };
    const auto stride = [&](int i) { return step[a.perm[i]]; };
    uint64_t to = 0;
    for (uint64_t i = 0; i < dim(0); i++)
        for (uint64_t j = 0; j < dim(1); j++)
            for (uint64_t k = 0; k < dim(2); k++)
                for (uint64_t l = 0; l < dim(3); l++)
                    dst[to++] = src[i * stride(0) + j * stride(1) + k * stride(2) + l * stride(3)];
    return true;
}

bool softmax(const acc_softmax_args &a, RoleMemory &m)
{
    if (a.rows > kMaxCount || a.cols == 0) return false;
    const auto src = m.read<int8_t>(a.src, a.rows * a.cols);
    const auto dst = m.write<float>(a.dst, a.rows * a.cols);
    if (m.faulted()) return false;
    for (uint64_t row = 0; row < a.rows * a.cols; row += a.cols) {
        const int most = *std::max_element(&src[row], &src[row] + a.cols);
        double sum = 0;
        const auto power = [&](uint64_t i) {
            return std::exp((src[i] - most) * static_cast<double>(a.scale));
        };
        for (uint64_t i = row; i < row + a.cols; i++)
            sum += power(i);
        for (uint64_t i = row; i < row + a.cols; i++)
            dst[i] = static_cast<float>(power(i) / sum);
    }
    return true;
}

bool gemm(const acc_gemm_i8_args &a, RoleMemory &m)
{
    const uint64_t batch = std::max(a.batch, 1u);
    const unsigned __int128 sizes[] = {a.m, a.k, a.n, batch};
    if (sizes[0] * sizes[1] * sizes[2] * sizes[3] > kMaxCount) return false;
    const auto x = m.read<int8_t>(a.a, batch * a.m * a.k);
    const auto y = m.read<int8_t>(a.b, batch * a.k * a.n);
    const auto out = m.write<int32_t>(a.out, batch * a.m * a.n);
    if (m.faulted()) return false;
    for (uint64_t i = 0; i < batch * a.m; i++)
        for (uint64_t j = 0; j < a.n; j++) {
            const int8_t *b = &y[i / a.m * a.k * a.n + j];
            int64_t sum = 0;
            for (uint64_t k = 0; k < a.k; k++)
                sum += int64_t{x[i * a.k + k] - a.a_zero} * (b[k * a.n] - a.b_zero);
            out[i * a.n + j] = static_cast<int32_t>(sum);
        }
    return true;
}

template <typename Args>
Args load(std::span<const std::byte> kernargs)
{
    Args args{};
    std::memcpy(&args, kernargs.data(), std::min(sizeof(args), kernargs.size()));
    return args;
}

} // namespace

int64_t requant(int64_t x, int64_t multiplier, int32_t shift)
{
    // Halved before the rounding constant is added: the same, and it always fits.
    return ((x * multiplier >> (shift - 1)) + 1) >> 1;
}

bool run_role(std::string_view role, std::span<const std::byte> k, RoleMemory &m)
{
    if (role == ACC_ROLE_QUANTIZE_F32_I8) return quantize(load<acc_quantize_args>(k), m);
    if (role == ACC_ROLE_DEQUANTIZE_I8_F32) return dequantize(load<acc_quantize_args>(k), m);
    if (role == ACC_ROLE_REQUANTIZE_I32_I8)
        return requantize<int8_t>(load<acc_requantize_args>(k), m);
    if (role == ACC_ROLE_REQUANTIZE_I32_I16)
        return requantize<int16_t>(load<acc_requantize_args>(k), m);
    if (role == ACC_ROLE_IM2COL_I8) return im2col(load<acc_im2col_args>(k), m);
    if (role == ACC_ROLE_MAXPOOL_I8) return pool(load<acc_pool_args>(k), true, m);
    if (role == ACC_ROLE_AVGPOOL_I8) return pool(load<acc_pool_args>(k), false, m);
    if (role == ACC_ROLE_ADD_I8) return add<int8_t>(load<acc_add_i8_args>(k), m);
    if (role == ACC_ROLE_ADD_I16) return add<int16_t>(load<acc_add_i8_args>(k), m);
    if (role == ACC_ROLE_CLIP_I8) return clip(load<acc_clip_i8_args>(k), m);
    if (role == ACC_ROLE_TABLE_I8) return table(load<acc_table_args>(k), m);
    if (role == ACC_ROLE_MUL_I8) return multiply_elements(load<acc_mul_i8_args>(k), m);
    if (role == ACC_ROLE_CONCAT_I8) return concat(load<acc_concat_args>(k), m);
    if (role == ACC_ROLE_PERMUTE_I8) return permute(load<acc_permute_args>(k), m);
    if (role == ACC_ROLE_SOFTMAX_I8_F32) return softmax(load<acc_softmax_args>(k), m);
    if (role == ACC_ROLE_GEMM_I8) return gemm(load<acc_gemm_i8_args>(k), m);
    return false;
}

namespace
{

template <typename In>
bool multiply(std::span<const int8_t> weights, uint32_t rows, uint32_t cols, const acc_mvm_args &a,
              RoleMemory &m)
{
    const auto in = m.read<In>(a.input, (a.vectors - 1) * a.input_stride + rows);
    const auto out = m.write<int32_t>(a.output, (a.vectors - 1) * a.output_stride + cols);
    if (m.faulted()) return false;
    for (uint64_t v = 0; v < a.vectors; v++) {
        int32_t *y = &out[v * a.output_stride];
        std::fill_n(y, cols, 0);
        for (uint32_t k = 0; k < rows; k++) {
            const int32_t x = in[v * a.input_stride + k];
            const int8_t *w = &weights[uint64_t{k} * cols];
            for (uint32_t n = 0; n < cols; n++)
                y[n] += x * w[n];
        }
    }
    return true;
}

} // namespace

bool run_mvm(std::span<const int8_t> weights, uint32_t rows, uint32_t cols, bool wide,
             std::span<const std::byte> kernargs, RoleMemory &m)
{
    const auto a = load<acc_mvm_args>(kernargs);
    if (a.vectors == 0) return true;
    if (a.vectors > kMaxCount || a.input_stride < rows || a.output_stride < cols ||
        a.input_stride > (1u << 24) || a.output_stride > (1u << 24))
        return false;
    return wide ? multiply<int16_t>(weights, rows, cols, a, m)
                : multiply<int8_t>(weights, rows, cols, a, m);
}

} // namespace acc::accc
