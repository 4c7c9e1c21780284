// SPDX-License-Identifier: MIT
//
// What a user holds on all devices of a service together, and how much that may be.
//
// Thread safety: every call from any thread.
#pragma once

#include <atomic>
#include <cstdint>
#include <mutex>

namespace acc::emu
{

// 0: unlimited. Over a quota is EDQUOT.
struct Quota {
    uint64_t bytes = 0;   // of buffers, those it imported included unless they count already
    uint64_t buffers = 0; // handles
    uint64_t queues = 0;
    uint64_t programs = 0;
    uint64_t pins = 0;    // units
    uint64_t clients = 0; // opens
};

// One kind of thing that is counted.
class Gauge
{
public:
    void set_limit(uint64_t limit) { limit_ = limit; }
    // All or nothing.
    [[nodiscard]] bool take(uint64_t amount)
    {
        uint64_t used = used_.load(std::memory_order_relaxed);
        do {
            if (limit_ && (used > limit_ || amount > limit_ - used)) return false;
        } while (!used_.compare_exchange_weak(used, used + amount, std::memory_order_relaxed));
        return true;
    }
    // What was `from` is `to` now, whatever the limit.
    void set(uint64_t from, uint64_t to) { used_.fetch_add(to - from, std::memory_order_relaxed); }
    uint64_t left() const
    {
        const uint64_t used = this->used();
        return !limit_ ? ~0ull : used < limit_ ? limit_ - used : 0;
    }
    void give(uint64_t amount) { used_.fetch_sub(amount, std::memory_order_relaxed); }
    uint64_t used() const { return used_.load(std::memory_order_relaxed); }
    uint64_t limit() const { return limit_; }

private:
    uint64_t limit_ = 0;
    std::atomic<uint64_t> used_{0};
};

// Of one uid; shared by its files.
struct Account {
    explicit Account(const Quota &quota)
    {
        bytes.set_limit(quota.bytes);
        buffers.set_limit(quota.buffers);
        queues.set_limit(quota.queues);
        programs.set_limit(quota.programs);
        pins.set_limit(quota.pins);
        clients.set_limit(quota.clients);
    }
    Gauge bytes, buffers, queues, programs, pins, clients;
    std::mutex pin_mutex; // one PIN at a time: how much it takes is known afterwards
};

} // namespace acc::emu
