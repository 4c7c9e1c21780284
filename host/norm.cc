// SPDX-License-Identifier: MIT
//
// Normalisations.
#include "host/call.h"

#include <algorithm>
#include <numeric>

namespace acc::host
{
namespace
{

bool per_channel(Call &c, size_t i, int64_t channels)
{
    if (c.dims(i) == Dims{channels}) return true;
    return c.fail("expected input " + std::to_string(i) + " of " + std::to_string(channels) +
                  " values; found " + dims_text(c.dims(i)));
}

bool infer_batch(Call &c)
{
    if (c.rank(0) < 1) return c.fail("expected at least 1 dimension; found a scalar");
    if (c.get("training_mode", int64_t{0}) != 0)
        return c.fail("expected attribute 'training_mode' = 0; found another");
    if (c.get("spatial", int64_t{1}) != 1)
        return c.fail("expected attribute 'spatial' = 1; found another");
    const int64_t channels = c.rank(0) > 1 ? c.dims(0)[1] : 1;
    for (const size_t i : {1, 2, 3, 4})
        if (!per_channel(c, i, channels)) return false;
    return c.give(c.in[0].dtype, c.dims(0));
}

bool run_batch(Call &c)
{
    const auto epsilon = static_cast<double>(c.get("epsilon", 1e-5f));
    const Split3 s = c.rank(0) > 1 ? split_at(c.dims(0), 1) : Split3{c.dims(0)[0], 1, 1};
    const In<double> x(c.in[0]), scale(c.in[1]), bias(c.in[2]), mean(c.in[3]), var(c.in[4]);
    Out<double> y(c.out[0]);
    for (size_t i = 0; i < y.size(); i++) {
        const size_t ch = i / static_cast<size_t>(s.inner) % static_cast<size_t>(s.axis);
        y[i] = (x[i] - mean[ch]) / std::sqrt(var[ch] + epsilon) * scale[ch] + bias[ch];
    }
    return true;
}

// Each of `rows` runs of `size` elements to mean 0 and variance 1.
void normalize_rows(const double *x, double *y, int64_t rows, int64_t size, double epsilon,
                    double *means = nullptr, double *inverse = nullptr)
{
    for (int64_t r = 0; r < rows; r++, x += size, y += size) {
        const double mean = std::accumulate(x, x + size, 0.0) / static_cast<double>(size);
        double var = 0;
        for (int64_t i = 0; i < size; i++)
            var += (x[i] - mean) * (x[i] - mean);
        const double inv = 1 / std::sqrt(var / static_cast<double>(size) + epsilon);
        for (int64_t i = 0; i < size; i++)
            y[i] = (x[i] - mean) * inv;
        if (means) means[r] = mean;
        if (inverse) inverse[r] = inv;
    }
}

bool infer_instance(Call &c)
{
    if (c.rank(0) < 3)
        return c.fail("expected at least 3 dimensions; found " + dims_text(c.dims(0)));
    if (!per_channel(c, 1, c.dims(0)[1]) || !per_channel(c, 2, c.dims(0)[1])) return false;
    return c.give(c.in[0].dtype, c.dims(0));
}

bool run_instance(Call &c)
{
    const Split3 s = split_at(c.dims(0), 1);
    const In<double> x(c.in[0]), scale(c.in[1]), bias(c.in[2]);
    Out<double> y(c.out[0]);
    normalize_rows(x.data(), y.data(), s.outer * s.axis, s.inner,
                   static_cast<double>(c.get("epsilon", 1e-5f)));
    for (size_t i = 0; i < y.size(); i++) {
        const size_t ch = i / static_cast<size_t>(s.inner) % static_cast<size_t>(s.axis);
        y[i] = y[i] * scale[ch] + bias[ch];
    }
    return true;
}

bool infer_group(Call &c)
{
    if (c.rank(0) < 2)
        return c.fail("expected at least 2 dimensions; found " + dims_text(c.dims(0)));
    const int64_t channels = c.dims(0)[1], groups = c.get("num_groups", int64_t{0});
    if (groups < 1 || channels % groups)
        return c.fail("expected attribute 'num_groups' to divide " + std::to_string(channels) +
                      "; found " + std::to_string(groups));
    for (const size_t i : {1, 2})
        if (c.dims(i) != Dims{channels} && c.dims(i) != Dims{groups})
            return per_channel(c, i, channels);
    return c.give(c.in[0].dtype, c.dims(0));
}

bool run_group(Call &c)
{
    const int64_t groups = c.get("num_groups", int64_t{1});
    const Split3 s = split_at(c.dims(0), 1);
    const In<double> x(c.in[0]), scale(c.in[1]), bias(c.in[2]);
    Out<double> y(c.out[0]);
    normalize_rows(x.data(), y.data(), s.outer * groups, s.axis / groups * s.inner,
                   static_cast<double>(c.get("epsilon", 1e-5f)));
    const auto channels = static_cast<size_t>(s.axis);
    for (size_t i = 0; i < y.size(); i++) {
        const size_t ch = i / static_cast<size_t>(s.inner) % channels;
        y[i] = y[i] * scale[ch * scale.size() / channels] + bias[ch * bias.size() / channels];
    }
    return true;
}

bool infer_layer(Call &c)
{
    int64_t axis = 0;
    if (!c.axis(c.get("axis", int64_t{-1}), c.rank(0), axis)) return false;
    const Dims tail(c.dims(0).begin() + axis, c.dims(0).end());
    for (const size_t i : {1, 2}) {
        Dims dims;
        if (c.has(i) && (!broadcast(tail, c.dims(i), dims) || dims != tail))
            return c.fail("expected input " + std::to_string(i) + " that fits " + dims_text(tail) +
                          "; found " + dims_text(c.dims(i)));
    }
    Dims rows = c.dims(0);
    std::fill(rows.begin() + axis, rows.end(), 1);
    c.give(c.in[0].dtype, c.dims(0));
    c.give(ACC_DTYPE_F32, rows);
    return c.give(ACC_DTYPE_F32, rows);
}

bool run_layer(Call &c)
{
    int64_t axis = 0;
    if (!c.axis(c.get("axis", int64_t{-1}), c.rank(0), axis)) return false;
    const Dims tail(c.dims(0).begin() + axis, c.dims(0).end());
    const int64_t size = elements(tail), rows = elements(c.dims(0)) / size;
    const In<double> x(c.in[0]), scale(c.in[1]);
    std::vector<double> y(x.size()), means(static_cast<size_t>(rows)), inverse(means);
    normalize_rows(x.data(), y.data(), rows, size, static_cast<double>(c.get("epsilon", 1e-5f)),
                   means.data(), inverse.data());
    std::vector<double> bias;
    if (c.has(2)) bias = read_floats(c.in[2]);
    for (int64_t r = 0; r < rows; r++) {
        Walk<2> walk(tail, {spread_strides(c.dims(1), tail),
                            c.has(2) ? spread_strides(c.dims(2), tail) : Dims(tail.size(), 0)});
        for (int64_t i = 0; i < size; i++, walk.next()) {
            double &v = y[static_cast<size_t>(r * size + i)];
            v *= scale[static_cast<size_t>(walk[0])];
            if (!bias.empty()) v += bias[static_cast<size_t>(walk[1])];
        }
    }
    if (c.wants(0)) store(y.data(), c.out[0]);
    if (c.wants(1)) store(means.data(), c.out[1]);
    if (c.wants(2)) store(inverse.data(), c.out[2]);
    return true;
}

bool infer_lrn(Call &c)
{
    if (c.rank(0) < 2)
        return c.fail("expected at least 2 dimensions; found " + dims_text(c.dims(0)));
    const int64_t size = c.get("size", int64_t{0});
    if (size < 1 || size > kMaxElements)
        return c.fail("expected attribute 'size' of at least 1; found " + std::to_string(size));
    return c.give(c.in[0].dtype, c.dims(0));
}

bool run_lrn(Call &c)
{
    const auto alpha = static_cast<double>(c.get("alpha", 0.0001f)),
               beta = static_cast<double>(c.get("beta", 0.75f)),
               bias = static_cast<double>(c.get("bias", 1.0f));
    const int64_t size = c.get("size", int64_t{1});
    const Split3 s = split_at(c.dims(0), 1);
    const In<double> x(c.in[0]);
    Out<double> y(c.out[0]);
    for (int64_t o = 0; o < s.outer; o++)
        for (int64_t ch = 0; ch < s.axis; ch++) {
            const int64_t from = std::max<int64_t>(0, ch - (size - 1) / 2);
            const int64_t to = std::min(s.axis - 1, ch + size / 2);
            for (int64_t i = 0; i < s.inner; i++) {
                double sum = 0;
                for (int64_t k = from; k <= to; k++) {
                    const double v = x[static_cast<size_t>((o * s.axis + k) * s.inner + i)];
                    sum += v * v;
                }
                const auto at = static_cast<size_t>((o * s.axis + ch) * s.inner + i);
                y[at] = x[at] / std::pow(bias + alpha / static_cast<double>(size) * sum, beta);
            }
        }
    return true;
}

bool infer_lp(Call &c)
{
    int64_t axis = 0;
    if (!c.axis(c.get("axis", int64_t{-1}), c.rank(0), axis)) return false;
    const int64_t p = c.get("p", int64_t{2});
    if (p != 1 && p != 2) return c.fail("expected attribute 'p' = 1 or 2; found another");
    return c.give(c.in[0].dtype, c.dims(0));
}

bool run_lp(Call &c)
{
    int64_t axis = 0;
    if (!c.axis(c.get("axis", int64_t{-1}), c.rank(0), axis)) return false;
    const bool square = c.get("p", int64_t{2}) == 2;
    const Split3 s = split_at(c.dims(0), axis);
    const In<double> x(c.in[0]);
    Out<double> y(c.out[0]);
    for (int64_t o = 0; o < s.outer; o++)
        for (int64_t i = 0; i < s.inner; i++) {
            const int64_t at = o * s.axis * s.inner + i;
            double sum = 0;
            for (int64_t k = 0; k < s.axis; k++) {
                const double v = x[static_cast<size_t>(at + k * s.inner)];
                sum += square ? v * v : std::abs(v);
            }
            if (square) sum = std::sqrt(sum);
            for (int64_t k = 0; k < s.axis; k++) {
                const auto e = static_cast<size_t>(at + k * s.inner);
                y[e] = sum > 0 ? x[e] / sum : 0;
            }
        }
    return true;
}

bool infer_mvn(Call &c)
{
    for (const int64_t a : c.ints("axes")) {
        int64_t axis = 0;
        if (!c.axis(a, c.rank(0), axis)) return false;
    }
    if (!c.has_attr("axes") && c.rank(0) < 4)
        return c.fail("expected 4 dimensions, or attribute 'axes'; found " + dims_text(c.dims(0)));
    return c.give(c.in[0].dtype, c.dims(0));
}

bool run_mvn(Call &c)
{
    const Dims &dims = c.dims(0);
    Dims kept = dims;
    std::vector<int64_t> axes = c.ints("axes");
    if (!c.has_attr("axes")) axes = {0, 2, 3};
    for (const int64_t a : axes)
        kept[static_cast<size_t>(a < 0 ? a + c.rank(0) : a)] = 1;
    const In<double> x(c.in[0]);
    Out<double> y(c.out[0]);
    const auto groups = static_cast<size_t>(elements(kept));
    const auto count = static_cast<double>(x.size() / groups);
    std::vector<double> sum(groups), squares(groups);
    const Dims strides = spread_strides(kept, dims);
    Walk<1> first(dims, {strides});
    for (size_t i = 0; i < x.size(); i++, first.next()) {
        sum[static_cast<size_t>(first[0])] += x[i];
        squares[static_cast<size_t>(first[0])] += x[i] * x[i];
    }
    Walk<1> second(dims, {strides});
    for (size_t i = 0; i < x.size(); i++, second.next()) {
        const auto g = static_cast<size_t>(second[0]);
        const double mean = sum[g] / count;
        y[i] = (x[i] - mean) / (std::sqrt(squares[g] / count - mean * mean) + 1e-9);
    }
    return true;
}

} // namespace

const Operator norm_ops[] = {
    {"BatchNormalization", 5, 5, 1, "epsilon momentum training_mode spatial", infer_batch,
     run_batch},
    {"InstanceNormalization", 3, 3, 1, "epsilon", infer_instance, run_instance},
    {"GroupNormalization", 3, 3, 1, "epsilon num_groups stash_type", infer_group, run_group},
    {"LayerNormalization", 2, 3, 3, "axis epsilon stash_type", infer_layer, run_layer},
    {"LRN", 1, 1, 1, "alpha beta bias size", infer_lrn, run_lrn},
    {"LpNormalization", 1, 1, 1, "axis p", infer_lp, run_lp},
    {"MeanVarianceNormalization", 1, 1, 1, "axes", infer_mvn, run_mvn},
    {nullptr, 0, 0, 0, nullptr, nullptr, nullptr},
};

} // namespace acc::host
