// SPDX-License-Identifier: MIT
//
// The plan in a container: round trip, and every refusal.
#include "edit.h"

#include "program/samples.h"

#include <gtest/gtest.h>

#include <functional>
#include <limits>

namespace acc::program
{
namespace
{

acc_model_tensor tensor(const char *name, uint32_t dtype, uint32_t last, uint64_t offset)
{
    acc_model_tensor t{};
    set_name(t.name, name);
    t.dtype = dtype;
    t.rank = 2;
    t.dims[0] = 1;
    t.dims[1] = last;
    t.offset = offset;
    t.bytes = uint64_t{last} * dtype_bytes(dtype);
    if (dtype == ACC_DTYPE_I8) t.scale = 0.5f;
    return t;
}

acc_model_reloc reloc(uint32_t kind, uint32_t field, uint32_t index = 0, uint64_t addend = 0)
{
    acc_model_reloc r{};
    r.kind = kind;
    r.field = field;
    r.index = index;
    r.addend = addend;
    return r;
}

acc_model_step step(uint32_t target, uint32_t kernel, uint32_t kernarg_bytes)
{
    acc_model_step s{};
    set_name(s.name, "node");
    s.target = target;
    s.kernel = kernel;
    s.kernarg_bytes = kernarg_bytes;
    return s;
}

// x -> quantize (fpga) -> matrix (crossbar) -> dequantize (fpga) -> y
ModelTables good_tables()
{
    ModelTables m;
    m.inputs = m.outputs = 1;
    m.workspace_bytes = 512;
    m.tensors = {tensor("x", ACC_DTYPE_F32, 4, 0), tensor("y", ACC_DTYPE_F32, 4, 64),
                 tensor("q", ACC_DTYPE_I8, 4, 128), tensor("s", ACC_DTYPE_I32, 4, 192)};
    m.steps = {step(ACC_TARGET_FPGA, 0, 32), step(ACC_TARGET_CROSSBAR, 0, 64),
               step(ACC_TARGET_FPGA, 1, 32)};
    m.relocs = {
        reloc(ACC_RELOC_TENSOR, 0, 0),   reloc(ACC_RELOC_TENSOR, 8, 2),
        reloc(ACC_RELOC_BATCH64, 16),    reloc(ACC_RELOC_TENSOR, 0, 2),
        reloc(ACC_RELOC_TENSOR, 8, 3),   reloc(ACC_RELOC_BATCH32, 16),
        reloc(ACC_RELOC_CONST, 0, 0, 8), reloc(ACC_RELOC_TENSOR, 8, 1),
    };
    m.deps = {0, 1};
    m.kernargs.resize(128);
    m.steps[0].relocs = 3;
    m.steps[1].kernarg_offset = 32;
    m.steps[1].first_reloc = 3;
    m.steps[1].relocs = 3;
    m.steps[1].deps = 1;
    m.steps[2].kernarg_offset = 96;
    m.steps[2].first_reloc = 6;
    m.steps[2].relocs = 2;
    m.steps[2].first_dep = 1;
    m.steps[2].deps = 1;
    return m;
}

Result<Bytes> build(const ModelTables &m, std::string *why)
{
    constexpr std::string_view roles[] = {ACC_ROLE_QUANTIZE_F32_I8, ACC_ROLE_DEQUANTIZE_I8_F32};
    const std::vector<int16_t> weights(16, 3);
    const MatrixSpec spec{.name = "m", .rows = 4, .cols = 4, .weights = weights};
    ProgramWriter writer;
    EXPECT_EQ(add_fpga(writer, roles), 0);
    EXPECT_EQ(add_crossbar(writer, std::span(&spec, 1)), 0);
    writer.set_consts(Bytes(16));
    writer.set_report("{}");
    writer.set_model(m);
    return writer.finish(why);
}

TEST(Model, RoundTrips)
{
    const ModelTables m = good_tables();
    std::string why;
    const auto bytes = build(m, &why);
    ASSERT_TRUE(bytes) << why;
    const auto file = ProgramFile::parse(*bytes, &why);
    ASSERT_TRUE(file) << why;
    ASSERT_TRUE(file->has_model());
    EXPECT_EQ(file->report(), "{}");
    EXPECT_EQ(file->consts().size(), 16u);
    const ModelView v = file->model();
    EXPECT_EQ(v.header.workspace_bytes, 512u);
    ASSERT_EQ(v.tensors.size(), 4u);
    EXPECT_EQ(name_of(v.inputs()[0].name), "x");
    EXPECT_EQ(name_of(v.outputs()[0].name), "y");
    ASSERT_EQ(v.steps.size(), 3u);
    EXPECT_EQ(v.relocs_of(v.steps[1]).size(), 3u);
    EXPECT_EQ(v.relocs_of(v.steps[1])[1].index, 3u);
    EXPECT_EQ(v.deps_of(v.steps[0]).size(), 0u);
    EXPECT_EQ(v.deps_of(v.steps[2])[0], 1u);
    EXPECT_EQ(v.kernargs_of(v.steps[1]).size(), 64u);
}

TEST(Model, Refusals)
{
    struct Refusal {
        const char *word;
        std::function<void(ModelTables &)> spoil;
    };
    const Refusal refusals[] = {
        {"one output among 4 tensors; found 1 and 0", [](auto &m) { m.outputs = 0; }},
        {"one output", [](auto &m) { m.outputs = 4; }},
        {"one output", [](auto &m) { m.outputs = ~0u; }},
        {"at most 2^40", [](auto &m) { m.workspace_bytes = ~uint64_t{0}; }},
        {"tensor 0: expected a NUL-padded name", [](auto &m) { m.tensors[0].name[0] = 0; }},
        {"NUL-padded name", [](auto &m) { std::memset(m.tensors[0].name, 'x', ACC_NAME_BYTES); }},
        {"NUL-padded name", [](auto &m) { m.tensors[0].name[20] = 'x'; }},
        {"tensor 1: expected a name of its own",
         [](auto &m) {
             m.inputs = 2;
             set_name(m.tensors[1].name, "x");
         }},
        {"dtype 1 to 13; found 14", [](auto &m) { m.tensors[2].dtype = 14; }},
        {"rank 0 to 6; found 7", [](auto &m) { m.tensors[2].rank = 7; }},
        {"at least 1; found 0", [](auto &m) { m.tensors[2].dims[1] = 0; }},
        {"zero beyond the rank", [](auto &m) { m.tensors[2].dims[5] = 1; }},
        {"below 2^64",
         [](auto &m) {
             auto &t = m.tensors[0];
             t.rank = 6;
             for (int i = 1; i < 6; i++)
                 t.dims[i] = ~0u;
         }},
        {"4 bytes for its dims; found 5", [](auto &m) { m.tensors[2].bytes = 5; }},
        {"multiple of 64; found 32", [](auto &m) { m.tensors[2].offset = 32; }},
        {"inside the workspace", [](auto &m) { m.tensors[2].offset = 512; }},
        {"inside the workspace", [](auto &m) { m.tensors[2].offset = ~uint64_t{63}; }},
        {"finite scale", [](auto &m) { m.tensors[2].scale = 0; }},
        {"finite scale",
         [](auto &m) { m.tensors[0].scale = std::numeric_limits<float>::quiet_NaN(); }},
        {"zero point of -128 to 127", [](auto &m) { m.tensors[2].zero_point = 128; }},
        {"step 0: expected a NUL-padded name", [](auto &m) { m.steps[0].name[0] = 0; }},
        {"target below 4; found 4", [](auto &m) { m.steps[0].target = 4; }},
        {"kernel below 2 of fpga; found 2", [](auto &m) { m.steps[0].kernel = 2; }},
        {"kernel below 0 of null", [](auto &m) { m.steps[0].target = ACC_TARGET_NULL; }},
        {"32 kernarg bytes of its kernel; found 40",
         [](auto &m) { m.steps[0].kernarg_bytes = 40; }},
        {"multiple of 16", [](auto &m) { m.steps[0].kernarg_offset = 8; }},
        {"multiple of 16 inside 128", [](auto &m) { m.steps[0].kernarg_offset = 112; }},
        {"relocs from 0 on", [](auto &m) { m.steps[0].first_reloc = 1; }},
        {"relocs from 3 on",
         [](auto &m) {
             m.steps[0].relocs = 3;
             m.steps[1].first_reloc = 2;
         }},
        {"relocs from 6 on, of 8; found 3", [](auto &m) { m.steps[2].relocs = 3; }},
        {"every reloc", [](auto &m) { m.steps[2].relocs = 1; }},
        {"deps from 0 on", [](auto &m) { m.steps[1].first_dep = 1; }},
        {"every reloc and dep", [](auto &m) { m.deps.push_back(0); }},
        {"earlier steps; found step 1", [](auto &m) { m.deps[0] = 1; }},
        {"earlier steps; found step 4294967295", [](auto &m) { m.deps[0] = ~0u; }},
        {"other targets; found step 0", [](auto &m) { m.deps[1] = 0; }},
        {"kind 1 to 4; found 0", [](auto &m) { m.relocs[0].kind = 0; }},
        {"kind 1 to 4; found 5", [](auto &m) { m.relocs[0].kind = 5; }},
        {"aligned field of 8", [](auto &m) { m.relocs[0].field = 4; }},
        {"aligned field of 8 bytes inside 32", [](auto &m) { m.relocs[0].field = 32; }},
        {"aligned field of 4 bytes inside 64", [](auto &m) { m.relocs[5].field = 64; }},
        {"do not overlap; found two at byte 0", [](auto &m) { m.relocs[1].field = 0; }},
        {"do not overlap; found two at byte 12", [](auto &m) { m.relocs[5].field = 12; }},
        {"index below 4; found 4", [](auto &m) { m.relocs[0].index = 4; }},
        {"index below 1; found 1", [](auto &m) { m.relocs[2].index = 1; }},
        {"addend below 16; found 16", [](auto &m) { m.relocs[6].addend = 16; }},
        {"addend below 16; found 16", [](auto &m) { m.relocs[0].addend = 16; }},
        {"addend below 4; found 4", [](auto &m) { m.relocs[1].addend = 4; }},
        {"addend below 1; found 8", [](auto &m) { m.relocs[2].addend = 8; }},
        {"reserved = 0", [](auto &m) { m.relocs[0].reserved = 1; }},
    };
    for (const Refusal &r : refusals) {
        ModelTables m = good_tables();
        r.spoil(m);
        std::string why;
        EXPECT_FALSE(build(m, &why)) << r.word;
        EXPECT_NE(why.find(r.word), std::string::npos)
            << "wanted: " << r.word << "\nfound: " << why;
    }
}

TEST(Model, HeaderRefusals)
{
    std::string why;
    const auto bytes = build(good_tables(), &why);
    ASSERT_TRUE(bytes) << why;
    const size_t model = offset_of(*bytes, ACC_SECTION_MODEL);
    const auto with = [&](size_t field, auto value) {
        Bytes b = *bytes;
        poke(b, model + field, value);
        return refusal(b);
    };
    EXPECT_NE(with(0, 0u).find("\"AMDL\""), std::string::npos);
    EXPECT_NE(with(4, 2u).find("version 1 of .acc.model; found 2"), std::string::npos);
    const char *const tables[] = {"tensors", "steps", "relocs", "deps"};
    for (size_t i = 0; i < 4; i++) {
        const std::string word = std::string("the ") + tables[i] + " of .acc.model inside";
        EXPECT_NE(with(8 + 4 * i, ~0u).find(word), std::string::npos) << with(8 + 4 * i, ~0u);
        EXPECT_NE(with(40 + 8 * i, ~uint64_t{0}).find(word), std::string::npos) << word;
    }
    EXPECT_NE(with(offsetof(acc_model_header, kernarg_bytes), ~uint64_t{0}).find("kernargs"),
              std::string::npos);
    Bytes small = *bytes;
    const size_t header = header_of(small, ACC_SECTION_MODEL);
    auto section = peek<Elf64_Shdr>(small, header);
    section.sh_size = 40;
    poke(small, header, section);
    EXPECT_NE(refusal(small).find("88 bytes of .acc.model; found 40"), std::string::npos);
}

TEST(Model, NoConstantsMeansNoConstantRelocs)
{
    ModelTables m = good_tables();
    constexpr std::string_view roles[] = {ACC_ROLE_QUANTIZE_F32_I8, ACC_ROLE_DEQUANTIZE_I8_F32};
    const std::vector<int16_t> weights(16, 3);
    const MatrixSpec spec{.name = "m", .rows = 4, .cols = 4, .weights = weights};
    ProgramWriter writer;
    ASSERT_EQ(add_fpga(writer, roles), 0);
    ASSERT_EQ(add_crossbar(writer, std::span(&spec, 1)), 0);
    writer.set_model(m);
    std::string why;
    EXPECT_FALSE(writer.finish(&why));
    EXPECT_NE(why.find("addend below 0; found 8"), std::string::npos) << why;
}

} // namespace
} // namespace acc::program
