// SPDX-License-Identifier: MIT
//
// One message on a SOCK_SEQPACKET socket, with at most one descriptor.
#pragma once

#include "common/result.h"
#include "common/unique_fd.h"

#include <cstddef>
#include <initializer_list>
#include <span>
#include <sys/types.h>

namespace acc
{

// 0 or -errno; all or nothing. fd -1: none. `flags`: MSG_DONTWAIT or 0. Never SIGPIPE.
int send_message(int socket, std::initializer_list<std::span<const std::byte>> parts, int fd,
                 int flags);

struct Message {
    size_t bytes = 0; // 0: the other end has closed
    UniqueFd fd;
    bool broken = false;  // longer than the buffer, or more than one descriptor
    bool fd_lost = false; // a descriptor did not fit into this process (EMFILE)
};
Result<Message> receive_message(int socket, std::span<std::byte> buffer, int flags);

template <typename T>
std::span<const std::byte> bytes_of(const T &object)
{
    return std::as_bytes(std::span(&object, 1));
}

} // namespace acc
