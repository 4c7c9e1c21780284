// SPDX-License-Identifier: MIT
//
// Buffers. Each is a buffer of libacc on all devices, with one address for the host and for them;
// a sub-buffer is a part of its parent's. Where an application brings memory of its own
// (CL_MEM_USE_HOST_PTR), that is a copy: it holds what the buffer does while it is mapped.
//
// Thread safety: maps and destructors have a mutex, the rest is immutable; contents are the
// application's to order.
#pragma once

#include "libacc/interop/opencl/context.h"
#include "libacc/interop/opencl/event.h"

#include <mutex>
#include <optional>
#include <vector>

struct _cl_mem final : acc::ocl::Object<_cl_mem> {
    static constexpr uint32_t kMagic = 0x4d454d4f;
    struct Map {
        char *pointer;
        size_t offset, bytes;
        cl_map_flags flags;
    };
    struct Destructor {
        void(CL_CALLBACK *fn)(cl_mem, void *);
        void *user;
    };

    // Takes `buffer` over; null: the memory is another's, a parent's or SVM.
    _cl_mem(_cl_context *context, cl_mem_flags flags, size_t bytes, acc_buffer *buffer, char *data)
        : context(context), flags(flags), bytes(bytes), buffer(buffer), data(data)
    {
    }
    ~_cl_mem();

    uint64_t address() const { return reinterpret_cast<uintptr_t>(data); }
    // Of the parent, or it.
    const _cl_mem *root() const { return parent ? parent.get() : this; }
    bool inside(size_t offset, size_t size) const
    {
        return offset <= bytes && size <= bytes - offset;
    }

    const acc::ocl::Ref<_cl_context> context;
    const cl_mem_flags flags;
    const size_t bytes;
    acc_buffer *const buffer;
    char *const data;
    void *host_pointer = nullptr; // as given with CL_MEM_USE_HOST_PTR
    bool is_svm = false;          // the host pointer is the memory itself
    acc::ocl::Ref<_cl_mem> parent;
    size_t origin = 0; // in the parent
    std::vector<cl_mem_properties> properties;

    std::mutex mutex;
    std::vector<Map> maps;
    std::vector<Destructor> destructors;
};

namespace acc::ocl
{

// Work of the host that is a function: what it needs it holds.
template <typename F>
class HostWork final : public Work
{
public:
    HostWork(F f, uint64_t bytes) : f_(std::move(f)), bytes_(bytes) {}
    cl_int run() override { return f_(); }
    uint64_t bytes() const override { return bytes_; }

private:
    F f_;
    uint64_t bytes_;
};

template <typename F>
std::unique_ptr<Work> host_work(uint64_t bytes, F f)
{
    return std::make_unique<HostWork<F>>(std::move(f), bytes);
}

// CL_INVALID_MEM_OBJECT, CL_INVALID_CONTEXT.
cl_int check_memory(const _cl_context &context, const _cl_mem *memory);
// CL_INVALID_OPERATION where the host may not do that.
inline cl_int check_host_reads(const _cl_mem &memory)
{
    return memory.flags & (CL_MEM_HOST_WRITE_ONLY | CL_MEM_HOST_NO_ACCESS) ? CL_INVALID_OPERATION
                                                                           : CL_SUCCESS;
}
inline cl_int check_host_writes(const _cl_mem &memory)
{
    return memory.flags & (CL_MEM_HOST_READ_ONLY | CL_MEM_HOST_NO_ACCESS) ? CL_INVALID_OPERATION
                                                                          : CL_SUCCESS;
}
// `pattern` again and again. Precondition: its size divides `bytes`.
void fill_memory(char *to, size_t bytes, const void *pattern, size_t pattern_bytes);

} // namespace acc::ocl
