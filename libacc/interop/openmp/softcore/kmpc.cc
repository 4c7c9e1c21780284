// SPDX-License-Identifier: MIT
#include "kmpc.h"

#include "gomp.h"
#include "kmpc_doacross.h"
#include "kmpc_groups.h"
#include "runtime.h"

#include <algorithm>
#include <atomic>
#include <cstdarg>
#include <cstdint>
#include <cstdlib>
#include <map>

namespace acc::openmp
{
namespace
{

constexpr int kMostArguments = 62; // and two numbers

void (*fail_with)(const char *);

// What a construct is called with: microtask(&thread, &bound, arguments...).
struct Fork {
    void *microtask = nullptr;
    int32_t count = 0;
    const uint64_t *arguments = nullptr;
    std::atomic<void *> copy{nullptr}; // of a `single copyprivate`
    DoacrossesOfTeam doacrosses = {};
};

thread_local Fork *team;            // that this thread works in
thread_local unsigned next_threads; // what the next parallel region was asked to have; 0: nothing
thread_local unsigned next_bind;
thread_local unsigned next_teams, next_limit;

void call_microtask(void *fork)
{
    auto *const mine = static_cast<Fork *>(fork);
    Fork *const before = team;
    team = mine;
    const LoopsOfThread loops;
    const InGroup no_group(nullptr);
    const InDoacrosses doacrosses(&mine->doacrosses);
    int32_t thread = omp_get_thread_num(), zero = 0;
    uint64_t list[2 + kMostArguments] = {reinterpret_cast<uint64_t>(&thread),
                                         reinterpret_cast<uint64_t>(&zero)};
    for (int32_t i = 0; i < mine->count; i++)
        list[2 + i] = mine->arguments[i];
    call_list(mine->microtask, list, static_cast<uint32_t>(2 + mine->count));
    team = before;
}

// Pointers, or values of 8 bytes.
void take_arguments(va_list list, int32_t count, uint64_t *to)
{
    if (count < 0 || count > kMostArguments)
        fail_with("expected at most 62 variables in a parallel region or teams; found more");
    for (int32_t i = 0; i < count; i++)
        to[i] = va_arg(list, uint64_t);
}

void fork_call(void *, int32_t count, void *microtask, ...)
{
    uint64_t arguments[kMostArguments];
    va_list list;
    va_start(list, microtask);
    take_arguments(list, count, arguments);
    va_end(list);
    Fork fork{microtask, count, arguments};
    const unsigned threads = next_threads, bind = next_bind;
    next_threads = next_bind = 0;
    GOMP_parallel(call_microtask, &fork, threads, bind);
}

void fork_teams(void *, int32_t count, void *microtask, ...)
{
    uint64_t arguments[kMostArguments];
    va_list list;
    va_start(list, microtask);
    take_arguments(list, count, arguments);
    va_end(list);
    Fork fork{microtask, count, arguments};
    const unsigned teams = next_teams ? next_teams : 1,
                   limit = next_limit ? limited(next_limit) : 0;
    next_teams = next_limit = 0;
    GOMP_teams_reg(call_microtask, &fork, teams, limit, 0);
}

void push_num_threads(void *, int32_t, int32_t threads)
{
    next_threads = threads > 0 ? static_cast<unsigned>(threads) : 0;
}

void push_proc_bind(void *, int32_t, int32_t bind)
{
    next_bind = static_cast<unsigned>(bind);
}

void push_num_teams(void *, int32_t, int32_t teams, int32_t limit)
{
    next_teams = teams > 0 ? static_cast<unsigned>(teams) : 0;
    next_limit = limit > 0 ? static_cast<unsigned>(limit) : 0;
}

void push_num_teams_51(void *loc, int32_t thread, int32_t, int32_t most, int32_t limit)
{
    push_num_teams(loc, thread, most, limit);
}

// Of the target region that calls this.
void set_thread_limit(void *, int32_t, int32_t limit)
{
    if (GOMP_teams4 && limit > 0) GOMP_teams4(1, 1, limited(static_cast<uint32_t>(limit)), true);
}

// The thread goes on itself, as the only one of a parallel region.
void nothing(void *) {}

void serialized_parallel(void *, int32_t)
{
    next_threads = next_bind = 0;
    GOMP_parallel_start(nothing, nullptr, 1);
}

void end_serialized_parallel(void *, int32_t)
{
    GOMP_parallel_end();
}

int32_t global_thread_num(void *)
{
    return omp_get_thread_num();
}

int32_t global_num_threads(void *)
{
    return omp_get_num_threads();
}

void barrier(void *, int32_t)
{
    GOMP_barrier();
}

// Not 0: the parallel region is cancelled. Clang's code comes here when it leaves such a one, too,
// which libgomp's own doesn't: its barriers are not to be entered any more.
int32_t cancel_barrier(void *, int32_t)
{
    return is_cancelled(1) || GOMP_barrier_cancel();
}

int32_t cancel(void *, int32_t, int32_t kind)
{
    const bool cancelled = cancel_construct(kind);
    if (cancelled) leave_loop();
    return cancelled;
}

int32_t cancellation_point(void *, int32_t, int32_t kind)
{
    const bool cancelled = is_cancelled(kind);
    if (cancelled) leave_loop();
    return cancelled;
}

int32_t single(void *, int32_t)
{
    return GOMP_single_start();
}

int32_t master(void *, int32_t)
{
    return omp_get_thread_num() == 0;
}

int32_t masked(void *, int32_t, int32_t filter)
{
    return omp_get_thread_num() == filter;
}

void end(void *, int32_t) {}

void flush(void *)
{
    std::atomic_thread_fence(std::memory_order_seq_cst);
}

// A lock is 32 bytes of the object's that are 0 at first; libgomp's takes 8 of them.
void critical(void *, int32_t, void **lock)
{
    GOMP_critical_name_start(lock);
}

void critical_with_hint(void *, int32_t, void **lock, uint32_t)
{
    GOMP_critical_name_start(lock);
}

void end_critical(void *, int32_t, void **lock)
{
    GOMP_critical_name_end(lock);
}

void ordered(void *, int32_t)
{
    GOMP_ordered_start();
}

void end_ordered(void *, int32_t)
{
    GOMP_ordered_end();
}

// 1: add yours to the result, one thread at a time.
int32_t reduce(void *, int32_t, int32_t, size_t, void *, void (*)(void *, void *), void **lock)
{
    GOMP_critical_name_start(lock);
    return 1;
}

void end_reduce_nowait(void *, int32_t, void **lock)
{
    GOMP_critical_name_end(lock);
}

void end_reduce(void *, int32_t, void **lock)
{
    GOMP_critical_name_end(lock);
    GOMP_barrier();
}

// Of the thread that did the work (`mine`), to the others.
void copyprivate(void *, int32_t, size_t, void *data, void (*copy)(void *, void *), int32_t mine)
{
    if (!team) return;
    if (mine) team->copy.store(data, std::memory_order_release);
    GOMP_barrier();
    if (!mine) copy(data, team->copy.load(std::memory_order_acquire));
    GOMP_barrier();
}

// Numbers up to 8 are allocators that libgomp has under the same; LLVM has more.
bool is_llvms(uintptr_t allocator)
{
    return !omp_alloc || (allocator > 8 && allocator < 4096);
}

void *allocate(int32_t, size_t bytes, uintptr_t allocator)
{
    return is_llvms(allocator) ? malloc(bytes) : omp_alloc(bytes, allocator);
}

void *allocate_aligned(int32_t, size_t align, size_t bytes, uintptr_t allocator)
{
    if (!is_llvms(allocator)) return omp_aligned_alloc(align, bytes, allocator);
    void *piece = nullptr;
    return posix_memalign(&piece, std::max(align, sizeof piece), bytes) ? nullptr : piece;
}

void *allocate_zeroed(int32_t, size_t count, size_t bytes, uintptr_t allocator)
{
    return is_llvms(allocator) ? calloc(count, bytes) : omp_calloc(count, bytes, allocator);
}

void release(int32_t, void *piece, uintptr_t allocator)
{
    if (is_llvms(allocator))
        free(piece);
    else
        omp_free(piece, allocator);
}

uintptr_t init_allocator(int32_t, uintptr_t space, int32_t count, const void *traits)
{
    return omp_init_allocator ? omp_init_allocator(space, count, traits) : 1;
}

void destroy_allocator(int32_t, uintptr_t allocator)
{
    if (omp_destroy_allocator) omp_destroy_allocator(allocator);
}

// Where the compiler has no thread-local variables: a copy for each thread of a region's process.
void *threadprivate_cached(void *, int32_t, void *data, size_t bytes, void ***)
{
    static thread_local std::map<void *, std::vector<char>> copies;
    if (omp_get_thread_num() == 0) return data;
    const auto *original = static_cast<const char *>(data);
    return copies.try_emplace(data, original, original + bytes).first->second.data();
}

} // namespace

void add_kmpc(std::vector<Override> &to, void (*fail)(const char *text))
{
    if (!GOMP_parallel || !GOMP_loop_ull_dynamic_start || !GOMP_task || !omp_get_thread_num) return;
    fail_with = fail;
    add_function(to, "__kmpc_fork_call", fork_call);
    add_function(to, "__kmpc_fork_teams", fork_teams);
    add_function(to, "__kmpc_push_num_threads", push_num_threads);
    add_function(to, "__kmpc_push_proc_bind", push_proc_bind);
    add_function(to, "__kmpc_push_num_teams", push_num_teams);
    add_function(to, "__kmpc_push_num_teams_51", push_num_teams_51);
    add_function(to, "__kmpc_set_thread_limit", set_thread_limit);
    add_function(to, "__kmpc_serialized_parallel", serialized_parallel);
    add_function(to, "__kmpc_end_serialized_parallel", end_serialized_parallel);
    add_function(to, "__kmpc_global_thread_num", global_thread_num);
    add_function(to, "__kmpc_global_num_threads", global_num_threads);
    add_function(to, "__kmpc_bound_thread_num", global_thread_num);
    add_function(to, "__kmpc_bound_num_threads", global_num_threads);
    add_function(to, "__kmpc_barrier", barrier);
    add_function(to, "__kmpc_cancel_barrier", cancel_barrier);
    add_function(to, "__kmpc_cancel", cancel);
    add_function(to, "__kmpc_cancellationpoint", cancellation_point);
    add_function(to, "__kmpc_single", single);
    add_function(to, "__kmpc_end_single", end);
    add_function(to, "__kmpc_master", master);
    add_function(to, "__kmpc_end_master", end);
    add_function(to, "__kmpc_masked", masked);
    add_function(to, "__kmpc_end_masked", end);
    add_function(to, "__kmpc_flush", flush);
    add_function(to, "__kmpc_critical", critical);
    add_function(to, "__kmpc_critical_with_hint", critical_with_hint);
    add_function(to, "__kmpc_end_critical", end_critical);
    add_function(to, "__kmpc_ordered", ordered);
    add_function(to, "__kmpc_end_ordered", end_ordered);
    add_function(to, "__kmpc_reduce", reduce);
    add_function(to, "__kmpc_reduce_nowait", reduce);
    add_function(to, "__kmpc_end_reduce", end_reduce);
    add_function(to, "__kmpc_end_reduce_nowait", end_reduce_nowait);
    add_function(to, "__kmpc_copyprivate", copyprivate);
    add_function(to, "__kmpc_alloc", allocate);
    add_function(to, "__kmpc_aligned_alloc", allocate_aligned);
    add_function(to, "__kmpc_free", release);
    add_function(to, "__kmpc_calloc", allocate_zeroed);
    add_function(to, "__kmpc_init_allocator", init_allocator);
    add_function(to, "__kmpc_destroy_allocator", destroy_allocator);
    add_function(to, "__kmpc_threadprivate_cached", threadprivate_cached);
    add_function(to, "__kmpc_push_target_tripcount_mapper", nothing);
    add_kmpc_doacross(to);
    add_kmpc_groups(to);
    add_kmpc_loops(to);
    add_kmpc_tasks(to);
}

} // namespace acc::openmp
