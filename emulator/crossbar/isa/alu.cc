// SPDX-License-Identifier: MIT
#include "emulator/crossbar/isa/alu.h"

#include "emulator/crossbar/isa/fixed.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <new>

namespace acc::emu::crossbar
{
namespace
{

using isa::Instruction;
using isa::Op;

template <typename F>
void each(const Instruction &i, int16_t *r, F f)
{
    int16_t *d = r + i.d;
    const int16_t *a = r + i.a, *b = r + i.b;
    for (uint32_t k = 0; k < i.n; k++)
        d[k] = f(a[k], b[k]);
}

// The same with an immediate in the place of b.
template <typename F>
void each_immediate(const Instruction &i, int16_t *r, F f)
{
    int16_t *d = r + i.d;
    const int16_t *a = r + i.a;
    const auto b = static_cast<int16_t>(i.imm);
    for (uint32_t k = 0; k < i.n; k++)
        d[k] = f(a[k], b);
}

template <typename P>
struct Arithmetic {
    uint32_t frac;

    static int16_t add(int16_t a, int16_t b) { return fit<P::overflow>(int32_t{a} + b); }
    static int16_t sub(int16_t a, int16_t b) { return fit<P::overflow>(int32_t{a} - b); }
    int16_t mul(int16_t a, int16_t b) const
    {
        return fit<P::overflow>(shift_round<P::rounding>(int32_t{a} * b, frac));
    }
    int16_t div(int16_t a, int16_t b) const
    {
        return fit<P::overflow>(divide_round<P::rounding>(int64_t{a} * (int64_t{1} << frac), b));
    }
    int16_t shl(int16_t a, int16_t b) const
    {
        return fit<P::overflow>(int64_t{a} * (int64_t{1} << b));
    }
};

// SplitMix64: rndcmp's draws are a function of (seed, where, how manieth) alone.
uint64_t mix(uint64_t x)
{
    x += 0x9e3779b97f4a7c15u;
    x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
    x = (x ^ x >> 27) * 0x94d049bb133111ebu;
    return x ^ x >> 31;
}

int table_of(Op op)
{
    return static_cast<int>(op) - static_cast<int>(Op::Sigmoid); // sigmoid, tanh, exp, log
}

double function(Op op, double x)
{
    switch (op) {
    case Op::Sigmoid:
        return 1 / (1 + std::exp(-x));
    case Op::Tanh:
        return std::tanh(x);
    case Op::Exp:
        return std::exp(x);
    default:
        return x > 0 ? std::log(x) : -std::numeric_limits<double>::infinity();
    }
}

// 32 bits in two registers, the low word first.
int32_t pair(const int16_t *r)
{
    return static_cast<int32_t>(static_cast<uint16_t>(r[0]) |
                                static_cast<uint32_t>(static_cast<uint16_t>(r[1])) << 16);
}
void put_pair(int16_t *r, uint32_t value)
{
    r[0] = static_cast<int16_t>(value);
    r[1] = static_cast<int16_t>(value >> 16);
}

// (sum + bias) * multiplier / 2^shift, to the nearest, ties towards +infinity: `requant` of
// docs/quantisation.md. Sums of 33 bits times 31 fit 64, what rounding adds need not.
const char *requantize(const Instruction &i, int16_t *r)
{
    for (uint32_t k = 0; k < i.n; k++) {
        const int16_t *b = r + i.b + isa::kRequantWords * k;
        const int64_t sum = int64_t{pair(r + i.a + 2 * k)} + pair(b);
        const int32_t multiplier = pair(b + 2);
        if (multiplier < 0) return "expected a multiplier of at least 0; found one below";
        if (b[4] < 1 || b[4] > 62) return "expected a shift of 1 to 62; found another";
        const int64_t scaled = ((sum * multiplier >> (b[4] - 1)) + 1) >> 1;
        r[i.d + k] = fit<Overflow::Saturate>(scaled);
    }
    return nullptr;
}

// As if all were read first: pairs may lie over the words that they come from.
void widen(const Instruction &i, int16_t *r)
{
    int16_t words[isa::kMaxElements];
    std::copy_n(r + i.a, i.n, words);
    for (uint32_t k = 0; k < i.n; k++)
        put_pair(r + i.d + 2 * k, static_cast<uint32_t>(int32_t{words[k]}));
}

// Narrowed as requantize() does: (d - d_zero) * d_factor + (a - a_zero) * a_factor, in d.
// Differences of 17 bits times factors of 32 are sums of 50.
const char *join(const Instruction &i, int16_t *r)
{
    // Copied, for what is written may be among them.
    int16_t by[isa::kJoinWords];
    std::copy_n(r + i.b, isa::kJoinWords, by);
    if (by[6] < 1 || by[6] > 62) return "expected a shift of 1 to 62; found another";
    const int64_t d_factor = pair(by), a_factor = pair(by + 2);
    for (uint32_t k = 0; k < i.n; k++) {
        const int64_t sum = (r[i.d + k] - by[4]) * d_factor + (r[i.a + k] - by[5]) * a_factor;
        r[i.d + k] = fit<Overflow::Saturate>(((sum >> (by[6] - 1)) + 1) >> 1);
    }
    return nullptr;
}

} // namespace

Alu::Alu(const arch::Arch &arch)
    : rounding_(arch.rounding), overflow_(arch.overflow), frac_bits_(arch.frac_bits),
      one_(static_cast<int16_t>(std::min(1 << arch.frac_bits, 32767)))
{
}

bool Alu::takes(Op op)
{
    const auto code = static_cast<uint8_t>(op);
    return op == Op::Copy || code >= static_cast<uint8_t>(Op::Add);
}

bool Alu::transcendental(Op op)
{
    return op >= Op::Sigmoid && op <= Op::LogSoftmaxd;
}

const int16_t *Alu::table(Op op)
{
    Table &table = tables_[table_of(op)];
    if (!table) {
        table.reset(new int16_t[65536]);
        const double scale = std::ldexp(1.0, static_cast<int>(frac_bits_));
        for (int32_t word = -32768; word < 32768; word++) {
            const double y = function(op, word / scale) * scale;
            // What no word can hold is the nearest that one can, whatever the overflow policy:
            // a function has no carry to lose.
            const int64_t rounded = with_policy(rounding_, overflow_, [&](auto policy) {
                return round_real<decltype(policy)::rounding>(y);
            });
            table[static_cast<uint16_t>(word)] = fit<Overflow::Saturate>(rounded);
        }
    }
    return table.get();
}

void Alu::split(const int64_t *sums, int16_t *words, uint32_t n)
{
    for (uint32_t k = 0; k < n; k++)
        put_pair(words + 2 * k, static_cast<uint32_t>(sums[k]));
}

void Alu::narrow(const int64_t *sums, int16_t *words, uint32_t n) const
{
    with_policy(rounding_, overflow_, [&](auto policy) {
        using P = decltype(policy);
        for (uint32_t k = 0; k < n; k++)
            words[k] = fit<P::overflow>(shift_round<P::rounding>(sums[k], frac_bits_));
    });
}

const char *Alu::execute(const Instruction &i, int16_t *r, uint64_t draw_key)
{
    constexpr const char *by_zero = "division by zero";
    const int16_t one = one_;
    const double scale = std::ldexp(1.0, static_cast<int>(frac_bits_));
    const auto truth = [one](auto compare) {
        return [one, compare](int16_t a, int16_t b) {
            return static_cast<int16_t>(compare(a, b) ? one : 0);
        };
    };
    const auto word = [](int32_t value) { return static_cast<int16_t>(value); };
    switch (i.op) {
    case Op::Copy:
        std::memmove(r + i.d, r + i.a, size_t{i.n} * 2);
        return nullptr;
    case Op::And:
        each(i, r, [&](int16_t a, int16_t b) { return word(a & b); });
        return nullptr;
    case Op::Or:
        each(i, r, [&](int16_t a, int16_t b) { return word(a | b); });
        return nullptr;
    case Op::Not:
        each(i, r, [&](int16_t a, int16_t) { return word(~a); });
        return nullptr;
    case Op::Eq:
        each(i, r, truth([](int16_t a, int16_t b) { return a == b; }));
        return nullptr;
    case Op::Neq:
        each(i, r, truth([](int16_t a, int16_t b) { return a != b; }));
        return nullptr;
    case Op::Lt:
        each(i, r, truth([](int16_t a, int16_t b) { return a < b; }));
        return nullptr;
    case Op::Leq:
        each(i, r, truth([](int16_t a, int16_t b) { return a <= b; }));
        return nullptr;
    case Op::Gt:
        each(i, r, truth([](int16_t a, int16_t b) { return a > b; }));
        return nullptr;
    case Op::Geq:
        each(i, r, truth([](int16_t a, int16_t b) { return a >= b; }));
        return nullptr;
    case Op::Min:
        each(i, r, [](int16_t a, int16_t b) { return std::min(a, b); });
        return nullptr;
    case Op::Max:
        each(i, r, [](int16_t a, int16_t b) { return std::max(a, b); });
        return nullptr;
    case Op::Relu:
        each(i, r, [](int16_t a, int16_t) { return std::max<int16_t>(a, 0); });
        return nullptr;
    case Op::Relud:
        each(i, r, [](int16_t a, int16_t b) { return a > 0 ? b : int16_t{0}; });
        return nullptr;
    case Op::Rndcmp: {
        // 1 with the probability that the word is, of [0, 1).
        int16_t *d = r + i.d;
        const int16_t *a = r + i.a;
        const uint32_t mask = (1u << frac_bits_) - 1;
        for (uint32_t k = 0; k < i.n; k++)
            d[k] = static_cast<int64_t>(mix(draw_key + k) & mask) < a[k] ? one : int16_t{0};
        return nullptr;
    }
    case Op::Andi:
        each_immediate(i, r, [&](int16_t a, int16_t b) { return word(a & b); });
        return nullptr;
    case Op::Ori:
        each_immediate(i, r, [&](int16_t a, int16_t b) { return word(a | b); });
        return nullptr;
    case Op::Mini:
        each_immediate(i, r, [](int16_t a, int16_t b) { return std::min(a, b); });
        return nullptr;
    case Op::Maxi:
        each_immediate(i, r, [](int16_t a, int16_t b) { return std::max(a, b); });
        return nullptr;
    case Op::Srai:
        each_immediate(i, r, [&](int16_t a, int16_t b) { return word(a >> b); });
        return nullptr;
    case Op::Srli:
        each_immediate(i, r,
                       [&](int16_t a, int16_t b) { return word(static_cast<uint16_t>(a) >> b); });
        return nullptr;
    case Op::Sigmoid:
    case Op::Tanh:
    case Op::Exp:
    case Op::Log: {
        const int16_t *values = table(i.op);
        each(i, r, [values](int16_t a, int16_t) { return values[static_cast<uint16_t>(a)]; });
        return nullptr;
    }
    case Op::Iadd:
        r[i.d] = word(r[i.a] + r[i.b]);
        return nullptr;
    case Op::Isub:
        r[i.d] = word(r[i.a] - r[i.b]);
        return nullptr;
    case Op::Imul:
        r[i.d] = word(r[i.a] * r[i.b]);
        return nullptr;
    case Op::Idiv:
        if (r[i.b] == 0) return by_zero;
        r[i.d] = word(r[i.a] / r[i.b]);
        return nullptr;
    case Op::Irem:
        if (r[i.b] == 0) return by_zero;
        r[i.d] = word(r[i.a] % r[i.b]);
        return nullptr;
    case Op::Iaddi:
        r[i.d] = word(r[i.a] + i.signed_imm());
        return nullptr;
    case Op::Imuli:
        r[i.d] = word(r[i.a] * i.signed_imm());
        return nullptr;
    case Op::AddW:
        for (uint32_t k = 0; k < i.n; k++)
            put_pair(r + i.d + 2 * k, static_cast<uint32_t>(pair(r + i.a + 2 * k)) +
                                          static_cast<uint32_t>(pair(r + i.b + 2 * k)));
        return nullptr;
    case Op::Requant:
        return requantize(i, r);
    case Op::Join:
        return join(i, r);
    case Op::Widen:
        widen(i, r);
        return nullptr;
    default:
        break;
    }
    // What rounds or overflows.
    return with_policy(rounding_, overflow_, [&](auto policy) -> const char * {
        using P = decltype(policy);
        const Arithmetic<P> m{frac_bits_};
        const auto to_word = [&](double value) {
            return fit<Overflow::Saturate>(round_real<P::rounding>(value * scale));
        };
        switch (i.op) {
        case Op::Add:
            each(i, r, m.add);
            return nullptr;
        case Op::Sub:
            each(i, r, m.sub);
            return nullptr;
        case Op::Mul:
            each(i, r, [m](int16_t a, int16_t b) { return m.mul(a, b); });
            return nullptr;
        case Op::Div:
            for (uint32_t k = 0; k < i.n; k++)
                if (r[i.b + k] == 0) return by_zero;
            // A divisor that the instruction itself overwrites may still become 0.
            for (uint32_t k = 0; k < i.n; k++) {
                if (r[i.b + k] == 0) return by_zero;
                r[i.d + k] = m.div(r[i.a + k], r[i.b + k]);
            }
            return nullptr;
        case Op::Addi:
            each_immediate(i, r, m.add);
            return nullptr;
        case Op::Subi:
            each_immediate(i, r, m.sub);
            return nullptr;
        case Op::Muli:
            each_immediate(i, r, [m](int16_t a, int16_t b) { return m.mul(a, b); });
            return nullptr;
        case Op::Divi:
            each_immediate(i, r, [m](int16_t a, int16_t b) { return m.div(a, b); });
            return nullptr;
        case Op::Slli:
            each_immediate(i, r, [m](int16_t a, int16_t b) { return m.shl(a, b); });
            return nullptr;
        case Op::Mse: {
            double sum = 0;
            for (uint32_t k = 0; k < i.n; k++) {
                const double difference = (r[i.a + k] - r[i.b + k]) / scale;
                sum += difference * difference;
            }
            r[i.d] = to_word(sum / i.n);
            return nullptr;
        }
        case Op::LogSoftmax: {
            int16_t largest = r[i.a];
            for (uint32_t k = 1; k < i.n; k++)
                largest = std::max(largest, r[i.a + k]);
            double sum = 0;
            for (uint32_t k = 0; k < i.n; k++)
                sum += std::exp((r[i.a + k] - largest) / scale);
            const double log = std::log(sum);
            for (uint32_t k = 0; k < i.n; k++)
                r[i.d + k] = to_word((r[i.a + k] - largest) / scale - log);
            return nullptr;
        }
        case Op::LogSoftmaxd: {
            double sum = 0;
            for (uint32_t k = 0; k < i.n; k++)
                sum += r[i.b + k] / scale;
            for (uint32_t k = 0; k < i.n; k++)
                r[i.d + k] = to_word(r[i.b + k] / scale - std::exp(r[i.a + k] / scale) * sum);
            return nullptr;
        }
        default:
            return nullptr; // of Op::Copy … all are above
        }
    });
}

} // namespace acc::emu::crossbar
