// SPDX-License-Identifier: MIT
//
// Mapping buffers. The memory is the host's already; only memory of the application's own
// (CL_MEM_USE_HOST_PTR) is copied to when it is mapped and from when it is unmapped.
#include "libacc/interop/opencl/api.h"
#include "libacc/interop/opencl/memory.h"
#include "libacc/interop/opencl/scheduler.h"

#include <algorithm>
#include <cstring>

namespace acc::ocl::api
{
namespace
{

// The application's memory is a copy.
bool has_copy(const _cl_mem &memory)
{
    return memory.host_pointer && !memory.is_svm;
}

// One that begins there, taken out. False: there is none.
bool take_map(_cl_mem &memory, const void *pointer, _cl_mem::Map &out)
{
    std::lock_guard lock(memory.mutex);
    const auto found = std::find_if(memory.maps.begin(), memory.maps.end(),
                                    [&](const _cl_mem::Map &m) { return m.pointer == pointer; });
    if (found == memory.maps.end()) return false;
    out = *found;
    memory.maps.erase(found);
    return true;
}

constexpr cl_map_flags kMapFlags = CL_MAP_READ | CL_MAP_WRITE | CL_MAP_WRITE_INVALIDATE_REGION;

} // namespace

void *EnqueueMapBuffer(cl_command_queue queue, cl_mem memory, cl_bool blocking, cl_map_flags flags,
                       size_t offset, size_t bytes, cl_uint count, const cl_event *events,
                       cl_event *event, cl_int *error)
try {
    OCL_TRY_CREATE(error, check_queue(queue));
    OCL_TRY_CREATE(error, check_memory(*queue->context, memory));
    OCL_TRY_CREATE(error, check_wait_list(*queue->context, {count, events}));
    if (!bytes || !memory->inside(offset, bytes) || (flags & ~kMapFlags) ||
        ((flags & CL_MAP_WRITE_INVALIDATE_REGION) && (flags & (CL_MAP_READ | CL_MAP_WRITE))))
        return fail(error, CL_INVALID_VALUE);
    if (flags & CL_MAP_READ) OCL_TRY_CREATE(error, check_host_reads(*memory));
    if (flags & (CL_MAP_WRITE | CL_MAP_WRITE_INVALIDATE_REGION))
        OCL_TRY_CREATE(error, check_host_writes(*memory));
    char *const base = has_copy(*memory) ? static_cast<char *>(memory->host_pointer) : memory->data;
    char *const pointer = base + offset;
    _cl_mem::Map map = {pointer, offset, bytes, flags};
    {
        std::lock_guard lock(memory->mutex);
        memory->maps.push_back(map);
    }
    const bool fetch = has_copy(*memory) && !(flags & CL_MAP_WRITE_INVALIDATE_REGION);
    auto work = host_work(fetch ? bytes : 0, [memory = Ref(memory), pointer, offset, bytes, fetch] {
        if (fetch) std::memcpy(pointer, memory->data + offset, bytes);
        return CL_SUCCESS;
    });
    const cl_int failed =
        enqueue(*queue, CL_COMMAND_MAP_BUFFER, std::move(work), {count, events}, event, blocking);
    if (failed) {
        (void)take_map(*memory, pointer, map);
        return fail(error, failed);
    }
    return succeed(error, static_cast<void *>(pointer));
}
OCL_END_CREATE(error)

cl_int EnqueueUnmapMemObject(cl_command_queue queue, cl_mem memory, void *pointer, cl_uint count,
                             const cl_event *events, cl_event *event)
try {
    OCL_TRY(check_queue(queue));
    OCL_TRY(check_memory(*queue->context, memory));
    OCL_TRY(check_wait_list(*queue->context, {count, events}));
    _cl_mem::Map map = {};
    if (!take_map(*memory, pointer, map)) return CL_INVALID_VALUE;
    const bool store = has_copy(*memory) && map.flags != CL_MAP_READ;
    auto work = host_work(store ? map.bytes : 0, [memory = Ref(memory), map, store] {
        if (store) std::memcpy(memory->data + map.offset, map.pointer, map.bytes);
        return CL_SUCCESS;
    });
    return enqueue(*queue, CL_COMMAND_UNMAP_MEM_OBJECT, std::move(work), {count, events}, event);
}
OCL_END

} // namespace acc::ocl::api
