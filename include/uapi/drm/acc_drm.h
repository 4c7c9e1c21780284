/* SPDX-License-Identifier: (GPL-2.0-only WITH Linux-syscall-note) OR MIT */
/*
 * ACC accelerators: the uAPI between a client and the driver of one device.
 *
 * The same structs are served by the kernel driver (DRM accel node), by the
 * emulator inside the client's process and by the emulator daemon.
 *
 * Rules that hold for every ioctl:
 *  - Structs are flat: fixed-width integers, handles and file descriptors, no
 *    pointers. Variable-length data travels in a buffer object (BO).
 *  - Flags and padding must be zero unless a flag is named here: else EINVAL. What is
 *    marked "out" is not looked at.
 *  - An unknown handle or id, or another file's, is ENOENT (GEM_CLOSE, which is DRM's:
 *    EINVAL).
 *  - Timeouts are absolute CLOCK_MONOTONIC nanoseconds, so calls restart.
 *  - A call from a process other than the opener's is ENODEV.
 *  - Shorter structs are zero-extended; growth is announced by a feature bit.
 * Every refusal is listed in docs/uapi.md and has a conformance test.
 *
 * Thread safety: every call may be made from any thread at any time.
 */
#ifndef _UAPI_DRM_ACC_DRM_H_
#define _UAPI_DRM_ACC_DRM_H_

#include "drm.h"

