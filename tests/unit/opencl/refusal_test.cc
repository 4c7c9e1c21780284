// SPDX-License-Identifier: MIT
//
// What functions refuse alike: handles of something else, wait lists, and queries; and what those
// that make programs and kernels refuse.
#include "fixture.h"

#include <functional>

namespace acc::test
{
namespace
{

class OpenClRefusal : public OpenCl
{
protected:
    struct Call {
        const char *name;
        cl_int wanted;
        std::function<cl_int()> call;
    };
    static void expect(const std::vector<Call> &calls)
    {
        for (const Call &one : calls)
            EXPECT_EQ(one.call(), one.wanted) << one.name;
    }
    // A handle of this driver's that is none of the wanted kind.
    template <typename Wanted, typename Given>
    static Wanted as(Given given)
    {
        return reinterpret_cast<Wanted>(given);
    }
};

#define CALL(wanted, function, ...)                                                                \
    {                                                                                              \
#function, wanted, [&] { return function(__VA_ARGS__); }                                   \
    }
#define CREATE(wanted, function, ...)                                                              \
    {                                                                                              \
#function, wanted, [&] {                                                                   \
            cl_int error = CL_SUCCESS;                                                             \
            EXPECT_EQ(function(__VA_ARGS__, &error), nullptr) << #function;                        \
            return error;                                                                          \
        }       \
    }

TEST_F(OpenClRefusal, HandlesOfSomethingElse)
{
    const auto device_ = as<cl_device_id>(queue);
    const auto context_ = as<cl_context>(queue);
    const auto queue_ = as<cl_command_queue>(context);
    const auto mem_ = as<cl_mem>(context);
    const auto program_ = as<cl_program>(context);
    const auto kernel_ = as<cl_kernel>(context);
    const auto event_ = as<cl_event>(context);
    const cl_mem memory = buffer(64);
    const cl_kernel noop = built_in("acc_noop");
    char host[64] = {};
    const size_t box[] = {1, 1, 1}, origin[] = {0, 0, 0};
    const char *text = "";
    const unsigned char *binary = reinterpret_cast<const unsigned char *>("x");
    const cl_device_partition_property equally[] = {CL_DEVICE_PARTITION_EQUALLY, 1, 0};
    const auto none = [](cl_event, cl_int, void *) {};
    const auto no_native = [](void *) {};
    const void *pointer = host;
    void *freed = host;
    expect({
        CALL(CL_INVALID_DEVICE, clGetDeviceInfo, device_, CL_DEVICE_NAME, 0, nullptr, nullptr),
        CALL(CL_INVALID_DEVICE, clCreateSubDevices, device_, equally, 0, nullptr, nullptr),
        CALL(CL_INVALID_DEVICE, clRetainDevice, device_),
        CALL(CL_INVALID_DEVICE, clReleaseDevice, device_),
        CREATE(CL_INVALID_DEVICE, clCreateContext, nullptr, 1, &device_, nullptr, nullptr),
        CALL(CL_INVALID_CONTEXT, clRetainContext, context_),
        CALL(CL_INVALID_CONTEXT, clReleaseContext, context_),
        CALL(CL_INVALID_CONTEXT, clGetContextInfo, context_, CL_CONTEXT_DEVICES, 0, nullptr,
             nullptr),
        CREATE(CL_INVALID_CONTEXT, clCreateCommandQueueWithProperties, context_, device, nullptr),
        CREATE(CL_INVALID_DEVICE, clCreateCommandQueueWithProperties, context, device_, nullptr),
        CREATE(CL_INVALID_CONTEXT, clCreateBuffer, context_, 0, 4, nullptr),
        CREATE(CL_INVALID_CONTEXT, clCreateUserEvent, context_),
        CREATE(CL_INVALID_CONTEXT, clCreateProgramWithSource, context_, 1, &text, nullptr),
        CREATE(CL_INVALID_CONTEXT, clCreateProgramWithBuiltInKernels, context_, 1, &device,
               "acc_noop"),
        CREATE(CL_INVALID_DEVICE, clCreateProgramWithBuiltInKernels, context, 1, &device_,
               "acc_noop"),
        CREATE(CL_INVALID_DEVICE, clCreateProgramWithBinary, context, 1, &device_, &box[0], &binary,
               nullptr),
        CALL(CL_INVALID_CONTEXT, clGetSupportedImageFormats, context_, 0, CL_MEM_OBJECT_IMAGE2D, 0,
             nullptr, nullptr),
        CALL(CL_INVALID_COMMAND_QUEUE, clRetainCommandQueue, queue_),
        CALL(CL_INVALID_COMMAND_QUEUE, clReleaseCommandQueue, queue_),
        CALL(CL_INVALID_COMMAND_QUEUE, clGetCommandQueueInfo, queue_, CL_QUEUE_DEVICE, 0, nullptr,
             nullptr),
        CALL(CL_INVALID_COMMAND_QUEUE, clFlush, queue_),
        CALL(CL_INVALID_COMMAND_QUEUE, clFinish, queue_),
        CALL(CL_INVALID_COMMAND_QUEUE, clEnqueueMarkerWithWaitList, queue_, 0, nullptr, nullptr),
        CALL(CL_INVALID_COMMAND_QUEUE, clEnqueueBarrierWithWaitList, queue_, 0, nullptr, nullptr),
        CALL(CL_INVALID_COMMAND_QUEUE, clEnqueueNDRangeKernel, queue_, noop, 1, nullptr, &one,
             nullptr, 0, nullptr, nullptr),
        CALL(CL_INVALID_COMMAND_QUEUE, clEnqueueReadBuffer, queue_, memory, CL_TRUE, 0, 4, host, 0,
             nullptr, nullptr),
        CALL(CL_INVALID_COMMAND_QUEUE, clEnqueueNativeKernel, queue_, no_native, nullptr, 0, 0,
             nullptr, nullptr, 0, nullptr, nullptr),
        CALL(CL_INVALID_COMMAND_QUEUE, clEnqueueSVMFree, queue_, 1, &freed, nullptr, nullptr, 0,
             nullptr, nullptr),
        CALL(CL_INVALID_COMMAND_QUEUE, clEnqueueSVMMemcpy, queue_, CL_TRUE, host, host + 32, 4, 0,
             nullptr, nullptr),
        CALL(CL_INVALID_COMMAND_QUEUE, clEnqueueSVMMigrateMem, queue_, 1, &pointer, nullptr, 0, 0,
             nullptr, nullptr),
        CALL(CL_INVALID_MEM_OBJECT, clRetainMemObject, mem_),
        CALL(CL_INVALID_MEM_OBJECT, clReleaseMemObject, mem_),
        CALL(CL_INVALID_MEM_OBJECT, clGetMemObjectInfo, mem_, CL_MEM_SIZE, 0, nullptr, nullptr),
        CALL(CL_INVALID_MEM_OBJECT, clEnqueueReadBuffer, queue, mem_, CL_TRUE, 0, 4, host, 0,
             nullptr, nullptr),
        CALL(CL_INVALID_MEM_OBJECT, clEnqueueWriteBuffer, queue, mem_, CL_TRUE, 0, 4, host, 0,
             nullptr, nullptr),
        CALL(CL_INVALID_MEM_OBJECT, clEnqueueReadBufferRect, queue, mem_, CL_TRUE, origin, origin,
             box, 0, 0, 0, 0, host, 0, nullptr, nullptr),
        CALL(CL_INVALID_MEM_OBJECT, clEnqueueWriteBufferRect, queue, mem_, CL_TRUE, origin, origin,
             box, 0, 0, 0, 0, host, 0, nullptr, nullptr),
        CALL(CL_INVALID_MEM_OBJECT, clEnqueueCopyBuffer, queue, memory, mem_, 0, 0, 4, 0, nullptr,
             nullptr),
        CALL(CL_INVALID_MEM_OBJECT, clEnqueueCopyBufferRect, queue, mem_, memory, origin, origin,
             box, 0, 0, 0, 0, 0, nullptr, nullptr),
        CALL(CL_INVALID_MEM_OBJECT, clEnqueueFillBuffer, queue, mem_, host, 4, 0, 4, 0, nullptr,
             nullptr),
        CALL(CL_INVALID_MEM_OBJECT, clEnqueueMigrateMemObjects, queue, 1, &mem_, 0, 0, nullptr,
             nullptr),
        CALL(CL_INVALID_MEM_OBJECT, clEnqueueUnmapMemObject, queue, mem_, host, 0, nullptr,
             nullptr),
        CREATE(CL_INVALID_MEM_OBJECT, clEnqueueMapBuffer, queue, mem_, CL_TRUE, CL_MAP_READ, 0, 4,
               0, nullptr, nullptr),
        CREATE(CL_INVALID_MEM_OBJECT, clCreateSubBuffer, mem_, 0, CL_BUFFER_CREATE_TYPE_REGION,
               host),
        CALL(CL_INVALID_MEM_OBJECT, clGetImageInfo, memory, CL_IMAGE_WIDTH, 0, nullptr, nullptr),
        CALL(CL_INVALID_MEM_OBJECT, clEnqueueReadImage, queue, memory, CL_TRUE, origin, box, 0, 0,
             host, 0, nullptr, nullptr),
        CALL(CL_INVALID_MEM_OBJECT, clSetKernelArg, built_in("acc_add_f32"), 0, sizeof mem_, &mem_),
        CALL(CL_INVALID_PROGRAM, clRetainProgram, program_),
        CALL(CL_INVALID_PROGRAM, clReleaseProgram, program_),
        CALL(CL_INVALID_PROGRAM, clBuildProgram, program_, 0, nullptr, "", nullptr, nullptr),
        CALL(CL_INVALID_PROGRAM, clCompileProgram, program_, 0, nullptr, "", 0, nullptr, nullptr,
             nullptr, nullptr),
        CREATE(CL_INVALID_PROGRAM, clLinkProgram, context, 0, nullptr, "", 1, &program_, nullptr,
               nullptr),
        CALL(CL_INVALID_PROGRAM, clGetProgramInfo, program_, CL_PROGRAM_SOURCE, 0, nullptr,
             nullptr),
        CALL(CL_INVALID_PROGRAM, clGetProgramBuildInfo, program_, device, CL_PROGRAM_BUILD_LOG, 0,
             nullptr, nullptr),
        CREATE(CL_INVALID_PROGRAM, clCreateKernel, program_, "k"),
        CALL(CL_INVALID_PROGRAM, clCreateKernelsInProgram, program_, 0, nullptr, nullptr),
        CALL(CL_INVALID_KERNEL, clRetainKernel, kernel_),
        CALL(CL_INVALID_KERNEL, clReleaseKernel, kernel_),
        CALL(CL_INVALID_KERNEL, clSetKernelArg, kernel_, 0, 4, host),
        CALL(CL_INVALID_KERNEL, clSetKernelArgSVMPointer, kernel_, 0, host),
        CALL(CL_INVALID_KERNEL, clSetKernelExecInfo, kernel_, CL_KERNEL_EXEC_INFO_SVM_PTRS, 8,
             host),
        CALL(CL_INVALID_KERNEL, clGetKernelInfo, kernel_, CL_KERNEL_NUM_ARGS, 0, nullptr, nullptr),
        CALL(CL_INVALID_KERNEL, clGetKernelArgInfo, kernel_, 0, CL_KERNEL_ARG_NAME, 0, nullptr,
             nullptr),
        CALL(CL_INVALID_KERNEL, clGetKernelWorkGroupInfo, kernel_, device,
             CL_KERNEL_WORK_GROUP_SIZE, 0, nullptr, nullptr),
        CALL(CL_INVALID_DEVICE, clGetKernelWorkGroupInfo, noop, device_, CL_KERNEL_WORK_GROUP_SIZE,
             0, nullptr, nullptr),
        CALL(CL_INVALID_KERNEL, clEnqueueNDRangeKernel, queue, kernel_, 1, nullptr, &one, nullptr,
             0, nullptr, nullptr),
        CALL(CL_INVALID_EVENT, clRetainEvent, event_),
        CALL(CL_INVALID_EVENT, clReleaseEvent, event_),
        CALL(CL_INVALID_EVENT, clWaitForEvents, 1, &event_),
        CALL(CL_INVALID_EVENT, clGetEventInfo, event_, CL_EVENT_CONTEXT, 0, nullptr, nullptr),
        CALL(CL_INVALID_EVENT, clGetEventProfilingInfo, event_, CL_PROFILING_COMMAND_END, 0,
             nullptr, nullptr),
        CALL(CL_INVALID_EVENT, clSetEventCallback, event_, CL_COMPLETE, none, nullptr),
        CALL(CL_INVALID_EVENT, clSetUserEventStatus, event_, CL_COMPLETE),
        CALL(CL_INVALID_EVENT_WAIT_LIST, clEnqueueMarkerWithWaitList, queue, 1, &event_, nullptr),
    });
}

// Every command that takes a wait list.
TEST_F(OpenClRefusal, WaitLists)
{
    const cl_mem memory = buffer(64), other_memory = buffer(64);
    const cl_kernel noop = built_in("acc_noop");
    char host[64] = {};
    const size_t box[] = {1, 1, 1}, origin[] = {0, 0, 0};
    const int pattern = 1;
    auto *const svm = static_cast<char *>(clSVMAlloc(context, CL_MEM_READ_WRITE, 64, 0));
    ASSERT_NE(svm, nullptr);
    const void *svm_list[] = {svm};
    const auto native = [](void *) {};
    struct Command {
        const char *name;
        std::function<cl_int(cl_uint, const cl_event *)> call;
    };
#define COMMAND(function, ...)                                                                     \
    {                                                                                              \
#function, [&](cl_uint n,                                                                  \
                       const cl_event *list) { return function(__VA_ARGS__, n, list, nullptr); }   \
    }
    const std::vector<Command> commands = {
        COMMAND(clEnqueueReadBuffer, queue, memory, CL_FALSE, 0, 4, host),
        COMMAND(clEnqueueWriteBuffer, queue, memory, CL_FALSE, 0, 4, host),
        COMMAND(clEnqueueReadBufferRect, queue, memory, CL_FALSE, origin, origin, box, 0, 0, 0, 0,
                host),
        COMMAND(clEnqueueWriteBufferRect, queue, memory, CL_FALSE, origin, origin, box, 0, 0, 0, 0,
                host),
        COMMAND(clEnqueueCopyBuffer, queue, memory, other_memory, 0, 0, 4),
        COMMAND(clEnqueueCopyBufferRect, queue, memory, other_memory, origin, origin, box, 0, 0, 0,
                0),
        COMMAND(clEnqueueFillBuffer, queue, memory, &pattern, 4, 0, 4),
        COMMAND(clEnqueueMigrateMemObjects, queue, 1, &memory, 0),
        COMMAND(clEnqueueNDRangeKernel, queue, noop, 1, nullptr, &one, nullptr),
        COMMAND(clEnqueueTask, queue, noop),
        COMMAND(clEnqueueNativeKernel, queue, native, nullptr, 0, 0, nullptr, nullptr),
        COMMAND(clEnqueueMarkerWithWaitList, queue),
        COMMAND(clEnqueueBarrierWithWaitList, queue),
        COMMAND(clEnqueueSVMMemcpy, queue, CL_FALSE, svm, svm + 32, 4),
        COMMAND(clEnqueueSVMMemFill, queue, svm, &pattern, 4, 4),
        COMMAND(clEnqueueSVMMap, queue, CL_FALSE, CL_MAP_READ, svm, 4),
        COMMAND(clEnqueueSVMUnmap, queue, svm),
        COMMAND(clEnqueueSVMMigrateMem, queue, 1, svm_list, nullptr, 0),
        {"clEnqueueMapBuffer",
         [&](cl_uint n, const cl_event *list) {
             cl_int error = CL_SUCCESS;
             (void)clEnqueueMapBuffer(queue, memory, CL_FALSE, CL_MAP_READ, 0, 4, n, list, nullptr,
                                      &error);
             return error;
         }},
    };
    cl_int error = CL_SUCCESS;
    const cl_context other = clCreateContext(nullptr, 1, &device, nullptr, nullptr, &error);
    ASSERT_EQ(error, CL_SUCCESS);
    const cl_event foreign = clCreateUserEvent(other, &error), null = nullptr, good = user_event();
    EXPECT_EQ(clSetUserEventStatus(good, CL_COMPLETE), CL_SUCCESS);
    const cl_event mixed[] = {good, foreign};
    for (const Command &one : commands) {
        EXPECT_EQ(one.call(1, nullptr), CL_INVALID_EVENT_WAIT_LIST) << one.name;
        EXPECT_EQ(one.call(0, &good), CL_INVALID_EVENT_WAIT_LIST) << one.name;
        EXPECT_EQ(one.call(1, &null), CL_INVALID_EVENT_WAIT_LIST) << one.name;
        EXPECT_EQ(one.call(2, mixed), CL_INVALID_CONTEXT) << one.name;
        EXPECT_EQ(one.call(1, &good), CL_SUCCESS) << one.name;
    }
    EXPECT_EQ(clFinish(queue), CL_SUCCESS);
    clSVMFree(context, svm);
    EXPECT_EQ(clReleaseEvent(foreign), CL_SUCCESS);
    EXPECT_EQ(clReleaseContext(other), CL_SUCCESS);
}

