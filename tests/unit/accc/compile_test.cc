// SPDX-License-Identifier: MIT
//
// Each operator that computes, compiled.
#include "compile_check.h"

#include <cmath>

namespace acc::accc
{
namespace
{

TEST(Compile, Conv)
{
    const CompileReport report = check(conv(3, 5, 3, 7));
    const NodeReport *n = find_node(report, "Conv_y");
    ASSERT_NE(n, nullptr);
    EXPECT_EQ(n->engine, "crossbar+fpga");
    // The model's edges are channels first.
    EXPECT_EQ(n->kernels, (std::vector<std::string>{"permute_i8", "im2col_i8", "mvm",
                                                    "requantize_i32_i8", "permute_i8"}));
    EXPECT_EQ(n->macs, 5u * 5 * 5 * 27);
    EXPECT_EQ(n->arrays, 8u); // one block, 4 slices, pairs
}

TEST(Compile, RefusesSamplesOfAnotherSize)
{
    Diagnostics diag;
    const auto graph = conv(2, 3, 3, 5).import(diag);
    ASSERT_TRUE(graph) << diag.text();
    Samples samples = make_samples(*graph, 2, 0, 1);
    samples.inputs[0].pop_back();
    EXPECT_FALSE(compile(*graph, samples, diag));
    EXPECT_NE(diag.text().find("expected 100 numbers of 2 samples for input 'x'; found 99"),
              std::string::npos)
        << diag.text();
    samples.inputs.clear();
    Diagnostics none;
    EXPECT_FALSE(compile(*graph, samples, none));
    EXPECT_NE(none.text().find("expected samples of 1 inputs; found 0"), std::string::npos)
        << none.text();
}

TEST(Compile, ConvStridesPadsDilations)
{
    OnnxBuilder b = conv(2, 4, 3, 9);
    b.attr("strides", {2, 1}).attr("pads", {1, 2, 0, 3}).attr("dilations", {1, 2});
    check(b);
}

TEST(Compile, ConvAutoPad)
{
    for (const char *pad : {"SAME_UPPER", "SAME_LOWER", "VALID"})
        for (const int64_t kernel : {2, 3}) {
            OnnxBuilder b = conv(2, 3, kernel, 6);
            b.attr_string("auto_pad", pad).attr("strides", {2, 2});
            check(b);
        }
}

TEST(Compile, ConvPointwiseNeedsNoIm2col)
{
    const CompileReport report = check(conv(4, 6, 1, 5));
    const NodeReport *n = find_node(report, "Conv_y");
    ASSERT_NE(n, nullptr);
    EXPECT_EQ(std::count(n->kernels.begin(), n->kernels.end(), "im2col_i8"), 0);
}

TEST(Compile, ConvPointwiseWithStrideNeedsIt)
{
    OnnxBuilder b = conv(4, 6, 1, 5);
    b.attr("strides", {2, 2});
    const CompileReport report = check(b);
    const NodeReport *n = find_node(report, "Conv_y");
    ASSERT_NE(n, nullptr);
    EXPECT_EQ(std::count(n->kernels.begin(), n->kernels.end(), "im2col_i8"), 1);
}

TEST(Compile, ConvGroupsAndDepthwise)
{
    for (const int64_t groups : {2, 6}) {
        OnnxBuilder b;
        b.input("x", {1, 6, 5, 5}).random("w", {12, 6 / groups, 3, 3});
        b.add("Conv", {"x", "w"}, "y").attr("group", groups).output("y");
        check(b);
    }
}

TEST(Compile, ConvMoreRowsThanACrossbar)
{
    const CompileReport report = check(conv(20, 10, 3, 4));
    const NodeReport *n = find_node(report, "Conv_y");
    ASSERT_NE(n, nullptr);
    EXPECT_EQ(n->arrays, 2u * 8); // 180 rows: two blocks
    EXPECT_NE(n->cut.find("180x10 in 2x1 blocks"), std::string::npos) << n->cut;
}

TEST(Compile, Gemm)
{
    for (const int64_t transposed : {0, 1}) {
        OnnxBuilder b;
        b.input("x", {-1, 30});
        if (transposed)
            b.random("w", {7, 30});
        else
            b.random("w", {30, 7});
        b.random("c", {7}).add("Gemm", {"x", "w", "c"}, "y");
        b.attr("transB", transposed).attr_float("alpha", 0.5f).attr_float("beta", 2.0f).output("y");
        check(b);
    }
}

TEST(Compile, GemmWithComputedC)
{
    OnnxBuilder b;
    b.input("x", {-1, 8}).random("w", {8, 8}).add("Gemm", {"x", "w", "x"}, "y").output("y");
    check(b);
}

TEST(Compile, MatMulWithRowsAndBias)
{
    OnnxBuilder b;
    b.input("x", {-1, 5, 12}).random("w", {12, 9}).random("b", {9});
    b.add("MatMul", {"x", "w"}, "p").add("Add", {"p", "b"}, "y").output("y");
    const CompileReport report = check(b);
    ASSERT_NE(find_node(report, "Add_y"), nullptr);
    EXPECT_EQ(find_node(report, "Add_y")->reason, "folded into the weights of MatMul_p");
}

TEST(Compile, MatMulOfTwoResults)
{
    OnnxBuilder b;
    b.input("q", {-1, 4, 6}).input("k", {-1, 6, 5}).add("MatMul", {"q", "k"}, "y").output("y");
    const CompileReport report = check(b, {-1, 1, 0.03});
    ASSERT_NE(find_node(report, "MatMul_y"), nullptr);
    EXPECT_EQ(find_node(report, "MatMul_y")->engine, "fpga");
    EXPECT_EQ(find_node(report, "MatMul_y")->macs, 4u * 6 * 5);
}

TEST(Compile, AttentionMasksLeaveTheScoresTheirScale)
{
    // A mask that is a constant, one with infinity, and a computed one.
    const float infinity = HUGE_VALF;
    for (const float least : {-1e9f, -infinity}) {
        OnnxBuilder b;
        b.input("q", {-1, 4, 8}).input("k", {-1, 8, 4});
        b.floats("m", {1, 1, 4}, {0, 0, least, 0}).add("MatMul", {"q", "k"}, "s");
        b.add("Add", {"s", "m"}, "a").add("Softmax", {"a"}, "y").output("y");
        check(b, {.error = 0.04});
    }
    // Whose rows have one element each that stays.
    std::vector<float> all_but_one(16, -1e6f);
    for (size_t i = 0; i < 16; i += 5)
        all_but_one[i] = 0;
    OnnxBuilder b;
    b.input("q", {-1, 4, 8}).input("k", {-1, 8, 4}).input("m", {-1, 4, 4});
    b.floats("f", {4, 4}, all_but_one);
    b.add("Sign", {"m"}, "g").add("Relu", {"g"}, "r").add("Mul", {"r", "f"}, "n");
    b.add("MatMul", {"q", "k"}, "s").add("Add", {"s", "n"}, "a").add("Softmax", {"a"}, "y");
    b.output("y");
    check(b, {.error = 0.04});
}

TEST(Compile, AddOfBranches)
{
    OnnxBuilder b = conv(3, 3, 1, 4);
    b.graph().clear_output();
    b.add("Add", {"x", "y"}, "z").add("Relu", {"z"}, "r").output("r");
    check(b);
}

TEST(Compile, AddOfAConstantForEachElement)
{
    OnnxBuilder b;
    b.input("x", {-1, 2, 3, 3}).random("c", {1, 2, 3, 3}).add("MaxPool", {"x"}, "p");
    b.attr("kernel_shape", {1, 1}).add("Add", {"p", "c"}, "y").output("y");
    check(b);
}

TEST(Compile, ArithmeticWithConstants)
{
    for (const char *op : {"Add", "Sub", "Mul", "Div"}) {
        OnnxBuilder b;
        b.input("x", {-1, 4, 3, 3})
            .random("c", {4, 1, 1}, 0.5f, 2.0f)
            .add(op, {"x", "c"}, "y")
            .output("y");
        check(b);
    }
    OnnxBuilder left;
    left.input("x", {-1, 6}).floats("c", {}, {2.0f}).add("Sub", {"c", "x"}, "y").output("y");
    check(left);
}

TEST(Compile, BatchNormalizationAlone)
{
    OnnxBuilder b;
    b.input("x", {-1, 3, 4, 4}).random("s", {3}, 0.5f, 2).random("t", {3}).random("m", {3});
    b.random("v", {3}, 0.5f, 2)
        .add("BatchNormalization", {"x", "s", "t", "m", "v"}, "y")
        .output("y");
    const CompileReport report = check(b);
    ASSERT_NE(find_node(report, "BatchNormalization_y"), nullptr);
    EXPECT_EQ(find_node(report, "BatchNormalization_y")->engine, "crossbar+fpga");
}

TEST(Compile, ReluAndClip)
{
    OnnxBuilder relu = conv(2, 3, 3, 6);
    relu.graph().clear_output();
    relu.add("Relu", {"y"}, "r").output("r");
    check(relu);

    OnnxBuilder clip(11);
    clip.input("x", {-1, 2, 4, 4}).floats("lo", {}, {-0.25f}).floats("hi", {}, {0.5f});
    clip.add("Clip", {"x", "lo", "hi"}, "y").output("y");
    check(clip);

    OnnxBuilder old(9);
    old.input("x", {-1, 5}).add("Clip", {"x"}, "y").attr_float("max", 0.3f).output("y");
    check(old);
}

TEST(Compile, Pools)
{
    for (const char *op : {"MaxPool", "AveragePool"})
        for (const int64_t ceil : {0, 1}) {
            OnnxBuilder b(11);
            b.input("x", {-1, 3, 7, 7}).add(op, {"x"}, "y").output("y");
            b.attr("kernel_shape", {3, 2}).attr("strides", {2, 2}).attr("pads", {1, 0, 1, 1});
            b.attr("ceil_mode", ceil);
            check(b);
        }
    OnnxBuilder counted;
    counted.input("x", {-1, 3, 6, 6}).add("AveragePool", {"x"}, "y").output("y");
    counted.attr("kernel_shape", {3, 3}).attr("pads", {1, 1, 1, 1}).attr("count_include_pad", 1);
    check(counted);
    OnnxBuilder global;
    global.input("x", {-1, 5, 6, 6}).add("GlobalAveragePool", {"x"}, "y").output("y");
    // The mean keeps the scale of what it is the mean of: its own range is far smaller.
    check(global, {-1, 1, 0.1});
}

TEST(Compile, ManyChannelsOfVeryDifferentSize)
{
    OnnxBuilder b;
    std::vector<float> w(8 * 4);
    for (size_t i = 0; i < w.size(); i++)
        w[i] = std::ldexp(static_cast<float>(i % 7) - 3.0f, -static_cast<int>(i % 4) * 6);
    b.input("x", {-1, 8}).floats("w", {8, 4}, w).floats("b", {4}, {1, 0, 1000, -3e-7f});
    b.add("Gemm", {"x", "w", "b"}, "y").output("y");
    check(b);
}

TEST(Compile, AZeroMatrixGivesItsBias)
{
    OnnxBuilder b;
    b.input("x", {-1, 4})
        .floats("w", {4, 2}, std::vector<float>(8, 0))
        .floats("b", {2}, {0.75f, -2});
    b.add("Gemm", {"x", "w", "b"}, "y").output("y");
    check(b);
}

TEST(Compile, ADeadLayerCompiles)
{
    OnnxBuilder b;
    b.input("x", {-1, 4}).floats("w", {4, 4}, std::vector<float>(16, 0)).random("v", {4, 2});
    b.random("c", {2}).add("MatMul", {"x", "w"}, "p").add("Relu", {"p"}, "q");
    b.add("Gemm", {"q", "v", "c"}, "y").output("y");
    check(b);
}

TEST(Compile, RefusesValuesThatOverflow)
{
    OnnxBuilder b;
    b.input("x", {-1, 2})
        .floats("w", {2, 2}, std::vector<float>(4, 3e38f))
        .add("MatMul", {"x", "w"}, "p");
    b.add("MatMul", {"p", "w"}, "q").add("Softmax", {"q"}, "y").output("y");
    Diagnostics diag;
    const auto graph = b.import(diag);
    ASSERT_TRUE(graph) << diag.text();
    EXPECT_FALSE(compile(*graph, make_samples(*graph, 2, 1, 2), diag));
    EXPECT_NE(diag.text().find("node 'MatMul_p' (MatMul): expected finite values"),
              std::string::npos)
        << diag.text();
}

TEST(Compile, SameInputGivesSameBytes)
{
    const OnnxBuilder b = conv(3, 5, 3, 7);
    std::vector<std::byte> files[2];
    for (auto &file : files) {
        Diagnostics diag;
        const auto graph = b.import(diag);
        ASSERT_TRUE(graph) << diag.text();
        const auto compiled = compile(*graph, make_samples(*graph, 4, -1, 1), diag);
        ASSERT_TRUE(compiled) << diag.text();
        file = compiled->file;
    }
    EXPECT_EQ(files[0], files[1]);
}

} // namespace
} // namespace acc::accc
