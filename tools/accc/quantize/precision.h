// SPDX-License-Identifier: MIT
//
// Mixed precision: which products get inputs of 16 bits.
#pragma once

#include "tools/accc/ir/graph.h"
#include "tools/accc/quantize/calibrate.h"

#include <set>
#include <span>
#include <string>
#include <vector>

namespace acc::accc
{

struct Precision {
    std::set<ValueId> wide;          // for lower(): what products are to read as int16
    std::vector<std::string> values; // their names, in the order in which they are made
    // The outputs' signal to quantisation noise, before a last softmax, estimated on calibration
    // data: with 8 bits everywhere, and with what was chosen.
    double narrow_db = 0, chosen_db = 0;
};

// Of a Physical graph. Each value that a product with constant weights reads is tried at 16 bits,
// all others at 8, and the gain in SQNR says how much the outputs depend on it. In that order
// they are made wide until the estimate is at least `sqnr_db`. Results of Conv and MatMul can be,
// and of Add with operands that can be and then are, where the model states no scale and the sums
// of all their products stay in 32 bits. `ranges` as calibrate() gives them; at most eight of the
// samples, spread over them, are looked at, and the first `outputs` of the graph's outputs.
Precision choose_precision(const Graph &graph, size_t outputs, std::span<const Range> ranges,
                           const Samples &samples, double sqnr_db);

} // namespace acc::accc
