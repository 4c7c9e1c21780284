// SPDX-License-Identifier: MIT
//
// accctl explore: compiles once (accc, a process of its own), then runs each point in a
// process of its own, several at a time. What a point came to is one line of a journal, on
// disk before the next point starts: who stops and starts again loses nothing.
#include "explore.h"
#include "explore_child.h"

#include "arch/arch.h"
#include "common/npz.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <cmath>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <map>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>

namespace acc::ctl
{
namespace
{

namespace fs = std::filesystem;

struct ExploreOptions {
    std::string model, arch, data, labels, calibrate, out = "explore", accc, title;
    std::string samples; // of `data`: the file that is read
    std::vector<std::string> vary, set;
    uint32_t jobs = 0;
    uint32_t batch = 8; // small: no dispatch of a noisy device may outlast its queue's timeout
};

// The first ends it when the points that run are through, the second at once.
std::atomic<int> interrupts{0};

void on_interrupt(int)
{
    interrupts.fetch_add(1, std::memory_order_relaxed);
}

int interrupted()
{
    return interrupts.load(std::memory_order_relaxed);
}

// The compiler: named, or installed beside this program, or where a build has it, or in PATH.
std::string compiler(const ExploreOptions &options)
{
    if (!options.accc.empty()) return options.accc;
    const fs::path here = fs::path(own_path()).parent_path();
    for (const fs::path &path : {here / "accc", here / "../accc/accc"})
        if (access(path.c_str(), X_OK) == 0) return path.string();
    return "accc";
}

bool compile(const ExploreOptions &options, const Scratch &scratch, std::string &program)
{
    if (options.model.ends_with(".accx")) {
        program = options.model;
        return true;
    }
    program = scratch.file("model.accx");
    std::vector<std::string> command = {compiler(options), options.model, "-o", program, "-q",
                                        // Which any arch runs, and whose converters calibrate.
                                        "--lower", "kernels"};
    if (!options.calibrate.empty()) {
        command.push_back("--calibrate");
        command.push_back(options.calibrate);
    }
    Child child;
    child.output = scratch.file("accc.out");
    child.errors = scratch.file("accc.err");
    if (!start(command, child)) return false;
    int status = 0;
    waitpid(child.pid, &status, 0);
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return true;
    fail(options.model + ": " + one_line(contents_of(child.errors)));
    return false;
}

// Every combination; the last axis changes fastest.
std::vector<Json> combinations(const std::vector<Axis> &axes)
{
    std::vector<Json> points = {Json::object()};
    for (const Axis &axis : axes) {
        std::vector<Json> more;
        for (const Json &point : points)
            for (const std::string &value : axis.values) {
                Json with = point;
                with[axis.key] = value;
                more.push_back(std::move(with));
            }
        points = std::move(more);
    }
    return points;
}

// What makes two points the same: everything that their results depend on.
std::string identity(const ExploreOptions &options, const Json &point)
{
    const auto stamp = [](const std::string &path) {
        std::error_code error;
        if (path.empty()) return std::string();
        return path + "@" + std::to_string(fs::file_size(path, error)) + "@" +
               std::to_string(fs::last_write_time(path, error).time_since_epoch().count());
    };
    Json all = {{"model", stamp(options.model)}, {"calibrate", stamp(options.calibrate)},
                {"data", stamp(options.data)},   {"labels", stamp(options.labels)},
                {"arch", options.arch},          {"set", options.set}};
    if (fs::exists(options.arch)) all["arch"] = stamp(options.arch);
    all["point"] = point;
    return all.dump();
}

std::string device_of(const ExploreOptions &options, const std::vector<Axis> &axes,
                      const Json &point)
{
    std::string text = options.arch.empty() ? "" : "arch=" + options.arch;
    const auto add = [&](const std::string &option) { text += (text.empty() ? "" : ",") + option; };
    for (const std::string &option : options.set)
        add(option);
    for (const Axis &axis : axes)
        add(axis.key + "=" + point[axis.key].get<std::string>());
    return "inproc:crossbar" + (text.empty() ? "" : ":" + text);
}

// The arch of a point, for its tiles. Keys that are the device's alone change none.
uint64_t tiles_of(const ExploreOptions &options, const std::vector<Axis> &axes, const Json &point,
                  uint64_t arrays)
{
    arch::Arch arch;
    std::string why;
    if (!options.arch.empty())
        if (auto loaded = arch::load(options.arch, why)) arch = *loaded;
    for (const std::string &option : options.set)
        (void)arch::set(arch, option.substr(0, option.find('=')),
                        option.substr(option.find('=') + 1), why);
    for (const Axis &axis : axes)
        (void)arch::set(arch, axis.key, point[axis.key].get<std::string>(), why);
    return (arrays + arch.arrays_per_tile() - 1) / arch.arrays_per_tile();
}

// Of whole numbers of any width.
int64_t label_at(const Npy &labels, size_t k)
{
    const size_t bytes = labels.item_bytes();
    uint64_t value = 0;
    std::memcpy(&value, labels.data.data() + k * bytes, bytes); // little-endian, as the host
    const size_t unused = 64 - 8 * bytes;
    return labels.type[0] == 'i' ? static_cast<int64_t>(value << unused) >> unused
                                 : static_cast<int64_t>(value);
}

// Per cent of the rows whose largest output is the label; null without labels.
Json accuracy_of(const std::string &outputs, const Npy &labels)
{
    if (labels.shape.empty()) return nullptr;
    std::string why;
    const Result<Npy> read = read_npy(outputs, why);
    if (!read || read->type != "f4" || read->shape.empty() || read->shape[0] != labels.shape[0])
        return nullptr;
    const size_t samples = read->shape[0], classes = read->items() / std::max<size_t>(samples, 1);
    size_t right = 0;
    std::vector<float> row(classes);
    for (size_t k = 0; k < samples; k++) {
        std::memcpy(row.data(), read->data.data() + k * classes * 4, classes * 4);
        const auto best = std::max_element(row.begin(), row.end()) - row.begin();
        right += best == label_at(labels, k);
    }
    return 100.0 * static_cast<double>(right) / static_cast<double>(samples);
}

// Whether a point has time and energy alone: what comes out of its devices says nothing.
bool timing_only(const ExploreOptions &options, const Json &point)
{
    const std::string key = "timing_only";
    if (point.contains(key)) return point[key] == "1";
    const auto last =
        std::find_if(options.set.rbegin(), options.set.rend(),
                     [&](const std::string &option) { return option.starts_with(key + "="); });
    return last != options.set.rend() && *last == key + "=1";
}

// What a run said, as the results of its point.
Json result_of(const ExploreOptions &options, const std::vector<Axis> &axes, const Child &child,
               int status, Json point, const Npy &labels)
{
    const Json run = Json::parse(contents_of(child.output), nullptr, false);
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0 || run.is_discarded()) {
        point["error"] = one_line(contents_of(child.errors));
        return point;
    }
    const double samples = std::max(1.0, run["samples"].get<double>());
    double pj = 0;
    uint64_t arrays = 0, saturations = 0;
    for (const Json &device : run["devices"]) {
        const Json &counters = device["counters"];
        pj += counters["energy_pj"].get<double>();
        saturations += counters["saturations"].get<uint64_t>();
        if (device["engine"] == "crossbar") arrays += device["used"].get<uint64_t>();
    }
    point["accuracy"] =
        timing_only(options, point) ? Json(nullptr) : accuracy_of(child.result, labels);
    point["latency_us"] = run["modelled_ns"].get<double>() / samples / 1e3;
    point["energy_nj"] = pj / samples / 1e3;
    point["tiles"] = tiles_of(options, axes, point, arrays);
    point["arrays"] = arrays;
    point["saturations"] = saturations;
    return point;
}

class Explorer
{
public:
    Explorer(const ExploreOptions &options, std::vector<Axis> axes, Npy labels)
        : options_(options), axes_(std::move(axes)), labels_(std::move(labels)),
          points_(combinations(axes_)), results_(points_.size())
    {
    }

