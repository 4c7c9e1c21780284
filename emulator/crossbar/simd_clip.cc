// SPDX-License-Identifier: MIT
//
// Every conversion of ideal cells (ClipJob), by byte shuffles.
#include "emulator/crossbar/simd.h"

// As simd.cc is compiled, and once more for processors that shuffle the bytes of whole registers
// (VBMI: Ice Lake, Zen 4).
#define HWY_WANT_AVX3_DL
#define HWY_BROKEN_EMU128 0
#define HWY_DISABLED_TARGETS (HWY_SSSE3 | ACC_SIMD_WITHOUT)
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "emulator/crossbar/simd_clip.cc"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include <algorithm>
#include <cstring>
#include <vector>

#ifndef ACC_SIMD_CLIP_TABLE // once
#define ACC_SIMD_CLIP_TABLE
namespace acc::emu::crossbar
{

// The sums of three cells of two bits, for each of the eight digits of three rows.
struct alignas(64) TripleTable {
    uint8_t sums[8][64];
};
constexpr TripleTable kTriples = [] {
    TripleTable table{};
    for (uint32_t digits = 0; digits < 8; digits++)
        for (uint32_t cells = 0; cells < 64; cells++)
            for (uint32_t i = 0; i < 3; i++)
                table.sums[digits][cells] = static_cast<uint8_t>(
                    table.sums[digits][cells] + (digits >> i & 1) * (cells >> 2 * i & 3));
    return table;
}();

} // namespace acc::emu::crossbar
#endif

