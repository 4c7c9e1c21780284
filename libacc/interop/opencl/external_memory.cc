// SPDX-License-Identifier: MIT
//
// cl_khr_external_memory: handing memory to and fro that clCreateBufferWithProperties() imported.
// It is one memory for all, so that order is all that there is to do.
#include "libacc/interop/opencl/extensions.h"
#include "libacc/interop/opencl/memory.h"
#include "libacc/interop/opencl/scheduler.h"

#include <algorithm>

namespace acc::ocl
{
namespace
{

bool is_external(const _cl_mem &memory)
{
    const auto &all = memory.root()->properties;
    return std::find(all.begin(), all.end(),
                     cl_mem_properties{CL_EXTERNAL_MEMORY_HANDLE_DMA_BUF_KHR}) != all.end();
}

cl_int hand_over(cl_command_queue queue, cl_command_type type, cl_uint objects,
                 const cl_mem *memory, WaitList list, cl_event *event)
{
    OCL_TRY(check_queue(queue));
    if (!objects != !memory) return CL_INVALID_VALUE;
    for (cl_uint i = 0; i < objects; i++) {
        OCL_TRY(check_memory(*queue->context, memory[i]));
        if (!is_external(*memory[i])) return CL_INVALID_MEM_OBJECT;
    }
    OCL_TRY(check_wait_list(*queue->context, list));
    return enqueue(*queue, type, nullptr, list, event);
}

cl_int CL_API_CALL acquire_external(cl_command_queue queue, cl_uint objects, const cl_mem *memory,
                                    cl_uint count, const cl_event *events, cl_event *event)
try {
    return hand_over(queue, CL_COMMAND_ACQUIRE_EXTERNAL_MEM_OBJECTS_KHR, objects, memory,
                     {count, events}, event);
}
OCL_END

cl_int CL_API_CALL release_external(cl_command_queue queue, cl_uint objects, const cl_mem *memory,
                                    cl_uint count, const cl_event *events, cl_event *event)
try {
    return hand_over(queue, CL_COMMAND_RELEASE_EXTERNAL_MEM_OBJECTS_KHR, objects, memory,
                     {count, events}, event);
}
OCL_END

} // namespace

std::span<const ExtensionEntry> external_memory_functions()
{
    static const ExtensionEntry entries[] = {
        extension("clEnqueueAcquireExternalMemObjectsKHR", acquire_external),
        extension("clEnqueueReleaseExternalMemObjectsKHR", release_external),
    };
    return entries;
}

} // namespace acc::ocl
