// SPDX-License-Identifier: MIT
//
// Functions of ROCm's runtime that a program may link and that we don't have: images,
// HSAIL, and host memory that devices would fault in. Their arguments don't matter, so
// that hsa.h is not included: it would want them all declared.
#include "refusals.h"

using acc::hsa::refuse;

extern "C" {

#define REFUSED(name)                                                                              \
    int name()                                                                                     \
    {                                                                                              \
        return refuse(#name);                                                                      \
    }

REFUSED(hsa_amd_image_create)
REFUSED(hsa_amd_image_get_info_max_dim)
REFUSED(hsa_amd_svm_attributes_get)
REFUSED(hsa_amd_svm_attributes_set)
REFUSED(hsa_amd_svm_prefetch_async)
REFUSED(hsa_ext_image_clear)
REFUSED(hsa_ext_image_copy)
REFUSED(hsa_ext_image_create)
REFUSED(hsa_ext_image_create_with_layout)
REFUSED(hsa_ext_image_data_get_info)
REFUSED(hsa_ext_image_data_get_info_with_layout)
REFUSED(hsa_ext_image_destroy)
REFUSED(hsa_ext_image_export)
REFUSED(hsa_ext_image_get_capability)
REFUSED(hsa_ext_image_get_capability_with_layout)
REFUSED(hsa_ext_image_import)
REFUSED(hsa_ext_program_add_module)
REFUSED(hsa_ext_program_create)
REFUSED(hsa_ext_program_destroy)
REFUSED(hsa_ext_program_finalize)
REFUSED(hsa_ext_program_get_info)
REFUSED(hsa_ext_program_iterate_modules)
REFUSED(hsa_ext_sampler_create)
REFUSED(hsa_ext_sampler_destroy)

} // extern "C"
