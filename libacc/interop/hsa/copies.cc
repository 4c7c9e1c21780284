// SPDX-License-Identifier: MIT
#include "copies.h"

#include "memory.h"
#include "workers.h"

#include <algorithm>
#include <cstring>
#include <ctime>

namespace acc::hsa
{
namespace
{

constexpr uint32_t queue_packets = 1024;

uint64_t now_ns()
{
    timespec now = {};
    clock_gettime(CLOCK_MONOTONIC, &now);
    return uint64_t(now.tv_sec) * 1'000'000'000u + uint64_t(now.tv_nsec);
}

bool overlap(const void *a, const void *b, size_t bytes)
{
    const auto x = reinterpret_cast<uint64_t>(a), y = reinterpret_cast<uint64_t>(b);
    return x < y + bytes && y < x + bytes;
}

} // namespace

struct Copies::Waiting {
    Copies &copies;
    std::unique_ptr<CopyJob> job;
    bool failed = false;
};

Copies::~Copies()
{
    for (const auto &[agent, queue] : queues_)
        if (acc_queue_destroy(queue)) log_line(ACC_LOG_ERROR, acc_error_text());
}

hsa_status_t Copies::start(std::unique_ptr<CopyJob> job)
{
    return go_on(std::move(job), false);
}

// Waits for the next dependency, or copies.
hsa_status_t Copies::go_on(std::unique_ptr<CopyJob> job, bool on_worker)
{
    while (!job->dependencies.empty()) {
        const SignalRef next = job->dependencies.back();
        if (std::atomic_ref(next->memory().value).load(std::memory_order_acquire) == 0) {
            job->dependencies.pop_back();
            continue;
        }
        auto waiting = std::make_unique<Waiting>(Waiting{*this, std::move(job)});
        const hsa_status_t status =
            runtime_.signals().on(next, ACC_COND_EQ, 0, satisfied, waiting.get());
        if (status == HSA_STATUS_SUCCESS)
            (void)waiting.release(); // satisfied() has it
        else if (on_worker)
            fail(*waiting->job);
        return status;
    }
    if (submit(*job)) return HSA_STATUS_SUCCESS;
    if (on_worker) {
        copy_here(*job);
        return HSA_STATUS_SUCCESS;
    }
    std::shared_ptr<CopyJob> shared = std::move(job);
    return runtime_.workers().copies.post([this, shared] { copy_here(*shared); });
}

// On a thread of libacc's, which must not wait for what it may have to wake.
void Copies::satisfied(void *user, acc_signal *, int64_t, int error)
{
    std::shared_ptr<Waiting> waiting(static_cast<Waiting *>(user));
    waiting->failed = error != 0;
    Copies &copies = waiting->copies;
    Worker::Job go_on = [waiting] {
        Copies &copies = waiting->copies;
        Signals &signals = copies.runtime_.signals();
        waiting->job->dependencies.pop_back();
        if (waiting->failed)
            copies.fail(*waiting->job);
        else
            (void)copies.go_on(std::move(waiting->job), true);
        waiting->job.reset();
        signals.end_callback();
    };
    if (copies.runtime_.workers().copies.post(std::move(go_on)) != HSA_STATUS_SUCCESS) go_on();
}

// False: the device can't, or has refused.
bool Copies::submit(const CopyJob &job)
{
    if (!job.agent || !job.bytes || overlap(job.destination, job.source, job.bytes)) return false;
    Memory &memory = runtime_.memory();
    if (!memory.reaches(*job.agent, job.destination, job.bytes) ||
        !memory.reaches(*job.agent, job.source, job.bytes))
        return false;
    std::lock_guard lock(mutex_);
    acc_queue *&queue = queues_[job.agent];
    if (!queue) {
        auto options = acc_init<acc_queue_options>();
        options.packets = queue_packets;
        options.flags = ACC_QUEUE_NO_KERNARGS;
        if (acc_queue_create(job.agent->node->device.get(), &options, &queue)) {
            log_line(ACC_LOG_DEBUG, acc_error_text());
            queues_.erase(job.agent);
            return false;
        }
    }
    if (!acc_queue_copy(queue, job.destination, job.source, job.bytes, job.completion->handle))
        return true;
    // Somebody freed memory under an earlier copy: the next one gets a queue that is well.
    log_line(ACC_LOG_WARN, acc_error_text());
    (void)acc_queue_destroy(queue);
    queues_.erase(job.agent);
    return false;
}

void Copies::copy_here(CopyJob &job)
{
    acc_signal_memory &signal = job.completion->memory();
    const uint64_t start = now_ns();
    job.on_host();
    std::atomic_ref(signal.start_ns).store(start, std::memory_order_relaxed);
    std::atomic_ref(signal.end_ns).store(now_ns(), std::memory_order_relaxed);
    if (acc_signal_add(job.completion->handle, -1)) log_line(ACC_LOG_WARN, acc_error_text());
}

// hsa_ext_amd.h: an error makes the value negative.
void Copies::fail(const CopyJob &job)
{
    (void)acc_signal_store(job.completion->handle, -1);
}

namespace
{

hsa_status_t take_dependencies(Runtime &runtime, uint32_t count, const hsa_signal_t *signals,
                               CopyJob &job)
{
    if (count && !signals) return HSA_STATUS_ERROR_INVALID_ARGUMENT;
    for (uint32_t i = 0; i < count; i++) {
        if (!signals[i].handle) continue; // satisfied, as in packets
        job.dependencies.push_back(runtime.signals().find(signals[i]));
        if (!job.dependencies.back()) return HSA_STATUS_ERROR_INVALID_SIGNAL;
    }
    return HSA_STATUS_SUCCESS;
}

hsa_status_t take_completion(Runtime &runtime, hsa_signal_t signal, CopyJob &job)
{
    if (!signal.handle) return HSA_STATUS_ERROR_INVALID_ARGUMENT;
    job.completion = runtime.signals().find(signal);
    return job.completion ? HSA_STATUS_SUCCESS : HSA_STATUS_ERROR_INVALID_SIGNAL;
}

void copy_rows(const hsa_pitched_ptr_t &to, const hsa_dim3_t &to_offset,
               const hsa_pitched_ptr_t &from, const hsa_dim3_t &from_offset,
               const hsa_dim3_t &range)
{
    const auto row = [](const hsa_pitched_ptr_t &at, const hsa_dim3_t &offset, uint32_t y,
                        uint32_t z) {
        return static_cast<std::byte *>(at.base) + size_t(offset.z + z) * at.slice +
               size_t(offset.y + y) * at.pitch + offset.x;
    };
    for (uint32_t z = 0; z < range.z; z++)
        for (uint32_t y = 0; y < range.y; y++)
            std::memmove(row(to, to_offset, y, z), row(from, from_offset, y, z), range.x);
}

} // namespace
} // namespace acc::hsa

