// SPDX-License-Identifier: MIT
#include "libacc/buffer.h"

#include "libacc/device.h"
#include "libacc/error.h"

#include "common/unique_fd.h"

#include <fcntl.h>
#include <sys/mman.h>

#include <algorithm>

namespace acc
{

Result<std::unique_ptr<Buffer>> Buffer::create(Device &device, size_t bytes, uint32_t flags,
                                               bool counted)
{
    if (!bytes) return fail(-EINVAL, "expected a buffer of at least 1 byte; found 0");
    const bool cpu = !(flags & ACC_BUFFER_NO_CPU);
    std::unique_ptr<Buffer> buffer(new Buffer(flags, counted));
    drm_acc_bo_create create = {};
    create.size = bytes;
    create.flags = cpu ? 0 : DRM_ACC_BO_NO_CPU;
    const auto handle = device.create_bo(create);
    if (!handle) {
        const int error = handle.error();
        if (error == -E2BIG)
            return fail(error, "{}: expected a buffer of at most {} bytes, {} in all; found {}",
                        device.uri(), device.limits().max_bo_bytes,
                        device.limits().max_client_bytes, bytes);
        return device.refused(error, fmt::format("cannot allocate {} bytes", bytes));
    }
    buffer->bytes_ = create.padded_size;
    if (const int error = buffer->place(device, *handle, create.mmap_offset, cpu); error < 0)
        return Error{error};
    return buffer;
}

Result<std::unique_ptr<Buffer>> Buffer::import(Device &device, int fd)
{
    std::unique_ptr<Buffer> buffer(new Buffer(0, true));
    const auto handle = device.import_bo(fd);
    if (!handle) {
        const int error = handle.error();
        if (error == -EINVAL)
            return fail(error,
                        "{}: expected a dma-buf of this driver or a sealed memfd; found descriptor "
                        "{}, which is neither",
                        device.uri(), fd);
        return device.refused(error, fmt::format("cannot import descriptor {}", fd));
    }
    drm_acc_bo_info info = {};
    info.handle = *handle;
    if (const int error = device.ioctl(DRM_IOCTL_ACC_BO_INFO, &info)) {
        device.release_bo(*handle);
        return device.refused(error, "BO_INFO");
    }
    buffer->bytes_ = info.padded_size;
    const bool cpu = !(info.flags & DRM_ACC_BO_NO_CPU);
    if (const int error = buffer->place(device, *handle, info.mmap_offset, cpu); error < 0)
        return Error{error};
    return buffer;
}

// Takes the handle: finds an address, maps and binds. Undoes itself when it fails.
int Buffer::place(Device &device, uint32_t handle, uint64_t mmap_offset, bool cpu)
{
    const auto undo = [&](int error) {
        if (data_) Arena::release(data_, bytes_);
        data_ = nullptr;
        device.release_bo(handle);
        return error;
    };
    bindings_.reserve(1);
    const auto range = device.arena().reserve(bytes_);
    if (!range) return undo(range.error());
    data_ = *range;
    if (cpu) {
        const auto mapped =
            device.transport().map(mmap_offset, bytes_, PROT_READ | PROT_WRITE, data_);
        if (!mapped)
            return undo(
                device.refused(mapped.error(), fmt::format("cannot map {} bytes", bytes_)).code);
    }
    madvise(data_, bytes_, MADV_DONTFORK);
    if (const int error = bind(device, handle)) return undo(error);
    bindings_.push_back({&device, handle});
    if (counted_) device.add_child();
    return 0;
}

int Buffer::bind(Device &device, uint32_t handle)
{
    drm_acc_vm_bind request = {};
    request.handle = handle;
    request.op = DRM_ACC_VM_MAP;
    request.flags = flags_ & ACC_BUFFER_READ_ONLY ? DRM_ACC_VM_READ : DRM_ACC_VM_FLAGS;
    request.range = bytes_;
    request.address = address();
    const int error = device.ioctl(DRM_IOCTL_ACC_VM_BIND, &request);
    if (error)
        return device
            .refused(error, fmt::format("cannot bind {} bytes at {:#x}", bytes_, address()))
            .code;
    return 0;
}

int Buffer::unbind(Device &device)
{
    drm_acc_vm_bind request = {};
    request.op = DRM_ACC_VM_UNMAP;
    request.range = bytes_;
    request.address = address();
    const int error = device.ioctl(DRM_IOCTL_ACC_VM_BIND, &request);
    if (error && device.lost()) return 0; // nothing reaches it any more
    return error;
}

void Buffer::forget(const Binding &binding)
{
    binding.device->release_bo(binding.handle);
    if (counted_) binding.device->remove_child();
}

bool Buffer::contains(const void *at, size_t bytes) const
{
    const auto start = reinterpret_cast<uint64_t>(at);
    return start >= address() && start - address() <= bytes_ &&
           bytes <= bytes_ - (start - address());
}

int Buffer::attach(Device &device)
{
    std::lock_guard lock(mutex_);
    for (const Binding &binding : bindings_)
        if (binding.device == &device) return 0;
    if (!device.arena().contains(data_, bytes_))
        return fail(
                   -ERANGE,
                   "{}: expected a buffer between {:#x} and {:#x}, which it can reach; found {:#x}",
                   device.uri(), device.arena().start(), device.arena().end(), address())
            .code;
    const auto fd = export_locked();
    if (!fd) return fd.error();
    const UniqueFd owned(*fd);
    const auto handle = device.import_bo(owned.get());
    if (!handle)
        return device
            .refused(handle.error(), "cannot import a buffer of " + bindings_.front().device->uri())
            .code;
    bindings_.reserve(bindings_.size() + 1);
    if (const int error = bind(device, *handle)) {
        device.release_bo(*handle);
        return error;
    }
    bindings_.push_back({&device, *handle});
    if (counted_) device.add_child();
    return 0;
}

int Buffer::detach(Device &device)
{
    std::lock_guard lock(mutex_);
    const auto found = std::find_if(bindings_.begin(), bindings_.end(),
                                    [&](const Binding &b) { return b.device == &device; });
    if (found == bindings_.end())
        return fail(-ENOENT, "expected a device that the buffer is attached to; found {}",
                    device.uri())
            .code;
    if (found == bindings_.begin())
        return fail(-EINVAL,
                    "expected a device that the buffer was attached to later; found {}, which it "
                    "was made on",
                    device.uri())
            .code;
    const int error = unbind(device);
    if (error && error != -ETIME)
        return device.refused(error, fmt::format("cannot unbind {:#x}", address())).code;
    forget(*found);
    bindings_.erase(found);
    if (error)
        return fail(error, "{}: an access outlived its queue's time-out; the queue has faulted",
                    device.uri())
            .code;
    return 0;
}

Result<int> Buffer::export_locked()
{
    drm_prime_handle prime = {};
    prime.handle = bindings_.front().handle;
    prime.flags = DRM_CLOEXEC | DRM_RDWR;
    prime.fd = -1;
    Device &device = *bindings_.front().device;
    const int error = device.ioctl(DRM_IOCTL_PRIME_HANDLE_TO_FD, &prime);
    if (error) return device.refused(error, "cannot export a buffer");
    return prime.fd;
}

Result<int> Buffer::export_fd()
{
    std::lock_guard lock(mutex_);
    return export_locked();
}

int Buffer::destroy()
{
    std::lock_guard lock(mutex_);
    if (bindings_.empty()) return 0;
    int late = 0;
    for (size_t i = 0; i < bindings_.size(); i++) {
        const int error = unbind(*bindings_[i].device);
        if (error == -EBUSY) {
            for (size_t k = 0; k < i; k++)
                (void)bind(*bindings_[k].device, bindings_[k].handle);
            return fail(error, "{}: expected a buffer that no queue is made of; found {:#x} in use",
                        bindings_[i].device->uri(), address())
                .code;
        }
        if (error && !late)
            late = fail(error, "{}: unbinding {:#x}: {}", bindings_[i].device->uri(), address(),
                        error == -ETIME
                            ? "an access outlived its queue's time-out; the queue has faulted"
                            : errno_text(error))
                       .code;
    }
    // Unbound everywhere: only now may the addresses mean something else.
    Arena::release(data_, bytes_);
    for (const Binding &binding : bindings_)
        forget(binding);
    bindings_.clear();
    return late;
}

} // namespace acc
