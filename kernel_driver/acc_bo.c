// SPDX-License-Identifier: GPL-2.0-only
/*
 * Buffers: GEM objects in shmem, and dma-bufs. A buffer is pinned and mapped for DMA
 * when it is first bound, and stays so while it lives.
 */
#include <linux/dma-buf.h>
#include <linux/dma-mapping.h>
#include <linux/highmem.h>
#include <linux/iosys-map.h>
#include <linux/scatterlist.h>

#include <drm/drm_drv.h>
#include <drm/drm_gem.h>
#include <drm/drm_prime.h>

#include "acc_drv.h"

struct acc_charge *acc_charge_create(void)
{
	struct acc_charge *charge = kzalloc(sizeof(*charge), GFP_KERNEL);

	if (charge)
		kref_init(&charge->ref);
	return charge;
}

static void acc_charge_free(struct kref *ref)
{
	kfree(container_of(ref, struct acc_charge, ref));
}

void acc_charge_put(struct acc_charge *charge)
{
	if (charge)
		kref_put(&charge->ref, acc_charge_free);
}

static void acc_bo_free(struct drm_gem_object *obj)
{
	struct acc_device *acc = to_acc(obj->dev);
	struct acc_bo *bo = to_acc_bo(obj);

	mutex_lock(&acc->bos_lock);
	list_del(&bo->link);
	mutex_unlock(&acc->bos_lock);
	if (bo->mapped)
		dma_buf_vunmap_unlocked(obj->import_attach->dmabuf, &bo->map);
	if (bo->charge) {
		atomic64_sub(obj->size, &bo->charge->bytes);
		atomic64_sub(obj->size, &acc->bytes);
		acc_charge_put(bo->charge);
	}
	acc_memory_put(bo->memory);
	acc_extents_fini(&bo->extents);
	mutex_destroy(&bo->lock);
	drm_gem_shmem_free(&bo->base);
}

static int acc_bo_mmap(struct drm_gem_object *obj, struct vm_area_struct *vma)
{
	if (to_acc_bo(obj)->flags & DRM_ACC_BO_NO_CPU)
		return -EINVAL;
	return drm_gem_shmem_object_mmap(obj, vma);
}

/* Our own, so that another device of ours knows whose memory it imports. */
static const struct dma_buf_ops acc_dma_buf_ops = {
	.attach = drm_gem_map_attach,
	.detach = drm_gem_map_detach,
	.map_dma_buf = drm_gem_map_dma_buf,
	.unmap_dma_buf = drm_gem_unmap_dma_buf,
	.release = drm_gem_dmabuf_release,
	.mmap = drm_gem_dmabuf_mmap,
	.vmap = drm_gem_dmabuf_vmap,
	.vunmap = drm_gem_dmabuf_vunmap,
};

static struct dma_buf *acc_bo_export(struct drm_gem_object *obj, int flags)
{
	struct drm_device *drm = obj->dev;
	struct dma_buf_export_info info = {
		.exp_name = KBUILD_MODNAME,
		.owner = drm->driver->fops->owner,
		.ops = &acc_dma_buf_ops,
		.size = obj->size,
		.flags = flags,
		.priv = obj,
		.resv = obj->resv,
	};

	return drm_gem_dmabuf_export(drm, &info);
}

/* A handle of a file. */
static int acc_bo_open(struct drm_gem_object *obj, struct drm_file *drm_file)
{
	struct acc_file *file = drm_file->driver_priv;

	atomic_inc(&file->buffers);
	return 0;
}

static void acc_bo_close(struct drm_gem_object *obj, struct drm_file *drm_file)
{
	struct acc_file *file = drm_file->driver_priv;

	atomic_dec(&file->buffers);
}

static enum drm_gem_object_status acc_bo_status(struct drm_gem_object *obj)
{
	return READ_ONCE(to_acc_bo(obj)->pinned) ? DRM_GEM_OBJECT_RESIDENT : 0;
}

static const struct drm_gem_object_funcs acc_bo_funcs = {
	.free = acc_bo_free,
	.open = acc_bo_open,
	.close = acc_bo_close,
	.print_info = drm_gem_shmem_object_print_info,
	.export = acc_bo_export,
	.pin = drm_gem_shmem_object_pin,
	.unpin = drm_gem_shmem_object_unpin,
	.get_sg_table = drm_gem_shmem_object_get_sg_table,
	.vmap = drm_gem_shmem_object_vmap,
	.vunmap = drm_gem_shmem_object_vunmap,
	.mmap = acc_bo_mmap,
	.status = acc_bo_status,
	.vm_ops = &drm_gem_shmem_vm_ops,
};

