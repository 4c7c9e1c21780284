// SPDX-License-Identifier: GPL-2.0-only
/*
 * When things end: device resets, hangs, loss of the hardware.
 *
 * A reset is the driver's last means and everybody's loss: each open file gets EIO for
 * good. Who caused it is told apart from who suffered by `guilty` in the status page,
 * by fdinfo, and in the log.
 */
#include <linux/capability.h>
#include <linux/delay.h>
#include <linux/jiffies.h>

#include <drm/drm_drv.h>

#include "acc_drv.h"
#include "acc_trace.h"

/* ------------------------------------------------------------ lost files */

void acc_file_lose(struct acc_file *file, int error, bool guilty)
{
	struct acc_status_page *page = page_address(file->status);

	if (READ_ONCE(file->lost) == ENODEV)
		return;
	WRITE_ONCE(page->guilty, guilty);
	WRITE_ONCE(page->generation, page->generation + 1);
	/* Who sees that it is lost sees who is guilty, here and in user space. */
	smp_store_release(&file->lost, error);
	/* As above: the client's acquire is in its runtime. */
	smp_store_release(&page->lost, (u32)error);
	acc_file_fire(file);
	acc_file_wake_waiters(file);
}

/* Of all open files; @guilty: an ASID, or 0. */
void acc_lose_files(struct acc_device *acc, int error, u32 guilty)
{
	struct acc_file *file;
	unsigned long asid;

	mutex_lock(&acc->files_lock);
	xa_for_each(&acc->files, asid, file)
		acc_file_lose(file, error, file->asid == guilty);
	mutex_unlock(&acc->files_lock);
}

/* -------------------------------------------------------------- hardware */

/* Several looks: one access that went wrong on the bus is no removal. */
static bool acc_hw_gone(struct acc_device *acc)
{
	unsigned int looks = 5;

	while (readl(acc->regs + ACC_REG_STATE) == ~0u ||
	       readl(acc->regs + ACC_REG_MAGIC) != ACC_MAGIC) {
		if (!--looks)
			return true;
		usleep_range(1000, 2000);
	}
	return false;
}

static int acc_hw_wait_ready(struct acc_device *acc)
{
	unsigned long end = jiffies + msecs_to_jiffies(ACC_RESET_MS);

	for (;;) {
		bool late = time_after(jiffies, end);
		u32 state = readl(acc->regs + ACC_REG_STATE);

		if (state == ACC_DEVICE_READY)
			return 0;
		if (state == ACC_DEVICE_FAILED || late) {
			drm_err(&acc->drm, "expected a device that becomes ready; found state %u\n",
				state);
			return -EIO;
		}
		usleep_range(200, 1000);
	}
}

static int acc_hw_reset(struct acc_device *acc)
{
	writel(ACC_RESET_KEY, acc->regs + ACC_REG_RESET);
	return acc_hw_wait_ready(acc);
}

/* From a reset to where commands are taken. */
static int acc_hw_run(struct acc_device *acc)
{
	u32 state;

	acc->heartbeat_seen = jiffies;
	acc_admin_start(acc);
	acc_irq_start(acc);
	writel(ACC_CONTROL_RUN, acc->regs + ACC_REG_CONTROL);
	state = readl(acc->regs + ACC_REG_STATE);
	if (state == ACC_DEVICE_RUNNING) {
		acc_admin_open(acc);
		writel(0, acc->regs + ACC_REG_IRQ_MASK);
		return 0;
	}
	drm_err(&acc->drm, "expected a device that runs; found state %u, error %u (%#llx)\n",
		state, readl(acc->regs + ACC_REG_ERROR),
		lo_hi_readq(acc->regs + ACC_REG_ERROR_INFO));
	return state == ~0u ? -ENODEV : -EIO;
}

/* Brings a device to where it takes commands. It may have been anybody's before. */
int acc_hw_start(struct acc_device *acc)
{
	int ret = acc_hw_reset(acc);

	if (ret)
		return ret;
	return acc_hw_run(acc);
}

/* Under reset_lock. */
static void acc_gone_locked(struct acc_device *acc)
{
	if (acc->gone)
		return;
	WRITE_ONCE(acc->gone, ENODEV);
	acc_admin_stop(acc, -ENODEV);
	acc_lose_files(acc, ENODEV, 0);
	acc_doorbells_revoke(acc);
	pci_clear_master(acc->pdev); /* whatever it is, it writes no memory any more */
	acc_admin_abort(acc, -ENODEV);
}

void acc_device_gone(struct acc_device *acc)
{
	mutex_lock(&acc->reset_lock);
	acc_gone_locked(acc);
	mutex_unlock(&acc->reset_lock);
}

/* ---------------------------------------------------------------- resets */

/* Under reset_lock. */
static int acc_reset_locked(struct acc_device *acc, u32 asid, const char *why)
{
	int ret, idx;

	if (acc->gone)
		return -ENODEV;
	/* Hardware that has gone answers nothing either: that is why, and no reset helps. */
	if (!acc->asleep && drm_dev_enter(&acc->drm, &idx)) {
		bool gone = acc_hw_gone(acc);

		drm_dev_exit(idx);
		if (gone) {
			acc_gone_locked(acc);
			return -ENODEV;
		}
	}
	trace_acc_reset(acc, asid, why);
	drm_warn(&acc->drm, "reset, all clients lose their context: %s\n", why);
	acc->record.asid = asid;
	strscpy(acc->record.why, why, sizeof(acc->record.why));
	acc_lose_files(acc, EIO, asid);
	acc_admin_stop(acc, -EIO);
	acc_doorbells_revoke(acc);
	if (acc->asleep) {
		/* Nothing is under way, and who wakes it resets it. */
		acc_admin_abort(acc, -EIO);
		return 0;
	}
	if (!drm_dev_enter(&acc->drm, &idx)) {
		acc_gone_locked(acc);
		return -ENODEV;
	}
	ret = acc_hw_reset(acc);
	if (!ret) {
		acc_admin_abort(acc, -EIO);
		ret = acc_hw_run(acc);
	}
	if (!ret) {
		acc->resets++;
	} else {
		drm_err(&acc->drm, "the device does not come back from a reset\n");
		acc_gone_locked(acc);
	}
	drm_dev_exit(idx);
	return ret;
}

