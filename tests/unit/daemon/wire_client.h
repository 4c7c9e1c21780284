// SPDX-License-Identifier: MIT
//
// A service of devices inside the test's process, and a client that says to it what libacc's
// never would: every message is made by hand. Used by server tests and by the fuzz target.
//
// A RawClient belongs to one thread at a time.
#pragma once

#include "common/message.h"
#include "common/wire.h"
#include "emulator/server/server.h"
#include "libacc/transport.h"
#include "tests/conformance/queue.h"

#include <cstdlib>
#include <cstring>
#include <deque>
#include <fcntl.h>
#include <filesystem>
#include <initializer_list>
#include <optional>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <thread>

namespace acc::emu
{

constexpr uid_t nobody = 65534;
constexpr int watchdog_ms = 60'000;

// A connected SOCK_SEQPACKET socket. As another user, if one is given: the kernel notes who
// connects, and user ids are a thread's own. Needs root then.
inline UniqueFd connect_to(const std::string &path, std::optional<uid_t> uid = {})
{
    UniqueFd socket(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0));
    sockaddr_un address = {};
    address.sun_family = AF_UNIX;
    std::memcpy(address.sun_path, path.data(), path.size());
    int error = 0;
    const auto connect = [&] {
        if (uid && syscall(SYS_setresuid, -1, *uid, -1))
            error = errno;
        else if (::connect(socket.get(), reinterpret_cast<sockaddr *>(&address), sizeof address))
            error = errno;
    };
    if (uid)
        std::thread(connect).join();
    else
        connect();
    if (error) conformance::give_up("connect", -error);
    return socket;
}

class RawClient
{
public:
    struct Answer {
        wire::Reply reply = {};
        std::vector<std::byte> payload;
        UniqueFd fd;
    };

    explicit RawClient(UniqueFd socket) : socket_(std::move(socket)) {}

    int socket() const { return socket_.get(); }
    int event() const { return event_.get(); }
    void close() { socket_.reset(); }

    // Bytes as they are, with any number of descriptors. 0 or -errno; never waits.
    int send_bytes(std::span<const std::byte> bytes, std::span<const int> fds = {})
    {
        iovec piece = {const_cast<std::byte *>(bytes.data()), bytes.size()};
        msghdr message = {};
        message.msg_iov = &piece;
        message.msg_iovlen = 1;
        alignas(cmsghdr) char control[CMSG_SPACE(32 * sizeof(int))] = {};
        if (!fds.empty()) {
            message.msg_control = control;
            message.msg_controllen = CMSG_SPACE(fds.size_bytes());
            cmsghdr *header = CMSG_FIRSTHDR(&message);
            header->cmsg_level = SOL_SOCKET;
            header->cmsg_type = SCM_RIGHTS;
            header->cmsg_len = CMSG_LEN(fds.size_bytes());
            std::memcpy(CMSG_DATA(header), fds.data(), fds.size_bytes());
        }
        return sendmsg(socket_.get(), &message, MSG_NOSIGNAL | MSG_DONTWAIT) < 0 ? -errno : 0;
    }
    // A request whose header says what the payload is; its id is next_id() before.
    int send(uint32_t kind, uint32_t command, std::span<const std::byte> payload, int fd = -1,
             uint32_t flags = 0)
    {
        const wire::Request request = {next_id_++, kind, command, uint32_t(payload.size()), flags};
        std::vector<std::byte> bytes(sizeof request + payload.size());
        std::memcpy(bytes.data(), &request, sizeof request);
        if (!payload.empty())
            std::memcpy(bytes.data() + sizeof request, payload.data(), payload.size());
        return send_bytes(bytes, fd < 0 ? std::span<const int>() : std::span(&fd, 1));
    }
    uint64_t next_id() const { return next_id_; }

