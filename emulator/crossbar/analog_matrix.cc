// SPDX-License-Identifier: MIT
#include "emulator/crossbar/analog_matrix.h"

#include <algorithm>
#include <atomic>
#include <system_error>
#include <thread>

namespace acc::emu::crossbar
{
namespace
{

// Rough real time of one vector in one unit, µs: what a chunk and a thread are worth.
double vector_us(MvmUnit::Path path, const Config &config)
{
    switch (path) {
    case MvmUnit::Path::Exact:
        return 2;
    case MvmUnit::Path::Clip:
        return 30;
    case MvmUnit::Path::Analog:
        break;
    }
    return config.row_gating && config.has_wires() ? 10'000 : 500;
}

} // namespace

Result<std::unique_ptr<MvmUnit>> AnalogMatrix::make_unit(const Matrix &matrix, const Config &config,
                                                         uint32_t row_block, uint32_t col_block,
                                                         uint64_t first_array, Wear *wear,
                                                         ProgramReport *report, std::string &why)
{
    const uint32_t row = row_block * config.rows, col = col_block * config.cols;
    const UnitShape shape{.rows = std::min(config.rows, matrix.rows() - row),
                          .cols = std::min(config.cols, matrix.cols() - col),
                          .weight_bits = matrix.weight_bits(),
                          .input_bits = matrix.input_bits(),
                          .input_signed = matrix.input_signed()};
    ACC_TRY(auto unit, MvmUnit::create(config, shape, first_array, why));
    std::vector<int16_t> weights(size_t{shape.rows} * shape.cols);
    for (uint32_t r = 0; r < shape.rows; r++)
        for (uint32_t c = 0; c < shape.cols; c++)
            weights[size_t{r} * shape.cols + c] = matrix.weight(row + r, col + c);
    ACC_TRY(const ProgramReport took, unit->program(weights, wear, why));
    if (report) *report = took;
    return unit;
}

Result<std::unique_ptr<AnalogMatrix>> AnalogMatrix::create(const Matrix &matrix,
                                                           const Config &config,
                                                           uint64_t first_array, Wear &wear,
                                                           std::string &why)
{
    std::unique_ptr<AnalogMatrix> made(new AnalogMatrix);
    AnalogMatrix &m = *made;
    m.rows_ = matrix.rows();
    m.cols_ = matrix.cols();
    m.block_rows_ = config.rows;
    m.block_cols_ = config.cols;
    m.row_blocks_ = (m.rows_ + config.rows - 1) / config.rows;
    m.col_blocks_ = (m.cols_ + config.cols - 1) / config.cols;
    double us = 0;
    for (uint32_t rb = 0; rb < m.row_blocks_; rb++) {
        for (uint32_t cb = 0; cb < m.col_blocks_; cb++) {
            ProgramReport report;
            ACC_TRY(auto unit, make_unit(matrix, config, rb, cb, first_array, &wear, &report, why));
            const auto index = static_cast<uint32_t>(m.units_.size()) * unit->arrays();
            for (FailedCell cell : report.failures) {
                if (m.report_.failures.size() == ProgramReport::kMaxFailures) break;
                cell.array += index;
                m.report_.failures.push_back(cell);
            }
            m.report_.pulses += report.pulses;
            m.report_.row_pulses += report.row_pulses;
            m.report_.ns += report.ns;
            m.report_.pj += report.pj;
            m.report_.failed += report.failed;
            first_array += unit->arrays();
            us = std::max(us, vector_us(unit->path(), config));
            m.units_.push_back(std::move(unit));
        }
    }
    m.chunk_ = static_cast<uint32_t>(std::clamp(1000 / us, 1.0, 64.0));
    const uint32_t processors = std::max(1u, std::thread::hardware_concurrency());
    m.threads_ = std::min<uint32_t>(config.threads ? config.threads : processors,
                                    static_cast<uint32_t>(m.units_.size()));
    // A thread costs some 50 µs: without so much to do it is none.
    if (!config.threads && us * m.chunk_ * static_cast<double>(m.units_.size()) < 500)
        m.threads_ = 1;
    m.workers_.resize(m.threads_);
    m.parts_.resize(m.units_.size());
    return made;
}

bool AnalogMatrix::for_each_unit(const std::function<void(size_t, size_t)> &work,
                                 const std::function<bool()> &stop)
{
    std::atomic<size_t> next{0};
    std::atomic<bool> stopped{false};
    const auto loop = [&](size_t worker) {
        while (!stopped.load(std::memory_order_relaxed)) {
            const size_t unit = next.fetch_add(1, std::memory_order_relaxed);
            if (unit >= units_.size()) return;
            work(unit, worker);
            if (worker == 0 && stop()) stopped.store(true, std::memory_order_relaxed);
        }
    };
    {
        std::vector<std::jthread> helpers;
        for (size_t worker = 1; worker < threads_; worker++) {
            try {
                helpers.emplace_back(loop, worker);
            } catch (const std::system_error &) {
                break; // the others do its part
            }
        }
        loop(0);
    }
    return !stopped.load(std::memory_order_relaxed);
}

void AnalogMatrix::take_inputs(const int16_t *x, uint32_t vectors, size_t unit,
                               std::vector<int16_t> &out)
{
    const uint32_t rows = units_[unit]->shape().rows;
    const size_t first = unit / col_blocks_ * block_rows_;
    out.resize(size_t{vectors} * rows);
    for (uint32_t v = 0; v < vectors; v++)
        std::copy_n(x + size_t{v} * rows_ + first, rows, out.data() + size_t{v} * rows);
}

bool AnalogMatrix::run(const int16_t *x, uint32_t vectors, int64_t *sums, uint64_t event,
                       const std::function<bool()> &stop)
{
    const bool done = for_each_unit(
        [&](size_t unit, size_t worker) {
            Worker &w = workers_[worker];
            take_inputs(x, vectors, unit, w.inputs);
            parts_[unit].resize(size_t{vectors} * units_[unit]->shape().cols);
            units_[unit]->run(w.inputs.data(), vectors, parts_[unit].data(), event, *w.scratch,
                              w.counts);
        },
        stop);
    for (Worker &w : workers_) {
        counts_.activations += w.counts.activations;
        counts_.conversions += w.counts.conversions;
        counts_.clipped += w.counts.clipped;
        w.counts = {};
    }
    if (!done) return false;
    std::fill_n(sums, size_t{vectors} * cols_, 0);
    for (size_t unit = 0; unit < units_.size(); unit++) {
        const uint32_t cols = units_[unit]->shape().cols;
        int64_t *out = sums + unit % col_blocks_ * block_cols_;
        for (uint32_t v = 0; v < vectors; v++)
            for (uint32_t c = 0; c < cols; c++)
                out[size_t{v} * cols_ + c] += parts_[unit][size_t{v} * cols + c];
    }
    return true;
}

bool AnalogMatrix::calibrate(const int16_t *x, uint32_t vectors, uint64_t event, bool extend,
                             const std::function<bool()> &stop)
{
    return for_each_unit(
        [&](size_t unit, size_t worker) {
            Worker &w = workers_[worker];
            take_inputs(x, vectors, unit, w.inputs);
            units_[unit]->calibrate(w.inputs.data(), vectors, event, *w.scratch, extend);
        },
        stop);
}

void AnalogMatrix::compensate(uint64_t event)
{
    for (auto &unit : units_)
        unit->compensate(event);
}

void AnalogMatrix::set_age(double seconds)
{
    for (auto &unit : units_)
        unit->set_age(seconds);
}

uint64_t AnalogMatrix::stuck_cells() const
{
    uint64_t stuck = 0;
    for (const auto &unit : units_)
        stuck += unit->stuck_cells();
    return stuck;
}

size_t AnalogMatrix::memory() const
{
    size_t bytes = sizeof(*this);
    for (const auto &unit : units_)
        bytes += unit->memory();
    return bytes;
}

} // namespace acc::emu::crossbar
