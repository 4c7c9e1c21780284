// SPDX-License-Identifier: MIT
//
// Launches: the round trip of one packet beside that of a bare cache line, packets a
// second, one matrix-vector product.
#include "bench.h"

#include "acc/kernels.h"

#include <atomic>
#include <cstdlib>
#include <thread>

namespace acc::bench
{
namespace
{

using benchmark::State;

void refuse(State &state, const std::string &why)
{
    state.SkipWithError(why.c_str());
}
void refuse(State &state)
{
    state.SkipWithError(acc_error_text());
}

// A counter of completions that is never re-armed: it only ever falls.
constexpr int64_t plenty = int64_t{1} << 40;

void set_percentiles(State &state, const char *prefix, std::vector<uint64_t> &samples)
{
    state.counters[std::string(prefix) + "_p50_ns"] = percentile(samples, 0.50);
    state.counters[std::string(prefix) + "_p99_ns"] = percentile(samples, 0.99);
}

struct Rounds {
    size_t warm, count;
};
Rounds usual()
{
    return short_run ? Rounds{1'000, 5'000} : Rounds{20'000, 200'000};
}
// In a virtual machine whose every instruction is translated.
Rounds few()
{
    return short_run ? Rounds{100, 500} : Rounds{1'000, 10'000};
}

// Threads that watch a line share the one processor of a virtual machine: whoever has it gives it
// away, for spinning would only keep the other from answering until the next tick.
void spin()
{
    static const bool alone = std::thread::hardware_concurrency() == 1;
    if (alone) std::this_thread::yield();
}

// The least that two processors need to answer each other: one line there and back.
void pingpong(State &state, const char *prefix, const Rounds &rounds = usual())
{
    const size_t warm = rounds.warm, count = rounds.count;
    for (auto _ : state) {
        alignas(64) std::atomic<uint64_t> line{0};
        std::atomic<bool> ready{false};
        std::thread other([&] {
            const Pinned pinned(1);
            ready.store(true, std::memory_order_release);
            for (uint64_t turn = 1; turn <= 2 * (warm + count); turn += 2) {
                while (line.load(std::memory_order_acquire) != turn)
                    spin();
                line.store(turn + 1, std::memory_order_release);
            }
        });
        const Pinned pinned(0);
        while (!ready.load(std::memory_order_acquire))
            spin();
        std::vector<uint64_t> samples;
        samples.reserve(count);
        for (uint64_t i = 0; i < warm + count; ++i) {
            const uint64_t start = now_ns();
            line.store(2 * i + 1, std::memory_order_release);
            while (line.load(std::memory_order_acquire) != 2 * i + 2)
                spin();
            const uint64_t end = now_ns();
            if (i >= warm) samples.push_back(end - start);
        }
        other.join();
        set_percentiles(state, prefix, samples);
    }
}

void noop(State &state, const char *uri, const char *prefix, const Rounds &rounds = usual())
{
    const size_t warm = rounds.warm, count = rounds.count;
    for (auto _ : state) {
        Subject subject;
        if (!subject.open(uri, "noop")) return refuse(state);
        const Queue queue = subject.queue(4096, ACC_QUEUE_SINGLE_PRODUCER);
        const Signal done = subject.signal(plenty);
        if (!queue || !done) return refuse(state);
        const acc_packet packet = subject.packet(done);
        std::vector<uint64_t> samples;
        samples.reserve(count);
        int64_t value = plenty;
        const auto round_trip = [&] {
            if (acc_queue_submit(queue.get(), &packet, 1, ACC_FOREVER, nullptr) < 0) return false;
            return acc_signal_wait(done.get(), ACC_COND_LT, value--, ACC_FOREVER, nullptr) == 0;
        };
        // The device starts its thread with the first packets, before this one is pinned.
        for (size_t i = 0; i < warm / 2; ++i)
            if (!round_trip()) return refuse(state);
        const Pinned pinned(0);
        for (size_t i = 0; i < warm / 2; ++i)
            if (!round_trip()) return refuse(state);
        for (size_t i = 0; i < count; ++i) {
            const uint64_t start = now_ns();
            if (!round_trip()) return refuse(state);
            samples.push_back(now_ns() - start);
        }
        std::string why;
        if (!completed_well(subject, done, why)) return refuse(state, why);
        set_percentiles(state, prefix, samples);
    }
}

// A question that the driver passes on to the device: an ioctl, an admin command, an interrupt.
void query(State &state, const char *uri)
{
    const size_t count = short_run ? 100 : 2'000;
    for (auto _ : state) {
        const auto device = Device::open(uri);
        if (!device) return refuse(state, device.error().text);
        std::vector<uint64_t> samples;
        for (size_t i = 0; i < count; ++i) {
            const uint64_t start = now_ns();
            if (!device->counters()) return refuse(state);
            samples.push_back(now_ns() - start);
        }
        state.counters["node_ioctl_query_ns"] = percentile(samples, 0.5);
    }
}

constexpr size_t batch = 32;

// Publishes `packets` no-op packets in batches; the last one of all completes `done`.
bool produce(const Subject &subject, const Queue &queue, const Signal &done, size_t packets)
{
    std::vector<acc_packet> plain(batch, subject.packet(Signal()));
    for (size_t sent = batch; sent < packets; sent += batch)
        if (acc_queue_submit(queue.get(), plain.data(), batch, ACC_FOREVER, nullptr) < 0)
            return false;
    plain.back() = subject.packet(done);
    plain.back().dispatch.header = ACC_HEADER(ACC_PACKET_DISPATCH, ACC_HEADER_BARRIER);
    return acc_queue_submit(queue.get(), plain.data(), batch, ACC_FOREVER, nullptr) == 0;
}

// Packets a second from `producers` threads: the median of several rounds.
void throughput(State &state, const char *metric, size_t producers, bool shared)
{
    const size_t packets = (short_run ? 1'000 : 60'000) * batch; // in all, each round
    const size_t rounds = short_run ? 1 : 7;
    for (auto _ : state) {
        Subject subject;
        if (!subject.open("inproc:null", "noop")) return refuse(state);
        std::vector<Queue> queues;
        for (size_t i = 0; i < (shared ? 1 : producers); ++i) {
            queues.push_back(subject.queue(4096, shared ? 0 : ACC_QUEUE_SINGLE_PRODUCER));
            if (!queues.back()) return refuse(state);
        }
        std::vector<double> rates;
        for (size_t round = 0; round < rounds; ++round) {
            const Signal done = subject.signal(static_cast<int64_t>(producers));
            if (!done) return refuse(state);
            std::atomic<bool> failed{false};
            std::atomic<bool> go{false};
            std::vector<std::thread> threads;
            const auto one = [&](size_t index) {
                while (!go.load(std::memory_order_acquire)) {
                }
                if (!produce(subject, queues[shared ? 0 : index], done, packets / producers))
                    failed.store(true, std::memory_order_relaxed);
            };
            for (size_t i = 1; i < producers; ++i)
                threads.emplace_back(one, i);
            const uint64_t start = now_ns();
            go.store(true, std::memory_order_release);
            one(0);
            for (std::thread &thread : threads)
                thread.join();
            if (failed.load(std::memory_order_relaxed))
                return refuse(state, "a producer could not submit");
            if (!wait_zero(done)) return refuse(state);
            rates.push_back(static_cast<double>(packets) * 1e9 /
                            static_cast<double>(now_ns() - start));
            std::string why;
            if (!completed_well(subject, done, why)) return refuse(state, why);
        }
        state.counters[metric] = percentile(rates, 0.5);
    }
}

// One dispatch of a 128 × 128 matrix of 8-bit weights over `vectors` 8-bit vectors.
void mvm128(State &state, const char *metric, size_t vectors)
{
    constexpr size_t side = 128;
    const size_t count = short_run ? 20 : 2'000;
    for (auto _ : state) {
        Subject subject;
        if (!subject.open("inproc:crossbar", "mvm128")) return refuse(state);
        const Queue queue = subject.queue(64, ACC_QUEUE_SINGLE_PRODUCER);
        const Signal done = subject.signal(plenty);
        const Buffer in = subject.buffer(side * vectors);
        const Buffer out = subject.buffer(side * vectors * sizeof(int32_t));
        const Buffer arguments = subject.buffer(sizeof(acc_mvm_args));
        if (!queue || !done || !in || !out || !arguments) return refuse(state);
        auto *x = static_cast<int8_t *>(acc_buffer_data(in.get()));
        for (size_t i = 0; i < side * vectors; ++i)
            x[i] = static_cast<int8_t>((i * 2654435761u) >> 13);
        auto *args = static_cast<acc_mvm_args *>(acc_buffer_data(arguments.get()));
        *args = {reinterpret_cast<uintptr_t>(x),
                 reinterpret_cast<uintptr_t>(acc_buffer_data(out.get())),
                 vectors,
                 side,
                 side,
                 ACC_MVM_MULTIPLY,
                 {}};
        const acc_packet packet = subject.packet(done, reinterpret_cast<uintptr_t>(args));
        std::vector<uint64_t> samples;
        int64_t value = plenty;
        for (size_t i = 0; i < count + count / 10 + 1; ++i) {
            const uint64_t start = now_ns();
            if (acc_queue_submit(queue.get(), &packet, 1, ACC_FOREVER, nullptr) < 0 ||
                acc_signal_wait(done.get(), ACC_COND_LT, value--, ACC_FOREVER, nullptr) < 0)
                return refuse(state);
            if (i > count / 10) samples.push_back(now_ns() - start); // the first ones load it
        }
        std::string why;
        if (!completed_well(subject, done, why)) return refuse(state, why);
        state.counters[metric] = percentile(samples, 0.5) / 1e3;
    }
}

} // namespace

namespace
{
void add(const char *name, auto function)
{
    benchmark::RegisterBenchmark(name, function)
        ->Iterations(1)
        ->UseRealTime()
        ->Unit(benchmark::kMillisecond);
}
} // namespace

void register_service(const char *uri)
{
    add("pingpong", [](State &state) { pingpong(state, "pingpong"); });
    add("noop/inproc", [](State &state) { noop(state, "inproc:null", "inproc_noop"); });
    add("noop/unix", [uri](State &state) { noop(state, uri, "unix_noop"); });
}

void register_node(const char *uri)
{
    add("pingpong", [](State &state) { pingpong(state, "guest_pingpong", few()); });
    add("noop/node", [uri](State &state) { noop(state, uri, "node_noop", few()); });
    add("query/node", [uri](State &state) { query(state, uri); });
}

void register_core()
{
    add("pingpong", [](State &state) { pingpong(state, "pingpong"); });
    add("noop", [](State &state) { noop(state, "inproc:null", "inproc_noop"); });
    add("packets/1 producer",
        [](State &state) { throughput(state, "inproc_packets_per_s_1p", 1, false); });
    add("packets/4 producers, 4 queues",
        [](State &state) { throughput(state, "inproc_packets_per_s_4p", 4, false); });
    add("packets/4 producers, 1 queue",
        [](State &state) { throughput(state, "inproc_packets_per_s_4p_shared", 4, true); });
    add("mvm128/1 vector", [](State &state) { mvm128(state, "crossbar_mvm128_us", 1); });
    add("mvm128/64 vectors", [](State &state) { mvm128(state, "crossbar_mvm128_batch64_us", 64); });
}

} // namespace acc::bench
