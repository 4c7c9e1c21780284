// SPDX-License-Identifier: MIT
//
// OpenCL's devices. Two of the platform: the accelerator, with everything; the custom device,
// with built-in kernels alone. And what an application partitions them into.
//
// Thread safety: immutable.
#pragma once

#include "libacc/interop/opencl/platform.h"

#include <vector>

struct _cl_device_id final : acc::ocl::Object<_cl_device_id> {
    static constexpr uint32_t kMagic = 0x44455649;

    _cl_device_id(cl_device_type type, cl_uint units) : type(type), units(units) {}
    // A part of `parent`.
    _cl_device_id(_cl_device_id *parent, cl_uint units,
                  std::vector<cl_device_partition_property> how)
        : type(parent->type), units(units), parent(parent), partition(std::move(how))
    {
    }

    bool compiles() const { return type == CL_DEVICE_TYPE_ACCELERATOR; }
    // The one of the platform that it is a part of, or itself.
    _cl_device_id *root() { return parent ? parent->root() : this; }

    const cl_device_type type;
    const cl_uint units; // regions that it is given
    const acc::ocl::Ref<_cl_device_id> parent;
    const std::vector<cl_device_partition_property> partition;
};

namespace acc::ocl
{

// Of the platform. Null: there is no such one here.
_cl_device_id *accelerator();
_cl_device_id *custom_device();

inline constexpr size_t kMaxWorkGroup = 1024;
inline constexpr size_t kLocalBytes = 64u << 10;
inline constexpr size_t kMaxParameterBytes = 1024;
inline constexpr size_t kMaxConstantBytes = 64u << 10;
inline constexpr size_t kPrintfBytes = 1u << 20;
inline constexpr size_t kBaseAlign = 128; // bytes: the largest type, long16

// Sizes of buffers, and of all of them.
uint64_t max_allocation();
uint64_t global_bytes();

} // namespace acc::ocl
