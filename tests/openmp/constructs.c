/* SPDX-License-Identifier: MIT */
/*
 * What OpenMP 4.5 and 5.0 have beyond loops and maps, in target regions: `constructs all` checks it
 * against what the language says, `constructs CASE` one part. For gcc 12 and clang 14, 16 and 19.
 */
#include "expect.h"

#include <omp.h>
#include <stdlib.h>

#define N 1000

/* What older compilers leave out. */
#if !defined __clang__ || __clang_major__ >= 19
#define HAS_LOOPS 1
#define HAS_LIMITED_TARGET 1
#endif
#if defined __clang__ && __clang_major__ >= 17
#define HAS_ASYNCHRONOUS_COPIES 1
#endif

#pragma omp declare target
int counter = 6;
int squares[N];
int *into = &squares[2];
static int count_up(void)
{
    return counter += 10;
}
#pragma omp end declare target

/* Variables that the device has for itself, in several regions. */
static void globals(void)
{
    int seen = 0;
#pragma omp target map(from : seen)
    {
        for (int i = 0; i < N; i++)
            squares[i] = i * i;
        count_up();
        seen = counter + *into;
    }
    EXPECT(seen, 16 + 4);
    EXPECT(counter, 6);
    EXPECT(squares[3], 0);
#pragma omp target update from(counter, squares [3:2])
    EXPECT(counter, 16);
    EXPECT(squares[3], 9);
    EXPECT(squares[5], 0);
    counter = 100;
    squares[2] = -1;
#pragma omp target update to(counter, squares [2:1])
#pragma omp target map(from : seen)
    {
        seen = counter + *into;
        seen += count_up();
    }
    EXPECT(seen, 100 - 1 + 110);
#pragma omp target map(always, tofrom : counter)
    counter++;
    EXPECT(counter, 101);
    EXPECT(omp_target_is_present(&counter, omp_get_default_device()), 1);
}

/* ... and that it has while they are mapped. */
int linked = 1, linked_too[4] = {1, 2, 3, 4};
#pragma omp declare target link(linked, linked_too)
#pragma omp declare target
static int sum_up(void)
{
    return linked++ + linked_too[3];
}
#pragma omp end declare target

static void links(void)
{
    int seen = 0;
    linked = 20;
#pragma omp target map(to : linked, linked_too) map(from : seen)
    seen = sum_up() + sum_up();
    EXPECT(seen, 20 + 4 + 21 + 4);
    EXPECT(linked, 20);
#pragma omp target data map(tofrom : linked, linked_too)
    {
        linked_too[3] = 50;
#pragma omp target update to(linked_too [3:1])
#pragma omp target map(from : seen)
        seen = sum_up();
        EXPECT(seen, 20 + 50);
#pragma omp target
        linked_too[0] = 7;
        EXPECT(linked, 20);
    }
    EXPECT(linked, 21);
    EXPECT(linked_too[0], 7);
}

#pragma omp declare target
static int total;
static void add_in_tasks(int i)
{
#pragma omp task in_reduction(+ : total)
    total += i;
#pragma omp taskwait
#pragma omp task in_reduction(+ : total)
    total += 2 * i;
}
#pragma omp end declare target

/* Reductions that tasks take part in: of a group, a loop, a parallel region; in functions. */
static void task_reductions(void)
{
    long sum = 0, product = 1, of_team = 0, of_loop = 0;
    int seen = 0, threads = 0;
#pragma omp target map(tofrom : sum, product, of_team, of_loop, seen, threads)
    {
#pragma omp parallel num_threads(4)
#pragma omp single
        {
            threads = omp_get_num_threads();
#pragma omp taskgroup task_reduction(+ : sum) task_reduction(* : product)
            {
                for (int i = 1; i <= 200; i++) {
#pragma omp task in_reduction(+ : sum) firstprivate(i)
                    sum += i;
                }
                for (int i = 0; i < 20; i++) {
#pragma omp task in_reduction(* : product)
                    product *= 2;
                }
            }
#pragma omp taskloop reduction(+ : sum) grainsize(3)
            for (int i = 0; i < 100; i++)
                sum += i;
#pragma omp taskgroup task_reduction(+ : total)
            for (int i = 0; i < 50; i++)
                add_in_tasks(i);
            seen = total;
        }
#pragma omp parallel num_threads(3) reduction(task, + : of_team)
        {
            of_team += 1000;
            for (int i = 0; i < 10; i++) {
#pragma omp task in_reduction(+ : of_team)
                of_team += i;
            }
        }
#pragma omp parallel for num_threads(3) reduction(task, + : of_loop)
        for (int i = 0; i < 100; i++) {
#pragma omp task in_reduction(+ : of_loop) firstprivate(i)
            of_loop += i;
        }
    }
    EXPECT(sum, 200 * 201 / 2 + 99 * 50);
    EXPECT(product, 1 << 20);
    EXPECT(seen, 3 * 49 * 25);
    EXPECT(of_team, 3 * (1000 + 45));
    EXPECT(of_loop, 99 * 50);
    EXPECT(threads, 4);
}

