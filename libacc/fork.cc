// SPDX-License-Identifier: MIT
#include "libacc/handle.h"

#include <pthread.h>

namespace acc
{

std::atomic<uint32_t> fork_generation{1};

namespace
{

// Runs when the library is loaded, before anybody can hold a handle.
[[gnu::constructor]] void watch_forks()
{
    pthread_atfork(nullptr, nullptr,
                   [] { fork_generation.fetch_add(1, std::memory_order_relaxed); });
}

} // namespace
} // namespace acc
