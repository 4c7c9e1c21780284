// SPDX-License-Identifier: MIT
#include "libacc/arena.h"

#include "libacc/error.h"

#include <algorithm>
#include <cstdio>
#include <random>
#include <sys/mman.h>

namespace acc
{
namespace
{

// Tries before the process's mappings are read to find a gap.
constexpr int probes = 32;

} // namespace

void Arena::init(uint64_t start, uint64_t end, uint64_t page)
{
    start_ = (start + page - 1) / page * page;
    end_ = end / page * page;
    page_ = page;
    // Somewhere else for each device: they would meet at the start otherwise.
    std::minstd_rand random{std::random_device{}()};
    const uint64_t pages = (end_ - start_) / page_;
    const uint64_t pick = (uint64_t(random()) << 31 ^ random()) % pages;
    cursor_.store(start_ + pick * page_, std::memory_order_relaxed);
}

bool Arena::contains(const void *address, size_t bytes) const
{
    const auto at = reinterpret_cast<uint64_t>(address);
    return at >= start_ && at < end_ && bytes <= end_ - at;
}

void *Arena::try_at(uint64_t address, size_t bytes)
{
    if (address < start_ || address >= end_ || bytes > end_ - address) return nullptr;
    void *wanted = reinterpret_cast<void *>(address);
    void *got = mmap(wanted, bytes, PROT_NONE,
                     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE, -1, 0);
    if (got == MAP_FAILED) return nullptr;
    if (got == wanted) return got;
    munmap(got, bytes); // a kernel that takes the address as a hint
    return nullptr;
}

// The lowest gap of the process's mappings in the arena, or 0.
uint64_t Arena::find_gap(size_t bytes) const
{
    FILE *maps = std::fopen("/proc/self/maps", "re");
    if (!maps) return 0;
    uint64_t at = start_;
    unsigned long from = 0, to = 0;
    char rest[4096];
    while (std::fscanf(maps, "%lx-%lx%4095[^\n]\n", &from, &to, rest) >= 2) {
        if (to <= at) continue;
        if (from > at && from - at >= bytes) break; // sorted: nothing lies in between
        at = (to + page_ - 1) / page_ * page_;
    }
    std::fclose(maps);
    return at < end_ && bytes <= end_ - at ? at : 0;
}

Result<void *> Arena::reserve(size_t bytes)
{
    uint64_t step = std::max<uint64_t>(bytes, 1u << 20);
    // A page is left free behind each: overruns meet nothing.
    const uint64_t first = cursor_.fetch_add(bytes + page_, std::memory_order_relaxed);
    uint64_t at = first;
    for (int i = 0; i < probes; i++) {
        if (at < start_ || at >= end_ || bytes > end_ - at) at = start_;
        if (void *got = try_at(at, bytes)) {
            if (at != first) cursor_.store(at + bytes + page_, std::memory_order_relaxed);
            return got;
        }
        at += step;
        step *= 2;
    }
    // Others of the process map as well: what is a gap now may be none in a moment.
    for (int i = 0; i < probes; i++) {
        const uint64_t gap = find_gap(bytes);
        if (!gap) break;
        if (void *got = try_at(gap, bytes)) return got;
    }
    return fail(-ENOMEM,
                "expected {} free bytes of addresses between {:#x} and {:#x}, which the device "
                "can reach; found no gap",
                bytes, start_, end_);
}

void Arena::release(void *address, size_t bytes)
{
    munmap(address, bytes);
}

} // namespace acc
