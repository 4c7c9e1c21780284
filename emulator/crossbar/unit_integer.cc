// SPDX-License-Identifier: MIT
//
// Ideal cells: currents are whole numbers of unit currents. Where no conversion can clip the
// machine is the integer product; else every conversion is evaluated, in bytes.
#include "emulator/crossbar/unit_impl.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <limits>
#include <memory>
#include <mutex>

namespace acc::emu::crossbar
{
namespace
{

constexpr uint32_t kIndexBits = 4, kPackedBits = 8;

// Rows that a table takes: their digits fit four bits, their cells eight.
uint32_t rows_per_group(uint32_t dac_bits, uint32_t cell_bits)
{
    return std::min(kIndexBits / dac_bits, kPackedBits / cell_bits);
}

struct alignas(64) ClipTable {
    uint8_t sums[256][16];
};

// Shared by all units, and built when the first one needs it.
const ClipTable &clip_table(uint32_t dac_bits, uint32_t cell_bits)
{
    static std::array<std::once_flag, 64> once;
    static std::array<std::unique_ptr<ClipTable>, 64> made;
    const size_t at = (dac_bits - 1) * 8 + cell_bits - 1; // dac_bits <= 4
    std::call_once(once[at], [&] {
        auto table = std::make_unique<ClipTable>();
        const uint32_t rows = rows_per_group(dac_bits, cell_bits);
        for (uint32_t cells = 0; cells < 256; cells++) {
            for (uint32_t digits = 0; digits < 16; digits++) {
                uint32_t sum = 0;
                for (uint32_t i = 0; i < rows; i++)
                    sum += (cells >> i * cell_bits & ((1u << cell_bits) - 1)) *
                           (digits >> i * dac_bits & ((1u << dac_bits) - 1));
                table->sums[cells][digits] = static_cast<uint8_t>(sum);
            }
        }
        made[at] = std::move(table);
    });
    return *made[at];
}

// The bits of a byte as the low bits of eight.
constexpr std::array<uint64_t, 256> kSpread = [] {
    std::array<uint64_t, 256> spread{};
    for (uint32_t byte = 0; byte < 256; byte++)
        for (uint32_t bit = 0; bit < 8; bit++)
            spread[byte] |= uint64_t{byte >> bit & 1} << (8 * bit);
    return spread;
}();

} // namespace

// --- Exact
// -----------------------------------------------------------------------------------------

void MvmUnit::Impl::build_exact()
{
    // Products of whole inputs, if 128 pairs of them fit an int32.
    const int64_t weight = int64_t{1} << 15;
    const int64_t input = int64_t{1} << (shape.input_bits - (shape.input_signed ? 1 : 0));
    split = (!shape.input_signed && shape.input_bits == 16) ||
            input * weight * shape.rows > std::numeric_limits<int32_t>::max();
    max_pairs = split ? 127 : pairs(); // 254 * 255 * 2^15 < 2^31

    const bool biased = config.sign == arch::Sign::Offset;
    panels.assign(size_t{col_blocks()} * pairs() * 32, 0);
    std::vector<uint8_t> held(shape.cols);
    std::vector<int32_t> row_weights(shape.cols);
    for (uint32_t row = 0; row < shape.rows; row++) {
        if (stuck) {
            std::fill(row_weights.begin(), row_weights.end(),
                      biased ? -(1 << (shape.weight_bits - 1)) : 0);
            for (uint32_t a = 0; a < parts.size(); a++) {
                held_levels(a, row, held);
                for (uint32_t col = 0; col < shape.cols; col++)
                    row_weights[col] += (parts[a].minus ? -1 : 1) * (held[col] << parts[a].shift);
            }
        } else {
            std::copy_n(weights.data() + size_t{row} * shape.cols, shape.cols, row_weights.begin());
        }
        for (uint32_t col = 0; col < shape.cols; col++)
            panels[(size_t{col / 16} * pairs() + row / 2) * 32 + col % 16 * 2 + row % 2] =
                static_cast<int16_t>(row_weights[col]);
    }
}

void MvmUnit::Impl::run_exact(const int16_t *x, int64_t *sums, Scratch &scratch) const
{
    const size_t stride = size_t{pairs()} * 2;
    scratch.planes.resize(2 * stride);
    int16_t *low = scratch.planes.data(), *high = low + stride;
    low[stride - 1] = high[stride - 1] = 0;
    for (uint32_t row = 0; row < shape.rows; row++) {
        const int32_t v = value(x[row]);
        low[row] = static_cast<int16_t>(split ? v & 0xff : v);
        high[row] = static_cast<int16_t>(v >> 8);
    }
    std::fill_n(sums, shape.cols, 0);
    alignas(64) int32_t part[kLaneCols];
    for (uint32_t block = 0; block < col_blocks(); block++) {
        const int16_t *panel = panels.data() + size_t{block} * pairs() * 32;
        const uint32_t cols = std::min(kLaneCols, shape.cols - block * kLaneCols);
        int64_t *out = sums + size_t{block} * kLaneCols;
        for (uint32_t pair = 0; pair < pairs(); pair += max_pairs) {
            const uint32_t count = std::min(max_pairs, pairs() - pair);
            product16(low + 2 * pair, panel + size_t{pair} * 32, count, part);
            for (uint32_t c = 0; c < cols; c++)
                out[c] += part[c];
            if (!split) continue;
            product16(high + 2 * pair, panel + size_t{pair} * 32, count, part);
            for (uint32_t c = 0; c < cols; c++)
                out[c] += int64_t{part[c]} * 256;
        }
    }
}

// --- Every conversion
// ----------------------------------------------------------------------------------

void MvmUnit::Impl::build_clip()
{
    const uint32_t v = config.dac_bits, c = config.cell_bits;
    per_group = v <= kIndexBits ? rows_per_group(v, c) : 0;
    const uint64_t group_most = uint64_t{per_group} * digit_max() * config.cell_max();
    const uint64_t most = uint64_t{shape.rows} * digit_max() * config.cell_max();
    const uint64_t code_most = std::min<uint64_t>(most, config.adc_max());
    // The last eight rounds are weighted relative to the first of them, in 16 bits.
    high_shift = plan.count > 8 ? plan.shifts[8] : 0;
    bool narrow = true;
    int64_t all = 0;
    for (uint32_t r = 0; r < kLaneRounds; r++) {
        const int64_t weight =
            r < plan.count ? plan.weights[r] / (int64_t{1} << (r < 8 ? 0 : high_shift)) : 0;
        narrow = narrow && weight >= INT16_MIN && weight <= INT16_MAX;
        round_weights[r] = static_cast<int16_t>(weight);
        if (r < plan.count) all += std::abs(plan.weights[r]);
    }
    tables = per_group && group_most <= 255 && most <= UINT16_MAX && code_most <= INT16_MAX &&
             narrow && all * static_cast<int64_t>(code_most) <= std::numeric_limits<int32_t>::max();

    std::vector<uint8_t> row_levels_(shape.cols);
    if (!tables) {
        levels.assign(size_t{parts.size()} * shape.cols * shape.rows, 0);
        for (uint32_t a = 0; a < parts.size(); a++)
            for (uint32_t row = 0; row < shape.rows; row++) {
                held_levels(a, row, row_levels_);
                for (uint32_t col = 0; col < shape.cols; col++)
                    levels[(size_t{a} * shape.cols + col) * shape.rows + row] = row_levels_[col];
            }
        return;
    }
    table = clip_table(v, c).sums[0];
    groups = (shape.rows + per_group - 1) / per_group;
    flush = group_most ? static_cast<uint32_t>(255 / group_most) : groups;
    packed.assign(size_t{parts.size()} * col_blocks() * groups * kLaneCols, 0);
    for (uint32_t a = 0; a < parts.size(); a++) {
        for (uint32_t row = 0; row < shape.rows; row++) {
            held_levels(a, row, row_levels_);
            for (uint32_t col = 0; col < shape.cols; col++)
                packed[((size_t{a} * col_blocks() + col / kLaneCols) * groups + row / per_group) *
                           kLaneCols +
                       col % kLaneCols] |=
                    static_cast<uint8_t>(row_levels_[col] << row % per_group * c);
        }
    }
}

// The largest sum of a round that doesn't clip. What all rows' g_off make of the round is in
// the current too; the digital side takes it away again, rounded as the converter does.
void MvmUnit::Impl::clip_limits(const int16_t *x, std::array<int64_t, kLaneRounds> &limits) const
{
    const double ratio = rho();
    for (uint32_t r = 0; r < plan.count; r++) {
        int64_t base = 0;
        if (ratio > 0) {
            uint64_t on = 0;
            for (uint32_t row = 0; row < shape.rows; row++)
                on += digit(x[row], r);
            base = static_cast<int64_t>(std::floor(static_cast<double>(on) * ratio + 0.5));
        }
        limits[r] = int64_t{config.adc_max()} - base;
    }
}

void MvmUnit::Impl::clip_scalar(const int16_t *x, int64_t *sums, UnitCounts &counts) const
{
    std::array<int64_t, kLaneRounds> limits{};
    clip_limits(x, limits);
    std::vector<uint32_t> digits(size_t{plan.count} * shape.rows);
    for (uint32_t r = 0; r < plan.count; r++)
        for (uint32_t row = 0; row < shape.rows; row++)
            digits[size_t{r} * shape.rows + row] = digit(x[row], r);
    std::fill_n(sums, shape.cols, -bias(x));
    for (uint32_t a = 0; a < parts.size(); a++) {
        for (uint32_t col = 0; col < shape.cols; col++) {
            const uint8_t *cell = levels.data() + (size_t{a} * shape.cols + col) * shape.rows;
            int64_t total = 0;
            for (uint32_t r = 0; r < plan.count; r++) {
                const uint32_t *d = digits.data() + size_t{r} * shape.rows;
                int64_t current = 0;
                for (uint32_t row = 0; row < shape.rows; row++)
                    current += int64_t{cell[row]} * d[row];
                if (config.adc_bits && current > limits[r]) {
                    counts.clipped++;
                    current = limits[r];
                }
                total += current * plan.weights[r];
            }
            total *= int64_t{1} << parts[a].shift;
            sums[col] += parts[a].minus ? -total : total;
        }
    }
}

void MvmUnit::Impl::index_vector(const int16_t *x, size_t vector, size_t lanes,
                                 uint8_t *index) const
{
    const auto used = static_cast<uint32_t>((1u << shape.input_bits) - 1);
    for (uint32_t g = 0; g < groups; g++) {
        uint8_t *out = index + (g * lanes + vector) * kLaneRounds;
        const uint32_t first = g * per_group, rows = std::min(per_group, shape.rows - first);
        if (config.dac_bits == 1) {
            uint64_t low = 0, high = 0;
            for (uint32_t i = 0; i < rows; i++) {
                const uint32_t bits = static_cast<uint16_t>(x[first + i]) & used;
                low |= kSpread[bits & 0xff] << i;
                high |= kSpread[bits >> 8] << i;
            }
            std::memcpy(out, &low, 8);
            std::memcpy(out + 8, &high, 8);
        } else {
            std::memset(out, 0, kLaneRounds);
            for (uint32_t r = 0; r < plan.count; r++)
                for (uint32_t i = 0; i < rows; i++)
                    out[r] |= static_cast<uint8_t>(digit(x[first + i], r) << i * config.dac_bits);
        }
    }
}

// False: a limit lies outside what bytes can do; nothing was written.
bool MvmUnit::Impl::clip_tables(const int16_t *x, size_t vectors, size_t lanes, int64_t *sums,
                                Scratch &scratch, UnitCounts &counts) const
{
    const size_t cols = size_t{col_blocks()} * kLaneCols;
    scratch.limits.assign(lanes * kLaneRounds, UINT16_MAX);
    std::array<int64_t, kLaneRounds> limits{};
    for (size_t v = 0; v < vectors; v++) {
        clip_limits(x + v * shape.rows, limits);
        for (uint32_t r = 0; r < plan.count; r++) {
            if (limits[r] < 0) return false;
            scratch.limits[(r / 8 * lanes + v) * 8 + r % 8] =
                static_cast<uint16_t>(std::min<int64_t>(limits[r], UINT16_MAX));
        }
    }
    scratch.index.resize(size_t{groups} * lanes * kLaneRounds);
    if (vectors < lanes) std::fill(scratch.index.begin(), scratch.index.end(), uint8_t{0});
    for (size_t v = 0; v < vectors; v++)
        index_vector(x + v * shape.rows, v, lanes, scratch.index.data());
    scratch.sums32.resize(lanes * parts.size() * cols);
    ClipJob job{.packed = packed.data(),
                .tables = table,
                .arrays = static_cast<uint32_t>(parts.size()),
                .col_blocks = col_blocks(),
                .groups = groups,
                .flush = flush,
                .bit_by_two = config.dac_bits == 1 && config.cell_bits == 2,
                .vectors = static_cast<uint32_t>(lanes),
                .index = scratch.index.data(),
                .limits = scratch.limits.data(),
                .weights = round_weights.data(),
                .high_shift = high_shift,
                .sums = scratch.sums32.data(),
                .clipped = 0};
    clip(job);
    counts.clipped += job.clipped;
    for (size_t v = 0; v < vectors; v++) {
        int64_t *out = sums + v * shape.cols;
        std::fill_n(out, shape.cols, -bias(x + v * shape.rows));
        for (uint32_t a = 0; a < parts.size(); a++) {
            const int32_t *in = scratch.sums32.data() + (v * parts.size() + a) * cols;
            const int64_t scale = (parts[a].minus ? -1 : 1) * (int64_t{1} << parts[a].shift);
            for (uint32_t col = 0; col < shape.cols; col++)
                out[col] += in[col] * scale;
        }
    }
    return true;
}

void MvmUnit::Impl::run_clip(const int16_t *x, size_t vectors, int64_t *sums, Scratch &scratch,
                             UnitCounts &counts) const
{
    const size_t lanes = clip_vectors();
    for (size_t v = 0; v < vectors;) {
        const size_t left = vectors - v, n = left > 1 ? std::min(left, lanes) : 1;
        const int16_t *in = x + v * shape.rows;
        int64_t *out = sums + v * shape.cols;
        if (!tables || !clip_tables(in, n, n > 1 ? lanes : 1, out, scratch, counts))
            for (size_t i = 0; i < n; i++)
                clip_scalar(in + i * shape.rows, out + i * shape.cols, counts);
        v += n;
    }
}

} // namespace acc::emu::crossbar
