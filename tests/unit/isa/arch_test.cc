// SPDX-License-Identifier: MIT
//
// Arch files: what is read, what is refused and where, and the laws of the costs.
#include "arch/arch.h"
#include "arch/costs.h"

#include <gtest/gtest.h>

#include <string>

namespace acc::arch
{
namespace
{

Arch of(std::string_view text)
{
    std::string why;
    auto arch = parse(text, "x.toml", why);
    EXPECT_TRUE(arch) << why;
    return arch ? *arch : Arch{};
}

std::string refusal(std::string_view text)
{
    std::string why;
    const auto arch = parse(text, "x.toml", why);
    EXPECT_FALSE(arch);
    EXPECT_EQ(arch.error(), -EINVAL);
    return why;
}

TEST(Arch, EveryKeyIsReadWrittenAndSet)
{
    // Each key, away from its default, through all three ways in and out.
    for (const KeyInfo &key : keys()) {
        std::string value = "5";
        if (key.range == "true or false") value = "true";
        if (key.key == "sign") value = "twos";
        if (key.key == "adc_range") value = "max";
        if (key.key == "prog_model") value = "pcm";
        if (key.key == "rounding") value = "half_even";
        if (key.key == "overflow") value = "wrap";
        if (key.range.ends_with("to 1")) value = "0.5";
        if (key.range.starts_with("16 ") || key.range.starts_with("64 ")) value = "77";
        Arch arch;
        std::string why;
        ASSERT_EQ(set(arch, key.key, value, why), 0) << key.key << ": " << why;
        const std::string text = to_toml(arch);
        EXPECT_NE(text, to_toml(Arch{})) << key.key;
        const Arch again = of(text);
        EXPECT_EQ(to_toml(again), text) << key.key;
    }
}

TEST(Arch, PresetsAreWholeAndFollowTheirBase)
{
    for (const std::string_view preset : presets()) {
        std::string why;
        const auto arch = load(preset, why);
        ASSERT_TRUE(arch) << why;
        EXPECT_EQ(arch->name, preset);
        EXPECT_EQ(check(*arch), "");
        EXPECT_EQ(check_programs(*arch), "");
        const Arch derived =
            of("version = 1\nbase = \"" + std::string(preset) + "\"\n[array]\nrows = 100\n");
        EXPECT_EQ(derived.rows, 100u);
        EXPECT_EQ(derived.cores, arch->cores);
        EXPECT_EQ(derived.tiles, arch->tiles);
    }
    const Arch defaults = of("version = 1\n");
    EXPECT_EQ(to_toml(defaults), to_toml(Arch{}));
}

TEST(Arch, RefusesWithLineColumnAndWhatWasExpected)
{
    EXPECT_EQ(refusal(""), "x.toml:1:1: expected version = 1; found no version");
    EXPECT_EQ(refusal("version = 2\n"), "x.toml:1:11: version: expected 1; found the integer 2");
    EXPECT_EQ(refusal("version = 1\n\n[array]\nrows = 5000\n"),
              "x.toml:4:8: array.rows: expected an integer from 1 to 1024; found the integer 5000");
    EXPECT_EQ(refusal("version = 1\n[array]\nsign = \"both\"\n"),
              "x.toml:3:8: array.sign: expected one of offset differential twos; found the string "
              "'both'");
    EXPECT_EQ(refusal("version = 1\n[array]\nrowz = 5\n"),
              "x.toml:3:1: array: expected one of rows, cols, cell_bits, dac_bits, sign; found "
              "'rowz'");
    EXPECT_EQ(refusal("version = 1\n[cells]\nread_sigma = \"much\"\n"),
              "x.toml:3:14: cells.read_sigma: expected a number from 0 to 10; found the string "
              "'much'");
    EXPECT_EQ(refusal("version = 1\n[wires]\nrow_gating = 1\n"),
              "x.toml:3:14: wires.row_gating: expected true or false; found the integer 1");
    EXPECT_EQ(refusal("version = 1\nbase = \"gpu\"\n"),
              "x.toml:2:8: base: expected one of puma isaac-like tiny; found the string 'gpu'");
    EXPECT_EQ(refusal("version = 1\nmachine = 3\n"),
              "x.toml:2:11: machine: expected a table; found the integer 3");
    EXPECT_EQ(refusal("version = 1\n[gpu]\n"),
              "x.toml:2:2: expected version, base, name, seed or one of the tables machine, "
              "numbers, array, adc, cells, wires, costs; found 'gpu'");
    EXPECT_TRUE(refusal("version = 1\n[array\n").starts_with("x.toml:2:")) << "not TOML";
    EXPECT_EQ(refusal("version = 1\n[cells]\ng_on = 1\ng_off = 2\n"),
              "x.toml:1:1: expected g_off below g_on, 1 µS; found 2");
    // All problems at once, in the order of the file.
    const std::string two = refusal("version = 1\n[array]\nrows = 0\ncols = 0\n");
    EXPECT_NE(two.find("x.toml:3:8: array.rows"), std::string::npos);
    EXPECT_NE(two.find("\nx.toml:4:8: array.cols"), std::string::npos);
}

TEST(Arch, RefusesUnknownPresetsFilesAndKeys)
{
    std::string why;
    EXPECT_EQ(load("gpu", why).error(), -ENOENT);
    EXPECT_EQ(why, "expected a path or one of the presets puma isaac-like tiny; found 'gpu'");
    EXPECT_EQ(load("/nowhere/x.toml", why).error(), -ENOENT);
    EXPECT_EQ(load("/", why).error(), -EIO);
    Arch arch;
    EXPECT_EQ(set(arch, "rowz", "1", why), -ENOENT);
    EXPECT_EQ(set(arch, "rows", "0", why), -EINVAL);
    EXPECT_EQ(why, "rows: expected a number from 1 to 1024, found '0'");
    EXPECT_EQ(set(arch, "read_sigma", "nan", why), -EINVAL);
    EXPECT_EQ(set(arch, "read_sigma", "0.1x", why), -EINVAL);
    EXPECT_EQ(arch.rows, 128u);
}

TEST(Arch, ArraysOfAUnitFollowTheSign)
{
    Arch arch;
    EXPECT_EQ(arch.arrays_per_unit(), 16u); // 8 slices in pairs
    arch.sign = Sign::Offset;
    EXPECT_EQ(arch.arrays_per_unit(), 8u);
    arch.sign = Sign::Twos;
    EXPECT_EQ(arch.arrays_per_unit(), 9u); // 15 bits in 8 slices and the sign's
    EXPECT_EQ(Arch{}.arrays_per_slot(), 4096u);
}

TEST(Costs, ReduceToThePublishedPoints)
{
    const ArrayUse puma = {.rows = 128, .cols = 128, .arrays = 8, .input_bits = 16, .adc_bits = 8};
    EXPECT_DOUBLE_EQ(mvm_ns(puma), 2304);
    EXPECT_NEAR(mvm_pj(puma), 43983, 1);
    EXPECT_EQ(vector_cycles(128), 128u);
    EXPECT_EQ(transcendental_cycles(128), 384u);
    EXPECT_EQ(pair_cycles(128), 256u);
    EXPECT_EQ(requant_cycles(128), 768u);
    EXPECT_EQ(accesses(128) * Costs{}.access_cycles, 24u);
    EXPECT_EQ(send_cycles(128), 158u);
}

TEST(Costs, GrowWithWhatIsAskedOfThem)
{
    const ArrayUse base = {.rows = 64, .cols = 64, .arrays = 8, .input_bits = 8, .adc_bits = 6};
    const auto grows = [&](uint32_t ArrayUse::*field, bool time) {
        ArrayUse use = base;
        for (use.*field = 1; use.*field < 300; use.*field += 1) {
            ArrayUse more = use;
            more.*field += 1;
            ASSERT_GE(mvm_ns(more), mvm_ns(use));
            ASSERT_GE(mvm_pj(more), mvm_pj(use));
        }
        ArrayUse much = base;
        much.*field *= 4;
        EXPECT_GT(mvm_pj(much), mvm_pj(base));
        if (time) {
            EXPECT_GT(mvm_ns(much), mvm_ns(base));
        }
    };
    grows(&ArrayUse::rows, false);
    grows(&ArrayUse::cols, true);
    grows(&ArrayUse::arrays, false);
    grows(&ArrayUse::input_bits, true);
    grows(&ArrayUse::adc_bits, true);
    ArrayUse faster = base;
    faster.dac_bits = 2;
    EXPECT_LT(mvm_ns(faster), mvm_ns(base));
    faster = base;
    faster.adcs = 4;
    EXPECT_LT(mvm_ns(faster), mvm_ns(base));
    EXPECT_DOUBLE_EQ(mvm_adc_pj(faster), mvm_adc_pj(base)) << "as many conversions";
}

TEST(Costs, HopsAreThoseOfASquareMesh)
{
    Arch arch;
    arch.tiles = 138; // 35 routers: 6 x 6
    EXPECT_EQ(hops(arch, 0, 3), 1u);
    EXPECT_EQ(hops(arch, 0, 4), 2u);
    EXPECT_EQ(hops(arch, 0, 24), 2u); // the next row
    EXPECT_EQ(hops(arch, 0, 137), 1u + 4 + 5);
    for (uint32_t a = 0; a < 138; a += 7)
        for (uint32_t b = 0; b < 138; b += 5)
            ASSERT_EQ(hops(arch, a, b), hops(arch, b, a));
}

} // namespace
} // namespace acc::arch
