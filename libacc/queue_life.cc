// SPDX-License-Identifier: MIT
//
// A queue's making, its ends, and what it tells of itself; submission is in queue.cc.
#include "libacc/device.h"
#include "libacc/error.h"
#include "libacc/log.h"
#include "libacc/queue.h"
#include "libacc/queue_fault.h"

#include <bit>

namespace acc
{
namespace
{

constexpr Log queue_life_log("queue");

constexpr uint32_t default_packets = 256;
constexpr uint64_t control_bytes = 4096;

} // namespace

Result<std::unique_ptr<Queue>> Queue::create(Device &device, const acc_queue_options &options)
{
    const drm_acc_limits &limits = device.limits();
    const uint32_t packets = options.packets ? options.packets : default_packets;
    if (!std::has_single_bit(packets) || packets < limits.min_ring_packets ||
        packets > limits.max_ring_packets)
        return fail(-EINVAL, "{}: expected a ring of a power of two, {} to {} packets; found {}",
                    device.uri(), limits.min_ring_packets, limits.max_ring_packets, packets);
    if (options.priority > ACC_PRIORITY_HIGH + 1)
        return fail(-EINVAL, "expected a priority of 0 to {} (enum acc_priority + 1); found {}",
                    ACC_PRIORITY_HIGH + 1, options.priority);
    if (options.flags & ~(ACC_QUEUE_SINGLE_PRODUCER | ACC_QUEUE_NO_KERNARGS))
        return fail(-EINVAL,
                    "expected flags ACC_QUEUE_SINGLE_PRODUCER, ACC_QUEUE_NO_KERNARGS or "
                    "none; found {:#x}",
                    options.flags);
    if (options.reserved) return fail(-EINVAL, "expected reserved = 0; found {}", options.reserved);
    if (limits.max_timeout_ns && options.timeout_ns > limits.max_timeout_ns)
        return fail(-EINVAL, "{}: expected a time-out of at most {} ns; found {}", device.uri(),
                    limits.max_timeout_ns, options.timeout_ns);

    std::unique_ptr<Queue> queue(new Queue(device));
    const uint64_t ring_bytes =
        (uint64_t(packets) * ACC_PACKET_BYTES + control_bytes - 1) / control_bytes * control_bytes;
    const bool kernargs = !(options.flags & ACC_QUEUE_NO_KERNARGS);
    const uint64_t kernarg_bytes = kernargs ? uint64_t(packets) * kernarg_slot_bytes : 0;
    ACC_TRY(queue->buffer_,
            Buffer::create(device, ring_bytes + control_bytes + kernarg_bytes, 0, false));
    auto *memory = static_cast<std::byte *>(queue->buffer_->data());
    queue->ring_ = reinterpret_cast<acc_packet *>(memory);
    queue->control_ = reinterpret_cast<acc_queue_control *>(memory + ring_bytes);
    queue->kernargs_ = kernargs ? memory + ring_bytes + control_bytes : nullptr;
    queue->mask_ = packets - 1;
    queue->single_producer_ = options.flags & ACC_QUEUE_SINGLE_PRODUCER;

    queue->control_offset_ = ring_bytes;
    queue->timeout_ns_ = options.timeout_ns;
    device.add_child();
    queue->counted_ = true;
    const int error =
        queue->begin(options.priority ? options.priority - 1 : uint32_t(ACC_PRIORITY_NORMAL));
    if (error) return Error{error};
    return queue;
}

// Gives the memory to the device as a new queue.
int Queue::begin(uint32_t priority)
{
    drm_acc_queue_create create = {};
    create.handle = buffer_->handle();
    create.packets = packets();
    create.control_offset = control_offset_;
    create.timeout_ns = timeout_ns_;
    create.priority = priority;
    create.flags = single_producer_ ? DRM_ACC_QUEUE_SINGLE_PRODUCER : 0;
    create.kick_fd = -1;
    if (const int error = device_.ioctl(DRM_IOCTL_ACC_QUEUE_CREATE, &create)) {
        if (error == -EACCES)
            return fail(error, "{}: expected permission for priority {}; found none", device_.uri(),
                        create.priority)
                .code;
        return device_.refused(error, "QUEUE_CREATE").code;
    }
    id_ = create.queue;
    created_.store(true, std::memory_order_relaxed);
    kick_.reset(create.kick_fd);
    errors_checked_.store(device_.errors_seen(), std::memory_order_relaxed);
    const auto doorbell = device_.doorbell(create.doorbell_mmap_offset, create.doorbell_slot);
    if (!doorbell) return doorbell.error();
    doorbell_ = *doorbell;
    return 0;
}

// A priority is for the whole life of a device's queue: an unused one is made anew.
int Queue::set_priority(uint32_t priority)
{
    if (priority > ACC_PRIORITY_HIGH)
        return fail(-EINVAL, "expected a priority of 0 to {} (enum acc_priority); found {}",
                    int(ACC_PRIORITY_HIGH), priority)
            .code;
    const auto state = query();
    if (!state) return state.error();
    if (state->priority == priority) return 0;
    if (std::atomic_ref(control_->write_index).load(std::memory_order_relaxed))
        return fail(-EBUSY, "queue {}: expected a queue without packets; found it in use", id_)
            .code;
    const uint32_t before = state->priority;
    drm_acc_queue_destroy destroy = {};
    destroy.queue = id_;
    if (const int error = device_.ioctl(DRM_IOCTL_ACC_QUEUE_DESTROY, &destroy))
        return device_.refused(error, fmt::format("QUEUE_DESTROY of queue {}", id_)).code;
    created_.store(false, std::memory_order_relaxed);
    const int error = begin(priority);
    if (error) ACC_TRY_INT(begin(before)); // as it was; the text is the first one's
    return error;
}

// 0, or -errno of the device; nothing to do the second time.
int Queue::end()
{
    std::shared_ptr<QueueFault> fault;
    {
        std::lock_guard lock(fault_mutex_);
        fault = fault_;
    }
    if (fault) fault->stop(); // unlocked: its callback may stop the queue itself
    if (!created_.exchange(false, std::memory_order_acq_rel)) return 0;
    drm_acc_queue_destroy destroy = {};
    destroy.queue = id_;
    return device_.ioctl(DRM_IOCTL_ACC_QUEUE_DESTROY, &destroy);
}

Queue::~Queue()
{
    if (!counted_) return;
    if (const int error = end(); error && !device_.lost())
        queue_life_log.error("{}: QUEUE_DESTROY of queue {}: {}", device_.uri(), id_,
                             errno_text(error));
    buffer_.reset();
    device_.remove_child();
}

int Queue::stop()
{
    if (const int error = end())
        return device_.refused(error, fmt::format("QUEUE_DESTROY of queue {}", id_)).code;
    return 0;
}

int Queue::on_fault(acc_queue_fault_fn fn, void *user)
{
    std::lock_guard lock(fault_mutex_);
    if (fault_)
        return fail(-EBUSY, "queue {}: expected no callback for faults; found one", id_).code;
    if (!created_.load(std::memory_order_relaxed)) return fail_stopped();
    const int error = QueueFault::start(*this, fn, user, fault_);
    if (error) fault_.reset();
    return error;
}

acc_queue_memory Queue::memory() const
{
    acc_queue_memory memory = {};
    memory.ring = ring_;
    memory.control = control_;
    memory.packets = packets();
    return memory;
}

} // namespace acc
