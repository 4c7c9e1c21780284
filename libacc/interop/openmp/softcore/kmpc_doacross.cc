// SPDX-License-Identifier: MIT
#include "kmpc_doacross.h"

#include "gomp.h"
#include "kmpc.h"

#include <atomic>
#include <sched.h>
#include <utility>

namespace acc::openmp
{

// LLVM's struct kmp_dim.
struct KmpDimension {
    int64_t lower, upper, step;
};

struct Doacross {
    std::vector<KmpDimension> dimensions;
    std::vector<std::atomic<uint8_t>> posted; // by iteration; a release, once
    int left = 0;                             // threads; under the team's mutex
};

namespace
{

thread_local DoacrossesOfTeam *my_team;
thread_local uint64_t next_number; // of the next one that this thread enters
thread_local std::vector<std::shared_ptr<Doacross>> entered; // null: it needs no waiting

uint64_t count_of(const KmpDimension &one)
{
    if (one.step > 0)
        return one.upper < one.lower
                   ? 0
                   : (static_cast<uint64_t>(one.upper) - static_cast<uint64_t>(one.lower)) /
                             static_cast<uint64_t>(one.step) +
                         1;
    if (one.step == 0 || one.lower < one.upper) return 0;
    return (static_cast<uint64_t>(one.lower) - static_cast<uint64_t>(one.upper)) /
               (0 - static_cast<uint64_t>(one.step)) +
           1;
}

// Null: outside of the loop, so that nobody waits for it.
std::atomic<uint8_t> *flag_of(Doacross &loop, const int64_t *at)
{
    uint64_t index = 0;
    for (size_t i = 0; i < loop.dimensions.size(); i++) {
        const KmpDimension &one = loop.dimensions[i];
        if (one.step > 0 ? at[i] < one.lower || at[i] > one.upper
                         : at[i] > one.lower || at[i] < one.upper)
            return nullptr;
        const uint64_t distance =
            one.step > 0 ? static_cast<uint64_t>(at[i]) - static_cast<uint64_t>(one.lower)
                         : static_cast<uint64_t>(one.lower) - static_cast<uint64_t>(at[i]);
        const uint64_t stride =
            one.step > 0 ? static_cast<uint64_t>(one.step) : 0 - static_cast<uint64_t>(one.step);
        index = index * count_of(one) + distance / stride;
    }
    return index < loop.posted.size() ? &loop.posted[index] : nullptr;
}

void doacross_init(void *, int32_t, int32_t count, const KmpDimension *dimensions)
{
    const int threads = omp_get_num_threads();
    if (!my_team || threads < 2) {
        entered.emplace_back(); // iterations are in their order
        return;
    }
    std::lock_guard lock(my_team->mutex);
    std::shared_ptr<Doacross> &loop = my_team->active[next_number++];
    if (!loop) {
        loop = std::make_shared<Doacross>();
        loop->dimensions.assign(dimensions, dimensions + count);
        uint64_t all = 1;
        for (const KmpDimension &one : loop->dimensions)
            all *= count_of(one);
        loop->posted = std::vector<std::atomic<uint8_t>>(all);
        loop->left = threads;
    }
    entered.push_back(loop);
}

void doacross_wait(void *, int32_t, const int64_t *at)
{
    Doacross *const loop = entered.empty() ? nullptr : entered.back().get();
    const std::atomic<uint8_t> *const posted = loop ? flag_of(*loop, at) : nullptr;
    if (!posted) return;
    for (int tries = 0; !posted->load(std::memory_order_acquire); tries++)
        if (tries > 100) sched_yield();
}

void doacross_post(void *, int32_t, const int64_t *at)
{
    Doacross *const loop = entered.empty() ? nullptr : entered.back().get();
    if (std::atomic<uint8_t> *const posted = loop ? flag_of(*loop, at) : nullptr)
        posted->store(1, std::memory_order_release);
}

void doacross_fini(void *, int32_t)
{
    if (entered.empty()) return;
    const std::shared_ptr<Doacross> loop = std::move(entered.back());
    entered.pop_back();
    if (!loop || !my_team) return;
    std::lock_guard lock(my_team->mutex);
    if (--loop->left) return;
    for (auto it = my_team->active.begin(); it != my_team->active.end(); ++it)
        if (it->second == loop) {
            my_team->active.erase(it);
            return;
        }
}

} // namespace

InDoacrosses::InDoacrosses(DoacrossesOfTeam *mine)
    : team_before_(std::exchange(my_team, mine)), number_before_(std::exchange(next_number, 0))
{
}

InDoacrosses::~InDoacrosses()
{
    my_team = team_before_;
    next_number = number_before_;
}

void add_kmpc_doacross(std::vector<Override> &to)
{
    add_function(to, "__kmpc_doacross_init", doacross_init);
    add_function(to, "__kmpc_doacross_wait", doacross_wait);
    add_function(to, "__kmpc_doacross_post", doacross_post);
    add_function(to, "__kmpc_doacross_fini", doacross_fini);
}

} // namespace acc::openmp
