// SPDX-License-Identifier: GPL-2.0-only
/*
 * Waiting and waking without a device: a page of signals, files that bind it, threads that
 * wait.
 */
#include <linux/delay.h>

#include "acc_kunit.h"

#define ACC_TRACE_H
#include "../acc_drv.h"
static inline void trace_acc_wait(const struct acc_file *file, u64 address, int result)
{
}

/* What acc_wait.c takes from the rest of the driver, under names of the suite's own. */
#define acc_file_lost kunit_file_lost
#define acc_vm_resolve kunit_vm_resolve
#define acc_bo_map_signal kunit_map_signal
#define acc_bo_unmap_signal kunit_unmap_signal
#define acc_bo_prepare_signals kunit_prepare_signals
#define acc_pm_put kunit_pm_put
#define acc_admin kunit_admin

static u32 kunit_wakes; /* WAKE commands */

static int kunit_file_lost(const struct acc_file *file)
{
	return smp_load_acquire(&file->lost); /* what was written before is seen */
}

static int kunit_vm_resolve(struct acc_file *file, u64 address, u32 need, struct acc_bo **bo,
			    u64 *offset, u64 *bytes)
{
	return -EFAULT;
}

static struct acc_signal_memory *kunit_map_signal(struct acc_bo *bo, u64 offset)
{
	return bo->map.vaddr + offset;
}

static void kunit_unmap_signal(struct acc_bo *bo, struct acc_signal_memory *signal)
{
}

static int kunit_prepare_signals(struct acc_bo *bo)
{
	return 0;
}

static void kunit_pm_put(struct acc_device *acc)
{
}

static int kunit_admin(struct acc_device *acc, struct acc_admin_cmd *cmd,
		       struct acc_admin_cpl *cpl, unsigned int bound_ms)
{
	kunit_wakes++;
	return 0;
}

#include "../acc_wait.c"

struct acc_kunit_wait {
	struct acc_file file, other;
	struct acc_bo bo;
	/* The thread that waits. */
	struct work_struct work;
	struct drm_acc_wait args;
	u64 offset;
	int result;
};

static void acc_kunit_wait_work(struct work_struct *work)
{
	struct acc_kunit_wait *wait = container_of(work, struct acc_kunit_wait, work);

	wait->result = acc_wait(&wait->file, &wait->bo, wait->offset, &wait->args);
}

static void acc_kunit_file_init(struct acc_file *file)
{
	spin_lock_init(&file->event_lock);
	spin_lock_init(&file->wait_lock);
	INIT_LIST_HEAD(&file->waiters);
	INIT_WORK(&file->wake, acc_file_wake_work);
	file->lost = ENODEV; /* so that a queued wake reaches no device */
}

static int wait_init(struct kunit *test)
{
	struct acc_kunit_wait *wait = kunit_kzalloc(test, sizeof(*wait), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, wait);
	wait->bo.map.vaddr = kunit_kzalloc(test, PAGE_SIZE, GFP_KERNEL);
	wait->bo.memory = acc_memory_create();
	KUNIT_ASSERT_NOT_NULL(test, wait->bo.map.vaddr);
	KUNIT_ASSERT_NOT_NULL(test, wait->bo.memory);
	acc_kunit_file_init(&wait->file);
	acc_kunit_file_init(&wait->other);
	wait->file.lost = 0;
	INIT_WORK(&wait->work, acc_kunit_wait_work);
	wait->args.timeout_ns = U64_MAX;
	wait->args.condition = DRM_ACC_COND_EQ;
	test->priv = wait;
	return 0;
}

static void wait_exit(struct kunit *test)
{
	struct acc_kunit_wait *wait = test->priv;

	flush_work(&wait->other.wake);
	acc_memory_put(wait->bo.memory);
}

static struct acc_signal_memory *acc_kunit_signal(struct acc_kunit_wait *wait)
{
	return wait->bo.map.vaddr + wait->offset;
}

/* Until the thread has asked to be woken. */
static void acc_kunit_until_armed(struct kunit *test, struct acc_kunit_wait *wait)
{
	unsigned int tries = 5000;

	while (!(READ_ONCE(acc_kunit_signal(wait)->notify) & ACC_NOTIFY_HOST) && tries--)
		usleep_range(1000, 2000);
	KUNIT_EXPECT_TRUE(test, READ_ONCE(acc_kunit_signal(wait)->notify) & ACC_NOTIFY_HOST);
}

static void wait_holds_at_once(struct kunit *test)
{
	struct acc_kunit_wait *wait = test->priv;

	KUNIT_EXPECT_EQ(test, 0, acc_wait(&wait->file, &wait->bo, 0, &wait->args));
	KUNIT_EXPECT_EQ(test, 0, wait->args.observed);
	KUNIT_EXPECT_TRUE(test, list_empty(&wait->file.waiters));
	KUNIT_EXPECT_TRUE(test, list_empty(&wait->bo.memory->waiters));
}

