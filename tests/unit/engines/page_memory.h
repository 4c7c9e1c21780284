// SPDX-License-Identifier: MIT
//
// A client's memory without a device: pages that lie apart in the host's memory, so that no
// engine gets away with believing that a pointer goes on behind a page.
#pragma once

#include "emulator/engine.h"

#include <cstdint>
#include <cstring>
#include <map>
#include <memory>
#include <random>
#include <span>
#include <vector>

namespace acc::emu::test
{

class PageMemory final : public Memory
{
public:
    static constexpr uint64_t kPage = 4096;

    // A range that begins `skew` bytes into a page; the pages before and behind are unbound.
    uint64_t allocate(uint64_t bytes, uint64_t skew = 0, bool writable = true)
    {
        const uint64_t base = next_;
        const uint64_t pages = (skew + bytes + kPage - 1) / kPage + 1;
        for (uint64_t i = 0; i < pages; i++) {
            // One byte between neighbours at least: they never touch.
            Page page{std::make_unique<std::byte[]>(kPage), writable};
            std::memset(page.bytes.get(), 0xa5, kPage);
            pages_.emplace(base / kPage + i, std::move(page));
        }
        // The last page is there only to be taken away again.
        pages_.erase(base / kPage + pages - 1);
        next_ += (pages + 1) * kPage;
        return base + skew;
    }

    template <typename T>
    uint64_t store(const std::vector<T> &values, uint64_t skew = 0, bool writable = true)
    {
        const uint64_t address = allocate(values.size() * sizeof(T), skew, writable);
        const auto *from = reinterpret_cast<const std::byte *>(values.data());
        for (uint64_t i = 0; i < values.size() * sizeof(T); i++)
            *host(address + i) = from[i];
        return address;
    }

    template <typename T>
    std::vector<T> load(uint64_t address, size_t count)
    {
        std::vector<T> values(count);
        auto *to = reinterpret_cast<std::byte *>(values.data());
        for (uint64_t i = 0; i < count * sizeof(T); i++)
            to[i] = *host(address + i);
        return values;
    }

    std::span<std::byte> span(uint64_t address, size_t bytes, Access access) override
    {
        const auto page = pages_.find(address / kPage);
        if (page == pages_.end() || (access == Access::Write && !page->second.writable)) {
            fault_address_ = address;
            return {};
        }
        const uint64_t offset = address % kPage;
        return {page->second.bytes.get() + offset, std::min<uint64_t>(bytes, kPage - offset)};
    }

private:
    struct Page {
        std::unique_ptr<std::byte[]> bytes;
        bool writable;
    };

    std::byte *host(uint64_t address)
    {
        return pages_.at(address / kPage).bytes.get() + address % kPage;
    }

    std::map<uint64_t, Page> pages_;
    uint64_t next_ = 0x566000000000;
};

} // namespace acc::emu::test
