// SPDX-License-Identifier: MIT
//
// libgomp-plugin-gcn.so.1: what GCC 12's libgomp loads for the name "gcn" and asks to run target
// regions. The functions and their types are those of GCC's libgomp/libgomp-plugin.h, version 1
// of the interface; the name is one of two that Debian's libgomp looks for.
//
// libgomp gives a device that executes natively the address of the host's outlined function, so
// programs need no code of ours in them.
//
// Thread safety: as libgomp calls: any thread, but initialisation and end.
#include "gcc_variables.h"
#include "offload.h"

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <mutex>
#include <string>
#include <strings.h>

#define EXPORT extern "C" __attribute__((visibility("default")))

// Of libgomp, which has loaded this.
extern "C" {
[[noreturn]] void GOMP_PLUGIN_fatal(const char *format, ...);
void GOMP_PLUGIN_error(const char *format, ...);
void GOMP_PLUGIN_debug(int level, const char *format, ...);
void GOMP_PLUGIN_target_task_completion(void *task);
void GOMP_offload_register_ver(unsigned version, const void *host_table, int target_type,
                               const void *target_data);

struct addr_pair {
    uintptr_t start, end;
};
}

namespace
{

using acc::openmp::Offload;

constexpr unsigned kVersion = 1;
constexpr unsigned kNativeExec = 1u << 1, kOpenMp400 = 1u << 2;
// No offload image of GCC's has this target type, "host": there is the one that we register.
constexpr int kTargetType = 2;
constexpr unsigned kImageVersion = kVersion << 16;
constexpr intptr_t kMoreFollows = 1 << 7, kDeviceMask = (1 << 7) - 1, kIdMask = 0xff00,
                   kThreadLimit = 2 << 8;

// Leaked unless libgomp ends it: threads of the program may be inside when it exits.
Offload *offload;
acc::openmp::GccVariables *variables; // as long as that
std::mutex links_mutex;               // held by a region that uses some
bool dying;                           // a fatal error exits: nothing waits for the device any more

[[noreturn]] void die(const std::string &text)
{
    dying = true;
    fflush(stdout);
    GOMP_PLUGIN_fatal("%s", text.c_str());
}

// Of what libgomp says of a target construct: pairs of what and how much, or both in one; up to
// null (gomp-constants.h).
uint32_t thread_limit_of(void **arguments)
{
    while (arguments && *arguments) {
        const auto id = reinterpret_cast<intptr_t>(*arguments++);
        intptr_t value = id >> 16;
        if (id & kMoreFollows) value = reinterpret_cast<intptr_t>(*arguments++);
        if ((id & kDeviceMask) == 0 && (id & kIdMask) == kThreadLimit)
            return static_cast<uint32_t>(std::clamp<intptr_t>(value, 0, INT32_MAX));
    }
    return 0;
}

// While libgomp has no devices yet, or it would wait for itself.
void register_variables()
{
    variables = new acc::openmp::GccVariables(*offload);
    const auto &host = variables->host();
    if (host.empty()) return;
    static const void *table[4]; // functions, none; and variables
    table[0] = table[1] = table[2] = host.data();
    table[3] = host.data() + host.size();
    GOMP_offload_register_ver(kImageVersion, table, kTargetType, &table);
}

void run(void *function, void *values, void **arguments)
{
    std::unique_lock lock(links_mutex, std::defer_lock);
    if (variables->any_linked()) {
        lock.lock();
        variables->copy_in();
    }
    const std::string error = offload->run(function, values, thread_limit_of(arguments));
    if (!error.empty()) die(error);
    if (lock.owns_lock()) variables->copy_out();
}

} // namespace

EXPORT const char *GOMP_OFFLOAD_get_name(void)
{
    return "gcn"; // as its file: libgomp compares nothing, but shows it
}

EXPORT unsigned GOMP_OFFLOAD_version(void)
{
    return kVersion;
}

EXPORT unsigned GOMP_OFFLOAD_get_caps(void)
{
    return kNativeExec | kOpenMp400;
}

EXPORT int GOMP_OFFLOAD_get_type(void)
{
    return kTargetType;
}

// One, if there is an FPGA: what ACC_DEVICE says, else what is there.
EXPORT int GOMP_OFFLOAD_get_num_devices(void)
{
    if (offload) return 1;
    std::string why;
    offload = Offload::open({}, why).release();
    if (offload) {
        register_variables();
        return 1;
    }
    // libgomp takes the host for the default device where there is no other, "mandatory" or not.
    const char *policy = getenv("OMP_TARGET_OFFLOAD");
    if (policy && strcasecmp(policy, "mandatory") == 0)
        die("OMP_TARGET_OFFLOAD is MANDATORY, but there is no device: " + why);
    acc_log(ACC_LOG_WARN, "openmp", ("no device: " + why).c_str());
    return 0;
}

EXPORT bool GOMP_OFFLOAD_init_device(int)
{
    return offload != nullptr;
}

EXPORT bool GOMP_OFFLOAD_fini_device(int)
{
    if (dying) return true;
    delete variables;
    variables = nullptr;
    delete offload;
    offload = nullptr;
    return true;
}

// libgomp frees the table.
EXPORT int GOMP_OFFLOAD_load_image(int, unsigned, const void *, addr_pair **table)
{
    const auto &device = variables->device();
    *table = static_cast<addr_pair *>(calloc(device.size(), sizeof(addr_pair)));
    if (!*table) return -1;
    std::transform(device.begin(), device.end(), *table, [](const auto &one) {
        return addr_pair{one.start, one.end};
    });
    return static_cast<int>(device.size());
}

EXPORT bool GOMP_OFFLOAD_unload_image(int, unsigned, const void *)
{
    return true;
}

EXPORT void *GOMP_OFFLOAD_alloc(int, size_t bytes)
{
    void *piece = offload->memory().allocate(bytes);
    if (!piece) GOMP_PLUGIN_error("%zu bytes of device memory: %s", bytes, acc_error_text());
    return piece;
}

EXPORT bool GOMP_OFFLOAD_free(int, void *pointer)
{
    const size_t bytes = offload->memory().free(pointer);
    variables->forget(pointer, bytes);
    return bytes != 0;
}

// Device memory has one address on both sides, and is coherent.
EXPORT bool GOMP_OFFLOAD_dev2host(int, void *host, const void *device, size_t bytes)
{
    std::memcpy(host, device, bytes);
    return true;
}

EXPORT bool GOMP_OFFLOAD_host2dev(int, void *device, const void *host, size_t bytes)
{
    std::memcpy(device, host, bytes);
    return true;
}

EXPORT bool GOMP_OFFLOAD_dev2dev(int, void *to, const void *from, size_t bytes)
{
    std::memmove(to, from, bytes);
    return true;
}

EXPORT bool GOMP_OFFLOAD_can_run(void *)
{
    return true;
}

EXPORT void GOMP_OFFLOAD_run(int, void *function, void *values, void **arguments)
{
    run(function, values, arguments);
}

EXPORT void GOMP_OFFLOAD_async_run(int, void *function, void *values, void **arguments, void *task)
{
    if (variables->any_linked()) {
        run(function, values, arguments);
        GOMP_PLUGIN_target_task_completion(task);
        return;
    }
    const std::string error = offload->start(
        function, values, thread_limit_of(arguments),
        [](void *task, const std::string &failed) {
            if (!failed.empty()) die(failed);
            GOMP_PLUGIN_target_task_completion(task);
        },
        task);
    if (!error.empty()) die(error);
}
