// SPDX-License-Identifier: MIT
//
// The insides of dataflow.h: what each node is cut into, where it is, and the order of messages.
#pragma once

#include "program/isa/dataflow.h"

#include <algorithm>
#include <map>

namespace acc::isa::dataflow
{

// What one core reads of what one core makes: channels [c0, c1) of an image, in a ring of rows
// in the reader's tile. A row is `w` pixels between its padding; that and `pad_row` stay valid.
struct Part {
    uint32_t maker = 0, owner = 0; // node, and which of its owners
    uint32_t reader = 0, core = 0; // node, and which of its cores
    int32_t join = -1;             // of the reader's `then`; -1: its window
    uint32_t c0 = 0, c1 = 0;       // of the maker's channels
    uint32_t h = 1, w = 1;
    uint32_t left = 0, right = 0; // pixels of padding
    bool pads_rows = false;
    bool takes = false;             // each word is read once: loads take it
    uint32_t rows = 1;              // of the ring
    uint32_t base = 0, pad_row = 0; // addresses
    bool remote = false;            // from another tile
    uint32_t staged = 0;            // address there of rows on their way, kStagedRows
    bool direct = false;            // a port of the client's fills it

    uint32_t channels() const { return c1 - c0; }
    uint32_t pitch() const { return (left + w + right) * channels(); }
    uint32_t row_words() const { return w * channels(); }
    // Of the first real pixel of a row.
    uint32_t row(uint32_t y) const { return base + y % rows * pitch() + left * channels(); }
    uint32_t staged_row(uint32_t y) const;
};

inline std::string number(uint64_t value)
{
    return std::to_string(value);
}

inline constexpr uint32_t kStagedRows = 2;
// Of an average pool, that requant takes at a time.
inline constexpr uint32_t kAverageChannels = 64;

inline uint32_t Part::staged_row(uint32_t y) const
{
    return staged + y % kStagedRows * row_words();
}

// Weights of one MVM unit: channels [c0, c1) of the operand, columns [n0, n1).
struct UnitCut {
    uint32_t c0 = 0, c1 = 0, n0 = 0, n1 = 0;
    uint32_t core = 0, unit = 0; // of the node's cores
    uint32_t block = 0;          // units of a block add up
};

struct CoreCut {
    uint32_t core = 0; // in the tile
    std::vector<uint32_t> units;
    std::vector<uint32_t> parts; // of the window, in the order of channels; then of joins
    // Output channels that it makes; c0 = c1: none.
    uint32_t c0 = 0, c1 = 0;
    uint32_t parameters = 0; // address of what requant and join read
    bool owner() const { return c1 > c0; }
};

struct NodeCut {
    Shape in;
    uint32_t tile = 0;
    std::vector<UnitCut> units;
    std::vector<CoreCut> cores;
    std::vector<uint32_t> owners; // cores
    std::vector<uint32_t> feeds;  // parts
    // What a core has found for a block of another: address, by (block, core).
    std::map<std::pair<uint32_t, uint32_t>, uint32_t> partials;
    uint32_t port = 0;               // address of the item that a port brings or takes
    bool direct = false;             // an Input without a core
    std::vector<uint32_t> output_at; // by owner
};

struct Plan {
    std::vector<Node> nodes;
    std::vector<NodeCut> cuts;
    std::vector<Part> parts;
    uint32_t tiles = 0;
    struct Message {
        uint32_t part = 0, row = 0;
    };
    std::vector<Message> messages;
};

// Units in an order in which those of a block follow each other.
std::vector<UnitCut> cut_product(const arch::Arch &arch, const Shape &in, const Node &node);
// Each says what was expected and found, or nothing.
std::string cut(const arch::Arch &arch, Plan &plan);
std::string place(const arch::Arch &arch, Plan &plan);
// Runs an item row by row. With `measure` rings are as long as they must be, and then become so.
std::string order(Plan &plan, bool measure);
std::string write(const arch::Arch &arch, const Plan &plan, Program &program,
                  std::vector<PortUse> &ports);

// Words of a core's parameters: requant's of its channels, join's.
std::vector<int16_t> parameters(const Node &node, const CoreCut &core);

inline uint32_t last_row(const Node &node, uint32_t oy, uint32_t h)
{
    const int64_t y = int64_t{oy} * node.window.stride[0] - node.window.pad[0] +
                      int64_t{node.window.kernel[0] - 1} * node.window.dilation[0];
    return static_cast<uint32_t>(std::min<int64_t>(std::max<int64_t>(y, -1), int64_t{h} - 1) + 1);
}
// Rows of an image that no window after output row oy needs.
inline uint32_t done_rows(const Node &node, uint32_t oy, uint32_t h)
{
    if (oy + 1 == node.out.h) return h;
    const int64_t y = int64_t{oy + 1} * node.window.stride[0] - node.window.pad[0];
    return static_cast<uint32_t>(std::min<int64_t>(std::max<int64_t>(y, 0), h));
}

} // namespace acc::isa::dataflow
