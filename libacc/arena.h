// SPDX-License-Identifier: MIT
//
// Host addresses inside the range that a device can translate. The kernel is the
// allocator: a range is ours when mmap says that nobody has it, so several devices and
// several libraries in one process need not know of each other.
//
// Thread safety: all calls from any thread.
#pragma once

#include "common/result.h"

#include <atomic>
#include <cstddef>
#include <cstdint>

namespace acc
{

class Arena
{
public:
    // Addresses [start, end), handed out in multiples of `page`.
    void init(uint64_t start, uint64_t end, uint64_t page);

    // Reserves `bytes` (a multiple of the page) without access. -ENOMEM when no gap is left.
    Result<void *> reserve(size_t bytes);
    static void release(void *address, size_t bytes);

    uint64_t start() const { return start_; }
    uint64_t end() const { return end_; }
    uint64_t page() const { return page_; }
    bool contains(const void *address, size_t bytes) const;

private:
    void *try_at(uint64_t address, size_t bytes);
    uint64_t find_gap(size_t bytes) const;

    uint64_t start_ = 0, end_ = 0, page_ = 4096;
    std::atomic<uint64_t> cursor_{0};
};

} // namespace acc
