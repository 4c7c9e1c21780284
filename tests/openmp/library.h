/* SPDX-License-Identifier: MIT */
#ifndef ACC_TESTS_OPENMP_LIBRARY_H
#define ACC_TESTS_OPENMP_LIBRARY_H

/* Multiplies in a target region of the library's own. */
void library_scale(int *values, int count, int factor);
/* No region has it. */
int library_only(int x);

#endif
