// SPDX-License-Identifier: MIT
//
// acc-bench-roles: what roles in processes of their own cost, and how fast designs run.
#include "acc/acc.hpp"
#include "acc/kernels.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <ctime>
#include <sched.h>
#include <string>
#include <sys/wait.h>
#include <unistd.h>
#include <vector>

namespace acc::bench
{
namespace
{

bool short_run = false;

uint64_t now_ns()
{
    timespec now = {};
    clock_gettime(CLOCK_MONOTONIC, &now);
    return static_cast<uint64_t>(now.tv_sec) * 1'000'000'000 + static_cast<uint64_t>(now.tv_nsec);
}

[[noreturn]] void fail(const char *what)
{
    std::fprintf(stderr, "acc-bench-roles: %s: %s\n", what, acc_error_text());
    std::exit(1);
}

// A device, a queue and whatever is loaded.
class Client
{
public:
    explicit Client(const std::string &uri)
    {
        auto options = acc_init<acc_device_options>();
        options.spin_ns = 1'000'000'000; // launches, not the sleeper
        acc_device *device = nullptr;
        if (acc_device_open(uri.c_str(), &options, &device)) fail("open");
        device_ = Device(device);
        acc_queue *queue = nullptr;
        if (acc_queue_create(device, nullptr, &queue)) fail("queue");
        queue_ = Queue(queue);
        acc_signal *signal = nullptr;
        if (acc_signal_create(&device, 1, 0, &signal)) fail("signal");
        done_ = Signal(signal);
        kernargs_ = buffer(4096);
    }

    void load(const char *path)
    {
        acc_program *program = nullptr;
        if (acc_program_load_file(device_.get(), path, &program)) fail(path);
        programs_.emplace_back(program);
    }

    uint64_t buffer(size_t bytes)
    {
        acc_buffer *buffer = nullptr;
        if (acc_buffer_create(device_.get(), bytes, nullptr, &buffer)) fail("buffer");
        buffers_.emplace_back(buffer);
        return reinterpret_cast<uint64_t>(acc_buffer_data(buffer));
    }

    uint64_t kernel(const char *name)
    {
        auto info = acc_init<acc_kernel_info>();
        for (const Program &program : programs_)
            if (acc_program_find(program.get(), name, &info) == 0) return info.kernel_object;
        fail(name);
    }

