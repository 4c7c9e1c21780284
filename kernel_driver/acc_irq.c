// SPDX-License-Identifier: GPL-2.0-only
/*
 * Interrupts and events. Vector 0 brings completions of commands and FATAL, and is
 * served at once; vector 1 brings events, whose handler sleeps.
 *
 * A cause is cleared before its ring is walked, so that what comes later raises it
 * again. The watchdog walks both rings too: an interrupt that was lost costs time.
 */
#include <linux/interrupt.h>
#include <linux/sched.h>

#include <drm/drm_drv.h>

#include "acc_drv.h"
#include "acc_ring.h"
#include "acc_trace.h"

static void acc_event_signal(struct acc_device *acc, struct acc_file *file,
			     const struct acc_event *event)
{
	struct acc_bo *bo;
	u64 offset;

	if (acc_vm_resolve(file, event->address, DRM_ACC_VM_READ | DRM_ACC_VM_WRITE, &bo,
			   &offset, NULL))
		return;
	acc_wake(bo->memory, offset, ACC_SIGNAL_BYTES, NULL, event->code & ACC_NOTIFY_DEVICE);
	drm_gem_object_put(&bo->base.base);
}

static void acc_event_handle(struct acc_device *acc, const struct acc_event *event)
{
	struct acc_file *file;

	if (!acc_ring_event_valid(event, acc->asids)) {
		acc->events.bogus++;
		drm_err_ratelimited(&acc->drm, "expected an event; found type %u of client %u\n",
				    event->type, event->asid);
		return;
	}
	trace_acc_event(acc, event);
	if (event->type == ACC_EVENT_LOST) {
		/* Anything may have changed: everybody looks. */
		acc->lost_events++;
		acc_wake_all(acc);
		return;
	}
	file = acc_file_get(acc, event->asid);
	if (!file)
		return; /* it has closed meanwhile */
	switch (event->type) {
	case ACC_EVENT_SIGNAL:
		acc_event_signal(acc, file, event);
		break;
	case ACC_EVENT_FAULT:
		drm_dbg(&acc->drm, "queue %u of client %u: status %u, packet %llu, address %#llx\n",
			event->queue, event->asid, event->code, event->packet_index,
			event->address);
		fallthrough;
	default:
		acc_file_fire(file);
	}
	acc_file_put(file);
}

/* At most one lap; the number of events taken. */
static u32 acc_events_walk(struct acc_device *acc)
{
	struct acc_events *events = &acc->events;
	u32 taken = 0;

	while (taken < ACC_EVENT_ENTRIES) {
		struct acc_event *entry = &events->ring[events->head & (ACC_EVENT_ENTRIES - 1)];
		struct acc_event event;

		if (!acc_ring_ready(events->head, ACC_EVENT_LOG2, READ_ONCE(entry->phase)))
			break;
		dma_rmb(); /* the phase says that the rest is there */
		event = *entry; /* once: the device may go on writing */
		events->head++;
		taken++;
		/* A device with a full ring holds its events back: give room early. */
		if (!(taken % 64))
			writel(events->head, acc->regs + ACC_REG_EVENT_HEAD);
		acc_event_handle(acc, &event);
	}
	if (taken % 64)
		writel(events->head, acc->regs + ACC_REG_EVENT_HEAD);
	return taken;
}

void acc_events_poll(struct acc_device *acc)
{
	u32 taken;
	int idx;

	do {
		if (!drm_dev_enter(&acc->drm, &idx))
			return;
		mutex_lock(&acc->events.lock);
		taken = READ_ONCE(acc->admin.error) ? 0 : acc_events_walk(acc);
		mutex_unlock(&acc->events.lock);
		drm_dev_exit(idx);
		cond_resched();
	} while (taken == ACC_EVENT_ENTRIES);
}