// A blocking command behind one that failed says so, and is an error itself.
TEST_F(OpenClRefusal, BlockingCommandsBehindErrors)
{
    const cl_mem memory = buffer(64);
    int host = 0;
    const cl_event bad = user_event();
    EXPECT_EQ(clSetUserEventStatus(bad, -7), CL_SUCCESS);
    cl_int error = CL_SUCCESS;
    EXPECT_EQ(clEnqueueReadBuffer(queue, memory, CL_TRUE, 0, 4, &host, 1, &bad, nullptr),
              CL_EXEC_STATUS_ERROR_FOR_EVENTS_IN_WAIT_LIST);
    EXPECT_EQ(clEnqueueWriteBuffer(queue, memory, CL_TRUE, 0, 4, &host, 1, &bad, nullptr),
              CL_EXEC_STATUS_ERROR_FOR_EVENTS_IN_WAIT_LIST);
    EXPECT_EQ(
        clEnqueueMapBuffer(queue, memory, CL_TRUE, CL_MAP_READ, 0, 4, 1, &bad, nullptr, &error),
        nullptr);
    EXPECT_EQ(error, CL_EXEC_STATUS_ERROR_FOR_EVENTS_IN_WAIT_LIST);
    EXPECT_EQ(value_of<cl_uint>(clGetMemObjectInfo, memory, CL_MEM_MAP_COUNT), 0u);
}

