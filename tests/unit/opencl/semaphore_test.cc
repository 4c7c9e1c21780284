// SPDX-License-Identifier: MIT
//
// cl_khr_semaphore and cl_khr_external_semaphore_opaque_fd, between queues, contexts, and with
// libacc.
#include "fixture.h"

#include <chrono>
#include <thread>
#include <unistd.h>

namespace acc::test
{
namespace
{

using Property = cl_semaphore_properties_khr;

class OpenClSemaphore : public OpenCl
{
protected:
    void SetUp() override
    {
        OpenCl::SetUp();
        cl_int error = CL_SUCCESS;
        alone = clCreateContext(nullptr, 1, &device, nullptr, nullptr, &error);
        ASSERT_EQ(error, CL_SUCCESS);
        first = clCreateCommandQueue(alone, device, 0, &error);
        ASSERT_EQ(error, CL_SUCCESS);
        second =
            clCreateCommandQueue(alone, device, CL_QUEUE_OUT_OF_ORDER_EXEC_MODE_ENABLE, &error);
        ASSERT_EQ(error, CL_SUCCESS);
    }
    void TearDown() override
    {
        EXPECT_EQ(clReleaseCommandQueue(first), CL_SUCCESS);
        EXPECT_EQ(clReleaseCommandQueue(second), CL_SUCCESS);
        EXPECT_EQ(clReleaseContext(alone), CL_SUCCESS);
        OpenCl::TearDown();
    }
    cl_semaphore_khr create(std::vector<Property> how, cl_int wanted = CL_SUCCESS,
                            cl_context in = nullptr)
    {
        ACC_EXTENSION(clCreateSemaphoreWithPropertiesKHR);
        cl_int error = CL_SUCCESS;
        const auto made = clCreateSemaphoreWithPropertiesKHR(in ? in : alone, how.data(), &error);
        EXPECT_EQ(error, wanted);
        EXPECT_EQ(made != nullptr, wanted == CL_SUCCESS);
        return made;
    }
    cl_event signal(cl_command_queue on, cl_semaphore_khr semaphore, cl_event after = nullptr)
    {
        ACC_EXTENSION(clEnqueueSignalSemaphoresKHR);
        cl_event out = nullptr;
        EXPECT_EQ(clEnqueueSignalSemaphoresKHR(on, 1, &semaphore, nullptr, after ? 1 : 0,
                                               after ? &after : nullptr, &out),
                  CL_SUCCESS);
        return keep(out);
    }
    cl_event wait(cl_command_queue on, std::vector<cl_semaphore_khr> semaphores)
    {
        ACC_EXTENSION(clEnqueueWaitSemaphoresKHR);
        cl_event out = nullptr;
        EXPECT_EQ(clEnqueueWaitSemaphoresKHR(on, static_cast<cl_uint>(semaphores.size()),
                                             semaphores.data(), nullptr, 0, nullptr, &out),
                  CL_SUCCESS);
        return keep(out);
    }
    static void release(cl_semaphore_khr semaphore)
    {
        ACC_EXTENSION(clReleaseSemaphoreKHR);
        EXPECT_EQ(clReleaseSemaphoreKHR(semaphore), CL_SUCCESS);
    }

