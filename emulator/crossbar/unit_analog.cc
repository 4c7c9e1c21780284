// SPDX-License-Identifier: MIT
//
// Cells as conductances: currents in floating point, noise, converters of any range.
#include "emulator/crossbar/random.h"
#include "emulator/crossbar/unit_impl.h"
#include "emulator/crossbar/wires.h"

#include <algorithm>
#include <cmath>

namespace acc::emu::crossbar
{

// The digital side counts in the nominal step; the converter has its own gain and offset.
void MvmUnit::Impl::build_converters()
{
    const double most =
        static_cast<double>(config.rows) * digit_max() * (config.cell_max() + rho());
    converters.assign(parts.size(), {});
    for (uint32_t a = 0; a < parts.size(); a++) {
        Converter &adc = converters[a];
        if (config.adc_bits && config.adc_range != arch::AdcRange::Aligned)
            adc.step = most / config.adc_max();
        if (config.adc_offset_sigma <= 0 && config.adc_gain_sigma <= 0) continue;
        float z[4];
        normals(config.seed, static_cast<uint32_t>(Stream::Adc) << 24, array_id(a), 0, 0, 1, z, 1);
        adc.offset = config.adc_offset_sigma * double{z[0]};
        adc.gain = 1 + config.adc_gain_sigma * double{z[1]};
    }
}

void MvmUnit::Impl::build_conductances()
{
    cells.assign(parts.size() * col_blocks() * size_t{shape.rows} * kLaneCols, 0);
    admittances.clear();
    const Wires wires{.row = config.r_wire_row,
                      .col = config.r_wire_col,
                      .driver = config.r_driver,
                      .sense = config.r_sense};
    const double unit = config.unit_conductance();
    std::vector<uint8_t> row_levels_(shape.cols);
    std::vector<double> g(size_t{shape.rows} * shape.cols), admittance;
    CellScratch scratch;
    for (uint32_t a = 0; a < parts.size(); a++) {
        for (uint32_t row = 0; row < shape.rows; row++) {
            row_levels(a, row, row_levels_);
            read_row(write(a), row, row_levels_, age, step,
                     std::span(g).subspan(size_t{row} * shape.cols, shape.cols), scratch);
        }
        if (wires.any()) {
            g = effective_conductances(g, shape.rows, shape.cols, wires,
                                       config.row_gating ? &admittance : nullptr);
            if (config.row_gating) admittances.push_back(admittance);
        }
        // Less g_off, whose part of a current is added exactly: whole levels stay whole.
        for (uint32_t row = 0; row < shape.rows; row++)
            for (uint32_t col = 0; col < shape.cols; col++)
                cells[((size_t{a} * col_blocks() + col / kLaneCols) * shape.rows + row) *
                          kLaneCols +
                      col % kLaneCols] =
                    static_cast<float>((g[size_t{row} * shape.cols + col] - config.g_off) / unit);
    }
}

void MvmUnit::Impl::run_analog(const int16_t *x, int64_t *sums, uint64_t event, Scratch &scratch,
                               UnitCounts &counts, double *peaks) const
{
    const size_t rows = shape.rows;
    scratch.digits.assign(rows * kLaneRounds, 0);
    std::array<double, kLaneRounds> on{}, baseline{}, correction{}, weights_{};
    for (uint32_t r = 0; r < plan.count; r++) {
        for (size_t row = 0; row < rows; row++) {
            const uint32_t d = digit(x[row], r);
            scratch.digits[row * kLaneRounds + r] = static_cast<float>(d);
            on[r] += d;
        }
        weights_[r] = static_cast<double>(plan.weights[r]);
    }
    const size_t padded = size_t{col_blocks()} * kLaneCols;
    std::vector<double> &total = scratch.sums;
    total.assign(2 * padded, 0);
    double *array_sums = total.data() + padded;
    for (uint32_t a = 0; a < parts.size(); a++) {
        const Converter &adc = converters[a];
        AnalogJob job{.cells = cells.data() + size_t{a} * col_blocks() * rows * kLaneCols,
                      .rows = shape.rows,
                      .cols = shape.cols,
                      .rounds = plan.count,
                      .digits = scratch.digits.data(),
                      .rho = static_cast<float>(rho()),
                      .read_sigma = static_cast<float>(config.read_sigma),
                      .seed = config.seed,
                      .array = array_id(a),
                      .event = event};
        std::array<double, kLaneRounds> driven = on;
        if (!admittances.empty()) {
            // Each round has a circuit of its own: rows without a digit take the voltage at
            // which no current flows into them.
            scratch.floated = scratch.digits;
            std::vector<double> volts(rows);
            std::vector<bool> drives(rows);
            for (uint32_t r = 0; r < plan.count; r++) {
                for (size_t row = 0; row < rows; row++) {
                    volts[row] = double{scratch.digits[row * kLaneRounds + r]};
                    drives[row] = volts[row] != 0;
                }
                float_rows(admittances[a], drives, volts);
                driven[r] = 0;
                for (size_t row = 0; row < rows; row++) {
                    scratch.floated[row * kLaneRounds + r] = static_cast<float>(volts[row]);
                    driven[r] += volts[row];
                }
            }
            job.digits = scratch.floated.data();
        }
        job.ideal_adc = config.adc_bits == 0;
        job.codes_per_unit = adc.gain / adc.step;
        job.offset = adc.offset + 0.5;
        job.top = config.adc_max();
        job.value_per_code = (job.ideal_adc ? 1 : adc.step) * adc.compensation;
        for (uint32_t r = 0; r < plan.count; r++) {
            baseline[r] = driven[r] * rho();
            correction[r] = job.ideal_adc ? on[r] * rho()
                                          : std::floor(on[r] * rho() / adc.step + 0.5) * adc.step;
        }
        job.baseline = baseline.data();
        job.correction = correction.data();
        job.weights = weights_.data();
        std::fill_n(array_sums, padded, 0.0);
        job.sums = array_sums;
        analog(job);
        counts.clipped += job.clipped;
        if (peaks) peaks[a] = std::max(peaks[a], job.peak);
        const double scale = (parts[a].minus ? -1 : 1) * static_cast<double>(1u << parts[a].shift);
        for (uint32_t col = 0; col < shape.cols; col++)
            total[col] += array_sums[col] * scale;
    }
    const int64_t bias_ = bias(x);
    for (uint32_t col = 0; col < shape.cols; col++)
        sums[col] = std::llround(total[col]) - bias_;
}

void MvmUnit::calibrate(const int16_t *x, size_t vectors, uint64_t event, Scratch &scratch,
                        bool extend)
{
    Impl &u = *impl_;
    if (u.path != Path::Analog || !u.config.adc_bits ||
        u.config.adc_range != arch::AdcRange::Calibrated)
        return;
    std::vector<double> peaks(u.parts.size());
    std::vector<int64_t> sums(u.shape.cols);
    UnitCounts counts;
    for (size_t v = 0; v < vectors; v++)
        u.run_analog(x + v * u.shape.rows, sums.data(), event + v, scratch, counts, peaks.data());
    for (size_t a = 0; a < peaks.size(); a++) {
        const double step = peaks[a] / u.config.adc_max();
        if (step > 0) u.converters[a].step = extend ? std::max(step, u.converters[a].step) : step;
    }
}

void MvmUnit::compensate(uint64_t event)
{
    Impl &u = *impl_;
    if (u.path != Path::Analog) return;
    std::vector<uint8_t> levels(u.shape.cols);
    std::vector<double> then(u.shape.cols), now(u.shape.cols);
    CellScratch scratch;
    for (uint32_t a = 0; a < u.parts.size(); a++) {
        double before = 0, after = 0, variance = 0;
        for (uint32_t row = 0; row < u.shape.rows; row++) {
            u.row_levels(a, row, levels);
            read_row(u.write(a), row, levels, 0, 0, then, scratch);
            read_row(u.write(a), row, levels, u.age, u.step, now, scratch);
            for (uint32_t col = 0; col < u.shape.cols; col++) {
                before += then[col];
                after += now[col];
                variance += now[col] * now[col];
            }
        }
        if (u.config.read_sigma > 0) {
            float z[4];
            normals(u.config.seed, static_cast<uint32_t>(Stream::Measure) << 24, u.array_id(a),
                    static_cast<uint32_t>(event), static_cast<uint32_t>(event >> 32), 1, z, 1);
            after += u.config.read_sigma * std::sqrt(variance) * double{z[0]};
        }
        if (before > 0 && after > 0) u.converters[a].compensation = before / after;
    }
}

} // namespace acc::emu::crossbar
