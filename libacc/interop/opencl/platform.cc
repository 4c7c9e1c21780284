// SPDX-License-Identifier: MIT
#include "libacc/interop/opencl/platform.h"

#include "libacc/interop/opencl/api.h"
#include "libacc/interop/opencl/builtins.h"
#include "libacc/interop/opencl/info.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <mutex>
#include <unistd.h>

namespace acc::ocl
{
namespace
{

// Leaked on purpose, as all that outlives an exit without a release.
struct State {
    std::mutex mutex;
    bool tried = false;
    std::atomic<Hardware *> hardware{nullptr};
    std::atomic<BuiltIns *> built_ins{nullptr};
};

State &state()
{
    static State *const made = new State;
    return *made;
}

acc_device *open_engine(const char *engine, acc_device_info &info)
{
    acc_device *device = nullptr;
    if (const int error = acc_device_open(engine, nullptr, &device)) {
        log(error == -ENODEV ? ACC_LOG_INFO : ACC_LOG_WARN,
            std::string("no device ") + engine + ": " + acc_error_text());
        return nullptr;
    }
    info = acc_init<acc_device_info>();
    if (acc_device_get_info(device, &info)) {
        (void)acc_device_close(device);
        return nullptr;
    }
    return device;
}

void open_all(State &all)
{
    (void)forked(); // from now on it is watched
    auto made = std::make_unique<Hardware>();
    made->fpga = open_engine("fpga", made->fpga_info);
    made->crossbar = open_engine("crossbar", made->crossbar_info);
    for (acc_device *device : {made->fpga, made->crossbar})
        if (device) made->all.push_back(device);
    if (made->all.empty()) {
        log(ACC_LOG_WARN, "no device: expected an FPGA or a crossbar in ACC_DEVICE, or here");
        return;
    }
    made->max_buffer_bytes = (made->fpga ? made->fpga_info : made->crossbar_info).max_buffer_bytes;
    if (made->fpga && made->crossbar)
        made->max_buffer_bytes =
            std::min(made->max_buffer_bytes, made->crossbar_info.max_buffer_bytes);
    auto topology = acc_init<acc_topology_info>();
    if (acc_topology_get(&topology) == 0) {
        made->memory_bytes = topology.memory_bytes;
        made->processors = std::max(topology.processing_units, 1u);
    }
    if (!made->memory_bytes) made->memory_bytes = uint64_t{1} << 30;
    all.built_ins.store(new BuiltIns(*made), std::memory_order_release);
    all.hardware.store(made.release(), std::memory_order_release);
}

} // namespace

_cl_platform_id *platform()
{
    static _cl_platform_id *const made = new _cl_platform_id;
    return made;
}

const Hardware *opened_hardware()
{
    return state().hardware.load(std::memory_order_acquire);
}

const Hardware *hardware()
{
    State &all = state();
    if (const Hardware *found = all.hardware.load(std::memory_order_acquire)) return found;
    std::lock_guard lock(all.mutex);
    if (!all.tried) {
        all.tried = true;
        open_all(all);
    }
    return all.hardware.load(std::memory_order_acquire);
}

BuiltIns *built_ins()
{
    return hardware() ? state().built_ins.load(std::memory_order_acquire) : nullptr;
}

std::vector<cl_name_version> extension_versions()
{
    std::vector<cl_name_version> out;
    for (size_t at = 0; at < kExtensions.size();) {
        const size_t end = std::min(kExtensions.find(' ', at), kExtensions.size());
        cl_name_version one = {};
        const std::string_view name = kExtensions.substr(at, end - at);
        // What Khronos calls provisional.
        const bool early = name == "cl_khr_command_buffer" || name == "cl_khr_semaphore" ||
                           name.starts_with("cl_khr_external_");
        one.version = early ? CL_MAKE_VERSION(0, 9, 0) : CL_MAKE_VERSION(1, 0, 0);
        name.copy(one.name, sizeof one.name - 1);
        out.push_back(one);
        at = end + 1;
    }
    return out;
}

void log(acc_log_level level, const std::string &text)
{
    acc_log(level, "opencl", text.c_str());
}

namespace api
{

cl_int GetPlatformIDs(cl_uint room, cl_platform_id *platforms, cl_uint *count)
{
    if ((room == 0 && platforms) || (!platforms && !count)) return CL_INVALID_VALUE;
    if (platforms) platforms[0] = platform();
    if (count) *count = 1;
    return CL_SUCCESS;
}

cl_int GetPlatformInfo(cl_platform_id given, cl_platform_info what, size_t room, void *value,
                       size_t *needed)
try {
    if (given && given != platform()) return CL_INVALID_PLATFORM;
    const Info info(room, value, needed);
    switch (what) {
    case CL_PLATFORM_PROFILE:
        return info.text("FULL_PROFILE");
    case CL_PLATFORM_VERSION:
        return info.text(std::string("OpenCL 3.0 acc ") + acc_version());
    case CL_PLATFORM_NUMERIC_VERSION:
        return info.as<cl_version>(CL_MAKE_VERSION(3, 0, 0));
    case CL_PLATFORM_NAME:
        return info.text("acc");
    case CL_PLATFORM_VENDOR:
        return info.text("acc");
    case CL_PLATFORM_EXTENSIONS:
        return info.text(kExtensions);
    case CL_PLATFORM_EXTENSIONS_WITH_VERSION:
        return info.list(extension_versions());
    case CL_PLATFORM_HOST_TIMER_RESOLUTION:
        return info.as<cl_ulong>(1); // CLOCK_MONOTONIC
    case CL_PLATFORM_EXTERNAL_MEMORY_IMPORT_HANDLE_TYPES_KHR:
        return info.as<cl_external_memory_handle_type_khr>(CL_EXTERNAL_MEMORY_HANDLE_DMA_BUF_KHR);
    case CL_PLATFORM_SEMAPHORE_TYPES_KHR:
        return info.as<cl_semaphore_type_khr>(CL_SEMAPHORE_TYPE_BINARY_KHR);
    case CL_PLATFORM_SEMAPHORE_IMPORT_HANDLE_TYPES_KHR:
    case CL_PLATFORM_SEMAPHORE_EXPORT_HANDLE_TYPES_KHR:
        return info.as<cl_external_semaphore_handle_type_khr>(CL_SEMAPHORE_HANDLE_OPAQUE_FD_KHR);
    case CL_PLATFORM_ICD_SUFFIX_KHR:
        return info.text("ACC");
    default:
        return CL_INVALID_VALUE;
    }
}
OCL_END

cl_int UnloadCompiler()
{
    return CL_SUCCESS;
}

cl_int UnloadPlatformCompiler(cl_platform_id given)
{
    return given == platform() ? CL_SUCCESS : CL_INVALID_PLATFORM;
}

void *GetExtensionFunctionAddressForPlatform(cl_platform_id given, const char *name)
{
    return given == platform() && name ? extension_function(name) : nullptr;
}

void *GetExtensionFunctionAddress(const char *name)
{
    return name ? extension_function(name) : nullptr;
}

} // namespace api
} // namespace acc::ocl
