// SPDX-License-Identifier: MIT
//
// Programs and slots as dispatches see them: loading on demand, eviction, pins.
#include "tests/conformance/suite.h"

#include <thread>

namespace acc::conformance
{

namespace
{

class QueueProgram : public DeviceTest
{
protected:
    // One more unit than there are slots, or nothing when the engine has no such many.
    std::vector<std::unique_ptr<Work>> one_too_many()
    {
        std::vector<std::unique_ptr<Work>> works;
        const uint32_t count = accel().slots() + 1;
        if (count > Work::variants(accel().identity().engine)) return works;
        for (uint32_t i = 0; i < count; i++)
            works.push_back(std::make_unique<Work>(accel(), i));
        return works;
    }
    void run(Queue &queue, Work &work)
    {
        work.clear();
        signals_[0]->kind = ACC_SIGNAL_KIND_USER;
        shared(signals_[0]->value).store(1);
        queue.submit(work.packet(signals_[0]));
        ASSERT_EQ(wait_for(accel(), signals_[0]), 0);
        EXPECT_EQ(status_of(signals_[0]), uint32_t(ACC_STATUS_OK));
        EXPECT_TRUE(work.done_right());
    }
    void SetUp() override
    {
        DeviceTest::SetUp();
        if (!IsSkipped()) memory_ = std::make_unique<Signals>(accel());
        if (memory_) signals_[0] = memory_->make();
    }
    void TearDown() override
    {
        memory_.reset();
        DeviceTest::TearDown();
    }
    acc_signal_memory *signals_[1] = {};

private:
    std::unique_ptr<Signals> memory_;
};

TEST_F(QueueProgram, LoadsOnceAndStays)
{
    Queue queue(accel());
    Work work(accel());
    // What other clients did with the device before is none of our business.
    std::vector<drm_acc_slot> before;
    for (uint32_t i = 0; i < accel().slots(); i++)
        before.push_back(accel().query(DRM_ACC_QUERY_SLOT, i).slot);
    for (int i = 0; i < 5; i++)
        run(queue, work);
    const drm_acc_program_query query = work.program().query();
    EXPECT_EQ(query.loads, 1u);
    ASSERT_LT(query.slot, accel().slots());
    ASSERT_TRUE(queue.drained());
    EXPECT_TRUE(eventually([&] {
        const drm_acc_slot slot = accel().query(DRM_ACC_QUERY_SLOT, query.slot).slot;
        return slot.dispatches == before[query.slot].dispatches + 5 &&
               slot.loads == before[query.slot].loads + 1 && slot.state == DRM_ACC_SLOT_READY;
    }));
}

TEST_F(QueueProgram, MoreUnitsThanSlotsTakeTurns)
{
    auto works = one_too_many();
    if (works.empty()) GTEST_SKIP() << "more slots than this test has units";
    Queue queue(accel());
    const drm_acc_counters before = accel().counters();
    for (int round = 0; round < 3; round++)
        for (auto &work : works)
            run(queue, *work);
    uint64_t loads = 0, resident = 0;
    for (auto &work : works) {
        EXPECT_GE(work->program().query().loads, 1u);
        loads += work->program().query().loads;
        resident += work->program().query().slot != ~0u;
    }
    EXPECT_EQ(resident, accel().slots());
    // How few is the policy's merit: "least recently used" loads for each dispatch of a
    // round-robin, a better one keeps some. One unit too many is never free.
    EXPECT_GE(loads, works.size() + 2);
    EXPECT_LE(loads, 3 * works.size());
    const drm_acc_counters after = accel().counters();
    EXPECT_EQ(after.loads - before.loads, loads);
    EXPECT_EQ(after.evictions - before.evictions, loads - accel().slots());
}

TEST_F(QueueProgram, PinnedUnitsStay)
{
    auto works = one_too_many();
    if (works.empty()) GTEST_SKIP() << "more slots than this test has units";
    if (accel().slots() < 2) GTEST_SKIP() << "one slot: nothing can be pinned";
    Queue queue(accel());
    ASSERT_EQ(works[0]->program().pin(0), 0);
    const uint32_t slot = works[0]->program().query().slot;
    for (int round = 0; round < 3; round++)
        for (auto &work : works)
            run(queue, *work);
    EXPECT_EQ(works[0]->program().query().loads, 1u);
    EXPECT_EQ(works[0]->program().query().slot, slot);
    EXPECT_EQ(works[0]->program().pin(0, false), 0);
    for (size_t i = 1; i < works.size(); i++)
        run(queue, *works[i]);
    run(queue, *works[0]);
    // Unpinned it may be evicted, and whether it was is the policy's choice: it runs.
    EXPECT_LE(works[0]->program().query().loads, 2u);
    EXPECT_EQ(works[0]->program().pin(0, false), -EINVAL) << "it is pinned no more";
}

// Units that do not fit all at once, from several queues and threads: each still computes.
TEST_F(QueueProgram, QueuesShareSlots)
{
    auto works = one_too_many();
    if (works.empty()) GTEST_SKIP() << "more slots than this test has units";
    Signals signals(accel());
    std::vector<acc_signal_memory *> done;
    for (size_t i = 0; i < works.size(); i++)
        done.push_back(signals.make(0));
    std::atomic<int> wrong{0};
    std::vector<std::thread> threads;
    for (size_t i = 0; i < works.size(); i++)
        threads.emplace_back([&, i] {
            Queue queue(accel());
            for (int round = 0; round < 20; round++) {
                works[i]->clear();
                shared(done[i]->value).store(1);
                queue.submit(works[i]->packet(done[i]));
                wrong += wait_for(accel(), done[i]) != 0 || status_of(done[i]) != ACC_STATUS_OK ||
                         !works[i]->done_right();
            }
        });
    for (auto &thread : threads)
        thread.join();
    EXPECT_EQ(wrong.load(), 0);
}

// A program may be loaded and unloaded while others run.
TEST_F(QueueProgram, LoadAndUnloadBesideDispatches)
{
    std::atomic<bool> over{false};
    std::thread loader([&] {
        while (!over) {
            Work work(accel(), 1);
            EXPECT_EQ(work.program().prefetch(0), 0);
            EXPECT_EQ(work.program().unload(), 0);
        }
    });
    {
        Queue queue(accel());
        Work work(accel());
        for (int i = 0; i < 100; i++)
            run(queue, work);
    }
    over = true;
    loader.join();
}

// Unloading what waits in a queue: its dispatch finds no kernel any more.
TEST_F(QueueProgram, UnloadedWhileItWaits)
{
    Signals signals(accel());
    Queue queue(accel());
    Work work(accel());
    acc_signal_memory *gate = signals.make(), *done = signals.make();
    queue.submit({barrier_and({gate}), work.packet(done)});
    ASSERT_EQ(work.program().unload(), 0);
    store_signal(accel(), gate, 0);
    ASSERT_EQ(wait_for(accel(), done), 0);
    EXPECT_EQ(status_of(done), uint32_t(ACC_STATUS_INVALID_KERNEL));
}

} // namespace

} // namespace acc::conformance
