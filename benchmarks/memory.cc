// SPDX-License-Identifier: MIT
//
// What a device costs while nothing runs on it: resident memory, processor time.
#include "bench.h"

#include <cstdio>
#include <sys/resource.h>
#include <unistd.h>

namespace acc::bench
{
namespace
{

using benchmark::State;

double resident_mb()
{
    unsigned long size = 0, resident = 0;
    FILE *file = fopen("/proc/self/statm", "re");
    if (!file) return 0;
    if (fscanf(file, "%lu %lu", &size, &resident) != 2) resident = 0;
    fclose(file);
    return static_cast<double>(resident) * static_cast<double>(sysconf(_SC_PAGESIZE)) / (1 << 20);
}

double cpu_seconds()
{
    rusage usage = {};
    getrusage(RUSAGE_SELF, &usage);
    return static_cast<double>(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
           static_cast<double>(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

// One dispatch, from submission to its end.
bool use(const Subject &subject, const Queue &queue, std::string &why)
{
    const Signal done = subject.signal(1);
    const acc_packet packet = subject.packet(done);
    if (!done || acc_queue_submit(queue.get(), &packet, 1, ACC_FOREVER, nullptr) < 0 ||
        !wait_zero(done)) {
        why = acc_error_text();
        return false;
    }
    return completed_well(subject, done, why);
}

// The growth by an open, each engine's first in this process; the largest is the metric.
void open_rss(State &state)
{
    for (auto _ : state) {
        std::vector<Device> devices;
        double most = 0;
        for (const char *uri : {"inproc:null", "inproc:crossbar", "inproc:fpga"}) {
            const double before = resident_mb();
            acc_device *opened = nullptr;
            if (acc_device_open(uri, nullptr, &opened) < 0)
                return state.SkipWithError(acc_error_text());
            devices.emplace_back(opened);
            most = std::max(most, resident_mb() - before);
        }
        state.counters["open_rss_mb"] = most;
    }
}

// The process's processor time in a second with an open device and a queue that worked.
void idle_cpu(State &state)
{
    const unsigned pause_us = short_run ? 200'000 : 1'000'000;
    for (auto _ : state) {
        Subject subject;
        if (!subject.open("inproc:null", "noop")) return state.SkipWithError(acc_error_text());
        const Queue queue = subject.queue(256, 0);
        if (!queue) return state.SkipWithError(acc_error_text());
        std::string why;
        for (int i = 0; i < 100; ++i)
            if (!use(subject, queue, why)) return state.SkipWithError(why.c_str());
        usleep(100'000); // until every spin budget is used up
        const double cpu = cpu_seconds();
        const uint64_t start = now_ns();
        usleep(pause_us);
        const double wall = static_cast<double>(now_ns() - start) / 1e9;
        state.counters["idle_cpu_percent"] = 100 * (cpu_seconds() - cpu) / wall;
        // And it is still there.
        if (!use(subject, queue, why)) return state.SkipWithError(why.c_str());
    }
}

} // namespace

void register_memory()
{
    benchmark::RegisterBenchmark("open", open_rss)->Iterations(1)->Unit(benchmark::kMillisecond);
    benchmark::RegisterBenchmark("idle", idle_cpu)
        ->Iterations(1)
        ->UseRealTime()
        ->Unit(benchmark::kMillisecond);
}

} // namespace acc::bench
