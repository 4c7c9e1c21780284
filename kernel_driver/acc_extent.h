/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Where the pages of a buffer are on the bus: runs of neighbouring pages, and the
 * lists of single pages that the device's commands take. Pure, as acc_va.h.
 *
 * Filled once, by one caller; read by any number at once afterwards.
 */
#ifndef ACC_EXTENT_H
#define ACC_EXTENT_H

#include <linux/types.h>

struct acc_extent {
	u64 bus; /* bus address of the first page */
	u64 first; /* its number in the buffer */
	u64 pages;
};

struct acc_extents {
	struct acc_extent *runs;
	u32 count;
	u32 capacity;
	u64 pages; /* in all */
};

void acc_extents_init(struct acc_extents *extents);
void acc_extents_fini(struct acc_extents *extents);
/* Appends one page; -EINVAL: not a page's address; -E2BIG; -ENOMEM. */
int acc_extents_add(struct acc_extents *extents, u64 bus);
/* Pages [first, first + count) as little-endian u64 in @list; -EINVAL outside. */
int acc_extents_fill(const struct acc_extents *extents, u64 first, u64 count, __le64 *list);

#endif
