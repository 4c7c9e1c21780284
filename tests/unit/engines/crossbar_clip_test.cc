// SPDX-License-Identifier: MIT
//
// ADCs of too few bits: what comes out is what a machine of cells gives, clipped conversion
// for clipped conversion.
#include "crossbar_case.h"
#include "tests/effort.h"

#include <iostream>

namespace acc::emu::test
{
namespace
{

void expect_same(const MvmCase &c, uint64_t seed)
{
    const MvmResult expected = cell_by_cell(c), found = on_engine(c);
    ASSERT_EQ(found.outputs, expected.outputs) << "seed " << seed << ": " << c.text();
    ASSERT_EQ(found.saturations, expected.saturations) << "seed " << seed << ": " << c.text();
}

} // namespace

TEST(CrossbarClip, RandomMachines)
{
    const uint64_t seed = std::random_device()();
    std::cout << "seed " << seed << "\n";
    std::mt19937_64 random(seed);
    const auto between = [&](uint32_t least, uint32_t most) {
        return least + static_cast<uint32_t>(random() % (most - least + 1));
    };
    uint64_t clipped = 0;
    for (unsigned i = 0; i < effort(400) && !testing::Test::HasFailure(); i++) {
        MvmCase c;
        constexpr uint32_t sides[] = {3, 16, 64, 70, 128};
        c.machine = {.rows = sides[between(0, 4)],
                     .cols = sides[between(0, 4)],
                     .cell_bits = between(1, 5),
                     .adc_bits = between(1, 8)};
        c.rows = between(1, 150);
        c.cols = between(1, 12);
        c.weight_bits = between(2, 16);
        c.input_bits = between(1, 16);
        c.input_signed = between(0, 1);
        c.vectors = between(1, 3);
        c.input_gap = between(0, 1);
        fill(c, between(0, kStyles - 1), random);
        expect_same(c, seed);
        clipped += cell_by_cell(c).saturations != 0;
    }
    EXPECT_GT(clipped, effort(100)); // the test is about these
}

TEST(CrossbarClip, EveryResolution)
{
    std::mt19937_64 random(11);
    for (uint32_t adc_bits = 1; adc_bits <= 8; adc_bits++)
        for (uint32_t style = 0; style < kStyles; style++)
            for (const bool input_signed : {false, true}) {
                MvmCase c;
                c.machine.adc_bits = adc_bits;
                c.rows = 200;
                c.cols = 9;
                c.vectors = 2;
                c.input_signed = input_signed;
                fill(c, style, random);
                expect_same(c, 11);
            }
}

// More columns than the engine accumulates at once, and a chunk of many vectors.
TEST(CrossbarClip, LargeShapes)
{
    std::mt19937_64 random(5);
    for (const auto &[rows, cols, vectors] :
         {std::tuple{20u, 1100u, 2u}, {140u, 3u, 70u}, {1030u, 2u, 1u}}) {
        MvmCase c;
        c.machine.adc_bits = 3;
        c.rows = rows;
        c.cols = cols;
        c.vectors = vectors;
        fill(c, 4, random);
        expect_same(c, 5);
    }
}

TEST(CrossbarClip, CountsAreTheConversionsThatClip)
{
    // 4 full cells of one slice, ADC of 2 bits: 12 units clip to 3 in each active round.
    MvmCase c;
    c.machine = {.rows = 4, .cols = 4, .cell_bits = 2, .adc_bits = 2};
    c.rows = 4;
    c.cols = 1;
    c.weight_bits = 3;
    c.input_signed = false;
    c.weights = {3, 3, 3, 3};
    c.inputs = {0b101, 0b101, 0b101, 0b101}; // two active rounds
    const MvmResult found = on_engine(c);
    EXPECT_EQ(found.saturations, 2u);
    EXPECT_EQ(found.outputs[0], 3 * 0b101);
}

} // namespace acc::emu::test
