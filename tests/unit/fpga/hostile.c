/* SPDX-License-Identifier: MIT */
/*
 * An image of roles that do what no region lets them do, one try each; and a few that are
 * honest, to show that their neighbours notice nothing.
 */
#include "acc/kernels.h"
#include "acc/role.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define WORDS 8

struct acc_role {
    const struct acc_role_ops *ops;
    const struct acc_role_host *host;
    uint32_t words[WORDS];
    uint64_t cycle;
    int started, done;
    uint32_t status;
};

static uint64_t argument(const struct acc_role *role, int index)
{
    return role->words[2 * index] | (uint64_t)role->words[2 * index + 1] << 32;
}

static int nothing(struct acc_role *role)
{
    (void)role;
    return 0;
}

static int fault(struct acc_role *role)
{
    (void)role;
    *(volatile int *)(uintptr_t)0x1230 = 1;
    return 0;
}

static int spin(struct acc_role *role)
{
    while (role)
        __asm__ volatile("" : : "r"(role) : "memory");
    return 0;
}

static int try_fork(struct acc_role *role)
{
    (void)role;
    return fork() == 0;
}

static int try_socket(struct acc_role *role)
{
    (void)role;
    return socket(AF_INET, SOCK_STREAM, 0) >= 0;
}

static int try_open(struct acc_role *role)
{
    (void)role;
    return open("/etc/passwd", O_RDONLY) >= 0;
}

static int try_exec(struct acc_role *role)
{
    (void)role;
    return execl("/bin/true", "true", NULL);
}

static int try_kill(struct acc_role *role)
{
    (void)role;
    return kill(getppid(), SIGKILL);
}

static int try_trace(struct acc_role *role)
{
    (void)role;
    return (int)syscall(SYS_process_vm_readv, 1, NULL, 0, NULL, 0, 0);
}

/* With its signal handlers taken away, the filter still holds. */
static int try_unhandled(struct acc_role *role)
{
    (void)role;
    signal(SIGSYS, SIG_DFL);
    return socket(AF_INET, SOCK_STREAM, 0) >= 0;
}

static int leave(struct acc_role *role)
{
    (void)role;
    _exit(3);
}

static int divide(struct acc_role *role)
{
    volatile int zero = (int)argument(role, 3) * 0;
    return 7 / zero;
}

/* out = *in: by pointers, as compiled code does it. */
static int peek(struct acc_role *role)
{
    *(uint64_t *)(uintptr_t)argument(role, 1) = *(const uint64_t *)(uintptr_t)argument(role, 0);
    return 0;
}

/* A byte every so often, by pointers: start, bytes, how often, which. Ends after argument 3's
 * high half of milliseconds. */
static int stamp(struct acc_role *role)
{
    const uint64_t start = argument(role, 0), bytes = argument(role, 1), every = argument(role, 2);
    for (uint64_t at = 0; at < bytes; at += every)
        *(uint8_t *)(uintptr_t)(start + at) = (uint8_t)role->words[6];
    const struct timespec pause = {0, (long)role->words[7] * 1000000};
    nanosleep(&pause, NULL);
    return 0;
}

/* Writes, and then it goes wrong: by 0 a crash, 1 for ever, 2 an error of its own. */
static int spoil(struct acc_role *role)
{
    *(uint64_t *)(uintptr_t)argument(role, 0) = argument(role, 1);
    switch (argument(role, 2)) {
    case 0:
        return fault(role);
    case 1:
        return spin(role);
    default:
        role->status = ACC_STATUS_INVALID_KERNARG;
        return 0;
    }
}

/* The same through the host, as RTL does it. */
static int copy(struct acc_role *role)
{
    uint64_t value;
    if (role->host->memory_read(role->host->context, argument(role, 0), &value, 8) ||
        role->host->memory_write(role->host->context, argument(role, 1), &value, 8))
        role->status = ACC_STATUS_INVALID_ADDRESS;
    return 0;
}

