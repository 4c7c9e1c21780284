// SPDX-License-Identifier: MIT
//
// A device of the service of emulated devices: the uAPI's structs over a unix socket
// (common/wire.h).
//
// Any number of threads call at once. Whoever waits for a reply while nobody reads the socket
// reads it, for the others too, and hands that on when its own reply has come: a single caller
// pays one send and one receive.
#include "libacc/transport.h"

#include "acc/regs.h"
#include "common/fd_fields.h"
#include "common/message.h"
#include "common/wire.h"
#include "libacc/clock.h"
#include "libacc/group_hint.h"
#include "libacc/threads.h"

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <cstring>
#include <fcntl.h>
#include <list>
#include <mutex>
#include <poll.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <thread>
#include <unordered_map>

namespace acc
{
namespace
{

constexpr int answer_timeout_ms = 5000; // of a service that accepts and then says nothing
constexpr int busy_pause_ms = 10;       // of a service with a full backlog

// Sockets that a child of fork must let go of, so that the service sees the parent's end.
class ForkList
{
public:
    static ForkList &get()
    {
        static ForkList list;
        return list;
    }
    std::list<int>::iterator add(int fd)
    {
        std::lock_guard lock(mutex_);
        return fds_.insert(fds_.end(), fd);
    }
    void remove(std::list<int>::iterator fd)
    {
        std::lock_guard lock(mutex_);
        fds_.erase(fd);
    }

private:
    ForkList()
    {
        pthread_atfork([] { get().mutex_.lock(); }, [] { get().mutex_.unlock(); },
                       [] {
                           // The numbers stay taken: their owners close them once more.
                           const int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
                           for (const int fd : get().fds_)
                               (void)dup3(null, fd, O_CLOEXEC);
                           if (null >= 0) ::close(null);
                           get().mutex_.unlock();
                       });
    }
    std::mutex mutex_;
    std::list<int> fds_;
};

// When the library is loaded: what is registered first is locked last, so that whoever holds
// locks of his own around ours (the HSA runtime, a program) and watches forks too finds one order.
[[gnu::constructor]] void watch_forks_of_sockets()
{
    ForkList::get();
}

class SocketTransport final : public Transport
{
public:
    SocketTransport() : opener_(getpid()) {}
    ~SocketTransport() override;
    int connect(const std::string &path, uint32_t device, std::string &why);
    uint32_t devices() const { return welcome_.devices; }

    int ioctl(unsigned long request, void *arg) override;
    Result<void *> map(uint64_t offset, size_t size, int prot, void *address) override;
    int age(uint64_t ns) override;
    int event_fd() const override { return event_.get(); }

private:
    // A call that waits for its reply, on its caller's stack.
    struct Call {
        std::condition_variable turn;
        bool done = false;
        int error = 0;
        std::byte *payload = nullptr; // where its owner puts the reply's
        size_t size = 0;              // at most
        size_t got = 0;
        UniqueFd fd;
        // Who reads it may be another, and faster than the owner's return from sending.
        std::byte reply[wire::most_bytes];
    };

    bool is_child() const { return getpid() != opener_; }
    int exchange(wire::Kind kind, uint32_t command, uint32_t flags,
                 std::span<const std::byte> payload, int fd, Call &call);
    void read_one(std::unique_lock<std::mutex> &lock);
    void lose();
    int version(drm_version &args) const;
    int set_event(const drm_acc_event_set &args);
    void pump();
    void stop_pump();

    const pid_t opener_;
    UniqueFd socket_, event_;
    std::list<int>::iterator fork_socket_, fork_event_;
    bool connected_ = false;
    wire::Welcome welcome_ = {};

    std::mutex mutex_; // of what follows
    std::unordered_map<uint64_t, Call *> calls_;
    uint64_t next_id_ = 1;
    bool reading_ = false; // a caller is in read_one()
    bool dead_ = false;

