// SPDX-License-Identifier: MIT
#pragma once

#include "arch/arch.h"
#include "program/program_writer.h"
#include "tools/accc/diagnostics.h"
#include "tools/accc/ir/graph.h"
#include "tools/accc/place/place.h"

namespace acc::accc
{

// The program of a Lowered graph, but for its report: images, kernels, plan and constants.
// Programs of instructions are for this arch.
Result<program::ProgramWriter> emit(const Graph &graph, const MemoryPlan &memory,
                                    const arch::Arch &arch, Diagnostics &diag);

// a_mul, b_mul and shift of add_i8 for operands and a result of these scales.
struct AddFactors {
    int32_t a = 0, b = 0, shift = 1;
};
bool add_factors(double a_scale, double b_scale, double y_scale, AddFactors &factors);

} // namespace acc::accc
