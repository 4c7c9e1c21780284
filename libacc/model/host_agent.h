// SPDX-License-Identifier: MIT
//
// The host agent: a queue of packets that a thread of the runtime serves, for operators that no
// engine has. Packets are those of acc/abi.h; a dispatch's kernel object is the number of a step.
//
// Thread safety: submit() and cancel() from any thread. One thread, started at the first submit,
// runs the packets in their order and sleeps when there are none.
#pragma once

#include "acc/abi.h"

#include <atomic>
#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <span>
#include <thread>

namespace acc
{

class HostAgent
{
public:
    // What is done for a packet, on the agent's thread. It gives up soon when cancelled() says so.
    using Serve = std::function<void(const acc_packet &)>;

    explicit HostAgent(Serve serve) : serve_(std::move(serve)) {}
    ~HostAgent();
    HostAgent(const HostAgent &) = delete;
    HostAgent &operator=(const HostAgent &) = delete;

    // 0, or -errno when there can be no thread.
    int submit(std::span<const acc_packet> packets);
    // Drops what has not run, and returns when nothing does.
    void cancel();
    bool cancelled() const { return cancelled_.load(std::memory_order_acquire); }

private:
    void work();

    const Serve serve_;
    std::mutex mutex_;
    std::condition_variable changed_;
    std::deque<acc_packet> packets_;
    bool busy_ = false, stop_ = false;
    std::atomic<bool> cancelled_{false};
    std::thread thread_;
};

} // namespace acc