/* Iterations that wait for others: in one dimension and in two, up and down. */
static void doacross(void)
{
    static int path[16][16], chain[30];
    memset(path, 0, sizeof path);
    memset(chain, 0, sizeof chain);
#pragma omp target map(tofrom : path, chain)
#pragma omp parallel num_threads(3)
    {
#pragma omp for ordered(1) schedule(static, 1) nowait
        for (int i = 1; i < 30; i++) {
#pragma omp ordered depend(sink : i - 1)
            chain[i] = chain[i - 1] + 1;
#pragma omp ordered depend(source)
        }
#pragma omp for ordered(2) schedule(dynamic)
        for (int i = 15; i > 0; i -= 2)
            for (int j = 1; j < 16; j++) {
#pragma omp ordered depend(sink : i + 2, j) depend(sink : i, j - 1)
                path[i][j] = path[i][j - 1] + (i + 2 < 16 ? path[i + 2][j] : 1);
#pragma omp ordered depend(source)
            }
    }
    int again[16][16] = {{0}};
    for (int i = 15; i > 0; i -= 2)
        for (int j = 1; j < 16; j++)
            again[i][j] = again[i][j - 1] + (i + 2 < 16 ? again[i + 2][j] : 1);
    EXPECT(chain[29], 29);
    EXPECT(memcmp(path, again, sizeof path), 0);
}

/* A task that ends when it is told to. */
static void detached(void)
{
    int order = 0, ended = 0, after = 0;
#pragma omp target map(tofrom : order, ended, after)
#pragma omp parallel num_threads(2)
#pragma omp single
    {
        omp_event_handle_t event;
#pragma omp task detach(event) depend(out : order)
        {
#pragma omp atomic
            order++;
        }
#pragma omp task depend(in : order)
        after = ended;
#pragma omp task
        {
            ended = 1;
            omp_fulfill_event(event);
        }
    }
    EXPECT(order, 1);
    EXPECT(after, 1);
}

static void allocators(void)
{
    int sum = 0, given = 0;
    int mine = 3;
#pragma omp target map(tofrom : sum, given)
    {
        int *piece = omp_alloc(sizeof(int) * N, omp_default_mem_alloc);
        omp_alloctrait_t traits[] = {{omp_atk_alignment, 256}};
        omp_allocator_handle_t aligned = omp_init_allocator(omp_default_mem_space, 1, traits);
        char *other = omp_alloc(10, aligned);
        given = piece && other && (unsigned long)other % 256 == 0;
        omp_free(other, aligned);
        omp_destroy_allocator(aligned);
        for (int i = 0; i < N; i++)
            piece[i] = i;
#pragma omp parallel for reduction(+ : sum)
        for (int i = 0; i < N; i++)
            sum += piece[i];
        omp_free(piece, omp_default_mem_alloc);
#pragma omp parallel num_threads(2) private(mine) allocate(omp_default_mem_alloc : mine)
        {
            mine = omp_get_thread_num();
#pragma omp atomic
            sum += mine;
        }
    }
    EXPECT(given, 1);
    EXPECT(sum, N * (N - 1) / 2 + 1);
}

static void scans(void)
{
    int inclusive[N], exclusive[N], x = 0, y = 5, last = 0;
#pragma omp target map(from : inclusive, exclusive) map(tofrom : x, y, last)
    {
#pragma omp parallel for reduction(inscan, + : x) num_threads(3)
        for (int i = 0; i < N; i++) {
            x += i;
#pragma omp scan inclusive(x)
            inclusive[i] = x;
        }
#pragma omp simd reduction(inscan, + : y)
        for (int i = 0; i < N; i++) {
            exclusive[i] = y;
#pragma omp scan exclusive(y)
            y += i;
        }
#pragma omp parallel for lastprivate(conditional : last) num_threads(3)
        for (int i = 0; i < N; i++)
            if (i % 97 == 5) last = i;
    }
    int sum = 0, wrong = 0;
    for (int i = 0; i < N; i++) {
        wrong += exclusive[i] != 5 + sum;
        sum += i;
        wrong += inclusive[i] != sum;
    }
    EXPECT(wrong, 0);
#if !defined __clang__ || __clang_major__ >= 16 /* 14 gives no result */
    EXPECT(x, sum);
#endif
    EXPECT(y, 5 + sum);
    EXPECT(last, 975);
}

