// SPDX-License-Identifier: MIT
//
// Making kernels and setting their arguments.
#include "libacc/interop/opencl/kernel.h"

#include "libacc/interop/opencl/api.h"

#include <algorithm>
#include <cstring>

using namespace acc::ocl;

_cl_kernel::_cl_kernel(_cl_program *of, std::shared_ptr<Module> in, size_t number)
    : program(of), module(std::move(in)), index(number), block(signature().bytes),
      set(signature().arguments.size()), objects(signature().arguments.size())
{
    program->kernels++;
}

_cl_kernel::_cl_kernel(const _cl_kernel &other, int)
    : program(other.program), module(other.module), index(other.index), block(other.block),
      set(other.set), objects(other.objects)
{
    program->kernels++;
}

_cl_kernel::~_cl_kernel()
{
    program->kernels--;
}

namespace acc::ocl::api
{
namespace
{

void store(_cl_kernel &kernel, cl_uint index, const void *value, size_t bytes, cl_mem object)
{
    const Argument &argument = kernel.signature().arguments[index];
    std::memcpy(kernel.block.data() + argument.offset, value, bytes);
    kernel.objects[index] = object;
    kernel.set[index] = 1;
}

} // namespace

cl_kernel CreateKernel(cl_program program, const char *name, cl_int *error)
try {
    if (!valid(program)) return fail(error, CL_INVALID_PROGRAM);
    if (!name) return fail(error, CL_INVALID_VALUE);
    auto module = program->module();
    if (!module) return fail(error, CL_INVALID_PROGRAM_EXECUTABLE);
    const auto &all = module->kernels();
    const auto found = std::find_if(all.begin(), all.end(),
                                    [&](const Signature &kernel) { return kernel.name == name; });
    if (found == all.end()) return fail(error, CL_INVALID_KERNEL_NAME);
    const auto index = static_cast<size_t>(found - all.begin());
    return succeed(error, new _cl_kernel(program, std::move(module), index));
}
OCL_END_CREATE(error)

cl_int CreateKernelsInProgram(cl_program program, cl_uint room, cl_kernel *kernels, cl_uint *count)
try {
    if (!valid(program)) return CL_INVALID_PROGRAM;
    const auto module = program->module();
    if (!module) return CL_INVALID_PROGRAM_EXECUTABLE;
    const size_t all = module->kernels().size();
    if (kernels && room < all) return CL_INVALID_VALUE;
    if (kernels)
        for (size_t i = 0; i < all; i++)
            kernels[i] = new _cl_kernel(program, module, i);
    if (count) *count = static_cast<cl_uint>(all);
    return CL_SUCCESS;
}
OCL_END

cl_kernel CloneKernel(cl_kernel kernel, cl_int *error)
try {
    if (!valid(kernel)) return fail(error, CL_INVALID_KERNEL);
    return succeed(error, new _cl_kernel(*kernel, 0));
}
OCL_END_CREATE(error)

cl_int RetainKernel(cl_kernel kernel)
{
    if (!valid(kernel)) return CL_INVALID_KERNEL;
    kernel->retain();
    return CL_SUCCESS;
}

cl_int ReleaseKernel(cl_kernel kernel)
{
    if (!valid(kernel)) return CL_INVALID_KERNEL;
    kernel->release();
    return CL_SUCCESS;
}

cl_int SetKernelArg(cl_kernel kernel, cl_uint index, size_t bytes, const void *value)
{
    if (!valid(kernel)) return CL_INVALID_KERNEL;
    const Signature &signature = kernel->signature();
    if (index >= signature.arguments.size()) return CL_INVALID_ARG_INDEX;
    const Argument &argument = signature.arguments[index];
    switch (argument.kind) {
    case Argument::Kind::Local: {
        if (value) return CL_INVALID_ARG_VALUE;
        if (!bytes) return CL_INVALID_ARG_SIZE;
        const uint64_t size = bytes;
        store(*kernel, index, &size, sizeof size, nullptr);
        return CL_SUCCESS;
    }
    case Argument::Kind::Memory: {
        if (bytes != sizeof(cl_mem)) return CL_INVALID_ARG_SIZE;
        cl_mem object = nullptr;
        if (value) std::memcpy(&object, value, sizeof object);
        if (object && (!valid(object) || object->context.get() != kernel->program->context.get()))
            return CL_INVALID_MEM_OBJECT;
        const uint64_t address = object ? object->address() : 0;
        store(*kernel, index, &address, sizeof address, object);
        return CL_SUCCESS;
    }
    case Argument::Kind::Value:
        break;
    }
    if (!value) return CL_INVALID_ARG_VALUE;
    if (bytes != argument.bytes) return CL_INVALID_ARG_SIZE;
    store(*kernel, index, value, bytes, nullptr);
    return CL_SUCCESS;
}

cl_int SetKernelArgSVMPointer(cl_kernel kernel, cl_uint index, const void *value)
{
    if (!valid(kernel)) return CL_INVALID_KERNEL;
    const Signature &signature = kernel->signature();
    if (index >= signature.arguments.size()) return CL_INVALID_ARG_INDEX;
    if (signature.arguments[index].kind != Argument::Kind::Memory) return CL_INVALID_ARG_VALUE;
    if (value && !kernel->program->context->svm.find(value)) return CL_INVALID_ARG_VALUE;
    const auto address = reinterpret_cast<uintptr_t>(value);
    store(*kernel, index, &address, sizeof address, nullptr);
    return CL_SUCCESS;
}

// Every block of the context is bound on all devices: there is nothing to remember.
cl_int SetKernelExecInfo(cl_kernel kernel, cl_kernel_exec_info what, size_t bytes,
                         const void *value)
{
    if (!valid(kernel)) return CL_INVALID_KERNEL;
    if (!value) return CL_INVALID_VALUE;
    switch (what) {
    case CL_KERNEL_EXEC_INFO_SVM_PTRS:
    case CL_KERNEL_EXEC_INFO_USM_PTRS_INTEL:
        return bytes && bytes % sizeof(void *) == 0 ? CL_SUCCESS : CL_INVALID_VALUE;
    case CL_KERNEL_EXEC_INFO_SVM_FINE_GRAIN_SYSTEM: {
        if (bytes != sizeof(cl_bool)) return CL_INVALID_VALUE;
        cl_bool wanted;
        std::memcpy(&wanted, value, sizeof wanted);
        return wanted ? CL_INVALID_OPERATION : CL_SUCCESS;
    }
    case CL_KERNEL_EXEC_INFO_INDIRECT_HOST_ACCESS_INTEL:
    case CL_KERNEL_EXEC_INFO_INDIRECT_DEVICE_ACCESS_INTEL:
    case CL_KERNEL_EXEC_INFO_INDIRECT_SHARED_ACCESS_INTEL:
        return bytes == sizeof(cl_bool) ? CL_SUCCESS : CL_INVALID_VALUE;
    default:
        return CL_INVALID_VALUE;
    }
}

} // namespace acc::ocl::api
