// SPDX-License-Identifier: MIT
//
// accctl run: a compiled network over .npy files.
#include "accctl.h"
#include "layers.h"

#include "acc/profile.h"
#include "acc/program.h"
#include "common/npz.h"
#include "tools/image/image.h"

#include <algorithm>
#include <cinttypes>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <set>

namespace acc::ctl
{
namespace
{

struct RunOptions {
    std::string file;
    std::vector<std::string> inputs;  // in the model's order
    std::vector<std::string> outputs; // likewise; fewer than the model has are written
    uint32_t batch = 0;               // 0: all samples, at most default_batch
    float image_scale = 1, image_offset = 0;
    bool layers = false;
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
    case ACC_DTYPE_U8:
        return "u1";
    case ACC_DTYPE_I16:
        return "i2";
    case ACC_DTYPE_U16:
    case ACC_DTYPE_BF16: // NumPy has no such type: its bits
        return "u2";
    case ACC_DTYPE_U32:
        return "u4";
    case ACC_DTYPE_I64:
        return "i8";
    case ACC_DTYPE_U64:
        return "u8";
    case ACC_DTYPE_BOOL:
        return "b1";
    case ACC_DTYPE_F16:
        return "f2";
    case ACC_DTYPE_F64:
        return "f8";
    default:
        return "?";
    }
}

std::vector<size_t> dims_of(const acc_tensor_info &tensor)
{
    return {tensor.dims, tensor.dims + std::min(tensor.rank, 6u)};
}

bool has_batch(const acc_tensor_info &tensor)
{
    return tensor.rank > 0 && tensor.dims[0] == 1;
}

// Of an array with samples: they take the place of a batch of 1, or come before another shape. One
// sample of such is the shape itself.
std::vector<size_t> shape_of(const acc_tensor_info &tensor, size_t samples)
{
    std::vector<size_t> shape = dims_of(tensor);
    if (has_batch(tensor))
        shape[0] = samples;
    else if (samples != 1)
        shape.insert(shape.begin(), samples);
    return shape;
}

std::string tensor_text(const acc_tensor_info &tensor)
{
    std::string shape = npy_shape_text(dims_of(tensor));
    if (has_batch(tensor)) shape = "[N" + shape.substr(2);
    return std::string(npy_type_name(npy_type(tensor.dtype))) + " " + shape;
}

// How many samples an array holds of a tensor; 0: it is of another shape.
size_t samples_of(const Npy &array, const acc_tensor_info &tensor)
{
    const std::vector<size_t> &shape = array.shape;
    if (!has_batch(tensor) && shape == dims_of(tensor)) return 1;
    if (shape.empty() || shape != shape_of(tensor, shape[0])) return 0;
    return shape[0];
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
    engines.erase("host"); // libacc itself
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
        // One at least: the host's part has its memory from a device.
        if (context.devices.empty() && missing.empty() && !devices.empty()) break;
        Device device = open_device(uri);
        if (!device) return false;
        acc_device_info info = ACC_INIT(acc_device_info);
        if (acc_device_get_info(device.get(), &info) < 0) {
            fail_acc(uri);
            return false;
        }
        const bool wanted = missing.erase(std::string(engine_name(info.engine))) > 0 ||
                            (missing.empty() && devices.empty());
        if (wanted || !context.devices.empty()) devices.push_back(std::move(device));
    }
    if (missing.empty() && !devices.empty()) return true;
    if (missing.empty()) missing.insert("of any kind");
    fail("the program needs a device with engine " + *missing.begin() + "; found none" +
         (context.devices.empty() ? "" : " among those of --device"));
    return false;
}

