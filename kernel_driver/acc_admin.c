// SPDX-License-Identifier: GPL-2.0-only
/*
 * The admin queue: commands to the device, their completions in any order.
 *
 * At most ACC_ADMIN_ENTRIES - 1 commands are under way, so neither ring can overflow:
 * the device takes commands in order, and of the last lap's at least one has been
 * answered when a slot is used again.
 */
#include <linux/dma-mapping.h>
#include <linux/jiffies.h>

#include <drm/drm_drv.h>

#include "acc_drv.h"
#include "acc_ring.h"
#include "acc_trace.h"

int acc_admin_init(struct acc_device *acc)
{
	struct acc_admin *admin = &acc->admin;
	struct device *dev = &acc->pdev->dev;

	spin_lock_init(&admin->lock);
	sema_init(&acc->patient, ACC_PATIENT);
	init_waitqueue_head(&admin->space);
	admin->error = -ENODEV;
	admin->sq = dma_alloc_coherent(dev, ACC_ADMIN_ENTRIES * sizeof(*admin->sq),
				       &admin->sq_bus, GFP_KERNEL);
	admin->cq = dma_alloc_coherent(dev, ACC_ADMIN_ENTRIES * sizeof(*admin->cq),
				       &admin->cq_bus, GFP_KERNEL);
	acc->small = dma_pool_create("acc-small", dev, ACC_IDENTIFY_BYTES, ACC_IDENTIFY_BYTES, 0);
	acc->lists = dma_pool_create("acc-lists", dev, ACC_PAGE_BYTES, ACC_PAGE_BYTES, 0);
	if (admin->sq && admin->cq && acc->small && acc->lists)
		return 0;
	acc_admin_fini(acc);
	return -ENOMEM;
}

/* The device has been cut off the bus. */
void acc_admin_fini(struct acc_device *acc)
{
	struct acc_admin *admin = &acc->admin;
	struct device *dev = &acc->pdev->dev;

	if (admin->sq)
		dma_free_coherent(dev, ACC_ADMIN_ENTRIES * sizeof(*admin->sq), admin->sq,
				  admin->sq_bus);
	if (admin->cq)
		dma_free_coherent(dev, ACC_ADMIN_ENTRIES * sizeof(*admin->cq), admin->cq,
				  admin->cq_bus);
	dma_pool_destroy(acc->small);
	dma_pool_destroy(acc->lists);
	admin->sq = NULL;
	admin->cq = NULL;
	acc->small = NULL;
	acc->lists = NULL;
}

/* Gives the rings to a device that has just been reset. */
void acc_admin_start(struct acc_device *acc)
{
	struct acc_admin *admin = &acc->admin;
	unsigned long flags;

	spin_lock_irqsave(&admin->lock, flags);
	memset(admin->sq, 0, ACC_ADMIN_ENTRIES * sizeof(*admin->sq));
	memset(admin->cq, 0, ACC_ADMIN_ENTRIES * sizeof(*admin->cq));
	admin->tail = 0;
	admin->head = 0;
	lo_hi_writeq(admin->sq_bus, acc->regs + ACC_REG_ADMIN_SQ);
	lo_hi_writeq(admin->cq_bus, acc->regs + ACC_REG_ADMIN_CQ);
	writel(ACC_ADMIN_LOG2, acc->regs + ACC_REG_ADMIN_SIZE);
	spin_unlock_irqrestore(&admin->lock, flags);
}

/* The device runs: commands are taken from now on. */
void acc_admin_open(struct acc_device *acc)
{
	acc_admin_stop(acc, 0);
}

/* New commands get @error, if it is not 0; those under way stay so. */
void acc_admin_stop(struct acc_device *acc, int error)
{
	struct acc_admin *admin = &acc->admin;
	unsigned long flags;

	spin_lock_irqsave(&admin->lock, flags);
	admin->error = error;
	spin_unlock_irqrestore(&admin->lock, flags);
	wake_up_all(&admin->space);
}

/*
 * Ends all commands under way. Only once the device can no more write what they named:
 * their callers free it.
 */
void acc_admin_abort(struct acc_device *acc, int error)
{
	struct acc_admin *admin = &acc->admin;
	unsigned long flags;
	u32 id;

	spin_lock_irqsave(&admin->lock, flags);
	for_each_set_bit(id, admin->ids, ACC_ADMIN_ENTRIES) {
		struct acc_pending *pending = admin->pending[id];

		pending->cpl.status = error;
		admin->pending[id] = NULL;
		complete(&pending->done);
	}
	bitmap_zero(admin->ids, ACC_ADMIN_ENTRIES);
	admin->in_flight = 0;
	spin_unlock_irqrestore(&admin->lock, flags);
	wake_up_all(&admin->space);
}

/* Takes completions. True if there were any. Any context, between enter and exit. */
bool acc_admin_poll(struct acc_device *acc)
{
	struct acc_admin *admin = &acc->admin;
	unsigned long flags;
	u32 taken = 0;

	spin_lock_irqsave(&admin->lock, flags);
	/* One lap at most, whatever the device writes meanwhile. */
	while (!admin->error && taken < ACC_ADMIN_ENTRIES) {
		struct acc_admin_cpl *entry = &admin->cq[admin->head & (ACC_ADMIN_ENTRIES - 1)];
		struct acc_pending *pending = NULL;
		struct acc_admin_cpl cpl;

		if (!acc_ring_ready(admin->head, ACC_ADMIN_LOG2, READ_ONCE(entry->phase)))
			break;
		dma_rmb(); /* the phase says that the rest is there */
		cpl = *entry; /* once: the device may go on writing */
		admin->head++;
		taken++;
		if (cpl.id < ACC_ADMIN_ENTRIES)
			pending = admin->pending[cpl.id];
		if (!pending) {
			admin->bogus++;
			drm_err_ratelimited(&acc->drm,
					    "expected the id of a command under way; found %u\n",
					    cpl.id);
			continue;
		}
		cpl.status = acc_ring_status(cpl.status);
		pending->cpl = cpl;
		admin->pending[cpl.id] = NULL;
		__clear_bit(cpl.id, admin->ids);
		admin->in_flight--;
		complete(&pending->done);
	}
	if (taken)
		writel(admin->head, acc->regs + ACC_REG_ADMIN_HEAD);
	spin_unlock_irqrestore(&admin->lock, flags);
	if (taken)
		wake_up_all(&admin->space);
	return taken;
}

