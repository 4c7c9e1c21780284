// SPDX-License-Identifier: MIT
//
// The life of a queue and of a packet in it. What packets do: queue_packets.cc.
#include "emulator/queue.h"

#include "acc/check.h"
#include "emulator/clock.h"
#include "emulator/packet.h"

#include <cstring>

namespace acc::emu
{

namespace
{
constexpr uint64_t slice_ns = 100'000; // the same for packets that take long
constexpr unsigned slice_packets = 64; // between looks at who else is ready
constexpr unsigned free_packets = 8 * slice_packets;
constexpr uint64_t spin_packet_ns = 30'000;    // for the next packet, before sleeping
constexpr unsigned spins_per_clock_read = 128; // about a microsecond
} // namespace

void QueueCounters::add_to(drm_acc_counters &out) const
{
    out.packets += packets.load(std::memory_order_relaxed);
    out.dispatches += dispatches.load(std::memory_order_relaxed);
    out.bytes_read += bytes_read.load(std::memory_order_relaxed);
    out.bytes_written += bytes_written.load(std::memory_order_relaxed);
    out.busy_ns += busy_ns.load(std::memory_order_relaxed);
    out.modelled_ns += modelled_ns.load(std::memory_order_relaxed);
    out.energy_pj += energy_pj.load(std::memory_order_relaxed);
    out.saturations += saturations.load(std::memory_order_relaxed);
    out.mvms += mvms.load(std::memory_order_relaxed);
    out.sleeps += sleeps.load(std::memory_order_relaxed);
}

Result<std::unique_ptr<Queue>> Queue::create(Device &device, std::shared_ptr<Space> space,
                                             const Config &config)
{
    std::unique_ptr<Queue> queue(new Queue(device, std::move(space), config));
    AddressSpace &memory = queue->space_->memory;
    AddressSpace::Guard guard(memory);

    queue->control_ = reinterpret_cast<acc_queue_control *>(memory.translate_rw(config.control));
    if (!queue->control_) return Error{-EFAULT};
    const uint64_t ring_end = config.ring + uint64_t(config.packets) * ACC_PACKET_BYTES;
    queue->ring_page_offset_ = config.ring % ACC_PAGE_BYTES;
    for (uint64_t page = config.ring - queue->ring_page_offset_; page < ring_end;
         page += ACC_PAGE_BYTES) {
        std::byte *host = memory.translate_rw(page);
        if (!host) return Error{-EFAULT};
        queue->ring_pages_.push_back(host);
    }
    for (uint64_t i = 0; i < config.packets; i++)
        shared(queue->slot_at(i)->raw.publish).store(ACC_PACKET_INVALID, std::memory_order_relaxed);
    // Asleep at first: nobody polls a ring before the first kick.
    shared(queue->control_->write_index).store(0, std::memory_order_relaxed);
    shared(queue->control_->read_index).store(0, std::memory_order_relaxed);
    shared(queue->control_->space_wanted).store(0, std::memory_order_relaxed);
    shared(queue->control_->sleeping).store(1, std::memory_order_release);
    queue->kernargs_.resize(Device::max_kernarg_bytes);
    queue->wakes_.reserve(slice_packets);
    return queue;
}

acc_packet *Queue::slot_at(uint64_t index) const
{
    const uint64_t at = ring_page_offset_ + (index & (config_.packets - 1)) * ACC_PACKET_BYTES;
    return reinterpret_cast<acc_packet *>(ring_pages_[at >> ACC_PAGE_SHIFT] +
                                          (at & (ACC_PAGE_BYTES - 1)));
}

acc_queue_state Queue::state() const
{
    acc_queue_state out;
    {
        std::lock_guard lock(state_mutex_);
        out = state_;
    }
    out.read_index = read_index_public_.load(std::memory_order_acquire);
    out.packets = out.read_index;
    out.write_index = shared(control_->write_index).load(std::memory_order_relaxed);
    out.priority = config_.priority;
    out.executing = executing() != nullptr;
    return out;
}

bool Queue::has_packet() const
{
    return is_published(*slot_at(read_index_public_.load(std::memory_order_acquire)));
}

void Queue::request_stop(acc_status code)
{
    uint32_t none = 0;
    stop_code_.compare_exchange_strong(none, code, std::memory_order_relaxed);
    stop_.store(true, std::memory_order_seq_cst);
    device_.engine_->leave(space_->asid);
}

void Queue::slot_available()
{
    device_.scheduler_.make_ready(this);
}

// Takes the private copy of the next packet.
bool Queue::fetch()
{
    return have_packet_ = have_packet_ || take_packet(*slot_at(read_index_), packet_);
}

Scheduler::Finish Queue::run()
{
    AddressSpace::Guard guard(space_->memory);
    auto sleeping = shared(control_->sleeping);
    if (sleeping.load(std::memory_order_relaxed)) sleeping.store(0, std::memory_order_relaxed);
    service_ns_ = 0;
    service_from_ns_ = now_ns();

    for (unsigned done = 0;;) {
        const Followed followed = follow();
        const Step taken = followed == Followed::Served ? Step::Consumed : step();
        switch (taken) {
        case Step::Consumed:
            if (lease_ && turn_is_over()) share_lease();
            if (++done % slice_packets == 0 || lengthy_ns_ >= slice_ns) {
                const bool lengthy = lengthy_ns_ >= slice_ns;
                lengthy_ns_ = 0;
                flush_wakes();
                check_space();
                guard.leave(); // lets UNMAP pass
                if (device_.scheduler_.pressed()) {
                    release_lease();
                    return Scheduler::Finish::Requeue;
                }
                // Nobody wanted the worker: what it did is at nobody's cost. A few slices more
                // or less of short packets are not worth a clock read each.
                if (lengthy || done % free_packets == 0) {
                    service_ns_ = 0;
                    service_from_ns_ = now_ns();
                }
                guard.enter();
            }
            break;
        case Step::WaitSignal:
        case Step::WaitSlot:
            release_lease();
            flush_wakes();
            if (taken == Step::WaitSignal) look_ahead();
            check_space();
            return Scheduler::Finish::Waiting;
        case Step::Empty:
            flush_wakes();
            // A hint while awake; before sleeping it is asked with a fence.
            if (shared(control_->space_wanted).load(std::memory_order_relaxed)) check_space();
            guard.leave();
            if (followed == Followed::Lingered || !spin_for_packet()) {
                release_lease();
                // Announce, fence, look once more, sleep (docs/protocols.md, "kick").
                sleeping.store(1, std::memory_order_relaxed);
                check_space(); // its fence is the one the announcement needs, too
                if (!has_packet() && (error_ || !stop_.load(std::memory_order_relaxed))) {
                    rest();
                    QueueCounters::add(counters_.sleeps, 1);
                    return Scheduler::Finish::Idle;
                }
                sleeping.store(0, std::memory_order_relaxed);
            }
            guard.enter();
            break;
        }
    }
}

uint64_t Queue::take_service_ns()
{
    return service_ns_ + (now_ns() - service_from_ns_);
}

bool Queue::spin_for_packet()
{
    if (device_.scheduler_.pressed() || !device_.scheduler_.begin_spin()) return false;
    bool found = false;
    const uint64_t start = now_ns();
    service_ns_ += start - service_from_ns_;
    service_from_ns_ = start; // and on from here, to about a microsecond, for the next packet
    for (unsigned i = 1; !found; i++) {
        found = has_packet();
        if (found) break;
        cpu_relax();
        if (i % spins_per_clock_read) continue;
        if (lease_ && device_.residency_.contended()) release_lease();
        service_from_ns_ = now_ns();
        if (device_.scheduler_.pressed() || service_from_ns_ - start > spin_packet_ns) break;
        if (!error_ && stop_.load(std::memory_order_relaxed)) break;
    }
    device_.scheduler_.end_spin();
    return found;
}

// Tells producers that sleep for space, after every quarter of the ring and before the
// queue rests: a producer that found the ring full is told however few packets follow.
void Queue::check_space()
{
    space_checked_at_ = read_index_;
    full_fence(); // between read_index and space_wanted
    auto wanted = shared(control_->space_wanted);
    if (!wanted.load(std::memory_order_relaxed)) return;
    if (!wanted.exchange(0, std::memory_order_acq_rel)) return;
    acc_event event = {};
    event.type = ACC_EVENT_SPACE;
    event.asid = space_->asid;
    event.queue = config_.id;
    device_.raise(event);
}

Queue::Step Queue::step()
{
    if (stop_.load(std::memory_order_relaxed) && !error_) [[unlikely]] {
        Outcome outcome;
        outcome.status = acc_status(stop_code_.load(std::memory_order_relaxed));
        if (outcome.status == ACC_STATUS_RESET) outcome.text = "the queue was reset";
        enter_error(outcome);
    }
    if (!fetch()) return Step::Empty;

    Outcome outcome;
    if (error_) [[unlikely]] {
        outcome.status = ACC_STATUS_CANCELLED;
        return finish_packet(outcome);
    }
    outcome.status = acc_status(acc_check_packet(&packet_));
    // A packet whose completion nobody could be told of is never begun.
    if (outcome.status == ACC_STATUS_OK && packet_.raw.completion_signal &&
        !signal_at(packet_.raw.completion_signal)) {
        outcome.status = ACC_STATUS_INVALID_SIGNAL;
        outcome.address = packet_.raw.completion_signal;
        outcome.text = "the completion signal is no signal that is bound read/write";
    }
    if (outcome.status != ACC_STATUS_OK) [[unlikely]] {
        outcome.fault = true;
        if (outcome.text.empty()) describe_malformed(outcome);
        return finish_packet(outcome);
    }
    switch (packet_.header & ACC_HEADER_TYPE_MASK) {
    case ACC_PACKET_DISPATCH:
        return do_dispatch(outcome);
    case ACC_PACKET_BARRIER_AND:
    case ACC_PACKET_BARRIER_OR:
        return do_barrier(outcome);
    default: // what acc_check_packet lets through besides
        if (packet_.barrier_value.format == ACC_VENDOR_BARRIER_VALUE) return do_barrier(outcome);
        do_vendor(outcome);
        return finish_packet(outcome);
    }
}

// acc_check_packet says only what kind of refusal it is: which address and which kernel the
// fault names is in the packet.
void Queue::describe_malformed(Outcome &outcome) const
{
    const unsigned type = packet_.header & ACC_HEADER_TYPE_MASK;
    if (type == ACC_PACKET_DISPATCH) outcome.kernel_object = packet_.dispatch.kernel_object;
    switch (outcome.status) {
    case ACC_STATUS_UNSUPPORTED_PACKET:
        outcome.text = "expected a vendor format of acc/abi.h, found " +
                       std::to_string(packet_.barrier_value.format);
        if (type == ACC_PACKET_AGENT_DISPATCH) outcome.text = "agent dispatch is not supported";
        break;
    case ACC_STATUS_INVALID_DIMENSIONS:
        outcome.text = "expected 1 to 3 dimensions, sizes from 1, unused ones 1";
        break;
    case ACC_STATUS_INVALID_KERNARG:
        outcome.text = "expected kernel arguments aligned to 16 bytes";
        break;
    case ACC_STATUS_INVALID_SIGNAL: {
        outcome.text = "expected signals aligned to 64 bytes";
        const bool value_form = type == ACC_PACKET_VENDOR;
        std::vector<uint64_t> signals = {packet_.raw.completion_signal};
        if (value_form)
            signals.push_back(packet_.barrier_value.signal);
        else if (type != ACC_PACKET_DISPATCH)
            signals.insert(signals.end(), std::begin(packet_.barrier.dep_signal),
                           std::end(packet_.barrier.dep_signal));
        for (const uint64_t signal : signals) {
            if (!acc_check_signal_address(signal)) continue;
            outcome.address = signal;
            break;
        }
        break;
    }
    case ACC_STATUS_MISALIGNED:
        outcome.text = packet_.fill.format == ACC_VENDOR_FILL
                           ? "expected a fill of whole, aligned 32-bit words"
                           : "expected a timestamp's address aligned to 8 bytes";
        break;
    case ACC_STATUS_INVALID_ADDRESS: {
        outcome.text = "the range wraps around the end of all addresses";
        const acc_copy_packet &copy = packet_.copy;
        const bool source =
            copy.format == ACC_VENDOR_COPY && copy.destination + copy.size >= copy.destination;
        outcome.address = source ? copy.source : copy.destination;
        break;
    }
    default:
        outcome.text = "expected a known type and format, reserved bits 0, found header " +
                       std::to_string(packet_.header);
    }
}

acc_signal_memory *Queue::signal_at(uint64_t address) const
{
    // A malformed packet comes here too, to have its completion told.
    if (address % ACC_SIGNAL_BYTES) return nullptr;
    auto *signal = reinterpret_cast<acc_signal_memory *>(space_->memory.translate_rw(address));
    if (!signal || shared(signal->kind).load(std::memory_order_relaxed) != ACC_SIGNAL_KIND_USER)
        return nullptr;
    return signal;
}

Queue::Step Queue::finish_packet(const Outcome &outcome)
{
    if (outcome.fault) enter_error(outcome);
    QueueCounters::add(counters_.packets, 1);
    if (packet_.raw.completion_signal) tell_completion(outcome);
    retire();
    return Step::Consumed;
}

void Queue::tell_completion(const Outcome &outcome)
{
    const uint64_t address = packet_.raw.completion_signal;
    acc_signal_memory *signal = signal_at(address);
    if (!signal) return; // a fault's own: it has been reported
    // After a reset nobody's signals are written: the file's status page tells.
    if (device_.lost_.load(std::memory_order_relaxed)) [[unlikely]]
        return;
    const uint64_t end = outcome.end_ns ? outcome.end_ns : now_ns();
    const uint64_t start = outcome.start_ns ? outcome.start_ns : end;
    tell_sleepers(address, complete_signal(*signal, {.start_ns = start,
                                                     .end_ns = end,
                                                     .energy_pj = outcome.energy_pj,
                                                     .modelled_ns = model_ns_,
                                                     .status = outcome.status}));
}

// `bits`: what was taken from the signal's notify word.
void Queue::tell_sleepers(uint64_t signal, uint32_t bits)
{
    if (!bits) return;
    acc_event event = {};
    event.type = ACC_EVENT_SIGNAL;
    event.asid = space_->asid;
    event.queue = config_.id;
    event.code = bits;
    event.address = signal;
    // Another queue may go on at once. A host that sleeps takes microseconds to come, and often
    // onto this processor: by the end of the slice more of what it waits for is done.
    if (bits & ACC_NOTIFY_DEVICE)
        device_.raise(event);
    else
        wakes_.push_back(event);
}

// At the latest after a slice, and before anything that may last.
void Queue::flush_wakes()
{
    for (const acc_event &event : wakes_)
        device_.raise(event);
    wakes_.clear();
}

void Queue::retire()
{
    have_packet_ = false;
    shared(slot_at(read_index_)->raw.publish).store(ACC_PACKET_INVALID, std::memory_order_release);
    read_index_++;
    read_index_public_.store(read_index_, std::memory_order_release);
    shared(control_->read_index).store(read_index_, std::memory_order_release);
    if (read_index_ - space_checked_at_ >= config_.packets / 4) check_space();
}

void Queue::enter_error(const Outcome &outcome)
{
    error_ = true;
    release_lease();
    device_.residency_.cancel(*this);
    if (outcome.status == ACC_STATUS_CANCELLED) return; // being destroyed: nobody's fault
    {
        std::lock_guard lock(state_mutex_);
        state_.state = DRM_ACC_QUEUE_ERROR;
        state_.fault_code = outcome.status;
        state_.fault_packet = read_index_;
        state_.fault_address = outcome.address;
        state_.fault_kernel = outcome.kernel_object;
    }
    drm_acc_fault fault = {};
    fault.time_ns = now_ns();
    fault.queue = config_.id;
    fault.code = outcome.status;
    fault.packet_index = read_index_;
    fault.address = outcome.address;
    fault.kernel_object = outcome.kernel_object;
    std::strncpy(fault.kernel, outcome.kernel, sizeof fault.kernel - 1);
    std::strncpy(fault.text, outcome.text.c_str(), sizeof fault.text - 1);
    device_.record_fault(*space_, fault);
    acc_event event = {};
    event.type = ACC_EVENT_FAULT;
    event.asid = space_->asid;
    event.queue = config_.id;
    event.code = outcome.status;
    event.address = outcome.address;
    event.packet_index = read_index_;
    device_.raise(event);
}

void Queue::cancel_published()
{
    AddressSpace::Guard guard(space_->memory);
    error_ = true;
    release_lease();
    for (uint32_t i = 0; i < config_.packets && fetch(); i++) {
        Outcome outcome;
        outcome.status = ACC_STATUS_CANCELLED;
        (void)finish_packet(outcome);
    }
    flush_wakes();
    check_space();
}

} // namespace acc::emu
