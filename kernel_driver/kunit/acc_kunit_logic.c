// SPDX-License-Identifier: GPL-2.0-only
/*
 * The pure files, in the kernel: the same rules as tests/kernel/logic in user space, here
 * with the kernel's allocator, its byte order and its checkers.
 */
#include "acc_kunit.h"

#include "../acc_extent.c"
#include "../acc_va.c"
#include "../acc_ring.h"

#define KUNIT_BASE 0x566000000000ull

static struct acc_va acc_kunit_va(u64 first, u64 pages)
{
	return (struct acc_va){ .address = KUNIT_BASE + (first << ACC_PAGE_SHIFT),
				.range = pages << ACC_PAGE_SHIFT,
				.flags = DRM_ACC_VM_FLAGS };
}

static void bindings_refuse_overlaps(struct kunit *test)
{
	struct acc_va node = acc_kunit_va(4, 4), inside = acc_kunit_va(5, 1);
	struct acc_va left = acc_kunit_va(3, 2), around = acc_kunit_va(0, 16);
	struct acc_va before = acc_kunit_va(2, 2), behind = acc_kunit_va(8, 1);
	struct acc_va_space space;

	acc_va_init(&space, 8);
	KUNIT_ASSERT_EQ(test, 0, acc_va_insert(&space, &node));
	KUNIT_EXPECT_EQ(test, -EEXIST, acc_va_insert(&space, &inside));
	KUNIT_EXPECT_EQ(test, -EEXIST, acc_va_insert(&space, &left));
	KUNIT_EXPECT_EQ(test, -EEXIST, acc_va_insert(&space, &around));
	KUNIT_EXPECT_EQ(test, 0, acc_va_insert(&space, &before));
	KUNIT_EXPECT_EQ(test, 0, acc_va_insert(&space, &behind));
	KUNIT_EXPECT_TRUE(test, acc_va_valid(&space));
	KUNIT_EXPECT_PTR_EQ(test, &node, acc_va_find(&space, inside.address));
	KUNIT_EXPECT_NULL(test, acc_va_find(&space, KUNIT_BASE));
	acc_va_fini(&space);
}

static void bindings_are_unbound_whole(struct kunit *test)
{
	struct acc_va first = acc_kunit_va(0, 2), second = acc_kunit_va(2, 2);
	struct acc_va third = acc_kunit_va(6, 2);
	struct acc_va_space space;
	u32 count = 0;

	acc_va_init(&space, 8);
	KUNIT_ASSERT_EQ(test, 0, acc_va_insert(&space, &third));
	KUNIT_ASSERT_EQ(test, 0, acc_va_insert(&space, &first));
	KUNIT_ASSERT_EQ(test, 0, acc_va_insert(&space, &second));
	KUNIT_EXPECT_EQ(test, 0, acc_va_range(&space, KUNIT_BASE, 4 * ACC_PAGE_BYTES, &count));
	KUNIT_EXPECT_EQ(test, 2, count);
	KUNIT_EXPECT_EQ(test, -EINVAL,
			acc_va_range(&space, KUNIT_BASE, 3 * ACC_PAGE_BYTES, &count));
	KUNIT_EXPECT_EQ(test, -EINVAL,
			acc_va_range(&space, KUNIT_BASE, 8 * ACC_PAGE_BYTES, &count));
	KUNIT_EXPECT_EQ(test, -ENOENT,
			acc_va_range(&space, KUNIT_BASE + ACC_PAGE_BYTES, ACC_PAGE_BYTES, &count));
	second.queues = 1;
	KUNIT_EXPECT_EQ(test, -EBUSY,
			acc_va_range(&space, second.address, second.range, &count));
	acc_va_fini(&space);
}

