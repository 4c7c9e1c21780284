// SPDX-License-Identifier: MIT
//
// The programs that tests load.
#include "tests/conformance/accel.h"

#include "acc/kernels.h"
#include "acc/program.h"
#include "program/program_writer.h"
#include "program/samples.h"

#include <cstring>
#include <iterator>

namespace acc::conformance
{

namespace
{

constexpr uint32_t work_items = 4;
constexpr uint64_t input_offset = 1024, output_offset = 2048;

template <typename T>
T *at(std::byte *page, uint64_t offset = 0)
{
    return reinterpret_cast<T *>(page + offset);
}
template <typename T>
const T *at(const std::byte *page, uint64_t offset)
{
    return reinterpret_cast<const T *>(page + offset);
}

std::vector<std::byte> finish(const program::ProgramWriter &writer)
{
    std::string why;
    auto image = writer.finish(&why);
    if (!image) give_up("a test's program: " + why, image.error());
    return std::move(*image);
}

// One unit with one kernel, in `writer`.
void add_single(program::ProgramWriter &writer, uint32_t target, const char *name,
                uint32_t kernarg_bytes, const uint8_t (&hash)[16])
{
    acc_unit_desc unit = {};
    unit.target = target;
    std::memcpy(unit.hash, hash, sizeof hash);
    std::strncpy(unit.name, name, sizeof unit.name - 1);
    acc_kernel_desc kernel = {};
    kernel.target = target;
    kernel.unit = writer.add_unit(unit);
    kernel.kernarg_bytes = kernarg_bytes;
    std::strncpy(kernel.name, name, sizeof kernel.name - 1);
    writer.add_kernel(kernel);
}

std::vector<std::byte> crossbar_image(unsigned variant)
{
    std::vector<int16_t> weights(work_items * work_items);
    for (uint32_t i = 0; i < work_items; i++)
        weights[i * work_items + i] = int16_t(1 + variant % 100);
    program::MatrixSpec matrix;
    matrix.name = "diagonal";
    matrix.rows = matrix.cols = work_items;
    matrix.weights = weights;
    std::string why;
    auto image = program::crossbar_program({&matrix, 1}, &why);
    if (!image) give_up("a test's crossbar program: " + why, image.error());
    return std::move(*image);
}

// Roles that take float in and give float out: the role is what makes a unit.
struct FpgaVariant {
    const char *role;
    float (*result)(float x);
};
constexpr FpgaVariant fpga_variants[] = {
    {ACC_ROLE_RELU_F32, [](float x) { return x > 0 ? x : 0; }},
    {ACC_ROLE_ADD_F32, [](float x) { return x + x; }},
    {ACC_ROLE_MUL_F32, [](float x) { return x * x; }},
    {ACC_ROLE_CLIP_F32, [](float x) { return x < -2  ? -2
                                             : x > 3 ? 3
                                                     : x; }},
    {ACC_ROLE_DEQUANTIZE_I8_F32, [](float x) { return x / 2; }},
};

std::vector<std::byte> fpga_image(unsigned variant)
{
    const std::string_view role = fpga_variants[variant].role;
    std::string why;
    auto image = program::fpga_program({&role, 1}, &why);
    if (!image) give_up("a test's FPGA program: " + why, image.error());
    return std::move(*image);
}

float fpga_input(uint32_t i)
{
    return float(i + 1) * (i % 2 ? -1.f : 1.f);
}

} // namespace

std::vector<std::byte> null_image(std::initializer_list<std::string_view> ops)
{
    std::string why;
    auto image = program::null_program({ops.begin(), ops.size()}, &why);
    if (!image) give_up("a test's null program: " + why, image.error());
    return std::move(*image);
}

std::vector<std::byte> null_image_hashed(uint8_t hash)
{
    program::ProgramWriter writer;
    const uint8_t bytes[16] = {hash};
    add_single(writer, ACC_TARGET_NULL, ACC_NULL_NOOP, 0, bytes);
    std::vector<std::byte> image(sizeof(acc_null_kernel));
    std::memcpy(image.data(), ACC_NULL_NOOP, sizeof ACC_NULL_NOOP);
    writer.set_image(ACC_TARGET_NULL, std::move(image));
    return finish(writer);
}

// ----------------------------------------------------------------------- Work

std::vector<std::byte> Work::image(uint32_t engine, unsigned variant)
{
    switch (engine) {
    case DRM_ACC_ENGINE_NULL:
        return null_image({ACC_NULL_COPY});
    case DRM_ACC_ENGINE_CROSSBAR:
        return crossbar_image(variant);
    case DRM_ACC_ENGINE_FPGA:
        return fpga_image(variant);
    default:
        give_up("expected engine 0, 1 or 2, found " + std::to_string(engine));
    }
}

void Work::prepare(uint32_t engine, unsigned variant, std::byte *page)
{
    const uint64_t input = address_of(page) + input_offset;
    const uint64_t output = address_of(page) + output_offset;
    switch (engine) {
    case DRM_ACC_ENGINE_NULL: {
        acc_null_args args = {};
        args.source = input;
        args.destination = output;
        args.size = work_items * sizeof(int32_t);
        *at<acc_null_args>(page) = args;
        for (uint32_t i = 0; i < work_items; i++)
            at<int32_t>(page, input_offset)[i] = int32_t(variant + i + 1);
        break;
    }
    case DRM_ACC_ENGINE_CROSSBAR: {
        acc_mvm_args args = {};
        args.input = input;
        args.output = output;
        args.vectors = 1;
        args.input_stride = args.output_stride = work_items;
        *at<acc_mvm_args>(page) = args;
        for (uint32_t i = 0; i < work_items; i++)
            at<int8_t>(page, input_offset)[i] = int8_t(i + 1);
        break;
    }
    default: {
        const bool dequantize = variant == std::size(fpga_variants) - 1;
        const std::string_view role = fpga_variants[variant].role;
        for (uint32_t i = 0; i < work_items; i++) {
            at<float>(page, input_offset)[i] = fpga_input(i);
            if (dequantize) at<int8_t>(page, input_offset)[i] = int8_t(fpga_input(i));
        }
        if (dequantize) {
            acc_quantize_args args = {};
            args.src = input;
            args.dst = output;
            args.count = work_items;
            args.scale = 0.5f;
            *at<acc_quantize_args>(page) = args;
            break;
        }
        acc_elementwise_f32_args args = {};
        args.a = input;
        args.dst = output;
        args.count = work_items;
        if (role == ACC_ROLE_ADD_F32 || role == ACC_ROLE_MUL_F32) {
            args.b = input;
            args.b_count = work_items;
        }
        if (role == ACC_ROLE_CLIP_F32) {
            args.min = -2;
            args.max = 3;
        }
        *at<acc_elementwise_f32_args>(page) = args;
    }
    }
}

Work::Work(Accel &accel, unsigned variant)
    : memory_(accel, page_bytes), engine_(accel.identity().engine), variant_(variant)
{
    program_ = std::make_unique<Program>(accel, image(engine_, variant));
    prepare(engine_, variant, memory_.at());
}

unsigned Work::variants(uint32_t engine)
{
    return engine == DRM_ACC_ENGINE_FPGA ? unsigned(std::size(fpga_variants)) : 100;
}

acc_packet Work::packet(acc_signal_memory *completion)
{
    acc_packet packet = {};
    packet.dispatch.header = ACC_HEADER(ACC_PACKET_DISPATCH, 0);
    packet.dispatch.setup = 1;
    packet.dispatch.workgroup_x = packet.dispatch.workgroup_y = packet.dispatch.workgroup_z = 1;
    packet.dispatch.grid_x = packet.dispatch.grid_y = packet.dispatch.grid_z = 1;
    packet.dispatch.kernel_object = program_->kernel();
    packet.dispatch.kernarg_address = memory_.address();
    packet.dispatch.completion_signal = address_of(completion);
    return packet;
}

void Work::clear(std::byte *page)
{
    std::memset(page + output_offset, 0xa5, work_items * sizeof(int32_t));
}

bool Work::is_right(uint32_t engine, unsigned variant, const std::byte *page)
{
    for (uint32_t i = 0; i < work_items; i++) {
        if (engine == DRM_ACC_ENGINE_FPGA) {
            if (at<float>(page, output_offset)[i] != fpga_variants[variant].result(fpga_input(i)))
                return false;
            continue;
        }
        const int32_t expected = engine == DRM_ACC_ENGINE_NULL
                                     ? int32_t(variant + i + 1)
                                     : int32_t((1 + variant % 100) * (i + 1));
        if (at<int32_t>(page, output_offset)[i] != expected) return false;
    }
    return true;
}

void Work::clear()
{
    clear(memory_.at());
}

bool Work::done_right() const
{
    return is_right(engine_, variant_, memory_.at());
}

} // namespace acc::conformance
