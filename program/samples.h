// SPDX-License-Identifier: MIT
//
// Programs made of nothing but kernels, for tests, benchmarks and examples, which have
// no network to compile. All return -EINVAL with a text for what ProgramFile refuses.
#pragma once

#include "acc/kernels.h"
#include "acc/program.h"
#include "common/result.h"
#include "program/program_writer.h"

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace acc::program
{

// A matrix of a crossbar program, which becomes a kernel of the same name.
struct MatrixSpec {
    std::string_view name;
    uint32_t rows = 0;                // inputs
    uint32_t cols = 0;                // outputs
    std::span<const int16_t> weights; // row-major [rows][cols], within weight_bits
    uint16_t weight_bits = 8;
    uint16_t input_bits = 8;
    uint16_t output_bytes = 4;
    bool input_signed = true;

    // Without the weights' place.
    acc_xbar_matrix describe() const
    {
        acc_xbar_matrix desc{};
        desc.rows = rows;
        desc.cols = cols;
        desc.weight_bits = weight_bits;
        desc.input_bits = input_bits;
        desc.output_bytes = output_bytes;
        desc.flags = input_signed ? ACC_XBAR_INPUT_SIGNED : 0;
        desc.data_bytes = weights.size() * (weight_bits <= 8 ? 1 : 2);
        return desc;
    }
};

// Add a target's units, kernels and image to a writer, one call per target. Kernel k is
// entry k; the names of one call must differ.
//  - null: one unit; kernels have the ops' names (ACC_NULL_*; unknown ones take no
//    arguments, so that a test can see an engine refuse them)
//  - crossbar: one unit holds all matrices; capacity and load_bytes 0: the engine decides
//  - fpga: one unit and one kernel per role, named as the role; capacity and load_bytes 0
int add_null(ProgramWriter &writer, std::span<const std::string_view> ops);
int add_crossbar(ProgramWriter &writer, std::span<const MatrixSpec> matrices,
                 std::string *why = nullptr);
int add_fpga(ProgramWriter &writer, std::span<const std::string_view> roles,
             std::string *why = nullptr);

// Whole files with one target.
[[nodiscard]] Result<std::vector<std::byte>> null_program(std::span<const std::string_view> ops,
                                                          std::string *why = nullptr);
[[nodiscard]] Result<std::vector<std::byte>> crossbar_program(std::span<const MatrixSpec> matrices,
                                                              std::string *why = nullptr);
[[nodiscard]] Result<std::vector<std::byte>> fpga_program(std::span<const std::string_view> roles,
                                                          std::string *why = nullptr);

} // namespace acc::program
