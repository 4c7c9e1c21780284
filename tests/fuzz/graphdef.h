// SPDX-License-Identifier: MIT
//
// What is done with the bytes of a GraphDef file: import, and, where the graph is small, compile.
#pragma once

#include "tests/fuzz/onnx.h"
#include "tools/accc/import/tf_import.h"

namespace acc::fuzz
{

std::vector<std::vector<std::byte>> graphdef_seeds();

} // namespace acc::fuzz
