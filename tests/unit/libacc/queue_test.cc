// SPDX-License-Identifier: MIT
#include "fixture.h"

#include <atomic>
#include <cstring>
#include <thread>

namespace acc::test
{
namespace
{

using QueueTest = NullTest;

TEST_F(QueueTest, RefusesOptions)
{
    struct Case {
        acc_queue_options options;
        const char *text;
    };
    const size_t size = sizeof(acc_queue_options);
    for (const Case &c : {
             Case{{size, 100, 0, 0, 0, 0}, "power of two"},
             Case{{size, 32, 0, 0, 0, 0}, "power of two"},
             Case{{size, 1u << 21, 0, 0, 0, 0}, "power of two"},
             Case{{size, 0, 4, 0, 0, 0}, "priority"},
             Case{{size, 0, 0, 8, 0, 0}, "flag"},
             Case{{size, 0, 0, 0, 1, 0}, "reserved"},
             Case{{size, 0, 0, 0, 0, UINT64_MAX}, "time-out"},
         }) {
        acc_queue *queue = nullptr;
        EXPECT_REFUSED(acc_queue_create(device_.get(), &c.options, &queue), -EINVAL, c.text);
        EXPECT_EQ(queue, nullptr);
    }
}

TEST_F(QueueTest, ExecutesInOrderWithTimes)
{
    const auto noop = kernel(ACC_NULL_NOOP);
    constexpr int count = 200;
    signal_.reset(count);
    std::vector<acc_packet> packets(
        count, noop_packet(noop.kernel_object, signal_.address(), ACC_HEADER_BARRIER));
    EXPECT_EQ(take(queue_.submit(packets)), 0u);
    ASSERT_EQ(take(signal_.wait(soon())), 0);
    const auto result = take(signal_.result());
    EXPECT_EQ(result.status, uint32_t(ACC_STATUS_OK));
    EXPECT_GT(result.start_ns, 0u);
    EXPECT_GE(result.end_ns, result.start_ns);
    EXPECT_LE(result.end_ns, acc_deadline(0)); // one clock
    const auto info = take(queue_.info());
    EXPECT_EQ(info.id, queue_.id());
    EXPECT_EQ(info.state, 0u);
    EXPECT_EQ(info.write_index, uint64_t(count));
}

TEST_F(QueueTest, RefusesSubmissions)
{
    const acc_packet packet = noop_packet(kernel(ACC_NULL_NOOP).kernel_object);
    std::vector<acc_packet> many(257, packet);
    EXPECT_REFUSED(acc_queue_submit(queue_.get(), many.data(), 257, soon(), nullptr), -E2BIG,
                   "at most 256 packets, the ring; found 257");
    EXPECT_REFUSED(acc_queue_submit(queue_.get(), many.data(), 0, soon(), nullptr), -EINVAL,
                   "at least one packet");
    EXPECT_REFUSED(acc_queue_submit(queue_.get(), nullptr, 1, soon(), nullptr), -EINVAL,
                   "at least one packet");
    acc_packet invalid = packet;
    invalid.header = ACC_PACKET_INVALID;
    EXPECT_REFUSED(acc_queue_submit(queue_.get(), &invalid, 1, soon(), nullptr), -EINVAL,
                   "INVALID");
    EXPECT_EQ(take(queue_.info()).write_index, 0u);
}

TEST_F(QueueTest, RefusesDispatches)
{
    std::byte bytes[300] = {};
    auto dispatch = acc_init<acc_dispatch>();
    dispatch.kernel_object = kernel(ACC_NULL_COPY).kernel_object;
    dispatch.kernargs = bytes;
    dispatch.kernarg_bytes = 257;
    EXPECT_REFUSED(acc_queue_dispatch(queue_.get(), &dispatch), -E2BIG, "kernarg_address");
    dispatch.kernarg_bytes = 32;
    dispatch.kernarg_address = 4096;
    EXPECT_REFUSED(acc_queue_dispatch(queue_.get(), &dispatch), -EINVAL, "both");
    dispatch.kernarg_address = 0;
    dispatch.kernargs = nullptr;
    EXPECT_REFUSED(acc_queue_dispatch(queue_.get(), &dispatch), -EINVAL, "alone");
    dispatch.kernarg_bytes = 0;
    dispatch.workgroup[1] = 70000;
    EXPECT_REFUSED(acc_queue_dispatch(queue_.get(), &dispatch), -EINVAL, "workgroup");

    // A signal of another device is no address that this queue can name.
    Device other = take(Device::open(null_uri()));
    Signal foreign = take(Signal::create(other));
    acc_signal *const signals[] = {foreign.get()};
    EXPECT_REFUSED(acc_queue_barrier(queue_.get(), signals, 1, nullptr), -EINVAL, "other devices");
    EXPECT_REFUSED(acc_queue_barrier(queue_.get(), nullptr, 0, foreign.get()), -EINVAL,
                   "other devices");
    acc_signal *six[6];
    std::fill(six, six + 6, signal_.get());
    EXPECT_REFUSED(acc_queue_barrier(queue_.get(), six, 6, nullptr), -E2BIG, "at most 5");
    EXPECT_REFUSED(acc_queue_fill(queue_.get(), reinterpret_cast<void *>(2), 0, 4, nullptr),
                   -EINVAL, "multiples of 4");
    EXPECT_EQ(take(queue_.info()).write_index, 0u);
}

// The kernel arguments of each slot outlive the packet's stay there, however full the ring.
TEST_F(QueueTest, KernelArgumentsHaveARingOfTheirOwn)
{
    const auto copy = kernel(ACC_NULL_COPY);
    Queue small = take(Queue::create(device_, {.packets = 64, .single_producer = true}));
    Buffer buffer = take(Buffer::create(device_, 16 * 4096));
    auto words = buffer.span<uint64_t>();
    constexpr uint64_t count = 3000;
    for (uint64_t i = 0; i < count; i++)
        words[i] = i * i + 1;
    signal_.reset(count);
    for (uint64_t i = 0; i < count; i++)
        check(small.dispatch(copy,
                             acc_null_args{reinterpret_cast<uint64_t>(&words[i]),
                                           reinterpret_cast<uint64_t>(&words[4096 + i]), 8, 0},
                             &signal_));
    ASSERT_EQ(take(signal_.wait(soon())), 0);
    for (uint64_t i = 0; i < count; i++)
        ASSERT_EQ(words[4096 + i], i * i + 1) << i;
}

TEST_F(QueueTest, BarriersWaitForSignals)
{
    Signal first = take(Signal::create(device_)), second = take(Signal::create(device_));
    check(queue_.barrier({first.get(), second.get()}, &signal_));
    check(first.store(0));
    EXPECT_EQ(acc_signal_wait(signal_.get(), ACC_COND_EQ, 0, acc_deadline(20'000'000), nullptr),
              -ETIME);
    check(second.add(-1));
    ASSERT_EQ(take(signal_.wait(soon())), 0);
}

TEST_F(QueueTest, AFaultNamesQueuePacketKernelAndAddress)
{
    const auto copy = kernel(ACC_NULL_COPY);
    signal_.reset(2);
    check(queue_.dispatch(kernel(ACC_NULL_NOOP), &signal_));
    check(queue_.dispatch(copy, acc_null_args{0xdead000, 0xbeef000, 8, 0}, &signal_));
    ASSERT_EQ(take(signal_.wait(soon())), 0);
    EXPECT_EQ(take(signal_.result()).status, uint32_t(ACC_STATUS_INVALID_ADDRESS));

    const acc_packet packet = noop_packet(kernel(ACC_NULL_NOOP).kernel_object);
    EXPECT_EQ(acc_queue_submit(queue_.get(), &packet, 1, soon(), nullptr), -EIO);
    const std::string text = acc_error_text();
    for (const char *part :
         {null_uri(), "in Error", "packet 1", "kernel copy", "INVALID_ADDRESS", "0xdead000"})
        EXPECT_NE(text.find(part), std::string::npos) << text;
    EXPECT_EQ(acc_queue_submit(queue_.get(), &packet, 1, soon(), nullptr), -EIO); // it stays
    const std::string id = "queue " + std::to_string(queue_.id());
    EXPECT_NE(text.find(id), std::string::npos) << text;
    const auto info = take(queue_.info());
    EXPECT_EQ(info.state, 1u);
    EXPECT_EQ(info.fault_code, uint32_t(ACC_STATUS_INVALID_ADDRESS));
    EXPECT_EQ(info.fault_packet, 1u);
    EXPECT_EQ(info.fault_address, 0xdead000u);
    EXPECT_EQ(info.fault_kernel, copy.kernel_object);
    const auto fault = take(device_.fault());
    EXPECT_EQ(fault.queue, queue_.id());
    EXPECT_STREQ(fault.kernel, ACC_NULL_COPY);

    // Nobody else is hurt.
    Queue other = take(Queue::create(device_));
    signal_.reset(1);
    check(other.dispatch(kernel(ACC_NULL_NOOP), &signal_));
    ASSERT_EQ(take(signal_.wait(soon())), 0);
    EXPECT_EQ(take(signal_.result()).status, uint32_t(ACC_STATUS_OK));
}

TEST_F(QueueTest, WhatIsBehindAFaultIsCancelled)
{
    Signal behind = take(Signal::create(device_, 3));
    const acc_packet packets[] = {
        noop_packet(kernel(ACC_NULL_FAIL).kernel_object, signal_.address()),
        noop_packet(kernel(ACC_NULL_NOOP).kernel_object, behind.address()),
        noop_packet(kernel(ACC_NULL_NOOP).kernel_object, behind.address()),
        barrier_packet({}, behind.address()),
    };
    (void)take(queue_.submit(packets));
    ASSERT_EQ(take(behind.wait(soon())), 0);
    EXPECT_EQ(take(signal_.result()).status, uint32_t(ACC_STATUS_ENGINE_ERROR));
    EXPECT_EQ(take(behind.result()).status, uint32_t(ACC_STATUS_CANCELLED));
}

TEST_F(QueueTest, ResetIsForGood)
{
    check(queue_.dispatch(kernel(ACC_NULL_HANG), &signal_));
    while (take(device_.slot(0)).state != 3) // busy
        std::this_thread::yield();
    check(queue_.reset());
    ASSERT_EQ(take(signal_.wait(soon())), 0);
    EXPECT_EQ(take(signal_.result()).status, uint32_t(ACC_STATUS_RESET));
    const acc_packet packet = noop_packet(kernel(ACC_NULL_NOOP).kernel_object);
    EXPECT_REFUSED(acc_queue_submit(queue_.get(), &packet, 1, soon(), nullptr), -EIO, "RESET");
}

TEST_F(QueueTest, DestroyingCancelsWhatWaits)
{
    Signal never = take(Signal::create(device_));
    check(queue_.barrier({never.get()}, &signal_));
    check(queue_.close());
    ASSERT_EQ(take(signal_.wait(soon())), 0);
    EXPECT_NE(take(signal_.result()).status, uint32_t(ACC_STATUS_OK));
}

// ------------------------------------------------------------------------ space

TEST_F(QueueTest, AFullRingWaitsUntilTheDeadline)
{
    Queue small = take(Queue::create(device_, {.packets = 64}));
    Signal gate = take(Signal::create(device_));
    check(small.barrier({gate.get()}));
    const acc_packet packet =
        noop_packet(kernel(ACC_NULL_NOOP).kernel_object, 0, ACC_HEADER_BARRIER);
    const std::vector<acc_packet> packets(63, packet);
    (void)take(small.submit(packets));
    EXPECT_REFUSED(acc_queue_submit(small.get(), &packet, 1, ACC_NOW, nullptr), -ETIME,
                   "no space for 1 packets");
    EXPECT_REFUSED(acc_queue_submit(small.get(), &packet, 1, acc_deadline(5'000'000), nullptr),
                   -ETIME, "no space for 1 packets");
    EXPECT_EQ(take(small.info()).write_index, 64u); // nothing was reserved

    // The head waits for a producer that sleeps: as soon as it moves there is room.
    std::thread opener([&] { check(gate.store(0)); });
    std::vector<acc_packet> whole(64, packet);
    whole.back().raw.completion_signal = signal_.address();
    EXPECT_EQ(take(small.submit(whole, soon())), 64u);
    opener.join();
    ASSERT_EQ(take(signal_.wait(soon())), 0);
}

// Closed-loop clients share a ring that is too small for them all.
TEST_F(QueueTest, ManyProducersShareAFullRing)
{
    Queue small = take(Queue::create(device_, {.packets = 64}));
    const uint64_t noop = kernel(ACC_NULL_NOOP).kernel_object;
    constexpr int clients = 16, rounds = 60, batch = 24;
    std::vector<std::thread> threads;
    std::atomic<int> wrong{0};
    for (int c = 0; c < clients; c++)
        threads.emplace_back([&] {
            Signal done = take(Signal::create(device_));
            for (int i = 0; i < rounds; i++) {
                done.reset(batch);
                const std::vector<acc_packet> packets(batch, noop_packet(noop, done.address()));
                if (!small.submit(packets, soon()) || !done.wait(soon())) wrong++;
            }
        });
    for (std::thread &thread : threads)
        thread.join();
    EXPECT_EQ(wrong, 0) << acc_error_text();
    auto info = take(small.info());
    EXPECT_EQ(info.write_index, uint64_t(clients * rounds * batch));
    EXPECT_EQ(info.state, 0u);
    // A packet completes before its slot is freed.
    for (const uint64_t end = soon(); info.packets != info.write_index && acc_deadline(0) < end;)
        info = take(small.info());
    EXPECT_EQ(info.packets, info.write_index);
}

TEST_F(QueueTest, ProducersThatNeverWaitAreHeldBack)
{
    Queue small = take(Queue::create(device_, {.packets = 64}));
    const uint64_t noop = kernel(ACC_NULL_NOOP).kernel_object;
    constexpr int producers = 4, each = 5000;
    Signal all = take(Signal::create(device_, producers * each));
    std::vector<std::thread> threads;
    for (int p = 0; p < producers; p++)
        threads.emplace_back([&] {
            const acc_packet packet = noop_packet(noop, all.address());
            for (int i = 0; i < each; i++)
                ASSERT_TRUE(small.submit(std::span(&packet, 1), soon()));
        });
    for (std::thread &thread : threads)
        thread.join();
    EXPECT_EQ(take(all.wait(soon())), 0);
}

} // namespace
} // namespace acc::test
