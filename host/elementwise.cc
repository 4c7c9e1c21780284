// SPDX-License-Identifier: MIT
//
// One result for each element: functions, arithmetic with broadcasting, comparisons, casts.
#include "host/call.h"

#include <algorithm>
#include <limits>

namespace acc::host
{
namespace
{

constexpr size_t kManyOperands = 1024;

bool same_type(Call &c)
{
    return c.give(c.in[0].dtype, c.dims(0));
}

bool to_bool(Call &c)
{
    return c.give(ACC_DTYPE_BOOL, c.dims(0));
}

// Parameters are read once for a tensor.
struct Params {
    float alpha, beta, gamma;
};

// f(x, params) for each element; integers are worked on as integers.
template <typename F>
bool map(Call &c, float alpha, float beta, F f, float gamma = 1)
{
    const Params p{c.get("alpha", alpha), c.get("beta", beta), c.get("gamma", gamma)};
    by_type(c.in[0].dtype, [&](auto w) {
        using W = decltype(w);
        const In<W> x(c.in[0]);
        Out<W> y(c.out[0]);
        for (size_t i = 0; i < y.size(); i++)
            y[i] = static_cast<W>(f(x[i], p));
    });
    return true;
}

// The same with doubles inside: functions of the C library, a last bit better than float.
template <typename F>
bool map_real(Call &c, F f)
{
    const In<double> x(c.in[0]);
    Out<double> y(c.out[0]);
    for (size_t i = 0; i < y.size(); i++)
        y[i] = f(x[i]);
    return true;
}

double sigmoid(double x)
{
    return x >= 0 ? 1 / (1 + std::exp(-x)) : std::exp(x) / (1 + std::exp(x));
}

double softplus(double x)
{
    return x > 0 ? x + std::log1p(std::exp(-x)) : std::log1p(std::exp(x));
}

bool gelu(Call &c)
{
    const std::string form = c.get("approximate", "none");
    const bool tanh = form == "tanh";
    return map_real(c, [&](double x) {
        if (tanh) return 0.5 * x * (1 + std::tanh(0.7978845608028654 * (x + 0.044715 * x * x * x)));
        return 0.5 * x * (1 + std::erf(x * 0.7071067811865476));
    });
}

template <typename W>
W whole_mod(W a, W b, bool like_c)
{
    if constexpr (std::is_same_v<W, int64_t>) {
        if (b == 0) return 0;
        if (b == -1) return 0;
        const W r = a % b;
        return !like_c && r != 0 && (r < 0) != (b < 0) ? r + b : r;
    } else {
        const W r = std::fmod(a, b);
        return !like_c && r != 0 && (r < 0) != (b < 0) ? r + b : r;
    }
}

// --------------------------------------------------------------- broadcasting

bool infer_broadcast(Call &c, uint32_t dtype)
{
    Dims dims = c.dims(0);
    for (size_t i = 1; i < c.in.size(); i++) {
        if (!c.has(i)) return c.fail("expected input " + std::to_string(i) + "; found none");
        const Dims so_far = dims;
        if (!broadcast(so_far, c.dims(i), dims))
            return c.fail("expected shapes that fit each other; found " + both(so_far, c.dims(i)));
    }
    return c.give(dtype, dims);
}

bool infer_arithmetic(Call &c)
{
    for (size_t i = 1; i < c.in.size(); i++)
        if (c.has(i) && c.in[i].dtype != c.in[0].dtype)
            return c.fail(std::string("expected operands of one type; found ") +
                          type_name(c.in[0].dtype) + " and " + type_name(c.in[i].dtype));
    return infer_broadcast(c, c.in[0].dtype);
}

bool infer_pow(Call &c)
{
    return infer_broadcast(c, c.in[0].dtype);
}

bool infer_compare(Call &c)
{
    if (c.in[0].dtype != c.in[1].dtype)
        return c.fail(std::string("expected operands of one type; found ") +
                      type_name(c.in[0].dtype) + " and " + type_name(c.in[1].dtype));
    return infer_broadcast(c, ACC_DTYPE_BOOL);
}

template <typename W, typename R, typename F>
void zip(const W *a, const Dims &ad, const W *b, const Dims &bd, R *y, const Dims &yd, F f)
{
    const int64_t n = elements(yd), an = elements(ad), bn = elements(bd);
    if (an == n && bn == n) {
        for (int64_t i = 0; i < n; i++)
            y[i] = f(a[i], b[i]);
    } else if (an == n && bn == 1) {
        for (int64_t i = 0; i < n; i++)
            y[i] = f(a[i], b[0]);
    } else {
        Walk<2> walk(yd, {spread_strides(ad, yd), spread_strides(bd, yd)});
        for (int64_t i = 0; i < n; i++, walk.next())
            y[i] = f(a[walk[0]], b[walk[1]]);
    }
}

// f over all operands, from left to right.
template <typename F>
bool fold(Call &c, F f)
{
    by_type(c.in[0].dtype, [&](auto w) {
        using W = decltype(w);
        const Dims &yd = c.out[0].dims;
        Out<W> y(c.out[0]);
        const In<W> a(c.in[0]);
        if (c.in.size() == 1) {
            std::copy_n(a.data(), y.size(), y.data());
            return;
        }
        const In<W> b(c.in[1]);
        zip(a.data(), c.dims(0), b.data(), c.dims(1), y.data(), yd, f);
        for (size_t i = 2; i < c.in.size(); i++) {
            const In<W> next(c.in[i]);
            const std::vector<W> so_far(y.data(), y.data() + y.size());
            zip(so_far.data(), yd, next.data(), c.dims(i), y.data(), yd, f);
        }
    });
    return true;
}

template <typename F>
bool compare(Call &c, F f)
{
    by_type(c.in[0].dtype, [&](auto w) {
        using W = decltype(w);
        const In<W> a(c.in[0]), b(c.in[1]);
        zip(a.data(), c.dims(0), b.data(), c.dims(1), static_cast<uint8_t *>(c.out[0].data),
            c.out[0].dims, [&](W x, W y) { return static_cast<uint8_t>(f(x, y)); });
    });
    return true;
}

bool run_div(Call &c)
{
    return fold(c, [](auto a, auto b) {
        using W = decltype(a);
        if constexpr (std::is_same_v<W, int64_t>) {
            if (b == 0) return W{0};
            if (b == -1) return static_cast<W>(0 - static_cast<uint64_t>(a));
        }
        return static_cast<W>(a / b);
    });
}

bool run_mean(Call &c)
{
    if (!fold(c, [](auto a, auto b) { return a + b; })) return false;
    by_type(c.in[0].dtype, [&](auto w) {
        using W = decltype(w);
        const std::vector<W> sums = [&] {
            const In<W> all(c.out[0]);
            return std::vector<W>(all.data(), all.data() + all.size());
        }();
        Out<W> y(c.out[0]);
        for (size_t i = 0; i < y.size(); i++)
            y[i] = sums[i] / static_cast<W>(c.in.size());
    });
    return true;
}

// The exponent may be of another type than the base, whose type the result has.
bool run_pow(Call &c)
{
    if (!is_float(c.in[0].dtype) && !is_float(c.in[1].dtype)) {
        const In<int64_t> a(c.in[0]), b(c.in[1]);
        Out<int64_t> y(c.out[0]);
        zip(a.data(), c.dims(0), b.data(), c.dims(1), y.data(), c.out[0].dims,
            [](int64_t base, int64_t power) {
                if (power < 0) return base == 1 ? int64_t{1} : int64_t{0};
                uint64_t result = 1, square = static_cast<uint64_t>(base);
                for (; power; power >>= 1, square *= square)
                    if (power & 1) result *= square;
                return static_cast<int64_t>(result);
            });
        return true;
    }
    const In<double> a(c.in[0]), b(c.in[1]);
    Out<double> y(c.out[0]);
    zip(a.data(), c.dims(0), b.data(), c.dims(1), y.data(), c.out[0].dims,
        [](double x, double p) { return std::pow(x, p); });
    return true;
}

bool run_mod(Call &c)
{
    const bool like_c = c.get("fmod", int64_t{0}) != 0;
    return fold(c, [&](auto a, auto b) { return whole_mod(a, b, like_c); });
}

bool run_shift(Call &c)
{
    const bool left = c.get("direction", "") == "LEFT";
    return fold(c, [&](auto a, auto b) {
        using W = decltype(a);
        const auto x = static_cast<uint64_t>(a), by = static_cast<uint64_t>(b);
        if (by > 63) return W{0};
        return static_cast<W>(left ? x << by : x >> by);
    });
}

template <typename F>
bool bits(Call &c, F f)
{
    return fold(c, [&](auto a, auto b) {
        return static_cast<decltype(a)>(f(static_cast<int64_t>(a), static_cast<int64_t>(b)));
    });
}

bool run_prelu(Call &c)
{
    by_type(c.in[0].dtype, [&](auto w) {
        using W = decltype(w);
        const In<W> x(c.in[0]), slope(c.in[1]);
        Out<W> y(c.out[0]);
        zip(x.data(), c.dims(0), slope.data(), c.dims(1), y.data(), c.out[0].dims,
            [](W v, W s) { return v < 0 ? v * s : v; });
    });
    return true;
}

// The slope is spread over x alone.
bool infer_prelu(Call &c)
{
    Dims dims;
    if (!broadcast(c.dims(0), c.dims(1), dims) || dims != c.dims(0))
        return c.fail("expected a slope that fits x; found " + both(c.dims(0), c.dims(1)));
    return c.give(c.in[0].dtype, dims);
}

bool infer_where(Call &c)
{
    Dims dims, all;
    if (!broadcast(c.dims(1), c.dims(2), dims) || !broadcast(dims, c.dims(0), all))
        return c.fail("expected shapes that fit each other; found " + both(c.dims(1), c.dims(2)) +
                      " by " + dims_text(c.dims(0)));
    if (c.in[1].dtype != c.in[2].dtype || c.in[0].dtype != ACC_DTYPE_BOOL)
        return c.fail("expected a boolean and two operands of one type; found others");
    return c.give(c.in[1].dtype, all);
}

bool run_where(Call &c)
{
    const Dims &dims = c.out[0].dims;
    const uint32_t size = element_bytes(c.out[0].dtype);
    Walk<3> walk(dims, {spread_strides(c.dims(0), dims), spread_strides(c.dims(1), dims),
                        spread_strides(c.dims(2), dims)});
    const auto *when = static_cast<const uint8_t *>(c.in[0].data);
    auto *to = static_cast<std::byte *>(c.out[0].data);
    for (int64_t i = 0, n = elements(dims); i < n; i++, walk.next(), to += size) {
        const bool first = when[walk[0]] != 0;
        std::memcpy(to,
                    static_cast<const std::byte *>(c.in[first ? 1 : 2].data) +
                        walk[first ? 1 : 2] * size,
                    size);
    }
    return true;
}

bool infer_clip(Call &c)
{
    for (const size_t i : {1, 2})
        if (c.has(i) && elements(c.dims(i)) != 1)
            return c.fail("expected a limit of one value; found " + dims_text(c.dims(i)));
    return same_type(c);
}

bool run_clip(Call &c)
{
    by_type(c.in[0].dtype, [&](auto w) {
        using W = decltype(w);
        const In<W> x(c.in[0]);
        Out<W> y(c.out[0]);
        W lo = std::numeric_limits<W>::lowest(), hi = std::numeric_limits<W>::max();
        if constexpr (!std::is_same_v<W, int64_t>) {
            lo = -std::numeric_limits<W>::infinity();
            hi = std::numeric_limits<W>::infinity();
        }
        if (c.has(1)) lo = In<W>(c.in[1])[0];
        if (c.has(2)) hi = In<W>(c.in[2])[0];
        // The upper limit last: it holds where the two contradict each other. NaN stays.
        for (size_t i = 0; i < y.size(); i++) {
            const W v = x[i] < lo ? lo : x[i];
            y[i] = v > hi ? hi : v;
        }
    });
    return true;
}

bool infer_cast(Call &c)
{
    const auto to = static_cast<uint32_t>(c.get("to", int64_t{0}));
    if (!element_bytes(to))
        return c.fail("expected attribute 'to' to be a number type; found " + std::to_string(to));
    return c.give(to, c.dims(0));
}

bool run_cast(Call &c)
{
    by_type(c.in[0].dtype, [&](auto w) {
        using W = decltype(w);
        const In<W> x(c.in[0]);
        store(x.data(), c.out[0]);
    });
    return true;
}

bool run_isinf(Call &c)
{
    const bool negative = c.get("detect_negative", int64_t{1}) != 0;
    const bool positive = c.get("detect_positive", int64_t{1}) != 0;
    const In<double> x(c.in[0]);
    for (size_t i = 0; i < x.size(); i++)
        static_cast<uint8_t *>(c.out[0].data)[i] =
            std::isinf(x[i]) && (x[i] < 0 ? negative : positive);
    return true;
}

bool run_isnan(Call &c)
{
    const In<double> x(c.in[0]);
    for (size_t i = 0; i < x.size(); i++)
        static_cast<uint8_t *>(c.out[0].data)[i] = std::isnan(x[i]);
    return true;
}

bool run_shrink(Call &c)
{
    const float bias = c.get("bias", 0.0f), lambd = c.get("lambd", 0.5f);
    return map(c, 0, 0, [&](auto x, Params) {
        const auto v = static_cast<double>(x);
        return v < -static_cast<double>(lambd)  ? v + static_cast<double>(bias)
               : v > static_cast<double>(lambd) ? v - static_cast<double>(bias)
                                                : 0.0;
    });
}

double d(float v)
{
    return static_cast<double>(v);
}

#define ACC_MAP(alpha, beta, expression)                                                           \
    [](Call &c) {                                                                                  \
        return map(c, alpha, beta, [](auto x, [[maybe_unused]] Params p) { return expression; });  \
    }
#define ACC_REAL(expression)                                                                       \
    [](Call &c) { return map_real(c, [](double x) { return expression; }); }
#define ACC_UNARY(name, run)                                                                       \
    {                                                                                              \
        name, 1, 1, 1, "alpha beta gamma lambd bias approximate", same_type, run                   \
    }
#define ACC_FOLD(expression)                                                                       \
    [](Call &c) {                                                                                  \
        return fold(c, [](auto a, auto b) { return static_cast<decltype(a)>(expression); });       \
    }
#define ACC_COMPARE(expression)                                                                    \
    [](Call &c) { return compare(c, [](auto a, auto b) { return expression; }); }

} // namespace

const Operator elementwise_ops[] = {
    ACC_UNARY("Abs", ACC_MAP(0, 0, x < 0 ? -x : x)),
    ACC_UNARY("Neg", ACC_MAP(0, 0, -x)),
    ACC_UNARY("Sign", ACC_MAP(0, 0,
                              x > 0   ? 1
                              : x < 0 ? -1
                                      : 0)),
    ACC_UNARY("Relu", ACC_MAP(0, 0, x < 0 ? decltype(x){0} : x)),
    ACC_UNARY("LeakyRelu", ACC_MAP(0.01f, 0, x < 0 ? x * p.alpha : x)),
    ACC_UNARY("ThresholdedRelu", ACC_MAP(1, 0, x > p.alpha ? x : decltype(x){0})),
    ACC_UNARY(
        "HardSigmoid",
        ACC_MAP(0.2f, 0.5f, std::clamp(d(p.alpha) * static_cast<double>(x) + d(p.beta), 0.0, 1.0))),
    ACC_UNARY("Elu", ACC_MAP(1, 0,
                             x < 0 ? d(p.alpha) * std::expm1(static_cast<double>(x))
                                   : static_cast<double>(x))),
    ACC_UNARY("Celu", ACC_MAP(1, 0,
                              x < 0 ? d(p.alpha) * std::expm1(static_cast<double>(x) / d(p.alpha))
                                    : static_cast<double>(x))),
    ACC_UNARY("Selu",
              [](Call &c) {
                  return map(
                      c, 1.67326319217681884765625f, 0,
                      [](auto x, Params p) {
                          const auto v = static_cast<double>(x);
                          return d(p.gamma) * (v <= 0 ? d(p.alpha) * std::expm1(v) : v);
                      },
                      1.05070102214813232421875f);
              }),
    ACC_UNARY("Shrink", run_shrink),
    ACC_UNARY("Gelu", gelu),
    ACC_UNARY("Not", ACC_MAP(0, 0, x == 0)),
    ACC_UNARY("BitwiseNot", ACC_MAP(0, 0, ~static_cast<int64_t>(x))),
    ACC_UNARY("Floor", ACC_REAL(std::floor(x))),
    ACC_UNARY("Ceil", ACC_REAL(std::ceil(x))),
    ACC_UNARY("Round", ACC_REAL(std::nearbyint(x))),
    ACC_UNARY("Sqrt", ACC_REAL(std::sqrt(x))),
    ACC_UNARY("Reciprocal", ACC_REAL(1 / x)),
    ACC_UNARY("Exp", ACC_REAL(std::exp(x))),
    ACC_UNARY("Log", ACC_REAL(std::log(x))),
    ACC_UNARY("Erf", ACC_REAL(std::erf(x))),
    ACC_UNARY("Sigmoid", ACC_REAL(sigmoid(x))),
    ACC_UNARY("Tanh", ACC_REAL(std::tanh(x))),
    ACC_UNARY("Softplus", ACC_REAL(softplus(x))),
    ACC_UNARY("Softsign", ACC_REAL(x / (1 + std::abs(x)))),
    ACC_UNARY("HardSwish", ACC_REAL(x *std::clamp(x / 6 + 0.5, 0.0, 1.0))),
    ACC_UNARY("Mish", ACC_REAL(x *std::tanh(softplus(x)))),
    ACC_UNARY("Sin", ACC_REAL(std::sin(x))),
    ACC_UNARY("Cos", ACC_REAL(std::cos(x))),
    ACC_UNARY("Tan", ACC_REAL(std::tan(x))),
    ACC_UNARY("Asin", ACC_REAL(std::asin(x))),
    ACC_UNARY("Acos", ACC_REAL(std::acos(x))),
    ACC_UNARY("Atan", ACC_REAL(std::atan(x))),
    ACC_UNARY("Sinh", ACC_REAL(std::sinh(x))),
    ACC_UNARY("Cosh", ACC_REAL(std::cosh(x))),
    ACC_UNARY("Asinh", ACC_REAL(std::asinh(x))),
    ACC_UNARY("Acosh", ACC_REAL(std::acosh(x))),
    ACC_UNARY("Atanh", ACC_REAL(std::atanh(x))),
    {"IsNaN", 1, 1, 1, "", to_bool, run_isnan},
    {"IsInf", 1, 1, 1, "detect_negative detect_positive", to_bool, run_isinf},
    {"Add", 2, 2, 1, "", infer_arithmetic, ACC_FOLD(a + b)},
    {"Sub", 2, 2, 1, "", infer_arithmetic, ACC_FOLD(a - b)},
    {"Mul", 2, 2, 1, "", infer_arithmetic, ACC_FOLD(a *b)},
    {"Div", 2, 2, 1, "", infer_arithmetic, run_div},
    {"Mod", 2, 2, 1, "fmod", infer_arithmetic, run_mod},
    {"Pow", 2, 2, 1, "", infer_pow, run_pow},
    {"Sum", 1, kManyOperands, 1, "", infer_arithmetic, ACC_FOLD(a + b)},
    {"Mean", 1, kManyOperands, 1, "", infer_arithmetic, run_mean},
    // NaN of either side stays.
    {"Max", 1, kManyOperands, 1, "", infer_arithmetic, ACC_FOLD(a > b || a != a ? a : b)},
    {"Min", 1, kManyOperands, 1, "", infer_arithmetic, ACC_FOLD(a < b || a != a ? a : b)},
    {"And", 2, 2, 1, "", infer_arithmetic, ACC_FOLD(a != 0 && b != 0)},
    {"Or", 2, 2, 1, "", infer_arithmetic, ACC_FOLD(a != 0 || b != 0)},
    {"Xor", 2, 2, 1, "", infer_arithmetic, ACC_FOLD((a != 0) != (b != 0))},
    {"BitShift", 2, 2, 1, "direction", infer_arithmetic, run_shift},
    {"BitwiseAnd", 2, 2, 1, "", infer_arithmetic,
     [](Call &c) { return bits(c, [](int64_t a, int64_t b) { return a & b; }); }},
    {"BitwiseOr", 2, 2, 1, "", infer_arithmetic,
     [](Call &c) { return bits(c, [](int64_t a, int64_t b) { return a | b; }); }},
    {"BitwiseXor", 2, 2, 1, "", infer_arithmetic,
     [](Call &c) { return bits(c, [](int64_t a, int64_t b) { return a ^ b; }); }},
    {"Equal", 2, 2, 1, "", infer_compare, ACC_COMPARE(a == b)},
    {"Less", 2, 2, 1, "", infer_compare, ACC_COMPARE(a < b)},
    {"LessOrEqual", 2, 2, 1, "", infer_compare, ACC_COMPARE(a <= b)},
    {"Greater", 2, 2, 1, "", infer_compare, ACC_COMPARE(a > b)},
    {"GreaterOrEqual", 2, 2, 1, "", infer_compare, ACC_COMPARE(a >= b)},
    {"PRelu", 2, 2, 1, "", infer_prelu, run_prelu},
    {"Where", 3, 3, 1, "", infer_where, run_where},
    {"Clip", 1, 3, 1, "", infer_clip, run_clip},
    {"Cast", 1, 1, 1, "to saturate", infer_cast, run_cast},
    {nullptr, 0, 0, 0, nullptr, nullptr, nullptr},
};

} // namespace acc::host
