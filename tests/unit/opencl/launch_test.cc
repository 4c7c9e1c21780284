// SPDX-License-Identifier: MIT
//
// Launches of compiled code that are many, of several programs, among roles, or wrong: what the
// ring between a queue and its soft cores must keep.
#include "fixture.h"

#include <atomic>
#include <thread>

namespace acc::test
{
namespace
{

class OpenClLaunch : public OpenCl
{
protected:
    void SetUp() override
    {
        OpenCl::SetUp();
        SKIP_WITHOUT_COMPILER();
        // Compiled once, and loaded by the other tests.
        static std::vector<unsigned char> image;
        if (!image.empty()) {
            const unsigned char *bytes = image.data();
            const size_t length = image.size();
            cl_int error = CL_SUCCESS;
            loaded_ =
                clCreateProgramWithBinary(context, 1, &device, &length, &bytes, nullptr, &error);
            ASSERT_EQ(error, CL_SUCCESS);
            program = loaded_;
            ASSERT_EQ(clBuildProgram(program, 1, &device, "", nullptr, nullptr), CL_SUCCESS);
            return;
        }
        program =
            build("__kernel void roll(__global uint *o, uint i) { o[0] = o[0] * 31 + i; }\n"
                  "__kernel void add(__global float *o, float x) { o[get_global_id(0)] += x; }\n"
                  "__kernel void count(__global int *o) { atomic_inc(o); }\n"
                  "__kernel void bad(__global int *o) { o[1] = o[0] / o[2]; }\n"
                  "__kernel void slow(__global int *o, int n) { volatile int k = 0;\n"
                  " while (k < n) k++; o[0]++; }\n");
        // One for each device of the context, of which the second compiles nothing.
        size_t sizes[2] = {};
        ASSERT_EQ(clGetProgramInfo(program, CL_PROGRAM_BINARY_SIZES, sizeof sizes, sizes, nullptr),
                  CL_SUCCESS);
        image.resize(sizes[0]);
        unsigned char *places[2] = {image.data(), nullptr};
        ASSERT_EQ(clGetProgramInfo(program, CL_PROGRAM_BINARIES, sizeof places, places, nullptr),
                  CL_SUCCESS);
    }
    void TearDown() override
    {
        if (loaded_) {
            EXPECT_EQ(clReleaseProgram(loaded_), CL_SUCCESS);
        }
        OpenCl::TearDown();
    }
    cl_int run(cl_command_queue on, cl_kernel kernel, cl_event *event = nullptr,
               const cl_event *after = nullptr)
    {
        return clEnqueueNDRangeKernel(on, kernel, 1, nullptr, &one, &one, after ? 1 : 0, after,
                                      event);
    }

