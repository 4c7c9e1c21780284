// SPDX-License-Identifier: GPL-2.0-only
/*
 * The address space of a file: which buffer is shown where, and the device's tables of it.
 */
#include <linux/slab.h>

#include <drm/drm_gem.h>

#include "acc_drv.h"

#define ACC_LIST_PAGES (ACC_PAGE_BYTES / sizeof(u64))

static int acc_vm_unmap_pages(struct acc_file *file, u64 address, u64 pages, u64 timeout_ns)
{
	struct acc_admin_cmd cmd = { .op = ACC_ADMIN_UNMAP };

	cmd.map.address = address;
	cmd.map.pages = pages;
	cmd.map.timeout_ns = timeout_ns;
	return acc_file_admin(file, &cmd, NULL, div_u64(timeout_ns, NSEC_PER_MSEC) + ACC_ADMIN_MS);
}

/* In commands of one page of page addresses each; all or nothing. */
static int acc_vm_map_pages(struct acc_file *file, const struct acc_binding *binding)
{
	const u64 pages = binding->va.range >> ACC_PAGE_SHIFT;
	struct acc_device *acc = file->acc;
	dma_addr_t bus;
	__le64 *list;
	u64 done = 0;
	int ret = 0;

	list = dma_pool_alloc(acc->lists, GFP_KERNEL, &bus);
	if (!list)
		return -ENOMEM;
	while (done < pages) {
		struct acc_admin_cmd cmd = { .op = ACC_ADMIN_MAP };
		u64 count = min_t(u64, pages - done, ACC_LIST_PAGES);

		ret = acc_extents_fill(&binding->bo->extents,
				       (binding->bo_offset >> ACC_PAGE_SHIFT) + done, count, list);
		if (ret)
			break;
		cmd.flags = (binding->va.flags & DRM_ACC_VM_READ ? ACC_MAP_READ : 0) |
			    (binding->va.flags & DRM_ACC_VM_WRITE ? ACC_MAP_WRITE : 0);
		cmd.map.address = binding->va.address + (done << ACC_PAGE_SHIFT);
		cmd.map.pages = count;
		cmd.map.list = bus;
		ret = acc_file_admin(file, &cmd, NULL, ACC_ADMIN_MS);
		if (ret)
			break;
		done += count;
		cond_resched();
	}
	dma_pool_free(acc->lists, list, bus);
	if (ret && done) /* nothing could use it yet */
		acc_vm_unmap_pages(file, binding->va.address, done, 0);
	return ret;
}

static void acc_binding_free(struct acc_file *file, struct acc_binding *binding)
{
	acc_memory_unbind(binding->bo->memory, file);
	drm_gem_object_put(&binding->bo->base.base);
	kfree(binding);
}

static int acc_vm_bind(struct acc_file *file, struct drm_file *drm_file,
		       const struct drm_acc_vm_bind *args)
{
	struct acc_binding *binding;
	struct acc_bo *bo;
	int ret;

	bo = acc_bo_lookup(drm_file, args->handle);
	if (!bo)
		return -ENOENT;
	if (acc_range_outside(args->bo_offset, args->range, bo->base.base.size)) {
		ret = -EINVAL;
		goto put;
	}
	binding = kzalloc(sizeof(*binding), GFP_KERNEL);
	if (!binding) {
		ret = -ENOMEM;
		goto put;
	}
	binding->va.address = args->address;
	binding->va.range = args->range;
	binding->va.flags = args->flags;
	binding->va.busy = true;
	binding->bo = bo;
	binding->bo_offset = args->bo_offset;
	ret = acc_memory_bind(bo->memory, file);
	if (ret)
		goto free;
	mutex_lock(&file->lock);
	ret = acc_va_insert(&file->vas, &binding->va);
	mutex_unlock(&file->lock);
	if (ret)
		goto unbind;
	/* Gigabytes take a while; the lock is free meanwhile for who handles events. */
	ret = acc_bo_pin(bo);
	if (!ret)
		ret = acc_vm_map_pages(file, binding);
	mutex_lock(&file->lock);
	if (ret)
		acc_va_remove(&file->vas, &binding->va);
	else
		binding->va.busy = false;
	mutex_unlock(&file->lock);
	if (!ret)
		return 0;

unbind:
	acc_memory_unbind(bo->memory, file);
free:
	kfree(binding);
put:
	drm_gem_object_put(&bo->base.base);
	return ret;
}

/* The longest that a dispatch of this file may execute. Under file->lock. */
static u64 acc_vm_timeout(struct acc_file *file)
{
	struct acc_queue *queue;
	unsigned long id;
	u64 longest = 0;

	xa_for_each(&file->queues, id, queue)
		longest = max(longest, queue->timeout_ns);
	/* A queue that is being destroyed is not found any more, but may still execute. */
	return longest ? longest : file->acc->limits.max_timeout_ns;
}