    // Reads what an earlier run of the same points has come to. The journal, to append to.
    bool resume()
    {
        const std::string path = options_.out + ".jsonl";
        std::map<std::string, size_t> wanted;
        for (size_t k = 0; k < points_.size(); k++)
            wanted.emplace(identity(options_, points_[k]), k);
        std::ifstream old(path);
        for (std::string line; std::getline(old, line);) {
            const Json entry = Json::parse(line, nullptr, false); // the last may be cut short
            if (!entry.is_object() || !entry.contains("identity")) continue;
            const auto found = wanted.find(entry["identity"].get<std::string>());
            if (found == wanted.end() || !results_[found->second].is_null()) continue;
            // What failed may have been the machine's fault: it is tried again.
            if (entry["result"].contains("error")) continue;
            results_[found->second] = entry["result"];
            resumed_++;
        }
        journal_ = fopen(path.c_str(), "ae");
        if (!journal_) fail(path + ": " + std::strerror(errno));
        // After a line that was cut short.
        if (journal_ && ftell(journal_) > 0) fputc('\n', journal_);
        return journal_;
    }

    bool run(const std::string &program, const Scratch &scratch)
    {
        const uint32_t jobs =
            options_.jobs ? options_.jobs : std::max(1u, std::thread::hardware_concurrency());
        std::vector<Child> running;
        size_t next = 0;
        bool told = false;
        progress();
        while (true) {
            while (running.size() < jobs && !interrupted()) {
                while (next < points_.size() && !results_[next].is_null())
                    next++;
                if (next == points_.size()) break;
                Child child;
                child.point = next;
                child.apart = true;
                const std::string number = std::to_string(next++);
                child.output = scratch.file(number + ".json");
                child.errors = scratch.file(number + ".err");
                child.result = scratch.file(number + ".npy");
                if (!start({own_path(), "--json", "-d",
                            device_of(options_, axes_, points_[child.point]), "-d", "inproc:fpga",
                            "run", program, "-b", std::to_string(options_.batch), "-i",
                            options_.samples, "-o", child.result},
                           child))
                    return false;
                running.push_back(std::move(child));
            }
            if (running.empty()) break;
            if (interrupted() && !told) {
                told = true;
                fprintf(stderr, "\naccctl: finishing %zu points; once more to drop them\n",
                        running.size());
            }
            if (interrupted() > 1)
                for (const Child &child : running)
                    kill(child.pid, SIGTERM);
            int status = 0;
            const pid_t pid = waitpid(-1, &status, 0);
            if (pid < 0) continue; // a signal
            const auto ended = std::find_if(running.begin(), running.end(),
                                            [&](const Child &c) { return c.pid == pid; });
            if (ended == running.end()) continue;
            // One that was dropped has no result.
            if (!(interrupted() > 1 && WIFSIGNALED(status))) record(*ended, status);
            running.erase(ended);
            progress();
        }
        if (isatty(STDERR_FILENO)) fputc('\n', stderr);
        return true;
    }