HWY_BEFORE_NAMESPACE();
namespace acc::emu::crossbar
{
namespace HWY_NAMESPACE
{
namespace hn = hwy::HWY_NAMESPACE;

using D8 = hn::ScalableTag<uint8_t>;
constexpr D8 d8;
constexpr hn::Repartition<uint16_t, D8> du16;
constexpr hn::Repartition<int16_t, D8> di16;
constexpr hn::Repartition<int32_t, D8> di32;
using V8 = hn::Vec<D8>;
constexpr size_t kBytes = HWY_MAX_BYTES;
constexpr size_t kBlocks = kBytes / 16; // of 128 bits: columns, or vectors, side by side

HWY_INLINE uint32_t ClipVectors()
{
    return static_cast<uint32_t>(kBlocks);
}

// The tables of kBlocks columns side by side.
HWY_INLINE V8 LoadTables(const uint8_t *tables, const uint8_t *cells)
{
#if HWY_MAX_BYTES == 64
    const hn::Full128<uint8_t> d128;
    const hn::Full256<uint8_t> d256;
    const auto low = hn::Combine(d256, hn::Load(d128, tables + 16 * cells[1]),
                                 hn::Load(d128, tables + 16 * cells[0]));
    const auto high = hn::Combine(d256, hn::Load(d128, tables + 16 * cells[3]),
                                  hn::Load(d128, tables + 16 * cells[2]));
    return hn::Combine(d8, high, low);
#elif HWY_MAX_BYTES == 32
    const hn::Full128<uint8_t> d128;
    return hn::Combine(d8, hn::Load(d128, tables + 16 * cells[1]),
                       hn::Load(d128, tables + 16 * cells[0]));
#else
    return hn::Load(d8, tables + 16 * cells[0]);
#endif
}

// Columns, or with kBatch vectors, of one register: their codes, weighted and summed up.
template <bool kBatch, size_t kU>
HWY_INLINE void ClipBlock(ClipJob &job, const uint8_t *packed, int32_t *sums, size_t sum_stride)
{
    V8 bytes[kU];
    hn::Vec<decltype(du16)> low[kU], high[kU];
    for (size_t u = 0; u < kU; u++) {
        bytes[u] = hn::Zero(d8);
        low[u] = high[u] = hn::Zero(du16);
    }
    const auto widen = [&] {
        for (size_t u = 0; u < kU; u++) {
            const V8 zero = hn::Zero(d8);
            low[u] = hn::Add(low[u], hn::BitCast(du16, hn::InterleaveLower(d8, bytes[u], zero)));
            high[u] = hn::Add(high[u], hn::BitCast(du16, hn::InterleaveUpper(d8, bytes[u], zero)));
            bytes[u] = zero;
        }
    };
    for (uint32_t begin = 0; begin < job.groups; begin += job.flush) {
        const uint32_t end = std::min(job.groups, begin + job.flush);
        for (uint32_t g = begin; g < end; g++) {
            const uint8_t *cells = packed + size_t{g} * kLaneCols;
            const V8 index = kBatch ? hn::LoadU(d8, job.index + g * kBytes)
                                    : hn::LoadDup128(d8, job.index + size_t{g} * 16);
            for (size_t u = 0; u < kU; u++) {
                const V8 table = kBatch ? hn::LoadDup128(d8, job.tables + 16 * cells[u])
                                        : LoadTables(job.tables, cells + u * kBlocks);
                bytes[u] = hn::Add(bytes[u], hn::TableLookupBytes(table, index));
            }
        }
        widen();
    }
    const uint16_t *limits = job.limits;
    const auto limit_low = kBatch ? hn::LoadU(du16, limits) : hn::LoadDup128(du16, limits);
    const auto limit_high =
        kBatch ? hn::LoadU(du16, limits + 8 * kBlocks) : hn::LoadDup128(du16, limits + 8);
    const auto weight_low = hn::LoadDup128(di16, job.weights);
    const auto weight_high = hn::LoadDup128(di16, job.weights + 8);
    HWY_ALIGN int32_t lanes[kBytes / 4];
    for (size_t u = 0; u < kU; u++) {
        const auto code_low = hn::Min(low[u], limit_low);
        const auto code_high = hn::Min(high[u], limit_high);
        job.clipped += hn::CountTrue(du16, hn::Ne(code_low, low[u])) +
                       hn::CountTrue(du16, hn::Ne(code_high, high[u]));
        auto rest_low = hn::Zero(di32), rest_high = hn::Zero(di32);
        auto sum_low = hn::ReorderWidenMulAccumulate(di32, hn::BitCast(di16, code_low), weight_low,
                                                     hn::Zero(di32), rest_low);
        auto sum_high = hn::ReorderWidenMulAccumulate(di32, hn::BitCast(di16, code_high),
                                                      weight_high, hn::Zero(di32), rest_high);
        sum_low = hn::Add(sum_low, rest_low);
        sum_high = hn::Add(sum_high, rest_high);
        auto sum = hn::Add(sum_low, hn::ShiftLeftSame(sum_high, static_cast<int>(job.high_shift)));
        sum = hn::Add(sum, hn::Shuffle2301(sum));
        sum = hn::Add(sum, hn::Shuffle1032(sum));
        hn::Store(sum, di32, lanes);
        for (size_t b = 0; b < kBlocks; b++) {
            if constexpr (kBatch)
                sums[b * sum_stride + u] = lanes[4 * b];
            else
                sums[u * kBlocks + b] = lanes[4 * b];
        }
    }
}

#if HWY_TARGET == HWY_AVX3_DL

// The other way round: three cells of two bits are an index into a table of 64 bytes, which the
// three rows' bits pick; so one shuffle gives a round of 64 columns.
constexpr uint32_t kStepGroups = 3; // groups of four rows, whose twelve rows are four triples
constexpr uint32_t kStepTriples = 4;
constexpr uint32_t kTripleCols = 64;
constexpr uint32_t kSafeSteps = 255 / (kStepTriples * 9); // whose sum fits a byte

// A group of four rows of 64 columns.
HWY_INLINE V8 LoadGroup(const uint8_t *packed, size_t block_bytes)
{
    const hn::Full128<uint8_t> d128;
    const hn::Full256<uint8_t> d256;
    const auto low =
        hn::Combine(d256, hn::LoadU(d128, packed + block_bytes), hn::LoadU(d128, packed));
    const auto high = hn::Combine(d256, hn::LoadU(d128, packed + 3 * block_bytes),
                                  hn::LoadU(d128, packed + 2 * block_bytes));
    return hn::Combine(d8, high, low);
}

// The sums of all rounds of 64 columns, those of eight columns of each block side by side.
HWY_INLINE void TripleSums(const uint8_t *packed, uint32_t groups, const uint16_t *offsets,
                           uint16_t (*sums)[kTripleCols])
{
    const size_t block_bytes = size_t{groups} * kLaneCols;
    const uint32_t steps = (groups + kStepGroups - 1) / kStepGroups;
    const V8 zero = hn::Zero(d8);
    const uint8_t *const tables = kTriples.sums[0];
    for (uint32_t begin = 0; begin < steps; begin += kSafeSteps) {
        const uint32_t end = std::min(steps, begin + kSafeSteps);
        V8 bytes[kLaneRounds]; // in registers, which takes loops that are unrolled
        HWY_UNROLL(16)
        for (uint32_t r = 0; r < kLaneRounds; r++)
            bytes[r] = zero;
        for (uint32_t step = begin; step < end; step++) {
            V8 group[kStepGroups];
            for (uint32_t k = 0; k < kStepGroups; k++) {
                const uint32_t g = step * kStepGroups + k;
                group[k] =
                    g < groups ? LoadGroup(packed + size_t{g} * kLaneCols, block_bytes) : zero;
            }
            // A shuffle takes the low six bits of an index: what is above doesn't matter.
            const auto left = [](V8 v, auto bits) {
                return hn::BitCast(d8, hn::ShiftLeft<bits()>(hn::BitCast(du16, v)));
            };
            const auto right = [](V8 v, auto bits) {
                return hn::BitCast(d8, hn::ShiftRight<bits()>(hn::BitCast(du16, v)));
            };
            const std::integral_constant<int, 2> two;
            const std::integral_constant<int, 4> four;
            const std::integral_constant<int, 6> six;
            const V8 low2 = hn::Set(d8, 0x03), low4 = hn::Set(d8, 0x0f);
            const V8 cells[kStepTriples] = {
                group[0],
                hn::Or(hn::And(low2, right(group[0], six)), hn::AndNot(low2, left(group[1], two))),
                hn::Or(hn::And(low4, right(group[1], four)),
                       hn::AndNot(low4, left(group[2], four))),
                right(group[2], two)};
            const uint16_t *at = offsets + size_t{step} * kStepTriples * kLaneRounds;
            HWY_UNROLL(16)
            for (uint32_t r = 0; r < kLaneRounds; r++)
                for (uint32_t k = 0; k < kStepTriples; k++)
                    bytes[r] = hn::Add(
                        bytes[r],
                        V8{_mm512_permutexvar_epi8(
                            cells[k].raw, hn::Load(d8, tables + at[k * kLaneRounds + r]).raw)});
        }
        HWY_UNROLL(16)
        for (uint32_t r = 0; r < kLaneRounds; r++) {
            auto low = hn::BitCast(du16, hn::InterleaveLower(d8, bytes[r], zero));
            auto high = hn::BitCast(du16, hn::InterleaveUpper(d8, bytes[r], zero));
            if (begin) {
                low = hn::Add(low, hn::Load(du16, sums[r]));
                high = hn::Add(high, hn::Load(du16, sums[r] + kTripleCols / 2));
            }
            hn::Store(low, du16, sums[r]);
            hn::Store(high, du16, sums[r] + kTripleCols / 2);
        }
    }
}

// Codes of one vector's sums, weighted and summed up.
HWY_INLINE void TripleCodes(ClipJob &job, uint32_t vector, const uint16_t (*sums)[kTripleCols],
                            int32_t *out)
{
    for (uint32_t half = 0; half < 2; half++) { // eight columns of each block
        hn::Vec<decltype(di32)> total[2] = {hn::Zero(di32), hn::Zero(di32)};
        for (uint32_t part = 0; part < 2; part++) { // the first and the last eight rounds
            const uint16_t *limits = job.limits + (size_t{part} * job.vectors + vector) * 8;
            hn::Vec<decltype(di32)> sum[2] = {hn::Zero(di32), hn::Zero(di32)};
            for (uint32_t r = 0; r < 8; r += 2) {
                hn::Vec<decltype(di16)> codes[2];
                for (uint32_t k = 0; k < 2; k++) {
                    const auto current =
                        hn::Load(du16, sums[part * 8 + r + k] + half * kTripleCols / 2);
                    const auto code = hn::Min(current, hn::Set(du16, limits[r + k]));
                    job.clipped += hn::CountTrue(du16, hn::Ne(code, current));
                    codes[k] = hn::BitCast(di16, code);
                }
                int32_t pair;
                std::memcpy(&pair, job.weights + part * 8 + r, 4);
                const auto weights = hn::BitCast(di16, hn::Set(di32, pair));
                auto rest = hn::Zero(di32);
                sum[0] = hn::ReorderWidenMulAccumulate(
                    di32, hn::InterleaveLower(di16, codes[0], codes[1]), weights, sum[0], rest);
                sum[1] = hn::ReorderWidenMulAccumulate(
                    di32, hn::InterleaveUpper(di16, codes[0], codes[1]), weights, sum[1], rest);
            }
            for (uint32_t k = 0; k < 2; k++)
                total[k] = hn::Add(
                    total[k],
                    part ? hn::ShiftLeftSame(sum[k], static_cast<int>(job.high_shift)) : sum[k]);
        }
        for (uint32_t k = 0; k < 2; k++) {
            HWY_ALIGN int32_t lanes[kBytes / 4];
            hn::Store(total[k], di32, lanes);
            for (uint32_t block = 0; block < kBlocks; block++)
                std::memcpy(out + block * kLaneCols + half * 8 + k * 4, lanes + 4 * block, 16);
        }
    }
}

// Where the bits of each triple of rows find their table: [steps][triples][rounds].
void TripleOffsets(const ClipJob &job, uint32_t vector, std::vector<uint16_t> &offsets)
{
    const uint32_t steps = (job.groups + kStepGroups - 1) / kStepGroups;
    offsets.resize(size_t{steps} * kStepTriples * kLaneRounds);
    for (uint32_t step = 0; step < steps; step++) {
        uint16_t *out = offsets.data() + size_t{step} * kStepTriples * kLaneRounds;
        for (uint32_t r = 0; r < kLaneRounds; r++) {
            uint32_t bits = 0;
            for (uint32_t k = 0; k < kStepGroups; k++) {
                const uint32_t g = step * kStepGroups + k;
                if (g < job.groups)
                    bits |=
                        uint32_t{job.index[(size_t{g} * job.vectors + vector) * kLaneRounds + r]}
                        << 4 * k;
            }
            for (uint32_t k = 0; k < kStepTriples; k++)
                out[k * kLaneRounds + r] = static_cast<uint16_t>((bits >> 3 * k & 7) * 64);
        }
    }
}

// The blocks of columns that it did: the others are left to ClipBlock().
uint32_t ClipTriples(ClipJob &job)
{
    if (!job.bit_by_two) return 0;
    const uint32_t blocks = job.col_blocks / kBlocks * kBlocks;
    if (!blocks) return 0;
    const size_t cols = size_t{job.col_blocks} * kLaneCols;
    HWY_ALIGN uint16_t sums[kLaneRounds][kTripleCols];
    std::vector<uint16_t> offsets;
    for (uint32_t vector = 0; vector < job.vectors; vector++) {
        TripleOffsets(job, vector, offsets);
        for (uint32_t a = 0; a < job.arrays; a++)
            for (uint32_t b = 0; b < blocks; b += kBlocks) {
                TripleSums(job.packed + (size_t{a} * job.col_blocks + b) * job.groups * kLaneCols,
                           job.groups, offsets.data(), sums);
                TripleCodes(job, vector, sums,
                            job.sums + (size_t{vector} * job.arrays + a) * cols +
                                size_t{b} * kLaneCols);
            }
    }
    return blocks;
}

#else

uint32_t ClipTriples(ClipJob &)
{
    return 0;
}

#endif

void Clip(ClipJob &job)
{
    const size_t cols = size_t{job.col_blocks} * kLaneCols;
    const size_t sum_stride = job.arrays * cols; // from vector to vector
    constexpr size_t kSingle = kBytes == 64 ? 4 : 8;
    const uint32_t done = ClipTriples(job);
    for (uint32_t a = 0; a < job.arrays; a++) {
        for (uint32_t b = done; b < job.col_blocks; b++) {
            const uint8_t *packed =
                job.packed + (size_t{a} * job.col_blocks + b) * job.groups * kLaneCols;
            int32_t *sums = job.sums + a * cols + size_t{b} * kLaneCols;
            if (job.vectors > 1) {
                ClipBlock<true, 8>(job, packed, sums, sum_stride);
                ClipBlock<true, 8>(job, packed + 8, sums + 8, sum_stride);
            } else {
                for (size_t c = 0; c < kLaneCols; c += std::min<size_t>(kSingle * kBlocks, 16))
                    ClipBlock<false, std::min<size_t>(kSingle, 16 / kBlocks)>(job, packed + c,
                                                                              sums + c, 0);
            }
        }
    }
}

} // namespace HWY_NAMESPACE
} // namespace acc::emu::crossbar
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace acc::emu::crossbar
{

HWY_EXPORT(Clip);
HWY_EXPORT(ClipVectors);

uint32_t clip_vectors()
{
    return HWY_DYNAMIC_DISPATCH(ClipVectors)();
}

void clip(ClipJob &job)
{
    HWY_DYNAMIC_DISPATCH(Clip)(job);
}

} // namespace acc::emu::crossbar
#endif
