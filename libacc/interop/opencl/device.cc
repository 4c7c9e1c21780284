// SPDX-License-Identifier: MIT
//
// Which devices there are, and partitions of them.
#include "libacc/interop/opencl/device.h"

#include "libacc/interop/opencl/api.h"

#include <algorithm>
#include <ctime>

namespace acc::ocl
{
namespace
{

_cl_device_id *make(cl_device_type type)
{
    const Hardware *found = hardware();
    if (!found || (type == CL_DEVICE_TYPE_ACCELERATOR && !found->fpga)) return nullptr;
    const acc_device_info &info = found->fpga ? found->fpga_info : found->crossbar_info;
    return new _cl_device_id(type, std::max(info.slots, 1u));
}

uint64_t now_ns()
{
    timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return static_cast<uint64_t>(now.tv_sec) * 1'000'000'000 + static_cast<uint64_t>(now.tv_nsec);
}

constexpr uint64_t kMiB = 1u << 20;

} // namespace

_cl_device_id *accelerator()
{
    static _cl_device_id *const made = make(CL_DEVICE_TYPE_ACCELERATOR);
    return made;
}

_cl_device_id *custom_device()
{
    static _cl_device_id *const made = make(CL_DEVICE_TYPE_CUSTOM);
    return made;
}

// A quarter of it, which a buffer must be allowed to have, is a whole number of MiB.
uint64_t global_bytes()
{
    return hardware()->memory_bytes / 2 / (4 * kMiB) * (4 * kMiB);
}

uint64_t max_allocation()
{
    const uint64_t quarter = std::max(global_bytes() / 4, 128 * kMiB);
    return std::min(quarter, hardware()->max_buffer_bytes) / kMiB * kMiB;
}

namespace api
{

cl_int GetDeviceIDs(cl_platform_id given, cl_device_type type, cl_uint room, cl_device_id *devices,
                    cl_uint *count)
{
    if (given && given != platform()) return CL_INVALID_PLATFORM;
    constexpr cl_device_type known = CL_DEVICE_TYPE_DEFAULT | CL_DEVICE_TYPE_CPU |
                                     CL_DEVICE_TYPE_GPU | CL_DEVICE_TYPE_ACCELERATOR |
                                     CL_DEVICE_TYPE_CUSTOM;
    if (type != CL_DEVICE_TYPE_ALL && (!type || (type & ~known))) return CL_INVALID_DEVICE_TYPE;
    if ((room == 0 && devices) || (!devices && !count)) return CL_INVALID_VALUE;
    cl_device_id found[2];
    cl_uint number = 0;
    if (!forked()) {
        // "All" and "default" are never custom ones.
        const bool first = type == CL_DEVICE_TYPE_ALL ||
                           (type & (CL_DEVICE_TYPE_ACCELERATOR | CL_DEVICE_TYPE_DEFAULT));
        if (first && accelerator()) found[number++] = accelerator();
        if (type != CL_DEVICE_TYPE_ALL && (type & CL_DEVICE_TYPE_CUSTOM) && custom_device())
            found[number++] = custom_device();
    }
    if (!number) {
        if (count) *count = 0;
        return CL_DEVICE_NOT_FOUND;
    }
    if (devices) std::copy_n(found, std::min(room, number), devices);
    if (count) *count = number;
    return CL_SUCCESS;
}

cl_int CreateSubDevices(cl_device_id device, const cl_device_partition_property *properties,
                        cl_uint room, cl_device_id *out, cl_uint *count)
try {
    if (!valid(device)) return CL_INVALID_DEVICE;
    if (!properties || (out && !room)) return CL_INVALID_VALUE;
    std::vector<cl_uint> parts;
    std::vector<cl_device_partition_property> how;
    if (properties[0] == CL_DEVICE_PARTITION_EQUALLY) {
        if (properties[1] <= 0 || properties[2] != 0) return CL_INVALID_VALUE;
        const auto each =
            static_cast<cl_uint>(std::min<cl_device_partition_property>(properties[1], CL_INT_MAX));
        if (each > device->units) return CL_INVALID_DEVICE_PARTITION_COUNT;
        if (each == device->units) return CL_DEVICE_PARTITION_FAILED; // the whole is no part
        parts.assign(device->units / each, each);
        how.assign(properties, properties + 3);
    } else if (properties[0] == CL_DEVICE_PARTITION_BY_COUNTS) {
        const cl_device_partition_property *at = properties + 1;
        uint64_t sum = 0;
        for (; *at != CL_DEVICE_PARTITION_BY_COUNTS_LIST_END; at++) {
            if (*at < 0) return CL_INVALID_DEVICE_PARTITION_COUNT;
            sum += static_cast<uint64_t>(*at);
            if (sum > device->units) return CL_INVALID_DEVICE_PARTITION_COUNT;
            parts.push_back(static_cast<cl_uint>(*at));
            if (parts.size() > device->units) return CL_INVALID_DEVICE_PARTITION_COUNT;
        }
        if (parts.empty() || at[1] != 0) return CL_INVALID_VALUE;
        how.assign(properties, at + 2);
    } else {
        return CL_INVALID_VALUE;
    }
    if (out && room < parts.size()) return CL_INVALID_VALUE;
    if (out)
        for (size_t i = 0; i < parts.size(); i++)
            out[i] = new _cl_device_id(device, parts[i], how);
    if (count) *count = static_cast<cl_uint>(parts.size());
    return CL_SUCCESS;
}
OCL_END

// Devices of the platform aren't counted.
cl_int RetainDevice(cl_device_id device)
{
    if (!valid(device)) return CL_INVALID_DEVICE;
    if (device->parent) device->retain();
    return CL_SUCCESS;
}

cl_int ReleaseDevice(cl_device_id device)
{
    if (!valid(device)) return CL_INVALID_DEVICE;
    if (device->parent) device->release();
    return CL_SUCCESS;
}

// One clock for hosts and devices.
cl_int GetDeviceAndHostTimer(cl_device_id device, cl_ulong *device_time, cl_ulong *host_time)
{
    if (!valid(device)) return CL_INVALID_DEVICE;
    if (!device_time || !host_time) return CL_INVALID_VALUE;
    *device_time = *host_time = now_ns();
    return CL_SUCCESS;
}

cl_int GetHostTimer(cl_device_id device, cl_ulong *host_time)
{
    if (!valid(device)) return CL_INVALID_DEVICE;
    if (!host_time) return CL_INVALID_VALUE;
    *host_time = now_ns();
    return CL_SUCCESS;
}

} // namespace api
} // namespace acc::ocl
