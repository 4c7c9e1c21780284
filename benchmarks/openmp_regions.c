/* SPDX-License-Identifier: MIT */
/*
 * What a target region costs its program: prints the median time of an empty one and of one that
 * maps 64 bytes to and from the device, as JSON. `openmp_regions ROUNDS`.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static uint64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static int by_value(const void *a, const void *b)
{
    const uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

static double median_us(uint64_t *times, size_t count)
{
    qsort(times, count, sizeof *times, by_value);
    return (double)times[count / 2] / 1e3;
}

int main(int argc, char **argv)
{
    const size_t rounds = argc > 1 ? strtoul(argv[1], NULL, 10) : 20000;
    uint64_t *times = calloc(rounds + 1, sizeof *times);
    unsigned char bytes[64] = {0};

    if (!times || !rounds) return 2;
    for (size_t i = 0; i < rounds / 10; i++) { /* loads, first touches */
#pragma omp target map(tofrom : bytes)
        bytes[0]++;
    }
    memset(bytes, 0, sizeof bytes);
    for (size_t i = 0; i < rounds; i++) {
        const uint64_t start = now_ns();
#pragma omp target
        {
        }
        times[i] = now_ns() - start;
    }
    const double empty = median_us(times, rounds);
    for (size_t i = 0; i < rounds; i++) {
        const uint64_t start = now_ns();
#pragma omp target map(tofrom : bytes)
        bytes[i % 64]++;
        times[i] = now_ns() - start;
    }
    const double map = median_us(times, rounds);
    size_t sum = 0;
    for (int i = 0; i < 64; i++)
        sum += bytes[i];
    if (rounds <= 64 * 255 && sum != rounds) {
        fprintf(stderr, "openmp_regions: expected a sum of %zu; found %zu\n", rounds, sum);
        return 1;
    }
    printf("{\"empty_us\": %.4f, \"map64_us\": %.4f}\n", empty, map);
    return 0;
}
