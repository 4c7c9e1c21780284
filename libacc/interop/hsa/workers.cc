// SPDX-License-Identifier: MIT
#include "workers.h"

#include <pthread.h>
#include <signal.h>

#include <system_error>

namespace acc::hsa
{

// Runs what is queued, then ends.
Worker::~Worker()
{
    {
        std::lock_guard lock(mutex_);
        stop_ = true;
        posted_.notify_one();
    }
    if (thread_.joinable()) thread_.join();
}

hsa_status_t Worker::post(Job &&job)
{
    std::lock_guard lock(mutex_);
    if (!thread_.joinable()) {
        // The program's signals are for the program's threads.
        sigset_t all, before;
        sigfillset(&all);
        pthread_sigmask(SIG_SETMASK, &all, &before);
        try {
            thread_ = std::thread([this] { run(); });
        } catch (const std::system_error &error) {
            log_line(ACC_LOG_ERROR, std::string("cannot start a thread: ") + error.what());
        }
        pthread_sigmask(SIG_SETMASK, &before, nullptr);
        if (!thread_.joinable()) return HSA_STATUS_ERROR_OUT_OF_RESOURCES;
        pthread_setname_np(thread_.native_handle(), name_);
    }
    jobs_.push_back(std::move(job));
    posted_.notify_one();
    return HSA_STATUS_SUCCESS;
}

bool Worker::is_this_thread() const
{
    std::lock_guard lock(mutex_);
    return thread_.joinable() && thread_.get_id() == std::this_thread::get_id();
}

void Worker::run()
{
    std::unique_lock lock(mutex_);
    for (;;) {
        posted_.wait(lock, [&] { return stop_ || !jobs_.empty(); });
        if (jobs_.empty()) return;
        {
            const Job job = std::move(jobs_.front());
            jobs_.pop_front();
            lock.unlock();
            job();
        } // what it holds goes without the lock
        lock.lock();
    }
}

} // namespace acc::hsa
