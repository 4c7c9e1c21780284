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
// What a turn costs a client at least: giving a worker another queue is not free.
constexpr uint64_t least_service_ns = 1000;
} // namespace

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

bool Scheduler::Before::operator()(const Lane *a, const Lane *b) const
{
    return a->virtual_ns != b->virtual_ns ? a->virtual_ns < b->virtual_ns : a->turn < b->turn;
}

int Scheduler::add_space(uint32_t asid, uint32_t weight, int kick_fd)
{
    std::lock_guard lock(mutex_);
    epoll_event event = {};
    event.events = EPOLLIN | EPOLLET;
    event.data.u64 = asid;
    if (epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, kick_fd, &event)) return -errno;
    ClientSpace &space = spaces_[asid];
    for (uint32_t priority = 0; priority <= DRM_ACC_PRIORITY_HIGH; priority++) {
        Lane &lane = space.lanes[priority];
        lane.priority = priority;
        lane.weight = weight;
        Lanes made;
        lane.node = made.extract(made.insert(&lane).first);
    }
    // Somebody must sleep on the descriptor.
    if (threads_.empty()) add_worker();
    return 0;
}

void Scheduler::remove_space(uint32_t asid, int kick_fd)
{
    epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, kick_fd, nullptr);
    std::lock_guard lock(mutex_);
    spaces_.erase(asid);
}

void Scheduler::add(uint32_t asid, Queue *queue)
{
    std::lock_guard lock(mutex_);
    ClientSpace &space = spaces_.at(asid);
    queue->sched_lane = &space.lanes[queue->priority];
    space.queues.push_back(queue);
}

void Scheduler::remove(Queue *queue)
{
    std::unique_lock lock(mutex_);
    queue->sched_leaving = true; // wakes, which still find it, leave it alone
    left_running_.wait(lock, [&] { return queue->sched_state != QueueState::Running; });
    if (queue->sched_state == QueueState::Ready) {
        Lane &lane = *queue->sched_lane;
        std::erase(lane.ready, queue);
        ready_count_.fetch_sub(1, std::memory_order_relaxed);
        if (lane.ready.empty()) lane.node = priorities_[lane.priority].ready.extract(&lane);
    }
    queue->sched_state = QueueState::Dead;
}

void Scheduler::forget(uint32_t asid, Queue *queue)
{
    std::lock_guard lock(mutex_);
    std::erase(spaces_.at(asid).queues, queue);
}

void Scheduler::push(Queue *queue)
{
    queue->sched_state = QueueState::Ready;
    Lane &lane = *queue->sched_lane;
    lane.ready.push_back(queue);
    ready_count_.fetch_add(1, std::memory_order_relaxed);
    if (lane.ready.size() > 1) return; // it is in the set
    Priority &priority = priorities_[lane.priority];
    lane.virtual_ns = std::max(lane.virtual_ns, priority.virtual_now);
    lane.turn = ++turns_;
    priority.ready.insert(std::move(lane.node));
}

Queue *Scheduler::pop()
{
    for (int at = DRM_ACC_PRIORITY_HIGH; at >= DRM_ACC_PRIORITY_LOW; at--) {
        Priority &priority = priorities_[at];
        if (priority.ready.empty()) continue;
        auto node = priority.ready.extract(priority.ready.begin());
        Lane &lane = *node.value();
        Queue *queue = lane.ready.front();
        lane.ready.pop_front();
        ready_count_.fetch_sub(1, std::memory_order_relaxed);
        priority.virtual_now = std::max(priority.virtual_now, lane.virtual_ns);
        lane.turn = ++turns_;
        if (lane.ready.empty())
            lane.node = std::move(node);
        else
            priority.ready.insert(std::move(node));
        return queue;
    }
    return nullptr;
}

void Scheduler::charge(Queue *queue, uint64_t service_ns)
{
    Lane &lane = *queue->sched_lane;
    const uint64_t cost = std::max(service_ns, least_service_ns);
    Lanes &ready = priorities_[lane.priority].ready;
    if (!lane.ready.empty()) lane.node = ready.extract(&lane);
    lane.virtual_ns += cost * ACC_WEIGHT_DEFAULT / lane.weight;
    if (!lane.ready.empty()) ready.insert(std::move(lane.node));
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
    if (queue->sched_leaving) return;
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
    for (Queue *queue : found->second.queues) {
        if (queue->sched_leaving) continue;
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
    for (Queue *queue : found->second.queues)
        (void)look_at(queue);
}

// True if it has become ready.
bool Scheduler::look_at(Queue *queue)
{
    if (queue->sched_leaving) return false;
    if (queue->sched_state == QueueState::Running) queue->sched_again = true;
    if (queue->sched_state != QueueState::Idle || !queue->has_packet()) return false;
    push(queue);
    return true;
}

void Scheduler::ring(uint32_t asid, uint32_t doorbell)
{
    kicks_.fetch_add(1, std::memory_order_relaxed);
    std::lock_guard lock(mutex_);
    const auto found = spaces_.find(asid);
    if (found == spaces_.end()) return;
    bool any = false;
    for (Queue *queue : found->second.queues)
        if (queue->config().doorbell == doorbell) any |= look_at(queue);
    if (any) notify();
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
            const uint64_t service_ns = queue->take_service_ns();
            lock.lock();
            running_--;
            charge(queue, service_ns);
            // What was told to a running queue may be news that it had not seen yet.
            if (!queue->sched_leaving && (finish == Finish::Requeue || queue->sched_again))
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
