// SPDX-License-Identifier: MIT
//
// The cells of one slot: what its matrices have become in the physical arrays, how often
// those were written, how old they are. Devices whose cells are ideal need the counters alone.
//
// Threading: as Engine's load(), unload() and execute(): never two at once.
#pragma once

#include "emulator/crossbar/analog_matrix.h"
#include "emulator/crossbar/mvm.h"
#include "emulator/engine.h"

#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <vector>

namespace acc::emu::crossbar
{

// A matrix of a unit that is loaded, and its kernel in the program.
struct UnitMatrix {
    uint32_t kernel = 0;
    const Matrix *matrix = nullptr;
};

class SlotCells
{
public:
    SlotCells(const Config &config, uint32_t slot);

    // Programs the matrices of a unit, one after the other, at `clock` seconds of the device.
    // 0, -ENOMEM.
    int load(std::span<const UnitMatrix> matrices, double clock);
    void unload();
    bool holds(uint32_t kernel) const { return matrices_.count(kernel) != 0; }

    // A kernel whose arguments are checked, any operation. `clock` as for load().
    acc_status run(uint32_t kernel, const Matrix &matrix, const acc_mvm_args &args, double clock,
                   Scratch &scratch, Dispatch &dispatch);

private:
    struct Held {
        std::unique_ptr<AnalogMatrix> analog; // null: ideal cells
        uint64_t first_array = 0, arrays = 0;
        double compensated_at = -1; // an age
        UnitCounts counts;          // of ideal cells
    };

    acc_status multiply(Held &held, const Matrix &matrix, const acc_mvm_args &args,
                        Dispatch &dispatch);
    acc_status write_stats(const Held &held, double clock, const acc_mvm_args &args,
                           Dispatch &dispatch) const;
    bool read(const Matrix &matrix, const acc_mvm_args &args, uint64_t first, uint32_t vectors,
              Dispatch &dispatch);
    bool write(const Matrix &matrix, const acc_mvm_args &args, uint64_t first, uint32_t vectors,
               Dispatch &dispatch);

    const Config &config_;
    const uint64_t first_array_;
    Wear wear_;
    std::map<uint32_t, Held> matrices_; // by kernel
    double programmed_at_ = 0;
    uint64_t events_ = 0; // vectors since the device came up
    std::vector<std::byte> raw_;
    std::vector<int16_t> inputs_;
    std::vector<int64_t> sums_;
};

} // namespace acc::emu::crossbar
