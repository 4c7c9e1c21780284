// SPDX-License-Identifier: MIT
//
// The role of OpenMP programs (region_abi.h): maps the objects of a client's target regions and
// calls their outlined functions. It runs in a region's process and nowhere else, with that
// process's libc, libm and libgomp; a crash is the region's, told as any role's.
//
// Thread safety: one role, one thread, as acc/role.h says; the functions that it calls start
// threads of libgomp's, which may end a launch by fail().
#include "acc/role.h"
#include "../elf_object.h"
#include "../region_abi.h"
#include "output.h"
#include "runtime.h"

#include <atomic>
#include <cerrno>
#include <csetjmp>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <ctime>
#include <memory>
#include <new>
#include <string>
#include <sys/syscall.h>
#include <unistd.h>
#include <vector>

// So that a client can tell its image from others': it writes its own name over this.
extern "C" __attribute__((visibility("default"), used))
const char acc_omp_nonce[ACC_OMP_NONCE_BYTES] = ACC_OMP_NONCE;

namespace acc::openmp
{
namespace
{

constexpr uint32_t kWords = sizeof(acc_omp_launch) / 4;
constexpr uint64_t kCyclePs = 5000; // of the regions' clock as the device's default has it
constexpr uint32_t kMostRanges = 4096;

// How a launch ends that can't go on. Of the one role, and set while one of its launches runs.
sigjmp_buf way_out;
std::atomic<pid_t> role_thread{0};
char failure[160];
std::atomic<bool> failed{false};

void leave(int)
{
    siglongjmp(way_out, 1);
}

// Of any thread of the launch. The first one is told.
[[noreturn]] void fail(const char *text)
{
    if (!failed.exchange(true, std::memory_order_acq_rel)) {
        std::snprintf(failure, sizeof failure, "%s", text);
        const pid_t me = static_cast<pid_t>(syscall(SYS_gettid));
        if (me == role_thread.load(std::memory_order_acquire)) siglongjmp(way_out, 1);
        syscall(SYS_tgkill, getpid(), role_thread.load(std::memory_order_acquire), SIGUSR1);
    }
    for (;;) { // the launch has ended, and with it this thread's work
        const timespec second = {1, 0};
        nanosleep(&second, nullptr);
    }
}

[[noreturn]] void missing(const char *name)
{
    char text[160];
    std::snprintf(text, sizeof text, "it called %s, which a region does not have", name);
    fail(text);
}

} // namespace
} // namespace acc::openmp

using namespace acc::openmp;

struct acc_role {
    const acc_role_host *host = nullptr;
    uint32_t words[kWords] = {};
    bool started = false, done = false;
    bool spoiled = false; // a launch was left in the middle: libgomp's threads are in it still
    uint32_t status = ACC_STATUS_OK;
    uint64_t cycle = 0;
    struct Loaded {
        uint64_t id;
        std::unique_ptr<ElfObject> object;
    };
    std::vector<Loaded> objects;
    uint64_t range_generation = 0;

    uint32_t refuse(uint32_t with, const std::string &why)
    {
        host->explain(host->context, why.c_str());
        return with;
    }
    uint32_t touch_ranges(const acc_omp_launch &launch);
    bool is_one_piece(uint64_t address, uint64_t bytes);
    bool keep_pages(const acc_omp_launch &launch, std::string &why);
    ElfObject *object_of(const acc_omp_launch &launch, uint32_t &error);
    uint32_t call(const acc_omp_launch &launch, void *function);
    uint32_t run(const acc_omp_launch &launch);
};

// Memory is mapped by the thread that asks for it, before there are others.
uint32_t acc_role::touch_ranges(const acc_omp_launch &launch)
{
    if (launch.range_generation == range_generation) return ACC_STATUS_OK;
    if (launch.ranges > kMostRanges)
        return refuse(ACC_STATUS_INVALID_KERNARG,
                      "expected at most 4096 ranges; found " + std::to_string(launch.ranges));
    for (uint32_t i = 0; i < launch.ranges; i++) {
        acc_omp_range range;
        char byte;
        if (host->memory_read(host->context, launch.range_table + i * sizeof range, &range,
                              sizeof range) ||
            host->memory_read(host->context, range.address, &byte, 1))
            return refuse(ACC_STATUS_INVALID_ADDRESS, "expected its memory; found it unbound");
    }
    range_generation = launch.range_generation;
    return ACC_STATUS_OK;
}

