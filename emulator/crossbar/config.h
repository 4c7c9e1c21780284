// SPDX-License-Identifier: MIT
//
// Parameters of a crossbar device, read once from its options: `arch` names a preset or a file,
// every other option is a key of arch files and changes it.
#pragma once

#include "acc/program.h"
#include "arch/costs.h"
#include "common/result.h"
#include "emulator/engine.h"

#include <algorithm>
#include <cstdint>
#include <limits>
#include <span>
#include <string>

namespace acc::emu::crossbar
{

// The arch that the device was made with; `arrays` is never 0.
struct Config : arch::Arch {
    bool timing_only = false; // outputs are not computed, time and energy are
    uint32_t threads = 0;     // that compute one dispatch; 0: as many as there are processors
    double age = 0;           // seconds from programming to the first read
    bool compensate = false;  // drift, whenever the age of cells has changed

    // Unknown keys, bad values and what this form lacks are -EINVAL, named in `why`.
    static Result<Config> create(std::span<const Option> options, std::string &why);

    // Of cells that the clock has seen for `ns`: they were `age` before.
    double age_seconds(uint64_t ns) const { return age + static_cast<double>(ns) * 1e-9; }
    uint64_t age_ns(uint64_t ns) const // at most 2^63
    {
        return static_cast<uint64_t>(std::min(age * 1e9, 0x1p63)) + std::min(ns, uint64_t{1} << 63);
    }

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

    // Conductance between two levels of a cell, µS: with v_read, the unit current.
    double unit_conductance() const { return (g_on - g_off) / cell_max(); }
    bool has_wires() const
    {
        return r_wire_row > 0 || r_wire_col > 0 || r_driver > 0 || r_sense > 0;
    }

    // Nothing but clipping between the device and the integer product, and pairs of arrays:
    // what Matrix and ClippingColumns compute. All else is AnalogMatrix's.
    bool ideal() const
    {
        return sign == arch::Sign::Differential && dac_bits == 1 && g_off == 0 &&
               (adc_bits == 0 || (adc_range == arch::AdcRange::Aligned && adc_offset_sigma == 0 &&
                                  adc_gain_sigma == 0)) &&
               prog_model == arch::ProgModel::None && read_sigma == 0 && drift_nu == 0 &&
               drift_sigma == 0 && p_stuck_on == 0 && p_stuck_off == 0 && !has_wires();
    }

    // Arrays that one position of a matrix takes.
    uint32_t arrays_of_weight(uint32_t weight_bits) const
    {
        arch::Arch unit = *this;
        unit.weight_bits = weight_bits;
        return unit.arrays_per_unit();
    }

    // Slices of the magnitudes 0 … 2^(weight_bits - 1), of one polarity.
    uint32_t slices(uint32_t weight_bits) const
    {
        return (weight_bits + cell_bits - 1) / cell_bits;
    }

    // Arrays of a matrix: row blocks * column blocks * those of a position.
    uint64_t arrays_of(const acc_xbar_matrix &matrix) const
    {
        const uint64_t row_blocks = (uint64_t{matrix.rows} + rows - 1) / rows;
        const uint64_t col_blocks = (uint64_t{matrix.cols} + cols - 1) / cols;
        return row_blocks * col_blocks * arrays_of_weight(matrix.weight_bits);
    }
};

} // namespace acc::emu::crossbar
