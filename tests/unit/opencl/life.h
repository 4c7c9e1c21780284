// SPDX-License-Identifier: MIT
#pragma once

#include <string>

namespace acc::test
{

// What a process of this program does instead of tests; its exit status.
int live(const std::string &how);
// The exit status of such a process, or -1 for a crash.
int run_self(const char *what);

} // namespace acc::test
