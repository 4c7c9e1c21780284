// SPDX-License-Identifier: MIT
//
// Memory through the facade: regions, pools, pointers, copies, locks.
#include "fixture.h"

#include <sys/mman.h>

#include <atomic>
#include <cstring>
#include <numeric>

// Debian's header doesn't have them yet.
extern "C" hsa_status_t hsa_amd_portable_export_dmabuf(const void *pointer, size_t bytes,
                                                       int *dmabuf, uint64_t *offset);
extern "C" hsa_status_t hsa_amd_portable_close_dmabuf(int dmabuf);

namespace acc::test
{
namespace
{

using HsaMemory = HsaTest;

constexpr uint32_t fine = HSA_REGION_GLOBAL_FLAG_FINE_GRAINED;
constexpr uint32_t coarse = HSA_REGION_GLOBAL_FLAG_COARSE_GRAINED;
constexpr uint32_t kernarg = HSA_REGION_GLOBAL_FLAG_KERNARG;

TEST_F(HsaMemory, HasTheRegionsThatProgramsLookFor)
{
    EXPECT_NE(region_of(agent_, fine | kernarg).handle, 0u);
    EXPECT_NE(region_of(agent_, coarse).handle, 0u);
    EXPECT_NE(region_of(host_, fine).handle, 0u);
    const hsa_region_t region = region_of(agent_, kernarg);
    size_t granule = 0, alignment = 0, size = 0, most = 0;
    EXPECT_HSA(hsa_region_get_info(region, HSA_REGION_INFO_RUNTIME_ALLOC_GRANULE, &granule));
    EXPECT_HSA(hsa_region_get_info(region, HSA_REGION_INFO_RUNTIME_ALLOC_ALIGNMENT, &alignment));
    EXPECT_HSA(hsa_region_get_info(region, HSA_REGION_INFO_SIZE, &size));
    EXPECT_HSA(hsa_region_get_info(region, HSA_REGION_INFO_ALLOC_MAX_SIZE, &most));
    EXPECT_LE(most, size);
    EXPECT_EQ(alignment & (alignment - 1), 0u);
    void *block = nullptr;
    ASSERT_HSA(hsa_memory_allocate(region, 1, &block));
    EXPECT_EQ(reinterpret_cast<uint64_t>(block) % alignment, 0u);
    std::memset(block, 1, granule);
    EXPECT_HSA(hsa_memory_free(block));
    EXPECT_STATUS(hsa_memory_allocate(region, most + 1, &block),
                  HSA_STATUS_ERROR_INVALID_ALLOCATION);
    EXPECT_STATUS(hsa_memory_allocate(region, 0, &block), HSA_STATUS_ERROR_INVALID_ARGUMENT);
    EXPECT_STATUS(hsa_memory_allocate({1}, 64, &block), HSA_STATUS_ERROR_INVALID_REGION);
}

TEST_F(HsaMemory, TellsOfPointers)
{
    const hsa_amd_memory_pool_t pool = pool_of(agent_, coarse);
    std::byte *block = nullptr;
    ASSERT_HSA(hsa_amd_memory_pool_allocate(pool, 10'000, 0, reinterpret_cast<void **>(&block)));
    int mark = 0;
    EXPECT_HSA(hsa_amd_pointer_info_set_userdata(block, &mark));
    hsa_amd_pointer_info_t info = {};
    info.size = sizeof info;
    uint32_t count = 0;
    hsa_agent_t *agents = nullptr;
    ASSERT_HSA(hsa_amd_pointer_info(block + 9'000, &info, malloc, &count, &agents));
    EXPECT_EQ(info.type, HSA_EXT_POINTER_TYPE_HSA);
    EXPECT_EQ(info.agentBaseAddress, block);
    EXPECT_EQ(info.sizeInBytes, 12'288u);
    EXPECT_EQ(info.userData, &mark);
    EXPECT_EQ(info.agentOwner.handle, agent_.handle);
    ASSERT_EQ(count, 2u); // the host and the agent
    free(agents);
    static void *freed = nullptr;
    EXPECT_HSA(hsa_amd_register_deallocation_callback(
        block + 8, [](void *pointer, void *) { freed = pointer; }, nullptr));
    EXPECT_HSA(hsa_amd_memory_pool_free(block));
    EXPECT_EQ(freed, block + 8);
    info.size = sizeof info;
    ASSERT_HSA(hsa_amd_pointer_info(&mark, &info, nullptr, nullptr, nullptr));
    EXPECT_EQ(info.type, HSA_EXT_POINTER_TYPE_UNKNOWN);
}

class HsaCopies : public HsaTest
{
protected:
    std::byte *allocate(size_t bytes)
    {
        void *block = nullptr;
        EXPECT_HSA(hsa_memory_allocate(region_of(agent_, fine), bytes, &block));
        return static_cast<std::byte *>(block);
    }
};

TEST_F(HsaCopies, CopyWhenAllDependenciesAreZero)
{
    constexpr size_t bytes = 100'000;
    std::byte *from = allocate(bytes), *to = allocate(bytes);
    std::vector<std::byte> elsewhere(bytes);
    for (size_t i = 0; i < bytes; i++)
        from[i] = std::byte(i * 7);
    // By the device; by the host, because it is not a device's memory; between hosts.
    for (const auto &[target, agent] :
         {std::pair{to, agent_}, {elsewhere.data(), agent_}, {elsewhere.data(), host_}}) {
        std::memset(target, 0, bytes);
        hsa_signal_t gates[] = {signal(1), signal(1), {0}};
        const hsa_signal_t done = signal(1);
        ASSERT_HSA(hsa_amd_memory_async_copy(target, agent, from, host_, bytes, 3, gates, done));
        hsa_signal_store_relaxed(gates[1], 0);
        EXPECT_EQ(hsa_signal_load_scacquire(done), 1);
        EXPECT_EQ(target[7], std::byte(0));
        hsa_signal_store_screlease(gates[0], 0);
        EXPECT_TRUE(wait_zero(done));
        EXPECT_EQ(std::memcmp(target, from, bytes), 0);
        hsa_amd_profiling_async_copy_time_t time = {};
        EXPECT_HSA(hsa_amd_profiling_get_async_copy_time(done, &time));
        EXPECT_GT(time.start, 0u);
        EXPECT_GE(time.end, time.start);
        for (const hsa_signal_t each : {gates[0], gates[1], done})
            EXPECT_HSA(hsa_signal_destroy(each));
    }
    EXPECT_HSA(hsa_memory_free(from));
    EXPECT_HSA(hsa_memory_free(to));
}

// What a copy waits for goes away: it can't begin any more, and says so.
TEST_F(HsaCopies, FailWithTheirDependency)
{
    std::byte *block = allocate(4096);
    const hsa_signal_t gate = signal(1), done = signal(1);
    ASSERT_HSA(hsa_amd_memory_async_copy(block, agent_, block + 2048, agent_, 64, 1, &gate, done));
    EXPECT_HSA(hsa_signal_destroy(gate));
    EXPECT_LT(hsa_signal_wait_scacquire(done, HSA_SIGNAL_CONDITION_LT, 0, patience_ticks(),
                                        HSA_WAIT_STATE_BLOCKED),
              0);
    EXPECT_HSA(hsa_signal_destroy(done));
    EXPECT_HSA(hsa_memory_free(block));
}

// Copies that depend on each other the wrong way round hold nobody up.
TEST_F(HsaCopies, ManyInAChain)
{
    constexpr size_t count = 200;
    auto *block = reinterpret_cast<uint64_t *>(allocate((count + 1) * sizeof(uint64_t)));
    std::vector<hsa_signal_t> done;
    for (size_t i = 0; i <= count; i++)
        done.push_back(signal(1));
    block[0] = 77;
    for (size_t i = count; i > 0; i--)
        ASSERT_HSA(hsa_amd_memory_async_copy(block + i, agent_, block + i - 1, agent_,
                                             sizeof *block, 1, &done[i - 1], done[i]));
    hsa_signal_store_screlease(done[0], 0);
    EXPECT_TRUE(wait_zero(done[count]));
    EXPECT_EQ(block[count], 77u);
    for (const hsa_signal_t each : done)
        EXPECT_HSA(hsa_signal_destroy(each));
    EXPECT_HSA(hsa_memory_free(block));
}

TEST_F(HsaCopies, Rectangles)
{
    std::vector<uint8_t> from(4 * 6 * 8), to(5 * 7 * 10);
    std::iota(from.begin(), from.end(), 0);
    const hsa_pitched_ptr_t source = {from.data(), 8, 6 * 8}, target = {to.data(), 10, 7 * 10};
    const hsa_dim3_t source_at = {1, 2, 1}, target_at = {3, 1, 2}, range = {5, 3, 2};
    const hsa_signal_t done = signal(1);
    ASSERT_HSA(hsa_amd_memory_async_copy_rect(&target, &target_at, &source, &source_at, &range,
                                              agent_, hsaHostToHost, 0, nullptr, done));
    EXPECT_TRUE(wait_zero(done));
    size_t copied = 0;
    for (uint32_t z = 0; z < 5; z++)
        for (uint32_t y = 0; y < 7; y++)
            for (uint32_t x = 0; x < 10; x++) {
                const bool inside = z >= 2 && z < 4 && y >= 1 && y < 4 && x >= 3 && x < 8;
                copied += inside;
                const uint8_t expected =
                    inside ? from[(z - 1) * 48 + (y + 1) * 8 + x - 2] : uint8_t(0);
                EXPECT_EQ(to[z * 70 + y * 10 + x], expected);
            }
    EXPECT_EQ(copied, 30u);
    EXPECT_HSA(hsa_signal_destroy(done));
}

TEST_F(HsaMemory, Fills)
{
    void *block = nullptr;
    ASSERT_HSA(hsa_memory_allocate(region_of(agent_, fine), 4096, &block));
    auto *words = static_cast<uint32_t *>(block);
    EXPECT_HSA(hsa_amd_memory_fill(words + 1, 0xabcd1234, 10));
    EXPECT_EQ(words[0], 0u);
    EXPECT_EQ(words[10], 0xabcd1234u);
    EXPECT_EQ(words[11], 0u);
    EXPECT_STATUS(hsa_amd_memory_fill(words + 1, 0, 1024), HSA_STATUS_ERROR_INVALID_ALLOCATION);
    uint32_t stranger = 0;
    EXPECT_STATUS(hsa_amd_memory_fill(&stranger, 0, 1), HSA_STATUS_ERROR_INVALID_ALLOCATION);
    EXPECT_STATUS(hsa_amd_memory_fill(reinterpret_cast<char *>(words) + 2, 0, 1),
                  HSA_STATUS_ERROR_INVALID_ARGUMENT);
    EXPECT_HSA(hsa_memory_free(block));
}

TEST_F(HsaMemory, LocksWholePages)
{
    constexpr size_t bytes = 3 * 4096;
    auto *host = static_cast<uint64_t *>(
        mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    ASSERT_NE(static_cast<void *>(host), MAP_FAILED);
    host[0] = 1;
    host[1000] = 2;
    uint64_t *agent = nullptr;
    ASSERT_HSA(hsa_amd_memory_lock(host, bytes, nullptr, 0, reinterpret_cast<void **>(&agent)));
    EXPECT_NE(agent, host);
    EXPECT_EQ(agent[1000], 2u);
    agent[5] = 55; // the same bytes
    EXPECT_EQ(host[5], 55u);
    hsa_amd_pointer_info_t info = {};
    info.size = sizeof info;
    EXPECT_HSA(hsa_amd_pointer_info(agent + 3, &info, nullptr, nullptr, nullptr));
    EXPECT_EQ(info.type, HSA_EXT_POINTER_TYPE_LOCKED);
    EXPECT_EQ(info.hostBaseAddress, host);
    // A part of it once more, by the agent that was named.
    uint64_t *again = nullptr;
    ASSERT_HSA(
        hsa_amd_memory_lock(host + 512, 4096, &agent_, 1, reinterpret_cast<void **>(&again)));
    EXPECT_EQ(again, agent + 512);
    EXPECT_HSA(hsa_amd_memory_unlock(host + 512));
    host[6] = 66;
    EXPECT_EQ(agent[6], 66u);
    EXPECT_HSA(hsa_amd_memory_unlock(host));
    EXPECT_EQ(host[5], 55u);
    EXPECT_EQ(host[6], 66u);
    EXPECT_EQ(host[1000], 2u);
    EXPECT_STATUS(hsa_amd_memory_unlock(host), HSA_STATUS_ERROR_INVALID_ARGUMENT);
    // What can't be moved is refused: parts of pages, stacks, read-only memory, holes.
    void *none = nullptr;
    EXPECT_STATUS(hsa_amd_memory_lock(host + 1, 4096, nullptr, 0, &none),
                  HSA_STATUS_ERROR_OUT_OF_RESOURCES);
    ASSERT_EQ(mprotect(host, 4096, PROT_READ), 0);
    EXPECT_STATUS(hsa_amd_memory_lock(host, bytes, nullptr, 0, &none),
                  HSA_STATUS_ERROR_OUT_OF_RESOURCES);
    ASSERT_EQ(munmap(host, 4096), 0);
    EXPECT_STATUS(hsa_amd_memory_lock(host, bytes, nullptr, 0, &none),
                  HSA_STATUS_ERROR_OUT_OF_RESOURCES);
    munmap(host, bytes);
}

TEST_F(HsaMemory, ExportsDmaBufs)
{
    std::byte *block = nullptr;
    ASSERT_HSA(hsa_amd_memory_pool_allocate(pool_of(agent_, coarse), 8192, 0,
                                            reinterpret_cast<void **>(&block)));
    int fd = -1;
    uint64_t offset = 0;
    ASSERT_HSA(hsa_amd_portable_export_dmabuf(block + 5000, 100, &fd, &offset));
    EXPECT_EQ(offset, 5000u);
    EXPECT_STATUS(hsa_amd_portable_export_dmabuf(block + 5000, 4000, &fd, &offset),
                  HSA_STATUS_ERROR_INVALID_ARGUMENT);
    size_t bytes = 0;
    std::byte *mapped = nullptr;
    ASSERT_HSA(hsa_amd_interop_map_buffer(1, &agent_, fd, 0, &bytes,
                                          reinterpret_cast<void **>(&mapped), nullptr, nullptr));
    EXPECT_EQ(bytes, 8192u);
    block[5001] = std::byte(9);
    EXPECT_EQ(mapped[5001], std::byte(9));
    EXPECT_HSA(hsa_amd_interop_unmap_buffer(mapped));
    EXPECT_STATUS(hsa_amd_interop_unmap_buffer(mapped), HSA_STATUS_ERROR_INVALID_ARGUMENT);
    EXPECT_HSA(hsa_amd_portable_close_dmabuf(fd));
    EXPECT_HSA(hsa_amd_memory_pool_free(block));
}

} // namespace
} // namespace acc::test
