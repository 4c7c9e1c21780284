// SPDX-License-Identifier: MIT
#include "emulator/crossbar/isa/machine.h"

#include "emulator/crossbar/isa/state.h"
#include "emulator/engine_checks.h"

#include <algorithm>
#include <cmath>
#include <cstring>

namespace acc::emu::crossbar
{
namespace
{

class Exact final : public Multiplier
{
public:
    Exact(std::span<const int16_t> weights, uint32_t rows, uint32_t cols)
        : weights_(weights.begin(), weights.end()), rows_(rows), cols_(cols)
    {
    }
    void multiply(const int16_t *x, int64_t *sums, uint64_t, UnitTally &) override
    {
        std::fill_n(sums, cols_, 0);
        for (uint32_t row = 0; row < rows_; row++)
            for (uint32_t col = 0; col < cols_; col++)
                sums[col] += int64_t{x[row]} * weights_[size_t{row} * cols_ + col];
    }

private:
    const std::vector<int16_t> weights_;
    const uint32_t rows_, cols_;
};

// Kernargs as the struct they start with, and the argument of each port.
acc_xisa_arg arg_of(const Dispatch &dispatch, size_t port)
{
    acc_xisa_arg arg;
    std::memcpy(&arg, dispatch.kernargs.data() + sizeof(acc_xisa_args) + port * sizeof(arg),
                sizeof(arg));
    return arg;
}

} // namespace

std::unique_ptr<Multiplier> exact_multiplier(std::span<const int16_t> weights, uint32_t rows,
                                             uint32_t cols)
{
    return std::make_unique<Exact>(weights, rows, cols);
}

void TileStats::add(const TileStats &o)
{
    instructions += o.instructions;
    mvms += o.mvms;
    array_activations += o.array_activations;
    conversions += o.conversions;
    clipped += o.clipped;
    mvm_cycles += o.mvm_cycles;
    vector_cycles += o.vector_cycles;
    accesses += o.accesses;
    messages += o.messages;
    words_sent += o.words_sent;
    word_hops += o.word_hops;
    stall_valid += o.stall_valid;
    stall_free += o.stall_free;
    stall_fifo += o.stall_fifo;
    adc_pj += o.adc_pj;
    cells_pj += o.cells_pj;
    periphery_pj += o.periphery_pj;
    static_pj += o.static_pj;
}

Energy energy_of(const TileStats &stats, const arch::Costs &costs)
{
    const auto number = [](uint64_t value) { return static_cast<double>(value); };
    return {.adc_pj = stats.adc_pj,
            .cells_pj = stats.cells_pj,
            .periphery_pj = stats.periphery_pj,
            .core_pj = number(stats.vector_cycles) * costs.cycle_ns * costs.vector_unit_mw,
            .memory_pj = number(stats.accesses) * costs.access_pj,
            .network_pj = number(stats.word_hops) * costs.noc_pj_per_word,
            .static_pj = stats.static_pj};
}

Machine::Machine(const arch::Arch &arch, const isa::Program &program,
                 std::vector<std::unique_ptr<Multiplier>> units, MachineOptions options)
    : state_(std::make_unique<State>(arch, program, std::move(units), options))
{
}

Machine::~Machine() = default;

acc_status Machine::run(const isa::Kernel &kernel, Dispatch &dispatch)
{
    return state_->run(kernel, dispatch);
}

void Machine::set_age(double seconds, bool compensate)
{
    for (Unit &unit : state_->units) {
        if (!unit.multiplier) continue;
        unit.multiplier->set_age(seconds);
        if (compensate) unit.multiplier->compensate(unit.events++);
    }
}

std::span<const TileStats> Machine::tiles() const
{
    return state_->totals;
}

std::span<const TileStats> Machine::last() const
{
    return state_->last;
}

uint64_t Machine::cycles() const
{
    return state_->total_cycles;
}

acc_status Machine::check_args(const isa::Kernel &kernel, Dispatch &dispatch)
{
    const auto refuse = [&](std::string text) {
        dispatch.text = std::move(text);
        return ACC_STATUS_INVALID_KERNARG;
    };
    if (dispatch.kernargs.size() != kernel.kernarg_bytes())
        return refuse("expected " + std::to_string(kernel.kernarg_bytes()) +
                      " bytes of arguments; found " + std::to_string(dispatch.kernargs.size()));
    acc_xisa_args head;
    std::memcpy(&head, dispatch.kernargs.data(), sizeof(head));
    if (head.items == 0) return refuse("expected at least 1 item; found 0");
    if (head.stats % 8)
        return refuse("expected an address of statistics aligned to 8 bytes; found one that ends "
                      "in " +
                      std::to_string(head.stats % 8));
    for (size_t k = 0; k < kernel.ports.size(); k++) {
        const isa::Port &port = kernel.ports[k];
        const acc_xisa_arg arg = arg_of(dispatch, k);
        const std::string name = "port " + port.name + ": ";
        if (port.kind == isa::PortKind::Scalar) {
            const auto value = static_cast<int64_t>(arg.value);
            if (value < -32768 || value > 65535)
                return refuse(name + "expected a value from -32768 to 65535; found " +
                              std::to_string(value));
            if (arg.stride) return refuse(name + "expected a stride of 0; found another");
            continue;
        }
        if (arg.value == 0 || arg.value % port.element())
            return refuse(name + "expected an address aligned to " +
                          std::to_string(port.element()) + " bytes; found " +
                          std::to_string(arg.value));
        if (arg.stride < port.words)
            return refuse(name + "expected a stride of at least " + std::to_string(port.words) +
                          " words; found " + std::to_string(arg.stride));
        using u128 = unsigned __int128;
        if (u128{arg.value} + (u128{head.items - 1} * arg.stride + port.words) * port.element() >
            u128{1} << 64)
            return refuse(name + "expected items inside 64-bit addresses; found " +
                          std::to_string(head.items) + " at a stride of " +
                          std::to_string(arg.stride));
    }
    return ACC_STATUS_OK;
}

Machine::State::State(const arch::Arch &a, const isa::Program &p,
                      std::vector<std::unique_ptr<Multiplier>> u, MachineOptions o)
    : arch(a), multipliers(std::move(u)), options(o), alu(a),
      units(size_t{p.tiles} * a.cores * a.mvm_units), tiles(p.tiles), totals(p.tiles),
      last(p.tiles), sums_(a.cols), inputs_(a.rows)
{
    for (size_t k = 0; k < p.matrices.size(); k++) {
        const isa::Matrix &m = p.matrices[k];
        Unit &unit = units[(size_t{m.tile} * a.cores + m.core) * a.mvm_units + m.unit];
        unit.multiplier = k < multipliers.size() ? multipliers[k].get() : nullptr;
        unit.rows = m.rows;
        unit.cols = m.cols;
        const arch::ArrayUse use = isa::use_of(a, m);
        unit.cycles =
            static_cast<uint64_t>(std::ceil(arch::mvm_ns(use, a.costs) / a.costs.cycle_ns));
        unit.adc_pj = arch::mvm_adc_pj(use, a.costs);
        unit.cells_pj = arch::mvm_cells_pj(use, a.costs);
        unit.periphery_pj = arch::mvm_pj(use, a.costs) - unit.adc_pj - unit.cells_pj;
        unit.arrays = use.arrays;
        unit.conversions = use.arrays * m.cols * ((use.input_bits + a.dac_bits - 1) / a.dac_bits);
    }
}

void Machine::State::add_agent(Agent agent)
{
    agent.number = static_cast<uint32_t>(agents.size());
    tiles[agent.tile].used = true;
    agents.push_back(std::move(agent));
}

// Memory as the program's data leave it, registers of 0, everybody ready at cycle 0.
void Machine::State::prepare(const isa::Kernel &kernel, const Dispatch &dispatch)
{
    acc_xisa_args head;
    std::memcpy(&head, dispatch.kernargs.data(), sizeof(head));
    agents.clear();
    for (Tile &tile : tiles) {
        tile.words.assign(arch.shared_words, 0);
        tile.counts.assign(arch.shared_words, 0);
        tile.fifos.assign(arch.fifos, {});
        tile.waiters.clear();
        tile.ingress_free = 0;
        tile.used = false;
        tile.stats = {};
    }
    for (const isa::Data &data : kernel.data) {
        std::copy(data.words.begin(), data.words.end(),
                  tiles[data.tile].words.begin() + data.address);
        std::fill_n(tiles[data.tile].counts.begin() + data.address, data.words.size(),
                    static_cast<uint8_t>(data.count));
    }
    const auto add_ports = [&](Agent::Kind kind) {
        for (size_t k = 0; k < kernel.ports.size(); k++) {
            const isa::Port &port = kernel.ports[k];
            if (kind == Agent::Kind::Input ? !port.input() : !port.output()) continue;
            Agent agent;
            agent.kind = kind;
            agent.tile = port.tile;
            agent.items = head.items;
            agent.port = &port;
            agent.arg = arg_of(dispatch, k);
            agent.buffer.resize(port.words);
            add_agent(std::move(agent));
        }
    };
    for (size_t k = 0; k < kernel.ports.size(); k++) {
        const isa::Port &port = kernel.ports[k];
        if (port.kind != isa::PortKind::Scalar) continue;
        tiles[port.tile].words[port.address] = static_cast<int16_t>(arg_of(dispatch, k).value);
        tiles[port.tile].counts[port.address] = isa::kSticky;
    }
    add_ports(Agent::Kind::Input);
    for (const isa::Stream &stream : kernel.streams) {
        Agent agent;
        agent.kind = stream.core == isa::kControl ? Agent::Kind::Control : Agent::Kind::Core;
        agent.tile = stream.tile;
        agent.core = stream.core;
        agent.items = head.items;
        agent.code = stream.code.data();
        agent.length = stream.code.size();
        agent.budget = arch.instruction_budget;
        agent.registers.assign(
            agent.kind == Agent::Kind::Core ? arch.core_registers() : arch::kTileRegisters, 0);
        add_agent(std::move(agent));
    }
    add_ports(Agent::Kind::Output);
    ready_.clear();
    for (const Agent &agent : agents)
        ready_.emplace_back(0, agent.number); // in order: a heap already
    running_ = static_cast<uint32_t>(agents.size());
    poll_ = 0;
}

acc_status Machine::State::run(const isa::Kernel &kernel, Dispatch &dispatch)
{
    prepare(kernel, dispatch);
    acc_status status = execute(dispatch);
    finish(dispatch); // of a fault too: what was done up to it
    acc_xisa_args head;
    std::memcpy(&head, dispatch.kernargs.data(), sizeof(head));
    if (status == ACC_STATUS_OK && head.stats && !write_stats(head.stats, dispatch))
        status = memory_fault(dispatch, "written", "statistics");
    return status;
}

void Machine::State::finish(Dispatch &dispatch)
{
    uint64_t end = 0;
    for (const Agent &agent : agents)
        end = std::max(end, agent.t);
    const double ns = static_cast<double>(end) * arch.costs.cycle_ns;
    double pj = 0;
    for (size_t k = 0; k < tiles.size(); k++) {
        TileStats &stats = tiles[k].stats;
        if (tiles[k].used) stats.static_pj = ns * arch.costs.tile_static_mw;
        pj += energy_of(stats, arch.costs).total();
        totals[k].add(stats);
        last[k] = stats;
        dispatch.saturations += stats.clipped;
        dispatch.mvms += stats.array_activations;
    }
    total_cycles += end;
    dispatch.modelled_ns = static_cast<uint64_t>(std::llround(ns));
    dispatch.energy_pj = static_cast<uint64_t>(std::llround(pj));
}

bool Machine::State::write_stats(uint64_t address, Dispatch &dispatch)
{
    const auto round = [](double pj) { return static_cast<acc_u64>(std::llround(pj)); };
    for (const Tile &tile : tiles) {
        const TileStats &s = tile.stats;
        const Energy e = energy_of(s, arch.costs);
        const acc_xisa_tile_stats out = {
            .instructions = s.instructions,
            .mvms = s.mvms,
            .array_activations = s.array_activations,
            .conversions = s.conversions,
            .clipped = s.clipped,
            .mvm_cycles = s.mvm_cycles,
            .vector_cycles = s.vector_cycles,
            .accesses = s.accesses,
            .messages = s.messages,
            .words_sent = s.words_sent,
            .word_hops = s.word_hops,
            .stall_valid = s.stall_valid,
            .stall_free = s.stall_free,
            .stall_fifo = s.stall_fifo,
            .adc_pj = round(e.adc_pj),
            .cells_pj = round(e.cells_pj),
            .periphery_pj = round(e.periphery_pj),
            .core_pj = round(e.core_pj),
            .memory_pj = round(e.memory_pj),
            .network_pj = round(e.network_pj),
            .static_pj = round(e.static_pj),
            .reserved = {},
        };
        if (!dispatch.memory->write(address, &out, sizeof(out))) return false;
        address += sizeof(out);
    }
    return true;
}

std::string place_of(const Agent &agent)
{
    const std::string tile = "tile " + std::to_string(agent.tile);
    switch (agent.kind) {
    case Agent::Kind::Core:
        return tile + " core " + std::to_string(agent.core);
    case Agent::Kind::Control:
        return tile + " control";
    default:
        return "port " + agent.port->name;
    }
}

std::string Machine::State::deadlock_text() const
{
    constexpr size_t most = 32;
    std::string text = "deadlock: ";
    size_t shown = 0;
    for (const Agent &a : agents) {
        if (a.wait == Wait::Nothing) continue;
        if (shown++ == most) {
            text += "; …";
            break;
        }
        text += (shown > 1 ? "; " : "") + place_of(a);
        if (a.code) text += " at " + std::to_string(a.pc);
        const std::string number = std::to_string(a.wait_word);
        const std::string tile =
            a.wait_tile == a.tile ? "" : " of tile " + std::to_string(a.wait_tile);
        switch (a.wait) {
        case Wait::Valid:
            text += " waits for word " + number + " to be written";
            break;
        case Wait::Free:
            text += " waits for word " + number + " to be read";
            break;
        case Wait::Message:
            text += " waits for a message in FIFO " + number;
            break;
        default:
            text += " waits for room in FIFO " + number + tile;
            break;
        }
    }
    return text;
}

} // namespace acc::emu::crossbar
