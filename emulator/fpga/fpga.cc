// SPDX-License-Identifier: MIT
//
// The FPGA engine: slots are regions, units are roles, kernels are passes of a role.
// docs/fpga.md says what is modelled and how.
#include "emulator/engine_checks.h"
#include "emulator/fpga/config.h"
#include "emulator/fpga/native.h"
#include "emulator/fpga/native_image.h"
#include "emulator/fpga/role.h"
#include "program/images.h"
#include "program/program_file.h"

#include <drm/acc_drm.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <new>
#include <optional>

namespace acc::emu
{
namespace
{

using namespace fpga;

constexpr uint32_t kDeviceId = 0x0201;
constexpr uint64_t kProcessNs = 4000; // about what a dispatch in a process of its own takes
// The shell interface that a program may insist on; it changes with the roles' arguments.
constexpr uint8_t kShell[16] = {0xc8, 0x31, 0x7e, 0x05, 0x1b, 0x92, 0x4d, 0x6a,
                                0xa4, 0x70, 0x2e, 0xf9, 0x84, 0x63, 0x0c, 0xd5};

class FpgaProgram final : public EngineProgram
{
public:
    std::vector<const Role *> roles;     // by kernel, of the behavioural library
    std::optional<NativeProgram> native; // or machine code that the image brought along
};

Error refuse(std::string &why, std::string text)
{
    why = std::move(text);
    return Error{-EINVAL};
}

class FpgaEngine final : public Engine
{
public:
    explicit FpgaEngine(Config config)
        : config_(std::move(config)), isolate_all_(config_.isolation == "all"),
          native_(config_.regions, config_.trace, config_.isolation == "untrusted",
                  config_.staging_bytes)
    {
    }

    EngineInfo info() const override
    {
        EngineInfo info;
        info.engine = DRM_ACC_ENGINE_FPGA;
        info.device_id = kDeviceId;
        info.name = "FPGA regions";
        info.config = config_.text();
        std::memcpy(info.shell, kShell, sizeof(kShell));
        info.modelled = true;
        info.recovers = true;
        info.resources = true;
        return info;
    }

    std::vector<SlotInfo> slots() const override
    {
        const Resources &size = config_.size, &big = config_.big_size;
        std::vector<SlotInfo> slots(config_.regions, {kRegionClass, size[0], size});
        for (size_t i = slots.size() - config_.big; i < slots.size(); i++)
            slots[i] = {kBigClass, big[0], big};
        return slots;
    }

    Result<std::unique_ptr<EngineProgram>> parse(std::span<const std::byte> image,
                                                 std::string &why) override
    try {
        return parse_image(image, why);
    } catch (const std::bad_alloc &) {
        why = "expected memory for the roles of a program; found none";
        return Error{-ENOMEM};
    }

    // Behavioural roles have no state: in the device's process there is nothing to hold for them.
    int load(uint32_t slot, const EngineProgram &program, uint32_t unit) override
    {
        if (slot >= config_.regions || unit >= program.units.size()) return -EINVAL;
        const auto &mine = static_cast<const FpgaProgram &>(program);
        if (!has_regions(mine)) return 0;
        native_.load(slot, program.client, image_of(mine));
        return 0;
    }
    void unload(uint32_t slot) override { native_.unload(slot); }
    int blank(uint32_t slot) override
    {
        native_.unload(slot);
        native_.settle(slot);
        return 0;
    }
    void unmapping(uint32_t client, uint64_t address, uint64_t bytes) override
    {
        native_.unmapping(client, address, bytes);
    }
    void unmapped(uint32_t client) override { native_.unmapped(client); }
    void client_gone(uint32_t client) override { native_.client_gone(client); }

