// SPDX-License-Identifier: MIT
//
// Codes of buffers, of the commands on them, and of shared virtual memory.
#include "codes.h"

#include <algorithm>

namespace acc::test
{
namespace
{

// What every command on memory has in common; each is called with nothing else wrong.
struct Command {
    const char *name;
    std::function<cl_int(cl_command_queue, cl_mem, cl_uint, const cl_event *)> call;
};

} // namespace

void OpenClCodes::add_buffers()
{
    const auto no_context = not_a<cl_context>();
    const auto no_memory = not_a<cl_mem>();
    const size_t most = value_of<cl_ulong>(clGetDeviceInfo, device, CL_DEVICE_MAX_MEM_ALLOC_SIZE);
    const cl_mem_properties strange[] = {0x7777, 1, 0};
    for (const cl_mem_properties *const list : {static_cast<const cl_mem_properties *>(nullptr)}) {
        MAKES(CL_INVALID_CONTEXT, clCreateBufferWithProperties, no_context, list, 0, 64, nullptr);
        MAKES(CL_INVALID_VALUE, clCreateBufferWithProperties, context, list,
              CL_MEM_READ_ONLY | CL_MEM_WRITE_ONLY, 64, nullptr);
        MAKES(CL_INVALID_BUFFER_SIZE, clCreateBufferWithProperties, context, list, 0, 0, nullptr);
        MAKES(CL_INVALID_HOST_PTR, clCreateBufferWithProperties, context, list, 0, 64, host);
    }
    MAKES(CL_INVALID_PROPERTY, clCreateBufferWithProperties, context, strange, 0, 64, nullptr);
    MAKES(CL_INVALID_CONTEXT, clCreateBuffer, no_context, 0, 64, nullptr);
    for (const cl_mem_flags flags :
         {CL_MEM_READ_WRITE | CL_MEM_READ_ONLY, CL_MEM_READ_ONLY | CL_MEM_WRITE_ONLY,
          CL_MEM_USE_HOST_PTR | CL_MEM_ALLOC_HOST_PTR, CL_MEM_USE_HOST_PTR | CL_MEM_COPY_HOST_PTR,
          CL_MEM_HOST_READ_ONLY | CL_MEM_HOST_WRITE_ONLY,
          CL_MEM_HOST_READ_ONLY | CL_MEM_HOST_NO_ACCESS, 1 << 30})
        MAKES(CL_INVALID_VALUE, clCreateBuffer, context, flags, 64, host);
    MAKES(CL_INVALID_BUFFER_SIZE, clCreateBuffer, context, 0, 0, nullptr);
    MAKES(CL_INVALID_BUFFER_SIZE, clCreateBuffer, context, 0, most + 1, nullptr);
    MAKES(CL_INVALID_BUFFER_SIZE, clCreateBuffer, context, CL_MEM_USE_HOST_PTR, 512, svm);
    MAKES(CL_INVALID_HOST_PTR, clCreateBuffer, context, CL_MEM_USE_HOST_PTR, 64, nullptr);
    MAKES(CL_INVALID_HOST_PTR, clCreateBuffer, context, CL_MEM_COPY_HOST_PTR, 64, nullptr);
    MAKES(CL_INVALID_HOST_PTR, clCreateBuffer, context, CL_MEM_ALLOC_HOST_PTR, 64, host);

    const cl_mem part = [&] {
        const cl_buffer_region region = {0, 128};
        cl_int error = CL_SUCCESS;
        const cl_mem made =
            clCreateSubBuffer(memory, 0, CL_BUFFER_CREATE_TYPE_REGION, &region, &error);
        EXPECT_EQ(error, CL_SUCCESS);
        return keep(made);
    }();
    const cl_mem reads = buffer(256, CL_MEM_READ_ONLY), writes = buffer(256, CL_MEM_WRITE_ONLY),
                 host_reads = buffer(256, CL_MEM_HOST_READ_ONLY);
    const cl_buffer_region region = {0, 128}, nothing = {0, 0}, behind = {128, 129}, odd = {1, 8};
    const cl_buffer_create_type type = CL_BUFFER_CREATE_TYPE_REGION;
    MAKES(CL_INVALID_MEM_OBJECT, clCreateSubBuffer, no_memory, 0, type, &region);
    MAKES(CL_INVALID_MEM_OBJECT, clCreateSubBuffer, part, 0, type, &region);
    MAKES(CL_INVALID_VALUE, clCreateSubBuffer, reads, CL_MEM_READ_WRITE, type, &region);
    MAKES(CL_INVALID_VALUE, clCreateSubBuffer, writes, CL_MEM_READ_ONLY, type, &region);
    MAKES(CL_INVALID_VALUE, clCreateSubBuffer, host_reads, CL_MEM_HOST_WRITE_ONLY, type, &region);
    MAKES(CL_INVALID_VALUE, clCreateSubBuffer, memory, CL_MEM_COPY_HOST_PTR, type, &region);
    MAKES(CL_INVALID_VALUE, clCreateSubBuffer, memory, 0, 0, &region);
    MAKES(CL_INVALID_VALUE, clCreateSubBuffer, memory, 0, type, nullptr);
    MAKES(CL_INVALID_VALUE, clCreateSubBuffer, memory, 0, type, &behind);
    MAKES(CL_INVALID_BUFFER_SIZE, clCreateSubBuffer, memory, 0, type, &nothing);
    MAKES(CL_MISALIGNED_SUB_BUFFER_OFFSET, clCreateSubBuffer, memory, 0, type, &odd);
    never({"clCreateBuffer", "clCreateBufferWithProperties", "clCreateSubBuffer"},
          {CL_MEM_OBJECT_ALLOCATION_FAILURE},
          "the host's memory is given when it is touched, and parts need none");

    const auto none = [](cl_mem, void *) {};
    char small[1] = {};
    GIVES(CL_INVALID_MEM_OBJECT, clRetainMemObject, no_memory);
    GIVES(CL_INVALID_MEM_OBJECT, clReleaseMemObject, no_memory);
    GIVES(CL_INVALID_MEM_OBJECT, clGetMemObjectInfo, no_memory, CL_MEM_SIZE, 0, nullptr, nullptr);
    GIVES(CL_INVALID_VALUE, clGetMemObjectInfo, memory, CL_DEVICE_NAME, 0, nullptr, nullptr);
    GIVES(CL_INVALID_VALUE, clGetMemObjectInfo, memory, CL_MEM_SIZE, 1, small, nullptr);
    GIVES(CL_INVALID_MEM_OBJECT, clSetMemObjectDestructorCallback, no_memory, none, nullptr);
    GIVES(CL_INVALID_VALUE, clSetMemObjectDestructorCallback, memory, nullptr, nullptr);
}

void OpenClCodes::add_transfers()
{
    using Queue = cl_command_queue;
    using Events = const cl_event *;
    const size_t at[] = {0, 0, 0}, box[] = {4, 4, 4}, flat[] = {4, 4, 0}, big[] = {300, 1, 1};
    static const int pattern = 1;
    char *const to = host;
    const cl_mem target = second;
    const auto nothing = [](void *) {};
    const std::vector<Command> commands = {
        {"clEnqueueReadBuffer",
         [to](Queue q, cl_mem m, cl_uint n, Events e) {
             return clEnqueueReadBuffer(q, m, CL_TRUE, 0, 4, to, n, e, nullptr);
         }},
        {"clEnqueueWriteBuffer",
         [to](Queue q, cl_mem m, cl_uint n, Events e) {
             return clEnqueueWriteBuffer(q, m, CL_TRUE, 0, 4, to, n, e, nullptr);
         }},
        {"clEnqueueReadBufferRect",
         [=](Queue q, cl_mem m, cl_uint n, Events e) {
             return clEnqueueReadBufferRect(q, m, CL_TRUE, at, at, box, 0, 0, 0, 0, to, n, e,
                                            nullptr);
         }},
        {"clEnqueueWriteBufferRect",
         [=](Queue q, cl_mem m, cl_uint n, Events e) {
             return clEnqueueWriteBufferRect(q, m, CL_TRUE, at, at, box, 0, 0, 0, 0, to, n, e,
                                             nullptr);
         }},
        {"clEnqueueCopyBuffer",
         [=](Queue q, cl_mem m, cl_uint n, Events e) {
             return clEnqueueCopyBuffer(q, m, target, 0, 0, 4, n, e, nullptr);
         }},
        {"clEnqueueCopyBufferRect",
         [=](Queue q, cl_mem m, cl_uint n, Events e) {
             return clEnqueueCopyBufferRect(q, m, target, at, at, box, 0, 0, 0, 0, n, e, nullptr);
         }},
        {"clEnqueueFillBuffer",
         [](Queue q, cl_mem m, cl_uint n, Events e) {
             return clEnqueueFillBuffer(q, m, &pattern, 4, 0, 4, n, e, nullptr);
         }},
        {"clEnqueueMapBuffer",
         [](Queue q, cl_mem m, cl_uint n, Events e) {
             cl_int error = CL_SUCCESS;
             (void)clEnqueueMapBuffer(q, m, CL_TRUE, CL_MAP_READ, 0, 4, n, e, nullptr, &error);
             return error;
         }},
        {"clEnqueueUnmapMemObject",
         [to](Queue q, cl_mem m, cl_uint n, Events e) {
             return clEnqueueUnmapMemObject(q, m, to, n, e, nullptr);
         }},
        {"clEnqueueMigrateMemObjects",
         [](Queue q, cl_mem m, cl_uint n, Events e) {
             return clEnqueueMigrateMemObjects(q, 1, &m, 0, n, e, nullptr);
         }},
        {"clEnqueueNativeKernel",
         [nothing, to](Queue q, cl_mem m, cl_uint n, Events e) {
             const void *place = to;
             return clEnqueueNativeKernel(q, nothing, to, 8, 1, &m, &place, n, e, nullptr);
         }},
    };
    const auto no_queue = not_a<Queue>();
    const auto no_memory = not_a<cl_mem>();
    const auto no_event = not_a<cl_event>();
    const cl_event first = good, alien = foreign_event;
    for (const Command &one : commands) {
        const auto call = one.call;
        const auto wants = [&](cl_int code, Queue q, cl_mem m, cl_uint n,
                               std::vector<cl_event> list, bool has_list) {
            table.push_back(
                {one.name, code, [=] { return call(q, m, n, has_list ? list.data() : nullptr); }});
        };
        wants(CL_INVALID_COMMAND_QUEUE, no_queue, memory, 0, {}, false);
        wants(CL_INVALID_MEM_OBJECT, queue, no_memory, 0, {}, false);
        wants(CL_INVALID_CONTEXT, queue, foreign, 0, {}, false);
        wants(CL_INVALID_CONTEXT, queue, memory, 2, {first, alien}, true);
        wants(CL_INVALID_EVENT_WAIT_LIST, queue, memory, 1, {}, false);
        wants(CL_INVALID_EVENT_WAIT_LIST, queue, memory, 0, {first}, true);
        wants(CL_INVALID_EVENT_WAIT_LIST, queue, memory, 1, {no_event}, true);
    }
    const cl_event bad = failed;
    for (const Command &one : commands) {
        const std::string name = one.name;
        if (name != "clEnqueueMapBuffer" && name.find("Read") == name.npos &&
            name.find("Write") == name.npos)
            continue;
        const auto call = one.call;
        table.push_back({name, CL_EXEC_STATUS_ERROR_FOR_EVENTS_IN_WAIT_LIST,
                         [=, this] { return call(queue, memory, 1, &bad); }});
    }

    const cl_mem hidden = buffer(256, CL_MEM_HOST_NO_ACCESS),
                 shown = buffer(256, CL_MEM_HOST_READ_ONLY),
                 written = buffer(256, CL_MEM_HOST_WRITE_ONLY);
    for (const cl_mem one : {hidden, written}) {
        GIVES(CL_INVALID_OPERATION, clEnqueueReadBuffer, queue, one, CL_TRUE, 0, 4, host, 0,
              nullptr, nullptr);
        GIVES(CL_INVALID_OPERATION, clEnqueueReadBufferRect, queue, one, CL_TRUE, at, at, box, 0, 0,
              0, 0, host, 0, nullptr, nullptr);
        MAKES(CL_INVALID_OPERATION, clEnqueueMapBuffer, queue, one, CL_TRUE, CL_MAP_READ, 0, 4, 0,
              nullptr, nullptr);
    }
    for (const cl_mem one : {hidden, shown}) {
        GIVES(CL_INVALID_OPERATION, clEnqueueWriteBuffer, queue, one, CL_TRUE, 0, 4, host, 0,
              nullptr, nullptr);
        GIVES(CL_INVALID_OPERATION, clEnqueueWriteBufferRect, queue, one, CL_TRUE, at, at, box, 0,
              0, 0, 0, host, 0, nullptr, nullptr);
        for (const cl_map_flags flags : {CL_MAP_WRITE, CL_MAP_WRITE_INVALIDATE_REGION})
            MAKES(CL_INVALID_OPERATION, clEnqueueMapBuffer, queue, one, CL_TRUE, flags, 0, 4, 0,
                  nullptr, nullptr);
    }

    GIVES(CL_INVALID_VALUE, clEnqueueReadBuffer, queue, memory, CL_TRUE, 253, 4, host, 0, nullptr,
          nullptr);
    GIVES(CL_INVALID_VALUE, clEnqueueReadBuffer, queue, memory, CL_TRUE, SIZE_MAX, 4, host, 0,
          nullptr, nullptr);
    GIVES(CL_INVALID_VALUE, clEnqueueReadBuffer, queue, memory, CL_TRUE, 0, 4, nullptr, 0, nullptr,
          nullptr);
    GIVES(CL_INVALID_VALUE, clEnqueueWriteBuffer, queue, memory, CL_TRUE, 253, 4, host, 0, nullptr,
          nullptr);
    GIVES(CL_INVALID_VALUE, clEnqueueWriteBuffer, queue, memory, CL_TRUE, 0, 4, nullptr, 0, nullptr,
          nullptr);
    for (const size_t *const region : {flat, big, static_cast<const size_t *>(nullptr)}) {
        std::vector<size_t> sizes(region ? region : at, (region ? region : at) + 3);
        const bool given = region != nullptr;
        table.push_back({"clEnqueueReadBufferRect", CL_INVALID_VALUE, [=, this] {
                             return clEnqueueReadBufferRect(queue, memory, CL_TRUE, at, at,
                                                            given ? sizes.data() : nullptr, 0, 0, 0,
                                                            0, to, 0, nullptr, nullptr);
                         }});
        table.push_back({"clEnqueueWriteBufferRect", CL_INVALID_VALUE, [=, this] {
                             return clEnqueueWriteBufferRect(queue, memory, CL_TRUE, at, at,
                                                             given ? sizes.data() : nullptr, 0, 0,
                                                             0, 0, to, 0, nullptr, nullptr);
                         }});
        table.push_back({"clEnqueueCopyBufferRect", CL_INVALID_VALUE, [=, this] {
                             return clEnqueueCopyBufferRect(queue, memory, second, at, at,
                                                            given ? sizes.data() : nullptr, 0, 0, 0,
                                                            0, 0, nullptr, nullptr);
                         }});
    }
    // Pitches: a row is shorter than the box, a slice than its rows, or no multiple of a row.
    GIVES(CL_INVALID_VALUE, clEnqueueReadBufferRect, queue, memory, CL_TRUE, at, at, box, 3, 0, 0,
          0, host, 0, nullptr, nullptr);
    GIVES(CL_INVALID_VALUE, clEnqueueReadBufferRect, queue, memory, CL_TRUE, at, at, box, 4, 12, 0,
          0, host, 0, nullptr, nullptr);
    GIVES(CL_INVALID_VALUE, clEnqueueReadBufferRect, queue, memory, CL_TRUE, at, at, box, 4, 18, 0,
          0, host, 0, nullptr, nullptr);
    GIVES(CL_INVALID_VALUE, clEnqueueReadBufferRect, queue, memory, CL_TRUE, at, at, box, 0, 0, 3,
          0, host, 0, nullptr, nullptr);
    GIVES(CL_INVALID_VALUE, clEnqueueReadBufferRect, queue, memory, CL_TRUE, at, at, box, 0, 0, 4,
          18, host, 0, nullptr, nullptr);
    GIVES(CL_INVALID_VALUE, clEnqueueReadBufferRect, queue, memory, CL_TRUE, at, at, box, 0, 0, 0,
          0, nullptr, 0, nullptr, nullptr);
    // In one buffer both boxes have the same pitches.
    GIVES(CL_INVALID_VALUE, clEnqueueCopyBufferRect, queue, memory, memory, at, at, box, 4, 16, 8,
          32, 0, nullptr, nullptr);
    GIVES(CL_INVALID_VALUE, clEnqueueCopyBuffer, queue, memory, second, 253, 0, 4, 0, nullptr,
          nullptr);
    GIVES(CL_INVALID_VALUE, clEnqueueCopyBuffer, queue, memory, second, 0, 253, 4, 0, nullptr,
          nullptr);
    GIVES(CL_INVALID_MEM_OBJECT, clEnqueueCopyBuffer, queue, memory, no_memory, 0, 0, 4, 0, nullptr,
          nullptr);
    GIVES(CL_MEM_COPY_OVERLAP, clEnqueueCopyBuffer, queue, memory, memory, 0, 2, 4, 0, nullptr,
          nullptr);
    GIVES(CL_MEM_COPY_OVERLAP, clEnqueueCopyBufferRect, queue, memory, memory, at, at, box, 0, 0, 0,
          0, 0, nullptr, nullptr);
    for (const auto &[size, offset, bytes] : {std::tuple<size_t, size_t, size_t>{0, 0, 4},
                                              {3, 0, 3},
                                              {256, 0, 256},
                                              {4, 2, 4},
                                              {4, 0, 6},
                                              {4, 256, 4}}) {
        const size_t s = size, o = offset, b = bytes;
        GIVES(CL_INVALID_VALUE, clEnqueueFillBuffer, queue, memory, host, s, o, b, 0, nullptr,
              nullptr);
    }
    GIVES(CL_INVALID_VALUE, clEnqueueFillBuffer, queue, memory, nullptr, 4, 0, 4, 0, nullptr,
          nullptr);
    MAKES(CL_INVALID_VALUE, clEnqueueMapBuffer, queue, memory, CL_TRUE, CL_MAP_READ, 253, 4, 0,
          nullptr, nullptr);
    MAKES(CL_INVALID_VALUE, clEnqueueMapBuffer, queue, memory, CL_TRUE, CL_MAP_READ, 0, 0, 0,
          nullptr, nullptr);
    MAKES(CL_INVALID_VALUE, clEnqueueMapBuffer, queue, memory, CL_TRUE, 1u << 10, 0, 4, 0, nullptr,
          nullptr);
    MAKES(CL_INVALID_VALUE, clEnqueueMapBuffer, queue, memory, CL_TRUE,
          CL_MAP_READ | CL_MAP_WRITE_INVALIDATE_REGION, 0, 4, 0, nullptr, nullptr);
    GIVES(CL_INVALID_VALUE, clEnqueueUnmapMemObject, queue, memory, host, 0, nullptr, nullptr);
    GIVES(CL_INVALID_VALUE, clEnqueueMigrateMemObjects, queue, 0, &memory, 0, 0, nullptr, nullptr);
    GIVES(CL_INVALID_VALUE, clEnqueueMigrateMemObjects, queue, 1, nullptr, 0, 0, nullptr, nullptr);
    GIVES(CL_INVALID_VALUE, clEnqueueMigrateMemObjects, queue, 1, &memory, 1u << 10, 0, nullptr,
          nullptr);
    const void *place = host, *outside = host + 8;
    GIVES(CL_INVALID_VALUE, clEnqueueNativeKernel, queue, nullptr, nullptr, 0, 0, nullptr, nullptr,
          0, nullptr, nullptr);
    GIVES(CL_INVALID_VALUE, clEnqueueNativeKernel, queue, nothing, nullptr, 8, 0, nullptr, nullptr,
          0, nullptr, nullptr);
    GIVES(CL_INVALID_VALUE, clEnqueueNativeKernel, queue, nothing, host, 0, 0, nullptr, nullptr, 0,
          nullptr, nullptr);
    GIVES(CL_INVALID_VALUE, clEnqueueNativeKernel, queue, nothing, host, 8, 1, nullptr, &place, 0,
          nullptr, nullptr);
    GIVES(CL_INVALID_VALUE, clEnqueueNativeKernel, queue, nothing, host, 8, 0, &memory, nullptr, 0,
          nullptr, nullptr);
    GIVES(CL_INVALID_VALUE, clEnqueueNativeKernel, queue, nothing, host, 8, 1, &memory, &outside, 0,
          nullptr, nullptr);

    never({"clEnqueueReadBuffer", "clEnqueueWriteBuffer", "clEnqueueReadBufferRect",
           "clEnqueueWriteBufferRect", "clEnqueueCopyBuffer", "clEnqueueCopyBufferRect",
           "clEnqueueFillBuffer", "clEnqueueMapBuffer"},
          {CL_MISALIGNED_SUB_BUFFER_OFFSET},
          "all devices have one alignment, which clCreateSubBuffer() sees to");
    never({"clEnqueueReadBuffer", "clEnqueueWriteBuffer", "clEnqueueReadBufferRect",
           "clEnqueueWriteBufferRect", "clEnqueueCopyBuffer", "clEnqueueCopyBufferRect",
           "clEnqueueFillBuffer", "clEnqueueMapBuffer", "clEnqueueMigrateMemObjects",
           "clEnqueueNativeKernel"},
          {CL_MEM_OBJECT_ALLOCATION_FAILURE}, "memory is allocated when it is made");
    never({"clEnqueueMapBuffer"}, {CL_MAP_FAILURE}, "buffers are mapped from the start");
    never({"clEnqueueNativeKernel"}, {CL_INVALID_OPERATION}, "all devices run native kernels");
}

void OpenClCodes::add_shared_memory()
{
    using Queue = cl_command_queue;
    using Events = const cl_event *;
    static const int pattern = 1;
    char *const at = svm;
    const std::vector<Command> commands = {
        {"clEnqueueSVMMemcpy",
         [at](Queue q, cl_mem, cl_uint n, Events e) {
             return clEnqueueSVMMemcpy(q, CL_TRUE, at, at + 128, 4, n, e, nullptr);
         }},
        {"clEnqueueSVMMap",
         [at](Queue q, cl_mem, cl_uint n, Events e) {
             return clEnqueueSVMMap(q, CL_TRUE, CL_MAP_READ, at, 4, n, e, nullptr);
         }},
        {"clEnqueueSVMFree",
         [](Queue q, cl_mem, cl_uint n, Events e) {
             return clEnqueueSVMFree(q, 0, nullptr, nullptr, nullptr, n, e, nullptr);
         }},
        {"clEnqueueSVMMemFill",
         [at](Queue q, cl_mem, cl_uint n, Events e) {
             return clEnqueueSVMMemFill(q, at, &pattern, 4, 4, n, e, nullptr);
         }},
        {"clEnqueueSVMUnmap", [at](Queue q, cl_mem, cl_uint n,
                                   Events e) { return clEnqueueSVMUnmap(q, at, n, e, nullptr); }},
        {"clEnqueueSVMMigrateMem",
         [at](Queue q, cl_mem, cl_uint n, Events e) {
             const void *list[] = {at};
             return clEnqueueSVMMigrateMem(q, 1, list, nullptr, 0, n, e, nullptr);
         }},
    };
    const auto no_queue = not_a<Queue>();
    const auto no_event = not_a<cl_event>();
    const cl_event alien = foreign_event, bad = failed, first = good;
    for (size_t i = 0; i < commands.size(); i++) {
        const auto call = commands[i].call;
        const char *const name = commands[i].name;
        table.push_back(
            {name, CL_INVALID_COMMAND_QUEUE, [=] { return call(no_queue, nullptr, 0, nullptr); }});
        table.push_back(
            {name, CL_INVALID_CONTEXT, [=, this] { return call(queue, nullptr, 1, &alien); }});
        table.push_back({name, CL_INVALID_EVENT_WAIT_LIST,
                         [=, this] { return call(queue, nullptr, 1, &no_event); }});
        table.push_back({name, CL_INVALID_EVENT_WAIT_LIST,
                         [=, this] { return call(queue, nullptr, 1, nullptr); }});
        table.push_back({name, CL_INVALID_EVENT_WAIT_LIST,
                         [=, this] { return call(queue, nullptr, 0, &first); }});
        if (i < 2) // the blocking ones
            table.push_back({name, CL_EXEC_STATUS_ERROR_FOR_EVENTS_IN_WAIT_LIST,
                             [=, this] { return call(queue, nullptr, 1, &bad); }});
        never({name}, {CL_INVALID_OPERATION}, "all devices have coarse-grained SVM");
    }
    void *null_list[] = {nullptr};
    const void *strangers[] = {host};
    GIVES(CL_INVALID_VALUE, clEnqueueSVMFree, queue, 1, nullptr, nullptr, nullptr, 0, nullptr,
          nullptr);
    GIVES(CL_INVALID_VALUE, clEnqueueSVMFree, queue, 0, null_list, nullptr, nullptr, 0, nullptr,
          nullptr);
    GIVES(CL_INVALID_VALUE, clEnqueueSVMFree, queue, 1, null_list, nullptr, nullptr, 0, nullptr,
          nullptr);
    GIVES(CL_INVALID_VALUE, clEnqueueSVMMemcpy, queue, CL_TRUE, nullptr, svm, 4, 0, nullptr,
          nullptr);
    GIVES(CL_INVALID_VALUE, clEnqueueSVMMemcpy, queue, CL_TRUE, svm, nullptr, 4, 0, nullptr,
          nullptr);
    GIVES(CL_MEM_COPY_OVERLAP, clEnqueueSVMMemcpy, queue, CL_TRUE, svm, svm + 2, 4, 0, nullptr,
          nullptr);
    for (const auto &[offset, size, bytes] :
         {std::tuple<size_t, size_t, size_t>{0, 0, 4}, {0, 3, 3}, {2, 4, 4}, {0, 4, 6}}) {
        char *const to = svm + offset;
        const size_t s = size, b = bytes;
        GIVES(CL_INVALID_VALUE, clEnqueueSVMMemFill, queue, to, host, s, b, 0, nullptr, nullptr);
    }
    GIVES(CL_INVALID_VALUE, clEnqueueSVMMemFill, queue, nullptr, host, 4, 4, 0, nullptr, nullptr);
    GIVES(CL_INVALID_VALUE, clEnqueueSVMMemFill, queue, svm, nullptr, 4, 4, 0, nullptr, nullptr);
    GIVES(CL_INVALID_VALUE, clEnqueueSVMMap, queue, CL_TRUE, CL_MAP_READ, nullptr, 4, 0, nullptr,
          nullptr);
    GIVES(CL_INVALID_VALUE, clEnqueueSVMMap, queue, CL_TRUE, CL_MAP_READ, svm, 0, 0, nullptr,
          nullptr);
    GIVES(CL_INVALID_VALUE, clEnqueueSVMMap, queue, CL_TRUE, 1u << 10, svm, 4, 0, nullptr, nullptr);
    GIVES(CL_INVALID_VALUE, clEnqueueSVMUnmap, queue, nullptr, 0, nullptr, nullptr);
    const void *pointers[] = {svm};
    const size_t too_much[] = {257};
    GIVES(CL_INVALID_VALUE, clEnqueueSVMMigrateMem, queue, 0, pointers, nullptr, 0, 0, nullptr,
          nullptr);
    GIVES(CL_INVALID_VALUE, clEnqueueSVMMigrateMem, queue, 1, nullptr, nullptr, 0, 0, nullptr,
          nullptr);
    GIVES(CL_INVALID_VALUE, clEnqueueSVMMigrateMem, queue, 1, pointers, nullptr, 1u << 10, 0,
          nullptr, nullptr);
    GIVES(CL_INVALID_VALUE, clEnqueueSVMMigrateMem, queue, 1, strangers, nullptr, 0, 0, nullptr,
          nullptr);
    GIVES(CL_INVALID_VALUE, clEnqueueSVMMigrateMem, queue, 1, pointers, too_much, 0, 0, nullptr,
          nullptr);
}

} // namespace acc::test
