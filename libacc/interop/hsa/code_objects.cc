// SPDX-License-Identifier: MIT
//
// Code objects, which HSA 1.1 replaced by readers: an image in memory and its kernels.
#include "executables.h"

#include <algorithm>
#include <cstring>

namespace acc::hsa
{

const Symbol *Executables::find_code_symbol(uint64_t handle) const
{
    for (const auto &[key, object] : code_objects)
        for (const auto &symbol : object->symbols)
            if (symbol->handle() == handle) return symbol.get();
    return nullptr;
}

namespace
{

constexpr size_t version_bytes = 64;

// What the image is for: the first agent that takes it tells its kernels.
hsa_status_t inspect(Runtime &runtime, CodeObject &object)
{
    HSA_TRY(check_image(object.image));
    for (const auto &agent : runtime.agents().all()) {
        acc_program *handle = nullptr;
        if (agent->is_host() || acc_program_load(agent->node->device.get(), object.image.data(),
                                                 object.image.size(), &handle))
            continue;
        const Program program(handle);
        object.isa = agent->isa;
        return list_kernels(program, nullptr, object.symbols);
    }
    return HSA_STATUS_ERROR_INVALID_CODE_OBJECT;
}

// f(Runtime &, CodeObject &) under the lock.
template <typename F>
hsa_status_t with_code_object(hsa_code_object_t handle, F f)
{
    return with_runtime([&](Runtime &runtime) {
        Executables &all = runtime.executables();
        std::lock_guard lock(all.mutex());
        CodeObject *const object = Executables::find(all.code_objects, handle.handle);
        return object ? f(runtime, *object) : HSA_STATUS_ERROR_INVALID_CODE_OBJECT;
    });
}

hsa_status_t find_symbol(hsa_code_object_t code_object, const char *module_name,
                         const char *symbol_name, hsa_code_symbol_t *symbol)
{
    return with_code_object(code_object, [&](Runtime &, CodeObject &object) {
        if (!symbol_name || !symbol) return HSA_STATUS_ERROR_INVALID_ARGUMENT;
        for (const auto &each : object.symbols)
            if (!module_name && each->name == symbol_name) { // all have program linkage
                *symbol = {each->handle()};
                return HSA_STATUS_SUCCESS;
            }
        return HSA_STATUS_ERROR_INVALID_SYMBOL_NAME;
    });
}

} // namespace
} // namespace acc::hsa

using namespace acc::hsa;

