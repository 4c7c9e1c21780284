// SPDX-License-Identifier: MIT
//
// What the sanitizers can't do, for tests to skip or to allow for.
#pragma once

#ifndef __has_feature
#define __has_feature(x) 0
#endif

namespace acc::test
{

// TSan ends a child that starts threads where its parent had some.
#if defined(__SANITIZE_THREAD__) || __has_feature(thread_sanitizer)
constexpr bool children_may_start_threads = false;
#else
constexpr bool children_may_start_threads = true;
#endif

} // namespace acc::test
