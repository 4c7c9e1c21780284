// SPDX-License-Identifier: MIT
//
// What hsa_ext_amd.h asks of agents. Attributes of a GPU's inside that nothing here has
// are 0.
#include "agents.h"

#include <hsa/hsa_ext_image.h>

#include <cstdio>
#include <cstring>

namespace acc::hsa
{
namespace
{

constexpr size_t product_bytes = 64, uuid_bytes = 21;

// "DSP-" and 16 hexadecimal digits of what the device says of itself; "CPU-XX" for the host.
std::string uuid_of(const Agent &agent)
{
    if (agent.is_host()) return "CPU-XX";
    char text[uuid_bytes] = {};
    uint64_t number = 0;
    std::memcpy(&number, agent.node->info.uuid, sizeof number);
    const char *const kind = agent.node->as_gpu ? "GPU" : "DSP";
    if (!number) return std::string(kind) + "-XX";
    std::snprintf(text, sizeof text, "%s-%016llx", kind, static_cast<unsigned long long>(number));
    return text;
}

// How many numbers a limit of images has; 0: it is none.
size_t image_limits(int attribute)
{
    switch (attribute) {
    case HSA_EXT_AGENT_INFO_IMAGE_1D_MAX_ELEMENTS:
    case HSA_EXT_AGENT_INFO_IMAGE_1DA_MAX_ELEMENTS:
    case HSA_EXT_AGENT_INFO_IMAGE_1DB_MAX_ELEMENTS:
    case HSA_EXT_AGENT_INFO_IMAGE_ARRAY_MAX_LAYERS:
    case HSA_EXT_AGENT_INFO_MAX_IMAGE_RD_HANDLES:
    case HSA_EXT_AGENT_INFO_MAX_IMAGE_RORW_HANDLES:
    case HSA_EXT_AGENT_INFO_MAX_SAMPLER_HANDLERS:
        return 1;
    case HSA_EXT_AGENT_INFO_IMAGE_2D_MAX_ELEMENTS:
    case HSA_EXT_AGENT_INFO_IMAGE_2DA_MAX_ELEMENTS:
    case HSA_EXT_AGENT_INFO_IMAGE_2DDEPTH_MAX_ELEMENTS:
    case HSA_EXT_AGENT_INFO_IMAGE_2DADEPTH_MAX_ELEMENTS:
        return 2;
    case HSA_EXT_AGENT_INFO_IMAGE_3D_MAX_ELEMENTS:
        return 3;
    default:
        return 0;
    }
}

} // namespace

hsa_status_t agent_info_amd(Runtime &runtime, const Agent &agent, int attribute, void *value)
{
    const acc_topology_info &host = runtime.agents().topology();
    switch (attribute) {
    case HSA_AMD_AGENT_INFO_CHIP_ID:
        put(value, agent.is_host() ? 0 : agent.node->info.device_id);
        break;
    case HSA_AMD_AGENT_INFO_CACHELINE_SIZE:
        put(value, host.cache_line);
        break;
    case HSA_AMD_AGENT_INFO_COMPUTE_UNIT_COUNT:
        // Slots: what computes at the same time.
        put(value, agent.is_host() ? host.processing_units : agent.node->info.slots);
        break;
    case HSA_AMD_AGENT_INFO_MAX_CLOCK_FREQUENCY:
        put(value, agent.clock_mhz);
        break;
    case HSA_AMD_AGENT_INFO_DRIVER_NODE_ID:
        put(value, agent.index);
        break;
    case HSA_AMD_AGENT_INFO_PRODUCT_NAME:
        put_text(value, product_bytes, agent.product);
        break;
    case HSA_AMD_AGENT_INFO_UUID:
        put_text(value, uuid_bytes, uuid_of(agent));
        break;
    case HSA_AMD_AGENT_INFO_MAX_WAVES_PER_CU:
        put(value, uint32_t(agent.is_host() ? 0 : 1));
        break;
    case HSA_AMD_AGENT_INFO_HDP_FLUSH:
        put(value, hsa_amd_hdp_flush_t{nullptr, nullptr}); // coherent: nothing to flush
        break;
    case HSA_AMD_AGENT_INFO_COOPERATIVE_QUEUES:
        put(value, false);
        break;
    case HSA_AMD_AGENT_INFO_SVM_DIRECT_HOST_ACCESS:
        put(value, true);
        break;
    case HSA_AMD_AGENT_INFO_MAX_ADDRESS_WATCH_POINTS:
    case HSA_AMD_AGENT_INFO_BDFID:
    case HSA_AMD_AGENT_INFO_MEMORY_WIDTH:
    case HSA_AMD_AGENT_INFO_MEMORY_MAX_FREQUENCY:
    case HSA_AMD_AGENT_INFO_NUM_SIMDS_PER_CU:
    case HSA_AMD_AGENT_INFO_NUM_SHADER_ENGINES:
    case HSA_AMD_AGENT_INFO_NUM_SHADER_ARRAYS_PER_SE:
    case HSA_AMD_AGENT_INFO_DOMAIN:
    case HSA_AMD_AGENT_INFO_ASIC_REVISION:
    case HSA_AMD_AGENT_INFO_COOPERATIVE_COMPUTE_UNIT_COUNT:
        put(value, uint32_t(0));
        break;
    default:
        if (!image_limits(attribute)) return HSA_STATUS_ERROR_INVALID_ARGUMENT;
        std::memset(value, 0, image_limits(attribute) * sizeof(uint32_t)); // there are none
        break;
    }
    return HSA_STATUS_SUCCESS;
}

} // namespace acc::hsa
