// SPDX-License-Identifier: MIT
//
// What is told of programs and their builds.
#include "libacc/interop/opencl/api.h"
#include "libacc/interop/opencl/binary.h"
#include "libacc/interop/opencl/info.h"
#include "libacc/interop/opencl/program.h"

namespace acc::ocl::api
{
namespace
{

// One pointer for each device, to room for its binary, or null.
cl_int copy_binaries(const _cl_program &program, const Info &info)
{
    const size_t bytes = program.devices.size() * sizeof(unsigned char *);
    if (!info.place()) return info.bytes(nullptr, bytes);
    if (info.room() < bytes) return CL_INVALID_VALUE;
    auto *const places = static_cast<unsigned char **>(info.place());
    for (size_t i = 0; i < program.devices.size(); i++) {
        const std::vector<char> binary = write_binary(program.builds.at(program.devices[i]));
        if (places[i] && !binary.empty()) std::memcpy(places[i], binary.data(), binary.size());
    }
    return Info(bytes, nullptr, info.needed()).bytes(nullptr, bytes);
}

} // namespace

cl_int GetProgramInfo(cl_program program, cl_program_info what, size_t room, void *value,
                      size_t *needed)
try {
    if (!valid(program)) return CL_INVALID_PROGRAM;
    const Info info(room, value, needed);
    switch (what) {
    case CL_PROGRAM_REFERENCE_COUNT:
        return info.as<cl_uint>(program->users());
    case CL_PROGRAM_CONTEXT:
        return info.value<cl_context>(program->context.get());
    case CL_PROGRAM_NUM_DEVICES:
        return info.as<cl_uint>(program->devices.size());
    case CL_PROGRAM_DEVICES:
        return info.list(program->devices);
    case CL_PROGRAM_SOURCE:
        return info.text(program->source);
    case CL_PROGRAM_IL:
        return info.nothing();
    case CL_PROGRAM_BINARY_SIZES: {
        std::lock_guard lock(program->mutex);
        std::vector<size_t> sizes;
        for (const _cl_device_id *device : program->devices)
            sizes.push_back(write_binary(program->builds.at(device)).size());
        return info.list(sizes);
    }
    case CL_PROGRAM_BINARIES: {
        std::lock_guard lock(program->mutex);
        return copy_binaries(*program, info);
    }
    case CL_PROGRAM_NUM_KERNELS: {
        const auto module = program->module();
        if (!module) return CL_INVALID_PROGRAM_EXECUTABLE;
        return info.as<size_t>(module->kernels().size());
    }
    case CL_PROGRAM_KERNEL_NAMES: {
        const auto module = program->module();
        if (!module) return CL_INVALID_PROGRAM_EXECUTABLE;
        std::string names;
        for (const Signature &kernel : module->kernels())
            names += (names.empty() ? "" : ";") + kernel.name;
        return info.text(names);
    }
    case CL_PROGRAM_SCOPE_GLOBAL_CTORS_PRESENT:
    case CL_PROGRAM_SCOPE_GLOBAL_DTORS_PRESENT:
        return info.flag(false);
    default:
        return CL_INVALID_VALUE;
    }
}
OCL_END

cl_int GetProgramBuildInfo(cl_program program, cl_device_id device, cl_program_build_info what,
                           size_t room, void *value, size_t *needed)
try {
    if (!valid(program)) return CL_INVALID_PROGRAM;
    if (!valid(device) || !program->has(device)) return CL_INVALID_DEVICE;
    const Info info(room, value, needed);
    std::lock_guard lock(program->mutex);
    const Build &build = program->builds.at(device);
    switch (what) {
    case CL_PROGRAM_BUILD_STATUS:
        return info.as<cl_build_status>(build.status);
    case CL_PROGRAM_BUILD_OPTIONS:
        return info.text(build.options);
    case CL_PROGRAM_BUILD_LOG:
        return info.text(build.log);
    case CL_PROGRAM_BINARY_TYPE:
        return info.as<cl_program_binary_type>(build.type);
    case CL_PROGRAM_BUILD_GLOBAL_VARIABLE_TOTAL_SIZE:
        return info.as<size_t>(0);
    default:
        return CL_INVALID_VALUE;
    }
}
OCL_END

} // namespace acc::ocl::api
