// SPDX-License-Identifier: MIT
//
// What an item takes that is alone in a program: each stream as its instructions' cycles and the
// words and messages that it waits for allow. Loops are followed by their scalars, which are all
// that is computed.
#include "tools/accc/place/instructions.h"

#include "arch/costs.h"

#include <algorithm>
#include <deque>
#include <map>

namespace acc::accc
{
namespace
{

class Schedule
{
public:
    explicit Schedule(const isa::Program &program)
        : program_(program), arch_(program.arch), tiles_(program.tiles)
    {
        for (Tile &tile : tiles_) {
            tile.since.resize(arch_.shared_words);
            tile.counts.resize(arch_.shared_words);
        }
        for (const isa::Data &data : kernel().data)
            put(data.tile, data.address, static_cast<uint32_t>(data.words.size()), data.count, 0);
        for (const isa::Port &port : kernel().ports)
            if (port.input())
                put(port.tile, port.address, port.words, port.count,
                    arch::send_cycles(port.words, costs()) + access(port.words));
        for (const isa::Matrix &m : program.matrices) {
            const double cycles = arch::mvm_ns(isa::use_of(arch_, m), costs()) / costs().cycle_ns;
            auto &units = units_[{m.tile, m.core}];
            units.resize(arch_.mvm_units);
            units[m.unit] = {static_cast<uint64_t>(cycles + 0.999), uint64_t{m.rows} * m.cols};
        }
    }

    ProgramCost run(std::vector<uint64_t> *busy)
    {
        std::vector<Turn> turns(kernel().streams.size());
        for (Turn &turn : turns)
            turn.registers.resize(arch::kMaxRegisters);
        bool moved = true;
        while (moved) {
            moved = false;
            for (size_t s = 0; s < turns.size(); s++)
                while (turns[s].pc < kernel().streams[s].code.size() &&
                       step(kernel().streams[s], turns[s]))
                    moved = true;
        }
        uint64_t busiest = 0, end = 0;
        for (const Turn &turn : turns) {
            busiest = std::max(busiest, turn.busy);
            if (busy) busy->push_back(turn.busy);
        }
        for (const isa::Port &port : kernel().ports) {
            if (!port.output()) continue;
            const uint64_t took = access(port.words) + arch::send_cycles(port.words, costs());
            const Tile &tile = tiles_[port.tile];
            const auto first = tile.since.begin() + port.address;
            end = std::max(end, *std::max_element(first, first + port.words) + took);
            busiest = std::max(busiest, took);
        }
        return {.first_ns = static_cast<double>(end) * costs().cycle_ns,
                .interval_ns = static_cast<double>(busiest) * costs().cycle_ns,
                .instructions = instructions_,
                .accesses = accesses_,
                .products = products_,
                .macs = macs_};
    }

private:
    struct Tile {
        std::vector<uint64_t> since; // that each word is as it is
        std::vector<uint8_t> counts; // reads until it is free
    };
    struct Turn {
        size_t pc = 0;
        uint64_t at = 0, busy = 0;
        std::vector<int16_t> registers;
    };
    struct Unit {
        uint64_t cycles = 0, weights = 0;
    };
    using Place = std::pair<uint32_t, uint32_t>;
    const isa::Kernel &kernel() const { return program_.kernels[0]; }
    const arch::Costs &costs() const { return arch_.costs; }
    uint64_t access(uint32_t words)
    {
        accesses_ += arch::accesses(words, costs());
        return uint64_t{arch::accesses(words, costs())} * costs().access_cycles;
    }

    void put(uint32_t tile, uint32_t address, uint32_t words, uint32_t count, uint64_t at)
    {
        std::fill_n(tiles_[tile].since.begin() + address, words, at);
        std::fill_n(tiles_[tile].counts.begin() + address, words, static_cast<uint8_t>(count));
    }

    // False if it waits; else `from` is no earlier than what it waited for.
    bool ready(uint32_t tile, uint32_t address, uint32_t words, bool valid, uint64_t &from) const
    {
        const Tile &t = tiles_[tile];
        for (uint32_t k = address; k < address + words; k++) {
            if ((t.counts[k] != 0) != valid) return false;
            from = std::max(from, t.since[k]);
        }
        return true;
    }
    void take(uint32_t tile, uint32_t address, uint32_t words, uint64_t at)
    {
        Tile &t = tiles_[tile];
        for (uint32_t k = address; k < address + words; k++)
            if (t.counts[k] != isa::kSticky && --t.counts[k] == 0) t.since[k] = at;
    }

