// SPDX-License-Identifier: MIT
//
// accctl tile: what its files share.
#pragma once

#include "accctl.h"

#include <cstdint>
#include <string>

namespace acc::ctl
{

// "90s", "1.5h", "1d": a number and ns, us, ms, s, m, h, d, w or y (365 days). False and `why` for
// anything else, and for more than 2^63 ns.
bool parse_duration(const std::string &text, uint64_t &ns, std::string &why);

void add_picture_command(CLI::App &noun, Context &context);

} // namespace acc::ctl
