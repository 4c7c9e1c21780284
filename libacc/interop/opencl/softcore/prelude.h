/* SPDX-License-Identifier: MIT */
/* Included before every OpenCL C source, behind clang's and PoCL's own headers. The function is
 * written beside the thunks (thunks.cc), where the compiler sees how small ids are. */
#undef get_global_id
size_t acc_cl_get_global_id(uint dimension);
#define get_global_id acc_cl_get_global_id
/* clang's header needs images to be read with OpenCL C 3.0; the devices have none. */
#undef __opencl_c_images
#undef __IMAGE_SUPPORT__
