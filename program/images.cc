// SPDX-License-Identifier: MIT
#include "program/images.h"

#include "program/text.h"

namespace acc::program
{
namespace
{

struct Sized {
    std::string_view name;
    uint32_t bytes;
};

constexpr Sized kRoles[] = {
    {ACC_ROLE_QUANTIZE_F32_I8, sizeof(acc_quantize_args)},
    {ACC_ROLE_DEQUANTIZE_I8_F32, sizeof(acc_quantize_args)},
    {ACC_ROLE_REQUANTIZE_I32_I8, sizeof(acc_requantize_args)},
    {ACC_ROLE_REQUANTIZE_I32_I16, sizeof(acc_requantize_args)},
    {ACC_ROLE_IM2COL_I8, sizeof(acc_im2col_args)},
    {ACC_ROLE_MAXPOOL_I8, sizeof(acc_pool_args)},
    {ACC_ROLE_AVGPOOL_I8, sizeof(acc_pool_args)},
    {ACC_ROLE_ADD_I8, sizeof(acc_add_i8_args)},
    {ACC_ROLE_ADD_I16, sizeof(acc_add_i8_args)},
    {ACC_ROLE_CLIP_I8, sizeof(acc_clip_i8_args)},
    {ACC_ROLE_TABLE_I8, sizeof(acc_table_args)},
    {ACC_ROLE_MUL_I8, sizeof(acc_mul_i8_args)},
    {ACC_ROLE_CONCAT_I8, sizeof(acc_concat_args)},
    {ACC_ROLE_PERMUTE_I8, sizeof(acc_permute_args)},
    {ACC_ROLE_SOFTMAX_I8_F32, sizeof(acc_softmax_args)},
    {ACC_ROLE_ADD_F32, sizeof(acc_elementwise_f32_args)},
    {ACC_ROLE_MUL_F32, sizeof(acc_elementwise_f32_args)},
    {ACC_ROLE_RELU_F32, sizeof(acc_elementwise_f32_args)},
    {ACC_ROLE_CLIP_F32, sizeof(acc_elementwise_f32_args)},
    {ACC_ROLE_SOFTMAX_F32, sizeof(acc_softmax_args)},
    {ACC_ROLE_GEMM_I8, sizeof(acc_gemm_i8_args)},
    {ACC_ROLE_NOOP, 0},
    {ACC_ROLE_FFT_F32, sizeof(acc_fft_args)},
    {ACC_ROLE_SHA256, sizeof(acc_sha256_args)},
    {ACC_ROLE_SORT_I32, sizeof(acc_sort_args)},
    {ACC_ROLE_HISTOGRAM_U8, sizeof(acc_histogram_args)},
    {ACC_ROLE_FIR_I32, sizeof(acc_fir_args)},
    {ACC_ROLE_AES_CTR, sizeof(acc_aes_ctr_args)},
};

constexpr Sized kNullOps[] = {
    {ACC_NULL_NOOP, 0},
    {ACC_NULL_COPY, sizeof(acc_null_args)},
    {ACC_NULL_SPIN, sizeof(acc_null_args)},
    {ACC_NULL_FAIL, 0},
    {ACC_NULL_HANG, 0},
};

std::optional<uint32_t> find(std::span<const Sized> table, std::string_view name)
{
    for (const Sized &entry : table)
        if (entry.name == name) return entry.bytes;
    return std::nullopt;
}

int32_t weight_at(std::span<const std::byte> weights, uint64_t index, uint32_t bytes)
{
    if (bytes == 1) return static_cast<int8_t>(weights[index]);
    return load_struct<int16_t>(weights, index * 2);
}

std::string check_matrix(const acc_xbar_matrix &m, size_t image)
{
    const auto text = [](const char *expected, uint64_t found) {
        return std::string("expected ") + expected + "; found " + std::to_string(found);
    };
    if (m.rows < 1 || m.rows > kMaxMatrixDim) return text("1 to 2^20 rows", m.rows);
    if (m.cols < 1 || m.cols > kMaxMatrixDim) return text("1 to 2^20 columns", m.cols);
    if (m.weight_bits < 2 || m.weight_bits > 16) return text("2 to 16 weight bits", m.weight_bits);
    if (m.input_bits < 1 || m.input_bits > 16) return text("1 to 16 input bits", m.input_bits);
    if (m.output_bytes != 4 && m.output_bytes != 8)
        return text("outputs of 4 or 8 bytes", m.output_bytes);
    if (m.flags & ~ACC_XBAR_INPUT_SIGNED) return text("flags 0 or 1", m.flags);
    const uint64_t bytes = uint64_t{m.rows} * m.cols * (m.weight_bits <= 8 ? 1 : 2);
    if (m.data_bytes != bytes)
        return "expected " + std::to_string(bytes) + " bytes of weights; found " +
               std::to_string(m.data_bytes);
    if (!inside(m.data_offset, m.data_bytes, image))
        return "expected the weights inside the image of " + std::to_string(image) +
               " bytes; found " + std::to_string(m.data_bytes) + " at " +
               std::to_string(m.data_offset);
    return {};
}

// The checks that images with a 16-byte header share: magic, version, count, zero, table.
std::string check_header(std::span<const std::byte> image, uint32_t magic, const char *target,
                         size_t kernels, size_t entry, uint32_t version = 1)
{
    static_assert(sizeof(acc_fpga_image) == sizeof(acc_xbar_image));
    if (image.size() < sizeof(acc_xbar_image))
        return "expected an image header of 16 bytes; found " + std::to_string(image.size());
    const auto h = load_struct<acc_xbar_image>(image);
    if (h.magic != magic)
        return std::string("expected a ") + target + " image; found another magic";
    if (h.version != version)
        return "expected image version " + std::to_string(version) + "; found " +
               std::to_string(h.version);
    if (h.reserved) return "expected zero padding; found another";
    if (h.matrices != kernels)
        return "expected an entry for each of " + std::to_string(kernels) + " kernels; found " +
               std::to_string(h.matrices);
    if (!inside(sizeof(h), h.matrices * uint64_t{entry}, image.size()))
        return "expected " + std::to_string(h.matrices) + " entries of " + std::to_string(entry) +
               " bytes inside the image of " + std::to_string(image.size()) +
               " bytes; found its end";
    return {};
}

// Names at a stride of ACC_NAME_BYTES, as views into the image.
Result<std::vector<std::string_view>> names_at(std::span<const std::byte> table, size_t count,
                                               std::string *why)
{
    std::vector<std::string_view> names;
    for (size_t i = 0; i < count; i++) {
        const auto entry = load_struct<acc_null_kernel>(table, i * ACC_NAME_BYTES);
        if (!is_name(entry.op))
            return refuse(why, -EINVAL,
                          "kernel " + std::to_string(i) + ": expected a NUL-padded name; found \"" +
                              printable(entry.op) + "\"");
        names.emplace_back(reinterpret_cast<const char *>(table.data()) + i * ACC_NAME_BYTES,
                           name_of(entry.op).size());
    }
    return names;
}

} // namespace

int32_t XbarMatrix::weight(uint32_t row, uint32_t col) const
{
    return weight_at(weights, uint64_t{row} * desc.cols + col, weight_bytes());
}

Result<XbarMatrix> parse_xbar_matrix(std::span<const std::byte> image, uint64_t offset,
                                     std::string *why)
{
    if (!inside(offset, sizeof(acc_xbar_matrix), image.size()))
        return refuse(why, -EINVAL,
                      "expected a matrix inside the image of " + std::to_string(image.size()) +
                          " bytes; found offset " + std::to_string(offset));
    XbarMatrix m;
    m.desc = load_struct<acc_xbar_matrix>(image, offset);
    const std::string bad = check_matrix(m.desc, image.size());
    if (!bad.empty()) return refuse(why, -EINVAL, bad);
    m.weights = image.subspan(m.desc.data_offset, m.desc.data_bytes);
    const int32_t limit = 1 << (m.desc.weight_bits - 1);
    const uint64_t count = uint64_t{m.desc.rows} * m.desc.cols;
    for (uint64_t k = 0; k < count; k++) {
        const int32_t w = weight_at(m.weights, k, m.weight_bytes());
        if (w < -limit || w >= limit)
            return refuse(why, -EINVAL,
                          "expected weights of " + std::to_string(m.desc.weight_bits) +
                              " bits; found " + std::to_string(w));
    }
    return m;
}

Result<std::vector<XbarMatrix>> parse_xbar_image(std::span<const std::byte> image, size_t kernels,
                                                 std::string *why)
{
    const std::string text =
        check_header(image, ACC_XBAR_MAGIC, "crossbar", kernels, sizeof(acc_xbar_matrix));
    if (!text.empty()) return refuse(why, -EINVAL, text);
    std::vector<XbarMatrix> matrices(kernels);
    for (size_t i = 0; i < kernels; i++) {
        std::string bad;
        auto m =
            parse_xbar_matrix(image, sizeof(acc_xbar_image) + i * sizeof(acc_xbar_matrix), &bad);
        if (!m) return refuse(why, -EINVAL, "matrix " + std::to_string(i) + ": " + bad);
        matrices[i] = *m;
    }
    return matrices;
}

bool has_xbar_kinds(std::span<const std::byte> image)
{
    return image.size() >= sizeof(acc_xbar_image) &&
           load_struct<acc_xbar_image>(image).version == ACC_XBAR_VERSION_KINDS;
}

Result<XbarKernels> parse_xbar_kernels(std::span<const std::byte> image, size_t kernels,
                                       std::string *why)
{
    const std::string text = check_header(image, ACC_XBAR_MAGIC, "crossbar", kernels,
                                          sizeof(acc_xbar_kernel), ACC_XBAR_VERSION_KINDS);
    if (!text.empty()) return refuse(why, -EINVAL, text);
    const auto refuse_kernel = [&](size_t k, const std::string &what) {
        return refuse(why, -EINVAL, "kernel " + std::to_string(k) + ": " + what);
    };
    XbarKernels out;
    size_t programs = 0;
    for (size_t k = 0; k < kernels; k++) {
        const auto entry = load_struct<acc_xbar_kernel>(image, sizeof(acc_xbar_image) +
                                                                   k * sizeof(acc_xbar_kernel));
        XbarKernel &kernel = out.kernels.emplace_back();
        kernel.kind = entry.kind;
        kernel.program = entry.program;
        if (entry.kind == ACC_XBAR_KIND_MATRIX) {
            std::string bad;
            auto matrix = parse_xbar_matrix(image, entry.offset, &bad);
            if (!matrix) return refuse_kernel(k, bad);
            kernel.matrix = *matrix;
        } else if (entry.kind == ACC_XBAR_KIND_ISA) {
            if (entry.program > programs)
                return refuse_kernel(k, "expected at most program " + std::to_string(programs) +
                                            ", for they are numbered as they appear; found " +
                                            std::to_string(entry.program));
            programs = std::max<size_t>(programs, size_t{entry.program} + 1);
            if (!inside(entry.offset, sizeof(acc_xisa_kernel), image.size()))
                return refuse_kernel(k, "expected it inside the image of " +
                                            std::to_string(image.size()) + " bytes; found offset " +
                                            std::to_string(entry.offset));
            kernel.isa = load_struct<acc_xisa_kernel>(image, entry.offset);
        } else {
            return refuse_kernel(k, "expected kind 1 or 2; found " + std::to_string(entry.kind));
        }
    }
    const uint64_t table = sizeof(acc_xbar_image) + kernels * sizeof(acc_xbar_kernel);
    if (!inside(table, programs * sizeof(acc_xisa_program), image.size()))
        return refuse(why, -EINVAL,
                      "expected " + std::to_string(programs) + " programs inside the image of " +
                          std::to_string(image.size()) + " bytes; found its end");
    for (size_t p = 0; p < programs; p++)
        out.programs.push_back(
            load_struct<acc_xisa_program>(image, table + p * sizeof(acc_xisa_program)));
    return out;
}

Result<std::vector<std::string_view>> parse_fpga_image(std::span<const std::byte> image,
                                                       size_t kernels, std::string *why)
{
    static_assert(sizeof(acc_fpga_kernel) == ACC_NAME_BYTES);
    if (is_fpga_native(image)) {
        ACC_TRY(FpgaNative native, parse_fpga_native(image, kernels, why));
        return std::move(native.roles);
    }
    const std::string text =
        check_header(image, ACC_FPGA_MAGIC, "fpga", kernels, sizeof(acc_fpga_kernel));
    if (!text.empty()) return refuse(why, -EINVAL, text);
    return names_at(image.subspan(sizeof(acc_fpga_image)), kernels, why);
}

Result<std::vector<std::string_view>> parse_null_image(std::span<const std::byte> image,
                                                       size_t kernels, std::string *why)
{
    static_assert(sizeof(acc_null_kernel) == ACC_NAME_BYTES);
    if (image.size() / sizeof(acc_null_kernel) != kernels || image.size() % sizeof(acc_null_kernel))
        return refuse(why, -EINVAL,
                      "expected " + std::to_string(kernels) + " kernels of 48 bytes; found " +
                          std::to_string(image.size()) + " bytes");
    return names_at(image, kernels, why);
}

std::optional<uint32_t> role_kernarg_bytes(std::string_view role)
{
    return find(kRoles, role);
}

std::optional<uint32_t> null_kernarg_bytes(std::string_view op)
{
    return find(kNullOps, op);
}

} // namespace acc::program
