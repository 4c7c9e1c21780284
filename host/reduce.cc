// SPDX-License-Identifier: MIT
//
// Along axes: reductions, the softmax family, running sums, the largest.
#include "host/call.h"

#include <algorithm>
#include <limits>
#include <numeric>

namespace acc::host
{
namespace
{

// Which axes are reduced: from input 1, or attribute "axes" (ReduceX of all opsets is brought to
// the input; the attribute stays for operators that have nothing else).
bool reduced_axes(Call &c, std::vector<bool> &axes, bool infer)
{
    const int64_t rank = c.rank(0);
    std::vector<int64_t> given = c.ints("axes");
    if (c.has(1)) {
        if (infer && !c.need(1, given)) return false;
        if (!infer) given = read_ints(c.in[1]);
    }
    axes.assign(static_cast<size_t>(rank), false);
    if (given.empty()) {
        if (c.get("noop_with_empty_axes", int64_t{0}) == 0) axes.assign(axes.size(), true);
        return true;
    }
    for (const int64_t a : given) {
        int64_t axis = 0;
        if (!c.axis(a, rank, axis)) return false;
        axes[static_cast<size_t>(axis)] = true;
    }
    return true;
}

Dims reduced_dims(const Dims &dims, const std::vector<bool> &axes, bool keep)
{
    Dims out;
    for (size_t i = 0; i < dims.size(); i++)
        if (!axes[i] || keep) out.push_back(axes[i] ? 1 : dims[i]);
    return out;
}

bool infer_reduce(Call &c)
{
    std::vector<bool> axes;
    if (!reduced_axes(c, axes, true)) return false;
    return c.give(c.in[0].dtype, reduced_dims(c.dims(0), axes, c.get("keepdims", int64_t{1}) != 0));
}

// f(sum so far, element) from `start`, then done(sum, count).
template <typename F, typename D>
bool reduce(Call &c, double start, F f, D done)
{
    std::vector<bool> axes;
    if (!reduced_axes(c, axes, false)) return false;
    const Dims &dims = c.dims(0);
    // Strides of the result as if no axis were gone.
    const Dims kept = reduced_dims(dims, axes, true);
    const int64_t count = elements(dims) / elements(kept);
    const bool whole = !is_float(c.in[0].dtype);
    const auto work = [&](auto w) {
        using W = decltype(w);
        const In<W> x(c.in[0]);
        Out<W> y(c.out[0]);
        W first = static_cast<W>(start);
        if (std::isinf(start) && whole)
            first = start < 0 ? std::numeric_limits<W>::lowest() : std::numeric_limits<W>::max();
        std::vector<W> sums(y.size(), first);
        Walk<1> walk(dims, {spread_strides(kept, dims)});
        for (size_t i = 0; i < x.size(); i++, walk.next()) {
            W &sum = sums[static_cast<size_t>(walk[0])];
            sum = static_cast<W>(f(sum, x[i]));
        }
        for (size_t i = 0; i < y.size(); i++)
            y[i] = static_cast<W>(done(sums[i], count));
    };
    if (whole)
        work(int64_t{});
    else
        work(double{});
    return true;
}

constexpr auto as_is = [](auto sum, int64_t) { return sum; };

bool reduce_log_sum_exp(Call &c)
{
    // Shifted by the largest of all, so that no power overflows.
    const In<double> x(c.in[0]);
    double most = -INFINITY;
    for (size_t i = 0; i < x.size(); i++)
        most = std::max(most, x[i]);
    if (!std::isfinite(most)) most = 0;
    return reduce(
        c, 0, [&](auto s, auto v) { return s + std::exp(static_cast<double>(v) - most); },
        [&](auto s, int64_t) { return std::log(static_cast<double>(s)) + most; });
}

bool infer_arg(Call &c)
{
    int64_t axis = 0;
    if (!c.axis(c.get("axis", int64_t{0}), c.rank(0), axis)) return false;
    Dims dims = c.dims(0);
    if (c.get("keepdims", int64_t{1}))
        dims[static_cast<size_t>(axis)] = 1;
    else
        dims.erase(dims.begin() + axis);
    return c.give(ACC_DTYPE_I64, dims);
}

bool run_arg(Call &c, bool most)
{
    int64_t axis = 0;
    if (!c.axis(c.get("axis", int64_t{0}), c.rank(0), axis)) return false;
    const bool last = c.get("select_last_index", int64_t{0}) != 0;
    const Split3 s = split_at(c.dims(0), axis);
    auto *y = static_cast<int64_t *>(c.out[0].data);
    by_type(c.in[0].dtype, [&](auto w) {
        using W = decltype(w);
        const In<W> x(c.in[0]);
        for (int64_t o = 0; o < s.outer; o++)
            for (int64_t i = 0; i < s.inner; i++) {
                const W *p = x.data() + o * s.axis * s.inner + i;
                int64_t best = 0;
                for (int64_t k = 1; k < s.axis; k++) {
                    const W a = p[k * s.inner], b = p[best * s.inner];
                    if ((most ? a > b : a < b) || (last && a == b)) best = k;
                }
                y[o * s.inner + i] = best;
            }
    });
    return true;
}

bool infer_axis(Call &c)
{
    int64_t axis = 0;
    if (!c.axis(c.get("axis", int64_t{-1}), c.rank(0), axis)) return false;
    return c.give(c.in[0].dtype, c.dims(0));
}

enum class Soft { Max, LogMax, HardMax };

bool run_softmax(Call &c, Soft kind)
{
    int64_t axis = 0;
    if (!c.axis(c.get("axis", int64_t{-1}), c.rank(0), axis)) return false;
    const Split3 s = split_at(c.dims(0), axis);
    const In<double> x(c.in[0]);
    Out<double> y(c.out[0]);
    for (int64_t o = 0; o < s.outer; o++)
        for (int64_t i = 0; i < s.inner; i++) {
            const int64_t at = o * s.axis * s.inner + i;
            const double *p = x.data() + at;
            double *q = y.data() + at;
            int64_t best = 0;
            for (int64_t k = 1; k < s.axis; k++)
                if (p[k * s.inner] > p[best * s.inner]) best = k;
            const double most = p[best * s.inner];
            double sum = 0;
            for (int64_t k = 0; k < s.axis; k++)
                sum += std::exp(p[k * s.inner] - most);
            for (int64_t k = 0; k < s.axis; k++) {
                const double v = p[k * s.inner] - most;
                q[k * s.inner] = kind == Soft::Max      ? std::exp(v) / sum
                                 : kind == Soft::LogMax ? v - std::log(sum)
                                                        : static_cast<double>(k == best);
            }
        }
    return true;
}

bool infer_cumsum(Call &c)
{
    return c.give(c.in[0].dtype, c.dims(0));
}

bool run_cumsum(Call &c)
{
    int64_t axis = 0;
    const std::vector<int64_t> given = read_ints(c.in[1]);
    if (given.size() != 1) return c.fail("expected one axis; found " + dims_text(c.dims(1)));
    if (!c.axis(given[0], c.rank(0), axis)) return false;
    const bool exclusive = c.get("exclusive", int64_t{0}) != 0;
    const bool reverse = c.get("reverse", int64_t{0}) != 0;
    const Split3 s = split_at(c.dims(0), axis);
    by_type(c.in[0].dtype, [&](auto w) {
        using W = decltype(w);
        const In<W> x(c.in[0]);
        Out<W> y(c.out[0]);
        for (int64_t o = 0; o < s.outer; o++)
            for (int64_t i = 0; i < s.inner; i++) {
                W sum = 0;
                for (int64_t n = 0; n < s.axis; n++) {
                    const int64_t k = reverse ? s.axis - 1 - n : n;
                    const int64_t at = (o * s.axis + k) * s.inner + i;
                    if (exclusive) y[static_cast<size_t>(at)] = sum;
                    sum += x[static_cast<size_t>(at)];
                    if (!exclusive) y[static_cast<size_t>(at)] = sum;
                }
            }
    });
    return true;
}

bool infer_topk(Call &c)
{
    std::vector<int64_t> k;
    int64_t axis = 0;
    if (!c.need(1, k)) return false;
    if (!c.axis(c.get("axis", int64_t{-1}), c.rank(0), axis)) return false;
    Dims dims = c.dims(0);
    int64_t &dim = dims[static_cast<size_t>(axis)];
    if (k.size() != 1 || k[0] < 0 || k[0] > dim)
        return c.fail("expected one k of at most " + std::to_string(dim) + "; found another");
    dim = k[0];
    c.give(c.in[0].dtype, dims);
    return c.give(ACC_DTYPE_I64, dims);
}

bool run_topk(Call &c)
{
    int64_t axis = 0;
    if (!c.axis(c.get("axis", int64_t{-1}), c.rank(0), axis)) return false;
    const bool largest = c.get("largest", int64_t{1}) != 0;
    const Split3 s = split_at(c.dims(0), axis);
    const int64_t k = read_ints(c.in[1])[0];
    by_type(c.in[0].dtype, [&](auto w) {
        using W = decltype(w);
        const In<W> x(c.in[0]);
        std::vector<W> values(static_cast<size_t>(s.outer * k * s.inner));
        std::vector<int64_t> order(static_cast<size_t>(s.axis));
        for (int64_t o = 0; o < s.outer; o++)
            for (int64_t i = 0; i < s.inner; i++) {
                const W *p = x.data() + o * s.axis * s.inner + i;
                std::iota(order.begin(), order.end(), 0);
                std::stable_sort(order.begin(), order.end(), [&](int64_t a, int64_t b) {
                    return largest ? p[a * s.inner] > p[b * s.inner]
                                   : p[a * s.inner] < p[b * s.inner];
                });
                for (int64_t n = 0; n < k; n++) {
                    const auto at = static_cast<size_t>((o * k + n) * s.inner + i);
                    values[at] = p[order[static_cast<size_t>(n)] * s.inner];
                    if (c.wants(1))
                        static_cast<int64_t *>(c.out[1].data)[at] = order[static_cast<size_t>(n)];
                }
            }
        if (c.wants(0)) store(values.data(), c.out[0]);
    });
    return true;
}

#define ACC_REDUCE(name, start, f, done)                                                           \
    {                                                                                              \
        name, 1, 2, 1, "axes keepdims noop_with_empty_axes", infer_reduce,                         \
            [](Call &c) { return reduce(c, start, f, done); }                                      \
    }

} // namespace

const Operator reduce_ops[] = {
    ACC_REDUCE(
        "ReduceSum", 0, [](auto s, auto v) { return s + v; }, as_is),
    ACC_REDUCE(
        "ReduceMean", 0, [](auto s, auto v) { return s + v; },
        [](auto s, int64_t n) { return s / static_cast<decltype(s)>(n); }),
    ACC_REDUCE(
        "ReduceProd", 1, [](auto s, auto v) { return s * v; }, as_is),
    ACC_REDUCE(
        "ReduceMax", -INFINITY, [](auto s, auto v) { return v > s ? v : s; }, as_is),
    ACC_REDUCE(
        "ReduceMin", INFINITY, [](auto s, auto v) { return v < s ? v : s; }, as_is),
    ACC_REDUCE(
        "ReduceL1", 0, [](auto s, auto v) { return s + (v < 0 ? -v : v); }, as_is),
    ACC_REDUCE(
        "ReduceL2", 0, [](auto s, auto v) { return s + v * v; },
        [](auto s, int64_t) { return std::sqrt(static_cast<double>(s)); }),
    ACC_REDUCE(
        "ReduceSumSquare", 0, [](auto s, auto v) { return s + v * v; }, as_is),
    ACC_REDUCE(
        "ReduceLogSum", 0, [](auto s, auto v) { return s + v; },
        [](auto s, int64_t) { return std::log(static_cast<double>(s)); }),
    {"ReduceLogSumExp", 1, 2, 1, "axes keepdims noop_with_empty_axes", infer_reduce,
     reduce_log_sum_exp},
    {"ArgMax", 1, 1, 1, "axis keepdims select_last_index", infer_arg,
     [](Call &c) { return run_arg(c, true); }},
    {"ArgMin", 1, 1, 1, "axis keepdims select_last_index", infer_arg,
     [](Call &c) { return run_arg(c, false); }},
    {"Softmax", 1, 1, 1, "axis", infer_axis, [](Call &c) { return run_softmax(c, Soft::Max); }},
    {"LogSoftmax", 1, 1, 1, "axis", infer_axis,
     [](Call &c) { return run_softmax(c, Soft::LogMax); }},
    {"Hardmax", 1, 1, 1, "axis", infer_axis, [](Call &c) { return run_softmax(c, Soft::HardMax); }},
    {"CumSum", 2, 2, 1, "exclusive reverse", infer_cumsum, run_cumsum},
    {"TopK", 2, 2, 2, "axis largest sorted", infer_topk, run_topk},
    {nullptr, 0, 0, 0, nullptr, nullptr, nullptr},
};

} // namespace acc::host
