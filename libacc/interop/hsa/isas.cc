// SPDX-License-Identifier: MIT
#include "isas.h"

#include "agents.h"

#include <cstring>

namespace acc::hsa
{

const char *engine_name(uint32_t engine)
{
    switch (engine) {
    case ACC_ENGINE_CROSSBAR:
        return "crossbar";
    case ACC_ENGINE_FPGA:
        return "fpga";
    default:
        return "null";
    }
}

Isas::Isas(const std::vector<std::unique_ptr<Node>> &nodes)
{
    for (const auto &node : nodes)
        if (!of_engine(node->info.engine))
            isas_.push_back(std::make_unique<Isa>(
                Isa{std::string("ACC:") + engine_name(node->info.engine), node->info.engine}));
}

const Isa *Isas::find(uint64_t handle) const
{
    for (const auto &isa : isas_)
        if (isa->handle().handle == handle) return isa.get();
    return nullptr;
}

const Isa *Isas::find_name(std::string_view name) const
{
    for (const auto &isa : isas_)
        if (isa->name == name) return isa.get();
    return nullptr;
}

const Isa *Isas::of_engine(uint32_t engine) const
{
    for (const auto &isa : isas_)
        if (isa->engine == engine) return isa.get();
    return nullptr;
}

namespace
{

hsa_status_t isa_info(const Isa &isa, int attribute, void *value)
{
    switch (attribute) {
    case HSA_ISA_INFO_NAME_LENGTH:
        put(value, uint32_t(isa.name.size()));
        break;
    case HSA_ISA_INFO_NAME:
        // The length that was asked for, and no terminator.
        std::memcpy(value, isa.name.data(), isa.name.size());
        break;
    case HSA_ISA_INFO_CALL_CONVENTION_COUNT:
        put(value, uint32_t(1));
        break;
    case HSA_ISA_INFO_CALL_CONVENTION_INFO_WAVEFRONT_SIZE:
        put(value, wavefront_size);
        break;
    case HSA_ISA_INFO_CALL_CONVENTION_INFO_WAVEFRONTS_PER_COMPUTE_UNIT:
        put(value, uint32_t(1));
        break;
    case HSA_ISA_INFO_MACHINE_MODELS: {
        const bool models[2] = {false, true}; // small, large
        std::memcpy(value, models, sizeof models);
        break;
    }
    case HSA_ISA_INFO_PROFILES: {
        const bool profiles[2] = {true, false}; // base, full
        std::memcpy(value, profiles, sizeof profiles);
        break;
    }
    case HSA_ISA_INFO_DEFAULT_FLOAT_ROUNDING_MODES:
    case HSA_ISA_INFO_BASE_PROFILE_DEFAULT_FLOAT_ROUNDING_MODES: {
        const bool modes[3] = {false, false, true}; // default, zero, near
        std::memcpy(value, modes, sizeof modes);
        break;
    }
    case HSA_ISA_INFO_FAST_F16_OPERATION:
        put(value, false);
        break;
    case HSA_ISA_INFO_WORKGROUP_MAX_DIM: {
        const uint16_t dims[3] = {workgroup_max, workgroup_max, workgroup_max};
        std::memcpy(value, dims, sizeof dims);
        break;
    }
    case HSA_ISA_INFO_WORKGROUP_MAX_SIZE:
        put(value, uint32_t(workgroup_max));
        break;
    case HSA_ISA_INFO_GRID_MAX_DIM:
        put(value, hsa_dim3_t{grid_max, grid_max, grid_max});
        break;
    case HSA_ISA_INFO_GRID_MAX_SIZE:
        put(value, uint64_t(grid_max));
        break;
    case HSA_ISA_INFO_FBARRIER_MAX_SIZE:
        put(value, fbarrier_max);
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

hsa_status_t hsa_isa_from_name(const char *name, hsa_isa_t *isa)
{
    return with_runtime([&](Runtime &runtime) {
        if (!name || !isa) return HSA_STATUS_ERROR_INVALID_ARGUMENT;
        const Isa *found = runtime.isas().find_name(name);
        if (!found) return HSA_STATUS_ERROR_INVALID_ISA_NAME;
        *isa = found->handle();
        return HSA_STATUS_SUCCESS;
    });
}

hsa_status_t hsa_agent_iterate_isas(hsa_agent_t agent,
                                    hsa_status_t (*callback)(hsa_isa_t isa, void *data), void *data)
{
    return with_runtime([&](Runtime &runtime) {
        const Agent *found = runtime.agents().find(agent);
        if (!found) return HSA_STATUS_ERROR_INVALID_AGENT;
        if (!callback) return HSA_STATUS_ERROR_INVALID_ARGUMENT;
        return found->isa ? callback(found->isa->handle(), data) : HSA_STATUS_SUCCESS;
    });
}

hsa_status_t hsa_isa_get_info(hsa_isa_t isa, hsa_isa_info_t attribute, uint32_t index, void *value)
{
    return with_runtime([&](Runtime &runtime) {
        const Isa *found = runtime.isas().find(isa.handle);
        if (!found) return HSA_STATUS_ERROR_INVALID_ISA;
        if (!value) return HSA_STATUS_ERROR_INVALID_ARGUMENT;
        // "Must have a value between 0 and the count", which is 1, though it may be ignored.
        if (index > 0) return HSA_STATUS_ERROR_INVALID_INDEX;
        return isa_info(*found, attribute, value);
    });
}

hsa_status_t hsa_isa_get_info_alt(hsa_isa_t isa, hsa_isa_info_t attribute, void *value)
{
    return with_runtime([&](Runtime &runtime) {
        const Isa *found = runtime.isas().find(isa.handle);
        if (!found) return HSA_STATUS_ERROR_INVALID_ISA;
        if (!value) return HSA_STATUS_ERROR_INVALID_ARGUMENT;
        return isa_info(*found, attribute, value);
    });
}

hsa_status_t hsa_isa_get_exception_policies(hsa_isa_t isa, hsa_profile_t profile, uint16_t *mask)
{
    return with_runtime([&](Runtime &runtime) {
        if (!runtime.isas().find(isa.handle)) return HSA_STATUS_ERROR_INVALID_ISA;
        if (!mask || (profile != HSA_PROFILE_BASE && profile != HSA_PROFILE_FULL))
            return HSA_STATUS_ERROR_INVALID_ARGUMENT;
        *mask = 0; // a base profile without exceptions
        return HSA_STATUS_SUCCESS;
    });
}

hsa_status_t hsa_isa_get_round_method(hsa_isa_t isa, hsa_fp_type_t fp_type,
                                      hsa_flush_mode_t flush_mode, hsa_round_method_t *round_method)
{
    return with_runtime([&](Runtime &runtime) {
        if (!runtime.isas().find(isa.handle)) return HSA_STATUS_ERROR_INVALID_ISA;
        if (!round_method ||
            (fp_type != HSA_FP_TYPE_16 && fp_type != HSA_FP_TYPE_32 && fp_type != HSA_FP_TYPE_64) ||
            (flush_mode != HSA_FLUSH_MODE_FTZ && flush_mode != HSA_FLUSH_MODE_NON_FTZ))
            return HSA_STATUS_ERROR_INVALID_ARGUMENT;
        *round_method = HSA_ROUND_METHOD_SINGLE;
        return HSA_STATUS_SUCCESS;
    });
}

hsa_status_t hsa_isa_iterate_wavefronts(
    hsa_isa_t isa, hsa_status_t (*callback)(hsa_wavefront_t wavefront, void *data), void *data)
{
    return with_runtime([&](Runtime &runtime) {
        const Isa *found = runtime.isas().find(isa.handle);
        if (!found) return HSA_STATUS_ERROR_INVALID_ISA;
        if (!callback) return HSA_STATUS_ERROR_INVALID_ARGUMENT;
        return callback(found->wavefront(), data);
    });
}

hsa_status_t hsa_wavefront_get_info(hsa_wavefront_t wavefront, hsa_wavefront_info_t attribute,
                                    void *value)
{
    return with_runtime([&](Runtime &runtime) {
        if (!runtime.isas().find(wavefront.handle)) return HSA_STATUS_ERROR_INVALID_WAVEFRONT;
        if (!value || attribute != HSA_WAVEFRONT_INFO_SIZE)
            return HSA_STATUS_ERROR_INVALID_ARGUMENT;
        put(value, wavefront_size);
        return HSA_STATUS_SUCCESS;
    });
}

hsa_status_t hsa_isa_compatible(hsa_isa_t code_object_isa, hsa_isa_t agent_isa, bool *result)
{
    return with_runtime([&](Runtime &runtime) {
        const Isa *code = runtime.isas().find(code_object_isa.handle);
        const Isa *agent = runtime.isas().find(agent_isa.handle);
        if (!code || !agent) return HSA_STATUS_ERROR_INVALID_ISA;
        if (!result) return HSA_STATUS_ERROR_INVALID_ARGUMENT;
        *result = code == agent;
        return HSA_STATUS_SUCCESS;
    });
}

} // extern "C"
