// SPDX-License-Identifier: MIT
#include "libacc/error.h"

#include "libacc/log.h"

#include <cstring>

namespace acc
{
namespace
{

constexpr Log error_log("error");

// A fixed buffer: an error must have a text when there is no memory, too.
constexpr size_t text_bytes = 512;
thread_local char text[text_bytes] = "no error";

} // namespace

const char *error_text()
{
    return text;
}

const char *errno_text(int code)
{
    const char *name = strerrordesc_np(code < 0 ? -code : code);
    return name ? name : "unknown error";
}

Error fail_text(int code, std::string_view what)
{
    const size_t bytes = what.size() < text_bytes ? what.size() : text_bytes - 1;
    std::memmove(text, what.data(), bytes);
    text[bytes] = '\0';
    error_log.debug("{}: {}", errno_text(code), text);
    return Error{code};
}

Error fail_format(int code, fmt::string_view format, fmt::format_args args)
{
    char buffer[text_bytes];
    size_t bytes = 0;
    try {
        const auto end = fmt::vformat_to_n(buffer, sizeof buffer, format, args);
        bytes = end.size < sizeof buffer ? end.size : sizeof buffer;
    } catch (const std::exception &) {
        return fail_text(code, errno_text(code));
    }
    return fail_text(code, {buffer, bytes});
}

} // namespace acc
