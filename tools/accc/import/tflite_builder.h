// SPDX-License-Identifier: MIT
//
// Inside the TensorFlow Lite importer.
#pragma once

#include "tools/accc/import/model_builder.h"
#include "tools/accc/import/onnx_import.h"
#include "tools/accc/ir/shape.h"

#include "tflite_generated.h"

#include <cmath>
#include <cstring>

namespace acc::accc::tflite_import
{

std::optional<DType> dtype_of_tensor(int type);

class Reader
{
public:
    Reader(const tflite::Model &model, std::span<const uint8_t> bytes, Diagnostics &diag)
        : model_(&model), bytes_(bytes), diag_(diag), b_(diag)
    {
    }
    Result<Graph> run(const ImportOptions &options);

private:
    Status check_tensors();
    Status read_inputs(const ImportOptions &options);
    Status read_operator(const tflite::Operator &op);
    Status read_known(const tflite::Operator &op, int code);
    Status read_window(const tflite::Operator &op, int code);
    Status read_product(const tflite::Operator &op);
    Status read_transposed(const tflite::Operator &op);
    Status read_resize(const tflite::Operator &op, bool nearest);
    Status read_strided_slice(const tflite::Operator &op);
    Status read_pool(const tflite::Operator &op, bool max);
    Status read_reduce(const tflite::Operator &op, const char *name);
    Status read_batch_product(const tflite::Operator &op);
    Status read_pack(const tflite::Operator &op, bool unpack);

    bool quantised(int tensor) const;
    Result<ValueId> constant_of(int tensor);
    Result<ValueId> stored(int tensor); // as the file has it
    Result<ValueId> real(int tensor);   // dequantised
    std::pair<ValueId, ValueId> scales_of(int tensor);
    Status set(int tensor, ValueId id);
    Result<ValueId> activate(ValueId id, int kind);
    Result<ValueId> transpose(ValueId id, const std::vector<int64_t> &perm);
    Result<std::vector<int64_t>> constant_ints(const tflite::Operator &op, size_t i);

    int input(const tflite::Operator &op, size_t i) const
    {
        return op.inputs() && i < op.inputs()->size() ? op.inputs()->Get(static_cast<uint32_t>(i))
                                                      : -1;
    }
    int output(const tflite::Operator &op, size_t i = 0) const
    {
        return op.outputs() && i < op.outputs()->size()
                   ? op.outputs()->Get(static_cast<uint32_t>(i))
                   : -1;
    }
    // The operator's options, verified as what they are said to be; null when it has none.
    template <typename T>
    const T *options(const tflite::Operator &op)
    {
        const auto *table = reinterpret_cast<const T *>(op.options());
        if (!table) return nullptr;
        flatbuffers::Verifier verifier(bytes_.data(), bytes_.size(), 16, 1 << 10);
        return table->Verify(verifier) ? table : nullptr;
    }

    const tflite::Model *model_;
    std::span<const uint8_t> bytes_;
    const tflite::SubGraph *graph_ = nullptr;
    Diagnostics &diag_;
    ModelBuilder b_;
    std::vector<ValueId> values_, reals_; // by tensor
    bool shapes_given_ = false;
};

} // namespace acc::accc::tflite_import
