// SPDX-License-Identifier: MIT
//
// The way of a command queue to the FPGA: a queue of libacc, and the commands that are in it. A
// role is a packet of its own. Launches of compiled code go through a ring, which one packet
// after the other attends to; what comes behind them and is none of the same image waits until they
// are over and the ring is left.
//
// A fault takes libacc's queue out of use and cancels what is behind it. The command that faulted
// ends with an error; those that were cancelled are submitted again, to a new queue.
//
// Thread safety: the context's mutex guards all of it.
#pragma once

#include "libacc/interop/opencl/event.h"
#include "libacc/interop/opencl/ring.h"

#include <deque>
#include <mutex>

namespace acc::ocl
{

class Pump;

// At least 1.
unsigned processors();

class Lane
{
public:
    Lane(_cl_context &context, uint64_t timeout_ns);
    ~Lane();
    Lane(const Lane &) = delete;
    Lane &operator=(const Lane &) = delete;

    // Submits the command, or keeps it until there is room. `ordered`: after all before it.
    void submit(Pump &pump, Ref<_cl_event> event, bool ordered);
    // Takes out what is over.
    void retire(Pump &pump);
    // The device is gone: all end.
    void fail_all(Pump &pump);
    // `event` is in it, and will be over before whatever is submitted from now on in order.
    bool holds(const _cl_event &event) const { return event.lane == this && !broken_; }
    bool is_full() const { return has_no_room() || waiting_.size() >= kMost; }
    // What is over when half of what is in it is; null: nothing is in it.
    _cl_event *middle() const;
    // Lets the mutex go until `event`, which is in it, may be over: who waits takes out then.
    // 0, or the error of a device that is gone.
    int wait(std::unique_lock<std::mutex> &lock, const Ref<_cl_event> &event);
    // retire() shall be called when `event`, which is in it, may be over, though nobody waits.
    void watch(_cl_event &event);
    // The same, but the core need not leave the ring for it: whoever gave the order will wait.
    void watch_at_leisure(_cl_event &event);
    void watch_all();

private:
    static constexpr size_t kMost = 1000;
    static constexpr uint32_t kPackets = 1024;
    struct Waiting {
        Ref<_cl_event> event;
        bool ordered;
    };
    enum class Pushed {
        Done,  // or it has failed
        Later, // the ring has to be left first
        Never, // libacc's queue is broken
    };

    bool has_no_room() const { return flying_.size() >= kMost || ring_.is_full(); }
    int open();
    Pushed push(Pump &pump, const Ref<_cl_event> &event, bool ordered);
    Pushed push_packet(Pump &pump, const Ref<_cl_event> &event, bool ordered);
    Pushed push_launch(Pump &pump, const Ref<_cl_event> &event, const Launch &launch);
    int dispatch(acc_dispatch &dispatch);
    int attend();
    void sent(Pump &pump, const Ref<_cl_event> &event);
    Pushed failed(Pump &pump, const Ref<_cl_event> &event, int error);
    void over(Pump &pump, const Ref<_cl_event> &event);
    void end(Pump &pump, const Ref<_cl_event> &event, uint32_t status);
    void look_at_packets();
    void take_out(Pump &pump);
    void push_waiting(Pump &pump);
    void renew(Pump &pump);
    void drop_module(Pump &pump);
    void watch_for_waiting();
    void tell();
    static void told(void *user, acc_signal *, int64_t, int error);
    std::string fault_text(const _cl_event &event, uint32_t status) const;

    _cl_context &context_; // of the queue whose lane it is
    acc_device *const device_;
    const uint64_t timeout_ns_;
    acc_queue *queue_ = nullptr;
    bool broken_ = false;
    std::deque<Ref<_cl_event>> flying_;
    std::deque<Waiting> again_;   // cancelled; before `waiting_`
    std::deque<Waiting> waiting_; // for room, for the ring, or for a new queue

    Ring ring_;
    std::shared_ptr<Module> module_;  // whose launches are in it; while a packet attends to it
    uint64_t kernel_object_ = 0;      // of that module
    std::deque<Ref<Signal>> packets_; // that attend to it
    uint32_t fault_ = ACC_STATUS_OK;  // of one of them
    bool told_ = false;               // the end of the last one will be told
};

} // namespace acc::ocl
