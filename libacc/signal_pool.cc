// SPDX-License-Identifier: MIT
#include "libacc/signal_pool.h"

#include "libacc/clock.h"
#include "libacc/device.h"
#include "libacc/error.h"
#include "libacc/log.h"

#include <algorithm>
#include <atomic>

namespace acc
{
namespace
{

constexpr Log signal_pool_log("signals");

constexpr size_t first_chunk_bytes = 4096, largest_chunk_bytes = 1u << 20;

} // namespace

SignalChunk::~SignalChunk()
{
    for (size_t i = 0; i < relays_; i++)
        devices_[i]->reader().remove_relay(*this);
}

int SignalChunk::lost() const
{
    for (const Device *device : devices_)
        if (const int error = device->lost()) return error;
    return 0;
}

Error SignalChunk::fail_lost() const
{
    for (const Device *device : devices_)
        if (const int error = device->lost()) return device->fail_lost(error);
    return fail(-EIO, "a device was lost");
}

// A writer's exchange takes ACC_NOTIFY_RELAY away and raises an event; where it is missing
// the others may not know yet. Where it is there, nothing has changed since they were told,
// so that the event that the relay itself causes ends here.
void SignalChunk::relay(Device &from)
{
    uint32_t first = UINT32_MAX, last = 0;
    for (uint32_t i = 0; i < count_; i++) {
        std::atomic_ref notify(cells_[i].notify);
        if (notify.load(std::memory_order_relaxed) & ACC_NOTIFY_RELAY) continue;
        if (notify.fetch_or(ACC_NOTIFY_RELAY, std::memory_order_acq_rel) & ACC_NOTIFY_RELAY)
            continue;
        first = std::min(first, i);
        last = i;
    }
    if (first == UINT32_MAX) return;
    full_fence();
    // All of them, this one too: the mark that is missing may have been taken by a change on
    // another device, whose own reader will find it set again and tell nobody.
    for (Device *device : devices_) {
        drm_acc_signal_wake wake = {};
        wake.address = reinterpret_cast<uint64_t>(cells_ + first);
        wake.range = uint64_t(last - first + 1) * ACC_SIGNAL_BYTES;
        const int error = device->ioctl(DRM_IOCTL_ACC_SIGNAL_WAKE, &wake);
        if (error && !device->lost())
            signal_pool_log.error("{}: cannot relay a wake of {}: {}", device->uri(), from.uri(),
                                  errno_text(error));
        // SIGNAL_WAKE doesn't fire the caller's own descriptor, and `from` looks next.
        if (device != &from) device->reader().poke();
    }
}

Result<SignalChunk *> SignalPools::grow(std::span<Device *const> devices)
{
    size_t bytes = first_chunk_bytes;
    for (const auto &chunk : chunks_)
        if (std::ranges::equal(chunk->devices_, devices))
            bytes = std::min(std::max(bytes, chunk->buffer_->bytes() * 2), largest_chunk_bytes);
    // Not counted: an idle pool of one device does not keep it open, and a shared chunk is
    // freed with its last signal, which is counted.
    ACC_TRY(auto buffer, Buffer::create(owner_, bytes, 0, false));
    ACC_TRY(SignalChunk * chunk, add_chunk(devices, std::move(buffer)));
    chunk->free_.reserve(chunk->count_);
    for (uint32_t i = chunk->count_; i-- > 0;)
        chunk->free_.push_back(i);
    return chunk;
}

Result<SignalChunk *> SignalPools::add_chunk(std::span<Device *const> devices,
                                             std::unique_ptr<Buffer> buffer)
{
    std::unique_ptr<SignalChunk> chunk(new SignalChunk);
    chunk->devices_.assign(devices.begin(), devices.end());
    chunk->buffer_ = std::move(buffer);
    for (Device *device : devices.subspan(1))
        if (const int error = chunk->buffer_->attach(*device)) return Error{error};
    chunk->cells_ = static_cast<acc_signal_memory *>(chunk->buffer_->data());
    chunk->count_ = uint32_t(chunk->buffer_->bytes() / ACC_SIGNAL_BYTES);
    if (chunk->shared()) {
        for (Device *device : devices) {
            if (const int error = device->reader().start()) return Error{error};
            device->reader().add_relay(*chunk);
            chunk->relays_++;
        }
    }
    chunks_.push_back(std::move(chunk));
    return chunks_.back().get();
}

Result<SignalPools::Cell> SignalPools::allocate(std::span<Device *const> devices, int64_t initial)
{
    std::lock_guard lock(mutex_);
    SignalChunk *chunk = nullptr;
    for (size_t i = chunks_.size(); i-- > 0 && !chunk;)
        if (!chunks_[i]->free_.empty() && std::ranges::equal(chunks_[i]->devices_, devices))
            chunk = chunks_[i].get();
    if (!chunk) {
        ACC_TRY(chunk, grow(devices));
    }
    acc_signal_memory &cell = chunk->cells_[chunk->free_.back()];
    chunk->free_.pop_back();
    // Atomically: a device may still exchange `notify` of the signal that was here.
    std::atomic_ref(cell.status).store(ACC_STATUS_OK, std::memory_order_relaxed);
    std::atomic_ref(cell.notify).store(0, std::memory_order_relaxed);
    for (acc_u64 *word :
         {&cell.reserved, &cell.start_ns, &cell.end_ns, &cell.energy_pj, &cell.modelled_ns})
        std::atomic_ref(*word).store(0, std::memory_order_relaxed);
    std::atomic_ref(cell.value).store(initial, std::memory_order_relaxed);
    std::atomic_ref(cell.kind).store(ACC_SIGNAL_KIND_USER, std::memory_order_release);
    for (Device *device : chunk->devices_)
        device->add_child();
    return Cell{&cell, chunk};
}

Result<SignalPools::Cell> SignalPools::import(std::span<Device *const> devices, int fd,
                                              uint64_t offset)
{
    ACC_TRY(auto buffer, Buffer::import(owner_, fd));
    if (offset % ACC_SIGNAL_BYTES || offset >= buffer->bytes())
        return fail(-EINVAL, "expected a multiple of {} below {}; found the offset {}",
                    ACC_SIGNAL_BYTES, buffer->bytes(), offset);
    std::lock_guard lock(mutex_);
    ACC_TRY(SignalChunk * chunk, add_chunk(devices, std::move(buffer)));
    chunk->imported_ = true;
    acc_signal_memory &cell = chunk->cells_[offset / ACC_SIGNAL_BYTES];
    const int64_t kind = std::atomic_ref(cell.kind).load(std::memory_order_acquire);
    if (kind != ACC_SIGNAL_KIND_USER) {
        std::erase_if(chunks_, [&](const auto &other) { return other.get() == chunk; });
        return fail(-EINVAL, "expected a signal, kind {}; found kind {}", ACC_SIGNAL_KIND_USER,
                    kind);
    }
    for (Device *device : chunk->devices_)
        device->add_child();
    return Cell{&cell, chunk};
}

void SignalPools::free(const Cell &cell)
{
    SignalChunk &chunk = *cell.chunk;
    const std::vector<Device *> devices = chunk.devices_;
    {
        std::lock_guard lock(mutex_);
        bool spare = chunk.imported_;
        if (!spare) {
            // A packet that names it from now on is refused.
            std::atomic_ref(cell.memory->kind).store(0, std::memory_order_release);
            chunk.free_.push_back(uint32_t(cell.memory - chunk.cells_));
            spare = chunk.free_.size() == chunk.count_ &&
                    (chunk.shared() || chunk.buffer_->bytes() > first_chunk_bytes);
        }
        if (spare) std::erase_if(chunks_, [&](const auto &other) { return other.get() == &chunk; });
    }
    // Last: from here on a device may be closed.
    for (Device *device : devices)
        device->remove_child();
}

void SignalPools::clear()
{
    std::lock_guard lock(mutex_);
    chunks_.clear();
}

} // namespace acc
