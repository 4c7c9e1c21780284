// SPDX-License-Identifier: MIT
//
// Host memory as a device reaches it: by bus address, a page at a time. The driver
// side of a face implements it (an emulated card's memory, a virtual machine's RAM).
#pragma once

#include "acc/regs.h"

#include <cstddef>
#include <cstdint>

namespace acc::emu
{

class Bus
{
public:
    virtual ~Bus() = default;

    // Where a page of bus memory is in this process, or null if nothing answers there.
    // The driver keeps it valid until the device has completed the command that named it,
    // or, for MAP, the UNMAP. Thread safe.
    virtual std::byte *page(uint64_t bus_address) = 0;

    // The file behind a page that page() gave, and where in it, for processes that are to map
    // it: one that holds this memory and no other client's. -1: there is none. Borrowed, like the
    // page. Thread safe.
    virtual int file_of(const std::byte * /*page*/, uint64_t & /*offset*/) { return -1; }
};

// Where the device's event records go. Called from any device thread, with no lock of the
// device held; it may issue admin commands.
class EventSink
{
public:
    virtual ~EventSink() = default;
    virtual void raise(const acc_event &event) = 0;
};

} // namespace acc::emu
