/* SPDX-License-Identifier: MIT */
/* A shared library with a target region, and a constructor that no region may run. */
#include "library.h"

#include <stdlib.h>
#include <unistd.h>

#pragma omp declare target
static int constructed;
#pragma omp end declare target

__attribute__((constructor)) static void construct(void)
{
    constructed = (int)getpid();
}

/* In a region that of its own copy: one that a region names itself would be a copy of the host's.
 */
#pragma omp declare target
static __attribute__((noinline)) int was_constructed(void)
{
    return constructed;
}
#pragma omp end declare target

void library_scale(int *values, int count, int factor)
{
    int ran = 1;
#pragma omp target teams distribute parallel for map(tofrom : values [0:count]) map(from : ran)
    for (int i = 0; i < count; i++) {
        values[i] *= factor;
        ran = was_constructed();
    }
    if (ran || !constructed) abort();
}

int library_only(int x)
{
    return x + constructed;
}
