/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The driver's objects and who locks them.
 *
 * Locks, in this order:
 *   acc_device.calls (SRCU)        every call, for as long as it sleeps
 *   acc_device.reset_lock (mutex)  one reset, loss, suspend or resume at a time
 *   acc_device.files_lock (mutex)  who is in the table of files
 *   acc_file.lock (mutex)          bindings, queues, doorbells of one file
 *   acc_memory_lock (mutex)        the table of foreign memory
 *   acc_memory.lock (spinlock)     waiters and binders of one memory
 *   acc_file.wait_lock, acc_file.event_lock, acc_admin.lock (spinlocks, leaves)
 *
 * No mutex is held while an admin command runs that the device may answer late,
 * but reset_lock where the device has just been reset: the device raises events
 * meanwhile, and their handler takes files_lock and acc_file.lock.
 *
 * A client is never trusted, and neither is the device: what it writes is bounded
 * in acc_ring.h before use. acc_admin() returns only when the device has answered, or
 * has been reset or cut off the bus, so whoever called it may then free what the
 * command named.
 */
#ifndef ACC_DRV_H
#define ACC_DRV_H

#include <linux/bitmap.h>
#include <linux/completion.h>
#include <linux/device.h>
#include <linux/dmapool.h>
#include <linux/eventfd.h>
#include <linux/io-64-nonatomic-lo-hi.h>
#include <linux/kref.h>
#include <linux/list.h>
#include <linux/mutex.h>
#include <linux/pci.h>
#include <linux/sched.h>
#include <linux/semaphore.h>
#include <linux/spinlock.h>
#include <linux/srcu.h>
#include <linux/types.h>
#include <linux/wait.h>
#include <linux/workqueue.h>
#include <linux/xarray.h>

#include <drm/drm_device.h>
#include <drm/drm_file.h>
#include <drm/drm_gem_shmem_helper.h>
#include <drm/drm_print.h>

#include "acc/check.h"
#include "acc_extent.h"
#include "acc_va.h"

#define ACC_ADMIN_LOG2 10
#define ACC_ADMIN_ENTRIES BIT(ACC_ADMIN_LOG2)
#define ACC_EVENT_LOG2 12
#define ACC_EVENT_ENTRIES BIT(ACC_EVENT_LOG2)

/* Bound of a command that the device answers at once, and of one that waits for work. */
#define ACC_ADMIN_MS 30000
/* How often a waiting command looks by itself. */
#define ACC_ADMIN_LOOK_MS 50
#define ACC_MAX_BINDINGS 65536
/* Commands of one file that may be under way: the ring is shared. */
#define ACC_FILE_COMMANDS 16
/*
 * Of those the commands that may wait for a client's work, of a file and of all files: a
 * device executes only so many commands side by side, and those of others are to be answered
 * in time, whatever one client's work does.
 */
#define ACC_FILE_PATIENT 4
#define ACC_PATIENT 8

/* Where mmap finds what is no buffer: below DRM_FILE_PAGE_OFFSET_START. */
#define ACC_MMAP_DOORBELL 0x10000000ull
#define ACC_MMAP_STATUS 0x20000000ull

struct acc_file;

/* A command on its way, on its caller's stack. */
struct acc_pending {
	struct completion done;
	struct acc_admin_cpl cpl;
};

struct acc_admin {
	spinlock_t lock; /* of all that follows */
	struct acc_admin_cmd *sq;
	struct acc_admin_cpl *cq;
	dma_addr_t sq_bus, cq_bus;
	u32 tail, head;
	DECLARE_BITMAP(ids, ACC_ADMIN_ENTRIES);
	struct acc_pending *pending[ACC_ADMIN_ENTRIES];
	u32 in_flight;
	int error; /* what new commands get: 0, or the reason why none is taken */
	wait_queue_head_t space;
	u64 bogus; /* completions that pair with nothing */
};

struct acc_events {
	struct acc_event *ring;
	dma_addr_t bus;
	u32 head;
	struct mutex lock; /* one walk at a time */
	u64 bogus;
};

/* Why the device was last reset, for those who look: kept until the next. */
struct acc_reset_record {
	u32 asid; /* of whom is held guilty, 0: nobody */
	char why[64];
};

