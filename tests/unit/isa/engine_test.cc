// SPDX-License-Identifier: MIT
//
// Programs of instructions on the crossbar engine: loaded, refused, resident side by side.
#include "emulator/crossbar/config.h"
#include "program/isa/assembler.h"
#include "program/isa/dense.h"
#include "tests/unit/engines/harness.h"

#include <drm/acc_drm.h>

#include <cstring>

namespace acc::emu::test
{
namespace
{

const char *const kDouble = R"(.program doubling
.matrix 0, 0, 0, 2, 2
    8192, 0
    0, 8192
.kernel main
.input x, 0, 0, 2
.output y, 0, 16, 2
.core 0, 0
    load in0, [0], 2
    mvm 1
    store [16], out0, 2
    hlt
.kernel negate
.input x, 0, 0, 2
.output y, 0, 16, 2
.core 0, 0
    load g0, [0], 2
    sub g0, g8, g0, 2
    store [16], g0, 2
    hlt
)";

arch::Arch tiny()
{
    std::string why;
    return *arch::load("tiny", why);
}

isa::Program assembled(const std::string &text)
{
    std::string why;
    auto program = isa::assemble(text, "t", tiny(), why);
    EXPECT_TRUE(program) << why;
    return program ? *program : isa::Program{};
}

std::vector<std::byte> file_of(std::span<const isa::Program> programs)
{
    std::string why;
    auto file = isa::write_file(programs, &why);
    EXPECT_TRUE(file) << why;
    return file ? *file : std::vector<std::byte>{};
}

struct Args {
    acc_xisa_args head;
    acc_xisa_arg x, y;
};

TEST(IsaEngine, RunsKernelsThatShareWeights)
{
    const auto engine = make(create_crossbar_engine, "arch=tiny");
    const isa::Program program = assembled(kDouble);
    std::string why;
    const auto parsed = engine->parse(file_of({&program, 1}), why);
    ASSERT_TRUE(parsed) << why;
    const EngineProgram &p = **parsed;
    ASSERT_EQ(p.units.size(), 1u);
    ASSERT_EQ(p.kernels.size(), 2u);
    EXPECT_EQ(p.units[0].capacity, 2u * 2 * 16) << "the arrays of a tile";
    EXPECT_GT(p.units[0].load_ns, 0u);
    ASSERT_EQ(engine->load(0, p, 0), 0);
    PageMemory memory;
    const uint64_t x = memory.store(std::vector<int16_t>{100, -200}), y = memory.allocate(4);
    const Args args = {{1, 0}, {x, 2}, {y, 2}};
    const Outcome twice = run(*engine, p, 0, args, memory);
    ASSERT_EQ(twice.status, ACC_STATUS_OK) << twice.dispatch.text;
    EXPECT_EQ(memory.load<int16_t>(y, 2), (std::vector<int16_t>{200, -400}));
    EXPECT_GT(twice.dispatch.modelled_ns, 0u);
    EXPECT_GT(twice.dispatch.energy_pj, 0u);
    ASSERT_EQ(run(*engine, p, 1, args, memory).status, ACC_STATUS_OK);
    EXPECT_EQ(memory.load<int16_t>(y, 2), (std::vector<int16_t>{-100, 200}));
    Args bad = args;
    bad.head.items = 0;
    EXPECT_EQ(run(*engine, p, 0, bad, memory).status, ACC_STATUS_INVALID_KERNARG);
    engine->unload(0);
}

TEST(IsaEngine, ProgramsAreResidentSideBySide)
{
    const auto engine = make(create_crossbar_engine, "arch=tiny");
    const isa::Program a = assembled(kDouble);
    std::string text = kDouble;
    text.replace(text.find("8192, 0"), 7, "4096, 0");
    const isa::Program b = assembled(text);
    std::string why;
    const auto one = engine->parse(file_of({&a, 1}), why),
               two = engine->parse(file_of({&b, 1}), why);
    ASSERT_TRUE(one && two) << why;
    EXPECT_NE(std::memcmp((*one)->units[0].hash, (*two)->units[0].hash, 16), 0);
    ASSERT_EQ(engine->load(0, **one, 0), 0);
    ASSERT_EQ(engine->load(1, **two, 0), 0);
    PageMemory memory;
    const uint64_t x = memory.store(std::vector<int16_t>{100, -200}), y = memory.allocate(4);
    const Args args = {{1, 0}, {x, 2}, {y, 2}};
    const auto on = [&](uint32_t slot, const EngineProgram &program) {
        Dispatch dispatch;
        dispatch.slot = slot;
        dispatch.kernargs = std::as_bytes(std::span(&args, 1));
        dispatch.memory = &memory;
        EXPECT_EQ(engine->execute(program, dispatch), ACC_STATUS_OK) << dispatch.text;
        return memory.load<int16_t>(y, 2);
    };
    for (int k = 0; k < 3; k++) {
        EXPECT_EQ(on(0, **one), (std::vector<int16_t>{200, -400}));
        EXPECT_EQ(on(1, **two), (std::vector<int16_t>{100, -400}));
    }
    // The weights are state that outlives the device, as those of matrices.
    const auto state = engine->save(0, **one, 0);
    ASSERT_TRUE(state);
    const auto unit = engine->restore(1, *state, why);
    ASSERT_TRUE(unit) << why;
    EXPECT_EQ(std::memcmp(unit->cells, (*one)->units[0].cells, 32), 0);
}

TEST(IsaEngine, RefusesProgramsByName)
{
    const auto engine = make(create_crossbar_engine, "arch=tiny");
    std::string why;
    const auto refused = [&](const isa::Program &program) {
        const auto parsed = engine->parse(file_of({&program, 1}), why);
        return parsed ? 0 : parsed.error();
    };
    isa::Program large = assembled(kDouble);
    large.tiles = 7;
    EXPECT_EQ(refused(large), -ENOSPC);
    EXPECT_EQ(why,
              "unit doubling: needs 7 tiles; expected at most 4, those of a slot (8 of 8 tiles "
              "are free, in groups of 4)");
    const isa::Program fits = assembled(kDouble);
    const auto parsed = engine->parse(file_of({&fits, 1}), why);
    ASSERT_TRUE(parsed && engine->load(0, **parsed, 0) == 0) << why;
    EXPECT_EQ(refused(large), -ENOSPC);
    EXPECT_NE(why.find("(4 of 8 tiles are free"), std::string::npos) << why;
    isa::Program other = assembled(kDouble);
    other.arch.frac_bits = 8;
    EXPECT_EQ(refused(other), -EINVAL);
    EXPECT_EQ(why, "program 0: expected a program for 12 frac_bits, as this device has; found one "
                   "for 8");
    isa::Program weightless = assembled(kDouble);
    weightless.matrices[0].weights.clear();
    EXPECT_EQ(refused(weightless), -EINVAL);
    EXPECT_NE(why.find("expected weights"), std::string::npos) << why;
    const auto timing = make(create_crossbar_engine, "arch=tiny,timing_only=1");
    EXPECT_TRUE(timing->parse(file_of({&weightless, 1}), why)) << why;
}

// Its cells are written, wear, drift and are priced as those of matrices.
TEST(IsaEngine, CellsWearAndDrift)
{
    const auto engine =
        make(create_crossbar_engine, "arch=tiny,prog_model=normal_rel,prog_sigma=0.02,drift_nu=0.1,"
                                     "write_verify_tol=0.001,write_verify_max_iter=5,g_off=1");
    const isa::Program program = assembled(kDouble);
    std::string why;
    const auto parsed = engine->parse(file_of({&program, 1}), why);
    ASSERT_TRUE(parsed) << why;
    const EngineProgram &p = **parsed;
    ASSERT_EQ(engine->load(0, p, 0), 0);
    drm_acc_tile first = {}, again = {}, other = {};
    ASSERT_EQ(engine->tile(0, first), 0);
    EXPECT_EQ(first.arrays_used, 16u);
    EXPECT_EQ(first.programmings, 1u);
    EXPECT_GT(first.most_row_pulses, 1u);
    EXPECT_GE(first.row_pulses, 32u);
    EXPECT_GT(first.program_pj, 0u);
    EXPECT_GT(first.program_ns, 0u);
    EXPECT_GT(p.units[0].load_pj, 0u);
    ASSERT_EQ(engine->tile(1, other), 0);
    EXPECT_EQ(other.row_pulses, 0u);

    PageMemory memory;
    const uint64_t x = memory.store(std::vector<int16_t>{8000, -8000}), y = memory.allocate(4);
    const Args args = {{1, 0}, {x, 2}, {y, 2}};
    const Outcome young = run(*engine, p, 0, args, memory);
    ASSERT_EQ(young.status, ACC_STATUS_OK) << young.dispatch.text;
    const auto before = memory.load<int16_t>(y, 2);
    EXPECT_NEAR(before[0], 16000, 1000);
    ASSERT_EQ(engine->age(86400'000'000'000), 0);
    ASSERT_EQ(run(*engine, p, 0, args, memory).status, ACC_STATUS_OK);
    const auto after = memory.load<int16_t>(y, 2);
    // (86420 s / 20 s)^-0.1, less what g_off leaves.
    EXPECT_LT(after[0], before[0] * 0.6);
    ASSERT_EQ(engine->tile(0, again), 0);
    EXPECT_EQ(again.age_ns, 86400'000'000'000u);
    EXPECT_EQ(again.activations, 32u);
    EXPECT_GT(again.instructions, 0u);
    EXPECT_NEAR(double(again.adc_pj + again.cells_pj + again.periphery_pj + again.core_pj +
                       again.memory_pj + again.network_pj + again.static_pj),
                2.0 * double(young.dispatch.energy_pj), 8);
    ASSERT_EQ(engine->load(0, p, 0), 0);
    ASSERT_EQ(engine->tile(0, again), 0);
    EXPECT_EQ(again.programmings, 2u);
    EXPECT_EQ(again.age_ns, 0u);
    EXPECT_GT(again.row_pulses, first.row_pulses);
    EXPECT_NEAR(double(again.program_pj), 2.0 * double(first.program_pj), double(first.program_pj));
}

TEST(IsaEngine, OptionsAreKeysOfTheArch)
{
    EXPECT_EQ(
        refusal(create_crossbar_engine, "arch=gpu"),
        "option arch: expected a path or one of the presets puma isaac-like tiny; found 'gpu'");
    EXPECT_EQ(refusal(create_crossbar_engine, "rows=0"),
              "option rows: expected a number from 1 to 1024, found '0'");
    EXPECT_EQ(refusal(create_crossbar_engine, "timing_only=maybe"),
              "option timing_only: expected 0 or 1; found 'maybe'");
    const auto engine = make(create_crossbar_engine, "adc_bits=5,arch=puma,slots=2");
    EXPECT_EQ(engine->slots().size(), 2u);
    EXPECT_EQ(engine->slots()[0].capacity, 138u * 8 * 2 * 16);
    EXPECT_NE(engine->info().config.find("adc_bits=5"), std::string::npos);
}

} // namespace
} // namespace acc::emu::test
