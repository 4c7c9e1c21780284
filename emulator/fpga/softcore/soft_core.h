// SPDX-License-Identifier: MIT
//
// Executes the work-items of a group of compiled code, each on a stack of its own, one after the
// other on the calling thread: an item goes on until it meets a barrier or ends. When all have come
// to the barrier, all go on.
//
// Below each stack is a page that nothing may touch, so that an overflow is a fault and no
// corruption; the handler runs on an alternate stack (process/sandbox.h).
//
// Thread safety: none; a core is used by one thread, and barrier() from inside of run() alone.
#pragma once

#include "acc/role.h"

#include <cstddef>
#include <cstdint>
#include <vector>

namespace acc::emu::fpga
{

inline constexpr uint32_t kMaxWorkItems = 1024; // of a group
inline constexpr uint32_t kDefaultStackBytes = 64u << 10;
inline constexpr uint32_t kMaxStackBytes = 16u << 20;

class SoftCore
{
public:
    enum class End {
        Done,
        Divergent, // some items wait at a barrier that others did not come to
        Invalid,   // no function, no or too many items, a stack that is too big
        NoMemory,  // for the stacks
    };
    // `stacks` is told where stacks with their guards lie, before anything runs on them.
    using StacksChanged = void (*)(uint64_t start, uint64_t end);

    explicit SoftCore(StacksChanged stacks) : stacks_changed_(stacks) {}
    ~SoftCore();
    SoftCore(const SoftCore &) = delete;
    SoftCore &operator=(const SoftCore &) = delete;

    // After Divergent the items that wait are given up: what they hold is never released.
    End run(const acc_work_group &group);
    // Of the item that calls it.
    void barrier(uint32_t id);

private:
    enum class State : uint8_t { Ready, Waits, Ended };
    struct Item {
        void *stack_pointer = nullptr;
        State state = State::Ready;
        uint32_t at = 0; // Waits: the barrier
        uint32_t local[3] = {};
    };

    [[noreturn]] static void begin();
    bool make_stacks(uint32_t items, size_t bytes);
    void free_stacks();
    void prepare(uint32_t index);

    const StacksChanged stacks_changed_;
    char *stacks_ = nullptr;
    size_t stack_bytes_ = 0; // of one, without its guard
    uint32_t stack_count_ = 0;
    std::vector<Item> items_;
    const acc_work_group *group_ = nullptr;
    Item *running_ = nullptr;
    void *scheduler_ = nullptr; // run()'s own stack pointer, while an item runs
};

} // namespace acc::emu::fpga
