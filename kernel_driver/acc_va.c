// SPDX-License-Identifier: GPL-2.0-only
#include <linux/errno.h>
#include <linux/mm.h>
#include <linux/string.h>
#include <linux/types.h>

#include "acc_va.h"

void acc_va_init(struct acc_va_space *space, u32 limit)
{
	memset(space, 0, sizeof(*space));
	space->limit = limit;
}

void acc_va_fini(struct acc_va_space *space)
{
	kvfree(space->nodes);
	space->nodes = NULL;
	space->count = 0;
	space->capacity = 0;
}

u32 acc_va_lower_bound(const struct acc_va_space *space, u64 address)
{
	u32 low = 0, high = space->count;

	while (low < high) {
		u32 middle = low + (high - low) / 2;

		if (space->nodes[middle]->address < address)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static int acc_va_grow(struct acc_va_space *space)
{
	u32 capacity = space->capacity ? space->capacity * 2 : 16;
	struct acc_va **nodes;

	if (capacity > space->limit)
		capacity = space->limit;
	nodes = kvmalloc_array(capacity, sizeof(*nodes), GFP_KERNEL);
	if (!nodes)
		return -ENOMEM;
	if (space->count)
		memcpy(nodes, space->nodes, space->count * sizeof(*nodes));
	kvfree(space->nodes);
	space->nodes = nodes;
	space->capacity = capacity;
	return 0;
}

int acc_va_insert(struct acc_va_space *space, struct acc_va *node)
{
	u32 at = acc_va_lower_bound(space, node->address);

	/* No sum wraps: a node in the array ends below 2^64, by the caller's check. */
	if (at < space->count && space->nodes[at]->address - node->address < node->range)
		return -EEXIST;
	if (at) {
		const struct acc_va *before = space->nodes[at - 1];

		if (node->address - before->address < before->range)
			return -EEXIST;
	}
	if (space->count >= space->limit)
		return -E2BIG;
	if (space->count == space->capacity) {
		int ret = acc_va_grow(space);

		if (ret)
			return ret;
	}
	memmove(&space->nodes[at + 1], &space->nodes[at],
		(space->count - at) * sizeof(*space->nodes));
	space->nodes[at] = node;
	space->count++;
	return 0;
}

struct acc_va *acc_va_find(const struct acc_va_space *space, u64 address)
{
	u32 at = acc_va_lower_bound(space, address);

	if (at < space->count && space->nodes[at]->address == address)
		return space->nodes[at];
	if (!at || address - space->nodes[at - 1]->address >= space->nodes[at - 1]->range)
		return NULL;
	return space->nodes[at - 1];
}

int acc_va_range(const struct acc_va_space *space, u64 address, u64 range, u32 *count)
{
	u32 first = acc_va_lower_bound(space, address), at = first;
	u64 done = 0;

	if (first >= space->count || space->nodes[first]->address != address)
		return -ENOENT;
	while (done < range) {
		const struct acc_va *node;

		if (at >= space->count)
			return -EINVAL;
		node = space->nodes[at];
		if (node->address - address != done || node->range > range - done)
			return -EINVAL;
		if (node->busy || node->queues)
			return -EBUSY;
		done += node->range;
		at++;
	}
	*count = at - first;
	return first;
}

void acc_va_remove(struct acc_va_space *space, const struct acc_va *node)
{
	u32 at = acc_va_lower_bound(space, node->address);

	memmove(&space->nodes[at], &space->nodes[at + 1],
		(space->count - at - 1) * sizeof(*space->nodes));
	space->count--;
}

bool acc_va_valid(const struct acc_va_space *space)
{
	u32 i;

	if (space->count > space->capacity || space->count > space->limit)
		return false;
	for (i = 1; i < space->count; i++) {
		const struct acc_va *before = space->nodes[i - 1];

		if (space->nodes[i]->address <= before->address ||
		    space->nodes[i]->address - before->address < before->range)
			return false;
	}
	return true;
}
