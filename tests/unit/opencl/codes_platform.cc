// SPDX-License-Identifier: MIT
//
// Codes of platforms, devices, contexts, command queues, images and events.
#include "codes.h"

namespace acc::test
{

void OpenClCodes::add_platform()
{
    const auto no_platform = reinterpret_cast<cl_platform_id>(queue);
    const auto no_device = not_a<cl_device_id>();
    const auto no_context = not_a<cl_context>();
    cl_platform_id platform = nullptr;
    cl_device_id found = nullptr;
    cl_ulong time = 0;
    char small[1] = {};
    int user = 0;
    GIVES(CL_INVALID_VALUE, clGetPlatformIDs, 0, &platform, nullptr);
    GIVES(CL_INVALID_VALUE, clGetPlatformIDs, 1, nullptr, nullptr);
    GIVES(CL_INVALID_PLATFORM, clGetPlatformInfo, no_platform, CL_PLATFORM_NAME, 0, nullptr,
          nullptr);
    GIVES(CL_INVALID_VALUE, clGetPlatformInfo, the_platform(), CL_DEVICE_NAME, 0, nullptr, nullptr);
    GIVES(CL_INVALID_VALUE, clGetPlatformInfo, the_platform(), CL_PLATFORM_NAME, 1, small, nullptr);
    GIVES(CL_INVALID_PLATFORM, clGetDeviceIDs, no_platform, CL_DEVICE_TYPE_ALL, 1, &found, nullptr);
    GIVES(CL_INVALID_DEVICE_TYPE, clGetDeviceIDs, the_platform(), 0, 1, &found, nullptr);
    GIVES(CL_INVALID_VALUE, clGetDeviceIDs, the_platform(), CL_DEVICE_TYPE_ALL, 0, &found, nullptr);
    GIVES(CL_INVALID_VALUE, clGetDeviceIDs, the_platform(), CL_DEVICE_TYPE_ALL, 1, nullptr,
          nullptr);
    GIVES(CL_DEVICE_NOT_FOUND, clGetDeviceIDs, the_platform(), CL_DEVICE_TYPE_GPU, 1, &found,
          nullptr);
    GIVES(CL_INVALID_DEVICE, clGetDeviceInfo, no_device, CL_DEVICE_NAME, 0, nullptr, nullptr);
    GIVES(CL_INVALID_VALUE, clGetDeviceInfo, device, CL_CONTEXT_DEVICES, 0, nullptr, nullptr);
    GIVES(CL_INVALID_VALUE, clGetDeviceInfo, device, CL_DEVICE_NAME, 1, small, nullptr);
    GIVES(CL_INVALID_DEVICE, clGetDeviceAndHostTimer, no_device, &time, &time);
    GIVES(CL_INVALID_VALUE, clGetDeviceAndHostTimer, device, nullptr, &time);
    GIVES(CL_INVALID_VALUE, clGetDeviceAndHostTimer, device, &time, nullptr);
    GIVES(CL_INVALID_DEVICE, clGetHostTimer, no_device, &time);
    GIVES(CL_INVALID_VALUE, clGetHostTimer, device, nullptr);
    never({"clGetDeviceAndHostTimer", "clGetHostTimer"}, {CL_INVALID_OPERATION},
          "one clock for hosts and devices");

    using Partition = cl_device_partition_property;
    const auto units = value_of<cl_uint>(clGetDeviceInfo, device, CL_DEVICE_MAX_COMPUTE_UNITS);
    const Partition equally[] = {CL_DEVICE_PARTITION_EQUALLY, 1, 0},
                    whole[] = {CL_DEVICE_PARTITION_EQUALLY, static_cast<Partition>(units), 0},
                    more[] = {CL_DEVICE_PARTITION_EQUALLY, static_cast<Partition>(units) + 1, 0},
                    near[] = {CL_DEVICE_PARTITION_BY_AFFINITY_DOMAIN, 1, 0}, unknown[] = {-1, 1, 0},
                    negative[] = {CL_DEVICE_PARTITION_BY_COUNTS, -1,
                                  CL_DEVICE_PARTITION_BY_COUNTS_LIST_END, 0},
                    many[] = {CL_DEVICE_PARTITION_BY_COUNTS, static_cast<Partition>(units) + 1,
                              CL_DEVICE_PARTITION_BY_COUNTS_LIST_END, 0};
    GIVES(CL_INVALID_DEVICE, clCreateSubDevices, no_device, equally, 0, nullptr, nullptr);
    GIVES(CL_INVALID_VALUE, clCreateSubDevices, device, nullptr, 1, &found, nullptr);
    GIVES(CL_INVALID_VALUE, clCreateSubDevices, device, near, 1, &found, nullptr);
    GIVES(CL_INVALID_VALUE, clCreateSubDevices, device, unknown, 1, &found, nullptr);
    GIVES(CL_INVALID_VALUE, clCreateSubDevices, device, equally, 0, &found, nullptr);
    GIVES(CL_DEVICE_PARTITION_FAILED, clCreateSubDevices, device, whole, 1, &found, nullptr);
    GIVES(CL_INVALID_DEVICE_PARTITION_COUNT, clCreateSubDevices, device, more, 1, &found, nullptr);
    GIVES(CL_INVALID_DEVICE_PARTITION_COUNT, clCreateSubDevices, device, negative, 1, &found,
          nullptr);
    GIVES(CL_INVALID_DEVICE_PARTITION_COUNT, clCreateSubDevices, device, many, 1, &found, nullptr);
    GIVES(CL_INVALID_DEVICE, clRetainDevice, no_device);
    GIVES(CL_INVALID_DEVICE, clReleaseDevice, no_device);

    using Property = cl_context_properties;
    const Property wrong[] = {CL_CONTEXT_PLATFORM, reinterpret_cast<Property>(no_platform), 0},
                   strange[] = {0x7777, 1},
                   twice[] = {CL_CONTEXT_INTEROP_USER_SYNC, CL_FALSE, CL_CONTEXT_INTEROP_USER_SYNC,
                              CL_FALSE},
                   neither[] = {CL_CONTEXT_INTEROP_USER_SYNC, -1};
    const cl_device_type all = CL_DEVICE_TYPE_ALL;
    MAKES(CL_INVALID_PLATFORM, clCreateContext, wrong, 1, &device, nullptr, nullptr);
    MAKES(CL_INVALID_PLATFORM, clCreateContextFromType, wrong, all, nullptr, nullptr);
    for (const Property *const one : {strange, twice, neither}) {
        // The loader asks for the platform.
        std::vector<Property> list = {CL_CONTEXT_PLATFORM,
                                      reinterpret_cast<Property>(the_platform())};
        list.insert(list.end(), one, one + (one == twice ? 4 : 2));
        list.push_back(0);
        MAKES(CL_INVALID_PROPERTY, clCreateContext, list.data(), 1, &device, nullptr, nullptr);
        MAKES(CL_INVALID_PROPERTY, clCreateContextFromType, list.data(), all, nullptr, nullptr);
    }
    MAKES(CL_INVALID_VALUE, clCreateContext, nullptr, 1, nullptr, nullptr, nullptr);
    MAKES(CL_INVALID_VALUE, clCreateContext, nullptr, 0, &device, nullptr, nullptr);
    MAKES(CL_INVALID_VALUE, clCreateContext, nullptr, 1, &device, nullptr, &user);
    MAKES(CL_INVALID_DEVICE, clCreateContext, nullptr, 1, &no_device, nullptr, nullptr);
    MAKES(CL_INVALID_VALUE, clCreateContextFromType, nullptr, all, nullptr, &user);
    MAKES(CL_INVALID_DEVICE_TYPE, clCreateContextFromType, nullptr, 0, nullptr, nullptr);
    MAKES(CL_DEVICE_NOT_FOUND, clCreateContextFromType, nullptr, CL_DEVICE_TYPE_GPU, nullptr,
          nullptr);
    never({"clCreateContext", "clCreateContextFromType"}, {CL_DEVICE_NOT_AVAILABLE},
          "devices are opened when they are listed; a child after fork has none (life_test.cc)");
    GIVES(CL_INVALID_CONTEXT, clRetainContext, no_context);
    GIVES(CL_INVALID_CONTEXT, clReleaseContext, no_context);
    GIVES(CL_INVALID_CONTEXT, clGetContextInfo, no_context, CL_CONTEXT_DEVICES, 0, nullptr,
          nullptr);
    GIVES(CL_INVALID_VALUE, clGetContextInfo, context, CL_DEVICE_NAME, 0, nullptr, nullptr);
    GIVES(CL_INVALID_VALUE, clGetContextInfo, context, CL_CONTEXT_DEVICES, 1, small, nullptr);
    const auto none = [](cl_context, void *) {};
    GIVES(CL_INVALID_CONTEXT, clSetContextDestructorCallback, no_context, none, nullptr);
    GIVES(CL_INVALID_VALUE, clSetContextDestructorCallback, context, nullptr, nullptr);
}

void OpenClCodes::add_queues()
{
    const auto no_context = not_a<cl_context>();
    const auto no_device = not_a<cl_device_id>();
    const auto no_queue = not_a<cl_command_queue>();
    const cl_device_id custom = the_custom_device();
    const cl_queue_properties on_device[] = {CL_QUEUE_PROPERTIES,
                                             CL_QUEUE_ON_DEVICE |
                                                 CL_QUEUE_OUT_OF_ORDER_EXEC_MODE_ENABLE,
                                             0},
                              unknown[] = {0x7777, 1, 0},
                              bits[] = {CL_QUEUE_PROPERTIES, 1u << 20, 0};
    char small[1] = {};
    MAKES(CL_INVALID_CONTEXT, clCreateCommandQueueWithProperties, no_context, device, nullptr);
    MAKES(CL_INVALID_DEVICE, clCreateCommandQueueWithProperties, context, no_device, nullptr);
    MAKES(CL_INVALID_DEVICE, clCreateCommandQueueWithProperties, other, custom, nullptr);
    MAKES(CL_INVALID_VALUE, clCreateCommandQueueWithProperties, context, device, unknown);
    MAKES(CL_INVALID_VALUE, clCreateCommandQueueWithProperties, context, device, bits);
    MAKES(CL_INVALID_QUEUE_PROPERTIES, clCreateCommandQueueWithProperties, context, device,
          on_device);
    MAKES(CL_INVALID_CONTEXT, clCreateCommandQueue, no_context, device, 0);
    MAKES(CL_INVALID_DEVICE, clCreateCommandQueue, context, no_device, 0);
    MAKES(CL_INVALID_DEVICE, clCreateCommandQueue, other, custom, 0);
    MAKES(CL_INVALID_VALUE, clCreateCommandQueue, context, device, 1u << 20);
    never({"clCreateCommandQueue", "clSetCommandQueueProperty"}, {CL_INVALID_QUEUE_PROPERTIES},
          "all properties that it knows are supported");
    GIVES(CL_INVALID_CONTEXT, clSetDefaultDeviceCommandQueue, no_context, device, queue);
    GIVES(CL_INVALID_DEVICE, clSetDefaultDeviceCommandQueue, context, no_device, queue);
    GIVES(CL_INVALID_DEVICE, clSetDefaultDeviceCommandQueue, other, custom, queue);
    GIVES(CL_INVALID_OPERATION, clSetDefaultDeviceCommandQueue, context, device, queue);
    never({"clSetDefaultDeviceCommandQueue"}, {CL_INVALID_COMMAND_QUEUE},
          "no device has queues of its own: that comes first");
    GIVES(CL_INVALID_COMMAND_QUEUE, clRetainCommandQueue, no_queue);
    GIVES(CL_INVALID_COMMAND_QUEUE, clReleaseCommandQueue, no_queue);
    GIVES(CL_INVALID_COMMAND_QUEUE, clFlush, no_queue);
    GIVES(CL_INVALID_COMMAND_QUEUE, clFinish, no_queue);
    GIVES(CL_INVALID_COMMAND_QUEUE, clGetCommandQueueInfo, no_queue, CL_QUEUE_DEVICE, 0, nullptr,
          nullptr);
    GIVES(CL_INVALID_COMMAND_QUEUE, clGetCommandQueueInfo, queue, CL_QUEUE_SIZE, 0, nullptr,
          nullptr);
    GIVES(CL_INVALID_VALUE, clGetCommandQueueInfo, queue, CL_DEVICE_NAME, 0, nullptr, nullptr);
    GIVES(CL_INVALID_VALUE, clGetCommandQueueInfo, queue, CL_QUEUE_DEVICE, 1, small, nullptr);
    GIVES(CL_INVALID_COMMAND_QUEUE, clSetCommandQueueProperty, no_queue, 0, CL_TRUE, nullptr);
    GIVES(CL_INVALID_VALUE, clSetCommandQueueProperty, queue, 1u << 20, CL_TRUE, nullptr);
    GIVES(CL_INVALID_OPERATION, clSetCommandQueueProperty, queue, CL_QUEUE_PROFILING_ENABLE,
          CL_TRUE, nullptr);
}

void OpenClCodes::add_images()
{
    const auto no_context = not_a<cl_context>();
    const auto no_queue = not_a<cl_command_queue>();
    const cl_image_format format = {CL_RGBA, CL_UNORM_INT8};
    cl_image_desc shape = {};
    shape.image_type = CL_MEM_OBJECT_IMAGE2D;
    shape.image_width = shape.image_height = 4;
    const size_t at[] = {0, 0, 0}, box[] = {1, 1, 1};
    const cl_sampler no_sampler = not_a<cl_sampler>();
    cl_image_format formats[1];
    for (const auto &[where, code] :
         {std::pair{no_context, CL_INVALID_CONTEXT}, {context, CL_INVALID_OPERATION}}) {
        const cl_context in = where;
        const cl_int wanted = code;
        MAKES(wanted, clCreateImage, in, 0, &format, &shape, nullptr);
        MAKES(wanted, clCreateImageWithProperties, in, nullptr, 0, &format, &shape, nullptr);
        MAKES(wanted, clCreateImage2D, in, 0, &format, 4, 4, 0, nullptr);
        MAKES(wanted, clCreateImage3D, in, 0, &format, 4, 4, 4, 0, 0, nullptr);
        MAKES(wanted, clCreateSampler, in, CL_FALSE, CL_ADDRESS_NONE, CL_FILTER_NEAREST);
        MAKES(wanted, clCreateSamplerWithProperties, in, nullptr);
        MAKES(wanted, clCreatePipe, in, 0, 4, 4, nullptr);
    }
    GIVES(CL_INVALID_CONTEXT, clGetSupportedImageFormats, no_context, 0, CL_MEM_OBJECT_IMAGE2D, 0,
          nullptr, nullptr);
    GIVES(CL_INVALID_VALUE, clGetSupportedImageFormats, context, 0, CL_MEM_OBJECT_BUFFER, 0,
          nullptr, nullptr);
    GIVES(CL_INVALID_VALUE, clGetSupportedImageFormats, context, 0, CL_MEM_OBJECT_IMAGE2D, 0,
          formats, nullptr);
    for (const auto &[on, code] :
         {std::pair{no_queue, CL_INVALID_COMMAND_QUEUE}, {queue, CL_INVALID_MEM_OBJECT}}) {
        const cl_command_queue in = on;
        const cl_int wanted = code;
        GIVES(wanted, clEnqueueReadImage, in, memory, CL_TRUE, at, box, 0, 0, host, 0, nullptr,
              nullptr);
        GIVES(wanted, clEnqueueWriteImage, in, memory, CL_TRUE, at, box, 0, 0, host, 0, nullptr,
              nullptr);
        GIVES(wanted, clEnqueueCopyImage, in, memory, second, at, at, box, 0, nullptr, nullptr);
        GIVES(wanted, clEnqueueFillImage, in, memory, host, at, box, 0, nullptr, nullptr);
        GIVES(wanted, clEnqueueCopyImageToBuffer, in, memory, second, at, box, 0, 0, nullptr,
              nullptr);
        GIVES(wanted, clEnqueueCopyBufferToImage, in, memory, second, 0, at, box, 0, nullptr,
              nullptr);
        MAKES(wanted, clEnqueueMapImage, in, memory, CL_TRUE, CL_MAP_READ, at, box, nullptr,
              nullptr, 0, nullptr, nullptr);
    }
    GIVES(CL_INVALID_MEM_OBJECT, clGetImageInfo, memory, CL_IMAGE_WIDTH, 0, nullptr, nullptr);
    GIVES(CL_INVALID_MEM_OBJECT, clGetPipeInfo, memory, CL_PIPE_PACKET_SIZE, 0, nullptr, nullptr);
    GIVES(CL_INVALID_SAMPLER, clRetainSampler, no_sampler);
    GIVES(CL_INVALID_SAMPLER, clReleaseSampler, no_sampler);
    GIVES(CL_INVALID_SAMPLER, clGetSamplerInfo, no_sampler, CL_SAMPLER_CONTEXT, 0, nullptr,
          nullptr);
    const char *const none = "no device has any: they can't be made, and that comes first";
    never({"clCreateImage", "clCreateImageWithProperties", "clCreateImage2D", "clCreateImage3D"},
          {CL_INVALID_VALUE, CL_INVALID_IMAGE_FORMAT_DESCRIPTOR, CL_INVALID_IMAGE_SIZE,
           CL_INVALID_HOST_PTR, CL_IMAGE_FORMAT_NOT_SUPPORTED, CL_MEM_OBJECT_ALLOCATION_FAILURE},
          none);
    never({"clCreateImage", "clCreateImageWithProperties"}, {CL_INVALID_IMAGE_DESCRIPTOR}, none);
    never({"clCreateImageWithProperties"}, {CL_INVALID_PROPERTY}, none);
    never({"clEnqueueReadImage", "clEnqueueWriteImage", "clEnqueueCopyImage", "clEnqueueFillImage",
           "clEnqueueCopyImageToBuffer", "clEnqueueCopyBufferToImage", "clEnqueueMapImage"},
          {CL_INVALID_CONTEXT, CL_INVALID_VALUE, CL_INVALID_EVENT_WAIT_LIST, CL_INVALID_IMAGE_SIZE,
           CL_IMAGE_FORMAT_NOT_SUPPORTED, CL_MEM_OBJECT_ALLOCATION_FAILURE, CL_INVALID_OPERATION},
          none);
    never({"clGetImageInfo", "clGetPipeInfo", "clGetSamplerInfo", "clCreateSampler",
           "clCreateSamplerWithProperties", "clCreatePipe"},
          {CL_INVALID_VALUE}, none);
    never({"clCreatePipe"},
          {CL_INVALID_PROPERTY, CL_INVALID_PIPE_SIZE, CL_MEM_OBJECT_ALLOCATION_FAILURE}, none);
}

void OpenClCodes::add_events()
{
    const auto no_context = not_a<cl_context>();
    const auto no_queue = not_a<cl_command_queue>();
    const auto no_event = not_a<cl_event>();
    const cl_event mixed[] = {good, foreign_event}, bad[] = {good, failed};
    const auto none = [](cl_event, cl_int, void *) {};
    const cl_event waiting = user_event();
    cl_event ended = nullptr;
    EXPECT_EQ(clEnqueueMarkerWithWaitList(queue, 0, nullptr, &ended), CL_SUCCESS);
    EXPECT_EQ(clFinish(queue), CL_SUCCESS);
    char small[1] = {};
    MAKES(CL_INVALID_CONTEXT, clCreateUserEvent, no_context);
    GIVES(CL_INVALID_EVENT, clSetUserEventStatus, no_event, CL_COMPLETE);
    GIVES(CL_INVALID_EVENT, clSetUserEventStatus, ended, CL_COMPLETE);
    GIVES(CL_INVALID_VALUE, clSetUserEventStatus, waiting, CL_RUNNING);
    GIVES(CL_INVALID_OPERATION, clSetUserEventStatus, good, CL_COMPLETE);
    GIVES(CL_INVALID_VALUE, clWaitForEvents, 0, &good);
    GIVES(CL_INVALID_VALUE, clWaitForEvents, 1, nullptr);
    GIVES(CL_INVALID_CONTEXT, clWaitForEvents, 2, mixed);
    GIVES(CL_INVALID_EVENT, clWaitForEvents, 1, &no_event);
    GIVES(CL_EXEC_STATUS_ERROR_FOR_EVENTS_IN_WAIT_LIST, clWaitForEvents, 2, bad);
    GIVES(CL_INVALID_EVENT, clGetEventInfo, no_event, CL_EVENT_CONTEXT, 0, nullptr, nullptr);
    GIVES(CL_INVALID_VALUE, clGetEventInfo, good, CL_DEVICE_NAME, 0, nullptr, nullptr);
    GIVES(CL_INVALID_VALUE, clGetEventInfo, good, CL_EVENT_CONTEXT, 1, small, nullptr);
    GIVES(CL_INVALID_EVENT, clSetEventCallback, no_event, CL_COMPLETE, none, nullptr);
    GIVES(CL_INVALID_VALUE, clSetEventCallback, good, CL_COMPLETE, nullptr, nullptr);
    GIVES(CL_INVALID_VALUE, clSetEventCallback, good, CL_QUEUED, none, nullptr);
    GIVES(CL_INVALID_EVENT, clRetainEvent, no_event);
    GIVES(CL_INVALID_EVENT, clReleaseEvent, no_event);
    GIVES(CL_INVALID_COMMAND_QUEUE, clEnqueueMarker, no_queue, &ended);
    GIVES(CL_INVALID_VALUE, clEnqueueMarker, queue, nullptr);
    GIVES(CL_INVALID_COMMAND_QUEUE, clEnqueueBarrier, no_queue);
    GIVES(CL_INVALID_COMMAND_QUEUE, clEnqueueWaitForEvents, no_queue, 1, &good);
    GIVES(CL_INVALID_CONTEXT, clEnqueueWaitForEvents, queue, 2, mixed);
    GIVES(CL_INVALID_VALUE, clEnqueueWaitForEvents, queue, 0, &good);
    GIVES(CL_INVALID_VALUE, clEnqueueWaitForEvents, queue, 1, nullptr);
    GIVES(CL_INVALID_EVENT, clEnqueueWaitForEvents, queue, 1, &no_event);
    GIVES(CL_INVALID_EVENT, clGetEventProfilingInfo, no_event, CL_PROFILING_COMMAND_END, 0, nullptr,
          nullptr);
    GIVES(CL_PROFILING_INFO_NOT_AVAILABLE, clGetEventProfilingInfo, good, CL_PROFILING_COMMAND_END,
          0, nullptr, nullptr);
    GIVES(CL_INVALID_VALUE, clGetEventProfilingInfo, ended, CL_DEVICE_NAME, 0, nullptr, nullptr);
    GIVES(CL_INVALID_VALUE, clGetEventProfilingInfo, ended, CL_PROFILING_COMMAND_END, 1, small,
          nullptr);
    keep(ended);
}

} // namespace acc::test
