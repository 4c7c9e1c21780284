// SPDX-License-Identifier: MIT
//
// Integers that a model states, and products with inputs of 16 bits.
#include "compile_check.h"

#include <cmath>
#include <cstring>
#include <random>
#include <string_view>

namespace acc::accc
{
namespace
{

void add_integers(OnnxBuilder &b, const std::string &name, int type, const Dims &dims,
                  const std::vector<int32_t> &values)
{
    auto *t = b.graph().add_initializer();
    t->set_name(name);
    t->set_data_type(type);
    for (const int64_t dim : dims)
        t->add_dims(dim);
    for (const int32_t v : values)
        t->add_int32_data(v);
}

// The bias of a product of x, in steps of 0.5, and weights in steps of 0.25, whose model states
// 1000 in steps of `stated`.
int32_t lowered_bias(float stated)
{
    OnnxBuilder b;
    b.input("x", {-1, 1}).floats("sx", {}, {0.5f}).floats("sw", {}, {0.25f});
    b.floats("sb", {}, {stated}).floats("sy", {}, {16});
    add_integers(b, "z", onnx::TensorProto::INT8, {}, {0});
    add_integers(b, "w", onnx::TensorProto::INT8, {1, 1}, {4});
    add_integers(b, "c", onnx::TensorProto::INT32, {1}, {1000});
    b.add("QuantizeLinear", {"x", "sx", "z"}, "q").add("DequantizeLinear", {"q", "sx", "z"}, "xd");
    b.add("DequantizeLinear", {"w", "sw", "z"}, "wd").add("DequantizeLinear", {"c", "sb"}, "cd");
    b.add("Gemm", {"xd", "wd", "cd"}, "g").attr("transB", 1);
    b.add("QuantizeLinear", {"g", "sy", "z"}, "s").add("DequantizeLinear", {"s", "sy", "z"}, "y");
    b.output("y");
    Diagnostics diag;
    const auto graph = b.import(diag);
    if (!graph) {
        ADD_FAILURE() << diag.text();
        return 0;
    }
    int32_t bias = 0;
    const auto after = [&](const char *pass, const Graph &g) {
        if (std::string_view(pass) != "quantize") return;
        for (ValueId id = 0; id < g.values.size(); id++)
            if (g.value(id).name == "Gemm_g bias") bias = g.int32s(id).at(0);
    };
    EXPECT_TRUE(compile(*graph, make_samples(*graph, 2, -1, 1), diag, after)) << diag.text();
    return bias;
}

TEST(Quantised, ABiasThatCountsStepsOfTheSumsIsTakenAsItIs)
{
    EXPECT_EQ(lowered_bias(0.125f), 1000);
    EXPECT_EQ(lowered_bias(0.1262f), 1000); // a scale that was rounded
    EXPECT_EQ(lowered_bias(0.1188f), 1000);
}

TEST(Quantised, ABiasOfAnotherScaleIsScaled)
{
    EXPECT_EQ(lowered_bias(0.25f), 2000);
    EXPECT_EQ(lowered_bias(0.135f), 1080);
    EXPECT_EQ(lowered_bias(0.0625f), 500);
}

// QuantizeLinear, QLinearConv twice, DequantizeLinear; weights per channel, of uint8 with a zero
// point in the second.
OnnxBuilder qlinear_network()
{
    OnnxBuilder b;
    b.input("x", {-1, 2, 5, 5}).floats("sx", {}, {0.02f}).floats("sa", {}, {0.05f});
    b.floats("sy", {}, {0.1f}).floats("s1", {3}, {0.01f, 0.02f, 0.005f}).floats("s2", {}, {0.02f});
    add_integers(b, "zx", onnx::TensorProto::UINT8, {}, {120});
    add_integers(b, "za", onnx::TensorProto::UINT8, {}, {10});
    add_integers(b, "z1", onnx::TensorProto::INT8, {3}, {0, 0, 0});
    add_integers(b, "z2", onnx::TensorProto::UINT8, {}, {128});
    std::mt19937 random(5);
    std::vector<int32_t> w1(3 * 2 * 3 * 3), w2(4 * 3);
    for (int32_t &v : w1)
        v = std::uniform_int_distribution<int32_t>(-128, 127)(random);
    for (int32_t &v : w2)
        v = std::uniform_int_distribution<int32_t>(0, 255)(random);
    add_integers(b, "w1", onnx::TensorProto::INT8, {3, 2, 3, 3}, w1);
    add_integers(b, "w2", onnx::TensorProto::UINT8, {4, 3, 1, 1}, w2);
    add_integers(b, "c1", onnx::TensorProto::INT32, {3}, {500, -300, 20});
    b.add("QuantizeLinear", {"x", "sx", "zx"}, "q");
    b.add("QLinearConv", {"q", "sx", "zx", "w1", "s1", "z1", "sa", "za", "c1"}, "a");
    b.attr("pads", {1, 1, 1, 1});
    b.add("QLinearConv", {"a", "sa", "za", "w2", "s2", "z2", "sy", "zx"}, "s");
    b.add("DequantizeLinear", {"s", "sy", "zx"}, "y").output("y");
    return b;
}

TEST(Quantised, QLinearConvRunsOnTheEnginesInItsOwnIntegers)
{
    Diagnostics diag;
    const auto graph = qlinear_network().import(diag);
    ASSERT_TRUE(graph) << diag.text();
    CompileOptions options;
    options.strict = true;
    const Samples samples = make_samples(*graph, 6, -2, 2);
    const auto compiled = compile(*graph, samples, diag, {}, options);
    ASSERT_TRUE(compiled) << diag.text();
    const auto found = run_plan(compiled->file, samples, 0, samples.items);
    ASSERT_EQ(found.size(), 1u);
    size_t off = 0;
    for (size_t i = 0; i < samples.items; i++) {
        const FloatValues wanted = evaluate(*graph, samples.item(i));
        const std::vector<float> &w = wanted[graph->outputs[0]];
        for (size_t k = 0; k < w.size(); k++) {
            const float steps = (found[0][i * w.size() + k] - w[k]) / 0.1f;
            // At a tie the engines round up, the operator to even.
            EXPECT_LE(std::abs(steps), 1.001f) << i << ", " << k;
            off += std::abs(steps) > 0.5f;
        }
    }
    EXPECT_LE(off, 600u / 50);
}

// The hidden layer's first value is much larger than the others and does not matter: of eight bits
// little is left for those that do.
OnnxBuilder with_an_outlier(int64_t hidden = 12)
{
    OnnxBuilder b;
    std::vector<float> bias(static_cast<size_t>(hidden), 0.1f);
    bias[0] = 80;
    b.input("x", {-1, 16}).random("w1", {16, hidden}).floats("b1", {hidden}, bias);
    b.random("w2", {hidden, 12}).random("w3", {12, 5});
    auto *w2 = b.graph().mutable_initializer(2);
    std::vector<float> weights(static_cast<size_t>(hidden) * 12);
    std::memcpy(weights.data(), w2->raw_data().data(), w2->raw_data().size());
    std::fill_n(weights.begin(), 12, 0.0f);
    w2->set_raw_data(weights.data(), weights.size() * sizeof(float));
    b.add("Gemm", {"x", "w1", "b1"}, "h").add("Relu", {"h"}, "r");
    b.add("MatMul", {"r", "w2"}, "m").add("MatMul", {"m", "w3"}, "y").output("y");
    return b;
}

CompileReport compile_to(const OnnxBuilder &b, double min_sqnr_db, bool all_outputs = false)
{
    Diagnostics diag;
    const auto graph = b.import(diag);
    if (!graph) {
        ADD_FAILURE() << diag.text();
        return {};
    }
    CompileOptions options;
    options.min_sqnr_db = min_sqnr_db;
    options.all_outputs = all_outputs;
    const auto compiled = compile(*graph, make_samples(*graph, 6, -1, 1), diag, {}, options);
    EXPECT_TRUE(compiled) << diag.text();
    return compiled ? compiled->report : CompileReport{};
}

TEST(Precision, SixteenBitsWhereEightAreTooFew)
{
    const CompileReport narrow = compile_to(with_an_outlier(), 0);
    ASSERT_EQ(narrow.outputs.size(), 1u);
    EXPECT_TRUE(narrow.precision.values.empty());
    // One layer is enough, and it is the one with the outlier.
    const CompileReport wide = compile_to(with_an_outlier(), narrow.outputs[0].sqnr_db + 10);
    EXPECT_EQ(wide.precision.values, std::vector<std::string>{"r"});
    EXPECT_GE(wide.precision.chosen_db, narrow.outputs[0].sqnr_db + 10);
    EXPECT_GE(wide.outputs[0].sqnr_db, narrow.outputs[0].sqnr_db + 8);
    EXPECT_NEAR(narrow.outputs[0].sqnr_db, wide.precision.narrow_db, 2);
    const NodeReport *node = find_node(wide, "MatMul_m");
    ASSERT_NE(node, nullptr);
    EXPECT_EQ(node->input_bits, 16);
    node = find_node(wide, "MatMul_y");
    ASSERT_NE(node, nullptr);
    EXPECT_EQ(node->input_bits, 8);
    EXPECT_NE(wide.json().find("inputs_of_16_bits"), std::string::npos);
    EXPECT_NE(wide.text().find("inputs of 16 bits: r;"), std::string::npos) << wide.text();
}

TEST(Precision, EightBitsWhereTheyAreEnough)
{
    EXPECT_TRUE(compile_to(with_an_outlier(), 1).precision.values.empty());
}

TEST(Precision, AskingForLayersChangesNothing)
{
    const CompileReport plain = compile_to(with_an_outlier(), 200);
    EXPECT_EQ(plain.precision.values.size(), 2u); // neither the input nor the output
    EXPECT_EQ(compile_to(with_an_outlier(), 200, true).precision.values, plain.precision.values);
}

TEST(Precision, SumsStayIn32Bits)
{
    OnnxBuilder b;
    b.input("x", {-1, 4}).random("w1", {4, 600}).floats("w2", {600, 1}, std::vector<float>(600, 1));
    b.add("MatMul", {"x", "w1"}, "h").add("MatMul", {"h", "w2"}, "y").output("y");
    EXPECT_TRUE(compile_to(b, 200).precision.values.empty());
}

} // namespace
} // namespace acc::accc
