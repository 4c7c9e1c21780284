// SPDX-License-Identifier: MIT
#include "tests/conformance/accel.h"

#include <cstring>
#include <random>
#include <stdexcept>
#include <sys/mman.h>
#include <thread>

namespace acc::conformance
{

uint64_t now_ns()
{
    timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return uint64_t(time.tv_sec) * second_ns + uint64_t(time.tv_nsec);
}

uint64_t deadline(uint64_t relative_ns)
{
    return now_ns() + relative_ns;
}

bool eventually(const std::function<bool()> &done)
{
    const uint64_t end = deadline();
    while (!done()) {
        if (now_ns() > end) return false;
        std::this_thread::sleep_for(std::chrono::microseconds(50));
    }
    return true;
}

void give_up(const std::string &what, int error)
{
    throw std::runtime_error(error ? what + ": " + std::strerror(-error) : what);
}

// ---------------------------------------------------------------------- Accel

Accel::Accel(std::unique_ptr<Transport> transport) : transport_(std::move(transport))
{
    identity_ = query(DRM_ACC_QUERY_IDENTITY).identity;
    limits_ = query(DRM_ACC_QUERY_LIMITS).limits;
    memory_ = query(DRM_ACC_QUERY_MEMORY).memory;
}

drm_acc_dev_query Accel::query(uint32_t type, uint32_t index)
{
    drm_acc_dev_query args = {};
    args.type = type;
    args.index = index;
    if (const int error = call(DRM_IOCTL_ACC_DEV_QUERY, args))
        give_up("DEV_QUERY type " + std::to_string(type), error);
    return args;
}

int Accel::query_error()
{
    drm_acc_dev_query args = {};
    return call(DRM_IOCTL_ACC_DEV_QUERY, args);
}

uint32_t Accel::slots()
{
    for (uint32_t count = 0;; count++) {
        drm_acc_dev_query args = {};
        args.type = DRM_ACC_QUERY_SLOT;
        args.index = count;
        if (call(DRM_IOCTL_ACC_DEV_QUERY, args)) return count;
    }
}

uint64_t Accel::reserve(uint64_t bytes)
{
    static std::atomic<uint64_t> next{std::random_device{}()};
    const uint64_t pages = (memory_.va_end - memory_.va_start - bytes) / page_bytes;
    for (int i = 0; i < 1000; i++) {
        const uint64_t step = next.fetch_add(bytes / page_bytes + 16);
        auto *wanted = reinterpret_cast<void *>(memory_.va_start + step % pages * page_bytes);
        void *got = mmap(wanted, bytes, PROT_NONE,
                         MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE, -1, 0);
        if (got == wanted) return address_of(got);
        if (got != MAP_FAILED) munmap(got, bytes);
    }
    give_up("no free addresses in the device's range");
}

void Accel::release(uint64_t address, uint64_t bytes)
{
    munmap(reinterpret_cast<void *>(address), bytes);
}

int Accel::create(uint64_t size, drm_acc_bo_create &args, uint32_t flags)
{
    args = {};
    args.size = size;
    args.flags = flags;
    return call(DRM_IOCTL_ACC_BO_CREATE, args);
}

int Accel::close(uint32_t handle)
{
    drm_gem_close args = {};
    args.handle = handle;
    return call(DRM_IOCTL_GEM_CLOSE, args);
}

int Accel::bind(uint32_t handle, uint64_t offset, uint64_t range, uint64_t address, uint32_t flags)
{
    drm_acc_vm_bind args = {};
    args.handle = handle;
    args.op = DRM_ACC_VM_MAP;
    args.flags = flags;
    args.bo_offset = offset;
    args.range = range;
    args.address = address;
    return call(DRM_IOCTL_ACC_VM_BIND, args);
}

int Accel::unbind(uint64_t address, uint64_t range)
{
    drm_acc_vm_bind args = {};
    args.op = DRM_ACC_VM_UNMAP;
    args.range = range;
    args.address = address;
    return call(DRM_IOCTL_ACC_VM_BIND, args);
}

int Accel::wait(uint64_t address, uint32_t condition, int64_t value, uint64_t timeout_ns,
                int64_t *observed)
{
    drm_acc_wait args = {};
    args.address = address;
    args.condition = condition;
    args.value = value;
    args.timeout_ns = timeout_ns;
    const int result = call(DRM_IOCTL_ACC_WAIT, args);
    if (observed) *observed = args.observed;
    return result;
}

int Accel::wake(uint64_t address, uint64_t range)
{
    drm_acc_signal_wake args = {};
    args.address = address;
    args.range = range;
    return call(DRM_IOCTL_ACC_SIGNAL_WAKE, args);
}

int Accel::set_event(int fd)
{
    drm_acc_event_set args = {};
    args.fd = fd;
    return call(DRM_IOCTL_ACC_EVENT_SET, args);
}

int Accel::reset(uint32_t what, uint32_t id)
{
    drm_acc_reset args = {};
    args.what = what;
    args.id = id;
    return call(DRM_IOCTL_ACC_RESET, args);
}

// --------------------------------------------------------------------- memory

Buffer::Buffer(Accel &accel, uint64_t bytes, uint32_t access)
    : accel_(accel), bytes_((bytes + page_bytes - 1) & ~(page_bytes - 1)), bound_(bytes_)
{
    drm_acc_bo_create args;
    if (const int error = accel.create(bytes_, args)) give_up("BO_CREATE", error);
    handle_ = args.handle;
    address_ = accel.reserve(bytes_);
    auto mapped = accel.transport().map(args.mmap_offset, bytes_, PROT_READ | PROT_WRITE,
                                        reinterpret_cast<void *>(address_));
    if (!mapped) give_up("mmap of a buffer", mapped.error());
    if (const int error = accel.bind(handle_, 0, bytes_, address_, access))
        give_up("VM_BIND", error);
}

Buffer::~Buffer()
{
    // After a loss these say EIO or ENODEV: all is gone already.
    if (bound_) (void)accel_.unbind(address_, bound_);
    Accel::release(address_, bytes_);
    (void)accel_.close(handle_);
}

void Buffer::unbind_from(uint64_t offset)
{
    if (const int error = accel_.unbind(address_, bytes_)) give_up("VM_BIND unmap", error);
    bound_ = offset;
    if (const int error = accel_.bind(handle_, 0, offset, address_)) give_up("VM_BIND", error);
}

// -------------------------------------------------------------------- signals

Signals::Signals(Accel &accel, uint32_t count) : buffer_(accel, uint64_t(count) * ACC_SIGNAL_BYTES)
{
}

acc_signal_memory *Signals::make(int64_t initial)
{
    if ((next_ + 1ull) * ACC_SIGNAL_BYTES > buffer_.bytes()) give_up("no signal left");
    auto *signal = (*this)[next_++];
    signal->kind = ACC_SIGNAL_KIND_USER;
    shared(signal->value).store(initial, std::memory_order_release);
    return signal;
}

acc_signal_memory *Signals::operator[](uint32_t index)
{
    return buffer_.at<acc_signal_memory>(uint64_t(index) * ACC_SIGNAL_BYTES);
}

int64_t value_of(acc_signal_memory *signal)
{
    return shared(signal->value).load(std::memory_order_acquire);
}

uint32_t status_of(acc_signal_memory *signal)
{
    return shared(signal->status).load(std::memory_order_relaxed);
}

int wait_for(Accel &accel, acc_signal_memory *signal, int64_t value)
{
    return accel.wait(address_of(signal), DRM_ACC_COND_EQ, value, deadline());
}

void store_signal(Accel &accel, acc_signal_memory *signal, int64_t value)
{
    shared(signal->value).exchange(value, std::memory_order_seq_cst);
    if (shared(signal->notify).exchange(0, std::memory_order_acq_rel))
        if (const int error = accel.wake(address_of(signal))) give_up("SIGNAL_WAKE", error);
}

// ------------------------------------------------------------------- programs

int load_program(Accel &accel, std::span<const std::byte> image, drm_acc_program_load &args)
{
    Buffer memory(accel, image.size());
    std::memcpy(memory.at(), image.data(), image.size());
    args = {};
    args.handle = memory.handle();
    args.size = image.size();
    return accel.call(DRM_IOCTL_ACC_PROGRAM_LOAD, args);
}

void Program::load(std::span<const std::byte> image)
{
    if (const int error = load_program(accel_, image, args_))
        give_up("PROGRAM_LOAD (" + std::string(args_.why) + ")", error);
    loaded_ = true;
}

Program::Program(Accel &accel, std::span<const std::byte> image) : accel_(accel)
{
    load(image);
}

Program::Program(Accel &accel, std::initializer_list<std::string_view> ops) : accel_(accel)
{
    load(null_image(ops));
}

Program::~Program()
{
    if (loaded_) (void)unload();
}

int Program::unload()
{
    drm_acc_program_unload args = {};
    args.program = id();
    const int error = accel_.call(DRM_IOCTL_ACC_PROGRAM_UNLOAD, args);
    loaded_ &= error != 0;
    return error;
}

drm_acc_program_query Program::query(uint32_t kernel)
{
    drm_acc_program_query args = {};
    args.program = id();
    args.kernel = kernel;
    if (const int error = accel_.call(DRM_IOCTL_ACC_PROGRAM_QUERY, args))
        give_up("PROGRAM_QUERY", error);
    return args;
}

int Program::pin(uint32_t kernel, bool pin)
{
    drm_acc_program_pin args = {};
    args.program = id();
    args.kernel = kernel;
    args.pin = pin;
    return accel_.call(DRM_IOCTL_ACC_PROGRAM_PIN, args);
}

int Program::prefetch(uint32_t kernel)
{
    drm_acc_program_prefetch args = {};
    args.program = id();
    args.kernel = kernel;
    return accel_.call(DRM_IOCTL_ACC_PROGRAM_PREFETCH, args);
}

} // namespace acc::conformance
