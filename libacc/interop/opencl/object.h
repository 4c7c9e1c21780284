// SPDX-License-Identifier: MIT
//
// What all objects of the API have in common. A handle points at the loader's dispatch table,
// so it comes first and nothing here is virtual.
//
// Two counts: `users` is what the application retains and releases, and what
// CL_*_REFERENCE_COUNT tells; `refs` keeps the object alive. All users together hold one ref,
// commands in flight and other objects hold more.
//
// Thread safety: counts are atomic; the rest is each object's own.
#pragma once

#ifndef CL_TARGET_OPENCL_VERSION
#define CL_TARGET_OPENCL_VERSION 300
#endif
#define CL_USE_DEPRECATED_OPENCL_1_0_APIS
#define CL_USE_DEPRECATED_OPENCL_1_1_APIS
#define CL_USE_DEPRECATED_OPENCL_1_2_APIS
#define CL_USE_DEPRECATED_OPENCL_2_0_APIS
#define CL_USE_DEPRECATED_OPENCL_2_1_APIS
#define CL_USE_DEPRECATED_OPENCL_2_2_APIS

#include <CL/cl.h>
#include <CL/cl_ext.h>
#include <CL/cl_icd.h>

#include <atomic>
#include <cstdint>
#include <new>
#include <type_traits>
#include <utility>

namespace acc::ocl
{

extern const cl_icd_dispatch dispatch_table;

// T::kMagic tells what a handle names. Precondition of unref(): the caller holds a ref.
template <typename T>
class Object
{
public:
    Object(const Object &) = delete;
    Object &operator=(const Object &) = delete;

    void ref() { refs_.fetch_add(1, std::memory_order_relaxed); }
    void unref()
    {
        if (refs_.fetch_sub(1, std::memory_order_acq_rel) == 1) delete static_cast<T *>(this);
    }

    void retain() { users_.fetch_add(1, std::memory_order_relaxed); }
    // The last user's ref goes with it. `last` is called before.
    template <typename F>
    void release(F last)
    {
        if (users_.fetch_sub(1, std::memory_order_acq_rel) != 1) return;
        last();
        unref();
    }
    void release()
    {
        release([] {});
    }
    cl_uint users() const { return users_.load(std::memory_order_relaxed); }
    bool is_valid() const { return magic_ == T::kMagic && users() > 0; }

protected:
    Object() : dispatch_(&dispatch_table), magic_(T::kMagic)
    {
        // Of the most derived class: a pointer in front of the dispatch table would be ours alone.
        static_assert(!std::is_polymorphic_v<T>);
    }
    ~Object() { magic_ = 0; }

private:
    const cl_icd_dispatch *dispatch_;
    uint32_t magic_;
    std::atomic<uint32_t> users_{1};
    std::atomic<uint32_t> refs_{1};
};

template <typename T>
bool valid(const T *object)
{
    return object && object->is_valid();
}

// A ref.
template <typename T>
class Ref
{
public:
    Ref() = default;
    Ref(std::nullptr_t) {}
    explicit Ref(T *object) : object_(object)
    {
        if (object_) object_->ref();
    }
    Ref(const Ref &other) : Ref(other.object_) {}
    Ref(Ref &&other) noexcept : object_(std::exchange(other.object_, nullptr)) {}
    Ref &operator=(Ref other) noexcept
    {
        std::swap(object_, other.object_);
        return *this;
    }
    ~Ref()
    {
        if (object_) object_->unref();
    }
    // Takes over a ref that the caller holds.
    static Ref adopt(T *object)
    {
        Ref made;
        made.object_ = object;
        return made;
    }

    T *get() const { return object_; }
    T *operator->() const { return object_; }
    T &operator*() const { return *object_; }
    explicit operator bool() const { return object_ != nullptr; }
    T *leak() { return std::exchange(object_, nullptr); }

private:
    T *object_ = nullptr;
};

// A creator's failure.
inline std::nullptr_t fail(cl_int *error, cl_int code)
{
    if (error) *error = code;
    return nullptr;
}

template <typename T>
T *succeed(cl_int *error, T *object)
{
    if (error) *error = CL_SUCCESS;
    return object;
}

} // namespace acc::ocl

// Ends of functions of the API, written as `cl_int f(...) try { ... } OCL_END`: nothing that a
// container throws leaves.
#define OCL_END                                                                                    \
    catch (const std::bad_alloc &)                                                                 \
    {                                                                                              \
        return CL_OUT_OF_HOST_MEMORY;                                                              \
    }
#define OCL_END_CREATE(error)                                                                      \
    catch (const std::bad_alloc &)                                                                 \
    {                                                                                              \
        return ::acc::ocl::fail(error, CL_OUT_OF_HOST_MEMORY);                                     \
    }
#define OCL_TRY(expression)                                                                        \
    do {                                                                                           \
        if (const cl_int ocl_error = (expression)) return ocl_error;                               \
    } while (0)
#define OCL_TRY_CREATE(error, expression)                                                          \
    do {                                                                                           \
        if (const cl_int ocl_error = (expression)) return ::acc::ocl::fail(error, ocl_error);      \
    } while (0)
