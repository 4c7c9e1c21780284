/* SPDX-License-Identifier: MIT */
/*
 * How enqueued kernels reach the soft cores: a ring of launches in the client's memory, and
 * dispatches that execute what is in it. One dispatch does many launches: those that are there
 * when it comes, and those that are put behind them while it is at work or lingers.
 *
 * Both sides map the ring; the runtime that is linked to every compiled program (runtime.c) runs in
 * a region's process of that one client. The client believes nothing that it reads.
 *
 * Ordering contract.
 *  - A slot is the client's until `tail` passes it (release; acquired by the core), and again when
 *    `head` has passed it (release; acquired by the client). Both count launches for ever.
 *  - Whoever turns `attended` from 0 to 1 answers for the launches behind `head`: the client by
 *    another dispatch, the core by looking again. Each side stores its own word (`tail`; 0 to
 *    `attended`), then reads the other's, all sequentially consistent, so that one of them sees a
 *    launch that nobody attends to.
 *  - Who sleeps stores `wake`, then reads `head`; the core stores `head`, then reads `wake`; all
 *    sequentially consistent, so that one of them sees the other. Sleeps have a time-out, for a
 * core that was stopped wakes nobody.
 *  - A dispatch that ends while `attended` is 1 was asked to leave, or was late with two or more
 *    launches left: the client sends another. So whoever sets `leave`, or puts in a launch behind
 *    one that is not over, looks again when the dispatch has ended.
 */
#ifndef ACC_OPENCL_LAUNCH_H
#define ACC_OPENCL_LAUNCH_H

#include <stdint.h>

#define ACC_CL_ROLE "opencl"
#define ACC_CL_MOST_ARGUMENTS 2048
#define ACC_CL_LOCAL_BYTES 65536
#define ACC_CL_RING_SLOTS 256u
#define ACC_CL_CACHE_LINE 64

/* An enqueued kernel. */
struct acc_cl_launch {
    uint32_t kernel; /* of the program */
    uint32_t dimensions;
    uint64_t offset[3];
    uint64_t global[3];        /* work-items; 1 beyond the dimensions */
    uint32_t local[3];         /* divides `global` */
    uint32_t timed;            /* the core writes start_ns and end_ns */
    uint64_t printf_buffer;    /* 0, or where printf() writes: a u32, how much, then the text */
    uint32_t printf_bytes;     /* room for text */
    uint32_t arguments;        /* bytes of the block behind this struct */
    uint64_t start_ns, end_ns; /* CLOCK_MONOTONIC */
};

struct acc_cl_slot {
    struct acc_cl_launch launch;
    char block[ACC_CL_MOST_ARGUMENTS];
} __attribute__((aligned(ACC_CL_CACHE_LINE)));

struct acc_cl_ring {
    /* The client writes. */
    uint64_t tail; /* launches that were put in */
    /* Not 0: somebody waits for the dispatch to end once `head` is there. */
    uint64_t leave __attribute__((aligned(ACC_CL_CACHE_LINE)));
    /* Not 0: somebody sleeps on the low half of `head`, a futex, until `head` is there. */
    uint64_t wake;
    /* The core writes. */
    uint64_t head __attribute__((aligned(ACC_CL_CACHE_LINE))); /* launches that are over */
    uint32_t attended __attribute__((aligned(ACC_CL_CACHE_LINE)));
    struct acc_cl_slot slots[ACC_CL_RING_SLOTS]; /* launch n is in n % ACC_CL_RING_SLOTS */
};

/* The arguments of a dispatch. */
struct acc_cl_order {
    uint64_t ring;      /* address */
    uint64_t limit_ns;  /* no launch begins later than that after the dispatch */
    uint64_t linger_ns; /* for another launch, when there is none left */
};

#endif /* ACC_OPENCL_LAUNCH_H */
