// SPDX-License-Identifier: MIT
//
// acc-bench-hsa: what the HSA facade adds to libacc. The same round trip of the same no-op
// by both, in turns of one process, so that both meet the same machine; and packets a second.
#include "bench.h"

#include <hsa/hsa.h>

#include <nlohmann/json.hpp>

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string_view>

extern const unsigned char acc_bench_image[];
extern const size_t acc_bench_image_bytes;

namespace acc::bench
{
namespace
{

constexpr int64_t plenty = int64_t{1} << 40;

[[noreturn]] void fail(const char *what)
{
    std::fprintf(stderr, "acc-bench-hsa: %s\n", what);
    std::exit(1);
}

void check(hsa_status_t status, const char *what)
{
    if (status != HSA_STATUS_SUCCESS) fail(what);
}
#define CHECK(call) check(call, #call)

// An HSA program's side: the first kernel agent, its queue, the no-op and a signal.
class HsaSide
{
public:
    HsaSide()
    {
        setenv("ACC_DEVICE", "inproc:null", 1);
        CHECK(hsa_init());
        hsa_agent_t agent = {0};
        (void)hsa_iterate_agents(
            [](hsa_agent_t found, void *data) {
                hsa_agent_feature_t feature = {};
                CHECK(hsa_agent_get_info(found, HSA_AGENT_INFO_FEATURE, &feature));
                if (!(feature & HSA_AGENT_FEATURE_KERNEL_DISPATCH)) return HSA_STATUS_SUCCESS;
                *static_cast<hsa_agent_t *>(data) = found;
                return HSA_STATUS_INFO_BREAK;
            },
            &agent);
        hsa_code_object_reader_t reader = {0};
        hsa_executable_symbol_t symbol = {0};
        CHECK(hsa_code_object_reader_create_from_memory(acc_bench_image, acc_bench_image_bytes,
                                                        &reader));
        CHECK(hsa_executable_create_alt(HSA_PROFILE_BASE, HSA_DEFAULT_FLOAT_ROUNDING_MODE_NEAR,
                                        nullptr, &executable_));
        CHECK(hsa_executable_load_agent_code_object(executable_, agent, reader, nullptr, nullptr));
        CHECK(hsa_executable_freeze(executable_, nullptr));
        CHECK(hsa_code_object_reader_destroy(reader));
        CHECK(hsa_executable_get_symbol_by_name(executable_, "noop", &agent, &symbol));
        CHECK(hsa_executable_symbol_get_info(symbol, HSA_EXECUTABLE_SYMBOL_INFO_KERNEL_OBJECT,
                                             &noop_.kernel_object));
        CHECK(hsa_queue_create(agent, 4096, HSA_QUEUE_TYPE_SINGLE, nullptr, nullptr, UINT32_MAX,
                               UINT32_MAX, &queue_));
        CHECK(hsa_signal_create(plenty, 0, nullptr, &noop_.completion_signal));
        noop_.setup = 1;
        noop_.workgroup_size_x = noop_.workgroup_size_y = noop_.workgroup_size_z = 1;
        noop_.grid_size_x = noop_.grid_size_y = noop_.grid_size_z = 1;
    }
    ~HsaSide()
    {
        CHECK(hsa_queue_destroy(queue_));
        CHECK(hsa_signal_destroy(noop_.completion_signal));
        CHECK(hsa_executable_destroy(executable_));
        CHECK(hsa_shut_down());
    }
    HsaSide(const HsaSide &) = delete;
    HsaSide &operator=(const HsaSide &) = delete;

    void round_trip()
    {
        publish(noop_, header(HSA_PACKET_TYPE_KERNEL_DISPATCH) | uint32_t(noop_.setup) << 16);
        ring();
        while (hsa_signal_wait_scacquire(noop_.completion_signal, HSA_SIGNAL_CONDITION_LT, value_,
                                         UINT64_MAX, HSA_WAIT_STATE_ACTIVE) >= value_) {
        }
        value_--;
    }

    // Barrier packets a second, rung for in batches; the last one completes.
    double barriers_per_s(size_t count)
    {
        constexpr size_t batch = 32;
        const uint64_t start = now_ns();
        hsa_barrier_and_packet_t packet = {};
        for (size_t i = 0; i < count; i++) {
            if (i + 1 == count) packet.completion_signal = noop_.completion_signal;
            publish(packet, header(HSA_PACKET_TYPE_BARRIER_AND));
            if (i % batch == batch - 1 || i + 1 == count) ring();
        }
        while (hsa_signal_wait_scacquire(noop_.completion_signal, HSA_SIGNAL_CONDITION_LT, value_,
                                         UINT64_MAX, HSA_WAIT_STATE_ACTIVE) >= value_) {
        }
        value_--;
        return static_cast<double>(count) * 1e9 / static_cast<double>(now_ns() - start);
    }

private:
    static uint32_t header(hsa_packet_type_t type)
    {
        return uint32_t(type) << HSA_PACKET_HEADER_TYPE |
               uint32_t(HSA_FENCE_SCOPE_SYSTEM) << HSA_PACKET_HEADER_SCACQUIRE_FENCE_SCOPE |
               uint32_t(HSA_FENCE_SCOPE_SYSTEM) << HSA_PACKET_HEADER_SCRELEASE_FENCE_SCOPE;
    }

