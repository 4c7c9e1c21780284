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

// What a pixel of 0 ... 255 is as a value: pixel * scale + offset.
struct ImageValues {
    float scale = 1, offset = 0;
};

// Reads .npy files of float32 [n, …] (an item that has several along its first axis takes them in
// turn, or [n, b, …] has an axis of items), one for each input: FILE when there is one input,
// NAME=FILE otherwise; an .npz of them by the inputs' names; an image, or a folder of images. All
// have the same n.
Result<Samples> read_samples(const Graph &graph, std::span<const std::string> files,
                             Diagnostics &diag, const ImageValues &pixels = {});

// `items` random ones, uniform in 0 … 1, always the same; fewer, but one, of a network that takes
// more than 2^31 multiplications for all of them.
Samples random_samples(const Graph &graph, size_t items);

} // namespace acc::accc
