// SPDX-License-Identifier: GPL-2.0-only
/*
 * The card on the bus: probe, removal, and the module.
 */
#include <linux/dma-mapping.h>
#include <linux/module.h>
#include <linux/pci.h>
#include <linux/version.h>

#include <drm/drm_accel.h>
#include <drm/drm_drv.h>
#include <drm/drm_managed.h>

#include "acc_drv.h"

/* Is it ours, and does it speak our language? Nothing is written before. */
static int acc_pci_check(struct acc_device *acc)
{
	u32 magic = readl(acc->regs + ACC_REG_MAGIC);
	u32 abi = readl(acc->regs + ACC_REG_ABI);

	if (magic != ACC_MAGIC) {
		drm_err(&acc->drm, "expected the magic %#x in BAR 0; found %#x\n", ACC_MAGIC,
			magic);
		return -ENODEV;
	}
	if (abi == ~0u || abi >> 16 != ACC_ABI_MAJOR) {
		drm_err(&acc->drm, "expected ABI %u; found %u.%u\n", ACC_ABI_MAJOR, abi >> 16,
			abi & 0xffff);
		return -ENODEV;
	}
	return 0;
}

static int acc_pci_map(struct acc_device *acc)
{
	struct pci_dev *pdev = acc->pdev;
	resource_size_t doorbells = pci_resource_len(pdev, ACC_BAR_DOORBELLS);
	int ret;

	ret = pcim_enable_device(pdev);
	if (ret)
		return ret;
	if (pci_resource_len(pdev, ACC_BAR_REGISTERS) < ACC_PAGE_BYTES ||
	    doorbells < 2 * ACC_DOORBELL_PAGE_BYTES) {
		drm_err(&acc->drm, "expected BAR 0 of 4 KiB and BAR 2 of 8 KiB at least; found %llu, %llu\n",
			(u64)pci_resource_len(pdev, ACC_BAR_REGISTERS), (u64)doorbells);
		return -ENODEV;
	}
	ret = pcim_request_region(pdev, ACC_BAR_REGISTERS, KBUILD_MODNAME);
	if (!ret)
		ret = pcim_request_region(pdev, ACC_BAR_DOORBELLS, KBUILD_MODNAME);
	if (ret)
		return ret;
	acc->regs = pcim_iomap(pdev, ACC_BAR_REGISTERS, ACC_PAGE_BYTES);
	if (!acc->regs)
		return -ENOMEM;
	ret = acc_pci_check(acc);
	if (ret)
		return ret;
	acc->doorbells = pci_resource_start(pdev, ACC_BAR_DOORBELLS);
	acc->asids = min_t(u64, doorbells / ACC_DOORBELL_PAGE_BYTES, 65536);
	acc->asids = min(acc->asids, readl(acc->regs + ACC_REG_ASIDS));
	if (acc->asids < 2) {
		drm_err(&acc->drm, "expected 2 ASIDs at least; found %u\n", acc->asids);
		return -ENODEV;
	}
	/* The device has tables: how long a run of pages is doesn't matter to it. */
	dma_set_max_seg_size(&pdev->dev, UINT_MAX);
	return dma_set_mask_and_coherent(&pdev->dev, DMA_BIT_MASK(64));
}

/* Nothing of the device runs any more when this returns. */
static void acc_pci_stop(struct acc_device *acc)
{
	acc_watch_stop(acc);
	acc_irq_fini(acc);
	cancel_work_sync(&acc->reset_work); /* which an interrupt asks for, too */
	acc_admin_fini(acc);
}

static void acc_calls_fini(struct drm_device *drm, void *data)
{
	struct acc_device *acc = data;

	cleanup_srcu_struct(&acc->calls);
}

static int acc_pci_probe(struct pci_dev *pdev, const struct pci_device_id *id)
{
	struct acc_device *acc;
	int ret;

	acc = devm_drm_dev_alloc(&pdev->dev, &acc_drm_driver, struct acc_device, drm);
	if (IS_ERR(acc))
		return PTR_ERR(acc);
	acc->pdev = pdev;
	pci_set_drvdata(pdev, &acc->drm);
	mutex_init(&acc->files_lock);
	mutex_init(&acc->bos_lock);
	INIT_LIST_HEAD(&acc->bos);
	xa_init_flags(&acc->files, XA_FLAGS_ALLOC1);
	acc->next_asid = 1;
	acc_reset_init(acc);
	ret = init_srcu_struct(&acc->calls);
	if (ret)
		return ret;
	/* As long as somebody has it open: calls find out that it has gone. */
	ret = drmm_add_action_or_reset(&acc->drm, acc_calls_fini, acc);
	if (!ret)
		ret = acc_pci_map(acc);
	if (!ret)
		ret = acc_admin_init(acc);
	if (ret)
		return ret;
	pci_set_master(pdev);
	ret = acc_irq_init(acc);
	if (ret)
		goto admin;
	ret = acc_hw_start(acc);
	if (ret)
		goto stop;
	ret = acc_query_probe(acc);
	if (ret)
		goto stop;
	ret = drm_dev_register(&acc->drm, 0);
	if (ret)
		goto stop;
	acc_debugfs_init(acc);
	queue_delayed_work(system_unbound_wq, &acc->watchdog, msecs_to_jiffies(acc_watchdog_ms));
	acc_pm_init(acc);
	drm_info(&acc->drm, "%s (%s), %u clients at most\n", acc->identity.name,
		 acc->identity.config, acc->asids - 1);
	return 0;

stop:
	acc_device_gone(acc);
	acc_pci_stop(acc);
	return ret;
admin:
	pci_clear_master(pdev);
	acc_admin_fini(acc);
	return ret;
}

static void acc_pci_remove(struct pci_dev *pdev)
{
	struct acc_device *acc = to_acc(pci_get_drvdata(pdev));

	acc_pm_fini(acc);
	/* Ends every call that waits, whoever makes it; no new one begins. */
	acc_device_gone(acc);
	synchronize_srcu(&acc->calls);
	drm_dev_unplug(&acc->drm);
	acc_pci_stop(acc);
	acc_bos_unmap(acc);
}

static void acc_pci_shutdown(struct pci_dev *pdev)
{
	acc_device_gone(to_acc(pci_get_drvdata(pdev)));
}

static const struct pci_device_id acc_pci_ids[] = {
	{ PCI_DEVICE(ACC_PCI_VENDOR, ACC_PCI_DEVICE) },
	{ }
};
MODULE_DEVICE_TABLE(pci, acc_pci_ids);

static struct pci_driver acc_pci_driver = {
	.name = DRM_ACC_DRIVER_NAME,
	.id_table = acc_pci_ids,
	.probe = acc_pci_probe,
	.remove = acc_pci_remove,
	.shutdown = acc_pci_shutdown,
	.driver.pm = pm_ptr(&acc_pm_ops),
	.dev_groups = acc_sysfs_groups,
};

module_pci_driver(acc_pci_driver);

MODULE_DESCRIPTION("Driver of ACC accelerators: memristor crossbars and FPGAs behind user-mode queues");
MODULE_AUTHOR("The acc authors");
MODULE_LICENSE("GPL");
MODULE_VERSION("0.1.0");
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 13, 0)
MODULE_IMPORT_NS(DMA_BUF);
#else
MODULE_IMPORT_NS("DMA_BUF");
#endif
