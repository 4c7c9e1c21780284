// SPDX-License-Identifier: MIT
#include "emulator/fpga/process/staging.h"

#include "acc/regs.h"

#include <algorithm>
#include <bit>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <fcntl.h>
#include <string>
#include <sys/mman.h>
#include <unistd.h>

namespace acc::emu::fpga
{
namespace
{

// A piece of few pages first: most dispatches touch little. Each sixteen pieces the next ones are
// twice as large, and one beside another is twice its size, so that a pass through much memory
// comes to few of them. The process keeps 256 without giving one up.
constexpr uint64_t kFirstBytes = 16u << 10, kLongestBytes = 4u << 20;
constexpr size_t kPiecesPerDoubling = 16;
constexpr std::chrono::milliseconds kLookForStop(2);
constexpr uint64_t kKeptBytes = 4u << 20; // of the file, from dispatch to dispatch

std::byte *map_file(int fd, uint64_t bytes)
{
    const int flags = (fd < 0 ? MAP_PRIVATE | MAP_ANONYMOUS : MAP_SHARED) | MAP_NORESERVE;
    void *found = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, flags, fd, 0);
    if (found == MAP_FAILED) return nullptr;
    madvise(found, bytes, MADV_DONTFORK);
    return static_cast<std::byte *>(found);
}

} // namespace

bool CopyTurns::take(uint32_t client, const std::atomic<bool> *stop)
{
    std::unique_lock lock(mutex_);
    while (taken_.contains(client)) {
        // Who has it is bounded by its own time-out; who stops a queue wakes nobody here.
        changed_.wait_for(lock, kLookForStop);
        if (stop && stop->load(std::memory_order_relaxed)) return false;
    }
    taken_.insert(client);
    return true;
}

void CopyTurns::give_back(uint32_t client)
{
    std::lock_guard lock(mutex_);
    taken_.erase(client);
    changed_.notify_all();
}

Result<std::unique_ptr<Staging>> Staging::create(uint64_t most)
{
    std::unique_ptr<Staging> staging(new Staging);
    staging->most_ = most;
    staging->file_.reset(memfd_create("acc-staging", MFD_CLOEXEC | MFD_ALLOW_SEALING));
    const int fd = staging->file_.get();
    if (fd < 0 || ftruncate(fd, static_cast<off_t>(most)) ||
        fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL))
        return Error{-errno};
    const std::string path = "/proc/self/fd/" + std::to_string(fd);
    staging->readable_.reset(open(path.c_str(), O_RDONLY | O_CLOEXEC));
    if (!staging->readable_) return Error{-errno};
    staging->now_ = map_file(fd, most);
    staging->before_ = staging->now_ ? map_file(-1, most) : nullptr;
    if (!staging->before_) return Error{-errno};
    return staging;
}

Staging::~Staging()
{
    if (now_) munmap(now_, most_);
    if (before_) munmap(before_, most_);
}

uint64_t Staging::wanted_bytes(uint64_t page) const
{
    uint64_t bytes = kFirstBytes << std::min<size_t>(pieces_.size() / kPiecesPerDoubling, 8);
    for (const Piece &piece : pieces_)
        if (piece.end == page || piece.start == page + ACC_PAGE_BYTES)
            bytes = std::max(bytes, 2 * std::bit_floor(piece.end - piece.start));
    return std::min(bytes, kLongestBytes);
}

bool Staging::copy_in(Memory &memory, const Piece &piece)
{
    for (uint64_t done = 0, bytes = piece.end - piece.start; done < bytes;) {
        const auto part = memory.span(piece.start + done, bytes - done, Memory::Access::Read);
        if (part.empty()) return false;
        std::memcpy(now_ + piece.offset + done, part.data(), part.size());
        // What others have changed in between is taken for the process's: so not read twice.
        if (piece.write)
            std::memcpy(before_ + piece.offset + done, now_ + piece.offset + done, part.size());
        done += part.size();
    }
    return true;
}

Staging::Given Staging::give(Memory &memory, const Backing &bound, uint64_t address,
                             WindowMessage &message, int &fd)
{
    const uint64_t page = address & ~uint64_t{ACC_PAGE_BYTES - 1};
    auto found = std::find_if(pieces_.begin(), pieces_.end(), [&](const Piece &piece) {
        return page >= piece.start && page < piece.end;
    });
    if (found == pieces_.end()) {
        const uint64_t bytes = wanted_bytes(page);
        Piece piece;
        piece.start = std::max(page & ~(bytes - 1), bound.start);
        piece.end = std::min((page & ~(bytes - 1)) + bytes, bound.start + bound.bytes);
        for (const Piece &other : pieces_) {
            if (other.end <= page) piece.start = std::max(piece.start, other.end);
            if (other.start > page) piece.end = std::min(piece.end, other.start);
        }
        // At the end of the room, what there is.
        if (used_ == most_) return Given::Full;
        if (piece.end - piece.start > most_ - used_) {
            piece.start = page;
            piece.end = std::min(piece.end, page + (most_ - used_));
        }
        piece.offset = used_;
        piece.write = bound.write;
        if (!copy_in(memory, piece)) return Given::Unbound;
        used_ += piece.end - piece.start;
        found = pieces_.insert(pieces_.end(), piece);
    }
    message = {};
    message.start = found->start;
    message.bytes = found->end - found->start;
    message.offset = found->offset;
    message.write = found->write;
    message.staged = 1;
    fd = found->write ? file_.get() : readable_.get();
    return Given::Yes;
}

// One page. Words of which every byte was changed at once, others byte by byte.
bool Staging::write_back(Memory &memory, uint64_t address, const std::byte *now,
                         const std::byte *before) const
{
    std::byte copy[ACC_PAGE_BYTES];
    if (std::memcmp(now, before, sizeof copy) == 0) return true;
    std::memcpy(copy, now, sizeof copy); // the process may go on writing
    const auto to = memory.span(address, sizeof copy, Memory::Access::Write);
    if (to.size() != sizeof copy) return false;
    for (size_t i = 0; i < sizeof copy; i += sizeof(uint64_t)) {
        uint64_t a, b;
        std::memcpy(&a, copy + i, sizeof a);
        std::memcpy(&b, before + i, sizeof b);
        if (a == b) continue;
        size_t changed = 0;
        for (size_t k = i; k < i + sizeof a; k++)
            changed += copy[k] != before[k];
        if (changed == sizeof a)
            std::memcpy(to.data() + i, copy + i, sizeof a);
        else
            for (size_t k = i; k < i + sizeof a; k++)
                if (copy[k] != before[k]) to[k] = copy[k];
    }
    return true;
}

std::optional<uint64_t> Staging::finish(Memory &memory)
{
    std::optional<uint64_t> lost;
    for (const Piece &piece : pieces_) {
        if (!piece.write) continue;
        for (uint64_t at = piece.start; at < piece.end; at += ACC_PAGE_BYTES) {
            const uint64_t offset = piece.offset + (at - piece.start);
            if (!write_back(memory, at, now_ + offset, before_ + offset))
                lost = std::min(lost.value_or(at), at);
        }
    }
    pieces_.clear();
    if (used_ > kKeptBytes) {
        (void)fallocate(file_.get(), FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, kKeptBytes,
                        static_cast<off_t>(used_ - kKeptBytes));
        (void)madvise(before_ + kKeptBytes, used_ - kKeptBytes, MADV_DONTNEED);
    }
    used_ = 0;
    return lost;
}

} // namespace acc::emu::fpga
