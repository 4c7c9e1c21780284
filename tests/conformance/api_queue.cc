// SPDX-License-Identifier: MIT
#include "tests/conformance/api.h"

#include <cstring>
#include <poll.h>
#include <thread>

namespace acc::conformance
{

namespace
{

class ApiQueue : public ApiTest
{
};
class ApiSignal : public ApiTest
{
};

TEST_F(ApiQueue, DispatchComputes)
{
    const acc_dispatch dispatch = work(signal_);
    for (int i = 0; i < 10; i++) {
        Work::clear(page());
        acc_signal_reset(signal_, 1);
        ASSERT_OK(acc_queue_dispatch(queue_, &dispatch));
        ASSERT_EQ(wait(signal_), 0);
        EXPECT_TRUE(Work::is_right(engine_, 0, page()));
        const acc_signal_result done = result(signal_);
        EXPECT_EQ(done.status, uint32_t(ACC_STATUS_OK));
        EXPECT_LE(done.start_ns, done.end_ns);
    }
}

// Arguments that are given by value live in the queue's own memory until they are used.
TEST_F(ApiQueue, ArgumentsAreCopied)
{
    std::vector<std::byte> arguments(page(), page() + kernel_.kernarg_bytes);
    acc_dispatch dispatch = work(signal_);
    dispatch.kernarg_address = 0;
    dispatch.kernargs = arguments.data();
    dispatch.kernarg_bytes = kernel_.kernarg_bytes;
    Work::clear(page());
    acc_signal_reset(signal_, 50);
    for (int i = 0; i < 50; i++)
        ASSERT_OK(acc_queue_dispatch(queue_, &dispatch));
    std::fill(arguments.begin(), arguments.end(), std::byte(0xff)); // ours again
    ASSERT_EQ(wait(signal_), 0);
    EXPECT_EQ(result(signal_).status, uint32_t(ACC_STATUS_OK));
    EXPECT_TRUE(Work::is_right(engine_, 0, page()));
}

TEST_F(ApiQueue, CopiesFillsAndBarriersInOrder)
{
    acc_buffer *buffer;
    ASSERT_OK(acc_buffer_create(device_, 2 * page_bytes, nullptr, &buffer));
    auto *words = static_cast<uint32_t *>(acc_buffer_data(buffer));
    acc_signal *gate;
    ASSERT_OK(acc_signal_create(&device_, 1, 1, &gate));
    ASSERT_OK(acc_queue_barrier(queue_, &gate, 1, nullptr));
    ASSERT_OK(acc_queue_fill(queue_, words, 0xabcdef01, page_bytes, nullptr));
    ASSERT_OK(acc_queue_copy(queue_, words + 1024, words, page_bytes, signal_));
    EXPECT_EQ(words[0], 0u) << "the barrier holds them back";
    EXPECT_EQ(acc_signal_wait(signal_, ACC_COND_EQ, 0, ACC_NOW, nullptr), -ETIME);
    ASSERT_OK(acc_signal_store(gate, 0));
    ASSERT_EQ(wait(signal_), 0);
    EXPECT_EQ(words[2047], 0xabcdef01u);
    EXPECT_OK(acc_signal_destroy(gate));
    EXPECT_OK(acc_buffer_destroy(buffer));
}

TEST_F(ApiQueue, AFaultNamesQueuePacketKernelAndAddress)
{
    ASSERT_OK(acc_queue_barrier(queue_, nullptr, 0, nullptr));
    acc_dispatch dispatch = work(signal_);
    dispatch.kernarg_address = 0x10000; // nothing is there
    ASSERT_OK(acc_queue_dispatch(queue_, &dispatch));
    ASSERT_EQ(wait(signal_), 0);
    EXPECT_EQ(result(signal_).status, uint32_t(ACC_STATUS_INVALID_ADDRESS));
    EXPECT_STREQ(acc_status_name(ACC_STATUS_INVALID_ADDRESS), "INVALID_ADDRESS");
    acc_fault_info fault = ACC_INIT(acc_fault_info);
    ASSERT_OK(acc_device_get_fault(device_, 0, &fault));
    EXPECT_EQ(fault.queue, acc_queue_id(queue_));
    EXPECT_EQ(fault.packet_index, 1u);
    EXPECT_EQ(fault.address, 0x10000u);
    EXPECT_EQ(fault.kernel_object, kernel_.kernel_object);
    EXPECT_STREQ(fault.kernel, kernel_.name);
    EXPECT_NE(fault.text[0], 0);
    acc_queue_info info = ACC_INIT(acc_queue_info);
    ASSERT_OK(acc_queue_get_info(queue_, &info));
    EXPECT_EQ(info.state, 1u);
    EXPECT_EQ(info.fault_code, uint32_t(ACC_STATUS_INVALID_ADDRESS));
    EXPECT_REFUSED(acc_queue_dispatch(queue_, &dispatch), EIO);
    // The process lives on.
    acc_queue *other;
    ASSERT_OK(acc_queue_create(device_, nullptr, &other));
    acc_signal_reset(signal_, 1);
    const acc_dispatch good = work(signal_);
    ASSERT_OK(acc_queue_dispatch(other, &good));
    ASSERT_EQ(wait(signal_), 0);
    EXPECT_EQ(result(signal_).status, uint32_t(ACC_STATUS_OK));
    EXPECT_OK(acc_queue_destroy(other));
}

TEST_F(ApiQueue, DestroyCancelsWhatWaits)
{
    acc_queue *queue;
    acc_signal *gate;
    ASSERT_OK(acc_queue_create(device_, nullptr, &queue));
    ASSERT_OK(acc_signal_create(&device_, 1, 1, &gate));
    ASSERT_OK(acc_queue_barrier(queue, &gate, 1, nullptr));
    const acc_dispatch dispatch = work(signal_);
    ASSERT_OK(acc_queue_dispatch(queue, &dispatch));
    EXPECT_OK(acc_queue_destroy(queue));
    EXPECT_EQ(wait(signal_), 0);
    EXPECT_EQ(result(signal_).status, uint32_t(ACC_STATUS_CANCELLED));
    EXPECT_OK(acc_signal_destroy(gate));
}

TEST_F(ApiQueue, ResetIsForGood)
{
    ASSERT_OK(acc_queue_reset(queue_));
    acc_queue_info info = ACC_INIT(acc_queue_info);
    EXPECT_TRUE(eventually([&] {
        EXPECT_OK(acc_queue_get_info(queue_, &info));
        return info.state == 1;
    }));
    EXPECT_EQ(info.fault_code, uint32_t(ACC_STATUS_RESET));
}

// A full ring: producers sleep, and a deadline ends that with nothing published.
TEST_F(ApiQueue, FullRingWaitsOrTimesOut)
{
    acc_queue_options options = ACC_INIT(acc_queue_options);
    options.packets = 64;
    acc_queue *queue;
    acc_signal *gate;
    ASSERT_OK(acc_queue_create(device_, &options, &queue));
    ASSERT_OK(acc_signal_create(&device_, 1, 1, &gate));
    acc_packet packets[64];
    packets[0] = barrier_value(nullptr, ACC_COND_EQ, 0);
    packets[0].barrier_value.signal = acc_signal_address(gate);
    for (int i = 1; i < 64; i++)
        packets[i] = nothing();
    packets[63].raw.completion_signal = acc_signal_address(signal_);
    uint64_t first = 99;
    ASSERT_OK(acc_queue_submit(queue, packets, 64, deadline(), &first));
    EXPECT_EQ(first, 0u);
    EXPECT_REFUSED(acc_queue_submit(queue, packets + 1, 1, ACC_NOW, nullptr), ETIME);
    std::thread opener([&] { EXPECT_OK(acc_signal_store(gate, 0)); });
    EXPECT_OK(acc_queue_submit(queue, packets + 1, 1, deadline(), &first));
    EXPECT_EQ(first, 64u) << "nothing of the refused one was published";
    opener.join();
    EXPECT_EQ(wait(signal_), 0);
    EXPECT_OK(acc_queue_destroy(queue));
    EXPECT_OK(acc_signal_destroy(gate));
}

TEST_F(ApiQueue, ProducersShareAQueue)
{
    constexpr int threads = 4, rounds = 500;
    acc_signal_reset(signal_, threads * rounds);
    const acc_dispatch dispatch = work(signal_);
    std::vector<std::thread> producers;
    for (int t = 0; t < threads; t++)
        producers.emplace_back([&] {
            for (int i = 0; i < rounds; i++)
                EXPECT_OK(acc_queue_dispatch(queue_, &dispatch));
        });
    for (auto &producer : producers)
        producer.join();
    ASSERT_EQ(wait(signal_), 0);
    EXPECT_EQ(result(signal_).status, uint32_t(ACC_STATUS_OK));
}

// -------------------------------------------------------------------- signals

TEST_F(ApiSignal, WaitsEndByDeviceHostOrTime)
{
    int64_t observed = 0;
    EXPECT_REFUSED(acc_signal_wait(signal_, ACC_COND_EQ, 0, ACC_NOW, nullptr), ETIME);
    EXPECT_OK(acc_signal_wait(signal_, ACC_COND_NE, 0, ACC_NOW, &observed));
    EXPECT_EQ(observed, 1);
    EXPECT_REFUSED(acc_signal_wait(signal_, ACC_COND_GE + 1, 0, ACC_NOW, nullptr), EINVAL);
    std::thread host([&] { EXPECT_OK(acc_signal_add(signal_, 9)); });
    EXPECT_OK(acc_signal_wait(signal_, ACC_COND_GE, 10, deadline(), &observed));
    EXPECT_EQ(observed, 10);
    host.join();
    ASSERT_OK(acc_queue_barrier(queue_, nullptr, 0, signal_));
    EXPECT_EQ(wait(signal_, 9), 0);
}

TEST_F(ApiSignal, AnyOfSeveral)
{
    acc_signal *signals[3] = {};
    for (acc_signal *&signal : signals)
        ASSERT_OK(acc_signal_create(&device_, 1, 1, &signal));
    const uint32_t conditions[] = {ACC_COND_EQ, ACC_COND_EQ, ACC_COND_EQ};
    const int64_t values[] = {0, 0, 0};
    size_t index = 9;
    EXPECT_REFUSED(acc_signal_wait_any(signals, conditions, values, 3, ACC_NOW, &index), ETIME);
    ASSERT_OK(acc_queue_barrier(queue_, nullptr, 0, signals[2]));
    EXPECT_OK(acc_signal_wait_any(signals, conditions, values, 3, deadline(), &index));
    EXPECT_EQ(index, 2u);
    for (acc_signal *signal : signals)
        EXPECT_OK(acc_signal_destroy(signal));
}

TEST_F(ApiSignal, CallbackAndDescriptor)
{
    struct Told {
        std::atomic<int> times{0}, error{1};
        std::atomic<int64_t> observed{-1};
    } told;
    ASSERT_OK(acc_signal_on(
        signal_, ACC_COND_EQ, 0,
        [](void *user, acc_signal *, int64_t observed, int error) {
            auto *told = static_cast<Told *>(user);
            told->observed = observed;
            told->error = error;
            told->times++;
        },
        &told));
    int fd = -1;
    ASSERT_OK(acc_signal_fd(signal_, ACC_COND_EQ, 0, &fd));
    const UniqueFd owner(fd);
    pollfd ready = {fd, POLLIN, 0};
    EXPECT_EQ(poll(&ready, 1, 0), 0);
    EXPECT_EQ(told.times.load(), 0);
    ASSERT_OK(acc_queue_barrier(queue_, nullptr, 0, signal_));
    EXPECT_EQ(poll(&ready, 1, 60'000), 1);
    EXPECT_TRUE(eventually([&] { return told.times == 1; }));
    EXPECT_EQ(told.error.load(), 0);
    EXPECT_EQ(told.observed.load(), 0);
    // Until its callback is over a signal is in use.
    EXPECT_TRUE(eventually([&] { return acc_signal_destroy(signal_) == 0; }));
    signal_ = nullptr;
}

} // namespace

} // namespace acc::conformance
