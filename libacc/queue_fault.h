// SPDX-License-Identifier: MIT
//
// Tells a program, once, that a queue has gone into Error.
//
// Thread safety: all calls from any thread.
#pragma once

#include "acc/acc.h"
#include "libacc/callbacks.h"
#include "libacc/event_reader.h"

#include <memory>
#include <mutex>
#include <thread>

namespace acc
{

class Queue;

class QueueFault final : public FaultWatch, public Callbacks::Job
{
public:
    // Starts to watch: 0 or -errno. `queue` lives until stop() has returned.
    static int start(Queue &queue, acc_queue_fault_fn fn, void *user,
                     std::shared_ptr<QueueFault> &watch);
    // fn does not begin any more and does not run, but on this very thread.
    void stop();

    void look(int lost) override;
    void run() override;

private:
    QueueFault(Queue &queue, acc_queue_fault_fn fn, void *user)
        : queue_(queue), fn_(fn), user_(user)
    {
    }

    Queue &queue_;
    const acc_queue_fault_fn fn_;
    void *const user_;

    std::mutex mutex_; // of what follows
    std::condition_variable returned_;
    bool posted_ = false, stopped_ = false, running_ = false;
    std::thread::id runner_;
    acc_queue_info info_ = {};
    int error_ = 0;
    std::shared_ptr<QueueFault> self_; // while it is posted
};

} // namespace acc
