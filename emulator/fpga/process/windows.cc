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

bool Windows::keeps(uint64_t address) const
{
    return std::any_of(kept_.begin(), kept_.begin() + kept_count_, [&](const Range &range) {
        return address >= range.start && address < range.end;
    });
}

bool Windows::keep(uint64_t address, uint64_t bytes)
{
    const uint64_t end = address + bytes;
    if ((address | bytes) % ACC_PAGE_BYTES || end <= address || !in_arena(address) ||
        !in_arena(end - 1))
        return false;
    for (size_t i = 0; i < kept_count_; i++)
        if (kept_[i].start <= address && kept_[i].end >= end) return true;
    if (kept_count_ == kept_.size()) return false;
    kept_[kept_count_++] = {address, end};
    return true;
}

// Calls map(start, end) for what is not kept, until that is false.
template <typename F>
bool Windows::around_kept(uint64_t start, uint64_t end, F map) const
{
    while (start < end) {
        uint64_t next = end;
        bool kept = false;
        for (size_t i = 0; i < kept_count_; i++) {
            const Range &range = kept_[i];
            if (start >= range.start && start < range.end) {
                next = std::min(range.end, end);
                kept = true;
                break;
            }
            if (range.start > start) next = std::min(next, range.start);
        }
        if (!kept && !map(start, next)) return false;
        start = next;
    }
    return true;
}

// Drops what was mapped; the addresses stay reserved.
void Windows::reserve_again(const Window &window)
{
    (void)around_kept(window.start, window.end, [](uint64_t start, uint64_t end) {
        mmap(reinterpret_cast<void *>(start), end - start, PROT_NONE,
             MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0);
        return true;
    });
}

bool Windows::request(uint64_t address, bool write)
{
    if (!in_arena(address) || keeps(address)) return false;
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
    if (message.start >= end || !in_arena(message.start) || !in_arena(end - 1)) return false;
    // What was mapped there with less access gives way.
    forget(message.start, message.bytes);
    if (count_ == windows_.size()) drop(oldest_++ % windows_.size());
    windows_[count_++] = {message.start, end, message.write != 0, message.staged != 0};
    const int access = message.write ? PROT_READ | PROT_WRITE : PROT_READ;
    const bool mapped = around_kept(message.start, end, [&](uint64_t from, uint64_t to) {
        return mmap(reinterpret_cast<void *>(from), to - from, access, MAP_SHARED | MAP_FIXED,
                    fd.get(),
                    static_cast<off_t>(message.offset + (from - message.start))) != MAP_FAILED;
    });
    if (!mapped) drop(count_ - 1);
    return mapped;
}

void Windows::drop(size_t index)
{
    reserve_again(windows_[index]);
    windows_[index] = windows_[--count_];
    last_ = 0;
}

void Windows::forget(uint64_t address, uint64_t bytes)
{
    for (size_t i = 0; i < count_;) {
        if (windows_[i].start < address + bytes && windows_[i].end > address)
            drop(i);
        else
            i++;
    }
}

void Windows::forget_staged()
{
    for (size_t i = 0; i < count_;) {
        if (windows_[i].staged)
            drop(i);
        else
            i++;
    }
}

} // namespace acc::emu::fpga
