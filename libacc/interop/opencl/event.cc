// SPDX-License-Identifier: MIT
//
// Events: what an application asks of them and sets.
#include "libacc/interop/opencl/event.h"

#include "libacc/interop/opencl/api.h"
#include "libacc/interop/opencl/info.h"
#include "libacc/interop/opencl/scheduler.h"

#include <ctime>

using namespace acc::ocl;

uint64_t acc::ocl::clock_ns()
{
    timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return static_cast<uint64_t>(now.tv_sec) * 1'000'000'000 + static_cast<uint64_t>(now.tv_nsec);
}

_cl_event::_cl_event(_cl_context *of, _cl_command_queue *in, cl_command_type what,
                     std::unique_ptr<Work> does)
    : context(of), queue(in), type(what), timed(in && (in->properties & CL_QUEUE_PROFILING_ENABLE)),
      status(in ? CL_QUEUED : CL_SUBMITTED), work(std::move(does)),
      queued_ns(timed ? clock_ns() : 0)
{
}

_cl_event::~_cl_event() = default;

namespace acc::ocl::api
{

cl_event CreateUserEvent(cl_context context, cl_int *error)
try {
    if (!valid(context)) return fail(error, CL_INVALID_CONTEXT);
    return succeed(error, new _cl_event(context, nullptr, CL_COMMAND_USER, nullptr));
}
OCL_END_CREATE(error)

cl_int SetUserEventStatus(cl_event event, cl_int status)
try {
    if (!valid(event) || !event->is_user()) return CL_INVALID_EVENT;
    if (status > CL_COMPLETE) return CL_INVALID_VALUE;
    Pump pump(*event->context);
    if (event->user_set) return CL_INVALID_OPERATION;
    event->user_set = true;
    pump.complete(*event, status);
    pump.work();
    return CL_SUCCESS;
}
OCL_END

cl_int RetainEvent(cl_event event)
{
    if (!valid(event)) return CL_INVALID_EVENT;
    event->retain();
    return CL_SUCCESS;
}

cl_int ReleaseEvent(cl_event event)
{
    if (!valid(event)) return CL_INVALID_EVENT;
    event->release();
    return CL_SUCCESS;
}

cl_int WaitForEvents(cl_uint count, const cl_event *events)
try {
    if (!count || !events) return CL_INVALID_VALUE;
    for (cl_uint i = 0; i < count; i++) {
        if (!valid(events[i])) return CL_INVALID_EVENT;
        if (events[i]->context.get() != events[0]->context.get()) return CL_INVALID_CONTEXT;
    }
    if (forked()) return CL_OUT_OF_RESOURCES;
    Pump pump(*events[0]->context);
    pump.may_take_long();
    cl_int result = CL_SUCCESS;
    for (cl_uint i = 0; i < count; i++) {
        pump.wait(*events[i]);
        if (events[i]->status.load(std::memory_order_relaxed) < 0)
            result = CL_EXEC_STATUS_ERROR_FOR_EVENTS_IN_WAIT_LIST;
    }
    return result;
}
OCL_END

cl_int GetEventInfo(cl_event event, cl_event_info what, size_t room, void *value, size_t *needed)
try {
    if (!valid(event)) return CL_INVALID_EVENT;
    const Info info(room, value, needed);
    switch (what) {
    case CL_EVENT_COMMAND_QUEUE:
        return info.value<cl_command_queue>(event->queue.get());
    case CL_EVENT_CONTEXT:
        return info.value<cl_context>(event->context.get());
    case CL_EVENT_COMMAND_TYPE:
        return info.value<cl_command_type>(event->type);
    case CL_EVENT_REFERENCE_COUNT:
        return info.as<cl_uint>(event->users());
    case CL_EVENT_COMMAND_EXECUTION_STATUS:
        if (!event->is_over() && !forked()) {
            Pump pump(*event->context);
            pump.poll(*event);
        }
        return info.as<cl_int>(event->status.load(std::memory_order_acquire));
    default:
        return CL_INVALID_VALUE;
    }
}
OCL_END

cl_int SetEventCallback(cl_event event, cl_int when,
                        void(CL_CALLBACK *fn)(cl_event, cl_int, void *), void *user)
try {
    if (!valid(event)) return CL_INVALID_EVENT;
    if (!fn || (when != CL_SUBMITTED && when != CL_RUNNING && when != CL_COMPLETE))
        return CL_INVALID_VALUE;
    Pump pump(*event->context);
    const cl_int status = event->status.load(std::memory_order_relaxed);
    if (status <= when) {
        const cl_int told = status < 0 ? status : when;
        post_callback([ref = Ref(event), fn, told, user] { fn(ref.get(), told, user); });
        return CL_SUCCESS;
    }
    event->callbacks.push_back({fn, user, when});
    Pump::watch(*event);
    return CL_SUCCESS;
}
OCL_END

cl_int GetEventProfilingInfo(cl_event event, cl_profiling_info what, size_t room, void *value,
                             size_t *needed)
try {
    if (!valid(event)) return CL_INVALID_EVENT;
    const Info info(room, value, needed);
    if (!event->timed || event->status.load(std::memory_order_acquire) != CL_COMPLETE)
        return CL_PROFILING_INFO_NOT_AVAILABLE;
    switch (what) {
    case CL_PROFILING_COMMAND_QUEUED:
        return info.value<cl_ulong>(event->queued_ns);
    case CL_PROFILING_COMMAND_SUBMIT:
        return info.value<cl_ulong>(event->submitted_ns);
    case CL_PROFILING_COMMAND_START:
        return info.value<cl_ulong>(event->start_ns);
    case CL_PROFILING_COMMAND_END:
    case CL_PROFILING_COMMAND_COMPLETE:
        return info.value<cl_ulong>(event->end_ns);
    default:
        return CL_INVALID_VALUE;
    }
}
OCL_END

} // namespace acc::ocl::api
