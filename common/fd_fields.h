// SPDX-License-Identifier: MIT
//
// Which field of an ioctl's struct is a descriptor that travels with the message
// (DRM_ACC_FD_TABLE), for both ends of the socket.
#pragma once

#include <drm/acc_drm.h>

#include <sys/ioctl.h>

namespace acc
{

struct FdFields {
    int in = -1, out = -1; // offset of an __s32, or -1
};

constexpr FdFields fd_fields(unsigned long request)
{
    if (_IOC_TYPE(request) != DRM_IOCTL_BASE) return {};
    switch (_IOC_NR(request)) {
#define ACC_FD_FIELDS(ioctl, type, in, out)                                                        \
    case _IOC_NR(ioctl):                                                                           \
        static_assert((in) + 4 <= int(sizeof(type)) && (out) + 4 <= int(sizeof(type)));            \
        return {in, out};
        DRM_ACC_FD_TABLE(ACC_FD_FIELDS)
#undef ACC_FD_FIELDS
    default:
        return {};
    }
}

} // namespace acc