TEST_F(OpenClRefusal, Programs)
{
    cl_int error = CL_SUCCESS;
    const char *text = "__kernel void k() {}", *null = nullptr;
    const size_t one_byte = 1, no_bytes = 0;
    const unsigned char *rubbish = reinterpret_cast<const unsigned char *>("x");
    const unsigned char *no_binary = nullptr;
    cl_int status = 99;
    const cl_program source = clCreateProgramWithSource(context, 1, &text, nullptr, &error);
    ASSERT_EQ(error, CL_SUCCESS);
    const cl_program roles =
        clCreateProgramWithBuiltInKernels(context, 1, &device, "acc_noop", &error);
    ASSERT_EQ(error, CL_SUCCESS);
    const cl_device_id custom = the_custom_device();
    int user = 0;
    const auto told = [](cl_program, void *) {};
    cl_kernel kernels[2] = {};
    char small[1];
    expect({
        CREATE(CL_INVALID_VALUE, clCreateProgramWithSource, context, 0, &text, nullptr),
        CREATE(CL_INVALID_VALUE, clCreateProgramWithSource, context, 1, nullptr, nullptr),
        CREATE(CL_INVALID_VALUE, clCreateProgramWithSource, context, 1, &null, nullptr),
        CREATE(CL_INVALID_VALUE, clCreateProgramWithBinary, context, 0, &device, &one_byte,
               &rubbish, nullptr),
        CREATE(CL_INVALID_VALUE, clCreateProgramWithBinary, context, 1, nullptr, &one_byte,
               &rubbish, nullptr),
        CREATE(CL_INVALID_VALUE, clCreateProgramWithBinary, context, 1, &device, nullptr, &rubbish,
               nullptr),
        CREATE(CL_INVALID_VALUE, clCreateProgramWithBinary, context, 1, &device, &one_byte, nullptr,
               nullptr),
        CREATE(CL_INVALID_VALUE, clCreateProgramWithBinary, context, 1, &device, &no_bytes,
               &rubbish, &status),
        CREATE(CL_INVALID_VALUE, clCreateProgramWithBinary, context, 1, &device, &one_byte,
               &no_binary, &status),
        CREATE(CL_INVALID_BINARY, clCreateProgramWithBinary, context, 1, &device, &one_byte,
               &rubbish, &status),
        CREATE(CL_INVALID_OPERATION, clCreateProgramWithIL, context, text, 4),
        CALL(CL_INVALID_VALUE, clBuildProgram, source, 1, nullptr, "", nullptr, nullptr),
        CALL(CL_INVALID_VALUE, clBuildProgram, source, 0, &device, "", nullptr, nullptr),
        CALL(CL_INVALID_VALUE, clBuildProgram, source, 0, nullptr, "", nullptr, &user),
        CALL(CL_INVALID_BUILD_OPTIONS, clBuildProgram, source, 1, &device, "-frob", nullptr,
             nullptr),
        CALL(CL_INVALID_BUILD_OPTIONS, clBuildProgram, source, 1, &device, "-cl-std=CL9.0", nullptr,
             nullptr),
        CALL(CL_INVALID_BUILD_OPTIONS, clBuildProgram, source, 1, &device, "-D", nullptr, nullptr),
        CALL(CL_COMPILER_NOT_AVAILABLE, clBuildProgram, source, 1, &custom, "", nullptr, nullptr),
        CALL(CL_INVALID_OPERATION, clBuildProgram, roles, 1, &device, "", nullptr, nullptr),
        CALL(CL_INVALID_DEVICE, clBuildProgram, roles, 1, &custom, "", nullptr, nullptr),
        CALL(CL_INVALID_OPERATION, clCompileProgram, roles, 0, nullptr, "", 0, nullptr, nullptr,
             nullptr, nullptr),
        CALL(CL_INVALID_COMPILER_OPTIONS, clCompileProgram, source, 1, &device, "-frob", 0, nullptr,
             nullptr, nullptr, nullptr),
        CALL(CL_INVALID_VALUE, clCompileProgram, source, 1, &device, "", 1, nullptr, nullptr,
             nullptr, nullptr),
        CALL(CL_INVALID_VALUE, clCompileProgram, source, 1, &device, "", 0, &source, nullptr,
             nullptr, nullptr),
        CALL(CL_COMPILER_NOT_AVAILABLE, clCompileProgram, source, 1, &custom, "", 0, nullptr,
             nullptr, nullptr, nullptr),
        CREATE(CL_INVALID_VALUE, clLinkProgram, context, 1, &device, "", 0, nullptr, nullptr,
               nullptr),
        CREATE(CL_INVALID_LINKER_OPTIONS, clLinkProgram, context, 1, &device, "-frob", 1, &source,
               nullptr, nullptr),
        CREATE(CL_INVALID_OPERATION, clLinkProgram, context, 1, &device, "", 1, &source, nullptr,
               nullptr),
        CALL(CL_INVALID_OPERATION, clSetProgramReleaseCallback, source, told, nullptr),
        CALL(CL_INVALID_VALUE, clSetProgramReleaseCallback, source, nullptr, nullptr),
        CALL(CL_INVALID_OPERATION, clSetProgramSpecializationConstant, source, 0, 4, &user),
        CREATE(CL_INVALID_PROGRAM_EXECUTABLE, clCreateKernel, source, "k"),
        CALL(CL_INVALID_PROGRAM_EXECUTABLE, clCreateKernelsInProgram, source, 2, kernels, nullptr),
        CALL(CL_INVALID_VALUE, clCreateKernelsInProgram, roles, 0, kernels, nullptr),
        CREATE(CL_INVALID_KERNEL_NAME, clCreateKernel, roles, "acc_add_f32"),
        CALL(CL_INVALID_PROGRAM_EXECUTABLE, clGetProgramInfo, source, CL_PROGRAM_NUM_KERNELS, 0,
             nullptr, nullptr),
        CALL(CL_INVALID_PROGRAM_EXECUTABLE, clGetProgramInfo, source, CL_PROGRAM_KERNEL_NAMES, 0,
             nullptr, nullptr),
        CALL(CL_INVALID_VALUE, clGetProgramInfo, source, CL_PROGRAM_SOURCE, 1, small, nullptr),
        CALL(CL_INVALID_VALUE, clGetProgramInfo, source, CL_DEVICE_NAME, 0, nullptr, nullptr),
        CALL(CL_INVALID_VALUE, clGetProgramBuildInfo, source, device, CL_DEVICE_NAME, 0, nullptr,
             nullptr),
        CALL(CL_INVALID_DEVICE, clGetProgramBuildInfo, roles, custom, CL_PROGRAM_BUILD_STATUS, 0,
             nullptr, nullptr),
    });
    EXPECT_EQ(status, CL_INVALID_BINARY);
    EXPECT_EQ(value_of<size_t>(clGetProgramInfo, roles, CL_PROGRAM_NUM_KERNELS), 1u);
    EXPECT_EQ(text_of(clGetProgramInfo, roles, CL_PROGRAM_KERNEL_NAMES), "acc_noop");
    EXPECT_EQ(text_of(clGetProgramInfo, source, CL_PROGRAM_SOURCE), text);
    EXPECT_EQ(clReleaseProgram(source), CL_SUCCESS);
    EXPECT_EQ(clReleaseProgram(roles), CL_SUCCESS);
}

