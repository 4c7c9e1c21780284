// SPDX-License-Identifier: MIT
//
// The compiler as a function: ONNX -> a program file. Its stages are in folders of their own:
// import, ir, passes, quantize, place, emit; reference holds the two interpreters.
#pragma once

#include "tools/accc/diagnostics.h"
#include "tools/accc/ir/graph.h"
#include "tools/accc/passes/passes.h"
#include "tools/accc/place/cost.h"
#include "tools/accc/place/instructions.h"
#include "tools/accc/quantize/calibrate.h"
#include "tools/accc/quantize/precision.h"
#include "tools/accc/quantize/samples.h"

#include <cstddef>
#include <span>
#include <string>
#include <vector>

namespace acc::accc
{

// What became of a node of the model.
struct NodeReport {
    std::string node, op;
    std::string engine; // "crossbar", "fpga", both with "+", or "-" when nothing runs
    std::vector<std::string> kernels;
    std::string reason;
    std::string rounding; // how integers of a wider type or another scale become its result's
    std::string cut;      // of a matrix: "1x1 blocks of 128x128, 4 slices, pairs"
    uint64_t arrays = 0;  // crossbars of the default configuration
    int input_bits = 8;   // of a product on the crossbar
    ProductCost cost;     // predicted, of its product on the crossbar, for one item
    RoleCost roles;       // predicted, of its roles of the FPGA, one after the other
    uint64_t macs = 0;    // for one item
    uint64_t weight_bytes = 0;
    uint64_t moved_bytes = 0; // read and written, for one item
};

// How the int8 program compares with the float model on the calibration data.
struct OutputReport {
    std::string name;
    double max_error = 0, mean_error = 0; // absolute
    double sqnr_db = 0;                   // of the signal to the quantisation's noise
    double agreement = 0;                 // items whose largest value is the same one, 0 … 1
};

// A chain of products that is one packet on the crossbar.
// Of a program, a node of the model: where it is, and what its busiest core does for an item.
struct LayerReport {
    std::string node, op;
    uint32_t tile = 0, cores = 0, units = 0;
    uint64_t busy_cycles = 0; // predicted
};

struct ProgramReport {
    std::string node;              // the first
    size_t layers = 0;             // products
    uint32_t tiles = 0, units = 0; // MVM units with weights
    uint64_t items = 0;            // of the program, of an item of the network
    ProgramCost cost;              // predicted
    std::vector<LayerReport> nodes;
};

struct CompileReport {
    std::string model;
    std::vector<NodeReport> nodes;
    std::vector<OutputReport> outputs;
    std::vector<ProgramReport> programs;
    Precision precision;
    size_t items = 0;           // of calibration data
    bool made_up_items = false; // random, for want of data
    uint64_t steps = 0, deps = 0;
    uint64_t workspace_bytes = 0, unshared_bytes = 0, const_bytes = 0, weight_bytes = 0;
    uint64_t arrays = 0, macs = 0;
    ProductCost cost; // the sum of the nodes'; utilisation is of all their arrays
    RoleCost roles;   // the sum of the nodes'

    std::string json() const; // what .acc.report holds
    std::string text() const; // a table for a terminal
    std::string html() const; // a page that needs nothing else
};

struct Compiled {
    std::vector<std::byte> file;
    CompileReport report;
};

struct CompileOptions {
    bool host_only = false; // every node on the host, in float, as the model has it
    bool strict = false;    // refuse a graph of which a node would run on the host
    // Every float or int8 value that is computed is an output, by its name; on the engines those
    // that are not fused into another.
    bool all_outputs = false;
    Calibration calibration = Calibration::Auto;
    // Products get 16-bit inputs, those first that the outputs depend on most, until the estimate
    // of the outputs' SQNR is this many dB (quantize/precision.h); 0: 8 bits everywhere.
    double min_sqnr_db = 0;
    // Of products on the crossbar, and what follows them there.
    LowerTo lowering = LowerTo::Kernels;
    uint64_t batch = 1; // items that run together, for which LowerTo::Auto decides
    arch::Arch arch;    // that programs of instructions are for
};

// Compiles a graph in stage Model. Items of `samples` set the ranges and are what the result
// is compared on. `after` (may be empty) sees the graph after each pass.
Result<Compiled> compile(Graph graph, const Samples &samples, Diagnostics &diag,
                         const AfterPass &after = {}, const CompileOptions &options = {});

// Names of all passes, as `after` gets them.
std::vector<std::string> pass_names();

} // namespace acc::accc
