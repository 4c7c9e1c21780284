// SPDX-License-Identifier: MIT
#include "tools/accc/quantize/calibrate.h"

#include "tools/accc/reference/float_interpreter.h"

#include <algorithm>
#include <cmath>

namespace acc::accc
{
namespace
{

constexpr size_t kBins = 2048;
constexpr int kCuts = 26; // 1.00, 0.98, … 0.50 of the extremes

struct Histogram {
    Range seen;
    std::vector<uint64_t> bins;

    double center(size_t bin) const
    {
        const double width = (static_cast<double>(seen.hi) - static_cast<double>(seen.lo)) / kBins;
        return static_cast<double>(seen.lo) + (static_cast<double>(bin) + 0.5) * width;
    }
};

// Mean squared error, but for the division, of what a range makes of the values seen.
double error_of(const Histogram &h, const Range &range)
{
    const Quant q = quant_of(range);
    const auto scale = static_cast<double>(q.scale);
    double error = 0;
    for (size_t i = 0; i < kBins; i++) {
        if (!h.bins[i]) continue;
        const double v = h.center(i);
        const double stored = std::clamp(std::nearbyint(v / scale) + q.zero_point, -128.0, 127.0);
        const double off = v - (stored - q.zero_point) * scale;
        error += off * off * static_cast<double>(h.bins[i]);
    }
    return error;
}

Range percentile_range(const Histogram &h)
{
    uint64_t all = 0;
    for (const uint64_t n : h.bins)
        all += n;
    const uint64_t cut = all / 10000;
    const double width = (static_cast<double>(h.seen.hi) - static_cast<double>(h.seen.lo)) / kBins;
    Range range = h.seen;
    size_t bin = 0;
    for (uint64_t below = 0; bin < kBins && below + h.bins[bin] <= cut; bin++)
        below += h.bins[bin];
    range.lo =
        static_cast<float>(static_cast<double>(h.seen.lo) + static_cast<double>(bin) * width);
    bin = kBins;
    for (uint64_t above = 0; bin > 0 && above + h.bins[bin - 1] <= cut; bin--)
        above += h.bins[bin - 1];
    range.hi =
        static_cast<float>(static_cast<double>(h.seen.lo) + static_cast<double>(bin) * width);
    return range;
}

Range best_range(const Histogram &h, Calibration method)
{
    if (h.bins.empty() || !(h.seen.hi > h.seen.lo) || method == Calibration::MinMax) return h.seen;
    if (method == Calibration::Percentile) return percentile_range(h);
    // What is cut off is the strongest signal, and its error goes on through the network as a
    // bias: a narrower range must halve the error before it is worth that.
    Range best = h.seen;
    double least = error_of(h, best) / (method == Calibration::Auto ? 2 : 1);
    for (int lo_cut = 0; lo_cut < (h.seen.lo < 0 ? kCuts : 1); lo_cut++)
        for (int hi_cut = 0; hi_cut < (h.seen.hi > 0 ? kCuts : 1); hi_cut++) {
            const Range range{h.seen.lo * (1 - 0.02f * static_cast<float>(lo_cut)),
                              h.seen.hi * (1 - 0.02f * static_cast<float>(hi_cut))};
            const double error = error_of(h, range);
            if (error < least) {
                least = error;
                best = range;
            }
        }
    return best;
}

// Whether the value's range is asked for: the others keep their operand's scale.
std::vector<bool> wanted_values(const Graph &g)
{
    std::vector<bool> wanted(g.values.size()), used(g.values.size());
    for (const ValueId id : g.outputs)
        used[id] = true;
    for (const Op &op : g.ops) {
        // What reads floats as they are, or in a scale that the model states.
        const bool as_it_is =
            op.kind == Kind::Host || (op.kind == Kind::Clip && g.value(op.output).quant.scale > 0);
        for (const ValueId id : op.inputs)
            if (id != kNoValue && !as_it_is) used[id] = true;
    }
    for (const ValueId id : g.inputs)
        wanted[id] = used[id];
    for (const Op &op : g.ops) {
        if (op.kind == Kind::Conv || op.kind == Kind::MatMul || op.kind == Kind::Add ||
            op.kind == Kind::Table || op.kind == Kind::Mul || op.kind == Kind::Concat)
            wanted[op.output] = true;
        if (op.kind == Kind::Add || op.kind == Kind::Mul || op.kind == Kind::Concat)
            for (const ValueId id : op.inputs)
                if (g.value(id).is_constant()) wanted[id] = true;
        if (op.kind == Kind::Host)
            for (const ValueId id : results(op))
                if (id != kNoValue) wanted[id] = true;
    }
    for (ValueId id = 0; id < g.values.size(); id++)
        if (g.value(id).dtype != DType::F32 || g.value(id).quant.scale > 0) wanted[id] = false;
    return wanted;
}

// What a softmax makes of values this far below a row's largest is lost in a float beside it.
constexpr float kSoftmaxReach = 20;
// A row whose largest is this far below that of others has nothing but masked elements.
constexpr float kMaskedRow = 256;

// Values that nothing but a softmax reads, and operands of additions that nothing else reads
// whose results are such: attention masks of -1e9 or -infinity. How far down they go does not
// matter, but what is near the largest of each row does.
class SoftmaxOperands
{
public:
    explicit SoftmaxOperands(const Graph &g) : g_(g), is_(g.values.size())
    {
        std::vector<uint32_t> uses = g.uses(), by_these(g.values.size());
        for (const Op &op : g.ops)
            if (op.kind == Kind::Softmax && ++by_these[op.inputs[0]] == uses[op.inputs[0]])
                is_[op.inputs[0]] = true;
        rows_ = is_;
        most_.resize(g.values.size());
        for (size_t i = g.ops.size(); i-- > 0;) {
            const Op &op = g.ops[i];
            if (op.kind != Kind::Add || !is_[op.output]) continue;
            for (const ValueId id : op.inputs)
                if (uses[id] == 1) is_[id] = true;
        }
    }

