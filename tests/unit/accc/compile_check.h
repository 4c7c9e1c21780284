// SPDX-License-Identifier: MIT
//
// Compiles a model and holds the plan's integers to the float model, by the two interpreters,
// and batches to single items.
#pragma once

#include "onnx_builder.h"
#include "run_plan.h"

#include "tools/accc/reference/float_interpreter.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace acc::accc
{

struct Bounds {
    float lo = -1, hi = 1;
    double error = 0.02; // of the largest output, relative to the outputs' range
};

// Compiles, compares every output of every item, and a batch with its items.
inline CompileReport check(const OnnxBuilder &model, const Bounds &bounds = {})
{
    constexpr size_t items = 6;
    Diagnostics diag;
    const auto graph = model.import(diag);
    if (!graph) {
        ADD_FAILURE() << diag.text();
        return {};
    }
    const Samples samples = make_samples(*graph, items, bounds.lo, bounds.hi);
    const auto compiled = compile(*graph, samples, diag);
    if (!compiled) {
        ADD_FAILURE() << diag.text();
        return {};
    }
    const auto batch = run_plan(compiled->file, samples, 0, items);
    for (size_t i = 0; i < items; i++) {
        const auto found = run_plan(compiled->file, samples, i, 1);
        const FloatValues wanted = evaluate(*graph, samples.item(i));
        for (size_t o = 0; o < found.size(); o++) {
            const std::vector<float> &w = wanted[graph->outputs[o]], &f = found[o];
            EXPECT_EQ(w.size(), f.size());
            const auto [least, most] = std::minmax_element(w.begin(), w.end());
            const double range =
                std::max(static_cast<double>(*most) - static_cast<double>(*least), 1e-3);
            for (size_t k = 0; k < f.size() && k < w.size(); k++) {
                EXPECT_NEAR(f[k], w[k], bounds.error * range + 1e-6)
                    << "item " << i << ", element " << k;
                EXPECT_EQ(f[k], batch[o][i * f.size() + k]) << "item " << i << ", element " << k;
            }
        }
    }
    return compiled->report;
}

inline const NodeReport *find_node(const CompileReport &report, const std::string &name)
{
    for (const NodeReport &n : report.nodes)
        if (n.node == name) return &n;
    return nullptr;
}

inline OnnxBuilder conv(int64_t in, int64_t out, int64_t kernel, int64_t size)
{
    OnnxBuilder b;
    b.input("x", {-1, in, size, size}).random("w", {out, in, kernel, kernel}).random("b", {out});
    b.add("Conv", {"x", "w", "b"}, "y").output("y");
    return b;
}

} // namespace acc::accc
