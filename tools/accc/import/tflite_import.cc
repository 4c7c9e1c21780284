// SPDX-License-Identifier: MIT
//
// Format: the flatbuffer schema of TensorFlow Lite, file identifier TFL3.
#include "tools/accc/import/tflite_import.h"

#include "tools/accc/import/tflite_builder.h"

#include <new>

namespace acc::accc
{
namespace tflite_import
{

std::optional<DType> dtype_of_tensor(int type)
{
    switch (type) {
    case 0:
        return DType::F32;
    case 1:
        return DType::F16;
    case 2:
        return DType::I32;
    case 3:
        return DType::U8;
    case 4:
        return DType::I64;
    case 6:
        return DType::Bool;
    case 7:
        return DType::I16;
    case 9:
        return DType::I8;
    case 10:
        return DType::F64;
    default:
        return std::nullopt;
    }
}

bool Reader::quantised(int t) const
{
    const auto *tensor = graph_->tensors()->Get(static_cast<uint32_t>(t));
    const auto *q = tensor->quantization();
    return q && q->scale() && q->scale()->size() > 0;
}

Status Reader::check_tensors()
{
    for (const auto *tensor : *graph_->tensors()) {
        const std::string which =
            "tensor '" + (tensor->name() ? tensor->name()->str() : "") + "': ";
        if (!dtype_of_tensor(tensor->type()))
            return diag_.error(which + "expected numbers or booleans; found type " +
                               std::to_string(tensor->type()));
        if (tensor->sparsity()) return diag_.error(which + "expected it dense; found it sparse");
        if (tensor->is_variable())
            return diag_.error(which + "expected no state; found a variable");
        const auto *q = tensor->quantization();
        if (!q || !q->scale()) continue;
        for (const float s : *q->scale())
            if (!(s > 0) || !std::isfinite(s))
                return diag_.error(which + "expected scales above 0; found " + std::to_string(s));
        if (q->zero_point() && q->zero_point()->size() > 0 &&
            q->zero_point()->size() != q->scale()->size())
            return diag_.error(which + "expected as many zero points as scales; found others");
    }
    return Ok{};
}

Result<ValueId> Reader::constant_of(int t)
{
    const auto *tensor = graph_->tensors()->Get(static_cast<uint32_t>(t));
    const std::string name = tensor->name() ? tensor->name()->str() : "";
    const auto *buffers = model_->buffers();
    if (!buffers || tensor->buffer() >= buffers->size())
        return diag_.error("tensor '" + name + "': expected a buffer of the file; found " +
                           std::to_string(tensor->buffer()));
    const auto *data = buffers->Get(tensor->buffer())->data();
    if (!data || data->size() == 0) return kNoValue;
    const DType dtype = *dtype_of_tensor(tensor->type());
    Dims dims;
    if (tensor->shape()) dims.assign(tensor->shape()->begin(), tensor->shape()->end());
    Diagnostics inner;
    const auto count = checked_elements(dims, inner);
    if (!count) return diag_.error("tensor '" + name + "': " + inner.text());
    if (static_cast<uint64_t>(*count) * dtype_size(dtype) != data->size())
        return diag_.error("tensor '" + name + "': expected " +
                           std::to_string(static_cast<uint64_t>(*count) * dtype_size(dtype)) +
                           " bytes; found " + std::to_string(data->size()));
    return b_.constant(name, dtype, dims,
                       {reinterpret_cast<const std::byte *>(data->data()), data->size()});
}

Result<ValueId> Reader::stored(int t)
{
    const auto at = static_cast<size_t>(t);
    if (t < 0 || at >= values_.size())
        return b_.error("expected a tensor of the file; found " + std::to_string(t));
    if (values_[at] == kNoValue) {
        ACC_TRY(values_[at], constant_of(t));
        if (values_[at] == kNoValue)
            return b_.error("expected operands that are made before; found tensor " +
                            std::to_string(t));
    }
    return values_[at];
}

std::pair<ValueId, ValueId> Reader::scales_of(int t)
{
    const auto *tensor = graph_->tensors()->Get(static_cast<uint32_t>(t));
    const auto *q = tensor->quantization();
    const std::vector<float> scales(q->scale()->begin(), q->scale()->end());
    std::vector<int64_t> zeros(scales.size(), 0);
    if (q->zero_point() && q->zero_point()->size() == scales.size())
        // Not by its iterators: the verifier does not look at the alignment of a vector's elements.
        std::memcpy(zeros.data(), q->zero_point()->Data(), scales.size() * sizeof(int64_t));
    const DType dtype = *dtype_of_tensor(tensor->type());
    const Dims dims = scales.size() == 1 ? Dims{} : Dims{static_cast<int64_t>(scales.size())};
    std::vector<std::byte> stored(zeros.size() * dtype_size(dtype));
    host::View from, to;
    from.dtype = ACC_DTYPE_I64;
    from.dims = dims;
    from.data = zeros.data();
    to.dtype = dtype_code(dtype);
    to.dims = dims;
    to.data = stored.data();
    std::string why;
    const host::Node cast{"Cast", {{"to", static_cast<int64_t>(to.dtype)}}};
    (void)host::run(cast, {&from, 1}, {&to, 1}, why); // numbers to numbers: cannot fail
    const ValueId s = b_.constant("", DType::F32, dims, std::as_bytes(std::span(scales)));
    return {s, b_.constant("", dtype, dims, stored)};
}

Result<ValueId> Reader::real(int t)
{
    ACC_TRY(const ValueId id, stored(t));
    const DType dtype = b_.graph().value(id).dtype;
    if (dtype == DType::F16) return b_.add1("Cast", {{"to", int64_t{ACC_DTYPE_F32}}}, {id});
    if (!quantised(t) || dtype == DType::F32 || dtype == DType::F64 || dtype == DType::Bool)
        return id;
    const auto at = static_cast<size_t>(t);
    if (reals_[at] == kNoValue) {
        const auto [scale, zero] = scales_of(t);
        const auto *q = graph_->tensors()->Get(static_cast<uint32_t>(t))->quantization();
        const int64_t axis = b_.dims(scale).empty() ? 0 : q->axis();
        ACC_TRY(reals_[at], b_.add1("DequantizeLinear", {{"axis", axis}}, {id, scale, zero}));
    }
    return reals_[at];
}

// The result of an operator: quantised when its tensor is.
Status Reader::set(int t, ValueId id)
{
    const auto at = static_cast<size_t>(t);
    if (t < 0 || at >= values_.size() || values_[at] != kNoValue)
        return b_.error("expected a result of its own; found tensor " + std::to_string(t));
    const auto *tensor = graph_->tensors()->Get(static_cast<uint32_t>(t));
    const DType dtype = *dtype_of_tensor(tensor->type());
    if (quantised(t) && b_.graph().value(id).dtype == DType::F32 && dtype != DType::F32) {
        const auto [scale, zero] = scales_of(t);
        ACC_TRY(id, b_.add1("QuantizeLinear", {{"axis", int64_t{0}}}, {id, scale, zero}));
    }
    if (b_.graph().value(id).dtype != dtype)
        return b_.error(std::string("expected a result of ") + dtype_name(dtype) + "; found " +
                        dtype_name(b_.graph().value(id).dtype));
    if (tensor->shape() && tensor->shape()->size() > 0) {
        const Dims said(tensor->shape()->begin(), tensor->shape()->end());
        if (!shapes_given_ && elements(said) != elements(b_.dims(id)))
            return b_.error("expected a result of " + dims_text(said) + "; found " +
                            dims_text(b_.dims(id)));
    }
    if (!b_.is_constant(id) && tensor->name()) b_.graph().value(id).name = tensor->name()->str();
    values_[at] = id;
    return Ok{};
}

Result<ValueId> Reader::activate(ValueId id, int kind)
{
    switch (kind) {
    case 0:
        return id;
    case 1:
        return b_.add1("Relu", {}, {id});
    case 2:
        return b_.add1("Clip", {}, {id, b_.scalar(DType::F32, -1), b_.scalar(DType::F32, 1)});
    case 3:
        return b_.add1("Clip", {}, {id, b_.scalar(DType::F32, 0), b_.scalar(DType::F32, 6)});
    case 4:
        return b_.add1("Tanh", {}, {id});
    default:
        return b_.error("expected a fused activation that accc knows; found " +
                        std::to_string(kind));
    }
}

Result<ValueId> Reader::transpose(ValueId id, const std::vector<int64_t> &perm)
{
    return b_.add1("Transpose", {{"perm", perm}}, {id});
}

Status Reader::read_inputs(const ImportOptions &options)
{
    std::set<std::string> shapes;
    for (const auto &[name, dims] : options.shapes)
        shapes.insert(name);
    shapes_given_ = !shapes.empty();
    for (const int t : *graph_->inputs()) {
        if (t < 0 || static_cast<size_t>(t) >= values_.size() ||
            values_[static_cast<size_t>(t)] != kNoValue)
            return diag_.error("expected inputs that are tensors, once each; found " +
                               std::to_string(t));
        const auto *tensor = graph_->tensors()->Get(static_cast<uint32_t>(t));
        const std::string name = tensor->name() ? tensor->name()->str() : std::to_string(t);
        Dims dims;
        if (tensor->shape()) dims.assign(tensor->shape()->begin(), tensor->shape()->end());
        const auto *free = tensor->shape_signature();
        if (free && free->size() == dims.size())
            for (size_t i = 1; i < dims.size(); i++)
                if (free->Get(static_cast<uint32_t>(i)) < 0 && dims[i] < 1)
                    return diag_.error("input '" + name + "': expected a size for dimension " +
                                       std::to_string(i) + "; found it free, give --shape");
        if (const auto it = options.shapes.find(name); it != options.shapes.end())
            dims = it->second;
        shapes.erase(name);
        ACC_TRY(values_[static_cast<size_t>(t)],
                b_.input(name, *dtype_of_tensor(tensor->type()), dims));
    }
    if (!shapes.empty())
        return diag_.error("expected --shape of an input; found no input '" + *shapes.begin() +
                           "'");
    return Ok{};
}

Result<Graph> Reader::run(const ImportOptions &options)
{
    const auto steps = [&]() -> Status {
        const auto *graphs = model_->subgraphs();
        if (!graphs || graphs->size() != 1)
            return diag_.error("expected one subgraph; found " +
                               std::to_string(graphs ? graphs->size() : 0));
        graph_ = graphs->Get(0);
        if (!graph_->tensors() || !graph_->inputs() || !graph_->outputs() || !graph_->operators() ||
            !model_->operator_codes())
            return diag_.error("expected tensors, inputs, outputs and operators; found a file "
                               "without");
        if (graph_->name()) b_.graph().name = graph_->name()->str();
        values_.assign(graph_->tensors()->size(), kNoValue);
        reals_ = values_;
        ACCC_CHECK(check_tensors());
        ACCC_CHECK(read_inputs(options));
        for (const auto *op : *graph_->operators())
            ACCC_CHECK(read_operator(*op));
        std::set<std::string> names;
        for (const int t : *graph_->outputs()) {
            b_.begin_node("output", "output");
            ACC_TRY(const ValueId id, stored(t));
            const auto *tensor = graph_->tensors()->Get(static_cast<uint32_t>(t));
            std::string name = tensor->name() ? tensor->name()->str() : "output";
            while (!names.insert(name).second)
                name += "_";
            ACCC_CHECK(b_.output(name, id));
        }
        return Ok{};
    };
    ACCC_CHECK(steps());
    return b_.finish();
}

} // namespace tflite_import

bool looks_like_tflite(std::span<const std::byte> bytes)
{
    return bytes.size() >= 8 && std::memcmp(bytes.data() + 4, "TFL3", 4) == 0;
}

Result<Graph> import_tflite(std::span<const std::byte> bytes, const ImportOptions &options,
                            Diagnostics &diag)
try {
    // Flatbuffers are read in place: their offsets need an aligned start.
    std::vector<uint64_t> aligned((bytes.size() + 7) / 8);
    if (!bytes.empty()) std::memcpy(aligned.data(), bytes.data(), bytes.size());
    const auto *data = reinterpret_cast<const uint8_t *>(aligned.data());
    flatbuffers::Verifier verifier(data, bytes.size(), 16, 1 << 20);
    if (!tflite::VerifyModelBuffer(verifier))
        return diag.error("expected a TensorFlow Lite model; found " +
                          std::to_string(bytes.size()) + " bytes that are none");
    return tflite_import::Reader(*tflite::GetModel(data), {data, bytes.size()}, diag).run(options);
} catch (const std::bad_alloc &) {
    return diag.error("expected memory for the model; found none", -ENOMEM);
}

} // namespace acc::accc
