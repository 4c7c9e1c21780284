// SPDX-License-Identifier: MIT
//
// Who gets a slot when. What happens to the slots is in residency_slot.cc.
#include "emulator/residency.h"

#include "emulator/clock.h"

#include <algorithm>
#include <cstring>
#include <functional>

namespace acc::emu
{

namespace
{
constexpr uint64_t kept_credit_ns = 5'000'000;
static_assert(policy::default_weight == ACC_WEIGHT_DEFAULT);
static_assert(ACC_RESOURCES == int(DRM_ACC_RESOURCES));
static_assert(policy::priorities == DRM_ACC_PRIORITY_HIGH + 1);

// Equal keys for what same_unit() says is the same whoever loaded it; what is compared by its
// cells has several, which makes a prediction worse and nothing else.
uint64_t key_of(const LoadedProgram &program, uint32_t index)
{
    const Unit &unit = program.engine->units[index];
    static constexpr uint8_t none[sizeof unit.hash] = {};
    if (std::memcmp(unit.hash, none, sizeof none) == 0) return (program.serial << 24 | index) << 1;
    uint64_t key;
    std::memcpy(&key, unit.hash, sizeof key);
    return key | 1;
}
} // namespace

Residency::Residency(Engine &engine, const ResidencyOptions &options, ModelClock &clock,
                     std::unique_ptr<CellStore> cells)
    : engine_(engine), options_(options), clock_(clock), cells_(std::move(cells)),
      slots_(engine.slots().size()),
      arbiter_(*this, policy::make_policy(options.policy), slots_.size())
{
    const std::vector<SlotInfo> infos = engine.slots();
    for (size_t i = 0; i < slots_.size(); i++) {
        slots_[i].info = infos[i];
        sync(slots_[i]);
    }
    restore_cells();
}

// ------------------------------------------------------------- what is the case

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

void Residency::fill(Want &want, const std::shared_ptr<const LoadedProgram> &program, uint32_t unit)
{
    want.program = program;
    want.index = unit;
    want.unit = key_of(*program, unit);
    want.reload_ns = program->engine->units[unit].load_ns;
}

bool Residency::fits(const Slot &slot, const Unit &unit) const
{
    return (!unit.class_id || unit.class_id == slot.info.class_id) &&
           unit.capacity <= slot.info.capacity &&
           std::equal(unit.resources.begin(), unit.resources.end(), slot.info.resources.begin(),
                      std::less_equal<>());
}

bool Residency::can_ever_hold(const Unit &unit) const
{
    return std::any_of(slots_.begin(), slots_.end(),
                       [&](const Slot &slot) { return fits(slot, unit); });
}

// Of a unit that fits no slot: what it would have to be, and what it is. Short: a driver passes
// on 95 bytes.
std::string Residency::why_not(const Unit &unit) const
{
    const Slot *biggest = nullptr;
    for (const Slot &slot : slots_)
        if ((!unit.class_id || unit.class_id == slot.info.class_id) &&
            (!biggest || slot.info.capacity > biggest->info.capacity))
            biggest = &slot;
    if (!biggest)
        return "expected a class that there are slots of; found " + std::to_string(unit.class_id);
    static constexpr const char *names[] = {"LUTs", "FFs", "BRAMs", "DSPs"};
    const SlotInfo &has = biggest->info;
    if (has.resources == Resources{})
        return "expected a capacity of at most " + std::to_string(has.capacity) +
               " in its class; found " + std::to_string(unit.capacity);
    std::string most, found;
    for (size_t i = 0; i < has.resources.size(); i++) {
        if (unit.resources[i] <= has.resources[i]) continue;
        const char *comma = most.empty() ? "" : ", ";
        most += comma + std::to_string(has.resources[i]) + " " + names[i];
        found += comma + std::to_string(unit.resources[i]);
    }
    return "expected at most " + most + " of a region; found " + found;
}

bool Residency::holds(const Slot &slot, const LoadedProgram &program, uint32_t unit) const
{
    return slot.program && slot.state != DRM_ACC_SLOT_FAULT &&
           same_unit(*slot.program, slot.unit, program, unit);
}

bool Residency::holds(const policy::Request &request, uint32_t slot) const
{
    const Want &want = static_cast<const Want &>(request);
    return want.program && holds(slots_[slot], *want.program, want.index);
}

bool Residency::fits(const policy::Request &request, uint32_t slot) const
{
    const Want &want = static_cast<const Want &>(request);
    return fits(slots_[slot], want.program->engine->units[want.index]);
}

bool Residency::may_evict(const policy::Request &request, uint32_t index) const
{
    const Want &want = static_cast<const Want &>(request);
    const Slot &slot = slots_[index];
    return options_.evict_foreign || !slot.program || slot.program->unloaded ||
           slot.program->asid == want.program->asid || has_twin(slot);
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

// -------------------------------------------------------------------- turns

Residency::Grant Residency::acquire(SlotClient &client,
                                    const std::shared_ptr<LoadedProgram> &program, uint32_t unit,
                                    uint64_t backlog)
{
    Lock lock(mutex_);
    Grant grant;
    fill(client, program, unit);
    if (!client.waits()) arbiter_.enter(client, kept_credit_ns);
    arbiter_.plan(client, backlog);
    const Choice choice = arbiter_.choose(client);
    Slot *slot = choice.slot == policy::no_slot ? nullptr : &slots_[choice.slot];
    if (!slot && !choice.may_wait) {
        grant.outcome = Outcome::NoSlot;
        tell(DRM_ACC_TRACE_REFUSE, choice.reason, nullptr, &client);
    } else if (!slot || arbiter_.ahead_of(client)) {
        if (!client.waits())
            tell(DRM_ACC_TRACE_WAIT, slot ? policy::Reason::Behind : choice.reason, nullptr,
                 &client);
        wait(client, program, unit);
        if (slot) wake_waiters(); // this one stands back: the better one must know
        return grant;             // Wait
    } else {
        grant.slot = choice.slot;
        grant.outcome = Outcome::Granted;
        if (choice.resident && client.waits())
            tell(DRM_ACC_TRACE_GRANT, arbiter_.grant_reason(client), slot, &client);
        arbiter_.take_turn(client);
        if (choice.resident) {
            if (take_over(lock, *slot, program, unit)) grant.outcome = Outcome::LoadError;
        } else {
            const uint64_t start = now_ns();
            tell(DRM_ACC_TRACE_LOAD, choice.reason, slot, &client, &choice);
            if (load_into(lock, *slot, client, program, nullptr))
                grant.outcome = Outcome::LoadError;
            else
                grant.load_ns = program->engine->units[unit].load_ns;
            const uint64_t end = now_ns();
            arbiter_.charge(client, std::max(end, slot->ready_ns) - start);
        }
        if (grant.outcome == Outcome::Granted) {
            go(*slot, DRM_ACC_SLOT_BUSY);
            arbiter_.use(choice.slot);
            grant.ready_ns = slot->ready_ns;
        }
    }
    if (client.waits()) stop_waiting(client);
    // Others may have been told to try while this one stood before them.
    wake_waiters();
    return grant;
}

void Residency::release(SlotClient &client, uint32_t index, const Use &use, After after,
                        bool reload)
{
    Lock lock(mutex_);
    Slot &slot = slots_[index];
    slot.busy_ns += use.busy_ns;
    slot.dispatches += use.dispatches;
    if (use.unpaid) charge(client, use);
    const bool recovers = after == After::Broken || (after == After::CutShort && options_.recovers);
    if (slot.fault_pending)
        fail(slot);
    else if (recovers)
        recover(lock, slot, after == After::Broken ? DRM_ACC_REASON_ROLE : DRM_ACC_REASON_TIMEOUT,
                reload);
    else
        go(slot, DRM_ACC_SLOT_READY);
    if (slot.kept && slot.program->unloaded && slot.pins.empty()) orphan(slot);
    wake_waiters();
}

bool Residency::must_yield(SlotClient &client, uint32_t index, const Use &use,
                           const std::shared_ptr<LoadedProgram> &next, uint32_t unit,
                           uint64_t backlog)
{
    Lock lock(mutex_);
    if (slots_[index].fault_pending) return true;
    charge(client, use);
    arbiter_.plan(client, backlog);
    const policy::Request *whom = nullptr;
    const bool yield = arbiter_.must_yield(client, index, use.dispatches, whom);
    if (!yield) {
        arbiter_.take_turn(client);
        return false;
    }
    tell(DRM_ACC_TRACE_YIELD, arbiter_.grant_reason(*whom), &slots_[index], &client);
    if (next) wait(client, next, unit);
    return true;
}

// The client pays, and the policy learns what a dispatch of its unit takes.
void Residency::charge(SlotClient &client, const Use &use)
{
    arbiter_.charge(client, use.unpaid_ns);
    if (use.unpaid)
        arbiter_.ran(client, std::max<uint64_t>(use.unpaid_ns / use.unpaid, 1),
                     use.unpaid_modelled_ns / use.unpaid);
}

// Tells the waiter whose turn it is of those that could be served now. Its own acquire()
// tells the next. Under the lock, so that nobody who is told has cancelled.
void Residency::wake_waiters()
{
    if (policy::Request *next = arbiter_.next()) static_cast<SlotClient *>(next)->slot_available();
}

// Whether there is a slot for somebody who waits, whom a hint must not be in the way of.
bool Residency::taken_by_waiter() const
{
    return std::any_of(
        arbiter_.waiters().begin(), arbiter_.waiters().end(),
        [&](const policy::Request *r) { return arbiter_.choose(*r).slot != policy::no_slot; });
}

void Residency::wait(SlotClient &client, const std::shared_ptr<LoadedProgram> &program,
                     uint32_t unit)
{
    fill(client, program, unit);
    arbiter_.wait(client, now_ns());
    waiting_.store(uint32_t(arbiter_.waiters().size()), std::memory_order_relaxed);
}

void Residency::stop_waiting(SlotClient &client)
{
    arbiter_.stop_waiting(client);
    waiting_.store(uint32_t(arbiter_.waiters().size()), std::memory_order_relaxed);
}

void Residency::cancel(SlotClient &client)
{
    Lock lock(mutex_);
    arbiter_.expect(client, {});
    arbiter_.plan(client, 0);
    client.program.reset();
    if (!client.waits()) return;
    stop_waiting(client);
    wake_waiters();
}

void Residency::look_ahead(SlotClient &client, std::span<const UnitOf> units, uint64_t model_ns)
{
    Lock lock(mutex_);
    std::array<uint64_t, 4> keys = {};
    for (size_t i = 0; i < std::min(units.size(), keys.size()); i++)
        keys[i] = key_of(*units[i].first, units[i].second);
    arbiter_.expect(client, keys);
    if (options_.pace_real && port_free_ns_ > now_ns()) return; // the port is taken
    for (const auto &[program, unit] : units.first(std::min(units.size(), keys.size()))) {
        Want want;
        want.share = client.share;
        want.priority = client.priority;
        fill(want, program, unit);
        const Choice choice = arbiter_.choose_ahead(want);
        if (choice.slot == policy::no_slot) continue;
        Slot &slot = slots_[choice.slot];
        tell(DRM_ACC_TRACE_PREFETCH, choice.reason, &slot, &want, &choice);
        // The dispatch will report what goes wrong.
        (void)load_into(lock, slot, want, program, &model_ns);
        if (slot.fault_pending) fail(slot);
        wake_waiters();
        return; // one at a time
    }
}

// ------------------------------------------------------------------ questions

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
    // With pace=real the engine has it already; the model is still at it.
    if ((slot.state == DRM_ACC_SLOT_READY || slot.state == DRM_ACC_SLOT_BUSY) && slot.ready_ns &&
        slot.ready_ns > now_ns())
        out.state = DRM_ACC_SLOT_LOADING;
    out.class_id = slot.info.class_id;
    out.pins = uint32_t(slot.pins.size());
    out.capacity = slot.info.capacity;
    std::copy(slot.info.resources.begin(), slot.info.resources.end(), out.resources);
    out.loads = slot.loads;
    out.dispatches = slot.dispatches;
    out.busy_ns = slot.busy_ns;
    out.load_ns = slot.load_ns;
    if (slot.program) {
        const Unit &unit = slot.program->engine->units[slot.unit];
        out.used = unit.capacity;
        std::copy(unit.resources.begin(), unit.resources.end(), out.resources_used);
        if (slot.program->asid == asid)
            std::strncpy(out.resident, unit.name.c_str(), sizeof out.resident - 1);
    }
    return out;
}

int Residency::trace(uint32_t index, uint32_t asid, drm_acc_trace &out) const
{
    std::lock_guard lock(mutex_);
    return trace_.read(index, asid, out) ? 0 : -ENOENT;
}

} // namespace acc::emu
