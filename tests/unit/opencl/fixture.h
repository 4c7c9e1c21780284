// SPDX-License-Identifier: MIT
//
// What the tests of the OpenCL driver share. They see what an OpenCL program sees: Khronos' ICD
// loader, and our driver behind it alone.
#pragma once

#define CL_TARGET_OPENCL_VERSION 300
#define CL_USE_DEPRECATED_OPENCL_1_0_APIS
#define CL_USE_DEPRECATED_OPENCL_1_1_APIS
#define CL_USE_DEPRECATED_OPENCL_1_2_APIS
#define CL_USE_DEPRECATED_OPENCL_2_0_APIS
#define CL_USE_DEPRECATED_OPENCL_2_2_APIS
#include "tests/unit/needs_region_process.h"

#include <CL/cl.h>
#include <CL/cl_ext.h>

#include <gtest/gtest.h>

#include <cstring>
#include <string>
#include <vector>

namespace acc::test
{

inline constexpr size_t one = 1; // the size of what has no range

// The driver, ahead of any call; and the devices, if the environment names none.
void use_driver(int argc, char **argv);

cl_platform_id the_platform();
cl_device_id the_accelerator();
cl_device_id the_custom_device();
// The device compiles OpenCL C here: clang and PoCL's bitcode are installed.
bool can_compile();
#define SKIP_WITHOUT_COMPILER()                                                                    \
    NEEDS_REGION_PROCESS();                                                                        \
    if (!can_compile()) GTEST_SKIP() << "clang-16 or PoCL's bitcode isn't installed"

// A context on both devices, an in-order queue with profiling and one out of order, on the
// accelerator.
class OpenCl : public testing::Test
{
protected:
    void SetUp() override;
    void TearDown() override;

    cl_mem buffer(size_t bytes, cl_mem_flags flags = CL_MEM_READ_WRITE, void *host = nullptr);
    template <typename T>
    cl_mem buffer_of(const std::vector<T> &values)
    {
        return buffer(values.size() * sizeof(T), CL_MEM_READ_WRITE | CL_MEM_COPY_HOST_PTR,
                      const_cast<T *>(values.data()));
    }
    template <typename T>
    std::vector<T> contents(cl_mem memory, size_t count)
    {
        std::vector<T> out(count);
        EXPECT_EQ(clEnqueueReadBuffer(queue, memory, CL_TRUE, 0, count * sizeof(T), out.data(), 0,
                                      nullptr, nullptr),
                  CL_SUCCESS);
        return out;
    }
    // A built-in kernel; released with the test.
    cl_kernel built_in(const char *name);
    // Built from source, which must work.
    cl_program build(const std::string &source, const char *options = "");
    cl_kernel kernel(cl_program program, const char *name);
    cl_kernel kernel(const std::string &source, const char *name)
    {
        return kernel(build(source), name);
    }
    cl_event user_event();
    // Released with the test.
    cl_event keep(cl_event event);
    cl_mem keep(cl_mem memory);
    cl_program keep(cl_program program);
    cl_command_queue keep(cl_command_queue queue);

    cl_device_id device = nullptr;
    cl_context context = nullptr;
    cl_command_queue queue = nullptr, unordered = nullptr;

private:
    std::vector<cl_mem> buffers_;
    std::vector<cl_kernel> kernels_;
    std::vector<cl_program> programs_;
    std::vector<cl_event> events_;
    std::vector<cl_command_queue> queues_;
};

#define ACC_EXTENSION(name)                                                                        \
    const name##_fn name = reinterpret_cast<name##_fn>(                                            \
        clGetExtensionFunctionAddressForPlatform(the_platform(), #name))

inline void set_args(cl_kernel, cl_uint) {}
template <typename T, typename... Rest>
void set_args(cl_kernel kernel, cl_uint index, const T &value, const Rest &...rest)
{
    EXPECT_EQ(clSetKernelArg(kernel, index, sizeof value, &value), CL_SUCCESS)
        << "argument " << index;
    set_args(kernel, index + 1, rest...);
}

// Of a query that gives one value.
template <typename T, typename Get, typename Object, typename What>
T value_of(Get get, Object object, What what)
{
    T out = {};
    size_t bytes = 0;
    EXPECT_EQ(get(object, what, sizeof out, &out, &bytes), CL_SUCCESS);
    EXPECT_EQ(bytes, sizeof out);
    return out;
}
template <typename Get, typename Object, typename What>
std::string text_of(Get get, Object object, What what)
{
    size_t bytes = 0;
    EXPECT_EQ(get(object, what, 0, nullptr, &bytes), CL_SUCCESS);
    std::string out(bytes, '?');
    EXPECT_EQ(get(object, what, bytes, out.data(), nullptr), CL_SUCCESS);
    EXPECT_TRUE(!out.empty() && out.back() == '\0');
    out.pop_back();
    return out;
}

inline cl_int status_of(cl_event event)
{
    return value_of<cl_int>(clGetEventInfo, event, CL_EVENT_COMMAND_EXECUTION_STATUS);
}

} // namespace acc::test
