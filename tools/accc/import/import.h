// SPDX-License-Identifier: MIT
//
// Any model that accc reads, from a file or, for a SavedModel, a folder.
#pragma once

#include "tools/accc/import/onnx_import.h"

namespace acc::accc
{

// By what is in it: a TensorFlow Lite file says so, saved_model.pb is one, another .pb is a frozen
// GraphDef, anything else ONNX. The text of an error starts with the path.
Result<Graph> import_model_file(const std::string &path, ImportOptions options, Diagnostics &diag);

} // namespace acc::accc
