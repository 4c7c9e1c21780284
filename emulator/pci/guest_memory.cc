// SPDX-License-Identifier: MIT
#include "emulator/pci/guest_memory.h"

#include <mutex>
#include <sys/mman.h>
#include <sys/stat.h>

namespace acc::emu
{

Result<GuestMemory::File> GuestMemory::map_file(int fd)
{
    struct stat status = {};
    if (fstat(fd, &status) < 0) return Error{-errno};
    File &file = files_[{status.st_dev, status.st_ino}];
    if (file.base) return file;
    void *base = mmap(nullptr, size_t(status.st_size), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (base == MAP_FAILED) {
        const int error = errno;
        files_.erase({status.st_dev, status.st_ino});
        return Error{-error};
    }
    file = {static_cast<std::byte *>(base), uint64_t(status.st_size)};
    return file;
}

int GuestMemory::replace(const std::vector<Region> &regions)
{
    std::unique_lock lock(mutex_);
    std::map<uint64_t, Mapped> mapped;
    for (const Region &region : regions) {
        if ((region.address | region.bytes | region.offset) % ACC_PAGE_BYTES || !region.bytes ||
            region.address + region.bytes < region.address)
            return -EINVAL;
        ACC_TRY_INT(map_file(region.fd).error());
        const File file = *map_file(region.fd);
        if (region.bytes > file.bytes || region.offset > file.bytes - region.bytes) return -EINVAL;
        mapped[region.address] = {region.bytes, file.base + region.offset};
    }
    regions_.swap(mapped);
    return 0;
}

void GuestMemory::clear()
{
    std::unique_lock lock(mutex_);
    regions_.clear();
    for (const auto &[identity, file] : files_)
        munmap(file.base, file.bytes);
    files_.clear();
}

std::byte *GuestMemory::page(uint64_t bus_address) const
{
    std::shared_lock lock(mutex_);
    auto found = regions_.upper_bound(bus_address);
    if (found == regions_.begin() || bus_address % ACC_PAGE_BYTES) return nullptr;
    --found;
    const uint64_t offset = bus_address - found->first;
    return offset < found->second.bytes ? found->second.base + offset : nullptr;
}

} // namespace acc::emu
