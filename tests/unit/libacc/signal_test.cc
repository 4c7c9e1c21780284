// SPDX-License-Identifier: MIT
#include "fixture.h"

#include <atomic>
#include <chrono>
#include <poll.h>
#include <thread>
#include <unistd.h>

namespace acc::test
{
namespace
{

using SignalTest = NullTest;
using namespace std::chrono_literals;

bool readable(int fd, int timeout_ms)
{
    pollfd poll_fd = {fd, POLLIN, 0};
    return poll(&poll_fd, 1, timeout_ms) == 1;
}

TEST_F(SignalTest, ChangesAndConditions)
{
    EXPECT_EQ(signal_.address() % ACC_SIGNAL_BYTES, 0u);
    signal_.reset(5);
    EXPECT_EQ(signal_.load(), 5);
    check(signal_.add(-7));
    EXPECT_EQ(signal_.load(), -2);
    check(signal_.store(INT64_MIN));
    EXPECT_EQ(signal_.load(), INT64_MIN);
    struct Case {
        acc_condition condition;
        int64_t value;
        bool holds;
    };
    signal_.reset(3);
    for (const Case &c :
         {Case{ACC_COND_EQ, 3, true}, Case{ACC_COND_EQ, 4, false}, Case{ACC_COND_NE, 4, true},
          Case{ACC_COND_NE, 3, false}, Case{ACC_COND_LT, 4, true}, Case{ACC_COND_LT, 3, false},
          Case{ACC_COND_GE, 3, true}, Case{ACC_COND_GE, 4, false}}) {
        int64_t observed = 0;
        const int code = acc_signal_wait(signal_.get(), c.condition, c.value, ACC_NOW, &observed);
        EXPECT_EQ(code, c.holds ? 0 : -ETIME) << c.condition << " " << c.value;
        if (c.holds) {
            EXPECT_EQ(observed, 3);
        }
    }
    EXPECT_REFUSED(acc_signal_wait(signal_.get(), 4, 0, ACC_NOW, nullptr), -EINVAL,
                   "expected a condition");
}

TEST_F(SignalTest, SleepsUntilItChanges)
{
    Device patient = take(Device::open(null_uri(), 1)); // never spins
    Signal signal = take(Signal::create(patient, 100));
    std::vector<std::thread> waiters;
    for (int64_t i = 0; i < 4; i++)
        waiters.emplace_back([&, i] {
            EXPECT_LE(take(signal.wait(ACC_COND_LT, 10 * (i + 1), soon())), 10 * (i + 1) - 1);
        });
    for (int i = 0; i < 100; i++) {
        if (i % 10 == 0) std::this_thread::sleep_for(1ms);
        check(signal.add(-1));
    }
    for (std::thread &waiter : waiters)
        waiter.join();
}

TEST_F(SignalTest, ADeadlineEndsASleep)
{
    EXPECT_EQ(acc_signal_wait(signal_.get(), ACC_COND_EQ, 0, acc_deadline(3'000'000), nullptr),
              -ETIME);
    EXPECT_NE(std::string(acc_error_text()).find("its value is 1"), std::string::npos);
}

TEST_F(SignalTest, AnyOfSeveral)
{
    std::vector<Signal> signals;
    std::vector<Awaited> awaited;
    for (int i = 0; i < 20; i++)
        signals.push_back(take(Signal::create(device_)));
    for (const Signal &signal : signals)
        awaited.push_back({&signal});
    EXPECT_EQ(wait_any(awaited, ACC_NOW).error().code, -ETIME);
    EXPECT_EQ(wait_any(awaited, acc_deadline(3'000'000)).error().code, -ETIME);
    check(signals[7].store(0));
    check(signals[13].store(0));
    EXPECT_EQ(take(wait_any(awaited, soon())), 7u);
    signals[7].reset(1);
    signals[13].reset(1);
    std::thread writer([&] {
        std::this_thread::sleep_for(2ms); // so that the waiter sleeps, mostly
        check(signals[11].store(-5));
        check(signals[11].store(0));
    });
    EXPECT_EQ(take(wait_any(awaited, soon())), 11u);
    writer.join();
    EXPECT_REFUSED(acc_signal_wait_any(nullptr, nullptr, nullptr, 0, ACC_NOW, nullptr), -EINVAL,
                   "found NULL");
}

TEST_F(SignalTest, AnyAcrossDevices)
{
    Device other = take(Device::open("inproc:null"));
    Queue queue = take(Queue::create(other));
    Signal there = take(Signal::create(other));
    const Awaited awaited[] = {{&signal_}, {&there}};
    std::thread writer([&] {
        std::this_thread::sleep_for(2ms);
        check(queue.barrier({}, &there));
    });
    EXPECT_EQ(take(wait_any(awaited, soon())), 1u);
    writer.join();
}

TEST_F(SignalTest, CallsBackOnce)
{
    std::atomic<int> calls{0};
    std::atomic<int64_t> seen{-1};
    const std::thread::id here = std::this_thread::get_id();
    check(signal_.on(ACC_COND_LT, 1, [&](int64_t observed, int error) {
        EXPECT_NE(std::this_thread::get_id(), here);
        EXPECT_EQ(error, 0);
        seen = observed;
        calls++;
        calls.notify_all();
    }));
    EXPECT_REFUSED(acc_signal_destroy(signal_.get()), -EBUSY, "nobody waits on");
    check(queue_.dispatch(kernel(ACC_NULL_NOOP), &signal_));
    calls.wait(0);
    EXPECT_EQ(seen, 0);
    check(signal_.store(-1));
    check(signal_.store(5));
    // One that holds already is called as well.
    check(signal_.on(ACC_COND_EQ, 5, [&](int64_t, int) {
        calls++;
        calls.notify_all();
    }));
    calls.wait(1);
    EXPECT_EQ(calls, 2);
}

TEST_F(SignalTest, ACallbackMaySubmitWaitAndGoOn)
{
    const auto noop = kernel(ACC_NULL_NOOP);
    Signal inner = take(Signal::create(device_)), other = take(Signal::create(device_));
    std::atomic<int> rounds{0};
    std::function<void(int64_t, int)> again = [&](int64_t, int error) {
        EXPECT_EQ(error, 0);
        inner.reset(1);
        check(queue_.dispatch(noop, &inner));
        EXPECT_EQ(take(inner.wait(soon())), 0);
        inner.reset(1);
        check(queue_.dispatch(noop, &inner));
        const Awaited awaited[] = {{&other}, {&inner}};
        EXPECT_EQ(take(wait_any(awaited, soon())), 1u); // needs the event reader itself
        if (rounds.load() < 20) {
            signal_.reset(1);
            check(signal_.on(ACC_COND_EQ, 0, again));
            check(queue_.dispatch(noop, &signal_));
        }
        rounds++;
        rounds.notify_all();
    };
    check(signal_.on(ACC_COND_EQ, 0, again));
    check(queue_.dispatch(noop, &signal_));
    for (int seen = 0; seen <= 20; seen = rounds.load())
        rounds.wait(seen);
}

TEST_F(SignalTest, AnEndInACallbackIsRefused)
{
    std::atomic<int> code{1};
    check(signal_.on(ACC_COND_EQ, 0, [&](int64_t, int) {
        code = acc_signal_destroy(signal_.get());
        code.notify_all();
    }));
    check(signal_.store(0));
    code.wait(1);
    EXPECT_EQ(code, -EBUSY);
}

TEST_F(SignalTest, DescriptorsPollReadable)
{
    const int fd = take(signal_.fd(ACC_COND_EQ, 0));
    EXPECT_FALSE(readable(fd, 2));
    check(queue_.dispatch(kernel(ACC_NULL_NOOP), &signal_));
    EXPECT_TRUE(readable(fd, int(patience_ns / 1'000'000)));
    const int already = take(signal_.fd(ACC_COND_EQ, 0));
    EXPECT_TRUE(readable(already, 0));
    close(fd);
    close(already);

    // One that nobody will satisfy: the signal's end makes it readable.
    Signal forgotten = take(Signal::create(device_));
    const int kept = take(forgotten.fd(ACC_COND_EQ, 0));
    const int closed = take(forgotten.fd(ACC_COND_EQ, 0));
    close(closed);
    check(forgotten.close());
    EXPECT_TRUE(readable(kept, 0));
    close(kept);
}

TEST_F(SignalTest, AnyNumber)
{
    std::vector<Signal> signals;
    std::set<uint64_t> addresses;
    for (int i = 0; i < 10'000; i++) {
        signals.push_back(take(Signal::create(device_, i)));
        addresses.insert(signals.back().address());
    }
    EXPECT_EQ(addresses.size(), signals.size());
    for (int i = 0; i < 10'000; i++)
        ASSERT_EQ(signals[size_t(i)].load(), i);
    // All waited for at once.
    std::atomic<int> left{10'000};
    for (Signal &signal : signals)
        check(signal.on(ACC_COND_EQ, -1, [&](int64_t, int) {
            if (--left == 0) left.notify_all();
        }));
    for (Signal &signal : signals)
        check(signal.store(-1));
    for (int now = left; now; now = left)
        left.wait(now);
    // Cells are used again, clean.
    signals.clear();
    Signal fresh = take(Signal::create(device_, 9));
    EXPECT_EQ(fresh.load(), 9);
    EXPECT_EQ(take(fresh.result()).end_ns, 0u);
}

TEST_F(SignalTest, ManyThreadsMakeAndEndThem)
{
    const auto noop = kernel(ACC_NULL_NOOP);
    std::vector<std::thread> threads;
    for (int t = 0; t < 4; t++)
        threads.emplace_back([&] {
            for (int i = 0; i < 300; i++) {
                Signal signal = take(Signal::create(device_));
                check(queue_.dispatch(noop, &signal));
                ASSERT_EQ(take(signal.wait(soon())), 0);
                check(signal.close());
            }
        });
    for (std::thread &thread : threads)
        thread.join();
}

} // namespace
} // namespace acc::test
