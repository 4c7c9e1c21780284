// SPDX-License-Identifier: MIT
#include "emulator/memory.h"

#include "emulator/clock.h"

#include <algorithm>
#include <cstring>
#include <thread>

namespace acc::emu
{

uint64_t deadline_after(uint64_t relative_ns)
{
    const uint64_t now = now_ns();
    return relative_ns > ~0ull - now ? ~0ull : now + relative_ns;
}

AddressSpace::~AddressSpace()
{
    for (auto &leaf : top_)
        delete leaf.load(std::memory_order_relaxed);
}

bool AddressSpace::map(uint64_t address, std::byte *page, bool read, bool write)
{
    const uint64_t index = (address - arena_start) >> ACC_PAGE_SHIFT;
    if (index >= pages || (address & page_mask)) return false;
    std::lock_guard lock(table_mutex_);
    auto &top = top_[index >> leaf_log2];
    Leaf *leaf = top.load(std::memory_order_relaxed);
    if (!leaf) {
        leaf = new Leaf{};
        top.store(leaf, std::memory_order_release);
    }
    auto &entry = (*leaf)[index & (leaf->size() - 1)];
    if (entry.load(std::memory_order_relaxed)) return false;
    entry.store(reinterpret_cast<uint64_t>(page) | (read ? ACC_MAP_READ : 0) |
                    (write ? ACC_MAP_WRITE : 0),
                std::memory_order_release);
    return true;
}

void AddressSpace::unmap(uint64_t address, uint64_t count)
{
    std::lock_guard lock(table_mutex_);
    for (uint64_t i = 0; i < count; i++) {
        const uint64_t index = ((address - arena_start) >> ACC_PAGE_SHIFT) + i;
        if (index >= pages) return;
        Leaf *leaf = top_[index >> leaf_log2].load(std::memory_order_relaxed);
        if (leaf) (*leaf)[index & (leaf->size() - 1)].store(0, std::memory_order_seq_cst);
    }
}

bool AddressSpace::wait_phase(unsigned phase, uint64_t deadline_ns)
{
    // The slow path of a slow path: sections end after a batch of packets, so polling with
    // growing naps costs less than a wake-up on every batch would.
    std::chrono::microseconds nap(10);
    while (active_[phase].count.load(std::memory_order_seq_cst)) {
        if (now_ns() >= deadline_ns) return false;
        std::this_thread::sleep_for(nap);
        nap = std::min(nap * 2, std::chrono::microseconds(1000));
    }
    return true;
}

std::span<std::byte> AddressSpace::span(uint64_t address, size_t bytes, bool write) const
{
    std::byte *start = translate(address, write);
    if (!start || !bytes) return {};
    uint64_t length = std::min<uint64_t>(bytes, ACC_PAGE_BYTES - (address & page_mask));
    while (length < bytes) {
        std::byte *next = translate(address + length, write);
        if (next != start + length) break;
        length += std::min<uint64_t>(bytes - length, ACC_PAGE_BYTES);
    }
    return {start, length};
}

std::span<std::byte> SpaceMemory::span(uint64_t address, size_t bytes, Access access)
{
    auto found = space_.span(address, bytes, access == Access::Write);
    if (found.empty() && bytes) fault_address_ = address;
    return found;
}

bool Memory::read(void *destination, uint64_t address, size_t bytes)
{
    auto *out = static_cast<std::byte *>(destination);
    while (bytes) {
        const auto part = span(address, bytes, Access::Read);
        if (part.empty()) return false;
        std::memcpy(out, part.data(), part.size());
        out += part.size();
        address += part.size();
        bytes -= part.size();
        bytes_read_ += part.size();
    }
    return true;
}

bool Memory::write(uint64_t address, const void *source, size_t bytes)
{
    auto *in = static_cast<const std::byte *>(source);
    while (bytes) {
        const auto part = span(address, bytes, Access::Write);
        if (part.empty()) return false;
        std::memcpy(part.data(), in, part.size());
        in += part.size();
        address += part.size();
        bytes -= part.size();
        bytes_written_ += part.size();
    }
    return true;
}

bool Memory::check(uint64_t address, uint64_t bytes, Access access)
{
    if (address + bytes < address) {
        fault_address_ = address;
        return false;
    }
    while (bytes) {
        const auto part = span(address, bytes, access);
        if (part.empty()) return false;
        address += part.size();
        bytes -= part.size();
    }
    return true;
}

bool Dispatch::should_stop() const
{
    if (stop && stop->load(std::memory_order_relaxed)) return true;
    return deadline_ns && now_ns() >= deadline_ns;
}

} // namespace acc::emu
