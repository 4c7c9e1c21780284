/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the driver believes of a ring that the device writes: completions and events.
 * Pure, as acc_va.h: the device is not trusted, so each rule is tested alone.
 *
 * One consumer at a time. Counters run free in 32 bits; entry = count & mask.
 */
#ifndef ACC_RING_H
#define ACC_RING_H

#include <linux/errno.h>
#include <linux/types.h>

#include "acc/check.h"

/* The phase of entries in the lap of a counter: 1 in the first, then 0, and so on. */
static inline u32 acc_ring_phase(u32 count, u32 log2)
{
	return !((count >> log2) & 1);
}

/* Entry @count has been written when its phase is its lap's. */
static inline bool acc_ring_ready(u32 count, u32 log2, u16 phase)
{
	return phase == acc_ring_phase(count, log2);
}

/* A completion's status as an errno of ours: what a device may not say is EIO. */
static inline int acc_ring_status(s32 status)
{
	return status <= 0 && status > -4096 ? status : -EIO;
}

/* Whether an event can be acted on at all. */
static inline bool acc_ring_event_valid(const struct acc_event *event, u32 asids)
{
	switch (event->type) {
	case ACC_EVENT_SIGNAL:
		return event->asid && event->asid < asids &&
		       !(event->address % ACC_SIGNAL_BYTES);
	case ACC_EVENT_SPACE:
	case ACC_EVENT_FAULT:
		return event->asid && event->asid < asids;
	case ACC_EVENT_LOST:
		return true;
	default:
		return false;
	}
}

/*
 * Limits that a device claims, cut to what the driver can serve. -EINVAL when nothing
 * would be left.
 */
static inline int acc_ring_limits(struct drm_acc_limits *limits)
{
	if (limits->doorbells_per_page > ACC_DOORBELLS_PER_PAGE)
		limits->doorbells_per_page = ACC_DOORBELLS_PER_PAGE;
	if (limits->max_queues > limits->doorbells_per_page || !limits->max_queues)
		limits->max_queues = limits->doorbells_per_page;
	if (limits->min_ring_packets < 1u << ACC_RING_MIN_LOG2)
		limits->min_ring_packets = 1u << ACC_RING_MIN_LOG2;
	if (limits->max_ring_packets > 1u << ACC_RING_MAX_LOG2)
		limits->max_ring_packets = 1u << ACC_RING_MAX_LOG2;
	if (!limits->max_program_bytes || limits->max_program_bytes > 1ull << 30)
		limits->max_program_bytes = 1ull << 30;
	/* One hour: sums with it stay far from wrapping. */
	if (!limits->max_timeout_ns || limits->max_timeout_ns > 3600000000000ull)
		limits->max_timeout_ns = 3600000000000ull;
	if (!limits->max_queues || limits->min_ring_packets > limits->max_ring_packets)
		return -EINVAL;
	return 0;
}

#endif
