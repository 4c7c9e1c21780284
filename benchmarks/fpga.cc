// SPDX-License-Identifier: MIT
//
// Regions: launches of a role that is resident, and how long a load really takes.
#include "bench.h"

#include "acc/kernels.h"

#include <cstring>

namespace acc::bench
{
namespace
{

using benchmark::State;

void refuse(State &state)
{
    state.SkipWithError(acc_error_text());
}

// A role that does next to nothing: four floats.
struct Page {
    acc_elementwise_f32_args args;
    float in[4], out[4];
};

void role_launches(State &state)
{
    constexpr uint32_t burst = 32;
    const uint32_t rounds = short_run ? 2 : 7, bursts = short_run ? 200 : 20'000;
    Subject subject;
    if (!subject.open("inproc:fpga:regions=2", "relu")) return refuse(state);
    const Queue queue = subject.queue(4096, ACC_QUEUE_SINGLE_PRODUCER);
    const Buffer memory = subject.buffer(sizeof(Page));
    const Signal done = subject.signal(0);
    if (!queue || !memory || !done) return refuse(state);
    auto *page = static_cast<Page *>(acc_buffer_data(memory.get()));
    *page = {{reinterpret_cast<uint64_t>(page->in), 0, reinterpret_cast<uint64_t>(page->out), 4, 0,
              0, 0},
             {-1, 2, -3, 4},
             {}};
    const uint64_t kernargs = reinterpret_cast<uint64_t>(&page->args);
    std::vector<acc_packet> packets(burst, subject.packet(Signal(), kernargs));
    acc_packet last = packets[0];
    last.dispatch.completion_signal = acc_signal_address(done.get());
    std::vector<double> rates;
    for (auto _ : state) {
        for (uint32_t round = 0; round <= rounds; round++) { // the first one loads, and warms
            acc_signal_reset(done.get(), 1);
            const uint64_t begin = now_ns();
            for (uint32_t i = 0; i < bursts; i++) {
                packets[burst - 1] = i + 1 == bursts ? last : packets[0];
                if (acc_queue_submit(queue.get(), packets.data(), burst, ACC_FOREVER, nullptr) < 0)
                    return refuse(state);
            }
            if (!wait_zero(done)) return refuse(state);
            if (round) rates.push_back(double(burst) * bursts * 1e9 / double(now_ns() - begin));
        }
    }
    std::string why;
    if (!completed_well(subject, done, why)) return state.SkipWithError(why.c_str());
    if (page->out[0] != 0 || page->out[1] != 2)
        return state.SkipWithError("expected relu of the input; found something else");
    acc_device_counters counters = ACC_INIT(acc_device_counters);
    if (acc_device_get_counters(subject.device.get(), &counters) < 0) return refuse(state);
    if (counters.loads != 1) return state.SkipWithError("expected one load; found more");
    state.counters["role_launches_per_s"] = percentile(rates, 0.5);
}

// From the call that asks for it to its return, region empty before.
void region_load(State &state)
{
    const uint32_t rounds = short_run ? 5 : 200;
    Subject subject;
    if (!subject.open("inproc:fpga:regions=1", "relu")) return refuse(state);
    std::vector<uint64_t> samples;
    for (auto _ : state) {
        for (uint32_t i = 0; i < rounds; i++) {
            const uint64_t begin = now_ns();
            if (acc_program_prefetch(subject.program.get(), subject.kernel.index) < 0)
                return refuse(state);
            samples.push_back(now_ns() - begin);
            acc_kernel_info info = ACC_INIT(acc_kernel_info);
            if (acc_program_kernel(subject.program.get(), subject.kernel.index, &info) < 0)
                return refuse(state);
            if (info.slot != 0)
                return state.SkipWithError("expected the role in region 0; found it elsewhere");
            if (acc_device_reset_slot(subject.device.get(), 0) < 0) return refuse(state);
        }
    }
    state.counters["region_load_wall_ms"] = percentile(samples, 0.5) / 1e6;
}

} // namespace

void register_fpga()
{
    benchmark::RegisterBenchmark("role launches", role_launches)->Iterations(1);
    benchmark::RegisterBenchmark("region load", region_load)->Iterations(1);
}

} // namespace acc::bench
