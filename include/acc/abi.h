/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * The queue ABI: what a client and a device share through memory.
 *
 * Thread safety and ordering contract:
 *  - A ring is written by its producers and by the device. A producer owns slot
 *    (index & (packets - 1)) from its reservation of `index` until it publishes
 *    the packet: bytes 4…63 first, then one 32-bit release store of bytes 0…3.
 *    The device owns it from its acquire load of those 4 bytes until it has reset
 *    them to INVALID (release) and then advanced read_index (release).
 *  - write_index is changed by producers alone: fetch_add (acq_rel), or a plain
 *    load and store where the queue is single-producer. read_index is changed by
 *    the device alone, and the device never believes what it reads back there.
 *  - A signal's value is changed by 64-bit atomics. Results, times and status are
 *    written before the decrement (release); who loads the value with acquire
 *    sees them.
 *  - Sleeping on either side follows docs/protocols.md, which is model-checked.
 * All integers are little-endian.
 */
#ifndef ACC_ABI_H
#define ACC_ABI_H

#ifdef __KERNEL__
#include <linux/build_bug.h>
#include <linux/types.h>
#define ACC_STATIC_ASSERT(expr, text) static_assert(expr, text)
#define ACC_OFFSETOF(type, member) __builtin_offsetof(type, member)
#else
#include <linux/types.h>
#include <stddef.h>
#define ACC_OFFSETOF(type, member) offsetof(type, member)
#ifdef __cplusplus
#define ACC_STATIC_ASSERT(expr, text) static_assert(expr, text)
#else
#define ACC_STATIC_ASSERT(expr, text) _Static_assert(expr, text)
#endif
#endif

