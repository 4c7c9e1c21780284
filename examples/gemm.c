/* SPDX-License-Identifier: MIT */
/*
 * C = A × B on a crossbar, in plain C against the installed library:
 *
 *     cc gemm.c $(pkg-config --cflags --libs acc) -o gemm && ./gemm gemm.accx
 *
 * B is what the program file has programmed into the crossbar's cells; the rows of A are
 * vectors that one dispatch sends through it. The host computes the same product in
 * integers: every element must be equal.
 */
#include <acc/acc.h>
#include <acc/kernels.h>

#include "gemm.h"

#include <stdio.h>
#include <stdlib.h>

enum { M = 64 };

static int check(const int8_t *a, const int32_t *c)
{
    for (uint32_t m = 0; m < M; m++) {
        for (uint32_t n = 0; n < GEMM_N; n++) {
            int32_t sum = 0;

            for (uint32_t k = 0; k < GEMM_K; k++)
                sum += a[m * GEMM_K + k] * gemm_weight(k, n);
            if (c[m * GEMM_N + n] != sum) {
                fprintf(stderr, "gemm: C[%u][%u]: expected %d; found %d\n", m, n, sum,
                        c[m * GEMM_N + n]);
                return 1;
            }
        }
    }
    return 0;
}

static int failed(const char *what)
{
    fprintf(stderr, "gemm: %s: %s\n", what, acc_error_text());
    return 1;
}

/* Everything that is alive during the run, ended in reverse order by main(). */
struct objects {
    acc_device *device;
    acc_program *program;
    acc_buffer *a, *c;
    acc_signal *done;
    acc_queue *queue;
};

static int run(struct objects *o, const char *uri, const char *path)
{
    if (acc_device_open(uri, NULL, &o->device) < 0) return failed(uri);
    if (acc_program_load_file(o->device, path, &o->program) < 0) return failed(path);

    struct acc_kernel_info kernel = ACC_INIT(acc_kernel_info);
    if (acc_program_find(o->program, "gemm", &kernel) < 0) return failed(path);
    if (acc_buffer_create(o->device, M * GEMM_K, NULL, &o->a) < 0 ||
        acc_buffer_create(o->device, sizeof(int32_t) * M * GEMM_N, NULL, &o->c) < 0 ||
        acc_signal_create(&o->device, 1, 1, &o->done) < 0 ||
        acc_queue_create(o->device, NULL, &o->queue) < 0)
        return failed(uri);

    /* Buffers have one address on the host and on the device. */
    int8_t *a = acc_buffer_data(o->a);
    for (uint32_t i = 0; i < M * GEMM_K; i++)
        a[i] = (int8_t)(i * 2654435761u >> 24);
    struct acc_mvm_args args = {
        .input = (uintptr_t)a,
        .output = (uintptr_t)acc_buffer_data(o->c),
        .vectors = M,
        .input_stride = GEMM_K,
        .output_stride = GEMM_N,
    };
    struct acc_dispatch dispatch = ACC_INIT(acc_dispatch);
    dispatch.kernel_object = kernel.kernel_object;
    dispatch.kernargs = &args;
    dispatch.kernarg_bytes = sizeof(args);
    dispatch.completion = o->done;
    if (acc_queue_dispatch(o->queue, &dispatch) < 0 ||
        acc_signal_wait(o->done, ACC_COND_EQ, 0, ACC_FOREVER, NULL) < 0)
        return failed("dispatch");

    struct acc_signal_result result = ACC_INIT(acc_signal_result);
    if (acc_signal_get_result(o->done, &result) < 0) return failed("result");
    if (result.status != ACC_STATUS_OK) {
        struct acc_fault_info fault = ACC_INIT(acc_fault_info);

        (void)acc_device_get_fault(o->device, 0, &fault);
        fprintf(stderr, "gemm: %s: %s\n", acc_status_name(result.status), fault.text);
        return 1;
    }
    if (check(a, acc_buffer_data(o->c))) return 1;
    printf("%d x %d x %d on %s: equal to the host's; %.1f us, modelled %.2f uJ\n", M, GEMM_K,
           GEMM_N, acc_device_uri(o->device), (result.end_ns - result.start_ns) / 1e3,
           result.energy_pj / 1e6);
    return 0;
}

int main(int argc, char **argv)
{
    struct objects o = {0};

    if (argc < 2 || argc > 3) {
        fprintf(stderr, "usage: gemm gemm.accx [URI]\n");
        return 2;
    }
    int status = run(&o, argc == 3 ? argv[2] : "crossbar", argv[1]);

    if (o.queue) acc_queue_destroy(o.queue);
    if (o.done) acc_signal_destroy(o.done);
    if (o.c) acc_buffer_destroy(o.c);
    if (o.a) acc_buffer_destroy(o.a);
    if (o.program) acc_program_unload(o.program);
    if (o.device) acc_device_close(o.device);
    return status;
}
