// SPDX-License-Identifier: MIT
#include "tools/accc/accc.h"

#include "program/program_file.h"
#include "tools/accc/emit/emit.h"
#include "tools/accc/emit/report.h"
#include "tools/accc/ir/verify.h"
#include "tools/accc/place/place.h"
#include "tools/accc/quantize/calibrate.h"
#include "tools/accc/quantize/lower.h"
#include "tools/accc/reference/float_interpreter.h"
#include "tools/accc/reference/plan_interpreter.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <new>
#include <set>

namespace acc::accc
{
namespace
{

constexpr uint64_t kMaxWorkspace = uint64_t{4} << 30;

struct Comparison {
    OutputReport report;
    double signal = 0, noise = 0, absolute = 0;
    uint64_t values = 0, same = 0;

    void add(std::span<const float> wanted, std::span<const float> found)
    {
        size_t most_wanted = 0, most_found = 0;
        for (size_t i = 0; i < wanted.size(); i++) {
            const double w = static_cast<double>(wanted[i]),
                         off = w - static_cast<double>(found[i]);
            signal += w * w;
            noise += off * off;
            absolute += std::abs(off);
            report.max_error = std::max(report.max_error, std::abs(off));
            if (wanted[i] > wanted[most_wanted]) most_wanted = i;
            if (found[i] > found[most_found]) most_found = i;
        }
        values += wanted.size();
        same += most_wanted == most_found;
    }