#define ACC_ASSERT_SIZE(type, bytes)                                                               \
	ACC_STATIC_ASSERT(sizeof(type) == (bytes), #type " is not " #bytes " bytes")
#define ACC_ASSERT_OFFSET(type, member, bytes)                                                     \
	ACC_STATIC_ASSERT(ACC_OFFSETOF(type, member) == (bytes),                                   \
			  #type "." #member " is not at " #bytes)

/* Version of this file, reported by DEV_QUERY. 1.0 when all transports pass. */
#define ACC_ABI_MAJOR 0
#define ACC_ABI_MINOR 1

/* 8-byte alignment in 32-bit builds too. */
typedef __u64 __attribute__((aligned(8))) acc_u64;
typedef __s64 __attribute__((aligned(8))) acc_s64;

/* --------------------------------------------------------------- packets */

#define ACC_PACKET_BYTES 64
#define ACC_RING_MIN_LOG2 6
#define ACC_RING_MAX_LOG2 20

/* Packet types, header bits 0–7 (HSA 1.2, 2.9.1). */
enum acc_packet_type {
	ACC_PACKET_VENDOR = 0,
	ACC_PACKET_INVALID = 1,
	ACC_PACKET_DISPATCH = 2,
	ACC_PACKET_BARRIER_AND = 3,
	ACC_PACKET_AGENT_DISPATCH = 4,
	ACC_PACKET_BARRIER_OR = 5,
};

#define ACC_HEADER_TYPE_MASK 0x00ffu
#define ACC_HEADER_BARRIER 0x0100u
#define ACC_HEADER_ACQUIRE_SHIFT 9
#define ACC_HEADER_RELEASE_SHIFT 11
#define ACC_HEADER_SCOPE_MASK 0x3u
#define ACC_HEADER_RESERVED 0xe000u

enum acc_scope {
	ACC_SCOPE_NONE = 0,
	ACC_SCOPE_AGENT = 1,
	ACC_SCOPE_SYSTEM = 2,
};

/* A header with system scopes, the usual choice. */
#define ACC_HEADER(type, flags)                                                                    \
	((__u16)((type) | (flags) | (ACC_SCOPE_SYSTEM << ACC_HEADER_ACQUIRE_SHIFT) |               \
		 (ACC_SCOPE_SYSTEM << ACC_HEADER_RELEASE_SHIFT)))

struct acc_dispatch_packet {
	__u16 header;
	__u16 setup; /* dimensions 1–3 in bits 0–1, the rest zero */
	__u16 workgroup_x, workgroup_y, workgroup_z;
	__u16 reserved0;
	__u32 grid_x, grid_y, grid_z; /* work-items, at least 1 */
	__u32 private_bytes, group_bytes;
	acc_u64 kernel_object;
	acc_u64 kernarg_address; /* 16-byte aligned; may be reused once the packet is consumed */
	acc_u64 reserved1;
	acc_u64 completion_signal; /* 0: none */
};

struct acc_barrier_packet {
	__u16 header;
	__u16 reserved0;
	__u32 reserved1;
	acc_u64 dep_signal[5]; /* 0: none */
	acc_u64 reserved2;
	acc_u64 completion_signal;
};

struct acc_agent_dispatch_packet {
	__u16 header;
	__u16 type;
	__u32 reserved0;
	acc_u64 return_address;
	acc_u64 arg[4];
	acc_u64 reserved1;
	acc_u64 completion_signal;
};

/* Vendor packets: byte 2 is the format. */
enum acc_vendor_format {
	ACC_VENDOR_BARRIER_VALUE = 2, /* the number and layout AMD gave it */
	ACC_VENDOR_COPY = 16,
	ACC_VENDOR_FILL = 17,
	ACC_VENDOR_PREFETCH = 18,
	ACC_VENDOR_TIMESTAMP = 19,
};

enum acc_condition {
	ACC_COND_EQ = 0,
	ACC_COND_NE = 1,
	ACC_COND_LT = 2,
	ACC_COND_GE = 3,
};

/* Waits until ((value of signal) & mask) condition value. */
struct acc_barrier_value_packet {
	__u16 header;
	__u8 format;
	__u8 reserved0;
	__u32 reserved1;
	acc_u64 signal;
	acc_s64 value;
	acc_s64 mask;
	__u32 condition; /* enum acc_condition */
	__u32 reserved2;
	acc_u64 reserved3[2];
	acc_u64 completion_signal;
};

/* Copies size bytes; the ranges may not overlap. */
struct acc_copy_packet {
	__u16 header;
	__u8 format;
	__u8 reserved0;
	__u32 reserved1;
	acc_u64 destination;
	acc_u64 source;
	acc_u64 size;
	acc_u64 reserved2[3];
	acc_u64 completion_signal;
};

/* Fills size bytes with a repeated 32-bit pattern; both 4-byte aligned. */
struct acc_fill_packet {
	__u16 header;
	__u8 format;
	__u8 reserved0;
	__u32 pattern;
	acc_u64 destination;
	acc_u64 size;
	acc_u64 reserved1[4];
	acc_u64 completion_signal;
};

/* A hint that the kernel will be dispatched soon. */
struct acc_prefetch_packet {
	__u16 header;
	__u8 format;
	__u8 reserved0;
	__u32 reserved1;
	acc_u64 kernel_object;
	acc_u64 reserved2[5];
	acc_u64 completion_signal;
};

/* Stores the device's clock (u64 ns) at an 8-byte aligned address. */
struct acc_timestamp_packet {
	__u16 header;
	__u8 format;
	__u8 reserved0;
	__u32 reserved1;
	acc_u64 address;
	acc_u64 reserved2[5];
	acc_u64 completion_signal;
};

union acc_packet {
	struct {
		__u32 publish; /* header | (setup, type or format) << 16 */
		__u32 body32;
		acc_u64 body[6];
		acc_u64 completion_signal;
	} raw;
	__u16 header;
	struct acc_dispatch_packet dispatch;
	struct acc_barrier_packet barrier;
	struct acc_agent_dispatch_packet agent;
	struct acc_barrier_value_packet barrier_value;
	struct acc_copy_packet copy;
	struct acc_fill_packet fill;
	struct acc_prefetch_packet prefetch;
	struct acc_timestamp_packet timestamp;
	acc_u64 words[8];
};

/* ---------------------------------------------------------------- signal */

#define ACC_SIGNAL_BYTES 64
#define ACC_SIGNAL_KIND_USER 1

/* notify: who must be woken after the next change of the value. A writer takes all bits
 * away when HOST or DEVICE is among them, and does nothing else. */
#define ACC_NOTIFY_HOST 1u
#define ACC_NOTIFY_DEVICE 2u
#define ACC_NOTIFY_RELAY 4u /* the runtime's: the other devices know of the last change */

/* kind, value, start and end stand where amd_signal_t has them. */
struct acc_signal_memory {
	acc_s64 kind;
	acc_s64 value;
	__u32 status; /* enum acc_status of the packet that completed last with an error, or OK */
	__u32 notify; /* ACC_NOTIFY_* */
	acc_u64 reserved;
	acc_u64 start_ns;    /* device clock, = CLOCK_MONOTONIC on emulators */
	acc_u64 end_ns;	     /* never before start */
	acc_u64 energy_pj;   /* modelled, of the packet */
	acc_u64 modelled_ns; /* when the packet ended on the model's clock */
};

/* --------------------------------------------------------------- control */

#define ACC_DOORBELL_NONE (~0ull)
#define ACC_QUEUE_CONTROL_BYTES 256

/* One line each, so that producers and device do not share one needlessly. */
struct acc_queue_control {
	acc_u64 write_index; /* producers */
	acc_u64 reserved0[7];
	acc_u64 read_index; /* device */
	acc_u64 reserved1[7];
	__u32 sleeping; /* device: 1 while it must be kicked */
	__u32 reserved2[15];
	__u32 space_wanted; /* producers: 1 while somebody sleeps for space */
	__u32 reserved3[15];
};

/* Read-only page of each file. */
struct acc_status_page {
	__u32 lost;	    /* 0, or the errno (EIO after a reset, ENODEV when gone) */
	__u32 guilty;	    /* 1: work of this file made the driver reset the device */
	acc_u64 generation; /* counts device resets */
	acc_u64 reserved[6];
};

/* ---------------------------------------------------------------- status */

/* Completion codes of packets and fault codes of queues. */
enum acc_status {
	ACC_STATUS_OK = 0,
	ACC_STATUS_CANCELLED = 1,	   /* behind a fault, never executed */
	ACC_STATUS_DEPENDENCY_FAILED = 2,  /* a barrier's signal carries an error */
	ACC_STATUS_INVALID_PACKET = 3,	   /* header, scope, reserved bits or unknown type */
	ACC_STATUS_UNSUPPORTED_PACKET = 4, /* agent dispatch; unknown vendor format */
	ACC_STATUS_INVALID_DIMENSIONS = 5, /* setup, grid or workgroup */
	ACC_STATUS_INVALID_KERNEL = 6,	   /* unknown kernel object */
	ACC_STATUS_INVALID_KERNARG = 7,	   /* address alignment or a value the kernel refuses */
	ACC_STATUS_INVALID_SEGMENT = 8,	   /* private or group bytes */
	ACC_STATUS_INVALID_ADDRESS = 9,	   /* not bound, or not with that access */
	ACC_STATUS_MISALIGNED = 10,
	ACC_STATUS_TIMEOUT = 11,
	ACC_STATUS_RESET = 12,
	ACC_STATUS_ENGINE_ERROR = 13,
	ACC_STATUS_NO_SLOT = 14,	/* every slot that fits is pinned or faulted */
	ACC_STATUS_WEAR_EXHAUSTED = 15, /* the write budget of the client is used up */
	ACC_STATUS_INVALID_SIGNAL = 16, /* not a signal, or not bound read/write */
	ACC_STATUS_COUNT
};

/* ---------------------------------------------------------------- layout */

ACC_ASSERT_SIZE(struct acc_dispatch_packet, 64);
ACC_ASSERT_OFFSET(struct acc_dispatch_packet, setup, 2);
ACC_ASSERT_OFFSET(struct acc_dispatch_packet, workgroup_x, 4);
ACC_ASSERT_OFFSET(struct acc_dispatch_packet, grid_x, 12);
ACC_ASSERT_OFFSET(struct acc_dispatch_packet, private_bytes, 24);
ACC_ASSERT_OFFSET(struct acc_dispatch_packet, group_bytes, 28);
ACC_ASSERT_OFFSET(struct acc_dispatch_packet, kernel_object, 32);
ACC_ASSERT_OFFSET(struct acc_dispatch_packet, kernarg_address, 40);
ACC_ASSERT_OFFSET(struct acc_dispatch_packet, completion_signal, 56);
ACC_ASSERT_SIZE(struct acc_barrier_packet, 64);
ACC_ASSERT_OFFSET(struct acc_barrier_packet, dep_signal, 8);
ACC_ASSERT_OFFSET(struct acc_barrier_packet, completion_signal, 56);
ACC_ASSERT_SIZE(struct acc_agent_dispatch_packet, 64);
ACC_ASSERT_OFFSET(struct acc_agent_dispatch_packet, return_address, 8);
ACC_ASSERT_OFFSET(struct acc_agent_dispatch_packet, arg, 16);
ACC_ASSERT_OFFSET(struct acc_agent_dispatch_packet, completion_signal, 56);
ACC_ASSERT_SIZE(struct acc_barrier_value_packet, 64);
ACC_ASSERT_OFFSET(struct acc_barrier_value_packet, signal, 8);
ACC_ASSERT_OFFSET(struct acc_barrier_value_packet, value, 16);
ACC_ASSERT_OFFSET(struct acc_barrier_value_packet, mask, 24);
ACC_ASSERT_OFFSET(struct acc_barrier_value_packet, condition, 32);
ACC_ASSERT_OFFSET(struct acc_barrier_value_packet, completion_signal, 56);
ACC_ASSERT_SIZE(struct acc_copy_packet, 64);
ACC_ASSERT_OFFSET(struct acc_copy_packet, completion_signal, 56);
ACC_ASSERT_SIZE(struct acc_fill_packet, 64);
ACC_ASSERT_OFFSET(struct acc_fill_packet, completion_signal, 56);
ACC_ASSERT_SIZE(struct acc_prefetch_packet, 64);
ACC_ASSERT_OFFSET(struct acc_prefetch_packet, completion_signal, 56);
ACC_ASSERT_SIZE(struct acc_timestamp_packet, 64);
ACC_ASSERT_OFFSET(struct acc_timestamp_packet, completion_signal, 56);
ACC_ASSERT_SIZE(union acc_packet, 64);
ACC_ASSERT_SIZE(struct acc_signal_memory, 64);
ACC_ASSERT_OFFSET(struct acc_signal_memory, value, 8);
ACC_ASSERT_OFFSET(struct acc_signal_memory, status, 16);
ACC_ASSERT_OFFSET(struct acc_signal_memory, notify, 20);
ACC_ASSERT_OFFSET(struct acc_signal_memory, start_ns, 32);
ACC_ASSERT_OFFSET(struct acc_signal_memory, end_ns, 40);
ACC_ASSERT_OFFSET(struct acc_signal_memory, energy_pj, 48);
ACC_ASSERT_OFFSET(struct acc_signal_memory, modelled_ns, 56);
ACC_ASSERT_SIZE(struct acc_queue_control, ACC_QUEUE_CONTROL_BYTES);
ACC_ASSERT_OFFSET(struct acc_queue_control, write_index, 0);
ACC_ASSERT_OFFSET(struct acc_queue_control, read_index, 64);
ACC_ASSERT_OFFSET(struct acc_queue_control, sleeping, 128);
ACC_ASSERT_OFFSET(struct acc_queue_control, space_wanted, 192);
ACC_ASSERT_SIZE(struct acc_status_page, 64);

#endif /* ACC_ABI_H */
