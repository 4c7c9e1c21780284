// SPDX-License-Identifier: MIT
//
// The client's memory in a region's process: pieces of its buffers, or copies of such, each mapped
// at its device address inside the reserved arena when it is touched for the first time.
//
// Thread safety: none but what is said; one thread runs a role. request() is safe in a signal
// handler, of one thread at a time.
#pragma once

#include "emulator/engine.h"
#include "emulator/fpga/process/control.h"

#include <array>

namespace acc::emu::fpga
{

// What comes with the message of that size which the device sends next; none: another came, or
// none with it. Safe in signal handlers.
UniqueFd receive_descriptor(std::span<std::byte> message);

class Windows final : public Memory
{
public:
    // Reserves the arena. False: something lies there.
    [[nodiscard]] bool reserve();
    void attach(Control &control) { control_ = &control; }

    std::span<std::byte> span(uint64_t address, size_t bytes, Access access) override;

    // Asks the device for what is bound at `address`, and maps it. False: nothing is. From a
    // dispatch alone: the device answers only then.
    [[nodiscard]] bool request(uint64_t address, bool write);
    void forget(uint64_t address, uint64_t bytes);
    // The copies, whose dispatch has ended.
    void forget_staged();
    // What lies there is the role's own, and stays whatever is mapped or dropped around it.
    [[nodiscard]] bool keep(uint64_t address, uint64_t bytes) override;
    bool keeps(uint64_t address) const;
    // Whether it is mapped with this access. Not while another thread is in request().
    bool holds(uint64_t address, bool write) const { return find(address, write) != nullptr; }

    static bool in_arena(uint64_t address);

private:
    struct Window {
        uint64_t start = 0, end = 0;
        bool write = false, staged = false;
    };
    struct Range {
        uint64_t start = 0, end = 0;
    };
    const Window *find(uint64_t address, bool write) const;
    void reserve_again(const Window &window);
    void drop(size_t index);
    template <typename F>
    bool around_kept(uint64_t start, uint64_t end, F map) const;

    Control *control_ = nullptr;
    std::array<Window, 256> windows_; // no allocation: a signal handler adds to it
    size_t count_ = 0;
    std::array<Range, 256> kept_;
    size_t kept_count_ = 0;
    size_t last_ = 0; // where the last one was found
    size_t oldest_ = 0;
};

} // namespace acc::emu::fpga
