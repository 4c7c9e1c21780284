// SPDX-License-Identifier: MIT
//
// Commands that read, write, copy, fill and migrate buffers. The host does them: the memory is
// its own, too.
#include "libacc/interop/opencl/transfer.h"

#include "libacc/interop/opencl/api.h"
#include "libacc/interop/opencl/scheduler.h"

#include <bit>
#include <cstring>

namespace acc::ocl
{

void fill_memory(char *to, size_t bytes, const void *pattern, size_t pattern_bytes)
{
    if (!bytes) return;
    std::memcpy(to, pattern, pattern_bytes);
    // Twice as much with each step.
    for (size_t done = pattern_bytes; done < bytes;) {
        const size_t part = std::min(done, bytes - done);
        std::memcpy(to + done, to, part);
        done += part;
    }
}

cl_int plan_copy(const _cl_context &context, cl_mem from, cl_mem to, size_t from_offset,
                 size_t to_offset, size_t bytes, WorkMaker &out)
{
    OCL_TRY(check_memory(context, from));
    OCL_TRY(check_memory(context, to));
    if (!from->inside(from_offset, bytes) || !to->inside(to_offset, bytes)) return CL_INVALID_VALUE;
    const char *const source = from->data + from_offset;
    char *const target = to->data + to_offset;
    if (from->root() == to->root() && source < target + bytes && target < source + bytes)
        return CL_MEM_COPY_OVERLAP;
    out = [from = Ref(from), to = Ref(to), source, target, bytes] {
        return host_work(bytes, [from, to, source, target, bytes] {
            std::memcpy(target, source, bytes);
            return CL_SUCCESS;
        });
    };
    return CL_SUCCESS;
}

cl_int plan_fill(const _cl_context &context, cl_mem memory, const void *pattern,
                 size_t pattern_bytes, size_t offset, size_t bytes, WorkMaker &out)
{
    OCL_TRY(check_memory(context, memory));
    if (!memory->inside(offset, bytes) || !pattern || !std::has_single_bit(pattern_bytes) ||
        pattern_bytes > 128 || offset % pattern_bytes || bytes % pattern_bytes)
        return CL_INVALID_VALUE;
    std::vector<char> kept(pattern_bytes);
    std::memcpy(kept.data(), pattern, pattern_bytes);
    out = [memory = Ref(memory), kept = std::move(kept), offset, bytes] {
        return host_work(bytes, [memory, kept, offset, bytes] {
            fill_memory(memory->data + offset, bytes, kept.data(), kept.size());
            return CL_SUCCESS;
        });
    };
    return CL_SUCCESS;
}

namespace api
{

cl_int EnqueueReadBuffer(cl_command_queue queue, cl_mem memory, cl_bool blocking, size_t offset,
                         size_t bytes, void *to, cl_uint count, const cl_event *events,
                         cl_event *event)
try {
    OCL_TRY(check_queue(queue));
    OCL_TRY(check_memory(*queue->context, memory));
    if (!to || !memory->inside(offset, bytes)) return CL_INVALID_VALUE;
    OCL_TRY(check_wait_list(*queue->context, {count, events}));
    OCL_TRY(check_host_reads(*memory));
    auto work = host_work(bytes, [memory = Ref(memory), offset, bytes, to] {
        std::memmove(to, memory->data + offset, bytes);
        return CL_SUCCESS;
    });
    return enqueue(*queue, CL_COMMAND_READ_BUFFER, std::move(work), {count, events}, event,
                   blocking);
}
OCL_END

cl_int EnqueueWriteBuffer(cl_command_queue queue, cl_mem memory, cl_bool blocking, size_t offset,
                          size_t bytes, const void *from, cl_uint count, const cl_event *events,
                          cl_event *event)
try {
    OCL_TRY(check_queue(queue));
    OCL_TRY(check_memory(*queue->context, memory));
    if (!from || !memory->inside(offset, bytes)) return CL_INVALID_VALUE;
    OCL_TRY(check_wait_list(*queue->context, {count, events}));
    OCL_TRY(check_host_writes(*memory));
    auto work = host_work(bytes, [memory = Ref(memory), offset, bytes, from] {
        std::memmove(memory->data + offset, from, bytes);
        return CL_SUCCESS;
    });
    return enqueue(*queue, CL_COMMAND_WRITE_BUFFER, std::move(work), {count, events}, event,
                   blocking);
}
OCL_END

cl_int EnqueueCopyBuffer(cl_command_queue queue, cl_mem from, cl_mem to, size_t from_offset,
                         size_t to_offset, size_t bytes, cl_uint count, const cl_event *events,
                         cl_event *event)
try {
    OCL_TRY(check_queue(queue));
    OCL_TRY(check_wait_list(*queue->context, {count, events}));
    WorkMaker make;
    OCL_TRY(plan_copy(*queue->context, from, to, from_offset, to_offset, bytes, make));
    return enqueue(*queue, CL_COMMAND_COPY_BUFFER, make(), {count, events}, event);
}
OCL_END

cl_int EnqueueFillBuffer(cl_command_queue queue, cl_mem memory, const void *pattern,
                         size_t pattern_bytes, size_t offset, size_t bytes, cl_uint count,
                         const cl_event *events, cl_event *event)
try {
    OCL_TRY(check_queue(queue));
    OCL_TRY(check_wait_list(*queue->context, {count, events}));
    WorkMaker make;
    OCL_TRY(plan_fill(*queue->context, memory, pattern, pattern_bytes, offset, bytes, make));
    return enqueue(*queue, CL_COMMAND_FILL_BUFFER, make(), {count, events}, event);
}
OCL_END

// Memory is everywhere at once.
cl_int EnqueueMigrateMemObjects(cl_command_queue queue, cl_uint objects, const cl_mem *memory,
                                cl_mem_migration_flags flags, cl_uint count, const cl_event *events,
                                cl_event *event)
try {
    OCL_TRY(check_queue(queue));
    if (!objects || !memory) return CL_INVALID_VALUE;
    if (flags & ~cl_mem_migration_flags{CL_MIGRATE_MEM_OBJECT_HOST |
                                        CL_MIGRATE_MEM_OBJECT_CONTENT_UNDEFINED})
        return CL_INVALID_VALUE;
    for (cl_uint i = 0; i < objects; i++)
        OCL_TRY(check_memory(*queue->context, memory[i]));
    OCL_TRY(check_wait_list(*queue->context, {count, events}));
    return enqueue(*queue, CL_COMMAND_MIGRATE_MEM_OBJECTS, nullptr, {count, events}, event);
}
OCL_END

cl_int EnqueueNativeKernel(cl_command_queue queue, void(CL_CALLBACK *fn)(void *), void *arguments,
                           size_t bytes, cl_uint objects, const cl_mem *memory, const void **places,
                           cl_uint count, const cl_event *events, cl_event *event)
try {
    OCL_TRY(check_queue(queue));
    if (!fn || (!arguments && (bytes || objects)) || (arguments && !bytes) || !objects != !memory ||
        !objects != !places)
        return CL_INVALID_VALUE;
    std::vector<Ref<_cl_mem>> held;
    std::vector<char> kept(static_cast<const char *>(arguments),
                           static_cast<const char *>(arguments) + bytes);
    for (cl_uint i = 0; i < objects; i++) {
        if (memory[i]) OCL_TRY(check_memory(*queue->context, memory[i]));
        const auto at = static_cast<size_t>(static_cast<const char *>(places[i]) -
                                            static_cast<const char *>(arguments));
        if (at > bytes || bytes - at < sizeof(void *)) return CL_INVALID_VALUE;
        void *const data = memory[i] ? memory[i]->data : nullptr;
        std::memcpy(kept.data() + at, &data, sizeof data);
        if (memory[i]) held.emplace_back(memory[i]);
    }
    OCL_TRY(check_wait_list(*queue->context, {count, events}));
    auto work = host_work(0, [fn, kept = std::move(kept), held = std::move(held)]() mutable {
        fn(kept.empty() ? nullptr : kept.data());
        return CL_SUCCESS;
    });
    return enqueue(*queue, CL_COMMAND_NATIVE_KERNEL, std::move(work), {count, events}, event);
}
OCL_END

} // namespace api
} // namespace acc::ocl
