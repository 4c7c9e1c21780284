// SPDX-License-Identifier: MIT
//
// Two threads behind lists of calls: one for long work of the host, one for what the application
// has registered. They and their lists are never ended: a process exits whenever it likes.
#include "libacc/interop/opencl/scheduler.h"

#include <deque>
#include <thread>

namespace acc::ocl
{
namespace
{

class Worker
{
public:
    void post(std::function<void()> call)
    {
        std::lock_guard lock(mutex_);
        calls_.push_back(std::move(call));
        if (!started_) {
            started_ = true;
            std::thread([this] { serve(); }).detach();
        }
        changed_.notify_one();
    }

private:
    [[noreturn]] void serve()
    {
        std::unique_lock lock(mutex_);
        for (;;) {
            changed_.wait(lock, [&] { return !calls_.empty(); });
            auto call = std::move(calls_.front());
            calls_.pop_front();
            lock.unlock();
            call();
            call = nullptr; // what it holds goes without the lock
            lock.lock();
        }
    }

    std::mutex mutex_;
    std::condition_variable changed_;
    std::deque<std::function<void()>> calls_;
    bool started_ = false;
};

} // namespace

void post_work(std::function<void()> call)
{
    static Worker *const worker = new Worker;
    worker->post(std::move(call));
}

void post_callback(std::function<void()> call)
{
    static Worker *const worker = new Worker;
    worker->post(std::move(call));
}

} // namespace acc::ocl
