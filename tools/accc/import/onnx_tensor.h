// SPDX-License-Identifier: MIT
//
// Constants of an ONNX model.
#pragma once

#include "tools/accc/diagnostics.h"
#include "tools/accc/ir/graph.h"

#include <onnx/onnx_pb.h>

#include <string>
#include <vector>

namespace acc::accc
{

struct OnnxTensor {
    DType dtype = DType::F32;
    Dims dims;
    std::string bytes; // of the elements
};

// `folder`: where external data may lie, below; empty: nowhere.
Result<OnnxTensor> decode_tensor(const onnx::TensorProto &proto, const std::string &folder,
                                 Diagnostics &diag);

// A regular file's bytes from `offset` on, `length` of them; all for npos.
Result<std::string> read_file(const std::string &path, uint64_t offset, uint64_t length,
                              Diagnostics &diag);

} // namespace acc::accc
