/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * The device interface: what a driver and a device share. docs/device.md says what
 * each register and command means; this file has the numbers and the layouts.
 *
 * Ordering contract: the driver writes a command, then stores ADMIN_TAIL (a write barrier
 * between them); the device writes what a completion points to, then the completion with
 * its phase bit last (release). Events likewise. Commands may be executed and completed out
 * of order; `id` pairs them. UNMAP, QUEUE_DESTROY and AS_DESTROY complete only when the
 * device holds no translation and no access in flight, and a reset is over only then.
 *
 * "Bus address" is what the device puts on the bus to reach host memory. A "device
 * address" is a client's virtual address, translated by the device's own tables.
 */
#ifndef ACC_REGS_H
#define ACC_REGS_H

#include "acc/abi.h"

/* --------------------------------------------------------- PCI function
 *
 * For tests only: of the numbers that QEMU sets aside for experiments without
 * registration (its docs/specs/pci-ids). Hardware needs one of its maker's.
 */
#define ACC_PCI_VENDOR 0x1af4
#define ACC_PCI_DEVICE 0x10f5
#define ACC_PCI_CLASS 0x1200 /* processing accelerator; subsystem device: enum drm_acc_engine */

#define ACC_BAR_REGISTERS 0
#define ACC_BAR_MSIX 1 /* table at 0, pending bits at 2048 */
#define ACC_BAR_DOORBELLS 2
#define ACC_REGISTER_BYTES 4096

/* MSI-X vectors. A driver takes all of them, or none and polls. */
#define ACC_VECTOR_ADMIN 0 /* ACC_IRQ_ADMIN, ACC_IRQ_FATAL */
#define ACC_VECTOR_EVENT 1 /* ACC_IRQ_EVENT */
#define ACC_VECTORS 2

/* ------------------------------------------------- BAR0: registers, 4 KiB */

#define ACC_REG_MAGIC 0x000	 /* ro: ACC_MAGIC */
#define ACC_REG_ABI 0x004	 /* ro: major << 16 | minor */
#define ACC_REG_CAPS 0x008	 /* ro, 64 bits: DRM_ACC_FEATURE_* */
#define ACC_REG_ADMIN_SQ 0x010	 /* 64 bits: bus address of the submission ring, page aligned */
#define ACC_REG_ADMIN_CQ 0x018	 /* 64 bits: of the completion ring */
#define ACC_REG_ADMIN_SIZE 0x020 /* log2 of entries of both rings, 4 … 12 */
#define ACC_REG_ADMIN_TAIL 0x024 /* submission tail: the admin doorbell */
#define ACC_REG_ADMIN_HEAD 0x028 /* completion head, freed by the driver */
#define ACC_REG_CONTROL 0x02c	 /* wo: ACC_CONTROL_* */
#define ACC_REG_EVENT_RING 0x030 /* 64 bits: bus address of struct acc_event[] */
#define ACC_REG_EVENT_SIZE 0x038 /* log2 of entries, 4 … 16 */
#define ACC_REG_EVENT_HEAD 0x03c /* freed by the driver */
#define ACC_REG_IRQ_CAUSE 0x040	 /* rw1c: ACC_IRQ_*, set whether masked or not */
#define ACC_REG_IRQ_MASK 0x044	 /* ACC_IRQ_* that send no message; all after reset */
#define ACC_REG_RESET 0x048	 /* wo: ACC_RESET_KEY starts a reset */
#define ACC_REG_STATE 0x04c	 /* ro: enum acc_device_state */
#define ACC_REG_HEARTBEAT 0x050	 /* ro: changes every 100 ms while the device is alive */
#define ACC_REG_ERROR 0x054	 /* ro: enum acc_device_error, why STATE is FAILED */
#define ACC_REG_CLOCK 0x058	 /* ro, 64 bits: device ns */
#define ACC_REG_ERROR_INFO 0x060 /* ro, 64 bits: the address or value that ERROR is about */
#define ACC_REG_ASIDS 0x068	 /* ro: ASIDs are 1 … ASIDS - 1 */
#define ACC_REG_RESETS 0x06c	 /* ro: resets since power on, its own among them */

#define ACC_MAGIC 0x43434161u /* "aACC" */
#define ACC_RESET_KEY 0x52534554u
#define ACC_CONTROL_RUN 1u /* READY -> RUNNING: takes the rings' registers over */

/* A cause that goes from 0 to 1 unmasked sends its vector's message. */
#define ACC_IRQ_ADMIN (1u << 0) /* completions were written */
#define ACC_IRQ_EVENT (1u << 1) /* events were written */
#define ACC_IRQ_FATAL (1u << 2) /* STATE went to FAILED */
#define ACC_IRQ_ALL 7u

#define ACC_ADMIN_MIN_LOG2 4
#define ACC_ADMIN_MAX_LOG2 12
#define ACC_EVENT_MIN_LOG2 4
#define ACC_EVENT_MAX_LOG2 16

/*
 *   power on, RESET                CONTROL.RUN               an error
 *  -----------------> RESETTING -> READY ----------> RUNNING ---------> FAILED
 *                         ^------------------ RESET ----------------------'
 */
