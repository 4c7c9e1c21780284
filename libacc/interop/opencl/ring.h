// SPDX-License-Identifier: MIT
//
// The client's side of a ring of launches of compiled code (softcore/launch.h).
//
// Thread safety: the mutex of who owns a Ring guards it, but head() is any thread's. A pool is any
// thread's.
#pragma once

#include "acc/acc.h"
#include "libacc/interop/opencl/softcore/launch.h"

#include <atomic>
#include <cstddef>
#include <memory>
#include <mutex>
#include <vector>

namespace acc::ocl
{

class Module;

// What a slot of a ring is filled with, and the image whose code that is.
struct Launch {
    acc_cl_launch header = {};
    std::vector<char> block;
    uint64_t kernel_object = 0; // what a packet names
    std::shared_ptr<Module> module;
};

// The memory of rings. It stays until the pool ends: a region's process that maps memory which
// goes away is ended.
class RingPool
{
public:
    explicit RingPool(acc_device *device) : device_(device) {}
    ~RingPool();
    RingPool(const RingPool &) = delete;
    RingPool &operator=(const RingPool &) = delete;

    // Empty. Null: no memory.
    acc_cl_ring *take();
    // Precondition: no dispatch will touch it any more.
    void give_back(acc_cl_ring *ring);

private:
    acc_device *const device_;
    std::mutex mutex_;
    std::vector<acc_buffer *> all_;
    std::vector<acc_cl_ring *> free_;
};

class Ring
{
public:
    explicit Ring(RingPool &pool) : pool_(pool) {}
    Ring(const Ring &) = delete;
    Ring &operator=(const Ring &) = delete;

    // Makes sure that there is memory.
    [[nodiscard]] bool open();
    // For good, with what is in it: a core that was stopped may still write to the old memory.
    void abandon();
    // Empty, and nobody attends to it: back to the pool.
    void close();

    bool is_full() const { return ring_ && tail_ - head_ >= ACC_CL_RING_SLOTS; }
    // Launches that are not over, as of the last look().
    uint64_t left() const { return tail_ - head_; }
    uint64_t tail() const { return tail_; }
    uint64_t address() const { return reinterpret_cast<uintptr_t>(ring_); }

    // Precondition: open and not full. Its number. `charge`: nobody attends to it, the caller has
    // to send a dispatch.
    uint64_t put(const Launch &launch, bool timed, bool &charge);
    // How many are over: what the core says, if that can be.
    uint64_t look();
    // A dispatch for what is left has been sent: it executes one of them at the least.
    void charged() { charged_at_ = head_; }
    // None was over when a dispatch had ended well: a kernel wrote to the ring.
    bool is_spoilt() const { return left() && charged_at_ == head_; }
    // Precondition: `launch` is over and its slot was not put again.
    void times(uint64_t launch, uint64_t &start_ns, uint64_t &end_ns) const;
    // The dispatch shall end once `launches` are over; whoever asks looks when it has.
    void ask_to_leave(uint64_t launches);
    // Ahead of a dispatch that takes over the ring: nobody has asked for anything.
    void forget_asked();

    // Null: closed.
    const acc_cl_ring *memory() const { return ring_; }
    // Without the mutex, of memory whose pool stays: how many the core says are over.
    static uint64_t over(const acc_cl_ring &ring);
    // Sleeps until that changes from `seen`, or for `ns`, once the core has been asked to wake who
    // sleeps when `launches` are over. 0 or -errno: -ETIMEDOUT, -EAGAIN, -EINTR; another where this
    // memory can't be slept on.
    static void ask_to_wake(const acc_cl_ring &ring, uint64_t launches);
    static void forget_wake(const acc_cl_ring &ring);
    static int sleep(const acc_cl_ring &ring, uint64_t seen, uint64_t ns);

private:
    RingPool &pool_;
    acc_cl_ring *ring_ = nullptr;
    uint64_t tail_ = 0, head_ = 0;
    uint64_t charged_at_ = UINT64_MAX;
};

} // namespace acc::ocl
