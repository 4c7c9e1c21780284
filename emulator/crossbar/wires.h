// SPDX-License-Identifier: MIT
//
// Resistance of wires. An array of linear devices whose rows are all driven is a linear
// circuit, so its currents are one matrix times the voltages: the effective conductances.
// docs/crossbar-analog.md has the circuit.
//
// Thread safety: functions of their arguments.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace acc::emu::crossbar
{

// All in Ω. Row i: its driver, `driver` + `row`, cell 0, `row`, cell 1 …. Column j: cell of
// row 0, `col`, cell of row 1, …, cell of the last row, `col` + `sense`, virtual ground.
struct Wires {
    double row = 0, col = 0, driver = 0, sense = 0;
    bool any() const { return row > 0 || col > 0 || driver > 0 || sense > 0; }
};

// False: this build has no solver (Eigen), and effective_conductances() must not be called.
bool have_wires();

// `cells` [rows][cols] in µS, >= 0 -> effective conductances of the same shape and unit: the
// current of column j per volt of row i, the other rows at 0 V. If `admittance` is not null
// it becomes [rows][rows]: the current into row i per volt of row k.
// Takes about rows * cols^3 multiplications. Throws std::bad_alloc alone.
std::vector<double> effective_conductances(std::span<const double> cells, uint32_t rows,
                                           uint32_t cols, const Wires &wires,
                                           std::vector<double> *admittance = nullptr);

// Rows that are not driven float: completes the voltages so that no current flows into them.
// `volts` [rows]: those of driven rows are read, the others written.
void float_rows(std::span<const double> admittance, const std::vector<bool> &driven,
                std::span<double> volts);

} // namespace acc::emu::crossbar
