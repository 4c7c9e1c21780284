// SPDX-License-Identifier: MIT
//
// Device reset and surprise removal: everybody is told, nobody waits for ever.
#include "tests/unit/emulator/card.h"

#include <gtest/gtest.h>

#include <cerrno>
#include <cstring>
#include <thread>

namespace acc::emu
{

using namespace conformance;

namespace
{

// What is in flight when the device goes, and what everybody is told.
class Loss : public testing::Test
{
protected:
    void lose(Card &card, Accel &by, int error)
    {
        if (error == EIO)
            ASSERT_EQ(by.reset(DRM_ACC_RESET_DEVICE, 0), 0);
        else
            card.emulator().unplug();
    }

    void everybody_is_told(int error)
    {
        Card card;
        auto one = card.open(), two = card.open();
        {
            Signals s1(*one), s2(*two);
            NullWork work(*one);
            Event e1(*one), e2(*two);
            auto page = one->transport().map(one->memory().status_mmap_offset, page_bytes,
                                             PROT_READ, nullptr);
            ASSERT_TRUE(page);
            auto *status = static_cast<acc_status_page *>(*page);
            Queue hanging(*one), waiting(*one), full(*two);
            acc_signal_memory *never = s1.make(), *held = s1.make();
            hanging.submit(work.hang(s1.make()));
            waiting.submit(barrier_and({never}, held));
            ASSERT_TRUE(
                eventually([&] { return shared(never->notify).load() & ACC_NOTIFY_DEVICE; }));
            std::atomic<int> told{0}, wrong{0};
            std::vector<std::thread> waiters;
            acc_signal_memory *signals[] = {held, never, s2.make(), s2.make()};
            for (int i = 0; i < 4; i++)
                waiters.emplace_back([&, i] {
                    Accel &accel = i < 2 ? *one : *two;
                    const int result =
                        accel.wait(address_of(signals[i]), DRM_ACC_COND_EQ, 0, ~0ull);
                    told++;
                    wrong += result != -error;
                });
            for (acc_signal_memory *signal : signals)
                ASSERT_TRUE(
                    eventually([&] { return shared(signal->notify).load() & ACC_NOTIFY_HOST; }));
            const uint64_t generation = status->generation;
            lose(card, *two, error);
            for (auto &waiter : waiters)
                waiter.join();
            EXPECT_EQ(told.load(), 4);
            EXPECT_EQ(wrong.load(), 0);
            EXPECT_TRUE(e1.wait());
            EXPECT_TRUE(e2.wait());
            EXPECT_EQ(shared(status->lost).load(), uint32_t(error));
            EXPECT_EQ(shared(status->generation).load(), generation + 1);
            munmap(*page, page_bytes);
            // Every call says it, whatever it is.
            for (Accel *accel : {one.get(), two.get()}) {
                drm_acc_bo_create bo;
                EXPECT_EQ(accel->create(4096, bo), -error);
                drm_acc_dev_query query = {};
                EXPECT_EQ(accel->call(DRM_IOCTL_ACC_DEV_QUERY, query), -error);
                EXPECT_EQ(accel->wait(0x1000, 0, 0, 0), -error);
                EXPECT_EQ(accel->wake(0x1000), -error);
                EXPECT_EQ(accel->bind(1, 0, 4096, accel->memory().va_start), -error);
                EXPECT_EQ(accel->reset(DRM_ACC_RESET_DEVICE, 0), -error);
                EXPECT_EQ(accel->transport().map(1ull << 32, 4096, PROT_READ, nullptr).error(),
                          -error);
            }
        }
        auto opened = card.emulator().open({});
        EXPECT_EQ(opened.error(), error == EIO ? 0 : -ENODEV);
    }
};

TEST_F(Loss, ResetIsEioForEverybody)
{
    everybody_is_told(EIO);
}

TEST_F(Loss, RemovalIsEnodevForEverybody)
{
    everybody_is_told(ENODEV);
}

TEST_F(Loss, DeviceWorksAfterResets)
{
    Card card;
    for (int i = 0; i < 10; i++) {
        auto accel = card.open();
        {
            Signals signals(*accel);
            NullWork work(*accel);
            Queue queue(*accel);
            acc_signal_memory *done = signals.make();
            queue.submit(work.noop(done));
            ASSERT_EQ(wait_for(*accel, done), 0);
            EXPECT_EQ(status_of(done), uint32_t(ACC_STATUS_OK));
            ASSERT_EQ(accel->reset(DRM_ACC_RESET_DEVICE, 0), 0);
        }
        EXPECT_EQ(accel->query_error(), -EIO);
    }
}

TEST_F(Loss, CountersAndClockGoOnOverAReset)
{
    Card card;
    auto before = card.open();
    {
        Signals signals(*before);
        NullWork work(*before);
        Queue queue(*before);
        acc_signal_memory *done = signals.make();
        queue.submit(work.noop(done));
        ASSERT_EQ(wait_for(*before, done), 0);
        ASSERT_TRUE(queue.drained());
    }
    const drm_acc_counters counted = before->counters();
    const uint64_t time = before->query(DRM_ACC_QUERY_CLOCK).clock.device_ns;
    ASSERT_EQ(before->reset(DRM_ACC_RESET_DEVICE, 0), 0);
    auto after = card.open();
    const drm_acc_counters still = after->counters();
    EXPECT_EQ(still.packets, counted.packets);
    EXPECT_EQ(still.dispatches, 1u);
    EXPECT_EQ(still.loads, 1u);
    EXPECT_GE(after->query(DRM_ACC_QUERY_CLOCK).clock.device_ns, time);
    EXPECT_EQ(after->query(DRM_ACC_QUERY_SLOT, 0).slot.loads, 1u);
    EXPECT_EQ(after->query(DRM_ACC_QUERY_SLOT, 0).slot.state, uint32_t(DRM_ACC_SLOT_EMPTY));
}

TEST_F(Loss, RemovalAfterResetIsRemoval)
{
    Card card;
    auto accel = card.open();
    ASSERT_EQ(accel->reset(DRM_ACC_RESET_DEVICE, 0), 0);
    EXPECT_EQ(accel->query_error(), -EIO);
    card.emulator().unplug();
    EXPECT_EQ(accel->query_error(), -ENODEV);
}

// Opens, launches and closes while others reset: each call ends, with one of these answers.
TEST_F(Loss, ResetsRaceWithEverything)
{
    Card card;
    std::atomic<bool> over{false};
    std::vector<std::thread> users;
    std::atomic<int> rounds{0};
    for (int t = 0; t < 3; t++)
        users.emplace_back([&] {
            while (!over) {
                try {
                    auto accel = card.open();
                    Signals signals(*accel);
                    NullWork work(*accel);
                    Queue queue(*accel);
                    for (int i = 0; i < 20; i++) {
                        acc_signal_memory *done = signals.make();
                        queue.submit(work.noop(done));
                        const int result = wait_for(*accel, done);
                        if (result == -EIO) break;
                        ASSERT_EQ(result, 0);
                    }
                } catch (const std::runtime_error &error) {
                    // A step of the set-up met the reset; nothing else may stop it.
                    EXPECT_NE(std::string(error.what()).find(std::strerror(EIO)), std::string::npos)
                        << error.what();
                }
                rounds++;
            }
        });
    for (int i = 0; i < 30; i++) {
        auto accel = card.open();
        EXPECT_EQ(accel->reset(DRM_ACC_RESET_DEVICE, 0), 0);
        const int before = rounds;
        EXPECT_TRUE(eventually([&] { return rounds > before; }));
    }
    over = true;
    for (auto &user : users)
        user.join();
}

} // namespace

} // namespace acc::emu
