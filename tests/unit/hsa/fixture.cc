// SPDX-License-Identifier: MIT
#include "fixture.h"

#include "acc/kernels.h"

#include <atomic>
#include <cstring>

namespace acc::test
{

namespace
{

std::string device = "inproc:null";

} // namespace

const std::string &null_device()
{
    return device;
}

uint64_t patience_ticks()
{
    uint64_t frequency = 1;
    EXPECT_HSA(hsa_system_get_info(HSA_SYSTEM_INFO_TIMESTAMP_FREQUENCY, &frequency));
    return 60 * frequency;
}

std::vector<hsa_agent_t> agents()
{
    std::vector<hsa_agent_t> found;
    EXPECT_HSA(hsa_iterate_agents(
        [](hsa_agent_t agent, void *data) {
            static_cast<std::vector<hsa_agent_t> *>(data)->push_back(agent);
            return HSA_STATUS_SUCCESS;
        },
        &found));
    return found;
}

std::vector<hsa_agent_t> kernel_agents()
{
    std::vector<hsa_agent_t> found;
    for (const hsa_agent_t agent : agents()) {
        hsa_agent_feature_t feature = {};
        EXPECT_HSA(hsa_agent_get_info(agent, HSA_AGENT_INFO_FEATURE, &feature));
        if (feature & HSA_AGENT_FEATURE_KERNEL_DISPATCH) found.push_back(agent);
    }
    return found;
}

hsa_agent_t host_agent()
{
    for (const hsa_agent_t agent : agents()) {
        hsa_device_type_t type = {};
        EXPECT_HSA(hsa_agent_get_info(agent, HSA_AGENT_INFO_DEVICE, &type));
        if (type == HSA_DEVICE_TYPE_CPU) return agent;
    }
    return {0};
}

namespace
{

struct Wanted {
    uint32_t flags;
    uint64_t handle;
};

} // namespace

hsa_region_t region_of(hsa_agent_t agent, uint32_t flags)
{
    Wanted wanted = {flags, 0};
    EXPECT_HSA(hsa_agent_iterate_regions(
        agent,
        [](hsa_region_t region, void *data) {
            auto &wanted = *static_cast<Wanted *>(data);
            hsa_region_segment_t segment = {};
            uint32_t flags = 0;
            EXPECT_HSA(hsa_region_get_info(region, HSA_REGION_INFO_SEGMENT, &segment));
            EXPECT_HSA(hsa_region_get_info(region, HSA_REGION_INFO_GLOBAL_FLAGS, &flags));
            if (segment == HSA_REGION_SEGMENT_GLOBAL && (flags & wanted.flags) == wanted.flags &&
                !wanted.handle)
                wanted.handle = region.handle;
            return HSA_STATUS_SUCCESS;
        },
        &wanted));
    return {wanted.handle};
}

hsa_amd_memory_pool_t pool_of(hsa_agent_t agent, uint32_t flags)
{
    Wanted wanted = {flags, 0};
    EXPECT_HSA(hsa_amd_agent_iterate_memory_pools(
        agent,
        [](hsa_amd_memory_pool_t pool, void *data) {
            auto &wanted = *static_cast<Wanted *>(data);
            hsa_amd_segment_t segment = {};
            uint32_t flags = 0;
            EXPECT_HSA(
                hsa_amd_memory_pool_get_info(pool, HSA_AMD_MEMORY_POOL_INFO_SEGMENT, &segment));
            EXPECT_HSA(
                hsa_amd_memory_pool_get_info(pool, HSA_AMD_MEMORY_POOL_INFO_GLOBAL_FLAGS, &flags));
            if (segment == HSA_AMD_SEGMENT_GLOBAL && (flags & wanted.flags) == wanted.flags &&
                !wanted.handle)
                wanted.handle = pool.handle;
            return HSA_STATUS_SUCCESS;
        },
        &wanted));
    return {wanted.handle};
}

uint16_t header_of(hsa_packet_type_t type, bool barrier)
{
    return uint16_t(type << HSA_PACKET_HEADER_TYPE | int(barrier) << HSA_PACKET_HEADER_BARRIER |
                    HSA_FENCE_SCOPE_SYSTEM << HSA_PACKET_HEADER_SCACQUIRE_FENCE_SCOPE |
                    HSA_FENCE_SCOPE_SYSTEM << HSA_PACKET_HEADER_SCRELEASE_FENCE_SCOPE);
}

uint64_t submit(hsa_queue_t *queue, const void *packet)
{
    const uint64_t index = hsa_queue_add_write_index_scacq_screl(queue, 1);
    while (index - hsa_queue_load_read_index_scacquire(queue) >= queue->size) {
    }
    auto *slot = static_cast<std::byte *>(queue->base_address) +
                 (index & (queue->size - 1)) * ACC_PACKET_BYTES;
    std::memcpy(slot + 4, static_cast<const std::byte *>(packet) + 4, ACC_PACKET_BYTES - 4);
    uint32_t first = 0;
    std::memcpy(&first, packet, sizeof first);
    std::atomic_ref(*reinterpret_cast<uint32_t *>(slot)).store(first, std::memory_order_release);
    hsa_signal_store_screlease(queue->doorbell_signal, hsa_signal_value_t(index));
    return index;
}

namespace
{

acc_packet barrier_of(hsa_packet_type_t type, const std::vector<hsa_signal_t> &on,
                      hsa_signal_t completion, bool barrier)
{
    acc_packet packet = {};
    packet.barrier.header = header_of(type, barrier);
    for (size_t i = 0; i < on.size() && i < 5; i++)
        packet.barrier.dep_signal[i] = on[i].handle;
    packet.barrier.completion_signal = completion.handle;
    return packet;
}

} // namespace

acc_packet barrier_and(std::vector<hsa_signal_t> on, hsa_signal_t completion, bool barrier)
{
    return barrier_of(HSA_PACKET_TYPE_BARRIER_AND, on, completion, barrier);
}

acc_packet barrier_or(std::vector<hsa_signal_t> on, hsa_signal_t completion, bool barrier)
{
    return barrier_of(HSA_PACKET_TYPE_BARRIER_OR, on, completion, barrier);
}

acc_packet dispatch_of(uint64_t kernel_object, const void *kernargs, hsa_signal_t completion)
{
    acc_packet packet = {};
    packet.dispatch.header = header_of(HSA_PACKET_TYPE_KERNEL_DISPATCH);
    packet.dispatch.setup = 1 << HSA_KERNEL_DISPATCH_PACKET_SETUP_DIMENSIONS;
    packet.dispatch.workgroup_x = packet.dispatch.workgroup_y = packet.dispatch.workgroup_z = 1;
    packet.dispatch.grid_x = packet.dispatch.grid_y = packet.dispatch.grid_z = 1;
    packet.dispatch.kernel_object = kernel_object;
    packet.dispatch.kernarg_address = reinterpret_cast<uint64_t>(kernargs);
    packet.dispatch.completion_signal = completion.handle;
    return packet;
}

bool wait_zero(hsa_signal_t signal)
{
    return hsa_signal_wait_scacquire(signal, HSA_SIGNAL_CONDITION_EQ, 0, patience_ticks(),
                                     HSA_WAIT_STATE_BLOCKED) == 0;
}

void HsaTest::SetUp()
{
    use_devices(null_device());
    ASSERT_HSA(hsa_init());
    host_ = host_agent();
    const auto found = kernel_agents();
    ASSERT_FALSE(found.empty());
    agent_ = found.front();
}

void HsaTest::TearDown()
{
    EXPECT_HSA(hsa_shut_down());
}

hsa_signal_t HsaTest::signal(hsa_signal_value_t initial)
{
    hsa_signal_t made = {0};
    EXPECT_HSA(hsa_signal_create(initial, 0, nullptr, &made));
    return made;
}

hsa_queue_t *HsaTest::queue(uint32_t size, uint32_t type)
{
    hsa_queue_t *made = nullptr;
    EXPECT_HSA(
        hsa_queue_create(agent_, size, type, nullptr, nullptr, UINT32_MAX, UINT32_MAX, &made));
    return made;
}

void HsaKernelTest::SetUp()
{
    HsaTest::SetUp();
    if (HasFatalFailure()) return;
    std::string why;
    const auto image = program::null_program(
        std::vector<std::string_view>{ACC_NULL_NOOP, ACC_NULL_COPY, ACC_NULL_SPIN, ACC_NULL_FAIL,
                                      ACC_NULL_HANG},
        &why);
    ASSERT_TRUE(image) << why;
    hsa_code_object_reader_t reader = {0};
    ASSERT_HSA(hsa_code_object_reader_create_from_memory(image->data(), image->size(), &reader));
    ASSERT_HSA(hsa_executable_create_alt(HSA_PROFILE_BASE, HSA_DEFAULT_FLOAT_ROUNDING_MODE_NEAR,
                                         nullptr, &executable_));
    ASSERT_HSA(
        hsa_executable_load_agent_code_object(executable_, agent_, reader, nullptr, nullptr));
    ASSERT_HSA(hsa_executable_freeze(executable_, nullptr));
    ASSERT_HSA(hsa_code_object_reader_destroy(reader));
}

void HsaKernelTest::TearDown()
{
    if (executable_.handle) {
        EXPECT_HSA(hsa_executable_destroy(executable_));
    }
    HsaTest::TearDown();
}

uint64_t HsaKernelTest::kernel(const char *name) const
{
    hsa_executable_symbol_t symbol = {0};
    uint64_t object = 0;
    EXPECT_HSA(hsa_executable_get_symbol_by_name(executable_, name, &agent_, &symbol));
    EXPECT_HSA(
        hsa_executable_symbol_get_info(symbol, HSA_EXECUTABLE_SYMBOL_INFO_KERNEL_OBJECT, &object));
    return object;
}

} // namespace acc::test

int main(int argc, char **argv)
{
    testing::InitGoogleTest(&argc, argv);
    constexpr std::string_view option = "--device=";
    for (int i = 1; i < argc; i++)
        if (std::string_view(argv[i]).starts_with(option))
            acc::test::device = argv[i] + option.size();
    return RUN_ALL_TESTS();
}
