// SPDX-License-Identifier: MIT
#include "tools/accc/emit/kernargs.h"

#include "tools/accc/emit/emit.h"
#include "tools/accc/ir/shape.h"
#include "tools/accc/quantize/lower.h"

#include <algorithm>
#include <cmath>
#include <cstddef>

namespace acc::accc
{
namespace
{

// The arguments of one kind of kernel, filled field by field.
template <typename Args>
class Builder
{
public:
    Builder(const Graph &g, const Resolver &resolve, Kernargs &out)
        : g_(g), resolve_(resolve), out_(out)
    {
    }
    ~Builder()
    {
        out_.bytes.resize(sizeof(Args));
        std::memcpy(out_.bytes.data(), &args, sizeof(Args));
    }

    // Address fields: of an activation or of a constant.
    void address(size_t field, ValueId id, uint64_t offset = 0)
    {
        const bool constant = g_.value(id).is_constant();
        if (constant)
            reloc(ACC_RELOC_CONST, field, 0, resolve_.constant(id));
        else
            reloc(ACC_RELOC_TENSOR, field, resolve_.tensor(id), offset);
    }
    // Counts that the batch multiplies.
    void batch32(size_t field) { reloc(ACC_RELOC_BATCH32, field, 0, 0); }
    void batch64(size_t field) { reloc(ACC_RELOC_BATCH64, field, 0, 0); }

    Args args{};

private:
    void reloc(uint32_t kind, size_t field, uint32_t index, uint64_t addend)
    {
        acc_model_reloc r{};
        r.kind = kind;
        r.field = static_cast<uint32_t>(field);
        r.index = index;
        r.addend = addend;
        out_.relocs.push_back(r);
    }