/* Loops of any order, by whoever: each iteration once. */
static void loops(void)
{
    static int out[6][N];
    int wrong = 0;
    memset(out, 0, sizeof out);
#pragma omp target map(tofrom : out)
#pragma omp parallel num_threads(3)
    {
#ifdef HAS_LOOPS
#pragma omp loop bind(parallel)
#else
#pragma omp for
#endif
        for (int i = 0; i < N; i++)
            out[0][i]++;
#pragma omp for order(concurrent)
        for (int i = 0; i != N; i++)
            out[1][i]++;
    }
#ifdef HAS_LOOPS
#pragma omp target teams loop num_teams(3) map(tofrom : out)
    for (int i = 0; i < N; i++)
        out[2][i]++;
#pragma omp target parallel loop collapse(2) map(tofrom : out)
    for (int i = 0; i < 10; i++)
        for (int j = 0; j < N / 10; j++)
            out[3][i * (N / 10) + j]++;
#else
    memcpy(out[2], out[1], sizeof out[1]);
    memcpy(out[3], out[1], sizeof out[1]);
#endif
#pragma omp target teams distribute parallel for simd num_teams(2) map(tofrom                      \
                                                                       : out)                      \
    dist_schedule(static, 300) schedule(simd                                                       \
                                        : static, 5)
    for (int i = 0; i < N; i++)
        out[4][i]++;
#pragma omp target parallel map(tofrom : out)
#pragma omp master
#pragma omp taskloop simd num_tasks(7)
    for (int i = 0; i < N; i++)
        out[5][i]++;
    for (int k = 0; k < 6; k++)
        for (int i = 0; i < N; i++)
            wrong += out[k][i] != 1;
    EXPECT(wrong, 0);
}

/* Memory of the device's that stands for the host's. */
static void associated(void)
{
    const int device = omp_get_default_device(), host = omp_get_initial_device();
    int x[16], sum = 0;
    int *there = omp_target_alloc(2 * sizeof x, device);
    for (int i = 0; i < 16; i++)
        x[i] = i;
    EXPECT(omp_target_is_present(x, device), 0);
    EXPECT(omp_target_associate_ptr(x, there, sizeof x, sizeof x, device), 0);
    EXPECT(omp_target_is_present(x, device), 1);
    EXPECT(omp_target_is_present(&x[15], device), 1);
    EXPECT(omp_target_memcpy(there, x, sizeof x, sizeof x, 0, device, host), 0);
#pragma omp target map(tofrom : x) map(from : sum)
    {
        sum = 0;
        for (int i = 0; i < 16; i++)
            sum += x[i]++;
    }
    EXPECT(sum, 120);
    EXPECT(x[15], 15);
#pragma omp target update from(x [8:8])
    EXPECT(x[7], 7);
    EXPECT(x[15], 16);
    EXPECT(omp_target_disassociate_ptr(x, device), 0);
    EXPECT(omp_target_is_present(x, device), 0);
#ifdef HAS_ASYNCHRONOUS_COPIES
    int back[16] = {0};
    omp_depend_t after;
#pragma omp depobj(after) depend(inout : x)
    EXPECT(omp_target_memcpy_async(there, x, sizeof x, 0, 0, device, host, 1, &after), 0);
    EXPECT(omp_target_memcpy_async(back, there, sizeof x, 0, 0, host, device, 1, &after), 0);
#pragma omp taskwait
#pragma omp depobj(after) destroy
    EXPECT(back[15], 16);
#endif
    omp_target_free(there, device);
}

/* What counts, what copies, and what goes at once. */
static void lifetimes(void)
{
    const int device = omp_get_default_device();
    int x[8] = {1, 2, 3, 4, 5, 6, 7, 8}, y = 1, seen = 0;
#pragma omp target enter data map(to : x)
#pragma omp target enter data map(to : x [2:3])
    x[2] = 30;
#pragma omp target map(always, to : x [2:1]) map(from : seen)
    {
        seen = x[2] + x[3];
        x[3] = 40;
    }
    EXPECT(seen, 34);
#pragma omp target exit data map(from : x [2:3])
    EXPECT(x[3], 4);
#pragma omp target exit data map(release : x)
    EXPECT(omp_target_is_present(x, device), 0);
    EXPECT(x[3], 4);
#pragma omp target enter data map(to : x)
#pragma omp target enter data map(alloc : x)
#pragma omp target exit data map(delete : x)
    EXPECT(omp_target_is_present(x, device), 0);
#pragma omp target data map(to : y)
    {
        y = 2;
#pragma omp target map(tofrom : y) map(from : seen)
        seen = y++;
        EXPECT(seen, 1);
        EXPECT(y, 2);
#pragma omp target map(always, from : y)
        y *= 10;
        EXPECT(y, 20);
#pragma omp target firstprivate(y) map(from : seen)
        seen = ++y;
        EXPECT(seen, 21);
        EXPECT(y, 20);
    }
    EXPECT(y, 20);
}

