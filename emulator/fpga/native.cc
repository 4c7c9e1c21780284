// SPDX-License-Identifier: MIT
#include "emulator/fpga/native.h"

#include "acc/program.h"
#include <cerrno>

#include <cstring>
#include <fcntl.h>

namespace acc::emu::fpga
{

NativeRegions::NativeRegions(uint32_t slots, const std::string &trace, bool trust,
                             uint64_t most_staged)
    : trust_(trust), pool_(most_staged, turns_), slots_(slots)
{
    if (!trace.empty())
        trace_.reset(open(trace.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644));
}

UniqueFd NativeRegions::take_trace(const Image &image)
{
    if (image.kind != ACC_FPGA_RTL) return {};
    std::lock_guard lock(trace_mutex_);
    return std::move(trace_);
}

std::unique_ptr<RegionProcess> NativeRegions::start(const Image &image, std::string &why)
{
    std::unique_ptr<RegionProcess> process = pool_.take(why);
    const UniqueFd trace = take_trace(image);
    if (process && process->load(image, trace.get(), why)) process.reset();
    pool_.prepare();
    return process;
}

void NativeRegions::load(uint32_t index, uint32_t client, const Image &image)
{
    unload(index);
    std::string why;
    std::unique_ptr<RegionProcess> process;
    std::unique_ptr<LocalRoles> local;
    if (!is_local(image))
        process = start(image, why);
    else if (std::shared_ptr<LocalImage> mapped = images_.get(image, why))
        local = LocalRoles::create(std::move(mapped), take_trace(image), why);
    Slot &slot = slots_[index];
    std::lock_guard lock(slot.mutex);
    slot.process = std::move(process);
    slot.local = std::move(local);
    slot.failure = std::move(why);
    slot.client = client;
    slot.trusted = image.trusted;
    std::memcpy(slot.digest, image.digest, sizeof slot.digest);
}

// Under the slot's lock. A process takes milliseconds to end, in which the next one is loaded.
void NativeRegions::end(Slot &slot)
{
    slot.local.reset();
    if (!slot.process) return;
    slot.process->kill();
    slot.ending = std::move(slot.process);
    slot.ending_client = slot.client;
}

void NativeRegions::unload(uint32_t index)
{
    Slot &slot = slots_[index];
    std::lock_guard lock(slot.mutex);
    end(slot);
    slot.marks.clear();
    slot.failure.clear();
}

void NativeRegions::settle(uint32_t index)
{
    std::lock_guard lock(slots_[index].mutex);
    slots_[index].ending.reset();
}

// Under the slot's lock. What a client's code may have kept a descriptor of it can map again: such
// a process ends. A signed role is asked.
void NativeRegions::drop_marked(Slot &slot)
{
    for (const Range &range : slot.marks) {
        if (!slot.process || !slot.process->maps(range.address, range.bytes)) continue;
        if (!slot.trusted || !slot.process->forget(range.address, range.bytes))
            slot.process.reset();
    }
    slot.marks.clear();
}

acc_status NativeRegions::run(Dispatch &dispatch, const Image &image, const RunOrder &order,
                              uint64_t &cycles)
{
    Slot &slot = slots_[dispatch.slot];
    std::unique_lock lock(slot.mutex);
    drop_marked(slot);
    const bool mine = slot.client == dispatch.client &&
                      std::memcmp(slot.digest, image.digest, sizeof slot.digest) == 0;
    const bool there =
        is_local(image) ? slot.local != nullptr : slot.process && !slot.process->broken();
    if (!mine || (!there && slot.failure.empty())) {
        lock.unlock();
        load(dispatch.slot, dispatch.client, image);
        lock.lock();
        drop_marked(slot); // it has no window yet: only forgets the marks
    }
    slot.ending.reset();
    if (!slot.process && !slot.local) {
        dispatch.text = std::move(slot.failure);
        slot.failure.clear();
        dispatch.slot_fault = true;
        return ACC_STATUS_ENGINE_ERROR;
    }
    slot.running = true;
    if (slot.local) {
        LocalRoles &local = *slot.local;
        lock.unlock();
        const acc_status status = local.run(dispatch, order, cycles);
        lock.lock();
        slot.running = false;
        dispatch.slot_fault = status == ACC_STATUS_TIMEOUT || status == ACC_STATUS_ENGINE_ERROR;
        if (dispatch.slot_fault) slot.local.reset();
        return status;
    }
    RegionProcess &process = *slot.process;
    lock.unlock();
    const acc_status status = process.run(dispatch, order, cycles);
    lock.lock();
    slot.running = false;
    if (process.broken()) {
        dispatch.slot_fault = true;
        slot.process.reset();
    }
    return status;
}

void NativeRegions::follow(Following &following, const Image &image, const RunOrder &order,
                           const Kernel &kernel, const Rates &rates)
{
    Slot &slot = slots_[following.slot];
    std::unique_lock lock(slot.mutex);
    drop_marked(slot);
    if (!slot.process || slot.process->broken() || slot.client != following.client ||
        std::memcmp(slot.digest, image.digest, sizeof slot.digest))
        return; // run() knows what to do
    RegionProcess &process = *slot.process;
    process.may_follow();
    slot.running = slot.following = true;
    lock.unlock();
    if (following.still()) process.follow(following, order, kernel, rates);
    lock.lock();
    slot.running = slot.following = false;
    if (process.broken()) {
        following.slot_fault = true;
        slot.process.reset();
    }
}

void NativeRegions::leave(uint32_t client)
{
    for (Slot &slot : slots_) {
        std::lock_guard lock(slot.mutex);
        if (slot.following && slot.client == client) slot.process->leave();
    }
}

void NativeRegions::unmapping(uint32_t client, uint64_t address, uint64_t bytes)
{
    for (Slot &slot : slots_) {
        std::lock_guard lock(slot.mutex);
        if (!slot.process || slot.client != client) continue;
        slot.marks.push_back({address, bytes});
        if (slot.following) slot.process->leave(); // whose section is waited for
    }
}

// Whoever runs now began after unmapping() and has dropped the range first; who began before has
// ended.
void NativeRegions::unmapped(uint32_t client)
{
    for (Slot &slot : slots_) {
        std::lock_guard lock(slot.mutex);
        if (slot.ending && slot.ending_client == client) slot.ending.reset();
        if (slot.client == client && !slot.running) drop_marked(slot);
    }
}

void NativeRegions::client_gone(uint32_t client)
{
    for (Slot &slot : slots_) {
        std::lock_guard lock(slot.mutex);
        if (slot.client == client && !slot.running) end(slot);
        if (slot.ending && slot.ending_client == client) slot.ending.reset();
    }
}

} // namespace acc::emu::fpga
