// SPDX-License-Identifier: MIT
//
// Quantisation that the model states. A pair QuantizeLinear, DequantizeLinear becomes the limits
// of its type and a scale that is kept; lower() takes it in place of a calibrated one.
#include "tools/accc/legalize/legalizer.h"

#include <algorithm>
#include <cmath>

namespace acc::accc
{
namespace
{

// The scale and zero point of inputs 1 and 2, as int8 has them. uint8 is int8 with its zero
// point moved by 128.
Status read_quant(Legalizer &in, Node &node, DType stored, Quant &q)
{
    if (stored != DType::I8 && stored != DType::U8)
        return node.error(std::string("expected int8 or uint8; found ") + dtype_name(stored));
    ACC_TRY(const Tensor scale, in.float_constant(node, 1));
    if (scale.floats().size() != 1)
        return node.error("expected one scale for a computed value; found " +
                          dims_text(scale.dims));
    q.scale = scale.floats()[0];
    q.zero_point = 0;
    if (node.has_input(2)) {
        const Tensor *zero = std::get_if<Tensor>(&in.operand(node, 2));
        if (!zero || zero->is_float() || zero->ints().size() != 1)
            return node.error("expected one constant zero point; found another");
        q.zero_point = static_cast<int32_t>(zero->ints()[0]);
    }
    if (stored == DType::U8) q.zero_point -= 128;
    if (!(q.scale > 0) || !std::isfinite(q.scale))
        return node.error("expected a finite scale above 0; found " + std::to_string(q.scale));
    return Ok{};
}

Status legalize_quantize(Legalizer &in, Node &node)
{
    ACC_TRY(const ValueId x, in.activation(node, 0));
    const ValueId y = node.output();
    Quant q;
    ACCC_CHECK(read_quant(in, node, in.model().value(y).dtype, q));
    Op op = make_op(node, Kind::Clip, {x});
    op.lo = static_cast<float>(-128 - q.zero_point) * q.scale;
    op.hi = static_cast<float>(127 - q.zero_point) * q.scale;
    ACC_TRY(const ValueId limited, in.add(node, std::move(op)));
    in.graph().value(limited).quant = q;
    // The stored form too, for who reads it as it is; mostly nobody does.
    Op stored = node.whole();
    ACCC_CHECK(in.to_host(stored));
    in.graph().ops.back().inputs[0] = limited;
    in.set_stored(y, limited);
    return Ok{};
}

Status legalize_dequantize(Legalizer &in, Node &node)
{
    const ValueId *x = std::get_if<ValueId>(&in.operand(node, 0));
    if (!x) return node.error("expected a computed value; found a constant");
    Quant q;
    ACCC_CHECK(read_quant(in, node, in.graph().value(*x).dtype, q));
    const auto value = in.stored(node.input(0));
    if (value) {
        if (!(in.graph().value(*value).quant == q))
            return node.error("expected the scale that it was quantised with; found another");
        in.graph().sources[node.source()].fate = "another name of what was quantised";
        return in.define(node, *value);
    }
    // A quantised input of the model, or what the host made.
    const bool input = std::find(in.graph().inputs.begin(), in.graph().inputs.end(), *x) !=
                       in.graph().inputs.end();
    if (!input || in.dims(*x).empty())
        return node.error("expected what was quantised before, or an input with at least one axis; "
                          "found another");
    ACCC_CHECK(in.to_host(node.whole()));
    in.graph().value(in.graph().ops.back().output).quant = q;
    return Ok{};
}

} // namespace

LegalizeFunction find_quantize(std::string_view op)
{
    if (op == "QuantizeLinear") return legalize_quantize;
    if (op == "DequantizeLinear") return legalize_dequantize;
    return nullptr;
}

} // namespace acc::accc