enum acc_device_state {
	ACC_DEVICE_OFF = 0,	  /* never seen by a driver */
	ACC_DEVICE_READY = 1,	  /* rings can be set up */
	ACC_DEVICE_RESETTING = 2, /* for at most ACC_RESET_MS */
	ACC_DEVICE_FAILED = 3,	  /* nothing works but RESET */
	ACC_DEVICE_RUNNING = 4,
};

/* A driver that has waited for that long gives the device up. */
#define ACC_RESET_MS 10000
/* ... as one whose HEARTBEAT has not changed for that long. */
#define ACC_HEARTBEAT_MS 5000

enum acc_device_error {
	ACC_ERROR_NONE = 0,
	ACC_ERROR_RING_SIZE = 1,    /* RUN: info is the log2 */
	ACC_ERROR_RING_ADDRESS = 2, /* RUN: not page aligned, or 0: info is the address */
	ACC_ERROR_DMA = 3,	    /* nothing answers at a ring's bus address: info */
	ACC_ERROR_TAIL = 4,	    /* ADMIN_TAIL is more than a ring ahead: info */
	ACC_ERROR_HEAD = 5,	    /* ADMIN_HEAD or EVENT_HEAD is ahead of the device: info */
	ACC_ERROR_INTERNAL = 6,	    /* of the device itself; injected */
};

/* BAR2: doorbells, one 4 KiB page per address space: page index = asid. */
#define ACC_DOORBELL_PAGE_BYTES 4096
#define ACC_DOORBELLS_PER_PAGE 512
#define ACC_PAGE_SHIFT 12
#define ACC_PAGE_BYTES (1ull << ACC_PAGE_SHIFT)

/* -------------------------------------------------------- admin commands */

enum acc_admin_op {
	ACC_ADMIN_IDENTIFY = 1,
	ACC_ADMIN_AS_CREATE = 2,
	ACC_ADMIN_AS_DESTROY = 3,
	ACC_ADMIN_MAP = 4,
	ACC_ADMIN_UNMAP = 5,
	ACC_ADMIN_QUEUE_CREATE = 6,
	ACC_ADMIN_QUEUE_DESTROY = 7,
	ACC_ADMIN_QUEUE_RESET = 8,
	ACC_ADMIN_QUEUE_QUERY = 9,
	ACC_ADMIN_PROGRAM_LOAD = 10,
	ACC_ADMIN_PROGRAM_UNLOAD = 11,
	ACC_ADMIN_PROGRAM_QUERY = 12,
	ACC_ADMIN_PROGRAM_PREFETCH = 13,
	ACC_ADMIN_PROGRAM_PIN = 14,
	ACC_ADMIN_WAKE = 15,
	ACC_ADMIN_SLOT_RESET = 16,
	ACC_ADMIN_LOG = 17,
	ACC_ADMIN_INJECT = 18,
	ACC_ADMIN_DEVICE_RESET = 19,
};

/* What IDENTIFY writes: the struct of acc_drm.h with the same number. */
enum acc_identify_what {
	ACC_IDENTIFY_IDENTITY = 0,
	ACC_IDENTIFY_LIMITS = 1,
	ACC_IDENTIFY_MEMORY = 2, /* range and page size; the rest, which the driver knows, 0 */
	ACC_IDENTIFY_SLOT = 3,
	ACC_IDENTIFY_COUNTERS = 4,
	ACC_IDENTIFY_CLOCK = 5,
	ACC_IDENTIFY_CLIENT = 7, /* of `asid`: what the device knows of it */
	ACC_IDENTIFY_TRACE = 8,	 /* as `asid` may see it; 0: all of it */
	ACC_IDENTIFY_TILE = 9,
};

#define ACC_IDENTIFY_BYTES 256 /* always written whole, zero-extended */

enum acc_inject_what {
	ACC_INJECT_ENGINE_ERROR = 1, /* the next `count` dispatches fail with ENGINE_ERROR */
	ACC_INJECT_HANG = 2,	     /* the next `count` dispatches make no progress */
	ACC_INJECT_SLOT_FAULT = 3,   /* slot `argument` goes to FAULT until it is reset */
	ACC_INJECT_LOAD_ERROR = 4,   /* the next `count` loads fail */
	ACC_INJECT_DROP_EVENT = 5,   /* the next `count` event records are lost */
	ACC_INJECT_DELAY = 6,	     /* the next `count` dispatches take `argument` ns longer */
	ACC_INJECT_AGE = 9,	     /* the cells are `argument` ns older; `count` is 0 */
	/* Of a device behind registers: */
	ACC_INJECT_STUCK = 7, /* no command is answered and HEARTBEAT stands, until a reset */
	ACC_INJECT_FATAL = 8, /* STATE goes to FAILED with ACC_ERROR_INTERNAL, `argument` as info */
};

#define ACC_LOAD_PERSISTENT 1u /* flags of PROGRAM_LOAD */
#define ACC_MAP_READ 1u
#define ACC_MAP_WRITE 2u

