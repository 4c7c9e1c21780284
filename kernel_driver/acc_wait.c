// SPDX-License-Identifier: GPL-2.0-only
/*
 * Waiting and waking, by (memory, offset) as a shared futex does: files of any device of
 * ours that bind one memory meet here. docs/protocols.md has the protocol ("notify"):
 * register, set the signal's HOST bit, fence, look, sleep.
 */
#include <linux/atomic.h>
#include <linux/eventfd.h>
#include <linux/file.h>
#include <linux/hrtimer.h>
#include <linux/pm_runtime.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>

#include <drm/drm_gem.h>

#include "acc_drv.h"
#include "acc_trace.h"

/* ---------------------------------------------------------------- memory */

static DEFINE_MUTEX(acc_memory_lock);
static LIST_HEAD(acc_memory_foreign_list); /* acc_memory.link, under acc_memory_lock */

struct acc_memory *acc_memory_create(void)
{
	struct acc_memory *memory = kzalloc(sizeof(*memory), GFP_KERNEL);

	if (!memory)
		return NULL;
	kref_init(&memory->ref);
	spin_lock_init(&memory->lock);
	INIT_LIST_HEAD(&memory->waiters);
	INIT_LIST_HEAD(&memory->binders);
	INIT_LIST_HEAD(&memory->link);
	return memory;
}

/* The memory of another driver's dma-buf, which the caller's import keeps. */
struct acc_memory *acc_memory_foreign(const void *key)
{
	struct acc_memory *memory;

	mutex_lock(&acc_memory_lock);
	list_for_each_entry(memory, &acc_memory_foreign_list, link) {
		if (memory->foreign == key && kref_get_unless_zero(&memory->ref))
			goto unlock;
	}
	memory = acc_memory_create();
	if (memory) {
		memory->foreign = key;
		list_add(&memory->link, &acc_memory_foreign_list);
	}
unlock:
	mutex_unlock(&acc_memory_lock);
	return memory;
}

struct acc_memory *acc_memory_get(struct acc_memory *memory)
{
	kref_get(&memory->ref);
	return memory;
}

static void acc_memory_free(struct kref *ref)
{
	struct acc_memory *memory = container_of(ref, struct acc_memory, ref);

	if (memory->foreign) {
		mutex_lock(&acc_memory_lock);
		list_del(&memory->link);
		mutex_unlock(&acc_memory_lock);
	}
	kfree(memory);
}

void acc_memory_put(struct acc_memory *memory)
{
	if (memory)
		kref_put(&memory->ref, acc_memory_free);
}

static struct acc_binder *acc_memory_find(struct acc_memory *memory, struct acc_file *file)
{
	struct acc_binder *binder;

	list_for_each_entry(binder, &memory->binders, link) {
		if (binder->file == file)
			return binder;
	}
	return NULL;
}

/* A file that binds a memory is told when signals in it change. */
int acc_memory_bind(struct acc_memory *memory, struct acc_file *file)
{
	struct acc_binder *fresh = kzalloc(sizeof(*fresh), GFP_KERNEL);
	struct acc_binder *binder;

	if (!fresh)
		return -ENOMEM;
	spin_lock(&memory->lock);
	binder = acc_memory_find(memory, file);
	if (!binder) {
		binder = fresh;
		binder->file = file;
		list_add_tail(&binder->link, &memory->binders);
		fresh = NULL;
	}
	binder->bindings++;
	spin_unlock(&memory->lock);
	kfree(fresh);
	return 0;
}

void acc_memory_unbind(struct acc_memory *memory, struct acc_file *file)
{
	struct acc_binder *binder;

	spin_lock(&memory->lock);
	binder = acc_memory_find(memory, file);
	if (--binder->bindings)
		binder = NULL;
	else
		list_del(&binder->link);
	spin_unlock(&memory->lock);
	kfree(binder);
}

/* ---------------------------------------------------------------- waking */

/* The descriptor of a file: something has happened. Never blocks. */
void acc_file_fire(struct acc_file *file)
{
	spin_lock(&file->event_lock);
	if (file->event)
		eventfd_signal(file->event);
	spin_unlock(&file->event_lock);
}

/* Lets the device look again at the queues of a file that wait for signals. */
void acc_file_wake_work(struct work_struct *work)
{
	struct acc_file *file = container_of(work, struct acc_file, wake);
	struct acc_admin_cmd cmd = { .op = ACC_ADMIN_WAKE, .asid = file->asid };

	/* A device that sleeps has no queue that could wait. */
	if (acc_file_lost(file) || pm_runtime_get_if_active(&file->acc->pdev->dev) <= 0)
		return;
	acc_admin(file->acc, &cmd, NULL, ACC_ADMIN_MS); /* ENOENT: it is going */
	acc_pm_put(file->acc);
}

/*
 * Signals in [offset, offset + range) of a memory have changed: wakes WAITs on them, of
 * any file, fires the descriptors of all who bind it but @caller, who knows, and with
 * @devices has their queues looked at.
 */
void acc_wake(struct acc_memory *memory, u64 offset, u64 range, const struct acc_file *caller,
	      bool devices)
{
	struct acc_binder *binder;
	struct acc_waiter *waiter;

	spin_lock(&memory->lock);
	list_for_each_entry(waiter, &memory->waiters, memory_link) {
		if (waiter->offset >= offset && waiter->offset - offset < range)
			wake_up_process(waiter->task);
	}
	list_for_each_entry(binder, &memory->binders, link) {
		/* A file that binds does not go before it has unbound. */
		if (binder->file != caller)
			acc_file_fire(binder->file);
		if (devices)
			queue_work(system_unbound_wq, &binder->file->wake);
	}
	spin_unlock(&memory->lock);
}

