// SPDX-License-Identifier: MIT
//
// What accemud is to do, and its TOML file (accemud.toml(5)).
#pragma once

#include "emulator/server/server.h"

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <sys/types.h>
#include <vector>

namespace acc::daemon
{

struct DeviceEntry {
    std::string spec;       // as Emulator::create() takes it
    std::string where;      // "FILE:LINE:COLUMN: device[0]", or the option of the command line
    std::string state = {}; // the folder where its cells are kept; empty: nowhere
};

// What one user may hold, and the share of a client of theirs. Without a word it is what the
// server thinks right.
struct Limits {
    emu::Quota quota = emu::ServerOptions().quota;
    uint32_t weight = 100; // 1 … 10000
};

struct Config {
    std::vector<DeviceEntry> devices; // the index is the URI's
    std::string socket;               // empty: the default place
    mode_t mode = 0660;
    std::optional<gid_t> group;      // who may connect
    std::optional<gid_t> privileged; // who may reset devices, inject faults, use priority HIGH
    std::string state_dir;           // empty: nothing survives a restart
    int log_level = 2;               // spdlog's; info
    uint64_t drain_ns = 5'000'000'000;
    Limits standard;               // of users without an entry
    std::map<uid_t, Limits> users; // what an entry leaves out is the standard's
};

// Read over what `config` holds already. The problems, in the order of the file, each
// "NAME:LINE:COLUMN: KEY: expected …; found …"; none: all is well. `config` is of no use
// after a problem.
std::vector<std::string> parse_config(std::string_view text, const std::string &name,
                                      Config &config);
// The same of a file of at most 1 MiB.
std::vector<std::string> read_config(const std::string &path, Config &config);

} // namespace acc::daemon
