// SPDX-License-Identifier: MIT
//
// TensorFlow -> graph, in stage Model: a frozen GraphDef (TF1), or a SavedModel (TF2), whose
// functions are inlined and whose variables are read from the TensorBundle beside it.
#pragma once

#include "tools/accc/import/onnx_import.h"

namespace acc::accc
{

// A frozen graph: variables are constants, inputs are placeholders, outputs are the nodes that
// nobody reads. -EINVAL with a text that names the cause.
Result<Graph> import_graphdef(std::span<const std::byte> bytes, const ImportOptions &options,
                              Diagnostics &diag);
// A saved_model.pb; options.folder is the folder that it lies in.
Result<Graph> import_saved_model(std::span<const std::byte> bytes, const ImportOptions &options,
                                 Diagnostics &diag);

} // namespace acc::accc
