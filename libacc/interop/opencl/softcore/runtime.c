/* SPDX-License-Identifier: MIT */
/*
 * The role that a compiled program is. Linked to the code that clang makes of OpenCL C and of the
 * thunks; runs in a region's process, where addresses of the client's buffers are pointers.
 */
#include "acc/role.h"
#include "launch.h"

#include <errno.h>
#include <immintrin.h>
#include <limits.h>
#include <linux/futex.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define WORDS (sizeof(struct acc_cl_order) / 4)
#define LOOKS_PER_CLOCK_READ 32
#define LOCAL_ALIGN 128
#define LARGEST_SMALL 0x7fffffffu /* ids up to here are 31 bits: thunks.cc */

/* What thunks read of a group; thunks.cc has the offsets. */
struct acc_cl_group {
    uint32_t local[3];
    uint32_t dimensions;
    uint64_t base[3]; /* the global id of the first item */
    uint64_t group[3];
    uint64_t groups[3];
    uint64_t offset[3];
};

#define AT(member, bytes)                                                                          \
    _Static_assert(__builtin_offsetof(struct acc_cl_group, member) == (bytes), "thunks.cc")
AT(dimensions, 12);
AT(base, 16);
AT(group, 40);
AT(groups, 64);
AT(offset, 88);

struct acc_cl_item {
    char *arguments;
    const struct acc_cl_group *group;
};

struct acc_cl_kernel {
    /* All items of a group, one after the other. */
    void (*loop)(char *arguments, const struct acc_cl_group *group);
    /* One item: `argument` is a struct acc_cl_item. */
    void (*item)(void *argument, const uint32_t local_id[3]);
    uint32_t has_barriers;
    uint32_t locals;               /* arguments in local memory */
    const uint32_t *local_offsets; /* where in the block: a size, which becomes an address */
};

/* Of the program's code. */
extern const struct acc_cl_kernel acc_cl_kernels[];
extern const uint32_t acc_cl_kernel_count;

/* What PoCL's printf() writes to. */
static uint32_t no_position;
char *_printf_buffer;
uint32_t _printf_buffer_capacity;
uint32_t *_printf_buffer_position = &no_position;

struct acc_role {
    const struct acc_role_host *host;
    uint32_t words[WORDS];
    uint64_t cycle;
    int started, done;
};

static const struct acc_role_host *role_host;
static char local_memory[ACC_CL_LOCAL_BYTES + LOCAL_ALIGN] __attribute__((aligned(LOCAL_ALIGN)));

/* The id is one for all: thunks come to barriers in the order of the program's text. */
__attribute__((visibility("hidden"))) void acc_cl_barrier(uint32_t id)
{
    role_host->barrier(role_host->context, id);
}

static uint32_t refuse(struct acc_role *role, const char *text)
{
    role->host->explain(role->host->context, text);
    return ACC_STATUS_INVALID_KERNARG;
}

static uint32_t spoilt(struct acc_role *role)
{
    role->host->explain(role->host->context, "a ring of launches that a kernel wrote to");
    return ACC_STATUS_ENGINE_ERROR;
}

/* Sizes in the block become addresses of local memory. */
static int place_locals(const struct acc_cl_kernel *kernel, char *arguments)
{
    uint64_t used = 0;
    for (uint32_t i = 0; i < kernel->locals; i++) {
        uint64_t bytes;
        memcpy(&bytes, arguments + kernel->local_offsets[i], sizeof(bytes));
        if (bytes > ACC_CL_LOCAL_BYTES - used) return -ENOMEM;
        char *const at = local_memory + used;
        memcpy(arguments + kernel->local_offsets[i], &at, sizeof(at));
        used += (bytes + LOCAL_ALIGN - 1) / LOCAL_ALIGN * LOCAL_ALIGN;
        if (used > ACC_CL_LOCAL_BYTES) used = ACC_CL_LOCAL_BYTES;
    }
    return 0;
}

static int run_group(const struct acc_role *role, const struct acc_cl_kernel *kernel,
                     char *arguments, const struct acc_cl_group *group, int small)
{
    const int one = group->local[0] * group->local[1] * group->local[2] == 1;
    if (small && (one || !kernel->has_barriers)) {
        kernel->loop(arguments, group);
        return 0;
    }
    struct acc_cl_item item = {arguments, group};
    const struct acc_work_group work = {
        .size = sizeof(work),
        .local = {group->local[0], group->local[1], group->local[2]},
        .item = kernel->item,
        .argument = &item,
    };
    return role->host->run_group(role->host->context, &work);
}

