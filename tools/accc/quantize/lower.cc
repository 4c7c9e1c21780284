// SPDX-License-Identifier: MIT
#include "tools/accc/quantize/lower.h"

#include "tools/accc/ir/formula.h"
#include "tools/accc/ir/shape.h"
#include "tools/accc/quantize/weights.h"

#include <algorithm>
#include <cmath>
#include <optional>
#include <set>

namespace acc::accc
{
namespace
{

constexpr int64_t kMaxWeights = int64_t{1} << 27; // of one matrix
// Steps of a result of Concat in those of an operand.
constexpr float kMostCoarser = 4;

// A limit as an int8 or int16 value.
float stored_limit(float limit, const Quant &q, DType dtype = DType::I8)
{
    const double least = dtype == DType::I16 ? -32768 : -128, most = -1 - least;
    if (std::isinf(limit)) return static_cast<float>(limit < 0 ? least : most);
    const double stored =
        std::nearbyint(static_cast<double>(limit) / static_cast<double>(q.scale)) + q.zero_point;
    return static_cast<float>(std::clamp(stored, least, most));
}

class Lowering
{
public:
    Lowering(Graph &g, std::span<const Range> ranges, const std::set<ValueId> &wide,
             Diagnostics &diag)
        : g_(g), ranges_(ranges), wide_(wide), diag_(diag), forms_(g.values.size())
    {
    }

    Status run()
    {
        const std::vector<Op> old = std::move(g_.ops);
        g_.ops.clear();
        for (const ValueId id : g_.inputs)
            if (g_.value(id).dtype == DType::F32) forms_[id].f32 = id;
        const size_t sources = g_.sources.size();
        for (const Op &op : old) {
            source_ = op.source;
            const size_t ops = g_.ops.size();
            ACCC_CHECK(rewrite(op));
            if (g_.ops.size() > ops && op.kind != Kind::Host) name_result(op);
        }
        for (size_t i = 0; i < g_.outputs.size(); i++) {
            const ValueId old = g_.outputs[i];
            const bool real = g_.value(old).dtype == DType::F32;
            if (!real && forms_[old].i8) g_.outputs[i] = *forms_[old].i8;
            if (!real && !is_input(g_.outputs[i])) continue;
            source_ = boundary_source("output", g_.output_names[i]);
            ACC_TRY(g_.outputs[i], output(g_.outputs[i]));
        }
        for (size_t i = sources; i < g_.sources.size(); i++)
            if (g_.sources[i].fate.empty()) g_.sources[i].fate = "float already";
        g_.stage = Stage::Lowered;
        return Ok{};
    }

private:
    // What a value of the old graph is now.
    struct Forms {
        std::optional<ValueId> i8, f32, i16; // i16: for products that want it
    };

    Error error(const std::string &text)
    {
        const Source &s = g_.sources[source_];
        return diag_.error("node '" + s.name + "' (" + s.op + "): " + text);
    }

    // The last operation made the result, unless that is another name of an operand.
    void name_result(const Op &op)
    {
        const Forms &f = forms_[op.output];
        const ValueId made = g_.ops.back().output;
        if (f.i8 == made || f.f32 == made) g_.value(made).name = g_.value(op.output).name;
    }

    // A node of the report for what happens at the graph's edge.
    uint32_t boundary_source(const char *op, const std::string &name)
    {
        std::string unique = std::string(op) + " " + name;
        const auto taken = [&](const Source &s) { return s.name == unique; };
        while (std::any_of(g_.sources.begin(), g_.sources.end(), taken))
            unique += "'";
        g_.sources.push_back({unique, op, {}, {}, {}});
        return static_cast<uint32_t>(g_.sources.size() - 1);
    }

    Result<ValueId> append(Kind kind, std::vector<ValueId> inputs, DType dtype, Quant quant,
                           Op like = {})
    {
        Op op = std::move(like);
        op.kind = kind;
        op.source = source_;
        op.inputs = std::move(inputs);
        Diagnostics inner;
        const auto dims = infer_dims(g_, op, inner);
        if (!dims) return error(inner.text());
        op.output = g_.add_value(g_.value(op.inputs[0]).name, dtype, *dims, quant);
        g_.ops.push_back(std::move(op));
        return g_.ops.back().output;
    }

