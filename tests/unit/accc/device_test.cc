// SPDX-License-Identifier: MIT
//
// The emulated engines against the integer interpreter, bit for bit: every kernel that the
// compiler uses, through the runtime, with batches.
#include "onnx_builder.h"
#include "run_plan.h"

#include "acc/acc.h"
#include "acc/profile.h"
#include "tools/accc/ir/print.h"

#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <map>
#include <memory>

namespace acc::accc
{
namespace
{

struct CloseDevice {
    void operator()(acc_device *device) const { EXPECT_EQ(acc_device_close(device), 0); }
};
using Device = std::unique_ptr<acc_device, CloseDevice>;

Device open_device(const char *uri)
{
    acc_device *device = nullptr;
    EXPECT_EQ(acc_device_open(uri, nullptr, &device), 0) << acc_error_text();
    return Device(device);
}

// All outputs of all items, by the devices.
std::vector<std::vector<float>> run_devices(std::span<const std::byte> file, const Samples &samples,
                                            uint32_t batch,
                                            acc_device_counters *crossbar_did = nullptr,
                                            acc_device_counters *fpga_did = nullptr)
{
    const Device crossbar = open_device("inproc:crossbar"), fpga = open_device("inproc:fpga");
    if (!crossbar || !fpga) return {};
    acc_device *const devices[] = {crossbar.get(), fpga.get()};
    acc_model_options options{};
    options.size = sizeof(options);
    options.batch = batch;
    acc_model *model = nullptr;
    const int loaded = acc_model_load(devices, 2, file.data(), file.size(), &options, &model);
    EXPECT_EQ(loaded, 0) << acc_error_text();
    if (loaded) return {};
    std::vector<const void *> inputs;
    for (const std::vector<float> &input : samples.inputs)
        inputs.push_back(input.data());
    std::vector<std::vector<float>> outputs;
    acc_tensor_info info{};
    info.size = sizeof(info);
    for (uint32_t i = 0; acc_model_output(model, i, &info) == 0; i++)
        outputs.emplace_back(samples.items * info.sample_bytes / sizeof(float));
    std::vector<void *> targets;
    for (std::vector<float> &output : outputs)
        targets.push_back(output.data());
    EXPECT_EQ(acc_model_run(model, inputs.data(), targets.data(), samples.items), 0)
        << acc_error_text();
    EXPECT_EQ(acc_model_unload(model), 0);
    if (crossbar_did) {
        EXPECT_EQ(acc_device_get_counters(crossbar.get(), crossbar_did), 0) << acc_error_text();
    }
    if (fpga_did) {
        EXPECT_EQ(acc_device_get_counters(fpga.get(), fpga_did), 0) << acc_error_text();
    }
    return outputs;
}

void check(const Graph &graph, const Samples &samples, bool exact,
           const CompileOptions &options = {})
{
    Diagnostics diag;
    std::vector<std::vector<float>> wanted;
    for (const LowerTo lowering : {LowerTo::Kernels, LowerTo::Instructions}) {
        CompileOptions these = options;
        these.lowering = lowering;
        const auto compiled = compile(graph, samples, diag, {}, these);
        ASSERT_TRUE(compiled) << diag.text();
        // Plain loops know kernels; instructions must come to the same.
        if (lowering == LowerTo::Kernels)
            wanted = run_plan(compiled->file, samples, 0, samples.items);
        for (const uint32_t batch : {1u, 3u}) {
            const auto found = run_devices(compiled->file, samples, batch);
            ASSERT_EQ(found.size(), wanted.size());
            for (size_t o = 0; o < found.size(); o++) {
                ASSERT_EQ(found[o].size(), wanted[o].size());
                for (size_t i = 0; i < found[o].size(); i++) {
                    if (exact)
                        ASSERT_EQ(found[o][i], wanted[o][i]) << "element " << i;
                    else
                        ASSERT_NEAR(found[o][i], wanted[o][i], 1e-6) << "element " << i;
                }
            }
        }
    }
}

void check(const OnnxBuilder &model, bool exact = true, float lo = -1, float hi = 1)
{
    Diagnostics diag;
    const auto graph = model.import(diag);
    ASSERT_TRUE(graph) << diag.text();
    check(*graph, make_samples(*graph, 7, lo, hi), exact);
}

TEST(Device, ConvolutionsOfAllKinds)
{
    for (uint32_t seed = 1; seed <= 6; seed++) {
        OnnxBuilder b(13, seed);
        const int64_t kernel = 1 + seed % 3, channels = 1 + seed % 4 * 2;
        b.input("x", {-1, channels, 9, 7})
            .random("w", {5, channels, kernel, kernel})
            .random("b", {5});
        b.add("Conv", {"x", "w", "b"}, "c")
            .attr("strides", {1 + seed % 2, 1})
            .attr("dilations", {1, 2});
        b.attr("pads", {seed % 2, 1, 1, seed % 3}).add("Relu", {"c"}, "y").output("y");
        check(b);
    }
}

TEST(Device, MoreRowsAndColumnsThanACrossbar)
{
    OnnxBuilder b;
    b.input("x", {-1, 300}).random("w", {300, 150}).random("c", {150});
    b.add("Gemm", {"x", "w", "c"}, "y").output("y");
    check(b);
}

// A network of dense layers whose sizes are not those of arrays.
OnnxBuilder layers_of(const std::vector<int64_t> &sizes)
{
    OnnxBuilder b;
    b.input("x", {-1, sizes[0]});
    std::string last = "x";
    for (size_t l = 1; l < sizes.size(); l++) {
        const std::string n = std::to_string(l);
        b.random("w" + n, {sizes[l - 1], sizes[l]}).random("c" + n, {sizes[l]});
        b.add("Gemm", {last, "w" + n, "c" + n}, "g" + n);
        last = "g" + n;
        if (l + 1 == sizes.size()) break;
        b.add("Relu", {last}, "r" + n);
        last = "r" + n;
    }
    b.output(last);
    return b;
}

TEST(Device, ChainsOfProductsAreOnePacket)
{
    check(layers_of({300, 150, 7, 260, 10}));
    const OnnxBuilder b = layers_of({300, 150, 100, 260, 128, 128, 128, 10});
    Diagnostics diag;
    const auto graph = b.import(diag);
    ASSERT_TRUE(graph) << diag.text();
    const Samples samples = make_samples(*graph, 5, -1, 1);
    CompileOptions options;
    // A single item is faster by kernels, whose inputs have 8 bits.
    options.lowering = LowerTo::Auto;
    const auto single = compile(*graph, samples, diag, {}, options);
    ASSERT_TRUE(single) << diag.text();
    EXPECT_TRUE(single->report.programs.empty());
    EXPECT_NE(single->report.nodes[1].reason.find("no instructions: by instructions "),
              std::string::npos)
        << single->report.nodes[1].reason;
    // Many take less of the model's time by a program, and more of the emulator's.
    options.batch = 64;
    const auto many = compile(*graph, samples, diag, {}, options);
    ASSERT_TRUE(many) << diag.text();
    EXPECT_TRUE(many->report.programs.empty());
    EXPECT_NE(many->report.nodes[1].reason.find("no instructions: the emulator takes "),
              std::string::npos)
        << many->report.nodes[1].reason;
    options.lowering = LowerTo::Instructions;
    const auto compiled = compile(*graph, samples, diag, {}, options);
    ASSERT_TRUE(compiled) << diag.text();
    EXPECT_EQ(compiled->report.steps, 3u) << "into int8, the program, and back";
    ASSERT_EQ(compiled->report.programs.size(), 1u);
    const ProgramReport &program = compiled->report.programs[0];
    EXPECT_EQ(program.layers, 7u);
    EXPECT_EQ(program.items, 1u);
    EXPECT_EQ(program.units, 3u * 2 + 2 * 1 + 1 * 3 + 3 * 1 + 1 + 1 + 1);
    // One item is as long on its way as predicted; of five each two are further apart.
    const Samples one = make_samples(*graph, 1, -1, 1);
    acc_device_counters did = ACC_INIT(acc_device_counters);
    ASSERT_EQ(run_devices(compiled->file, one, 1, &did).size(), 1u);
    EXPECT_EQ(did.dispatches, 1u);
    EXPECT_NEAR(static_cast<double>(did.modelled_ns), program.cost.first_ns,
                0.05 * program.cost.first_ns);
    ASSERT_EQ(run_devices(compiled->file, samples, 5, &did).size(), 1u);
    EXPECT_NEAR(static_cast<double>(did.modelled_ns), program.cost.all_ns(5),
                0.25 * program.cost.all_ns(5));
}

TEST(Device, RowsOfAnItemAreItemsOfAProgram)
{
    OnnxBuilder b;
    b.input("x", {-1, 5, 20}).random("w", {20, 30}).random("v", {30, 9});
    b.add("MatMul", {"x", "w"}, "m").add("Relu", {"m"}, "r").add("MatMul", {"r", "v"}, "y");
    b.output("y");
    check(b);
    // What two read ends a chain, and so does an output.
    OnnxBuilder two;
    two.input("x", {-1, 40}).random("w", {40, 30}).random("v", {30, 9}).random("u", {30, 9});
    two.add("MatMul", {"x", "w"}, "m")
        .add("MatMul", {"m", "v"}, "p")
        .add("MatMul", {"m", "u"}, "q");
    two.add("Add", {"p", "q"}, "y").output("y");
    check(two);
}

// A residual block, a depthwise convolution, both pools, a flattened image.
OnnxBuilder images()
{
    OnnxBuilder b;
    const auto conv = [&](const char *x, const char *y, std::vector<int64_t> w, int64_t stride,
                          int64_t pad, int64_t group = 1) {
        const std::string weights = std::string(y) + "_w";
        b.random(weights, std::move(w)).add("Conv", {x, weights}, y);
        b.attr("strides", {stride, stride}).attr("pads", {pad, pad, pad, pad}).attr("group", group);
    };
    b.input("x", {-1, 3, 12, 10});
    conv("x", "a", {16, 3, 3, 3}, 1, 1);
    b.add("Relu", {"a"}, "ar");
    conv("ar", "b", {16, 16, 3, 3}, 1, 1);
    b.add("Relu", {"b"}, "br");
    conv("br", "c", {16, 16, 3, 3}, 1, 1);
    b.add("Add", {"ar", "c"}, "s").add("Relu", {"s"}, "sr");
    conv("sr", "d", {16, 1, 3, 3}, 1, 1, 16);
    b.add("MaxPool", {"d"}, "m").attr("kernel_shape", {2, 2}).attr("strides", {2, 2});
    conv("m", "e", {20, 16, 1, 1}, 1, 0);
    b.add("GlobalAveragePool", {"e"}, "g").add("Flatten", {"g"}, "f");
    b.random("w", {20, 6}).add("Gemm", {"f", "w"}, "p");
    b.add("Flatten", {"m"}, "n").random("v", {16 * 6 * 5, 6}).add("Gemm", {"n", "v"}, "q");
    b.add("Add", {"p", "q"}, "y").output("y");
    return b;
}

TEST(Device, NetworksOfImagesAreOnePacket)
{
    const OnnxBuilder b = images();
    check(b);
    Diagnostics diag;
    const auto graph = b.import(diag);
    ASSERT_TRUE(graph) << diag.text();
    CompileOptions options;
    options.lowering = LowerTo::Instructions;
    const Samples one = make_samples(*graph, 1, -1, 1);
    std::string after;
    const auto compiled = compile(
        *graph, one, diag,
        [&](const char *pass, const Graph &g) {
            if (pass != std::string("instructions")) return;
            after = print_graph(g);
            // Its text is read back to the same.
            const auto again = parse_graph(print_graph(g, Constants::Whole), diag);
            ASSERT_TRUE(again) << diag.text();
            EXPECT_EQ(print_graph(*again), after);
        },
        options);
    ASSERT_TRUE(compiled) << diag.text();
    EXPECT_NE(after.find("program 1"), std::string::npos) << after;
    // Into int8, channels last, the program, and back.
    EXPECT_EQ(compiled->report.steps, 4u) << after;
    ASSERT_EQ(compiled->report.programs.size(), 1u) << diag.text();
    const ProgramReport &program = compiled->report.programs[0];
    EXPECT_EQ(program.layers, 7u);
    EXPECT_EQ(program.items, 1u);
    EXPECT_GE(program.nodes.size(), 9u);
    acc_device_counters did = ACC_INIT(acc_device_counters);
    ASSERT_EQ(run_devices(compiled->file, one, 1, &did).size(), 1u);
    EXPECT_EQ(did.dispatches, 1u);
    EXPECT_NEAR(static_cast<double>(did.modelled_ns), program.cost.first_ns,
                0.1 * program.cost.first_ns);
    // Tiles of three cores need more of them, and messages; the device has larger ones.
    options.arch.cores = 3;
    const auto apart = compile(*graph, one, diag, {}, options);
    ASSERT_TRUE(apart) << diag.text();
    ASSERT_EQ(apart->report.programs.size(), 1u);
    EXPECT_GT(apart->report.programs[0].tiles, program.tiles);
    EXPECT_EQ(run_devices(apart->file, one, 1), run_devices(compiled->file, one, 1));
}

TEST(Device, WhatDoesNotFitStaysAKernelAndSaysWhy)
{
    OnnxBuilder b;
    b.input("x", {-1, 16385}).random("w", {16385, 129});
    b.add("MatMul", {"x", "w"}, "y").output("y");
    Diagnostics diag;
    const auto graph = b.import(diag);
    ASSERT_TRUE(graph) << diag.text();
    CompileOptions options;
    options.lowering = LowerTo::Instructions;
    const auto compiled = compile(*graph, make_samples(*graph, 1, -1, 1), diag, {}, options);
    ASSERT_TRUE(compiled) << diag.text();
    EXPECT_TRUE(compiled->report.programs.empty());
    ASSERT_FALSE(diag.warnings().empty());
    EXPECT_NE(diag.warnings().back().find(
                  "stays a kernel: expected at most the 16 tiles of a slot; found 17"),
              std::string::npos)
        << diag.warnings().back();
    EXPECT_NE(compiled->report.nodes[1].reason.find("no instructions: expected at most"),
              std::string::npos)
        << compiled->report.nodes[1].reason;
}

TEST(Device, Pools)
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
    check(global);
}

TEST(Device, AddClipTransposeConstant)
{
    OnnxBuilder b(11);
    b.input("x", {-1, 2, 3, 4}).random("c", {1, 2, 3, 4}).floats("lo", {}, {-0.3f});
    b.add("Clip", {"x", "lo"}, "k").add("Add", {"k", "c"}, "a").add("Add", {"a", "x"}, "s");
    b.add("Transpose", {"s"}, "y").attr("perm", {0, 2, 1, 3}).output("y");
    check(b);
}

TEST(Device, ProductOfTwoResults)
{
    OnnxBuilder b;
    b.input("q", {-1, 4, 6}).input("k", {-1, 6, 5}).add("MatMul", {"q", "k"}, "y").output("y");
    check(b);
}

TEST(Device, InputsOfSixteenBits)
{
    OnnxBuilder b;
    b.input("x", {-1, 3, 7, 6}).random("w1", {4, 3, 1, 1}).random("w2", {4, 4, 3, 3});
    b.random("w3", {5, 4, 3, 3}).random("w4", {5 * 7 * 6, 3});
    b.add("Conv", {"x", "w1"}, "a").add("Relu", {"a"}, "r");
    b.add("Conv", {"r", "w2"}, "c").attr("pads", {1, 1, 1, 1});
    b.add("Add", {"c", "r"}, "s").add("Relu", {"s"}, "t");
    b.add("Conv", {"t", "w3"}, "d").attr("pads", {2, 0, 0, 2});
    b.add("Flatten", {"d"}, "f").add("MatMul", {"f", "w4"}, "y").output("y");
    Diagnostics diag;
    const auto graph = b.import(diag);
    ASSERT_TRUE(graph) << diag.text();
    CompileOptions options;
    options.min_sqnr_db = 200;
    const Samples samples = make_samples(*graph, 7, -1, 1);
    const auto compiled = compile(*graph, samples, diag, {}, options);
    ASSERT_TRUE(compiled) << diag.text();
    // All but the input and the output: an addition's operands are as wide as its result.
    EXPECT_EQ(compiled->report.precision.values.size(), 4u);
    check(*graph, samples, true, options);
}

TEST(Device, AnInputThatIsAnOutputKeepsItsValues)
{
    OnnxBuilder b;
    b.input("x", {-1, 33}).add("Identity", {"x"}, "y").output("y");
    Diagnostics diag;
    const auto graph = b.import(diag);
    ASSERT_TRUE(graph) << diag.text();
    const Samples samples = make_samples(*graph, 3, -5, 5);
    const auto compiled = compile(*graph, samples, diag);
    ASSERT_TRUE(compiled) << diag.text();
    EXPECT_EQ(run_devices(compiled->file, samples, 3), samples.inputs);
}

TEST(Device, SoftmaxIsNear)
{
    OnnxBuilder b;
    b.input("x", {-1, 33}).add("Softmax", {"x"}, "y").output("y");
    check(b, false, -5, 5);
}

TEST(Device, DigitsAreTheSame)
{
    const std::string folder = ACC_SOURCE_ROOT "/examples/digits/";
    Diagnostics diag;
    const auto graph = import_onnx_file(folder + "digits.onnx", {}, diag);
    ASSERT_TRUE(graph) << diag.text();
    const std::string file[] = {folder + "calibration.npy"};
    auto samples = read_samples(*graph, file, diag);
    ASSERT_TRUE(samples) << diag.text();
    check(*graph, *samples, false);
}

TEST(Device, TheCrossbarCostsWhatTheReportPredicts)
{
    OnnxBuilder b;
    b.input("x", {-1, 3, 9, 9}).random("w1", {20, 3, 3, 3}).random("w2", {140, 20 * 7 * 7});
    b.random("w3", {10, 140});
    b.add("Conv", {"x", "w1"}, "a").add("Relu", {"a"}, "r").add("Flatten", {"r"}, "f");
    b.add("Gemm", {"f", "w2"}, "g").attr("transB", 1);
    b.add("Gemm", {"g", "w3"}, "y").attr("transB", 1).output("y");
    Diagnostics diag;
    const auto graph = b.import(diag);
    ASSERT_TRUE(graph) << diag.text();
    const Samples samples = make_samples(*graph, 5, -1, 1);
    for (const double min_sqnr_db : {0.0, 200.0}) { // inputs of 8 bits, and of 16
        CompileOptions options;
        options.min_sqnr_db = min_sqnr_db;
        const auto compiled = compile(*graph, samples, diag, {}, options);
        ASSERT_TRUE(compiled) << diag.text();
        acc_device_counters did = ACC_INIT(acc_device_counters);
        ASSERT_EQ(run_devices(compiled->file, samples, 5, &did).size(), 1u);
        const ProductCost &cost = compiled->report.cost;
        // The device counts whole nanoseconds and picojoules of three dispatches.
        EXPECT_NEAR(static_cast<double>(did.modelled_ns), cost.ns * 5, 3);
        EXPECT_NEAR(static_cast<double>(did.energy_pj), cost.pj * 5, 3);
        EXPECT_NEAR(static_cast<double>(did.load_energy_pj), cost.program_pj, 3);
        EXPECT_GT(cost.utilisation, 0.3);
        EXPECT_LT(cost.utilisation, 1);
    }
}

TEST(Device, BatchesAndTables)
{
    OnnxBuilder b;
    b.input("x", {2, 3, 7, 6}).random("w", {4, 3, 3, 3}).add("Conv", {"x", "w"}, "c");
    b.add("HardSwish", {"c"}, "h").add("MaxPool", {"h"}, "p").attr("kernel_shape", {2, 2});
    b.add("AveragePool", {"p"}, "v").attr("kernel_shape", {3, 2});
    b.add("Transpose", {"v"}, "t").attr("perm", {1, 0, 3, 2});
    b.add("Transpose", {"t"}, "u").attr("perm", {0, 1, 3, 2}).add("MatMul", {"t", "u"}, "g");
    b.add("Sigmoid", {"g"}, "y").output("y").output("h");
    check(b);
}

TEST(Device, JoinedRowsAndProducts)
{
    OnnxBuilder b;
    b.input("x", {-1, 4, 5, 6}).random("w", {6, 4, 3, 3}).random("v", {5, 4, 3, 3});
    b.add("Conv", {"x", "w"}, "a").add("Conv", {"x", "v"}, "c");
    b.add("Concat", {"a", "c"}, "j").attr("axis", int64_t{1}).add("GlobalAveragePool", {"j"}, "g");
    b.add("Mul", {"j", "g"}, "m").add("Split", {"m"}, "y").attr("axis", int64_t{1});
    b.ints("sizes", {7, 4}).node().add_input("sizes");
    b.node().add_output("z");
    b.output("y").output("z");
    check(b);
}

TEST(Device, EveryStepIsMeasured)
{
    OnnxBuilder b;
    // As many roles as the device has regions, so that none is loaded while it runs.
    b.input("x", {-1, 30}).random("w", {30, 200}).random("f", {200, 5});
    b.add("MatMul", {"x", "w"}, "c").add("Sigmoid", {"c"}, "s").add("MatMul", {"s", "f"}, "m");
    b.add("ReduceMax", {"m"}, "y").attr("axes", std::vector<int64_t>{1}).output("y");
    Diagnostics diag;
    const auto graph = b.import(diag);
    ASSERT_TRUE(graph) << diag.text();
    const Samples samples = make_samples(*graph, 1, -1, 1);
    const auto compiled = compile(*graph, samples, diag);
    ASSERT_TRUE(compiled) << diag.text();
    const Device crossbar = open_device("inproc:crossbar"), fpga = open_device("inproc:fpga");
    acc_device *const devices[] = {crossbar.get(), fpga.get()};
    acc_model_options options = ACC_INIT(acc_model_options);
    acc_model *model = nullptr;
    ASSERT_EQ(
        acc_model_load(devices, 2, compiled->file.data(), compiled->file.size(), &options, &model),
        0)
        << acc_error_text();
    float result = 0, again = 0;
    const void *const in[] = {samples.inputs[0].data()};
    void *out[] = {&result};
    EXPECT_EQ(acc_model_run(model, in, out, 1), 0) << acc_error_text();
    acc_model_step_times step = ACC_INIT(acc_model_step_times);
    EXPECT_EQ(acc_model_get_step_times(model, 0, &step), -EINVAL);
    EXPECT_EQ(acc_model_profile(model, 2), -EINVAL);
    ASSERT_EQ(acc_model_profile(model, 1), 0) << acc_error_text();
    out[0] = &again;
    for (int run = 0; run < 3; run++)
        EXPECT_EQ(acc_model_run(model, in, out, 1), 0) << acc_error_text();
    EXPECT_EQ(result, again);
    std::map<std::string, double> measured;
    uint64_t host_ns = 0, steps = 0;
    for (; acc_model_get_step_times(model, static_cast<uint32_t>(steps), &step) == 0; steps++) {
        EXPECT_EQ(step.runs, 3u) << step.name;
        measured[step.name] += static_cast<double>(step.modelled_ns) / 3;
        if (step.target == ACC_TARGET_HOST) host_ns += step.busy_ns;
    }
    EXPECT_EQ(acc_model_get_step_times(model, static_cast<uint32_t>(steps), &step), -ENOENT);
    EXPECT_EQ(steps, compiled->report.steps);
    EXPECT_GT(host_ns, 0u);
    // Whole nanoseconds of each dispatch.
    for (const NodeReport &node : compiled->report.nodes)
        EXPECT_NEAR(measured[node.node], node.cost.ns + node.roles.ns,
                    1.0 * static_cast<double>(node.kernels.size()))
            << node.node;
    ASSERT_EQ(acc_model_profile(model, 0), 0) << acc_error_text();
    EXPECT_EQ(acc_model_run(model, in, out, 1), 0) << acc_error_text();
    EXPECT_EQ(acc_model_get_step_times(model, 0, &step), -EINVAL);
    EXPECT_EQ(acc_model_unload(model), 0);
}

TEST(Device, RolesTakeWhatTheReportPredicts)
{
    OnnxBuilder b;
    b.input("x", {-1, 3, 9, 9}).input("z", {-1, 5, 4}).random("w1", {20, 3, 3, 3});
    b.add("Conv", {"x", "w1"}, "a").add("MaxPool", {"a"}, "m").attr("kernel_shape", {2, 2});
    b.add("AveragePool", {"a"}, "v").attr("kernel_shape", {2, 2});
    b.add("Add", {"m", "v"}, "s").add("Transpose", {"s"}, "t").attr("perm", {0, 3, 1, 2});
    b.add("Relu", {"z"}, "r").add("Transpose", {"r"}, "zt").attr("perm", {0, 2, 1});
    b.add("MatMul", {"r", "zt"}, "g").add("Softmax", {"g"}, "p").output("t").output("p");
    Diagnostics diag;
    const auto graph = b.import(diag);
    ASSERT_TRUE(graph) << diag.text();
    const Samples samples = make_samples(*graph, 1, -1, 1);
    const auto compiled = compile(*graph, samples, diag);
    ASSERT_TRUE(compiled) << diag.text();
    acc_device_counters crossbar = ACC_INIT(acc_device_counters),
                        did = ACC_INIT(acc_device_counters);
    ASSERT_EQ(run_devices(compiled->file, samples, 1, &crossbar, &did).size(), 2u);
    std::string kernels;
    for (const NodeReport &node : compiled->report.nodes)
        for (const std::string &kernel : node.kernels)
            kernels += kernel + " ";
    for (const char *role :
         {"quantize_f32_i8", "im2col_i8", "requantize_i32_i8", "maxpool_i8", "avgpool_i8", "add_i8",
          "permute_i8", "clip_i8", "gemm_i8", "softmax_i8_f32", "dequantize_i8_f32"})
        EXPECT_NE(kernels.find(role), std::string::npos) << role << " in " << kernels;
    // Whole nanoseconds of each dispatch; energy to what operands are read more often than once.
    const RoleCost &cost = compiled->report.roles;
    EXPECT_NEAR(static_cast<double>(did.modelled_ns), cost.ns,
                0.5 * static_cast<double>(did.dispatches));
    EXPECT_NEAR(static_cast<double>(did.energy_pj), cost.pj, 0.1 * cost.pj);
}

} // namespace
} // namespace acc::accc
