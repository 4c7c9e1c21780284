// SPDX-License-Identifier: MIT
//
// What each packet does when all is well; rings, indices and doorbells.
#include "tests/conformance/suite.h"

#include <thread>

namespace acc::conformance
{

namespace
{

class QueuePackets : public DeviceTest
{
};
class QueueRing : public DeviceTest
{
};

TEST_F(QueuePackets, DispatchExecutes)
{
    Signals signals(accel());
    Work work(accel());
    Queue queue(accel());
    work.clear();
    acc_signal_memory *done = signals.make();
    queue.submit(work.packet(done));
    ASSERT_EQ(wait_for(accel(), done), 0);
    EXPECT_EQ(status_of(done), uint32_t(ACC_STATUS_OK));
    EXPECT_TRUE(work.done_right());
    EXPECT_EQ(work.program().query().loads, 1u);
}

// The value counts down: one signal for many packets.
TEST_F(QueuePackets, CompletionDecrementsByOne)
{
    Signals signals(accel());
    Queue queue(accel());
    acc_signal_memory *signal = signals.make(100);
    for (int64_t left = 99; left >= 90; left--) {
        queue.submit(nothing(signal));
        ASSERT_EQ(wait_for(accel(), signal, left), 0);
    }
    shared(signal->value).store(1);
    queue.submit({nothing(signal), nothing(signal), nothing(signal)});
    EXPECT_EQ(accel().wait(address_of(signal), DRM_ACC_COND_LT, -1, deadline()), 0);
    EXPECT_EQ(value_of(signal), -2) << "below zero, too";
}

TEST_F(QueuePackets, NoSignalIsNeeded)
{
    Signals signals(accel());
    Queue queue(accel());
    acc_signal_memory *last = signals.make();
    queue.submit({nothing(), nothing(), nothing(last)});
    EXPECT_EQ(wait_for(accel(), last), 0);
    EXPECT_TRUE(queue.drained()); // a completion may be seen before its slot is free
    EXPECT_EQ(queue.query().packets, 3u);
}

TEST_F(QueuePackets, CopyCopiesAnySizeAndAlignment)
{
    Signals signals(accel());
    Queue queue(accel());
    Buffer from(accel(), 5 * page_bytes), to(accel(), 5 * page_bytes);
    for (uint64_t i = 0; i < from.bytes(); i++)
        from.at<uint8_t>()[i] = uint8_t(i * 7 + i / 256);
    const struct {
        uint64_t to, from, size;
    } cases[] = {{0, 0, 0},    {1, 3, 1},      {4095, 4090, 2},     {0, 1, 4096},
                 {7, 0, 9000}, {4000, 17, 97}, {1, 0, 4 * 4096 + 5}};
    for (const auto &one : cases) {
        std::fill_n(to.at<uint8_t>(), to.bytes(), uint8_t(0xee));
        acc_signal_memory *done = signals.make();
        queue.submit(copy(to.address() + one.to, from.address() + one.from, one.size, done));
        ASSERT_EQ(wait_for(accel(), done), 0);
        EXPECT_EQ(status_of(done), uint32_t(ACC_STATUS_OK));
        for (uint64_t i = 0; i < to.bytes(); i++) {
            const bool inside = i >= one.to && i < one.to + one.size;
            const uint8_t expected =
                inside ? from.at<uint8_t>()[i - one.to + one.from] : uint8_t(0xee);
            ASSERT_EQ(to.at<uint8_t>()[i], expected) << i << " of a copy of " << one.size;
        }
    }
}

TEST_F(QueuePackets, FillRepeatsItsPattern)
{
    Signals signals(accel());
    Queue queue(accel());
    Buffer to(accel(), 3 * page_bytes);
    acc_signal_memory *done = signals.make(2);
    queue.submit({fill(to.address() + 4, 0x01020304, 2 * page_bytes, done),
                  fill(to.address(), 0xffffffff, 0, done)});
    ASSERT_EQ(wait_for(accel(), done), 0);
    EXPECT_EQ(to.at<uint32_t>()[0], 0u);
    for (uint64_t i = 1; i <= 2 * page_bytes / 4; i++)
        ASSERT_EQ(to.at<uint32_t>()[i], 0x01020304u) << i;
    EXPECT_EQ(to.at<uint32_t>()[2 * page_bytes / 4 + 1], 0u);
}

TEST_F(QueuePackets, TimestampIsTheDevicesClock)
{
    Signals signals(accel());
    Queue queue(accel());
    acc_signal_memory *done = signals.make();
    Buffer memory(accel(), page_bytes);
    const uint64_t before = accel().query(DRM_ACC_QUERY_CLOCK).clock.device_ns;
    queue.submit(timestamp(memory.address() + 8, done));
    ASSERT_EQ(wait_for(accel(), done), 0);
    const uint64_t after = accel().query(DRM_ACC_QUERY_CLOCK).clock.device_ns;
    EXPECT_LE(before, *memory.at<uint64_t>(8));
    EXPECT_LE(*memory.at<uint64_t>(8), after);
}

TEST_F(QueuePackets, PrefetchLoads)
{
    Signals signals(accel());
    Work work(accel());
    Queue queue(accel());
    acc_signal_memory *done = signals.make();
    queue.submit(prefetch(work.program().kernel(), done));
    ASSERT_EQ(wait_for(accel(), done), 0);
    EXPECT_EQ(status_of(done), uint32_t(ACC_STATUS_OK));
    EXPECT_EQ(work.program().query().loads, 1u);
    acc_signal_memory *executed = signals.make();
    queue.submit(work.packet(executed));
    ASSERT_EQ(wait_for(accel(), executed), 0);
    EXPECT_EQ(work.program().query().loads, 1u) << "it was there";
}

// Start and end are real, of one clock, and around what happened.
TEST_F(QueuePackets, TimesAreInOrder)
{
    Signals signals(accel());
    Work work(accel());
    Queue queue(accel());
    uint64_t last_start = 0;
    Buffer memory(accel(), 2 * page_bytes);
    const acc_packet packets[] = {work.packet(nullptr), nothing(),
                                  copy(memory.address(), memory.address() + page_bytes, 64),
                                  fill(memory.address(), 1, 64), timestamp(memory.address())};
    for (acc_packet packet : packets) {
        acc_signal_memory *done = signals.make();
        packet.raw.completion_signal = address_of(done);
        const uint64_t before = accel().query(DRM_ACC_QUERY_CLOCK).clock.device_ns;
        queue.submit(packet);
        ASSERT_EQ(wait_for(accel(), done), 0);
        const uint64_t after = accel().query(DRM_ACC_QUERY_CLOCK).clock.device_ns;
        EXPECT_LE(before, done->start_ns);
        EXPECT_LE(done->start_ns, done->end_ns);
        EXPECT_LE(done->end_ns, after);
        EXPECT_LE(last_start, done->start_ns) << "a queue starts its packets in order";
        last_start = done->start_ns;
    }
}

TEST_F(QueuePackets, ModelledTimeAndEnergyGrow)
{
    if (!(accel().identity().features & DRM_ACC_FEATURE_MODELLED))
        GTEST_SKIP() << "this device models neither time nor energy";
    Signals signals(accel());
    Work work(accel());
    Queue queue(accel());
    uint64_t last = 0;
    const drm_acc_counters before = accel().counters();
    uint64_t energy = 0;
    for (int i = 0; i < 4; i++) {
        acc_signal_memory *done = signals.make();
        queue.submit(work.packet(done));
        ASSERT_EQ(wait_for(accel(), done), 0);
        EXPECT_GT(done->modelled_ns, last);
        EXPECT_GT(done->energy_pj, 0u);
        last = done->modelled_ns;
        energy += done->energy_pj;
    }
    ASSERT_TRUE(queue.drained());
    const drm_acc_counters after = accel().counters();
    EXPECT_EQ(after.energy_pj - before.energy_pj, energy);
    EXPECT_EQ(after.dispatches - before.dispatches, 4u);
    EXPECT_EQ(after.loads - before.loads, 1u);
    EXPECT_GT(after.modelled_ns, before.modelled_ns);
}

// A barrier takes its queue to the latest of its dependencies on the model's clock.
TEST_F(QueuePackets, BarriersCarryModelledTime)
{
    Signals signals(accel());
    Queue queue(accel());
    acc_signal_memory *one = signals.make(0), *two = signals.make(0), *done = signals.make();
    one->modelled_ns = 1'000'000'000'000;
    two->modelled_ns = 5'000'000'000'000;
    queue.submit(barrier_and({one, two}, done));
    ASSERT_EQ(wait_for(accel(), done), 0);
    EXPECT_GE(done->modelled_ns, 5'000'000'000'000u);
}

// The barrier bit: not before all before it are complete. Without it a queue starts in
// order all the same.
TEST_F(QueuePackets, BarrierBitOrders)
{
    Signals signals(accel());
    Queue queue(accel());
    Buffer memory(accel(), 2 * page_bytes);
    for (uint32_t i = 1; i <= 20; i++) {
        acc_packet second =
            copy(memory.address() + page_bytes, memory.address(), page_bytes, signals[0]);
        second.header |= ACC_HEADER_BARRIER;
        signals[0]->kind = ACC_SIGNAL_KIND_USER;
        shared(signals[0]->value).store(1);
        queue.submit({fill(memory.address(), i, page_bytes), second});
        ASSERT_EQ(wait_for(accel(), signals[0]), 0);
        ASSERT_EQ(memory.at<uint32_t>(page_bytes)[1023], i);
    }
}

// Every combination of scopes is a packet.
TEST_F(QueuePackets, AllScopesAreTaken)
{
    Signals signals(accel());
    Queue queue(accel());
    acc_signal_memory *done = signals.make(9);
    for (unsigned acquire = 0; acquire <= ACC_SCOPE_SYSTEM; acquire++)
        for (unsigned release = 0; release <= ACC_SCOPE_SYSTEM; release++) {
            acc_packet packet = nothing(done);
            packet.header = uint16_t(ACC_PACKET_BARRIER_AND | acquire << ACC_HEADER_ACQUIRE_SHIFT |
                                     release << ACC_HEADER_RELEASE_SHIFT);
            queue.submit(packet);
        }
    EXPECT_EQ(wait_for(accel(), done), 0);
    EXPECT_EQ(queue.query().state, uint32_t(DRM_ACC_QUEUE_ACTIVE));
}

// ----------------------------------------------------------------------- ring

TEST_F(QueueRing, WrapsManyTimes)
{
    Signals signals(accel());
    Queue queue(accel());
    Buffer memory(accel(), page_bytes);
    constexpr uint64_t total = 20'000;
    acc_signal_memory *done = signals.make(total);
    for (uint64_t i = 0; i < total; i += 16) {
        std::vector<acc_packet> packets(16, nothing(done));
        // Each writes its own index: nothing is lost, doubled or out of order.
        for (uint64_t k = 0; k < 16; k++)
            packets[k] = fill(memory.address(), uint32_t(i + k), 4, done);
        queue.submit(packets);
    }
    ASSERT_EQ(wait_for(accel(), done), 0);
    EXPECT_EQ(*memory.at<uint32_t>(), total - 1);
    ASSERT_TRUE(queue.drained());
    const drm_acc_queue_query query = queue.query();
    EXPECT_EQ(query.packets, total);
    EXPECT_EQ(query.read_index, total);
    EXPECT_EQ(query.write_index, total);
}

TEST_F(QueueRing, SlotsAreInvalidOnceConsumed)
{
    Queue queue(accel());
    for (int i = 0; i < 40; i++)
        queue.submit(nothing());
    ASSERT_TRUE(queue.drained());
    for (uint32_t i = 0; i < queue.packets(); i++)
        EXPECT_EQ(shared(queue.slot(i)->raw.publish).load() & ACC_HEADER_TYPE_MASK,
                  uint32_t(ACC_PACKET_INVALID))
            << i;
}

TEST_F(QueueRing, ReadIndexOnlyGrows)
{
    Signals signals(accel());
    Queue queue(accel());
    std::atomic<bool> over{false};
    bool went_back = false;
    std::thread watcher([&] {
        for (uint64_t last = 0; !over;) {
            const uint64_t now = queue.read_index();
            went_back |= now < last || now > queue.write_index();
            last = now;
        }
    });
    acc_signal_memory *done = signals.make(5000);
    for (int i = 0; i < 5000; i++)
        queue.submit(nothing(done));
    EXPECT_EQ(wait_for(accel(), done), 0);
    over = true;
    watcher.join();
    EXPECT_FALSE(went_back);
}

// The doorbell's value is a hint; the header at read_index decides.
TEST_F(QueueRing, DoorbellMayBeAnything)
{
    Signals signals(accel());
    Queue queue(accel());
    const uint64_t hints[] = {0, ACC_DOORBELL_NONE, 1ull << 63, 7, 3};
    acc_signal_memory *done = signals.make(5);
    for (const uint64_t hint : hints) {
        const uint64_t index = queue.reserve();
        queue.publish(index, nothing(done));
        queue.store_doorbell(hint);
        queue.kick_if_sleeping();
    }
    EXPECT_EQ(wait_for(accel(), done), 0);
}

TEST_F(QueueRing, KickWithoutDoorbellAndWithoutPackets)
{
    Signals signals(accel());
    Queue queue(accel());
    for (int i = 0; i < 100; i++)
        queue.kick(); // spurious ones are harmless
    acc_signal_memory *done = signals.make();
    const uint64_t index = queue.reserve();
    queue.publish(index, nothing(done));
    queue.kick_if_sleeping();
    EXPECT_EQ(wait_for(accel(), done), 0);
}

// Published out of order: the device stops at the gap and goes on when it is filled.
TEST_F(QueueRing, GapsHoldTheQueue)
{
    Signals signals(accel());
    Queue queue(accel());
    acc_signal_memory *first = signals.make(), *second = signals.make(), *third = signals.make();
    const uint64_t index = queue.reserve(3);
    queue.publish(index + 2, nothing(third));
    queue.publish(index, nothing(first));
    queue.ring(index + 2);
    ASSERT_EQ(wait_for(accel(), first), 0);
    EXPECT_EQ(value_of(third), 1);
    EXPECT_TRUE(eventually([&] { return queue.query().read_index == 1; }));
    queue.publish(index + 1, nothing(second));
    queue.ring(index + 1);
    EXPECT_EQ(wait_for(accel(), third), 0);
    EXPECT_EQ(value_of(second), 0);
}

// The device takes a packet once: what is written over it later is not seen.
TEST_F(QueueRing, PacketsRewrittenWhileTheyWaitAreTheFirstOnes)
{
    Signals signals(accel());
    Queue queue(accel());
    acc_signal_memory *gate = signals.make(1), *done = signals.make(1), *other = signals.make(1);
    const uint64_t index = queue.submit(barrier_and({gate}, done));
    // It holds the barrier once it asks to be woken.
    ASSERT_TRUE(eventually([&] { return shared(gate->notify).load() & ACC_NOTIFY_DEVICE; }));
    queue.write_body(index, nothing(other));
    store_signal(accel(), gate, 0);
    EXPECT_EQ(wait_for(accel(), done), 0);
    EXPECT_EQ(value_of(other), 1);
    EXPECT_EQ(queue.query().state, uint32_t(DRM_ACC_QUEUE_ACTIVE));
}

// The device never believes what the client writes over its own words.
TEST_F(QueueRing, ControlPageIsNotTrusted)
{
    Signals signals(accel());
    Queue queue(accel());
    const uint64_t words[] = {~0ull, 0, 1ull << 40, 17};
    for (const uint64_t word : words) {
        acc_signal_memory *done = signals.make();
        shared(queue.control()->read_index).store(word);
        shared(queue.control()->write_index).store(word);
        const uint64_t index = queue.query().packets;
        queue.publish(index, nothing(done));
        queue.store_doorbell(index);
        queue.kick();
        EXPECT_EQ(wait_for(accel(), done), 0) << word;
        // The signal comes first, then the index.
        EXPECT_TRUE(eventually([&] { return queue.query().packets == index + 1; }));
    }
}

// It sleeps, and a launch after that arrives: again and again.
TEST_F(QueueRing, LaunchAfterSleepArrives)
{
    Signals signals(accel());
    Queue queue(accel());
    acc_signal_memory *done = signals.make(0);
    for (int i = 0; i < 300; i++) {
        if (i % 2) {
            ASSERT_TRUE(eventually([&] { return shared(queue.control()->sleeping).load() == 1; }));
        }
        shared(done->value).store(1);
        queue.submit(nothing(done));
        ASSERT_EQ(wait_for(accel(), done), 0) << i;
    }
}

} // namespace

} // namespace acc::conformance
