/* SPDX-License-Identifier: MIT */
/*
 * libacc: devices, buffers, queues, signals, programs and compiled models.
 *
 * Errors: every function that can fail returns 0 (or what it says) or -errno;
 * acc_error_text() then tells this thread what was expected and what was found.
 * Handles: made by *_create, *_open, *_load and *_import, ended by their twin. A
 * device ends last: acc_device_close() is -EBUSY while anything of it is alive.
 * Threads: all functions may be called from all threads at any time, on one handle
 * too, unless said otherwise; nobody may use a handle while or after it is ended.
 * Options and info structs lead with `size` = sizeof(struct): set it, zero the rest
 * (ACC_INIT does both); members grow at the end.
 * fork: a child that uses an inherited handle gets -ENODEV; the parent is undisturbed.
 * Time: absolute CLOCK_MONOTONIC nanoseconds; ACC_FOREVER and ACC_NOW are special.
 */
#ifndef ACC_ACC_H
#define ACC_ACC_H

#include "acc/abi.h"

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
/* A zeroed options or info struct with its `size` set. */
template <typename T> inline T acc_init()
{
	T value = {};
	value.size = sizeof(T);
	return value;
}
#define ACC_INIT(type) acc_init<struct type>()
extern "C" {
#else
#define ACC_INIT(type)                                                                             \
	{                                                                                          \
		.size = sizeof(struct type)                                                        \
	}
#endif

#if defined(__GNUC__)
#define ACC_API __attribute__((visibility("default")))
#define ACC_MUST_CHECK __attribute__((warn_unused_result))
#else
#define ACC_API
#define ACC_MUST_CHECK
#endif

#define ACC_VERSION_MAJOR 0
#define ACC_VERSION_MINOR 1
#define ACC_VERSION_PATCH 0

#define ACC_FOREVER UINT64_MAX
#define ACC_NOW 0

typedef struct acc_device acc_device;
typedef struct acc_buffer acc_buffer;
typedef struct acc_queue acc_queue;
typedef struct acc_signal acc_signal;
typedef struct acc_program acc_program;
typedef struct acc_model acc_model;

/* ---------------------------------------------------------------- library */

/* "0.1.0" of the library that runs. Static storage. */
ACC_API const char *acc_version(void);
/* Text of this thread's last error, never NULL; valid until its next call. */
ACC_API const char *acc_error_text(void);
/* Name of an enum acc_status, e.g. "INVALID_ADDRESS"; static storage. */
ACC_API const char *acc_status_name(uint32_t status);
/* CLOCK_MONOTONIC now + relative_ns, saturating. */
ACC_API uint64_t acc_deadline(uint64_t relative_ns);

enum acc_log_level { ACC_LOG_TRACE, ACC_LOG_DEBUG, ACC_LOG_INFO, ACC_LOG_WARN, ACC_LOG_ERROR };
typedef void (*acc_log_fn)(void *user, enum acc_log_level level, const char *text);
/* Sends log lines to fn instead of stderr; NULL restores stderr. The level is that of
 * the environment's ACC_LOG (trace…error), default warn. fn may run on any thread and
 * must not call libacc. */
ACC_API void acc_set_log(acc_log_fn fn, void *user);
/* A line among the library's own, for what is built on it. `category` is one word. */
ACC_API void acc_log(enum acc_log_level level, const char *category, const char *text);

/* ---------------------------------------------------------------- devices */

struct acc_device_options {
	size_t size;
	/* how long a wait spins before it sleeps, at most 100 ms; 0: 20 µs, 1: never spins */
	uint64_t spin_ns;
};

/*
 * Opens a device. `uri`: "inproc:crossbar", "inproc:fpga", "inproc:null" (each with
 * ":key=value,…"), "unix:PATH#INDEX", "/dev/accel/accelN"; or "crossbar", "fpga",
 * "null": the first device with that engine, of those in ACC_DEVICE (URIs with ';'
 * between them), then of what is there; or NULL: the first in ACC_DEVICE, else what is
 * there: a kernel node, else a daemon's socket, else the embedded emulator
 * ("inproc:crossbar"). What ACC_DEVICE names and cannot be opened is an error, not passed
 * over. acc_device_uri() tells which.
 * -EINVAL malformed URI, -ENODEV nothing there, -EACCES not permitted, -EPROTO another
 * ABI major, -ERANGE the device offers less than 47 address bits.
 */
ACC_API int acc_device_open(const char *uri, const struct acc_device_options *options,
			    acc_device **device) ACC_MUST_CHECK;
/* -EBUSY while buffers, queues, signals, programs or models of it are alive. */
ACC_API int acc_device_close(acc_device *device);

enum acc_engine { ACC_ENGINE_NULL = 0, ACC_ENGINE_CROSSBAR = 1, ACC_ENGINE_FPGA = 2 };

struct acc_device_info {
	size_t size;
	uint32_t engine; /* enum acc_engine */
	uint32_t vendor_id, device_id;
	uint16_t abi_major, abi_minor;
	uint64_t features; /* DRM_ACC_FEATURE_* */
	char name[64];
	char config[96];  /* the model's parameters */
	uint8_t uuid[16]; /* shell interface */
	uint32_t slots;
	uint32_t max_ring_packets;
	uint32_t max_queues;
	uint32_t max_active_queues;
	uint64_t max_buffer_bytes;
	uint64_t client_bytes; /* allocated by this open */
	uint64_t va_start, va_end;
	uint32_t page_size;
};
ACC_API int acc_device_get_info(acc_device *device, struct acc_device_info *info);
ACC_API const char *acc_device_uri(const acc_device *device); /* lives as long as it */

struct acc_slot_info {
	size_t size;
	uint32_t state; /* enum drm_acc_slot_state: 0 empty 1 loading 2 ready 3 busy 4 fault
			 * 5 decoupled 6 reset 7 draining */
	uint32_t class_id;
	uint32_t pins;
	uint64_t capacity, used;
	uint64_t loads, dispatches;
	uint64_t busy_ns, load_ns;
	char resident[64];
	/* Of FPGAs (DRM_ACC_FEATURE_RESOURCES), by enum drm_acc_resource: 0 LUTs 1 flip-flops
	 * 2 block memories 3 DSPs. What it has, and what the resident takes of it. */
	uint64_t resources[4], resources_used[4];
};
/* -ENOENT past the last slot. */
ACC_API int acc_device_get_slot(acc_device *device, uint32_t index, struct acc_slot_info *info);

/* A tile of a crossbar: struct drm_acc_tile, with the same meaning. */
struct acc_tile_info {
	size_t size;
	uint32_t slot, tile; /* tile: of the slot */
	uint64_t arrays, arrays_used;
	uint64_t activations, conversions, clipped, instructions;
	uint64_t programmings, row_pulses, most_row_pulses;
	uint64_t stuck_cells, failed_cells, age_ns;
	uint64_t mvm_ns, vector_ns, access_ns, network_ns, stall_ns, program_ns;
	uint64_t adc_pj, cells_pj, periphery_pj, core_pj, memory_pj, network_pj, static_pj;
	uint64_t program_pj;
};
/* Tiles of a device are numbered slot after slot. -ENOENT past the last; -EOPNOTSUPP without
 * DRM_ACC_FEATURE_TILES. */
ACC_API int acc_device_get_tile(acc_device *device, uint32_t index, struct acc_tile_info *info);

/* Lets `ns` pass for the cells of an emulated device, all at once and whoever's they are: they
 * drift. Nothing else takes time. -EACCES without privilege; -EOPNOTSUPP real hardware, and
 * devices without cells; -EINVAL when the clock of the cells would pass 2^63 ns. */
ACC_API int acc_device_age(acc_device *device, uint64_t ns);

/* struct drm_acc_counters, with the same meaning. */
struct acc_device_counters {
	size_t size;
	uint64_t packets, dispatches, faults, loads, evictions;
	uint64_t bytes_read, bytes_written;
	uint64_t busy_ns, modelled_ns, load_ns;
	uint64_t energy_pj, load_energy_pj;
	uint64_t sleeps, kicks, saturations, mvms;
};
ACC_API int acc_device_get_counters(acc_device *device, struct acc_device_counters *counters);

/* An open of the device, by this process or another: struct drm_acc_client. */
struct acc_client_info {
	size_t size;
	uint32_t pid, uid;
	uint64_t client; /* names it on this device */
	uint64_t bytes;	 /* allocated */
	uint32_t queues, programs, pins, buffers;
	uint64_t packets, dispatches;
	uint64_t busy_ns, modelled_ns, energy_pj;
	uint32_t weight; /* of its share of the device when others want it too */
	char name[32];	 /* of the process */
};
/* 0 is the oldest open that this one may see: its own, those of its user, with privilege all.
 * -ENOENT past the newest. */
ACC_API int acc_device_get_client(acc_device *device, uint32_t index, struct acc_client_info *info);

struct acc_fault_info {
	size_t size;
	uint64_t sequence, time_ns;
	uint32_t queue; /* acc_queue_id() */
	uint32_t code;	/* enum acc_status */
	uint64_t packet_index, address, kernel_object;
	char kernel[64];
	char text[64];
};
/* index 0 is the newest fault of this open; -ENOENT past the oldest kept. */
ACC_API int acc_device_get_fault(acc_device *device, uint32_t index, struct acc_fault_info *info);

/* What the manager of the slots decided, and why: struct drm_acc_trace. */
struct acc_trace_info {
	size_t size;
	uint64_t sequence; /* counts the device's decisions, from 1 */
	uint64_t time_ns;
	uint64_t client, victim_client; /* as in acc_client_info; 0: nobody, or not to be seen */
	uint32_t kind;			/* enum drm_acc_trace_kind */
	uint32_t reason;		/* enum drm_acc_trace_reason */
	uint32_t slot;			/* ~0: none */
	uint32_t waiting;		/* requests that waited for a slot at that moment */
	uint64_t load_ns;		/* modelled, what the decision costs */
	uint64_t value_ns;		/* of the victim: modelled reload time x predicted reuse */
	uint64_t waited_ns;		/* how long the request had waited */
	char unit[64], victim[64];	/* empty: none, or not to be seen */
};
/* index 0 is the newest decision; -ENOENT past the oldest kept; -EOPNOTSUPP without
 * DRM_ACC_FEATURE_TRACE. */
ACC_API int acc_device_get_trace(acc_device *device, uint32_t index, struct acc_trace_info *info);
/* "load" and "least-value" of enum drm_acc_trace_kind and _reason; "unknown". Static. */
ACC_API const char *acc_trace_kind_name(uint32_t kind);
ACC_API const char *acc_trace_reason_name(uint32_t reason);

/* Empties a slot: ends its pins and its fault. -ENOENT past the last slot; -EACCES what is
 * resident or pinned is another's; -EBUSY a dispatch or a load holds it; -EIO it can't be. */
ACC_API int acc_device_reset_slot(acc_device *device, uint32_t index);

/* Resets the whole device: -EACCES without permission. Everybody's waits end with -EIO. */
ACC_API int acc_device_reset(acc_device *device);

/*
 * Calls fn for every device that can be opened here, in the order acc_device_open(NULL)
 * would prefer: those in ACC_DEVICE, then what is there. A non-zero return of fn ends the walk and
 * is returned.
 */
ACC_API int acc_device_list(int (*fn)(void *user, const char *uri), void *user);

struct acc_topology_info {
	size_t size;
	uint32_t packages, numa_nodes, cores, processing_units;
	uint64_t memory_bytes;
	uint32_t cache_line; /* bytes */
	char processor[64];
};
/* The host, by hwloc. */
ACC_API int acc_topology_get(struct acc_topology_info *info);

/* ---------------------------------------------------------------- buffers */

#define ACC_BUFFER_NO_CPU 1u	/* acc_buffer_data() is an address the host can't touch */
#define ACC_BUFFER_READ_ONLY 2u /* for devices */

struct acc_buffer_options {
	size_t size;
	uint32_t flags;
	uint32_t reserved;
};
/*
 * Allocates zeroed memory, maps it and binds it on the device at the same address:
 * pointers into it mean one thing to the host and to every device it is attached to.
 * `bytes` is rounded up to pages. -EINVAL 0 bytes; -E2BIG, -ENOMEM limits.
 */
ACC_API int acc_buffer_create(acc_device *device, size_t bytes,
			      const struct acc_buffer_options *options,
			      acc_buffer **buffer) ACC_MUST_CHECK;
ACC_API void *acc_buffer_data(const acc_buffer *buffer);
ACC_API size_t acc_buffer_bytes(const acc_buffer *buffer); /* rounded up */
/* Binds it on one more device, at the same address. 0 if it is already. */
ACC_API int acc_buffer_attach(acc_buffer *buffer, acc_device *device) ACC_MUST_CHECK;
/* -EBUSY while the device uses it for a queue, -ENOENT if not attached, -EINVAL for the
 * device it was created on. */
ACC_API int acc_buffer_detach(acc_buffer *buffer, acc_device *device);
/* A new descriptor (dma-buf, or a sealed memfd) that the caller owns. */
ACC_API int acc_buffer_export(acc_buffer *buffer, int *fd) ACC_MUST_CHECK;
/* Imports a descriptor; it stays the caller's. The address may differ from the exporter's.
 * -EINVAL: neither a dma-buf of this driver nor a sealed memfd. */
ACC_API int acc_buffer_import(acc_device *device, int fd, acc_buffer **buffer) ACC_MUST_CHECK;
/* Waits for accesses in flight. -EBUSY: a queue's memory; -ETIME: an access outlived its
 * queue's time-out (the queue has faulted; the buffer is gone all the same). */
ACC_API int acc_buffer_destroy(acc_buffer *buffer);

/* ---------------------------------------------------------------- signals */

/*
 * A 64-bit value that hosts and devices wait on; completions decrement it. Any number.
 * `devices`: where packets may name it; at least one, all of this process. Its waits and
 * callbacks are served by the first: name the one that completes it most.
 */
ACC_API int acc_signal_create(acc_device *const *devices, size_t count, int64_t initial,
			      acc_signal **signal) ACC_MUST_CHECK;
/*
 * A signal in memory that `fd` shares (of acc_buffer_export(), maybe of another process): the
 * struct acc_signal_memory at `offset`, a multiple of 64, whose kind is 1. Ending it leaves
 * the memory as it is. Who waits is woken by other processes' changes if all reach the same
 * driver: not by the embedded emulator of another process.
 */
ACC_API int acc_signal_import(acc_device *const *devices, size_t count, int fd, uint64_t offset,
			      acc_signal **signal) ACC_MUST_CHECK;
/* -EBUSY while a wait or callback of this process is pending on it. Waits for a callback
 * that runs (-EBUSY on a thread that runs callbacks). Its descriptors become readable. */
ACC_API int acc_signal_destroy(acc_signal *signal);
/* What a packet names: struct acc_signal_memory at one address on host and devices. */
ACC_API uint64_t acc_signal_address(const acc_signal *signal);
ACC_API int64_t acc_signal_load(const acc_signal *signal); /* acquire */
/* Changes by atomics (release), wakes who waits. */
ACC_API int acc_signal_store(acc_signal *signal, int64_t value);
ACC_API int acc_signal_add(acc_signal *signal, int64_t value);
/* Wakes who waits, after the caller changed the value at acc_signal_address() by a 64-bit
 * atomic of its own. */
ACC_API int acc_signal_wake(acc_signal *signal);
/* Stores without waking: only to re-arm a signal that nobody waits on, by callback or
 * descriptor neither: they would never hear of it again. Clears status. */
ACC_API void acc_signal_reset(acc_signal *signal, int64_t value);

/*
 * Waits until `value_of(signal) condition value` (enum acc_condition): spins for the
 * device's spin budget, then sleeps. 0; -ETIME; -EIO reset, -ENODEV loss of any device of
 * the signal.
 * A completion's error is in acc_signal_get_result(), not here.
 * `observed` may be NULL.
 */
ACC_API int acc_signal_wait(acc_signal *signal, uint32_t condition, int64_t value,
			    uint64_t deadline_ns, int64_t *observed) ACC_MUST_CHECK;
/* Waits for any of `count` signals; *index is the lowest satisfied one. */
ACC_API int acc_signal_wait_any(acc_signal *const *signals, const uint32_t *conditions,
				const int64_t *values, size_t count, uint64_t deadline_ns,
				size_t *index) ACC_MUST_CHECK;
/* Calls fn once, on a thread of the library, when the condition holds, or with error
 * -EIO, -ENODEV when it never will. fn may call libacc, but must not end the signal. */
typedef void (*acc_signal_fn)(void *user, acc_signal *signal, int64_t observed, int error);
ACC_API int acc_signal_on(acc_signal *signal, uint32_t condition, int64_t value, acc_signal_fn fn,
			  void *user) ACC_MUST_CHECK;
/* Calls the callbacks that wait on the signal, now, with error -ECANCELED. Later ones stay. */
ACC_API int acc_signal_cancel(acc_signal *signal);
/* A descriptor that polls readable once the condition holds, or never will; the caller
 * closes it. */
ACC_API int acc_signal_fd(acc_signal *signal, uint32_t condition, int64_t value,
			  int *fd) ACC_MUST_CHECK;

struct acc_signal_result {
	size_t size;
	uint32_t status; /* enum acc_status of the last completion */
	uint32_t reserved;
	uint64_t start_ns, end_ns; /* CLOCK_MONOTONIC */
	uint64_t energy_pj;	   /* modelled */
	uint64_t modelled_ns;	   /* end, on the model's clock */
};
ACC_API int acc_signal_get_result(const acc_signal *signal, struct acc_signal_result *result);

/* --------------------------------------------------------------- programs */

/* Loads an .accx image for this device. The image may be freed afterwards. -EINVAL
 * malformed or incompatible, -EACCES, -ENOSPC no slot can ever hold it. */
ACC_API int acc_program_load(acc_device *device, const void *image, size_t bytes,
			     acc_program **program) ACC_MUST_CHECK;
ACC_API int acc_program_load_file(acc_device *device, const char *path,
				  acc_program **program) ACC_MUST_CHECK;
/* What is loaded into slots stays there when the program or the device ends, until something
 * else is loaded there or the slot is reset; a program with the same contents then finds it
 * resident. -EINVAL unless the device has the feature "persistent" (DRM_ACC_FEATURE_PERSISTENT). */
#define ACC_PROGRAM_PERSISTENT 1u

struct acc_program_options {
	size_t size;
	uint32_t flags; /* ACC_PROGRAM_* */
	uint32_t reserved;
};
/* acc_program_load() with options, which may be NULL. */
ACC_API int acc_program_load_with(acc_device *device, const void *image, size_t bytes,
				  const struct acc_program_options *options,
				  acc_program **program) ACC_MUST_CHECK;
/* -EBUSY while a dispatch of it executes. */
ACC_API int acc_program_unload(acc_program *program);

struct acc_kernel_info {
	size_t size;
	uint64_t kernel_object;
	uint32_t index;
	uint32_t kernarg_bytes, group_bytes, private_bytes;
	uint32_t slot; /* ~0: not resident */
	uint32_t pinned;
	uint64_t loads;
	char name[64];
};
ACC_API uint32_t acc_program_kernels(const acc_program *program);
/* By index (-EINVAL past the last) or by name (-ENOENT, naming those there are). */
ACC_API int acc_program_kernel(acc_program *program, uint32_t index, struct acc_kernel_info *info);
ACC_API int acc_program_find(acc_program *program, const char *name,
			     struct acc_kernel_info *info) ACC_MUST_CHECK;
#define ACC_ALL_KERNELS UINT32_MAX
ACC_API int acc_program_prefetch(acc_program *program, uint32_t kernel);
/* -ENOSPC: the pin would leave no unpinned slot of its class; -E2BIG quota. */
ACC_API int acc_program_pin(acc_program *program, uint32_t kernel);
ACC_API int acc_program_unpin(acc_program *program, uint32_t kernel);

/*
 * Describes an .accx image as JSON text, without a device: targets, units, kernels,
 * matrices, the model's inputs, outputs and steps, and the placement report as a string.
 * *json_bytes: in, the room at `json`; out, the length of the text with its NUL.
 * -ENOSPC: the room is too small (`json` may be NULL, with room 0); -EINVAL malformed.
 */
ACC_API int acc_image_describe(const void *image, size_t bytes, char *json, size_t *json_bytes);

/* ----------------------------------------------------------------- queues */

enum acc_priority { ACC_PRIORITY_LOW = 0, ACC_PRIORITY_NORMAL = 1, ACC_PRIORITY_HIGH = 2 };

#define ACC_QUEUE_SINGLE_PRODUCER 1u /* one thread at a time submits: no atomic add */
#define ACC_QUEUE_NO_KERNARGS 2u     /* no kernarg ring: acc_dispatch.kernargs is -EINVAL */

struct acc_queue_options {
	size_t size;
	uint32_t packets;  /* a power of two, 64 … 2^20; 0: 256 */
	uint32_t priority; /* enum acc_priority + 1; 0: normal */
	uint32_t flags;
	uint32_t reserved;
	uint64_t timeout_ns; /* of one packet; 0: the device's maximum */
};
ACC_API int acc_queue_create(acc_device *device, const struct acc_queue_options *options,
			     acc_queue **queue) ACC_MUST_CHECK;
/* Packets not yet executed are cancelled; waits for the one that executes. */
ACC_API int acc_queue_destroy(acc_queue *queue);
ACC_API uint32_t acc_queue_id(const acc_queue *queue);

/*
 * Publishes packets (copied) in order, in one reservation, and rings. Waits for space
 * until the deadline (-ETIME: nothing was published). -EIO queue in Error, device reset;
 * -E2BIG count > the ring; -EINVAL none, or a header of type INVALID. *first_index may be
 * NULL.
 */
ACC_API int acc_queue_submit(acc_queue *queue, const union acc_packet *packets, size_t count,
			     uint64_t deadline_ns, uint64_t *first_index) ACC_MUST_CHECK;

struct acc_dispatch {
	size_t size;
	uint64_t kernel_object;
	const void *kernargs;	  /* copied into the queue's kernarg ring */
	uint32_t kernarg_bytes;	  /* at most 256; -E2BIG above: use kernarg_address */
	uint32_t barrier;	  /* 1: start only when all before are complete */
	uint64_t kernarg_address; /* instead of kernargs: memory of the caller's */
	uint32_t grid[3];	  /* 0 means 1 */
	uint32_t workgroup[3];	  /* 0 means 1 */
	uint32_t private_bytes, group_bytes;
	acc_signal *completion; /* or NULL */
};
/* One kernel dispatch, waiting for space without bound. */
ACC_API int acc_queue_dispatch(acc_queue *queue,
			       const struct acc_dispatch *dispatch) ACC_MUST_CHECK;
/* A barrier-AND on up to 5 signals (each must be 0); completion may be NULL. */
ACC_API int acc_queue_barrier(acc_queue *queue, acc_signal *const *signals, size_t count,
			      acc_signal *completion) ACC_MUST_CHECK;
/* Copies inside buffers attached to the queue's device. */
ACC_API int acc_queue_copy(acc_queue *queue, void *destination, const void *source, size_t bytes,
			   acc_signal *completion) ACC_MUST_CHECK;
ACC_API int acc_queue_fill(acc_queue *queue, void *destination, uint32_t pattern, size_t bytes,
			   acc_signal *completion) ACC_MUST_CHECK;

struct acc_queue_info {
	size_t size;
	uint32_t id;
	uint32_t state;	     /* 0 active, 1 error */
	uint32_t fault_code; /* enum acc_status */
	uint32_t priority;
	uint64_t read_index, write_index;
	uint64_t fault_packet, fault_address, fault_kernel;
	uint64_t packets;
};
ACC_API int acc_queue_get_info(acc_queue *queue, struct acc_queue_info *info);
/* Puts it into Error with code RESET; it stays there until destroyed. */
ACC_API int acc_queue_reset(acc_queue *queue);
/* Of a queue that nobody has submitted to yet, nor does meanwhile: -EBUSY otherwise. An enum
 * acc_priority; -EACCES: HIGH without permission. Its id may change. */
ACC_API int acc_queue_set_priority(acc_queue *queue, uint32_t priority);
/* Takes the queue from its device: what was published is cancelled (waits for the packet
 * that executes), what is published later is never read. Its memory stays until
 * acc_queue_destroy(). Submissions and queries are -EIO from now on. */
ACC_API int acc_queue_stop(acc_queue *queue);
/* Calls fn once, on a thread of the library, when the queue has gone into Error (error 0)
 * or its device is lost (-EIO, -ENODEV). At most one per queue: -EBUSY. After
 * acc_queue_stop() or acc_queue_destroy() has returned fn is not called any more and does
 * not run, unless it is fn itself that calls them. */
typedef void (*acc_queue_fault_fn)(void *user, acc_queue *queue, const struct acc_queue_info *info,
				   int error);
ACC_API int acc_queue_on_fault(acc_queue *queue, acc_queue_fault_fn fn, void *user) ACC_MUST_CHECK;

/*
 * The memory that a queue shares with its device, for producers that publish packets
 * themselves (acc/abi.h has the contract). They may run beside acc_queue_submit(), which
 * waits for room before it reserves: who reserves first and waits then may make it wait.
 */
struct acc_queue_memory {
	size_t size;
	union acc_packet *ring;
	struct acc_queue_control *control;
	uint64_t packets;
};
ACC_API int acc_queue_get_memory(acc_queue *queue, struct acc_queue_memory *memory);
/* Stores `index` to the doorbell, and wakes the device if it sleeps. For published packets. */
ACC_API int acc_queue_ring(acc_queue *queue, uint64_t index);

/* ----------------------------------------------------------------- models */

/*
 * A compiled network (.accx with a model): recorded packets over a static memory plan.
 * `devices` must hold one of each engine that it uses (-ENODEV names the missing one).
 * batch: how many samples one submission carries; 0: 1.
 */
struct acc_model_options {
	size_t size;
	uint32_t batch;
	uint32_t reserved;
};
ACC_API int acc_model_load(acc_device *const *devices, size_t count, const void *image,
			   size_t bytes, const struct acc_model_options *options,
			   acc_model **model) ACC_MUST_CHECK;
ACC_API int acc_model_load_file(acc_device *const *devices, size_t count, const char *path,
				const struct acc_model_options *options,
				acc_model **model) ACC_MUST_CHECK;
ACC_API int acc_model_unload(acc_model *model);

struct acc_tensor_info {
	size_t size;
	uint32_t dtype; /* enum acc_dtype of acc/program.h */
	uint32_t rank;
	uint32_t dims[6]; /* dims[0] is 1: the shape of one sample */
	uint64_t sample_bytes;
	char name[64];
};
/* -ENOENT past the last. */
ACC_API int acc_model_input(const acc_model *model, uint32_t index, struct acc_tensor_info *info);
ACC_API int acc_model_output(const acc_model *model, uint32_t index, struct acc_tensor_info *info);
/*
 * Runs `samples` samples, in batches. inputs[i] points to samples × sample_bytes of input
 * i, outputs[i] likewise (written). Blocks. One run at a time per model (others wait).
 * -EIO with the failed step, queue and fault in the text.
 */
ACC_API int acc_model_run(acc_model *model, const void *const *inputs, void *const *outputs,
			  size_t samples) ACC_MUST_CHECK;

struct acc_model_stats {
	size_t size;
	uint64_t samples, submissions;
	uint64_t wall_ns;     /* host time in acc_model_run */
	uint64_t modelled_ns; /* of all submissions, on the model's clock */
};
ACC_API int acc_model_get_stats(const acc_model *model, struct acc_model_stats *stats);

#ifdef __cplusplus
}
#endif

#endif /* ACC_ACC_H */
