// SPDX-License-Identifier: MIT
#include "emulator/host_memory.h"

#include <algorithm>
#include <fcntl.h>
#include <linux/magic.h>
#include <mutex>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/vfs.h>

namespace acc::emu
{

namespace
{
constexpr int sealed = F_SEAL_SHRINK | F_SEAL_GROW;
// A scattered object takes one mapping a chunk; the kernel allows some 65,000 a process.
constexpr uint64_t most_chunks = 512;
} // namespace

Result<std::shared_ptr<MemoryObject>> MemoryObject::create(uint64_t bytes, bool scatter,
                                                           const char *name)
{
    std::shared_ptr<MemoryObject> object(new MemoryObject);
    object->fd_.reset(memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING));
    if (!object->fd_) return Error{-errno};
    object->bytes_ = bytes;
    if (ftruncate(object->fd_.get(), off_t(bytes))) return Error{-errno};
    if (fcntl(object->fd_.get(), F_ADD_SEALS, sealed)) return Error{-errno};
    if (const int error = object->map(scatter)) return Error{error};
    return object;
}

Result<std::shared_ptr<MemoryObject>> MemoryObject::import(int fd, bool scatter)
{
    // What is checked is what is mapped: the client may put something else at its number.
    std::shared_ptr<MemoryObject> object(new MemoryObject);
    object->fd_.reset(fcntl(fd, F_DUPFD_CLOEXEC, 0));
    if (!object->fd_) return Error{-errno};
    const int seals = fcntl(object->fd_.get(), F_GET_SEALS);
    if (seals < 0 || (seals & sealed) != sealed || (seals & (F_SEAL_WRITE | F_SEAL_FUTURE_WRITE)))
        return Error{-EINVAL};
    // Huge pages are reserved for a mapping and may be missing for this one: a SIGBUS.
    struct statfs system;
    if (fstatfs(object->fd_.get(), &system)) return Error{-errno};
    if (system.f_type == HUGETLBFS_MAGIC) return Error{-EINVAL};
    struct stat status;
    if (fstat(object->fd_.get(), &status)) return Error{-errno};
    object->bytes_ = uint64_t(status.st_size);
    if (!object->bytes_ || object->bytes_ % ACC_PAGE_BYTES) return Error{-EINVAL};
    if (const int error = object->map(scatter)) return Error{error};
    return object;
}

// Chunks are reversed: no two neighbours stay neighbours, whatever their number.
uint64_t MemoryObject::place(uint64_t page) const
{
    if (!chunk_pages_) return page;
    const uint64_t chunk = page / chunk_pages_;
    return (chunks_ - 1 - chunk) * chunk_pages_ + page % chunk_pages_;
}

bool MemoryObject::offset_of(const std::byte *page, uint64_t &offset) const
{
    if (page < pages_base_ || page >= pages_base_ + mapped_bytes_) return false;
    const auto at = static_cast<uint64_t>(page - pages_base_) >> ACC_PAGE_SHIFT;
    // place() is its own inverse.
    offset = place(at) << ACC_PAGE_SHIFT;
    return offset < bytes_;
}

int MemoryObject::map(bool scatter)
{
    struct stat status;
    if (fstat(fd_.get(), &status)) return -errno;
    identity_ = {status.st_dev, status.st_ino};

    if (!scatter) {
        void *address = mmap(nullptr, bytes_, PROT_READ | PROT_WRITE, MAP_SHARED, fd_.get(), 0);
        if (address == MAP_FAILED) return -errno;
        pages_base_ = static_cast<std::byte *>(address);
        mapped_bytes_ = bytes_;
        madvise(address, bytes_, MADV_DONTFORK);
        return 0;
    }
    chunk_pages_ = std::max<uint64_t>(1, (pages() + most_chunks - 1) / most_chunks);
    chunks_ = (pages() + chunk_pages_ - 1) / chunk_pages_;
    mapped_bytes_ = chunks_ * chunk_pages_ * ACC_PAGE_BYTES;
    void *reserved =
        mmap(nullptr, mapped_bytes_, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (reserved == MAP_FAILED) return -errno;
    pages_base_ = static_cast<std::byte *>(reserved);
    for (uint64_t page = 0; page < pages(); page += chunk_pages_) {
        const uint64_t count = std::min(chunk_pages_, pages() - page);
        if (mmap(this->page(page), count * ACC_PAGE_BYTES, PROT_READ | PROT_WRITE,
                 MAP_SHARED | MAP_FIXED, fd_.get(), off_t(page * ACC_PAGE_BYTES)) == MAP_FAILED)
            return -errno;
    }
    madvise(reserved, mapped_bytes_, MADV_DONTFORK);
    return 0;
}

int MemoryObject::seal_writers()
{
    return fcntl(fd_.get(), F_ADD_SEALS, F_SEAL_FUTURE_WRITE) ? -errno : 0;
}

MemoryObject::~MemoryObject()
{
    if (released) released(*this);
    if (pages_base_) munmap(pages_base_, mapped_bytes_);
}

void HostMemory::add(MemoryObject &object)
{
    std::unique_lock lock(mutex_);
    object.bus_start = next_;
    next_ += object.bytes() + ACC_PAGE_BYTES; // a hole behind each
    objects_.emplace(object.bus_start, &object);
}

void HostMemory::remove(const MemoryObject &object)
{
    std::unique_lock lock(mutex_);
    objects_.erase(object.bus_start);
}

int HostMemory::file_of(const std::byte *page, uint64_t &offset)
{
    if (!files_) return -1;
    std::shared_lock lock(mutex_);
    for (const auto &[start, object] : objects_)
        if (object->offset_of(page, offset)) return object->fd();
    return -1;
}

std::byte *HostMemory::page(uint64_t bus_address)
{
    std::shared_lock lock(mutex_);
    auto found = objects_.upper_bound(bus_address);
    if (found == objects_.begin() || bus_address % ACC_PAGE_BYTES) return nullptr;
    --found;
    const uint64_t offset = bus_address - found->first;
    if (offset >= found->second->bytes()) return nullptr;
    return found->second->page(offset >> ACC_PAGE_SHIFT);
}

} // namespace acc::emu