/* Well, or one of these. */
static int whim(struct acc_role *role)
{
    switch (argument(role, 0)) {
    case 1:
        return fault(role);
    case 2:
        return spin(role);
    case 3:
        return leave(role);
    default:
        return 0;
    }
}

/* What the last dispatch left: in a static, on the heap, anywhere. */
static uint64_t residue;
static int remember(struct acc_role *role)
{
    const uint64_t was = residue;
    residue = argument(role, 0);
    return role->host->memory_write(role->host->context, argument(role, 1), &was, 8);
}

/* Says what it waits for, and waits. */
static int never_ready(struct acc_role *role)
{
    for (uint64_t cycle = 1; cycle; cycle++)
        if (cycle % 1000 == 0)
            role->host->progress(role->host->context, cycle, "stream s_axis was never ready");
    return 0;
}

/* The same, cycle by cycle, as a design does. */
#define NOT_YET 2
static int waits(struct acc_role *role)
{
    role->host->progress(role->host->context, role->cycle, "stream s_axis was never ready");
    return NOT_YET;
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
    if (role->started) {
        int result, (*work)(struct acc_role *);
        memcpy(&work, &role->ops->data, sizeof(work));
        role->status = ACC_STATUS_OK;
        result = work(role);
        if (result == NOT_YET) {
            role->cycle = cycle;
            progress->cycle = cycle;
            progress->state = ACC_ROLE_BUSY;
            return 0;
        }
        if (result && role->status == ACC_STATUS_OK) role->status = ACC_STATUS_ENGINE_ERROR;
        role->started = 0;
        role->done = 1;
        role->cycle += 10;
    }
    progress->cycle = role->cycle;
    progress->state = role->done ? ACC_ROLE_DONE : ACC_ROLE_IDLE;
    progress->status = role->status;
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
    else if (offset >= 0x10 && offset < 0x10 + 4 * WORDS)
        role->words[(offset - 0x10) / 4] = value;
    else
        return -EINVAL;
    return 0;
}

static void destroy(struct acc_role *role)
{
    free(role);
}

#define ROLE(role_name)                                                                            \
    static const struct acc_role_ops role_name##_ops = {                                           \
        .size = sizeof(struct acc_role_ops),                                                       \
        .abi = ACC_ROLE_ABI,                                                                       \
        .name = #role_name,                                                                        \
        .data = (const void *)role_name,                                                           \
        .create = create,                                                                          \
        .reset = reset,                                                                            \
        .run_until = run_until,                                                                    \
        .mmio_read = mmio_read,                                                                    \
        .mmio_write = mmio_write,                                                                  \
        .destroy = destroy,                                                                        \
    };
#define ROLES(X)                                                                                   \
    X(nothing)                                                                                     \
    X(fault)                                                                                       \
    X(spin)                                                                                        \
    X(try_fork)                                                                                    \
    X(try_socket)                                                                                  \
    X(try_open)                                                                                    \
    X(try_exec)                                                                                    \
    X(try_kill)                                                                                    \
    X(try_trace)                                                                                   \
    X(try_unhandled)                                                                               \
    X(leave)                                                                                       \
    X(divide)                                                                                      \
    X(peek)                                                                                        \
    X(copy)                                                                                        \
    X(stamp)                                                                                       \
    X(spoil)                                                                                       \
    X(whim)                                                                                        \
    X(remember)                                                                                    \
    X(waits)                                                                                       \
    X(never_ready)
ROLES(ROLE)

#ifdef HOSTILE_CONSTRUCTOR
/* Before anybody asks for anything. */
__attribute__((constructor)) static void at_load(void)
{
    socket(AF_INET, SOCK_STREAM, 0);
}
#endif

#define POINTER(role_name) &role_name##_ops,
static const struct acc_role_ops *const all[] = {ROLES(POINTER)};

__attribute__((visibility("default"))) const struct acc_role_library acc_role_library = {
    .size = sizeof(struct acc_role_library),
    .abi = ACC_ROLE_ABI,
    .roles = sizeof(all) / sizeof(all[0]),
    .role = all,
};
