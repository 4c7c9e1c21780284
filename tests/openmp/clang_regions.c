/* SPDX-License-Identifier: MIT */
/*
 * Target regions that clang compiles and gcc 12 doesn't, or differently: each prints what it
 * computed, which is the same on any device. `clang_regions CASE...` runs some.
 */
#include "expect.h"

#include <omp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define N 1000

#pragma omp declare target
int counter = 5;
int table[8] = {1, 2, 3, 4, 5, 6, 7, 8};
int *pointer = &table[3];
const char *word = "initial";
static int next(void)
{
    static int calls;
    counter += calls++;
    return counter;
}
#pragma omp end declare target

/* Variables of the device: they keep what regions and updates write. */
static void globals(void)
{
    int seen = 0;
#pragma omp target map(from : seen)
    {
        counter += *pointer;
        pointer = &table[7];
        table[7] = 70;
        seen = counter;
    }
    printf("%d %d\n", seen, counter);
#pragma omp target map(from : seen)
    {
        seen = *pointer + next() + next();
    }
    printf("%d\n", seen);
#pragma omp target update from(counter, table)
    printf("%d %d\n", counter, table[7]);
    counter = 1000;
#pragma omp target update to(counter)
#pragma omp target map(from : seen)
    seen = counter + (int)strlen(word);
    printf("%d\n", seen);
}

typedef struct {
    int length;
    double *values;
} vector;
#pragma omp declare mapper(vector v) map(v, v.values [0:v.length])
#pragma omp declare mapper(twice : vector v) map(v.length) map(tofrom : v.values [0:v.length / 2])

static void mappers(void)
{
    vector a = {8, malloc(8 * sizeof(double))}, two[2] = {{4, malloc(32)}, {4, malloc(32)}};
    for (int i = 0; i < 8; i++)
        a.values[i] = i, two[i / 4].values[i % 4] = i;
#pragma omp target map(tofrom : a)
    for (int i = 0; i < a.length; i++)
        a.values[i] += 0.5;
#pragma omp target map(mapper(twice), tofrom : a)
    for (int i = 0; i < a.length / 2; i++)
        a.values[i] *= 2;
#pragma omp target map(tofrom : two)
    for (int i = 0; i < 8; i++)
        two[i / 4].values[i % 4] -= 1;
    for (int i = 0; i < 8; i++)
        printf("%g %g ", a.values[i], two[i / 4].values[i % 4]);
    printf("\n");
}

static void addresses(void)
{
    int x[4] = {1, 2, 3, 4}, sum = 0;
#pragma omp target data map(tofrom : x) use_device_addr(x)
    {
        int *there = x;
#pragma omp target is_device_ptr(there) map(tofrom : sum)
        for (int i = 0; i < 4; i++)
            sum += there[i]++;
    }
    printf("%d %d\n", sum, x[3]);
}

/* Each way to share out iterations, each direction, each type. */
static void schedules(void)
{
    static long out[12][N];
    memset(out, 0, sizeof out);
#pragma omp target map(tofrom : out)
#pragma omp parallel num_threads(3)
    {
#pragma omp for schedule(static)
        for (int i = 0; i < N; i++)
            out[0][i] += i;
#pragma omp for schedule(static, 7) nowait
        for (unsigned i = N; i > 0; i -= 3)
            out[1][i - 1] += i;
#pragma omp for schedule(dynamic) nowait
        for (long i = N - 1; i >= 0; i -= 2)
            out[2][i] += i;
#pragma omp for schedule(dynamic, 13)
        for (unsigned long i = 5; i < N; i += 5)
            out[3][i] += (long)i;
#pragma omp for schedule(guided, 3)
        for (int i = -500; i < 500; i++)
            out[4][i + 500] += i;
#pragma omp for schedule(runtime)
        for (int i = 0; i < N; i++)
            out[5][i] += i;
#pragma omp for schedule(auto)
        for (int i = 0; i < N; i++)
            out[6][i] += i;
#pragma omp for collapse(2) schedule(dynamic, 4)
        for (int i = 0; i < 10; i++)
            for (int j = 0; j < 100; j++)
                out[7][i * 100 + j] += j - i;
#pragma omp for simd
        for (int i = 0; i < N; i++)
            out[8][i] += i;
#pragma omp for schedule(static)
        for (int i = 2; i < 2; i++)
            out[9][i] += 1000;
#pragma omp for schedule(dynamic)
        for (int i = 2; i < 2; i++)
            out[9][i] += 1000;
#pragma omp for schedule(static)
        for (int i = 0; i < 2; i++) /* more threads than iterations */
            out[9][i] += 1;
    }
#pragma omp target teams distribute dist_schedule(static, 9) num_teams(3) map(tofrom : out)
    for (int i = 0; i < N; i++)
        out[10][i] += i;
#pragma omp target teams distribute parallel for num_teams(2) thread_limit(2) schedule(dynamic)    \
    map(tofrom                                                                                     \
        : out)
    for (int i = 0; i < N; i++)
        out[11][i] += i;
    for (int k = 0; k < 12; k++) {
        long sum = 0;
        for (int i = 0; i < N; i++)
            sum += out[k][i] * (i + 1);
        printf("%d: %ld\n", k, sum);
    }
}

