// SPDX-License-Identifier: MIT
//
// The crossbar engine: programs are weight matrices, kernels are products with them.
// docs/crossbar.md says what is modelled and how.
#include "emulator/crossbar/cells.h"
#include "emulator/crossbar/isa/resident.h"
#include "emulator/crossbar/mvm.h"
#include "emulator/crossbar/slot.h"
#include "emulator/digest.h"
#include "emulator/engine_checks.h"
#include "program/program_file.h"
#include "program/text.h"

#include <drm/acc_drm.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstring>
#include <deque>
#include <new>

namespace acc::emu
{
namespace
{

using namespace crossbar;

constexpr uint32_t kDeviceId = 0x0101;
constexpr uint32_t kSlotClass = 1;
// The shell interface that a program may insist on; it changes with the image format.
constexpr uint8_t kShell[16] = {0x5e, 0x0d, 0x21, 0x9a, 0x77, 0xc4, 0x4b, 0x3e,
                                0x9d, 0x02, 0x6f, 0x18, 0xe3, 0x5a, 0xb0, 0x47};

class CrossbarProgram final : public EngineProgram
{
public:
    std::vector<std::unique_ptr<Matrix>> matrices; // by kernel; null: one of instructions
    std::unique_ptr<IsaImage> isa;                 // null: matrices alone

    const isa::Kernel *isa_kernel(uint32_t kernel) const
    {
        return isa ? isa->kernel(kernel) : nullptr;
    }
    const isa::Program *isa_program(uint32_t unit) const
    {
        return isa ? isa->program(unit) : nullptr;
    }
};

class CrossbarEngine final : public Engine
{
public:
    explicit CrossbarEngine(const Config &config)
        : config_(config), scratch_(config.slots), tiles_used_(config.slots)
    {
        for (uint32_t slot = 0; slot < config_.slots; slot++)
            cells_.emplace_back(config_, slot);
    }

    EngineInfo info() const override
    {
        EngineInfo info;
        info.engine = DRM_ACC_ENGINE_CROSSBAR;
        info.device_id = kDeviceId;
        info.name = "memristor crossbar";
        info.config = config_.text();
        std::memcpy(info.shell, kShell, sizeof(kShell));
        info.modelled = true;
        info.non_volatile = true;
        info.tiles = true;
        return info;
    }

    std::vector<SlotInfo> slots() const override
    {
        return std::vector<SlotInfo>(config_.slots,
                                     {.class_id = kSlotClass, .capacity = config_.arrays});
    }

    Result<std::unique_ptr<EngineProgram>> parse(std::span<const std::byte> image,
                                                 std::string &why) override
    try {
        return parse_image(image, why);
    } catch (const std::bad_alloc &) {
        why = "expected memory for the matrices of a program; found none";
        return Error{-ENOMEM};
    }

    int load(uint32_t slot, const EngineProgram &program, uint32_t unit) override
    try {
        if (slot >= config_.slots || unit >= program.units.size()) return -EINVAL;
        const auto &own = static_cast<const CrossbarProgram &>(program);
        const auto *isa = own.isa_program(unit);
        tiles_used_[slot].store(isa ? isa->tiles : config_.tiles, std::memory_order_relaxed);
        std::string why; // the shapes were checked when the program was parsed
        return load_cells(slot, own, unit, why);
    } catch (const std::bad_alloc &) {
        return -ENOMEM;
    }
    void unload(uint32_t slot) override
    {
        cells_[slot].unload();
        tiles_used_[slot].store(0, std::memory_order_relaxed);
    }

    Result<std::vector<std::byte>> save(uint32_t slot, const EngineProgram &program,
                                        uint32_t unit) override;
    // What comes back is what a program would put there again, so it is checked and not held.
    Result<Unit> restore(uint32_t slot, std::span<const std::byte> state, std::string &why) override
    {
        if (slot >= config_.slots) {
            why = "expected a slot below " + std::to_string(config_.slots) + "; found " +
                  std::to_string(slot);
            return Error{-EINVAL};
        }
        ACC_TRY(Unit unit, read_cells(state, config_, why));
        unit.class_id = kSlotClass;
        return unit;
    }

