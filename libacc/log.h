// SPDX-License-Identifier: MIT
//
// Log lines of the library, by spdlog: to stderr, or to the embedder's callback. A file
// names its category once:  static const Log log("queue");
//
// Thread safety: everything may be called from any thread, and in a child after fork.
#pragma once

#include "acc/acc.h"

#include <spdlog/fmt/fmt.h>

#include <string_view>

namespace acc
{

class Log
{
public:
    explicit constexpr Log(const char *category) : category_(category) {}

    template <typename... T>
    void trace(fmt::format_string<T...> format, T &&...args) const
    {
        write(ACC_LOG_TRACE, format, fmt::make_format_args(args...));
    }
    template <typename... T>
    void debug(fmt::format_string<T...> format, T &&...args) const
    {
        write(ACC_LOG_DEBUG, format, fmt::make_format_args(args...));
    }
    template <typename... T>
    void info(fmt::format_string<T...> format, T &&...args) const
    {
        write(ACC_LOG_INFO, format, fmt::make_format_args(args...));
    }
    template <typename... T>
    void warn(fmt::format_string<T...> format, T &&...args) const
    {
        write(ACC_LOG_WARN, format, fmt::make_format_args(args...));
    }
    template <typename... T>
    void error(fmt::format_string<T...> format, T &&...args) const
    {
        write(ACC_LOG_ERROR, format, fmt::make_format_args(args...));
    }
    // A line as it is, of a level chosen at run time.
    void line(acc_log_level level, std::string_view text) const;

private:
    void write(acc_log_level level, fmt::string_view format, fmt::format_args args) const;

    const char *category_;
};

// What acc_set_log() does.
void set_log(acc_log_fn fn, void *user);

} // namespace acc
