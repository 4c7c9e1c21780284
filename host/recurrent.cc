// SPDX-License-Identifier: MIT
//
// RNN, GRU and LSTM, one or both directions.
#include "host/call.h"

#include <algorithm>

namespace acc::host
{
namespace
{

double activate(const std::string &name, double x, double alpha, double beta)
{
    if (name == "Tanh") return std::tanh(x);
    if (name == "Sigmoid") return 1 / (1 + std::exp(-x));
    if (name == "Relu") return x < 0 ? 0 : x;
    if (name == "LeakyRelu") return x < 0 ? alpha * x : x;
    if (name == "ThresholdedRelu") return x > alpha ? x : 0;
    if (name == "Elu") return x < 0 ? alpha * std::expm1(x) : x;
    if (name == "ScaledTanh") return alpha * std::tanh(beta * x);
    if (name == "HardSigmoid") return std::clamp(alpha * x + beta, 0.0, 1.0);
    if (name == "Softsign") return x / (1 + std::abs(x));
    if (name == "Softplus") return std::log1p(std::exp(x));
    return alpha * x + beta; // Affine
}

bool known_activation(const std::string &name)
{
    for (const char *known : {"Tanh", "Sigmoid", "Relu", "LeakyRelu", "ThresholdedRelu", "Elu",
                              "ScaledTanh", "HardSigmoid", "Softsign", "Softplus", "Affine"})
        if (name == known) return true;
    return false;
}

bool has_beta(const std::string &name)
{
    return name == "HardSigmoid" || name == "ScaledTanh" || name == "Affine";
}

bool has_alpha(const std::string &name)
{
    return has_beta(name) || name == "LeakyRelu" || name == "ThresholdedRelu" || name == "Elu";
}

struct Function {
    std::string name;
    double alpha, beta;
    double operator()(double x) const { return activate(name, x, alpha, beta); }
};

// ONNX's defaults of alpha and beta by function.
Function with_defaults(const std::string &name)
{
    Function f{name, 1, 0};
    if (name == "LeakyRelu") f.alpha = 0.01;
    if (name == "HardSigmoid") f = {name, 0.2, 0.5};
    return f;
}

// Sizes and options of a layer; gates is 1, 3 or 4.
struct Layer {
    int64_t gates = 1, time = 1, batch = 1, input = 1, hidden = 1, directions = 1;
    bool backward_first = false; // direction "reverse"
    bool batch_first = false;    // attribute "layout" = 1
    std::vector<Function> functions;
    double clip = 0; // 0: none
};

size_t functions_of(int64_t gates)
{
    return gates == 1 ? 1 : gates == 3 ? 2 : 3;
}

bool read_layer(Call &c, int64_t gates, Layer &l)
{
    l.gates = gates;
    if (c.rank(0) != 3 || c.rank(1) != 3 || c.rank(2) != 3)
        return c.fail("expected X, W and R of 3 dimensions; found others");
    l.batch_first = c.get("layout", int64_t{0}) != 0;
    l.time = c.dims(0)[l.batch_first ? 1 : 0];
    l.batch = c.dims(0)[l.batch_first ? 0 : 1];
    l.input = c.dims(0)[2];
    l.hidden = c.get("hidden_size", c.dims(2)[2]);
    const std::string direction = c.get("direction", "forward");
    if (direction != "forward" && direction != "reverse" && direction != "bidirectional")
        return c.fail("expected attribute 'direction' of forward, reverse or bidirectional; "
                      "found '" +
                      direction + "'");
    l.directions = direction == "bidirectional" ? 2 : 1;
    l.backward_first = direction == "reverse";
    l.clip = static_cast<double>(c.get("clip", 0.0f));
    if (l.hidden < 1 || l.hidden > kMaxElements / gates)
        return c.fail("expected attribute 'hidden_size' of at least 1; found " +
                      std::to_string(l.hidden));
    const Dims w = {l.directions, gates * l.hidden, l.input},
               r = {l.directions, gates * l.hidden, l.hidden};
    if (c.dims(1) != w || c.dims(2) != r)
        return c.fail("expected W " + dims_text(w) + " and R " + dims_text(r) + "; found " +
                      both(c.dims(1), c.dims(2)));
    const auto check = [&](size_t i, const Dims &dims) {
        if (!c.has(i) || c.dims(i) == dims) return true;
        return c.fail("expected input " + std::to_string(i) + " of " + dims_text(dims) +
                      "; found " + dims_text(c.dims(i)));
    };
    const Dims state = l.batch_first ? Dims{l.batch, l.directions, l.hidden}
                                     : Dims{l.directions, l.batch, l.hidden};
    if (!check(3, {l.directions, 2 * gates * l.hidden}) || !check(4, {l.batch}) ||
        !check(5, state) || !check(6, state) || !check(7, {l.directions, 3 * l.hidden}))
        return false;
    // Functions of each direction, in turn.
    const size_t each = functions_of(gates);
    std::vector<std::string> names;
    // Strings of a list attribute are kept as one, blanks between.
    const std::string given = c.get("activations", "");
    for (size_t at = 0; at < given.size();) {
        const size_t end = std::min(given.find(' ', at), given.size());
        names.push_back(given.substr(at, end - at));
        at = end + 1;
    }
    if (names.empty())
        for (int64_t d = 0; d < l.directions; d++)
            for (size_t i = 0; i < each; i++)
                names.emplace_back(gates == 1 || i > 0 ? "Tanh" : "Sigmoid");
    if (names.size() != each * static_cast<size_t>(l.directions))
        return c.fail("expected " + std::to_string(each * static_cast<size_t>(l.directions)) +
                      " activations; found " + std::to_string(names.size()));
    // In the order of the functions, by those that have one.
    const auto alphas = c.floats("activation_alpha"), betas = c.floats("activation_beta");
    size_t alpha = 0, beta = 0;
    for (const std::string &name : names) {
        if (!known_activation(name))
            return c.fail("expected an activation that is known; found '" + name + "'");
        Function f = with_defaults(name);
        if (has_alpha(name) && alpha < alphas.size())
            f.alpha = static_cast<double>(alphas[alpha++]);
        if (has_beta(name) && beta < betas.size()) f.beta = static_cast<double>(betas[beta++]);
        l.functions.push_back(f);
    }
    return true;
}

bool infer_layer(Call &c, int64_t gates)
{
    Layer l;
    if (!read_layer(c, gates, l)) return false;
    const Dims last = l.batch_first ? Dims{l.batch, l.directions, l.hidden}
                                    : Dims{l.directions, l.batch, l.hidden};
    c.give(c.in[0].dtype, l.batch_first ? Dims{l.batch, l.time, l.directions, l.hidden}
                                        : Dims{l.time, l.directions, l.batch, l.hidden});
    c.give(c.in[0].dtype, last);
    return c.give(c.in[0].dtype, last);
}

std::vector<double> values_or_zeros(Call &c, size_t i, int64_t count)
{
    if (c.has(i)) return read_floats(c.in[i]);
    return std::vector<double>(static_cast<size_t>(count), 0);
}

// One direction of one item.
class Cell
{
public:
    Cell(const Layer &l, const double *w, const double *r, const double *b, const double *p,
         const Function *f, bool linear_before_reset, bool input_forget)
        : l_(l), w_(w), r_(r), b_(b), p_(p), f_(f), linear_(linear_before_reset),
          coupled_(input_forget), x_(static_cast<size_t>(l.gates * l.hidden)), h_(x_)
    {
    }