static irqreturn_t acc_irq_admin(int irq, void *data)
{
	struct acc_device *acc = data;
	u32 cause;
	int idx;

	if (!drm_dev_enter(&acc->drm, &idx))
		return IRQ_NONE;
	cause = readl(acc->regs + ACC_REG_IRQ_CAUSE);
	if (cause == ~0u)
		goto out; /* gone: the watchdog will see it, too */
	writel(cause & (ACC_IRQ_ADMIN | ACC_IRQ_FATAL), acc->regs + ACC_REG_IRQ_CAUSE);
	acc_admin_poll(acc);
	if (cause & ACC_IRQ_FATAL) {
		acc->fatal++;
		acc_reset_request(acc, 0, "the device raised FATAL");
	}
out:
	drm_dev_exit(idx);
	return IRQ_HANDLED;
}

static irqreturn_t acc_irq_event(int irq, void *data)
{
	return IRQ_WAKE_THREAD;
}

static irqreturn_t acc_irq_event_thread(int irq, void *data)
{
	struct acc_device *acc = data;
	int idx;

	if (!drm_dev_enter(&acc->drm, &idx))
		return IRQ_NONE;
	writel(ACC_IRQ_EVENT, acc->regs + ACC_REG_IRQ_CAUSE);
	drm_dev_exit(idx);
	acc_events_poll(acc);
	return IRQ_HANDLED;
}

int acc_irq_init(struct acc_device *acc)
{
	struct pci_dev *pdev = acc->pdev;
	int ret;

	mutex_init(&acc->events.lock);
	acc->events.ring = dma_alloc_coherent(&pdev->dev,
					      ACC_EVENT_ENTRIES * sizeof(*acc->events.ring),
					      &acc->events.bus, GFP_KERNEL);
	if (!acc->events.ring)
		return -ENOMEM;
	ret = pci_alloc_irq_vectors(pdev, ACC_VECTORS, ACC_VECTORS, PCI_IRQ_MSIX);
	if (ret < 0) {
		drm_err(&acc->drm, "expected %d MSI-X vectors; found fewer (%d)\n", ACC_VECTORS,
			ret);
		goto free_ring;
	}
	ret = request_threaded_irq(pci_irq_vector(pdev, ACC_VECTOR_ADMIN), acc_irq_admin,
				   NULL, 0, "acc-admin", acc);
	if (ret)
		goto free_vectors;
	ret = request_threaded_irq(pci_irq_vector(pdev, ACC_VECTOR_EVENT), acc_irq_event,
				   acc_irq_event_thread, 0, "acc-event", acc);
	if (ret)
		goto free_admin;
	return 0;

free_admin:
	free_irq(pci_irq_vector(pdev, ACC_VECTOR_ADMIN), acc);
free_vectors:
	pci_free_irq_vectors(pdev);
free_ring:
	dma_free_coherent(&pdev->dev, ACC_EVENT_ENTRIES * sizeof(*acc->events.ring),
			  acc->events.ring, acc->events.bus);
	acc->events.ring = NULL;
	return ret;
}

void acc_irq_fini(struct acc_device *acc)
{
	struct pci_dev *pdev = acc->pdev;

	if (!acc->events.ring)
		return;
	free_irq(pci_irq_vector(pdev, ACC_VECTOR_EVENT), acc);
	free_irq(pci_irq_vector(pdev, ACC_VECTOR_ADMIN), acc);
	pci_free_irq_vectors(pdev);
	dma_free_coherent(&pdev->dev, ACC_EVENT_ENTRIES * sizeof(*acc->events.ring),
			  acc->events.ring, acc->events.bus);
	acc->events.ring = NULL;
}

/* Of a device that has just been reset; its interrupts are masked. */
void acc_irq_start(struct acc_device *acc)
{
	mutex_lock(&acc->events.lock);
	memset(acc->events.ring, 0, ACC_EVENT_ENTRIES * sizeof(*acc->events.ring));
	acc->events.head = 0;
	lo_hi_writeq(acc->events.bus, acc->regs + ACC_REG_EVENT_RING);
	writel(ACC_EVENT_LOG2, acc->regs + ACC_REG_EVENT_SIZE);
	mutex_unlock(&acc->events.lock);
}
