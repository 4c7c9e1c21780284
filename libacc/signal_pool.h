// SPDX-License-Identifier: MIT
//
// Where signals live: cells of 64 bytes in buffers that are attached to all devices of one
// set. A device that is named first in a set owns the set's pool.
//
// Cells are recycled as signals at once: a device's late exchange of `notify` wakes whom
// it clears, which is harmless (docs/protocols.md, "notify").
//
// Thread safety: all calls from any thread.
#pragma once

#include "acc/abi.h"
#include "common/result.h"
#include "libacc/buffer.h"

#include <cstdint>
#include <memory>
#include <mutex>
#include <span>
#include <vector>

namespace acc
{

class Device;
class SignalPools;

class SignalChunk
{
public:
    // Relays to the others what may have changed since the last time: `from` had an event.
    void relay(Device &from);

    std::span<Device *const> devices() const { return devices_; }
    bool shared() const { return devices_.size() > 1; }
    // As Device::lost(), of the first that is.
    int lost() const;
    // Sets the text that belongs to lost(). Precondition: one is.
    Error fail_lost() const;

private:
    friend class SignalPools;
    ~SignalChunk();
    friend struct std::default_delete<SignalChunk>;

    std::vector<Device *> devices_;
    std::unique_ptr<Buffer> buffer_;
    acc_signal_memory *cells_ = nullptr;
    uint32_t count_ = 0;
    bool imported_ = false; // for one signal, and nothing in it is ours to reset
    std::vector<uint32_t> free_;
    size_t relays_ = 0; // devices whose readers know of it
};

class SignalPools
{
public:
    explicit SignalPools(Device &owner) : owner_(owner) {}

    struct Cell {
        acc_signal_memory *memory;
        SignalChunk *chunk;
    };
    // `devices`: the owner first, none twice.
    Result<Cell> allocate(std::span<Device *const> devices, int64_t initial);
    // A cell of memory that somebody else looks after.
    Result<Cell> import(std::span<Device *const> devices, int fd, uint64_t offset);
    void free(const Cell &cell);
    // No cell is in use.
    void clear();

private:
    Result<SignalChunk *> add_chunk(std::span<Device *const> devices,
                                    std::unique_ptr<Buffer> buffer);
    Result<SignalChunk *> grow(std::span<Device *const> devices);

    Device &owner_;
    std::mutex mutex_;
    std::vector<std::unique_ptr<SignalChunk>> chunks_;
};

} // namespace acc
