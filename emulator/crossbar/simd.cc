// SPDX-License-Identifier: MIT
#include "emulator/crossbar/simd.h"

// This file is compiled once for each kind of processor, by including itself.
// Highway avoids its emulated vectors with gcc before 12.3 for a bug of gcc's vectorizer;
// ours are few, and the tests hold them against the others.
#define HWY_BROKEN_EMU128 0
#define HWY_DISABLED_TARGETS (HWY_SSSE3 | ACC_SIMD_WITHOUT)
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "emulator/crossbar/simd.cc"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "emulator/crossbar/random.h"

#include <algorithm>

HWY_BEFORE_NAMESPACE();
namespace acc::emu::crossbar
{
namespace HWY_NAMESPACE
{
namespace hn = hwy::HWY_NAMESPACE;

using D8 = hn::ScalableTag<uint8_t>;
constexpr hn::Repartition<int16_t, D8> di16;
constexpr hn::Repartition<int32_t, D8> di32;
constexpr size_t kBytes = HWY_MAX_BYTES;

void Product16(const int16_t *x, const int16_t *panel, uint32_t pairs, int32_t *sums)
{
    constexpr size_t kRegs = 64 / kBytes; // of 16 columns, a pair of rows each
    hn::Vec<decltype(di32)> sum[kRegs], rest[kRegs];
    for (size_t r = 0; r < kRegs; r++)
        sum[r] = rest[r] = hn::Zero(di32);
    for (uint32_t p = 0; p < pairs; p++) {
        int32_t pair;
        hwy::CopyBytes<4>(x + 2 * size_t{p}, &pair);
        const auto both = hn::BitCast(di16, hn::Set(di32, pair));
        for (size_t r = 0; r < kRegs; r++) {
            const auto w = hn::LoadU(di16, panel + 32 * size_t{p} + r * kBytes / 2);
            sum[r] = hn::ReorderWidenMulAccumulate(di32, both, w, sum[r], rest[r]);
        }
    }
    for (size_t r = 0; r < kRegs; r++)
        hn::StoreU(hn::Add(sum[r], rest[r]), di32, sums + r * kBytes / 4);
}

// --- Random numbers -----------------------------------------------------------------------------

using DF = hn::ScalableTag<float>;
constexpr DF df;
constexpr hn::RebindToUnsigned<DF> du32;
constexpr hn::RebindToSigned<DF> ds32;
using VF = hn::Vec<DF>;
using VU = hn::Vec<decltype(du32)>;

struct Words {
    VU w[4];
};

// Low and high halves of the 64-bit products with a constant.
HWY_INLINE void MulWide(VU a, VU m, VU &low, VU &high)
{
    const hn::Repartition<uint64_t, decltype(du32)> du64;
    const auto even = hn::MulEven(a, m);
    const auto odd = hn::MulEven(hn::BitCast(du32, hn::ShiftRight<32>(hn::BitCast(du64, a))), m);
    low = hn::OddEven(hn::BitCast(du32, hn::ShiftLeft<32>(odd)), hn::BitCast(du32, even));
    high = hn::OddEven(hn::BitCast(du32, odd), hn::BitCast(du32, hn::ShiftRight<32>(even)));
}

HWY_INLINE Words Philox(VU word0, uint32_t array, uint32_t low, uint32_t high, uint64_t seed)
{
    VU c0 = word0, c1 = hn::Set(du32, array), c2 = hn::Set(du32, low), c3 = hn::Set(du32, high);
    auto key0 = static_cast<uint32_t>(seed), key1 = static_cast<uint32_t>(seed >> 32);
    const VU m0 = hn::Set(du32, kPhiloxMul0), m1 = hn::Set(du32, kPhiloxMul1);
    for (int round = 0; round < kPhiloxRounds; round++) {
        VU low0, high0, low1, high1;
        MulWide(c0, m0, low0, high0);
        MulWide(c2, m1, low1, high1);
        c0 = hn::Xor(hn::Xor(high1, c1), hn::Set(du32, key0));
        c1 = low1;
        c2 = hn::Xor(hn::Xor(high0, c3), hn::Set(du32, key1));
        c3 = low0;
        key0 += kPhiloxKey0;
        key1 += kPhiloxKey1;
    }
    return {{c0, c1, c2, c3}};
}

HWY_INLINE VF MulAdd2(VF a, VF b, float c)
{
    return hn::Add(hn::Mul(a, b), hn::Set(df, c));
}

// Natural logarithm of (0, 1], to about 1e-7: the polynomial of Cephes' logf.
HWY_INLINE VF Log(VF x)
{
    const auto bits = hn::BitCast(ds32, x);
    VF m = hn::BitCast(df,
                       hn::Or(hn::And(bits, hn::Set(ds32, 0x007fffff)), hn::Set(ds32, 0x3f800000)));
    VF e = hn::ConvertTo(df, hn::Sub(hn::ShiftRight<23>(bits), hn::Set(ds32, 127)));
    const auto big = hn::Gt(m, hn::Set(df, 1.41421356F));
    m = hn::IfThenElse(big, hn::Mul(m, hn::Set(df, 0.5F)), m);
    e = hn::Add(e, hn::IfThenElseZero(big, hn::Set(df, 1.0F)));
    const VF f = hn::Sub(m, hn::Set(df, 1.0F)), z = hn::Mul(f, f);
    VF y = hn::Set(df, 7.0376836292e-2F);
    y = MulAdd2(y, f, -1.1514610310e-1F);
    y = MulAdd2(y, f, 1.1676998740e-1F);
    y = MulAdd2(y, f, -1.2420140846e-1F);
    y = MulAdd2(y, f, 1.4249322787e-1F);
    y = MulAdd2(y, f, -1.6668057665e-1F);
    y = MulAdd2(y, f, 2.0000714765e-1F);
    y = MulAdd2(y, f, -2.4999993993e-1F);
    y = MulAdd2(y, f, 3.3333331174e-1F);
    y = hn::Mul(hn::Mul(y, f), z);
    y = hn::Add(y, hn::Mul(e, hn::Set(df, -2.12194440e-4F)));
    y = hn::Sub(y, hn::Mul(z, hn::Set(df, 0.5F)));
    return hn::Add(hn::Add(f, y), hn::Mul(e, hn::Set(df, 0.693359375F)));
}

// Two independent normal numbers of two words. The second word's top bits are the quadrant
// of an angle, the others where it lies in that.
HWY_INLINE void BoxMuller(VU a, VU b, VF &z0, VF &z1)
{
    const VF u = hn::Mul(
        hn::Add(hn::ConvertTo(df, hn::BitCast(ds32, hn::ShiftRight<1>(a))), hn::Set(df, 1.0F)),
        hn::Set(df, 0x1p-31F));
    const VF r = hn::Sqrt(hn::Max(hn::Mul(Log(u), hn::Set(df, -2.0F)), hn::Zero(df)));
    const VF t = hn::Mul(hn::ConvertTo(df, hn::BitCast(ds32, hn::ShiftLeft<2>(b))),
                         hn::Set(df, 1.57079632679F * 0x1p-32F));
    const VF z = hn::Mul(t, t);
    VF s = hn::Set(df, -1.9515295891e-4F);
    s = MulAdd2(s, z, 8.3321608736e-3F);
    s = MulAdd2(s, z, -1.6666654611e-1F);
    s = hn::Add(hn::Mul(hn::Mul(s, z), t), t);
    VF c = hn::Set(df, 2.443315711809948e-5F);
    c = MulAdd2(c, z, -1.388731625493765e-3F);
    c = MulAdd2(c, z, 4.166664568298827e-2F);
    c = hn::Mul(hn::Mul(c, z), z);
    c = hn::Add(hn::Sub(c, hn::Mul(z, hn::Set(df, 0.5F))), hn::Set(df, 1.0F));
    // Quadrant q: (c, s), (-s, c), (-c, -s), (s, -c).
    const auto odd = hn::MaskFromVec(
        hn::BitCast(df, hn::BroadcastSignBit(hn::BitCast(ds32, hn::ShiftLeft<1>(b)))));
    const VU sign = hn::Set(du32, 0x80000000u);
    const VU top = hn::And(b, sign), next = hn::And(hn::ShiftLeft<1>(b), sign);
    const VF x = hn::IfThenElse(odd, s, c), y = hn::IfThenElse(odd, c, s);
    z0 = hn::Mul(r, hn::Xor(x, hn::BitCast(df, hn::Xor(top, next))));
    z1 = hn::Mul(r, hn::Xor(y, hn::BitCast(df, top)));
}

HWY_INLINE void FourNormals(VU word0, uint64_t array, uint32_t low, uint32_t high, uint64_t seed,
                            VF *z)
{
    const Words words = Philox(word0, static_cast<uint32_t>(array), low, high, seed);
    BoxMuller(words.w[0], words.w[1], z[0], z[1]);
    BoxMuller(words.w[2], words.w[3], z[2], z[3]);
}

void Normals(uint64_t seed, uint32_t word0, uint64_t array, uint32_t low, uint32_t high,
             size_t count, float *out, size_t stride)
{
    const size_t n = hn::Lanes(df);
    for (size_t i = 0; i < count; i += n) {
        VF z[4];
        FourNormals(hn::Iota(du32, word0 + static_cast<uint32_t>(i)), array, low, high, seed, z);
        for (size_t k = 0; k < 4; k++) {
            if (count - i >= n) {
                hn::StoreU(z[k], df, out + k * stride + i);
            } else {
                HWY_ALIGN float rest[HWY_MAX_BYTES / 4];
                hn::Store(z[k], df, rest);
                std::copy_n(rest, count - i, out + k * stride + i);
            }
        }
    }
}

// --- Conductances -------------------------------------------------------------------------------

constexpr size_t kFloats = HWY_MAX_BYTES / 4;
// Rounds whose sums stay in registers.
constexpr size_t kSumRounds = HWY_MAX_BYTES == 64 ? 8 : 4;

// Currents of some rounds of kFloats columns, and the variances of their noise.
template <bool kNoise>
HWY_INLINE void Currents(const AnalogJob &job, const float *cells, const float *digits, VF *sum,
                         VF *variance)
{
    VF s[kSumRounds], q[kSumRounds];
    for (size_t r = 0; r < kSumRounds; r++)
        s[r] = q[r] = hn::Zero(df);
    const VF rho = hn::Set(df, job.rho);
    for (uint32_t i = 0; i < job.rows; i++) {
        const VF h = hn::LoadU(df, cells + size_t{i} * kLaneCols);
        const VF whole = hn::Add(h, rho), square = hn::Mul(whole, whole);
        for (size_t r = 0; r < kSumRounds; r++) {
            const VF digit = hn::Set(df, digits[size_t{i} * kLaneRounds + r]);
            s[r] = hn::Add(s[r], hn::Mul(digit, h));
            if constexpr (kNoise) q[r] = hn::Add(q[r], hn::Mul(hn::Mul(digit, digit), square));
        }
    }
    for (size_t r = 0; r < kSumRounds; r++) {
        sum[r] = s[r];
        variance[r] = q[r];
    }
}

// One round of kFloats / 2 columns through the converter.
template <class D64, class V64>
HWY_INLINE void Convert(AnalogJob &job, D64 d64, V64 u, size_t round, size_t col, double *sums,
                        V64 &peak)
{
    u = hn::Add(u, hn::Set(d64, job.baseline[round]));
    const auto used = hn::FirstN(d64, col < job.cols ? job.cols - col : 0);
    peak = hn::Max(peak, hn::IfThenElseZero(used, u));
    V64 value = u;
    if (!job.ideal_adc) {
        const V64 raw = hn::Floor(
            hn::Add(hn::Mul(u, hn::Set(d64, job.codes_per_unit)), hn::Set(d64, job.offset)));
        const V64 code = hn::Min(hn::Max(raw, hn::Zero(d64)), hn::Set(d64, job.top));
        job.clipped += hn::CountTrue(d64, hn::And(used, hn::Ne(code, raw)));
        value = code;
    }
    value = hn::Sub(hn::Mul(value, hn::Set(d64, job.value_per_code)),
                    hn::Set(d64, job.correction[round]));
    hn::StoreU(hn::Add(hn::LoadU(d64, sums), hn::Mul(value, hn::Set(d64, job.weights[round]))), d64,
               sums);
}

template <bool kNoise>
HWY_INLINE void AnalogRounds(AnalogJob &job)
{
    const hn::Repartition<double, DF> d64;
    using V64 = hn::Vec<decltype(d64)>;
    const hn::Rebind<float, decltype(d64)> half;
    V64 peak = hn::Set(d64, job.peak);
    const auto low = static_cast<uint32_t>(job.event);
    const auto high = static_cast<uint32_t>(job.event >> 32);
    HWY_ALIGN float current[kFloats];
    for (uint32_t col = 0; col < job.cols; col += kFloats) {
        const float *cells =
            job.cells + size_t{col / kLaneCols} * job.rows * kLaneCols + col % kLaneCols;
        for (uint32_t first = 0; first < job.rounds; first += kSumRounds) {
            VF sum[kSumRounds], variance[kSumRounds];
            Currents<kNoise>(job, cells, job.digits + first, sum, variance);
            for (size_t r = 0; r < kSumRounds; r += 4) {
                VF z[4];
                if constexpr (kNoise) {
                    const uint32_t block = (first + static_cast<uint32_t>(r)) / 4;
                    const uint32_t word0 =
                        static_cast<uint32_t>(Stream::Read) << 24 | block << 20 | col;
                    FourNormals(hn::Iota(du32, word0), job.array, low, high, job.seed, z);
                }
                for (size_t k = 0; k < 4 && first + r + k < job.rounds; k++) {
                    VF u = sum[r + k];
                    if constexpr (kNoise)
                        u = hn::Add(u, hn::Mul(hn::Mul(hn::Sqrt(variance[r + k]),
                                                       hn::Set(df, job.read_sigma)),
                                               z[k]));
                    hn::Store(u, df, current);
                    const size_t n = kFloats / 2;
                    for (size_t h = 0; h < 2; h++)
                        Convert(job, d64, hn::PromoteTo(d64, hn::LoadU(half, current + h * n)),
                                first + r + k, col + h * n, job.sums + col + h * n, peak);
                }
            }
        }
    }
    job.peak = hn::GetLane(hn::MaxOfLanes(d64, peak));
}

void Analog(AnalogJob &job)
{
    if (job.read_sigma > 0)
        AnalogRounds<true>(job);
    else
        AnalogRounds<false>(job);
}

const char *Name()
{
    return hwy::TargetName(HWY_TARGET);
}

} // namespace HWY_NAMESPACE
} // namespace acc::emu::crossbar
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace acc::emu::crossbar
{

HWY_EXPORT(Product16);
HWY_EXPORT(Normals);
HWY_EXPORT(Analog);
HWY_EXPORT(Name);

void set_simd(Simd level)
{
    // The mock is a mask of what the processor "has"; 0 takes it away again.
    hwy::SetSupportedTargetsForTest(0);
    constexpr int64_t portable = HWY_SSE4 | HWY_EMU128, avx2 = HWY_AVX2 | portable;
    const auto have = [](int64_t targets) {
        hwy::SetSupportedTargetsForTest(hwy::SupportedTargets() & targets);
    };
    if (level == Simd::Avx512) have(HWY_AVX3 | avx2);
    if (level == Simd::Avx2) have(avx2);
    if (level == Simd::Portable) have(portable);
    if (level == Simd::Emulated) hwy::SetSupportedTargetsForTest(HWY_EMU128);
    hwy::GetChosenTarget().Update(hwy::SupportedTargets());
}

const char *simd_name()
{
    return HWY_DYNAMIC_DISPATCH(Name)();
}

void product16(const int16_t *x, const int16_t *panel, uint32_t pairs, int32_t *sums)
{
    HWY_DYNAMIC_DISPATCH(Product16)(x, panel, pairs, sums);
}

void normals(uint64_t seed, uint32_t word0, uint64_t array, uint32_t event_low, uint32_t event_high,
             size_t count, float *out, size_t stride)
{
    HWY_DYNAMIC_DISPATCH(Normals)(seed, word0, array, event_low, event_high, count, out, stride);
}

void analog(AnalogJob &job)
{
    HWY_DYNAMIC_DISPATCH(Analog)(job);
}

} // namespace acc::emu::crossbar
#endif
