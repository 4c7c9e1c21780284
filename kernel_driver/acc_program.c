// SPDX-License-Identifier: GPL-2.0-only
/*
 * Programs: the driver shows the device an image's pages, and the device copies, checks
 * and keeps what it makes of them. The driver never parses one.
 */
#include <linux/capability.h>
#include <linux/dma-mapping.h>
#include <linux/moduleparam.h>

#include <drm/drm_gem.h>

#include "acc_drv.h"

static bool acc_restrict_load;
module_param_named(restrict_load, acc_restrict_load, bool, 0644);
MODULE_PARM_DESC(restrict_load,
		 "PROGRAM_LOAD needs CAP_SYS_ADMIN (default: who may open the node may load)");

/* Bound of commands that load, evict or unload: slots are slow. */
#define ACC_LOAD_MS 60000

int acc_ioctl_program_load(struct drm_device *drm, void *data, struct drm_file *drm_file)
{
	struct acc_admin_cmd cmd = { .op = ACC_ADMIN_PROGRAM_LOAD };
	struct acc_file *file = drm_file->driver_priv;
	struct drm_acc_program_load *args = data;
	struct acc_device *acc = to_acc(drm);
	u64 first, pages;
	struct acc_admin_cpl cpl;
	dma_addr_t bus, why_bus;
	struct acc_bo *bo;
	size_t bytes;
	__le64 *list;
	char *why;
	int ret;

	memset(args->why, 0, sizeof(args->why));
	bo = acc_bo_lookup(drm_file, args->handle);
	if (!bo)
		return -ENOENT;
	ret = acc_check_program_load(args, acc->identity.features, &acc->limits,
				     bo->base.base.size);
	if (!ret && acc_restrict_load && !capable(CAP_SYS_ADMIN))
		ret = -EACCES;
	if (!ret)
		ret = acc_bo_pin(bo);
	if (ret)
		goto put;
	first = args->offset >> ACC_PAGE_SHIFT;
	pages = ((args->offset + args->size - 1) >> ACC_PAGE_SHIFT) - first + 1;
	bytes = pages * sizeof(*list);
	ret = -ENOMEM;
	why = dma_pool_zalloc(acc->small, GFP_KERNEL, &why_bus);
	if (!why)
		goto put;
	/* Contiguous on the bus: the device reads on from page to page. */
	list = dma_alloc_coherent(drm->dev, bytes, &bus, GFP_KERNEL | __GFP_NOWARN);
	if (!list)
		goto free_why;
	ret = acc_extents_fill(&bo->extents, first, pages, list);
	if (ret)
		goto free_list;
	/* A live program keeps the device awake: the driver has no copy to restore. */
	ret = acc_pm_get(acc);
	if (ret)
		goto free_list;
	mutex_lock(&file->lock);
	cmd.object = file->next_program++;
	mutex_unlock(&file->lock);
	cmd.flags = args->flags & DRM_ACC_PROGRAM_PERSISTENT ? ACC_LOAD_PERSISTENT : 0;
	cmd.load.list = bus;
	cmd.load.offset = args->offset & (ACC_PAGE_BYTES - 1);
	cmd.load.size = args->size;
	cmd.load.why = why_bus;
	ret = acc_file_admin(file, &cmd, &cpl, ACC_LOAD_MS);
	memcpy(args->why, why, sizeof(args->why) - 1);
	if (ret) {
		drm_dbg(drm, "client %u: program refused: %s\n", file->asid, args->why);
		acc_pm_put(acc);
		goto free_list;
	}
	mutex_lock(&file->lock);
	file->programs++;
	mutex_unlock(&file->lock);
	args->program = cmd.object;
	args->kernels = cpl.result1;
	args->kernel_object_base = cpl.result0;

free_list:
	dma_free_coherent(drm->dev, bytes, list, bus);
free_why:
	dma_pool_free(acc->small, why, why_bus);
put:
	drm_gem_object_put(&bo->base.base);
	return ret;
}

int acc_ioctl_program_unload(struct drm_device *drm, void *data, struct drm_file *drm_file)
{
	struct acc_admin_cmd cmd = { .op = ACC_ADMIN_PROGRAM_UNLOAD };
	struct acc_file *file = drm_file->driver_priv;
	const struct drm_acc_program_unload *args = data;
	bool counted;
	int ret;

	if (args->pad)
		return -EINVAL;
	cmd.object = args->program;
	ret = acc_file_admin(file, &cmd, NULL, ACC_LOAD_MS);
	if (ret)
		return ret;
	/* The device says that there was one; that it says so once is not believed. */
	mutex_lock(&file->lock);
	counted = file->programs > 0;
	file->programs -= counted;
	mutex_unlock(&file->lock);
	if (counted)
		acc_pm_put(file->acc);
	return 0;
}

int acc_ioctl_program_query(struct drm_device *drm, void *data, struct drm_file *drm_file)
{
	struct acc_file *file = drm_file->driver_priv;
	struct drm_acc_program_query *args = data;
	struct acc_admin_cmd cmd = { .op = ACC_ADMIN_PROGRAM_QUERY, .asid = file->asid,
				     .object = args->program };
	struct acc_kernel_state state;
	int ret;

	cmd.identify.index = args->kernel;
	ret = acc_admin_read(file->acc, &cmd, &state, sizeof(state));
	if (ret)
		return ret;
	args->kernel_object = state.kernel_object;
	args->kernarg_bytes = state.kernarg_bytes;
	args->group_bytes = state.group_bytes;
	args->private_bytes = state.private_bytes;
	args->slot = state.slot;
	args->loads = state.loads;
	args->pinned = state.pinned;
	args->kernels = state.kernels;
	memcpy(args->name, state.name, sizeof(args->name));
	args->name[sizeof(args->name) - 1] = 0;
	return 0;
}

int acc_ioctl_program_prefetch(struct drm_device *drm, void *data, struct drm_file *drm_file)
{
	struct acc_admin_cmd cmd = { .op = ACC_ADMIN_PROGRAM_PREFETCH };
	struct acc_file *file = drm_file->driver_priv;
	const struct drm_acc_program_prefetch *args = data;

	if (args->flags || args->pad)
		return -EINVAL;
	cmd.object = args->program;
	cmd.program.kernel = args->kernel;
	return acc_file_admin(file, &cmd, NULL, ACC_LOAD_MS);
}

int acc_ioctl_program_pin(struct drm_device *drm, void *data, struct drm_file *drm_file)
{
	struct acc_admin_cmd cmd = { .op = ACC_ADMIN_PROGRAM_PIN };
	struct acc_file *file = drm_file->driver_priv;
	const struct drm_acc_program_pin *args = data;

	if (args->flags || args->pin > 1)
		return -EINVAL;
	cmd.object = args->program;
	cmd.program.kernel = args->kernel;
	cmd.program.pin = args->pin;
	cmd.program.quota = ~0u; /* the device has its limit for a file */
	return acc_file_admin(file, &cmd, NULL, ACC_LOAD_MS);
}