// Samples of an input from an image or a folder of images; `tensor` is what the program says of it.
bool read_images(const RunOptions &options, const std::string &path, const Json &tensor, Npy &array)
{
    const auto dims = tensor["dims"].get<std::vector<uint32_t>>();
    const std::string type = tensor["type"].get<std::string>();
    std::string why;
    const auto to = image_tensor(dims, why);
    const auto paths = to ? list_images(path, why) : Result<std::vector<std::string>>(Error{0});
    if (!to || !paths) {
        fail(path + ": " + why);
        return false;
    }
    std::vector<float> values;
    for (const std::string &file : *paths)
        if (append_image(file, *to, options.image_scale, options.image_offset, values, why) < 0) {
            fail(file + ": " + why);
            return false;
        }
    array.shape.assign(dims.begin(), dims.end());
    array.shape[0] = paths->size();
    array.type = type == "int8" ? "i1" : type == "uint8" ? "u1" : "f4";
    array.data.resize(values.size() * array.item_bytes());
    if (array.type == "f4") {
        std::memcpy(array.data.data(), values.data(), array.data.size());
        return true;
    }
    // The stored integer itself: nearest, within the type's limits.
    const float lo = type == "int8" ? -128.0f : 0.0f;
    for (size_t i = 0; i < values.size(); ++i)
        array.data[i] = static_cast<std::byte>(
            static_cast<int>(std::clamp(std::nearbyint(values[i]), lo, lo + 255)));
    return true;
}

bool read_inputs(const RunOptions &options, const Json &inputs, std::vector<Npy> &arrays,
                 std::vector<std::string> &names)
{
    for (const std::string &path : options.inputs) {
        std::string why;
        if (path.ends_with(".npz")) {
            // In the order of the names, unless the network's inputs say another (order_inputs).
            auto all = read_npz(path, why);
            if (!all) {
                fail(path + ": " + why);
                return false;
            }
            for (auto &[name, array] : *all) {
                arrays.push_back(std::move(array));
                names.push_back(name);
            }
            continue;
        }
        names.emplace_back();
        std::error_code ignored;
        if (is_image(path) || std::filesystem::is_directory(path, ignored)) {
            if (arrays.size() >= inputs.size()) {
                fail(path + ": expected no more inputs than " + std::to_string(inputs.size()) +
                     "; found another");
                return false;
            }
            const Json &input = inputs[arrays.size()];
            if (!read_images(options, path, input, arrays.emplace_back())) return false;
            continue;
        }
        Result<Npy> read = read_npy(path, why);
        if (!read) {
            fail(path + ": " + why);
            return false;
        }
        arrays.push_back(std::move(*read));
    }
    return true;
}

// Arrays of an .npz go to the inputs that they are named after.
bool order_inputs(const std::vector<acc_tensor_info> &inputs, std::vector<Npy> &arrays,
                  const std::vector<std::string> &names)
{
    std::vector<Npy> ordered;
    ordered.resize(
        arrays.size()); // constructed of that size, gcc 12 warns of freeing what isn't its
    for (size_t i = 0; i < arrays.size(); ++i) {
        size_t to = i;
        for (size_t k = 0; k < inputs.size() && !names[i].empty(); ++k)
            if (names[i] == inputs[k].name) to = k;
        if (!names[i].empty() && (to >= inputs.size() || names[i] != inputs[to].name)) {
            fail("expected arrays with the names of inputs; found '" + names[i] + "'");
            return false;
        }
        if (to < ordered.size()) ordered[to] = std::move(arrays[i]);
    }
    arrays = std::move(ordered);
    return true;
}