/*
 * Nobody knows what has changed: whoever waits on memory that files of the device bind
 * is told, of other devices, too.
 */
void acc_wake_all(struct acc_device *acc)
{
	struct acc_file *file;
	unsigned long asid;
	u32 i;

	mutex_lock(&acc->files_lock);
	xa_for_each(&acc->files, asid, file) {
		acc_file_fire(file);
		mutex_lock(&file->lock);
		for (i = 0; i < file->vas.count; i++) {
			struct acc_binding *binding = to_acc_binding(file->vas.nodes[i]);

			acc_wake(binding->bo->memory, 0, U64_MAX, NULL, true);
		}
		mutex_unlock(&file->lock);
	}
	mutex_unlock(&acc->files_lock);
}

/* The file is lost: its waiters look, and find that. */
void acc_file_wake_waiters(struct acc_file *file)
{
	struct acc_waiter *waiter;

	spin_lock(&file->wait_lock);
	list_for_each_entry(waiter, &file->waiters, file_link)
		wake_up_process(waiter->task);
	spin_unlock(&file->wait_lock);
}

int acc_ioctl_signal_wake(struct drm_device *drm, void *data, struct drm_file *drm_file)
{
	struct acc_file *file = drm_file->driver_priv;
	const struct drm_acc_signal_wake *args = data;
	u64 address = args->address, left;
	int ret;

	ret = acc_check_signal_wake(args);
	if (ret)
		return ret;
	left = max_t(u64, args->range, ACC_SIGNAL_BYTES);
	while (left) {
		struct acc_bo *bo;
		u64 offset, part;

		ret = acc_vm_resolve(file, address, DRM_ACC_VM_READ, &bo, &offset, &part);
		if (ret)
			return ret;
		part = min(part, left);
		acc_wake(bo->memory, offset, part, file, true);
		drm_gem_object_put(&bo->base.base);
		address += part;
		left -= part;
		if (fatal_signal_pending(current))
			return -EINTR;
		cond_resched();
	}
	return 0;
}

/* --------------------------------------------------------------- waiting */

/* Asks for the next wake, then looks. */
static s64 acc_wait_look(struct acc_bo *bo, u64 offset)
{
	struct acc_signal_memory *signal = acc_bo_map_signal(bo, offset);
	s64 observed;

	atomic_or(ACC_NOTIFY_HOST, (atomic_t *)&signal->notify);
	smp_mb__after_atomic(); /* a writer that misses the bit has its value seen here */
	observed = READ_ONCE(signal->value);
	smp_rmb(); /* what was written before the value is read after it */
	acc_bo_unmap_signal(bo, signal);
	return observed;
}

static int acc_wait(struct acc_file *file, struct acc_bo *bo, u64 offset,
		    struct drm_acc_wait *args)
{
	struct acc_waiter waiter = { .task = current, .offset = offset };
	ktime_t expiry = ns_to_ktime(min_t(u64, args->timeout_ns, KTIME_MAX));
	bool over = false;
	int ret;

	spin_lock(&bo->memory->lock);
	list_add_tail(&waiter.memory_link, &bo->memory->waiters);
	spin_unlock(&bo->memory->lock);
	spin_lock(&file->wait_lock);
	list_add_tail(&waiter.file_link, &file->waiters);
	spin_unlock(&file->wait_lock);
	for (;;) {
		set_current_state(TASK_INTERRUPTIBLE);
		args->observed = acc_wait_look(bo, offset);
		ret = 0;
		if (acc_condition_holds(args->observed, args->condition, args->value))
			break;
		ret = -acc_file_lost(file);
		if (ret)
			break;
		ret = -ETIME;
		if (over)
			break;
		ret = -ERESTARTSYS; /* the timeout is absolute */
		if (signal_pending(current))
			break;
		/* From 2^63 - 1 on: for ever. */
		over = !schedule_hrtimeout_range(expiry == KTIME_MAX ? NULL : &expiry, 0,
						 HRTIMER_MODE_ABS);
	}
	__set_current_state(TASK_RUNNING);
	spin_lock(&file->wait_lock);
	list_del(&waiter.file_link);
	spin_unlock(&file->wait_lock);
	spin_lock(&bo->memory->lock);
	list_del(&waiter.memory_link);
	spin_unlock(&bo->memory->lock);
	return ret;
}

int acc_ioctl_wait(struct drm_device *drm, void *data, struct drm_file *drm_file)
{
	struct acc_file *file = drm_file->driver_priv;
	struct drm_acc_wait *args = data;
	struct acc_bo *bo;
	u64 offset;
	int ret;

	ret = acc_check_wait(args);
	if (ret)
		return ret;
	ret = acc_vm_resolve(file, args->address, DRM_ACC_VM_READ | DRM_ACC_VM_WRITE, &bo,
			     &offset, NULL);
	if (ret)
		return ret;
	ret = acc_bo_prepare_signals(bo);
	if (!ret)
		ret = acc_wait(file, bo, offset, args);
	drm_gem_object_put(&bo->base.base);
	trace_acc_wait(file, args->address, ret);
	return ret;
}

int acc_ioctl_event_set(struct drm_device *drm, void *data, struct drm_file *drm_file)
{
	struct acc_file *file = drm_file->driver_priv;
	const struct drm_acc_event_set *args = data;
	struct eventfd_ctx *event = NULL;

	if (args->flags || args->fd < -1)
		return -EINVAL;
	if (args->fd >= 0) {
		event = eventfd_ctx_fdget(args->fd);
		if (IS_ERR(event))
			return PTR_ERR(event);
	}
	spin_lock(&file->event_lock);
	swap(file->event, event);
	spin_unlock(&file->event_lock);
	if (event)
		eventfd_ctx_put(event);
	return 0;
}
