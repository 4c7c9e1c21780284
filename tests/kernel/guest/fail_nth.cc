// SPDX-License-Identifier: MIT
//
// Fault injection, walked over every allocation and copy of every call: the n-th of a call fails
// (/proc/thread-self/fail-nth of the kernel's fault injection), for n = 1 until the call needs no
// more. A call whose fault was injected may fail with what such a fault means, or do without;
// what it made is undone each time, and the same call without a fault must work to the end. That
// nothing leaked and nobody crashed the lab reads from kmemleak and the kernel's log.
#include "tests/kernel/guest/guest.h"

#include <xf86drm.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <fcntl.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

namespace acc::guest
{

using namespace conformance;

namespace
{

constexpr unsigned most_faults = 3000;

// Between arm() and disarm() the thread makes the one call.
class Injector
{
public:
    bool good() const { return bool(file_); }
    void arm(unsigned n)
    {
        char text[16];
        const int length = std::snprintf(text, sizeof text, "%u", n);
        [[maybe_unused]] const ssize_t wrote = pwrite(file_.get(), text, size_t(length), 0);
    }
    // Whether the fault was injected.
    bool disarm()
    {
        char text[16] = {};
        // The copy of this very answer may be what fails: then the call had no n-th.
        const ssize_t got = pread(file_.get(), text, sizeof text - 1, 0);
        const bool injected = got > 0 && std::atoi(text) == 0;
        [[maybe_unused]] const ssize_t wrote = pwrite(file_.get(), "0", 1, 0);
        return injected;
    }

private:
    UniqueFd file_{open("/proc/thread-self/fail-nth", O_RDWR | O_CLOEXEC)};
};

// What a call that met a fault may say: no memory, a copy that failed, no address; no space, which
// is what shmem says when it has no memory for an inode.
bool is_meant(int error)
{
    return error == ENOMEM || error == EFAULT || error == EAGAIN || error == EINVAL ||
           error == ENOSPC;
}

class Walk
{
public:
    explicit Walk(std::string node) : node_(std::move(node)) {}
    bool failed() const { return failed_; }

    // `call` gives 0 or -errno; `undo`, without faults, what it did when it succeeded: a call that
    // says an error has done nothing.
    template <typename Call, typename Undo>
    void over(const char *what, Call call, Undo undo)
    {
        unsigned faults = 0, tolerated = 0;
        for (unsigned n = 1; n <= most_faults; n++) {
            injector_.arm(n);
            const int result = call();
            const bool injected = injector_.disarm();
            if (!result) undo();
            if (!injected) {
                if (result) return fail(what, n, "without a fault: ", result);
                std::printf("pass %s %s: %u faults, %u of them without consequence\n",
                            node_.c_str(), what, faults, tolerated);
                std::fflush(stdout);
                return;
            }
            faults++;
            tolerated += !result;
            if (result && !is_meant(-result)) return fail(what, n, "", result);
        }
        fail(what, most_faults, "it never ends: ", 0);
    }
    template <typename Call>
    void over(const char *what, Call call)
    {
        over(what, call, [] {});
    }

private:
    void fail(const char *what, unsigned n, const char *when, int result)
    {
        std::printf("fail %s %s: fault %u: %s%s\n", node_.c_str(), what, n, when,
                    std::strerror(-result));
        std::fflush(stdout);
        failed_ = true;
    }

