// SPDX-License-Identifier: MIT
//
// The socket, who comes in by it, and the end of the service. What a client does is in
// connection.cc.
#include "emulator/server/server.h"

#include "emulator/clock.h"
#include "emulator/server/connection.h"

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <cstring>
#include <fcntl.h>
#include <list>
#include <mutex>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <system_error>
#include <thread>

namespace acc::emu
{

namespace
{

constexpr int backlog = 128;
constexpr auto idle_look = std::chrono::milliseconds(5); // how often a drain looks
constexpr int out_of_fds_pause_ms = 50;

std::string text_of(int error)
{
    return strerrordesc_np(error < 0 ? -error : error);
}

bool is_listening(int fd, std::string &why)
{
    int domain = 0, type = 0, listening = 0;
    socklen_t size = sizeof domain;
    if (getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &size) ||
        getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) ||
        getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listening, &size) || domain != AF_UNIX ||
        type != SOCK_SEQPACKET || !listening) {
        why = "expected a listening unix socket of type SOCK_SEQPACKET; found another descriptor";
        return false;
    }
    return true;
}

std::string name_of(pid_t pid)
{
    char name[64] = {};
    const UniqueFd file(
        open(("/proc/" + std::to_string(pid) + "/comm").c_str(), O_RDONLY | O_CLOEXEC));
    const ssize_t got = file ? read(file.get(), name, sizeof name - 1) : 0;
    std::string text(name, got > 0 ? size_t(got) : 0);
    while (!text.empty() && text.back() == '\n')
        text.pop_back();
    // It goes into logs and listings: the process chose it.
    for (char &letter : text)
        if (static_cast<unsigned char>(letter) < ' ' || letter == 0x7f) letter = '?';
    return text;
}

class SocketServer final : public Server, public ConnectionHost
{
public:
    explicit SocketServer(ServerOptions options) : options_(std::move(options)) {}
    ~SocketServer() override;
    int start(std::string &why);

    int run() override;
    void stop() override
    {
        const uint64_t one = 1;
        (void)!write(stop_.get(), &one, sizeof one);
    }

    size_t devices() const override { return emulators_.size(); }
    Emulator *device(uint32_t index) override
    {
        return index < emulators_.size() ? emulators_[index].get() : nullptr;
    }
    ClientOptions client_options(const Peer &peer) override;
    bool draining() const override { return draining_.load(std::memory_order_acquire); }
    int hello_timeout_ms() const override { return options_.hello_timeout_ms; }
    void log(int level, const std::string &text) override
    {
        if (options_.log) options_.log(level, text);
    }

private:
    int bind_path(std::string &why);
    bool is_served(const sockaddr_un &address) const;
    void admit(UniqueFd socket);
    bool read_peer(int socket, Peer &peer) const;
    std::shared_ptr<Account> account_of(uid_t uid);
    void serve(std::list<Connection>::iterator connection, std::shared_ptr<Account> account);
    void finish();

    ServerOptions options_;
    std::vector<std::shared_ptr<Emulator>> emulators_;
    UniqueFd listener_, stop_, lock_;
    bool bound_ = false;
    std::atomic<bool> draining_{false};

    std::mutex mutex_; // of what follows
    std::map<uid_t, std::shared_ptr<Account>> accounts_;
    std::list<Connection> connections_;
    std::condition_variable gone_;
};

// ------------------------------------------------------------------- creation

