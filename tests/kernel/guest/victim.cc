// SPDX-License-Identifier: MIT
//
// A client of each node in every state in which a device can be lost.
#include "tests/kernel/guest/guest.h"

#include <atomic>
#include <cstdio>
#include <cstring>
#include <mutex>
#include <poll.h>
#include <thread>
#include <unistd.h>

namespace acc::guest
{

using namespace conformance;

namespace
{

std::mutex printing;
std::atomic<bool> failed{false};

void report(bool good, const std::string &what, const std::string &why)
{
    std::lock_guard lock(printing);
    if (good)
        std::printf("pass %s\n", what.c_str());
    else
        std::printf("fail %s: %s\n", what.c_str(), why.c_str());
    std::fflush(stdout);
    if (!good) failed = true;
}

class Victim
{
public:
    Victim(size_t node, int error) : node_(node), error_(error) {}
    // Runs until the loss; counts itself in `ready` when all of it is at work.
    void run(std::atomic<unsigned> &ready)
    {
        std::vector<std::thread> threads;
        threads.emplace_back([this] { wait(); });
        threads.emplace_back([this] { produce(); });
        threads.emplace_back([this] { call(); });
        threads.emplace_back([this] { poll_event(); });
        (void)eventually([this] { return working_ == 4; });
        ready++;
        for (auto &thread : threads)
            thread.join();
        afterwards();
    }

private:
    void check(const char *what, int result)
    {
        report(result == -error_, nodes()[node_] + " " + what,
               std::string("expected ") + strerror(error_) + "; found " +
                   (result < 0 ? strerror(-result) : "success"));
    }
    uint32_t lost() { return shared(status_->lost).load(std::memory_order_acquire); }

    // A WAIT for what never comes.
    void wait()
    {
        acc_signal_memory *never = signals_.make();
        working_++;
        check("a sleeping waiter", wait_for(*accel_, never));
    }
    // Submits without end, and looks at the status page as a runtime does. No store may raise a
    // signal, before or after.
    void produce()
    {
        working_++;
        uint64_t after = 0;
        for (uint64_t i = 0; after < 1000; i++) {
            if (lost()) after++;
            const uint64_t index =
                shared(queue_.control()->write_index).load(std::memory_order_relaxed);
            if (index - queue_.read_index() < queue_.packets()) {
                (void)queue_.reserve();
                queue_.publish(index, nothing());
            }
            queue_.store_doorbell(i);
        }
        check("the status page of a producer", -int(lost()));
        report(true, nodes()[node_] + " a producer's stores", "");
    }
    void call()
    {
        working_++;
        int result;
        while (!(result = accel_->query_error()))
            std::this_thread::sleep_for(std::chrono::milliseconds(1));
        check("a caller", result);
    }
    void poll_event()
    {
        Event event(*accel_);
        working_++;
        bool fired = true;
        while (fired && !lost())
            fired = event.wait();
        report(fired, nodes()[node_] + " an event descriptor", "it never fired");
    }
    // What a lost file still answers, and what it refuses.
    void afterwards()
    {
        drm_acc_bo_create bo = {};
        bo.size = page_bytes;
        check("BO_CREATE", accel_->call(DRM_IOCTL_ACC_BO_CREATE, bo));
        check("WAIT", accel_->wait(address_of(signals_[0]), DRM_ACC_COND_EQ, 7, deadline()));
        check("SIGNAL_WAKE", accel_->wake(address_of(signals_[0])));
        std::memset(memory_.at(), 1, memory_.bytes()); // mappings stay
        report(true, nodes()[node_] + " memory that was mapped", "");
        std::string why;
        auto again = open_transport(nodes()[node_], why);
        if (error_ == EIO)
            report(bool(again), nodes()[node_] + " another open", why);
        else
            report(!again, nodes()[node_] + " another open", "expected none; found one");
    }

    const size_t node_;
    const int error_;
    std::unique_ptr<Accel> accel_ = open_client(node_);
    Signals signals_{*accel_};
    Queue queue_{*accel_};
    Buffer memory_{*accel_, 64 * page_bytes};
    const acc_status_page *status_ = static_cast<const acc_status_page *>(
        *accel_->transport().map(accel_->memory().status_mmap_offset, page_bytes, 1, nullptr));
    std::atomic<unsigned> working_{0};
};

} // namespace

int run_victim(int error)
{
    std::vector<std::unique_ptr<Victim>> victims;
    std::vector<std::thread> threads;
    std::atomic<unsigned> ready{0};
    for (size_t i = 0; i < nodes().size(); i++)
        victims.push_back(std::make_unique<Victim>(i, error));
    for (auto &victim : victims)
        threads.emplace_back([&victim, &ready] { victim->run(ready); });
    if (!eventually([&] { return ready == nodes().size(); })) return 2;
    std::printf("ready\n");
    std::fflush(stdout);
    for (auto &thread : threads)
        thread.join();
    victims.clear(); // unmaps, unbinds, closes
    report(true, "everything is closed", "");
    return failed;
}

} // namespace acc::guest
