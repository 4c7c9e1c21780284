// SPDX-License-Identifier: MIT
//
// What kinds of memristors do: how far programming misses a target, how conductances drift,
// how they flicker. A new kind is an entry in device_models.cc, a name in arch::ProgModel and
// a line in docs/crossbar-analog.md.
//
// Thread safety: functions of their arguments.
#pragma once

#include "emulator/crossbar/config.h"

#include <cstdint>
#include <span>
#include <string>

namespace acc::emu::crossbar
{

// Standard deviation of what programming a target (µS) gives, µS.
double program_sigma(const Config &config, double target);

// Drift: g(t) = g(0) * ((t + t0) / t0)^-nu, nu ~ |N(mean, sigma)|, drawn for each cell and
// programming.
struct DriftLaw {
    double mean = 0, sigma = 0;
    bool none() const { return mean == 0 && sigma == 0; }
};
DriftLaw drift_law(const Config &config, double target);

// Standard deviation of slow (1/f) noise, µS, of a cell that was programmed to `programmed`
// and has drifted to `drifted` in `age` seconds. 0 where the kind has none.
double slow_sigma(const Config &config, double programmed, double drifted, double age);

// Empty, or why the parameters are none of this kind's.
std::string check_device(const Config &config);

// What programming is expected to take, before anybody knows the cells: pulses of a cell, and
// of a row of `cols`, which waits for its slowest cell. 1 and 1 without write-verify.
struct PulseEstimate {
    double cell = 1, row = 1;
};
PulseEstimate expected_pulses(const Config &config, uint32_t cols);

// --- Cells ---------------------------------------------------------------------------------------

// One programming of one physical array.
struct ArrayWrite {
    const Config *config = nullptr;
    uint64_t array = 0;
    uint32_t programming = 0; // ordinal
};

// Nominal conductance of a level, µS.
double level_conductance(const Config &config, uint32_t level);

enum class Stuck : uint8_t { No, On, Off };
// Of a physical cell, whatever is programmed.
Stuck stuck_cell(const Config &config, uint64_t array, uint32_t row, uint32_t col);

// Buffers of the two below.
struct CellScratch {
    std::vector<float> normals, tries;
};

struct CellWrite {
    double conductance = 0; // µS
    uint32_t pulses = 1;
    bool failed = false; // out of tolerance after write_verify_max_iter pulses
};
// Writes `levels` to the cells 0 … of a row.
void write_row(const ArrayWrite &write, uint32_t row, std::span<const uint8_t> levels,
               std::span<CellWrite> cells, CellScratch &scratch);

// What the cells of a row are `age` seconds after they were written, µS; `step` names the
// sample of slow noise.
void read_row(const ArrayWrite &write, uint32_t row, std::span<const uint8_t> levels, double age,
              uint32_t step, std::span<double> conductances, CellScratch &scratch);

} // namespace acc::emu::crossbar
