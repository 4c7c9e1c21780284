// SPDX-License-Identifier: MIT
#include "common/message.h"

#include <cstring>
#include <sys/socket.h>
#include <sys/uio.h>

namespace acc
{

namespace
{
constexpr size_t most_parts = 4;
// Room for more than is allowed, so that what is too much is seen and closed.
constexpr size_t most_fds = 8;
} // namespace

int send_message(int socket, std::initializer_list<std::span<const std::byte>> parts, int fd,
                 int flags)
{
    iovec pieces[most_parts];
    msghdr message = {};
    message.msg_iov = pieces;
    for (const auto part : parts) {
        if (part.empty()) continue;
        if (message.msg_iovlen == most_parts) return -EMSGSIZE;
        pieces[message.msg_iovlen].iov_base = const_cast<std::byte *>(part.data());
        pieces[message.msg_iovlen++].iov_len = part.size();
    }
    alignas(cmsghdr) char control[CMSG_SPACE(sizeof fd)] = {};
    if (fd >= 0) {
        message.msg_control = control;
        message.msg_controllen = sizeof control;
        cmsghdr *header = CMSG_FIRSTHDR(&message);
        header->cmsg_level = SOL_SOCKET;
        header->cmsg_type = SCM_RIGHTS;
        header->cmsg_len = CMSG_LEN(sizeof fd);
        std::memcpy(CMSG_DATA(header), &fd, sizeof fd);
    }
    ssize_t sent;
    do {
        sent = sendmsg(socket, &message, flags | MSG_NOSIGNAL);
    } while (sent < 0 && errno == EINTR);
    return sent < 0 ? -errno : 0;
}

Result<Message> receive_message(int socket, std::span<std::byte> buffer, int flags)
{
    iovec piece = {buffer.data(), buffer.size()};
    alignas(cmsghdr) char control[CMSG_SPACE(most_fds * sizeof(int))];
    msghdr message = {};
    message.msg_iov = &piece;
    message.msg_iovlen = 1;
    message.msg_control = control;
    message.msg_controllen = sizeof control;
    ssize_t got;
    do {
        got = recvmsg(socket, &message, flags | MSG_CMSG_CLOEXEC);
    } while (got < 0 && errno == EINTR);
    if (got < 0) return Error{-errno};

    Message out;
    out.bytes = size_t(got);
    out.broken = message.msg_flags & MSG_TRUNC;
    out.fd_lost = message.msg_flags & MSG_CTRUNC;
    for (cmsghdr *header = CMSG_FIRSTHDR(&message); header;
         header = CMSG_NXTHDR(&message, header)) {
        if (header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS) continue;
        const size_t count = (header->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        for (size_t i = 0; i < count; i++) {
            int fd;
            std::memcpy(&fd, CMSG_DATA(header) + i * sizeof fd, sizeof fd);
            if (out.fd) out.broken = true;
            out.fd.reset(fd);
        }
    }
    return out;
}

} // namespace acc
