// SPDX-License-Identifier: MIT
#include "emulator/crossbar/unit.h"

#include "emulator/crossbar/costs.h"
#include "emulator/crossbar/random.h"
#include "emulator/crossbar/unit_impl.h"
#include "emulator/crossbar/wires.h"

#include <algorithm>
#include <new>

namespace acc::emu::crossbar
{
namespace
{

using arch::Sign;

std::vector<ArrayPart> parts_of(const Config &config, uint32_t weight_bits)
{
    std::vector<ArrayPart> parts;
    const auto slice = [&](uint32_t bits, uint32_t shift, bool minus, bool magnitude) {
        parts.push_back({.shift = shift,
                         .bits = std::min(config.cell_bits, bits - shift),
                         .minus = minus,
                         .magnitude = magnitude});
    };
    const uint32_t bits = config.sign == Sign::Twos ? weight_bits - 1 : weight_bits;
    for (uint32_t shift = 0; shift < bits; shift += config.cell_bits) {
        slice(bits, shift, false, config.sign == Sign::Differential);
        if (config.sign == Sign::Differential) slice(bits, shift, true, true);
    }
    if (config.sign == Sign::Twos) parts.push_back({weight_bits - 1, 1, true, false});
    return parts;
}

RoundPlan plan_of(const Config &config, const UnitShape &shape)
{
    RoundPlan plan;
    const uint32_t bits = shape.input_signed ? shape.input_bits - 1 : shape.input_bits;
    const auto round = [&](uint32_t shift, uint32_t width, int64_t sign) {
        plan.weights[plan.count] = sign * (int64_t{1} << shift);
        plan.shifts[plan.count] = shift;
        plan.masks[plan.count++] = (1u << width) - 1;
    };
    for (uint32_t shift = 0; shift < bits; shift += config.dac_bits)
        round(shift, std::min(config.dac_bits, bits - shift), 1);
    if (shape.input_signed) round(bits, 1, -1);
    return plan;
}

} // namespace

uint64_t Wear::pulses(uint64_t array, uint32_t row) const
{
    const size_t at = (array - first_) * rows_ + row;
    return at < pulses_.size() ? pulses_[at] : 0;
}

uint64_t Wear::programmings(uint64_t array) const
{
    return array - first_ < programmings_.size() ? programmings_[array - first_] : 0;
}

void Wear::grow(uint64_t array)
{
    if (array - first_ < programmings_.size()) return;
    programmings_.resize(array - first_ + 1);
    pulses_.resize(programmings_.size() * rows_);
}

void Wear::add_programming(uint64_t array)
{
    grow(array);
    programmings_[array - first_]++;
}

void Wear::add_pulses(uint64_t array, uint32_t row, uint32_t pulses)
{
    grow(array);
    uint32_t &count = pulses_[(array - first_) * rows_ + row];
    count += pulses;
    most_ = std::max<uint64_t>(most_, count);
    total_ += pulses;
}

void MvmUnit::FreeScratch::operator()(Scratch *scratch) const
{
    delete scratch;
}

MvmUnit::ScratchPtr MvmUnit::make_scratch()
{
    return ScratchPtr(new Scratch);
}

uint32_t MvmUnit::arrays(const Config &config, uint32_t weight_bits)
{
    return static_cast<uint32_t>(parts_of(config, weight_bits).size());
}

uint32_t MvmUnit::rounds(const Config &config, uint32_t input_bits, bool input_signed)
{
    const uint32_t bits = input_signed ? input_bits - 1 : input_bits;
    return (bits + config.dac_bits - 1) / config.dac_bits + (input_signed ? 1 : 0);
}

MvmUnit::MvmUnit(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
MvmUnit::~MvmUnit() = default;

Result<std::unique_ptr<MvmUnit>> MvmUnit::create(const Config &config, const UnitShape &shape,
                                                 uint64_t first_array, std::string &why)
{
    if (!shape.rows || shape.rows > config.rows || !shape.cols || shape.cols > config.cols) {
        why = "expected a matrix of at most " + std::to_string(config.rows) + " x " +
              std::to_string(config.cols) + "; found " + std::to_string(shape.rows) + " x " +
              std::to_string(shape.cols);
        return Error{-EINVAL};
    }
    if (shape.weight_bits < 2 || shape.weight_bits > 16 || !shape.input_bits ||
        shape.input_bits > 16) {
        why = "expected 2 to 16 weight bits and 1 to 16 input bits; found " +
              std::to_string(shape.weight_bits) + " and " + std::to_string(shape.input_bits);
        return Error{-EINVAL};
    }
    auto impl = std::make_unique<Impl>();
    impl->config = config;
    impl->shape = shape;
    impl->first_array = first_array;
    impl->parts = parts_of(config, shape.weight_bits);
    impl->plan = plan_of(config, shape);
    return std::unique_ptr<MvmUnit>(new MvmUnit(std::move(impl)));
}

void MvmUnit::Impl::row_levels(uint32_t a, uint32_t row, std::span<uint8_t> out) const
{
    const int16_t *w = weights.data() + size_t{row} * shape.cols;
    for (uint32_t col = 0; col < shape.cols; col++)
        out[col] = level(a, w[col]);
}

void MvmUnit::Impl::held_levels(uint32_t a, uint32_t row, std::span<uint8_t> out) const
{
    row_levels(a, row, out);
    if (config.p_stuck_on <= 0 && config.p_stuck_off <= 0) return;
    for (uint32_t col = 0; col < shape.cols; col++) {
        const Stuck state = stuck_cell(config, array_id(a), row, col);
        if (state != Stuck::No) out[col] = state == Stuck::On ? uint8_t(config.cell_max()) : 0;
    }
}

Result<ProgramReport> MvmUnit::program(std::span<const int16_t> weights, Wear *wear,
                                       std::string &why)
try {
    Impl &u = *impl_;
    const size_t cells = size_t{u.shape.rows} * u.shape.cols;
    if (weights.size() != cells) {
        why = "expected " + std::to_string(cells) + " weights; found " +
              std::to_string(weights.size());
        return Error{-EINVAL};
    }
    const int32_t limit = 1 << (u.shape.weight_bits - 1);
    for (const int16_t w : weights) {
        if (w >= -limit && w < limit) continue;
        why = "expected weights of " + std::to_string(u.shape.weight_bits) + " bits; found " +
              std::to_string(w);
        return Error{-EINVAL};
    }
    u.weights.assign(weights.begin(), weights.end());
    u.programming = wear ? static_cast<uint32_t>(wear->programmings(u.first_array)) : 0;
    u.age = 0;
    u.step = 0;
    u.stuck = 0;
    u.programmed = true;

    ProgramReport report;
    std::vector<uint8_t> levels(u.shape.cols);
    std::vector<CellWrite> row_cells(u.shape.cols);
    CellScratch scratch;
    const bool plain = u.config.write_verify_tol <= 0;
    for (uint32_t a = 0; a < u.parts.size(); a++) {
        if (wear) wear->add_programming(u.array_id(a));
        for (uint32_t row = 0; row < u.shape.rows; row++) {
            uint32_t slowest = 1;
            if (plain) {
                report.pulses += u.shape.cols;
            } else {
                u.row_levels(a, row, levels);
                write_row(u.write(a), row, levels, row_cells, scratch);
                for (uint32_t col = 0; col < u.shape.cols; col++) {
                    const CellWrite &cell = row_cells[col];
                    report.pulses += cell.pulses;
                    slowest = std::max(slowest, cell.pulses);
                    if (!cell.failed) continue;
                    if (report.failed++ < ProgramReport::kMaxFailures)
                        report.failures.push_back({a, row, col,
                                                   level_conductance(u.config, levels[col]),
                                                   cell.conductance});
                }
            }
            report.row_pulses += slowest;
            if (wear) wear->add_pulses(u.array_id(a), row, slowest);
            for (uint32_t col = 0; col < u.shape.cols; col++)
                u.stuck += stuck_cell(u.config, u.array_id(a), row, col) != Stuck::No;
        }
    }
    report.ns = static_cast<double>(report.row_pulses) * program_ns(1, u.config.costs);
    report.pj = static_cast<double>(report.pulses) * program_pj(1, 1, u.config.costs);
    u.build();
    return report;
} catch (const std::bad_alloc &) {
    why = "expected memory for the cells of a matrix; found none";
    return Error{-ENOMEM};
}

// Cells that are exactly their level, converters whose step is the unit current.
void MvmUnit::Impl::choose_path()
{
    const Config &c = config;
    const bool ideal_cells = c.prog_model == arch::ProgModel::None && c.drift_nu == 0 &&
                             c.drift_sigma == 0 && c.read_sigma == 0 && !c.has_wires();
    const bool whole_codes = c.adc_bits == 0 || (c.adc_range == arch::AdcRange::Aligned &&
                                                 c.adc_offset_sigma == 0 && c.adc_gain_sigma == 0);
    if (!ideal_cells || !whole_codes)
        path = Path::Analog;
    else
        path = fits_exact() ? Path::Exact : Path::Clip;
}

// No column can clip, and each weight as its cells hold it is an int16.
bool MvmUnit::Impl::fits_exact() const
{
    std::vector<uint8_t> levels(shape.cols);
    std::vector<uint64_t> sums(shape.cols);
    const uint64_t most_on = uint64_t{shape.rows} * digit_max();
    const auto base = static_cast<uint64_t>(static_cast<double>(most_on) * rho() + 0.5);
    const bool any_stuck = stuck > 0;
    const bool roomy =
        config.adc_bits == 0 || most_on * config.cell_max() + base <= config.adc_max();
    if (roomy && !any_stuck) return true;
    std::vector<int32_t> held(size_t{shape.rows} * shape.cols,
                              config.sign == Sign::Offset ? -(1 << (shape.weight_bits - 1)) : 0);
    for (uint32_t a = 0; a < parts.size(); a++) {
        std::fill(sums.begin(), sums.end(), 0);
        for (uint32_t row = 0; row < shape.rows; row++) {
            held_levels(a, row, levels);
            for (uint32_t col = 0; col < shape.cols; col++) {
                sums[col] += levels[col];
                held[size_t{row} * shape.cols + col] +=
                    (parts[a].minus ? -1 : 1) * (levels[col] << parts[a].shift);
            }
        }
        for (const uint64_t sum : sums)
            if (config.adc_bits && sum * digit_max() + base > config.adc_max()) return false;
    }
    return std::all_of(held.begin(), held.end(),
                       [](int32_t w) { return w >= INT16_MIN && w <= INT16_MAX; });
}

void MvmUnit::Impl::build()
{
    choose_path();
    panels.clear();
    packed.clear();
    levels.clear();
    cells.clear();
    admittances.clear();
    if (path == Path::Exact) build_exact();
    if (path == Path::Clip) build_clip();
    if (path == Path::Analog) {
        build_converters();
        build_conductances();
    }
}

void MvmUnit::set_age(double seconds)
{
    if (impl_->age == seconds) return;
    impl_->age = seconds;
    impl_->step++;
    if (impl_->path == Path::Analog && impl_->programmed) impl_->build_conductances();
}

double MvmUnit::age() const
{
    return impl_->age;
}

int64_t MvmUnit::Impl::bias(const int16_t *x) const
{
    if (config.sign != Sign::Offset) return 0;
    int64_t sum = 0;
    for (uint32_t row = 0; row < shape.rows; row++)
        sum += value(x[row]);
    return sum * (int64_t{1} << (shape.weight_bits - 1));
}

void MvmUnit::run(const int16_t *x, size_t vectors, int64_t *sums, uint64_t event, Scratch &scratch,
                  UnitCounts &counts) const
{
    const Impl &u = *impl_;
    counts.activations += vectors * u.parts.size();
    counts.conversions += vectors * u.parts.size() * u.shape.cols * u.plan.count;
    if (u.path == Path::Clip) return u.run_clip(x, vectors, sums, scratch, counts);
    for (size_t v = 0; v < vectors; v++) {
        const int16_t *row = x + v * u.shape.rows;
        if (u.path == Path::Exact)
            u.run_exact(row, sums + v * u.shape.cols, scratch);
        else
            u.run_analog(row, sums + v * u.shape.cols, event + v, scratch, counts, nullptr);
    }
}

MvmUnit::Path MvmUnit::path() const
{
    return impl_->path;
}

const UnitShape &MvmUnit::shape() const
{
    return impl_->shape;
}

uint32_t MvmUnit::arrays() const
{
    return static_cast<uint32_t>(impl_->parts.size());
}

uint64_t MvmUnit::stuck_cells() const
{
    return impl_->stuck;
}

size_t MvmUnit::memory() const
{
    const Impl &u = *impl_;
    size_t bytes = sizeof(Impl) + sizeof(MvmUnit) + u.weights.capacity() * 2 +
                   u.panels.capacity() * 2 + u.packed.capacity() + u.levels.capacity() +
                   u.cells.capacity() * 4 + u.converters.capacity() * sizeof(Converter) +
                   u.parts.capacity() * sizeof(ArrayPart);
    for (const auto &y : u.admittances)
        bytes += y.capacity() * sizeof(double);
    return bytes;
}

double MvmUnit::target_conductance(uint32_t array, uint32_t row, uint32_t col) const
{
    const Impl &u = *impl_;
    return level_conductance(u.config, u.level(array, u.weights[size_t{row} * u.shape.cols + col]));
}

double MvmUnit::conductance(uint32_t array, uint32_t row, uint32_t col) const
{
    std::vector<double> g(impl_->shape.cols);
    conductances(array, row, g);
    return g[col];
}

void MvmUnit::conductances(uint32_t array, uint32_t row, std::span<double> out) const
{
    const Impl &u = *impl_;
    std::vector<uint8_t> levels(u.shape.cols);
    CellScratch scratch;
    u.row_levels(array, row, levels);
    read_row(u.write(array), row, levels, u.age, u.step, out, scratch);
}

} // namespace acc::emu::crossbar