    Injector injector_;
    const std::string node_;
    bool failed_ = false;
};

template <typename T>
int raw(int fd, unsigned long request, T &args)
{
    return ioctl(fd, request, &args) ? -errno : 0;
}

int close_handle(int fd, uint32_t handle)
{
    drm_gem_close args = {};
    args.handle = handle;
    return raw(fd, DRM_IOCTL_GEM_CLOSE, args);
}

// An open and what the calls of the walk need, made without the library.
struct Client {
    explicit Client(const std::string &path)
        : fd(open(path.c_str(), O_RDWR | O_CLOEXEC)), error(fd ? 0 : -errno)
    {
    }
    uint32_t make(uint64_t bytes)
    {
        drm_acc_bo_create args = {};
        args.size = bytes;
        if (raw(fd.get(), DRM_IOCTL_ACC_BO_CREATE, args)) return 0;
        offset = args.mmap_offset;
        return args.handle;
    }
    int bind(uint32_t handle, uint64_t address, uint64_t bytes, uint32_t op = DRM_ACC_VM_MAP)
    {
        drm_acc_vm_bind args = {};
        args.op = op;
        args.address = address;
        args.range = bytes;
        if (op == DRM_ACC_VM_MAP) {
            args.handle = handle;
            args.flags = DRM_ACC_VM_FLAGS;
        }
        return raw(fd.get(), DRM_IOCTL_ACC_VM_BIND, args);
    }
    UniqueFd fd;
    const int error; // of the open
    uint64_t offset = 0;
};

void walk_queries(Walk &walk, int fd)
{
    for (uint32_t type = 0; type <= DRM_ACC_QUERY_TRACE; type++) {
        drm_acc_dev_query args = {};
        args.type = type;
        const int plain = raw(fd, DRM_IOCTL_ACC_DEV_QUERY, args);
        if (plain) continue; // there is no fault and no trace to tell of
        walk.over(("DEV_QUERY " + std::to_string(type)).c_str(), [&] {
            args = {};
            args.type = type;
            return raw(fd, DRM_IOCTL_ACC_DEV_QUERY, args);
        });
    }
}

void walk_memory(Walk &walk, Client &client, uint64_t va)
{
    const int fd = client.fd.get();
    constexpr uint64_t bytes = 64 * page_bytes;
    drm_acc_bo_create create = {};
    walk.over(
        "BO_CREATE",
        [&] {
            create = {};
            create.size = bytes;
            return raw(fd, DRM_IOCTL_ACC_BO_CREATE, create);
        },
        [&] { close_handle(fd, create.handle); });
    // Pins what it binds: a buffer of its own for each fault.
    uint32_t handle = client.make(bytes);
    walk.over(
        "VM_BIND of a new buffer", [&] { return client.bind(handle, va, bytes); },
        [&] {
            client.bind(0, va, bytes, DRM_ACC_VM_UNMAP);
            close_handle(fd, handle);
            handle = client.make(bytes);
        });
    client.bind(handle, va, bytes);
    drm_acc_bo_info info = {};
    info.handle = handle;
    walk.over("BO_INFO", [&] { return raw(fd, DRM_IOCTL_ACC_BO_INFO, info); });
    walk.over(
        "VM_BIND of a pinned buffer", [&] { return client.bind(handle, va + bytes, bytes); },
        [&] { client.bind(0, va + bytes, bytes, DRM_ACC_VM_UNMAP); });
    walk.over(
        "VM_BIND, unmapping", [&] { return client.bind(0, va, bytes, DRM_ACC_VM_UNMAP); },
        [&] { client.bind(handle, va, bytes); });
    client.bind(0, va, bytes, DRM_ACC_VM_UNMAP);
    void *at = MAP_FAILED;
    walk.over(
        "mmap of a buffer and its first store",
        [&] {
            at = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd,
                      static_cast<off_t>(client.offset));
            if (at == MAP_FAILED) return -errno;
            *static_cast<char *>(at) = 1;
            return 0;
        },
        [&] { munmap(at, bytes); });
    drm_prime_handle prime = {};
    walk.over(
        "PRIME_HANDLE_TO_FD",
        [&] {
            prime = {};
            prime.handle = handle;
            prime.flags = uint32_t(DRM_CLOEXEC | DRM_RDWR);
            return raw(fd, DRM_IOCTL_PRIME_HANDLE_TO_FD, prime);
        },
        [&] { close(prime.fd); });
    walk.over(
        "GEM_CLOSE", [&] { return close_handle(fd, handle); },
        [&] { handle = client.make(page_bytes); });
    close_handle(fd, handle);
}

// A buffer of `from` into `to`, another file or another device.
void walk_import(Walk &walk, const char *what, Client &from, Client &to, uint64_t va)
{
    drm_prime_handle prime = {};
    prime.handle = from.make(16 * page_bytes);
    prime.flags = uint32_t(DRM_CLOEXEC | DRM_RDWR);
    if (raw(from.fd.get(), DRM_IOCTL_PRIME_HANDLE_TO_FD, prime)) return;
    const UniqueFd fd(prime.fd);
    drm_prime_handle args = {};
    walk.over((std::string("PRIME_FD_TO_HANDLE ") + what).c_str(),
              [&] {
                  args = {};
                  args.fd = fd.get();
                  return raw(to.fd.get(), DRM_IOCTL_PRIME_FD_TO_HANDLE, args);
              },
              [&] { close_handle(to.fd.get(), args.handle); });
    args = {};
    args.fd = fd.get();
    raw(to.fd.get(), DRM_IOCTL_PRIME_FD_TO_HANDLE, args);
    walk.over((std::string("VM_BIND of memory ") + what).c_str(),
              [&] { return to.bind(args.handle, va, 16 * page_bytes); },
              [&] {
                  to.bind(0, va, 16 * page_bytes, DRM_ACC_VM_UNMAP);
                  close_handle(to.fd.get(), args.handle);
                  args = {};
                  args.fd = fd.get();
                  raw(to.fd.get(), DRM_IOCTL_PRIME_FD_TO_HANDLE, args);
              });
    close_handle(to.fd.get(), args.handle);
    close_handle(from.fd.get(), prime.handle);
}

void walk_queues(Walk &walk, Client &client, uint64_t va)
{
    const int fd = client.fd.get();
    constexpr uint64_t bytes = 4 * page_bytes;
    const uint32_t handle = client.make(bytes);
    client.bind(handle, va, bytes);
    drm_acc_queue_create create = {};
    const auto make = [&] {
        create = {};
        create.handle = handle;
        create.packets = 64;
        create.ring_offset = page_bytes;
        create.priority = DRM_ACC_PRIORITY_NORMAL;
        return raw(fd, DRM_IOCTL_ACC_QUEUE_CREATE, create);
    };
    const auto destroy = [&] {
        drm_acc_queue_destroy args = {};
        args.queue = create.queue;
        return raw(fd, DRM_IOCTL_ACC_QUEUE_DESTROY, args);
    };
    walk.over("QUEUE_CREATE", make, destroy);
    make();
    drm_acc_queue_query query = {};
    walk.over("QUEUE_QUERY", [&] {
        query = {};
        query.queue = create.queue;
        return raw(fd, DRM_IOCTL_ACC_QUEUE_QUERY, query);
    });
    drm_acc_reset reset = {};
    reset.what = DRM_ACC_RESET_QUEUE;
    reset.id = create.queue;
    walk.over("RESET of a queue", [&] { return raw(fd, DRM_IOCTL_ACC_RESET, reset); });
    drm_acc_wait wait = {};
    walk.over("WAIT", [&] {
        wait = {};
        wait.address = va + 3 * page_bytes;
        wait.condition = DRM_ACC_COND_EQ;
        return raw(fd, DRM_IOCTL_ACC_WAIT, wait);
    });
    drm_acc_signal_wake wake = {};
    wake.address = va + 3 * page_bytes;
    walk.over("SIGNAL_WAKE", [&] { return raw(fd, DRM_IOCTL_ACC_SIGNAL_WAKE, wake); });
    const UniqueFd event(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
    drm_acc_event_set set = {};
    set.fd = event.get();
    walk.over("EVENT_SET", [&] { return raw(fd, DRM_IOCTL_ACC_EVENT_SET, set); });
    void *at = MAP_FAILED;
    walk.over(
        "mmap of the doorbells and a store",
        [&] {
            at = mmap(nullptr, page_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd,
                      static_cast<off_t>(create.doorbell_mmap_offset));
            if (at == MAP_FAILED) return -errno;
            std::atomic_ref(*static_cast<uint64_t *>(at)).store(0, std::memory_order_release);
            return 0;
        },
        [&] { munmap(at, page_bytes); });
    walk.over("QUEUE_DESTROY", destroy, make);
    destroy();
    client.bind(0, va, bytes, DRM_ACC_VM_UNMAP);
    close_handle(fd, handle);
}

void walk_programs(Walk &walk, Client &client, uint32_t engine)
{
    const int fd = client.fd.get();
    const std::vector<std::byte> image = Work::image(engine, 0);
    const size_t bytes = (image.size() + page_bytes - 1) / page_bytes * page_bytes;
    uint32_t handle = 0;
    const auto fill = [&] {
        handle = client.make(bytes);
        void *at = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd,
                        static_cast<off_t>(client.offset));
        if (at == MAP_FAILED) return;
        std::memcpy(at, image.data(), image.size());
        munmap(at, bytes);
    };
    drm_acc_program_load load = {};
    const auto make = [&] {
        load = {};
        load.handle = handle;
        load.size = image.size();
        return raw(fd, DRM_IOCTL_ACC_PROGRAM_LOAD, load);
    };
    const auto unload = [&] {
        drm_acc_program_unload args = {};
        args.program = load.program;
        return raw(fd, DRM_IOCTL_ACC_PROGRAM_UNLOAD, args);
    };
    fill();
    walk.over("PROGRAM_LOAD of a new buffer", make, [&] {
        unload();
        close_handle(fd, handle);
        fill();
    });
    make();
    drm_acc_program_query query = {};
    walk.over("PROGRAM_QUERY", [&] {
        query = {};
        query.program = load.program;
        return raw(fd, DRM_IOCTL_ACC_PROGRAM_QUERY, query);
    });
    drm_acc_program_prefetch prefetch = {};
    prefetch.program = load.program;
    walk.over("PROGRAM_PREFETCH",
              [&] { return raw(fd, DRM_IOCTL_ACC_PROGRAM_PREFETCH, prefetch); });
    const auto pin = [&](uint32_t what) {
        drm_acc_program_pin args = {};
        args.program = load.program;
        args.pin = what;
        return raw(fd, DRM_IOCTL_ACC_PROGRAM_PIN, args);
    };
    walk.over(
        "PROGRAM_PIN", [&] { return pin(1); }, [&] { pin(0); });
    pin(1);
    walk.over(
        "PROGRAM_PIN, unpinning", [&] { return pin(0); }, [&] { pin(1); });
    pin(0);
    walk.over("PROGRAM_UNLOAD", unload, make);
    unload();
    close_handle(fd, handle);
}

} // namespace

