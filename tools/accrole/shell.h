// SPDX-License-Identifier: MIT
//
// Runs other programs.
#pragma once

#include <string>
#include <vector>

namespace acc::role
{

// Waits for it; its output goes where ours does, all of it to stderr. Its exit status, 128 +
// signal, or -errno when it could not be started.
int run(const std::vector<std::string> &command);

// What a program prints on stdout, without the last newline; empty when it fails.
std::string output_of(const std::vector<std::string> &command);

} // namespace acc::role
