// SPDX-License-Identifier: MIT
//
// Signals through the facade.
#include "fixture.h"

#include <thread>

namespace acc::test
{
namespace
{

using HsaSignal = HsaTest;

TEST_F(HsaSignal, DoesEveryOperation)
{
    const hsa_signal_t made = signal(12);
    EXPECT_EQ(hsa_signal_load_scacquire(made), 12);
    hsa_signal_store_screlease(made, 5);
    EXPECT_EQ(hsa_signal_exchange_scacq_screl(made, 9), 5);
    EXPECT_EQ(hsa_signal_cas_scacq_screl(made, 8, 1), 9);
    EXPECT_EQ(hsa_signal_cas_scacq_screl(made, 9, 1), 9);
    hsa_signal_add_scacq_screl(made, 6);
    hsa_signal_subtract_scacq_screl(made, 2);
    EXPECT_EQ(hsa_signal_load_relaxed(made), 5);
    hsa_signal_and_scacq_screl(made, 4);
    hsa_signal_or_scacq_screl(made, 3);
    hsa_signal_xor_scacq_screl(made, 1);
    EXPECT_EQ(hsa_signal_load_relaxed(made), 6);
    hsa_signal_silent_store_relaxed(made, -1);
    EXPECT_EQ(hsa_signal_load_relaxed(made), -1);
    EXPECT_HSA(hsa_signal_destroy(made));
    EXPECT_STATUS(hsa_signal_destroy(made), HSA_STATUS_ERROR_INVALID_SIGNAL);
    EXPECT_STATUS(hsa_signal_destroy({0}), HSA_STATUS_ERROR_INVALID_ARGUMENT);
}

// Each operation that makes the value fit must wake a thread that sleeps for it.
TEST_F(HsaSignal, EveryOperationWakes)
{
    void (*const operations[])(hsa_signal_t) = {
        [](hsa_signal_t s) { hsa_signal_store_relaxed(s, 0); },
        [](hsa_signal_t s) { hsa_signal_store_screlease(s, 0); },
        [](hsa_signal_t s) { hsa_signal_exchange_relaxed(s, 0); },
        [](hsa_signal_t s) { hsa_signal_cas_relaxed(s, 1, 0); },
        [](hsa_signal_t s) { hsa_signal_add_relaxed(s, -1); },
        [](hsa_signal_t s) { hsa_signal_subtract_relaxed(s, 1); },
        [](hsa_signal_t s) { hsa_signal_and_relaxed(s, 0); },
        [](hsa_signal_t s) { hsa_signal_xor_relaxed(s, 1); },
    };
    for (const auto operation : operations) {
        const hsa_signal_t made = signal(1);
        std::thread waiter([&] { EXPECT_TRUE(wait_zero(made)); });
        std::this_thread::sleep_for(std::chrono::milliseconds(10)); // until it sleeps
        operation(made);
        waiter.join();
        EXPECT_HSA(hsa_signal_destroy(made));
    }
}

TEST_F(HsaSignal, WaitEndsWithItsTime)
{
    const hsa_signal_t made = signal(1);
    EXPECT_EQ(
        hsa_signal_wait_scacquire(made, HSA_SIGNAL_CONDITION_EQ, 0, 0, HSA_WAIT_STATE_BLOCKED), 1);
    EXPECT_EQ(
        hsa_signal_wait_scacquire(made, HSA_SIGNAL_CONDITION_EQ, 0, 250'000, HSA_WAIT_STATE_ACTIVE),
        1);
    EXPECT_EQ(hsa_signal_wait_scacquire(made, HSA_SIGNAL_CONDITION_LT, 2, UINT64_MAX,
                                        HSA_WAIT_STATE_BLOCKED),
              1);
    EXPECT_HSA(hsa_signal_destroy(made));
}

TEST_F(HsaSignal, HundredThousandLive)
{
    std::vector<hsa_signal_t> all(100'000);
    for (size_t i = 0; i < all.size(); i++)
        ASSERT_HSA(hsa_signal_create(hsa_signal_value_t(i), 0, nullptr, &all[i]));
    for (size_t i = 0; i < all.size(); i++)
        ASSERT_EQ(hsa_signal_load_relaxed(all[i]), hsa_signal_value_t(i));
    for (const hsa_signal_t each : all)
        ASSERT_HSA(hsa_signal_destroy(each));
}

} // namespace
} // namespace acc::test
