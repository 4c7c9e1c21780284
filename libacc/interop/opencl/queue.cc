// SPDX-License-Identifier: MIT
//
// Command queues, and commands that only wait.
#include "libacc/interop/opencl/queue.h"

#include "libacc/interop/opencl/api.h"
#include "libacc/interop/opencl/info.h"
#include "libacc/interop/opencl/scheduler.h"

#include "acc/cl_ext_acc.h"

using namespace acc::ocl;

_cl_command_queue::_cl_command_queue(_cl_context *of, _cl_device_id *on,
                                     cl_command_queue_properties how,
                                     std::vector<cl_queue_properties> list, uint64_t timeout_ns)
    : context(of), device(on), properties(how), given(std::move(list)), lane(*of, timeout_ns)
{
    std::lock_guard lock(context->mutex);
    context->queues.push_back(this);
}

_cl_command_queue::~_cl_command_queue()
{
    std::lock_guard lock(context->mutex);
    std::erase(context->queues, this);
}

namespace acc::ocl::api
{
namespace
{

constexpr cl_command_queue_properties kHostProperties =
    CL_QUEUE_OUT_OF_ORDER_EXEC_MODE_ENABLE | CL_QUEUE_PROFILING_ENABLE;
constexpr cl_command_queue_properties kKnownProperties =
    kHostProperties | CL_QUEUE_ON_DEVICE | CL_QUEUE_ON_DEVICE_DEFAULT;
constexpr uint64_t kNsPerMs = 1'000'000;
constexpr uint64_t kMostTimeoutMs = 60'000;

cl_int check_properties(cl_command_queue_properties properties)
{
    if (properties & ~kKnownProperties) return CL_INVALID_VALUE;
    // Queues on the device are optional, and not here.
    return properties & ~kHostProperties ? CL_INVALID_QUEUE_PROPERTIES : CL_SUCCESS;
}

} // namespace

cl_command_queue CreateCommandQueueWithProperties(cl_context context, cl_device_id device,
                                                  const cl_queue_properties *given, cl_int *error)
try {
    if (!valid(context)) return fail(error, CL_INVALID_CONTEXT);
    if (!valid(device) || !context->has(device)) return fail(error, CL_INVALID_DEVICE);
    cl_command_queue_properties properties = 0;
    uint64_t timeout_ns = 0;
    std::vector<cl_queue_properties> kept;
    bool has_properties = false, has_timeout = false;
    if (given) {
        const cl_queue_properties *at = given;
        for (; *at; at += 2) {
            if (at[0] == CL_QUEUE_PROPERTIES && !has_properties) {
                has_properties = true;
                properties = at[1];
                OCL_TRY_CREATE(error, check_properties(properties));
            } else if (at[0] == CL_QUEUE_TIMEOUT_MS_ACC && !has_timeout) {
                has_timeout = true;
                if (!at[1] || at[1] > kMostTimeoutMs) return fail(error, CL_INVALID_VALUE);
                timeout_ns = at[1] * kNsPerMs;
            } else if (at[0] == CL_QUEUE_SIZE) {
                return fail(error, CL_INVALID_VALUE); // of a queue on the device alone
            } else {
                return fail(error, CL_INVALID_VALUE);
            }
        }
        kept.assign(given, at + 1);
    }
    return succeed(error,
                   new _cl_command_queue(context, device, properties, std::move(kept), timeout_ns));
}
OCL_END_CREATE(error)

cl_command_queue CreateCommandQueue(cl_context context, cl_device_id device,
                                    cl_command_queue_properties properties, cl_int *error)
try {
    if (!valid(context)) return fail(error, CL_INVALID_CONTEXT);
    if (!valid(device) || !context->has(device)) return fail(error, CL_INVALID_DEVICE);
    if (properties & ~kHostProperties) return fail(error, CL_INVALID_VALUE);
    return succeed(error, new _cl_command_queue(context, device, properties, {}, 0));
}
OCL_END_CREATE(error)

cl_int SetCommandQueueProperty(cl_command_queue queue, cl_command_queue_properties properties,
                               cl_bool, cl_command_queue_properties *)
{
    if (!valid(queue)) return CL_INVALID_COMMAND_QUEUE;
    if (properties & ~kHostProperties) return CL_INVALID_VALUE;
    return CL_INVALID_OPERATION; // gone since OpenCL 1.1
}

cl_int SetDefaultDeviceCommandQueue(cl_context context, cl_device_id device, cl_command_queue)
{
    if (!valid(context)) return CL_INVALID_CONTEXT;
    if (!valid(device) || !context->has(device)) return CL_INVALID_DEVICE;
    return CL_INVALID_OPERATION; // no queues on the device
}

cl_int RetainCommandQueue(cl_command_queue queue)
{
    if (!valid(queue)) return CL_INVALID_COMMAND_QUEUE;
    queue->retain();
    return CL_SUCCESS;
}

cl_int ReleaseCommandQueue(cl_command_queue queue)
{
    if (!valid(queue)) return CL_INVALID_COMMAND_QUEUE;
    if (forked()) return CL_SUCCESS;
    // What is in flight goes on, and nobody is left who would ask.
    queue->release([queue] {
        Pump pump(*queue->context);
        queue->lane.watch_all();
    });
    return CL_SUCCESS;
}

cl_int GetCommandQueueInfo(cl_command_queue queue, cl_command_queue_info what, size_t room,
                           void *value, size_t *needed)
try {
    if (!valid(queue)) return CL_INVALID_COMMAND_QUEUE;
    const Info info(room, value, needed);
    switch (what) {
    case CL_QUEUE_CONTEXT:
        return info.value<cl_context>(queue->context.get());
    case CL_QUEUE_DEVICE:
        return info.value<cl_device_id>(queue->device.get());
    case CL_QUEUE_REFERENCE_COUNT:
        return info.as<cl_uint>(queue->users());
    case CL_QUEUE_PROPERTIES:
        return info.value<cl_command_queue_properties>(queue->properties);
    case CL_QUEUE_PROPERTIES_ARRAY:
        return info.list(queue->given);
    case CL_QUEUE_SIZE:
        return CL_INVALID_COMMAND_QUEUE; // of a queue on the device alone
    case CL_QUEUE_DEVICE_DEFAULT:
        return info.value<cl_command_queue>(nullptr);
    default:
        return CL_INVALID_VALUE;
    }
}
OCL_END

// Commands are submitted when they are enqueued, or when what they wait for is over.
cl_int Flush(cl_command_queue queue)
{
    return check_queue(queue);
}

cl_int Finish(cl_command_queue queue)
try {
    OCL_TRY(check_queue(queue));
    Pump pump(*queue->context);
    pump.may_take_long();
    if (!queue->last) return CL_SUCCESS;
    // Those that were enqueued before; in the list they have their order. One that failed may be
    // over before those that it came behind.
    const uint64_t last = queue->last->serial;
    if (queue->in_order()) pump.wait(*Ref(queue->last));
    while (queue->first && queue->first->serial <= last)
        pump.wait(*Ref(queue->first));
    return CL_SUCCESS;
}
OCL_END

cl_int EnqueueMarkerWithWaitList(cl_command_queue queue, cl_uint count, const cl_event *events,
                                 cl_event *event)
try {
    OCL_TRY(check_queue(queue));
    OCL_TRY(check_wait_list(*queue->context, {count, events}));
    return enqueue(*queue, CL_COMMAND_MARKER, nullptr, {count, events}, event, false,
                   Order::Marker);
}
OCL_END

cl_int EnqueueBarrierWithWaitList(cl_command_queue queue, cl_uint count, const cl_event *events,
                                  cl_event *event)
try {
    OCL_TRY(check_queue(queue));
    OCL_TRY(check_wait_list(*queue->context, {count, events}));
    return enqueue(*queue, CL_COMMAND_BARRIER, nullptr, {count, events}, event, false,
                   Order::Barrier);
}
OCL_END

cl_int EnqueueMarker(cl_command_queue queue, cl_event *event)
try {
    OCL_TRY(check_queue(queue));
    if (!event) return CL_INVALID_VALUE;
    return enqueue(*queue, CL_COMMAND_MARKER, nullptr, {0, nullptr}, event, false, Order::Marker);
}
OCL_END

cl_int EnqueueBarrier(cl_command_queue queue)
{
    return EnqueueBarrierWithWaitList(queue, 0, nullptr, nullptr);
}

cl_int EnqueueWaitForEvents(cl_command_queue queue, cl_uint count, const cl_event *events)
try {
    OCL_TRY(check_queue(queue));
    if (!count || !events) return CL_INVALID_VALUE;
    for (cl_uint i = 0; i < count; i++) {
        if (!valid(events[i])) return CL_INVALID_EVENT;
        if (events[i]->context.get() != queue->context.get()) return CL_INVALID_CONTEXT;
    }
    return enqueue(*queue, CL_COMMAND_BARRIER, nullptr, {count, events}, nullptr, false,
                   Order::Barrier);
}
OCL_END

} // namespace acc::ocl::api