// Whether the client's memory is there, to be written to.
bool acc_role::is_one_piece(uint64_t address, uint64_t bytes)
{
    uint64_t word = 0;
    return address % 4096 == 0 && address + bytes > address &&
           host->memory_write(host->context, address + bytes, &word, 8) == 0 &&
           host->memory_read(host->context, address, &word, 8) == 0;
}

// Code is mapped over the client's memory, which would be mapped again around it when it is
// touched.
bool acc_role::keep_pages(const acc_omp_launch &launch, std::string &why)
{
    for (const ElfObject::Pages &pages : ElfObject::own_pages(
             reinterpret_cast<const std::byte *>(launch.object), launch.object_bytes,
             reinterpret_cast<std::byte *>(launch.place), why)) {
        if (host->memory_keep(host->context, reinterpret_cast<uint64_t>(pages.start),
                              pages.bytes) == 0)
            continue;
        why = "expected room for an object's code among 256 ranges; found none";
    }
    return why.empty();
}

ElfObject *acc_role::object_of(const acc_omp_launch &launch, uint32_t &error)
{
    for (const Loaded &one : objects)
        if (one.id == launch.object_id) return one.object.get();
    char byte;
    if (!launch.object_bytes || host->memory_read(host->context, launch.object, &byte, 1) ||
        host->memory_read(host->context, launch.object + launch.object_bytes - 1, &byte, 1)) {
        error =
            refuse(ACC_STATUS_INVALID_ADDRESS, "expected an object's bytes; found them unbound");
        return nullptr;
    }
    std::string why;
    // A device address is an address here.
    const auto *file = reinterpret_cast<const std::byte *>(launch.object);
    std::unique_ptr<ElfObject> object;
    if (launch.place) {
        const size_t extent = ElfObject::extent(file, launch.object_bytes, why);
        if (extent && !is_one_piece(launch.place, extent)) {
            error = refuse(ACC_STATUS_INVALID_ADDRESS,
                           "expected memory that an object was placed in; found it unbound");
            return nullptr;
        }
        if (extent && keep_pages(launch, why))
            object = ElfObject::attach(file, launch.object_bytes,
                                       reinterpret_cast<std::byte *>(launch.place), overrides(fail),
                                       missing, why);
    } else {
        object = ElfObject::load(file, launch.object_bytes, overrides(fail), missing, why);
    }
    if (!object) {
        error = refuse(ACC_STATUS_INVALID_KERNARG, why);
        return nullptr;
    }
    objects.push_back({launch.object_id, std::move(object)});
    return objects.back().object.get();
}

uint32_t acc_role::call(const acc_omp_launch &launch, void *function)
{
    uint64_t list[ACC_OMP_MAX_ARGUMENTS];
    if (launch.call == ACC_OMP_CALL_LIST &&
        host->memory_read(host->context, launch.arguments, list, launch.argument_count * 8))
        return refuse(ACC_STATUS_INVALID_ADDRESS, "expected its arguments; found them unbound");
    failed.store(false, std::memory_order_relaxed);
    role_thread.store(static_cast<pid_t>(syscall(SYS_gettid)), std::memory_order_release);
    if (sigsetjmp(way_out, 1)) {
        spoiled = true;
        return refuse(ACC_STATUS_ENGINE_ERROR, failure);
    }
    if (launch.call == ACC_OMP_CALL_BLOCK)
        reinterpret_cast<void (*)(void *)>(function)(reinterpret_cast<void *>(launch.arguments));
    else
        call_list(function, list, launch.argument_count);
    return ACC_STATUS_OK;
}

