// SPDX-License-Identifier: MIT
//
// How two processes wake each other: a byte through a pipe. Not a futex, because a pipe tells
// the scheduler that who writes is about to sleep: the other then runs on the same processor,
// where a futex may wake a second one first, which takes a virtual machine tens of microseconds.
//
// Safe in signal handlers. What is written before ring() is seen after take_rings() that took it.
#pragma once

#include <cerrno>
#include <unistd.h>

namespace acc::emu::fpga
{

// Where the other has left its bytes unread the pipe may be full: then it wakes without this one.
inline void ring(int fd)
{
    const char byte = 0;
    while (write(fd, &byte, sizeof byte) < 0 && errno == EINTR) {
    }
}

// Takes what there is; waits for it unless the descriptor is non-blocking. False: the other
// end is closed.
[[nodiscard]] inline bool take_rings(int fd)
{
    char bytes[64];
    ssize_t got;
    do
        got = read(fd, bytes, sizeof bytes);
    while (got < 0 && errno == EINTR);
    return got > 0 || (got < 0 && errno == EAGAIN);
}

} // namespace acc::emu::fpga