    Result<Quant> quant_from_range(ValueId old)
    {
        if (g_.value(old).quant.scale > 0) return g_.value(old).quant; // the model's
        const Range &r = ranges_[old];
        if (!std::isfinite(r.lo) || !std::isfinite(r.hi))
            return error("expected finite values on the calibration data; found " +
                         std::to_string(r.lo) + " to " + std::to_string(r.hi));
        return quant_of(r);
    }

    // The int8 form of an activation.
    Result<ValueId> i8(ValueId old)
    {
        Forms &f = forms_[old];
        if (f.i8) return *f.i8;
        const bool input = std::find(g_.inputs.begin(), g_.inputs.end(), old) != g_.inputs.end();
        const uint32_t user = source_;
        Quant q{1.0f / 255, -128}; // a softmax: 0 … 1
        if (from_host_.contains(old)) {
            ACC_TRY(q, quant_from_range(old));
        } else if (input) {
            source_ = boundary_source("input", g_.value(old).name);
            ACC_TRY(q, quant_from_range(old));
        }
        ACC_TRY(f.i8, append(Kind::Quantize, {*f.f32}, DType::I8, q));
        source_ = user;
        return *f.i8;
    }

    // The float form of an activation.
    Result<ValueId> f32(ValueId old)
    {
        if (forms_[old].f32) return *forms_[old].f32;
        const std::string name = g_.value(old).name;
        ACC_TRY(forms_[old].f32, append(Kind::Dequantize, {*forms_[old].i8}, DType::F32, {}));
        g_.value(*forms_[old].f32).name = name;
        return *forms_[old].f32;
    }

    Result<ValueId> output(ValueId old)
    {
        if (is_input(old)) return copy(old);
        if (forms_[old].f32) return *forms_[old].f32;
        ACC_TRY(const ValueId x, i8(old));
        ACC_TRY(forms_[old].f32, append(Kind::Dequantize, {x}, DType::F32, {}));
        return *forms_[old].f32;
    }

    bool is_input(ValueId id) const
    {
        return std::find(g_.inputs.begin(), g_.inputs.end(), id) != g_.inputs.end();
    }

    // An output has memory of its own, and an input that is one has its values as they are.
    ValueId copy(ValueId from)
    {
        Op op;
        op.kind = Kind::Host;
        op.source = source_;
        op.node.op = "Identity";
        op.inputs = {from};
        const Value &v = g_.value(from);
        op.output = g_.add_value(std::string(v.name), v.dtype, Dims(v.dims));
        g_.ops.push_back(std::move(op));
        return g_.ops.back().output;
    }

    // Operators of the host take and give values as the model has them: floats as floats.
    Status rewrite_host(Op op)
    {
        const std::string &name = op.node.op;
        const ValueId x = op.inputs[0], y = op.output;
        if (name == "DequantizeLinear" && g_.value(x).dtype == DType::I8 &&
            g_.value(y).quant.scale > 0) {
            // An int8 input of the model is what engines work on.
            g_.value(x).quant = g_.value(y).quant;
            forms_[y].i8 = x;
            g_.sources[op.source].fate = "stored as engines have it";
            return Ok{};
        }
        if (name == "QuantizeLinear" && g_.value(y).dtype == DType::I8 && forms_[x].i8 &&
            g_.value(x).quant.scale > 0 && g_.value(*forms_[x].i8).quant == g_.value(x).quant) {
            forms_[y].i8 = forms_[x].i8;
            return Ok{};
        }
        for (ValueId &id : op.inputs) {
            if (id == kNoValue || g_.value(id).is_constant()) continue;
            if (g_.value(id).dtype == DType::F32) {
                ACC_TRY(id, f32(id));
            } else if (forms_[id].i8) {
                id = *forms_[id].i8;
            }
        }
        for (const ValueId id : results(op))
            if (id != kNoValue && g_.value(id).dtype == DType::F32) {
                forms_[id].f32 = id;
                from_host_.insert(id);
            }
        g_.ops.push_back(std::move(op));
        return Ok{};
    }