    // The next reply, whosever it is; nothing when the service has closed, or in time.
    std::optional<Answer> receive(int timeout_ms = watchdog_ms)
    {
        pollfd ready = {socket_.get(), POLLIN, 0};
        if (poll(&ready, 1, timeout_ms) != 1) return {};
        std::byte buffer[sizeof(wire::Reply) + wire::most_bytes];
        auto message = receive_message(socket_.get(), buffer, MSG_DONTWAIT);
        if (!message || message->bytes < sizeof(wire::Reply)) return {};
        Answer answer;
        std::memcpy(&answer.reply, buffer, sizeof answer.reply);
        answer.payload.assign(buffer + sizeof answer.reply, buffer + message->bytes);
        answer.fd = std::move(message->fd);
        return answer;
    }
    // The reply of this request; others are kept for later calls.
    std::optional<Answer> receive_for(uint64_t id)
    {
        for (auto kept = kept_.begin(); kept != kept_.end(); ++kept) {
            if (kept->reply.id != id) continue;
            Answer answer = std::move(*kept);
            kept_.erase(kept);
            return answer;
        }
        for (;;) {
            auto answer = receive();
            if (!answer || answer->reply.id == id) return answer;
            kept_.push_back(std::move(*answer));
        }
    }
    // Reads what has come, for later calls of receive_for(): who doesn't read isn't read.
    void keep_replies()
    {
        while (auto answer = receive(0))
            kept_.push_back(std::move(*answer));
    }
    // Reads what there is until the service closes; false: it doesn't.
    bool closed()
    {
        for (;;) {
            pollfd ready = {socket_.get(), POLLIN, 0};
            if (poll(&ready, 1, watchdog_ms) != 1) return false;
            char byte;
            const ssize_t got = recv(socket_.get(), &byte, 1, MSG_DONTWAIT);
            if (!got || (got < 0 && errno != EAGAIN && errno != EINTR)) return true;
        }
    }

    // 0 or -errno; `welcome` is what came with it.
    int hello(uint32_t device = 0, wire::Welcome *welcome = nullptr)
    {
        const wire::Hello hello = {wire::magic, wire::version, device, 0};
        const uint64_t id = next_id_;
        // A refusal may be there before we speak.
        (void)send(wire::kind_hello, 0, bytes_of(hello));
        auto answer = receive();
        if (!answer) answer = receive(0); // the first said that the connection is broken
        if (!answer || (answer->reply.id != id && !answer->reply.error)) return -EPROTO;
        if (welcome && answer->payload.size() == sizeof *welcome)
            std::memcpy(welcome, answer->payload.data(), sizeof *welcome);
        event_ = std::move(answer->fd);
        return answer->reply.error;
    }
    // One request and its reply: 0 or -errno, -EPIPE when the service has closed. The struct's
    // bytes come back, as many as went; `fd` is what goes along, `fd_out` what came.
    int ask(uint32_t kind, uint32_t command, std::span<std::byte> payload, int fd = -1,
            UniqueFd *fd_out = nullptr, uint32_t flags = 0)
    {
        const uint64_t id = next_id_;
        if (const int error = send(kind, command, payload, fd, flags)) return error;
        auto answer = receive_for(id);
        if (!answer) return -EPIPE;
        if (!answer->payload.empty())
            std::memcpy(payload.data(), answer->payload.data(),
                        std::min(payload.size(), answer->payload.size()));
        if (fd_out) *fd_out = std::move(answer->fd);
        return answer->reply.error;
    }
    template <typename T>
    int ioctl(unsigned long request, T &args, int fd = -1, UniqueFd *fd_out = nullptr)
    {
        return ask(wire::kind_ioctl, uint32_t(request), std::as_writable_bytes(std::span(&args, 1)),
                   fd, fd_out);
    }
    int map(uint64_t offset, uint64_t size, int prot, UniqueFd *fd_out = nullptr)
    {
        wire::Map args = {offset, size, uint32_t(prot), 0};
        return ask(wire::kind_map, 0, std::as_writable_bytes(std::span(&args, 1)), -1, fd_out);
    }

private:
    UniqueFd socket_, event_;
    uint64_t next_id_ = 1;
    std::deque<Answer> kept_;
};

