// SPDX-License-Identifier: MIT
//
// The float interpreter, which is the oracle of the other tests, on cases worked by hand.
#include "onnx_builder.h"

#include "host/host.h"
#include "tools/accc/reference/float_interpreter.h"

#include <gtest/gtest.h>

#include <cmath>
#include <numeric>

namespace acc::accc
{
namespace
{

using List = std::vector<float>;

List run(const OnnxBuilder &b, const List &x)
{
    Diagnostics diag;
    const auto graph = b.import(diag);
    EXPECT_TRUE(graph) << diag.text();
    if (!graph) return {};
    const std::span<const float> inputs[] = {x};
    return evaluate(*graph, inputs)[graph->outputs[0]];
}

List counted(size_t n)
{
    List x(n);
    std::iota(x.begin(), x.end(), 1.0f);
    return x;
}

TEST(Float, ConvWithPaddingAndStride)
{
    OnnxBuilder b;
    b.input("x", {1, 1, 3, 3}).floats("w", {1, 1, 2, 2}, {1, 2, 3, 4}).floats("b", {1}, {0.5f});
    b.add("Conv", {"x", "w", "b"}, "y")
        .attr("pads", {1, 0, 0, 1})
        .attr("strides", {1, 2})
        .output("y");
    // Rows of x: 1 2 3 / 4 5 6 / 7 8 9, a row of zeros above, a column of them at the right.
    EXPECT_EQ(run(b, counted(9)), (List{11.5f, 9.5f, 1 + 4 + 12 + 20 + 0.5f, 3 + 18 + 0.5f,
                                        4 + 10 + 21 + 32 + 0.5f, 6 + 27 + 0.5f}));
}

TEST(Float, ConvOfGroups)
{
    OnnxBuilder b;
    b.input("x", {1, 2, 1, 2}).floats("w", {2, 1, 1, 1}, {10, 100});
    b.add("Conv", {"x", "w"}, "y").attr("group", 2).output("y");
    EXPECT_EQ(run(b, counted(4)), (List{10, 20, 300, 400}));
}

TEST(Float, GemmScalesAndTransposes)
{
    OnnxBuilder b;
    b.input("x", {1, 2}).floats("w", {3, 2}, {1, 2, 3, 4, 5, 6}).floats("c", {1, 3}, {1, 1, 2});
    b.add("Gemm", {"x", "w", "c"}, "y").attr("transB", 1).attr_float("alpha", 2);
    b.attr_float("beta", 0.5f).output("y");
    EXPECT_EQ(run(b, {1, 2}), (List{10.5f, 22.5f, 35}));
}

TEST(Float, Pools)
{
    OnnxBuilder max;
    max.input("x", {1, 1, 3, 3}).add("MaxPool", {"x"}, "y").attr("kernel_shape", {2, 2});
    max.attr("pads", {1, 1, 0, 0}).attr("strides", {2, 2}).output("y");
    EXPECT_EQ(run(max, counted(9)), (List{1, 3, 7, 9}));
    OnnxBuilder ceil;
    ceil.input("x", {1, 1, 3, 3}).add("MaxPool", {"x"}, "y").attr("kernel_shape", {2, 2});
    ceil.attr("ceil_mode", 1).attr("strides", {2, 2}).output("y");
    EXPECT_EQ(run(ceil, counted(9)), (List{5, 6, 8, 9}));
    OnnxBuilder mean;
    mean.input("x", {1, 1, 2, 2}).add("AveragePool", {"x"}, "y").attr("kernel_shape", {2, 2});
    mean.attr("pads", {1, 1, 0, 0}).output("y");
    EXPECT_EQ(run(mean, counted(4)), (List{1, 1.5f, 2, 2.5f}));
    mean.attr("count_include_pad", 1);
    EXPECT_EQ(run(mean, counted(4)), (List{0.25f, 0.75f, 1, 2.5f}));
    OnnxBuilder global;
    global.input("x", {1, 2, 1, 2}).add("GlobalAveragePool", {"x"}, "y").output("y");
    EXPECT_EQ(run(global, counted(4)), (List{1.5f, 3.5f}));
}

TEST(Float, BatchNormalization)
{
    OnnxBuilder b;
    b.input("x", {1, 2, 1, 1}).floats("s", {2}, {2, 3}).floats("t", {2}, {1, 0});
    b.floats("m", {2}, {1, 4}).floats("v", {2}, {4, 9});
    b.add("BatchNormalization", {"x", "s", "t", "m", "v"}, "y")
        .attr_float("epsilon", 0)
        .output("y");
    EXPECT_EQ(run(b, {3, 10}), (List{3, 6}));
}

TEST(Float, SoftmaxTransposeBroadcast)
{
    OnnxBuilder b;
    b.input("x", {1, 3}).add("Softmax", {"x"}, "y").output("y");
    const List y = run(b, {0, std::log(2.0f), std::log(5.0f)});
    EXPECT_NEAR(y[0], 0.125, 1e-6);
    EXPECT_NEAR(y[1], 0.25, 1e-6);
    EXPECT_NEAR(y[2], 0.625, 1e-6);
    OnnxBuilder t;
    t.input("x", {1, 2, 3}).add("Transpose", {"x"}, "y").attr("perm", {0, 2, 1}).output("y");
    EXPECT_EQ(run(t, counted(6)), (List{1, 4, 2, 5, 3, 6}));
    OnnxBuilder rows;
    rows.input("x", {1, 2, 3})
        .floats("c", {2, 1}, {10, 20})
        .add("Add", {"x", "c"}, "y")
        .output("y");
    EXPECT_EQ(run(rows, counted(6)), (List{11, 12, 13, 24, 25, 26}));
}

// Of whose bytes there are none, not even an address: UBSan minds.
TEST(Host, CopiesListsWithoutElements)
{
    const host::View empty{{ACC_DTYPE_F32, {0}}, nullptr};
    std::string why;
    EXPECT_EQ(host::run({"Identity", {}}, std::span(&empty, 1), std::span(&empty, 1), why), 0)
        << why;
    const std::vector<host::View> two = {empty, empty};
    EXPECT_EQ(host::run({"Concat", {{"axis", int64_t{0}}}}, two, std::span(&empty, 1), why), 0)
        << why;
    // To a scalar: the list of no dims is known, whether or not it has an address.
    float from = 3, to = 0;
    const std::vector<host::View> reshape = {{{ACC_DTYPE_F32, {1}}, &from},
                                             {{ACC_DTYPE_I64, {0}}, nullptr}};
    const host::View scalar{{ACC_DTYPE_F32, {}}, &to};
    EXPECT_EQ(host::run({"Reshape", {}}, reshape, std::span(&scalar, 1), why), 0) << why;
    EXPECT_EQ(to, 3);
}

} // namespace
} // namespace acc::accc
