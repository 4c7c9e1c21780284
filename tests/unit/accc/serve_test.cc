// SPDX-License-Identifier: MIT
//
// acc/serve.h over the emulated engines: what requests get is what single runs give, whoever asks
// and however samples share submissions.
#include "onnx_builder.h"

#include "acc/serve.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <cerrno>
#include <latch>
#include <memory>
#include <thread>

namespace acc::accc
{
namespace
{

constexpr size_t kIn = 6, kOut = 4;

// A network for both engines and the host (Sin).
std::vector<std::byte> network()
{
    OnnxBuilder b;
    b.input("x", {-1, kIn}).random("w", {kIn, 8}).random("v", {8, kOut});
    b.add("MatMul", {"x", "w"}, "h").add("Sin", {"h"}, "e").add("MatMul", {"e", "v"}, "y");
    b.output("y");
    Diagnostics diag;
    const auto graph = b.import(diag);
    EXPECT_TRUE(graph) << diag.text();
    if (!graph) return {};
    auto compiled = compile(*graph, make_samples(*graph, 8, -1, 1), diag);
    EXPECT_TRUE(compiled) << diag.text();
    return compiled ? compiled->file : std::vector<std::byte>{};
}

struct EndDevice {
    void operator()(acc_device *device) const { EXPECT_EQ(acc_device_close(device), 0); }
};
struct CloseServer {
    void operator()(acc_server *server) const { EXPECT_EQ(acc_server_close(server), 0); }
};
using Server = std::unique_ptr<acc_server, CloseServer>;

class Serve : public testing::Test
{
protected:
    void SetUp() override
    {
        for (const char *uri :
             {"inproc:crossbar", "inproc:fpga", "inproc:crossbar", "inproc:fpga"}) {
            acc_device *device = nullptr;
            ASSERT_EQ(acc_device_open(uri, nullptr, &device), 0) << acc_error_text();
            owned_.emplace_back(device);
            devices_.push_back(device);
        }
        file_ = network();
        std::mt19937 random(5);
        for (float &v : x_)
            v = std::uniform_real_distribution<float>(-1, 1)(random);
        acc_model *model = nullptr;
        ASSERT_EQ(acc_model_load(devices_.data(), 2, file_.data(), file_.size(), nullptr, &model),
                  0)
            << acc_error_text();
        const void *in = x_.data();
        void *out = wanted_.data();
        EXPECT_EQ(acc_model_run(model, &in, &out, kSamples), 0) << acc_error_text();
        EXPECT_EQ(acc_model_unload(model), 0);
    }

    int open(const acc_server_options &options, acc_server **server, size_t count = 4)
    {
        return acc_server_open(devices_.data(), count, file_.data(), file_.size(), &options,
                               server);
    }
    Server opened(uint32_t replicas, uint32_t batch, uint32_t in_flight, uint32_t waiting = 0)
    {
        acc_server_options options = ACC_INIT(acc_server_options);
        options.replicas = replicas;
        options.batch = batch;
        options.in_flight = in_flight;
        options.waiting = waiting;
        acc_server *server = nullptr;
        EXPECT_EQ(open(options, &server, 2 * replicas), 0) << acc_error_text();
        return Server(server);
    }
    // Asks for samples of x_ from `first` on, with results in `to`.
    int submit(acc_server *server, size_t first, size_t samples, float *to, acc_request **request,
               acc_request_fn done = nullptr, void *user = nullptr)
    {
        const void *in = x_.data() + first * kIn;
        void *out = to;
        return acc_server_submit(server, &in, &out, samples, done, user, request);
    }

    static constexpr size_t kSamples = 40;
    std::vector<std::unique_ptr<acc_device, EndDevice>> owned_;
    std::vector<acc_device *> devices_;
    std::vector<std::byte> file_;
    std::vector<float> x_ = std::vector<float>(kSamples * kIn);
    std::vector<float> wanted_ = std::vector<float>(kSamples * kOut);
};

TEST_F(Serve, RequestsOfManyThreadsEqualSingleRuns)
{
    const Server server = opened(2, 4, 2);
    constexpr size_t kThreads = 4, kRequests = 12;
    std::atomic<size_t> wrong{0}, samples{0};
    std::vector<std::thread> threads;
    for (size_t t = 0; t < kThreads; t++)
        threads.emplace_back([&, t] {
            std::vector<std::vector<float>> results(kRequests);
            std::vector<acc_request *> requests(kRequests);
            const auto first = [&](size_t i) { return (t * 7 + i * 5) % (kSamples - 9); };
            const auto size = [&](size_t i) { return 1 + (t + i) % 9; };
            for (size_t i = 0; i < kRequests; i++) {
                results[i].resize(size(i) * kOut);
                samples += size(i);
                if (submit(server.get(), first(i), size(i), results[i].data(), &requests[i]) != 0)
                    wrong++;
            }
            for (size_t i = 0; i < kRequests; i++) {
                wrong += acc_request_wait(requests[i], ACC_FOREVER) != 0;
                wrong += !std::equal(results[i].begin(), results[i].end(),
                                     wanted_.begin() + static_cast<ptrdiff_t>(first(i) * kOut));
                wrong += acc_request_release(requests[i]) != 0;
            }
        });
    for (std::thread &thread : threads)
        thread.join();
    EXPECT_EQ(wrong, 0u);
    // A request is done before the server has counted it.
    acc_server_stats stats = ACC_INIT(acc_server_stats);
    do
        ASSERT_EQ(acc_server_get_stats(server.get(), &stats), 0);
    while (stats.requests < kThreads * kRequests);
    EXPECT_EQ(stats.requests, kThreads * kRequests);
    EXPECT_EQ(stats.samples, samples);
    EXPECT_LE(stats.submissions, samples);
    EXPECT_GE(stats.submissions, samples / 4);
    EXPECT_LE(stats.most_at_once, 4u);
    EXPECT_EQ(stats.replicas, 2u);
    acc_tensor_info info = ACC_INIT(acc_tensor_info);
    EXPECT_EQ(acc_server_input(server.get(), 0, &info), 0);
    EXPECT_EQ(info.sample_bytes, kIn * sizeof(float));
    EXPECT_EQ(acc_server_output(server.get(), 0, &info), 0);
    EXPECT_EQ(info.sample_bytes, kOut * sizeof(float));
    EXPECT_EQ(acc_server_output(server.get(), 1, &info), -ENOENT);
}

// What a callback that holds up the only submission sees.
struct Held {
    std::latch begun{1}, go{1};
    acc_server *server = nullptr;
    acc_request *second = nullptr;
    int error = 1, close = 1, cancelled = 1;