static void constructs(void)
{
    int order[20], at = 0, singles = 0, masters = 0, copies = 0, last = -1, locked = 0;
#pragma omp target map(tofrom : order, at, singles, masters, copies, last, locked)
    {
        omp_lock_t lock;
        omp_nest_lock_t nest;
        omp_init_lock_with_hint(&lock, omp_sync_hint_contended);
        omp_init_nest_lock(&nest);
#pragma omp parallel num_threads(3)
        {
            int mine = 0;
#pragma omp for ordered schedule(dynamic)
            for (int i = 0; i < 20; i++) {
#pragma omp ordered
                order[at++] = i;
            }
#pragma omp single copyprivate(mine)
            {
                mine = 7;
                singles++;
            }
#pragma omp atomic
            copies += mine;
#pragma omp master
            masters++;
#pragma omp barrier
#pragma omp for lastprivate(last)
            for (int i = 0; i < 50; i++)
                last = i;
            omp_set_lock(&lock);
            omp_set_nest_lock(&nest);
            omp_set_nest_lock(&nest);
            locked++;
            omp_unset_nest_lock(&nest);
            omp_unset_nest_lock(&nest);
            omp_unset_lock(&lock);
#pragma omp sections
            {
#pragma omp section
#pragma omp atomic
                locked += 10;
#pragma omp section
#pragma omp atomic
                locked += 100;
            }
#pragma omp critical(name)
            locked += 1000;
        }
        omp_destroy_nest_lock(&nest);
        omp_destroy_lock(&lock);
    }
    for (int i = 0; i < 20; i++)
        printf("%d ", order[i]);
    printf("\n%d %d %d %d %d\n", singles, copies, masters, last, locked);
}

/* Parallel regions in parallel regions, and the one that an `if` leaves alone. */
static void nested(void)
{
    int count = 0, inner = 0, levels = 0, alone = 0;
#pragma omp target map(tofrom : count, inner, levels, alone)
    {
        omp_set_max_active_levels(2);
#pragma omp parallel num_threads(2) reduction(+ : count)
        {
#pragma omp parallel num_threads(2) reduction(+ : count)
            count += 1 + omp_get_level();
#pragma omp for schedule(dynamic)
            for (int i = 0; i < 4; i++) {
#pragma omp parallel for num_threads(2) schedule(dynamic)
                for (int j = 0; j < 4; j++) {
#pragma omp atomic
                    inner += 100;
                }
            }
        }
#pragma omp parallel if (0)
        alone += omp_get_num_threads() + 10 * omp_get_level();
        levels = omp_get_level();
    }
    printf("%d %d %d %d\n", count, inner, alone, levels);
}

