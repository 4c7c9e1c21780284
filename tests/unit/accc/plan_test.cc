// SPDX-License-Identifier: MIT
//
// The plan: memory that is shared without harm, dependencies that are enough, fixed point.
#include "onnx_builder.h"
#include "run_plan.h"

#include "program/images.h"
#include "tools/accc/emit/emit.h"
#include "tools/accc/quantize/calibrate.h"
#include "tools/accc/quantize/lower.h"
#include "tools/accc/reference/roles.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

namespace acc::accc
{
namespace
{

// A residual network with branches of unequal length, so that memory is reused across engines.
OnnxBuilder branches(uint32_t seed)
{
    OnnxBuilder b(13, seed);
    b.input("x", {-1, 3, 8, 8});
    std::string from = "x";
    for (int i = 0; i < 4; i++) {
        const std::string n = std::to_string(i);
        const int64_t in = i ? 6 : 3;
        b.random("w" + n, {6, in, 3, 3}).random("s" + n, {6, in, 1, 1});
        b.add("Conv", {from, "w" + n}, "a" + n).attr("pads", {1, 1, 1, 1});
        b.add("Conv", {from, "s" + n}, "b" + n);
        b.add("Relu", {"a" + n}, "r" + n).add("Add", {"r" + n, "b" + n}, "c" + n);
        from = "c" + n;
    }
    b.random("f", {6 * 64, 5})
        .add("Flatten", {from}, "flat")
        .add("MatMul", {"flat", "f"}, "y")
        .output("y");
    return b;
}

struct Built {
    std::vector<std::byte> file;
    Samples samples;
};

Built build(const OnnxBuilder &b)
{
    Diagnostics diag;
    const auto graph = b.import(diag);
    EXPECT_TRUE(graph) << diag.text();
    Built built;
    built.samples = make_samples(*graph, 3, -1, 1);
    auto compiled = compile(*graph, built.samples, diag);
    EXPECT_TRUE(compiled) << diag.text();
    if (compiled) built.file = std::move(compiled->file);
    return built;
}

// The same program with its steps in another order and without dependencies.
std::vector<std::byte> reordered(const program::ProgramFile &file,
                                 const std::vector<uint32_t> &order)
{
    const program::ModelView m = file.model();
    program::ModelTables t;
    t.inputs = m.header.inputs;
    t.outputs = m.header.outputs;
    t.workspace_bytes = m.header.workspace_bytes;
    t.tensors.assign(m.tensors.begin(), m.tensors.end());
    t.kernargs.assign(m.kernargs.begin(), m.kernargs.end());
    for (const uint32_t i : order) {
        acc_model_step step = m.steps[i];
        const auto relocs = m.relocs_of(step);
        step.first_reloc = static_cast<uint32_t>(t.relocs.size());
        step.first_dep = step.deps = 0;
        t.relocs.insert(t.relocs.end(), relocs.begin(), relocs.end());
        t.steps.push_back(step);
    }
    program::ProgramWriter writer;
    for (uint32_t target = 0; target < ACC_TARGET_COUNT; target++) {
        for (const acc_unit_desc &u : file.units(target))
            writer.add_unit(u);
        for (const acc_kernel_desc &k : file.kernels(target))
            writer.add_kernel(k);
        const auto image = file.image(target);
        writer.set_image(target, {image.begin(), image.end()});
    }
    writer.set_consts({file.consts().begin(), file.consts().end()});
    writer.set_model(std::move(t));
    std::string why;
    auto bytes = writer.finish(&why);
    EXPECT_TRUE(bytes) << why;
    return bytes ? std::move(*bytes) : std::vector<std::byte>{};
}

// An order that the dependencies allow: `hasty` runs as far ahead as it may.
std::vector<uint32_t> hasty_order(const program::ModelView &m, uint32_t hasty, std::mt19937 *random)
{
    std::vector<uint32_t> order;
    std::vector<bool> done(m.steps.size());
    std::vector<uint32_t> next(ACC_TARGET_COUNT, 0);
    const auto advance = [&](uint32_t target) {
        uint32_t &i = next[target];
        while (i < m.steps.size() && m.steps[i].target != target)
            i++;
        if (i == m.steps.size()) return false;
        for (const uint32_t dep : m.deps_of(m.steps[i]))
            if (!done[dep]) return false;
        done[i] = true;
        order.push_back(i++);
        return true;
    };
    const uint32_t targets[] = {ACC_TARGET_CROSSBAR, ACC_TARGET_FPGA};
    while (order.size() < m.steps.size()) {
        const uint32_t first = random ? targets[(*random)() % 2] : hasty;
        const uint32_t second = targets[0] + targets[1] - first;
        if (!advance(first) && !advance(second)) {
            ADD_FAILURE() << "the dependencies deadlock after " << order.size() << " steps";
            return order;
        }
    }
    return order;
}

TEST(Plan, DependenciesAreEnoughForAnyTiming)
{
    for (uint32_t seed = 1; seed <= 5; seed++) {
        const Built built = build(branches(seed));
        std::string why;
        const auto file = program::ProgramFile::parse(built.file, &why);
        ASSERT_TRUE(file) << why;
        const auto wanted = run_plan(built.file, built.samples, 0, 3);
        EXPECT_GT(file->model().deps.size(), 0u);
        for (const uint32_t hasty : {ACC_TARGET_CROSSBAR, ACC_TARGET_FPGA}) {
            const auto order = hasty_order(file->model(), hasty, nullptr);
            EXPECT_EQ(run_plan(reordered(*file, order), built.samples, 0, 3), wanted)
                << "seed " << seed << ", target " << hasty << " hasty";
        }
        std::mt19937 random(seed);
        for (int i = 0; i < 20; i++) {
            const auto order = hasty_order(file->model(), 0, &random);
            EXPECT_EQ(run_plan(reordered(*file, order), built.samples, 0, 3), wanted)
                << "seed " << seed << ", order " << i;
        }
    }
}

TEST(Plan, SharesMemory)
{
    Diagnostics diag;
    const auto graph = branches(1).import(diag);
    ASSERT_TRUE(graph) << diag.text();
    const auto compiled = compile(*graph, random_samples(*graph, 2), diag);
    ASSERT_TRUE(compiled) << diag.text();
    EXPECT_LT(compiled->report.workspace_bytes, compiled->report.unshared_bytes / 2);
}

TEST(Plan, ValuesInUseTogetherNeverOverlap)
{
    Diagnostics diag;
    auto graph = branches(2).import(diag);
    ASSERT_TRUE(graph) << diag.text();
    const Samples samples = random_samples(*graph, 2);
    ASSERT_TRUE(run_passes(*graph, diag, {})) << diag.text();
    ASSERT_TRUE(lower(*graph, calibrate(*graph, samples), diag)) << diag.text();
    const MemoryPlan plan = plan_memory(*graph);
    // An owner for each byte: what an operation reads must be what its maker wrote.
    std::vector<ValueId> owner(plan.workspace, ~0u);
    const auto write = [&](ValueId id) {
        const ValueId root = plan.root[id];
        std::fill_n(owner.begin() + static_cast<std::ptrdiff_t>(plan.offset[root]),
                    plan.bytes[root], root);
    };
    const auto intact = [&](ValueId id) {
        const ValueId root = plan.root[id];
        const auto begin = owner.begin() + static_cast<std::ptrdiff_t>(plan.offset[root]);
        return std::all_of(begin, begin + static_cast<std::ptrdiff_t>(plan.bytes[root]),
                           [&](ValueId o) { return o == root; });
    };
    for (const ValueId id : graph->inputs)
        write(id);
    for (const Op &op : graph->ops) {
        if (op.kind == Kind::Reshape) continue;
        write(op.output);
        for (const ValueId id : op.inputs)
            EXPECT_TRUE(graph->value(id).is_constant() || intact(id)) << graph->value(id).name;
    }
    for (const ValueId id : graph->outputs)
        EXPECT_TRUE(intact(id));
    for (const ValueId id : graph->inputs)
        EXPECT_TRUE(intact(id));
}

TEST(Plan, FixedPointIsNear)
{
    std::mt19937_64 random(3);
    for (int i = 0; i < 2000; i++) {
        const double factor = std::ldexp(1 + static_cast<double>(random() % 100000) / 1e5,
                                         static_cast<int>(random() % 50) - 25);
        Fixed f;
        ASSERT_TRUE(fixed_point(factor, f)) << factor;
        EXPECT_GE(f.shift, 1);
        EXPECT_LE(f.shift, 62);
        EXPECT_NEAR(std::ldexp(f.multiplier, -f.shift), factor, factor * 1e-9);
    }
    Fixed f;
    EXPECT_TRUE(fixed_point(0, f));
    EXPECT_EQ(f.multiplier, 0);
    EXPECT_TRUE(fixed_point(0x1p-70, f));
    EXPECT_EQ(f.multiplier, 0);
    EXPECT_TRUE(fixed_point(std::nextafter(1.0, 0.0), f)); // rounds up to the next power
    EXPECT_NEAR(std::ldexp(f.multiplier, -f.shift), 1, 1e-9);
    EXPECT_FALSE(fixed_point(0x1p30, f));
    EXPECT_FALSE(fixed_point(NAN, f));
    EXPECT_FALSE(fixed_point(-1, f));
}

TEST(Plan, RequantRoundsHalfUp)
{
    EXPECT_EQ(requant(5, 1, 1), 3);
    EXPECT_EQ(requant(-5, 1, 1), -2);
    EXPECT_EQ(requant(7, 3, 2), 5);
    EXPECT_EQ(requant(INT32_MIN, INT32_MAX, 62), -1); // a little above -1
    EXPECT_EQ(requant(INT32_MAX, INT32_MAX, 31), INT32_MAX - 1);
}

TEST(Plan, QuantisedRangesHoldZero)
{
    for (const Range range : {Range{-1, 1}, Range{0, 6}, Range{-3, 0}, Range{2, 5}}) {
        const Quant q = quant_of(range);
        EXPECT_GT(q.scale, 0);
        EXPECT_GE(q.zero_point, -128);
        EXPECT_LE(q.zero_point, 127);
        EXPECT_TRUE(range.lo < 0 || q.zero_point == -128) << q.zero_point;
        const double top = (127 - q.zero_point) * static_cast<double>(q.scale);
        EXPECT_NEAR(top, std::max(range.hi, 0.0f), static_cast<double>(q.scale));
    }
}

TEST(Plan, ARangeOfNothingHasAScale)
{
    const Quant q = quant_of({0, 0});
    EXPECT_NEAR(q.scale, 1.0 / 255, 1e-6);
    EXPECT_EQ(q.zero_point, -128);
}

TEST(Plan, CutsMatricesIntoArrays)
{
    EXPECT_EQ(cut_matrix(128, 128).arrays(), 8u);
    EXPECT_EQ(cut_matrix(129, 128).arrays(), 16u);
    EXPECT_EQ(cut_matrix(512, 300).arrays(), 4u * 3 * 8);
    EXPECT_EQ(cut_matrix(1, 1, 2).arrays(), 2u);
    EXPECT_EQ(cut_matrix(1, 1, 16).arrays(), 16u);
}

} // namespace
} // namespace acc::accc
