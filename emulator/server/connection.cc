// SPDX-License-Identifier: MIT
//
// The life of a connection: greeting, reading, threads, the end. What a request does is in
// requests.cc.
#include "emulator/server/connection.h"

#include "emulator/clock.h"

#include <cstring>
#include <new>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <system_error>
#include <unistd.h>

namespace acc::emu
{

namespace
{
// What may lie in the socket unread, in bytes as the kernel counts them: room for the longest
// reply, and for some dozens with a descriptor each. Those count against this process's limit
// as long as the client leaves them there.
constexpr int send_buffer_bytes = 32 << 10;
// Enough for one event and what tells of it: more would be read for nothing.
constexpr int event_buffer_bytes = 1;
} // namespace

Connection::Connection(ConnectionHost &host, UniqueFd socket, Peer peer)
    : host_(host), socket_(std::move(socket)), peer_(std::move(peer)),
      wake_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK))
{
    (void)setsockopt(socket_.get(), SOL_SOCKET, SO_SNDBUF, &send_buffer_bytes,
                     sizeof send_buffer_bytes);
}

// -------------------------------------------------------------------- greeting

void Connection::refuse(uint64_t id, int error, const std::string &why)
{
    wire::Welcome welcome = {};
    welcome.version = wire::version;
    welcome.devices = uint32_t(host_.devices());
    std::strncpy(welcome.why, why.c_str(), sizeof welcome.why - 1);
    reply(id, error, bytes_of(welcome));
    host_.log(2, "refused process " + std::to_string(peer_.pid) + " of user " +
                     std::to_string(peer_.uid) + ": " + why);
}

bool Connection::greet()
{
    pollfd ready[] = {{socket_.get(), POLLIN, 0}, {wake_.get(), POLLIN, 0}};
    if (poll(ready, 2, host_.hello_timeout_ms()) <= 0 || !(ready[0].revents & POLLIN)) return false;
    struct {
        wire::Request request;
        wire::Hello hello;
    } in;
    auto message =
        receive_message(socket_.get(), std::as_writable_bytes(std::span(&in, 1)), MSG_DONTWAIT);
    if (!message || message->broken || message->fd || message->fd_lost ||
        message->bytes != sizeof in || in.request.kind != wire::kind_hello ||
        in.request.size != sizeof in.hello || in.request.flags || in.hello.magic != wire::magic ||
        in.hello.reserved)
        return false; // nobody of ours
    if (in.hello.version != wire::version) {
        refuse(in.request.id, -EPROTO,
               "expected protocol version " + std::to_string(wire::version) + "; found " +
                   std::to_string(in.hello.version));
        return false;
    }
    device_ = host_.device(in.hello.device);
    if (!device_) {
        refuse(in.request.id, -ENODEV,
               "expected a device below " + std::to_string(host_.devices()) + "; found " +
                   std::to_string(in.hello.device));
        return false;
    }
    int pair[2];
    if (host_.draining() ||
        socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair)) {
        refuse(in.request.id, host_.draining() ? -ESHUTDOWN : -errno,
               host_.draining() ? "the service is about to end" : "no event socket could be made");
        return false;
    }
    event_.reset(pair[0]);
    const UniqueFd theirs(pair[1]);
    (void)setsockopt(event_.get(), SOL_SOCKET, SO_SNDBUF, &event_buffer_bytes,
                     sizeof event_buffer_bytes);
    ClientOptions options = host_.client_options(peer_);
    options.event_socket = event_.get();
    auto client = device_->open(options);
    if (!client) {
        refuse(in.request.id, client.error(), "the device can't be opened");
        return false;
    }
    client_ = std::move(*client);

    wire::Welcome welcome = {};
    welcome.version = wire::version;
    welcome.devices = uint32_t(host_.devices());
    drm_version version = {};
    version.name = welcome.name;
    version.name_len = sizeof welcome.name - 1;
    version.date = welcome.date;
    version.date_len = sizeof welcome.date - 1;
    version.desc = welcome.text;
    version.desc_len = sizeof welcome.text - 1;
    if (const int error = client_->ioctl(DRM_IOCTL_VERSION, &version)) {
        refuse(in.request.id, error, "the device doesn't tell its version");
        return false;
    }
    welcome.driver_major = version.version_major;
    welcome.driver_minor = version.version_minor;
    welcome.driver_patch = version.version_patchlevel;
    reply(in.request.id, 0, bytes_of(welcome), theirs.get());
    return true;
}

// ---------------------------------------------------------------------- reading

void Connection::wake()
{
    (void)!eventfd_write(wake_.get(), 1);
}

void Connection::end()
{
    ended_.store(true, std::memory_order_release);
    wake();
}

