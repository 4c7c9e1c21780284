// SPDX-License-Identifier: MIT
#include "unit_case.h"

#include <gtest/gtest.h>

#include <cmath>

namespace acc::emu::test
{

using arch::Sign;

int64_t UnitCase::input(size_t vector, uint32_t row) const
{
    const uint32_t bits =
        static_cast<uint16_t>(inputs[vector * shape.rows + row]) & ((1u << shape.input_bits) - 1);
    if (shape.input_signed && bits >> (shape.input_bits - 1) & 1)
        return int64_t{bits} - (int64_t{1} << shape.input_bits);
    return bits;
}

std::string UnitCase::text() const
{
    return std::to_string(shape.rows) + " x " + std::to_string(shape.cols) + " of " +
           std::to_string(shape.weight_bits) + " bits, inputs " + (shape.input_signed ? "s" : "u") +
           std::to_string(shape.input_bits) + ", cells " + std::to_string(config.cell_bits) +
           ", dac " + std::to_string(config.dac_bits) + ", adc " + std::to_string(config.adc_bits) +
           ", sign " + std::string(arch::name_of(config.sign)) + ", g_off " +
           std::to_string(config.g_off);
}

void fill(UnitCase &c, uint32_t style, size_t vectors, std::mt19937_64 &random)
{
    const uint32_t rows = c.shape.rows, cols = c.shape.cols;
    const int32_t least = -(1 << (c.shape.weight_bits - 1)), most = -least - 1;
    c.weights.resize(size_t{rows} * cols);
    c.inputs.resize(vectors * rows);
    const uint32_t ones = (1u << c.shape.input_bits) - 1;
    const uint32_t x_most = c.shape.input_signed ? ones >> 1 : ones;
    const uint32_t x_least = c.shape.input_signed ? (ones >> 1) + 1 : 0;
    for (size_t i = 0; i < c.weights.size(); i++) {
        const size_t row = i / cols, col = i % cols;
        int64_t w = 0;
        switch (style) {
        case 0:
            w = most;
            break;
        case 1:
            w = least;
            break;
        case 2:
            w = (row + col) % 2 ? most : least;
            break;
        case 3:
            w = row == col % rows ? (col % 2 ? least : most) : 0;
            break;
        case 4:
            w = least + static_cast<int64_t>(random() % (2u << (c.shape.weight_bits - 1)));
            break;
        default:
            w = random() % 4 ? most : -1;
            break;
        }
        c.weights[i] = static_cast<int16_t>(w);
    }
    for (size_t i = 0; i < c.inputs.size(); i++) {
        const size_t vector = i / rows, row = i % rows;
        uint32_t x = 0;
        switch (style) {
        case 0:
            x = vector % 2 ? ones : x_most;
            break;
        case 1:
            x = vector % 2 ? x_most : x_least;
            break;
        case 2:
            x = (row + vector) % 2 ? x_most : x_least;
            break;
        case 3:
            x = row == vector % rows ? ones : 0;
            break;
        case 4:
            x = static_cast<uint32_t>(random()) & ones;
            break;
        default:
            x = random() % 3 ? ones : static_cast<uint32_t>(random());
            break; // high bits too
        }
        c.inputs[i] = static_cast<int16_t>(x);
    }
}

UnitResult exact_sums(const UnitCase &c)
{
    UnitResult result;
    result.sums.assign(c.vectors() * c.shape.cols, 0);
    for (size_t v = 0; v < c.vectors(); v++)
        for (uint32_t row = 0; row < c.shape.rows; row++)
            for (uint32_t col = 0; col < c.shape.cols; col++)
                result.sums[v * c.shape.cols + col] +=
                    c.input(v, row) * c.weights[size_t{row} * c.shape.cols + col];
    return result;
}

namespace
{

// The levels of one weight, least slice first, with the factor of each.
struct Slice {
    int64_t factor = 1;
    int64_t level = 0;
};

std::vector<Slice> slices(const Config &config, int64_t weight, uint32_t weight_bits)
{
    std::vector<Slice> out;
    const int64_t base = int64_t{1} << config.cell_bits;
    const auto cut = [&](int64_t value, uint32_t bits, int64_t sign) {
        int64_t factor = sign;
        for (uint32_t done = 0; done < bits; done += config.cell_bits) {
            out.push_back({factor, value % base});
            value /= base;
            factor *= base;
        }
    };
    switch (config.sign) {
    case Sign::Differential:
        cut(weight > 0 ? weight : 0, weight_bits, 1);
        cut(weight < 0 ? -weight : 0, weight_bits, -1);
        break;
    case Sign::Offset:
        cut(weight + (int64_t{1} << (weight_bits - 1)), weight_bits, 1);
        break;
    case Sign::Twos:
        cut(weight < 0 ? weight + (int64_t{1} << (weight_bits - 1)) : weight, weight_bits - 1, 1);
        out.push_back({-(int64_t{1} << (weight_bits - 1)), weight < 0});
        break;
    }
    return out;
}

} // namespace

UnitResult cell_by_cell_unit(const UnitCase &c)
{
    UnitResult result;
    const uint32_t rows = c.shape.rows, cols = c.shape.cols;
    const double ratio = c.config.g_off / ((c.config.g_on - c.config.g_off) / c.config.cell_max());
    const size_t arrays = slices(c.config, 0, c.shape.weight_bits).size();
    const uint32_t plain = c.shape.input_signed ? c.shape.input_bits - 1 : c.shape.input_bits;
    result.sums.assign(c.vectors() * cols, 0);
    for (size_t v = 0; v < c.vectors(); v++) {
        for (uint32_t col = 0; col < cols; col++) {
            int64_t sum = 0;
            for (size_t a = 0; a < arrays; a++) {
                std::vector<Slice> cells;
                for (uint32_t row = 0; row < rows; row++)
                    cells.push_back(slices(c.config, c.weights[size_t{row} * cols + col],
                                           c.shape.weight_bits)[a]);
                const auto convert = [&](uint32_t shift, uint32_t width, int64_t factor) {
                    int64_t current = 0, on = 0;
                    for (uint32_t row = 0; row < rows; row++) {
                        const int64_t digit =
                            static_cast<uint16_t>(c.inputs[v * rows + row]) >> shift &
                            ((1 << width) - 1);
                        current += digit * cells[row].level;
                        on += digit;
                    }
                    // The converter rounds what is there, the digital side what g_off made.
                    const double base = static_cast<double>(on) * ratio;
                    const auto offset = static_cast<int64_t>(std::floor(base + 0.5));
                    int64_t code = current + offset;
                    const int64_t top = (int64_t{1} << c.config.adc_bits) - 1;
                    if (c.config.adc_bits && code > top) {
                        code = top;
                        result.counts.clipped++;
                    }
                    sum += (code - offset) * factor * cells[0].factor;
                };
                for (uint32_t shift = 0; shift < plain; shift += c.config.dac_bits)
                    convert(shift, std::min(c.config.dac_bits, plain - shift), int64_t{1} << shift);
                if (c.shape.input_signed) convert(plain, 1, -(int64_t{1} << plain));
            }
            if (c.config.sign == Sign::Offset)
                for (uint32_t row = 0; row < rows; row++)
                    sum -= c.input(v, row) * (int64_t{1} << (c.shape.weight_bits - 1));
            result.sums[v * cols + col] = sum;
        }
    }
    return result;
}

uint32_t enough_adc_bits(const Config &config)
{
    const double unit = (config.g_on - config.g_off) / config.cell_max();
    const double most =
        std::ceil(config.rows * ((1u << config.dac_bits) - 1.0) * config.g_on / unit - 1e-9);
    uint32_t bits = 0;
    while (std::ldexp(1.0, static_cast<int>(bits)) < most + 1)
        bits++;
    return bits;
}

std::unique_ptr<MvmUnit> make_unit(const UnitCase &c, uint64_t first_array)
{
    std::string why;
    auto unit = MvmUnit::create(c.config, c.shape, first_array, why);
    if (!unit) {
        ADD_FAILURE() << why;
        return nullptr;
    }
    const auto report = (*unit)->program(c.weights, nullptr, why);
    EXPECT_TRUE(report) << why;
    return std::move(*unit);
}

UnitResult run_unit(const MvmUnit &unit, const UnitCase &c, uint64_t event)
{
    UnitResult result;
    result.sums.resize(c.vectors() * c.shape.cols);
    const auto scratch = MvmUnit::make_scratch();
    unit.run(c.inputs.data(), c.vectors(), result.sums.data(), event, *scratch, result.counts);
    return result;
}

} // namespace acc::emu::test
