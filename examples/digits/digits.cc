// SPDX-License-Identifier: MIT
//
// digits FILE.accx DATA: recognises the held-out digits of DATA on the devices, compares
// with the float network and says what it cost. demo.sh compiles FILE first.
#include "digits.h"

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <string_view>
#include <unistd.h>

namespace digits
{
namespace
{

constexpr double least_accuracy = 96.0;  // percent
constexpr double most_below_float = 0.5; // points
constexpr uint64_t rate_ns = 1'000'000'000;

struct Options {
    std::string file, data, json, raw;
    std::vector<std::string> devices;
    uint32_t batch = 50;
    bool check = false;
};

int refuse(const std::string &text)
{
    fprintf(stderr, "digits: %s\n", text.c_str());
    return 1;
}

bool parse(int argc, char **argv, Options &options)
{
    std::vector<std::string> plain;
    for (int i = 1; i < argc; ++i) {
        const std::string_view word = argv[i];
        const bool last = i + 1 == argc;
        if (word == "--check") {
            options.check = true;
        } else if (word == "--json" && !last) {
            options.json = argv[++i];
        } else if (word == "--raw" && !last) {
            options.raw = argv[++i];
        } else if (word == "--device" && !last) {
            options.devices.emplace_back(argv[++i]);
        } else if (word == "--batch" && !last) {
            const std::string_view number = argv[++i];
            const auto [end, error] =
                std::from_chars(number.data(), number.data() + number.size(), options.batch);
            if (error != std::errc() || end != number.data() + number.size() || !options.batch)
                return false;
        } else if (!word.starts_with('-')) {
            plain.emplace_back(word);
        } else {
            return false;
        }
    }
    if (plain.size() != 2) return false;
    options.file = plain[0];
    options.data = plain[1];
    if (options.devices.empty()) options.devices = {"crossbar", "fpga"};
    return true;
}

// Peak resident memory of this process, in MiB.
double peak_mb()
{
    std::ifstream status("/proc/self/status");
    for (std::string line; std::getline(status, line);)
        if (line.starts_with("VmHWM:")) return std::strtod(line.c_str() + 6, nullptr) / 1024;
    return 0;
}

// All digits once; the probabilities are written.
acc::Expected<void> pass(acc::Model &model, const Data &data, std::vector<float> &probabilities)
{
    const void *const inputs[] = {data.images.data()};
    void *const outputs[] = {probabilities.data()};
    return model.run(inputs, outputs, data.labels.size());
}

// The probabilities as they are in memory, to be compared bit for bit.
bool write_raw(const std::string &path, const std::vector<float> &probabilities)
{
    std::ofstream file(path, std::ios::binary);
    file.write(reinterpret_cast<const char *>(probabilities.data()),
               static_cast<std::streamsize>(probabilities.size() * sizeof(float)));
    return bool(file.flush());
}

// Is the network one that takes these digits?
bool fits(const acc::Model &model, std::string &why)
{
    const auto inputs = model.inputs();
    const auto outputs = model.outputs();
    if (inputs.size() == 1 && inputs[0].sample_bytes == pixels * sizeof(float) &&
        outputs.size() == 1 && outputs[0].sample_bytes == classes * sizeof(float))
        return true;
    why = "expected one input of 64 floats and one output of 10; found " +
          std::to_string(inputs.size()) + " and " + std::to_string(outputs.size()) +
          ", or of other sizes";
    return false;
}

// What one device was asked to do in the first pass.
acc::Expected<Cost> cost_since(const acc::Device &device, const acc_device_counters &before)
{
    const auto counters = device.counters();
    if (!counters) return counters.error();
    Cost cost = {device.uri(), *counters};
    subtract(cost.counters, before);
    return cost;
}

// Runs everything; the text says why not.
acc::Expected<Result> recognise(const Options &options, const Data &data)
{
    std::vector<acc::Device> devices;
    std::vector<acc_device *> handles;
    std::vector<acc_device_counters> before;
    for (const std::string &uri : options.devices) {
        auto device = acc::Device::open(uri.c_str());
        if (!device) return device.error();
        const auto counters = device->counters();
        if (!counters) return counters.error();
        before.push_back(*counters);
        handles.push_back(device->get());
        devices.push_back(std::move(*device));
    }
    auto model = acc::Model::load_file(handles, options.file.c_str(), options.batch);
    if (!model) return model.error();
    std::string why;
    if (!fits(*model, why)) return acc::Failure{-EINVAL, options.file + ": " + why};

    // Once for the answers and what they cost, loads of the engines included.
    Result result;
    result.probabilities.resize(data.labels.size() * classes);
    const uint64_t start = acc_deadline(0);
    if (const auto run = pass(*model, data, result.probabilities); !run) return run.error();
    result.first_ns = acc_deadline(0) - start;
    for (size_t i = 0; i < devices.size(); ++i) {
        auto cost = cost_since(devices[i], before[i]);
        if (!cost) return cost.error();
        result.costs.push_back(std::move(*cost));
    }
    const auto stats = model->stats();
    if (!stats) return stats.error();
    result.submissions = stats->submissions;
    result.modelled_ns = stats->modelled_ns;

    // Again and again for the rate; a device that answers differently has a fault.
    std::vector<float> again(result.probabilities.size());
    size_t passes = 0;
    const uint64_t begin = acc_deadline(0);
    uint64_t ns = 0;
    for (; ns < rate_ns; ns = acc_deadline(0) - begin) {
        if (const auto run = pass(*model, data, again); !run) return run.error();
        ++passes;
        result.repeatable = result.repeatable && again == result.probabilities;
    }
    result.images_per_s =
        static_cast<double>(passes * data.labels.size()) * 1e9 / static_cast<double>(ns);
    return result;
}

int run(const Options &options)
{
    Data data;
    std::string why;
    if (!read_data(options.data, data, why)) return refuse(why);
    auto recognised = recognise(options, data);
    if (!recognised) return refuse(recognised.error().text);
    Result &result = *recognised;
    const size_t count = data.labels.size();
    result.right = count_right(result.probabilities, data.labels);
    result.float_right = count_right(data.float_probabilities, data.labels);
    result.peak_mb = peak_mb();

    draw_some(data, result.probabilities, isatty(STDOUT_FILENO) == 1);
    print_result(data, result);
    if (!options.json.empty() && !write_json(options.json, data, result))
        return refuse(options.json + ": " + strerror(errno));

    if (!options.raw.empty() && !write_raw(options.raw, result.probabilities))
        return refuse(options.raw + ": cannot be written");

    const double accuracy = percent(result.right, count);
    const double reference = percent(result.float_right, count);
    const bool good =
        accuracy >= least_accuracy && accuracy >= reference - most_below_float && result.repeatable;
    printf("\n%s: %zu of %zu held-out digits right (%.2f %%), the float network %zu (%.2f %%)%s\n",
           good ? "OK" : "NOT OK", result.right, count, accuracy, result.float_right, reference,
           result.repeatable ? "" : "; repeated runs differ");
    return options.check && !good ? 1 : 0;
}

} // namespace
} // namespace digits

int main(int argc, char **argv)
{
    digits::Options options;
    if (!digits::parse(argc, argv, options)) {
        fprintf(stderr,
                "usage: digits FILE.accx DATA [--check] [--json FILE] [--raw FILE] [--batch N] "
                "[--device URI]...\n");
        return 2;
    }
    try {
        return digits::run(options);
    } catch (const std::bad_alloc &) {
        return digits::refuse("out of memory");
    }
}
