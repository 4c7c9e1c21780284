// SPDX-License-Identifier: MIT
//
// The way of a launch: reserve, fill, publish, ring (acc/abi.h has the contract). In the
// steady state no lock, no allocation and no system call.
//
// One buffer holds the ring, the control page and (unless the caller brings his own) 256
// bytes of kernel arguments for each slot: the device has copied a packet's arguments when it frees
// the slot, so they are reused together.
//
// Thread safety: all calls from any thread, but destroy() alone, and with
// ACC_QUEUE_SINGLE_PRODUCER one submitting thread at a time.
#pragma once

#include "acc/acc.h"
#include "common/unique_fd.h"
#include "libacc/buffer.h"
#include "libacc/handle.h"
#include "libacc/turnstile.h"

#include <drm/acc_drm.h>

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>

namespace acc
{

class Device;
class QueueFault;

class Queue : public Handle
{
public:
    static constexpr uint32_t kernarg_slot_bytes = 256;

    static Result<std::unique_ptr<Queue>> create(Device &device, const acc_queue_options &options);
    ~Queue();

    Device &device() const { return device_; }
    uint32_t id() const { return id_; }
    uint32_t packets() const { return mask_ + 1; }

    int submit(const acc_packet *packets, size_t count, uint64_t deadline_ns,
               uint64_t *first_index);
    // One packet; `kernargs` (may be null) go to its slot of the kernarg ring.
    int submit_dispatch(acc_dispatch_packet packet, const void *kernargs, size_t kernarg_bytes);

    Result<drm_acc_queue_query> query();
    Result<acc_queue_info> info(); // without its size
    int reset();
    int set_priority(uint32_t priority);
    // Ends the device's side of it; the memory stays.
    int stop();
    int on_fault(acc_queue_fault_fn fn, void *user);
    acc_queue_memory memory() const;
    // Rings for packets that the caller has published.
    void ring_published(uint64_t index);
    // -EIO with a text that names the fault; 0 when the queue is well.
    int check_fault();

private:
    explicit Queue(Device &device) : Handle(HandleKind::Queue), device_(device) {}

    int check_health(uint64_t count);
    int fail_stopped() const;
    int reserve(uint64_t count, uint64_t deadline_ns, uint64_t &index);
    bool try_reserve(uint64_t count, uint64_t &index);
    int reserve_slowly(uint64_t count, uint64_t deadline_ns, uint64_t &index);
    int wait_for_space(Turnstile::Place &place, uint64_t count, uint64_t deadline_ns,
                       uint64_t &index);
    void fill(uint64_t index, const acc_packet &packet);
    void publish(uint64_t index, const acc_packet &packet);
    void ring(uint64_t index);
    int begin(uint32_t priority);
    int end();

    Device &device_;
    std::unique_ptr<Buffer> buffer_;
    acc_packet *ring_ = nullptr;
    acc_queue_control *control_ = nullptr;
    std::byte *kernargs_ = nullptr;
    std::atomic<uint64_t> *doorbell_ = nullptr;
    uint64_t control_offset_ = 0, timeout_ns_ = 0;
    uint32_t mask_ = 0;
    uint32_t id_ = 0;
    bool single_producer_ = false;
    bool counted_ = false;             // among the device's children
    std::atomic<bool> created_{false}; // the device has it
    UniqueFd kick_;
    std::mutex fault_mutex_; // of what follows
    std::shared_ptr<QueueFault> fault_;
    // The device's count of errors when the queue was last seen to be well.
    std::atomic<uint32_t> errors_checked_{0};
    // Never ahead of the device's read_index. Producers write it now and then.
    alignas(64) std::atomic<uint64_t> cached_read_{0};
    Turnstile turnstile_; // producers that found the ring full
};

} // namespace acc
