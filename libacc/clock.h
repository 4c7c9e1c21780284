// SPDX-License-Identifier: MIT
//
// CLOCK_MONOTONIC, deadlines on it, and what a spinning thread does.
#pragma once

#include "acc/acc.h"

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <ctime>
#include <mutex>

namespace acc
{

inline uint64_t now_ns()
{
    timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return uint64_t(time.tv_sec) * 1'000'000'000u + uint64_t(time.tv_nsec);
}

inline uint64_t saturating_add(uint64_t a, uint64_t b)
{
    return a > UINT64_MAX - b ? UINT64_MAX : a + b;
}

inline void cpu_relax()
{
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    asm volatile("yield");
#endif
}

// The full fence of docs/protocols.md.
inline void full_fence()
{
    std::atomic_thread_fence(std::memory_order_seq_cst);
}

// Waits until `done()` or the deadline. True when done.
template <typename F>
bool wait_until(std::condition_variable &condition, std::unique_lock<std::mutex> &lock,
                uint64_t deadline_ns, F done)
{
    using Clock = std::chrono::steady_clock; // CLOCK_MONOTONIC with libstdc++
    // What lies beyond the clock's range is for ever.
    if (deadline_ns > uint64_t(INT64_MAX)) {
        condition.wait(lock, done);
        return true;
    }
    const Clock::time_point deadline{std::chrono::nanoseconds(deadline_ns)};
    return condition.wait_until(lock, deadline, done);
}

} // namespace acc
