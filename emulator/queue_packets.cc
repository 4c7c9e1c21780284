// SPDX-License-Identifier: MIT
//
// What packets do: dispatches, barriers and the vendor packets.
#include "acc/check.h"
#include "emulator/clock.h"
#include "emulator/queue.h"
#include "emulator/sync.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <thread>

namespace acc::emu
{

namespace
{
constexpr uint64_t short_dispatch_ns = 2000; // not worth the clock reads of a long one
constexpr uint64_t short_copy_bytes = 4096;
constexpr uint64_t spin_barrier_ns = 20'000; // for a signal, before waiting for a wake
constexpr uint64_t unmeasured_ns = 200;      // what a short dispatch is taken for
// Of a slot that others wait for. Giving it to another queue costs several microseconds and the
// batch that the client's next wake would have found done: not after each of a few hundred ns.
constexpr uint64_t turn_ns = 50'000;
constexpr uint64_t nap_ns = 200'000; // while a hang or a modelled pace is waited out

// Sleeps until `end`, giving up within a nap when `done()`.
template <typename F>
void sleep_until_ns(uint64_t end, F done)
{
    for (uint64_t now = now_ns(); now < end && !done(); now = now_ns())
        std::this_thread::sleep_for(std::chrono::nanoseconds(std::min(end - now, nap_ns)));
}
} // namespace

// ------------------------------------------------------------------ barriers

// True when the barrier in packet_ may pass. With `arm`, asks for a wake on each signal
// that it waits for before it looks at the value. `bad`: an address is no signal.
bool Queue::barrier_holds(Outcome &outcome, bool &bad, bool arm)
{
    const unsigned type = packet_.header & ACC_HEADER_TYPE_MASK;
    const bool value_form = type == ACC_PACKET_VENDOR;
    const acc_u64 *addresses =
        value_form ? &packet_.barrier_value.signal : packet_.barrier.dep_signal;
    const unsigned count = value_form ? 1 : 5;
    unsigned named = 0, held = 0;
    bool failed = false;
    uint64_t modelled = model_ns_;
    bad = false;
    for (unsigned i = 0; i < count; i++) {
        if (!addresses[i]) continue;
        named++;
        acc_signal_memory *signal = signal_at(addresses[i]);
        if (!signal) {
            bad = true;
            outcome.address = addresses[i];
            return false;
        }
        if (arm) {
            shared(signal->notify).fetch_or(ACC_NOTIFY_DEVICE, std::memory_order_seq_cst);
            full_fence_after_rmw();
        }
        const int64_t value = shared(signal->value).load(std::memory_order_acquire);
        const bool holds = value_form ? acc_condition_holds(value & packet_.barrier_value.mask,
                                                            packet_.barrier_value.condition,
                                                            packet_.barrier_value.value)
                                      : value == 0;
        if (!holds) {
            if (type == ACC_PACKET_BARRIER_AND) return false; // the first is enough to wait for
            continue;
        }
        held++;
        failed |= shared(signal->status).load(std::memory_order_relaxed) != ACC_STATUS_OK;
        modelled = std::max<uint64_t>(modelled,
                                      shared(signal->modelled_ns).load(std::memory_order_relaxed));
    }
    // An OR with no signal at all passes, as an AND does: null dependencies are ignored.
    if (named && !held) return false;
    if (failed) outcome.status = ACC_STATUS_DEPENDENCY_FAILED;
    model_ns_ = modelled;
    return true;
}

Queue::Step Queue::do_barrier(Outcome &outcome)
{
    run_ = 0;
    bool bad = false;
    uint64_t spin_end = 0;
    while (!barrier_holds(outcome, bad, false)) {
        if (bad) break;
        // Spinning is for signals that are about to change; a worker that others need, or a
        // slot that is leased, is not held for it.
        release_lease();
        flush_wakes();
        const uint64_t now = now_ns();
        if (!spin_end) spin_end = now + spin_barrier_ns;
        if (now < spin_end && !device_.scheduler_.pressed() && device_.scheduler_.begin_spin()) {
            for (unsigned i = 0; i < 32; i++)
                cpu_relax();
            device_.scheduler_.end_spin();
            continue;
        }
        if (stop_.load(std::memory_order_relaxed)) return Step::WaitSignal; // run again: reset
        if (barrier_holds(outcome, bad, true)) break;
        if (!bad) return Step::WaitSignal;
        break;
    }
    if (bad) {
        outcome.status = ACC_STATUS_INVALID_SIGNAL;
        outcome.fault = true;
        outcome.text = "a barrier's dependency is no signal that is bound read/write";
    }
    return finish_packet(outcome);
}

// ---------------------------------------------------------------- dispatches

// Null: no kernel of a loaded program.
std::shared_ptr<LoadedProgram> Queue::program_of(uint64_t object)
{
    const auto has = [&](const LoadedProgram &program) {
        return object >= program.base && object - program.base < program.engine->kernels.size();
    };
    if (program_ && has(*program_)) return program_;
    std::lock_guard lock(space_->mutex);
    auto found = space_->programs.upper_bound(object);
    if (found == space_->programs.begin()) return nullptr;
    --found;
    return has(*found->second) ? found->second : nullptr;
}

bool Queue::find_kernel(uint64_t object, Outcome &outcome)
{
    Space &space = *space_;
    const uint64_t generation = space.program_generation.load(std::memory_order_acquire);
    if (program_generation_ != generation || !program_ || object < program_->base ||
        object - program_->base >= program_->engine->kernels.size()) {
        std::lock_guard lock(space.mutex);
        program_.reset();
        program_generation_ = space.program_generation.load(std::memory_order_relaxed);
        auto found = space.programs.upper_bound(object);
        if (found != space.programs.begin()) {
            --found;
            if (object - found->first < found->second->engine->kernels.size())
                program_ = found->second;
        }
    }
    if (program_) return true;
    outcome.status = ACC_STATUS_INVALID_KERNEL;
    outcome.fault = true;
    outcome.text = "expected a kernel object of a loaded program";
    return false;
}

void Queue::release_lease()
{
    if (!lease_) return;
    // Who is being destroyed wants nothing any more.
    const bool reload = !stop_.load(std::memory_order_acquire) ||
                        stop_code_.load(std::memory_order_relaxed) != ACC_STATUS_CANCELLED;
    device_.residency_.release(*this, *lease_, lease_use_,
                               std::exchange(lease_after_, Residency::After::Fine), reload);
    lease_.reset();
    lease_program_.reset();
    lease_use_ = {};
}

// How many packets the client has published from the next one on, as far as it says.
uint64_t Queue::backlog() const
{
    const uint64_t written = shared(control_->write_index).load(std::memory_order_relaxed);
    return written > read_index_ ? std::min<uint64_t>(written - read_index_, config_.packets) : 1;
}

// True when the slot is to be shared. What the queue did while nobody wanted the slot is free.
bool Queue::turn_is_over()
{
    if (lease_use_.unpaid_ns < turn_ns) return false;
    if (device_.residency_.contended()) return true;
    lease_use_.pay();
    return false;
}

// Others wait for a slot, perhaps for this one: it is theirs if it is their turn. A dispatch
// that comes next has its place in the row at once: the host may let this thread wait just now.
void Queue::share_lease()
{
    const bool again =
        !error_ && fetch() && (packet_.header & ACC_HEADER_TYPE_MASK) == ACC_PACKET_DISPATCH;
    const bool yield = device_.residency_.must_yield(
        *this, *lease_, lease_use_, again ? lease_program_ : nullptr, lease_unit_, backlog());
    lease_use_.pay();
    if (yield) release_lease();
}

// Tells the residency manager which units the packets behind the next one want. Reads of
// packets whose bodies may still change: what is found is a hint.
void Queue::look_ahead()
{
    if (!device_.residency_.looks_ahead()) return;
    constexpr uint64_t packets_ahead = 8;
    std::array<Residency::UnitOf, 4> units;
    size_t count = 0;
    for (uint64_t i = read_index_ + 1; i <= read_index_ + packets_ahead && count < units.size();
         i++) {
        if (i - read_index_ >= config_.packets) break;
        acc_packet *packet = slot_at(i);
        const uint32_t publish = shared(packet->raw.publish).load(std::memory_order_acquire);
        const uint32_t type = publish & ACC_HEADER_TYPE_MASK;
        if (type == ACC_PACKET_INVALID) break;
        if (type != ACC_PACKET_DISPATCH) continue;
        const uint64_t object =
            shared(packet->dispatch.kernel_object).load(std::memory_order_relaxed);
        std::shared_ptr<LoadedProgram> program = program_of(object);
        if (!program) break; // it will fault there
        const uint32_t unit = program->engine->kernels[object - program->base].unit;
        const Residency::UnitOf found(std::move(program), unit);
        if (std::find(units.begin(), units.begin() + count, found) == units.begin() + count)
            units[count++] = found;
    }
    if (!count && !interested) return;
    device_.residency_.look_ahead(*this, std::span(units).first(count), model_ns_);
}

// Has nothing to do for now.
void Queue::rest()
{
    if (interested || planned_ns) device_.residency_.cancel(*this);
}

// Leases a slot in which the unit is resident; the lease is kept from packet to packet
// while nobody waits for a slot.
bool Queue::lease_slot(const std::shared_ptr<LoadedProgram> &program, uint32_t unit, Step &step,
                       Outcome &outcome)
{
    if (lease_ && lease_program_ == program && lease_unit_ == unit) return true;
    release_lease();
    flush_wakes(); // a load may last
    const Residency::Grant grant = device_.residency_.acquire(*this, program, unit, backlog());
    switch (grant.outcome) {
    case Residency::Outcome::Granted:
        lease_ = grant.slot;
        lease_program_ = program;
        lease_unit_ = unit;
        lease_load_ns_ = grant.load_ns;
        lease_ready_ns_ = grant.ready_ns;
        look_ahead();
        return true;
    case Residency::Outcome::Wait:
        step = Step::WaitSlot;
        return false;
    case Residency::Outcome::NoSlot:
        outcome.status = ACC_STATUS_NO_SLOT;
        outcome.text = "every slot that fits is pinned, faulted or another client's";
        break;
    case Residency::Outcome::LoadError:
        outcome.status = ACC_STATUS_ENGINE_ERROR;
        outcome.text = "the engine could not load the kernel's unit";
        break;
    }
    outcome.fault = true;
    step = finish_packet(outcome);
    return false;
}

Queue::Step Queue::do_dispatch(Outcome &outcome)
{
    const acc_dispatch_packet &packet = packet_.dispatch;
    outcome.kernel_object = packet.kernel_object;
    if (!find_kernel(packet.kernel_object, outcome)) return finish_packet(outcome);
    const auto index = uint32_t(packet.kernel_object - program_->base);
    const Kernel &kernel = program_->engine->kernels[index];
    outcome.kernel = kernel.name.c_str();

    if (packet.private_bytes < kernel.private_bytes || packet.group_bytes < kernel.group_bytes) {
        outcome.status = ACC_STATUS_INVALID_SEGMENT;
        outcome.fault = true;
        outcome.text = "private or group bytes are less than the kernel needs";
        return finish_packet(outcome);
    }
    if (kernel.kernarg_bytes) {
        SpaceMemory memory(space_->memory);
        if (!memory.read(kernargs_.data(), packet.kernarg_address, kernel.kernarg_bytes)) {
            outcome.status = ACC_STATUS_INVALID_ADDRESS;
            outcome.fault = true;
            outcome.address = memory.fault_address();
            outcome.text = "the kernel arguments are not readable";
            return finish_packet(outcome);
        }
    }
    Step step = Step::Consumed;
    if (!lease_slot(program_, kernel.unit, step, outcome)) return step;
    execute(*program_, index, outcome);
    return finish_packet(outcome);
}

void Queue::execute(const LoadedProgram &program, uint32_t index, Outcome &outcome)
{
    const Kernel &kernel = program.engine->kernels[index];
    SpaceMemory memory(space_->memory, &device_.bus_);
    Dispatch dispatch;
    dispatch.client = space_->asid;
    dispatch.slot = *lease_;
    dispatch.kernel = index;
    dispatch.kernargs = {kernargs_.data(), kernel.kernarg_bytes};
    dispatch.grid[0] = packet_.dispatch.grid_x;
    dispatch.grid[1] = packet_.dispatch.grid_y;
    dispatch.grid[2] = packet_.dispatch.grid_z;
    dispatch.memory = &memory;
    dispatch.stop = &stop_;

    const bool injecting = device_.injecting_.load(std::memory_order_relaxed);
    const bool lengthy =
        injecting || device_.options_.pace_real ||
        device_.engine_->estimate_ns(*program.engine, dispatch) >= short_dispatch_ns;
    executing_.store(&program, std::memory_order_relaxed);
    const auto over = [&] { return dispatch.should_stop(); };
    if (lease_ready_ns_) sleep_until_ns(std::exchange(lease_ready_ns_, 0), over);
    const bool begun = !over();
    if (lengthy || packet_.raw.completion_signal) outcome.start_ns = now_ns();
    if (lengthy) {
        dispatch.deadline_ns = outcome.start_ns + config_.timeout_ns;
        flush_wakes();
    }

    acc_status status = ACC_STATUS_OK;
    if (injecting && device_.take_injected(device_.inject_delays_))
        sleep_until_ns(outcome.start_ns + device_.inject_delay_ns_.load(), over);
    if (!begun) {
        status = ACC_STATUS_TIMEOUT;
    } else if (injecting && device_.take_injected(device_.inject_hangs_)) {
        sleep_until_ns(~0ull, over);
        status = ACC_STATUS_TIMEOUT;
    } else if (injecting && device_.take_injected(device_.inject_errors_)) {
        status = ACC_STATUS_ENGINE_ERROR;
        dispatch.text = "injected engine error";
    } else {
        status = device_.engine_->execute(*program.engine, dispatch);
    }
    model_ns_ = device_.clock_.begin(*lease_, model_ns_, std::exchange(lease_load_ns_, 0)) +
                dispatch.modelled_ns;
    device_.clock_.end(*lease_, model_ns_);
    if (device_.options_.pace_real) sleep_until_ns(outcome.start_ns + dispatch.modelled_ns, over);
    executing_.store(nullptr, std::memory_order_release);

    if (lengthy || packet_.raw.completion_signal) {
        outcome.end_ns = now_ns();
        lengthy_ns_ += outcome.end_ns - outcome.start_ns;
        lease_use_.unpaid_ns += outcome.end_ns - outcome.start_ns;
        lease_use_.busy_ns += outcome.end_ns - outcome.start_ns;
        QueueCounters::add(counters_.busy_ns, outcome.end_ns - outcome.start_ns);
    } else {
        lease_use_.unpaid_ns += unmeasured_ns;
    }
    lease_use_.unpaid_modelled_ns += dispatch.modelled_ns;
    lease_use_.unpaid++;
    lease_use_.dispatches++;
    outcome.energy_pj = dispatch.energy_pj;
    QueueCounters::add(counters_.bytes_read, memory.bytes_read());
    QueueCounters::add(counters_.bytes_written, memory.bytes_written());
    QueueCounters::add(counters_.modelled_ns, dispatch.modelled_ns);
    QueueCounters::add(counters_.energy_pj, dispatch.energy_pj);
    QueueCounters::add(counters_.saturations, dispatch.saturations);
    QueueCounters::add(counters_.mvms, dispatch.mvms);
    if (status == ACC_STATUS_OK) [[likely]] {
        QueueCounters::add(counters_.dispatches, 1);
        count_run(packet_.dispatch.kernel_object);
        return;
    }
    outcome.fault = true;
    outcome.address = status == ACC_STATUS_INVALID_ADDRESS ? memory.fault_address() : 0;
    outcome.text = std::move(dispatch.text);
    outcome.status = status;
    const bool late = dispatch.deadline_ns && outcome.end_ns >= dispatch.deadline_ns;
    if (dispatch.slot_fault)
        lease_after_ = Residency::After::Broken;
    else if (begun && status == ACC_STATUS_TIMEOUT)
        lease_after_ = Residency::After::CutShort;
    explain_stop(outcome, late);
}

// Of a dispatch that failed. `late`: it had its time.
void Queue::explain_stop(Outcome &outcome, bool late)
{
    if (stop_.load(std::memory_order_acquire)) {
        outcome.status = acc_status(stop_code_.load(std::memory_order_relaxed));
        outcome.text = "the queue was stopped while the kernel ran";
    } else if (late) {
        outcome.status = ACC_STATUS_TIMEOUT;
        if (outcome.text.empty())
            outcome.text = "the kernel ran longer than the queue's timeout_ns";
        space_->timeouts.fetch_add(1, std::memory_order_relaxed);
    }
}

// ------------------------------------------------------------ vendor packets

void Queue::do_vendor(Outcome &outcome)
{
    run_ = 0;
    outcome.start_ns = now_ns();
    switch (packet_.barrier_value.format) {
    case ACC_VENDOR_COPY:
        if (packet_.copy.size > short_copy_bytes) flush_wakes();
        do_copy(outcome);
        break;
    case ACC_VENDOR_FILL:
        if (packet_.fill.size > short_copy_bytes) flush_wakes();
        do_fill(outcome);
        break;
    case ACC_VENDOR_PREFETCH:
        outcome.kernel_object = packet_.prefetch.kernel_object;
        if (!find_kernel(outcome.kernel_object, outcome)) break;
        release_lease();
        flush_wakes();
        (void)device_.residency_.prefetch(
            program_, program_->engine->kernels[outcome.kernel_object - program_->base].unit,
            model_ns_);
        break;
    default: {
        auto *word =
            reinterpret_cast<acc_u64 *>(space_->memory.translate(packet_.timestamp.address, true));
        if (word) {
            shared(*word).store(outcome.start_ns, std::memory_order_relaxed);
        } else {
            outcome.status = ACC_STATUS_INVALID_ADDRESS;
            outcome.fault = true;
            outcome.address = packet_.timestamp.address;
            outcome.text = "the timestamp's address is not writable";
        }
    }
    }
    outcome.end_ns = now_ns();
    lengthy_ns_ += outcome.end_ns - outcome.start_ns;
}

namespace
{
constexpr size_t stop_check_bytes = 1u << 20;
}

void Queue::do_copy(Outcome &outcome)
{
    const acc_copy_packet &packet = packet_.copy;
    uint64_t source = packet.source, destination = packet.destination, left = packet.size;
    if (source < destination + left && destination < source + left) {
        outcome.status = ACC_STATUS_INVALID_KERNARG;
        outcome.fault = true;
        outcome.text = "the copy's ranges overlap";
        return;
    }
    const uint64_t deadline = outcome.start_ns + config_.timeout_ns;
    while (left) {
        const size_t chunk = std::min<uint64_t>(left, stop_check_bytes);
        const auto from = space_->memory.span(source, chunk, false);
        const auto to = space_->memory.span(destination, chunk, true);
        if (from.empty() || to.empty()) {
            outcome.status = ACC_STATUS_INVALID_ADDRESS;
            outcome.fault = true;
            outcome.address = from.empty() ? source : destination;
            outcome.text = from.empty() ? "the copy's source is not readable"
                                        : "the copy's destination is not writable";
            return;
        }
        const size_t bytes = std::min(from.size(), to.size());
        std::memcpy(to.data(), from.data(), bytes);
        source += bytes;
        destination += bytes;
        left -= bytes;
        if (stop_.load(std::memory_order_relaxed) || now_ns() > deadline) {
            outcome.status = stop_.load() ? acc_status(stop_code_.load()) : ACC_STATUS_TIMEOUT;
            outcome.fault = true;
            outcome.text = "the copy was stopped";
            return;
        }
    }
    QueueCounters::add(counters_.bytes_read, packet.size);
    QueueCounters::add(counters_.bytes_written, packet.size);
}

void Queue::do_fill(Outcome &outcome)
{
    const acc_fill_packet &packet = packet_.fill;
    uint64_t destination = packet.destination, left = packet.size;
    const uint64_t deadline = outcome.start_ns + config_.timeout_ns;
    while (left) {
        const auto to =
            space_->memory.span(destination, std::min<uint64_t>(left, stop_check_bytes), true);
        if (to.empty()) {
            outcome.status = ACC_STATUS_INVALID_ADDRESS;
            outcome.fault = true;
            outcome.address = destination;
            outcome.text = "the fill's destination is not writable";
            return;
        }
        auto *words = reinterpret_cast<uint32_t *>(to.data());
        std::fill(words, words + to.size() / 4, packet.pattern);
        destination += to.size();
        left -= to.size();
        if (stop_.load(std::memory_order_relaxed) || now_ns() > deadline) {
            outcome.status = stop_.load() ? acc_status(stop_code_.load()) : ACC_STATUS_TIMEOUT;
            outcome.fault = true;
            outcome.text = "the fill was stopped";
            return;
        }
    }
    QueueCounters::add(counters_.bytes_written, packet.size);
}

} // namespace acc::emu
