// SPDX-License-Identifier: MIT
//
// Injected faults: each does what it says, as often as it says, and the device goes on.
#include "acc/regs.h"
#include "tests/unit/emulator/card.h"

#include <gtest/gtest.h>

#include <cerrno>
#include <thread>

namespace acc::emu
{

using namespace conformance;

namespace
{

class Inject : public testing::Test
{
protected:
    // The status of one no-op on a queue of its own.
    uint32_t noop(uint64_t timeout_ns = 0)
    {
        Queue queue(*accel_, {.timeout_ns = timeout_ns});
        acc_signal_memory *done = signals_.make();
        queue.submit(work_.noop(done));
        EXPECT_EQ(wait_for(*accel_, done), 0);
        return status_of(done);
    }
    int inject(uint32_t what, uint32_t count, uint64_t argument = 0)
    {
        return card_.emulator().inject(what, count, argument);
    }
    drm_acc_fault last_fault() { return accel_->query(DRM_ACC_QUERY_FAULT, 0).fault; }

    Card card_{"null:slots=2"};
    std::unique_ptr<Accel> accel_ = card_.open();
    Signals signals_{*accel_, 256};
    NullWork work_{*accel_};
};

TEST_F(Inject, RefusesWhatItDoesNotKnow)
{
    EXPECT_EQ(inject(0, 1), -EINVAL);
    EXPECT_EQ(inject(ACC_INJECT_DELAY + 1, 1), -EINVAL);
    EXPECT_EQ(inject(ACC_INJECT_SLOT_FAULT, 1, 2), -ENOENT);
    EXPECT_EQ(inject(ACC_INJECT_SLOT_FAULT, 1, 1ull << 32), -ENOENT);
    EXPECT_EQ(noop(), uint32_t(ACC_STATUS_OK));
}

TEST_F(Inject, EngineErrorsAreCounted)
{
    ASSERT_EQ(inject(ACC_INJECT_ENGINE_ERROR, 2), 0);
    EXPECT_EQ(noop(), uint32_t(ACC_STATUS_ENGINE_ERROR));
    EXPECT_NE(std::string(last_fault().text).find("injected"), std::string::npos);
    EXPECT_STREQ(last_fault().kernel, "noop");
    EXPECT_EQ(noop(), uint32_t(ACC_STATUS_ENGINE_ERROR));
    EXPECT_EQ(noop(), uint32_t(ACC_STATUS_OK));
    EXPECT_EQ(accel_->counters().faults, 2u);
}

TEST_F(Inject, HangsEndWithTheQueuesTimeout)
{
    ASSERT_EQ(inject(ACC_INJECT_HANG, 1), 0);
    EXPECT_EQ(noop(2 * millisecond_ns), uint32_t(ACC_STATUS_TIMEOUT));
    EXPECT_EQ(noop(2 * millisecond_ns), uint32_t(ACC_STATUS_OK));
}

TEST_F(Inject, HangsEndWithAReset)
{
    ASSERT_EQ(inject(ACC_INJECT_HANG, 1), 0);
    Queue queue(*accel_);
    acc_signal_memory *done = signals_.make();
    queue.submit(work_.noop(done));
    ASSERT_TRUE(eventually([&] { return work_.program().query().slot != ~0u; }));
    ASSERT_EQ(accel_->reset(DRM_ACC_RESET_QUEUE, queue.id()), 0);
    ASSERT_EQ(wait_for(*accel_, done), 0);
    EXPECT_EQ(queue.query().fault_code, uint32_t(ACC_STATUS_RESET));
}

TEST_F(Inject, DelaysAreInTheTimes)
{
    ASSERT_EQ(inject(ACC_INJECT_DELAY, 1, 3 * millisecond_ns), 0);
    Queue queue(*accel_);
    acc_signal_memory *late = signals_.make(), *next = signals_.make();
    queue.submit({work_.noop(late), work_.noop(next)});
    ASSERT_EQ(wait_for(*accel_, next), 0);
    EXPECT_EQ(status_of(late), uint32_t(ACC_STATUS_OK));
    EXPECT_GE(late->end_ns - late->start_ns, 3 * millisecond_ns);
    EXPECT_GE(next->start_ns, late->end_ns);
}

TEST_F(Inject, FailedLoadsAreEngineErrors)
{
    ASSERT_EQ(inject(ACC_INJECT_LOAD_ERROR, 1), 0);
    EXPECT_EQ(noop(), uint32_t(ACC_STATUS_ENGINE_ERROR));
    EXPECT_NE(last_fault().text[0], 0);
    EXPECT_EQ(work_.program().query().slot, ~0u);
    EXPECT_EQ(work_.program().query().loads, 0u);
    for (uint32_t i = 0; i < 2; i++)
        EXPECT_EQ(accel_->query(DRM_ACC_QUERY_SLOT, i).slot.state, uint32_t(DRM_ACC_SLOT_EMPTY));
    EXPECT_EQ(noop(), uint32_t(ACC_STATUS_OK)) << "the next one loads";
    EXPECT_EQ(work_.program().query().loads, 1u);
}

TEST_F(Inject, FailedLoadsAreWhatPinSaysAndPrefetchHides)
{
    ASSERT_EQ(inject(ACC_INJECT_LOAD_ERROR, 2), 0);
    EXPECT_EQ(work_.program().pin(0), -EIO);
    EXPECT_EQ(work_.program().query().pinned, 0u);
    EXPECT_EQ(work_.program().prefetch(0), 0) << "a hint";
    EXPECT_EQ(work_.program().query().slot, ~0u);
    EXPECT_EQ(work_.program().pin(0), 0);
}

TEST_F(Inject, FaultedSlotsAreAvoidedUntilTheyAreReset)
{
    ASSERT_EQ(noop(), uint32_t(ACC_STATUS_OK));
    const uint32_t first = work_.program().query().slot;
    ASSERT_TRUE(eventually(
        [&] { return accel_->query(DRM_ACC_QUERY_SLOT, first).slot.state == DRM_ACC_SLOT_READY; }));
    ASSERT_EQ(inject(ACC_INJECT_SLOT_FAULT, 1, first), 0);
    EXPECT_EQ(accel_->query(DRM_ACC_QUERY_SLOT, first).slot.state, uint32_t(DRM_ACC_SLOT_FAULT));
    EXPECT_EQ(noop(), uint32_t(ACC_STATUS_OK)) << "the other slot";
    const uint32_t second = 1 - first;
    EXPECT_EQ(work_.program().query().slot, second);
    ASSERT_TRUE(eventually([&] {
        return accel_->query(DRM_ACC_QUERY_SLOT, second).slot.state == DRM_ACC_SLOT_READY;
    }));
    ASSERT_EQ(inject(ACC_INJECT_SLOT_FAULT, 1, second), 0);
    EXPECT_EQ(noop(), uint32_t(ACC_STATUS_NO_SLOT));
    EXPECT_EQ(work_.program().pin(0), -ENOSPC);
    EXPECT_EQ(work_.program().query().slot, ~0u) << "a faulted slot holds nothing";
    ASSERT_EQ(accel_->reset(DRM_ACC_RESET_SLOT, first), 0);
    EXPECT_EQ(noop(), uint32_t(ACC_STATUS_OK));
    EXPECT_EQ(work_.program().query().slot, first);
}

// What a faulted slot held is nobody's any more.
TEST_F(Inject, FaultedAndEmptySlotsAreAnybodysToReset)
{
    auto other = card_.open({.privileged = false});
    ASSERT_EQ(work_.program().pin(0), 0);
    const uint32_t slot = work_.program().query().slot;
    EXPECT_EQ(other->reset(DRM_ACC_RESET_SLOT, slot), -EACCES);
    EXPECT_EQ(other->reset(DRM_ACC_RESET_SLOT, 1 - slot), 0) << "empty";
    ASSERT_EQ(inject(ACC_INJECT_SLOT_FAULT, 1, slot), 0);
    EXPECT_EQ(work_.program().query().pinned, 0u) << "a fault ends its pins";
    EXPECT_EQ(other->reset(DRM_ACC_RESET_SLOT, slot), 0);
    EXPECT_EQ(accel_->query(DRM_ACC_QUERY_SLOT, slot).slot.state, uint32_t(DRM_ACC_SLOT_EMPTY));
}

TEST_F(Inject, SlotFaultWaitsForTheDispatchInIt)
{
    Queue queue(*accel_);
    acc_signal_memory *done = signals_.make();
    queue.submit(work_.hang(done));
    uint32_t slot = ~0u;
    ASSERT_TRUE(eventually([&] {
        slot = work_.program().query().slot;
        return slot != ~0u &&
               accel_->query(DRM_ACC_QUERY_SLOT, slot).slot.state == DRM_ACC_SLOT_BUSY;
    }));
    ASSERT_EQ(inject(ACC_INJECT_SLOT_FAULT, 1, slot), 0);
    EXPECT_EQ(accel_->query(DRM_ACC_QUERY_SLOT, slot).slot.state, uint32_t(DRM_ACC_SLOT_BUSY));
    ASSERT_EQ(accel_->reset(DRM_ACC_RESET_QUEUE, queue.id()), 0);
    ASSERT_EQ(wait_for(*accel_, done), 0);
    EXPECT_TRUE(eventually(
        [&] { return accel_->query(DRM_ACC_QUERY_SLOT, slot).slot.state == DRM_ACC_SLOT_FAULT; }));
}

// A lost event: the value has changed, and the next wake, or the time-out, finds it.
TEST_F(Inject, LostEventsLoseNoValue)
{
    acc_signal_memory *done = signals_.make();
    ASSERT_EQ(inject(ACC_INJECT_DROP_EVENT, 1), 0);
    Event event(*accel_);
    Queue queue(*accel_);
    int result = 1;
    std::atomic<bool> woken{false};
    std::thread waiter([&] {
        result = wait_for(*accel_, done);
        woken = true;
    });
    ASSERT_TRUE(eventually([&] { return shared(done->notify).load() & ACC_NOTIFY_HOST; }));
    queue.submit(work_.noop(done));
    ASSERT_TRUE(eventually([&] { return shared(done->notify).load() == 0; }));
    ASSERT_TRUE(queue.drained());
    EXPECT_FALSE(event.pending());
    EXPECT_FALSE(woken) << "nobody told it";
    EXPECT_EQ(accel_->wake(address_of(done)), 0);
    waiter.join();
    EXPECT_EQ(result, 0);
}

TEST_F(Inject, LostEventEndsAtTheTimeout)
{
    acc_signal_memory *done = signals_.make();
    ASSERT_EQ(inject(ACC_INJECT_DROP_EVENT, 1), 0);
    Queue queue(*accel_);
    int result = 1;
    std::thread waiter(
        [&] { result = accel_->wait(address_of(done), DRM_ACC_COND_EQ, 0, now_ns() + second_ns); });
    ASSERT_TRUE(eventually([&] { return shared(done->notify).load() & ACC_NOTIFY_HOST; }));
    queue.submit(work_.noop(done));
    waiter.join();
    EXPECT_EQ(result, 0) << "the value is looked at last of all";
}

TEST_F(Inject, ResetEndsWhatWasInjected)
{
    ASSERT_EQ(inject(ACC_INJECT_ENGINE_ERROR, 100), 0);
    auto other = card_.open();
    ASSERT_EQ(other->reset(DRM_ACC_RESET_DEVICE, 0), 0);
    auto fresh = card_.open();
    Signals signals(*fresh);
    NullWork work(*fresh);
    Queue queue(*fresh);
    acc_signal_memory *done = signals.make();
    queue.submit(work.noop(done));
    ASSERT_EQ(wait_for(*fresh, done), 0);
    EXPECT_EQ(status_of(done), uint32_t(ACC_STATUS_OK));
}

} // namespace

} // namespace acc::emu
