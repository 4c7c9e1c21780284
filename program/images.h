// SPDX-License-Identifier: MIT
//
// The sections .acc.image.*, read for an engine with every count, range and limit checked.
// All return -EINVAL with a text that says what was expected and what was found.
#pragma once

#include "acc/kernels.h"
#include "acc/program.h"
#include "common/result.h"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace acc::program
{

// Rows and columns of a matrix in the container.
inline constexpr uint32_t kMaxMatrixDim = 1u << 20;

// A matrix of a crossbar image. The weights are two's complement, row-major [rows][cols],
// of weight_bytes() each, at any alignment, and fit weight_bits.
struct XbarMatrix {
    acc_xbar_matrix desc{};
    std::span<const std::byte> weights; // in the image

    uint32_t weight_bytes() const { return desc.weight_bits <= 8 ? 1 : 2; }
    uint32_t input_bytes() const { return desc.input_bits <= 8 ? 1 : 2; }
    int32_t weight(uint32_t row, uint32_t col) const;
};

// Matrix k belongs to kernel k; `kernels` is their expected number.
Result<std::vector<XbarMatrix>> parse_xbar_image(std::span<const std::byte> image, size_t kernels,
                                                 std::string *why);

// The matrix whose struct acc_xbar_matrix is at `offset` of a version 2 image.
Result<XbarMatrix> parse_xbar_matrix(std::span<const std::byte> image, uint64_t offset,
                                     std::string *why);

// What the kernels of a version 2 image are, without their code (isa::parse_image() reads that).
struct XbarKernel {
    uint32_t kind = 0; // enum acc_xbar_kind
    XbarMatrix matrix;
    uint32_t program = 0; // of instructions: an index of `programs`
    acc_xisa_kernel isa{};
};
struct XbarKernels {
    std::vector<XbarKernel> kernels;
    std::vector<acc_xisa_program> programs;
};
bool has_xbar_kinds(std::span<const std::byte> image);
Result<XbarKernels> parse_xbar_kernels(std::span<const std::byte> image, size_t kernels,
                                       std::string *why);

// The role of each kernel, as views into the image, of either version. Roles may be unknown: the
// engine says.
Result<std::vector<std::string_view>> parse_fpga_image(std::span<const std::byte> image,
                                                       size_t kernels, std::string *why);

// An image of version 2. Views into it; names and numbers are checked, the code is anybody's.
struct FpgaNative {
    uint32_t kind = 0;                   // enum acc_fpga_code
    std::vector<std::string_view> roles; // by kernel
    std::vector<acc_fpga_register> registers;
    std::vector<acc_fpga_stage> stages;
    std::vector<acc_fpga_edge> edges;
    std::span<const std::byte> code;
};
bool is_fpga_native(std::span<const std::byte> image);
Result<FpgaNative> parse_fpga_native(std::span<const std::byte> image, size_t kernels,
                                     std::string *why);
// And back.
std::vector<std::byte> encode_fpga_native(const FpgaNative &native);

// The op of each kernel, as views into the image. Ops may be unknown: the engine says.
Result<std::vector<std::string_view>> parse_null_image(std::span<const std::byte> image,
                                                       size_t kernels, std::string *why);

// sizeof the kernargs of a behavioural role of acc/kernels.h; none for an unknown one.
std::optional<uint32_t> role_kernarg_bytes(std::string_view role);
// The same of an ACC_NULL_* op.
std::optional<uint32_t> null_kernarg_bytes(std::string_view op);

} // namespace acc::program
