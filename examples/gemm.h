/* SPDX-License-Identifier: MIT */
/*
 * The matrix of gemm.accx: GEMM_K × GEMM_N int8 weights by a formula, so that gemm.c can
 * compute the product on the host. What writes the file at build time reads it too.
 */
#ifndef EXAMPLES_GEMM_H
#define EXAMPLES_GEMM_H

#include <stdint.h>

#define GEMM_K 200
#define GEMM_N 48

static inline int gemm_weight(uint32_t row, uint32_t col)
{
    return (int)((13 * row + 7 * col + row * col) % 256) - 128;
}

#endif /* EXAMPLES_GEMM_H */
