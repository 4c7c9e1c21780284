// SPDX-License-Identifier: MIT
#include "tools/accc/passes/passes.h"

#include "tools/accc/ir/layout.h"
#include "tools/accc/ir/shape.h"

#include <optional>

namespace acc::accc
{
namespace
{

Dims permuted(const Dims &dims, const std::vector<int> &perm)
{
    Dims out;
    for (const int axis : perm)
        out.push_back(dims[axis]);
    return out;
}

// Whether a transposition leaves the order of the elements as it is: only axes of size 1
// change places.
bool moves_nothing(const Dims &dims, const std::vector<int> &perm)
{
    int before = -1;
    for (const int axis : perm) {
        if (dims[axis] == 1) continue;
        if (axis < before) return false;
        before = axis;
    }
    return true;
}

// a after b: element i of the result is b[a[i]].
std::vector<int> compose(const std::vector<int> &a, const std::vector<int> &b)
{
    std::vector<int> out;
    for (const int axis : a)
        out.push_back(b[axis]);
    return out;
}

std::vector<int> identity(size_t rank)
{
    std::vector<int> out(rank);
    for (size_t i = 0; i < rank; i++)
        out[i] = static_cast<int>(i);
    return out;
}

std::vector<float> transposed(const std::vector<float> &from, const Dims &dims,
                              const std::vector<int> &perm)
{
    std::vector<float> to(from.size());
    Dims step, at(perm.size(), 0);
    for (const int axis : perm)
        step.push_back(elements({dims.begin() + axis + 1, dims.end()}));
    const Dims out = permuted(dims, perm);
    int64_t index = 0;
    for (float &v : to) {
        v = from[static_cast<size_t>(index)];
        for (size_t i = perm.size(); i-- > 0;) {
            index += step[i];
            if (++at[i] < out[i]) break;
            index -= step[i] * out[i];
            at[i] = 0;
        }
    }
    return to;
}

// Rewrites the graph with, for each value of the old one, the forms that exist of it:
// in ONNX's order, or with channels last. Missing forms are made when something asks.
class Layout
{
public:
    Layout(Graph &g, Diagnostics &diag) : g_(g), diag_(diag), forms_(g.values.size()) {}

    Status run()
    {
        for (const ValueId id : g_.inputs)
            forms_[id].logical = id;
        const std::vector<Op> old = std::move(g_.ops);
        g_.ops.clear();
        for (const Op &op : old)
            ACCC_CHECK(rewrite(op));
        for (ValueId &id : g_.outputs) {
            source_ = old.empty() ? 0 : old.back().source;
            for (const Op &op : old)
                for (const ValueId made : results(op))
                    if (made == id) source_ = op.source;
            ACC_TRY(id, logical(id));
        }
        g_.stage = Stage::Physical;
        return Ok{};
    }

private:
    struct Forms {
        std::optional<ValueId> logical, last;
    };

    Result<ValueId> append(Op op)
    {
        Diagnostics inner;
        const auto dims = infer_dims(g_, op, inner);
        if (!dims)
            return diag_.error("node '" + g_.source(op).name + "' (" + g_.source(op).op +
                               "): " + inner.text());
        op.output = g_.add_value(g_.value(op.inputs[0]).name, DType::F32, *dims);
        g_.ops.push_back(std::move(op));
        return g_.ops.back().output;
    }

    // A transposition, or only another shape where nothing moves.
    Result<ValueId> transpose(ValueId x, const std::vector<int> &perm)
    {
        const Dims dims = g_.value(x).dims;
        if (perm == identity(dims.size())) return x;
        Op op;
        op.source = source_;
        op.inputs = {x};
        op.kind = moves_nothing(dims, perm) ? Kind::Reshape : Kind::Transpose;
        if (op.kind == Kind::Reshape)
            op.shape = permuted(dims, perm);
        else
            op.perm = perm;
        return append(std::move(op));
    }

    Result<ValueId> logical(ValueId v)
    {
        if (!forms_[v].logical) {
            ACC_TRY(forms_[v].logical, transpose(*forms_[v].last, kToChannelsFirst<>));
        }
        return *forms_[v].logical;
    }

    Result<ValueId> last(ValueId v)
    {
        if (!forms_[v].last) {
            ACC_TRY(forms_[v].last, transpose(*forms_[v].logical, kToChannelsLast<>));
        }
        return *forms_[v].last;
    }

    // The result of `op`, by its id in the old graph, in one form.
    Status define(ValueId old, bool channels_last, Op op)
    {
        const std::string name = g_.value(old).name;
        ACC_TRY(const ValueId id, append(std::move(op)));
        g_.value(id).name = name;
        g_.value(id).quant = g_.value(old).quant;
        (channels_last ? forms_[old].last : forms_[old].logical) = id;
        return Ok{};
    }

