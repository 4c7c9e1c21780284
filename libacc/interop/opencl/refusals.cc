// SPDX-License-Identifier: MIT
//
// What the devices don't have: images, samplers, pipes, intermediate languages, sub-groups. The
// specification says for each function what a device without them answers.
#include "libacc/interop/opencl/api.h"
#include "libacc/interop/opencl/context.h"
#include "libacc/interop/opencl/kernel.h"
#include "libacc/interop/opencl/queue.h"

namespace acc::ocl::api
{
namespace
{

std::nullptr_t no_image(cl_context context, cl_int *error)
{
    return fail(error, valid(context) ? CL_INVALID_OPERATION : CL_INVALID_CONTEXT);
}

// No image exists that a command could be given.
cl_int no_image_command(cl_command_queue queue)
{
    return valid(queue) ? CL_INVALID_MEM_OBJECT : CL_INVALID_COMMAND_QUEUE;
}

} // namespace

cl_mem CreateImage(cl_context context, cl_mem_flags, const cl_image_format *, const cl_image_desc *,
                   void *, cl_int *error)
{
    return no_image(context, error);
}

cl_mem CreateImageWithProperties(cl_context context, const cl_mem_properties *, cl_mem_flags,
                                 const cl_image_format *, const cl_image_desc *, void *,
                                 cl_int *error)
{
    return no_image(context, error);
}

cl_mem CreateImage2D(cl_context context, cl_mem_flags, const cl_image_format *, size_t, size_t,
                     size_t, void *, cl_int *error)
{
    return no_image(context, error);
}

cl_mem CreateImage3D(cl_context context, cl_mem_flags, const cl_image_format *, size_t, size_t,
                     size_t, size_t, size_t, void *, cl_int *error)
{
    return no_image(context, error);
}

cl_int GetSupportedImageFormats(cl_context context, cl_mem_flags, cl_mem_object_type type,
                                cl_uint room, cl_image_format *formats, cl_uint *count)
{
    if (!valid(context)) return CL_INVALID_CONTEXT;
    if (type < CL_MEM_OBJECT_IMAGE2D || type > CL_MEM_OBJECT_IMAGE1D_BUFFER)
        return CL_INVALID_VALUE;
    if (!room && formats) return CL_INVALID_VALUE;
    if (count) *count = 0;
    return CL_SUCCESS;
}

cl_int GetImageInfo(cl_mem, cl_image_info, size_t, void *, size_t *)
{
    return CL_INVALID_MEM_OBJECT;
}

cl_sampler CreateSampler(cl_context context, cl_bool, cl_addressing_mode, cl_filter_mode,
                         cl_int *error)
{
    return no_image(context, error);
}

cl_sampler CreateSamplerWithProperties(cl_context context, const cl_sampler_properties *,
                                       cl_int *error)
{
    return no_image(context, error);
}

cl_int RetainSampler(cl_sampler)
{
    return CL_INVALID_SAMPLER;
}

cl_int ReleaseSampler(cl_sampler)
{
    return CL_INVALID_SAMPLER;
}

cl_int GetSamplerInfo(cl_sampler, cl_sampler_info, size_t, void *, size_t *)
{
    return CL_INVALID_SAMPLER;
}

cl_int EnqueueReadImage(cl_command_queue queue, cl_mem, cl_bool, const size_t *, const size_t *,
                        size_t, size_t, void *, cl_uint, const cl_event *, cl_event *)
{
    return no_image_command(queue);
}

cl_int EnqueueWriteImage(cl_command_queue queue, cl_mem, cl_bool, const size_t *, const size_t *,
                         size_t, size_t, const void *, cl_uint, const cl_event *, cl_event *)
{
    return no_image_command(queue);
}

cl_int EnqueueCopyImage(cl_command_queue queue, cl_mem, cl_mem, const size_t *, const size_t *,
                        const size_t *, cl_uint, const cl_event *, cl_event *)
{
    return no_image_command(queue);
}

cl_int EnqueueCopyImageToBuffer(cl_command_queue queue, cl_mem, cl_mem, const size_t *,
                                const size_t *, size_t, cl_uint, const cl_event *, cl_event *)
{
    return no_image_command(queue);
}

cl_int EnqueueCopyBufferToImage(cl_command_queue queue, cl_mem, cl_mem, size_t, const size_t *,
                                const size_t *, cl_uint, const cl_event *, cl_event *)
{
    return no_image_command(queue);
}

cl_int EnqueueFillImage(cl_command_queue queue, cl_mem, const void *, const size_t *,
                        const size_t *, cl_uint, const cl_event *, cl_event *)
{
    return no_image_command(queue);
}

void *EnqueueMapImage(cl_command_queue queue, cl_mem, cl_bool, cl_map_flags, const size_t *,
                      const size_t *, size_t *, size_t *, cl_uint, const cl_event *, cl_event *,
                      cl_int *error)
{
    return fail(error, no_image_command(queue));
}

cl_mem CreatePipe(cl_context context, cl_mem_flags, cl_uint, cl_uint, const cl_pipe_properties *,
                  cl_int *error)
{
    return no_image(context, error);
}

cl_int GetPipeInfo(cl_mem, cl_pipe_info, size_t, void *, size_t *)
{
    return CL_INVALID_MEM_OBJECT;
}

cl_program CreateProgramWithIL(cl_context context, const void *, size_t, cl_int *error)
{
    return no_image(context, error);
}

cl_int GetKernelSubGroupInfo(cl_kernel kernel, cl_device_id, cl_kernel_sub_group_info, size_t,
                             const void *, size_t, void *, size_t *)
{
    return valid(kernel) ? CL_INVALID_OPERATION : CL_INVALID_KERNEL;
}

} // namespace acc::ocl::api