int acc_reset_now(struct acc_device *acc, u32 asid, const char *why)
{
	int ret;

	mutex_lock(&acc->reset_lock);
	ret = acc_reset_locked(acc, asid, why);
	mutex_unlock(&acc->reset_lock);
	return ret;
}

static void acc_reset_work(struct work_struct *work)
{
	struct acc_device *acc = container_of(work, struct acc_device, reset_work);
	struct acc_reset_record request;

	spin_lock_irq(&acc->request_lock);
	request = acc->request;
	memset(&acc->request, 0, sizeof(acc->request));
	spin_unlock_irq(&acc->request_lock);
	if (!request.why[0])
		return;
	acc_coredump(acc, request.why, request.asid);
	acc_reset_now(acc, request.asid, request.why);
}

void acc_reset_request(struct acc_device *acc, u32 asid, const char *why)
{
	unsigned long flags;

	spin_lock_irqsave(&acc->request_lock, flags);
	if (!acc->request.why[0]) {
		acc->request.asid = asid;
		strscpy(acc->request.why, why, sizeof(acc->request.why));
	}
	spin_unlock_irqrestore(&acc->request_lock, flags);
	queue_work(system_unbound_wq, &acc->reset_work);
}

int acc_ioctl_reset(struct drm_device *drm, void *data, struct drm_file *drm_file)
{
	struct acc_file *file = drm_file->driver_priv;
	const struct drm_acc_reset *args = data;
	struct acc_admin_cmd cmd = { .object = args->id };

	if (args->flags || args->pad || args->what > DRM_ACC_RESET_DEVICE)
		return -EINVAL;
	switch (args->what) {
	case DRM_ACC_RESET_QUEUE:
		cmd.op = ACC_ADMIN_QUEUE_RESET;
		break;
	case DRM_ACC_RESET_SLOT:
		cmd.op = ACC_ADMIN_SLOT_RESET;
		break;
	default:
		if (args->id)
			return -EINVAL;
		if (!capable(CAP_SYS_ADMIN))
			return -EACCES;
		return acc_reset_now(to_acc(drm), 0, "asked for by an administrator");
	}
	return acc_file_admin(file, &cmd, NULL, ACC_ADMIN_MS);
}

/* -------------------------------------------------------------- watching */

/* Whether the device lives, what it has said without our hearing it, and who hangs. */
static void acc_watchdog(struct work_struct *work)
{
	struct acc_device *acc = container_of(to_delayed_work(work), struct acc_device, watchdog);
	const char *why = NULL;
	bool gone;
	u32 beat, state;
	int idx;

	if (!drm_dev_enter(&acc->drm, &idx))
		return;
	gone = acc_hw_gone(acc);
	beat = readl(acc->regs + ACC_REG_HEARTBEAT);
	state = readl(acc->regs + ACC_REG_STATE);
	if (gone) {
		/* below */
	} else if (state == ACC_DEVICE_FAILED) {
		why = "the device has failed";
	} else if (beat != acc->heartbeat) {
		acc->heartbeat = beat;
		acc->heartbeat_seen = jiffies;
	} else if (jiffies_to_msecs(jiffies - acc->heartbeat_seen) > ACC_HEARTBEAT_MS) {
		acc->heartbeat_seen = jiffies;
		why = "the heartbeat has stopped";
	}
	if (!gone) {
		/* A cause that stands raises nothing more, and its message may have been lost. */
		writel(ACC_IRQ_ADMIN | ACC_IRQ_EVENT, acc->regs + ACC_REG_IRQ_CAUSE);
		acc_admin_poll(acc);
	}
	drm_dev_exit(idx);
	if (gone) {
		drm_err(&acc->drm, "the hardware has gone: its registers read all ones\n");
		acc_device_gone(acc);
		return;
	}
	if (why)
		acc_reset_request(acc, 0, why);
	acc_events_poll(acc);
	queue_work(system_unbound_wq, &acc->look);
	if (!READ_ONCE(acc->gone) && !READ_ONCE(acc->asleep))
		queue_delayed_work(system_unbound_wq, &acc->watchdog,
				   msecs_to_jiffies(acc_watchdog_ms));
}

static void acc_look(struct work_struct *work)
{
	acc_queues_watch(container_of(work, struct acc_device, look));
}

void acc_watch_stop(struct acc_device *acc)
{
	cancel_delayed_work_sync(&acc->watchdog);
	cancel_work_sync(&acc->look); /* ends: its commands are answered or aborted */
}

void acc_reset_init(struct acc_device *acc)
{
	mutex_init(&acc->reset_lock);
	spin_lock_init(&acc->request_lock);
	INIT_WORK(&acc->reset_work, acc_reset_work);
	INIT_DELAYED_WORK(&acc->watchdog, acc_watchdog);
	INIT_WORK(&acc->look, acc_look);
}
