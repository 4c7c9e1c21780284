// SPDX-License-Identifier: MIT
//
// Words: 16-bit two's complement fixed point with frac_bits of fraction, and how wider results
// become words again. docs/crossbar-isa.md, "Numbers".
#pragma once

#include "arch/arch.h"

#include <algorithm>
#include <cmath>
#include <cstdint>

namespace acc::emu::crossbar
{

using arch::Overflow;
using arch::Rounding;

template <Overflow O>
inline int16_t fit(int64_t value)
{
    if constexpr (O == Overflow::Saturate)
        return static_cast<int16_t>(std::clamp<int64_t>(value, -32768, 32767));
    else
        return static_cast<int16_t>(value); // modulo 2^16
}

// value / 2^shift.
template <Rounding R>
inline int64_t shift_round(int64_t value, uint32_t shift)
{
    if (shift == 0) return value;
    const int64_t half = int64_t{1} << (shift - 1);
    if constexpr (R == Rounding::HalfAway) {
        // -x.5 goes down: one less than what adding a half gives.
        return (value + half - (value < 0)) >> shift;
    } else if constexpr (R == Rounding::HalfEven) {
        const int64_t floor = value >> shift;
        const int64_t rest = value - (floor << shift);
        return floor + (rest > half || (rest == half && (floor & 1)));
    } else {
        return value / (int64_t{1} << shift); // towards zero
    }
}

// a / b, b not 0.
template <Rounding R>
inline int64_t divide_round(int64_t a, int64_t b)
{
    if (b < 0) a = -a, b = -b;
    const int64_t quotient = a / b, rest = a % b; // towards zero
    if constexpr (R == Rounding::Trunc) return quotient;
    const int64_t twice = 2 * (rest < 0 ? -rest : rest);
    const int64_t away = a < 0 ? -1 : 1;
    if (twice > b) return quotient + away;
    if (twice < b) return quotient;
    if constexpr (R == Rounding::HalfEven) return quotient + (quotient & 1 ? away : 0);
    return quotient + away;
}

// A real number, which may be infinite; what is no number (infinity times nothing) is 0.
template <Rounding R>
inline int64_t round_real(double value)
{
    if (std::isnan(value)) return 0;
    value = std::clamp(value, -1e15, 1e15);
    if constexpr (R == Rounding::Trunc) return static_cast<int64_t>(value);
    if constexpr (R == Rounding::HalfAway) return std::llround(value);
    const double floor = std::floor(value), rest = value - floor;
    const auto whole = static_cast<int64_t>(floor);
    return whole + (rest > 0.5 || (rest == 0.5 && (whole & 1)));
}

template <Rounding R, Overflow O>
struct Policy {
    static constexpr Rounding rounding = R;
    static constexpr Overflow overflow = O;
};

// Calls f with the Policy that an arch asks for.
template <typename F>
decltype(auto) with_policy(Rounding rounding, Overflow overflow, F &&f)
{
    const bool wrap = overflow == Overflow::Wrap;
    switch (rounding) {
    case Rounding::HalfEven:
        return wrap ? f(Policy<Rounding::HalfEven, Overflow::Wrap>{})
                    : f(Policy<Rounding::HalfEven, Overflow::Saturate>{});
    case Rounding::Trunc:
        return wrap ? f(Policy<Rounding::Trunc, Overflow::Wrap>{})
                    : f(Policy<Rounding::Trunc, Overflow::Saturate>{});
    default:
        return wrap ? f(Policy<Rounding::HalfAway, Overflow::Wrap>{})
                    : f(Policy<Rounding::HalfAway, Overflow::Saturate>{});
    }
}

} // namespace acc::emu::crossbar
