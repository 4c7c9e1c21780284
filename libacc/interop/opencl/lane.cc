// SPDX-License-Identifier: MIT
#include "libacc/interop/opencl/lane.h"

#include "libacc/interop/opencl/scheduler.h"

#include <algorithm>
#include <cerrno>

namespace acc::ocl
{
namespace
{

// What one packet does of a ring, so that other clients get the region, and a launch that
// begins late has most of the queue's time-out.
constexpr uint64_t kLimitNs = 2'000'000;
constexpr uint64_t kLimitOfTimeout = 16;
// Long enough for who was woken to come with another launch.
constexpr uint64_t kLingerNs = 50'000;
constexpr uint64_t kLeaveNs = 1'000'000'000; // for a core that was asked to leave

// Who sent a launch last: where several lanes do in turn, none of them lingers in a region that
// the next may need.
std::atomic<const Lane *> last_lane{nullptr};

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

uint32_t status_of(const Signal &signal)
{
    auto result = acc_init<acc_signal_result>();
    (void)acc_signal_get_result(signal.handle, &result);
    return result.status;
}

// Others than those behind it in its in-order queue, whose owner will wait, count on being told.
bool is_urgent(const _cl_event &event)
{
    const auto is_elsewhere = [&](const _cl_event::Dependent &one) {
        return !event.queue->in_order() || one.event->queue.get() != event.queue.get();
    };
    return !event.callbacks.empty() || !event.queue->users() ||
           std::any_of(event.dependents.begin(), event.dependents.end(), is_elsewhere);
}

} // namespace

Lane::Lane(_cl_context &context, uint64_t timeout_ns)
    : context_(context), device_(context.hardware().fpga), timeout_ns_(timeout_ns),
      ring_(context.rings)
{
}

Lane::~Lane()
{
    const Lane *self = this;
    last_lane.compare_exchange_strong(self, nullptr, std::memory_order_relaxed);
    // Launches are over, but the core may linger. Who doesn't leave is ended with the queue.
    bool left = true;
    ring_.ask_to_leave(ring_.tail());
    for (const Ref<Signal> &packet : packets_)
        left = left && acc_signal_wait(packet->handle, ACC_COND_LT, 1, kLeaveNs, nullptr) == 0;
    if (queue_) (void)acc_queue_destroy(queue_);
    if (left && !broken_) ring_.close();
}

_cl_event *Lane::middle() const
{
    if (!flying_.empty()) return flying_[flying_.size() / 2].get();
    if (!again_.empty()) return again_.front().event.get();
    return waiting_.empty() ? nullptr : waiting_[waiting_.size() / 2].event.get();
}

// Not in a callback of libacc, nor under the mutex: its program may be unloaded.
void Lane::drop_module(Pump &pump)
{
    if (module_) pump.drop(std::move(module_));
    module_ = nullptr;
}

int Lane::open()
{
    if (queue_) return 0;
    auto options = acc_init<acc_queue_options>();
    options.packets = kPackets;
    options.timeout_ns = timeout_ns_;
    return acc_queue_create(device_, &options, &queue_);
}

// ------------------------------------------------------------------- submitting

int Lane::dispatch(acc_dispatch &dispatch)
{
    if (open()) return -ENOMEM;
    int error = acc_queue_dispatch(queue_, &dispatch);
    if (error != -EIO || !flying_.empty() || !packets_.empty()) return error;
    // Nothing is in it that would have to be taken out first.
    (void)acc_queue_destroy(queue_);
    queue_ = nullptr;
    if (open()) return -ENOMEM;
    error = acc_queue_dispatch(queue_, &dispatch);
    return error == -EIO ? -ENOMEM : error;
}

// What follows from an error of dispatch().
Lane::Pushed Lane::failed(Pump &pump, const Ref<_cl_event> &event, int error)
{
    event->signal = {};
    if (error == -EIO) {
        broken_ = true;
        return Pushed::Never;
    }
    pump.report(acc_error_text());
    pump.complete(*event, error == -ENODEV ? CL_DEVICE_NOT_AVAILABLE : CL_OUT_OF_RESOURCES);
    return Pushed::Done;
}

void Lane::sent(Pump &pump, const Ref<_cl_event> &event)
{
    event->lane = this;
    flying_.push_back(event);
    pump.advance(*event, CL_SUBMITTED);
}

Lane::Pushed Lane::push(Pump &pump, const Ref<_cl_event> &event, bool ordered)
{
    for (const Ref<_cl_event> &before : event->lane_order)
        if (before->status.load(std::memory_order_relaxed) < 0) {
            event->lane = nullptr;
            pump.complete(*event, CL_EXEC_STATUS_ERROR_FOR_EVENTS_IN_WAIT_LIST);
            return Pushed::Done;
        }
    const Launch *const launch = event->work->launch();
    const Pushed pushed =
        launch ? push_launch(pump, event, *launch) : push_packet(pump, event, ordered);
    // Who came before it was here counts on being told.
    if (pushed == Pushed::Done && event->lane) {
        if (is_urgent(*event))
            watch(*event);
        else if (!event->dependents.empty())
            watch_at_leisure(*event);
    }
    return pushed;
}

Lane::Pushed Lane::push_packet(Pump &pump, const Ref<_cl_event> &event, bool ordered)
{
    if (!packets_.empty()) return Pushed::Later;
    event->signal = context_.signals.take();
    if (!event->signal) return failed(pump, event, -ENOMEM);
    auto packet = acc_init<acc_dispatch>();
    event->work->fill(packet);
    packet.barrier = ordered;
    packet.completion = event->signal->handle;
    if (event->timed) event->submitted_ns = clock_ns();
    if (const int error = dispatch(packet)) return failed(pump, event, error);
    sent(pump, event);
    return Pushed::Done;
}

// A packet that attends to the ring.
int Lane::attend()
{
    Ref<Signal> signal = context_.signals.take();
    if (!signal) return -ENOMEM;
    const bool alone = last_lane.exchange(this, std::memory_order_relaxed) == this;
    acc_cl_order order = {};
    order.ring = ring_.address();
    order.limit_ns = timeout_ns_ ? std::min(kLimitNs, timeout_ns_ / kLimitOfTimeout) : kLimitNs;
    order.linger_ns = alone && processors() > 1 ? kLingerNs : 0;
    ring_.forget_asked();
    auto packet = acc_init<acc_dispatch>();
    packet.kernel_object = kernel_object_;
    packet.kernargs = &order;
    packet.kernarg_bytes = sizeof order;
    packet.barrier = true;
    packet.completion = signal->handle;
    if (const int error = dispatch(packet)) return error;
    packets_.push_back(std::move(signal));
    told_ = false;
    ring_.charged();
    return 0;
}

Lane::Pushed Lane::push_launch(Pump &pump, const Ref<_cl_event> &event, const Launch &launch)
{
    if (module_ != launch.module) {
        if (!packets_.empty()) return Pushed::Later;
        drop_module(pump);
        module_ = launch.module;
    }
    if (!ring_.open()) return failed(pump, event, -ENOMEM);
    kernel_object_ = launch.kernel_object;
    if (event->timed) event->submitted_ns = clock_ns();
    bool charge = false;
    event->ring_at = ring_.put(launch, event->timed, charge);
    if (charge || packets_.empty()) { // a kernel that wrote to the ring may have said otherwise
        if (const int error = attend()) {
            if (packets_.empty()) {
                ring_.close(); // nothing but this one is in it
            } else if (error != -EIO) {
                // As if the others had been cancelled; with EIO a packet says what became of them.
                fault_ = ACC_STATUS_CANCELLED;
                ring_.abandon();
            }
            return failed(pump, event, error);
        }
    }
    event->in_ring = true;
    sent(pump, event);
    if (ring_.left() > 1) tell();
    return Pushed::Done;
}

void Lane::submit(Pump &pump, Ref<_cl_event> event, bool ordered)
{
    if (!device_) return pump.complete(*event, CL_INVALID_OPERATION);
    if (!broken_ && !is_full() && waiting_.empty() && again_.empty() &&
        push(pump, event, ordered) == Pushed::Done)
        return;
    event->lane = this;
    waiting_.push_back({std::move(event), ordered});
    if (flying_.empty() && packets_.empty())
        retire(pump); // nothing is in the broken one: a new one
    else
        watch_for_waiting();
}

// ------------------------------------------------------------------- taking out

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

void Lane::end(Pump &pump, const Ref<_cl_event> &event, uint32_t status)
{
    event->signal = {};
    event->in_ring = false;
    if (status == ACC_STATUS_CANCELLED) {
        broken_ = true;
        event->armed = false;
        again_.push_back({event, true});
        return;
    }
    event->lane = nullptr;
    if (status == ACC_STATUS_OK) {
        event->work->finish();
        return pump.complete(*event, CL_COMPLETE);
    }
    broken_ = true;
    pump.report(fault_text(*event, status));
    pump.complete(*event, error_of(status));
}

// Its signal says so, or the ring.
void Lane::over(Pump &pump, const Ref<_cl_event> &event)
{
    uint64_t start = 0, stop = 0;
    uint32_t status = ACC_STATUS_OK;
    if (event->in_ring) {
        if (event->timed) ring_.times(event->ring_at, start, stop);
    } else {
        auto result = acc_init<acc_signal_result>();
        (void)acc_signal_get_result(event->signal->handle, &result);
        start = result.start_ns;
        stop = result.end_ns;
        status = result.status;
    }
    if (status != ACC_STATUS_CANCELLED && event->timed) {
        // A core's word is not taken for what can't be.
        const uint64_t now = clock_ns();
        event->start_ns = std::clamp(start, event->submitted_ns, now);
        event->end_ns = std::clamp(stop, event->start_ns, now);
    }
    end(pump, event, status);
}

// Before the ring's head is looked at: what a packet that is over has done is done.
void Lane::look_at_packets()
{
    while (!packets_.empty() && is_over(*packets_.front())) {
        const uint32_t status = status_of(*packets_.front());
        if (fault_ == ACC_STATUS_OK) fault_ = status;
        packets_.pop_front();
    }
}

void Lane::take_out(Pump &pump)
{
    const uint64_t head = ring_.look();
    if (ring_.memory()) Ring::forget_wake(*ring_.memory());
    const bool in_order = !flying_.empty() && flying_.front()->queue->in_order();
    const auto is_done = [&](const _cl_event &event) {
        return event.in_ring ? event.ring_at < head : is_over(*event.signal);
    };
    if (in_order) { // nothing behind one that is not over is over either
        while (!flying_.empty() && is_done(*flying_.front())) {
            const Ref<_cl_event> event = std::move(flying_.front());
            flying_.pop_front();
            over(pump, event);
        }
    } else {
        for (size_t i = 0; i < flying_.size();) {
            if (!is_done(*flying_[i])) {
                i++;
                continue;
            }
            const Ref<_cl_event> event = std::move(flying_[i]);
            flying_.erase(flying_.begin() + static_cast<ptrdiff_t>(i));
            over(pump, event);
        }
    }
    if (fault_ == ACC_STATUS_OK) return;
    // The launch at the head has gone wrong; those behind it have not begun.
    broken_ = true;
    std::vector<Ref<_cl_event>> in_ring;
    std::erase_if(flying_, [&](Ref<_cl_event> &event) {
        if (event->in_ring) in_ring.push_back(event);
        return event->in_ring;
    });
    const uint32_t status = std::exchange(fault_, ACC_STATUS_OK);
    for (const Ref<_cl_event> &event : in_ring)
        end(pump, event, event->ring_at == head ? status : uint32_t{ACC_STATUS_CANCELLED});
    ring_.abandon();
}

// A new queue of libacc, once nothing is in the broken one.
void Lane::renew(Pump &pump)
{
    if (!broken_ || !flying_.empty()) return;
    if (queue_) (void)acc_queue_destroy(queue_);
    queue_ = nullptr;
    packets_.clear(); // nobody writes to their signals any more
    ring_.abandon();
    drop_module(pump);
    broken_ = false;
}

void Lane::push_waiting(Pump &pump)
{
    while (!broken_ && !has_no_room() && (!again_.empty() || !waiting_.empty())) {
        std::deque<Waiting> &from = again_.empty() ? waiting_ : again_;
        Waiting one = std::move(from.front());
        from.pop_front();
        if (push(pump, one.event, one.ordered) == Pushed::Done) continue;
        from.push_front(std::move(one));
        break;
    }
}

void Lane::retire(Pump &pump)
{
    look_at_packets();
    take_out(pump);
    if (!broken_ && packets_.empty() && ring_.is_spoilt()) {
        fault_ = ACC_STATUS_ENGINE_ERROR;
        take_out(pump);
    }
    renew(pump);
    if (!broken_ && packets_.empty()) {
        if (!ring_.left()) {
            drop_module(pump);
        } else if (const int error = attend()) {
            // As if it had been cancelled; a queue that works again takes it.
            fault_ = error == -ENODEV ? ACC_STATUS_RESET : ACC_STATUS_CANCELLED;
            take_out(pump);
            renew(pump);
        } else {
            bool told = ring_.left() > 1;
            for (const Ref<_cl_event> &event : flying_) {
                if (is_urgent(*event)) {
                    watch(*event);
                    break;
                }
                told = told || !event->dependents.empty();
            }
            if (told) tell();
        }
    }
    push_waiting(pump);
    if (!again_.empty() || !waiting_.empty()) watch_for_waiting();
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
    ring_.abandon();
    for (const Ref<_cl_event> &event : all) {
        event->lane = nullptr;
        event->in_ring = false;
        pump.complete(*event, CL_DEVICE_NOT_AVAILABLE);
    }
    broken_ = true;
}

} // namespace acc::ocl
