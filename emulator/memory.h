// SPDX-License-Identifier: MIT
//
// A client's address space inside the device: its page table, and the guard that lets
// UNMAP wait for accesses in flight.
//
// Concurrency: lookups are lock-free and made only inside a guarded section (Guard).
// map() and unmap() may run on any thread. docs/protocols.md, "unmap".
#pragma once

#include "emulator/bus.h"
#include "emulator/engine.h"
#include "emulator/sync.h"

#include "acc/regs.h"

#include <array>
#include <atomic>
#include <memory>
#include <mutex>
#include <span>
#include <vector>

namespace acc::emu
{

// The arena: 128 GiB of host addresses that are free in plain, ASan, TSan and MSan
// processes on x86-64 alike (above the highest position of a randomised executable, inside
// TSan's middle and ASan's high application memory).
constexpr uint64_t arena_start = 0x5660'0000'0000;
constexpr uint64_t arena_end = 0x5680'0000'0000;

class AddressSpace
{
public:
    AddressSpace() = default;
    ~AddressSpace();
    AddressSpace(const AddressSpace &) = delete;
    AddressSpace &operator=(const AddressSpace &) = delete;

    // A host page's pointer for one page of addresses. False if it is mapped already or
    // outside the arena.
    [[nodiscard]] bool map(uint64_t address, std::byte *page, bool read, bool write);
    // What of the table it empties is kept until the next synchronize().
    void unmap(uint64_t address, uint64_t pages);
    // Bytes of the table: of what is mapped, and of what was until the next synchronize().
    size_t table_bytes() const;

    // Waits until every guarded section that began before has ended. Calls `impatient`
    // once when that took longer than timeout_ns, then goes on waiting: what is in flight
    // has been told to stop and will.
    template <typename F>
    void synchronize(uint64_t timeout_ns, F impatient);

    // A guarded section. Cheap; hold it for a batch of packets, never while idle.
    class Guard
    {
    public:
        explicit Guard(AddressSpace &space) : space_(&space) { enter(); }
        ~Guard() { leave(); }
        Guard(const Guard &) = delete;
        Guard &operator=(const Guard &) = delete;
        void enter()
        {
            if (held_) return;
            phase_ = space_->phase_.load(std::memory_order_seq_cst) & 1;
            space_->active_[phase_].count.fetch_add(1, std::memory_order_seq_cst);
            full_fence_after_rmw();
            held_ = true;
        }
        void leave()
        {
            if (!held_) return;
            space_->active_[phase_].count.fetch_sub(1, std::memory_order_release);
            held_ = false;
        }

    private:
        AddressSpace *space_;
        unsigned phase_ = 0;
        bool held_ = false;
    };

    // The host pointer of one address, or null. Only inside a Guard.
    std::byte *translate(uint64_t address, bool write) const
    {
        const uint64_t entry = lookup(address);
        if (!(entry & (write ? ACC_MAP_WRITE : ACC_MAP_READ))) return nullptr;
        return reinterpret_cast<std::byte *>((entry & ~page_mask) + (address & page_mask));
    }
    // For what must be read and written: signals, rings.
    std::byte *translate_rw(uint64_t address) const
    {
        const uint64_t entry = lookup(address);
        if ((entry & (ACC_MAP_READ | ACC_MAP_WRITE)) != (ACC_MAP_READ | ACC_MAP_WRITE))
            return nullptr;
        return reinterpret_cast<std::byte *>((entry & ~page_mask) + (address & page_mask));
    }
    // The longest span from `address`, at most `bytes`; empty if not accessible.
    std::span<std::byte> span(uint64_t address, size_t bytes, bool write) const;

private:
    static constexpr uint64_t page_mask = ACC_PAGE_BYTES - 1;
    static constexpr unsigned leaf_log2 = 13;
    static constexpr uint64_t pages = (arena_end - arena_start) >> ACC_PAGE_SHIFT;
    static constexpr uint64_t tops = pages >> leaf_log2;
    // Entry: host page | ACC_MAP_READ | ACC_MAP_WRITE; 0: not mapped.
    struct Leaf {
        std::array<std::atomic<uint64_t>, 1u << leaf_log2> entries{};
        size_t used = 0; // entries that are not 0; under table_mutex_
        static constexpr size_t slot_of(uint64_t page) { return page & ((1u << leaf_log2) - 1); }
    };
    using Leaves = std::vector<std::unique_ptr<Leaf>>;

    uint64_t lookup(uint64_t address) const
    {
        const uint64_t page = (address - arena_start) >> ACC_PAGE_SHIFT;
        if (page >= pages) return 0;
        const Leaf *leaf = top_[page >> leaf_log2].load(std::memory_order_acquire);
        return leaf ? leaf->entries[Leaf::slot_of(page)].load(std::memory_order_acquire) : 0;
    }
    bool wait_phase(unsigned phase, uint64_t deadline_ns);
    Leaves take_retired();

    std::array<std::atomic<Leaf *>, tops> top_{};
    struct alignas(64) Count {
        std::atomic<uint64_t> count{0};
    };
    std::array<Count, 2> active_;
    std::atomic<unsigned> phase_{0};
    // Leaves without an entry, out of the table; a guarded section may still be reading one.
    // A client that allocates on and on walks through the arena: its table must not grow by that.
    Leaves retired_;
    mutable std::mutex table_mutex_; // leaves are added and retired under it
    std::mutex synchronize_mutex_;   // one synchronize() at a time
};

template <typename F>
void AddressSpace::synchronize(uint64_t timeout_ns, F impatient)
{
    extern uint64_t deadline_after(uint64_t relative_ns);
    std::lock_guard lock(synchronize_mutex_);
    const Leaves unused = take_retired(); // freed when no section can hold one
    const uint64_t deadline = deadline_after(timeout_ns);
    bool told = false;
    // Twice: a section may have read the phase before the first flip and counted itself
    // after it (docs/protocols.md).
    for (int flip = 0; flip < 2; flip++) {
        const unsigned old = phase_.load(std::memory_order_relaxed) & 1;
        phase_.store(old ^ 1, std::memory_order_seq_cst);
        while (!wait_phase(old, told ? ~0ull : deadline)) {
            impatient();
            told = true;
        }
    }
}

// The engine's view of an address space while a packet executes.
class SpaceMemory final : public Memory
{
public:
    explicit SpaceMemory(const AddressSpace &space, Bus *bus = nullptr) : space_(space), bus_(bus)
    {
    }
    std::span<std::byte> span(uint64_t address, size_t bytes, Access access) override;
    Backing backing(uint64_t address, Access access) override; // none without a bus

private:
    const AddressSpace &space_;
    Bus *const bus_;
};

} // namespace acc::emu
