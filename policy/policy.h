// SPDX-License-Identifier: MIT
//
// Which unit is to be resident in which slot, and whose turn it is: the policies that a
// device and the replay of a trace share. Nothing here knows a device, a thread or a clock:
// the owner of the state keeps the facts up to date, asks, and does what it is told.
//
// Thread safety: none of its own; the owner's lock is held in every call.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

namespace acc::policy
{

class Arbiter;

inline constexpr uint32_t priorities = 3; // 0 is the lowest
inline constexpr uint32_t default_weight = 100;
inline constexpr uint32_t no_slot = ~0u;

// Why a decision fell as it did. The numbers are those of enum drm_acc_trace_reason.
enum class Reason : uint32_t {
    None = 0,
    Empty = 1,
    Abandoned = 2,
    LeastValue = 3,
    LeastRecent = 4,
    FirstLoaded = 5,
    Turn = 6,
    Affinity = 7,
    Aged = 8,
    Busy = 9,
    CopyBusy = 10,
    Protected = 11,
    Behind = 12,
    Quota = 13,
    Unavailable = 14,
};

enum class SlotState : uint8_t {
    Empty,
    Ready,  // a unit is resident and free
    Busy,   // a dispatch of it executes, or is about to
    Moving, // between the others: busy with itself
    Out,    // failed
};

// A client's part of what is shared. Owned by the client; outlives its requests.
struct Share {
    uint32_t client = 0;
    uint32_t weight = default_weight;
    uint32_t quota = 0;                    // most slots it may occupy while others wait; 0: all
    uint64_t virtual_ns[priorities] = {};  // service x default_weight / weight
    uint64_t served_turn[priorities] = {}; // when it was served last, in turns
    uint64_t backlog_ns = 0;               // what its requests are known to want, in service
};

// Who wants a slot with a unit in it. The first part is the owner's, the second the arbiter's.
struct Request {
    Share *share = nullptr;
    uint32_t priority = 1;
    uint64_t unit = 0;      // never 0: equal keys are equal units
    uint64_t reload_ns = 0; // modelled, of that unit

    uint64_t ticket = 0;   // 0: does not wait
    uint64_t turns_at = 0; // turns of its priority when it began to wait
    uint64_t since_ns = 0; // when it began to wait
    // Units that it is known to want next, 0 where there is none: look-ahead.
    std::array<uint64_t, 4> upcoming = {};
    bool interested = false; // has upcoming units
    uint64_t planned_ns = 0; // its part of the client's backlog

    bool waits() const { return ticket != 0; }
};

// A place for units, as the policy sees it.
struct Slot {
    SlotState state = SlotState::Empty;
    bool pinned = false;
    bool abandoned = false; // what is resident is nobody's any more
    uint64_t unit = 0;      // resident or on its way; 0: none
    uint32_t client = 0;    // whose unit it is
    uint64_t capacity = 0;  // of the slot
    uint64_t reload_ns = 0; // modelled, of that unit
    uint64_t last_use = 0;  // counts uses of all slots
    uint64_t loaded = 0;    // counts loads of all slots
};

// What only the owner of the state can tell.
class Facts
{
public:
    virtual ~Facts() = default;
    // Whether what is resident in the slot is what the request wants.
    virtual bool holds(const Request &request, uint32_t slot) const = 0;
    // Whether the slot could hold it at all: class and size.
    virtual bool fits(const Request &request, uint32_t slot) const = 0;
    // Whether the request may have what is resident evicted, pins aside.
    virtual bool may_evict(const Request &request, uint32_t slot) const = 0;
};

// A way to decide. Policies keep no state of their own.
class Policy
{
public:
    virtual ~Policy() = default;
    virtual std::string_view name() const = 0;

    // True when it is the turn of `a` rather than of `b`: a strict weak order.
    virtual bool before(const Arbiter &arbiter, const Request &a, const Request &b) const = 0;
    // True when evicting what is in slot `a` loses less than in slot `b`. Both are Ready.
    virtual bool rather_evict(const Arbiter &arbiter, uint32_t a, uint32_t b) const = 0;
    virtual Reason eviction_reason() const = 0;

    // False: what is resident is loaded again for the next request, as managers without
    // reuse do. What is pinned is reused by all.
    virtual bool reuses() const { return true; }
    // Most dispatches of a lease while others wait; 0: whoever goes before takes the slot.
    virtual uint32_t burst() const { return 64; }
    // Whether it waits for the unit where it is resident and busy, rather than evict another
    // for a second copy.
    virtual bool waits_for_copy(const Arbiter &, const Request &) const { return false; }
    // Whether `request` must leave alone what is in the slot, though it could evict it.
    virtual bool protects(const Arbiter &, const Request &, uint32_t) const { return false; }
    // Whether it loads ahead of requests.
    virtual bool looks_ahead() const { return false; }
};

// The policies by name, the default first: "adaptive", "fcfs" (no reuse), "rr" (no reuse,
// clients take turns), "fcfs-reuse", "lru", "fewest" (fewest reconfigurations).
const std::vector<std::string_view> &policy_names();
// Null for another name.
std::unique_ptr<const Policy> make_policy(std::string_view name);

} // namespace acc::policy
