// SPDX-License-Identifier: MIT
//
// Copies of memory for a region's process: what is copied, what is written back, and how much.
#include "emulator/fpga/process/staging.h"

#include "acc/regs.h"
#include "emulator/memory.h"

#include <gtest/gtest.h>

#include <cerrno>
#include <cstring>
#include <map>
#include <sys/mman.h>
#include <unistd.h>

namespace acc::emu::fpga
{
namespace
{

constexpr uint64_t kStart = arena_start + (64u << 20), kBytes = 16u << 20;

// Memory without a file, of which pages can be taken away.
class PlainMemory final : public Memory
{
public:
    PlainMemory()
    {
        void *const got = mmap(nullptr, kBytes, PROT_READ | PROT_WRITE,
                               MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        EXPECT_NE(got, MAP_FAILED);
        host_ = static_cast<std::byte *>(got);
    }
    ~PlainMemory() override { munmap(host_, kBytes); }
    std::span<std::byte> span(uint64_t address, size_t bytes, Access access) override
    {
        // Page by page, as where they are scattered.
        const uint64_t page = address / ACC_PAGE_BYTES * ACC_PAGE_BYTES;
        const bool read_only = access == Access::Write && page >= kStart + writable;
        if (read_only || page == gone || page < kStart || page >= kStart + kBytes) {
            fault_address_ = address;
            return {};
        }
        return {host_ + (address - kStart),
                std::min<uint64_t>(bytes, page + ACC_PAGE_BYTES - address)};
    }
    uint8_t &at(uint64_t address) { return reinterpret_cast<uint8_t &>(host_[address - kStart]); }

    uint64_t gone = 0;          // a page that is not bound any more
    uint64_t writable = kBytes; // from kStart on

private:
    std::byte *host_ = nullptr;
};

class StagingTest : public testing::Test
{
protected:
    StagingTest() { make(1u << 20); }
    ~StagingTest() override
    {
        if (file) munmap(file, most);
    }
    void make(uint64_t bytes)
    {
        auto made = Staging::create(bytes);
        ASSERT_TRUE(made);
        if (file) munmap(file, most);
        file = nullptr;
        staging = std::move(*made);
        most = bytes;
    }
    Staging::Given touch(uint64_t address)
    {
        Backing bound;
        bound.start = kStart;
        bound.bytes = kBytes;
        bound.write = address < kStart + memory.writable;
        if (bound.write)
            bound.bytes = memory.writable;
        else
            bound.start += memory.writable, bound.bytes -= memory.writable;
        const Staging::Given given = staging->give(memory, bound, address, message, fd);
        if (given != Staging::Given::Yes) return given;
        EXPECT_LE(message.start, address);
        EXPECT_GT(message.start + message.bytes, address);
        EXPECT_EQ(message.staged, 1u);
        pieces[message.start] = message;
        if (!file && message.write) {
            void *const got = mmap(nullptr, most, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
            EXPECT_NE(got, MAP_FAILED);
            file = static_cast<uint8_t *>(got);
        }
        return given;
    }
    // As the process sees it.
    uint8_t &copy_of(uint64_t address)
    {
        auto found = std::prev(pieces.upper_bound(address));
        return file[found->second.offset + (address - found->first)];
    }

    PlainMemory memory;
    std::unique_ptr<Staging> staging;
    uint64_t most = 0;
    WindowMessage message;
    int fd = -1;
    uint8_t *file = nullptr; // the process's mapping
    std::map<uint64_t, WindowMessage> pieces;
};

TEST_F(StagingTest, ChangedBytesAloneAreWrittenBack)
{
    const uint64_t at = kStart + 5 * ACC_PAGE_BYTES;
    for (int i = 0; i < 64; i++)
        memory.at(at + i) = 7;
    ASSERT_EQ(touch(at), Staging::Given::Yes);
    EXPECT_TRUE(staging->in_use());
    EXPECT_EQ(copy_of(at + 63), 7);
    // A word whole, a byte of another, and one that comes to what it was.
    std::memset(&copy_of(at), 1, 8);
    copy_of(at + 9) = 2;
    copy_of(at + 17) = 7;
    // Meanwhile others write beside it, and at what it has left alone.
    memory.at(at + 8) = 3;
    memory.at(at + 10) = 4;
    memory.at(at + 17) = 5;
    EXPECT_EQ(staging->finish(memory), std::nullopt);
    for (int i = 0; i < 8; i++)
        EXPECT_EQ(memory.at(at + i), 1);
    EXPECT_EQ(memory.at(at + 8), 3);
    EXPECT_EQ(memory.at(at + 9), 2);
    EXPECT_EQ(memory.at(at + 10), 4);
    EXPECT_EQ(memory.at(at + 17), 5);
    EXPECT_FALSE(staging->in_use());
}

TEST_F(StagingTest, APieceIsCopiedOnceADispatch)
{
    const uint64_t at = kStart + 100;
    memory.at(at) = 1;
    ASSERT_EQ(touch(at), Staging::Given::Yes);
    const uint64_t offset = message.offset;
    memory.at(at) = 2;
    ASSERT_EQ(touch(at + ACC_PAGE_BYTES), Staging::Given::Yes);
    EXPECT_EQ(message.offset, offset);
    EXPECT_EQ(copy_of(at), 1);
    EXPECT_EQ(staging->finish(memory), std::nullopt);
    EXPECT_EQ(memory.at(at), 2);
    ASSERT_EQ(touch(at), Staging::Given::Yes);
    EXPECT_EQ(copy_of(at), 2);
}

TEST_F(StagingTest, WhatIsReadOnlyIsNotWrittenBack)
{
    memory.writable = 8 * ACC_PAGE_BYTES;
    const uint64_t at = kStart + memory.writable;
    memory.at(at) = 1;
    ASSERT_EQ(touch(at - 1), Staging::Given::Yes);
    EXPECT_EQ(message.start + message.bytes, at); // no piece has both
    ASSERT_EQ(touch(at), Staging::Given::Yes);
    EXPECT_EQ(message.start, at);
    EXPECT_EQ(message.write, 0u);
    EXPECT_EQ(mmap(nullptr, ACC_PAGE_BYTES, PROT_WRITE, MAP_SHARED, fd, 0), MAP_FAILED);
    EXPECT_EQ(errno, EACCES);
    copy_of(at) = 9; // by the descriptor of the other piece
    EXPECT_EQ(staging->finish(memory), std::nullopt);
    EXPECT_EQ(memory.at(at), 1);
}

TEST_F(StagingTest, WhatIsUnboundSinceIsToldAndTheRestWritten)
{
    const uint64_t at = kStart + 4 * ACC_PAGE_BYTES;
    ASSERT_EQ(touch(at), Staging::Given::Yes);
    copy_of(at + 1) = 1;
    copy_of(at + ACC_PAGE_BYTES) = 1;
    copy_of(at + 2 * ACC_PAGE_BYTES) = 1;
    memory.gone = at + ACC_PAGE_BYTES;
    EXPECT_EQ(staging->finish(memory), at + ACC_PAGE_BYTES);
    EXPECT_EQ(memory.at(at + 1), 1);
    EXPECT_EQ(memory.at(at + 2 * ACC_PAGE_BYTES), 1);
    EXPECT_EQ(touch(at), Staging::Given::Unbound); // beside it, gone while it is copied
    EXPECT_FALSE(staging->in_use());
    // Unchanged, nobody misses it.
    memory.gone = 0;
    ASSERT_EQ(touch(at), Staging::Given::Yes);
    memory.gone = at;
    EXPECT_EQ(staging->finish(memory), std::nullopt);
}

TEST_F(StagingTest, TheFileIsAsLargeAsItIs)
{
    ASSERT_EQ(touch(kStart), Staging::Given::Yes);
    EXPECT_EQ(ftruncate(fd, 0), -1);
    EXPECT_EQ(errno, EPERM);
    EXPECT_EQ(ftruncate(fd, static_cast<off_t>(2 * most)), -1);
}

TEST_F(StagingTest, ADispatchTouchesNoMoreThanItMay)
{
    make(6 * ACC_PAGE_BYTES);
    for (int round = 0; round < 3; round++) {
        ASSERT_EQ(touch(kStart), Staging::Given::Yes); // four pages
        // What is left, from the touched page on.
        ASSERT_EQ(touch(kStart + 64 * ACC_PAGE_BYTES), Staging::Given::Yes);
        EXPECT_EQ(message.bytes, 2 * ACC_PAGE_BYTES);
        EXPECT_EQ(touch(kStart + 200 * ACC_PAGE_BYTES), Staging::Given::Full);
        copy_of(kStart + 65 * ACC_PAGE_BYTES) = static_cast<uint8_t>(round + 1);
        EXPECT_EQ(staging->finish(memory), std::nullopt);
        EXPECT_EQ(memory.at(kStart + 65 * ACC_PAGE_BYTES), round + 1);
        pieces.clear();
    }
}

// A process keeps 256 windows.
TEST_F(StagingTest, MuchMemoryIsFewPieces)
{
    make(kBytes);
    for (const uint64_t step : {uint64_t{1}, uint64_t{7919}}) {
        pieces.clear();
        const uint64_t pages = kBytes / ACC_PAGE_BYTES;
        for (uint64_t i = 0; i < pages; i++)
            ASSERT_EQ(touch(kStart + i * step % pages * ACC_PAGE_BYTES), Staging::Given::Yes);
        EXPECT_LT(pieces.size(), 150u);
        copy_of(kStart + kBytes - 1) = static_cast<uint8_t>(step);
        EXPECT_EQ(staging->finish(memory), std::nullopt);
        EXPECT_EQ(memory.at(kStart + kBytes - 1), static_cast<uint8_t>(step));
    }
}

} // namespace
} // namespace acc::emu::fpga
