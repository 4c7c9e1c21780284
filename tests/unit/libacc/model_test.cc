// SPDX-License-Identifier: MIT
//
// Recorded models over two engines: out = in + constants, by a copy on the null engine, an
// addition on the FPGA, and a copy back.
#include "fixture.h"

#include "program/samples.h"

#include <atomic>
#include <cstring>
#include <random>
#include <thread>

namespace acc::test
{
namespace
{

constexpr uint32_t width = 16;
constexpr uint64_t bytes = width * sizeof(float);

acc_model_tensor tensor(const char *name, uint64_t offset)
{
    acc_model_tensor t = {};
    std::strncpy(t.name, name, sizeof t.name - 1);
    t.dtype = ACC_DTYPE_F32;
    t.rank = 2;
    t.dims[0] = 1;
    t.dims[1] = width;
    t.offset = offset;
    t.bytes = bytes;
    t.scale = 1;
    return t;
}

// Builds plans a step at a time.
struct PlanMaker {
    program::ModelTables tables;

    template <typename Args>
    uint32_t step(const char *name, uint32_t target, uint32_t kernel, const Args &args,
                  std::vector<acc_model_reloc> relocs, std::vector<uint32_t> deps)
    {
        acc_model_step s = {};
        std::strncpy(s.name, name, sizeof s.name - 1);
        s.target = target;
        s.kernel = kernel;
        if constexpr (!std::is_empty_v<Args>) s.kernarg_bytes = sizeof args;
        s.kernarg_offset = uint32_t(tables.kernargs.size());
        s.first_reloc = uint32_t(tables.relocs.size());
        s.relocs = uint32_t(relocs.size());
        s.first_dep = uint32_t(tables.deps.size());
        s.deps = uint32_t(deps.size());
        const auto *raw = reinterpret_cast<const std::byte *>(&args);
        tables.kernargs.insert(tables.kernargs.end(), raw, raw + s.kernarg_bytes);
        tables.kernargs.resize((tables.kernargs.size() + 15) / 16 * 16);
        tables.relocs.insert(tables.relocs.end(), relocs.begin(), relocs.end());
        tables.deps.insert(tables.deps.end(), deps.begin(), deps.end());
        tables.steps.push_back(s);
        return uint32_t(tables.steps.size() - 1);
    }
};

enum : uint32_t { null_copy, null_fail, null_noop };

acc_model_reloc at_tensor(uint32_t field, uint32_t index)
{
    return {ACC_RELOC_TENSOR, field, index, 0, 0};
}

uint32_t copy_step(PlanMaker &plan, const char *name, uint32_t from, uint32_t to,
                   std::vector<uint32_t> deps)
{
    return plan.step(name, ACC_TARGET_NULL, null_copy, acc_null_args{0, 0, bytes, 0},
                     {at_tensor(0, from), at_tensor(8, to), {ACC_RELOC_BATCH64, 16, 0, 0, 0}},
                     std::move(deps));
}

uint32_t add_step(PlanMaker &plan, const char *name, uint32_t from, uint32_t to,
                  std::vector<uint32_t> deps)
{
    acc_elementwise_f32_args args = {};
    args.count = width;
    args.b_count = width;
    return plan.step(name, ACC_TARGET_FPGA, 0, args,
                     {at_tensor(offsetof(acc_elementwise_f32_args, a), from),
                      {ACC_RELOC_CONST, offsetof(acc_elementwise_f32_args, b), 0, 0, 64},
                      at_tensor(offsetof(acc_elementwise_f32_args, dst), to),
                      {ACC_RELOC_BATCH64, offsetof(acc_elementwise_f32_args, count), 0, 0, 0}},
                     std::move(deps));
}

struct Nothing {
};

// `pairs` times to the FPGA and back; with `broken`, a step that fails before the last.
std::vector<std::byte> model_image(unsigned pairs = 1, bool broken = false)
{
    PlanMaker plan;
    plan.tables.inputs = plan.tables.outputs = 1;
    plan.tables.tensors = {tensor("in", 0), tensor("out", 64), tensor("middle", 128),
                           tensor("sum", 192)};
    plan.tables.workspace_bytes = 256;
    uint32_t last = copy_step(plan, "first", 0, 2, {});
    for (unsigned i = 0; i < pairs; i++) {
        last = add_step(plan, "add", 2, 3, {last});
        if (broken && i + 1 == pairs)
            plan.step("broken", ACC_TARGET_NULL, null_fail, Nothing(), {}, {last});
        last = copy_step(plan, "back", 3, i + 1 == pairs ? 1 : 2, {last});
    }
    program::ProgramWriter writer;
    writer.set_id("model");
    const std::string_view ops[] = {ACC_NULL_COPY, ACC_NULL_FAIL, ACC_NULL_NOOP};
    const std::string_view roles[] = {ACC_ROLE_ADD_F32};
    std::string why;
    EXPECT_EQ(program::add_null(writer, ops), 0);
    EXPECT_EQ(program::add_fpga(writer, roles, &why), 0) << why;
    std::vector<std::byte> consts(64 + bytes);
    for (uint32_t i = 0; i < width; i++) {
        const float value = float(i) / 2;
        std::memcpy(&consts[64 + i * sizeof value], &value, sizeof value);
    }
    writer.set_consts(std::move(consts));
    writer.set_model(std::move(plan.tables));
    auto image = writer.finish(&why);
    EXPECT_TRUE(image) << why;
    return image ? std::move(*image) : std::vector<std::byte>();
}

class ModelTest : public LeakTest
{
protected:
    void SetUp() override
    {
        LeakTest::SetUp();
        null_ = take(Device::open("inproc:null"));
        fpga_ = take(Device::open("inproc:fpga"));
        devices_ = {null_.get(), fpga_.get()};
    }
    void TearDown() override
    {
        check(null_.close());
        check(fpga_.close());
        LeakTest::TearDown();
    }
    static void run(Model &model, size_t samples, unsigned pairs, float base)
    {
        std::vector<float> in(samples * width), out(samples * width, -1);
        for (size_t i = 0; i < in.size(); i++)
            in[i] = base + float(i);
        const void *inputs[] = {in.data()};
        void *outputs[] = {out.data()};
        check(model.run(inputs, outputs, samples));
        for (size_t i = 0; i < out.size(); i++)
            ASSERT_EQ(out[i], in[i] + float(pairs) * float(i % width) / 2) << i;
    }

