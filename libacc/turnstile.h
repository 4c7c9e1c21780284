// SPDX-License-Identifier: MIT
//
// A line of threads: first come, first served, each with a deadline.
//
// Thread safety: all calls from any thread.
#pragma once

#include "libacc/clock.h"

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <mutex>

namespace acc
{

class Turnstile
{
public:
    // A place in the line, given up when it is destroyed.
    class Place
    {
    public:
        explicit Place(Turnstile &turnstile) : turnstile_(turnstile)
        {
            std::lock_guard lock(turnstile_.mutex_);
            Place **last = &turnstile_.first_;
            while (*last)
                last = &(*last)->next_;
            *last = this;
            turnstile_.length_.fetch_add(1, std::memory_order_relaxed);
        }
        ~Place()
        {
            std::lock_guard lock(turnstile_.mutex_);
            Place **place = &turnstile_.first_;
            while (*place != this)
                place = &(*place)->next_;
            *place = next_;
            turnstile_.length_.fetch_sub(1, std::memory_order_relaxed);
            if (turnstile_.first_) turnstile_.first_->turn_.notify_one();
        }
        Place(const Place &) = delete;
        Place &operator=(const Place &) = delete;

        // False when the deadline passed before this was the first in the line.
        bool wait(uint64_t deadline_ns)
        {
            std::unique_lock lock(turnstile_.mutex_);
            return wait_until(turn_, lock, deadline_ns,
                              [&] { return turnstile_.first_ == this; });
        }

    private:
        Turnstile &turnstile_;
        Place *next_ = nullptr;
        std::condition_variable turn_;
    };

    // A hint for those who could go past the line: don't.
    bool empty() const { return length_.load(std::memory_order_relaxed) == 0; }

private:
    std::mutex mutex_;
    Place *first_ = nullptr;
    std::atomic<uint32_t> length_{0};
};

} // namespace acc
