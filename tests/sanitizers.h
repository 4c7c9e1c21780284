// SPDX-License-Identifier: MIT
//
// What the sanitizers can't do, for tests to skip or to allow for.
#pragma once

#include "common/sanitizers.h"

namespace acc::test
{

// TSan ends a child that starts threads where its parent had some.
constexpr bool children_may_start_threads = !has_thread_sanitizer;
// Nor do its locks, and those of ASan's allocator, survive a fork beside other threads.
constexpr bool children_may_allocate = !has_thread_sanitizer && !has_address_sanitizer;
// TSan maps what it notes of threads and locks, when it likes.
constexpr bool mappings_are_the_programs = !has_thread_sanitizer;

} // namespace acc::test
