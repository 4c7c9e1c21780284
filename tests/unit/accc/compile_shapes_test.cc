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
