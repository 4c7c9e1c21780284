// SPDX-License-Identifier: MIT
//
// The layout is LLVM's kmp_taskred_input_t (kmp_tasking.cpp).
#include "kmpc_groups.h"

#include "gomp.h"
#include "kmpc.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <mutex>
#include <utility>

namespace acc::openmp
{
namespace
{

struct KmpReduction {
    void *shared, *original; // null: the shared one
    size_t bytes;
    void (*init)(void *copy, void *original); // null: zeros
    void (*finish)(void *copy);
    void (*combine)(void *shared, void *copy);
    uint32_t flags;
};
static_assert(sizeof(KmpReduction) == 56);

struct Reduction : KmpReduction {
    std::vector<std::pair<const void *, std::byte *>> copies; // by thread
};

thread_local char this_thread; // its address is a thread's name

bool has(const Reduction &one, const void *data)
{
    const auto at = static_cast<const std::byte *>(data);
    return data == one.shared ||
           std::any_of(one.copies.begin(), one.copies.end(), [&](const auto &copy) {
               return at >= copy.second && at < copy.second + one.bytes;
           });
}

std::byte *copy_of(Reduction &one)
{
    for (const auto &[thread, copy] : one.copies)
        if (thread == &this_thread) return copy;
    void *copy = nullptr;
    if (posix_memalign(&copy, 64, std::max<size_t>(one.bytes, 1))) abort();
    std::memset(copy, 0, one.bytes);
    if (one.init) one.init(copy, one.original ? one.original : one.shared);
    one.copies.emplace_back(&this_thread, static_cast<std::byte *>(copy));
    return static_cast<std::byte *>(copy);
}

} // namespace

struct Group {
    Group *const up;
    std::mutex mutex; // of what follows
    std::vector<Reduction> reductions;
};

namespace
{

thread_local Group *innermost;

void taskgroup(void *, int32_t)
{
    GOMP_taskgroup_start();
    innermost = new Group{innermost, {}, {}};
}

void end_taskgroup(void *, int32_t)
{
    GOMP_taskgroup_end(); // with all that its tasks began
    Group *const ended = innermost;
    if (!ended) return;
    innermost = ended->up;
    for (Reduction &one : ended->reductions)
        for (const auto &[thread, copy] : one.copies) {
            one.combine(one.shared, copy);
            if (one.finish) one.finish(copy);
            free(copy);
        }
    delete ended;
}

void *taskred_init(int32_t, int32_t count, const KmpReduction *list)
{
    if (!innermost) return nullptr;
    std::lock_guard lock(innermost->mutex);
    for (int32_t i = 0; i < count; i++)
        innermost->reductions.push_back({list[i], {}});
    return innermost;
}

// Of a parallel region or a loop: each thread has a group, whose shared variables are its own
// copies in that region's reduction.
void *taskred_modifier_init(void *loc, int32_t thread, int32_t, int32_t count,
                            const KmpReduction *list)
{
    taskgroup(loc, thread);
    return taskred_init(thread, count, list);
}

void task_reduction_modifier_fini(void *loc, int32_t thread, int32_t)
{
    end_taskgroup(loc, thread);
}

// `data`: the shared variable, or another thread's copy. Without a group, the innermost one that
// has it.
void *task_reduction_get_th_data(int32_t, void *group, void *data)
{
    for (Group *one = group ? static_cast<Group *>(group) : innermost; one; one = one->up) {
        std::lock_guard lock(one->mutex);
        for (Reduction &reduction : one->reductions)
            if (has(reduction, data)) return copy_of(reduction);
    }
    return data;
}

} // namespace

Group *current_group()
{
    return innermost;
}

InGroup::InGroup(Group *group) : before_(std::exchange(innermost, group)) {}

InGroup::~InGroup()
{
    innermost = before_;
}

void add_kmpc_groups(std::vector<Override> &to)
{
    add_function(to, "__kmpc_taskgroup", taskgroup);
    add_function(to, "__kmpc_end_taskgroup", end_taskgroup);
    add_function(to, "__kmpc_taskred_init", taskred_init);
    add_function(to, "__kmpc_taskred_modifier_init", taskred_modifier_init);
    add_function(to, "__kmpc_task_reduction_modifier_fini", task_reduction_modifier_fini);
    add_function(to, "__kmpc_task_reduction_get_th_data", task_reduction_get_th_data);
}

} // namespace acc::openmp
