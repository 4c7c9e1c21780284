// SPDX-License-Identifier: MIT
//
// A weight matrix of any size in the arrays of a slot: a grid of MVM units, for devices whose
// cells or converters are not ideal. One copy for each slot that it is loaded into, for its
// cells are those of that slot.
//
// Threading: everything but counters() wants it to itself; run() uses several threads inside,
// one unit at a time each, and gives the same bits for any number of them.
#pragma once

#include "acc/kernels.h"
#include "emulator/crossbar/matrix.h"
#include "emulator/crossbar/unit.h"

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace acc::emu::crossbar
{

class AnalogMatrix
{
public:
    // Programs it into the physical arrays first_array …, matrix.arrays() of them.
    static Result<std::unique_ptr<AnalogMatrix>> create(const Matrix &matrix, const Config &config,
                                                        uint64_t first_array, Wear &wear,
                                                        std::string &why);

    // The unit of one block, in the physical arrays from first_array on, and what programming it
    // took. `wear` and `report` may be null: it is a copy then, that nobody wrote.
    static Result<std::unique_ptr<MvmUnit>> make_unit(const Matrix &matrix, const Config &config,
                                                      uint32_t row_block, uint32_t col_block,
                                                      uint64_t first_array, Wear *wear,
                                                      ProgramReport *report, std::string &why);

    uint32_t rows() const { return rows_; }
    uint32_t cols() const { return cols_; }
    // Vectors that run() takes at a time so that it is back in about a millisecond.
    uint32_t chunk() const { return chunk_; }

    // sums [vectors][cols] of x [vectors][rows]; vector v is event `event` + v. False: `stop`
    // said so, and sums are unspecified.
    bool run(const int16_t *x, uint32_t vectors, int64_t *sums, uint64_t event,
             const std::function<bool()> &stop);
    // `extend`: these vectors too, beside those of the last call.
    bool calibrate(const int16_t *x, uint32_t vectors, uint64_t event, bool extend,
                   const std::function<bool()> &stop);
    void compensate(uint64_t event);
    void set_age(double seconds);

    const UnitCounts &counts() const { return counts_; } // since it was programmed
    const ProgramReport &report() const { return report_; }
    uint64_t stuck_cells() const;
    size_t memory() const;
    const MvmUnit &unit(uint32_t row_block, uint32_t col_block) const
    {
        return *units_[size_t{row_block} * col_blocks_ + col_block];
    }
    uint32_t row_blocks() const { return row_blocks_; }
    uint32_t col_blocks() const { return col_blocks_; }

private:
    AnalogMatrix() = default;
    // Calls work(unit, worker) for all units, on up to threads_ threads.
    bool for_each_unit(const std::function<void(size_t, size_t)> &work,
                       const std::function<bool()> &stop);
    void take_inputs(const int16_t *x, uint32_t vectors, size_t unit, std::vector<int16_t> &out);

    struct Worker {
        MvmUnit::ScratchPtr scratch = MvmUnit::make_scratch();
        std::vector<int16_t> inputs;
        UnitCounts counts;
    };

    uint32_t rows_ = 0, cols_ = 0, block_rows_ = 0, block_cols_ = 0;
    uint32_t row_blocks_ = 0, col_blocks_ = 0;
    uint32_t chunk_ = 1, threads_ = 1;
    std::vector<std::unique_ptr<MvmUnit>> units_; // [row block][col block]
    std::vector<Worker> workers_;
    std::vector<std::vector<int64_t>> parts_; // of units, [vectors][cols of the unit]
    UnitCounts counts_;
    ProgramReport report_;
};

} // namespace acc::emu::crossbar
