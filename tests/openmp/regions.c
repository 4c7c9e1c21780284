/* SPDX-License-Identifier: MIT */
/*
 * An OpenMP program as anybody would write it: target regions, each checked against what the host
 * computes. `regions CASE` runs one; exit code 0: right results, 1: wrong ones (printed).
 */
#include "expect.h"
#include "library.h"

#include <omp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define N 10000

/* In another process than the host's, and told that it is no host. */
static void empty(void)
{
    int host = 1, pid = 0;
#pragma omp target
    {}
#pragma omp target map(from : host, pid)
    {
        host = omp_is_initial_device();
        pid = (int)getpid();
    }
    EXPECT(host, 0);
    EXPECT(pid != (int)getpid() && pid != 0, 1);
    EXPECT(omp_get_num_devices(), 1);
}

static void maps(void)
{
    int in[N], out[N], both[N], untouched = 7;
    for (int i = 0; i < N; i++)
        in[i] = i, out[i] = -1, both[i] = 2 * i;
#pragma omp target map(to : in) map(from : out) map(tofrom : both)
    for (int i = 0; i < N; i++) {
        out[i] = in[i] * 3;
        both[i] += in[i];
        in[i] = -5; /* the host doesn't see it */
    }
    for (int i = 0; i < N; i++) {
        EXPECT(out[i], 3 * i);
        EXPECT(both[i], 3 * i);
        EXPECT(in[i], i);
    }
#pragma omp target firstprivate(untouched)
    untouched++;
    EXPECT(untouched, 7);
}

static void reduction(void)
{
    static double a[N];
    double sum = 0;
    long count = 0;
    int teams = 0, most = 0;
    for (int i = 0; i < N; i++)
        a[i] = i;
#pragma omp target teams distribute parallel for reduction(+ : sum, count) map(to : a)
    for (int i = 0; i < N; i++) {
        sum += a[i];
        count++;
    }
    EXPECT(sum, (double)N * (N - 1) / 2);
    EXPECT(count, N);
#pragma omp target parallel for reduction(max : most) num_threads(4) map(to : a)
    for (int i = 0; i < N; i++)
        most = a[i] > most ? (int)a[i] : most;
    EXPECT(most, N - 1);
#pragma omp target teams num_teams(3) reduction(+ : teams)
    teams += omp_get_team_num() + 1;
    EXPECT(teams, 6);
#pragma omp target map(tofrom : count)
#pragma omp parallel num_threads(3)
    {
#pragma omp critical
        count += omp_get_num_threads();
#pragma omp barrier
#pragma omp atomic
        count++;
    }
    EXPECT(count, N + 12);
}

struct node {
    int value;
    int *data;
    int length;
};

static void structs(void)
{
    int data[8] = {1, 2, 3, 4, 5, 6, 7, 8};
    struct node node = {.value = 3, .data = data, .length = 8};
    struct node plain[2] = {{.value = 1}, {.value = 2}};
#pragma omp target map(tofrom : node) map(tofrom : node.data [0:8])
    {
        node.value *= 2;
        for (int i = 0; i < node.length; i++)
            node.data[i] += node.value;
    }
    EXPECT(node.value, 6);
    EXPECT(node.data == data, 1);
    for (int i = 0; i < 8; i++)
        EXPECT(data[i], i + 7);
#pragma omp target map(tofrom : plain)
    plain[1].value += plain[0].value;
    EXPECT(plain[1].value, 3);
}

static void pointers(void)
{
    int *p = malloc(N * sizeof *p);
    int *const kept = p;
    for (int i = 0; i < N; i++)
        p[i] = i;
#pragma omp target data map(tofrom : p [0:N])
    {
#pragma omp target data use_device_ptr(p)
        {
            EXPECT(p != kept, 1);
#pragma omp target is_device_ptr(p)
            for (int i = 0; i < N; i++)
                p[i] *= 2;
        }
#pragma omp target map(alloc : p [0:N])
        for (int i = 0; i < N; i++)
            p[i] += 1;
#pragma omp target update from(p [0:10])
        EXPECT(p[9], 19);
        p[9] = 100;
#pragma omp target update to(p [9:1])
    }
    for (int i = 0; i < N; i++)
        EXPECT(p[i], i == 9 ? 100 : 2 * i + 1);
    free(p);
}

static void tasks(void)
{
    enum { STEPS = 50 };
    int x = 1, y[8] = {0};
#pragma omp parallel num_threads(2)
#pragma omp single
    {
        for (int i = 0; i < STEPS; i++) {
#pragma omp target nowait map(tofrom : x) depend(inout : x)
            x = x * 3 % 1000003;
        }
        for (int i = 0; i < 8; i++) {
#pragma omp target nowait map(tofrom : y [i:1]) depend(out : y[i])
            y[i] = i * i;
#pragma omp task depend(in : y[i]) shared(y)
            y[i] += 1;
        }
#pragma omp taskwait
    }
    int expected = 1;
    for (int i = 0; i < STEPS; i++)
        expected = expected * 3 % 1000003;
    EXPECT(x, expected);
    for (int i = 0; i < 8; i++)
        EXPECT(y[i], i * i + 1);
}

