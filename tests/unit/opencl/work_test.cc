// SPDX-License-Identifier: MIT
//
// What compiled kernels compute, and what becomes of those that do wrong.
#include "fixture.h"

#include "acc/cl_ext_acc.h"

#include <cmath>
#include <numeric>

namespace acc::test
{
namespace
{

class OpenClWork : public OpenCl
{
protected:
    void SetUp() override
    {
        OpenCl::SetUp();
        SKIP_WITHOUT_COMPILER();
    }
    cl_int run(cl_kernel kernel, std::vector<size_t> global, const std::vector<size_t> &local = {},
               cl_event *event = nullptr)
    {
        return clEnqueueNDRangeKernel(queue, kernel, static_cast<cl_uint>(global.size()), nullptr,
                                      global.data(), local.empty() ? nullptr : local.data(), 0,
                                      nullptr, event);
    }
};

TEST_F(OpenClWork, KnowsItsIds)
{
    const cl_kernel k = kernel(
        "__kernel void k(__global int *o) { int x = get_global_id(0), y = get_global_id(1);\n"
        " o[(y - 1) * 8 + x - 2] = get_local_id(0) + 10 * get_group_id(0) + 100 * get_local_id(1) "
        "+ 1000 * get_group_id(1) + 10000 * get_num_groups(0) + 100000 * get_work_dim()\n"
        " + 1000000 * get_global_offset(0) + 10000000 * get_local_size(1) + 100000000 * "
        "(get_global_size(1) == 4); }",
        "k");
    const cl_mem out = buffer(8 * 4 * 4);
    set_args(k, 0, out);
    const size_t offset[] = {2, 1}, global[] = {8, 4}, local[] = {4, 2};
    ASSERT_EQ(clEnqueueNDRangeKernel(queue, k, 2, offset, global, local, 0, nullptr, nullptr),
              CL_SUCCESS);
    std::vector<int> expected;
    for (int y = 0; y < 4; y++)
        for (int x = 0; x < 8; x++)
            expected.push_back(x % 4 + 10 * (x / 4) + 100 * (y % 2) + 1000 * (y / 2) + 20000 +
                               200000 + 2000000 + 20000000 + 100000000);
    EXPECT_EQ(contents<int>(out, 32), expected);
}

TEST_F(OpenClWork, TakesAllKindsOfArguments)
{
    const cl_kernel k = kernel(
        "typedef struct { int a; double b; float c[3]; } S;\n"
        "__kernel void k(__global double *o, char c, short s, long l, float3 f, double d, S st, "
        "uchar16 u, __constant int *q) { o[0] = c; o[1] = s; o[2] = l; o[3] = f.x + f.y + f.z; "
        "o[4] = d; o[5] = st.a + st.b + st.c[2]; o[6] = u.sf; o[7] = q[1]; }",
        "k");
    struct S {
        int a;
        double b;
        float c[3];
    } s = {1, 2.5, {0, 0, 4}};
    const cl_mem out = buffer(64), constants = buffer_of(std::vector<int>{5, 6});
    cl_uchar16 u = {};
    u.s[15] = 200;
    const cl_float3 f = {{1, 2, 3}};
    set_args(k, 0, out, cl_char(-3), cl_short(-300), cl_long(1) << 40, f, 0.25, s, u, constants);
    ASSERT_EQ(run(k, {1}), CL_SUCCESS);
    EXPECT_EQ(contents<double>(out, 8),
              (std::vector<double>{-3, -300, std::ldexp(1, 40), 6, 0.25, 7.5, 200, 6}));
}

// Barriers, local variables, local arguments: a sum of each group.
TEST_F(OpenClWork, SumsWithBarriers)
{
    const cl_kernel k = kernel(
        "__kernel void k(__global const int *a, __global int *o, __local int *l) {\n"
        " __local int seen[64]; size_t i = get_local_id(0), n = get_local_size(0);\n"
        " l[i] = a[get_global_id(0)]; seen[i] = 1; barrier(CLK_LOCAL_MEM_FENCE);\n"
        " for (size_t s = n / 2; s > 0; s /= 2) { if (i < s) { l[i] += l[i + s]; seen[i] += "
        "seen[i + s]; } barrier(CLK_LOCAL_MEM_FENCE); }\n"
        " if (i == 0) { o[2 * get_group_id(0)] = l[0]; o[2 * get_group_id(0) + 1] = seen[0]; } }",
        "k");
    std::vector<int> values(256);
    std::iota(values.begin(), values.end(), 0);
    const cl_mem in = buffer_of(values), out = buffer(4 * 8);
    set_args(k, 0, in, out);
    EXPECT_EQ(clSetKernelArg(k, 2, 64 * 4, nullptr), CL_SUCCESS);
    ASSERT_EQ(run(k, {256}, {64}), CL_SUCCESS);
    std::vector<int> expected;
    for (int g = 0; g < 4; g++) {
        expected.push_back(64 * 63 / 2 + g * 64 * 64);
        expected.push_back(64);
    }
    EXPECT_EQ(contents<int>(out, 8), expected);
}

TEST_F(OpenClWork, CountsWithAtomics)
{
    const cl_kernel k = kernel("__kernel void k(volatile __global int *o) { atomic_add(o, 2); "
                               "atomic_inc(o + 1); atomic_max(o + 2, (int)get_global_id(0)); }",
                               "k");
    const cl_mem out = buffer_of(std::vector<int>{0, 0, 0});
    set_args(k, 0, out);
    ASSERT_EQ(run(k, {5000}), CL_SUCCESS);
    EXPECT_EQ(contents<int>(out, 3), (std::vector<int>{10000, 5000, 4999}));
}

TEST_F(OpenClWork, CallsMathematics)
{
    const cl_kernel k = kernel(
        "#pragma OPENCL EXTENSION cl_khr_fp64 : enable\n"
        "__kernel void k(__global float *f, __global double *d) { int i = get_global_id(0);\n"
        " f[i] = sqrt(f[i]) + sin(f[i]) * pow(f[i], 1.5f); d[i] = exp(d[i]) + fma(d[i], 2.0, 1.0); "
        "}",
        "k");
    std::vector<float> f(100);
    std::vector<double> d(100);
    for (size_t i = 0; i < f.size(); i++) {
        f[i] = 0.1f * static_cast<float>(i);
        d[i] = 0.05 * static_cast<double>(i);
    }
    const cl_mem in_f = buffer_of(f), in_d = buffer_of(d);
    set_args(k, 0, in_f, in_d);
    ASSERT_EQ(run(k, {f.size()}), CL_SUCCESS);
    const auto out_f = contents<float>(in_f, f.size());
    const auto out_d = contents<double>(in_d, d.size());
    for (size_t i = 0; i < f.size(); i++) {
        EXPECT_NEAR(out_f[i], std::sqrt(f[i]) + std::sin(f[i]) * std::pow(f[i], 1.5f), 1e-4);
        EXPECT_NEAR(out_d[i], std::exp(d[i]) + 2 * d[i] + 1, 1e-9);
    }
}

TEST_F(OpenClWork, Prints)
{
    const cl_kernel k = kernel(
        "__kernel void k(int n) { printf(\"item %d of %s: %.2f\\n\", n, \"one\", 1.5f); }", "k");
    set_args(k, 0, 42);
    testing::internal::CaptureStdout();
    ASSERT_EQ(run(k, {1}), CL_SUCCESS);
    EXPECT_EQ(clFinish(queue), CL_SUCCESS);
    EXPECT_EQ(testing::internal::GetCapturedStdout(), "item 42 of one: 1.50\n");
}

// More than a ring holds, each with text of its own that comes in their order.
TEST_F(OpenClWork, PrintsOften)
{
    const cl_kernel k = kernel("__kernel void k(int n) { printf(\"%d\\n\", n); }", "k");
    std::string expected;
    testing::internal::CaptureStdout();
    for (int i = 0; i < 600; i++) {
        set_args(k, 0, i);
        ASSERT_EQ(run(k, {1}), CL_SUCCESS);
        expected += std::to_string(i) + "\n";
        if (i % 100 == 0) {
            EXPECT_EQ(clFinish(queue), CL_SUCCESS);
        }
    }
    EXPECT_EQ(clFinish(queue), CL_SUCCESS);
    EXPECT_EQ(testing::internal::GetCapturedStdout(), expected);
}

TEST_F(OpenClWork, RunsSourceOfThree)
{
    const cl_kernel k = kernel(
        build("#if __OPENCL_C_VERSION__ != 300 || __OPENCL_VERSION__ != 300\n#error\n#endif\n"
              "__kernel void k(__global long *o) { o[0] = get_global_linear_id() + 7; "
              "work_group_barrier(CLK_GLOBAL_MEM_FENCE); }",
              "-cl-std=CL3.0"),
        "k");
    const cl_mem out = buffer(8);
    set_args(k, 0, out);
    ASSERT_EQ(run(k, {1}), CL_SUCCESS);
    EXPECT_EQ(contents<cl_long>(out, 1)[0], 7);
}

// Each is an error of its own command; what comes after works, of this client and of others.
TEST_F(OpenClWork, FaultsAreErrorsOfTheirCommands)
{
    const cl_program program =
        build("__kernel void zero(__global int *o) { o[0] = o[1] / o[2]; }\n"
              "__kernel void far(__global int *o) { o[0] = o[1l << 34]; }\n"
              "int deep(volatile __global int *o, int n) { volatile int a[512]; a[n & 511] = o[3]; "
              "return n ? deep(o, n - 1) + a[n & 511] : a[0]; }\n"
              "__kernel void overflow(__global int *o) { barrier(CLK_LOCAL_MEM_FENCE); o[0] = "
              "deep(o, o[4]); }\n"
              "__kernel void diverge(__global int *o) { if (get_local_id(0) == 1) "
              "barrier(CLK_LOCAL_MEM_FENCE); o[0] = 1; }\n"
              "__kernel void loop(volatile __global int *o) { while (o[2] == 0); }\n"
              "__kernel void good(__global int *o) { o[5 + get_global_id(0)] = 6; }\n");
    const cl_mem memory = buffer_of(std::vector<int>{0, 1, 0, 0, 1 << 20, 0, 0, 0});
    cl_int error = CL_SUCCESS;
    const cl_queue_properties patient[] = {CL_QUEUE_TIMEOUT_MS_ACC, 300, 0};
    const cl_command_queue bounded =
        clCreateCommandQueueWithProperties(context, device, patient, &error);
    ASSERT_EQ(error, CL_SUCCESS);
    for (const char *name : {"zero", "far", "overflow", "diverge", "loop"}) {
        const cl_kernel bad = kernel(program, name), good = kernel(program, "good");
        set_args(bad, 0, memory);
        set_args(good, 0, memory);
        const size_t two = 2;
        cl_event failed = nullptr, fine = nullptr;
        ASSERT_EQ(clEnqueueNDRangeKernel(bounded, bad, 1, nullptr, &two, &two, 0, nullptr, &failed),
                  CL_SUCCESS);
        ASSERT_EQ(
            clEnqueueNDRangeKernel(bounded, good, 1, nullptr, &two, nullptr, 0, nullptr, &fine),
            CL_SUCCESS);
        EXPECT_EQ(clWaitForEvents(1, &failed), CL_EXEC_STATUS_ERROR_FOR_EVENTS_IN_WAIT_LIST)
            << name;
        EXPECT_EQ(status_of(failed), CL_OUT_OF_RESOURCES) << name;
        EXPECT_EQ(clWaitForEvents(1, &fine), CL_SUCCESS) << name;
        EXPECT_EQ(contents<int>(memory, 6)[5], 6) << name;
        for (const cl_event event : {failed, fine})
            EXPECT_EQ(clReleaseEvent(event), CL_SUCCESS);
    }
    EXPECT_EQ(clReleaseCommandQueue(bounded), CL_SUCCESS);
}

} // namespace
} // namespace acc::test
