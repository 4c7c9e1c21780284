// SPDX-License-Identifier: MIT
#include "crossbar_parts.h"

#include "acc/kernels.h"
#include "emulator/crossbar/isa/resident.h"
#include "program/isa/assembler.h"
#include "program/isa/dense.h"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <memory>
#include <random>
#include <vector>

namespace
{

using namespace acc;
using namespace acc::emu;
using namespace acc::emu::crossbar;

// Host memory as a client's: addresses are pointers.
class Flat final : public Memory
{
public:
    std::span<std::byte> span(uint64_t address, size_t bytes, Access) override
    {
        return {reinterpret_cast<std::byte *>(address), bytes};
    }
};

double seconds_now()
{
    return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch())
        .count();
}

struct Run {
    double seconds = 0; // the best
    Dispatch dispatch;
};

bool measure(Machine &machine, const isa::Kernel &kernel, const std::vector<uint64_t> &args,
             int rounds, Run &run, std::string &why)
{
    Flat memory;
    for (int k = 0; k < rounds; k++) {
        run.dispatch = {};
        run.dispatch.kernargs = std::as_bytes(std::span(args));
        run.dispatch.memory = &memory;
        const double start = seconds_now();
        acc_status status = Machine::check_args(kernel, run.dispatch);
        if (status == ACC_STATUS_OK) status = machine.run(kernel, run.dispatch);
        const double took = seconds_now() - start;
        if (status != ACC_STATUS_OK) {
            why = kernel.name + ": " + run.dispatch.text;
            return false;
        }
        run.seconds = k ? std::min(run.seconds, took) : took;
    }
    return true;
}

// A loop of the kinds of instructions that networks have beside MVMs: vectors of 128 words and
// single ones, loads and stores, a branch.
bool instructions(const std::function<void(const std::string &, double)> &put, bool short_run,
                  std::string &why)
{
    const std::string text = R"(.kernel mix
.scalar rounds, 0, 0
.core 0, 0
    load g1000, [0], 1
    set g0, 100, 256
loop: store [64], g0, 128, 1
    load g128, [64], 128
    add g256, g0, g128, 128
    relu g256, g256, 128
    copy g384, g256, 128
    iaddi g1001, g1001, 1
    iadd g1002, g1001, g1003
    slli g1004, g1001, 1, 1
    iaddi g1005, g1004, 3
    blt g1001, g1000, loop
    hlt
)";
    auto arch = arch::load("puma", why);
    if (!arch) return false;
    auto program = isa::assemble(text, "mix", *arch, why);
    if (!program) return false;
    Machine machine(*arch, *program, {}, {});
    Run run;
    const uint64_t rounds = short_run ? 300 : 30000;
    if (!measure(machine, program->kernels[0], {1, 0, rounds, 0}, 3, run, why)) return false;
    const double count = static_cast<double>(machine.tiles()[0].instructions) / 3;
    put("isa_minstr_per_s", count / run.seconds / 1e6);
    return true;
}

constexpr double kPumaUs = 348, kPumaUj = 90.9; // of PUMA's authors, before publication

struct MlpL4 {
    double seconds = 0; // real, the best
    double modelled_us = 0;
    uint64_t mvms = 0; // of units
    Energy energy;
    double uj() const { return energy.total() / 1e6; }
    double mvm_uj() const { return (energy.adc_pj + energy.cells_pj + energy.periphery_pj) / 1e6; }
};

