// SPDX-License-Identifier: GPL-2.0-only
/*
 * DEV_QUERY, and what is asked of the device once.
 */
#include <linux/capability.h>
#include <linux/cred.h>
#include <linux/mm.h>
#include <linux/moduleparam.h>
#include <linux/sizes.h>

#include "acc_drv.h"
#include "acc_ring.h"

static unsigned int acc_memory_mb;
module_param_named(memory_mb, acc_memory_mb, uint, 0444);
MODULE_PARM_DESC(memory_mb, "Most MiB of buffers a client may allocate (default 0: half of RAM)");

int acc_query_probe(struct acc_device *acc)
{
	struct drm_acc_memory memory;
	u64 bytes;
	int ret;

	ret = acc_identify(acc, 0, ACC_IDENTIFY_IDENTITY, 0, &acc->identity,
			   sizeof(acc->identity));
	if (ret)
		return ret;
	acc->identity.name[sizeof(acc->identity.name) - 1] = 0;
	acc->identity.config[sizeof(acc->identity.config) - 1] = 0;
	if (acc->identity.abi_major != ACC_ABI_MAJOR) {
		drm_err(&acc->drm, "expected ABI %u; found %u.%u\n", ACC_ABI_MAJOR,
			acc->identity.abi_major, acc->identity.abi_minor);
		return -ENODEV;
	}
	acc->identity.vendor_id = acc->pdev->vendor;
	acc->identity.device_id = acc->pdev->device;
	ret = acc_identify(acc, 0, ACC_IDENTIFY_LIMITS, 0, &acc->limits, sizeof(acc->limits));
	if (!ret)
		ret = acc_ring_limits(&acc->limits);
	if (ret)
		return ret;
	/* The driver's memory is the driver's to limit. */
	bytes = acc_memory_mb ? (u64)acc_memory_mb << 20 :
		(u64)totalram_pages() << (PAGE_SHIFT - 1);
	bytes &= ~(u64)(SZ_2M - 1);
	acc->limits.max_bo_bytes = bytes;
	acc->limits.max_client_bytes = bytes;
	/* An image lies in a buffer, and something beside it. */
	acc->limits.max_program_bytes = min(acc->limits.max_program_bytes, bytes / 2);
	ret = acc_identify(acc, 0, ACC_IDENTIFY_MEMORY, 0, &memory, sizeof(memory));
	if (ret)
		return ret;
	/* Sums of an address and a range within stay below 2^63. */
	if (memory.va_start >= memory.va_end || memory.va_end > 1ull << 62 ||
	    ((memory.va_start | memory.va_end) & (ACC_PAGE_BYTES - 1)) ||
	    memory.page_size != ACC_PAGE_BYTES) {
		drm_err(&acc->drm,
			"expected a range of device addresses in pages of 4096; found %#llx-%#llx, %u\n",
			memory.va_start, memory.va_end, memory.page_size);
		return -ENODEV;
	}
	acc->va_start = memory.va_start;
	acc->va_end = memory.va_end;
	acc->va_bits = memory.va_bits;
	return 0;
}

static bool acc_may_see(const struct acc_file *asker, const struct acc_file *other)
{
	return other == asker || uid_eq(other->uid, asker->uid) || capable(CAP_SYS_ADMIN);
}

/* The index-th open file, in order of opening, of those that the asker may see. */
static struct acc_file *acc_client_find(struct acc_file *asker, u32 index)
{
	struct acc_device *acc = asker->acc;
	struct acc_file *best = NULL, *file;
	u64 after = 0;
	unsigned long asid;

	mutex_lock(&acc->files_lock);
	do {
		best = NULL;
		xa_for_each(&acc->files, asid, file) {
			if (file->client > after && (!best || file->client < best->client) &&
			    acc_may_see(asker, file))
				best = file;
		}
		if (best)
			after = best->client;
	} while (best && index--);
	if (best)
		kref_get(&best->ref);
	mutex_unlock(&acc->files_lock);
	return best;
}

/* The device names clients by ASID. 0: closed meanwhile, or nobody. */
static u64 acc_client_of(struct acc_device *acc, u32 asid)
{
	struct acc_file *file = asid ? acc_file_get(acc, asid) : NULL;
	u64 client = file ? file->client : 0;

	if (file)
		acc_file_put(file);
	return client;
}

/* Who may reset the device may see what it does. */
static int acc_query_trace(struct acc_file *file, u32 index, struct drm_acc_trace *out)
{
	struct acc_device *acc = file->acc;
	u32 asid = capable(CAP_SYS_ADMIN) ? 0 : file->asid;
	int ret;

	if (!(acc->identity.features & DRM_ACC_FEATURE_TRACE))
		return -EINVAL;
	ret = acc_identify(acc, asid, ACC_IDENTIFY_TRACE, index, out, sizeof(*out));
	if (ret)
		return ret;
	out->client = acc_client_of(acc, out->client);
	out->victim_client = acc_client_of(acc, out->victim_client);
	out->unit[sizeof(out->unit) - 1] = 0;
	out->victim[sizeof(out->victim) - 1] = 0;
	return 0;
}

