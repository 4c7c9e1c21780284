// SPDX-License-Identifier: MIT
//
// The graph as text: after every pass it reads back to what it was, and texts that are no graph
// are refused with their line.
#include "onnx_builder.h"

#include "tests/fuzz/mutate.h"
#include "tools/accc/ir/print.h"
#include "tools/accc/ir/verify.h"
#include "tools/accc/quantize/samples.h"

#include <gtest/gtest.h>

#include <cstring>

namespace acc::accc
{
namespace
{

// Every kind of operation and attribute that the stages have between them.
OnnxBuilder many_kinds()
{
    OnnxBuilder b;
    b.input("x", {-1, 4, 6, 6}).random("w", {4, 2, 3, 3}).random("b", {4});
    b.random("s", {4}, 0.5f, 2).random("t", {4}).random("m", {4}).random("v", {4}, 0.25f, 4);
    b.add("Conv", {"x", "w", "b"}, "c").attr("group", 2).attr("pads", {1, 1, 1, 1});
    b.add("BatchNormalization", {"x", "s", "t", "m", "v"}, "n").add("Add", {"c", "n"}, "a");
    b.add("Relu", {"a"}, "r").add("MaxPool", {"r"}, "p").attr("kernel_shape", {2, 2});
    b.attr("strides", {2, 2});
    b.add("Transpose", {"p"}, "q").attr("perm", {0, 2, 1, 3});
    b.add("Split", {"q"}, "first").attr("axis", int64_t{1});
    b.node().add_output("second");
    b.node().add_output("third");
    b.add("Elu", {"first"}, "e").attr_float("alpha", 0.75f);
    b.add("Mul", {"e", "third"}, "prod");
    b.ints("shape", {1, 12}).add("Reshape", {"prod", "shape"}, "flat");
    b.random("w2", {12, 3}).add("MatMul", {"flat", "w2"}, "d").add("Softmax", {"d"}, "y");
    b.add("Tanh", {"d"}, "th").output("th").add("Mul", {"th", "d"}, "td").output("td");
    b.add("Concat", {"th", "d"}, "tc").attr("axis", int64_t{1}).output("tc");
    b.output("y").output("second");
    return b;
}

Graph parsed(const std::string &text)
{
    Diagnostics diag;
    auto graph = parse_graph(text, diag);
    EXPECT_TRUE(graph) << diag.text();
    return graph ? std::move(*graph) : Graph{};
}

std::string spoilt(std::string text, const std::string &from, const std::string &to)
{
    const size_t at = text.find(from);
    EXPECT_NE(at, std::string::npos) << from;
    if (at != std::string::npos) text.replace(at, from.size(), to);
    Diagnostics diag;
    EXPECT_FALSE(parse_graph(text, diag)) << from << " -> " << to;
    return diag.text();
}

TEST(Ir, EveryPassReadsBackWhatItPrinted)
{
    Diagnostics diag;
    const auto graph = many_kinds().import(diag);
    ASSERT_TRUE(graph) << diag.text();
    std::vector<std::string> seen;
    const auto compiled = compile(
        *graph, make_samples(*graph, 2, -1, 1), diag, [&](const char *pass, const Graph &g) {
            const std::string text = print_graph(g, Constants::Whole);
            EXPECT_EQ(print_graph(parsed(text), Constants::Whole), text) << "after " << pass;
            seen.emplace_back(pass);
        });
    ASSERT_TRUE(compiled) << diag.text();
    EXPECT_EQ(seen, pass_names());
}

TEST(Ir, ProgramsOfInstructionsReadBack)
{
    OnnxBuilder b;
    b.input("x", {-1, 6, 4}).random("w", {4, 5}).random("v", {5, 3});
    b.add("MatMul", {"x", "w"}, "m").add("Relu", {"m"}, "r").add("MatMul", {"r", "v"}, "y");
    b.output("y");
    Diagnostics diag;
    const auto graph = b.import(diag);
    ASSERT_TRUE(graph) << diag.text();
    CompileOptions options;
    options.lowering = LowerTo::Instructions;
    std::string before, text;
    const auto compiled = compile(
        *graph, make_samples(*graph, 2, -1, 1), diag,
        [&](const char *pass, const Graph &g) {
            (std::string_view(pass) == "quantize" ? before : text) =
                print_graph(g, Constants::Whole);
        },
        options);
    ASSERT_TRUE(compiled) << diag.text();
    EXPECT_EQ(before.find("program 1"), std::string::npos);
    EXPECT_NE(text.find("{program 1} : i32 1x6x5"), std::string::npos) << text;
    EXPECT_NE(text.find(", program 1} : i8 1x6x3"), std::string::npos) << text;
    Graph again = parsed(text);
    EXPECT_EQ(print_graph(again, Constants::Whole), text);
    // Operations of a program stand side by side, from the first program on.
    for (const auto &[at, number] : {std::pair{2, 0}, std::pair{2, 2}, std::pair{1, 3}}) {
        Graph wrong = again;
        wrong.ops[at].program = static_cast<uint32_t>(number);
        Diagnostics said;
        EXPECT_FALSE(verify_graph(wrong, said)) << at << " " << number;
        EXPECT_NE(said.text().find("side by side"), std::string::npos) << said.text();
    }
}

TEST(Ir, TextCompilesToTheSameBytes)
{
    Diagnostics diag;
    const auto graph = import_onnx_file(ACC_SOURCE_ROOT "/examples/digits/digits.onnx", {}, diag);
    ASSERT_TRUE(graph) << diag.text();
    const Samples samples = random_samples(*graph, 2);
    const auto wanted = compile(*graph, samples, diag);
    ASSERT_TRUE(wanted) << diag.text();
    const auto found = compile(parsed(print_graph(*graph, Constants::Whole)), samples, diag);
    ASSERT_TRUE(found) << diag.text();
    EXPECT_EQ(wanted->file, found->file);
}

TEST(Ir, RefusalsNameTheLine)
{
    Diagnostics diag;
    const auto graph = many_kinds().import(diag);
    ASSERT_TRUE(graph) << diag.text();
    const std::string text = print_graph(*graph, Constants::Whole);
    EXPECT_EQ(spoilt(text, "graph", "grape"),
              "line 1: expected 'graph'; found 'grape \"test\", stage mode'");
    EXPECT_NE(spoilt(text, "stage model", "stage next").find("expected a stage"),
              std::string::npos);
    EXPECT_NE(spoilt(text, "input", "inputs").find("'%'"), std::string::npos);
    EXPECT_NE(spoilt(text, " = Conv", " = Cone").find("an operator that accc knows"),
              std::string::npos);
    EXPECT_NE(spoilt(text, "alpha f0.75", "delta f0.75").find("an attribute of Elu"),
              std::string::npos);
    EXPECT_NE(spoilt(text, ": f32 1x4x6x6", ": f32 1x4x6x7").find("Conv"), std::string::npos);
    EXPECT_NE(spoilt(text, ": f32 1x4x6x6", ": f32 1x999999999x6x6").find("an integer of 0 to"),
              std::string::npos);
    EXPECT_NE(spoilt(text, ": f32 1x4x6x6", ": f32 1x99999999x99999x6").find("2^28 elements"),
              std::string::npos);
    EXPECT_NE(spoilt(text, "output \"y\" %", "output \"y\" %9").find("made above"),
              std::string::npos);
    EXPECT_NE(spoilt(text, "# \"Conv_c\"", "# \"Conv\"").find("the name of a node"),
              std::string::npos);
    EXPECT_NE(spoilt(print_graph(*graph), "graph", "graph").find("leaves out"), std::string::npos);
    EXPECT_NE(spoilt("", "", "").find("line 1"), std::string::npos);
}

TEST(Ir, SpoiltTextsAreReadOrRefused)
{
    Diagnostics diag;
    const auto graph = many_kinds().import(diag);
    ASSERT_TRUE(graph) << diag.text();
    const std::string text = print_graph(*graph, Constants::Whole);
    std::vector<std::byte> whole(text.size());
    std::memcpy(whole.data(), text.data(), text.size());
    std::mt19937 random(3);
    size_t refused = 0;
    for (int i = 0; i < 3000; i++) {
        const auto spoilt = fuzz::mutate(whole, random);
        Diagnostics inner;
        const bool read = static_cast<bool>(
            parse_graph({reinterpret_cast<const char *>(spoilt.data()), spoilt.size()}, inner));
        EXPECT_EQ(read, inner.text().empty());
        refused += !read;
    }
    EXPECT_GT(refused, 1000u);
}

TEST(Ir, CountsElementsThatNoNumberHolds)
{
    EXPECT_EQ(elements({}), 1);
    EXPECT_EQ(elements({3, 0, 5}), 0);
    EXPECT_EQ(elements({int64_t{1} << 32, int64_t{1} << 30}), int64_t{1} << 62);
    EXPECT_EQ(elements({int64_t{1} << 32, int64_t{1} << 31}), std::numeric_limits<int64_t>::max());
    EXPECT_EQ(elements({2725559550358672452, 25959, 0}), std::numeric_limits<int64_t>::max());
}

} // namespace
} // namespace acc::accc
