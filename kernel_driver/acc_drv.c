// SPDX-License-Identifier: GPL-2.0-only
/*
 * The DRM driver: files, the table of ioctls, the module.
 */
#include <linux/fs.h>
#include <linux/module.h>
#include <linux/pm_runtime.h>
#include <linux/slab.h>
#include <linux/version.h>

#include <drm/drm_accel.h>
#include <drm/drm_drv.h>
#include <drm/drm_gem.h>
#include <drm/drm_ioctl.h>

#include "acc_drv.h"

unsigned int acc_hang_ms;
module_param_named(hang_ms, acc_hang_ms, uint, 0644);
MODULE_PARM_DESC(hang_ms,
		 "Reset a queue whose packet executes longer, in ms (default 0: the queue's own timeout and grace_ms)");

unsigned int acc_grace_ms = 2000;
module_param_named(grace_ms, acc_grace_ms, uint, 0644);
MODULE_PARM_DESC(grace_ms,
		 "How much later than a queue's timeout the driver acts itself, in ms (default 2000)");

unsigned int acc_watchdog_ms = 1000;
module_param_named(watchdog_ms, acc_watchdog_ms, uint, 0644);
MODULE_PARM_DESC(watchdog_ms, "How often the driver looks at the device, in ms (default 1000)");

/* ----------------------------------------------------------------- files */

static void acc_file_free(struct kref *ref)
{
	struct acc_file *file = container_of(ref, struct acc_file, ref);

	if (file->event)
		eventfd_ctx_put(file->event);
	if (file->status)
		put_page(file->status);
	if (file->dummy)
		put_page(file->dummy);
	acc_charge_put(file->charge);
	put_pid(file->opener);
	xa_destroy(&file->queues);
	mutex_destroy(&file->lock);
	kfree(file);
}

void acc_file_put(struct acc_file *file)
{
	kref_put(&file->ref, acc_file_free);
}

/* The open file of an ASID, or NULL. */
struct acc_file *acc_file_get(struct acc_device *acc, u32 asid)
{
	struct acc_file *file;

	mutex_lock(&acc->files_lock);
	file = xa_load(&acc->files, asid);
	if (file)
		kref_get(&file->ref);
	mutex_unlock(&acc->files_lock);
	return file;
}

/* The errno of a file that is lost, positive, or 0. */
int acc_file_lost(const struct acc_file *file)
{
	return smp_load_acquire(&file->lost); /* pairs with acc_file_lose() */
}

static struct acc_file *acc_file_alloc(struct acc_device *acc)
{
	struct acc_file *file = kzalloc(sizeof(*file), GFP_KERNEL);

	if (!file)
		return NULL;
	kref_init(&file->ref);
	file->acc = acc;
	file->opener = get_pid(task_tgid(current));
	file->uid = current_euid();
	get_task_comm(file->name, current->group_leader);
	sema_init(&file->commands, ACC_FILE_COMMANDS);
	sema_init(&file->patient, ACC_FILE_PATIENT);
	mutex_init(&file->lock);
	acc_va_init(&file->vas, ACC_MAX_BINDINGS);
	xa_init(&file->queues);
	file->next_queue = 1;
	file->next_program = 1;
	spin_lock_init(&file->event_lock);
	spin_lock_init(&file->wait_lock);
	INIT_LIST_HEAD(&file->waiters);
	INIT_WORK(&file->wake, acc_file_wake_work);
	file->status = alloc_page(GFP_KERNEL | __GFP_ZERO);
	file->dummy = alloc_page(GFP_KERNEL | __GFP_ZERO);
	file->charge = acc_charge_create();
	if (file->status && file->dummy && file->charge)
		return file;
	acc_file_put(file);
	return NULL;
}

/* Nobody finds it any more; its ASID is free when the device has forgotten it. */
static void acc_file_retire(struct acc_file *file)
{
	struct acc_device *acc = file->acc;
	struct acc_admin_cmd cmd = { .op = ACC_ADMIN_AS_DESTROY };

	mutex_lock(&acc->files_lock);
	xa_store(&acc->files, file->asid, XA_ZERO_ENTRY, GFP_KERNEL); /* replaces: cannot fail */
	mutex_unlock(&acc->files_lock);
	/* ENOENT after a reset. */
	if (file->created)
		acc_file_admin(file, &cmd, NULL,
			       div_u64(acc->limits.max_timeout_ns, NSEC_PER_MSEC) + ACC_ADMIN_MS);
	mutex_lock(&acc->files_lock);
	xa_erase(&acc->files, file->asid);
	mutex_unlock(&acc->files_lock);
}

