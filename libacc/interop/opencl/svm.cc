// SPDX-License-Identifier: MIT
//
// Shared virtual memory: blocks and the commands on them.
#include "libacc/interop/opencl/svm.h"

#include "libacc/interop/opencl/api.h"
#include "libacc/interop/opencl/memory.h"
#include "libacc/interop/opencl/scheduler.h"

#include <bit>
#include <cstring>

namespace acc::ocl
{

SvmBlocks::~SvmBlocks()
{
    for (const auto &[start, block] : blocks_)
        (void)acc_buffer_destroy(block.buffer);
}

void *SvmBlocks::add(Block block)
{
    // Buffers begin at a page.
    block.buffer = make_buffer(block.bytes);
    if (!block.buffer) return nullptr;
    void *const address = acc_buffer_data(block.buffer);
    block.start = reinterpret_cast<uintptr_t>(address);
    std::lock_guard lock(mutex_);
    blocks_.emplace(block.start, block);
    return address;
}

bool SvmBlocks::remove(const void *address)
{
    acc_buffer *buffer = nullptr;
    {
        std::lock_guard lock(mutex_);
        const auto found = blocks_.find(reinterpret_cast<uintptr_t>(address));
        if (found == blocks_.end()) return false;
        buffer = found->second.buffer;
        blocks_.erase(found);
    }
    (void)acc_buffer_destroy(buffer);
    return true;
}

std::optional<SvmBlocks::Block> SvmBlocks::find(const void *address) const
{
    const auto at = reinterpret_cast<uintptr_t>(address);
    std::lock_guard lock(mutex_);
    auto next = blocks_.upper_bound(at);
    if (next == blocks_.begin()) return {};
    const Block &block = std::prev(next)->second;
    if (at - block.start >= block.bytes) return {};
    return block;
}

bool SvmBlocks::holds(const void *address, size_t bytes) const
{
    const auto block = find(address);
    return block && bytes <= block->bytes - (reinterpret_cast<uintptr_t>(address) - block->start);
}

static cl_int check_command(const _cl_command_queue *queue, WaitList list)
{
    OCL_TRY(check_queue(queue));
    return check_wait_list(*queue->context, list);
}

cl_int enqueue_fill(cl_command_queue queue, cl_command_type command, void *to, const void *pattern,
                    size_t pattern_bytes, size_t bytes, WaitList list, cl_event *event)
{
    OCL_TRY(check_command(queue, list));
    if (!to || !pattern || !std::has_single_bit(pattern_bytes) || pattern_bytes > 128 ||
        reinterpret_cast<uintptr_t>(to) % pattern_bytes || bytes % pattern_bytes)
        return CL_INVALID_VALUE;
    std::vector<char> kept(pattern_bytes);
    std::memcpy(kept.data(), pattern, pattern_bytes);
    auto work = host_work(bytes, [to, kept = std::move(kept), bytes] {
        fill_memory(static_cast<char *>(to), bytes, kept.data(), kept.size());
        return CL_SUCCESS;
    });
    return enqueue(*queue, command, std::move(work), list, event);
}

cl_int enqueue_copy(cl_command_queue queue, cl_command_type command, cl_bool blocking, void *to,
                    const void *from, size_t bytes, WaitList list, cl_event *event)
{
    OCL_TRY(check_command(queue, list));
    if (!to || !from) return CL_INVALID_VALUE;
    const auto *source = static_cast<const char *>(from);
    auto *target = static_cast<char *>(to);
    if (source < target + bytes && target < source + bytes) return CL_MEM_COPY_OVERLAP;
    auto work = host_work(bytes, [source, target, bytes] {
        std::memcpy(target, source, bytes);
        return CL_SUCCESS;
    });
    return enqueue(*queue, command, std::move(work), list, event, blocking);
}

namespace api
{
namespace
{

constexpr size_t kMostAlign = 4096;

} // namespace

void *SVMAlloc(cl_context context, cl_svm_mem_flags flags, size_t bytes, cl_uint alignment)
try {
    constexpr cl_svm_mem_flags access = CL_MEM_READ_WRITE | CL_MEM_WRITE_ONLY | CL_MEM_READ_ONLY;
    if (!valid(context) || forked()) return nullptr;
    // Fine-grained buffers and atomics are optional, and not here.
    if ((flags & ~access) || std::popcount(flags & access) > 1) return nullptr;
    if (!bytes || bytes > max_allocation()) return nullptr;
    if (alignment && (!std::has_single_bit(alignment) || alignment > kMostAlign)) return nullptr;
    SvmBlocks::Block block;
    block.bytes = bytes;
    block.flags = flags ? flags : CL_MEM_READ_WRITE;
    return context->svm.add(block);
} catch (const std::bad_alloc &) {
    return nullptr;
}

void SVMFree(cl_context context, void *pointer)
{
    if (valid(context) && pointer) (void)context->svm.remove(pointer);
}

cl_int EnqueueSVMFree(cl_command_queue queue, cl_uint pointers, void *list[],
                      void(CL_CALLBACK *fn)(cl_command_queue, cl_uint, void *[], void *),
                      void *user, cl_uint count, const cl_event *events, cl_event *event)
try {
    OCL_TRY(check_queue(queue));
    if (!pointers != !list) return CL_INVALID_VALUE;
    for (cl_uint i = 0; i < pointers; i++)
        if (!list[i]) return CL_INVALID_VALUE;
    OCL_TRY(check_wait_list(*queue->context, {count, events}));
    // The queue outlives the command, which holds it.
    auto work = host_work(
        0, [queue, kept = std::vector<void *>(list, list + pointers), fn, user]() mutable {
            if (fn) {
                fn(queue, static_cast<cl_uint>(kept.size()), kept.data(), user);
            } else {
                for (const void *pointer : kept)
                    (void)queue->context->svm.remove(pointer);
            }
            return CL_SUCCESS;
        });
    return enqueue(*queue, CL_COMMAND_SVM_FREE, std::move(work), {count, events}, event);
}
OCL_END

cl_int EnqueueSVMMemcpy(cl_command_queue queue, cl_bool blocking, void *to, const void *from,
                        size_t bytes, cl_uint count, const cl_event *events, cl_event *event)
try {
    return enqueue_copy(queue, CL_COMMAND_SVM_MEMCPY, blocking, to, from, bytes, {count, events},
                        event);
}
OCL_END

cl_int EnqueueSVMMemFill(cl_command_queue queue, void *to, const void *pattern,
                         size_t pattern_bytes, size_t bytes, cl_uint count, const cl_event *events,
                         cl_event *event)
try {
    return enqueue_fill(queue, CL_COMMAND_SVM_MEMFILL, to, pattern, pattern_bytes, bytes,
                        {count, events}, event);
}
OCL_END

cl_int EnqueueSVMMap(cl_command_queue queue, cl_bool blocking, cl_map_flags flags, void *pointer,
                     size_t bytes, cl_uint count, const cl_event *events, cl_event *event)
try {
    OCL_TRY(check_command(queue, {count, events}));
    constexpr cl_map_flags known = CL_MAP_READ | CL_MAP_WRITE | CL_MAP_WRITE_INVALIDATE_REGION;
    if (!pointer || !bytes || (flags & ~known)) return CL_INVALID_VALUE;
    return enqueue(*queue, CL_COMMAND_SVM_MAP, nullptr, {count, events}, event, blocking);
}
OCL_END

cl_int EnqueueSVMUnmap(cl_command_queue queue, void *pointer, cl_uint count, const cl_event *events,
                       cl_event *event)
try {
    OCL_TRY(check_command(queue, {count, events}));
    if (!pointer) return CL_INVALID_VALUE;
    return enqueue(*queue, CL_COMMAND_SVM_UNMAP, nullptr, {count, events}, event);
}
OCL_END

cl_int EnqueueSVMMigrateMem(cl_command_queue queue, cl_uint pointers, const void **list,
                            const size_t *sizes, cl_mem_migration_flags flags, cl_uint count,
                            const cl_event *events, cl_event *event)
try {
    OCL_TRY(check_queue(queue));
    if (!pointers || !list) return CL_INVALID_VALUE;
    if (flags & ~cl_mem_migration_flags{CL_MIGRATE_MEM_OBJECT_HOST |
                                        CL_MIGRATE_MEM_OBJECT_CONTENT_UNDEFINED})
        return CL_INVALID_VALUE;
    for (cl_uint i = 0; i < pointers; i++)
        if (!queue->context->svm.holds(list[i], sizes ? sizes[i] : 0)) return CL_INVALID_VALUE;
    OCL_TRY(check_wait_list(*queue->context, {count, events}));
    return enqueue(*queue, CL_COMMAND_SVM_MIGRATE_MEM, nullptr, {count, events}, event);
}
OCL_END

} // namespace api
} // namespace acc::ocl