    acc_status execute(const EngineProgram &program, Dispatch &dispatch) override
    try {
        const acc_status refused = check_dispatch(dispatch, program);
        if (refused != ACC_STATUS_OK) return refused;
        if (const auto &own = static_cast<const CrossbarProgram &>(program);
            own.isa_kernel(dispatch.kernel))
            return execute_isa(own, dispatch);
        acc_mvm_args args;
        std::memcpy(&args, dispatch.kernargs.data(), sizeof(args));
        const auto &own = static_cast<const CrossbarProgram &>(program);
        const Matrix &matrix = *own.matrices[dispatch.kernel];
        const acc_status status = check_mvm(matrix, args, dispatch.text);
        if (status != ACC_STATUS_OK) return status;
        SlotCells &cells = cells_[dispatch.slot];
        // A unit that outlived its program and was taken over has been loaded by nobody.
        if (!cells.holds(dispatch.kernel) &&
            load_cells(dispatch.slot, own, program.kernels[dispatch.kernel].unit, dispatch.text) <
                0)
            return ACC_STATUS_ENGINE_ERROR;
        return cells.run(dispatch.kernel, matrix, args, clock_.load(std::memory_order_relaxed),
                         scratch_[dispatch.slot], dispatch);
    } catch (const std::bad_alloc &) {
        dispatch.text = "expected memory for the buffers of a dispatch; found none";
        return ACC_STATUS_ENGINE_ERROR;
    }

    int tile(uint32_t index, drm_acc_tile &out) override
    {
        const auto tiles = static_cast<uint32_t>(cells_[0].book().tiles());
        out.slot = index / tiles;
        out.tile = index % tiles;
        if (out.slot >= config_.slots) return -ENOENT;
        cells_[out.slot].book().read(out.tile, clock_.load(std::memory_order_relaxed), out);
        return 0;
    }

    int age(uint64_t ns) override
    {
        constexpr uint64_t most = uint64_t{1} << 63;
        uint64_t now = clock_.load(std::memory_order_relaxed);
        do {
            if (ns > most - now) return -EINVAL;
        } while (!clock_.compare_exchange_weak(now, now + ns, std::memory_order_relaxed));
        return 0;
    }

    uint64_t estimate_ns(const EngineProgram &program, const Dispatch &dispatch) const override
    {
        const auto &matrices = static_cast<const CrossbarProgram &>(program).matrices;
        acc_mvm_args args;
        if (dispatch.kernel >= matrices.size()) return 0; // refused at once
        if (!matrices[dispatch.kernel]) return 1'000'000; // instructions: nobody knows
        if (dispatch.kernargs.size() != sizeof(args)) return 0;
        std::memcpy(&args, dispatch.kernargs.data(), sizeof(args));
        const Matrix &matrix = *matrices[dispatch.kernel];
        // About 16 products a nanosecond, and 20 ns for a column that may clip.
        const double cells = static_cast<double>(matrix.rows()) * matrix.cols();
        const double vector =
            cells / 16 + 100 + (config_.ideal() ? 0 : 8 * cells) +
            20.0 * static_cast<double>(matrix.clipping().size()) * matrix.input_bits() / 8;
        return static_cast<uint64_t>(std::min(vector * static_cast<double>(args.vectors), 1e18));
    }

private:
    Result<std::unique_ptr<EngineProgram>> parse_image(std::span<const std::byte> image,
                                                       std::string &why) const;
    Result<std::vector<program::XbarMatrix>>
    read_image(const program::ProgramFile &file, CrossbarProgram &program, std::string &why) const;
    void fill_units(CrossbarProgram &program, std::span<const acc_unit_desc> descs,
                    std::span<const program::XbarMatrix> sources) const;
    acc_status execute_isa(const CrossbarProgram &program, Dispatch &dispatch);
    int load_cells(uint32_t slot, const CrossbarProgram &program, uint32_t unit, std::string &why);
    std::string no_room(const std::string &unit, uint32_t tiles) const;

