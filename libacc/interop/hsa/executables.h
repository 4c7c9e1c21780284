// SPDX-License-Identifier: MIT
//
// Code object readers, executables and their symbols; the older code objects too. What they
// all hold is our container, .accx: its kernels are symbols, its sections are loaded by
// libacc. It has no variables; those that a program defines are looked up, and no more.
//
// Thread safety: all calls from any thread.
#pragma once

#include "agents.h"

#include <span>
#include <unordered_map>

namespace acc::hsa
{

struct Reader {
    std::span<const std::byte> image; // of the program, or of `bytes`
    std::vector<std::byte> bytes;

    hsa_code_object_reader_t handle() const { return {reinterpret_cast<uint64_t>(this)}; }
};

struct Executable;

struct Symbol {
    const Executable *executable = nullptr; // null: of a code object
    std::string name;
    hsa_symbol_kind_t kind = HSA_SYMBOL_KIND_KERNEL;
    const Agent *agent = nullptr; // null: program allocation
    acc_kernel_info kernel = {};
    void *address = nullptr; // of a variable
    bool read_only = false;

    uint64_t handle() const { return reinterpret_cast<uint64_t>(this); }
};

struct LoadedCode {
    const Agent *agent = nullptr;
    Program program;

    hsa_loaded_code_object_t handle() const { return {reinterpret_cast<uint64_t>(this)}; }
};

struct Executable {
    hsa_profile_t profile = HSA_PROFILE_BASE;
    hsa_default_float_rounding_mode_t rounding = HSA_DEFAULT_FLOAT_ROUNDING_MODE_NEAR;
    bool frozen = false;
    std::vector<std::unique_ptr<LoadedCode>> code;
    std::vector<std::unique_ptr<Symbol>> symbols;

    hsa_executable_t handle() const { return {reinterpret_cast<uint64_t>(this)}; }
    const Symbol *find(const std::string &name, const Agent *agent) const;
};

struct CodeObject {
    std::vector<std::byte> image;
    const Isa *isa = nullptr;
    std::vector<std::unique_ptr<Symbol>> symbols;

    hsa_code_object_t handle() const { return {reinterpret_cast<uint64_t>(this)}; }
};

// The objects, and the one lock of them all.
class Executables
{
public:
    explicit Executables(Runtime &) {}

    template <typename T>
    using Table = std::unordered_map<uint64_t, std::unique_ptr<T>>;

    std::mutex &mutex() { return mutex_; }
    Table<Reader> readers;
    Table<Executable> executables;
    Table<CodeObject> code_objects;

    template <typename T>
    static T *find(const Table<T> &table, uint64_t handle)
    {
        const auto found = table.find(handle);
        return found == table.end() ? nullptr : found->second.get();
    }
    template <typename T>
    static T *add(Table<T> &table, std::unique_ptr<T> object)
    {
        T *const at = object.get();
        table[object->handle().handle] = std::move(object);
        return at;
    }
    // A symbol of any executable; null for what is none.
    const Symbol *find_symbol(uint64_t handle) const;
    const Symbol *find_code_symbol(uint64_t handle) const;

private:
    std::mutex mutex_;
};

// Loads an image on an agent, and adds its kernels.
hsa_status_t load_image(Executable &executable, const Agent &agent,
                        std::span<const std::byte> image, hsa_loaded_code_object_t *loaded);
// The kernels of a program as symbols.
hsa_status_t list_kernels(const Program &program, const Agent *agent,
                          std::vector<std::unique_ptr<Symbol>> &symbols);
// INVALID_CODE_OBJECT for what is no container.
hsa_status_t check_image(std::span<const std::byte> image);

// Attributes of kernels and variables that executables' and code objects' symbols share, by
// the numbers that both enumerations have in common.
hsa_status_t symbol_info(const Symbol &symbol, int attribute, void *value);

} // namespace acc::hsa
