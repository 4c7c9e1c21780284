// SPDX-License-Identifier: MIT
//
// cl_khr_command_buffer (version 0.9): lists of commands that are checked and bound to their
// arguments when they are recorded. Enqueueing one puts all of its launches into the queue's ring.
//
// In an in-order queue each command is told to wait for the one before, so that an error ends the
// rest; the event of the last one is the command buffer's. In an out-of-order queue commands wait
// for their sync points and barriers, and a marker behind all of them is the command buffer's.
#include "libacc/interop/opencl/api.h"
#include "libacc/interop/opencl/extensions.h"
#include "libacc/interop/opencl/info.h"
#include "libacc/interop/opencl/ndrange.h"
#include "libacc/interop/opencl/scheduler.h"
#include "libacc/interop/opencl/transfer.h"

#include <algorithm>
#include <iterator>
#include <new>

using namespace acc::ocl;

namespace acc::ocl
{
namespace
{

struct Recorded {
    cl_command_type type = 0;
    std::function<std::unique_ptr<Work>(cl_int &)> make; // none: a barrier
    std::vector<cl_sync_point_khr> waits;
};

using Properties = std::vector<cl_command_buffer_properties_khr>;

} // namespace
} // namespace acc::ocl

// Thread safety: `mutex` guards what recording and enqueueing change.
struct _cl_command_buffer_khr final : acc::ocl::Object<_cl_command_buffer_khr> {
    static constexpr uint32_t kMagic = 0x434d4442;

    _cl_command_buffer_khr(_cl_command_queue *on, Properties given, bool again)
        : queue(on), properties(std::move(given)), is_simultaneous(again)
    {
    }

    const Ref<_cl_command_queue> queue;
    const Properties properties;
    const bool is_simultaneous;

    std::mutex mutex;
    bool is_final = false;
    std::vector<Recorded> commands;        // sync point n is of command n - 1
    std::vector<Ref<_cl_event>> in_flight; // of what was enqueued
};

