// SPDX-License-Identifier: MIT
//
// Inside the emitter: the kernel arguments of one step and what is patched into them.
#pragma once

#include "acc/kernels.h"
#include "program/model.h"
#include "tools/accc/ir/graph.h"
#include "tools/accc/place/instructions.h"

#include <cstring>
#include <functional>
#include <vector>

namespace acc::accc
{

// What a step's arguments refer to, resolved by the emitter.
struct Resolver {
    std::function<uint32_t(ValueId)> tensor;   // index in the plan's tensors
    std::function<uint64_t(ValueId)> constant; // offset in .acc.const
};

struct Kernargs {
    std::vector<std::byte> bytes;
    std::vector<acc_model_reloc> relocs;
};

// Precondition: an operation of the stage Lowered other than Reshape. False when an
// addition's scales are too far apart.
bool make_kernargs(const Graph &graph, const Op &op, const Resolver &resolve, Kernargs &out);

// Those of a program.
void program_kernargs(const CrossbarProgram &program, const Resolver &resolve, Kernargs &out);

} // namespace acc::accc
