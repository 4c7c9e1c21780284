// SPDX-License-Identifier: MIT
//
// acc-bench: runs the core benchmarks and writes their metrics as one flat JSON object.
#include "bench.h"

#include <nlohmann/json.hpp>

#include <cmath>
#include <cstdio>
#include <cstring>
#include <map>
#include <string_view>

namespace
{

// Google Benchmark's console, which also keeps the counters of each run: our metrics.
class Collector : public benchmark::ConsoleReporter
{
public:
    Collector() : ConsoleReporter(OO_None) {}

    void ReportRuns(const std::vector<Run> &runs) override
    {
        for (const Run &run : runs) {
            if (run.error_occurred) {
                failed_ = true;
                fprintf(stderr, "acc-bench: %s: %s\n", run.benchmark_name().c_str(),
                        run.error_message.c_str());
                continue;
            }
            for (const auto &[name, counter] : run.counters) {
                metrics_[name] = counter.value;
                printf("%-34s %14.6g\n", name.c_str(), counter.value);
            }
        }
        fflush(stdout);
    }

    bool failed() const { return failed_; }
    const std::map<std::string, double> &metrics() const { return metrics_; }

private:
    std::map<std::string, double> metrics_;
    bool failed_ = false;
};

bool write_json(const char *path, const std::map<std::string, double> &metrics)
{
    const std::string text = nlohmann::json(metrics).dump(2) + "\n";
    FILE *file = fopen(path, "we");
    const bool good = file && fwrite(text.data(), 1, text.size(), file) == text.size();
    if (file && fclose(file) == 0 && good) return true;
    fprintf(stderr, "acc-bench: %s: %s\n", path, strerror(errno));
    return false;
}

} // namespace

int main(int argc, char **argv)
{
    benchmark::Initialize(&argc, argv); // takes its own --benchmark_… words
    const char *out = nullptr, *service = nullptr, *node = nullptr;
    bool fpga = false;
    for (int i = 1; i < argc; ++i) {
        const std::string_view word = argv[i];
        if (word == "--short") {
            acc::bench::short_run = true;
        } else if (word == "--fpga") {
            fpga = true;
        } else if (word == "--out" && i + 1 < argc) {
            out = argv[++i];
        } else if (word == "--service" && i + 1 < argc) {
            service = argv[++i];
        } else if (word == "--node" && i + 1 < argc) {
            node = argv[++i];
        } else {
            fprintf(stderr, "usage: acc-bench [--short] [--fpga | --service URI | --node URI] "
                            "[--out FILE.json] [--benchmark_...]\n");
            return 2;
        }
    }
    if (node) {
        acc::bench::register_node(node);
    } else if (service) {
        acc::bench::register_service(service);
    } else if (fpga) {
        acc::bench::register_fpga();
    } else {
        acc::bench::register_memory();
        acc::bench::register_core();
    }
    Collector collector;
    if (benchmark::RunSpecifiedBenchmarks(&collector) == 0) {
        fprintf(stderr, "acc-bench: no benchmark fits the filter\n");
        return 1;
    }
    if (out && !write_json(out, collector.metrics())) return 1;
    return collector.failed() ? 1 : 0;
}
