// SPDX-License-Identifier: MIT
//
// A futex shared by processes. Safe in signal handlers.
#pragma once

#include <atomic>
#include <cstdint>
#include <ctime>
#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace acc::emu::fpga
{

inline void futex_wake(std::atomic<uint32_t> &word)
{
    syscall(SYS_futex, reinterpret_cast<uint32_t *>(&word), FUTEX_WAKE, 1, nullptr, nullptr, 0);
}

// Returns when the word is not `value` any more, when woken, at a signal or after `ns`; 0: never.
inline void futex_wait(std::atomic<uint32_t> &word, uint32_t value, uint64_t ns)
{
    const timespec timeout{static_cast<time_t>(ns / 1'000'000'000),
                           static_cast<long>(ns % 1'000'000'000)};
    syscall(SYS_futex, reinterpret_cast<uint32_t *>(&word), FUTEX_WAIT, value,
            ns ? &timeout : nullptr, nullptr, 0);
}

} // namespace acc::emu::fpga
