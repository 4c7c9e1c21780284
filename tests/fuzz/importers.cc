// SPDX-License-Identifier: MIT
#include "tests/fuzz/importers.h"

#include "program/program_file.h"
#include "tools/accc/accc.h"
#include "tools/accc/import/onnx_import.h"
#include "tools/accc/import/tf_import.h"
#include "tools/accc/import/tflite_import.h"

#include <cstdio>
#include <cstdlib>

namespace acc::fuzz
{
namespace
{

// Multiplications of one item, roughly; weights count too. Small graphs compile in a moment.
double work_of(const accc::Graph &g)
{
    double work = 0;
    for (const accc::Value &v : g.values)
        work += static_cast<double>(accc::elements(v.dims));
    for (const accc::Op &op : g.ops) {
        if (op.kind == accc::Kind::Host) {
            // Each element of an operand for each of the result: windows and products do no more.
            for (const accc::ValueId id : op.inputs)
                if (id != accc::kNoValue)
                    work += static_cast<double>(accc::elements(g.value(id).dims)) *
                            static_cast<double>(accc::elements(g.value(op.output).dims));
            continue;
        }
        double each =
            static_cast<double>(op.window.kernel[0]) * static_cast<double>(op.window.kernel[1]);
        if (op.inputs.size() > 1)
            each *= static_cast<double>(accc::elements(g.value(op.inputs[1]).dims));
        // Groups become a matrix of zeros between them.
        work += each * static_cast<double>(op.groups) +
                each * static_cast<double>(accc::elements(g.value(op.output).dims));
    }
    return work;
}

std::string try_model(std::span<const std::byte> bytes,
                      Result<accc::Graph> (*import)(std::span<const std::byte>,
                                                    const accc::ImportOptions &,
                                                    accc::Diagnostics &))
{
    accc::Diagnostics diag;
    const auto demand = [&](bool good) {
        if (good) return;
        std::fprintf(stderr, "a promise is broken; the last text is \"%s\"\n", diag.text().c_str());
        std::abort();
    };
    auto graph = import(bytes, {}, diag);
    if (!graph) {
        demand(!diag.text().empty() && graph.error() < 0);
        return diag.text();
    }
    if (work_of(*graph) > 1e7) return {};
    const accc::Samples samples = accc::random_samples(*graph, 2);
    accc::CompileOptions options;
    if (bytes.size() % 2) options.lowering = accc::LowerTo::Instructions;
    const auto compiled = accc::compile(std::move(*graph), samples, diag, {}, options);
    if (!compiled) {
        // A graph that was imported may still be refused, but not because a pass broke it.
        demand(!diag.text().empty() && diag.text().find("internal:") == std::string::npos);
        return diag.text();
    }
    demand(static_cast<bool>(program::ProgramFile::parse(compiled->file, nullptr)));
    return {};
}

} // namespace

std::string try_onnx(std::span<const std::byte> bytes)
{
    return try_model(bytes, accc::import_onnx);
}

std::string try_tflite(std::span<const std::byte> bytes)
{
    return try_model(bytes, accc::import_tflite);
}

std::string try_graphdef(std::span<const std::byte> bytes)
{
    return try_model(bytes, accc::import_graphdef);
}

} // namespace acc::fuzz
