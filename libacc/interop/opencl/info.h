// SPDX-License-Identifier: MIT
//
// The answer to a query clGet*Info(): where it goes, and how much room there is.
#pragma once

#include "libacc/interop/opencl/object.h"

#include <cstring>
#include <string>
#include <string_view>
#include <vector>

namespace acc::ocl
{

class Info
{
public:
    Info(size_t room, void *value, size_t *needed) : room_(room), value_(value), needed_(needed) {}

    // CL_INVALID_VALUE: there is a place for the value, and it is too small.
    cl_int bytes(const void *from, size_t size) const
    {
        if (value_ && room_ < size) return CL_INVALID_VALUE;
        if (value_ && from && size) std::memcpy(value_, from, size);
        if (needed_) *needed_ = size;
        return CL_SUCCESS;
    }
    template <typename T>
    cl_int value(const T &from) const
    {
        static_assert(std::is_trivially_copyable_v<T>);
        return bytes(&from, sizeof from);
    }
    // T is the type that the specification names.
    template <typename T, typename U>
    cl_int as(U from) const
    {
        return value(static_cast<T>(from));
    }
    cl_int flag(bool from) const { return as<cl_bool>(from ? CL_TRUE : CL_FALSE); }
    cl_int text(std::string_view from) const
    {
        const std::string with_end(from);
        return bytes(with_end.c_str(), with_end.size() + 1);
    }
    template <typename T>
    cl_int list(const std::vector<T> &from) const
    {
        return bytes(from.data(), from.size() * sizeof(T));
    }
    cl_int nothing() const { return bytes(nullptr, 0); }

    size_t room() const { return room_; }
    void *place() const { return value_; }
    size_t *needed() const { return needed_; }

private:
    size_t room_;
    void *value_;
    size_t *needed_;
};

} // namespace acc::ocl
