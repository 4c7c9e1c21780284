// SPDX-License-Identifier: MIT
//
// Whole networks: the digits of examples/, and development models beside the tree, which are
// skipped where they are not.
#include "onnx_builder.h"
#include "run_plan.h"

#include "common/npy.h"
#include "tools/accc/import/onnx_tensor.h"
#include "tools/accc/reference/float_interpreter.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <filesystem>

namespace acc::accc
{
namespace
{

const std::string kDigits = ACC_SOURCE_ROOT "/examples/digits/";

size_t largest(std::span<const float> values)
{
    return static_cast<size_t>(std::max_element(values.begin(), values.end()) - values.begin());
}

TEST(Digits, IntegersRecogniseThemAsWellAsFloats)
{
    Diagnostics diag;
    const auto graph = import_onnx_file(kDigits + "digits.onnx", {}, diag);
    ASSERT_TRUE(graph) << diag.text();
    const std::string calibration[] = {kDigits + "calibration.npy"};
    const auto samples = read_samples(*graph, calibration, diag);
    ASSERT_TRUE(samples) << diag.text();
    EXPECT_EQ(samples->items, 200u);
    const auto compiled = compile(*graph, *samples, diag);
    ASSERT_TRUE(compiled) << diag.text();

    const std::string test[] = {kDigits + "test_images.npy"};
    const auto images = read_samples(*graph, test, diag);
    ASSERT_TRUE(images) << diag.text();
    std::string why;
    const auto labels = read_npy(kDigits + "test_labels.npy", why);
    ASSERT_TRUE(labels) << why;
    ASSERT_EQ(labels->type, "i8");
    const size_t n = images->items;
    ASSERT_GE(n, 300u);
    ASSERT_EQ(labels->items(), n);

    const auto probabilities = run_plan(compiled->file, *images, 0, n);
    ASSERT_EQ(probabilities.size(), 1u);
    ASSERT_EQ(probabilities[0].size(), n * 10);
    size_t right = 0, right_float = 0;
    for (size_t i = 0; i < n; i++) {
        int64_t label = 0;
        std::memcpy(&label, labels->data.data() + i * sizeof(label), sizeof(label));
        const std::span<const float> found(&probabilities[0][i * 10], 10);
        right += static_cast<int64_t>(largest(found)) == label;
        const FloatValues wanted = evaluate(*graph, images->item(i));
        right_float += static_cast<int64_t>(largest(wanted[graph->outputs[0]])) == label;
    }
    const double accuracy = static_cast<double>(right) / static_cast<double>(n);
    const double accuracy_float = static_cast<double>(right_float) / static_cast<double>(n);
    RecordProperty("accuracy", std::to_string(accuracy));
    RecordProperty("accuracy_float", std::to_string(accuracy_float));
    EXPECT_GE(accuracy, 0.96);
    EXPECT_NEAR(accuracy, accuracy_float, 0.005);
}

TEST(Digits, FloatInterpreterAgreesWithTheTrainedNetwork)
{
    Diagnostics diag;
    const auto graph = import_onnx_file(kDigits + "digits.onnx", {}, diag);
    ASSERT_TRUE(graph) << diag.text();
    const std::string test[] = {kDigits + "test_images.npy"};
    const auto images = read_samples(*graph, test, diag);
    ASSERT_TRUE(images) << diag.text();
    std::string why;
    const auto stored = read_npy(kDigits + "float_probabilities.npy", why);
    ASSERT_TRUE(stored) << why;
    std::vector<float> wanted(stored->items());
    std::memcpy(wanted.data(), stored->data.data(), wanted.size() * sizeof(float));
    ASSERT_EQ(wanted.size(), images->items * 10);
    for (size_t i = 0; i < images->items; i++) {
        const FloatValues found = evaluate(*graph, images->item(i));
        for (size_t k = 0; k < 10; k++)
            EXPECT_NEAR(found[graph->outputs[0]][k], wanted[i * 10 + k], 1e-5) << i << ", " << k;
    }
}

TEST(Digits, EveryNodeIsInTheReport)
{
    Diagnostics diag;
    const auto graph = import_onnx_file(kDigits + "digits.onnx", {}, diag);
    ASSERT_TRUE(graph) << diag.text();
    const auto compiled = compile(*graph, random_samples(*graph, 4), diag);
    ASSERT_TRUE(compiled) << diag.text();
    size_t crossbar = 0;
    for (const NodeReport &n : compiled->report.nodes) {
        EXPECT_FALSE(n.reason.empty()) << n.node;
        EXPECT_TRUE(n.engine == "-" || n.engine == "fpga" || n.engine == "crossbar+fpga")
            << n.engine;
        crossbar += n.engine == "crossbar+fpga";
        EXPECT_EQ(n.engine == "crossbar+fpga", n.op == "Conv" || n.op == "Gemm") << n.node;
    }
    EXPECT_EQ(crossbar, 4u);
    EXPECT_EQ(compiled->report.nodes.size(), 13u); // 11 nodes, the input, the output
    std::string why;
    const auto file = program::ProgramFile::parse(compiled->file, &why);
    ASSERT_TRUE(file) << why;
    EXPECT_EQ(file->report(), compiled->report.json());
    EXPECT_NE(file->report().find("/conv2/Conv"), std::string::npos);
}

// A TensorProto file beside a development model.
std::vector<float> read_proto(const std::string &path)
{
    Diagnostics diag;
    const auto bytes = read_file(path, 0, std::string::npos, diag);
    EXPECT_TRUE(bytes) << diag.text();
    onnx::TensorProto proto;
    EXPECT_TRUE(bytes && proto.ParseFromString(*bytes)) << path;
    const auto tensor = decode_tensor(proto, {}, diag);
    EXPECT_TRUE(tensor && tensor->dtype == DType::F32) << diag.text();
    std::vector<float> values(tensor ? tensor->bytes.size() / sizeof(float) : 0);
    if (tensor) std::memcpy(values.data(), tensor->bytes.data(), values.size() * sizeof(float));
    return values;
}

class DevelopmentModel : public testing::TestWithParam<const char *>
{
};

// How the engines do on them is networks.py's to say, with calibration data that isn't these
// inputs.
TEST_P(DevelopmentModel, FloatInterpreterGivesItsRecordedResults)
{
    namespace fs = std::filesystem;
    const std::string folder = ACC_SOURCE_ROOT "/../shared/models/" + std::string(GetParam());
    if (!fs::exists(folder + "/model.onnx"))
        GTEST_SKIP() << "no development models beside the tree";
    Diagnostics diag;
    const auto graph = import_onnx_file(folder + "/model.onnx", {}, diag);
    ASSERT_TRUE(graph) << diag.text();
    ASSERT_EQ(graph->inputs.size(), 1u);
    size_t sets = 0;
    for (; fs::exists(folder + "/test_data_set_" + std::to_string(sets)); sets++) {
        const std::string set = folder + "/test_data_set_" + std::to_string(sets);
        const auto x = read_proto(set + "/input_0.pb"), w = read_proto(set + "/output_0.pb");
        ASSERT_EQ(x.size(), static_cast<size_t>(elements(graph->value(graph->inputs[0]).dims)));
        const std::vector<std::span<const float>> item = {x};
        const FloatValues values = evaluate(*graph, item);
        const std::vector<float> &exact = values[graph->outputs[0]];
        ASSERT_EQ(exact.size(), w.size());
        const auto [least, most] = std::minmax_element(w.begin(), w.end());
        const double range =
            std::max(1.0, static_cast<double>(*most) - static_cast<double>(*least));
        for (size_t k = 0; k < w.size(); k++)
            EXPECT_NEAR(exact[k], w[k], 2e-5 * range) << "set " << sets << ", element " << k;
    }
    ASSERT_GT(sets, 0u);
}

INSTANTIATE_TEST_SUITE_P(Compile, DevelopmentModel,
                         testing::Values("mnist_cntk", "tiny_ic_resnet8", "tiny_ad_autoencoder",
                                         "tflm_hello_world"));

} // namespace
} // namespace acc::accc
