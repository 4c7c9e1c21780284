// SPDX-License-Identifier: GPL-2.0-only
#include <linux/errno.h>
#include <linux/mm.h>
#include <linux/string.h>
#include <linux/types.h>

#include "acc/regs.h"
#include "acc_extent.h"

void acc_extents_init(struct acc_extents *extents)
{
	memset(extents, 0, sizeof(*extents));
}

void acc_extents_fini(struct acc_extents *extents)
{
	kvfree(extents->runs);
	acc_extents_init(extents);
}

int acc_extents_add(struct acc_extents *extents, u64 bus)
{
	struct acc_extent *last = NULL;

	if (bus & (ACC_PAGE_BYTES - 1))
		return -EINVAL;
	if (extents->count)
		last = &extents->runs[extents->count - 1];
	if (last && bus - last->bus == last->pages << ACC_PAGE_SHIFT) {
		last->pages++;
		extents->pages++;
		return 0;
	}
	if (extents->count == extents->capacity) {
		u32 capacity = extents->capacity ? extents->capacity * 2 : 4;
		struct acc_extent *runs;

		if (capacity < extents->capacity)
			return -E2BIG;
		runs = kvmalloc_array(capacity, sizeof(*runs), GFP_KERNEL);
		if (!runs)
			return -ENOMEM;
		if (extents->count)
			memcpy(runs, extents->runs, extents->count * sizeof(*runs));
		kvfree(extents->runs);
		extents->runs = runs;
		extents->capacity = capacity;
	}
	last = &extents->runs[extents->count++];
	last->bus = bus;
	last->first = extents->pages++;
	last->pages = 1;
	return 0;
}

int acc_extents_fill(const struct acc_extents *extents, u64 first, u64 count, __le64 *list)
{
	u32 low = 0, high = extents->count;
	u64 i = 0;

	if (count > extents->pages || first > extents->pages - count)
		return -EINVAL;
	if (!count)
		return 0;
	/* The last run that begins at or before `first`. */
	while (high - low > 1) {
		u32 middle = low + (high - low) / 2;

		if (extents->runs[middle].first <= first)
			low = middle;
		else
			high = middle;
	}
	for (; i < count; low++) {
		const struct acc_extent *run = &extents->runs[low];
		u64 at = first + i - run->first;

		for (; at < run->pages && i < count; at++, i++)
			list[i] = cpu_to_le64(run->bus + (at << ACC_PAGE_SHIFT));
	}
	return 0;
}
