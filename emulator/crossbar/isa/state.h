// SPDX-License-Identifier: MIT
//
// The insides of a Machine: machine.cc prepares and ends a dispatch, run.cc executes it.
#pragma once

#include "acc/kernels.h"
#include "emulator/crossbar/isa/machine.h"

#include <deque>
#include <utility>

namespace acc::emu::crossbar
{

struct Message {
    uint64_t arrival = 0;
    std::vector<int16_t> words;
};

struct Fifo {
    std::deque<Message> messages; // that arrived or are on their way
    uint32_t reserved = 0;        // places, those of messages among them
};

struct Tile {
    std::vector<int16_t> words;
    std::vector<uint8_t> counts; // consumers that a word waits for; 0: it is not valid
    std::vector<Fifo> fifos;
    std::vector<uint32_t> waiters; // agents
    uint64_t ingress_free = 0;     // when its link from the network is
    bool used = false;             // by the kernel
    TileStats stats;               // of the dispatch
};

enum class Wait : uint8_t { Nothing, Valid, Free, Message, Room };

// A core, a control unit, or a port.
struct Agent {
    enum class Kind : uint8_t { Core, Control, Input, Output };
    Kind kind = Kind::Core;
    Wait wait = Wait::Nothing;
    bool started = false; // the access at `progress` has taken its time
    bool latched = false; // `address` is that of the present indirect access
    uint32_t tile = 0, core = 0;
    uint32_t number = 0; // among the agents
    uint64_t t = 0;
    uint64_t items = 0; // still to do, the present one among them

    const isa::Instruction *code = nullptr;
    size_t length = 0;
    uint32_t pc = 0;
    uint64_t budget = 0;
    uint32_t address = 0;
    uint32_t progress = 0; // words of the present transfer that are through
    uint32_t stage = 0;    // of send, receive and ports
    uint64_t begun = 0;    // when the present transfer was
    std::vector<int16_t> registers;
    std::vector<int16_t> buffer; // of a message or an item

    uint32_t wait_tile = 0, wait_word = 0; // a word, or a FIFO

    const isa::Port *port = nullptr;
    acc_xisa_arg arg{};
    uint64_t item = 0;
};

struct Unit {
    Multiplier *multiplier = nullptr; // null: no weights, or timing only
    uint32_t rows = 0, cols = 0;
    uint64_t events = 0;
    uint64_t cycles = 0;
    double adc_pj = 0, cells_pj = 0, periphery_pj = 0;
    uint32_t arrays = 0, conversions = 0; // of a product, when timing alone is modelled
};

struct Machine::State {
    State(const arch::Arch &arch, const isa::Program &program,
          std::vector<std::unique_ptr<Multiplier>> units, MachineOptions options);

    acc_status run(const isa::Kernel &kernel, Dispatch &dispatch);

    const arch::Arch arch;
    const std::vector<std::unique_ptr<Multiplier>> multipliers;
    const MachineOptions options;
    Alu alu;
    std::vector<Unit> units; // [tile][core][unit]
    std::vector<Tile> tiles;
    std::vector<Agent> agents;
    std::vector<TileStats> totals, last;
    uint64_t total_cycles = 0;

private:
    enum class Step { Yield, Waits, Done, Fault };
    using Ready = std::pair<uint64_t, uint32_t>; // cycle, agent

    void prepare(const isa::Kernel &kernel, const Dispatch &dispatch);
    void add_agent(Agent agent);
    acc_status execute(Dispatch &dispatch);
    void finish(Dispatch &dispatch);
    bool write_stats(uint64_t address, Dispatch &dispatch);
    std::string deadlock_text() const;

    Step step(Agent &agent, Dispatch &dispatch);
    Step run_stream(Agent &agent, Dispatch &dispatch);
    Step run_input(Agent &agent, Dispatch &dispatch);
    Step run_output(Agent &agent, Dispatch &dispatch);
    Step send(Agent &agent, uint32_t address, uint32_t n, uint32_t tile, uint32_t fifo);
    Step receive(Agent &agent, Dispatch &dispatch, uint32_t address, uint32_t n, uint32_t fifo,
                 uint32_t count);
    void multiply(Agent &agent, const isa::Instruction &instruction);

    // Move words between shared memory and `data`, an access at a time, from agent.progress
    // on. Done when all are through; progress is then 0 again.
    Step load_words(Agent &agent, uint32_t address, uint32_t n, int16_t *data);
    Step store_words(Agent &agent, uint32_t address, uint32_t n, const int16_t *data,
                     uint32_t count);
    // Peek leaves the counts as they are; Drop takes a read without reading.
    enum class Access { Load, Peek, Drop, Store };
    template <Access How>
    Step access_words(Agent &agent, uint32_t address, uint32_t n, int16_t *data, uint32_t count);

    // Whether somebody else's turn comes first.
    bool must_yield(const Agent &agent) const
    {
        return !ready_.empty() && ready_.front() < Ready{agent.t, agent.number};
    }
    Step wait(Agent &agent, Wait what, uint32_t tile, uint32_t word);
    void wake(Tile &tile, uint64_t now);
    bool holds(const Agent &agent) const; // what it waits for
    void push_ready(const Agent &agent);
    Step fault(const Agent &agent, Dispatch &dispatch, const std::string &what);

    std::vector<Ready> ready_; // a heap, the earliest first
    std::vector<int64_t> sums_;
    std::vector<int16_t> inputs_;
    uint32_t running_ = 0; // agents that have not ended
    uint32_t poll_ = 0;
    acc_status status_ = ACC_STATUS_OK;
};

std::string place_of(const Agent &agent);

} // namespace acc::emu::crossbar
