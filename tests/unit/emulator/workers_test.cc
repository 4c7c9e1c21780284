// SPDX-License-Identifier: MIT
//
// One worker, one slot: what must hold when there is no room at all.
#include "tests/unit/emulator/card.h"

#include <gtest/gtest.h>

#include <thread>

namespace acc::emu
{

using namespace conformance;

namespace
{

// Rings are time-sliced: their number is no limit.
TEST(Workers, OneServesManyQueues)
{
    Card card("null:slots=1,workers=1");
    auto accel = card.open();
    constexpr int count = 100;
    Signals signals(*accel, count);
    NullWork work(*accel);
    std::vector<std::unique_ptr<Queue>> queues;
    std::vector<acc_signal_memory *> done;
    for (int i = 0; i < count; i++) {
        queues.push_back(std::make_unique<Queue>(*accel));
        done.push_back(signals.make(30));
        queues.back()->submit(std::vector<acc_packet>(30, work.noop(done.back())));
    }
    for (acc_signal_memory *signal : done)
        EXPECT_EQ(wait_for(*accel, signal), 0);
}

TEST(Workers, OneIsEnoughForQueuesThatWaitForEachOther)
{
    Card card("null:slots=1,workers=1");
    auto accel = card.open();
    Signals signals(*accel, 256);
    NullWork work(*accel);
    Queue one(*accel), two(*accel);
    acc_signal_memory *last = signals.make(0);
    for (int i = 0; i < 100; i++) {
        acc_signal_memory *there = signals.make(), *back = signals.make();
        two.submit({barrier_and({there}), work.noop(back)});
        one.submit({barrier_and({last}), work.noop(there)});
        last = back;
    }
    EXPECT_EQ(wait_for(*accel, last), 0);
}

// High passes low even on the one worker, at the end of the dispatch in flight.
TEST(Workers, HighPassesLowOnOneWorker)
{
    Card card("null:slots=1,workers=1");
    auto accel = card.open();
    Signals signals(*accel);
    NullWork work(*accel);
    constexpr int64_t total = 60;
    acc_signal_memory *low_done = signals.make(total), *high_done = signals.make();
    Queue low(*accel, {.priority = DRM_ACC_PRIORITY_LOW});
    Queue high(*accel, {.priority = DRM_ACC_PRIORITY_HIGH});
    low.submit(std::vector<acc_packet>(total, work.spin(20 * millisecond_ns, low_done)));
    ASSERT_EQ(accel->wait(address_of(low_done), DRM_ACC_COND_LT, total, deadline()), 0);
    high.submit(work.noop(high_done));
    ASSERT_EQ(wait_for(*accel, high_done), 0);
    EXPECT_GT(value_of(low_done), total / 2) << "it waited for more than the one in flight";
    EXPECT_EQ(low.destroy(), 0);
}

TEST(Workers, EqualsShareOneWorker)
{
    Card card("null:slots=1,workers=1");
    auto accel = card.open();
    Signals signals(*accel);
    NullWork work(*accel);
    constexpr int64_t total = 60;
    acc_signal_memory *gate = signals.make();
    acc_signal_memory *done[2] = {signals.make(total), signals.make(total)};
    Queue one(*accel), two(*accel);
    for (Queue *queue : {&one, &two}) {
        std::vector<acc_packet> packets(1, barrier_and({gate}));
        packets.resize(1 + total, work.spin(5 * millisecond_ns, done[queue == &two]));
        queue->submit(packets);
    }
    store_signal(*accel, gate, 0);
    ASSERT_TRUE(eventually([&] { return !value_of(done[0]) || !value_of(done[1]); }));
    EXPECT_LT(std::max(value_of(done[0]), value_of(done[1])), total / 2);
    EXPECT_EQ(wait_for(*accel, done[0]), 0);
    EXPECT_EQ(wait_for(*accel, done[1]), 0);
}

// A hang keeps the one worker until its time is over, then all go on.
TEST(Workers, HangHoldsOthersNoLongerThanItsTime)
{
    Card card("null:slots=2,workers=1");
    auto accel = card.open();
    Signals signals(*accel);
    NullWork work(*accel);
    Queue bad(*accel, {.timeout_ns = 20 * millisecond_ns}), good(*accel);
    acc_signal_memory *hung = signals.make(), *done = signals.make();
    bad.submit(work.hang(hung));
    good.submit(work.noop(done));
    EXPECT_EQ(wait_for(*accel, done), 0);
    EXPECT_EQ(wait_for(*accel, hung), 0);
    EXPECT_EQ(status_of(hung), uint32_t(ACC_STATUS_TIMEOUT));
    EXPECT_EQ(status_of(done), uint32_t(ACC_STATUS_OK));
}

// Two units, one slot, two queues that never stop wanting it: both get on.
TEST(Workers, UnitsTakeTurnsInOneSlot)
{
    Card card("null:slots=1");
    auto accel = card.open();
    Signals signals(*accel);
    NullWork first(*accel), second(*accel);
    acc_signal_memory *done[2] = {signals.make(40), signals.make(40)};
    Queue one(*accel), two(*accel);
    one.submit(std::vector<acc_packet>(40, first.spin(millisecond_ns, done[0])));
    two.submit(std::vector<acc_packet>(40, second.spin(millisecond_ns, done[1])));
    EXPECT_EQ(wait_for(*accel, done[0]), 0);
    EXPECT_EQ(wait_for(*accel, done[1]), 0);
    EXPECT_GE(first.program().query().loads, 1u);
    EXPECT_GE(second.program().query().loads, 1u);
    EXPECT_EQ(first.program().pin(0), -ENOSPC) << "the only slot stays free of pins";
}

// An idle device's workers sleep, and say so.
TEST(Workers, IdleQueuesSleep)
{
    Card card;
    auto accel = card.open();
    Signals signals(*accel);
    Queue queue(*accel);
    acc_signal_memory *done = signals.make();
    queue.submit(nothing(done));
    ASSERT_EQ(wait_for(*accel, done), 0);
    EXPECT_TRUE(eventually([&] { return shared(queue.control()->sleeping).load() == 1; }));
    EXPECT_TRUE(eventually([&] { return accel->counters().sleeps >= 1; }));
}

// Queues come and go while others work: no worker is left with one that is gone.
TEST(Workers, QueuesComeAndGo)
{
    Card card("null:slots=2,workers=2");
    auto accel = card.open();
    std::vector<std::thread> threads;
    for (int t = 0; t < 4; t++)
        threads.emplace_back([&, t] {
            Signals signals(*accel);
            NullWork work(*accel);
            for (int i = 0; i < 100; i++) {
                Queue queue(*accel, {.priority = uint32_t((t + i) % 3)});
                signals[0]->kind = ACC_SIGNAL_KIND_USER;
                shared(signals[0]->value).store(3);
                queue.submit({work.noop(signals[0]), nothing(signals[0]), work.noop(signals[0])});
                if (i % 2) {
                    EXPECT_EQ(wait_for(*accel, signals[0]), 0);
                }
                EXPECT_EQ(queue.destroy(), 0); // pending or not
                EXPECT_EQ(value_of(signals[0]), 0);
            }
        });
    for (auto &thread : threads)
        thread.join();
}

} // namespace

} // namespace acc::emu