/*
 * Waits for an answer; false: none came in time. The ring is looked at meanwhile, which
 * costs no access to the device: an interrupt that was lost costs time only.
 */
static bool acc_admin_wait(struct acc_device *acc, struct acc_pending *pending,
			   unsigned int bound_ms)
{
	unsigned long end = jiffies + msecs_to_jiffies(bound_ms);
	unsigned long slice = msecs_to_jiffies(ACC_ADMIN_LOOK_MS) + 1;
	int idx;

	do {
		if (wait_for_completion_timeout(&pending->done, slice))
			return true;
		if (drm_dev_enter(&acc->drm, &idx)) {
			acc_admin_poll(acc);
			drm_dev_exit(idx);
		}
	} while (time_before(jiffies, end));
	return try_wait_for_completion(&pending->done);
}

/* 0, -EAGAIN when the ring is full, or why no command is taken. */
static int acc_admin_submit(struct acc_device *acc, struct acc_admin_cmd *cmd,
			    struct acc_pending *pending)
{
	struct acc_admin *admin = &acc->admin;
	unsigned long flags;
	int ret, idx;
	u32 id;

	if (!drm_dev_enter(&acc->drm, &idx))
		return -ENODEV;
	spin_lock_irqsave(&admin->lock, flags);
	ret = admin->error;
	if (ret)
		goto unlock;
	if (admin->in_flight >= ACC_ADMIN_ENTRIES - 1) {
		ret = -EAGAIN;
		goto unlock;
	}
	id = find_first_zero_bit(admin->ids, ACC_ADMIN_ENTRIES);
	__set_bit(id, admin->ids);
	admin->pending[id] = pending;
	admin->in_flight++;
	cmd->id = id;
	admin->sq[admin->tail & (ACC_ADMIN_ENTRIES - 1)] = *cmd;
	admin->tail++;
	dma_wmb(); /* the command before the doorbell */
	writel(admin->tail, acc->regs + ACC_REG_ADMIN_TAIL);
unlock:
	spin_unlock_irqrestore(&admin->lock, flags);
	drm_dev_exit(idx);
	return ret;
}

int acc_admin(struct acc_device *acc, struct acc_admin_cmd *cmd, struct acc_admin_cpl *cpl,
	      unsigned int bound_ms)
{
	struct acc_pending pending = {};
	int ret, waiting;

	init_completion(&pending.done);
	trace_acc_admin(acc, cmd);
	/* Each command in the ring is bounded, so room comes. */
	wait_event(acc->admin.space,
		   (waiting = acc_admin_submit(acc, cmd, &pending)) != -EAGAIN);
	ret = waiting;
	if (ret)
		return ret;
	if (!acc_admin_wait(acc, &pending, bound_ms)) {
		drm_err(&acc->drm, "command %u of client %u: no answer in %u ms\n", cmd->op,
			cmd->asid, bound_ms);
		acc_reset_request(acc, cmd->asid, "an admin command was not answered");
		wait_for_completion(&pending.done); /* the reset ends it */
	}
	ret = pending.cpl.status;
	trace_acc_admin_done(acc, cmd, ret);
	if (cpl)
		*cpl = pending.cpl;
	return ret;
}

int acc_file_admin(struct acc_file *file, struct acc_admin_cmd *cmd, struct acc_admin_cpl *cpl,
		   unsigned int bound_ms)
{
	bool patient = bound_ms > ACC_ADMIN_MS;
	struct acc_device *acc = file->acc;
	int ret;

	cmd->asid = file->asid;
	/* Bounded, all three: by the commands that hold them. */
	if (patient) {
		down(&file->patient);
		down(&acc->patient);
	}
	down(&file->commands);
	ret = acc_admin(acc, cmd, cpl, bound_ms);
	up(&file->commands);
	if (patient) {
		up(&acc->patient);
		up(&file->patient);
	}
	return ret;
}

int acc_admin_read(struct acc_device *acc, struct acc_admin_cmd *cmd, void *out, size_t bytes)
{
	dma_addr_t bus;
	void *data;
	int ret;

	data = dma_pool_zalloc(acc->small, GFP_KERNEL, &bus);
	if (!data)
		return -ENOMEM;
	cmd->identify.data = bus;
	ret = acc_admin(acc, cmd, NULL, ACC_ADMIN_MS);
	if (!ret)
		memcpy(out, data, bytes);
	dma_pool_free(acc->small, data, bus);
	return ret;
}

int acc_identify(struct acc_device *acc, u32 asid, u32 what, u32 index, void *out, size_t bytes)
{
	struct acc_admin_cmd cmd = { .op = ACC_ADMIN_IDENTIFY, .asid = asid };

	cmd.identify.what = what;
	cmd.identify.index = index;
	return acc_admin_read(acc, &cmd, out, bytes);
}