    // What instructions do to scalars. Only loops and addresses hang on these.
    void compute(const isa::Instruction &i, Turn &turn)
    {
        int16_t *r = turn.registers.data();
        const auto word = [](int32_t value) { return static_cast<int16_t>(value); };
        if (i.op == isa::Op::Set)
            std::fill_n(r + i.d, i.n, word(i.signed_imm()));
        else if (i.op == isa::Op::Iaddi)
            r[i.d] = word(r[i.a] + i.signed_imm());
        const bool jumps = i.op == isa::Op::Jmp || (i.op == isa::Op::Beq && r[i.a] == r[i.b]) ||
                           (i.op == isa::Op::Bne && r[i.a] != r[i.b]);
        turn.pc = jumps ? i.imm : turn.pc + 1;
    }

    // False if it waits.
    bool step(const isa::Stream &stream, Turn &turn)
    {
        using isa::Op;
        const isa::Instruction &i = stream.code[turn.pc];
        const bool indirect =
            i.op == Op::LoadR || i.op == Op::PeekR || i.op == Op::DropR || i.op == Op::StoreR;
        const uint32_t address = indirect
                                     ? static_cast<uint16_t>(turn.registers[i.a]) + uint32_t{i.b}
                                     : i.imm & isa::kMaxAddress;
        uint64_t from = turn.at, takes = 1;
        switch (i.op) {
        case Op::Load:
        case Op::LoadR:
        case Op::Peek:
        case Op::PeekR:
        case Op::Drop:
        case Op::DropR:
        case Op::Send:
            if (!ready(stream.tile, address, i.n, true, from)) return false;
            takes = access(i.n);
            if (i.op == Op::Send) takes = std::max(takes, arch::send_cycles(i.n, costs()));
            if (i.op != Op::Peek && i.op != Op::PeekR)
                take(stream.tile, address, i.n, from + takes);
            if (i.op == Op::Send)
                fifos_[{i.d, i.imm >> 24}].push_back(
                    from + takes + arch::hop_cycles(arch::hops(arch_, stream.tile, i.d), costs()));
            break;
        case Op::Recv: {
            auto &messages = fifos_[{stream.tile, i.d}];
            if (messages.empty() || !ready(stream.tile, address, i.n, false, from)) return false;
            from = std::max(from, messages.front());
            messages.pop_front();
            takes = access(i.n);
            put(stream.tile, address, i.n, i.imm >> 24, from + takes);
            break;
        }
        case Op::Store:
        case Op::StoreR:
            if (!ready(stream.tile, address, i.n, false, from)) return false;
            takes = access(i.n);
            put(stream.tile, address, i.n, i.op == Op::Store ? i.imm >> 24 : i.flags, from + takes);
            break;
        case Op::MvmW:
            takes = 0;
            for (uint32_t u = 0; u < arch_.mvm_units; u++) {
                if (!(i.flags & 1u << u)) continue;
                const Unit &unit = units_[{stream.tile, stream.core}][u];
                takes = std::max(takes, unit.cycles);
                products_++;
                macs_ += unit.weights;
            }
            break;
        case Op::AddW:
        case Op::Widen:
            takes = arch::pair_cycles(i.n, costs());
            break;
        case Op::Requant:
        case Op::Join:
            takes = arch::requant_cycles(i.n, costs());
            break;
        case Op::Hlt:
        case Op::Jmp:
        case Op::Beq:
        case Op::Bne:
            break;
        default:
            takes = arch::vector_cycles(i.n, costs());
            break;
        }
        compute(i, turn);
        instructions_++;
        turn.at = from + takes;
        turn.busy += takes;
        return true;
    }

    const isa::Program &program_;
    const arch::Arch &arch_;
    std::vector<Tile> tiles_;
    uint64_t instructions_ = 0, accesses_ = 0, products_ = 0, macs_ = 0;
    std::map<Place, std::deque<uint64_t>> fifos_;
    std::map<Place, std::vector<Unit>> units_; // of each core
};

} // namespace

ProgramCost predict(const isa::Program &program, std::vector<uint64_t> *busy)
{
    return Schedule(program).run(busy);
}

} // namespace acc::accc
