/* SPDX-License-Identifier: MIT */
/* What the driver's pure files take from the kernel, in user space. An allocation fails when
 * the test says so (acc_shim_fail). */
#ifndef ACC_SHIM_MM_H
#define ACC_SHIM_MM_H

#include <linux/types.h>
#include <stdlib.h>

#define GFP_KERNEL 0
/* On a little-endian host; sparse sees the kernel's. */
#define cpu_to_le64(x) ((__le64)(x))

extern int acc_shim_fail; /* the next allocation is the last that succeeds at 1; 0: none fails
                           */

static inline void *kvmalloc_array(size_t n, size_t size, int flags)
{
    (void)flags;
    if (acc_shim_fail && !--acc_shim_fail) return NULL;
    return calloc(n, size);
}

static inline void kvfree(const void *memory)
{
    free((void *)memory);
}

#endif