    // A limit with a scale that the model states: int8 in that scale.
    Status rewrite_stated(const Op &op)
    {
        const ValueId x = op.inputs[0], y = op.output;
        const Quant q = g_.value(y).quant;
        const bool only_float = forms_[x].f32 && !forms_[x].i8;
        if (only_float) {
            ACC_TRY(forms_[y].i8, append(Kind::Quantize, {*forms_[x].f32}, DType::I8, q));
            return Ok{};
        }
        ACC_TRY(const ValueId from, i8(x));
        if (g_.value(from).quant == q) {
            forms_[y].i8 = from;
            return Ok{};
        }
        // Another scale: the addition of nothing.
        const ValueId zero =
            g_.add_constant(g_.sources[source_].name + " zero", Dims{g_.value(from).dims.back()},
                            std::vector<int8_t>(static_cast<size_t>(g_.value(from).dims.back())),
                            Quant{q.scale, 0});
        ACC_TRY(forms_[y].i8, append(Kind::Add, {from, zero}, DType::I8, q));
        return Ok{};
    }

    Status rewrite(const Op &op)
    {
        const ValueId x = op.inputs[0];
        if (op.kind == Kind::Host) return rewrite_host(op);
        if (op.kind == Kind::Clip && g_.value(op.output).quant.scale > 0) return rewrite_stated(op);
        switch (op.kind) {
        case Kind::Conv:
            return rewrite_conv(op);
        case Kind::MatMul:
            return g_.value(op.inputs[1]).is_constant() ? rewrite_matmul(op) : rewrite_gemm(op);
        case Kind::Add:
            return rewrite_add(op);
        case Kind::Mul:
            return rewrite_mul(op);
        case Kind::Concat:
            return rewrite_concat(op);
        case Kind::Table:
            return rewrite_table(op);
        case Kind::Softmax: {
            ACC_TRY(const ValueId from, i8(x));
            ACC_TRY(forms_[op.output].f32, append(Kind::Softmax, {from}, DType::F32, {}));
            return Ok{};
        }
        case Kind::Reshape: {
            if (forms_[x].i16) {
                const Quant q = g_.value(*forms_[x].i16).quant;
                ACC_TRY(forms_[op.output].i16,
                        append(Kind::Reshape, {*forms_[x].i16}, DType::I16, q, op));
            }
            const bool is_float =
                forms_[x].f32 && !forms_[x].i8 && !from_host_.contains(x) &&
                std::find(g_.inputs.begin(), g_.inputs.end(), x) == g_.inputs.end();
            if (is_float) {
                ACC_TRY(forms_[op.output].f32,
                        append(Kind::Reshape, {*forms_[x].f32}, DType::F32, {}, op));
                return Ok{};
            }
            break;
        }
        default:
            break;
        }
        // Clip, pools, Transpose, Reshape: int8 of the operand's scale.
        ACC_TRY(const ValueId from, i8(x));
        const Quant q = g_.value(from).quant;
        Op like = op;
        if (op.kind == Kind::Clip) {
            like.lo = stored_limit(op.lo, q);
            like.hi = stored_limit(op.hi, q);
        }
        ACC_TRY(forms_[op.output].i8, append(op.kind, {from}, DType::I8, q, like));
        return Ok{};
    }

    // All that an int8 operand can be, through the formula.
    Status rewrite_table(const Op &op)
    {
        ACC_TRY(const ValueId from, i8(op.inputs[0]));
        ACC_TRY(const Quant q, quant_from_range(op.output));
        ACC_TRY(forms_[op.output].i8, table(op, from, q));
        return Ok{};
    }

