// SPDX-License-Identifier: MIT
#include "emulator/accemud/service.h"

#include <spdlog/sinks/stdout_sinks.h>
#ifdef ACC_HAVE_SYSTEMD
#include <spdlog/sinks/systemd_sink.h>
#include <systemd/sd-daemon.h>
#endif

#include <cstdlib>
#include <sys/socket.h>
#include <sys/stat.h>

namespace acc::daemon
{

#ifdef ACC_HAVE_SYSTEMD

namespace
{

// As systemd.exec(5) has it: the variable may be inherited by who redirected stderr.
bool stderr_is_journal()
{
    const char *stream = std::getenv("JOURNAL_STREAM");
    struct stat status = {};
    if (!stream || fstat(STDERR_FILENO, &status) < 0) return false;
    return std::to_string(status.st_dev) + ":" + std::to_string(status.st_ino) == stream;
}

// A status is one line of the message.
std::string one_line(std::string text)
{
    for (char &c : text)
        if (c == '\n') c = ' ';
    return text;
}

} // namespace

Result<UniqueFd> take_listener(std::string &why)
{
    const int count = sd_listen_fds(1);
    if (count < 0) {
        why = std::string("expected LISTEN_PID and LISTEN_FDS as sd_listen_fds(3) has them: ") +
              std::strerror(-count);
        return Error{-EINVAL};
    }
    if (!count) return UniqueFd();
    if (count > 1) {
        why = "expected one socket of socket activation; found " + std::to_string(count);
        return Error{-EINVAL};
    }
    UniqueFd fd(SD_LISTEN_FDS_START);
    if (sd_is_socket_unix(fd.get(), SOCK_SEQPACKET, 1, nullptr, 0) <= 0) {
        why = "expected socket activation to pass a listening Unix socket of type SOCK_SEQPACKET "
              "(ListenSequentialPacket=); found another descriptor";
        return Error{-EINVAL};
    }
    return fd;
}

uint64_t watchdog_ns()
{
    uint64_t us = 0;
    return sd_watchdog_enabled(0, &us) > 0 ? us * 1000 : 0;
}

void feed_watchdog()
{
    (void)sd_notify(0, "WATCHDOG=1");
}

// A manager that does not hear is none of our business: sd_notify(3) says to go on.
void notify_ready(const std::string &status)
{
    (void)sd_notify(0, ("READY=1\nSTATUS=" + one_line(status)).c_str());
}

void notify_stopping(const std::string &status)
{
    (void)sd_notify(0, ("STOPPING=1\nSTATUS=" + one_line(status)).c_str());
}

#else

Result<UniqueFd> take_listener(std::string &)
{
    return UniqueFd();
}

uint64_t watchdog_ns()
{
    return 0;
}

void feed_watchdog() {}
void notify_ready(const std::string &) {}
void notify_stopping(const std::string &) {}

#endif

std::shared_ptr<spdlog::logger> make_logger(int level)
{
    try {
        spdlog::sink_ptr sink;
#ifdef ACC_HAVE_SYSTEMD
        if (stderr_is_journal()) sink = std::make_shared<spdlog::sinks::systemd_sink_mt>("accemud");
#endif
        if (!sink) sink = std::make_shared<spdlog::sinks::stderr_sink_mt>();
        auto logger = std::make_shared<spdlog::logger>("accemud", std::move(sink));
        logger->set_pattern("%Y-%m-%d %H:%M:%S.%e %n %l: %v");
        logger->set_level(spdlog::level::level_enum(level));
        return logger;
    } catch (const std::exception &) {
        return nullptr;
    }
}

} // namespace acc::daemon
