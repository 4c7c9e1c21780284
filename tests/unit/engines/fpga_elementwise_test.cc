// SPDX-License-Identifier: MIT
//
// Roles that treat each element alone, against their definitions in acc/kernels.h.
#include "harness.h"

#include <cfenv>
#include <cmath>
#include <limits>

namespace acc::emu::test
{
namespace
{

using int128 = __int128;

// floor((x * m + 2^(s-1)) / 2^s), with room to spare.
int128 requant(int128 x, int128 m, int s)
{
    const int128 sum = x * m + (int128{1} << (s - 1)), unit = int128{1} << s;
    return sum >= 0 ? sum / unit : -((-sum + unit - 1) / unit);
}

template <typename T = int8_t>
T clamp(int128 x, int min, int max)
{
    return static_cast<T>(x < min ? min : x > max ? max : static_cast<int>(x));
}

int8_t quantize(float x, float scale, int zero_point)
{
    if (std::isnan(x)) return static_cast<int8_t>(zero_point);
    const float scaled = x / scale;
    if (std::abs(scaled) > 1e6f) return scaled > 0 ? 127 : -128;
    return clamp(static_cast<int128>(std::nearbyint(static_cast<double>(scaled))) + zero_point,
                 -128, 127);
}

// Bit for bit, so that NaN and -0 count.
std::vector<uint32_t> bits(const std::vector<float> &values)
{
    std::vector<uint32_t> all(values.size());
    std::memcpy(all.data(), values.data(), values.size() * 4);
    return all;
}

const float kInf = std::numeric_limits<float>::infinity();
const float kNan = std::numeric_limits<float>::quiet_NaN();

} // namespace

TEST(FpgaQuantize, RoundsHalfToEvenAndClamps)
{
    Fpga fpga({ACC_ROLE_QUANTIZE_F32_I8});
    std::vector<float> src = {0,      -0.0f,  0.5f,    1.5f,    2.5f,     -0.5f,     -1.5f, -2.5f,
                              126.5f, 127.5f, -128.5f, -129,    1e30f,    -1e30,     kInf,  -kInf,
                              kNan,   1e-40f, 3.4e38f, 1023.5f, -1024.5f, 4194304.5f};
    for (int i = -2000; i <= 2000; i++)
        src.push_back(static_cast<float>(i) / 8); // ties among them
    for (const float scale : {1.0f, 0.5f, 0.1f, 3.0f, 1e-30f, 1e30f, 1e-44f}) {
        for (const int zero_point : {0, -128, 127, 5}) {
            acc_quantize_args args = {};
            args.src = fpga.memory.store(src, 4096 - 8);
            args.dst = fpga.memory.allocate(src.size(), 4095);
            args.count = src.size();
            args.scale = scale;
            args.zero_point = zero_point;
            ASSERT_EQ(fpga(ACC_ROLE_QUANTIZE_F32_I8, args).status, ACC_STATUS_OK);
            const auto dst = fpga.memory.load<int8_t>(args.dst, src.size());
            for (size_t i = 0; i < src.size(); i++)
                ASSERT_EQ(dst[i], quantize(src[i], scale, zero_point))
                    << src[i] << " / " << scale << " + " << zero_point;
        }
    }
}

TEST(FpgaQuantize, ManyElementsAndBackAgain)
{
    Fpga fpga({ACC_ROLE_QUANTIZE_F32_I8, ACC_ROLE_DEQUANTIZE_I8_F32});
    std::mt19937_64 random(1);
    std::uniform_real_distribution<float> value(-10, 10);
    for (const size_t count : {1u, 8191u, 8192u, 8193u, 30000u}) {
        std::vector<float> src(count);
        for (float &x : src)
            x = value(random);
        acc_quantize_args args = {};
        args.src = fpga.memory.store(src, 4);
        args.dst = fpga.memory.allocate(count, 1);
        args.count = count;
        args.scale = 0.07f;
        args.zero_point = -3;
        ASSERT_EQ(fpga(ACC_ROLE_QUANTIZE_F32_I8, args).status, ACC_STATUS_OK);
        const auto quantized = fpga.memory.load<int8_t>(args.dst, count);
        acc_quantize_args back = args;
        back.src = args.dst;
        back.dst = fpga.memory.allocate(count * 4, 12);
        ASSERT_EQ(fpga(ACC_ROLE_DEQUANTIZE_I8_F32, back).status, ACC_STATUS_OK);
        const auto floats = fpga.memory.load<float>(back.dst, count);
        for (size_t i = 0; i < count; i++) {
            ASSERT_EQ(quantized[i], quantize(src[i], args.scale, args.zero_point)) << i;
            ASSERT_EQ(floats[i], static_cast<float>(quantized[i] + 3) * 0.07f) << i;
        }
    }
}

TEST(FpgaRequantize, ExtremesNeverWrap)
{
    // Every combination of the largest and smallest values that the arguments allow.
    Fpga fpga({ACC_ROLE_REQUANTIZE_I32_I8, ACC_ROLE_REQUANTIZE_I32_I16});
    const std::vector<int32_t> values = {0, 1, -1, 127, -128, 1 << 20, INT32_MAX, INT32_MIN};
    std::vector<int32_t> bias, multiplier, shift;
    for (const int32_t b : values)
        for (const int32_t m : {0, 1, 3, 1 << 30, INT32_MAX})
            for (const int32_t s : {1, 2, 8, 31, 32, 40, 61, 62}) {
                bias.push_back(b);
                multiplier.push_back(m);
                shift.push_back(s);
            }
    const auto channels = static_cast<uint32_t>(bias.size());
    std::vector<int32_t> src;
    for (const int32_t v : values)
        src.insert(src.end(), channels, v);
    for (const int zero_point : {0, -128, 127}) {
        acc_requantize_args args = {};
        args.src = fpga.memory.store(src, 4);
        args.dst = fpga.memory.allocate(src.size());
        args.bias = fpga.memory.store(bias, 4092);
        args.multiplier = fpga.memory.store(multiplier);
        args.shift = fpga.memory.store(shift, 8);
        args.rows = values.size();
        args.channels = channels;
        args.zero_point = zero_point;
        args.min = zero_point == 127 ? -5 : -128;
        args.max = zero_point == 127 ? 100 : 127;
        const Outcome outcome = fpga(ACC_ROLE_REQUANTIZE_I32_I8, args);
        ASSERT_EQ(outcome.status, ACC_STATUS_OK) << outcome.dispatch.text;
        const auto dst = fpga.memory.load<int8_t>(args.dst, src.size());
        for (size_t i = 0; i < src.size(); i++) {
            const size_t c = i % channels;
            const int128 scaled = requant(int128{src[i]} + bias[c], multiplier[c], shift[c]);
            ASSERT_EQ(dst[i], clamp(scaled + zero_point, args.min, args.max))
                << src[i] << " " << bias[c] << " " << multiplier[c] << " " << shift[c];
        }
        args.dst = fpga.memory.allocate(src.size() * 2, 4094);
        args.zero_point = zero_point * 256;
        args.min = zero_point == 127 ? -5000 : -32768;
        args.max = zero_point == 127 ? 30000 : 32767;
        ASSERT_EQ(fpga(ACC_ROLE_REQUANTIZE_I32_I16, args).status, ACC_STATUS_OK);
        const auto wide = fpga.memory.load<int16_t>(args.dst, src.size());
        for (size_t i = 0; i < src.size(); i++) {
            const size_t c = i % channels;
            const int128 scaled = requant(int128{src[i]} + bias[c], multiplier[c], shift[c]);
            ASSERT_EQ(wide[i], clamp<int16_t>(scaled + args.zero_point, args.min, args.max))
                << src[i] << " " << bias[c] << " " << multiplier[c] << " " << shift[c];
        }
    }
}

TEST(FpgaRequantize, ShapesOfEveryKind)
{
    // Few channels (repeated tables), many (several blocks of them), one.
    Fpga fpga({ACC_ROLE_REQUANTIZE_I32_I8});
    std::mt19937_64 random(2);
    struct Shape {
        uint64_t rows;
        uint32_t channels;
    };
    for (const Shape s : {Shape{1, 1},
                          {9000, 1},
                          {5000, 10},
                          {700, 33},
                          {3, 4096},
                          {3, 4097},
                          {2, 9000},
                          {40, 512},
                          {40, 513}}) {
        const uint64_t n = s.rows * s.channels;
        const auto src = random_values<int32_t>(random, n, -2000000, 2000000);
        const auto bias = random_values<int32_t>(random, s.channels, -100000, 100000);
        const auto multiplier = random_values<int32_t>(random, s.channels, 0, INT32_MAX);
        const auto shift = random_values<int32_t>(random, s.channels, 30, 50);
        acc_requantize_args args = {};
        args.src = fpga.memory.store(src, 16);
        args.dst = fpga.memory.allocate(n, 3);
        args.bias = fpga.memory.store(bias);
        args.multiplier = fpga.memory.store(multiplier);
        args.shift = fpga.memory.store(shift);
        args.rows = s.rows;
        args.channels = s.channels;
        args.zero_point = 7;
        args.min = 7;
        args.max = 127;
        ASSERT_EQ(fpga(ACC_ROLE_REQUANTIZE_I32_I8, args).status, ACC_STATUS_OK);
        const auto dst = fpga.memory.load<int8_t>(args.dst, n);
        for (uint64_t i = 0; i < n; i++) {
            const uint64_t c = i % s.channels;
            ASSERT_EQ(dst[i],
                      clamp(requant(int128{src[i]} + bias[c], multiplier[c], shift[c]) + 7, 7, 127))
                << s.rows << " x " << s.channels << " at " << i;
        }
    }
}

TEST(FpgaAdd, Int8WithBroadcast)
{
    Fpga fpga({ACC_ROLE_ADD_I8, ACC_ROLE_ADD_I16});
    std::mt19937_64 random(3);
    struct Shape {
        uint64_t count, b_count;
    };
    for (const Shape s : {Shape{1, 1},
                          {20000, 20000},
                          {20000, 1},
                          {20000, 7},
                          {8193, 8192},
                          {30000, 8193},
                          {3, 10}}) {
        for (const bool extreme : {false, true}) {
            const auto a = random_values<int8_t>(random, s.count, -128, 127);
            const auto b = random_values<int8_t>(random, s.b_count, -128, 127);
            acc_add_i8_args args = {};
            args.a = fpga.memory.store(a, 4093);
            args.b = fpga.memory.store(b, 1);
            args.dst = fpga.memory.allocate(s.count, 9);
            args.count = s.count;
            args.b_count = s.b_count;
            args.a_zero = extreme ? -128 : 3;
            args.b_zero = extreme ? 127 : -9;
            args.a_mul = extreme ? INT32_MAX : 741823;
            args.b_mul = extreme ? INT32_MIN : 512345;
            args.shift = extreme ? 33 : 20;
            args.zero_point = -4;
            args.min = -100;
            args.max = 90;
            ASSERT_EQ(fpga(ACC_ROLE_ADD_I8, args).status, ACC_STATUS_OK);
            const auto dst = fpga.memory.load<int8_t>(args.dst, s.count);
            for (uint64_t i = 0; i < s.count; i++) {
                const int128 sum = int128{a[i] - args.a_zero} * args.a_mul +
                                   int128{b[i % s.b_count] - args.b_zero} * args.b_mul;
                ASSERT_EQ(dst[i], clamp(requant(sum, 1, args.shift) - 4, -100, 90)) << i;
            }
            const auto c = random_values<int16_t>(random, s.count, INT16_MIN, INT16_MAX);
            const auto d = random_values<int16_t>(random, s.b_count, INT16_MIN, INT16_MAX);
            args.a = fpga.memory.store(c, 4094);
            args.b = fpga.memory.store(d, 2);
            args.dst = fpga.memory.allocate(s.count * 2, 10);
            args.a_zero = extreme ? INT16_MIN : 300;
            args.b_zero = extreme ? INT16_MAX : -900;
            args.zero_point = -400;
            args.min = INT16_MIN;
            args.max = 31000;
            ASSERT_EQ(fpga(ACC_ROLE_ADD_I16, args).status, ACC_STATUS_OK);
            const auto wide = fpga.memory.load<int16_t>(args.dst, s.count);
            for (uint64_t i = 0; i < s.count; i++) {
                const int128 sum = int128{c[i] - args.a_zero} * args.a_mul +
                                   int128{d[i % s.b_count] - args.b_zero} * args.b_mul;
                const int128 scaled = requant(sum, 1, args.shift) - 400;
                ASSERT_EQ(wide[i], clamp<int16_t>(scaled, INT16_MIN, 31000)) << i;
            }
        }
    }
}

TEST(FpgaClip, Int8InPlace)
{
    Fpga fpga({ACC_ROLE_CLIP_I8});
    std::vector<int8_t> src(20000);
    for (size_t i = 0; i < src.size(); i++)
        src[i] = static_cast<int8_t>(i);
    const uint64_t address = fpga.memory.store(src, 100);
    const acc_clip_i8_args args = {address, address, src.size(), -7, 50};
    ASSERT_EQ(fpga(ACC_ROLE_CLIP_I8, args).status, ACC_STATUS_OK);
    const auto dst = fpga.memory.load<int8_t>(address, src.size());
    for (size_t i = 0; i < src.size(); i++)
        ASSERT_EQ(dst[i], clamp(src[i], -7, 50));
}

TEST(FpgaTable, EveryInt8)
{
    Fpga fpga({ACC_ROLE_TABLE_I8});
    std::vector<int8_t> src(20000), table(256);
    for (size_t i = 0; i < src.size(); i++)
        src[i] = static_cast<int8_t>(i * 7);
    for (size_t i = 0; i < table.size(); i++)
        table[i] = static_cast<int8_t>(i * i % 251 - 125);
    const uint64_t address = fpga.memory.store(src, 100);
    const acc_table_args args = {address, address, src.size(), fpga.memory.store(table)};
    ASSERT_EQ(fpga(ACC_ROLE_TABLE_I8, args).status, ACC_STATUS_OK);
    const auto dst = fpga.memory.load<int8_t>(address, src.size());
    for (size_t i = 0; i < src.size(); i++)
        ASSERT_EQ(dst[i], table[static_cast<size_t>(src[i] + 128)]);
}

TEST(FpgaFloat, AddMulReluClip)
{
    Fpga fpga({ACC_ROLE_ADD_F32, ACC_ROLE_MUL_F32, ACC_ROLE_RELU_F32, ACC_ROLE_CLIP_F32});
    std::mt19937_64 random(4);
    std::vector<float> a = {0.0f, -0.0f, 1.0f, -1.0f, kInf, -kInf, kNan, 1e-40f, -1e-40f, 3e38f};
    while (a.size() < 20001)
        a.push_back(static_cast<float>(static_cast<int64_t>(random())) * 1e-18f);
    const std::vector<float> b = {3.5f, -2.0f, 0.0f};
    acc_elementwise_f32_args args = {};
    args.a = fpga.memory.store(a, 4);
    args.b = fpga.memory.store(b);
    args.dst = fpga.memory.allocate(a.size() * 4, 8);
    args.count = a.size();
    args.b_count = b.size();
    std::vector<float> sum, product, relu, clip;
    for (size_t i = 0; i < a.size(); i++) {
        sum.push_back(a[i] + b[i % 3]);
        product.push_back(a[i] * b[i % 3]);
        relu.push_back(a[i] < 0 ? 0 : a[i]);
        clip.push_back(a[i] < -0.5f ? -0.5f : a[i] > 2 ? 2 : a[i]);
    }
    const auto result = [&] { return bits(fpga.memory.load<float>(args.dst, a.size())); };
    ASSERT_EQ(fpga(ACC_ROLE_ADD_F32, args).status, ACC_STATUS_OK);
    EXPECT_EQ(result(), bits(sum));
    ASSERT_EQ(fpga(ACC_ROLE_MUL_F32, args).status, ACC_STATUS_OK);
    EXPECT_EQ(result(), bits(product));
    args.b = 0;
    args.b_count = 0;
    ASSERT_EQ(fpga(ACC_ROLE_RELU_F32, args).status, ACC_STATUS_OK);
    EXPECT_EQ(result(), bits(relu));
    args.min = -0.5f;
    args.max = 2;
    ASSERT_EQ(fpga(ACC_ROLE_CLIP_F32, args).status, ACC_STATUS_OK);
    EXPECT_EQ(result(), bits(clip));
}

} // namespace acc::emu::test