    Result<ValueId> table(const Op &op, ValueId from, const Quant &q)
    {
        const Quant x = g_.value(from).quant;
        std::vector<float> values;
        for (int stored = -128; stored < 128; stored++)
            values.push_back(static_cast<float>(stored - x.zero_point) * x.scale);
        run_formula(formula_of(op), values);
        std::vector<int8_t> table;
        for (const float v : values) {
            const float steps = std::isnan(v) ? 0 : std::clamp(v, op.lo, op.hi) / q.scale;
            const double stored = static_cast<double>(std::nearbyint(steps)) + q.zero_point;
            table.push_back(static_cast<int8_t>(std::clamp(stored, -128.0, 127.0)));
        }
        const ValueId data =
            g_.add_constant(g_.sources[source_].name + " table", {256}, std::move(table), q);
        return append(Kind::Table, {from, data}, DType::I8, q);
    }

    // int32 sums -> the int8 result of `op`, in the scale that its range asks
    // for.
    Status requantize(const Op &op, ValueId sums, const Weights &w, double x_scale)
    {
        if (wide_.contains(op.output)) {
            ACC_TRY(forms_[op.output].i16,
                    requantize_to(op, sums, w, x_scale, DType::I16, wide_quant(op.output)));
        }
        ACC_TRY(const Quant q, quant_from_range(op.output));
        ACC_TRY(forms_[op.output].i8, requantize_to(op, sums, w, x_scale, DType::I8, q));
        return Ok{};
    }

    Result<ValueId> requantize_to(const Op &op, ValueId sums, const Weights &w, double x_scale,
                                  DType dtype, const Quant &q)
    {
        std::vector<int32_t> multiplier, shift;
        for (const double scale : w.scale) {
            Fixed fixed;
            const double factor = x_scale * scale / static_cast<double>(q.scale);
            if (!fixed_point(factor, fixed))
                return error("expected scales that are at most 2^30 apart; found " +
                             std::to_string(factor));
            multiplier.push_back(fixed.multiplier);
            shift.push_back(fixed.shift);
        }
        const std::string name = g_.sources[source_].name;
        const ValueId b = g_.add_constant(name + " bias", {w.n}, w.bias);
        const ValueId m = g_.add_constant(name + " multiplier", {w.n}, std::move(multiplier));
        const ValueId s = g_.add_constant(name + " shift", {w.n}, std::move(shift));
        Op like;
        like.lo = stored_limit(op.lo, q, dtype);
        like.hi = stored_limit(op.hi, q, dtype);
        return append(Kind::Requantize, {sums, b, m, s}, dtype, q, std::move(like));
    }

    // int16 without a zero point, for a value whose range is known.
    Quant wide_quant(ValueId old) const
    {
        const Range &r = ranges_[old];
        const float most = std::max(-r.lo, r.hi);
        return {most > 0 ? most / 32767 : 1, 0};
    }

    // What a product reads of an activation: int16 where it is there for that.
    Result<ValueId> factor(ValueId old)
    {
        if (forms_[old].i16) return *forms_[old].i16;
        return i8(old);
    }

    Status product(const Op &op, ValueId x, std::span<const float> matrix, int64_t k, int64_t n)
    {
        Scales scales = g_.value(op.inputs[1]).scales, bias_scales;
        if (!fits_8_bits(matrix, scales)) scales = {};
        if (k > kMaxProductInputs)
            return error("expected at most " + std::to_string(kMaxProductInputs) +
                         " inputs of a product, so that its sums stay in 32 bits; found " +
                         std::to_string(k));
        std::span<const float> bias;
        if (op.inputs.size() == 3) {
            bias = g_.floats(op.inputs[2]);
            bias_scales = g_.value(op.inputs[2]).scales;
        }
        // Constants are finite in the file; folding may have made them larger.
        for (const std::span<const float> &values : {matrix, bias})
            for (const float v : values)
                if (!std::isfinite(v)) return error("expected finite weights; found others");
        const Quant q = g_.value(x).quant;
        Weights w = quantize_weights(matrix, k, n, bias, q, scales, bias_scales);
        const ValueId data =
            g_.add_constant(g_.sources[source_].name + " weights", {k, n}, w.data, Quant{1, 0});
        ACC_TRY(const ValueId sums, append(Kind::Mvm, {x, data}, DType::I32, {}));
        return requantize(op, sums, w, static_cast<double>(q.scale));
    }

