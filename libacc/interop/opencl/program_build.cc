// SPDX-License-Identifier: MIT
//
// Building, compiling and linking programs.
#include "libacc/interop/opencl/api.h"
#include "libacc/interop/opencl/compiler.h"
#include "libacc/interop/opencl/program.h"

#include <algorithm>

namespace acc::ocl
{
namespace
{

using Devices = std::vector<_cl_device_id *>;
using Notify = void(CL_CALLBACK *)(cl_program, void *);

// Those that are meant; a null list means all of `all`.
cl_int choose_devices(const Devices &all, cl_uint count, const cl_device_id *given, Devices &out)
{
    if (!count != !given) return CL_INVALID_VALUE;
    if (!given) {
        out = all;
        return CL_SUCCESS;
    }
    for (cl_uint i = 0; i < count; i++) {
        if (std::find(all.begin(), all.end(), given[i]) == all.end()) return CL_INVALID_DEVICE;
        out.push_back(given[i]);
    }
    return CL_SUCCESS;
}

// Begins a build of all `devices`. CL_INVALID_OPERATION: one is going on, or there are kernels.
cl_int begin(_cl_program &program, const Devices &devices, const std::string &options)
{
    std::lock_guard lock(program.mutex);
    if (program.kernels.load()) return CL_INVALID_OPERATION;
    for (const _cl_device_id *device : devices)
        if (program.builds[device].status == CL_BUILD_IN_PROGRESS) return CL_INVALID_OPERATION;
    for (const _cl_device_id *device : devices) {
        Build &build = program.builds[device];
        build.status = CL_BUILD_IN_PROGRESS;
        build.options = options;
        build.log.clear();
    }
    return CL_SUCCESS;
}

template <typename F>
void end(_cl_program &program, const Devices &devices, cl_build_status status, F each)
{
    std::lock_guard lock(program.mutex);
    for (const _cl_device_id *device : devices) {
        Build &build = program.builds[device];
        each(build);
        build.status = status;
    }
}

bool all_compile(const Devices &devices)
{
    return compiler_available() &&
           std::all_of(devices.begin(), devices.end(),
                       [](const auto *device) { return device->compiles(); });
}

// Of a compilation, or null with its log.
std::shared_ptr<Module> module_of(Compiled &compiled)
{
    if (!compiled.good) return nullptr;
    std::string why;
    auto module = Module::of_image(std::move(compiled.bytes), why);
    if (module && !module->kernels().empty() && !module->kernel_object(0, why)) module = nullptr;
    if (!module) compiled.log += "error: " + why + '\n';
    return module;
}

cl_int build_source(_cl_program &program, const Devices &devices, const CompileOptions &options)
{
    Compiled compiled = build(program.source, options);
    const auto module = module_of(compiled);
    end(program, devices, module ? CL_BUILD_SUCCESS : CL_BUILD_ERROR, [&](Build &build) {
        build.log = compiled.log;
        build.module = module;
        build.object.clear();
        build.type = module ? CL_PROGRAM_BINARY_TYPE_EXECUTABLE : CL_PROGRAM_BINARY_TYPE_NONE;
    });
    return module ? CL_SUCCESS : CL_BUILD_PROGRAM_FAILURE;
}

// Of binaries: an executable is ready, an object is linked by itself.
cl_int build_binary(_cl_program &program, const Devices &devices)
{
    cl_int result = CL_SUCCESS;
    for (_cl_device_id *device : devices) {
        std::shared_ptr<Module> module;
        std::vector<char> object;
        {
            std::lock_guard lock(program.mutex);
            module = program.builds[device].module;
            object = program.builds[device].object;
        }
        Compiled compiled;
        if (!module && !object.empty()) {
            compiled = link({&object, 1}, {});
            module = module_of(compiled);
        }
        if (!module) result = CL_BUILD_PROGRAM_FAILURE;
        end(program, {device}, module ? CL_BUILD_SUCCESS : CL_BUILD_ERROR, [&](Build &build) {
            build.log = compiled.log;
            build.module = module;
            if (module) build.type = CL_PROGRAM_BINARY_TYPE_EXECUTABLE;
        });
    }
    return result;
}

} // namespace

namespace api
{

cl_int BuildProgram(cl_program program, cl_uint count, const cl_device_id *given,
                    const char *options, Notify notify, void *user)
try {
    if (!valid(program)) return CL_INVALID_PROGRAM;
    if (!notify && user) return CL_INVALID_VALUE;
    Devices devices;
    OCL_TRY(choose_devices(program->devices, count, given, devices));
    if (program->is_built_in) return CL_INVALID_OPERATION;
    const std::string text = options ? options : "";
    CompileOptions parsed;
    if (!CompileOptions::parse(text, false, parsed)) return CL_INVALID_BUILD_OPTIONS;
    if (program->has_source && !all_compile(devices)) return CL_COMPILER_NOT_AVAILABLE;
    OCL_TRY(begin(*program, devices, text));
    const cl_int result = program->has_source ? build_source(*program, devices, parsed)
                                              : build_binary(*program, devices);
    if (notify) notify(program, user);
    return result;
}
OCL_END

cl_int CompileProgram(cl_program program, cl_uint count, const cl_device_id *given,
                      const char *options, cl_uint header_count, const cl_program *headers,
                      const char **names, Notify notify, void *user)
try {
    if (!valid(program)) return CL_INVALID_PROGRAM;
    if ((!notify && user) || !header_count != !headers || !header_count != !names)
        return CL_INVALID_VALUE;
    Devices devices;
    OCL_TRY(choose_devices(program->devices, count, given, devices));
    if (!program->has_source) return CL_INVALID_OPERATION;
    const std::string text = options ? options : "";
    CompileOptions parsed;
    if (!CompileOptions::parse(text, false, parsed)) return CL_INVALID_COMPILER_OPTIONS;
    if (!all_compile(devices)) return CL_COMPILER_NOT_AVAILABLE;
    std::vector<Header> list;
    for (cl_uint i = 0; i < header_count; i++) {
        if (!valid(headers[i])) return CL_INVALID_PROGRAM;
        if (!names[i]) return CL_INVALID_VALUE;
        if (!headers[i]->has_source) return CL_INVALID_OPERATION;
        list.push_back({names[i], headers[i]->source});
    }
    OCL_TRY(begin(*program, devices, text));
    const Compiled compiled = compile(program->source, list, parsed);
    end(*program, devices, compiled.good ? CL_BUILD_SUCCESS : CL_BUILD_ERROR, [&](Build &build) {
        build.log = compiled.log;
        build.object = compiled.bytes;
        build.module = nullptr;
        build.type =
            compiled.good ? CL_PROGRAM_BINARY_TYPE_COMPILED_OBJECT : CL_PROGRAM_BINARY_TYPE_NONE;
    });
    if (notify) notify(program, user);
    return compiled.good ? CL_SUCCESS : CL_COMPILE_PROGRAM_FAILURE;
}
OCL_END

cl_program LinkProgram(cl_context context, cl_uint count, const cl_device_id *given,
                       const char *options, cl_uint input_count, const cl_program *inputs,
                       Notify notify, void *user, cl_int *error)
try {
    if (!valid(context)) return fail(error, CL_INVALID_CONTEXT);
    if (!input_count || !inputs || (!notify && user)) return fail(error, CL_INVALID_VALUE);
    Devices devices;
    OCL_TRY_CREATE(error, choose_devices(context->devices, count, given, devices));
    for (cl_uint i = 0; i < input_count; i++)
        if (!valid(inputs[i])) return fail(error, CL_INVALID_PROGRAM);
    const std::string text = options ? options : "";
    CompileOptions parsed;
    if (!CompileOptions::parse(text, true, parsed)) return fail(error, CL_INVALID_LINKER_OPTIONS);
    // A device has an object of every program, or of none.
    Devices linked;
    std::vector<std::vector<char>> objects;
    for (_cl_device_id *device : devices) {
        std::vector<std::vector<char>> mine;
        for (cl_uint i = 0; i < input_count; i++) {
            std::lock_guard lock(inputs[i]->mutex);
            const auto found = inputs[i]->builds.find(device);
            if (found != inputs[i]->builds.end() && !found->second.object.empty())
                mine.push_back(found->second.object);
        }
        if (mine.empty()) continue;
        if (mine.size() != input_count) return fail(error, CL_INVALID_OPERATION);
        linked.push_back(device);
        if (objects.empty()) objects = std::move(mine);
    }
    if (linked.empty()) return fail(error, CL_INVALID_OPERATION);
    if (!all_compile(linked)) return fail(error, CL_LINKER_NOT_AVAILABLE);
    auto *made = new _cl_program(context, linked);
    Compiled compiled = link(objects, parsed);
    const auto module = parsed.library ? nullptr : module_of(compiled);
    const bool good = parsed.library ? compiled.good : module != nullptr;
    end(*made, linked, good ? CL_BUILD_SUCCESS : CL_BUILD_ERROR, [&](Build &build) {
        build.options = text;
        build.log = compiled.log;
        build.module = module;
        if (parsed.library) build.object = compiled.bytes;
        build.type = !good            ? CL_PROGRAM_BINARY_TYPE_NONE
                     : parsed.library ? CL_PROGRAM_BINARY_TYPE_LIBRARY
                                      : CL_PROGRAM_BINARY_TYPE_EXECUTABLE;
    });
    if (notify) notify(made, user);
    if (error) *error = good ? CL_SUCCESS : CL_LINK_PROGRAM_FAILURE;
    return made;
}
OCL_END_CREATE(error)

} // namespace api
} // namespace acc::ocl
