// SPDX-License-Identifier: MIT
//
// Tiles that run a program of instructions (docs/crossbar-isa.md): cores, control units,
// shared memory with valid and count words, FIFOs, the on-chip network, and the ports through
// which a dispatch's buffers come and go. A discrete-event model: whatever one agent can see
// of another happens in the order of (cycle, agent), so that stalls, results and times are
// the same in every run.
//
// Thread safety: one Machine, one thread at a time.
#pragma once

#include "arch/costs.h"
#include "emulator/crossbar/isa/alu.h"
#include "emulator/engine.h"
#include "program/isa/program.h"

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace acc::emu::crossbar
{

// Conversions that a product took, added to.
struct UnitTally {
    uint64_t arrays = 0; // activations
    uint64_t conversions = 0, clipped = 0;
};

// A programmed MVM unit, as the interpreter needs it.
class Multiplier
{
public:
    virtual ~Multiplier() = default;
    // sums[col] = sum over rows of x * weight, as the arrays make it; `event` numbers the
    // products of this unit.
    virtual void multiply(const int16_t *x, int64_t *sums, uint64_t event, UnitTally &tally) = 0;
    // As MvmUnit's.
    virtual void set_age(double /*seconds*/) {}
    virtual void compensate(uint64_t /*event*/) {}
};

// The integer product: what units are without analog effects.
std::unique_ptr<Multiplier> exact_multiplier(std::span<const int16_t> weights, uint32_t rows,
                                             uint32_t cols);

// What a tile did. Cycles are the model's.
struct TileStats {
    uint64_t instructions = 0; // retired, of its cores and its control unit
    uint64_t mvms = 0;         // of its units
    uint64_t array_activations = 0, conversions = 0, clipped = 0;
    uint64_t mvm_cycles = 0;    // summed over cores
    uint64_t vector_cycles = 0; // of all other instructions of cores, but for memory
    uint64_t accesses = 0;      // of shared memory
    uint64_t messages = 0, words_sent = 0, word_hops = 0;
    uint64_t stall_valid = 0; // cycles that words were waited for
    uint64_t stall_free = 0;  // that consumers were waited for
    uint64_t stall_fifo = 0;  // that messages or room for them were waited for
    double adc_pj = 0, cells_pj = 0, periphery_pj = 0;
    double static_pj = 0;

    void add(const TileStats &other);
};

struct Energy {
    double adc_pj = 0, cells_pj = 0, periphery_pj = 0;
    double core_pj = 0, memory_pj = 0, network_pj = 0, static_pj = 0;

    double total() const
    {
        return adc_pj + cells_pj + periphery_pj + core_pj + memory_pj + network_pj + static_pj;
    }
};
Energy energy_of(const TileStats &stats, const arch::Costs &costs);

struct MachineOptions {
    bool timing_only = false; // data are not computed, nothing is read or written
};

class Machine
{
public:
    // Precondition: check_program(program, arch) said nothing. `units` are those of
    // program.matrices, in their order (of timing_only: empty). The program may go.
    Machine(const arch::Arch &arch, const isa::Program &program,
            std::vector<std::unique_ptr<Multiplier>> units, MachineOptions options);
    ~Machine();
    Machine(const Machine &) = delete;
    Machine &operator=(const Machine &) = delete;

    // Runs a kernel of this program, or of another with the same matrices. Precondition:
    // check_args() was OK. Fills the dispatch's results.
    acc_status run(const isa::Kernel &kernel, Dispatch &dispatch);

    // Lets its cells be `seconds` old, and compensates their drift if asked to.
    void set_age(double seconds, bool compensate);

    // Of all dispatches so far, and of the last alone, by tile of the program.
    std::span<const TileStats> tiles() const;
    std::span<const TileStats> last() const;
    uint64_t cycles() const; // of all dispatches, one after the other

    // Dispatch arguments of a kernel: OK, or what is wrong with them.
    static acc_status check_args(const isa::Kernel &kernel, Dispatch &dispatch);

private:
    struct State;
    std::unique_ptr<State> state_;
};

} // namespace acc::emu::crossbar
