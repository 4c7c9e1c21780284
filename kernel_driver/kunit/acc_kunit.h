/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef ACC_KUNIT_H
#define ACC_KUNIT_H

#include <kunit/test.h>

extern struct kunit_suite acc_kunit_bindings;
extern struct kunit_suite acc_kunit_extents;
extern struct kunit_suite acc_kunit_rings;
extern struct kunit_suite acc_kunit_admin;
extern struct kunit_suite acc_kunit_wait;

#endif