    bool is(ValueId id) const { return is_[id]; }

    void see(ValueId id, const std::vector<float> &values)
    {
        if (!rows_[id] || g_.value(id).dims.empty()) return;
        const auto cols = static_cast<size_t>(g_.value(id).dims.back());
        for (size_t at = 0; at + cols <= values.size(); at += cols) {
            const auto row = values.begin() + static_cast<std::ptrdiff_t>(at);
            const float most = *std::max_element(row, row + static_cast<std::ptrdiff_t>(cols));
            if (std::isfinite(most)) most_[id].push_back(most);
        }
    }

    // Raises the lower ends of what was seen to where it begins to matter.
    void limit(std::vector<Histogram> &histograms) const
    {
        const auto raise = [&](ValueId id, float lo) {
            Range &seen = histograms[id].seen;
            if (is_[id] && std::isfinite(lo)) seen.lo = std::max(seen.lo, std::min(lo, 0.0f));
        };
        for (size_t i = g_.ops.size(); i-- > 0;) {
            const Op &op = g_.ops[i];
            if (op.kind == Kind::Softmax) raise(op.inputs[0], least(op.inputs[0]) - kSoftmaxReach);
            if (op.kind != Kind::Add || !is_[op.output]) continue;
            const float lo = histograms[op.output].seen.lo;
            for (const size_t k : {0u, 1u})
                raise(op.inputs[k], lo - histograms[op.inputs[1 - k]].seen.hi);
        }
    }

private:
    // The least of the largest of each row; infinite if there is none.
    float least(ValueId id) const
    {
        float most = -HUGE_VALF, least = HUGE_VALF;
        for (const float v : most_[id])
            most = std::max(most, v);
        for (const float v : most_[id])
            if (v > most - kMaskedRow) least = std::min(least, v);
        return least;
    }

