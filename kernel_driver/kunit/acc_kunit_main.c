// SPDX-License-Identifier: GPL-2.0-only
#include <linux/module.h>

#include "acc_kunit.h"

static struct kunit_suite *acc_kunit_suites[] = {
	&acc_kunit_bindings, &acc_kunit_extents, &acc_kunit_rings, &acc_kunit_admin,
	&acc_kunit_wait,
};

/*
 * Not kunit_test_suites(): a kernel without CONFIG_KUNIT has no place in struct module
 * for it.
 */
static int __init acc_kunit_init(void)
{
	return __kunit_test_suites_init(acc_kunit_suites, ARRAY_SIZE(acc_kunit_suites));
}
module_init(acc_kunit_init);

static void __exit acc_kunit_exit(void)
{
	__kunit_test_suites_exit(acc_kunit_suites, ARRAY_SIZE(acc_kunit_suites));
}
module_exit(acc_kunit_exit);

MODULE_DESCRIPTION("KUnit suites of the acc driver");
MODULE_LICENSE("GPL");