#if defined(__cplusplus)
extern "C" {
#endif

/* uAPI version reported by DRM_IOCTL_VERSION and DEV_QUERY. */
#define DRM_ACC_VERSION_MAJOR 0
#define DRM_ACC_VERSION_MINOR 1
#define DRM_ACC_DRIVER_NAME "acc"

/* Numbers, relative to DRM_COMMAND_BASE. */
#define DRM_ACC_DEV_QUERY 0x00
#define DRM_ACC_BO_CREATE 0x01
#define DRM_ACC_BO_INFO 0x02
#define DRM_ACC_VM_BIND 0x03
#define DRM_ACC_QUEUE_CREATE 0x04
#define DRM_ACC_QUEUE_DESTROY 0x05
#define DRM_ACC_QUEUE_QUERY 0x06
#define DRM_ACC_EVENT_SET 0x07
#define DRM_ACC_WAIT 0x08
#define DRM_ACC_SIGNAL_WAKE 0x09
#define DRM_ACC_PROGRAM_LOAD 0x0a
#define DRM_ACC_PROGRAM_UNLOAD 0x0b
#define DRM_ACC_PROGRAM_QUERY 0x0c
#define DRM_ACC_PROGRAM_PREFETCH 0x0d
#define DRM_ACC_PROGRAM_PIN 0x0e
#define DRM_ACC_RESET 0x0f
#define DRM_ACC_NUM_IOCTLS 0x10

/* ------------------------------------------------------------ DEV_QUERY */

enum drm_acc_query_type {
	DRM_ACC_QUERY_IDENTITY = 0,
	DRM_ACC_QUERY_LIMITS = 1,
	DRM_ACC_QUERY_MEMORY = 2,
	DRM_ACC_QUERY_SLOT = 3, /* index: slot, ENOENT past the last */
	DRM_ACC_QUERY_COUNTERS = 4,
	DRM_ACC_QUERY_CLOCK = 5,
	DRM_ACC_QUERY_FAULT = 6,  /* index: 0 the newest of this file, ENOENT past the oldest */
	DRM_ACC_QUERY_CLIENT = 7, /* index: 0 the oldest open file, ENOENT past the newest */
	DRM_ACC_QUERY_TRACE = 8,  /* index: 0 the newest decision, ENOENT past the oldest kept */
	DRM_ACC_QUERY_TILE = 9,	  /* index: tile, slot after slot; ENOENT past the last */
};

enum drm_acc_engine {
	DRM_ACC_ENGINE_NULL = 0,
	DRM_ACC_ENGINE_CROSSBAR = 1,
	DRM_ACC_ENGINE_FPGA = 2,
};

/* Feature bits of drm_acc_identity.features. */
#define DRM_ACC_FEATURE_ATOMICS (1ull << 0)    /* signals change by 64-bit atomics */
#define DRM_ACC_FEATURE_EMULATED (1ull << 1)   /* no hardware behind this node */
#define DRM_ACC_FEATURE_MODELLED (1ull << 2)   /* signals carry modelled time and energy */
#define DRM_ACC_FEATURE_PACE_REAL (1ull << 3)  /* modelled time delays real time */
#define DRM_ACC_FEATURE_SCATTER (1ull << 4)    /* physical pages are permuted (a test aid) */
#define DRM_ACC_FEATURE_USERPTR (1ull << 5)    /* reserved, never set in 1.0 */
#define DRM_ACC_FEATURE_PERSISTENT (1ull << 6) /* slots can keep what they hold for ever */
#define DRM_ACC_FEATURE_TRACE (1ull << 7)      /* QUERY_TRACE; slot states from DECOUPLED on */
#define DRM_ACC_FEATURE_TILES (1ull << 8)      /* QUERY_TILE: a crossbar's */
#define DRM_ACC_FEATURE_RESOURCES (1ull << 9)  /* slots have and units take resources */

/* What the device is. Strings are NUL-terminated UTF-8. */
struct drm_acc_identity {
	__u32 engine; /* enum drm_acc_engine */
	__u32 vendor_id;
	__u32 device_id;
	__u16 abi_major; /* of acc/abi.h */
	__u16 abi_minor;
	__u64 features; /* DRM_ACC_FEATURE_* */
	char name[64];
	char config[96]; /* the model's parameters as key=value,… */
	__u8 uuid[16];	 /* of the shell interface; programs are compatible with one */
};

/* Counts that a client runs into; 0 means unlimited. */
struct drm_acc_limits {
	__u32 max_queues;	 /* per file */
	__u32 max_active_queues; /* hardware queues: rings are time-sliced onto them */
	__u32 min_ring_packets;
	__u32 max_ring_packets;
	__u32 max_programs; /* per file */
	__u32 max_pins;	    /* per file, units */
	__u32 max_kernarg_bytes;
	__u32 doorbells_per_page;
	__u64 max_bo_bytes;	 /* one buffer */
	__u64 max_client_bytes;	 /* all buffers of a file */
	__u64 max_program_bytes; /* one image */
	__u64 max_timeout_ns;	 /* of a queue; also what 0 means */
};

struct drm_acc_memory {
	__u64 va_start; /* device addresses a file may bind: [va_start, va_end) */
	__u64 va_end;
	__u32 page_size; /* bytes, a power of two */
	__u32 va_bits;
	__u64 status_mmap_offset;   /* struct acc_status_page, read-only */
	__u64 doorbell_mmap_offset; /* first doorbell page of this file */
	__u64 client_bytes;	    /* allocated by this file */
	__u64 device_bytes;	    /* allocated by all files */
};

enum drm_acc_slot_state {
	DRM_ACC_SLOT_EMPTY = 0,
	DRM_ACC_SLOT_LOADING = 1,
	DRM_ACC_SLOT_READY = 2,
	DRM_ACC_SLOT_BUSY = 3,
	DRM_ACC_SLOT_FAULT = 4,
	/* With DRM_ACC_FEATURE_TRACE: stages of a reconfiguration and of a recovery. */
	DRM_ACC_SLOT_DECOUPLED = 5, /* nothing passes between it and the rest */
	DRM_ACC_SLOT_RESET = 6,	    /* configured, held in reset until it is ready */
	DRM_ACC_SLOT_DRAINING = 7,  /* what it had begun is let end, nothing begins */
};

/* What a region of an FPGA is made of. The first is its capacity. */
enum drm_acc_resource {
	DRM_ACC_RESOURCE_LUT = 0,
	DRM_ACC_RESOURCE_FF = 1,   /* flip-flops */
	DRM_ACC_RESOURCE_BRAM = 2, /* block memories of 36 Kbit */
	DRM_ACC_RESOURCE_DSP = 3,  /* multipliers with accumulators */
	DRM_ACC_RESOURCES = 4
};

/* One place where a program can be resident. */
struct drm_acc_slot {
	__u32 state;	/* enum drm_acc_slot_state */
	__u32 class_id; /* which units fit */
	__u32 pins;
	__u32 pad;
	__u64 capacity; /* engine's unit: arrays, or LUTs */
	__u64 used;
	__u64 loads; /* since the device came up */
	__u64 dispatches;
	__u64 busy_ns;	   /* real time spent in dispatches */
	__u64 load_ns;	   /* modelled time spent loading */
	char resident[64]; /* name of what is loaded, empty if nothing or not ours */
	/* With DRM_ACC_FEATURE_RESOURCES, by enum drm_acc_resource; else 0. */
	__u64 resources[4];	 /* that it has */
	__u64 resources_used[4]; /* that what is loaded takes */
};

/* Monotonic counters of the device since it came up. */
struct drm_acc_counters {
	__u64 packets;	  /* consumed, of any type */
	__u64 dispatches; /* kernels executed to their end */
	__u64 faults;
	__u64 loads; /* units loaded into slots */
	__u64 evictions;
	__u64 bytes_read; /* by engines, from clients' memory */
	__u64 bytes_written;
	__u64 busy_ns;	      /* real time in dispatches */
	__u64 modelled_ns;    /* modelled time in dispatches */
	__u64 load_ns;	      /* modelled time in loads */
	__u64 energy_pj;      /* modelled, dispatches */
	__u64 load_energy_pj; /* modelled, loads */
	__u64 sleeps;	      /* times the packet processor went to sleep */
	__u64 kicks;	      /* kicks received */
	__u64 saturations;    /* engine: ADC conversions that clipped */
	__u64 mvms;	      /* engine: array activations */
};

/* Two clocks read at one time. They are the same clock on emulators. */
struct drm_acc_clock {
	__u64 device_ns;
	__u64 monotonic_ns;
	__u64 device_hz;
	__u64 modelled_ns; /* the model's clock */
};

struct drm_acc_fault {
	__u64 sequence; /* counts this file's faults, from 1 */
	__u64 time_ns;
	__u32 queue;
	__u32 code; /* enum acc_status */
	__u64 packet_index;
	__u64 address; /* what was touched, 0 if none */
	__u64 kernel_object;
	char kernel[64]; /* name, empty if unknown */
	char text[64];	 /* what was expected and what was found */
};

/*
 * An open file of the device. A file sees itself and those of its own uid; a privileged
 * one sees all. What it does not see is not counted by the index.
 */
struct drm_acc_client {
	__u32 pid; /* of who opened it, with its uid */
	__u32 uid;
	__u64 client; /* names the file on this device; never used again */
	__u64 bytes;  /* allocated */
	__u32 queues;
	__u32 programs;
	__u32 pins; /* units */
	__u32 buffers;
	__u64 packets; /* these five as in drm_acc_counters, of this file */
	__u64 dispatches;
	__u64 busy_ns;
	__u64 modelled_ns;
	__u64 energy_pj;
	__u32 weight; /* of its share when others want the device too; 100 by default */
	__u32 pad;
	char name[32]; /* of the process */
};

/* What the manager of the slots decided. */
enum drm_acc_trace_kind {
	DRM_ACC_TRACE_LOAD = 1,	    /* a unit is loaded for who waits, over the victim if any */
	DRM_ACC_TRACE_PREFETCH = 2, /* ditto, before it is waited for */
	DRM_ACC_TRACE_GRANT = 3,    /* who had waited has a slot where its unit is resident */
	DRM_ACC_TRACE_WAIT = 4,	    /* a request begins to wait */
	DRM_ACC_TRACE_YIELD = 5,    /* a slot is taken from who could have gone on */
	DRM_ACC_TRACE_REFUSE = 6,   /* no slot can serve the request now or later */
	DRM_ACC_TRACE_FAULT = 7,    /* a slot failed: draining */
	DRM_ACC_TRACE_RECOVER = 8,  /* it was blanked, and the unit loaded again if it is wanted */
	DRM_ACC_TRACE_BLANK = 9,    /* a slot was emptied */
};

/* Why. */
enum drm_acc_trace_reason {
	DRM_ACC_REASON_NONE = 0,
	/* LOAD, PREFETCH: why this slot */
	DRM_ACC_REASON_EMPTY = 1,	 /* it was empty */
	DRM_ACC_REASON_ABANDONED = 2,	 /* the victim's program is unloaded */
	DRM_ACC_REASON_LEAST_VALUE = 3,	 /* the victim's reload cost x predicted reuse was least */
	DRM_ACC_REASON_LEAST_RECENT = 4, /* the victim was used longest ago */
	DRM_ACC_REASON_FIRST_LOADED = 5, /* the victim was loaded longest ago */
	/* GRANT, YIELD: why this request */
	DRM_ACC_REASON_TURN = 6,     /* its turn by priority, share and arrival */
	DRM_ACC_REASON_AFFINITY = 7, /* its unit is resident, that of whose turn it was isn't */
	DRM_ACC_REASON_AGED = 8,     /* it had been passed over as often as is allowed */
	/* WAIT, REFUSE: why not now */
	DRM_ACC_REASON_BUSY = 9,       /* every slot that fits is busy */
	DRM_ACC_REASON_COPY_BUSY = 10, /* its unit is resident in a busy slot, worth waiting for */
	DRM_ACC_REASON_PROTECTED =
		11,		    /* who goes before it is about to use what could be evicted */
	DRM_ACC_REASON_BEHIND = 12, /* it is another's turn */
	DRM_ACC_REASON_QUOTA = 13,  /* its client occupies as many slots as it may */
	DRM_ACC_REASON_UNAVAILABLE = 14, /* slots that fit are pinned, faulted or foreign */
	/* FAULT, RECOVER, BLANK */
	DRM_ACC_REASON_INJECTED = 15,
	DRM_ACC_REASON_TIMEOUT = 16,	 /* a dispatch was cut short */
	DRM_ACC_REASON_ROLE = 17,	 /* what is loaded crashed or broke out */
	DRM_ACC_REASON_LOAD_FAILED = 18, /* the engine could not load the unit */
	DRM_ACC_REASON_BLANK_FAILED = 19,
	DRM_ACC_REASON_ASKED = 20, /* RESET, or the end of who owned it */
};

/* A decision about a slot. Names and clients are told as far as the asker may see them. */
struct drm_acc_trace {
	__u64 sequence; /* counts the device's decisions, from 1 */
	__u64 time_ns;
	__u64 client;	     /* whose request: as in drm_acc_client; 0: nobody's, or not seen */
	__u64 victim_client; /* whose unit was evicted; ditto */
	__u32 kind;	     /* enum drm_acc_trace_kind */
	__u32 reason;	     /* enum drm_acc_trace_reason */
	__u32 slot;	     /* ~0: none */
	__u32 waiting;	     /* requests that waited for a slot at that moment */
	__u64 load_ns;	     /* modelled, what the decision costs */
	__u64 value_ns;	     /* of the victim: modelled reload time x predicted reuse */
	__u64 waited_ns;     /* how long the request had waited */
	char unit[64];
	char victim[64];
};

/* What a tile of a crossbar has done and been through since the device came up. Times and
 * energies are modelled; times are summed over what works side by side. */
struct drm_acc_tile {
	__u32 slot;
	__u32 tile;		    /* of the slot */
	__u64 arrays, arrays_used;  /* that it has; that hold something now */
	__u64 activations;	    /* of arrays */
	__u64 conversions, clipped; /* of ADCs */
	__u64 instructions;	    /* retired */
	__u64 programmings;	    /* of the array that was programmed most often */
	__u64 row_pulses;	    /* wear: programming pulses of all rows of cells */
	__u64 most_row_pulses;	    /* of the row that had most */
	__u64 stuck_cells;	    /* these three of what it holds now */
	__u64 failed_cells;	    /* that write-verify gave up */
	__u64 age_ns;		    /* since they were programmed, on the clock of the cells */
	/* vector: of cores, without loads and stores; stall: of cores and control units */
	__u64 mvm_ns, vector_ns, access_ns, network_ns, stall_ns, program_ns;
	__u64 adc_pj, cells_pj, periphery_pj; /* of MVM units */
	__u64 core_pj, memory_pj, network_pj, static_pj, program_pj;
};

struct drm_acc_dev_query {
	__u32 type;  /* in: enum drm_acc_query_type */
	__u32 index; /* in: for types that have one, else 0 */
	union {	     /* out */
		struct drm_acc_identity identity;
		struct drm_acc_limits limits;
		struct drm_acc_memory memory;
		struct drm_acc_slot slot;
		struct drm_acc_counters counters;
		struct drm_acc_clock clock;
		struct drm_acc_fault fault;
		struct drm_acc_client client;
		struct drm_acc_trace trace;
		struct drm_acc_tile tile;
		__u64 reserved[32];
	};
};

/* ------------------------------------------------------------------- BOs */

/* No CPU mapping is ever made; BO_CREATE's mmap_offset is 0. */
#define DRM_ACC_BO_NO_CPU (1u << 0)
#define DRM_ACC_BO_FLAGS DRM_ACC_BO_NO_CPU

/* Allocates zeroed memory. EINVAL size 0; E2BIG above a limit; ENOMEM. */
struct drm_acc_bo_create {
	__u64 size; /* in: bytes */
	__u32 flags;
	__u32 handle;	   /* out */
	__u64 padded_size; /* out: rounded up to pages */
	__u64 mmap_offset; /* out: for mmap on this file */
};

struct drm_acc_bo_info {
	__u32 handle; /* in */
	__u32 flags;  /* out */
	__u64 padded_size;
	__u64 mmap_offset;
	__u32 bindings; /* out: ranges of this file's address space that show it */
	__u32 pad;
};

enum drm_acc_vm_op {
	DRM_ACC_VM_MAP = 1,
	DRM_ACC_VM_UNMAP = 2,
};

#define DRM_ACC_VM_READ (1u << 0)
#define DRM_ACC_VM_WRITE (1u << 1)
#define DRM_ACC_VM_FLAGS (DRM_ACC_VM_READ | DRM_ACC_VM_WRITE)

/*
 * Binds part of a BO at an address of this file's space, or unbinds.
 * All of bo_offset, range and address are multiples of the page size.
 * MAP: EINVAL outside the arena or the BO, or without READ or WRITE; EEXIST
 * where something is bound already. UNMAP: handle, bo_offset and flags are 0;
 * the range must be whole bindings (ENOENT if none begins there, EINVAL if one
 * is cut); EBUSY while it holds a queue's ring or control page. It returns when
 * no access is in flight; ETIME when an access outlived its queue's timeout,
 * whose queue has then faulted.
 */
struct drm_acc_vm_bind {
	__u32 handle;
	__u32 op; /* enum drm_acc_vm_op */
	__u32 flags;
	__u32 pad;
	__u64 bo_offset;
	__u64 range;
	__u64 address;
};

/* ---------------------------------------------------------------- queues */

enum drm_acc_priority {
	DRM_ACC_PRIORITY_LOW = 0,
	DRM_ACC_PRIORITY_NORMAL = 1,
	DRM_ACC_PRIORITY_HIGH = 2, /* EACCES without permission */
};

/* The client promises that one thread at a time produces. */
#define DRM_ACC_QUEUE_SINGLE_PRODUCER (1u << 0)
#define DRM_ACC_QUEUE_FLAGS DRM_ACC_QUEUE_SINGLE_PRODUCER

/*
 * A queue over a ring (struct acc_packet[packets], 64-byte aligned) and a
 * control page (struct acc_queue_control, 256-byte aligned) inside one BO that
 * is bound read/write. Both stay bound while the queue lives. The ring and the
 * control page are initialised by the device: all INVALID, indices 0.
 * Never fails for lack of hardware queues.
 */
struct drm_acc_queue_create {
	__u32 handle;
	__u32 packets; /* a power of two, 2^6 … 2^20 */
	__u64 ring_offset;
	__u64 control_offset;
	__u64 timeout_ns; /* bound of one packet's execution; 0: the device's maximum */
	__u32 priority;
	__u32 flags;
	__u32 queue;		    /* out: id */
	__u32 doorbell_slot;	    /* out: which u64 of the doorbell page */
	__u64 doorbell_mmap_offset; /* out */
	__s32 kick_fd; /* out: write 8 bytes when `sleeping` is set; -1: none. The client's to close
			*/
	__u32 pad;
};

struct drm_acc_queue_destroy {
	__u32 queue;
	__u32 pad;
};

enum drm_acc_queue_state {
	DRM_ACC_QUEUE_ACTIVE = 0,
	DRM_ACC_QUEUE_ERROR = 1,
};

struct drm_acc_queue_query {
	__u32 queue; /* in */
	__u32 state; /* out, as all that follows */
	__u64 read_index;
	__u64 write_index;
	__u64 fault_packet; /* index of the packet that faulted */
	__u64 fault_address;
	__u64 fault_kernel;
	__u32 fault_code; /* enum acc_status */
	__u32 priority;
	__u64 packets; /* consumed since creation */
};

/* ---------------------------------------------------------------- events */

/*
 * The file's one event descriptor: an eventfd of the client. It is written
 * after signal wakes, queue space, faults and loss. fd -1 clears it.
 * EBADF if fd is no open descriptor, EINVAL if no eventfd.
 */
struct drm_acc_event_set {
	__s32 fd;
	__u32 flags;
};

enum drm_acc_condition {
	DRM_ACC_COND_EQ = 0,
	DRM_ACC_COND_NE = 1,
	DRM_ACC_COND_LT = 2,
	DRM_ACC_COND_GE = 3,
};

/*
 * Sleeps until `value_at(address) condition value`. The address is a signal in
 * this file's space (EFAULT if it isn't bound read/write, EINVAL if not 64-byte
 * aligned). ETIME when timeout_ns (absolute) passed, EINTR restartable, EIO
 * after a device reset, ENODEV when the device is gone.
 */
struct drm_acc_wait {
	__u64 address;
	__s64 value;
	__u64 timeout_ns;
	__u32 condition;
	__u32 flags;
	__s64 observed; /* out */
};

/*
 * Wakes everybody who waits on signals in [address, address + range): hosts in
 * WAIT, queues of any file and device that binds the memory. range 0 means one
 * signal. EFAULT when address isn't bound.
 */
struct drm_acc_signal_wake {
	__u64 address;
	__u64 range;
	__u32 flags;
	__u32 pad;
};

/* -------------------------------------------------------------- programs */

/*
 * What is loaded into slots stays there when the program, its file or the device ends,
 * until something else is loaded there or the slot is reset; a program with the same
 * contents then finds it resident. EINVAL without DRM_ACC_FEATURE_PERSISTENT.
 */
#define DRM_ACC_PROGRAM_PERSISTENT (1u << 0)
#define DRM_ACC_PROGRAM_FLAGS DRM_ACC_PROGRAM_PERSISTENT

/*
 * Copies an image (acc/program.h) out of a BO, verifies it and makes its
 * kernels callable. EACCES without permission, EINVAL for a malformed or
 * incompatible image (`why` says what), ENOSPC when no slot can ever hold it.
 */
struct drm_acc_program_load {
	__u32 handle;
	__u32 flags;
	__u64 offset;
	__u64 size;
	__u32 program;		  /* out: id */
	__u32 kernels;		  /* out: count */
	__u64 kernel_object_base; /* out: kernel k is base + k; never reused in this file */
	char why[96];		  /* out: the reason of a refusal */
};

struct drm_acc_program_unload {
	__u32 program; /* EBUSY while a dispatch of it executes */
	__u32 pad;
};

struct drm_acc_program_query {
	__u32 program; /* in */
	__u32 kernel;  /* in: index; EINVAL past the last */
	__u64 kernel_object;
	__u32 kernarg_bytes;
	__u32 group_bytes;
	__u32 private_bytes;
	__u32 slot; /* ~0: not resident */
	__u64 loads;
	__u32 pinned;
	__u32 kernels;
	char name[64];
};

#define DRM_ACC_ALL_KERNELS 0xffffffffu

/* A hint: load the unit of this kernel (or of all) soon. */
struct drm_acc_program_prefetch {
	__u32 program;
	__u32 kernel;
	__u32 flags;
	__u32 pad;
};

/*
 * Loads and keeps resident. ENOSPC: the pin would leave no unpinned slot of its
 * class; EBUSY: every slot that fits is in use; E2BIG: over the file's quota; EIO: the
 * load failed; EINVAL: unpin without pin.
 */
struct drm_acc_program_pin {
	__u32 program;
	__u32 kernel;
	__u32 pin; /* 1 pin, 0 unpin */
	__u32 flags;
};

/* ----------------------------------------------------------------- reset */

enum drm_acc_reset_what {
	DRM_ACC_RESET_QUEUE = 0,  /* id: a queue of this file; it goes to Error with code RESET */
	DRM_ACC_RESET_SLOT = 1,	  /* id: a slot whose residents are all this file's, else EACCES */
	DRM_ACC_RESET_DEVICE = 2, /* EACCES without CAP_SYS_ADMIN (daemon: without privilege) */
};

struct drm_acc_reset {
	__u32 what;
	__u32 id;
	__u32 flags;
	__u32 pad;
};

#define DRM_IOCTL_ACC_DEV_QUERY                                                                    \
	DRM_IOWR(DRM_COMMAND_BASE + DRM_ACC_DEV_QUERY, struct drm_acc_dev_query)
#define DRM_IOCTL_ACC_BO_CREATE                                                                    \
	DRM_IOWR(DRM_COMMAND_BASE + DRM_ACC_BO_CREATE, struct drm_acc_bo_create)
#define DRM_IOCTL_ACC_BO_INFO DRM_IOWR(DRM_COMMAND_BASE + DRM_ACC_BO_INFO, struct drm_acc_bo_info)
#define DRM_IOCTL_ACC_VM_BIND DRM_IOW(DRM_COMMAND_BASE + DRM_ACC_VM_BIND, struct drm_acc_vm_bind)
#define DRM_IOCTL_ACC_QUEUE_CREATE                                                                 \
	DRM_IOWR(DRM_COMMAND_BASE + DRM_ACC_QUEUE_CREATE, struct drm_acc_queue_create)
#define DRM_IOCTL_ACC_QUEUE_DESTROY                                                                \
	DRM_IOW(DRM_COMMAND_BASE + DRM_ACC_QUEUE_DESTROY, struct drm_acc_queue_destroy)
#define DRM_IOCTL_ACC_QUEUE_QUERY                                                                  \
	DRM_IOWR(DRM_COMMAND_BASE + DRM_ACC_QUEUE_QUERY, struct drm_acc_queue_query)
#define DRM_IOCTL_ACC_EVENT_SET                                                                    \
	DRM_IOW(DRM_COMMAND_BASE + DRM_ACC_EVENT_SET, struct drm_acc_event_set)
#define DRM_IOCTL_ACC_WAIT DRM_IOWR(DRM_COMMAND_BASE + DRM_ACC_WAIT, struct drm_acc_wait)
#define DRM_IOCTL_ACC_SIGNAL_WAKE                                                                  \
	DRM_IOW(DRM_COMMAND_BASE + DRM_ACC_SIGNAL_WAKE, struct drm_acc_signal_wake)
#define DRM_IOCTL_ACC_PROGRAM_LOAD                                                                 \
	DRM_IOWR(DRM_COMMAND_BASE + DRM_ACC_PROGRAM_LOAD, struct drm_acc_program_load)
#define DRM_IOCTL_ACC_PROGRAM_UNLOAD                                                               \
	DRM_IOW(DRM_COMMAND_BASE + DRM_ACC_PROGRAM_UNLOAD, struct drm_acc_program_unload)
#define DRM_IOCTL_ACC_PROGRAM_QUERY                                                                \
	DRM_IOWR(DRM_COMMAND_BASE + DRM_ACC_PROGRAM_QUERY, struct drm_acc_program_query)
#define DRM_IOCTL_ACC_PROGRAM_PREFETCH                                                             \
	DRM_IOW(DRM_COMMAND_BASE + DRM_ACC_PROGRAM_PREFETCH, struct drm_acc_program_prefetch)
#define DRM_IOCTL_ACC_PROGRAM_PIN                                                                  \
	DRM_IOW(DRM_COMMAND_BASE + DRM_ACC_PROGRAM_PIN, struct drm_acc_program_pin)
#define DRM_IOCTL_ACC_RESET DRM_IOW(DRM_COMMAND_BASE + DRM_ACC_RESET, struct drm_acc_reset)

/*
 * Which field of an ioctl's struct is a descriptor that travels with the call.
 * X(request, struct, fd-in field offset or -1, fd-out field offset or -1). The one
 * place that socket client, socket server and tests read.
 */
#define DRM_ACC_FD_TABLE(X)                                                                        \
	X(DRM_IOCTL_ACC_EVENT_SET, struct drm_acc_event_set, 0, -1)                                \
	X(DRM_IOCTL_ACC_QUEUE_CREATE, struct drm_acc_queue_create, -1, 56)                         \
	X(DRM_IOCTL_PRIME_HANDLE_TO_FD, struct drm_prime_handle, -1, 8)                            \
	X(DRM_IOCTL_PRIME_FD_TO_HANDLE, struct drm_prime_handle, 8, -1)

#if defined(__cplusplus)
}
#endif

#endif /* _UAPI_DRM_ACC_DRM_H_ */
