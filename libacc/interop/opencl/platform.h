// SPDX-License-Identifier: MIT
//
// The platform: the devices of libacc that are behind it, opened when the first application asks
// for devices, and the OpenCL devices that are made of them.
//
// It is never ended: applications exit without a release, and libraries may call at exit.
//
// Thread safety: all calls from any thread. After fork a child finds no device.
#pragma once

#include "acc/acc.h"
#include "libacc/interop/opencl/object.h"

#include <memory>
#include <string>
#include <string_view>
#include <sys/types.h>
#include <vector>

namespace acc::ocl
{
class BuiltIns;
}

struct _cl_platform_id final : acc::ocl::Object<_cl_platform_id> {
    static constexpr uint32_t kMagic = 0x504c4154;
    _cl_platform_id() = default;
};

namespace acc::ocl
{

// The devices of libacc, shared by all of ours.
struct Hardware {
    acc_device *fpga = nullptr;     // roles and soft cores
    acc_device *crossbar = nullptr; // products; may be null
    acc_device_info fpga_info = {};
    acc_device_info crossbar_info = {};
    std::vector<acc_device *> all; // not null
    uint64_t memory_bytes = 0;     // of the host, which is what buffers are made of
    uint64_t max_buffer_bytes = 0;
    uint32_t processors = 1;

    acc_device *first() const { return all.front(); }
};

// The only one; static storage.
_cl_platform_id *platform();
// Null: nothing can be opened, the log says why.
const Hardware *hardware();
// What has been opened: null before hardware().
const Hardware *opened_hardware();
// Null as hardware().
BuiltIns *built_ins();

inline constexpr std::string_view kExtensions =
    "cl_khr_icd cl_khr_byte_addressable_store cl_khr_global_int32_base_atomics "
    "cl_khr_global_int32_extended_atomics cl_khr_local_int32_base_atomics "
    "cl_khr_local_int32_extended_atomics cl_khr_fp64 cl_khr_extended_versioning "
    "cl_khr_suggested_local_work_size cl_khr_command_buffer cl_khr_external_memory "
    "cl_khr_external_memory_dma_buf cl_khr_semaphore cl_khr_external_semaphore "
    "cl_khr_external_semaphore_opaque_fd cl_intel_unified_shared_memory";
// The names above, each with its version.
std::vector<cl_name_version> extension_versions();

// A line of category "opencl" in libacc's log.
void log(acc_log_level level, const std::string &text);

void *extension_function(const char *name);

} // namespace acc::ocl
