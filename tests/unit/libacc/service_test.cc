// SPDX-License-Identifier: MIT
//
// Devices of a service: how they are named, what a lost service does to those who wait, and
// what a child of fork keeps of it.
#include "service.h"

#include <atomic>
#include <chrono>
#include <fcntl.h>
#include <poll.h>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>

namespace acc::test
{
namespace
{

using namespace std::chrono_literals;

class ServiceTest : public LeakTest
{
protected:
    void SetUp() override
    {
        if (!service.running()) GTEST_SKIP() << "for libacc_test --service";
        LeakTest::SetUp();
    }
    void TearDown() override
    {
        if (!IsSkipped()) LeakTest::TearDown();
    }
};

TEST_F(ServiceTest, RefusesADeviceThatIsNotThere)
{
    acc_device *device = nullptr;
    EXPECT_REFUSED(acc_device_open(service.uri(Service::devices), nullptr, &device), -ENODEV,
                   "expected a device below 3; found 3");
    EXPECT_REFUSED(acc_device_open(("unix:" + service.path() + "x#0").c_str(), nullptr, &device),
                   -ENODEV, "No such file");
    const std::string regular = service.path() + ".lock";
    EXPECT_REFUSED(acc_device_open(("unix:" + regular + "#0").c_str(), nullptr, &device), -ENODEV,
                   "nobody serves it");
    const std::string long_path(200, 'x');
    EXPECT_REFUSED(acc_device_open(("unix:" + long_path + "#0").c_str(), nullptr, &device),
                   -ENAMETOOLONG, "at most 107 bytes; found 200");
}

TEST_F(ServiceTest, OpensAreApart)
{
    Device one = take(Device::open(service.uri(0))), two = take(Device::open(service.uri(0)));
    Buffer buffer = take(Buffer::create(one, 1 << 20));
    auto info = acc_init<acc_device_info>();
    ASSERT_ACC(acc_device_get_info(two.get(), &info));
    EXPECT_EQ(info.client_bytes, 0u);
    check(buffer.close());
    check(one.close());
    check(two.close());
}

TEST_F(ServiceTest, AChildOfForkDoesNotKeepTheConnection)
{
    const size_t before = service.descriptors();
    Device device = take(Device::open(service.uri(0)));
    int hold[2];
    ASSERT_EQ(pipe2(hold, O_CLOEXEC), 0);
    const pid_t child = fork();
    if (child == 0) {
        char byte;
        close(hold[1]);
        _exit(read(hold[0], &byte, 1) == 0 ? 0 : 1); // until the parent lets it go
    }
    close(hold[0]);
    check(device.close());
    while (service.descriptors() > before) // the test's time-out ends it
        std::this_thread::sleep_for(1ms);
    close(hold[1]);
    int status = -1;
    EXPECT_EQ(waitpid(child, &status, 0), child);
    EXPECT_EQ(status, 0);
}

// Everybody who waits for something that the service was to do hears that it is gone.
class LostServiceTest : public LeakTest
{
};

void lose_service(bool politely)
{
    Service own;
    ASSERT_TRUE(own.start());
    Device device = take(Device::open(own.uri(0))), impatient = take(Device::open(own.uri(0), 1));
    Device other = take(Device::open("inproc:null"));
    acc_device *const both[] = {other.get(), device.get()};
    Program program = take(Program::load(device, null_image()));
    Queue queue = take(Queue::create(device)), full = take(Queue::create(device));
    Signal never = take(Signal::create(device)), never_either = take(Signal::create(impatient));
    Signal shared = take(Signal::create(both, 1)), stuck = take(Signal::create(device));
    const auto packets =
        std::vector<acc_packet>(64, barrier_packet({acc_signal_address(stuck.get())}));
    for (int i = 0; i < 1024 / 64; i++) {
        auto info = acc_init<acc_queue_info>();
        ASSERT_ACC(acc_queue_get_info(full.get(), &info));
        if (acc_queue_submit(full.get(), packets.data(), packets.size(), acc_deadline(0), nullptr))
            break;
    }
    int fd = -1;
    ASSERT_ACC(acc_signal_fd(never.get(), ACC_COND_EQ, 0, &fd));
    std::atomic<int> told{1};
    check(never.on(ACC_COND_EQ, 0, [&](int64_t, int error) {
        told = error;
        told.notify_all();
    }));
    std::vector<std::thread> waiters;
    const auto wait = [&](auto what) {
        waiters.emplace_back([what] { EXPECT_EQ(what(), -ENODEV); });
    };
    for (const Signal *signal : {&never, &never_either, &shared})
        wait([signal] {
            return acc_signal_wait(signal->get(), ACC_COND_EQ, 0, ACC_FOREVER, nullptr);
        });
    wait([&] {
        acc_signal *const any[] = {never.get(), shared.get()};
        const uint32_t conditions[] = {ACC_COND_EQ, ACC_COND_EQ};
        const int64_t values[] = {0, 0};
        size_t index = 0;
        return acc_signal_wait_any(any, conditions, values, 2, ACC_FOREVER, &index);
    });
    wait([&] {
        int error = 0;
        while (!error) // until the ring is full
            error =
                acc_queue_submit(full.get(), packets.data(), packets.size(), ACC_FOREVER, nullptr);
        return error;
    });
    std::this_thread::sleep_for(20ms);
    if (politely)
        EXPECT_EQ(own.stop(), 0);
    else
        own.kill();
    for (std::thread &waiter : waiters)
        waiter.join();
    told.wait(1);
    EXPECT_EQ(told, -ENODEV);
    pollfd ready = {fd, POLLIN, 0};
    EXPECT_EQ(poll(&ready, 1, int(patience_ns / 1'000'000)), 1) << "the descriptor tells";
    close(fd);
    acc_buffer *buffer = nullptr;
    EXPECT_REFUSED(acc_buffer_create(device.get(), 1, nullptr, &buffer), -ENODEV, "is gone");
}

TEST_F(LostServiceTest, KilledItLeavesNobodyWaiting)
{
    if (service.running()) GTEST_SKIP() << "once is enough";
    if (!children_may_start_threads) GTEST_SKIP() << "TSan allows no service to be forked here";
    lose_service(false);
}

TEST_F(LostServiceTest, StoppedItLeavesNobodyWaiting)
{
    if (service.running()) GTEST_SKIP() << "once is enough";
    if (!children_may_start_threads) GTEST_SKIP() << "TSan allows no service to be forked here";
    lose_service(true);
}

} // namespace
} // namespace acc::test