/* The most that a file may have, in the worst order. */
static void bindings_at_the_limit(struct kunit *test)
{
	const u32 limit = 4096;
	struct acc_va_space space;
	struct acc_va *nodes;
	u32 i;

	nodes = kunit_kcalloc(test, limit + 1, sizeof(*nodes), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, nodes);
	acc_va_init(&space, limit);
	for (i = 0; i <= limit; i++)
		nodes[i] = acc_kunit_va(2 * (limit - i), 1);
	for (i = 0; i < limit; i++)
		KUNIT_ASSERT_EQ(test, 0, acc_va_insert(&space, &nodes[i]));
	KUNIT_EXPECT_EQ(test, -E2BIG, acc_va_insert(&space, &nodes[limit]));
	KUNIT_EXPECT_TRUE(test, acc_va_valid(&space));
	for (i = 0; i < limit; i += 2)
		acc_va_remove(&space, &nodes[i]);
	KUNIT_EXPECT_EQ(test, limit / 2, space.count);
	KUNIT_EXPECT_TRUE(test, acc_va_valid(&space));
	acc_va_fini(&space);
}

static struct kunit_case bindings_cases[] = {
	KUNIT_CASE(bindings_refuse_overlaps),
	KUNIT_CASE(bindings_are_unbound_whole),
	KUNIT_CASE(bindings_at_the_limit),
	{ }
};

struct kunit_suite acc_kunit_bindings = {
	.name = "acc_bindings",
	.test_cases = bindings_cases,
};

static void extents_keep_order(struct kunit *test)
{
	static const u64 buses[] = { 8, 9, 10, 4, 5, 5, 0, 1, 63 };
	__le64 list[ARRAY_SIZE(buses)];
	struct acc_extents extents;
	u32 i;

	acc_extents_init(&extents);
	for (i = 0; i < ARRAY_SIZE(buses); i++)
		KUNIT_ASSERT_EQ(test, 0, acc_extents_add(&extents, buses[i] << ACC_PAGE_SHIFT));
	KUNIT_EXPECT_EQ(test, 5, extents.count);
	KUNIT_ASSERT_EQ(test, 0, acc_extents_fill(&extents, 2, 6, list));
	for (i = 0; i < 6; i++)
		KUNIT_EXPECT_EQ(test, buses[2 + i] << ACC_PAGE_SHIFT, le64_to_cpu(list[i]));
	KUNIT_EXPECT_EQ(test, -EINVAL, acc_extents_fill(&extents, 4, 6, list));
	KUNIT_EXPECT_EQ(test, -EINVAL, acc_extents_fill(&extents, ~0ull, 2, list));
	KUNIT_EXPECT_EQ(test, -EINVAL, acc_extents_add(&extents, 7));
	acc_extents_fini(&extents);
}

static struct kunit_case extents_cases[] = {
	KUNIT_CASE(extents_keep_order),
	{ }
};

struct kunit_suite acc_kunit_extents = {
	.name = "acc_extents",
	.test_cases = extents_cases,
};

static void rings_bound_what_a_device_says(struct kunit *test)
{
	struct drm_acc_limits limits = { .max_queues = ~0u, .doorbells_per_page = ~0u,
					 .max_ring_packets = ~0u };
	struct acc_event event = { .type = ACC_EVENT_SIGNAL, .asid = 1, .address = KUNIT_BASE };

	KUNIT_EXPECT_EQ(test, 1, acc_ring_phase(15, 4));
	KUNIT_EXPECT_EQ(test, 0, acc_ring_phase(16, 4));
	KUNIT_EXPECT_FALSE(test, acc_ring_ready(0, 4, 0));
	KUNIT_EXPECT_FALSE(test, acc_ring_ready(0, 4, 3));
	KUNIT_EXPECT_EQ(test, -EIO, acc_ring_status(1));
	KUNIT_EXPECT_EQ(test, -EIO, acc_ring_status(-4096));
	KUNIT_EXPECT_EQ(test, -ENOENT, acc_ring_status(-ENOENT));
	KUNIT_EXPECT_TRUE(test, acc_ring_event_valid(&event, 2));
	event.asid = 2;
	KUNIT_EXPECT_FALSE(test, acc_ring_event_valid(&event, 2));
	KUNIT_EXPECT_EQ(test, 0, acc_ring_limits(&limits));
	KUNIT_EXPECT_EQ(test, ACC_DOORBELLS_PER_PAGE, limits.max_queues);
}

static struct kunit_case rings_cases[] = {
	KUNIT_CASE(rings_bound_what_a_device_says),
	{ }
};

struct kunit_suite acc_kunit_rings = {
	.name = "acc_rings",
	.test_cases = rings_cases,
};