extern "C" {

hsa_status_t hsa_code_object_deserialize(void *serialized_code_object,
                                         size_t serialized_code_object_size, const char *,
                                         hsa_code_object_t *code_object)
{
    return with_runtime([&](Runtime &runtime) {
        if (!serialized_code_object || !serialized_code_object_size || !code_object)
            return HSA_STATUS_ERROR_INVALID_ARGUMENT;
        const auto *bytes = static_cast<const std::byte *>(serialized_code_object);
        auto object = std::make_unique<CodeObject>();
        object->image.assign(bytes, bytes + serialized_code_object_size);
        HSA_TRY(inspect(runtime, *object));
        Executables &all = runtime.executables();
        std::lock_guard lock(all.mutex());
        *code_object = Executables::add(all.code_objects, std::move(object))->handle();
        return HSA_STATUS_SUCCESS;
    });
}

hsa_status_t hsa_code_object_serialize(
    hsa_code_object_t code_object,
    hsa_status_t (*alloc_callback)(size_t size, hsa_callback_data_t data, void **address),
    hsa_callback_data_t callback_data, const char *, void **serialized_code_object,
    size_t *serialized_code_object_size)
{
    std::vector<std::byte> image; // the callback runs without the lock
    HSA_TRY(with_code_object(code_object, [&](Runtime &, CodeObject &object) {
        if (!alloc_callback || !serialized_code_object || !serialized_code_object_size)
            return HSA_STATUS_ERROR_INVALID_ARGUMENT;
        image = object.image;
        return HSA_STATUS_SUCCESS;
    }));
    void *address = nullptr;
    HSA_TRY(alloc_callback(image.size(), callback_data, &address));
    if (!address) return HSA_STATUS_ERROR_OUT_OF_RESOURCES;
    std::memcpy(address, image.data(), image.size());
    *serialized_code_object = address;
    *serialized_code_object_size = image.size();
    return HSA_STATUS_SUCCESS;
}

hsa_status_t hsa_code_object_destroy(hsa_code_object_t code_object)
{
    return with_runtime([&](Runtime &runtime) {
        Executables &all = runtime.executables();
        std::lock_guard lock(all.mutex());
        return all.code_objects.erase(code_object.handle) ? HSA_STATUS_SUCCESS
                                                          : HSA_STATUS_ERROR_INVALID_CODE_OBJECT;
    });
}

hsa_status_t hsa_code_object_get_info(hsa_code_object_t code_object,
                                      hsa_code_object_info_t attribute, void *value)
{
    return with_code_object(code_object, [&](Runtime &, CodeObject &object) {
        if (!value) return HSA_STATUS_ERROR_INVALID_ARGUMENT;
        switch (int(attribute)) {
        case HSA_CODE_OBJECT_INFO_VERSION:
            put_text(value, version_bytes, "1");
            return HSA_STATUS_SUCCESS;
        case HSA_CODE_OBJECT_INFO_TYPE:
            put(value, HSA_CODE_OBJECT_TYPE_PROGRAM);
            return HSA_STATUS_SUCCESS;
        case HSA_CODE_OBJECT_INFO_ISA:
            put(value, object.isa->handle());
            return HSA_STATUS_SUCCESS;
        case HSA_CODE_OBJECT_INFO_MACHINE_MODEL:
            put(value, HSA_MACHINE_MODEL_LARGE);
            return HSA_STATUS_SUCCESS;
        case HSA_CODE_OBJECT_INFO_PROFILE:
            put(value, HSA_PROFILE_BASE);
            return HSA_STATUS_SUCCESS;
        case HSA_CODE_OBJECT_INFO_DEFAULT_FLOAT_ROUNDING_MODE:
            put(value, HSA_DEFAULT_FLOAT_ROUNDING_MODE_NEAR);
            return HSA_STATUS_SUCCESS;
        default:
            return HSA_STATUS_ERROR_INVALID_ARGUMENT;
        }
    });
}

hsa_status_t hsa_executable_load_code_object(hsa_executable_t executable, hsa_agent_t agent,
                                             hsa_code_object_t code_object, const char *)
{
    return with_runtime([&](Runtime &runtime) {
        Executables &all = runtime.executables();
        std::lock_guard lock(all.mutex());
        Executable *const found = Executables::find(all.executables, executable.handle);
        if (!found) return HSA_STATUS_ERROR_INVALID_EXECUTABLE;
        const Agent *const on = runtime.agents().find(agent);
        if (!on) return HSA_STATUS_ERROR_INVALID_AGENT;
        const CodeObject *const object = Executables::find(all.code_objects, code_object.handle);
        if (!object) return HSA_STATUS_ERROR_INVALID_CODE_OBJECT;
        if (found->frozen) return HSA_STATUS_ERROR_FROZEN_EXECUTABLE;
        return load_image(*found, *on, object->image, nullptr);
    });
}

hsa_status_t hsa_code_object_get_symbol(hsa_code_object_t code_object, const char *symbol_name,
                                        hsa_code_symbol_t *symbol)
{
    return find_symbol(code_object, nullptr, symbol_name, symbol);
}

hsa_status_t hsa_code_object_get_symbol_from_name(hsa_code_object_t code_object,
                                                  const char *module_name, const char *symbol_name,
                                                  hsa_code_symbol_t *symbol)
{
    return find_symbol(code_object, module_name, symbol_name, symbol);
}

hsa_status_t hsa_code_symbol_get_info(hsa_code_symbol_t code_symbol,
                                      hsa_code_symbol_info_t attribute, void *value)
{
    return with_runtime([&](Runtime &runtime) {
        Executables &all = runtime.executables();
        std::lock_guard lock(all.mutex());
        const Symbol *const symbol = all.find_code_symbol(code_symbol.handle);
        if (!symbol) return HSA_STATUS_ERROR_INVALID_CODE_SYMBOL;
        if (!value) return HSA_STATUS_ERROR_INVALID_ARGUMENT;
        return symbol_info(*symbol, int(attribute), value);
    });
}

hsa_status_t hsa_code_object_iterate_symbols(hsa_code_object_t code_object,
                                             hsa_status_t (*callback)(hsa_code_object_t code_object,
                                                                      hsa_code_symbol_t symbol,
                                                                      void *data),
                                             void *data)
{
    std::vector<hsa_code_symbol_t> symbols; // the callback runs without the lock
    HSA_TRY(with_code_object(code_object, [&](Runtime &, CodeObject &object) {
        if (!callback) return HSA_STATUS_ERROR_INVALID_ARGUMENT;
        for (const auto &symbol : object.symbols)
            symbols.push_back({symbol->handle()});
        return HSA_STATUS_SUCCESS;
    }));
    for (const hsa_code_symbol_t symbol : symbols)
        HSA_TRY(callback(code_object, symbol, data));
    return HSA_STATUS_SUCCESS;
}

} // extern "C"