bool Connection::crowded()
{
    if (out_waits_.load(std::memory_order_acquire)) return true;
    std::lock_guard lock(slow_mutex_);
    return slow_.size() >= most_slow;
}

// The next request. False at the end: the client has closed, has died, or talks nonsense.
bool Connection::receive(Incoming &in)
{
    for (;;) {
        flush();
        expire_waits();
        const bool full = crowded();
        const bool sending = out_waits_.load(std::memory_order_acquire);
        pollfd ready[] = {{socket_.get(), short((full ? 0 : POLLIN) | (sending ? POLLOUT : 0)), 0},
                          {wake_.get(), POLLIN, 0},
                          {opener_.get(), POLLIN, 0}};
        timespec timeout;
        const bool timed = next_timeout(timeout);
        if (ppoll(ready, 3, timed ? &timeout : nullptr, nullptr) < 0 && errno != EINTR)
            return false;
        if (ended_.load(std::memory_order_acquire)) return false;
        if (ready[1].revents) {
            eventfd_t count;
            (void)!eventfd_read(wake_.get(), &count);
        }
        // What a dead process has asked for is of no use to anybody.
        if (ready[2].revents & POLLIN) return false;
        if (!(ready[0].revents & POLLIN)) {
            if (ready[0].revents & (POLLHUP | POLLERR | POLLNVAL)) return false;
            continue;
        }
        std::byte buffer[sizeof(wire::Request) + wire::most_bytes];
        auto message = receive_message(socket_.get(), buffer, MSG_DONTWAIT);
        if (!message) {
            if (message.error() == -EAGAIN) continue;
            return false;
        }
        if (!message->bytes) return false;
        if (message->bytes >= sizeof in.request)
            std::memcpy(&in.request, buffer, sizeof in.request);
        in.bytes = message->bytes - sizeof in.request;
        if (message->broken || message->bytes < sizeof in.request || in.request.size != in.bytes) {
            host_.log(3, "process " + std::to_string(peer_.pid) +
                             " sent a message that is no request: disconnected");
            return false;
        }
        std::memcpy(in.payload, buffer + sizeof in.request, in.bytes);
        in.fd = std::move(message->fd);
        in.fd_lost = message->fd_lost;
        return true;
    }
}

// ---------------------------------------------------------------------- threads

void Connection::queue_slow(Incoming &in)
{
    auto copy = std::make_unique<Incoming>();
    copy->request = in.request;
    copy->bytes = in.bytes;
    copy->fd = std::move(in.fd);
    copy->fd_lost = in.fd_lost;
    std::memcpy(copy->payload, in.payload, in.bytes);
    std::lock_guard lock(slow_mutex_);
    slow_.push_back(std::move(copy));
    if (idle_workers_ >= slow_.size())
        slow_here_.notify_one();
    else if (workers_.size() < most_workers)
        workers_.emplace_back([this] { worker(); });
}

void Connection::worker()
{
    std::unique_lock lock(slow_mutex_);
    for (;;) {
        idle_workers_++;
        slow_here_.wait(lock, [&] { return closing_ || !slow_.empty(); });
        idle_workers_--;
        if (closing_) return;
        const auto in = std::move(slow_.front());
        const bool was_full = slow_.size() >= most_slow;
        slow_.pop_front();
        lock.unlock();
        if (was_full) wake();
        handle(*in);
        lock.lock();
    }
}

void Connection::run()
{
    if (!wake_) return;
    // A child of the client's may hold the socket long after the client's death.
    if (peer_.pid > 0) opener_.reset(int(syscall(SYS_pidfd_open, peer_.pid, 0)));
    if (!greet()) return;
    host_.log(1, "process " + std::to_string(peer_.pid) + " (" + peer_.name + ") of user " +
                     std::to_string(peer_.uid) + " opened a device");
    try {
        const auto in = std::make_unique<Incoming>();
        while (receive(*in)) {
            if (is_slow(*in))
                queue_slow(*in);
            else
                handle(*in);
            in->fd.reset();
        }
    } catch (const std::bad_alloc &) {
        host_.log(4, "no memory for process " + std::to_string(peer_.pid) + ": disconnected");
    } catch (const std::system_error &error) {
        host_.log(4, "no thread for process " + std::to_string(peer_.pid) + ": " + error.what());
    }
    // Stops what runs for it, so that workers that wait for the device come back; after this
    // nobody calls finish_wait() any more.
    client_->abandon();
    {
        std::lock_guard lock(slow_mutex_);
        closing_ = true;
    }
    slow_here_.notify_all();
    for (std::thread &thread : workers_)
        thread.join();
    client_.reset();
    host_.log(1, "process " + std::to_string(peer_.pid) + " (" + peer_.name + ") has gone");
}

} // namespace acc::emu
