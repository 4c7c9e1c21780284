// SPDX-License-Identifier: MIT
#include "libacc/interop/opencl/ring.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <ctime>
#include <linux/futex.h>
#include <new>
#include <sys/syscall.h>
#include <unistd.h>

namespace acc::ocl
{

static_assert(sizeof(acc_cl_launch) == 104 && sizeof(acc_cl_order) == 24);
static_assert(offsetof(acc_cl_slot, block) == sizeof(acc_cl_launch));

namespace
{

template <typename T>
std::atomic_ref<T> shared(T &word)
{
    return std::atomic_ref<T>(word);
}

} // namespace

RingPool::~RingPool()
{
    for (acc_buffer *buffer : all_)
        (void)acc_buffer_destroy(buffer);
}

acc_cl_ring *RingPool::take()
{
    std::lock_guard lock(mutex_);
    acc_cl_ring *ring = nullptr;
    if (!free_.empty()) {
        ring = free_.back();
        free_.pop_back();
    } else {
        all_.reserve(all_.size() + 1);
        free_.reserve(all_.capacity()); // give_back() never allocates
        acc_buffer *buffer = nullptr;
        if (acc_buffer_create(device_, sizeof(acc_cl_ring), nullptr, &buffer)) return nullptr;
        all_.push_back(buffer);
        ring = static_cast<acc_cl_ring *>(acc_buffer_data(buffer));
    }
    ring->tail = ring->leave = ring->wake = ring->head = 0;
    ring->attended = 0;
    return ring;
}

void RingPool::give_back(acc_cl_ring *ring)
{
    std::lock_guard lock(mutex_);
    free_.push_back(ring);
}

bool Ring::open()
{
    if (ring_) return true;
    ring_ = pool_.take();
    tail_ = head_ = 0;
    charged_at_ = UINT64_MAX;
    return ring_ != nullptr;
}

void Ring::abandon()
{
    ring_ = nullptr;
    tail_ = head_ = 0;
    charged_at_ = UINT64_MAX;
}

void Ring::close()
{
    if (ring_) pool_.give_back(ring_);
    abandon();
}

uint64_t Ring::put(const Launch &launch, bool timed, bool &charge)
{
    acc_cl_slot &slot = ring_->slots[tail_ % ACC_CL_RING_SLOTS];
    slot.launch = launch.header;
    slot.launch.timed = timed;
    std::copy(launch.block.begin(), launch.block.end(), slot.block);
    shared(ring_->tail).store(++tail_, std::memory_order_seq_cst);
    uint32_t nobody = 0;
    charge = shared(ring_->attended).load(std::memory_order_seq_cst) == 0 &&
             shared(ring_->attended).compare_exchange_strong(nobody, 1, std::memory_order_seq_cst);
    return tail_ - 1;
}

uint64_t Ring::look()
{
    if (!ring_) return 0;
    const uint64_t head = shared(ring_->head).load(std::memory_order_acquire);
    if (head > head_ && head <= tail_) head_ = head;
    return head_;
}

void Ring::times(uint64_t launch, uint64_t &start_ns, uint64_t &end_ns) const
{
    const acc_cl_slot &slot = ring_->slots[launch % ACC_CL_RING_SLOTS];
    start_ns = slot.launch.start_ns;
    end_ns = slot.launch.end_ns;
}

void Ring::ask_to_leave(uint64_t launches)
{
    if (!ring_) return;
    const auto leave = shared(ring_->leave);
    const uint64_t asked = leave.load(std::memory_order_relaxed);
    launches = std::max<uint64_t>(launches, 1); // 0: nobody asks
    if (!asked || launches < asked) leave.store(launches, std::memory_order_release);
}

// The earliest that anybody waits for.
void Ring::ask_to_wake(const acc_cl_ring &ring, uint64_t launches)
{
    const auto wake = shared(const_cast<uint64_t &>(ring.wake));
    uint64_t asked = wake.load(std::memory_order_seq_cst);
    while ((!asked || launches < asked) &&
           !wake.compare_exchange_weak(asked, launches, std::memory_order_seq_cst)) {
    }
}

// What others have asked for and what is not there yet stays.
void Ring::forget_wake(const acc_cl_ring &ring)
{
    const auto wake = shared(const_cast<uint64_t &>(ring.wake));
    uint64_t asked = wake.load(std::memory_order_relaxed);
    if (asked && asked <= over(ring))
        (void)wake.compare_exchange_strong(asked, 0, std::memory_order_relaxed);
}

uint64_t Ring::over(const acc_cl_ring &ring)
{
    return shared(const_cast<uint64_t &>(ring.head)).load(std::memory_order_seq_cst);
}

int Ring::sleep(const acc_cl_ring &ring, uint64_t seen, uint64_t ns)
{
    constexpr uint64_t second = 1'000'000'000;
    const timespec length = {static_cast<time_t>(ns / second), static_cast<long>(ns % second)};
    return syscall(SYS_futex, &ring.head, FUTEX_WAIT, static_cast<uint32_t>(seen), &length, nullptr,
                   0)
               ? -errno
               : 0;
}

void Ring::forget_asked()
{
    shared(ring_->leave).store(0, std::memory_order_relaxed);
}

} // namespace acc::ocl
