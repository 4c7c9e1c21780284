// SPDX-License-Identifier: MIT
//
// What a program without jumps takes: each stream once, as its instructions' cycles and the
// words and messages that it waits for allow.
#include "tools/accc/place/instructions.h"

#include "arch/costs.h"

#include <algorithm>
#include <bit>
#include <deque>
#include <map>

namespace acc::accc
{
namespace
{

class Schedule
{
public:
    explicit Schedule(const isa::Program &program) : program_(program), arch_(program.arch)
    {
        for (const isa::Data &data : kernel().data)
            put(data.tile, data.address, static_cast<uint32_t>(data.words.size()), 0);
        for (const isa::Port &port : kernel().ports)
            if (port.input())
                put(port.tile, port.address, port.words,
                    arch::send_cycles(port.words, costs()) + access(port.words));
        for (const isa::Matrix &m : program.matrices) {
            const double cycles = arch::mvm_ns(isa::use_of(arch_, m), costs()) / costs().cycle_ns;
            auto &slowest = mvm_[{m.tile, m.core}];
            slowest.resize(arch_.mvm_units);
            slowest[m.unit] = static_cast<uint64_t>(cycles + 0.999);
        }
    }

    ProgramCost run()
    {
        std::vector<Turn> turns(kernel().streams.size());
        bool moved = true;
        while (moved) {
            moved = false;
            for (size_t s = 0; s < turns.size(); s++)
                while (turns[s].pc < kernel().streams[s].code.size() &&
                       step(kernel().streams[s], turns[s])) {
                    turns[s].pc++;
                    moved = true;
                }
        }
        uint64_t busiest = 0, end = 0;
        for (const Turn &turn : turns)
            busiest = std::max(busiest, turn.busy);
        for (const isa::Port &port : kernel().ports) {
            if (!port.output()) continue;
            const uint64_t took = access(port.words) + arch::send_cycles(port.words, costs());
            const uint64_t *ready = valid(port.tile, port.address);
            end = std::max(end, (ready ? *ready : 0) + took);
            busiest = std::max(busiest, took);
        }
        return {.first_ns = static_cast<double>(end) * costs().cycle_ns,
                .interval_ns = static_cast<double>(busiest) * costs().cycle_ns};
    }

private:
    struct Turn {
        size_t pc = 0;
        uint64_t at = 0, busy = 0;
    };
    using Place = std::pair<uint32_t, uint32_t>;

    const isa::Kernel &kernel() const { return program_.kernels[0]; }
    const arch::Costs &costs() const { return arch_.costs; }
    uint64_t access(uint32_t words) const
    {
        return uint64_t{arch::accesses(words, costs())} * costs().access_cycles;
    }

    void put(uint32_t tile, uint32_t address, uint32_t words, uint64_t at)
    {
        valid_[{tile, address}] = {address + words, at};
    }
    // Since when a word is there; null: it is not.
    const uint64_t *valid(uint32_t tile, uint32_t address) const
    {
        auto it = valid_.upper_bound({tile, address});
        if (it == valid_.begin()) return nullptr;
        --it;
        return it->first.first == tile && address < it->second.first ? &it->second.second : nullptr;
    }

    // False if it waits.
    bool step(const isa::Stream &stream, Turn &turn)
    {
        const isa::Instruction &i = stream.code[turn.pc];
        const uint32_t address = i.imm & isa::kMaxAddress;
        uint64_t from = turn.at, takes = 1;
        switch (i.op) {
        case isa::Op::Load:
        case isa::Op::Send: {
            const uint64_t *ready = valid(stream.tile, address);
            if (!ready) return false;
            from = std::max(from, *ready);
            takes = i.op == isa::Op::Load ? access(i.n)
                                          : std::max(access(i.n), arch::send_cycles(i.n, costs()));
            if (i.op == isa::Op::Send)
                fifos_[{i.d, i.imm >> 24}].push_back(
                    from + takes + arch::hop_cycles(arch::hops(arch_, stream.tile, i.d), costs()));
            break;
        }
        case isa::Op::Recv: {
            auto &messages = fifos_[{stream.tile, i.d}];
            if (messages.empty()) return false;
            from = std::max(from, messages.front());
            messages.pop_front();
            takes = access(i.n);
            put(stream.tile, address, i.n, from + takes);
            break;
        }
        case isa::Op::Store:
            takes = access(i.n);
            put(stream.tile, address, i.n, from + takes);
            break;
        case isa::Op::MvmW:
            takes = 0;
            for (uint32_t u = 0; u < arch_.mvm_units; u++)
                if (i.flags & 1u << u) takes = std::max(takes, mvm_[{stream.tile, stream.core}][u]);
            break;
        case isa::Op::AddW:
            takes = arch::pair_cycles(i.n, costs());
            break;
        case isa::Op::Requant:
            takes = arch::requant_cycles(i.n, costs());
            break;
        case isa::Op::Hlt:
            break;
        default:
            takes = arch::vector_cycles(i.n, costs());
            break;
        }
        turn.at = from + takes;
        turn.busy += takes;
        return true;
    }

    const isa::Program &program_;
    const arch::Arch &arch_;
    std::map<Place, std::pair<uint32_t, uint64_t>> valid_; // from an address on: end, since when
    std::map<Place, std::deque<uint64_t>> fifos_;
    std::map<Place, std::vector<uint64_t>> mvm_; // cycles of a core's units
};

} // namespace

ProgramCost predict(const isa::Program &program)
{
    return Schedule(program).run();
}

} // namespace acc::accc
