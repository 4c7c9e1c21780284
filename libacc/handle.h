// SPDX-License-Identifier: MIT
//
// What every handle of the API starts with, so that a wrong or inherited one is refused.
#pragma once

#include <atomic>
#include <cstdint>

namespace acc
{

// Counts the forks between the process that loaded the library and this one.
extern std::atomic<uint32_t> fork_generation;

enum class HandleKind : uint32_t {
    Ended = 0x646e6561,
    Device = 0x76656461,
    Buffer = 0x66756261,
    Queue = 0x65757161,
    Signal = 0x67697361,
    Program = 0x67727061,
    Model = 0x646f6d61,
    Server = 0x76727361,
    Request = 0x71657261,
};

class Handle
{
public:
    explicit Handle(HandleKind kind)
        : kind_(kind), generation_(fork_generation.load(std::memory_order_relaxed))
    {
    }
    Handle(const Handle &) = delete;
    Handle &operator=(const Handle &) = delete;
    ~Handle()
    {
        // A compiler may drop a store to what is about to be freed; not this one.
        std::atomic_ref(kind_).store(HandleKind::Ended, std::memory_order_relaxed);
    }

    HandleKind kind() const { return kind_; }
    // False in a child that inherited it: its memory is not mapped there.
    bool here() const { return generation_ == fork_generation.load(std::memory_order_relaxed); }

private:
    HandleKind kind_;
    uint32_t generation_;
};

} // namespace acc
