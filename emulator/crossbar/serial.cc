// SPDX-License-Identifier: MIT
#include "emulator/crossbar/serial.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>

namespace acc::emu::crossbar
{
namespace
{

// Rounds that may clip, side by side in lanes. A lane without a round is all zero.
constexpr uint32_t kLanes = 8;
struct Rounds {
    uint64_t adc_max = 0;
    int64_t scale[kLanes] = {};       // of the input bit: 2^b, negative for a sign
    const uint64_t *active = nullptr; // [words][kLanes], rows that are on
};

// The excess of one column over all rounds, scaled by them; `clipped` counts conversions.
using Excess = int64_t (*)(const uint64_t *planes, uint32_t cell_bits, uint32_t words,
                           const Rounds &rounds, uint64_t &clipped);

// Plain loops over a fixed number of lanes, compiled once for each kind of processor.
[[gnu::always_inline]] inline int64_t excess_of(const uint64_t *planes, uint32_t cell_bits,
                                                uint32_t words, const Rounds &rounds,
                                                uint64_t &clipped)
{
    uint64_t sums[kLanes] = {};
    for (uint32_t c = 0; c < cell_bits; c++)
        for (uint32_t w = 0; w < words; w++) {
            const uint64_t cells = planes[c * words + w];
            const uint64_t *active = rounds.active + w * kLanes;
            for (uint32_t l = 0; l < kLanes; l++)
                sums[l] += static_cast<uint64_t>(__builtin_popcountll(cells & active[l])) << c;
        }
    int64_t excess = 0;
    uint64_t count = 0;
    for (uint32_t l = 0; l < kLanes; l++) {
        const uint64_t over = sums[l] > rounds.adc_max ? sums[l] - rounds.adc_max : 0;
        excess += static_cast<int64_t>(over) * rounds.scale[l];
        count += over != 0;
    }
    clipped += count;
    return excess;
}

int64_t excess_portable(const uint64_t *planes, uint32_t cell_bits, uint32_t words,
                        const Rounds &rounds, uint64_t &clipped)
{
    return excess_of(planes, cell_bits, words, rounds, clipped);
}

#if defined(__x86_64__)
[[gnu::target("popcnt")]] int64_t excess_popcnt(const uint64_t *planes, uint32_t cell_bits,
                                                uint32_t words, const Rounds &rounds,
                                                uint64_t &clipped)
{
    return excess_of(planes, cell_bits, words, rounds, clipped);
}

[[gnu::target("popcnt,avx512f,avx512vl,avx512dq,avx512vpopcntdq")]] int64_t
excess_avx512(const uint64_t *planes, uint32_t cell_bits, uint32_t words, const Rounds &rounds,
              uint64_t &clipped)
{
    return excess_of(planes, cell_bits, words, rounds, clipped);
}
#endif

Excess best_excess()
{
#if defined(__x86_64__)
    if (__builtin_cpu_supports("avx512vpopcntdq") && __builtin_cpu_supports("avx512vl") &&
        __builtin_cpu_supports("avx512dq"))
        return excess_avx512;
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
    // A round with few active rows cannot clip anywhere: only the others get a lane.
    uint32_t active[16] = {};
    for (const uint16_t input : inputs)
        for (uint32_t b = 0; b < input_bits; b++)
            active[b] += (input >> b) & 1u;
    Rounds groups[16 / kLanes];
    uint8_t bit_of[16];
    uint32_t hot = 0;
    for (uint32_t b = 0; b < input_bits; b++) {
        if (uint64_t{active[b]} * ((1u << cell_bits_) - 1) <= adc_max_) continue;
        const bool sign = input_signed && b == input_bits - 1;
        groups[hot / kLanes].scale[hot % kLanes] = (sign ? -1 : 1) * (int64_t{1} << b);
        bit_of[hot++] = static_cast<uint8_t>(b);
    }
    if (hot == 0) return 0;
    const uint32_t used = (hot + kLanes - 1) / kLanes;
    for (uint32_t g = 0; g < used; g++) {
        groups[g].adc_max = adc_max_;
        groups[g].active = scratch + size_t{g} * words_ * kLanes;
    }
    std::memset(scratch, 0, sizeof(uint64_t) * used * words_ * kLanes);
    for (size_t row = 0; row < inputs.size(); row++)
        for (uint32_t l = 0; l < hot; l++)
            scratch[(l / kLanes * words_ + row / 64) * kLanes + l % kLanes] |=
                uint64_t{(inputs[row] >> bit_of[l]) & 1u} << (row % 64);

    static const Excess column_excess = best_excess();
    const auto begin = columns_.begin() + static_cast<ptrdiff_t>(starts_[block]);
    const auto end = columns_.begin() + static_cast<ptrdiff_t>(starts_[block + 1]);
    uint64_t clipped = 0;
    for (auto column = std::lower_bound(begin, end, first,
                                        [](const Column &c, uint32_t col) { return c.col < col; });
         column != end && column->col < last; ++column) {
        int64_t excess = 0;
        for (uint32_t g = 0; g < used; g++)
            excess += column_excess(planes_.data() + column->planes, cell_bits_, words_, groups[g],
                                    clipped);
        const int64_t scaled = excess * (int64_t{1} << column->shift);
        out[column->col - first] += column->negative ? scaled : -scaled;
    }
    return clipped;
}

} // namespace acc::emu::crossbar
