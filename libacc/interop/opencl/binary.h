// SPDX-License-Identifier: MIT
//
// Program binaries: an image (.accx) of what can be enqueued; or a line that says what it is and
// the bitcode of what is to be linked.
#pragma once

#include "libacc/interop/opencl/program.h"

#include <span>

namespace acc::ocl
{

// False, and `why`: it is neither.
bool read_binary(std::span<const unsigned char> bytes, Build &build, std::string &why);
// Empty: there is nothing yet.
std::vector<char> write_binary(const Build &build);

} // namespace acc::ocl
