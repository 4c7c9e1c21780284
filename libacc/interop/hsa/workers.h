// SPDX-License-Identifier: MIT
//
// Threads for what may block or call the program: handlers of signals, serially as the API
// promises, and copies that the host does. Each thread starts with its first job.
//
// Thread safety: all calls from any thread; drain() not from a job.
#pragma once

#include "runtime.h"

#include <condition_variable>
#include <deque>
#include <functional>
#include <thread>

namespace acc::hsa
{

class Worker
{
public:
    explicit Worker(const char *name) : name_(name) {}
    ~Worker();

    using Job = std::function<void()>;
    // OUT_OF_RESOURCES when there is no thread for it; then the job is still the caller's.
    hsa_status_t post(Job &&job);
    bool is_this_thread() const;

private:
    void run();

    const char *const name_;
    mutable std::mutex mutex_; // of what follows
    std::condition_variable posted_;
    std::deque<Job> jobs_;
    std::thread thread_;
    bool stop_ = false;
};

class Workers
{
public:
    Worker handlers{"hsa-handlers"};
    Worker copies{"hsa-copies"};

    bool is_this_thread() const { return handlers.is_this_thread() || copies.is_this_thread(); }
};

} // namespace acc::hsa
