// SPDX-License-Identifier: MIT
#pragma once

#include <string>
#include <vector>

namespace acc::ocl
{

// Runs a program (arguments[0], a path) in `folder`, without this process's descriptors, and waits
// for its end; what it writes is added to `log`. True: it ended with status 0. Thread-safe.
bool run_child(const std::vector<std::string> &arguments, const std::string &folder,
               std::string &log);

} // namespace acc::ocl