static int acc_vm_unbind(struct acc_file *file, const struct drm_acc_vm_bind *args)
{
	u64 timeout_ns, address;
	int first, ret;
	u32 count, i;

	mutex_lock(&file->lock);
	first = acc_va_range(&file->vas, args->address, args->range, &count);
	if (first < 0) {
		mutex_unlock(&file->lock);
		return first;
	}
	for (i = 0; i < count; i++)
		file->vas.nodes[first + i]->busy = true;
	timeout_ns = acc_vm_timeout(file);
	mutex_unlock(&file->lock);

	ret = acc_vm_unmap_pages(file, args->address, args->range >> ACC_PAGE_SHIFT, timeout_ns);

	/* They are busy, so they are there still, and nothing has come between. */
	for (i = 0, address = args->address; i < count; i++) {
		struct acc_binding *binding;

		mutex_lock(&file->lock);
		binding = to_acc_binding(acc_va_find(&file->vas, address));
		acc_va_remove(&file->vas, &binding->va);
		mutex_unlock(&file->lock);
		address += binding->va.range;
		acc_binding_free(file, binding);
	}
	return ret;
}

int acc_ioctl_vm_bind(struct drm_device *drm, void *data, struct drm_file *drm_file)
{
	struct acc_file *file = drm_file->driver_priv;
	struct acc_device *acc = to_acc(drm);
	const struct drm_acc_memory memory = { .va_start = acc->va_start, .va_end = acc->va_end };
	int ret;

	ret = acc_check_vm_bind(data, &memory);
	if (ret)
		return ret;
	ret = acc_pm_get(acc);
	if (ret)
		return ret;
	if (((struct drm_acc_vm_bind *)data)->op == DRM_ACC_VM_MAP)
		ret = acc_vm_bind(file, drm_file, data);
	else
		ret = acc_vm_unbind(file, data);
	acc_pm_put(acc);
	return ret;
}

/*
 * What is bound at an address with all of @need, and a reference to it: -EFAULT if
 * nothing is. @bytes: to the binding's end; may be NULL.
 */
int acc_vm_resolve(struct acc_file *file, u64 address, u32 need, struct acc_bo **bo, u64 *offset,
		   u64 *bytes)
{
	int ret = -EFAULT;
	struct acc_va *va;

	mutex_lock(&file->lock);
	va = acc_va_find(&file->vas, address);
	if (va && (va->flags & need) == need) {
		struct acc_binding *binding = to_acc_binding(va);

		*bo = binding->bo;
		*offset = binding->bo_offset + (address - va->address);
		if (bytes)
			*bytes = va->range - (address - va->address);
		drm_gem_object_get(&binding->bo->base.base);
		ret = 0;
	}
	mutex_unlock(&file->lock);
	return ret;
}

/* The binding that shows [offset, offset + bytes) of a buffer read/write. Under file->lock. */
struct acc_binding *acc_vm_find(struct acc_file *file, const struct acc_bo *bo, u64 offset,
				u64 bytes)
{
	u32 i;

	for (i = 0; i < file->vas.count; i++) {
		struct acc_va *va = file->vas.nodes[i];
		struct acc_binding *binding = to_acc_binding(va);

		if (binding->bo->memory == bo->memory && !va->busy &&
		    (va->flags & DRM_ACC_VM_FLAGS) == DRM_ACC_VM_FLAGS &&
		    offset >= binding->bo_offset &&
		    !acc_range_outside(offset - binding->bo_offset, bytes, va->range))
			return binding;
	}
	return NULL;
}

/* Shows a device that forgot everything what it had of this file. */
int acc_vm_restore(struct acc_file *file)
{
	int ret = 0;
	u32 i;

	/* Nobody binds or unbinds: the device sleeps, and its clients wait for it. */
	for (i = 0; i < file->vas.count && !ret; i++)
		ret = acc_vm_map_pages(file, to_acc_binding(file->vas.nodes[i]));
	return ret;
}

/* The device holds nothing of the file any more. */
void acc_vm_close(struct acc_file *file)
{
	/* Against events that still look here. */
	for (;;) {
		struct acc_binding *binding;

		mutex_lock(&file->lock);
		if (!file->vas.count) {
			mutex_unlock(&file->lock);
			break;
		}
		binding = to_acc_binding(file->vas.nodes[file->vas.count - 1]);
		acc_va_remove(&file->vas, &binding->va);
		mutex_unlock(&file->lock);
		acc_binding_free(file, binding);
	}
	acc_va_fini(&file->vas);
}