static int acc_open(struct drm_device *drm, struct drm_file *drm_file)
{
	struct acc_admin_cmd cmd = { .op = ACC_ADMIN_AS_CREATE };
	struct acc_device *acc = to_acc(drm);
	struct acc_file *file;
	int ret;

	/* A reset that is under way is waited for. */
	ret = mutex_lock_interruptible(&acc->reset_lock);
	if (ret)
		return ret;
	ret = -acc->gone;
	mutex_unlock(&acc->reset_lock);
	if (ret)
		return ret;
	file = acc_file_alloc(acc);
	if (!file)
		return -ENOMEM;
	ret = acc_pm_get(acc);
	if (ret)
		goto put;
	mutex_lock(&acc->files_lock);
	ret = xa_alloc_cyclic(&acc->files, &file->asid, file, XA_LIMIT(1, acc->asids - 1),
			      &acc->next_asid, GFP_KERNEL);
	if (ret >= 0)
		file->client = ++acc->next_client;
	mutex_unlock(&acc->files_lock);
	if (ret < 0) {
		ret = ret == -EBUSY ? -ENOSPC : ret; /* every doorbell page is somebody's */
		goto sleep;
	}
	ret = acc_file_admin(file, &cmd, NULL, ACC_ADMIN_MS);
	file->created = !ret;
	if (!ret)
		ret = -acc_file_lost(file); /* a reset came between */
	if (ret) {
		acc_file_retire(file);
		goto sleep;
	}
	drm_file->driver_priv = file;
sleep:
	acc_pm_put(acc);
put:
	if (ret)
		acc_file_put(file);
	return ret;
}

static void acc_postclose(struct drm_device *drm, struct drm_file *drm_file)
{
	struct acc_file *file = drm_file->driver_priv;
	struct acc_device *acc = to_acc(drm);
	bool awake;

	/* Where the device does not wake up there is nothing to destroy. */
	awake = !acc_pm_get(acc);
	acc_file_retire(file);
	acc_queues_close(file);
	for (; file->programs; file->programs--)
		acc_pm_put(acc);
	acc_vm_close(file);
	cancel_work_sync(&file->wake); /* nobody finds it to wake it any more */
	if (awake)
		acc_pm_put(acc);
	drm_file->driver_priv = NULL;
	acc_file_put(file);
}

/* ---------------------------------------------------------------- ioctls */

static const struct drm_ioctl_desc acc_ioctls[] = {
	DRM_IOCTL_DEF_DRV(ACC_DEV_QUERY, acc_ioctl_dev_query, 0),
	DRM_IOCTL_DEF_DRV(ACC_BO_CREATE, acc_ioctl_bo_create, 0),
	DRM_IOCTL_DEF_DRV(ACC_BO_INFO, acc_ioctl_bo_info, 0),
	DRM_IOCTL_DEF_DRV(ACC_VM_BIND, acc_ioctl_vm_bind, 0),
	DRM_IOCTL_DEF_DRV(ACC_QUEUE_CREATE, acc_ioctl_queue_create, 0),
	DRM_IOCTL_DEF_DRV(ACC_QUEUE_DESTROY, acc_ioctl_queue_destroy, 0),
	DRM_IOCTL_DEF_DRV(ACC_QUEUE_QUERY, acc_ioctl_queue_query, 0),
	DRM_IOCTL_DEF_DRV(ACC_EVENT_SET, acc_ioctl_event_set, 0),
	DRM_IOCTL_DEF_DRV(ACC_WAIT, acc_ioctl_wait, 0),
	DRM_IOCTL_DEF_DRV(ACC_SIGNAL_WAKE, acc_ioctl_signal_wake, 0),
	DRM_IOCTL_DEF_DRV(ACC_PROGRAM_LOAD, acc_ioctl_program_load, 0),
	DRM_IOCTL_DEF_DRV(ACC_PROGRAM_UNLOAD, acc_ioctl_program_unload, 0),
	DRM_IOCTL_DEF_DRV(ACC_PROGRAM_QUERY, acc_ioctl_program_query, 0),
	DRM_IOCTL_DEF_DRV(ACC_PROGRAM_PREFETCH, acc_ioctl_program_prefetch, 0),
	DRM_IOCTL_DEF_DRV(ACC_PROGRAM_PIN, acc_ioctl_program_pin, 0),
	DRM_IOCTL_DEF_DRV(ACC_RESET, acc_ioctl_reset, 0),
};