struct acc_device {
	struct drm_device drm;
	struct pci_dev *pdev;
	void __iomem *regs; /* only between drm_dev_enter() and drm_dev_exit() */
	phys_addr_t doorbells; /* BAR2 */
	u32 asids; /* pages in BAR2; ASIDs are 1 … asids - 1 */

	struct drm_acc_identity identity;
	struct drm_acc_limits limits;
	u64 va_start, va_end;
	u32 va_bits;

	struct acc_admin admin;
	struct semaphore patient; /* ACC_PATIENT */
	struct acc_events events;
	struct dma_pool *small; /* ACC_IDENTIFY_BYTES each: answers */
	struct dma_pool *lists; /* a page each: lists of pages */

	/*
	 * Held by every call, however long it sleeps; removal waits for it. Not
	 * drm_dev_enter(): its SRCU is of all DRM devices, and a client that waits here would
	 * hold up the removal of any other. That one is for single accesses.
	 */
	struct srcu_struct calls;
	struct mutex reset_lock; /* one reset, loss, suspend or resume at a time */
	int gone; /* ENODEV once it is removed; READ_ONCE */
	bool asleep; /* doorbells must not be mapped; under reset_lock, READ_ONCE */
	u64 resets;
	struct acc_reset_record record; /* reset_lock */
	struct acc_reset_record request; /* request_lock */
	spinlock_t request_lock; /* request */
	struct work_struct reset_work;
	struct delayed_work watchdog;
	struct work_struct look; /* at queues: waits for the device, as the watchdog must not */
	u32 heartbeat; /* the watchdog's last look */
	unsigned long heartbeat_seen; /* jiffies when it last changed */

	struct mutex files_lock; /* files, next_asid, next_client */
	struct xarray files; /* acc_file by ASID; files_lock */
	u32 next_asid;
	u64 next_client;

	struct mutex bos_lock; /* bos */
	struct list_head bos; /* acc_bo.link */
	atomic64_t bytes; /* of buffers that were created here and live */
	u64 fatal;
	u64 lost_events; /* holes in the event ring */
};

/*
 * Memory as waiters and wakers see it: two buffers of any device of ours that show
 * one memory share this. Signals meet at (memory, offset).
 */
struct acc_memory {
	struct kref ref;
	spinlock_t lock; /* waiters, binders */
	struct list_head waiters; /* acc_waiter.memory_link */
	struct list_head binders; /* acc_binder.link */
	const void *foreign; /* the dma-buf of another exporter, or NULL */
	struct list_head link; /* of foreign ones */
};

/* A file that binds a memory, once however often it does. */
struct acc_binder {
	struct list_head link;
	struct acc_file *file;
	u32 bindings;
};

/* Bytes that a file allocated. Lives as long as any buffer of it. */
struct acc_charge {
	struct kref ref;
	atomic64_t bytes;
};

struct acc_bo {
	struct drm_gem_shmem_object base;
	struct list_head link;
	u32 flags; /* DRM_ACC_BO_* */
	struct acc_memory *memory;
	struct acc_charge *charge; /* NULL: imported */
	struct mutex lock; /* of what follows, filled once */
	struct acc_extents extents;
	bool pinned;
	struct page **pages; /* of our own memory, whoever exported it; else NULL */
	struct iosys_map map; /* of foreign memory */
	bool mapped;
};

struct acc_binding {
	struct acc_va va;
	struct acc_bo *bo;
	u64 bo_offset;
};

struct acc_queue {
	u32 id;
	u32 doorbell;
	u64 ring_address, control_address; /* of the bindings that hold them */
	u64 timeout_ns;
	/* The watchdog's, under acc_file.lock. */
	u64 seen_index;
	unsigned long seen; /* jiffies */
	u32 strikes;
};

struct acc_waiter {
	struct list_head memory_link, file_link;
	struct task_struct *task;
	u64 offset;
};

struct acc_file {
	struct kref ref;
	struct acc_device *acc;
	u32 asid;
	u64 client;
	struct pid *opener;
	kuid_t uid;
	char name[TASK_COMM_LEN];
	int lost; /* errno; READ_ONCE */
	bool created; /* the device knows the ASID */
	struct semaphore commands, patient; /* ACC_FILE_COMMANDS, ACC_FILE_PATIENT */

