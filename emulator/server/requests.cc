// SPDX-License-Identifier: MIT
//
// What a connection's requests do, and their replies.
#include "emulator/server/connection.h"

#include "acc/check.h"
#include "common/fd_fields.h"
#include "emulator/clock.h"

#include <algorithm>
#include <cstring>
#include <fcntl.h>
#include <new>
#include <sys/mman.h>
#include <sys/socket.h>

namespace acc::emu
{

namespace
{

bool is(const wire::Request &request, unsigned long ioctl)
{
    return request.kind == wire::kind_ioctl && _IOC_TYPE(request.command) == DRM_IOCTL_BASE &&
           _IOC_NR(request.command) == _IOC_NR(ioctl);
}

// Asks for something that a service which ends doesn't give any more.
bool is_new_work(const wire::Request &request)
{
    return is(request, DRM_IOCTL_ACC_BO_CREATE) || is(request, DRM_IOCTL_ACC_QUEUE_CREATE) ||
           is(request, DRM_IOCTL_ACC_PROGRAM_LOAD) || is(request, DRM_IOCTL_PRIME_FD_TO_HANDLE);
}

} // namespace

// ---------------------------------------------------------------------- replies

// -EAGAIN, or 0: it is sent, or there is nobody to send it to.
int Connection::send(const wire::Reply &head, std::span<const std::byte> payload, int fd)
{
    int sent = send_message(socket_.get(), {bytes_of(head), payload}, fd, MSG_DONTWAIT);
    if (!sent || sent == -EAGAIN) return sent;
    // Too many descriptors lie in sockets unread, or there is no memory for this one: who waits
    // for the reply is told, by one that needs less. If nobody is there, the reader notices.
    const wire::Reply failed = {head.id, sent, 0};
    sent = send_message(socket_.get(), {bytes_of(failed)}, -1, MSG_DONTWAIT);
    return sent == -EAGAIN ? sent : 0;
}

// Never waits: what the socket doesn't take is sent when it does.
void Connection::reply(uint64_t id, int error, std::span<const std::byte> payload, int fd)
{
    wire::Reply head = {id, error, uint32_t(payload.size())};
    std::lock_guard lock(out_mutex_);
    if (out_.empty() && send(head, payload, fd) != -EAGAIN) return;
    UniqueFd copy;
    if (fd >= 0) {
        copy.reset(fcntl(fd, F_DUPFD_CLOEXEC, 0));
        if (!copy) {
            head = {id, -errno, 0};
            payload = {};
        }
    }
    out_.push_back({head, {payload.begin(), payload.end()}, std::move(copy)});
    out_waits_.store(true, std::memory_order_release);
    wake();
}

void Connection::flush()
{
    if (!out_waits_.load(std::memory_order_acquire)) return;
    std::lock_guard lock(out_mutex_);
    while (!out_.empty()) {
        const Outgoing &out = out_.front();
        if (send(out.reply, out.payload, out.fd.get()) == -EAGAIN) return;
        out_.pop_front();
    }
    out_waits_.store(false, std::memory_order_release);
}

// --------------------------------------------------------------------- requests

// What may wait for the device to come to an end of something.
bool Connection::is_slow(const Incoming &in)
{
    const wire::Request &request = in.request;
    if (is(request, DRM_IOCTL_ACC_VM_BIND)) {
        drm_acc_vm_bind args = {};
        std::memcpy(&args, in.payload, std::min(in.bytes, sizeof args));
        return args.op != DRM_ACC_VM_MAP;
    }
    return is(request, DRM_IOCTL_ACC_QUEUE_DESTROY) || is(request, DRM_IOCTL_ACC_PROGRAM_LOAD) ||
           is(request, DRM_IOCTL_ACC_PROGRAM_UNLOAD) || is(request, DRM_IOCTL_ACC_PROGRAM_PIN) ||
           is(request, DRM_IOCTL_ACC_PROGRAM_PREFETCH) || is(request, DRM_IOCTL_ACC_RESET) ||
           is(request, DRM_IOCTL_GEM_CLOSE);
}

void Connection::handle(Incoming &in)
{
    const uint64_t id = in.request.id;
    try {
        if (in.fd_lost) return reply(id, -EMFILE);
        switch (in.request.kind) {
        case wire::kind_ioctl:
            do_ioctl(in);
            break;
        case wire::kind_map:
            do_map(in);
            break;
        case wire::kind_inject:
            do_inject(in);
            break;
        default: // HELLO comes once
            reply(id, -EINVAL);
        }
    } catch (const std::bad_alloc &) {
        reply(id, -ENOMEM);
    }
}

void Connection::do_ioctl(Incoming &in)
{
    const wire::Request &request = in.request;
    const bool null = request.flags == wire::flag_null;
    // The number says how long the struct is.
    if (request.flags & ~wire::flag_null || in.bytes != (null ? 0 : _IOC_SIZE(request.command)))
        return reply(request.id, -EINVAL);
    if (is(request, DRM_IOCTL_VERSION)) return reply(request.id, -EINVAL); // has pointers
    if (host_.draining() && is_new_work(request)) return reply(request.id, -ESHUTDOWN);
    if (is(request, DRM_IOCTL_ACC_WAIT) && !null) return start_wait(in);

    const FdFields fields = null ? FdFields{} : fd_fields(request.command);
    const auto field = [&](int offset) -> std::byte * {
        const bool there = offset >= 0 && size_t(offset) + sizeof(int32_t) <= in.bytes;
        return there ? in.payload + offset : nullptr;
    };
    // A struct that ends before its descriptor, or isn't copied that way, would make us look at
    // our own descriptor 0, or keep for ever what we made for the client.
    if (fields.in >= 0 && (!field(fields.in) || !(_IOC_DIR(request.command) & _IOC_WRITE)))
        return reply(request.id, -EBADF);
    if (fields.out >= 0 && (!field(fields.out) || !(_IOC_DIR(request.command) & _IOC_READ)))
        return reply(request.id, -EINVAL);
    if (std::byte *at = field(fields.in)) {
        // A number of the client's means nothing here; what came with the message does.
        int32_t fd;
        std::memcpy(&fd, at, sizeof fd);
        if (fd >= 0 && !in.fd) return reply(request.id, -EBADF);
        fd = in.fd ? in.fd.get() : -1;
        std::memcpy(at, &fd, sizeof fd);
    } else if (in.fd) {
        return reply(request.id, -EINVAL);
    }
    const int error = client_->ioctl(request.command, null ? nullptr : in.payload);
    UniqueFd out;
    if (std::byte *at = field(fields.out); at && !error) {
        int32_t fd;
        std::memcpy(&fd, at, sizeof fd);
        if (fd >= 0) {
            out.reset(fd);
            fd = 0;
            std::memcpy(at, &fd, sizeof fd);
        }
    }
    reply(request.id, error, {in.payload, in.bytes}, out.get());
}

void Connection::do_map(const Incoming &in)
{
    wire::Map args;
    if (in.bytes != sizeof args || in.fd || in.request.flags || in.request.command)
        return reply(in.request.id, -EINVAL);
    std::memcpy(&args, in.payload, sizeof args);
    if (args.reserved || args.prot & ~uint32_t(PROT_READ | PROT_WRITE | PROT_EXEC))
        return reply(in.request.id, -EINVAL);
    const auto source = client_->map(args.offset, args.size, int(args.prot));
    if (!source) return reply(in.request.id, source.error());
    const wire::Mapped mapped = {source.value().offset};
    reply(in.request.id, 0, bytes_of(mapped), source.value().fd.get());
}

void Connection::do_inject(const Incoming &in)
{
    wire::Inject args;
    if (in.bytes != sizeof args || in.fd || in.request.flags || in.request.command)
        return reply(in.request.id, -EINVAL);
    if (!peer_.privileged) return reply(in.request.id, -EACCES);
    std::memcpy(&args, in.payload, sizeof args);
    reply(in.request.id, device_->inject(args.what, args.count, args.argument));
}

// ------------------------------------------------------------------------ waits

void Connection::start_wait(const Incoming &in)
{
    if (in.fd) return reply(in.request.id, -EINVAL);
    const auto wait = std::make_shared<Wait>();
    wait->request = in.request.id;
    wait->command = in.request.command;
    wait->payload.assign(in.payload, in.payload + in.bytes);
    // As drm_ioctl: what the number's direction says comes in, the rest is zero.
    if (_IOC_DIR(wait->command) & _IOC_WRITE)
        std::memcpy(&wait->args, in.payload, std::min(in.bytes, sizeof wait->args));
    {
        std::lock_guard lock(waits_mutex_);
        if (waits_ >= most_waits || in.bytes > most_wait_bytes - wait_bytes_)
            return reply(in.request.id, -EAGAIN);
        waits_++;
        wait_bytes_ += in.bytes;
        wait->timer = timers_.emplace(wait->args.timeout_ns, wait);
    }
    const uint64_t id = client_->start_wait(wait->args, [this, wait](int error, int64_t observed) {
        finish_wait(wait, error, observed);
    });
    std::lock_guard lock(waits_mutex_);
    wait->id = id;
}

// Under the device's lock of waits, or by the reader.
void Connection::finish_wait(const std::shared_ptr<Wait> &wait, int error, int64_t observed)
{
    {
        std::lock_guard lock(waits_mutex_);
        if (wait->over) return;
        wait->over = true;
        timers_.erase(wait->timer);
        waits_--;
        wait_bytes_ -= wait->payload.size();
    }
    if (!error || error == -ETIME) wait->args.observed = observed;
    std::vector<std::byte> &payload = wait->payload;
    if (!payload.empty() && (_IOC_DIR(wait->command) & _IOC_READ)) {
        if (!(_IOC_DIR(wait->command) & _IOC_WRITE)) std::ranges::fill(payload, std::byte(0));
        std::memcpy(payload.data(), &wait->args, std::min(payload.size(), sizeof wait->args));
    }
    reply(wait->request, error, payload);
}

void Connection::expire_waits()
{
    for (;;) {
        std::shared_ptr<Wait> wait;
        {
            std::lock_guard lock(waits_mutex_);
            if (timers_.empty() || timers_.begin()->first > now_ns()) return;
            wait = timers_.begin()->second;
        }
        int64_t observed = 0;
        // If it is being told of right now, finish_wait() takes it off the list.
        if (!client_->cancel_wait(wait->id, observed)) {
            std::this_thread::yield();
            continue;
        }
        const bool holds = acc_condition_holds(observed, wait->args.condition, wait->args.value);
        finish_wait(wait, holds ? 0 : -ETIME, observed);
    }
}

// Until the first pending WAIT times out; false: none does.
bool Connection::next_timeout(timespec &timeout)
{
    std::lock_guard lock(waits_mutex_);
    if (timers_.empty()) return false;
    const uint64_t deadline = timers_.begin()->first, now = now_ns();
    const uint64_t left = deadline > now ? deadline - now : 0;
    constexpr uint64_t second = 1'000'000'000, longest = 1'000'000 * second;
    timeout.tv_sec = time_t(std::min(left, longest) / second);
    timeout.tv_nsec = long(left % second);
    return true;
}

} // namespace acc::emu
