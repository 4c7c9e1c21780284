// SPDX-License-Identifier: MIT
//
// The interpreter: who runs when, and what each instruction does and takes.
#include "emulator/crossbar/isa/state.h"
#include "emulator/engine_checks.h"

#include <algorithm>
#include <cstring>
#include <functional>

namespace acc::emu::crossbar
{

using isa::Instruction;
using isa::Op;

namespace
{

// Instructions between two looks at the stop flag, and what a product counts as.
constexpr uint32_t kPoll = 1u << 14;
constexpr uint32_t kPollProduct = 1u << 10;

// An item of int8 elements, which its first bytes hold, as words; and back, in place.
void widen(std::vector<int16_t> &words)
{
    const auto *bytes = reinterpret_cast<const int8_t *>(words.data());
    for (size_t k = words.size(); k-- > 0;)
        words[k] = bytes[k];
}
void narrow(std::vector<int16_t> &words)
{
    auto *bytes = reinterpret_cast<int8_t *>(words.data());
    for (size_t k = 0; k < words.size(); k++)
        bytes[k] = static_cast<int8_t>(std::clamp<int16_t>(words[k], -128, 127));
}

} // namespace

acc_status Machine::State::execute(Dispatch &dispatch)
{
    status_ = ACC_STATUS_OK;
    while (!ready_.empty()) {
        std::pop_heap(ready_.begin(), ready_.end(), std::greater<>());
        Agent &agent = agents[ready_.back().second];
        ready_.pop_back();
        switch (step(agent, dispatch)) {
        case Step::Yield:
            push_ready(agent);
            break;
        case Step::Waits:
            break;
        case Step::Done:
            running_--;
            break;
        case Step::Fault:
            return status_;
        }
    }
    if (running_ == 0) return ACC_STATUS_OK;
    dispatch.text = deadlock_text();
    return ACC_STATUS_ENGINE_ERROR;
}

Machine::State::Step Machine::State::step(Agent &agent, Dispatch &dispatch)
{
    switch (agent.kind) {
    case Agent::Kind::Input:
        return run_input(agent, dispatch);
    case Agent::Kind::Output:
        return run_output(agent, dispatch);
    default:
        return run_stream(agent, dispatch);
    }
}

Machine::State::Step Machine::State::fault(const Agent &agent, Dispatch &dispatch,
                                           const std::string &what)
{
    dispatch.text = what + ": " + place_of(agent);
    if (agent.code)
        dispatch.text +=
            " instruction " + std::to_string(agent.pc) + ", " + isa::text_of(agent.code[agent.pc]);
    status_ = ACC_STATUS_ENGINE_ERROR;
    return Step::Fault;
}

// --- Who waits for what

void Machine::State::push_ready(const Agent &agent)
{
    ready_.emplace_back(agent.t, agent.number);
    std::push_heap(ready_.begin(), ready_.end(), std::greater<>());
}

Machine::State::Step Machine::State::wait(Agent &agent, Wait what, uint32_t tile, uint32_t word)
{
    agent.wait = what;
    agent.wait_tile = tile;
    agent.wait_word = word;
    tiles[tile].waiters.push_back(agent.number);
    return Step::Waits;
}

bool Machine::State::holds(const Agent &agent) const
{
    const Tile &tile = tiles[agent.wait_tile];
    switch (agent.wait) {
    case Wait::Valid:
        return tile.counts[agent.wait_word] != 0;
    case Wait::Free:
        return tile.counts[agent.wait_word] == 0;
    case Wait::Message:
        return !tile.fifos[agent.wait_word].messages.empty();
    case Wait::Room:
        return tile.fifos[agent.wait_word].reserved < arch.fifo_depth;
    default:
        return true;
    }
}

void Machine::State::wake(Tile &tile, uint64_t now)
{
    size_t kept = 0;
    for (const uint32_t number : tile.waiters) {
        Agent &agent = agents[number];
        if (!holds(agent)) {
            tile.waiters[kept++] = number;
            continue;
        }
        if (now > agent.t) {
            TileStats &stats = tiles[agent.tile].stats;
            uint64_t &stall = agent.wait == Wait::Valid  ? stats.stall_valid
                              : agent.wait == Wait::Free ? stats.stall_free
                                                         : stats.stall_fifo;
            stall += now - agent.t;
            agent.t = now;
        }
        agent.wait = Wait::Nothing;
        push_ready(agent);
    }
    tile.waiters.resize(kept);
}

// --- Shared memory

// An access takes its time, and happens at its end, when all of its words are as they must
// be; until then it is tried again. So an access never sees half of another.
template <Machine::State::Access How>
Machine::State::Step Machine::State::access_words(Agent &agent, uint32_t address, uint32_t n,
                                                  int16_t *data, uint32_t count)
{
    Tile &tile = tiles[agent.tile];
    const uint32_t width = arch.costs.access_words;
    while (agent.progress < n) {
        if (!agent.started) {
            agent.t += arch.costs.access_cycles;
            agent.started = true;
        }
        if (must_yield(agent)) return Step::Yield;
        const uint32_t first = address + agent.progress;
        const uint32_t words = std::min(width, n - agent.progress);
        uint8_t *counts = tile.counts.data() + first;
        for (uint32_t k = 0; k < words; k++)
            if (How == Access::Store ? counts[k] != 0 : counts[k] == 0)
                return wait(agent, How == Access::Store ? Wait::Free : Wait::Valid, agent.tile,
                            first + k);
        if constexpr (How == Access::Store) {
            std::memcpy(tile.words.data() + first, data + agent.progress, words * 2);
            std::memset(counts, static_cast<int>(count), words);
        } else {
            if (How != Access::Drop)
                std::memcpy(data + agent.progress, tile.words.data() + first, words * 2);
            for (uint32_t k = 0; How != Access::Peek && k < words; k++)
                counts[k] = static_cast<uint8_t>(counts[k] - (counts[k] != isa::kSticky));
        }
        tile.stats.accesses++;
        agent.started = false;
        agent.progress += words;
        if (!tile.waiters.empty()) wake(tile, agent.t);
    }
    agent.progress = 0;
    return Step::Done;
}

Machine::State::Step Machine::State::load_words(Agent &agent, uint32_t address, uint32_t n,
                                                int16_t *data)
{
    return access_words<Access::Load>(agent, address, n, data, 0);
}

Machine::State::Step Machine::State::store_words(Agent &agent, uint32_t address, uint32_t n,
                                                 const int16_t *data, uint32_t count)
{
    return access_words<Access::Store>(agent, address, n, const_cast<int16_t *>(data), count);
}

// --- The network

// Stages: 0 room in the FIFO, 1 the words, 2 the message has left.
Machine::State::Step Machine::State::send(Agent &agent, uint32_t address, uint32_t n,
                                          uint32_t target, uint32_t fifo_number)
{
    Tile &to = tiles[target];
    Fifo &fifo = to.fifos[fifo_number];
    if (agent.stage == 0) {
        if (must_yield(agent)) return Step::Yield;
        if (fifo.reserved >= arch.fifo_depth) return wait(agent, Wait::Room, target, fifo_number);
        fifo.reserved++;
        agent.begun = agent.t;
        agent.buffer.resize(n);
        agent.stage = 1;
    }
    if (agent.stage == 1) {
        const Step step = load_words(agent, address, n, agent.buffer.data());
        if (step != Step::Done) return step;
        // Words leave as they are read: the accesses are part of the message's time.
        agent.t = std::max(agent.t, agent.begun + arch::send_cycles(n, arch.costs));
        agent.stage = 2;
    }
    if (must_yield(agent)) return Step::Yield;
    const uint32_t hops = arch::hops(arch, agent.tile, target);
    const uint64_t arrival = std::max(agent.t + arch::hop_cycles(hops, arch.costs),
                                      to.ingress_free + uint64_t{n} * arch.costs.noc_word_cycles);
    to.ingress_free = arrival;
    fifo.messages.push_back({arrival, agent.buffer});
    TileStats &stats = tiles[agent.tile].stats;
    stats.messages++;
    stats.words_sent += n;
    stats.word_hops += uint64_t{n} * hops;
    agent.stage = 0;
    if (!to.waiters.empty()) wake(to, agent.t);
    return Step::Done;
}

// Stages: 0 a message, 1 it is there, 2 its words are in memory.
Machine::State::Step Machine::State::receive(Agent &agent, Dispatch &dispatch, uint32_t address,
                                             uint32_t n, uint32_t fifo_number, uint32_t count)
{
    Tile &tile = tiles[agent.tile];
    Fifo &fifo = tile.fifos[fifo_number];
    if (agent.stage == 0) {
        if (must_yield(agent)) return Step::Yield;
        if (fifo.messages.empty()) return wait(agent, Wait::Message, agent.tile, fifo_number);
        const Message &message = fifo.messages.front();
        if (message.words.size() != n)
            return fault(agent, dispatch,
                         "expected a message of " + std::to_string(n) + " words, found one of " +
                             std::to_string(message.words.size()));
        if (message.arrival > agent.t) {
            tile.stats.stall_fifo += message.arrival - agent.t;
            agent.t = message.arrival;
        }
        agent.stage = 1;
    }
    const Step step = store_words(agent, address, n, fifo.messages.front().words.data(), count);
    if (step != Step::Done) return step;
    fifo.messages.pop_front();
    fifo.reserved--;
    agent.stage = 0;
    if (!tile.waiters.empty()) wake(tile, agent.t);
    return Step::Done;
}

// --- Ports: a dispatch's buffers, over the network from and to outside of the tiles

Machine::State::Step Machine::State::run_input(Agent &agent, Dispatch &dispatch)
{
    const isa::Port &port = *agent.port;
    while (agent.items) {
        if (agent.stage == 0) {
            const uint64_t at = agent.arg.value + agent.item * agent.arg.stride * port.element();
            if (!options.timing_only &&
                !dispatch.memory->read(agent.buffer.data(), at,
                                       size_t{port.words} * port.element())) {
                status_ = memory_fault(dispatch, "read", port.name.c_str());
                return Step::Fault;
            }
            if (port.bytes() && !options.timing_only) widen(agent.buffer);
            agent.t += arch::send_cycles(port.words, arch.costs);
            TileStats &stats = tiles[agent.tile].stats;
            stats.messages++;
            stats.word_hops += uint64_t{port.words} * arch::hops(arch, 0, agent.tile);
            agent.stage = 1;
        }
        const Step step =
            store_words(agent, port.address, port.words, agent.buffer.data(), port.count);
        if (step != Step::Done) return step;
        agent.stage = 0;
        agent.item++;
        agent.items--;
        if (dispatch.should_stop()) {
            status_ = ACC_STATUS_TIMEOUT;
            return Step::Fault;
        }
    }
    return Step::Done;
}

Machine::State::Step Machine::State::run_output(Agent &agent, Dispatch &dispatch)
{
    const isa::Port &port = *agent.port;
    while (agent.items) {
        const Step step = load_words(agent, port.address, port.words, agent.buffer.data());
        if (step != Step::Done) return step;
        agent.t += arch::send_cycles(port.words, arch.costs);
        TileStats &stats = tiles[agent.tile].stats;
        stats.messages++;
        stats.words_sent += port.words;
        stats.word_hops += uint64_t{port.words} * arch::hops(arch, agent.tile, 0);
        if (port.bytes() && !options.timing_only) narrow(agent.buffer);
        const uint64_t at = agent.arg.value + agent.item * agent.arg.stride * port.element();
        if (!options.timing_only &&
            !dispatch.memory->write(at, agent.buffer.data(), size_t{port.words} * port.element())) {
            status_ = memory_fault(dispatch, "written", port.name.c_str());
            return Step::Fault;
        }
        agent.item++;
        agent.items--;
        if (dispatch.should_stop()) {
            status_ = ACC_STATUS_TIMEOUT;
            return Step::Fault;
        }
    }
    return Step::Done;
}

// --- Instructions

void Machine::State::multiply(Agent &agent, const Instruction &i)
{
    TileStats &stats = tiles[agent.tile].stats;
    uint64_t cycles = 0;
    int16_t *pairs = i.op == Op::MvmW ? agent.registers.data() + i.d : nullptr;
    for (uint32_t u = 0; u < arch.mvm_units; u++) {
        if (!(i.flags & 1u << u)) continue;
        Unit &unit = units[(size_t{agent.tile} * arch.cores + agent.core) * arch.mvm_units + u];
        cycles = std::max(cycles, unit.cycles);
        stats.mvms++;
        stats.adc_pj += unit.adc_pj;
        stats.cells_pj += unit.cells_pj;
        stats.periphery_pj += unit.periphery_pj;
        if (!unit.multiplier) {
            stats.array_activations += unit.arrays;
            stats.conversions += unit.conversions;
            continue; // timing alone: where pairs go does not matter
        }
        const int16_t *x = agent.registers.data() + size_t{u} * arch.rows;
        if (i.a) {
            // Row k < filter is fed from register (k + stride) mod filter.
            std::copy_n(x, unit.rows, inputs_.data());
            const uint32_t filter = i.a;
            for (uint32_t k = 0; k < std::min(filter, unit.rows); k++)
                inputs_[k] = x[(k + i.b) % filter];
            x = inputs_.data();
        }
        UnitTally tally;
        unit.multiplier->multiply(x, sums_.data(), unit.events++, tally);
        stats.array_activations += tally.arrays;
        stats.conversions += tally.conversions;
        stats.clipped += tally.clipped;
        if (pairs) {
            Alu::split(sums_.data(), pairs, unit.cols);
            pairs += size_t{2} * arch.cols;
        } else {
            alu.narrow(sums_.data(),
                       agent.registers.data() + arch.input_registers() + size_t{u} * arch.cols,
                       unit.cols);
        }
        poll_ += kPollProduct;
    }
    stats.mvm_cycles += cycles;
    agent.t += cycles;
}

Machine::State::Step Machine::State::run_stream(Agent &agent, Dispatch &dispatch)
{
    int16_t *r = agent.registers.data();
    TileStats &stats = tiles[agent.tile].stats;
    const arch::Costs &costs = arch.costs;
    const bool core = agent.kind == Agent::Kind::Core;
    const auto work = [&](uint64_t cycles) {
        agent.t += cycles;
        if (core) stats.vector_cycles += cycles;
    };
    for (;;) {
        const Instruction &i = agent.code[agent.pc];
        uint32_t next = agent.pc + 1;
        Step step = Step::Done;
        uint32_t address = i.imm & isa::kMaxAddress;
        if (i.op == Op::LoadR || i.op == Op::StoreR || i.op == Op::PeekR || i.op == Op::DropR ||
            i.op == Op::SendR || i.op == Op::RecvR) {
            // Once, for a load may overwrite the register that it comes from.
            if (!agent.latched) {
                agent.address = static_cast<uint16_t>(r[i.a]) + uint32_t{i.b};
                agent.latched = true;
            }
            address = agent.address;
            if (address + i.n > arch.shared_words)
                return fault(agent, dispatch,
                             "expected words below " + std::to_string(arch.shared_words) +
                                 ", found " + std::to_string(address + i.n - 1));
        }
        switch (i.op) {
        case Op::Nop:
            work(1);
            break;
        case Op::Hlt:
            stats.instructions++;
            work(1);
            if (--agent.items == 0) return Step::Done;
            agent.pc = 0;
            agent.budget = arch.instruction_budget;
            continue;
        case Op::Jmp:
            work(1);
            next = i.imm;
            break;
        case Op::Beq:
            work(1);
            if (r[i.a] == r[i.b]) next = i.imm;
            break;
        case Op::Bne:
            work(1);
            if (r[i.a] != r[i.b]) next = i.imm;
            break;
        case Op::Blt:
            work(1);
            if (r[i.a] < r[i.b]) next = i.imm;
            break;
        case Op::Bge:
            work(1);
            if (r[i.a] >= r[i.b]) next = i.imm;
            break;
        case Op::Set:
            work(arch::vector_cycles(i.n, costs));
            std::fill_n(r + i.d, i.n, static_cast<int16_t>(i.imm));
            break;
        case Op::Load:
        case Op::LoadR:
            step = load_words(agent, address, i.n, r + i.d);
            break;
        case Op::Peek:
        case Op::PeekR:
            step = access_words<Access::Peek>(agent, address, i.n, r + i.d, 0);
            break;
        case Op::Drop:
        case Op::DropR:
            step = access_words<Access::Drop>(agent, address, i.n, nullptr, 0);
            break;
        case Op::Store:
            step = store_words(agent, address, i.n, r + i.d, i.imm >> 24);
            break;
        case Op::StoreR:
            step = store_words(agent, address, i.n, r + i.d, i.flags);
            break;
        case Op::Send:
            step = send(agent, address, i.n, i.d, i.imm >> 24);
            break;
        case Op::SendR:
            step = send(agent, address, i.n, i.d, i.flags);
            break;
        case Op::Recv:
            step = receive(agent, dispatch, address, i.n, i.d, i.imm >> 24);
            break;
        case Op::RecvR:
            step = receive(agent, dispatch, address, i.n, i.d, i.flags);
            break;
        case Op::Mvm:
        case Op::MvmW:
            multiply(agent, i);
            break;
        default: {
            const bool transcendental = Alu::transcendental(i.op);
            const bool pairs = i.op == Op::AddW || i.op == Op::Widen;
            const bool narrows = i.op == Op::Requant || i.op == Op::Join;
            work(transcendental ? arch::transcendental_cycles(i.n, costs)
                 : pairs        ? arch::pair_cycles(i.n, costs)
                 : narrows      ? arch::requant_cycles(i.n, costs)
                                : arch::vector_cycles(i.n, costs));
            // Single words may be addresses and loop counters: they are always computed.
            if (options.timing_only && i.n > 1) break;
            const uint64_t draw = i.op == Op::Rndcmp ? arch.seed * 0x100000001b3u + agent.t * 4096 +
                                                           (uint64_t{agent.tile} << 40) +
                                                           (uint64_t{agent.core} << 52)
                                                     : 0;
            if (const char *wrong = alu.execute(i, r, draw)) return fault(agent, dispatch, wrong);
            break;
        }
        }
        if (step != Step::Done) return step;
        stats.instructions++;
        agent.latched = false;
        agent.pc = next;
        if (--agent.budget == 0)
            return fault(agent, dispatch,
                         "more than " + std::to_string(arch.instruction_budget) +
                             " instructions in a pass");
        if (++poll_ >= kPoll) {
            poll_ = 0;
            if (dispatch.should_stop()) {
                status_ = ACC_STATUS_TIMEOUT;
                return Step::Fault;
            }
        }
    }
}

} // namespace acc::emu::crossbar