    // As the specification's single producer does it.
    template <typename Packet>
    void publish(const Packet &packet, uint32_t first)
    {
        const uint64_t index = hsa_queue_load_write_index_relaxed(queue_);
        while (index - hsa_queue_load_read_index_scacquire(queue_) >= queue_->size) {
        }
        hsa_queue_store_write_index_relaxed(queue_, index + 1);
        auto *slot = static_cast<std::byte *>(queue_->base_address) +
                     (index & (queue_->size - 1)) * sizeof packet;
        std::memcpy(slot + 4, reinterpret_cast<const std::byte *>(&packet) + 4, sizeof packet - 4);
        std::atomic_ref(*reinterpret_cast<uint32_t *>(slot))
            .store(first, std::memory_order_release);
        last_ = index;
    }
    void ring()
    {
        hsa_signal_store_screlease(queue_->doorbell_signal, static_cast<int64_t>(last_));
    }

    hsa_executable_t executable_ = {0};
    hsa_queue_t *queue_ = nullptr;
    hsa_kernel_dispatch_packet_t noop_ = {};
    uint64_t last_ = 0;
    int64_t value_ = plenty;
};

// The same by acc.h.
class AccSide
{
public:
    AccSide()
    {
        if (!subject_.open("inproc:null", "noop")) fail(acc_error_text());
        queue_ = subject_.queue(4096, ACC_QUEUE_SINGLE_PRODUCER);
        done_ = subject_.signal(plenty);
        if (!queue_ || !done_) fail(acc_error_text());
        packet_ = subject_.packet(done_);
    }

    void round_trip()
    {
        if (acc_queue_submit(queue_.get(), &packet_, 1, ACC_FOREVER, nullptr) ||
            acc_signal_wait(done_.get(), ACC_COND_LT, value_--, ACC_FOREVER, nullptr))
            fail(acc_error_text());
    }

private:
    Subject subject_;
    Queue queue_;
    Signal done_;
    acc_packet packet_ = {};
    int64_t value_ = plenty;
};

template <typename Side>
void measure(Side &side, size_t count, std::vector<uint64_t> &samples)
{
    for (size_t i = 0; i < count / 10; i++)
        side.round_trip(); // the other one's device has gone to sleep, this one's comes back
    for (size_t i = 0; i < count; i++) {
        const uint64_t start = now_ns();
        side.round_trip();
        samples.push_back(now_ns() - start);
    }
}

nlohmann::json run()
{
    const size_t turns = short_run ? 2 : 20, count = short_run ? 2'000 : 10'000;
    const size_t barriers = short_run ? 50'000 : 2'000'000, rounds = short_run ? 1 : 7;
    AccSide acc;
    HsaSide hsa;
    acc.round_trip(); // the devices start their threads before this one is pinned
    hsa.round_trip();
    const Pinned pinned(0);
    std::vector<uint64_t> acc_ns, hsa_ns;
    for (size_t turn = 0; turn < turns; turn++) {
        measure(acc, count, acc_ns);
        measure(hsa, count, hsa_ns);
    }
    std::vector<double> rates;
    for (size_t round = 0; round < rounds; round++)
        rates.push_back(hsa.barriers_per_s(barriers));
    nlohmann::json metrics;
    const double without = percentile(acc_ns, 0.5), with = percentile(hsa_ns, 0.5);
    metrics["inproc_noop_p50_ns"] = without;
    metrics["hsa_noop_p50_ns"] = with;
    metrics["hsa_noop_p99_ns"] = percentile(hsa_ns, 0.99);
    metrics["hsa_overhead_percent"] = (with - without) / without * 100;
    metrics["hsa_barrier_packets_per_s"] = percentile(rates, 0.5);
    return metrics;
}

} // namespace
} // namespace acc::bench

int main(int argc, char **argv)
{
    const char *out = nullptr;
    for (int i = 1; i < argc; ++i) {
        const std::string_view word = argv[i];
        if (word == "--short") {
            acc::bench::short_run = true;
        } else if (word == "--out" && i + 1 < argc) {
            out = argv[++i];
        } else {
            std::fprintf(stderr, "usage: acc-bench-hsa [--short] [--out FILE.json]\n");
            return 2;
        }
    }
    const std::string text = acc::bench::run().dump(2) + "\n";
    std::fputs(text.c_str(), stdout);
    FILE *file = out ? std::fopen(out, "we") : nullptr;
    if (!out) return 0;
    const bool good = file && std::fwrite(text.data(), 1, text.size(), file) == text.size();
    return file && std::fclose(file) == 0 && good ? 0 : 1;
}
