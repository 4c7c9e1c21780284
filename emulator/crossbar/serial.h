// SPDX-License-Identifier: MIT
//
// What an ADC of too few bits takes away. The fast path computes the exact product; here
// the conversions that clip are found and their excess is subtracted, so that the result is
// the bit-serial machine's: for each array column and each input bit,
//   code = min(sum of the cells in active rows, adc_max).
// Only columns whose largest possible sum exceeds adc_max are kept; sums are popcounts of
// the input bits against the planes of the cells.
#pragma once

#include "emulator/crossbar/config.h"
#include "program/images.h"

#include <cstdint>
#include <span>
#include <vector>

namespace acc::emu::crossbar
{

class ClippingColumns
{
public:
    ClippingColumns() = default;
    // Those of a matrix. Throws nothing but std::bad_alloc.
    ClippingColumns(const program::XbarMatrix &matrix, const Config &config);

    bool empty() const { return columns_.empty(); }
    size_t size() const { return columns_.size(); }
    // Words of scratch that subtract_excess() needs.
    size_t scratch_words() const { return size_t{16} * words_; }

    // The columns [first, last) of the matrix that lie in row block `block`, for one vector:
    // subtracts what the ADCs clip from out[col - first] and returns how many conversions
    // clipped. `inputs` are the rows of the block as raw bits, two's complement if signed.
    uint64_t subtract_excess(uint32_t block, uint32_t first, uint32_t last,
                             std::span<const uint16_t> inputs, uint32_t input_bits,
                             bool input_signed, uint64_t *scratch, int64_t *out) const;

    // Columns kept of a row block, for the caller that paces itself.
    size_t columns_in(uint32_t block) const { return starts_[block + 1] - starts_[block]; }

private:
    struct Column {
        uint32_t col;  // of the matrix
        uint8_t shift; // of the slice
        bool negative; // polarity
        size_t planes; // first word: [cell_bits][words_]
    };

    uint32_t cell_bits_ = 0, adc_max_ = 0;
    uint32_t words_ = 0;          // 64 rows each
    std::vector<Column> columns_; // by row block, then by col
    std::vector<size_t> starts_;  // of row block b in columns_
    std::vector<uint64_t> planes_;
};

} // namespace acc::emu::crossbar