    // EVENT_SET's: a thread that writes the caller's eventfd, where somebody wants one.
    std::mutex pump_mutex_;
    UniqueFd target_, pump_stop_;
    std::thread pump_;
};

SocketTransport::~SocketTransport()
{
    if (is_child()) {
        if (pump_.joinable()) pump_.detach();
        return;
    }
    stop_pump();
    if (!connected_) return;
    ForkList::get().remove(fork_socket_);
    ForkList::get().remove(fork_event_);
}

// ------------------------------------------------------------------ connecting

int SocketTransport::connect(const std::string &path, uint32_t device, std::string &why)
{
    sockaddr_un address = {};
    address.sun_family = AF_UNIX;
    if (path.size() >= sizeof address.sun_path) {
        why = "expected a socket's path of at most " + std::to_string(sizeof address.sun_path - 1) +
              " bytes; found " + std::to_string(path.size());
        return -ENAMETOOLONG;
    }
    std::memcpy(address.sun_path, path.data(), path.size());
    socket_.reset(socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0));
    if (!socket_) return -errno;
    const uint64_t end = now_ns() + uint64_t(answer_timeout_ms) * 1'000'000;
    const timeval patience = {answer_timeout_ms / 1000, 0};
    (void)setsockopt(socket_.get(), SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
    while (::connect(socket_.get(), reinterpret_cast<sockaddr *>(&address), sizeof address)) {
        const int error = errno;
        if ((error == EAGAIN || error == EINTR) && now_ns() < end) {
            (void)poll(nullptr, 0, busy_pause_ms);
            continue;
        }
        why = "cannot reach the service at " + path + ": " + strerrordesc_np(error);
        if (error == EACCES) why += group_hint(path);
        if (error == ECONNREFUSED) why += "; the socket is there, but nobody serves it";
        return error == ENOENT || error == ECONNREFUSED ? -ENODEV : -error;
    }
    const timeval forever = {};
    (void)setsockopt(socket_.get(), SOL_SOCKET, SO_SNDTIMEO, &forever, sizeof forever);

    const wire::Request request = {0, wire::kind_hello, 0, sizeof(wire::Hello), 0};
    const wire::Hello hello = {wire::magic, wire::version, device, 0};
    // A refusal may have been sent, and the socket closed, before we spoke: it is read anyway.
    (void)send_message(socket_.get(), {bytes_of(request), bytes_of(hello)}, -1, 0);
    struct {
        wire::Reply reply;
        wire::Welcome welcome;
    } answer = {};
    pollfd ready = {socket_.get(), POLLIN, 0};
    const int polled = poll(&ready, 1, answer_timeout_ms);
    if (polled <= 0) {
        why = "the service at " + path + " does not answer";
        return polled ? -errno : -ETIMEDOUT;
    }
    const auto into = std::as_writable_bytes(std::span(&answer, 1));
    auto message = receive_message(socket_.get(), into, 0);
    // It refused and closed with our greeting unread: the kernel says so before the answer.
    if (!message && message.error() == -ECONNRESET)
        message = receive_message(socket_.get(), into, 0);
    if (!message || message->broken || message->bytes != sizeof answer ||
        answer.reply.size != sizeof answer.welcome) {
        why = "expected a service of accelerators at " + path + "; found another";
        return -EPROTO;
    }
    welcome_ = answer.welcome;
    if (answer.reply.error) {
        welcome_.why[sizeof welcome_.why - 1] = '\0';
        why = "the service at " + path + " refused: " + welcome_.why;
        return std::min(answer.reply.error, -1);
    }
    if (!message->fd) return message->fd_lost ? -EMFILE : -EPROTO;
    event_ = std::move(message->fd);
    fork_socket_ = ForkList::get().add(socket_.get());
    fork_event_ = ForkList::get().add(event_.get());
    connected_ = true;
    return 0;
}

// ---------------------------------------------------------------------- calling

// Under mutex_: nobody will answer any more.
void SocketTransport::lose()
{
    dead_ = true;
    for (auto &[id, call] : calls_) {
        call->done = true;
        call->error = -ENODEV;
        call->turn.notify_one();
    }
    calls_.clear();
}

// Reads one reply, whosever it is.
void SocketTransport::read_one(std::unique_lock<std::mutex> &lock)
{
    struct {
        wire::Reply reply;
        std::byte payload[wire::most_bytes];
    } in;
    lock.unlock();
    auto message = receive_message(socket_.get(), std::as_writable_bytes(std::span(&in, 1)), 0);
    lock.lock();
    if (!message || !message->bytes || message->broken || message->bytes < sizeof in.reply ||
        message->bytes - sizeof in.reply != in.reply.size)
        return lose();
    const auto found = calls_.find(in.reply.id);
    if (found == calls_.end()) return lose(); // it talks nonsense
    Call &call = *found->second;
    calls_.erase(found);
    call.got = std::min<size_t>(in.reply.size, call.size);
    if (call.got) std::memcpy(call.reply, in.payload, call.got);
    call.error = in.reply.error;
    call.fd = std::move(message->fd);
    if (!call.error && message->fd_lost) call.error = -EMFILE;
    call.done = true;
    call.turn.notify_one();
}

int SocketTransport::exchange(wire::Kind kind, uint32_t command, uint32_t flags,
                              std::span<const std::byte> payload, int fd, Call &call)
{
    std::unique_lock lock(mutex_);
    if (dead_) return -ENODEV;
    const uint64_t id = next_id_++;
    calls_.emplace(id, &call);
    lock.unlock();
    const wire::Request request = {id, kind, command, uint32_t(payload.size()), flags};
    const int sent = send_message(socket_.get(), {bytes_of(request), payload}, fd, 0);
    lock.lock();
    if (sent) {
        calls_.erase(id);
        // Of the descriptor, or of memory: nothing was sent. Else the service is gone.
        if (sent == -EBADF || sent == -ENOMEM || sent == -ENOBUFS || sent == -ETOOMANYREFS)
            return call.done ? call.error : sent;
        lose();
        return -ENODEV;
    }
    while (!call.done) {
        if (reading_) {
            call.turn.wait(lock);
            continue;
        }
        reading_ = true;
        while (!call.done)
            read_one(lock);
        reading_ = false;
        // Somebody else reads from now on.
        if (!calls_.empty()) calls_.begin()->second->turn.notify_one();
    }
    if (call.got) std::memcpy(call.payload, call.reply, call.got);
    return call.error;
}

int SocketTransport::ioctl(unsigned long request, void *arg)
{
    if (is_child()) return -ENODEV;
    if (arg && request == DRM_IOCTL_VERSION) return version(*static_cast<drm_version *>(arg));
    if (arg && request == DRM_IOCTL_ACC_EVENT_SET)
        return set_event(*static_cast<const drm_acc_event_set *>(arg));
    auto *const bytes = static_cast<std::byte *>(arg);
    const size_t size = arg ? _IOC_SIZE(request) : 0;
    const FdFields fields = fd_fields(request);
    const auto has = [&](int offset) {
        return offset >= 0 && size_t(offset) + sizeof(int32_t) <= size;
    };
    int32_t fd_in = -1;
    if (has(fields.in)) std::memcpy(&fd_in, bytes + fields.in, sizeof fd_in);

    Call call;
    call.payload = bytes;
    call.size = size;
    const int error = exchange(wire::kind_ioctl, uint32_t(request), arg ? 0 : wire::flag_null,
                               {bytes, size}, std::max(fd_in, -1), call);
    // The caller's number is the caller's again.
    if (has(fields.in)) std::memcpy(bytes + fields.in, &fd_in, sizeof fd_in);
    if (!error && has(fields.out) && call.fd) {
        const int32_t fd = call.fd.release();
        std::memcpy(bytes + fields.out, &fd, sizeof fd);
        // Every descriptor comes in with it set; DRM sets it for who asks.
        drm_prime_handle prime;
        if (request == DRM_IOCTL_PRIME_HANDLE_TO_FD) {
            std::memcpy(&prime, bytes, sizeof prime);
            if (!(prime.flags & DRM_CLOEXEC)) (void)fcntl(fd, F_SETFD, 0);
        }
    }
    return error;
}

Result<void *> SocketTransport::map(uint64_t offset, size_t size, int prot, void *address)
{
    if (is_child()) return Error{-ENODEV};
    const wire::Map args = {offset, size, uint32_t(prot), 0};
    wire::Mapped mapped = {};
    Call call;
    call.payload = reinterpret_cast<std::byte *>(&mapped);
    call.size = sizeof mapped;
    const int error = exchange(wire::kind_map, 0, 0, bytes_of(args), -1, call);
    if (error) return Error{error};
    if (!call.fd || call.got != sizeof mapped) return Error{-EPROTO};
    void *at = mmap(address, size, prot, MAP_SHARED | (address ? MAP_FIXED : 0), call.fd.get(),
                    off_t(mapped.offset));
    if (at == MAP_FAILED) return Error{-errno};
    return at;
}

int SocketTransport::age(uint64_t ns)
{
    if (is_child()) return -ENODEV;
    const wire::Inject args = {ACC_INJECT_AGE, 0, ns};
    Call call;
    return exchange(wire::kind_inject, 0, 0, bytes_of(args), -1, call);
}

// Its struct has pointers, so it doesn't travel: what it says came with the greeting.
int SocketTransport::version(drm_version &args) const
{
    const auto copy = [](char *to, __kernel_size_t &length, const char *from, size_t most) {
        const size_t real = strnlen(from, most);
        if (to && length) std::memcpy(to, from, std::min<size_t>(length, real));
        length = real;
    };
    args.version_major = welcome_.driver_major;
    args.version_minor = welcome_.driver_minor;
    args.version_patchlevel = welcome_.driver_patch;
    copy(args.name, args.name_len, welcome_.name, sizeof welcome_.name);
    copy(args.date, args.date_len, welcome_.date, sizeof welcome_.date);
    copy(args.desc, args.desc_len, welcome_.text, sizeof welcome_.text);
    return 0;
}

// ----------------------------------------------------------------------- events

// The service writes no descriptor that a client shares with it: this side does.
int SocketTransport::set_event(const drm_acc_event_set &args)
{
    if (args.flags || args.fd < -1) return -EINVAL;
    UniqueFd target;
    if (args.fd >= 0) {
        if (fcntl(args.fd, F_GETFD) < 0) return -EBADF;
        char link[64] = {};
        const std::string path = "/proc/self/fd/" + std::to_string(args.fd);
        if (readlink(path.c_str(), link, sizeof link - 1) < 0 ||
            std::strcmp(link, "anon_inode:[eventfd]") != 0)
            return -EINVAL;
        target.reset(fcntl(args.fd, F_DUPFD_CLOEXEC, 0));
        if (!target) return -errno;
    }
    std::lock_guard lock(pump_mutex_);
    {
        std::lock_guard calls(mutex_);
        if (dead_) return -ENODEV;
    }
    stop_pump();
    target_ = std::move(target);
    if (!target_) return 0;
    pump_stop_.reset(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
    if (!pump_stop_) return -errno;
    return start_thread(pump_, "acc-pump", [this] { pump(); });
}

void SocketTransport::stop_pump()
{
    if (!pump_.joinable()) return;
    (void)eventfd_write(pump_stop_.get(), 1);
    pump_.join();
}

void SocketTransport::pump()
{
    pollfd ready[] = {{event_.get(), POLLIN, 0}, {pump_stop_.get(), POLLIN, 0}};
    for (;;) {
        if (poll(ready, 2, -1) < 0) continue; // EINTR
        if (ready[1].revents) return;
        char byte;
        ssize_t got;
        while ((got = recv(event_.get(), &byte, 1, MSG_DONTWAIT)) > 0) {
        }
        // Never blocks: a full counter is a pending event.
        pollfd room = {target_.get(), POLLOUT, 0};
        if (poll(&room, 1, 0) == 1) (void)eventfd_write(target_.get(), 1);
        if (!got) return; // the service is gone: told once
    }
}

Result<std::unique_ptr<SocketTransport>> open_one(const std::string &path, uint32_t device,
                                                  std::string &why)
{
    auto transport = std::make_unique<SocketTransport>();
    if (const int error = transport->connect(path, device, why)) return Error{error};
    return transport;
}

} // namespace

Result<std::unique_ptr<Transport>> open_socket(const std::string &path, uint32_t device,
                                               std::string &why)
{
    ACC_TRY(auto transport, open_one(path, device, why));
    return std::unique_ptr<Transport>(std::move(transport));
}

std::vector<std::string> list_sockets()
{
    std::vector<std::string> paths = {"/run/acc/acc.sock"}, uris;
    if (const char *runtime = std::getenv("XDG_RUNTIME_DIR"); runtime && *runtime)
        paths.push_back(std::string(runtime) + "/acc/acc.sock");
    for (const std::string &path : paths) {
        struct stat status;
        std::string why;
        if (stat(path.c_str(), &status) || !S_ISSOCK(status.st_mode)) continue;
        const auto first = open_one(path, 0, why);
        if (!first) continue;
        for (uint32_t i = 0; i < first.value()->devices(); i++)
            uris.push_back("unix:" + path + "#" + std::to_string(i));
    }
    return uris;
}

} // namespace acc