    // Writes CSV, HTML and SVG of what there is.
    bool write() const
    {
        std::vector<Json> done;
        for (const Json &result : results_)
            if (!result.is_null()) done.push_back(result);
        const std::string title =
            options_.title.empty() ? fs::path(options_.model).filename().string() : options_.title;
        const std::pair<const char *, std::string> files[] = {
            {".csv", csv_of(axes_, done)},
            {".html", html_of(title, axes_, done)},
            {".svg", svg_of(title, axes_, done)},
            {".json", Json(done).dump(2) + "\n"},
        };
        for (const auto &[suffix, text] : files) {
            std::ofstream file(options_.out + suffix);
            file << text;
            if (!file.flush()) return fail(options_.out + suffix + ": cannot be written"), false;
        }
        return true;
    }

    size_t done() const
    {
        return static_cast<size_t>(std::count_if(results_.begin(), results_.end(),
                                                 [](const Json &r) { return !r.is_null(); }));
    }
    size_t failed() const
    {
        return static_cast<size_t>(
            std::count_if(results_.begin(), results_.end(),
                          [](const Json &r) { return r.is_object() && r.contains("error"); }));
    }
    size_t all() const { return points_.size(); }
    size_t resumed() const { return resumed_; }
    const std::vector<Json> &results() const { return results_; }
    ~Explorer()
    {
        if (journal_) fclose(journal_);
    }
    Explorer(const Explorer &) = delete;
    Explorer &operator=(const Explorer &) = delete;

private:
    void record(const Child &child, int status)
    {
        results_[child.point] =
            result_of(options_, axes_, child, status, points_[child.point], labels_);
        const Json entry = {{"identity", identity(options_, points_[child.point])},
                            {"result", results_[child.point]}};
        fprintf(journal_, "%s\n", entry.dump().c_str());
        fflush(journal_);
        fsync(fileno(journal_));
    }

