// SPDX-License-Identifier: MIT
//
// Calibration data: items for each input of a graph.
#pragma once

#include "tools/accc/diagnostics.h"
#include "tools/accc/ir/graph.h"

#include <span>
#include <string>
#include <vector>

namespace acc::accc
{

struct Samples {
    size_t items = 0;
    bool made_up = false;                   // random, for want of data
    std::vector<std::vector<float>> inputs; // [input][item * elements]

    // One item as evaluate() wants it.
    std::vector<std::span<const float>> item(size_t index) const;
};

// Reads .npy files of float32 [n, …], one for each input: FILE when there is one input,
// NAME=FILE otherwise. All have the same n.
Result<Samples> read_samples(const Graph &graph, std::span<const std::string> files,
                             Diagnostics &diag);

// `items` random ones, uniform in 0 … 1, always the same.
Samples random_samples(const Graph &graph, size_t items);

} // namespace acc::accc
