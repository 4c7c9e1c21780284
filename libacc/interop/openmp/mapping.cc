// SPDX-License-Identifier: MIT
#include "mapping.h"

#include <algorithm>
#include <cstdio>
#include <cstring>

namespace acc::openmp
{
namespace
{

// Of a section that is not one piece: args[i] points to one for each dimension, outermost first.
struct Dimension {
    uint64_t offset, count, stride; // bytes but for `count`
};

std::string in_hex(uint64_t value)
{
    char text[24];
    std::snprintf(text, sizeof text, "0x%lx", static_cast<unsigned long>(value));
    return text;
}

uint64_t address(const void *pointer)
{
    return reinterpret_cast<uint64_t>(pointer);
}

template <typename Copy>
void each_run(const Dimension *dimensions, size_t count, size_t at, uint64_t base, Copy &copy)
{
    const Dimension &one = dimensions[at];
    base += one.offset * one.stride;
    if (at + 1 == count) {
        copy(base, one.count * one.stride);
        return;
    }
    for (uint64_t i = 0; i < one.count; i++)
        each_run(dimensions, count, at + 1, base + i * one.stride, copy);
}

} // namespace

Mapping::Entry *Mapping::lookup(uint64_t host, uint64_t bytes, bool any)
{
    const auto after = entries_.upper_bound(host);
    if (after != entries_.begin()) {
        Entry &entry = std::prev(after)->second;
        const uint64_t offset = host - entry.host;
        if (offset < entry.bytes || (!bytes && (offset == entry.bytes || host < entry.base)))
            return &entry;
    }
    if (after == entries_.end()) return nullptr;
    Entry &entry = after->second;
    // A pointer to an array of which a later part is mapped stands for that part.
    if (bytes ? any && entry.host - host < bytes : host >= entry.base) return &entry;
    return nullptr;
}

// Aligned as on the host.
std::string Mapping::create(uint64_t host, uint64_t bytes, uint64_t base, Entry *&entry)
{
    const uint64_t shift = host % 64;
    auto *piece = static_cast<std::byte *>(memory_.allocate(bytes + shift));
    if (!piece) return std::to_string(bytes) + " bytes of device memory: " + acc_error_text();
    entry = &entries_[host];
    *entry = {host, bytes, base, piece + shift, piece, 1};
    return {};
}

// Pointers that were attached keep what they are on either side.
void Mapping::copy_in(const Entry &entry, uint64_t host, uint64_t bytes)
{
    std::byte *const to = entry.device + (host - entry.host);
    std::memcpy(to, reinterpret_cast<const void *>(host), bytes);
    for (auto p = pointers_.lower_bound(host); p != pointers_.end() && p->first + 8 <= host + bytes;
         ++p)
        std::memcpy(to + (p->first - host), static_cast<void *>(&p->second.device_value), 8);
}

void Mapping::copy_out(const Entry &entry, uint64_t host, uint64_t bytes)
{
    std::memcpy(reinterpret_cast<void *>(host), entry.device + (host - entry.host), bytes);
    for (auto p = pointers_.lower_bound(host); p != pointers_.end() && p->first + 8 <= host + bytes;
         ++p)
        std::memcpy(reinterpret_cast<void *>(p->first), static_cast<void *>(&p->second.host_value),
                    8);
}

std::string Mapping::begin_one(const MapArguments &arguments, int32_t i, bool from_mapper)
{
    const int64_t type = arguments.types[i];
    const auto bytes = static_cast<uint64_t>(arguments.sizes[i]);
    const uint64_t host = address(arguments.begins[i]);
    auto base = arguments.bases[i];
    const bool first = from_mapper && i == 0;
    bool counts = !(type & kMapMemberOf) && !first;
    Entry *pointer = nullptr;
    const uint64_t pointer_host = address(base);
    if (type & kMapPtrAndObj) {
        pointer = lookup(pointer_host, 8);
        if (pointer && counts && pointer->count != kForGood)
            pointer->count++;
        else if (!pointer)
            if (std::string why = create(pointer_host, 8, pointer_host, pointer); !why.empty())
                return why;
        base = *static_cast<void **>(base);
        counts = !first;
    }
    Entry *entry = lookup(host, bytes, type & kMapImplicit);
    bool fresh = false;
    if (entry) {
        if (bytes && host + bytes > entry->host + entry->bytes && !(type & kMapImplicit))
            return "expected memory that is mapped as a whole or not at all; found " +
                   std::to_string(bytes) + " bytes at " + in_hex(host) + ", of which " +
                   std::to_string(entry->host + entry->bytes - host) + " are mapped";
        // A member may have been allocated with its structure, and be new all the same.
        fresh = !counts && entry->count == 1;
        if (counts && entry->count != kForGood) entry->count++;
    } else if (type & kMapPresent) {
        return "expected " + std::to_string(bytes) + " bytes at " + in_hex(host) +
               " to be mapped (present); found them not";
    } else if (bytes) {
        if (std::string why = create(host, bytes, std::min(address(base), host), entry);
            !why.empty())
            return why;
        fresh = true;
    }
    if (entry && bytes && (type & kMapTo) && (fresh || (type & kMapAlways)))
        copy_in(*entry, host, bytes);
    std::byte *const device =
        entry ? entry->device + static_cast<int64_t>(host - entry->host) : nullptr;
    const auto device_base =
        device ? device + (static_cast<int64_t>(address(base)) - static_cast<int64_t>(host))
               : nullptr;
    if (type & kMapReturnParam) arguments.bases[i] = device_base;
    if (pointer && device) {
        pointers_[pointer_host] = {base, device_base};
        std::memcpy(pointer->device + (pointer_host - pointer->host),
                    static_cast<const void *>(&device_base), 8);
    }
    return {};
}

std::string Mapping::end_one(const MapArguments &arguments, int32_t i, bool from_mapper)
{
    const int64_t type = arguments.types[i];
    const auto bytes = static_cast<uint64_t>(arguments.sizes[i]);
    const uint64_t host = address(arguments.begins[i]);
    const bool counts =
        (!(type & kMapMemberOf) || (type & kMapPtrAndObj)) && !(from_mapper && i == 0);
    Entry *entry = lookup(host, bytes, type & kMapImplicit);
    if (!entry) {
        if (type & kMapPresent)
            return "expected " + std::to_string(bytes) + " bytes at " + in_hex(host) +
                   " to be mapped (present); found them not";
        return {};
    }
    if (entry->count != kForGood) {
        if (type & kMapDelete)
            entry->count = 0;
        else if (counts && entry->count)
            entry->count--;
    }
    // A member's structure goes after it.
    const bool last = entry->count == 0 || (!counts && entry->count == 1);
    const uint64_t first = std::max(host, entry->host),
                   behind = std::min(host + bytes, entry->host + entry->bytes);
    if (first < behind && (type & kMapFrom) && (last || (type & kMapAlways)))
        copy_out(*entry, first, behind - first);
    return {};
}

std::string Mapping::update_one(const MapArguments &arguments, int32_t i)
{
    const int64_t type = arguments.types[i];
    const uint64_t host = address(arguments.begins[i]);
    const auto move = [&](uint64_t at, uint64_t bytes) -> std::string {
        Entry *entry = lookup(at, bytes);
        if (!entry || at + bytes > entry->host + entry->bytes)
            return type & kMapPresent ? "expected " + std::to_string(bytes) + " bytes at " +
                                            in_hex(at) + " to be mapped (present); found them not"
                                      : std::string();
        if (type & kMapTo) copy_in(*entry, at, bytes);
        if (type & kMapFrom) copy_out(*entry, at, bytes);
        return {};
    };
    if (!(type & kMapNonContiguous)) return move(host, static_cast<uint64_t>(arguments.sizes[i]));
    // There, the size is the number of dimensions.
    const auto *dimensions = static_cast<const Dimension *>(arguments.begins[i]);
    std::string why;
    auto copy = [&](uint64_t at, uint64_t bytes) {
        if (why.empty()) why = move(at, bytes);
    };
    each_run(dimensions, static_cast<size_t>(arguments.sizes[i]), 0, address(arguments.bases[i]),
             copy);
    return why;
}

std::string Mapping::step(Step step, const MapArguments &arguments, bool from_mapper)
{
    for (int32_t n = 0; n < arguments.count; n++) {
        const int32_t i = step == Step::End ? arguments.count - 1 - n : n;
        if (arguments.types[i] & (kMapLiteral | kMapPrivate)) continue;
        std::string why;
        if (arguments.mappers && arguments.mappers[i]) {
            Components found;
            using Mapper = void (*)(void *, void *, void *, int64_t, int64_t, void *);
            reinterpret_cast<Mapper>(arguments.mappers[i])(&found, arguments.bases[i],
                                                           arguments.begins[i], arguments.sizes[i],
                                                           arguments.types[i], nullptr);
            const MapArguments inner = {static_cast<int32_t>(found.types.size()),
                                        found.bases.data(),
                                        found.begins.data(),
                                        found.sizes.data(),
                                        found.types.data(),
                                        nullptr};
            why = this->step(step, inner, true);
        } else if (step == Step::Begin) {
            why = begin_one(arguments, i, from_mapper);
        } else if (step == Step::End) {
            why = end_one(arguments, i, from_mapper);
        } else {
            why = update_one(arguments, i);
        }
        if (!why.empty()) return why;
    }
    return {};
}

std::string Mapping::begin(const MapArguments &arguments)
{
    std::lock_guard lock(mutex_);
    return step(Step::Begin, arguments, false);
}

// What nobody maps any more goes when all has been copied: parts of a structure end in any order.
std::string Mapping::end(const MapArguments &arguments)
{
    std::lock_guard lock(mutex_);
    std::string why = step(Step::End, arguments, false);
    for (auto it = entries_.begin(); it != entries_.end();) {
        const Entry &entry = it->second;
        if (entry.count) {
            ++it;
            continue;
        }
        pointers_.erase(pointers_.lower_bound(entry.host),
                        pointers_.lower_bound(entry.host + entry.bytes));
        if (entry.piece) memory_.free(entry.piece);
        it = entries_.erase(it);
    }
    return why;
}

std::string Mapping::update(const MapArguments &arguments)
{
    std::lock_guard lock(mutex_);
    return step(Step::Update, arguments, false);
}

void Mapping::add_global(void *host, void *device, size_t bytes)
{
    std::lock_guard lock(mutex_);
    entries_[address(host)] = {
        address(host), bytes, address(host), static_cast<std::byte *>(device), nullptr, kForGood};
}

void *Mapping::find(const void *host, size_t bytes)
{
    std::lock_guard lock(mutex_);
    const Entry *entry = lookup(address(host), bytes);
    return entry ? entry->device + (address(host) - entry->host) : nullptr;
}

bool Mapping::associate(const void *host, void *device, size_t bytes)
{
    std::lock_guard lock(mutex_);
    if (lookup(address(host), bytes)) return false;
    entries_[address(host)] = {
        address(host), bytes, address(host), static_cast<std::byte *>(device), nullptr, kForGood};
    return true;
}

bool Mapping::disassociate(const void *host)
{
    std::lock_guard lock(mutex_);
    const auto found = entries_.find(address(host));
    if (found == entries_.end() || found->second.count != kForGood) return false;
    entries_.erase(found);
    return true;
}

// What a lambda has captured by reference, in the copy of it that is at `parent` on the device.
void Mapping::set_captured(const MapArguments &arguments, int32_t i, uint64_t parent)
{
    const int64_t index = ((arguments.types[i] & kMapMemberOf) >> 48 & 0xffff) - 1;
    const uint64_t value = address(arguments.begins[i]);
    const Entry *entry = lookup(value, static_cast<uint64_t>(arguments.sizes[i]));
    if (!entry) return;
    const uint64_t member =
        parent + (address(arguments.bases[i]) - address(arguments.begins[index]));
    std::byte *const there = entry->device + (value - entry->host);
    std::memcpy(reinterpret_cast<void *>(member), static_cast<const void *>(&there), 8);
}

std::string Mapping::parameters(const MapArguments &arguments, std::vector<uint64_t> &list,
                                std::vector<void *> &temporaries)
{
    std::lock_guard lock(mutex_);
    std::vector<uint64_t> values(static_cast<size_t>(arguments.count)); // by argument
    const auto push = [&](int32_t i, uint64_t value) {
        values[static_cast<size_t>(i)] = value;
        list.push_back(value);
    };
    for (int32_t i = 0; i < arguments.count; i++) {
        const int64_t type = arguments.types[i];
        const int64_t parent = ((type & kMapMemberOf) >> 48 & 0xffff) - 1;
        if (!(type & kMapTargetParam)) {
            constexpr int64_t captured = kMapPtrAndObj | kMapLiteral | kMapImplicit;
            if ((type & captured) == captured && parent >= 0 && parent < i)
                set_captured(arguments, i, values[static_cast<size_t>(parent)]);
            continue;
        }
        if (type & kMapLiteral) {
            push(i, address(arguments.bases[i]));
            continue;
        }
        const auto bytes = static_cast<uint64_t>(arguments.sizes[i]);
        const uint64_t host = address(arguments.begins[i]);
        uint64_t base = address(arguments.bases[i]);
        if (type & kMapPtrAndObj) base = address(*static_cast<void **>(arguments.bases[i]));
        std::byte *device = nullptr;
        if (type & kMapPrivate) {
            const uint64_t shift = host % 64;
            auto *piece = static_cast<std::byte *>(memory_.allocate(bytes + shift));
            if (!piece)
                return std::to_string(bytes) + " bytes of device memory: " + acc_error_text();
            temporaries.push_back(piece);
            device = piece + shift;
            if (type & kMapTo) std::memcpy(device, arguments.begins[i], bytes);
        } else if (const Entry *entry = lookup(host, bytes, type & kMapImplicit)) {
            device = entry->device + static_cast<int64_t>(host - entry->host);
        }
        // A pointer to what is not mapped keeps its value.
        push(i, (device ? address(device) : host) + (base - host));
    }
    return {};
}

} // namespace acc::openmp
