// SPDX-License-Identifier: MIT
//
// The crossbar around its products: options, units, costs, refusals, hostile images.
#include "emulator/crossbar/costs.h"
#include "harness.h"
#include "hostile.h"

#include <drm/acc_drm.h>

#include <cmath>

namespace acc::emu::test
{
namespace
{

using crossbar::ArrayUse;

// Everything of a matrix but its name, sides and weights.
program::MatrixSpec shape(uint16_t weight_bits, uint16_t input_bits, uint16_t output_bytes,
                          bool input_signed = true)
{
    program::MatrixSpec spec;
    spec.weight_bits = weight_bits;
    spec.input_bits = input_bits;
    spec.output_bytes = output_bytes;
    spec.input_signed = input_signed;
    return spec;
}

// One matrix of ones on an engine of its own.
class Crossbar
{
public:
    Crossbar(uint32_t rows, uint32_t cols, std::string_view text = "",
             const program::MatrixSpec &spec_of = {})
        : engine_(make(create_crossbar_engine, text)), weights_(size_t{rows} * cols, 1)
    {
        program::MatrixSpec spec = spec_of;
        spec.name = "matrix";
        spec.rows = rows;
        spec.cols = cols;
        spec.weights = weights_;
        std::string why;
        const auto image = program::crossbar_program({&spec, 1}, &why);
        EXPECT_TRUE(image) << why;
        auto parsed = engine_->parse(*image, why);
        EXPECT_TRUE(parsed) << why;
        if (parsed) program_ = std::move(*parsed);
        args.input = memory.store(std::vector<int16_t>(rows * 40, 1));
        args.output = memory.allocate(uint64_t{cols} * 8 * 40);
        args.vectors = 1;
        args.input_stride = rows;
        args.output_stride = cols;
    }

    Outcome run(const acc_mvm_args &with, const std::atomic<bool> *stop = nullptr)
    {
        return test::run(*engine_, *program_, 0, with, memory, stop);
    }
    Engine &engine() { return *engine_; }
    const EngineProgram &program() { return *program_; }
    const Unit &unit() { return program_->units[0]; }

