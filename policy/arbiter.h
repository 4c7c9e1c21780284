// SPDX-License-Identifier: MIT
//
// The state that policies decide on, and the decisions: slots, who waits for one, what each
// client has had, how often units are used. One policy is behind it for its whole life.
//
// Thread safety: none; see policy.h.
#pragma once

#include "policy/policy.h"

#include <cstddef>
#include <unordered_map>

namespace acc::policy
{

// Turns of others of its own priority after which a waiting request goes first.
inline constexpr uint64_t patience = 1000;

class Arbiter
{
public:
    // `facts` outlives it.
    Arbiter(const Facts &facts, std::unique_ptr<const Policy> policy, size_t slots);

    // Where a request can be served now, or why it can't.
    struct Choice {
        uint32_t slot = no_slot;
        bool resident = false;        // no load is needed
        bool may_wait = false;        // no slot, but later there will be
        Reason reason = Reason::None; // of the slot; if there is none, of waiting
    };
    Choice choose(const Request &request) const;

    // ---- whose turn it is
    bool before(const Request &a, const Request &b) const { return policy_->before(*this, a, b); }
    // Who goes before this request, waits, and could be served now. Null: nobody.
    const Request *ahead_of(const Request &request) const;
    // The waiting request to tell: the first that could be served, or refused. Null: none.
    Request *next() const;
    // Whether a request that has had `dispatches` of a lease on `slot` must give it up. The
    // one it is for in `for_whom`.
    bool must_yield(const Request &request, uint32_t slot, uint64_t dispatches,
                    const Request *&for_whom);
    // Why a request that is being served goes before those that wait.
    Reason grant_reason(const Request &request) const;

    // ---- what happens
    // A request that comes anew has no credit of the time when it wanted nothing: it begins
    // where those are who are being served. `credit_ns` is what it keeps.
    void enter(Request &request, uint64_t credit_ns);
    void take_turn(const Request &request);
    // Service of the clients' clock, at least least_turn_ns.
    void charge(const Request &request, uint64_t ns);
    // What a dispatch took: on the clients' clock, and as it is modelled. To learn from.
    void ran(const Request &request, uint64_t ns, uint64_t modelled_ns);
    // How many dispatches of its unit the request is known to want. 0 when it goes.
    void plan(Request &request, uint64_t dispatches);
    static constexpr uint64_t least_turn_ns = 1000;
    void wait(Request &request, uint64_t now_ns);
    void stop_waiting(Request &request);
    // What the request is known to want soon: kept until it is told anew. Zeros end it.
    void expect(Request &request, const std::array<uint64_t, 4> &units);
    // A dispatch begins to use a slot; a unit has been loaded into it.
    void use(uint32_t slot);
    void load(uint32_t slot, const Request &request);

    // ---- look-ahead
    // A slot into which `unit` of this request may be loaded before it is asked for: nobody
    // who waits could use it, and what is evicted is worth less. no_slot: none.
    Choice choose_ahead(const Request &request) const;

    // ---- what policies ask
    const Policy &policy() const { return *policy_; }
    const Facts &facts() const { return facts_; }
    const std::vector<Request *> &waiters() const { return waiters_; }
    const std::vector<Request *> &interested() const { return interested_; }
    uint64_t turns(uint32_t priority) const { return levels_[priority].turns; }
    bool late(const Request &request) const;
    // Whether it could go on in a slot that holds its unit already.
    bool resident_now(const Request &request) const;
    // How far a request whose unit is resident may be behind another's turn and still go
    // first: what a load costs, in service.
    uint64_t affinity_ns(const Request &other) const;
    // The most that known backlog may delay a client's turn.
    uint64_t backlog_limit_ns() const;
    // How long a dispatch of the unit takes, as it is modelled; learned.
    uint64_t modelled_run_ns(uint64_t unit) const;
    // Predicted uses of a unit: those that are known (waiting or upcoming) and the frequency
    // of late, which halves with every so many uses of all.
    double reuse(uint64_t unit) const;
    // Of what is resident: modelled reload time x predicted uses.
    uint64_t value_ns(uint32_t slot) const;

    std::vector<Slot> slots;

private:
    struct Level {
        uint64_t virtual_now = 0; // of whom was served last; never goes back
        uint64_t turns = 0;
    };
    struct History {
        double uses = 0;                      // of late: halves
        uint64_t at = 0;                      // as of this many uses of all
        uint64_t run_ns = 0, modelled_ns = 0; // of a dispatch, moving means
        bool ran = false;
    };

    bool over_quota(const Request &request) const;
    double frequency(uint64_t unit) const;
    History &history(uint64_t unit);

    const Facts &facts_;
    const std::unique_ptr<const Policy> policy_;
    std::vector<Request *> waiters_, interested_;
    Level levels_[priorities];
    uint64_t tickets_ = 0, uses_ = 0, touches_ = 0, loads_ = 0; // touches: uses and loads
    uint64_t mean_run_ns_ = 0, mean_modelled_ns_ = 0;           // of all dispatches, moving
    std::unordered_map<uint64_t, History> histories_;
};

} // namespace acc::policy
