// SPDX-License-Identifier: MIT
//
// Roles that treat each element alone: add, mul, relu and clip of integers and float.
#include "emulator/fpga/check.h"
#include "emulator/fpga/stream.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace acc::emu::fpga
{
namespace
{

// b_count at least 1 and both operands addressable.
void check_operands(Check &check, const acc_elementwise_f32_args &args)
{
    check.at_least_1("count", args.count);
    check.at_least_1("b_count", args.b_count);
    check.array("a", args.a, args.count, 4);
    check.array("b", args.b, args.b_count, 4);
    check.array("dst", args.dst, args.count, 4);
    check.expect(args.min == 0 && args.max == 0, "min and max of 0",
                 std::to_string(args.min) + " and " + std::to_string(args.max));
}

void check_operand(Check &check, const acc_elementwise_f32_args &args)
{
    check.at_least_1("count", args.count);
    check.array("a", args.a, args.count, 4);
    check.array("dst", args.dst, args.count, 4);
    check.zero("b", args.b);
    check.zero("b_count", args.b_count);
}

template <typename F>
acc_status binary_f32(Pass &pass, F f)
{
    const auto args = pass.args<acc_elementwise_f32_args>();
    Check check;
    check_operands(check, args);
    if (!check.ok()) return pass.refuse(check.take());
    return map_arrays<float>(pass, args.a, args.b, args.dst, args.count, args.b_count,
                             [f](const float *a, const float *b, float *dst, size_t n) {
                                 for (size_t i = 0; i < n; i++)
                                     dst[i] = f(a[i], b[i]);
                             });
}

// Of operands and a result of type T.
template <typename T>
Check check_add(const acc_add_i8_args &args)
{
    using Limits = std::numeric_limits<T>;
    Check check;
    check.at_least_1("count", args.count);
    check.at_least_1("b_count", args.b_count);
    check.array("a", args.a, args.count, sizeof(T));
    check.array("b", args.b, args.b_count, sizeof(T));
    check.array("dst", args.dst, args.count, sizeof(T));
    check.between("a_zero", args.a_zero, Limits::min(), Limits::max());
    check.between("b_zero", args.b_zero, Limits::min(), Limits::max());
    check.between("shift", args.shift, 1, 62);
    check.between("zero_point", args.zero_point, Limits::min(), Limits::max());
    check.clamp<T>(args.min, args.max);
    return check;
}

} // namespace

acc_status add_i8(Pass &pass)
{
    const auto args = pass.args<acc_add_i8_args>();
    Check check = check_add<int8_t>(args);
    if (!check.ok()) return pass.refuse(check.take());
    // Each operand has 256 values: the products are looked up. With 41 bits each, sums and
    // the rounding constant stay below 2^63.
    int64_t a_term[256], b_term[256];
    for (int q = -128; q < 128; q++) {
        a_term[q + 128] = int64_t{q - args.a_zero} * args.a_mul;
        b_term[q + 128] = int64_t{q - args.b_zero} * args.b_mul;
    }
    const int64_t half = int64_t{1} << (args.shift - 1);
    return map_arrays<int8_t>(
        pass, args.a, args.b, args.dst, args.count, args.b_count,
        [&](const int8_t *a, const int8_t *b, int8_t *dst, size_t n) {
            for (size_t i = 0; i < n; i++) {
                const int64_t sum = a_term[a[i] + 128] + b_term[b[i] + 128];
                const int64_t scaled = ((sum + half) >> args.shift) + args.zero_point;
                dst[i] = static_cast<int8_t>(std::clamp<int64_t>(scaled, args.min, args.max));
            }
        });
}

acc_status add_i16(Pass &pass)
{
    const auto args = pass.args<acc_add_i8_args>();
    Check check = check_add<int16_t>(args);
    if (!check.ok()) return pass.refuse(check.take());
    // Terms of 49 bits.
    const int64_t half = int64_t{1} << (args.shift - 1);
    return map_arrays<int16_t>(
        pass, args.a, args.b, args.dst, args.count, args.b_count,
        [&](const int16_t *a, const int16_t *b, int16_t *dst, size_t n) {
            for (size_t i = 0; i < n; i++) {
                const int64_t sum = int64_t{a[i] - args.a_zero} * args.a_mul +
                                    int64_t{b[i] - args.b_zero} * args.b_mul;
                const int64_t scaled = ((sum + half) >> args.shift) + args.zero_point;
                dst[i] = static_cast<int16_t>(std::clamp<int64_t>(scaled, args.min, args.max));
            }
        });
}

acc_status clip_i8(Pass &pass)
{
    const auto args = pass.args<acc_clip_i8_args>();
    Check check;
    check.at_least_1("count", args.count);
    check.array("src", args.src, args.count, 1);
    check.array("dst", args.dst, args.count, 1);
    check.clamp<int8_t>(args.min, args.max);
    if (!check.ok()) return pass.refuse(check.take());
    const auto min = static_cast<int8_t>(args.min), max = static_cast<int8_t>(args.max);
    return map_array<int8_t, int8_t>(pass, args.src, args.dst, args.count,
                                     [=](const int8_t *src, int8_t *dst, size_t n) {
                                         for (size_t i = 0; i < n; i++)
                                             dst[i] = std::clamp(src[i], min, max);
                                     });
}

acc_status table_i8(Pass &pass)
{
    const auto args = pass.args<acc_table_args>();
    int8_t table[256];
    Check check;
    check.at_least_1("count", args.count);
    check.array("src", args.src, args.count, 1);
    check.array("dst", args.dst, args.count, 1);
    check.array("table", args.table, sizeof(table), 1);
    if (!check.ok()) return pass.refuse(check.take());
    if (!pass.read(table, args.table, sizeof(table))) return pass.no_read("table");
    return map_array<int8_t, int8_t>(pass, args.src, args.dst, args.count,
                                     [&](const int8_t *src, int8_t *dst, size_t n) {
                                         for (size_t i = 0; i < n; i++)
                                             dst[i] = table[src[i] + 128];
                                     });
}

acc_status add_f32(Pass &pass)
{
    return binary_f32(pass, [](float a, float b) { return a + b; });
}

acc_status mul_f32(Pass &pass)
{
    return binary_f32(pass, [](float a, float b) { return a * b; });
}

acc_status relu_f32(Pass &pass)
{
    const auto args = pass.args<acc_elementwise_f32_args>();
    Check check;
    check_operand(check, args);
    check.expect(args.min == 0 && args.max == 0, "min and max of 0",
                 std::to_string(args.min) + " and " + std::to_string(args.max));
    if (!check.ok()) return pass.refuse(check.take());
    return map_array<float, float>(pass, args.a, args.dst, args.count,
                                   [](const float *src, float *dst, size_t n) {
                                       for (size_t i = 0; i < n; i++) // NaN stays
                                           dst[i] = src[i] < 0 ? 0 : src[i];
                                   });
}

acc_status clip_f32(Pass &pass)
{
    const auto args = pass.args<acc_elementwise_f32_args>();
    Check check;
    check_operand(check, args);
    check.expect(args.min <= args.max, "min <= max",
                 std::to_string(args.min) + " and " + std::to_string(args.max)); // NaN fails
    if (!check.ok()) return pass.refuse(check.take());
    const float min = args.min, max = args.max;
    return map_array<float, float>(pass, args.a, args.dst, args.count,
                                   [=](const float *src, float *dst, size_t n) {
                                       for (size_t i = 0; i < n; i++) { // NaN stays
                                           const float x = src[i] < min ? min : src[i];
                                           dst[i] = x > max ? max : x;
                                       }
                                   });
}

} // namespace acc::emu::fpga
