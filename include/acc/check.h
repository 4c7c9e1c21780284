/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * Freestanding validators that the kernel driver and the emulator share, so that
 * one input is refused in one way everywhere. Pure functions: they read their
 * arguments and nothing else. The uAPI ones return 0 or -errno; acc_check_packet
 * returns an enum acc_status.
 */
#ifndef ACC_CHECK_H
#define ACC_CHECK_H

#ifdef __KERNEL__
#include <linux/errno.h>
#include <uapi/drm/acc_drm.h>
#else
#include <drm/acc_drm.h>
#include <errno.h>
#endif
#include "acc/regs.h"

/* The whole uAPI's layout, the same in C, C++, 32 and 64 bit. */
ACC_ASSERT_SIZE(struct drm_acc_identity, 200);
ACC_ASSERT_OFFSET(struct drm_acc_identity, features, 16);
ACC_ASSERT_OFFSET(struct drm_acc_identity, uuid, 184);
ACC_ASSERT_SIZE(struct drm_acc_limits, 64);
ACC_ASSERT_OFFSET(struct drm_acc_limits, max_bo_bytes, 32);
ACC_ASSERT_SIZE(struct drm_acc_memory, 56);
ACC_ASSERT_OFFSET(struct drm_acc_memory, status_mmap_offset, 24);
ACC_ASSERT_SIZE(struct drm_acc_slot, 192);
ACC_ASSERT_OFFSET(struct drm_acc_slot, resident, 64);
ACC_ASSERT_OFFSET(struct drm_acc_slot, resources, 128);
ACC_ASSERT_SIZE(struct drm_acc_counters, 128);
ACC_ASSERT_SIZE(struct drm_acc_clock, 32);
ACC_ASSERT_SIZE(struct drm_acc_fault, 176);
ACC_ASSERT_OFFSET(struct drm_acc_fault, kernel, 48);
ACC_ASSERT_SIZE(struct drm_acc_client, 120);
ACC_ASSERT_OFFSET(struct drm_acc_client, packets, 40);
ACC_ASSERT_OFFSET(struct drm_acc_client, name, 88);
ACC_ASSERT_SIZE(struct drm_acc_trace, 200);
ACC_ASSERT_OFFSET(struct drm_acc_trace, kind, 32);
ACC_ASSERT_OFFSET(struct drm_acc_trace, load_ns, 48);
ACC_ASSERT_OFFSET(struct drm_acc_trace, unit, 72);
ACC_ASSERT_SIZE(struct drm_acc_tile, 216);
ACC_ASSERT_OFFSET(struct drm_acc_tile, activations, 24);
ACC_ASSERT_OFFSET(struct drm_acc_tile, mvm_ns, 104);
ACC_ASSERT_OFFSET(struct drm_acc_tile, adc_pj, 152);
ACC_ASSERT_SIZE(struct drm_acc_dev_query, 264);
ACC_ASSERT_OFFSET(struct drm_acc_dev_query, reserved, 8);
ACC_ASSERT_SIZE(struct drm_acc_bo_create, 32);
ACC_ASSERT_OFFSET(struct drm_acc_bo_create, mmap_offset, 24);
ACC_ASSERT_SIZE(struct drm_acc_bo_info, 32);
ACC_ASSERT_SIZE(struct drm_acc_vm_bind, 40);
ACC_ASSERT_OFFSET(struct drm_acc_vm_bind, address, 32);
ACC_ASSERT_SIZE(struct drm_acc_queue_create, 64);
ACC_ASSERT_OFFSET(struct drm_acc_queue_create, kick_fd, 56);
ACC_ASSERT_SIZE(struct drm_acc_queue_destroy, 8);
ACC_ASSERT_SIZE(struct drm_acc_queue_query, 64);
ACC_ASSERT_SIZE(struct drm_acc_event_set, 8);
ACC_ASSERT_OFFSET(struct drm_acc_event_set, fd, 0);
ACC_ASSERT_SIZE(struct drm_acc_wait, 40);
ACC_ASSERT_SIZE(struct drm_acc_signal_wake, 24);
ACC_ASSERT_SIZE(struct drm_acc_program_load, 136);
ACC_ASSERT_OFFSET(struct drm_acc_program_load, why, 40);
ACC_ASSERT_SIZE(struct drm_acc_program_unload, 8);
ACC_ASSERT_SIZE(struct drm_acc_program_query, 112);
ACC_ASSERT_SIZE(struct drm_acc_program_prefetch, 16);
ACC_ASSERT_SIZE(struct drm_acc_program_pin, 16);
ACC_ASSERT_SIZE(struct drm_acc_reset, 16);

/* True when [start, start + size) wraps or leaves [0, end). */
static inline int acc_range_outside(__u64 start, __u64 size, __u64 end)
{
	return size > end || start > end - size;
}

static inline int acc_is_pow2(__u64 x)
{
	return x && !(x & (x - 1));
}

