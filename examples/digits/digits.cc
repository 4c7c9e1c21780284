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
    std::string file, data, json;
    std::vector<std::string> devices;
    uint32_t batch = 50;
    bool check = false;
};

int failed(const std::string &what)
{
    fprintf(stderr, "digits: %s: %s\n", what.c_str(), acc_error_text());
    return 1;
}

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
    if (options.devices.empty()) options.devices = {"inproc:crossbar", "inproc:fpga"};
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

bool counters_of(const std::vector<Device> &devices, std::vector<acc_device_counters> &all)
{
    all.assign(devices.size(), ACC_INIT(acc_device_counters));
    for (size_t i = 0; i < devices.size(); ++i)
        if (acc_device_get_counters(devices[i].get(), &all[i]) < 0) return false;
    return true;
}

// All digits once. The probabilities are written; the time is added.
bool pass(acc_model *model, const Data &data, std::vector<float> &probabilities, uint64_t &ns)
{
    const void *in = data.images.data();
    void *out = probabilities.data();
    const uint64_t start = acc_deadline(0);
    const int code = acc_model_run(model, &in, &out, data.labels.size());
    ns += acc_deadline(0) - start;
    return code == 0;
}

// Is the network one that takes these digits?
bool check_model(const acc_model *model, std::string &why)
{
    acc_tensor_info in = ACC_INIT(acc_tensor_info);
    acc_tensor_info out = ACC_INIT(acc_tensor_info);
    if (acc_model_input(model, 0, &in) < 0 || acc_model_output(model, 0, &out) < 0) {
        why = acc_error_text();
        return false;
    }
    acc_tensor_info more = ACC_INIT(acc_tensor_info);
    if (in.sample_bytes != pixels * sizeof(float) || out.sample_bytes != classes * sizeof(float) ||
        acc_model_input(model, 1, &more) == 0 || acc_model_output(model, 1, &more) == 0) {
        why = "expected one input of 64 floats and one output of 10; found " +
              std::to_string(in.sample_bytes) + " and " + std::to_string(out.sample_bytes) +
              " bytes, or more of them";
        return false;
    }
    return true;
}

int run(const Options &options)
{
    Data data;
    std::string why;
    if (!read_data(options.data, data, why)) return refuse(why);
    const size_t count = data.labels.size();

    std::vector<Device> devices;
    std::vector<acc_device *> handles;
    for (const std::string &uri : options.devices) {
        acc_device *device = nullptr;
        if (acc_device_open(uri.c_str(), nullptr, &device) < 0) return failed(uri);
        devices.emplace_back(device);
        handles.push_back(device);
    }
    acc_model_options model_options = ACC_INIT(acc_model_options);
    model_options.batch = options.batch;
    acc_model *loaded = nullptr;
    if (acc_model_load_file(handles.data(), handles.size(), options.file.c_str(), &model_options,
                            &loaded) < 0)
        return failed(options.file);
    const Model model(loaded);
    if (!check_model(loaded, why)) return refuse(options.file + ": " + why);

    // Once for the answers and what they cost, loads of the engines included.
    Result result;
    result.probabilities.resize(count * classes);
    std::vector<acc_device_counters> before;
    if (!counters_of(devices, before) ||
        !pass(loaded, data, result.probabilities, result.first_ns) ||
        !counters_of(devices, result.counters))
        return failed(options.file);
    for (size_t i = 0; i < devices.size(); ++i) {
        subtract(result.counters[i], before[i]);
        acc_device_info info = ACC_INIT(acc_device_info);
        if (acc_device_get_info(handles[i], &info) < 0) return failed(options.devices[i]);
        result.uris.emplace_back(acc_device_uri(handles[i]));
        result.names.emplace_back(info.name);
    }
    acc_model_stats stats = ACC_INIT(acc_model_stats);
    if (acc_model_get_stats(loaded, &stats) < 0) return failed(options.file);
    result.submissions = stats.submissions;
    result.modelled_ns = stats.modelled_ns;

    // Again and again for the rate; a device that answers differently has a fault.
    std::vector<float> again(result.probabilities.size());
    uint64_t ns = 0;
    size_t passes = 0;
    while (ns < rate_ns) {
        if (!pass(loaded, data, again, ns)) return failed(options.file);
        ++passes;
        result.repeatable = result.repeatable && again == result.probabilities;
    }
    result.images_per_s = static_cast<double>(passes * count) * 1e9 / static_cast<double>(ns);
    result.right = count_right(result.probabilities, data.labels);
    result.float_right = count_right(data.float_probabilities, data.labels);
    result.peak_mb = peak_mb();

    draw_some(data, result.probabilities, isatty(STDOUT_FILENO) == 1);
    print_result(data, result);
    if (!options.json.empty() && !write_json(options.json, data, result))
        return refuse(options.json + ": " + strerror(errno));

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
        fprintf(stderr, "usage: digits FILE.accx DATA [--check] [--json FILE] [--batch N] "
                        "[--device URI]...\n");
        return 2;
    }
    try {
        return digits::run(options);
    } catch (const std::bad_alloc &) {
        return digits::refuse("out of memory");
    }
}