    void step(const double *x, double *h, double *c)
    {
        const int64_t n = l_.hidden;
        for (int64_t g = 0; g < l_.gates * n; g++) {
            x_[at(g)] = dot(w_ + g * l_.input, x, l_.input) + b_[g];
            h_[at(g)] = dot(r_ + g * n, h, n) + b_[l_.gates * n + g];
        }
        if (l_.gates == 1)
            for (int64_t i = 0; i < n; i++)
                h[i] = f_[0](clip(x_[at(i)] + h_[at(i)]));
        else if (l_.gates == 3)
            gru(h);
        else
            lstm(h, c);
    }

private:
    static size_t at(int64_t i) { return static_cast<size_t>(i); }
    static double dot(const double *a, const double *b, int64_t n)
    {
        double sum = 0;
        for (int64_t i = 0; i < n; i++)
            sum += a[i] * b[i];
        return sum;
    }
    double clip(double v) const { return l_.clip > 0 ? std::clamp(v, -l_.clip, l_.clip) : v; }

    // Gates z, r, h.
    void gru(double *h)
    {
        const int64_t n = l_.hidden;
        std::vector<double> z(at(n)), r(at(n)), reset(at(n));
        for (int64_t i = 0; i < n; i++) {
            z[at(i)] = f_[0](clip(x_[at(i)] + h_[at(i)]));
            r[at(i)] = f_[0](clip(x_[at(n + i)] + h_[at(n + i)]));
            reset[at(i)] = r[at(i)] * h[i];
        }
        std::vector<double> next(at(n));
        for (int64_t i = 0; i < n; i++) {
            const double bias = b_[3 * n + 2 * n + i];
            const double hidden = linear_ ? r[at(i)] * h_[at(2 * n + i)]
                                          : dot(r_ + (2 * n + i) * n, reset.data(), n) + bias;
            const double fresh = f_[1](clip(x_[at(2 * n + i)] + hidden));
            next[at(i)] = (1 - z[at(i)]) * fresh + z[at(i)] * h[i];
        }
        std::copy(next.begin(), next.end(), h);
    }