    cl_program program = nullptr;

private:
    cl_program loaded_ = nullptr;
};

// More than a ring holds, on both kinds of queues, with what is set for each.
TEST_F(OpenClLaunch, KeepsTheOrderOfMany)
{
    const cl_kernel roll = kernel(program, "roll");
    const cl_mem out = buffer_of(std::vector<cl_uint>{1});
    set_args(roll, 0, out);
    cl_uint expected = 1;
    for (cl_uint i = 0; i < 3000; i++) {
        set_args(roll, 1, i);
        ASSERT_EQ(run(queue, roll), CL_SUCCESS);
        expected = expected * 31 + i;
    }
    EXPECT_EQ(contents<cl_uint>(out, 1)[0], expected);
    // Out of order, each told to wait for the one before.
    cl_event before = nullptr;
    for (cl_uint i = 0; i < 600; i++) {
        cl_event event = nullptr;
        set_args(roll, 1, i);
        ASSERT_EQ(run(unordered, roll, &event, before ? &before : nullptr), CL_SUCCESS);
        if (before) {
            EXPECT_EQ(clReleaseEvent(before), CL_SUCCESS);
        }
        before = event;
        expected = expected * 31 + i;
    }
    EXPECT_EQ(clWaitForEvents(1, &before), CL_SUCCESS);
    EXPECT_EQ(clReleaseEvent(before), CL_SUCCESS);
    EXPECT_EQ(contents<cl_uint>(out, 1)[0], expected);
}

// A queue's order holds across images, roles and commands of the host.
TEST_F(OpenClLaunch, TakesTurnsWithOtherProgramsAndRoles)
{
    const cl_kernel add = kernel(program, "add");
    const cl_kernel half = kernel(
        "__kernel void half_of(__global float *o) { o[get_global_id(0)] *= 0.5f; }", "half_of");
    const cl_kernel twice = built_in("acc_add_f32");
    const cl_mem out = buffer_of(std::vector<float>{8, 8});
    const cl_ulong count = 2;
    set_args(add, 0, out, 6.f);
    set_args(half, 0, out);
    set_args(twice, 0, out, out, out, count, count);
    const size_t two = 2;
    const auto enqueue = [&](cl_kernel each, size_t items) {
        ASSERT_EQ(
            clEnqueueNDRangeKernel(queue, each, 1, nullptr, &items, nullptr, 0, nullptr, nullptr),
            CL_SUCCESS);
    };
    float expected = 8;
    const float more = 1;
    for (int i = 0; i < 40; i++) {
        enqueue(add, two);
        enqueue(half, two);
        enqueue(half, two);
        if (i % 8 == 0) {
            ASSERT_EQ(clEnqueueFillBuffer(queue, out, &more, 4, 4, 4, 0, nullptr, nullptr),
                      CL_SUCCESS);
        }
        enqueue(twice, 1);
        expected = 2 * ((expected + 6) * 0.25f);
    }
    EXPECT_EQ(contents<float>(out, 1)[0], expected);
}

// One of many goes wrong: it alone fails, and what was told to wait for it.
TEST_F(OpenClLaunch, FailsAloneAmongMany)
{
    const cl_kernel count = kernel(program, "count"), bad = kernel(program, "bad");
    const cl_mem out = buffer_of(std::vector<int>{0, 0, 0});
    set_args(count, 0, out);
    set_args(bad, 0, out);
    for (const cl_command_queue each : {queue, unordered}) {
        cl_event failed = nullptr, told = nullptr;
        for (int i = 0; i < 100; i++)
            ASSERT_EQ(run(each, count), CL_SUCCESS);
        ASSERT_EQ(run(each, bad, &failed), CL_SUCCESS);
        ASSERT_EQ(run(each, count, &told, &failed), CL_SUCCESS);
        for (int i = 0; i < 100; i++)
            ASSERT_EQ(run(each, count), CL_SUCCESS);
        EXPECT_EQ(clFinish(each), CL_SUCCESS);
        EXPECT_EQ(status_of(failed), CL_OUT_OF_RESOURCES);
        EXPECT_EQ(status_of(told), CL_EXEC_STATUS_ERROR_FOR_EVENTS_IN_WAIT_LIST);
        EXPECT_EQ(clReleaseEvent(failed), CL_SUCCESS);
        EXPECT_EQ(clReleaseEvent(told), CL_SUCCESS);
    }
    EXPECT_EQ(contents<int>(out, 1)[0], 400);
}

// Launches that last are slept for, and nobody has to wait to be told.
TEST_F(OpenClLaunch, IsHeardOfWithoutWaiting)
{
    const cl_kernel slow = kernel(program, "slow"), count = kernel(program, "count");
    const cl_mem out = buffer_of(std::vector<int>{0});
    set_args(slow, 0, out, cl_int{5'000'000});
    set_args(count, 0, out);
    std::atomic<int> heard{0};
    cl_event events[4] = {};
    for (cl_event &event : events) {
        ASSERT_EQ(run(queue, slow, &event), CL_SUCCESS);
        ASSERT_EQ(run(queue, count), CL_SUCCESS);
        EXPECT_EQ(clSetEventCallback(
                      event, CL_COMPLETE,
                      [](cl_event, cl_int status, void *user) {
                          auto *const number = static_cast<std::atomic<int> *>(user);
                          *number += status == CL_COMPLETE ? 1 : 100;
                          number->notify_all();
                      },
                      &heard),
                  CL_SUCCESS);
    }
    for (int now = heard; now < 4; now = heard)
        heard.wait(now);
    EXPECT_EQ(heard, 4);
    // A command of the host behind one, on another queue.
    cl_event last = nullptr;
    int host = 0;
    ASSERT_EQ(run(queue, slow, &last), CL_SUCCESS);
    EXPECT_EQ(clEnqueueReadBuffer(unordered, out, CL_TRUE, 0, 4, &host, 1, &last, nullptr),
              CL_SUCCESS);
    EXPECT_EQ(host, 9);
    EXPECT_EQ(clReleaseEvent(last), CL_SUCCESS);
    for (const cl_event event : events)
        EXPECT_EQ(clReleaseEvent(event), CL_SUCCESS);
}

TEST_F(OpenClLaunch, IsTimedInItsOrder)
{
    const cl_kernel slow = kernel(program, "slow");
    const cl_mem out = buffer_of(std::vector<int>{0});
    set_args(slow, 0, out, cl_int{20'000});
    cl_event events[20] = {};
    for (cl_event &event : events)
        ASSERT_EQ(run(queue, slow, &event), CL_SUCCESS);
    EXPECT_EQ(clWaitForEvents(20, events), CL_SUCCESS);
    cl_ulong before = 0;
    for (const cl_event event : events) {
        const auto time = [&](cl_profiling_info what) {
            return value_of<cl_ulong>(clGetEventProfilingInfo, event, what);
        };
        EXPECT_LE(time(CL_PROFILING_COMMAND_QUEUED), time(CL_PROFILING_COMMAND_SUBMIT));
        EXPECT_LE(time(CL_PROFILING_COMMAND_SUBMIT), time(CL_PROFILING_COMMAND_START));
        EXPECT_LT(time(CL_PROFILING_COMMAND_START), time(CL_PROFILING_COMMAND_END));
        EXPECT_LE(before, time(CL_PROFILING_COMMAND_START));
        before = time(CL_PROFILING_COMMAND_END);
        EXPECT_EQ(clReleaseEvent(event), CL_SUCCESS);
    }
}

// More queues than there are regions, from several threads, with one program and its buffers.
TEST_F(OpenClLaunch, TakesManyQueues)
{
    constexpr int kThreads = 3, kQueues = 40, kRounds = 5;
    const cl_mem out = buffer_of(std::vector<int>{0});
    std::vector<std::thread> threads;
    for (int t = 0; t < kThreads; t++)
        threads.emplace_back([&] {
            cl_int error = CL_SUCCESS;
            const cl_kernel count = clCreateKernel(program, "count", &error);
            set_args(count, 0, out);
            std::vector<cl_command_queue> queues;
            for (int q = 0; q < kQueues; q++) {
                queues.push_back(
                    clCreateCommandQueueWithProperties(context, device, nullptr, &error));
                ASSERT_EQ(error, CL_SUCCESS);
            }
            for (int round = 0; round < kRounds; round++)
                for (const cl_command_queue each : queues)
                    ASSERT_EQ(run(each, count), CL_SUCCESS);
            for (const cl_command_queue each : queues) {
                EXPECT_EQ(clFinish(each), CL_SUCCESS);
                EXPECT_EQ(clReleaseCommandQueue(each), CL_SUCCESS);
            }
            clReleaseKernel(count);
        });
    for (std::thread &thread : threads)
        thread.join();
    EXPECT_EQ(contents<int>(out, 1)[0], kThreads * kQueues * kRounds);
}

} // namespace
} // namespace acc::test
