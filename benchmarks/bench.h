// SPDX-License-Identifier: MIT
//
// What the benchmarks share. Each one puts its metrics, "name" -> number, into the counters
// of its Google Benchmark run; main.cc collects them into one flat object.
#pragma once

#include "acc/acc.hpp"
#include "acc/kernels.h"

#include <benchmark/benchmark.h>

#include <algorithm>
#include <cstdint>
#include <ctime>
#include <string>
#include <vector>

namespace acc::bench
{

// Short runs prove that everything works; their numbers mean little.
extern bool short_run;

void register_core();
// Launches over a URI beside those in process; metrics begin with `unix_`.
void register_service(const char *uri);
// The same over a kernel driver's node, and an ioctl; metrics begin with `node_`, and the
// machine's own reference with `guest_`, because it is another one.
void register_node(const char *uri);
void register_fpga();   // launches and loads of roles in regions
void register_memory(); // first of all: it measures what a first open costs

inline uint64_t now_ns()
{
    timespec now = {};
    clock_gettime(CLOCK_MONOTONIC, &now);
    return static_cast<uint64_t>(now.tv_sec) * 1'000'000'000 + static_cast<uint64_t>(now.tv_nsec);
}

// A device with one kernel of the bench image and a signal; queues are the benchmark's.
// Everything false or null has an error in acc_error_text().
struct Subject {
    Device device;
    Program program;
    acc_kernel_info kernel;

    // Waits spin long unless told otherwise (0: the library's default): a benchmark of
    // launches must not measure the sleeper.
    bool open(const char *uri, const char *kernel_name, uint64_t spin_ns = 1'000'000'000);
    Queue queue(uint32_t packets, uint32_t flags) const;
    Signal signal(int64_t initial) const;
    Buffer buffer(size_t bytes) const;
    // A dispatch of the kernel; completion 0: none.
    acc_packet packet(const Signal &completion, uint64_t kernargs = 0) const;
};

// Waits until every completion that a signal counts has happened.
bool wait_zero(const Signal &signal);
// False, with the text of the fault in `why`, when the last completion had an error.
bool completed_well(const Subject &subject, const Signal &signal, std::string &why);

// Keeps the calling thread on one processor of those that it may use, and gives it all of
// them back at the end. Threads started meanwhile would inherit it: start them before.
class Pinned
{
public:
    explicit Pinned(unsigned index);
    ~Pinned();
    Pinned(const Pinned &) = delete;
    Pinned &operator=(const Pinned &) = delete;

private:
    std::vector<unsigned char> before_; // a cpu_set_t
};

// The value below which a part (0…1) of the samples lies. The samples are reordered.
template <typename T>
double percentile(std::vector<T> &samples, double part)
{
    const auto at = samples.begin() +
                    static_cast<std::ptrdiff_t>(part * static_cast<double>(samples.size() - 1));
    std::nth_element(samples.begin(), at, samples.end());
    return static_cast<double>(*at);
}

} // namespace acc::bench
