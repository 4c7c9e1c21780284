// SPDX-License-Identifier: MIT
#pragma once

#include <string>

namespace acc::test
{

// What a process of this program does instead of tests; its exit status.
int live(const std::string &how);

} // namespace acc::test
