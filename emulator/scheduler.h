// SPDX-License-Identifier: MIT
//
// Packet processors: a pool of workers that run the rings which have something to do.
//
//              kick, wake, slot                     worker picks it
//   IDLE/WAITING ------------> READY (by priority) ----------------> RUNNING
//        ^                        ^----------- slice used up ------------|
//        '------------------- empty, or waits -------------------------- '
//                                                       DEAD: being destroyed
//
// Rings are time-sliced onto the workers, so that their number is no limit. Idle workers
// sleep in epoll_wait on the clients' kick descriptors and one descriptor of our own.
// Lock order: residency manager, then scheduler, then nothing.
#pragma once

#include "common/result.h"
#include "common/unique_fd.h"

#include <drm/acc_drm.h>

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <mutex>
#include <string>
#include <sys/types.h>
#include <thread>
#include <unordered_map>
#include <vector>

namespace acc::emu
{

class Queue;

class Scheduler
{
public:
    enum class QueueState { Idle, Ready, Running, Waiting, Dead };
    // Why a queue gave its worker back.
    enum class Finish { Idle, Waiting, Requeue };

    explicit Scheduler(unsigned max_workers) : max_workers_(max_workers) {}
    ~Scheduler();
    int start(); // 0 or -errno

    void add(uint32_t asid, Queue *queue);
    // Returns when no worker runs it and none will.
    void remove(uint32_t asid, Queue *queue);
    void make_ready(Queue *queue);
    // Re-checks all queues of one address space that wait for a signal or sleep.
    void wake_space(uint32_t asid);

    int watch_kick(uint32_t asid, int fd);
    void unwatch_kick(uint32_t asid, int fd);

    // Somebody is ready and may have no worker: stop spinning, give up the slice.
    bool pressed() const { return ready_count_.load(std::memory_order_relaxed) != 0; }
    // At most all processors but one spin at a time.
    bool begin_spin();
    void end_spin() { spinners_.fetch_sub(1, std::memory_order_relaxed); }

    uint64_t kicks() const { return kicks_.load(std::memory_order_relaxed); }
    // Calls f(queue) for every queue of an address space (or all with asid 0), locked.
    template <typename F>
    void for_each(uint32_t asid, F f)
    {
        std::lock_guard lock(mutex_);
        for (auto &[id, queues] : spaces_)
            if (!asid || id == asid)
                for (Queue *queue : queues)
                    f(*queue);
    }

private:
    void worker();
    void push(Queue *queue);
    Queue *pop();
    void notify();
    void add_worker();
    void on_kick(uint32_t asid);

    const unsigned max_workers_;
    unsigned max_spinners_ = 1;
    pid_t owner_ = 0;
    UniqueFd epoll_, wake_;
    std::mutex mutex_;
    std::condition_variable left_running_;
    std::deque<Queue *> ready_[DRM_ACC_PRIORITY_HIGH + 1];
    std::unordered_map<uint32_t, std::vector<Queue *>> spaces_;
    std::vector<std::thread> threads_;
    unsigned idle_ = 0;    // in epoll_wait
    unsigned running_ = 0; // in Queue::run, at most max_workers_
    bool stopping_ = false;
    std::atomic<uint32_t> ready_count_{0};
    std::atomic<uint32_t> spinners_{0};
    std::atomic<uint64_t> kicks_{0};
};

} // namespace acc::emu
