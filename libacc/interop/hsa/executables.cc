// SPDX-License-Identifier: MIT
//
// Readers and executables: making, loading, freezing.
#include "executables.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

namespace acc::hsa
{

const Symbol *Executable::find(const std::string &name, const Agent *agent) const
{
    for (const auto &symbol : symbols)
        if (symbol->name == name && symbol->agent == agent) return symbol.get();
    return nullptr;
}

const Symbol *Executables::find_symbol(uint64_t handle) const
{
    for (const auto &[key, executable] : executables)
        for (const auto &symbol : executable->symbols)
            if (symbol->handle() == handle) return symbol.get();
    return nullptr;
}

hsa_status_t check_image(std::span<const std::byte> image)
{
    size_t room = 0;
    const int error = acc_image_describe(image.data(), image.size(), nullptr, &room);
    if (!error || error == -ENOSPC) return HSA_STATUS_SUCCESS;
    log_line(ACC_LOG_DEBUG, acc_error_text());
    return error == -ENOMEM ? HSA_STATUS_ERROR_OUT_OF_RESOURCES
                            : HSA_STATUS_ERROR_INVALID_CODE_OBJECT;
}

hsa_status_t list_kernels(const Program &program, const Agent *agent,
                          std::vector<std::unique_ptr<Symbol>> &symbols)
{
    const uint32_t count = acc_program_kernels(program.get());
    for (uint32_t i = 0; i < count; i++) {
        auto symbol = std::make_unique<Symbol>();
        symbol->agent = agent;
        symbol->kernel = acc_init<acc_kernel_info>();
        if (const int error = acc_program_kernel(program.get(), i, &symbol->kernel))
            return status_of(error);
        symbol->name = symbol->kernel.name;
        symbols.push_back(std::move(symbol));
    }
    return HSA_STATUS_SUCCESS;
}

hsa_status_t load_image(Executable &executable, const Agent &agent,
                        std::span<const std::byte> image, hsa_loaded_code_object_t *loaded)
{
    HSA_TRY(check_image(image));
    if (agent.is_host()) return HSA_STATUS_ERROR_INCOMPATIBLE_ARGUMENTS;
    acc_program *handle = nullptr;
    if (const int error =
            acc_program_load(agent.node->device.get(), image.data(), image.size(), &handle)) {
        // The image is sound: it is not for this device.
        return error == -EINVAL ? HSA_STATUS_ERROR_INCOMPATIBLE_ARGUMENTS : status_of(error);
    }
    auto code = std::make_unique<LoadedCode>();
    code->agent = &agent;
    code->program = Program(handle);
    std::vector<std::unique_ptr<Symbol>> symbols;
    HSA_TRY(list_kernels(code->program, &agent, symbols));
    for (const auto &symbol : symbols) {
        if (executable.find(symbol->name, &agent)) return HSA_STATUS_ERROR_INCOMPATIBLE_ARGUMENTS;
        symbol->executable = &executable;
    }
    if (loaded) *loaded = code->handle();
    executable.code.push_back(std::move(code));
    for (auto &symbol : symbols)
        executable.symbols.push_back(std::move(symbol));
    return HSA_STATUS_SUCCESS;
}

namespace
{

// f(Executables &, Executable &) under the lock.
template <typename F>
hsa_status_t with_executable(hsa_executable_t handle, F f)
{
    return with_runtime([&](Runtime &runtime) {
        Executables &all = runtime.executables();
        std::lock_guard lock(all.mutex());
        Executable *const executable = Executables::find(all.executables, handle.handle);
        return executable ? f(runtime, *executable) : HSA_STATUS_ERROR_INVALID_EXECUTABLE;
    });
}

hsa_status_t read_file(int file, std::vector<std::byte> &bytes)
{
    struct stat status = {};
    if (file < 0 || fstat(file, &status) || !S_ISREG(status.st_mode))
        return HSA_STATUS_ERROR_INVALID_FILE;
    bytes.resize(size_t(status.st_size));
    size_t done = 0;
    while (done < bytes.size()) {
        // From its beginning, wherever the program has read to.
        const ssize_t got = pread(file, bytes.data() + done, bytes.size() - done, off_t(done));
        if (got < 0 && errno == EINTR) continue;
        if (got <= 0) return HSA_STATUS_ERROR_INVALID_FILE;
        done += size_t(got);
    }
    return HSA_STATUS_SUCCESS;
}

hsa_status_t create_executable(hsa_profile_t profile, hsa_default_float_rounding_mode_t rounding,
                               bool frozen, hsa_executable_t *executable)
{
    return with_runtime([&](Runtime &runtime) {
        if (!executable || (profile != HSA_PROFILE_BASE && profile != HSA_PROFILE_FULL))
            return HSA_STATUS_ERROR_INVALID_ARGUMENT;
        auto made = std::make_unique<Executable>();
        made->profile = profile;
        made->rounding = rounding;
        made->frozen = frozen;
        Executables &all = runtime.executables();
        std::lock_guard lock(all.mutex());
        *executable = Executables::add(all.executables, std::move(made))->handle();
        return HSA_STATUS_SUCCESS;
    });
}

// A variable that the program lays somewhere; `agent` null: for all of them.
hsa_status_t define_variable(hsa_executable_t executable, const hsa_agent_t *agent,
                             const char *name, void *address, bool read_only)
{
    return with_executable(executable, [&](Runtime &runtime, Executable &found) {
        const Agent *const owner = agent ? runtime.agents().find(*agent) : nullptr;
        if (agent && !owner) return HSA_STATUS_ERROR_INVALID_AGENT;
        if (!name) return HSA_STATUS_ERROR_INVALID_ARGUMENT;
        if (found.frozen) return HSA_STATUS_ERROR_FROZEN_EXECUTABLE;
        if (!*name) return HSA_STATUS_ERROR_INVALID_SYMBOL_NAME;
        if (found.find(name, owner)) return HSA_STATUS_ERROR_VARIABLE_ALREADY_DEFINED;
        auto symbol = std::make_unique<Symbol>();
        symbol->executable = &found;
        symbol->name = name;
        symbol->kind = HSA_SYMBOL_KIND_VARIABLE;
        symbol->agent = owner;
        symbol->address = address;
        symbol->read_only = read_only;
        found.symbols.push_back(std::move(symbol));
        return HSA_STATUS_SUCCESS;
    });
}

} // namespace
} // namespace acc::hsa

