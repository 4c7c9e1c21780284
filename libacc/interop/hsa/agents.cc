// SPDX-License-Identifier: MIT
#include "agents.h"

#include <algorithm>
#include <cstring>
#include <fstream>

namespace acc::hsa
{
namespace
{

constexpr size_t name_bytes = 64;

// One line of a small file of the system, or nothing.
std::string line_of(const std::string &path)
{
    std::string line;
    std::ifstream file(path);
    std::getline(file, line);
    return line;
}

// The caches of the first processor, as the kernel lists them. None where it doesn't.
std::vector<std::unique_ptr<Cache>> host_caches()
{
    std::vector<std::unique_ptr<Cache>> caches;
    for (int i = 0; i < 16; i++) {
        const std::string folder =
            "/sys/devices/system/cpu/cpu0/cache/index" + std::to_string(i) + "/";
        const std::string level = line_of(folder + "level"), type = line_of(folder + "type");
        const std::string size = line_of(folder + "size"); // "32K"
        if (level.empty()) break;
        auto cache = std::make_unique<Cache>();
        cache->level = uint8_t(std::strtoul(level.c_str(), nullptr, 10));
        const uint64_t unit = size.ends_with('M') ? 1u << 20 : size.ends_with('K') ? 1u << 10 : 1;
        cache->bytes = uint32_t(
            std::min<uint64_t>(std::strtoull(size.c_str(), nullptr, 10) * unit, UINT32_MAX));
        cache->data = type != "Instruction";
        cache->name = "L" + level + (type.empty() ? "" : " " + type) + " cache";
        caches.push_back(std::move(cache));
    }
    std::ranges::stable_sort(caches, {}, [](const auto &cache) { return cache->level; });
    return caches;
}

// The highest frequency that the kernel tells of, else what the first processor runs at.
uint32_t host_clock_mhz()
{
    const std::string khz = line_of("/sys/devices/system/cpu/cpu0/cpufreq/cpuinfo_max_freq");
    if (!khz.empty()) return uint32_t(std::strtoull(khz.c_str(), nullptr, 10) / 1000);
    std::ifstream file("/proc/cpuinfo");
    for (std::string line; std::getline(file, line);)
        if (line.starts_with("cpu MHz"))
            if (const size_t colon = line.find(':'); colon != line.npos)
                return uint32_t(std::strtod(line.c_str() + colon + 1, nullptr));
    return 0;
}

} // namespace

void put_text(void *value, size_t room, const std::string &text)
{
    std::memset(value, 0, room);
    std::memcpy(value, text.data(), std::min(text.size(), room - 1));
}

hsa_device_type_t Agent::type() const
{
    if (is_host()) return HSA_DEVICE_TYPE_CPU;
    // HSA has no word for an accelerator; a processor for a special purpose comes nearest.
    return node->as_gpu ? HSA_DEVICE_TYPE_GPU : HSA_DEVICE_TYPE_DSP;
}

Agents::Agents(Runtime &runtime)
{
    topology_ = acc_init<acc_topology_info>();
    if (acc_topology_get(&topology_)) {
        log_line(ACC_LOG_WARN, acc_error_text());
        topology_ = acc_init<acc_topology_info>();
    }
    auto host = std::make_unique<Agent>();
    host->name = *topology_.processor ? topology_.processor : "host";
    host->product = host->name;
    host->vendor = "CPU";
    host->clock_mhz = host_clock_mhz();
    host->caches = host_caches();
    agents_.push_back(std::move(host));
    for (const auto &node : runtime.nodes()) {
        auto agent = std::make_unique<Agent>();
        agent->node = node.get();
        agent->isa = runtime.isas().of_engine(node->info.engine);
        agent->index = uint32_t(agents_.size());
        agent->name = std::string("acc-") + engine_name(node->info.engine);
        agent->product = node->info.name;
        agent->vendor = "ACC";
        agents_.push_back(std::move(agent));
    }
}

const Agent *Agents::find(hsa_agent_t handle) const
{
    for (const auto &agent : agents_)
        if (agent->handle().handle == handle.handle) return agent.get();
    return nullptr;
}

const Agent *Agents::of_node(const Node &node) const
{
    for (const auto &agent : agents_)
        if (agent->node == &node) return agent.get();
    return nullptr;
}

const Cache *Agents::find_cache(hsa_cache_t handle) const
{
    for (const auto &agent : agents_)
        for (const auto &cache : agent->caches)
            if (cache->handle().handle == handle.handle) return cache.get();
    return nullptr;
}

namespace
{

hsa_status_t agent_info(const Agent &agent, int attribute, void *value)
{
    const bool kernels = !agent.is_host();
    switch (attribute) {
    case HSA_AGENT_INFO_NAME:
        put_text(value, name_bytes, agent.name);
        break;
    case HSA_AGENT_INFO_VENDOR_NAME:
        put_text(value, name_bytes, agent.vendor);
        break;
    case HSA_AGENT_INFO_FEATURE:
        put(value, hsa_agent_feature_t(kernels ? HSA_AGENT_FEATURE_KERNEL_DISPATCH : 0));
        break;
    case HSA_AGENT_INFO_MACHINE_MODEL:
        put(value, HSA_MACHINE_MODEL_LARGE);
        break;
    case HSA_AGENT_INFO_PROFILE:
        put(value, kernels ? HSA_PROFILE_BASE : HSA_PROFILE_FULL);
        break;
    case HSA_AGENT_INFO_DEFAULT_FLOAT_ROUNDING_MODE:
        put(value, HSA_DEFAULT_FLOAT_ROUNDING_MODE_NEAR);
        break;
    case HSA_AGENT_INFO_BASE_PROFILE_DEFAULT_FLOAT_ROUNDING_MODES:
        put(value, uint32_t(0)); // the default's own bit is not set here
        break;
    case HSA_AGENT_INFO_FAST_F16_OPERATION:
        put(value, false);
        break;
    case HSA_AGENT_INFO_WAVEFRONT_SIZE:
        put(value, kernels ? wavefront_size : 0);
        break;
    case HSA_AGENT_INFO_WORKGROUP_MAX_DIM: {
        const uint16_t most = kernels ? workgroup_max : 0;
        const uint16_t dims[3] = {most, most, most};
        std::memcpy(value, dims, sizeof dims);
        break;
    }
    case HSA_AGENT_INFO_WORKGROUP_MAX_SIZE:
        put(value, uint32_t(kernels ? workgroup_max : 0));
        break;
    case HSA_AGENT_INFO_GRID_MAX_DIM: {
        const uint32_t most = kernels ? grid_max : 0;
        put(value, hsa_dim3_t{most, most, most});
        break;
    }
    case HSA_AGENT_INFO_GRID_MAX_SIZE:
        put(value, kernels ? grid_max : 0);
        break;
    case HSA_AGENT_INFO_FBARRIER_MAX_SIZE:
        put(value, kernels ? fbarrier_max : 0);
        break;
    case HSA_AGENT_INFO_QUEUES_MAX:
        put(value, kernels ? agent.node->info.max_queues : 0);
        break;
    case HSA_AGENT_INFO_QUEUE_MIN_SIZE:
        put(value, uint32_t(kernels ? 1u << ACC_RING_MIN_LOG2 : 0));
        break;
    case HSA_AGENT_INFO_QUEUE_MAX_SIZE:
        put(value, kernels ? agent.node->info.max_ring_packets : 0);
        break;
    case HSA_AGENT_INFO_QUEUE_TYPE:
        put(value, hsa_queue_type32_t(HSA_QUEUE_TYPE_MULTI));
        break;
    case HSA_AGENT_INFO_NODE:
        put(value, agent.index);
        break;
    case HSA_AGENT_INFO_DEVICE:
        put(value, agent.type());
        break;
    case HSA_AGENT_INFO_CACHE_SIZE: {
        uint32_t sizes[4] = {};
        for (const auto &cache : agent.caches)
            if (cache->data && cache->level >= 1 && cache->level <= 4)
                sizes[cache->level - 1] = cache->bytes;
        std::memcpy(value, sizes, sizeof sizes);
        break;
    }
    case HSA_AGENT_INFO_ISA:
        put(value, agent.isa ? agent.isa->handle() : hsa_isa_t{0});
        break;
    case HSA_AGENT_INFO_EXTENSIONS:
        std::memset(value, 0, 128);
        break;
    case HSA_AGENT_INFO_VERSION_MAJOR:
        put(value, uint16_t(1));
        break;
    case HSA_AGENT_INFO_VERSION_MINOR:
        put(value, uint16_t(2));
        break;
    default:
        return HSA_STATUS_ERROR_INVALID_ARGUMENT;
    }
    return HSA_STATUS_SUCCESS;
}

} // namespace
} // namespace acc::hsa

