/* SPDX-License-Identifier: MIT */
/*
 * Makes program images (.accx, acc/program.h) without the compiler: for runtimes that are built
 * on libacc and get their kernels from elsewhere.
 *
 * All return 0 and an image that acc_program_load() takes, which the caller ends with
 * acc_image_free(); or -EINVAL for what no reader would take, with a text that says what was
 * expected and what was found, -ENOMEM. The same calls give the same bytes. Thread-safe.
 */
#ifndef ACC_IMAGE_H
#define ACC_IMAGE_H

#include "acc/acc.h"

#ifdef __cplusplus
extern "C" {
#endif

/* A kernel for each role of the FPGA's behavioural library (acc/kernels.h), of its name. */
ACC_API int acc_image_of_roles(const char *const *roles, size_t count, void **image,
			       size_t *bytes) ACC_MUST_CHECK;

/* A matrix of a crossbar: struct acc_xbar_matrix, with the same meaning. */
struct acc_image_matrix {
	size_t size;
	const char *name; /* of the kernel, at most 47 bytes */
	uint32_t rows;	  /* inputs */
	uint32_t cols;	  /* outputs */
	uint32_t weight_bits, input_bits, output_bytes;
	uint32_t input_signed;
	/* [rows][cols], two's complement of weight_bits; int8 up to 8 bits, int16 above */
	const void *weights;
};
ACC_API int acc_image_of_matrix(const struct acc_image_matrix *matrix, void **image,
				size_t *bytes) ACC_MUST_CHECK;

struct acc_image_kernel {
	const char *name; /* at most 47 bytes, as the role's */
	const char *role; /* of the library in the object; NULL: the name */
	uint32_t kernarg_bytes, group_bytes, private_bytes;
	uint32_t reserved;
};

/* Compiled code for the FPGA's soft cores: a shared object with the symbol of acc/role.h.
 * Arguments become registers one after the other, from 0x10 on. */
struct acc_image_code {
	size_t size;
	const char *name; /* of the unit */
	const void *object;
	size_t object_bytes;
	const struct acc_image_kernel *kernels;
	uint32_t kernel_count;
	uint32_t luts; /* of a region */
};
ACC_API int acc_image_of_code(const struct acc_image_code *code, void **image,
			      size_t *bytes) ACC_MUST_CHECK;

/* NULL is nothing. */
ACC_API void acc_image_free(void *image);

#ifdef __cplusplus
}
#endif

#endif /* ACC_IMAGE_H */
