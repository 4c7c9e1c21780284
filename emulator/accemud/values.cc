// SPDX-License-Identifier: MIT
#include "emulator/accemud/values.h"

#include <spdlog/common.h>

#include <array>
#include <charconv>
#include <cstring>
#include <grp.h>
#include <limits>
#include <pwd.h>
#include <sys/un.h>
#include <vector>

namespace acc::daemon
{
namespace
{

constexpr size_t most_quoted = 80;
constexpr uint64_t longest_ns = 3600'000'000'000;
constexpr size_t longest_path = sizeof(sockaddr_un::sun_path) - 1;

struct Unit {
    std::string_view name;
    uint64_t scale;
};

// "12 KiB" -> 12 · scale, up to `most`. A number alone is of the first unit if that is allowed.
bool parse_scaled(std::string_view text, const Unit *begin, const Unit *end, bool bare,
                  uint64_t most, uint64_t &value)
{
    uint64_t number = 0;
    const auto [rest, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (error != std::errc()) return false;
    std::string_view name = text.substr(size_t(rest - text.data()));
    if (name.starts_with(' ')) name.remove_prefix(1);
    if (name.empty() && bare && rest == text.data() + text.size()) name = begin->name;
    for (const Unit *unit = begin; unit != end; ++unit) {
        if (unit->name != name) continue;
        if (number > most / unit->scale) return false;
        value = number * unit->scale;
        return true;
    }
    return false;
}

bool refuse(std::string &why, std::string_view expected, std::string_view found)
{
    why = "expected " + std::string(expected) + "; found " + quote(found);
    return false;
}

// The whole text as a number that fits T; ~0 means "nobody" to the kernel.
template <typename T>
std::optional<T> as_id(std::string_view text)
{
    T id = 0;
    const auto [rest, error] = std::from_chars(text.data(), text.data() + text.size(), id);
    if (error != std::errc() || rest != text.data() + text.size() || id == T(~T(0))) return {};
    return id;
}

// Calls one of getpwnam_r's family with a buffer that is large enough; null: no such entry.
template <typename Entry, typename Key, typename Find>
const Entry *look_up(Key key, Find find, Entry &entry, std::vector<char> &buffer)
{
    Entry *found = nullptr;
    buffer.resize(1024);
    while (find(key, &entry, buffer.data(), buffer.size(), &found) == ERANGE &&
           buffer.size() < (size_t{1} << 20))
        buffer.resize(buffer.size() * 2);
    return found;
}

} // namespace

std::string quote(std::string_view text)
{
    std::string result = "'";
    for (size_t i = 0; i < std::min(text.size(), most_quoted); ++i) {
        const auto c = static_cast<unsigned char>(text[i]);
        result += c < 0x20 || c == 0x7f ? '?' : char(c);
    }
    return result + (text.size() > most_quoted ? "…'" : "'");
}

bool parse_bytes(std::string_view text, uint64_t &bytes, std::string &why)
{
    constexpr std::array<Unit, 5> units = {{{"B", 1},
                                            {"KiB", uint64_t{1} << 10},
                                            {"MiB", uint64_t{1} << 20},
                                            {"GiB", uint64_t{1} << 30},
                                            {"TiB", uint64_t{1} << 40}}};
    constexpr uint64_t most = std::numeric_limits<int64_t>::max();
    if (parse_scaled(text, units.begin(), units.end(), true, most, bytes)) return true;
    return refuse(why, "bytes as 4096 or \"4 GiB\" (B, KiB, MiB, GiB, TiB), less than 2^63", text);
}

bool parse_duration(std::string_view text, uint64_t &ns, std::string &why)
{
    constexpr std::array<Unit, 3> units = {
        {{"ms", 1'000'000}, {"s", 1'000'000'000}, {"min", 60'000'000'000}}};
    if (parse_scaled(text, units.begin(), units.end(), false, longest_ns, ns)) return true;
    return refuse(why, "a time as \"500 ms\", \"5 s\" or \"2 min\", at most an hour", text);
}

bool parse_mode(std::string_view text, mode_t &mode, std::string &why)
{
    unsigned value = 0;
    const auto [rest, error] = std::from_chars(text.data(), text.data() + text.size(), value, 8);
    if (!text.starts_with('0') || error != std::errc() || rest != text.data() + text.size() ||
        value > 0777)
        return refuse(why, "permissions in octal from 0000 to 0777, as 0660", text);
    mode = value;
    return true;
}

bool parse_log_level(std::string_view text, int &level, std::string &why)
{
    constexpr std::array<std::string_view, 4> names = {"trace", "debug", "info", "warn"};
    static_assert(SPDLOG_LEVEL_TRACE == 0 && SPDLOG_LEVEL_WARN == 3);
    for (size_t i = 0; i < names.size(); ++i) {
        if (names[i] != text) continue;
        level = int(i);
        return true;
    }
    if (text != "error" && text != "off")
        return refuse(why, "trace, debug, info, warn, error or off", text);
    level = text == "off" ? SPDLOG_LEVEL_OFF : SPDLOG_LEVEL_ERROR;
    return true;
}

bool parse_user(std::string_view text, uid_t &user, std::string &why)
{
    if (const auto number = as_id<uid_t>(text)) {
        user = *number;
        return true;
    }
    passwd entry = {};
    std::vector<char> buffer;
    const std::string name(text);
    const passwd *found = name.size() == strlen(name.c_str())
                              ? look_up(name.c_str(), getpwnam_r, entry, buffer)
                              : nullptr;
    if (!found) return refuse(why, "a user of this system or a uid", text);
    user = found->pw_uid;
    return true;
}

bool parse_group(std::string_view text, std::optional<gid_t> &group, std::string &why)
{
    if (const auto number = as_id<gid_t>(text)) {
        group = *number;
        return true;
    }
    ::group entry = {};
    std::vector<char> buffer;
    const std::string name(text);
    const ::group *found = name.size() == strlen(name.c_str())
                               ? look_up(name.c_str(), getgrnam_r, entry, buffer)
                               : nullptr;
    if (!found) return refuse(why, "a group of this system or a gid", text);
    group = found->gr_gid;
    return true;
}

std::string group_name(gid_t group)
{
    ::group entry = {};
    std::vector<char> buffer;
    const ::group *found = look_up(group, getgrgid_r, entry, buffer);
    return found ? found->gr_name : std::to_string(group);
}

bool check_socket_path(std::string_view path, std::string &why)
{
    if (path.empty() || path.size() > longest_path || path.find('\0') != path.npos)
        return refuse(why, "a path of 1 to " + std::to_string(longest_path) + " bytes", path);
    return true;
}

} // namespace acc::daemon
