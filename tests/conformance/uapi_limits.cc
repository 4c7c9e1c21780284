// SPDX-License-Identifier: MIT
//
// Programs and pins at the limits that docs/uapi.md names: what is one too many or too big
// is refused with its code, and changes nothing.
#include "acc/kernels.h"
#include "program/program_writer.h"
#include "program/samples.h"
#include "program/text.h"
#include "tests/conformance/suite.h"
#include "tests/effort.h"

#include <cstring>

namespace acc::conformance
{

namespace
{

class UapiLimits : public DeviceTest
{
protected:
    uint32_t engine() const { return accel_engine_; }
    void SetUp() override
    {
        DeviceTest::SetUp();
        if (!IsSkipped()) accel_engine_ = accel().identity().engine;
    }
    static std::vector<std::byte> finish(const program::ProgramWriter &writer)
    {
        std::string why;
        auto image = writer.finish(&why);
        if (!image) give_up("a test's program: " + why, image.error());
        return std::move(*image);
    }
    // An image of the null engine with this many units of a no-op each.
    static std::vector<std::byte> null_units(uint32_t units, uint32_t class_id = 0,
                                             uint64_t capacity = 0)
    {
        program::ProgramWriter writer;
        acc_null_kernel op = {};
        program::set_name(op.op, ACC_NULL_NOOP);
        std::vector<std::byte> image(units * sizeof op);
        for (uint32_t i = 0; i < units; i++) {
            acc_unit_desc unit = {};
            unit.target = ACC_TARGET_NULL;
            unit.class_id = class_id;
            unit.capacity = capacity;
            program::set_name(unit.name, "unit" + std::to_string(i));
            acc_kernel_desc kernel = {};
            kernel.target = ACC_TARGET_NULL;
            kernel.unit = writer.add_unit(unit);
            program::set_name(kernel.name, "noop" + std::to_string(i));
            writer.add_kernel(kernel);
            std::memcpy(image.data() + i * sizeof op, &op, sizeof op);
        }
        writer.set_image(ACC_TARGET_NULL, std::move(image));
        return finish(writer);
    }
    // A program of one kernel whose unit may be shared. kernarg_bytes 0: as many as it has.
    std::vector<std::byte> smallest(uint32_t kernarg_bytes) const
    {
        acc_unit_desc unit = {};
        unit.target = engine();
        unit.hash[0] = 9;
        acc_kernel_desc kernel = {};
        kernel.target = engine();
        std::vector<std::byte> image;
        const auto append = [&](const auto &part) {
            const auto bytes = std::as_bytes(std::span(&part, 1));
            image.insert(image.end(), bytes.begin(), bytes.end());
        };
        const char *name = "matrix";
        switch (engine()) {
        case DRM_ACC_ENGINE_NULL: {
            name = ACC_NULL_COPY;
            kernel.kernarg_bytes = sizeof(acc_null_args);
            acc_null_kernel op = {};
            program::set_name(op.op, name);
            append(op);
            break;
        }
        case DRM_ACC_ENGINE_FPGA: {
            name = ACC_ROLE_RELU_F32;
            kernel.kernarg_bytes = sizeof(acc_elementwise_f32_args);
            append(acc_fpga_image{ACC_FPGA_MAGIC, 1, 1, 0});
            acc_fpga_kernel role = {};
            program::set_name(role.role, name);
            append(role);
            break;
        }
        default: {
            kernel.kernarg_bytes = sizeof(acc_mvm_args);
            acc_xbar_matrix matrix = {};
            matrix.rows = matrix.cols = 1;
            matrix.weight_bits = matrix.input_bits = 8;
            matrix.output_bytes = 4;
            matrix.data_offset = sizeof(acc_xbar_image) + sizeof matrix;
            matrix.data_bytes = 1;
            append(acc_xbar_image{ACC_XBAR_MAGIC, 1, 1, 0});
            append(matrix);
            append(int8_t(1));
        }
        }
        if (kernarg_bytes) kernel.kernarg_bytes = kernarg_bytes;
        program::set_name(unit.name, name);
        program::set_name(kernel.name, name);
        program::ProgramWriter writer;
        kernel.unit = writer.add_unit(unit);
        writer.add_kernel(kernel);
        writer.set_image(engine(), std::move(image));
        return finish(writer);
    }
    void expect_refused(const std::vector<std::byte> &image, int error)
    {
        drm_acc_program_load args;
        EXPECT_EQ(load_program(accel(), image, args), error);
        EXPECT_NE(args.why[0], 0) << "and says why";
        EXPECT_NE(std::memchr(args.why, 0, sizeof args.why), nullptr);
        EXPECT_EQ(args.program, 0u);
        EXPECT_EQ(args.kernel_object_base, 0u);
    }

private:
    uint32_t accel_engine_ = 0;
};
class UapiLimitsNull : public UapiLimits
{
};

TEST_F(UapiLimits, UnitThatNoSlotCanHold)
{
    const uint64_t capacity = accel().query(DRM_ACC_QUERY_SLOT, 0).slot.capacity;
    std::string why;
    Result<std::vector<std::byte>> image = Error{-EINVAL};
    std::vector<int16_t> weights;
    switch (engine()) {
    case DRM_ACC_ENGINE_NULL:
        expect_refused(null_units(1, 0, capacity + 1), -ENOSPC);
        expect_refused(null_units(1, 0x7777), -ENOSPC); // a class that no slot has
        return;
    case DRM_ACC_ENGINE_FPGA: {
        program::ProgramWriter writer;
        acc_unit_desc unit = {};
        unit.target = ACC_TARGET_FPGA;
        unit.capacity = capacity + 1;
        program::set_name(unit.name, "huge");
        acc_kernel_desc kernel = {};
        kernel.target = ACC_TARGET_FPGA;
        kernel.unit = writer.add_unit(unit);
        kernel.kernarg_bytes = sizeof(acc_elementwise_f32_args);
        program::set_name(kernel.name, "huge");
        writer.add_kernel(kernel);
        struct {
            acc_fpga_image header = {ACC_FPGA_MAGIC, 1, 1, 0};
            acc_fpga_kernel kernel = {};
        } content;
        program::set_name(content.kernel.role, ACC_ROLE_RELU_F32);
        const auto bytes = std::as_bytes(std::span(&content, 1));
        writer.set_image(ACC_TARGET_FPGA, {bytes.begin(), bytes.end()});
        expect_refused(finish(writer), -ENOSPC);
        return;
    }
    default: {
        // Arrays of at least one cell: so many 2-bit weights do not fit, whatever the geometry
        // is up to 128 x 128 with 8-bit cells.
        const uint64_t rows = 2048, cols = (capacity + 1) * 128 * 128 / 2 / rows + 128;
        if (rows * cols > effort(1u << 26))
            GTEST_SKIP() << "slots of this device are too big to overfill";
        weights.resize(rows * cols);
        program::MatrixSpec matrix;
        matrix.name = "huge";
        matrix.rows = uint32_t(rows);
        matrix.cols = uint32_t(cols);
        matrix.weights = weights;
        matrix.weight_bits = 8;
        image = program::crossbar_program({&matrix, 1}, &why);
        ASSERT_TRUE(image) << why;
        expect_refused(*image, -ENOSPC);
    }
    }
}

TEST_F(UapiLimits, KernelWithTooManyArguments)
{
    expect_refused(smallest(accel().limits().max_kernarg_bytes + 16), -EINVAL);
    drm_acc_program_load args;
    EXPECT_EQ(load_program(accel(), smallest(0), args), 0) << args.why;
    drm_acc_program_unload unload = {};
    unload.program = args.program;
    EXPECT_EQ(accel().call(DRM_IOCTL_ACC_PROGRAM_UNLOAD, unload), 0);
}

TEST_F(UapiLimitsNull, ProgramWithTooManyKernels)
{
    constexpr uint32_t most = 1u << 16; // kernel objects of one program
    std::vector<std::string> names;
    for (uint32_t i = 0; i <= most; i++)
        names.push_back("noop" + std::to_string(i));
    const auto image = [&](uint32_t kernels) {
        program::ProgramWriter writer;
        acc_unit_desc unit = {};
        unit.target = ACC_TARGET_NULL;
        program::set_name(unit.name, "unit");
        const uint32_t index = writer.add_unit(unit);
        acc_null_kernel op = {};
        program::set_name(op.op, ACC_NULL_NOOP);
        std::vector<std::byte> ops(kernels * sizeof op);
        for (uint32_t i = 0; i < kernels; i++) {
            acc_kernel_desc kernel = {};
            kernel.target = ACC_TARGET_NULL;
            kernel.unit = index;
            program::set_name(kernel.name, names[i]);
            writer.add_kernel(kernel);
            std::memcpy(ops.data() + i * sizeof op, &op, sizeof op);
        }
        writer.set_image(ACC_TARGET_NULL, std::move(ops));
        return finish(writer);
    };
    expect_refused(image(most + 1), -EINVAL);
    Program biggest(accel(), image(most));
    EXPECT_EQ(biggest.kernels(), most);
    EXPECT_EQ(biggest.query(most - 1).kernel_object, biggest.kernel(most - 1));
    Program next(accel(), {ACC_NULL_NOOP});
    EXPECT_GE(next.kernel(0), biggest.kernel(most - 1) + 1) << "no object is of both";
}

// Equal units in one slot: pins are counted, not slots.
TEST_F(UapiLimits, PinsOfAFile)
{
    if (accel().slots() < 2) GTEST_SKIP() << "one slot: nothing can be pinned";
    const uint32_t most = accel().limits().max_pins;
    ASSERT_NE(most, 0u);
    const std::vector<std::byte> image = smallest(0);
    std::vector<std::unique_ptr<Program>> programs;
    for (uint32_t i = 0; i <= most; i++)
        programs.push_back(std::make_unique<Program>(accel(), image));
    for (uint32_t i = 0; i < most; i++)
        ASSERT_EQ(programs[i]->pin(0), 0) << i;
    EXPECT_EQ(programs[most]->pin(0), -E2BIG);
    EXPECT_EQ(programs[most]->pin(DRM_ACC_ALL_KERNELS), -E2BIG);
    EXPECT_EQ(programs[most]->query().pinned, 0u);
    EXPECT_EQ(programs[0]->pin(0), 0) << "again is not another unit";
    EXPECT_EQ(programs[0]->pin(0, false), 0);
    EXPECT_EQ(programs[most]->pin(0), -E2BIG) << "it has one pin left";
    EXPECT_EQ(programs[0]->pin(0, false), 0);
    EXPECT_EQ(programs[most]->pin(0), 0);
}

// All kernels at once: all of their units, or none.
TEST_F(UapiLimitsNull, PinOfAllIsAllOrNone)
{
    const uint32_t slots = accel().slots();
    if (slots < 3) GTEST_SKIP() << "two slots: no two units can be pinned";
    Program many(accel(), null_units(slots));
    ASSERT_EQ(many.kernels(), slots);
    EXPECT_EQ(many.pin(DRM_ACC_ALL_KERNELS), -ENOSPC) << "one slot stays unpinned";
    for (uint32_t i = 0; i < slots; i++)
        EXPECT_EQ(many.query(i).pinned, 0u) << i;
    EXPECT_EQ(many.pin(DRM_ACC_ALL_KERNELS, false), -EINVAL);
    ASSERT_EQ(many.pin(1), 0);
    EXPECT_EQ(many.pin(DRM_ACC_ALL_KERNELS, false), -EINVAL) << "the others are not pinned";
    EXPECT_EQ(many.query(1).pinned, 1u) << "and it stays";
    EXPECT_EQ(many.pin(DRM_ACC_ALL_KERNELS), -ENOSPC);
    EXPECT_EQ(many.query(1).pinned, 1u);
    EXPECT_EQ(many.unload(), 0);

    Program fewer(accel(), null_units(slots - 1));
    EXPECT_EQ(fewer.pin(DRM_ACC_ALL_KERNELS), 0);
    for (uint32_t i = 0; i + 1 < slots; i++)
        EXPECT_EQ(fewer.query(i).pinned, 1u) << i;
    EXPECT_EQ(fewer.pin(DRM_ACC_ALL_KERNELS, false), 0);
    EXPECT_EQ(fewer.pin(0, false), -EINVAL);
}

} // namespace

} // namespace acc::conformance
