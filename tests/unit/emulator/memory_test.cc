// SPDX-License-Identifier: MIT
//
// The page table of an address space: what it costs, and that nobody reads what was freed.
#include "emulator/memory.h"
#include "tests/effort.h"

#include <gtest/gtest.h>

#include <thread>

namespace acc::emu
{
namespace
{

constexpr uint64_t leaf_reach = 32u << 20; // of one part of the table

void synchronize(AddressSpace &space)
{
    space.synchronize(1'000'000'000, [] {});
}

TEST(AddressSpaces, ATableIsAsLargeAsWhatIsMapped)
{
    alignas(ACC_PAGE_BYTES) static std::byte page[ACC_PAGE_BYTES];
    AddressSpace space;
    EXPECT_EQ(space.table_bytes(), 0u);
    ASSERT_TRUE(space.map(arena_start, page, true, true));
    const size_t one = space.table_bytes();
    EXPECT_GT(one, 0u);
    // As a client does that allocates and frees for long.
    constexpr uint64_t stride = sanitized ? 10 : 1;
    for (uint64_t at = arena_start + leaf_reach; at < arena_end; at += leaf_reach * stride) {
        ASSERT_TRUE(space.map(at, page, true, false));
        ASSERT_TRUE(space.map(at + ACC_PAGE_BYTES, page, true, false));
        space.unmap(at, 1);
        synchronize(space);
        ASSERT_EQ(space.table_bytes(), 2 * one) << std::hex << at;
        space.unmap(at, 2); // of which the first is not mapped any more
        ASSERT_EQ(space.table_bytes(), 2 * one) << "freed while a section may read it";
        synchronize(space);
        ASSERT_EQ(space.table_bytes(), one) << std::hex << at;
    }
    AddressSpace::Guard guard(space);
    EXPECT_EQ(space.translate(arena_start, true), page);
    EXPECT_EQ(space.translate(arena_start + leaf_reach, false), nullptr);
}

// What the sanitizers watch: sections look up while their part of the table goes and comes.
TEST(AddressSpaces, SectionsReadNoFreedTable)
{
    alignas(ACC_PAGE_BYTES) static std::byte page[ACC_PAGE_BYTES];
    AddressSpace space;
    std::atomic<bool> over{false};
    std::atomic<uint64_t> looked{0}, wrong{0};
    std::vector<std::thread> readers;
    for (int i = 0; i < 2; i++)
        readers.emplace_back([&] {
            while (!over.load(std::memory_order_relaxed)) {
                AddressSpace::Guard guard(space);
                const std::byte *found = space.translate(arena_start, false);
                if (found && found != page) wrong++;
                looked++;
            }
        });
    for (int i = 0; i < 500 || looked < 500; i++) {
        ASSERT_TRUE(space.map(arena_start, page, true, false));
        space.unmap(arena_start, 1);
        synchronize(space);
    }
    over = true;
    for (auto &reader : readers)
        reader.join();
    EXPECT_EQ(wrong, 0u);
    EXPECT_EQ(space.table_bytes(), 0u);
}

} // namespace
} // namespace acc::emu
