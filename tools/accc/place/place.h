// SPDX-License-Identifier: MIT
//
// Which engine runs an operation, and where its data is.
#pragma once

#include "acc/program.h"
#include "tools/accc/ir/graph.h"

#include <cstdint>
#include <string_view>
#include <vector>

namespace acc::accc
{

struct Placement {
    uint32_t target = ACC_TARGET_FPGA;
    std::string_view role; // of the FPGA's library; empty on the crossbar
    std::string_view reason;
};

// Precondition: an operation of the stage Lowered other than Reshape, which runs nowhere, and the
// type of its result.
Placement place(Kind kind, DType result = DType::I8);

// How a matrix is cut for a crossbar of 128 x 128 cells of 2 bits, each weight a
// differential pair of slices. The engine cuts by its own options; this is its default.
struct TileCut {
    uint32_t row_blocks = 0, col_blocks = 0, slices = 0;
    uint64_t arrays() const { return uint64_t{row_blocks} * col_blocks * slices * 2; }
};
TileCut cut_matrix(int64_t rows, int64_t cols, uint32_t weight_bits = 8);

// Where values are in the workspace, for a batch of one. Values that are never in use at
// the same time share memory; inputs and outputs keep theirs for the whole run.
struct MemoryPlan {
    std::vector<ValueId> root;    // the value whose memory a value has: another through Reshape
    std::vector<uint64_t> offset; // of roots, multiples of 64
    std::vector<uint64_t> bytes;  // of roots; 0: not in the workspace
    uint64_t workspace = 0;
    uint64_t unshared = 0; // what it would be if nothing were shared
};
MemoryPlan plan_memory(const Graph &graph);

// For each operation the last operations of the other targets that must be complete before
// it starts: it reads what they write, or its memory was theirs. Indices into graph.ops.
// Operations of one target run in order, so what an earlier one waited for is left out.
std::vector<std::vector<uint32_t>> plan_deps(const Graph &graph, const MemoryPlan &memory);

} // namespace acc::accc