    PageMemory memory;
    acc_mvm_args args = {};

private:
    std::unique_ptr<Engine> engine_;
    std::vector<int16_t> weights_;
    std::unique_ptr<EngineProgram> program_;
};

} // namespace

TEST(CrossbarEngine, SaysWhatItIs)
{
    const auto engine =
        make(create_crossbar_engine, "rows=1024,cols=1024,cell_bits=8,adc_bits=16,dac_bits=1,sign="
                                     "differential,arrays=16777216,slots=64,"
                                     "seed=18446744073709551615");
    const EngineInfo info = engine->info();
    EXPECT_EQ(info.engine, uint32_t{DRM_ACC_ENGINE_CROSSBAR});
    EXPECT_TRUE(info.modelled);
    EXPECT_LE(info.config.size(), 95u) << info.config;
    EXPECT_NE(info.config.find("adc_bits=16"), std::string::npos) << info.config;
    ASSERT_EQ(engine->slots().size(), 64u);
    EXPECT_EQ(engine->slots()[63].capacity, 16777216u);
    EXPECT_EQ(make(create_crossbar_engine)->slots().size(), 4u);
    EXPECT_EQ(make(create_crossbar_engine)->slots()[0].capacity, 4096u);
}

TEST(CrossbarEngine, RefusesOptionsByName)
{
    const auto says = [](std::string_view text, const char *what) {
        const std::string why = refusal(create_crossbar_engine, text);
        EXPECT_NE(why.find(what), std::string::npos) << why;
    };
    says("adcbits=4", "adcbits");
    says("adcbits=4", "adc_bits"); // those there are
    says("rows=0", "rows");
    says("rows=1025", "1024");
    says("cols=none", "'none'");
    says("cell_bits=9", "cell_bits");
    says("adc_bits=17", "adc_bits");
    says("dac_bits=17", "dac_bits");
    says("g_off=10", "expected g_off below g_on, 10");
    says("p_stuck_on=0.6,p_stuck_off=0.5", "p_stuck_off of at most 1; found 1.1");
    says("prog_model=rram_milo", "g_off and g_on from 50 to 225 uS; found 0 and 10");
    says("threads=257", "threads: expected a number from 0 to 256; found '257'");
    says("age=-1", "age: expected a number from 0");
    says("compensate=2", "compensate");
    says("sign=odd", "'odd'");
    says("arrays=0", "arrays");
    says("slots=65", "slots");
}

TEST(CrossbarCosts, PumaPoint)
{
    const ArrayUse puma = {.rows = 128, .cols = 128, .arrays = 8, .input_bits = 16, .adc_bits = 8};
    EXPECT_DOUBLE_EQ(crossbar::mvm_ns(puma), 2304);
    EXPECT_NEAR(crossbar::mvm_pj(puma), 43.98e3, 10);
    EXPECT_DOUBLE_EQ(crossbar::reduce_ns(2, 128), 128); // one vector operation
}

TEST(CrossbarCosts, MonotonicInEveryField)
{
    const ArrayUse start = {.rows = 1, .cols = 1, .arrays = 1, .input_bits = 1, .adc_bits = 1};
    for (const auto field : {&ArrayUse::rows, &ArrayUse::cols, &ArrayUse::arrays,
                             &ArrayUse::input_bits, &ArrayUse::adc_bits}) {
        for (const uint32_t others : {1u, 7u, 16u}) {
            ArrayUse use = start;
            for (const auto other : {&ArrayUse::rows, &ArrayUse::cols, &ArrayUse::arrays,
                                     &ArrayUse::input_bits, &ArrayUse::adc_bits})
                use.*other = others;
            use.*field = 1;
            double ns = 0, pj = 0;
            for (; use.*field <= 1024; use.*field += 1) {
                ASSERT_GE(crossbar::mvm_ns(use), ns);
                ASSERT_GT(crossbar::mvm_pj(use), pj);
                ns = crossbar::mvm_ns(use);
                pj = crossbar::mvm_pj(use);
            }
        }
    }
    for (uint32_t blocks = 1; blocks < 100; blocks++) {
        EXPECT_LE(crossbar::reduce_ns(blocks, 64), crossbar::reduce_ns(blocks + 1, 64));
        EXPECT_LT(crossbar::reduce_pj(blocks, 64), crossbar::reduce_pj(blocks + 1, 64));
        EXPECT_LT(crossbar::program_ns(blocks), crossbar::program_ns(blocks + 1));
        EXPECT_LT(crossbar::program_pj(blocks, 9), crossbar::program_pj(blocks + 1, 9));
        EXPECT_LT(crossbar::program_pj(9, blocks), crossbar::program_pj(9, blocks + 1));
    }
}

TEST(CrossbarCosts, DispatchesAddUp)
{
    const auto sixteen = shape(16, 16, 8);
    Crossbar puma(128, 128, "adc_bits=8", sixteen);
    const Outcome one = puma.run(puma.args);
    ASSERT_EQ(one.status, ACC_STATUS_OK) << one.dispatch.text;
    EXPECT_EQ(one.dispatch.modelled_ns, 2304u);
    // A differential pair is two arrays with an ADC each: twice PUMA's 43.98 nJ.
    EXPECT_NEAR(static_cast<double>(one.dispatch.energy_pj), 2 * 43.98e3, 20);
    EXPECT_EQ(one.dispatch.mvms, 16u);
    acc_mvm_args args = puma.args;
    args.vectors = 40;
    const Outcome forty = puma.run(args);
    EXPECT_EQ(forty.dispatch.modelled_ns, 40 * 2304u);
    EXPECT_NEAR(static_cast<double>(forty.dispatch.energy_pj),
                40.0 * static_cast<double>(one.dispatch.energy_pj), 40);
    EXPECT_EQ(forty.dispatch.mvms, 40 * 16u);

    // Arrays side by side take the time of one; partial sums take a vector operation more.
    Crossbar wide(128, 512, "", sixteen), tall(256, 128, "", sixteen);
    EXPECT_EQ(wide.run(wide.args).dispatch.modelled_ns, 2304u);
    EXPECT_EQ(tall.run(tall.args).dispatch.modelled_ns, 2304u + 128u);
    // An ideal ADC is priced as an exact one.
    Crossbar ideal(128, 128, "adc_bits=0"), exact(128, 128, "adc_bits=9");
    EXPECT_EQ(ideal.run(ideal.args).dispatch.energy_pj, exact.run(exact.args).dispatch.energy_pj);
}

TEST(CrossbarEngine, UnitsCountArraysAndProgramming)
{
    Crossbar small(128, 128), big(129, 257);
    EXPECT_EQ(small.unit().capacity, 8u);         // 4 slices of 2 bits, 2 polarities
    EXPECT_EQ(big.unit().capacity, 2u * 3u * 8u); // 2 row blocks, 3 column blocks
    // One array after the other, 10.97 us each.
    EXPECT_NEAR(static_cast<double>(small.unit().load_ns), 8 * 351e3 / 32, 1);
    EXPECT_NEAR(static_cast<double>(small.unit().load_pj), 8 * 676e3 / 32, 1);
    EXPECT_GT(big.unit().load_ns, small.unit().load_ns);
    EXPECT_EQ(small.engine().load(3, small.program(), 0), 0);
    small.engine().unload(3);
    EXPECT_EQ(small.engine().load(4, small.program(), 0), -EINVAL);
    EXPECT_EQ(small.engine().load(0, small.program(), 1), -EINVAL);
}

TEST(CrossbarEngine, RefusesWhatDoesNotFit)
{
    const auto says = [](std::string_view text, uint32_t rows, uint32_t cols, int16_t weight,
                         program::MatrixSpec spec, int error, const char *what) {
        const auto engine = make(create_crossbar_engine, text);
        const std::vector<int16_t> weights(size_t{rows} * cols, weight);
        spec.name = "big";
        spec.rows = rows;
        spec.cols = cols;
        spec.weights = weights;
        std::string why;
        const auto image = program::crossbar_program({&spec, 1}, &why);
        ASSERT_TRUE(image) << why;
        const auto program = engine->parse(*image, why);
        EXPECT_EQ(program.error(), error) << why;
        EXPECT_NE(why.find(what), std::string::npos) << why;
    };
    says("arrays=7", 128, 128, 1, {}, -ENOSPC, "found 8");
    says("arrays=8", 128, 128, 1, {}, 0, "");
    // 2^15 * 2^15 twice is 2^31: one more than an int32 holds, and 33 bits with a sign.
    const auto sixteen = shape(16, 16, 4);
    says("", 2, 1, -32768, sixteen, -EINVAL, "33 bits");
    says("", 2, 1, -32767, sixteen, 0, "");
    const auto unsigned_inputs = shape(16, 16, 4, false);
    says("", 2, 1, -32768, unsigned_inputs, -EINVAL, "33 bits");
    says("", 1, 1, -32768, unsigned_inputs, 0, "");
    says("", 1000, 1, 32767, sixteen, -EINVAL, "output_bytes 8");
}

TEST(CrossbarEngine, RefusesArguments)
{
    Crossbar crossbar(10, 6);
    crossbar.args.vectors = 3;
    const auto spoil = [&](const char *expected, auto spoiler) {
        acc_mvm_args bad = crossbar.args;
        spoiler(bad);
        const Outcome outcome = crossbar.run(bad);
        EXPECT_EQ(outcome.status, ACC_STATUS_INVALID_KERNARG) << expected;
        EXPECT_NE(outcome.dispatch.text.find(expected), std::string::npos) << outcome.dispatch.text;
        EXPECT_EQ(crossbar.run(crossbar.args).status, ACC_STATUS_OK);
    };
    using Args = acc_mvm_args;
    spoil("an address of input; found 0", [](Args &a) { a.input = 0; });
    spoil("an address of output; found 0", [](Args &a) { a.output = 0; });
    spoil("output aligned to 4", [](Args &a) { a.output += 2; });
    spoil("at least 1 vector", [](Args &a) { a.vectors = 0; });
    spoil("input_stride of at least 10", [](Args &a) { a.input_stride = 9; });
    spoil("output_stride of at least 6", [](Args &a) { a.output_stride = 5; });
    spoil("input inside 64-bit", [](Args &a) { a.vectors = ~0ull; });
    spoil("input inside 64-bit", [](Args &a) { a.input_stride = ~0ull; });
    spoil("input inside 64-bit", [](Args &a) { a.input = ~0ull; });
    spoil("output inside 64-bit", [](Args &a) { a.output_stride = 1ull << 62; });
    for (int i = 0; i < 2; i++)
        spoil("reserved", [=](Args &a) { a.reserved[i] = 1; });
    spoil("operation from 0 to 4; found 5", [](Args &a) { a.operation = 5; });
    spoil("no output vectors for operation 1", [](Args &a) { a.operation = 1; });
    spoil("no input for operation 2", [](Args &a) { a.operation = 2; });
    spoil("no input for operation 3", [](Args &a) { a.operation = 3; });
    spoil("no input for operation 4", [](Args &a) { a.operation = 4; });
    spoil("an address of output", [](Args &a) {
        a = {};
        a.operation = 3;
    });
    spoil("output aligned to 8", [](Args &a) {
        const auto output = a.output;
        a = {};
        a.operation = 3;
        a.output = (output & ~7ull) + 4;
    });

    const auto wide = shape(8, 9, 8);
    Crossbar sixteen(10, 6, "", wide);
    for (const uint64_t skew : {1, 2, 4}) {
        acc_mvm_args bad = sixteen.args;
        bad.output += skew;
        EXPECT_EQ(sixteen.run(bad).status, ACC_STATUS_INVALID_KERNARG);
    }
    acc_mvm_args bad = sixteen.args;
    bad.input += 1;
    EXPECT_EQ(sixteen.run(bad).status, ACC_STATUS_INVALID_KERNARG);

    Dispatch dispatch;
    dispatch.memory = &crossbar.memory;
    dispatch.kernargs = std::as_bytes(std::span(&crossbar.args, 1));
    dispatch.kernel = 1;
    EXPECT_EQ(crossbar.engine().execute(crossbar.program(), dispatch), ACC_STATUS_INVALID_KERNEL);
    dispatch.kernel = 0;
    dispatch.grid[2] = 2;
    EXPECT_EQ(crossbar.engine().execute(crossbar.program(), dispatch),
              ACC_STATUS_INVALID_DIMENSIONS);
    dispatch.grid[2] = 1;
    dispatch.kernargs = dispatch.kernargs.first(63);
    EXPECT_EQ(crossbar.engine().execute(crossbar.program(), dispatch), ACC_STATUS_INVALID_KERNARG);
}

TEST(CrossbarEngine, FaultsNameTheAddress)
{
    Crossbar crossbar(10, 6);
    crossbar.args.vectors = 30;
    acc_mvm_args bad = crossbar.args;
    bad.input = 0x1230;
    Outcome outcome = crossbar.run(bad);
    EXPECT_EQ(outcome.status, ACC_STATUS_INVALID_ADDRESS);
    EXPECT_NE(outcome.dispatch.text.find("0x1230"), std::string::npos) << outcome.dispatch.text;
    EXPECT_EQ(crossbar.memory.fault_address(), 0x1230u);

    bad = crossbar.args;
    bad.output = crossbar.memory.allocate(8192, 0, false); // not to be written
    EXPECT_EQ(crossbar.run(bad).status, ACC_STATUS_INVALID_ADDRESS);
    EXPECT_EQ(crossbar.memory.fault_address(), bad.output);

    bad = crossbar.args;
    bad.output = crossbar.memory.allocate(4096); // ends in the middle of a vector
    bad.output += 4096 - 100;
    EXPECT_EQ(crossbar.run(bad).status, ACC_STATUS_INVALID_ADDRESS);
    EXPECT_EQ(crossbar.memory.fault_address(), bad.output + 100);
    EXPECT_EQ(crossbar.run(crossbar.args).status, ACC_STATUS_OK);
}

TEST(CrossbarEngine, StopsWhenTold)
{
    const std::atomic<bool> stop = true;
    Crossbar fast(1024, 1024);
    fast.args.vectors = 20;
    EXPECT_EQ(fast.run(fast.args, &stop).status, ACC_STATUS_TIMEOUT);
    const auto wide = shape(8, 16, 8);
    Crossbar clipping(128, 512, "adc_bits=1", wide);
    clipping.args.vectors = 20;
    EXPECT_EQ(clipping.run(clipping.args, &stop).status, ACC_STATUS_TIMEOUT);
    // The deadline does the same.
    Dispatch dispatch;
    dispatch.memory = &fast.memory;
    dispatch.kernargs = std::as_bytes(std::span(&fast.args, 1));
    dispatch.deadline_ns = 1;
    EXPECT_EQ(fast.engine().execute(fast.program(), dispatch), ACC_STATUS_TIMEOUT);
}

TEST(CrossbarEngine, SharesOnlyWhatTheContainerLets)
{
    // samples.h writes no hash: such units are never one.
    Crossbar crossbar(4, 4);
    const uint8_t zero[16] = {};
    EXPECT_EQ(std::memcmp(crossbar.unit().hash, zero, 16), 0);

    const auto hash_of = [](uint8_t declared, int16_t weight) {
        program::ProgramWriter writer;
        const std::vector<int16_t> weights(16, weight);
        const program::MatrixSpec spec{.name = "m", .rows = 4, .cols = 4, .weights = weights};
        std::string why;
        auto file = program::crossbar_program({&spec, 1}, &why);
        // The unit's hash lies in its table, behind target, class, capacity and bytes.
        const char name[] = "matrices";
        auto at = std::search(file->begin(), file->end(), std::as_bytes(std::span(name)).begin(),
                              std::as_bytes(std::span(name)).end());
        *(at - 16) = std::byte{declared};
        const auto engine = make(create_crossbar_engine);
        const auto program = engine->parse(*file, why);
        EXPECT_TRUE(program) << why;
        const uint8_t *hash = (*program)->units[0].hash;
        return std::vector<uint8_t>(hash, hash + 16);
    };
    // What counts is the contents, not what a client claims.
    EXPECT_EQ(hash_of(1, 5), hash_of(2, 5));
    EXPECT_NE(hash_of(1, 5), hash_of(1, 6));
}

TEST(CrossbarEngine, HostileImages)
{
    std::vector<int16_t> weights(6 * 5);
    for (size_t i = 0; i < weights.size(); i++)
        weights[i] = static_cast<int16_t>(i * 7 % 255 - 127);
    const program::MatrixSpec specs[] = {
        {.name = "a", .rows = 6, .cols = 5, .weights = weights},
        {.name = "b", .rows = 5, .cols = 6, .weights = weights, .weight_bits = 9, .input_bits = 12},
    };
    const auto engine = make(create_crossbar_engine, "adc_bits=3");
    hostile(*engine, *program::crossbar_program(specs));
    std::string why;
    const std::vector<std::string_view> roles = {ACC_ROLE_GEMM_I8};
    EXPECT_EQ(engine->parse(*program::fpga_program(roles), why).error(), -EINVAL);
    EXPECT_NE(why.find("crossbar"), std::string::npos) << why;
}

} // namespace acc::emu::test
