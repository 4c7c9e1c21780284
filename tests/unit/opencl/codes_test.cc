// SPDX-License-Identifier: MIT
//
// The list of codes, and the comparison with the table.
#include "codes.h"

#include <algorithm>

namespace acc::test
{
namespace
{

using Codes = std::vector<cl_int>;

struct Listed {
    std::vector<const char *> functions;
    Codes codes;
};

// The specification's sections, in its order.
const std::vector<Listed> kListed = {
    // Platforms, devices, contexts
    {{"clGetPlatformIDs"}, {CL_INVALID_VALUE}},
    {{"clGetPlatformInfo"}, {CL_INVALID_PLATFORM, CL_INVALID_VALUE}},
    {{"clGetDeviceIDs"},
     {CL_INVALID_PLATFORM, CL_INVALID_DEVICE_TYPE, CL_INVALID_VALUE, CL_DEVICE_NOT_FOUND}},
    {{"clGetDeviceInfo"}, {CL_INVALID_DEVICE, CL_INVALID_VALUE}},
    {{"clGetDeviceAndHostTimer", "clGetHostTimer"},
     {CL_INVALID_DEVICE, CL_INVALID_OPERATION, CL_INVALID_VALUE}},
    {{"clCreateSubDevices"},
     {CL_INVALID_DEVICE, CL_INVALID_VALUE, CL_DEVICE_PARTITION_FAILED,
      CL_INVALID_DEVICE_PARTITION_COUNT}},
    {{"clRetainDevice", "clReleaseDevice"}, {CL_INVALID_DEVICE}},
    {{"clCreateContext"},
     {CL_INVALID_PLATFORM, CL_INVALID_PROPERTY, CL_INVALID_VALUE, CL_INVALID_DEVICE,
      CL_DEVICE_NOT_AVAILABLE}},
    {{"clCreateContextFromType"},
     {CL_INVALID_PLATFORM, CL_INVALID_PROPERTY, CL_INVALID_VALUE, CL_INVALID_DEVICE_TYPE,
      CL_DEVICE_NOT_AVAILABLE, CL_DEVICE_NOT_FOUND}},
    {{"clRetainContext", "clReleaseContext"}, {CL_INVALID_CONTEXT}},
    {{"clGetContextInfo", "clSetContextDestructorCallback"},
     {CL_INVALID_CONTEXT, CL_INVALID_VALUE}},
    // Command queues
    {{"clCreateCommandQueueWithProperties", "clCreateCommandQueue"},
     {CL_INVALID_CONTEXT, CL_INVALID_DEVICE, CL_INVALID_VALUE, CL_INVALID_QUEUE_PROPERTIES}},
    {{"clSetDefaultDeviceCommandQueue"},
     {CL_INVALID_CONTEXT, CL_INVALID_DEVICE, CL_INVALID_OPERATION, CL_INVALID_COMMAND_QUEUE}},
    {{"clRetainCommandQueue", "clReleaseCommandQueue", "clFlush", "clFinish"},
     {CL_INVALID_COMMAND_QUEUE}},
    {{"clGetCommandQueueInfo"}, {CL_INVALID_COMMAND_QUEUE, CL_INVALID_VALUE}},
    {{"clSetCommandQueueProperty"},
     {CL_INVALID_COMMAND_QUEUE, CL_INVALID_VALUE, CL_INVALID_QUEUE_PROPERTIES,
      CL_INVALID_OPERATION}},
    // Buffers
    {{"clCreateBuffer"},
     {CL_INVALID_CONTEXT, CL_INVALID_VALUE, CL_INVALID_BUFFER_SIZE, CL_INVALID_HOST_PTR,
      CL_MEM_OBJECT_ALLOCATION_FAILURE}},
    {{"clCreateBufferWithProperties"},
     {CL_INVALID_CONTEXT, CL_INVALID_PROPERTY, CL_INVALID_VALUE, CL_INVALID_BUFFER_SIZE,
      CL_INVALID_HOST_PTR, CL_MEM_OBJECT_ALLOCATION_FAILURE}},
    {{"clCreateSubBuffer"},
     {CL_INVALID_MEM_OBJECT, CL_INVALID_VALUE, CL_MISALIGNED_SUB_BUFFER_OFFSET,
      CL_MEM_OBJECT_ALLOCATION_FAILURE, CL_INVALID_BUFFER_SIZE}},
    {{"clEnqueueReadBuffer", "clEnqueueWriteBuffer", "clEnqueueReadBufferRect",
      "clEnqueueWriteBufferRect"},
     {CL_INVALID_COMMAND_QUEUE, CL_INVALID_CONTEXT, CL_INVALID_MEM_OBJECT, CL_INVALID_VALUE,
      CL_INVALID_EVENT_WAIT_LIST, CL_MISALIGNED_SUB_BUFFER_OFFSET,
      CL_EXEC_STATUS_ERROR_FOR_EVENTS_IN_WAIT_LIST, CL_MEM_OBJECT_ALLOCATION_FAILURE,
      CL_INVALID_OPERATION}},
    {{"clEnqueueCopyBuffer", "clEnqueueCopyBufferRect"},
     {CL_INVALID_COMMAND_QUEUE, CL_INVALID_CONTEXT, CL_INVALID_MEM_OBJECT, CL_INVALID_VALUE,
      CL_INVALID_EVENT_WAIT_LIST, CL_MISALIGNED_SUB_BUFFER_OFFSET, CL_MEM_COPY_OVERLAP,
      CL_MEM_OBJECT_ALLOCATION_FAILURE}},
    {{"clEnqueueFillBuffer"},
     {CL_INVALID_COMMAND_QUEUE, CL_INVALID_CONTEXT, CL_INVALID_MEM_OBJECT, CL_INVALID_VALUE,
      CL_INVALID_EVENT_WAIT_LIST, CL_MISALIGNED_SUB_BUFFER_OFFSET,
      CL_MEM_OBJECT_ALLOCATION_FAILURE}},
    {{"clEnqueueMapBuffer"},
     {CL_INVALID_COMMAND_QUEUE, CL_INVALID_CONTEXT, CL_INVALID_MEM_OBJECT, CL_INVALID_VALUE,
      CL_INVALID_EVENT_WAIT_LIST, CL_MISALIGNED_SUB_BUFFER_OFFSET, CL_MAP_FAILURE,
      CL_EXEC_STATUS_ERROR_FOR_EVENTS_IN_WAIT_LIST, CL_MEM_OBJECT_ALLOCATION_FAILURE,
      CL_INVALID_OPERATION}},
    {{"clEnqueueUnmapMemObject"},
     {CL_INVALID_COMMAND_QUEUE, CL_INVALID_MEM_OBJECT, CL_INVALID_VALUE, CL_INVALID_EVENT_WAIT_LIST,
      CL_INVALID_CONTEXT}},
    {{"clEnqueueMigrateMemObjects"},
     {CL_INVALID_COMMAND_QUEUE, CL_INVALID_CONTEXT, CL_INVALID_MEM_OBJECT, CL_INVALID_VALUE,
      CL_INVALID_EVENT_WAIT_LIST, CL_MEM_OBJECT_ALLOCATION_FAILURE}},
    {{"clGetMemObjectInfo", "clSetMemObjectDestructorCallback"},
     {CL_INVALID_VALUE, CL_INVALID_MEM_OBJECT}},
    {{"clRetainMemObject", "clReleaseMemObject"}, {CL_INVALID_MEM_OBJECT}},
    // Images, samplers, pipes
    {{"clCreateImage", "clCreateImageWithProperties", "clCreateImage2D", "clCreateImage3D"},
     {CL_INVALID_CONTEXT, CL_INVALID_VALUE, CL_INVALID_IMAGE_FORMAT_DESCRIPTOR,
      CL_INVALID_IMAGE_SIZE, CL_INVALID_HOST_PTR, CL_IMAGE_FORMAT_NOT_SUPPORTED,
      CL_MEM_OBJECT_ALLOCATION_FAILURE, CL_INVALID_OPERATION}},
    {{"clCreateImage", "clCreateImageWithProperties"}, {CL_INVALID_IMAGE_DESCRIPTOR}},
    {{"clCreateImageWithProperties"}, {CL_INVALID_PROPERTY}},
    {{"clGetSupportedImageFormats"}, {CL_INVALID_CONTEXT, CL_INVALID_VALUE}},
    {{"clEnqueueReadImage", "clEnqueueWriteImage", "clEnqueueCopyImage", "clEnqueueFillImage",
      "clEnqueueCopyImageToBuffer", "clEnqueueCopyBufferToImage", "clEnqueueMapImage"},
     {CL_INVALID_COMMAND_QUEUE, CL_INVALID_CONTEXT, CL_INVALID_MEM_OBJECT, CL_INVALID_VALUE,
      CL_INVALID_EVENT_WAIT_LIST, CL_INVALID_IMAGE_SIZE, CL_IMAGE_FORMAT_NOT_SUPPORTED,
      CL_MEM_OBJECT_ALLOCATION_FAILURE, CL_INVALID_OPERATION}},
    {{"clGetImageInfo"}, {CL_INVALID_VALUE, CL_INVALID_MEM_OBJECT}},
    {{"clCreateSampler", "clCreateSamplerWithProperties"},
     {CL_INVALID_CONTEXT, CL_INVALID_VALUE, CL_INVALID_OPERATION}},
    {{"clRetainSampler", "clReleaseSampler"}, {CL_INVALID_SAMPLER}},
    {{"clGetSamplerInfo"}, {CL_INVALID_VALUE, CL_INVALID_SAMPLER}},
    {{"clCreatePipe"},
     {CL_INVALID_CONTEXT, CL_INVALID_VALUE, CL_INVALID_PROPERTY, CL_INVALID_PIPE_SIZE,
      CL_MEM_OBJECT_ALLOCATION_FAILURE, CL_INVALID_OPERATION}},
    {{"clGetPipeInfo"}, {CL_INVALID_VALUE, CL_INVALID_MEM_OBJECT}},
    // Shared virtual memory
    {{"clEnqueueSVMFree", "clEnqueueSVMMemFill", "clEnqueueSVMUnmap", "clEnqueueSVMMigrateMem"},
     {CL_INVALID_COMMAND_QUEUE, CL_INVALID_OPERATION, CL_INVALID_VALUE, CL_INVALID_EVENT_WAIT_LIST,
      CL_INVALID_CONTEXT}},
    {{"clEnqueueSVMMemcpy", "clEnqueueSVMMap"},
     {CL_INVALID_COMMAND_QUEUE, CL_INVALID_OPERATION, CL_INVALID_VALUE, CL_INVALID_EVENT_WAIT_LIST,
      CL_INVALID_CONTEXT, CL_EXEC_STATUS_ERROR_FOR_EVENTS_IN_WAIT_LIST}},
    {{"clEnqueueSVMMemcpy"}, {CL_MEM_COPY_OVERLAP}},
    // Programs
    {{"clCreateProgramWithSource"}, {CL_INVALID_CONTEXT, CL_INVALID_VALUE}},
    {{"clCreateProgramWithIL"}, {CL_INVALID_CONTEXT, CL_INVALID_OPERATION, CL_INVALID_VALUE}},
    {{"clCreateProgramWithBinary"},
     {CL_INVALID_CONTEXT, CL_INVALID_VALUE, CL_INVALID_DEVICE, CL_INVALID_BINARY}},
    {{"clCreateProgramWithBuiltInKernels"},
     {CL_INVALID_CONTEXT, CL_INVALID_VALUE, CL_INVALID_DEVICE}},
    {{"clRetainProgram", "clReleaseProgram"}, {CL_INVALID_PROGRAM}},
    {{"clSetProgramReleaseCallback"}, {CL_INVALID_PROGRAM, CL_INVALID_VALUE, CL_INVALID_OPERATION}},
    {{"clSetProgramSpecializationConstant"},
     {CL_INVALID_PROGRAM, CL_INVALID_SPEC_ID, CL_INVALID_VALUE, CL_INVALID_OPERATION}},
    {{"clBuildProgram"},
     {CL_INVALID_PROGRAM, CL_INVALID_VALUE, CL_INVALID_DEVICE, CL_INVALID_BINARY,
      CL_INVALID_BUILD_OPTIONS, CL_COMPILER_NOT_AVAILABLE, CL_BUILD_PROGRAM_FAILURE,
      CL_INVALID_OPERATION}},
    {{"clCompileProgram"},
     {CL_INVALID_PROGRAM, CL_INVALID_VALUE, CL_INVALID_DEVICE, CL_INVALID_COMPILER_OPTIONS,
      CL_INVALID_OPERATION, CL_COMPILER_NOT_AVAILABLE, CL_COMPILE_PROGRAM_FAILURE}},
    {{"clLinkProgram"},
     {CL_INVALID_CONTEXT, CL_INVALID_VALUE, CL_INVALID_PROGRAM, CL_INVALID_DEVICE,
      CL_INVALID_LINKER_OPTIONS, CL_INVALID_OPERATION, CL_LINKER_NOT_AVAILABLE,
      CL_LINK_PROGRAM_FAILURE}},
    {{"clUnloadPlatformCompiler"}, {CL_INVALID_PLATFORM}},
    {{"clGetProgramInfo"}, {CL_INVALID_VALUE, CL_INVALID_PROGRAM, CL_INVALID_PROGRAM_EXECUTABLE}},
    {{"clGetProgramBuildInfo"}, {CL_INVALID_DEVICE, CL_INVALID_VALUE, CL_INVALID_PROGRAM}},
    // Kernels
    {{"clCreateKernel"},
     {CL_INVALID_PROGRAM, CL_INVALID_PROGRAM_EXECUTABLE, CL_INVALID_KERNEL_NAME,
      CL_INVALID_KERNEL_DEFINITION, CL_INVALID_VALUE}},
    {{"clCreateKernelsInProgram"},
     {CL_INVALID_PROGRAM, CL_INVALID_PROGRAM_EXECUTABLE, CL_INVALID_VALUE}},
    {{"clRetainKernel", "clReleaseKernel", "clCloneKernel"}, {CL_INVALID_KERNEL}},
    {{"clSetKernelArg"},
     {CL_INVALID_KERNEL, CL_INVALID_ARG_INDEX, CL_INVALID_ARG_VALUE, CL_INVALID_MEM_OBJECT,
      CL_INVALID_SAMPLER, CL_INVALID_DEVICE_QUEUE, CL_INVALID_ARG_SIZE,
      CL_MAX_SIZE_RESTRICTION_EXCEEDED}},
    {{"clSetKernelArgSVMPointer"},
     {CL_INVALID_KERNEL, CL_INVALID_OPERATION, CL_INVALID_ARG_INDEX, CL_INVALID_ARG_VALUE}},
    {{"clSetKernelExecInfo"}, {CL_INVALID_KERNEL, CL_INVALID_OPERATION, CL_INVALID_VALUE}},
    {{"clGetKernelInfo"}, {CL_INVALID_VALUE, CL_INVALID_KERNEL}},
    {{"clGetKernelWorkGroupInfo"}, {CL_INVALID_DEVICE, CL_INVALID_VALUE, CL_INVALID_KERNEL}},
    {{"clGetKernelSubGroupInfo"},
     {CL_INVALID_DEVICE, CL_INVALID_VALUE, CL_INVALID_KERNEL, CL_INVALID_OPERATION}},
    {{"clGetKernelArgInfo"},
     {CL_INVALID_ARG_INDEX, CL_INVALID_VALUE, CL_KERNEL_ARG_INFO_NOT_AVAILABLE, CL_INVALID_KERNEL}},
    {{"clEnqueueNDRangeKernel", "clEnqueueTask"},
     {CL_INVALID_PROGRAM_EXECUTABLE, CL_INVALID_COMMAND_QUEUE, CL_INVALID_KERNEL,
      CL_INVALID_CONTEXT, CL_INVALID_KERNEL_ARGS, CL_INVALID_WORK_GROUP_SIZE,
      CL_MISALIGNED_SUB_BUFFER_OFFSET, CL_INVALID_IMAGE_SIZE, CL_IMAGE_FORMAT_NOT_SUPPORTED,
      CL_MEM_OBJECT_ALLOCATION_FAILURE, CL_INVALID_EVENT_WAIT_LIST, CL_INVALID_OPERATION}},
    {{"clEnqueueNDRangeKernel"},
     {CL_INVALID_WORK_DIMENSION, CL_INVALID_GLOBAL_WORK_SIZE, CL_INVALID_GLOBAL_OFFSET,
      CL_INVALID_WORK_ITEM_SIZE}},
    {{"clEnqueueNativeKernel"},
     {CL_INVALID_COMMAND_QUEUE, CL_INVALID_CONTEXT, CL_INVALID_VALUE, CL_INVALID_OPERATION,
      CL_INVALID_MEM_OBJECT, CL_MEM_OBJECT_ALLOCATION_FAILURE, CL_INVALID_EVENT_WAIT_LIST}},
    // Events, markers, profiling
    {{"clCreateUserEvent"}, {CL_INVALID_CONTEXT}},
    {{"clSetUserEventStatus"}, {CL_INVALID_EVENT, CL_INVALID_VALUE, CL_INVALID_OPERATION}},
    {{"clWaitForEvents"},
     {CL_INVALID_VALUE, CL_INVALID_CONTEXT, CL_INVALID_EVENT,
      CL_EXEC_STATUS_ERROR_FOR_EVENTS_IN_WAIT_LIST}},
    {{"clGetEventInfo", "clSetEventCallback"}, {CL_INVALID_VALUE, CL_INVALID_EVENT}},
    {{"clRetainEvent", "clReleaseEvent"}, {CL_INVALID_EVENT}},
    {{"clEnqueueMarkerWithWaitList", "clEnqueueBarrierWithWaitList"},
     {CL_INVALID_COMMAND_QUEUE, CL_INVALID_CONTEXT, CL_INVALID_EVENT_WAIT_LIST}},
    {{"clEnqueueMarker"}, {CL_INVALID_COMMAND_QUEUE, CL_INVALID_VALUE}},
    {{"clEnqueueWaitForEvents"},
     {CL_INVALID_COMMAND_QUEUE, CL_INVALID_CONTEXT, CL_INVALID_VALUE, CL_INVALID_EVENT}},
    {{"clEnqueueBarrier"}, {CL_INVALID_COMMAND_QUEUE}},
    {{"clGetEventProfilingInfo"},
     {CL_PROFILING_INFO_NOT_AVAILABLE, CL_INVALID_VALUE, CL_INVALID_EVENT}},
};

// What only a program that has been compiled gives.
bool needs_compiler(const Code &wanted)
{
    static const std::vector<std::pair<const char *, Codes>> all = {
        {"clBuildProgram", {CL_BUILD_PROGRAM_FAILURE}},
        {"clCompileProgram", {CL_COMPILE_PROGRAM_FAILURE}},
        {"clLinkProgram", {CL_LINK_PROGRAM_FAILURE, CL_LINKER_NOT_AVAILABLE}},
        {"clEnqueueNDRangeKernel", {CL_INVALID_WORK_ITEM_SIZE}},
        {"clEnqueueTask", {CL_INVALID_WORK_GROUP_SIZE}},
    };
    return std::any_of(all.begin(), all.end(), [&](const auto &one) {
        return wanted.function == one.first &&
               std::find(one.second.begin(), one.second.end(), wanted.code) != one.second.end();
    });
}

} // namespace

void OpenClCodes::SetUp()
{
    OpenCl::SetUp();
    cl_int error = CL_SUCCESS;
    other = clCreateContext(nullptr, 1, &device, nullptr, nullptr, &error);
    ASSERT_EQ(error, CL_SUCCESS);
    foreign_queue = clCreateCommandQueue(other, device, 0, &error);
    ASSERT_EQ(error, CL_SUCCESS);
    foreign = clCreateBuffer(other, CL_MEM_READ_WRITE, sizeof host, nullptr, &error);
    ASSERT_EQ(error, CL_SUCCESS);
    foreign_event = clCreateUserEvent(other, &error);
    ASSERT_EQ(error, CL_SUCCESS);
    memory = buffer(sizeof host);
    second = buffer(sizeof host);
    failed = user_event();
    good = user_event();
    EXPECT_EQ(clSetUserEventStatus(failed, -7), CL_SUCCESS);
    EXPECT_EQ(clSetUserEventStatus(good, CL_COMPLETE), CL_SUCCESS);
    noop = built_in("acc_noop");
    add = built_in("acc_add_f32");
    svm = static_cast<char *>(clSVMAlloc(context, CL_MEM_READ_WRITE, sizeof host, 0));
    ASSERT_NE(svm, nullptr);
}

void OpenClCodes::TearDown()
{
    clSVMFree(context, svm);
    EXPECT_EQ(clReleaseEvent(foreign_event), CL_SUCCESS);
    EXPECT_EQ(clReleaseMemObject(foreign), CL_SUCCESS);
    EXPECT_EQ(clReleaseCommandQueue(foreign_queue), CL_SUCCESS);
    EXPECT_EQ(clReleaseContext(other), CL_SUCCESS);
    OpenCl::TearDown();
}

cl_program OpenClCodes::source(const char *text)
{
    cl_int error = CL_SUCCESS;
    const cl_program made = clCreateProgramWithSource(context, 1, &text, nullptr, &error);
    EXPECT_EQ(error, CL_SUCCESS);
    return keep(made);
}

TEST_F(OpenClCodes, AreAllGiven)
{
    const bool compiles = can_compile() && !has_address_sanitizer && !has_thread_sanitizer;
    add_platform();
    add_queues();
    add_buffers();
    add_transfers();
    add_shared_memory();
    add_images();
    add_programs();
    if (compiles) add_compilations();
    add_kernels();
    add_events();
    for (const Code &one : table) {
        if (one.call) {
            EXPECT_EQ(one.call(), one.code) << one.function;
        } else {
            EXPECT_STRNE(one.why, "") << one.function;
        }
    }
    size_t pairs = 0;
    for (const Listed &listed : kListed)
        for (const char *function : listed.functions)
            for (const cl_int code : listed.codes) {
                pairs++;
                const auto is_it = [&](const Code &one) {
                    return one.function == function && one.code == code;
                };
                const bool gives = std::any_of(table.begin(), table.end(), [&](const Code &one) {
                    return is_it(one) && one.call;
                });
                const bool never = std::any_of(table.begin(), table.end(), [&](const Code &one) {
                    return is_it(one) && !one.call;
                });
                if (!compiles && needs_compiler({function, code, nullptr})) continue;
                EXPECT_NE(gives, never) << function << ' ' << code
                                        << (gives ? ": there are calls" : ": there is nothing");
            }
    RecordProperty("pairs", static_cast<int>(pairs));
}

} // namespace acc::test
