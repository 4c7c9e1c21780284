// SPDX-License-Identifier: MIT
//
// For tests in which a role runs in a process of its own.
#pragma once

#include "common/sanitizers.h"

#include <gtest/gtest.h>

#define NEEDS_REGION_PROCESS()                                                                     \
    if (::acc::has_address_sanitizer || ::acc::has_thread_sanitizer)                               \
    GTEST_SKIP() << "the filter of a region's process leaves no sanitizer the calls it makes"
