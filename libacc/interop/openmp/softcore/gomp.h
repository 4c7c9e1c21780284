// SPDX-License-Identifier: MIT
//
// What the role calls of libgomp, of the interface that GCC 12's code is compiled to: GCC's
// libgomp/libgomp_g.h. Weak: a region's process may have none.
#pragma once

#include <cstddef>
#include <cstdint>

extern "C" {
#define ACC_GOMP __attribute__((weak))
ACC_GOMP void GOMP_parallel(void (*)(void *), void *, unsigned threads, unsigned flags);
ACC_GOMP void GOMP_parallel_start(void (*)(void *), void *, unsigned threads);
ACC_GOMP void GOMP_parallel_end(void);
ACC_GOMP void GOMP_teams_reg(void (*)(void *), void *, unsigned teams, unsigned limit,
                             unsigned flags);
ACC_GOMP bool GOMP_teams4(unsigned teams, unsigned most_teams, unsigned limit, bool first);
ACC_GOMP void GOMP_barrier(void);
ACC_GOMP bool GOMP_barrier_cancel(void);
ACC_GOMP bool GOMP_cancel(int which, bool really);
ACC_GOMP bool GOMP_cancellation_point(int which);
ACC_GOMP bool GOMP_single_start(void);
ACC_GOMP void GOMP_critical_name_start(void **);
ACC_GOMP void GOMP_critical_name_end(void **);
ACC_GOMP void GOMP_ordered_start(void);
ACC_GOMP void GOMP_ordered_end(void);

// Chunks of 0 to end - 1: [first, last).
using GompChunk = bool(bool up, unsigned long long start, unsigned long long end,
                       unsigned long long step, unsigned long long chunk, unsigned long long *first,
                       unsigned long long *last);
using GompChunkOfRuntime = bool(bool up, unsigned long long start, unsigned long long end,
                                unsigned long long step, unsigned long long *first,
                                unsigned long long *last);
using GompNext = bool(unsigned long long *first, unsigned long long *last);
ACC_GOMP GompChunk GOMP_loop_ull_static_start, GOMP_loop_ull_dynamic_start,
    GOMP_loop_ull_guided_start, GOMP_loop_ull_ordered_static_start,
    GOMP_loop_ull_ordered_dynamic_start, GOMP_loop_ull_ordered_guided_start;
ACC_GOMP GompChunkOfRuntime GOMP_loop_ull_runtime_start, GOMP_loop_ull_ordered_runtime_start;
ACC_GOMP GompNext GOMP_loop_ull_static_next, GOMP_loop_ull_dynamic_next, GOMP_loop_ull_guided_next,
    GOMP_loop_ull_runtime_next, GOMP_loop_ull_ordered_static_next,
    GOMP_loop_ull_ordered_dynamic_next, GOMP_loop_ull_ordered_guided_next,
    GOMP_loop_ull_ordered_runtime_next;
ACC_GOMP void GOMP_loop_end_nowait(void);

ACC_GOMP void GOMP_task(void (*)(void *), void *data, void (*copy)(void *, void *), long bytes,
                        long align, bool deferred, unsigned flags, void **depend, int priority,
                        void *detach);
ACC_GOMP void GOMP_taskwait(void);
ACC_GOMP void GOMP_taskwait_depend(void **depend);
ACC_GOMP void GOMP_taskyield(void);
ACC_GOMP void GOMP_taskgroup_start(void);
ACC_GOMP void GOMP_taskgroup_end(void);

ACC_GOMP void omp_fulfill_event(uintptr_t event);
ACC_GOMP void *omp_alloc(size_t bytes, uintptr_t allocator);
ACC_GOMP void *omp_aligned_alloc(size_t align, size_t bytes, uintptr_t allocator);
ACC_GOMP void *omp_calloc(size_t count, size_t bytes, uintptr_t allocator);
ACC_GOMP void omp_free(void *piece, uintptr_t allocator);
ACC_GOMP uintptr_t omp_init_allocator(uintptr_t space, int count, const void *traits);
ACC_GOMP void omp_destroy_allocator(uintptr_t allocator);

ACC_GOMP int omp_get_thread_num(void);
ACC_GOMP int omp_get_num_threads(void);
ACC_GOMP int omp_get_team_num(void);
ACC_GOMP int omp_get_num_teams(void);
#undef ACC_GOMP
}
