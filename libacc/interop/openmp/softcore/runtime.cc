// SPDX-License-Identifier: MIT
#include "runtime.h"

#include "gomp.h"
#include "kmpc.h"
#include "output.h"

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <dlfcn.h>
#include <utility>
#include <vector>

namespace acc::openmp
{
namespace
{

int zero()
{
    return 0;
}
int one()
{
    return 1;
}

// A region's libgomp can cancel always; whether a program's constructs do is what it was started
// with.
std::atomic<bool> can_cancel{false};

bool cancel_if_allowed(int which, bool really)
{
    return can_cancel.load(std::memory_order_relaxed) && GOMP_cancel && GOMP_cancel(which, really);
}

bool cancellation_point_if_allowed(int which)
{
    return can_cancel.load(std::memory_order_relaxed) && GOMP_cancellation_point &&
           GOMP_cancellation_point(which);
}

int get_cancellation()
{
    return can_cancel.load(std::memory_order_relaxed);
}

// More are asked for than a region's process can have, by programs that say `num_threads(10000)`:
// its threads' stacks are 8 MiB each, of 4 GiB.
constexpr uint32_t kMostThreads = 256;

bool teams4(unsigned low, unsigned high, unsigned limit, bool first)
{
    return GOMP_teams4(low, high, limit ? limited(limit) : 0, first);
}

void teams_reg(void (*function)(void *), void *data, unsigned teams, unsigned limit, unsigned flags)
{
    GOMP_teams_reg(function, data, teams, limit ? limited(limit) : 0, flags);
}

template <typename F>
F *symbol(const char *name)
{
    return reinterpret_cast<F *>(dlsym(RTLD_DEFAULT, name));
}

// LLVM's nestable locks are 8 bytes and libgomp's are 16: the first of either point to libgomp's.
void init_nest_lock(void **lock)
{
    static const auto init = symbol<void(void *)>("omp_init_nest_lock");
    *lock = malloc(16);
    init(*lock);
}
// Of LLVM's runtime only: what a lock is for is a hint.
void init_lock_with_hint(void *lock, unsigned)
{
    static const auto init = symbol<void(void *)>("omp_init_lock");
    init(lock);
}
void init_nest_lock_with_hint(void **lock, unsigned)
{
    init_nest_lock(lock);
}
void destroy_nest_lock(void **lock)
{
    static const auto destroy = symbol<void(void *)>("omp_destroy_nest_lock");
    destroy(*lock);
    free(*lock);
}
void set_nest_lock(void **lock)
{
    static const auto set = symbol<void(void *)>("omp_set_nest_lock");
    set(*lock);
}
void unset_nest_lock(void **lock)
{
    static const auto unset = symbol<void(void *)>("omp_unset_nest_lock");
    unset(*lock);
}
int test_nest_lock(void **lock)
{
    static const auto test = symbol<int(void *)>("omp_test_nest_lock");
    return test(*lock);
}

// The x86-64 calling convention lets a function be given more than it takes: the caller cleans up.
template <size_t... I>
void call_with(void *function, const uint64_t *list, std::index_sequence<I...>)
{
    using F = void (*)(decltype(uint64_t{I})...);
    reinterpret_cast<F>(function)(list[I]...);
}

} // namespace

const Override *overrides(void (*fail)(const char *text))
{
    // Numbers as a program sees them that has one device: the device is 0, the host 1.
    static const std::vector<Override> table = [fail] {
        std::vector<Override> made = {
            {"omp_is_initial_device", reinterpret_cast<void *>(zero)},
            {"omp_is_initial_device_", reinterpret_cast<void *>(zero)},
            {"omp_get_device_num", reinterpret_cast<void *>(zero)},
            {"omp_get_device_num_", reinterpret_cast<void *>(zero)},
            {"omp_get_num_devices", reinterpret_cast<void *>(one)},
            {"omp_get_num_devices_", reinterpret_cast<void *>(one)},
            {"omp_get_initial_device", reinterpret_cast<void *>(one)},
            {"omp_get_initial_device_", reinterpret_cast<void *>(one)},
            {"omp_init_nest_lock", reinterpret_cast<void *>(init_nest_lock)},
            {"omp_init_lock_with_hint", reinterpret_cast<void *>(init_lock_with_hint)},
            {"omp_init_nest_lock_with_hint", reinterpret_cast<void *>(init_nest_lock_with_hint)},
            {"omp_destroy_nest_lock", reinterpret_cast<void *>(destroy_nest_lock)},
            {"omp_set_nest_lock", reinterpret_cast<void *>(set_nest_lock)},
            {"omp_unset_nest_lock", reinterpret_cast<void *>(unset_nest_lock)},
            {"omp_test_nest_lock", reinterpret_cast<void *>(test_nest_lock)},
            {"omp_get_cancellation", reinterpret_cast<void *>(get_cancellation)},
            {"omp_get_cancellation_", reinterpret_cast<void *>(get_cancellation)},
            {"GOMP_teams4", reinterpret_cast<void *>(teams4)},
            {"GOMP_teams_reg", reinterpret_cast<void *>(teams_reg)},
            {"GOMP_cancel", reinterpret_cast<void *>(cancel_if_allowed)},
            {"GOMP_cancellation_point", reinterpret_cast<void *>(cancellation_point_if_allowed)},
        };
        add_streams(made);
        add_kmpc(made, fail);
        made.push_back({nullptr, nullptr});
        return made;
    }();
    return table.data();
}

uint32_t limited(uint32_t thread_limit)
{
    return thread_limit ? std::min(thread_limit, kMostThreads) : kMostThreads;
}

bool cancel_construct(int kind)
{
    return kind >= 1 && kind <= 4 && cancel_if_allowed(1 << (kind - 1), true);
}

bool is_cancelled(int kind)
{
    return kind >= 1 && kind <= 4 && cancellation_point_if_allowed(1 << (kind - 1));
}

void prepare_runtime(uint32_t thread_limit, bool cancellation)
{
    static const auto libgomps = symbol<int()>("omp_get_cancellation");
    can_cancel.store(cancellation && libgomps && libgomps(), std::memory_order_relaxed);
    static const auto set_threads = symbol<void(int)>("omp_set_num_threads");
    static const auto set_dynamic = symbol<void(int)>("omp_set_dynamic");
    static const auto most_threads = symbol<int()>("omp_get_max_threads");
    static const int threads = most_threads ? most_threads() : 1; // as the process began
    if (set_threads) set_threads(threads);
    if (set_dynamic) set_dynamic(0);
    // One team, with that limit to its threads: libgomp has no other call that sets one.
    if (GOMP_teams4) GOMP_teams4(1, 1, limited(thread_limit), true);
}

void call_list(void *function, const uint64_t *list, uint32_t count)
{
    uint64_t padded[64] = {};
    std::copy_n(list, std::min<uint32_t>(count, 64), padded);
    if (count <= 6)
        call_with(function, padded, std::make_index_sequence<6>());
    else if (count <= 16)
        call_with(function, padded, std::make_index_sequence<16>());
    else
        call_with(function, padded, std::make_index_sequence<64>());
}

} // namespace acc::openmp