    Status rewrite_matmul(const Op &op)
    {
        ACC_TRY(const ValueId x, factor(op.inputs[0]));
        const Dims w = g_.value(op.inputs[1]).dims;
        const std::vector<float> matrix = g_.floats(op.inputs[1]);
        return product(op, x, matrix, w[0], w[1]);
    }

    Status rewrite_conv(const Op &op)
    {
        ACC_TRY(ValueId x, factor(op.inputs[0]));
        const Dims w = g_.value(op.inputs[1]).dims;
        const int64_t k = w[1] * op.groups * w[2] * w[3];
        if (k > kMaxWeights / w[0])
            return error("expected a matrix of at most 2^27 weights, groups spread out; found " +
                         std::to_string(k) + "x" + std::to_string(w[0]));
        const Window &win = op.window;
        const bool pointwise = w[2] == 1 && w[3] == 1 && win.stride[0] == 1 && win.stride[1] == 1 &&
                               win.pad[0] == 0 && win.pad[1] == 0 &&
                               win.out[0] == g_.value(x).dims[1] &&
                               win.out[1] == g_.value(x).dims[2];
        if (!pointwise) {
            Op like;
            like.window = win;
            like.channels_last = true;
            const Quant q = g_.value(x).quant;
            ACC_TRY(x, append(Kind::Im2col, {x}, g_.value(x).dtype, q, std::move(like)));
        }
        const std::vector<float> matrix = conv_matrix(g_, op);
        return product(op, x, matrix, k, w[0]);
    }

    // Both sides are computed: no crossbar holds either.
    Status rewrite_gemm(const Op &op)
    {
        ACC_TRY(const ValueId a, i8(op.inputs[0]));
        ACC_TRY(const ValueId b, i8(op.inputs[1]));
        const int64_t k = g_.value(a).dims.back(), n = g_.value(b).dims.back();
        if (k > kMaxProductInputs)
            return error("expected at most " + std::to_string(kMaxProductInputs) +
                         " inputs of a product; found " + std::to_string(k));
        ACC_TRY(const ValueId sums, append(Kind::Gemm, {a, b}, DType::I32, {}));
        Weights w;
        w.n = n;
        w.scale.assign(static_cast<size_t>(n), static_cast<double>(g_.value(b).quant.scale));
        w.bias.assign(static_cast<size_t>(n), 0);
        if (op.inputs.size() == 3) return error("expected no bias on a product of two results");
        return requantize(op, sums, w, static_cast<double>(g_.value(a).quant.scale));
    }

    // A constant operand of elements, in the scale of its own range or the one
    // that is asked for.
    Result<ValueId> i8_constant(ValueId id, std::optional<Quant> asked = {})
    {
        Quant q;
        if (asked) {
            q = *asked;
        } else {
            ACC_TRY(q, quant_from_range(id));
        }
        std::vector<int8_t> data;
        for (const float v : g_.floats(id)) {
            const double stored =
                std::nearbyint(static_cast<double>(v) / static_cast<double>(q.scale));
            data.push_back(static_cast<int8_t>(std::clamp(stored + q.zero_point, -128.0, 127.0)));
        }
        const Dims dims = g_.value(id).dims;
        return g_.add_constant(g_.sources[source_].name + " constant", dims, std::move(data), q);
    }

    Status rewrite_mul(const Op &op)
    {
        ACC_TRY(const ValueId a, i8(op.inputs[0]));
        ACC_TRY(const ValueId b, i8(op.inputs[1]));
        ACC_TRY(const Quant q, quant_from_range(op.output));
        Op like;
        like.lo = stored_limit(op.lo, q);
        like.hi = stored_limit(op.hi, q);
        ACC_TRY(forms_[op.output].i8, append(Kind::Mul, {a, b}, DType::I8, q, std::move(like)));
        return Ok{};
    }

