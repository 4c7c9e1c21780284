// SPDX-License-Identifier: MIT
//
// What the service manager gives accemud and hears from it. Outside of systemd, and in
// builds without libsystemd, nothing is given and nobody listens.
//
// Thread safety: every call from any thread, but take_listener() before there is a second.
#pragma once

#include "common/result.h"
#include "common/unique_fd.h"

#include <cstdint>
#include <memory>
#include <spdlog/logger.h>
#include <string>

namespace acc::daemon
{

// The socket of socket activation, or an empty one where there is none. -EINVAL with `why`
// when what was passed is anything but one listening SOCK_SEQPACKET Unix socket.
Result<UniqueFd> take_listener(std::string &why);

// How often feed_watchdog() must be called at least; 0: never.
uint64_t watchdog_ns();
void feed_watchdog();

// `status` is what `systemctl status` shows.
void notify_ready(const std::string &status);
void notify_stopping(const std::string &status);

// Logs to the journal where stderr is it, else to stderr. Null without memory.
std::shared_ptr<spdlog::logger> make_logger(int level);

} // namespace acc::daemon
