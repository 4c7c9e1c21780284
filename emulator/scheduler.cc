// SPDX-License-Identifier: MIT
#include "emulator/scheduler.h"

#include "emulator/placement.h"
#include "emulator/queue.h"

#include <algorithm>
#include <cerrno>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

namespace acc::emu
{

namespace
{
constexpr uint64_t internal_wake = ~0ull; // epoll data: ours; else an asid
}

int Scheduler::start()
{
    owner_ = getpid();
    max_spinners_ = std::max(1u, usable_processors() - 1);
    epoll_.reset(epoll_create1(EPOLL_CLOEXEC));
    wake_.reset(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
    if (!epoll_ || !wake_) return -errno;
    epoll_event event = {};
    event.events = EPOLLIN | EPOLLET; // one event, one worker
    event.data.u64 = internal_wake;
    return epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, wake_.get(), &event) ? -errno : 0;
}

Scheduler::~Scheduler()
{
    if (getpid() != owner_) { // a child of fork: the threads and who held the lock are not here
        for (auto &thread : threads_)
            thread.detach();
        return;
    }
    {
        std::lock_guard lock(mutex_);
        stopping_ = true;
    }
    if (wake_) eventfd_write(wake_.get(), 1); // each worker that leaves wakes the next
    for (auto &thread : threads_)
        thread.join();
}

int Scheduler::watch_kick(uint32_t asid, int fd)
{
    epoll_event event = {};
    event.events = EPOLLIN | EPOLLET;
    event.data.u64 = asid;
    if (epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &event)) return -errno;
    // Somebody must sleep on it.
    std::lock_guard lock(mutex_);
    if (threads_.empty()) add_worker();
    return 0;
}

void Scheduler::unwatch_kick(uint32_t asid, int fd)
{
    epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, fd, nullptr);
    std::lock_guard lock(mutex_);
    spaces_.erase(asid);
}

void Scheduler::add(uint32_t asid, Queue *queue)
{
    std::lock_guard lock(mutex_);
    spaces_[asid].push_back(queue);
}

void Scheduler::remove(uint32_t asid, Queue *queue)
{
    std::unique_lock lock(mutex_);
    auto &queues = spaces_[asid];
    std::erase(queues, queue);
    left_running_.wait(lock, [&] { return queue->sched_state != QueueState::Running; });
    if (queue->sched_state == QueueState::Ready) {
        std::erase(ready_[queue->slot_priority], queue);
        ready_count_.fetch_sub(1, std::memory_order_relaxed);
    }
    queue->sched_state = QueueState::Dead;
}

void Scheduler::push(Queue *queue)
{
    queue->sched_state = QueueState::Ready;
    ready_[queue->slot_priority].push_back(queue);
    ready_count_.fetch_add(1, std::memory_order_relaxed);
}

Queue *Scheduler::pop()
{
    for (int priority = DRM_ACC_PRIORITY_HIGH; priority >= DRM_ACC_PRIORITY_LOW; priority--) {
        auto &list = ready_[priority];
        if (list.empty()) continue;
        Queue *queue = list.front();
        list.pop_front();
        ready_count_.fetch_sub(1, std::memory_order_relaxed);
        return queue;
    }
    return nullptr;
}

// Somebody is ready: wake a sleeping worker, or start one more.
void Scheduler::notify()
{
    if (idle_)
        eventfd_write(wake_.get(), 1);
    else
        add_worker();
}

// One more than may run, so that somebody always sleeps on the kick descriptors.
void Scheduler::add_worker()
{
    if (threads_.size() <= max_workers_ && !stopping_) threads_.emplace_back([this] { worker(); });
}

void Scheduler::make_ready(Queue *queue)
{
    std::lock_guard lock(mutex_);
    switch (queue->sched_state) {
    case QueueState::Idle:
    case QueueState::Waiting:
        push(queue);
        notify();
        break;
    case QueueState::Running:
        queue->sched_again = true;
        break;
    case QueueState::Ready:
    case QueueState::Dead:
        break;
    }
}

void Scheduler::wake_space(uint32_t asid)
{
    std::lock_guard lock(mutex_);
    const auto found = spaces_.find(asid);
    if (found == spaces_.end()) return;
    bool any = false;
    for (Queue *queue : found->second) {
        if (queue->sched_state == QueueState::Running) queue->sched_again = true;
        if (queue->sched_state != QueueState::Waiting) continue;
        push(queue);
        any = true;
    }
    if (any) notify();
}

void Scheduler::on_kick(uint32_t asid)
{
    kicks_.fetch_add(1, std::memory_order_relaxed);
    const auto found = spaces_.find(asid);
    if (found == spaces_.end()) return;
    for (Queue *queue : found->second) {
        if (queue->sched_state == QueueState::Running)
            queue->sched_again = true;
        else if (queue->sched_state == QueueState::Idle && queue->has_packet())
            push(queue);
    }
}

bool Scheduler::begin_spin()
{
    if (spinners_.fetch_add(1, std::memory_order_relaxed) < max_spinners_) return true;
    end_spin();
    return false;
}

void Scheduler::worker()
{
    place_worker_thread();
    std::unique_lock lock(mutex_);
    while (!stopping_) {
        Queue *queue = running_ < max_workers_ ? pop() : nullptr;
        if (queue) {
            running_++;
            queue->sched_state = QueueState::Running;
            queue->sched_again = false;
            if (ready_count_.load(std::memory_order_relaxed))
                notify();
            else if (!idle_)
                add_worker();
            lock.unlock();
            const Finish finish = queue->run();
            lock.lock();
            running_--;
            // What was told to a running queue may be news that it had not seen yet.
            if (finish == Finish::Requeue || queue->sched_again)
                push(queue);
            else
                queue->sched_state =
                    finish == Finish::Idle ? QueueState::Idle : QueueState::Waiting;
            left_running_.notify_all();
            continue;
        }
        idle_++;
        lock.unlock();
        epoll_event event = {};
        const int got = epoll_wait(epoll_.get(), &event, 1, -1);
        lock.lock();
        idle_--;
        if (got == 1 && event.data.u64 != internal_wake) on_kick(uint32_t(event.data.u64));
    }
    eventfd_write(wake_.get(), 1);
}

} // namespace acc::emu
