// SPDX-License-Identifier: MIT
//
// Devices that know nothing of each other, and signals that both can name: each under an
// emulator of its own, so that every wake between them is libacc's relay.
#include "fixture.h"

#include <atomic>
#include <chrono>
#include <thread>

namespace acc::test
{
namespace
{

using namespace std::chrono_literals;

class SharedTest : public LeakTest
{
protected:
    static constexpr size_t count = 3;

    void SetUp() override
    {
        LeakTest::SetUp();
        for (size_t i = 0; i < count; i++) {
            devices_.push_back(take(Device::open(null_uri(unsigned(i)))));
            handles_.push_back(devices_.back().get());
            queues_.push_back(take(Queue::create(devices_.back())));
            programs_.push_back(take(Program::load(devices_.back(), null_image())));
            copies_.push_back(take(programs_.back().find(ACC_NULL_COPY)));
        }
    }
    void TearDown() override
    {
        queues_.clear();
        programs_.clear();
        for (Device &device : devices_)
            check(device.close());
        devices_.clear();
        LeakTest::TearDown();
    }
    Signal shared(int64_t initial = 1) { return take(Signal::create(handles_, initial)); }

    std::vector<Device> devices_;
    std::vector<acc_device *> handles_;
    std::vector<Queue> queues_;
    std::vector<Program> programs_;
    std::vector<acc_kernel_info> copies_;
};

TEST_F(SharedTest, OneDeviceWaitsForAnother)
{
    Signal produced = shared(), done = shared();
    for (int i = 0; i < 200; i++) {
        produced.reset(1);
        done.reset(1);
        check(queues_[1].barrier({produced.get()}, &done)); // the waiter first
        check(queues_[0].barrier({}, &produced));
        ASSERT_EQ(take(done.wait(soon())), 0) << i;
    }
}

TEST_F(SharedTest, AfterBothHaveGoneToSleep)
{
    Signal produced = shared(), done = shared();
    for (int i = 0; i < 30; i++) {
        produced.reset(1);
        done.reset(1);
        check(queues_[1].barrier({produced.get()}, &done));
        std::this_thread::sleep_for(2ms); // beyond every spin budget
        check(queues_[0].barrier({}, &produced));
        std::this_thread::sleep_for(i % 2 ? 0ms : 2ms);
        ASSERT_EQ(take(done.wait(soon())), 0) << i;
    }
}

TEST_F(SharedTest, HostsWakeAllDevicesAndHosts)
{
    Signal gate = shared();
    std::vector<Signal> done;
    for (size_t i = 0; i < count; i++)
        done.push_back(take(Signal::create(devices_[i])));
    for (size_t i = 0; i < count; i++)
        check(queues_[i].barrier({gate.get()}, &done[i]));
    std::atomic<int> told{0};
    check(gate.on(ACC_COND_EQ, 0, [&](int64_t, int) {
        told++;
        told.notify_all();
    }));
    std::thread waiter([&] { EXPECT_EQ(take(gate.wait(soon())), 0); });
    std::this_thread::sleep_for(2ms);
    check(gate.store(0));
    for (Signal &signal : done)
        EXPECT_EQ(take(signal.wait(soon())), 0);
    waiter.join();
    told.wait(0);
}

// Waiters of this process are the first device's; the last device completes.
TEST_F(SharedTest, EveryKindOfWaiterHearsEveryDevice)
{
    Signal signal = shared(), other = shared();
    for (size_t i = 0; i < 30; i++) {
        signal.reset(1);
        std::atomic<int> told{0};
        check(signal.on(ACC_COND_EQ, 0, [&](int64_t, int error) {
            EXPECT_EQ(error, 0);
            told++;
            told.notify_all();
        }));
        std::thread waiter([&] { EXPECT_EQ(take(signal.wait(soon())), 0); });
        std::thread any([&] {
            const Awaited awaited[] = {{&other}, {&signal}};
            EXPECT_EQ(take(wait_any(awaited, soon())), 1u);
        });
        if (i % 2) std::this_thread::sleep_for(1ms);
        check(queues_[i % count].barrier({}, &signal));
        waiter.join();
        any.join();
        told.wait(0);
    }
}

// A token goes round all devices; each adds one to a word by the copy of what the one
// before it wrote.
TEST_F(SharedTest, ARoundThroughAllDevices)
{
    Buffer buffer = take(Buffer::create(devices_[0], 4096));
    for (size_t i = 1; i < count; i++)
        check(buffer.attach(devices_[i]));
    auto words = buffer.span<uint64_t>();
    std::vector<Signal> done;
    for (size_t i = 0; i < count; i++)
        done.push_back(shared());
    for (uint64_t round = 0; round < 100; round++) {
        words[0] = round + 1;
        for (Signal &signal : done)
            signal.reset(1);
        for (size_t i = count; i-- > 0;) { // the last in the chain is submitted first
            if (i) check(queues_[i].barrier({done[i - 1].get()}));
            check(queues_[i].dispatch(
                copies_[i],
                acc_null_args{buffer.address() + 64 * i, buffer.address() + 64 * (i + 1), 8, 0},
                &done[i], true));
            if (round % 10 == 0) std::this_thread::sleep_for(200us);
        }
        ASSERT_EQ(take(done[count - 1].wait(soon())), 0) << round;
        ASSERT_EQ(words[8 * count], round + 1);
    }
}

TEST_F(SharedTest, ManySignalsOfManySets)
{
    std::vector<Signal> signals;
    for (int i = 0; i < 300; i++) {
        std::vector<acc_device *> set = {handles_[size_t(i) % count],
                                         handles_[size_t(i + 1 + i / 150) % count]};
        if (i % 5 == 0) set.push_back(set[0]); // twice is once
        signals.push_back(take(Signal::create(set, 1)));
    }
    for (size_t i = 0; i < signals.size(); i++)
        check(queues_[i % count].barrier({}, &signals[i]));
    for (Signal &signal : signals)
        EXPECT_EQ(take(signal.wait(soon())), 0);
    // Ended in an order that frees each set's memory at a different time.
    for (size_t i = 0; i < signals.size(); i += 2)
        check(signals[i].close());
    Signal more = shared();
    check(queues_[2].barrier({}, &more));
    EXPECT_EQ(take(more.wait(soon())), 0);
}

// Whoever was to change a signal may be the one that is lost: nobody waits for ever.
TEST_F(SharedTest, TheLossOfAnyDeviceEndsTheWaits)
{
    Signal signal = shared(), other = shared();
    std::vector<std::thread> waiters;
    for (int i = 0; i < 2; i++)
        waiters.emplace_back([&] {
            EXPECT_REFUSED(acc_signal_wait(signal.get(), ACC_COND_EQ, 0, ACC_FOREVER, nullptr),
                           -EIO, "was reset");
        });
    waiters.emplace_back([&] {
        const Awaited awaited[] = {{&other}, {&signal}};
        EXPECT_EQ(wait_any(awaited).error().code, -EIO);
    });
    std::atomic<int> told{1};
    check(signal.on(ACC_COND_EQ, 0, [&](int64_t, int error) {
        told = error;
        told.notify_all();
    }));
    std::this_thread::sleep_for(2ms);
    check(devices_[count - 1].reset());
    for (std::thread &waiter : waiters)
        waiter.join();
    told.wait(1);
    EXPECT_EQ(told, -EIO);
    // The others go on; what holds already is no loss.
    Signal mine = take(Signal::create(devices_[0]));
    check(queues_[0].barrier({}, &mine));
    EXPECT_EQ(take(mine.wait(soon())), 0);
    EXPECT_EQ(acc_signal_store(signal.get(), 0), -EIO); // one could not be told
    EXPECT_EQ(take(signal.wait(soon())), 0);
}

TEST_F(SharedTest, AFailureIsSeenAcrossDevices)
{
    Signal failed = shared(), done = shared();
    check(queues_[0].dispatch(take(programs_[0].find(ACC_NULL_FAIL)), &failed));
    check(queues_[1].barrier({failed.get()}, &done));
    ASSERT_EQ(take(done.wait(soon())), 0);
    EXPECT_EQ(take(failed.result()).status, uint32_t(ACC_STATUS_ENGINE_ERROR));
    EXPECT_EQ(take(done.result()).status, uint32_t(ACC_STATUS_DEPENDENCY_FAILED));
}

} // namespace
} // namespace acc::test