    void progress() const
    {
        if (!isatty(STDERR_FILENO)) return;
        constexpr size_t width = 40;
        const size_t filled = all() ? width * done() / all() : width;
        fprintf(stderr, "\r[%s%s] %zu of %zu points ", std::string(filled, '#').c_str(),
                std::string(width - filled, '.').c_str(), done(), all());
    }

    const ExploreOptions &options_;
    const std::vector<Axis> axes_;
    const Npy labels_;
    const std::vector<Json> points_;
    std::vector<Json> results_; // null: not yet
    FILE *journal_ = nullptr;
    size_t resumed_ = 0;
};

int explore(const Context &context, const ExploreOptions &given)
{
    std::vector<Axis> axes;
    std::string why;
    for (const std::string &text : given.vary) {
        Axis axis;
        if (!parse_axis(text, axis, why)) return fail("--vary " + text + ": " + why), exit_usage;
        for (const Axis &other : axes)
            if (other.key == axis.key)
                return fail("--vary " + axis.key + ": expected each key once"), exit_usage;
        axes.push_back(std::move(axis));
    }
    for (const std::string &option : given.set)
        if (option.find('=') == std::string::npos)
            return fail("--set " + option + ": expected key=value"), exit_usage;
    const Scratch scratch;
    if (!scratch.made()) return fail("expected a temporary folder; found none");
    ExploreOptions options = given;
    // What identifies a point is the file that was named; what a run reads are its arrays.
    options.samples = options.data;
    Npy labels;
    Result<Npy> truth = Npy();
    const std::string &truth_file = options.labels.empty() ? options.data : options.labels;
    if (options.data.ends_with(".npz")) {
        options.samples = scratch.file("x.npy");
        const Result<Npy> samples = read_npz(options.data, "x", why);
        if (!samples || write_npy(options.samples, *samples, why) < 0)
            return fail(options.data + ": " + why);
        if (options.labels.empty()) truth = read_npz(options.data, "y", why);
    }
    if (!options.labels.empty()) truth = read_npy(options.labels, why);
    if (truth) {
        labels = std::move(*truth);
        if (!labels.type.empty() && (labels.type[0] == 'f' || labels.shape.size() != 1))
            return fail(truth_file + ": expected one integer a sample; found " + labels.describe());
    } else if (truth.error() != -ENOENT || !options.labels.empty()) {
        return fail(truth_file + ": " + why); // an archive need not have any
    }
    std::string program;
    if (!compile(options, scratch, program)) return exit_failure;

    struct sigaction action = {};
    action.sa_handler = on_interrupt;
    sigaction(SIGINT, &action, nullptr);
    sigaction(SIGTERM, &action, nullptr);
    Explorer explorer(options, std::move(axes), std::move(labels));
    if (!explorer.resume() || !explorer.run(program, scratch) || !explorer.write())
        return exit_failure;
    if (context.json) {
        (void)print_json({{"points", explorer.all()},
                          {"done", explorer.done()},
                          {"resumed", explorer.resumed()},
                          {"failed", explorer.failed()},
                          {"results", explorer.results()}});
    } else {
        printf("%zu of %zu points (%zu from before, %zu failed) in %s.{csv,html,json,svg}\n",
               explorer.done(), explorer.all(), explorer.resumed(), explorer.failed(),
               options.out.c_str());
    }
    if (explorer.done() < explorer.all())
        return fail("interrupted: the same command goes on where it stopped"), 130;
    return explorer.failed() == explorer.all() ? exit_failure : finish_output();
}

} // namespace

