// SPDX-License-Identifier: MIT
//
// Parameters of a crossbar device, read once from its options: `arch` names a preset or a file,
// every other option is a key of arch files and changes it.
#pragma once

#include "acc/program.h"
#include "arch/costs.h"
#include "common/result.h"
#include "emulator/engine.h"

#include <cstdint>
#include <limits>
#include <span>
#include <string>

namespace acc::emu::crossbar
{

// The arch that the device was made with; `arrays` is never 0.
struct Config : arch::Arch {
    bool timing_only = false; // outputs are not computed, time and energy are

    // Unknown keys, bad values and what this form lacks are -EINVAL, named in `why`.
    static Result<Config> create(std::span<const Option> options, std::string &why);

    // "key=value,…", at most 95 bytes.
    std::string text() const;

    uint32_t cell_max() const { return (1u << cell_bits) - 1; }

    // The largest code of the ADC, whose step is the current of one unit conductance.
    uint32_t adc_max() const
    {
        return adc_bits ? (1u << adc_bits) - 1 : std::numeric_limits<uint32_t>::max();
    }

    // Resolution that no column can exceed: ceil(log2(rows * cell_max + 1)).
    uint32_t exact_adc_bits() const { return arch::exact_adc_bits(*this); }

    // What the costs are computed for: an ideal ADC costs as much as an exact one.
    uint32_t priced_adc_bits() const { return adc_bits ? adc_bits : exact_adc_bits(); }

    // Arrays of one polarity that hold the magnitudes 0 … 2^(weight_bits - 1).
    uint32_t slices(uint32_t weight_bits) const
    {
        return (weight_bits + cell_bits - 1) / cell_bits;
    }

    // Arrays of a matrix: row blocks * column blocks * slices * 2 polarities.
    uint64_t arrays_of(const acc_xbar_matrix &matrix) const
    {
        const uint64_t row_blocks = (uint64_t{matrix.rows} + rows - 1) / rows;
        const uint64_t col_blocks = (uint64_t{matrix.cols} + cols - 1) / cols;
        return row_blocks * col_blocks * slices(matrix.weight_bits) * 2;
    }
};

} // namespace acc::emu::crossbar
