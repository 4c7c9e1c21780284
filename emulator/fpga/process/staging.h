// SPDX-License-Identifier: MIT
//
// Copies of a client's memory for its region's process, where no file of the client's alone lies
// behind that memory: a virtual machine's RAM is one file. The process maps pieces of a file of
// its own, which hold what the memory held when they were touched; when the dispatch has ended,
// the bytes that it has changed are written back, and no others. docs/roles.md says what a client
// sees of that.
//
// Thread safety: none; the thread that runs the dispatch. The process may write to the file at
// any time: what is read of it is copied once.
#pragma once

#include "common/result.h"
#include "common/unique_fd.h"
#include "emulator/engine.h"
#include "emulator/fpga/process/control.h"

#include <atomic>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <vector>

namespace acc::emu::fpga
{

// Dispatches of one client that work on copies do so one after the other, from the first copy of
// each to its end: so each sees what those before it have done, and atomics of several count.
// Thread safety: any.
class CopyTurns
{
public:
    // Waits for the client's turn, or for `stop`: then false, and it is not taken.
    [[nodiscard]] bool take(uint32_t client, const std::atomic<bool> *stop);
    void give_back(uint32_t client);

private:
    std::mutex mutex_;
    std::condition_variable changed_;
    std::set<uint32_t> taken_;
};

class Staging
{
public:
    // `most`: bytes that a dispatch may touch, whole pages; address space, until they are touched.
    // Errors of memfd_create and mmap.
    static Result<std::unique_ptr<Staging>> create(uint64_t most);
    ~Staging();
    Staging(const Staging &) = delete;
    Staging &operator=(const Staging &) = delete;

    enum class Given {
        Yes,
        Unbound, // not any more
        Full,    // the dispatch has touched what it may
    };
    // The piece around `address`, a copy made now unless there is one. `bound`: what
    // Memory::backing() says of it. `fd` is borrowed.
    Given give(Memory &memory, const Backing &bound, uint64_t address, WindowMessage &message,
               int &fd);
    // Writes back what was changed, and forgets all pieces. The lowest address that was changed and
    // is not to be written to any more; none: all is in its place.
    std::optional<uint64_t> finish(Memory &memory);

    bool in_use() const { return !pieces_.empty(); }

private:
    struct Piece {
        uint64_t start = 0, end = 0;
        uint64_t offset = 0; // in the file
        bool write = false;
    };
    Staging() = default;
    uint64_t wanted_bytes(uint64_t page) const;
    bool copy_in(Memory &memory, const Piece &piece);
    bool write_back(Memory &memory, uint64_t address, const std::byte *now,
                    const std::byte *before) const;

    uint64_t most_ = 0, used_ = 0;
    UniqueFd file_, readable_;    // the same file; without the right to write
    std::byte *now_ = nullptr;    // the file
    std::byte *before_ = nullptr; // what was copied: its twin, which nobody else has
    std::vector<Piece> pieces_;
};

} // namespace acc::emu::fpga
