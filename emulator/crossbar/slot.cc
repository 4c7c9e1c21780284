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
    : config_(config), first_array_(slot * config.arrays), wear_(config.rows, first_array_)
{
}

int SlotCells::load(std::span<const UnitMatrix> matrices, double clock)
try {
    unload();
    uint64_t array = first_array_;
    for (const UnitMatrix &unit : matrices) {
        Held held;
        held.first_array = array;
        held.arrays = unit.matrix->arrays();
        if (config_.ideal()) {
            const uint32_t rows = std::min(config_.rows, unit.matrix->rows());
            for (uint64_t a = array; a < array + held.arrays; a++) {
                wear_.add_programming(a);
                for (uint32_t row = 0; row < rows; row++)
                    wear_.add_pulses(a, row, 1);
            }
        } else {
            std::string why; // the shape was checked when the program was parsed
            auto analog = AnalogMatrix::create(*unit.matrix, config_, array, wear_, why);
            if (!analog) return analog.error();
            held.analog = std::move(*analog);
        }
        array += held.arrays;
        matrices_.emplace(unit.kernel, std::move(held));
    }
    programmed_at_ = clock;
    return 0;
} catch (const std::bad_alloc &) {
    unload();
    return -ENOMEM;
}

void SlotCells::unload()
{
    matrices_.clear();
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

acc_status SlotCells::write_stats(const Held &held, double clock, const acc_mvm_args &args,
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
    stats.slot_row_pulses = wear_.total_pulses();
    stats.age_ns = static_cast<acc_u64>((clock - programmed_at_) * 1e9);
    if (dispatch.memory->write(args.output, &stats, sizeof(stats))) return ACC_STATUS_OK;
    return memory_fault(dispatch, "written", "output");
}

acc_status SlotCells::run(uint32_t kernel, const Matrix &matrix, const acc_mvm_args &args,
                          double clock, Scratch &scratch, Dispatch &dispatch)
{
    Held &held = matrices_.at(kernel);
    const double age = clock - programmed_at_ + config_.age;
    if (held.analog) {
        held.analog->set_age(age);
        if (config_.compensate && held.compensated_at != age) held.analog->compensate(events_++);
        held.compensated_at = age;
    }
    double vectors = 1;
    switch (args.operation) {
    case ACC_MVM_STATS:
        return write_stats(held, clock, args, dispatch);
    case ACC_MVM_COMPENSATE:
        if (held.analog) held.analog->compensate(events_++);
        break; // one vector, of which every row is on
    default:
        if (held.analog) {
            const acc_status status = multiply(held, matrix, args, dispatch);
            if (status != ACC_STATUS_OK) return status;
        } else if (args.operation == ACC_MVM_MULTIPLY) {
            const uint64_t before = dispatch.saturations;
            const acc_status status = run_mvm(matrix, args, scratch, dispatch);
            if (status != ACC_STATUS_OK) return status;
            held.counts.clipped += dispatch.saturations - before;
            held.counts.activations += args.vectors * held.arrays;
            held.counts.conversions += args.vectors * matrix.conversions();
            return status;
        }
        vectors = static_cast<double>(args.vectors);
    }
    dispatch.modelled_ns = static_cast<uint64_t>(std::llround(matrix.vector_ns() * vectors));
    dispatch.energy_pj = static_cast<uint64_t>(std::llround(matrix.vector_pj() * vectors));
    dispatch.mvms = static_cast<uint64_t>(vectors) * matrix.arrays();
    return ACC_STATUS_OK;
}

} // namespace acc::emu::crossbar
