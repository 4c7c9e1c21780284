// SPDX-License-Identifier: MIT
//
// The table that the loader calls through, and the three names that the library exports.
#include "libacc/interop/opencl/api.h"
#include "libacc/interop/opencl/extensions.h"
#include "libacc/interop/opencl/platform.h"

#include <cstring>
#include <pthread.h>

namespace acc::ocl
{
namespace
{

std::atomic<bool> in_child{false};

cl_int CL_API_CALL icd_platforms(cl_uint room, cl_platform_id *platforms, cl_uint *count)
{
    return api::GetPlatformIDs(room, platforms, count);
}

} // namespace

// Designated, in the table's order: what is not named is null, which the loader answers itself.
#define OCL_ENTRY(name) table.cl##name = api::name;
const cl_icd_dispatch dispatch_table = [] {
    cl_icd_dispatch table = {};
    OCL_FUNCTIONS(OCL_ENTRY)
    table.clCreateSubDevicesEXT = nullptr;
    return table;
}();
#undef OCL_ENTRY

bool forked()
{
    static const bool watched = [] {
        (void)pthread_atfork(nullptr, nullptr,
                             [] { in_child.store(true, std::memory_order_relaxed); });
        return true;
    }();
    (void)watched;
    return in_child.load(std::memory_order_relaxed);
}

void *extension_function(const char *name)
{
    if (!std::strcmp(name, "clIcdGetPlatformIDsKHR"))
        return reinterpret_cast<void *>(&icd_platforms);
    return find_extension(name);
}

} // namespace acc::ocl

#define OCL_EXPORT extern "C" __attribute__((visibility("default")))

OCL_EXPORT cl_int CL_API_CALL clIcdGetPlatformIDsKHR(cl_uint room, cl_platform_id *platforms,
                                                     cl_uint *count)
{
    return acc::ocl::api::GetPlatformIDs(room, platforms, count);
}

OCL_EXPORT void *CL_API_CALL clGetExtensionFunctionAddress(const char *name)
{
    return acc::ocl::api::GetExtensionFunctionAddress(name);
}

OCL_EXPORT cl_int CL_API_CALL clGetPlatformInfo(cl_platform_id platform, cl_platform_info what,
                                                size_t room, void *value, size_t *needed)
{
    return acc::ocl::api::GetPlatformInfo(platform, what, room, value, needed);
}