    OutputReport done(size_t items)
    {
        report.mean_error = absolute / static_cast<double>(values);
        report.sqnr_db = noise > 0 ? 10 * std::log10(std::max(signal, 1e-300) / noise) : 999;
        report.agreement = static_cast<double>(same) / static_cast<double>(items);
        return report;
    }
};

// Runs the file's plan beside the float model, on each item.
Status compare(const Graph &model, std::span<const std::byte> bytes, const Samples &samples,
               CompileReport &report, Diagnostics &diag)
{
    std::string why;
    const auto file = program::ProgramFile::parse(bytes, &why);
    if (!file) return diag.error("internal: " + why, file.error());
    const auto plan = PlanInterpreter::create(*file, &why);
    if (!plan) return diag.error("internal: " + why, plan.error());
    std::vector<Comparison> comparisons(model.outputs.size());
    for (size_t i = 0; i < samples.items; i++) {
        const auto item = samples.item(i);
        std::vector<std::span<const std::byte>> inputs;
        std::vector<std::vector<std::byte>> memory;
        for (size_t k = 0; k < item.size(); k++) {
            host::View view = model.view(model.inputs[k]);
            if (view.dtype == ACC_DTYPE_F32) {
                inputs.push_back(std::as_bytes(item[k]));
                continue;
            }
            view.data = memory.emplace_back(host::bytes_of(view)).data();
            host::store_floats(item[k], view);
            inputs.push_back(memory.back());
        }
        const auto found = plan->run(1, inputs, &why);
        // Made-up data may be what an operator refuses: an index out of range.
        if (!found && samples.made_up) {
            diag.warn("not compared with the float model: " + why);
            return Ok{};
        }
        if (!found) return diag.error(why, found.error());
        const FloatValues wanted = evaluate(model, item);
        for (size_t o = 0; o < model.outputs.size(); o++) {
            const std::vector<std::byte> &raw = (*found)[o];
            const Value &v = model.value(model.outputs[o]);
            host::View view;
            view.dtype = dtype_code(v.dtype);
            view.dims = v.dims;
            view.data = const_cast<std::byte *>(raw.data());
            const std::vector<double> wide = host::read_floats(view);
            const std::vector<float> values(wide.begin(), wide.end());
            comparisons[o].add(wanted[model.outputs[o]], values);
        }
    }
    for (size_t o = 0; o < model.outputs.size(); o++) {
        report.outputs.push_back(comparisons[o].done(samples.items));
        report.outputs.back().name = model.output_names[o];
    }
    return Ok{};
}

// Names of values that have a form of their own once the graph is lowered: not those of layers
// that are fused into others. Asking for these as outputs changes nothing of what is computed.
Result<std::set<std::string>> kept_names(Graph graph, const Samples &samples,
                                         const CompileOptions &options, Diagnostics &diag)
{
    ACCC_CHECK(run_model_passes(graph, diag, {}));
    ACCC_CHECK(run_passes(graph, diag, {}));
    ACCC_CHECK(lower(graph, calibrate(graph, samples, options.calibration), diag));
    graph.drop_dead();
    std::set<std::string> names;
    for (const Op &op : graph.ops)
        names.insert(graph.value(op.output).name);
    return names;
}

// Outputs that were there stay first. Names are unique, as a plan's must be.
Status add_all_outputs(Graph &graph, const Samples &samples, const CompileOptions &options,
                       Diagnostics &diag)
{
    std::set<std::string> kept;
    if (!options.host_only) {
        ACC_TRY(kept, kept_names(graph, samples, options, diag));
    }
    std::set<std::string> names(graph.output_names.begin(), graph.output_names.end());
    for (const Op &op : graph.ops) {
        const Value &v = graph.value(op.output);
        const bool there =
            std::find(graph.outputs.begin(), graph.outputs.end(), op.output) != graph.outputs.end();
        if ((v.dtype != DType::F32 && v.dtype != DType::I8) || there || v.name.empty() ||
            (!options.host_only && !kept.contains(v.name)) || !names.insert(v.name).second)
            continue;
        graph.outputs.push_back(op.output);
        graph.output_names.push_back(v.name);
    }
    return Ok{};
}

// The first node on the host is named.
Status check_strict(const Graph &graph, Diagnostics &diag)
{
    for (const Op &op : graph.ops) {
        if (op.kind != Kind::Host) continue;
        const Source &s = graph.source(op);
        return diag.error("node '" + s.name + "' (" + s.op +
                          "): expected an engine for it, as --strict asks; found the host alone: " +
                          (s.host.empty() ? "nothing else was asked for" : s.host));
    }
    return Ok{};
}

} // namespace

std::vector<std::string> pass_names()
{
    std::vector<std::string> names = {"import"};
    for (const Pass &pass : model_passes())
        names.emplace_back(pass.name);
    for (const Pass &pass : float_passes())
        names.emplace_back(pass.name);
    names.emplace_back("quantize");
    names.emplace_back("instructions");
    return names;
}

// What reads an item takes as many numbers of it as the model says.
static Status check_samples(const Graph &model, const Samples &samples, Diagnostics &diag)
{
    if (samples.inputs.size() != model.inputs.size())
        return diag.error("expected samples of " + std::to_string(model.inputs.size()) +
                          " inputs; found " + std::to_string(samples.inputs.size()));
    for (size_t i = 0; i < model.inputs.size(); i++) {
        const size_t expected =
            samples.items * static_cast<size_t>(host::elements(model.view(model.inputs[i]).dims));
        if (samples.inputs[i].size() != expected)
            return diag.error("expected " + std::to_string(expected) + " numbers of " +
                              std::to_string(samples.items) + " samples for input '" +
                              model.value(model.inputs[i]).name + "'; found " +
                              std::to_string(samples.inputs[i].size()));
    }
    return Ok{};
}

Result<Compiled> compile(Graph graph, const Samples &samples, Diagnostics &diag,
                         const AfterPass &after, const CompileOptions &options)
try {
    ACCC_CHECK(check_samples(graph, samples, diag));
    const size_t outputs = graph.outputs.size();
    if (options.all_outputs) ACCC_CHECK(add_all_outputs(graph, samples, options, diag));
    const Graph model = graph;
    if (after) after("import", graph);
    ACCC_CHECK(run_model_passes(graph, diag, after));
    Precision precision;
    if (!options.host_only) {
        ACCC_CHECK(run_passes(graph, diag, after));
        if (samples.made_up && needs_ranges(graph))
            diag.warn("no --calibrate: ranges are those of random inputs from 0 to 1");
        const std::vector<Range> ranges = calibrate(graph, samples, options.calibration);
        if (options.min_sqnr_db > 0)
            precision = choose_precision(graph, outputs, ranges, samples, options.min_sqnr_db);
        ACCC_CHECK(lower(graph, ranges, diag, precision.wide));
        graph.drop_dead();
        ACCC_CHECK(verify_graph(graph, diag));
        if (after) after("quantize", graph);
    }
    if (options.strict) ACCC_CHECK(check_strict(graph, diag));
    // What the result is compared by: plain loops know kernels, not instructions.
    const Graph kernels = graph;
    if (!options.host_only) {
        lower_products(
            graph, {.how = options.lowering, .batch = options.batch, .arch = options.arch}, diag);
        ACCC_CHECK(verify_graph(graph, diag));
        if (after) after("instructions", graph);
    }

    const MemoryPlan memory = plan_memory(graph);
    if (memory.workspace > kMaxWorkspace)
        return diag.error("expected a workspace of at most 4 GiB for one item; found " +
                          std::to_string(memory.workspace) + " bytes");
    ACC_TRY(program::ProgramWriter writer, emit(graph, memory, options.arch, diag));
    std::string why;
    auto bare = writer.finish(&why);
    if (!bare) return diag.error("internal: " + why, bare.error());

    Compiled compiled;
    compiled.report = make_report(graph, memory, options.arch);
    compiled.report.precision = std::move(precision);
    compiled.report.items = samples.items;
    compiled.report.made_up_items = samples.made_up;
    const auto file = program::ProgramFile::parse(*bare, &why);
    if (!file) return diag.error("internal: " + why, file.error());
    compiled.report.steps = file->model().steps.size();
    compiled.report.deps = file->model().deps.size();
    compiled.report.const_bytes = file->consts().size();
    if (compiled.report.programs.empty()) {
        ACCC_CHECK(compare(model, *bare, samples, compiled.report, diag));
    } else {
        ACC_TRY(const auto reference, emit(kernels, plan_memory(kernels), options.arch, diag));
        const auto plan = reference.finish(&why);
        if (!plan) return diag.error("internal: " + why, plan.error());
        ACCC_CHECK(compare(model, *plan, samples, compiled.report, diag));
    }

    writer.set_report(compiled.report.json());
    auto whole = writer.finish(&why);
    if (!whole) return diag.error("internal: " + why, whole.error());
    compiled.file = std::move(*whole);
    return compiled;
} catch (const std::bad_alloc &) {
    return diag.error("expected memory for the compilation; found none", -ENOMEM);
}

} // namespace acc::accc
