// SPDX-License-Identifier: MIT
#include "emulator/accemud/values.h"

#include <gtest/gtest.h>

#include <grp.h>
#include <pwd.h>

namespace acc::daemon
{
namespace
{

// The value that a text reads as; ~0 and the refusal when it is none.
template <typename T>
T read(bool (*parse)(std::string_view, T &, std::string &), std::string_view text, T untouched,
       std::string &why)
{
    why.clear();
    T value = untouched;
    if (!parse(text, value, why)) {
        EXPECT_EQ(value, untouched) << text;
        EXPECT_FALSE(why.empty()) << text;
    }
    return value;
}

TEST(Values, Bytes)
{
    std::string why;
    const std::pair<const char *, uint64_t> good[] = {
        {"0", 0},
        {"4096", 4096},
        {"1 B", 1},
        {"7B", 7},
        {"64 KiB", 64 << 10},
        {"64KiB", 64 << 10},
        {"3 MiB", 3 << 20},
        {"4 GiB", uint64_t{4} << 30},
        {"2 TiB", uint64_t{2} << 40},
        {"9223372036854775807", ~uint64_t{0} >> 1},
        {"8388607 TiB", uint64_t{8388607} << 40},
    };
    for (const auto &[text, bytes] : good)
        EXPECT_EQ(read<uint64_t>(parse_bytes, text, 99, why), bytes) << text << ": " << why;
    for (const char *text : {"", " ", "GiB", "-1", "+1", "1.5 GiB", "4  GiB", "4 GiB ", " 4",
                             "4 gib", "4 GB", "4G", "0x10", "4 GiB 4", "9223372036854775808",
                             "8388608 TiB", "18446744073709551616", "99999999999999999999999 B"}) {
        EXPECT_EQ(read<uint64_t>(parse_bytes, text, 99, why), 99u) << text;
        EXPECT_EQ(why, "expected bytes as 4096 or \"4 GiB\" (B, KiB, MiB, GiB, TiB), less than "
                       "2^63; found '" +
                           std::string(text) + "'");
    }
}

TEST(Values, Durations)
{
    std::string why;
    const std::pair<const char *, uint64_t> good[] = {{"0 s", 0},
                                                      {"500 ms", 500'000'000},
                                                      {"5s", 5'000'000'000},
                                                      {"2 min", 120'000'000'000},
                                                      {"60 min", 3600'000'000'000},
                                                      {"3600000 ms", 3600'000'000'000}};
    for (const auto &[text, ns] : good)
        EXPECT_EQ(read<uint64_t>(parse_duration, text, 99, why), ns) << text << ": " << why;
    for (const char *text : {"", "5", "5 h", "5 seconds", "-5 s", "0.5 s", "61 min", "3600001 ms",
                             "18446744073709551615 min"}) {
        EXPECT_EQ(read<uint64_t>(parse_duration, text, 99, why), 99u) << text;
        EXPECT_EQ(why, "expected a time as \"500 ms\", \"5 s\" or \"2 min\", at most an hour; "
                       "found '" +
                           std::string(text) + "'");
    }
}

TEST(Values, Modes)
{
    std::string why;
    const std::pair<const char *, mode_t> good[] = {
        {"0660", 0660}, {"0", 0}, {"0777", 0777}, {"00600", 0600}};
    for (const auto &[text, mode] : good)
        EXPECT_EQ(read<mode_t>(parse_mode, text, 99, why), mode) << text << ": " << why;
    for (const char *text : {"", "660", "0o660", "01000", "0668", "0660 ", "rw-rw----", "-0660",
                             "077777777777777777777777"}) {
        EXPECT_EQ(read<mode_t>(parse_mode, text, 99, why), mode_t{99}) << text;
        EXPECT_EQ(why, "expected permissions in octal from 0000 to 0777, as 0660; found '" +
                           std::string(text) + "'");
    }
}

TEST(Values, LogLevels)
{
    std::string why;
    const std::pair<const char *, int> good[] = {{"trace", 0}, {"debug", 1}, {"info", 2},
                                                 {"warn", 3},  {"error", 4}, {"off", 6}};
    for (const auto &[text, level] : good)
        EXPECT_EQ(read<int>(parse_log_level, text, 99, why), level) << text;
    for (const char *text : {"", "Info", "warning", "2", "critical"}) {
        EXPECT_EQ(read<int>(parse_log_level, text, 99, why), 99) << text;
        EXPECT_EQ(why, "expected trace, debug, info, warn, error or off; found '" +
                           std::string(text) + "'");
    }
}

TEST(Values, UsersAndGroups)
{
    std::string why;
    EXPECT_EQ(read<uid_t>(parse_user, "root", 99, why), 0u);
    EXPECT_EQ(read<uid_t>(parse_user, "0", 99, why), 0u);
    EXPECT_EQ(read<uid_t>(parse_user, "4294967294", 99, why), 4294967294u);
    std::optional<gid_t> group;
    EXPECT_TRUE(parse_group("root", group, why));
    EXPECT_EQ(group, gid_t{0});
    EXPECT_TRUE(parse_group("12345", group, why));
    EXPECT_EQ(group, gid_t{12345});
    EXPECT_EQ(group_name(0), "root");
    EXPECT_EQ(group_name(4294967294u), "4294967294");

    using namespace std::string_view_literals;
    for (const std::string_view text : {""sv, "nobody here"sv, "-1"sv, "0x0"sv, "root\0"sv,
                                        "4294967295"sv, "4294967296"sv, "99999999999999"sv}) {
        EXPECT_EQ(read<uid_t>(parse_user, text, 99, why), 99u) << text;
        EXPECT_EQ(why, "expected a user of this system or a uid; found " + quote(text));
        std::optional<gid_t> untouched;
        EXPECT_FALSE(parse_group(text, untouched, why)) << text;
        EXPECT_EQ(untouched, std::nullopt);
        EXPECT_EQ(why, "expected a group of this system or a gid; found " + quote(text));
    }
}

TEST(Values, SocketPaths)
{
    std::string why;
    EXPECT_TRUE(check_socket_path("acc.sock", why));
    EXPECT_TRUE(check_socket_path(std::string(107, 'x'), why));
    using namespace std::string_view_literals;
    for (const std::string &text : {std::string(), std::string(108, 'x'), std::string("a\0b"sv)}) {
        EXPECT_FALSE(check_socket_path(text, why));
        EXPECT_EQ(why, "expected a path of 1 to 107 bytes; found " + quote(text));
    }
}

TEST(Values, QuotesAreOneShortLine)
{
    EXPECT_EQ(quote("a\nb\x7f"), "'a?b?'");
    EXPECT_EQ(quote(std::string(80, 'x')), "'" + std::string(80, 'x') + "'");
    EXPECT_EQ(quote(std::string(81, 'x')), "'" + std::string(80, 'x') + "…'");
}

} // namespace
} // namespace acc::daemon
