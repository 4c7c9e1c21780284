// SPDX-License-Identifier: MIT
//
// How much of a long test is worth it. Under a sanitizer, which makes each step ten times as long
// and watches how memory is used rather than what comes out, a tenth finds the same.
#pragma once

#include "common/sanitizers.h"

namespace acc
{

constexpr bool sanitized = has_address_sanitizer || has_thread_sanitizer;

// Of `whole` repetitions (at least 10) those that this build makes.
constexpr unsigned effort(unsigned whole)
{
    return sanitized ? whole / 10 : whole;
}

} // namespace acc
