// SPDX-License-Identifier: MIT
//
// Memory pools: the regions under AMD's name, and who may access a block.
#include "memory.h"

#include <algorithm>

namespace acc::hsa
{
namespace
{

// A pool is associated with its owner alone; a region, with whoever can use it.
bool is_pool(const Region &region)
{
    return region.segment == HSA_REGION_SEGMENT_GLOBAL ||
           region.segment == HSA_REGION_SEGMENT_GROUP;
}

const Region *find_pool(Runtime &runtime, hsa_amd_memory_pool_t pool)
{
    const Region *const region = runtime.memory().find_region(pool.handle);
    return region && is_pool(*region) ? region : nullptr;
}

hsa_amd_memory_pool_access_t access_of(const Agent &agent, const Region &pool)
{
    if (pool.segment != HSA_REGION_SEGMENT_GLOBAL)
        return pool.owner == &agent ? HSA_AMD_MEMORY_POOL_ACCESS_ALLOWED_BY_DEFAULT
                                    : HSA_AMD_MEMORY_POOL_ACCESS_NEVER_ALLOWED;
    if (pool.is_system() || agent.is_host() || pool.owner == &agent)
        return HSA_AMD_MEMORY_POOL_ACCESS_ALLOWED_BY_DEFAULT;
    return HSA_AMD_MEMORY_POOL_ACCESS_DISALLOWED_BY_DEFAULT;
}

} // namespace
} // namespace acc::hsa

using namespace acc::hsa;

