// SPDX-License-Identifier: MIT
//
// What is known of a pointer, and who wants to hear when its memory goes.
#include "memory.h"

#include <algorithm>
#include <cstring>

namespace acc::hsa
{
namespace
{

// The host reaches everything but is not named for locked memory, which is its own.
std::vector<hsa_agent_t> agents_of(Runtime &runtime, const Allocation &block)
{
    std::vector<hsa_agent_t> agents;
    if (block.type != HSA_EXT_POINTER_TYPE_LOCKED)
        agents.push_back(runtime.agents().host().handle());
    for (const Agent *agent : block.agents)
        agents.push_back(agent->handle());
    return agents;
}

} // namespace
} // namespace acc::hsa

using namespace acc::hsa;

extern "C" {

hsa_status_t hsa_amd_pointer_info(const void *ptr, hsa_amd_pointer_info_t *info,
                                  void *(*alloc)(size_t), uint32_t *num_agents_accessible,
                                  hsa_agent_t **accessible)
{
    return with_runtime([&](Runtime &runtime) {
        if (!ptr || !info || info->size < sizeof info->size)
            return HSA_STATUS_ERROR_INVALID_ARGUMENT;
        hsa_amd_pointer_info_t out = {};
        out.type = HSA_EXT_POINTER_TYPE_UNKNOWN;
        std::vector<hsa_agent_t> agents;
        runtime.memory().visit(ptr, [&](Allocation &block) {
            out.type = block.type;
            out.agentBaseAddress = block.base;
            out.hostBaseAddress = block.host_base ? block.host_base : block.base;
            out.sizeInBytes = block.bytes;
            out.userData = block.user_data;
            out.agentOwner = block.region->owner->handle();
            out.global_flags = block.region->flags;
            agents = agents_of(runtime, block);
        });
        out.size = uint32_t(std::min<size_t>(info->size, sizeof out));
        std::memcpy(info, &out, out.size);
        if (!alloc || !num_agents_accessible || !accessible) return HSA_STATUS_SUCCESS;
        *num_agents_accessible = uint32_t(agents.size());
        *accessible = nullptr;
        if (agents.empty()) return HSA_STATUS_SUCCESS;
        *accessible = static_cast<hsa_agent_t *>(alloc(agents.size() * sizeof(hsa_agent_t)));
        if (!*accessible) return HSA_STATUS_ERROR_OUT_OF_RESOURCES;
        std::ranges::copy(agents, *accessible);
        return HSA_STATUS_SUCCESS;
    });
}

hsa_status_t hsa_amd_pointer_info_set_userdata(const void *ptr, void *userdata)
{
    return with_runtime([&](Runtime &runtime) {
        bool begins = false;
        runtime.memory().visit(ptr, [&](Allocation &block) {
            begins = block.base == ptr || (block.host_base && block.host_base == ptr);
            if (begins) block.user_data = userdata;
        });
        return begins ? HSA_STATUS_SUCCESS : HSA_STATUS_ERROR_INVALID_ARGUMENT;
    });
}

hsa_status_t hsa_amd_register_deallocation_callback(void *ptr,
                                                    hsa_amd_deallocation_callback_t callback,
                                                    void *user_data)
{
    return with_runtime([&](Runtime &runtime) {
        if (!ptr || !callback) return HSA_STATUS_ERROR_INVALID_ARGUMENT;
        const bool known = runtime.memory().visit(ptr, [&](Allocation &block) {
            block.on_free.push_back({ptr, callback, user_data});
        });
        return known ? HSA_STATUS_SUCCESS : HSA_STATUS_ERROR_INVALID_ALLOCATION;
    });
}

hsa_status_t hsa_amd_deregister_deallocation_callback(void *ptr,
                                                      hsa_amd_deallocation_callback_t callback)
{
    return with_runtime([&](Runtime &runtime) {
        bool removed = false;
        runtime.memory().visit(ptr, [&](Allocation &block) {
            const auto found = std::ranges::find_if(block.on_free, [&](const auto &told) {
                return told.pointer == ptr && told.callback == callback;
            });
            removed = found != block.on_free.end();
            if (removed) block.on_free.erase(found);
        });
        return removed ? HSA_STATUS_SUCCESS : HSA_STATUS_ERROR_INVALID_ARGUMENT;
    });
}

} // extern "C"
