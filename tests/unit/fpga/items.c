/* SPDX-License-Identifier: MIT */
/*
 * An image as a compiler of kernels with work-items would make it: groups of items on soft cores,
 * with barriers; and some that use them wrongly. Arguments: src, dst, groups.
 */
#include "acc/role.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define ITEMS 64
#define REFUSALS 6

struct acc_role {
    const struct acc_role_ops *ops;
    const struct acc_role_host *host;
    uint32_t words[8];
    uint32_t shared[2][ITEMS]; /* the group's memory */
    uint32_t group;
    uint64_t cycle;
    int started, done, inner;
};

static uint32_t *pointer(const struct acc_role *role, int index)
{
    const uint64_t address = role->words[2 * index] | (uint64_t)role->words[2 * index + 1] << 32;
    return (uint32_t *)(uintptr_t)address;
}

static void barrier(const struct acc_role *role, uint32_t id)
{
    role->host->barrier(role->host->context, id);
}

/* Inclusive sums of 64 numbers in six steps (Hillis and Steele, 1986), by pointers. */
static void scan(void *argument, const __u32 local_id[3])
{
    struct acc_role *role = argument;
    const uint32_t i = local_id[0] + 8 * local_id[1];
    const uint32_t at = role->group * ITEMS + i;
    uint32_t from = 0;
    role->shared[0][i] = pointer(role, 0)[at];
    for (uint32_t step = 1; step < ITEMS; step *= 2, from = !from) {
        barrier(role, step);
        role->shared[!from][i] =
            role->shared[from][i] + (i >= step ? role->shared[from][i - step] : 0);
    }
    pointer(role, 1)[at] = role->shared[from][i];
}

/* What a function may rely on is each item's own: registers, the rounding mode. */
static void keeps(void *argument, const __u32 local_id[3])
{
    struct acc_role *role = argument;
    const uint32_t i = local_id[0] + 8 * local_id[1];
    const uint32_t mode = 0x1f80 | (i % 4) << 13;
    uint32_t kept;
    double sum = i;
    __asm__ volatile("ldmxcsr %0" : : "m"(mode));
    for (uint32_t k = 0; k < 10; k++) {
        barrier(role, k);
        sum += k;
    }
    __asm__ volatile("stmxcsr %0" : "=m"(kept));
    pointer(role, 1)[i] = (kept & ~63u) == mode && sum == i + 45.0;
    kept = 0x1f80;
    __asm__ volatile("ldmxcsr %0" : : "m"(kept));
}

static void skips(void *argument, const __u32 local_id[3])
{
    if (local_id[0] != 3) barrier(argument, 1);
}

static void differs(void *argument, const __u32 local_id[3])
{
    barrier(argument, local_id[0] % 2);
}

static int deep(volatile int *from, int depth)
{
    volatile int here[256];
    here[0] = *from + depth;
    return depth ? deep(here, depth - 1) + here[0] : here[0];
}

static void overflows(void *argument, const __u32 local_id[3])
{
    int start = (int)local_id[0];
    pointer(argument, 1)[0] = (uint32_t)deep(&start, 1 << 20);
}

static void nothing(void *argument, const __u32 local_id[3])
{
    (void)argument;
    (void)local_id;
}

static struct acc_work_group group_of(struct acc_role *role, void (*item)(void *, const __u32 *))
{
    const struct acc_work_group group = {
        .size = sizeof(group), .local = {8, 8, 1}, .item = item, .argument = role};
    return group;
}

static int run(struct acc_role *role, const struct acc_work_group *group)
{
    return role->host->run_group(role->host->context, group);
}

static void nests(void *argument, const __u32 local_id[3])
{
    struct acc_role *role = argument;
    const struct acc_work_group group = group_of(role, nothing);
    if (!local_id[0] && !local_id[1]) role->inner = run(role, &group);
}

