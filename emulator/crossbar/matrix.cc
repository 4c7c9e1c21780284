// SPDX-License-Identifier: MIT
#include "emulator/crossbar/matrix.h"

#include "emulator/crossbar/costs.h"
#include "emulator/crossbar/device_models.h"

#include <algorithm>
#include <limits>
#include <new>

namespace acc::emu::crossbar
{
namespace
{

// Two's complement bits that hold [least, most].
uint32_t bits_for(int64_t least, int64_t most)
{
    uint32_t bits = 1;
    while (least < -(int64_t{1} << (bits - 1)) || most > (int64_t{1} << (bits - 1)) - 1)
        bits++;
    return bits;
}

} // namespace

std::string Matrix::check_outputs(const program::XbarMatrix &source) const
{
    if (output_bytes_ == 8) return {}; // 2^20 rows of 2^15 * 2^16 stay below 2^52
    // Inputs lie in [-in_low, in_high]. A column's output is largest where positive weights
    // meet in_high and negative ones -in_low; clipping can only make the parts smaller.
    const int64_t in_high = (int64_t{1} << (input_bits_ - (input_signed_ ? 1 : 0))) - 1;
    const int64_t in_low = input_signed_ ? int64_t{1} << (input_bits_ - 1) : 0;
    std::vector<int64_t> plus(cols_), minus(cols_);
    for (uint32_t row = 0; row < rows_; row++) {
        for (uint32_t col = 0; col < cols_; col++) {
            const int32_t w = source.weight(row, col);
            (w < 0 ? minus : plus)[col] += w < 0 ? -w : w;
        }
    }
    int64_t least = 0, most = 0;
    for (uint32_t col = 0; col < cols_; col++) {
        most = std::max(most, plus[col] * in_high + minus[col] * in_low);
        least = std::min(least, -minus[col] * in_high - plus[col] * in_low);
    }
    if (least >= std::numeric_limits<int32_t>::min() && most <= std::numeric_limits<int32_t>::max())
        return {};
    return "expected output_bytes 8, for outputs can need " +
           std::to_string(bits_for(least, most)) + " bits; found output_bytes 4";
}

void Matrix::choose_kernel_limits(uint32_t weight_bits)
{
    constexpr int64_t limit = std::numeric_limits<int32_t>::max();
    const int64_t weight = int64_t{1} << (weight_bits - 1);
    // A whole input fits an int16, and many products of it an int32?
    const int64_t whole = int64_t{1} << (input_signed_ ? input_bits_ - 1 : input_bits_);
    const bool fits = input_bits_ + (input_signed_ ? 0 : 1) <= 16;
    split_input_ = !fits || limit / (whole * weight) < 128;
    const int64_t input = split_input_ ? 256 : whole;
    // 256 pairs of a panel are 16 KiB: they stay in the first cache while vectors pass.
    max_pairs_ = static_cast<uint32_t>(std::clamp<int64_t>(limit / (input * weight) / 2, 1, 256));
}

void Matrix::pack(const program::XbarMatrix &source)
{
    const size_t elements = size_t{panels()} * pairs() * kPanelPairElements;
    packed_.reset(
        static_cast<int16_t *>(::operator new[](elements * sizeof(int16_t), std::align_val_t{64})));
    std::fill_n(packed_.get(), elements, int16_t{0});
    for (uint32_t row = 0; row < rows_; row++) {
        for (uint32_t col = 0; col < cols_; col++) {
            int16_t *panel =
                packed_.get() + size_t{col / kPanelCols} * pairs() * kPanelPairElements;
            panel[row / 2 * kPanelPairElements + col % kPanelCols * 2 + row % 2] =
                static_cast<int16_t>(source.weight(row, col));
        }
    }
}

void Matrix::price(const Config &config)
{
    const PulseEstimate pulses = expected_pulses(config, std::min(cols_, config.cols));
    // Blocks are full but for the last of each direction.
    const uint32_t col_blocks = (cols_ + config.cols - 1) / config.cols;
    for (uint32_t rb = 0; rb < row_blocks_; rb++) {
        for (uint32_t cb = 0; cb < col_blocks; cb++) {
            const ArrayUse use{
                .rows = std::min(config.rows, rows_ - rb * config.rows),
                .cols = std::min(config.cols, cols_ - cb * config.cols),
                .arrays = config.arrays_of_weight(weight_bits_),
                .input_bits = input_bits_,
                .adc_bits = config.priced_adc_bits(),
                .dac_bits = config.dac_bits,
                .adcs = config.adcs_per_array,
            };
            vector_ns_ = std::max(vector_ns_, mvm_ns(use, config.costs)); // in parallel
            vector_pj_ += mvm_pj(use, config.costs);
            // One by one, each row as often as its slowest cell needs.
            program_ns_ += use.arrays * crossbar::program_ns(use.rows, config.costs) * pulses.row;
            program_pj_ +=
                use.arrays * crossbar::program_pj(use.rows, use.cols, config.costs) * pulses.cell;
            conversions_ += uint64_t{use.arrays} * use.cols * input_bits_;
        }
    }
    vector_ns_ += reduce_ns(row_blocks_, std::min(cols_, config.cols), config.costs);
    vector_pj_ += reduce_pj(row_blocks_, cols_, config.costs);
}

Result<std::unique_ptr<Matrix>> Matrix::create(const program::XbarMatrix &source,
                                               const Config &config, std::string &why)
{
    std::unique_ptr<Matrix> matrix(new Matrix);
    matrix->rows_ = source.desc.rows;
    matrix->cols_ = source.desc.cols;
    matrix->weight_bits_ = source.desc.weight_bits;
    matrix->input_bits_ = source.desc.input_bits;
    matrix->input_signed_ = source.desc.flags & ACC_XBAR_INPUT_SIGNED;
    matrix->output_bytes_ = source.desc.output_bytes;
    matrix->block_rows_ = config.rows;
    matrix->row_blocks_ = (matrix->rows_ + config.rows - 1) / config.rows;
    matrix->arrays_ = config.arrays_of(source.desc);
    if (std::string text = matrix->check_outputs(source); !text.empty()) {
        why = std::move(text);
        return Error{-EINVAL};
    }
    matrix->choose_kernel_limits(source.desc.weight_bits);
    matrix->pack(source);
    matrix->price(config);
    if (config.ideal() && !config.timing_only) matrix->clipping_ = ClippingColumns(source, config);
    return matrix;
}

} // namespace acc::emu::crossbar
