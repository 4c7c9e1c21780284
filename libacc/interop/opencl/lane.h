// SPDX-License-Identifier: MIT
//
// The way of a command queue to the FPGA: a queue of libacc, and the commands that are in it.
//
// A fault takes libacc's queue out of use and cancels what is behind it. The command that faulted
// ends with an error; those that were cancelled are submitted again, to a new queue.
//
// Thread safety: the context's mutex guards all of it.
#pragma once

#include "libacc/interop/opencl/event.h"

#include <deque>

namespace acc::ocl
{

class Pump;

class Lane
{
public:
    Lane(const Hardware &hardware, uint64_t timeout_ns)
        : device_(hardware.fpga), timeout_ns_(timeout_ns)
    {
    }
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
    bool is_full() const { return flying_.size() >= kMost; }
    // The oldest that is in libacc's queue; null: none.
    _cl_event *oldest() const { return flying_.empty() ? nullptr : flying_.front().get(); }
    // Somebody shall be told when what flies is over, though nobody waits.
    void arm_all();

private:
    static constexpr size_t kMost = 1000;
    static constexpr uint32_t kRing = 1024;
    struct Waiting {
        Ref<_cl_event> event;
        bool ordered;
    };

    int open();
    bool push(Pump &pump, const Ref<_cl_event> &event, bool ordered);
    void over(Pump &pump, const Ref<_cl_event> &event);
    std::string fault_text(const _cl_event &event, uint32_t status) const;

    acc_device *const device_;
    const uint64_t timeout_ns_;
    acc_queue *queue_ = nullptr;
    bool broken_ = false;
    std::deque<Ref<_cl_event>> flying_;
    std::deque<Waiting> again_;   // cancelled; before `waiting_`
    std::deque<Waiting> waiting_; // for room, or for a new queue
};

} // namespace acc::ocl
