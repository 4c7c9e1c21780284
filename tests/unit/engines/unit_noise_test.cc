// SPDX-License-Identifier: MIT
//
// What is random, by its moments: within three standard errors of the formulas of
// docs/crossbar-analog.md, over at least 10^5 draws with fixed seeds.
#include "emulator/crossbar/device_models.h"
#include "emulator/crossbar/random.h"
#include "emulator/crossbar/simd.h"
#include "unit_case.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <numeric>

namespace acc::emu::test
{
namespace
{

using arch::ProgModel;
using arch::Sign;

struct Moments {
    double mean = 0, variance = 0;
    size_t n = 0;
};

Moments moments_of(const std::vector<double> &draws)
{
    Moments m{.n = draws.size()};
    for (const double x : draws)
        m.mean += x / static_cast<double>(m.n);
    for (const double x : draws)
        m.variance += (x - m.mean) * (x - m.mean) / static_cast<double>(m.n - 1);
    return m;
}

void expect_normal(const std::vector<double> &draws, double mean, double sigma,
                   const std::string &what)
{
    ASSERT_GE(draws.size(), 100'000u);
    const Moments m = moments_of(draws);
    const auto n = static_cast<double>(m.n);
    EXPECT_NEAR(m.mean, mean, 3 * sigma / std::sqrt(n)) << what;
    EXPECT_NEAR(m.variance, sigma * sigma, 3 * sigma * sigma * std::sqrt(2 / n)) << what;
}

// 128 x 128 x 8 cells of one level: every slice of the weight has it.
UnitCase one_level(uint32_t level, ProgModel model, double g_off, double g_on)
{
    UnitCase c;
    c.config.sign = Sign::Offset;
    c.config.prog_model = model;
    c.config.g_on = g_on;
    c.config.g_off = g_off;
    c.config.seed = 20260101;
    c.shape = {.rows = 128, .cols = 128, .weight_bits = 16, .input_bits = 8, .input_signed = true};
    c.weights.assign(128 * 128, static_cast<int16_t>(level * 0x5555 - 0x8000));
    c.inputs.assign(128, 1);
    return c;
}

std::vector<double> all_conductances(const MvmUnit &unit)
{
    std::vector<double> all, row(unit.shape().cols);
    for (uint32_t a = 0; a < unit.arrays(); a++)
        for (uint32_t r = 0; r < unit.shape().rows; r++) {
            unit.conductances(a, r, row);
            all.insert(all.end(), row.begin(), row.end());
        }
    return all;
}

} // namespace

// Known answers of Random123.
TEST(Random, Philox)
{
    using Words = std::array<uint32_t, 4>;
    EXPECT_EQ(crossbar::philox({0, 0, 0, 0}, 0),
              (Words{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}));
    EXPECT_EQ(crossbar::philox({~0u, ~0u, ~0u, ~0u}, ~0ull),
              (Words{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}));
    EXPECT_EQ(
        crossbar::philox({0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, 0x299f31d0a4093822),
        (Words{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}));
}

// Box and Muller's transform of these words by the C library, and its moments to the fourth.
TEST(Random, Normals)
{
    constexpr size_t n = 50'000;
    std::vector<float> z(4 * n);
    crossbar::normals(42, 7u << 24, 3, 5, 9, n, z.data(), n);
    for (uint32_t i = 0; i < 1000; i++) {
        const auto w = crossbar::philox({(7u << 24) + i, 3, 5, 9}, 42);
        for (int k = 0; k < 2; k++) {
            const double u = (static_cast<double>(w[2 * k] >> 1) + 1) * 0x1p-31;
            const double r = std::sqrt(-2 * std::log(u));
            const double quadrant = w[2 * k + 1] >> 30;
            const double angle =
                M_PI / 2 * (quadrant + static_cast<int32_t>(w[2 * k + 1] << 2) * 0x1p-32);
            ASSERT_NEAR(z[2 * k * n + i], r * std::cos(angle), 4e-6) << i;
            ASSERT_NEAR(z[(2 * k + 1) * n + i], r * std::sin(angle), 4e-6) << i;
        }
    }
    const std::vector<double> draws(z.begin(), z.end());
    expect_normal(draws, 0, 1, "normals");
    double third = 0, fourth = 0, pairs = 0;
    for (size_t i = 0; i < draws.size(); i++) {
        third += std::pow(draws[i], 3) / double(draws.size());
        fourth += std::pow(draws[i], 4) / double(draws.size());
        pairs += draws[i] * draws[(i + 1) % draws.size()] / double(draws.size());
    }
    EXPECT_NEAR(third, 0, 3 * std::sqrt(15.0 / double(draws.size())));
    EXPECT_NEAR(fourth, 3, 3 * std::sqrt(96.0 / double(draws.size())));
    EXPECT_NEAR(pairs, 0, 3 / std::sqrt(double(draws.size())));
}

TEST(UnitNoise, ProgrammingMoments)
{
    struct {
        ProgModel model;
        double sigma, g_off, g_on;
        uint32_t level;
        double expected; // µS
    } const cases[] = {
        {ProgModel::NormalAbs, 0.02, 1, 10, 1, 0.2},
        {ProgModel::NormalAbs, 0.10, 10, 100, 3, 10},
        {ProgModel::NormalRel, 0.05, 1, 10, 2, 0.05 * 7},
        {ProgModel::Pcm, 0, 5, 25, 0, 0.26348 + 1.965 * 0.2 - 1.1731 * 0.04},
        {ProgModel::Pcm, 0, 5, 25, 3, 0.26348 + 1.965 - 1.1731},
        {ProgModel::RramMilo, 0, 60, 225, 0, 4.782321 - 0.009107 * 60},
        {ProgModel::RramWan, 0, 9, 39, 3,
         1.536e-4 * 39 * 39 * 39 - 1.167e-2 * 39 * 39 + 0.2374 * 39 + 1.053},
    };
    for (const auto &k : cases) {
        UnitCase c = one_level(k.level, k.model, k.g_off, k.g_on);
        c.config.prog_sigma = k.sigma;
        c.config.drift_t0 = 1e30; // PCM: nothing but what was written, see SlowNoise
        const double target = k.g_off + k.level * (k.g_on - k.g_off) / 3;
        std::vector<double> draws;
        std::vector<uint8_t> levels(128, static_cast<uint8_t>(k.level));
        std::vector<crossbar::CellWrite> cells(128);
        crossbar::CellScratch scratch;
        for (uint32_t a = 0; a < 8; a++)
            for (uint32_t row = 0; row < 128; row++) {
                crossbar::write_row({&c.config, a, 0}, row, levels, cells, scratch);
                for (const auto &cell : cells)
                    draws.push_back(cell.conductance);
            }
        expect_normal(draws, target, k.expected, std::string(arch::name_of(k.model)));
        if (k.model == ProgModel::Pcm) continue;
        EXPECT_EQ(all_conductances(*make_unit(c)), draws); // the unit's cells are these
    }
}

TEST(UnitNoise, DriftIsAPowerLaw)
{
    UnitCase c = one_level(2, ProgModel::NormalRel, 1, 10);
    c.config.prog_sigma = 0.05;
    c.config.drift_nu = 0.06;
    const auto unit = make_unit(c);
    const std::vector<double> fresh = all_conductances(*unit);
    for (const double t : {1.0, 3600.0, 86400.0, 3.15e7}) {
        unit->set_age(t);
        const double factor = std::pow((t + 20) / 20, -0.06);
        const std::vector<double> aged = all_conductances(*unit);
        for (size_t i = 0; i < aged.size(); i += 97)
            ASSERT_NEAR(aged[i], fresh[i] * factor, 1e-13 * fresh[i]) << t;
    }
    unit->set_age(0);
    EXPECT_EQ(all_conductances(*unit), fresh);
}

// nu of each cell from what it lost.
TEST(UnitNoise, DriftExponents)
{
    const double t = 1e6, log = -std::log((t + 20) / 20);
    for (const bool pcm : {false, true}) {
        UnitCase c = one_level(1, pcm ? ProgModel::Pcm : ProgModel::None, 5, 25);
        double mean = 0.05, sigma = 0.01;
        if (pcm) {
            const double x = (5 + 20.0 / 3) / 25;
            mean = std::clamp(-0.0155 * std::log(x) + 0.0244, 0.049, 0.1);
            sigma = std::clamp(-0.0125 * std::log(x) - 0.0059, 0.008, 0.045);
            EXPECT_EQ(crossbar::drift_law(c.config, x * 25).mean, mean);
            EXPECT_EQ(crossbar::drift_law(c.config, x * 25).sigma, sigma);
            c.config.prog_model = ProgModel::None; // the same law without the other noise
        }
        c.config.drift_nu = mean;
        c.config.drift_sigma = sigma;
        const auto unit = make_unit(c);
        unit->set_age(t);
        std::vector<double> nu = all_conductances(*unit);
        for (double &g : nu)
            g = std::log(g / (5 + 20.0 / 3)) / log;
        expect_normal(nu, mean, sigma, "nu"); // both at least five sigma from 0
    }
}

// PCM's 1/f noise: what cells read right after they were written, less that.
TEST(UnitNoise, SlowNoise)
{
    const UnitCase c = one_level(2, ProgModel::Pcm, 5, 25);
    std::vector<uint8_t> levels(128, 2);
    std::vector<crossbar::CellWrite> written(128);
    std::vector<double> read(128), draws;
    crossbar::CellScratch scratch;
    for (uint32_t a = 0; a < 8; a++)
        for (uint32_t row = 0; row < 128; row++) {
            crossbar::write_row({&c.config, a, 0}, row, levels, written, scratch);
            crossbar::read_row({&c.config, a, 0}, row, levels, 0, 1, read, scratch);
            for (size_t i = 0; i < 128; i++) {
                const double g = written[i].conductance;
                const double sigma = g * std::min(0.0088 / std::pow(g / 25, 0.65), 0.2) *
                                     std::sqrt(std::log((20 + 250e-9) / 500e-9));
                draws.push_back((read[i] - g) / sigma);
            }
        }
    expect_normal(draws, 0, 1, "1/f");
}

namespace
{

// One column of 16 rows in one array, an ideal converter: what comes out is the current.
UnitCase one_column(uint64_t seed)
{
    UnitCase c;
    c.config.rows = c.config.cols = 16;
    c.config.sign = Sign::Offset;
    c.config.dac_bits = 3;
    c.config.adc_bits = 0;
    c.config.g_off = 2;
    c.config.read_sigma = 4; // so much that rounding to integers is nothing beside it
    c.config.seed = seed;
    c.shape = {.rows = 16, .cols = 1, .weight_bits = 2, .input_bits = 3, .input_signed = false};
    for (int i = 0; i < 16; i++) {
        c.weights.push_back(static_cast<int16_t>(i % 4 - 2));
        c.inputs.push_back(static_cast<int16_t>(i % 8));
    }
    return c;
}

} // namespace

TEST(UnitNoise, ReadNoiseAggregates)
{
    const UnitCase c = one_column(11);
    const auto unit = make_unit(c);
    const auto scratch = MvmUnit::make_scratch();
    double expected = 0, variance = 0;
    const double h_off = 2 / (8.0 / 3);
    std::mt19937_64 random(5);
    std::normal_distribution<double> normal;
    for (int i = 0; i < 16; i++) {
        expected += c.inputs[i] * c.weights[i];
        variance += std::pow(c.inputs[i] * 4 * (i % 4 + h_off), 2);
    }
    constexpr size_t n = 120'000;
    std::vector<double> aggregated, cells;
    UnitCounts counts;
    for (size_t event = 0; event < n; event++) {
        int64_t y = 0;
        unit->run(c.inputs.data(), 1, &y, event, *scratch, counts);
        aggregated.push_back(static_cast<double>(y));
        // The oracle: a number for each cell.
        double current = expected;
        for (int i = 0; i < 16; i++)
            current += c.inputs[i] * 4 * (i % 4 + h_off) * normal(random);
        cells.push_back(std::round(current));
    }
    expect_normal(aggregated, expected, std::sqrt(variance), "read noise");
    expect_normal(cells, expected, std::sqrt(variance), "the oracle");
    // Two-sample Kolmogorov-Smirnov, significance 0.001.
    std::sort(aggregated.begin(), aggregated.end());
    std::sort(cells.begin(), cells.end());
    double distance = 0;
    for (size_t i = 0, j = 0; i < n && j < n;) {
        const double x = std::min(aggregated[i], cells[j]);
        while (i < n && aggregated[i] == x)
            i++;
        while (j < n && cells[j] == x)
            j++;
        distance = std::max(distance, std::abs(double(i) - double(j)) / n);
    }
    EXPECT_LT(distance, 1.95 * std::sqrt(2.0 / n));
}

// Columns, arrays, rounds and events don't share their noise.
TEST(UnitNoise, ReadNoiseIsIndependent)
{
    UnitCase c = one_level(2, ProgModel::None, 1, 10);
    c.config.adc_bits = 0;
    c.config.read_sigma = 0.5;
    const auto unit = make_unit(c, 100), other = make_unit(c, 200);
    UnitCase still = c;
    still.config.read_sigma = 0;
    const auto quiet = run_unit(*make_unit(still), still);
    std::vector<double> a, b, next;
    for (uint64_t event = 0; event < 1000; event++) {
        const auto x = run_unit(*unit, c, event), y = run_unit(*other, c, event);
        for (size_t i = 0; i < 128; i++) {
            a.push_back(double(x.sums[i] - quiet.sums[i]));
            b.push_back(double(y.sums[i] - quiet.sums[i]));
        }
    }
    const Moments of_a = moments_of(a);
    const double n = double(a.size());
    double arrays = 0, columns = 0, events = 0;
    for (size_t i = 0; i < a.size(); i++) {
        arrays += a[i] * b[i] / of_a.variance / n;
        columns += a[i] * a[(i + 1) % a.size()] / of_a.variance / n;
        events += a[i] * a[(i + 128) % a.size()] / of_a.variance / n;
    }
    for (const double correlation : {arrays, columns, events})
        EXPECT_NEAR(correlation, 0, 3 / std::sqrt(n));
}

TEST(UnitNoise, StuckCells)
{
    UnitCase c = one_level(1, ProgModel::None, 1, 10);
    c.config.p_stuck_on = 0.01;
    c.config.p_stuck_off = 0.02;
    const auto unit = make_unit(c);
    const std::vector<double> cells = all_conductances(*unit);
    const auto n = static_cast<double>(cells.size());
    const auto on = std::count(cells.begin(), cells.end(), 10.0);
    const auto off = std::count(cells.begin(), cells.end(), 1.0);
    EXPECT_NEAR(double(on), n * 0.01, 3 * std::sqrt(n * 0.01 * 0.99));
    EXPECT_NEAR(double(off), n * 0.02, 3 * std::sqrt(n * 0.02 * 0.98));
    EXPECT_EQ(unit->stuck_cells(), static_cast<uint64_t>(on + off));
    // Counts of single rows are binomial too: chi-squared of 1024 rows of 128 cells.
    double chi = 0;
    for (size_t row = 0; row < 1024; row++) {
        const auto in = std::count_if(cells.begin() + row * 128, cells.begin() + row * 128 + 128,
                                      [](double g) { return g == 10.0 || g == 1.0; });
        chi += std::pow(double(in) - 128 * 0.03, 2) / (128 * 0.03 * 0.97);
    }
    EXPECT_NEAR(chi, 1024, 3 * std::sqrt(2 * 1024 * (1 + 0.5 / (128 * 0.03))));

    // They stay where they are whatever is programmed, and the sums are those of such cells.
    crossbar::Wear wear(128);
    std::string why;
    for (const int16_t weight : {int16_t{-32768}, int16_t{32767}, int16_t{1234}}) {
        c.weights.assign(128 * 128, weight);
        ASSERT_TRUE(unit->program(c.weights, &wear, why));
        const std::vector<double> again = all_conductances(*unit);
        for (size_t i = 0; i < cells.size(); i++)
            if (cells[i] == 10.0 || cells[i] == 1.0) {
                ASSERT_EQ(again[i], cells[i]);
            }
    }
    std::mt19937_64 random(2);
    for (const Sign sign : {Sign::Offset, Sign::Differential, Sign::Twos})
        for (const uint32_t adc_bits : {0u, 9u, 7u}) {
            UnitCase d;
            d.config = c.config;
            d.config.sign = sign;
            d.config.adc_bits = adc_bits;
            d.config.g_off = 0;
            d.shape = {
                .rows = 128, .cols = 9, .weight_bits = 16, .input_bits = 12, .input_signed = true};
            fill(d, 4, 3, random);
            const auto one = make_unit(d);
            EXPECT_NE(one->path(), MvmUnit::Path::Analog);
            // By the levels that the cells really have.
            const UnitResult found = run_unit(*one, d);
            const size_t slices = sign == Sign::Differential ? one->arrays() / 2 : one->arrays();
            for (size_t v = 0; v < 3; v++)
                for (uint32_t col = 0; col < 9; col++) {
                    int64_t sum = 0;
                    for (uint32_t a = 0; a < one->arrays(); a++) {
                        const bool top = sign == Sign::Twos && a == slices - 1;
                        const int64_t factor = sign == Sign::Differential
                                                   ? (a % 2 ? -1 : 1) * (int64_t{1} << (a / 2 * 2))
                                                   : (top ? -32768 : int64_t{1} << (2 * a));
                        for (uint32_t round = 0; round < 12; round++) {
                            int64_t current = 0;
                            for (uint32_t row = 0; row < 128; row++)
                                if (d.inputs[v * 128 + row] >> round & 1)
                                    current += std::lround(one->conductance(a, row, col) /
                                                           d.config.unit_conductance());
                            if (adc_bits) current = std::min<int64_t>(current, (1 << adc_bits) - 1);
                            sum += current * factor * (round == 11 ? -2048 : 1 << round);
                        }
                    }
                    if (sign == Sign::Offset)
                        for (uint32_t row = 0; row < 128; row++)
                            sum -= d.input(v, row) * 32768;
                    ASSERT_EQ(found.sums[v * 9 + col], sum) << d.text() << " col " << col;
                }
        }
}

TEST(UnitNoise, WriteVerify)
{
    UnitCase c = one_level(2, ProgModel::NormalAbs, 1, 10);
    c.config.prog_sigma = 0.02;
    c.config.write_verify_tol = 0.01;
    c.config.write_verify_max_iter = 200;
    std::string why;
    auto unit = MvmUnit::create(c.config, c.shape, 0, why);
    ASSERT_TRUE(unit);
    crossbar::Wear wear(128);
    auto report = (*unit)->program(c.weights, &wear, why);
    ASSERT_TRUE(report);
    EXPECT_EQ(report->failed, 0u);
    for (const double g : all_conductances(**unit))
        ASSERT_LE(std::abs(g - 7), 0.1);
    // A geometric number of pulses: p = P(|z| <= 1/2).
    const double p = std::erf(0.5 / std::sqrt(2.0)), n = 8 * 128 * 128;
    EXPECT_NEAR(double(report->pulses) / n, 1 / p, 3 * std::sqrt((1 - p) / n) / p);
    EXPECT_GT(report->row_pulses, 8u * 128 * 5); // a row waits for its slowest cell
    EXPECT_EQ(wear.total_pulses(), report->row_pulses);
    EXPECT_EQ(wear.programmings(7), 1u);

    // Too few tries, and cells that can't: each is counted, the first ones named.
    c.config.write_verify_max_iter = 3;
    c.config.p_stuck_off = 0.001;
    unit = MvmUnit::create(c.config, c.shape, 0, why);
    report = (*unit)->program(c.weights, nullptr, why);
    uint64_t out = 0;
    const std::vector<double> cells = all_conductances(**unit);
    for (const double g : cells)
        out += std::abs(g - 7) > 0.1;
    EXPECT_EQ(report->failed, out);
    EXPECT_GT((*unit)->stuck_cells(), 50u);
    EXPECT_NEAR(double(out) / n, 0.001 + 0.999 * std::pow(1 - p, 3), 0.005);
    ASSERT_EQ(report->failures.size(), crossbar::ProgramReport::kMaxFailures);
    for (const auto &failure : report->failures) {
        EXPECT_EQ(failure.target, 7);
        EXPECT_EQ(failure.reached, cells[(failure.array * 128 + failure.row) * 128 + failure.col]);
        EXPECT_GT(std::abs(failure.reached - 7), 0.1);
    }
    // Programmed again, cells are drawn again.
    const auto first = cells;
    ASSERT_TRUE((*unit)->program(c.weights, &wear, why));
    EXPECT_NE(all_conductances(**unit), first);
}

TEST(UnitNoise, Converters)
{
    // 100 units of current through 10^5 converters.
    UnitCase c;
    c.config.rows = c.config.cols = 1;
    c.config.sign = Sign::Offset;
    c.config.dac_bits = 7;
    c.config.adc_bits = 9;
    c.config.adc_offset_sigma = 8;
    c.config.adc_gain_sigma = 0.1;
    c.shape = {.rows = 1, .cols = 1, .weight_bits = 2, .input_bits = 7, .input_signed = false};
    c.weights = {0}; // level 2
    c.inputs = {100};
    std::string why;
    const auto scratch = MvmUnit::make_scratch();
    UnitCounts counts;
    std::vector<double> codes;
    for (uint64_t array = 0; array < 100'000; array++) {
        auto unit = MvmUnit::create(c.config, c.shape, array, why);
        ASSERT_TRUE((*unit)->program(c.weights, nullptr, why));
        int64_t y = 0;
        (*unit)->run(c.inputs.data(), 1, &y, 0, *scratch, counts);
        codes.push_back(double(y + 200));
    }
    expect_normal(codes, 200, std::sqrt(64 + 400 + 1.0 / 12), "codes");
    EXPECT_EQ(counts.clipped, 0u);
}

TEST(UnitNoise, Ranges)
{
    std::mt19937_64 random(8);
    UnitCase c;
    c.config.sign = Sign::Offset;
    c.config.adc_bits = 8;
    c.config.g_off = 1;
    c.shape = {.rows = 128, .cols = 64, .weight_bits = 8, .input_bits = 8, .input_signed = true};
    fill(c, 4, 16, random);
    const UnitResult exact = exact_sums(c);
    const auto error = [&](const UnitResult &found) {
        double sum = 0;
        for (size_t i = 0; i < found.sums.size(); i++)
            sum += std::pow(double(found.sums[i] - exact.sums[i]), 2);
        return std::sqrt(sum / double(found.sums.size()));
    };
    c.config.adc_range = arch::AdcRange::Max;
    const UnitResult max = run_unit(*make_unit(c), c);
    EXPECT_EQ(max.counts.clipped, 0u);
    c.config.adc_range = arch::AdcRange::Calibrated;
    const auto unit = make_unit(c);
    EXPECT_EQ(run_unit(*unit, c), max); // not calibrated yet
    const auto scratch = MvmUnit::make_scratch();
    unit->calibrate(c.inputs.data(), c.vectors(), 0, *scratch);
    const UnitResult fitted = run_unit(*unit, c);
    EXPECT_EQ(fitted.counts.clipped, 0u);
    EXPECT_LT(error(fitted), error(max) * 0.75);
    EXPECT_GT(error(fitted), 0);
    // max: each code is off by at most half a step, and so the sum by what they weigh.
    const double step = 128 * (3 + 1 / 3.0) / 255;
    EXPECT_LT(error(max), step * 85 * 255);
    // A misaligned range is no exact one even with 10 bits (a known trap).
    c.config.adc_range = arch::AdcRange::Max;
    c.config.adc_bits = 10;
    EXPECT_NE(run_unit(*make_unit(c), c).sums, exact.sums);
}

TEST(UnitNoise, DriftCompensation)
{
    std::mt19937_64 random(9);
    UnitCase c;
    c.config.sign = Sign::Differential;
    c.config.adc_bits = 0;
    c.config.drift_nu = 0.05;
    c.shape = {.rows = 128, .cols = 64, .weight_bits = 8, .input_bits = 8, .input_signed = true};
    fill(c, 4, 4, random);
    const UnitResult exact = exact_sums(c);
    const auto unit = make_unit(c);
    EXPECT_EQ(run_unit(*unit, c).sums, exact.sums);
    unit->set_age(365.0 * 86400);
    const double factor = std::pow((365.0 * 86400 + 20) / 20, -0.05);
    const UnitResult aged = run_unit(*unit, c);
    for (size_t i = 0; i < aged.sums.size(); i++)
        ASSERT_NEAR(double(aged.sums[i]), factor * double(exact.sums[i]), 1);
    unit->compensate(0);
    const UnitResult compensated = run_unit(*unit, c);
    for (size_t i = 0; i < aged.sums.size(); i++)
        ASSERT_NEAR(double(compensated.sums[i]), double(exact.sums[i]), 2);
}

TEST(UnitNoise, DeviceRanges)
{
    Config config;
    config.prog_model = ProgModel::RramMilo;
    EXPECT_EQ(crossbar::check_device(config),
              "prog_model rram_milo: expected g_off and g_on from 50 to 225 uS; found 0 and 10");
    config.prog_model = ProgModel::Pcm;
    config.g_on = 26;
    EXPECT_EQ(crossbar::check_device(config),
              "prog_model pcm: expected g_off and g_on from 0 to 25 uS; found 0 and 26");
    config.prog_model = ProgModel::NormalAbs;
    EXPECT_EQ(crossbar::check_device(config), "");
}

} // namespace acc::emu::test