static inline int acc_check_query(const struct drm_acc_dev_query *q)
{
	if (q->type > DRM_ACC_QUERY_TILE)
		return -EINVAL;
	if (q->index && q->type != DRM_ACC_QUERY_SLOT && q->type != DRM_ACC_QUERY_FAULT &&
	    q->type != DRM_ACC_QUERY_CLIENT && q->type != DRM_ACC_QUERY_TRACE &&
	    q->type != DRM_ACC_QUERY_TILE)
		return -EINVAL;
	return 0;
}

static inline int acc_check_bo_create(const struct drm_acc_bo_create *c,
				      const struct drm_acc_limits *limits)
{
	if (c->flags & ~DRM_ACC_BO_FLAGS)
		return -EINVAL;
	if (!c->size || c->size + (ACC_PAGE_BYTES - 1) < c->size)
		return -EINVAL;
	if (limits->max_bo_bytes && c->size > limits->max_bo_bytes)
		return -E2BIG;
	return 0;
}

static inline int acc_check_vm_bind(const struct drm_acc_vm_bind *b,
				    const struct drm_acc_memory *memory)
{
	const __u64 mask = ACC_PAGE_BYTES - 1;

	if (b->pad || (b->op != DRM_ACC_VM_MAP && b->op != DRM_ACC_VM_UNMAP))
		return -EINVAL;
	if (!b->range || ((b->bo_offset | b->range | b->address) & mask))
		return -EINVAL;
	if (b->address < memory->va_start ||
	    acc_range_outside(b->address, b->range, memory->va_end))
		return -EINVAL;
	if (b->op == DRM_ACC_VM_MAP) {
		if ((b->flags & ~DRM_ACC_VM_FLAGS) || !(b->flags & DRM_ACC_VM_FLAGS))
			return -EINVAL;
	} else if (b->handle || b->bo_offset || b->flags) {
		return -EINVAL;
	}
	return 0;
}

static inline int acc_check_queue_create(const struct drm_acc_queue_create *q,
					 const struct drm_acc_limits *limits, __u64 bo_bytes)
{
	if ((q->flags & ~DRM_ACC_QUEUE_FLAGS) || q->pad || q->priority > DRM_ACC_PRIORITY_HIGH)
		return -EINVAL;
	if (!acc_is_pow2(q->packets) || q->packets < limits->min_ring_packets ||
	    q->packets > limits->max_ring_packets)
		return -EINVAL;
	if (limits->max_timeout_ns && q->timeout_ns > limits->max_timeout_ns)
		return -EINVAL;
	if ((q->ring_offset % ACC_PACKET_BYTES) || (q->control_offset % ACC_QUEUE_CONTROL_BYTES))
		return -EINVAL;
	if (acc_range_outside(q->ring_offset, (__u64)q->packets * ACC_PACKET_BYTES, bo_bytes) ||
	    acc_range_outside(q->control_offset, ACC_QUEUE_CONTROL_BYTES, bo_bytes))
		return -EINVAL;
	/* The two may not overlap. */
	if (q->control_offset < q->ring_offset + (__u64)q->packets * ACC_PACKET_BYTES &&
	    q->ring_offset < q->control_offset + ACC_QUEUE_CONTROL_BYTES)
		return -EINVAL;
	return 0;
}

static inline int acc_check_wait(const struct drm_acc_wait *w)
{
	if (w->flags || w->condition > DRM_ACC_COND_GE || (w->address % ACC_SIGNAL_BYTES))
		return -EINVAL;
	return 0;
}

static inline int acc_check_signal_wake(const struct drm_acc_signal_wake *w)
{
	if (w->flags || w->pad || (w->address % ACC_SIGNAL_BYTES) ||
	    (w->range % ACC_SIGNAL_BYTES) || w->address + w->range < w->address)
		return -EINVAL;
	return 0;
}

static inline int acc_check_program_load(const struct drm_acc_program_load *p, __u64 features,
					 const struct drm_acc_limits *limits, __u64 bo_bytes)
{
	if ((p->flags & ~DRM_ACC_PROGRAM_FLAGS) || !p->size ||
	    acc_range_outside(p->offset, p->size, bo_bytes))
		return -EINVAL;
	if ((p->flags & DRM_ACC_PROGRAM_PERSISTENT) && !(features & DRM_ACC_FEATURE_PERSISTENT))
		return -EINVAL;
	if (limits->max_program_bytes && p->size > limits->max_program_bytes)
		return -E2BIG;
	return 0;
}

static inline int acc_condition_holds(__s64 observed, __u32 condition, __s64 value)
{
	switch (condition) {
	case ACC_COND_EQ:
		return observed == value;
	case ACC_COND_NE:
		return observed != value;
	case ACC_COND_LT:
		return observed < value;
	default:
		return observed >= value;
	}
}

/* A signal's address as it stands in a packet: 0 is "none". */
static inline int acc_check_signal_address(__u64 address)
{
	return (address % ACC_SIGNAL_BYTES) ? ACC_STATUS_INVALID_SIGNAL : ACC_STATUS_OK;
}