    Device null_, fpga_;
    std::vector<acc_device *> devices_;
};

TEST_F(ModelTest, RunsOverTwoEngines)
{
    Model model = take(Model::load(devices_, model_image()));
    const auto inputs = model.inputs(), outputs = model.outputs();
    ASSERT_EQ(inputs.size(), 1u);
    ASSERT_EQ(outputs.size(), 1u);
    EXPECT_STREQ(inputs[0].name, "in");
    EXPECT_EQ(inputs[0].dtype, uint32_t(ACC_DTYPE_F32));
    EXPECT_EQ(inputs[0].rank, 2u);
    EXPECT_EQ(inputs[0].dims[1], width);
    EXPECT_EQ(outputs[0].sample_bytes, bytes);
    run(model, 1, 1, 0);
    run(model, 7, 1, 100);
    run(model, 0, 1, 0);
    const auto stats = take(model.stats());
    EXPECT_EQ(stats.samples, 8u);
    EXPECT_EQ(stats.submissions, 8u);
    EXPECT_GT(stats.wall_ns, 0u);
    EXPECT_REFUSED(acc_device_close(fpga_.get()), -EBUSY, "to be alive");
}

TEST_F(ModelTest, BatchesAreWholeAndTheLastIsCut)
{
    Model model = take(Model::load(devices_, model_image(2), 8));
    run(model, 8, 2, 1);
    run(model, 21, 2, 2);
    run(model, 3, 2, 3);
    const auto stats = take(model.stats());
    EXPECT_EQ(stats.samples, 32u);
    EXPECT_EQ(stats.submissions, 5u);
}

TEST_F(ModelTest, LongOnesGetRingsThatHoldThem)
{
    Model model = take(Model::load(devices_, model_image(150)));
    for (int i = 0; i < 5; i++)
        run(model, 2, 150, float(i));
}

TEST_F(ModelTest, RunsTakeTurns)
{
    Model model = take(Model::load(devices_, model_image(3), 4));
    std::vector<std::thread> threads;
    for (int t = 0; t < 4; t++)
        threads.emplace_back([&, t] {
            for (int i = 0; i < 10; i++)
                run(model, 5, 3, float(t * 1000 + i));
        });
    for (std::thread &thread : threads)
        thread.join();
    EXPECT_EQ(take(model.stats()).samples, 200u);
}

TEST_F(ModelTest, AFailureNamesTheStepAndTheModelRecovers)
{
    Model model = take(Model::load(devices_, model_image(2, true)));
    float in[width] = {}, out[width] = {};
    const void *inputs[] = {in};
    void *outputs[] = {out};
    for (int i = 0; i < 3; i++) { // each time from the start, not from what was left
        EXPECT_EQ(acc_model_run(model.get(), inputs, outputs, 1), -EIO);
        const std::string text = acc_error_text();
        for (const char *part :
             {"step 4 'broken'", "inproc:null", "packet 4", "kernel fail", "ENGINE_ERROR"})
            EXPECT_NE(text.find(part), std::string::npos) << text;
    }
    EXPECT_EQ(take(model.stats()).samples, 0u);
    // Another model on the same devices is well.
    Model other = take(Model::load(devices_, model_image()));
    run(other, 3, 1, 0);
}

TEST_F(ModelTest, ADeviceResetEndsARun)
{
    Model model = take(Model::load(devices_, model_image()));
    run(model, 1, 1, 0);
    check(fpga_.reset());
    float in[width] = {}, out[width] = {};
    const void *inputs[] = {in};
    void *outputs[] = {out};
    EXPECT_REFUSED(acc_model_run(model.get(), inputs, outputs, 1), -EIO, "reset");
    EXPECT_REFUSED(acc_model_run(model.get(), inputs, outputs, 1), -EIO, "reset");
}

TEST_F(ModelTest, RefusesWhatItCannotRun)
{
    const auto image = model_image();
    acc_model *model = nullptr;
    acc_device *const only_null[] = {null_.get()};
    EXPECT_REFUSED(acc_model_load(only_null, 1, image.data(), image.size(), nullptr, &model),
                   -ENODEV, "engine fpga");
    auto options = acc_init<acc_model_options>();
    options.batch = UINT32_MAX;
    EXPECT_EQ(acc_model_load(devices_.data(), 2, image.data(), image.size(), &options, &model),
              -E2BIG);
    const auto kernels = null_image();
    EXPECT_REFUSED(
        acc_model_load(devices_.data(), 2, kernels.data(), kernels.size(), nullptr, &model),
        -EINVAL, "expected a program with a model");
    EXPECT_REFUSED(acc_model_load(devices_.data(), 2, "junk", 4, nullptr, &model), -EINVAL,
                   "malformed program");
    EXPECT_REFUSED(acc_model_load_file(devices_.data(), 2, "/nowhere.accx", nullptr, &model),
                   -ENOENT, "/nowhere.accx");
    EXPECT_EQ(model, nullptr);

    Model good = take(Model::load(devices_, image));
    void *outputs[] = {nullptr};
    const void *inputs[] = {nullptr};
    EXPECT_REFUSED(acc_model_run(good.get(), inputs, outputs, 1), -EINVAL, "found NULL");
    auto info = acc_init<acc_tensor_info>();
    EXPECT_REFUSED(acc_model_input(good.get(), 1, &info), -ENOENT, "expected an input below 1");
}

// Whatever bytes are turned over: a refusal, or a model that can be ended.
TEST_F(ModelTest, CorruptedImagesAreRefusedOrHarmless)
{
    const auto image = model_image(2);
    std::mt19937 random(20261121);
    for (int i = 0; i < 300; i++) {
        auto bad = image;
        for (unsigned flips = 1 + random() % 3; flips; flips--)
            bad[random() % bad.size()] = std::byte(random());
        if (i % 10 == 0) bad.resize(random() % bad.size());
        acc_model *model = nullptr;
        const int code =
            acc_model_load(devices_.data(), 2, bad.data(), bad.size(), nullptr, &model);
        if (code == 0)
            EXPECT_ACC(acc_model_unload(model));
        else
            EXPECT_EQ(model, nullptr) << code;
    }
}

} // namespace
} // namespace acc::test
