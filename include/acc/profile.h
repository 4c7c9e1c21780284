/* SPDX-License-Identifier: MIT */
/*
 * What each step of a network takes, as its device measured it: beside what the compiler
 * predicted, which is in the .accx file's report (accctl run --layers shows both).
 *
 * Errors are -errno, with acc_error_text(), as in acc/acc.h. All calls from any thread.
 */
#ifndef ACC_PROFILE_H
#define ACC_PROFILE_H

#include "acc/acc.h"

#ifdef __cplusplus
extern "C" {
#endif

/*
 * From now on (on: 1) each step of the network has a signal of its own, which costs a little time,
 * and what it took is added up; sums begin at 0. Or no more (on: 0). Waits for a run that goes on.
 * -EINVAL: `on` is neither.
 */
ACC_API int acc_model_profile(acc_model *model, uint32_t on) ACC_MUST_CHECK;

struct acc_model_step_times {
	size_t size;
	uint32_t target; /* enum acc_target of acc/program.h */
	uint32_t reserved;
	uint64_t runs;
	uint64_t busy_ns;     /* real time from its start to its end, of all runs */
	uint64_t modelled_ns; /* on the model's clock, from when it could begin; 0 on the host.
				 The first run after something else was loaded has its loading in it */
	uint64_t energy_pj;   /* modelled; without loading */
	char name[64];	      /* the node of the model that it comes from */
	char kernel[64];
};
/* Of a network that is being measured, in the order of its plan. -ENOENT: past the last.
 * -EINVAL: acc_model_profile() was not called. */
ACC_API int acc_model_get_step_times(const acc_model *model, uint32_t index,
			       struct acc_model_step_times *step);

#ifdef __cplusplus
}
#endif

#endif /* ACC_PROFILE_H */
