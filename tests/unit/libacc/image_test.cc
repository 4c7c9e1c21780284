// SPDX-License-Identifier: MIT
//
// acc/image.h: images are those that the other tests' writers make, and refusals say why.
#include "acc/image.h"
#include "fixture.h"

#include "program/images.h"
#include "program/program_file.h"
#include "program/samples.h"

#include <cstring>

namespace acc::test
{
namespace
{

struct Image {
    void *data = nullptr;
    size_t bytes = 0;
    ~Image() { acc_image_free(data); }
    std::vector<std::byte> copy() const
    {
        const auto *from = static_cast<const std::byte *>(data);
        return {from, from + bytes};
    }
};

TEST(ImageTest, HoldsRoles)
{
    const char *roles[] = {"add_f32", "noop"};
    Image image;
    ASSERT_ACC(acc_image_of_roles(roles, 2, &image.data, &image.bytes));
    const std::string_view names[] = {"add_f32", "noop"};
    const auto expected = program::fpga_program(names);
    ASSERT_TRUE(expected);
    EXPECT_EQ(image.copy(), *expected);
    const char *unknown[] = {"frobnicate"};
    Image none;
    EXPECT_REFUSED(acc_image_of_roles(unknown, 1, &none.data, &none.bytes), -EINVAL, "frobnicate");
    EXPECT_REFUSED(acc_image_of_roles(nullptr, 1, &none.data, &none.bytes), -EINVAL, "found NULL");
    EXPECT_EQ(none.data, nullptr);
}

TEST(ImageTest, HoldsAMatrix)
{
    const int8_t weights[] = {1, -2, 3, 4, 5, -128};
    auto matrix = acc_init<acc_image_matrix>();
    matrix.name = "m";
    matrix.rows = 2;
    matrix.cols = 3;
    matrix.weight_bits = matrix.input_bits = 8;
    matrix.output_bytes = 4;
    matrix.input_signed = 1;
    matrix.weights = weights;
    Image image;
    ASSERT_ACC(acc_image_of_matrix(&matrix, &image.data, &image.bytes));
    const std::vector<int16_t> wide(weights, weights + 6);
    const program::MatrixSpec spec = {.name = "m", .rows = 2, .cols = 3, .weights = wide};
    const auto expected = program::crossbar_program({&spec, 1});
    ASSERT_TRUE(expected);
    EXPECT_EQ(image.copy(), *expected);
    Image none;
    matrix.weight_bits = 17;
    EXPECT_REFUSED(acc_image_of_matrix(&matrix, &none.data, &none.bytes), -EINVAL, "found 17");
    matrix.weight_bits = 4;
    EXPECT_REFUSED(acc_image_of_matrix(&matrix, &none.data, &none.bytes), -EINVAL, "found -128");
    matrix.weight_bits = 8;
    matrix.rows = 1u << 21;
    EXPECT_REFUSED(acc_image_of_matrix(&matrix, &none.data, &none.bytes), -EINVAL, "2097152 x 3");
    matrix.rows = 2;
    matrix.name = "";
    EXPECT_REFUSED(acc_image_of_matrix(&matrix, &none.data, &none.bytes), -EINVAL, "a name of");
    matrix.name = "m";
    matrix.size = 0;
    EXPECT_REFUSED(acc_image_of_matrix(&matrix, &none.data, &none.bytes), -EINVAL, "size");
}

TEST(ImageTest, HoldsCode)
{
    const char object[] = "an object, for whoever loads it to look at";
    acc_image_kernel kernels[2] = {};
    kernels[0].name = "first";
    kernels[0].kernarg_bytes = 16;
    kernels[1].name = "second";
    kernels[1].role = "both";
    auto code = acc_init<acc_image_code>();
    code.name = "code";
    code.object = object;
    code.object_bytes = sizeof object;
    code.kernels = kernels;
    code.kernel_count = 2;
    code.luts = 1000;
    Image image;
    ASSERT_ACC(acc_image_of_code(&code, &image.data, &image.bytes));
    const auto bytes = image.copy();
    std::string why;
    const auto file = program::ProgramFile::parse(bytes, &why);
    ASSERT_TRUE(file) << why;
    ASSERT_EQ(file->kernels(ACC_TARGET_FPGA).size(), 2u);
    EXPECT_EQ(file->kernels(ACC_TARGET_FPGA)[0].kernarg_bytes, 16u);
    EXPECT_EQ(file->units(ACC_TARGET_FPGA)[0].capacity, 1000u);
    const auto native = program::parse_fpga_native(file->image(ACC_TARGET_FPGA), 2, &why);
    ASSERT_TRUE(native) << why;
    EXPECT_EQ(native->kind, uint32_t{ACC_FPGA_COMPILED});
    EXPECT_EQ(native->roles[0], "first");
    EXPECT_EQ(native->roles[1], "both");
    ASSERT_EQ(native->code.size(), sizeof object);
    EXPECT_EQ(std::memcmp(native->code.data(), object, sizeof object), 0);
    Image none;
    kernels[1].reserved = 1;
    EXPECT_REFUSED(acc_image_of_code(&code, &none.data, &none.bytes), -EINVAL, "zero padding");
    kernels[1].reserved = 0;
    kernels[1].name = "first";
    EXPECT_EQ(acc_image_of_code(&code, &none.data, &none.bytes), -EINVAL);
    code.object = nullptr;
    EXPECT_REFUSED(acc_image_of_code(&code, &none.data, &none.bytes), -EINVAL, "found NULL");
}

} // namespace
} // namespace acc::test
