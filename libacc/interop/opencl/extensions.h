// SPDX-License-Identifier: MIT
//
// Functions of extensions, found by clGetExtensionFunctionAddressForPlatform().
#pragma once

#include <span>

namespace acc::ocl
{

struct ExtensionEntry {
    const char *name;
    void *function;
};
template <typename F>
ExtensionEntry extension(const char *name, F *function)
{
    return {name, reinterpret_cast<void *>(function)};
}

// Null: there is none of that name.
void *find_extension(const char *name);

// Of one extension each.
std::span<const ExtensionEntry> command_buffer_functions();
std::span<const ExtensionEntry> external_memory_functions();
std::span<const ExtensionEntry> semaphore_functions();

} // namespace acc::ocl
