// SPDX-License-Identifier: MIT
//
// What is loaded where: slots, units and who waits for one. One mechanism for an FPGA's
// regions and a crossbar's tile groups.
//
//   EMPTY --load--> LOADING --ok--> READY --lease--> BUSY --release--> READY
//                      |                               |
//                      +--error--> EMPTY               +--injected--> FAULT --reset--> EMPTY
//
// Whose turn it is: the highest priority; in it the client that has had least of the slots
// for its weight, then who waits longest. What a client has had is its virtual time, as in
// the scheduler: real time of its dispatches and loads in slots, times default weight /
// weight; modelled time is in it where it delays real time (pace=real). Of a lease that
// nobody else wanted only the last dispatch counts.
// Who has been passed over `patience` times goes first, so that nobody waits for ever
// whatever the weights are.
//
// Thread safety: every call may be made from any thread. Loading happens inside
// acquire(), on the caller's thread, outside the lock.
#pragma once

#include "emulator/cell_store.h"
#include "emulator/engine.h"

#include "acc/regs.h"

#include <drm/acc_drm.h>

#include <atomic>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

namespace acc::emu
{

// A parsed program of one address space.
struct LoadedProgram {
    uint32_t asid = 0;
    uint32_t id = 0;
    uint64_t base = 0; // first kernel object
    std::unique_ptr<EngineProgram> engine;
    std::vector<uint64_t> loads; // per unit, under the residency lock
    std::vector<uint32_t> pins;  // per unit, ditto
    bool unloaded = false;       // nobody's any more, ditto
    bool persistent = false;     // what it loads is to be kept
    bool orphan = false;         // unloaded, but its cells may be taken over; ditto
};

// What a client has had of the slots, by priority; under the residency manager's lock.
struct SlotShare {
    uint32_t weight = ACC_WEIGHT_DEFAULT;
    uint64_t virtual_ns[DRM_ACC_PRIORITY_HIGH + 1] = {};
};

// Who asks for a slot, and how it is told that asking again may succeed.
class SlotClient
{
public:
    virtual ~SlotClient() = default;
    // Called under the residency manager's lock: may take the scheduler's, nothing else.
    virtual void slot_available() = 0;
    uint32_t slot_priority = DRM_ACC_PRIORITY_NORMAL;
    SlotShare *slot_share = nullptr; // shared by a client's queues; outlives them

private:
    friend class Residency;
    uint64_t ticket_ = 0;                        // 0: does not wait
    uint64_t turns_at_ = 0;                      // turns of its priority when it began to wait
    std::shared_ptr<const LoadedProgram> wants_; // kept: it may be unloaded meanwhile
    uint32_t wants_unit_ = 0;
};

class Residency
{
public:
    // Evicting what another address space owns may be forbidden (conductances wear).
    // With `cells`, of a non-volatile engine, slots come up with what is kept there.
    Residency(Engine &engine, bool evict_foreign, std::unique_ptr<CellStore> cells = nullptr);

    enum class Outcome {
        Granted,
        Wait,   // told by slot_available() later
        NoSlot, // every slot that fits is pinned, faulted or foreign
        LoadError,
    };
    struct Grant {
        Outcome outcome = Outcome::Wait;
        uint32_t slot = 0;
        uint64_t load_ns = 0; // modelled, 0 if it was resident
        uint64_t load_pj = 0;
    };
    // A lease on a slot in which the unit is resident, loading it there if need be.
    Grant acquire(SlotClient &client, const std::shared_ptr<LoadedProgram> &program, uint32_t unit);
    // `last_ns`: of busy_ns, the last dispatch if the client has not paid for it yet. Before
    // it nobody waited.
    void release(SlotClient &client, uint32_t slot, uint64_t busy_ns, uint64_t dispatches,
                 uint64_t last_ns);
    // Between two packets of a lease when contended(): the client pays for the last one. True
    // when it is the turn of somebody whom this slot would serve: the lease is to be released.
    // Then the client waits already if there is a `next`, which it is to acquire() or cancel().
    bool must_yield(SlotClient &client, uint32_t slot, uint64_t last_ns,
                    const std::shared_ptr<LoadedProgram> &next, uint32_t unit);
    void cancel(SlotClient &client); // waits no more
    // Set while somebody waits for a slot.
    bool contended() const { return waiting_.load(std::memory_order_relaxed) != 0; }

