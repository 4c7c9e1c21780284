// SPDX-License-Identifier: MIT
//
// Decisions about slots, one at a time: where, whose turn, what is spared, and why.
#include "policy/arbiter.h"

#include "tests/unit/policy/units.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <list>
#include <set>

namespace acc::policy
{

namespace
{

// Slots and clients without a device. A unit needs as much capacity as `size` says.
class World : public Facts
{
public:
    explicit World(std::string_view policy, size_t slots = 2)
        : arbiter(*this, make_policy(policy), slots)
    {
        for (Slot &slot : arbiter.slots)
            slot.capacity = 10;
    }
    bool holds(const Request &request, uint32_t slot) const override
    {
        return arbiter.slots[slot].unit == request.unit;
    }
    bool fits(const Request &request, uint32_t slot) const override
    {
        const auto found = size.find(request.unit);
        return (found == size.end() ? 1 : found->second) <= arbiter.slots[slot].capacity;
    }
    bool may_evict(const Request &, uint32_t) const override { return may_evict_any; }

    Share &client(uint32_t id)
    {
        for (Share &share : shares)
            if (share.client == id) return share;
        shares.push_back({});
        shares.back().client = id;
        return shares.back();
    }
    Request &request(uint32_t of, uint64_t unit, uint64_t reload_ns = 89 * ms)
    {
        Request &made = requests.emplace_back();
        made.share = &client(of);
        made.unit = unit;
        made.reload_ns = reload_ns;
        return made;
    }
    // The unit is resident, as after a dispatch of it.
    void reside(uint32_t slot, uint64_t unit, uint32_t of = 1, uint64_t reload_ns = 89 * ms,
                int uses = 1)
    {
        arbiter.load(slot, request(of, unit, reload_ns));
        arbiter.slots[slot].state = SlotState::Ready;
        for (int i = 0; i < uses; i++)
            arbiter.use(slot);
    }
    void waits(Request &request)
    {
        arbiter.enter(request, 0);
        arbiter.wait(request, 0);
    }
    void busy(uint32_t slot) { arbiter.slots[slot].state = SlotState::Busy; }

