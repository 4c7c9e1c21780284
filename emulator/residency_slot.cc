// SPDX-License-Identifier: MIT
//
// What happens to slots: loads, recovery, pins, the end of what is resident.
#include "emulator/residency.h"

#include "emulator/clock.h"
#include "emulator/region.h"

#include <algorithm>
#include <cassert>
#include <cstring>

namespace acc::emu
{

// -------------------------------------------------------------------- states

// Every change of a state comes through here.
void Residency::go(Slot &slot, uint32_t state)
{
    assert(region_may_go(slot.state, state));
    slot.state = state;
    sync(slot);
}

void Residency::sync(Slot &slot)
{
    policy::Slot &seen = arbiter_.slots[number(slot)];
    switch (slot.state) {
    case DRM_ACC_SLOT_EMPTY:
        seen.state = policy::SlotState::Empty;
        break;
    case DRM_ACC_SLOT_READY:
        seen.state = policy::SlotState::Ready;
        break;
    case DRM_ACC_SLOT_BUSY:
        seen.state = policy::SlotState::Busy;
        break;
    case DRM_ACC_SLOT_FAULT:
        seen.state = policy::SlotState::Out;
        break;
    default:
        seen.state = policy::SlotState::Moving;
    }
    seen.capacity = slot.info.capacity;
    seen.pinned = !slot.pins.empty();
    seen.abandoned = slot.program && slot.program->unloaded;
    seen.client = slot.program ? slot.program->asid : 0;
    if (slot.program) {
        Want want;
        fill(want, slot.program, slot.unit);
        seen.unit = want.unit;
        seen.reload_ns = want.reload_ns;
    } else {
        seen.unit = seen.reload_ns = 0;
    }
}

// From DECOUPLED: nothing is there any more.
void Residency::vacate(Slot &slot)
{
    slot.program.reset();
    slot.ready_ns = 0;
    go(slot, DRM_ACC_SLOT_EMPTY);
}

// --------------------------------------------------------------------- trace

void Residency::tell(uint32_t kind, policy::Reason reason, const Slot *slot, const Want *want,
                     const Choice *choice)
{
    TraceLog::Entry &entry = trace_.add();
    drm_acc_trace &record = entry.record;
    record.time_ns = now_ns();
    record.kind = kind;
    record.reason = uint32_t(reason);
    record.slot = slot ? number(*slot) : ~0u;
    record.waiting = uint32_t(arbiter_.waiters().size());
    if (want) {
        const Unit &unit = want->program->engine->units[want->index];
        record.client = want->share->client;
        record.waited_ns = want->waits() ? record.time_ns - want->since_ns : 0;
        if (choice) record.load_ns = unit.load_ns;
        entry.unit_owner = want->program->asid;
        set_trace_name(record.unit, unit.name);
    }
    if (choice && slot && slot->program) {
        record.victim_client = entry.victim_owner = slot->program->asid;
        record.value_ns = arbiter_.value_ns(number(*slot));
        set_trace_name(record.victim, slot->program->engine->units[slot->unit].name);
    }
}

TraceLog::Entry &Residency::tell_slot(uint32_t kind, uint32_t reason, const Slot &slot)
{
    tell(kind, policy::Reason(reason), &slot, nullptr);
    TraceLog::Entry &entry = trace_.newest();
    if (slot.program) {
        entry.record.client = entry.unit_owner = slot.program->asid;
        set_trace_name(entry.record.unit, slot.program->engine->units[slot.unit].name);
    }
    return entry;
}

// --------------------------------------------------------------------- loads

// From DECOUPLED to READY, or back with -errno. Lets go of the lock. -EIO: the device was
// reset meanwhile, and the slot is EMPTY.
int Residency::configure(Lock &lock, Slot &slot, const LoadedProgram &program, uint32_t unit)
{
    const uint32_t index = number(slot);
    go(slot, DRM_ACC_SLOT_LOADING);
    bool fail = false;
    for (uint32_t left = fail_loads_.load(); left && !fail;)
        fail = fail_loads_.compare_exchange_weak(left, left - 1);
    lock.unlock();
    int error = fail ? -EIO : engine_.load(index, *program.engine, unit);
    const bool loaded = !error;
    lock.lock();
    if (loaded && slot.program) {
        go(slot, DRM_ACC_SLOT_RESET);
        lock.unlock();
        error = engine_.reset(index, *program.engine, unit);
        lock.lock();
    }
    if (slot.program && !error) return 0; // RESET: the caller lets it go
    if (loaded) engine_.unload(index);
    if (!slot.program) return -EIO;
    go(slot, DRM_ACC_SLOT_DECOUPLED);
    return error;
}

void Residency::count_load(Slot &slot, LoadedProgram &program, uint32_t unit,
                           const uint64_t *model_ns)
{
    const Unit &what = program.engine->units[unit];
    slot.loads++;
    slot.load_ns += what.load_ns;
    if (options_.pace_real) {
        port_free_ns_ = std::max(port_free_ns_, now_ns()) + what.load_ns;
        slot.ready_ns = port_free_ns_;
    }
    if (model_ns) clock_.load(number(slot), *model_ns, what.load_ns);
    program.loads[unit]++;
    total_loads_.fetch_add(1, std::memory_order_relaxed);
    load_ns_.fetch_add(what.load_ns, std::memory_order_relaxed);
    load_pj_.fetch_add(what.load_pj, std::memory_order_relaxed);
}

int Residency::load_into(Lock &lock, Slot &slot, const Want &want,
                         const std::shared_ptr<LoadedProgram> &program, const uint64_t *model_ns)
{
    const uint32_t index = number(slot), unit = want.index;
    const bool evict = slot.program != nullptr;
    slot.program = program;
    slot.unit = unit;
    slot.ready_ns = 0;
    go(slot, DRM_ACC_SLOT_DECOUPLED);
    arbiter_.load(index, want);
    const bool kept = std::exchange(slot.kept, false), keep_it = must_keep(slot, *program);

    lock.unlock();
    // What is replaced stays kept until the new is; what is overwritten goes first.
    if (kept && !keep_it) (void)cells_->erase(index);
    if (evict) engine_.unload(index);
    lock.lock();
    int error = slot.program ? configure(lock, slot, *program, unit) : -EIO;
    if (keep_it) {
        lock.unlock();
        if (!error) {
            error = keep(index, *program, unit);
            if (error) engine_.unload(index);
        }
        if (error) (void)cells_->erase(index);
        lock.lock();
        if (!slot.program) error = -EIO;
        if (error && slot.state == DRM_ACC_SLOT_RESET) go(slot, DRM_ACC_SLOT_DECOUPLED);
    }
    slot.kept = keep_it && !error;
    if (evict) evictions_.fetch_add(1, std::memory_order_relaxed);
    if (error) {
        if (slot.program) {
            tell_slot(DRM_ACC_TRACE_BLANK, DRM_ACC_REASON_LOAD_FAILED, slot);
            vacate(slot);
        }
        return error;
    }
    go(slot, DRM_ACC_SLOT_READY);
    count_load(slot, *program, unit, model_ns);
    return 0;
}

int Residency::prefetch(const std::shared_ptr<LoadedProgram> &program, uint32_t unit,
                        uint64_t model_ns)
{
    Lock lock(mutex_);
    policy::Share share;
    share.client = program->asid;
    Want want;
    want.share = &share;
    fill(want, program, unit);
    Choice choice = arbiter_.choose(want);
    for (const Slot &slot : slots_) { // policies without reuse would load it again
        if (!holds(slot, *program, unit)) continue;
        if (slot.state != DRM_ACC_SLOT_READY) return 0;
        choice.slot = number(slot);
        choice.resident = true;
    }
    if (choice.slot == policy::no_slot) return 0;
    // A hint takes no slot from somebody who waits for one.
    if (taken_by_waiter()) return 0;
    Slot &slot = slots_[choice.slot];
    // A hint: the dispatch will report what goes wrong.
    if (choice.resident) {
        (void)take_over(lock, slot, program, unit);
    } else {
        tell(DRM_ACC_TRACE_PREFETCH, choice.reason, &slot, &want, &choice);
        (void)load_into(lock, slot, want, program, &model_ns);
    }
    if (slot.fault_pending) fail(slot);
    wake_waiters();
    return 0;
}

// ------------------------------------------------------------------ recovery

// A leased slot whose role is not to be trusted any more: its dispatch has ended, so it is
// drained. The other slots go on meanwhile.
void Residency::recover(Lock &lock, Slot &slot, uint32_t reason, bool reload)
{
    const uint32_t index = number(slot), unit = slot.unit;
    const std::shared_ptr<LoadedProgram> program = slot.program;
    tell_slot(DRM_ACC_TRACE_FAULT, reason, slot);
    go(slot, DRM_ACC_SLOT_DRAINING);
    go(slot, DRM_ACC_SLOT_DECOUPLED);
    lock.unlock();
    int error = engine_.blank(index);
    lock.lock();
    if (!slot.program) return; // the device was reset meanwhile
    if (error) {
        tell_slot(DRM_ACC_TRACE_FAULT, DRM_ACC_REASON_BLANK_FAILED, slot);
        slot.program.reset();
        end_pins(slot);
        go(slot, DRM_ACC_SLOT_FAULT);
        return;
    }
    const bool wanted = !slot.pins.empty() || (reload && !program->unloaded);
    error = wanted ? configure(lock, slot, *program, unit) : 0;
    if (!slot.program) return;
    if (!wanted || error) {
        if (error) end_pins(slot);
        tell_slot(DRM_ACC_TRACE_BLANK, error ? uint32_t(DRM_ACC_REASON_LOAD_FAILED) : reason, slot);
        vacate(slot);
        return;
    }
    go(slot, DRM_ACC_SLOT_READY);
    const uint64_t model_ns = clock_.now_ns();
    count_load(slot, *program, unit, &model_ns);
    tell_slot(DRM_ACC_TRACE_RECOVER, reason, slot).record.load_ns =
        program->engine->units[unit].load_ns;
    if (slot.fault_pending) fail(slot);
}

// What was resident is gone, and so are its pins.
void Residency::fail(Slot &slot)
{
    tell_slot(DRM_ACC_TRACE_FAULT, DRM_ACC_REASON_INJECTED, slot);
    erase_cells(slot);
    if (slot.program) engine_.unload(number(slot));
    slot.program.reset();
    end_pins(slot);
    slot.fault_pending = false;
    if (slot.state == DRM_ACC_SLOT_FAULT) return;
    go(slot, DRM_ACC_SLOT_DRAINING);
    go(slot, DRM_ACC_SLOT_FAULT);
}

int Residency::inject_slot_fault(uint32_t index)
{
    Lock lock(mutex_);
    if (index >= slots_.size()) return -ENOENT;
    Slot &slot = slots_[index];
    if (slot.state == DRM_ACC_SLOT_EMPTY || slot.state == DRM_ACC_SLOT_READY ||
        slot.state == DRM_ACC_SLOT_FAULT)
        fail(slot);
    else
        slot.fault_pending = true;
    wake_waiters();
    return 0;
}

// ---------------------------------------------------------------------- pins

int Residency::pin(const std::shared_ptr<LoadedProgram> &program, uint32_t unit,
                   uint32_t quota_left)
{
    Lock lock(mutex_);
    if (program->pins[unit]) {
        program->pins[unit]++;
        return 0;
    }
    if (!quota_left) return -E2BIG;
    policy::Share share;
    share.client = program->asid;
    Want want;
    want.share = &share;
    fill(want, program, unit);
    Choice choice;
    Slot *slot = nullptr;
    for (Slot &candidate : slots_) // busy with this very unit will do
        if (holds(candidate, *program, unit)) slot = &candidate;
    if (!slot) {
        choice = arbiter_.choose(want);
        if (choice.slot != policy::no_slot) slot = &slots_[choice.slot];
    }
    // One slot of each class stays free of pins.
    const auto may_pin = [&](const Slot &candidate) {
        uint32_t unpinned = 0;
        for (const Slot &other : slots_)
            unpinned += other.info.class_id == candidate.info.class_id && other.pins.empty();
        return !candidate.pins.empty() || unpinned >= 2;
    };
    if (slot && !may_pin(*slot)) return -ENOSPC;
    if (!slot) {
        const bool later = std::any_of(slots_.begin(), slots_.end(), [&](const Slot &candidate) {
            return fits(candidate, program->engine->units[unit]) && may_pin(candidate);
        });
        return choice.may_wait && later ? -EBUSY : -ENOSPC;
    }
    // Before the load, which lets go of the lock: others count this one.
    const bool resident = holds(*slot, *program, unit);
    if (!resident) tell(DRM_ACC_TRACE_PREFETCH, choice.reason, slot, &want, &choice);
    slot->pins.emplace_back(program.get(), unit);
    program->pins[unit] = 1;
    sync(*slot);
    int error = 0;
    if (!resident || slot->state == DRM_ACC_SLOT_READY) {
        const uint64_t model_ns = clock_.now_ns();
        error = resident ? take_over(lock, *slot, program, unit)
                         : load_into(lock, *slot, want, program, &model_ns);
        if (error) {
            std::erase(slot->pins, std::pair(program.get(), unit));
            program->pins[unit] = 0;
            sync(*slot);
        }
        if (slot->fault_pending) {
            fail(*slot);
            error = -EIO;
        }
    }
    wake_waiters();
    return error;
}

int Residency::unpin(const std::shared_ptr<LoadedProgram> &program, uint32_t unit)
{
    Lock lock(mutex_);
    if (!program->pins[unit]) return -EINVAL;
    if (--program->pins[unit]) return 0;
    for (Slot &slot : slots_) {
        std::erase(slot.pins, std::pair(program.get(), unit));
        sync(slot);
    }
    wake_waiters();
    return 0;
}

void Residency::end_pins(Slot &slot)
{
    for (const auto &[program, unit] : slot.pins)
        program->pins[unit] = 0;
    slot.pins.clear();
    sync(slot);
}

// -------------------------------------------------------------------- the end

// Empties a slot that nobody leases. 0, or -EIO: it can't be.
int Residency::blank(Slot &slot, uint32_t reason, uint32_t asid)
{
    if (slot.state == DRM_ACC_SLOT_EMPTY) return 0;
    tell_slot(DRM_ACC_TRACE_BLANK, reason, slot);
    if (asid) trace_.newest().record.client = asid;
    const bool failed = slot.state == DRM_ACC_SLOT_FAULT;
    go(slot, DRM_ACC_SLOT_DECOUPLED);
    if ((slot.program || failed) && engine_.blank(number(slot))) {
        slot.program.reset();
        go(slot, DRM_ACC_SLOT_FAULT);
        return -EIO;
    }
    vacate(slot);
    return 0;
}

void Residency::forget(LoadedProgram &program)
{
    Lock lock(mutex_);
    program.unloaded = true; // where a lease keeps it, whoever comes next may evict it
    for (Slot &slot : slots_) {
        std::erase_if(slot.pins, [&](const auto &pin) { return pin.first == &program; });
        sync(slot);
        if (slot.program.get() != &program) continue;
        program.orphan |= slot.kept; // under a lease or others' pins, too
        if (!slot.pins.empty() || slot.state != DRM_ACC_SLOT_READY) continue;
        if (slot.kept) {
            orphan(slot);
            continue;
        }
        (void)blank(slot, DRM_ACC_REASON_ASKED, 0);
    }
    wake_waiters();
}

int Residency::reset_slot(uint32_t index, uint32_t asid, bool privileged)
{
    Lock lock(mutex_);
    if (index >= slots_.size()) return -ENOENT;
    Slot &slot = slots_[index];
    const auto foreign = [&](const auto &pin) { return pin.first->asid != asid; };
    if (!privileged && ((slot.program && slot.program->asid != asid && !slot.program->unloaded) ||
                        std::any_of(slot.pins.begin(), slot.pins.end(), foreign)))
        return -EACCES;
    if (slot.state != DRM_ACC_SLOT_EMPTY && slot.state != DRM_ACC_SLOT_READY &&
        slot.state != DRM_ACC_SLOT_FAULT)
        return -EBUSY;
    erase_cells(slot);
    end_pins(slot);
    const int error = blank(slot, DRM_ACC_REASON_ASKED, asid);
    wake_waiters();
    return error;
}

void Residency::reset_all()
{
    Lock lock(mutex_);
    for (Slot &slot : slots_) {
        end_pins(slot);
        slot.fault_pending = false;
        if (slot.kept) { // no reset reaches these cells
            orphan(slot);
            continue;
        }
        if (slot.program) engine_.unload(number(slot));
        slot.program.reset();
        slot.ready_ns = 0;
        slot.state = DRM_ACC_SLOT_EMPTY; // whatever it was
        sync(slot);
    }
}

} // namespace acc::emu
