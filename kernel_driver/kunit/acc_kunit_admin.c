// SPDX-License-Identifier: GPL-2.0-only
/*
 * The admin queue against a device of memory: a work item that takes commands out of the
 * ring and answers them as the case wants it.
 */
#include "acc_kunit.h"

/* What acc_admin.c takes from the rest of the driver. */
#define ACC_TRACE_H
#include "../acc_drv.h"
static inline void trace_acc_admin(const struct acc_device *acc, const struct acc_admin_cmd *cmd)
{
}

static inline void trace_acc_admin_done(const struct acc_device *acc,
					const struct acc_admin_cmd *cmd, int status)
{
}

#include "../acc_admin.c"

struct acc_kunit_device {
	struct acc_device acc;
	struct kunit *test;
	struct delayed_work work;
	void *registers;
	u32 head, written; /* the device's: commands taken, completions written */
	u32 hold; /* answer only when so many wait */
	bool reverse; /* the last one first */
	u32 bogus; /* completions of nothing before each answer */
	bool deaf; /* answers nothing */
	u32 resets;
};

/* The one device, for acc_reset_request(). */
static struct acc_kunit_device *acc_kunit_current;

void acc_reset_request(struct acc_device *acc, u32 asid, const char *why)
{
	acc_kunit_current->resets++;
	acc_admin_stop(acc, -EIO);
	acc_admin_abort(acc, -EIO);
}

static void acc_kunit_complete(struct acc_kunit_device *device, u16 id, s32 status, u64 result)
{
	struct acc_admin *admin = &device->acc.admin;
	struct acc_admin_cpl *cpl = &admin->cq[device->written & (ACC_ADMIN_ENTRIES - 1)];

	cpl->id = id;
	cpl->status = status;
	cpl->result0 = result;
	dma_wmb(); /* the phase last */
	WRITE_ONCE(cpl->phase, acc_ring_phase(device->written, ACC_ADMIN_LOG2));
	device->written++;
}

/* Status and result come back as the command's object and asid say. */
static void acc_kunit_answer(struct acc_kunit_device *device, u32 at)
{
	const struct acc_admin_cmd *cmd = &device->acc.admin.sq[at & (ACC_ADMIN_ENTRIES - 1)];
	u32 i;

	for (i = 0; i < device->bogus; i++)
		acc_kunit_complete(device, i & 1 ? 0xffff : cmd->id ^ 0x155, 0, 0);
	acc_kunit_complete(device, cmd->id, (s32)cmd->object, cmd->asid);
}

static void acc_kunit_work(struct work_struct *work)
{
	struct acc_kunit_device *device =
		container_of(to_delayed_work(work), struct acc_kunit_device, work);
	u32 tail = readl(device->acc.regs + ACC_REG_ADMIN_TAIL);
	u32 i, waiting = tail - device->head;

	if (!device->deaf && waiting && waiting >= device->hold) {
		for (i = 0; i < waiting; i++)
			acc_kunit_answer(device, device->reverse ? tail - 1 - i : device->head + i);
		device->head = tail;
		acc_admin_poll(&device->acc);
	}
	schedule_delayed_work(&device->work, 1);
}

static int admin_init(struct kunit *test)
{
	struct acc_kunit_device *device = kunit_kzalloc(test, sizeof(*device), GFP_KERNEL);
	struct acc_admin *admin = &device->acc.admin;

	KUNIT_ASSERT_NOT_NULL(test, device);
	device->registers = kunit_kzalloc(test, ACC_REGISTER_BYTES, GFP_KERNEL);
	admin->sq = kunit_kcalloc(test, ACC_ADMIN_ENTRIES, sizeof(*admin->sq), GFP_KERNEL);
	admin->cq = kunit_kcalloc(test, ACC_ADMIN_ENTRIES, sizeof(*admin->cq), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, device->registers);
	KUNIT_ASSERT_NOT_NULL(test, admin->sq);
	KUNIT_ASSERT_NOT_NULL(test, admin->cq);
	device->acc.regs = (void __iomem *)device->registers;
	device->test = test;
	spin_lock_init(&admin->lock);
	init_waitqueue_head(&admin->space);
	acc_admin_start(&device->acc);
	acc_admin_open(&device->acc);
	acc_kunit_current = device;
	INIT_DELAYED_WORK(&device->work, acc_kunit_work);
	schedule_delayed_work(&device->work, 1);
	test->priv = device;
	return 0;
}

static void admin_exit(struct kunit *test)
{
	struct acc_kunit_device *device = test->priv;

	cancel_delayed_work_sync(&device->work);
	acc_kunit_current = NULL;
}

