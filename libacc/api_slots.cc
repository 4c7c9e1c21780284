// SPDX-License-Identifier: MIT
//
// acc.h: the slots of a device and what is decided about them.
#include "libacc/api.h"
#include "libacc/device.h"

#include <algorithm>
#include <cerrno>
#include <iterator>

using namespace acc;

extern "C" {

int acc_device_get_slot(acc_device *handle, uint32_t index, acc_slot_info *info)
{
    return guarded([&] {
        Device *device = from_c<Device>(handle);
        ACC_CHECK(device);
        auto answer = device->query(DRM_ACC_QUERY_SLOT, index);
        if (!answer) return answer.error();
        const drm_acc_slot &slot = answer->slot;
        acc_slot_info out = {};
        out.state = slot.state;
        out.class_id = slot.class_id;
        out.pins = slot.pins;
        out.capacity = slot.capacity;
        out.used = slot.used;
        out.loads = slot.loads;
        out.dispatches = slot.dispatches;
        out.busy_ns = slot.busy_ns;
        out.load_ns = slot.load_ns;
        copy_text(out.resident, slot.resident);
        std::copy(std::begin(slot.resources), std::end(slot.resources), out.resources);
        std::copy(std::begin(slot.resources_used), std::end(slot.resources_used),
                  out.resources_used);
        return write_info(info, out);
    });
}

int acc_device_get_trace(acc_device *handle, uint32_t index, acc_trace_info *info)
{
    return guarded([&] {
        Device *device = from_c<Device>(handle);
        ACC_CHECK(device);
        if (!(device->identity().features & DRM_ACC_FEATURE_TRACE))
            return fail(-EOPNOTSUPP, "{}: expected a device that traces decisions; found none",
                        device->uri())
                .code;
        auto answer = device->query(DRM_ACC_QUERY_TRACE, index);
        if (!answer) return answer.error();
        const drm_acc_trace &trace = answer->trace;
        acc_trace_info out = {};
        out.sequence = trace.sequence;
        out.time_ns = trace.time_ns;
        out.client = trace.client;
        out.victim_client = trace.victim_client;
        out.kind = trace.kind;
        out.reason = trace.reason;
        out.slot = trace.slot;
        out.waiting = trace.waiting;
        out.load_ns = trace.load_ns;
        out.value_ns = trace.value_ns;
        out.waited_ns = trace.waited_ns;
        copy_text(out.unit, trace.unit);
        copy_text(out.victim, trace.victim);
        return write_info(info, out);
    });
}

int acc_device_get_tile(acc_device *handle, uint32_t index, acc_tile_info *info)
{
    return guarded([&] {
        Device *device = from_c<Device>(handle);
        ACC_CHECK(device);
        if (!(device->identity().features & DRM_ACC_FEATURE_TILES))
            return fail(-EOPNOTSUPP, "{}: expected a crossbar, for it has tiles; found none",
                        device->uri())
                .code;
        auto answer = device->query(DRM_ACC_QUERY_TILE, index);
        if (!answer) return answer.error();
        const drm_acc_tile &tile = answer->tile;
        acc_tile_info out = {};
        out.slot = tile.slot;
        out.tile = tile.tile;
        out.arrays = tile.arrays;
        out.arrays_used = tile.arrays_used;
        out.activations = tile.activations;
        out.conversions = tile.conversions;
        out.clipped = tile.clipped;
        out.instructions = tile.instructions;
        out.programmings = tile.programmings;
        out.row_pulses = tile.row_pulses;
        out.most_row_pulses = tile.most_row_pulses;
        out.stuck_cells = tile.stuck_cells;
        out.failed_cells = tile.failed_cells;
        out.age_ns = tile.age_ns;
        out.mvm_ns = tile.mvm_ns;
        out.vector_ns = tile.vector_ns;
        out.access_ns = tile.access_ns;
        out.network_ns = tile.network_ns;
        out.stall_ns = tile.stall_ns;
        out.program_ns = tile.program_ns;
        out.adc_pj = tile.adc_pj;
        out.cells_pj = tile.cells_pj;
        out.periphery_pj = tile.periphery_pj;
        out.core_pj = tile.core_pj;
        out.memory_pj = tile.memory_pj;
        out.network_pj = tile.network_pj;
        out.static_pj = tile.static_pj;
        out.program_pj = tile.program_pj;
        return write_info(info, out);
    });
}

int acc_device_age(acc_device *handle, uint64_t ns)
{
    return guarded([&] {
        Device *device = from_c<Device>(handle);
        ACC_CHECK(device);
        switch (const int error = device->transport().age(ns)) {
        case 0:
            return 0;
        case -EACCES:
            return fail(error, "{}: expected privilege, for all clients' cells age; found none",
                        device->uri())
                .code;
        case -EOPNOTSUPP:
            return fail(error, "{}: expected an emulated device with cells that age; found none",
                        device->uri())
                .code;
        case -EINVAL:
            return fail(error,
                        "{}: expected cells that become at most 2^63 ns old; found {} ns more",
                        device->uri(), ns)
                .code;
        default:
            return fail(error, "{}: the clock of the cells can't be advanced", device->uri()).code;
        }
    });
}

const char *acc_trace_kind_name(uint32_t kind)
{
    static constexpr const char *names[] = {"unknown", "load",   "prefetch", "grant",   "wait",
                                            "yield",   "refuse", "fault",    "recover", "blank"};
    return kind < std::size(names) ? names[kind] : names[0];
}

const char *acc_trace_reason_name(uint32_t reason)
{
    static constexpr const char *names[] = {
        "none",        "empty",        "abandoned",   "least-value", "least-recent", "first-loaded",
        "turn",        "affinity",     "aged",        "busy",        "copy-busy",    "protected",
        "behind",      "quota",        "unavailable", "injected",    "timeout",      "role",
        "load-failed", "blank-failed", "asked"};
    return reason < std::size(names) ? names[reason] : "unknown";
}

int acc_device_reset_slot(acc_device *handle, uint32_t index)
{
    return guarded([&] {
        Device *device = from_c<Device>(handle);
        ACC_CHECK(device);
        drm_acc_reset request = {};
        request.what = DRM_ACC_RESET_SLOT;
        request.id = index;
        const int error = device->ioctl(DRM_IOCTL_ACC_RESET, &request);
        if (error == -EACCES)
            return fail(error, "{}: expected slot {} to hold nothing of others; found another's",
                        device->uri(), index)
                .code;
        if (error == -EBUSY)
            return fail(error, "{}: expected slot {} at rest; found a dispatch or load in it",
                        device->uri(), index)
                .code;
        return error ? device->refused(error, "RESET").code : 0;
    });
}

} // extern "C"
