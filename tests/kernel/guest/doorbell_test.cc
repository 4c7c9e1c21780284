// SPDX-License-Identifier: MIT
//
// The ways between a process and the device: a store to the doorbell without the kernel, an
// interrupt to a sleeper, signals across files and devices.
#include "acc/regs.h"
#include "tests/kernel/guest/guest.h"

#include <gtest/gtest.h>

#include <fcntl.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <thread>
#include <unistd.h>

namespace acc::guest
{

using namespace conformance;

namespace
{

class Doorbell : public testing::Test
{
protected:
    std::unique_ptr<Accel> open_ = open_client();
    Accel &accel_ = *open_;
    Signals signals_{accel_};
    Queue queue_{accel_};
};

// A thread that may not call the kernel (but to end) submits and sees the completion.
TEST_F(Doorbell, NeedsNoSystemCall)
{
    acc_signal_memory *done = signals_.make();
    const acc_packet packet = nothing(done);
    std::atomic<int> seen{0};
    std::thread mute([&] {
        if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT)) return;
        const uint64_t index = queue_.reserve();
        queue_.publish(index, packet);
        queue_.store_doorbell(index);
        for (uint64_t spins = 0; value_of(done) && spins < 1ull << 36; spins++)
            __builtin_ia32_pause();
        seen.store(value_of(done) ? 1 : 2, std::memory_order_release);
        syscall(SYS_exit, 0); // the one of the thread; what the library does at its end is more
    });
    // A thread that was killed for a call ends too.
    mute.join();
    EXPECT_EQ(seen.load(std::memory_order_acquire), 2);
    EXPECT_EQ(status_of(done), uint32_t(ACC_STATUS_OK));
}

TEST_F(Doorbell, NoKickDescriptorIsNeeded)
{
    Buffer memory(accel_, 2 * page_bytes + 64 * ACC_PACKET_BYTES);
    drm_acc_queue_create request = queue_request(memory);
    ASSERT_EQ(accel_.call(DRM_IOCTL_ACC_QUEUE_CREATE, request), 0);
    EXPECT_EQ(request.kick_fd, -1);
    drm_acc_queue_destroy destroy = {};
    destroy.queue = request.queue;
    EXPECT_EQ(accel_.call(DRM_IOCTL_ACC_QUEUE_DESTROY, destroy), 0);
}

TEST_F(Doorbell, AnInterruptWakesASleepingWaiter)
{
    unsigned interrupted = 0;
    for (unsigned round = 0; round < 5; round++) {
        acc_signal_memory *gate = signals_.make(), *done = signals_.make();
        queue_.submit(barrier_and({gate}, done));
        std::atomic<int> result{1};
        std::thread waiter([&] { result = wait_for(accel_, done); });
        // It sleeps in the kernel, and has said so, before anything happens.
        ASSERT_TRUE(eventually([&] {
            return shared(done->notify).load(std::memory_order_acquire) & ACC_NOTIFY_HOST;
        }));
        std::this_thread::sleep_for(std::chrono::milliseconds(50));
        const uint64_t before = interrupts();
        store_signal(accel_, gate, 0);
        waiter.join();
        EXPECT_EQ(result, 0);
        EXPECT_EQ(value_of(done), 0);
        interrupted += interrupts() > before;
    }
    EXPECT_GE(interrupted, 3u); // the watchdog may have looked at the moment of an event
}

TEST_F(Doorbell, AnInterruptFiresTheEventDescriptor)
{
    Event event(accel_);
    unsigned interrupted = 0;
    for (unsigned round = 0; round < 5; round++) {
        acc_signal_memory *gate = signals_.make(), *done = signals_.make();
        shared(done->notify).fetch_or(ACC_NOTIFY_HOST, std::memory_order_seq_cst);
        queue_.submit(barrier_and({gate}, done));
        event.pending();
        const uint64_t before = interrupts();
        store_signal(accel_, gate, 0);
        do
            ASSERT_TRUE(event.wait()); // fires once at least, however early the value came
        while (value_of(done));
        interrupted += interrupts() > before;
    }
    EXPECT_GE(interrupted, 3u); // as above
}

// A signal in memory that two clients bind: the device of one wakes the other's waiter.
void wake_across(Accel &from, Accel &to)
{
    Signals signals(from);
    acc_signal_memory *gate = signals.make(), *done = signals.make();
    drm_prime_handle prime = {};
    prime.handle = signals.buffer().handle();
    prime.flags = uint32_t(DRM_CLOEXEC | DRM_RDWR);
    ASSERT_EQ(from.call(DRM_IOCTL_PRIME_HANDLE_TO_FD, prime), 0);
    const UniqueFd fd(prime.fd);
    ASSERT_EQ(to.call(DRM_IOCTL_PRIME_FD_TO_HANDLE, prime), 0);
    const uint64_t bytes = signals.buffer().bytes(), address = signals.buffer().address();
    ASSERT_EQ(to.bind(prime.handle, 0, bytes, address), 0);
    {
        Queue queue(from), other(to);
        std::atomic<int> result{1};
        std::thread waiter([&] { result = wait_for(to, done); });
        // The packet of the one device waits for a signal that the other's completes.
        queue.submit(barrier_and({gate}, done));
        other.submit(nothing(gate));
        waiter.join();
        EXPECT_EQ(result, 0);
        EXPECT_EQ(value_of(done), 0);
    }
    EXPECT_EQ(to.unbind(address, bytes), 0);
    EXPECT_EQ(to.close(prime.handle), 0);
}

TEST_F(Doorbell, SignalsWakeAcrossFiles)
{
    const auto other = open_client();
    for (unsigned round = 0; round < 20; round++)
        wake_across(accel_, *other);
}

TEST_F(Doorbell, SignalsWakeAcrossDevices)
{
    if (nodes().size() < 2) GTEST_SKIP() << "one device";
    const auto other = open_client(1);
    for (unsigned round = 0; round < 20; round++) {
        wake_across(accel_, *other);
        wake_across(*other, accel_);
    }
}

} // namespace

} // namespace acc::guest
