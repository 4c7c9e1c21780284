// SPDX-License-Identifier: MIT
#include "policy/arbiter.h"

#include <algorithm>
#include <cmath>

namespace acc::policy
{

namespace
{
constexpr size_t most_units = 4096;     // whose frequency is remembered
constexpr uint64_t affinity_loads = 2;  // loads that a resident unit may go before its turn
constexpr uint64_t affinity_turns = 64; // but not more mean turns than this
constexpr uint64_t backlog_turns = 16;
constexpr uint64_t uses_per_slot = 8; // of which the frequency of a unit halves

constexpr bool at_work(SlotState state)
{
    return state == SlotState::Busy || state == SlotState::Moving;
}
} // namespace

Arbiter::Arbiter(const Facts &facts, std::unique_ptr<const Policy> policy, size_t count)
    : slots(count), facts_(facts), policy_(std::move(policy))
{
}

// ----------------------------------------------------------------- where

Arbiter::Choice Arbiter::choose(const Request &request) const
{
    Choice choice;
    bool copy_busy = false, busy = false;
    for (uint32_t i = 0; i < slots.size(); i++) {
        const Slot &slot = slots[i];
        busy |= at_work(slot.state);
        if (!policy_->reuses() && !slot.pinned) continue;
        if (!slot.unit || !facts_.holds(request, i)) continue;
        if (slot.state == SlotState::Ready) {
            choice.slot = i;
            choice.resident = true;
            return choice;
        }
        copy_busy |= at_work(slot.state);
    }
    // A quota and a protection last while somebody works, whose end is news for those who wait.
    const bool quota = busy && over_quota(request);
    uint32_t spared = no_slot; // the best of those that are another's by right
    bool fitting_busy = false, held_back = false;
    const auto better = [&](uint32_t i, uint32_t best) {
        if (best == no_slot) return true;
        const Slot &a = slots[i], &b = slots[best];
        if (a.state != b.state) return a.state == SlotState::Empty;
        if (a.state == SlotState::Empty) return a.capacity < b.capacity;
        if (a.abandoned != b.abandoned) return a.abandoned;
        return policy_->rather_evict(*this, i, best);
    };
    for (uint32_t i = 0; i < slots.size(); i++) {
        const Slot &slot = slots[i];
        if (slot.state == SlotState::Out || !facts_.fits(request, i)) continue;
        if (slot.state != SlotState::Empty && (slot.pinned || !facts_.may_evict(request, i)))
            continue;
        if (at_work(slot.state)) {
            fitting_busy = true;
            continue;
        }
        if (quota && !(slot.state == SlotState::Ready && slot.client == request.share->client)) {
            held_back = true;
            continue;
        }
        if (slot.state == SlotState::Ready && !slot.abandoned &&
            policy_->protects(*this, request, i)) {
            if (better(i, spared)) spared = i;
            continue;
        }
        if (better(i, choice.slot)) choice.slot = i;
    }
    if (choice.slot == no_slot && spared != no_slot && !busy) choice.slot = spared;
    choice.may_wait = fitting_busy || copy_busy || held_back || spared != no_slot;
    // Evicting somebody to make a second copy of a unit that only has to be waited for
    // would thrash: wait.
    if (choice.slot != no_slot && copy_busy && slots[choice.slot].state == SlotState::Ready &&
        policy_->waits_for_copy(*this, request)) {
        choice.slot = no_slot;
        choice.reason = Reason::CopyBusy;
    } else if (choice.slot == no_slot) {
        choice.reason = !choice.may_wait    ? Reason::Unavailable
                        : copy_busy         ? Reason::CopyBusy
                        : spared != no_slot ? Reason::Protected
                        : held_back         ? Reason::Quota
                                            : Reason::Busy;
    } else {
        const Slot &slot = slots[choice.slot];
        choice.reason = slot.state == SlotState::Empty ? Reason::Empty
                        : slot.abandoned               ? Reason::Abandoned
                                                       : policy_->eviction_reason();
    }
    return choice;
}

bool Arbiter::over_quota(const Request &request) const
{
    const Share &share = *request.share;
    if (!share.quota) return false;
    const bool contended = std::any_of(waiters_.begin(), waiters_.end(), [&](const Request *r) {
        return r->share->client != share.client;
    });
    if (!contended) return false;
    const auto occupied = std::count_if(slots.begin(), slots.end(), [&](const Slot &slot) {
        return slot.unit && !slot.abandoned && slot.client == share.client;
    });
    return uint64_t(occupied) >= share.quota;
}

Arbiter::Choice Arbiter::choose_ahead(const Request &request) const
{
    Choice none;
    for (uint32_t i = 0; i < slots.size(); i++)
        if (slots[i].unit && facts_.holds(request, i)) return none;
    for (const Request *waiter : waiters_)
        if (choose(*waiter).slot != no_slot) return none; // it is for them
    const Choice choice = choose(request);
    if (choice.slot == no_slot || choice.resident) return none;
    const Slot &slot = slots[choice.slot];
    const bool worth =
        slot.state == SlotState::Empty || slot.abandoned ||
        double(value_ns(choice.slot)) < double(request.reload_ns) * reuse(request.unit);
    return worth ? choice : none;
}

// ------------------------------------------------------------ whose turn

bool Arbiter::late(const Request &request) const
{
    return request.waits() && levels_[request.priority].turns - request.turns_at > patience;
}

bool Arbiter::resident_now(const Request &request) const
{
    for (uint32_t i = 0; i < slots.size(); i++)
        if (slots[i].unit && slots[i].state == SlotState::Ready && facts_.holds(request, i))
            return true;
    return false;
}

// Loads may cost modelled time alone: what a load costs in turns is what counts.
uint64_t Arbiter::affinity_ns(const Request &other) const
{
    if (!mean_modelled_ns_) return 0;
    const double turns =
        double(affinity_loads) * double(other.reload_ns) / double(mean_modelled_ns_);
    return uint64_t(std::min(turns, double(affinity_turns)) * double(mean_run_ns_));
}

uint64_t Arbiter::backlog_limit_ns() const
{
    return backlog_turns * mean_run_ns_;
}

const Request *Arbiter::ahead_of(const Request &request) const
{
    for (const Request *other : waiters_)
        if (other != &request && before(*other, request) && choose(*other).slot != no_slot)
            return other;
    return nullptr;
}

Request *Arbiter::next() const
{
    Request *best = nullptr;
    for (Request *waiter : waiters_) {
        if (best && !before(*waiter, *best)) continue;
        const Choice choice = choose(*waiter);
        if (choice.slot != no_slot || !choice.may_wait) best = waiter;
    }
    return best;
}

bool Arbiter::must_yield(const Request &request, uint32_t index, uint64_t dispatches,
                         const Request *&for_whom)
{
    for_whom = nullptr;
    const uint32_t burst = policy_->burst();
    if (burst && dispatches < burst) return false;
    const SlotState state = slots[index].state;
    slots[index].state = SlotState::Ready; // as it would be
    if (burst) {
        for (const Request *other : waiters_)
            if (!for_whom && choose(*other).slot != no_slot) for_whom = other;
    } else {
        for_whom = ahead_of(request);
    }
    slots[index].state = state;
    return for_whom != nullptr;
}

Reason Arbiter::grant_reason(const Request &request) const
{
    if (late(request)) return Reason::Aged;
    const uint64_t mine = request.share->virtual_ns[request.priority];
    for (const Request *other : waiters_)
        if (other != &request && other->priority == request.priority &&
            other->share->virtual_ns[other->priority] < mine && !resident_now(*other))
            return Reason::Affinity;
    return Reason::Turn;
}

// ---------------------------------------------------------- what happens

void Arbiter::enter(Request &request, uint64_t credit_ns)
{
    const uint32_t priority = request.priority;
    uint64_t now = levels_[priority].virtual_now;
    for (const Request *other : waiters_)
        if (other->priority == priority) now = std::min(now, other->share->virtual_ns[priority]);
    const uint64_t credit = credit_ns * default_weight / request.share->weight;
    uint64_t &virtual_ns = request.share->virtual_ns[priority];
    virtual_ns = std::max(virtual_ns, now - std::min(now, credit));
}

void Arbiter::take_turn(const Request &request)
{
    Level &level = levels_[request.priority];
    level.virtual_now = std::max(level.virtual_now, request.share->virtual_ns[request.priority]);
    request.share->served_turn[request.priority] = ++level.turns;
}

void Arbiter::charge(const Request &request, uint64_t ns)
{
    Share &share = *request.share;
    share.virtual_ns[request.priority] +=
        std::max(ns, least_turn_ns) * default_weight / share.weight;
}

namespace
{
void learn(uint64_t &mean, uint64_t value, bool first)
{
    mean = first ? value : mean - mean / 8 + value / 8;
}
} // namespace

void Arbiter::ran(const Request &request, uint64_t ns, uint64_t modelled_ns)
{
    learn(mean_run_ns_, ns, !mean_run_ns_);
    learn(mean_modelled_ns_, modelled_ns, !mean_modelled_ns_);
    History &of = history(request.unit);
    learn(of.run_ns, ns, !of.ran);
    learn(of.modelled_ns, modelled_ns, !of.ran);
    of.ran = true;
}

void Arbiter::plan(Request &request, uint64_t dispatches)
{
    const auto found = histories_.find(request.unit);
    const uint64_t each =
        found != histories_.end() && found->second.ran ? found->second.run_ns : mean_run_ns_;
    uint64_t &total = request.share->backlog_ns;
    total -= std::min(total, request.planned_ns);
    request.planned_ns =
        std::min(dispatches, uint64_t(1) << 20) * std::min(each, uint64_t(1) << 42);
    total += request.planned_ns;
}

void Arbiter::wait(Request &request, uint64_t now_ns)
{
    if (request.waits()) return;
    request.ticket = ++tickets_;
    request.turns_at = levels_[request.priority].turns;
    request.since_ns = now_ns;
    waiters_.push_back(&request);
}

void Arbiter::stop_waiting(Request &request)
{
    std::erase(waiters_, &request);
    request.ticket = 0;
}

void Arbiter::expect(Request &request, const std::array<uint64_t, 4> &units)
{
    request.upcoming = units;
    const bool any = std::any_of(units.begin(), units.end(), [](uint64_t u) { return u != 0; });
    if (any == request.interested) return;
    request.interested = any;
    if (any)
        interested_.push_back(&request);
    else
        std::erase(interested_, &request);
}

Arbiter::History &Arbiter::history(uint64_t unit)
{
    if (histories_.size() >= most_units && !histories_.contains(unit)) {
        std::erase_if(histories_, [&](const auto &entry) { return frequency(entry.first) < 0.5; });
        if (histories_.size() >= most_units) histories_.clear();
    }
    return histories_[unit];
}

void Arbiter::use(uint32_t index)
{
    Slot &slot = slots[index];
    slot.last_use = ++touches_;
    ++uses_;
    const double count = frequency(slot.unit) + 1;
    History &of = history(slot.unit);
    of.uses = count;
    of.at = uses_;
}

void Arbiter::load(uint32_t index, const Request &request)
{
    Slot &slot = slots[index];
    slot.unit = request.unit;
    slot.client = request.share ? request.share->client : 0;
    slot.reload_ns = request.reload_ns;
    slot.abandoned = false;
    slot.loaded = ++loads_;
    // What has just been prefetched is not the next victim only because nobody has used it yet.
    slot.last_use = ++touches_;
}

// ------------------------------------------------------------ prediction

double Arbiter::frequency(uint64_t unit) const
{
    const auto found = histories_.find(unit);
    if (found == histories_.end()) return 0;
    const double half_life = double(uses_per_slot * slots.size());
    return found->second.uses * std::exp2(-double(uses_ - found->second.at) / half_life);
}

uint64_t Arbiter::modelled_run_ns(uint64_t unit) const
{
    const auto found = histories_.find(unit);
    return found != histories_.end() && found->second.ran ? found->second.modelled_ns
                                                          : mean_modelled_ns_;
}

double Arbiter::reuse(uint64_t unit) const
{
    double uses = frequency(unit);
    for (const Request *waiter : waiters_)
        uses += waiter->unit == unit;
    for (const Request *request : interested_)
        for (const uint64_t upcoming : request->upcoming)
            uses += upcoming == unit;
    return uses;
}

uint64_t Arbiter::value_ns(uint32_t index) const
{
    const Slot &slot = slots[index];
    return slot.unit ? uint64_t(double(slot.reload_ns) * reuse(slot.unit)) : 0;
}

} // namespace acc::policy
