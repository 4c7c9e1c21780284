// SPDX-License-Identifier: MIT
//
// Making programs, and loading what they are made of.
#include "libacc/interop/opencl/program.h"

#include "libacc/interop/opencl/api.h"
#include "libacc/interop/opencl/binary.h"
#include "libacc/interop/opencl/builtins.h"
#include "libacc/interop/opencl/info.h"
#include "libacc/interop/opencl/softcore/launch.h"
#include "libacc/interop/opencl/thunks.h"

#include <algorithm>

using namespace acc::ocl;

_cl_program::_cl_program(_cl_context *of, std::vector<_cl_device_id *> list)
    : context(of), devices(std::move(list))
{
    for (_cl_device_id *device : devices) {
        device->ref();
        builds[device];
    }
}

_cl_program::~_cl_program()
{
    for (_cl_device_id *device : devices)
        device->unref();
}

std::shared_ptr<Module> _cl_program::module() const
{
    std::lock_guard lock(mutex);
    for (const _cl_device_id *device : devices)
        if (const Build &build = builds.at(device);
            build.module && build.status == CL_BUILD_SUCCESS)
            return build.module;
    return nullptr;
}

namespace acc::ocl
{

Module::Module(std::vector<size_t> list) : built_ins_(std::move(list))
{
    for (const size_t index : built_ins_)
        kernels_.push_back(built_ins()->all()[index]);
}

Module::~Module()
{
    if (program_) (void)acc_program_unload(program_);
    if (loaded_model_) (void)acc_model_unload(loaded_model_);
}

std::shared_ptr<Module> Module::of_image(std::vector<char> image, std::string &why)
{
    std::shared_ptr<Module> made(new Module);
    const std::string_view text(image.data(), image.size());
    const size_t begin = text.find(kSignaturesBegin);
    const size_t end = text.find(kSignaturesEnd);
    made->image_.assign(image.begin(), image.end());
    if (begin != std::string_view::npos && end != std::string_view::npos && begin < end) {
        const size_t start = begin + kSignaturesBegin.size();
        if (!read_signatures(text.substr(start, end - start), made->kernels_)) {
            why = "expected descriptions of kernels in the image; found others";
            return nullptr;
        }
        return made;
    }
    made->model_ = true;
    acc_model *const model = made->model(why);
    if (!model) return nullptr;
    Signature s;
    s.name = "acc_model";
    const auto add = [&](bool output, const acc_tensor_info &info) {
        Argument a;
        a.kind = Argument::Kind::Memory;
        a.space = CL_KERNEL_ARG_ADDRESS_GLOBAL;
        a.name = info.name;
        a.type = "void*";
        if (!output) a.qualifiers = CL_KERNEL_ARG_TYPE_CONST;
        a.offset = s.bytes;
        a.bytes = sizeof(uint64_t);
        s.bytes += a.bytes;
        s.arguments.push_back(std::move(a));
    };
    for (uint32_t i = 0;; i++) {
        auto info = acc_init<acc_tensor_info>();
        if (acc_model_input(model, i, &info)) break;
        add(false, info);
    }
    for (uint32_t i = 0;; i++) {
        auto info = acc_init<acc_tensor_info>();
        if (acc_model_output(model, i, &info)) break;
        add(true, info);
    }
    Argument samples;
    samples.name = "samples";
    samples.type = "uint";
    samples.offset = s.bytes;
    samples.bytes = sizeof(uint32_t);
    s.bytes += sizeof(uint64_t);
    s.arguments.push_back(std::move(samples));
    made->kernels_.push_back(std::move(s));
    return made;
}

acc_model *Module::model(std::string &why)
{
    std::lock_guard lock(mutex_);
    const Hardware &all = *opened_hardware();
    if (!loaded_model_ && acc_model_load(all.all.data(), all.all.size(), image_.data(),
                                         image_.size(), nullptr, &loaded_model_))
        why = acc_error_text();
    return loaded_model_;
}

// Under the mutex.
bool Module::load(std::string &why)
{
    if (program_) return true;
    acc_device *const device = opened_hardware()->fpga;
    if (!device) {
        why = "expected an FPGA; found none";
        return false;
    }
    if (acc_program_load(device, image_.data(), image_.size(), &program_)) {
        why = acc_error_text();
        return false;
    }
    objects_.assign(kernels_.size(), 0);
    for (size_t i = 0; i < kernels_.size(); i++) {
        auto info = acc_init<acc_kernel_info>();
        if (acc_program_kernel(program_, static_cast<uint32_t>(i), &info) == 0 &&
            info.kernarg_bytes == sizeof(acc_cl_order))
            objects_[i] = info.kernel_object;
    }
    return true;
}

std::optional<uint64_t> Module::kernel_object(size_t kernel, std::string &why)
{
    if (is_built_in()) return built_ins()->kernel_object(built_ins_[kernel], why);
    std::lock_guard lock(mutex_);
    if (!load(why)) return {};
    if (!objects_[kernel]) {
        why = "expected kernel " + kernels_[kernel].name + " in the image; found another";
        return {};
    }
    return objects_[kernel];
}

namespace api
{

cl_program CreateProgramWithSource(cl_context context, cl_uint count, const char **strings,
                                   const size_t *lengths, cl_int *error)
try {
    if (!valid(context)) return fail(error, CL_INVALID_CONTEXT);
    if (!count || !strings) return fail(error, CL_INVALID_VALUE);
    std::string source;
    for (cl_uint i = 0; i < count; i++) {
        if (!strings[i]) return fail(error, CL_INVALID_VALUE);
        if (lengths && lengths[i])
            source.append(strings[i], lengths[i]);
        else
            source += strings[i];
    }
    auto *made = new _cl_program(context, context->devices);
    made->source = std::move(source);
    made->has_source = true;
    return succeed(error, made);
}
OCL_END_CREATE(error)

cl_program CreateProgramWithBinary(cl_context context, cl_uint count, const cl_device_id *devices,
                                   const size_t *lengths, const unsigned char **binaries,
                                   cl_int *status, cl_int *error)
try {
    if (!valid(context)) return fail(error, CL_INVALID_CONTEXT);
    if (!count || !devices || !lengths || !binaries) return fail(error, CL_INVALID_VALUE);
    std::vector<_cl_device_id *> list;
    for (cl_uint i = 0; i < count; i++) {
        if (!context->has(devices[i])) return fail(error, CL_INVALID_DEVICE);
        if (std::find(list.begin(), list.end(), devices[i]) == list.end())
            list.push_back(devices[i]);
    }
    cl_int result = CL_SUCCESS;
    for (cl_uint i = 0; i < count; i++) {
        const bool given = binaries[i] && lengths[i];
        if (status) status[i] = given ? CL_SUCCESS : CL_INVALID_VALUE;
        if (!given) result = CL_INVALID_VALUE;
    }
    if (result) return fail(error, result);
    const auto made = Ref<_cl_program>::adopt(new _cl_program(context, std::move(list)));
    for (cl_uint i = 0; i < count; i++) {
        Build &build = made->builds[devices[i]];
        std::string why;
        if (read_binary({binaries[i], lengths[i]}, build, why)) continue;
        context->report("clCreateProgramWithBinary: " + why);
        if (status) status[i] = CL_INVALID_BINARY;
        result = CL_INVALID_BINARY;
    }
    if (result) return fail(error, result);
    made->ref(); // the application's
    return succeed(error, made.get());
}
OCL_END_CREATE(error)

cl_program CreateProgramWithBuiltInKernels(cl_context context, cl_uint count,
                                           const cl_device_id *devices, const char *names,
                                           cl_int *error)
try {
    if (!valid(context)) return fail(error, CL_INVALID_CONTEXT);
    if (!count || !devices || !names) return fail(error, CL_INVALID_VALUE);
    std::vector<_cl_device_id *> list;
    for (cl_uint i = 0; i < count; i++) {
        if (!context->has(devices[i])) return fail(error, CL_INVALID_DEVICE);
        if (std::find(list.begin(), list.end(), devices[i]) == list.end())
            list.push_back(devices[i]);
    }
    std::vector<size_t> kernels;
    const std::string_view text(names);
    for (size_t at = 0; at <= text.size();) {
        const size_t end = std::min(text.find(';', at), text.size());
        const size_t index = built_ins()->find(text.substr(at, end - at));
        if (index == built_ins()->all().size()) return fail(error, CL_INVALID_VALUE);
        if (std::find(kernels.begin(), kernels.end(), index) == kernels.end())
            kernels.push_back(index);
        at = end + 1;
    }
    auto *made = new _cl_program(context, std::move(list));
    made->is_built_in = true;
    const auto module = std::make_shared<Module>(std::move(kernels));
    for (auto &[device, build] : made->builds) {
        build.status = CL_BUILD_SUCCESS;
        build.type = CL_PROGRAM_BINARY_TYPE_EXECUTABLE;
        build.module = module;
    }
    return succeed(error, made);
}
OCL_END_CREATE(error)

cl_int RetainProgram(cl_program program)
{
    if (!valid(program)) return CL_INVALID_PROGRAM;
    program->retain();
    return CL_SUCCESS;
}

cl_int ReleaseProgram(cl_program program)
{
    if (!valid(program)) return CL_INVALID_PROGRAM;
    program->release();
    return CL_SUCCESS;
}

// Nothing runs when a program goes: constructors of program scope need OpenCL C++.
cl_int SetProgramReleaseCallback(cl_program program, void(CL_CALLBACK *fn)(cl_program, void *),
                                 void *)
{
    if (!valid(program)) return CL_INVALID_PROGRAM;
    return fn ? CL_INVALID_OPERATION : CL_INVALID_VALUE;
}

cl_int SetProgramSpecializationConstant(cl_program program, cl_uint, size_t, const void *)
{
    return valid(program) ? CL_INVALID_OPERATION : CL_INVALID_PROGRAM; // no such language
}

} // namespace api
} // namespace acc::ocl
