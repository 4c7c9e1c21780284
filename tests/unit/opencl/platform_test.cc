// SPDX-License-Identifier: MIT
//
// Platforms, devices, contexts and queues: queries and refusals.
#include "fixture.h"

namespace acc::test
{
namespace
{

TEST(OpenClPlatform, IsFoundByTheLoader)
{
    const cl_platform_id platform = the_platform();
    EXPECT_EQ(text_of(clGetPlatformInfo, platform, CL_PLATFORM_NAME), "acc");
    EXPECT_EQ(text_of(clGetPlatformInfo, platform, CL_PLATFORM_PROFILE), "FULL_PROFILE");
    EXPECT_EQ(text_of(clGetPlatformInfo, platform, CL_PLATFORM_VERSION).substr(0, 11),
              "OpenCL 3.0 ");
    EXPECT_EQ(value_of<cl_version>(clGetPlatformInfo, platform, CL_PLATFORM_NUMERIC_VERSION),
              CL_MAKE_VERSION(3, 0, 0));
    EXPECT_EQ(text_of(clGetPlatformInfo, platform, CL_PLATFORM_ICD_SUFFIX_KHR), "ACC");
    EXPECT_EQ(clGetPlatformInfo(platform, CL_DEVICE_NAME, 0, nullptr, nullptr), CL_INVALID_VALUE);
    char small[2];
    EXPECT_EQ(clGetPlatformInfo(platform, CL_PLATFORM_NAME, sizeof small, small, nullptr),
              CL_INVALID_VALUE);
}

TEST(OpenClPlatform, ListsDevicesByType)
{
    const cl_platform_id platform = the_platform();
    cl_device_id devices[4];
    cl_uint count = 0;
    EXPECT_EQ(clGetDeviceIDs(platform, CL_DEVICE_TYPE_ALL, 4, devices, &count), CL_SUCCESS);
    EXPECT_EQ(count, 1u); // custom devices are not among "all"
    EXPECT_EQ(devices[0], the_accelerator());
    EXPECT_EQ(clGetDeviceIDs(platform, CL_DEVICE_TYPE_DEFAULT, 4, devices, &count), CL_SUCCESS);
    EXPECT_EQ(devices[0], the_accelerator());
    EXPECT_EQ(clGetDeviceIDs(platform, CL_DEVICE_TYPE_CUSTOM | CL_DEVICE_TYPE_ACCELERATOR, 4,
                             devices, &count),
              CL_SUCCESS);
    EXPECT_EQ(count, 2u);
    EXPECT_EQ(clGetDeviceIDs(platform, CL_DEVICE_TYPE_GPU, 4, devices, &count),
              CL_DEVICE_NOT_FOUND);
    EXPECT_EQ(clGetDeviceIDs(platform, 0, 4, devices, &count), CL_INVALID_DEVICE_TYPE);
    EXPECT_EQ(clGetDeviceIDs(platform, 1u << 20, 4, devices, &count), CL_INVALID_DEVICE_TYPE);
    EXPECT_EQ(clGetDeviceIDs(platform, CL_DEVICE_TYPE_ALL, 0, devices, &count), CL_INVALID_VALUE);
    EXPECT_EQ(clGetDeviceIDs(platform, CL_DEVICE_TYPE_ALL, 0, nullptr, nullptr), CL_INVALID_VALUE);
}

// What table 5 of the specification asks of a full profile.
TEST(OpenClDevice, HasWhatAFullProfileNeeds)
{
    const cl_device_id device = the_accelerator();
    EXPECT_GE(value_of<size_t>(clGetDeviceInfo, device, CL_DEVICE_MAX_PARAMETER_SIZE), 1024u);
    EXPECT_GE(value_of<cl_ulong>(clGetDeviceInfo, device, CL_DEVICE_LOCAL_MEM_SIZE), 32u << 10);
    EXPECT_GE(value_of<cl_ulong>(clGetDeviceInfo, device, CL_DEVICE_MAX_CONSTANT_BUFFER_SIZE),
              64u << 10);
    EXPECT_GE(value_of<cl_uint>(clGetDeviceInfo, device, CL_DEVICE_MAX_CONSTANT_ARGS), 8u);
    EXPECT_GE(value_of<size_t>(clGetDeviceInfo, device, CL_DEVICE_PRINTF_BUFFER_SIZE), 1u << 20);
    EXPECT_GE(value_of<cl_uint>(clGetDeviceInfo, device, CL_DEVICE_MEM_BASE_ADDR_ALIGN), 1024u);
    EXPECT_GE(value_of<cl_uint>(clGetDeviceInfo, device, CL_DEVICE_MAX_WORK_ITEM_DIMENSIONS), 3u);
    const auto all = value_of<cl_ulong>(clGetDeviceInfo, device, CL_DEVICE_GLOBAL_MEM_SIZE);
    const auto one = value_of<cl_ulong>(clGetDeviceInfo, device, CL_DEVICE_MAX_MEM_ALLOC_SIZE);
    EXPECT_GE(one, std::max<cl_ulong>(std::min<cl_ulong>(all / 4, 1u << 30), 32u << 20));
    const auto fp =
        value_of<cl_device_fp_config>(clGetDeviceInfo, device, CL_DEVICE_SINGLE_FP_CONFIG);
    EXPECT_EQ(fp & (CL_FP_ROUND_TO_NEAREST | CL_FP_INF_NAN),
              cl_device_fp_config(CL_FP_ROUND_TO_NEAREST | CL_FP_INF_NAN));
    const auto svm =
        value_of<cl_device_svm_capabilities>(clGetDeviceInfo, device, CL_DEVICE_SVM_CAPABILITIES);
    EXPECT_TRUE(svm & CL_DEVICE_SVM_COARSE_GRAIN_BUFFER);
    EXPECT_EQ(clGetDeviceInfo(device, CL_PLATFORM_NAME, 0, nullptr, nullptr), CL_INVALID_VALUE);
    // A version, year, month, day and number: none was passed.
    EXPECT_EQ(text_of(clGetDeviceInfo, device, CL_DEVICE_LATEST_CONFORMANCE_VERSION_PASSED),
              "v0000-01-01-00");
    cl_ulong host = 0, there = 0;
    EXPECT_EQ(clGetDeviceAndHostTimer(device, &there, &host), CL_SUCCESS);
    EXPECT_EQ(clGetDeviceAndHostTimer(device, nullptr, &host), CL_INVALID_VALUE);
    cl_ulong later = 0;
    EXPECT_EQ(clGetHostTimer(device, &later), CL_SUCCESS);
    EXPECT_GE(later, host);
}

TEST(OpenClDevice, IsPartitioned)
{
    const cl_device_id device = the_accelerator();
    const auto units = value_of<cl_uint>(clGetDeviceInfo, device, CL_DEVICE_MAX_COMPUTE_UNITS);
    ASSERT_GE(units, 2u);
    cl_device_id parts[64];
    cl_uint count = 0;
    const cl_device_partition_property equally[] = {CL_DEVICE_PARTITION_EQUALLY, 1, 0};
    ASSERT_EQ(clCreateSubDevices(device, equally, 64, parts, &count), CL_SUCCESS);
    EXPECT_EQ(count, units);
    EXPECT_EQ(value_of<cl_uint>(clGetDeviceInfo, parts[0], CL_DEVICE_MAX_COMPUTE_UNITS), 1u);
    EXPECT_EQ(value_of<cl_device_id>(clGetDeviceInfo, parts[0], CL_DEVICE_PARENT_DEVICE), device);
    EXPECT_EQ(value_of<cl_uint>(clGetDeviceInfo, parts[0], CL_DEVICE_REFERENCE_COUNT), 1u);
    cl_device_partition_property how[3] = {};
    EXPECT_EQ(clGetDeviceInfo(parts[0], CL_DEVICE_PARTITION_TYPE, sizeof how, how, nullptr),
              CL_SUCCESS);
    EXPECT_EQ(std::memcmp(how, equally, sizeof how), 0);
    for (cl_uint i = 0; i < count; i++)
        EXPECT_EQ(clReleaseDevice(parts[i]), CL_SUCCESS);

    const cl_device_partition_property counts[] = {CL_DEVICE_PARTITION_BY_COUNTS, 1, 1,
                                                   CL_DEVICE_PARTITION_BY_COUNTS_LIST_END, 0};
    ASSERT_EQ(clCreateSubDevices(device, counts, 2, parts, &count), CL_SUCCESS);
    EXPECT_EQ(count, 2u);
    EXPECT_EQ(clCreateSubDevices(device, counts, 1, parts, &count), CL_INVALID_VALUE);
    clReleaseDevice(parts[0]);
    clReleaseDevice(parts[1]);
    const cl_device_partition_property many[] = {CL_DEVICE_PARTITION_BY_COUNTS, 1000,
                                                 CL_DEVICE_PARTITION_BY_COUNTS_LIST_END, 0};
    EXPECT_EQ(clCreateSubDevices(device, many, 2, parts, &count),
              CL_INVALID_DEVICE_PARTITION_COUNT);
    // Into parts of more units than there are, and into one part.
    const cl_device_partition_property big[] = {CL_DEVICE_PARTITION_EQUALLY, 1000, 0};
    EXPECT_EQ(clCreateSubDevices(device, big, 2, parts, &count), CL_INVALID_DEVICE_PARTITION_COUNT);
    const cl_device_partition_property whole[] = {CL_DEVICE_PARTITION_EQUALLY, units, 0};
    EXPECT_EQ(clCreateSubDevices(device, whole, 2, parts, &count), CL_DEVICE_PARTITION_FAILED);
    const cl_device_partition_property near[] = {CL_DEVICE_PARTITION_BY_AFFINITY_DOMAIN,
                                                 CL_DEVICE_AFFINITY_DOMAIN_NUMA, 0};
    EXPECT_EQ(clCreateSubDevices(device, near, 2, parts, &count), CL_INVALID_VALUE);
    EXPECT_EQ(clCreateSubDevices(device, nullptr, 2, parts, &count), CL_INVALID_VALUE);
}

TEST_F(OpenCl, TellsOfContexts)
{
    EXPECT_EQ(value_of<cl_uint>(clGetContextInfo, context, CL_CONTEXT_NUM_DEVICES), 2u);
    EXPECT_EQ(value_of<cl_uint>(clGetContextInfo, context, CL_CONTEXT_REFERENCE_COUNT), 1u);
    EXPECT_EQ(clRetainContext(context), CL_SUCCESS);
    EXPECT_EQ(value_of<cl_uint>(clGetContextInfo, context, CL_CONTEXT_REFERENCE_COUNT), 2u);
    EXPECT_EQ(clReleaseContext(context), CL_SUCCESS);
    EXPECT_EQ(clGetContextInfo(context, CL_DEVICE_NAME, 0, nullptr, nullptr), CL_INVALID_VALUE);
    size_t bytes = 1;
    EXPECT_EQ(clGetContextInfo(context, CL_CONTEXT_PROPERTIES, 0, nullptr, &bytes), CL_SUCCESS);
    EXPECT_EQ(bytes, 0u);
}

TEST_F(OpenCl, RefusesContexts)
{
    cl_int error = CL_SUCCESS;
    const auto refused = [&](const cl_context_properties *properties, cl_uint count,
                             const cl_device_id *devices, void *user) {
        EXPECT_EQ(clCreateContext(properties, count, devices, nullptr, user, &error), nullptr);
        return error;
    };
    EXPECT_EQ(refused(nullptr, 0, &device, nullptr), CL_INVALID_VALUE);
    EXPECT_EQ(refused(nullptr, 1, nullptr, nullptr), CL_INVALID_VALUE);
    EXPECT_EQ(refused(nullptr, 1, &device, &error), CL_INVALID_VALUE);
    const auto platform = reinterpret_cast<cl_context_properties>(the_platform());
    const cl_context_properties twice[] = {CL_CONTEXT_PLATFORM, platform, CL_CONTEXT_PLATFORM,
                                           platform, 0};
    EXPECT_EQ(refused(twice, 1, &device, nullptr), CL_INVALID_PROPERTY);
    const cl_context_properties unknown[] = {CL_CONTEXT_PLATFORM, platform, 0x7777, 1, 0};
    EXPECT_EQ(refused(unknown, 1, &device, nullptr), CL_INVALID_PROPERTY);
    const cl_context_properties good[] = {CL_CONTEXT_PLATFORM, platform, 0};
    EXPECT_EQ(clCreateContextFromType(good, CL_DEVICE_TYPE_GPU, nullptr, nullptr, &error), nullptr);
    EXPECT_EQ(error, CL_DEVICE_NOT_FOUND);
    const cl_context made =
        clCreateContextFromType(good, CL_DEVICE_TYPE_ALL, nullptr, nullptr, &error);
    ASSERT_EQ(error, CL_SUCCESS);
    cl_context_properties kept[3] = {};
    EXPECT_EQ(clGetContextInfo(made, CL_CONTEXT_PROPERTIES, sizeof kept, kept, nullptr),
              CL_SUCCESS);
    EXPECT_EQ(std::memcmp(kept, good, sizeof good), 0);
    int called = 0;
    EXPECT_EQ(clSetContextDestructorCallback(
                  made, [](cl_context, void *user) { ++*static_cast<int *>(user); }, &called),
              CL_SUCCESS);
    EXPECT_EQ(clSetContextDestructorCallback(made, nullptr, nullptr), CL_INVALID_VALUE);
    EXPECT_EQ(clReleaseContext(made), CL_SUCCESS);
    EXPECT_EQ(called, 1);
}

TEST_F(OpenCl, TellsOfQueuesAndRefusesThem)
{
    EXPECT_EQ(value_of<cl_context>(clGetCommandQueueInfo, queue, CL_QUEUE_CONTEXT), context);
    EXPECT_EQ(value_of<cl_device_id>(clGetCommandQueueInfo, queue, CL_QUEUE_DEVICE), device);
    EXPECT_EQ(
        value_of<cl_command_queue_properties>(clGetCommandQueueInfo, queue, CL_QUEUE_PROPERTIES),
        cl_command_queue_properties{CL_QUEUE_PROFILING_ENABLE});
    EXPECT_EQ(value_of<cl_command_queue>(clGetCommandQueueInfo, queue, CL_QUEUE_DEVICE_DEFAULT),
              nullptr);
    cl_uint size = 0;
    EXPECT_EQ(clGetCommandQueueInfo(queue, CL_QUEUE_SIZE, sizeof size, &size, nullptr),
              CL_INVALID_COMMAND_QUEUE);
    EXPECT_EQ(clGetCommandQueueInfo(queue, CL_DEVICE_NAME, 0, nullptr, nullptr), CL_INVALID_VALUE);
    size_t bytes = 0;
    EXPECT_EQ(clGetCommandQueueInfo(queue, CL_QUEUE_PROPERTIES_ARRAY, 0, nullptr, &bytes),
              CL_SUCCESS);
    EXPECT_EQ(bytes, 3 * sizeof(cl_queue_properties));

    cl_int error = CL_SUCCESS;
    const auto refused = [&](std::initializer_list<cl_queue_properties> list) {
        EXPECT_EQ(clCreateCommandQueueWithProperties(context, device, list.begin(), &error),
                  nullptr);
        return error;
    };
    EXPECT_EQ(refused({0x7777, 1, 0}), CL_INVALID_VALUE);
    EXPECT_EQ(refused({CL_QUEUE_PROPERTIES, 1u << 20, 0}), CL_INVALID_VALUE);
    EXPECT_EQ(refused({CL_QUEUE_PROPERTIES,
                       CL_QUEUE_ON_DEVICE | CL_QUEUE_OUT_OF_ORDER_EXEC_MODE_ENABLE, 0}),
              CL_INVALID_QUEUE_PROPERTIES);
    EXPECT_EQ(refused({CL_QUEUE_SIZE, 1024, 0}), CL_INVALID_VALUE);
    EXPECT_EQ(clCreateCommandQueue(context, device, 1u << 20, &error), nullptr);
    EXPECT_EQ(error, CL_INVALID_VALUE);
    EXPECT_EQ(clSetDefaultDeviceCommandQueue(context, device, queue), CL_INVALID_OPERATION);
}

TEST_F(OpenCl, HasNoImages)
{
    cl_int error = CL_SUCCESS;
    const cl_image_format format = {CL_RGBA, CL_UNORM_INT8};
    cl_image_desc how = {};
    how.image_type = CL_MEM_OBJECT_IMAGE2D;
    how.image_width = how.image_height = 4;
    EXPECT_EQ(clCreateImage(context, CL_MEM_READ_WRITE, &format, &how, nullptr, &error), nullptr);
    EXPECT_EQ(error, CL_INVALID_OPERATION);
    EXPECT_EQ(clCreateSampler(context, CL_TRUE, CL_ADDRESS_NONE, CL_FILTER_NEAREST, &error),
              nullptr);
    EXPECT_EQ(error, CL_INVALID_OPERATION);
    EXPECT_EQ(clCreatePipe(context, 0, 4, 4, nullptr, &error), nullptr);
    EXPECT_EQ(error, CL_INVALID_OPERATION);
    cl_uint count = 1;
    EXPECT_EQ(clGetSupportedImageFormats(context, CL_MEM_READ_WRITE, CL_MEM_OBJECT_IMAGE2D, 0,
                                         nullptr, &count),
              CL_SUCCESS);
    EXPECT_EQ(count, 0u);
}

} // namespace
} // namespace acc::test
