// SPDX-License-Identifier: MIT
//
// accemud.toml: what each key means, and each refusal to the letter.
#include "emulator/accemud/check.h"
#include "emulator/accemud/config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <random>

namespace acc::daemon
{
namespace
{

using testing::ElementsAre;
using testing::HasSubstr;
using testing::StartsWith;

Config read_good(std::string_view text)
{
    Config config;
    EXPECT_THAT(parse_config(text, "x.toml", config), ElementsAre()) << text;
    return config;
}

std::vector<std::string> problems_of(std::string_view text)
{
    Config config;
    return parse_config(text, "x.toml", config);
}

// One refusal, exactly this, behind "x.toml:".
void expect_refusal(std::string_view text, const std::string &refusal)
{
    EXPECT_THAT(problems_of(text), ElementsAre("x.toml:" + refusal)) << text;
}

TEST(Config, EmptyIsTheDefaults)
{
    const Config config = read_good("");
    EXPECT_TRUE(config.devices.empty());
    EXPECT_EQ(config.socket, "");
    EXPECT_EQ(config.mode, mode_t{0660});
    EXPECT_EQ(config.group, std::nullopt);
    EXPECT_EQ(config.privileged, std::nullopt);
    EXPECT_EQ(config.state_dir, "");
    EXPECT_EQ(config.log_level, 2);
    EXPECT_EQ(config.drain_ns, 5'000'000'000u);
    const emu::ServerOptions server; // it knows what is right without a word
    EXPECT_EQ(config.mode, server.mode);
    EXPECT_EQ(config.drain_ns, server.drain_ns);
    EXPECT_EQ(config.standard.quota.bytes, server.quota.bytes);
    EXPECT_EQ(config.standard.quota.clients, server.quota.clients);
    EXPECT_EQ(config.standard.weight, server.weight);
    EXPECT_TRUE(config.users.empty());
}

TEST(Config, EveryKey)
{
    const Config config = read_good(R"(
socket = "/run/x/acc.sock"
mode = "0600"
group = "root"
privileged-group = "17"
state-dir = "/var/lib/x"
log = "debug"
drain = "250 ms"

[[device]]
engine = "crossbar"
options = { slots = 4, adc_bits = 0, sign = "differential", memory = "2 GiB" }

[[device]]
engine = "fpga"

[[device]]
engine = "null"
[device.options]
scatter = true
workers = 2

[default]
bytes = "4 GiB"
buffers = 1
queues = 2
programs = 3
pins = 4
clients = 5
weight = 6

[user.root]
bytes = 4096
weight = 10000

[user.4294967294]
queues = 7
)");
    EXPECT_EQ(config.socket, "/run/x/acc.sock");
    EXPECT_EQ(config.mode, mode_t{0600});
    EXPECT_EQ(config.group, gid_t{0});
    EXPECT_EQ(config.privileged, gid_t{17});
    EXPECT_EQ(config.state_dir, "/var/lib/x");
    EXPECT_EQ(config.log_level, 1);
    EXPECT_EQ(config.drain_ns, 250'000'000u);
    ASSERT_EQ(config.devices.size(), 3u);
    EXPECT_EQ(config.devices[0].spec,
              "crossbar:adc_bits=0,memory=2147483648,sign=differential,slots=4");
    EXPECT_EQ(config.devices[1].spec, "fpga");
    EXPECT_EQ(config.devices[2].spec, "null:scatter=1,workers=2");
    EXPECT_EQ(config.devices[1].where, "x.toml:14:1: device[1]");
    EXPECT_EQ(config.standard.quota.bytes, uint64_t{4} << 30);
    EXPECT_EQ(config.standard.quota.buffers, 1u);
    EXPECT_EQ(config.standard.quota.queues, 2u);
    EXPECT_EQ(config.standard.quota.programs, 3u);
    EXPECT_EQ(config.standard.quota.pins, 4u);
    EXPECT_EQ(config.standard.quota.clients, 5u);
    EXPECT_EQ(config.standard.weight, 6u);
    ASSERT_EQ(config.users.size(), 2u);
    // What an entry leaves out is the default's.
    EXPECT_EQ(config.users.at(0).quota.bytes, 4096u);
    EXPECT_EQ(config.users.at(0).quota.queues, 2u);
    EXPECT_EQ(config.users.at(0).weight, 10000u);
    EXPECT_EQ(config.users.at(4294967294u).quota.bytes, uint64_t{4} << 30);
    EXPECT_EQ(config.users.at(4294967294u).quota.queues, 7u);
    EXPECT_EQ(config.users.at(4294967294u).weight, 6u);
}

TEST(Config, UsersStartFromTheDefaultWhereverThatStands)
{
    const Config config = read_good("[user.root]\nweight = 7\n[default]\nqueues = 3\nweight = 5\n");
    EXPECT_EQ(config.users.at(0).quota.queues, 3u);
    EXPECT_EQ(config.users.at(0).weight, 7u);
}

TEST(Config, ModesAsTomlWritesOctal)
{
    EXPECT_EQ(read_good("mode = 0o640").mode, mode_t{0640});
    EXPECT_EQ(read_good("mode = \"0640\"").mode, mode_t{0640});
}

TEST(Config, RefusesUnknownKeys)
{
    const std::string top = "expected one of socket, mode, group, privileged-group, state-dir, "
                            "log, drain, device, default, user; found the key ";
    expect_refusal("sockets = 1", "1:1: " + top + "'sockets'");
    expect_refusal("log = \"info\"\n  \"a\\nb\" = 1", "2:3: " + top + "'a?b'");
    expect_refusal("[quota]\nbytes = 1", "1:2: " + top + "'quota'");
    expect_refusal("[[device]]\nengine = \"null\"\nname = \"x\"",
                   "3:1: device[0]: expected one of engine, options; found the key 'name'");
    const std::string limit =
        "expected one of bytes, buffers, queues, programs, pins, clients, weight; found the key ";
    expect_refusal("[default]\nrings = 1", "2:1: default: " + limit + "'rings'");
    expect_refusal("[user.root]\nbytes = 1\nrings = 1", "3:1: user.root: " + limit + "'rings'");
}

TEST(Config, RefusesWrongTypes)
{
    const std::string path = "expected an absolute path in a string; found ";
    expect_refusal("socket = 1", "1:10: socket: " + path + "the integer 1");
    expect_refusal("state-dir = true", "1:13: state-dir: " + path + "true");
    const std::string group = "expected the name or number of a group in a string; found ";
    expect_refusal("group = 4", "1:9: group: " + group + "the integer 4");
    expect_refusal("privileged-group = []", "1:20: privileged-group: " + group + "an array");
    const std::string mode = "expected permissions in octal from 0000 to 0777, as \"0660\" or "
                             "0o660; found ";
    expect_refusal("mode = 660", "1:8: mode: " + mode + "the integer 660");
    expect_refusal("mode = 0x1b0", "1:8: mode: " + mode + "the integer 432");
    expect_refusal("mode = 1.5", "1:8: mode: " + mode + "a floating-point number");
    expect_refusal("log = 2",
                   "1:7: log: expected trace, debug, info, warn, error or off in a string; found "
                   "the integer 2");
    expect_refusal("drain = 5",
                   "1:9: drain: expected a time in a string, as \"5 s\"; found the integer 5");
    expect_refusal("device = \"null\"",
                   "1:10: device: expected tables, each [[device]]; found the string 'null'");
    expect_refusal("[device]\nengine = \"null\"",
                   "1:1: device: expected tables, each [[device]]; found a table");
    expect_refusal("device = [ 1979-05-27 ]",
                   "1:12: device[0]: expected a table; found a date or time");
    expect_refusal("[[device]]\nengine = 1", "2:10: device[0].engine: expected the name of an "
                                             "engine in a string, as \"crossbar\"; found the "
                                             "integer 1");
    expect_refusal("[[device]]\nengine = \"null\"\noptions = \"slots=1\"",
                   "3:11: device[0].options: expected a table; found the string 'slots=1'");
    const std::string option = "expected an integer, a string, true or false; found ";
    expect_refusal("[[device]]\nengine = \"null\"\noptions.slots = 1.0",
                   "3:17: device[0].options.slots: " + option + "a floating-point number");
    expect_refusal("[[device]]\nengine = \"null\"\noptions.slots = [1]",
                   "3:17: device[0].options.slots: " + option + "an array");
    expect_refusal("default = 1", "1:11: default: expected a table; found the integer 1");
    expect_refusal("user = [1]", "1:8: user: expected a table; found an array");
    expect_refusal("user.root = 1", "1:13: user.root: expected a table; found the integer 1");
    expect_refusal("default.bytes = true", "1:17: default.bytes: expected bytes as 4096 or \"4 "
                                           "GiB\"; found true");
    for (const std::string key : {"buffers", "queues", "programs", "pins", "clients"})
        expect_refusal("[default]\n" + key + " = \"4\"",
                       "2:" + std::to_string(key.size() + 4) + ": default." + key +
                           ": expected an integer from 0 to 4294967295; found the string '4'");
    expect_refusal("default.weight = 1.0", "1:18: default.weight: expected an integer from 1 to "
                                           "10000; found a floating-point number");
}

TEST(Config, RefusesValuesOutOfRange)
{
    expect_refusal("socket = \"acc.sock\"",
                   "1:10: socket: expected an absolute path; found the string 'acc.sock'");
    expect_refusal("socket = \"\"", "1:10: socket: expected an absolute path; found the string ''");
    expect_refusal("socket = \"/a\\u0000b\"",
                   "1:10: socket: expected an absolute path; found the string '/a?b'");
    expect_refusal("socket = \"/" + std::string(107, 'x') + "\"",
                   "1:10: socket: expected a path of 1 to 107 bytes; found '/" +
                       std::string(79, 'x') + "…'");
    expect_refusal("state-dir = \"state\"",
                   "1:13: state-dir: expected an absolute path; found the string 'state'");
    expect_refusal("mode = \"660\"", "1:8: mode: expected permissions in octal from 0000 to 0777, "
                                     "as 0660; found '660'");
    expect_refusal("mode = 0o1777",
                   "1:8: mode: expected permissions in octal from 0000 to 0777, as \"0660\" or "
                   "0o660; found the integer 1023");
    expect_refusal("group = \"no such\"",
                   "1:9: group: expected a group of this system or a gid; found 'no such'");
    expect_refusal("privileged-group = \"-1\"",
                   "1:20: privileged-group: expected a group of this system or a gid; found '-1'");
    expect_refusal("log = \"loud\"",
                   "1:7: log: expected trace, debug, info, warn, error or off; found 'loud'");
    expect_refusal("drain = \"2 h\"", "1:9: drain: expected a time as \"500 ms\", \"5 s\" or \"2 "
                                      "min\", at most an hour; found '2 h'");
    expect_refusal("default.bytes = -1",
                   "1:17: default.bytes: expected bytes as 4096 or \"4 GiB\"; found the integer "
                   "-1");
    expect_refusal("default.bytes = \"4 GB\"",
                   "1:17: default.bytes: expected bytes as 4096 or \"4 GiB\" (B, KiB, MiB, GiB, "
                   "TiB), less than 2^63; found '4 GB'");
    const std::string count = "expected an integer from 0 to 4294967295; found the integer ";
    expect_refusal("default.queues = -1", "1:18: default.queues: " + count + "-1");
    expect_refusal("default.pins = 4294967296", "1:16: default.pins: " + count + "4294967296");
    const std::string weight = "expected an integer from 1 to 10000; found the integer ";
    expect_refusal("default.weight = 0", "1:18: default.weight: " + weight + "0");
    expect_refusal("[user.root]\nweight = 10001", "2:10: user.root.weight: " + weight + "10001");
}

TEST(Config, RefusesDevicesThatAreNone)
{
    const std::string engine = "expected the name of an engine; options are a table of their own; "
                               "found the string ";
    expect_refusal("[[device]]\nengine = \"\"", "2:10: device[0].engine: " + engine + "''");
    expect_refusal("[[device]]\nengine = \"null:slots=3\"",
                   "2:10: device[0].engine: " + engine + "'null:slots=3'");
    expect_refusal("[[device]]\nengine = \"null\"\n[[device]]\noptions.slots = 3",
                   "3:1: device[1]: expected the key 'engine'; found none");
    const std::string names = "expected names of a-z, 0-9 and _; found the key ";
    expect_refusal("[[device]]\nengine = \"null\"\noptions = { \"a=1,b\" = 2 }",
                   "3:13: device[0].options: " + names + "'a=1,b'");
    expect_refusal("[[device]]\nengine = \"null\"\noptions = { \"\" = 2 }",
                   "3:13: device[0].options: " + names + "''");
    expect_refusal("[[device]]\nengine = \"null\"\noptions = { pace = \"real,slots=1\" }",
                   "3:20: device[0].options.pace: expected a value without commas; found the "
                   "string 'real,slots=1'");
    expect_refusal("[[device]]\nengine = \"null\"\noptions = { memory = \"much\" }",
                   "3:22: device[0].options.memory: expected bytes as 4096 or \"4 GiB\" (B, KiB, "
                   "MiB, GiB, TiB), less than 2^63; found 'much'");
}

TEST(Config, RefusesUsersThatAreNone)
{
    expect_refusal("[user.\"no such\"]\nweight = 1",
                   "1:7: user: expected a user of this system or a uid; found 'no such'");
    expect_refusal("[user.0]\nweight = 1\n[user.root]\nweight = 1",
                   "3:7: user: expected each user once; found '0' and 'root', both uid 0");
}

TEST(Config, NamesEveryProblemInTheOrderOfTheFile)
{
    EXPECT_THAT(problems_of("socket = 1\nmode = 2\nlog = 3\na = 4\n[default]\nweight = 0\n"),
                ElementsAre(StartsWith("x.toml:1:10: socket: "), StartsWith("x.toml:2:8: mode: "),
                            StartsWith("x.toml:3:7: log: "), StartsWith("x.toml:4:1: expected "),
                            StartsWith("x.toml:6:10: default.weight: ")));
}

TEST(Config, RefusesWhatIsNoToml)
{
    const std::pair<std::string, const char *> broken[] = {
        {"socket", "x.toml:1:7: expected TOML; found: "},
        {"socket = ", "x.toml:1:10: expected TOML; found: "},
        {"log = \"info\"\nlog = \"info\"", "x.toml:2:"},
        {"socket = \"/run", "x.toml:1:"},
        {"[default", "x.toml:1:"},
        {"a = 99999999999999999999", "x.toml:1:"},
        {"a = \"\xff\"", "x.toml:1:"},
        {std::string("a\0b", 3), "x.toml:1:"},
        {"\x7f"
         "ELF",
         "x.toml:1:"},
        {"a = " + std::string(100'000, '['), "x.toml:1:"},
    };
    for (const auto &[text, where] : broken) {
        const auto problems = problems_of(text);
        ASSERT_EQ(problems.size(), 1u) << text;
        EXPECT_THAT(problems[0], StartsWith(where));
        EXPECT_THAT(problems[0], HasSubstr("expected TOML; found: "));
        EXPECT_EQ(problems[0].find('\n'), std::string::npos) << problems[0];
    }
}

// Whatever bytes: an answer, and each problem one line with its place.
TEST(Config, SurvivesMutations)
{
    const std::string good = R"(socket = "/run/x/acc.sock"
mode = "0600"
group = "root"
log = "debug"
drain = "250 ms"
[[device]]
engine = "crossbar"
options = { slots = 4, memory = "2 GiB", scatter = true }
[default]
bytes = "4 GiB"
queues = 2
[user.root]
weight = 100
)";
    const std::string pieces[] = {
        "[",       "]",    "{",    "}",    "\"",         "'",     "=",    "\n",
        ".",       ",",    "0",    "-1",   "[[device]]", "1e999", "nan",  "0o777",
        "\\u0000", "\xff", "\xc3", "user", "\"\"\"",     "#",     "true", "1979-05-27"};
    std::mt19937_64 random(20240607);
    size_t refused = 0;
    for (int round = 0; round < 20'000; ++round) {
        std::string text = good;
        for (uint64_t change = 0, changes = 1 + random() % 4; change < changes; ++change) {
            const size_t at = random() % (text.size() + 1);
            const std::string &piece = pieces[random() % std::size(pieces)];
            switch (random() % 4) {
            case 0:
                text.insert(at, piece);
                break;
            case 1:
                text.erase(at, 1 + random() % 20);
                break;
            case 2:
                text.replace(at, 1 + random() % 8, piece);
                break;
            default:
                text.insert(at, text.substr(random() % text.size(), random() % 60));
            }
        }
        const auto problems = problems_of(text);
        refused += !problems.empty();
        for (const std::string &problem : problems) {
            ASSERT_THAT(problem, StartsWith("x.toml:")) << text;
            ASSERT_THAT(problem, HasSubstr("expected ")) << text;
            ASSERT_THAT(problem, HasSubstr("found")) << text;
            ASSERT_EQ(problem.find('\n'), std::string::npos) << text;
        }
    }
    EXPECT_GT(refused, 10'000u); // most changes break something
    EXPECT_LT(refused, 20'000u);
}

TEST(ConfigFile, IsReadWithItsName)
{
    std::string name = std::filesystem::temp_directory_path() / "acc-config-XXXXXX";
    const int fd = mkstemp(name.data());
    ASSERT_GE(fd, 0);
    close(fd);
    std::ofstream(name) << "log = \"debug\"\n";
    Config config;
    EXPECT_THAT(read_config(name, config), ElementsAre());
    EXPECT_EQ(config.log_level, 1);
    std::ofstream(name) << "log = \"loud\"\n";
    EXPECT_THAT(read_config(name, config),
                ElementsAre(name + ":1:7: log: expected trace, debug, info, warn, error or off; "
                                   "found 'loud'"));
    std::ofstream(name) << std::string((1 << 20) + 1, '#');
    EXPECT_THAT(read_config(name, config),
                ElementsAre(name + ": expected at most 1 MiB; found more"));
    std::filesystem::remove(name);
    EXPECT_THAT(read_config(name, config), ElementsAre(name + ": No such file or directory"));
    EXPECT_THAT(read_config("/", config), ElementsAre("/: Is a directory"));
}

TEST(CheckDevices, NamesTheDeviceThatCannotBe)
{
    Config config = read_good(R"(
[[device]]
engine = "null"
[[device]]
engine = "tensor"
[[device]]
engine = "crossbar"
options = { slots = 0 }
[[device]]
engine = "fpga"
options = { rows = 3 }
)");
    const auto problems = check_devices(config);
    ASSERT_EQ(problems.size(), 3u);
    EXPECT_EQ(problems[0],
              "x.toml:4:1: device[1]: expected engine crossbar, fpga or null, found 'tensor'");
    EXPECT_EQ(problems[1], "x.toml:6:1: device[2]: option slots: expected a number from 1 to 64, "
                           "found '0'");
    EXPECT_THAT(problems[2], StartsWith("x.toml:9:1: device[3]: unknown option 'rows': "));
}

TEST(Summary, SaysWhatWouldBeServed)
{
    Config config = read_good(R"(
socket = "/run/x/acc.sock"
group = "root"
drain = "1 s"
[[device]]
engine = "null"
options = { slots = 2 }
[default]
bytes = "4 GiB"
buffers = 0
queues = 16
[user.root]
bytes = 4097
weight = 7
)");
    EXPECT_EQ(summary(config), "socket            /run/x/acc.sock, mode 0660, group root\n"
                               "privileged        root\n"
                               "device 0          null:slots=2\n"
                               "default           weight 100, 4 GiB, 16 queues, 1024 programs, "
                               "64 pins, 64 clients\n"
                               "uid 0             weight 7, 4097 B, 16 queues, 1024 programs, "
                               "64 pins, 64 clients\n"
                               "drain             1000 ms\n"
                               "state-dir         none\n"
                               "log               info\n");
}

} // namespace
} // namespace acc::daemon
