// SPDX-License-Identifier: MIT
//
// Rows joined and cut, and products of elements, against plain loops.
#include "harness.h"

#include <algorithm>
#include <random>

namespace acc::emu::test
{
namespace
{

std::vector<int8_t> join_bytes(size_t count, uint32_t seed)
{
    std::mt19937 random(seed);
    std::vector<int8_t> data(count);
    for (int8_t &v : data)
        v = static_cast<int8_t>(random());
    return data;
}

TEST(FpgaConcat, RowsOfAnyLength)
{
    // Rows that many fit a buffer of, one that fits none, and rows that are said again.
    const struct {
        uint64_t rows;
        std::vector<uint32_t> bytes, stride;
    } cases[] = {
        {1000, {3, 5, 1}, {3, 5, 1}}, {7, {1}, {9}}, // a part of each row
        {300, {16, 4}, {20, 0}},      {2, {70000, 100}, {70000, 100}},
        {3, {66000}, {70000}},        {1, {1, 2, 3, 4, 5, 6, 7, 8}, {0, 0, 0, 0, 0, 0, 0, 0}},
    };
    for (const auto &c : cases) {
        Fpga fpga({ACC_ROLE_CONCAT_I8});
        acc_concat_args args = {};
        args.rows = c.rows;
        std::vector<std::vector<int8_t>> src;
        uint64_t row = 0;
        for (size_t i = 0; i < c.bytes.size(); i++) {
            src.push_back(
                join_bytes((c.rows - 1) * c.stride[i] + c.bytes[i], static_cast<uint32_t>(i)));
            args.src[i] = fpga.memory.store(src.back());
            args.bytes[i] = c.bytes[i];
            args.stride[i] = c.stride[i];
            row += c.bytes[i];
        }
        args.dst = fpga.memory.store(std::vector<int8_t>(c.rows * row));
        ASSERT_EQ(fpga(ACC_ROLE_CONCAT_I8, args).status, ACC_STATUS_OK);
        std::vector<int8_t> expected;
        for (uint64_t r = 0; r < c.rows; r++)
            for (size_t i = 0; i < src.size(); i++)
                expected.insert(expected.end(), src[i].begin() + long(r * c.stride[i]),
                                src[i].begin() + long(r * c.stride[i] + c.bytes[i]));
        EXPECT_EQ(fpga.memory.load<int8_t>(args.dst, expected.size()), expected) << c.rows;
    }
}

TEST(FpgaMul, EveryShape)
{
    const struct {
        uint64_t outer, middle, inner;
    } shapes[] = {{1, 1, 100}, {5, 1, 30000}, {3, 49, 16}, {2, 3, 70000}, {4, 70000, 1}};
    for (const auto &s : shapes) {
        Fpga fpga({ACC_ROLE_MUL_I8});
        const auto a = join_bytes(s.outer * s.middle * s.inner, 1),
                   b = join_bytes(s.outer * s.inner, 2);
        acc_mul_i8_args args = {};
        args.a = fpga.memory.store(a);
        args.b = fpga.memory.store(b);
        args.dst = fpga.memory.store(std::vector<int8_t>(a.size()));
        args.outer = s.outer;
        args.middle = s.middle;
        args.inner = s.inner;
        args.a_zero = -100;
        args.b_zero = 127;
        args.multiplier = 0x7fffffff;
        args.shift = 38;
        args.zero_point = 5;
        args.min = -120;
        args.max = 126;
        ASSERT_EQ(fpga(ACC_ROLE_MUL_I8, args).status, ACC_STATUS_OK);
        const auto dst = fpga.memory.load<int8_t>(args.dst, a.size());
        for (size_t i = 0; i < a.size(); i++) {
            const size_t at = i / (s.middle * s.inner) * s.inner + i % s.inner;
            const __int128 product = __int128{a[i] + 100} * (b[at] - 127) * 0x7fffffff;
            const auto scaled = static_cast<int64_t>((product + (__int128{1} << 37)) >> 38) + 5;
            ASSERT_EQ(dst[i], std::clamp<int64_t>(scaled, -120, 126)) << i;
        }
    }
}

} // namespace
} // namespace acc::emu::test
