// SPDX-License-Identifier: MIT
#include "libacc/interop/opencl/scheduler.h"

#include "libacc/interop/opencl/api.h"

#include <algorithm>
#include <cerrno>
#include <thread>
#include <utility>

namespace acc::ocl
{
namespace
{

// What is worth a thread's wake-up.
constexpr uint64_t kLongBytes = 256u << 10;

// What the callback of a signal is given. The signal is used again only when it has been called.
struct Armed {
    Ref<_cl_event> event;
    Ref<Signal> signal;
};

void on_signal(void *user, acc_signal *, int64_t, int error)
{
    const std::unique_ptr<Armed> armed(static_cast<Armed *>(user));
    _cl_event *const event = armed->event.get();
    Pump pump(*event->context, Pump::Where::Callback);
    pump.drop(std::move(armed->event)); // its last ref is not this thread's to give up
    const Ref<Signal> signal = std::move(armed->signal); // goes before the context may
    event->armed = false;
    if (error && error != -ECANCELED)
        event->queue->lane.fail_all(pump);
    else
        event->queue->lane.retire(pump);
    // It was cancelled and flies again, and somebody still counts on it.
    Pump::watch(*event);
    pump.work();
}

void list_remove(_cl_event &event)
{
    _cl_command_queue &queue = *event.queue;
    (event.previous ? event.previous->next : queue.first) = event.next;
    (event.next ? event.next->previous : queue.last) = event.previous;
    event.previous = event.next = nullptr;
    event.listed = false;
}

// `event` waits for `before`, which is not over.
void depend(_cl_event &event, _cl_event &before, bool told, bool blocking)
{
    // Both go the same way to the device: it keeps them in order.
    if (event.work && event.work->on_device() && event.queue->lane.holds(before)) {
        if (told) event.lane_order.emplace_back(&before);
        return;
    }
    before.dependents.push_back({Ref(&event), told});
    event.waits_for.emplace_back(&before);
    event.pending++;
    if (blocking) return;
    // Who puts a command of the host behind a kernel waits for it before long.
    if (before.queue && before.queue.get() == event.queue.get() && event.queue->in_order())
        Pump::watch_at_leisure(before);
    else
        Pump::watch(before);
}

} // namespace

Pump::Pump(_cl_context &context, Where where)
    : context_(context), keep_(&context), where_(where), lock_(context.mutex)
{
}

Pump::~Pump()
{
    if (!lock_.owns_lock()) lock_.lock();
    work();
    lock_.unlock();
    for (const std::string &text : reports_)
        context_.report(text);
    for (auto &call : callbacks_)
        post_callback(std::move(call));
    if (where_ == Where::Callback &&
        (!garbage_.empty() || !old_work_.empty() || !objects_.empty())) {
        // The last ref of a queue or of a context may end what a thread of libacc may not.
        struct Rest {
            std::vector<Ref<_cl_event>> events;
            std::vector<std::unique_ptr<Work>> work;
            std::vector<std::shared_ptr<const void>> objects;
            Ref<_cl_context> context;
        };
        auto rest = std::make_shared<Rest>();
        rest->events = std::move(garbage_);
        rest->work = std::move(old_work_);
        rest->objects = std::move(objects_);
        rest->context = std::move(keep_);
        post_work([rest = std::move(rest)]() mutable { rest.reset(); });
    }
}

void Pump::advance(_cl_event &event, cl_int status)
{
    event.status.store(status, std::memory_order_release);
    for (const EventCallback &one : event.callbacks)
        if (one.when == status)
            callbacks_.push_back(
                [event = Ref(&event), one, status] { one.fn(event.get(), status, one.user); });
    std::erase_if(event.callbacks, [&](const EventCallback &one) { return one.when == status; });
}

void Pump::launch(Ref<_cl_event> event)
{
    event->waits_for.clear();
    if (event->dependency_error)
        return complete(*event, CL_EXEC_STATUS_ERROR_FOR_EVENTS_IN_WAIT_LIST);
    if (!event->work) return complete(*event, CL_COMPLETE);
    if (event->work->on_device()) {
        Lane &lane = event->queue->lane;
        const bool ordered = event->queue->in_order() || !event->lane_order.empty();
        return lane.submit(*this, std::move(event), ordered);
    }
    if (event->timed) event->submitted_ns = clock_ns();
    advance(*event, CL_SUBMITTED);
    ready_.push_back(std::move(event));
}

// One command; what hangs on it and is over with it is put behind `more`.
void Pump::settle(_cl_event &event, cl_int state, std::vector<Settled> &more)
{
    if (event.is_over()) return;
    if (event.timed && !event.end_ns) {
        event.end_ns = clock_ns();
        if (!event.submitted_ns) event.submitted_ns = event.end_ns;
        if (!event.start_ns) event.start_ns = event.end_ns;
    }
    event.status.store(state, std::memory_order_release);
    // An error is told to all that asked for any state.
    for (const EventCallback &one : event.callbacks)
        callbacks_.push_back([ref = Ref(&event), one, state] {
            one.fn(ref.get(), state < 0 ? state : one.when, one.user);
        });
    event.callbacks.clear();
    if (event.work) old_work_.push_back(std::move(event.work));
    event.lane_order.clear();
    event.waits_for.clear();
    std::vector<_cl_event::Dependent> dependents;
    std::swap(dependents, event.dependents);
    for (_cl_event::Dependent &one : dependents) {
        if (one.told && state < 0) one.event->dependency_error = state;
        if (--one.event->pending == 0) {
            if (one.event->dependency_error)
                more.push_back({one.event, CL_EXEC_STATUS_ERROR_FOR_EVENTS_IN_WAIT_LIST});
            else if (!one.event->work)
                more.push_back({one.event, CL_COMPLETE});
            else
                launch(one.event);
        }
        garbage_.push_back(std::move(one.event));
    }
    if (event.listed) {
        // The two hold each other: a queue whose last command is a barrier would stay for good.
        Ref<_cl_event> &barrier = event.queue->barrier;
        if (barrier.get() == &event) garbage_.push_back(std::exchange(barrier, {}));
        list_remove(event);
        garbage_.push_back(Ref<_cl_event>::adopt(&event)); // the list's
    }
}

// Chains of what has nothing to do are followed here, not on the stack.
void Pump::complete(_cl_event &event, cl_int status)
{
    const Ref<_cl_event> keep(&event);
    std::vector<Settled> more;
    settle(event, status, more);
    for (size_t i = 0; i < more.size(); i++) {
        const Settled one = std::move(more[i]);
        settle(*one.event, one.state, more);
        garbage_.push_back(one.event);
    }
    if (context_.waiting) context_.changed.notify_all();
}

void Pump::run_on_host(const Ref<_cl_event> &event)
{
    if (event->is_over()) return;
    if (event->timed) event->start_ns = clock_ns();
    advance(*event, CL_RUNNING);
    Work *const work = event->work.get();
    lock_.unlock();
    if (work->begin(event)) return lock_.lock();
    const cl_int result = work->run();
    lock_.lock();
    complete(*event, result == CL_SUCCESS ? CL_COMPLETE : result);
}

void Pump::work()
{
    for (size_t i = 0; i < ready_.size(); i++) { // they may become more meanwhile
        const Ref<_cl_event> event = std::move(ready_[i]);
        if (patient_ || event->work->bytes() <= kLongBytes) {
            run_on_host(event);
            continue;
        }
        post_work([event] {
            Pump pump(*event->context);
            pump.run_on_host(event);
            pump.patient_ = true;
        });
    }
    ready_.clear();
}

void Pump::watch(_cl_event &event)
{
    if (event.lane && !event.is_over()) event.queue->lane.watch(event);
}

void Pump::watch_at_leisure(_cl_event &event)
{
    if (event.lane && !event.is_over()) event.queue->lane.watch_at_leisure(event);
}

void Pump::arm(_cl_event &event)
{
    if (event.armed || !event.signal || event.is_over()) return;
    auto armed = std::make_unique<Armed>(Armed{Ref(&event), event.signal});
    if (acc_signal_on(event.signal->handle, ACC_COND_LT, 1, on_signal, armed.get())) return;
    event.armed = true;
    (void)armed.release(); // the callback's
}

void Pump::poll(_cl_event &event)
{
    if (!event.lane) return;
    event.queue->lane.retire(*this);
    work();
}

void Pump::wait(_cl_event &event)
{
    work();
    while (!event.is_over()) {
        // Down to what nothing is waited for by.
        Ref<_cl_event> at(&event);
        for (bool found = true; found && !at->lane;) {
            found = false;
            for (const Ref<_cl_event> &before : at->waits_for)
                if (!before->is_over()) {
                    at = before;
                    found = true;
                    break;
                }
        }
        if (at->lane) {
            if (at->queue->lane.wait(lock_, at))
                at->queue->lane.fail_all(*this);
            else
                at->queue->lane.retire(*this);
        } else {
            context_.waiting++;
            context_.changed.wait(lock_);
            context_.waiting--;
        }
        work();
    }
}

cl_int check_wait_list(const _cl_context &context, WaitList list)
{
    if (!list.count != !list.events) return CL_INVALID_EVENT_WAIT_LIST;
    for (cl_uint i = 0; i < list.count; i++) {
        if (!valid(list.events[i])) return CL_INVALID_EVENT_WAIT_LIST;
        if (list.events[i]->context.get() != &context) return CL_INVALID_CONTEXT;
    }
    return CL_SUCCESS;
}

cl_int check_queue(const _cl_command_queue *queue)
{
    if (!valid(queue)) return CL_INVALID_COMMAND_QUEUE;
    return forked() ? CL_OUT_OF_RESOURCES : CL_SUCCESS;
}

cl_int enqueue(_cl_command_queue &queue, cl_command_type type, std::unique_ptr<Work> work,
               WaitList list, cl_event *out, bool blocking, Order order)
{
    const auto made =
        Ref<_cl_event>::adopt(new _cl_event(queue.context.get(), &queue, type, std::move(work)));
    _cl_event &event = *made;
    Pump pump(*queue.context);
    if (blocking) pump.may_take_long();
    // Who is ahead of the device by so much waits for it.
    while (queue.lane.is_full() && event.work && event.work->on_device())
        pump.wait(*Ref(queue.lane.middle()));
    event.pending = 1; // while dependencies are added
    for (cl_uint i = 0; i < list.count; i++) {
        _cl_event &before = *list.events[i];
        const cl_int status = before.status.load(std::memory_order_relaxed);
        if (status < 0)
            event.dependency_error = status;
        else if (status > 0)
            depend(event, before, true, blocking);
    }
    const bool all = order == Order::Barrier || (order == Order::Marker && !list.count);
    if (queue.in_order()) {
        if (queue.last) depend(event, *queue.last, false, blocking);
    } else {
        if (queue.barrier && !queue.barrier->is_over())
            depend(event, *queue.barrier, false, blocking);
        if (all && !list.count)
            for (_cl_event *one = queue.first; one; one = one->next)
                depend(event, *one, false, blocking);
        if (order == Order::Barrier) queue.barrier = made;
    }
    event.ref(); // the list's
    event.listed = true;
    event.serial = ++queue.serials;
    event.previous = queue.last;
    (queue.last ? queue.last->next : queue.first) = &event;
    queue.last = &event;
    if (out) {
        event.ref(); // the application's
        *out = &event;
    }
    if (--event.pending == 0) pump.launch(made);
    if (!blocking) return CL_SUCCESS;
    pump.wait(event);
    const cl_int status = event.status.load(std::memory_order_relaxed);
    return status < 0 ? status : CL_SUCCESS;
}

} // namespace acc::ocl