using namespace acc::hsa;

extern "C" {

hsa_status_t hsa_agent_get_info(hsa_agent_t agent, hsa_agent_info_t attribute, void *value)
{
    return with_runtime([&](Runtime &runtime) {
        const Agent *found = runtime.agents().find(agent);
        if (!found) return HSA_STATUS_ERROR_INVALID_AGENT;
        if (!value) return HSA_STATUS_ERROR_INVALID_ARGUMENT;
        const hsa_status_t status = agent_info(*found, attribute, value);
        return status == HSA_STATUS_ERROR_INVALID_ARGUMENT
                   ? agent_info_amd(runtime, *found, attribute, value)
                   : status;
    });
}

hsa_status_t hsa_iterate_agents(hsa_status_t (*callback)(hsa_agent_t agent, void *data), void *data)
{
    return with_runtime([&](Runtime &runtime) {
        if (!callback) return HSA_STATUS_ERROR_INVALID_ARGUMENT;
        for (const auto &agent : runtime.agents().all())
            HSA_TRY(callback(agent->handle(), data));
        return HSA_STATUS_SUCCESS;
    });
}

hsa_status_t hsa_agent_get_exception_policies(hsa_agent_t agent, hsa_profile_t profile,
                                              uint16_t *mask)
{
    return with_runtime([&](Runtime &runtime) {
        if (!runtime.agents().find(agent)) return HSA_STATUS_ERROR_INVALID_AGENT;
        if (!mask || (profile != HSA_PROFILE_BASE && profile != HSA_PROFILE_FULL))
            return HSA_STATUS_ERROR_INVALID_ARGUMENT;
        *mask = 0;
        return HSA_STATUS_SUCCESS;
    });
}

hsa_status_t hsa_agent_iterate_caches(hsa_agent_t agent,
                                      hsa_status_t (*callback)(hsa_cache_t cache, void *data),
                                      void *data)
{
    return with_runtime([&](Runtime &runtime) {
        const Agent *found = runtime.agents().find(agent);
        if (!found) return HSA_STATUS_ERROR_INVALID_AGENT;
        if (!callback) return HSA_STATUS_ERROR_INVALID_ARGUMENT;
        for (const auto &cache : found->caches)
            HSA_TRY(callback(cache->handle(), data));
        return HSA_STATUS_SUCCESS;
    });
}

hsa_status_t hsa_cache_get_info(hsa_cache_t cache, hsa_cache_info_t attribute, void *value)
{
    return with_runtime([&](Runtime &runtime) {
        const Cache *found = runtime.agents().find_cache(cache);
        if (!found) return HSA_STATUS_ERROR_INVALID_CACHE;
        if (!value) return HSA_STATUS_ERROR_INVALID_ARGUMENT;
        switch (int(attribute)) {
        case HSA_CACHE_INFO_NAME_LENGTH:
            put(value, uint32_t(found->name.size()));
            return HSA_STATUS_SUCCESS;
        case HSA_CACHE_INFO_NAME:
            std::memcpy(value, found->name.c_str(), found->name.size() + 1);
            return HSA_STATUS_SUCCESS;
        case HSA_CACHE_INFO_LEVEL:
            put(value, found->level);
            return HSA_STATUS_SUCCESS;
        case HSA_CACHE_INFO_SIZE:
            put(value, found->bytes);
            return HSA_STATUS_SUCCESS;
        default:
            return HSA_STATUS_ERROR_INVALID_ARGUMENT;
        }
    });
}

} // extern "C"