    // One round trip: ns; `modelled`: where its end is on the model's clock.
    template <typename Args>
    uint64_t run(uint64_t kernel, const Args &args, uint64_t *modelled = nullptr)
    {
        std::memcpy(reinterpret_cast<void *>(kernargs_), &args, sizeof args);
        acc_packet packet = {};
        packet.dispatch.header = ACC_HEADER(ACC_PACKET_DISPATCH, 0);
        packet.dispatch.setup = 1;
        packet.dispatch.workgroup_x = packet.dispatch.workgroup_y = packet.dispatch.workgroup_z = 1;
        packet.dispatch.grid_x = packet.dispatch.grid_y = packet.dispatch.grid_z = 1;
        packet.dispatch.kernel_object = kernel;
        packet.dispatch.kernarg_address = kernargs_;
        packet.dispatch.completion_signal = acc_signal_address(done_.get());
        acc_signal_reset(done_.get(), 1);
        const uint64_t start = now_ns();
        if (acc_queue_submit(queue_.get(), &packet, 1, ACC_FOREVER, nullptr) ||
            acc_signal_wait(done_.get(), ACC_COND_LT, 1, ACC_FOREVER, nullptr))
            fail("launch");
        const uint64_t ns = now_ns() - start;
        auto result = acc_init<acc_signal_result>();
        if (acc_signal_get_result(done_.get(), &result) || result.status != ACC_STATUS_OK) {
            auto fault = acc_init<acc_fault_info>();
            (void)acc_device_get_fault(device_.get(), 0, &fault);
            std::fprintf(stderr, "acc-bench-roles: %s\n", fault.text);
            std::exit(1);
        }
        if (modelled) *modelled = result.modelled_ns;
        return ns;
    }

private:
    Device device_;
    std::vector<Program> programs_;
    std::vector<Buffer> buffers_;
    uint64_t kernargs_ = 0;
    Signal done_;
    Queue queue_;
};

double median(std::vector<uint64_t> &samples)
{
    std::nth_element(samples.begin(), samples.begin() + static_cast<ptrdiff_t>(samples.size() / 2),
                     samples.end());
    return static_cast<double>(samples[samples.size() / 2]);
}

// What this machine charges for a turn of another process and back: a byte through a pipe each
// way, both processes on one processor, nothing else done.
double turn_floor_ns()
{
    int there[2], back[2];
    if (pipe(there) || pipe(back)) fail("pipe");
    cpu_set_t before, one;
    CPU_ZERO(&one);
    if (sched_getaffinity(0, sizeof before, &before)) fail("sched_getaffinity");
    for (int cpu = 0; cpu < CPU_SETSIZE && !CPU_COUNT(&one); cpu++)
        if (CPU_ISSET(cpu, &before)) CPU_SET(cpu, &one);
    if (sched_setaffinity(0, sizeof one, &one)) fail("sched_setaffinity");
    const pid_t child = fork();
    if (child < 0) fail("fork");
    char byte = 0;
    if (!child) {
        close(there[1]);
        while (read(there[0], &byte, 1) == 1 && write(back[1], &byte, 1) == 1) {
        }
        _exit(0);
    }
    std::vector<uint64_t> samples;
    for (int i = 0; i < (short_run ? 1'000 : 20'000); i++) {
        const uint64_t start = now_ns();
        if (write(there[1], &byte, 1) != 1 || read(back[0], &byte, 1) != 1) fail("a turn");
        samples.push_back(now_ns() - start);
    }
    for (const int fd : {there[0], there[1], back[0], back[1]})
        close(fd);
    waitpid(child, nullptr, 0);
    if (sched_setaffinity(0, sizeof before, &before)) fail("sched_setaffinity");
    return median(samples);
}

// Median of round trips, one at a time.
template <typename Args>
double noop_ns(Client &client, uint64_t kernel, const Args &args)
{
    std::vector<uint64_t> samples;
    const int count = short_run ? 2'000 : 50'000;
    for (int i = -count / 10; i < count; i++) {
        const uint64_t ns = client.run(kernel, args);
        if (i >= 0) samples.push_back(ns);
    }
    return median(samples);
}

struct Sha256Args {
    uint64_t src, dst;
    uint32_t blocks, reserved;
};

nlohmann::json run(const char *noop, const char *sha256, const char *pipeline, const char *keys)
{
    nlohmann::json metrics;
    metrics["role_turn_p50_ns"] = turn_floor_ns(); // before there is a thread
    for (const auto &[name, isolation] :
         {std::pair("role_noop_p50_ns", "all"), {"role_noop_inproc_p50_ns", "native"}}) {
        Client client(std::string("inproc:fpga:preset=fast,isolation=") + isolation);
        client.load(noop);
        metrics[name] = noop_ns(client, client.kernel(ACC_ROLE_NOOP), uint64_t{0});
    }
    const std::string trusting = std::string("inproc:fpga:preset=fast,keys=") + keys;
    // The shortest dispatch of a design: one token through a stage, with and without a process.
    for (const auto &[name, isolation] :
         {std::pair("rtl_stage_p50_ns", "native"), {"rtl_stage_inproc_p50_ns", "untrusted"}}) {
        Client client(trusting + ",isolation=" + isolation);
        client.load(pipeline);
        const uint64_t one[3] = {client.buffer(64), client.buffer(64), 1};
        metrics[name] = noop_ns(client, client.kernel("first"), one);
    }
    {
        Client client(trusting);
        client.load(sha256);
        const uint64_t kernel = client.kernel("sha256_rtl");
        const uint32_t blocks = short_run ? 1'000 : 40'000;
        Sha256Args args = {client.buffer(size_t{blocks} * 64), client.buffer(32), blocks, 0};
        uint64_t before = 0, after = 0, best = ~0ull;
        client.run(kernel, args, &before);
        for (int i = 0; i < (short_run ? 1 : 5); i++) {
            best = std::min(best, client.run(kernel, args, &after));
            if (i == 0) before = after - before;
        }
        // Modelled at 200 MHz: five ns a cycle.
        metrics["rtl_mcycles_per_s_sha256"] =
            static_cast<double>(before) / 5 * 1e3 / static_cast<double>(best);
    }
    {
        // Two designs take turns in one region: each dispatch loads.
        Client client(trusting + ",regions=1");
        client.load(sha256);
        client.load(pipeline);
        const uint64_t one = client.kernel("sha256_rtl"), other = client.kernel("first");
        const Sha256Args hash = {client.buffer(64), client.buffer(32), 1, 0};
        const uint64_t stage[3] = {client.buffer(64), client.buffer(64), 1};
        std::vector<uint64_t> loads, resident;
        for (int i = 0; i < (short_run ? 5 : 50); i++) {
            client.run(other, stage);
            timespec pause = {0, 10'000'000}; // the pool's next process is there
            nanosleep(&pause, nullptr);
            loads.push_back(client.run(one, hash));
            resident.push_back(client.run(one, hash));
            nanosleep(&pause, nullptr);
        }
        metrics["role_load_wall_ms"] = (median(loads) - median(resident)) / 1e6;
    }
    {
        Client client(trusting);
        client.load(pipeline);
        constexpr size_t items = 256;
        acc_graph_args graph = {};
        graph.input = client.buffer(items * 8);
        graph.output = client.buffer(items * 8);
        graph.items = items;
        const uint64_t one[3] = {graph.input, graph.output, 1};
        const uint64_t all[3] = {graph.input, graph.output, items};
        uint64_t begin = 0, apart = 0, together = 0;
        client.run(client.kernel("first"), one, &begin);
        for (const char *stage : {"first", "second", "third"})
            client.run(client.kernel(stage), all, &apart);
        client.run(client.kernel("pipeline"), graph, &together);
        std::printf("stages of 72, 72, 72 cycles, %zu items: %.1f us apart, %.1f us as a graph\n",
                    items, static_cast<double>(apart - begin) / 1e3,
                    static_cast<double>(together - apart) / 1e3);
        metrics["dataflow_speedup"] =
            static_cast<double>(apart - begin) / static_cast<double>(together - apart);
    }
    return metrics;
}

} // namespace
} // namespace acc::bench

int main(int argc, char **argv)
{
    std::vector<const char *> words;
    const char *out = nullptr;
    for (int i = 1; i < argc; i++) {
        if (!std::strcmp(argv[i], "--short"))
            acc::bench::short_run = true;
        else if (!std::strcmp(argv[i], "--out") && i + 1 < argc)
            out = argv[++i];
        else
            words.push_back(argv[i]);
    }
    if (words.size() != 4) {
        std::fprintf(stderr, "usage: acc-bench-roles [--short] [--out FILE.json] NOOP.accx "
                             "SHA256.accx PIPELINE.accx KEYS\n");
        return 2;
    }
    const std::string text = acc::bench::run(words[0], words[1], words[2], words[3]).dump(2) + "\n";
    std::fputs(text.c_str(), stdout);
    FILE *file = out ? std::fopen(out, "we") : nullptr;
    if (!out) return 0;
    const bool good = file && std::fwrite(text.data(), 1, text.size(), file) == text.size();
    return file && std::fclose(file) == 0 && good ? 0 : 1;
}
