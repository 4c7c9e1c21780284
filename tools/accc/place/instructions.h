// SPDX-License-Identifier: MIT
//
// Products and their requantisations as programs of the crossbar's instructions
// (docs/crossbar-isa.md): a chain of them becomes one operation, launched by one packet, an item
// for each vector.
//
// Thread safety: no state.
#pragma once

#include "program/isa/program.h"
#include "tools/accc/diagnostics.h"
#include "tools/accc/ir/graph.h"

#include <cstdint>
#include <string>

namespace acc::accc
{

// Auto: instructions where the cost model says that a batch takes less time so. Instructions:
// wherever they can.
enum class LowerTo : uint8_t { Auto, Instructions, Kernels };

// What a program of the default arch takes, in ns of the model.
struct ProgramCost {
    double first_ns = 0;    // until the first item is through
    double interval_ns = 0; // from one item to the next: what its busiest stream takes
    double all_ns(uint64_t items) const
    {
        return first_ns + interval_ns * static_cast<double>(items - 1);
    }
};

// Replaces chains in a Lowered graph by operations of Kind::Program. A product that stays a
// kernel gets the reason into its source; with LowerTo::Instructions a warning says it too.
void lower_products(Graph &graph, LowerTo how, uint64_t batch, Diagnostics &diag);

// The program of a Program operation, for the default arch. -EINVAL, and `why`, where it does
// not fit a tile or a slot.
Result<isa::Program> make_program(const Graph &graph, const Op &op, const std::string &name,
                                  std::string *why);

// Precondition: streams without jumps, as make_program() writes them.
ProgramCost predict(const isa::Program &program);

// Of what layer k reads: 16 where it may be more than int8.
uint32_t input_bits(const Graph &graph, const Op &op, size_t k);

// Vectors of an item: how many items of a program a network's item is.
uint64_t vectors_of(const Graph &graph, const Op &op);

} // namespace acc::accc
