// SPDX-License-Identifier: MIT
//
// cl_khr_semaphore and cl_khr_external_semaphore_opaque_fd (version 0.9): binary semaphores. Each
// is a signal of libacc, 1 until it is signalled and 0 then. An opaque descriptor is memory of
// acc_buffer_export() with a struct acc_signal_memory at its start, so that other processes and
// our other interfaces wait for it, too, and signal it.
#include "libacc/interop/opencl/api.h"
#include "libacc/interop/opencl/extensions.h"
#include "libacc/interop/opencl/info.h"
#include "libacc/interop/opencl/scheduler.h"

#include <algorithm>
#include <fcntl.h>
#include <unistd.h>

using namespace acc::ocl;

// Thread safety: what is not const is made before the handle is given out.
struct _cl_semaphore_khr final : acc::ocl::Object<_cl_semaphore_khr> {
    static constexpr uint32_t kMagic = 0x53454d41;

    explicit _cl_semaphore_khr(_cl_context *in) : context(in) {}
    ~_cl_semaphore_khr()
    {
        if (signal) (void)acc_signal_destroy(signal);
        if (memory) (void)acc_buffer_destroy(memory);
        if (descriptor >= 0) (void)close(descriptor);
    }

    bool is_signalled() const { return acc_signal_load(signal) <= 0; }
    // Whether it was signalled; it no longer is.
    bool take()
    {
        auto *const cell = reinterpret_cast<acc_signal_memory *>(acc_signal_address(signal));
        const std::atomic_ref<long long> value(cell->value);
        long long found = value.load(std::memory_order_relaxed);
        while (found <= 0)
            if (value.compare_exchange_weak(found, 1, std::memory_order_acquire)) return true;
        return false;
    }

    const Ref<_cl_context> context;
    std::vector<cl_semaphore_properties_khr> properties;
    cl_device_id device = nullptr;
    bool is_exported = false;
    acc_buffer *memory = nullptr; // of one that is exported
    int descriptor = -1;          // of that, or the one that was imported
    acc_signal *signal = nullptr;
};

