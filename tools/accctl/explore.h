// SPDX-License-Identifier: MIT
//
// accctl explore: a network on many devices that differ in their parameters.
#pragma once

#include "accctl.h"

#include <string>
#include <vector>

namespace acc::ctl
{

// One parameter and the values it takes, as the device's options have them.
struct Axis {
    std::string key;
    std::vector<std::string> values;
};

// "adc_bits=6:10", "rows=64,128", "prog_sigma=0:0.05:0.01". False and `why` for anything else.
bool parse_axis(const std::string &text, Axis &axis, std::string &why);

// Points have the members of their axes (text), "accuracy" (per cent, or null), "latency_us",
// "energy_nj", "tiles", "arrays", "saturations"; or "error".
std::string csv_of(const std::vector<Axis> &axes, const std::vector<Json> &points);
// A page that needs nothing else: the plots, and a table of all points.
std::string html_of(const std::string &title, const std::vector<Axis> &axes,
                    const std::vector<Json> &points);
// Accuracy against the first axis, a line for each combination of the others.
std::string svg_of(const std::string &title, const std::vector<Axis> &axes,
                   const std::vector<Json> &points);

} // namespace acc::ctl
