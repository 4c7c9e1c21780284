// SPDX-License-Identifier: MIT
#include "emulator/crossbar/slot.h"

#include "emulator/engine_checks.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <new>

namespace acc::emu::crossbar
{

SlotCells::SlotCells(const Config &config, uint32_t slot)
    : config_(config), first_array_(slot * config.arrays), wear_(config.rows, first_array_),
      book_(config, first_array_)
{
}

// What it took goes to the tiles in proportion to the arrays that it has there.
int SlotCells::load_matrix(const UnitMatrix &unit, uint64_t array, std::vector<TileLoad> &loads,
                           std::string &why)
{
    Held held;
    held.first_array = array;
    held.arrays = unit.matrix->arrays();
    held.shares = shares_of(*unit.matrix, config_, array - first_array_);
    TileLoad all = {
        .arrays = held.arrays, .ns = unit.matrix->program_ns(), .pj = unit.matrix->program_pj()};
    if (config_.ideal() || config_.timing_only) {
        const uint32_t rows = std::min(config_.rows, unit.matrix->rows());
        for (uint64_t a = array; a < array + held.arrays; a++) {
            wear_.add_programming(a);
            for (uint32_t row = 0; row < rows; row++)
                wear_.add_pulses(a, row, 1);
        }
    } else {
        auto analog = AnalogMatrix::create(*unit.matrix, config_, array, wear_, why);
        if (!analog) return analog.error();
        held.analog = std::move(*analog);
        all.stuck_cells = held.analog->stuck_cells();
        all.failed_cells = held.analog->report().failed;
        all.ns = held.analog->report().ns;
        all.pj = held.analog->report().pj;
    }
    uint64_t stuck = 0, failed = 0, arrays = 0;
    for (const TileShare &share : held.shares) {
        if (share.tile >= loads.size()) loads.resize(share.tile + 1);
        TileLoad &load = loads[share.tile];
        const double part = static_cast<double>(share.arrays) / static_cast<double>(all.arrays);
        load.arrays += share.arrays;
        load.ns += all.ns * part;
        load.pj += all.pj * part;
        // Whole cells, and none lost.
        arrays += share.arrays;
        load.stuck_cells += all.stuck_cells * arrays / all.arrays - stuck;
        load.failed_cells += all.failed_cells * arrays / all.arrays - failed;
        stuck = all.stuck_cells * arrays / all.arrays;
        failed = all.failed_cells * arrays / all.arrays;
    }
    matrices_.emplace(unit.kernel, std::move(held));
    return 0;
}

int SlotCells::load(std::span<const UnitMatrix> matrices, const isa::Program *program,
                    uint64_t clock, std::string &why)
try {
    unload();
    std::vector<TileLoad> loads;
    uint64_t array = first_array_;
    if (program) {
        auto machine = make_machine(config_, *program, first_array_, wear_, &loads, why);
        if (!machine) return machine.error();
        machine_ = std::move(*machine);
        machine_age_ = -1;
        array += program->tiles * config_.arrays_per_tile();
    }
    for (const UnitMatrix &unit : matrices) {
        if (const int error = load_matrix(unit, array, loads, why)) {
            unload();
            return error;
        }
        array += unit.matrix->arrays();
    }
    programmed_at_ = clock;
    book_.loaded(loads, wear_, clock);
    return 0;
} catch (const std::bad_alloc &) {
    unload();
    why = "expected memory for the cells of a unit; found none";
    return -ENOMEM;
}

void SlotCells::unload()
{
    matrices_.clear();
    machine_.reset();
    book_.unloaded();
}

bool SlotCells::read(const Matrix &matrix, const acc_mvm_args &args, uint64_t first,
                     uint32_t vectors, Dispatch &dispatch)
{
    const uint32_t bytes = matrix.input_bytes();
    const size_t row = size_t{matrix.rows()} * bytes;
    const uint64_t step = args.input_stride * bytes;
    raw_.resize(row * vectors);
    inputs_.resize(size_t{matrix.rows()} * vectors);
    for (uint32_t v = 0; v < vectors; v++)
        if (!dispatch.memory->read(raw_.data() + v * row, args.input + (first + v) * step, row))
            return false;
    if (bytes == 2) {
        std::memcpy(inputs_.data(), raw_.data(), raw_.size());
    } else {
        for (size_t i = 0; i < raw_.size(); i++)
            inputs_[i] = static_cast<int16_t>(raw_[i]); // the low bits count
    }
    return true;
}

bool SlotCells::write(const Matrix &matrix, const acc_mvm_args &args, uint64_t first,
                      uint32_t vectors, Dispatch &dispatch)
{
    const uint32_t bytes = matrix.output_bytes();
    const size_t row = size_t{matrix.cols()} * bytes;
    raw_.resize(row * vectors);
    for (size_t i = 0; i < size_t{matrix.cols()} * vectors; i++) {
        // Noise can push a sum beyond what its weights allow: then it saturates.
        const auto narrow = static_cast<int32_t>(std::clamp<int64_t>(
            sums_[i], std::numeric_limits<int32_t>::min(), std::numeric_limits<int32_t>::max()));
        std::memcpy(raw_.data() + i * bytes,
                    bytes == 4 ? static_cast<const void *>(&narrow) : &sums_[i], bytes);
    }
    const uint64_t step = args.output_stride * bytes;
    for (uint32_t v = 0; v < vectors; v++)
        if (!dispatch.memory->write(args.output + (first + v) * step, raw_.data() + v * row, row))
            return false;
    return true;
}

acc_status SlotCells::multiply(Held &held, const Matrix &matrix, const acc_mvm_args &args,
                               Dispatch &dispatch)
{
    AnalogMatrix &analog = *held.analog;
    const bool calibrate = args.operation == ACC_MVM_CALIBRATE;
    const auto stop = [&] { return dispatch.should_stop(); };
    const uint64_t clipped = analog.counts().clipped;
    for (uint64_t first = 0; first < args.vectors; first += analog.chunk()) {
        const auto vectors =
            static_cast<uint32_t>(std::min<uint64_t>(analog.chunk(), args.vectors - first));
        if (!read(matrix, args, first, vectors, dispatch))
            return memory_fault(dispatch, "read", "input");
        sums_.resize(size_t{vectors} * matrix.cols());
        const bool done = calibrate
                              ? analog.calibrate(inputs_.data(), vectors, events_, first > 0, stop)
                              : analog.run(inputs_.data(), vectors, sums_.data(), events_, stop);
        if (!done || dispatch.should_stop()) return ACC_STATUS_TIMEOUT;
        events_ += vectors;
        if (!calibrate && !write(matrix, args, first, vectors, dispatch))
            return memory_fault(dispatch, "written", "output");
    }
    dispatch.saturations += analog.counts().clipped - clipped;
    return ACC_STATUS_OK;
}

acc_status SlotCells::write_stats(const Held &held, uint64_t clock, const acc_mvm_args &args,
                                  Dispatch &dispatch) const
{
    acc_mvm_stats stats = {};
    stats.arrays = held.arrays;
    const UnitCounts &counts = held.analog ? held.analog->counts() : held.counts;
    stats.activations = counts.activations;
    stats.conversions = counts.conversions;
    stats.clipped = counts.clipped;
    if (held.analog) {
        stats.stuck_cells = held.analog->stuck_cells();
        stats.failed_cells = held.analog->report().failed;
        stats.memory_bytes = held.analog->memory();
    }
    for (uint64_t a = held.first_array; a < held.first_array + held.arrays; a++) {
        stats.programmings = std::max<uint64_t>(stats.programmings, wear_.programmings(a));
        for (uint32_t row = 0; row < config_.rows; row++)
            stats.most_row_pulses = std::max<uint64_t>(stats.most_row_pulses, wear_.pulses(a, row));
    }
    stats.first_array = held.first_array - first_array_;
    stats.tile_arrays = config_.arrays_per_tile();
    stats.array_rows = config_.rows;
    stats.array_cols = config_.cols;
    stats.slot_row_pulses = wear_.total_pulses();
    stats.age_ns = config_.age_ns(clock - programmed_at_);
    if (dispatch.memory->write(args.output, &stats, sizeof(stats))) return ACC_STATUS_OK;
    return memory_fault(dispatch, "written", "output");
}

// An ideal device has no cells of its own: a unit is made that holds what they would.
acc_status SlotCells::write_cells(const Held &held, const Matrix &matrix, const acc_mvm_args &args,
                                  Dispatch &dispatch) const
{
    const auto of_weight = config_.arrays_of_weight(matrix.weight_bits());
    const auto block = static_cast<uint32_t>(args.vectors / of_weight);
    const auto array = static_cast<uint32_t>(args.vectors % of_weight);
    const uint32_t col_blocks = (matrix.cols() + config_.cols - 1) / config_.cols;
    std::unique_ptr<MvmUnit> made;
    if (!held.analog) {
        auto unit = AnalogMatrix::make_unit(matrix, config_, block / col_blocks, block % col_blocks,
                                            held.first_array, nullptr, nullptr, dispatch.text);
        if (!unit) return ACC_STATUS_ENGINE_ERROR;
        made = std::move(*unit);
    }
    const MvmUnit &unit = made ? *made : held.analog->unit(block / col_blocks, block % col_blocks);
    const size_t cells = size_t{config_.rows} * config_.cols;
    std::vector<float> out(2 * cells, std::numeric_limits<float>::quiet_NaN());
    std::vector<double> now(unit.shape().cols);
    for (uint32_t row = 0; row < unit.shape().rows; row++) {
        unit.conductances(array, row, now);
        for (uint32_t col = 0; col < unit.shape().cols; col++) {
            const size_t at = size_t{row} * config_.cols + col;
            out[at] = static_cast<float>(unit.target_conductance(array, row, col));
            out[cells + at] = static_cast<float>(now[col]);
        }
    }
    if (dispatch.memory->write(args.output, out.data(), out.size() * sizeof(float)))
        return ACC_STATUS_OK;
    return memory_fault(dispatch, "written", "output");
}

acc_status SlotCells::run(uint32_t kernel, const Matrix &matrix, const acc_mvm_args &args,
                          uint64_t clock, Scratch &scratch, Dispatch &dispatch)
{
    Held &held = matrices_.at(kernel);
    const double age = config_.age_seconds(clock - programmed_at_);
    if (held.analog) {
        held.analog->set_age(age);
        if (config_.compensate && held.compensated_at != age) held.analog->compensate(events_++);
        held.compensated_at = age;
    }
    const uint64_t clipped = dispatch.saturations;
    uint64_t vectors = 1;
    switch (args.operation) {
    case ACC_MVM_STATS:
        return write_stats(held, clock, args, dispatch);
    case ACC_MVM_CELLS:
        return write_cells(held, matrix, args, dispatch);
    case ACC_MVM_COMPENSATE:
        if (held.analog) held.analog->compensate(events_++);
        break; // one vector, of which every row is on
    default:
        vectors = args.vectors;
        if (held.analog) {
            const acc_status status = multiply(held, matrix, args, dispatch);
            if (status != ACC_STATUS_OK) return status;
        } else if (args.operation == ACC_MVM_MULTIPLY) {
            if (!config_.timing_only) {
                const acc_status status = run_mvm(matrix, args, scratch, dispatch);
                if (status != ACC_STATUS_OK) return status;
            }
            held.counts.clipped += dispatch.saturations - clipped;
            held.counts.activations += vectors * held.arrays;
            held.counts.conversions += vectors * matrix.conversions();
        }
    }
    const auto times = static_cast<double>(vectors);
    dispatch.modelled_ns = static_cast<uint64_t>(std::llround(matrix.vector_ns() * times));
    dispatch.energy_pj = static_cast<uint64_t>(std::llround(matrix.vector_pj() * times));
    dispatch.mvms = vectors * matrix.arrays();
    book_.add(held.shares, vectors, dispatch.saturations - clipped);
    return ACC_STATUS_OK;
}

acc_status SlotCells::run(const isa::Kernel &kernel, uint64_t clock, Dispatch &dispatch)
{
    const double age = config_.age_seconds(clock - programmed_at_);
    if (age != machine_age_) machine_->set_age(age, config_.compensate);
    machine_age_ = age;
    const acc_status status = machine_->run(kernel, dispatch);
    book_.add(machine_->last()); // of a fault too
    return status;
}

} // namespace acc::emu::crossbar
