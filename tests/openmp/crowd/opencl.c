/* SPDX-License-Identifier: MIT */
/* The crowd's OpenCL program where there is no Python: a built-in kernel, which is a role. */
#define CL_TARGET_OPENCL_VERSION 120
#include "crowd.h"

#include <CL/cl.h>

#define CHECK(call)                                                                                \
    do {                                                                                           \
        const cl_int error_ = (call);                                                              \
        if (error_ != CL_SUCCESS) {                                                                \
            fprintf(stderr, "%s: %d\n", #call, error_);                                            \
            exit(2);                                                                               \
        }                                                                                          \
    } while (0)

enum { N = 256 };

static cl_command_queue queue;
static cl_kernel clip;
static cl_mem in, out;

static int step(unsigned number)
{
    const size_t one = 1;
    float values[N], found[N];
    for (int i = 0; i < N; i++)
        values[i] = (float)(i + (int)(number % 10));
    CHECK(clEnqueueWriteBuffer(queue, in, CL_TRUE, 0, sizeof values, values, 0, NULL, NULL));
    CHECK(clEnqueueNDRangeKernel(queue, clip, 1, NULL, &one, NULL, 0, NULL, NULL));
    CHECK(clEnqueueReadBuffer(queue, out, CL_TRUE, 0, sizeof found, found, 0, NULL, NULL));
    for (int i = 0; i < N; i++)
        if (found[i] != (values[i] < 10 ? 10 : values[i] > 200 ? 200 : values[i])) return 0;
    return 1;
}

int main(void)
{
    cl_platform_id platform;
    cl_device_id device;
    cl_int error;
    const cl_ulong count = N;
    const float low = 10, high = 200;
    CHECK(clGetPlatformIDs(1, &platform, NULL));
    CHECK(clGetDeviceIDs(platform, CL_DEVICE_TYPE_ALL, 1, &device, NULL));
    cl_context context = clCreateContext(NULL, 1, &device, NULL, NULL, &error);
    CHECK(error);
    queue = clCreateCommandQueue(context, device, 0, &error);
    CHECK(error);
    cl_program program =
        clCreateProgramWithBuiltInKernels(context, 1, &device, "acc_clip_f32", &error);
    CHECK(error);
    clip = clCreateKernel(program, "acc_clip_f32", &error);
    CHECK(error);
    in = clCreateBuffer(context, CL_MEM_READ_ONLY, N * sizeof(float), NULL, &error);
    CHECK(error);
    out = clCreateBuffer(context, CL_MEM_WRITE_ONLY, N * sizeof(float), NULL, &error);
    CHECK(error);
    CHECK(clSetKernelArg(clip, 0, sizeof in, (void *)&in));
    CHECK(clSetKernelArg(clip, 1, sizeof out, (void *)&out));
    CHECK(clSetKernelArg(clip, 2, sizeof count, &count));
    CHECK(clSetKernelArg(clip, 3, sizeof low, &low));
    CHECK(clSetKernelArg(clip, 4, sizeof high, &high));
    return crowd_run(step);
}
