// SPDX-License-Identifier: MIT
//
// A context: whose devices, memory, programs and commands belong together. Its mutex guards all
// state of commands, events and queues in it (scheduler.h); nothing blocks under it.
#pragma once

#include "libacc/interop/opencl/device.h"
#include "libacc/interop/opencl/prints.h"
#include "libacc/interop/opencl/ring.h"
#include "libacc/interop/opencl/signals.h"
#include "libacc/interop/opencl/svm.h"

#include <condition_variable>
#include <mutex>
#include <vector>

struct _cl_context final : acc::ocl::Object<_cl_context> {
    static constexpr uint32_t kMagic = 0x434f4e54;
    using Notify = void(CL_CALLBACK *)(const char *, const void *, size_t, void *);
    struct Destructor {
        void(CL_CALLBACK *fn)(cl_context, void *);
        void *user;
    };

    _cl_context(std::vector<_cl_device_id *> given, std::vector<cl_context_properties> how,
                Notify fn, void *user);
    ~_cl_context();

    bool has(const _cl_device_id *device) const;
    // Tells the application's notify function, and the log.
    void report(const std::string &text) const;
    const acc::ocl::Hardware &hardware() const { return *acc::ocl::opened_hardware(); }

    const std::vector<_cl_device_id *> devices;
    const std::vector<cl_context_properties> properties;
    const Notify notify;
    void *const notify_user;

    std::mutex mutex;
    std::condition_variable changed; // of events, for those who wait where no signal tells
    unsigned waiting = 0;            // on `changed`
    std::vector<Destructor> destructors;
    std::vector<_cl_command_queue *> queues; // all of it; each goes without a ref

    acc::ocl::SignalPool signals;
    acc::ocl::RingPool rings;
    acc::ocl::PrintPool prints;
    acc::ocl::SvmBlocks svm;
};
