// SPDX-License-Identifier: MIT
//
// The model's clock: when each slot and the one configuration port are free.
//
// Thread safety: any thread; a slot's own time is told by who leases or loads it.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <memory>

namespace acc::emu
{

class ModelClock
{
public:
    explicit ModelClock(uint32_t slots)
        : slot_free_ns_(std::make_unique<std::atomic<uint64_t>[]>(slots))
    {
        for (uint32_t i = 0; i < slots; i++)
            slot_free_ns_[i].store(0, std::memory_order_relaxed);
    }

    // The end of what was modelled last.
    uint64_t now_ns() const { return now_ns_.load(std::memory_order_relaxed); }

    // When a dispatch that is ready at `ready_ns` begins in a slot, behind a load if there is
    // one: one load at a time, there is one configuration port.
    uint64_t begin(uint32_t slot, uint64_t ready_ns, uint64_t load_ns)
    {
        const uint64_t start =
            std::max(ready_ns, slot_free_ns_[slot].load(std::memory_order_relaxed));
        if (!load_ns) return start;
        uint64_t port = port_free_ns_.load(std::memory_order_relaxed);
        uint64_t end;
        do {
            end = std::max(port, start) + load_ns;
        } while (!port_free_ns_.compare_exchange_weak(port, end, std::memory_order_relaxed));
        return end;
    }
    void end(uint32_t slot, uint64_t end_ns)
    {
        slot_free_ns_[slot].store(end_ns, std::memory_order_relaxed);
        uint64_t now = now_ns_.load(std::memory_order_relaxed);
        while (now < end_ns &&
               !now_ns_.compare_exchange_weak(now, end_ns, std::memory_order_relaxed)) {
        }
    }
    // A load that no dispatch waits for, begun at `from_ns`.
    void load(uint32_t slot, uint64_t from_ns, uint64_t load_ns)
    {
        slot_free_ns_[slot].store(begin(slot, from_ns, load_ns), std::memory_order_relaxed);
    }

private:
    std::unique_ptr<std::atomic<uint64_t>[]> slot_free_ns_;
    std::atomic<uint64_t> port_free_ns_{0};
    std::atomic<uint64_t> now_ns_{0};
};

} // namespace acc::emu