    // Where one scale would take too much of an operand: as the model has it.
    Status concat_floats(const Op &op, float coarser)
    {
        g_.sources[source_].host = "expected operands whose scales are within a factor of " +
                                   std::to_string(static_cast<int>(kMostCoarser)) +
                                   " of the result's; found one of " + std::to_string(coarser);
        Op host;
        host.kind = Kind::Host;
        host.source = source_;
        host.node.op = "Concat";
        host.node.attrs["axis"] = op.axis;
        for (const ValueId id : op.inputs) {
            ValueId x = id;
            if (!g_.value(id).is_constant()) {
                ACC_TRY(x, f32(id));
            }
            host.inputs.push_back(x);
        }
        const Value y = g_.value(op.output);
        host.output = g_.add_value(y.name, DType::F32, y.dims);
        forms_[op.output].f32 = host.output;
        from_host_.insert(op.output);
        g_.ops.push_back(std::move(host));
        return Ok{};
    }

    // All in the scale of the result: by a table where an operand has another.
    Status rewrite_concat(const Op &op)
    {
        ACC_TRY(const Quant q, quant_from_range(op.output));
        std::vector<ValueId> inputs;
        for (const ValueId id : op.inputs) {
            if (g_.value(id).is_constant()) continue;
            ACC_TRY(const ValueId from, i8(id));
            if (q.scale > kMostCoarser * g_.value(from).quant.scale)
                return concat_floats(op, q.scale / g_.value(from).quant.scale);
        }
        for (const ValueId id : op.inputs) {
            if (g_.value(id).is_constant()) {
                ACC_TRY(const ValueId stored, i8_constant(id, q));
                inputs.push_back(stored);
                continue;
            }
            ACC_TRY(const ValueId from, i8(id));
            if (g_.value(from).quant == q) {
                inputs.push_back(from);
                continue;
            }
            Op same;
            same.node.attrs["formula"] = std::string("x");
            ACC_TRY(const ValueId scaled, table(same, from, q));
            inputs.push_back(scaled);
        }
        Op like;
        like.axis = op.axis;
        ACC_TRY(forms_[op.output].i8,
                append(Kind::Concat, std::move(inputs), DType::I8, q, std::move(like)));
        return Ok{};
    }

    Status rewrite_add(const Op &op)
    {
        if (wide_.contains(op.output)) ACCC_CHECK(add_wide(op));
        ACC_TRY(const ValueId a, i8(op.inputs[0]));
        ValueId b = op.inputs[1];
        if (g_.value(b).is_constant()) {
            ACC_TRY(b, i8_constant(b));
        } else {
            ACC_TRY(b, i8(b));
        }
        ACC_TRY(const Quant q, quant_from_range(op.output));
        ACC_TRY(forms_[op.output].i8, sum(op, a, b, DType::I8, q));
        return Ok{};
    }

    Result<ValueId> sum(const Op &op, ValueId a, ValueId b, DType dtype, const Quant &q)
    {
        Op like;
        like.lo = stored_limit(op.lo, q, dtype);
        like.hi = stored_limit(op.hi, q, dtype);
        return append(Kind::Add, {a, b}, dtype, q, std::move(like));
    }

    // Of operands that are wide as well.
    Status add_wide(const Op &op)
    {
        const std::optional<ValueId> a = forms_[op.inputs[0]].i16, b = forms_[op.inputs[1]].i16;
        if (!a || !b) return error("internal: expected operands of 16 bits; found others");
        ACC_TRY(forms_[op.output].i16, sum(op, *a, *b, DType::I16, wide_quant(op.output)));
        return Ok{};
    }

    Graph &g_;
    std::span<const Range> ranges_;
    const std::set<ValueId> &wide_;
    Diagnostics &diag_;
    std::vector<Forms> forms_; // by the old graph's ids
    std::set<ValueId> from_host_;
    uint32_t source_ = 0;
};

} // namespace

Status lower(Graph &graph, std::span<const Range> ranges, Diagnostics &diag,
             const std::set<ValueId> &wide)
{
    return Lowering(graph, ranges, wide, diag).run();
}

} // namespace acc::accc
