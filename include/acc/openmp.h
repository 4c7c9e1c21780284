/* SPDX-License-Identifier: MIT */
/*
 * For OpenMP programs that use our devices beside their target regions (docs/openmp.md). Nothing of
 * it is needed for target regions to run on a device.
 *
 * Included in a program that clang compiles, it marks the program's device images as meant for this
 * device: the plugin takes them without being told to take all.
 */
#ifndef ACC_OPENMP_H
#define ACC_OPENMP_H

#include "acc/acc.h"
#include "acc/kernels.h"

#include <errno.h>
#include <omp.h>
#include <stdint.h>
#include <string.h>

#ifdef __cplusplus
extern "C" {
#endif

#ifdef __clang__
#pragma omp declare target
__attribute__((weak, used, section("acc_openmp"))) char acc_openmp_mark = 1;
#pragma omp end declare target
#endif

/* For acc_signal_on(): fulfills the event that is its `user`, whatever became of the signal. */
static inline void acc_omp_fulfill_now(void *event, acc_signal *signal, int64_t observed, int error)
{
	(void)signal;
	(void)observed;
	(void)error;
	omp_fulfill_event((omp_event_handle_t)(uintptr_t)event);
}

/*
 * Lets a task of `#pragma omp task detach(event)` end when `signal` is 0, or never will be: the
 * completion of a dispatch, so that tasks that depend on this one wait for it while no thread does.
 * How the dispatch ended is in acc_signal_get_result() of the signal, which the caller keeps until
 * the task has ended. 0; -EINVAL, -ENOMEM: the event stays as it is.
 *
 * Threads: any; the event is fulfilled on one of libacc's.
 */
static inline int acc_omp_fulfill(acc_signal *signal, omp_event_handle_t event)
{
	return acc_signal_on(signal, ACC_COND_EQ, 0, acc_omp_fulfill_now, (void *)(uintptr_t)event);
}

/* A kernel of a loaded program, for any number of threads. The caller owns all of it. */
struct acc_omp_kernel {
	acc_device *device;
	acc_queue *queue; /* without ACC_QUEUE_SINGLE_PRODUCER if several threads call */
	uint64_t kernel_object;
};

/* Dispatches it with these arguments (acc/kernels.h), which are copied; `signal` becomes 1 and
 * counts down to 0 at its end. 0; errors as of acc_queue_dispatch(). */
static inline int acc_omp_dispatch(const struct acc_omp_kernel *kernel, const void *arguments,
				   size_t bytes, acc_signal *signal)
{
	struct acc_dispatch dispatch = ACC_INIT(acc_dispatch);

	dispatch.kernel_object = kernel->kernel_object;
	dispatch.kernargs = arguments;
	dispatch.kernarg_bytes = (uint32_t)bytes;
	dispatch.completion = signal;
	acc_signal_reset(signal, 1);
	return acc_queue_dispatch(kernel->queue, &dispatch);
}

/* The same, and waits for its end: a function that an OpenMP loop calls. Blocks its thread. 0;
 * -EIO: the kernel failed, or the device did; -ENOMEM; others as of acc_queue_dispatch(). */
static inline int acc_omp_call(const struct acc_omp_kernel *kernel, const void *arguments,
			       size_t bytes)
{
	struct acc_signal_result result = ACC_INIT(acc_signal_result);
	acc_device *const devices[] = {kernel->device};
	acc_signal *signal = NULL;
	int error = acc_signal_create(devices, 1, 1, &signal);

	if (error < 0)
		return error;
	error = acc_omp_dispatch(kernel, arguments, bytes, signal);
	if (error >= 0)
		error = acc_signal_wait(signal, ACC_COND_EQ, 0, ACC_FOREVER, NULL);
	if (error >= 0)
		error = acc_signal_get_result(signal, &result);
	if (error >= 0 && result.status != ACC_STATUS_OK)
		error = -EIO;
	(void)acc_signal_destroy(signal);
	return error < 0 ? error : 0;
}

/* The same, for the task of `event`: returns at once, and the task ends with the kernel.
 * `signal` is the caller's, for this one alone until then. On an error the task goes on and the
 * event is the caller's to fulfill. */
static inline int acc_omp_start(const struct acc_omp_kernel *kernel, const void *arguments,
				size_t bytes, acc_signal *signal, omp_event_handle_t event)
{
	const int error = acc_omp_dispatch(kernel, arguments, bytes, signal);

	return error < 0 ? error : acc_omp_fulfill(signal, event);
}

/* Of a crossbar's matrix W[rows][cols]: out[v][n] = sum over k of in[v][k] * W[k][n], as
 * struct acc_mvm_args has it. `in` and `out` are in buffers of the device's. */
static inline struct acc_mvm_args acc_omp_mvm(const void *in, void *out, uint64_t vectors,
					      uint64_t rows, uint64_t cols)
{
	struct acc_mvm_args args;

	memset(&args, 0, sizeof args);
	args.input = (uintptr_t)in;
	args.output = (uintptr_t)out;
	args.vectors = vectors;
	args.input_stride = rows;
	args.output_stride = cols;
	return args;
}

/*
 * In front of a function: where `condition`, a constant expression, is true, calls of it are calls
 *of `variant`, which has its type: one loop for a host and for a device.
 *
 *	ACC_OMP_VARIANT(product_on_crossbar, USE_CROSSBAR)
 *	void product(const int8_t *in, int32_t *out);
 */
#define ACC_OMP_PRAGMA(text) _Pragma(#text)
#define ACC_OMP_VARIANT(function, is_wanted)                                                       \
	ACC_OMP_PRAGMA(omp declare variant(function) match(user = {condition(is_wanted)}))

#ifdef __cplusplus
}
#endif

#endif /* ACC_OPENMP_H */
