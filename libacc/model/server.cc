// SPDX-License-Identifier: MIT
#include "libacc/model/server.h"

#include "libacc/clock.h"
#include "libacc/error.h"
#include "libacc/threads.h"

#include <algorithm>
#include <chrono>

namespace acc
{

// ---------------------------------------------------------------- requests

int Request::wait(uint64_t deadline)
{
    std::unique_lock lock(mutex_);
    const auto ended = [this] { return left_ == 0; };
    if (deadline == ACC_FOREVER) {
        changed_.wait(lock, ended);
    } else {
        // steady_clock is CLOCK_MONOTONIC; what is past the largest of its values is for ever.
        const auto at = std::chrono::steady_clock::time_point(
            std::chrono::nanoseconds(std::min<uint64_t>(deadline, INT64_MAX)));
        if (!changed_.wait_until(lock, at, ended))
            return fail(-ETIMEDOUT, "expected the request to be done; found {} samples left", left_)
                .code;
    }
    return error_ ? fail_text(error_, text_).code : 0;
}

bool Request::done()
{
    std::lock_guard lock(mutex_);
    return left_ == 0;
}

bool Request::finish(size_t samples, int error, const std::string &text)
{
    acc_request_fn done = nullptr;
    {
        std::lock_guard lock(mutex_);
        if (error && !error_) {
            error_ = error;
            text_ = text;
        }
        left_ -= samples;
        if (left_) return false;
        done = done_;
        error = error_;
        changed_.notify_all();
    }
    if (done) done(user_, error);
    return true;
}

// ------------------------------------------------------------------ server

Result<std::unique_ptr<Server>> Server::open(std::span<Device *const> devices,
                                             std::span<const std::byte> image,
                                             const acc_server_options &options)
{
    const uint32_t replicas = options.replicas ? options.replicas : 1;
    const uint32_t in_flight = options.in_flight ? options.in_flight : 2;
    if (devices.size() % replicas || devices.size() < replicas)
        return fail(-EINVAL, "expected devices for {} replicas, as many for each; found {}",
                    replicas, devices.size());
    if (in_flight > 64)
        return fail(-EINVAL, "expected at most 64 submissions in flight; found {}", in_flight);
    std::unique_ptr<Server> server(new Server);
    server->replicas_ = replicas;
    server->most_waiting_ = options.waiting ? options.waiting : 65536;
    const size_t each = devices.size() / replicas;
    for (uint32_t r = 0; r < replicas; r++) {
        ACC_TRY(std::unique_ptr<Model> first,
                Model::load(devices.subspan(r * each, each), image, options.batch));
        Model *const original = first.get();
        for (uint32_t i = 0; i < in_flight; i++) {
            auto worker = std::make_unique<Worker>();
            if (i == 0) {
                worker->model = std::move(first);
            } else {
                ACC_TRY(worker->model, original->another());
            }
            server->workers_.push_back(std::move(worker));
        }
    }
    // Threads last: they begin with all of it there.
    for (const auto &worker : server->workers_)
        if (const int error = start_thread(worker->thread, "acc-serve",
                                           [s = server.get(), w = worker.get()] { s->work(*w); }))
            return fail(error, "expected a thread for each submission in flight; found {}",
                        errno_text(error));
    return server;
}

Server::~Server()
{
    std::deque<Waiting> left;
    {
        std::lock_guard lock(mutex_);
        stop_ = true;
        left.swap(waiting_);
    }
    changed_.notify_all();
    for (const Waiting &w : left)
        w.request->finish(w.samples, -ECANCELED, "the server was closed before it came to this");
    for (const auto &worker : workers_)
        if (worker->thread.joinable()) worker->thread.join();
}

bool Server::own_thread() const
{
    return std::ranges::any_of(workers_, [](const auto &worker) {
        return worker->thread.get_id() == std::this_thread::get_id();
    });
}

int Server::submit(std::shared_ptr<Request> request, size_t samples)
{
    {
        std::lock_guard lock(mutex_);
        if (samples > most_waiting_ - std::min(waiting_samples_, most_waiting_))
            return fail(-EAGAIN, "expected at most {} samples to wait; found {} and {} more",
                        most_waiting_, waiting_samples_, samples)
                .code;
        waiting_.push_back({std::move(request), 0, samples});
        waiting_samples_ += samples;
    }
    // What is more than one batch is for several.
    samples > plan().batch() ? changed_.notify_all() : changed_.notify_one();
    return 0;
}

// Up to `most` samples, from as many requests as it takes; none: the end. The mutex is held.
std::vector<Server::Waiting> Server::take(size_t most)
{
    std::vector<Waiting> pieces;
    while (most && !waiting_.empty()) {
        Waiting &next = waiting_.front();
        const size_t samples = std::min(most, next.samples);
        pieces.push_back({next.request, next.first, samples});
        next.first += samples;
        next.samples -= samples;
        most -= samples;
        waiting_samples_ -= samples;
        if (!next.samples) waiting_.pop_front();
    }
    return pieces;
}

void Server::work(Worker &worker)
{
    std::unique_lock lock(mutex_);
    while (true) {
        changed_.wait(lock, [this] { return stop_ || !waiting_.empty(); });
        if (stop_) return;
        const std::vector<Waiting> pieces = take(plan().batch());
        most_busy_ = std::max(most_busy_, ++busy_);
        lock.unlock();
        std::vector<ModelPiece> batch;
        for (const Waiting &w : pieces)
            batch.push_back({w.request->inputs(), w.request->outputs(), w.first, w.samples});
        const int error = worker.model->run_pieces(batch);
        const std::string text = error ? error_text() : "";
        size_t samples = 0;
        uint64_t ended = 0;
        for (const Waiting &w : pieces) {
            samples += w.samples;
            ended += w.request->finish(w.samples, error, text);
        }
        lock.lock();
        busy_--;
        submissions_++;
        requests_ += ended;
        if (!error) samples_ += samples;
    }
}

acc_server_stats Server::stats() const
{
    std::lock_guard lock(mutex_);
    acc_server_stats out = {};
    out.requests = requests_;
    out.samples = samples_;
    out.submissions = submissions_;
    out.most_at_once = most_busy_;
    out.replicas = replicas_;
    return out;
}

} // namespace acc
