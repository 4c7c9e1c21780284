// SPDX-License-Identifier: MIT
//
// acc-bench-fpga-client: one process that shares an FPGA, led over its standard streams.
//
//   acc-bench-fpga-client URI REQUESTS BATCH ELEMENTS GAP_US KERNEL...
//
// It prints `ready` and reads the time to begin (CLOCK_MONOTONIC ns). Then it sends REQUESTS
// requests, GAP_US after the end of the one before: BATCH dispatches over ELEMENTS elements
// each of the kernels in turn. It checks every result and prints each request's response in
// ns, a line each. REQUESTS 0: until it is killed. KERNEL is one of the bench image's, or
// FILE.accx:adder for the design of docs/roles.md.
#include "bench.h"

#include "acc/kernels.h"

#include <cerrno>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <string_view>

namespace
{

using namespace acc;

int refuse(const std::string &what)
{
    fprintf(stderr, "acc-bench-fpga-client: %s: %s\n", what.c_str(), acc_error_text());
    return 1;
}

void sleep_until(uint64_t at)
{
    timespec deadline = {time_t(at / 1'000'000'000), long(at % 1'000'000'000)};
    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &deadline, nullptr) == EINTR) {
    }
}

// A kernel with memory of its own: arguments, input, output.
struct Job {
    std::string name;
    acc_kernel_info kernel;
    Program own; // of a file
    Buffer memory;
    uint64_t elements = 0;

    float *in() const { return static_cast<float *>(acc_buffer_data(memory.get())) + 64; }
    float *out() const { return in() + elements; }
    static uint32_t *words(float *array) { return reinterpret_cast<uint32_t *>(array); }
    bool of_bytes() const { return name == "quantize" || name == "dequantize"; }

    bool prepare(const bench::Subject &subject, uint64_t count)
    {
        elements = count;
        kernel = ACC_INIT(acc_kernel_info);
        memory = subject.buffer((64 + 2 * count) * sizeof(float));
        if (!memory || !find(subject)) return false;
        const auto address = [](const void *p) { return reinterpret_cast<uint64_t>(p); };
        if (own) {
            const uint64_t args[] = {address(in()), address(out()), count};
            std::memcpy(acc_buffer_data(memory.get()), &args, sizeof args);
        } else if (of_bytes()) {
            const acc_quantize_args args = {address(in()), address(out()), count, 0.5f, 1};
            std::memcpy(acc_buffer_data(memory.get()), &args, sizeof args);
        } else {
            const bool pair = name == "add" || name == "mul", clip = name == "clip";
            const acc_elementwise_f32_args args = {
                address(in()),    pair ? address(in()) : 0, address(out()), count,
                pair ? count : 0, clip ? -2.f : 0,          clip ? 3.f : 0};
            std::memcpy(acc_buffer_data(memory.get()), &args, sizeof args);
        }
        return true;
    }
    bool find(const bench::Subject &subject)
    {
        const size_t colon = name.find(".accx:");
        acc_program *program = subject.program.get();
        if (colon != std::string::npos) {
            acc_program *made = nullptr;
            const std::string file = name.substr(0, colon + 5);
            if (acc_program_load_file(subject.device.get(), file.c_str(), &made) < 0) return false;
            own = Program(made);
            program = made;
            name = name.substr(colon + 6);
        }
        return acc_program_find(program, name.c_str(), &kernel) == 0;
    }
    void clear(uint64_t round) const
    {
        for (uint64_t i = 0; i < elements; i++) {
            if (own)
                words(in())[i] = uint32_t(i + round);
            else if (name == "dequantize")
                reinterpret_cast<int8_t *>(in())[i] = int8_t(i + round);
            else
                in()[i] = float(int((i + round) % 15) - 7);
        }
        std::memset(out(), 0xff, elements * sizeof(float));
    }
    bool right() const
    {
        for (uint64_t i = 0; i < elements; i++) {
            if (own) {
                if (words(out())[i] != words(in())[i] + 1) return false;
                continue;
            }
            if (name == "dequantize") {
                if (out()[i] != 0.5f * float(reinterpret_cast<int8_t *>(in())[i] - 1)) return false;
                continue;
            }
            const float x = in()[i];
            if (name == "quantize") {
                if (reinterpret_cast<int8_t *>(out())[i] != int8_t(2 * x + 1)) return false;
                continue;
            }
            const float y = name == "relu"  ? std::max(x, 0.f)
                            : name == "add" ? x + x
                            : name == "mul" ? x * x
                                            : std::min(std::max(x, -2.f), 3.f);
            if (out()[i] != y) return false;
        }
        return true;
    }
};

int work(const bench::Subject &subject, uint64_t requests, uint32_t batch, uint64_t elements,
         uint64_t gap_ns, std::vector<Job> &jobs)
{
    const Queue queue = subject.queue(256, ACC_QUEUE_SINGLE_PRODUCER);
    const Signal done = subject.signal(0);
    if (!queue || !done) return refuse("cannot prepare");
    for (Job &job : jobs)
        if (!job.prepare(subject, elements)) return refuse(job.name);
    unsigned long long start = 0;
    printf("ready\n");
    fflush(stdout);
    if (scanf("%llu", &start) != 1) return 1;
    sleep_until(start);
    for (uint64_t request = 0; !requests || request < requests; request++) {
        for (const Job &job : jobs)
            job.clear(request);
        acc_signal_reset(done.get(), int64_t(batch * jobs.size()));
        std::vector<acc_packet> packets;
        for (const Job &job : jobs) {
            acc_packet packet =
                subject.packet(done, reinterpret_cast<uint64_t>(acc_buffer_data(job.memory.get())));
            packet.dispatch.kernel_object = job.kernel.kernel_object;
            packets.insert(packets.end(), batch, packet);
        }
        const uint64_t begin = bench::now_ns();
        if (acc_queue_submit(queue.get(), packets.data(), uint32_t(packets.size()), ACC_FOREVER,
                             nullptr) < 0 ||
            !bench::wait_zero(done))
            return refuse("request");
        const uint64_t end = bench::now_ns();
        std::string why;
        if (!bench::completed_well(subject, done, why)) {
            fprintf(stderr, "acc-bench-fpga-client: %s\n", why.c_str());
            return 1;
        }
        for (const Job &job : jobs) {
            if (job.right()) continue;
            fprintf(stderr, "acc-bench-fpga-client: %s: the result is wrong\n", job.name.c_str());
            return 1;
        }
        printf("%llu\n", static_cast<unsigned long long>(end - begin));
        sleep_until(bench::now_ns() + gap_ns);
    }
    return 0;
}

} // namespace

int main(int argc, char **argv)
{
    if (argc < 7) {
        fprintf(stderr, "usage: acc-bench-fpga-client URI REQUESTS BATCH ELEMENTS GAP_US "
                        "KERNEL...\n");
        return 2;
    }
    bench::Subject subject;
    // Four clients on few processors: who spins takes the device's.
    if (!subject.open(argv[1], "relu", 1)) return refuse(argv[1]);
    std::vector<Job> jobs(size_t(argc - 6));
    for (size_t i = 0; i < jobs.size(); i++)
        jobs[i].name = argv[6 + i];
    const auto number = [&](int at) { return strtoull(argv[at], nullptr, 10); };
    return work(subject, number(2), uint32_t(number(3)), number(4), number(5) * 1000, jobs);
}
