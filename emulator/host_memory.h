// SPDX-License-Identifier: MIT
//
// The memory behind buffers: sealed memfds, seen by the client as one mapping and by the
// device as single pages with bus addresses, in any order.
//
// Thread safety: every call from any thread.
#pragma once

#include "common/result.h"
#include "common/unique_fd.h"
#include "emulator/bus.h"

#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <shared_mutex>
#include <sys/types.h>
#include <vector>

namespace acc::emu
{

// One memfd. With `scatter`, neighbouring pages of the file are not neighbours in the
// device's mapping, so that nothing can rely on it.
class MemoryObject
{
public:
    // -ENOMEM, -EMFILE … of the system.
    static Result<std::shared_ptr<MemoryObject>> create(uint64_t bytes, bool scatter,
                                                        const char *name);
    // Takes a duplicate of the client's descriptor. -EINVAL unless it is a memfd that can
    // neither shrink nor grow, of whole pages and not of huge ones.
    static Result<std::shared_ptr<MemoryObject>> import(int fd, bool scatter);
    ~MemoryObject();
    MemoryObject(const MemoryObject &) = delete;
    MemoryObject &operator=(const MemoryObject &) = delete;

    // From now on nobody else can map it for writing, by whatever descriptor.
    [[nodiscard]] int seal_writers();

    uint64_t bytes() const { return bytes_; }
    uint64_t pages() const { return bytes_ >> ACC_PAGE_SHIFT; }
    int fd() const { return fd_.get(); }
    // What makes two descriptors one object.
    std::pair<dev_t, ino_t> identity() const { return identity_; }
    std::byte *page(uint64_t index) const { return pages_base_ + place(index) * ACC_PAGE_BYTES; }
    // Where in the file a page of page() is; false if it is another object's.
    bool offset_of(const std::byte *page, uint64_t &offset) const;
    // Host pointer of a byte; valid to the end of its page.
    std::byte *at(uint64_t offset) const
    {
        return page(offset >> ACC_PAGE_SHIFT) + (offset & (ACC_PAGE_BYTES - 1));
    }

    uint64_t bus_start = 0;                             // set once by HostMemory::add
    std::function<void(const MemoryObject &)> released; // called when the last owner lets go

private:
    MemoryObject() = default;
    int map(bool scatter);
    uint64_t place(uint64_t page) const;

    UniqueFd fd_;
    uint64_t bytes_ = 0;
    std::pair<dev_t, ino_t> identity_{};
    std::byte *pages_base_ = nullptr;
    uint64_t mapped_bytes_ = 0;
    uint64_t chunk_pages_ = 0; // pages that stay together; 0: not scattered
    uint64_t chunks_ = 0;
};

// Bus addresses of all objects of one emulated card.
class HostMemory final : public Bus
{
public:
    // `files`: whether file_of() tells them. Without, all is as on a card of a machine.
    explicit HostMemory(bool files = true) : files_(files) {}
    void add(MemoryObject &object);
    void remove(const MemoryObject &object);
    std::byte *page(uint64_t bus_address) override;
    int file_of(const std::byte *page, uint64_t &offset) override;

private:
    const bool files_;
    std::shared_mutex mutex_;
    std::map<uint64_t, const MemoryObject *> objects_; // by bus_start
    uint64_t next_ = 1ull << 32;                       // 0 stays invalid
};

} // namespace acc::emu