	struct mutex lock; /* of what follows, to buffers */
	struct acc_va_space vas; /* of acc_binding */
	struct xarray queues; /* acc_queue by id */
	DECLARE_BITMAP(doorbells, ACC_DOORBELLS_PER_PAGE);
	u32 queue_count;
	u32 next_queue;
	u32 next_program;
	u32 programs;
	atomic_t buffers; /* handles */

	spinlock_t event_lock; /* event */
	struct eventfd_ctx *event;

	spinlock_t wait_lock; /* waiters */
	struct list_head waiters;

	struct work_struct wake;
	struct page *status; /* struct acc_status_page */
	struct page *dummy; /* where doorbells go when there is no device */
	struct acc_charge *charge;
};

static inline struct acc_device *to_acc(struct drm_device *drm)
{
	return container_of(drm, struct acc_device, drm);
}

static inline struct acc_bo *to_acc_bo(struct drm_gem_object *obj)
{
	return container_of(to_drm_gem_shmem_obj(obj), struct acc_bo, base);
}

static inline struct acc_binding *to_acc_binding(struct acc_va *va)
{
	return container_of(va, struct acc_binding, va);
}

/* acc_drv.c */
extern const struct drm_driver acc_drm_driver;
extern unsigned int acc_hang_ms;
extern unsigned int acc_grace_ms;
extern unsigned int acc_watchdog_ms;
struct acc_file *acc_file_get(struct acc_device *acc, u32 asid);
void acc_file_put(struct acc_file *file);
int acc_file_lost(const struct acc_file *file);

/* acc_admin.c */
int acc_admin_init(struct acc_device *acc);
void acc_admin_fini(struct acc_device *acc);
void acc_admin_start(struct acc_device *acc);
void acc_admin_open(struct acc_device *acc);
void acc_admin_stop(struct acc_device *acc, int error);
void acc_admin_abort(struct acc_device *acc, int error);
bool acc_admin_poll(struct acc_device *acc);
/*
 * Executes a command: 0 or -errno of the device; -EIO: the device was reset meanwhile,
 * -ENODEV: it is gone. @bound_ms: what it may take. Sleeps; not interruptible, bounded.
 */
int acc_admin(struct acc_device *acc, struct acc_admin_cmd *cmd, struct acc_admin_cpl *cpl,
	      unsigned int bound_ms);
int acc_file_admin(struct acc_file *file, struct acc_admin_cmd *cmd, struct acc_admin_cpl *cpl,
		   unsigned int bound_ms);
/* A command whose answer is @bytes at `data`. */
int acc_admin_read(struct acc_device *acc, struct acc_admin_cmd *cmd, void *out, size_t bytes);
int acc_identify(struct acc_device *acc, u32 asid, u32 what, u32 index, void *out, size_t bytes);

/* acc_irq.c */
int acc_irq_init(struct acc_device *acc);
void acc_irq_fini(struct acc_device *acc);
void acc_irq_start(struct acc_device *acc);
void acc_events_poll(struct acc_device *acc);

/* acc_bo.c */
struct drm_gem_object *acc_bo_alloc(struct drm_device *drm, size_t size);
struct drm_gem_object *acc_bo_import(struct drm_device *drm, struct dma_buf *dma_buf);
int acc_bo_pin(struct acc_bo *bo);
void acc_bos_unmap(struct acc_device *acc);
/* The 64 bytes of a signal; ends with acc_bo_unmap_signal(). NULL: not ours to touch. */
struct acc_signal_memory *acc_bo_map_signal(struct acc_bo *bo, u64 offset);
void acc_bo_unmap_signal(struct acc_bo *bo, struct acc_signal_memory *signal);
int acc_bo_prepare_signals(struct acc_bo *bo);
struct acc_bo *acc_bo_lookup(struct drm_file *drm_file, u32 handle);
struct acc_charge *acc_charge_create(void);
void acc_charge_put(struct acc_charge *charge);
int acc_ioctl_bo_create(struct drm_device *drm, void *data, struct drm_file *drm_file);
int acc_ioctl_bo_info(struct drm_device *drm, void *data, struct drm_file *drm_file);

/* acc_mmap.c */
int acc_mmap(struct file *filp, struct vm_area_struct *vma);
void acc_doorbells_revoke(struct acc_device *acc);

