// SPDX-License-Identifier: MIT
#include "libacc/model/host_agent.h"

#include "libacc/error.h"
#include "libacc/threads.h"

namespace acc
{

HostAgent::~HostAgent()
{
    cancel();
    {
        std::lock_guard lock(mutex_);
        stop_ = true;
    }
    changed_.notify_all();
    if (thread_.joinable()) thread_.join();
}

int HostAgent::submit(std::span<const acc_packet> packets)
{
    {
        std::lock_guard lock(mutex_);
        if (!thread_.joinable())
            if (const int error = start_thread(thread_, "acc-host", [this] { work(); }))
                return fail(error, "expected a thread for the host agent; found {}",
                            errno_text(error))
                    .code;
        packets_.insert(packets_.end(), packets.begin(), packets.end());
    }
    changed_.notify_all();
    return 0;
}

void HostAgent::cancel()
{
    std::unique_lock lock(mutex_);
    cancelled_.store(true, std::memory_order_release);
    packets_.clear();
    changed_.wait(lock, [this] { return !busy_; });
    cancelled_.store(false, std::memory_order_release);
}

void HostAgent::work()
{
    std::unique_lock lock(mutex_);
    while (true) {
        changed_.wait(lock, [this] { return stop_ || !packets_.empty(); });
        if (stop_) return;
        const acc_packet packet = packets_.front();
        packets_.pop_front();
        busy_ = true;
        lock.unlock();
        serve_(packet);
        lock.lock();
        busy_ = false;
        if (cancelled()) changed_.notify_all();
    }
}

} // namespace acc