    const std::vector<Property> binary = {CL_SEMAPHORE_TYPE_KHR, CL_SEMAPHORE_TYPE_BINARY_KHR, 0};
    cl_context alone = nullptr; // of the accelerator
    cl_command_queue first = nullptr, second = nullptr;
};

void rest()
{
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
}

TEST_F(OpenClSemaphore, HoldsQueuesApart)
{
    const cl_semaphore_khr one = create(binary), two = create(binary);
    // Either way round, again and again; each wait takes one signal.
    for (int i = 0; i < 50; i++) {
        const cl_event waits = wait(second, {one});
        EXPECT_GT(status_of(waits), CL_COMPLETE);
        signal(first, one);
        EXPECT_EQ(clWaitForEvents(1, &waits), CL_SUCCESS);
        signal(second, two);
        EXPECT_EQ(clFinish(second), CL_SUCCESS);
        wait(first, {two});
        EXPECT_EQ(clFinish(first), CL_SUCCESS);
    }
    // A command waits for its queue and for all that it names; what is behind it waits, too.
    cl_int error = CL_SUCCESS;
    const cl_event gate = keep(clCreateUserEvent(alone, &error));
    const cl_event both = wait(first, {one, two});
    cl_event behind = nullptr;
    EXPECT_EQ(clEnqueueMarkerWithWaitList(first, 0, nullptr, &behind), CL_SUCCESS);
    keep(behind);
    signal(second, two);
    const cl_event late = signal(second, one, gate);
    rest();
    EXPECT_EQ(status_of(both), CL_RUNNING);
    EXPECT_GT(status_of(behind), CL_COMPLETE);
    EXPECT_GT(status_of(late), CL_COMPLETE);
    EXPECT_EQ(clSetUserEventStatus(gate, CL_COMPLETE), CL_SUCCESS);
    EXPECT_EQ(clWaitForEvents(1, &behind), CL_SUCCESS);
    EXPECT_EQ(status_of(both), CL_COMPLETE);
    release(one);
    release(two);
}

TEST_F(OpenClSemaphore, Tells)
{
    ACC_EXTENSION(clGetSemaphoreInfoKHR);
    ACC_EXTENSION(clRetainSemaphoreKHR);
    const auto here = reinterpret_cast<Property>(device);
    const std::vector<Property> how = {CL_SEMAPHORE_TYPE_KHR,         CL_SEMAPHORE_TYPE_BINARY_KHR,
                                       CL_DEVICE_HANDLE_LIST_KHR,     here,
                                       CL_DEVICE_HANDLE_LIST_END_KHR, 0};
    const cl_semaphore_khr semaphore = create(how, CL_SUCCESS, context);
    const auto payload = [&] {
        return value_of<cl_semaphore_payload_khr>(clGetSemaphoreInfoKHR, semaphore,
                                                  CL_SEMAPHORE_PAYLOAD_KHR);
    };
    EXPECT_EQ(payload(), 0u);
    signal(queue, semaphore);
    EXPECT_EQ(clFinish(queue), CL_SUCCESS);
    EXPECT_EQ(payload(), 1u);
    EXPECT_EQ(
        value_of<cl_command_type>(clGetEventInfo, wait(queue, {semaphore}), CL_EVENT_COMMAND_TYPE),
        cl_command_type{CL_COMMAND_SEMAPHORE_WAIT_KHR});
    EXPECT_EQ(clFinish(queue), CL_SUCCESS);
    EXPECT_EQ(payload(), 0u);
    EXPECT_EQ(value_of<cl_context>(clGetSemaphoreInfoKHR, semaphore, CL_SEMAPHORE_CONTEXT_KHR),
              context);
    EXPECT_EQ(
        value_of<cl_semaphore_type_khr>(clGetSemaphoreInfoKHR, semaphore, CL_SEMAPHORE_TYPE_KHR),
        cl_uint{CL_SEMAPHORE_TYPE_BINARY_KHR});
    EXPECT_EQ(value_of<cl_device_id>(clGetSemaphoreInfoKHR, semaphore, CL_DEVICE_HANDLE_LIST_KHR),
              device);
    std::vector<Property> told(how.size());
    EXPECT_EQ(clGetSemaphoreInfoKHR(semaphore, CL_SEMAPHORE_PROPERTIES_KHR,
                                    told.size() * sizeof(Property), told.data(), nullptr),
              CL_SUCCESS);
    EXPECT_EQ(told, how);
    EXPECT_EQ(clRetainSemaphoreKHR(semaphore), CL_SUCCESS);
    EXPECT_EQ(value_of<cl_uint>(clGetSemaphoreInfoKHR, semaphore, CL_SEMAPHORE_REFERENCE_COUNT_KHR),
              2u);
    release(semaphore);
    EXPECT_EQ(clGetSemaphoreInfoKHR(semaphore, CL_DEVICE_NAME, 0, nullptr, nullptr),
              CL_INVALID_VALUE);
    release(semaphore);
    EXPECT_EQ(
        value_of<cl_semaphore_type_khr>(clGetDeviceInfo, device, CL_DEVICE_SEMAPHORE_TYPES_KHR),
        cl_uint{CL_SEMAPHORE_TYPE_BINARY_KHR});
    for (const cl_device_info what :
         {CL_DEVICE_SEMAPHORE_IMPORT_HANDLE_TYPES_KHR, CL_DEVICE_SEMAPHORE_EXPORT_HANDLE_TYPES_KHR})
        EXPECT_EQ(value_of<cl_external_semaphore_handle_type_khr>(clGetDeviceInfo, device, what),
                  cl_uint{CL_SEMAPHORE_HANDLE_OPAQUE_FD_KHR});
}

TEST_F(OpenClSemaphore, Refuses)
{
    ACC_EXTENSION(clCreateSemaphoreWithPropertiesKHR);
    ACC_EXTENSION(clEnqueueWaitSemaphoresKHR);
    ACC_EXTENSION(clGetSemaphoreHandleForTypeKHR);
    ACC_EXTENSION(clGetSemaphoreInfoKHR);
    ACC_EXTENSION(clRetainSemaphoreKHR);
    ACC_EXTENSION(clReleaseSemaphoreKHR);
    cl_int error = CL_SUCCESS;
    EXPECT_EQ(clCreateSemaphoreWithPropertiesKHR(nullptr, binary.data(), &error), nullptr);
    EXPECT_EQ(error, CL_INVALID_CONTEXT);
    EXPECT_EQ(clCreateSemaphoreWithPropertiesKHR(alone, nullptr, &error), nullptr);
    EXPECT_EQ(error, CL_INVALID_VALUE);
    const auto here = reinterpret_cast<Property>(device);
    const auto there = reinterpret_cast<Property>(the_custom_device());
    constexpr Property type = CL_SEMAPHORE_TYPE_KHR, is_binary = CL_SEMAPHORE_TYPE_BINARY_KHR,
                       devices = CL_DEVICE_HANDLE_LIST_KHR, fd = CL_SEMAPHORE_HANDLE_OPAQUE_FD_KHR,
                       exports = CL_SEMAPHORE_EXPORT_HANDLE_TYPES_KHR;
    create({0}, CL_INVALID_VALUE);
    create({0x7777, 1, 0}, CL_INVALID_PROPERTY);
    create({type, 7, 0}, CL_INVALID_PROPERTY);
    create({type, is_binary, type, is_binary, 0}, CL_INVALID_PROPERTY);
    create({type, is_binary, exports, CL_SEMAPHORE_HANDLE_SYNC_FD_KHR, 0, 0}, CL_INVALID_PROPERTY);
    create({type, is_binary, fd, static_cast<Property>(STDERR_FILENO), 0}, CL_INVALID_VALUE);
    create({type, is_binary, devices, there, 0, 0}, CL_INVALID_DEVICE);
    create({type, is_binary, devices, here, there, 0, 0}, CL_INVALID_DEVICE, context);
    create(binary, CL_INVALID_PROPERTY, context); // for which of its devices?
    const cl_semaphore_khr semaphore = create(binary), none = nullptr;
    const auto refused = [&](cl_command_queue on, cl_uint count, const cl_semaphore_khr *list,
                             cl_uint events, const cl_event *event) {
        return clEnqueueWaitSemaphoresKHR(on, count, list, nullptr, events, event, nullptr);
    };
    EXPECT_EQ(refused(nullptr, 1, &semaphore, 0, nullptr), CL_INVALID_COMMAND_QUEUE);
    EXPECT_EQ(refused(first, 0, &semaphore, 0, nullptr), CL_INVALID_VALUE);
    EXPECT_EQ(refused(first, 1, nullptr, 0, nullptr), CL_INVALID_VALUE);
    EXPECT_EQ(refused(first, 1, &none, 0, nullptr), CL_INVALID_SEMAPHORE_KHR);
    EXPECT_EQ(refused(queue, 1, &semaphore, 0, nullptr), CL_INVALID_CONTEXT);
    EXPECT_EQ(refused(first, 1, &semaphore, 1, nullptr), CL_INVALID_EVENT_WAIT_LIST);
    const cl_event alien = user_event();
    EXPECT_EQ(refused(first, 1, &semaphore, 1, &alien), CL_INVALID_CONTEXT);
    const cl_command_queue custom =
        keep(clCreateCommandQueue(context, the_custom_device(), 0, &error));
    const cl_semaphore_khr of_one =
        create({type, is_binary, devices, here, 0, 0}, CL_SUCCESS, context);
    EXPECT_EQ(refused(custom, 1, &of_one, 0, nullptr), CL_INVALID_COMMAND_QUEUE);
    int handle = -1;
    EXPECT_EQ(clGetSemaphoreHandleForTypeKHR(semaphore, device, CL_SEMAPHORE_HANDLE_OPAQUE_FD_KHR,
                                             sizeof handle, &handle, nullptr),
              CL_INVALID_VALUE); // it was not to be exported
    EXPECT_EQ(clGetSemaphoreHandleForTypeKHR(none, device, CL_SEMAPHORE_HANDLE_OPAQUE_FD_KHR,
                                             sizeof handle, &handle, nullptr),
              CL_INVALID_SEMAPHORE_KHR);
    EXPECT_EQ(clGetSemaphoreInfoKHR(none, CL_SEMAPHORE_TYPE_KHR, 0, nullptr, nullptr),
              CL_INVALID_SEMAPHORE_KHR);
    EXPECT_EQ(clRetainSemaphoreKHR(none), CL_INVALID_SEMAPHORE_KHR);
    EXPECT_EQ(clReleaseSemaphoreKHR(none), CL_INVALID_SEMAPHORE_KHR);
    release(semaphore);
    release(of_one);
}

// What one exports, another imports: of another context here, of another process elsewhere.
TEST_F(OpenClSemaphore, IsExportedAndImported)
{
    ACC_EXTENSION(clGetSemaphoreHandleForTypeKHR);
    constexpr Property type = CL_SEMAPHORE_TYPE_KHR, is_binary = CL_SEMAPHORE_TYPE_BINARY_KHR,
                       fd = CL_SEMAPHORE_HANDLE_OPAQUE_FD_KHR,
                       exports = CL_SEMAPHORE_EXPORT_HANDLE_TYPES_KHR;
    const cl_semaphore_khr mine = create({type, is_binary, exports, fd, 0, 0});
    const auto import = [&] {
        int handle = -1;
        size_t bytes = 0;
        EXPECT_EQ(clGetSemaphoreHandleForTypeKHR(mine, device, CL_SEMAPHORE_HANDLE_OPAQUE_FD_KHR,
                                                 sizeof handle, &handle, &bytes),
                  CL_SUCCESS);
        EXPECT_EQ(bytes, sizeof handle);
        // The descriptor is the driver's from here on.
        return create({type, is_binary, fd, static_cast<Property>(handle),
                       CL_DEVICE_HANDLE_LIST_KHR, reinterpret_cast<Property>(device), 0, 0},
                      CL_SUCCESS, context);
    };
    const cl_semaphore_khr theirs = import(), again = import();
    for (int i = 0; i < 20; i++) {
        const cl_event waits = wait(queue, {theirs});
        rest();
        EXPECT_GT(status_of(waits), CL_COMPLETE);
        signal(first, mine);
        EXPECT_EQ(clWaitForEvents(1, &waits), CL_SUCCESS);
        signal(queue, again);
        wait(first, {mine});
        EXPECT_EQ(clFinish(first), CL_SUCCESS);
    }
    release(mine); // the others hold what it was made of
    signal(queue, theirs);
    wait(queue, {again});
    EXPECT_EQ(clFinish(queue), CL_SUCCESS);
    release(theirs);
    release(again);
}

} // namespace
} // namespace acc::test
