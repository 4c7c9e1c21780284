// SPDX-License-Identifier: MIT
//
// quantize, dequantize and requantize: docs/quantisation.md.
#include "emulator/fpga/check.h"
#include "emulator/fpga/stream.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <vector>

namespace acc::emu::fpga
{
namespace
{

// Rounds half to even: adding 1.5 * 2^23 to |x| <= 2^22 leaves no bits for a fraction, so
// the addition itself rounds, and the low bits of the sum are the integer. It vectorises on
// every machine, as rintf() does not.
void quantize(const float *__restrict src, int8_t *__restrict dst, size_t n, float scale,
              int32_t zero_point)
{
    constexpr float magic = 12582912.0f;
    for (size_t i = 0; i < n; i++) {
        float x = src[i] / scale;
        x = x == x ? x : 0.0f; // NaN becomes zero_point
        // Beyond 1024 the result is clamped anyway, whatever zero_point is.
        x = x > -1024.0f ? x : -1024.0f;
        x = x < 1024.0f ? x : 1024.0f;
        int32_t q = std::bit_cast<int32_t>(x + magic) - std::bit_cast<int32_t>(magic) + zero_point;
        q = q < -128 ? -128 : q;
        q = q > 127 ? 127 : q;
        dst[i] = static_cast<int8_t>(q);
    }
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
            if (multiplier[c] >= 0 && shift[c] >= 1 && shift[c] <= 62) continue;
            const std::string channel = " of channel " + std::to_string(first + c);
            check.between(("multiplier" + channel).c_str(), multiplier[c], 0, INT32_MAX);
            check.between(("shift" + channel).c_str(), shift[c], 1, 62);
        }
        return check.ok() ? ACC_STATUS_OK : pass.refuse(check.take());
    }

    // Repeats short tables, so that several rows of few channels are one run.
    void repeat()
    {
        const size_t count = bias.size(), times = count < kRun ? kRun / count : 1;
        for (auto *table : {&bias, &multiplier, &shift}) {
            table->resize(count * times);
            for (size_t i = count; i < count * times; i++)
                (*table)[i] = (*table)[i - count];
        }
    }
    size_t run() const { return bias.size(); }

private:
    static constexpr size_t kRun = 512;
};

// One run of channels. The 33-bit sum times a 31-bit multiplier fits 64 bits, the rounding
// constant on top might not: halving before it is added is the same and always fits.
template <typename Out>
using Requantize = void (*)(const int32_t *src, Out *dst, const Channels &tables, size_t count,
                            const acc_requantize_args &args);

template <typename Out>
[[gnu::always_inline]] inline void requantize_run(const int32_t *__restrict src,
                                                  Out *__restrict dst, const Channels &tables,
                                                  size_t count, const acc_requantize_args &args)
{
    const int32_t *__restrict bias = tables.bias.data();
    const int32_t *__restrict multiplier = tables.multiplier.data();
    const int32_t *__restrict shift = tables.shift.data();
    const int64_t zero_point = args.zero_point, min = args.min, max = args.max;
    for (size_t c = 0; c < count; c++) {
        const int64_t product = (int64_t{src[c]} + bias[c]) * multiplier[c];
        int64_t q = (((product >> (shift[c] - 1)) + 1) >> 1) + zero_point;
        q = q < min ? min : q;
        q = q > max ? max : q;
        dst[c] = static_cast<Out>(q);
    }
}

template <typename Out>
void requantize_portable(const int32_t *src, Out *dst, const Channels &tables, size_t count,
                         const acc_requantize_args &args)
{
    requantize_run(src, dst, tables, count, args);
}

#if defined(__x86_64__)
// Below this there is no 64-bit arithmetic shift by a vector of counts.
template <typename Out>
[[gnu::target("avx512f,avx512dq,avx512vl,avx512bw")]] void
requantize_avx512(const int32_t *src, Out *dst, const Channels &tables, size_t count,
                  const acc_requantize_args &args)
{
    requantize_run(src, dst, tables, count, args);
}
#endif

template <typename Out>
Requantize<Out> best_requantize()
{
#if defined(__x86_64__)
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
        __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512bw"))
        return requantize_avx512<Out>;
#endif
    return requantize_portable<Out>;
}

template <typename Out>
acc_status requantize(Pass &pass)
{
    using Limits = std::numeric_limits<Out>;
    const auto args = pass.args<acc_requantize_args>();
    Check check;
    check.at_least_1("rows", args.rows);
    check.at_least_1("channels", args.channels);
    const auto elements = static_cast<unsigned __int128>(args.rows) * args.channels;
    check.array("src", args.src, elements, 4);
    check.array("dst", args.dst, elements, sizeof(Out));
    check.array("bias", args.bias, args.channels, 4);
    check.array("multiplier", args.multiplier, args.channels, 4);
    check.array("shift", args.shift, args.channels, 4);
    check.between("zero_point", args.zero_point, Limits::min(), Limits::max());
    check.clamp<Out>(args.min, args.max);
    if (!check.ok()) return pass.refuse(check.take());

    static const Requantize<Out> run = best_requantize<Out>();
    Channels tables;
    int32_t in[kChunk];
    Out out[kChunk];
    for (uint32_t first = 0; first < args.channels;) {
        const uint32_t count = std::min(Channels::kMax, args.channels - first);
        const acc_status status = tables.load(pass, args, first, count);
        if (status != ACC_STATUS_OK) return status;
        // Whole rows where all channels fit a block, else a part of one row at a time.
        const uint64_t step = count == args.channels ? kChunk / count : 1;
        if (step > 1) tables.repeat();
        for (uint64_t row = 0; row < args.rows; row += step) {
            const uint64_t rows = std::min<uint64_t>(step, args.rows - row);
            const uint64_t at = row * args.channels + first;
            const size_t n = rows * count;
            if (!pass.read(in, args.src + at * 4, n * 4)) return pass.no_read("src");
            for (size_t done = 0; done < n; done += tables.run())
                run(in + done, out + done, tables, std::min(tables.run(), n - done), args);
            if (!pass.write(args.dst + at * sizeof(Out), out, n * sizeof(Out)))
                return pass.no_write("dst");
            if (!pass.spend(n)) return pass.stopped();
        }
        first += count;
    }
    return ACC_STATUS_OK;
}

} // namespace

acc_status quantize_f32_i8(Pass &pass)
{
    const auto args = pass.args<acc_quantize_args>();
    Check check = check_quantize(args, 4, 1);
    if (!check.ok()) return pass.refuse(check.take());
    const float scale = args.scale;
    const int32_t zero_point = args.zero_point;
    return map_array<float, int8_t>(
        pass, args.src, args.dst, args.count,
        [=](const float *src, int8_t *dst, size_t n) { quantize(src, dst, n, scale, zero_point); });
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
    return requantize<int8_t>(pass);
}

acc_status requantize_i32_i16(Pass &pass)
{
    return requantize<int16_t>(pass);
}

} // namespace acc::emu::fpga
