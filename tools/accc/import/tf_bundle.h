// SPDX-License-Identifier: MIT
//
// Variables of a SavedModel: a TensorBundle, "variables/variables.index" and its data files. The
// index is a table of LevelDB's format: blocks of keys that share prefixes, a footer with the
// place of the index block.
#pragma once

#include "tools/accc/import/tf_graph.h"

namespace acc::accc
{

// Gives the reader the value of every variable that a node (VarHandleOp) names.
Status define_bundle(TfReader &reader, const std::vector<const tf::Node *> &nodes,
                     const tf::ObjectGraph &objects, const std::string &folder, Diagnostics &diag);

// The table's entries by key. Exposed for tests and fuzzing.
Result<std::map<std::string, std::string>> read_bundle_index(std::span<const std::byte> bytes,
                                                             Diagnostics &diag);

} // namespace acc::accc
