// SPDX-License-Identifier: MIT
//
// The inner loops of the analog model, compiled for several kinds of processors (Highway) and
// chosen at run time. All kinds give the same bits: integers are exact, and in floating point
// every sum has a fixed order, without fused multiply-adds.
//
// Thread safety: functions of their arguments; set_simd() before any thread uses them.
#pragma once

#include <cstddef>
#include <cstdint>

namespace acc::emu::crossbar
{

// Columns and rounds that the loops work on at a time: buffers are padded to them.
inline constexpr uint32_t kLaneCols = 16;
inline constexpr uint32_t kLaneRounds = 16;

enum class Simd {
    Best,
    Avx512, // without VBMI
    Avx2,
    Portable, // x86-64-v2 (SSE4.1)
    Emulated  // without vector instructions
};

// For tests and benchmarks, of the whole process.
void set_simd(Simd level);
const char *simd_name();

// --- Every conversion of ideal cells -----------------------------------------------------------

// The digits of `per_group` rows make a number of four bits, their cells one of eight; a
// table of [256][16] has the sum of their products: one byte shuffle gives it for a group of
// rows of a column in all sixteen rounds at once.
struct ClipJob {
    const uint8_t *packed = nullptr; // [arrays][col blocks][groups][16] cells of a group
    const uint8_t *tables = nullptr; // [256][16]
    uint32_t arrays = 0, col_blocks = 0, groups = 0;
    uint32_t flush = 0;               // groups whose sum fits a byte
    bool bit_by_two = false;          // digits of one bit, cells of two: four rows a group
    uint32_t vectors = 0;             // 1 … clip_vectors()
    const uint8_t *index = nullptr;   // [groups][vectors][16 rounds]
    const uint16_t *limits = nullptr; // [2][vectors][8 rounds]: largest sum without clipping
    const int16_t *weights = nullptr; // [16] of rounds; those of the last eight >> high_shift
    uint32_t high_shift = 0;
    int32_t *sums = nullptr; // [vectors][arrays][col_blocks * 16]: sum of weight * code
    uint64_t clipped = 0;    // out
};
// Vectors that one call takes best; a call with fewer, but 1, must be padded to them.
uint32_t clip_vectors();
void clip(ClipJob &job);

// --- Integer product ----------------------------------------------------------------------------

// sums[col] = sum over rows of x[row] * w; see gemm.h for the layout of a panel.
void product16(const int16_t *x, const int16_t *panel, uint32_t pairs, int32_t *sums);

// --- Conductances in floating point ------------------------------------------------------------

struct AnalogJob {
    const float *cells = nullptr; // [col blocks][rows][16], unit currents, without `rho`
    uint32_t rows = 0, cols = 0, rounds = 0;
    const float *digits = nullptr; // [rows][16 rounds]
    float rho = 0;                 // g_off in unit currents: in every cell
    float read_sigma = 0;          // of a cell's conductance; 0: no noise
    uint64_t seed = 0, array = 0, event = 0;

    bool ideal_adc = false;
    double codes_per_unit = 1, offset = 0.5, top = 0; // code = floor(u * codes_per_unit + offset)
    double value_per_code = 1;
    const double *baseline = nullptr;   // [16] current of g_off alone: digits * rho
    const double *correction = nullptr; // [16] what the digital side takes away
    const double *weights = nullptr;    // [16] of rounds

    double *sums = nullptr; // [cols padded]: += weight * (value - correction)
    uint64_t clipped = 0;   // out
    double peak = 0;        // out: the largest current
};
void analog(AnalogJob &job);

// Standard normal numbers of `count` counters from word0 on, four of each: out[k * stride + i]
// is the k-th of counter i. Box and Muller's transform of Philox.
void normals(uint64_t seed, uint32_t word0, uint64_t array, uint32_t event_low, uint32_t event_high,
             size_t count, float *out, size_t stride);

} // namespace acc::emu::crossbar
