/* SPDX-License-Identifier: MIT */
/* The crowd's OpenMP program, for gcc and for clang: a product, and the sum of its elements. */
#include "crowd.h"

enum { N = 1000 };

static int step(unsigned number)
{
    static int a[N], b[N], c[N];
    long sum = 0, expected = 0;
    for (int i = 0; i < N; i++) {
        a[i] = i + (int)(number % 100);
        b[i] = i % 7;
        expected += (long)a[i] * b[i];
    }
#pragma omp target teams distribute parallel for map(to : a, b) map(from : c) reduction(+ : sum)
    for (int i = 0; i < N; i++) {
        c[i] = a[i] * b[i];
        sum += c[i];
    }
    for (int i = 0; i < N; i++)
        if (c[i] != a[i] * b[i]) return 0;
    return sum == expected;
}

int main(void)
{
    return crowd_run(step);
}
