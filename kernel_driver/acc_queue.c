// SPDX-License-Identifier: GPL-2.0-only
/*
 * Queues: rings in clients' memory that the device reads by itself. The driver pins what
 * they lie in, hands out doorbells, and watches whether they get on.
 */
#include <linux/capability.h>
#include <linux/jiffies.h>
#include <linux/slab.h>

#include <drm/drm_drv.h>
#include <drm/drm_gem.h>

#include "acc_drv.h"

/* Under file->lock. */
static void acc_queue_unpin(struct acc_file *file, const struct acc_queue *queue)
{
	struct acc_va *ring = acc_va_find(&file->vas, queue->ring_address);
	struct acc_va *control = acc_va_find(&file->vas, queue->control_address);

	if (ring)
		ring->queues--;
	if (control)
		control->queues--;
	__clear_bit(queue->doorbell, file->doorbells);
	file->queue_count--;
}

static int acc_queue_reserve(struct acc_file *file, const struct acc_bo *bo,
			     const struct drm_acc_queue_create *args, struct acc_queue *queue,
			     struct acc_admin_cmd *cmd)
{
	struct acc_device *acc = file->acc;
	struct acc_binding *ring, *control;

	/* A queue that is being destroyed holds its doorbell to the end. */
	if (file->queue_count >= acc->limits.max_queues)
		return -E2BIG;
	ring = acc_vm_find(file, bo, args->ring_offset, (u64)args->packets * ACC_PACKET_BYTES);
	control = acc_vm_find(file, bo, args->control_offset, ACC_QUEUE_CONTROL_BYTES);
	if (!ring || !control)
		return -EINVAL; /* not bound read/write */
	queue->doorbell = find_first_zero_bit(file->doorbells, ACC_DOORBELLS_PER_PAGE);
	if (queue->doorbell >= acc->limits.doorbells_per_page)
		return -E2BIG;
	__set_bit(queue->doorbell, file->doorbells);
	file->queue_count++;
	queue->id = file->next_queue++;
	queue->ring_address = ring->va.address;
	queue->control_address = control->va.address;
	ring->va.queues++;
	control->va.queues++;
	cmd->queue.ring = ring->va.address + (args->ring_offset - ring->bo_offset);
	cmd->queue.control = control->va.address + (args->control_offset - control->bo_offset);
	return 0;
}

int acc_ioctl_queue_create(struct drm_device *drm, void *data, struct drm_file *drm_file)
{
	struct acc_admin_cmd cmd = { .op = ACC_ADMIN_QUEUE_CREATE };
	struct acc_file *file = drm_file->driver_priv;
	struct drm_acc_queue_create *args = data;
	struct acc_device *acc = to_acc(drm);
	struct acc_queue *queue;
	struct acc_bo *bo;
	int ret;

	bo = acc_bo_lookup(drm_file, args->handle);
	if (!bo)
		return -ENOENT;
	ret = acc_check_queue_create(args, &acc->limits, bo->base.base.size);
	if (!ret && args->priority == DRM_ACC_PRIORITY_HIGH && !capable(CAP_SYS_NICE))
		ret = -EACCES;
	if (ret)
		goto put;
	queue = kzalloc(sizeof(*queue), GFP_KERNEL);
	if (!queue) {
		ret = -ENOMEM;
		goto put;
	}
	queue->timeout_ns = args->timeout_ns ? args->timeout_ns : acc->limits.max_timeout_ns;
	queue->seen = jiffies;
	/* A live queue keeps the device awake. */
	ret = acc_pm_get(acc);
	if (ret)
		goto free;
	mutex_lock(&file->lock);
	ret = acc_queue_reserve(file, bo, args, queue, &cmd);
	mutex_unlock(&file->lock);
	if (ret)
		goto sleep;
	cmd.object = queue->id;
	cmd.queue.timeout_ns = queue->timeout_ns;
	cmd.queue.packets = args->packets;
	cmd.queue.priority = args->priority;
	cmd.queue.doorbell = queue->doorbell;
	ret = acc_file_admin(file, &cmd, NULL, ACC_ADMIN_MS);
	if (ret)
		goto release;
	args->queue = queue->id;
	args->doorbell_slot = queue->doorbell;
	args->doorbell_mmap_offset = ACC_MMAP_DOORBELL;
	args->kick_fd = -1; /* a doorbell that is stored to reaches the device */
	mutex_lock(&file->lock);
	ret = xa_err(xa_store(&file->queues, queue->id, queue, GFP_KERNEL));
	mutex_unlock(&file->lock);
	if (!ret)
		goto put;
	memset(&cmd, 0, sizeof(cmd));
	cmd.op = ACC_ADMIN_QUEUE_DESTROY;
	cmd.object = queue->id;
	acc_file_admin(file, &cmd, NULL, ACC_ADMIN_MS);

release:
	mutex_lock(&file->lock);
	acc_queue_unpin(file, queue);
	mutex_unlock(&file->lock);
sleep:
	acc_pm_put(acc);
free:
	kfree(queue);
put:
	drm_gem_object_put(&bo->base.base);
	return ret;
}

int acc_ioctl_queue_destroy(struct drm_device *drm, void *data, struct drm_file *drm_file)
{
	struct acc_admin_cmd cmd = { .op = ACC_ADMIN_QUEUE_DESTROY };
	struct acc_file *file = drm_file->driver_priv;
	const struct drm_acc_queue_destroy *args = data;
	struct acc_queue *queue;
	int ret;

	if (args->pad)
		return -EINVAL;
	mutex_lock(&file->lock);
	queue = xa_erase(&file->queues, args->queue);
	mutex_unlock(&file->lock);
	if (!queue)
		return -ENOENT;
	/* The device stops what executes, and that may take as long as its bound. */
	cmd.object = queue->id;
	ret = acc_file_admin(file, &cmd, NULL,
			     div_u64(queue->timeout_ns, NSEC_PER_MSEC) + ACC_ADMIN_MS);
	mutex_lock(&file->lock);
	acc_queue_unpin(file, queue);
	mutex_unlock(&file->lock);
	acc_pm_put(file->acc);
	kfree(queue);
	return ret;
}

