// SPDX-License-Identifier: MIT
#include "emulator/placement.h"

#include <algorithm>
#include <hwloc.h>

namespace acc::emu
{

namespace
{

// Loaded once: discovering the machine takes milliseconds and its shape does not change.
class Machine
{
public:
    Machine()
    {
        if (hwloc_topology_init(&topology_)) return;
        if (hwloc_topology_load(topology_)) {
            hwloc_topology_destroy(topology_);
            return;
        }
        hwloc_bitmap_t bound = hwloc_bitmap_alloc();
        hwloc_const_bitmap_t all = hwloc_topology_get_allowed_cpuset(topology_);
        if (!bound || !all) return;
        if (hwloc_get_cpubind(topology_, bound, HWLOC_CPUBIND_PROCESS) == 0) {
            const int weight = hwloc_bitmap_weight(bound);
            if (weight > 0) processors_ = unsigned(weight);
            const int packages = hwloc_get_nbobjs_by_type(topology_, HWLOC_OBJ_PACKAGE);
            if (packages > 1 && hwloc_bitmap_isequal(bound, all)) {
                hwloc_obj_t package = hwloc_get_obj_by_type(topology_, HWLOC_OBJ_PACKAGE, 0);
                if (package) package_ = hwloc_bitmap_dup(package->cpuset);
            }
        }
        hwloc_bitmap_free(bound);
        ready_ = true;
    }
    // Never destroyed: a worker may still run while the process exits.

    unsigned processors() const { return processors_; }
    void place() const
    {
        if (ready_ && package_) hwloc_set_cpubind(topology_, package_, HWLOC_CPUBIND_THREAD);
    }

private:
    hwloc_topology_t topology_ = nullptr;
    hwloc_bitmap_t package_ = nullptr;
    unsigned processors_ = 1;
    bool ready_ = false;
};

const Machine &machine()
{
    static const Machine *const instance = new Machine;
    return *instance;
}

} // namespace

unsigned usable_processors()
{
    return std::max(1u, machine().processors());
}

void place_worker_thread()
{
    machine().place();
}

} // namespace acc::emu
