/* SPDX-License-Identifier: MIT */
/*
 * OpenMP loops and tasks that call a crossbar: `crossbar FILE` expects of gemm.accx what the host
 * computes. With USE_CROSSBAR=0 the same loop runs on the host.
 */
#include "examples/gemm.h"

#include "acc/openmp.h"

#include <stdio.h>
#include <stdlib.h>

enum { M = 24 };

static struct acc_omp_kernel kernel;
static int on_crossbar, errors;

void product_on_crossbar(const int8_t *in, int32_t *out)
{
    const struct acc_mvm_args arguments = acc_omp_mvm(in, out, 1, GEMM_K, GEMM_N);
    if (acc_omp_call(&kernel, &arguments, sizeof arguments)) {
#pragma omp atomic
        errors++;
    }
#pragma omp atomic
    on_crossbar++;
}

ACC_OMP_VARIANT(product_on_crossbar, USE_CROSSBAR)
void product(const int8_t *in, int32_t *out)
{
    for (uint32_t n = 0; n < GEMM_N; n++) {
        out[n] = 0;
        for (uint32_t k = 0; k < GEMM_K; k++)
            out[n] += in[k] * gemm_weight(k, n);
    }
}

static void failed(const char *what)
{
    fprintf(stderr, "crossbar: %s: %s\n", what, acc_error_text());
    exit(1);
}

static unsigned wrong(const int8_t *in, const int32_t *out)
{
    unsigned count = 0;
    for (uint32_t i = 0; i < M * GEMM_N; i++) {
        int32_t sum = 0;
        for (uint32_t k = 0; k < GEMM_K; k++)
            sum += in[i / GEMM_N * GEMM_K + k] * gemm_weight(k, i % GEMM_N);
        count += out[i] != sum;
    }
    return count;
}

int main(int argc, char **argv)
{
    acc_program *program = NULL;
    acc_buffer *given = NULL, *got = NULL;
    acc_signal *signals[M];
    struct acc_kernel_info info = ACC_INIT(acc_kernel_info);
    if (argc != 2 || acc_device_open("crossbar", NULL, &kernel.device) < 0 ||
        acc_program_load_file(kernel.device, argv[1], &program) < 0 ||
        acc_program_find(program, "gemm", &info) < 0 ||
        acc_buffer_create(kernel.device, M * GEMM_K, NULL, &given) < 0 ||
        acc_buffer_create(kernel.device, sizeof(int32_t) * M * GEMM_N, NULL, &got) < 0 ||
        acc_queue_create(kernel.device, NULL, &kernel.queue) < 0)
        failed("a device");
    kernel.kernel_object = info.kernel_object;
    int8_t *const in = acc_buffer_data(given);
    int32_t *const out = acc_buffer_data(got);
    for (uint32_t i = 0; i < M * GEMM_K; i++)
        in[i] = (int8_t)(i * 2654435761u >> 24);

#pragma omp parallel for num_threads(3) schedule(dynamic)
    for (int m = 0; m < M; m++)
        product(in + m * GEMM_K, out + m * GEMM_N);
    printf("loop: %u wrong, %d of %d products on the crossbar, %d errors\n", wrong(in, out),
           on_crossbar, M, errors);

    /* Tasks that end when the device says so, and tasks that wait for those. */
    int64_t sums[M] = {0}, total = 0, expected = 0;
    memset(out, 0, sizeof(int32_t) * M * GEMM_N);
    for (int m = 0; m < M; m++)
        if (acc_signal_create(&kernel.device, 1, 1, &signals[m]) < 0) failed("a signal");
#pragma omp parallel num_threads(2)
#pragma omp single
    for (int m = 0; m < M; m++) {
        omp_event_handle_t event;
        int32_t *const row = out + m * GEMM_N;
#pragma omp task detach(event) depend(out                                                          \
                                      : row[0]) firstprivate(m, row)                               \
    shared(kernel, signals, errors)
        {
            const struct acc_mvm_args arguments =
                acc_omp_mvm(in + m * GEMM_K, row, 1, GEMM_K, GEMM_N);
            if (acc_omp_start(&kernel, &arguments, sizeof arguments, signals[m], event)) {
#pragma omp atomic
                errors++;
                omp_fulfill_event(event);
            }
        }
#pragma omp task depend(in : row[0]) firstprivate(m, row) shared(sums)
        for (uint32_t n = 0; n < GEMM_N; n++)
            sums[m] += row[n];
    }
    for (int m = 0; m < M; m++) {
        total += sums[m];
        for (uint32_t n = 0; n < GEMM_N; n++)
            expected += out[m * GEMM_N + n];
    }
    printf("tasks: %u wrong, sums %s, %d errors\n", wrong(in, out),
           total == expected ? "right" : "wrong", errors);

    for (int m = 0; m < M; m++)
        (void)acc_signal_destroy(signals[m]);
    (void)acc_queue_destroy(kernel.queue);
    (void)acc_buffer_destroy(got);
    (void)acc_buffer_destroy(given);
    (void)acc_program_unload(program);
    (void)acc_device_close(kernel.device);
    return 0;
}
