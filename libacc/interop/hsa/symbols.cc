// SPDX-License-Identifier: MIT
//
// Symbols of executables.
#include "executables.h"

#include <algorithm>
#include <cstring>

namespace acc::hsa
{
namespace
{

constexpr uint32_t kernarg_alignment = 16;

hsa_status_t kernel_info(const Symbol &symbol, int attribute, void *value)
{
    switch (attribute) {
    case HSA_EXECUTABLE_SYMBOL_INFO_KERNEL_KERNARG_SEGMENT_SIZE:
        put(value, (symbol.kernel.kernarg_bytes + kernarg_alignment - 1) / kernarg_alignment *
                       kernarg_alignment);
        return HSA_STATUS_SUCCESS;
    case HSA_EXECUTABLE_SYMBOL_INFO_KERNEL_KERNARG_SEGMENT_ALIGNMENT:
        put(value, kernarg_alignment);
        return HSA_STATUS_SUCCESS;
    case HSA_EXECUTABLE_SYMBOL_INFO_KERNEL_GROUP_SEGMENT_SIZE:
        put(value, symbol.kernel.group_bytes);
        return HSA_STATUS_SUCCESS;
    case HSA_EXECUTABLE_SYMBOL_INFO_KERNEL_PRIVATE_SEGMENT_SIZE:
        put(value, symbol.kernel.private_bytes);
        return HSA_STATUS_SUCCESS;
    case HSA_EXECUTABLE_SYMBOL_INFO_KERNEL_DYNAMIC_CALLSTACK:
        put(value, false);
        return HSA_STATUS_SUCCESS;
    case HSA_EXECUTABLE_SYMBOL_INFO_KERNEL_CALL_CONVENTION:
    case HSA_EXECUTABLE_SYMBOL_INFO_INDIRECT_FUNCTION_CALL_CONVENTION:
        put(value, uint32_t(0));
        return HSA_STATUS_SUCCESS;
    default:
        return HSA_STATUS_ERROR_INVALID_ARGUMENT;
    }
}

} // namespace

// The numbers are those of hsa_executable_symbol_info_t; hsa_code_symbol_info_t has the same.
hsa_status_t symbol_info(const Symbol &symbol, int attribute, void *value)
{
    switch (attribute) {
    case HSA_EXECUTABLE_SYMBOL_INFO_TYPE:
        put(value, symbol.kind);
        return HSA_STATUS_SUCCESS;
    case HSA_EXECUTABLE_SYMBOL_INFO_NAME_LENGTH:
        put(value, uint32_t(symbol.name.size()));
        return HSA_STATUS_SUCCESS;
    case HSA_EXECUTABLE_SYMBOL_INFO_NAME:
        // The length that was asked for, and no terminator.
        std::memcpy(value, symbol.name.data(), symbol.name.size());
        return HSA_STATUS_SUCCESS;
    case HSA_EXECUTABLE_SYMBOL_INFO_MODULE_NAME_LENGTH:
        put(value, uint32_t(0));
        return HSA_STATUS_SUCCESS;
    case HSA_EXECUTABLE_SYMBOL_INFO_MODULE_NAME:
        return HSA_STATUS_SUCCESS; // of no bytes
    case HSA_EXECUTABLE_SYMBOL_INFO_LINKAGE:
        put(value, HSA_SYMBOL_LINKAGE_PROGRAM);
        return HSA_STATUS_SUCCESS;
    case HSA_EXECUTABLE_SYMBOL_INFO_IS_DEFINITION:
        put(value, true);
        return HSA_STATUS_SUCCESS;
    case HSA_EXECUTABLE_SYMBOL_INFO_VARIABLE_ALLOCATION:
        put(value, symbol.agent ? HSA_VARIABLE_ALLOCATION_AGENT : HSA_VARIABLE_ALLOCATION_PROGRAM);
        return HSA_STATUS_SUCCESS;
    case HSA_EXECUTABLE_SYMBOL_INFO_VARIABLE_SEGMENT:
        put(value, symbol.read_only ? HSA_VARIABLE_SEGMENT_READONLY : HSA_VARIABLE_SEGMENT_GLOBAL);
        return HSA_STATUS_SUCCESS;
    case HSA_EXECUTABLE_SYMBOL_INFO_VARIABLE_ALIGNMENT:
        put(value, uint32_t(1));
        return HSA_STATUS_SUCCESS;
    case HSA_EXECUTABLE_SYMBOL_INFO_VARIABLE_SIZE:
        put(value, uint32_t(0)); // external: not known
        return HSA_STATUS_SUCCESS;
    case HSA_EXECUTABLE_SYMBOL_INFO_VARIABLE_IS_CONST:
        put(value, symbol.read_only);
        return HSA_STATUS_SUCCESS;
    default:
        return kernel_info(symbol, attribute, value);
    }
}

namespace
{

hsa_executable_symbol_t executable_symbol(const Symbol &symbol)
{
    return {symbol.handle()};
}

// What only symbols of executables have.
hsa_status_t loaded_info(const Symbol &symbol, int attribute, void *value)
{
    const bool frozen = symbol.executable->frozen;
    switch (attribute) {
    case HSA_EXECUTABLE_SYMBOL_INFO_AGENT:
        put(value, symbol.agent ? symbol.agent->handle() : hsa_agent_t{0});
        return HSA_STATUS_SUCCESS;
    case HSA_EXECUTABLE_SYMBOL_INFO_VARIABLE_ADDRESS:
        put(value, frozen ? reinterpret_cast<uint64_t>(symbol.address) : uint64_t(0));
        return HSA_STATUS_SUCCESS;
    case HSA_EXECUTABLE_SYMBOL_INFO_KERNEL_OBJECT:
        put(value, frozen ? symbol.kernel.kernel_object : uint64_t(0));
        return HSA_STATUS_SUCCESS;
    case HSA_EXECUTABLE_SYMBOL_INFO_INDIRECT_FUNCTION_OBJECT:
        put(value, uint64_t(0));
        return HSA_STATUS_SUCCESS;
    default:
        return symbol_info(symbol, attribute, value);
    }
}

hsa_status_t find_symbol(hsa_executable_t executable, const char *name, const hsa_agent_t *agent,
                         bool any_allocation, hsa_executable_symbol_t *symbol)
{
    return with_runtime([&](Runtime &runtime) {
        Executables &all = runtime.executables();
        std::lock_guard lock(all.mutex());
        const Executable *const found = Executables::find(all.executables, executable.handle);
        if (!found) return HSA_STATUS_ERROR_INVALID_EXECUTABLE;
        if (!name || !symbol) return HSA_STATUS_ERROR_INVALID_ARGUMENT;
        const Agent *const of = agent ? runtime.agents().find(*agent) : nullptr;
        const Symbol *at = found->find(name, of);
        if (agent && !of) at = nullptr;
        if (!at && any_allocation) at = found->find(name, nullptr);
        if (!at) return HSA_STATUS_ERROR_INVALID_SYMBOL_NAME;
        *symbol = executable_symbol(*at);
        return HSA_STATUS_SUCCESS;
    });
}

// The handles of the symbols that `wanted` picks: callbacks run without the lock.
template <typename F>
hsa_status_t collect(Runtime &runtime, hsa_executable_t executable, F wanted,
                     std::vector<hsa_executable_symbol_t> &symbols)
{
    Executables &all = runtime.executables();
    std::lock_guard lock(all.mutex());
    const Executable *const found = Executables::find(all.executables, executable.handle);
    if (!found) return HSA_STATUS_ERROR_INVALID_EXECUTABLE;
    for (const auto &symbol : found->symbols)
        if (wanted(*symbol)) symbols.push_back(executable_symbol(*symbol));
    return HSA_STATUS_SUCCESS;
}

} // namespace
} // namespace acc::hsa

