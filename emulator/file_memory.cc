// SPDX-License-Identifier: MIT
//
// A file's buffers, its address space and its mappings.
#include "emulator/driver.h"

#include "acc/check.h"

#include <algorithm>
#include <cstring>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

namespace acc::emu
{

namespace
{
// Where mmap finds what is no buffer.
constexpr uint64_t doorbell_offset = 0x1000'0000;
constexpr uint64_t status_offset = 0x2000'0000;
} // namespace

drm_acc_memory File::memory_info()
{
    drm_acc_memory memory = {};
    memory.va_start = arena_start;
    memory.va_end = arena_end;
    memory.page_size = uint32_t(ACC_PAGE_BYTES);
    memory.va_bits = 47;
    memory.status_mmap_offset = status_offset;
    memory.doorbell_mmap_offset = doorbell_offset;
    memory.client_bytes = charge_->bytes.load(std::memory_order_relaxed);
    memory.device_bytes = driver_->device_bytes_.load(std::memory_order_relaxed);
    return memory;
}

int File::Charge::take(uint64_t more, uint64_t limit)
{
    if (bytes.fetch_add(more, std::memory_order_relaxed) + more > limit) {
        bytes.fetch_sub(more, std::memory_order_relaxed);
        return -E2BIG;
    }
    if (account->bytes.take(more)) return 0;
    bytes.fetch_sub(more, std::memory_order_relaxed);
    return -EDQUOT;
}

void File::Charge::give(uint64_t less)
{
    bytes.fetch_sub(less, std::memory_order_relaxed);
    account->bytes.give(less);
}

uint32_t File::add_buffer(Buffer buffer)
{
    const uint32_t handle = next_handle_++;
    buffer.mmap_offset = next_mmap_offset_;
    next_mmap_offset_ += buffer.object->bytes();
    buffers_.emplace(handle, std::move(buffer));
    return handle;
}

int File::bo_create(drm_acc_bo_create &args)
{
    if (const int error = acc_check_bo_create(&args, &driver_->limits_)) return error;
    const uint64_t bytes = (args.size + ACC_PAGE_BYTES - 1) & ~(ACC_PAGE_BYTES - 1);
    // Reserved before it is allocated, so that no race gets over the limit.
    if (!account_->buffers.take(1)) return -EDQUOT;
    if (const int error = charge_->take(bytes, driver_->limits_.max_client_bytes)) {
        account_->buffers.give(1);
        return error;
    }
    auto object = MemoryObject::create(bytes, driver_->options_.scatter, "acc-buffer");
    if (!object) {
        charge_->give(bytes);
        account_->buffers.give(1);
        return object.error();
    }
    {
        std::lock_guard lock(driver_->objects_mutex_);
        driver_->objects_[(*object)->identity()] = *object;
    }
    driver_->adopt(**object, [charge = charge_](uint64_t bytes) { charge->give(bytes); });
    std::lock_guard lock(mutex_);
    Buffer buffer;
    buffer.object = std::move(*object);
    buffer.flags = args.flags;
    args.handle = add_buffer(std::move(buffer));
    args.padded_size = bytes;
    args.mmap_offset = args.flags & DRM_ACC_BO_NO_CPU ? 0 : buffers_.at(args.handle).mmap_offset;
    return 0;
}

int File::bo_info(drm_acc_bo_info &args)
{
    if (args.pad) return -EINVAL;
    std::lock_guard lock(mutex_);
    const auto found = buffers_.find(args.handle);
    if (found == buffers_.end()) return -ENOENT;
    const Buffer &buffer = found->second;
    args.flags = buffer.flags;
    args.padded_size = buffer.object->bytes();
    args.mmap_offset = buffer.flags & DRM_ACC_BO_NO_CPU ? 0 : buffer.mmap_offset;
    args.bindings =
        uint32_t(std::count_if(bindings_.begin(), bindings_.end(), [&](const auto &entry) {
            return entry.second.object == buffer.object;
        }));
    return 0;
}

int File::gem_close(drm_gem_close &args)
{
    std::shared_ptr<MemoryObject> last; // let go of outside the lock
    std::lock_guard lock(mutex_);
    const auto found = buffers_.find(args.handle);
    if (found == buffers_.end()) return -EINVAL;
    last = std::move(found->second.object); // bindings hold references of their own
    buffers_.erase(found);
    account_->buffers.give(1);
    return 0;
}

int File::prime_handle_to_fd(drm_prime_handle &args)
{
    if (args.flags & ~uint32_t(DRM_CLOEXEC | DRM_RDWR)) return -EINVAL;
    std::lock_guard lock(mutex_);
    const auto found = buffers_.find(args.handle);
    if (found == buffers_.end()) return -ENOENT;
    args.fd =
        fcntl(found->second.object->fd(), args.flags & DRM_CLOEXEC ? F_DUPFD_CLOEXEC : F_DUPFD, 0);
    return args.fd < 0 ? -errno : 0;
}

int File::prime_fd_to_handle(drm_prime_handle &args)
{
    auto object = driver_->import_object(args.fd, account_);
    if (!object) return object.error();
    std::lock_guard lock(mutex_);
    for (auto &[handle, buffer] : buffers_) {
        if (buffer.object != *object) continue;
        args.handle = handle;
        return 0;
    }
    if (!account_->buffers.take(1)) return -EDQUOT;
    Buffer buffer;
    buffer.object = std::move(*object);
    args.handle = add_buffer(std::move(buffer));
    return 0;
}

// ------------------------------------------------------------- address space

int File::vm_bind(drm_acc_vm_bind &args)
{
    const drm_acc_memory memory = memory_info();
    if (const int error = acc_check_vm_bind(&args, &memory)) return error;
    return args.op == DRM_ACC_VM_MAP ? bind(args) : unbind(args);
}

// In commands of at most one page of page addresses.
int File::map_pages(const MemoryObject &object, const drm_acc_vm_bind &args)
{
    std::lock_guard lock(staging_mutex_);
    const uint64_t pages = args.range >> ACC_PAGE_SHIFT;
    const uint64_t most = ACC_PAGE_BYTES / sizeof(acc_u64);
    for (uint64_t done = 0; done < pages;) {
        const uint64_t count = std::min(pages - done, most);
        for (uint64_t i = 0; i < count; i++) {
            const uint64_t bus = object.bus_start + args.bo_offset + (done + i) * ACC_PAGE_BYTES;
            std::memcpy(staging_->at(i * sizeof bus), &bus, sizeof bus);
        }
        acc_admin_cmd command = {};
        command.op = ACC_ADMIN_MAP;
        command.flags = (args.flags & DRM_ACC_VM_READ ? ACC_MAP_READ : 0) |
                        (args.flags & DRM_ACC_VM_WRITE ? ACC_MAP_WRITE : 0);
        command.map.address = args.address + done * ACC_PAGE_BYTES;
        command.map.pages = count;
        command.map.list = staging_->bus_start;
        if (const int error = admin(command)) {
            if (done) {
                command.op = ACC_ADMIN_UNMAP;
                command.flags = 0;
                command.map.address = args.address;
                command.map.pages = done;
                command.map.timeout_ns = driver_->limits_.max_timeout_ns;
                (void)admin(command); // nothing could use it yet
            }
            return error;
        }
        done += count;
    }
    return 0;
}

int File::bind(const drm_acc_vm_bind &args)
{
    std::unique_lock lock(mutex_);
    const auto buffer = buffers_.find(args.handle);
    if (buffer == buffers_.end()) return -ENOENT;
    if (acc_range_outside(args.bo_offset, args.range, buffer->second.object->bytes()))
        return -EINVAL;
    auto next = bindings_.lower_bound(args.address);
    if (next != bindings_.end() && next->first < args.address + args.range) return -EEXIST;
    if (next != bindings_.begin()) {
        const auto before = std::prev(next);
        if (before->first + before->second.range > args.address) return -EEXIST;
    }
    Binding binding;
    binding.object = buffer->second.object;
    binding.bo_offset = args.bo_offset;
    binding.range = args.range;
    binding.flags = args.flags;
    binding.busy = true;
    const std::shared_ptr<MemoryObject> object = binding.object;
    const auto place = bindings_.emplace(args.address, std::move(binding)).first;
    // Gigabytes take a while; who asks meanwhile where an event belongs does not wait for it.
    lock.unlock();
    driver_->add_binder(*object, asid_);
    const int error = map_pages(*object, args);
    if (error) driver_->remove_binder(*object, asid_);
    lock.lock();
    if (error)
        bindings_.erase(place);
    else
        place->second.busy = false;
    return error;
}

uint64_t File::longest_timeout()
{
    uint64_t longest = 0;
    for (const auto &[id, queue] : queues_)
        longest = std::max(longest, queue.timeout_ns);
    return longest;
}

int File::unbind(const drm_acc_vm_bind &args)
{
    uint64_t timeout_ns;
    {
        std::lock_guard lock(mutex_);
        const uint64_t end = args.address + args.range;
        auto first = bindings_.find(args.address);
        if (first == bindings_.end()) return -ENOENT;
        uint64_t at = args.address;
        auto last = first;
        for (; last != bindings_.end() && at < end; ++last) {
            if (last->first != at) return -EINVAL; // a gap
            if (last->second.queues || last->second.busy) return -EBUSY;
            at += last->second.range;
        }
        if (at != end) return -EINVAL; // cuts the last
        for (auto it = first; it != last; ++it)
            it->second.busy = true;
        timeout_ns = longest_timeout();
        // A queue that is being destroyed is not counted any more, but may still execute.
        if (!timeout_ns) timeout_ns = driver_->limits_.max_timeout_ns;
    }
    // Waits for the device: no lock is held (driver.h).
    acc_admin_cmd command = {};
    command.op = ACC_ADMIN_UNMAP;
    command.map.address = args.address;
    command.map.pages = args.range >> ACC_PAGE_SHIFT;
    command.map.timeout_ns = timeout_ns;
    const int error = admin(command);

    std::vector<Binding> gone; // let go of outside the lock
    std::lock_guard lock(mutex_);
    for (auto it = bindings_.find(args.address);
         it != bindings_.end() && it->first < args.address + args.range;) {
        driver_->remove_binder(*it->second.object, asid_);
        gone.push_back(std::move(it->second));
        it = bindings_.erase(it);
    }
    return error;
}

std::map<uint64_t, File::Binding>::iterator File::find_binding(const MemoryObject *object,
                                                               uint64_t offset, uint64_t bytes)
{
    constexpr uint32_t both = DRM_ACC_VM_READ | DRM_ACC_VM_WRITE;
    return std::find_if(bindings_.begin(), bindings_.end(), [&](const auto &entry) {
        const Binding &binding = entry.second;
        return binding.object.get() == object && !binding.busy && (binding.flags & both) == both &&
               offset >= binding.bo_offset && offset - binding.bo_offset <= binding.range &&
               bytes <= binding.range - (offset - binding.bo_offset);
    });
}

File::Place File::resolve(uint64_t address, bool write)
{
    std::lock_guard lock(mutex_);
    auto found = bindings_.upper_bound(address);
    if (found == bindings_.begin()) return {};
    --found;
    const Binding &binding = found->second;
    const uint32_t need = DRM_ACC_VM_READ | (write ? DRM_ACC_VM_WRITE : 0);
    const uint64_t inside = address - found->first;
    if (inside >= binding.range || (binding.flags & need) != need) return {};
    return {binding.object, binding.bo_offset + inside, binding.range - inside};
}

// ------------------------------------------------------------------- mmap

Result<Client::MapSource> File::map(uint64_t offset, size_t size, int prot)
{
    if (getpid() != opener_) return Error{-ENODEV};
    if (!size || size % ACC_PAGE_BYTES || offset % ACC_PAGE_BYTES) return Error{-EINVAL};
    if (offset == status_offset || offset == doorbell_offset) {
        if (size != ACC_PAGE_BYTES) return Error{-EINVAL};
        if (prot & PROT_EXEC) return Error{-EACCES};
        const bool status = offset == status_offset;
        if (status && (prot & PROT_WRITE)) return Error{-EACCES};
        MapSource source;
        source.fd.reset(
            fcntl(status ? status_reader_.get() : doorbells_->fd(), F_DUPFD_CLOEXEC, 0));
        if (!source.fd) return Error{-errno};
        return source;
    }
    if (const int lost = lost_.load(std::memory_order_acquire)) return Error{-lost};
    std::lock_guard lock(mutex_);
    for (const auto &[handle, buffer] : buffers_) {
        if (buffer.mmap_offset != offset) continue;
        if ((buffer.flags & DRM_ACC_BO_NO_CPU) || size > buffer.object->bytes())
            return Error{-EINVAL};
        MapSource source;
        source.fd.reset(fcntl(buffer.object->fd(), F_DUPFD_CLOEXEC, 0));
        if (!source.fd) return Error{-errno};
        return source;
    }
    return Error{-EINVAL};
}

} // namespace acc::emu