static void tasks(void)
{
    int fib[20], x = 1;
    long sum = 0, waited = 0;
#pragma omp target map(from : fib) map(tofrom : x, sum, waited)
#pragma omp parallel num_threads(3)
#pragma omp single
    {
        for (int i = 0; i < 20; i++) {
#pragma omp task firstprivate(i) depend(in : fib[i - 1], fib[i - 2]) depend(out : fib[i])
            fib[i] = i < 2 ? i : fib[i - 1] + fib[i - 2];
        }
#pragma omp taskwait
        for (int i = 0; i < 10; i++) {
#pragma omp task depend(inout : x) if (i % 2)
            x = x * 3 + i;
        }
#pragma omp taskgroup
        {
            for (int i = 0; i < 50; i++) {
#pragma omp task
#pragma omp atomic
                sum += i;
            }
        }
#pragma omp taskloop grainsize(7)
        for (int i = 0; i < 100; i++) {
#pragma omp atomic
            sum += i;
        }
#pragma omp taskloop num_tasks(5) firstprivate(x)
        for (int i = 99; i >= 0; i -= 2) {
#pragma omp atomic
            sum += i;
        }
        /* Each in three parts, all of which are waited for. */
        for (int i = 0; i < 8; i++) {
#pragma omp task untied shared(sum)
            {
#pragma omp atomic
                sum += i;
#pragma omp taskyield
#pragma omp atomic
                sum += 100 * i;
#pragma omp taskwait
#pragma omp atomic
                sum += 10000 * i;
            }
        }
#pragma omp taskwait
#pragma omp atomic read
        waited = sum;
    }
    printf("%d %d %ld %ld\n", fib[19], x, sum, waited);
}

/* Reductions of several variables, of arrays, by functions of the program's. */
struct most {
    int value, where;
};
#pragma omp declare target
static void take(struct most *to, const struct most *from)
{
    if (from->value > to->value) *to = *from;
}
#pragma omp end declare target
#pragma omp declare reduction(most                                                                 \
                              : struct most                                                        \
                              : take(&omp_out, &omp_in)) initializer(omp_priv = {-1, -1})

static void reductions(void)
{
    int values[N], histogram[4] = {0};
    long product = 1;
    double sum = 0;
    struct most most = {-1, -1};
    for (int i = 0; i < N; i++)
        values[i] = i * 7919 % 1009;
#pragma omp target teams distribute parallel for num_teams(2) reduction(most : most)                   \
    reduction(+ : sum, histogram) map(to : values)
    for (int i = 0; i < N; i++) {
        const struct most one = {values[i], i};
        take(&most, &one);
        sum += values[i] * 0.5;
        histogram[values[i] % 4]++;
    }
#pragma omp target parallel for reduction(* : product) map(tofrom : product)
    for (int i = 1; i < 15; i++)
        product *= i;
    printf("%d %d %g %d %d %d %d %ld\n", most.value, most.where, sum, histogram[0], histogram[1],
           histogram[2], histogram[3], product);
}

static void many_arguments(void)
{
#define EACH(X)                                                                                    \
    X(0)                                                                                           \
    X(1)                                                                                           \
    X(2)                                                                                           \
    X(3) X(4) X(5) X(6) X(7) X(8) X(9) X(10) X(11) X(12) X(13) X(14) X(15) X(16) X(17) X(18) X(19)
#define DEFINE(n) int v##n = n;
#define ADD(n) v##n += sum += v##n;
#define PRINT(n) printf("%d ", v##n);
    EACH(DEFINE)
    int sum = 0;
#pragma omp target map(tofrom                                                                      \
                       : sum, v0, v1, v2, v3, v4, v5, v6, v7, v8, v9, v10, v11, v12, v13, v14)     \
    map(tofrom                                                                                     \
        : v15, v16, v17, v18, v19)
#pragma omp parallel num_threads(2)
#pragma omp single
    {EACH(ADD)} EACH(PRINT) printf("%d\n", sum);
}

static const struct test_case cases[] = {
    {"globals", globals},     {"mappers", mappers},       {"addresses", addresses},
    {"schedules", schedules}, {"constructs", constructs}, {"nested", nested},
    {"tasks", tasks},         {"reductions", reductions}, {"many_arguments", many_arguments},
};

int main(int argc, char **argv)
{
    return run_case(cases, sizeof cases / sizeof *cases, argc, argv);
}