using namespace acc::hsa;

extern "C" {

hsa_status_t hsa_executable_get_symbol(hsa_executable_t executable, const char *module_name,
                                       const char *symbol_name, hsa_agent_t agent, int32_t,
                                       hsa_executable_symbol_t *symbol)
{
    // All our symbols have program linkage, which a module's name excludes.
    const char *const none = "";
    return find_symbol(executable, module_name && symbol_name ? none : symbol_name, &agent, true,
                       symbol);
}

hsa_status_t hsa_executable_get_symbol_by_name(hsa_executable_t executable, const char *symbol_name,
                                               const hsa_agent_t *agent,
                                               hsa_executable_symbol_t *symbol)
{
    return find_symbol(executable, symbol_name, agent, false, symbol);
}

hsa_status_t hsa_executable_symbol_get_info(hsa_executable_symbol_t executable_symbol,
                                            hsa_executable_symbol_info_t attribute, void *value)
{
    return with_runtime([&](Runtime &runtime) {
        Executables &all = runtime.executables();
        std::lock_guard lock(all.mutex());
        const Symbol *const symbol = all.find_symbol(executable_symbol.handle);
        if (!symbol) return HSA_STATUS_ERROR_INVALID_EXECUTABLE_SYMBOL;
        if (!value) return HSA_STATUS_ERROR_INVALID_ARGUMENT;
        return loaded_info(*symbol, attribute, value);
    });
}

hsa_status_t hsa_executable_iterate_symbols(hsa_executable_t executable,
                                            hsa_status_t (*callback)(hsa_executable_t exec,
                                                                     hsa_executable_symbol_t symbol,
                                                                     void *data),
                                            void *data)
{
    return with_runtime([&](Runtime &runtime) {
        std::vector<hsa_executable_symbol_t> symbols;
        HSA_TRY(collect(
            runtime, executable, [](const Symbol &) { return true; }, symbols));
        if (!callback) return HSA_STATUS_ERROR_INVALID_ARGUMENT;
        for (const hsa_executable_symbol_t symbol : symbols)
            HSA_TRY(callback(executable, symbol, data));
        return HSA_STATUS_SUCCESS;
    });
}

hsa_status_t hsa_executable_iterate_agent_symbols(
    hsa_executable_t executable, hsa_agent_t agent,
    hsa_status_t (*callback)(hsa_executable_t exec, hsa_agent_t agent,
                             hsa_executable_symbol_t symbol, void *data),
    void *data)
{
    return with_runtime([&](Runtime &runtime) {
        const Agent *const of = runtime.agents().find(agent);
        std::vector<hsa_executable_symbol_t> symbols;
        HSA_TRY(collect(
            runtime, executable,
            [&](const Symbol &symbol) { return symbol.agent && symbol.agent == of; }, symbols));
        if (!of) return HSA_STATUS_ERROR_INVALID_AGENT;
        if (!callback) return HSA_STATUS_ERROR_INVALID_ARGUMENT;
        for (const hsa_executable_symbol_t symbol : symbols)
            HSA_TRY(callback(executable, agent, symbol, data));
        return HSA_STATUS_SUCCESS;
    });
}

hsa_status_t hsa_executable_iterate_program_symbols(
    hsa_executable_t executable,
    hsa_status_t (*callback)(hsa_executable_t exec, hsa_executable_symbol_t symbol, void *data),
    void *data)
{
    return with_runtime([&](Runtime &runtime) {
        std::vector<hsa_executable_symbol_t> symbols;
        HSA_TRY(collect(
            runtime, executable, [](const Symbol &symbol) { return !symbol.agent; }, symbols));
        if (!callback) return HSA_STATUS_ERROR_INVALID_ARGUMENT;
        for (const hsa_executable_symbol_t symbol : symbols)
            HSA_TRY(callback(executable, symbol, data));
        return HSA_STATUS_SUCCESS;
    });
}

} // extern "C"
