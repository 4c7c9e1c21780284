// SPDX-License-Identifier: MIT
//
// accemud --check-config: what the reader of the file can't know, and the summary.
#pragma once

#include "emulator/accemud/config.h"

#include <string>
#include <vector>

namespace acc::daemon
{

// Creates each device once and drops it. What is wrong with it, as the reader's problems.
std::vector<std::string> check_devices(const Config &config);

// What would be served, and to whom; lines for a person.
std::string summary(const Config &config);

} // namespace acc::daemon