extern "C" {

hsa_status_t hsa_amd_memory_pool_get_info(hsa_amd_memory_pool_t memory_pool,
                                          hsa_amd_memory_pool_info_t attribute, void *value)
{
    return with_runtime([&](Runtime &runtime) {
        const Region *const pool = find_pool(runtime, memory_pool);
        if (!pool) return hsa_status_t(HSA_STATUS_ERROR_INVALID_MEMORY_POOL);
        if (!value) return HSA_STATUS_ERROR_INVALID_ARGUMENT;
        switch (int(attribute)) {
        case HSA_AMD_MEMORY_POOL_INFO_SEGMENT:
            put(value, hsa_amd_segment_t(pool->segment)); // the same numbers
            break;
        case HSA_AMD_MEMORY_POOL_INFO_GLOBAL_FLAGS:
            put(value, pool->flags);
            break;
        case HSA_AMD_MEMORY_POOL_INFO_SIZE:
            put(value, pool->bytes);
            break;
        case HSA_AMD_MEMORY_POOL_INFO_RUNTIME_ALLOC_ALLOWED:
            put(value, pool->allocates);
            break;
        case HSA_AMD_MEMORY_POOL_INFO_RUNTIME_ALLOC_GRANULE:
        case HSA_AMD_MEMORY_POOL_INFO_RUNTIME_ALLOC_ALIGNMENT:
            put(value, size_t(pool->allocates ? page_bytes : 0));
            break;
        case HSA_AMD_MEMORY_POOL_INFO_ACCESSIBLE_BY_ALL:
            put(value, pool->segment == HSA_REGION_SEGMENT_GLOBAL);
            break;
        case HSA_AMD_MEMORY_POOL_INFO_ALLOC_MAX_SIZE:
            put(value, pool->max_bytes);
            break;
        default:
            return HSA_STATUS_ERROR_INVALID_ARGUMENT;
        }
        return HSA_STATUS_SUCCESS;
    });
}

hsa_status_t hsa_amd_agent_iterate_memory_pools(
    hsa_agent_t agent, hsa_status_t (*callback)(hsa_amd_memory_pool_t memory_pool, void *data),
    void *data)
{
    return with_runtime([&](Runtime &runtime) {
        const Agent *const found = runtime.agents().find(agent);
        if (!found) return HSA_STATUS_ERROR_INVALID_AGENT;
        if (!callback) return HSA_STATUS_ERROR_INVALID_ARGUMENT;
        for (const auto &region : runtime.memory().regions())
            if (region->owner == found && is_pool(*region))
                HSA_TRY(callback(hsa_amd_memory_pool_t{region->handle()}, data));
        return HSA_STATUS_SUCCESS;
    });
}

hsa_status_t hsa_amd_memory_pool_allocate(hsa_amd_memory_pool_t memory_pool, size_t size,
                                          uint32_t flags, void **ptr)
{
    return with_runtime([&](Runtime &runtime) {
        if (!ptr || !size || flags) return HSA_STATUS_ERROR_INVALID_ARGUMENT;
        const Region *const pool = find_pool(runtime, memory_pool);
        if (!pool) return hsa_status_t(HSA_STATUS_ERROR_INVALID_MEMORY_POOL);
        if (!pool->allocates || size > pool->max_bytes) return HSA_STATUS_ERROR_INVALID_ALLOCATION;
        return runtime.memory().allocate(*pool, size, ptr);
    });
}

hsa_status_t hsa_amd_memory_pool_free(void *ptr)
{
    return hsa_memory_free(ptr);
}

hsa_status_t hsa_amd_agent_memory_pool_get_info(hsa_agent_t agent,
                                                hsa_amd_memory_pool_t memory_pool,
                                                hsa_amd_agent_memory_pool_info_t attribute,
                                                void *value)
{
    return with_runtime([&](Runtime &runtime) {
        const Agent *const found = runtime.agents().find(agent);
        if (!found) return HSA_STATUS_ERROR_INVALID_AGENT;
        const Region *const pool = find_pool(runtime, memory_pool);
        if (!pool) return hsa_status_t(HSA_STATUS_ERROR_INVALID_MEMORY_POOL);
        if (!value) return HSA_STATUS_ERROR_INVALID_ARGUMENT;
        const hsa_amd_memory_pool_access_t access = access_of(*found, *pool);
        const bool hops =
            pool->owner != found && access != HSA_AMD_MEMORY_POOL_ACCESS_NEVER_ALLOWED;
        switch (int(attribute)) {
        case HSA_AMD_AGENT_MEMORY_POOL_INFO_ACCESS:
            put(value, access);
            break;
        case HSA_AMD_AGENT_MEMORY_POOL_INFO_NUM_LINK_HOPS:
            put(value, uint32_t(hops ? 1 : 0));
            break;
        case HSA_AMD_AGENT_MEMORY_POOL_INFO_LINK_INFO:
            if (hops) {
                hsa_amd_memory_pool_link_info_t link = {}; // latencies and rates: not known
                link.atomic_support_32bit = link.atomic_support_64bit = true;
                link.coherent_support = true;
                link.link_type = HSA_AMD_LINK_INFO_TYPE_PCIE;
                put(value, link);
            }
            break;
        default:
            return HSA_STATUS_ERROR_INVALID_ARGUMENT;
        }
        return HSA_STATUS_SUCCESS;
    });
}

hsa_status_t hsa_amd_agents_allow_access(uint32_t num_agents, const hsa_agent_t *agents,
                                         const uint32_t *flags, const void *ptr)
{
    return with_runtime([&](Runtime &runtime) {
        if (!num_agents || !agents || flags || !ptr) return HSA_STATUS_ERROR_INVALID_ARGUMENT;
        std::vector<const Agent *> wanted;
        for (uint32_t i = 0; i < num_agents; i++) {
            wanted.push_back(runtime.agents().find(agents[i]));
            if (!wanted.back()) return HSA_STATUS_ERROR_INVALID_AGENT;
        }
        return runtime.memory().set_access(wanted, ptr);
    });
}

hsa_status_t hsa_amd_memory_pool_can_migrate(hsa_amd_memory_pool_t src_memory_pool,
                                             hsa_amd_memory_pool_t dst_memory_pool, bool *result)
{
    return with_runtime([&](Runtime &runtime) {
        if (!find_pool(runtime, src_memory_pool) || !find_pool(runtime, dst_memory_pool))
            return hsa_status_t(HSA_STATUS_ERROR_INVALID_MEMORY_POOL);
        if (!result) return HSA_STATUS_ERROR_INVALID_ARGUMENT;
        *result = false; // a buffer stays on the device it was made on
        return HSA_STATUS_SUCCESS;
    });
}

hsa_status_t hsa_amd_memory_migrate(const void *, hsa_amd_memory_pool_t memory_pool, uint32_t flags)
{
    return with_runtime([&](Runtime &runtime) {
        if (!find_pool(runtime, memory_pool))
            return hsa_status_t(HSA_STATUS_ERROR_INVALID_MEMORY_POOL);
        if (flags) return HSA_STATUS_ERROR_INVALID_ARGUMENT;
        return HSA_STATUS_ERROR_OUT_OF_RESOURCES; // see hsa_amd_memory_pool_can_migrate()
    });
}

} // extern "C"