using namespace acc::hsa;

extern "C" {

hsa_status_t hsa_code_object_reader_create_from_file(hsa_file_t file,
                                                     hsa_code_object_reader_t *code_object_reader)
{
    return with_runtime([&](Runtime &runtime) {
        if (!code_object_reader) return HSA_STATUS_ERROR_INVALID_ARGUMENT;
        auto reader = std::make_unique<Reader>();
        HSA_TRY(read_file(file, reader->bytes));
        reader->image = reader->bytes;
        Executables &all = runtime.executables();
        std::lock_guard lock(all.mutex());
        *code_object_reader = Executables::add(all.readers, std::move(reader))->handle();
        return HSA_STATUS_SUCCESS;
    });
}

hsa_status_t hsa_code_object_reader_create_from_memory(const void *code_object, size_t size,
                                                       hsa_code_object_reader_t *code_object_reader)
{
    return with_runtime([&](Runtime &runtime) {
        if (!code_object || !size || !code_object_reader) return HSA_STATUS_ERROR_INVALID_ARGUMENT;
        auto reader = std::make_unique<Reader>();
        reader->image = {static_cast<const std::byte *>(code_object), size};
        Executables &all = runtime.executables();
        std::lock_guard lock(all.mutex());
        *code_object_reader = Executables::add(all.readers, std::move(reader))->handle();
        return HSA_STATUS_SUCCESS;
    });
}

hsa_status_t hsa_code_object_reader_destroy(hsa_code_object_reader_t code_object_reader)
{
    return with_runtime([&](Runtime &runtime) {
        Executables &all = runtime.executables();
        std::lock_guard lock(all.mutex());
        return all.readers.erase(code_object_reader.handle)
                   ? HSA_STATUS_SUCCESS
                   : HSA_STATUS_ERROR_INVALID_CODE_OBJECT_READER;
    });
}

hsa_status_t hsa_executable_create(hsa_profile_t profile, hsa_executable_state_t executable_state,
                                   const char *, hsa_executable_t *executable)
{
    if (Runtime::current() && executable_state != HSA_EXECUTABLE_STATE_UNFROZEN &&
        executable_state != HSA_EXECUTABLE_STATE_FROZEN)
        return HSA_STATUS_ERROR_INVALID_ARGUMENT;
    return create_executable(profile, HSA_DEFAULT_FLOAT_ROUNDING_MODE_NEAR,
                             executable_state == HSA_EXECUTABLE_STATE_FROZEN, executable);
}

hsa_status_t
hsa_executable_create_alt(hsa_profile_t profile,
                          hsa_default_float_rounding_mode_t default_float_rounding_mode,
                          const char *, hsa_executable_t *executable)
{
    if (Runtime::current() && default_float_rounding_mode != HSA_DEFAULT_FLOAT_ROUNDING_MODE_ZERO &&
        default_float_rounding_mode != HSA_DEFAULT_FLOAT_ROUNDING_MODE_NEAR)
        return HSA_STATUS_ERROR_INVALID_ARGUMENT;
    return create_executable(profile, default_float_rounding_mode, false, executable);
}

hsa_status_t hsa_executable_destroy(hsa_executable_t executable)
{
    return with_runtime([&](Runtime &runtime) {
        Executables &all = runtime.executables();
        std::lock_guard lock(all.mutex());
        return all.executables.erase(executable.handle) ? HSA_STATUS_SUCCESS
                                                        : HSA_STATUS_ERROR_INVALID_EXECUTABLE;
    });
}

hsa_status_t hsa_executable_load_agent_code_object(hsa_executable_t executable, hsa_agent_t agent,
                                                   hsa_code_object_reader_t code_object_reader,
                                                   const char *,
                                                   hsa_loaded_code_object_t *loaded_code_object)
{
    return with_executable(executable, [&](Runtime &runtime, Executable &found) {
        if (found.frozen) return HSA_STATUS_ERROR_FROZEN_EXECUTABLE;
        const Agent *const on = runtime.agents().find(agent);
        if (!on) return HSA_STATUS_ERROR_INVALID_AGENT;
        const Reader *const reader =
            Executables::find(runtime.executables().readers, code_object_reader.handle);
        if (!reader) return HSA_STATUS_ERROR_INVALID_CODE_OBJECT_READER;
        return load_image(found, *on, reader->image, loaded_code_object);
    });
}

hsa_status_t hsa_executable_load_program_code_object(hsa_executable_t executable,
                                                     hsa_code_object_reader_t code_object_reader,
                                                     const char *, hsa_loaded_code_object_t *)
{
    return with_executable(executable, [&](Runtime &runtime, Executable &found) {
        if (found.frozen) return HSA_STATUS_ERROR_FROZEN_EXECUTABLE;
        const Reader *const reader =
            Executables::find(runtime.executables().readers, code_object_reader.handle);
        if (!reader) return HSA_STATUS_ERROR_INVALID_CODE_OBJECT_READER;
        HSA_TRY(check_image(reader->image));
        // A container has code of agents, and nothing that belongs to a program as a whole.
        return HSA_STATUS_ERROR_INCOMPATIBLE_ARGUMENTS;
    });
}

hsa_status_t hsa_executable_freeze(hsa_executable_t executable, const char *)
{
    return with_executable(executable, [&](Runtime &, Executable &found) {
        if (found.frozen) return HSA_STATUS_ERROR_FROZEN_EXECUTABLE;
        found.frozen = true;
        return HSA_STATUS_SUCCESS;
    });
}

hsa_status_t hsa_executable_get_info(hsa_executable_t executable, hsa_executable_info_t attribute,
                                     void *value)
{
    return with_executable(executable, [&](Runtime &, Executable &found) {
        if (!value) return HSA_STATUS_ERROR_INVALID_ARGUMENT;
        switch (int(attribute)) {
        case HSA_EXECUTABLE_INFO_PROFILE:
            put(value, found.profile);
            return HSA_STATUS_SUCCESS;
        case HSA_EXECUTABLE_INFO_STATE:
            put(value, found.frozen ? HSA_EXECUTABLE_STATE_FROZEN : HSA_EXECUTABLE_STATE_UNFROZEN);
            return HSA_STATUS_SUCCESS;
        case HSA_EXECUTABLE_INFO_DEFAULT_FLOAT_ROUNDING_MODE:
            put(value, found.rounding);
            return HSA_STATUS_SUCCESS;
        default:
            return HSA_STATUS_ERROR_INVALID_ARGUMENT;
        }
    });
}

hsa_status_t hsa_executable_global_variable_define(hsa_executable_t executable,
                                                   const char *variable_name, void *address)
{
    return define_variable(executable, nullptr, variable_name, address, false);
}

hsa_status_t hsa_executable_agent_global_variable_define(hsa_executable_t executable,
                                                         hsa_agent_t agent,
                                                         const char *variable_name, void *address)
{
    return define_variable(executable, &agent, variable_name, address, false);
}

hsa_status_t hsa_executable_readonly_variable_define(hsa_executable_t executable, hsa_agent_t agent,
                                                     const char *variable_name, void *address)
{
    return define_variable(executable, &agent, variable_name, address, true);
}

hsa_status_t hsa_executable_validate_alt(hsa_executable_t executable, const char *,
                                         uint32_t *result)
{
    return with_executable(executable, [&](Runtime &, Executable &) {
        if (!result) return HSA_STATUS_ERROR_INVALID_ARGUMENT;
        *result = 0; // what does not fit together was not loaded
        return HSA_STATUS_SUCCESS;
    });
}

hsa_status_t hsa_executable_validate(hsa_executable_t executable, uint32_t *result)
{
    return hsa_executable_validate_alt(executable, nullptr, result);
}

} // extern "C"
