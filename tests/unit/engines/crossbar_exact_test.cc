// SPDX-License-Identifier: MIT
//
// The engine's first promise: with an ADC of enough bits the product is the integer one.
#include "crossbar_case.h"
#include "emulator/crossbar/gemm.h"
#include "tests/effort.h"

#include <algorithm>
#include <iostream>

namespace acc::emu::test
{
namespace
{

// ceil(log2(R * (2^w - 1) + 1)), counted out.
uint32_t enough_bits(const Machine &m)
{
    uint32_t bits = 0;
    for (uint64_t levels = uint64_t{m.rows} * ((1u << m.cell_bits) - 1) + 1;
         (1ull << bits) < levels;)
        bits++;
    return bits;
}

MvmCase random_case(std::mt19937_64 &random)
{
    const auto between = [&](uint32_t least, uint32_t most) {
        return least + static_cast<uint32_t>(random() % (most - least + 1));
    };
    MvmCase c;
    constexpr uint32_t sides[] = {1, 16, 63, 64, 100, 128, 256};
    c.machine.rows = sides[between(0, 6)];
    c.machine.cols = sides[between(0, 6)];
    c.machine.cell_bits = between(1, 8);
    c.machine.adc_bits = between(0, 1) ? 0 : enough_bits(c.machine);
    if (c.machine.adc_bits > 16) c.machine.adc_bits = 0;
    c.rows = between(1, 300);
    c.cols = between(1, 200);
    c.weight_bits = between(2, 16);
    c.input_bits = between(1, 16);
    c.input_signed = between(0, 1);
    c.vectors = between(1, 7);
    c.input_gap = between(0, 2);
    c.output_gap = between(0, 2);
    fill(c, between(0, kStyles - 1), random);
    return c;
}

} // namespace

TEST(CrossbarExact, ThousandShapes)
{
    const uint64_t seed = std::random_device()();
    std::cout << "seed " << seed << "\n";
    std::mt19937_64 random(seed);
    for (unsigned i = 0; i < effort(1000) && !testing::Test::HasFailure(); i++) {
        const MvmCase c = random_case(random);
        const MvmResult expected = integer_product(c), found = on_engine(c);
        ASSERT_EQ(found.outputs, expected.outputs)
            << "seed " << seed << ", case " << i << ": " << c.text();
        ASSERT_EQ(found.saturations, 0u) << c.text();
    }
}

// The extremes of every width on PUMA's machine, and with it the bound itself: random data
// would pass with a bit too few.
TEST(CrossbarExact, ExtremesOfEveryWidth)
{
    std::mt19937_64 random(1);
    for (uint32_t weight_bits = 2; weight_bits <= 16; weight_bits++)
        for (uint32_t input_bits = 1; input_bits <= 16; input_bits++)
            for (uint32_t style = 0; style < 4; style++) {
                MvmCase c;
                c.rows = 130;
                c.cols = 5;
                c.vectors = 2;
                c.weight_bits = weight_bits;
                c.input_bits = input_bits;
                c.input_signed = style % 2 == 0;
                fill(c, style, random);
                const MvmResult found = on_engine(c);
                ASSERT_EQ(found.outputs, integer_product(c).outputs) << c.text();
                ASSERT_EQ(found.saturations, 0u) << c.text();
            }
}

TEST(CrossbarExact, TheBoundIsTight)
{
    for (uint32_t cell_bits = 1; cell_bits <= 4; cell_bits++) {
        MvmCase c;
        c.machine = {.rows = 64, .cols = 8, .cell_bits = cell_bits, .adc_bits = 0};
        c.rows = 64;
        c.cols = 3;
        c.weight_bits = 9;
        c.weights.assign(size_t{64} * 3, 255); // every cell of eight bits is full
        c.inputs.assign(64, 0x7f);
        c.machine.adc_bits = enough_bits(c.machine);
        EXPECT_EQ(on_engine(c).saturations, 0u) << c.text();
        EXPECT_EQ(on_engine(c).outputs, integer_product(c).outputs) << c.text();
        c.machine.adc_bits--;
        EXPECT_GT(on_engine(c).saturations, 0u) << c.text();
        EXPECT_NE(on_engine(c).outputs, integer_product(c).outputs) << c.text();
    }
}

TEST(CrossbarExact, MagnitudeOfTheLeastWeight)
{
    // -2^(w-1) needs one value more than 2^(w-1) - 1: also where w - 1 bits fill the cells.
    for (uint32_t weight_bits = 2; weight_bits <= 16; weight_bits++)
        for (uint32_t cell_bits = 1; cell_bits <= 8; cell_bits++) {
            MvmCase c;
            c.machine = {.rows = 16, .cols = 16, .cell_bits = cell_bits, .adc_bits = 0};
            c.weight_bits = weight_bits;
            c.weights = {static_cast<int16_t>(-(1 << (weight_bits - 1)))};
            c.inputs = {0x80};
            ASSERT_EQ(on_engine(c).outputs, integer_product(c).outputs) << c.text();
            ASSERT_EQ(cell_by_cell(c).outputs, integer_product(c).outputs) << c.text();
        }
}

// Many vectors, long strides and more columns than one group: every loop boundary.
TEST(CrossbarExact, LargeShapes)
{
    std::mt19937_64 random(7);
    struct Shape {
        uint32_t rows, cols, vectors;
    };
    for (const Shape s : {Shape{1100, 1040, 3}, {3000, 17, 70}, {5, 2100, 130}, {33000, 2, 1}}) {
        for (const uint32_t input_bits : {8, 12, 16}) {
            if (sanitized && input_bits != 12) continue;
            MvmCase c;
            c.rows = s.rows;
            c.cols = s.cols;
            c.vectors = s.vectors;
            c.weight_bits = input_bits;
            c.input_bits = input_bits;
            c.input_signed = input_bits != 16;
            fill(c, 4, random);
            ASSERT_EQ(on_engine(c).outputs, integer_product(c).outputs) << c.text();
        }
    }
}

TEST(CrossbarExact, KernelsAgree)
{
    using namespace crossbar;
    std::mt19937_64 random(3);
    for (uint32_t vectors = 1; vectors <= kMaxTileVectors; vectors++) {
        for (const uint32_t pairs : {1u, 2u, 7u, 64u}) {
            const auto x = random_values<int16_t>(random, size_t{vectors} * pairs * 2, -256, 255);
            const auto panel =
                random_values<int16_t>(random, pairs * kPanelPairElements, -32768, 32767);
            int32_t a[kMaxTileVectors][kPanelCols] = {}, b[kMaxTileVectors][kPanelCols] = {};
            gemm_portable(x.data(), size_t{pairs} * 2, vectors, panel.data(), pairs, a);
            best_gemm()(x.data(), size_t{pairs} * 2, vectors, panel.data(), pairs, b);
            EXPECT_EQ(std::memcmp(a, b, sizeof(a)), 0) << vectors << " " << pairs;
            for (uint32_t n = 0; n < kPanelCols; n++) {
                int64_t sum = 0;
                for (uint32_t k = 0; k < 2 * pairs; k++)
                    sum += int64_t{x[k]} * panel[k / 2 * kPanelPairElements + 2 * n + k % 2];
                EXPECT_EQ(a[0][n], sum);
            }
        }
    }
}

} // namespace acc::emu::test