    // 0 or -errno. A prefetch is a hint: 0 when nothing can be done.
    int prefetch(const std::shared_ptr<LoadedProgram> &program, uint32_t unit);
    int pin(const std::shared_ptr<LoadedProgram> &program, uint32_t unit, uint32_t quota_left);
    int unpin(const std::shared_ptr<LoadedProgram> &program, uint32_t unit);
    // Evicts what a program owns alone, when it is unloaded or its client is gone.
    void forget(LoadedProgram &program);
    // Ends its pins, too. -ENOENT, -EACCES (of other address spaces), -EBUSY (a lease).
    int reset_slot(uint32_t slot, uint32_t asid, bool privileged);
    void reset_all();

    bool keeps_cells() const { return cells_ != nullptr; }
    bool can_ever_hold(const Unit &unit) const;
    uint32_t slots() const { return uint32_t(slots_.size()); }
    uint32_t resident_slot(const LoadedProgram &program, uint32_t unit) const; // ~0: none
    uint64_t loads(const LoadedProgram &program, uint32_t unit) const;
    bool pinned(const LoadedProgram &program, uint32_t unit) const;
    uint32_t pinned_units(const LoadedProgram &program) const;
    // The name of what is resident is told to the address space it belongs to.
    drm_acc_slot slot_state(uint32_t slot, uint32_t asid) const;
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
        uint64_t last_use = 0;
        uint64_t loads = 0, dispatches = 0, busy_ns = 0, load_ns = 0;
        bool fault_pending = false;
        bool kept = false; // the store has what is in the cells
    };

    static bool same_unit(const LoadedProgram &a, uint32_t unit_a, const LoadedProgram &b,
                          uint32_t unit_b);
    bool fits(const Slot &slot, const Unit &unit) const;
    bool evictable(const Slot &slot, const LoadedProgram &for_program) const;
    bool has_twin(const Slot &slot) const;
    Slot *choose(const LoadedProgram &program, uint32_t unit, bool &may_wait);
    bool before(const SlotClient &a, const SlotClient &b) const;
    bool behind_others(const SlotClient &client);
    void enter(SlotClient &client);
    void take_turn(const SlotClient &client);
    void charge(SlotClient &client, uint64_t ns);
    int load_into(std::unique_lock<std::mutex> &lock, Slot &slot,
                  const std::shared_ptr<LoadedProgram> &program, uint32_t unit);
    void wait(SlotClient &client, const std::shared_ptr<LoadedProgram> &program, uint32_t unit);
    void stop_waiting(SlotClient &client);
    void wake_waiters();
    void end_pins(Slot &slot);
    void fail(Slot &slot);

    // Of slots whose cells are kept: residency_cells.cc.
    void restore_cells();
    bool must_keep(const Slot &slot, const LoadedProgram &program) const;
    int keep(uint32_t slot, const LoadedProgram &program, uint32_t unit);
    int take_over(std::unique_lock<std::mutex> &lock, Slot &slot,
                  const std::shared_ptr<LoadedProgram> &program, uint32_t unit);
    void orphan(Slot &slot);
    void erase_cells(Slot &slot);

    Engine &engine_;
    const bool evict_foreign_;
    const std::unique_ptr<CellStore> cells_; // null: nothing is kept
    mutable std::mutex mutex_;
    std::vector<Slot> slots_;
    std::vector<SlotClient *> waiters_;
    std::atomic<uint32_t> waiting_{0};
    uint64_t tickets_ = 0;
    struct {
        uint64_t virtual_now = 0; // of the client that was served last; never goes back
        uint64_t turns = 0;
    } priorities_[DRM_ACC_PRIORITY_HIGH + 1];
    uint64_t uses_ = 0;
    std::atomic<uint64_t> total_loads_{0}, evictions_{0}, load_ns_{0}, load_pj_{0};
    std::atomic<uint32_t> fail_loads_{0};
};

} // namespace acc::emu
