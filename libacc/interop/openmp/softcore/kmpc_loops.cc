// SPDX-License-Identifier: MIT
//
// Loops as clang compiles them: what a thread's share is, once or chunk by chunk. The values of
// `schedule` are LLVM's enum sched_type (kmp.h).
#include "gomp.h"
#include "kmpc.h"

#include <algorithm>
#include <cstdint>
#include <type_traits>
#include <utility>

namespace acc::openmp
{
namespace
{

enum Schedule : int32_t {
    kStaticChunked = 33,
    kStatic = 34,
    kDynamicChunked = 35,
    kGuidedChunked = 36,
    kRuntime = 37,
    kAuto = 38,
    kStaticBalancedChunked = 45,
    kGuidedSimd = 46,
    kRuntimeSimd = 47,
    kOrdered = 32, // more than the same in any order: 65 to 70
    kDistributeChunked = 91,
    kDistribute = 92,
    kModifiers = 1 << 29 | 1 << 30, // monotonic, nonmonotonic
};

// Iterations of [lower, upper] by `step`, both included.
template <typename T>
uint64_t iterations(T lower, T upper, std::make_signed_t<T> step)
{
    using U = std::make_unsigned_t<T>;
    if (step == 0 || (step > 0 ? upper < lower : lower < upper)) return 0;
    const U distance = step > 0 ? static_cast<U>(static_cast<U>(upper) - static_cast<U>(lower))
                                : static_cast<U>(static_cast<U>(lower) - static_cast<U>(upper));
    const U stride = step > 0 ? static_cast<U>(step) : static_cast<U>(U{0} - static_cast<U>(step));
    return uint64_t{static_cast<U>(distance / stride)} + 1;
}

// Arithmetic that wraps: bounds may be the type's own.
template <typename T>
T ahead(T from, uint64_t count, std::make_signed_t<T> step)
{
    using U = std::make_unsigned_t<T>;
    return static_cast<T>(static_cast<U>(
        static_cast<U>(from) + static_cast<U>(static_cast<U>(count) * static_cast<U>(step))));
}

// This thread's part of *lower to *upper; what the first chunk's is and how far the next is.
template <typename T>
void static_init(void *, int32_t, int32_t schedule, int32_t *last, T *lower, T *upper,
                 std::make_signed_t<T> *stride, std::make_signed_t<T> step,
                 std::make_signed_t<T> chunk)
{
    using S = std::make_signed_t<T>;
    schedule &= ~kModifiers;
    const bool teams = schedule == kDistribute || schedule == kDistributeChunked;
    const auto members = static_cast<uint64_t>(teams ? omp_get_num_teams() : omp_get_num_threads());
    const auto me = static_cast<uint64_t>(teams ? omp_get_team_num() : omp_get_thread_num());
    const uint64_t count = iterations(*lower, *upper, step);
    if (!count) {
        if (last) *last = 0;
        *stride = step;
        return; // bounds of a loop that isn't entered, as they are
    }
    if (schedule == kStaticChunked || schedule == kDistributeChunked) {
        const uint64_t size =
            std::clamp<uint64_t>(chunk > 0 ? static_cast<uint64_t>(chunk) : 1, 1, count);
        *stride = static_cast<S>(ahead<T>(0, size * members, step));
        *lower = ahead(*lower, size * me, step);
        *upper = ahead(*lower, size - 1, step);
        if (last) *last = (count - 1) / size % members == me;
        return;
    }
    if (schedule == kStaticBalancedChunked) { // chunks of a multiple: for vectors
        const uint64_t multiple = chunk > 0 ? static_cast<uint64_t>(chunk) : 1;
        const uint64_t size =
            ((count + members - 1) / members + multiple - 1) / multiple * multiple;
        const uint64_t first = std::min(size * me, count), end = std::min(first + size, count);
        *stride = static_cast<S>(ahead<T>(0, count, step));
        if (last) *last = end == count && first < count;
        const T from = *lower;
        *lower = ahead(from, first, step);
        *upper =
            first == end ? ahead(*lower, 1, static_cast<S>(0 - step)) : ahead(from, end - 1, step);
        return;
    }
    const uint64_t small = count / members, more = count % members;
    const uint64_t first = me * small + std::min(me, more), mine = small + (me < more);
    *stride = static_cast<S>(ahead<T>(0, count, step));
    if (last) *last = mine && first + mine == count;
    if (mine) {
        *lower = ahead(*lower, first, step);
        *upper = ahead(*lower, mine - 1, step);
    } else {
        *lower = ahead(*upper, 1, step); // behind the end: nothing to do
    }
}

void static_fini(void *, int32_t) {}

// A loop whose chunks are handed out: libgomp counts iterations from 0.
struct Loop {
    int32_t schedule;
    bool ordered, started;
    uint64_t lower; // bits of the type
    uint64_t count;
    int64_t step;
    uint64_t chunk;
};

// Parallel regions nest, and so do their loops.
thread_local std::vector<Loop> loops;
thread_local size_t first_of_region; // of the innermost one's loops

template <typename T>
void dispatch_init(void *, int32_t, int32_t schedule, T lower, T upper, std::make_signed_t<T> step,
                   std::make_signed_t<T> chunk)
{
    schedule &= ~kModifiers;
    Loop loop = {};
    loop.ordered = schedule > 64 && schedule < kDistributeChunked;
    loop.schedule = loop.ordered ? schedule - kOrdered : schedule;
    loop.lower = static_cast<uint64_t>(lower);
    loop.count = iterations(lower, upper, step);
    loop.step = step;
    loop.chunk = chunk > 0 ? static_cast<uint64_t>(chunk) : 0;
    loops.push_back(loop);
}

bool next_chunk(Loop &loop, unsigned long long *first, unsigned long long *end)
{
    struct Way {
        GompChunk *start;
        GompNext *next;
    };
    const auto way = [&]() -> Way {
        switch (loop.schedule) {
        case kDynamicChunked:
            return loop.ordered ? Way{GOMP_loop_ull_ordered_dynamic_start,
                                      GOMP_loop_ull_ordered_dynamic_next}
                                : Way{GOMP_loop_ull_dynamic_start, GOMP_loop_ull_dynamic_next};
        case kGuidedChunked:
        case kGuidedSimd:
            return loop.ordered
                       ? Way{GOMP_loop_ull_ordered_guided_start, GOMP_loop_ull_ordered_guided_next}
                       : Way{GOMP_loop_ull_guided_start, GOMP_loop_ull_guided_next};
        default: // `auto` too
            return loop.ordered
                       ? Way{GOMP_loop_ull_ordered_static_start, GOMP_loop_ull_ordered_static_next}
                       : Way{GOMP_loop_ull_static_start, GOMP_loop_ull_static_next};
        }
    };
    const bool runtime = loop.schedule == kRuntime || loop.schedule == kRuntimeSimd;
    if (loop.started) {
        if (runtime)
            return loop.ordered ? GOMP_loop_ull_ordered_runtime_next(first, end)
                                : GOMP_loop_ull_runtime_next(first, end);
        return way().next(first, end);
    }
    loop.started = true;
    if (runtime)
        return loop.ordered
                   ? GOMP_loop_ull_ordered_runtime_start(true, 0, loop.count, 1, first, end)
                   : GOMP_loop_ull_runtime_start(true, 0, loop.count, 1, first, end);
    const bool is_static = loop.schedule == kStatic || loop.schedule == kAuto;
    const uint64_t chunk = loop.chunk || is_static ? loop.chunk : 1;
    return way().start(true, 0, loop.count, 1, is_static ? 0 : chunk, first, end);
}

// The next chunk's bounds, both included. 0: no more.
template <typename T>
int32_t dispatch_next(void *, int32_t, int32_t *last, T *lower, T *upper,
                      std::make_signed_t<T> *stride)
{
    if (loops.empty()) return 0;
    Loop &loop = loops.back();
    unsigned long long first = 0, end = 0;
    if (!next_chunk(loop, &first, &end)) {
        GOMP_loop_end_nowait();
        loops.pop_back();
        return 0;
    }
    using S = std::make_signed_t<T>;
    const auto step = static_cast<S>(loop.step);
    *lower = ahead(static_cast<T>(loop.lower), first, step);
    *upper = ahead(static_cast<T>(loop.lower), end - 1, step);
    if (last) *last = end == loop.count;
    if (stride) *stride = step;
    return 1;
}

} // namespace

LoopsOfThread::LoopsOfThread() : before_(std::exchange(first_of_region, loops.size())) {}

LoopsOfThread::~LoopsOfThread()
{
    if (loops.size() > first_of_region) loops.resize(first_of_region);
    first_of_region = before_;
}

void leave_loop()
{
    if (loops.size() <= first_of_region) return;
    if (loops.back().started) GOMP_loop_end_nowait();
    loops.pop_back();
}

void add_kmpc_loops(std::vector<Override> &to)
{
    add_function(to, "__kmpc_for_static_init_4", static_init<int32_t>);
    add_function(to, "__kmpc_for_static_init_4u", static_init<uint32_t>);
    add_function(to, "__kmpc_for_static_init_8", static_init<int64_t>);
    add_function(to, "__kmpc_for_static_init_8u", static_init<uint64_t>);
    add_function(to, "__kmpc_for_static_fini", static_fini);
    add_function(to, "__kmpc_dispatch_init_4", dispatch_init<int32_t>);
    add_function(to, "__kmpc_dispatch_init_4u", dispatch_init<uint32_t>);
    add_function(to, "__kmpc_dispatch_init_8", dispatch_init<int64_t>);
    add_function(to, "__kmpc_dispatch_init_8u", dispatch_init<uint64_t>);
    add_function(to, "__kmpc_dispatch_next_4", dispatch_next<int32_t>);
    add_function(to, "__kmpc_dispatch_next_4u", dispatch_next<uint32_t>);
    add_function(to, "__kmpc_dispatch_next_8", dispatch_next<int64_t>);
    add_function(to, "__kmpc_dispatch_next_8u", dispatch_next<uint64_t>);
    add_function(to, "__kmpc_dispatch_fini_4",
                 static_fini); // an iteration's end: libgomp sees it itself
    add_function(to, "__kmpc_dispatch_fini_4u", static_fini);
    add_function(to, "__kmpc_dispatch_fini_8", static_fini);
    add_function(to, "__kmpc_dispatch_fini_8u", static_fini);
    add_function(to, "__kmpc_dispatch_deinit", static_fini);
}

} // namespace acc::openmp
