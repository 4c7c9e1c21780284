// SPDX-License-Identifier: MIT
//
// Commands between buffers, checked once and done as often as wanted: by a queue now, or by a
// command buffer each time that it is enqueued. What they need they hold.
#pragma once

#include "libacc/interop/opencl/memory.h"

#include <functional>

namespace acc::ocl
{

using WorkMaker = std::function<std::unique_ptr<Work>()>;

// What a function of the API is given of a box.
struct GivenBox {
    const size_t *origin;
    size_t row_pitch, slice_pitch;
};

// The errors of clEnqueueCopyBuffer(), clEnqueueCopyBufferRect() and clEnqueueFillBuffer(), but
// those of queues and wait lists.
cl_int plan_copy(const _cl_context &context, cl_mem from, cl_mem to, size_t from_offset,
                 size_t to_offset, size_t bytes, WorkMaker &out);
cl_int plan_copy_rect(const _cl_context &context, cl_mem from, cl_mem to, const GivenBox &from_box,
                      const GivenBox &to_box, const size_t *region, WorkMaker &out);
cl_int plan_fill(const _cl_context &context, cl_mem memory, const void *pattern,
                 size_t pattern_bytes, size_t offset, size_t bytes, WorkMaker &out);

} // namespace acc::ocl