    static void done(void *user, int error)
    {
        auto &held = *static_cast<Held *>(user);
        held.error = error;
        held.begun.count_down();
        held.go.wait();
        held.close = acc_server_close(held.server);
        if (held.second) held.cancelled = acc_request_wait(held.second, ACC_FOREVER);
    }
};

TEST_F(Serve, WhatWaitsIsNotDoneAndIsCancelledAtTheEnd)
{
    Held held;
    acc_server *server = opened(1, 1, 1, 3).release();
    held.server = server;
    float first[kOut] = {}, later[3 * kOut] = {};
    ASSERT_EQ(submit(server, 0, 1, first, nullptr, Held::done, &held), 0) << acc_error_text();
    held.begun.wait();
    ASSERT_EQ(submit(server, 1, 3, later, &held.second), 0) << acc_error_text();
    EXPECT_EQ(submit(server, 1, 1, later, nullptr, Held::done, &held), -EAGAIN);
    EXPECT_EQ(acc_request_wait(held.second, ACC_NOW), -ETIMEDOUT);
    EXPECT_EQ(acc_request_release(held.second), -EBUSY);
    held.go.count_down();
    EXPECT_EQ(acc_server_close(server), 0);
    EXPECT_EQ(held.error, 0);
    EXPECT_EQ(held.close, -EDEADLK);
    EXPECT_EQ(held.cancelled, -ECANCELED);
    EXPECT_TRUE(std::equal(first, first + kOut, wanted_.begin()));
    EXPECT_EQ(acc_request_wait(held.second, ACC_FOREVER), -ECANCELED);
    EXPECT_EQ(acc_request_release(held.second), 0);
}

TEST_F(Serve, FromCpp)
{
    auto server = ::acc::Server::open({devices_.data(), 2}, file_);
    ASSERT_TRUE(server) << server.error().text;
    float y[3 * kOut] = {};
    const void *in[] = {x_.data()};
    void *out[] = {y};
    auto request = server->submit(in, out, 3);
    ASSERT_TRUE(request) << request.error().text;
    EXPECT_TRUE(request->wait());
    EXPECT_TRUE(std::equal(std::begin(y), std::end(y), wanted_.begin()));
    { // who drops a request has it waited for
        const auto dropped = server->submit(in, out, 3);
        ASSERT_TRUE(dropped) << dropped.error().text;
    }
    const auto refused = server->submit(in, out, 0);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, -EINVAL);
    EXPECT_TRUE(request->close());
    EXPECT_TRUE(server->close());
}

TEST_F(Serve, Refusals)
{
    acc_server *none = nullptr;
    acc_server_options options = ACC_INIT(acc_server_options);
    options.replicas = 3;
    EXPECT_EQ(open(options, &none), -EINVAL);
    EXPECT_EQ(none, nullptr);
    options.replicas = 2;
    options.in_flight = 65;
    EXPECT_EQ(open(options, &none), -EINVAL);
    options.in_flight = 0;
    EXPECT_EQ(open(options, &none, 2), -ENODEV); // one device for each, two engines needed
    EXPECT_EQ(acc_server_open(devices_.data(), 2, file_.data(), 100, nullptr, &none), -EINVAL);
    EXPECT_EQ(acc_server_open(nullptr, 2, file_.data(), 100, nullptr, &none), -EINVAL);
    EXPECT_EQ(acc_server_open(devices_.data(), 2, nullptr, 100, nullptr, &none), -EINVAL);
    EXPECT_EQ(acc_server_open(devices_.data(), 2, file_.data(), file_.size(), nullptr, nullptr),
              -EINVAL);

    const Server server = opened(1, 2, 1);
    float y[kOut] = {};
    acc_request *request = nullptr;
    EXPECT_EQ(submit(server.get(), 0, 0, y, &request), -EINVAL);
    EXPECT_EQ(submit(server.get(), 0, 1, y, nullptr), -EINVAL);
    EXPECT_EQ(submit(server.get(), 0, 1, nullptr, &request), -EINVAL);
    EXPECT_EQ(acc_server_submit(server.get(), nullptr, nullptr, 1, nullptr, nullptr, &request),
              -EINVAL);
    EXPECT_EQ(request, nullptr);
    EXPECT_EQ(acc_request_wait(nullptr, ACC_NOW), -EINVAL);
    EXPECT_EQ(acc_request_release(reinterpret_cast<acc_request *>(server.get())), -EINVAL);
    EXPECT_EQ(acc_server_close(nullptr), -EINVAL);
}

} // namespace
} // namespace acc::accc