static int groups(struct acc_role *role)
{
    void (*item)(void *, const __u32 *);
    memcpy(&item, &role->ops->data, sizeof(item));
    const struct acc_work_group group = group_of(role, item);
    int error = 0;
    for (role->group = 0; role->group < role->words[4] && !error; role->group++)
        error = run(role, &group);
    return error;
}

/* What run_group() says to what is no group, into dst. */
static int refusals(struct acc_role *role)
{
    struct acc_work_group bad[REFUSALS];
    for (int i = 0; i < REFUSALS; i++)
        bad[i] = group_of(role, nothing);
    bad[0].local[1] = 0;
    bad[1].local[2] = 17; /* 1088 items */
    bad[2].local[0] = bad[2].local[1] = bad[2].local[2] = 0xffffffff;
    bad[3].stack_bytes = (16u << 20) + 1;
    bad[4].item = NULL;
    bad[5].size = 0;
    for (int i = 0; i < REFUSALS; i++)
        pointer(role, 1)[i] = (uint32_t)run(role, &bad[i]);
    const struct acc_work_group outer = group_of(role, nests);
    const int error = run(role, &outer);
    pointer(role, 1)[REFUSALS] = (uint32_t)role->inner;
    barrier(role, 1); /* outside of an item: nobody to wait for */
    return error;
}

static int create(const struct acc_role_ops *ops, const struct acc_role_host *host,
                  struct acc_role **role)
{
    *role = calloc(1, sizeof(**role));
    if (!*role) return -ENOMEM;
    (*role)->ops = ops;
    (*role)->host = host;
    return 0;
}

static void reset(struct acc_role *role)
{
    role->started = role->done = 0;
}

static int run_until(struct acc_role *role, acc_u64 cycle, struct acc_role_progress *progress)
{
    (void)cycle;
    if (role->started) {
        const int error = role->ops->data ? groups(role) : refusals(role);
        progress->status = error ? ACC_STATUS_ENGINE_ERROR : ACC_STATUS_OK;
        role->started = 0;
        role->done = 1;
        role->cycle += 10;
    }
    progress->cycle = role->cycle;
    progress->state = role->done ? ACC_ROLE_DONE : ACC_ROLE_IDLE;
    return 0;
}

static int mmio_read(struct acc_role *role, __u32 offset, __u32 *value)
{
    (void)role;
    (void)offset;
    *value = 0;
    return 0;
}

static int mmio_write(struct acc_role *role, __u32 offset, __u32 value)
{
    if (offset == ACC_ROLE_REG_CONTROL)
        role->started = 1;
    else if (offset >= 0x10 && offset < 0x30)
        role->words[(offset - 0x10) / 4] = value;
    else
        return -EINVAL;
    return 0;
}

static void destroy(struct acc_role *role)
{
    free(role);
}

#define ROLE(role_name, work)                                                                      \
    static const struct acc_role_ops role_name##_ops = {                                           \
        .size = sizeof(struct acc_role_ops),                                                       \
        .abi = ACC_ROLE_ABI,                                                                       \
        .name = #role_name,                                                                        \
        .data = (const void *)work,                                                                \
        .create = create,                                                                          \
        .reset = reset,                                                                            \
        .run_until = run_until,                                                                    \
        .mmio_read = mmio_read,                                                                    \
        .mmio_write = mmio_write,                                                                  \
        .destroy = destroy,                                                                        \
    };
ROLE(scan, scan)
ROLE(keeps, keeps)
ROLE(skips, skips)
ROLE(differs, differs)
ROLE(overflows, overflows)
ROLE(refusals, NULL)

static const struct acc_role_ops *const all[] = {&scan_ops,    &keeps_ops,     &skips_ops,
                                                 &differs_ops, &overflows_ops, &refusals_ops};

__attribute__((visibility("default"))) const struct acc_role_library acc_role_library = {
    .size = sizeof(struct acc_role_library),
    .abi = ACC_ROLE_ABI,
    .roles = sizeof(all) / sizeof(all[0]),
    .role = all,
};
