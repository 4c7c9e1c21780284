// SPDX-License-Identifier: MIT
#include "emulator/memory.h"

#include "emulator/clock.h"

#include <algorithm>
#include <cstring>
#include <fcntl.h>
#include <thread>
#include <utility>

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
    auto &entry = leaf->entries[Leaf::slot_of(index)];
    if (entry.load(std::memory_order_relaxed)) return false;
    leaf->used++;
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
        auto &top = top_[index >> leaf_log2];
        Leaf *leaf = top.load(std::memory_order_relaxed);
        if (!leaf || !leaf->entries[Leaf::slot_of(index)].exchange(0, std::memory_order_seq_cst))
            continue;
        if (--leaf->used) continue;
        top.store(nullptr, std::memory_order_seq_cst);
        retired_.emplace_back(leaf);
    }
}

AddressSpace::Leaves AddressSpace::take_retired()
{
    std::lock_guard lock(table_mutex_);
    return std::exchange(retired_, {});
}

size_t AddressSpace::table_bytes() const
{
    std::lock_guard lock(table_mutex_);
    const auto in_table = std::count_if(top_.begin(), top_.end(), [](const auto &top) {
        return top.load(std::memory_order_relaxed);
    });
    return (size_t(in_table) + retired_.size()) * sizeof(Leaf);
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

namespace
{
constexpr uint64_t most_backing = 64u << 20; // of one window
constexpr uint64_t most_without_file = 4u << 20;
} // namespace

Backing SpaceMemory::backing(uint64_t address, Access access)
{
    Backing found;
    const bool want_write = access == Access::Write;
    const uint64_t page = address & ~uint64_t{ACC_PAGE_BYTES - 1};
    std::byte *here = bus_ ? space_.translate(page, want_write) : nullptr;
    // What may be written is opened for that at once, what may not never is.
    const bool writable = here && space_.translate_rw(page);
    if (!here || (want_write && !writable) || !space_.translate(page, false)) {
        fault_address_ = address;
        return found;
    }
    uint64_t offset = 0;
    const int file = bus_->file_of(here, offset);
    // Pages before and behind that go on in the file and have the same access.
    const auto goes_on = [&](uint64_t at) {
        std::byte *other = space_.translate(at, false);
        uint64_t where = 0;
        return other && (space_.translate_rw(at) != nullptr) == writable &&
               (file < 0 || (bus_->file_of(other, where) == file && where - offset == at - page));
    };
    const uint64_t most = file < 0 ? most_without_file : most_backing;
    uint64_t start = page, end = page + ACC_PAGE_BYTES;
    const uint64_t first = address & ~(most - 1), last = first + most;
    while (end < last && goes_on(end))
        end += ACC_PAGE_BYTES;
    while (start > first && goes_on(start - ACC_PAGE_BYTES))
        start -= ACC_PAGE_BYTES;
    found.start = start;
    found.bytes = end - start;
    found.write = writable;
    if (file < 0) return found;
    // A descriptor without the right to write can't be mapped for it, whoever holds it.
    const std::string path = "/proc/self/fd/" + std::to_string(file);
    found.fd.reset(open(path.c_str(), (writable ? O_RDWR : O_RDONLY) | O_CLOEXEC));
    if (!found.fd) return {};
    found.offset = offset - (page - start);
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
