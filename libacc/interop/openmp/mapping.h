// SPDX-License-Identifier: MIT
//
// Which host memory is mapped where on the device, and what map clauses do to that: for a runtime
// whose plugins are not loaded but built in, so that all of this is asked for. The rules and flags
// are those of LLVM's libomptarget (openmp/libomptarget/src/omptarget.cpp, enum tgt_map_type).
//
// Errors: a text; empty is success.
//
// Thread safety: all functions are any thread's. A mapper is called with the table locked, and
// calls nothing of it but push().
#pragma once

#include "memory.h"

#include <cstddef>
#include <cstdint>
#include <map>
#include <mutex>
#include <string>
#include <vector>

namespace acc::openmp
{

enum MapType : int64_t {
    kMapTo = 0x1,
    kMapFrom = 0x2,
    kMapAlways = 0x4,
    kMapDelete = 0x8,
    kMapPtrAndObj = 0x10,
    kMapTargetParam = 0x20,
    kMapReturnParam = 0x40,
    kMapPrivate = 0x80,
    kMapLiteral = 0x100,
    kMapImplicit = 0x200,
    kMapPresent = 0x1000,
    kMapNonContiguous = 0x100000000000,
};
constexpr int64_t kMapMemberOf = static_cast<int64_t>(0xffff000000000000);

// The arrays that clang passes to every call, [count] each; `mappers` may be null.
struct MapArguments {
    int32_t count;
    void **bases, **begins;
    int64_t *sizes, *types;
    void **mappers;
};

class Mapping
{
public:
    explicit Mapping(DeviceMemory &memory) : memory_(memory) {}
    Mapping(const Mapping &) = delete;
    Mapping &operator=(const Mapping &) = delete;

    std::string begin(const MapArguments &arguments);
    std::string end(const MapArguments &arguments);
    // `target update`.
    std::string update(const MapArguments &arguments);

    // For good: a variable that the device has.
    void add_global(void *host, void *device, size_t bytes);
    // The device's address of host memory, of at least one byte. Null: not mapped.
    void *find(const void *host, size_t bytes);
    // omp_target_associate_ptr() and its end. False: mapped already, or never so.
    bool associate(const void *host, void *device, size_t bytes);
    bool disassociate(const void *host);

    // What a launch is given, of arguments that begin() has seen; `temporaries` are freed by the
    // caller.
    std::string parameters(const MapArguments &arguments, std::vector<uint64_t> &list,
                           std::vector<void *> &temporaries);

    // What a mapper adds to the handle that it is given.
    struct Components {
        std::vector<void *> bases, begins;
        std::vector<int64_t> sizes, types;
    };

private:
    enum class Step { Begin, End, Update };
    static constexpr uint64_t kForGood = UINT64_MAX;
    struct Entry {
        uint64_t host = 0, bytes = 0;
        uint64_t base = 0; // what the section was one of
        std::byte *device = nullptr;
        void *piece = nullptr; // what is freed; null: not ours
        uint64_t count = 0;
    };
    struct Pointer {
        void *host_value = nullptr, *device_value = nullptr;
    };

    // That the first byte is in; or any, of an implicit map; or, of no bytes, whose array it is of.
    Entry *lookup(uint64_t host, uint64_t bytes, bool any = false);
    std::string create(uint64_t host, uint64_t bytes, uint64_t base, Entry *&entry);
    std::string step(Step step, const MapArguments &arguments, bool from_mapper);
    std::string begin_one(const MapArguments &arguments, int32_t i, bool from_mapper);
    std::string end_one(const MapArguments &arguments, int32_t i, bool from_mapper);
    std::string update_one(const MapArguments &arguments, int32_t i);
    void set_captured(const MapArguments &arguments, int32_t i, uint64_t parent);
    void copy_in(const Entry &entry, uint64_t host, uint64_t bytes);
    void copy_out(const Entry &entry, uint64_t host, uint64_t bytes);

    DeviceMemory &memory_;
    std::mutex mutex_;                     // of both
    std::map<uint64_t, Entry> entries_;    // by host address; they don't overlap
    std::map<uint64_t, Pointer> pointers_; // attached ones, by their host address
};

} // namespace acc::openmp
