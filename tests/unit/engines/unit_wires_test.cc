// SPDX-License-Identifier: MIT
//
// Wire resistance against published numbers and against the nodal equations, assembled and
// solved here in full.
#include "emulator/crossbar/wires.h"
#include "unit_case.h"

#include <gtest/gtest.h>

#include <cmath>
#include <utility>

namespace acc::emu::test
{
namespace
{

using crossbar::Wires;

// Gauss with pivots. a is [n][n], b [n].
std::vector<double> solve(std::vector<double> a, std::vector<double> b)
{
    const size_t n = b.size();
    for (size_t k = 0; k < n; k++) {
        size_t pivot = k;
        for (size_t i = k + 1; i < n; i++)
            if (std::abs(a[i * n + k]) > std::abs(a[pivot * n + k])) pivot = i;
        for (size_t j = 0; j < n; j++)
            std::swap(a[k * n + j], a[pivot * n + j]);
        std::swap(b[k], b[pivot]);
        for (size_t i = k + 1; i < n; i++) {
            const double f = a[i * n + k] / a[k * n + k];
            if (f == 0) continue;
            for (size_t j = k; j < n; j++)
                a[i * n + j] -= f * a[k * n + j];
            b[i] -= f * b[k];
        }
    }
    for (size_t k = n; k-- > 0;) {
        for (size_t j = k + 1; j < n; j++)
            b[k] -= a[k * n + j] * b[j];
        b[k] /= a[k * n + k];
    }
    return b;
}

// The currents of the columns (µA for µS and V). Wires without resistance get `tiny`.
std::vector<double> nodal(const std::vector<double> &g, uint32_t rows, uint32_t cols,
                          const Wires &wires, const std::vector<double> &volts,
                          const std::vector<bool> &driven)
{
    const size_t cells = size_t{rows} * cols, n = 2 * cells;
    constexpr double tiny = 1e-5;
    const double row = std::max(wires.row, tiny), col = std::max(wires.col, tiny);
    std::vector<double> a(n * n), b(n);
    const auto resistor = [&](size_t i, size_t j, double conductance) {
        a[i * n + i] += conductance;
        a[j * n + j] += conductance;
        a[i * n + j] -= conductance;
        a[j * n + i] -= conductance;
    };
    const double last = 1 / (wires.sense + col);
    for (uint32_t r = 0; r < rows; r++)
        for (uint32_t c = 0; c < cols; c++) {
            const size_t top = size_t{r} * cols + c, bottom = cells + top;
            resistor(top, bottom, g[top] * 1e-6);
            if (c == 0 && driven[r]) {
                a[top * n + top] += 1 / (wires.driver + row);
                b[top] += volts[r] / (wires.driver + row);
            }
            if (c + 1 < cols) resistor(top, top + 1, 1 / row);
            if (r + 1 < rows)
                resistor(bottom, bottom + cols, 1 / col);
            else
                a[bottom * n + bottom] += last;
        }
    const std::vector<double> v = solve(std::move(a), std::move(b));
    std::vector<double> out(cols);
    for (uint32_t c = 0; c < cols; c++)
        out[c] = v[cells + size_t{rows - 1} * cols + c] * last * 1e6;
    return out;
}

class UnitWires : public testing::Test
{
protected:
    void SetUp() override
    {
        if (!crossbar::have_wires()) GTEST_SKIP() << "this build has no Eigen";
    }
};

} // namespace

TEST_F(UnitWires, GoldenVector)
{
    constexpr uint32_t n = 8;
    constexpr double most = 100, least = 1; // µS: 10 kΩ, 1 MΩ
    std::vector<double> plus(n * n), minus(n * n);
    for (int i = 0; i < 8; i++)
        for (int j = 0; j < 8; j++) {
            const int w = (7 * i + 3 * j + i * j) % 21 - 10;
            plus[j * n + i] = least + std::max(w, 0) / 10.0 * (most - least);
            minus[j * n + i] = least + std::max(-w, 0) / 10.0 * (most - least);
        }
    const Wires wires{.row = 10, .col = 10};
    const auto p = crossbar::effective_conductances(plus, n, n, wires);
    const auto m = crossbar::effective_conductances(minus, n, n, wires);
    constexpr double expected[] = {6.659753829, -3.118414964,  0.866486393, -2.24815631,
                                   -8.46786508, -11.465313171, 6.130107956, 3.326718595};
    for (int i = 0; i < 8; i++) {
        double y = 0;
        for (int j = 0; j < 8; j++)
            y += ((5 * j) % 13 - 6) / 6.0 * (p[j * n + i] - m[j * n + i]);
        EXPECT_NEAR(y * 10 / (most - least), expected[i], 1e-8);
    }
}

TEST_F(UnitWires, RandomArraysAgainstNodalSolve)
{
    std::mt19937_64 random(4);
    const auto between = [&](double least, double most) {
        return least + (most - least) * double(random() >> 11) * 0x1p-53;
    };
    for (int i = 0; i < 40; i++) {
        const auto rows = static_cast<uint32_t>(1 + random() % 9);
        const auto cols = static_cast<uint32_t>(1 + random() % 9);
        // Every kind of wire is left out in some.
        const Wires wires{.row = i & 1 ? between(0.1, 200) : 0,
                          .col = i & 2 ? between(0.1, 200) : 0,
                          .driver = i & 4 ? between(1, 1000) : 0,
                          .sense = i & 8 ? between(1, 1000) : 0};
        std::vector<double> g(size_t{rows} * cols), volts(rows), admittance;
        for (double &x : g)
            x = random() % 5 ? between(1, 300) : 1e-3;
        std::vector<bool> all(rows, true), some(rows);
        for (uint32_t r = 0; r < rows; r++) {
            volts[r] = between(-1, 1);
            some[r] = random() % 2 == 0;
        }
        const auto effective = crossbar::effective_conductances(g, rows, cols, wires, &admittance);
        const auto compare = [&](const std::vector<bool> &driven, std::vector<double> v) {
            const auto expected = nodal(g, rows, cols, wires, v, driven);
            crossbar::float_rows(admittance, driven, v);
            for (uint32_t c = 0; c < cols; c++) {
                double current = 0;
                for (uint32_t r = 0; r < rows; r++)
                    current += effective[size_t{r} * cols + c] * v[r];
                ASSERT_NEAR(current, expected[c], 1e-5 * rows) << "case " << i << ", column " << c;
            }
        };
        compare(all, volts);
        compare(some, volts); // rows that nobody drives float
    }
}

// A unit whose wires matter, by an ideal converter, against the nodal equations of its cells.
TEST_F(UnitWires, UnitIsItsCircuit)
{
    std::mt19937_64 random(6);
    for (const bool gating : {false, true}) {
        UnitCase c;
        c.config.rows = c.config.cols = 8;
        c.config.sign = arch::Sign::Differential;
        c.config.adc_bits = 0;
        c.config.g_on = 100;
        c.config.g_off = 1;
        c.config.r_wire_row = 20;
        c.config.r_wire_col = 30;
        c.config.r_driver = 100;
        c.config.r_sense = 50;
        c.config.row_gating = gating;
        c.shape = {.rows = 8, .cols = 6, .weight_bits = 4, .input_bits = 6, .input_signed = true};
        fill(c, 4, 2, random);
        const auto unit = make_unit(c);
        EXPECT_EQ(unit->path(), MvmUnit::Path::Analog);
        const UnitResult found = run_unit(*unit, c);
        const Wires wires{.row = 20, .col = 30, .driver = 100, .sense = 50};
        for (size_t v = 0; v < 2; v++) {
            std::vector<double> sums(6);
            for (uint32_t a = 0; a < unit->arrays(); a++) {
                std::vector<double> g(48);
                for (uint32_t r = 0; r < 8; r++)
                    for (uint32_t col = 0; col < 6; col++)
                        g[r * 6 + col] = unit->conductance(a, r, col);
                for (uint32_t round = 0; round < 6; round++) {
                    std::vector<double> volts(8);
                    std::vector<bool> driven(8);
                    for (uint32_t r = 0; r < 8; r++) {
                        volts[r] = c.inputs[v * 8 + r] >> round & 1;
                        driven[r] = !gating || volts[r] != 0;
                    }
                    const auto current = nodal(g, 8, 6, wires, volts, driven);
                    const double factor =
                        (a % 2 ? -1 : 1) * std::pow(4, a / 2) * (round == 5 ? -32 : 1 << round);
                    // g_off of both arrays of a pair is taken away alike.
                    for (uint32_t col = 0; col < 6; col++)
                        sums[col] += factor * current[col] / 33;
                }
            }
            for (uint32_t col = 0; col < 6; col++)
                EXPECT_NEAR(double(found.sums[v * 6 + col]), sums[col], 0.51) << gating;
        }
        EXPECT_NE(found.sums, exact_sums(c).sums);
    }
}

} // namespace acc::emu::test