// A RawClient under the helpers of the conformance suite.
class RawTransport final : public Transport
{
public:
    explicit RawTransport(RawClient &client) : client_(client) {}
    int ioctl(unsigned long request, void *arg) override
    {
        int fd_in = -1;
        if (request == DRM_IOCTL_PRIME_FD_TO_HANDLE)
            fd_in = static_cast<drm_prime_handle *>(arg)->fd;
        UniqueFd out;
        const int error =
            client_.ask(wire::kind_ioctl, uint32_t(request),
                        {static_cast<std::byte *>(arg), _IOC_SIZE(request)}, fd_in, &out);
        if (request == DRM_IOCTL_ACC_QUEUE_CREATE)
            static_cast<drm_acc_queue_create *>(arg)->kick_fd = out.release();
        if (request == DRM_IOCTL_PRIME_HANDLE_TO_FD)
            static_cast<drm_prime_handle *>(arg)->fd = out.release();
        return error;
    }
    Result<void *> map(uint64_t offset, size_t size, int prot, void *address) override
    {
        UniqueFd fd;
        if (const int error = client_.map(offset, size, prot, &fd)) return Error{error};
        void *at = mmap(address, size, prot, MAP_SHARED | (address ? MAP_FIXED : 0), fd.get(), 0);
        if (at == MAP_FAILED) return Error{-errno};
        return at;
    }

private:
    RawClient &client_;
};

// A folder that only this test has.
class Folder
{
public:
    Folder()
    {
        std::string name = std::filesystem::temp_directory_path() / "acc-server-XXXXXX";
        if (!mkdtemp(name.data()) || chmod(name.c_str(), 0755))
            conformance::give_up("mkdtemp", -errno);
        path = name;
    }
    ~Folder()
    {
        std::error_code ignored;
        std::filesystem::remove_all(path, ignored);
    }
    Folder(const Folder &) = delete;
    Folder &operator=(const Folder &) = delete;
    std::string path;
};

// A Server that runs in a thread.
class TestServer
{
public:
    explicit TestServer(ServerOptions options)
    {
        if (options.path.empty() && !options.listener) options.path = folder_.path + "/acc.sock";
        path_ = options.path;
        std::string why;
        auto made = Server::create(std::move(options), why);
        if (!made) conformance::give_up(why, made.error());
        server_ = std::move(*made);
        thread_ = std::thread([this] { result_ = server_->run(); });
    }
    ~TestServer() { (void)end(); }
    TestServer(const TestServer &) = delete;
    TestServer &operator=(const TestServer &) = delete;

    const std::string &path() const { return path_; }
    void stop() { server_->stop(); }
    // What run() returned.
    int end()
    {
        if (!thread_.joinable()) return result_;
        stop();
        thread_.join();
        server_.reset();
        return result_;
    }
    std::string uri(uint32_t device = 0) const
    {
        return "unix:" + path_ + "#" + std::to_string(device);
    }

private:
    Folder folder_;
    std::string path_;
    std::unique_ptr<Server> server_;
    std::thread thread_;
    int result_ = -EINPROGRESS;
};

// An open as libacc makes it.
inline std::unique_ptr<conformance::Accel> open_uri(const std::string &uri)
{
    std::string why;
    auto transport = open_transport(uri, why);
    if (!transport) conformance::give_up(why, transport.error());
    return std::make_unique<conformance::Accel>(std::move(*transport));
}

// What this process holds.
struct Holdings {
    size_t fds = 0, memfds = 0, threads = 0;
    static Holdings now()
    {
        Holdings held;
        std::error_code gone;
        for (const auto &entry : std::filesystem::directory_iterator("/proc/self/fd")) {
            const auto target = std::filesystem::read_symlink(entry.path(), gone);
            held.fds++;
            held.memfds += target.string().starts_with("/memfd:");
        }
        for ([[maybe_unused]] const auto &entry :
             std::filesystem::directory_iterator("/proc/self/task"))
            held.threads++;
        return held;
    }
};

} // namespace acc::emu
