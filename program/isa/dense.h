// SPDX-License-Identifier: MIT
//
// Lowers a chain of dense layers (Gemm and an activation) to a program of instructions: an
// example of what a compiler does with program.h, and the network of the benchmarks.
//
// Each rows x cols block of a layer's weights has an MVM unit; the units of a column of blocks
// lie side by side. The first core of a column adds up what the others find, in the order of
// tiles and cores, adds the bias, applies the activation and stores the result for the next
// layer. Words cross tiles in messages whose order is the same for everybody, which is why the
// control units cannot wait for each other in a circle.
//
// Thread safety: no state.
#pragma once

#include "program/isa/program.h"

#include <cstdint>
#include <span>
#include <string>

namespace acc::isa
{

enum class Activation : uint8_t { None, Relu, Sigmoid, Tanh };

struct Dense {
    uint32_t inputs = 0, outputs = 0;
    std::span<const int16_t> weights; // row-major [inputs][outputs]; empty: for timing alone
    std::span<const int16_t> bias;    // [outputs] words; empty: none
    Activation activation = Activation::None;
};

// One kernel of this name, whose ports are "x0", "x1" … (inputs, `cols` words each but for
// the last) and then "y0", "y1" … (outputs). -EINVAL, and `why` names what was expected and
// found: sizes that don't follow on each other, an arch whose rows and cols differ, too little
// memory, registers, FIFOs or instructions.
Result<Program> lower_dense(const arch::Arch &arch, std::span<const Dense> layers,
                            const std::string &name, std::string *why);

} // namespace acc::isa
