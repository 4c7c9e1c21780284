// SPDX-License-Identifier: MIT
//
// What moves commands on. There is no thread that does: whoever enqueues, waits or asks takes out
// what is over and starts what is ready, under the context's mutex, and does the work of the host
// outside of it. Only where nobody waits does a callback of libacc come in.
#pragma once

#include "libacc/interop/opencl/queue.h"

#include <functional>
#include <span>

namespace acc::ocl
{

// Holds the mutex of a context, and does when it goes what could not be done under it.
class Pump
{
public:
    enum class Where {
        Application, // may do what is long
        Callback,    // of libacc: may not
    };
    explicit Pump(_cl_context &context, Where where = Where::Application);
    ~Pump();
    Pump(const Pump &) = delete;
    Pump &operator=(const Pump &) = delete;

    // Nothing that it waits for is left.
    void launch(Ref<_cl_event> event);
    // CL_COMPLETE or an error. The first call counts.
    void complete(_cl_event &event, cl_int status);
    // CL_SUBMITTED, CL_RUNNING.
    void advance(_cl_event &event, cl_int status);
    // Does what has become ready on the host; the mutex is let go meanwhile.
    void work();
    // Until it is over.
    void wait(_cl_event &event);
    // Takes out what is over, of that command's lane.
    void poll(_cl_event &event);
    // Something will come when it is over, though nobody waits.
    static void watch(_cl_event &event);
    // It will, but may take its time.
    static void watch_at_leisure(_cl_event &event);
    // Of a packet's own signal.
    static void arm(_cl_event &event);

    // Given up when the mutex has been let go.
    void drop(Ref<_cl_event> event) { garbage_.push_back(std::move(event)); }
    void drop(std::shared_ptr<const void> object) { objects_.push_back(std::move(object)); }
    void report(std::string text) { reports_.push_back(std::move(text)); }
    _cl_context &context() { return context_; }
    // For who enqueues and will wait itself: long work too is done here.
    void may_take_long() { patient_ = true; }

private:
    struct Settled {
        Ref<_cl_event> event;
        cl_int state;
    };
    void settle(_cl_event &event, cl_int state, std::vector<Settled> &more);
    void run_on_host(const Ref<_cl_event> &event);

    _cl_context &context_;
    Ref<_cl_context> keep_;
    const Where where_;
    bool patient_ = false;
    std::unique_lock<std::mutex> lock_;
    std::vector<Ref<_cl_event>> ready_;
    std::vector<std::function<void()>> callbacks_;
    std::vector<Ref<_cl_event>> garbage_;
    std::vector<std::unique_ptr<Work>> old_work_;
    std::vector<std::shared_ptr<const void>> objects_;
    std::vector<std::string> reports_;
};

// Threads that never end, made when they are first needed. Leaked with their queues.
void post_work(std::function<void()> call);
void post_callback(std::function<void()> call);

struct WaitList {
    cl_uint count;
    const cl_event *events;
};
// CL_INVALID_EVENT_WAIT_LIST, CL_INVALID_CONTEXT.
cl_int check_wait_list(const _cl_context &context, WaitList list);
// CL_INVALID_COMMAND_QUEUE; CL_OUT_OF_RESOURCES in a child after fork.
cl_int check_queue(const _cl_command_queue *queue);

// How a command of a queue waits for others without being told.
enum class Order {
    Normal,  // in-order queues: for the one before
    Barrier, // for all before; all later ones wait for it
    Marker,  // for all before
};

// Precondition: queue and list have been checked. `event` may be null. Blocking: returns when the
// command is over, and its error.
cl_int enqueue(_cl_command_queue &queue, cl_command_type type, std::unique_ptr<Work> work,
               WaitList list, cl_event *event, bool blocking = false, Order order = Order::Normal);

} // namespace acc::ocl