namespace acc::ocl
{
namespace
{

using Semaphore = _cl_semaphore_khr;
using Semaphores = std::vector<Ref<Semaphore>>;

// What version 1.0 calls CL_DEVICE_HANDLE_LIST_KHR.
constexpr cl_uint kDeviceList = 0x2053;

// --------------------------------------------------------------- making, asking

// `handle`: a descriptor to import.
cl_int read_properties(Semaphore &out, const cl_semaphore_properties_khr *given, int &handle)
{
    const auto *at = given;
    std::vector<cl_semaphore_properties_khr> seen;
    while (*at) {
        const cl_semaphore_properties_khr name = *at++;
        if (std::find(seen.begin(), seen.end(), name) != seen.end()) return CL_INVALID_PROPERTY;
        seen.push_back(name);
        switch (name) {
        case CL_SEMAPHORE_TYPE_KHR:
            if (*at++ != CL_SEMAPHORE_TYPE_BINARY_KHR) return CL_INVALID_PROPERTY;
            break;
        case CL_DEVICE_HANDLE_LIST_KHR:
        case kDeviceList:
            if (out.device) return CL_INVALID_PROPERTY;
            for (; *at != CL_DEVICE_HANDLE_LIST_END_KHR; at++) {
                const auto device = reinterpret_cast<cl_device_id>(*at);
                if (!valid(device) || !out.context->has(device) || out.device)
                    return CL_INVALID_DEVICE; // each is for one
                out.device = device;
            }
            if (!out.device) return CL_INVALID_DEVICE;
            at++;
            break;
        case CL_SEMAPHORE_EXPORT_HANDLE_TYPES_KHR:
            for (; *at != CL_SEMAPHORE_EXPORT_HANDLE_TYPES_LIST_END_KHR; at++) {
                if (*at != CL_SEMAPHORE_HANDLE_OPAQUE_FD_KHR) return CL_INVALID_PROPERTY;
                out.is_exported = true;
            }
            at++;
            break;
        case CL_SEMAPHORE_HANDLE_OPAQUE_FD_KHR:
            handle = static_cast<int>(*at++);
            if (handle < 0) return CL_INVALID_PROPERTY;
            break;
        default:
            return CL_INVALID_PROPERTY;
        }
    }
    out.properties.assign(given, at + 1);
    if (!out.device) {
        if (out.context->devices.size() != 1) return CL_INVALID_PROPERTY;
        out.device = out.context->devices[0];
    }
    const bool has_type =
        std::find(seen.begin(), seen.end(), cl_semaphore_properties_khr{CL_SEMAPHORE_TYPE_KHR}) !=
        seen.end();
    return has_type ? CL_SUCCESS : CL_INVALID_VALUE;
}

cl_int make_signal(Semaphore &out, int handle)
{
    acc_device *const device = out.context->hardware().first();
    if (handle >= 0) {
        if (acc_signal_import(&device, 1, handle, 0, &out.signal)) return CL_INVALID_VALUE;
        out.descriptor = handle; // it was the application's until now
        return CL_SUCCESS;
    }
    if (!out.is_exported)
        return acc_signal_create(&device, 1, 1, &out.signal) ? CL_OUT_OF_RESOURCES : CL_SUCCESS;
    out.memory = make_buffer(sizeof(acc_signal_memory));
    if (!out.memory) return CL_OUT_OF_RESOURCES;
    acc_signal_memory cell = {};
    cell.kind = ACC_SIGNAL_KIND_USER;
    cell.value = 1;
    std::memcpy(acc_buffer_data(out.memory), &cell, sizeof cell);
    if (acc_buffer_export(out.memory, &out.descriptor) ||
        acc_signal_import(&device, 1, out.descriptor, 0, &out.signal))
        return CL_OUT_OF_RESOURCES;
    return CL_SUCCESS;
}

cl_semaphore_khr CL_API_CALL create(cl_context context, const cl_semaphore_properties_khr *given,
                                    cl_int *error)
try {
    if (!valid(context)) return fail(error, CL_INVALID_CONTEXT);
    if (!given) return fail(error, CL_INVALID_VALUE);
    if (forked()) return fail(error, CL_OUT_OF_RESOURCES);
    const auto made = Ref<Semaphore>::adopt(new Semaphore(context));
    int handle = -1;
    OCL_TRY_CREATE(error, read_properties(*made, given, handle));
    OCL_TRY_CREATE(error, make_signal(*made, handle));
    made->ref(); // the application's
    return succeed(error, made.get());
}
OCL_END_CREATE(error)

cl_int CL_API_CALL retain(cl_semaphore_khr semaphore)
{
    if (!valid(semaphore)) return CL_INVALID_SEMAPHORE_KHR;
    semaphore->retain();
    return CL_SUCCESS;
}

cl_int CL_API_CALL release(cl_semaphore_khr semaphore)
{
    if (!valid(semaphore)) return CL_INVALID_SEMAPHORE_KHR;
    semaphore->release();
    return CL_SUCCESS;
}

cl_int CL_API_CALL info_of(cl_semaphore_khr semaphore, cl_semaphore_info_khr what, size_t room,
                           void *value, size_t *needed)
try {
    if (!valid(semaphore)) return CL_INVALID_SEMAPHORE_KHR;
    const Info info(room, value, needed);
    switch (what) {
    case CL_SEMAPHORE_CONTEXT_KHR:
        return info.value<cl_context>(semaphore->context.get());
    case CL_SEMAPHORE_REFERENCE_COUNT_KHR:
        return info.as<cl_uint>(semaphore->users());
    case CL_SEMAPHORE_PROPERTIES_KHR:
        return info.list(semaphore->properties);
    case CL_SEMAPHORE_TYPE_KHR:
        return info.as<cl_semaphore_type_khr>(CL_SEMAPHORE_TYPE_BINARY_KHR);
    case CL_SEMAPHORE_PAYLOAD_KHR:
        return info.as<cl_semaphore_payload_khr>(semaphore->is_signalled());
    case CL_DEVICE_HANDLE_LIST_KHR:
    case kDeviceList:
        return info.value<cl_device_id>(semaphore->device);
    case CL_SEMAPHORE_EXPORT_HANDLE_TYPES_KHR:
        if (!semaphore->is_exported) return info.nothing();
        return info.as<cl_external_semaphore_handle_type_khr>(CL_SEMAPHORE_HANDLE_OPAQUE_FD_KHR);
    default:
        return CL_INVALID_VALUE;
    }
}
OCL_END

// The descriptor is the application's.
cl_int CL_API_CALL handle_of(cl_semaphore_khr semaphore, cl_device_id device,
                             cl_external_semaphore_handle_type_khr type, size_t room, void *value,
                             size_t *needed)
try {
    if (!valid(semaphore)) return CL_INVALID_SEMAPHORE_KHR;
    if (!valid(device) || !semaphore->context->has(device)) return CL_INVALID_DEVICE;
    if (type != CL_SEMAPHORE_HANDLE_OPAQUE_FD_KHR || !semaphore->is_exported)
        return CL_INVALID_VALUE;
    if (value && room < sizeof(int)) return CL_INVALID_VALUE;
    const int made = value ? fcntl(semaphore->descriptor, F_DUPFD_CLOEXEC, 0) : 0;
    if (made < 0) return CL_OUT_OF_RESOURCES;
    return Info(room, value, needed).as<int>(made);
}
OCL_END

// -------------------------------------------------------------------- commands

// A command that waits: for one semaphore after the other.
struct Waiting {
    Ref<_cl_event> event;
    Semaphores semaphores;
    size_t next = 0;
};

void told(void *user, acc_signal *, int64_t, int error);

enum class Came { All, Later, Never };

// Later: `waiting` is the callback's.
Came go_on(std::unique_ptr<Waiting> &waiting)
{
    while (waiting->next < waiting->semaphores.size()) {
        Semaphore &semaphore = *waiting->semaphores[waiting->next];
        if (semaphore.take()) {
            waiting->next++;
            continue;
        }
        Waiting *const given = waiting.release(); // it may be gone before this call returns
        if (!acc_signal_on(semaphore.signal, ACC_COND_LT, 1, told, given)) return Came::Later;
        waiting.reset(given);
        return Came::Never;
    }
    return Came::All;
}

void told(void *user, acc_signal *, int64_t, int error)
{
    std::unique_ptr<Waiting> waiting(static_cast<Waiting *>(user));
    const Came came = error ? Came::Never : go_on(waiting);
    if (came == Came::Later) return;
    Pump pump(*waiting->event->context, Pump::Where::Callback);
    pump.complete(*waiting->event, came == Came::All ? CL_COMPLETE : CL_DEVICE_NOT_AVAILABLE);
    pump.work();
    pump.drop(std::shared_ptr<const void>(std::move(waiting))); // this thread may end no signal
}

class WaitWork final : public Work
{
public:
    explicit WaitWork(Semaphores semaphores) : semaphores_(std::move(semaphores)) {}
    bool begin(const Ref<_cl_event> &event) override
    {
        auto waiting = std::make_unique<Waiting>(Waiting{event, semaphores_});
        const Came came = go_on(waiting);
        if (came == Came::Later) return true; // *this may be gone
        came_ = came;
        return false;
    }
    cl_int run() override { return came_ == Came::All ? CL_SUCCESS : CL_OUT_OF_RESOURCES; }

private:
    const Semaphores semaphores_;
    Came came_ = Came::Later;
};

class SignalWork final : public Work
{
public:
    explicit SignalWork(Semaphores semaphores) : semaphores_(std::move(semaphores)) {}
    cl_int run() override
    {
        for (const Ref<Semaphore> &one : semaphores_)
            if (acc_signal_store(one->signal, 0)) return CL_OUT_OF_RESOURCES;
        return CL_SUCCESS;
    }

private:
    const Semaphores semaphores_;
};

cl_int enqueue_all(cl_command_queue queue, cl_command_type type, cl_uint count,
                   const cl_semaphore_khr *given, WaitList list, cl_event *event)
{
    OCL_TRY(check_queue(queue));
    if (!count || !given) return CL_INVALID_VALUE;
    Semaphores all;
    for (cl_uint i = 0; i < count; i++) {
        if (!valid(given[i])) return CL_INVALID_SEMAPHORE_KHR;
        if (given[i]->context.get() != queue->context.get()) return CL_INVALID_CONTEXT;
        if (given[i]->device != queue->device.get()) return CL_INVALID_COMMAND_QUEUE;
        all.emplace_back(given[i]);
    }
    OCL_TRY(check_wait_list(*queue->context, list));
    std::unique_ptr<Work> work;
    if (type == CL_COMMAND_SEMAPHORE_WAIT_KHR)
        work = std::make_unique<WaitWork>(std::move(all));
    else
        work = std::make_unique<SignalWork>(std::move(all));
    return enqueue(*queue, type, std::move(work), list, event);
}

// Binary semaphores have no payload.
cl_int CL_API_CALL enqueue_wait(cl_command_queue queue, cl_uint count,
                                const cl_semaphore_khr *semaphores,
                                const cl_semaphore_payload_khr *, cl_uint events,
                                const cl_event *list, cl_event *event)
try {
    return enqueue_all(queue, CL_COMMAND_SEMAPHORE_WAIT_KHR, count, semaphores, {events, list},
                       event);
}
OCL_END

cl_int CL_API_CALL enqueue_signal(cl_command_queue queue, cl_uint count,
                                  const cl_semaphore_khr *semaphores,
                                  const cl_semaphore_payload_khr *, cl_uint events,
                                  const cl_event *list, cl_event *event)
try {
    return enqueue_all(queue, CL_COMMAND_SEMAPHORE_SIGNAL_KHR, count, semaphores, {events, list},
                       event);
}
OCL_END

} // namespace

std::span<const ExtensionEntry> semaphore_functions()
{
    static const ExtensionEntry entries[] = {
        extension("clCreateSemaphoreWithPropertiesKHR", create),
        extension("clRetainSemaphoreKHR", retain),
        extension("clReleaseSemaphoreKHR", release),
        extension("clGetSemaphoreInfoKHR", info_of),
        extension("clGetSemaphoreHandleForTypeKHR", handle_of),
        extension("clEnqueueWaitSemaphoresKHR", enqueue_wait),
        extension("clEnqueueSignalSemaphoresKHR", enqueue_signal),
    };
    return entries;
}

} // namespace acc::ocl
