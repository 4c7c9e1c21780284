// SPDX-License-Identifier: MIT
//
// Which sanitizers a source is compiled with; gcc and clang say it in ways of their own.
#pragma once

#ifndef __has_feature
#define __has_feature(x) 0
#endif

namespace acc
{

#if defined(__SANITIZE_ADDRESS__) || __has_feature(address_sanitizer)
constexpr bool has_address_sanitizer = true;
#else
constexpr bool has_address_sanitizer = false;
#endif

#if defined(__SANITIZE_THREAD__) || __has_feature(thread_sanitizer)
constexpr bool has_thread_sanitizer = true;
#else
constexpr bool has_thread_sanitizer = false;
#endif

} // namespace acc
