// SPDX-License-Identifier: MIT
#include "emulator/residency.h"

#include "emulator/clock.h"

#include <algorithm>
#include <cstring>

namespace acc::emu
{

namespace
{
constexpr uint64_t patience = 1000; // turns of others of one's own priority
constexpr uint64_t kept_credit_ns = 5'000'000;
constexpr uint64_t least_turn_ns = 1000; // what a turn costs: short dispatches are not measured
} // namespace

Residency::Residency(Engine &engine, bool evict_foreign, std::unique_ptr<CellStore> cells)
    : engine_(engine), evict_foreign_(evict_foreign), cells_(std::move(cells))
{
    for (const SlotInfo &info : engine.slots()) {
        slots_.emplace_back();
        slots_.back().info = info;
    }
    restore_cells();
}

bool Residency::same_unit(const LoadedProgram &a, uint32_t unit_a, const LoadedProgram &b,
                          uint32_t unit_b)
{
    if (&a == &b && unit_a == unit_b) return true;
    const auto equal = [](const auto &one, const auto &other) {
        static constexpr uint8_t none[sizeof one] = {};
        return std::memcmp(one, none, sizeof one) != 0 && std::memcmp(one, other, sizeof one) == 0;
    };
    const Unit &one = a.engine->units[unit_a], &other = b.engine->units[unit_b];
    // Nobody's cells are for whoever wants the same in them, shared or not.
    return equal(one.hash, other.hash) || ((a.orphan || b.orphan) && equal(one.cells, other.cells));
}

bool Residency::fits(const Slot &slot, const Unit &unit) const
{
    return (!unit.class_id || unit.class_id == slot.info.class_id) &&
           unit.capacity <= slot.info.capacity;
}

bool Residency::can_ever_hold(const Unit &unit) const
{
    return std::any_of(slots_.begin(), slots_.end(),
                       [&](const Slot &slot) { return fits(slot, unit); });
}

bool Residency::evictable(const Slot &slot, const LoadedProgram &for_program) const
{
    return slot.pins.empty() && (evict_foreign_ || !slot.program || slot.program->unloaded ||
                                 slot.program->asid == for_program.asid || has_twin(slot));
}

// Whether the unit is elsewhere, too: whoever owns it loses nothing but the second copy, which
// it took where there was room. Else one busy client could fill a device that evicts nobody.
bool Residency::has_twin(const Slot &slot) const
{
    return std::any_of(slots_.begin(), slots_.end(), [&](const Slot &other) {
        return &other != &slot && other.program && other.state != DRM_ACC_SLOT_FAULT &&
               same_unit(*other.program, other.unit, *slot.program, slot.unit);
    });
}

// The slot to use: where the unit is, else an empty one, else the least recently used.
// Null with may_wait: a suitable one is only busy.
Residency::Slot *Residency::choose(const LoadedProgram &program, uint32_t unit, bool &may_wait)
{
    may_wait = false;
    for (Slot &slot : slots_) {
        if (!slot.program || !same_unit(*slot.program, slot.unit, program, unit)) continue;
        if (slot.state == DRM_ACC_SLOT_READY) return &slot;
        if (slot.state == DRM_ACC_SLOT_BUSY || slot.state == DRM_ACC_SLOT_LOADING) may_wait = true;
    }
    Slot *best = nullptr;
    for (Slot &slot : slots_) {
        if (!fits(slot, program.engine->units[unit])) continue;
        switch (slot.state) {
        case DRM_ACC_SLOT_EMPTY:
            // A unit that is busy elsewhere may have a second copy where there is room.
            if (!best || best->state != DRM_ACC_SLOT_EMPTY) best = &slot;
            break;
        case DRM_ACC_SLOT_READY:
            if (evictable(slot, program) &&
                (!best || (best->state == DRM_ACC_SLOT_READY && slot.last_use < best->last_use)))
                best = &slot;
            break;
        case DRM_ACC_SLOT_BUSY:
        case DRM_ACC_SLOT_LOADING:
            if (evictable(slot, program)) may_wait = true;
            break;
        default:
            break;
        }
    }
    // Evicting somebody to make a second copy of a unit that only has to be waited for
    // would thrash: wait.
    if (best && best->state == DRM_ACC_SLOT_READY && may_wait) {
        for (const Slot &slot : slots_)
            if (slot.program && same_unit(*slot.program, slot.unit, program, unit)) return nullptr;
    }
    return best;
}

// True when it is the turn of `a` rather than of `b`. At equal right who waits goes before
// who does not.
bool Residency::before(const SlotClient &a, const SlotClient &b) const
{
    const uint32_t priority = a.slot_priority;
    if (priority != b.slot_priority) return priority > b.slot_priority;
    const uint64_t turns = priorities_[priority].turns;
    const bool a_late = a.ticket_ && turns - a.turns_at_ > patience;
    const bool b_late = b.ticket_ && turns - b.turns_at_ > patience;
    if (a_late != b_late) return a_late;
    const uint64_t a_ns = a.slot_share->virtual_ns[priority];
    const uint64_t b_ns = b.slot_share->virtual_ns[priority];
    if (!a_late && a_ns != b_ns) return a_ns < b_ns;
    return a.ticket_ && (!b.ticket_ || a.ticket_ < b.ticket_);
}

// True when somebody whose turn it is rather waits and could be served now.
bool Residency::behind_others(const SlotClient &client)
{
    for (const SlotClient *other : waiters_) {
        bool may_wait = false;
        if (other != &client && before(*other, client) &&
            choose(*other->wants_, other->wants_unit_, may_wait))
            return true;
    }
    return false;
}

// A client that comes anew has no credit of the time when it wanted nothing: it begins where
// those are who are being served, or with the first of those who wait if they are further back.
// It keeps a little, because one that lets a slot go to whom it is due is away for a moment too.
void Residency::enter(SlotClient &client)
{
    const uint32_t priority = client.slot_priority;
    uint64_t now = priorities_[priority].virtual_now;
    for (const SlotClient *other : waiters_)
        if (other->slot_priority == priority)
            now = std::min(now, other->slot_share->virtual_ns[priority]);
    const uint64_t credit = kept_credit_ns * ACC_WEIGHT_DEFAULT / client.slot_share->weight;
    uint64_t &virtual_ns = client.slot_share->virtual_ns[priority];
    virtual_ns = std::max(virtual_ns, now - std::min(now, credit));
}

void Residency::take_turn(const SlotClient &client)
{
    auto &priority = priorities_[client.slot_priority];
    const uint64_t virtual_ns = client.slot_share->virtual_ns[client.slot_priority];
    priority.virtual_now = std::max(priority.virtual_now, virtual_ns);
    priority.turns++;
}

void Residency::charge(SlotClient &client, uint64_t ns)
{
    SlotShare &share = *client.slot_share;
    share.virtual_ns[client.slot_priority] +=
        std::max(ns, least_turn_ns) * ACC_WEIGHT_DEFAULT / share.weight;
}

int Residency::load_into(std::unique_lock<std::mutex> &lock, Slot &slot,
                         const std::shared_ptr<LoadedProgram> &program, uint32_t unit)
{
    const auto index = uint32_t(&slot - slots_.data());
    const bool evict = slot.program != nullptr;
    const Unit &what = program->engine->units[unit];
    slot.state = DRM_ACC_SLOT_LOADING;
    slot.program = program;
    slot.unit = unit;
    bool fail = false;
    for (uint32_t left = fail_loads_.load(); left && !fail;)
        fail = fail_loads_.compare_exchange_weak(left, left - 1);

    const bool kept = std::exchange(slot.kept, false), keep_it = must_keep(slot, *program);

    lock.unlock();
    // What is replaced stays kept until the new is; what is overwritten goes first.
    if (kept && !keep_it) (void)cells_->erase(index);
    if (evict) engine_.unload(index);
    int error = fail ? -EIO : engine_.load(index, *program->engine, unit);
    if (!error && keep_it) {
        error = keep(index, *program, unit);
        if (error) engine_.unload(index);
    }
    if (error && keep_it) (void)cells_->erase(index);
    lock.lock();

    slot.kept = keep_it && !error && slot.program; // null: the device was reset meanwhile
    if (evict) evictions_.fetch_add(1, std::memory_order_relaxed);
    if (error) {
        slot.state = DRM_ACC_SLOT_EMPTY;
        slot.program.reset();
        return error;
    }
    slot.state = DRM_ACC_SLOT_READY;
    slot.loads++;
    slot.load_ns += what.load_ns;
    slot.last_use = ++uses_;
    program->loads[unit]++;
    total_loads_.fetch_add(1, std::memory_order_relaxed);
    load_ns_.fetch_add(what.load_ns, std::memory_order_relaxed);
    load_pj_.fetch_add(what.load_pj, std::memory_order_relaxed);
    return 0;
}

Residency::Grant Residency::acquire(SlotClient &client,
                                    const std::shared_ptr<LoadedProgram> &program, uint32_t unit)
{
    std::unique_lock lock(mutex_);
    Grant grant;
    bool may_wait = false;
    if (!client.ticket_) enter(client);
    Slot *slot = choose(*program, unit, may_wait);
    if (!slot && !may_wait) {
        grant.outcome = Outcome::NoSlot;
    } else if (!slot || behind_others(client)) {
        wait(client, program, unit);
        if (slot) wake_waiters(); // this one stands back: the better one must know
        return grant;             // Wait
    } else {
        grant.slot = uint32_t(slot - slots_.data());
        grant.outcome = Outcome::Granted;
        take_turn(client);
        if (slot->program && same_unit(*slot->program, slot->unit, *program, unit)) {
            if (take_over(lock, *slot, program, unit)) grant.outcome = Outcome::LoadError;
        } else {
            const uint64_t start = now_ns();
            if (load_into(lock, *slot, program, unit)) {
                grant.outcome = Outcome::LoadError;
            } else {
                grant.load_ns = program->engine->units[unit].load_ns;
                grant.load_pj = program->engine->units[unit].load_pj;
            }
            charge(client, now_ns() - start);
        }
        if (grant.outcome == Outcome::Granted) {
            slot->state = DRM_ACC_SLOT_BUSY;
            slot->last_use = ++uses_;
        }
    }
    if (client.ticket_) stop_waiting(client);
    // Others may have been told to try while this one stood before them.
    wake_waiters();
    return grant;
}

void Residency::release(SlotClient &client, uint32_t index, uint64_t busy_ns, uint64_t dispatches,
                        uint64_t last_ns)
{
    std::unique_lock lock(mutex_);
    Slot &slot = slots_[index];
    slot.busy_ns += busy_ns;
    slot.dispatches += dispatches;
    slot.state = DRM_ACC_SLOT_READY;
    if (last_ns) charge(client, last_ns);
    if (slot.fault_pending) fail(slot);
    if (slot.kept && slot.program->unloaded && slot.pins.empty()) orphan(slot);
    wake_waiters();
}

bool Residency::must_yield(SlotClient &client, uint32_t index, uint64_t last_ns,
                           const std::shared_ptr<LoadedProgram> &next, uint32_t unit)
{
    std::unique_lock lock(mutex_);
    Slot &slot = slots_[index];
    if (slot.fault_pending) return true;
    charge(client, last_ns);
    slot.state = DRM_ACC_SLOT_READY; // as it would be
    const bool yield = behind_others(client);
    slot.state = DRM_ACC_SLOT_BUSY;
    if (!yield)
        take_turn(client);
    else if (next)
        wait(client, next, unit);
    return yield;
}

// What was resident is gone, and so are its pins.
void Residency::fail(Slot &slot)
{
    erase_cells(slot);
    if (slot.program) engine_.unload(uint32_t(&slot - slots_.data()));
    slot.program.reset();
    end_pins(slot);
    slot.fault_pending = false;
    slot.state = DRM_ACC_SLOT_FAULT;
}

// Tells the waiter whose turn it is of those that could be served now. Its own acquire()
// tells the next. Under the lock, so that nobody who is told has cancelled.
void Residency::wake_waiters()
{
    SlotClient *best = nullptr;
    for (SlotClient *client : waiters_) {
        if (best && !before(*client, *best)) continue;
        bool may_wait = false;
        if (choose(*client->wants_, client->wants_unit_, may_wait) || !may_wait) best = client;
    }
    if (best) best->slot_available();
}

void Residency::wait(SlotClient &client, const std::shared_ptr<LoadedProgram> &program,
                     uint32_t unit)
{
    if (!client.ticket_) {
        client.ticket_ = ++tickets_;
        client.turns_at_ = priorities_[client.slot_priority].turns;
        waiters_.push_back(&client);
        waiting_.store(uint32_t(waiters_.size()), std::memory_order_relaxed);
    }
    client.wants_ = program;
    client.wants_unit_ = unit;
}

void Residency::stop_waiting(SlotClient &client)
{
    std::erase(waiters_, &client);
    waiting_.store(uint32_t(waiters_.size()), std::memory_order_relaxed);
    client.ticket_ = 0;
    client.wants_.reset();
}

void Residency::cancel(SlotClient &client)
{
    std::unique_lock lock(mutex_);
    if (!client.ticket_) return;
    stop_waiting(client);
    wake_waiters();
}

int Residency::prefetch(const std::shared_ptr<LoadedProgram> &program, uint32_t unit)
{
    std::unique_lock lock(mutex_);
    bool may_wait = false;
    Slot *slot = choose(*program, unit, may_wait);
    if (!slot) return 0;
    // A hint takes no slot from somebody who waits for one.
    for (const SlotClient *waiter : waiters_) {
        bool later = false;
        if (choose(*waiter->wants_, waiter->wants_unit_, later)) return 0;
    }
    // A hint: the dispatch will report what goes wrong.
    if (slot->program && same_unit(*slot->program, slot->unit, *program, unit))
        (void)take_over(lock, *slot, program, unit);
    else
        (void)load_into(lock, *slot, program, unit);
    if (slot->fault_pending) fail(*slot);
    wake_waiters();
    return 0;
}

int Residency::pin(const std::shared_ptr<LoadedProgram> &program, uint32_t unit,
                   uint32_t quota_left)
{
    std::unique_lock lock(mutex_);
    if (program->pins[unit]) {
        program->pins[unit]++;
        return 0;
    }
    if (!quota_left) return -E2BIG;
    bool may_wait = false;
    Slot *slot = nullptr;
    for (Slot &candidate : slots_) // busy with this very unit will do
        if (candidate.program && same_unit(*candidate.program, candidate.unit, *program, unit) &&
            candidate.state != DRM_ACC_SLOT_FAULT)
            slot = &candidate;
    if (!slot) slot = choose(*program, unit, may_wait);
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
        return may_wait && later ? -EBUSY : -ENOSPC;
    }
    // Before the load, which lets go of the lock: others count this one.
    slot->pins.emplace_back(program.get(), unit);
    program->pins[unit] = 1;
    int error = 0;
    const bool resident = slot->program && same_unit(*slot->program, slot->unit, *program, unit);
    if (!resident || slot->state == DRM_ACC_SLOT_READY) {
        error = resident ? take_over(lock, *slot, program, unit)
                         : load_into(lock, *slot, program, unit);
        if (error) {
            std::erase(slot->pins, std::pair(program.get(), unit));
            program->pins[unit] = 0;
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
    std::unique_lock lock(mutex_);
    if (!program->pins[unit]) return -EINVAL;
    if (--program->pins[unit]) return 0;
    for (Slot &slot : slots_)
        std::erase(slot.pins, std::pair(program.get(), unit));
    wake_waiters();
    return 0;
}

void Residency::end_pins(Slot &slot)
{
    for (const auto &[program, unit] : slot.pins)
        program->pins[unit] = 0;
    slot.pins.clear();
}

void Residency::forget(LoadedProgram &program)
{
    std::unique_lock lock(mutex_);
    program.unloaded = true; // where a lease keeps it, whoever comes next may evict it
    for (Slot &slot : slots_) {
        std::erase_if(slot.pins, [&](const auto &pin) { return pin.first == &program; });
        if (slot.program.get() != &program) continue;
        program.orphan |= slot.kept; // under a lease or others' pins, too
        if (!slot.pins.empty() || slot.state != DRM_ACC_SLOT_READY) continue;
        if (slot.kept) {
            orphan(slot);
            continue;
        }
        engine_.unload(uint32_t(&slot - slots_.data()));
        slot.program.reset();
        slot.state = DRM_ACC_SLOT_EMPTY;
    }
    wake_waiters();
}

int Residency::reset_slot(uint32_t index, uint32_t asid, bool privileged)
{
    std::unique_lock lock(mutex_);
    if (index >= slots_.size()) return -ENOENT;
    Slot &slot = slots_[index];
    const auto foreign = [&](const auto &pin) { return pin.first->asid != asid; };
    if (!privileged && ((slot.program && slot.program->asid != asid && !slot.program->unloaded) ||
                        std::any_of(slot.pins.begin(), slot.pins.end(), foreign)))
        return -EACCES;
    if (slot.state == DRM_ACC_SLOT_BUSY || slot.state == DRM_ACC_SLOT_LOADING) return -EBUSY;
    erase_cells(slot);
    if (slot.program) engine_.unload(index);
    slot.program.reset();
    end_pins(slot);
    slot.state = DRM_ACC_SLOT_EMPTY;
    wake_waiters();
    return 0;
}

void Residency::reset_all()
{
    std::unique_lock lock(mutex_);
    for (Slot &slot : slots_) {
        end_pins(slot);
        slot.fault_pending = false;
        if (slot.kept) { // no reset reaches these cells
            orphan(slot);
            continue;
        }
        if (slot.program) engine_.unload(uint32_t(&slot - slots_.data()));
        slot.program.reset();
        slot.state = DRM_ACC_SLOT_EMPTY;
    }
}

int Residency::inject_slot_fault(uint32_t index)
{
    std::unique_lock lock(mutex_);
    if (index >= slots_.size()) return -ENOENT;
    Slot &slot = slots_[index];
    if (slot.state == DRM_ACC_SLOT_BUSY || slot.state == DRM_ACC_SLOT_LOADING)
        slot.fault_pending = true;
    else
        fail(slot);
    wake_waiters();
    return 0;
}

uint32_t Residency::resident_slot(const LoadedProgram &program, uint32_t unit) const
{
    std::lock_guard lock(mutex_);
    for (const Slot &slot : slots_)
        if (slot.program && slot.state != DRM_ACC_SLOT_LOADING &&
            same_unit(*slot.program, slot.unit, program, unit))
            return uint32_t(&slot - slots_.data());
    return ~0u;
}

uint64_t Residency::loads(const LoadedProgram &program, uint32_t unit) const
{
    std::lock_guard lock(mutex_);
    return program.loads[unit];
}

bool Residency::pinned(const LoadedProgram &program, uint32_t unit) const
{
    std::lock_guard lock(mutex_);
    return program.pins[unit] != 0;
}

uint32_t Residency::pinned_units(const LoadedProgram &program) const
{
    std::lock_guard lock(mutex_);
    return uint32_t(std::count_if(program.pins.begin(), program.pins.end(),
                                  [](uint32_t pins) { return pins != 0; }));
}

drm_acc_slot Residency::slot_state(uint32_t index, uint32_t asid) const
{
    std::lock_guard lock(mutex_);
    const Slot &slot = slots_[index];
    drm_acc_slot out = {};
    out.state = slot.state;
    out.class_id = slot.info.class_id;
    out.pins = uint32_t(slot.pins.size());
    out.capacity = slot.info.capacity;
    out.loads = slot.loads;
    out.dispatches = slot.dispatches;
    out.busy_ns = slot.busy_ns;
    out.load_ns = slot.load_ns;
    if (slot.program) {
        const Unit &unit = slot.program->engine->units[slot.unit];
        out.used = unit.capacity;
        if (slot.program->asid == asid)
            std::strncpy(out.resident, unit.name.c_str(), sizeof out.resident - 1);
    }
    return out;
}

} // namespace acc::emu
