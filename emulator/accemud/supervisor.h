// SPDX-License-Identifier: MIT
//
// The thread that hears SIGTERM and SIGINT and feeds the service manager's watchdog.
#pragma once

#include "common/result.h"
#include "common/unique_fd.h"

#include <memory>
#include <spdlog/logger.h>
#include <string>
#include <thread>

namespace acc::emu
{
class Server;
}

namespace acc::daemon
{

class Supervisor
{
public:
    // Blocks SIGTERM and SIGINT in this thread and those that it starts later, and ignores
    // SIGPIPE: call it before there are others. A signal that comes before watch() waits.
    static Result<std::unique_ptr<Supervisor>> create(std::shared_ptr<spdlog::logger> log,
                                                      std::string &why);
    ~Supervisor() { end(); }

    // Starts the thread: on a signal it stops the server, which must outlive end().
    void watch(emu::Server &server);
    // Ends the thread. Idempotent.
    void end();

private:
    explicit Supervisor(std::shared_ptr<spdlog::logger> log) : log_(std::move(log)) {}
    void loop(emu::Server &server);

    const std::shared_ptr<spdlog::logger> log_;
    UniqueFd signals_; // a signalfd
    UniqueFd end_;     // an eventfd; readable: end
    std::thread thread_;
};

} // namespace acc::daemon
