// SPDX-License-Identifier: MIT
//
// Enqueued kernels: the range that they run over, checked.
#pragma once

#include "libacc/interop/opencl/kernel.h"
#include "libacc/interop/opencl/queue.h"

namespace acc::ocl
{

struct Range {
    cl_uint dimensions = 0;
    size_t offset[3] = {}, global[3] = {1, 1, 1}, local[3] = {1, 1, 1};
    bool is_empty = false; // nothing is to be run
};

// What clEnqueueNDRangeKernel() says of a range for this kernel.
cl_int check_range(const _cl_kernel &kernel, const _cl_device_id &device, cl_uint dimensions,
                   const size_t *offset, const size_t *global, const size_t *local, Range &out);
// What clEnqueueNDRangeKernel() says of a kernel and its range on this queue, but of wait lists.
cl_int check_enqueue(const _cl_command_queue &queue, const _cl_kernel *kernel, cl_uint dimensions,
                     const size_t *offset, const size_t *global, const size_t *local, Range &out);
// All arguments have values that are alive. CL_INVALID_KERNEL_ARGS.
cl_int check_arguments(const _cl_kernel &kernel);
// What the kernel would do now, with the arguments that it has. Null, and `error`.
std::unique_ptr<Work> kernel_work(const _cl_kernel &kernel, const Range &range, cl_int &error);

} // namespace acc::ocl