static int acc_query_client(struct acc_file *asker, u32 index, struct drm_acc_client *out)
{
	struct acc_file *file = acc_client_find(asker, index);
	int ret;

	if (!file)
		return -ENOENT;
	memset(out, 0, sizeof(*out));
	ret = acc_identify(asker->acc, file->asid, ACC_IDENTIFY_CLIENT, 0, out, sizeof(*out));
	/* ENOENT: lost, or closed just now: it has nothing of the device any more. */
	if (ret == -ENOENT)
		ret = 0;
	out->pid = pid_vnr(file->opener);
	out->uid = from_kuid_munged(current_user_ns(), file->uid);
	out->client = file->client;
	out->bytes = atomic64_read(&file->charge->bytes);
	out->buffers = atomic_read(&file->buffers);
	out->pad = 0;
	strscpy_pad(out->name, file->name, sizeof(out->name));
	acc_file_put(file);
	return ret;
}

static int acc_query_fault(struct acc_file *file, u32 index, struct drm_acc_fault *out)
{
	struct acc_admin_cmd cmd = { .op = ACC_ADMIN_LOG, .asid = file->asid };
	struct drm_acc_clock clock;
	u64 now;
	int ret;

	cmd.identify.index = index;
	ret = acc_admin_read(file->acc, &cmd, out, sizeof(*out));
	if (ret)
		return ret;
	ret = acc_identify(file->acc, file->asid, ACC_IDENTIFY_CLOCK, 0, &clock, sizeof(clock));
	if (ret)
		return ret;
	/* From the device's clock to the host's, and never into the future. */
	now = ktime_get_ns();
	out->time_ns = now - min(now, clock.device_ns - min(clock.device_ns, out->time_ns));
	out->kernel[sizeof(out->kernel) - 1] = 0;
	out->text[sizeof(out->text) - 1] = 0;
	return ret;
}

static void acc_query_memory(struct acc_file *file, struct drm_acc_memory *out)
{
	struct acc_device *acc = file->acc;

	memset(out, 0, sizeof(*out));
	out->va_start = acc->va_start;
	out->va_end = acc->va_end;
	out->page_size = ACC_PAGE_BYTES;
	out->va_bits = acc->va_bits;
	out->status_mmap_offset = ACC_MMAP_STATUS;
	out->doorbell_mmap_offset = ACC_MMAP_DOORBELL;
	out->client_bytes = atomic64_read(&file->charge->bytes);
	out->device_bytes = atomic64_read(&acc->bytes);
}

int acc_ioctl_dev_query(struct drm_device *drm, void *data, struct drm_file *drm_file)
{
	struct acc_file *file = drm_file->driver_priv;
	struct drm_acc_dev_query *args = data;
	struct acc_device *acc = to_acc(drm);
	u64 before = ktime_get_ns();
	int ret;

	ret = acc_check_query(args);
	if (ret)
		return ret;
	switch (args->type) {
	case DRM_ACC_QUERY_IDENTITY:
		args->identity = acc->identity;
		return 0;
	case DRM_ACC_QUERY_LIMITS:
		args->limits = acc->limits;
		return 0;
	case DRM_ACC_QUERY_MEMORY:
		acc_query_memory(file, &args->memory);
		return 0;
	case DRM_ACC_QUERY_SLOT:
		ret = acc_identify(acc, file->asid, ACC_IDENTIFY_SLOT, args->index, &args->slot,
				   sizeof(args->slot));
		args->slot.resident[sizeof(args->slot.resident) - 1] = 0;
		return ret;
	case DRM_ACC_QUERY_COUNTERS:
		return acc_identify(acc, file->asid, ACC_IDENTIFY_COUNTERS, 0, &args->counters,
				    sizeof(args->counters));
	case DRM_ACC_QUERY_CLOCK:
		ret = acc_identify(acc, file->asid, ACC_IDENTIFY_CLOCK, 0, &args->clock,
				   sizeof(args->clock));
		/* The host's clock when the device was asked: between before and after. */
		args->clock.monotonic_ns = before + (ktime_get_ns() - before) / 2;
		return ret;
	case DRM_ACC_QUERY_CLIENT:
		return acc_query_client(file, args->index, &args->client);
	case DRM_ACC_QUERY_TRACE:
		return acc_query_trace(file, args->index, &args->trace);
	case DRM_ACC_QUERY_TILE:
		if (!(acc->identity.features & DRM_ACC_FEATURE_TILES))
			return -EINVAL;
		return acc_identify(acc, file->asid, ACC_IDENTIFY_TILE, args->index, &args->tile,
				    sizeof(args->tile));
	default:
		return acc_query_fault(file, args->index, &args->fault);
	}
}
