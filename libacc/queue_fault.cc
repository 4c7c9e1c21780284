// SPDX-License-Identifier: MIT
#include "libacc/queue_fault.h"

#include "libacc/device.h"
#include "libacc/queue.h"

namespace acc
{

int QueueFault::start(Queue &queue, acc_queue_fault_fn fn, void *user,
                      std::shared_ptr<QueueFault> &watch)
{
    ACC_TRY_INT(queue.device().callbacks().start());
    watch.reset(new QueueFault(queue, fn, user));
    {
        std::lock_guard lock(watch->mutex_);
        watch->self_ = watch;
    }
    const int error = queue.device().reader().add_watch(*watch);
    if (error) watch->stop();
    return error;
}

void QueueFault::stop()
{
    queue_.device().reader().remove_watch(*this);
    std::unique_lock lock(mutex_);
    stopped_ = true;
    if (running_ && runner_ != std::this_thread::get_id())
        returned_.wait(lock, [&] { return !running_; });
    // A job that is queued still drops itself.
    if (!posted_) self_.reset();
}

void QueueFault::look(int lost)
{
    std::lock_guard lock(mutex_);
    if (posted_ || stopped_) return;
    if (!lost) {
        const auto info = queue_.info();
        if (!info || info->state != DRM_ACC_QUEUE_ERROR) return;
        info_ = *info;
    }
    error_ = lost;
    posted_ = true;
    queue_.device().callbacks().post(*this);
}

void QueueFault::run()
{
    std::shared_ptr<QueueFault> self;
    {
        std::lock_guard lock(mutex_);
        self = std::move(self_);
        if (stopped_) return;
        running_ = true;
        runner_ = std::this_thread::get_id();
    }
    acc_queue_info info = info_;
    info.size = sizeof info;
    fn_(user_, reinterpret_cast<acc_queue *>(&queue_), &info, error_);
    std::lock_guard lock(mutex_);
    running_ = false;
    returned_.notify_all();
}

} // namespace acc
