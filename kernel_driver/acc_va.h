/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The bindings of one address space, ordered by address: pure bookkeeping that also
 * compiles in user space, where it is tested and fuzzed (tests/kernel).
 *
 * The caller locks. Nothing here owns what a binding embeds its node in.
 */
#ifndef ACC_VA_H
#define ACC_VA_H

#include <linux/types.h>

/* Embedded in a binding. */
struct acc_va {
	u64 address; /* bytes, whole pages, as range */
	u64 range;
	u32 flags; /* DRM_ACC_VM_* */
	u32 queues; /* rings and control pages of living queues in it */
	bool busy; /* being bound or unbound */
};

/*
 * A sorted array: a lookup is a binary search in one allocation, and an insertion
 * moves at most `limit` pointers.
 */
struct acc_va_space {
	struct acc_va **nodes;
	u32 count;
	u32 capacity;
	u32 limit; /* most nodes */
};

void acc_va_init(struct acc_va_space *space, u32 limit);
void acc_va_fini(struct acc_va_space *space);

/* -EEXIST: overlaps another; -E2BIG: at the limit; -ENOMEM. */
int acc_va_insert(struct acc_va_space *space, struct acc_va *node);
/* The node that shows @address, or NULL. */
struct acc_va *acc_va_find(const struct acc_va_space *space, u64 address);
/*
 * The nodes that are exactly [address, address + range): the first's index, and how
 * many in @count. -ENOENT: none begins there; -EINVAL: a gap, or the last is cut;
 * -EBUSY: one is busy or holds a queue. Marks nothing.
 */
int acc_va_range(const struct acc_va_space *space, u64 address, u64 range, u32 *count);
/* Takes a node out; it must be in. */
void acc_va_remove(struct acc_va_space *space, const struct acc_va *node);
/* Index of the first node at or behind @address. */
u32 acc_va_lower_bound(const struct acc_va_space *space, u64 address);
/* Adjacent, ordered, within the limit: for tests. */
bool acc_va_valid(const struct acc_va_space *space);

#endif