static bool acc_ioctl_when_lost(unsigned int nr)
{
	return nr == DRM_IOCTL_NR(DRM_IOCTL_VERSION) || nr == DRM_IOCTL_NR(DRM_IOCTL_GET_CAP) ||
	       nr == DRM_IOCTL_NR(DRM_IOCTL_GEM_CLOSE);
}

/* Whether a call needs the hardware awake. */
static bool acc_ioctl_needs_power(unsigned int nr)
{
	switch (nr - DRM_COMMAND_BASE) {
	case DRM_ACC_BO_CREATE:
	case DRM_ACC_BO_INFO:
	case DRM_ACC_EVENT_SET:
	case DRM_ACC_WAIT:
	case DRM_ACC_SIGNAL_WAKE:
		return false;
	default:
		return nr >= DRM_COMMAND_BASE && nr < DRM_COMMAND_END;
	}
}

/*
 * What holds for every call (docs/uapi.md, "Rules of every call"), around DRM's own
 * dispatch. The device cannot be taken away while a call runs: what a call waits for
 * ends when the device goes.
 */
static long acc_ioctl_checked(struct file *filp, unsigned int cmd, unsigned long arg,
			      long (*dispatch)(struct file *, unsigned int, unsigned long))
{
	struct drm_file *drm_file = filp->private_data;
	struct acc_file *file = drm_file->driver_priv;
	struct acc_device *acc = file->acc;
	unsigned int nr = DRM_IOCTL_NR(cmd);
	bool power = acc_ioctl_needs_power(nr);
	long ret;
	int idx;

	/* A child of fork has the opener's descriptor but not its device. */
	if (task_tgid(current) != file->opener)
		return -ENODEV;
	if (DRM_IOCTL_TYPE(cmd) != DRM_IOCTL_BASE)
		return -ENOTTY;
	if (nr >= DRM_COMMAND_BASE + ARRAY_SIZE(acc_ioctls) && nr < DRM_COMMAND_END)
		return -EINVAL;
	if (acc_ioctl_when_lost(nr))
		return dispatch(filp, cmd, arg);
	ret = -acc_file_lost(file);
	if (ret)
		return ret;
	if (nr >= DRM_COMMAND_BASE && nr < DRM_COMMAND_END && !arg)
		return -EFAULT;
	idx = srcu_read_lock(&acc->calls);
	if (READ_ONCE(acc->gone))
		ret = -ENODEV;
	else if (power)
		ret = acc_pm_get(acc);
	if (!ret) {
		ret = dispatch(filp, cmd, arg);
		if (power)
			acc_pm_put(acc);
	}
	srcu_read_unlock(&acc->calls, idx);
	/* Whatever it met: that the context was lost meanwhile is why. */
	if (ret && acc_file_lost(file))
		ret = -acc_file_lost(file);
	return ret;
}

static long acc_ioctl(struct file *filp, unsigned int cmd, unsigned long arg)
{
	return acc_ioctl_checked(filp, cmd, arg, drm_ioctl);
}

#ifdef CONFIG_COMPAT
static long acc_compat_ioctl(struct file *filp, unsigned int cmd, unsigned long arg)
{
	return acc_ioctl_checked(filp, cmd, arg, drm_compat_ioctl);
}
#endif

static const struct file_operations acc_fops = {
	.owner = THIS_MODULE,
	.open = accel_open,
	.release = drm_release,
	.unlocked_ioctl = acc_ioctl,
#ifdef CONFIG_COMPAT
	.compat_ioctl = acc_compat_ioctl,
#endif
	.poll = drm_poll,
	.read = drm_read,
	.llseek = noop_llseek,
	.mmap = acc_mmap,
	.show_fdinfo = drm_show_fdinfo,
	.fop_flags = FOP_UNSIGNED_OFFSET,
};

const struct drm_driver acc_drm_driver = {
	.driver_features = DRIVER_COMPUTE_ACCEL | DRIVER_GEM,
	.open = acc_open,
	.postclose = acc_postclose,
	.gem_create_object = acc_bo_alloc,
	.gem_prime_import = acc_bo_import,
	.gem_prime_import_sg_table = drm_gem_shmem_prime_import_sg_table,
	.show_fdinfo = acc_show_fdinfo,
	.ioctls = acc_ioctls,
	.num_ioctls = ARRAY_SIZE(acc_ioctls),
	.fops = &acc_fops,
	.name = DRM_ACC_DRIVER_NAME,
	.desc = "ACC accelerators",
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 14, 0)
	.date = "20261126",
#endif
	.major = DRM_ACC_VERSION_MAJOR,
	.minor = DRM_ACC_VERSION_MINOR,
};
