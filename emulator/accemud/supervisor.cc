// SPDX-License-Identifier: MIT
#include "emulator/accemud/supervisor.h"

#include "emulator/accemud/service.h"
#include "emulator/server/server.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>

namespace acc::daemon
{

Result<std::unique_ptr<Supervisor>> Supervisor::create(std::shared_ptr<spdlog::logger> log,
                                                       std::string &why)
{
    std::unique_ptr<Supervisor> supervisor(new Supervisor(std::move(log)));
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    if (const int error = pthread_sigmask(SIG_BLOCK, &set, nullptr)) {
        why = std::string("cannot block signals: ") + std::strerror(error);
        return Error{-error};
    }
    // A client that is gone is an error of send, not of the process.
    struct sigaction ignore = {};
    ignore.sa_handler = SIG_IGN;
    (void)sigaction(SIGPIPE, &ignore, nullptr);
    supervisor->signals_.reset(signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK));
    supervisor->end_.reset(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
    if (!supervisor->signals_ || !supervisor->end_) {
        why = std::string("cannot hear signals: ") + std::strerror(errno);
        return Error{-errno};
    }
    return supervisor;
}

void Supervisor::watch(emu::Server &server)
{
    thread_ = std::thread([this, &server] { loop(server); });
}

void Supervisor::end()
{
    if (!thread_.joinable()) return;
    const uint64_t one = 1;
    // An eventfd of ours that nobody fills.
    [[maybe_unused]] const ssize_t written = write(end_.get(), &one, sizeof one);
    thread_.join();
}

void Supervisor::loop(emu::Server &server)
{
    // Twice in the period, as sd_watchdog_enabled(3) recommends.
    const uint64_t period_ms = watchdog_ns() / 2'000'000;
    const int timeout = period_ms ? int(std::clamp<uint64_t>(period_ms, 1, 3600'000)) : -1;
    bool stopping = false;
    for (;;) {
        if (timeout >= 0) feed_watchdog();
        std::array<pollfd, 2> fds = {{{signals_.get(), POLLIN, 0}, {end_.get(), POLLIN, 0}}};
        if (poll(fds.data(), fds.size(), timeout) < 0 && errno != EINTR) return;
        if (fds[1].revents) return;
        signalfd_siginfo info = {};
        if (read(signals_.get(), &info, sizeof info) != ssize_t(sizeof info) || stopping) continue;
        stopping = true;
        const char *name = info.ssi_signo == SIGTERM ? "SIGTERM" : "SIGINT";
        notify_stopping("letting published work finish");
        try {
            log_->info("{}: stopping", name);
        } catch (const std::exception &) {
            // Stopping matters more than saying so.
        }
        server.stop();
    }
}

} // namespace acc::daemon
