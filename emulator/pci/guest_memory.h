// SPDX-License-Identifier: MIT
//
// A virtual machine's memory, shared with us as file descriptors.
//
// Thread safety: every call from any thread.
#pragma once

#include "common/result.h"
#include "common/unique_fd.h"
#include "emulator/bus.h"

#include <map>
#include <shared_mutex>
#include <sys/types.h>
#include <vector>

namespace acc::emu
{

class GuestMemory
{
public:
    struct Region {
        uint64_t address = 0, bytes = 0; // as the machine's devices see it
        uint64_t offset = 0;             // in the file
        int fd = -1;                     // borrowed
    };

    ~GuestMemory() { clear(); }

    // The whole map anew. What was mapped stays mapped: the device's tables point there until
    // its driver takes the pages away. -EINVAL: a region beyond its file's end, or of half
    // pages; errors of mmap. Nothing has changed then.
    int replace(const std::vector<Region> &regions);
    // Unmaps everything: nobody holds a pointer any more.
    void clear();

    std::byte *page(uint64_t bus_address) const;

private:
    struct File {
        std::byte *base = nullptr;
        uint64_t bytes = 0;
    };
    struct Mapped {
        uint64_t bytes = 0;
        std::byte *base = nullptr;
    };
    Result<File> map_file(int fd);

    mutable std::shared_mutex mutex_;
    std::map<std::pair<dev_t, ino_t>, File> files_;
    std::map<uint64_t, Mapped> regions_; // by address
};

} // namespace acc::emu