struct drm_gem_object *acc_bo_alloc(struct drm_device *drm, size_t size)
{
	struct acc_bo *bo = kzalloc(sizeof(*bo), GFP_KERNEL);

	if (!bo)
		return ERR_PTR(-ENOMEM);
	bo->base.base.funcs = &acc_bo_funcs;
	mutex_init(&bo->lock);
	acc_extents_init(&bo->extents);
	INIT_LIST_HEAD(&bo->link);
	return &bo->base.base;
}

/* Not in acc_bo_alloc(): a helper that fails frees what it allocated by itself. */
static void acc_bo_publish(struct acc_bo *bo)
{
	struct acc_device *acc = to_acc(bo->base.base.dev);

	mutex_lock(&acc->bos_lock);
	list_add_tail(&bo->link, &acc->bos);
	mutex_unlock(&acc->bos_lock);
}

struct drm_gem_object *acc_bo_import(struct drm_device *drm, struct dma_buf *dma_buf)
{
	struct drm_gem_object *obj, *origin = NULL;
	struct acc_bo *bo;

	if (dma_buf->ops == &acc_dma_buf_ops) {
		origin = dma_buf->priv;
		if (origin->dev == drm) {
			drm_gem_object_get(origin);
			return origin;
		}
	}
	if (!dma_buf->size || dma_buf->size % ACC_PAGE_BYTES)
		return ERR_PTR(-EINVAL);
	obj = drm_gem_prime_import_dev(drm, dma_buf, drm->dev);
	if (IS_ERR(obj))
		return obj;
	bo = to_acc_bo(obj);
	acc_bo_publish(bo);
	/* The attachment holds the dma-buf, and with it the exporter's object. */
	if (origin) {
		bo->memory = acc_memory_get(to_acc_bo(origin)->memory);
		bo->flags = to_acc_bo(origin)->flags;
	} else {
		bo->memory = acc_memory_foreign(dma_buf);
	}
	if (!bo->memory) {
		drm_gem_object_put(obj);
		return ERR_PTR(-ENOMEM);
	}
	return obj;
}

/* The bus addresses of all pages; they hold until the buffer is freed. */
int acc_bo_pin(struct acc_bo *bo)
{
	struct drm_gem_object *obj = &bo->base.base;
	struct sg_dma_page_iter iter;
	struct sg_table *sgt;
	int ret = 0;

	mutex_lock(&bo->lock);
	if (bo->pinned)
		goto unlock;
	sgt = drm_gem_shmem_get_pages_sgt(&bo->base);
	if (IS_ERR(sgt)) {
		ret = PTR_ERR(sgt);
		goto unlock;
	}
	for_each_sgtable_dma_page(sgt, &iter, 0) {
		if (bo->extents.pages == obj->size >> ACC_PAGE_SHIFT)
			break;
		ret = acc_extents_add(&bo->extents, sg_page_iter_dma_address(&iter));
		if (ret)
			break;
	}
	/* An exporter may say less than it promised. */
	if (!ret && bo->extents.pages != obj->size >> ACC_PAGE_SHIFT)
		ret = -EINVAL;
	if (ret) {
		acc_extents_fini(&bo->extents);
		goto unlock;
	}
	if (!obj->import_attach) {
		bo->pages = bo->base.pages;
	} else if (obj->import_attach->dmabuf->ops == &acc_dma_buf_ops) {
		/* Pinned by the attachment, for as long as it is. */
		struct drm_gem_object *origin = obj->import_attach->dmabuf->priv;

		bo->pages = to_acc_bo(origin)->base.pages;
	}
	WRITE_ONCE(bo->pinned, true);
unlock:
	mutex_unlock(&bo->lock);
	return ret;
}

/* Before the device leaves its driver: its DMA mappings end with it. */
void acc_bos_unmap(struct acc_device *acc)
{
	struct acc_bo *bo;

	mutex_lock(&acc->bos_lock);
	list_for_each_entry(bo, &acc->bos, link) {
		struct drm_gem_object *obj = &bo->base.base;

		if (!bo->base.sgt)
			continue;
		if (obj->import_attach) {
			dma_buf_unmap_attachment_unlocked(obj->import_attach, bo->base.sgt,
							  DMA_BIDIRECTIONAL);
			bo->base.sgt = NULL;
			continue;
		}
		dma_unmap_sgtable(obj->dev->dev, bo->base.sgt, DMA_BIDIRECTIONAL, 0);
		sg_free_table(bo->base.sgt);
		kfree(bo->base.sgt);
		bo->base.sgt = NULL;
	}
	mutex_unlock(&acc->bos_lock);
}

