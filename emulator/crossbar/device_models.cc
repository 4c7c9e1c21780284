// SPDX-License-Identifier: MIT
#include "emulator/crossbar/device_models.h"

#include "emulator/crossbar/random.h"
#include "emulator/crossbar/simd.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <vector>

namespace acc::emu::crossbar
{
namespace
{

using arch::ProgModel;

// Phase-change memory: Nandakumar et al., "Phase-change memory models for deep learning
// training and inference" (ICECS 2019), with the coefficients of IBM's aihwkit (its PCM noise
// model). Conductances are relative to 25 µS.
constexpr double kPcmMax = 25;

double pcm_sigma(double g)
{
    const double x = g / kPcmMax;
    return std::max(0.26348 + 1.965 * x - 1.1731 * x * x, 0.0);
}

DriftLaw pcm_drift(double g)
{
    const double log = std::log(std::max(g / kPcmMax, 1e-7));
    return {.mean = std::clamp(-0.0155 * log + 0.0244, 0.049, 0.1),
            .sigma = std::clamp(-0.0125 * log - 0.0059, 0.008, 0.045)};
}

double pcm_slow(double programmed, double drifted, double age, double t0)
{
    constexpr double kReadTime = 250e-9; // s
    const double x = std::max(programmed / kPcmMax, 1e-7), t = age + t0;
    const double q = std::min(0.0088 / std::pow(x, 0.65), 0.2);
    return drifted * q * std::sqrt(std::log((t + kReadTime) / (2 * kReadTime)));
}

// Filamentary RRAM, fits of CrossSim: Milo et al. (2021), 50 … 225 µS.
double milo_sigma(double g)
{
    return std::max(-0.009107 * g + 4.782321, 0.0);
}

// The same, Wan et al. (Nature 2022), up to 39.26 µS.
double wan_sigma(double g)
{
    return std::max(1.536e-4 * g * g * g - 1.167e-2 * g * g + 0.2374 * g + 1.053, 0.0);
}

// Fits of measured devices: absolute conductances, so prog_sigma has no part in them.
struct Fit {
    ProgModel model;
    const char *name;
    double least, most; // µS, where it holds
    double (*sigma)(double target);
};
constexpr Fit kFits[] = {
    {ProgModel::Pcm, "pcm", 0, kPcmMax, pcm_sigma},
    {ProgModel::RramMilo, "rram_milo", 50, 225, milo_sigma},
    {ProgModel::RramWan, "rram_wan", 0, 39.26, wan_sigma},
};

const Fit *fit_of(const Config &config)
{
    for (const Fit &fit : kFits)
        if (fit.model == config.prog_model) return &fit;
    return nullptr;
}

std::string number(double value)
{
    char text[32];
    std::snprintf(text, sizeof text, "%g", value);
    return text;
}

// Cells of a row follow each other: one counter each.
uint32_t word0(Stream stream, const Config &config, uint32_t row)
{
    return static_cast<uint32_t>(stream) << 24 | row * config.cols;
}

bool writes_vary(const Config &config)
{
    switch (config.prog_model) {
    case ProgModel::None:
        return false;
    case ProgModel::NormalAbs:
    case ProgModel::NormalRel:
        return config.prog_sigma > 0;
    default:
        return true;
    }
}

} // namespace

double program_sigma(const Config &config, double target)
{
    if (const Fit *fit = fit_of(config)) return fit->sigma(target);
    if (config.prog_model == ProgModel::NormalAbs) return config.prog_sigma * config.g_on;
    if (config.prog_model == ProgModel::NormalRel) return config.prog_sigma * target;
    return 0;
}

DriftLaw drift_law(const Config &config, double target)
{
    const DriftLaw given{.mean = config.drift_nu, .sigma = config.drift_sigma};
    if (given.none() && config.prog_model == ProgModel::Pcm) return pcm_drift(target);
    return given;
}

double slow_sigma(const Config &config, double programmed, double drifted, double age)
{
    if (config.prog_model != ProgModel::Pcm) return 0;
    return pcm_slow(programmed, drifted, age, config.drift_t0);
}

std::string check_device(const Config &config)
{
    const Fit *fit = fit_of(config);
    if (!fit || (config.g_off >= fit->least && config.g_on <= fit->most)) return {};
    return std::string("prog_model ") + fit->name + ": expected g_off and g_on from " +
           number(fit->least) + " to " + number(fit->most) + " uS; found " + number(config.g_off) +
           " and " + number(config.g_on);
}

PulseEstimate expected_pulses(const Config &config, uint32_t cols)
{
    PulseEstimate pulses;
    if (config.write_verify_tol <= 0 || !writes_vary(config)) return pulses;
    // A try succeeds with probability 1 - miss, the mean over the levels.
    double miss = 0;
    for (uint32_t level = 0; level <= config.cell_max(); level++) {
        const double sigma = program_sigma(config, level_conductance(config, level));
        if (sigma > 0)
            miss += std::erfc(config.write_verify_tol * config.g_on / sigma / std::sqrt(2.0)) /
                    (config.cell_max() + 1.0);
    }
    pulses = {0, 0};
    double still = 1; // of a cell after k tries
    for (uint32_t k = 0; k < config.write_verify_max_iter && still > 1e-12; k++) {
        pulses.cell += still;
        pulses.row += 1 - std::pow(1 - still, cols);
        still *= miss;
    }
    return pulses;
}

double level_conductance(const Config &config, uint32_t level)
{
    return config.g_off + level * config.unit_conductance();
}

Stuck stuck_cell(const Config &config, uint64_t array, uint32_t row, uint32_t col)
{
    if (config.p_stuck_on <= 0 && config.p_stuck_off <= 0) return Stuck::No;
    const double u =
        uniform(Counter(Stream::Stuck, row * config.cols + col, array, 0, 0), config.seed);
    if (u < config.p_stuck_on) return Stuck::On;
    return u < config.p_stuck_on + config.p_stuck_off ? Stuck::Off : Stuck::No;
}

void write_row(const ArrayWrite &write, uint32_t row, std::span<const uint8_t> levels,
               std::span<CellWrite> cells, CellScratch &scratch)
{
    const Config &config = *write.config;
    const size_t n = levels.size();
    const bool vary = writes_vary(config), verify = config.write_verify_tol > 0;
    if (vary) {
        scratch.normals.resize(4 * n);
        normals(config.seed, word0(Stream::Program, config, row), write.array, write.programming, 0,
                n, scratch.normals.data(), n);
    }
    const double tolerance = config.write_verify_tol * config.g_on;
    for (size_t i = 0; i < n; i++) {
        const double target = level_conductance(config, levels[i]);
        const Stuck stuck = stuck_cell(config, write.array, row, static_cast<uint32_t>(i));
        const double sigma = vary && stuck == Stuck::No ? program_sigma(config, target) : 0;
        CellWrite cell{.conductance = target};
        if (stuck != Stuck::No)
            cell.conductance = stuck == Stuck::On ? config.g_on : config.g_off;
        else if (sigma > 0)
            cell.conductance = std::max(target + sigma * double{scratch.normals[i]}, 0.0);
        const auto good = [&] { return std::abs(cell.conductance - target) <= tolerance; };
        if (verify && !good()) {
            // Try after try, each a new draw; a stuck cell takes all of them in vain.
            float tries[4] = {};
            while (cell.pulses < config.write_verify_max_iter && !good()) {
                if (stuck != Stuck::No || sigma == 0) {
                    cell.pulses = config.write_verify_max_iter;
                    break;
                }
                const uint32_t k = cell.pulses++ % 4, block = (cell.pulses - 1) / 4;
                if (block == 0)
                    tries[k] = scratch.normals[k * n + i];
                else if (k == 0)
                    normals(config.seed, word0(Stream::Program, config, row) + uint32_t(i),
                            write.array, write.programming, block, 1, tries, 1);
                cell.conductance = std::max(target + sigma * double{tries[k]}, 0.0);
            }
            cell.failed = !good();
        }
        cells[i] = cell;
    }
}

void read_row(const ArrayWrite &write, uint32_t row, std::span<const uint8_t> levels, double age,
              uint32_t step, std::span<double> conductances, CellScratch &scratch)
{
    const Config &config = *write.config;
    const size_t n = levels.size();
    std::vector<CellWrite> cells(n);
    write_row(write, row, levels, cells, scratch);
    const bool own = config.prog_model == ProgModel::Pcm;
    const bool drifts = own || config.drift_nu != 0 || config.drift_sigma != 0;
    if (drifts) {
        scratch.normals.resize(4 * n);
        normals(config.seed, word0(Stream::Drift, config, row), write.array, write.programming, 0,
                n, scratch.normals.data(), n);
    }
    if (own) {
        scratch.tries.resize(4 * n);
        normals(config.seed, word0(Stream::Slow, config, row), write.array, write.programming, step,
                n, scratch.tries.data(), n);
    }
    const double log_time = std::log((age + config.drift_t0) / config.drift_t0);
    for (size_t i = 0; i < n; i++) {
        double g = cells[i].conductance;
        if (drifts && stuck_cell(config, write.array, row, static_cast<uint32_t>(i)) == Stuck::No) {
            const DriftLaw law = drift_law(config, level_conductance(config, levels[i]));
            const double nu = std::abs(law.mean + law.sigma * double{scratch.normals[i]});
            const double drifted = g * std::exp(-nu * log_time);
            g = drifted;
            if (own)
                g = std::max(drifted + slow_sigma(config, cells[i].conductance, drifted, age) *
                                           double{scratch.tries[i]},
                             0.0);
        }
        conductances[i] = g;
    }
}

} // namespace acc::emu::crossbar
