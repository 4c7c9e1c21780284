// SPDX-License-Identifier: MIT
//
// A queue whose kernel runs somewhere else is left to that: it takes the next packets from the ring
// itself, and each costs no turn of this thread. What it says of them is believed as far as it
// concerns the queue of the client whose code it runs.
#include "emulator/clock.h"
#include "emulator/packet.h"
#include "emulator/queue.h"

#include <algorithm>

namespace acc::emu
{

namespace
{
constexpr uint64_t linger_ns = 30'000; // for the next packet, before sleeping
// Between looks at everything that others may want of this thread, the slot and the queue.
constexpr uint64_t session_ns = 500'000;
// Packets of one kernel in a row before it is worth it: to find another kernel's costs the turn
// that was to be saved.
constexpr unsigned least_run = 2, most_run = 64;
constexpr uint64_t worth_it = 8;
} // namespace

const LoadedProgram *Queue::executing() const
{
    if (const LoadedProgram *program = executing_.load(std::memory_order_seq_cst)) return program;
    const LoadedProgram *program = following_.load(std::memory_order_seq_cst);
    if (!program) return nullptr;
    // Only the ring knows: a client that tells lies in it stops its own queue.
    const uint64_t index = shared(control_->read_index).load(std::memory_order_acquire);
    return is_published(*slot_at(index)) ? program : nullptr;
}

void Queue::count_run(uint64_t kernel_object)
{
    if (kernel_object != run_object_) run_ = 0;
    run_object_ = kernel_object;
    run_ += run_ < most_run;
}

// Before each packet. Served: something was done; Lingered: nothing came.
Queue::Followed Queue::follow()
{
    if (!lease_ || error_ || run_ < follow_after_) return Followed::Not;
    Outcome outcome;
    if (stop_.load(std::memory_order_relaxed) || !find_kernel(run_object_, outcome) ||
        program_ != lease_program_)
        return Followed::Not;
    const auto index = static_cast<uint32_t>(run_object_ - program_->base);
    if (!device_.engine_->follows(*program_->engine) || device_.options_.pace_real ||
        device_.injecting_.load(std::memory_order_relaxed) || device_.scheduler_.pressed() ||
        device_.residency_.contended() || !device_.scheduler_.begin_spin())
        return Followed::Not;

    flush_wakes();
    have_packet_ = false; // nothing has been done with it
    const uint64_t generation = program_generation_;
    const std::shared_ptr<LoadedProgram> program = program_;
    SpaceMemory memory(space_->memory, &device_.bus_);
    Following following;
    following.client = space_->asid;
    following.slot = *lease_;
    following.kernel = index;
    following.kernel_object = run_object_;
    following.ring = config_.ring;
    following.control = config_.control;
    following.packets = config_.packets;
    following.index = read_index_;
    following.model_ns = device_.clock_.begin(*lease_, model_ns_, 0);
    following.linger_ns = linger_ns;
    following.session_ns = session_ns;
    following.timeout_ns = config_.timeout_ns;
    following.memory = &memory;
    following.stop = &stop_;
    following.still = [&] {
        return !stop_.load(std::memory_order_seq_cst) &&
               space_->program_generation.load(std::memory_order_acquire) == generation;
    };
    const uint64_t start = now_ns();
    following_.store(program.get(), std::memory_order_seq_cst);
    device_.engine_->follow(*program->engine, following);
    following_.store(nullptr, std::memory_order_release);
    device_.scheduler_.end_spin();
    if (!following.tried) {
        if (following.unable) follow_after_ = ~0u;
        return Followed::Not;
    }
    const uint64_t written = shared(control_->write_index).load(std::memory_order_acquire);
    if (following.served > written - read_index_) {
        following.text = "the region's process says that it executed " +
                         std::to_string(following.served) + " packets; found at most " +
                         std::to_string(written - read_index_);
        following.served = following.modelled_ns = following.energy_pj = 0;
        following.status = ACC_STATUS_ENGINE_ERROR;
        following.slot_fault = true;
    }
    skip(following.served);
    account(following, memory, start);
    if (following.served >= worth_it)
        follow_after_ = least_run;
    else if (!following.lingered && !following.notified)
        follow_after_ = std::min(2 * follow_after_, most_run);
    if (!following.served && !following.lingered) run_ = 0; // that is the next packet's kernel
    if (following.status != ACC_STATUS_OK || following.slot_fault) fail(following);
    if (following.lingered && !following.served) return Followed::Lingered;
    return Followed::Served;
}

// Over the packets that somebody else has retired.
void Queue::skip(uint64_t packets)
{
    read_index_ += packets;
    read_index_public_.store(read_index_, std::memory_order_release);
    shared(control_->read_index).store(read_index_, std::memory_order_release);
    if (read_index_ - space_checked_at_ >= config_.packets / 4) check_space();
}

void Queue::account(const Following &following, const SpaceMemory &memory, uint64_t start_ns)
{
    // Lingering is at nobody's cost, as spinning is.
    const uint64_t now = now_ns();
    uint64_t busy_ns = now - start_ns;
    if (following.lingered) {
        busy_ns -= std::min(busy_ns, linger_ns);
        service_from_ns_ = now - busy_ns;
    }
    lengthy_ns_ += busy_ns;
    lease_use_.unpaid_ns += busy_ns;
    lease_use_.busy_ns += busy_ns;
    lease_use_.unpaid += following.served;
    lease_use_.dispatches += following.served;
    lease_use_.unpaid_modelled_ns += following.modelled_ns;
    QueueCounters::add(counters_.packets, following.served);
    QueueCounters::add(counters_.dispatches, following.served);
    QueueCounters::add(counters_.busy_ns, busy_ns);
    QueueCounters::add(counters_.modelled_ns, following.modelled_ns);
    QueueCounters::add(counters_.energy_pj, following.energy_pj);
    QueueCounters::add(counters_.bytes_read, memory.bytes_read());
    QueueCounters::add(counters_.bytes_written, memory.bytes_written());
    if (following.served) {
        model_ns_ = following.model_ns + following.modelled_ns;
        device_.clock_.end(*lease_, model_ns_);
    }
    if (following.notified && signal_at(following.notified_signal)) {
        constexpr uint32_t waiting = ACC_NOTIFY_HOST | ACC_NOTIFY_DEVICE;
        tell_sleepers(following.notified_signal, following.notified & waiting);
        flush_wakes();
    }
}

// The packet behind those that went well has not, or the process is gone.
void Queue::fail(Following &following)
{
    if (following.slot_fault) lease_after_ = Residency::After::Broken;
    if (!fetch()) {
        // Nothing to blame: whoever comes next gets a fresh slot.
        release_lease();
        return;
    }
    Outcome outcome;
    outcome.kernel_object = packet_.dispatch.kernel_object;
    const uint64_t index = run_object_ - program_->base;
    outcome.kernel = program_->engine->kernels[index].name.c_str();
    outcome.fault = true;
    outcome.status = following.status == ACC_STATUS_OK ? ACC_STATUS_ENGINE_ERROR : following.status;
    outcome.address = outcome.status == ACC_STATUS_INVALID_ADDRESS ? following.address : 0;
    outcome.text = std::move(following.text);
    outcome.end_ns = now_ns();
    explain_stop(outcome, outcome.status == ACC_STATUS_TIMEOUT);
    (void)finish_packet(outcome);
}

} // namespace acc::emu