/* About what a microsecond has at the least; only how often the clock is read depends on it. */
#define TICKS_PER_CLOCK_READ 10000

static uint64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static void prefetch(const struct acc_cl_slot *slot)
{
    __builtin_prefetch(slot);
    __builtin_prefetch((const char *)slot + ACC_CL_CACHE_LINE);
}

static uint32_t run_launch(struct acc_role *role, struct acc_cl_slot *slot)
{
    static char arguments[ACC_CL_MOST_ARGUMENTS] __attribute__((aligned(LOCAL_ALIGN)));
    const struct acc_cl_launch launch = slot->launch;
    if (launch.kernel >= acc_cl_kernel_count) return refuse(role, "no such kernel");
    if (launch.arguments > sizeof(arguments)) return refuse(role, "too many arguments");
    memcpy(arguments, slot->block, launch.arguments);
    const struct acc_cl_kernel *const kernel = &acc_cl_kernels[launch.kernel];
    struct acc_cl_group group = {.dimensions = launch.dimensions};
    int small = 1;
    for (int i = 0; i < 3; i++) {
        if (!launch.local[i] || launch.global[i] % launch.local[i])
            return refuse(role, "work-groups that don't divide the work");
        group.local[i] = launch.local[i];
        group.groups[i] = launch.global[i] / launch.local[i];
        group.offset[i] = launch.offset[i];
        if (launch.offset[i] > LARGEST_SMALL || launch.global[i] > LARGEST_SMALL ||
            launch.offset[i] + launch.global[i] > LARGEST_SMALL)
            small = 0;
    }
    if (place_locals(kernel, arguments)) return refuse(role, "too much local memory");
    no_position = 0;
    _printf_buffer_position = &no_position;
    _printf_buffer_capacity = 0;
    if (launch.printf_buffer) {
        _printf_buffer_position = (uint32_t *)(uintptr_t)launch.printf_buffer;
        _printf_buffer = (char *)(_printf_buffer_position + 1);
        _printf_buffer_capacity = launch.printf_bytes;
    }
    if (launch.timed) slot->launch.start_ns = now_ns();
    uint64_t *const at = group.group;
    for (at[2] = 0; at[2] < group.groups[2]; at[2]++)
        for (at[1] = 0; at[1] < group.groups[1]; at[1]++)
            for (at[0] = 0; at[0] < group.groups[0]; at[0]++) {
                for (int i = 0; i < 3; i++)
                    group.base[i] = group.offset[i] + at[i] * group.local[i];
                const int error = run_group(role, kernel, arguments, &group, small);
                if (error == -ENOMEM) return refuse(role, "no memory for stacks");
                if (error) return ACC_STATUS_ENGINE_ERROR;
            }
    if (launch.timed) slot->launch.end_ns = now_ns();
    /* An item and cycle on each of the soft cores of a region: as good as any guess. */
    role->cycle += launch.global[0] * launch.global[1] * launch.global[2] + 100;
    return ACC_STATUS_OK;
}

static void wake_sleepers(struct acc_cl_ring *ring)
{
    (void)syscall(SYS_futex, &ring->head, FUTEX_WAKE, INT_MAX, NULL, NULL, 0);
}

/* Until `end` at most: whether there is another launch. */
static int linger(const struct acc_cl_ring *ring, uint64_t head, uint64_t end)
{
    while (now_ns() < end) {
        for (int i = 0; i < LOOKS_PER_CLOCK_READ; i++) {
            if (__atomic_load_n(&ring->tail, __ATOMIC_ACQUIRE) != head) return 1;
            _mm_pause();
        }
        if (__atomic_load_n(&ring->leave, __ATOMIC_RELAXED)) return 0;
    }
    return 0;
}

