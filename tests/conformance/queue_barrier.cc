// SPDX-License-Identifier: MIT
//
// Barriers, and who wakes whom: queues of one file, of two, and the host.
#include "tests/conformance/suite.h"

#include <fcntl.h>
#include <thread>

namespace acc::conformance
{

namespace
{

class QueueBarrier : public DeviceTest
{
protected:
    // True when a barrier over these values passes without anybody's help.
    bool passes(acc_packet (*make)(std::initializer_list<acc_signal_memory *>, acc_signal_memory *),
                std::vector<int> values)
    {
        Signals signals(accel());
        Queue queue(accel());
        acc_signal_memory *done = signals.make();
        acc_packet packet = make({}, done);
        std::vector<acc_signal_memory *> waited;
        for (size_t i = 0; i < values.size(); i++) {
            if (values[i] < 0) continue; // no signal here
            acc_signal_memory *signal = signals.make(values[i]);
            packet.barrier.dep_signal[i] = address_of(signal);
            if (values[i]) waited.push_back(signal);
        }
        queue.submit(packet);
        // Either it passes, or it asks some signal to wake it: nothing else can happen.
        EXPECT_TRUE(eventually([&] {
            if (value_of(done) == 0) return true;
            for (acc_signal_memory *signal : waited)
                if (shared(signal->notify).load() & ACC_NOTIFY_DEVICE) return true;
            return false;
        }));
        const bool passed = value_of(done) == 0;
        if (!passed) {
            for (acc_signal_memory *signal : waited)
                store_signal(accel(), signal, 0);
            EXPECT_EQ(wait_for(accel(), done), 0) << "and passes once they are zero";
        }
        EXPECT_EQ(status_of(done), uint32_t(ACC_STATUS_OK));
        return passed;
    }
};

TEST_F(QueueBarrier, AndWaitsForAll)
{
    EXPECT_TRUE(passes(barrier_and, {}));
    EXPECT_TRUE(passes(barrier_and, {0}));
    EXPECT_TRUE(passes(barrier_and, {0, 0, 0, 0, 0}));
    EXPECT_TRUE(passes(barrier_and, {-1, -1, 0, -1, -1})) << "null ones are ignored";
    EXPECT_TRUE(passes(barrier_and, {-1, -1, -1, -1, -1}));
    EXPECT_FALSE(passes(barrier_and, {1}));
    EXPECT_FALSE(passes(barrier_and, {0, 0, 0, 0, 1}));
    EXPECT_FALSE(passes(barrier_and, {1, 0, 0, 0, 0}));
    EXPECT_FALSE(passes(barrier_and, {-1, 0, 2, -1, 0}));
    EXPECT_FALSE(passes(barrier_and, {3, 1, 4, 1, 5}));
}

// It need not look behind the first signal that is not 0; what is bad there is found at last.
TEST_F(QueueBarrier, AndFindsABadSignalAtTheLatestWhenItLooksThere)
{
    Signals signals(accel());
    Queue queue(accel());
    acc_signal_memory *gate = signals.make(), *done = signals.make(), *none = signals.make(0);
    none->kind = 0;
    queue.submit(barrier_and({gate, none}, done));
    EXPECT_TRUE(eventually(
        [&] { return shared(gate->notify).load() & ACC_NOTIFY_DEVICE || value_of(done) == 0; }));
    store_signal(accel(), gate, 0);
    ASSERT_EQ(wait_for(accel(), done), 0);
    EXPECT_EQ(status_of(done), uint32_t(ACC_STATUS_INVALID_SIGNAL));
    EXPECT_EQ(queue.query().fault_address, address_of(none));
}

TEST_F(QueueBarrier, OrWaitsForAny)
{
    EXPECT_TRUE(passes(barrier_or, {}));
    EXPECT_TRUE(passes(barrier_or, {0}));
    EXPECT_TRUE(passes(barrier_or, {1, 1, 1, 1, 0}));
    EXPECT_TRUE(passes(barrier_or, {0, 1}));
    EXPECT_TRUE(passes(barrier_or, {-1, 5, 0, -1, 2}));
    EXPECT_TRUE(passes(barrier_or, {-1, -1, -1, -1, -1}));
    EXPECT_FALSE(passes(barrier_or, {1}));
    EXPECT_FALSE(passes(barrier_or, {2, 3, 1, 4, 7}));
    EXPECT_FALSE(passes(barrier_or, {-1, 1, -1, -1, -1}));
}

TEST_F(QueueBarrier, OrPassesWithOneOfMany)
{
    Signals signals(accel());
    Queue queue(accel());
    acc_signal_memory *one = signals.make(), *two = signals.make(), *done = signals.make();
    queue.submit(barrier_or({one, two}, done));
    ASSERT_TRUE(eventually([&] { return shared(two->notify).load() & ACC_NOTIFY_DEVICE; }));
    store_signal(accel(), two, 0);
    EXPECT_EQ(wait_for(accel(), done), 0);
    EXPECT_EQ(value_of(one), 1);
}

TEST_F(QueueBarrier, ValueTakesEveryConditionAndMask)
{
    const struct {
        uint32_t condition;
        int64_t value, mask, holds, fails;
    } cases[] = {
        {ACC_COND_EQ, 5, -1, 5, 4},    {ACC_COND_NE, 5, -1, 6, 5},
        {ACC_COND_LT, 5, -1, -7, 5},   {ACC_COND_GE, 5, -1, 5, 4},
        {ACC_COND_GE, -3, -1, -3, -4}, {ACC_COND_EQ, 0x30, 0xf0, 0x1230, 0x1210},
        {ACC_COND_NE, 0, 1, 3, 2},     {ACC_COND_LT, 0, INT64_MIN, -1, 1},
        {ACC_COND_EQ, 0, 0, 12345, 0}, // a mask of nothing: 0 == 0, always
    };
    for (const auto &one : cases) {
        Signals signals(accel());
        Queue queue(accel());
        acc_signal_memory *signal = signals.make(one.holds), *done = signals.make(2);
        queue.submit(barrier_value(signal, one.condition, one.value, one.mask, done));
        ASSERT_EQ(wait_for(accel(), done, 1), 0) << one.condition << " " << one.value;
        if (!one.mask) continue;
        shared(signal->value).store(one.fails);
        queue.submit(barrier_value(signal, one.condition, one.value, one.mask, done));
        ASSERT_TRUE(eventually([&] { return shared(signal->notify).load() & ACC_NOTIFY_DEVICE; }));
        EXPECT_EQ(value_of(done), 1);
        store_signal(accel(), signal, one.holds);
        EXPECT_EQ(wait_for(accel(), done), 0) << one.condition << " " << one.value;
    }
}

// A wake that changes nothing leaves it waiting; it asks for the next one.
TEST_F(QueueBarrier, WakesThatAreNotEnoughAreNotTheLast)
{
    Signals signals(accel());
    Queue queue(accel());
    acc_signal_memory *gate = signals.make(4), *done = signals.make();
    queue.submit(barrier_and({gate}, done));
    for (int64_t value = 3; value >= 0; value--) {
        ASSERT_TRUE(eventually([&] { return shared(gate->notify).load() & ACC_NOTIFY_DEVICE; }));
        EXPECT_EQ(value_of(done), 1);
        store_signal(accel(), gate, value);
    }
    EXPECT_EQ(wait_for(accel(), done), 0);
}

TEST_F(QueueBarrier, FailedDependencyIsPassedOn)
{
    for (const auto make : {barrier_and, barrier_or}) {
        Signals signals(accel());
        Queue queue(accel());
        acc_signal_memory *failed = signals.make(0), *fine = signals.make(0);
        acc_signal_memory *done = signals.make(), *next = signals.make();
        failed->status = ACC_STATUS_ENGINE_ERROR;
        queue.submit({make({fine, failed}, done), nothing(next)});
        ASSERT_EQ(wait_for(accel(), next), 0);
        EXPECT_EQ(status_of(done), uint32_t(ACC_STATUS_DEPENDENCY_FAILED));
        EXPECT_EQ(status_of(next), uint32_t(ACC_STATUS_OK)) << "the queue goes on";
        EXPECT_EQ(queue.query().state, uint32_t(DRM_ACC_QUEUE_ACTIVE));
    }
}

TEST_F(QueueBarrier, FailedSignalOfAValueBarrierIsPassedOn)
{
    Signals signals(accel());
    Queue queue(accel());
    acc_signal_memory *failed = signals.make(3), *done = signals.make();
    failed->status = ACC_STATUS_TIMEOUT;
    queue.submit(barrier_value(failed, ACC_COND_EQ, 3, -1, done));
    ASSERT_EQ(wait_for(accel(), done), 0);
    EXPECT_EQ(status_of(done), uint32_t(ACC_STATUS_DEPENDENCY_FAILED));
}

// ------------------------------------------------- queues that wait for queues

TEST_F(QueueBarrier, QueuesWaitForQueues)
{
    Signals signals(accel(), 1024);
    Queue ping(accel()), pong(accel());
    constexpr int rounds = 400;
    acc_signal_memory *last = signals.make(0);
    for (int i = 0; i < rounds; i++) {
        acc_signal_memory *there = signals.make(), *back = signals.make();
        ping.submit({barrier_and({last}), nothing(there)});
        pong.submit({barrier_and({there}), nothing(back)});
        last = back;
    }
    EXPECT_EQ(wait_for(accel(), last), 0);
}

// More queues that wait than workers, in a ring of dependencies that the last one starts.
TEST_F(QueueBarrier, WaitingQueuesHoldNoWorkerAndNoSlot)
{
    constexpr size_t count = 40;
    Signals signals(accel());
    Work work(accel());
    std::vector<std::unique_ptr<Queue>> queues;
    std::vector<acc_signal_memory *> done;
    acc_signal_memory *start = signals.make();
    for (size_t i = 0; i < count; i++) {
        queues.push_back(std::make_unique<Queue>(accel()));
        done.push_back(signals.make());
        queues[i]->submit({barrier_and({i ? done[i - 1] : start}), work.packet(done[i])});
    }
    // All of them wait; the device still works for others.
    Queue other(accel());
    acc_signal_memory *through = signals.make();
    other.submit(work.packet(through));
    ASSERT_EQ(wait_for(accel(), through), 0);
    EXPECT_EQ(value_of(done[0]), 1);
    store_signal(accel(), start, 0);
    EXPECT_EQ(wait_for(accel(), done.back()), 0);
    EXPECT_EQ(status_of(done.back()), uint32_t(ACC_STATUS_OK));
}

TEST_F(QueueBarrier, HostAndQueuesWaitOnOneSignal)
{
    Signals signals(accel());
    acc_signal_memory *gate = signals.make(1), *done = signals.make(3);
    Queue one(accel()), two(accel()), three(accel());
    for (Queue *queue : {&one, &two, &three})
        queue->submit(barrier_and({gate}, done));
    std::atomic<int> hosts{0};
    std::vector<std::thread> waiters;
    for (int i = 0; i < 3; i++)
        waiters.emplace_back([&] {
            if (wait_for(accel(), gate) == 0) hosts++;
        });
    EXPECT_TRUE(eventually([&] { return shared(gate->notify).load() == 3u; }));
    Queue writer(accel()); // a device's decrement wakes them all
    writer.submit(nothing(gate));
    EXPECT_EQ(wait_for(accel(), done), 0);
    for (auto &waiter : waiters)
        waiter.join();
    EXPECT_EQ(hosts.load(), 3);
}

// Two opens of the device (or two devices) that bind one memory object: who changes a
// signal on one side tells the other with SIGNAL_WAKE, as libacc's relay does.
TEST_F(QueueBarrier, FilesMeetInSharedMemory)
{
    Signals here(accel());
    drm_prime_handle prime = {};
    prime.handle = here.buffer().handle();
    prime.flags = DRM_CLOEXEC | DRM_RDWR;
    ASSERT_EQ(accel().call(DRM_IOCTL_PRIME_HANDLE_TO_FD, prime), 0);
    const UniqueFd fd(prime.fd);
    ASSERT_EQ(second().call(DRM_IOCTL_PRIME_FD_TO_HANDLE, prime), 0);
    const uint64_t at = here.buffer().address();
    ASSERT_EQ(second().bind(prime.handle, 0, here.buffer().bytes(), at), 0);
    {
        acc_signal_memory *gate = here.make(1), *done = here.make(1);
        Event event(accel());
        Queue first(accel()), other(second());
        other.submit(barrier_and({gate}, done));
        ASSERT_TRUE(eventually([&] { return shared(gate->notify).load() & ACC_NOTIFY_DEVICE; }));
        first.submit(nothing(gate));
        // The writer's file is told of the wake, and relays it.
        EXPECT_TRUE(event.wait());
        EXPECT_EQ(second().wake(at), 0);
        EXPECT_EQ(wait_for(second(), done), 0);
    }
    EXPECT_EQ(second().unbind(at, here.buffer().bytes()), 0);
    EXPECT_EQ(second().close(prime.handle), 0);
}

TEST_F(QueueBarrier, ResetEndsItsWait)
{
    Signals signals(accel());
    Queue queue(accel());
    acc_signal_memory *never = signals.make(), *done = signals.make();
    queue.submit(barrier_and({never}, done));
    ASSERT_TRUE(eventually([&] { return shared(never->notify).load() & ACC_NOTIFY_DEVICE; }));
    ASSERT_EQ(accel().reset(DRM_ACC_RESET_QUEUE, queue.id()), 0);
    ASSERT_EQ(wait_for(accel(), done), 0);
    EXPECT_EQ(queue.query().fault_code, uint32_t(ACC_STATUS_RESET));
}

TEST_F(QueueBarrier, DestroyEndsItsWait)
{
    Signals signals(accel());
    acc_signal_memory *never = signals.make(), *done = signals.make(2);
    Queue queue(accel());
    queue.submit({barrier_and({never}, done), nothing(done)});
    ASSERT_TRUE(eventually([&] { return shared(never->notify).load() & ACC_NOTIFY_DEVICE; }));
    EXPECT_EQ(queue.destroy(), 0);
    EXPECT_EQ(value_of(done), 0);
    EXPECT_EQ(status_of(done), uint32_t(ACC_STATUS_CANCELLED));
}

// -------------------------------------------------------------- notifications

TEST_F(QueueBarrier, NotifyIsTakenAndTheEventFires)
{
    Signals signals(accel());
    Event event(accel());
    Queue queue(accel());
    acc_signal_memory *quiet = signals.make(), *asked = signals.make();
    queue.submit(nothing(quiet));
    ASSERT_TRUE(eventually([&] { return value_of(quiet) == 0; }));
    ASSERT_TRUE(queue.drained());
    EXPECT_FALSE(event.pending()) << "nobody asked";
    shared(asked->notify).store(ACC_NOTIFY_HOST);
    queue.submit(nothing(asked));
    EXPECT_TRUE(event.wait());
    EXPECT_EQ(value_of(asked), 0);
    EXPECT_EQ(shared(asked->notify).load(), 0u);
}

} // namespace

} // namespace acc::conformance
