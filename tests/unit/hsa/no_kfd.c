/* SPDX-License-Identifier: MIT */
/*
 * For rocminfo_test.py: rocminfo looks for AMD's kernel driver itself, before it asks the
 * runtime. Preloaded, this shows it one: /dev/kfd opens as /dev/null does.
 */
#define _GNU_SOURCE
#undef _FILE_OFFSET_BITS /* 64 would make open() open64() */
#include <dlfcn.h>
#include <fcntl.h>
#include <stdarg.h>
#include <string.h>

typedef int (*open_fn)(const char *, int, ...);

static int open_as(const char *real, const char *path, int flags, int mode)
{
    open_fn next;

    /* dlsym() gives an object pointer; this is POSIX's way to make it a function's. */
    *(void **)&next = dlsym(RTLD_NEXT, real);
    return next(strcmp(path, "/dev/kfd") ? path : "/dev/null", flags, mode);
}

int open(const char *path, int flags, ...)
{
    va_list rest;
    int mode;

    va_start(rest, flags);
    mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(rest, int) : 0;
    va_end(rest);
    return open_as("open", path, flags, mode);
}
