// SPDX-License-Identifier: MIT
//
// Making buffers, and what is told of them.
#include "libacc/interop/opencl/memory.h"

#include "libacc/interop/opencl/api.h"
#include "libacc/interop/opencl/info.h"

#include <bit>

using namespace acc::ocl;

_cl_mem::~_cl_mem()
{
    for (auto one = destructors.rbegin(); one != destructors.rend(); ++one)
        one->fn(this, one->user);
    if (buffer) (void)acc_buffer_destroy(buffer);
}

namespace acc::ocl
{
namespace
{

constexpr cl_mem_flags kAccess = CL_MEM_READ_WRITE | CL_MEM_WRITE_ONLY | CL_MEM_READ_ONLY;
constexpr cl_mem_flags kHostAccess =
    CL_MEM_HOST_WRITE_ONLY | CL_MEM_HOST_READ_ONLY | CL_MEM_HOST_NO_ACCESS;
constexpr cl_mem_flags kPlace = CL_MEM_USE_HOST_PTR | CL_MEM_ALLOC_HOST_PTR | CL_MEM_COPY_HOST_PTR;

cl_int check_flags(cl_mem_flags flags)
{
    if (flags & ~(kAccess | kHostAccess | kPlace)) return CL_INVALID_VALUE;
    if (std::popcount(flags & kAccess) > 1 || std::popcount(flags & kHostAccess) > 1)
        return CL_INVALID_VALUE;
    if ((flags & CL_MEM_USE_HOST_PTR) && (flags & (CL_MEM_ALLOC_HOST_PTR | CL_MEM_COPY_HOST_PTR)))
        return CL_INVALID_VALUE;
    return CL_SUCCESS;
}

} // namespace

acc_buffer *make_buffer(size_t bytes)
{
    const Hardware &all = *opened_hardware();
    acc_buffer *made = nullptr;
    if (acc_buffer_create(all.first(), bytes, nullptr, &made)) {
        log(ACC_LOG_INFO, acc_error_text());
        return nullptr;
    }
    for (acc_device *device : all.all)
        if (acc_buffer_attach(made, device)) {
            log(ACC_LOG_INFO, acc_error_text());
            (void)acc_buffer_destroy(made);
            return nullptr;
        }
    return made;
}

// The same of memory that a descriptor stands for, which stays the caller's. CL_INVALID_VALUE: it
// is no such descriptor; CL_INVALID_BUFFER_SIZE: there is less behind it.
static cl_int import_buffer(int fd, size_t bytes, acc_buffer *&out)
{
    const Hardware &all = *opened_hardware();
    acc_buffer *made = nullptr;
    if (acc_buffer_import(all.first(), fd, &made)) {
        log(ACC_LOG_INFO, acc_error_text());
        return CL_INVALID_VALUE;
    }
    cl_int error = acc_buffer_bytes(made) < bytes ? CL_INVALID_BUFFER_SIZE : CL_SUCCESS;
    for (acc_device *device : all.all)
        if (!error && acc_buffer_attach(made, device)) error = CL_MEM_OBJECT_ALLOCATION_FAILURE;
    if (error) {
        (void)acc_buffer_destroy(made);
        return error;
    }
    out = made;
    return CL_SUCCESS;
}

// What a list of properties asks for.
static cl_int read_properties(const _cl_context &context, const cl_mem_properties *given,
                              std::optional<int> &descriptor, std::vector<cl_mem_properties> &kept)
{
    if (!given) return CL_SUCCESS;
    bool has_devices = false;
    const cl_mem_properties *at = given;
    while (*at) {
        if (*at == CL_EXTERNAL_MEMORY_HANDLE_DMA_BUF_KHR && !descriptor) {
            descriptor = static_cast<int>(at[1]);
            at += 2;
        } else if (*at == CL_DEVICE_HANDLE_LIST_KHR && !has_devices) {
            has_devices = true;
            for (at++; *at != CL_DEVICE_HANDLE_LIST_END_KHR; at++) {
                const auto *const device = reinterpret_cast<const _cl_device_id *>(*at);
                if (!valid(device) || !context.has(device)) return CL_INVALID_DEVICE;
            }
            at++;
        } else {
            return CL_INVALID_PROPERTY;
        }
    }
    // Whose it is says nothing of memory that is made here.
    if (has_devices && !descriptor) return CL_INVALID_PROPERTY;
    kept.assign(given, at + 1);
    return CL_SUCCESS;
}

cl_int check_memory(const _cl_context &context, const _cl_mem *memory)
{
    if (!valid(memory)) return CL_INVALID_MEM_OBJECT;
    return memory->context.get() == &context ? CL_SUCCESS : CL_INVALID_CONTEXT;
}

namespace api
{

cl_mem CreateBufferWithProperties(cl_context context, const cl_mem_properties *properties,
                                  cl_mem_flags flags, size_t bytes, void *host, cl_int *error)
try {
    if (!valid(context)) return fail(error, CL_INVALID_CONTEXT);
    std::optional<int> descriptor;
    std::vector<cl_mem_properties> kept;
    OCL_TRY_CREATE(error, read_properties(*context, properties, descriptor, kept));
    OCL_TRY_CREATE(error, check_flags(flags));
    if (descriptor && (flags & kPlace)) return fail(error, CL_INVALID_VALUE);
    if (!bytes || bytes > max_allocation()) return fail(error, CL_INVALID_BUFFER_SIZE);
    const bool wants_host = flags & (CL_MEM_USE_HOST_PTR | CL_MEM_COPY_HOST_PTR);
    if (wants_host != (host != nullptr)) return fail(error, CL_INVALID_HOST_PTR);
    if (forked()) return fail(error, CL_OUT_OF_RESOURCES);
    if (!(flags & kAccess)) flags |= CL_MEM_READ_WRITE;
    const bool svm = (flags & CL_MEM_USE_HOST_PTR) && context->svm.find(host);
    if (svm && !context->svm.holds(host, bytes)) return fail(error, CL_INVALID_BUFFER_SIZE);
    acc_buffer *buffer = nullptr;
    if (descriptor)
        OCL_TRY_CREATE(error, import_buffer(*descriptor, bytes, buffer));
    else if (!svm)
        buffer = make_buffer(bytes);
    if (!svm && !buffer) return fail(error, CL_MEM_OBJECT_ALLOCATION_FAILURE);
    char *const data = static_cast<char *>(svm ? host : acc_buffer_data(buffer));
    auto *made = new _cl_mem(context, flags, bytes, buffer, data);
    made->is_svm = svm;
    if (flags & CL_MEM_USE_HOST_PTR) made->host_pointer = host;
    if (host && !svm) std::memcpy(data, host, bytes);
    made->properties = std::move(kept);
    return succeed(error, made);
}
OCL_END_CREATE(error)

cl_mem CreateBuffer(cl_context context, cl_mem_flags flags, size_t bytes, void *host, cl_int *error)
{
    return CreateBufferWithProperties(context, nullptr, flags, bytes, host, error);
}

cl_mem CreateSubBuffer(cl_mem parent, cl_mem_flags flags, cl_buffer_create_type type,
                       const void *how, cl_int *error)
try {
    if (!valid(parent) || parent->parent) return fail(error, CL_INVALID_MEM_OBJECT);
    OCL_TRY_CREATE(error, check_flags(flags));
    if (flags & kPlace) return fail(error, CL_INVALID_VALUE);
    const cl_mem_flags above = parent->flags;
    if (((above & CL_MEM_WRITE_ONLY) && (flags & (CL_MEM_READ_WRITE | CL_MEM_READ_ONLY))) ||
        ((above & CL_MEM_READ_ONLY) && (flags & (CL_MEM_READ_WRITE | CL_MEM_WRITE_ONLY))))
        return fail(error, CL_INVALID_VALUE);
    if (((above & CL_MEM_HOST_WRITE_ONLY) && (flags & CL_MEM_HOST_READ_ONLY)) ||
        ((above & CL_MEM_HOST_READ_ONLY) && (flags & CL_MEM_HOST_WRITE_ONLY)) ||
        ((above & CL_MEM_HOST_NO_ACCESS) &&
         (flags & (CL_MEM_HOST_READ_ONLY | CL_MEM_HOST_WRITE_ONLY))))
        return fail(error, CL_INVALID_VALUE);
    if (type != CL_BUFFER_CREATE_TYPE_REGION || !how) return fail(error, CL_INVALID_VALUE);
    const auto &region = *static_cast<const cl_buffer_region *>(how);
    if (!region.size) return fail(error, CL_INVALID_BUFFER_SIZE);
    if (!parent->inside(region.origin, region.size)) return fail(error, CL_INVALID_VALUE);
    if (region.origin % kBaseAlign) return fail(error, CL_MISALIGNED_SUB_BUFFER_OFFSET);
    if (!(flags & kAccess)) flags |= above & kAccess;
    if (!(flags & kHostAccess)) flags |= above & kHostAccess;
    flags |= above & kPlace;
    auto *made = new _cl_mem(parent->context.get(), flags, region.size, nullptr,
                             parent->data + region.origin);
    made->parent = Ref(parent);
    made->origin = region.origin;
    made->is_svm = parent->is_svm;
    if (parent->host_pointer)
        made->host_pointer = static_cast<char *>(parent->host_pointer) + region.origin;
    return succeed(error, made);
}
OCL_END_CREATE(error)

cl_int RetainMemObject(cl_mem memory)
{
    if (!valid(memory)) return CL_INVALID_MEM_OBJECT;
    memory->retain();
    return CL_SUCCESS;
}

cl_int ReleaseMemObject(cl_mem memory)
{
    if (!valid(memory)) return CL_INVALID_MEM_OBJECT;
    memory->release();
    return CL_SUCCESS;
}

cl_int SetMemObjectDestructorCallback(cl_mem memory, void(CL_CALLBACK *fn)(cl_mem, void *),
                                      void *user)
try {
    if (!valid(memory)) return CL_INVALID_MEM_OBJECT;
    if (!fn) return CL_INVALID_VALUE;
    std::lock_guard lock(memory->mutex);
    memory->destructors.push_back({fn, user});
    return CL_SUCCESS;
}
OCL_END

cl_int GetMemObjectInfo(cl_mem memory, cl_mem_info what, size_t room, void *value, size_t *needed)
try {
    if (!valid(memory)) return CL_INVALID_MEM_OBJECT;
    const Info info(room, value, needed);
    switch (what) {
    case CL_MEM_TYPE:
        return info.as<cl_mem_object_type>(CL_MEM_OBJECT_BUFFER);
    case CL_MEM_FLAGS:
        return info.value<cl_mem_flags>(memory->flags);
    case CL_MEM_SIZE:
        return info.as<size_t>(memory->bytes);
    case CL_MEM_HOST_PTR:
        return info.value<void *>(memory->host_pointer);
    case CL_MEM_MAP_COUNT: {
        std::lock_guard lock(memory->mutex);
        return info.as<cl_uint>(memory->maps.size());
    }
    case CL_MEM_REFERENCE_COUNT:
        return info.as<cl_uint>(memory->users());
    case CL_MEM_CONTEXT:
        return info.value<cl_context>(memory->context.get());
    case CL_MEM_ASSOCIATED_MEMOBJECT:
        return info.value<cl_mem>(memory->parent.get());
    case CL_MEM_OFFSET:
        return info.as<size_t>(memory->origin);
    case CL_MEM_USES_SVM_POINTER:
        return info.flag(memory->is_svm);
    case CL_MEM_PROPERTIES:
        return info.list(memory->properties);
    default:
        return CL_INVALID_VALUE;
    }
}
OCL_END

} // namespace api
} // namespace acc::ocl