static uint32_t run(struct acc_role *role)
{
    struct acc_cl_order order;
    memcpy(&order, role->words, sizeof(order));
    struct acc_cl_ring *const ring = (struct acc_cl_ring *)(uintptr_t)order.ring;
    const uint64_t end = now_ns() + order.limit_ns;
    uint64_t head = __atomic_load_n(&ring->head, __ATOMIC_RELAXED);
    uint64_t tail = head, ticks = __rdtsc();
    int asked = 0, late = 0;
    for (;;) {
        /* The line of `tail` is taken from who writes it only when it has to be. */
        if (tail == head || asked || late) tail = __atomic_load_n(&ring->tail, __ATOMIC_ACQUIRE);
        const uint64_t left = tail - head;
        if (left) {
            if (left > ACC_CL_RING_SLOTS) return spoilt(role);
            /* Who asked sees to the rest; so does a client that has put in two ahead. */
            if (asked || (late && left > 1)) return ACC_STATUS_OK;
            if (left > 1) prefetch(&ring->slots[(head + 1) % ACC_CL_RING_SLOTS]);
            const uint32_t status = run_launch(role, &ring->slots[head % ACC_CL_RING_SLOTS]);
            if (status != ACC_STATUS_OK) return status;
            /* Nobody else writes it: found out here, the launch that did so has the error. */
            if (__atomic_load_n(&ring->head, __ATOMIC_RELAXED) != head) return spoilt(role);
            __atomic_store_n(&ring->head, ++head, __ATOMIC_SEQ_CST);
            const uint64_t wake = __atomic_load_n(&ring->wake, __ATOMIC_SEQ_CST);
            if (wake && head >= wake) wake_sleepers(ring);
            const uint64_t leave = __atomic_load_n(&ring->leave, __ATOMIC_ACQUIRE);
            asked = leave && head >= leave;
            if (__rdtsc() - ticks > TICKS_PER_CLOCK_READ) {
                late = now_ns() >= end;
                ticks = __rdtsc();
            }
            continue;
        }
        if (!asked && !late) {
            const uint64_t last = now_ns() + order.linger_ns;
            if (linger(ring, head, last < end ? last : end)) continue;
        }
        __atomic_store_n(&ring->attended, 0, __ATOMIC_SEQ_CST);
        if (__atomic_load_n(&ring->tail, __ATOMIC_SEQ_CST) == head) return ACC_STATUS_OK;
        uint32_t nobody = 0;
        if (!__atomic_compare_exchange_n(&ring->attended, &nobody, 1, 0, __ATOMIC_SEQ_CST,
                                         __ATOMIC_SEQ_CST))
            return ACC_STATUS_OK; /* the client was faster, and sends another */
    }
}

static int create(const struct acc_role_ops *ops, const struct acc_role_host *host,
                  struct acc_role **role)
{
    (void)ops;
    *role = calloc(1, sizeof(**role));
    if (!*role) return -ENOMEM;
    (*role)->host = role_host = host;
    return 0;
}

static void reset(struct acc_role *role)
{
    role->started = role->done = 0;
}

static int run_until(struct acc_role *role, acc_u64 cycle, struct acc_role_progress *progress)
{
    (void)cycle;
    progress->status = ACC_STATUS_OK;
    if (role->started) {
        role->started = 0;
        progress->status = run(role);
        role->done = 1;
    }
    progress->cycle = role->cycle;
    progress->state = role->done ? ACC_ROLE_DONE : ACC_ROLE_IDLE;
    return 0;
}

static int mmio_read(struct acc_role *role, __u32 offset, __u32 *value)
{
    *value = offset ? 0 : (role->done ? ACC_ROLE_CONTROL_DONE : 0);
    return 0;
}

static int mmio_write(struct acc_role *role, __u32 offset, __u32 value)
{
    if (offset == ACC_ROLE_REG_CONTROL) {
        role->started = 1;
        role->done = 0;
        return 0;
    }
    const uint32_t word = (offset - ACC_ROLE_REG_ARGUMENTS) / 4;
    if (offset < ACC_ROLE_REG_ARGUMENTS || word >= WORDS) return -EINVAL;
    role->words[word] = value;
    return 0;
}

static void destroy(struct acc_role *role)
{
    free(role);
}

static const struct acc_role_ops ops = {
    .size = sizeof(ops),
    .abi = ACC_ROLE_ABI,
    .name = ACC_CL_ROLE,
    .create = create,
    .reset = reset,
    .run_until = run_until,
    .mmio_read = mmio_read,
    .mmio_write = mmio_write,
    .destroy = destroy,
};
static const struct acc_role_ops *const all[] = {&ops};

__attribute__((visibility("default"))) const struct acc_role_library acc_role_library = {
    .size = sizeof(struct acc_role_library),
    .abi = ACC_ROLE_ABI,
    .roles = 1,
    .role = all,
};
