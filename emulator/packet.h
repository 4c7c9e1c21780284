// SPDX-License-Identifier: MIT
//
// What whoever executes packets does with a ring's slot and with a signal, be it the device's
// thread or a region's process (docs/protocols.md 1 and 3). Both lie in the client's memory, who
// may change them at any time.
#pragma once

#include "acc/abi.h"
#include "emulator/sync.h"

#include <cstdint>

namespace acc::emu
{

inline bool is_published(uint32_t publish)
{
    return (publish & ACC_HEADER_TYPE_MASK) != ACC_PACKET_INVALID;
}

inline bool is_published(acc_packet &slot)
{
    return is_published(shared(slot.raw.publish).load(std::memory_order_acquire));
}

// Copies a packet that is published: nothing of it is read a second time. False: none is.
inline bool take_packet(acc_packet &slot, acc_packet &copy)
{
    const uint32_t publish = shared(slot.raw.publish).load(std::memory_order_acquire);
    if (!is_published(publish)) return false;
    copy.raw.publish = publish;
    copy.raw.body32 = shared(slot.raw.body32).load(std::memory_order_relaxed);
    for (unsigned i = 1; i < 8; i++)
        copy.words[i] = shared(slot.words[i]).load(std::memory_order_relaxed);
    return true;
}

struct Completed {
    uint64_t start_ns = 0, end_ns = 0, energy_pj = 0, modelled_ns = 0;
    acc_status status = ACC_STATUS_OK;
};

// Results are in memory; then times and status; then the value. The ACC_NOTIFY_* bits that the
// caller has taken and owes an event for; 0: nobody sleeps, or another writer was faster.
inline uint32_t complete_signal(acc_signal_memory &signal, const Completed &what)
{
    shared(signal.start_ns).store(what.start_ns, std::memory_order_relaxed);
    shared(signal.end_ns).store(what.end_ns, std::memory_order_relaxed);
    shared(signal.energy_pj).store(what.energy_pj, std::memory_order_relaxed);
    shared(signal.modelled_ns).store(what.modelled_ns, std::memory_order_relaxed);
    if (what.status != ACC_STATUS_OK)
        shared(signal.status).store(what.status, std::memory_order_relaxed);
    shared(signal.value).fetch_sub(1, std::memory_order_seq_cst);
    full_fence_after_rmw();
    auto notify = shared(signal.notify);
    constexpr uint32_t waiting = ACC_NOTIFY_HOST | ACC_NOTIFY_DEVICE;
    if (!(notify.load(std::memory_order_relaxed) & waiting)) return 0;
    const uint32_t bits = notify.exchange(0, std::memory_order_acq_rel);
    return bits & waiting ? bits : 0;
}

} // namespace acc::emu
