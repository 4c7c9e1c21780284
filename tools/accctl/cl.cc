// SPDX-License-Identifier: MIT
//
// accctl cl: OpenCL C, compiled ahead of the program that uses it (docs/opencl.md). The OpenCL
// driver does it, as it would in that program.
#include "accctl.h"

#ifndef CL_TARGET_OPENCL_VERSION
#define CL_TARGET_OPENCL_VERSION 300
#endif
#include <CL/cl_icd.h>

#include <cstdio>
#include <cstdlib>
#include <dlfcn.h>
#include <fstream>
#include <unistd.h>

namespace acc::ctl
{
namespace
{

struct ClOptions {
    std::string source, out, options, driver;
};

constexpr const char *kDriver = "libacc-opencl.so";

// Empty: nowhere.
std::string driver_path()
{
    const std::string folder = folder_with(kDriver, {ACC_CL_INSTALLED, ACC_CL_BUILT});
    return folder.empty() ? "" : folder + "/" + kDriver;
}

// Why a call of the driver's failed.
std::string cl_error(const char *what, cl_int error)
{
    return std::string(what) + ": error " + std::to_string(error);
}

// One device's program, released in the end.
class ClProgram
{
public:
    explicit ClProgram(cl_platform_id platform)
        // What a loader does: a handle begins with the functions that take it.
        : cl_(**reinterpret_cast<const cl_icd_dispatch *const *>(platform)), platform_(platform)
    {
    }
    ~ClProgram()
    {
        if (program_) (void)cl_.clReleaseProgram(program_);
        if (context_) (void)cl_.clReleaseContext(context_);
    }
    ClProgram(const ClProgram &) = delete;
    ClProgram &operator=(const ClProgram &) = delete;

    // Empty, or what went wrong. `log` is the compiler's.
    std::string build(const std::string &source, const std::string &options, std::string &log)
    {
        cl_int error =
            cl_.clGetDeviceIDs(platform_, CL_DEVICE_TYPE_ACCELERATOR, 1, &device_, nullptr);
        if (error) return "expected an FPGA, whose soft cores execute OpenCL C; found none";
        context_ = cl_.clCreateContext(nullptr, 1, &device_, nullptr, nullptr, &error);
        if (error) return cl_error("clCreateContext", error);
        const char *const text = source.data();
        const size_t bytes = source.size();
        if (!bytes) return "expected OpenCL C; found nothing";
        program_ = cl_.clCreateProgramWithSource(context_, 1, const_cast<const char **>(&text),
                                                 &bytes, &error);
        if (error) return cl_error("clCreateProgramWithSource", error);
        error = cl_.clBuildProgram(program_, 1, &device_, options.c_str(), nullptr, nullptr);
        size_t length = 0;
        (void)cl_.clGetProgramBuildInfo(program_, device_, CL_PROGRAM_BUILD_LOG, 0, nullptr,
                                        &length);
        log.resize(length);
        (void)cl_.clGetProgramBuildInfo(program_, device_, CL_PROGRAM_BUILD_LOG, length, log.data(),
                                        nullptr);
        log.resize(length ? length - 1 : 0);
        switch (error) {
        case CL_SUCCESS:
            return {};
        case CL_INVALID_BUILD_OPTIONS:
            return "expected options of clBuildProgram(); found '" + options + "'";
        case CL_COMPILER_NOT_AVAILABLE:
            return "expected clang-16 and libpocl2-common; found one of them missing";
        case CL_BUILD_PROGRAM_FAILURE:
            return "the program was not built";
        default:
            return cl_error("clBuildProgram", error);
        }
    }

    // Empty: there is none.
    std::string binary()
    {
        size_t bytes = 0;
        if (cl_.clGetProgramInfo(program_, CL_PROGRAM_BINARY_SIZES, sizeof bytes, &bytes, nullptr))
            return {};
        std::string out(bytes, '\0');
        char *to = out.data();
        if (cl_.clGetProgramInfo(program_, CL_PROGRAM_BINARIES, sizeof to, &to, nullptr)) return {};
        return out;
    }

private:
    const cl_icd_dispatch &cl_;
    cl_platform_id platform_;
    cl_device_id device_ = nullptr;
    cl_context context_ = nullptr;
    cl_program program_ = nullptr;
};

int compile_cl(const Context &context, const ClOptions &options)
{
    const std::string path = options.driver.empty() ? driver_path() : options.driver;
    void *const driver = path.empty() ? nullptr : dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
    if (!driver)
        return fail("expected " + std::string(kDriver) + "; found " +
                    (path.empty() ? "none" : dlerror()));
    using Platforms = cl_int (*)(cl_uint, cl_platform_id *, cl_uint *);
    const auto platforms = reinterpret_cast<Platforms>(dlsym(driver, "clIcdGetPlatformIDsKHR"));
    std::vector<std::byte> source;
    if (!read_file(options.source, source)) return exit_failure;
    // The driver opens what the environment names.
    if (!context.devices.empty() && setenv("ACC_DEVICE", context.devices.front().c_str(), 1))
        return fail("out of memory");
    cl_platform_id platform = nullptr;
    if (!platforms || platforms(1, &platform, nullptr))
        return fail(path + ": expected an OpenCL driver; found another library");
    ClProgram program(platform);
    std::string log;
    const std::string why = program.build(
        {reinterpret_cast<const char *>(source.data()), source.size()}, options.options, log);
    fputs(log.c_str(), stderr);
    if (!why.empty()) return fail(options.source + ": " + why);
    const std::string image = program.binary();
    std::ofstream out(options.out, std::ios::binary);
    out.write(image.data(), static_cast<std::streamsize>(image.size()));
    if (image.empty() || !out.flush()) {
        (void)unlink(options.out.c_str());
        return fail(options.out + ": expected a file that can be written; found none");
    }
    return exit_ok;
}

} // namespace

void add_cl_commands(CLI::App &app, Context &context)
{
    CLI::App *cl = app.add_subcommand("cl", "Compile OpenCL C");
    cl->require_subcommand(1);
    auto options = std::make_shared<ClOptions>();
    CLI::App *command = cl->add_subcommand(
        "compile", "Compile a program to a file for clCreateProgramWithBinary()");
    command->add_option("source", options->source, "OpenCL C")->required()->type_name("FILE");
    command->add_option("-o,--output", options->out, "The .accx file")
        ->required()
        ->type_name("FILE");
    command->add_option("--options", options->options, "Options of clBuildProgram(), as one word");
    command->add_option("--driver", options->driver,
                        "The OpenCL driver (default: that of this accctl)");
    command->callback([&context, options] {
        context.command = [&context, options] { return compile_cl(context, *options); };
    });
}

} // namespace acc::ctl
