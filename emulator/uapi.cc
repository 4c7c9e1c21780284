// SPDX-License-Identifier: MIT
//
// The ioctl table: number -> size, direction and function, with drm_ioctl's semantics:
// a shorter struct is zero-extended, a longer one's tail is ignored, the caller's
// direction bits say what is copied.
#include "emulator/driver.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <sys/ioctl.h>
#include <unistd.h>

namespace acc::emu
{

namespace
{

using Handler = int (*)(File &, void *);

template <typename T, int (File::*method)(T &)>
int call(File &file, void *args)
{
    return (file.*method)(*static_cast<T *>(args));
}

struct Entry {
    unsigned long request = 0; // 0: no such ioctl
    Handler handler = nullptr;
    // Answered by a file that is lost, too: identity, and letting go of handles.
    bool when_lost = false;
};

struct Table {
    std::array<Entry, 256> entries{};
    constexpr void set(unsigned long request, Handler handler, bool when_lost = false)
    {
        entries[_IOC_NR(request)] = {request, handler, when_lost};
    }
};

constexpr Table make_table()
{
    Table table;
    table.set(DRM_IOCTL_VERSION, call<drm_version, &File::version>, true);
    table.set(DRM_IOCTL_GET_CAP, call<drm_get_cap, &File::get_cap>, true);
    table.set(DRM_IOCTL_GEM_CLOSE, call<drm_gem_close, &File::gem_close>, true);
    table.set(DRM_IOCTL_PRIME_HANDLE_TO_FD, call<drm_prime_handle, &File::prime_handle_to_fd>);
    table.set(DRM_IOCTL_PRIME_FD_TO_HANDLE, call<drm_prime_handle, &File::prime_fd_to_handle>);
    table.set(DRM_IOCTL_ACC_DEV_QUERY, call<drm_acc_dev_query, &File::dev_query>);
    table.set(DRM_IOCTL_ACC_BO_CREATE, call<drm_acc_bo_create, &File::bo_create>);
    table.set(DRM_IOCTL_ACC_BO_INFO, call<drm_acc_bo_info, &File::bo_info>);
    table.set(DRM_IOCTL_ACC_VM_BIND, call<drm_acc_vm_bind, &File::vm_bind>);
    table.set(DRM_IOCTL_ACC_QUEUE_CREATE, call<drm_acc_queue_create, &File::queue_create>);
    table.set(DRM_IOCTL_ACC_QUEUE_DESTROY, call<drm_acc_queue_destroy, &File::queue_destroy>);
    table.set(DRM_IOCTL_ACC_QUEUE_QUERY, call<drm_acc_queue_query, &File::queue_query>);
    table.set(DRM_IOCTL_ACC_EVENT_SET, call<drm_acc_event_set, &File::event_set>);
    table.set(DRM_IOCTL_ACC_WAIT, call<drm_acc_wait, &File::wait>);
    table.set(DRM_IOCTL_ACC_SIGNAL_WAKE, call<drm_acc_signal_wake, &File::signal_wake>);
    table.set(DRM_IOCTL_ACC_PROGRAM_LOAD, call<drm_acc_program_load, &File::program_load>);
    table.set(DRM_IOCTL_ACC_PROGRAM_UNLOAD, call<drm_acc_program_unload, &File::program_unload>);
    table.set(DRM_IOCTL_ACC_PROGRAM_QUERY, call<drm_acc_program_query, &File::program_query>);
    table.set(DRM_IOCTL_ACC_PROGRAM_PREFETCH,
              call<drm_acc_program_prefetch, &File::program_prefetch>);
    table.set(DRM_IOCTL_ACC_PROGRAM_PIN, call<drm_acc_program_pin, &File::program_pin>);
    table.set(DRM_IOCTL_ACC_RESET, call<drm_acc_reset, &File::reset>);
    return table;
}

constexpr Table table = make_table();
constexpr size_t most_bytes = 512; // of any struct in the table

} // namespace

int File::ioctl(unsigned long request, void *arg)
{
    // A child of fork has the opener's memory but not its device.
    if (getpid() != opener_) return -ENODEV;
    if (_IOC_TYPE(request) != DRM_IOCTL_BASE) return -ENOTTY;
    const Entry &entry = table.entries[_IOC_NR(request)];
    if (!entry.request) return -EINVAL;
    const int lost = lost_.load(std::memory_order_acquire);
    if (lost && !entry.when_lost) return -lost;
    if (!arg) return -EFAULT;

    alignas(8) std::byte args[most_bytes] = {};
    static_assert(sizeof(drm_acc_dev_query) <= most_bytes);
    const unsigned long both = request & entry.request;
    const size_t size = std::min<size_t>(_IOC_SIZE(request), _IOC_SIZE(entry.request));
    if (both & IOC_IN) std::memcpy(args, arg, size);
    int result = entry.handler(*this, args);
    // Whatever it met: that the context was lost meanwhile is why.
    if (result && !entry.when_lost)
        if (const int lost = lost_.load(std::memory_order_acquire)) result = -lost;
    // As drm_ioctl: what the call wrote is copied back whether it failed or not.
    if (both & IOC_OUT) {
        std::memcpy(arg, args, size);
        // A tail that was copied in would be copied back: it stays what it was.
        if (_IOC_SIZE(request) > size && !(both & IOC_IN))
            std::memset(static_cast<std::byte *>(arg) + size, 0, _IOC_SIZE(request) - size);
    }
    return result;
}

} // namespace acc::emu
