// SPDX-License-Identifier: MIT
#include "program/images.h"
#include "program/program_file.h"
#include "program/samples.h"
#include "program/text.h"

#include <gtest/gtest.h>

#include <array>

namespace acc::program
{
namespace
{

using Bytes = std::vector<std::byte>;

constexpr std::string_view kOps[] = {ACC_NULL_NOOP, ACC_NULL_COPY, ACC_NULL_FAIL};

Bytes null_file()
{
    std::string why;
    auto file = null_program(kOps, &why);
    EXPECT_TRUE(file) << why;
    return file ? std::move(*file) : Bytes{};
}

TEST(Container, NullProgramRoundTrips)
{
    const Bytes bytes = null_file();
    std::string why;
    const auto file = ProgramFile::parse(bytes, &why);
    ASSERT_TRUE(file) << why;
    EXPECT_EQ(name_of(file->id().name), "null");
    EXPECT_EQ(file->id().version, 1u);
    ASSERT_NE(file->compat(ACC_TARGET_NULL), nullptr);
    EXPECT_EQ(file->compat(ACC_TARGET_CROSSBAR), nullptr);
    EXPECT_EQ(file->compat(99), nullptr);
    EXPECT_EQ(file->units(ACC_TARGET_NULL).size(), 1u);
    ASSERT_EQ(file->kernels(ACC_TARGET_NULL).size(), 3u);
    EXPECT_EQ(file->find_kernel(ACC_TARGET_NULL, "copy"), 1u);
    EXPECT_FALSE(file->find_kernel(ACC_TARGET_NULL, "nothing"));
    EXPECT_EQ(file->kernels(ACC_TARGET_NULL)[0].kernarg_bytes, 0u);
    EXPECT_EQ(file->kernels(ACC_TARGET_NULL)[1].kernarg_bytes, sizeof(acc_null_args));
    EXPECT_FALSE(file->has_model());
    EXPECT_TRUE(file->consts().empty());
    EXPECT_TRUE(file->report().empty());
    const auto ops = parse_null_image(file->image(ACC_TARGET_NULL), 3, &why);
    ASSERT_TRUE(ops) << why;
    EXPECT_TRUE(std::equal(ops->begin(), ops->end(), std::begin(kOps), std::end(kOps)));
}

TEST(Container, SameInputGivesSameBytes)
{
    EXPECT_EQ(null_file(), null_file());
}

TEST(Container, ParsesAtAnyAlignment)
{
    const Bytes bytes = null_file();
    for (size_t shift = 1; shift < 8; shift++) {
        Bytes moved(bytes.size() + shift);
        std::copy(bytes.begin(), bytes.end(), moved.begin() + shift);
        std::string why;
        const auto file = ProgramFile::parse(std::span(moved).subspan(shift), &why);
        ASSERT_TRUE(file) << "shift " << shift << ": " << why;
        EXPECT_EQ(file->kernels(ACC_TARGET_NULL).size(), 3u);
    }
}

TEST(Container, CrossbarProgramKeepsItsWeights)
{
    const std::array<int16_t, 6> a = {1, -2, 3, -128, 127, 0};
    const std::array<int16_t, 2> b = {32767, -32768};
    const MatrixSpec specs[] = {
        {.name = "a", .rows = 2, .cols = 3, .weights = a},
        {.name = "b",
         .rows = 1,
         .cols = 2,
         .weights = b,
         .weight_bits = 16,
         .input_bits = 16,
         .output_bytes = 8,
         .input_signed = false},
    };
    std::string why;
    const auto bytes = crossbar_program(specs, &why);
    ASSERT_TRUE(bytes) << why;
    const auto file = ProgramFile::parse(*bytes, &why);
    ASSERT_TRUE(file) << why;
    EXPECT_EQ(file->find_kernel(ACC_TARGET_CROSSBAR, "b"), 1u);
    EXPECT_EQ(file->kernels(ACC_TARGET_CROSSBAR)[0].kernarg_bytes, sizeof(acc_mvm_args));
    const auto matrices = parse_xbar_image(file->image(ACC_TARGET_CROSSBAR), 2, &why);
    ASSERT_TRUE(matrices) << why;
    const XbarMatrix &ma = (*matrices)[0], &mb = (*matrices)[1];
    for (uint32_t r = 0; r < 2; r++)
        for (uint32_t c = 0; c < 3; c++)
            EXPECT_EQ(ma.weight(r, c), a[r * 3 + c]);
    EXPECT_EQ(mb.weight(0, 0), 32767);
    EXPECT_EQ(mb.weight(0, 1), -32768);
    EXPECT_EQ(ma.desc.flags, ACC_XBAR_INPUT_SIGNED);
    EXPECT_EQ(mb.desc.flags, 0u);
    EXPECT_EQ(mb.desc.output_bytes, 8u);
}

TEST(Container, FpgaProgramHasOneUnitPerRole)
{
    const std::string_view roles[] = {ACC_ROLE_ADD_F32, ACC_ROLE_IM2COL_I8};
    std::string why;
    const auto bytes = fpga_program(roles, &why);
    ASSERT_TRUE(bytes) << why;
    const auto file = ProgramFile::parse(*bytes, &why);
    ASSERT_TRUE(file) << why;
    ASSERT_EQ(file->units(ACC_TARGET_FPGA).size(), 2u);
    EXPECT_NE(
        std::memcmp(file->units(ACC_TARGET_FPGA)[0].hash, file->units(ACC_TARGET_FPGA)[1].hash, 16),
        0);
    EXPECT_EQ(file->kernels(ACC_TARGET_FPGA)[1].unit, 1u);
    EXPECT_EQ(file->kernels(ACC_TARGET_FPGA)[1].kernarg_bytes, sizeof(acc_im2col_args));
    const auto found = parse_fpga_image(file->image(ACC_TARGET_FPGA), 2, &why);
    ASSERT_TRUE(found) << why;
    EXPECT_EQ((*found)[0], ACC_ROLE_ADD_F32);
    EXPECT_EQ((*found)[1], ACC_ROLE_IM2COL_I8);
}

} // namespace
} // namespace acc::program
