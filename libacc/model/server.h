// SPDX-License-Identifier: MIT
//
// Requests for a network from any thread, gathered into batches. Each submission in flight is a
// Model of its own (workspace, queues) and a thread that takes what waits; Models of a replica
// share programs and constants.
//
// Thread safety: all calls from any thread, but closing. One mutex guards what waits; a request's
// own state is guarded by its own.
#pragma once

#include "libacc/handle.h"
#include "libacc/model/model.h"

#include "acc/serve.h"

#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace acc
{

// Held by the handle, if there is one, and by those of its samples that are not done.
class Request
{
public:
    Request(std::vector<const void *> inputs, std::vector<void *> outputs, size_t samples,
            acc_request_fn done, void *user)
        : inputs_(std::move(inputs)), outputs_(std::move(outputs)), left_(samples), done_(done),
          user_(user)
    {
    }

    const void *const *inputs() const { return inputs_.data(); }
    void *const *outputs() const { return outputs_.data(); }
    // 0, the error of a sample with its text, or -ETIMEDOUT.
    int wait(uint64_t deadline);
    bool done();
    // Some of its samples are there, or failed. True: they were the last.
    bool finish(size_t samples, int error, const std::string &text);

private:
    const std::vector<const void *> inputs_;
    const std::vector<void *> outputs_;
    std::mutex mutex_;
    std::condition_variable changed_;
    size_t left_;
    int error_ = 0;
    std::string text_;
    const acc_request_fn done_;
    void *const user_;
};

// The handle that a client has of it.
struct RequestHandle : Handle {
    explicit RequestHandle(std::shared_ptr<Request> r)
        : Handle(HandleKind::Request), request(std::move(r))
    {
    }
    std::shared_ptr<Request> request;
};

class Server : public Handle
{
public:
    // -EINVAL, or as Model::load.
    static Result<std::unique_ptr<Server>> open(std::span<Device *const> devices,
                                                std::span<const std::byte> image,
                                                const acc_server_options &options);
    ~Server();

    const Plan &plan() const { return workers_.front()->model->plan(); }
    // -EAGAIN when too much waits.
    int submit(std::shared_ptr<Request> request, size_t samples);
    acc_server_stats stats() const;
    // Whether the calling thread is one of its own.
    bool own_thread() const;

private:
    struct Worker {
        std::unique_ptr<Model> model;
        std::thread thread;
    };
    // Samples of a request that wait.
    struct Waiting {
        std::shared_ptr<Request> request;
        size_t first = 0, samples = 0;
    };

    Server() : Handle(HandleKind::Server) {}
    void work(Worker &worker);
    std::vector<Waiting> take(size_t most);

    std::vector<std::unique_ptr<Worker>> workers_;
    uint32_t replicas_ = 1;
    uint64_t most_waiting_ = 0;

    mutable std::mutex mutex_;
    std::condition_variable changed_;
    std::deque<Waiting> waiting_;
    uint64_t waiting_samples_ = 0;
    bool stop_ = false;
    uint32_t busy_ = 0, most_busy_ = 0;
    uint64_t requests_ = 0, samples_ = 0, submissions_ = 0;
};

} // namespace acc
