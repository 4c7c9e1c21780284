// SPDX-License-Identifier: MIT
//
// What the passes do, and that they leave the result as it was.
#include "onnx_builder.h"

#include "tools/accc/ir/print.h"
#include "tools/accc/ir/verify.h"
#include "tools/accc/legalize/legalize.h"
#include "tools/accc/reference/float_interpreter.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace acc::accc
{
namespace
{

Graph imported(const OnnxBuilder &b)
{
    Diagnostics diag;
    auto graph = b.import(diag);
    EXPECT_TRUE(graph && legalize(*graph, diag)) << diag.text();
    return graph ? std::move(*graph) : Graph{};
}

size_t count(const Graph &g, Kind kind)
{
    return static_cast<size_t>(
        std::count_if(g.ops.begin(), g.ops.end(), [&](const Op &op) { return op.kind == kind; }));
}

void same_results(const Graph &a, const Graph &b)
{
    const Samples samples = make_samples(a, 3, -2, 2);
    for (size_t i = 0; i < samples.items; i++) {
        const FloatValues left = evaluate(a, samples.item(i)), right = evaluate(b, samples.item(i));
        for (size_t o = 0; o < a.outputs.size(); o++) {
            const auto &l = left[a.outputs[o]], &r = right[b.outputs[o]];
            ASSERT_EQ(l.size(), r.size());
            for (size_t k = 0; k < l.size(); k++)
                EXPECT_NEAR(l[k], r[k], 1e-5) << "output " << o << ", element " << k;
        }
    }
}

OnnxBuilder conv_norm_relu()
{
    OnnxBuilder b;
    b.input("x", {-1, 2, 5, 5})
        .random("w", {3, 2, 3, 3})
        .random("b", {3})
        .random("s", {3}, 0.5f, 2);
    b.random("t", {3}).random("m", {3}).random("v", {3}, 0.25f, 4);
    b.add("Conv", {"x", "w", "b"}, "c").add("BatchNormalization", {"c", "s", "t", "m", "v"}, "n");
    b.add("Relu", {"n"}, "y").output("y");
    return b;
}

TEST(Passes, FoldsBatchNormalization)
{
    const Graph before = imported(conv_norm_relu());
    Graph after = before;
    Diagnostics diag;
    ASSERT_TRUE(fold_scales(after, diag)) << diag.text();
    ASSERT_TRUE(verify_graph(after, diag)) << diag.text();
    EXPECT_EQ(count(before, Kind::ScaleShift), 1u);
    EXPECT_EQ(count(after, Kind::ScaleShift), 0u);
    EXPECT_EQ(count(after, Kind::Conv), 1u);
    EXPECT_EQ(after.sources[1].fate, "folded into the weights of Conv_c");
    same_results(before, after);
}

TEST(Passes, FoldsOnlyWhatNothingElseReads)
{
    OnnxBuilder b = conv_norm_relu();
    b.output("c");
    const Graph before = imported(b);
    Graph after = before;
    Diagnostics diag;
    ASSERT_TRUE(fold_scales(after, diag)) << diag.text();
    ASSERT_TRUE(verify_graph(after, diag)) << diag.text();
    EXPECT_EQ(count(after, Kind::Conv), 2u); // the scale is a product of its own
    same_results(before, after);
}

TEST(Passes, FoldsChainsOfScales)
{
    OnnxBuilder b;
    b.input("x", {-1, 6})
        .random("w", {6, 4})
        .random("a", {4})
        .floats("h", {}, {0.5f})
        .random("c", {4});
    b.add("MatMul", {"x", "w"}, "p").add("Add", {"p", "a"}, "q").add("Mul", {"q", "h"}, "r");
    b.add("Sub", {"c", "r"}, "y").output("y");
    const Graph before = imported(b);
    Graph after = before;
    Diagnostics diag;
    ASSERT_TRUE(fold_scales(after, diag)) << diag.text();
    ASSERT_TRUE(verify_graph(after, diag)) << diag.text();
    EXPECT_EQ(after.ops.size(), 1u);
    same_results(before, after);
}

TEST(Passes, AllOfThemKeepResults)
{
    OnnxBuilder b = conv_norm_relu();
    b.graph().clear_output();
    b.random("k", {3, 3, 3, 3}).add("Conv", {"y", "k"}, "d").attr("pads", {1, 1, 1, 1});
    b.add("Add", {"d", "y"}, "e").add("MaxPool", {"e"}, "f").attr("kernel_shape", {2, 2});
    b.add("Relu", {"f"}, "g").add("Transpose", {"g"}, "h").attr("perm", {0, 3, 1, 2});
    b.add("Flatten", {"h"}, "i").random("z", {12, 4}).add("MatMul", {"i", "z"}, "j");
    b.add("Softmax", {"j"}, "out").output("out").output("g");
    const Graph before = imported(b);
    Graph after = before;
    Diagnostics diag;
    std::vector<std::string> names;
    const auto see = [&](const char *name, const Graph &g) {
        names.emplace_back(name);
        same_results(before, g);
        EXPECT_NE(print_graph(g).find("conv"), std::string::npos);
    };
    ASSERT_TRUE(run_passes(after, diag, see)) << diag.text();
    EXPECT_EQ(names, (std::vector<std::string>{"norms", "chains", "legalize", "fold", "layout",
                                               "fuse", "weights"}));
    EXPECT_EQ(after.stage, Stage::Physical);
}

TEST(Passes, FusesLimits)
{
    Graph g = imported(conv_norm_relu());
    Diagnostics diag;
    ASSERT_TRUE(run_passes(g, diag, {})) << diag.text();
    EXPECT_EQ(count(g, Kind::Clip), 0u);
    const auto conv = std::find_if(g.ops.begin(), g.ops.end(),
                                   [](const Op &op) { return op.kind == Kind::Conv; });
    ASSERT_NE(conv, g.ops.end());
    EXPECT_EQ(conv->lo, 0.0f);
}

TEST(Passes, FusesARowOfLimits)
{
    OnnxBuilder b(11);
    b.input("x", {-1, 4}).random("w", {4, 4}).floats("l", {}, {-0.5f}).floats("h", {}, {0.25f});
    b.add("MatMul", {"x", "w"}, "p")
        .add("Clip", {"p", "l", "h"}, "q")
        .add("Relu", {"q"}, "y")
        .output("y");
    const Graph before = imported(b);
    Graph g = before;
    Diagnostics diag;
    ASSERT_TRUE(run_passes(g, diag, {})) << diag.text();
    ASSERT_EQ(g.ops.size(), 1u);
    EXPECT_EQ(g.ops[0].lo, 0.0f);
    EXPECT_EQ(g.ops[0].hi, 0.25f);
    same_results(before, g);
}

TEST(Passes, MovesLimitsBeforePools)
{
    OnnxBuilder b;
    b.input("x", {-1, 2, 6, 6}).random("w", {3, 2, 3, 3}).add("Conv", {"x", "w"}, "c");
    b.add("MaxPool", {"c"}, "p").attr("kernel_shape", {2, 2}).add("Relu", {"p"}, "y").output("y");
    const Graph before = imported(b);
    Graph g = before;
    Diagnostics diag;
    ASSERT_TRUE(run_passes(g, diag, {})) << diag.text();
    EXPECT_EQ(count(g, Kind::Clip), 0u);
    same_results(before, g);
}

Graph model_of(const OnnxBuilder &b)
{
    Diagnostics diag;
    auto graph = b.import(diag);
    EXPECT_TRUE(graph) << diag.text();
    return graph ? std::move(*graph) : Graph{};
}

TEST(Passes, MergesEqualOperators)
{
    OnnxBuilder b;
    b.input("x", {-1, 4}).floats("one", {}, {1}).floats("uno", {}, {1});
    b.add("Add", {"x", "one"}, "a").add("Add", {"x", "uno"}, "b").add("Mul", {"a", "b"}, "y");
    b.output("y");
    const Graph before = model_of(b);
    Graph after = before;
    Diagnostics diag;
    ASSERT_TRUE(merge_equal(after, diag));
    after.drop_dead();
    ASSERT_TRUE(verify_graph(after, diag)) << diag.text();
    EXPECT_EQ(before.ops.size(), 3u);
    EXPECT_EQ(after.ops.size(), 2u);
    EXPECT_EQ(after.sources[1].fate, "the same as Add_a");
    same_results(before, after);
}

TEST(Passes, TranspositionsThatUndoEachOtherGo)
{
    OnnxBuilder b;
    b.input("x", {-1, 2, 3, 4}).add("Transpose", {"x"}, "t").attr("perm", {0, 2, 3, 1});
    b.add("Sigmoid", {"t"}, "s").add("Identity", {"s"}, "i");
    b.add("Transpose", {"i"}, "u").attr("perm", {0, 3, 1, 2}).add("Tanh", {"u"}, "y").output("y");
    const Graph before = model_of(b);
    Graph after = before;
    Diagnostics diag;
    ASSERT_TRUE(run_model_passes(after, diag, {})) << diag.text();
    EXPECT_EQ(before.ops.size(), 5u);
    EXPECT_EQ(after.ops.size(), 2u);
    same_results(before, after);
}

TEST(Passes, ArithmeticOnShapesIsDoneByTheImporter)
{
    OnnxBuilder b;
    b.input("x", {-1, 2, 3}).add("Shape", {"x"}, "s").ints("i", {0}).ints("rest", {-1});
    b.add("Gather", {"s", "i"}, "n").add("Concat", {"n", "rest"}, "to").attr("axis", 0);
    b.add("Reshape", {"x", "to"}, "y").output("y");
    const Graph g = model_of(b);
    ASSERT_EQ(g.ops.size(), 1u);
    EXPECT_EQ(g.value(g.outputs[0]).dims, (Dims{1, 6}));
}

TEST(Passes, WhatNoEngineHasStaysWithAReason)
{
    OnnxBuilder b;
    b.input("x", {-1, 2, 6, 6}).random("w", {3, 2, 3, 3}).add("Conv", {"x", "w"}, "c");
    b.add("HardSwish", {"c"}, "h").add("MaxPool", {"h"}, "y").attr("kernel_shape", {2, 2});
    b.output("y");
    const Graph g = imported(b);
    EXPECT_EQ(count(g, Kind::Conv), 1u);
    EXPECT_EQ(count(g, Kind::Host), 1u);
    EXPECT_EQ(count(g, Kind::MaxPool), 1u);
    EXPECT_EQ(g.sources[1].host, "no engine has the operator");
}

TEST(Passes, VerifierSeesABrokenGraph)
{
    const Graph good = imported(conv_norm_relu());
    const auto refused = [&](const Graph &g, const char *word) {
        Diagnostics diag;
        EXPECT_FALSE(verify_graph(g, diag)) << word;
        EXPECT_NE(diag.text().find(word), std::string::npos) << diag.text();
    };
    Graph g = good;
    g.value(g.ops[0].output).dims[1] = 99;
    refused(g, "expected a result of 1x3x3x3");
    g = good;
    std::swap(g.ops[0], g.ops[1]);
    refused(g, "made before");
    g = good;
    g.ops[1].output = g.ops[0].output;
    refused(g, "result of its own");
    g = good;
    g.ops[0].kind = Kind::Mvm;
    refused(g, "another operation in this stage");
    g = good;
    g.ops[0].channels_last = true;
    refused(g, "channels last");
    g = good;
    g.value(g.ops[2].output).dtype = DType::I8;
    refused(g, "f32 to f32");
    g = good;
    g.outputs.clear();
    refused(g, "at least one");
}

} // namespace
} // namespace acc::accc
