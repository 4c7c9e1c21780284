// SPDX-License-Identifier: MIT
#include "libacc/interop/opencl/context.h"

#include "libacc/interop/opencl/api.h"
#include "libacc/interop/opencl/info.h"

#include <algorithm>

using namespace acc::ocl;

_cl_context::_cl_context(std::vector<_cl_device_id *> given, std::vector<cl_context_properties> how,
                         Notify fn, void *user)
    : devices(std::move(given)), properties(std::move(how)), notify(fn), notify_user(user),
      signals(opened_hardware()->first()), rings(opened_hardware()->fpga)
{
    for (_cl_device_id *device : devices)
        device->ref();
}

_cl_context::~_cl_context()
{
    for (auto one = destructors.rbegin(); one != destructors.rend(); ++one)
        one->fn(this, one->user);
    for (_cl_device_id *device : devices)
        device->unref();
}

bool _cl_context::has(const _cl_device_id *device) const
{
    return std::find(devices.begin(), devices.end(), device) != devices.end();
}

void _cl_context::report(const std::string &text) const
{
    log(ACC_LOG_WARN, text);
    if (notify) notify(text.c_str(), nullptr, 0, notify_user);
}

namespace acc::ocl::api
{
namespace
{

// What a list of properties says; CL_SUCCESS, or why it is refused.
cl_int check_properties(const cl_context_properties *given,
                        std::vector<cl_context_properties> &kept)
{
    if (!given) return CL_SUCCESS;
    bool has_platform = false, has_sync = false;
    const cl_context_properties *at = given;
    for (; *at; at += 2) {
        switch (*at) {
        case CL_CONTEXT_PLATFORM:
            if (has_platform) return CL_INVALID_PROPERTY;
            has_platform = true;
            if (reinterpret_cast<cl_platform_id>(at[1]) != platform()) return CL_INVALID_PLATFORM;
            break;
        case CL_CONTEXT_INTEROP_USER_SYNC:
            if (has_sync || (at[1] != CL_TRUE && at[1] != CL_FALSE)) return CL_INVALID_PROPERTY;
            has_sync = true;
            break;
        default:
            return CL_INVALID_PROPERTY;
        }
    }
    kept.assign(given, at + 1);
    return CL_SUCCESS;
}

} // namespace

cl_context CreateContext(const cl_context_properties *properties, cl_uint count,
                         const cl_device_id *devices, _cl_context::Notify notify, void *user,
                         cl_int *error)
try {
    std::vector<cl_context_properties> kept;
    OCL_TRY_CREATE(error, check_properties(properties, kept));
    if (!devices || !count || (!notify && user)) return fail(error, CL_INVALID_VALUE);
    std::vector<_cl_device_id *> list;
    for (cl_uint i = 0; i < count; i++) {
        if (!valid(devices[i])) return fail(error, CL_INVALID_DEVICE);
        if (std::find(list.begin(), list.end(), devices[i]) == list.end())
            list.push_back(devices[i]);
    }
    if (!opened_hardware() || forked()) return fail(error, CL_DEVICE_NOT_AVAILABLE);
    return succeed(error, new _cl_context(std::move(list), std::move(kept), notify, user));
}
OCL_END_CREATE(error)

cl_context CreateContextFromType(const cl_context_properties *properties, cl_device_type type,
                                 _cl_context::Notify notify, void *user, cl_int *error)
try {
    std::vector<cl_context_properties> kept;
    OCL_TRY_CREATE(error, check_properties(properties, kept));
    if (!notify && user) return fail(error, CL_INVALID_VALUE);
    cl_device_id devices[4];
    cl_uint count = 0;
    OCL_TRY_CREATE(error, GetDeviceIDs(platform(), type, 4, devices, &count));
    return CreateContext(properties, count, devices, notify, user, error);
}
OCL_END_CREATE(error)

cl_int RetainContext(cl_context context)
{
    if (!valid(context)) return CL_INVALID_CONTEXT;
    context->retain();
    return CL_SUCCESS;
}

cl_int ReleaseContext(cl_context context)
{
    if (!valid(context)) return CL_INVALID_CONTEXT;
    context->release();
    return CL_SUCCESS;
}

cl_int GetContextInfo(cl_context context, cl_context_info what, size_t room, void *value,
                      size_t *needed)
try {
    if (!valid(context)) return CL_INVALID_CONTEXT;
    const Info info(room, value, needed);
    switch (what) {
    case CL_CONTEXT_REFERENCE_COUNT:
        return info.as<cl_uint>(context->users());
    case CL_CONTEXT_NUM_DEVICES:
        return info.as<cl_uint>(context->devices.size());
    case CL_CONTEXT_DEVICES:
        return info.list(context->devices);
    case CL_CONTEXT_PROPERTIES:
        return info.list(context->properties);
    default:
        return CL_INVALID_VALUE;
    }
}
OCL_END

cl_int SetContextDestructorCallback(cl_context context, void(CL_CALLBACK *fn)(cl_context, void *),
                                    void *user)
try {
    if (!valid(context)) return CL_INVALID_CONTEXT;
    if (!fn) return CL_INVALID_VALUE;
    std::lock_guard lock(context->mutex);
    context->destructors.push_back({fn, user});
    return CL_SUCCESS;
}
OCL_END

} // namespace acc::ocl::api
