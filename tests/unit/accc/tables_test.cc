// SPDX-License-Identifier: MIT
//
// Formulas of one element, chains of functions that become one, and the tables that they end as.
#include "compile_check.h"

#include "tools/accc/ir/formula.h"
#include "tools/accc/ir/verify.h"

#include <cmath>

namespace acc::accc
{
namespace
{

std::vector<float> by_formula(std::string_view text, std::vector<float> values)
{
    run_formula(text, values);
    return values;
}

TEST(Formula, IsWhatItsFunctionsSay)
{
    EXPECT_EQ(by_formula("x", {1, -2}), (std::vector<float>{1, -2}));
    EXPECT_EQ(by_formula("x 3 Add 0 Max 6 Min", {-4, 1, 9}), (std::vector<float>{0, 4, 6}));
    EXPECT_EQ(by_formula("2 x Sub", {5}), (std::vector<float>{-3}));
    EXPECT_EQ(by_formula("x LeakyRelu:0.5", {-4, 4}), (std::vector<float>{-2, 4}));
    EXPECT_EQ(by_formula("x HardSigmoid:0.25:0.5", {1}), (std::vector<float>{0.75f}));
    EXPECT_FLOAT_EQ(by_formula("x x Sigmoid Mul", {1})[0], 1 / (1 + std::exp(-1.0f)));
}

TEST(Formula, RefusesWhatIsNone)
{
    for (const char *text :
         {"", "x x", "Mul", "x Mul", "x Nothing", "x LeakyRelu:", "x LeakyRelu:1:2", "x inf Add",
          "x nan Add", "x Relu:1", "x  Relu", "y", "x 1e99 Add", "x Conv"})
        EXPECT_FALSE(read_formula(text)) << text;
    std::string long_one = "x";
    for (size_t i = 0; i < kMaxFormula; i++)
        long_one += " Neg";
    EXPECT_FALSE(read_formula(long_one));
}

// The graph after the pass, held to what it was before.
Graph fused(const OnnxBuilder &b)
{
    Diagnostics diag;
    const auto before = b.import(diag);
    if (!before) {
        ADD_FAILURE() << diag.text();
        return {};
    }
    Graph after = *before;
    EXPECT_TRUE(fuse_chains(after, diag)) << diag.text();
    after.drop_dead();
    EXPECT_TRUE(verify_graph(after, diag)) << diag.text();
    const Samples samples = make_samples(*before, 2, -4, 4);
    for (size_t i = 0; i < samples.items; i++) {
        const FloatValues l = evaluate(*before, samples.item(i)),
                          r = evaluate(after, samples.item(i));
        for (size_t o = 0; o < after.outputs.size(); o++)
            EXPECT_EQ(l[before->outputs[o]], r[after.outputs[o]]) << "output " << o;
    }
    return after;
}

std::vector<std::string> formulas(const Graph &g)
{
    std::vector<std::string> all;
    for (const Op &op : g.ops)
        if (op.kind == Kind::Table) all.push_back(formula_of(op));
    return all;
}

OnnxBuilder scalars(const char *input = "x")
{
    OnnxBuilder b;
    b.input(input, {-1, 3, 4}).floats("three", {}, {3}).floats("zero", {}, {0});
    return b.floats("six", {1}, {6}).floats("half", {}, {0.5f}).random("many", {4});
}

TEST(Chains, BecomeOneTable)
{
    OnnxBuilder b = scalars();
    b.add("Add", {"x", "three"}, "a").add("Clip", {"a", "zero", "six"}, "c");
    b.add("Mul", {"x", "c"}, "m").add("Div", {"m", "six"}, "y").output("y");
    const Graph g = fused(b);
    EXPECT_EQ(g.ops.size(), 1u);
    EXPECT_EQ(formulas(g), std::vector<std::string>{"x x 3 Add 0 Max 6 Min Mul 6 Div"});
    EXPECT_EQ(g.sources[0].fate, "fused into Div_y, in one table");
}

TEST(Chains, GiveWhatOthersReadATableOfItsOwn)
{
    OnnxBuilder b = scalars();
    b.add("Sigmoid", {"x"}, "s").add("Mul", {"x", "s"}, "m").add("Tanh", {"m"}, "t");
    b.add("Add", {"t", "s"}, "y").output("s").output("y");
    EXPECT_EQ(formulas(fused(b)),
              (std::vector<std::string>{"x Sigmoid", "x x Sigmoid Mul Tanh x Sigmoid Add"}));
}

TEST(Chains, LeaveWhatIsNoActivation)
{
    OnnxBuilder b = scalars();
    // What products take, a square as of a variance, and operands that are not one value's.
    b.add("Mul", {"x", "half"}, "a").add("Relu", {"a"}, "r").add("Mul", {"r", "r"}, "square");
    b.add("Sub", {"x", "three"}, "d").add("Mul", {"d", "d"}, "variance");
    b.add("Sigmoid", {"r"}, "s").add("Mul", {"s", "many"}, "by_column");
    b.output("a").output("variance").output("by_column").output("square");
    const std::vector<std::string> found = formulas(fused(b));
    // x * 0.5 is there for others; r is limited, so its square is, too.
    EXPECT_EQ(found, (std::vector<std::string>{"x 0.5 Mul Relu x 0.5 Mul Relu Mul",
                                               "x 0.5 Mul Relu Sigmoid"}));
}

TEST(Chains, EndWhereAFormulaIsTooLong)
{
    OnnxBuilder b = scalars();
    std::string last = "x";
    for (int i = 0; i < 8; i++) { // each doubles it
        const std::string name = "v" + std::to_string(i);
        b.add("Sigmoid", {last}, "s" + name).add("Mul", {last, "s" + name}, name);
        last = name;
    }
    b.output(last);
    const std::vector<std::string> found = formulas(fused(b));
    EXPECT_GT(found.size(), 1u);
    EXPECT_LT(found.size(), 8u);
}

// As exporters wrote it before there was an operator: what differs is told by `form`.
OnnxBuilder norm(const std::string &form)
{
    OnnxBuilder b;
    b.input("x", {-1, 3, 8}).floats("two", {}, {2}).floats("eps", {1}, {1e-5f});
    b.random("scale", {8}, 0.5f, 1.5f).random("bias", {8});
    const auto mean = [&](const std::string &of, const std::string &name) {
        b.add("ReduceMean", {of}, name).attr("axes", std::vector<int64_t>{form == "axis" ? 1 : -1});
    };
    mean("x", "m");
    b.add("Sub", {"x", "m"}, "d");
    if (form == "mul")
        b.add("Mul", {"d", "d"}, "q");
    else
        b.add("Pow", {"d", "two"}, "q");
    mean("q", "v");
    b.add("Add", {"v", "eps"}, "e").add("Sqrt", {"e"}, "r").add("Div", {"d", "r"}, "n");
    if (form == "read") b.output("d");
    if (form == "bare") return b.output("n");
    return b.add("Mul", {"n", "scale"}, "t").add("Add", {"bias", "t"}, "y").output("y");
}

TEST(Norms, BecomeOneOperator)
{
    for (const char *form : {"pow", "mul", "bare", "read", "axis"}) {
        Diagnostics diag;
        const auto before = norm(form).import(diag);
        ASSERT_TRUE(before) << diag.text();
        Graph after = *before;
        ASSERT_TRUE(fuse_norms(after, diag)) << diag.text();
        after.drop_dead();
        ASSERT_TRUE(verify_graph(after, diag)) << diag.text();
        const auto count = [&](const char *name) {
            return std::count_if(after.ops.begin(), after.ops.end(),
                                 [&](const Op &op) { return op.node.op == name; });
        };
        // Along another axis than the last ones it is no layer normalisation.
        EXPECT_EQ(count("LayerNormalization"), form != std::string("axis")) << form;
        if (form == std::string("pow")) {
            EXPECT_EQ(after.ops.size(), 1u);
            EXPECT_EQ(after.sources[0].fate, "fused into Add_y, a normalisation");
        }
        EXPECT_EQ(count("Sub"), form == std::string("read") || form == std::string("axis"));
        const Samples samples = make_samples(*before, 2, -4, 4);
        for (size_t i = 0; i < samples.items; i++) {
            const FloatValues l = evaluate(*before, samples.item(i)),
                              r = evaluate(after, samples.item(i));
            for (size_t o = 0; o < after.outputs.size(); o++) {
                const auto &wanted = l[before->outputs[o]], &found = r[after.outputs[o]];
                ASSERT_EQ(wanted.size(), found.size());
                for (size_t k = 0; k < wanted.size(); k++)
                    EXPECT_NEAR(wanted[k], found[k], 1e-5) << form << " " << k;
            }
        }
    }
}

TEST(Tables, ComputeActivationsOnTheFpga)
{
    for (const char *op : {"Sigmoid", "Tanh", "LeakyRelu", "Elu", "Selu", "HardSigmoid",
                           "HardSwish", "Softplus", "Softsign", "Erf", "Abs", "Gelu", "Mish"}) {
        OnnxBuilder b(20);
        b.input("x", {-1, 2, 5, 5}).random("w", {3, 2, 3, 3}).add("Conv", {"x", "w"}, "c");
        b.add(op, {"c"}, "y").output("y");
        const CompileReport report = check(b);
        const NodeReport *node = find_node(report, std::string(op) + "_y");
        ASSERT_NE(node, nullptr) << op;
        EXPECT_EQ(node->engine, "fpga") << op << ": " << node->reason;
        EXPECT_EQ(std::count(node->kernels.begin(), node->kernels.end(), "table_i8"), 1) << op;
    }
}

TEST(Tables, TakeALimitAndAStatedScale)
{
    OnnxBuilder b = scalars();
    b.floats("scale", {}, {1.0f / 64});
    b.graph().mutable_initializer()->Add()->set_name("zp");
    auto *zero = b.graph().mutable_initializer(b.graph().initializer_size() - 1);
    zero->set_data_type(onnx::TensorProto::INT8);
    zero->add_int32_data(-10);
    b.add("Tanh", {"x"}, "t")
        .add("Relu", {"t"}, "r")
        .add("QuantizeLinear", {"r", "scale", "zp"}, "q");
    b.add("DequantizeLinear", {"q", "scale", "zp"}, "y").output("y");
    Diagnostics diag;
    const auto graph = b.import(diag);
    ASSERT_TRUE(graph) << diag.text();
    size_t tables = 0, others = 0;
    const auto after = [&](const char *name, const Graph &g) {
        if (std::string_view(name) != "quantize") return;
        for (const Op &op : g.ops) {
            tables += op.kind == Kind::Table;
            others += op.kind == Kind::Add || op.kind == Kind::Clip;
            if (op.kind != Kind::Table) continue;
            EXPECT_EQ(g.value(op.output).quant, (Quant{1.0f / 64, -10}));
            const std::vector<int8_t> &table = g.int8s(op.inputs[1]);
            EXPECT_EQ(*std::min_element(table.begin(), table.end()), -10); // Relu
        }
    };
    ASSERT_TRUE(compile(*graph, make_samples(*graph, 4, -1, 1), diag, after)) << diag.text();
    EXPECT_EQ(tables, 1u);
    EXPECT_EQ(others, 0u);
}

} // namespace
} // namespace acc::accc
