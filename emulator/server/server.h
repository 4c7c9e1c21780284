// SPDX-License-Identifier: MIT
//
// The emulated devices as a service: clients of many processes reach them through a unix
// socket. The protocol is the uAPI's own structs in an envelope (common/wire.h).
//
// Threading: run() is the accepting thread; every client has threads of its own, so that none
// waits for another. stop() may be called from a signal handler.
#pragma once

#include "common/result.h"
#include "common/unique_fd.h"
#include "emulator/account.h"
#include "emulator/emulator.h"

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <sys/types.h>
#include <vector>

namespace acc::emu
{

struct ServerOptions {
    std::vector<std::string> devices; // specs as of Emulator::create(); the index is the URI's

    // Where: a path to bind, or a listening SOCK_SEQPACKET socket that somebody else made.
    std::string path;
    UniqueFd listener;
    mode_t mode = 0660;              // of the socket at `path`
    std::optional<gid_t> group;      // its owner group; who may connect
    std::optional<gid_t> privileged; // members may reset devices, inject faults, use priority HIGH

    // Of every uid that has none of its own: what one machine can bear of several users.
    Quota quota = {.bytes = 8ull << 30,
                   .buffers = 4096,
                   .queues = 1024,
                   .programs = 1024,
                   .pins = 64,
                   .clients = 64};
    std::map<uid_t, Quota> quota_of;     // by uid
    uint32_t weight = 100;               // share of a client, 1 … 10000
    std::map<uid_t, uint32_t> weight_of; // by uid

    uint64_t drain_ns = 5'000'000'000; // how long stop() lets published work finish
    int hello_timeout_ms = 5000;       // how long a connection may take to say what it wants
    LogFunction log;
};

class Server
{
public:
    // Creates the devices and the socket. A stale socket (nobody listens) is replaced; one
    // that is served is -EADDRINUSE. `why` names what was expected and what was found.
    static Result<std::unique_ptr<Server>> create(ServerOptions options, std::string &why);
    virtual ~Server() = default;

    // Serves until stop(): then takes no new clients and no new work, lets what is published
    // finish for `drain_ns`, tells everybody ENODEV and returns. 0 or -errno.
    virtual int run() = 0;
    // Async-signal-safe.
    virtual void stop() = 0;
};

} // namespace acc::emu
