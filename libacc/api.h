// SPDX-License-Identifier: MIT
//
// What the functions of acc.h share: handles are checked, structs are read and written by
// their size, and no exception leaves.
#pragma once

#include "acc/acc.h"
#include "libacc/error.h"
#include "libacc/handle.h"

#include <algorithm>
#include <cstring>
#include <exception>
#include <new>
#include <span>

namespace acc
{

class Device;
class Buffer;
class Queue;
class Signal;
class Program;
class Model;

template <typename T>
struct HandleTraits;

#define ACC_HANDLE(Class, c_type, text)                                                            \
    template <>                                                                                    \
    struct HandleTraits<Class> {                                                                   \
        static constexpr HandleKind kind = HandleKind::Class;                                      \
        static constexpr const char *name = text;                                                  \
        using C = c_type;                                                                          \
    };
ACC_HANDLE(Device, acc_device, "device")
ACC_HANDLE(Buffer, acc_buffer, "buffer")
ACC_HANDLE(Queue, acc_queue, "queue")
ACC_HANDLE(Signal, acc_signal, "signal")
ACC_HANDLE(Program, acc_program, "program")
ACC_HANDLE(Model, acc_model, "model")
#undef ACC_HANDLE

int refuse_handle(const Handle *handle, const char *expected);

// What acc_model_input() and its like say; -ENOENT past the last.
struct PlanTensor;
int fill_tensor(std::span<const PlanTensor> tensors, const char *what, uint32_t index,
                acc_tensor_info *info);

// 0, or -EINVAL for what is no such handle, -ENODEV for one that was inherited over fork.
template <typename T>
int check(const T *object)
{
    const Handle *handle = object;
    if (handle && handle->kind() == HandleTraits<T>::kind && handle->here()) [[likely]]
        return 0;
    return refuse_handle(handle, HandleTraits<T>::name);
}

template <typename T>
T *from_c(typename HandleTraits<T>::C *handle)
{
    return reinterpret_cast<T *>(handle);
}
template <typename T>
const T *from_c(const typename HandleTraits<T>::C *handle)
{
    return reinterpret_cast<const T *>(handle);
}
template <typename T>
typename HandleTraits<T>::C *to_c(T *object)
{
    return reinterpret_cast<typename HandleTraits<T>::C *>(object);
}

int refuse_exception(const char *what); // null: there was no memory

// Runs f(), which returns 0 or -errno. What a library throws becomes a code.
template <typename F>
int guarded(F f) noexcept
{
    try {
        return f();
    } catch (const std::bad_alloc &) {
        return refuse_exception(nullptr);
    } catch (const std::exception &error) {
        return refuse_exception(error.what());
    }
}

// Reads an options struct of any version; a null one is all zeros. -EINVAL: no `size`, or
// members set that this library does not know.
template <typename T>
int read_options(const T *given, T &options)
{
    options = {};
    options.size = sizeof(T);
    if (!given) return 0;
    if (given->size < sizeof given->size)
        return fail(-EINVAL, "expected size = sizeof(struct) in the options; found {}", given->size)
            .code;
    const auto *bytes = reinterpret_cast<const unsigned char *>(given);
    for (size_t i = sizeof(T); i < given->size; i++)
        if (bytes[i])
            return fail(-EINVAL, "expected options of at most {} bytes; found more that are set",
                        sizeof(T))
                .code;
    std::memcpy(&options, given, std::min(given->size, sizeof(T)));
    return 0;
}

// Writes an info struct as far as the caller's reaches; its `size` stays.
template <typename T>
int write_info(T *to, const T &info)
{
    if (!to) return fail(-EINVAL, "expected a struct to fill; found NULL").code;
    const size_t size = to->size;
    if (size < sizeof size)
        return fail(-EINVAL, "expected size = sizeof(struct); found {}", size).code;
    std::memcpy(to, &info, std::min(size, sizeof(T)));
    to->size = size;
    return 0;
}

template <size_t to_bytes, size_t from_bytes>
void copy_text(char (&to)[to_bytes], const char (&from)[from_bytes])
{
    const size_t length = std::min(strnlen(from, from_bytes), to_bytes - 1);
    std::memset(to, 0, to_bytes);
    std::memcpy(to, from, length);
}

} // namespace acc

#define ACC_CHECK(object) ACC_TRY_INT(::acc::check(object))
// A parameter that may not be NULL.
#define ACC_CHECK_POINTER(pointer)                                                                 \
    do {                                                                                           \
        if (!(pointer)) return ::acc::fail(-EINVAL, "expected " #pointer "; found NULL").code;     \
    } while (0)