static void wait_times_out(struct kunit *test)
{
	struct acc_kunit_wait *wait = test->priv;

	acc_kunit_signal(wait)->value = 1;
	wait->args.timeout_ns = 0; /* has passed */
	KUNIT_EXPECT_EQ(test, -ETIME, acc_wait(&wait->file, &wait->bo, 0, &wait->args));
	wait->args.timeout_ns = ktime_get_ns() + 5 * NSEC_PER_MSEC;
	KUNIT_EXPECT_EQ(test, -ETIME, acc_wait(&wait->file, &wait->bo, 0, &wait->args));
	KUNIT_EXPECT_EQ(test, 1, wait->args.observed);
	KUNIT_EXPECT_GE(test, ktime_get_ns(), wait->args.timeout_ns);
}

static void wait_is_woken_by_memory(struct kunit *test)
{
	struct acc_kunit_wait *wait = test->priv;

	wait->offset = 128;
	acc_kunit_signal(wait)->value = 1;
	queue_work(system_unbound_wq, &wait->work);
	acc_kunit_until_armed(test, wait);
	/* Changes nothing: it asks again. */
	acc_kunit_signal(wait)->notify = 0;
	acc_wake(wait->bo.memory, 128, ACC_SIGNAL_BYTES, NULL, false);
	acc_kunit_until_armed(test, wait);
	WRITE_ONCE(acc_kunit_signal(wait)->value, 0);
	/* Not in the range: it goes on sleeping, bit set. */
	acc_wake(wait->bo.memory, 0, 128, NULL, false);
	acc_wake(wait->bo.memory, 192, U64_MAX, NULL, false);
	acc_wake(wait->bo.memory, 128, ACC_SIGNAL_BYTES, NULL, false);
	flush_work(&wait->work);
	KUNIT_EXPECT_EQ(test, 0, wait->result);
	KUNIT_EXPECT_TRUE(test, list_empty(&wait->bo.memory->waiters));
}

static void wait_ends_with_the_file(struct kunit *test)
{
	struct acc_kunit_wait *wait = test->priv;

	acc_kunit_signal(wait)->value = 1;
	queue_work(system_unbound_wq, &wait->work);
	acc_kunit_until_armed(test, wait);
	/* As acc_file_lose(). */
	smp_store_release(&wait->file.lost, EIO);
	acc_file_wake_waiters(&wait->file);
	flush_work(&wait->work);
	KUNIT_EXPECT_EQ(test, -EIO, wait->result);
	KUNIT_EXPECT_TRUE(test, list_empty(&wait->file.waiters));
}

static void wait_prefers_a_value_that_holds(struct kunit *test)
{
	struct acc_kunit_wait *wait = test->priv;

	wait->file.lost = EIO;
	KUNIT_EXPECT_EQ(test, 0, acc_wait(&wait->file, &wait->bo, 0, &wait->args));
}

/* A file is a binder once, however often it binds. */
static void binders_are_counted(struct kunit *test)
{
	struct acc_kunit_wait *wait = test->priv;
	struct acc_memory *memory = wait->bo.memory;

	KUNIT_EXPECT_EQ(test, 0, acc_memory_bind(memory, &wait->file));
	KUNIT_EXPECT_EQ(test, 0, acc_memory_bind(memory, &wait->file));
	KUNIT_EXPECT_EQ(test, 0, acc_memory_bind(memory, &wait->other));
	KUNIT_EXPECT_EQ(test, 2, acc_memory_find(memory, &wait->file)->bindings);
	KUNIT_EXPECT_EQ(test, 2, list_count_nodes(&memory->binders));
	wait->file.lost = ENODEV;
	acc_wake(memory, 0, 64, &wait->file, true);
	acc_memory_unbind(memory, &wait->file);
	KUNIT_EXPECT_NOT_NULL(test, acc_memory_find(memory, &wait->file));
	acc_memory_unbind(memory, &wait->file);
	KUNIT_EXPECT_NULL(test, acc_memory_find(memory, &wait->file));
	acc_memory_unbind(memory, &wait->other);
	KUNIT_EXPECT_TRUE(test, list_empty(&memory->binders));
	flush_work(&wait->file.wake);
	KUNIT_EXPECT_EQ(test, 0, kunit_wakes); /* of lost files */
}

/* Two imports of one dma-buf meet; the last one forgets it. */
static void foreign_memory_is_one(struct kunit *test)
{
	int key, other;
	struct acc_memory *first = acc_memory_foreign(&key);
	struct acc_memory *second = acc_memory_foreign(&key);
	struct acc_memory *third = acc_memory_foreign(&other);

	KUNIT_EXPECT_PTR_EQ(test, first, second);
	KUNIT_EXPECT_PTR_NE(test, first, third);
	acc_memory_put(first);
	acc_memory_put(second);
	acc_memory_put(third);
	KUNIT_EXPECT_TRUE(test, list_empty(&acc_memory_foreign_list));
}

static struct kunit_case wait_cases[] = {
	KUNIT_CASE(wait_holds_at_once),
	KUNIT_CASE(wait_times_out),
	KUNIT_CASE(wait_is_woken_by_memory),
	KUNIT_CASE(wait_ends_with_the_file),
	KUNIT_CASE(wait_prefers_a_value_that_holds),
	KUNIT_CASE(binders_are_counted),
	KUNIT_CASE(foreign_memory_is_one),
	{ }
};

struct kunit_suite acc_kunit_wait = {
	.name = "acc_wait",
	.init = wait_init,
	.exit = wait_exit,
	.test_cases = wait_cases,
};
