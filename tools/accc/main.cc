// SPDX-License-Identifier: MIT
//
// accc MODEL.onnx -o OUT.accx: the command line. Errors are one line on stderr; exit code 1
// for what is wrong with the input, 2 for how the tool was called.
#include "tools/accc/accc.h"
#include "tools/accc/import/import.h"
#include "tools/accc/ir/print.h"

#include <CLI/CLI.hpp>

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <map>
#include <string>
#include <vector>

namespace
{

using namespace acc::accc;

constexpr size_t kRandomItems = 8;

struct Options {
    std::string model, out, report, print_after;
    std::vector<std::string> calibrate, shapes;
    std::string target = "device", calibration = "auto", lower = "auto";
    ImageValues pixels;
    double min_sqnr = 0;
    uint32_t batch = 1;
    std::string arch;
    bool strict = false, quiet = false, all_outputs = false, print_data = false;
};

// One line, whatever bytes a model's names hold.
int fail(const std::string &text, int code = 1)
{
    std::string line = text;
    for (char &c : line)
        if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) c = '?';
    std::fprintf(stderr, "accc: error: %s\n", line.c_str());
    return code;
}

// name=1x3x8x8
bool parse_shape(const std::string &text, ImportOptions &options)
{
    const size_t equals = text.rfind('=');
    if (equals == std::string::npos || equals == 0) return false;
    Dims dims;
    for (size_t at = equals + 1; at <= text.size();) {
        const size_t end = std::min(text.find('x', at), text.size());
        if (end == at || end - at > 9) return false;
        int64_t dim = 0;
        for (; at < end; at++) {
            if (text[at] < '0' || text[at] > '9') return false;
            dim = dim * 10 + (text[at] - '0');
        }
        dims.push_back(dim);
        at = end + 1;
    }
    options.shapes[text.substr(0, equals)] = dims;
    return true;
}

bool write_file(const std::string &path, const void *data, size_t size)
{
    std::FILE *file = std::fopen(path.c_str(), "wbe");
    if (!file) return false;
    const bool written = std::fwrite(data, 1, size, file) == size;
    return std::fclose(file) == 0 && written;
}

int run(const Options &o)
{
    ImportOptions import;
    for (const std::string &shape : o.shapes)
        if (!parse_shape(shape, import))
            return fail("expected --shape NAME=1x3x8x8; found '" + shape + "'", 2);
    const std::vector<std::string> passes = pass_names();
    if (!o.print_after.empty() && o.print_after != "all" &&
        std::find(passes.begin(), passes.end(), o.print_after) == passes.end()) {
        std::string names = "all";
        for (const std::string &name : passes)
            names += ", " + name;
        return fail("expected --print-after of " + names + "; found '" + o.print_after + "'", 2);
    }

    Diagnostics diag;
    auto graph = import_model_file(o.model, import, diag);
    if (!graph) return fail(diag.text());
    const auto samples = o.calibrate.empty() ? random_samples(*graph, kRandomItems)
                                             : read_samples(*graph, o.calibrate, diag, o.pixels);
    if (!samples) return fail(diag.text());
    const auto after = [&](const char *name, const Graph &g) {
        if (o.print_after == name || o.print_after == "all")
            std::printf("# after %s\n%s\n", name,
                        print_graph(g, o.print_data ? Constants::Whole : Constants::Short).c_str());
    };
    CompileOptions options;
    options.host_only = o.target == "host";
    options.strict = o.strict;
    options.all_outputs = o.all_outputs;
    const std::map<std::string, Calibration> methods = {{"auto", Calibration::Auto},
                                                        {"minmax", Calibration::MinMax},
                                                        {"percentile", Calibration::Percentile},
                                                        {"mse", Calibration::Mse}};
    options.min_sqnr_db = o.min_sqnr;
    options.calibration = methods.at(o.calibration);
    const std::map<std::string, LowerTo> lowerings = {
        {"auto", LowerTo::Auto}, {"isa", LowerTo::Instructions}, {"kernels", LowerTo::Kernels}};
    options.lowering = lowerings.at(o.lower);
    options.batch = o.batch;
    if (!o.arch.empty()) {
        std::string why;
        const auto loaded = acc::arch::load(o.arch, why);
        if (!loaded) return fail(why);
        options.arch = *loaded;
    }
    const auto compiled = compile(std::move(*graph), *samples, diag, after, options);
    if (!compiled) return fail(o.model + ": " + diag.text());
    if (!write_file(o.out, compiled->file.data(), compiled->file.size()))
        return fail(o.out + ": " + std::strerror(errno));
    const bool page = o.report.ends_with(".html");
    const std::string json = page ? compiled->report.html() : compiled->report.json() + "\n";
    if (!o.report.empty() && !write_file(o.report, json.data(), json.size()))
        return fail(o.report + ": " + std::strerror(errno));
    for (const std::string &warning : diag.warnings())
        std::fprintf(stderr, "accc: warning: %s\n", warning.c_str());
    if (!o.quiet) std::fputs(compiled->report.text().c_str(), stdout);
    return 0;
}

} // namespace

