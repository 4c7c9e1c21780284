// SPDX-License-Identifier: MIT
#include "tools/accc/ir/graph.h"

#include <algorithm>
#include <cstring>

namespace acc::accc
{

ValueId Graph::add_value(std::string value_name, DType dtype, Dims dims, Quant quant)
{
    values.push_back({std::move(value_name), dtype, std::move(dims), quant, nullptr, {}, 0});
    return static_cast<ValueId>(values.size() - 1);
}

ValueId Graph::add_constant(std::string value_name, Dims dims, Data data, Quant quant)
{
    const DType dtype = static_cast<DType>(data.index());
    const ValueId id = add_value(std::move(value_name), dtype, std::move(dims), quant);
    values[id].data = std::make_shared<const Data>(std::move(data));
    return id;
}

ValueId Graph::add_raw_constant(std::string value_name, DType dtype, Dims dims,
                                std::span<const std::byte> raw)
{
    const auto typed = [&]<typename T>(std::vector<T> data) {
        data.resize(raw.size() / sizeof(T));
        if (!raw.empty()) std::memcpy(data.data(), raw.data(), raw.size());
        const ValueId id = add_value(std::move(value_name), dtype, std::move(dims));
        values[id].data = std::make_shared<const Data>(std::move(data));
        return id;
    };
    switch (dtype) {
    case DType::F32:
        return typed(std::vector<float>{});
    case DType::I8: {
        const ValueId id = typed(std::vector<int8_t>{});
        values[id].quant = {1, 0};
        return id;
    }
    case DType::I32:
        return typed(std::vector<int32_t>{});
    default:
        return typed(std::vector<std::byte>{});
    }
}

std::span<const std::byte> Graph::bytes(ValueId id) const
{
    return std::visit([](const auto &d) { return std::as_bytes(std::span(d)); }, *values[id].data);
}

host::View Graph::view(ValueId id) const
{
    host::View view;
    if (id == kNoValue) return view;
    view.dtype = dtype_code(values[id].dtype);
    view.dims = values[id].dims;
    // Operators only read their inputs.
    if (values[id].is_constant()) {
        static const std::byte nothing{};
        const auto data = bytes(id);
        view.data = const_cast<std::byte *>(data.empty() ? &nothing : data.data());
    }
    return view;
}

const std::vector<float> &Graph::floats(ValueId id) const
{
    return *std::get_if<std::vector<float>>(values[id].data.get());
}

const std::vector<int8_t> &Graph::int8s(ValueId id) const
{
    return *std::get_if<std::vector<int8_t>>(values[id].data.get());
}

const std::vector<int32_t> &Graph::int32s(ValueId id) const
{
    return *std::get_if<std::vector<int32_t>>(values[id].data.get());
}

std::vector<uint32_t> Graph::uses() const
{
    std::vector<uint32_t> count(values.size());
    for (const Op &op : ops)
        for (const ValueId id : op.inputs)
            if (id != kNoValue) count[id]++;
    for (const ValueId id : outputs)
        count[id]++;
    return count;
}

std::vector<int64_t> Graph::makers() const
{
    std::vector<int64_t> maker(values.size(), -1);
    for (size_t i = 0; i < ops.size(); i++)
        for (const ValueId id : results(ops[i]))
            if (id != kNoValue) maker[id] = static_cast<int64_t>(i);
    return maker;
}

void Graph::replace(ValueId from, ValueId to)
{
    for (Op &op : ops)
        std::replace(op.inputs.begin(), op.inputs.end(), from, to);
    std::replace(outputs.begin(), outputs.end(), from, to);
}

void Graph::drop_dead()
{
    std::vector<bool> needed(values.size());
    for (const ValueId id : outputs)
        needed[id] = true;
    const auto dead = [&](const Op &op) {
        for (const ValueId id : results(op))
            if (id != kNoValue && needed[id]) return false;
        return true;
    };
    for (auto op = ops.rbegin(); op != ops.rend(); ++op) {
        if (dead(*op)) continue;
        for (const ValueId id : op->inputs)
            if (id != kNoValue) needed[id] = true;
        // Results that nobody reads need not be made.
        for (ValueId &id : op->more)
            if (id != kNoValue && !needed[id]) id = kNoValue;
        while (!op->more.empty() && op->more.back() == kNoValue && op->node.op != "Split")
            op->more.pop_back();
    }
    for (const Op &op : ops) {
        // Another form of a value that nobody asked for is no loss.
        const bool computes = op.kind != Kind::Reshape && op.kind != Kind::Transpose;
        if (dead(op) && computes && sources[op.source].fate.empty())
            sources[op.source].fate = "its result is not used";
    }
    std::erase_if(ops, dead);
    // What a value of no operation held need not stay.
    for (ValueId id = 0; id < values.size(); id++)
        if (!needed[id]) values[id].data.reset();
}

const char *kind_name(Kind kind)
{
    switch (kind) {
    case Kind::Conv:
        return "conv";
    case Kind::MatMul:
        return "matmul";
    case Kind::ScaleShift:
        return "scale_shift";
    case Kind::Add:
        return "add";
    case Kind::Clip:
        return "clip";
    case Kind::MaxPool:
        return "max_pool";
    case Kind::AvgPool:
        return "avg_pool";
    case Kind::Reshape:
        return "reshape";
    case Kind::Transpose:
        return "transpose";
    case Kind::Softmax:
        return "softmax";
    case Kind::Mul:
        return "mul";
    case Kind::Concat:
        return "concat";
    case Kind::Slice:
        return "slice";
    case Kind::Table:
        return "table";
    case Kind::Quantize:
        return "quantize";
    case Kind::Dequantize:
        return "dequantize";
    case Kind::Im2col:
        return "im2col";
    case Kind::Mvm:
        return "mvm";
    case Kind::Gemm:
        return "gemm";
    case Kind::Requantize:
        return "requantize";
    case Kind::Host:
        return "host";
    }
    return "?";
}

std::vector<ValueId> results(const Op &op)
{
    std::vector<ValueId> all = {op.output};
    all.insert(all.end(), op.more.begin(), op.more.end());
    return all;
}

DType dtype_of(uint32_t code)
{
    return host::element_bytes(code) ? static_cast<DType>(code - 1) : DType::F32;
}

const char *dtype_name(DType dtype)
{
    return host::type_name(dtype_code(dtype));
}

uint32_t dtype_size(DType dtype)
{
    return host::element_bytes(dtype_code(dtype));
}

int64_t last_dim(const Dims &dims)
{
    return dims.empty() ? 1 : dims.back();
}

} // namespace acc::accc
