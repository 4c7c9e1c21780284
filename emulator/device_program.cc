// SPDX-License-Identifier: MIT
//
// The device core: admin commands on programs.
#include "emulator/device.h"
#include "emulator/queue.h"

#include <algorithm>
#include <cstring>

namespace acc::emu
{

std::shared_ptr<LoadedProgram> Device::find_program(Space &space, uint32_t id)
{
    std::lock_guard lock(space.mutex);
    for (auto &[base, program] : space.programs)
        if (program->id == id) return program;
    return nullptr;
}

// Copies the image into private memory: what is verified is what is used.
int Device::read_image(const acc_admin_cmd &command, std::vector<std::byte> &image)
{
    const auto &args = command.load;
    if (!args.size || args.size > max_program_bytes || args.offset >= ACC_PAGE_BYTES)
        return -EINVAL;
    image.resize(args.size);
    uint64_t done = 0;
    uint64_t in_page = args.offset;
    for (uint64_t entry = args.list; done < args.size; entry += sizeof(acc_u64)) {
        const std::byte *list = bus_.page(entry & ~(ACC_PAGE_BYTES - 1));
        if (!list || entry % sizeof(acc_u64)) return -EFAULT;
        uint64_t bus_address;
        std::memcpy(&bus_address, list + (entry & (ACC_PAGE_BYTES - 1)), sizeof bus_address);
        const std::byte *page = bus_.page(bus_address);
        if (!page) return -EFAULT;
        const uint64_t bytes = std::min(args.size - done, ACC_PAGE_BYTES - in_page);
        std::memcpy(image.data() + done, page + in_page, bytes);
        done += bytes;
        in_page = 0;
    }
    return 0;
}

int Device::load_program(Space &space, const acc_admin_cmd &command, acc_admin_cpl &completion)
{
    std::string why;
    const auto refuse = [&](int error) {
        char text[96] = {};
        std::strncpy(text, why.c_str(), sizeof text - 1);
        if (command.load.why) (void)write_page(command.load.why, text, sizeof text);
        return error;
    };
    const bool persistent = command.flags & ACC_LOAD_PERSISTENT;
    if (command.flags & ~ACC_LOAD_PERSISTENT || (persistent && !residency_.keeps_cells())) {
        why = "expected no flag, or PERSISTENT where the device keeps cells, found " +
              std::to_string(command.flags);
        return refuse(-EINVAL);
    }
    std::vector<std::byte> image;
    if (const int error = read_image(command, image)) {
        why = "the image could not be read";
        return refuse(error);
    }
    auto parsed = engine_->parse(image, why);
    if (!parsed) return refuse(parsed.error());
    auto program = std::make_shared<LoadedProgram>();
    program->asid = space.asid;
    program->id = command.object;
    program->engine = std::move(*parsed);
    program->engine->client = space.asid;
    program->persistent = persistent;
    const auto &kernels = program->engine->kernels;
    const auto &units = program->engine->units;
    if (kernels.empty() || kernels.size() > max_kernels) {
        why =
            "expected 1 to 65536 kernels for this engine, found " + std::to_string(kernels.size());
        return refuse(-EINVAL);
    }
    for (const Kernel &kernel : kernels) {
        if (kernel.unit >= units.size() || kernel.kernarg_bytes > max_kernarg_bytes) {
            why = "kernel " + kernel.name + ": bad unit or more than " +
                  std::to_string(max_kernarg_bytes) + " kernarg bytes";
            return refuse(-EINVAL);
        }
    }
    for (const Unit &unit : units) {
        if (residency_.can_ever_hold(unit)) continue;
        why = "unit " + unit.name + ": " + residency_.why_not(unit);
        return refuse(-ENOSPC);
    }
    program->loads.resize(units.size());
    program->pins.resize(units.size());

    std::lock_guard lock(space.mutex);
    if (space.gone) return -ENOENT;
    if (space.programs.size() >= max_programs) {
        why = "the client has " + std::to_string(max_programs) + " programs already";
        return refuse(-E2BIG);
    }
    // Never reused: a stale kernel object stays unknown for ever.
    program->base = space.next_base;
    space.next_base += max_kernels;
    completion.result0 = program->base;
    completion.result1 = kernels.size();
    space.programs.emplace(program->base, std::move(program));
    space.program_generation.fetch_add(1, std::memory_order_release);
    return 0;
}

int Device::unload_program(Space &space, uint32_t id)
{
    const auto program = find_program(space, id);
    if (!program) return -ENOENT;
    bool executing = false;
    scheduler_.for_each(space.asid,
                        [&](Queue &queue) { executing |= queue.executing() == program.get(); });
    if (executing) return -EBUSY;
    {
        std::lock_guard lock(space.mutex);
        if (!space.programs.erase(program->base)) return -ENOENT; // somebody was faster
        space.program_generation.fetch_add(1, std::memory_order_release);
    }
    engine_->leave(space.asid); // what follows a ring does not see the generation
    // Queues hold references of their own, so a dispatch that had begun just now ends well.
    residency_.forget(*program);
    return 0;
}

int Device::query_program(Space &space, const acc_admin_cmd &command)
{
    const auto program = find_program(space, command.object);
    if (!program) return -ENOENT;
    if (command.identify.index >= program->engine->kernels.size()) return -EINVAL;
    const Kernel &kernel = program->engine->kernels[command.identify.index];
    acc_kernel_state state = {};
    state.kernel_object = program->base + command.identify.index;
    state.kernarg_bytes = kernel.kernarg_bytes;
    state.group_bytes = kernel.group_bytes;
    state.private_bytes = kernel.private_bytes;
    state.slot = residency_.resident_slot(*program, kernel.unit);
    state.loads = residency_.loads(*program, kernel.unit);
    state.pinned = residency_.pinned(*program, kernel.unit);
    state.kernels = uint32_t(program->engine->kernels.size());
    std::strncpy(state.name, kernel.name.c_str(), sizeof state.name - 1);
    return write_page(command.identify.data, &state, sizeof state);
}

namespace
{
// The units of one kernel, or of all.
std::vector<uint32_t> units_of(const LoadedProgram &program, uint32_t kernel)
{
    std::vector<uint32_t> units;
    if (kernel != DRM_ACC_ALL_KERNELS) {
        if (kernel < program.engine->kernels.size())
            units.push_back(program.engine->kernels[kernel].unit);
        return units;
    }
    for (uint32_t unit = 0; unit < program.engine->units.size(); unit++)
        units.push_back(unit);
    return units;
}
} // namespace

int Device::prefetch_program(Space &space, const acc_admin_cmd &command)
{
    const auto program = find_program(space, command.object);
    if (!program) return -ENOENT;
    const auto units = units_of(*program, command.program.kernel);
    if (units.empty()) return -EINVAL;
    for (const uint32_t unit : units)
        (void)residency_.prefetch(program, unit, clock_.now_ns()); // a hint
    return 0;
}

int Device::pin_program(Space &space, const acc_admin_cmd &command, acc_admin_cpl &completion)
{
    const auto program = find_program(space, command.object);
    if (!program) return -ENOENT;
    const auto units = units_of(*program, command.program.kernel);
    if (units.empty()) return -EINVAL;
    std::lock_guard lock(space.mutex);
    if (!space.programs.contains(program->base)) return -ENOENT; // unloaded just now
    if (command.program.pin) {
        const auto fresh = std::count_if(units.begin(), units.end(), [&](uint32_t unit) {
            return !residency_.pinned(*program, unit);
        });
        if (uint64_t(fresh) > command.program.quota) return -EDQUOT;
    } else { // all or nothing
        for (const uint32_t unit : units)
            if (!residency_.pinned(*program, unit)) return -EINVAL;
    }
    uint32_t held = 0;
    for (const auto &[base, other] : space.programs)
        held += residency_.pinned_units(*other);
    for (size_t i = 0; i < units.size(); i++) {
        const bool pinned = residency_.pinned(*program, units[i]);
        const int error = command.program.pin ? residency_.pin(program, units[i], max_pins - held)
                                              : residency_.unpin(program, units[i]);
        held += command.program.pin && !error && !pinned;
        if (!error) continue;
        while (command.program.pin && i--)
            (void)residency_.unpin(program, units[i]);
        return error;
    }
    completion.result0 = residency_.pinned_units(*program);
    return 0;
}

} // namespace acc::emu
