// SPDX-License-Identifier: MIT
//
// Operators that move or rename, softmax, and what is at a model's edges, compiled.
#include "compile_check.h"

namespace acc::accc
{
namespace
{

TEST(CompileShapes, FlattenPermutesWeightsInsteadOfData)
{
    OnnxBuilder b = conv(2, 3, 3, 6);
    b.graph().clear_output();
    b.random("f", {48, 4})
        .add("Flatten", {"y"}, "flat")
        .add("MatMul", {"flat", "f"}, "z")
        .output("z");
    const CompileReport report = check(b);
    // One for the model's input, none for what is flattened.
    size_t permutes = 0;
    for (const NodeReport &n : report.nodes)
        permutes += std::count(n.kernels.begin(), n.kernels.end(), "permute_i8");
    EXPECT_EQ(permutes, 1u);
    ASSERT_NE(find_node(report, "Flatten_flat"), nullptr);
    EXPECT_EQ(find_node(report, "Flatten_flat")->engine, "-");
}

TEST(CompileShapes, ReshapeThatMustMoveData)
{
    OnnxBuilder b = conv(2, 4, 3, 6);
    b.graph().clear_output();
    b.ints("s", {0, 8, -1}).add("Reshape", {"y", "s"}, "z").output("z");
    const CompileReport report = check(b);
    const auto permutes = [](const NodeReport &n) {
        return std::count(n.kernels.begin(), n.kernels.end(), "permute_i8") > 0;
    };
    EXPECT_TRUE(std::any_of(report.nodes.begin(), report.nodes.end(), permutes));
}

// Conv behind a Pad, then the mean of the image: with axes as ONNX has them, and channels last.
OnnxBuilder padded(bool channels_last)
{
    OnnxBuilder b;
    const std::vector<int64_t> there = {0, 3, 1, 2}, back = {0, 2, 3, 1};
    if (channels_last)
        b.input("x", {-1, 5, 6, 3}).ints("p", {0, 1, 0, 0, 0, 2, 3, 0});
    else
        b.input("x", {-1, 3, 5, 6}).ints("p", {0, 0, 1, 0, 0, 0, 2, 3});
    b.random("w", {4, 3, 3, 3}).random("d", {4, 3}).add("Pad", {"x", "p"}, "a");
    std::string last = "a";
    if (channels_last) {
        b.add("Transpose", {"a"}, "t").attr("perm", there);
        last = "t";
    }
    b.add("Conv", {last, "w"}, "c").attr("pads", {1, 0, 0, 0});
    last = "c";
    if (channels_last) {
        b.add("Transpose", {"c"}, "u").attr("perm", back);
        last = "u";
    }
    b.add("ReduceMean", {last}, "m")
        .attr("axes", channels_last ? std::vector<int64_t>{1, -2} : std::vector<int64_t>{-1, 2});
    b.attr("keepdims", int64_t{0}).add("MatMul", {"m", "d"}, "y").output("y");
    return b;
}

TEST(CompileShapes, PadAndMeanOfAnImage)
{
    for (const bool channels_last : {false, true}) {
        // Positive images: the mean keeps the scale of what it is the mean of, and one that is
        // nearly zero would be a step of it.
        const CompileReport report = check(padded(channels_last), {0, 1, 0.06});
        const NodeReport *pad = find_node(report, "Pad_a");
        ASSERT_NE(pad, nullptr);
        // The convolution pads; the model's layout may be changed in its place.
        EXPECT_EQ(std::count(pad->kernels.begin(), pad->kernels.end(), "avgpool_i8"), 0);
        if (channels_last) {
            EXPECT_EQ(pad->reason, "fused into Conv_c, as its padding");
        }
        for (const NodeReport &n : report.nodes)
            EXPECT_EQ(n.engine.find("host"), std::string::npos) << n.node << ": " << n.reason;
    }
}

TEST(CompileShapes, PadThatNoConvolutionTakesOver)
{
    OnnxBuilder b;
    b.input("x", {-1, 2, 4, 3}).ints("p", {0, 0, 2, 0, 0, 0, 1, 5}).add("Pad", {"x", "p"}, "y");
    b.output("y");
    const CompileReport report = check(b);
    ASSERT_NE(find_node(report, "Pad_y"), nullptr);
    EXPECT_NE(find_node(report, "Pad_y")->engine.find("fpga"), std::string::npos);
}

TEST(CompileShapes, TransposesOfImages)
{
    // A model that is channels-last outside: its transpositions are free.
    OnnxBuilder b;
    b.input("x", {-1, 5, 6, 3}).random("w", {4, 3, 3, 3});
    b.add("Transpose", {"x"}, "t").attr("perm", {0, 3, 1, 2}).add("Conv", {"t", "w"}, "c");
    b.add("Transpose", {"c"}, "y").attr("perm", {0, 2, 3, 1}).output("y");
    const CompileReport report = check(b);
    for (const NodeReport &n : report.nodes)
        EXPECT_EQ(std::count(n.kernels.begin(), n.kernels.end(), "permute_i8"), 0) << n.node;
    // One that is not.
    OnnxBuilder c;
    c.input("x", {-1, 2, 3, 4}).add("Transpose", {"x"}, "y").attr("perm", {0, 2, 1, 3}).output("y");
    check(c);
    OnnxBuilder d;
    d.input("x", {-1, 3, 4}).add("Transpose", {"x"}, "y").attr("perm", {0, 2, 1}).output("y");
    check(d);
}

// Whether every product with stored weights is on the crossbar, and nothing on the host.
void expect_engines(const CompileReport &report)
{
    EXPECT_FALSE(report.nodes.empty());
    for (const NodeReport &n : report.nodes)
        EXPECT_EQ(n.engine.find("host"), std::string::npos) << n.node << ": " << n.reason;
}

TEST(CompileShapes, AFixedBatch)
{
    for (const int64_t batch : {2, 5}) {
        OnnxBuilder b;
        b.input("x", {batch, 2, 6, 6}).random("w", {4, 2, 3, 3}).random("b", {4});
        b.add("Conv", {"x", "w", "b"}, "c").attr("pads", {1, 1, 1, 1}).add("Relu", {"c"}, "r");
        b.random("d", {4, 1, 3, 3}).add("Conv", {"r", "d"}, "e").attr("group", 4);
        b.add("MaxPool", {"e"}, "p").attr("kernel_shape", {2, 2}).attr("strides", {2, 2});
        b.add("AveragePool", {"e"}, "q").attr("kernel_shape", {2, 2}).attr("strides", {2, 2});
        b.add("Add", {"p", "q"}, "s").add("Flatten", {"s"}, "f").random("g", {16, 5});
        b.random("h", {batch, 5}).add("Gemm", {"f", "g", "h"}, "y").add("Softmax", {"y"}, "z");
        b.output("y").output("z");
        expect_engines(check(b, {-1, 1, 0.04}));
    }
}

TEST(CompileShapes, AFixedBatchOfSignals)
{
    OnnxBuilder b;
    b.input("x", {3, 4, 9}).random("w", {6, 2, 3}).add("Conv", {"x", "w"}, "c").attr("group", 2);
    b.add("Transpose", {"c"}, "y").attr("perm", {2, 0, 1}).output("y");
    expect_engines(check(b));
}

TEST(CompileShapes, AttentionOfSeveralHeads)
{
    for (const int64_t batch : {1, 2}) {
        OnnxBuilder b;
        b.input("x", {batch, 5, 8}).random("w", {8, 8}).random("v", {8, 8});
        b.ints("heads", {batch, 5, 2, 4}).ints("whole", {batch, 5, 8});
        b.add("MatMul", {"x", "w"}, "a").add("Reshape", {"a", "heads"}, "ah");
        b.add("MatMul", {"x", "v"}, "c").add("Reshape", {"c", "heads"}, "ch");
        b.add("Transpose", {"ah"}, "q").attr("perm", {0, 2, 1, 3});
        b.add("Transpose", {"ch"}, "k").attr("perm", {0, 2, 3, 1});
        b.add("Transpose", {"ch"}, "u").attr("perm", {0, 2, 1, 3});
        b.add("MatMul", {"q", "k"}, "s").add("Softmax", {"s"}, "p").add("MatMul", {"p", "u"}, "o");
        b.add("Transpose", {"o"}, "t").attr("perm", {0, 2, 1, 3});
        b.add("Reshape", {"t", "whole"}, "y").output("y");
        const CompileReport report = check(b, {-1, 1, 0.04});
        expect_engines(report);
        EXPECT_EQ(find_node(report, "MatMul_s")->kernels[0], "gemm_i8");
    }
}

TEST(CompileShapes, MatricesOnEitherSide)
{
    OnnxBuilder b;
    b.input("x", {2, 3, 5}).random("l", {4, 3}).random("r", {5, 2});
    b.add("MatMul", {"l", "x"}, "a").add("MatMul", {"a", "r"}, "y").output("y");
    expect_engines(check(b));
    OnnxBuilder c;
    c.input("x", {6, 4}).random("w", {6, 3}).random("rows", {4, 1});
    c.add("Gemm", {"x", "w", "rows"}, "y").attr("transA", int64_t{1}).output("y");
    expect_engines(check(c));
}

TEST(CompileShapes, TransposesOfAnyAxes)
{
    const std::pair<std::vector<int64_t>, std::vector<int64_t>> cases[] = {
        {{3, 4}, {1, 0}},
        {{2, 3, 4}, {2, 0, 1}},
        {{2, 3, 4}, {1, 0, 2}},
        {{1, 2, 3, 2, 2}, {0, 2, 1, 3, 4}}, // groups of channels, shuffled
        {{2, 3, 2, 4}, {2, 3, 0, 1}},
        {{2, 1, 3, 1, 4}, {4, 1, 0, 3, 2}},
        {{1, 1, 5}, {2, 1, 0}},
    };
    for (const auto &[dims, perm] : cases) {
        OnnxBuilder b;
        b.input("x", dims).add("Transpose", {"x"}, "y").attr("perm", perm).output("y");
        expect_engines(check(b));
    }
    // Four axes that all change places are more than the role has.
    OnnxBuilder b;
    b.input("x", {2, 3, 4, 5}).add("Transpose", {"x"}, "y").attr("perm", {3, 2, 1, 0}).output("y");
    const CompileReport report = check(b);
    EXPECT_EQ(find_node(report, "Transpose_y")->engine, "host");
    EXPECT_NE(find_node(report, "Transpose_y")->reason.find("found 2x3x4x5"), std::string::npos);
}

TEST(CompileShapes, ConcatAndParts)
{
    for (const int64_t batch : {1, 2}) {
        OnnxBuilder b;
        b.input("x", {batch, 4, 5, 5}).random("w", {6, 4, 3, 3}).random("v", {3, 4, 3, 3});
        b.add("Conv", {"x", "w"}, "a").add("Conv", {"x", "v"}, "c").add("Relu", {"c"}, "r");
        b.add("Concat", {"a", "r"}, "j").attr("axis", int64_t{1});
        b.ints("sizes", {4, 5}).add("Split", {"j", "sizes"}, "p").attr("axis", int64_t{1});
        b.node().add_output("q");
        b.ints("one", {1}).ints("end", {-1}).ints("height", {2});
        b.add("Slice", {"q", "one", "end", "height"}, "s").output("p").output("s");
        b.ints("channel", {-1}).add("Gather", {"p", "channel"}, "g").attr("axis", int64_t{1});
        b.output("g");
        const CompileReport report = check(b);
        expect_engines(report);
        EXPECT_EQ(find_node(report, "Slice_s")->kernels[0], "concat_i8");
    }
}

TEST(CompileShapes, ConcatOfManyAndOfAConstant)
{
    OnnxBuilder b;
    b.input("x", {-1, 3}).random("w", {3, 3});
    std::vector<std::string> names;
    std::string last = "x";
    for (int i = 0; i < 11; i++) {
        const std::string name = "v" + std::to_string(i);
        b.add("MatMul", {last, "w"}, name);
        names.push_back(last = name);
    }
    b.random("k", {1, 2});
    names[3] = "k";
    b.add("Concat", names, "y").attr("axis", int64_t{-1}).output("y");
    const CompileReport report = check(b, {-1, 1, 0.03});
    EXPECT_NE(find_node(report, "Concat_y"), nullptr);
}

TEST(CompileShapes, ConcatOfDifferentScalesStaysInFloat)
{
    OnnxBuilder b;
    b.input("x", {-1, 4}).random("large", {4, 4}, 20, 40).random("small", {4, 4}, -0.01f, 0.01f);
    b.add("MatMul", {"x", "large"}, "a").add("MatMul", {"x", "small"}, "c");
    b.add("Concat", {"a", "c"}, "y").attr("axis", int64_t{1}).output("y").output("c");
    const CompileReport report = check(b);
    const NodeReport *node = find_node(report, "Concat_y");
    ASSERT_NE(node, nullptr);
    EXPECT_NE(node->engine.find("host"), std::string::npos);
    EXPECT_NE(node->reason.find("within a factor of 4"), std::string::npos) << node->reason;
}

TEST(CompileShapes, ProductsOfElements)
{
    for (const int64_t batch : {1, 3}) {
        OnnxBuilder b;
        b.input("x", {batch, 4, 5, 5}).random("w", {6, 4, 3, 3}).random("v", {6, 6, 1, 1});
        b.add("Conv", {"x", "w"}, "a").add("GlobalAveragePool", {"a"}, "g");
        b.add("Conv", {"g", "v"}, "e").add("Sigmoid", {"e"}, "s").add("Mul", {"s", "a"}, "m");
        b.add("Relu", {"m"}, "r").add("Mul", {"r", "a"}, "y").output("y");
        const CompileReport report = check(b, {-1, 1, 0.04});
        expect_engines(report);
        EXPECT_EQ(find_node(report, "Mul_m")->kernels[0], "mul_i8");
    }
}

TEST(CompileShapes, SoftmaxAlongTheFirstAxis)
{
    OnnxBuilder b;
    b.input("x", {4, 3}).add("Softmax", {"x"}, "y").attr("axis", int64_t{0}).output("y");
    expect_engines(check(b, {-4, 4, 0.03}));
}

TEST(CompileShapes, SqueezeUnsqueezeIdentityDropout)
{
    OnnxBuilder b;
    b.input("x", {-1, 6})
        .ints("a", {1, 3})
        .add("Unsqueeze", {"x", "a"}, "u")
        .add("Dropout", {"u"}, "d");
    b.add("Identity", {"d"}, "i").add("Squeeze", {"i", "a"}, "s").random("w", {6, 4});
    b.add("MatMul", {"s", "w"}, "y").output("y");
    check(b);
}

TEST(CompileShapes, Softmax)
{
    for (const int64_t opset : {11, 13}) {
        OnnxBuilder b(opset);
        b.input("x", {-1, 10}).add("Softmax", {"x"}, "y").attr("axis", 1).output("y");
        check(b, {-4, 4});
    }
    OnnxBuilder channels;
    channels.input("x", {-1, 5, 3, 3}).add("Softmax", {"x"}, "y").attr("axis", 1).output("y");
    check(channels, {-4, 4, 0.03});
    OnnxBuilder flat(9);
    flat.input("x", {-1, 3, 4}).add("Softmax", {"x"}, "y").output("y");
    check(flat, {-4, 4, 0.03});
}

TEST(CompileShapes, SoftmaxInTheMiddle)
{
    OnnxBuilder b;
    b.input("x", {-1, 6}).random("w", {6, 3}).add("Softmax", {"x"}, "s");
    b.add("MatMul", {"s", "w"}, "y").output("y");
    check(b, {-3, 3, 0.05});
}

TEST(CompileShapes, SeveralOutputsAndOneTwice)
{
    OnnxBuilder b = conv(2, 3, 3, 5);
    b.add("Relu", {"y"}, "r").output("r").add("Identity", {"r"}, "again").output("again");
    check(b);
}

TEST(CompileShapes, AnInputThatIsAnOutput)
{
    OnnxBuilder b;
    b.input("x", {-1, 4}).add("Identity", {"x"}, "y").output("y");
    check(b);
}

TEST(CompileShapes, ShapeArithmeticOfExporters)
{
    OnnxBuilder b = conv(2, 3, 3, 5);
    b.graph().clear_output();
    b.ints("zero", {0})
        .ints("minus", {-1})
        .add("Shape", {"y"}, "s")
        .add("Gather", {"s", "zero"}, "n");
    b.add("Concat", {"n", "minus"}, "to").attr("axis", 0).add("Reshape", {"y", "to"}, "f");
    b.random("m", {27, 4}).add("MatMul", {"f", "m"}, "z").output("z");
    check(b);
}

} // namespace
} // namespace acc::accc