    const Graph &g_;
    const Resolver &resolve_;
    Kernargs &out_;
};

acc_window window_of(const Graph &g, const Op &op)
{
    const Dims &x = g.value(op.inputs[0]).dims;
    const auto u32 = [](int64_t v) { return static_cast<uint32_t>(v); };
    const Window &w = op.window;
    acc_window out{};
    out.batch = u32(x[0]);
    out.h = u32(x[1]);
    out.w = u32(x[2]);
    out.c = u32(x[3]);
    out.kernel_h = u32(w.kernel[0]);
    out.kernel_w = u32(w.kernel[1]);
    out.stride_h = u32(w.stride[0]);
    out.stride_w = u32(w.stride[1]);
    out.pad_top = u32(w.pad[0]);
    out.pad_left = u32(w.pad[1]);
    out.dilation_h = u32(w.dilation[0]);
    out.dilation_w = u32(w.dilation[1]);
    out.out_h = u32(w.out[0]);
    out.out_w = u32(w.out[1]);
    return out;
}

} // namespace

bool add_factors(double a_scale, double b_scale, double y_scale, AddFactors &factors)
{
    const double a = a_scale / y_scale, b = b_scale / y_scale;
    int exponent = 0;
    std::frexp(std::max(a, b), &exponent);
    // The larger factor gets 28 bits, so that both products and their sum fit easily.
    const int shift = std::min(28 - exponent, 62);
    if (shift < 1) return false;
    factors.shift = shift;
    factors.a = static_cast<int32_t>(std::nearbyint(std::ldexp(a, shift)));
    factors.b = static_cast<int32_t>(std::nearbyint(std::ldexp(b, shift)));
    return true;
}

void program_kernargs(const CrossbarProgram &program, const Resolver &resolve, Kernargs &out)
{
    std::vector<uint64_t> words = {program.items, 0};
    acc_model_reloc items{};
    items.kind = ACC_RELOC_BATCH64;
    items.field = offsetof(acc_xisa_args, items);
    out.relocs.push_back(items);
    const std::vector<isa::Port> &ports = program.program.kernels[0].ports;
    for (size_t k = 0; k < ports.size(); k++) {
        acc_model_reloc r{};
        r.kind = ACC_RELOC_TENSOR;
        r.field = static_cast<uint32_t>(words.size() * sizeof(uint64_t));
        r.index = resolve.tensor(program.ports[k].value);
        r.addend = program.ports[k].offset * ports[k].element();
        out.relocs.push_back(r);
        words.push_back(0);
        words.push_back(program.ports[k].stride);
    }
    const auto bytes = std::as_bytes(std::span(words));
    out.bytes.assign(bytes.begin(), bytes.end());
}

bool make_kernargs(const Graph &g, const Op &op, const Resolver &resolve, Kernargs &out)
{
    // An operator of the host may have no first operand.
    const Value &y = g.value(op.output), &x = op.inputs[0] == kNoValue ? y : g.value(op.inputs[0]);
    const auto count = static_cast<uint64_t>(elements(y.dims));
    const bool wide = y.dtype == DType::I16;
    const auto lo = static_cast<int32_t>(std::max(op.lo, wide ? -32768.0f : -128.0f));
    const auto hi = static_cast<int32_t>(std::min(op.hi, wide ? 32767.0f : 127.0f));
    switch (op.kind) {
    case Kind::Quantize:
    case Kind::Dequantize: {
        const Quant &q = op.kind == Kind::Quantize ? y.quant : x.quant;
        Builder<acc_quantize_args> b(g, resolve, out);
        b.address(offsetof(acc_quantize_args, src), op.inputs[0]);
        b.address(offsetof(acc_quantize_args, dst), op.output);
        b.batch64(offsetof(acc_quantize_args, count));
        b.args.count = count;
        b.args.scale = q.scale;
        b.args.zero_point = q.zero_point;
        return true;
    }
    case Kind::Mvm: {
        const Dims &w = g.value(op.inputs[1]).dims;
        Builder<acc_mvm_args> b(g, resolve, out);
        b.address(offsetof(acc_mvm_args, input), op.inputs[0]);
        b.address(offsetof(acc_mvm_args, output), op.output);
        b.batch64(offsetof(acc_mvm_args, vectors));
        b.args.vectors = count / static_cast<uint64_t>(w[1]);
        b.args.input_stride = static_cast<uint64_t>(w[0]);
        b.args.output_stride = static_cast<uint64_t>(w[1]);
        return true;
    }
    case Kind::Requantize: {
        const auto channels = static_cast<uint64_t>(y.dims.back());
        Builder<acc_requantize_args> b(g, resolve, out);
        b.address(offsetof(acc_requantize_args, src), op.inputs[0]);
        b.address(offsetof(acc_requantize_args, dst), op.output);
        b.address(offsetof(acc_requantize_args, bias), op.inputs[1]);
        b.address(offsetof(acc_requantize_args, multiplier), op.inputs[2]);
        b.address(offsetof(acc_requantize_args, shift), op.inputs[3]);
        b.batch64(offsetof(acc_requantize_args, rows));
        b.args.rows = count / channels;
        b.args.channels = static_cast<uint32_t>(channels);
        b.args.zero_point = y.quant.zero_point;
        b.args.min = lo;
        b.args.max = hi;
        return true;
    }
    case Kind::Im2col: {
        Builder<acc_im2col_args> b(g, resolve, out);
        b.address(offsetof(acc_im2col_args, src), op.inputs[0]);
        b.address(offsetof(acc_im2col_args, dst), op.output);
        b.batch32(offsetof(acc_im2col_args, window.batch));
        b.args.window = window_of(g, op);
        if (wide) b.args.window.c *= 2; // bytes; the padding is 0, and so are its bytes
        b.args.pad_value = x.quant.zero_point;
        return true;
    }
    case Kind::MaxPool:
    case Kind::AvgPool: {
        Builder<acc_pool_args> b(g, resolve, out);
        b.address(offsetof(acc_pool_args, src), op.inputs[0]);
        b.address(offsetof(acc_pool_args, dst), op.output);
        b.batch32(offsetof(acc_pool_args, window.batch));
        b.args.window = window_of(g, op);
        b.args.zero_point = x.quant.zero_point;
        b.args.count_include_pad = op.count_include_pad;
        return true;
    }
    case Kind::Add: {
        const Value &other = g.value(op.inputs[1]);
        AddFactors factors;
        if (!add_factors(static_cast<double>(x.quant.scale), static_cast<double>(other.quant.scale),
                         static_cast<double>(y.quant.scale), factors))
            return false;
        Builder<acc_add_i8_args> b(g, resolve, out);
        b.address(offsetof(acc_add_i8_args, a), op.inputs[0]);
        b.address(offsetof(acc_add_i8_args, b), op.inputs[1]);
        b.address(offsetof(acc_add_i8_args, dst), op.output);
        b.batch64(offsetof(acc_add_i8_args, count));
        b.args.count = count;
        b.args.b_count = static_cast<uint64_t>(elements(other.dims));
        // A constant is there once, whatever the batch.
        if (!other.is_constant()) b.batch64(offsetof(acc_add_i8_args, b_count));
        b.args.a_zero = x.quant.zero_point;
        b.args.b_zero = other.quant.zero_point;
        b.args.a_mul = factors.a;
        b.args.b_mul = factors.b;
        b.args.shift = factors.shift;
        b.args.zero_point = y.quant.zero_point;
        b.args.min = lo;
        b.args.max = hi;
        return true;
    }
    case Kind::Clip: {
        Builder<acc_clip_i8_args> b(g, resolve, out);
        b.address(offsetof(acc_clip_i8_args, src), op.inputs[0]);
        b.address(offsetof(acc_clip_i8_args, dst), op.output);
        b.batch64(offsetof(acc_clip_i8_args, count));
        b.args.count = count;
        b.args.min = lo;
        b.args.max = hi;
        return true;
    }
    case Kind::Mul: {
        const Value &other = g.value(op.inputs[1]);
        Fixed factor;
        if (!fixed_point(static_cast<double>(x.quant.scale) *
                             static_cast<double>(other.quant.scale) /
                             static_cast<double>(y.quant.scale),
                         factor))
            return false;
        const Rows rows = *product_rows(x.dims, other.dims);
        Builder<acc_mul_i8_args> b(g, resolve, out);
        b.address(offsetof(acc_mul_i8_args, a), op.inputs[0]);
        b.address(offsetof(acc_mul_i8_args, b), op.inputs[1]);
        b.address(offsetof(acc_mul_i8_args, dst), op.output);
        b.batch64(offsetof(acc_mul_i8_args, outer));
        b.args.outer = static_cast<uint64_t>(rows.outer);
        b.args.middle = static_cast<uint64_t>(rows.middle);
        b.args.inner = static_cast<uint64_t>(rows.inner);
        b.args.a_zero = x.quant.zero_point;
        b.args.b_zero = other.quant.zero_point;
        b.args.multiplier = factor.multiplier;
        b.args.shift = factor.shift;
        b.args.zero_point = y.quant.zero_point;
        b.args.min = lo;
        b.args.max = hi;
        return true;
    }
    case Kind::Concat:
    case Kind::Slice: {
        const auto row_of = [&](const Dims &d) {
            return static_cast<uint64_t>(elements({d.begin() + op.axis, d.end()}));
        };
        const uint64_t row = row_of(y.dims);
        Builder<acc_concat_args> b(g, resolve, out);
        for (size_t i = 0; i < op.inputs.size(); i++) {
            const Dims &d = g.value(op.inputs[i]).dims;
            const auto unit = row_of(d) / static_cast<uint64_t>(d[static_cast<size_t>(op.axis)]);
            b.address(offsetof(acc_concat_args, src) + i * sizeof(acc_u64), op.inputs[i],
                      static_cast<uint64_t>(op.start) * unit);
            b.args.bytes[i] = static_cast<uint32_t>(op.kind == Kind::Slice ? row : row_of(d));
            // Of a constant every item has the same.
            const bool constant = g.value(op.inputs[i]).is_constant();
            b.args.stride[i] = constant ? 0 : static_cast<uint32_t>(row_of(d));
        }
        b.address(offsetof(acc_concat_args, dst), op.output);
        b.batch64(offsetof(acc_concat_args, rows));
        b.args.rows = count / row;
        return true;
    }
    case Kind::Table: {
        Builder<acc_table_args> b(g, resolve, out);
        b.address(offsetof(acc_table_args, src), op.inputs[0]);
        b.address(offsetof(acc_table_args, dst), op.output);
        b.address(offsetof(acc_table_args, table), op.inputs[1]);
        b.batch64(offsetof(acc_table_args, count));
        b.args.count = count;
        return true;
    }
    case Kind::Transpose: {
        Builder<acc_permute_args> b(g, resolve, out);
        b.address(offsetof(acc_permute_args, src), op.inputs[0]);
        b.address(offsetof(acc_permute_args, dst), op.output);
        b.batch32(offsetof(acc_permute_args, dims)); // dims[0]
        // The first axis, then ones for those that it lacks.
        const size_t rank = x.dims.size(), lacking = 4 - rank;
        for (uint32_t i = 0; i < 4; i++) {
            b.args.dims[i] = 1;
            b.args.perm[i] = i;
        }
        b.args.dims[0] = static_cast<uint32_t>(x.dims[0]);
        for (size_t i = 1; i < rank; i++) {
            b.args.dims[lacking + i] = static_cast<uint32_t>(x.dims[i]);
            b.args.perm[lacking + i] =
                static_cast<uint32_t>(op.perm[i]) + static_cast<uint32_t>(lacking);
        }
        return true;
    }
    case Kind::Softmax: {
        const auto cols = static_cast<uint64_t>(y.dims.back());
        Builder<acc_softmax_args> b(g, resolve, out);
        b.address(offsetof(acc_softmax_args, src), op.inputs[0]);
        b.address(offsetof(acc_softmax_args, dst), op.output);
        b.batch64(offsetof(acc_softmax_args, rows));
        b.args.rows = count / cols;
        b.args.cols = static_cast<uint32_t>(cols);
        b.args.zero_point = x.quant.zero_point;
        b.args.scale = x.quant.scale;
        return true;
    }
    case Kind::Gemm: {
        const Value &w = g.value(op.inputs[1]);
        Builder<acc_gemm_i8_args> b(g, resolve, out);
        b.address(offsetof(acc_gemm_i8_args, a), op.inputs[0]);
        b.address(offsetof(acc_gemm_i8_args, b), op.inputs[1]);
        b.address(offsetof(acc_gemm_i8_args, out), op.output);
        b.batch32(offsetof(acc_gemm_i8_args, batch));
        b.args.m = static_cast<uint32_t>(x.dims[x.dims.size() - 2]);
        b.args.n = static_cast<uint32_t>(w.dims.back());
        b.args.k = static_cast<uint32_t>(x.dims.back());
        b.args.batch = static_cast<uint32_t>(elements({x.dims.begin(), x.dims.end() - 2}));
        b.args.a_zero = x.quant.zero_point;
        b.args.b_zero = w.quant.zero_point;
        return true;
    }
    case Kind::Host: {
        // An address for each operand; none where it is left out.
        std::vector<ValueId> all = op.inputs;
        for (const ValueId id : results(op))
            all.push_back(id);
        out.bytes.resize(all.size() * sizeof(acc_u64));
        for (size_t i = 0; i < all.size(); i++) {
            if (all[i] == kNoValue) continue;
            const bool constant = g.value(all[i]).is_constant();
            acc_model_reloc r{};
            r.kind = constant ? ACC_RELOC_CONST : ACC_RELOC_TENSOR;
            r.field = static_cast<uint32_t>(i * sizeof(acc_u64));
            if (constant)
                r.addend = resolve.constant(all[i]);
            else
                r.index = resolve.tensor(all[i]);
            out.relocs.push_back(r);
        }
        return true;
    }
    default:
        return false;
    }
}

} // namespace acc::accc
