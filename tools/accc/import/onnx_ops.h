// SPDX-License-Identifier: MIT
//
// Inside the ONNX importer: operators of older sets in the form of the newest.
#pragma once

#include "tools/accc/import/model_builder.h"

namespace acc::accc
{

// A node of the file with its attributes read. Attributes that are tensors became values.
struct OnnxNode {
    std::string op;
    int64_t opset = 0;
    host::Attrs attrs;
    std::map<std::string, ValueId> tensors;
    std::vector<ValueId> inputs;
    std::vector<bool> wanted;
    std::vector<std::optional<Declared>> declared;
};

// Adds the operators that a node stands for; their results, one for each of `wanted`.
Result<std::vector<ValueId>> add_onnx_node(ModelBuilder &b, OnnxNode node);
// Whether the importer knows an operator of ONNX's own domain.
bool onnx_knows(const std::string &op);
// The type that an attribute of that name has, as onnx::AttributeProto numbers it; 0: any.
int onnx_attr_type(const std::string &op, const std::string &name);
// The dtype of an onnx::TensorProto type; nothing for those that we have none for.
std::optional<DType> onnx_dtype(int type);

} // namespace acc::accc
