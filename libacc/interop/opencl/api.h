// SPDX-License-Identifier: MIT
//
// The functions of the API, named without their `cl`, in a namespace of their own: what the loader
// exports under the full name is never taken for ours. What each must do and refuse is in the
// OpenCL 3.0 specification (Khronos, version 3.0.14), under its name.
//
// Thread safety: all, from any thread, but clSetKernelArg* on one kernel.
#pragma once

#include "libacc/interop/opencl/object.h"

#include <type_traits>

// clang-format off
#define OCL_FUNCTIONS(X) \
    X(GetPlatformIDs) X(GetPlatformInfo) X(GetDeviceIDs) X(GetDeviceInfo) X(CreateContext) \
    X(CreateContextFromType) X(RetainContext) X(ReleaseContext) X(GetContextInfo) \
    X(CreateCommandQueue) X(RetainCommandQueue) X(ReleaseCommandQueue) \
    X(GetCommandQueueInfo) X(SetCommandQueueProperty) X(CreateBuffer) X(CreateImage2D) \
    X(CreateImage3D) X(RetainMemObject) X(ReleaseMemObject) X(GetSupportedImageFormats) \
    X(GetMemObjectInfo) X(GetImageInfo) X(CreateSampler) X(RetainSampler) X(ReleaseSampler) \
    X(GetSamplerInfo) X(CreateProgramWithSource) X(CreateProgramWithBinary) X(RetainProgram) \
    X(ReleaseProgram) X(BuildProgram) X(UnloadCompiler) X(GetProgramInfo) \
    X(GetProgramBuildInfo) X(CreateKernel) X(CreateKernelsInProgram) X(RetainKernel) \
    X(ReleaseKernel) X(SetKernelArg) X(GetKernelInfo) X(GetKernelWorkGroupInfo) \
    X(WaitForEvents) X(GetEventInfo) X(RetainEvent) X(ReleaseEvent) X(GetEventProfilingInfo) \
    X(Flush) X(Finish) X(EnqueueReadBuffer) X(EnqueueWriteBuffer) X(EnqueueCopyBuffer) \
    X(EnqueueReadImage) X(EnqueueWriteImage) X(EnqueueCopyImage) X(EnqueueCopyImageToBuffer) \
    X(EnqueueCopyBufferToImage) X(EnqueueMapBuffer) X(EnqueueMapImage) \
    X(EnqueueUnmapMemObject) X(EnqueueNDRangeKernel) X(EnqueueTask) X(EnqueueNativeKernel) \
    X(EnqueueMarker) X(EnqueueWaitForEvents) X(EnqueueBarrier) \
    X(GetExtensionFunctionAddress) X(SetEventCallback) X(CreateSubBuffer) \
    X(SetMemObjectDestructorCallback) X(CreateUserEvent) X(SetUserEventStatus) \
    X(EnqueueReadBufferRect) X(EnqueueWriteBufferRect) X(EnqueueCopyBufferRect) \
    X(CreateSubDevices) X(RetainDevice) X(ReleaseDevice) X(CreateImage) \
    X(CreateProgramWithBuiltInKernels) X(CompileProgram) X(LinkProgram) \
    X(UnloadPlatformCompiler) X(GetKernelArgInfo) X(EnqueueFillBuffer) X(EnqueueFillImage) \
    X(EnqueueMigrateMemObjects) X(EnqueueMarkerWithWaitList) X(EnqueueBarrierWithWaitList) \
    X(GetExtensionFunctionAddressForPlatform) X(CreateCommandQueueWithProperties) \
    X(CreatePipe) X(GetPipeInfo) X(SVMAlloc) X(SVMFree) X(EnqueueSVMFree) \
    X(EnqueueSVMMemcpy) X(EnqueueSVMMemFill) X(EnqueueSVMMap) X(EnqueueSVMUnmap) \
    X(CreateSamplerWithProperties) X(SetKernelArgSVMPointer) X(SetKernelExecInfo) \
    X(CloneKernel) X(CreateProgramWithIL) X(EnqueueSVMMigrateMem) X(GetDeviceAndHostTimer) \
    X(GetHostTimer) X(GetKernelSubGroupInfo) X(SetDefaultDeviceCommandQueue) \
    X(SetProgramReleaseCallback) X(SetProgramSpecializationConstant) \
    X(CreateBufferWithProperties) X(CreateImageWithProperties) \
    X(SetContextDestructorCallback)
// clang-format on

namespace acc::ocl
{

// In a child after fork nothing of the parent's works: its devices are the parent's alone.
bool forked();

namespace api
{
#define OCL_DECLARE(name) std::remove_pointer_t<cl_api_cl##name> name;
OCL_FUNCTIONS(OCL_DECLARE)
#undef OCL_DECLARE
} // namespace api

} // namespace acc::ocl
