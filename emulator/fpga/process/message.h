// SPDX-License-Identifier: MIT
//
// A few bytes and at most one descriptor over a socket. Safe in signal handlers.
#pragma once

#include <cerrno>
#include <cstddef>
#include <cstring>
#include <sys/socket.h>

namespace acc::emu::fpga
{

// 0 or -errno. `fd` < 0: none.
inline int send_message(int socket, const void *data, size_t bytes, int fd)
{
    iovec part{const_cast<void *>(data), bytes};
    alignas(cmsghdr) char space[CMSG_SPACE(sizeof(int))] = {};
    msghdr header = {};
    header.msg_iov = &part;
    header.msg_iovlen = 1;
    if (fd >= 0) {
        header.msg_control = space;
        header.msg_controllen = sizeof space;
        cmsghdr *rights = CMSG_FIRSTHDR(&header);
        rights->cmsg_level = SOL_SOCKET;
        rights->cmsg_type = SCM_RIGHTS;
        rights->cmsg_len = CMSG_LEN(sizeof fd);
        std::memcpy(CMSG_DATA(rights), &fd, sizeof fd);
    }
    ssize_t sent;
    do
        sent = sendmsg(socket, &header, MSG_NOSIGNAL | MSG_DONTWAIT);
    while (sent < 0 && errno == EINTR);
    if (sent < 0) return -errno;
    return static_cast<size_t>(sent) == bytes ? 0 : -EIO;
}

// The descriptor, which the caller owns; -1 when none came or the message is another's.
inline int receive_message(int socket, void *data, size_t bytes)
{
    iovec part{data, bytes};
    alignas(cmsghdr) char space[CMSG_SPACE(sizeof(int))] = {};
    msghdr header = {};
    header.msg_iov = &part;
    header.msg_iovlen = 1;
    header.msg_control = space;
    header.msg_controllen = sizeof space;
    ssize_t got;
    do
        got = recvmsg(socket, &header, MSG_CMSG_CLOEXEC);
    while (got < 0 && errno == EINTR);
    const cmsghdr *rights = got >= 0 ? CMSG_FIRSTHDR(&header) : nullptr;
    int fd = -1;
    if (rights && rights->cmsg_type == SCM_RIGHTS && rights->cmsg_len == CMSG_LEN(sizeof fd))
        std::memcpy(&fd, CMSG_DATA(rights), sizeof fd);
    return got == static_cast<ssize_t>(bytes) ? fd : -1;
}

} // namespace acc::emu::fpga
