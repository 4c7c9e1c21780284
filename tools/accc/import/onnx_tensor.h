// SPDX-License-Identifier: MIT
//
// Constants of an ONNX model.
#pragma once

#include "tools/accc/diagnostics.h"
#include "tools/accc/ir/graph.h"

#include <onnx/onnx_pb.h>

#include <string>
#include <variant>
#include <vector>

namespace acc::accc
{

// Floats of any width as float, integers and booleans as int64.
struct Tensor {
    Dims dims;
    std::variant<std::vector<float>, std::vector<int64_t>> data;

    bool is_float() const { return data.index() == 0; }
    std::vector<float> &floats() { return *std::get_if<0>(&data); }
    std::vector<int64_t> &ints() { return *std::get_if<1>(&data); }
    const std::vector<float> &floats() const { return *std::get_if<0>(&data); }
    const std::vector<int64_t> &ints() const { return *std::get_if<1>(&data); }
};

// `folder`: where external data may lie, below; empty: nowhere. Refuses values that are
// not finite.
Result<Tensor> decode_tensor(const onnx::TensorProto &proto, const std::string &folder,
                             Diagnostics &diag);

// A regular file's bytes from `offset` on, `length` of them; all for npos.
Result<std::string> read_file(const std::string &path, uint64_t offset, uint64_t length,
                              Diagnostics &diag);

} // namespace acc::accc
