// SPDX-License-Identifier: MIT
//
// What commands refuse alike: wait lists.
#include "fixture.h"

#include <functional>

namespace acc::test
{
namespace
{

// Every command that takes a wait list.
TEST_F(OpenCl, RefusesWaitLists)
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
TEST_F(OpenCl, TellsBlockingCommandsOfErrors)
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

} // namespace
} // namespace acc::test
