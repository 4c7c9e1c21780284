// SPDX-License-Identifier: MIT
//
// Where accemud's socket and the engines' state are.
#pragma once

#include "common/result.h"
#include "emulator/accemud/config.h"

#include <string>
#include <string_view>

namespace acc::daemon
{

inline constexpr const char *system_folder = "/run/acc";
inline constexpr const char *socket_name = "/acc.sock";

// The system's folder if a socket can be made there (root makes the folder, systemd makes it
// for its service), else "acc" in the user's runtime folder (made, 0700), which is the value
// of XDG_RUNTIME_DIR or null. -EACCES with `why`, which names both, where neither can be.
Result<std::string> default_socket(const char *runtime_folder, std::string &why,
                                   const char *system = system_folder);

// Gives each device whose engine keeps its programs without power a place of its own,
// DIR/INDEX. -EINVAL with `why` where there is no such device, or one says state= itself.
// Nothing is made yet.
int place_state(Config &config, std::string &why);
// Makes the folder of the places (0700), and tells what Emulator::create() takes.
int make_state(const Config &config, std::string &why);
std::string spec_with_state(const DeviceEntry &device);

} // namespace acc::daemon
