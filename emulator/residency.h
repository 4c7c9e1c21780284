// SPDX-License-Identifier: MIT
//
// What is loaded where: slots, units and who waits for one. One mechanism for an FPGA's
// regions and a crossbar's tile groups. The states of a slot are in emulator/region.h; whose
// turn it is, which slot is taken and what is evicted for it a policy decides (policy/), and
// this does it, and keeps a trace of every decision.
//
// Time in a slot is real: of its dispatches and loads; modelled time is in it where it delays
// real time (pace=real). Of a lease that nobody else wanted only the last dispatch counts.
//
// Thread safety: every call may be made from any thread. Loading happens inside
// acquire(), release(), prefetch(), look_ahead() and pin(), on the caller's thread, outside
// the lock.
#pragma once

#include "emulator/cell_store.h"
#include "emulator/engine.h"
#include "emulator/model_clock.h"
#include "emulator/residency_trace.h"
#include "policy/arbiter.h"

#include "acc/regs.h"

#include <drm/acc_drm.h>

#include <atomic>
#include <memory>
#include <mutex>
#include <span>
#include <utility>
#include <vector>

namespace acc::emu
{

// A parsed program of one address space.
struct LoadedProgram {
    LoadedProgram() { serial = last_serial.fetch_add(1, std::memory_order_relaxed) + 1; }
    uint64_t serial; // names it in this process
    uint32_t asid = 0;
    uint32_t id = 0;
    uint64_t base = 0; // first kernel object
    std::unique_ptr<EngineProgram> engine;
    std::vector<uint64_t> loads; // per unit, under the residency lock
    std::vector<uint32_t> pins;  // per unit, ditto
    bool unloaded = false;       // nobody's any more, ditto
    bool persistent = false;     // what it loads is to be kept
    bool orphan = false;         // unloaded, but its cells may be taken over; ditto

private:
    static inline std::atomic<uint64_t> last_serial{0};
};

using SlotShare = policy::Share; // what a client has had; under the manager's lock

// Who wants which unit.
struct Want : policy::Request {
    std::shared_ptr<const LoadedProgram> program; // kept: it may be unloaded meanwhile
    uint32_t index = 0;
};

// Who asks for a slot, and how it is told that asking again may succeed. `share` is set, and
// outlives it; several queues of a client have the same.
class SlotClient : public Want
{
public:
    virtual ~SlotClient() = default;
    // Called under the residency manager's lock: may take the scheduler's, nothing else.
    virtual void slot_available() = 0;
};

struct ResidencyOptions {
    bool evict_foreign = true; // what another address space owns (conductances wear)
    bool recovers = false;     // as EngineInfo
    bool pace_real = false;    // modelled loads delay real time
    std::string policy{policy::policy_names().front()};
};

class Residency final : private policy::Facts
{
public:
    // With `cells`, of a non-volatile engine, slots come up with what is kept there.
    Residency(Engine &engine, const ResidencyOptions &options, ModelClock &clock,
              std::unique_ptr<CellStore> cells = nullptr);

    enum class Outcome {
        Granted,
        Wait,   // told by slot_available() later
        NoSlot, // every slot that fits is pinned, faulted or foreign
        LoadError,
    };
    struct Grant {
        Outcome outcome = Outcome::Wait;
        uint32_t slot = 0;
        uint64_t load_ns = 0;  // modelled, 0 if it was resident
        uint64_t ready_ns = 0; // with pace=real: when the load is over; else 0
    };
    // A lease on a slot in which the unit is resident, loading it there if need be. `backlog`:
    // how many dispatches the client is known to want.
    Grant acquire(SlotClient &client, const std::shared_ptr<LoadedProgram> &program, uint32_t unit,
                  uint64_t backlog);

    // Of a lease until now. Unpaid are the dispatches that the client has not paid for yet;
    // before them nobody waited.
    struct Use {
        uint64_t busy_ns = 0, dispatches = 0;
        uint64_t unpaid_ns = 0, unpaid_modelled_ns = 0, unpaid = 0;
        void pay() { unpaid_ns = unpaid_modelled_ns = unpaid = 0; }
    };
    // What a lease leaves behind.
    enum class After {
        Fine,
        CutShort, // the dispatch was stopped in the middle
        Broken,   // Dispatch::slot_fault
    };
    // `reload`: a slot that has to recover is to have its unit again.
    void release(SlotClient &client, uint32_t slot, const Use &use, After after = After::Fine,
                 bool reload = true);
    // Between two packets of a lease when contended(): the client pays for the last ones. True
    // when it is the turn of somebody whom this slot would serve: the lease is to be released.
    // Then the client waits already if there is a `next`, which it is to acquire() or cancel().
    bool must_yield(SlotClient &client, uint32_t slot, const Use &use,
                    const std::shared_ptr<LoadedProgram> &next, uint32_t unit, uint64_t backlog);
    void cancel(SlotClient &client); // waits no more, expects nothing
    // Set while somebody waits for a slot.
    bool contended() const { return waiting_.load(std::memory_order_relaxed) != 0; }

    using UnitOf = std::pair<std::shared_ptr<LoadedProgram>, uint32_t>;
    bool looks_ahead() const { return arbiter_.policy().looks_ahead(); }
    // What the client's ring shows that it will want: spared, and loaded where there is room.
    // At most four count. `model_ns`: the client's time on the model's clock.
    void look_ahead(SlotClient &client, std::span<const UnitOf> units, uint64_t model_ns);