int run_fail_nth()
{
    if (!Injector().good()) {
        std::printf("fail fault injection: expected /proc/thread-self/fail-nth; found none\n");
        return 1;
    }
    bool failed = false;
    for (size_t i = 0; i < nodes().size(); i++) {
        Walk walk(nodes()[i]);
        Client client(nodes()[i]), other(nodes()[i]), device(nodes()[(i + 1) % nodes().size()]);
        const int fd = client.fd.get();
        drm_acc_dev_query query = {};
        query.type = DRM_ACC_QUERY_IDENTITY;
        if (raw(fd, DRM_IOCTL_ACC_DEV_QUERY, query)) return 1;
        const uint32_t engine = query.identity.engine;
        query = {};
        query.type = DRM_ACC_QUERY_MEMORY;
        if (raw(fd, DRM_IOCTL_ACC_DEV_QUERY, query)) return 1;
        const uint64_t va = query.memory.va_start;
        int opened = -1;
        walk.over(
            "open and close",
            [&] {
                opened = open(nodes()[i].c_str(), O_RDWR | O_CLOEXEC);
                return opened < 0 ? -errno : 0;
            },
            [&] { close(opened); });
        // The end of a file, with all that it may have, meets faults too.
        walk.over("close of a file in use", [&] {
            Client full(nodes()[i]);
            if (full.error) return full.error;
            const uint32_t handle = full.make(8 * page_bytes);
            return handle ? full.bind(handle, va, 8 * page_bytes) : -ENOMEM;
        });
        walk_queries(walk, fd);
        walk_memory(walk, client, va);
        walk_import(walk, "of another file", other, client, va);
        if (nodes().size() > 1) walk_import(walk, "of another device", device, client, va);
        walk_queues(walk, client, va);
        walk_programs(walk, client, engine);
        drm_acc_reset reset = {};
        reset.what = DRM_ACC_RESET_DEVICE;
        walk.over("RESET of the device", [&] {
            Client admin(nodes()[i]);
            return admin.error ? admin.error : raw(admin.fd.get(), DRM_IOCTL_ACC_RESET, reset);
        });
        failed |= walk.failed();
    }
    return failed;
}

} // namespace acc::guest
