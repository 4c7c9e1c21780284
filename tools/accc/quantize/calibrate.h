// SPDX-License-Identifier: MIT
//
// Ranges of values on calibration data, and the int8 scales that they give.
#pragma once

#include "tools/accc/ir/graph.h"
#include "tools/accc/quantize/samples.h"

#include <vector>

namespace acc::accc
{

// What int8 is to cover of a value. Always holds 0.
struct Range {
    float lo = 0;
    float hi = 0;
};

// The scale and zero point of a finite range: 255 steps from lo to hi, 0 exactly at the zero point.
Quant quant_of(const Range &range);

// How a range is taken from what was seen.
enum class Calibration {
    Auto,       // all, unless a narrower range halves the mean squared error
    MinMax,     // all
    Percentile, // without the outermost 0.01 % on either side
    Mse,        // the least mean squared error
};

// Whether calibrate() has a range to find: not where the model states all scales itself.
bool needs_ranges(const Graph &graph);

// For each value of a Physical graph the range to cover: all that was seen, or, where a few
// outliers would take the resolution from the rest, the part of it (at least half on either
// side of 0) whose int8 form has the smallest mean squared error.
std::vector<Range> calibrate(const Graph &graph, const Samples &samples,
                             Calibration method = Calibration::Auto);

} // namespace acc::accc
