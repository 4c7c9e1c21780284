// SPDX-License-Identifier: MIT
//
// Kernels and the arguments that are set for them. Memory objects are not retained by being set,
// but by being enqueued.
//
// Thread safety: as the specification says: setting arguments is the application's to order.
#pragma once

#include "libacc/interop/opencl/memory.h"
#include "libacc/interop/opencl/program.h"

struct _cl_kernel final : acc::ocl::Object<_cl_kernel> {
    static constexpr uint32_t kMagic = 0x4b45524e;

    _cl_kernel(_cl_program *program, std::shared_ptr<acc::ocl::Module> module, size_t index);
    explicit _cl_kernel(const _cl_kernel &other, int);
    ~_cl_kernel();

    const acc::ocl::Signature &signature() const { return module->kernels()[index]; }

    const acc::ocl::Ref<_cl_program> program;
    const std::shared_ptr<acc::ocl::Module> module;
    const size_t index;

    std::vector<char> block;     // of arguments, as they are passed
    std::vector<char> set;       // by argument: it has a value
    std::vector<cl_mem> objects; // by argument: not retained; null: none, or an address
};
