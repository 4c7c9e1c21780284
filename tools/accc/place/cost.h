// SPDX-License-Identifier: MIT
//
// What operations will cost on a crossbar of the default arch and in regions of the default
// clock: by the same functions that the emulator charges by (arch/costs.h, docs/crossbar.md, "Time
// and energy"; program/role_costs.h, docs/fpga.md).
#pragma once

#include "tools/accc/ir/graph.h"

#include <cstdint>

namespace acc::accc
{

struct ProductCost {
    double ns = 0, pj = 0;                 // of all vectors, one after the other
    double program_ns = 0, program_pj = 0; // of the matrix, once for each load
    double utilisation = 0;                // of the cells of its arrays, 0 … 1
};

// A matrix of rows x cols weights, `vectors` inputs of `input_bits`.
ProductCost product_cost(int64_t rows, int64_t cols, uint64_t vectors, uint32_t input_bits);

struct RoleCost {
    double ns = 0;
    double pj = 0; // as if every operand were read once
};

// An operation of the stage Lowered that a role does, for `batch` items; zeros for any other.
RoleCost role_cost(const Graph &graph, const Op &op, uint64_t batch = 1);

// What the emulator takes of real time, in ns, measured once on one core: of operations by kernels,
// for `batch` items, and of a program of instructions. Only for the choice between the two.
double emulated_ns(const Graph &graph, const Op &op, uint64_t batch);
double emulated_ns(uint64_t instructions, uint64_t accesses, uint64_t products, uint64_t macs,
                   uint64_t items);

} // namespace acc::accc