static inline int acc_check_dispatch(const struct acc_dispatch_packet *p)
{
	unsigned int dims = p->setup & 3u;

	if (p->reserved0 || p->reserved1 || (p->setup & ~3u))
		return ACC_STATUS_INVALID_PACKET;
	if (!dims || !p->workgroup_x || !p->workgroup_y || !p->workgroup_z || !p->grid_x ||
	    !p->grid_y || !p->grid_z)
		return ACC_STATUS_INVALID_DIMENSIONS;
	if (dims < 3 && (p->grid_z != 1 || p->workgroup_z != 1))
		return ACC_STATUS_INVALID_DIMENSIONS;
	if (dims < 2 && (p->grid_y != 1 || p->workgroup_y != 1))
		return ACC_STATUS_INVALID_DIMENSIONS;
	if (p->kernarg_address % 16)
		return ACC_STATUS_INVALID_KERNARG;
	return ACC_STATUS_OK;
}

static inline int acc_check_vendor(const union acc_packet *p)
{
	switch (p->barrier_value.format) {
	case ACC_VENDOR_BARRIER_VALUE:
		if (p->barrier_value.reserved0 || p->barrier_value.reserved1 ||
		    p->barrier_value.reserved2 || p->barrier_value.reserved3[0] ||
		    p->barrier_value.reserved3[1] || p->barrier_value.condition > ACC_COND_GE)
			return ACC_STATUS_INVALID_PACKET;
		return acc_check_signal_address(p->barrier_value.signal);
	case ACC_VENDOR_COPY:
		if (p->copy.reserved0 || p->copy.reserved1 || p->copy.reserved2[0] ||
		    p->copy.reserved2[1] || p->copy.reserved2[2])
			return ACC_STATUS_INVALID_PACKET;
		if (p->copy.destination + p->copy.size < p->copy.destination ||
		    p->copy.source + p->copy.size < p->copy.source)
			return ACC_STATUS_INVALID_ADDRESS;
		return ACC_STATUS_OK;
	case ACC_VENDOR_FILL:
		if (p->fill.reserved0 || p->fill.reserved1[0] || p->fill.reserved1[1] ||
		    p->fill.reserved1[2] || p->fill.reserved1[3])
			return ACC_STATUS_INVALID_PACKET;
		if ((p->fill.destination | p->fill.size) % 4)
			return ACC_STATUS_MISALIGNED;
		if (p->fill.destination + p->fill.size < p->fill.destination)
			return ACC_STATUS_INVALID_ADDRESS;
		return ACC_STATUS_OK;
	case ACC_VENDOR_PREFETCH:
	case ACC_VENDOR_TIMESTAMP:
		if (p->prefetch.reserved0 || p->prefetch.reserved1 || p->prefetch.reserved2[0] ||
		    p->prefetch.reserved2[1] || p->prefetch.reserved2[2] ||
		    p->prefetch.reserved2[3] || p->prefetch.reserved2[4])
			return ACC_STATUS_INVALID_PACKET;
		if (p->timestamp.format == ACC_VENDOR_TIMESTAMP && p->timestamp.address % 8)
			return ACC_STATUS_MISALIGNED;
		return ACC_STATUS_OK;
	default:
		return ACC_STATUS_UNSUPPORTED_PACKET;
	}
}

/* Checks the device's private copy of a packet; addresses are not resolved here. */
static inline int acc_check_packet(const union acc_packet *p)
{
	unsigned int acquire = (p->header >> ACC_HEADER_ACQUIRE_SHIFT) & ACC_HEADER_SCOPE_MASK;
	unsigned int release = (p->header >> ACC_HEADER_RELEASE_SHIFT) & ACC_HEADER_SCOPE_MASK;
	int status, i;

	if ((p->header & ACC_HEADER_RESERVED) || acquire > ACC_SCOPE_SYSTEM ||
	    release > ACC_SCOPE_SYSTEM)
		return ACC_STATUS_INVALID_PACKET;
	status = acc_check_signal_address(p->raw.completion_signal);
	if (status)
		return status;

	switch (p->header & ACC_HEADER_TYPE_MASK) {
	case ACC_PACKET_DISPATCH:
		return acc_check_dispatch(&p->dispatch);
	case ACC_PACKET_BARRIER_AND:
	case ACC_PACKET_BARRIER_OR:
		if (p->barrier.reserved0 || p->barrier.reserved1 || p->barrier.reserved2)
			return ACC_STATUS_INVALID_PACKET;
		for (i = 0; i < 5; i++) {
			status = acc_check_signal_address(p->barrier.dep_signal[i]);
			if (status)
				return status;
		}
		return ACC_STATUS_OK;
	case ACC_PACKET_AGENT_DISPATCH:
		return ACC_STATUS_UNSUPPORTED_PACKET;
	case ACC_PACKET_VENDOR:
		return acc_check_vendor(p);
	default:
		return ACC_STATUS_INVALID_PACKET;
	}
}

#endif /* ACC_CHECK_H */
