// SPDX-License-Identifier: MIT
//
// A line of threads: first come, first served, each with a deadline. Who runs anyway may
// go past it (a line that everybody joins costs a context switch for each packet) until the
// first has been passed too often and closes the way.
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
        }
        ~Place()
        {
            std::lock_guard lock(turnstile_.mutex_);
            Place **place = &turnstile_.first_;
            while (*place != this)
                place = &(*place)->next_;
            *place = next_;
            if (closes_) turnstile_.closed_.store(false, std::memory_order_relaxed);
            if (turnstile_.first_) turnstile_.first_->turn_.notify_one();
        }
        Place(const Place &) = delete;
        Place &operator=(const Place &) = delete;

        // False when the deadline passed before this was the first in the line.
        bool wait(uint64_t deadline_ns)
        {
            std::unique_lock lock(turnstile_.mutex_);
            return wait_until(turn_, lock, deadline_ns, [&] { return turnstile_.first_ == this; });
        }

        // The first asks the others not to pass. Until its place is given up.
        void close()
        {
            closes_ = true;
            turnstile_.closed_.store(true, std::memory_order_relaxed);
        }

    private:
        Turnstile &turnstile_;
        Place *next_ = nullptr;
        bool closes_ = false;
        std::condition_variable turn_;
    };

    // Whether to stand in line in any case.
    bool closed() const { return closed_.load(std::memory_order_relaxed); }

private:
    std::mutex mutex_;
    Place *first_ = nullptr;
    std::atomic<bool> closed_{false};
};

} // namespace acc
