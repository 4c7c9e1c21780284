// SPDX-License-Identifier: MIT
#include "fixture.h"
#include "life.h"

#include <cstdlib>

namespace acc::test
{

void use_driver(int argc, char **argv)
{
    setenv("OCL_ICD_VENDORS", ACC_TEST_ICD, 1);
    setenv("ACC_DEVICE", "inproc:fpga;inproc:crossbar", 0);
    for (int i = 1; i < argc; i++)
        if (std::string(argv[i]).starts_with("--devices="))
            setenv("ACC_DEVICE", argv[i] + std::strlen("--devices="), 1);
}

cl_platform_id the_platform()
{
    static const cl_platform_id found = [] {
        cl_platform_id platform = nullptr;
        cl_uint count = 0;
        EXPECT_EQ(clGetPlatformIDs(1, &platform, &count), CL_SUCCESS);
        EXPECT_EQ(count, 1u) << "another driver than ours is loaded";
        return platform;
    }();
    return found;
}

namespace
{

cl_device_id device_of(cl_device_type type)
{
    cl_device_id device = nullptr;
    EXPECT_EQ(clGetDeviceIDs(the_platform(), type, 1, &device, nullptr), CL_SUCCESS);
    return device;
}

} // namespace

cl_device_id the_accelerator()
{
    return device_of(CL_DEVICE_TYPE_ACCELERATOR);
}

cl_device_id the_custom_device()
{
    return device_of(CL_DEVICE_TYPE_CUSTOM);
}

bool can_compile()
{
    return value_of<cl_bool>(clGetDeviceInfo, the_accelerator(), CL_DEVICE_COMPILER_AVAILABLE);
}

void OpenCl::SetUp()
{
    device = the_accelerator();
    const cl_device_id devices[] = {device, the_custom_device()};
    cl_int error = CL_SUCCESS;
    context = clCreateContext(nullptr, 2, devices, nullptr, nullptr, &error);
    ASSERT_EQ(error, CL_SUCCESS);
    const cl_queue_properties ordered[] = {CL_QUEUE_PROPERTIES, CL_QUEUE_PROFILING_ENABLE, 0};
    queue = clCreateCommandQueueWithProperties(context, device, ordered, &error);
    ASSERT_EQ(error, CL_SUCCESS);
    const cl_queue_properties any[] = {
        CL_QUEUE_PROPERTIES, CL_QUEUE_PROFILING_ENABLE | CL_QUEUE_OUT_OF_ORDER_EXEC_MODE_ENABLE, 0};
    unordered = clCreateCommandQueueWithProperties(context, device, any, &error);
    ASSERT_EQ(error, CL_SUCCESS);
}

void OpenCl::TearDown()
{
    EXPECT_EQ(clFinish(queue), CL_SUCCESS);
    for (const cl_event event : events_)
        EXPECT_EQ(clReleaseEvent(event), CL_SUCCESS);
    for (const cl_mem memory : buffers_)
        EXPECT_EQ(clReleaseMemObject(memory), CL_SUCCESS);
    for (const cl_kernel kernel : kernels_)
        EXPECT_EQ(clReleaseKernel(kernel), CL_SUCCESS);
    for (const cl_program program : programs_)
        EXPECT_EQ(clReleaseProgram(program), CL_SUCCESS);
    for (const cl_command_queue one : queues_)
        EXPECT_EQ(clReleaseCommandQueue(one), CL_SUCCESS);
    EXPECT_EQ(clReleaseCommandQueue(queue), CL_SUCCESS);
    EXPECT_EQ(clReleaseCommandQueue(unordered), CL_SUCCESS);
    EXPECT_EQ(clReleaseContext(context), CL_SUCCESS);
}

cl_mem OpenCl::buffer(size_t bytes, cl_mem_flags flags, void *host)
{
    cl_int error = CL_SUCCESS;
    const cl_mem made = clCreateBuffer(context, flags, bytes, host, &error);
    EXPECT_EQ(error, CL_SUCCESS);
    if (made) buffers_.push_back(made);
    return made;
}

cl_kernel OpenCl::built_in(const char *name)
{
    cl_int error = CL_SUCCESS;
    const cl_program program = clCreateProgramWithBuiltInKernels(context, 1, &device, name, &error);
    EXPECT_EQ(error, CL_SUCCESS) << name;
    if (!program) return nullptr;
    programs_.push_back(program);
    return kernel(program, name);
}

cl_kernel OpenCl::kernel(cl_program program, const char *name)
{
    cl_int error = CL_SUCCESS;
    const cl_kernel made = clCreateKernel(program, name, &error);
    EXPECT_EQ(error, CL_SUCCESS) << name;
    if (made) kernels_.push_back(made);
    return made;
}

cl_program OpenCl::build(const std::string &source, const char *options)
{
    cl_int error = CL_SUCCESS;
    const char *text = source.c_str();
    const cl_program program = clCreateProgramWithSource(context, 1, &text, nullptr, &error);
    EXPECT_EQ(error, CL_SUCCESS);
    if (!program) return nullptr;
    programs_.push_back(program);
    error = clBuildProgram(program, 1, &device, options, nullptr, nullptr);
    size_t bytes = 0;
    clGetProgramBuildInfo(program, device, CL_PROGRAM_BUILD_LOG, 0, nullptr, &bytes);
    std::string log(bytes, '\0');
    clGetProgramBuildInfo(program, device, CL_PROGRAM_BUILD_LOG, bytes, log.data(), nullptr);
    EXPECT_EQ(error, CL_SUCCESS) << log;
    return program;
}

cl_event OpenCl::user_event()
{
    cl_int error = CL_SUCCESS;
    const cl_event made = clCreateUserEvent(context, &error);
    EXPECT_EQ(error, CL_SUCCESS);
    return keep(made);
}

cl_event OpenCl::keep(cl_event event)
{
    events_.push_back(event);
    return event;
}

cl_mem OpenCl::keep(cl_mem memory)
{
    buffers_.push_back(memory);
    return memory;
}

cl_program OpenCl::keep(cl_program program)
{
    programs_.push_back(program);
    return program;
}

cl_command_queue OpenCl::keep(cl_command_queue made)
{
    queues_.push_back(made);
    return made;
}

} // namespace acc::test

int main(int argc, char **argv)
{
    testing::InitGoogleTest(&argc, argv);
    acc::test::use_driver(argc, argv);
    for (int i = 1; i < argc; i++)
        if (std::string(argv[i]).starts_with("--life="))
            return acc::test::live(argv[i] + std::strlen("--life="));
    return RUN_ALL_TESTS();
}