static void limits(void)
{
    int most = 0, in_region = 0, teams = 0, teams_limit = 0, device = -1, host = -1, initial = 1;
#ifdef HAS_LIMITED_TARGET
#pragma omp target thread_limit(2) map(from : most, in_region)
    {
        most = omp_get_thread_limit();
#pragma omp parallel num_threads(4)
#pragma omp single
        in_region = omp_get_num_threads();
    }
    EXPECT(most, 2);
    EXPECT(in_region, 2);
#pragma omp target map(from : most, in_region) /* not the next one's */
    {
        most = omp_get_thread_limit();
#pragma omp parallel num_threads(4)
#pragma omp single
        in_region = omp_get_num_threads();
    }
    EXPECT(most > 2, 1);
    EXPECT(in_region, 4);
#endif
#pragma omp target teams num_teams(3) thread_limit(2) map(tofrom : teams, teams_limit)
    {
        if (omp_get_team_num() == 0) teams = omp_get_num_teams();
#pragma omp parallel num_threads(4)
#pragma omp master
        teams_limit = omp_get_num_threads();
    }
    EXPECT(teams >= 1 && teams <= 3, 1);
    EXPECT(teams_limit >= 1 && teams_limit <= 2, 1);
    int many = 0;
#pragma omp target map(tofrom : many)
#pragma omp teams distribute parallel for num_threads(10000) thread_limit(10000)
    for (int i = 0; i < N; i++)
        if (i == 0) many = omp_get_num_threads();
    EXPECT(many >= 1 && many <= 10000, 1);
#pragma omp target map(from : device, host, initial) device(omp_get_num_devices() - 1)
    {
        device = omp_get_device_num();
        host = omp_get_initial_device();
        initial = omp_is_initial_device();
    }
    EXPECT(initial, 0);
    EXPECT(host, omp_get_initial_device());
    EXPECT(device, omp_get_num_devices() - 1);
#pragma omp target map(from : device, initial) device(omp_get_initial_device())
    {
        device = omp_get_device_num();
        initial = omp_is_initial_device();
    }
    EXPECT(initial, 1);
    EXPECT(device, omp_get_initial_device());
#pragma omp target if (target : 0) map(from : initial)
    initial = omp_is_initial_device();
    EXPECT(initial, 1);
}

/* What is left early, if the program was started with OMP_CANCELLATION: nothing, otherwise. */
static void cancellations(void)
{
    enum { MANY = 100000 };
    const int on = omp_get_cancellation();
    int in_region = -1, fixed = 0, handed_out = 0, after = 0, left = 0, tasks = 0;
#pragma omp target map(tofrom : in_region, fixed, handed_out, after, left, tasks)
    {
        in_region = omp_get_cancellation();
#pragma omp parallel num_threads(4)
        {
#pragma omp for
            for (int i = 0; i < MANY; i++) {
#pragma omp cancel for if (i == 10)
#pragma omp atomic
                fixed++;
#pragma omp cancellation point for
            }
#pragma omp for schedule(dynamic, 10)
            for (int i = 0; i < MANY; i++) {
#pragma omp cancel for if (i == 10)
#pragma omp atomic
                handed_out++;
#pragma omp cancellation point for
            }
#pragma omp for schedule(dynamic, 10)
            for (int i = 0; i < MANY; i++) {
#pragma omp atomic
                after++;
            }
        }
        for (int again = 0; again < 20; again++) {
#pragma omp parallel num_threads(4)
            {
#pragma omp cancel parallel if (omp_get_thread_num() == 0)
                while (omp_get_cancellation()) {
#pragma omp cancellation point parallel
                }
#pragma omp atomic
                left++;
            }
        }
#pragma omp parallel num_threads(4)
#pragma omp single
#pragma omp taskloop reduction(+ : tasks) num_tasks(64)
        for (int i = 0; i < 64; i++) {
#pragma omp cancel taskgroup if (i < 4)
            tasks++;
        }
    }
    EXPECT(in_region, on);
    EXPECT(on ? fixed < MANY : fixed == MANY, 1);
    EXPECT(on ? handed_out < MANY : handed_out == MANY, 1);
    EXPECT(after, MANY);
    EXPECT(left, on ? 0 : 80);
    EXPECT(on ? tasks < 64 : tasks == 64, 1);
}

static const struct test_case cases[] = {
    {"globals", globals},     {"links", links},       {"task_reductions", task_reductions},
    {"doacross", doacross},   {"detached", detached}, {"allocators", allocators},
    {"scans", scans},         {"loops", loops},       {"associated", associated},
    {"lifetimes", lifetimes}, {"limits", limits},     {"cancellations", cancellations},
};

int main(int argc, char **argv)
{
    return run_case(cases, sizeof cases / sizeof *cases, argc, argv);
}
