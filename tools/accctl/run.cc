// SPDX-License-Identifier: MIT
//
// accctl run: a compiled network over .npy files.
#include "accctl.h"

#include "acc/program.h"
#include "common/npy.h"

#include <algorithm>
#include <cinttypes>
#include <cstdio>
#include <set>

namespace acc::ctl
{
namespace
{

struct Options {
    std::string file;
    std::vector<std::string> inputs;  // in the model's order
    std::vector<std::string> outputs; // likewise; fewer than the model has are written
    uint32_t batch = 0;               // 0: all samples, at most default_batch
};

constexpr size_t default_batch = 64;

const char *npy_type(uint32_t dtype)
{
    switch (dtype) {
    case ACC_DTYPE_F32:
        return "f4";
    case ACC_DTYPE_I8:
        return "i1";
    case ACC_DTYPE_I32:
        return "i4";
    default:
        return "?";
    }
}

std::vector<size_t> shape_of(const acc_tensor_info &tensor, size_t samples)
{
    std::vector<size_t> shape = {samples};
    for (uint32_t i = 1; i < std::min(tensor.rank, 6u); ++i)
        shape.push_back(tensor.dims[i]);
    return shape;
}

std::string tensor_text(const acc_tensor_info &tensor)
{
    const std::string shape = npy_shape_text(shape_of(tensor, 0));
    return std::string(npy_type_name(npy_type(tensor.dtype))) + " [N" + shape.substr(2);
}

std::vector<acc_tensor_info> tensors_of(const acc_model *model,
                                        int (*get)(const acc_model *, uint32_t, acc_tensor_info *))
{
    std::vector<acc_tensor_info> tensors;
    acc_tensor_info tensor = ACC_INIT(acc_tensor_info);
    while (get(model, static_cast<uint32_t>(tensors.size()), &tensor) == 0) {
        tensors.push_back(tensor);
        tensor = ACC_INIT(acc_tensor_info);
    }
    return tensors;
}

// What the network needs, by engine, as the image says.
std::set<std::string> engines_needed(const Json &image)
{
    std::set<std::string> engines;
    for (const Json &target : image["targets"])
        engines.insert(target["target"].get<std::string>());
    return engines;
}

// Candidates in order: what was asked for; else what libacc finds, ACC_DEVICE's first.
std::vector<std::string> candidates(const Context &context)
{
    if (!context.devices.empty()) return context.devices;
    std::vector<std::string> uris;
    const auto collect = [](void *user, const char *uri) {
        static_cast<std::vector<std::string> *>(user)->emplace_back(uri);
        return 0;
    };
    (void)acc_device_list(collect, &uris); // an empty list is reported by who needs an engine
    return uris;
}

// Opens one device for each engine that the network needs; of those asked for, all.
bool open_devices(const Context &context, const Json &image, std::vector<Device> &devices)
{
    std::set<std::string> missing = engines_needed(image);
    for (const std::string &uri : candidates(context)) {
        if (context.devices.empty() && missing.empty()) break;
        Device device = open_device(uri);
        if (!device) return false;
        acc_device_info info = ACC_INIT(acc_device_info);
        if (acc_device_get_info(device.get(), &info) < 0) {
            fail_acc(uri);
            return false;
        }
        const bool wanted = missing.erase(std::string(engine_name(info.engine))) > 0;
        if (wanted || !context.devices.empty()) devices.push_back(std::move(device));
    }
    if (missing.empty()) return true;
    fail("the program needs a device with engine " + *missing.begin() + "; found none" +
         (context.devices.empty() ? "" : " among those of --device"));
    return false;
}

bool read_inputs(const Options &options, std::vector<Npy> &arrays)
{
    for (const std::string &path : options.inputs) {
        std::string why;
        Result<Npy> read = read_npy(path, why);
        if (!read) {
            fail(path + ": " + why);
            return false;
        }
        arrays.push_back(std::move(*read));
    }
    return true;
}

size_t samples_of(const Npy &array)
{
    return array.shape.empty() ? 0 : array.shape[0];
}

// Checks arrays and paths against the network's inputs and outputs.
bool check_tensors(const Options &options, const std::vector<Npy> &arrays,
                   const std::vector<acc_tensor_info> &inputs, size_t outputs)
{
    const auto refuse = [](const std::string &text) {
        fail(text);
        return false;
    };
    if (arrays.size() != inputs.size())
        return refuse(options.file + ": expected --input " + std::to_string(inputs.size()) +
                      " times; found " + std::to_string(arrays.size()));
    if (options.outputs.size() > outputs)
        return refuse(options.file + ": expected --output at most " + std::to_string(outputs) +
                      " times; found " + std::to_string(options.outputs.size()));
    for (size_t i = 0; i < inputs.size(); ++i) {
        const size_t samples = samples_of(arrays[i]);
        if (arrays[i].type != npy_type(inputs[i].dtype) ||
            arrays[i].shape != shape_of(inputs[i], samples))
            return refuse(options.inputs[i] + ": expected " + tensor_text(inputs[i]) +
                          " for input '" + inputs[i].name + "'; found " + arrays[i].describe());
        if (samples == 0)
            return refuse(options.inputs[i] + ": expected at least one sample; found " +
                          arrays[i].describe());
        if (samples != samples_of(arrays[0]))
            return refuse(options.inputs[i] + ": expected " +
                          std::to_string(samples_of(arrays[0])) +
                          " samples, as the first input has; found " + std::to_string(samples));
    }
    return true;
}

struct Counters {
    std::string uri;
    std::string engine;
    uint64_t used = 0; // of the capacity of all slots
    acc_device_counters before, after;
};

bool read_counters(const std::vector<Device> &devices, std::vector<Counters> &all)
{
    all.resize(devices.size());
    for (size_t i = 0; i < devices.size(); ++i) {
        acc_device_info info = ACC_INIT(acc_device_info);
        all[i].before = all[i].after;
        all[i].after = ACC_INIT(acc_device_counters);
        if (acc_device_get_info(devices[i].get(), &info) < 0 ||
            acc_device_get_counters(devices[i].get(), &all[i].after) < 0) {
            fail_acc(acc_device_uri(devices[i].get()));
            return false;
        }
        all[i].uri = acc_device_uri(devices[i].get());
        all[i].engine = engine_name(info.engine);
        all[i].used = 0;
        acc_slot_info slot = ACC_INIT(acc_slot_info);
        for (uint32_t index = 0; acc_device_get_slot(devices[i].get(), index, &slot) == 0; ++index)
            all[i].used += slot.used;
    }
    return true;
}

// What the run itself did: the counters are the device's, since it came up.
acc_device_counters difference(const Counters &c)
{
    acc_device_counters d = c.after;
    d.packets -= c.before.packets;
    d.dispatches -= c.before.dispatches;
    d.faults -= c.before.faults;
    d.loads -= c.before.loads;
    d.evictions -= c.before.evictions;
    d.bytes_read -= c.before.bytes_read;
    d.bytes_written -= c.before.bytes_written;
    d.busy_ns -= c.before.busy_ns;
    d.modelled_ns -= c.before.modelled_ns;
    d.load_ns -= c.before.load_ns;
    d.energy_pj -= c.before.energy_pj;
    d.load_energy_pj -= c.before.load_energy_pj;
    d.sleeps -= c.before.sleeps;
    d.kicks -= c.before.kicks;
    d.saturations -= c.before.saturations;
    d.mvms -= c.before.mvms;
    return d;
}

int report(const Context &context, const Options &options, const Json &image,
           const std::vector<acc_tensor_info> &outputs, const acc_model *model,
           const std::vector<Counters> &counters)
{
    acc_model_stats stats = ACC_INIT(acc_model_stats);
    if (acc_model_get_stats(model, &stats) < 0) return fail_acc(options.file);
    const double seconds = static_cast<double>(stats.wall_ns) / 1e9;
    const double rate = stats.wall_ns ? static_cast<double>(stats.samples) / seconds : 0;
    Json devices = Json::array();
    for (const Counters &c : counters)
        devices.push_back({{"uri", c.uri},
                           {"engine", c.engine},
                           {"used", c.used},
                           {"counters", counters_json(difference(c))}});
    Json tensors = Json::array();
    for (size_t i = 0; i < outputs.size(); ++i) {
        Json tensor = {{"name", outputs[i].name},
                       {"type", npy_type_name(npy_type(outputs[i].dtype))},
                       {"shape", shape_of(outputs[i], stats.samples)}};
        if (i < options.outputs.size()) tensor["file"] = options.outputs[i];
        tensors.push_back(tensor);
    }
    if (context.json)
        return print_json({{"program", image["name"]},
                           {"samples", stats.samples},
                           {"submissions", stats.submissions},
                           {"wall_ns", stats.wall_ns},
                           {"modelled_ns", stats.modelled_ns},
                           {"samples_per_s", rate},
                           {"outputs", tensors},
                           {"devices", devices}});

    printf("%s: %" PRIu64 " samples in %" PRIu64 " submissions, %s (%.0f samples/s), modelled %s\n",
           image["name"].get<std::string>().c_str(), stats.samples, stats.submissions,
           time_text(stats.wall_ns).c_str(), rate, time_text(stats.modelled_ns).c_str());
    for (const Counters &c : counters) {
        const acc_device_counters d = difference(c);
        printf("%-24s %" PRIu64 " dispatches, busy %s; modelled %s, %s; %" PRIu64 " loads, %" PRIu64
               " evictions, %" PRIu64 " saturations\n",
               c.uri.c_str(), d.dispatches, time_text(d.busy_ns).c_str(),
               time_text(d.modelled_ns).c_str(), energy_text(d.energy_pj).c_str(), d.loads,
               d.evictions, d.saturations);
    }
    for (const Json &tensor : tensors)
        printf("output %-17s %s %s%s\n", tensor["name"].get<std::string>().c_str(),
               tensor["type"].get<std::string>().c_str(), tensor["shape"].dump().c_str(),
               tensor.contains("file") ? (" -> " + tensor["file"].get<std::string>()).c_str() : "");
    return finish_output();
}

int run(const Context &context, const Options &options)
{
    std::vector<std::byte> bytes;
    Json image;
    if (!read_file(options.file, bytes) || !describe_image(options.file, bytes, image))
        return exit_failure;
    if (image["model"].is_null())
        return fail(options.file + ": expected a program with a model; found kernels only");

    std::vector<Device> devices;
    if (!open_devices(context, image, devices)) return exit_failure;
    std::vector<acc_device *> handles;
    for (const Device &device : devices)
        handles.push_back(device.get());

    std::vector<Npy> arrays;
    std::vector<Counters> counters;
    if (!read_inputs(options, arrays) || !read_counters(devices, counters)) return exit_failure;
    const size_t samples = samples_of(arrays[0]);
    acc_model_options model_options = ACC_INIT(acc_model_options);
    model_options.batch =
        options.batch ? options.batch
                      : static_cast<uint32_t>(std::clamp(samples, size_t{1}, default_batch));
    acc_model *made = nullptr;
    if (acc_model_load(handles.data(), handles.size(), bytes.data(), bytes.size(), &model_options,
                       &made) < 0)
        return fail_acc(options.file);
    const Model model(made);

    const std::vector<acc_tensor_info> inputs = tensors_of(made, acc_model_input);
    const std::vector<acc_tensor_info> outputs = tensors_of(made, acc_model_output);
    if (!check_tensors(options, arrays, inputs, outputs.size())) return exit_failure;
    std::vector<const void *> in;
    for (const Npy &array : arrays)
        in.push_back(array.data.data());

    std::vector<Npy> results;
    std::vector<void *> out;
    for (const acc_tensor_info &tensor : outputs) {
        Npy &result = results.emplace_back();
        result.type = npy_type(tensor.dtype);
        result.shape = shape_of(tensor, samples);
        result.data.resize(tensor.sample_bytes * samples);
    }
    for (Npy &result : results)
        out.push_back(result.data.data());
    if (acc_model_run(model.get(), in.data(), out.data(), samples) < 0)
        return fail_acc(options.file);
    if (!read_counters(devices, counters)) return exit_failure;

    for (size_t i = 0; i < options.outputs.size(); ++i) {
        std::string why;
        if (write_npy(options.outputs[i], results[i], why) < 0)
            return fail(options.outputs[i] + ": " + why);
    }
    return report(context, options, image, outputs, model.get(), counters);
}

} // namespace

void add_run_command(CLI::App &app, Context &context)
{
    CLI::App *command = app.add_subcommand("run", "Run a compiled network over .npy files");
    auto options = std::make_shared<Options>();
    command->add_option("FILE", options->file, "A program with a model, .accx")
        ->required()
        ->type_name("");
    command
        ->add_option("-i,--input", options->inputs,
                     "Samples, one array for each input of the network; repeat in its order")
        ->required()
        ->type_name("X.npy")
        ->allow_extra_args(false);
    command
        ->add_option("-o,--output", options->outputs,
                     "Where the outputs go; repeat in the network's order")
        ->type_name("Y.npy")
        ->allow_extra_args(false);
    command
        ->add_option("-b,--batch", options->batch,
                     "Samples in one submission (default: all, at most 64)")
        ->type_name("N")
        ->check(CLI::Range(1, 65536));
    command->callback([&context, options] {
        context.command = [&context, options] { return run(context, *options); };
    });
}

} // namespace acc::ctl
