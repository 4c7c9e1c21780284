// SPDX-License-Identifier: MIT
//
// accctl model compare: every layer of a network in float on the host agent and on the engines.
// The compiler is a child process, and so are the two runs.
#include "model.h"

#include "common/npy.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <fcntl.h>
#include <filesystem>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

namespace acc::ctl
{
namespace
{

namespace fs = std::filesystem;

struct CompareOptions {
    std::string model, compiler;
    std::vector<std::string> inputs, calibrate, shapes;
    double threshold = 20;
};

// A folder that goes with this.
class Folder
{
public:
    Folder()
    {
        std::string name = (fs::temp_directory_path() / "accctl-XXXXXX").string();
        if (mkdtemp(name.data())) path_ = name;
    }
    ~Folder()
    {
        std::error_code ignored;
        if (!path_.empty()) fs::remove_all(path_, ignored);
    }
    Folder(const Folder &) = delete;
    Folder &operator=(const Folder &) = delete;
    bool good() const { return !path_.empty(); }
    std::string file(const std::string &name) const { return (path_ / name).string(); }

private:
    fs::path path_;
};

// Runs a program, whose errors go through to ours and whose output is dropped.
bool run_child(const std::vector<std::string> &arguments)
{
    std::vector<char *> argv;
    for (const std::string &a : arguments)
        argv.push_back(const_cast<char *>(a.c_str()));
    argv.push_back(nullptr);
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
    pid_t pid = 0;
    const int error = posix_spawnp(&pid, argv[0], &actions, nullptr, argv.data(), environ);
    posix_spawn_file_actions_destroy(&actions);
    if (error) {
        fail(arguments[0] + ": " + strerror(error));
        return false;
    }
    int status = 0;
    while (waitpid(pid, &status, 0) < 0)
        if (errno != EINTR) return false;
    return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

// The compiler beside this program, else the one that PATH has.
std::string compiler_of(const CompareOptions &options)
{
    if (!options.compiler.empty()) return options.compiler;
    const fs::path folder = fs::path(own_path()).parent_path();
    for (const fs::path &path : {folder / "accc", folder / ".." / "accc" / "accc"}) {
        std::error_code ignored;
        if (fs::is_regular_file(path, ignored)) return path.string();
    }
    return "accc";
}

struct Values {
    std::vector<std::string> names;
    std::vector<std::vector<float>> values;
};

// Compiles with every layer an output, and runs it.
bool compute(const Context &context, const CompareOptions &options, const Folder &folder,
             const std::string &target, Values &all)
{
    const std::string program = folder.file(target + ".accx");
    std::vector<std::string> command = {compiler_of(options), options.model, "-o",  program, "-q",
                                        "--all-outputs",      "--target",    target};
    for (const std::string &file : options.calibrate) {
        command.emplace_back("--calibrate");
        command.push_back(file);
    }
    for (const std::string &shape : options.shapes) {
        command.emplace_back("--shape");
        command.push_back(shape);
    }
    std::vector<std::byte> bytes;
    Json image;
    if (!run_child(command) || !read_file(program, bytes) || !describe_image(program, bytes, image))
        return false;
    command = {own_path()};
    for (const std::string &uri : context.devices) {
        command.emplace_back("--device");
        command.push_back(uri);
    }
    command.insert(command.end(), {"run", program});
    for (const std::string &input : options.inputs) {
        command.emplace_back("--input");
        command.push_back(input);
    }
    for (const Json &output : image["model"]["outputs"]) {
        all.names.push_back(output["name"].get<std::string>());
        command.emplace_back("--output");
        command.push_back(folder.file(target + std::to_string(all.names.size()) + ".npy"));
    }
    if (!run_child(command)) return false;
    for (size_t i = 0; i < all.names.size(); ++i) {
        std::string why;
        const std::string path = folder.file(target + std::to_string(i + 1) + ".npy");
        const auto array = read_npy(path, why);
        if (!array) {
            fail(path + ": " + why);
            return false;
        }
        auto &values = all.values.emplace_back();
        if (array->type == "i1") // stored integers: of a network that states its quantisation
            for (const std::byte stored : array->data)
                values.push_back(static_cast<float>(static_cast<int8_t>(stored)));
        if (array->type != "f4") continue; // of other types nothing is compared
        values.resize(array->items());
        if (!values.empty())
            std::memcpy(values.data(), array->data.data(), values.size() * sizeof(float));
    }
    return true;
}

struct LayerRow {
    std::string name;
    size_t count = 0;
    double max_error = 0, mean_error = 0, sqnr_db = 0;
};

LayerRow compare(const std::string &name, const std::vector<float> &wanted,
                 const std::vector<float> &found)
{
    LayerRow row{name, wanted.size()};
    double signal = 0, noise = 0;
    for (size_t i = 0; i < wanted.size(); ++i) {
        const double w = static_cast<double>(wanted[i]), off = w - static_cast<double>(found[i]);
        signal += w * w;
        noise += off * off;
        row.mean_error += std::abs(off) / static_cast<double>(wanted.size());
        row.max_error = std::max(row.max_error, std::abs(off));
    }
    row.sqnr_db = noise > 0 ? 10 * std::log10(std::max(signal, 1e-300) / noise) : 999;
    return row;
}

int compare_model(const Context &context, const CompareOptions &options)
{
    const Folder folder;
    if (!folder.good()) return fail("expected a temporary folder; found none");
    Values exact, device;
    if (!compute(context, options, folder, "host", exact) ||
        !compute(context, options, folder, "device", device))
        return exit_failure;
    std::vector<LayerRow> rows;
    for (size_t i = 0; i < exact.names.size(); ++i) {
        const auto it = std::find(device.names.begin(), device.names.end(), exact.names[i]);
        if (it == device.names.end()) continue;
        const auto &found = device.values[static_cast<size_t>(it - device.names.begin())];
        if (exact.values[i].empty() || found.size() != exact.values[i].size()) continue;
        rows.push_back(compare(exact.names[i], exact.values[i], found));
    }
    if (rows.empty()) return fail("expected layers of floats to compare; found none");
    const auto bad = std::find_if(rows.begin(), rows.end(), [&](const LayerRow &row) {
        return row.sqnr_db < options.threshold;
    });
    if (context.json) {
        Json layers = Json::array();
        for (const LayerRow &row : rows)
            layers.push_back({{"layer", row.name},
                              {"values", row.count},
                              {"max_error", row.max_error},
                              {"mean_error", row.mean_error},
                              {"sqnr_db", row.sqnr_db}});
        return print_json({{"model", options.model},
                           {"threshold_db", options.threshold},
                           {"first_bad", bad == rows.end() ? Json() : Json(bad->name)},
                           {"layers", layers}});
    }
    printf("%-40s %10s %12s %12s %9s\n", "layer", "values", "max error", "mean error", "SQNR dB");
    for (const LayerRow &row : rows)
        printf("%-40s %10zu %12.4g %12.4g %9.1f%s\n", one_line(row.name).c_str(), row.count,
               row.max_error, row.mean_error, row.sqnr_db,
               row.sqnr_db < options.threshold ? "  <" : "");
    if (bad == rows.end())
        printf("no layer below %.1f dB\n", options.threshold);
    else
        printf("first layer below %.1f dB: %s\n", options.threshold, one_line(bad->name).c_str());
    return finish_output();
}

} // namespace

void add_model_command(CLI::App &app, Context &context)
{
    CLI::App *model = app.add_subcommand("model", "Look into a network");
    model->require_subcommand(1);
    CLI::App *command = model->add_subcommand(
        "compare", "Compare each layer in float on the host with the engines");
    auto options = std::make_shared<CompareOptions>();
    command->add_option("MODEL", options->model, "A model that accc reads")
        ->required()
        ->type_name("");
    command
        ->add_option("-i,--input", options->inputs,
                     "Samples, one array for each input of the network; repeat in its order")
        ->required()
        ->type_name("X.npy")
        ->allow_extra_args(false);
    command->add_option("--calibrate", options->calibrate, "As accc's: data for the int8 ranges")
        ->type_name("[INPUT=]FILE")
        ->allow_extra_args(false);
    command->add_option("--shape", options->shapes, "As accc's: dims of an input")
        ->type_name("INPUT=DIMS")
        ->allow_extra_args(false);
    command->add_option("--threshold", options->threshold,
                        "SQNR in dB below which a layer is bad (default: 20)");
    command->add_option("--compiler", options->compiler, "The accc to run")->type_name("PATH");
    command->callback([&context, options] {
        context.command = [&context, options] { return compare_model(context, *options); };
    });
}

} // namespace acc::ctl
