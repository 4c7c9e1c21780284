// SPDX-License-Identifier: MIT
#include "libacc/callbacks.h"

#include "libacc/error.h"
#include "libacc/threads.h"

namespace acc
{
namespace
{

thread_local bool runs_callbacks = false;

} // namespace

bool Callbacks::inside()
{
    return runs_callbacks;
}

int Callbacks::start()
{
    std::lock_guard lock(mutex_);
    if (thread_.joinable()) return 0;
    const int error = start_thread(thread_, "acc-callbacks", [this] { run(); });
    if (error)
        return fail(error, "cannot start the thread for callbacks: {}", errno_text(error)).code;
    return 0;
}

void Callbacks::stop()
{
    {
        std::lock_guard lock(mutex_);
        if (!thread_.joinable()) return;
        stop_ = true;
        posted_.notify_one();
    }
    thread_.join();
}

void Callbacks::post(Job &job)
{
    std::lock_guard lock(mutex_);
    job.next = nullptr;
    *last_ = &job;
    last_ = &job.next;
    posted_.notify_one();
}

void Callbacks::run()
{
    runs_callbacks = true;
    std::unique_lock lock(mutex_);
    for (;;) {
        posted_.wait(lock, [&] { return stop_ || first_; });
        if (!first_) return;
        Job *job = first_;
        first_ = job->next;
        if (!first_) last_ = &first_;
        lock.unlock();
        job->run();
        lock.lock();
    }
}

} // namespace acc
