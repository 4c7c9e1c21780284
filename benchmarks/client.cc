// SPDX-License-Identifier: MIT
//
// acc-bench-client: one client process of the daemon benchmarks, led by run.py over its
// standard streams. It prints `ready`, reads the time to begin (CLOCK_MONOTONIC ns), and
//   work SECONDS  keeps at most 256 checked dispatches outstanding until then + SECONDS,
//                 then prints how many have completed
//   sleep         waits on a signal that nobody completes, and prints when it was woken (ns)
//                 if that was because the device is gone
#include "bench.h"

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string_view>

namespace
{

using namespace acc;

constexpr uint32_t window = 256;

int refuse(const char *what)
{
    fprintf(stderr, "acc-bench-client: %s: %s\n", what, acc_error_text());
    return 1;
}

bool read_start(uint64_t &start)
{
    unsigned long long at = 0;
    printf("ready\n");
    fflush(stdout);
    if (scanf("%llu", &at) != 1) return false;
    start = at;
    return true;
}

void sleep_until(uint64_t at)
{
    timespec deadline = {time_t(at / 1'000'000'000), long(at % 1'000'000'000)};
    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &deadline, nullptr) == EINTR) {
    }
}

// What one outstanding dispatch reads, writes and completes.
struct Slot {
    acc_null_args args;
    uint64_t source, destination;
    uint64_t padding[2];
};
static_assert(sizeof(Slot) == 64);

int work(const bench::Subject &subject, double seconds)
{
    const Queue queue = subject.queue(window, ACC_QUEUE_SINGLE_PRODUCER);
    const Buffer memory = subject.buffer(window * sizeof(Slot));
    std::vector<Signal> signals;
    for (uint32_t i = 0; i < window; i++)
        signals.push_back(subject.signal(0));
    if (!queue || !memory || !signals.back()) return refuse("cannot prepare");
    auto *const slots = static_cast<Slot *>(acc_buffer_data(memory.get()));
    std::vector<acc_packet> packets(window);
    for (uint32_t i = 0; i < window; i++) {
        slots[i].args = {reinterpret_cast<uint64_t>(&slots[i].source),
                         reinterpret_cast<uint64_t>(&slots[i].destination), sizeof(uint64_t), 0};
        packets[i] = subject.packet(signals[i], reinterpret_cast<uint64_t>(&slots[i].args));
    }
    uint64_t start = 0;
    if (!read_start(start)) return 1;
    sleep_until(start);
    const uint64_t end = start + uint64_t(seconds * 1e9);
    uint64_t sent = 0, done = 0, counted = 0;
    bool over = false;
    while (!over || done < sent) {
        // Fill the window, in at most two pieces where it wraps around.
        while (!over && sent - done < window) {
            const uint32_t first = uint32_t(sent % window);
            const uint32_t count =
                std::min(uint32_t(window - (sent - done)), uint32_t(window - first));
            for (uint32_t i = first; i < first + count; i++) {
                slots[i].source = (sent + i - first) * 0x9e3779b97f4a7c15u;
                slots[i].destination = 0;
                acc_signal_reset(signals[i].get(), 1);
            }
            if (acc_queue_submit(queue.get(), &packets[first], count, ACC_FOREVER, nullptr) < 0)
                return refuse("submit");
            sent += count;
        }
        const uint32_t oldest = uint32_t(done % window);
        if (acc_signal_wait(signals[oldest].get(), ACC_COND_EQ, 0, ACC_FOREVER, nullptr) < 0)
            return refuse("wait");
        for (; done < sent && acc_signal_load(signals[done % window].get()) == 0; done++) {
            const Slot &slot = slots[done % window];
            if (slot.destination == done * 0x9e3779b97f4a7c15u) continue;
            fprintf(stderr, "acc-bench-client: expected %#lx; found %#lx\n",
                    done * 0x9e3779b97f4a7c15u, slot.destination);
            return 1;
        }
        over = bench::now_ns() >= end;
        if (!over) counted = done;
    }
    std::string why;
    if (!bench::completed_well(subject, signals[0], why)) {
        fprintf(stderr, "acc-bench-client: %s\n", why.c_str());
        return 1;
    }
    printf("%llu\n", static_cast<unsigned long long>(counted));
    return 0;
}

int wait_for_the_end(const bench::Subject &subject)
{
    const Signal never = subject.signal(1);
    uint64_t start = 0;
    if (!never || !read_start(start)) return refuse("cannot prepare");
    const int error = acc_signal_wait(never.get(), ACC_COND_EQ, 0, ACC_FOREVER, nullptr);
    const uint64_t now = bench::now_ns();
    if (error != -ENODEV) return refuse("expected ENODEV");
    printf("%llu\n", static_cast<unsigned long long>(now));
    return 0;
}

} // namespace

int main(int argc, char **argv)
{
    const std::string_view mode = argc > 2 ? argv[2] : "";
    if (!((mode == "work" && argc == 4) || (mode == "sleep" && argc == 3))) {
        fprintf(stderr, "usage: acc-bench-client URI work SECONDS | sleep\n");
        return 2;
    }
    bench::Subject subject;
    if (!subject.open(argv[1], "copy", 0)) return refuse(argv[1]);
    return mode == "work" ? work(subject, atof(argv[3])) : wait_for_the_end(subject);
}
