// SPDX-License-Identifier: MIT
#include "host/call.h"

#include <algorithm>
#include <bit>
#include <limits>

namespace acc::host
{
namespace
{

float from_bfloat(uint16_t v)
{
    return std::bit_cast<float>(static_cast<uint32_t>(v) << 16);
}

uint16_t to_bfloat(float v)
{
    const auto bits = std::bit_cast<uint32_t>(v);
    if (std::isnan(v)) return 0x7fc0;
    return static_cast<uint16_t>((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

// What a C cast leaves undefined becomes the nearest value that there is, and NaN 0.
template <typename To, typename From>
To convert(From v)
{
    if constexpr (std::is_same_v<To, bool>) {
        return v != 0;
    } else if constexpr (std::is_integral_v<To> && std::is_floating_point_v<From>) {
        if (std::isnan(v)) return 0;
        const auto d = static_cast<double>(v);
        if (d <= static_cast<double>(std::numeric_limits<To>::min()))
            return std::numeric_limits<To>::min();
        if (d >= static_cast<double>(std::numeric_limits<To>::max()))
            return std::numeric_limits<To>::max();
        return static_cast<To>(d);
    } else {
        return static_cast<To>(v);
    }
}

template <typename T, typename W>
void load_as(const View &from, W *to)
{
    const auto *p = static_cast<const T *>(from.data);
    for (int64_t i = 0, n = elements(from.dims); i < n; i++)
        to[i] = convert<W>(p[i]);
}

template <typename T, typename W>
void store_as(const W *from, const View &to)
{
    auto *p = static_cast<T *>(to.data);
    for (int64_t i = 0, n = elements(to.dims); i < n; i++)
        p[i] = convert<T>(from[i]);
}

template <typename W>
void load_any(const View &from, W *to)
{
    const int64_t n = elements(from.dims);
    switch (from.dtype) {
    case ACC_DTYPE_F32:
        return load_as<float>(from, to);
    case ACC_DTYPE_F64:
        return load_as<double>(from, to);
    case ACC_DTYPE_I8:
        return load_as<int8_t>(from, to);
    case ACC_DTYPE_U8:
    case ACC_DTYPE_BOOL:
        return load_as<uint8_t>(from, to);
    case ACC_DTYPE_I16:
        return load_as<int16_t>(from, to);
    case ACC_DTYPE_U16:
        return load_as<uint16_t>(from, to);
    case ACC_DTYPE_I32:
        return load_as<int32_t>(from, to);
    case ACC_DTYPE_U32:
        return load_as<uint32_t>(from, to);
    case ACC_DTYPE_I64:
        return load_as<int64_t>(from, to);
    case ACC_DTYPE_U64:
        return load_as<uint64_t>(from, to);
    default:
        for (int64_t i = 0; i < n; i++) {
            const uint16_t v = static_cast<const uint16_t *>(from.data)[i];
            to[i] = convert<W>(from.dtype == ACC_DTYPE_F16 ? from_half(v) : from_bfloat(v));
        }
    }
}

template <typename W>
void store_any(const W *from, const View &to)
{
    const int64_t n = elements(to.dims);
    switch (to.dtype) {
    case ACC_DTYPE_F32:
        return store_as<float>(from, to);
    case ACC_DTYPE_F64:
        return store_as<double>(from, to);
    case ACC_DTYPE_I8:
        return store_as<int8_t>(from, to);
    case ACC_DTYPE_U8:
        return store_as<uint8_t>(from, to);
    case ACC_DTYPE_BOOL:
        return store_as<bool>(from, to);
    case ACC_DTYPE_I16:
        return store_as<int16_t>(from, to);
    case ACC_DTYPE_U16:
        return store_as<uint16_t>(from, to);
    case ACC_DTYPE_I32:
        return store_as<int32_t>(from, to);
    case ACC_DTYPE_U32:
        return store_as<uint32_t>(from, to);
    case ACC_DTYPE_I64:
        return store_as<int64_t>(from, to);
    case ACC_DTYPE_U64:
        return store_as<uint64_t>(from, to);
    default:
        for (int64_t i = 0; i < n; i++) {
            const auto v = static_cast<float>(from[i]);
            static_cast<uint16_t *>(to.data)[i] =
                to.dtype == ACC_DTYPE_F16 ? to_half(v) : to_bfloat(v);
        }
    }
}

} // namespace

float from_half(uint16_t half)
{
    const int exponent = half >> 10 & 31;
    const int fraction = half & 1023;
    const float value = exponent == 31 ? (fraction ? NAN : INFINITY)
                        : exponent == 0
                            ? std::ldexp(static_cast<float>(fraction), -24)
                            : std::ldexp(static_cast<float>(fraction + 1024), exponent - 25);
    return half & 0x8000 ? -value : value;
}

uint16_t to_half(float value)
{
    const auto sign = static_cast<uint16_t>(std::bit_cast<uint32_t>(value) >> 16 & 0x8000);
    const float v = std::abs(value);
    if (std::isnan(v)) return 0x7e00;
    if (v >= 65520) return sign | 0x7c00; // rounds up to 2^16
    if (v < 0x1p-14f) return sign | static_cast<uint16_t>(std::nearbyint(std::ldexp(v, 24)));
    int exponent = 0;
    const float fraction = std::frexp(v, &exponent); // 0.5 … 1
    // A fraction that rounds up to 2048 carries into the exponent, which is what it should do.
    const auto whole = static_cast<uint32_t>(std::nearbyint(std::ldexp(fraction, 11)));
    return static_cast<uint16_t>(sign | ((static_cast<uint32_t>(exponent + 13) << 10) + whole));
}

uint32_t element_bytes(uint32_t dtype)
{
    switch (dtype) {
    case ACC_DTYPE_I8:
    case ACC_DTYPE_U8:
    case ACC_DTYPE_BOOL:
        return 1;
    case ACC_DTYPE_F16:
    case ACC_DTYPE_BF16:
    case ACC_DTYPE_I16:
    case ACC_DTYPE_U16:
        return 2;
    case ACC_DTYPE_F32:
    case ACC_DTYPE_I32:
    case ACC_DTYPE_U32:
        return 4;
    case ACC_DTYPE_F64:
    case ACC_DTYPE_I64:
    case ACC_DTYPE_U64:
        return 8;
    default:
        return 0;
    }
}

const char *type_name(uint32_t dtype)
{
    static constexpr const char *names[] = {"none", "f32", "i8",  "i32",  "u8",  "i16",  "u16",
                                            "u32",  "i64", "u64", "bool", "f16", "bf16", "f64"};
    return dtype < std::size(names) ? names[dtype] : "?";
}

bool is_float(uint32_t dtype)
{
    return dtype == ACC_DTYPE_F32 || dtype == ACC_DTYPE_F64 || dtype == ACC_DTYPE_F16 ||
           dtype == ACC_DTYPE_BF16;
}

int64_t elements(const Dims &dims)
{
    int64_t count = 1;
    for (const int64_t dim : dims)
        if (__builtin_mul_overflow(count, dim, &count)) return INT64_MAX;
    return count;
}

std::string dims_text(const Dims &dims)
{
    std::string text;
    for (const int64_t dim : dims)
        text += (text.empty() ? "" : "x") + std::to_string(dim);
    return text.empty() ? "scalar" : text;
}

void load(const View &from, float *to)
{
    load_any(from, to);
}
void load(const View &from, double *to)
{
    load_any(from, to);
}
void load(const View &from, int64_t *to)
{
    load_any(from, to);
}
void store(const float *from, const View &to)
{
    store_any(from, to);
}
void store(const double *from, const View &to)
{
    store_any(from, to);
}
void store(const int64_t *from, const View &to)
{
    store_any(from, to);
}

std::vector<int64_t> read_ints(const View &view)
{
    std::vector<int64_t> values(static_cast<size_t>(elements(view.dims)));
    load(view, values.data());
    return values;
}

std::vector<double> read_floats(const View &view)
{
    std::vector<double> values(static_cast<size_t>(elements(view.dims)));
    load(view, values.data());
    return values;
}

void store_floats(std::span<const float> values, const View &to)
{
    store(values.data(), to);
}

bool broadcast(const Dims &a, const Dims &b, Dims &out)
{
    out = a.size() >= b.size() ? a : b;
    const Dims &less = a.size() >= b.size() ? b : a;
    for (size_t i = 0; i < less.size(); i++) {
        int64_t &o = out[out.size() - less.size() + i];
        if (o == less[i] || less[i] == 1) continue;
        if (o != 1) return false;
        o = less[i];
    }
    return true;
}

Dims strides_of(const Dims &dims)
{
    Dims strides(dims.size());
    int64_t step = 1;
    for (size_t i = dims.size(); i-- > 0; step *= dims[i])
        strides[i] = step;
    return strides;
}

Dims spread_strides(const Dims &from, const Dims &to)
{
    const Dims own = strides_of(from);
    Dims strides(to.size(), 0);
    for (size_t i = 0; i < from.size(); i++)
        if (from[i] != 1) strides[to.size() - from.size() + i] = own[i];
    return strides;
}

Split3 split_at(const Dims &dims, int64_t axis)
{
    Split3 s;
    for (int64_t i = 0; i < static_cast<int64_t>(dims.size()); i++)
        (i < axis ? s.outer : i == axis ? s.axis : s.inner) *= dims[static_cast<size_t>(i)];
    return s;
}

} // namespace acc::host
