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

#include <omp.h>
#include <stdint.h>

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

#ifdef __cplusplus
}
#endif

#endif /* ACC_OPENMP_H */