static int acc_queue_state(struct acc_file *file, u32 id, struct acc_queue_state *state)
{
	struct acc_admin_cmd cmd = { .op = ACC_ADMIN_QUEUE_QUERY, .object = id,
				     .asid = file->asid };

	return acc_admin_read(file->acc, &cmd, state, sizeof(*state));
}

int acc_ioctl_queue_query(struct drm_device *drm, void *data, struct drm_file *drm_file)
{
	struct acc_file *file = drm_file->driver_priv;
	struct drm_acc_queue_query *args = data;
	struct acc_queue_state state;
	bool known;
	int ret;

	mutex_lock(&file->lock);
	known = xa_load(&file->queues, args->queue);
	mutex_unlock(&file->lock);
	if (!known)
		return -ENOENT;
	ret = acc_queue_state(file, args->queue, &state);
	if (ret)
		return ret;
	args->state = state.state;
	args->read_index = state.read_index;
	args->write_index = state.write_index;
	args->fault_packet = state.fault_packet;
	args->fault_address = state.fault_address;
	args->fault_kernel = state.fault_kernel;
	args->fault_code = state.fault_code;
	args->priority = state.priority;
	args->packets = state.packets;
	return 0;
}

/* The device has forgotten them. A look that found the file before it went may be at work. */
void acc_queues_close(struct acc_file *file)
{
	struct acc_queue *queue;
	unsigned long id;

	mutex_lock(&file->lock);
	xa_for_each(&file->queues, id, queue) {
		xa_erase(&file->queues, id);
		acc_queue_unpin(file, queue);
		acc_pm_put(file->acc);
		kfree(queue);
	}
	mutex_unlock(&file->lock);
}

/* ------------------------------------------------------------------ hangs */

/*
 * Empties the slots in which work of a file executes. Whose slot it is the device tells
 * by its name, which it gives to the owner alone. False if there is none.
 */
static bool acc_slots_reset(struct acc_file *file)
{
	struct acc_device *acc = file->acc;
	bool any = false;
	u32 i;

	for (i = 0; i < 4096; i++) {
		struct acc_admin_cmd cmd = { .op = ACC_ADMIN_SLOT_RESET, .object = i };
		struct drm_acc_slot slot;

		if (acc_identify(acc, file->asid, ACC_IDENTIFY_SLOT, i, &slot, sizeof(slot)))
			break;
		if (slot.state != DRM_ACC_SLOT_BUSY || !slot.resident[0])
			continue;
		any |= !acc_admin(acc, &cmd, NULL, ACC_ADMIN_MS);
	}
	return any;
}

/*
 * One look at a queue. It hangs when a dispatch executes and the index has not moved
 * for longer than the dispatch's bound: a queue that waits for a signal, or has nothing
 * to do, may stand as long as it likes. First the queue is reset, then the slots in
 * which its file's work executes, last the device.
 */
static void acc_queue_look(struct acc_file *file, u32 id)
{
	struct acc_device *acc = file->acc;
	struct acc_queue_state state;
	struct acc_queue *queue;
	u64 bound_ms;
	u32 strikes = 0;

	if (acc_queue_state(file, id, &state))
		return;
	mutex_lock(&file->lock);
	queue = xa_load(&file->queues, id);
	if (queue) {
		if (state.read_index != queue->seen_index || !state.executing) {
			queue->seen_index = state.read_index;
			queue->seen = jiffies;
			queue->strikes = 0;
		}
		bound_ms = acc_hang_ms ? acc_hang_ms :
			   div_u64(queue->timeout_ns, NSEC_PER_MSEC) + acc_grace_ms;
		if (jiffies_to_msecs(jiffies - queue->seen) > bound_ms) {
			strikes = ++queue->strikes;
			queue->seen = jiffies;
		}
	}
	mutex_unlock(&file->lock);
	if (!strikes)
		return;
	drm_warn(&acc->drm, "queue %u of client %u (%s) hangs at packet %llu, strike %u\n", id,
		 file->asid, file->name, state.read_index, strikes);
	if (strikes == 1) {
		struct acc_admin_cmd cmd = { .op = ACC_ADMIN_QUEUE_RESET, .object = id };

		acc_file_admin(file, &cmd, NULL, ACC_ADMIN_MS);
	} else if (strikes > 2 || !acc_slots_reset(file)) {
		acc_reset_request(acc, file->asid, "a queue hangs that its reset does not end");
	}
}

void acc_queues_watch(struct acc_device *acc)
{
	u32 asid;

	for (asid = 1; asid < acc->asids; asid++) {
		struct acc_file *file = acc_file_get(acc, asid);
		u32 id, next = 0;

		if (!file)
			continue;
		while (!acc_file_lost(file) && !READ_ONCE(acc->admin.error)) {
			struct acc_queue *queue;
			unsigned long index = next;

			mutex_lock(&file->lock);
			queue = xa_find(&file->queues, &index, ULONG_MAX, XA_PRESENT);
			id = index;
			mutex_unlock(&file->lock);
			if (!queue)
				break;
			acc_queue_look(file, id);
			next = id + 1;
			if (!next)
				break;
		}
		acc_file_put(file);
		cond_resched();
	}
}