    acc_status execute(const EngineProgram &program, Dispatch &dispatch) override
    try {
        const auto &mine = static_cast<const FpgaProgram &>(program);
        const acc_status refused = check_dispatch(dispatch, program);
        if (refused != ACC_STATUS_OK) return refused;
        const uint64_t bytes = dispatch.memory->bytes_read() + dispatch.memory->bytes_written();
        uint64_t busy = 0;
        Pass pass(dispatch);
        const acc_status status =
            has_regions(mine)
                ? native_.run(dispatch, image_of(mine), order_of(mine, dispatch.kernel), busy)
                : mine.roles[dispatch.kernel]->run(pass);
        if (!mine.native) {
            const Role &role = *mine.roles[dispatch.kernel];
            busy = cycles(role, role.elements(pass));
        }
        if (status != ACC_STATUS_OK) return status;
        const uint64_t moved =
            dispatch.memory->bytes_read() + dispatch.memory->bytes_written() - bytes;
        const Rates rates = rates_of(mine, dispatch.kernel);
        dispatch.modelled_ns = rates.busy_ns(busy);
        dispatch.energy_pj = rates.energy_pj(busy, moved);
        return ACC_STATUS_OK;
    } catch (const std::bad_alloc &) {
        dispatch.text = "expected memory for the buffers of a pass; found none";
        return ACC_STATUS_ENGINE_ERROR;
    }

    bool follows(const EngineProgram &program) const override
    {
        const auto &mine = static_cast<const FpgaProgram &>(program);
        return has_regions(mine) && native_.has_process(image_of(mine));
    }
    void follow(const EngineProgram &program, Following &following) override
    {
        const auto &mine = static_cast<const FpgaProgram &>(program);
        native_.follow(following, image_of(mine), order_of(mine, following.kernel),
                       program.kernels[following.kernel], rates_of(mine, following.kernel));
    }
    void leave(uint32_t client) override { native_.leave(client); }

    uint64_t estimate_ns(const EngineProgram &program, const Dispatch &dispatch) const override
    {
        const auto &mine = static_cast<const FpgaProgram &>(program);
        const auto &roles = mine.roles;
        if (has_regions(mine)) return kProcessNs; // another process is asked: timed
        if (dispatch.kernel >= roles.size() ||
            dispatch.kernargs.size() != roles[dispatch.kernel]->kernarg_bytes)
            return 0; // refused at once
        const Role &role = *roles[dispatch.kernel];
        // Only reads the arguments.
        const Pass pass(const_cast<Dispatch &>(dispatch));
        const auto elements = static_cast<double>(role.elements(pass));
        return static_cast<uint64_t>(
            std::min(500 + elements * static_cast<double>(role.emulated_ns), 1e18));
    }

private:
    Result<std::unique_ptr<EngineProgram>> parse_image(std::span<const std::byte> image,
                                                       std::string &why) const;
    std::string fill_unit(const program::ProgramFile &file, uint32_t index,
                          std::span<const Role *const> roles, Unit &unit) const;

    // Whether a region holds anything for it: the rest is done where it is asked for.
    bool has_regions(const FpgaProgram &program) const { return program.native || isolate_all_; }
    RunOrder order_of(const FpgaProgram &program, uint32_t kernel) const
    {
        if (program.native) return program.native->order(kernel);
        return {program.roles[kernel]->name, {}, {}, {}};
    }
    Rates rates_of(const FpgaProgram &program, uint32_t kernel) const
    {
        const uint64_t luts = program.native ? program.units[program.kernels[kernel].unit].capacity
                                             : program.roles[kernel]->size[0];
        return config_.rates(static_cast<double>(luts));
    }
    const Image &image_of(const FpgaProgram &program) const
    {
        return program.native ? program.native->image : behavioural_;
    }

