// SPDX-License-Identifier: MIT
//
// What is done with the bytes of an ONNX file, by libFuzzer and by the mutation test: import,
// and, where the graph is small, compile.
#pragma once

#include "program/program_file.h"
#include "tools/accc/accc.h"
#include "tools/accc/import/onnx_import.h"

#include <onnx/onnx_pb.h>

#include <cstdio>
#include <cstdlib>
#include <span>
#include <string>
#include <vector>

namespace acc::fuzz
{

// Multiplications of one item, roughly; weights count too. Small graphs compile in a moment.
inline double work_of(const accc::Graph &g)
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

// The text that refused the model, empty when it was accepted; aborts when a refusal has no
// text or when what the compiler wrote is no program.
inline std::string try_model(std::span<const std::byte> bytes,
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

inline std::string try_onnx(std::span<const std::byte> bytes)
{
    return try_model(bytes, accc::import_onnx);
}

// Small valid models that use every operator between them.
std::vector<std::vector<std::byte>> onnx_seeds();

} // namespace acc::fuzz
