// SPDX-License-Identifier: MIT
//
// Command buffers and external memory.
#include "fixture.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

namespace acc::test
{
namespace
{

class OpenClCommandBuffer : public OpenCl
{
protected:
    ACC_EXTENSION(clCreateCommandBufferKHR);
    ACC_EXTENSION(clRetainCommandBufferKHR);
    ACC_EXTENSION(clReleaseCommandBufferKHR);
    ACC_EXTENSION(clFinalizeCommandBufferKHR);
    ACC_EXTENSION(clEnqueueCommandBufferKHR);
    ACC_EXTENSION(clCommandBarrierWithWaitListKHR);
    ACC_EXTENSION(clCommandCopyBufferKHR);
    ACC_EXTENSION(clCommandCopyBufferRectKHR);
    ACC_EXTENSION(clCommandFillBufferKHR);
    ACC_EXTENSION(clCommandFillImageKHR);
    ACC_EXTENSION(clCommandNDRangeKernelKHR);
    ACC_EXTENSION(clGetCommandBufferInfoKHR);

    cl_command_buffer_khr create(cl_command_queue on, cl_command_buffer_flags_khr flags = 0)
    {
        const cl_command_buffer_properties_khr how[] = {CL_COMMAND_BUFFER_FLAGS_KHR, flags, 0};
        cl_int error = CL_SUCCESS;
        const cl_command_buffer_khr made = clCreateCommandBufferKHR(1, &on, how, &error);
        EXPECT_EQ(error, CL_SUCCESS);
        return made;
    }
    cl_int fill(cl_command_buffer_khr to, cl_mem memory, int value, size_t at,
                std::vector<cl_sync_point_khr> waits = {}, cl_sync_point_khr *out = nullptr)
    {
        return clCommandFillBufferKHR(to, nullptr, memory, &value, sizeof value, at * sizeof value,
                                      sizeof value, static_cast<cl_uint>(waits.size()),
                                      waits.empty() ? nullptr : waits.data(), out, nullptr);
    }
    cl_int copy(cl_command_buffer_khr to, cl_mem memory, size_t from, size_t at,
                std::vector<cl_sync_point_khr> waits = {})
    {
        return clCommandCopyBufferKHR(to, nullptr, memory, memory, from * 4, at * 4, 4,
                                      static_cast<cl_uint>(waits.size()),
                                      waits.empty() ? nullptr : waits.data(), nullptr, nullptr);
    }
    cl_int add_role(cl_command_buffer_khr to, cl_kernel kernel)
    {
        return clCommandNDRangeKernelKHR(to, nullptr, nullptr, kernel, 1, nullptr, &one, nullptr, 0,
                                         nullptr, nullptr, nullptr);
    }
    cl_uint state_of(cl_command_buffer_khr buffer)
    {
        return value_of<cl_command_buffer_state_khr>(clGetCommandBufferInfoKHR, buffer,
                                                     CL_COMMAND_BUFFER_STATE_KHR);
    }
};

TEST_F(OpenClCommandBuffer, RunsAgainAndAgain)
{
    const cl_mem memory = buffer_of(std::vector<float>{1, 0});
    const cl_kernel add = built_in("acc_add_f32");
    const cl_ulong count = 1;
    set_args(add, 0, memory, memory, memory, count, count);
    for (const cl_command_queue each : {queue, unordered}) {
        const cl_command_buffer_khr twice = create(each);
        EXPECT_EQ(state_of(twice), cl_uint{CL_COMMAND_BUFFER_STATE_RECORDING_KHR});
        ASSERT_EQ(add_role(twice, add), CL_SUCCESS);
        ASSERT_EQ(clCommandBarrierWithWaitListKHR(twice, nullptr, 0, nullptr, nullptr, nullptr),
                  CL_SUCCESS);
        ASSERT_EQ(copy(twice, memory, 0, 1), CL_SUCCESS);
        EXPECT_EQ(clEnqueueCommandBufferKHR(0, nullptr, twice, 0, nullptr, nullptr),
                  CL_INVALID_OPERATION);
        EXPECT_EQ(clFinalizeCommandBufferKHR(twice), CL_SUCCESS);
        EXPECT_EQ(clFinalizeCommandBufferKHR(twice), CL_INVALID_OPERATION);
        EXPECT_EQ(copy(twice, memory, 0, 1), CL_INVALID_OPERATION);
        EXPECT_EQ(state_of(twice), cl_uint{CL_COMMAND_BUFFER_STATE_EXECUTABLE_KHR});
        for (int i = 0; i < 3; i++) {
            cl_event event = nullptr;
            ASSERT_EQ(clEnqueueCommandBufferKHR(0, nullptr, twice, 0, nullptr, &event), CL_SUCCESS);
            EXPECT_EQ(value_of<cl_command_type>(clGetEventInfo, event, CL_EVENT_COMMAND_TYPE),
                      cl_command_type{CL_COMMAND_COMMAND_BUFFER_KHR});
            EXPECT_EQ(value_of<cl_uint>(clGetEventInfo, event, CL_EVENT_REFERENCE_COUNT), 1u);
            EXPECT_EQ(clWaitForEvents(1, &event), CL_SUCCESS);
            EXPECT_EQ(clReleaseEvent(event), CL_SUCCESS);
        }
        EXPECT_EQ(clReleaseCommandBufferKHR(twice), CL_SUCCESS);
    }
    EXPECT_EQ(contents<float>(memory, 2), (std::vector<float>{64, 64}));
}

// The wait list holds all of it back; it is pending until the last command is over.
TEST_F(OpenClCommandBuffer, IsPending)
{
    const cl_mem memory = buffer(16);
    for (const cl_command_queue each : {queue, unordered}) {
        const cl_event gate = user_event();
        const cl_command_buffer_khr once = create(each),
                                    often = create(each, CL_COMMAND_BUFFER_SIMULTANEOUS_USE_KHR);
        for (const cl_command_buffer_khr one : {once, often}) {
            ASSERT_EQ(fill(one, memory, 5, 0), CL_SUCCESS);
            ASSERT_EQ(fill(one, memory, 6, 1), CL_SUCCESS);
            ASSERT_EQ(clFinalizeCommandBufferKHR(one), CL_SUCCESS);
            ASSERT_EQ(clEnqueueCommandBufferKHR(1, const_cast<cl_command_queue *>(&each), one, 1,
                                                &gate, nullptr),
                      CL_SUCCESS);
            EXPECT_EQ(state_of(one), cl_uint{CL_COMMAND_BUFFER_STATE_PENDING_KHR});
        }
        EXPECT_EQ(clEnqueueCommandBufferKHR(0, nullptr, once, 0, nullptr, nullptr),
                  CL_INVALID_OPERATION);
        EXPECT_EQ(clEnqueueCommandBufferKHR(0, nullptr, often, 0, nullptr, nullptr), CL_SUCCESS);
        EXPECT_EQ(clSetUserEventStatus(gate, CL_COMPLETE), CL_SUCCESS);
        EXPECT_EQ(clFinish(each), CL_SUCCESS);
        EXPECT_EQ(state_of(once), cl_uint{CL_COMMAND_BUFFER_STATE_EXECUTABLE_KHR});
        EXPECT_EQ(clReleaseCommandBufferKHR(once), CL_SUCCESS);
        EXPECT_EQ(clReleaseCommandBufferKHR(often), CL_SUCCESS);
    }
    const auto found = contents<int>(memory, 2);
    EXPECT_EQ(found, (std::vector<int>{5, 6}));
}

// Of a queue out of order, sync points are all the order that there is.
TEST_F(OpenClCommandBuffer, OrdersBySyncPoints)
{
    const cl_mem memory = buffer(16);
    const cl_command_buffer_khr made = create(unordered);
    cl_sync_point_khr first = 0, second = 0;
    ASSERT_EQ(fill(made, memory, 7, 0, {}, &first), CL_SUCCESS);
    ASSERT_EQ(fill(made, memory, 8, 0, {first}, &second), CL_SUCCESS);
    ASSERT_EQ(copy(made, memory, 0, 3, {first, second}), CL_SUCCESS);
    EXPECT_NE(first, second);
    EXPECT_EQ(copy(made, memory, 0, 3, {99}), CL_INVALID_SYNC_POINT_WAIT_LIST_KHR);
    EXPECT_EQ(copy(made, memory, 0, 3, {0}), CL_INVALID_SYNC_POINT_WAIT_LIST_KHR);
    EXPECT_EQ(clCommandBarrierWithWaitListKHR(made, nullptr, 1, nullptr, nullptr, nullptr),
              CL_INVALID_SYNC_POINT_WAIT_LIST_KHR);
    ASSERT_EQ(clFinalizeCommandBufferKHR(made), CL_SUCCESS);
    ASSERT_EQ(clEnqueueCommandBufferKHR(0, nullptr, made, 0, nullptr, nullptr), CL_SUCCESS);
    EXPECT_EQ(clFinish(unordered), CL_SUCCESS);
    EXPECT_EQ(contents<int>(memory, 4)[3], 8);
    EXPECT_EQ(clReleaseCommandBufferKHR(made), CL_SUCCESS);
}

// Arguments are those of the recording; a failure ends what is behind it, and the event says so.
TEST_F(OpenClCommandBuffer, BindsArgumentsAndFailsAsAWhole)
{
    const cl_mem memory = buffer_of(std::vector<float>{1, 2, 3});
    const cl_kernel add = built_in("acc_add_f32");
    const cl_command_buffer_khr made = create(queue);
    const cl_ulong count = 1, none = 0;
    set_args(add, 0, memory, memory, memory, count, count);
    ASSERT_EQ(add_role(made, add), CL_SUCCESS);
    set_args(add, 3, none, none); // refused by the role
    ASSERT_EQ(add_role(made, add), CL_SUCCESS);
    set_args(add, 3, count, count);
    ASSERT_EQ(add_role(made, add), CL_SUCCESS);
    ASSERT_EQ(clFinalizeCommandBufferKHR(made), CL_SUCCESS);
    cl_event event = nullptr;
    ASSERT_EQ(clEnqueueCommandBufferKHR(0, nullptr, made, 0, nullptr, &event), CL_SUCCESS);
    EXPECT_EQ(clWaitForEvents(1, &event), CL_EXEC_STATUS_ERROR_FOR_EVENTS_IN_WAIT_LIST);
    EXPECT_EQ(status_of(event), CL_EXEC_STATUS_ERROR_FOR_EVENTS_IN_WAIT_LIST);
    EXPECT_EQ(clReleaseEvent(event), CL_SUCCESS);
    EXPECT_EQ(contents<float>(memory, 1)[0], 2);
    EXPECT_EQ(clReleaseCommandBufferKHR(made), CL_SUCCESS);
}

TEST_F(OpenClCommandBuffer, TellsAndRefuses)
{
    cl_int error = CL_SUCCESS;
    const auto refused = [&](cl_uint count, const cl_command_queue *queues,
                             std::vector<cl_command_buffer_properties_khr> how) {
        EXPECT_EQ(clCreateCommandBufferKHR(count, queues, how.data(), &error), nullptr);
        return error;
    };
    const cl_command_queue none = nullptr, two[] = {queue, queue};
    EXPECT_EQ(refused(0, nullptr, {0}), CL_INVALID_VALUE);
    EXPECT_EQ(refused(2, two, {0}), CL_INVALID_VALUE);
    EXPECT_EQ(refused(1, &none, {0}), CL_INVALID_COMMAND_QUEUE);
    EXPECT_EQ(refused(1, &queue, {0x7777, 1, 0}), CL_INVALID_PROPERTY);
    EXPECT_EQ(refused(1, &queue, {CL_COMMAND_BUFFER_FLAGS_KHR, 1u << 20, 0}), CL_INVALID_VALUE);
    const cl_command_buffer_khr made = create(queue), nothing = nullptr;
    EXPECT_EQ(value_of<cl_uint>(clGetCommandBufferInfoKHR, made, CL_COMMAND_BUFFER_NUM_QUEUES_KHR),
              1u);
    EXPECT_EQ(
        value_of<cl_command_queue>(clGetCommandBufferInfoKHR, made, CL_COMMAND_BUFFER_QUEUES_KHR),
        queue);
    EXPECT_EQ(clRetainCommandBufferKHR(made), CL_SUCCESS);
    EXPECT_EQ(
        value_of<cl_uint>(clGetCommandBufferInfoKHR, made, CL_COMMAND_BUFFER_REFERENCE_COUNT_KHR),
        2u);
    EXPECT_EQ(clReleaseCommandBufferKHR(made), CL_SUCCESS);
    size_t bytes = 0;
    EXPECT_EQ(
        clGetCommandBufferInfoKHR(made, CL_COMMAND_BUFFER_PROPERTIES_ARRAY_KHR, 0, nullptr, &bytes),
        CL_SUCCESS);
    EXPECT_EQ(bytes, 3 * sizeof(cl_command_buffer_properties_khr));
    EXPECT_EQ(clGetCommandBufferInfoKHR(made, CL_DEVICE_NAME, 0, nullptr, nullptr),
              CL_INVALID_VALUE);
    EXPECT_EQ(clGetCommandBufferInfoKHR(nothing, CL_COMMAND_BUFFER_STATE_KHR, 0, nullptr, nullptr),
              CL_INVALID_COMMAND_BUFFER_KHR);
    EXPECT_EQ(clFinalizeCommandBufferKHR(nothing), CL_INVALID_COMMAND_BUFFER_KHR);
    EXPECT_EQ(clRetainCommandBufferKHR(nothing), CL_INVALID_COMMAND_BUFFER_KHR);
    EXPECT_EQ(clReleaseCommandBufferKHR(nothing), CL_INVALID_COMMAND_BUFFER_KHR);
    EXPECT_EQ(clEnqueueCommandBufferKHR(0, nullptr, nothing, 0, nullptr, nullptr),
              CL_INVALID_COMMAND_BUFFER_KHR);

    const cl_mem memory = buffer(64);
    const int value = 1;
    const auto filled = [&](cl_command_queue on, cl_mem to, size_t pattern,
                            cl_mutable_command_khr *handle) {
        return clCommandFillBufferKHR(made, on, to, &value, pattern, 0, 4, 0, nullptr, nullptr,
                                      handle);
    };
    cl_mutable_command_khr handle = nullptr;
    EXPECT_EQ(filled(queue, memory, 4, nullptr), CL_INVALID_COMMAND_QUEUE);
    EXPECT_EQ(filled(nullptr, nullptr, 4, nullptr), CL_INVALID_MEM_OBJECT);
    EXPECT_EQ(filled(nullptr, memory, 3, nullptr), CL_INVALID_VALUE);
    EXPECT_EQ(filled(nullptr, memory, 4, &handle), CL_INVALID_VALUE);
    EXPECT_EQ(clCommandCopyBufferKHR(made, nullptr, memory, memory, 0, 2, 8, 0, nullptr, nullptr,
                                     nullptr),
              CL_MEM_COPY_OVERLAP);
    const size_t origin[] = {0, 0, 0}, region[] = {4, 4, 1};
    EXPECT_EQ(clCommandCopyBufferRectKHR(made, nullptr, memory, memory, origin, origin, region, 4,
                                         0, 4, 0, 0, nullptr, nullptr, nullptr),
              CL_MEM_COPY_OVERLAP);
    EXPECT_EQ(clCommandFillImageKHR(made, nullptr, memory, &value, origin, region, 0, nullptr,
                                    nullptr, nullptr),
              CL_INVALID_OPERATION);
    EXPECT_EQ(add_role(made, nullptr), CL_INVALID_KERNEL);
    EXPECT_EQ(add_role(made, built_in("acc_add_f32")), CL_INVALID_KERNEL_ARGS);
    const cl_ndrange_kernel_command_properties_khr unknown[] = {0x7777, 1, 0};
    EXPECT_EQ(clCommandNDRangeKernelKHR(made, nullptr, unknown, built_in("acc_noop"), 1, nullptr,
                                        &one, nullptr, 0, nullptr, nullptr, nullptr),
              CL_INVALID_VALUE);
    ASSERT_EQ(clFinalizeCommandBufferKHR(made), CL_SUCCESS);
    cl_command_queue other[] = {unordered};
    EXPECT_EQ(clEnqueueCommandBufferKHR(1, other, made, 0, nullptr, nullptr),
              CL_INCOMPATIBLE_COMMAND_QUEUE_KHR);
    EXPECT_EQ(clEnqueueCommandBufferKHR(1, nullptr, made, 0, nullptr, nullptr), CL_INVALID_VALUE);
    EXPECT_EQ(clEnqueueCommandBufferKHR(0, nullptr, made, 1, nullptr, nullptr),
              CL_INVALID_EVENT_WAIT_LIST);
    // Empty: it only waits.
    EXPECT_EQ(clEnqueueCommandBufferKHR(0, nullptr, made, 0, nullptr, nullptr), CL_SUCCESS);
    EXPECT_EQ(clReleaseCommandBufferKHR(made), CL_SUCCESS);
}

// A sealed memfd is what the emulated devices take for a dma-buf.
TEST_F(OpenCl, ImportsExternalMemory)
{
    ACC_EXTENSION(clEnqueueAcquireExternalMemObjectsKHR);
    ACC_EXTENSION(clEnqueueReleaseExternalMemObjectsKHR);
    EXPECT_EQ(value_of<cl_external_memory_handle_type_khr>(
                  clGetDeviceInfo, device, CL_DEVICE_EXTERNAL_MEMORY_IMPORT_HANDLE_TYPES_KHR),
              cl_uint{CL_EXTERNAL_MEMORY_HANDLE_DMA_BUF_KHR});
    constexpr size_t kBytes = 8192;
    const int fd = memfd_create("external", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    ASSERT_GE(fd, 0);
    ASSERT_EQ(ftruncate(fd, kBytes), 0);
    ASSERT_EQ(fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW), 0);
    auto *const mine =
        static_cast<float *>(mmap(nullptr, kBytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0));
    ASSERT_NE(mine, MAP_FAILED);
    const auto create = [&](std::vector<cl_mem_properties> how, cl_mem_flags flags, size_t bytes,
                            cl_int wanted) {
        cl_int error = CL_SUCCESS;
        const cl_mem made =
            clCreateBufferWithProperties(context, how.data(), flags, bytes, nullptr, &error);
        EXPECT_EQ(error, wanted);
        return made;
    };
    const auto handle = static_cast<cl_mem_properties>(fd);
    const auto here = reinterpret_cast<cl_mem_properties>(device);
    const cl_mem_properties type = CL_EXTERNAL_MEMORY_HANDLE_DMA_BUF_KHR,
                            list = CL_DEVICE_HANDLE_LIST_KHR;
    const cl_mem memory =
        create({type, handle, list, here, CL_DEVICE_HANDLE_LIST_END_KHR, 0}, 0, kBytes, CL_SUCCESS);
    ASSERT_NE(memory, nullptr);
    size_t bytes = 0;
    EXPECT_EQ(clGetMemObjectInfo(memory, CL_MEM_PROPERTIES, 0, nullptr, &bytes), CL_SUCCESS);
    EXPECT_EQ(bytes, 6 * sizeof(cl_mem_properties));
    create({type, handle, type, handle, 0}, 0, kBytes, CL_INVALID_PROPERTY);
    create({list, here, 0, 0}, 0, kBytes, CL_INVALID_PROPERTY);
    create({type, handle, list, 0, list, 0, 0}, 0, kBytes, CL_INVALID_PROPERTY);
    create({type, handle, 0}, CL_MEM_ALLOC_HOST_PTR, kBytes, CL_INVALID_VALUE);
    create({type, handle, 0}, 0, 2 * kBytes, CL_INVALID_BUFFER_SIZE);
    create({type, static_cast<cl_mem_properties>(STDERR_FILENO), 0}, 0, kBytes, CL_INVALID_VALUE);

    mine[0] = 20;
    mine[1] = 22;
    const cl_kernel add = built_in("acc_add_f32");
    const cl_ulong two = 2;
    set_args(add, 0, memory, memory, memory, two, two);
    EXPECT_EQ(clEnqueueAcquireExternalMemObjectsKHR(queue, 1, &memory, 0, nullptr, nullptr),
              CL_SUCCESS);
    ASSERT_EQ(clEnqueueNDRangeKernel(queue, add, 1, nullptr, &one, nullptr, 0, nullptr, nullptr),
              CL_SUCCESS);
    cl_event event = nullptr;
    EXPECT_EQ(clEnqueueReleaseExternalMemObjectsKHR(queue, 1, &memory, 0, nullptr, &event),
              CL_SUCCESS);
    EXPECT_EQ(value_of<cl_command_type>(clGetEventInfo, event, CL_EVENT_COMMAND_TYPE),
              cl_command_type{CL_COMMAND_RELEASE_EXTERNAL_MEM_OBJECTS_KHR});
    EXPECT_EQ(clWaitForEvents(1, &event), CL_SUCCESS);
    EXPECT_EQ(clReleaseEvent(event), CL_SUCCESS);
    EXPECT_EQ(mine[0], 40);
    EXPECT_EQ(mine[1], 44);
    const cl_mem ordinary = buffer(64);
    EXPECT_EQ(clEnqueueAcquireExternalMemObjectsKHR(queue, 1, &ordinary, 0, nullptr, nullptr),
              CL_INVALID_MEM_OBJECT);
    EXPECT_EQ(clEnqueueAcquireExternalMemObjectsKHR(queue, 1, nullptr, 0, nullptr, nullptr),
              CL_INVALID_VALUE);
    EXPECT_EQ(clReleaseMemObject(memory), CL_SUCCESS);
    munmap(mine, kBytes);
    close(fd);
}

} // namespace
} // namespace acc::test
