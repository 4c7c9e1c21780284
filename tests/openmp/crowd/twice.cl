/* SPDX-License-Identifier: MIT */
/* The kernel in OpenCL C of the crowd's OpenCL program where there is no compiler. */
__kernel void twice(__global const float *a, __global float *b)
{
    const int i = get_global_id(0);
    b[i] = 2 * a[i];
}
