// SPDX-License-Identifier: MIT
//
// What the importer refuses, each with the words that name the cause.
#include "onnx_builder.h"

#include "tools/accc/legalize/legalize.h"

#include <gtest/gtest.h>

#include <cstdio>
#include <filesystem>
#include <fstream>

namespace acc::accc
{
namespace
{

OnnxBuilder gemm()
{
    OnnxBuilder b;
    b.input("x", {-1, 4}).random("w", {4, 3}).add("Gemm", {"x", "w"}, "y").output("y");
    return b;
}

OnnxBuilder conv()
{
    OnnxBuilder b;
    b.input("x", {-1, 2, 5, 5}).random("w", {3, 2, 3, 3}).add("Conv", {"x", "w"}, "y").output("y");
    return b;
}

void refused(const OnnxBuilder &model, const std::vector<std::string> &words,
             const ImportOptions &options = {})
{
    Diagnostics diag;
    const auto graph = model.import(diag, options);
    EXPECT_FALSE(graph) << "expected a refusal with: " << words[0];
    EXPECT_LT(graph.error(), 0);
    for (const std::string &word : words)
        EXPECT_NE(diag.text().find(word), std::string::npos)
            << word << " is not in: " << diag.text();
}

TEST(Import, AcceptsWhatTheRefusalsStartFrom)
{
    Diagnostics diag;
    EXPECT_TRUE(gemm().import(diag)) << diag.text();
    EXPECT_TRUE(conv().import(diag)) << diag.text();
}

TEST(Import, Versions)
{
    OnnxBuilder b = gemm();
    b.model().set_ir_version(99);
    refused(b, {"IR version 3 to 13", "found 99"});
    b = gemm();
    b.model().mutable_opset_import(0)->set_version(26);
    refused(b, {"opset 1 to 25", "found 26"});
    b = gemm();
    b.model().clear_opset_import();
    refused(b, {"opset 1 to 25", "found 0"});
    b = gemm();
    b.model().clear_graph();
    refused(b, {"expected a graph"});
}

TEST(Import, UnknownOperatorAttributeDomain)
{
    OnnxBuilder b = gemm();
    b.node().set_op_type("Frobnicate");
    refused(b, {"node 'Gemm_y' (Frobnicate)", "operator that accc knows"});
    b = gemm();
    b.attr("sparkle", 1);
    refused(b, {"node 'Gemm_y' (Gemm)", "'sparkle'"});
    b = gemm();
    b.attr_float("transB", 1);
    refused(b, {"'transB' of type INT", "found FLOAT"});
    b = gemm();
    b.node().set_domain("com.example");
    refused(b, {"Gemm_y", "com.example"});
}

TEST(Import, NamesAndOrder)
{
    OnnxBuilder b = gemm();
    b.node().set_input(0, "nobody");
    refused(b, {"Gemm_y", "found 'nobody'"});
    b = gemm();
    b.add("Relu", {"x"}, "y");
    refused(b, {"made once", "'y' twice"});
    b = gemm();
    b.random("w", {4, 3});
    refused(b, {"'w' twice"});
    b = gemm();
    b.add("Add", {"p", "x"}, "q").add("Relu", {"q"}, "p");
    refused(b, {"Add_q", "without cycles"});
    b.graph().mutable_node(1)->clear_name(); // known by what it makes, then
    refused(b, {"node 'Add:q' (Add)", "without cycles"});
    b = gemm();
    b.output("nothing");
    refused(b, {"output 'nothing'", "makes it"});
    b = gemm();
    b.output("y");
    refused(b, {"outputs that differ", "'y' twice"});
    b = gemm();
    b.graph().clear_output();
    refused(b, {"expected an output"});
    b = gemm();
    b.node().clear_output();
    refused(b, {"expected an output"});
}

TEST(Import, NodesInAnyOrder)
{
    OnnxBuilder b;
    b.input("x", {-1, 4}).add("Relu", {"m"}, "y").add("Relu", {"x"}, "m").output("y");
    Diagnostics diag;
    const auto graph = b.import(diag);
    ASSERT_TRUE(graph) << diag.text();
    EXPECT_EQ(graph->ops.size(), 2u);
}

TEST(Import, InputsAndShapes)
{
    OnnxBuilder b;
    b.input("x", {8, 4}).add("Relu", {"x"}, "y").output("y");
    Diagnostics whole;
    EXPECT_TRUE(b.import(whole)) << whole.text(); // any shape is one item
    Diagnostics diag;
    EXPECT_TRUE(b.import(diag, {{{"x", {1, 4}}}, {}})) << diag.text();
    refused(b, {"no input 'z'"}, {{{"x", {1, 4}}, {"z", {1}}}, {}});

    OnnxBuilder free;
    free.input("x", {-1, -1}).add("Relu", {"x"}, "y").output("y");
    refused(free, {"dimension 1", "--shape x=1x"});
    OnnxBuilder huge;
    huge.input("x", {1, int64_t{1} << 40, int64_t{1} << 40}).add("Relu", {"x"}, "y").output("y");
    refused(huge, {"at most 2^28 elements"});
    OnnxBuilder zero;
    zero.input("x", {1, 0}).add("Relu", {"x"}, "y").output("y");
    refused(zero, {"at least 1"});
    OnnxBuilder text = gemm();
    text.graph().mutable_input(0)->mutable_type()->mutable_tensor_type()->set_elem_type(
        onnx::TensorProto::STRING);
    refused(text, {"input 'x'", "numbers or booleans"});
    OnnxBuilder made;
    made.input("x", {-1, 4}).input("s", {2}).add("Expand", {"x", "s"}, "y").output("y");
    made.graph().mutable_input(1)->mutable_type()->mutable_tensor_type()->set_elem_type(
        onnx::TensorProto::INT64);
    refused(made, {"Expand_y", "to be constant"});
    OnnxBuilder nothing;
    nothing.input("x", {-1, 4}).ints("a", {2}).ints("b", {2});
    nothing.add("Slice", {"x", "a", "b"}, "y").output("y");
    refused(nothing, {"Slice_y", "axis of size zero"});
    OnnxBuilder empty;
    empty.input("x", {1, 4}).ints("none", {}).output("none");
    refused(empty, {"output 'none'", "axis of size zero"});
    OnnxBuilder wide;
    wide.input("x", {-1, 4}).ints("r", {1, int64_t{1} << 28}).add("Tile", {"x", "r"}, "y");
    wide.output("y");
    refused(wide, {"Tile_y", "2^28 elements"});
}

TEST(Import, Tensors)
{
    OnnxBuilder b = gemm();
    b.graph().mutable_initializer(0)->mutable_raw_data()->resize(5);
    refused(b, {"tensor 'w'", "48 bytes", "found 5"});
    b = gemm();
    b.graph().mutable_initializer(0)->set_data_type(onnx::TensorProto::STRING);
    refused(b, {"tensor 'w'", "found STRING"});
    b = gemm();
    b.graph().mutable_initializer(0)->set_dims(0, int64_t{1} << 60);
    refused(b, {"tensor 'w'", "2^28"});
    b = gemm();
    b.graph().mutable_initializer(0)->set_dims(0, -4);
    refused(b, {"tensor 'w'", "found -4"});
    b = gemm();
    b.graph().mutable_initializer(0)->clear_raw_data();
    refused(b, {"tensor 'w'", "12 values"});
}

TEST(Import, ExternalDataOnlyBelowTheModel)
{
    namespace fs = std::filesystem;
    const fs::path root = fs::path(testing::TempDir()) / "accc_external";
    fs::create_directories(root / "model");
    const std::vector<float> weights(12, 0.5f);
    for (const fs::path &path : {root / "outside.bin", root / "model" / "inside.bin"}) {
        std::ofstream file(path, std::ios::binary);
        file.write(reinterpret_cast<const char *>(weights.data()), 48);
    }
    fs::remove(root / "model" / "link.bin");
    fs::create_symlink(root / "outside.bin", root / "model" / "link.bin");
    const auto with = [](const std::string &location, const std::string &length = "48") {
        OnnxBuilder b = gemm();
        auto *t = b.graph().mutable_initializer(0);
        t->clear_raw_data();
        t->set_data_location(onnx::TensorProto::EXTERNAL);
        const std::pair<const char *, std::string> entries[] = {{"location", location},
                                                                {"length", length}};
        for (const auto &[key, value] : entries) {
            auto *entry = t->add_external_data();
            entry->set_key(key);
            entry->set_value(value);
        }
        return b;
    };
    const ImportOptions options{{}, (root / "model").string()};
    Diagnostics diag;
    EXPECT_TRUE(with("inside.bin").import(diag, options)) << diag.text();
    refused(with("inside.bin"), {"external data"}); // no folder: nowhere
    refused(with("../outside.bin"), {"below the model's folder"}, options);
    refused(with("link.bin"), {"below the model's folder"}, options);
    refused(with((root / "model" / "inside.bin").string()), {"below the model's folder"}, options);
    refused(with("missing.bin"), {"below the model's folder", "missing.bin"}, options);
    refused(with(""), {"below the model's folder"}, options);
    refused(with("."), {"regular file"}, options);
    refused(with("inside.bin", "47"), {"48 bytes", "found 47"}, options);
    refused(with("inside.bin", "-1"), {"found 'length'"}, options);
    fs::remove_all(root);
}

TEST(Import, ConvRefusals)
{
    OnnxBuilder b = conv();
    b.attr("group", 2);
    refused(b, {"Conv_y", "in 2 groups"});
    b = conv();
    b.attr("strides", {0, 1});
    refused(b, {"'strides'", "[0,1]"});
    b = conv();
    b.attr("pads", {1, 1});
    refused(b, {"'pads'", "[1,1]"});
    b = conv();
    b.attr("pads", {-1, 0, 0, 0});
    refused(b, {"'pads'", "-1"});
    b = conv();
    b.attr("kernel_shape", {2, 2});
    refused(b, {"'kernel_shape'", "[2,2]"});
    b = conv();
    b.attr("dilations", {3, 3});
    refused(b, {"inside the padded image", "reach of 7"});
    b = conv();
    b.attr_string("auto_pad", "SOME");
    refused(b, {"'auto_pad'", "'SOME'"});
    b = conv();
    b.random("bias", {5}).node().add_input("bias");
    refused(b, {"bias of 3 values", "found 5"});
}

TEST(Import, ProductRefusals)
{
    OnnxBuilder b = gemm();
    b.attr("transA", 1);
    refused(b, {"agree in k"});
    b = gemm();
    b.attr("transB", 1);
    refused(b, {"agree in k"});
    b = gemm();
    b.random("c", {2, 3}).node().add_input("c");
    refused(b, {"C that fits 1x3", "2x3"});
}

TEST(Import, ArithmeticRefusals)
{
    OnnxBuilder shapes;
    shapes.input("x", {-1, 4}).input("z", {-1, 5}).add("Add", {"x", "z"}, "y").output("y");
    refused(shapes, {"fit each other", "1x4 and 1x5"});
}

// What the importer takes and no engine does: the reason is in the report.
TEST(Import, ReasonsForTheHost)
{
    const auto reason = [](const OnnxBuilder &b) {
        Diagnostics diag;
        auto graph = b.import(diag);
        EXPECT_TRUE(graph && legalize(*graph, diag)) << diag.text();
        for (const Op &op : graph->ops)
            if (op.kind == Kind::Host) return graph->source(op).host;
        return std::string();
    };
    const auto has = [](const std::string &text, const char *word) {
        EXPECT_NE(text.find(word), std::string::npos) << word << " is not in: " << text;
    };
    OnnxBuilder computed;
    computed.input("x", {1, 2, 5, 5}).input("w", {3, 2, 3, 3}).add("Conv", {"x", "w"}, "y");
    has(reason(computed.output("y")), "constant of floats");
    OnnxBuilder many;
    many.input("x", {2, 3, 4}).random("w", {2, 4, 3}).add("MatMul", {"x", "w"}, "y").output("y");
    has(reason(many), "one matrix on the right");
    OnnxBuilder quotient;
    quotient.input("x", {-1, 4}).add("Div", {"x", "x"}, "y").output("y");
    has(reason(quotient), "constant operand");
    OnnxBuilder zero;
    zero.input("x", {-1, 4}).floats("c", {1}, {0}).add("Div", {"x", "c"}, "y").output("y");
    has(reason(zero), "divisors other than 0");
    OnnxBuilder rows;
    rows.input("x", {-1, 3, 4}).random("c", {3, 1}).add("Mul", {"x", "c"}, "y").output("y");
    has(reason(rows), "factor for each channel");
    OnnxBuilder axes;
    axes.input("x", {2, 3, 4, 5}).add("Transpose", {"x"}, "y").output("y");
    has(reason(axes), "axes that change places");
    OnnxBuilder steps;
    steps.input("x", {-1, 4}).ints("b", {0}).ints("e", {4}).ints("a", {1}).ints("s", {2});
    has(reason(steps.add("Slice", {"x", "b", "e", "a", "s"}, "y").output("y")), "steps of 1");
    OnnxBuilder linear;
    linear.input("x", {1, 2, 3, 4}).floats("s", {4}, {1, 1, 2, 2});
    linear.add("Resize", {"x", "", "s"}, "y").attr_string("mode", "linear").output("y");
    has(reason(linear), "nearest pixel");
    OnnxBuilder pool(12);
    pool.input("x", {-1, 2, 5, 5}).add("MaxPool", {"x"}, "y").attr("kernel_shape", {2, 2});
    pool.node().add_output("indices");
    has(reason(pool.output("y").output("indices")), "indices");
    OnnxBuilder clip;
    clip.input("x", {-1, 2}).floats("l", {}, {1}).floats("h", {}, {0});
    has(reason(clip.add("Clip", {"x", "l", "h"}, "y").output("y")), "min <= max");
}

TEST(Import, NormalizationRefusals)
{
    const auto norm = [](float variance, int64_t channels = 2) {
        OnnxBuilder b;
        b.input("x", {-1, 2, 3, 3}).random("s", {channels}).random("t", {2}).random("m", {2});
        b.floats("v", {2}, {1, variance});
        b.add("BatchNormalization", {"x", "s", "t", "m", "v"}, "y").output("y");
        return b;
    };
    refused(norm(1, 3), {"input 1 of 2 values", "found 3"});
    OnnxBuilder training = norm(1);
    training.attr("training_mode", 1);
    refused(training, {"'training_mode' = 0"});
}

TEST(Import, ShapeRefusals)
{
    const auto reshape = [](const std::vector<int64_t> &shape) {
        OnnxBuilder b;
        b.input("x", {-1, 2, 3}).ints("s", shape).add("Reshape", {"x", "s"}, "y").output("y");
        return b;
    };
    refused(reshape({1, 7}), {"6 elements", "1x7"});
    refused(reshape({-1, -1}), {"one -1"});
    refused(reshape({-1, 4}), {"6 elements"});
    refused(reshape({1, -5}), {"found -5"});
    refused(reshape({1, int64_t{1} << 40, int64_t{1} << 40}), {"expected a shape"});
    OnnxBuilder computed;
    computed.input("x", {-1, 4}).add("Reshape", {"x", "x"}, "y").output("y");
    refused(computed, {"Reshape_y", "to be constant"});
    OnnxBuilder squeezed;
    squeezed.input("x", {-1, 4}).ints("a", {1}).add("Squeeze", {"x", "a"}, "y").output("y");
    refused(squeezed, {"axes of size 1", "1x4"});
}

TEST(Import, PoolAndLimitRefusals)
{
    const auto pool = [] {
        OnnxBuilder b(12);
        b.input("x", {-1, 2, 5, 5}).add("MaxPool", {"x"}, "y").output("y");
        return b;
    };
    refused(pool(), {"'kernel_shape'"});
    OnnxBuilder b = pool();
    b.attr("kernel_shape", {2, 2}).attr("pads", {2, 0, 2, 0});
    refused(b, {"pads smaller than the kernel", "found 2"});
    OnnxBuilder softmax;
    softmax.input("x", {-1, 2}).add("Softmax", {"x"}, "y").attr("axis", 0).output("y");
    softmax.node().mutable_attribute(0)->set_i(5);
    refused(softmax, {"an axis of 2", "found 5"});
}

TEST(Import, NotAModel)
{
    const std::string bytes = "this is text and no protobuf at all";
    Diagnostics diag;
    EXPECT_FALSE(import_onnx(std::as_bytes(std::span(bytes)), {}, diag));
    EXPECT_NE(diag.text().find("expected an ONNX model"), std::string::npos) << diag.text();
    Diagnostics missing;
    EXPECT_FALSE(import_onnx_file(testing::TempDir() + "no_such_model.onnx", {}, missing));
    EXPECT_NE(missing.text().find("No such file"), std::string::npos) << missing.text();
    Diagnostics folder;
    EXPECT_FALSE(import_onnx_file(testing::TempDir(), {}, folder));
    EXPECT_NE(folder.text().find("regular file"), std::string::npos) << folder.text();
}

} // namespace
} // namespace acc::accc