/* What a client's share of a contended device is proportional to. */
#define ACC_WEIGHT_MIN 1u
#define ACC_WEIGHT_DEFAULT 100u
#define ACC_WEIGHT_MAX 10000u

struct acc_admin_cmd {
	__u16 op;
	__u16 id; /* chosen by the driver, returned in the completion */
	__u32 asid;
	__u32 object; /* queue id, program id or slot */
	__u32 flags;
	union {
		acc_u64 arg[6];
		struct {
			acc_u64 data; /* bus address of ACC_IDENTIFY_BYTES */
			__u32 what;
			__u32 index;
		} identify; /* and LOG, QUEUE_QUERY, PROGRAM_QUERY: index is the kernel */
		struct {
			__u32 weight; /* ACC_WEIGHT_MIN … ACC_WEIGHT_MAX; 0: ACC_WEIGHT_DEFAULT */
			__u32 reserved;
		} space; /* AS_CREATE */
		struct {
			acc_u64 address; /* device address, page aligned */
			acc_u64 pages;
			acc_u64 list; /* MAP: bus address of acc_u64[pages], bus addresses of pages,
				       * within one page */
			acc_u64 timeout_ns; /* UNMAP: relative bound on accesses in flight */
		} map;
		struct {
			acc_u64 ring; /* device addresses */
			acc_u64 control;
			acc_u64 timeout_ns;
			__u32 packets;
			__u32 priority;
			__u32 doorbell; /* u64 index in the client's doorbell page */
			__u32 reserved;
		} queue;
		struct {
			acc_u64 list;	/* bus address of acc_u64[], one page of image each */
			acc_u64 offset; /* of the image in the first page */
			acc_u64 size;
			acc_u64 why; /* bus address of 96 bytes: the reason of a refusal; 0: none */
		} load;
		struct {
			__u32 kernel; /* or ~0: all */
			__u32 pin;
			__u32 quota; /* most units that PIN may add */
			__u32 reserved;
		} program; /* PREFETCH, PIN */
		struct {
			acc_u64 address; /* device address of a signal */
			acc_u64 range;
		} wake;
		struct {
			__u32 what;
			__u32 count;
			acc_u64 argument;
		} inject;
	};
};

/* status: 0 or a negated errno with the numbers of asm-generic. */
struct acc_admin_cpl {
	__u16 id;
	__u16 phase;
	__s32 status;
	acc_u64 result0; /* PROGRAM_LOAD: kernel object base */
	acc_u64 result1; /* PROGRAM_LOAD: kernels */
	acc_u64 reserved;
};

/* ---------------------------------------------------------------- events */

enum acc_event_type {
	ACC_EVENT_SIGNAL = 1, /* a signal with notify bits changed: address */
	ACC_EVENT_SPACE = 2,  /* a ring with space_wanted has space: queue */
	ACC_EVENT_FAULT = 3,  /* a queue went to Error: queue, code, address */
	/* 4 is not used: what is fatal is a cause and a state */
	ACC_EVENT_LOST = 5, /* the ring was full, records are missing: anything may have changed */
};

struct acc_event {
	__u16 type;
	__u16 phase;
	__u32 asid;
	__u32 queue;
	__u32 code; /* SIGNAL: the notify bits; FAULT: enum acc_status */
	acc_u64 address;
	acc_u64 packet_index;
};

/* What QUEUE_QUERY writes. */
struct acc_queue_state {
	__u32 state; /* enum drm_acc_queue_state */
	__u32 fault_code;
	acc_u64 read_index;
	acc_u64 write_index;
	acc_u64 fault_packet;
	acc_u64 fault_address;
	acc_u64 fault_kernel;
	acc_u64 packets;
	__u32 priority;
	__u32 executing; /* 1 while a dispatch of it executes: it does not wait for anything */
};

/* What PROGRAM_QUERY writes. */
struct acc_kernel_state {
	acc_u64 kernel_object;
	__u32 kernarg_bytes;
	__u32 group_bytes;
	__u32 private_bytes;
	__u32 slot; /* ~0: not resident */
	acc_u64 loads;
	__u32 pinned;
	__u32 kernels;
	char name[64];
};

ACC_ASSERT_SIZE(struct acc_admin_cmd, 64);
ACC_ASSERT_OFFSET(struct acc_admin_cmd, asid, 4);
ACC_ASSERT_OFFSET(struct acc_admin_cmd, arg, 16);
ACC_ASSERT_OFFSET(struct acc_admin_cmd, map.timeout_ns, 40);
ACC_ASSERT_OFFSET(struct acc_admin_cmd, queue.packets, 40);
ACC_ASSERT_OFFSET(struct acc_admin_cmd, load.why, 40);
ACC_ASSERT_OFFSET(struct acc_admin_cmd, inject.argument, 24);
ACC_ASSERT_SIZE(struct acc_admin_cpl, 32);
ACC_ASSERT_SIZE(struct acc_event, 32);
ACC_ASSERT_OFFSET(struct acc_event, address, 16);
ACC_ASSERT_SIZE(struct acc_queue_state, 64);
ACC_ASSERT_SIZE(struct acc_kernel_state, 104);

#endif /* ACC_REGS_H */
