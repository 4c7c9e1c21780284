// SPDX-License-Identifier: MIT
//
// One client of the service: its socket, its open of a device, its threads. Everything that
// arrives is hostile until it has been checked, and whatever the client does or leaves undone
// costs nobody but itself:
//  - one thread reads, answers what is quick, and always notices the client's end;
//  - what may wait for the device is done by up to `most_workers` threads of the client's own;
//  - a WAIT costs no thread; a reply that the client doesn't read is kept, and nothing more is
//    read of it meanwhile.
#pragma once

#include "common/message.h"
#include "common/wire.h"
#include "emulator/account.h"
#include "emulator/emulator.h"

#include <drm/acc_drm.h>

#include <atomic>
#include <condition_variable>
#include <ctime>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace acc::emu
{

// Who is at the other end, as the kernel says.
struct Peer {
    pid_t pid = 0; // 0: of another pid namespace
    uid_t uid = 0;
    gid_t gid = 0;
    bool privileged = false;
    std::string name; // comm
};

// What a connection needs of the service.
class ConnectionHost
{
public:
    virtual size_t devices() const = 0;
    // Null past the last.
    virtual Emulator *device(uint32_t index) = 0;
    virtual ClientOptions client_options(const Peer &peer) = 0;
    virtual bool draining() const = 0;
    virtual int hello_timeout_ms() const = 0;
    virtual void log(int level, const std::string &text) = 0;

protected:
    ~ConnectionHost() = default;
};

class Connection
{
public:
    Connection(ConnectionHost &host, UniqueFd socket, Peer peer);
    Connection(const Connection &) = delete;
    Connection &operator=(const Connection &) = delete;

    // From the first message to the end, on the calling thread. Everything that the client
    // held has been freed when it returns.
    void run();
    // Any thread: makes run() return soon.
    void end();

    const Peer &peer() const { return peer_; }

private:
    // A message of the client's.
    struct Incoming {
        wire::Request request = {};
        size_t bytes = 0; // of payload
        UniqueFd fd;
        bool fd_lost = false;
        alignas(8) std::byte payload[wire::most_bytes];
    };
    // A WAIT that is pending: what its reply needs.
    struct Wait {
        uint64_t request = 0, id = 0; // the client's, the device's
        uint32_t command = 0;
        drm_acc_wait args = {};
        std::vector<std::byte> payload; // its struct, as long as the client has it
        bool over = false;
        std::multimap<uint64_t, std::shared_ptr<Wait>>::iterator timer;
    };
    struct Outgoing {
        wire::Reply reply;
        std::vector<std::byte> payload;
        UniqueFd fd;
    };

    static constexpr unsigned most_workers = 4;
    static constexpr size_t most_slow = 64;    // requests that wait for a worker
    static constexpr size_t most_waits = 4096; // pending; beyond: EAGAIN
    // Of their structs, which may be longer than ours: memory that a client makes us keep.
    static constexpr size_t most_wait_bytes = most_waits * 64;

    bool greet();
    void refuse(uint64_t id, int error, const std::string &why);
    bool receive(Incoming &in);
    static bool is_slow(const Incoming &in);
    void queue_slow(Incoming &in);
    void worker();
    void handle(Incoming &in);
    void do_ioctl(Incoming &in);
    void do_map(const Incoming &in);
    void do_inject(const Incoming &in);
    void start_wait(const Incoming &in);
    void finish_wait(const std::shared_ptr<Wait> &wait, int error, int64_t observed);
    void expire_waits();
    bool next_timeout(timespec &timeout);
    void reply(uint64_t id, int error, std::span<const std::byte> payload = {}, int fd = -1);
    int send(const wire::Reply &head, std::span<const std::byte> payload, int fd);
    void flush();
    bool crowded(); // nothing more is read of the client for now
    void wake();

    ConnectionHost &host_;
    const UniqueFd socket_;
    const Peer peer_;
    UniqueFd event_;      // our end of the event socket
    const UniqueFd wake_; // eventfd: look again; made at once, because end() writes it
    UniqueFd opener_;     // pidfd; none: of another pid namespace, or an old kernel
    std::unique_ptr<Client> client_;
    Emulator *device_ = nullptr;
    std::atomic<bool> ended_{false};

    std::mutex slow_mutex_; // of what follows
    std::condition_variable slow_here_;
    std::deque<std::unique_ptr<Incoming>> slow_;
    std::vector<std::thread> workers_;
    unsigned idle_workers_ = 0;
    bool closing_ = false;

    std::mutex waits_mutex_; // of what follows; inside the device's lock of waits
    std::multimap<uint64_t, std::shared_ptr<Wait>> timers_; // by deadline, pending ones all
    size_t waits_ = 0, wait_bytes_ = 0;

    std::mutex out_mutex_; // of out_; the innermost
    std::deque<Outgoing> out_;
    std::atomic<bool> out_waits_{false}; // out_ has something
};

} // namespace acc::emu
