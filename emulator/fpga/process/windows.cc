// SPDX-License-Identifier: MIT
#include "emulator/fpga/process/windows.h"

#include "common/message.h"
#include "emulator/memory.h"

#include <algorithm>
#include <sys/mman.h>
#include <utility>

namespace acc::emu::fpga
{

UniqueFd receive_descriptor(std::span<std::byte> message)
{
    auto got = receive_message(kSocketFd, message, 0);
    if (!got || got->bytes != message.size() || got->broken) return {};
    return std::move(got->fd);
}

bool Windows::in_arena(uint64_t address)
{
    return address >= arena_start && address < arena_end;
}

bool Windows::reserve()
{
    void *const want = reinterpret_cast<void *>(arena_start);
    return mmap(want, arena_end - arena_start, PROT_NONE,
                MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE, -1, 0) == want;
}

const Windows::Window *Windows::find(uint64_t address, bool write) const
{
    for (size_t i = 0; i < count_; i++) {
        const Window &window = windows_[(last_ + i) % count_];
        if (address >= window.start && address < window.end && (!write || window.write))
            return &window;
    }
    return nullptr;
}

std::span<std::byte> Windows::span(uint64_t address, size_t bytes, Access access)
{
    const bool write = access == Access::Write;
    const Window *window = find(address, write);
    if (!window && bytes && request(address, write)) window = find(address, write);
    if (!window || !bytes) {
        if (bytes) fault_address_ = address;
        return {};
    }
    last_ = static_cast<size_t>(window - windows_.data());
    return {reinterpret_cast<std::byte *>(address),
            std::min<uint64_t>(bytes, window->end - address)};
}

// Drops what was mapped; the addresses stay reserved.
void Windows::reserve_again(const Window &window)
{
    mmap(reinterpret_cast<void *>(window.start), window.end - window.start, PROT_NONE,
         MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0);
}

bool Windows::request(uint64_t address, bool write)
{
    if (!in_arena(address)) return false;
    auto &answer = control_->to_device;
    answer.answer = Answer::Window;
    answer.address = address;
    answer.write = write;
    give_turn(*control_, kTurnDevice, kAnswerFd);
    if (!await_turn(*control_) || control_->to_process.order != Order::Window) return false;

    WindowMessage message;
    const UniqueFd fd = receive_descriptor(std::as_writable_bytes(std::span(&message, 1)));
    if (!fd) return false;
    const uint64_t end = message.start + message.bytes;
    bool mapped = message.start < end && in_arena(message.start) && in_arena(end - 1);
    if (mapped) {
        // What was mapped there with less access gives way.
        forget(message.start, message.bytes);
        if (count_ == windows_.size()) {
            const Window oldest = windows_[oldest_++ % windows_.size()];
            forget(oldest.start, oldest.end - oldest.start);
        }
        const int access = message.write ? PROT_READ | PROT_WRITE : PROT_READ;
        mapped = mmap(reinterpret_cast<void *>(message.start), message.bytes, access,
                      MAP_SHARED | MAP_FIXED, fd.get(),
                      static_cast<off_t>(message.offset)) != MAP_FAILED;
        if (mapped) windows_[count_++] = {message.start, end, message.write != 0};
    }
    return mapped;
}

void Windows::forget(uint64_t address, uint64_t bytes)
{
    for (size_t i = 0; i < count_;) {
        const Window window = windows_[i];
        if (window.start >= address + bytes || window.end <= address) {
            i++;
            continue;
        }
        reserve_again(window);
        windows_[i] = windows_[--count_];
    }
    last_ = 0;
}

} // namespace acc::emu::fpga
