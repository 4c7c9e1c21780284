// SPDX-License-Identifier: MIT
//
// chaos-client URI MODE SEED: a process for chaos.py and soak.py to kill.
//
//   work      checked work without end, on one thread, or on two if SEED % 6 >= 3
//   sleep, spin, space, callback, any, descriptor, fault
//             waits for ever in that way, which only the device's loss ends
//   idle      an open device that has done one thing, and no more
// chaos-client URI[;URI…] probe QUOTA: what the devices hold, for who counts (probe.cc)
//
// It is told by lines on stdin: "pause" (ends all that can be ended, and says what it holds),
// "resume", "hang" (null engine: a kernel that never ends, in a slot), "quit"; the end of
// stdin is "quit". It says, each a line of JSON: {"ready":…}, {"paused":…}, and at the end
// {"wrong": text}, exit status 1, or {"lost": where, "woke_ns": CLOCK_MONOTONIC}, status 3.
#include "tests/chaos/probe.h"
#include "tests/chaos/work.h"

#include "acc/kernels.h"

#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <iostream>
#include <memory>
#include <mutex>
#include <optional>
#include <poll.h>
#include <sys/stat.h>
#include <thread>
#include <unistd.h>

namespace
{

using namespace acc::chaos;
using acc::Buffer;
using acc::Queue;
using acc::Signal;

enum ExitCode { exit_ok = 0, exit_wrong = 1, exit_usage = 2, exit_lost = 3 };

constexpr size_t hoard_bytes = 1 << 20;
constexpr uint64_t spin_for_ever = 1'000'000'000'000;
// Dozens of clients leave the processors time to start who comes after a victim.
constexpr uint64_t longest_pause_us = 50'000;

// What stdin has asked for, and who ended first and why.
class Orders
{
public:
    void read()
    {
        std::string line;
        while (std::getline(std::cin, line)) {
            std::lock_guard lock(mutex_);
            if (line == "pause") {
                paused_ = true;
                round_++;
                standing_ = 0;
            }
            if (line == "resume") paused_ = false;
            if (line == "hang") hang_ = true;
            if (line == "quit") break;
            changed_.notify_all();
        }
        std::lock_guard lock(mutex_);
        quit_ = true;
        changed_.notify_all();
    }
    bool quit()
    {
        std::lock_guard lock(mutex_);
        return quit_ || ended_;
    }
    bool take_hang()
    {
        std::lock_guard lock(mutex_);
        return std::exchange(hang_, false);
    }
    bool paused()
    {
        std::lock_guard lock(mutex_);
        return paused_;
    }
    // Of a thread that has settled. `all_paused` runs when the last of `threads` has. Who is asked
    // again before it has woken stands, and tells, once more.
    template <typename F>
    void stand_still(unsigned threads, F all_paused)
    {
        std::unique_lock lock(mutex_);
        const unsigned round = round_;
        if (++standing_ == threads) all_paused();
        changed_.wait(lock, [&] { return !paused_ || round_ != round || quit_ || ended_; });
    }
    void wait_for_quit()
    {
        std::unique_lock lock(mutex_);
        changed_.wait(lock, [&] { return quit_ || ended_; });
    }
    // The first end counts: what the others meet follows from it.
    void end(int code, const std::string &line)
    {
        std::lock_guard lock(mutex_);
        if (ended_) return;
        ended_ = true;
        code_ = code;
        std::printf("%s\n", line.c_str());
        std::fflush(stdout);
        changed_.notify_all();
    }
    int code() const { return code_; }

private:
    std::mutex mutex_;
    std::condition_variable changed_;
    bool paused_ = false, quit_ = false, hang_ = false, ended_ = false;
    unsigned round_ = 0, standing_ = 0; // of "pause"; who stands in it
    int code_ = exit_ok;
};

Orders orders;

std::string quoted(const std::string &text)
{
    std::string out = "\"";
    for (const char c : text) {
        if (c == '"' || c == '\\') out += '\\';
        out += static_cast<unsigned char>(c) < ' ' ? ' ' : c;
    }
    return out + '"';
}

// Runs a part of the client, and says how it ended if not as asked.
template <typename F>
void guarded(F part)
{
    try {
        part();
    } catch (const Lost &lost) {
        orders.end(exit_lost, "{\"lost\": " + quoted(lost.where) +
                                  ", \"woke_ns\": " + std::to_string(lost.woke_ns) + "}");
    } catch (const Wrong &wrong) {
        orders.end(exit_wrong, "{\"wrong\": " + quoted(wrong.text) + "}");
    } catch (const std::exception &error) {
        orders.end(exit_wrong, "{\"wrong\": " + quoted(error.what()) + "}");
    }
}

// The inode of a buffer's memory: where it shows in the daemon's mappings.
uint64_t inode_of(const Buffer &buffer)
{
    const int fd = need("export", buffer.export_fd());
    struct stat status = {};
    if (fstat(fd, &status)) throw Wrong{"fstat of an exported buffer"};
    close(fd);
    return status.st_ino;
}

void say_ready(uint64_t inode)
{
    std::printf("{\"ready\": %d, \"inode\": %llu}\n", int(getpid()),
                static_cast<unsigned long long>(inode));
    std::fflush(stdout);
}

// ----------------------------------------------------------------------- modes

void work(const char *uri, uint64_t seed)
{
    Target target(uri, seed);
    // Large, and not used: what a victim leaves behind.
    Buffer hoard = need("buffer create", Buffer::create(target.device, hoard_bytes));
    std::memset(hoard.data(), 0x5a, hoard.bytes());
    const unsigned threads = 1 + unsigned(seed % 6 >= 3);
    std::vector<std::unique_ptr<Worker>> workers;
    for (unsigned i = 0; i < threads; i++)
        workers.push_back(std::make_unique<Worker>(target, seed + i * 7919));
    say_ready(inode_of(hoard));

    std::optional<Queue> hanging;
    const auto hang = [&] {
        hanging = need("queue create", Queue::create(target.device));
        if (target.engine == ACC_ENGINE_NULL)
            need("dispatch", hanging->dispatch(target.kernels[2], acc_null_args{}));
        std::printf("{\"hanging\": 1}\n");
        std::fflush(stdout);
    };
    const auto say_paused = [&] {
        uint64_t steps = 0;
        for (const auto &worker : workers)
            steps += worker->steps();
        const auto info = target.device.info();
        std::printf("{\"paused\": 1, \"bytes\": %llu, \"steps\": %llu, \"error\": %d}\n",
                    static_cast<unsigned long long>(info ? info->client_bytes : 0),
                    static_cast<unsigned long long>(steps), info ? 0 : info.error().code);
        std::fflush(stdout);
    };
    const auto loop = [&](unsigned index) {
        std::mt19937_64 pause(seed ^ (index + 1));
        while (!orders.quit()) {
            workers[index]->step();
            if (index == 0 && orders.take_hang()) hang();
            if (orders.paused()) {
                workers[index]->settle();
                orders.stand_still(threads, say_paused);
            }
            usleep(useconds_t(pause() % longest_pause_us));
        }
        workers[index]->settle();
    };
    std::thread second;
    if (threads == 2) second = std::thread([&] { guarded([&] { loop(1); }); });
    guarded([&] { loop(0); });
    if (second.joinable()) second.join();
    if (orders.code()) return;
    for (const std::byte byte : hoard.span<std::byte>())
        if (byte != std::byte(0x5a)) throw Wrong{"the hoard has changed"};
}

// Fails when it returns: nothing but the loss may end such a wait.
void wait_for_ever(const std::string &how, Target &target, Queue &queue, Signal &never)
{
    if (how == "sleep" || how == "spin") {
        need("wait", never.wait());
    } else if (how == "any") {
        Signal other = need("signal create", Signal::create(target.device));
        const acc::Awaited both[] = {{&never}, {&other}};
        need("wait any", acc::wait_any(both));
    } else if (how == "space") {
        need("barrier", queue.barrier({never.get()}));
        for (;;)
            need("submit to a full ring", queue.barrier({}));
    } else if (how == "callback" || how == "fault") {
        std::mutex mutex;
        std::condition_variable turn;
        int error = 1;
        const auto tell = [&](int code) {
            std::lock_guard lock(mutex);
            error = code;
            turn.notify_one();
        };
        if (how == "callback") {
            need("signal on", never.on(ACC_COND_EQ, 0, [&](int64_t, int code) { tell(code); }));
        } else {
            using Tell = decltype(tell);
            const acc_queue_fault_fn fn = [](void *user, acc_queue *, const acc_queue_info *,
                                             int code) {
                (*static_cast<const Tell *>(user))(code);
            };
            void *const user = const_cast<void *>(static_cast<const void *>(&tell));
            if (const int code = acc_queue_on_fault(queue.get(), fn, user))
                give_up("on fault", acc::Failure::last(code));
        }
        std::unique_lock lock(mutex);
        turn.wait(lock, [&] { return error != 1; });
        if (error) give_up(how.c_str(), {error, "the callback's error"});
    } else { // descriptor
        const int fd = need("signal fd", never.fd(ACC_COND_EQ, 0));
        pollfd ready = {fd, POLLIN, 0};
        while (poll(&ready, 1, -1) < 0) {
        }
        close(fd);
        need("wait behind a descriptor", never.wait());
    }
    throw Wrong{how + " came back, with nothing to end it"};
}

void waiting(const char *uri, const std::string &how, uint64_t seed)
{
    Target target(uri, seed, how == "spin" ? spin_for_ever : 0);
    Queue queue = need("queue create", Queue::create(target.device));
    Signal never = need("signal create", Signal::create(target.device));
    Buffer buffer = need("buffer create", Buffer::create(target.device, 4096));
    say_ready(inode_of(buffer));
    // To be killed, or to lose the device; "quit" has nothing to wait for.
    std::thread([] {
        orders.wait_for_quit();
        _exit(orders.code());
    }).detach();
    wait_for_ever(how, target, queue, never);
}

void idle(const char *uri, uint64_t seed)
{
    Target target(uri, seed);
    Queue queue = need("queue create", Queue::create(target.device));
    Signal done = need("signal create", Signal::create(target.device));
    need("barrier", queue.barrier({}, &done));
    need("wait", done.wait());
    std::printf(
        "{\"paused\": 1, \"bytes\": %llu}\n",
        static_cast<unsigned long long>(need("device info", target.device.info()).client_bytes));
    std::fflush(stdout);
    orders.wait_for_quit();
}

} // namespace

int main(int argc, char **argv)
{
    const std::string mode = argc == 4 ? argv[2] : "";
    const bool waits = mode == "sleep" || mode == "spin" || mode == "space" || mode == "callback" ||
                       mode == "any" || mode == "descriptor" || mode == "fault";
    if (!waits && mode != "work" && mode != "idle" && mode != "probe") {
        std::fprintf(stderr, "expected URI, work|idle|sleep|spin|space|callback|any|descriptor|"
                             "fault|probe, SEED\n");
        return exit_usage;
    }
    const uint64_t number = std::strtoull(argv[3], nullptr, 10);
    if (mode == "probe") return probe(argv[1], number);
    std::thread([] { orders.read(); }).detach();
    guarded([&] {
        if (mode == "work")
            work(argv[1], number);
        else if (mode == "idle")
            idle(argv[1], number);
        else
            waiting(argv[1], mode, number);
    });
    std::fflush(stdout);
    // The reader of stdin is asleep in it.
    _exit(orders.code());
}
