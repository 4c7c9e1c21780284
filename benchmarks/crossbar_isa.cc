// SPDX-License-Identifier: MIT
#include "crossbar_isa.h"

#include "acc/kernels.h"
#include "emulator/crossbar/isa/resident.h"
#include "program/isa/assembler.h"
#include "program/isa/dense.h"

#include <algorithm>
#include <chrono>
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

// 1024 - 2048 - 1024 - 1024 - 128 with sigmoids: 328 MVM units in 21 tiles, one input.
bool mlp_l4(const std::function<void(const std::string &, double)> &put, bool short_run,
            std::string &why)
{
    constexpr uint32_t sizes[] = {1024, 2048, 1024, 1024, 128};
    Config config;
    auto arch = arch::load("puma", why);
    if (!arch) return false;
    static_cast<arch::Arch &>(config) = *arch;
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
    auto program = isa::lower_dense(*arch, layers, "mlp_l4", &why);
    if (!program) return false;
    Wear wear(config.rows);
    auto machine = make_machine(config, *program, 0, wear, nullptr, why);
    if (!machine) return false;
    std::vector<int16_t> x(1024, 1000), y(128);
    std::vector<uint64_t> args = {1, 0};
    for (const isa::Port &port : program->kernels[0].ports) {
        const bool input = port.kind == isa::PortKind::Input;
        const size_t at = std::stoul(port.name.substr(1)) * arch->cols;
        args.push_back(reinterpret_cast<uint64_t>((input ? x.data() : y.data()) + at));
        args.push_back(input ? x.size() : y.size());
    }
    Run run;
    if (!measure(**machine, program->kernels[0], args, short_run ? 2 : 20, run, why)) return false;
    put("mlp_l4_ms", run.seconds * 1e3);
    put("mlp_l4_modelled_us", static_cast<double>(run.dispatch.modelled_ns) / 1e3);
    put("mlp_l4_modelled_uj", static_cast<double>(run.dispatch.energy_pj) / 1e6);
    // Beside what PUMA's authors had for it before publication; docs/crossbar-isa.md, "Beside
    // PUMA".
    put("mlp_l4_us_over_puma", static_cast<double>(run.dispatch.modelled_ns) / 0.348e6);
    put("mlp_l4_uj_over_puma", static_cast<double>(run.dispatch.energy_pj) / 0.0909e9);
    TileStats all;
    for (const TileStats &tile : (*machine)->last())
        all.add(tile);
    const Energy e = energy_of(all, arch->costs);
    put("mlp_l4_mvm_uj", (e.adc_pj + e.cells_pj + e.periphery_pj) / 1e6);
    put("mlp_l4_core_uj", e.core_pj / 1e6);
    put("mlp_l4_memory_uj", e.memory_pj / 1e6);
    put("mlp_l4_network_uj", e.network_pj / 1e6);
    return true;
}

} // namespace

bool bench_isa(const std::function<void(const std::string &, double)> &put, bool short_run,
               std::string &why)
{
    return instructions(put, short_run, why) && mlp_l4(put, short_run, why);
}
