// SPDX-License-Identifier: MIT
//
// TensorFlow Lite -> graph, in stage Model. One subgraph; images keep their channels last, and
// windows are given transpositions that the layout pass takes away. Quantised tensors become
// QuantizeLinear and DequantizeLinear around each operator.
#pragma once

#include "tools/accc/import/onnx_import.h"

namespace acc::accc
{

bool looks_like_tflite(std::span<const std::byte> bytes);
// -EINVAL with a text that names the cause.
Result<Graph> import_tflite(std::span<const std::byte> bytes, const ImportOptions &options,
                            Diagnostics &diag);

} // namespace acc::accc