static void admin_answers(struct kunit *test)
{
	struct acc_kunit_device *device = test->priv;
	struct acc_admin_cmd cmd = { .op = ACC_ADMIN_WAKE, .asid = 77 };
	struct acc_admin_cpl cpl = {};

	KUNIT_EXPECT_EQ(test, 0, acc_admin(&device->acc, &cmd, &cpl, 5000));
	KUNIT_EXPECT_EQ(test, 77, cpl.result0);
	cmd.object = (u32)-ENOENT;
	KUNIT_EXPECT_EQ(test, -ENOENT, acc_admin(&device->acc, &cmd, NULL, 5000));
	cmd.object = 5; /* no errno */
	KUNIT_EXPECT_EQ(test, -EIO, acc_admin(&device->acc, &cmd, NULL, 5000));
	cmd.object = 0x80000000;
	KUNIT_EXPECT_EQ(test, -EIO, acc_admin(&device->acc, &cmd, NULL, 5000));
	KUNIT_EXPECT_EQ(test, 0, device->acc.admin.in_flight);
}

struct acc_kunit_client {
	struct work_struct work;
	struct acc_kunit_device *device;
	u32 number;
	u32 wrong;
};

static void acc_kunit_client_work(struct work_struct *work)
{
	struct acc_kunit_client *client = container_of(work, struct acc_kunit_client, work);
	struct acc_admin_cmd cmd = { .op = ACC_ADMIN_WAKE, .asid = client->number };
	struct acc_admin_cpl cpl = {};

	if (acc_admin(&client->device->acc, &cmd, &cpl, 5000) || cpl.result0 != client->number)
		client->wrong++;
}

#define KUNIT_CLIENTS 32

/* Answers come to who asked, in whatever order, and whatever comes between. */
static void admin_pairs_answers(struct kunit *test)
{
	struct acc_kunit_device *device = test->priv;
	struct acc_kunit_client *clients;
	u32 round, i;

	clients = kunit_kcalloc(test, KUNIT_CLIENTS, sizeof(*clients), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, clients);
	device->reverse = true;
	for (i = 0; i < KUNIT_CLIENTS; i++) {
		INIT_WORK(&clients[i].work, acc_kunit_client_work);
		clients[i].device = device;
	}
	/* More than a lap of the ring. */
	for (round = 0; round < ACC_ADMIN_ENTRIES / KUNIT_CLIENTS + 4; round++) {
		for (i = 0; i < KUNIT_CLIENTS; i++) {
			clients[i].number = round * KUNIT_CLIENTS + i + 1;
			queue_work(system_unbound_wq, &clients[i].work);
		}
		for (i = 0; i < KUNIT_CLIENTS; i++)
			flush_work(&clients[i].work);
	}
	for (i = 0; i < KUNIT_CLIENTS; i++)
		KUNIT_EXPECT_EQ(test, 0, clients[i].wrong);
	KUNIT_EXPECT_EQ(test, 0, device->acc.admin.in_flight);
	KUNIT_EXPECT_EQ(test, 0, device->resets);
}

static void admin_ignores_unknown_ids(struct kunit *test)
{
	struct acc_kunit_device *device = test->priv;
	struct acc_admin_cmd cmd = { .op = ACC_ADMIN_WAKE, .asid = 5 };
	struct acc_admin_cpl cpl = {};

	device->bogus = 3;
	KUNIT_EXPECT_EQ(test, 0, acc_admin(&device->acc, &cmd, &cpl, 5000));
	KUNIT_EXPECT_EQ(test, 5, cpl.result0);
	KUNIT_EXPECT_EQ(test, 3, device->acc.admin.bogus);
	KUNIT_EXPECT_EQ(test, 0, device->acc.admin.in_flight);
}

/* A device that says nothing: the command ends with the reset that it asks for. */
static void admin_ends_with_a_reset(struct kunit *test)
{
	struct acc_kunit_device *device = test->priv;
	struct acc_admin_cmd cmd = { .op = ACC_ADMIN_WAKE };

	device->deaf = true;
	KUNIT_EXPECT_EQ(test, -EIO, acc_admin(&device->acc, &cmd, NULL, 20));
	KUNIT_EXPECT_EQ(test, 1, device->resets);
	KUNIT_EXPECT_EQ(test, -EIO, acc_admin(&device->acc, &cmd, NULL, 20));
	KUNIT_EXPECT_EQ(test, 1, device->resets);
}

static void admin_takes_nothing_when_stopped(struct kunit *test)
{
	struct acc_kunit_device *device = test->priv;
	struct acc_admin_cmd cmd = { .op = ACC_ADMIN_WAKE };

	acc_admin_stop(&device->acc, -ENODEV);
	KUNIT_EXPECT_EQ(test, -ENODEV, acc_admin(&device->acc, &cmd, NULL, 5000));
	KUNIT_EXPECT_EQ(test, 0, device->acc.admin.in_flight);
}

static struct kunit_case admin_cases[] = {
	KUNIT_CASE(admin_answers),
	KUNIT_CASE(admin_pairs_answers),
	KUNIT_CASE(admin_ignores_unknown_ids),
	KUNIT_CASE(admin_ends_with_a_reset),
	KUNIT_CASE(admin_takes_nothing_when_stopped),
	{ }
};

struct kunit_suite acc_kunit_admin = {
	.name = "acc_admin",
	.init = admin_init,
	.exit = admin_exit,
	.test_cases = admin_cases,
};
