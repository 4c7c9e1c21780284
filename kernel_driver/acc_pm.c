// SPDX-License-Identifier: GPL-2.0-only
/*
 * Sleep. A device that sleeps forgets everything; the driver restores address spaces and
 * bindings. Rings and programs it could not: so a live queue or program keeps the device
 * awake, and a system that sleeps all the same loses the files that have any, with EIO.
 *
 * Every ioctl that needs the hardware holds a reference, so nothing of a client runs
 * while the device falls asleep or wakes.
 */
#include <linux/pm_runtime.h>

#include <drm/drm_drv.h>

#include "acc_drv.h"

#define ACC_AUTOSUSPEND_MS 5000

int acc_pm_get(struct acc_device *acc)
{
	return pm_runtime_resume_and_get(&acc->pdev->dev);
}

void acc_pm_put(struct acc_device *acc)
{
	pm_runtime_mark_last_busy(&acc->pdev->dev);
	pm_runtime_put_autosuspend(&acc->pdev->dev);
}

void acc_pm_init(struct acc_device *acc)
{
	struct device *dev = &acc->pdev->dev;

	pm_runtime_set_autosuspend_delay(dev, ACC_AUTOSUSPEND_MS);
	pm_runtime_use_autosuspend(dev);
	pm_runtime_mark_last_busy(dev);
	/* Of the bus's reference during probe. Whether it sleeps at all is power/control's. */
	pm_runtime_put_noidle(dev);
}

void acc_pm_fini(struct acc_device *acc)
{
	struct device *dev = &acc->pdev->dev;

	pm_runtime_get_noresume(dev);
	pm_runtime_dont_use_autosuspend(dev);
}

static void acc_pm_sleep(struct acc_device *acc)
{
	int idx;

	mutex_lock(&acc->reset_lock);
	WRITE_ONCE(acc->asleep, true);
	acc_doorbells_revoke(acc);
	if (!acc->gone && drm_dev_enter(&acc->drm, &idx)) {
		writel(~0u, acc->regs + ACC_REG_IRQ_MASK);
		drm_dev_exit(idx);
	}
	mutex_unlock(&acc->reset_lock);
	acc_watch_stop(acc);
}

/* What the device had of the files that are not lost, again. */
static void acc_pm_restore(struct acc_device *acc)
{
	u32 asid;

	for (asid = 1; asid < acc->asids; asid++) {
		struct acc_file *file = acc_file_get(acc, asid);
		int ret = 0;

		if (!file)
			continue;
		if (file->created && !acc_file_lost(file)) {
			struct acc_admin_cmd cmd = { .op = ACC_ADMIN_AS_CREATE };

			ret = acc_file_admin(file, &cmd, NULL, ACC_ADMIN_MS);
			if (!ret)
				ret = acc_vm_restore(file);
		}
		if (ret) {
			drm_err(&acc->drm, "client %u could not be restored (%d)\n", asid, ret);
			acc_file_lose(file, EIO, false);
		}
		acc_file_put(file);
	}
}

static int acc_pm_wake(struct acc_device *acc)
{
	int ret, idx;

	if (!drm_dev_enter(&acc->drm, &idx))
		return -ENODEV;
	mutex_lock(&acc->reset_lock);
	ret = acc->gone ? -ENODEV : acc_hw_start(acc);
	if (!ret) {
		WRITE_ONCE(acc->asleep, false);
		acc_doorbells_revoke(acc); /* of the dummy pages */
	}
	mutex_unlock(&acc->reset_lock);
	drm_dev_exit(idx);
	if (ret) {
		drm_err(&acc->drm, "the device does not wake up (%d)\n", ret);
		acc_device_gone(acc);
		return ret;
	}
	/* Without reset_lock: a command that is not answered ends by a reset. */
	acc_pm_restore(acc);
	queue_delayed_work(system_unbound_wq, &acc->watchdog, msecs_to_jiffies(acc_watchdog_ms));
	return 0;
}

static int acc_pm_runtime_suspend(struct device *dev)
{
	acc_pm_sleep(to_acc(dev_get_drvdata(dev)));
	return 0;
}

static int acc_pm_runtime_resume(struct device *dev)
{
	return acc_pm_wake(to_acc(dev_get_drvdata(dev)));
}

static int acc_pm_suspend(struct device *dev)
{
	struct acc_device *acc = to_acc(dev_get_drvdata(dev));
	struct acc_file *file;
	unsigned long asid;

	if (pm_runtime_status_suspended(dev))
		return 0;
	mutex_lock(&acc->files_lock);
	xa_for_each(&acc->files, asid, file) {
		if (READ_ONCE(file->queue_count) || READ_ONCE(file->programs))
			acc_file_lose(file, EIO, false);
	}
	mutex_unlock(&acc->files_lock);
	acc_pm_sleep(acc);
	return 0;
}

static int acc_pm_resume(struct device *dev)
{
	if (pm_runtime_status_suspended(dev))
		return 0;
	return acc_pm_wake(to_acc(dev_get_drvdata(dev)));
}

const struct dev_pm_ops acc_pm_ops = {
	SYSTEM_SLEEP_PM_OPS(acc_pm_suspend, acc_pm_resume)
	RUNTIME_PM_OPS(acc_pm_runtime_suspend, acc_pm_runtime_resume, NULL)
};
