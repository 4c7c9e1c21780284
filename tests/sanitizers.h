// SPDX-License-Identifier: MIT
//
// What the sanitizers can't do, for tests to skip or to allow for.
#pragma once

#ifndef __has_feature
#define __has_feature(x) 0
#endif

namespace acc::test
{

#if defined(__SANITIZE_THREAD__) || __has_feature(thread_sanitizer)
constexpr bool thread_sanitizer = true;
#else
constexpr bool thread_sanitizer = false;
#endif

// TSan ends a child that starts threads where its parent had some.
constexpr bool children_may_start_threads = !thread_sanitizer;
// TSan maps what it notes of threads and locks, when it likes.
constexpr bool mappings_are_the_programs = !thread_sanitizer;

} // namespace acc::test
