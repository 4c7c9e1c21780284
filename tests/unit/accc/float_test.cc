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

host::View floats_view(const host::Dims &dims, List &values)
{
    return {{ACC_DTYPE_F32, dims}, values.data()};
}

TEST(Host, ResizesAsTheReferenceOfOnnxDoes)
{
    // Values of ONNX's test_resize_downsample_scales_linear_antialias: edges are repeated.
    List x = counted(20), scales = {0.6f, 0.6f}, y(4);
    const std::vector<host::View> shrink = {floats_view({4, 4}, x), {}, floats_view({2}, scales)};
    host::View to = floats_view({2, 2}, y);
    std::string why;
    ASSERT_EQ(host::run({"Resize", {{"mode", "linear"}, {"antialias", int64_t{1}}}}, shrink,
                        std::span(&to, 1), why),
              0)
        << why;
    const List wanted = {2.875f, 4.5f, 9.375f, 11};
    for (size_t i = 0; i < 4; i++)
        EXPECT_NEAR(y[i], wanted[i], 1e-5) << i;
    // 4x5 as large as fits in 9x7: all axes by 1.4, to which 6 rows are rounded. Row 1 is at
    // 0.57, not at the 0.5 of 6 over 4.
    std::vector<int64_t> sizes = {9, 7};
    y.assign(42, 0);
    const std::vector<host::View> fit = {
        floats_view({4, 5}, x), {}, {}, {{ACC_DTYPE_I64, {2}}, sizes.data()}};
    to = floats_view({6, 7}, y);
    ASSERT_EQ(host::run({"Resize", {{"keep_aspect_ratio_policy", "not_larger"}}}, fit,
                        std::span(&to, 1), why),
              0)
        << why;
    EXPECT_EQ(y[7], 6);
}

TEST(Host, ActivationsTakeAlphaInTurnIfTheyHaveOne)
{
    List x = {-2}, w = {1, 1}, r = {0, 0}, y(2);
    const std::vector<host::View> in = {floats_view({1, 1, 1}, x), floats_view({2, 1, 1}, w),
                                        floats_view({2, 1, 1}, r)};
    const host::View out = floats_view({1, 2, 1, 1}, y);
    std::string why;
    ASSERT_EQ(host::run({"RNN",
                         {{"direction", "bidirectional"},
                          {"activations", "Tanh LeakyRelu"},
                          {"activation_alpha", List{0.5f}}}},
                        in, std::span(&out, 1), why),
              0)
        << why;
    EXPECT_NEAR(y[0], std::tanh(-2.0), 1e-6);
    EXPECT_EQ(y[1], -1);
}

TEST(Host, QuantisesInBlocks)
{
    const host::Attrs blocks = {{"axis", int64_t{1}}, {"block_size", int64_t{3}}};
    std::vector<int8_t> q = {1, 2, 3, 4, 5, 6, 7, 8}, back(8);
    List scale = {1, 10, 100, 1000}, y(8);
    const host::View stored = {{ACC_DTYPE_I8, {2, 4}}, q.data()}, real = floats_view({2, 4}, y),
                     again = {{ACC_DTYPE_I8, {2, 4}}, back.data()};
    std::vector<int8_t> zero(4);
    const host::View scales = floats_view({2, 2}, scale),
                     zeros = {{ACC_DTYPE_I8, {2, 2}}, zero.data()};
    std::string why;
    const std::vector<host::View> in = {stored, scales};
    ASSERT_EQ(host::run({"DequantizeLinear", blocks}, in, std::span(&real, 1), why), 0) << why;
    EXPECT_EQ(y, (List{1, 2, 3, 40, 500, 600, 700, 8000}));
    const std::vector<host::View> up = {real, scales, zeros};
    ASSERT_EQ(host::run({"QuantizeLinear", blocks}, up, std::span(&again, 1), why), 0) << why;
    EXPECT_EQ(back, q);
    std::vector<host::Desc> out;
    const std::vector<host::View> few = {stored, floats_view({2}, scale)};
    EXPECT_EQ(host::infer({"DequantizeLinear", blocks}, few, 1, out, why), -EINVAL);
    EXPECT_NE(why.find("a scale for each block, 2x2; found 2"), std::string::npos) << why;
}

} // namespace
} // namespace acc::accc