    // 0 or -errno. A prefetch is a hint: 0 when nothing can be done.
    int prefetch(const std::shared_ptr<LoadedProgram> &program, uint32_t unit, uint64_t model_ns);
    int pin(const std::shared_ptr<LoadedProgram> &program, uint32_t unit, uint32_t quota_left);
    int unpin(const std::shared_ptr<LoadedProgram> &program, uint32_t unit);
    // Evicts what a program owns alone, when it is unloaded or its client is gone.
    void forget(LoadedProgram &program);
    // Ends its pins, too. -ENOENT, -EACCES (of other address spaces), -EBUSY (a lease), -EIO
    // (it can't be blanked).
    int reset_slot(uint32_t slot, uint32_t asid, bool privileged);
    void reset_all();

    bool keeps_cells() const { return cells_ != nullptr; }
    bool can_ever_hold(const Unit &unit) const;
    std::string why_not(const Unit &unit) const; // of one for which that is false
    uint32_t slots() const { return uint32_t(slots_.size()); }
    uint32_t resident_slot(const LoadedProgram &program, uint32_t unit) const; // ~0: none
    uint64_t loads(const LoadedProgram &program, uint32_t unit) const;
    bool pinned(const LoadedProgram &program, uint32_t unit) const;
    uint32_t pinned_units(const LoadedProgram &program) const;
    // The name of what is resident is told to the address space it belongs to.
    drm_acc_slot slot_state(uint32_t slot, uint32_t asid) const;
    // -ENOENT past the oldest that is kept. asid 0 may see everything.
    int trace(uint32_t index, uint32_t asid, drm_acc_trace &out) const;
    uint64_t total_loads() const { return total_loads_.load(std::memory_order_relaxed); }
    uint64_t total_evictions() const { return evictions_.load(std::memory_order_relaxed); }
    uint64_t total_load_ns() const { return load_ns_.load(std::memory_order_relaxed); }
    uint64_t total_load_pj() const { return load_pj_.load(std::memory_order_relaxed); }

    void inject_load_error(uint32_t count) { fail_loads_.fetch_add(count); }
    int inject_slot_fault(uint32_t slot);

private:
    struct Slot {
        SlotInfo info;
        uint32_t state = DRM_ACC_SLOT_EMPTY;
        std::shared_ptr<LoadedProgram> program; // of the resident unit
        uint32_t unit = 0;
        std::vector<std::pair<LoadedProgram *, uint32_t>> pins; // until forget() or unpin()
        uint64_t loads = 0, dispatches = 0, busy_ns = 0, load_ns = 0;
        uint64_t ready_ns = 0; // with pace=real: when its load is over
        bool fault_pending = false;
        bool kept = false; // the store has what is in the cells
    };
    using Lock = std::unique_lock<std::mutex>;
    using Choice = policy::Arbiter::Choice;

    static bool same_unit(const LoadedProgram &a, uint32_t unit_a, const LoadedProgram &b,
                          uint32_t unit_b);
    static void fill(Want &want, const std::shared_ptr<const LoadedProgram> &program,
                     uint32_t unit);
    bool has_twin(const Slot &slot) const;
    bool fits(const Slot &slot, const Unit &unit) const;
    bool holds(const Slot &slot, const LoadedProgram &program, uint32_t unit) const;
    uint32_t number(const Slot &slot) const { return uint32_t(&slot - slots_.data()); }

    // policy::Facts
    bool holds(const policy::Request &request, uint32_t slot) const override;
    bool fits(const policy::Request &request, uint32_t slot) const override;
    bool may_evict(const policy::Request &request, uint32_t slot) const override;

    // Turns: residency.cc.
    void wait(SlotClient &client, const std::shared_ptr<LoadedProgram> &program, uint32_t unit);
    void stop_waiting(SlotClient &client);
    void charge(SlotClient &client, const Use &use);
    void wake_waiters();
    bool taken_by_waiter() const;

    // What happens to a slot: residency_slot.cc.
    void go(Slot &slot, uint32_t state);
    void sync(Slot &slot); // tells the arbiter
    void vacate(Slot &slot);
    // 0 or -errno. `model_ns`: when it begins on the model's clock; null: with the dispatch.
    int load_into(Lock &lock, Slot &slot, const Want &want,
                  const std::shared_ptr<LoadedProgram> &program, const uint64_t *model_ns);
    int configure(Lock &lock, Slot &slot, const LoadedProgram &program, uint32_t unit);
    void count_load(Slot &slot, LoadedProgram &program, uint32_t unit, const uint64_t *model_ns);
    void recover(Lock &lock, Slot &slot, uint32_t reason, bool reload);
    int blank(Slot &slot, uint32_t reason, uint32_t asid);
    void end_pins(Slot &slot);
    void fail(Slot &slot);
    void tell(uint32_t kind, policy::Reason reason, const Slot *slot, const Want *want,
              const Choice *choice = nullptr);
    TraceLog::Entry &tell_slot(uint32_t kind, uint32_t reason, const Slot &slot);

    // Of slots whose cells are kept: residency_cells.cc.
    void restore_cells();
    bool must_keep(const Slot &slot, const LoadedProgram &program) const;
    int keep(uint32_t slot, const LoadedProgram &program, uint32_t unit);
    int take_over(Lock &lock, Slot &slot, const std::shared_ptr<LoadedProgram> &program,
                  uint32_t unit);
    void orphan(Slot &slot);
    void erase_cells(Slot &slot);

    Engine &engine_;
    const ResidencyOptions options_;
    ModelClock &clock_;
    const std::unique_ptr<CellStore> cells_; // null: nothing is kept
    mutable std::mutex mutex_;
    std::vector<Slot> slots_;
    policy::Arbiter arbiter_;
    TraceLog trace_;
    uint64_t port_free_ns_ = 0; // with pace=real
    std::atomic<uint32_t> waiting_{0};
    std::atomic<uint64_t> total_loads_{0}, evictions_{0}, load_ns_{0}, load_pj_{0};
    std::atomic<uint32_t> fail_loads_{0};
};

} // namespace acc::emu