namespace acc::ocl
{
namespace
{

using Buffer = _cl_command_buffer_khr;

cl_command_buffer_khr CL_API_CALL create(cl_uint count, const cl_command_queue *queues,
                                         const cl_command_buffer_properties_khr *given,
                                         cl_int *error)
try {
    if (count != 1 || !queues) return fail(error, CL_INVALID_VALUE);
    OCL_TRY_CREATE(error, check_queue(queues[0]));
    Properties kept;
    cl_command_buffer_flags_khr flags = 0;
    if (given) {
        const auto *at = given;
        for (; *at; at += 2) {
            if (at[0] != CL_COMMAND_BUFFER_FLAGS_KHR || at != given)
                return fail(error, CL_INVALID_PROPERTY);
            flags = at[1];
            if (flags & ~cl_command_buffer_flags_khr{CL_COMMAND_BUFFER_SIMULTANEOUS_USE_KHR})
                return fail(error, CL_INVALID_VALUE);
        }
        kept.assign(given, at + 1);
    }
    return succeed(error, new Buffer(queues[0], std::move(kept),
                                     flags & CL_COMMAND_BUFFER_SIMULTANEOUS_USE_KHR));
}
OCL_END_CREATE(error)

cl_int CL_API_CALL retain_buffer(cl_command_buffer_khr buffer)
{
    if (!valid(buffer)) return CL_INVALID_COMMAND_BUFFER_KHR;
    buffer->retain();
    return CL_SUCCESS;
}

cl_int CL_API_CALL release_buffer(cl_command_buffer_khr buffer)
{
    if (!valid(buffer)) return CL_INVALID_COMMAND_BUFFER_KHR;
    buffer->release();
    return CL_SUCCESS;
}

cl_int CL_API_CALL finalize(cl_command_buffer_khr buffer)
{
    if (!valid(buffer)) return CL_INVALID_COMMAND_BUFFER_KHR;
    std::lock_guard lock(buffer->mutex);
    if (buffer->is_final) return CL_INVALID_OPERATION;
    buffer->is_final = true;
    return CL_SUCCESS;
}

// -------------------------------------------------------------------- recording

struct Points {
    cl_uint count;
    const cl_sync_point_khr *list;
    cl_sync_point_khr *out;
    cl_mutable_command_khr *handle;
};

// What all functions that record refuse alike. Nothing is recorded for another queue than the
// buffer's own, which goes unnamed; commands are not mutable.
cl_int check_recording(cl_command_buffer_khr buffer, cl_command_queue queue)
{
    if (!valid(buffer)) return CL_INVALID_COMMAND_BUFFER_KHR;
    if (queue) return CL_INVALID_COMMAND_QUEUE;
    return forked() ? CL_OUT_OF_RESOURCES : CL_SUCCESS;
}

cl_int record(Buffer &buffer, Recorded recorded, const Points &points)
{
    if (points.handle) return CL_INVALID_VALUE;
    std::lock_guard lock(buffer.mutex);
    if (buffer.is_final) return CL_INVALID_OPERATION;
    if (!points.count != !points.list) return CL_INVALID_SYNC_POINT_WAIT_LIST_KHR;
    for (cl_uint i = 0; i < points.count; i++)
        if (!points.list[i] || points.list[i] > buffer.commands.size())
            return CL_INVALID_SYNC_POINT_WAIT_LIST_KHR;
    recorded.waits.assign(points.list, points.list + points.count);
    buffer.commands.push_back(std::move(recorded));
    if (points.out) *points.out = static_cast<cl_sync_point_khr>(buffer.commands.size());
    return CL_SUCCESS;
}

cl_int record_work(Buffer &buffer, cl_command_type type, WorkMaker make, const Points &points)
{
    Recorded recorded;
    recorded.type = type;
    recorded.make = [make = std::move(make)](cl_int &) { return make(); };
    return record(buffer, std::move(recorded), points);
}

cl_int CL_API_CALL barrier(cl_command_buffer_khr buffer, cl_command_queue queue, cl_uint count,
                           const cl_sync_point_khr *list, cl_sync_point_khr *out,
                           cl_mutable_command_khr *handle)
try {
    OCL_TRY(check_recording(buffer, queue));
    Recorded recorded;
    recorded.type = CL_COMMAND_BARRIER;
    return record(*buffer, std::move(recorded), {count, list, out, handle});
}
OCL_END

cl_int CL_API_CALL copy_buffer(cl_command_buffer_khr buffer, cl_command_queue queue, cl_mem from,
                               cl_mem to, size_t from_offset, size_t to_offset, size_t bytes,
                               cl_uint count, const cl_sync_point_khr *list, cl_sync_point_khr *out,
                               cl_mutable_command_khr *handle)
try {
    OCL_TRY(check_recording(buffer, queue));
    WorkMaker make;
    OCL_TRY(plan_copy(*buffer->queue->context, from, to, from_offset, to_offset, bytes, make));
    return record_work(*buffer, CL_COMMAND_COPY_BUFFER, std::move(make),
                       {count, list, out, handle});
}
OCL_END

cl_int CL_API_CALL copy_rect(cl_command_buffer_khr buffer, cl_command_queue queue, cl_mem from,
                             cl_mem to, const size_t *from_origin, const size_t *to_origin,
                             const size_t *region, size_t from_row, size_t from_slice,
                             size_t to_row, size_t to_slice, cl_uint count,
                             const cl_sync_point_khr *list, cl_sync_point_khr *out,
                             cl_mutable_command_khr *handle)
try {
    OCL_TRY(check_recording(buffer, queue));
    WorkMaker make;
    OCL_TRY(plan_copy_rect(*buffer->queue->context, from, to, {from_origin, from_row, from_slice},
                           {to_origin, to_row, to_slice}, region, make));
    return record_work(*buffer, CL_COMMAND_COPY_BUFFER_RECT, std::move(make),
                       {count, list, out, handle});
}
OCL_END

cl_int CL_API_CALL fill_buffer(cl_command_buffer_khr buffer, cl_command_queue queue, cl_mem memory,
                               const void *pattern, size_t pattern_bytes, size_t offset,
                               size_t bytes, cl_uint count, const cl_sync_point_khr *list,
                               cl_sync_point_khr *out, cl_mutable_command_khr *handle)
try {
    OCL_TRY(check_recording(buffer, queue));
    WorkMaker make;
    OCL_TRY(
        plan_fill(*buffer->queue->context, memory, pattern, pattern_bytes, offset, bytes, make));
    return record_work(*buffer, CL_COMMAND_FILL_BUFFER, std::move(make),
                       {count, list, out, handle});
}
OCL_END

// The kernel's arguments are those of now.
cl_int CL_API_CALL ndrange(cl_command_buffer_khr buffer, cl_command_queue queue,
                           const cl_ndrange_kernel_command_properties_khr *properties,
                           cl_kernel kernel, cl_uint dimensions, const size_t *offset,
                           const size_t *global, const size_t *local, cl_uint count,
                           const cl_sync_point_khr *list, cl_sync_point_khr *out,
                           cl_mutable_command_khr *handle)
try {
    OCL_TRY(check_recording(buffer, queue));
    if (properties && *properties) return CL_INVALID_VALUE;
    const _cl_command_queue &on = *buffer->queue;
    Range range;
    OCL_TRY(check_enqueue(on, kernel, dimensions, offset, global, local, range));
    std::vector<Ref<_cl_mem>> memory;
    for (cl_mem object : kernel->objects)
        if (object) memory.emplace_back(object);
    Recorded recorded;
    recorded.type = CL_COMMAND_NDRANGE_KERNEL;
    recorded.make = [copy = Ref<_cl_kernel>::adopt(new _cl_kernel(*kernel, 0)),
                     memory = std::move(memory),
                     range](cl_int &error) { return kernel_work(*copy, range, error); };
    return record(*buffer, std::move(recorded), {count, list, out, handle});
}
OCL_END

// No images exist that these could be given.
cl_int no_images(cl_command_buffer_khr buffer, cl_command_queue queue)
{
    OCL_TRY(check_recording(buffer, queue));
    return CL_INVALID_OPERATION;
}

cl_int CL_API_CALL copy_buffer_to_image(cl_command_buffer_khr buffer, cl_command_queue queue,
                                        cl_mem, cl_mem, size_t, const size_t *, const size_t *,
                                        cl_uint, const cl_sync_point_khr *, cl_sync_point_khr *,
                                        cl_mutable_command_khr *)
{
    return no_images(buffer, queue);
}

cl_int CL_API_CALL copy_image(cl_command_buffer_khr buffer, cl_command_queue queue, cl_mem, cl_mem,
                              const size_t *, const size_t *, const size_t *, cl_uint,
                              const cl_sync_point_khr *, cl_sync_point_khr *,
                              cl_mutable_command_khr *)
{
    return no_images(buffer, queue);
}

cl_int CL_API_CALL copy_image_to_buffer(cl_command_buffer_khr buffer, cl_command_queue queue,
                                        cl_mem, cl_mem, const size_t *, const size_t *, size_t,
                                        cl_uint, const cl_sync_point_khr *, cl_sync_point_khr *,
                                        cl_mutable_command_khr *)
{
    return no_images(buffer, queue);
}

cl_int CL_API_CALL fill_image(cl_command_buffer_khr buffer, cl_command_queue queue, cl_mem,
                              const void *, const size_t *, const size_t *, cl_uint,
                              const cl_sync_point_khr *, cl_sync_point_khr *,
                              cl_mutable_command_khr *)
{
    return no_images(buffer, queue);
}

// ------------------------------------------------------------------- enqueueing

// Under the buffer's mutex.
bool is_pending(Buffer &buffer)
{
    auto &all = buffer.in_flight;
    if (!all.empty() && !forked()) {
        Pump pump(*buffer.queue->context);
        for (const Ref<_cl_event> &event : all)
            if (!event->is_over()) pump.poll(*event);
    }
    std::erase_if(all, [](const Ref<_cl_event> &event) { return event->is_over(); });
    return !all.empty();
}

// An event that enqueue() gave out.
Ref<_cl_event> take(cl_event event)
{
    const Ref<_cl_event> kept(event);
    (void)api::ReleaseEvent(event);
    return kept;
}

using Works = std::vector<std::unique_ptr<Work>>;

cl_int enqueue_in_order(_cl_command_queue &queue, const std::vector<Recorded> &commands,
                        Works works, WaitList list, Ref<_cl_event> &last)
{
    std::vector<size_t> order; // what is no barrier, for all of them are
    for (size_t i = 0; i < commands.size(); i++)
        if (commands[i].make) order.push_back(i);
    if (order.empty()) {
        cl_event event = nullptr;
        OCL_TRY(enqueue(queue, CL_COMMAND_COMMAND_BUFFER_KHR, nullptr, list, &event));
        last = take(event);
    }
    for (const size_t i : order) {
        const cl_event before = last.get();
        cl_event event = nullptr;
        OCL_TRY(enqueue(queue,
                        i == order.back() ? cl_command_type{CL_COMMAND_COMMAND_BUFFER_KHR}
                                          : commands[i].type,
                        std::move(works[i]), before ? WaitList{1, &before} : list, &event));
        last = take(event);
    }
    return CL_SUCCESS;
}

cl_int enqueue_unordered(_cl_command_queue &queue, const std::vector<Recorded> &commands,
                         Works works, WaitList list, std::vector<Ref<_cl_event>> &all,
                         Ref<_cl_event> &last)
{
    std::vector<cl_event> behind(list.events, list.events + list.count);
    const size_t given = behind.size();
    const auto wait_list = [](const std::vector<cl_event> &events) {
        return WaitList{static_cast<cl_uint>(events.size()),
                        events.empty() ? nullptr : events.data()};
    };
    for (size_t i = 0; i < commands.size(); i++) {
        std::vector<cl_event> waits = behind;
        for (const cl_sync_point_khr point : commands[i].waits)
            waits.push_back(all[point - 1].get());
        const bool is_barrier = !commands[i].make;
        if (is_barrier && commands[i].waits.empty())
            for (const Ref<_cl_event> &one : all)
                waits.push_back(one.get());
        cl_event event = nullptr;
        OCL_TRY(enqueue(queue, commands[i].type, std::move(works[i]), wait_list(waits), &event));
        all.push_back(take(event));
        if (is_barrier) {
            behind.resize(given);
            behind.push_back(all.back().get());
        }
    }
    std::vector<cl_event> everything = behind;
    for (const Ref<_cl_event> &one : all)
        everything.push_back(one.get());
    cl_event event = nullptr;
    OCL_TRY(enqueue(queue, CL_COMMAND_COMMAND_BUFFER_KHR, nullptr, wait_list(everything), &event));
    last = take(event);
    return CL_SUCCESS;
}

cl_int CL_API_CALL enqueue_buffer(cl_uint queues, cl_command_queue *given,
                                  cl_command_buffer_khr buffer, cl_uint count,
                                  const cl_event *events, cl_event *out)
try {
    if (!valid(buffer)) return CL_INVALID_COMMAND_BUFFER_KHR;
    if (!queues != !given || queues > 1) return CL_INVALID_VALUE;
    _cl_command_queue *const queue = given ? given[0] : buffer->queue.get();
    OCL_TRY(check_queue(queue));
    if (queue->context.get() != buffer->queue->context.get()) return CL_INVALID_CONTEXT;
    if (queue->device.get() != buffer->queue->device.get() ||
        queue->properties != buffer->queue->properties)
        return CL_INCOMPATIBLE_COMMAND_QUEUE_KHR;
    const WaitList list = {count, events};
    OCL_TRY(check_wait_list(*queue->context, list));
    std::lock_guard lock(buffer->mutex);
    if (!buffer->is_final) return CL_INVALID_OPERATION;
    const bool pending = is_pending(*buffer);
    if (pending && !buffer->is_simultaneous) return CL_INVALID_OPERATION;
    Works works;
    for (const Recorded &command : buffer->commands) {
        cl_int error = CL_SUCCESS;
        works.push_back(command.make ? command.make(error) : nullptr);
        if (error) return error;
    }
    std::vector<Ref<_cl_event>> all;
    Ref<_cl_event> last;
    all.reserve(buffer->commands.size());
    buffer->in_flight.reserve(buffer->in_flight.size() + buffer->commands.size() + 1);
    cl_int error = CL_OUT_OF_HOST_MEMORY;
    try {
        error =
            queue->in_order()
                ? enqueue_in_order(*queue, buffer->commands, std::move(works), list, last)
                : enqueue_unordered(*queue, buffer->commands, std::move(works), list, all, last);
    } catch (const std::bad_alloc &) {
    }
    // What was sent before something failed is under way.
    if (error) std::move(all.begin(), all.end(), std::back_inserter(buffer->in_flight));
    if (last) buffer->in_flight.push_back(last);
    if (error) return error;
    if (out) {
        last->retain();
        last->ref();
        *out = last.get();
    }
    return CL_SUCCESS;
}
OCL_END

cl_int CL_API_CALL info_of(cl_command_buffer_khr buffer, cl_command_buffer_info_khr what,
                           size_t room, void *value, size_t *needed)
try {
    if (!valid(buffer)) return CL_INVALID_COMMAND_BUFFER_KHR;
    const Info info(room, value, needed);
    switch (what) {
    case CL_COMMAND_BUFFER_NUM_QUEUES_KHR:
        return info.as<cl_uint>(1);
    case CL_COMMAND_BUFFER_QUEUES_KHR:
        return info.value<cl_command_queue>(buffer->queue.get());
    case CL_COMMAND_BUFFER_REFERENCE_COUNT_KHR:
        return info.as<cl_uint>(buffer->users());
    case CL_COMMAND_BUFFER_STATE_KHR: {
        std::lock_guard lock(buffer->mutex);
        return info.as<cl_command_buffer_state_khr>(
            !buffer->is_final     ? CL_COMMAND_BUFFER_STATE_RECORDING_KHR
            : is_pending(*buffer) ? CL_COMMAND_BUFFER_STATE_PENDING_KHR
                                  : CL_COMMAND_BUFFER_STATE_EXECUTABLE_KHR);
    }
    case CL_COMMAND_BUFFER_PROPERTIES_ARRAY_KHR:
        return info.list(buffer->properties);
    default:
        return CL_INVALID_VALUE;
    }
}
OCL_END

} // namespace

std::span<const ExtensionEntry> command_buffer_functions()
{
    static const ExtensionEntry entries[] = {
        extension("clCreateCommandBufferKHR", create),
        extension("clRetainCommandBufferKHR", retain_buffer),
        extension("clReleaseCommandBufferKHR", release_buffer),
        extension("clFinalizeCommandBufferKHR", finalize),
        extension("clEnqueueCommandBufferKHR", enqueue_buffer),
        extension("clCommandBarrierWithWaitListKHR", barrier),
        extension("clCommandCopyBufferKHR", copy_buffer),
        extension("clCommandCopyBufferRectKHR", copy_rect),
        extension("clCommandCopyBufferToImageKHR", copy_buffer_to_image),
        extension("clCommandCopyImageKHR", copy_image),
        extension("clCommandCopyImageToBufferKHR", copy_image_to_buffer),
        extension("clCommandFillBufferKHR", fill_buffer),
        extension("clCommandFillImageKHR", fill_image),
        extension("clCommandNDRangeKernelKHR", ndrange),
        extension("clGetCommandBufferInfoKHR", info_of),
    };
    return entries;
}

} // namespace acc::ocl
