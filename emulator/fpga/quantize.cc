// SPDX-License-Identifier: MIT
//
// quantize, dequantize and requantize: docs/quantization.md.
#include "emulator/fpga/check.h"
#include "emulator/fpga/stream.h"

#include <algorithm>
#include <cmath>
#include <vector>

namespace acc::emu::fpga
{
namespace
{

// Rounds half to even, for |x| <= 2^22: adding 1.5 * 2^23 leaves no bits for the fraction,
// and the addition itself rounds. It vectorises on every machine, as rintf() does not.
inline float round_half_even(float x)
{
    constexpr float magic = 12582912.0f;
    return (x + magic) - magic;
}

Check check_quantize(const acc_quantize_args &args, uint32_t src_bytes, uint32_t dst_bytes)
{
    Check check;
    check.at_least_1("count", args.count);
    check.array("src", args.src, args.count, src_bytes);
    check.array("dst", args.dst, args.count, dst_bytes);
    check.expect(std::isfinite(args.scale) && args.scale > 0, "a finite scale above 0",
                 std::to_string(args.scale));
    check.between("zero_point", args.zero_point, -128, 127);
    return check;
}

// Channel tables of a block of channels, checked.
struct Channels {
    static constexpr uint32_t kMax = 4096;
    std::vector<int32_t> bias, multiplier, shift;

    acc_status load(Pass &pass, const acc_requantize_args &args, uint32_t first, uint32_t count)
    {
        const uint64_t offset = uint64_t{first} * 4;
        for (auto *table : {&bias, &multiplier, &shift})
            table->resize(count);
        if (!pass.read(bias.data(), args.bias + offset, count * size_t{4}))
            return pass.no_read("bias");
        if (!pass.read(multiplier.data(), args.multiplier + offset, count * size_t{4}))
            return pass.no_read("multiplier");
        if (!pass.read(shift.data(), args.shift + offset, count * size_t{4}))
            return pass.no_read("shift");
        Check check;
        for (uint32_t c = 0; c < count && check.ok(); c++) {
            const std::string at = "[" + std::to_string(first + c) + "]";
            if (multiplier[c] < 0)
                check.between(("multiplier" + at).c_str(), multiplier[c], 0, INT32_MAX);
            if (shift[c] < 1 || shift[c] > 62)
                check.between(("shift" + at).c_str(), shift[c], 1, 62);
        }
        return check.ok() ? ACC_STATUS_OK : pass.refuse(check.take());
    }
};

// One run of channels. The 33-bit sum times a 31-bit multiplier fits 64 bits, the rounding
// constant on top might not: halving before it is added is the same and always fits.
void requantize(const int32_t *src, int8_t *dst, const Channels &t, size_t count,
                const acc_requantize_args &args)
{
    const int32_t *bias = t.bias.data(), *multiplier = t.multiplier.data();
    const int32_t *shift = t.shift.data();
    for (size_t c = 0; c < count; c++) {
        const int64_t product = (int64_t{src[c]} + bias[c]) * multiplier[c];
        const int64_t scaled = ((product >> (shift[c] - 1)) + 1) >> 1;
        dst[c] =
            static_cast<int8_t>(std::clamp<int64_t>(scaled + args.zero_point, args.min, args.max));
    }
}

} // namespace

acc_status quantize_f32_i8(Pass &pass)
{
    const auto args = pass.args<acc_quantize_args>();
    Check check = check_quantize(args, 4, 1);
    if (!check.ok()) return pass.refuse(check.take());
    const float scale = args.scale;
    const auto zero_point = static_cast<float>(args.zero_point);
    return map_array<float, int8_t>(pass, args.src, args.dst, args.count,
                                    [=](const float *src, int8_t *dst, size_t n) {
                                        for (size_t i = 0; i < n; i++) {
                                            float x = src[i] / scale;
                                            x = x == x ? x : 0.0f; // NaN becomes zero_point
                                            // Beyond 1024 the result is clamped anyway, whatever
                                            // zero_point is.
                                            x = x < -1024.0f ? -1024.0f : x;
                                            x = x > 1024.0f ? 1024.0f : x;
                                            x = round_half_even(x) + zero_point;
                                            x = x < -128.0f ? -128.0f : x;
                                            x = x > 127.0f ? 127.0f : x;
                                            dst[i] = static_cast<int8_t>(static_cast<int32_t>(x));
                                        }
                                    });
}

acc_status dequantize_i8_f32(Pass &pass)
{
    const auto args = pass.args<acc_quantize_args>();
    Check check = check_quantize(args, 1, 4);
    if (!check.ok()) return pass.refuse(check.take());
    const float scale = args.scale;
    const int32_t zero_point = args.zero_point;
    return map_array<int8_t, float>(
        pass, args.src, args.dst, args.count, [=](const int8_t *src, float *dst, size_t n) {
            for (size_t i = 0; i < n; i++)
                dst[i] = static_cast<float>(src[i] - zero_point) * scale;
        });
}

acc_status requantize_i32_i8(Pass &pass)
{
    const auto args = pass.args<acc_requantize_args>();
    Check check;
    check.at_least_1("rows", args.rows);
    check.at_least_1("channels", args.channels);
    const auto elements = static_cast<unsigned __int128>(args.rows) * args.channels;
    check.array("src", args.src, elements, 4);
    check.array("dst", args.dst, elements, 1);
    check.array("bias", args.bias, args.channels, 4);
    check.array("multiplier", args.multiplier, args.channels, 4);
    check.array("shift", args.shift, args.channels, 4);
    check.between("zero_point", args.zero_point, -128, 127);
    check.clamp(args.min, args.max);
    if (!check.ok()) return pass.refuse(check.take());

    Channels tables;
    int32_t in[kChunk];
    int8_t out[kChunk];
    for (uint32_t first = 0; first < args.channels;) {
        const uint32_t count = std::min(Channels::kMax, args.channels - first);
        const acc_status status = tables.load(pass, args, first, count);
        if (status != ACC_STATUS_OK) return status;
        // Whole rows where all channels fit a block, else a part of one row at a time.
        const uint64_t step = count == args.channels ? kChunk / count : 1;
        for (uint64_t row = 0; row < args.rows; row += step) {
            const uint64_t rows = std::min<uint64_t>(step, args.rows - row);
            const uint64_t at = row * args.channels + first;
            const size_t n = rows * count;
            if (!pass.read(in, args.src + at * 4, n * 4)) return pass.no_read("src");
            for (uint64_t r = 0; r < rows; r++)
                requantize(in + r * count, out + r * count, tables, count, args);
            if (!pass.write(args.dst + at, out, n)) return pass.no_write("dst");
            if (!pass.spend(n)) return pass.stopped();
        }
        first += count;
    }
    return ACC_STATUS_OK;
}

} // namespace acc::emu::fpga