static void memory(void)
{
    const int device = omp_get_default_device(), host = omp_get_initial_device();
    int from[100], to[100];
    for (int i = 0; i < 100; i++)
        from[i] = i, to[i] = -1;
    int *there = omp_target_alloc(sizeof from, device),
        *other = omp_target_alloc(sizeof from, device);
    EXPECT(there != NULL && other != NULL, 1);
    EXPECT(omp_target_memcpy(there, from, sizeof from, 0, 0, device, host), 0);
#pragma omp target is_device_ptr(there)
    for (int i = 0; i < 100; i++)
        there[i] += 1000;
    EXPECT(omp_target_memcpy(other, there, sizeof from, 0, 0, device, device), 0);
    EXPECT(omp_target_memcpy(to, other, 99 * sizeof *to, sizeof *to, 0, host, device), 0);
    EXPECT(to[0], -1);
    for (int i = 1; i < 100; i++)
        EXPECT(to[i], i + 999);
    EXPECT(omp_target_is_present(from, device), 0);
    omp_target_free(there, device);
    omp_target_free(other, device);
    /* Much memory, in many pieces. */
    for (int i = 0; i < 40; i++) {
        const size_t bytes = (size_t)1 << (i % 20 + 6);
        char *block = omp_target_alloc(bytes, device);
#pragma omp target is_device_ptr(block)
        memset(block, i, bytes);
        char last = -1;
        EXPECT(omp_target_memcpy(&last, block, 1, 0, bytes - 1, host, device), 0);
        EXPECT(last, i);
        omp_target_free(block, device);
    }
}

static int counter = 5;

static int twice(int x)
{
    return 2 * x;
}

/* Functions of the program, of C's library, and variables by map. */
static void calls(void)
{
    char text[64];
    int (*function)(int) = twice, result = 0;
#pragma omp target map(from : text, result) map(tofrom : counter)
    {
        counter += twice(counter);
        snprintf(text, sizeof text, "counter %d, %zu", counter, strlen("four"));
        function = twice;
        result = function(21);
        int *heap = malloc(1000 * sizeof *heap);
        heap[999] = result;
        result = heap[999];
        free(heap);
    }
    EXPECT(counter, 15);
    EXPECT(strcmp(text, "counter 15, 4"), 0);
    EXPECT(result, 42);
}

/* Many host threads, each with regions of its own. */
static void threads(void)
{
    int sums[4] = {0};
#pragma omp parallel for num_threads(4)
    for (int t = 0; t < 4; t++) {
        for (int i = 0; i < 50; i++) {
            int x = i;
#pragma omp target map(tofrom : x)
            x += t;
            sums[t] += x;
        }
    }
    for (int t = 0; t < 4; t++)
        EXPECT(sums[t], 49 * 25 + 50 * t);
}

static void prints(void)
{
#pragma omp target
    {
        printf("hello from a region\n");
        fprintf(stderr, "and %s\n", "again");
    }
    printf("hello from the host\n");
}

/* A region in a shared library, loaded beside the program's. */
static void library(void)
{
    int a[64];
    for (int i = 0; i < 64; i++)
        a[i] = i;
    library_scale(a, 64, 3);
    for (int i = 0; i < 64; i++)
        EXPECT(a[i], 3 * i);
}

/* ---- What is the program's own fault. */

static void segfault(void)
{
    int *nowhere = NULL;
#pragma omp target firstprivate(nowhere)
    *nowhere = 1;
}

static void host_pointer(void)
{
    int x = 1;
    int *p = &x;
#pragma omp target is_device_ptr(p)
    *p = 2;
}

static void missing(void)
{
    int x = 0;
#pragma omp target map(tofrom : x)
    x = library_only(x);
    printf("%d\n", x);
}

static void aborts(void)
{
#pragma omp target
    {
        printf("before the end\n");
        abort();
    }
}

static void later(void)
{
    int *nowhere = NULL;
#pragma omp parallel num_threads(2)
#pragma omp single
    {
#pragma omp target nowait firstprivate(nowhere)
        *nowhere = 1;
#pragma omp taskwait
    }
}

static void system_call(void)
{
#pragma omp target
    {
        if (fork() == 0) _exit(0);
    }
}

static const struct test_case cases[] = {
    {"empty", empty},
    {"maps", maps},
    {"reduction", reduction},
    {"structs", structs},
    {"pointers", pointers},
    {"tasks", tasks},
    {"memory", memory},
    {"calls", calls},
    {"threads", threads},
    {"prints", prints},
    {"library", library},
    {"segfault", segfault},
    {"host_pointer", host_pointer},
    {"missing", missing},
    {"aborts", aborts},
    {"later", later},
    {"system_call", system_call},
};

int main(int argc, char **argv)
{
    return run_case(cases, sizeof cases / sizeof *cases, argc, argv);
}