int SocketServer::start(std::string &why)
{
    if (options_.devices.empty()) {
        why = "expected at least one device; found none";
        return -EINVAL;
    }
    stop_.reset(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
    if (!stop_) return -errno;
    if (options_.listener) {
        listener_ = std::move(options_.listener);
        if (!is_listening(listener_.get(), why)) return -EINVAL;
    } else if (const int error = bind_path(why)) {
        return error;
    }
    const int flags = fcntl(listener_.get(), F_GETFL);
    if (flags < 0 || fcntl(listener_.get(), F_SETFL, flags | O_NONBLOCK)) return -errno;
    for (size_t i = 0; i < options_.devices.size(); i++) {
        if (std::string refused = Emulator::why_not_served(options_.devices[i]); !refused.empty()) {
            why = "device " + std::to_string(i) + ": " + refused;
            return -EINVAL;
        }
        auto emulator =
            Emulator::create(options_.devices[i], why, [this, i](int level, std::string_view text) {
                log(level, "device " + std::to_string(i) + ": " + std::string(text));
            });
        if (!emulator) {
            why = "device " + std::to_string(i) + ": " + why;
            return emulator.error();
        }
        emulators_.push_back(std::move(*emulator));
    }
    return 0;
}

bool SocketServer::is_served(const sockaddr_un &address) const
{
    const UniqueFd probe(socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    const auto *generic = reinterpret_cast<const sockaddr *>(&address);
    // EAGAIN: somebody listens, and is busy.
    return connect(probe.get(), generic, sizeof address) == 0 || errno == EAGAIN;
}

int SocketServer::bind_path(std::string &why)
{
    const std::string &path = options_.path;
    sockaddr_un address = {};
    address.sun_family = AF_UNIX;
    if (path.empty() || path.size() >= sizeof address.sun_path) {
        why = "expected a socket's path of 1 to " + std::to_string(sizeof address.sun_path - 1) +
              " bytes; found " + std::to_string(path.size());
        return path.empty() ? -EINVAL : -ENAMETOOLONG;
    }
    std::memcpy(address.sun_path, path.data(), path.size());
    const auto failed = [&](const char *what) {
        const int error = -errno;
        why = std::string(what) + " " + path + ": " + text_of(error);
        return error;
    };
    // Two that start at once: the lock says who takes a stale socket away.
    const std::string lock_path = path + ".lock";
    struct stat status;
    for (;;) {
        UniqueFd lock(open(lock_path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
        if (!lock) return failed("cannot make the lock file beside");
        if (flock(lock.get(), LOCK_EX | LOCK_NB)) {
            why = "another service has " + path;
            return -EADDRINUSE;
        }
        // One that ended meanwhile has removed the file that was locked here: the next is it.
        struct stat there;
        if (fstat(lock.get(), &status)) return failed("cannot look at the lock file beside");
        if (lstat(lock_path.c_str(), &there) || there.st_ino != status.st_ino ||
            there.st_dev != status.st_dev)
            continue;
        lock_ = std::move(lock); // from now on it is ours to remove
        break;
    }
    if (lstat(path.c_str(), &status) == 0) {
        if (!S_ISSOCK(status.st_mode)) {
            why = "expected nothing or a stale socket at " + path + "; found another kind of file";
            return -EEXIST;
        }
        if (is_served(address)) {
            why = "another service has " + path;
            return -EADDRINUSE;
        }
        if (unlink(path.c_str())) return failed("cannot remove the stale socket");
        log(2, "removed the stale socket " + path);
    }
    listener_.reset(socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0));
    if (!listener_) return failed("cannot make a socket for");
    // Nobody but its owner's until group and mode are right.
    if (fchmod(listener_.get(), 0600)) return failed("cannot prepare");
    if (bind(listener_.get(), reinterpret_cast<const sockaddr *>(&address), sizeof address))
        return failed("cannot bind");
    bound_ = true;
    if (options_.group && lchown(path.c_str(), uid_t(-1), *options_.group))
        return failed("cannot give the group");
    if (chmod(path.c_str(), options_.mode)) return failed("cannot set the mode of");
    if (listen(listener_.get(), backlog)) return failed("cannot listen on");
    return 0;
}

SocketServer::~SocketServer()
{
    finish();
    if (bound_) unlink(options_.path.c_str());
    if (lock_) unlink((options_.path + ".lock").c_str());
}

// -------------------------------------------------------------------- clients

bool SocketServer::read_peer(int socket, Peer &peer) const
{
    ucred who = {};
    socklen_t size = sizeof who;
    if (getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &who, &size)) return false;
    peer.pid = who.pid;
    peer.uid = who.uid;
    peer.gid = who.gid;
    peer.name = name_of(who.pid);
    // Whoever could end the service may as well reset its devices.
    peer.privileged = who.uid == 0 || who.uid == geteuid();
    if (peer.privileged || !options_.privileged) return true;
    std::vector<gid_t> groups(64);
    for (;;) {
        size = socklen_t(groups.size() * sizeof(gid_t));
        if (getsockopt(socket, SOL_SOCKET, SO_PEERGROUPS, groups.data(), &size) == 0) break;
        if (errno != ERANGE) return false;
        groups.resize(size / sizeof(gid_t));
    }
    groups.resize(size / sizeof(gid_t));
    groups.push_back(who.gid);
    peer.privileged = std::ranges::find(groups, *options_.privileged) != groups.end();
    return true;
}

// Under mutex_.
std::shared_ptr<Account> SocketServer::account_of(uid_t uid)
{
    std::shared_ptr<Account> &account = accounts_[uid];
    if (!account) {
        const auto own = options_.quota_of.find(uid);
        account = std::make_shared<Account>(own == options_.quota_of.end() ? options_.quota
                                                                           : own->second);
    }
    return account;
}

ClientOptions SocketServer::client_options(const Peer &peer)
{
    ClientOptions options;
    options.privileged = peer.privileged;
    options.high_priority = peer.privileged;
    options.pid = peer.pid ? peer.pid : -1;
    options.uid = peer.uid;
    options.name = peer.name;
    const auto own = options_.weight_of.find(peer.uid);
    options.weight = own == options_.weight_of.end() ? options_.weight : own->second;
    std::lock_guard lock(mutex_);
    options.account = account_of(peer.uid);
    return options;
}

void SocketServer::admit(UniqueFd socket)
{
    Peer peer;
    if (!read_peer(socket.get(), peer)) return;
    std::lock_guard lock(mutex_);
    std::shared_ptr<Account> account = account_of(peer.uid);
    if (!account->clients.take(1)) {
        wire::Welcome welcome = {};
        welcome.version = wire::version;
        const std::string why = "user " + std::to_string(peer.uid) + " has " +
                                std::to_string(account->clients.limit()) +
                                " opens, as many as its quota allows";
        std::strncpy(welcome.why, why.c_str(), sizeof welcome.why - 1);
        const wire::Reply head = {0, -EDQUOT, sizeof welcome};
        (void)send_message(socket.get(), {bytes_of(head), bytes_of(welcome)}, -1, MSG_DONTWAIT);
        log(3, "refused process " + std::to_string(peer.pid) + ": " + why);
        return;
    }
    connections_.emplace_back(*this, std::move(socket), std::move(peer));
    const auto connection = std::prev(connections_.end());
    try {
        std::thread([this, connection, account] { serve(connection, account); }).detach();
    } catch (const std::system_error &error) {
        log(4, std::string("no thread for a client: ") + error.what());
        connections_.erase(connection);
        account->clients.give(1);
    }
}

// The thread of one client. It touches nothing of the service after it has said that it goes.
void SocketServer::serve(std::list<Connection>::iterator connection,
                         std::shared_ptr<Account> account)
{
    connection->run();
    std::lock_guard lock(mutex_);
    connections_.erase(connection);
    account->clients.give(1);
    gone_.notify_all();
}

int SocketServer::run()
{
    for (;;) {
        pollfd ready[] = {{listener_.get(), POLLIN, 0}, {stop_.get(), POLLIN, 0}};
        if (poll(ready, 2, -1) < 0) {
            if (errno == EINTR) continue;
            return -errno;
        }
        if (ready[1].revents) break;
        UniqueFd socket(accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
        if (socket) {
            admit(std::move(socket));
        } else if (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS) {
            log(4, std::string("no client can be taken: ") + text_of(errno));
            (void)poll(&ready[1], 1, out_of_fds_pause_ms);
        }
    }
    finish();
    return 0;
}

void SocketServer::finish()
{
    if (!listener_) return;
    draining_.store(true, std::memory_order_release);
    listener_.reset();
    const uint64_t now = now_ns();
    const uint64_t end = options_.drain_ns > ~0ull - now ? ~0ull : now + options_.drain_ns;
    const auto busy = [&] {
        return std::ranges::any_of(emulators_, [](const auto &device) { return !device->idle(); });
    };
    while (busy() && now_ns() < end)
        std::this_thread::sleep_for(idle_look);
    for (const auto &emulator : emulators_)
        emulator->unplug();
    std::unique_lock lock(mutex_);
    for (Connection &connection : connections_)
        connection.end();
    gone_.wait(lock, [&] { return connections_.empty(); });
}

} // namespace

Result<std::unique_ptr<Server>> Server::create(ServerOptions options, std::string &why)
{
    auto server = std::make_unique<SocketServer>(std::move(options));
    if (const int error = server->start(why)) return Error{error};
    return std::unique_ptr<Server>(std::move(server));
}

} // namespace acc::emu
