// SPDX-License-Identifier: MIT
//
// The cells of one slot: what its matrices and its program of instructions have become in the
// physical arrays, how often those were written, how old they are. Matrices of devices whose
// cells are ideal need the counters alone.
//
// Threading: as Engine's load(), unload() and execute(): never two at once. book() is for
// anybody at any time. Clocks are of the cells, ns since the device came up.
#pragma once

#include "emulator/crossbar/analog_matrix.h"
#include "emulator/crossbar/isa/resident.h"
#include "emulator/crossbar/mvm.h"
#include "emulator/crossbar/tiles.h"
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

    // Programs a unit: its program of instructions, if it has one, in the tiles that it names, and
    // the matrices one after the other behind them. 0, -EINVAL or -ENOMEM, and `why`.
    int load(std::span<const UnitMatrix> matrices, const isa::Program *program, uint64_t clock,
             std::string &why);
    void unload();
    bool holds(uint32_t kernel) const { return matrices_.count(kernel) != 0; }
    bool holds_program() const { return machine_ != nullptr; }

    // A kernel whose arguments are checked: of a matrix, any operation; of the program.
    acc_status run(uint32_t kernel, const Matrix &matrix, const acc_mvm_args &args, uint64_t clock,
                   Scratch &scratch, Dispatch &dispatch);
    acc_status run(const isa::Kernel &kernel, uint64_t clock, Dispatch &dispatch);

    const TileBook &book() const { return book_; }

private:
    struct Held {
        std::unique_ptr<AnalogMatrix> analog; // null: ideal cells
        uint64_t first_array = 0, arrays = 0;
        double compensated_at = -1; // an age
        UnitCounts counts;          // of ideal cells
        std::vector<TileShare> shares;
    };

    acc_status multiply(Held &held, const Matrix &matrix, const acc_mvm_args &args,
                        Dispatch &dispatch);
    int load_matrix(const UnitMatrix &unit, uint64_t array, std::vector<TileLoad> &loads,
                    std::string &why);
    acc_status write_stats(const Held &held, uint64_t clock, const acc_mvm_args &args,
                           Dispatch &dispatch) const;
    acc_status write_cells(const Held &held, const Matrix &matrix, const acc_mvm_args &args,
                           Dispatch &dispatch) const;
    bool read(const Matrix &matrix, const acc_mvm_args &args, uint64_t first, uint32_t vectors,
              Dispatch &dispatch);
    bool write(const Matrix &matrix, const acc_mvm_args &args, uint64_t first, uint32_t vectors,
               Dispatch &dispatch);

    const Config &config_;
    const uint64_t first_array_;
    Wear wear_;
    TileBook book_;
    std::map<uint32_t, Held> matrices_; // by kernel
    std::unique_ptr<Machine> machine_;
    double machine_age_ = -1; // s, when its cells were last looked at
    uint64_t programmed_at_ = 0;
    uint64_t events_ = 0; // vectors since the device came up
    std::vector<std::byte> raw_;
    std::vector<int16_t> inputs_;
    std::vector<int64_t> sums_;
};

} // namespace acc::emu::crossbar