    Status rewrite(const Op &old)
    {
        Op op = old;
        source_ = old.source;
        const ValueId x = old.inputs[0];
        const bool image = g_.value(x).dims.size() == 4;
        switch (old.kind) {
        case Kind::Conv:
        case Kind::MaxPool:
        case Kind::AvgPool: {
            op.channels_last = true;
            ACC_TRY(op.inputs[0], last(x));
            return define(old.output, true, std::move(op));
        }
        case Kind::Transpose:
            return rewrite_transpose(old);
        case Kind::Add:
        case Kind::Mul:
            return rewrite_add(old);
        case Kind::Concat:
        case Kind::Slice:
            return rewrite_join(old);
        case Kind::Clip:
        case Kind::Table: {
            const bool channels_last = image && forms_[x].last.has_value();
            ACC_TRY(op.inputs[0], channels_last ? last(x) : logical(x));
            return define(old.output, channels_last, std::move(op));
        }
        case Kind::Host: {
            // Its results are values as they are, in the model's order.
            for (ValueId &id : op.inputs) {
                if (id == kNoValue || g_.value(id).is_constant()) continue;
                ACC_TRY(id, logical(id));
            }
            for (const ValueId id : results(op))
                if (id != kNoValue) forms_[id].logical = id;
            g_.ops.push_back(std::move(op));
            return Ok{};
        }
        default: {
            for (ValueId &id : op.inputs) {
                if (g_.value(id).is_constant()) continue;
                ACC_TRY(id, logical(id));
            }
            return define(old.output, false, std::move(op));
        }
        }
    }

    // Images are added with channels last when one of them is there in that form.
    Status rewrite_add(const Op &old)
    {
        Op op = old;
        const ValueId a = old.inputs[0], b = old.inputs[1];
        const bool constant = g_.value(b).is_constant();
        const bool channels_last = forms_[a].last || (!constant && forms_[b].last);
        ACC_TRY(op.inputs[0], channels_last ? last(a) : logical(a));
        if (!constant) {
            ACC_TRY(op.inputs[1], channels_last ? last(b) : logical(b));
        } else if (channels_last) {
            const Dims dims = g_.value(b).dims;
            op.inputs[1] = g_.add_constant(g_.value(b).name, permuted(dims, kToChannelsLast<>),
                                           transposed(g_.floats(b), dims, kToChannelsLast<>));
        }
        return define(old.output, channels_last, std::move(op));
    }

    // Along the axis where that order has it.
    Status rewrite_join(const Op &old)
    {
        Op op = old;
        bool channels_last = false;
        for (const ValueId id : old.inputs)
            channels_last = channels_last || forms_[id].last.has_value();
        channels_last = channels_last && g_.value(old.output).dims.size() == 4;
        for (ValueId &id : op.inputs) {
            if (!g_.value(id).is_constant()) {
                ACC_TRY(id, channels_last ? last(id) : logical(id));
            } else if (channels_last) {
                const Dims dims = g_.value(id).dims;
                id = g_.add_constant(g_.value(id).name, permuted(dims, kToChannelsLast<>),
                                     transposed(g_.floats(id), dims, kToChannelsLast<>));
            }
        }
        if (channels_last)
            op.axis = std::find(kToChannelsLast<>.begin(), kToChannelsLast<>.end(), old.axis) -
                      kToChannelsLast<>.begin();
        return define(old.output, channels_last, std::move(op));
    }

    // Where the asked order is a reading of memory that exists, nothing is done.
    Status rewrite_transpose(const Op &old)
    {
        Forms &from = forms_[old.inputs[0]];
        const bool channels_last = from.last.has_value();
        const ValueId x = channels_last ? *from.last : *from.logical;
        const size_t rank = old.perm.size();
        // Axis i of memory is logical axis order[i]; where[a] is logical axis a in memory.
        const std::vector<int> order = channels_last ? kToChannelsLast<> : identity(rank);
        std::vector<int> where(rank);
        for (size_t i = 0; i < rank; i++)
            where[order[i]] = static_cast<int>(i);
        const std::vector<int> to_logical = compose(old.perm, where);
        if (rank == 4) {
            const std::vector<int> to_last = compose(kToChannelsLast<>, to_logical);
            if (moves_nothing(g_.value(x).dims, to_last)) {
                ACC_TRY(forms_[old.output].last, transpose(x, to_last));
            }
        }
        if (!forms_[old.output].last || moves_nothing(g_.value(x).dims, to_logical)) {
            ACC_TRY(forms_[old.output].logical, transpose(x, to_logical));
        }
        if (g_.ops.empty() || g_.ops.back().source != old.source)
            g_.sources[old.source].fate = "another reading of the same memory";
        return Ok{};
    }

    Graph &g_;
    Diagnostics &diag_;
    std::vector<Forms> forms_; // by the old graph's ids
    uint32_t source_ = 0;      // of the operation that is rewritten
};

} // namespace

Status choose_layout(Graph &graph, Diagnostics &diag)
{
    return Layout(graph, diag).run();
}

} // namespace acc::accc
