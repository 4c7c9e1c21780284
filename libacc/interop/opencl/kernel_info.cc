// SPDX-License-Identifier: MIT
//
// What is told of kernels.
#include "libacc/interop/opencl/api.h"
#include "libacc/interop/opencl/info.h"
#include "libacc/interop/opencl/kernel.h"

namespace acc::ocl::api
{

cl_int GetKernelInfo(cl_kernel kernel, cl_kernel_info what, size_t room, void *value,
                     size_t *needed)
try {
    if (!valid(kernel)) return CL_INVALID_KERNEL;
    const Info info(room, value, needed);
    switch (what) {
    case CL_KERNEL_FUNCTION_NAME:
        return info.text(kernel->signature().name);
    case CL_KERNEL_NUM_ARGS:
        return info.as<cl_uint>(kernel->signature().arguments.size());
    case CL_KERNEL_REFERENCE_COUNT:
        return info.as<cl_uint>(kernel->users());
    case CL_KERNEL_CONTEXT:
        return info.value<cl_context>(kernel->program->context.get());
    case CL_KERNEL_PROGRAM:
        return info.value<cl_program>(kernel->program.get());
    case CL_KERNEL_ATTRIBUTES:
        return info.text(kernel->signature().attributes);
    default:
        return CL_INVALID_VALUE;
    }
}
OCL_END

cl_int GetKernelArgInfo(cl_kernel kernel, cl_uint index, cl_kernel_arg_info what, size_t room,
                        void *value, size_t *needed)
try {
    if (!valid(kernel)) return CL_INVALID_KERNEL;
    if (index >= kernel->signature().arguments.size()) return CL_INVALID_ARG_INDEX;
    if (!kernel->signature().has_argument_info) return CL_KERNEL_ARG_INFO_NOT_AVAILABLE;
    const Info info(room, value, needed);
    const Argument &argument = kernel->signature().arguments[index];
    switch (what) {
    case CL_KERNEL_ARG_ADDRESS_QUALIFIER:
        return info.value<cl_kernel_arg_address_qualifier>(argument.space);
    case CL_KERNEL_ARG_ACCESS_QUALIFIER:
        return info.value<cl_kernel_arg_access_qualifier>(argument.access);
    case CL_KERNEL_ARG_TYPE_NAME:
        return info.text(argument.type);
    case CL_KERNEL_ARG_TYPE_QUALIFIER:
        return info.value<cl_kernel_arg_type_qualifier>(argument.qualifiers);
    case CL_KERNEL_ARG_NAME:
        return info.text(argument.name);
    default:
        return CL_INVALID_VALUE;
    }
}
OCL_END

cl_int GetKernelWorkGroupInfo(cl_kernel kernel, cl_device_id device, cl_kernel_work_group_info what,
                              size_t room, void *value, size_t *needed)
try {
    if (!valid(kernel)) return CL_INVALID_KERNEL;
    const auto &devices = kernel->program->devices;
    if (!device) {
        if (devices.size() != 1) return CL_INVALID_DEVICE;
        device = devices.front();
    }
    if (!valid(device) || !kernel->program->has(device)) return CL_INVALID_DEVICE;
    const Info info(room, value, needed);
    const Signature &signature = kernel->signature();
    const bool built_in = kernel->module->is_built_in();
    switch (what) {
    case CL_KERNEL_GLOBAL_WORK_SIZE:
        // Of built-in kernels and custom devices alone. Such a kernel does not look at it.
        if (!built_in && device->type != CL_DEVICE_TYPE_CUSTOM) return CL_INVALID_VALUE;
        return info.list(std::vector<size_t>(3, CL_INT_MAX));
    case CL_KERNEL_WORK_GROUP_SIZE: {
        size_t most = built_in || !device->compiles() ? 1 : kMaxWorkGroup;
        if (signature.required_group[0])
            most = signature.required_group[0] * signature.required_group[1] *
                   signature.required_group[2];
        return info.as<size_t>(most);
    }
    case CL_KERNEL_COMPILE_WORK_GROUP_SIZE:
        return info.bytes(signature.required_group, sizeof signature.required_group);
    case CL_KERNEL_LOCAL_MEM_SIZE: {
        uint64_t bytes = signature.local_bytes;
        for (size_t i = 0; i < signature.arguments.size(); i++) {
            uint64_t size = 0;
            if (signature.arguments[i].kind != Argument::Kind::Local || !kernel->set[i]) continue;
            std::memcpy(&size, kernel->block.data() + signature.arguments[i].offset, sizeof size);
            bytes += size;
        }
        return info.as<cl_ulong>(bytes);
    }
    case CL_KERNEL_PREFERRED_WORK_GROUP_SIZE_MULTIPLE:
        return info.as<size_t>(1);
    case CL_KERNEL_PRIVATE_MEM_SIZE:
        return info.as<cl_ulong>(signature.private_bytes);
    default:
        return CL_INVALID_VALUE;
    }
}
OCL_END

} // namespace acc::ocl::api