int main(int argc, char **argv)
try {
    CLI::App app{"Compiles a trained network into a program for the crossbar and the FPGA."};
    Options o;
    app.add_option("model", o.model,
                   "The model: .onnx, .tflite, a frozen .pb, a SavedModel's folder, or a graph's "
                   "text, .accir")
        ->required();
    app.add_option("-o,--output", o.out, "The program file to write, OUT.accx")->required();
    app.add_option("--calibrate", o.calibrate,
                   "float32 .npy [n, …], an .npz of them, an image or a folder of images, whose "
                   "values set the int8 ranges; NAME=FILE for each of several inputs")
        ->allow_extra_args(false);
    app.add_option("--image-scale", o.pixels.scale, "A pixel's value is pixel * scale + offset");
    app.add_option("--image-offset", o.pixels.offset, "The offset of that");
    app.add_option("--report", o.report,
                   "Write the placement report: as JSON, or, named .html, as a page");
    app.add_option("--calibration", o.calibration, "How ranges are taken from the data")
        ->check(CLI::IsMember({"auto", "minmax", "percentile", "mse"}));
    app.add_option(
           "--lower", o.lower,
           "Products on the crossbar and what follows them: programs of its instructions (isa), "
           "kernels with requantisations on the FPGA, or what costs less (auto)")
        ->check(CLI::IsMember({"auto", "isa", "kernels"}));
    app.add_option("--batch", o.batch, "Items of a run, for which --lower=auto decides")
        ->check(CLI::Range(1, 65536));
    app.add_option("--arch", o.arch,
                   "The arch that programs of instructions are for: a preset's name or a file");
    app.add_option("--min-sqnr", o.min_sqnr,
                   "16-bit inputs for the layers that the outputs depend on most, until the "
                   "estimated signal to quantisation noise of the outputs is this many dB")
        ->check(CLI::Range(0.0, 200.0));
    app.add_option("--shape", o.shapes, "Dims of an input, NAME=1x3x8x8")->allow_extra_args(false);
    app.add_option("--print-after", o.print_after, "Print the graph after a pass, or after all");
    app.add_flag("--print-data", o.print_data,
                 "With --print-after: every constant's values, so that the text can be read back");
    app.add_flag("--strict", o.strict,
                 "Fail where a node would run on the host, and name it with the reason");
    app.add_option("--target", o.target,
                   "Who runs the network: device, the engines and the host for what they cannot; "
                   "or host alone, in float")
        ->check(CLI::IsMember({"device", "host"}));
    app.add_flag("--all-outputs", o.all_outputs,
                 "Make every layer's values an output, but for those that are fused into others");
    app.add_flag("-q,--quiet", o.quiet, "Do not print the placement report");
    app.set_version_flag("--version", ACC_VERSION);
    try {
        app.parse(argc, argv);
    } catch (const CLI::ParseError &e) {
        if (e.get_exit_code() == 0) return app.exit(e); // --help, --version
        return fail(e.what(), 2);
    }
    return run(o);
} catch (const std::exception &e) {
    return fail(e.what());
}
