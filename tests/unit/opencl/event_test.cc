// SPDX-License-Identifier: MIT
//
// Events: user events, wait lists, callbacks, profiling, order.
#include "fixture.h"

#include <atomic>
#include <thread>

namespace acc::test
{
namespace
{

TEST_F(OpenCl, UserEventsHoldCommandsBack)
{
    const cl_mem memory = buffer(4);
    const cl_kernel noop = built_in("acc_noop");
    const int value = 7;
    const cl_event gate = user_event();
    cl_event written = nullptr, run = nullptr;
    EXPECT_EQ(status_of(gate), CL_SUBMITTED);
    ASSERT_EQ(clEnqueueWriteBuffer(unordered, memory, CL_FALSE, 0, 4, &value, 1, &gate, &written),
              CL_SUCCESS);
    ASSERT_EQ(clEnqueueNDRangeKernel(unordered, noop, 1, nullptr, &one, nullptr, 1, &written, &run),
              CL_SUCCESS);
    EXPECT_EQ(status_of(written), CL_QUEUED);
    EXPECT_EQ(status_of(run), CL_QUEUED);
    EXPECT_EQ(clSetUserEventStatus(gate, CL_RUNNING), CL_INVALID_VALUE);
    EXPECT_EQ(clSetUserEventStatus(gate, CL_COMPLETE), CL_SUCCESS);
    EXPECT_EQ(clSetUserEventStatus(gate, CL_COMPLETE), CL_INVALID_OPERATION);
    EXPECT_EQ(clSetUserEventStatus(run, CL_COMPLETE), CL_INVALID_EVENT);
    EXPECT_EQ(clWaitForEvents(1, &run), CL_SUCCESS);
    EXPECT_EQ(status_of(written), CL_COMPLETE);
    EXPECT_EQ(contents<int>(memory, 1)[0], 7);
    for (const cl_event event : {written, run})
        EXPECT_EQ(clReleaseEvent(event), CL_SUCCESS);
}

TEST_F(OpenCl, ErrorsOfUserEventsGoOn)
{
    const cl_kernel noop = built_in("acc_noop");
    const cl_event gate = user_event();
    cl_event first = nullptr, second = nullptr;
    ASSERT_EQ(clEnqueueNDRangeKernel(unordered, noop, 1, nullptr, &one, nullptr, 1, &gate, &first),
              CL_SUCCESS);
    ASSERT_EQ(clEnqueueMarkerWithWaitList(unordered, 1, &first, &second), CL_SUCCESS);
    EXPECT_EQ(clSetUserEventStatus(gate, -5), CL_SUCCESS);
    EXPECT_EQ(clWaitForEvents(1, &second), CL_EXEC_STATUS_ERROR_FOR_EVENTS_IN_WAIT_LIST);
    EXPECT_EQ(status_of(first), CL_EXEC_STATUS_ERROR_FOR_EVENTS_IN_WAIT_LIST);
    EXPECT_EQ(status_of(gate), -5);
    for (const cl_event event : {first, second})
        EXPECT_EQ(clReleaseEvent(event), CL_SUCCESS);
}

TEST_F(OpenCl, TellsOfEvents)
{
    const cl_event gate = user_event();
    EXPECT_EQ(value_of<cl_command_queue>(clGetEventInfo, gate, CL_EVENT_COMMAND_QUEUE), nullptr);
    EXPECT_EQ(value_of<cl_context>(clGetEventInfo, gate, CL_EVENT_CONTEXT), context);
    EXPECT_EQ(value_of<cl_command_type>(clGetEventInfo, gate, CL_EVENT_COMMAND_TYPE),
              cl_command_type{CL_COMMAND_USER});
    EXPECT_EQ(value_of<cl_uint>(clGetEventInfo, gate, CL_EVENT_REFERENCE_COUNT), 1u);
    EXPECT_EQ(clGetEventInfo(gate, CL_DEVICE_NAME, 0, nullptr, nullptr), CL_INVALID_VALUE);
    cl_event event = nullptr;
    ASSERT_EQ(clEnqueueMarkerWithWaitList(queue, 0, nullptr, &event), CL_SUCCESS);
    EXPECT_EQ(value_of<cl_command_queue>(clGetEventInfo, event, CL_EVENT_COMMAND_QUEUE), queue);
    EXPECT_EQ(value_of<cl_command_type>(clGetEventInfo, event, CL_EVENT_COMMAND_TYPE),
              cl_command_type{CL_COMMAND_MARKER});
    EXPECT_EQ(value_of<cl_uint>(clGetEventInfo, event, CL_EVENT_REFERENCE_COUNT), 1u);
    EXPECT_EQ(clReleaseEvent(event), CL_SUCCESS);
    EXPECT_EQ(clWaitForEvents(0, nullptr), CL_INVALID_VALUE);
    const cl_event none = nullptr;
    EXPECT_EQ(clWaitForEvents(1, &none), CL_INVALID_EVENT);
    cl_int error = CL_SUCCESS;
    EXPECT_EQ(clSetUserEventStatus(gate, CL_COMPLETE), CL_SUCCESS);
    const cl_context other = clCreateContext(nullptr, 1, &device, nullptr, nullptr, &error);
    const cl_event foreign = clCreateUserEvent(other, &error);
    const cl_event both[] = {gate, foreign};
    EXPECT_EQ(clWaitForEvents(2, both), CL_INVALID_CONTEXT);
    EXPECT_EQ(clEnqueueMarkerWithWaitList(queue, 1, &foreign, nullptr), CL_INVALID_CONTEXT);
    clReleaseEvent(foreign);
    clReleaseContext(other);
}

struct Heard {
    std::atomic<int> count{0};
    std::atomic<cl_int> last{99};
    static void CL_CALLBACK call(cl_event, cl_int status, void *user)
    {
        auto *heard = static_cast<Heard *>(user);
        heard->last = status;
        heard->count++;
        heard->count.notify_all();
    }
    void wait(int wanted)
    {
        for (int now = count; now < wanted; now = count)
            count.wait(now);
    }
};

// Nobody waits, flushes or asks: they are called all the same.
TEST_F(OpenCl, CallsBack)
{
    const cl_kernel noop = built_in("acc_noop");
    const cl_event gate = user_event();
    Heard complete, running, submitted, late;
    cl_event event = nullptr;
    ASSERT_EQ(clEnqueueNDRangeKernel(queue, noop, 1, nullptr, &one, nullptr, 1, &gate, &event),
              CL_SUCCESS);
    EXPECT_EQ(clSetEventCallback(event, CL_COMPLETE, Heard::call, &complete), CL_SUCCESS);
    EXPECT_EQ(clSetEventCallback(event, CL_RUNNING, Heard::call, &running), CL_SUCCESS);
    EXPECT_EQ(clSetEventCallback(event, CL_SUBMITTED, Heard::call, &submitted), CL_SUCCESS);
    EXPECT_EQ(clSetEventCallback(event, CL_QUEUED, Heard::call, &late), CL_INVALID_VALUE);
    EXPECT_EQ(clSetEventCallback(event, CL_COMPLETE, nullptr, nullptr), CL_INVALID_VALUE);
    EXPECT_EQ(complete.count, 0);
    EXPECT_EQ(clSetUserEventStatus(gate, CL_COMPLETE), CL_SUCCESS);
    complete.wait(1);
    running.wait(1);
    submitted.wait(1);
    EXPECT_EQ(complete.last, CL_COMPLETE);
    EXPECT_EQ(submitted.last, CL_SUBMITTED);
    EXPECT_EQ(clSetEventCallback(event, CL_COMPLETE, Heard::call, &late), CL_SUCCESS);
    late.wait(1);
    EXPECT_EQ(clReleaseEvent(event), CL_SUCCESS);

    Heard failed;
    const cl_event bad = user_event();
    EXPECT_EQ(clSetEventCallback(bad, CL_COMPLETE, Heard::call, &failed), CL_SUCCESS);
    EXPECT_EQ(clSetUserEventStatus(bad, -42), CL_SUCCESS);
    failed.wait(1);
    EXPECT_EQ(failed.last, -42);
}

TEST_F(OpenCl, ProfilesCommands)
{
    const cl_kernel noop = built_in("acc_noop");
    const cl_mem memory = buffer(4);
    cl_event events[3] = {};
    const int value = 1;
    ASSERT_EQ(
        clEnqueueNDRangeKernel(queue, noop, 1, nullptr, &one, nullptr, 0, nullptr, &events[0]),
        CL_SUCCESS);
    ASSERT_EQ(clEnqueueWriteBuffer(queue, memory, CL_FALSE, 0, 4, &value, 0, nullptr, &events[1]),
              CL_SUCCESS);
    ASSERT_EQ(clEnqueueMarkerWithWaitList(queue, 0, nullptr, &events[2]), CL_SUCCESS);
    ASSERT_EQ(clFinish(queue), CL_SUCCESS);
    for (const cl_event event : events) {
        cl_ulong last = 0;
        for (const cl_profiling_info what :
             {CL_PROFILING_COMMAND_QUEUED, CL_PROFILING_COMMAND_SUBMIT, CL_PROFILING_COMMAND_START,
              CL_PROFILING_COMMAND_END, CL_PROFILING_COMMAND_COMPLETE}) {
            const auto time = value_of<cl_ulong>(clGetEventProfilingInfo, event, what);
            EXPECT_GE(time, last) << what;
            last = time;
        }
        EXPECT_EQ(clGetEventProfilingInfo(event, CL_DEVICE_NAME, 0, nullptr, nullptr),
                  CL_INVALID_VALUE);
        EXPECT_EQ(clReleaseEvent(event), CL_SUCCESS);
    }
    const cl_event gate = user_event();
    cl_ulong time = 0;
    EXPECT_EQ(clGetEventProfilingInfo(gate, CL_PROFILING_COMMAND_END, sizeof time, &time, nullptr),
              CL_PROFILING_INFO_NOT_AVAILABLE);
    cl_int error = CL_SUCCESS;
    const cl_command_queue plain =
        clCreateCommandQueueWithProperties(context, device, nullptr, &error);
    cl_event event = nullptr;
    ASSERT_EQ(clEnqueueMarkerWithWaitList(plain, 0, nullptr, &event), CL_SUCCESS);
    EXPECT_EQ(clWaitForEvents(1, &event), CL_SUCCESS);
    EXPECT_EQ(clGetEventProfilingInfo(event, CL_PROFILING_COMMAND_END, sizeof time, &time, nullptr),
              CL_PROFILING_INFO_NOT_AVAILABLE);
    clReleaseEvent(event);
    clReleaseCommandQueue(plain);
}

// A barrier of an out-of-order queue holds all behind it back, a marker nothing.
TEST_F(OpenCl, BarriersAndMarkersOrder)
{
    const cl_event gate = user_event();
    cl_event held = nullptr, barrier = nullptr, behind = nullptr, marker = nullptr;
    ASSERT_EQ(clEnqueueMarkerWithWaitList(unordered, 1, &gate, &held), CL_SUCCESS);
    ASSERT_EQ(clEnqueueMarkerWithWaitList(unordered, 0, nullptr, &marker), CL_SUCCESS);
    ASSERT_EQ(clEnqueueBarrierWithWaitList(unordered, 0, nullptr, &barrier), CL_SUCCESS);
    const cl_kernel noop = built_in("acc_noop");
    ASSERT_EQ(
        clEnqueueNDRangeKernel(unordered, noop, 1, nullptr, &one, nullptr, 0, nullptr, &behind),
        CL_SUCCESS);
    for (const cl_event event : {held, marker, barrier, behind})
        EXPECT_EQ(status_of(event), CL_QUEUED);
    EXPECT_EQ(clSetUserEventStatus(gate, CL_COMPLETE), CL_SUCCESS);
    EXPECT_EQ(clFinish(unordered), CL_SUCCESS);
    for (const cl_event event : {held, marker, barrier, behind}) {
        EXPECT_EQ(status_of(event), CL_COMPLETE);
        EXPECT_EQ(clReleaseEvent(event), CL_SUCCESS);
    }
    EXPECT_EQ(clEnqueueMarker(unordered, nullptr), CL_INVALID_VALUE);
    EXPECT_EQ(clEnqueueWaitForEvents(unordered, 0, nullptr), CL_INVALID_VALUE);
    EXPECT_EQ(clEnqueueBarrier(unordered), CL_SUCCESS);
}

TEST_F(OpenCl, RunsNativeKernels)
{
    const cl_mem memory = buffer(4);
    struct Arguments {
        int *place;
        int value;
    } arguments = {nullptr, 5};
    const void *places[] = {&arguments.place};
    const auto fn = [](void *given) {
        auto *all = static_cast<Arguments *>(given);
        *all->place = all->value;
    };
    ASSERT_EQ(clEnqueueNativeKernel(queue, fn, &arguments, sizeof arguments, 1, &memory, places, 0,
                                    nullptr, nullptr),
              CL_SUCCESS);
    EXPECT_EQ(contents<int>(memory, 1)[0], 5);
    EXPECT_EQ(
        clEnqueueNativeKernel(queue, nullptr, nullptr, 0, 0, nullptr, nullptr, 0, nullptr, nullptr),
        CL_INVALID_VALUE);
    EXPECT_EQ(
        clEnqueueNativeKernel(queue, fn, nullptr, 8, 0, nullptr, nullptr, 0, nullptr, nullptr),
        CL_INVALID_VALUE);
}

// More commands than a device's queue holds, from several threads, with nobody waiting meanwhile.
TEST_F(OpenCl, TakesManyCommands)
{
    constexpr int kThreads = 3, kEach = 3000;
    std::vector<std::thread> threads;
    for (int i = 0; i < kThreads; i++)
        threads.emplace_back([this] {
            cl_int error = CL_SUCCESS;
            const cl_program program =
                clCreateProgramWithBuiltInKernels(context, 1, &device, "acc_noop", &error);
            const cl_kernel noop = clCreateKernel(program, "acc_noop", &error);
            for (int k = 0; k < kEach; k++)
                ASSERT_EQ(clEnqueueNDRangeKernel(k % 2 ? queue : unordered, noop, 1, nullptr, &one,
                                                 nullptr, 0, nullptr, nullptr),
                          CL_SUCCESS);
            clReleaseKernel(noop);
            clReleaseProgram(program);
        });
    for (std::thread &thread : threads)
        thread.join();
    EXPECT_EQ(clFinish(queue), CL_SUCCESS);
    EXPECT_EQ(clFinish(unordered), CL_SUCCESS);
}

// Chains that hang on one event are no matter of stack.
TEST_F(OpenCl, FollowsLongChains)
{
    const cl_event gate = user_event();
    ASSERT_EQ(clEnqueueMarkerWithWaitList(queue, 1, &gate, nullptr), CL_SUCCESS);
    for (int i = 0; i < 20000; i++)
        ASSERT_EQ(clEnqueueMarkerWithWaitList(queue, 0, nullptr, nullptr), CL_SUCCESS);
    EXPECT_EQ(clSetUserEventStatus(gate, CL_COMPLETE), CL_SUCCESS);
    EXPECT_EQ(clFinish(queue), CL_SUCCESS);
}

} // namespace
} // namespace acc::test
