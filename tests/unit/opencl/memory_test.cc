// SPDX-License-Identifier: MIT
//
// Buffers, sub-buffers, transfers, maps and shared virtual memory.
#include "fixture.h"

#include <numeric>

namespace acc::test
{
namespace
{

TEST_F(OpenCl, RefusesBuffers)
{
    cl_int error = CL_SUCCESS;
    int host[4] = {};
    const auto refused = [&](cl_mem_flags flags, size_t bytes, void *pointer) {
        EXPECT_EQ(clCreateBuffer(context, flags, bytes, pointer, &error), nullptr);
        return error;
    };
    EXPECT_EQ(refused(0, 0, nullptr), CL_INVALID_BUFFER_SIZE);
    EXPECT_EQ(refused(0, SIZE_MAX, nullptr), CL_INVALID_BUFFER_SIZE);
    EXPECT_EQ(refused(1u << 31, 4, nullptr), CL_INVALID_VALUE);
    EXPECT_EQ(refused(CL_MEM_READ_ONLY | CL_MEM_WRITE_ONLY, 4, nullptr), CL_INVALID_VALUE);
    EXPECT_EQ(refused(CL_MEM_USE_HOST_PTR | CL_MEM_COPY_HOST_PTR, 4, host), CL_INVALID_VALUE);
    EXPECT_EQ(refused(CL_MEM_HOST_READ_ONLY | CL_MEM_HOST_NO_ACCESS, 4, nullptr), CL_INVALID_VALUE);
    EXPECT_EQ(refused(CL_MEM_USE_HOST_PTR, 4, nullptr), CL_INVALID_HOST_PTR);
    EXPECT_EQ(refused(CL_MEM_READ_WRITE, 4, host), CL_INVALID_HOST_PTR);
    const cl_mem_properties unknown[] = {0x7777, 1, 0};
    EXPECT_EQ(clCreateBufferWithProperties(context, unknown, 0, 4, nullptr, &error), nullptr);
    EXPECT_EQ(error, CL_INVALID_PROPERTY);
}

TEST_F(OpenCl, TellsOfBuffers)
{
    int host[4] = {1, 2, 3, 4};
    const cl_mem used = buffer(sizeof host, CL_MEM_USE_HOST_PTR, host);
    EXPECT_EQ(value_of<cl_mem_flags>(clGetMemObjectInfo, used, CL_MEM_FLAGS),
              cl_mem_flags(CL_MEM_USE_HOST_PTR | CL_MEM_READ_WRITE));
    EXPECT_EQ(value_of<size_t>(clGetMemObjectInfo, used, CL_MEM_SIZE), sizeof host);
    EXPECT_EQ(value_of<void *>(clGetMemObjectInfo, used, CL_MEM_HOST_PTR), host);
    EXPECT_EQ(value_of<cl_uint>(clGetMemObjectInfo, used, CL_MEM_MAP_COUNT), 0u);
    EXPECT_EQ(value_of<cl_mem>(clGetMemObjectInfo, used, CL_MEM_ASSOCIATED_MEMOBJECT), nullptr);
    EXPECT_EQ(value_of<cl_mem_object_type>(clGetMemObjectInfo, used, CL_MEM_TYPE),
              cl_mem_object_type{CL_MEM_OBJECT_BUFFER});
    EXPECT_EQ(value_of<cl_bool>(clGetMemObjectInfo, used, CL_MEM_USES_SVM_POINTER),
              cl_bool{CL_FALSE});
    EXPECT_EQ(clGetMemObjectInfo(used, CL_DEVICE_NAME, 0, nullptr, nullptr), CL_INVALID_VALUE);
    const cl_mem copied = buffer(sizeof host, CL_MEM_COPY_HOST_PTR, host);
    EXPECT_EQ(value_of<void *>(clGetMemObjectInfo, copied, CL_MEM_HOST_PTR), nullptr);
}

TEST_F(OpenCl, CallsDestructorsLastFirst)
{
    cl_int error = CL_SUCCESS;
    std::string calls;
    const cl_mem memory = clCreateBuffer(context, 0, 16, nullptr, &error);
    ASSERT_EQ(
        clSetMemObjectDestructorCallback(
            memory, [](cl_mem, void *user) { *static_cast<std::string *>(user) += 'a'; }, &calls),
        CL_SUCCESS);
    ASSERT_EQ(
        clSetMemObjectDestructorCallback(
            memory, [](cl_mem, void *user) { *static_cast<std::string *>(user) += 'b'; }, &calls),
        CL_SUCCESS);
    EXPECT_EQ(clSetMemObjectDestructorCallback(memory, nullptr, nullptr), CL_INVALID_VALUE);
    EXPECT_EQ(clReleaseMemObject(memory), CL_SUCCESS);
    EXPECT_EQ(calls, "ba");
}

TEST_F(OpenCl, MakesSubBuffers)
{
    std::vector<int> values(256);
    std::iota(values.begin(), values.end(), 0);
    const cl_mem parent = buffer_of(values);
    cl_int error = CL_SUCCESS;
    const cl_buffer_region region = {128, 64};
    const cl_mem part = clCreateSubBuffer(parent, 0, CL_BUFFER_CREATE_TYPE_REGION, &region, &error);
    ASSERT_EQ(error, CL_SUCCESS);
    EXPECT_EQ(value_of<size_t>(clGetMemObjectInfo, part, CL_MEM_OFFSET), 128u);
    EXPECT_EQ(value_of<cl_mem>(clGetMemObjectInfo, part, CL_MEM_ASSOCIATED_MEMOBJECT), parent);
    EXPECT_EQ(contents<int>(part, 1)[0], 32);
    const auto refused = [&](cl_mem from, cl_mem_flags flags, cl_buffer_region of) {
        EXPECT_EQ(clCreateSubBuffer(from, flags, CL_BUFFER_CREATE_TYPE_REGION, &of, &error),
                  nullptr);
        return error;
    };
    EXPECT_EQ(refused(parent, 0, {4, 4}), CL_MISALIGNED_SUB_BUFFER_OFFSET);
    EXPECT_EQ(refused(parent, 0, {0, 0}), CL_INVALID_BUFFER_SIZE);
    EXPECT_EQ(refused(parent, 0, {0, 2048}), CL_INVALID_VALUE);
    EXPECT_EQ(refused(parent, CL_MEM_USE_HOST_PTR, {0, 4}), CL_INVALID_VALUE);
    EXPECT_EQ(refused(part, 0, {0, 4}), CL_INVALID_MEM_OBJECT);
    const cl_mem read_only = buffer(256, CL_MEM_READ_ONLY);
    EXPECT_EQ(refused(read_only, CL_MEM_READ_WRITE, {0, 4}), CL_INVALID_VALUE);
    EXPECT_EQ(clCreateSubBuffer(parent, 0, 0, &region, &error), nullptr);
    EXPECT_EQ(error, CL_INVALID_VALUE);
    EXPECT_EQ(clReleaseMemObject(part), CL_SUCCESS);
}

TEST_F(OpenCl, RefusesTransfers)
{
    const cl_mem memory = buffer(64), silent = buffer(64, CL_MEM_HOST_NO_ACCESS);
    char host[64] = {};
    const auto read = [&](cl_mem from, size_t offset, size_t bytes, void *to) {
        return clEnqueueReadBuffer(queue, from, CL_TRUE, offset, bytes, to, 0, nullptr, nullptr);
    };
    EXPECT_EQ(read(memory, 32, 33, host), CL_INVALID_VALUE);
    EXPECT_EQ(read(memory, SIZE_MAX, 2, host), CL_INVALID_VALUE);
    EXPECT_EQ(read(memory, 0, 4, nullptr), CL_INVALID_VALUE);
    EXPECT_EQ(read(silent, 0, 4, host), CL_INVALID_OPERATION);
    EXPECT_EQ(clEnqueueWriteBuffer(queue, silent, CL_TRUE, 0, 4, host, 0, nullptr, nullptr),
              CL_INVALID_OPERATION);
    EXPECT_EQ(clEnqueueReadBuffer(queue, memory, CL_TRUE, 0, 4, host, 1, nullptr, nullptr),
              CL_INVALID_EVENT_WAIT_LIST);
    const cl_event none = nullptr;
    EXPECT_EQ(clEnqueueReadBuffer(queue, memory, CL_TRUE, 0, 4, host, 1, &none, nullptr),
              CL_INVALID_EVENT_WAIT_LIST);
    EXPECT_EQ(clEnqueueCopyBuffer(queue, memory, memory, 0, 8, 16, 0, nullptr, nullptr),
              CL_MEM_COPY_OVERLAP);
    EXPECT_EQ(clEnqueueCopyBuffer(queue, memory, memory, 0, 60, 8, 0, nullptr, nullptr),
              CL_INVALID_VALUE);
    const auto fill = [&](size_t pattern, size_t offset, size_t bytes) {
        return clEnqueueFillBuffer(queue, memory, host, pattern, offset, bytes, 0, nullptr,
                                   nullptr);
    };
    EXPECT_EQ(fill(3, 0, 3), CL_INVALID_VALUE);
    EXPECT_EQ(fill(0, 0, 4), CL_INVALID_VALUE);
    EXPECT_EQ(fill(4, 2, 4), CL_INVALID_VALUE);
    EXPECT_EQ(fill(4, 0, 6), CL_INVALID_VALUE);
    EXPECT_EQ(fill(4, 64, 4), CL_INVALID_VALUE);
    EXPECT_EQ(clEnqueueMigrateMemObjects(queue, 0, &memory, 0, 0, nullptr, nullptr),
              CL_INVALID_VALUE);
    EXPECT_EQ(clEnqueueMigrateMemObjects(queue, 1, &memory, 1u << 20, 0, nullptr, nullptr),
              CL_INVALID_VALUE);
    EXPECT_EQ(clEnqueueMigrateMemObjects(queue, 1, &memory, CL_MIGRATE_MEM_OBJECT_HOST, 0, nullptr,
                                         nullptr),
              CL_SUCCESS);
    cl_int error = CL_SUCCESS;
    const cl_context other = clCreateContext(nullptr, 1, &device, nullptr, nullptr, &error);
    const cl_mem foreign = clCreateBuffer(other, 0, 64, nullptr, &error);
    EXPECT_EQ(read(foreign, 0, 4, host), CL_INVALID_CONTEXT);
    clReleaseMemObject(foreign);
    clReleaseContext(other);
}

TEST_F(OpenCl, FillsAndCopies)
{
    const cl_mem memory = buffer(64);
    const int pattern = 0x01020304;
    EXPECT_EQ(clEnqueueFillBuffer(queue, memory, &pattern, 4, 16, 16, 0, nullptr, nullptr),
              CL_SUCCESS);
    EXPECT_EQ(clEnqueueCopyBuffer(queue, memory, memory, 16, 40, 8, 0, nullptr, nullptr),
              CL_SUCCESS);
    const auto found = contents<int>(memory, 16);
    std::vector<int> expected(16);
    for (const size_t i : {4, 5, 6, 7, 10, 11})
        expected[i] = pattern;
    EXPECT_EQ(found, expected);
}

TEST_F(OpenCl, CopiesBoxes)
{
    std::vector<char> values(4 * 8 * 8);
    std::iota(values.begin(), values.end(), 0);
    const cl_mem memory = buffer_of(values);
    const size_t origin[] = {2, 1, 1}, start[] = {0, 0, 0}, region[] = {3, 2, 2};
    std::vector<char> out(12);
    ASSERT_EQ(clEnqueueReadBufferRect(queue, memory, CL_TRUE, origin, start, region, 8, 64, 0, 0,
                                      out.data(), 0, nullptr, nullptr),
              CL_SUCCESS);
    std::vector<char> expected;
    for (int z = 1; z < 3; z++)
        for (int y = 1; y < 3; y++)
            for (int x = 2; x < 5; x++)
                expected.push_back(static_cast<char>(z * 64 + y * 8 + x));
    EXPECT_EQ(out, expected);
    const auto read = [&](const size_t *box, size_t row, size_t slice) {
        return clEnqueueReadBufferRect(queue, memory, CL_TRUE, origin, start, box, row, slice, 0, 0,
                                       out.data(), 0, nullptr, nullptr);
    };
    const size_t empty[] = {3, 0, 2}, tall[] = {3, 2, 9};
    EXPECT_EQ(read(empty, 8, 64), CL_INVALID_VALUE);
    EXPECT_EQ(read(region, 2, 64), CL_INVALID_VALUE);
    EXPECT_EQ(read(region, 8, 15), CL_INVALID_VALUE);
    EXPECT_EQ(read(region, 8, 65), CL_INVALID_VALUE);
    EXPECT_EQ(read(tall, 8, 64), CL_INVALID_VALUE);
    const auto copy = [&](const size_t *from, const size_t *to) {
        return clEnqueueCopyBufferRect(queue, memory, memory, from, to, region, 8, 64, 8, 64, 0,
                                       nullptr, nullptr);
    };
    const size_t near[] = {4, 1, 1}, beside[] = {5, 1, 1}, below[] = {2, 3, 1};
    EXPECT_EQ(copy(origin, near), CL_MEM_COPY_OVERLAP);
    EXPECT_EQ(copy(origin, beside), CL_SUCCESS);
    EXPECT_EQ(copy(origin, below), CL_SUCCESS);
    EXPECT_EQ(clEnqueueCopyBufferRect(queue, memory, memory, origin, below, region, 8, 64, 16, 64,
                                      0, nullptr, nullptr),
              CL_INVALID_VALUE);
    ASSERT_EQ(clFinish(queue), CL_SUCCESS);
    EXPECT_EQ(contents<char>(memory, 256)[64 + 3 * 8 + 2], 64 + 8 + 2);
}

TEST_F(OpenCl, MapsBuffers)
{
    std::vector<int> values = {1, 2, 3, 4};
    cl_int error = CL_SUCCESS;
    for (const cl_mem_flags flags : {CL_MEM_COPY_HOST_PTR, CL_MEM_USE_HOST_PTR}) {
        const cl_mem memory = buffer(16, flags, values.data());
        const int nine = 9;
        ASSERT_EQ(clEnqueueFillBuffer(queue, memory, &nine, 4, 0, 4, 0, nullptr, nullptr),
                  CL_SUCCESS);
        auto *const mapped = static_cast<int *>(clEnqueueMapBuffer(
            queue, memory, CL_TRUE, CL_MAP_READ | CL_MAP_WRITE, 0, 8, 0, nullptr, nullptr, &error));
        ASSERT_EQ(error, CL_SUCCESS);
        if (flags == CL_MEM_USE_HOST_PTR) {
            EXPECT_EQ(mapped, values.data());
        }
        EXPECT_EQ(value_of<cl_uint>(clGetMemObjectInfo, memory, CL_MEM_MAP_COUNT), 1u);
        EXPECT_EQ(mapped[0], 9);
        mapped[1] = 7;
        EXPECT_EQ(clEnqueueUnmapMemObject(queue, memory, mapped + 1, 0, nullptr, nullptr),
                  CL_INVALID_VALUE);
        EXPECT_EQ(clEnqueueUnmapMemObject(queue, memory, mapped, 0, nullptr, nullptr), CL_SUCCESS);
        EXPECT_EQ(clEnqueueUnmapMemObject(queue, memory, mapped, 0, nullptr, nullptr),
                  CL_INVALID_VALUE);
        EXPECT_EQ(contents<int>(memory, 4), (std::vector<int>{9, 7, 3, 4}));
    }
    const cl_mem writable = buffer(16, CL_MEM_HOST_WRITE_ONLY);
    const auto refused = [&](cl_map_flags flags, size_t offset, size_t bytes) {
        EXPECT_EQ(clEnqueueMapBuffer(queue, writable, CL_TRUE, flags, offset, bytes, 0, nullptr,
                                     nullptr, &error),
                  nullptr);
        return error;
    };
    EXPECT_EQ(refused(CL_MAP_READ, 0, 4), CL_INVALID_OPERATION);
    EXPECT_EQ(refused(CL_MAP_WRITE, 0, 17), CL_INVALID_VALUE);
    EXPECT_EQ(refused(CL_MAP_WRITE, 0, 0), CL_INVALID_VALUE);
    EXPECT_EQ(refused(1u << 20, 0, 4), CL_INVALID_VALUE);
    EXPECT_EQ(refused(CL_MAP_READ | CL_MAP_WRITE_INVALIDATE_REGION, 0, 4), CL_INVALID_VALUE);
}

TEST_F(OpenCl, SharesVirtualMemory)
{
    auto *const a = static_cast<float *>(clSVMAlloc(context, CL_MEM_READ_WRITE, 64, 0));
    ASSERT_NE(a, nullptr);
    EXPECT_EQ(clSVMAlloc(context, CL_MEM_READ_WRITE, 0, 0), nullptr);
    EXPECT_EQ(clSVMAlloc(context, CL_MEM_READ_WRITE, 64, 3), nullptr);
    EXPECT_EQ(clSVMAlloc(context, CL_MEM_SVM_FINE_GRAIN_BUFFER, 64, 0), nullptr);
    for (int i = 0; i < 16; i++)
        a[i] = static_cast<float>(i);
    const cl_kernel add = built_in("acc_add_f32");
    const cl_ulong count = 16;
    for (cl_uint i = 0; i < 3; i++)
        EXPECT_EQ(clSetKernelArgSVMPointer(add, i, a), CL_SUCCESS);
    EXPECT_EQ(clSetKernelArgSVMPointer(add, 0, &count), CL_INVALID_ARG_VALUE);
    EXPECT_EQ(clSetKernelArgSVMPointer(add, 9, a), CL_INVALID_ARG_INDEX);
    set_args(add, 3, count, count);
    ASSERT_EQ(clEnqueueNDRangeKernel(queue, add, 1, nullptr, &one, nullptr, 0, nullptr, nullptr),
              CL_SUCCESS);
    ASSERT_EQ(clEnqueueSVMMap(queue, CL_TRUE, CL_MAP_READ, a, 64, 0, nullptr, nullptr), CL_SUCCESS);
    EXPECT_EQ(a[5], 10.f);
    EXPECT_EQ(clEnqueueSVMUnmap(queue, a, 0, nullptr, nullptr), CL_SUCCESS);
    const float half = 0.5f;
    EXPECT_EQ(clEnqueueSVMMemFill(queue, a, &half, 4, 32, 0, nullptr, nullptr), CL_SUCCESS);
    EXPECT_EQ(clEnqueueSVMMemcpy(queue, CL_TRUE, a + 8, a, 32, 0, nullptr, nullptr), CL_SUCCESS);
    EXPECT_EQ(a[15], 0.5f);
    EXPECT_EQ(clEnqueueSVMMemcpy(queue, CL_TRUE, a + 1, a, 32, 0, nullptr, nullptr),
              CL_MEM_COPY_OVERLAP);
    EXPECT_EQ(clEnqueueSVMMemFill(queue, a, &half, 3, 33, 0, nullptr, nullptr), CL_INVALID_VALUE);
    EXPECT_EQ(clEnqueueSVMMap(queue, CL_TRUE, CL_MAP_READ, nullptr, 4, 0, nullptr, nullptr),
              CL_INVALID_VALUE);
    const void *list[] = {a};
    EXPECT_EQ(clEnqueueSVMMigrateMem(queue, 1, list, nullptr, 0, 0, nullptr, nullptr), CL_SUCCESS);
    const void *bad[] = {&count};
    EXPECT_EQ(clEnqueueSVMMigrateMem(queue, 1, bad, nullptr, 0, 0, nullptr, nullptr),
              CL_INVALID_VALUE);
    // A buffer of it is the same memory.
    const cl_mem over = buffer(64, CL_MEM_USE_HOST_PTR, a);
    EXPECT_EQ(value_of<cl_bool>(clGetMemObjectInfo, over, CL_MEM_USES_SVM_POINTER),
              cl_bool{CL_TRUE});
    cl_int error = CL_SUCCESS;
    EXPECT_EQ(clCreateBuffer(context, CL_MEM_USE_HOST_PTR, 128, a, &error), nullptr);
    EXPECT_EQ(error, CL_INVALID_BUFFER_SIZE);
    void *to_free[] = {a};
    EXPECT_EQ(clEnqueueSVMFree(queue, 1, to_free, nullptr, nullptr, 0, nullptr, nullptr),
              CL_SUCCESS);
    EXPECT_EQ(clEnqueueSVMFree(queue, 1, nullptr, nullptr, nullptr, 0, nullptr, nullptr),
              CL_INVALID_VALUE);
}

TEST_F(OpenCl, AllocatesUnifiedSharedMemory)
{
    const auto alloc = reinterpret_cast<clSharedMemAllocINTEL_fn>(
        clGetExtensionFunctionAddressForPlatform(the_platform(), "clSharedMemAllocINTEL"));
    const auto end = reinterpret_cast<clMemFreeINTEL_fn>(
        clGetExtensionFunctionAddressForPlatform(the_platform(), "clMemFreeINTEL"));
    const auto info = reinterpret_cast<clGetMemAllocInfoINTEL_fn>(
        clGetExtensionFunctionAddressForPlatform(the_platform(), "clGetMemAllocInfoINTEL"));
    ASSERT_TRUE(alloc && end && info);
    cl_int error = CL_SUCCESS;
    auto *const a = static_cast<char *>(alloc(context, device, nullptr, 100, 0, &error));
    ASSERT_EQ(error, CL_SUCCESS);
    cl_unified_shared_memory_type_intel type = 0;
    EXPECT_EQ(info(context, a + 50, CL_MEM_ALLOC_TYPE_INTEL, sizeof type, &type, nullptr),
              CL_SUCCESS);
    EXPECT_EQ(type, cl_unified_shared_memory_type_intel{CL_MEM_TYPE_SHARED_INTEL});
    void *base = nullptr;
    EXPECT_EQ(info(context, a + 50, CL_MEM_ALLOC_BASE_PTR_INTEL, sizeof base, &base, nullptr),
              CL_SUCCESS);
    EXPECT_EQ(base, a);
    EXPECT_EQ(alloc(context, device, nullptr, 0, 0, &error), nullptr);
    EXPECT_EQ(error, CL_INVALID_BUFFER_SIZE);
    EXPECT_EQ(end(context, a), CL_SUCCESS);
    EXPECT_EQ(end(context, &error), CL_INVALID_VALUE);
}

} // namespace
} // namespace acc::test
