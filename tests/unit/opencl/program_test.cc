// SPDX-License-Identifier: MIT
//
// Programs of OpenCL C: builds, logs, links, binaries, and refusals.
#include "fixture.h"

namespace acc::test
{
namespace
{

const char *const kTwice = "__kernel void twice(__global int *a) { a[get_global_id(0)] *= 2; }";

cl_program source_program(cl_context context, const char *text)
{
    cl_int error = CL_SUCCESS;
    const cl_program program = clCreateProgramWithSource(context, 1, &text, nullptr, &error);
    EXPECT_EQ(error, CL_SUCCESS);
    return program;
}

cl_build_status build_status(cl_program program, cl_device_id device)
{
    cl_build_status out = 99;
    EXPECT_EQ(
        clGetProgramBuildInfo(program, device, CL_PROGRAM_BUILD_STATUS, sizeof out, &out, nullptr),
        CL_SUCCESS);
    return out;
}

class OpenClProgram : public OpenCl
{
protected:
    void SetUp() override
    {
        OpenCl::SetUp();
        SKIP_WITHOUT_COMPILER();
    }
    // What `twice` of that program makes of 1, 2, 3.
    void expect_twice(cl_program program)
    {
        const cl_mem memory = buffer_of(std::vector<int>{1, 2, 3});
        const cl_kernel twice = kernel(program, "twice");
        ASSERT_NE(twice, nullptr);
        set_args(twice, 0, memory);
        const size_t three = 3;
        ASSERT_EQ(
            clEnqueueNDRangeKernel(queue, twice, 1, nullptr, &three, nullptr, 0, nullptr, nullptr),
            CL_SUCCESS);
        EXPECT_EQ(contents<int>(memory, 3), (std::vector<int>{2, 4, 6}));
    }
};

TEST_F(OpenClProgram, BuildsAndTells)
{
    const cl_program program = build(kTwice, "-DX=1 -cl-kernel-arg-info");
    EXPECT_EQ(build_status(program, device), CL_BUILD_SUCCESS);
    EXPECT_EQ(text_of(clGetProgramInfo, program, CL_PROGRAM_SOURCE), kTwice);
    EXPECT_EQ(text_of(clGetProgramInfo, program, CL_PROGRAM_KERNEL_NAMES), "twice");
    EXPECT_EQ(value_of<size_t>(clGetProgramInfo, program, CL_PROGRAM_NUM_KERNELS), 1u);
    char text[64];
    EXPECT_EQ(clGetProgramBuildInfo(program, device, CL_PROGRAM_BUILD_OPTIONS, sizeof text, text,
                                    nullptr),
              CL_SUCCESS);
    EXPECT_STREQ(text, "-DX=1 -cl-kernel-arg-info");
    expect_twice(program);
    const cl_kernel twice = kernel(program, "twice");
    EXPECT_EQ(clBuildProgram(program, 1, &device, "", nullptr, nullptr), CL_INVALID_OPERATION);
    size_t size = 0;
    EXPECT_EQ(clGetKernelWorkGroupInfo(twice, device, CL_KERNEL_WORK_GROUP_SIZE, sizeof size, &size,
                                       nullptr),
              CL_SUCCESS);
    EXPECT_EQ(size, 1024u);
    EXPECT_EQ(
        clGetKernelWorkGroupInfo(twice, device, CL_KERNEL_GLOBAL_WORK_SIZE, 0, nullptr, nullptr),
        CL_INVALID_VALUE);
}

TEST_F(OpenClProgram, LogsWhatIsWrong)
{
    const cl_program program =
        source_program(context, "__kernel void bad(__global int *a) {\n x; }");
    EXPECT_EQ(clBuildProgram(program, 1, &device, "", nullptr, nullptr), CL_BUILD_PROGRAM_FAILURE);
    EXPECT_EQ(build_status(program, device), CL_BUILD_ERROR);
    char log[4096] = {};
    EXPECT_EQ(
        clGetProgramBuildInfo(program, device, CL_PROGRAM_BUILD_LOG, sizeof log, log, nullptr),
        CL_SUCCESS);
    EXPECT_NE(std::string(log).find("kernel.cl:2:2: error"), std::string::npos) << log;
    cl_int error = CL_SUCCESS;
    EXPECT_EQ(clCreateKernel(program, "bad", &error), nullptr);
    EXPECT_EQ(error, CL_INVALID_PROGRAM_EXECUTABLE);
    size_t count = 0;
    EXPECT_EQ(clGetProgramInfo(program, CL_PROGRAM_NUM_KERNELS, sizeof count, &count, nullptr),
              CL_INVALID_PROGRAM_EXECUTABLE);
    EXPECT_EQ(clReleaseProgram(program), CL_SUCCESS);
}

TEST_F(OpenClProgram, RefusesBuilds)
{
    const cl_program program = source_program(context, kTwice);
    const cl_device_id custom = the_custom_device(), none = nullptr;
    EXPECT_EQ(clBuildProgram(program, 1, &device, "-cl-nothing", nullptr, nullptr),
              CL_INVALID_BUILD_OPTIONS);
    EXPECT_EQ(clBuildProgram(program, 1, &custom, "", nullptr, nullptr), CL_COMPILER_NOT_AVAILABLE);
    EXPECT_EQ(clBuildProgram(program, 1, &none, "", nullptr, nullptr), CL_INVALID_DEVICE);
    EXPECT_EQ(clBuildProgram(program, 0, &device, "", nullptr, nullptr), CL_INVALID_VALUE);
    EXPECT_EQ(clBuildProgram(program, 1, nullptr, "", nullptr, nullptr), CL_INVALID_VALUE);
    EXPECT_EQ(clBuildProgram(program, 1, &device, "", nullptr, &device), CL_INVALID_VALUE);
    EXPECT_EQ(clCompileProgram(program, 1, &device, "-create-library", 0, nullptr, nullptr, nullptr,
                               nullptr),
              CL_INVALID_COMPILER_OPTIONS);
    EXPECT_EQ(clCompileProgram(program, 1, &device, "", 1, nullptr, nullptr, nullptr, nullptr),
              CL_INVALID_VALUE);
    cl_int error = CL_SUCCESS;
    EXPECT_EQ(clLinkProgram(context, 1, &device, "", 1, &program, nullptr, nullptr, &error),
              nullptr);
    EXPECT_EQ(error, CL_INVALID_OPERATION);
    EXPECT_EQ(clLinkProgram(context, 1, &device, "-x", 1, &program, nullptr, nullptr, &error),
              nullptr);
    EXPECT_EQ(error, CL_INVALID_LINKER_OPTIONS);
    EXPECT_EQ(clLinkProgram(context, 1, &device, "", 0, nullptr, nullptr, nullptr, &error),
              nullptr);
    EXPECT_EQ(error, CL_INVALID_VALUE);
    EXPECT_EQ(clReleaseProgram(program), CL_SUCCESS);
    EXPECT_EQ(clCreateProgramWithSource(context, 0, nullptr, nullptr, &error), nullptr);
    EXPECT_EQ(error, CL_INVALID_VALUE);
    const unsigned char junk[] = "no binary";
    const unsigned char *binaries[] = {junk};
    const size_t length = sizeof junk, nothing = 0;
    cl_int status = 99;
    EXPECT_EQ(clCreateProgramWithBinary(context, 1, &device, &length, binaries, &status, &error),
              nullptr);
    EXPECT_EQ(error, CL_INVALID_BINARY);
    EXPECT_EQ(status, CL_INVALID_BINARY);
    EXPECT_EQ(clCreateProgramWithBinary(context, 1, &device, &nothing, binaries, &status, &error),
              nullptr);
    EXPECT_EQ(error, CL_INVALID_VALUE);
    EXPECT_EQ(status, CL_INVALID_VALUE);
}

TEST_F(OpenClProgram, CompilesAndLinks)
{
    const cl_program header = source_program(context, "int two(int x);");
    const cl_program lower =
        source_program(context, "#include \"sub/two.h\"\nint two(int x) { return 2 * x; }");
    const cl_program upper = source_program(
        context,
        "#include \"sub/two.h\"\n__kernel void twice(__global int *a) { a[get_global_id(0)] = "
        "two(a[get_global_id(0)]); }");
    const char *name = "sub/two.h";
    for (const cl_program each : {lower, upper})
        ASSERT_EQ(clCompileProgram(each, 1, &device, "", 1, &header, &name, nullptr, nullptr),
                  CL_SUCCESS);
    cl_int error = CL_SUCCESS;
    const cl_program inputs[] = {upper, lower};
    const cl_program linked =
        clLinkProgram(context, 1, &device, "", 2, inputs, nullptr, nullptr, &error);
    ASSERT_EQ(error, CL_SUCCESS);
    expect_twice(linked);
    const cl_program library =
        clLinkProgram(context, 1, &device, "-create-library", 1, &lower, nullptr, nullptr, &error);
    ASSERT_EQ(error, CL_SUCCESS);
    cl_program_binary_type type = 0;
    EXPECT_EQ(
        clGetProgramBuildInfo(library, device, CL_PROGRAM_BINARY_TYPE, sizeof type, &type, nullptr),
        CL_SUCCESS);
    EXPECT_EQ(type, cl_program_binary_type{CL_PROGRAM_BINARY_TYPE_LIBRARY});
    // What is missing is told.
    const cl_program broken =
        clLinkProgram(context, 1, &device, "", 1, &upper, nullptr, nullptr, &error);
    EXPECT_EQ(error, CL_LINK_PROGRAM_FAILURE);
    for (const cl_program each : {header, lower, upper, linked, library, broken})
        if (each) clReleaseProgram(each);
}

TEST_F(OpenClProgram, ReloadsBinaries)
{
    const cl_program program = build(kTwice);
    size_t bytes[2] = {};
    ASSERT_EQ(clGetProgramInfo(program, CL_PROGRAM_BINARY_SIZES, sizeof bytes, bytes, nullptr),
              CL_SUCCESS);
    ASSERT_GT(bytes[0], 1000u);
    EXPECT_EQ(bytes[1], 0u); // of the custom device
    std::vector<unsigned char> image(bytes[0]);
    unsigned char *places[] = {image.data(), nullptr};
    ASSERT_EQ(clGetProgramInfo(program, CL_PROGRAM_BINARIES, sizeof places, places, nullptr),
              CL_SUCCESS);
    cl_int status = 99, error = 99;
    const unsigned char *binaries[] = {image.data()};
    const cl_program again =
        clCreateProgramWithBinary(context, 1, &device, bytes, binaries, &status, &error);
    ASSERT_EQ(error, CL_SUCCESS);
    EXPECT_EQ(status, CL_SUCCESS);
    ASSERT_EQ(clBuildProgram(again, 1, &device, "", nullptr, nullptr), CL_SUCCESS);
    expect_twice(again);
    clReleaseProgram(again);
}

TEST_F(OpenClProgram, TellsOfArguments)
{
    const cl_kernel k = kernel(
        "__kernel __attribute__((reqd_work_group_size(4, 2, 1), vec_type_hint(uchar3))) void "
        "k(__global const float "
        "*restrict a, __constant int *c, __local char *l, float4 v) { __local int s[16]; s[0] = 1; "
        "if (c[0]) l[0] = a[0] + v.x + s[0]; }",
        "k");
    const auto arg = [&](cl_uint index, cl_kernel_arg_info what) {
        cl_ulong out = 0;
        EXPECT_EQ(clGetKernelArgInfo(k, index, what, sizeof out, &out, nullptr), CL_SUCCESS);
        return out;
    };
    EXPECT_EQ(cl_uint(arg(0, CL_KERNEL_ARG_ADDRESS_QUALIFIER)), CL_KERNEL_ARG_ADDRESS_GLOBAL);
    EXPECT_EQ(cl_uint(arg(1, CL_KERNEL_ARG_ADDRESS_QUALIFIER)), CL_KERNEL_ARG_ADDRESS_CONSTANT);
    EXPECT_EQ(cl_uint(arg(2, CL_KERNEL_ARG_ADDRESS_QUALIFIER)), CL_KERNEL_ARG_ADDRESS_LOCAL);
    EXPECT_EQ(cl_uint(arg(3, CL_KERNEL_ARG_ADDRESS_QUALIFIER)), CL_KERNEL_ARG_ADDRESS_PRIVATE);
    EXPECT_EQ(arg(0, CL_KERNEL_ARG_TYPE_QUALIFIER),
              cl_ulong(CL_KERNEL_ARG_TYPE_CONST | CL_KERNEL_ARG_TYPE_RESTRICT));
    char text[16];
    EXPECT_EQ(clGetKernelArgInfo(k, 3, CL_KERNEL_ARG_TYPE_NAME, sizeof text, text, nullptr),
              CL_SUCCESS);
    EXPECT_STREQ(text, "float4");
    size_t sizes[3] = {};
    EXPECT_EQ(clGetKernelWorkGroupInfo(k, device, CL_KERNEL_COMPILE_WORK_GROUP_SIZE, sizeof sizes,
                                       sizes, nullptr),
              CL_SUCCESS);
    EXPECT_EQ(sizes[0] * 100 + sizes[1] * 10 + sizes[2], 421u);
    EXPECT_EQ(text_of(clGetKernelInfo, k, CL_KERNEL_ATTRIBUTES),
              "reqd_work_group_size(4,2,1) vec_type_hint(uchar3)");
    cl_ulong local = 0;
    EXPECT_EQ(clSetKernelArg(k, 2, 100, nullptr), CL_SUCCESS);
    EXPECT_EQ(clGetKernelWorkGroupInfo(k, device, CL_KERNEL_LOCAL_MEM_SIZE, sizeof local, &local,
                                       nullptr),
              CL_SUCCESS);
    EXPECT_GE(local, 164u);
    const float value[4] = {};
    const int small = 0;
    EXPECT_EQ(clSetKernelArg(k, 4, 4, &small), CL_INVALID_ARG_INDEX);
    EXPECT_EQ(clSetKernelArg(k, 3, 4, &small), CL_INVALID_ARG_SIZE);
    EXPECT_EQ(clSetKernelArg(k, 3, sizeof value, nullptr), CL_INVALID_ARG_VALUE);
    EXPECT_EQ(clSetKernelArg(k, 2, 4, &small), CL_INVALID_ARG_VALUE);
    EXPECT_EQ(clSetKernelArg(k, 2, 0, nullptr), CL_INVALID_ARG_SIZE);
    EXPECT_EQ(clSetKernelArg(k, 0, 4, &small), CL_INVALID_ARG_SIZE);
    const size_t eight[] = {4, 2}, wrong[] = {2, 4};
    EXPECT_EQ(clEnqueueNDRangeKernel(queue, k, 2, nullptr, eight, eight, 0, nullptr, nullptr),
              CL_INVALID_KERNEL_ARGS);
    const cl_mem memory = buffer(64);
    set_args(k, 0, memory, memory);
    EXPECT_EQ(clSetKernelArg(k, 3, sizeof value, value), CL_SUCCESS);
    EXPECT_EQ(clEnqueueNDRangeKernel(queue, k, 2, nullptr, eight, wrong, 0, nullptr, nullptr),
              CL_INVALID_WORK_GROUP_SIZE);
    EXPECT_EQ(clSetKernelArg(k, 2, 1u << 20, nullptr), CL_SUCCESS);
    EXPECT_EQ(clEnqueueNDRangeKernel(queue, k, 2, nullptr, eight, eight, 0, nullptr, nullptr),
              CL_OUT_OF_RESOURCES);
}

// A program may name its own things like functions that are built in.
TEST_F(OpenClProgram, MayNameThingsLikeBuiltInFunctions)
{
    const cl_program program =
        build("__kernel void step(__global int *length, int max) { length[0] += max; }\n"
              "__kernel void sign(__global int *o, int clamp) { o[0] *= clamp; }\n",
              "-cl-kernel-arg-info");
    EXPECT_EQ(text_of(clGetProgramInfo, program, CL_PROGRAM_KERNEL_NAMES), "step;sign");
    const cl_kernel step = kernel(program, "step"), sign = kernel(program, "sign");
    EXPECT_EQ(text_of(clGetKernelInfo, step, CL_KERNEL_FUNCTION_NAME), "step");
    char name[16] = "";
    EXPECT_EQ(clGetKernelArgInfo(step, 0, CL_KERNEL_ARG_NAME, sizeof name, name, nullptr),
              CL_SUCCESS);
    EXPECT_STREQ(name, "length");
    EXPECT_EQ(clGetKernelArgInfo(sign, 1, CL_KERNEL_ARG_NAME, sizeof name, name, nullptr),
              CL_SUCCESS);
    EXPECT_STREQ(name, "clamp");
    const cl_mem memory = buffer_of(std::vector<int>{3});
    set_args(step, 0, memory, 4);
    set_args(sign, 0, memory, 6);
    for (const cl_kernel each : {step, sign})
        ASSERT_EQ(
            clEnqueueNDRangeKernel(queue, each, 1, nullptr, &one, nullptr, 0, nullptr, nullptr),
            CL_SUCCESS);
    EXPECT_EQ(contents<int>(memory, 1)[0], 42);
}

TEST_F(OpenClProgram, RefusesRanges)
{
    const cl_kernel twice = kernel(kTwice, "twice");
    const cl_mem memory = buffer(64);
    set_args(twice, 0, memory);
    const size_t eight[] = {8, 8, 8, 8}, three[] = {3}, zero[] = {0}, big[] = {2048},
                 most[] = {SIZE_MAX};
    const auto run = [&](cl_uint dimensions, const size_t *offset, const size_t *global,
                         const size_t *local) {
        return clEnqueueNDRangeKernel(queue, twice, dimensions, offset, global, local, 0, nullptr,
                                      nullptr);
    };
    EXPECT_EQ(run(0, nullptr, eight, nullptr), CL_INVALID_WORK_DIMENSION);
    EXPECT_EQ(run(4, nullptr, eight, nullptr), CL_INVALID_WORK_DIMENSION);
    EXPECT_EQ(run(1, nullptr, eight, three), CL_INVALID_WORK_GROUP_SIZE);
    EXPECT_EQ(run(1, nullptr, eight, zero), CL_INVALID_WORK_GROUP_SIZE);
    EXPECT_EQ(run(1, nullptr, big, big), CL_INVALID_WORK_ITEM_SIZE);
    EXPECT_EQ(run(1, most, eight, nullptr), CL_INVALID_GLOBAL_OFFSET);
    EXPECT_EQ(run(1, nullptr, zero, nullptr), CL_SUCCESS); // and nothing runs
    EXPECT_EQ(
        clEnqueueNDRangeKernel(queue, nullptr, 1, nullptr, eight, nullptr, 0, nullptr, nullptr),
        CL_INVALID_KERNEL);
    cl_int error = CL_SUCCESS;
    EXPECT_EQ(clCreateKernel(build(kTwice), "thrice", &error), nullptr);
    EXPECT_EQ(error, CL_INVALID_KERNEL_NAME);
    EXPECT_EQ(clCreateKernel(build(kTwice), nullptr, &error), nullptr);
    EXPECT_EQ(error, CL_INVALID_VALUE);
}

} // namespace
} // namespace acc::test
