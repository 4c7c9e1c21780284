// SPDX-License-Identifier: MIT
//
// ONNX -> graph. Opset 1 to 25 (before 7 where the operators have today's form: the attributes that
// they had then are refused), IR 3 to 13, operators of the default domain. What is not
// understood is refused by node, operator and attribute: nothing is guessed or ignored.
// The model is hostile until imported: sizes are checked before memory is taken for them.
#pragma once

#include "tools/accc/diagnostics.h"
#include "tools/accc/ir/graph.h"

#include <cstddef>
#include <map>
#include <span>
#include <string>

namespace acc::accc
{

inline constexpr int64_t kMinOpset = 1, kMaxOpset = 25;
inline constexpr int64_t kMinIr = 3, kMaxIr = 13;

struct ImportOptions {
    // Dims of inputs, batch included, over what the model says of them.
    std::map<std::string, Dims> shapes;
    // Where external data may lie; empty: nowhere.
    std::string folder;
};

// The graph in stage Model, or a text that names the cause. -EINVAL; -ENOMEM; what the
// system said of the file.
Result<Graph> import_onnx(std::span<const std::byte> bytes, const ImportOptions &options,
                          Diagnostics &diag);
// The same of a file, whose folder holds its external data.
Result<Graph> import_onnx_file(const std::string &path, ImportOptions options, Diagnostics &diag);

} // namespace acc::accc
