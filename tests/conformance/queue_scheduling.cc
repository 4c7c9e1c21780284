// SPDX-License-Identifier: MIT
//
// Several queues at once: priorities, fairness, and producers that sleep for space. What
// came first is told by order and by counts, never by a time.
#include "tests/conformance/queue_null.h"
#include "tests/conformance/suite.h"

#include <condition_variable>
#include <mutex>
#include <poll.h>
#include <sys/eventfd.h>
#include <thread>

namespace acc::conformance
{

namespace
{

class QueueSchedulingNull : public DeviceTest
{
protected:
    // All slots but one hold pinned units, so that dispatches of one program share one slot.
    void one_slot_left()
    {
        for (uint32_t i = 0; i + 1 < accel().slots(); i++) {
            pinned_.push_back(std::make_unique<Program>(
                accel(), std::initializer_list<std::string_view>{ACC_NULL_NOOP}));
            ASSERT_EQ(pinned_.back()->pin(0), 0);
        }
    }
    void TearDown() override
    {
        pinned_.clear();
        DeviceTest::TearDown();
    }

private:
    std::vector<std::unique_ptr<Program>> pinned_;
};

// The low queue has a long way to go when the high one's packet comes: it passes all but
// what executes.
TEST_F(QueueSchedulingNull, HighPassesLow)
{
    one_slot_left();
    Signals signals(accel());
    NullWork work(accel());
    constexpr int64_t total = 60;
    acc_signal_memory *low_done = signals.make(total), *high_done = signals.make();
    Queue low(accel(), {.priority = DRM_ACC_PRIORITY_LOW});
    Queue high(accel(), {.priority = DRM_ACC_PRIORITY_HIGH});
    std::vector<acc_packet> packets(total, work.spin(20 * millisecond_ns, low_done));
    low.submit(packets);
    ASSERT_EQ(accel().wait(address_of(low_done), DRM_ACC_COND_LT, total, deadline()), 0);
    high.submit(work.noop(high_done));
    ASSERT_EQ(wait_for(accel(), high_done), 0);
    EXPECT_GT(value_of(low_done), total / 2) << "it waited for more than the one in flight";
    EXPECT_EQ(status_of(high_done), uint32_t(ACC_STATUS_OK));
    EXPECT_EQ(low.destroy(), 0);
}

// What holds the slot is low, what wants it is high, and those in the middle never end.
TEST_F(QueueSchedulingNull, MiddleDoesNotStarveWhomHighWaitsFor)
{
    one_slot_left();
    Signals signals(accel(), 256);
    NullWork work(accel());
    std::atomic<bool> over{false};
    std::vector<std::thread> middle;
    std::atomic<int> running{0};
    for (uint32_t i = 0; i < accel().limits().max_active_queues + 2; i++)
        middle.emplace_back([&] {
            Queue queue(accel());
            Buffer memory(accel(), page_bytes);
            for (bool first = true; !over; first = false) {
                queue.submit(fill(memory.address(), 7, page_bytes));
                if (first) running++;
                std::this_thread::yield();
            }
        });
    {
        EXPECT_TRUE(eventually([&] { return running == int(middle.size()); }));
        Queue low(accel(), {.priority = DRM_ACC_PRIORITY_LOW});
        Queue high(accel(), {.priority = DRM_ACC_PRIORITY_HIGH});
        acc_signal_memory *held = signals.make(), *done = signals.make();
        low.submit(work.spin(5 * millisecond_ns, held));
        high.submit(work.noop(done));
        EXPECT_EQ(wait_for(accel(), done), 0);
        EXPECT_EQ(wait_for(accel(), held), 0) << "nor is the low one itself starved for ever";
    }
    over = true;
    for (auto &thread : middle)
        thread.join();
}

// Two of one priority through one slot: neither waits until the other is through.
TEST_F(QueueSchedulingNull, EqualsShare)
{
    one_slot_left();
    Signals signals(accel());
    NullWork work(accel());
    constexpr int64_t total = 60;
    acc_signal_memory *gate = signals.make();
    acc_signal_memory *done[2] = {signals.make(total), signals.make(total)};
    Queue one(accel()), two(accel());
    std::vector<acc_packet> packets;
    for (Queue *queue : {&one, &two}) {
        packets.assign(1, barrier_and({gate}));
        packets.resize(1 + total, work.spin(5 * millisecond_ns, done[queue == &two]));
        queue->submit(packets);
    }
    store_signal(accel(), gate, 0);
    ASSERT_TRUE(eventually([&] { return !value_of(done[0]) || !value_of(done[1]); }));
    const int64_t behind = std::max(value_of(done[0]), value_of(done[1]));
    EXPECT_LT(behind, total / 2) << "half of it was still to do when the other was through";
    EXPECT_EQ(wait_for(accel(), done[0]), 0);
    EXPECT_EQ(wait_for(accel(), done[1]), 0);
}

// Many queues, one program: each is served.
TEST_F(QueueSchedulingNull, ManyQueuesAreAllServed)
{
    constexpr int count = 64, rounds = 50;
    Signals signals(accel(), count);
    NullWork work(accel());
    std::vector<std::unique_ptr<Queue>> queues;
    for (int i = 0; i < count; i++)
        queues.push_back(std::make_unique<Queue>(
            accel(), QueueOptions{.priority = uint32_t(i % 3 ? DRM_ACC_PRIORITY_NORMAL
                                                             : DRM_ACC_PRIORITY_LOW)}));
    std::vector<acc_signal_memory *> done;
    for (auto &queue : queues) {
        done.push_back(signals.make(rounds));
        queue->submit(std::vector<acc_packet>(rounds, work.noop(done.back())));
    }
    for (acc_signal_memory *signal : done)
        EXPECT_EQ(wait_for(accel(), signal), 0);
    for (auto &queue : queues) {
        EXPECT_TRUE(queue->drained());
        EXPECT_EQ(queue->query().packets, uint64_t(rounds));
    }
}

// ---------------------------------------------------------------------- space

// Producers that sleep when the ring is full, as docs/protocols.md says ("space"): one
// reader consumes the event descriptor and wakes all of them.
class Sleepers
{
public:
    explicit Sleepers(int event_fd) : event_(event_fd), reader_([this] { read(); }) {}
    ~Sleepers()
    {
        over_ = true;
        eventfd_write(event_, 1);
        reader_.join();
    }
    // False: the watchdog.
    bool wait_for_space(Queue &queue, uint64_t index)
    {
        while (!queue.has_space(index)) {
            uint64_t generation;
            {
                std::lock_guard lock(mutex_);
                generation = generation_;
            }
            shared(queue.control()->space_wanted).store(1, std::memory_order_relaxed);
            __atomic_thread_fence(__ATOMIC_SEQ_CST);
            if (queue.has_space(index)) break;
            std::unique_lock lock(mutex_);
            slept++;
            if (!changed_.wait_for(lock, std::chrono::seconds(60),
                                   [&] { return generation_ != generation; }))
                return false;
        }
        return true;
    }
    std::atomic<uint64_t> slept{0};

private:
    void read()
    {
        while (!over_) {
            pollfd ready = {event_, POLLIN, 0};
            poll(&ready, 1, -1);
            eventfd_t count;
            eventfd_read(event_, &count);
            std::lock_guard lock(mutex_);
            generation_++;
            changed_.notify_all();
        }
    }
    const int event_;
    std::atomic<bool> over_{false};
    std::mutex mutex_;
    std::condition_variable changed_;
    uint64_t generation_ = 0;
    std::thread reader_;
};

class QueueSpace : public DeviceTest
{
protected:
    void produce(Queue &queue, Sleepers &sleepers, int threads, int packets)
    {
        Signals signals(accel());
        acc_signal_memory *done = signals.make(int64_t(threads) * packets);
        std::atomic<int> late{0};
        std::vector<std::thread> producers;
        for (int t = 0; t < threads; t++)
            producers.emplace_back([&] {
                for (int i = 0; i < packets; i++) {
                    const uint64_t index = queue.reserve();
                    if (!sleepers.wait_for_space(queue, index)) {
                        late++;
                        return;
                    }
                    queue.publish(index, nothing(done));
                    queue.ring(index);
                }
            });
        for (auto &producer : producers)
            producer.join();
        ASSERT_EQ(late.load(), 0) << "a producer slept for ever";
        EXPECT_EQ(wait_for(accel(), done), 0);
    }
};

TEST_F(QueueSpace, OneProducerSleeps)
{
    Event event(accel());
    Queue queue(accel(), {.flags = DRM_ACC_QUEUE_SINGLE_PRODUCER});
    Sleepers sleepers(event.fd());
    produce(queue, sleepers, 1, 20'000);
}

TEST_F(QueueSpace, ManyProducersSleep)
{
    Event event(accel());
    Queue queue(accel());
    Sleepers sleepers(event.fd());
    produce(queue, sleepers, 8, 3000);
}

// A barrier at the head keeps the ring full until its signal changes; then all go on.
TEST_F(QueueSpace, FullRingBehindABarrier)
{
    Signals signals(accel());
    Event event(accel());
    Queue queue(accel());
    Sleepers sleepers(event.fd());
    acc_signal_memory *gate = signals.make();
    queue.submit(barrier_and({gate}));
    std::thread opener([&] {
        EXPECT_TRUE(eventually([&] { return sleepers.slept >= 4; }));
        store_signal(accel(), gate, 0);
    });
    produce(queue, sleepers, 4, 500);
    opener.join();
}

// The barrier waits for the very producer that sleeps for space: it is told before the
// device waits.
TEST_F(QueueSpace, BarrierThatWaitsForTheSleeper)
{
    Signals signals(accel());
    Event event(accel());
    Queue queue(accel());
    Sleepers sleepers(event.fd());
    for (int round = 0; round < 50; round++) {
        acc_signal_memory *first = signals[0], *gate = signals[1], *done = signals[2];
        for (acc_signal_memory *signal : {first, gate, done}) {
            signal->kind = ACC_SIGNAL_KIND_USER;
            shared(signal->value).store(1);
        }
        // A full ring: one packet that can go, then a barrier, then anything.
        const uint64_t base = queue.reserve(queue.packets());
        queue.publish(base, nothing(first));
        queue.publish(base + 1, barrier_and({gate}));
        for (uint64_t i = 2; i < queue.packets(); i++)
            queue.publish(base + i, nothing());
        queue.ring(base + queue.packets() - 1);
        // One slot is freed, less than a quarter: the device looks before it waits.
        const uint64_t index = queue.reserve();
        ASSERT_TRUE(sleepers.wait_for_space(queue, index));
        queue.publish(index, nothing(done));
        queue.ring(index);
        store_signal(accel(), gate, 0);
        ASSERT_EQ(wait_for(accel(), done), 0);
        ASSERT_TRUE(queue.drained());
    }
}

// In Error a ring drains too: nobody sleeps for space in a dead queue.
TEST_F(QueueSpace, QueueInErrorStillFreesSpace)
{
    Event event(accel());
    Queue queue(accel());
    Sleepers sleepers(event.fd());
    acc_packet bad = nothing();
    bad.header |= 0x8000;
    queue.submit(bad);
    produce(queue, sleepers, 4, 1000);
}

TEST_F(QueueSpace, DestroyTellsSleepers)
{
    Signals signals(accel());
    Event event(accel());
    Sleepers sleepers(event.fd());
    Queue queue(accel());
    acc_packet held = barrier_and({signals.make()});
    queue.submit(held);
    for (uint32_t i = 1; i < queue.packets(); i++)
        queue.submit(nothing());
    const uint64_t index = queue.reserve();
    std::thread sleeper([&] { EXPECT_TRUE(sleepers.wait_for_space(queue, index)); });
    EXPECT_TRUE(eventually([&] { return sleepers.slept >= 1; }));
    EXPECT_EQ(queue.destroy(), 0);
    sleeper.join();
}

} // namespace

} // namespace acc::conformance
