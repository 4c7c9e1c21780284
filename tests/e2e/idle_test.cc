// SPDX-License-Identifier: MIT
//
// A device that has nothing to do: its threads sleep, and a launch still arrives.
#include "acc/acc.hpp"

#include <dirent.h>
#include <fstream>
#include <gtest/gtest.h>
#include <string>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace
{

constexpr uint64_t patience_ns = 20'000'000'000;

// States of this process's threads but the calling one, e.g. "SSS".
std::string other_threads()
{
    std::string states;
    DIR *tasks = opendir("/proc/self/task");
    while (const dirent *entry = tasks ? readdir(tasks) : nullptr) {
        const std::string name = entry->d_name;
        if (name[0] == '.' || name == std::to_string(syscall(SYS_gettid))) continue;
        std::ifstream stat("/proc/self/task/" + name + "/stat");
        std::string text;
        std::getline(stat, text);
        const size_t after_name = text.rfind(')');
        if (after_name != std::string::npos && after_name + 2 < text.size())
            states += text[after_name + 2];
    }
    if (tasks) closedir(tasks);
    return states;
}

uint64_t cpu_us()
{
    rusage usage = {};
    getrusage(RUSAGE_SELF, &usage);
    return static_cast<uint64_t>(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1'000'000 +
           static_cast<uint64_t>(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec);
}

class Idle : public testing::TestWithParam<const char *>
{
protected:
    void SetUp() override
    {
        auto device = acc::Device::open(GetParam());
        ASSERT_TRUE(device) << device.error().text;
        device_ = std::move(*device);
        auto queue = acc::Queue::create(device_);
        ASSERT_TRUE(queue) << queue.error().text;
        queue_ = std::move(*queue);
        auto signal = acc::Signal::create(device_, value_);
        ASSERT_TRUE(signal) << signal.error().text;
        signal_ = std::move(*signal);
    }

    // One packet there and back.
    void launch()
    {
        const auto submitted = queue_.barrier({}, &signal_);
        ASSERT_TRUE(submitted) << submitted.error().text;
        const auto done = signal_.wait(ACC_COND_LT, value_--, acc_deadline(patience_ns));
        ASSERT_TRUE(done) << done.error().text;
    }

    // Sleeps in the device's counters.
    uint64_t sleeps()
    {
        const auto counters = device_.counters();
        EXPECT_TRUE(counters) << counters.error().text;
        return counters ? counters->sleeps : 0;
    }

    void TearDown() override
    {
        EXPECT_TRUE(signal_.close());
        EXPECT_TRUE(queue_.close());
        EXPECT_TRUE(device_.close());
    }

    acc::Device device_;
    acc::Queue queue_;
    acc::Signal signal_;
    int64_t value_ = 1'000'000;
};

// Every thread blocks in the end, and stays so: a poll, however slow, would show as
// processor time in every one of the windows.
TEST_P(Idle, ThreadsSleepAndUseNoProcessor)
{
    for (int i = 0; i < 1000; ++i)
        launch();
    uint64_t least = UINT64_MAX;
    std::string states;
    for (int window = 0;
         window < 10 && (least > 500 || states.find_first_not_of('S') != std::string::npos);
         ++window) {
        usleep(50'000);
        const uint64_t before = cpu_us();
        usleep(200'000);
        least = std::min(least, cpu_us() - before);
        states = other_threads();
    }
    EXPECT_FALSE(states.empty()) << "expected the device's threads";
    EXPECT_EQ(states.find_first_not_of('S'), std::string::npos) << states;
    EXPECT_LE(least, 500u) << "us of processor time in 200 ms of idleness";
    EXPECT_GE(sleeps(), 1u);
}

TEST_P(Idle, LaunchAfterSleepArrives)
{
    for (const useconds_t pause : {0u, 10u, 100u, 1'000u, 10'000u, 100'000u, 500'000u}) {
        usleep(pause);
        launch();
        if (HasFatalFailure()) FAIL() << "after " << pause << " us of idleness";
    }
}

// Pauses of the length of the spin budgets meet the device on its way to sleep.
TEST_P(Idle, LaunchesMeetTheDeviceFallingAsleep)
{
    for (useconds_t i = 0; i < 2000; ++i) {
        const uint64_t until = acc_deadline((i % 100) * 1'000);
        while (acc_deadline(0) < until) {
        }
        launch();
        if (HasFatalFailure()) FAIL() << "launch " << i;
    }
}

// The host's side: a waiter that blocks is woken by a completion long after.
TEST_P(Idle, WaiterIsWokenLongAfterItsSpin)
{
    auto gate = acc::Signal::create(device_, 1);
    ASSERT_TRUE(gate) << gate.error().text;
    const auto held = queue_.barrier({gate->get()}, &signal_);
    ASSERT_TRUE(held) << held.error().text;
    const uint64_t before = cpu_us();
    const auto early = signal_.wait(ACC_COND_LT, value_, acc_deadline(300'000'000));
    ASSERT_FALSE(early);
    EXPECT_EQ(early.error().code, -ETIME);
    // Neither the host's wait nor the queue that waits on a signal spins for 300 ms.
    EXPECT_LE(cpu_us() - before, 150'000u);
    ASSERT_TRUE(gate->store(0));
    const auto late = signal_.wait(ACC_COND_LT, value_, acc_deadline(patience_ns));
    ASSERT_TRUE(late) << late.error().text;
}

INSTANTIATE_TEST_SUITE_P(Inproc, Idle,
                         testing::Values("inproc:null", "inproc:crossbar", "inproc:fpga"),
                         [](const testing::TestParamInfo<const char *> &info) {
                             return std::string(info.param).substr(7);
                         });

} // namespace
