// SPDX-License-Identifier: MIT
//
// Words that client and device share. The client may change them at any time, so every
// access is an atomic one with a stated order.
#pragma once

#include <atomic>
#include <linux/types.h>
#include <type_traits>

namespace acc::emu
{

// An atomic view of a word of the ABI. acc_u64 differs from __u64 in an alignment that
// templates drop, and that 64-bit builds have anyway.
template <typename T>
auto shared(T &word)
{
    using Wide = std::conditional_t<std::is_signed_v<T>, __s64, __u64>;
    using Plain = std::conditional_t<sizeof(T) == sizeof(Wide), Wide, T>;
    return std::atomic_ref<Plain>(reinterpret_cast<Plain &>(word));
}

inline void cpu_relax()
{
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    asm volatile("yield");
#endif
}

// A full fence that the thread sanitizer understands as well as it can: docs/protocols.md
// says where one is needed and tests/model proves it.
inline void full_fence()
{
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
}

// The fence that a protocol asks for behind an atomic read-modify-write with seq_cst: on
// x86 the locked instruction is one already.
inline void full_fence_after_rmw()
{
#if defined(__x86_64__) || defined(__i386__)
    std::atomic_signal_fence(std::memory_order_seq_cst);
#else
    full_fence();
#endif
}

} // namespace acc::emu
