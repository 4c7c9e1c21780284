// SPDX-License-Identifier: MIT
//
// Commands and what is known of them. A command is an event of its own, whether or not the
// application asked for one.
//
//   QUEUED --(what it waits for is complete)--> SUBMITTED --> RUNNING --> COMPLETE, or an error
//
// A command of the device is submitted earlier: as soon as what it waits for has been submitted to
// the same lane, whose order then holds them apart (scheduler.h).
#pragma once

#include "libacc/interop/opencl/context.h"
#include "libacc/interop/opencl/signals.h"

#include <memory>
#include <string>
#include <vector>

namespace acc::ocl
{

class Lane;
struct Launch;

// What a command does. Alive until the command is complete; it holds what the command needs.
class Work
{
public:
    Work() = default;
    virtual ~Work() = default;
    Work(const Work &) = delete;
    Work &operator=(const Work &) = delete;

    // Of the host: does it, on any thread, without a lock. CL_SUCCESS, or the command's error.
    virtual cl_int run() { return CL_SUCCESS; }
    // Ahead of run(). True: it has begun what will call Pump::complete(), and run() is left out.
    virtual bool begin(const Ref<_cl_event> &) { return false; }
    // About how many bytes it moves: what is long is not done on the application's thread.
    virtual uint64_t bytes() const { return 0; }

    // Of the device: what is dispatched; arguments stay valid as long as the work. Or, of compiled
    // code, what is put into a ring.
    virtual bool on_device() const { return false; }
    virtual void fill(acc_dispatch &) {}
    virtual const Launch *launch() const { return nullptr; }
    // After a dispatch that ended well, before the command is complete.
    virtual void finish() {}
    // For the text of a fault.
    virtual std::string name() const { return "a command"; }
};

struct EventCallback {
    void(CL_CALLBACK *fn)(cl_event, cl_int, void *);
    void *user;
    cl_int when; // CL_SUBMITTED, CL_RUNNING, CL_COMPLETE
};

uint64_t clock_ns();

} // namespace acc::ocl

struct _cl_event final : acc::ocl::Object<_cl_event> {
    static constexpr uint32_t kMagic = 0x45564e54;

    _cl_event(_cl_context *context, _cl_command_queue *queue, cl_command_type type,
              std::unique_ptr<acc::ocl::Work> work);
    ~_cl_event();

    bool is_over() const { return status.load(std::memory_order_acquire) <= CL_COMPLETE; }
    bool is_user() const { return type == CL_COMMAND_USER; }

    const acc::ocl::Ref<_cl_context> context;
    const acc::ocl::Ref<_cl_command_queue> queue; // null: a user event
    const cl_command_type type;
    const bool timed;           // its times will be asked for
    std::atomic<cl_int> status; // changed under the context's mutex

    // The rest is the context's mutex'.
    std::unique_ptr<acc::ocl::Work> work;
    uint32_t pending = 0;        // of what it waits for
    cl_int dependency_error = 0; // the first of what it was told to wait for
    bool user_set = false;       // of a user event
    struct Dependent {
        acc::ocl::Ref<_cl_event> event;
        bool told; // by a wait list: an error goes on
    };
    std::vector<Dependent> dependents;
    std::vector<acc::ocl::Ref<_cl_event>> waits_for;  // so that who waits finds what to wait for
    std::vector<acc::ocl::Ref<_cl_event>> lane_order; // told to wait for, left to the lane
    std::vector<acc::ocl::EventCallback> callbacks;
    acc::ocl::Lane *lane = nullptr;         // while it is there
    acc::ocl::Ref<acc::ocl::Signal> signal; // of its packet
    bool armed = false;
    bool in_ring = false; // of its lane
    uint64_t ring_at = 0;
    _cl_event *previous = nullptr, *next = nullptr; // in its queue's list
    bool listed = false;
    uint64_t serial = 0; // counts its queue's commands

    cl_ulong queued_ns = 0, submitted_ns = 0, start_ns = 0, end_ns = 0;
};
