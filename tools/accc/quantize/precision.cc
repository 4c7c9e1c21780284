// SPDX-License-Identifier: MIT
#include "tools/accc/quantize/precision.h"

#include "tools/accc/quantize/weights.h"
#include "tools/accc/reference/float_interpreter.h"

#include <algorithm>
#include <cmath>

namespace acc::accc
{
namespace
{

constexpr size_t kMaxItems = 8;
// Of the magnitudes of a column: times 2^15, with a bias of 2^28, they stay below 2^31.
constexpr int64_t kMaxColumn = 57344;

bool is_product(const Graph &g, const Op &op)
{
    return (op.kind == Kind::Conv || op.kind == Kind::MatMul) &&
           g.value(op.inputs[1]).is_constant();
}

std::vector<float> matrix_of(const Graph &g, const Op &op)
{
    return op.kind == Kind::Conv ? conv_matrix(g, op) : g.floats(op.inputs[1]);
}

// The weights as they will be, for an operand of any scale.
Weights weights_of(const Graph &g, const Op &op, std::span<const float> matrix)
{
    const Value &w = g.value(op.inputs[1]);
    const int64_t n = op.kind == Kind::Conv ? w.dims[0] : w.dims[1];
    const Scales scales = fits_8_bits(matrix, w.scales) ? Scales(w.scales) : Scales();
    return quantize_weights(matrix, static_cast<int64_t>(matrix.size()) / n, n, {}, {1, 0}, scales,
                            {});
}

bool sums_fit(const Weights &w)
{
    std::vector<int64_t> column(static_cast<size_t>(w.n), 0);
    for (size_t i = 0; i < w.data.size(); i++)
        column[i % column.size()] += std::abs(int64_t{w.data[i]});
    return std::all_of(column.begin(), column.end(), [](int64_t v) { return v <= kMaxColumn; });
}

// A product's constant weights, rounded to what int8 has of them.
void round_weights(Graph &g, const Op &op)
{
    const Value &v = g.value(op.inputs[1]);
    std::vector<float> values = g.floats(op.inputs[1]);
    // A run of elements for each of Conv's outputs; MatMul's are columns.
    const bool conv = op.kind == Kind::Conv;
    const size_t n = static_cast<size_t>(conv ? v.dims[0] : v.dims[1]);
    const size_t run = conv ? values.size() / n : 1;
    std::vector<float> most(n, 0);
    for (size_t i = 0; i < values.size(); i++)
        most[i / run % n] = std::max(most[i / run % n], std::abs(values[i]));
    for (size_t i = 0; i < values.size(); i++) {
        const float step = most[i / run % n] / 127;
        if (step > 0) values[i] = std::nearbyint(values[i] / step) * step;
    }
    g.value(op.inputs[1]).data = std::make_shared<const Data>(std::move(values));
}

class Chooser
{
public:
    Chooser(const Graph &g, size_t outputs, std::span<const Range> ranges, const Samples &samples)
        : g_(g), rounded_(g), ranges_(ranges), makers_(g.makers())
    {
        for (const Op &op : rounded_.ops)
            if (is_product(rounded_, op) && rounded_.value(op.inputs[1]).scales.empty())
                round_weights(rounded_, op);
        find_too_large();
        find_wide_ok();
        for (size_t i = 0; i < outputs; i++)
            outputs_.push_back(before_softmax(g_.outputs[i]));
        const size_t items = std::min(samples.items, kMaxItems);
        for (size_t i = 0; i < items; i++) {
            items_.push_back(samples.item(i * samples.items / items));
            wanted_.push_back(evaluate(g_, items_.back()));
        }
    }

    // Values that may be wide and that products read, in the order in which they are made.
    std::vector<ValueId> candidates() const
    {
        std::set<ValueId> all;
        for (const Op &op : g_.ops)
            if (is_product(g_, op) && can_be_wide(unshaped(op.inputs[0])))
                all.insert(unshaped(op.inputs[0]));
        return {all.begin(), all.end()};
    }

    // Makes a value wide, and the operands of the additions that it comes from.
    void widen(ValueId id, std::set<ValueId> &wide) const
    {
        if (!wide.insert(id).second || maker(id)->kind != Kind::Add) return;
        for (const ValueId operand : maker(id)->inputs)
            widen(unshaped(operand), wide);
    }