uint32_t acc_role::run(const acc_omp_launch &launch)
{
    if (launch.abi != ACC_OMP_ABI)
        return refuse(ACC_STATUS_INVALID_KERNARG,
                      "expected launches of ABI 1; found " + std::to_string(launch.abi));
    if (launch.flags & ~ACC_OMP_CANCELLATION)
        return refuse(ACC_STATUS_INVALID_KERNARG,
                      "expected flags 0x1; found " + std::to_string(launch.flags));
    if (launch.call > ACC_OMP_CALL_LIST || launch.argument_count > ACC_OMP_MAX_ARGUMENTS ||
        !launch.object_id)
        return refuse(ACC_STATUS_INVALID_KERNARG,
                      "expected a call of kind 0 to 2, at most 64 arguments, and an object's id; "
                      "found kind " +
                          std::to_string(launch.call) + ", " +
                          std::to_string(launch.argument_count) + " and " +
                          std::to_string(launch.object_id));
    if (spoiled)
        return refuse(ACC_STATUS_ENGINE_ERROR, "a target region before it was left in the middle");
    if (const uint32_t error = touch_ranges(launch)) return error;
    uint32_t error = ACC_STATUS_OK;
    const ElfObject *object = object_of(launch, error);
    if (!object || launch.call == ACC_OMP_CALL_NONE) return error;
    void *function = object->code(launch.entry);
    if (!function)
        return refuse(ACC_STATUS_INVALID_KERNARG, "expected a function in the object's code; "
                                                  "found entry " +
                                                      std::to_string(launch.entry));
    name_host_streams(launch.host_stdout, launch.host_stderr);
    if (!begin_output(*host, launch.output))
        return refuse(ACC_STATUS_INVALID_ADDRESS, "expected room for output; found none");
    prepare_runtime(launch.thread_limit, launch.flags & ACC_OMP_CANCELLATION);
    error = call(launch, function);
    end_output();
    return error;
}

namespace
{

int create(const acc_role_ops *, const acc_role_host *host, acc_role **role)
{
    if (host->abi >> 16 != ACC_ROLE_ABI_MAJOR || host->abi < ACC_ROLE_ABI) return -EINVAL;
    *role = new (std::nothrow) acc_role;
    if (!*role) return -ENOMEM;
    (*role)->host = host;
    struct sigaction action = {};
    action.sa_handler = leave;
    sigaction(SIGUSR1, &action, nullptr);
    capture_output();
    return 0;
}

void reset(acc_role *role)
{
    role->started = role->done = false;
}

uint64_t now_ns()
{
    timespec now = {};
    clock_gettime(CLOCK_MONOTONIC, &now);
    return static_cast<uint64_t>(now.tv_sec) * 1'000'000'000 + static_cast<uint64_t>(now.tv_nsec);
}

// A soft core has no model of its own: it takes what this processor took.
int run_until(acc_role *role, acc_u64, acc_role_progress *progress)
{
    if (role->started) {
        acc_omp_launch launch;
        std::memcpy(&launch, role->words, sizeof launch);
        const uint64_t start = now_ns();
        role->started = false;
        role->status = role->run(launch);
        role->done = true;
        role->cycle += 1 + (now_ns() - start) * 1000 / kCyclePs;
    }
    progress->cycle = role->cycle;
    progress->state = role->done ? ACC_ROLE_DONE : ACC_ROLE_IDLE;
    progress->status = role->status;
    return 0;
}

int mmio_read(acc_role *role, __u32 offset, __u32 *value)
{
    if (offset != ACC_ROLE_REG_CONTROL) return -EINVAL;
    *value = role->done ? ACC_ROLE_CONTROL_DONE : 0;
    return 0;
}

int mmio_write(acc_role *role, __u32 offset, __u32 value)
{
    const uint32_t word = (offset - ACC_ROLE_REG_ARGUMENTS) / 4;
    if (offset == ACC_ROLE_REG_CONTROL)
        role->started = value & ACC_ROLE_CONTROL_START;
    else if (offset >= ACC_ROLE_REG_ARGUMENTS && offset % 4 == 0 && word < kWords)
        role->words[word] = value;
    else
        return -EINVAL;
    return 0;
}

void destroy(acc_role *role)
{
    delete role;
}

const acc_role_ops ops = {
    .size = sizeof(acc_role_ops),
    .abi = ACC_ROLE_ABI,
    .name = ACC_OMP_KERNEL,
    .inputs = 0,
    .outputs = 0,
    .token_bytes = 0,
    .reserved = 0,
    .data = nullptr,
    .create = create,
    .reset = reset,
    .run_until = run_until,
    .mmio_read = mmio_read,
    .mmio_write = mmio_write,
    .stream_push = nullptr,
    .stream_pop = nullptr,
    .interrupt = nullptr,
    .save = nullptr,
    .destroy = destroy,
};
const acc_role_ops *const all[] = {&ops};

} // namespace

extern "C" __attribute__((visibility("default"))) const acc_role_library acc_role_library = {
    .size = sizeof(struct acc_role_library),
    .abi = ACC_ROLE_ABI,
    .roles = 1,
    .reserved = 0,
    .role = all,
};
