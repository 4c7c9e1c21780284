// SPDX-License-Identifier: MIT
#include "libacc/interop/opencl/lane.h"

#include "libacc/interop/opencl/scheduler.h"

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace acc::ocl
{
namespace
{

constexpr uint32_t kRingKernargs = 256; // of one dispatch in the ring of a queue

cl_int error_of(uint32_t status)
{
    switch (status) {
    case ACC_STATUS_INVALID_KERNARG:
    case ACC_STATUS_MISALIGNED:
        return CL_INVALID_KERNEL_ARGS;
    case ACC_STATUS_RESET:
        return CL_DEVICE_NOT_AVAILABLE;
    default: // memory that isn't the client's, a crash, a time-out: docs/opencl.md
        return CL_OUT_OF_RESOURCES;
    }
}

} // namespace

Lane::~Lane()
{
    if (queue_) (void)acc_queue_destroy(queue_);
}

int Lane::open()
{
    if (queue_) return 0;
    auto options = acc_init<acc_queue_options>();
    options.packets = kRing;
    options.timeout_ns = timeout_ns_;
    return acc_queue_create(device_, &options, &queue_);
}

// False: libacc's queue is broken. Whatever else fails ends the command.
bool Lane::push(Pump &pump, const Ref<_cl_event> &event, bool ordered)
{
    for (const Ref<_cl_event> &before : event->lane_order)
        if (before->status.load(std::memory_order_relaxed) < 0) {
            pump.complete(*event, CL_EXEC_STATUS_ERROR_FOR_EVENTS_IN_WAIT_LIST);
            return true;
        }
    const auto fail = [&](cl_int error) {
        pump.report(acc_error_text());
        pump.complete(*event, error);
        return true;
    };
    if (open()) return fail(CL_OUT_OF_RESOURCES);
    event->signal = event->context->signals.take();
    if (!event->signal) return fail(CL_OUT_OF_RESOURCES);
    auto dispatch = acc_init<acc_dispatch>();
    event->work->fill(dispatch);
    dispatch.barrier = ordered;
    dispatch.completion = event->signal->handle;
    if (dispatch.kernarg_bytes > kRingKernargs) {
        void *const room = SignalPool::kernargs(*event->signal);
        if (!room) return fail(CL_OUT_OF_RESOURCES);
        std::memcpy(room, dispatch.kernargs, dispatch.kernarg_bytes);
        dispatch.kernargs = nullptr;
        dispatch.kernarg_bytes = 0;
        dispatch.kernarg_address = reinterpret_cast<uint64_t>(room);
    }
    event->submitted_ns = clock_ns();
    int error = acc_queue_dispatch(queue_, &dispatch);
    if (error == -EIO && flying_.empty()) {
        // Nothing is in it that would have to be taken out first.
        (void)acc_queue_destroy(queue_);
        queue_ = nullptr;
        if (open()) return fail(CL_OUT_OF_RESOURCES);
        error = acc_queue_dispatch(queue_, &dispatch);
        if (error) return fail(CL_OUT_OF_RESOURCES);
    }
    if (error == -EIO) {
        event->signal = {};
        broken_ = true;
        return false;
    }
    if (error) return fail(error == -ENODEV ? CL_DEVICE_NOT_AVAILABLE : CL_OUT_OF_RESOURCES);
    event->lane = this;
    flying_.push_back(event);
    pump.advance(*event, CL_SUBMITTED);
    // Who came before it was here counts on being told.
    if (!event->dependents.empty() || !event->callbacks.empty() || !event->queue->users())
        Pump::arm(*event);
    return true;
}

void Lane::submit(Pump &pump, Ref<_cl_event> event, bool ordered)
{
    if (!device_) return pump.complete(*event, CL_INVALID_OPERATION);
    if (!broken_ && !is_full() && waiting_.empty() && push(pump, event, ordered)) return;
    waiting_.push_back({std::move(event), ordered});
    if (flying_.empty())
        retire(pump); // nothing is in the broken one: a new one
    else
        Pump::arm(*flying_.front());
}

std::string Lane::fault_text(const _cl_event &event, uint32_t status) const
{
    std::string text = event.work->name() + ": " + acc_status_name(status);
    for (uint32_t i = 0;; i++) {
        auto fault = acc_init<acc_fault_info>();
        if (acc_device_get_fault(device_, i, &fault)) break;
        if (fault.queue != acc_queue_id(queue_)) continue;
        if (fault.text[0]) text += std::string(": ") + fault.text;
        break;
    }
    return text;
}

// Its signal says so.
void Lane::over(Pump &pump, const Ref<_cl_event> &event)
{
    auto result = acc_init<acc_signal_result>();
    (void)acc_signal_get_result(event->signal->handle, &result);
    event->lane = nullptr;
    event->signal = {};
    if (result.status == ACC_STATUS_CANCELLED) {
        broken_ = true;
        event->armed = false;
        again_.push_back({event, true});
        return;
    }
    event->start_ns = std::max(result.start_ns, event->submitted_ns);
    event->end_ns = std::max(result.end_ns, event->start_ns);
    if (result.status == ACC_STATUS_OK) {
        event->work->finish();
        return pump.complete(*event, CL_COMPLETE);
    }
    broken_ = true;
    pump.report(fault_text(*event, result.status));
    pump.complete(*event, error_of(result.status));
}

void Lane::retire(Pump &pump)
{
    for (size_t i = 0; i < flying_.size();) {
        if (acc_signal_load(flying_[i]->signal->handle) > 0) {
            // In order nothing behind it is over either; packets out of order may be.
            if (flying_[i]->queue->in_order()) break;
            i++;
            continue;
        }
        const Ref<_cl_event> event = std::move(flying_[i]);
        flying_.erase(flying_.begin() + static_cast<ptrdiff_t>(i));
        over(pump, event);
    }
    if (broken_ && flying_.empty()) {
        if (queue_) (void)acc_queue_destroy(queue_);
        queue_ = nullptr;
        broken_ = false;
    }
    while (!broken_ && !is_full() && (!again_.empty() || !waiting_.empty())) {
        std::deque<Waiting> &from = again_.empty() ? waiting_ : again_;
        Waiting one = std::move(from.front());
        from.pop_front();
        if (!push(pump, one.event, one.ordered)) from.push_front(std::move(one));
    }
    // Those who wait for what was cancelled hear of its new signal.
    if (!again_.empty() || !waiting_.empty()) {
        if (!flying_.empty()) Pump::arm(*flying_.front());
    }
}

void Lane::fail_all(Pump &pump)
{
    std::deque<Ref<_cl_event>> all;
    std::swap(all, flying_);
    for (std::deque<Waiting> *list : {&again_, &waiting_}) {
        for (Waiting &one : *list)
            all.push_back(std::move(one.event));
        list->clear();
    }
    for (const Ref<_cl_event> &event : all) {
        event->lane = nullptr;
        pump.complete(*event, CL_DEVICE_NOT_AVAILABLE);
    }
    broken_ = true;
}

void Lane::arm_all()
{
    for (const Ref<_cl_event> &event : flying_)
        Pump::arm(*event);
}

} // namespace acc::ocl
