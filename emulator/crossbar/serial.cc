// SPDX-License-Identifier: MIT
#include "emulator/crossbar/serial.h"

#include <algorithm>
#include <bit>
#include <cstdlib>
#include <cstring>

namespace acc::emu::crossbar
{
namespace
{

// Everything one column needs; plain, so that the loop can be compiled twice.
struct ColumnSum {
    const uint64_t *planes;
    uint32_t cell_bits, words;
};

[[gnu::always_inline]] inline uint64_t sum_of(const ColumnSum &column, const uint64_t *active)
{
    uint64_t sum = 0;
    for (uint32_t c = 0; c < column.cell_bits; c++) {
        uint64_t ones = 0;
        for (uint32_t w = 0; w < column.words; w++)
            ones += static_cast<uint64_t>(
                __builtin_popcountll(column.planes[c * column.words + w] & active[w]));
        sum += ones << c;
    }
    return sum;
}

// The excess of one column over all rounds that can clip: `hot` lists those input bits.
// Returns the excess weighted by the input bits; `clipped` counts conversions.
[[gnu::always_inline]] inline int64_t column_excess(const ColumnSum &column, const uint64_t *bits,
                                                    std::span<const uint8_t> hot, uint32_t msb,
                                                    uint64_t adc_max, uint64_t &clipped)
{
    int64_t excess = 0;
    for (const uint8_t b : hot) {
        const uint64_t sum = sum_of(column, bits + size_t{b} * column.words);
        if (sum <= adc_max) continue;
        clipped++;
        const int64_t over = static_cast<int64_t>(sum - adc_max) << b;
        excess += b == msb ? -over : over;
    }
    return excess;
}

int64_t excess_portable(const ColumnSum &column, const uint64_t *bits, std::span<const uint8_t> hot,
                        uint32_t msb, uint64_t adc_max, uint64_t &clipped)
{
    return column_excess(column, bits, hot, msb, adc_max, clipped);
}

#if defined(__x86_64__)
[[gnu::target("popcnt")]] int64_t excess_popcnt(const ColumnSum &column, const uint64_t *bits,
                                                std::span<const uint8_t> hot, uint32_t msb,
                                                uint64_t adc_max, uint64_t &clipped)
{
    return column_excess(column, bits, hot, msb, adc_max, clipped);
}
#endif

auto best_excess()
{
#if defined(__x86_64__)
    if (__builtin_cpu_supports("popcnt")) return excess_popcnt;
#endif
    return excess_portable;
}

} // namespace

ClippingColumns::ClippingColumns(const program::XbarMatrix &matrix, const Config &config)
    : cell_bits_(config.cell_bits), adc_max_(config.adc_max()), words_((config.rows + 63) / 64)
{
    const uint32_t rows = matrix.desc.rows, cols = matrix.desc.cols;
    const uint32_t slices = config.slices(matrix.desc.weight_bits);
    const uint32_t blocks = (rows + config.rows - 1) / config.rows;
    // No column of so few rows and levels can exceed the range: the usual case.
    if (uint64_t{std::min(rows, config.rows)} * config.cell_max() <= adc_max_) return;

    std::vector<uint64_t> sums(size_t{slices} * 2);
    for (uint32_t block = 0; block < blocks; block++) {
        starts_.push_back(columns_.size());
        const uint32_t begin = block * config.rows, end = std::min(rows, begin + config.rows);
        for (uint32_t col = 0; col < cols; col++) {
            std::fill(sums.begin(), sums.end(), 0);
            for (uint32_t row = begin; row < end; row++) {
                const int32_t weight = matrix.weight(row, col);
                const uint32_t magnitude = static_cast<uint32_t>(std::abs(weight));
                for (uint32_t s = 0; s < slices; s++)
                    sums[2 * s + (weight < 0)] +=
                        (magnitude >> (s * cell_bits_)) & config.cell_max();
            }
            for (uint32_t i = 0; i < 2 * slices; i++) {
                if (sums[i] <= adc_max_) continue;
                const bool negative = i & 1;
                const uint32_t shift = i / 2 * cell_bits_;
                columns_.push_back({col, static_cast<uint8_t>(shift), negative, planes_.size()});
                planes_.resize(planes_.size() + size_t{cell_bits_} * words_);
                uint64_t *planes = planes_.data() + columns_.back().planes;
                for (uint32_t row = begin; row < end; row++) {
                    const int32_t weight = matrix.weight(row, col);
                    if ((weight < 0) != negative) continue;
                    const uint32_t cell =
                        (static_cast<uint32_t>(std::abs(weight)) >> shift) & config.cell_max();
                    for (uint32_t c = 0; c < cell_bits_; c++)
                        planes[c * words_ + (row - begin) / 64] |= uint64_t{(cell >> c) & 1}
                                                                   << ((row - begin) % 64);
                }
            }
        }
    }
    starts_.push_back(columns_.size());
}

uint64_t ClippingColumns::subtract_excess(uint32_t block, uint32_t first, uint32_t last,
                                          std::span<const uint16_t> inputs, uint32_t input_bits,
                                          bool input_signed, uint64_t *scratch, int64_t *out) const
{
    static const auto excess_of = best_excess();
    std::memset(scratch, 0, sizeof(uint64_t) * input_bits * words_);
    for (size_t row = 0; row < inputs.size(); row++)
        for (uint32_t b = 0; b < input_bits; b++)
            scratch[b * words_ + row / 64] |= uint64_t{(inputs[row] >> b) & 1u} << (row % 64);

    // A round with few active rows cannot clip anywhere.
    uint8_t hot[16];
    size_t hots = 0;
    for (uint32_t b = 0; b < input_bits; b++) {
        uint64_t active = 0;
        for (uint32_t w = 0; w < words_; w++)
            active += static_cast<uint64_t>(std::popcount(scratch[b * words_ + w]));
        if (active * ((1u << cell_bits_) - 1) > adc_max_) hot[hots++] = static_cast<uint8_t>(b);
    }
    if (hots == 0) return 0;

    const uint32_t msb = input_signed ? input_bits - 1 : 16; // 16: no bit counts negative
    const auto begin = columns_.begin() + static_cast<ptrdiff_t>(starts_[block]);
    const auto end = columns_.begin() + static_cast<ptrdiff_t>(starts_[block + 1]);
    uint64_t clipped = 0;
    for (auto column = std::lower_bound(begin, end, first,
                                        [](const Column &c, uint32_t col) { return c.col < col; });
         column != end && column->col < last; ++column) {
        const int64_t excess = excess_of({planes_.data() + column->planes, cell_bits_, words_},
                                         scratch, {hot, hots}, msb, adc_max_, clipped);
        const int64_t scaled = excess * (int64_t{1} << column->shift);
        out[column->col - first] += column->negative ? scaled : -scaled;
    }
    return clipped;
}

} // namespace acc::emu::crossbar