TEST_F(OpenClRefusal, Kernels)
{
    const cl_kernel add = built_in("acc_add_f32"), noop = built_in("acc_noop");
    const cl_mem memory = buffer(64);
    cl_int error = CL_SUCCESS;
    const cl_context other = clCreateContext(nullptr, 1, &device, nullptr, nullptr, &error);
    ASSERT_EQ(error, CL_SUCCESS);
    const cl_command_queue foreign = clCreateCommandQueue(other, device, 0, &error);
    const cl_command_queue custom = clCreateCommandQueue(context, the_custom_device(), 0, &error);
    ASSERT_EQ(error, CL_SUCCESS);
    const cl_ulong count = 1;
    const cl_bool yes = CL_TRUE, no = CL_FALSE;
    const size_t two = 2;
    char small[1];
    const void *pointers[] = {&count};
    expect({
        CALL(CL_INVALID_ARG_INDEX, clSetKernelArg, add, 5, sizeof count, &count),
        CALL(CL_INVALID_ARG_SIZE, clSetKernelArg, add, 3, 4, &count),
        CALL(CL_INVALID_ARG_SIZE, clSetKernelArg, add, 0, 4, &memory),
        CALL(CL_INVALID_ARG_VALUE, clSetKernelArg, add, 3, sizeof count, nullptr),
        CALL(CL_SUCCESS, clSetKernelArg, add, 0, sizeof(cl_mem), nullptr),
        CALL(CL_INVALID_KERNEL_ARGS, clEnqueueNDRangeKernel, queue, add, 1, nullptr, &one, nullptr,
             0, nullptr, nullptr),
        CALL(CL_INVALID_CONTEXT, clEnqueueNDRangeKernel, foreign, noop, 1, nullptr, &one, nullptr,
             0, nullptr, nullptr),
        CALL(CL_INVALID_PROGRAM_EXECUTABLE, clEnqueueNDRangeKernel, custom, noop, 1, nullptr, &one,
             nullptr, 0, nullptr, nullptr),
        CALL(CL_INVALID_WORK_GROUP_SIZE, clEnqueueNDRangeKernel, queue, noop, 1, nullptr, &one,
             &two, 0, nullptr, nullptr),
        CALL(CL_INVALID_VALUE, clSetKernelExecInfo, noop, CL_KERNEL_EXEC_INFO_SVM_PTRS, 8, nullptr),
        CALL(CL_INVALID_VALUE, clSetKernelExecInfo, noop, CL_KERNEL_EXEC_INFO_SVM_PTRS, 7,
             pointers),
        CALL(CL_INVALID_VALUE, clSetKernelExecInfo, noop, CL_DEVICE_NAME, 8, pointers),
        CALL(CL_INVALID_OPERATION, clSetKernelExecInfo, noop,
             CL_KERNEL_EXEC_INFO_SVM_FINE_GRAIN_SYSTEM, sizeof yes, &yes),
        CALL(CL_SUCCESS, clSetKernelExecInfo, noop, CL_KERNEL_EXEC_INFO_SVM_FINE_GRAIN_SYSTEM,
             sizeof no, &no),
        CALL(CL_INVALID_VALUE, clGetKernelInfo, noop, CL_DEVICE_NAME, 0, nullptr, nullptr),
        CALL(CL_INVALID_VALUE, clGetKernelInfo, noop, CL_KERNEL_FUNCTION_NAME, 1, small, nullptr),
        CALL(CL_INVALID_VALUE, clGetKernelArgInfo, add, 0, CL_DEVICE_NAME, 0, nullptr, nullptr),
        CALL(CL_INVALID_VALUE, clGetKernelWorkGroupInfo, noop, device, CL_DEVICE_NAME, 0, nullptr,
             nullptr),
        CALL(CL_INVALID_OPERATION, clGetKernelSubGroupInfo, noop, device,
             CL_KERNEL_MAX_SUB_GROUP_SIZE_FOR_NDRANGE, 0, nullptr, 0, nullptr, nullptr),
    });
    const cl_kernel copy = clCloneKernel(noop, &error);
    EXPECT_EQ(error, CL_SUCCESS);
    EXPECT_EQ(value_of<cl_uint>(clGetKernelInfo, copy, CL_KERNEL_REFERENCE_COUNT), 1u);
    EXPECT_EQ(clReleaseKernel(copy), CL_SUCCESS);
    EXPECT_EQ(clReleaseCommandQueue(custom), CL_SUCCESS);
    EXPECT_EQ(clReleaseCommandQueue(foreign), CL_SUCCESS);
    EXPECT_EQ(clReleaseContext(other), CL_SUCCESS);
}

} // namespace
} // namespace acc::test
