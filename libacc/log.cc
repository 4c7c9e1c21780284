// SPDX-License-Identifier: MIT
#include "libacc/log.h"

#include <spdlog/logger.h>
#include <spdlog/pattern_formatter.h>
#include <spdlog/sinks/sink.h>

#include <pthread.h>

#include <cstdio>
#include <cstdlib>
#include <memory>
#include <mutex>
#include <new>
#include <string>

namespace acc
{
namespace
{

constexpr spdlog::level::level_enum to_spdlog(acc_log_level level)
{
    switch (level) {
    case ACC_LOG_TRACE:
        return spdlog::level::trace;
    case ACC_LOG_DEBUG:
        return spdlog::level::debug;
    case ACC_LOG_INFO:
        return spdlog::level::info;
    case ACC_LOG_WARN:
        return spdlog::level::warn;
    default:
        return spdlog::level::err;
    }
}

constexpr acc_log_level from_spdlog(spdlog::level::level_enum level)
{
    return level <= spdlog::level::err ? acc_log_level(level) : ACC_LOG_ERROR;
}
static_assert(from_spdlog(spdlog::level::warn) == ACC_LOG_WARN &&
              from_spdlog(spdlog::level::trace) == ACC_LOG_TRACE);

// A fork takes it over in a known state: a child may log whatever the parent's other threads
// were doing. Never destroyed: threads may log while the process exits.
constinit std::mutex sink_mutex;

// When the library is loaded: registered first, locked last, so that it may be taken under any
// lock of whoever watches forks as well.
[[gnu::constructor]] void watch_forks_of_log()
{
    pthread_atfork([] { sink_mutex.lock(); }, [] { sink_mutex.unlock(); },
                   [] { sink_mutex.unlock(); });
}

class Sink final : public spdlog::sinks::sink
{
public:
    Sink() : formatter_(std::make_unique<spdlog::pattern_formatter>("acc %L [%n] %v")) {}

    void log(const spdlog::details::log_msg &message) override
    {
        std::lock_guard lock(sink_mutex);
        spdlog::memory_buf_t text;
        formatter_->format(message, text);
        if (fn_) {
            while (text.size() && (text[text.size() - 1] == '\n' || text[text.size() - 1] == '\r'))
                text.resize(text.size() - 1);
            text.push_back('\0');
            fn_(user_, from_spdlog(message.level), text.data());
        } else {
            std::fwrite(text.data(), 1, text.size(), stderr);
        }
    }
    void flush() override {}
    void set_pattern(const std::string &) override {}
    void set_formatter(std::unique_ptr<spdlog::formatter>) override {}

    void redirect(acc_log_fn fn, void *user)
    {
        std::lock_guard lock(sink_mutex);
        fn_ = fn;
        user_ = user;
    }

private:
    std::unique_ptr<spdlog::formatter> formatter_;
    acc_log_fn fn_ = nullptr;
    void *user_ = nullptr;
};

struct Output {
    std::shared_ptr<Sink> sink;
    spdlog::level::level_enum level = spdlog::level::warn;
};

void emit(const Output &out, const char *category, acc_log_level level, std::string_view text)
{
    // A logger is a name and a list of sinks: cheap where lines are rare.
    spdlog::logger logger(category, out.sink);
    logger.set_level(out.level);
    logger.log(to_spdlog(level), spdlog::string_view_t(text.data(), text.size()));
}

// Never destroyed: threads may log while the process exits. Null without memory.
Output *output()
{
    static Output *const instance = [] {
        Output *made = nullptr;
        try {
            made = new Output;
            made->sink = std::make_shared<Sink>();
            if (const char *wanted = std::getenv("ACC_LOG"); wanted && *wanted) {
                const auto level = spdlog::level::from_str(wanted);
                if (level != spdlog::level::off || std::string_view(wanted) == "off")
                    made->level = level;
                else
                    emit(*made, "log", ACC_LOG_WARN,
                         std::string("expected ACC_LOG to be trace, debug, info, warn, error or "
                                     "off; found '") +
                             wanted + "'");
            }
        } catch (const std::exception &) {
            delete made;
            return static_cast<Output *>(nullptr);
        }
        return made;
    }();
    return instance;
}

} // namespace

void Log::line(acc_log_level level, std::string_view text) const
{
    Output *out = output();
    if (!out) return;
    try {
        if (to_spdlog(level) >= out->level) emit(*out, category_, level, text);
    } catch (const std::exception &) {
        // A line that there is no memory for is lost; what it tells of goes on.
    }
}

void Log::write(acc_log_level level, fmt::string_view format, fmt::format_args args) const
{
    Output *out = output();
    if (!out || to_spdlog(level) < out->level) return;
    try {
        line(level, fmt::vformat(format, args));
    } catch (const std::exception &) {
        line(level, std::string_view(format.data(), format.size()));
    }
}

void set_log(acc_log_fn fn, void *user)
{
    if (Output *out = output()) out->sink->redirect(fn, user);
}

} // namespace acc
