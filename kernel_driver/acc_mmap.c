// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a client maps: buffers, its doorbell page, its status page.
 *
 * A doorbell page is inserted by the fault handler while the device is there. Removal,
 * loss and suspend take all of them away; the next store then meets a private page that
 * nobody reads, so that no store of a running producer is ever a SIGBUS.
 */
#include <linux/mm.h>

#include <drm/drm_drv.h>
#include <drm/drm_gem.h>

#include "acc_drv.h"

static vm_fault_t acc_doorbell_fault(struct vm_fault *vmf)
{
	struct vm_area_struct *vma = vmf->vma;
	struct acc_file *file = vma->vm_private_data;
	struct acc_device *acc = file->acc;
	vm_fault_t ret = VM_FAULT_SIGBUS;
	bool there = false;
	int idx;

	/*
	 * Under reset_lock, so that who revokes the mappings, having said that the
	 * device sleeps or is gone, misses none that is being made.
	 */
	if (drm_dev_enter(&acc->drm, &idx)) {
		mutex_lock(&acc->reset_lock);
		there = !acc->asleep && !acc->gone && !acc_file_lost(file);
		if (there)
			ret = vmf_insert_pfn(vma, vma->vm_start,
					     (acc->doorbells >> PAGE_SHIFT) + file->asid);
		mutex_unlock(&acc->reset_lock);
		drm_dev_exit(idx);
	}
	if (!there)
		ret = vmf_insert_pfn_prot(vma, vma->vm_start, page_to_pfn(file->dummy),
					  vm_get_page_prot(vma->vm_flags));
	return ret;
}

static const struct vm_operations_struct acc_doorbell_ops = {
	.fault = acc_doorbell_fault,
};

static vm_fault_t acc_status_fault(struct vm_fault *vmf)
{
	struct acc_file *file = vmf->vma->vm_private_data;

	get_page(file->status);
	vmf->page = file->status;
	return 0;
}

static const struct vm_operations_struct acc_status_ops = {
	.fault = acc_status_fault,
};

/* The mapping holds the open file, and that the acc_file. */
static int acc_mmap_doorbell(struct acc_file *file, struct vm_area_struct *vma)
{
	if (vma->vm_end - vma->vm_start != ACC_DOORBELL_PAGE_BYTES ||
	    !(vma->vm_flags & VM_SHARED))
		return -EINVAL;
	if (vma->vm_flags & VM_EXEC)
		return -EACCES;
	vm_flags_mod(vma, VM_IO | VM_PFNMAP | VM_DONTCOPY | VM_DONTEXPAND | VM_DONTDUMP,
		     VM_MAYEXEC);
	vma->vm_page_prot = pgprot_noncached(vm_get_page_prot(vma->vm_flags));
	vma->vm_ops = &acc_doorbell_ops;
	vma->vm_private_data = file;
	return 0;
}

static int acc_mmap_status(struct acc_file *file, struct vm_area_struct *vma)
{
	if (vma->vm_end - vma->vm_start != ACC_PAGE_BYTES)
		return -EINVAL;
	if (vma->vm_flags & (VM_EXEC | VM_WRITE))
		return -EACCES;
	vm_flags_mod(vma, VM_DONTCOPY | VM_DONTEXPAND | VM_DONTDUMP, VM_MAYEXEC | VM_MAYWRITE);
	vma->vm_ops = &acc_status_ops;
	vma->vm_private_data = file;
	return 0;
}

int acc_mmap(struct file *filp, struct vm_area_struct *vma)
{
	struct drm_file *drm_file = filp->private_data;
	struct acc_file *file = drm_file->driver_priv;
	int ret;

	if (task_tgid(current) != file->opener)
		return -ENODEV;
	if (vma->vm_pgoff == ACC_MMAP_DOORBELL >> PAGE_SHIFT)
		return acc_mmap_doorbell(file, vma);
	if (vma->vm_pgoff == ACC_MMAP_STATUS >> PAGE_SHIFT)
		return acc_mmap_status(file, vma);
	ret = acc_file_lost(file);
	if (ret)
		return -ret;
	ret = drm_gem_mmap(filp, vma);
	/* Another file's offset means nothing here, like one that nobody has. */
	return ret == -EACCES ? -EINVAL : ret;
}

/*
 * The caller has seen to it that acc_doorbell_fault() finds no device. All files share
 * the mapping, and their doorbells have one offset.
 */
void acc_doorbells_revoke(struct acc_device *acc)
{
	unmap_mapping_range(acc->drm.anon_inode->i_mapping, ACC_MMAP_DOORBELL,
			    ACC_DOORBELL_PAGE_BYTES, 1);
}
