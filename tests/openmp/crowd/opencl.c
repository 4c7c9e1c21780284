/* SPDX-License-Identifier: MIT */
/* The crowd's OpenCL program where there is no Python: a built-in kernel, which is a role, and, if
 * it is given a file of twice.cl as compiled, one in OpenCL C, in turns. */
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
static cl_kernel clip, twice;
static cl_mem in, out;

static int step(unsigned number)
{
    const int doubles = twice && number % 2;
    const size_t items = doubles ? N : 1;
    float values[N], found[N];
    for (int i = 0; i < N; i++)
        values[i] = (float)(i + (int)(number % 10));
    CHECK(clEnqueueWriteBuffer(queue, in, CL_TRUE, 0, sizeof values, values, 0, NULL, NULL));
    CHECK(clEnqueueNDRangeKernel(queue, doubles ? twice : clip, 1, NULL, &items, NULL, 0, NULL,
                                 NULL));
    CHECK(clEnqueueReadBuffer(queue, out, CL_TRUE, 0, sizeof found, found, 0, NULL, NULL));
    for (int i = 0; i < N; i++) {
        const float clipped = values[i] < 10 ? 10 : values[i] > 200 ? 200 : values[i];
        if (found[i] != (doubles ? 2 * values[i] : clipped)) return 0;
    }
    return 1;
}

static cl_kernel load(cl_context context, cl_device_id device, const char *path)
{
    static unsigned char file[1 << 20];
    const unsigned char *binary = file;
    FILE *from = fopen(path, "rb");
    const size_t bytes = from ? fread(file, 1, sizeof file, from) : 0;
    cl_int error;
    if (from) fclose(from);
    cl_program program =
        clCreateProgramWithBinary(context, 1, &device, &bytes, &binary, NULL, &error);
    CHECK(error);
    CHECK(clBuildProgram(program, 1, &device, NULL, NULL, NULL));
    cl_kernel kernel = clCreateKernel(program, "twice", &error);
    CHECK(error);
    CHECK(clSetKernelArg(kernel, 0, sizeof in, (void *)&in));
    CHECK(clSetKernelArg(kernel, 1, sizeof out, (void *)&out));
    return kernel;
}

int main(int argc, char **argv)
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
    if (argc > 1) twice = load(context, device, argv[1]);
    return crowd_run(step);
}
