// SPDX-License-Identifier: MIT
#include "emulator/crossbar/gemm.h"

#include <cstring>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace acc::emu::crossbar
{

void gemm_portable(const int16_t *x, size_t stride, uint32_t vectors, const int16_t *panel,
                   uint32_t pairs, int32_t (*out)[kPanelCols])
{
    for (uint32_t v = 0; v < vectors; v++) {
        const int16_t *row = x + v * stride;
        int32_t sum[kPanelCols] = {};
        for (uint32_t p = 0; p < pairs; p++) {
            const int32_t x0 = row[2 * p], x1 = row[2 * p + 1];
            const int16_t *w = panel + p * kPanelPairElements;
            for (uint32_t n = 0; n < kPanelCols; n++)
                sum[n] += x0 * w[2 * n] + x1 * w[2 * n + 1];
        }
        std::memcpy(out[v], sum, sizeof(sum));
    }
}

#if defined(__x86_64__)
namespace
{

template <uint32_t Vectors>
[[gnu::target("avx2")]] inline void tile_avx2(const int16_t *x, size_t stride, const int16_t *panel,
                                              uint32_t pairs, int32_t (*out)[kPanelCols])
{
    __m256i low[Vectors], high[Vectors];
    for (uint32_t v = 0; v < Vectors; v++)
        low[v] = high[v] = _mm256_setzero_si256();
    for (uint32_t p = 0; p < pairs; p++) {
        const auto *w = reinterpret_cast<const __m256i *>(panel + p * kPanelPairElements);
        const __m256i w0 = _mm256_loadu_si256(w), w1 = _mm256_loadu_si256(w + 1);
        for (uint32_t v = 0; v < Vectors; v++) {
            int32_t pair;
            std::memcpy(&pair, x + v * stride + 2 * p, sizeof(pair));
            const __m256i both = _mm256_set1_epi32(pair);
            low[v] = _mm256_add_epi32(low[v], _mm256_madd_epi16(both, w0));
            high[v] = _mm256_add_epi32(high[v], _mm256_madd_epi16(both, w1));
        }
    }
    for (uint32_t v = 0; v < Vectors; v++) {
        _mm256_storeu_si256(reinterpret_cast<__m256i *>(out[v]), low[v]);
        _mm256_storeu_si256(reinterpret_cast<__m256i *>(out[v] + 8), high[v]);
    }
}

void gemm_avx2(const int16_t *x, size_t stride, uint32_t vectors, const int16_t *panel,
               uint32_t pairs, int32_t (*out)[kPanelCols])
{
    switch (vectors) {
    case 1:
        return tile_avx2<1>(x, stride, panel, pairs, out);
    case 2:
        return tile_avx2<2>(x, stride, panel, pairs, out);
    case 3:
        return tile_avx2<3>(x, stride, panel, pairs, out);
    default:
        return tile_avx2<4>(x, stride, panel, pairs, out);
    }
}

} // namespace
#endif

GemmKernel best_gemm()
{
#if defined(__x86_64__)
    if (__builtin_cpu_supports("avx2")) return gemm_avx2;
#endif
    return gemm_portable;
}

} // namespace acc::emu::crossbar
