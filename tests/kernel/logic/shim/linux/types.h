/* SPDX-License-Identifier: MIT */
#ifndef ACC_SHIM_TYPES_H
#define ACC_SHIM_TYPES_H

#include_next <linux/types.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef __u16 u16;
typedef __u32 u32;
typedef __u64 u64;
typedef __s32 s32;

#endif
