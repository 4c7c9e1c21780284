// SPDX-License-Identifier: MIT
//
// Queues through the facade: packets that a program writes itself.
#include "fixture.h"

#include "acc/kernels.h"

#include <atomic>
#include <thread>

namespace acc::test
{
namespace
{

using HsaQueue = HsaTest;
using HsaDispatch = HsaKernelTest;

TEST_F(HsaQueue, IsAsTheSpecificationSays)
{
    hsa_queue_t *made = queue(1);
    ASSERT_TRUE(made);
    EXPECT_EQ(made->size, 64u); // the least that the agent has
    EXPECT_EQ(reinterpret_cast<uint64_t>(made->base_address) % ACC_PACKET_BYTES, 0u);
    EXPECT_EQ(made->features, uint32_t(HSA_QUEUE_FEATURE_KERNEL_DISPATCH));
    EXPECT_EQ(hsa_queue_load_write_index_relaxed(made), 0u);
    EXPECT_EQ(hsa_queue_load_read_index_relaxed(made), 0u);
    const auto *ring = static_cast<const acc_packet *>(made->base_address);
    for (uint32_t i = 0; i < made->size; i++)
        EXPECT_EQ(ring[i].header & 0xff, HSA_PACKET_TYPE_INVALID);
    hsa_queue_t *other = queue(64, HSA_QUEUE_TYPE_SINGLE);
    ASSERT_TRUE(other);
    EXPECT_NE(other->id, made->id);
    EXPECT_HSA(hsa_queue_destroy(made));
    EXPECT_HSA(hsa_queue_destroy(other));
    EXPECT_STATUS(hsa_queue_destroy(other), HSA_STATUS_ERROR_INVALID_QUEUE);
}

TEST_F(HsaQueue, CompletesBarriersThroughManyRounds)
{
    hsa_queue_t *made = queue(64);
    constexpr int count = 1000;
    const hsa_signal_t done = signal(count);
    for (int i = 0; i < count; i++) {
        const acc_packet packet = barrier_and({}, done);
        EXPECT_EQ(submit(made, &packet), uint64_t(i));
    }
    EXPECT_TRUE(wait_zero(done));
    EXPECT_EQ(hsa_queue_load_write_index_relaxed(made), uint64_t(count));
    EXPECT_HSA(hsa_queue_destroy(made));
    EXPECT_HSA(hsa_signal_destroy(done));
}

TEST_F(HsaQueue, WakesASleepingDevice)
{
    hsa_queue_t *made = queue(64);
    for (int i = 0; i < 5; i++) {
        const hsa_signal_t done = signal(1);
        std::this_thread::sleep_for(std::chrono::milliseconds(20)); // until it sleeps
        const acc_packet packet = barrier_and({}, done);
        submit(made, &packet);
        EXPECT_TRUE(wait_zero(done));
        EXPECT_HSA(hsa_signal_destroy(done));
    }
    EXPECT_HSA(hsa_queue_destroy(made));
}

TEST_F(HsaQueue, StopsAtAGapAndIgnoresBackwardDoorbells)
{
    hsa_queue_t *made = queue(64);
    const hsa_signal_t done = signal(2);
    const acc_packet packet = barrier_and({}, done);
    const uint64_t gap = hsa_queue_add_write_index_relaxed(made, 1);
    EXPECT_EQ(submit(made, &packet), gap + 1);
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    EXPECT_EQ(hsa_signal_load_relaxed(done), 2);
    EXPECT_EQ(hsa_queue_load_read_index_relaxed(made), gap);
    auto *slot = static_cast<acc_packet *>(made->base_address) + gap;
    for (int i = 1; i < 8; i++)
        slot->words[i] = packet.words[i];
    std::atomic_ref(slot->raw.publish).store(packet.raw.publish, std::memory_order_release);
    hsa_signal_store_relaxed(made->doorbell_signal, hsa_signal_value_t(gap));
    EXPECT_TRUE(wait_zero(done));
    EXPECT_HSA(hsa_queue_destroy(made));
    EXPECT_HSA(hsa_signal_destroy(done));
}

struct Told {
    std::atomic<int> status{0};
    std::atomic<int> calls{0};
    hsa_queue_t *queue = nullptr;
};

void tell(hsa_status_t status, hsa_queue_t *queue, void *data)
{
    auto &told = *static_cast<Told *>(data);
    told.queue = queue;
    told.status.store(status);
    told.calls.fetch_add(1);
    told.calls.notify_all();
}

TEST_F(HsaDispatch, TellsTheCallbackWhatWasWrong)
{
    struct Case {
        const char *name;
        int status;
        void (*spoil)(acc_packet &);
    };
    for (const Case &c : {
             Case{"type", HSA_STATUS_ERROR_INVALID_PACKET_FORMAT,
                  [](acc_packet &p) { p.header = uint16_t((p.header & ~0xff) | 77); }},
             Case{"agent dispatch", HSA_STATUS_ERROR_INVALID_PACKET_FORMAT,
                  [](acc_packet &p) {
                      p = {};
                      p.header = header_of(HSA_PACKET_TYPE_AGENT_DISPATCH);
                  }},
             Case{"dimensions", HSA_STATUS_ERROR_INCOMPATIBLE_ARGUMENTS,
                  [](acc_packet &p) { p.dispatch.setup = 0; }},
             Case{"workgroup", HSA_STATUS_ERROR_INVALID_ARGUMENT,
                  [](acc_packet &p) { p.dispatch.workgroup_x = 0; }},
             Case{"code", HSA_STATUS_ERROR_INVALID_CODE_OBJECT,
                  [](acc_packet &p) { p.dispatch.kernel_object = 0x1234; }},
         }) {
        SCOPED_TRACE(c.name);
        Told told;
        hsa_queue_t *made = nullptr;
        ASSERT_HSA(hsa_queue_create(agent_, 64, HSA_QUEUE_TYPE_MULTI, tell, &told, UINT32_MAX,
                                    UINT32_MAX, &made));
        acc_packet packet = dispatch_of(kernel(ACC_NULL_NOOP), nullptr, {0});
        c.spoil(packet);
        submit(made, &packet);
        told.calls.wait(0);
        EXPECT_EQ(told.status.load(), c.status);
        EXPECT_EQ(told.queue, made);
        EXPECT_HSA(hsa_queue_destroy(made));
        EXPECT_EQ(told.calls.load(), 1);
    }
}

TEST_F(HsaDispatch, RunsAKernelOnAllocatedMemory)
{
    hsa_queue_t *made = queue();
    const hsa_signal_t done = signal(1);
    const acc_packet packet = dispatch_of(kernel(ACC_NULL_NOOP), nullptr, done);
    submit(made, &packet);
    EXPECT_TRUE(wait_zero(done));
    EXPECT_HSA(hsa_queue_destroy(made));
    EXPECT_HSA(hsa_signal_destroy(done));
}

TEST_F(HsaQueue, IgnoresWhatComesAfterInactivation)
{
    hsa_queue_t *made = queue(64);
    const hsa_signal_t gate = signal(1), pending = signal(1), late = signal(1);
    const acc_packet blocked = barrier_and({gate}, pending);
    submit(made, &blocked);
    EXPECT_HSA(hsa_queue_inactivate(made));
    EXPECT_HSA(hsa_queue_inactivate(made));
    EXPECT_TRUE(wait_zero(pending)); // aborted, and nobody waits for it for ever
    const acc_packet packet = barrier_and({}, late);
    submit(made, &packet);
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    EXPECT_EQ(hsa_signal_load_relaxed(late), 1);
    EXPECT_HSA(hsa_queue_destroy(made));
    for (const hsa_signal_t each : {gate, pending, late})
        EXPECT_HSA(hsa_signal_destroy(each));
}

} // namespace
} // namespace acc::test
