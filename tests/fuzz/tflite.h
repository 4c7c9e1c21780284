// SPDX-License-Identifier: MIT
//
// What is done with the bytes of a TensorFlow Lite file: import, and, where the graph is small,
// compile.
#pragma once

#include "tests/fuzz/onnx.h"
#include "tools/accc/import/tflite_import.h"

namespace acc::fuzz
{

std::vector<std::vector<std::byte>> tflite_seeds();

} // namespace acc::fuzz