    const Graph &g_;
    std::vector<bool> is_, rows_;          // those of additions, too; those of a softmax alone
    std::vector<std::vector<float>> most_; // of each row
};

// The values of a graph on all items, twice: kept as far as they are not too many.
class Items
{
public:
    Items(const Graph &g, const Samples &samples, const std::vector<bool> &wanted)
        : g_(g), samples_(samples), wanted_(wanted)
    {
    }

    template <typename See>
    void each(See see)
    {
        for (size_t i = 0; i < samples_.items; i++) {
            if (i < kept_.size()) {
                look(kept_[i], see);
                continue;
            }
            FloatValues values = evaluate(g_, samples_.item(i));
            look(values, see);
            size_t floats = 0;
            for (const std::vector<float> &v : values)
                floats += v.size();
            if (i != kept_.size() || floats > room_) continue;
            room_ -= floats;
            kept_.push_back(std::move(values));
        }
    }

private:
    template <typename See>
    void look(const FloatValues &values, See see)
    {
        for (ValueId id = 0; id < g_.values.size(); id++)
            if (wanted_[id]) see(id, g_.value(id).is_constant() ? g_.floats(id) : values[id]);
    }

    const Graph &g_;
    const Samples &samples_;
    const std::vector<bool> &wanted_;
    std::vector<FloatValues> kept_;
    size_t room_ = size_t{1} << 26; // 256 MiB
};

} // namespace

Quant quant_of(const Range &range)
{
    const double lo = std::min(static_cast<double>(range.lo), 0.0);
    double hi = std::max(static_cast<double>(range.hi), 0.0);
    if (!(hi > lo)) hi = 1; // never anything but 0: any scale will do
    const double scale = std::max((hi - lo) / 255, 1e-20);
    Quant q;
    q.scale = static_cast<float>(scale);
    q.zero_point =
        static_cast<int32_t>(std::clamp(std::nearbyint(-128 - lo / scale), -128.0, 127.0));
    return q;
}

bool needs_ranges(const Graph &g)
{
    const std::vector<bool> wanted = wanted_values(g);
    return std::find(wanted.begin(), wanted.end(), true) != wanted.end();
}

std::vector<Range> calibrate(const Graph &g, const Samples &samples, Calibration method)
{
    const std::vector<bool> wanted = wanted_values(g);
    std::vector<Histogram> histograms(g.values.size());
    Items items(g, samples, wanted);
    SoftmaxOperands masked(g);
    items.each([&](ValueId id, const std::vector<float> &values) {
        Range &seen = histograms[id].seen;
        masked.see(id, values);
        for (const float v : values) {
            // Not a number, or too large: no range, which lower() refuses by the node's name.
            if (!std::isfinite(v) && !(masked.is(id) && v < 0)) seen.hi = HUGE_VALF;
            seen.lo = std::min(seen.lo, v);
            seen.hi = std::max(seen.hi, v);
        }
    });
    masked.limit(histograms);
    items.each([&](ValueId id, const std::vector<float> &values) {
        Histogram &h = histograms[id];
        if (!std::isfinite(h.seen.lo) || !std::isfinite(h.seen.hi)) return;
        h.bins.resize(kBins);
        const double per_unit =
            kBins /
            std::max(static_cast<double>(h.seen.hi) - static_cast<double>(h.seen.lo), 1e-30);
        for (const float v : values) {
            const double bin = (static_cast<double>(v) - static_cast<double>(h.seen.lo)) * per_unit;
            h.bins[static_cast<size_t>(std::clamp(bin, 0.0, kBins - 1.0))]++;
        }
    });
    std::vector<Range> ranges(g.values.size());
    for (ValueId id = 0; id < g.values.size(); id++)
        if (wanted[id]) ranges[id] = best_range(histograms[id], method);
    return ranges;
}

} // namespace acc::accc