/* acc_vm.c */
int acc_vm_resolve(struct acc_file *file, u64 address, u32 need, struct acc_bo **bo, u64 *offset,
		   u64 *bytes);
struct acc_binding *acc_vm_find(struct acc_file *file, const struct acc_bo *bo, u64 offset,
				u64 bytes);
int acc_vm_restore(struct acc_file *file);
void acc_vm_close(struct acc_file *file);
int acc_ioctl_vm_bind(struct drm_device *drm, void *data, struct drm_file *drm_file);

/* acc_queue.c */
void acc_queues_close(struct acc_file *file);
void acc_queues_watch(struct acc_device *acc);
int acc_ioctl_queue_create(struct drm_device *drm, void *data, struct drm_file *drm_file);
int acc_ioctl_queue_destroy(struct drm_device *drm, void *data, struct drm_file *drm_file);
int acc_ioctl_queue_query(struct drm_device *drm, void *data, struct drm_file *drm_file);

/* acc_wait.c */
struct acc_memory *acc_memory_create(void);
struct acc_memory *acc_memory_foreign(const void *key);
struct acc_memory *acc_memory_get(struct acc_memory *memory);
void acc_memory_put(struct acc_memory *memory);
int acc_memory_bind(struct acc_memory *memory, struct acc_file *file);
void acc_memory_unbind(struct acc_memory *memory, struct acc_file *file);
void acc_wake(struct acc_memory *memory, u64 offset, u64 range, const struct acc_file *caller,
	      bool devices);
void acc_file_fire(struct acc_file *file);
void acc_wake_all(struct acc_device *acc);
void acc_file_wake_waiters(struct acc_file *file);
void acc_file_wake_work(struct work_struct *work);
int acc_ioctl_wait(struct drm_device *drm, void *data, struct drm_file *drm_file);
int acc_ioctl_signal_wake(struct drm_device *drm, void *data, struct drm_file *drm_file);
int acc_ioctl_event_set(struct drm_device *drm, void *data, struct drm_file *drm_file);

/* acc_program.c */
int acc_ioctl_program_load(struct drm_device *drm, void *data, struct drm_file *drm_file);
int acc_ioctl_program_unload(struct drm_device *drm, void *data, struct drm_file *drm_file);
int acc_ioctl_program_query(struct drm_device *drm, void *data, struct drm_file *drm_file);
int acc_ioctl_program_prefetch(struct drm_device *drm, void *data, struct drm_file *drm_file);
int acc_ioctl_program_pin(struct drm_device *drm, void *data, struct drm_file *drm_file);

/* acc_query.c */
int acc_query_probe(struct acc_device *acc);
int acc_ioctl_dev_query(struct drm_device *drm, void *data, struct drm_file *drm_file);

/* acc_reset.c */
int acc_hw_start(struct acc_device *acc);
void acc_reset_init(struct acc_device *acc);
/* Ends watchdog and looks. */
void acc_watch_stop(struct acc_device *acc);
/* Asks for a device reset; @asid: whose work caused it, or 0. Any context. */
void acc_reset_request(struct acc_device *acc, u32 asid, const char *why);
/* Resets now; returns when it is over. */
int acc_reset_now(struct acc_device *acc, u32 asid, const char *why);
/* The hardware answers no more. Any context that sleeps. */
void acc_device_gone(struct acc_device *acc);
void acc_lose_files(struct acc_device *acc, int error, u32 guilty);
void acc_file_lose(struct acc_file *file, int error, bool guilty);
int acc_ioctl_reset(struct drm_device *drm, void *data, struct drm_file *drm_file);

/* acc_pm.c */
int acc_pm_get(struct acc_device *acc);
void acc_pm_put(struct acc_device *acc);
void acc_pm_init(struct acc_device *acc);
void acc_pm_fini(struct acc_device *acc);
extern const struct dev_pm_ops acc_pm_ops;

/* acc_debugfs.c */
void acc_debugfs_init(struct acc_device *acc);
void acc_coredump(struct acc_device *acc, const char *why, u32 asid);
void acc_show_fdinfo(struct drm_printer *p, struct drm_file *drm_file);

/* acc_sysfs.c */
extern const struct attribute_group *acc_sysfs_groups[];

#endif
