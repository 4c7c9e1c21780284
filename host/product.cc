// SPDX-License-Identifier: MIT
//
// Products of matrices: float, integer, quantised.
#include "host/window.h"

#include <algorithm>

namespace acc::host
{
namespace
{

// [..., m, k] x [..., k, n] as numpy.matmul has it.
struct Product {
    Dims batch, a_batch, b_batch, out;
    int64_t m = 1, k = 1, n = 1;
};

bool read_product(Call &c, size_t ai, size_t bi, Product &p)
{
    Dims a = c.dims(ai), b = c.dims(bi);
    if (a.empty() || b.empty())
        return c.fail("expected operands of at least 1 dimension; found a scalar");
    const bool row = a.size() == 1, column = b.size() == 1;
    if (row) a.insert(a.begin(), 1);
    if (column) b.push_back(1);
    p.m = a[a.size() - 2];
    p.k = a.back();
    p.n = b.back();
    if (b[b.size() - 2] != p.k)
        return c.fail("expected operands that agree in k; found " + both(c.dims(ai), c.dims(bi)));
    p.a_batch.assign(a.begin(), a.end() - 2);
    p.b_batch.assign(b.begin(), b.end() - 2);
    if (!broadcast(p.a_batch, p.b_batch, p.batch))
        return c.fail("expected batches that fit each other; found " +
                      both(c.dims(ai), c.dims(bi)));
    p.out = p.batch;
    if (!row) p.out.push_back(p.m);
    if (!column) p.out.push_back(p.n);
    return true;
}

template <typename W>
void multiply(int64_t m, int64_t n, int64_t k, const W *a, const W *b, W *y, bool fast = false)
{
    if constexpr (std::is_same_v<W, float>) {
        gemm(m, n, k, a, b, y, fast);
    } else {
        for (int64_t i = 0; i < m; i++)
            for (int64_t l = 0; l < k; l++) {
                const W v = a[i * k + l];
                for (int64_t j = 0; j < n; j++)
                    y[i * n + j] += v * b[l * n + j];
            }
    }
}

// f(batch's a, batch's b, batch's y) for each product of the batch.
template <typename W, typename F>
void each(const Product &p, const W *a, const W *b, W *y, F f)
{
    Walk<2> walk(p.batch, {spread_strides(p.a_batch, p.batch), spread_strides(p.b_batch, p.batch)});
    for (int64_t i = 0, n = elements(p.batch); i < n; i++, walk.next())
        f(a + walk[0] * p.m * p.k, b + walk[1] * p.k * p.n, y + i * p.m * p.n);
}

bool infer_matmul(Call &c)
{
    Product p;
    if (c.in[0].dtype != c.in[1].dtype) return c.fail("expected operands of one type; found two");
    return read_product(c, 0, 1, p) && c.give(c.in[0].dtype, p.out);
}

bool run_matmul(Call &c)
{
    Product p;
    if (!read_product(c, 0, 1, p)) return false;
    by_type(c.in[0].dtype, [&](auto w) {
        using W = decltype(w);
        const In<W> a(c.in[0]), b(c.in[1]);
        Out<W> y(c.out[0]);
        std::fill_n(y.data(), y.size(), W{0});
        each(p, a.data(), b.data(), y.data(),
             [&](const W *x, const W *z, W *to) { multiply(p.m, p.n, p.k, x, z, to, c.fast); });
    });
    return true;
}

bool infer_gemm(Call &c)
{
    if (c.rank(0) != 2 || c.rank(1) != 2)
        return c.fail("expected operands of 2 dimensions; found " + both(c.dims(0), c.dims(1)));
    const bool ta = c.get("transA", int64_t{0}) != 0, tb = c.get("transB", int64_t{0}) != 0;
    const Dims &a = c.dims(0), &b = c.dims(1);
    if (a[ta ? 0 : 1] != b[tb ? 1 : 0])
        return c.fail("expected operands that agree in k; found " + both(a, b));
    const Dims y = {a[ta ? 1 : 0], b[tb ? 0 : 1]};
    Dims all;
    if (c.has(2) && (!broadcast(y, c.dims(2), all) || all != y))
        return c.fail("expected a C that fits " + dims_text(y) + "; found " + dims_text(c.dims(2)));
    return c.give(c.in[0].dtype, y);
}

template <typename W>
std::vector<W> turned(const In<W> &from, int64_t rows, int64_t cols)
{
    std::vector<W> to(from.size());
    for (int64_t r = 0; r < rows; r++)
        for (int64_t q = 0; q < cols; q++)
            to[static_cast<size_t>(q * rows + r)] = from[static_cast<size_t>(r * cols + q)];
    return to;
}

bool run_gemm(Call &c)
{
    const bool ta = c.get("transA", int64_t{0}) != 0, tb = c.get("transB", int64_t{0}) != 0;
    const float alpha = c.get("alpha", 1.0f), beta = c.get("beta", 1.0f);
    const Dims &dims = c.out[0].dims;
    const int64_t k = c.dims(0)[ta ? 0 : 1];
    by_type(c.in[0].dtype, [&](auto w) {
        using W = decltype(w);
        const In<W> a(c.in[0]), b(c.in[1]);
        std::vector<W> at, bt;
        if (ta) at = turned(a, c.dims(0)[0], c.dims(0)[1]);
        if (tb) bt = turned(b, c.dims(1)[0], c.dims(1)[1]);
        Out<W> y(c.out[0]);
        std::fill_n(y.data(), y.size(), W{0});
        multiply(dims[0], dims[1], k, ta ? at.data() : a.data(), tb ? bt.data() : b.data(),
                 y.data(), c.fast);
        if (alpha != 1)
            for (size_t i = 0; i < y.size(); i++)
                y[i] = static_cast<W>(y[i] * static_cast<W>(alpha));
        if (!c.has(2)) return;
        const In<W> add(c.in[2]);
        Walk<1> walk(dims, {spread_strides(c.dims(2), dims)});
        for (size_t i = 0; i < y.size(); i++, walk.next())
            y[i] += static_cast<W>(add[static_cast<size_t>(walk[0])] * static_cast<W>(beta));
    });
    return true;
}

// ------------------------------------------------------------------- integers

bool is_8bit(uint32_t dtype)
{
    return dtype == ACC_DTYPE_I8 || dtype == ACC_DTYPE_U8;
}

bool check_8bit(Call &c, size_t i)
{
    if (is_8bit(c.in[i].dtype)) return true;
    return c.fail("expected input " + std::to_string(i) + " of int8 or uint8; found " +
                  type_name(c.in[i].dtype));
}

// A zero point or scale: one value, or one for each of n.
bool per_one_or(Call &c, size_t i, int64_t n)
{
    const int64_t count = c.has(i) ? elements(c.dims(i)) : 1;
    if (count == 1 || count == n) return true;
    return c.fail("expected input " + std::to_string(i) + " of 1 or " + std::to_string(n) +
                  " values; found " + dims_text(c.dims(i)));
}

// x - zero point, as the integers that products work on. Zero points belong to rows of `run`
// elements, `of` of them in turn.
std::vector<float> shifted(Call &c, size_t x, size_t zero, int64_t run, int64_t of)
{
    std::vector<float> values(static_cast<size_t>(elements(c.dims(x))));
    load(c.in[x], values.data());
    if (!c.has(zero)) return values;
    const std::vector<int64_t> z = read_ints(c.in[zero]);
    for (size_t i = 0; i < values.size(); i++)
        values[i] -= static_cast<float>(
            z[z.size() == 1 ? 0 : i / static_cast<size_t>(run) % static_cast<size_t>(of)]);
    return values;
}

std::vector<int64_t> shifted_ints(Call &c, size_t x, size_t zero, int64_t run, int64_t of)
{
    const std::vector<float> f = shifted(c, x, zero, run, of);
    return {f.begin(), f.end()};
}

bool infer_matmul_integer(Call &c)
{
    Product p;
    if (!check_8bit(c, 0) || !check_8bit(c, 1) || !read_product(c, 0, 1, p)) return false;
    if (!per_one_or(c, 2, p.m) || !per_one_or(c, 3, p.n)) return false;
    return c.give(ACC_DTYPE_I32, p.out);
}

bool run_matmul_integer(Call &c)
{
    Product p;
    if (!read_product(c, 0, 1, p)) return false;
    const auto a = shifted_ints(c, 0, 2, p.k, p.m), b = shifted_ints(c, 1, 3, 1, p.n);
    std::vector<int64_t> y(static_cast<size_t>(elements(p.out)), 0);
    each(p, a.data(), b.data(), y.data(), [&](const int64_t *x, const int64_t *z, int64_t *to) {
        multiply(p.m, p.n, p.k, x, z, to);
    });
    store(y.data(), c.out[0]);
    return true;
}

int64_t saturated(double v, int64_t zero, uint32_t dtype)
{
    const double least = dtype == ACC_DTYPE_I8 ? -128 : 0, most = dtype == ACC_DTYPE_I8 ? 127 : 255;
    return static_cast<int64_t>(
        std::clamp(std::nearbyint(v) + static_cast<double>(zero), least, most));
}

// a, a_scale, a_zero, b, b_scale, b_zero, y_scale, y_zero
bool infer_qlinear_matmul(Call &c)
{
    Product p;
    if (!check_8bit(c, 0) || !check_8bit(c, 3) || !check_8bit(c, 7)) return false;
    if (!read_product(c, 0, 3, p)) return false;
    for (const size_t i : {1, 2})
        if (!per_one_or(c, i, p.m)) return false;
    for (const size_t i : {4, 5})
        if (!per_one_or(c, i, p.n)) return false;
    for (const size_t i : {6, 7})
        if (!per_one_or(c, i, 1)) return false;
    return c.give(c.in[7].dtype, p.out);
}

bool run_qlinear_matmul(Call &c)
{
    Product p;
    if (!read_product(c, 0, 3, p)) return false;
    const auto a = shifted_ints(c, 0, 2, p.k, p.m), b = shifted_ints(c, 3, 5, 1, p.n);
    const In<double> as(c.in[1]), bs(c.in[4]), ys(c.in[6]);
    const int64_t zero = read_ints(c.in[7])[0];
    std::vector<int64_t> y(static_cast<size_t>(elements(p.out)), 0);
    each(p, a.data(), b.data(), y.data(), [&](const int64_t *x, const int64_t *z, int64_t *to) {
        multiply(p.m, p.n, p.k, x, z, to);
    });
    for (size_t i = 0; i < y.size(); i++) {
        const size_t col = i % static_cast<size_t>(p.n);
        const size_t row = i / static_cast<size_t>(p.n) % static_cast<size_t>(p.m);
        const double scale = as[as.size() == 1 ? 0 : row] * bs[bs.size() == 1 ? 0 : col] / ys[0];
        y[i] = saturated(static_cast<double>(y[i]) * scale, zero, c.in[7].dtype);
    }
    store(y.data(), c.out[0]);
    return true;
}

bool infer_conv_integer(Call &c)
{
    if (!check_8bit(c, 0) || !check_8bit(c, 1) || !per_one_or(c, 2, 1)) return false;
    if (!per_one_or(c, 3, c.dims(1).empty() ? 1 : c.dims(1)[0])) return false;
    return infer_conv(c, 1, ACC_DTYPE_I32);
}

// Sums of a convolution, exact in double: fewer than 2^53.
bool integer_conv(Call &c, size_t xz, size_t wi, size_t wz, std::vector<double> &y)
{
    const Dims &wd = c.dims(wi);
    Windows w;
    if (!read_windows(c, {wd.begin() + 2, wd.end()}, w)) return false;
    const std::vector<float> x = shifted(c, 0, xz, 1, 1);
    const std::vector<float> k = shifted(c, wi, wz, elements(wd) / wd[0], wd[0]);
    const int64_t groups = c.get("group", int64_t{1}), depth = wd[1];
    const int64_t channels = wd[0] / groups, size = elements(w.image), pixels = elements(w.out),
                  taps = elements(w.kernel);
    y.assign(static_cast<size_t>(c.dims(0)[0] * wd[0] * pixels), 0);
    for (int64_t n = 0; n < c.dims(0)[0]; n++)
        for (int64_t o = 0; o < wd[0]; o++) {
            const int64_t first = n * c.dims(0)[1] + o / channels * depth;
            Walk<1> walk(w.out, {strides_of(w.out)});
            for (int64_t i = 0; i < pixels; i++, walk.next()) {
                double sum = 0;
                for_each_tap(w, walk.at(), [&](int64_t tap, int64_t from) {
                    for (int64_t d = 0; d < depth; d++)
                        sum +=
                            static_cast<double>(x[static_cast<size_t>((first + d) * size + from)]) *
                            static_cast<double>(
                                k[static_cast<size_t>((o * depth + d) * taps + tap)]);
                });
                y[static_cast<size_t>((n * wd[0] + o) * pixels + i)] = sum;
            }
        }
    return true;
}

bool run_conv_integer(Call &c)
{
    std::vector<double> y;
    if (!integer_conv(c, 2, 1, 3, y)) return false;
    store(y.data(), c.out[0]);
    return true;
}

// x, x_scale, x_zero, w, w_scale, w_zero, y_scale, y_zero, bias
bool infer_qlinear_conv(Call &c)
{
    if (!check_8bit(c, 0) || !check_8bit(c, 3) || !check_8bit(c, 7)) return false;
    const int64_t out = c.dims(3).empty() ? 1 : c.dims(3)[0];
    for (const size_t i : {1, 2, 6, 7})
        if (!per_one_or(c, i, 1)) return false;
    for (const size_t i : {4, 5})
        if (!per_one_or(c, i, out)) return false;
    if (c.has(8) && c.dims(8) != Dims{out})
        return c.fail("expected a bias of " + std::to_string(out) + " values; found " +
                      dims_text(c.dims(8)));
    return infer_conv(c, 3, c.in[7].dtype);
}

bool run_qlinear_conv(Call &c)
{
    std::vector<double> y;
    if (!integer_conv(c, 2, 3, 5, y)) return false;
    const In<double> xs(c.in[1]), ws(c.in[4]), ys(c.in[6]);
    const int64_t zero = read_ints(c.in[7])[0];
    std::vector<int64_t> bias;
    if (c.has(8)) bias = read_ints(c.in[8]);
    const auto out = static_cast<size_t>(c.dims(3)[0]);
    const size_t pixels = y.size() / (out * static_cast<size_t>(c.dims(0)[0]));
    std::vector<int64_t> stored(y.size());
    for (size_t i = 0; i < y.size(); i++) {
        const size_t ch = i / pixels % out;
        const double sum = y[i] + (bias.empty() ? 0 : static_cast<double>(bias[ch]));
        const double scale = xs[0] * ws[ws.size() == 1 ? 0 : ch] / ys[0];
        stored[i] = saturated(sum * scale, zero, c.in[7].dtype);
    }
    store(stored.data(), c.out[0]);
    return true;
}

} // namespace

const Operator product_ops[] = {
    {"MatMul", 2, 2, 1, "", infer_matmul, run_matmul},
    {"Gemm", 2, 3, 1, "alpha beta transA transB", infer_gemm, run_gemm},
    {"MatMulInteger", 2, 4, 1, "", infer_matmul_integer, run_matmul_integer},
    {"QLinearMatMul", 8, 8, 1, "", infer_qlinear_matmul, run_qlinear_matmul},
    {"ConvInteger", 2, 4, 1, kConvAttributes, infer_conv_integer, run_conv_integer},
    {"QLinearConv", 8, 9, 1, kConvAttributes, infer_qlinear_conv, run_qlinear_conv},
    {nullptr, 0, 0, 0, nullptr, nullptr, nullptr},
};

} // namespace acc::host
