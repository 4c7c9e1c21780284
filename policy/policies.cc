// SPDX-License-Identifier: MIT
//
// The policies. All but the first are baselines: what other managers of slots do.
#include "policy/arbiter.h"

#include <algorithm>

namespace acc::policy
{

namespace
{

// At equal right who waits goes before who does not.
bool earlier(const Request &a, const Request &b)
{
    return a.ticket && (!b.ticket || a.ticket < b.ticket);
}

// The highest priority; in it the client that has had least for its weight, where one whose
// unit is resident may be ahead by a window; who has been passed over too often goes first.
// Evicts what would cost least to miss, and spares what others, whose turn it is, are about
// to use.
class Adaptive final : public Policy
{
public:
    std::string_view name() const override { return "adaptive"; }

    bool before(const Arbiter &arbiter, const Request &a, const Request &b) const override
    {
        if (a.priority != b.priority) return a.priority > b.priority;
        const bool a_late = arbiter.late(a), b_late = arbiter.late(b);
        if (a_late != b_late) return a_late;
        if (!a_late) {
            const uint64_t a_ns = due_ns(arbiter, a), b_ns = due_ns(arbiter, b);
            if (a_ns != b_ns) return a_ns < b_ns;
        }
        return earlier(a, b);
    }

    bool rather_evict(const Arbiter &arbiter, uint32_t a, uint32_t b) const override
    {
        const uint64_t a_ns = arbiter.value_ns(a), b_ns = arbiter.value_ns(b);
        if (a_ns != b_ns) return a_ns < b_ns;
        return arbiter.slots[a].last_use < arbiter.slots[b].last_use;
    }
    Reason eviction_reason() const override { return Reason::LeastValue; }

    uint32_t burst() const override { return 0; }
    bool looks_ahead() const override { return true; }

    bool waits_for_copy(const Arbiter &arbiter, const Request &request) const override
    {
        uint64_t users = 1;
        for (const Request *waiter : arbiter.waiters())
            users += waiter != &request && waiter->unit == request.unit;
        return request.reload_ns >= users * arbiter.modelled_run_ns(request.unit);
    }

    bool protects(const Arbiter &arbiter, const Request &request, uint32_t slot) const override
    {
        // Where dispatches are long, a slot that waits loses more than a load costs.
        if (arbiter.slots[slot].reload_ns <= arbiter.modelled_run_ns(request.unit)) return false;
        const uint64_t unit = arbiter.slots[slot].unit;
        return std::any_of(arbiter.interested().begin(), arbiter.interested().end(),
                           [&](const Request *other) {
                               return other != &request &&
                                      std::find(other->upcoming.begin(), other->upcoming.end(),
                                                unit) != other->upcoming.end() &&
                                      before(arbiter, *other, request);
                           });
    }

private:
    // When the client would be through with what it is known to want if all shared evenly
    // (virtual finish time; in that order each is through no later than with even sharing:
    // Friedman and Henderson, "Fairness and efficiency in web server protocols", 2003).
    static uint64_t due_ns(const Arbiter &arbiter, const Request &request)
    {
        const Share &share = *request.share;
        const uint64_t ns = share.virtual_ns[request.priority] +
                            std::min(share.backlog_ns, arbiter.backlog_limit_ns());
        return arbiter.resident_now(request) ? ns : ns + arbiter.affinity_ns(request);
    }
};

// In the order of arrival.
class Fcfs : public Policy
{
public:
    explicit Fcfs(bool reuses) : reuses_(reuses) {}
    std::string_view name() const override { return reuses_ ? "fcfs-reuse" : "fcfs"; }
    bool before(const Arbiter &, const Request &a, const Request &b) const override
    {
        return earlier(a, b);
    }
    // What was loaded first goes first.
    bool rather_evict(const Arbiter &arbiter, uint32_t a, uint32_t b) const override
    {
        return arbiter.slots[a].loaded < arbiter.slots[b].loaded;
    }
    Reason eviction_reason() const override { return Reason::FirstLoaded; }
    bool reuses() const override { return reuses_; }

private:
    const bool reuses_;
};

// Clients take turns.
class RoundRobin final : public Fcfs
{
public:
    RoundRobin() : Fcfs(false) {}
    std::string_view name() const override { return "rr"; }
    bool before(const Arbiter &, const Request &a, const Request &b) const override
    {
        const uint64_t a_turn = a.share->served_turn[a.priority];
        const uint64_t b_turn = b.share->served_turn[b.priority];
        return a_turn != b_turn ? a_turn < b_turn : earlier(a, b);
    }
};

// In the order of arrival; what was used longest ago is evicted.
class Lru final : public Fcfs
{
public:
    Lru() : Fcfs(true) {}
    std::string_view name() const override { return "lru"; }
    bool rather_evict(const Arbiter &arbiter, uint32_t a, uint32_t b) const override
    {
        return arbiter.slots[a].last_use < arbiter.slots[b].last_use;
    }
    Reason eviction_reason() const override { return Reason::LeastRecent; }
};

// Whatever needs no load goes first, then what most wait for.
class Fewest final : public Policy
{
public:
    std::string_view name() const override { return "fewest"; }
    bool before(const Arbiter &arbiter, const Request &a, const Request &b) const override
    {
        const bool a_late = arbiter.late(a), b_late = arbiter.late(b);
        if (a_late != b_late) return a_late;
        if (!a_late) {
            const bool a_here = arbiter.resident_now(a), b_here = arbiter.resident_now(b);
            if (a_here != b_here) return a_here;
            const auto wanted = [&](const Request &r) {
                return std::count_if(arbiter.waiters().begin(), arbiter.waiters().end(),
                                     [&](const Request *w) { return w->unit == r.unit; });
            };
            const auto a_wanted = wanted(a), b_wanted = wanted(b);
            if (a_wanted != b_wanted) return a_wanted > b_wanted;
        }
        return earlier(a, b);
    }
    bool rather_evict(const Arbiter &arbiter, uint32_t a, uint32_t b) const override
    {
        const double a_uses = arbiter.reuse(arbiter.slots[a].unit);
        const double b_uses = arbiter.reuse(arbiter.slots[b].unit);
        if (a_uses != b_uses) return a_uses < b_uses;
        return arbiter.slots[a].last_use < arbiter.slots[b].last_use;
    }
    Reason eviction_reason() const override { return Reason::LeastValue; }
};

} // namespace

const std::vector<std::string_view> &policy_names()
{
    static const std::vector<std::string_view> names = {"adaptive",   "fcfs", "rr",
                                                        "fcfs-reuse", "lru",  "fewest"};
    return names;
}

std::unique_ptr<const Policy> make_policy(std::string_view name)
{
    if (name == "adaptive") return std::make_unique<Adaptive>();
    if (name == "fcfs") return std::make_unique<Fcfs>(false);
    if (name == "rr") return std::make_unique<RoundRobin>();
    if (name == "fcfs-reuse") return std::make_unique<Fcfs>(true);
    if (name == "lru") return std::make_unique<Lru>();
    if (name == "fewest") return std::make_unique<Fewest>();
    return nullptr;
}

} // namespace acc::policy
