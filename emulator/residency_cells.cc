// SPDX-License-Identifier: MIT
//
// Slots whose cells keep what they hold. Kept is what a persistent program loaded, until
// something else is loaded there, or the slot is reset or fails. When the program ends, or the
// device, the cells are nobody's: an orphan, which is evicted before all others, and taken over
// without a load by the first program that wants the same in its cells.
#include "emulator/residency.h"

#include <cstring>

namespace acc::emu
{

namespace
{

// Stands for the program of cells that are nobody's.
std::shared_ptr<LoadedProgram> nobodys(const Unit &unit)
{
    auto program = std::make_shared<LoadedProgram>();
    program->unloaded = program->orphan = true;
    program->engine = std::make_unique<EngineProgram>();
    program->engine->units.push_back(unit);
    program->loads.resize(1);
    program->pins.resize(1);
    return program;
}

} // namespace

// Once, before anybody else is here.
void Residency::restore_cells()
{
    if (!cells_) return;
    for (const CellStore::Kept &kept : cells_->read_all(slots())) {
        Slot &slot = slots_[kept.slot];
        std::string why;
        auto unit = engine_.restore(kept.slot, kept.state, why);
        if (unit && !fits(slot, *unit))
            why = "expected a capacity of at most " + std::to_string(slot.info.capacity) +
                  "; found " + std::to_string(unit->capacity);
        else if (unit && std::memcmp(unit->cells, kept.cells, sizeof kept.cells) != 0)
            why = "its cells are not those of the unit that it names";
        if (!unit || !why.empty()) {
            if (unit) engine_.unload(kept.slot);
            if (unit || unit.error() == -EINVAL) cells_->set_aside(kept.slot, why);
            continue;
        }
        unit->name = kept.unit;
        slot.program = nobodys(*unit);
        slot.state = DRM_ACC_SLOT_READY; // it comes up so
        slot.kept = true;
        sync(slot);
    }
}

bool Residency::must_keep(const Slot &slot, const LoadedProgram &program) const
{
    return cells_ && program.persistent && !slot.kept;
}

// Without the lock; nobody else has the slot. 0 when it would survive anything.
int Residency::keep(uint32_t slot, const LoadedProgram &program, uint32_t unit)
{
    auto state = engine_.save(slot, *program.engine, unit);
    if (!state) return state.error();
    return cells_->save(slot, program.engine->units[unit], *state);
}

// The unit is resident, in a READY slot. It becomes this program's if its owner is gone, and
// is kept if this program wants that and its owner did not.
int Residency::take_over(Lock &lock, Slot &slot, const std::shared_ptr<LoadedProgram> &program,
                         uint32_t unit)
{
    if (slot.program->unloaded) {
        slot.program = program;
        slot.unit = unit;
        sync(slot);
    }
    if (!must_keep(slot, *program)) return 0;
    go(slot, DRM_ACC_SLOT_BUSY);
    lock.unlock();
    const int error = keep(number(slot), *program, unit);
    lock.lock();
    if (!slot.program) return -EIO; // the device was reset meanwhile
    go(slot, DRM_ACC_SLOT_READY);
    slot.kept = !error;
    return error;
}

void Residency::orphan(Slot &slot)
{
    slot.program = nobodys(slot.program->engine->units[slot.unit]);
    slot.unit = 0;
    slot.state = DRM_ACC_SLOT_READY; // also at a device reset, whatever it was
    sync(slot);
    arbiter_.slots[number(slot)].last_use = 0;
}

void Residency::erase_cells(Slot &slot)
{
    if (!std::exchange(slot.kept, false)) return;
    (void)cells_->erase(number(slot)); // has been logged
}

} // namespace acc::emu
