/* SPDX-License-Identifier: MIT */
/*
 * What the programs of the crowd share: rounds until the standard input ends, each timed and
 * checked; then one line of JSON. The first round and a wrong result are told at once.
 */
#ifndef ACC_TESTS_CROWD_H
#define ACC_TESTS_CROWD_H

#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define CROWD_MOST 1000000

static inline uint64_t crowd_now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static inline int crowd_compare(const void *a, const void *b)
{
    const uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

/* `round` returns 1 if its result was right. The exit status. */
static inline int crowd_run(int (*round)(unsigned number))
{
    static uint64_t took[CROWD_MOST];
    struct pollfd end = {0, POLLIN, 0};
    unsigned rounds = 0, wrong = 0;
    while (rounds < CROWD_MOST && poll(&end, 1, 0) == 0) {
        const uint64_t start = crowd_now_ns();
        const int right = round(rounds);
        took[rounds++] = crowd_now_ns() - start;
        if (rounds == 1) printf("begun\n");
        if (rounds == 1) fflush(stdout);
        if (right) continue;
        wrong++;
        printf("wrong: round %u\n", rounds - 1);
        fflush(stdout);
    }
    qsort(took, rounds, sizeof *took, crowd_compare);
    printf(
        "{\"rounds\": %u, \"wrong\": %u, \"p50_us\": %.1f, \"p95_us\": %.1f, \"worst_us\": %.1f}\n",
        rounds, wrong, rounds ? took[rounds / 2] / 1e3 : 0.0,
        rounds ? took[rounds * 95 / 100] / 1e3 : 0.0, rounds ? took[rounds - 1] / 1e3 : 0.0);
    return wrong != 0;
}

#endif
