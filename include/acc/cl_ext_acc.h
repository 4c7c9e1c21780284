/* SPDX-License-Identifier: MIT */
/*
 * What libacc-opencl.so has beyond Khronos' headers. docs/opencl.md explains it.
 */
#ifndef ACC_CL_EXT_ACC_H
#define ACC_CL_EXT_ACC_H

/* A property of clCreateCommandQueueWithProperties(): how long one command of the device may take,
 * 1 to 60000 ms. Then it ends with CL_OUT_OF_RESOURCES. Without it: 60 s. */
#define CL_QUEUE_TIMEOUT_MS_ACC 0x41434301

#endif /* ACC_CL_EXT_ACC_H */
