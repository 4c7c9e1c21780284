// SPDX-License-Identifier: MIT
//
// Where errors are born: the text that acc_error_text() gives, and the code.
#pragma once

#include "common/result.h"

#include <spdlog/fmt/fmt.h>

#include <string_view>

namespace acc
{

// This thread's text of its last error; never null.
const char *error_text();

// Sets this thread's text and logs it at level debug. `code` < 0.
Error fail_text(int code, std::string_view text);
Error fail_format(int code, fmt::string_view format, fmt::format_args args);

// The text says what was expected and what was found.
template <typename... T>
Error fail(int code, fmt::format_string<T...> format, T &&...args)
{
    return fail_format(code, format, fmt::make_format_args(args...));
}

// "Device or resource busy" of -EBUSY.
const char *errno_text(int code);

} // namespace acc
