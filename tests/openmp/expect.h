/* SPDX-License-Identifier: MIT */
/* What test programs check with: a wrong value is printed, and counted. */
#ifndef ACC_TEST_OPENMP_EXPECT_H
#define ACC_TEST_OPENMP_EXPECT_H

#include <stdio.h>
#include <string.h>

static int failures;

#define EXPECT(what, expected)                                                                     \
    do {                                                                                           \
        const long long found_ = (long long)(what), expected_ = (long long)(expected);             \
        if (found_ != expected_) {                                                                 \
            printf("%s:%d: %s: expected %lld; found %lld\n", __func__, __LINE__, #what, expected_, \
                   found_);                                                                        \
            failures++;                                                                            \
        }                                                                                          \
    } while (0)

struct test_case {
    const char *name;
    void (*run)(void);
};

/* Those that the command line names, one after the other; or "all". */
static int run_case(const struct test_case *cases, size_t count, int argc, char **argv)
{
    int known = 0;
    for (int one = 1; one < argc; one++) {
        const int all = strcmp(argv[one], "all") == 0;
        for (size_t i = 0; i < count; i++) {
            if (!all && strcmp(argv[one], cases[i].name) != 0) continue;
            const int before = failures;
            cases[i].run();
            if (failures == before) printf("done %s\n", cases[i].name);
            known++;
        }
    }
    if (known >= argc - 1 && known) return failures != 0;
    fprintf(stderr, "usage: %s CASE...\n", argv[0]);
    return 2;
}

#endif