    const Config config_;
    std::atomic<uint64_t> clock_{0};                // of the cells, ns: it moves when it is told to
    std::deque<SlotCells> cells_;                   // by slot
    std::vector<Scratch> scratch_;                  // by slot
    std::vector<std::atomic<uint32_t>> tiles_used_; // by slot
};

Error refuse(std::string &why, std::string text)
{
    why = std::move(text);
    return Error{-EINVAL};
}

int CrossbarEngine::load_cells(uint32_t slot, const CrossbarProgram &program, uint32_t unit,
                               std::string &why)
{
    std::vector<UnitMatrix> matrices;
    for (uint32_t i = 0; i < program.matrices.size(); i++)
        if (program.kernels[i].unit == unit && program.matrices[i])
            matrices.push_back({i, program.matrices[i].get()});
    return cells_[slot].load(matrices, program.isa_program(unit),
                             clock_.load(std::memory_order_relaxed), why);
}

// The matrices by kernel, empty where one is of instructions, which go into the program.
Result<std::vector<program::XbarMatrix>>
CrossbarEngine::read_image(const program::ProgramFile &file, CrossbarProgram &program,
                           std::string &why) const
{
    const auto image = file.image(ACC_TARGET_CROSSBAR);
    const auto descs = file.kernels(ACC_TARGET_CROSSBAR);
    if (image.size() < sizeof(acc_xbar_image) ||
        program::load_struct<acc_xbar_image>(image).version != ACC_XBAR_VERSION_KINDS)
        return program::parse_xbar_image(image, descs.size(), &why);
    ACC_TRY(program.isa,
            parse_isa_image(image, descs, file.units(ACC_TARGET_CROSSBAR).size(), config_, why));
    std::vector<program::XbarMatrix> sources(descs.size());
    for (uint32_t i = 0; i < descs.size(); i++) {
        if (program.isa_kernel(i)) continue;
        auto matrix = program::parse_xbar_matrix(image, program.isa->matrix_offset(i), &why);
        if (!matrix) return refuse(why, "kernel " + std::to_string(i) + ": " + why);
        sources[i] = *matrix;
    }
    return sources;
}

std::string CrossbarEngine::no_room(const std::string &unit, uint32_t tiles) const
{
    uint32_t free = 0;
    for (const auto &used : tiles_used_)
        free += used.load(std::memory_order_relaxed) == 0 ? config_.tiles : 0;
    return "unit " + unit + ": needs " + std::to_string(tiles) + " tiles; expected at most " +
           std::to_string(config_.tiles) + ", those of a slot (" + std::to_string(free) + " of " +
           std::to_string(config_.slots * config_.tiles) + " tiles are free, in groups of " +
           std::to_string(config_.tiles) + ")";
}

acc_status CrossbarEngine::execute_isa(const CrossbarProgram &program, Dispatch &dispatch)
{
    const isa::Kernel &kernel = *program.isa_kernel(dispatch.kernel);
    const acc_status status = Machine::check_args(kernel, dispatch);
    if (status != ACC_STATUS_OK) return status;
    // A unit that outlived its program and was taken over has been loaded by nobody.
    SlotCells &cells = cells_[dispatch.slot];
    if (!cells.holds_program() &&
        load_cells(dispatch.slot, program, program.kernels[dispatch.kernel].unit, dispatch.text) <
            0)
        return ACC_STATUS_ENGINE_ERROR;
    return cells.run(kernel, clock_.load(std::memory_order_relaxed), dispatch);
}

Result<std::unique_ptr<EngineProgram>> CrossbarEngine::parse_image(std::span<const std::byte> image,
                                                                   std::string &why) const
{
    ACC_TRY(const auto file, program::ProgramFile::parse(image, &why));
    const acc_note_compat *compat = file.compat(ACC_TARGET_CROSSBAR);
    if (!compat) return refuse(why, "expected a program for the crossbar; found none");
    if (std::string text = check_shell(*compat, kShell); !text.empty()) return refuse(why, text);

    const auto descs = file.kernels(ACC_TARGET_CROSSBAR);
    const auto units = file.units(ACC_TARGET_CROSSBAR);
    std::vector<uint64_t> needed(units.size());
    auto program = std::make_unique<CrossbarProgram>();
    ACC_TRY(const auto sources, read_image(file, *program, why));
    for (size_t i = 0; i < descs.size(); i++) {
        const std::string name(program::name_of(descs[i].name));
        const isa::Kernel *isa = program->isa_kernel(static_cast<uint32_t>(i));
        if (std::string text =
                check_segments(descs[i], isa ? isa->kernarg_bytes() : sizeof(acc_mvm_args));
            !text.empty())
            return refuse(why, text);
        if (!isa) needed[descs[i].unit] += config_.arrays_of(sources[i].desc);
        program->kernels.push_back({.name = name,
                                    .unit = descs[i].unit,
                                    .kernarg_bytes = descs[i].kernarg_bytes,
                                    .group_bytes = 0,
                                    .private_bytes = 0});
    }
    // Before any weight is packed: a program that is too big costs nothing.
    for (size_t u = 0; u < units.size(); u++) {
        if (units[u].class_id != 0 && units[u].class_id != kSlotClass)
            return refuse(why, "unit " + std::string(program::name_of(units[u].name)) +
                                   ": expected slot class 0 or 1; found " +
                                   std::to_string(units[u].class_id));
        if (const isa::Program *isa = program->isa_program(static_cast<uint32_t>(u))) {
            needed[u] += isa->tiles * config_.arrays_per_tile();
            if (isa->tiles > config_.tiles) {
                why = no_room(std::string(program::name_of(units[u].name)), isa->tiles);
                return Error{-ENOSPC};
            }
        }
        if (needed[u] > config_.arrays) {
            why = "unit " + std::string(program::name_of(units[u].name)) + ": expected at most " +
                  std::to_string(config_.arrays) + " arrays, those of a slot; found " +
                  std::to_string(needed[u]);
            return Error{-ENOSPC};
        }
    }
    for (size_t i = 0; i < descs.size(); i++) {
        if (program->isa_kernel(static_cast<uint32_t>(i))) {
            program->matrices.push_back(nullptr);
            continue;
        }
        auto matrix = Matrix::create(sources[i], config_, why);
        if (!matrix) {
            why = "kernel " + program->kernels[i].name + ": " + why;
            return Error{matrix.error()};
        }
        program->matrices.push_back(std::move(*matrix));
    }
    fill_units(*program, units, sources);
    return std::unique_ptr<EngineProgram>(std::move(program));
}

// How many matrices the cells of a unit hold, those of instructions among them.
uint32_t cells_matrices(const CrossbarProgram &program, uint32_t unit)
{
    uint32_t count = 0;
    for (size_t i = 0; i < program.matrices.size(); i++)
        count += program.kernels[i].unit == unit && program.matrices[i];
    const isa::Program *isa = program.isa_program(unit);
    return count + (isa ? static_cast<uint32_t>(isa->matrices.size()) : 0);
}

void CrossbarEngine::fill_units(CrossbarProgram &program, std::span<const acc_unit_desc> descs,
                                std::span<const program::XbarMatrix> sources) const
{
    for (size_t u = 0; u < descs.size(); u++) {
        Unit unit;
        unit.name = program::name_of(descs[u].name);
        unit.class_id = descs[u].class_id;
        double ns = 0, pj = 0;
        // What the cells will hold, and nothing of the client's: the bytes of save().
        Digest cells;
        const auto add = [&](const auto &part) { cells.add(std::as_bytes(std::span(&part, 1))); };
        const auto of_unit = [&](const Kernel &kernel) { return kernel.unit == u; };
        add(cells_header(config_, cells_matrices(program, static_cast<uint32_t>(u))));
        for (size_t i = 0; i < program.matrices.size(); i++) {
            if (!of_unit(program.kernels[i]) || !program.matrices[i]) continue;
            const Matrix &matrix = *program.matrices[i];
            unit.capacity += matrix.arrays();
            ns += matrix.program_ns();
            pj += matrix.program_pj();
            add(cells_matrix(static_cast<uint32_t>(i), matrix.rows(), matrix.cols(),
                             matrix.weight_bits()));
            cells.add(sources[i].weights);
        }
        if (const isa::Program *isa = program.isa_program(static_cast<uint32_t>(u))) {
            unit.capacity += isa->tiles * config_.arrays_per_tile();
            const LoadCost cost = load_cost(config_, *isa);
            ns += cost.ns;
            pj += cost.pj;
            for_each_cells(*isa, [&](std::span<const std::byte> bytes) { cells.add(bytes); });
        }
        unit.load_ns = static_cast<uint64_t>(std::llround(ns));
        unit.load_pj = static_cast<uint64_t>(std::llround(pj));
        cells.finish(unit.cells);
        // The container says whether a unit may be shared, its contents with whom.
        static constexpr uint8_t never[16] = {};
        if (std::memcmp(descs[u].hash, never, sizeof(never)) != 0)
            std::memcpy(unit.hash, unit.cells, sizeof(unit.hash));
        program.units.push_back(std::move(unit));
    }
}

Result<std::vector<std::byte>> CrossbarEngine::save(uint32_t slot, const EngineProgram &program,
                                                    uint32_t unit)
try {
    if (slot >= config_.slots || unit >= program.units.size()) return Error{-EINVAL};
    const auto &own = static_cast<const CrossbarProgram &>(program);
    const auto &matrices = own.matrices;
    std::vector<std::byte> state;
    const auto add = [&](const auto &part) {
        const size_t at = state.size();
        state.resize(at + sizeof(part));
        std::memcpy(state.data() + at, &part, sizeof(part));
    };
    const auto of_unit = [&](const Kernel &kernel) { return kernel.unit == unit; };
    add(cells_header(config_, cells_matrices(own, unit)));
    for (size_t i = 0; i < matrices.size(); i++) {
        if (!of_unit(program.kernels[i]) || !matrices[i]) continue;
        const Matrix &matrix = *matrices[i];
        const CellsMatrix desc = cells_matrix(static_cast<uint32_t>(i), matrix.rows(),
                                              matrix.cols(), matrix.weight_bits());
        state.reserve(state.size() + sizeof(desc) + desc.bytes);
        add(desc);
        for (uint32_t row = 0; row < matrix.rows(); row++) {
            for (uint32_t col = 0; col < matrix.cols(); col++) {
                const int16_t weight = matrix.weight(row, col);
                if (matrix.weight_bits() <= 8)
                    add(static_cast<int8_t>(weight));
                else
                    add(weight);
            }
        }
    }
    if (const isa::Program *isa = own.isa_program(unit))
        for_each_cells(*isa, [&](std::span<const std::byte> bytes) {
            state.insert(state.end(), bytes.begin(), bytes.end());
        });
    return state;
} catch (const std::bad_alloc &) {
    return Error{-ENOMEM};
}

} // namespace

Result<std::unique_ptr<Engine>> create_crossbar_engine(std::span<const Option> options,
                                                       std::string &why)
{
    ACC_TRY(const Config config, Config::create(options, why));
    return std::unique_ptr<Engine>(std::make_unique<CrossbarEngine>(config));
}

} // namespace acc::emu
