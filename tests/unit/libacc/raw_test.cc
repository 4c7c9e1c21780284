// SPDX-License-Identifier: MIT
//
// What runtimes of other APIs build on: rings that a program writes itself, signals that it
// changes by its own atomics, signals in memory of other processes, faults by callback.
#include "fixture.h"

#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <thread>

namespace acc::test
{
namespace
{

using RawTest = NullTest;

acc_queue_memory memory_of(const Queue &queue)
{
    auto memory = acc_init<acc_queue_memory>();
    EXPECT_ACC(acc_queue_get_memory(queue.get(), &memory));
    return memory;
}

// As a producer that knows acc/abi.h and nothing of libacc.
uint64_t publish(const acc_queue_memory &memory, const acc_packet &packet)
{
    const uint64_t index =
        std::atomic_ref(memory.control->write_index).fetch_add(1, std::memory_order_acq_rel);
    while (index - std::atomic_ref(memory.control->read_index).load(std::memory_order_acquire) >=
           memory.packets) {
    }
    acc_packet &slot = memory.ring[index & (memory.packets - 1)];
    // The device hands a slot from producer to producer at an address of its own, so that TSan
    // does not see that these writes are ordered.
    std::atomic_ref(slot.raw.body32).store(packet.raw.body32, std::memory_order_relaxed);
    for (int i = 1; i < 8; i++)
        std::atomic_ref(slot.words[i]).store(packet.words[i], std::memory_order_relaxed);
    std::atomic_ref(slot.raw.publish).store(packet.raw.publish, std::memory_order_release);
    return index;
}

TEST_F(RawTest, TakesPacketsThatAProgramWrites)
{
    const acc_queue_memory memory = memory_of(queue_);
    EXPECT_EQ(memory.packets, 256u);
    constexpr int count = 2000;
    signal_.reset(2 * count);
    const acc_packet packet = noop_packet(kernel(ACC_NULL_NOOP).kernel_object, signal_.address());
    std::thread beside([&] {
        for (int i = 0; i < count; i++)
            EXPECT_ACC(acc_queue_submit(queue_.get(), &packet, 1, soon(), nullptr));
    });
    for (int i = 0; i < count; i++)
        EXPECT_ACC(acc_queue_ring(queue_.get(), publish(memory, packet)));
    beside.join();
    EXPECT_EQ(take(signal_.wait(soon())), 0);
}

TEST_F(RawTest, RingWakesASleepingDevice)
{
    const acc_queue_memory memory = memory_of(queue_);
    for (int i = 0; i < 5; i++) {
        signal_.reset(1);
        std::this_thread::sleep_for(std::chrono::milliseconds(5)); // until it sleeps
        const acc_packet packet = barrier_packet({}, signal_.address());
        EXPECT_ACC(acc_queue_ring(queue_.get(), publish(memory, packet)));
        EXPECT_EQ(take(signal_.wait(soon())), 0);
    }
}

TEST_F(RawTest, WakesForTheCallersOwnAtomics)
{
    signal_.reset(3);
    auto *memory = reinterpret_cast<acc_signal_memory *>(signal_.address());
    std::thread waiter([&] { EXPECT_EQ(take(signal_.wait(ACC_COND_EQ, 5, soon())), 5); });
    std::this_thread::sleep_for(std::chrono::milliseconds(5)); // until it sleeps
    std::atomic_ref(memory->value).fetch_xor(6, std::memory_order_release);
    EXPECT_ACC(acc_signal_wake(signal_.get()));
    waiter.join();
    EXPECT_REFUSED(acc_signal_wake(nullptr), -EINVAL, "signal");
}

struct Called {
    std::atomic<int> calls{0};
    int error = 0;
    acc_queue_info info = {};
};

TEST_F(RawTest, CancelsCallbacks)
{
    signal_.reset(1);
    Called called;
    const auto tell = [](void *user, acc_signal *, int64_t, int error) {
        auto &called = *static_cast<Called *>(user);
        called.error = error;
        called.calls.fetch_add(1);
        called.calls.notify_all();
    };
    ASSERT_ACC(acc_signal_on(signal_.get(), ACC_COND_EQ, 0, tell, &called));
    EXPECT_ACC(acc_signal_cancel(signal_.get()));
    called.calls.wait(0);
    EXPECT_EQ(called.error, -ECANCELED);
    check(signal_.store(0)); // nobody waits any more
    EXPECT_ACC(acc_signal_cancel(signal_.get()));
    EXPECT_EQ(called.calls.load(), 1);
}

void note_fault(void *user, acc_queue *, const acc_queue_info *info, int error)
{
    auto &called = *static_cast<Called *>(user);
    called.info = *info;
    called.error = error;
    called.calls.fetch_add(1);
    called.calls.notify_all();
}

TEST_F(RawTest, TellsOfAFaultOnce)
{
    Called called;
    ASSERT_ACC(acc_queue_on_fault(queue_.get(), note_fault, &called));
    EXPECT_REFUSED(acc_queue_on_fault(queue_.get(), note_fault, &called), -EBUSY, "callback");
    const acc_packet bad = noop_packet(0x1234);
    const acc_packet good = barrier_packet({});
    EXPECT_ACC(acc_queue_submit(queue_.get(), &good, 1, soon(), nullptr));
    EXPECT_ACC(acc_queue_submit(queue_.get(), &bad, 1, soon(), nullptr));
    called.calls.wait(0);
    EXPECT_EQ(called.error, 0);
    EXPECT_EQ(called.info.fault_code, uint32_t(ACC_STATUS_INVALID_KERNEL));
    EXPECT_EQ(called.info.fault_packet, 1u);
    // A queue that is in Error already tells at once.
    Queue other = take(Queue::create(device_));
    EXPECT_ACC(acc_queue_reset(other.get()));
    Called late;
    ASSERT_ACC(acc_queue_on_fault(other.get(), note_fault, &late));
    late.calls.wait(0);
    EXPECT_EQ(late.info.fault_code, uint32_t(ACC_STATUS_RESET));
    EXPECT_EQ(called.calls.load(), 1);
}

TEST_F(RawTest, AFaultCallbackMayStopItsQueue)
{
    std::atomic<int> stopped{1};
    const auto stop = [](void *user, acc_queue *queue, const acc_queue_info *, int) {
        auto &stopped = *static_cast<std::atomic<int> *>(user);
        stopped.store(acc_queue_stop(queue));
        stopped.notify_all();
    };
    ASSERT_ACC(acc_queue_on_fault(queue_.get(), stop, &stopped));
    EXPECT_ACC(acc_queue_reset(queue_.get()));
    stopped.wait(1);
    EXPECT_EQ(stopped.load(), 0);
}

TEST_F(RawTest, StopLeavesTheMemoryAndCancels)
{
    Called called;
    ASSERT_ACC(acc_queue_on_fault(queue_.get(), note_fault, &called));
    const acc_queue_memory memory = memory_of(queue_);
    Signal gate = take(Signal::create(device_, 1)), late = take(Signal::create(device_, 1));
    signal_.reset(1);
    publish(memory, barrier_packet({gate.address()}, signal_.address()));
    EXPECT_ACC(acc_queue_stop(queue_.get()));
    EXPECT_EQ(take(signal_.wait(soon())), 0);
    EXPECT_EQ(take(signal_.result()).status, uint32_t(ACC_STATUS_CANCELLED));
    const acc_packet packet = barrier_packet({}, late.address());
    EXPECT_ACC(acc_queue_ring(queue_.get(), publish(memory, packet)));
    EXPECT_REFUSED(acc_queue_submit(queue_.get(), &packet, 1, soon(), nullptr), -EIO, "stopped");
    EXPECT_ACC(acc_queue_stop(queue_.get()));
    EXPECT_EQ(late.load(), 1);
    EXPECT_EQ(called.calls.load(), 0); // it was asked for
}

TEST_F(RawTest, SetsThePriorityOfAnUnusedQueue)
{
    const auto priority = [&] { return take(queue_.info()).priority; };
    EXPECT_ACC(acc_queue_set_priority(queue_.get(), ACC_PRIORITY_LOW));
    EXPECT_EQ(priority(), uint32_t(ACC_PRIORITY_LOW));
    EXPECT_REFUSED(acc_queue_set_priority(queue_.get(), 3), -EINVAL, "priority");
    signal_.reset(1);
    const acc_packet packet = barrier_packet({}, signal_.address());
    EXPECT_ACC(acc_queue_submit(queue_.get(), &packet, 1, soon(), nullptr));
    EXPECT_EQ(take(signal_.wait(soon())), 0);
    EXPECT_REFUSED(acc_queue_set_priority(queue_.get(), ACC_PRIORITY_NORMAL), -EBUSY, "in use");
    EXPECT_ACC(acc_queue_set_priority(queue_.get(), ACC_PRIORITY_LOW)); // it is
}

TEST_F(RawTest, MayHaveNoKernargRing)
{
    auto options = acc_init<acc_queue_options>();
    options.flags = ACC_QUEUE_NO_KERNARGS;
    acc_queue *handle = nullptr;
    ASSERT_ACC(acc_queue_create(device_.get(), &options, &handle));
    const Queue queue(handle);
    auto dispatch = acc_init<acc_dispatch>();
    dispatch.kernel_object = kernel(ACC_NULL_NOOP).kernel_object;
    dispatch.completion = signal_.get();
    signal_.reset(1);
    EXPECT_ACC(acc_queue_dispatch(queue.get(), &dispatch));
    EXPECT_EQ(take(signal_.wait(soon())), 0);
    const uint64_t arguments[2] = {};
    dispatch.kernargs = arguments;
    dispatch.kernarg_bytes = sizeof arguments;
    EXPECT_REFUSED(acc_queue_dispatch(queue.get(), &dispatch), -EINVAL, "kernarg_address");
}

TEST_F(RawTest, ImportsASignal)
{
    Buffer buffer = take(Buffer::create(device_, 4096));
    auto *cells = static_cast<acc_signal_memory *>(buffer.data());
    int fd = -1;
    ASSERT_ACC(acc_buffer_export(buffer.get(), &fd));
    acc_device *const device = device_.get();
    acc_signal *handle = nullptr;
    EXPECT_REFUSED(acc_signal_import(&device, 1, fd, 8, &handle), -EINVAL, "multiple");
    EXPECT_REFUSED(acc_signal_import(&device, 1, fd, 4096, &handle), -EINVAL, "below");
    EXPECT_REFUSED(acc_signal_import(&device, 1, fd, 64, &handle), -EINVAL, "kind");
    cells[1].value = 1;
    cells[1].kind = ACC_SIGNAL_KIND_USER;
    ASSERT_ACC(acc_signal_import(&device, 1, fd, 64, &handle));
    close(fd);
    Signal imported(handle);
    EXPECT_EQ(imported.load(), 1);
    // A packet names it at its own address, and the change is seen at the other one.
    const acc_packet packet = barrier_packet({}, imported.address());
    EXPECT_ACC(acc_queue_submit(queue_.get(), &packet, 1, soon(), nullptr));
    EXPECT_EQ(take(imported.wait(soon())), 0);
    EXPECT_EQ(std::atomic_ref(cells[1].value).load(), 0);
    check(imported.close());
    EXPECT_EQ(cells[1].kind, ACC_SIGNAL_KIND_USER); // its owner's
}

} // namespace
} // namespace acc::test
