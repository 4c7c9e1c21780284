/* SPDX-License-Identifier: MIT */
/*
 * What a role is to its region: one table of functions for every kind, behavioural
 * (C++), RTL (Verilator) and compiled (OpenCL C, OpenMP). Whoever runs a role knows
 * nothing else about it. docs/roles.md is the guide.
 *
 * The life of a role:
 *
 *   create -> reset -> [ mmio_write arguments, CONTROL.START -> run_until … DONE ]* -> destroy
 *
 * Registers. 32-bit, little-endian, at multiples of 4. Every role has
 *   0x00 CONTROL  write 1: start; reads bit 0 busy, bit 1 done (cleared by the next start)
 *   0x10 …        arguments, as the kernel's register table says (acc_fpga_register)
 *
 * Streams. Tokens of `token_bytes` through valid/ready: a push that is not taken and a pop
 * that has nothing are answers, not errors; they are asked again in a later cycle.
 *
 * Thread safety: one role is called by one thread at a time. Different roles, also of one
 * library, may run at once, so a library keeps no writable globals.
 *
 * Errors: 0 or -errno (asm-generic numbers). A role that refuses its arguments ends its
 * dispatch with a status of enum acc_status and says why by host->explain().
 *
 * Versions: structs lead with their size and grow at the end; a host calls what lies inside
 * `size` and is not null. A library of another major version is refused before any of its
 * functions is called (its note .note.acc.compat says the same before it is mapped).
 */
#ifndef ACC_ROLE_H
#define ACC_ROLE_H

#include "acc/abi.h"

#ifdef __cplusplus
extern "C" {
#endif

#define ACC_ROLE_ABI_MAJOR 1
#define ACC_ROLE_ABI_MINOR 2 /* 1: run_group, barrier; 2: memory_keep */
#define ACC_ROLE_ABI (ACC_ROLE_ABI_MAJOR << 16 | ACC_ROLE_ABI_MINOR)

/* The one symbol that a library exports: const struct acc_role_library */
#define ACC_ROLE_SYMBOL "acc_role_library"

#define ACC_ROLE_REG_CONTROL 0x00u
#define ACC_ROLE_REG_ARGUMENTS 0x10u
#define ACC_ROLE_CONTROL_START 1u
#define ACC_ROLE_CONTROL_BUSY 1u
#define ACC_ROLE_CONTROL_DONE 2u

struct acc_role; /* the role's own */

/* A group of work-items: one function, once for each index of `local`. */
struct acc_work_group {
	__u32 size;	   /* of this struct */
	__u32 stack_bytes; /* for each item; 0: 64 KiB, at most 16 MiB */
	__u32 local[3];	   /* items; 1 to 1024 in all */
	__u32 reserved;
	void (*item)(void *argument, const __u32 local_id[3]);
	void *argument; /* of every item */
};

/* What the region offers. Valid from create() to destroy(); called only from inside one of
 * the role's functions, on the same thread. */
struct acc_role_host {
	__u32 size;
	__u32 abi;
	void *context;
	/* The client's memory, by device address. 0, or -EFAULT where it is not bound with
	 * this access: then the role ends the dispatch with ACC_STATUS_INVALID_ADDRESS. */
	int (*memory_read)(void *context, acc_u64 address, void *to, acc_u64 bytes);
	int (*memory_write)(void *context, acc_u64 address, const void *from, acc_u64 bytes);
	/* A level of interrupt lines, for the log. */
	void (*interrupt)(void *context, __u32 causes);
	/* Why it refuses or fails; one line, cut to 160 bytes. The last one counts. */
	void (*explain)(void *context, const char *text);
	/* A sign of life of a long run, and what it waits for ("stream s_axis is not ready",
	 * or null): what a timeout's text will say. */
	void (*progress)(void *context, acc_u64 cycle, const char *waits_for);
	/* Bytes of a waveform, where one is wanted; null otherwise. */
	int (*trace_write)(void *context, const void *bytes, acc_u64 size);
	/* Soft cores, for compiled code: executes a group, each item on a stack of its own with
	 * a guard below it, and returns when all have ended. 0; -EINVAL for what is no group,
	 * or from inside of an item; -ENOMEM. Where some items wait at a barrier that others
	 * did not come to, it does not return: the region faults. */
	int (*run_group)(void *context, const struct acc_work_group *group);
	/* Of an item: returns when every item of its group has come to barrier `id`. */
	void (*barrier)(void *context, __u32 id);
	/* For code that reaches the client's memory by pointers and puts pages of its own over
	 * it, at most 256 ranges: before it does so. Nothing else is mapped there from now on,
	 * until the role's process ends. 0; -EINVAL for what are no whole pages of device
	 * addresses, too many of them, or a region that is no process. */
	int (*memory_keep)(void *context, acc_u64 address, acc_u64 bytes);
};

enum acc_role_state {
	ACC_ROLE_IDLE = 0, /* not started, or its result has been taken */
	ACC_ROLE_BUSY = 1, /* the cycle that was asked for is reached, there is more to do */
	ACC_ROLE_DONE = 2, /* the dispatch has ended, with `status` */
};

struct acc_role_progress {
	acc_u64 cycle; /* of the role's clock since reset; never goes back */
	__u32 state;   /* enum acc_role_state */
	__u32 status;  /* enum acc_status, when done */
};

struct acc_role_ops {
	__u32 size;
	__u32 abi;
	const char *name; /* unique in its library; kernels name it */
	__u32 inputs;	  /* streams 0 … inputs - 1 */
	__u32 outputs;
	__u32 token_bytes; /* of every stream, 0 without streams */
	__u32 reserved;
	const void *data; /* the library's own, for create() */

	/* *role on 0. -ENOMEM; -EINVAL for a host of another major version. */
	int (*create)(const struct acc_role_ops *ops, const struct acc_role_host *host,
		      struct acc_role **role);
	/* As the reset line: everything but memory starts over; cycle 0. */
	void (*reset)(struct acc_role *role);
	/* Runs until `cycle` or until the dispatch is done, whichever is first. A role
	 * without cycles of its own does all its work at once and says what it would have
	 * taken. */
	int (*run_until)(struct acc_role *role, acc_u64 cycle, struct acc_role_progress *progress);
	/* -EINVAL for an offset that isn't a register's. */
	int (*mmio_read)(struct acc_role *role, __u32 offset, __u32 *value);
	int (*mmio_write)(struct acc_role *role, __u32 offset, __u32 value);
	/* Offers one token to input `stream` for the next cycle, or takes one that output
	 * `stream` gave in the last: 1 it passed, 0 not now, -EINVAL no such stream. Null
	 * without streams. */
	int (*stream_push)(struct acc_role *role, __u32 stream, const void *token);
	int (*stream_pop)(struct acc_role *role, __u32 stream, void *token);
	/* The level of its interrupt lines. May be null: none. */
	__u32 (*interrupt)(struct acc_role *role);
	/* Bytes of its state, or what they need if that is more than `bytes`; -EOPNOTSUPP,
	 * or null: it can't. */
	acc_s64 (*save)(struct acc_role *role, void *to, acc_u64 bytes);
	void (*destroy)(struct acc_role *role);
};

struct acc_role_library {
	__u32 size;
	__u32 abi;
	__u32 roles;
	__u32 reserved;
	const struct acc_role_ops *const *role; /* [roles] */
};

#ifdef __cplusplus
}
#endif

#endif /* ACC_ROLE_H */