    // Gates i, o, f, c; peepholes i, o, f.
    void lstm(double *h, double *c)
    {
        const int64_t n = l_.hidden;
        for (int64_t k = 0; k < n; k++) {
            const auto gate = [&](int64_t g) { return x_[at(g * n + k)] + h_[at(g * n + k)]; };
            const double i = f_[0](clip(gate(0) + p_[k] * c[k]));
            const double f = coupled_ ? 1 - i : f_[0](clip(gate(2) + p_[2 * n + k] * c[k]));
            c[k] = f * c[k] + i * f_[1](clip(gate(3)));
            h[k] = f_[0](clip(gate(1) + p_[n + k] * c[k])) * f_[2](c[k]);
        }
    }

    const Layer &l_;
    const double *w_, *r_, *b_, *p_;
    const Function *f_;
    bool linear_, coupled_;
    std::vector<double> x_, h_;
};

bool run_layer(Call &c, int64_t gates)
{
    Layer l;
    if (!read_layer(c, gates, l)) return false;
    const std::vector<double> x = read_floats(c.in[0]), w = read_floats(c.in[1]),
                              r = read_floats(c.in[2]);
    const int64_t n = l.hidden;
    const auto b = values_or_zeros(c, 3, l.directions * 2 * gates * n);
    const auto p = values_or_zeros(c, 7, l.directions * 3 * n);
    auto h = values_or_zeros(c, 5, l.directions * l.batch * n);
    auto state = values_or_zeros(c, 6, l.directions * l.batch * n);
    std::vector<int64_t> lengths(static_cast<size_t>(l.batch), l.time);
    if (c.has(4)) lengths = read_ints(c.in[4]);
    for (const int64_t length : lengths)
        if (length < 0 || length > l.time)
            return c.fail("expected sequence lengths of at most " + std::to_string(l.time) +
                          "; found " + std::to_string(length));
    std::vector<double> y(static_cast<size_t>(l.time * l.directions * l.batch * n), 0);
    const bool linear = c.get("linear_before_reset", int64_t{0}) != 0;
    const bool coupled = c.get("input_forget", int64_t{0}) != 0;
    for (int64_t d = 0; d < l.directions; d++) {
        const bool backward = l.backward_first || d == 1;
        Cell cell(l, w.data() + d * gates * n * l.input, r.data() + d * gates * n * n,
                  b.data() + d * 2 * gates * n, p.data() + d * 3 * n,
                  l.functions.data() + static_cast<size_t>(d) * functions_of(gates), linear,
                  coupled);
        for (int64_t i = 0; i < l.batch; i++) {
            const int64_t at = (l.batch_first ? i * l.directions + d : d * l.batch + i) * n;
            const int64_t length = lengths[static_cast<size_t>(i)];
            for (int64_t s = 0; s < length; s++) {
                const int64_t t = backward ? length - 1 - s : s;
                cell.step(x.data() + (l.batch_first ? i * l.time + t : t * l.batch + i) * l.input,
                          h.data() + at, state.data() + at);
                const int64_t to = l.batch_first ? (i * l.time + t) * l.directions + d
                                                 : (t * l.directions + d) * l.batch + i;
                std::copy_n(h.begin() + at, n, y.begin() + to * n);
            }
        }
    }
    if (c.wants(0)) store(y.data(), c.out[0]);
    if (c.wants(1)) store(h.data(), c.out[1]);
    if (c.wants(2)) store(state.data(), c.out[2]);
    return true;
}

#define ACC_RECURRENT                                                                              \
    "activations activation_alpha activation_beta clip direction hidden_size layout "              \
    "linear_before_reset input_forget output_sequence"

} // namespace

const Operator recurrent_ops[] = {
    {"RNN", 3, 6, 2, ACC_RECURRENT, [](Call &c) { return infer_layer(c, 1); },
     [](Call &c) { return run_layer(c, 1); }},
    {"GRU", 3, 6, 2, ACC_RECURRENT, [](Call &c) { return infer_layer(c, 3); },
     [](Call &c) { return run_layer(c, 3); }},
    {"LSTM", 3, 8, 3, ACC_RECURRENT, [](Call &c) { return infer_layer(c, 4); },
     [](Call &c) { return run_layer(c, 4); }},
    {nullptr, 0, 0, 0, nullptr, nullptr, nullptr},
};

} // namespace acc::host
