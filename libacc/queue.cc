// SPDX-License-Identifier: MIT
#include "libacc/queue.h"

#include "libacc/clock.h"
#include "libacc/device.h"
#include "libacc/error.h"

#include <algorithm>
#include <cstring>

namespace acc
{
namespace
{

// How often others may take the space that a sleeper was woken for.
constexpr int wakes_before_closing = 2;

template <typename T>
std::atomic_ref<T> shared(T &word)
{
    return std::atomic_ref<T>(word);
}

} // namespace

// -------------------------------------------------------------------- health

int Queue::fail_stopped() const
{
    return fail(-EIO, "{}: expected a queue that runs; queue {} was stopped", device_.uri(), id_)
        .code;
}

int Queue::check_health(uint64_t count)
{
    if (!created_.load(std::memory_order_relaxed)) [[unlikely]]
        return fail_stopped();
    if (const int lost = device_.lost()) [[unlikely]]
        return device_.fail_lost(lost).code;
    if (device_.errors_seen() != errors_checked_.load(std::memory_order_relaxed)) [[unlikely]]
        ACC_TRY_INT(check_fault());
    if (count > packets()) [[unlikely]]
        return fail(-E2BIG, "expected at most {} packets, the ring; found {}", packets(), count)
            .code;
    return 0;
}

Result<drm_acc_queue_query> Queue::query()
{
    if (!created_.load(std::memory_order_relaxed)) return Error{fail_stopped()};
    drm_acc_queue_query request = {};
    request.queue = id_;
    if (const int error = device_.ioctl(DRM_IOCTL_ACC_QUEUE_QUERY, &request))
        return device_.refused(error, fmt::format("QUEUE_QUERY of queue {}", id_));
    // Whoever learns of a fault here is told by the next submission as well.
    if (request.state == DRM_ACC_QUEUE_ERROR) device_.error_seen();
    return request;
}

Result<acc_queue_info> Queue::info()
{
    ACC_TRY(const drm_acc_queue_query state, query());
    acc_queue_info info = {};
    info.id = id_;
    info.state = state.state;
    info.fault_code = state.fault_code;
    info.priority = state.priority;
    info.read_index = state.read_index;
    info.write_index = state.write_index;
    info.fault_packet = state.fault_packet;
    info.fault_address = state.fault_address;
    info.fault_kernel = state.fault_kernel;
    info.packets = state.packets;
    return info;
}

int Queue::check_fault()
{
    // Before the query: an error that comes during it is asked for again.
    const uint32_t seen = device_.errors_seen();
    auto answer = query();
    if (!answer) return answer.error();
    const drm_acc_queue_query &state = *answer;
    if (state.state != DRM_ACC_QUEUE_ERROR) {
        errors_checked_.store(seen, std::memory_order_relaxed);
        return 0;
    }
    // errors_checked_ stays behind: the next submission asks again and gets the same answer.
    const char *kernel = "", *text = "";
    drm_acc_dev_query log_entry = {};
    for (uint32_t i = 0;; i++) { // the newest first
        log_entry = {};
        log_entry.type = DRM_ACC_QUERY_FAULT;
        log_entry.index = i;
        if (device_.ioctl(DRM_IOCTL_ACC_DEV_QUERY, &log_entry)) break;
        drm_acc_fault &fault = log_entry.fault;
        if (fault.queue != id_ || fault.packet_index != state.fault_packet) continue;
        fault.kernel[sizeof fault.kernel - 1] = fault.text[sizeof fault.text - 1] = '\0';
        kernel = fault.kernel;
        text = fault.text;
        break;
    }
    return fail(-EIO, "{}: queue {} is in Error: packet {}{}{}: {} at address {:#x}{}{}",
                device_.uri(), id_, state.fault_packet, *kernel ? ", kernel " : "", kernel,
                acc_status_name(state.fault_code), uint64_t(state.fault_address), *text ? ": " : "",
                text)
        .code;
}

int Queue::reset()
{
    drm_acc_reset request = {};
    request.what = DRM_ACC_RESET_QUEUE;
    request.id = id_;
    if (const int error = device_.ioctl(DRM_IOCTL_ACC_RESET, &request))
        return device_.refused(error, fmt::format("RESET of queue {}", id_)).code;
    device_.error_seen();
    return 0;
}

// --------------------------------------------------------------- reservation

// Space first, then the index: nothing is reserved that could not be published at once.
bool Queue::try_reserve(uint64_t count, uint64_t &index)
{
    auto write = shared(control_->write_index);
    acc_u64 start = write.load(std::memory_order_relaxed);
    for (;;) {
        if (start + count - cached_read_.load(std::memory_order_acquire) > packets()) {
            const uint64_t read = shared(control_->read_index).load(std::memory_order_acquire);
            // Another producer may have stored a later one; it costs a look, no more.
            cached_read_.store(read, std::memory_order_release);
            if (start + count - read > packets()) {
                const uint64_t now = write.load(std::memory_order_relaxed);
                if (now == start) return false;
                start = now; // it was stale
                continue;
            }
        }
        if (single_producer_) {
            write.store(start + count, std::memory_order_relaxed);
            break;
        }
        if (write.compare_exchange_weak(start, start + count, std::memory_order_acq_rel,
                                        std::memory_order_relaxed))
            break;
    }
    index = start;
    return true;
}

int Queue::reserve(uint64_t count, uint64_t deadline_ns, uint64_t &index)
{
    if (!turnstile_.closed() && try_reserve(count, index)) [[likely]]
        return 0;
    return reserve_slowly(count, deadline_ns, index);
}

int Queue::reserve_slowly(uint64_t count, uint64_t deadline_ns, uint64_t &index)
{
    Turnstile::Place place(turnstile_);
    if (!place.wait(deadline_ns))
        return fail(-ETIME, "{}: queue {}: no space for {} packets in time", device_.uri(), id_,
                    count)
            .code;
    return wait_for_space(place, count, deadline_ns, index);
}

// Only the first in the line is here. docs/protocols.md, "space".
int Queue::wait_for_space(Turnstile::Place &place, uint64_t count, uint64_t deadline_ns,
                          uint64_t &index)
{
    uint64_t now = now_ns();
    const uint64_t spin_end = std::min(deadline_ns, saturating_add(now, device_.spin_ns()));
    while (now < spin_end && device_.begin_spin()) {
        bool done = false;
        for (int i = 0; i < 64 && !(done = try_reserve(count, index)); i++)
            cpu_relax();
        device_.end_spin();
        if (done) return 0;
        now = now_ns();
    }
    ACC_TRY_INT(device_.reader().start());
    for (int wakes = 0;; wakes++) {
        if (wakes == wakes_before_closing) place.close();
        const uint32_t seen = device_.reader().events();
        shared(control_->space_wanted).store(1, std::memory_order_relaxed);
        full_fence();
        if (try_reserve(count, index)) return 0;
        if (const int lost = device_.lost()) return device_.fail_lost(lost).code;
        if (device_.reader().wait_event(seen, deadline_ns))
            return fail(-ETIME, "{}: queue {}: no space for {} packets in time", device_.uri(), id_,
                        count)
                .code;
    }
}

// --------------------------------------------------------------- publication

// Bytes 4…63 of a slot that nobody else touches now.
inline void Queue::fill(uint64_t index, const acc_packet &packet)
{
    acc_packet &slot = ring_[index & mask_];
    shared(slot.raw.body32).store(packet.raw.body32, std::memory_order_relaxed);
    for (unsigned i = 1; i < 8; i++)
        shared(slot.words[i]).store(packet.words[i], std::memory_order_relaxed);
}

inline void Queue::publish(uint64_t index, const acc_packet &packet)
{
    shared(ring_[index & mask_].raw.publish).store(packet.raw.publish, std::memory_order_release);
}

// Rings for all up to `index`. docs/protocols.md, "kick".
inline void Queue::ring(uint64_t index)
{
    doorbell_->store(index, std::memory_order_release);
    if (!kick_) return; // hardware never sleeps
    full_fence();
    if (shared(control_->sleeping).load(std::memory_order_relaxed)) {
        const uint64_t one = 1;
        // A descriptor that is full holds a kick already.
        (void)!write(kick_.get(), &one, sizeof one);
    }
}

void Queue::ring_published(uint64_t index)
{
    // The doorbell of a queue that was stopped is another's by now.
    if (created_.load(std::memory_order_relaxed)) ring(index);
}

int Queue::submit(const acc_packet *packets, size_t count, uint64_t deadline_ns,
                  uint64_t *first_index)
{
    ACC_TRY_INT(check_health(count));
    for (size_t i = 0; i < count; i++)
        if ((packets[i].header & ACC_HEADER_TYPE_MASK) == ACC_PACKET_INVALID) [[unlikely]]
            return fail(-EINVAL,
                        "packet {}: expected a type; found INVALID, which publishes "
                        "nothing",
                        i)
                .code;
    uint64_t index;
    ACC_TRY_INT(reserve(count, deadline_ns, index));
    if (first_index) *first_index = index;
    for (size_t i = 0; i < count; i++)
        fill(index + i, packets[i]);
    for (size_t i = 0; i < count; i++)
        publish(index + i, packets[i]);
    ring(index + count - 1);
    return 0;
}

int Queue::submit_dispatch(acc_dispatch_packet packet, const void *kernargs, size_t kernarg_bytes)
{
    ACC_TRY_INT(check_health(1));
    if (kernarg_bytes && !kernargs_)
        return fail(-EINVAL,
                    "queue {}: expected kernarg_address, for it has no kernarg ring; "
                    "found kernargs",
                    id_)
            .code;
    uint64_t index;
    ACC_TRY_INT(reserve(1, ACC_FOREVER, index));
    if (kernarg_bytes) {
        std::byte *slot = kernargs_ + (index & mask_) * kernarg_slot_bytes;
        std::memcpy(slot, kernargs, kernarg_bytes);
        packet.kernarg_address = reinterpret_cast<uint64_t>(slot);
    }
    acc_packet whole;
    whole.dispatch = packet;
    fill(index, whole);
    publish(index, whole);
    ring(index);
    return 0;
}

} // namespace acc
