// SPDX-License-Identifier: MIT
//
// Processes that leave things behind: exit without a release, fork, the driver's library closed.
#include "fixture.h"
#include "life.h"

#include <cstdlib>
#include <dlfcn.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

namespace acc::test
{
namespace
{

// Launches that each take what the one before gave: 0 if the last gave what it should.
int compute()
{
    cl_int error = CL_SUCCESS;
    const cl_device_id device = the_accelerator();
    const cl_context context = clCreateContext(nullptr, 1, &device, nullptr, nullptr, &error);
    const cl_command_queue queue =
        clCreateCommandQueueWithProperties(context, device, nullptr, &error);
    const char *source = "__kernel void k(__global uint *o, uint i) { o[0] = o[0] * 31 + i; }";
    const cl_program program = clCreateProgramWithSource(context, 1, &source, nullptr, &error);
    error = clBuildProgram(program, 1, &device, "", nullptr, nullptr);
    const cl_kernel roll = clCreateKernel(program, "k", &error);
    cl_uint expected = 1, found = 0;
    const cl_mem memory =
        clCreateBuffer(context, CL_MEM_COPY_HOST_PTR, sizeof expected, &expected, &error);
    clSetKernelArg(roll, 0, sizeof memory, &memory);
    for (cl_uint i = 0; i < 20'000; i++) {
        clSetKernelArg(roll, 1, sizeof i, &i);
        if (clEnqueueNDRangeKernel(queue, roll, 1, nullptr, &one, nullptr, 0, nullptr, nullptr))
            return 1;
        expected = expected * 31 + i;
    }
    clEnqueueReadBuffer(queue, memory, CL_TRUE, 0, sizeof found, &found, 0, nullptr, nullptr);
    clReleaseMemObject(memory);
    clReleaseKernel(roll);
    clReleaseProgram(program);
    clReleaseCommandQueue(queue);
    clReleaseContext(context);
    return found == expected ? 0 : 1;
}

// Commands in flight, held back, and of every kind of object one.
void leave_things()
{
    cl_int error = CL_SUCCESS;
    const cl_device_id device = the_accelerator();
    const cl_context context = clCreateContext(nullptr, 1, &device, nullptr, nullptr, &error);
    const cl_command_queue queue =
        clCreateCommandQueueWithProperties(context, device, nullptr, &error);
    const cl_program program =
        clCreateProgramWithBuiltInKernels(context, 1, &device, "acc_noop", &error);
    const cl_kernel noop = clCreateKernel(program, "acc_noop", &error);
    const cl_mem memory = clCreateBuffer(context, 0, 1 << 20, nullptr, &error);
    const cl_event gate = clCreateUserEvent(context, &error);
    for (int i = 0; i < 100; i++)
        clEnqueueNDRangeKernel(queue, noop, 1, nullptr, &one, nullptr, 0, nullptr, nullptr);
    ACC_EXTENSION(clCreateSemaphoreWithPropertiesKHR);
    ACC_EXTENSION(clEnqueueWaitSemaphoresKHR);
    const cl_semaphore_properties_khr binary[] = {CL_SEMAPHORE_TYPE_KHR,
                                                  CL_SEMAPHORE_TYPE_BINARY_KHR, 0};
    const cl_semaphore_khr never = clCreateSemaphoreWithPropertiesKHR(context, binary, &error);
    clEnqueueWaitSemaphoresKHR(queue, 1, &never, nullptr, 0, nullptr, nullptr);
    const int value = 1;
    cl_event held = nullptr;
    clEnqueueWriteBuffer(queue, memory, CL_FALSE, 0, 4, &value, 1, &gate, &held);
    clSetEventCallback(
        held, CL_COMPLETE, [](cl_event, cl_int, void *) {}, nullptr);
}

// An endless kernel, and more behind it.
void leave_busy()
{
    cl_int error = CL_SUCCESS;
    const cl_device_id device = the_accelerator();
    const cl_context context = clCreateContext(nullptr, 1, &device, nullptr, nullptr, &error);
    const cl_command_queue queue =
        clCreateCommandQueueWithProperties(context, device, nullptr, &error);
    const char *source = "__kernel void k(volatile __global int *o) { while (!o[0]); }";
    const cl_program program = clCreateProgramWithSource(context, 1, &source, nullptr, &error);
    error = clBuildProgram(program, 1, &device, "", nullptr, nullptr);
    const cl_kernel endless = clCreateKernel(program, "k", &error);
    const int zero = 0;
    const cl_mem memory = clCreateBuffer(context, CL_MEM_COPY_HOST_PTR, sizeof zero,
                                         const_cast<int *>(&zero), &error);
    clSetKernelArg(endless, 0, sizeof memory, &memory);
    for (int i = 0; i < 3; i++)
        clEnqueueNDRangeKernel(queue, endless, 1, nullptr, &one, nullptr, 0, nullptr, nullptr);
    clFlush(queue);
    // All but the commands: the objects go when these do, which is never.
    clReleaseMemObject(memory);
    clReleaseKernel(endless);
    clReleaseProgram(program);
    clReleaseCommandQueue(queue);
    clReleaseContext(context);
}

TEST(OpenClLife, ExitsWithoutARelease)
{
    if (can_compile()) {
        EXPECT_EQ(run_self("leave-busy"), 0);
    }
    EXPECT_EQ(run_self("leave"), 0);
    EXPECT_EQ(run_self("leave-quickly"), 0);
}

TEST(OpenClLife, OutlivesDlclose)
{
    EXPECT_EQ(run_self("dlclose"), 0);
}

TEST_F(OpenCl, ForkedChildrenAreRefused)
{
    const cl_mem memory = buffer(64);
    const pid_t pid = fork();
    if (pid == 0) {
        char host[4];
        cl_device_id found = nullptr;
        const bool refused = clEnqueueReadBuffer(queue, memory, CL_TRUE, 0, 4, host, 0, nullptr,
                                                 nullptr) == CL_OUT_OF_RESOURCES &&
                             clFinish(queue) == CL_OUT_OF_RESOURCES &&
                             clGetDeviceIDs(the_platform(), CL_DEVICE_TYPE_ALL, 1, &found,
                                            nullptr) == CL_DEVICE_NOT_FOUND;
        _exit(refused ? 0 : 1);
    }
    int status = 0;
    ASSERT_EQ(waitpid(pid, &status, 0), pid);
    EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    contents<char>(memory, 64); // the parent is undisturbed
}

} // namespace

int run_self(const char *what)
{
    const std::string word = std::string("--life=") + what;
    char *const arguments[] = {const_cast<char *>("life"), const_cast<char *>(word.c_str()),
                               nullptr};
    pid_t pid = -1;
    setenv("ASAN_OPTIONS", "detect_leaks=0", 1); // it is about them
    EXPECT_EQ(posix_spawn(&pid, "/proc/self/exe", nullptr, nullptr, arguments, environ), 0);
    unsetenv("ASAN_OPTIONS");
    int status = 0;
    EXPECT_EQ(waitpid(pid, &status, 0), pid);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

int live(const std::string &how)
{
    if (how == "compute") return compute();
    if (how == "leave") {
        leave_things();
        return 0;
    }
    if (how == "leave-busy") {
        leave_busy();
        return 0;
    }
    if (how == "leave-quickly") {
        leave_things();
        _exit(0);
    }
    if (how == "dlclose") {
        using Platforms = cl_int (*)(cl_uint, cl_platform_id *, cl_uint *);
        for (int i = 0; i < 2; i++) {
            void *const driver = dlopen(ACC_TEST_DRIVER, RTLD_NOW | RTLD_LOCAL);
            const auto get = reinterpret_cast<Platforms>(dlsym(driver, "clIcdGetPlatformIDsKHR"));
            cl_platform_id platform = nullptr;
            if (!get || get(1, &platform, nullptr) != CL_SUCCESS) return 1;
            leave_things();
            if (dlclose(driver)) return 1;
        }
        return 0;
    }
    return 2;
}

} // namespace acc::test