bool parse_axis(const std::string &text, Axis &axis, std::string &why)
{
    const size_t equals = text.find('=');
    if (equals == 0 || equals == std::string::npos || equals + 1 == text.size()) {
        why = "expected KEY=A:B, KEY=A:B:STEP or KEY=V,V…";
        return false;
    }
    axis.key = text.substr(0, equals);
    const std::string values = text.substr(equals + 1);
    const char separator = values.find(':') != std::string::npos ? ':' : ',';
    std::vector<std::string> parts;
    std::stringstream stream(values);
    for (std::string part; std::getline(stream, part, separator);)
        parts.push_back(part);
    if (separator == ',') {
        for (const std::string &part : parts)
            if (part.empty()) {
                why = "expected values between the commas; found none";
                return false;
            }
        axis.values = std::move(parts);
        return true;
    }
    std::array<double, 3> numbers = {0, 0, 1};
    bool good = parts.size() == 2 || parts.size() == 3;
    for (size_t k = 0; good && k < parts.size(); k++) {
        char *end = nullptr;
        numbers[k] = std::strtod(parts[k].c_str(), &end);
        good = !parts[k].empty() && *end == 0 && std::isfinite(numbers[k]);
    }
    if (!good || numbers[2] <= 0 || numbers[1] < numbers[0] ||
        (numbers[1] - numbers[0]) / numbers[2] > 10000) {
        why = "expected A:B or A:B:STEP with A <= B, STEP > 0 and at most 10001 values";
        return false;
    }
    const auto steps = static_cast<int>((numbers[1] - numbers[0]) / numbers[2] + 1e-9);
    for (int k = 0; k <= steps; k++) {
        std::array<char, 32> value = {};
        snprintf(value.data(), value.size(), "%.10g", numbers[0] + k * numbers[2]);
        axis.values.emplace_back(value.data());
    }
    return true;
}

void add_explore_command(CLI::App &app, Context &context)
{
    CLI::App *command = app.add_subcommand(
        "explore", "Run a network on crossbars that differ, and compare what it comes to");
    auto o = std::make_shared<ExploreOptions>();
    command->add_option("MODEL", o->model, "An ONNX model, or a program with one (.accx)")
        ->required()
        ->type_name("");
    command
        ->add_option(
            "--vary", o->vary,
            "A key of the arch, or an option of the device, and its values: adc_bits=6:10, "
            "rows=64,128, prog_sigma=0:0.05:0.01; may be repeated, all combinations run")
        ->required()
        ->type_name("KEY=VALUES")
        ->allow_extra_args(false);
    command->add_option("--set", o->set, "An option of the device for all points")
        ->type_name("KEY=VALUE")
        ->allow_extra_args(false);
    command->add_option("--arch", o->arch, "A preset or an arch file")->type_name("ARCH");
    command
        ->add_option("--data", o->data,
                     "Samples: an array, or an archive with x and, if there are labels, y")
        ->required()
        ->type_name("X.npy|X.npz");
    command->add_option("--labels", o->labels, "The right class of each, for the accuracy")
        ->type_name("Y.npy");
    command->add_option("--calibrate", o->calibrate, "For accc")->type_name("X.npy");
    command->add_option("--accc", o->accc, "The compiler (default: beside accctl, or in PATH)")
        ->type_name("PATH");
    command
        ->add_option("-o,--out", o->out,
                     "Name of the results: OUT.jsonl (the journal, from which the same command "
                     "resumes), OUT.csv, OUT.json, OUT.html, OUT.svg (default: explore)")
        ->type_name("OUT");
    command->add_option("--title", o->title, "Of page and plot")->type_name("TEXT");
    command->add_option("--batch", o->batch, "Samples in one submission (default: 8)")
        ->type_name("N")
        ->check(CLI::Range(1, 65536));
    command->add_option("--jobs", o->jobs, "Points at a time (default: one a processor)")
        ->type_name("N")
        ->check(CLI::Range(1, 256));
    command->callback(
        [&context, o] { context.command = [&context, o] { return explore(context, *o); }; });
}

} // namespace acc::ctl
