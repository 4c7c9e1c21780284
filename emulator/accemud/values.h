// SPDX-License-Identifier: MIT
//
// Values as people write them, on the command line and in the configuration alike. Each
// reader leaves the value alone and says in `why` what was expected and what was found.
//
// Thread safety: every call from any thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <sys/types.h>

namespace acc::daemon
{

// What a refusal quotes of a text that may hold anything: one line, not too long.
std::string quote(std::string_view text);

// "4096", "64 KiB", "4 GiB": whole numbers of B, KiB, MiB, GiB or TiB, up to 2^63 - 1 bytes.
bool parse_bytes(std::string_view text, uint64_t &bytes, std::string &why);

// "500 ms", "5 s", "2 min": up to one hour.
bool parse_duration(std::string_view text, uint64_t &ns, std::string &why);

// "0660": permissions in octal, with a leading 0, up to 0777.
bool parse_mode(std::string_view text, mode_t &mode, std::string &why);

// trace, debug, info, warn, error or off, as spdlog's level.
bool parse_log_level(std::string_view text, int &level, std::string &why);

// Names or numbers of users and groups; a name must be one of the system's.
bool parse_user(std::string_view text, uid_t &user, std::string &why);
bool parse_group(std::string_view text, std::optional<gid_t> &group, std::string &why);

// "acc" for what getgrgid knows, else the number.
std::string group_name(gid_t group);

// Whether a socket can be bound there: not empty, no NUL, short enough for sun_path.
bool check_socket_path(std::string_view path, std::string &why);

} // namespace acc::daemon
