// SPDX-License-Identifier: MIT
//
// Operations of a lowered graph as a network for a program of instructions (isa/dataflow.h).
//
// Thread safety: no state.
#pragma once

#include "program/isa/dataflow.h"
#include "tools/accc/ir/graph.h"

#include <span>
#include <string>
#include <vector>

namespace acc::accc
{

// Nodes point into the graph's constants.
struct Network {
    std::vector<isa::dataflow::Node> nodes;
    std::vector<ValueId> values;    // what each node is the result of
    std::vector<uint32_t> sources;  // nodes of the model
    std::vector<size_t> operations; // of the graph, that a node stands for: its last
};

// Whether a program can have the operation, if it has its neighbours.
bool can_be_instructions(const Graph &graph, const Op &op);

// Of the operations at these indices, in order. -EINVAL, and `why`, where shapes do not follow on
// each other or scales are too far apart.
Result<Network> make_network(const Graph &graph, std::span<const size_t> ops, std::string *why);

} // namespace acc::accc
