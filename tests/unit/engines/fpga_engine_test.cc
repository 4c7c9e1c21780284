// SPDX-License-Identifier: MIT
//
// The FPGA around its roles: options, regions, units, what is modelled, hostile images.
#include "emulator/fpga/role.h"
#include "harness.h"
#include "hostile.h"

#include <drm/acc_drm.h>

#include <cmath>

namespace acc::emu::test
{
namespace
{

const std::vector<std::string_view> kAllRoles = {
    ACC_ROLE_QUANTIZE_F32_I8, ACC_ROLE_DEQUANTIZE_I8_F32, ACC_ROLE_REQUANTIZE_I32_I8,
    ACC_ROLE_IM2COL_I8,       ACC_ROLE_MAXPOOL_I8,        ACC_ROLE_AVGPOOL_I8,
    ACC_ROLE_ADD_I8,          ACC_ROLE_CLIP_I8,           ACC_ROLE_PERMUTE_I8,
    ACC_ROLE_SOFTMAX_I8_F32,  ACC_ROLE_ADD_F32,           ACC_ROLE_MUL_F32,
    ACC_ROLE_RELU_F32,        ACC_ROLE_CLIP_F32,          ACC_ROLE_SOFTMAX_F32,
    ACC_ROLE_GEMM_I8,         ACC_ROLE_TABLE_I8,          ACC_ROLE_MUL_I8,
    ACC_ROLE_CONCAT_I8};

// A program with one unit that says `capacity`, `load_bytes` and holds `roles`.
std::vector<std::byte> unit_program(const std::vector<std::string_view> &roles, uint64_t capacity,
                                    uint64_t load_bytes, uint32_t class_id = 0)
{
    program::ProgramWriter writer;
    acc_unit_desc unit = {};
    unit.target = ACC_TARGET_FPGA;
    unit.class_id = class_id;
    unit.capacity = capacity;
    unit.load_bytes = load_bytes;
    program::set_name(unit.name, "unit");
    writer.add_unit(unit);
    std::vector<std::byte> image(sizeof(acc_fpga_image) + roles.size() * sizeof(acc_fpga_kernel));
    const acc_fpga_image header = {ACC_FPGA_MAGIC, 1, static_cast<uint32_t>(roles.size()), 0};
    std::memcpy(image.data(), &header, sizeof(header));
    for (size_t i = 0; i < roles.size(); i++) {
        acc_kernel_desc kernel = {};
        kernel.target = ACC_TARGET_FPGA;
        const fpga::Role *role = fpga::find_role(roles[i]);
        kernel.kernarg_bytes = role ? role->kernarg_bytes : 32;
        program::set_name(kernel.name, "k" + std::to_string(i));
        writer.add_kernel(kernel);
        acc_fpga_kernel entry = {};
        program::set_name(entry.role, roles[i]);
        std::memcpy(image.data() + sizeof(header) + i * sizeof(entry), &entry, sizeof(entry));
    }
    writer.set_image(ACC_TARGET_FPGA, std::move(image));
    std::string why;
    auto file = writer.finish(&why);
    EXPECT_TRUE(file) << why;
    return file ? *file : std::vector<std::byte>();
}

} // namespace

TEST(FpgaEngine, SaysWhatItIs)
{
    const auto engine = make(create_fpga_engine, "regions=64,clock_mhz=2000,preset=coyote,"
                                                 "setup_us=60000000,bandwidth=1000000000000");
    const EngineInfo info = engine->info();
    EXPECT_EQ(info.engine, uint32_t{DRM_ACC_ENGINE_FPGA});
    EXPECT_TRUE(info.modelled);
    EXPECT_LE(info.config.size(), 95u) << info.config;
    EXPECT_NE(info.config.find("regions=64"), std::string::npos) << info.config;
    ASSERT_EQ(engine->slots().size(), 64u);
    EXPECT_NE(engine->slots()[0].class_id, 0u);
    EXPECT_EQ(make(create_fpga_engine)->slots().size(), 4u);
    EXPECT_EQ(make(create_fpga_engine, "slots=9")->slots().size(), 9u);
    EXPECT_EQ(make(create_fpga_engine, "slots=9,regions=9")->slots().size(), 9u);
}

TEST(FpgaEngine, RefusesOptionsByName)
{
    const auto says = [](std::string_view text, const char *what) {
        const std::string why = refusal(create_fpga_engine, text);
        EXPECT_NE(why.find(what), std::string::npos) << why;
    };
    says("region=4", "region");
    says("region=4", "regions"); // those there are
    says("regions=0", "regions");
    says("regions=65", "64");
    says("regions=x", "'x'");
    says("regions=3,slots=4", "regions=3 and slots=4");
    says("preset=slow", "zcu106");
    says("clock_mhz=0", "clock_mhz");
    says("setup_us=-1", "setup_us");
    says("bandwidth=1e9", "bandwidth");
    for (const char *size : {"40000", "1/2/3", "1/2/3/4/5", "0/1/1/1", "1/2/3/x", "1/2/3/"})
        says("size=" + std::string(size), "LUTs/FFs/BRAMs/DSPs");
    says("big_size=7", "found '7'");
}

TEST(FpgaEngine, EveryRoleIsAUnitThatFitsARegion)
{
    Fpga fpga(kAllRoles);
    ASSERT_EQ(fpga.program().units.size(), kAllRoles.size());
    for (size_t i = 0; i < kAllRoles.size(); i++) {
        const Unit &unit = fpga.program().units[i];
        EXPECT_EQ(unit.name, kAllRoles[i]);
        EXPECT_GT(unit.capacity, 0u);
        EXPECT_EQ(unit.capacity, unit.resources[0]);
        for (size_t k = 0; k < unit.resources.size(); k++)
            EXPECT_LE(unit.resources[k], fpga.engine().slots()[0].resources[k]) << unit.name;
        EXPECT_EQ(fpga.program().kernels[i].unit, i);
        EXPECT_EQ(fpga.engine().load(0, fpga.program(), static_cast<uint32_t>(i)), 0);
        fpga.engine().unload(0);
        for (size_t j = 0; j < i; j++)
            EXPECT_NE(std::memcmp(unit.hash, fpga.program().units[j].hash, 16), 0);
    }
    EXPECT_EQ(fpga.engine().load(4, fpga.program(), 0), -EINVAL);
    const auto past = static_cast<uint32_t>(kAllRoles.size());
    EXPECT_EQ(fpga.engine().load(0, fpga.program(), past), -EINVAL);
}

TEST(FpgaEngine, ClientsShareARole)
{
    Fpga one({ACC_ROLE_CLIP_I8, ACC_ROLE_GEMM_I8}), other({ACC_ROLE_GEMM_I8});
    EXPECT_EQ(std::memcmp(one.program().units[1].hash, other.program().units[0].hash, 16), 0);
    // Whatever the container's own hash says, and in whatever order its kernels are.
    const auto engine = make(create_fpga_engine);
    std::string why;
    const auto ab = engine->parse(unit_program({ACC_ROLE_CLIP_I8, ACC_ROLE_ADD_I8}, 0, 0), why);
    const auto ba = engine->parse(unit_program({ACC_ROLE_ADD_I8, ACC_ROLE_CLIP_I8}, 0, 0), why);
    ASSERT_TRUE(ab && ba) << why;
    EXPECT_EQ(std::memcmp((*ab)->units[0].hash, (*ba)->units[0].hash, 16), 0);
    EXPECT_EQ((*ab)->units[0].capacity, fpga::find_role(ACC_ROLE_CLIP_I8)->size[0] +
                                            fpga::find_role(ACC_ROLE_ADD_I8)->size[0]);
    EXPECT_EQ((*ab)->units[0].resources[3], fpga::find_role(ACC_ROLE_ADD_I8)->size[3]);
}

TEST(FpgaEngine, LoadsTakeWhatThePresetSays)
{
    const auto load_ns = [](const char *text) {
        return Fpga({ACC_ROLE_GEMM_I8}, text).program().units[0].load_ns;
    };
    EXPECT_NEAR(static_cast<double>(load_ns("preset=zcu106")), 89e6, 100);
    EXPECT_EQ(load_ns(""), load_ns("preset=zcu106"));
    EXPECT_EQ(load_ns("preset=coyote"), 49'000'000u);
    EXPECT_EQ(load_ns("preset=fast"), 0u);
    EXPECT_EQ(load_ns("preset=fast,setup_us=7"), 7000u);
    EXPECT_EQ(load_ns("preset=fast,setup_us=7,bandwidth=1030000"), 1'000'007'000u);
    EXPECT_EQ(Fpga({ACC_ROLE_GEMM_I8}, "preset=fast").program().units[0].load_pj, 0u);
    EXPECT_GT(Fpga({ACC_ROLE_GEMM_I8}).program().units[0].load_pj, 0u);

    const auto engine = make(create_fpga_engine, "preset=fast,bandwidth=1000");
    std::string why;
    const auto program = engine->parse(unit_program({ACC_ROLE_ADD_I8}, 20000, 5000), why);
    ASSERT_TRUE(program) << why;
    EXPECT_EQ((*program)->units[0].load_ns, 5'000'000'000u);
    EXPECT_EQ((*program)->units[0].capacity, 20000u);
}

TEST(FpgaEngine, CyclesAreElementsOverLanesPlusDepth)
{
    for (const uint32_t mhz : {100u, 250u}) {
        Fpga fpga({ACC_ROLE_CLIP_I8}, "clock_mhz=" + std::to_string(mhz));
        const fpga::Role &role = *fpga::find_role(ACC_ROLE_CLIP_I8);
        acc_clip_i8_args args = {};
        args.src = fpga.memory.allocate(1 << 20);
        args.dst = fpga.memory.allocate(1 << 20);
        uint64_t last_ns = 0, last_pj = 0;
        for (const uint64_t count : {1ull, 16ull, 17ull, 1000ull, 1ull << 20}) {
            args.count = count;
            const Outcome outcome = fpga(ACC_ROLE_CLIP_I8, args);
            ASSERT_EQ(outcome.status, ACC_STATUS_OK);
            const uint64_t cycles =
                (count + role.cost->lanes - 1) / role.cost->lanes + role.cost->depth;
            EXPECT_EQ(outcome.dispatch.modelled_ns,
                      static_cast<uint64_t>(std::llround(static_cast<double>(cycles) * 1e3 / mhz)));
            EXPECT_GE(outcome.dispatch.modelled_ns, last_ns);
            EXPECT_GT(outcome.dispatch.energy_pj, last_pj);
            last_ns = outcome.dispatch.modelled_ns;
            last_pj = outcome.dispatch.energy_pj;
        }
    }
}

TEST(FpgaEngine, EstimatesGrowAndSurviveAnything)
{
    Fpga fpga(kAllRoles);
    const std::vector<std::byte> zeros(256), ones(256, std::byte{0xff});
    for (uint32_t k = 0; k < kAllRoles.size(); k++) {
        Dispatch dispatch;
        dispatch.kernel = k;
        const uint32_t bytes = fpga.program().kernels[k].kernarg_bytes;
        dispatch.kernargs = std::span(zeros).first(bytes);
        const uint64_t least = fpga.engine().estimate_ns(fpga.program(), dispatch);
        dispatch.kernargs = std::span(ones).first(bytes);
        EXPECT_GT(fpga.engine().estimate_ns(fpga.program(), dispatch), least) << kAllRoles[k];
        dispatch.kernargs = {};
        EXPECT_EQ(fpga.engine().estimate_ns(fpga.program(), dispatch), 0u);
    }
}

TEST(FpgaEngine, StopsWhenTold)
{
    Fpga fpga({ACC_ROLE_CLIP_I8, ACC_ROLE_GEMM_I8, ACC_ROLE_MAXPOOL_I8, ACC_ROLE_IM2COL_I8,
               ACC_ROLE_PERMUTE_I8, ACC_ROLE_SOFTMAX_F32, ACC_ROLE_ADD_F32});
    const uint64_t a = fpga.memory.allocate(1 << 20), b = fpga.memory.allocate(1 << 20);
    const std::atomic<bool> stop = true;
    const auto stopped = [&](uint32_t kernel, const auto &args) {
        EXPECT_EQ(run(fpga.engine(), fpga.program(), kernel, args, fpga.memory, &stop).status,
                  ACC_STATUS_TIMEOUT)
            << kernel;
    };
    stopped(0, acc_clip_i8_args{a, b, 1 << 20, 0, 1});
    stopped(1, acc_gemm_i8_args{a, a, b, 500, 500, 500, 0, 0, 1});
    acc_pool_args pool = {};
    pool.src = a;
    pool.dst = b;
    pool.window = {1, 100, 100, 100, 3, 3, 1, 1, 0, 0, 1, 1, 100, 100};
    stopped(2, pool);
    // A window that sees nothing writes little and must be stopped all the same.
    pool.window = {1, 1, 1, 1, 1, 1, 1, 1, 5, 5, 1, 1, 1000, 1000};
    stopped(2, pool);
    acc_im2col_args columns = {};
    columns.src = a;
    columns.dst = b;
    columns.window = {1, 100, 100, 10, 3, 3, 1, 1, 0, 0, 1, 1, 100, 100};
    stopped(3, columns);
    stopped(4, acc_permute_args{a, b, {1 << 20, 1, 1, 1}, {3, 2, 1, 0}});
    stopped(4, acc_permute_args{a, b, {1 << 20, 1, 1, 1}, {0, 3, 2, 1}});
    stopped(5, acc_softmax_args{a, b, 1 << 14, 16, 0, 1, 0});
    stopped(6, acc_elementwise_f32_args{a, a, b, 1 << 18, 1 << 18, 0, 0});
}

TEST(FpgaEngine, RefusesProgramsByName)
{
    const auto engine = make(create_fpga_engine);
    const auto says = [&](const std::vector<std::byte> &file, const char *what) {
        std::string why;
        EXPECT_EQ(engine->parse(file, why).error(), -EINVAL) << what;
        EXPECT_NE(why.find(what), std::string::npos) << why;
    };
    says(unit_program({"launder_money"}, 0, 0), "launder_money");
    says(unit_program({"launder_money"}, 0, 0), ACC_ROLE_GEMM_I8); // those there are
    says(unit_program({ACC_ROLE_GEMM_I8}, 17, 0), "18200");
    says(unit_program({ACC_ROLE_GEMM_I8}, 17, 0), "17");
    says(unit_program({ACC_ROLE_GEMM_I8}, 0, 0, 2), "class");
    const std::vector<int16_t> weights = {1};
    const program::MatrixSpec matrix{.name = "m", .rows = 1, .cols = 1, .weights = weights};
    says(*program::crossbar_program({&matrix, 1}), "FPGA");
    says({}, "ELF");
}

TEST(FpgaEngine, HostileImages)
{
    const std::vector<std::string_view> roles = {ACC_ROLE_GEMM_I8, ACC_ROLE_CLIP_I8};
    const auto engine = make(create_fpga_engine);
    hostile(*engine, *program::fpga_program(roles));
}

} // namespace acc::emu::test
