// SPDX-License-Identifier: MIT
//
// libomptarget.rtl.ppc64.so: a plugin of LLVM's libomptarget, versions 13 to 16. The functions and
// their types are those of openmp/libomptarget/include/omptargetplugin.h and omptarget.h there. The
// name is the first of a list that is fixed in libomptarget, and free on this machine.
//
// Images are shared libraries that clang made for some x86-64: of those, the ones are taken that
// say they are for us, by a section (kMarker); or all, if ACC_DEVICE names a device or offloading
// is mandatory: there is a plugin for the host, too, that takes any.
//
// Everything is synchronous: libomptarget has threads of its own for `nowait`.
//
// Thread safety: as libomptarget calls: any thread, but number_of_devices.
#include "images.h"

#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <dlfcn.h>
#include <mutex>
#include <string>
#include <unistd.h>
#include <vector>

#define EXPORT extern "C" __attribute__((visibility("default")))

extern "C" {
struct __tgt_target_table {
    __tgt_offload_entry *begin, *end;
};
}

namespace
{

using acc::openmp::complain;
using acc::openmp::is_mandatory;
using acc::openmp::is_ours;
using acc::openmp::Objects;
using acc::openmp::Offload;

constexpr int kSuccess = 0, kFail = -1; // whatever is not 0
// Leaked: threads of the program may be inside when it exits.
Offload *offload;

struct Loaded {
    std::vector<__tgt_offload_entry> entries;
    __tgt_target_table table = {};
};
std::mutex mutex; // of what follows
std::deque<Loaded> loaded;

int run(void *entry, void **arguments, const ptrdiff_t *offsets, uint32_t count)
{
    std::vector<uint64_t> more;
    uint64_t few[16];
    uint64_t *list = few;
    if (count > std::size(few)) {
        more.resize(count);
        list = more.data();
    }
    for (uint32_t i = 0; i < count; i++)
        list[i] = reinterpret_cast<uint64_t>(arguments[i]) + static_cast<uint64_t>(offsets[i]);
    const std::string error =
        offload->run_list(*static_cast<const Objects::Function *>(entry), list, count);
    if (error.empty()) return kSuccess;
    complain(error);
    return kFail;
}

} // namespace

// One, if there is an FPGA: what ACC_DEVICE says, else what is there.
EXPORT int32_t __tgt_rtl_number_of_devices(void)
{
    if (offload) return 1;
    std::string why;
    offload = Offload::open({}, why).release();
    if (offload) return 1;
    // Another plugin might take an image that is ours, "mandatory" or not.
    if (is_mandatory()) {
        complain("OMP_TARGET_OFFLOAD is MANDATORY, but there is no device: " + why);
        _exit(EXIT_FAILURE);
    }
    acc_log(ACC_LOG_WARN, "openmp", ("no device: " + why).c_str());
    return 0;
}

EXPORT int32_t __tgt_rtl_is_valid_binary(__tgt_device_image *image)
{
    // Known before images are, if the library is preloaded that sees it said.
    using Requires = int64_t();
    auto *const said = reinterpret_cast<Requires *>(dlsym(RTLD_DEFAULT, "acc_omp_requires"));
    return is_ours(*image) && !(said && acc::openmp::requires_too_much(said()));
}

EXPORT int64_t __tgt_rtl_init_requires(int64_t flags)
{
    if (flags & acc::openmp::kRequiresUnifiedSharedMemory)
        acc_log(ACC_LOG_WARN, "openmp",
                "the program requires unified shared memory, which regions do not have");
    return flags;
}

EXPORT int32_t __tgt_rtl_init_device(int32_t)
{
    return offload ? kSuccess : kFail;
}

// Its entries in the order of the host's: libomptarget pairs them by number.
EXPORT __tgt_target_table *__tgt_rtl_load_binary(int32_t, __tgt_device_image *image)
{
    Loaded fresh;
    const std::string why = acc::openmp::load_entries(*offload, *image, fresh.entries);
    if (!why.empty()) {
        complain(why);
        return nullptr;
    }
    std::lock_guard lock(mutex);
    Loaded &kept = loaded.emplace_back(std::move(fresh));
    kept.table = {kept.entries.data(), kept.entries.data() + kept.entries.size()};
    return &kept.table;
}

// Of any kind: host and device reach it at one address. Version 13 to 16.
EXPORT void *__tgt_rtl_data_alloc(int32_t, int64_t bytes, void *, int32_t)
{
    void *piece = bytes < 0 ? nullptr : offload->memory().allocate(static_cast<size_t>(bytes));
    if (!piece) complain(std::to_string(bytes) + " bytes of device memory: " + acc_error_text());
    return piece;
}

// Version 16 gives a kind as well.
EXPORT int32_t __tgt_rtl_data_delete(int32_t, void *pointer)
{
    return offload->memory().free(pointer) ? kSuccess : kFail;
}

EXPORT int32_t __tgt_rtl_data_submit(int32_t, void *device, void *host, int64_t bytes)
{
    memcpy(device, host, static_cast<size_t>(bytes));
    return kSuccess;
}

EXPORT int32_t __tgt_rtl_data_retrieve(int32_t, void *host, void *device, int64_t bytes)
{
    memcpy(host, device, static_cast<size_t>(bytes));
    return kSuccess;
}

EXPORT int32_t __tgt_rtl_is_data_exchangable(int32_t, int32_t)
{
    return 1; // there is one device
}

EXPORT int32_t __tgt_rtl_data_exchange(int32_t, void *from, int32_t, void *to, int64_t bytes)
{
    memmove(to, from, static_cast<size_t>(bytes));
    return kSuccess;
}

// Teams and threads are what the region's code asks for.
EXPORT int32_t __tgt_rtl_run_target_region(int32_t, void *entry, void **arguments,
                                           ptrdiff_t *offsets, int32_t count)
{
    return run(entry, arguments, offsets, static_cast<uint32_t>(count));
}

EXPORT int32_t __tgt_rtl_run_target_team_region(int32_t, void *entry, void **arguments,
                                                ptrdiff_t *offsets, int32_t count, int32_t, int32_t,
                                                uint64_t)
{
    return run(entry, arguments, offsets, static_cast<uint32_t>(count));
}

// Version 16's.
EXPORT int32_t __tgt_rtl_launch_kernel(int32_t, void *entry, void **arguments, ptrdiff_t *offsets,
                                       KernelArgsTy *kernel, void *)
{
    return run(entry, arguments, offsets, kernel->count);
}