/* Foreign memory is mapped before a wait, which may not sleep when it looks. */
int acc_bo_prepare_signals(struct acc_bo *bo)
{
	int ret = 0;

	mutex_lock(&bo->lock);
	if (!bo->pages && !bo->mapped) {
		ret = dma_buf_vmap_unlocked(bo->base.base.import_attach->dmabuf, &bo->map);
		if (!ret && bo->map.is_iomem) {
			/* Signals change by atomics, which such memory has not. */
			dma_buf_vunmap_unlocked(bo->base.base.import_attach->dmabuf, &bo->map);
			ret = -EFAULT;
		}
		if (!ret)
			bo->mapped = true;
	}
	mutex_unlock(&bo->lock);
	return ret;
}

struct acc_signal_memory *acc_bo_map_signal(struct acc_bo *bo, u64 offset)
{
	if (bo->pages)
		return kmap_local_page(bo->pages[offset >> PAGE_SHIFT]) + offset_in_page(offset);
	return bo->map.vaddr + offset;
}

void acc_bo_unmap_signal(struct acc_bo *bo, struct acc_signal_memory *signal)
{
	if (bo->pages)
		kunmap_local(signal);
}

struct acc_bo *acc_bo_lookup(struct drm_file *drm_file, u32 handle)
{
	struct drm_gem_object *obj = drm_gem_object_lookup(drm_file, handle);

	return obj ? to_acc_bo(obj) : NULL;
}

int acc_ioctl_bo_create(struct drm_device *drm, void *data, struct drm_file *drm_file)
{
	struct acc_device *acc = to_acc(drm);
	struct acc_file *file = drm_file->driver_priv;
	struct drm_acc_bo_create *args = data;
	struct drm_gem_shmem_object *shmem;
	struct acc_bo *bo;
	u64 bytes;
	int ret;

	ret = acc_check_bo_create(args, &acc->limits);
	if (ret)
		return ret;
	bytes = (args->size + ACC_PAGE_BYTES - 1) & ~(ACC_PAGE_BYTES - 1);
	/* Reserved before it is allocated, so that no race gets over the limit. */
	if (atomic64_add_return(bytes, &file->charge->bytes) > acc->limits.max_client_bytes) {
		ret = -E2BIG;
		goto give_back;
	}
	shmem = drm_gem_shmem_create(drm, bytes);
	if (IS_ERR(shmem)) {
		ret = PTR_ERR(shmem);
		goto give_back;
	}
	bo = to_acc_bo(&shmem->base);
	acc_bo_publish(bo);
	bo->flags = args->flags;
	bo->charge = file->charge;
	kref_get(&bo->charge->ref);
	atomic64_add(bytes, &acc->bytes);
	bo->memory = acc_memory_create();
	if (!bo->memory) {
		ret = -ENOMEM;
		goto put;
	}
	/* What a published handle names must not be touched by us any more. */
	args->mmap_offset = args->flags & DRM_ACC_BO_NO_CPU ?
			    0 : drm_vma_node_offset_addr(&shmem->base.vma_node);
	args->padded_size = bytes;
	ret = drm_gem_handle_create(drm_file, &shmem->base, &args->handle);
put:
	drm_gem_object_put(&shmem->base);
	return ret;

give_back:
	atomic64_sub(bytes, &file->charge->bytes);
	return ret;
}

int acc_ioctl_bo_info(struct drm_device *drm, void *data, struct drm_file *drm_file)
{
	struct acc_file *file = drm_file->driver_priv;
	struct drm_acc_bo_info *args = data;
	struct acc_bo *bo;
	u32 i;

	if (args->pad)
		return -EINVAL;
	bo = acc_bo_lookup(drm_file, args->handle);
	if (!bo)
		return -ENOENT;
	args->flags = bo->flags;
	args->padded_size = bo->base.base.size;
	args->mmap_offset = bo->flags & DRM_ACC_BO_NO_CPU ?
			    0 : drm_vma_node_offset_addr(&bo->base.base.vma_node);
	args->bindings = 0;
	mutex_lock(&file->lock);
	for (i = 0; i < file->vas.count; i++)
		args->bindings += to_acc_binding(file->vas.nodes[i])->bo->memory == bo->memory;
	mutex_unlock(&file->lock);
	drm_gem_object_put(&bo->base.base);
	return 0;
}
