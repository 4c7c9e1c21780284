// SPDX-License-Identifier: MIT
//
// Codes of programs, kernels and launches.
#include "codes.h"

#include <cstdint>

namespace acc::test
{

void OpenClCodes::add_programs()
{
    const auto no_context = not_a<cl_context>();
    const auto no_program = not_a<cl_program>();
    const auto no_device = not_a<cl_device_id>();
    const cl_device_id custom = the_custom_device();
    const char *text = "__kernel void k() {}", *null = nullptr;
    const cl_program plain = source(text);
    cl_int error = CL_SUCCESS;
    const cl_program roles =
        keep(clCreateProgramWithBuiltInKernels(context, 1, &device, "acc_noop", &error));
    EXPECT_EQ(error, CL_SUCCESS);
    const size_t one_byte = 1, no_bytes = 0;
    const unsigned char *rubbish = reinterpret_cast<const unsigned char *>("x");
    const unsigned char *no_binary = nullptr;
    char small[1] = {};
    int user = 0;
    const auto told = [](cl_program, void *) {};

    MAKES(CL_INVALID_CONTEXT, clCreateProgramWithSource, no_context, 1, &text, nullptr);
    MAKES(CL_INVALID_VALUE, clCreateProgramWithSource, context, 0, &text, nullptr);
    MAKES(CL_INVALID_VALUE, clCreateProgramWithSource, context, 1, nullptr, nullptr);
    MAKES(CL_INVALID_VALUE, clCreateProgramWithSource, context, 1, &null, nullptr);
    MAKES(CL_INVALID_CONTEXT, clCreateProgramWithIL, no_context, text, 4);
    MAKES(CL_INVALID_OPERATION, clCreateProgramWithIL, context, text, 4);
    never({"clCreateProgramWithIL", "clSetProgramSpecializationConstant"}, {CL_INVALID_VALUE},
          "no device takes intermediate languages: that comes first");
    never({"clSetProgramSpecializationConstant"}, {CL_INVALID_SPEC_ID},
          "no device takes intermediate languages: that comes first");
    MAKES(CL_INVALID_CONTEXT, clCreateProgramWithBinary, no_context, 1, &device, &one_byte,
          &rubbish, nullptr);
    MAKES(CL_INVALID_VALUE, clCreateProgramWithBinary, context, 0, &device, &one_byte, &rubbish,
          nullptr);
    MAKES(CL_INVALID_VALUE, clCreateProgramWithBinary, context, 1, nullptr, &one_byte, &rubbish,
          nullptr);
    MAKES(CL_INVALID_VALUE, clCreateProgramWithBinary, context, 1, &device, nullptr, &rubbish,
          nullptr);
    MAKES(CL_INVALID_VALUE, clCreateProgramWithBinary, context, 1, &device, &one_byte, nullptr,
          nullptr);
    MAKES(CL_INVALID_VALUE, clCreateProgramWithBinary, context, 1, &device, &no_bytes, &rubbish,
          nullptr);
    MAKES(CL_INVALID_VALUE, clCreateProgramWithBinary, context, 1, &device, &one_byte, &no_binary,
          nullptr);
    MAKES(CL_INVALID_DEVICE, clCreateProgramWithBinary, context, 1, &no_device, &one_byte, &rubbish,
          nullptr);
    MAKES(CL_INVALID_DEVICE, clCreateProgramWithBinary, other, 1, &custom, &one_byte, &rubbish,
          nullptr);
    MAKES(CL_INVALID_BINARY, clCreateProgramWithBinary, context, 1, &device, &one_byte, &rubbish,
          nullptr);
    MAKES(CL_INVALID_CONTEXT, clCreateProgramWithBuiltInKernels, no_context, 1, &device,
          "acc_noop");
    MAKES(CL_INVALID_VALUE, clCreateProgramWithBuiltInKernels, context, 0, &device, "acc_noop");
    MAKES(CL_INVALID_VALUE, clCreateProgramWithBuiltInKernels, context, 1, nullptr, "acc_noop");
    MAKES(CL_INVALID_VALUE, clCreateProgramWithBuiltInKernels, context, 1, &device, nullptr);
    MAKES(CL_INVALID_VALUE, clCreateProgramWithBuiltInKernels, context, 1, &device, "none");
    MAKES(CL_INVALID_DEVICE, clCreateProgramWithBuiltInKernels, context, 1, &no_device, "acc_noop");
    MAKES(CL_INVALID_DEVICE, clCreateProgramWithBuiltInKernels, other, 1, &custom, "acc_noop");
    GIVES(CL_INVALID_PROGRAM, clRetainProgram, no_program);
    GIVES(CL_INVALID_PROGRAM, clReleaseProgram, no_program);
    GIVES(CL_INVALID_PROGRAM, clSetProgramReleaseCallback, no_program, told, nullptr);
    GIVES(CL_INVALID_VALUE, clSetProgramReleaseCallback, plain, nullptr, nullptr);
    GIVES(CL_INVALID_OPERATION, clSetProgramReleaseCallback, plain, told, nullptr);
    GIVES(CL_INVALID_PROGRAM, clSetProgramSpecializationConstant, no_program, 0, 4, &user);
    GIVES(CL_INVALID_OPERATION, clSetProgramSpecializationConstant, plain, 0, 4, &user);
    GIVES(CL_INVALID_PLATFORM, clUnloadPlatformCompiler, reinterpret_cast<cl_platform_id>(queue));

    GIVES(CL_INVALID_PROGRAM, clBuildProgram, no_program, 0, nullptr, "", nullptr, nullptr);
    GIVES(CL_INVALID_VALUE, clBuildProgram, plain, 1, nullptr, "", nullptr, nullptr);
    GIVES(CL_INVALID_VALUE, clBuildProgram, plain, 0, &device, "", nullptr, nullptr);
    GIVES(CL_INVALID_VALUE, clBuildProgram, plain, 0, nullptr, "", nullptr, &user);
    GIVES(CL_INVALID_DEVICE, clBuildProgram, roles, 1, &custom, "", nullptr, nullptr);
    GIVES(CL_INVALID_DEVICE, clBuildProgram, plain, 1, &no_device, "", nullptr, nullptr);
    for (const char *const options : {"-frob", "-cl-std=CL9.0", "-D"}) {
        GIVES(CL_INVALID_BUILD_OPTIONS, clBuildProgram, plain, 1, &device, options, nullptr,
              nullptr);
        GIVES(CL_INVALID_COMPILER_OPTIONS, clCompileProgram, plain, 1, &device, options, 0, nullptr,
              nullptr, nullptr, nullptr);
    }
    GIVES(CL_COMPILER_NOT_AVAILABLE, clBuildProgram, plain, 1, &custom, "", nullptr, nullptr);
    GIVES(CL_INVALID_OPERATION, clBuildProgram, roles, 1, &device, "", nullptr, nullptr);
    never({"clBuildProgram"}, {CL_INVALID_BINARY},
          "a program is made with binaries for all its devices, or not at all");
    GIVES(CL_INVALID_PROGRAM, clCompileProgram, no_program, 0, nullptr, "", 0, nullptr, nullptr,
          nullptr, nullptr);
    GIVES(CL_INVALID_PROGRAM, clCompileProgram, plain, 1, &device, "", 1, &no_program, &text,
          nullptr, nullptr);
    GIVES(CL_INVALID_VALUE, clCompileProgram, plain, 1, nullptr, "", 0, nullptr, nullptr, nullptr,
          nullptr);
    GIVES(CL_INVALID_VALUE, clCompileProgram, plain, 1, &device, "", 1, nullptr, nullptr, nullptr,
          nullptr);
    GIVES(CL_INVALID_VALUE, clCompileProgram, plain, 1, &device, "", 0, &plain, nullptr, nullptr,
          nullptr);
    GIVES(CL_INVALID_VALUE, clCompileProgram, plain, 0, nullptr, "", 0, nullptr, nullptr, nullptr,
          &user);
    GIVES(CL_INVALID_DEVICE, clCompileProgram, plain, 1, &no_device, "", 0, nullptr, nullptr,
          nullptr, nullptr);
    GIVES(CL_INVALID_OPERATION, clCompileProgram, roles, 0, nullptr, "", 0, nullptr, nullptr,
          nullptr, nullptr);
    GIVES(CL_COMPILER_NOT_AVAILABLE, clCompileProgram, plain, 1, &custom, "", 0, nullptr, nullptr,
          nullptr, nullptr);
    MAKES(CL_INVALID_CONTEXT, clLinkProgram, no_context, 1, &device, "", 1, &plain, nullptr,
          nullptr);
    MAKES(CL_INVALID_VALUE, clLinkProgram, context, 1, &device, "", 0, nullptr, nullptr, nullptr);
    MAKES(CL_INVALID_VALUE, clLinkProgram, context, 1, &device, "", 1, nullptr, nullptr, nullptr);
    MAKES(CL_INVALID_VALUE, clLinkProgram, context, 1, nullptr, "", 1, &plain, nullptr, nullptr);
    MAKES(CL_INVALID_VALUE, clLinkProgram, context, 1, &device, "", 1, &plain, nullptr, &user);
    MAKES(CL_INVALID_PROGRAM, clLinkProgram, context, 0, nullptr, "", 1, &no_program, nullptr,
          nullptr);
    MAKES(CL_INVALID_DEVICE, clLinkProgram, context, 1, &no_device, "", 1, &plain, nullptr,
          nullptr);
    MAKES(CL_INVALID_LINKER_OPTIONS, clLinkProgram, context, 1, &device, "-frob", 1, &plain,
          nullptr, nullptr);
    MAKES(CL_INVALID_OPERATION, clLinkProgram, context, 1, &device, "", 1, &plain, nullptr,
          nullptr);
    GIVES(CL_INVALID_PROGRAM, clGetProgramInfo, no_program, CL_PROGRAM_SOURCE, 0, nullptr, nullptr);
    GIVES(CL_INVALID_VALUE, clGetProgramInfo, plain, CL_DEVICE_NAME, 0, nullptr, nullptr);
    GIVES(CL_INVALID_VALUE, clGetProgramInfo, plain, CL_PROGRAM_SOURCE, 1, small, nullptr);
    GIVES(CL_INVALID_PROGRAM_EXECUTABLE, clGetProgramInfo, plain, CL_PROGRAM_NUM_KERNELS, 0,
          nullptr, nullptr);
    GIVES(CL_INVALID_PROGRAM_EXECUTABLE, clGetProgramInfo, plain, CL_PROGRAM_KERNEL_NAMES, 0,
          nullptr, nullptr);
    GIVES(CL_INVALID_PROGRAM, clGetProgramBuildInfo, no_program, device, CL_PROGRAM_BUILD_LOG, 0,
          nullptr, nullptr);
    GIVES(CL_INVALID_DEVICE, clGetProgramBuildInfo, roles, custom, CL_PROGRAM_BUILD_STATUS, 0,
          nullptr, nullptr);
    GIVES(CL_INVALID_VALUE, clGetProgramBuildInfo, plain, device, CL_DEVICE_NAME, 0, nullptr,
          nullptr);
    GIVES(CL_INVALID_VALUE, clGetProgramBuildInfo, plain, device, CL_PROGRAM_BUILD_STATUS, 1, small,
          nullptr);

    kernels_of(plain, roles);
}

void OpenClCodes::kernels_of(cl_program plain, cl_program roles)
{
    const auto no_program = not_a<cl_program>();
    cl_kernel kernels[2] = {};
    MAKES(CL_INVALID_PROGRAM, clCreateKernel, no_program, "k");
    MAKES(CL_INVALID_PROGRAM_EXECUTABLE, clCreateKernel, plain, "k");
    MAKES(CL_INVALID_KERNEL_NAME, clCreateKernel, roles, "acc_add_f32");
    MAKES(CL_INVALID_VALUE, clCreateKernel, roles, nullptr);
    never({"clCreateKernel"}, {CL_INVALID_KERNEL_DEFINITION},
          "all devices of a program have the same image");
    GIVES(CL_INVALID_PROGRAM, clCreateKernelsInProgram, no_program, 0, nullptr, nullptr);
    GIVES(CL_INVALID_PROGRAM_EXECUTABLE, clCreateKernelsInProgram, plain, 2, kernels, nullptr);
    GIVES(CL_INVALID_VALUE, clCreateKernelsInProgram, roles, 0, kernels, nullptr);
}

// What a compiler says. Three programs are compiled.
void OpenClCodes::add_compilations()
{
    const cl_device_id custom = the_custom_device();
    const cl_program wrong = source("__kernel void k() { none(); }");
    const cl_program half = source("int beyond(int x);\n"
                                   "__kernel void k(__global int *a) { a[0] = beyond(a[0]); }");
    EXPECT_EQ(clCompileProgram(half, 1, &device, "", 0, nullptr, nullptr, nullptr, nullptr),
              CL_SUCCESS);
    GIVES(CL_BUILD_PROGRAM_FAILURE, clBuildProgram, wrong, 1, &device, "", nullptr, nullptr);
    GIVES(CL_COMPILE_PROGRAM_FAILURE, clCompileProgram, wrong, 1, &device, "", 0, nullptr, nullptr,
          nullptr, nullptr);
    // It gives a program, which has the log.
    table.push_back({"clLinkProgram", CL_LINK_PROGRAM_FAILURE, [=, this] {
                         cl_int error = CL_SUCCESS;
                         const cl_program linked = clLinkProgram(context, 1, &device, "", 1, &half,
                                                                 nullptr, nullptr, &error);
                         EXPECT_EQ(clReleaseProgram(linked), CL_SUCCESS);
                         return error;
                     }});
    never({"clLinkProgram"}, {CL_LINKER_NOT_AVAILABLE},
          "a device without a linker has no compiled objects, and that comes first");
    MAKES(CL_INVALID_OPERATION, clLinkProgram, context, 1, &custom, "", 1, &half, nullptr, nullptr);

    const cl_program built =
        build("__kernel __attribute__((reqd_work_group_size(4, 1, 1))) void four() {}\n"
              "__kernel void wide(int a, __global int *b, __local int *c) {}");
    const cl_kernel four = kernel(built, "four"), wide = kernel(built, "wide");
    const size_t eight = 8, three = 3, two = 2, huge[] = {4096, 1, 1}, cube[] = {64, 64, 1};
    const int value = 1;
    GIVES(CL_INVALID_OPERATION, clBuildProgram, built, 1, &device, "", nullptr, nullptr);
    GIVES(CL_INVALID_WORK_GROUP_SIZE, clEnqueueTask, queue, four, 0, nullptr, nullptr);
    for (const size_t local : {three, two})
        GIVES(CL_INVALID_WORK_GROUP_SIZE, clEnqueueNDRangeKernel, queue, four, 1, nullptr, &eight,
              &local, 0, nullptr, nullptr);
    GIVES(CL_INVALID_WORK_GROUP_SIZE, clEnqueueNDRangeKernel, queue, four, 1, nullptr, &three,
          nullptr, 0, nullptr, nullptr);
    set_args(wide, 0, value, memory);
    EXPECT_EQ(clSetKernelArg(wide, 2, 64, nullptr), CL_SUCCESS);
    GIVES(CL_INVALID_WORK_ITEM_SIZE, clEnqueueNDRangeKernel, queue, wide, 1, nullptr, huge, huge, 0,
          nullptr, nullptr);
    GIVES(CL_INVALID_WORK_GROUP_SIZE, clEnqueueNDRangeKernel, queue, wide, 2, nullptr, cube, cube,
          0, nullptr, nullptr);
    GIVES(CL_INVALID_ARG_SIZE, clSetKernelArg, wide, 0, 8, host);
    GIVES(CL_INVALID_ARG_VALUE, clSetKernelArg, wide, 2, 64, host);
    GIVES(CL_INVALID_ARG_SIZE, clSetKernelArg, wide, 2, 0, nullptr);
    GIVES(CL_INVALID_VALUE, clGetKernelWorkGroupInfo, wide, device, CL_KERNEL_GLOBAL_WORK_SIZE, 0,
          nullptr, nullptr);
    // More local memory than there is: when it is set nobody knows yet what else there will be.
    table.push_back({"clEnqueueNDRangeKernel", CL_OUT_OF_RESOURCES, [=, this] {
                         EXPECT_EQ(clSetKernelArg(wide, 2, 1u << 20, nullptr), CL_SUCCESS);
                         return clEnqueueNDRangeKernel(queue, wide, 1, nullptr, &eight, nullptr, 0,
                                                       nullptr, nullptr);
                     }});
}

void OpenClCodes::add_kernels()
{
    const auto no_kernel = not_a<cl_kernel>();
    const auto no_device = not_a<cl_device_id>();
    const auto no_memory = not_a<cl_mem>();
    const auto no_queue = not_a<cl_command_queue>();
    const auto no_event = not_a<cl_event>();
    const cl_device_id custom_device = the_custom_device();
    cl_int error = CL_SUCCESS;
    const cl_command_queue custom = keep(clCreateCommandQueue(context, custom_device, 0, &error));
    EXPECT_EQ(error, CL_SUCCESS);
    const cl_ulong count = 1;
    const cl_bool yes = CL_TRUE;
    const size_t two = 2, none = 0, most = SIZE_MAX;
    const cl_event mixed[] = {good, foreign_event}, first = good;
    char small[1] = {};
    const void *pointers[] = {&count};
    GIVES(CL_INVALID_KERNEL, clRetainKernel, no_kernel);
    GIVES(CL_INVALID_KERNEL, clReleaseKernel, no_kernel);
    MAKES(CL_INVALID_KERNEL, clCloneKernel, no_kernel);
    GIVES(CL_INVALID_KERNEL, clSetKernelArg, no_kernel, 0, 4, host);
    GIVES(CL_INVALID_ARG_INDEX, clSetKernelArg, add, 5, sizeof count, &count);
    GIVES(CL_INVALID_ARG_SIZE, clSetKernelArg, add, 3, 4, &count);
    GIVES(CL_INVALID_ARG_SIZE, clSetKernelArg, add, 0, 4, &memory);
    GIVES(CL_INVALID_ARG_VALUE, clSetKernelArg, add, 3, sizeof count, nullptr);
    GIVES(CL_INVALID_MEM_OBJECT, clSetKernelArg, add, 0, sizeof no_memory, &no_memory);
    GIVES(CL_INVALID_MEM_OBJECT, clSetKernelArg, add, 0, sizeof foreign, &foreign);
    never({"clSetKernelArg"}, {CL_INVALID_SAMPLER, CL_INVALID_DEVICE_QUEUE},
          "no kernel has such arguments: no device has them");
    never({"clSetKernelArg"}, {CL_MAX_SIZE_RESTRICTION_EXCEEDED},
          "of the language, which has no such attribute (SPIR-V does)");
    GIVES(CL_INVALID_KERNEL, clSetKernelArgSVMPointer, no_kernel, 0, svm);
    GIVES(CL_INVALID_ARG_INDEX, clSetKernelArgSVMPointer, add, 5, svm);
    GIVES(CL_INVALID_ARG_VALUE, clSetKernelArgSVMPointer, add, 3, svm);
    GIVES(CL_INVALID_ARG_VALUE, clSetKernelArgSVMPointer, add, 0, host);
    never({"clSetKernelArgSVMPointer"}, {CL_INVALID_OPERATION},
          "all devices have coarse-grained SVM");
    GIVES(CL_INVALID_KERNEL, clSetKernelExecInfo, no_kernel, CL_KERNEL_EXEC_INFO_SVM_PTRS, 8, host);
    GIVES(CL_INVALID_VALUE, clSetKernelExecInfo, noop, CL_KERNEL_EXEC_INFO_SVM_PTRS, 8, nullptr);
    GIVES(CL_INVALID_VALUE, clSetKernelExecInfo, noop, CL_KERNEL_EXEC_INFO_SVM_PTRS, 7, pointers);
    GIVES(CL_INVALID_VALUE, clSetKernelExecInfo, noop, CL_DEVICE_NAME, 8, pointers);
    GIVES(CL_INVALID_OPERATION, clSetKernelExecInfo, noop,
          CL_KERNEL_EXEC_INFO_SVM_FINE_GRAIN_SYSTEM, sizeof yes, &yes);
    GIVES(CL_INVALID_KERNEL, clGetKernelInfo, no_kernel, CL_KERNEL_NUM_ARGS, 0, nullptr, nullptr);
    GIVES(CL_INVALID_VALUE, clGetKernelInfo, noop, CL_DEVICE_NAME, 0, nullptr, nullptr);
    GIVES(CL_INVALID_VALUE, clGetKernelInfo, noop, CL_KERNEL_FUNCTION_NAME, 1, small, nullptr);
    GIVES(CL_INVALID_KERNEL, clGetKernelArgInfo, no_kernel, 0, CL_KERNEL_ARG_NAME, 0, nullptr,
          nullptr);
    GIVES(CL_INVALID_ARG_INDEX, clGetKernelArgInfo, add, 5, CL_KERNEL_ARG_NAME, 0, nullptr,
          nullptr);
    GIVES(CL_INVALID_VALUE, clGetKernelArgInfo, add, 0, CL_DEVICE_NAME, 0, nullptr, nullptr);
    GIVES(CL_INVALID_VALUE, clGetKernelArgInfo, add, 0, CL_KERNEL_ARG_NAME, 1, small, nullptr);
    never({"clGetKernelArgInfo"}, {CL_KERNEL_ARG_INFO_NOT_AVAILABLE}, "it is always there");
    GIVES(CL_INVALID_KERNEL, clGetKernelWorkGroupInfo, no_kernel, device, CL_KERNEL_WORK_GROUP_SIZE,
          0, nullptr, nullptr);
    GIVES(CL_INVALID_DEVICE, clGetKernelWorkGroupInfo, noop, no_device, CL_KERNEL_WORK_GROUP_SIZE,
          0, nullptr, nullptr);
    GIVES(CL_INVALID_DEVICE, clGetKernelWorkGroupInfo, noop, custom_device,
          CL_KERNEL_WORK_GROUP_SIZE, 0, nullptr, nullptr);
    GIVES(CL_INVALID_VALUE, clGetKernelWorkGroupInfo, noop, device, CL_DEVICE_NAME, 0, nullptr,
          nullptr);
    GIVES(CL_INVALID_VALUE, clGetKernelWorkGroupInfo, noop, device, CL_KERNEL_WORK_GROUP_SIZE, 1,
          small, nullptr);
    GIVES(CL_INVALID_KERNEL, clGetKernelSubGroupInfo, no_kernel, device,
          CL_KERNEL_MAX_NUM_SUB_GROUPS, 0, nullptr, 0, nullptr, nullptr);
    GIVES(CL_INVALID_OPERATION, clGetKernelSubGroupInfo, noop, device, CL_KERNEL_MAX_NUM_SUB_GROUPS,
          0, nullptr, 0, nullptr, nullptr);
    never({"clGetKernelSubGroupInfo"}, {CL_INVALID_DEVICE, CL_INVALID_VALUE},
          "no device has sub-groups: that comes first");

    GIVES(CL_INVALID_WORK_DIMENSION, clEnqueueNDRangeKernel, queue, noop, 0, nullptr, &one, nullptr,
          0, nullptr, nullptr);
    GIVES(CL_INVALID_WORK_DIMENSION, clEnqueueNDRangeKernel, queue, noop, 4, nullptr, &one, nullptr,
          0, nullptr, nullptr);
    GIVES(CL_INVALID_GLOBAL_OFFSET, clEnqueueNDRangeKernel, queue, noop, 1, &most, &two, nullptr, 0,
          nullptr, nullptr);
    GIVES(CL_INVALID_WORK_GROUP_SIZE, clEnqueueNDRangeKernel, queue, noop, 1, nullptr, &one, &two,
          0, nullptr, nullptr);
    GIVES(CL_INVALID_WORK_GROUP_SIZE, clEnqueueNDRangeKernel, queue, noop, 1, nullptr, &one, &none,
          0, nullptr, nullptr);
    never({"clEnqueueNDRangeKernel"}, {CL_INVALID_GLOBAL_WORK_SIZE},
          "nothing is done over an empty range, and sizes have as many bits as the device's");
    struct Launch {
        const char *name;
        std::function<cl_int(cl_command_queue, cl_kernel, cl_uint, const cl_event *)> call;
    };
    const std::vector<Launch> launches = {
        {"clEnqueueNDRangeKernel",
         [](cl_command_queue q, cl_kernel k, cl_uint n, const cl_event *e) {
             return clEnqueueNDRangeKernel(q, k, 1, nullptr, &one, nullptr, n, e, nullptr);
         }},
        {"clEnqueueTask", [](cl_command_queue q, cl_kernel k, cl_uint n, const cl_event *e) {
             return clEnqueueTask(q, k, n, e, nullptr);
         }}};
    for (const Launch &launch : launches) {
        const auto call = launch.call;
        const auto wants = [&](cl_int code, cl_command_queue q, cl_kernel k, cl_uint n,
                               std::vector<cl_event> list) {
            table.push_back({launch.name, code,
                             [=] { return call(q, k, n, list.empty() ? nullptr : list.data()); }});
        };
        wants(CL_INVALID_COMMAND_QUEUE, no_queue, noop, 0, {});
        wants(CL_INVALID_KERNEL, queue, no_kernel, 0, {});
        wants(CL_INVALID_CONTEXT, foreign_queue, noop, 0, {});
        wants(CL_INVALID_CONTEXT, queue, noop, 2, {mixed[0], mixed[1]});
        wants(CL_INVALID_PROGRAM_EXECUTABLE, custom, noop, 0, {});
        wants(CL_INVALID_KERNEL_ARGS, queue, add, 0, {});
        wants(CL_INVALID_EVENT_WAIT_LIST, queue, noop, 1, {});
        wants(CL_INVALID_EVENT_WAIT_LIST, queue, noop, 0, {first});
        wants(CL_INVALID_EVENT_WAIT_LIST, queue, noop, 1, {no_event});
        never({launch.name}, {CL_MISALIGNED_SUB_BUFFER_OFFSET},
              "all devices have one alignment, which clCreateSubBuffer() sees to");
        never({launch.name}, {CL_INVALID_IMAGE_SIZE, CL_IMAGE_FORMAT_NOT_SUPPORTED},
              "no device has images");
        never({launch.name}, {CL_MEM_OBJECT_ALLOCATION_FAILURE},
              "memory is allocated when it is made");
        never({launch.name}, {CL_INVALID_OPERATION},
              "fine-grained SVM is refused by clSetKernelExecInfo()");
    }
    // Markers, which have lists alone.
    for (const auto &[name, call] :
         {std::pair<const char *,
                    cl_int (*)(cl_command_queue, cl_uint, const cl_event *, cl_event *)>{
              "clEnqueueMarkerWithWaitList",
              [](cl_command_queue q, cl_uint n, const cl_event *e, cl_event *out) {
                  return clEnqueueMarkerWithWaitList(q, n, e, out);
              }},
          {"clEnqueueBarrierWithWaitList",
           [](cl_command_queue q, cl_uint n, const cl_event *e, cl_event *out) {
               return clEnqueueBarrierWithWaitList(q, n, e, out);
           }}}) {
        const auto enqueue = call;
        const auto wants = [&, of = name](cl_int code, cl_command_queue q, cl_uint n,
                                          std::vector<cl_event> list) {
            table.push_back({of, code, [=] {
                                 cl_event out = nullptr;
                                 const cl_int got =
                                     enqueue(q, n, list.empty() ? nullptr : list.data(), &out);
                                 EXPECT_EQ(out, nullptr);
                                 return got;
                             }});
        };
        wants(CL_INVALID_COMMAND_QUEUE, no_queue, 0, {});
        wants(CL_INVALID_CONTEXT, queue, 2, {mixed[0], mixed[1]});
        wants(CL_INVALID_EVENT_WAIT_LIST, queue, 1, {});
        wants(CL_INVALID_EVENT_WAIT_LIST, queue, 0, {first});
        wants(CL_INVALID_EVENT_WAIT_LIST, queue, 1, {no_event});
    }
}

} // namespace acc::test
