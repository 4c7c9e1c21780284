// SPDX-License-Identifier: MIT
#include "ipc.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstddef>
#include <cstdio>
#include <cstring>
#include <system_error>

namespace acc::hsa
{
namespace
{

constexpr uint32_t magic = 0x49434341; // "ACCI"
constexpr int patience_seconds = 5;

// Abstract, so that nothing is left of it when the process ends.
socklen_t address_of(uint64_t process, sockaddr_un &address)
{
    address = {};
    address.sun_family = AF_UNIX;
    const int length = std::snprintf(address.sun_path + 1, sizeof address.sun_path - 1,
                                     "acc-hsa-%016llx", static_cast<unsigned long long>(process));
    return socklen_t(offsetof(sockaddr_un, sun_path) + 1 + size_t(length));
}

uint64_t random_number()
{
    uint64_t number = 0;
    while (getrandom(&number, sizeof number, 0) != sizeof number || !number) {
    }
    return number;
}

void set_patience(int socket)
{
    const timeval time = {patience_seconds, 0};
    (void)setsockopt(socket, SOL_SOCKET, SO_RCVTIMEO, &time, sizeof time);
    (void)setsockopt(socket, SOL_SOCKET, SO_SNDTIMEO, &time, sizeof time);
}

bool is_same_user(int socket)
{
    ucred peer = {};
    socklen_t length = sizeof peer;
    return !getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &peer, &length) && peer.uid == geteuid();
}

// One byte, with a descriptor if there is one.
bool send_fd(int socket, int fd)
{
    char byte = fd >= 0;
    iovec data = {&byte, 1};
    alignas(cmsghdr) char room[CMSG_SPACE(sizeof fd)] = {};
    msghdr message = {};
    message.msg_iov = &data;
    message.msg_iovlen = 1;
    if (fd >= 0) {
        message.msg_control = room;
        message.msg_controllen = sizeof room;
        cmsghdr *const header = CMSG_FIRSTHDR(&message);
        header->cmsg_level = SOL_SOCKET;
        header->cmsg_type = SCM_RIGHTS;
        header->cmsg_len = CMSG_LEN(sizeof fd);
        std::memcpy(CMSG_DATA(header), &fd, sizeof fd);
    }
    return sendmsg(socket, &message, MSG_NOSIGNAL) == 1;
}

int receive_fd(int socket)
{
    char byte = 0;
    iovec data = {&byte, 1};
    int fd = -1;
    alignas(cmsghdr) char room[CMSG_SPACE(sizeof fd)] = {};
    msghdr message = {};
    message.msg_iov = &data;
    message.msg_iovlen = 1;
    message.msg_control = room;
    message.msg_controllen = sizeof room;
    if (recvmsg(socket, &message, MSG_CMSG_CLOEXEC) != 1) return -1;
    const cmsghdr *const header = CMSG_FIRSTHDR(&message);
    if (header && header->cmsg_level == SOL_SOCKET && header->cmsg_type == SCM_RIGHTS &&
        header->cmsg_len == CMSG_LEN(sizeof fd))
        std::memcpy(&fd, CMSG_DATA(header), sizeof fd);
    return fd;
}

} // namespace

Ipc::~Ipc()
{
    if (thread_.joinable()) {
        (void)!eventfd_write(stop_, 1);
        thread_.join();
    }
    for (const auto &[key, shared] : shared_)
        close(shared.fd);
    if (listener_ >= 0) close(listener_);
    if (stop_ >= 0) close(stop_);
}

// Under the lock.
hsa_status_t Ipc::start()
{
    if (thread_.joinable()) return HSA_STATUS_SUCCESS;
    process_ = random_number();
    if (stop_ < 0) stop_ = eventfd(0, EFD_CLOEXEC);
    if (listener_ < 0) listener_ = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
    sockaddr_un address;
    const socklen_t length = address_of(process_, address);
    if (stop_ < 0 || listener_ < 0 ||
        bind(listener_, reinterpret_cast<const sockaddr *>(&address), length) ||
        listen(listener_, SOMAXCONN)) {
        log_line(ACC_LOG_ERROR, std::string("cannot share memory: ") + std::strerror(errno));
        return HSA_STATUS_ERROR_OUT_OF_RESOURCES;
    }
    try {
        thread_ = std::thread([this] { serve(); });
    } catch (const std::system_error &error) {
        log_line(ACC_LOG_ERROR, std::string("cannot start a thread: ") + error.what());
        return HSA_STATUS_ERROR_OUT_OF_RESOURCES;
    }
    return HSA_STATUS_SUCCESS;
}

void Ipc::serve()
{
    pollfd events[] = {{listener_, POLLIN, 0}, {stop_, POLLIN, 0}};
    for (;;) {
        if (poll(events, 2, -1) < 0) continue; // EINTR
        if (events[1].revents) return;
        const int connection = accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
        if (connection < 0) continue;
        answer(connection);
        close(connection);
    }
}

void Ipc::answer(int connection)
{
    set_patience(connection);
    uint64_t key = 0;
    if (!is_same_user(connection) || recv(connection, &key, sizeof key, 0) != sizeof key) return;
    std::lock_guard lock(mutex_);
    const auto found = shared_.find(key);
    (void)send_fd(connection, found == shared_.end() ? -1 : found->second.fd);
}

hsa_status_t Ipc::share(IpcKind kind, const void *base, int fd, uint64_t bytes, IpcHandle &handle)
{
    std::lock_guard lock(mutex_);
    if (const hsa_status_t status = start(); status != HSA_STATUS_SUCCESS) {
        close(fd);
        return status;
    }
    handle = {magic, kind, process_, random_number(), bytes};
    shared_[handle.key] = {base, fd};
    return HSA_STATUS_SUCCESS;
}

void Ipc::forget(const void *base)
{
    std::lock_guard lock(mutex_);
    std::erase_if(shared_, [&](const auto &entry) {
        if (entry.second.base != base) return false;
        close(entry.second.fd);
        return true;
    });
}

hsa_status_t Ipc::fetch(const IpcHandle &handle, IpcKind kind, int &fd)
{
    if (handle.magic != magic || handle.kind != kind) return HSA_STATUS_ERROR_INVALID_ARGUMENT;
    const int connection = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
    if (connection < 0) return HSA_STATUS_ERROR_OUT_OF_RESOURCES;
    set_patience(connection);
    sockaddr_un address;
    const socklen_t length = address_of(handle.process, address);
    fd = -1;
    // The name is in everybody's reach: what answers must be the same user's.
    if (!connect(connection, reinterpret_cast<const sockaddr *>(&address), length) &&
        is_same_user(connection) &&
        send(connection, &handle.key, sizeof handle.key, MSG_NOSIGNAL) == sizeof handle.key)
        fd = receive_fd(connection);
    close(connection);
    return fd >= 0 ? HSA_STATUS_SUCCESS : HSA_STATUS_ERROR_INVALID_ARGUMENT;
}

} // namespace acc::hsa