// 1024 - 2048 - 1024 - 1024 - 128 with sigmoids: 328 MVM units in 21 tiles, one input.
bool mlp_l4(const arch::Arch &arch, int rounds, MlpL4 &found, std::string &why)
{
    constexpr uint32_t sizes[] = {1024, 2048, 1024, 1024, 128};
    Config config;
    static_cast<arch::Arch &>(config) = arch;
    config.arrays = config.arrays_per_slot();
    std::mt19937 random(1);
    std::uniform_int_distribution<int> weight(-400, 400);
    std::vector<std::vector<int16_t>> weights;
    std::vector<isa::Dense> layers;
    for (int l = 0; l < 4; l++) {
        auto &w = weights.emplace_back(size_t{sizes[l]} * sizes[l + 1]);
        for (int16_t &value : w)
            value = static_cast<int16_t>(weight(random));
    }
    for (int l = 0; l < 4; l++)
        layers.push_back({.inputs = sizes[l],
                          .outputs = sizes[l + 1],
                          .weights = weights[static_cast<size_t>(l)],
                          .bias = {},
                          .activation = isa::Activation::Sigmoid});
    auto program = isa::lower_dense(arch, layers, "mlp_l4", &why);
    if (!program) return false;
    Wear wear(config.rows);
    auto machine = make_machine(config, *program, 0, wear, nullptr, why);
    if (!machine) return false;
    std::vector<int16_t> x(1024, 1000), y(128);
    std::vector<uint64_t> args = {1, 0};
    for (const isa::Port &port : program->kernels[0].ports) {
        const bool input = port.kind == isa::PortKind::Input;
        const size_t at = std::stoul(port.name.substr(1)) * arch.cols;
        args.push_back(reinterpret_cast<uint64_t>((input ? x.data() : y.data()) + at));
        args.push_back(input ? x.size() : y.size());
    }
    Run run;
    if (!measure(**machine, program->kernels[0], args, rounds, run, why)) return false;
    found.seconds = run.seconds;
    found.modelled_us = static_cast<double>(run.dispatch.modelled_ns) / 1e3;
    TileStats all;
    for (const TileStats &tile : (*machine)->last())
        all.add(tile);
    found.energy = energy_of(all, arch.costs);
    found.mvms = all.mvms;
    return true;
}

// The same network as the model has it and as PUMA's authors had it, and where the difference
// lies: docs/crossbar-isa.md, "Beside PUMA".
bool beside_puma(const std::function<void(const std::string &, double)> &put, bool short_run,
                 std::string &why)
{
    auto arch = arch::load("puma", why);
    MlpL4 ours, biased;
    if (!arch || !mlp_l4(*arch, short_run ? 2 : 20, ours, why)) return false;
    arch::Arch eight = *arch; // PUMA's own units: 8 arrays of biased weights, converters of 8 bits
    eight.sign = arch::Sign::Offset;
    eight.adc_bits = 8;
    if (!mlp_l4(eight, 1, biased, why)) return false;
    put("mlp_l4_ms", ours.seconds * 1e3);
    put("mlp_l4_modelled_us", ours.modelled_us);
    put("mlp_l4_modelled_uj", ours.uj());
    put("mlp_l4_us_over_puma", ours.modelled_us / kPumaUs);
    put("mlp_l4_uj_over_puma", ours.uj() / kPumaUj);
    put("mlp_l4_mvm_uj", ours.mvm_uj());
    put("mlp_l4_core_uj", ours.energy.core_pj / 1e6);
    put("mlp_l4_memory_uj", ours.energy.memory_pj / 1e6);
    put("mlp_l4_network_uj", ours.energy.network_pj / 1e6);
    put("mlp_l4_mvm_biased_uj", biased.mvm_uj());
    const double mvm_us = 2.304, mvms = static_cast<double>(ours.mvms) / 2; // units of a core: one
    const double rest = kPumaUj - biased.mvm_uj();
    std::printf("mlp_l4 beside what PUMA's authors had for it before publication\n"
                "  latency: %.1f us here, %.0f us there. Four layers of MVMs side by side take "
                "%.1f us of ours, moving\n"
                "    and adding words and sigmoids %.1f us; all %.0f MVM instructions one after "
                "the other would take %.0f us.\n"
                "  energy: %.1f uJ here, %.1f uJ there. MVMs are %.1f uJ of ours (pairs of "
                "arrays, 9 bits), and %.1f uJ with\n"
                "    PUMA's units (8 arrays, 8 bits); the other %.1f uJ there are no MVMs: "
                "%.1f mW a tile over %.0f us.\n"
                "    Ours are charged for what they do alone: %.1f uJ.\n",
                ours.modelled_us, kPumaUs, 4 * mvm_us, ours.modelled_us - 4 * mvm_us, mvms,
                mvms * mvm_us, ours.uj(), kPumaUj, ours.mvm_uj(), biased.mvm_uj(), rest,
                rest / kPumaUs / 21 * 1e3, kPumaUs, ours.uj() - ours.mvm_uj());
    return true;
}

} // namespace

bool bench_isa(const std::function<void(const std::string &, double)> &put, bool short_run,
               std::string &why)
{
    return instructions(put, short_run, why) && beside_puma(put, short_run, why);
}
