// SPDX-License-Identifier: MIT
//
// A weight matrix as it lies in the arrays: split into row blocks, column blocks, slices
// and two polarities. Weight W = P - M with P = max(W, 0) and M = max(-W, 0); slice s of
// either holds bits [s * cell_bits, (s + 1) * cell_bits) of the magnitude in its cells.
//
// Immutable once created; any number of threads may multiply with it.
#pragma once

#include "common/result.h"
#include "emulator/crossbar/config.h"
#include "emulator/crossbar/gemm.h"
#include "emulator/crossbar/serial.h"
#include "program/images.h"

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace acc::emu::crossbar
{

class Matrix
{
public:
    // -EINVAL when outputs could leave output_bytes: `why` names the bits they need.
    static Result<std::unique_ptr<Matrix>> create(const program::XbarMatrix &source,
                                                  const Config &config, std::string &why);

    uint32_t rows() const { return rows_; }
    uint32_t cols() const { return cols_; }
    uint32_t weight_bits() const { return weight_bits_; }
    int16_t weight(uint32_t row, uint32_t col) const
    {
        return panel(col /
                     kPanelCols)[row / 2 * kPanelPairElements + col % kPanelCols * 2 + row % 2];
    }
    uint32_t input_bits() const { return input_bits_; }
    bool input_signed() const { return input_signed_; }
    uint32_t input_bytes() const { return input_bits_ <= 8 ? 1 : 2; }
    uint32_t output_bytes() const { return output_bytes_; }

    uint32_t row_blocks() const { return row_blocks_; }
    uint32_t block_rows() const { return block_rows_; } // of all but the last
    uint64_t arrays() const { return arrays_; }

    // Modelled, of one vector and of programming the whole matrix.
    double vector_ns() const { return vector_ns_; }
    double vector_pj() const { return vector_pj_; }
    double program_ns() const { return program_ns_; }
    double program_pj() const { return program_pj_; }
    uint64_t conversions() const { return conversions_; } // of one vector, 1-bit DACs

    // Packed weights of panel p (columns 16 p …), rows padded with zeros to an even number.
    uint32_t panels() const { return (cols_ + kPanelCols - 1) / kPanelCols; }
    uint32_t pairs() const { return (rows_ + 1) / 2; }
    const int16_t *panel(uint32_t p) const
    {
        return packed_.get() + size_t{p} * pairs() * kPanelPairElements;
    }
    // Inputs are split into planes of 8 bits where a plain int16 would not fit or would
    // overflow too soon; a kernel call may sum up at most max_pairs().
    bool split_input() const { return split_input_; }
    uint32_t max_pairs() const { return max_pairs_; }

    // Columns whose sum some input can push beyond the ADC's range. Empty: always exact.
    const ClippingColumns &clipping() const { return clipping_; }

private:
    Matrix() = default;
    std::string check_outputs(const program::XbarMatrix &source) const;
    void choose_kernel_limits(uint32_t weight_bits);
    void pack(const program::XbarMatrix &source);
    void price(const Config &config);

    struct Free {
        void operator()(int16_t *p) const { ::operator delete[](p, std::align_val_t{64}); }
    };

    uint32_t rows_ = 0, cols_ = 0;
    uint32_t weight_bits_ = 0, input_bits_ = 0, output_bytes_ = 0;
    bool input_signed_ = false;
    uint32_t row_blocks_ = 0, block_rows_ = 0;
    uint64_t arrays_ = 0, conversions_ = 0;
    double vector_ns_ = 0, vector_pj_ = 0, program_ns_ = 0, program_pj_ = 0;
    bool split_input_ = false;
    uint32_t max_pairs_ = 0;
    std::unique_ptr<int16_t[], Free> packed_;
    ClippingColumns clipping_;
};

} // namespace acc::emu::crossbar
