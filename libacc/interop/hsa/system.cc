// SPDX-License-Identifier: MIT
//
// The system and its extensions. We have none: no HSAIL to finalise, no images.
#include "agents.h"
#include "refusals.h"
#include "signals.h"

#include <cstring>
#include <ctime>

namespace acc::hsa
{
namespace
{

uint64_t ticks_now()
{
    timespec now = {};
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t(now.tv_sec) * 1'000'000'000u + uint64_t(now.tv_nsec)) / ns_per_tick;
}

// Null for what is no extension of hsa.h or hsa_ext_amd.h.
const char *extension_name(uint16_t extension)
{
    switch (extension) {
    case HSA_EXTENSION_FINALIZER:
        return "HSA_EXTENSION_FINALIZER";
    case HSA_EXTENSION_IMAGES:
        return "HSA_EXTENSION_IMAGES";
    case HSA_EXTENSION_PERFORMANCE_COUNTERS:
        return "HSA_EXTENSION_PERFORMANCE_COUNTERS";
    case HSA_EXTENSION_PROFILING_EVENTS:
        return "HSA_EXTENSION_PROFILING_EVENTS";
    case HSA_EXTENSION_AMD_PROFILER:
        return "HSA_EXTENSION_AMD_PROFILER";
    case HSA_EXTENSION_AMD_LOADER:
        return "HSA_EXTENSION_AMD_LOADER";
    case HSA_EXTENSION_AMD_AQLPROFILE:
        return "HSA_EXTENSION_AMD_AQLPROFILE";
    default:
        return nullptr;
    }
}

hsa_status_t unsupported(uint16_t extension, bool *result)
{
    if (!extension_name(extension) || !result) return HSA_STATUS_ERROR_INVALID_ARGUMENT;
    *result = false;
    return HSA_STATUS_SUCCESS;
}

hsa_status_t no_table(uint16_t extension, const void *table)
{
    if (!extension_name(extension) || !table) return HSA_STATUS_ERROR_INVALID_ARGUMENT;
    return HSA_STATUS_ERROR; // an extension that is not supported
}

} // namespace

int refuse(const char *function) noexcept
{
    return with_runtime([&](Runtime &) {
        log_line(ACC_LOG_INFO, std::string(function) + ": not supported");
        return HSA_STATUS_ERROR;
    });
}

} // namespace acc::hsa

using namespace acc::hsa;

extern "C" {

hsa_status_t hsa_system_get_info(hsa_system_info_t attribute, void *value)
{
    return with_runtime([&](Runtime &) {
        if (!value) return HSA_STATUS_ERROR_INVALID_ARGUMENT;
        switch (int(attribute)) {
        case HSA_SYSTEM_INFO_VERSION_MAJOR:
            put(value, uint16_t(1));
            break;
        case HSA_SYSTEM_INFO_VERSION_MINOR:
            put(value, uint16_t(2));
            break;
        case HSA_SYSTEM_INFO_TIMESTAMP:
            put(value, ticks_now());
            break;
        case HSA_SYSTEM_INFO_TIMESTAMP_FREQUENCY:
            put(value, ticks_per_second);
            break;
        case HSA_SYSTEM_INFO_SIGNAL_MAX_WAIT:
            put(value, uint64_t(UINT64_MAX));
            break;
        case HSA_SYSTEM_INFO_ENDIANNESS:
            put(value, HSA_ENDIANNESS_LITTLE);
            break;
        case HSA_SYSTEM_INFO_MACHINE_MODEL:
            put(value, HSA_MACHINE_MODEL_LARGE);
            break;
        case HSA_SYSTEM_INFO_EXTENSIONS:
            std::memset(value, 0, 128);
            break;
        case HSA_AMD_SYSTEM_INFO_BUILD_VERSION: {
            static const std::string version = std::string("acc-") + acc_version();
            put(value, version.c_str());
            break;
        }
        case HSA_AMD_SYSTEM_INFO_SVM_SUPPORTED:
        case HSA_AMD_SYSTEM_INFO_SVM_ACCESSIBLE_BY_DEFAULT:
            put(value, false);
            break;
        default:
            return HSA_STATUS_ERROR_INVALID_ARGUMENT;
        }
        return HSA_STATUS_SUCCESS;
    });
}

hsa_status_t hsa_extension_get_name(uint16_t extension, const char **name)
{
    return with_runtime([&](Runtime &) {
        const char *const text = extension_name(extension);
        if (!text || !name) return HSA_STATUS_ERROR_INVALID_ARGUMENT;
        *name = text;
        return HSA_STATUS_SUCCESS;
    });
}

hsa_status_t hsa_system_extension_supported(uint16_t extension, uint16_t, uint16_t, bool *result)
{
    return with_runtime([&](Runtime &) { return unsupported(extension, result); });
}

hsa_status_t hsa_system_major_extension_supported(uint16_t extension, uint16_t,
                                                  uint16_t *version_minor, bool *result)
{
    return with_runtime([&](Runtime &) {
        if (!version_minor) return HSA_STATUS_ERROR_INVALID_ARGUMENT;
        HSA_TRY(unsupported(extension, result));
        *version_minor = 0;
        return HSA_STATUS_SUCCESS;
    });
}

hsa_status_t hsa_system_get_extension_table(uint16_t extension, uint16_t, uint16_t, void *table)
{
    return with_runtime([&](Runtime &) { return no_table(extension, table); });
}

hsa_status_t hsa_system_get_major_extension_table(uint16_t extension, uint16_t, size_t, void *table)
{
    return with_runtime([&](Runtime &) { return no_table(extension, table); });
}

hsa_status_t hsa_agent_extension_supported(uint16_t extension, hsa_agent_t agent, uint16_t,
                                           uint16_t, bool *result)
{
    return with_runtime([&](Runtime &runtime) {
        if (!runtime.agents().find(agent)) return HSA_STATUS_ERROR_INVALID_AGENT;
        return unsupported(extension, result);
    });
}

hsa_status_t hsa_agent_major_extension_supported(uint16_t extension, hsa_agent_t agent, uint16_t,
                                                 uint16_t *version_minor, bool *result)
{
    return with_runtime([&](Runtime &runtime) {
        if (!runtime.agents().find(agent)) return HSA_STATUS_ERROR_INVALID_AGENT;
        if (!version_minor) return HSA_STATUS_ERROR_INVALID_ARGUMENT;
        HSA_TRY(unsupported(extension, result));
        *version_minor = 0;
        return HSA_STATUS_SUCCESS;
    });
}

} // extern "C"
