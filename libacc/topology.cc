// SPDX-License-Identifier: MIT
//
// The host, by hwloc.
#include "libacc/topology.h"

#include "libacc/error.h"

#ifdef ACC_HAVE_HWLOC

#include <hwloc.h>

#include <algorithm>
#include <cstring>
#include <memory>

namespace acc
{
namespace
{

struct TopologyEnd {
    void operator()(hwloc_topology_t topology) const { hwloc_topology_destroy(topology); }
};
using Topology = std::unique_ptr<std::remove_pointer_t<hwloc_topology_t>, TopologyEnd>;

uint32_t count(const Topology &topology, hwloc_obj_type_t type)
{
    return uint32_t(std::max(hwloc_get_nbobjs_by_type(topology.get(), type), 0));
}

} // namespace

Result<acc_topology_info> host_topology()
{
    hwloc_topology_t raw = nullptr;
    if (hwloc_topology_init(&raw)) return fail(-ENOMEM, "hwloc cannot make a topology");
    const Topology topology(raw);
    if (hwloc_topology_load(raw)) return fail(-EIO, "hwloc cannot read the host's topology");

    acc_topology_info info = {};
    info.packages = count(topology, HWLOC_OBJ_PACKAGE);
    info.numa_nodes = count(topology, HWLOC_OBJ_NUMANODE);
    info.cores = count(topology, HWLOC_OBJ_CORE);
    info.processing_units = count(topology, HWLOC_OBJ_PU);
    const hwloc_obj_t root = hwloc_get_root_obj(raw);
    info.memory_bytes = root->total_memory;
    info.cache_line = 64;
    if (const hwloc_obj_t cache = hwloc_get_obj_by_type(raw, HWLOC_OBJ_L1CACHE, 0);
        cache && cache->attr->cache.linesize)
        info.cache_line = cache->attr->cache.linesize;
    const char *name = nullptr;
    for (const hwloc_obj_t at : {hwloc_get_obj_by_type(raw, HWLOC_OBJ_PACKAGE, 0), root})
        if (at && !name) name = hwloc_obj_get_info_by_name(at, "CPUModel");
    if (name) std::strncpy(info.processor, name, sizeof info.processor - 1);
    return info;
}

} // namespace acc

#else

namespace acc
{

Result<acc_topology_info> host_topology()
{
    return fail(-ENOSYS, "this build has no hwloc to read the host's topology with");
}

} // namespace acc

#endif
