// SPDX-License-Identifier: MIT
//
// permute, softmax and gemm, against their definitions.
#include "harness.h"
#include "tests/effort.h"

#include <cmath>
#include <iostream>
#include <limits>

namespace acc::emu::test
{
namespace
{

void check_permute(const uint32_t (&dims)[4], const uint32_t (&perm)[4], std::mt19937_64 &random)
{
    const uint64_t count = uint64_t{dims[0]} * dims[1] * dims[2] * dims[3];
    const auto src = random_values<int8_t>(random, count, -128, 127);
    std::vector<int8_t> expected(count);
    const uint64_t strides[4] = {uint64_t{dims[1]} * dims[2] * dims[3], uint64_t{dims[2]} * dims[3],
                                 dims[3], 1};
    uint64_t at = 0;
    uint32_t i[4];
    for (i[0] = 0; i[0] < dims[perm[0]]; i[0]++)
        for (i[1] = 0; i[1] < dims[perm[1]]; i[1]++)
            for (i[2] = 0; i[2] < dims[perm[2]]; i[2]++)
                for (i[3] = 0; i[3] < dims[perm[3]]; i[3]++) {
                    uint64_t from = 0;
                    for (int axis = 0; axis < 4; axis++)
                        from += i[axis] * strides[perm[axis]];
                    expected[at++] = src[from];
                }
    Fpga fpga({ACC_ROLE_PERMUTE_I8});
    acc_permute_args args = {};
    args.src = fpga.memory.store(src, random() % 4096);
    args.dst = fpga.memory.allocate(count, random() % 4096);
    std::copy(std::begin(dims), std::end(dims), args.dims);
    std::copy(std::begin(perm), std::end(perm), args.perm);
    const Outcome outcome = fpga(ACC_ROLE_PERMUTE_I8, args);
    ASSERT_EQ(outcome.status, ACC_STATUS_OK) << outcome.dispatch.text;
    ASSERT_EQ(fpga.memory.load<int8_t>(args.dst, count), expected)
        << dims[0] << " " << dims[1] << " " << dims[2] << " " << dims[3] << " by " << perm[0]
        << perm[1] << perm[2] << perm[3];
}

// exp(x - largest) / sum in long double: an independent path to the same number.
std::vector<float> softmax(const std::vector<double> &row)
{
    const double largest = *std::max_element(row.begin(), row.end());
    long double sum = 0;
    for (const double x : row)
        sum += std::exp(static_cast<long double>(x) - largest);
    std::vector<float> out(row.size());
    for (size_t i = 0; i < row.size(); i++)
        out[i] = static_cast<float>(std::exp(static_cast<long double>(row[i]) - largest) / sum);
    return out;
}

void expect_close(const std::vector<float> &found, const std::vector<float> &expected)
{
    ASSERT_EQ(found.size(), expected.size());
    for (size_t i = 0; i < found.size(); i++)
        ASSERT_LE(std::abs(found[i] - expected[i]), expected[i] * 1.2e-7f + 1e-44f)
            << i << ": " << found[i] << " " << expected[i];
}

} // namespace

TEST(FpgaPermute, EveryPermutation)
{
    std::mt19937_64 random(1);
    uint32_t perm[4] = {0, 1, 2, 3};
    do {
        check_permute({3, 4, 5, 6}, perm, random);
        check_permute({1, 1, 7, 2}, perm, random);
        if (testing::Test::HasFatalFailure()) return;
    } while (std::next_permutation(perm, perm + 4));
}

TEST(FpgaPermute, BiggerThanTheCache)
{
    std::mt19937_64 random(2);
    check_permute({1, 90, 100, 64}, {0, 3, 1, 2}, random); // NHWC -> NCHW, 576,000 bytes
    check_permute({1, 64, 90, 100}, {0, 2, 3, 1}, random); // and back
    if (sanitized) return;
    check_permute({30, 40, 50, 11}, {3, 2, 1, 0}, random);
    check_permute({5, 1, 600, 1000}, {3, 0, 2, 1}, random);
    check_permute({2, 3, 20, 30000}, {0, 2, 1, 3}, random); // long runs
    check_permute({3000, 2, 3, 5}, {0, 3, 2, 1}, random);   // many small items
}

TEST(FpgaSoftmax, Float)
{
    Fpga fpga({ACC_ROLE_SOFTMAX_F32});
    std::mt19937_64 random(3);
    std::uniform_real_distribution<float> value(-30, 30);
    for (const auto &[rows, cols] : {std::pair{1u, 1u}, {50u, 10u}, {3u, 8192u}, {2u, 20000u}}) {
        std::vector<float> src(size_t{rows} * cols);
        for (float &x : src)
            x = value(random);
        src[0] = -std::numeric_limits<float>::infinity(); // a share of 0, where others have one
        if (cols == 1) src[0] = -3e38f;
        acc_softmax_args args = {};
        args.src = fpga.memory.store(src, 4);
        args.dst = fpga.memory.allocate(src.size() * 4, 4092);
        args.rows = rows;
        args.cols = cols;
        args.scale = 1;
        const Outcome outcome = fpga(ACC_ROLE_SOFTMAX_F32, args);
        ASSERT_EQ(outcome.status, ACC_STATUS_OK) << outcome.dispatch.text;
        const auto dst = fpga.memory.load<float>(args.dst, src.size());
        for (uint32_t r = 0; r < rows; r++)
            expect_close({dst.begin() + r * cols, dst.begin() + (r + 1) * cols},
                         softmax({src.begin() + r * cols, src.begin() + (r + 1) * cols}));
    }
}

TEST(FpgaSoftmax, RowsWithoutAnAnswerAreNaN)
{
    Fpga fpga({ACC_ROLE_SOFTMAX_F32});
    const float inf = std::numeric_limits<float>::infinity();
    const std::vector<float> src = {1, NAN, 2, 1, inf, 2, -inf, -inf, -inf, 0, 0, 0};
    acc_softmax_args args = {};
    args.src = fpga.memory.store(src);
    args.dst = fpga.memory.allocate(src.size() * 4);
    args.rows = 4;
    args.cols = 3;
    args.scale = 1;
    ASSERT_EQ(fpga(ACC_ROLE_SOFTMAX_F32, args).status, ACC_STATUS_OK);
    const auto dst = fpga.memory.load<float>(args.dst, src.size());
    for (int i = 0; i < 9; i++)
        EXPECT_TRUE(std::isnan(dst[i])) << i;
    EXPECT_FLOAT_EQ(dst[9], 1.0f / 3);
}

TEST(FpgaSoftmax, Int8)
{
    Fpga fpga({ACC_ROLE_SOFTMAX_I8_F32});
    std::mt19937_64 random(4);
    for (const auto &[rows, cols] : {std::pair{1u, 1u}, {70u, 10u}, {2u, 20000u}}) {
        const auto src = random_values<int8_t>(random, size_t{rows} * cols, -128, 127);
        acc_softmax_args args = {};
        args.src = fpga.memory.store(src, 4095);
        args.dst = fpga.memory.allocate(src.size() * 4, 4);
        args.rows = rows;
        args.cols = cols;
        args.zero_point = -7;
        args.scale = 0.11f;
        ASSERT_EQ(fpga(ACC_ROLE_SOFTMAX_I8_F32, args).status, ACC_STATUS_OK);
        const auto dst = fpga.memory.load<float>(args.dst, src.size());
        for (uint32_t r = 0; r < rows; r++) {
            std::vector<double> row;
            for (uint32_t c = 0; c < cols; c++)
                row.push_back((src[r * cols + c] + 7) * static_cast<double>(0.11f));
            expect_close({dst.begin() + r * cols, dst.begin() + (r + 1) * cols}, softmax(row));
        }
    }
}

TEST(FpgaGemm, RandomShapes)
{
    const uint64_t seed = std::random_device()();
    std::cout << "seed " << seed << "\n";
    std::mt19937_64 random(seed);
    const auto check = [&](uint32_t batch, uint32_t m, uint32_t n, uint32_t k, int a_zero,
                           int b_zero, int style) {
        Fpga fpga({ACC_ROLE_GEMM_I8});
        const uint64_t pairs = std::max(batch, 1u); // 0 counts as 1
        const int least = style == 2 ? 127 : -128, most = style == 1 ? -128 : 127;
        const auto a = random_values<int8_t>(random, pairs * m * k, least, most);
        const auto b = random_values<int8_t>(random, pairs * k * n, least, most);
        acc_gemm_i8_args args = {};
        args.a = fpga.memory.store(a, random() % 4096);
        args.b = fpga.memory.store(b, random() % 4096);
        args.out = fpga.memory.allocate(pairs * m * n * 4, random() % 1024 * 4);
        args.m = m;
        args.n = n;
        args.k = k;
        args.a_zero = a_zero;
        args.b_zero = b_zero;
        args.batch = batch;
        const Outcome outcome = fpga(ACC_ROLE_GEMM_I8, args);
        ASSERT_EQ(outcome.status, ACC_STATUS_OK) << outcome.dispatch.text;
        const auto out = fpga.memory.load<int32_t>(args.out, pairs * m * n);
        for (uint64_t p = 0; p < pairs; p++)
            for (uint32_t i = 0; i < m; i++)
                for (uint32_t j = 0; j < n; j++) {
                    int64_t sum = 0;
                    for (uint32_t l = 0; l < k; l++)
                        sum += int64_t{a[(p * m + i) * k + l] - a_zero} *
                               (b[(p * k + l) * n + j] - b_zero);
                    ASSERT_EQ(out[(p * m + i) * n + j], sum)
                        << "seed " << seed << ": " << batch << " " << m << " " << n << " " << k;
                }
    };
    for (unsigned i = 0; i < effort(60) && !testing::Test::HasFatalFailure(); i++)
        check(static_cast<uint32_t>(random() % 4), 1 + random() % 90, 1 + random() % 300,
              1 + random() % 300, static_cast<int>(random() % 256) - 128,
              static_cast<int>(random() % 256) - 128, 0);
    check(1, 2, 2, 33025, 127, 127, 1); // the largest sum that int32 holds
    check(1, 2, 2, 33025, -128, -128, 2);
    check(1, 1, 3, 131071, 0, 0, 1);
}

} // namespace acc::emu::test
