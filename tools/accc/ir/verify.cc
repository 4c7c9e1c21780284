// SPDX-License-Identifier: MIT
#include "tools/accc/ir/verify.h"

#include "tools/accc/ir/formula.h"
#include "tools/accc/ir/shape.h"

#include <cmath>

namespace acc::accc
{
namespace
{

bool allowed(Stage stage, Kind kind)
{
    if (kind == Kind::Host || kind == Kind::Table) return true;
    if (stage == Stage::Model) return false;
    switch (kind) {
    case Kind::Conv:
    case Kind::MatMul:
        return stage != Stage::Lowered;
    case Kind::ScaleShift:
        return stage == Stage::Float;
    case Kind::Mul:
    case Kind::Concat:
    case Kind::Slice:
    case Kind::Add:
    case Kind::Clip:
    case Kind::MaxPool:
    case Kind::AvgPool:
    case Kind::Reshape:
    case Kind::Transpose:
    case Kind::Softmax:
        return true;
    case Kind::Quantize:
    case Kind::Dequantize:
    case Kind::Im2col:
    case Kind::Mvm:
    case Kind::Gemm:
    case Kind::Requantize:
        return stage == Stage::Lowered;
    case Kind::Table:
    case Kind::Host:
        return true;
    }
    return false;
}

struct Types {
    DType in, out;
};

DType narrow(DType integer)
{
    return integer == DType::I16 ? DType::I16 : DType::I8;
}

// Of a product's operand and what makes it, int16 does as well as int8.
Types types_of(Stage stage, Kind kind, DType operand, DType result)
{
    if (stage != Stage::Lowered) return {DType::F32, DType::F32};
    switch (kind) {
    case Kind::Reshape:
        return {operand, operand};
    case Kind::Im2col:
        return {narrow(operand), narrow(operand)};
    case Kind::Quantize:
        return {DType::F32, DType::I8};
    case Kind::Dequantize:
    case Kind::Softmax:
        return {DType::I8, DType::F32};
    case Kind::Mvm:
        return {narrow(operand), DType::I32};
    case Kind::Gemm:
        return {DType::I8, DType::I32};
    case Kind::Requantize:
        return {DType::I32, narrow(result)};
    case Kind::Add:
        return {narrow(operand), narrow(operand)};
    default:
        return {DType::I8, DType::I8};
    }
}

std::string check_value(const Value &v)
{
    if (v.data) {
        const auto size =
            std::visit([](const auto &d) { return std::as_bytes(std::span(d)).size(); }, *v.data);
        if (v.data->index() != std::min<size_t>(static_cast<size_t>(v.dtype), 3) ||
            size != static_cast<uint64_t>(elements(v.dims)) * dtype_size(v.dtype))
            return "expected a constant's data to fit its type and dims";
    }
    if (v.dtype == DType::I8 && (!(v.quant.scale > 0) || !std::isfinite(v.quant.scale) ||
                                 v.quant.zero_point < -128 || v.quant.zero_point > 127))
        return "expected int8 with a scale above 0 and a zero point of -128 to 127";
    if (v.dtype == DType::I16 && v.quant.scale != 0 &&
        (!(v.quant.scale > 0) || !std::isfinite(v.quant.scale) || v.quant.zero_point != 0))
        return "expected int16 with a scale above 0 and a zero point of 0";
    return {};
}

// Results that keep their operand's scale.
bool keeps_quant(Kind kind)
{
    return kind == Kind::Clip || kind == Kind::MaxPool || kind == Kind::AvgPool ||
           kind == Kind::Reshape || kind == Kind::Transpose || kind == Kind::Im2col ||
           kind == Kind::Slice || kind == Kind::Concat;
}

// Operators of the host: the results are what host/ infers, where it can.
std::string check_host(const Graph &g, const Op &op)
{
    Diagnostics inner;
    const auto out = infer_host(g, op, inner);
    if (!out) return out.error() == -EAGAIN ? "" : inner.text();
    const std::vector<ValueId> made = results(op);
    for (size_t i = 0; i < made.size(); i++) {
        if (made[i] == kNoValue) continue;
        const Value &v = g.value(made[i]);
        if (v.dims != (*out)[i].dims || dtype_code(v.dtype) != (*out)[i].dtype)
            return std::string("expected a result of ") + host::type_name((*out)[i].dtype) + " " +
                   dims_text((*out)[i].dims) + "; found " + dtype_name(v.dtype) + " " +
                   dims_text(v.dims);
    }
    return {};
}

// Of a stage's end: operations of a program are side by side.
bool side_by_side(const Graph &g)
{
    uint32_t programs = 0;
    for (size_t i = 0; i < g.ops.size(); i++) {
        const uint32_t program = g.ops[i].program, before = i ? g.ops[i - 1].program : 0;
        if (program && program != before && program != ++programs) return false;
    }
    return true;
}

std::string check_table(const Graph &g, const Op &op)
{
    if (g.stage != Stage::Lowered)
        return op.inputs.size() == 1 && read_formula(formula_of(op)) ? "" : "expected a formula";
    if (op.inputs.size() != 2) return "expected a table of 256 values";
    const Value &table = g.value(op.inputs[1]);
    if (!table.is_constant() || table.dtype != DType::I8 || table.dims != Dims{256})
        return "expected a constant table of 256 int8 values";
    return {};
}

std::string check_op(const Graph &g, const Op &op)
{
    if (!allowed(g.stage, op.kind)) return "expected another operation in this stage";
    if (op.source >= g.sources.size()) return "expected a source node";
    if (op.program && (g.stage != Stage::Lowered || op.kind == Kind::Host))
        return "expected no number of a program";
    if (op.kind == Kind::Host) return check_host(g, op);
    if (op.kind == Kind::Table)
        if (std::string text = check_table(g, op); !text.empty()) return text;
    const Value &y = g.value(op.output);
    const Types types = types_of(g.stage, op.kind, g.value(op.inputs[0]).dtype, y.dtype);
    if (g.value(op.inputs[0]).dtype != types.in || y.dtype != types.out)
        return std::string("expected ") + dtype_name(types.in) + " to " + dtype_name(types.out);
    if (y.is_constant()) return "expected a result, found a constant";
    const bool windows =
        op.kind == Kind::Conv || op.kind == Kind::MaxPool || op.kind == Kind::AvgPool;
    if (windows && op.channels_last != (g.stage != Stage::Float))
        return "expected channels last exactly after the layout pass";
    if (!(op.lo <= op.hi)) return "expected a lower limit that is not above the upper one";
    const bool weights = op.kind == Kind::Conv || op.kind == Kind::ScaleShift ||
                         op.kind == Kind::Mvm || op.kind == Kind::Requantize;
    if (op.kind == Kind::Add || op.kind == Kind::Mul || op.kind == Kind::Concat)
        for (const ValueId id : op.inputs)
            if (g.value(id).dtype != types.in) return "expected operands of one type";
    if (g.stage == Stage::Lowered && op.kind == Kind::Concat)
        for (const ValueId id : op.inputs)
            if (!(g.value(id).quant == y.quant)) return "expected operands of one scale";
    for (size_t i = 1; i < op.inputs.size(); i++)
        if ((weights || (i == 2 && op.kind != Kind::Concat)) &&
            !g.value(op.inputs[i]).is_constant())
            return "expected constants for weights and biases";
    if (g.stage == Stage::Lowered && keeps_quant(op.kind) &&
        !(y.quant == g.value(op.inputs[0]).quant))
        return "expected a result of its operand's scale";
    return {};
}

} // namespace

Status verify_graph(const Graph &g, Diagnostics &diag)
{
    const auto bad = [&](const std::string &where, const std::string &text) {
        return diag.error("internal: " + where + ": " + text);
    };
    std::vector<bool> made(g.values.size());
    for (ValueId id = 0; id < g.values.size(); id++) {
        made[id] = g.values[id].is_constant();
        const std::string text = made[id] ? check_value(g.values[id]) : "";
        if (!text.empty()) return bad("value " + g.values[id].name, text);
    }
    for (const ValueId id : g.inputs) {
        if (id >= g.values.size() || made[id]) return bad("inputs", "expected values of their own");
        made[id] = true;
    }
    for (const Op &op : g.ops) {
        const std::string where = std::string(kind_name(op.kind)) + " of " +
                                  (op.source < g.sources.size() ? g.sources[op.source].name : "?");
        const bool on_host = op.kind == Kind::Host;
        for (const ValueId id : op.inputs)
            if (!(on_host && id == kNoValue) && (id >= g.values.size() || !made[id]))
                return bad(where, "expected operands that are made before");
        if (op.inputs.empty() || (!on_host && !op.more.empty()))
            return bad(where, "expected operands and a result of its own");
        for (const ValueId id : results(op)) {
            if (on_host && id == kNoValue && id != op.output) continue;
            if (id >= g.values.size() || made[id])
                return bad(where, "expected operands and a result of its own");
            made[id] = true;
        }
        std::string text = check_op(g, op);
        if (text.empty() && !on_host) text = check_value(g.value(op.output));
        if (!text.empty()) return bad(where, text);
        if (on_host) continue;
        Diagnostics inner;
        const auto dims = infer_dims(g, op, inner);
        if (!dims) return bad(where, inner.text());
        if (*dims != g.value(op.output).dims)
            return bad(where, "expected a result of " + dims_text(*dims) + "; found " +
                                  dims_text(g.value(op.output).dims));
    }
    if (!side_by_side(g)) return bad("programs", "expected operations of one side by side");
    if (g.outputs.empty() || g.outputs.size() != g.output_names.size())
        return bad("outputs", "expected at least one, each with a name");
    for (const ValueId id : g.outputs)
        if (id >= g.values.size() || !made[id])
            return bad("outputs", "expected values that are made");
    return Ok{};
}

} // namespace acc::accc
