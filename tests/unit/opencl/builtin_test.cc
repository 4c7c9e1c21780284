// SPDX-License-Identifier: MIT
//
// Built-in kernels: roles of the FPGA and products of the crossbar.
#include "fixture.h"

#include <random>

namespace acc::test
{
namespace
{

TEST_F(OpenCl, RunsARole)
{
    const std::vector<float> a = {1, 2, 3, 4, 5}, b = {10, 20, 30, 40, 50};
    const cl_mem in_a = buffer_of(a), in_b = buffer_of(b), out = buffer(sizeof(float) * a.size());
    const cl_kernel add = built_in("acc_add_f32");
    const cl_ulong count = a.size();
    set_args(add, 0, in_a, in_b, out, count, count);
    cl_event event = nullptr;
    ASSERT_EQ(clEnqueueNDRangeKernel(queue, add, 1, nullptr, &one, nullptr, 0, nullptr, &event),
              CL_SUCCESS);
    EXPECT_EQ(contents<float>(out, a.size()), (std::vector<float>{11, 22, 33, 44, 55}));
    EXPECT_EQ(status_of(event), CL_COMPLETE);
    EXPECT_EQ(clReleaseEvent(event), CL_SUCCESS);
}

// More roles than regions: they are reconfigured by being enqueued.
TEST_F(OpenCl, RunsMoreRolesThanThereAreRegions)
{
    const std::vector<float> a = {-1, 2, -3, 4};
    const std::vector<int> keys = {3, 1, 2};
    const cl_mem in = buffer_of(a), out = buffer(16), sorted = buffer_of(keys);
    const cl_ulong four = 4, three = 3;
    const cl_kernel relu = built_in("acc_relu_f32"), sort = built_in("acc_sort_i32"),
                    add = built_in("acc_add_f32"), mul = built_in("acc_mul_f32"),
                    clip = built_in("acc_clip_f32"), noop = built_in("acc_noop");
    set_args(relu, 0, in, out, four);
    set_args(add, 0, out, in, out, four, four);
    set_args(mul, 0, out, in, out, four, four);
    set_args(clip, 0, out, out, four, 0.f, 10.f);
    set_args(sort, 0, sorted, sorted, three);
    for (const cl_kernel each : {relu, add, mul, clip, sort, noop})
        ASSERT_EQ(
            clEnqueueNDRangeKernel(queue, each, 1, nullptr, &one, nullptr, 0, nullptr, nullptr),
            CL_SUCCESS);
    // relu: 0 2 0 4; + a: -1 4 -3 8; * a: 1 8 9 32; clipped
    EXPECT_EQ(contents<float>(out, 4), (std::vector<float>{1, 8, 9, 10}));
    EXPECT_EQ(contents<int>(sorted, 3), (std::vector<int>{1, 2, 3}));
}

TEST_F(OpenCl, MultipliesOnTheCrossbar)
{
    constexpr cl_uint m = 5, n = 33, k = 70;
    std::mt19937 random(1);
    std::vector<int8_t> a(m * k), b(k * n);
    for (int8_t &x : a)
        x = static_cast<int8_t>(random());
    for (int8_t &x : b)
        x = static_cast<int8_t>(random());
    std::vector<int> expected(m * n);
    for (cl_uint i = 0; i < m; i++)
        for (cl_uint j = 0; j < n; j++)
            for (cl_uint l = 0; l < k; l++)
                expected[i * n + j] += a[i * k + l] * b[l * n + j];
    const cl_mem in_a = buffer_of(a), in_b = buffer_of(b), out = buffer(m * n * 4);
    const cl_kernel gemm = built_in("acc_gemm_i8");
    set_args(gemm, 0, in_a, in_b, out, m, n, k);
    ASSERT_EQ(clEnqueueNDRangeKernel(queue, gemm, 1, nullptr, &one, nullptr, 0, nullptr, nullptr),
              CL_SUCCESS);
    EXPECT_EQ(contents<int>(out, m * n), expected);
    // One vector of it.
    const cl_kernel mvm = built_in("acc_mvm_i8");
    const cl_mem y = buffer(n * 4);
    set_args(mvm, 0, in_b, in_a, y, k, n);
    ASSERT_EQ(clEnqueueNDRangeKernel(queue, mvm, 1, nullptr, &one, nullptr, 0, nullptr, nullptr),
              CL_SUCCESS);
    expected.resize(n);
    EXPECT_EQ(contents<int>(y, n), expected);
    // Results don't fit: an error of the command, and the next is none.
    const cl_mem small = buffer(4);
    set_args(mvm, 2, small);
    cl_event event = nullptr;
    ASSERT_EQ(clEnqueueNDRangeKernel(queue, mvm, 1, nullptr, &one, nullptr, 0, nullptr, &event),
              CL_SUCCESS);
    EXPECT_EQ(clWaitForEvents(1, &event), CL_EXEC_STATUS_ERROR_FOR_EVENTS_IN_WAIT_LIST);
    EXPECT_EQ(status_of(event), CL_OUT_OF_RESOURCES);
    EXPECT_EQ(clReleaseEvent(event), CL_SUCCESS);
}

TEST_F(OpenCl, TellsOfBuiltInKernels)
{
    const std::string names = text_of(clGetDeviceInfo, device, CL_DEVICE_BUILT_IN_KERNELS);
    EXPECT_NE(names.find("acc_add_f32;"), std::string::npos);
    EXPECT_EQ(names, text_of(clGetDeviceInfo, the_custom_device(), CL_DEVICE_BUILT_IN_KERNELS));
    const cl_kernel add = built_in("acc_add_f32");
    EXPECT_EQ(text_of(clGetKernelInfo, add, CL_KERNEL_FUNCTION_NAME), "acc_add_f32");
    EXPECT_EQ(value_of<cl_uint>(clGetKernelInfo, add, CL_KERNEL_NUM_ARGS), 5u);
    char name[16];
    EXPECT_EQ(clGetKernelArgInfo(add, 4, CL_KERNEL_ARG_NAME, sizeof name, name, nullptr),
              CL_SUCCESS);
    EXPECT_STREQ(name, "b_count");
    EXPECT_EQ(clGetKernelArgInfo(add, 0, CL_KERNEL_ARG_TYPE_NAME, sizeof name, name, nullptr),
              CL_SUCCESS);
    EXPECT_STREQ(name, "float*");
    EXPECT_EQ(clGetKernelArgInfo(add, 5, CL_KERNEL_ARG_NAME, sizeof name, name, nullptr),
              CL_INVALID_ARG_INDEX);
}

TEST_F(OpenCl, RefusesBuiltInsThatThereAreNot)
{
    cl_int error = CL_SUCCESS;
    for (const char *names : {"acc_nothing", "", "acc_noop;acc_nothing"}) {
        EXPECT_EQ(clCreateProgramWithBuiltInKernels(context, 1, &device, names, &error), nullptr);
        EXPECT_EQ(error, CL_INVALID_VALUE) << names;
    }
    EXPECT_EQ(clCreateProgramWithBuiltInKernels(context, 0, &device, "acc_noop", &error), nullptr);
    EXPECT_EQ(error, CL_INVALID_VALUE);
    EXPECT_EQ(clCreateProgramWithBuiltInKernels(context, 1, nullptr, "acc_noop", &error), nullptr);
    EXPECT_EQ(error, CL_INVALID_VALUE);
}

// The device refuses what it is given: that command fails, and later ones don't.
TEST_F(OpenCl, FaultsOfRolesAreErrorsOfTheirCommands)
{
    const std::vector<float> a = {1, 2};
    const cl_mem in = buffer_of(a), out = buffer(8);
    const cl_kernel add = built_in("acc_add_f32");
    const cl_ulong two = 2, none = 0;
    cl_event bad = nullptr, after = nullptr, told = nullptr;
    set_args(add, 0, in, in, out, none, none); // a count of 0 is refused
    ASSERT_EQ(clEnqueueNDRangeKernel(queue, add, 1, nullptr, &one, nullptr, 0, nullptr, &bad),
              CL_SUCCESS);
    set_args(add, 3, two, two);
    ASSERT_EQ(clEnqueueNDRangeKernel(queue, add, 1, nullptr, &one, nullptr, 0, nullptr, &after),
              CL_SUCCESS);
    ASSERT_EQ(clEnqueueNDRangeKernel(queue, add, 1, nullptr, &one, nullptr, 1, &bad, &told),
              CL_SUCCESS);
    EXPECT_EQ(clFinish(queue), CL_SUCCESS);
    EXPECT_EQ(status_of(bad), CL_INVALID_KERNEL_ARGS);
    EXPECT_EQ(status_of(after), CL_COMPLETE);
    EXPECT_EQ(status_of(told), CL_EXEC_STATUS_ERROR_FOR_EVENTS_IN_WAIT_LIST);
    EXPECT_EQ(contents<float>(out, 2), (std::vector<float>{2, 4}));
    for (const cl_event event : {bad, after, told})
        EXPECT_EQ(clReleaseEvent(event), CL_SUCCESS);
}

} // namespace
} // namespace acc::test
