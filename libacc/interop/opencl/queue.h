// SPDX-License-Identifier: MIT
//
// Command queues.
//
// Thread safety: what is not const is the context's mutex'.
#pragma once

#include "libacc/interop/opencl/event.h"
#include "libacc/interop/opencl/lane.h"

struct _cl_command_queue final : acc::ocl::Object<_cl_command_queue> {
    static constexpr uint32_t kMagic = 0x51554555;

    _cl_command_queue(_cl_context *context, _cl_device_id *device,
                      cl_command_queue_properties properties,
                      std::vector<cl_queue_properties> given, uint64_t timeout_ns);
    ~_cl_command_queue();

    bool in_order() const { return !(properties & CL_QUEUE_OUT_OF_ORDER_EXEC_MODE_ENABLE); }

    const acc::ocl::Ref<_cl_context> context;
    const acc::ocl::Ref<_cl_device_id> device;
    cl_command_queue_properties properties;
    const std::vector<cl_queue_properties> given;

    acc::ocl::Lane lane;
    // Commands that are not over, oldest first; each holds a ref.
    _cl_event *first = nullptr, *last = nullptr;
    uint64_t serials = 0;
    // Of an out-of-order queue: what all later commands wait for. May be over.
    acc::ocl::Ref<_cl_event> barrier;
};