// Checks arrays and paths against the network's inputs and outputs.
bool check_tensors(const RunOptions &options, const std::vector<Npy> &arrays,
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
        const size_t samples = samples_of(arrays[i], inputs[i]);
        const bool empty =
            has_batch(inputs[i]) && !arrays[i].shape.empty() && arrays[i].shape[0] == 0;
        if (arrays[i].type != npy_type(inputs[i].dtype) || (samples == 0 && !empty))
            return refuse(options.inputs[std::min(i, options.inputs.size() - 1)] + ": expected " +
                          tensor_text(inputs[i]) + " for input '" + inputs[i].name + "'; found " +
                          arrays[i].describe());
        if (samples == 0)
            return refuse(options.inputs[std::min(i, options.inputs.size() - 1)] +
                          ": expected at least one sample; found " + arrays[i].describe());
        if (samples != samples_of(arrays[0], inputs[0]))
            return refuse(options.inputs[std::min(i, options.inputs.size() - 1)] + ": expected " +
                          std::to_string(samples_of(arrays[0], inputs[0])) +
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

int report(const Context &context, const RunOptions &options, const Json &image,
           const std::vector<acc_tensor_info> &outputs, const acc_model *model,
           const std::vector<Counters> &counters, const acc_model_stats &stats)
{
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
    Json layers;
    if (options.layers) {
        const Json said = image["report"].is_string()
                              ? Json::parse(image["report"].get<std::string>(), nullptr, false)
                              : Json();
        if (!read_layers(model, said, stats.samples, layers)) return fail_acc(options.file);
    }
    if (context.json) {
        Json all = {{"program", image["name"]},
                    {"samples", stats.samples},
                    {"submissions", stats.submissions},
                    {"wall_ns", stats.wall_ns},
                    {"modelled_ns", stats.modelled_ns},
                    {"samples_per_s", rate},
                    {"outputs", tensors},
                    {"devices", devices}};
        if (options.layers) all["layers"] = layers;
        return print_json(all);
    }

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
    if (options.layers) print_layers(layers);
    return finish_output();
}

int run_model(const Context &context, const RunOptions &options)
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
    std::vector<std::string> names;
    if (!read_inputs(options, image["model"]["inputs"], arrays, names) ||
        !read_counters(devices, counters))
        return exit_failure;
    // A first guess, for the size of a submission; arrays are checked when the network is known.
    const size_t rows = arrays.empty() || arrays[0].shape.empty() ? 1 : arrays[0].shape[0];
    acc_model_options model_options = ACC_INIT(acc_model_options);
    const auto load = [&](size_t batch) {
        model_options.batch = options.batch ? options.batch : static_cast<uint32_t>(batch);
        acc_model *made = nullptr;
        if (acc_model_load(handles.data(), handles.size(), bytes.data(), bytes.size(),
                           &model_options, &made) < 0)
            fail_acc(options.file);
        return Model(made);
    };
    Model model = load(std::clamp(rows, size_t{1}, default_batch));
    if (!model) return exit_failure;
    std::vector<acc_tensor_info> inputs = tensors_of(model.get(), acc_model_input);
    const std::vector<acc_tensor_info> outputs = tensors_of(model.get(), acc_model_output);
    if (!order_inputs(inputs, arrays, names) ||
        !check_tensors(options, arrays, inputs, outputs.size()))
        return exit_failure;
    const size_t samples = arrays.empty() ? 1 : samples_of(arrays[0], inputs[0]);
    if (samples != rows) {
        model = load(std::min(samples, default_batch));
        if (!model) return exit_failure;
    }
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
    const auto run = [&] {
        return acc_model_run(model.get(), in.data(), out.data(), samples) >= 0;
    };
    // Once before, so that what is measured has no loading in it.
    if (options.layers &&
        (!run() || acc_model_profile(model.get(), 1) < 0 || !read_counters(devices, counters)))
        return fail_acc(options.file);
    acc_model_stats before = ACC_INIT(acc_model_stats), stats = ACC_INIT(acc_model_stats);
    if (acc_model_get_stats(model.get(), &before) < 0 || !run() ||
        acc_model_get_stats(model.get(), &stats) < 0)
        return fail_acc(options.file);
    stats.samples -= before.samples;
    stats.submissions -= before.submissions;
    stats.wall_ns -= before.wall_ns;
    stats.modelled_ns -= before.modelled_ns;
    if (!read_counters(devices, counters)) return exit_failure;

    for (size_t i = 0; i < options.outputs.size(); ++i) {
        std::string why;
        if (write_npy(options.outputs[i], results[i], why) < 0)
            return fail(options.outputs[i] + ": " + why);
    }
    return report(context, options, image, outputs, model.get(), counters, stats);
}

} // namespace

void add_run_command(CLI::App &app, Context &context)
{
    CLI::App *command =
        app.add_subcommand("run", "Run a compiled network over .npy files or images");
    auto options = std::make_shared<RunOptions>();
    command->add_option("FILE", options->file, "A program with a model, .accx")
        ->required()
        ->type_name("");
    command
        ->add_option("-i,--input", options->inputs,
                     "Samples, one array for each input of the network, an image or a folder of "
                     "them; repeat in its order")
        ->type_name("X.npy")
        ->allow_extra_args(false);
    command->add_option("--image-scale", options->image_scale,
                        "A pixel of 0 to 255 is the value pixel * scale + offset (default 1)");
    command->add_option("--image-offset", options->image_offset, "The offset of that (default 0)");
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
    command->add_flag("--layers", options->layers,
                      "What each node took beside what the compiler predicted, after a first run");
    command->callback([&context, options] {
        context.command = [&context, options] { return run_model(context, *options); };
    });
}

} // namespace acc::ctl
