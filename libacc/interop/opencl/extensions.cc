// SPDX-License-Identifier: MIT
//
// cl_khr_suggested_local_work_size, and cl_intel_unified_shared_memory: all allocations are SVM
// blocks, which hosts and devices reach at one address; what differs is what they are called.
#include "libacc/interop/opencl/extensions.h"

#include "libacc/interop/opencl/api.h"
#include "libacc/interop/opencl/info.h"
#include "libacc/interop/opencl/ndrange.h"
#include "libacc/interop/opencl/scheduler.h"
#include "libacc/interop/opencl/svm.h"

#include <bit>
#include <cstring>

namespace acc::ocl
{
namespace
{

cl_int CL_API_CALL suggested_local_work_size(cl_command_queue queue, cl_kernel kernel,
                                             cl_uint dimensions, const size_t *offset,
                                             const size_t *global, size_t *suggested)
try {
    OCL_TRY(check_queue(queue));
    if (!valid(kernel)) return CL_INVALID_KERNEL;
    if (kernel->program->context.get() != queue->context.get()) return CL_INVALID_CONTEXT;
    if (!kernel->program->has(queue->device.get())) return CL_INVALID_PROGRAM_EXECUTABLE;
    if (!suggested) return CL_INVALID_VALUE;
    Range range;
    OCL_TRY(check_range(*kernel, *queue->device, dimensions, offset, global, nullptr, range));
    if (range.is_empty) return CL_INVALID_GLOBAL_WORK_SIZE;
    OCL_TRY(check_arguments(*kernel));
    std::copy_n(range.local, dimensions, suggested);
    return CL_SUCCESS;
}
OCL_END

void *allocate(cl_context context, cl_device_id device, cl_uint type,
               const cl_mem_properties_intel *properties, size_t bytes, cl_uint alignment,
               cl_int *error)
try {
    if (!valid(context)) return fail(error, CL_INVALID_CONTEXT);
    if (device && (!valid(device) || !context->has(device))) return fail(error, CL_INVALID_DEVICE);
    SvmBlocks::Block block;
    if (properties) {
        if (properties[0] == CL_MEM_ALLOC_FLAGS_INTEL && properties[2] == 0)
            block.usm_flags = properties[1];
        else if (properties[0])
            return fail(error, CL_INVALID_PROPERTY);
        constexpr cl_mem_alloc_flags_intel known = CL_MEM_ALLOC_WRITE_COMBINED_INTEL |
                                                   CL_MEM_ALLOC_INITIAL_PLACEMENT_DEVICE_INTEL |
                                                   CL_MEM_ALLOC_INITIAL_PLACEMENT_HOST_INTEL;
        if (block.usm_flags & ~known) return fail(error, CL_INVALID_PROPERTY);
    }
    if (alignment && (!std::has_single_bit(alignment) || alignment > 128))
        return fail(error, CL_INVALID_VALUE);
    if (!bytes || bytes > max_allocation()) return fail(error, CL_INVALID_BUFFER_SIZE);
    if (forked()) return fail(error, CL_OUT_OF_RESOURCES);
    block.bytes = bytes;
    block.flags = CL_MEM_READ_WRITE;
    block.usm_type = type;
    block.usm_device = device;
    void *const made = context->svm.add(block);
    if (!made) return fail(error, CL_OUT_OF_RESOURCES);
    return succeed(error, made);
}
OCL_END_CREATE(error)

void *CL_API_CALL host_alloc(cl_context context, const cl_mem_properties_intel *properties,
                             size_t bytes, cl_uint alignment, cl_int *error)
{
    return allocate(context, nullptr, CL_MEM_TYPE_HOST_INTEL, properties, bytes, alignment, error);
}

void *CL_API_CALL device_alloc(cl_context context, cl_device_id device,
                               const cl_mem_properties_intel *properties, size_t bytes,
                               cl_uint alignment, cl_int *error)
{
    if (valid(context) && !device) return fail(error, CL_INVALID_DEVICE);
    return allocate(context, device, CL_MEM_TYPE_DEVICE_INTEL, properties, bytes, alignment, error);
}

void *CL_API_CALL shared_alloc(cl_context context, cl_device_id device,
                               const cl_mem_properties_intel *properties, size_t bytes,
                               cl_uint alignment, cl_int *error)
{
    return allocate(context, device, CL_MEM_TYPE_SHARED_INTEL, properties, bytes, alignment, error);
}

cl_int CL_API_CALL mem_free(cl_context context, void *pointer)
{
    if (!valid(context)) return CL_INVALID_CONTEXT;
    if (!pointer) return CL_SUCCESS;
    return context->svm.remove(pointer) ? CL_SUCCESS : CL_INVALID_VALUE;
}

// Whatever has been enqueued in the context may use it: all of it is over first.
cl_int CL_API_CALL mem_blocking_free(cl_context context, void *pointer)
try {
    if (!valid(context)) return CL_INVALID_CONTEXT;
    if (!forked()) {
        Pump pump(*context);
        pump.may_take_long();
        std::vector<Ref<_cl_event>> all;
        for (const _cl_command_queue *queue : context->queues)
            for (_cl_event *event = queue->first; event; event = event->next)
                all.emplace_back(event);
        for (const Ref<_cl_event> &event : all)
            pump.wait(*event);
    }
    return mem_free(context, pointer);
}
OCL_END

cl_int CL_API_CALL mem_alloc_info(cl_context context, const void *pointer, cl_mem_info_intel what,
                                  size_t room, void *value, size_t *needed)
try {
    if (!valid(context)) return CL_INVALID_CONTEXT;
    const Info info(room, value, needed);
    const auto block = context->svm.find(pointer);
    const bool known = block && block->usm_type;
    switch (what) {
    case CL_MEM_ALLOC_TYPE_INTEL:
        return info.as<cl_unified_shared_memory_type_intel>(
            known ? block->usm_type : cl_uint{CL_MEM_TYPE_UNKNOWN_INTEL});
    case CL_MEM_ALLOC_BASE_PTR_INTEL:
        return info.value<void *>(known ? reinterpret_cast<void *>(block->start) : nullptr);
    case CL_MEM_ALLOC_SIZE_INTEL:
        return info.as<size_t>(known ? block->bytes : 0);
    case CL_MEM_ALLOC_DEVICE_INTEL:
        return info.value<cl_device_id>(known ? block->usm_device : nullptr);
    case CL_MEM_ALLOC_FLAGS_INTEL:
        return info.value<cl_mem_alloc_flags_intel>(known ? block->usm_flags : 0);
    default:
        return CL_INVALID_VALUE;
    }
}
OCL_END

cl_int CL_API_CALL set_kernel_arg_pointer(cl_kernel kernel, cl_uint index, const void *value)
{
    return api::SetKernelArgSVMPointer(kernel, index, value);
}

cl_int CL_API_CALL enqueue_mem_fill(cl_command_queue queue, void *to, const void *pattern,
                                    size_t pattern_bytes, size_t bytes, cl_uint count,
                                    const cl_event *events, cl_event *event)
try {
    return enqueue_fill(queue, CL_COMMAND_MEMFILL_INTEL, to, pattern, pattern_bytes, bytes,
                        {count, events}, event);
}
OCL_END

cl_int CL_API_CALL enqueue_memcpy(cl_command_queue queue, cl_bool blocking, void *to,
                                  const void *from, size_t bytes, cl_uint count,
                                  const cl_event *events, cl_event *event)
try {
    return enqueue_copy(queue, CL_COMMAND_MEMCPY_INTEL, blocking, to, from, bytes, {count, events},
                        event);
}
OCL_END

cl_int CL_API_CALL enqueue_migrate(cl_command_queue queue, const void *pointer, size_t,
                                   cl_mem_migration_flags flags, cl_uint count,
                                   const cl_event *events, cl_event *event)
try {
    OCL_TRY(check_queue(queue));
    if (!pointer || (flags & ~cl_mem_migration_flags{CL_MIGRATE_MEM_OBJECT_HOST |
                                                     CL_MIGRATE_MEM_OBJECT_CONTENT_UNDEFINED}))
        return CL_INVALID_VALUE;
    OCL_TRY(check_wait_list(*queue->context, {count, events}));
    return enqueue(*queue, CL_COMMAND_MIGRATEMEM_INTEL, nullptr, {count, events}, event);
}
OCL_END

cl_int CL_API_CALL enqueue_advise(cl_command_queue queue, const void *pointer, size_t, cl_uint,
                                  cl_uint count, const cl_event *events, cl_event *event)
try {
    OCL_TRY(check_queue(queue));
    if (!pointer) return CL_INVALID_VALUE;
    OCL_TRY(check_wait_list(*queue->context, {count, events}));
    return enqueue(*queue, CL_COMMAND_MEMADVISE_INTEL, nullptr, {count, events}, event);
}
OCL_END

} // namespace

void *find_extension(const char *name)
{
    static const ExtensionEntry entries[] = {
        extension("clGetKernelSuggestedLocalWorkSizeKHR", suggested_local_work_size),
        extension("clHostMemAllocINTEL", host_alloc),
        extension("clDeviceMemAllocINTEL", device_alloc),
        extension("clSharedMemAllocINTEL", shared_alloc),
        extension("clMemFreeINTEL", mem_free),
        extension("clMemBlockingFreeINTEL", mem_blocking_free),
        extension("clGetMemAllocInfoINTEL", mem_alloc_info),
        extension("clSetKernelArgMemPointerINTEL", set_kernel_arg_pointer),
        extension("clEnqueueMemFillINTEL", enqueue_mem_fill),
        extension("clEnqueueMemcpyINTEL", enqueue_memcpy),
        extension("clEnqueueMigrateMemINTEL", enqueue_migrate),
        extension("clEnqueueMemAdviseINTEL", enqueue_advise),
    };
    for (const std::span<const ExtensionEntry> all :
         {std::span<const ExtensionEntry>(entries), command_buffer_functions(),
          external_memory_functions(), semaphore_functions()})
        for (const ExtensionEntry &one : all)
            if (!std::strcmp(one.name, name)) return one.function;
    return nullptr;
}

} // namespace acc::ocl
