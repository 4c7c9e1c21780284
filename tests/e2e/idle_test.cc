// SPDX-License-Identifier: MIT
//
// A device that has nothing to do: its threads sleep, and a launch still arrives.
#include "acc/acc.h"

#include <dirent.h>
#include <fstream>
#include <gtest/gtest.h>
#include <memory>
#include <string>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace
{

constexpr uint64_t patience_ns = 20'000'000'000;

template <typename T, int (*end)(T *)>
struct Ender {
    void operator()(T *handle) const { EXPECT_EQ(end(handle), 0) << acc_error_text(); }
};
using Device = std::unique_ptr<acc_device, Ender<acc_device, acc_device_close>>;
using Signal = std::unique_ptr<acc_signal, Ender<acc_signal, acc_signal_destroy>>;
using Queue = std::unique_ptr<acc_queue, Ender<acc_queue, acc_queue_destroy>>;

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
        acc_device *opened = nullptr;
        ASSERT_EQ(acc_device_open(GetParam(), nullptr, &opened), 0) << acc_error_text();
        device_.reset(opened);
        acc_queue *made = nullptr;
        ASSERT_EQ(acc_queue_create(opened, nullptr, &made), 0) << acc_error_text();
        queue_.reset(made);
        acc_signal *signal = nullptr;
        ASSERT_EQ(acc_signal_create(&opened, 1, 1'000'000, &signal), 0) << acc_error_text();
        signal_.reset(signal);
    }

    // One packet there and back.
    void launch()
    {
        ASSERT_EQ(acc_queue_barrier(queue_.get(), nullptr, 0, signal_.get()), 0)
            << acc_error_text();
        ASSERT_EQ(acc_signal_wait(signal_.get(), ACC_COND_LT, value_--, acc_deadline(patience_ns),
                                  nullptr),
                  0)
            << acc_error_text();
    }

    // Sleeps in the device's counters.
    uint64_t sleeps()
    {
        acc_device_counters counters = ACC_INIT(acc_device_counters);
        EXPECT_EQ(acc_device_get_counters(device_.get(), &counters), 0) << acc_error_text();
        return counters.sleeps;
    }

    Device device_;
    Queue queue_;
    Signal signal_;
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
    acc_device *device = device_.get();
    acc_signal *made = nullptr;
    ASSERT_EQ(acc_signal_create(&device, 1, 1, &made), 0) << acc_error_text();
    const Signal gate(made);
    acc_signal *const waited = gate.get();
    ASSERT_EQ(acc_queue_barrier(queue_.get(), &waited, 1, signal_.get()), 0) << acc_error_text();
    const uint64_t before = cpu_us();
    EXPECT_EQ(
        acc_signal_wait(signal_.get(), ACC_COND_LT, value_, acc_deadline(300'000'000), nullptr),
        -ETIME);
    // Neither the host's wait nor the queue that waits on a signal spins for 300 ms.
    EXPECT_LE(cpu_us() - before, 150'000u);
    ASSERT_EQ(acc_signal_store(gate.get(), 0), 0) << acc_error_text();
    ASSERT_EQ(
        acc_signal_wait(signal_.get(), ACC_COND_LT, value_, acc_deadline(patience_ns), nullptr), 0)
        << acc_error_text();
}

INSTANTIATE_TEST_SUITE_P(Inproc, Idle,
                         testing::Values("inproc:null", "inproc:crossbar", "inproc:fpga"),
                         [](const testing::TestParamInfo<const char *> &info) {
                             return std::string(info.param).substr(7);
                         });

} // namespace