using namespace acc::hsa;

extern "C" {

hsa_status_t hsa_amd_memory_async_copy(void *dst, hsa_agent_t dst_agent, const void *src,
                                       hsa_agent_t src_agent, size_t size, uint32_t num_dep_signals,
                                       const hsa_signal_t *dep_signals,
                                       hsa_signal_t completion_signal)
{
    return with_runtime([&](Runtime &runtime) {
        if (!dst || !src) return HSA_STATUS_ERROR_INVALID_ARGUMENT;
        const Agent *const to = runtime.agents().find(dst_agent);
        const Agent *const from = runtime.agents().find(src_agent);
        if (!to || !from) return HSA_STATUS_ERROR_INVALID_AGENT;
        auto job = std::make_unique<CopyJob>();
        HSA_TRY(take_completion(runtime, completion_signal, *job));
        HSA_TRY(take_dependencies(runtime, num_dep_signals, dep_signals, *job));
        job->agent = !to->is_host() ? to : !from->is_host() ? from : nullptr;
        job->destination = dst;
        job->source = src;
        job->bytes = size;
        job->on_host = [dst, src, size] {
            if (size) std::memmove(dst, src, size);
        };
        return runtime.copies().start(std::move(job));
    });
}

hsa_status_t
hsa_amd_memory_async_copy_rect(const hsa_pitched_ptr_t *dst, const hsa_dim3_t *dst_offset,
                               const hsa_pitched_ptr_t *src, const hsa_dim3_t *src_offset,
                               const hsa_dim3_t *range, hsa_agent_t copy_agent,
                               hsa_amd_copy_direction_t, uint32_t num_dep_signals,
                               const hsa_signal_t *dep_signals, hsa_signal_t completion_signal)
{
    return with_runtime([&](Runtime &runtime) {
        if (!dst || !dst_offset || !src || !src_offset || !range || !dst->base || !src->base)
            return HSA_STATUS_ERROR_INVALID_ARGUMENT;
        if (!runtime.agents().find(copy_agent)) return HSA_STATUS_ERROR_INVALID_AGENT;
        // A row that is wider than its pitch would run into the next one.
        if (range->y > 1 && (uint64_t(dst_offset->x) + range->x > dst->pitch ||
                             uint64_t(src_offset->x) + range->x > src->pitch))
            return HSA_STATUS_ERROR_INVALID_ARGUMENT;
        auto job = std::make_unique<CopyJob>();
        HSA_TRY(take_completion(runtime, completion_signal, *job));
        HSA_TRY(take_dependencies(runtime, num_dep_signals, dep_signals, *job));
        job->on_host = [to = *dst, to_offset = *dst_offset, from = *src, from_offset = *src_offset,
                        extent = *range] { copy_rows(to, to_offset, from, from_offset, extent); };
        return runtime.copies().start(std::move(job));
    });
}

hsa_status_t hsa_amd_memory_fill(void *ptr, uint32_t value, size_t count)
{
    return with_runtime([&](Runtime &runtime) {
        if (!ptr || reinterpret_cast<uint64_t>(ptr) % sizeof value)
            return HSA_STATUS_ERROR_INVALID_ARGUMENT;
        bool fits = false;
        runtime.memory().visit(ptr, [&](Allocation &block) {
            const auto offset =
                size_t(static_cast<std::byte *>(ptr) - static_cast<std::byte *>(block.base));
            fits = count <= (block.bytes - offset) / sizeof value;
        });
        if (!fits) return HSA_STATUS_ERROR_INVALID_ALLOCATION;
        std::fill_n(static_cast<uint32_t *>(ptr), count, value);
        return HSA_STATUS_SUCCESS;
    });
}

} // extern "C"
