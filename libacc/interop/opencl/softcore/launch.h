/* SPDX-License-Identifier: MIT */
/*
 * What an enqueued kernel becomes: the arguments of one dispatch. Written by the client, read by
 * the runtime that is linked to every compiled program and runs in a region's process.
 */
#ifndef ACC_OPENCL_LAUNCH_H
#define ACC_OPENCL_LAUNCH_H

#include <stdint.h>

/* Registers hold this and then the block of arguments. */
struct acc_cl_launch {
    uint32_t kernel; /* of the program */
    uint32_t dimensions;
    uint64_t offset[3];
    uint64_t global[3]; /* work-items; 1 beyond the dimensions */
    uint32_t local[3];  /* divides `global` */
    uint32_t reserved;
    uint64_t printf_buffer; /* 0, or where printf() writes: a u32, how much, then the text */
    uint32_t printf_bytes;  /* room for text */
    uint32_t arguments;     /* bytes behind this struct */
};

#define ACC_CL_ROLE "opencl"
/* The kernel of every image that does what is behind a list of addresses of launches. */
#define ACC_CL_MOST_ARGUMENTS 2048
#define ACC_CL_LOCAL_BYTES 65536

#endif /* ACC_OPENCL_LAUNCH_H */
