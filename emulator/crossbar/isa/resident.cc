// SPDX-License-Identifier: MIT
#include "emulator/crossbar/isa/resident.h"

#include "emulator/crossbar/cells.h"
#include "emulator/crossbar/device_models.h"
#include "emulator/crossbar/unit.h"
#include "program/text.h"

#include <algorithm>

namespace acc::emu::crossbar
{
namespace
{

Error refuse(std::string &why, std::string text)
{
    why = std::move(text);
    return Error{-EINVAL};
}

class UnitMultiplier final : public Multiplier
{
public:
    explicit UnitMultiplier(std::unique_ptr<MvmUnit> unit)
        : unit_(std::move(unit)), scratch_(MvmUnit::make_scratch())
    {
    }
    void multiply(const int16_t *x, int64_t *sums, uint64_t event, UnitTally &tally) override
    {
        UnitCounts counts;
        unit_->run(x, 1, sums, event, *scratch_, counts);
        tally.arrays += counts.activations;
        tally.conversions += counts.conversions;
        tally.clipped += counts.clipped;
    }
    void set_age(double seconds) override { unit_->set_age(seconds); }
    void compensate(uint64_t event) override { unit_->compensate(event); }

private:
    const std::unique_ptr<MvmUnit> unit_;
    const MvmUnit::ScratchPtr scratch_;
};

} // namespace

const isa::Kernel *IsaImage::kernel(uint32_t index) const
{
    const isa::ImageKernel &k = parsed.kernels[index];
    return k.kind == ACC_XBAR_KIND_ISA ? &parsed.programs[k.program].kernels[k.kernel] : nullptr;
}

const isa::Program *IsaImage::program(uint32_t unit) const
{
    const uint32_t p = program_of_unit[unit];
    return p == kNone ? nullptr : &parsed.programs[p];
}

Result<std::unique_ptr<IsaImage>> parse_isa_image(std::span<const std::byte> image,
                                                  std::span<const acc_kernel_desc> kernels,
                                                  size_t units, const Config &config,
                                                  std::string &why)
{
    auto out = std::make_unique<IsaImage>();
    ACC_TRY(out->parsed, isa::parse_image(image, kernels.size(), &why));
    out->program_of_unit.assign(units, IsaImage::kNone);
    std::vector<uint32_t> unit_of(out->parsed.programs.size(), IsaImage::kNone);
    for (size_t k = 0; k < kernels.size(); k++) {
        const isa::ImageKernel &kernel = out->parsed.kernels[k];
        if (kernel.kind != ACC_XBAR_KIND_ISA) continue;
        const uint32_t unit = kernels[k].unit;
        uint32_t &program = out->program_of_unit[unit];
        uint32_t &its = unit_of[kernel.program];
        if ((program != IsaImage::kNone && program != kernel.program) ||
            (its != IsaImage::kNone && its != unit))
            return refuse(why, "kernel " + std::to_string(k) +
                                   ": expected one program a unit and one unit a program; found "
                                   "program " +
                                   std::to_string(kernel.program) + " in unit " +
                                   std::to_string(unit));
        program = kernel.program;
        its = unit;
    }
    for (size_t p = 0; p < out->parsed.programs.size(); p++) {
        isa::Program &its = out->parsed.programs[p];
        for (size_t k = 0; k < kernels.size(); k++) {
            const isa::ImageKernel &kernel = out->parsed.kernels[k];
            if (kernel.kind == ACC_XBAR_KIND_ISA && kernel.program == p)
                its.kernels[kernel.kernel].name = program::name_of(kernels[k].name);
        }
        std::string wrong = isa::check_program(its, config);
        if (!wrong.empty()) return refuse(why, "program " + std::to_string(p) + ": " + wrong);
        if (config.timing_only) continue;
        for (const isa::Matrix &m : its.matrices)
            if (m.weights.empty())
                return refuse(why, "program " + std::to_string(p) +
                                       ": expected weights, for this device computes outputs "
                                       "(timing_only=0); found none in tile " +
                                       std::to_string(m.tile));
    }
    return out;
}

LoadCost load_cost(const Config &config, const isa::Matrix &matrix)
{
    const PulseEstimate pulses = expected_pulses(config, matrix.cols);
    const uint32_t arrays = isa::arch_of(config, matrix).arrays_per_unit();
    return {.ns = arrays * arch::program_ns(matrix.rows, config.costs) * pulses.row,
            .pj = arrays * arch::program_pj(matrix.rows, matrix.cols, config.costs) * pulses.cell};
}

Result<std::unique_ptr<Machine>> make_machine(const Config &config, const isa::Program &program,
                                              uint64_t first_array, Wear &wear,
                                              std::vector<TileLoad> *loads, std::string &why)
{
    std::vector<std::unique_ptr<Multiplier>> units;
    std::vector<TileLoad> unused;
    std::vector<TileLoad> &of_tile = loads ? *loads : unused;
    of_tile.resize(program.tiles);
    for (const isa::Matrix &m : program.matrices) {
        // Physical arrays by place, so that the same unit always meets the same cells.
        const uint64_t place =
            (uint64_t{m.tile} * config.cores + m.core) * config.mvm_units + m.unit;
        const uint64_t array = first_array + place * config.arrays_per_unit();
        TileLoad &load = of_tile[m.tile];
        const arch::Arch its = isa::arch_of(config, m);
        load.arrays += its.arrays_per_unit();
        if (config.timing_only) {
            const LoadCost cost = load_cost(config, m);
            load.ns += cost.ns;
            load.pj += cost.pj;
            for (uint64_t a = array; a < array + its.arrays_per_unit(); a++) {
                wear.add_programming(a);
                for (uint32_t row = 0; row < m.rows; row++)
                    wear.add_pulses(a, row, 1);
            }
            continue;
        }
        ACC_TRY(auto unit, MvmUnit::create(config,
                                           {.rows = m.rows,
                                            .cols = m.cols,
                                            .weight_bits = its.weight_bits,
                                            .input_bits = its.input_bits,
                                            .input_signed = true},
                                           array, why));
        ACC_TRY(const ProgramReport report, unit->program(m.weights, &wear, why));
        load.stuck_cells += unit->stuck_cells();
        load.failed_cells += report.failed;
        load.ns += report.ns;
        load.pj += report.pj;
        units.push_back(std::make_unique<UnitMultiplier>(std::move(unit)));
    }
    return std::make_unique<Machine>(config, program, std::move(units),
                                     MachineOptions{.timing_only = config.timing_only});
}

LoadCost load_cost(const Config &config, const isa::Program &program)
{
    LoadCost cost;
    for (const isa::Matrix &m : program.matrices) {
        const LoadCost its = load_cost(config, m);
        cost.ns += its.ns;
        cost.pj += its.pj;
    }
    return cost;
}

void for_each_cells(const isa::Program &program,
                    const std::function<void(std::span<const std::byte>)> &add)
{
    for (const isa::Matrix &m : program.matrices) {
        // No kernel, but a place among the tiles.
        const uint32_t place = 1u << 31 | m.tile << 9 | m.core << 3 | m.unit;
        const CellsMatrix head = cells_matrix(place, m.rows, m.cols, 16);
        add(std::as_bytes(std::span(&head, 1)));
        add(std::as_bytes(std::span(m.weights)));
    }
}

} // namespace acc::emu::crossbar
