// SPDX-License-Identifier: MIT
//
// Tasks as clang compiles them. Layouts and flags are LLVM's kmp_task_t, kmp_tasking_flags_t and
// kmp_depend_info_t (kmp.h).
#include "gomp.h"
#include "kmpc.h"
#include "kmpc_groups.h"

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <mutex>
#include <new>
#include <sched.h>
#include <set>
#include <utility>

namespace acc::openmp
{
namespace
{

struct KmpTask {
    void *shareds;
    int32_t (*routine)(int32_t thread, KmpTask *task);
    int32_t part;
    union {
        int32_t priority;
        int32_t (*destructors)(int32_t thread, KmpTask *task);
    } data1, data2;
};
// What follows it in a task that is a loop.
struct KmpTaskLoop : KmpTask {
    uint64_t lower, upper;
    int64_t step;
    int32_t last;
};
static_assert(sizeof(KmpTask) == 40 && offsetof(KmpTask, data1) == 24);

constexpr int32_t kTied = 1 << 0, kFinal = 1 << 1, kDestructors = 1 << 3, kHasPriority = 1 << 5;
constexpr unsigned kGompUntied = 1, kGompFinal = 2, kGompDepend = 8, kGompPriority = 16,
                   kGompDetach = 1 << 13;

struct KmpDepend {
    uint64_t address;
    size_t bytes;
    uint8_t flags; // 1: in, 2: out
};
static_assert(sizeof(KmpDepend) == 24);

// Of a `detach` clause: the program has its address, and libgomp's is known when the task is.
struct Event {
    std::atomic<uintptr_t> inner{0}; // libgomp's; a release, once
};

// In front of each, for our part of it.
struct alignas(64) Header {
    int32_t flags;
    size_t task_bytes, bytes; // without and with what is shared
    Group *group;             // in which it was made
    Event *event;
    // An untied one submits itself at each point where another thread may take it over, and
    // returns. Here the thread that has it goes on: what waits for libgomp's task waits for all of
    // it. Written by that thread alone.
    bool running = false, again = false;
};

// What a task of libgomp's is given. It writes to the first word if there is an event.
struct TaskData {
    void *inner;
    KmpTask *task;
};

Header *header_of(KmpTask *task)
{
    return reinterpret_cast<Header *>(task) - 1;
}

KmpTask *make(size_t task_bytes, size_t bytes, int32_t flags)
{
    void *memory = nullptr;
    if (posix_memalign(&memory, alignof(Header), sizeof(Header) + bytes)) abort();
    auto *header = new (memory) Header{flags, task_bytes, bytes, current_group(), nullptr};
    return reinterpret_cast<KmpTask *>(header + 1);
}

KmpTask *task_alloc(void *, int32_t, int32_t flags, size_t task_bytes, size_t shared_bytes,
                    int32_t (*routine)(int32_t, KmpTask *))
{
    task_bytes = (task_bytes + 15) / 16 * 16;
    KmpTask *task = make(task_bytes, task_bytes + shared_bytes, flags);
    std::memset(static_cast<void *>(task), 0, sizeof *task);
    task->shareds = shared_bytes ? reinterpret_cast<std::byte *>(task) + task_bytes : nullptr;
    task->routine = routine;
    return task;
}

void end_task(KmpTask *task)
{
    Header *header = header_of(task);
    if (header->flags & kDestructors && task->data1.destructors)
        task->data1.destructors(omp_get_thread_num(), task);
    free(header);
}

// The parts that an untied one has after the first.
void run_rest(KmpTask *task)
{
    Header &header = *header_of(task);
    while (std::exchange(header.again, false))
        task->routine(omp_get_thread_num(), task);
}

void run_task(void *argument)
{
    KmpTask *const task = static_cast<TaskData *>(argument)->task;
    Header &header = *header_of(task);
    const InGroup group(header.group);
    header.running = header.again = true;
    run_rest(task);
    end_task(task);
}

// In libgomp's order: how many, how many of them are written, the written ones, the others.
std::vector<void *> depends(int32_t count, const KmpDepend *list, int32_t more_count,
                            const KmpDepend *more)
{
    std::vector<void *> out(2), in;
    const auto add = [&](const KmpDepend &one) {
        (one.flags & 2 || one.flags & 4 ? out : in)
            .push_back(reinterpret_cast<void *>(one.address));
    };
    std::for_each_n(list, std::max(count, 0), add);
    std::for_each_n(more, std::max(more_count, 0), add);
    const size_t written = out.size() - 2;
    out.insert(out.end(), in.begin(), in.end());
    out[0] = reinterpret_cast<void *>(out.size() - 2);
    out[1] = reinterpret_cast<void *>(written);
    return out;
}

int32_t submit(KmpTask *task, void **depend)
{
    const Header &header = *header_of(task);
    Event *const event = header.event;
    const int priority = header.flags & kHasPriority ? task->data2.priority : 0;
    TaskData data = {nullptr, task};
    GOMP_task(run_task, &data, nullptr, sizeof data, alignof(TaskData), true,
              (header.flags & kTied ? 0 : kGompUntied) | (header.flags & kFinal ? kGompFinal : 0) |
                  (depend ? kGompDepend : 0) | (priority ? kGompPriority : 0) |
                  (event ? kGompDetach : 0),
              depend, priority, event ? static_cast<void *>(&event->inner) : nullptr);
    return 0;
}

// Those that are not fulfilled yet: others are events of gcc's code.
std::mutex events_mutex;
std::set<uintptr_t> events;

void *allow_completion_event(void *, int32_t, KmpTask *task)
{
    auto *event = new Event;
    header_of(task)->event = event;
    std::lock_guard lock(events_mutex);
    events.insert(reinterpret_cast<uintptr_t>(event));
    return event;
}

void fulfill_event(uintptr_t handle)
{
    {
        std::lock_guard lock(events_mutex);
        if (!events.erase(handle)) return omp_fulfill_event(handle);
    }
    auto *event = reinterpret_cast<Event *>(handle);
    uintptr_t inner = 0;
    while (!(inner = event->inner.load(std::memory_order_acquire)))
        sched_yield(); // another thread is about to submit the task
    delete event;
    omp_fulfill_event(inner);
}

KmpTask *target_task_alloc(void *loc, int32_t thread, int32_t flags, size_t task_bytes,
                           size_t shared_bytes, int32_t (*routine)(int32_t, KmpTask *), int64_t)
{
    return task_alloc(loc, thread, flags, task_bytes, shared_bytes, routine);
}

int32_t with_affinity(void *, int32_t, KmpTask *, int32_t, void *)
{
    return 0; // a hint
}

int32_t task(void *, int32_t, KmpTask *task)
{
    Header &header = *header_of(task);
    if (!header.running) return submit(task, nullptr);
    header.again = true;
    return 0;
}

int32_t task_with_deps(void *, int32_t, KmpTask *task, int32_t count, const KmpDepend *list,
                       int32_t more_count, const KmpDepend *more)
{
    std::vector<void *> depend = depends(count, list, more_count, more);
    return submit(task, depend.data());
}

void wait_deps(void *, int32_t, int32_t count, const KmpDepend *list, int32_t more_count,
               const KmpDepend *more)
{
    std::vector<void *> depend = depends(count, list, more_count, more);
    GOMP_taskwait_depend(depend.data());
}

// The compiler calls the routine itself in between.
void begin_if0(void *, int32_t, KmpTask *task)
{
    header_of(task)->running = true;
}

void complete_if0(void *, int32_t, KmpTask *task)
{
    run_rest(task);
    end_task(task);
}

int32_t taskwait(void *, int32_t)
{
    GOMP_taskwait();
    return 0;
}

int32_t taskyield(void *, int32_t, int32_t)
{
    GOMP_taskyield();
    return 0;
}

using Duplicate = void (*)(KmpTask *to, KmpTask *from, int32_t last);

// A piece of a loop: a copy with bounds of its own.
KmpTask *piece_of(KmpTaskLoop *whole, uint64_t lower, uint64_t upper, bool last,
                  Duplicate duplicate)
{
    const Header *header = header_of(whole);
    KmpTask *piece = make(header->task_bytes, header->bytes, header->flags);
    header_of(piece)->group = header->group;
    std::memcpy(static_cast<void *>(piece), static_cast<void *>(whole), header->bytes);
    if (whole->shareds) piece->shareds = reinterpret_cast<std::byte *>(piece) + header->task_bytes;
    auto *loop = static_cast<KmpTaskLoop *>(piece);
    loop->lower = lower;
    loop->upper = upper;
    loop->last = last;
    if (duplicate) duplicate(piece, whole, last);
    return piece;
}

// `kind`: 0, 1: `amount` is the grain's size; 2: the number of tasks.
void taskloop(void *, int32_t, KmpTask *task, int32_t deferred, uint64_t *, uint64_t *,
              int64_t step, int32_t no_group, int32_t kind, uint64_t amount, Duplicate duplicate)
{
    auto *whole = static_cast<KmpTaskLoop *>(task);
    if (!no_group) GOMP_taskgroup_start();
    const auto lower = static_cast<int64_t>(whole->lower),
               upper = static_cast<int64_t>(whole->upper);
    uint64_t count = 0;
    if (step > 0 && lower <= upper)
        count = (static_cast<uint64_t>(upper) - static_cast<uint64_t>(lower)) /
                    static_cast<uint64_t>(step) +
                1;
    if (step < 0 && lower >= upper)
        count = (static_cast<uint64_t>(lower) - static_cast<uint64_t>(upper)) /
                    (0 - static_cast<uint64_t>(step)) +
                1;
    uint64_t pieces = static_cast<uint64_t>(omp_get_num_threads()) * 4;
    if (kind == 1) pieces = count / std::max<uint64_t>(amount, 1);
    if (kind == 2) pieces = amount;
    pieces = std::clamp<uint64_t>(pieces, 1, std::max<uint64_t>(count, 1));
    uint64_t first = 0;
    for (uint64_t i = 0; i < pieces && count; i++) {
        const uint64_t mine = count / pieces + (i < count % pieces);
        const auto at = [&](uint64_t n) { return whole->lower + n * static_cast<uint64_t>(step); };
        KmpTask *piece =
            piece_of(whole, at(first), at(first + mine - 1), i + 1 == pieces, duplicate);
        first += mine;
        TaskData data = {nullptr, piece};
        if (deferred)
            submit(piece, nullptr);
        else
            run_task(&data);
    }
    end_task(task);
    if (!no_group) GOMP_taskgroup_end();
}

void taskloop_5(void *loc, int32_t thread, KmpTask *task, int32_t deferred, uint64_t *lower,
                uint64_t *upper, int64_t step, int32_t no_group, int32_t kind, uint64_t amount,
                int32_t, Duplicate duplicate)
{
    taskloop(loc, thread, task, deferred, lower, upper, step, no_group, kind, amount, duplicate);
}

} // namespace

void add_kmpc_tasks(std::vector<Override> &to)
{
    add_function(to, "__kmpc_omp_task_alloc", task_alloc);
    add_function(to, "__kmpc_omp_task", task);
    add_function(to, "__kmpc_omp_task_with_deps", task_with_deps);
    add_function(to, "__kmpc_omp_wait_deps", wait_deps);
    add_function(to, "__kmpc_omp_taskwait_deps_51", wait_deps);
    add_function(to, "__kmpc_omp_task_begin_if0", begin_if0);
    add_function(to, "__kmpc_omp_task_complete_if0", complete_if0);
    add_function(to, "__kmpc_omp_taskwait", taskwait);
    add_function(to, "__kmpc_omp_taskyield", taskyield);
    add_function(to, "__kmpc_task_allow_completion_event", allow_completion_event);
    add_function(to, "omp_fulfill_event", fulfill_event);
    add_function(to, "__kmpc_omp_target_task_alloc", target_task_alloc);
    add_function(to, "__kmpc_omp_reg_task_with_affinity", with_affinity);
    add_function(to, "__kmpc_taskloop", taskloop);
    add_function(to, "__kmpc_taskloop_5", taskloop_5);
}

} // namespace acc::openmp
