// SPDX-License-Identifier: MIT
//
// Integer products of a few vectors with a packed weight panel: the fast path, which is
// used where no ADC can clip and which is exact.
//
// A panel is 16 columns, stored as [pairs][16][2]: two rows of a column side by side, which
// is what a multiply-add of 16-bit pairs takes.
#pragma once

#include <cstddef>
#include <cstdint>

namespace acc::emu::crossbar
{

inline constexpr uint32_t kPanelCols = 16;
inline constexpr uint32_t kMaxTileVectors = 4;
inline constexpr size_t kPanelPairElements = 2 * kPanelCols;

// One call: out[v][n] = sum over 2 * pairs rows of x[v][k] * panel[k][n], in int32. The
// caller bounds `pairs` so that no sum overflows; |x| < 2^15 unless one side is shorter.
//  - x: vector v starts at x + v * stride; 2 * pairs elements of each are read
//  - vectors: 1 … kMaxTileVectors; rows of out beyond are left alone
using GemmKernel = void (*)(const int16_t *x, size_t stride, uint32_t vectors, const int16_t *panel,
                            uint32_t pairs, int32_t (*out)[kPanelCols]);

void gemm_portable(const int16_t *x, size_t stride, uint32_t vectors, const int16_t *panel,
                   uint32_t pairs, int32_t (*out)[kPanelCols]);

// The fastest kernel of this processor. All give the same bits.
GemmKernel best_gemm();

} // namespace acc::emu::crossbar
