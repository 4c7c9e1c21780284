// SPDX-License-Identifier: MIT
//
// Lowers a chain of dense layers (Gemm and an activation) to a program of instructions: an
// example of what a compiler does with program.h, and the network of the benchmarks.
//
// Each rows x cols block of a layer's weights has an MVM unit; the units of a column of blocks
// lie side by side, those of another layer in other cores where tiles last. The first core of a
// column adds up what the others find, in the order of tiles and cores, adds the bias, applies
// the activation and stores the result for the next layer. Words cross tiles in messages whose
// order is the same for everybody, which is why the control units cannot wait for each other in a
// circle.
//
// Thread safety: no state.
#pragma once

#include "program/isa/program.h"

#include <cstdint>
#include <optional>
#include <span>
#include <string>

namespace acc::isa
{

enum class Activation : uint8_t { None, Relu, Sigmoid, Tanh };

// Makes integers of a layer's exact sums, per output, as requantize_i32_i8 of acc/kernels.h does:
// clamp(zero_point + requant(sum + bias, multiplier, shift), min, max), 0 <= multiplier,
// 1 <= shift <= 62. The zero point of inputs is in the bias.
struct Requantize {
    std::span<const int32_t> bias, multiplier, shift; // [outputs]
    int32_t zero_point = 0, min = -32768, max = 32767;
};

struct Dense {
    uint32_t inputs = 0, outputs = 0;
    std::span<const int16_t> weights; // row-major [inputs][outputs]; empty: for timing alone
    std::span<const int16_t> bias;    // [outputs] words; empty: none
    Activation activation = Activation::None;
    uint32_t weight_bits = 0, input_bits = 0; // of its units; 0: the arch's
    // Set: inputs, weights and outputs are integers, sums have 32 bits, and neither bias nor
    // activation is above.
    std::optional<Requantize> requantize = std::nullopt;
};

// Whether the items in the client's memory are int8: the ports are then InputBytes, OutputBytes.
struct DensePorts {
    bool input_bytes = false, output_bytes = false;
};

// One kernel of this name, whose ports are "x0", "x1" … (inputs, `cols` words each but for
// the last) and then "y0", "y1" … (outputs). -EINVAL, and `why` names what was expected and
// found: sizes that don't follow on each other, an arch whose rows and cols differ, too little
// memory, registers, FIFOs or instructions.
Result<Program> lower_dense(const arch::Arch &arch, std::span<const Dense> layers,
                            const std::string &name, std::string *why, DensePorts ports = {});

} // namespace acc::isa
