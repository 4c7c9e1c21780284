// SPDX-License-Identifier: MIT
//
// Lowers a network of integers - products with stored weights over windows of images, pools, sums
// of two results - to one program of instructions that does an item at a time and several at once.
//
// Every node has cores of its own in one tile. An image goes from node to node pixel by pixel: who
// makes it stores each pixel into a ring of rows beside who reads it, one ring for each unit's
// channels, and so no two read the same words. Between tiles the rows are messages. Windows are
// peeked at where they lie, which is im2col, and rows are dropped when no window needs them any
// more. All messages of an item are in one order, that of a run of the network row by row with
// rings of these sizes: so nobody waits for each other in a circle. docs/crossbar-isa.md, "A
// network of images".
//
// Thread safety: no state.
#pragma once

#include "program/isa/program.h"

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace acc::isa::dataflow
{

struct Shape {
    uint32_t h = 1, w = 1, c = 1; // in memory: [h][w][c] words
    bool operator==(const Shape &) const = default;
    uint64_t words() const { return uint64_t{h} * w * c; }
};

// Over height and width; what is missing at the bottom and right follows from the result's size.
struct Window {
    uint32_t kernel[2] = {1, 1}, stride[2] = {1, 1}, dilation[2] = {1, 1}, pad[2] = {0, 0};
    uint32_t taps() const { return kernel[0] * kernel[1]; }
};

// What a result is limited to; the zero point is added before.
struct Limits {
    int32_t zero_point = 0, min = -32768, max = 32767;
};

// The result with another node's of the same shape: add_i8 of docs/quantisation.md.
struct Join {
    uint32_t other = 0; // a node
    int32_t factor = 0, other_factor = 0;
    int32_t zero = 0, other_zero = 0; // zero points of the operands
    int32_t shift = 1;
};

// After a node's own result: a sum with another, or limits alone.
struct Then {
    std::optional<Join> join;
    Limits limits;
};

enum class NodeKind : uint8_t { Input, Product, MaxPool, AveragePool, Copy };

struct Node {
    NodeKind kind = NodeKind::Copy;
    std::string name;
    uint32_t from = 0; // a node before it; of an Input: none
    Shape out;
    Window window;         // of Product and pools
    int16_t pad_value = 0; // of taps outside of the image
    // Product: row-major [kernel h][kernel w][in c][out c], and per output channel.
    std::span<const int8_t> weights;
    std::span<const int32_t> bias, multiplier, shift;
    Limits limits;
    uint32_t input_bits = 8;
    std::vector<Then> then;
    bool output = false; // somebody outside reads it
    bool bytes = true;   // of an Input or output: int8 in the client's memory, else int16
};

// What a port of the kernel has: elements from `offset` on of each item of the node's image.
struct PortUse {
    uint32_t node = 0;
    uint64_t offset = 0;
};

// Where a node is. No tile: its operand is a port's.
struct Place {
    uint32_t tile = 0;
    std::vector<uint32_t> cores;
    uint32_t units = 0;
};

struct Lowered {
    Program program;
    std::vector<PortUse> ports; // of the kernel's, in order
    std::vector<Place> places;  // of the nodes, in order
    // Nodes that were put behind outputs have the numbers after those; what each is a copy of.
    std::map<uint32_t, uint32_t> copied;
};

// MVM units that a product takes, without looking where.
uint32_t units_of(const arch::Arch &arch, const Shape &in, const Node &node);

// One kernel of this name; ports "x0" … are of Inputs and "y0" … of outputs. Nodes are in an
// order in which each comes after those that it reads. -EINVAL, and `why` names what was
// expected and found, where the network does not fit the arch.
Result<Lowered> lower(const arch::Arch &arch, std::span<const Node> nodes, const std::string &name,
                      std::string *why);

} // namespace acc::isa::dataflow
