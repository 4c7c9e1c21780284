// SPDX-License-Identifier: MIT
//
// Ideal cells: the integer product where the converters have enough bits, and with a bit
// less exactly the clipping that the arithmetic predicts, on every kind of processor.
#include "emulator/crossbar/simd.h"
#include "tests/effort.h"
#include "unit_case.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <iterator>

namespace acc::emu::test
{
namespace
{

using arch::Sign;
using crossbar::Simd;

constexpr Simd kLevels[] = {Simd::Best, Simd::Avx512, Simd::Avx2, Simd::Portable, Simd::Emulated};
constexpr size_t kLevelCount = std::size(kLevels);

class EveryProcessor : public testing::Test
{
protected:
    void TearDown() override { crossbar::set_simd(Simd::Best); }
};

using UnitExact = EveryProcessor;

Config machine(uint32_t rows, uint32_t cell_bits, uint32_t dac_bits, Sign sign, double g_off)
{
    Config config;
    config.rows = rows;
    config.cols = 32;
    config.cell_bits = cell_bits;
    config.dac_bits = dac_bits;
    config.sign = sign;
    config.g_on = 10;
    config.g_off = g_off;
    config.adc_bits = enough_adc_bits(config);
    return config;
}

} // namespace

// slicing x sign x DAC bits x on/off ratio x operands; enough ADC bits and one fewer.
TEST_F(UnitExact, Matrix)
{
    std::mt19937_64 random(7);
    uint64_t cases = 0, clipping = 0;
    for (const uint32_t cell_bits : {1, 2, 3, 4, 8})
        for (const Sign sign : {Sign::Differential, Sign::Offset, Sign::Twos})
            for (const uint32_t dac_bits : {1, 2, 3, 4, 7})
                for (const double g_off : {0.0, 1.0, 10.0 / 3}) // the last: a tie in each code
                    for (uint32_t style = 0; style < kOperands; style++) {
                        if (sanitized && random() % 10) continue;
                        UnitCase c;
                        c.config = machine(random() % 2 ? 24 : 33, cell_bits, dac_bits, sign,
                                           cell_bits == 1 || g_off < 2 ? g_off : 1);
                        c.shape = {.rows = c.config.rows,
                                   .cols = 1 + static_cast<uint32_t>(random() % 19),
                                   .weight_bits = 2 + static_cast<uint32_t>(random() % 15),
                                   .input_bits = 2 + static_cast<uint32_t>(random() % 15),
                                   .input_signed = random() % 2 == 0};
                        fill(c, style, 3, random);
                        const uint32_t enough = c.config.adc_bits;
                        if (enough > 16) c.config.adc_bits = 0; // no converter has so many
                        crossbar::set_simd(kLevels[cases % kLevelCount]);
                        const UnitResult expected = exact_sums(c);
                        const UnitResult found = run_unit(*make_unit(c), c);
                        ASSERT_EQ(found.sums, expected.sums) << c.text() << ", style " << style;
                        ASSERT_EQ(found.counts.clipped, 0u) << c.text();
                        c.config.adc_bits = std::min(enough - 1, 16u);
                        const UnitResult model = cell_by_cell_unit(c);
                        const UnitResult fewer = run_unit(*make_unit(c), c);
                        ASSERT_EQ(fewer.sums, model.sums) << c.text() << ", style " << style;
                        ASSERT_EQ(fewer.counts.clipped, model.counts.clipped) << c.text();
                        cases++;
                        clipping += model.counts.clipped != 0;
                    }
    const uint64_t all = 5u * 3 * 5 * 3 * kOperands;
    EXPECT_GE(cases, sanitized ? all / 20 : all);
    EXPECT_GT(clipping, cases / 10);
}

// The rule itself: with all operands at their largest a bit fewer is too few.
TEST_F(UnitExact, OneBitFewerClips)
{
    std::mt19937_64 random(1);
    for (const Sign sign : {Sign::Differential, Sign::Offset, Sign::Twos}) {
        UnitCase c;
        c.config = machine(128, 2, 1, sign, 0);
        ASSERT_EQ(c.config.adc_bits, 9u);
        c.shape = {
            .rows = 128, .cols = 5, .weight_bits = 15, .input_bits = 16, .input_signed = true};
        fill(c, 0, 1, random);
        EXPECT_EQ(run_unit(*make_unit(c), c).counts.clipped, 0u);
        c.config.adc_bits = 8;
        const UnitResult found = run_unit(*make_unit(c), c);
        // 15 rounds of all ones; cells of 3 in 7 slices: 384 of 255.
        EXPECT_EQ(found.counts.clipped, 15u * 7 * 5) << arch::name_of(sign);
        EXPECT_EQ(found, cell_by_cell_unit(c));
    }
}

// The path that multiplies integers and the one that makes every conversion are one machine:
// a unit that may clip, but doesn't with these inputs, gives what one that can't gives.
TEST_F(UnitExact, IntegerProductIsTheMachine)
{
    std::mt19937_64 random(3);
    for (int i = 0; i < 60; i++) {
        UnitCase c;
        c.config = machine(128, 2, 1, static_cast<Sign>(i % 3), 0);
        c.config.cols = 128;
        c.shape = {.rows = 1 + static_cast<uint32_t>(random() % 128),
                   .cols = 1 + static_cast<uint32_t>(random() % 128),
                   .weight_bits = 16,
                   .input_bits = 1 + static_cast<uint32_t>(random() % 16),
                   .input_signed = random() % 2 == 0};
        if (c.shape.input_signed && c.shape.input_bits == 1) c.shape.input_bits = 2;
        fill(c, i % kOperands, 5, random);
        for (size_t k = 0; k < c.inputs.size(); k++)
            if (k % 3) c.inputs[k] = 0; // at most 43 rows on: 129 of 255
        const auto exact = make_unit(c);
        c.config.adc_bits = 8;
        const auto every = make_unit(c);
        EXPECT_EQ(exact->path(), MvmUnit::Path::Exact);
        crossbar::set_simd(kLevels[i % kLevelCount]);
        ASSERT_EQ(run_unit(*exact, c), run_unit(*every, c)) << c.text();
        ASSERT_EQ(run_unit(*exact, c).sums, exact_sums(c).sums) << c.text();
    }
}

// The same bits for every kind of processor and any split of a batch, noise and all.
TEST_F(UnitExact, ProcessorsAndBatchesAgree)
{
    std::mt19937_64 random(5);
    for (const bool noisy : {false, true}) {
        UnitCase c;
        c.config = machine(128, 2, 1, Sign::Offset, 0);
        c.config.cols = 128;
        c.config.adc_bits = 7;
        if (noisy) {
            c.config.g_off = 1;
            c.config.prog_model = arch::ProgModel::NormalAbs;
            c.config.prog_sigma = 0.03;
            c.config.read_sigma = 0.05;
            c.config.drift_nu = 0.05;
            c.config.adc_offset_sigma = 0.5;
            c.config.seed = 99;
        }
        c.shape = {
            .rows = 120, .cols = 101, .weight_bits = 16, .input_bits = 16, .input_signed = true};
        fill(c, 4, 11, random);
        const auto unit = make_unit(c);
        unit->set_age(1e4);
        const UnitResult whole = run_unit(*unit, c, 1000);
        EXPECT_GT(whole.counts.clipped, 0u);
        for (const Simd level : kLevels) {
            crossbar::set_simd(level);
            EXPECT_EQ(run_unit(*unit, c, 1000), whole) << crossbar::simd_name();
            const auto again = make_unit(c);
            again->set_age(1e4);
            EXPECT_EQ(run_unit(*again, c, 1000), whole) << crossbar::simd_name();
            const auto scratch = MvmUnit::make_scratch();
            UnitResult parts;
            parts.sums.resize(whole.sums.size());
            for (size_t at = 0, n = 1; at < c.vectors(); at += n, n = n % 4 + 1) {
                n = std::min(n, c.vectors() - at);
                unit->run(c.inputs.data() + at * c.shape.rows, n,
                          parts.sums.data() + at * c.shape.cols, 1000 + at, *scratch, parts.counts);
            }
            EXPECT_EQ(parts, whole);
        }
        EXPECT_EQ(run_unit(*unit, c, 1001) == whole, !noisy); // other events, other noise
    }
}

TEST_F(UnitExact, Refusals)
{
    Config config;
    std::string why;
    EXPECT_EQ(MvmUnit::create(config, {.rows = 129, .cols = 1}, 0, why).error(), -EINVAL);
    EXPECT_NE(why.find("at most 128 x 128; found 129 x 1"), std::string::npos) << why;
    EXPECT_EQ(MvmUnit::create(config, {.rows = 1, .cols = 1, .weight_bits = 17}, 0, why).error(),
              -EINVAL);
    auto unit = MvmUnit::create(config, {.rows = 1, .cols = 2, .weight_bits = 8}, 0, why);
    ASSERT_TRUE(unit);
    EXPECT_EQ((*unit)->program(std::vector<int16_t>{1}, nullptr, why).error(), -EINVAL);
    EXPECT_EQ((*unit)->program(std::vector<int16_t>{1, 128}, nullptr, why).error(), -EINVAL);
    EXPECT_NE(why.find("8 bits; found 128"), std::string::npos) << why;
}

} // namespace acc::emu::test