    const Config config_;
    const bool isolate_all_;
    const Image behavioural_; // the code that the device's program has already
    NativeRegions native_;
};

// What a unit takes is the roles' to say; the container may ask for more, not for less.
std::string FpgaEngine::fill_unit(const program::ProgramFile &file, uint32_t index,
                                  std::span<const Role *const> roles, Unit &unit) const
{
    const acc_unit_desc &desc = file.units(ACC_TARGET_FPGA)[index];
    const std::string name(program::name_of(desc.name));
    const std::string which = "unit " + name + ": ";
    if (roles.empty()) return which + "expected a kernel that uses it; found none";
    if (std::string text = config_.check_class(desc.class_id); !text.empty()) return which + text;
    Resources takes = {};
    std::string identity; // what makes units equal, whoever wrote their containers
    for (const Role *role : roles) {
        std::transform(takes.begin(), takes.end(), role->size.begin(), takes.begin(),
                       std::plus<>());
        identity += (identity.empty() ? "acc.fpga.role:" : "+") + std::string(role->name);
    }
    const acc_unit_resources *asks = file.resources(index);
    for (size_t i = 0; i < takes.size(); i++) {
        const uint64_t ask = asks ? uint64_t(asks->amount[i]) : i ? 0 : uint64_t(desc.capacity);
        if (ask && ask < takes[i])
            return which + "expected at least " + std::to_string(takes[i]) + " " +
                   std::string(kResourceNames[i]) + ", or 0; found " + std::to_string(ask);
        takes[i] = std::max(takes[i], ask);
    }
    unit.name = name;
    unit.class_id = desc.class_id;
    unit.capacity = takes[0];
    unit.resources = takes;
    unit.load_ns = config_.load_ns(desc.load_bytes ? desc.load_bytes : kRegionBytes);
    unit.load_pj = config_.load_pj(unit.load_ns);
    program::content_hash(std::as_bytes(std::span(identity)), unit.hash);
    return {};
}

Result<std::unique_ptr<EngineProgram>> FpgaEngine::parse_image(std::span<const std::byte> image,
                                                               std::string &why) const
{
    ACC_TRY(const auto file, program::ProgramFile::parse(image, &why));
    const acc_note_compat *compat = file.compat(ACC_TARGET_FPGA);
    if (!compat) return refuse(why, "expected a program for the FPGA; found none");
    if (std::string text = check_shell(*compat, kShell); !text.empty()) return refuse(why, text);
    const auto descs = file.kernels(ACC_TARGET_FPGA);
    const auto units = file.units(ACC_TARGET_FPGA);
    if (program::is_fpga_native(file.image(ACC_TARGET_FPGA))) {
        NativeLimits limits;
        limits.keys = config_.keys;
        limits.check_class = [this](uint32_t id) { return config_.check_class(id); };
        limits.load_ns = [this](uint64_t load_bytes) { return config_.load_ns(load_bytes); };
        limits.load_pj = [this](uint64_t ns) { return config_.load_pj(ns); };
        auto program = std::make_unique<FpgaProgram>();
        ACC_TRY(program->native, parse_native(file, limits, *program, why));
        return std::unique_ptr<EngineProgram>(std::move(program));
    }
    ACC_TRY(const auto names,
            program::parse_fpga_image(file.image(ACC_TARGET_FPGA), descs.size(), &why));

    auto program = std::make_unique<FpgaProgram>();
    std::vector<std::vector<const Role *>> of_unit(units.size());
    for (size_t i = 0; i < descs.size(); i++) {
        const Role *role = find_role(names[i]);
        if (!role) {
            std::string known;
            for (const Role &one : roles())
                known += (known.empty() ? "" : ", ") + std::string(one.name);
            return refuse(why, "kernel " + program::printable(descs[i].name) +
                                   ": expected one of " + known + "; found " +
                                   std::string(names[i]));
        }
        if (std::string text = check_segments(descs[i], role->kernarg_bytes); !text.empty())
            return refuse(why, text);
        auto &in_unit = of_unit[descs[i].unit];
        if (std::find(in_unit.begin(), in_unit.end(), role) == in_unit.end())
            in_unit.push_back(role);
        program->roles.push_back(role);
        program->kernels.push_back({.name = std::string(program::name_of(descs[i].name)),
                                    .unit = descs[i].unit,
                                    .kernarg_bytes = role->kernarg_bytes,
                                    .group_bytes = 0,
                                    .private_bytes = 0});
    }
    for (size_t u = 0; u < units.size(); u++) {
        // One order, so that the same roles make the same unit.
        std::sort(of_unit[u].begin(), of_unit[u].end());
        Unit unit;
        if (std::string text = fill_unit(file, static_cast<uint32_t>(u), of_unit[u], unit);
            !text.empty())
            return refuse(why, text);
        program->units.push_back(std::move(unit));
    }
    return std::unique_ptr<EngineProgram>(std::move(program));
}

} // namespace

Result<std::unique_ptr<Engine>> create_fpga_engine(std::span<const Option> options,
                                                   std::string &why)
{
    ACC_TRY(Config config, Config::create(options, why));
    return std::unique_ptr<Engine>(std::make_unique<FpgaEngine>(std::move(config)));
}

} // namespace acc::emu
