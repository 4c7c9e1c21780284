// SPDX-License-Identifier: MIT
//
// One open of the device under test, and what a test makes on it: memory, signals,
// programs. Over the seam alone (libacc/transport.h), so that the same tests go over every
// transport and, in tests/unit/emulator, straight to an emulated device.
//
// The makers throw std::runtime_error, which GoogleTest reports as the test's failure:
// a test that could not be set up has nothing to go on with.
#pragma once

#include "acc/abi.h"
#include "libacc/transport.h"

#include <drm/acc_drm.h>

#include <atomic>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <ctime>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <type_traits>
#include <vector>

namespace acc::conformance
{

constexpr uint64_t page_bytes = 4096;
constexpr uint64_t millisecond_ns = 1'000'000;
constexpr uint64_t second_ns = 1'000'000'000;
// Nothing is ever this late on a machine that works: the end of a wait that hangs.
constexpr uint64_t watchdog_ns = 60 * second_ns;

uint64_t now_ns(); // CLOCK_MONOTONIC
uint64_t deadline(uint64_t relative_ns = watchdog_ns);
// Asks again and again, letting others run, until `done()` or the watchdog.
[[nodiscard]] bool eventually(const std::function<bool()> &done);

// An atomic view of a word that is shared with the device.
template <typename T>
auto shared(T &word)
{
    using Wide = std::conditional_t<std::is_signed_v<T>, __s64, __u64>;
    using Plain = std::conditional_t<sizeof(T) == sizeof(Wide), Wide, T>;
    return std::atomic_ref<Plain>(reinterpret_cast<Plain &>(word));
}

[[noreturn]] void give_up(const std::string &what, int error = 0);

class Accel
{
public:
    explicit Accel(std::unique_ptr<Transport> transport);

    // 0 or -errno.
    template <typename T>
    int call(unsigned long request, T &args)
    {
        return transport_ ? transport_->ioctl(request, &args) : -EBADF;
    }
    Transport &transport() { return *transport_; }
    // Closes it under everything made on it, as the end of a process does.
    void kill() { transport_.reset(); }

    // Answers of DEV_QUERY.
    drm_acc_dev_query query(uint32_t type, uint32_t index = 0);
    int query_error(); // of the shortest one: is it lost?
    const drm_acc_identity &identity() const { return identity_; }
    const drm_acc_limits &limits() const { return limits_; }
    const drm_acc_memory &memory() const { return memory_; }
    uint32_t slots();
    drm_acc_counters counters() { return query(DRM_ACC_QUERY_COUNTERS).counters; }

    // Addresses of the arena that nobody has, without access. unmap with release().
    uint64_t reserve(uint64_t bytes);
    static void release(uint64_t address, uint64_t bytes);

    int create(uint64_t size, drm_acc_bo_create &args, uint32_t flags = 0);
    int close(uint32_t handle);
    int bind(uint32_t handle, uint64_t offset, uint64_t range, uint64_t address,
             uint32_t flags = DRM_ACC_VM_FLAGS);
    int unbind(uint64_t address, uint64_t range);
    int wait(uint64_t address, uint32_t condition, int64_t value, uint64_t timeout_ns,
             int64_t *observed = nullptr);
    int wake(uint64_t address, uint64_t range = 0);
    int set_event(int fd);
    int reset(uint32_t what, uint32_t id);

private:
    std::unique_ptr<Transport> transport_;
    drm_acc_identity identity_ = {};
    drm_acc_limits limits_ = {};
    drm_acc_memory memory_ = {};
};

// A buffer object, mapped and bound at one address of the arena. Ends in the right order.
class Buffer
{
public:
    Buffer(Accel &accel, uint64_t bytes, uint32_t access = DRM_ACC_VM_FLAGS);
    ~Buffer();
    Buffer(const Buffer &) = delete;
    Buffer &operator=(const Buffer &) = delete;

    uint32_t handle() const { return handle_; }
    uint64_t address() const { return address_; }
    uint64_t bytes() const { return bytes_; }
    template <typename T = std::byte>
    T *at(uint64_t offset = 0) const
    {
        return reinterpret_cast<T *>(address_ + offset);
    }
    // A buffer whose last page is not bound: what lies behind an end.
    void unbind_from(uint64_t offset);

private:
    Accel &accel_;
    uint64_t bytes_, bound_;
    uint64_t address_ = 0;
    uint32_t handle_ = 0;
};

// Signals in a buffer of their own.
class Signals
{
public:
    explicit Signals(Accel &accel, uint32_t count = 64);
    acc_signal_memory *make(int64_t initial = 1);
    acc_signal_memory *operator[](uint32_t index);
    const Buffer &buffer() const { return buffer_; }

private:
    Buffer buffer_;
    uint32_t next_ = 0;
};

inline uint64_t address_of(const void *at)
{
    return reinterpret_cast<uint64_t>(at);
}
int64_t value_of(acc_signal_memory *signal);   // acquire
uint32_t status_of(acc_signal_memory *signal); // valid once the value has been seen
// Waits with WAIT until the value is 0, or `value`; what WAIT said.
int wait_for(Accel &accel, acc_signal_memory *signal, int64_t value = 0);
// Stores, and tells who waits: what a host does (docs/protocols.md, "notify").
void store_signal(Accel &accel, acc_signal_memory *signal, int64_t value);

// A loaded program.
class Program
{
public:
    Program(Accel &accel, std::span<const std::byte> image);
    // A program of the null engine with these kernels, in this order.
    Program(Accel &accel, std::initializer_list<std::string_view> ops);
    ~Program();
    Program(const Program &) = delete;
    Program &operator=(const Program &) = delete;

    uint32_t id() const { return args_.program; }
    uint64_t kernel(uint32_t index = 0) const { return args_.kernel_object_base + index; }
    uint32_t kernels() const { return args_.kernels; }
    int unload();
    drm_acc_program_query query(uint32_t kernel = 0);
    int pin(uint32_t kernel, bool pin = true);
    int prefetch(uint32_t kernel);

private:
    void load(std::span<const std::byte> image);

    Accel &accel_;
    drm_acc_program_load args_ = {};
    bool loaded_ = false;
};

// 0 or -errno; `args` has what PROGRAM_LOAD answered.
int load_program(Accel &accel, std::span<const std::byte> image, drm_acc_program_load &args);
std::vector<std::byte> null_image(std::initializer_list<std::string_view> ops);
// One unit with this hash and one no-op kernel: units of equal hashes are one.
std::vector<std::byte> null_image_hashed(uint8_t hash);

// The smallest real work of whatever engine is there: a program of one kernel, its
// arguments and an output that can be checked. Variants are different units.
class Work
{
public:
    explicit Work(Accel &accel, unsigned variant = 0);
    acc_packet packet(acc_signal_memory *completion);
    void clear();
    bool done_right() const; // the output is what the kernel should have written
    Program &program() { return *program_; }
    uint64_t kernargs() const { return memory_.address(); }
    static std::vector<std::byte> image(uint32_t engine, unsigned variant);
    // A page of memory as the kernel wants it: arguments at its start; and as it left it.
    static void prepare(uint32_t engine, unsigned variant, std::byte *page);
    static bool is_right(uint32_t engine, unsigned variant, const std::byte *page);
    static void clear(std::byte *page);
    static unsigned variants(uint32_t engine); // how many there are

private:
    Buffer memory_; // kernargs at 0, input at 1024, output at 2048
    std::unique_ptr<Program> program_;
    uint32_t engine_;
    unsigned variant_;
};

} // namespace acc::conformance
