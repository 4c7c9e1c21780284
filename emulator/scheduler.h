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
//
// Who is next: the highest priority; in it the client that has had least of the workers for
// its weight (start-time fair queueing); of its queues the one that is ready longest. What a
// client has had is its virtual time: real time on a worker while others wanted one, times
// default weight / weight. A client that has nothing ready falls back to the virtual time of
// whom is being served, so that sleeping saves no credit, nor does a newcomer owe any.
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
#include <set>
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

    struct Lane;
    // By virtual time; of equals the one that came or was served longest ago.
    struct Before {
        bool operator()(const Lane *a, const Lane *b) const;
    };
    using Lanes = std::set<Lane *, Before>;
    // A client's queues of one priority.
    struct Lane {
        uint32_t priority = 0, weight = 0;
        uint64_t virtual_ns = 0;
        uint64_t turn = 0; // when it came or was served last
        std::deque<Queue *> ready;
        Lanes::node_type node; // while nothing is ready: serving a queue allocates nothing
    };

    explicit Scheduler(unsigned max_workers) : max_workers_(max_workers) {}
    ~Scheduler();
    int start(); // 0 or -errno

    // An address space, before its first queue: how much it weighs, and the descriptor that
    // its producers write when a queue sleeps. 0 or -errno.
    int add_space(uint32_t asid, uint32_t weight, int kick_fd);
    void remove_space(uint32_t asid, int kick_fd); // after its last queue
    void add(uint32_t asid, Queue *queue);
    // Returns when no worker runs it and none will. for_each still finds it until forget().
    void remove(Queue *queue);
    void forget(uint32_t asid, Queue *queue);
    void make_ready(Queue *queue);
    // Re-checks all queues of one address space that wait for a signal or sleep.
    void wake_space(uint32_t asid);
    // A doorbell was stored to: looks at the queues of the address space that sleep on it.
    void ring(uint32_t asid, uint32_t doorbell);

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
        for (auto &[id, space] : spaces_)
            if (!asid || id == asid)
                for (Queue *queue : space.queues)
                    f(*queue);
    }

private:
    struct ClientSpace {
        std::vector<Queue *> queues;
        Lane lanes[DRM_ACC_PRIORITY_HIGH + 1];
    };

    void worker();
    void push(Queue *queue);
    Queue *pop();
    void charge(Queue *queue, uint64_t service_ns);
    void notify();
    void add_worker();
    void on_kick(uint32_t asid);
    bool look_at(Queue *queue);

    const unsigned max_workers_;
    unsigned max_spinners_ = 1;
    pid_t owner_ = 0;
    UniqueFd epoll_, wake_;
    std::mutex mutex_;
    std::condition_variable left_running_;
    struct Priority {
        Lanes ready;              // lanes that have a ready queue
        uint64_t virtual_now = 0; // of the lane that was served last; never goes back
    };
    Priority priorities_[DRM_ACC_PRIORITY_HIGH + 1];
    std::unordered_map<uint32_t, ClientSpace> spaces_;
    uint64_t turns_ = 0;
    std::vector<std::thread> threads_;
    unsigned idle_ = 0;    // in epoll_wait
    unsigned running_ = 0; // in Queue::run, at most max_workers_
    bool stopping_ = false;
    std::atomic<uint32_t> ready_count_{0};
    std::atomic<uint32_t> spinners_{0};
    std::atomic<uint64_t> kicks_{0};
};

} // namespace acc::emu
