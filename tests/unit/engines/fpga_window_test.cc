// SPDX-License-Identifier: MIT
//
// Roles with windows, against loops that look at one tap after the other.
#include "harness.h"
#include "tests/effort.h"

#include <iostream>

namespace acc::emu::test
{
namespace
{

// The element under a tap, or nothing outside the image.
const int8_t *tap(const std::vector<int8_t> &src, const acc_window &w, uint64_t b, int64_t y,
                  int64_t x, uint64_t c)
{
    if (y < 0 || x < 0 || y >= w.h || x >= w.w) return nullptr;
    return &src[((b * w.h + static_cast<uint64_t>(y)) * w.w + static_cast<uint64_t>(x)) * w.c + c];
}

template <typename F>
void each_window(const acc_window &w, F f)
{
    for (uint32_t b = 0; b < w.batch; b++)
        for (uint32_t oy = 0; oy < w.out_h; oy++)
            for (uint32_t ox = 0; ox < w.out_w; ox++)
                f(b, int64_t{oy} * w.stride_h - w.pad_top, int64_t{ox} * w.stride_w - w.pad_left);
}

std::vector<int8_t> im2col(const std::vector<int8_t> &src, const acc_window &w, int8_t pad)
{
    std::vector<int8_t> dst;
    each_window(w, [&](uint32_t b, int64_t y, int64_t x) {
        for (uint32_t ky = 0; ky < w.kernel_h; ky++)
            for (uint32_t kx = 0; kx < w.kernel_w; kx++)
                for (uint32_t c = 0; c < w.c; c++) {
                    const int8_t *t = tap(src, w, b, y + int64_t{ky} * w.dilation_h,
                                          x + int64_t{kx} * w.dilation_w, c);
                    dst.push_back(t ? *t : pad);
                }
    });
    return dst;
}

std::vector<int8_t> pool(const std::vector<int8_t> &src, const acc_window &w, bool average,
                         int zero_point, bool count_pad)
{
    std::vector<int8_t> dst;
    each_window(w, [&](uint32_t b, int64_t y, int64_t x) {
        for (uint32_t c = 0; c < w.c; c++) {
            int best = -128;
            int64_t sum = 0, inside = 0;
            for (uint32_t ky = 0; ky < w.kernel_h; ky++)
                for (uint32_t kx = 0; kx < w.kernel_w; kx++) {
                    const int8_t *t = tap(src, w, b, y + int64_t{ky} * w.dilation_h,
                                          x + int64_t{kx} * w.dilation_w, c);
                    if (t) {
                        best = std::max<int>(best, *t);
                        sum += *t;
                        inside++;
                    } else if (count_pad) {
                        sum += zero_point;
                    }
                }
            const int64_t n = count_pad ? int64_t{w.kernel_h} * w.kernel_w : inside;
            if (!average) {
                dst.push_back(static_cast<int8_t>(best));
            } else if (n == 0) {
                dst.push_back(static_cast<int8_t>(zero_point));
            } else {
                // Half away from zero, by comparing twice the rest.
                int64_t quotient = sum / n;
                const int64_t rest = sum - quotient * n;
                if (2 * std::abs(rest) >= n) quotient += sum < 0 ? -1 : 1;
                dst.push_back(static_cast<int8_t>(quotient));
            }
        }
    });
    return dst;
}

class FpgaWindow : public testing::Test
{
protected:
    void check(const acc_window &w, std::mt19937_64 &random)
    {
        const auto src =
            random_values<int8_t>(random, uint64_t{w.batch} * w.h * w.w * w.c, -128, 127);
        const auto note = [&] {
            std::string text;
            for (const uint32_t v :
                 {w.batch, w.h, w.w, w.c, w.kernel_h, w.kernel_w, w.stride_h, w.stride_w, w.pad_top,
                  w.pad_left, w.dilation_h, w.dilation_w, w.out_h, w.out_w})
                text += " " + std::to_string(v);
            return text;
        };
        Fpga fpga({ACC_ROLE_IM2COL_I8, ACC_ROLE_MAXPOOL_I8, ACC_ROLE_AVGPOOL_I8});
        const uint64_t address = fpga.memory.store(src, random() % 4096);
        const int pad = static_cast<int>(random() % 256) - 128;

        const auto columns = im2col(src, w, static_cast<int8_t>(pad));
        acc_im2col_args moving = {};
        moving.src = address;
        moving.dst = fpga.memory.allocate(columns.size(), random() % 4096);
        moving.window = w;
        moving.pad_value = pad;
        Outcome outcome = fpga(ACC_ROLE_IM2COL_I8, moving);
        ASSERT_EQ(outcome.status, ACC_STATUS_OK) << outcome.dispatch.text << note();
        ASSERT_EQ(fpga.memory.load<int8_t>(moving.dst, columns.size()), columns) << note();

        for (int kind = 0; kind < 3; kind++) { // max, average without and with padding
            const auto expected = pool(src, w, kind > 0, pad, kind == 2);
            acc_pool_args args = {};
            args.src = address;
            args.dst = fpga.memory.allocate(expected.size(), random() % 4096);
            args.window = w;
            args.zero_point = pad;
            args.count_include_pad = kind == 2;
            outcome = fpga(kind == 0 ? ACC_ROLE_MAXPOOL_I8 : ACC_ROLE_AVGPOOL_I8, args);
            ASSERT_EQ(outcome.status, ACC_STATUS_OK) << outcome.dispatch.text << note();
            ASSERT_EQ(fpga.memory.load<int8_t>(args.dst, expected.size()), expected)
                << kind << note();
        }
    }
};

} // namespace

TEST_F(FpgaWindow, RandomShapes)
{
    const uint64_t seed = std::random_device()();
    std::cout << "seed " << seed << "\n";
    std::mt19937_64 random(seed);
    const auto between = [&](uint32_t least, uint32_t most) {
        return least + static_cast<uint32_t>(random() % (most - least + 1));
    };
    for (int i = 0; i < 300 && !HasFatalFailure(); i++) {
        const acc_window w = {
            .batch = between(1, 3),
            .h = between(1, 12),
            .w = between(1, 12),
            .c = between(1, 9),
            .kernel_h = between(1, 5),
            .kernel_w = between(1, 5),
            .stride_h = between(1, 4),
            .stride_w = between(1, 4),
            .pad_top = between(0, 6),
            .pad_left = between(0, 6),
            .dilation_h = between(1, 3),
            .dilation_w = between(1, 3),
            .out_h = between(1, 9), // windows beyond the image are all padding
            .out_w = between(1, 9),
        };
        check(w, random);
        if (HasFatalFailure()) std::cout << "seed " << seed << ", case " << i << "\n";
    }
}

TEST_F(FpgaWindow, ImagesBiggerThanTheCache)
{
    std::mt19937_64 random(6);
    // Rows that fit where the image does not; an extent of rows that does not; more channels
    // than one block.
    check({1, 300, 50, 40, 3, 3, 2, 2, 1, 1, 1, 1, 150, 25}, random);
    check({1, 40, 900, 20, 2, 2, 1, 5, 1, 1, 30, 3, 9, 180}, random);
    if (sanitized) return;
    check({2, 9, 9, 7000, 3, 3, 2, 2, 1, 1, 1, 1, 5, 5}, random);
    check({1, 3, 3, 70000, 2, 2, 1, 1, 0, 0, 1, 1, 2, 2}, random);
}

TEST_F(FpgaWindow, GlobalAverageOfManyTaps)
{
    // 2^23 + 1 taps and more need sums of 64 bits; padding makes them without memory.
    Fpga fpga({ACC_ROLE_AVGPOOL_I8});
    acc_pool_args args = {};
    args.src = fpga.memory.store(std::vector<int8_t>{100});
    args.dst = fpga.memory.allocate(1);
    args.window = {1, 1, 1, 1, 40000, 40000, 1, 1, 0, 0, 1, 1, 1, 1};
    args.zero_point = -128;
    args.count_include_pad = 1;
    ASSERT_EQ(fpga(ACC_ROLE_AVGPOOL_I8, args).status, ACC_STATUS_OK);
    EXPECT_EQ(fpga.memory.load<int8_t>(args.dst, 1)[0], -128);
    args.count_include_pad = 0;
    ASSERT_EQ(fpga(ACC_ROLE_AVGPOOL_I8, args).status, ACC_STATUS_OK);
    EXPECT_EQ(fpga.memory.load<int8_t>(args.dst, 1)[0], 100);
}

TEST_F(FpgaWindow, AveragesRoundTiesAwayFromZero)
{
    Fpga fpga({ACC_ROLE_AVGPOOL_I8});
    acc_pool_args args = {};
    args.src =
        fpga.memory.store(std::vector<int8_t>{1, 2, -1, -2, 127, 127, -128, -128, 0, 1, 0, -1});
    args.dst = fpga.memory.allocate(6);
    args.window = {6, 1, 2, 1, 1, 2, 1, 1, 0, 0, 1, 1, 1, 1};
    ASSERT_EQ(fpga(ACC_ROLE_AVGPOOL_I8, args).status, ACC_STATUS_OK);
    EXPECT_EQ(fpga.memory.load<int8_t>(args.dst, 6),
              (std::vector<int8_t>{2, -2, 127, -128, 1, -1}));
}

} // namespace acc::emu::test
