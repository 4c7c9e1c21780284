// SPDX-License-Identifier: GPL-2.0-only
/*
 * For whoever looks for a fault: debugfs, core dumps, fdinfo. Faults are injected here
 * and nowhere else.
 */
#include <linux/debugfs.h>
#include <linux/devcoredump.h>
#include <linux/pm_runtime.h>
#include <linux/seq_file.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <linux/vmalloc.h>

#include <drm/drm_accel.h>
#include <drm/drm_debugfs.h>
#include <drm/drm_drv.h>
#include <drm/drm_gem.h>

#include "acc_drv.h"

/* ----------------------------------------------------------------- state */

static void acc_print_state(struct acc_device *acc, struct drm_printer *p)
{
	struct acc_file *file;
	unsigned long asid;
	int idx;

	drm_printf(p, "device: %s (%s)\n", acc->identity.name, acc->identity.config);
	drm_printf(p, "gone: %d\nasleep: %d\nresets: %llu\n", acc->gone, acc->asleep,
		   acc->resets);
	drm_printf(p, "last reset: %s (guilty client: %u)\n",
		   acc->record.why[0] ? acc->record.why : "none", acc->record.asid);
	if (!acc->gone && !acc->asleep && drm_dev_enter(&acc->drm, &idx)) {
		u32 at;

		drm_puts(p, "registers:\n");
		for (at = 0; at <= ACC_REG_CLOCK + 4; at += 4)
			drm_printf(p, "  %#05x %#010x\n", at, readl(acc->regs + at));
		drm_dev_exit(idx);
	}
	drm_printf(p, "commands: tail %u head %u under way %u bogus completions %llu\n",
		   acc->admin.tail, acc->admin.head, acc->admin.in_flight, acc->admin.bogus);
	drm_printf(p, "events: head %u bogus %llu holes %llu fatal %llu\n", acc->events.head,
		   acc->events.bogus, acc->lost_events, acc->fatal);
	mutex_lock(&acc->files_lock);
	xa_for_each(&acc->files, asid, file) {
		struct acc_queue *queue;
		unsigned long id;

		drm_printf(p, "client %u (%s, pid %d): lost %d, ", file->asid, file->name,
			   pid_nr(file->opener), acc_file_lost(file));
		drm_printf(p, "%u bindings, %u queues, %u programs\n", file->vas.count,
			   file->queue_count, file->programs);
		mutex_lock(&file->lock);
		xa_for_each(&file->queues, id, queue)
			drm_printf(p, "  queue %u: doorbell %u, read index %llu, strikes %u\n",
				   queue->id, queue->doorbell, queue->seen_index, queue->strikes);
		mutex_unlock(&file->lock);
	}
	mutex_unlock(&acc->files_lock);
}

static int acc_state_show(struct seq_file *m, void *unused)
{
	struct acc_device *acc = m->private;
	struct drm_printer p = drm_seq_file_printer(m);

	acc_print_state(acc, &p);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(acc_state);

/* -------------------------------------------------------------- injection */

/* "WHAT COUNT ARGUMENT" of ACC_ADMIN_INJECT (docs/device.md). */
static ssize_t acc_inject_write(struct file *filp, const char __user *user, size_t bytes,
				loff_t *offset)
{
	struct acc_device *acc = file_inode(filp)->i_private;
	struct acc_admin_cmd cmd = { .op = ACC_ADMIN_INJECT };
	u32 what, count;
	char text[64];
	u64 argument;
	int ret;

	if (bytes >= sizeof(text))
		return -EINVAL;
	if (copy_from_user(text, user, bytes))
		return -EFAULT;
	text[bytes] = 0;
	if (sscanf(text, "%u %u %llu", &what, &count, &argument) != 3)
		return -EINVAL;
	cmd.inject.what = what;
	cmd.inject.count = count;
	cmd.inject.argument = argument;
	ret = acc_pm_get(acc);
	if (ret)
		return ret;
	ret = acc_admin(acc, &cmd, NULL, ACC_ADMIN_MS);
	acc_pm_put(acc);
	return ret ? ret : bytes;
}

static const struct file_operations acc_inject_fops = {
	.owner = THIS_MODULE,
	.open = simple_open,
	.write = acc_inject_write,
	.llseek = noop_llseek,
};

/*
 * As if the watchdog had found the device hung by work of the client whose ASID is
 * written; any other text blames nobody.
 */
static ssize_t acc_hang_write(struct file *filp, const char __user *user, size_t bytes,
			      loff_t *offset)
{
	u32 asid;

	if (kstrtou32_from_user(user, bytes, 10, &asid))
		asid = 0;
	acc_reset_request(file_inode(filp)->i_private, asid, "asked for by debugfs");
	return bytes;
}

static const struct file_operations acc_hang_fops = {
	.owner = THIS_MODULE,
	.open = simple_open,
	.write = acc_hang_write,
	.llseek = noop_llseek,
};

void acc_debugfs_init(struct acc_device *acc)
{
	struct dentry *root = acc->drm.debugfs_root;

	debugfs_create_file("state", 0400, root, acc, &acc_state_fops);
	debugfs_create_file("inject", 0200, root, acc, &acc_inject_fops);
	debugfs_create_file("reset", 0200, root, acc, &acc_hang_fops);
}

/* -------------------------------------------------------------- core dump */

#define ACC_COREDUMP_BYTES 65536

/* Text for /sys/class/devcoredump: what is known before a reset wipes it out. */
void acc_coredump(struct acc_device *acc, const char *why, u32 asid)
{
	struct drm_print_iterator iter = { .remain = ACC_COREDUMP_BYTES };
	struct drm_printer p;

	iter.data = vzalloc(ACC_COREDUMP_BYTES);
	if (!iter.data)
		return;
	p = drm_coredump_printer(&iter);
	drm_printf(&p, "acc coredump, version 1\nwhy: %s\nguilty client: %u\n", why, asid);
	acc_print_state(acc, &p);
	dev_coredumpv(acc->drm.dev, iter.data, ACC_COREDUMP_BYTES - iter.remain, GFP_KERNEL);
}

/* ----------------------------------------------------------------- fdinfo */

void acc_show_fdinfo(struct drm_printer *p, struct drm_file *drm_file)
{
	struct acc_file *file = drm_file->driver_priv;
	struct drm_acc_client client = {};
	struct acc_device *acc = file->acc;
	int idx;

	/* A device that sleeps is not woken for this; it has no queue that runs. */
	if (!acc_file_lost(file) && pm_runtime_get_if_active(&acc->pdev->dev) > 0) {
		idx = srcu_read_lock(&acc->calls);
		if (!READ_ONCE(acc->gone))
			acc_identify(acc, file->asid, ACC_IDENTIFY_CLIENT, 0, &client,
				     sizeof(client));
		srcu_read_unlock(&acc->calls, idx);
		acc_pm_put(acc);
	}
	drm_printf(p, "drm-engine-compute:\t%llu ns\n", client.busy_ns);
	drm_printf(p, "acc-packets:\t%llu\n", client.packets);
	drm_printf(p, "acc-lost:\t%d\n", acc_file_lost(file));
	drm_printf(p, "acc-guilty:\t%u\n",
		   READ_ONCE(((struct acc_status_page *)page_address(file->status))->guilty));
	drm_show_memory_stats(p, drm_file);
}