    // Of the outputs, with these values unrounded.
    double sqnr_db(const std::set<ValueId> &wide) const
    {
        double signal = 0, noise = 0;
        const Rewrite round = [&](ValueId id, std::vector<float> &values) {
            if (!wide.contains(id)) round_value(id, values);
        };
        for (size_t i = 0; i < items_.size(); i++) {
            const FloatValues found = evaluate(rounded_, items_[i], nullptr, round);
            for (const ValueId id : outputs_)
                for (size_t k = 0; k < wanted_[i][id].size(); k++) {
                    const auto w = static_cast<double>(wanted_[i][id][k]);
                    const double off = w - static_cast<double>(found[id][k]);
                    signal += w * w;
                    noise += off * off;
                }
        }
        return noise > 0 ? 10 * std::log10(std::max(signal, 1e-300) / noise) : 999;
    }

private:
    const Op *maker(ValueId id) const { return makers_[id] < 0 ? nullptr : &g_.ops[makers_[id]]; }

    ValueId unshaped(ValueId id) const
    {
        while (maker(id) && maker(id)->kind == Kind::Reshape)
            id = maker(id)->inputs[0];
        return id;
    }

    ValueId before_softmax(ValueId id) const
    {
        const ValueId last = unshaped(id);
        return maker(last) && maker(last)->kind == Kind::Softmax ? maker(last)->inputs[0] : id;
    }

    bool can_be_wide(ValueId id) const { return wide_ok_[id]; }

    // In the order of the operations, so that operands of an addition are known before it.
    void find_wide_ok()
    {
        wide_ok_.resize(g_.values.size());
        for (const Op &op : g_.ops) {
            const Range &r = ranges_[op.output];
            bool good = op.kind == Kind::Conv || op.kind == Kind::MatMul || op.kind == Kind::Add;
            for (const ValueId id : op.inputs)
                good = good && (op.kind != Kind::Add || wide_ok_[unshaped(id)]);
            wide_ok_[op.output] = good && !(g_.value(op.output).quant.scale > 0) &&
                                  std::isfinite(r.lo) && std::isfinite(r.hi) && r.hi > r.lo &&
                                  !too_large_.contains(op.output);
        }
    }

    // What products read whose sums could leave 32 bits.
    void find_too_large()
    {
        for (const Op &op : g_.ops)
            if (is_product(g_, op) && !sums_fit(weights_of(g_, op, matrix_of(g_, op))))
                too_large_.insert(unshaped(op.inputs[0]));
    }

    void round_value(ValueId id, std::vector<float> &values) const
    {
        const Value &v = g_.value(id);
        const Range &r = ranges_[id];
        if (!(r.hi > r.lo) && !(v.quant.scale > 0)) return; // of its operand's scale
        const Quant q = v.quant.scale > 0 ? v.quant : quant_of(r);
        const auto zero = static_cast<float>(q.zero_point);
        for (float &x : values)
            x = (std::clamp(std::nearbyint(x / q.scale) + zero, -128.0f, 127.0f) - zero) * q.scale;
    }

    const Graph &g_;
    Graph rounded_; // with int8's weights
    std::span<const Range> ranges_;
    std::vector<int64_t> makers_;
    std::set<ValueId> too_large_;
    std::vector<bool> wide_ok_; // of a value
    std::vector<ValueId> outputs_;
    std::vector<std::vector<std::span<const float>>> items_;
    std::vector<FloatValues> wanted_;
};

} // namespace

Precision choose_precision(const Graph &g, size_t outputs, std::span<const Range> ranges,
                           const Samples &samples, double sqnr_db)
{
    const Chooser chooser(g, outputs, ranges, samples);
    Precision chosen;
    chosen.narrow_db = chosen.chosen_db = chooser.sqnr_db({});
    if (chosen.narrow_db >= sqnr_db) return chosen;
    std::vector<std::pair<double, ValueId>> order;
    for (const ValueId id : chooser.candidates()) {
        std::set<ValueId> alone;
        chooser.widen(id, alone);
        order.emplace_back(-chooser.sqnr_db(alone), id);
    }
    std::sort(order.begin(), order.end());
    for (const auto &[gain, id] : order) {
        if (chosen.chosen_db >= sqnr_db) break;
        if (chosen.wide.contains(id)) continue;
        chooser.widen(id, chosen.wide);
        chosen.chosen_db = chooser.sqnr_db(chosen.wide);
    }
    for (const Op &op : g.ops)
        if (chosen.wide.contains(op.output)) chosen.values.push_back(g.value(op.output).name);
    return chosen;
}

} // namespace acc::accc
