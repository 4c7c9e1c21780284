// SPDX-License-Identifier: MIT
//
// Parts of a lowered graph as programs of the crossbar's instructions (docs/crossbar-isa.md):
// products, their requantisations, pools, sums and limits that follow each other, launched by one
// packet. Operations of a program have its number (Op::program) and stand side by side.
//
// Thread safety: no state.
#pragma once

#include "program/isa/program.h"
#include "tools/accc/diagnostics.h"
#include "tools/accc/ir/graph.h"

#include <cstdint>
#include <string>
#include <utility>

namespace acc::accc
{

// Auto: instructions where the cost model says that a batch takes less time so. Instructions:
// wherever they can.
enum class LowerTo : uint8_t { Auto, Instructions, Kernels };

// What a program takes, in ns of the model.
struct ProgramCost {
    double first_ns = 0;    // until the first item is through
    double interval_ns = 0; // from one item to the next: what its busiest stream takes
    // For an item: instructions, accesses of shared memory, products of MVM units and what these
    // multiply.
    uint64_t instructions = 0, accesses = 0, products = 0, macs = 0;
    double all_ns(uint64_t items) const
    {
        return first_ns + interval_ns * static_cast<double>(items - 1);
    }
};

// What a port has of a value: elements from `offset` on, of items `stride` apart.
struct ProgramPort {
    ValueId value = 0;
    uint64_t offset = 0, stride = 0;
};

// A node of the model in a program.
struct ProgramLayer {
    uint32_t source = 0;
    size_t operation = 0; // of the graph
    uint32_t tile = 0, units = 0;
    std::vector<uint32_t> cores;
    uint64_t busy_cycles = 0; // of its busiest core for an item, predicted
};

struct CrossbarProgram {
    isa::Program program;
    std::vector<ProgramPort> ports;   // of its kernel's, in order
    std::vector<ProgramLayer> layers; // that have cores
    uint64_t items = 1;               // of it, for an item of the network
    ProgramCost cost;                 // of its items
};

// What lower_products() decides by.
struct LowerOptions {
    LowerTo how = LowerTo::Auto;
    uint64_t batch = 1;
    arch::Arch arch; // that programs are for
};

// Groups operations of a Lowered graph, which it puts side by side. A product that stays a kernel
// gets the reason into its source; with LowerTo::Instructions a warning says it too.
void lower_products(Graph &graph, const LowerOptions &lowering, Diagnostics &diag);

// The operations of each program, as [first, end) of graph.ops, in order.
std::vector<std::pair<size_t, size_t>> program_ranges(const Graph &graph);

// The program of the operations in [first, end). -EINVAL, and `why`, where it does not fit a tile
// or a slot.
Result<CrossbarProgram> make_program(const Graph &graph, std::pair<size_t, size_t> range,
                                     const arch::Arch &arch, const std::string &name,
                                     std::string *why);

// What an item takes. `busy`, if not null, gets the cycles of each stream of the kernel, without
// those that it waits for.
ProgramCost predict(const isa::Program &program, std::vector<uint64_t> *busy = nullptr);

} // namespace acc::accc
