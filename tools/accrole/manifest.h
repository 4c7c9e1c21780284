// SPDX-License-Identifier: MIT
//
// role.toml: what a design is, as docs/roles.md describes it.
#pragma once

#include "common/result.h"

#include <array>
#include <cstdint>
#include <string>
#include <vector>

namespace acc::role
{

struct Stream {
    std::string prefix; // of tdata, tvalid, tready and, if it is there, tlast
    bool input = true;
    bool last = false; // has tlast
    uint32_t data_bits = 0;
    std::string address, count; // arguments: where its tokens are, and how many
};

struct Argument {
    std::string name;
    uint32_t bytes = 8;
    uint32_t at = 0;              // in the kernel's arguments: in order, each aligned to its size
    int64_t register_offset = -1; // of the design; -1: none
};

struct Parameter {
    std::string name;
    int64_t value = 0;
};

struct Edge {
    std::string from, to; // stages, or "memory"
    uint32_t from_stream = 0, to_stream = 0, depth = 0;
};

struct Manifest {
    std::string folder;
    std::vector<Parameter> parameters; // of the top module
    std::string name, top, clock, reset;
    bool reset_active_low = true;
    std::vector<std::string> sources;   // in the folder
    std::array<uint64_t, 4> takes = {}; // of a region: LUTs, flip-flops, block memories, DSPs
    uint32_t region_class = 0;

    bool control = false; // AXI4-Lite
    std::string control_prefix, interrupt;

    bool memory = false;
    std::string memory_prefix;
    uint32_t memory_bits = 64, memory_latency = 16;

    std::vector<Stream> streams; // inputs first
    std::vector<Argument> arguments;
    uint32_t kernarg_bytes = 0;

    uint32_t inputs() const;
    const Argument *find(const std::string &argument) const;
};

// A folder: one design, or several as the stages of a graph.
struct Project {
    std::string name;
    std::vector<Manifest> designs;
    std::vector<Edge> edges; // of a graph of all the designs; none: no graph
    std::array<uint64_t, 4> takes() const;
    uint32_t region_class() const;                     // the largest that a design asks for
    uint32_t index_of(const std::string &stage) const; // ACC_FPGA_MEMORY: memory
};

// Reads FOLDER/role.toml. Every problem is one line "role.toml:LINE: …" of `why`.
Result<Project> read_project(const std::string &folder, std::string &why);

// The C++ source around the Verilated class `model`: a table `ops` in the namespace `model`_role.
std::string wrapper_source(const Manifest &manifest, const std::string &model);

} // namespace acc::role