    Arbiter arbiter;
    std::map<uint64_t, uint64_t> size;
    bool may_evict_any = true;
    std::list<Share> shares;
    std::list<Request> requests;
};

TEST(Policy, NamesMakePolicies)
{
    for (const std::string_view name : policy_names()) {
        const auto policy = make_policy(name);
        ASSERT_TRUE(policy) << name;
        EXPECT_EQ(policy->name(), name);
    }
    EXPECT_FALSE(make_policy(""));
    EXPECT_FALSE(make_policy("adaptive "));
}

TEST(Arbiter, TakesTheSlotThatHoldsTheUnit)
{
    for (const std::string_view name : {"adaptive", "lru", "fcfs-reuse", "fewest"}) {
        World world(name);
        world.reside(1, 7);
        const auto choice = world.arbiter.choose(world.request(2, 7));
        EXPECT_EQ(choice.slot, 1u) << name;
        EXPECT_TRUE(choice.resident) << name;
    }
}

TEST(Arbiter, PoliciesWithoutReuseLoadAgainUnlessItIsPinned)
{
    for (const std::string_view name : {"fcfs", "rr"}) {
        World world(name, 1);
        world.reside(0, 7);
        EXPECT_FALSE(world.arbiter.choose(world.request(2, 7)).resident) << name;
        world.arbiter.slots[0].pinned = true;
        EXPECT_TRUE(world.arbiter.choose(world.request(2, 7)).resident) << name;
    }
}

// A role that fits two regions leaves the big one to a role that fits only there.
TEST(Arbiter, TakesTheSmallestEmptySlotThatIsBigEnough)
{
    World world("adaptive", 3);
    world.arbiter.slots[0].capacity = 100;
    world.size[5] = 60;
    const auto small = world.arbiter.choose(world.request(1, 4));
    EXPECT_EQ(small.slot, 1u);
    EXPECT_EQ(small.reason, Reason::Empty);
    EXPECT_EQ(world.arbiter.choose(world.request(1, 5)).slot, 0u);
    world.size[6] = 101;
    const auto none = world.arbiter.choose(world.request(1, 6));
    EXPECT_EQ(none.slot, no_slot);
    EXPECT_FALSE(none.may_wait);
    EXPECT_EQ(none.reason, Reason::Unavailable);
}

TEST(Arbiter, EvictsWhatCostsLeastToMiss)
{
    World world("adaptive", 3);
    world.reside(0, 1, 1, 89 * ms, 1); // cheap to reload, seldom used
    world.reside(1, 2, 1, 89 * ms, 5);
    world.reside(2, 3, 1, 889 * ms, 1); // dear
    const auto choice = world.arbiter.choose(world.request(2, 9));
    EXPECT_EQ(choice.slot, 0u);
    EXPECT_EQ(choice.reason, Reason::LeastValue);
    // It is going to be used by who waits: worth more than what was used often.
    for (int i = 0; i < 8; i++)
        world.waits(world.request(3 + uint32_t(i), 1));
    EXPECT_EQ(world.arbiter.choose(world.request(2, 9)).slot, 1u);
    EXPECT_GT(world.arbiter.value_ns(0), world.arbiter.value_ns(1));
}

TEST(Arbiter, ForgetsOldUses)
{
    World world("adaptive", 2);
    world.reside(0, 1, 1, 89 * ms, 20);
    world.reside(1, 2);
    for (int i = 0; i < 400; i++)
        world.arbiter.use(1);
    EXPECT_EQ(world.arbiter.choose(world.request(2, 9)).slot, 0u);
    EXPECT_LT(world.arbiter.reuse(1), 0.01);
}

TEST(Arbiter, BaselinesEvictByTheirOwnOrder)
{
    World lru("lru");
    lru.reside(0, 1);
    lru.reside(1, 2);
    lru.arbiter.use(0);
    EXPECT_EQ(lru.arbiter.choose(lru.request(2, 9)).slot, 1u);
    EXPECT_EQ(lru.arbiter.choose(lru.request(2, 9)).reason, Reason::LeastRecent);
    World fcfs("fcfs-reuse");
    fcfs.reside(0, 1);
    fcfs.reside(1, 2);
    fcfs.arbiter.use(0);
    EXPECT_EQ(fcfs.arbiter.choose(fcfs.request(2, 9)).slot, 0u);
    EXPECT_EQ(fcfs.arbiter.choose(fcfs.request(2, 9)).reason, Reason::FirstLoaded);
}

TEST(Arbiter, SparesPinsAndWhatMayNotBeEvicted)
{
    World world("adaptive");
    world.reside(0, 1);
    world.reside(1, 2);
    world.arbiter.slots[0].pinned = true;
    EXPECT_EQ(world.arbiter.choose(world.request(2, 9)).slot, 1u);
    world.arbiter.slots[1].pinned = true;
    auto choice = world.arbiter.choose(world.request(2, 9));
    EXPECT_EQ(choice.slot, no_slot);
    EXPECT_FALSE(choice.may_wait);
    EXPECT_EQ(choice.reason, Reason::Unavailable);
    world.arbiter.slots[0].pinned = world.arbiter.slots[1].pinned = false;
    world.may_evict_any = false;
    EXPECT_FALSE(world.arbiter.choose(world.request(2, 9)).may_wait);
    world.may_evict_any = true;
    world.arbiter.slots[0].state = world.arbiter.slots[1].state = SlotState::Out;
    EXPECT_FALSE(world.arbiter.choose(world.request(2, 9)).may_wait);
}

TEST(Arbiter, AnAbandonedUnitGoesFirst)
{
    World world("adaptive");
    world.reside(0, 1);
    world.reside(1, 2, 1, 889 * ms, 9);
    world.arbiter.slots[1].abandoned = true;
    const auto choice = world.arbiter.choose(world.request(2, 9));
    EXPECT_EQ(choice.slot, 1u);
    EXPECT_EQ(choice.reason, Reason::Abandoned);
}

// A load costs more than the dispatch that is waited for, or less.
TEST(Arbiter, WaitsForABusyUnitWhereALoadCostsMore)
{
    World world("adaptive");
    world.reside(0, 1);
    world.reside(1, 2);
    world.busy(0);
    Request &request = world.request(2, 1);
    world.arbiter.ran(request, ms, ms);
    auto choice = world.arbiter.choose(request);
    EXPECT_EQ(choice.slot, no_slot);
    EXPECT_TRUE(choice.may_wait);
    EXPECT_EQ(choice.reason, Reason::CopyBusy);
    for (int i = 0; i < 64; i++)
        world.arbiter.ran(request, 1900 * ms, 1900 * ms);
    choice = world.arbiter.choose(request);
    EXPECT_EQ(choice.slot, 1u) << "a second copy";
}

TEST(Arbiter, SparesWhatOthersAreAboutToUse)
{
    World world("adaptive", 3);
    world.reside(0, 1);
    world.reside(1, 2);
    world.busy(1);
    world.reside(2, 3);
    world.busy(2);
    Request &pipeline = world.request(1, 1), &other = world.request(2, 9);
    world.arbiter.ran(pipeline, ms, ms);
    world.arbiter.enter(pipeline, 0);
    world.arbiter.expect(pipeline, {1, 0, 0, 0});
    world.client(2).virtual_ns[1] = 1000 * ms; // has had more
    auto choice = world.arbiter.choose(other);
    EXPECT_EQ(choice.slot, no_slot);
    EXPECT_TRUE(choice.may_wait);
    EXPECT_EQ(choice.reason, Reason::Protected);
    // Not for ever: when nothing is at work, nothing would end the wait.
    world.arbiter.slots[1].state = world.arbiter.slots[2].state = SlotState::Out;
    EXPECT_EQ(world.arbiter.choose(other).slot, 0u);
    world.busy(1);
    world.arbiter.expect(pipeline, {});
    EXPECT_EQ(world.arbiter.choose(other).slot, 0u);
}

TEST(Arbiter, QuotaCountsWhileOthersWait)
{
    World world("adaptive", 3);
    world.client(1).quota = 1;
    world.reside(0, 1, 1);
    world.reside(1, 2, 2);
    world.busy(1);
    Request &request = world.request(1, 9);
    EXPECT_EQ(world.arbiter.choose(request).slot, 2u) << "nobody else wants it";
    Request &other = world.request(2, 5);
    other.priority = 0;
    world.waits(other);
    EXPECT_EQ(world.arbiter.choose(request).slot, 0u) << "its own unit has to go";
    world.busy(0);
    auto choice = world.arbiter.choose(request);
    EXPECT_EQ(choice.slot, no_slot);
    EXPECT_TRUE(choice.may_wait);
    EXPECT_EQ(choice.reason, Reason::Quota);
}

// ------------------------------------------------------------------- turns

TEST(Arbiter, PrioritiesAreStrict)
{
    World world("adaptive", 1);
    Request &low = world.request(1, 1), &high = world.request(2, 2);
    low.priority = 0;
    high.priority = 2;
    world.client(2).virtual_ns[2] = 1000 * ms;
    world.waits(low);
    world.waits(high);
    EXPECT_EQ(world.arbiter.next(), &high);
    EXPECT_EQ(world.arbiter.ahead_of(low), &high);
    EXPECT_EQ(world.arbiter.ahead_of(high), nullptr);
}

TEST(Arbiter, WhoHadLessForItsWeightGoesFirst)
{
    World world("adaptive", 1);
    world.client(1).weight = 300;
    Request &heavy = world.request(1, 1), &light = world.request(2, 1);
    world.waits(light);
    world.waits(heavy);
    int heavy_turns = 0;
    for (int i = 0; i < 400; i++) {
        Request *next = world.arbiter.next();
        ASSERT_TRUE(next);
        heavy_turns += next == &heavy;
        world.arbiter.take_turn(*next);
        world.arbiter.charge(*next, ms);
    }
    EXPECT_EQ(heavy_turns, 300);
}

TEST(Arbiter, AResidentUnitMayGoFirstByWhatALoadCosts)
{
    World world("adaptive", 1);
    world.reside(0, 1);
    Request &resident = world.request(1, 1), &other = world.request(2, 2);
    world.arbiter.ran(resident, 10 * ms, 10 * ms);
    world.waits(resident);
    world.waits(other);
    world.client(1).virtual_ns[1] = 170 * ms; // less than two loads of 89 ms ahead
    EXPECT_EQ(world.arbiter.next(), &resident);
    EXPECT_EQ(world.arbiter.grant_reason(resident), Reason::Affinity);
    world.client(1).virtual_ns[1] = 190 * ms;
    EXPECT_EQ(world.arbiter.next(), &other);
    EXPECT_EQ(world.arbiter.grant_reason(other), Reason::Turn);
}

TEST(Arbiter, ShortWorkGoesBeforeLongWithinABound)
{
    World world("adaptive", 1);
    Request &longer = world.request(1, 1), &shorter = world.request(2, 2);
    world.arbiter.ran(longer, 10 * ms, 0);
    world.arbiter.ran(shorter, 10 * ms, 0);
    world.waits(longer);
    world.waits(shorter);
    world.arbiter.plan(longer, 1'000'000);
    world.arbiter.plan(shorter, 2);
    EXPECT_EQ(world.arbiter.next(), &shorter);
    world.client(2).virtual_ns[1] = 200 * ms; // a backlog counts for at most 16 dispatches
    EXPECT_EQ(world.arbiter.next(), &longer);
    world.arbiter.plan(longer, 0);
    world.arbiter.plan(shorter, 0);
    EXPECT_EQ(world.client(1).backlog_ns, 0u);
    EXPECT_EQ(world.client(2).backlog_ns, 0u);
}

// Whatever a policy prefers, who was passed over `patience` times goes first.
TEST(Arbiter, NobodyStarves)
{
    for (const std::string_view name : {"adaptive", "fewest"}) {
        World world(name, 1);
        world.reside(0, 1);
        Request &passed = world.request(1, 2);
        world.client(1).weight = 1;
        world.client(1).virtual_ns[1] = 1'000'000 * ms;
        world.waits(passed);
        uint64_t turns = 0;
        for (;; turns++) {
            Request &newcomer = world.request(2 + uint32_t(turns), 1);
            world.arbiter.enter(newcomer, 0);
            if (world.arbiter.ahead_of(newcomer)) break;
            world.arbiter.take_turn(newcomer);
            world.arbiter.charge(newcomer, ms);
            ASSERT_LE(turns, 2 * patience) << name;
        }
        EXPECT_EQ(turns, patience + 1) << name;
        EXPECT_EQ(world.arbiter.next(), &passed) << name;
        EXPECT_EQ(world.arbiter.grant_reason(passed), Reason::Aged) << name;
    }
}

TEST(Arbiter, LeasesEndForWhoGoesBeforeOrAfterABurst)
{
    World adaptive("adaptive", 1);
    adaptive.reside(0, 1);
    adaptive.busy(0);
    Request &holder = adaptive.request(1, 1), &other = adaptive.request(2, 2);
    const Request *whom = nullptr;
    EXPECT_FALSE(adaptive.arbiter.must_yield(holder, 0, 1000, whom)) << "nobody waits";
    adaptive.waits(other);
    adaptive.arbiter.charge(holder, ms);
    EXPECT_TRUE(adaptive.arbiter.must_yield(holder, 0, 1, whom));
    EXPECT_EQ(whom, &other);
    EXPECT_EQ(adaptive.arbiter.slots[0].state, SlotState::Busy);

    World fcfs("fcfs", 1);
    fcfs.reside(0, 1);
    fcfs.busy(0);
    Request &first = fcfs.request(1, 1), &second = fcfs.request(2, 2);
    fcfs.waits(second);
    EXPECT_FALSE(fcfs.arbiter.must_yield(first, 0, 63, whom));
    EXPECT_TRUE(fcfs.arbiter.must_yield(first, 0, 64, whom));
    EXPECT_EQ(whom, &second);
}

TEST(Arbiter, RoundRobinServesWhoWasServedLongestAgo)
{
    World world("rr", 1);
    Request &one = world.request(1, 1), &two = world.request(2, 2);
    world.waits(one);
    world.waits(two);
    EXPECT_EQ(world.arbiter.next(), &one);
    world.arbiter.take_turn(one);
    EXPECT_EQ(world.arbiter.next(), &two);
    world.arbiter.take_turn(two);
    EXPECT_EQ(world.arbiter.next(), &one);
}

// -------------------------------------------------------------- look-ahead

TEST(Arbiter, LoadsAheadWhereItIsWorthIt)
{
    World world("adaptive", 2);
    Request &request = world.request(1, 5);
    EXPECT_EQ(world.arbiter.choose_ahead(request).slot, 0u) << "there is room";
    world.reside(0, 5);
    EXPECT_EQ(world.arbiter.choose_ahead(request).slot, no_slot) << "it is there";
    world.reside(1, 6, 1, 89 * ms, 3);
    Request &next = world.request(1, 7);
    world.busy(0);
    EXPECT_EQ(world.arbiter.choose_ahead(next).slot, no_slot) << "what is there is worth more";
    world.arbiter.expect(next, {7, 0, 0, 0});
    next.reload_ns = 889 * ms;
    EXPECT_EQ(world.arbiter.choose_ahead(next).slot, 1u);
    world.waits(world.request(2, 8));
    EXPECT_EQ(world.arbiter.choose_ahead(next).slot, no_slot) << "somebody waits for the slot";
}

} // namespace

} // namespace acc::policy
