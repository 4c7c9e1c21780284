// SPDX-License-Identifier: MIT
//
// The kernel driver's pure logic, in user space: bookkeeping of bindings, page lists, and what is
// believed of a device's rings.
#include "tests/kernel/logic/logic.h"

#include <cerrno>
#include <gtest/gtest.h>
#include <limits>

using namespace acc::fuzz;

namespace
{

constexpr u64 page = ACC_PAGE_BYTES;
constexpr u64 base = 0x5660'0000'0000;

acc_va at(u64 first, u64 pages)
{
    return {base + first * page, pages * page, 3, 0, false};
}

class Bindings : public testing::Test
{
protected:
    Bindings() { acc_va_init(&space_, 4); }
    ~Bindings() override { acc_va_fini(&space_); }
    int range(u64 first, u64 pages)
    {
        return acc_va_range(&space_, base + first * page, pages * page, &count_);
    }

    acc_va_space space_;
    u32 count_ = 0;
};

TEST_F(Bindings, RefusesOverlaps)
{
    acc_va node = at(4, 4), before = at(2, 2), behind = at(8, 1);
    ASSERT_EQ(acc_va_insert(&space_, &node), 0);
    for (const auto &[first, pages] : {std::pair{4, 4}, {3, 2}, {7, 1}, {5, 1}, {0, 16}, {7, 9}}) {
        acc_va other = at(u64(first), u64(pages));
        EXPECT_EQ(acc_va_insert(&space_, &other), -EEXIST) << first << "+" << pages;
    }
    EXPECT_EQ(acc_va_insert(&space_, &before), 0);
    EXPECT_EQ(acc_va_insert(&space_, &behind), 0);
    EXPECT_TRUE(acc_va_valid(&space_));
    EXPECT_EQ(space_.count, 3u);
}

TEST_F(Bindings, FindsWhatShowsAnAddress)
{
    acc_va node = at(4, 4);
    ASSERT_EQ(acc_va_insert(&space_, &node), 0);
    EXPECT_EQ(acc_va_find(&space_, base + 4 * page - 1), nullptr);
    EXPECT_EQ(acc_va_find(&space_, base + 4 * page), &node);
    EXPECT_EQ(acc_va_find(&space_, base + 8 * page - 1), &node);
    EXPECT_EQ(acc_va_find(&space_, base + 8 * page), nullptr);
    EXPECT_EQ(acc_va_find(&space_, 0), nullptr);
    EXPECT_EQ(acc_va_find(&space_, std::numeric_limits<u64>::max()), nullptr);
}

TEST_F(Bindings, RangesAreWholeBindings)
{
    acc_va first = at(0, 2), second = at(2, 2), third = at(6, 2);
    for (acc_va *node : {&third, &first, &second})
        ASSERT_EQ(acc_va_insert(&space_, node), 0);
    EXPECT_EQ(range(0, 2), 0);
    EXPECT_EQ(count_, 1u);
    EXPECT_EQ(range(0, 4), 0);
    EXPECT_EQ(count_, 2u);
    EXPECT_EQ(range(2, 2), 1) << "the index of the first";
    EXPECT_EQ(range(1, 1), -ENOENT);
    EXPECT_EQ(range(4, 1), -ENOENT);
    EXPECT_EQ(range(0, 1), -EINVAL) << "cut";
    EXPECT_EQ(range(0, 3), -EINVAL) << "the last is cut";
    EXPECT_EQ(range(0, 5), -EINVAL) << "a hole";
    EXPECT_EQ(range(0, 8), -EINVAL) << "a hole within";
    EXPECT_EQ(range(6, 3), -EINVAL) << "beyond the last";
    second.queues = 1;
    EXPECT_EQ(range(0, 4), -EBUSY);
    second.queues = 0;
    second.busy = true;
    EXPECT_EQ(range(2, 2), -EBUSY);
    EXPECT_EQ(range(6, 2), 2);
}

TEST_F(Bindings, TheLimitAndMemoryAreRefusalsThatChangeNothing)
{
    acc_va nodes[] = {at(0, 1), at(2, 1), at(4, 1), at(6, 1), at(8, 1)};
    acc_shim_fail = 1;
    EXPECT_EQ(acc_va_insert(&space_, &nodes[0]), -ENOMEM);
    EXPECT_EQ(space_.count, 0u);
    acc_shim_fail = 0;
    for (int i = 0; i < 4; i++)
        ASSERT_EQ(acc_va_insert(&space_, &nodes[i]), 0);
    EXPECT_EQ(acc_va_insert(&space_, &nodes[4]), -E2BIG);
    acc_va_remove(&space_, &nodes[1]);
    EXPECT_EQ(acc_va_insert(&space_, &nodes[4]), 0);
    EXPECT_EQ(acc_va_find(&space_, nodes[1].address), nullptr);
    EXPECT_TRUE(acc_va_valid(&space_));
}

TEST(PageLists, MergeNeighboursAndKeepTheOrder)
{
    acc_extents extents;
    acc_extents_init(&extents);
    const u64 buses[] = {8, 9, 10, 4, 5, 5, 0, 1, 63};
    for (const u64 bus : buses)
        ASSERT_EQ(acc_extents_add(&extents, bus * page), 0);
    EXPECT_EQ(extents.pages, std::size(buses));
    EXPECT_EQ(extents.count, 5u) << "8–10, 4–5, 5, 0–1, 63";
    __le64 list[std::size(buses)];
    for (u64 first = 0; first <= std::size(buses); first++)
        for (u64 count = 0; first + count <= std::size(buses); count++) {
            ASSERT_EQ(acc_extents_fill(&extents, first, count, list), 0);
            for (u64 i = 0; i < count; i++)
                ASSERT_EQ(list[i], buses[first + i] * page) << first << " " << count;
        }
    EXPECT_EQ(acc_extents_fill(&extents, 0, std::size(buses) + 1, list), -EINVAL);
    EXPECT_EQ(acc_extents_fill(&extents, std::size(buses), 1, list), -EINVAL);
    EXPECT_EQ(acc_extents_fill(&extents, ~0ull, 2, list), -EINVAL) << "wraps";
    EXPECT_EQ(acc_extents_add(&extents, 7), -EINVAL);
    acc_extents_fini(&extents);
    EXPECT_EQ(extents.pages, 0u);
}

TEST(PageLists, MemoryIsARefusal)
{
    acc_extents extents;
    acc_extents_init(&extents);
    acc_shim_fail = 1;
    EXPECT_EQ(acc_extents_add(&extents, page), -ENOMEM);
    EXPECT_EQ(extents.pages, 0u);
    acc_shim_fail = 0;
    acc_extents_fini(&extents);
}

TEST(DeviceRing, PhaseTurnsWithEachLap)
{
    EXPECT_EQ(acc_ring_phase(0, 4), 1u);
    EXPECT_EQ(acc_ring_phase(15, 4), 1u);
    EXPECT_EQ(acc_ring_phase(16, 4), 0u);
    EXPECT_EQ(acc_ring_phase(31, 4), 0u);
    EXPECT_EQ(acc_ring_phase(32, 4), 1u);
    EXPECT_EQ(acc_ring_phase(~0u, 4), 0u) << "the last lap before the counter wraps";
    EXPECT_TRUE(acc_ring_ready(0, 4, 1));
    EXPECT_FALSE(acc_ring_ready(0, 4, 0)) << "a zeroed ring holds nothing";
    EXPECT_FALSE(acc_ring_ready(0, 4, 3)) << "no phase";
    EXPECT_FALSE(acc_ring_ready(16, 4, 1)) << "the last lap's";
}

TEST(DeviceRing, AStatusIsAnErrno)
{
    EXPECT_EQ(acc_ring_status(0), 0);
    EXPECT_EQ(acc_ring_status(-ENOENT), -ENOENT);
    EXPECT_EQ(acc_ring_status(-4095), -4095);
    EXPECT_EQ(acc_ring_status(-4096), -EIO);
    EXPECT_EQ(acc_ring_status(1), -EIO);
    EXPECT_EQ(acc_ring_status(std::numeric_limits<s32>::min()), -EIO);
}

TEST(DeviceRing, EventsAreBounded)
{
    acc_event event = {};
    event.type = ACC_EVENT_SIGNAL;
    event.asid = 1;
    event.address = base;
    EXPECT_TRUE(acc_ring_event_valid(&event, 2));
    event.asid = 0;
    EXPECT_FALSE(acc_ring_event_valid(&event, 2));
    event.asid = 2;
    EXPECT_FALSE(acc_ring_event_valid(&event, 2)) << "beyond the last ASID";
    event.asid = 1;
    event.address = base + 8;
    EXPECT_FALSE(acc_ring_event_valid(&event, 2)) << "no signal's address";
    event.type = ACC_EVENT_FAULT;
    EXPECT_TRUE(acc_ring_event_valid(&event, 2)) << "a fault's address is any";
    event.type = ACC_EVENT_LOST;
    event.asid = 0;
    EXPECT_TRUE(acc_ring_event_valid(&event, 2));
    for (const u16 type : {0, 4, 6, 0xffff}) {
        event.type = type;
        EXPECT_FALSE(acc_ring_event_valid(&event, 2)) << type;
    }
}

TEST(DeviceRing, LimitsAreCutToWhatCanBeServed)
{
    drm_acc_limits limits = {};
    limits.max_queues = limits.doorbells_per_page = limits.max_ring_packets = ~0u;
    limits.max_program_bytes = limits.max_timeout_ns = ~0ull;
    EXPECT_EQ(acc_ring_limits(&limits), 0);
    EXPECT_EQ(limits.max_queues, ACC_DOORBELLS_PER_PAGE);
    EXPECT_EQ(limits.doorbells_per_page, ACC_DOORBELLS_PER_PAGE);
    EXPECT_EQ(limits.min_ring_packets, 1u << ACC_RING_MIN_LOG2);
    EXPECT_EQ(limits.max_ring_packets, 1u << ACC_RING_MAX_LOG2);
    EXPECT_EQ(limits.max_program_bytes, 1ull << 30);
    EXPECT_EQ(limits.max_timeout_ns, 3'600'000'000'000ull);
    limits.max_ring_packets = 1;
    EXPECT_EQ(acc_ring_limits(&limits), -EINVAL);
    limits.max_ring_packets = 1u << 10;
    limits.doorbells_per_page = 0;
    EXPECT_EQ(acc_ring_limits(&limits), -EINVAL) << "no queue at all";
}

TEST(KernelLogic, AgreesWithAModelOverRandomOperations)
{
    for (const auto &seed : logic_seeds())
        try_logic(seed);
    for (u32 seed = 1; seed <= 400; seed++) {
        std::vector<std::byte> bytes(600);
        u32 state = seed;
        for (auto &byte : bytes) {
            state = state * 1664525u + 1013904223u;
            byte = std::byte(state >> 24);
        }
        try_logic(bytes);
    }
}

} // namespace
