// SPDX-License-Identifier: MIT
//
// accemud: the emulated devices as a service. The command line, the file, the service
// manager and the signals; what is served is emulator/server's.
//
// Exit status: 0 stopped as asked, 1 failure, 2 wrong usage or configuration.
#include "emulator/accemud/check.h"
#include "emulator/accemud/config.h"
#include "emulator/accemud/place.h"
#include "emulator/accemud/service.h"
#include "emulator/accemud/supervisor.h"
#include "emulator/accemud/values.h"
#include "emulator/pci/pci.h"
#include "emulator/server/server.h"

#include <CLI/CLI.hpp>

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <malloc.h>
#include <sys/resource.h>

namespace
{

using namespace acc;
using namespace acc::daemon;

enum ExitCode { exit_ok = 0, exit_failure = 1, exit_usage = 2 };

struct CommandLine {
    std::string config, socket, mode, group, privileged_group, state_dir, log, pci;
    std::vector<std::string> engines;
    bool check = false;
};

int complain(const std::string &text, int code)
{
    std::string line = text;
    for (char &c : line)
        if (static_cast<unsigned char>(c) < ' ' || c == '\x7f') c = ' ';
    std::fprintf(stderr, "accemud: %s\n", line.c_str());
    return code;
}

void describe(CLI::App &app, CommandLine &line)
{
    app.set_version_flag("--version", std::string("accemud " ACC_VERSION));
    app.add_option("--config", line.config, "What to serve and to whom (accemud.toml(5))")
        ->type_name("FILE");
    app.add_option("--engine", line.engines,
                   "A device: crossbar, fpga or null, with options as :key=value,…; may be "
                   "repeated, and replaces the file's devices")
        ->type_name("SPEC")
        ->allow_extra_args(false);
    app.add_option("--socket", line.socket,
                   "Where clients connect (default: /run/acc/acc.sock, or acc/acc.sock in the "
                   "user's runtime folder)")
        ->type_name("PATH");
    app.add_option("--mode", line.mode, "The socket's permissions (default: 0660)")
        ->type_name("MODE");
    app.add_option("--group", line.group, "The socket's group: who may connect")->type_name("NAME");
    app.add_option("--privileged-group", line.privileged_group,
                   "Who, beside root, may reset devices, inject faults and use priority HIGH")
        ->type_name("NAME");
    app.add_option("--state-dir", line.state_dir, "Where non-volatile programs survive a restart")
        ->type_name("DIR");
    app.add_flag("--check-config", line.check, "Say whether all is well, and what would be served");
    app.add_option("--pci", line.pci,
                   "Serve the devices as PCI cards to a virtual machine through sockets in this "
                   "folder, and to no clients here (docs/daemon.md)")
        ->type_name("DIR");
    app.add_option("--log", line.log, "trace, debug, info (default), warn, error or off")
        ->type_name("LEVEL");
}

// The options win over the file. The problems, each one line.
std::vector<std::string> configure(const CLI::App &app, const CommandLine &line, Config &config)
{
    std::vector<std::string> problems;
    if (app.count("--config")) problems = read_config(line.config, config);
    const auto option = [&](const char *name, auto read) {
        std::string why;
        if (app.count(name) && !read(why)) problems.push_back(std::string(name) + ": " + why);
    };
    option("--socket", [&](std::string &why) {
        config.socket = line.socket;
        return check_socket_path(line.socket, why);
    });
    option("--mode", [&](std::string &why) { return parse_mode(line.mode, config.mode, why); });
    option("--group", [&](std::string &why) { return parse_group(line.group, config.group, why); });
    option("--privileged-group", [&](std::string &why) {
        return parse_group(line.privileged_group, config.privileged, why);
    });
    option("--state-dir", [&](std::string &why) {
        config.state_dir = line.state_dir;
        why = "expected a folder; found ''";
        return !line.state_dir.empty();
    });
    option("--log",
           [&](std::string &why) { return parse_log_level(line.log, config.log_level, why); });
    if (app.count("--engine")) {
        config.devices.clear();
        for (const std::string &spec : line.engines)
            config.devices.push_back({spec, "--engine " + quote(spec)});
    }
    if (config.devices.empty() && problems.empty())
        problems.push_back(app.count("--config")
                               ? line.config + ": expected at least one [[device]]; found none"
                               : "expected --config FILE or --engine SPEC; found neither");
    std::string why;
    if (problems.empty() && place_state(config, why) < 0) problems.push_back(why);
    return problems;
}

int complain_all(const std::vector<std::string> &problems, int code)
{
    for (const std::string &problem : problems)
        complain(problem, code);
    return code;
}

int check(const Config &config)
{
    if (const auto problems = check_devices(config); !problems.empty())
        return complain_all(problems, exit_failure);
    const std::string text = summary(config);
    if (std::fputs(text.c_str(), stdout) < 0 || std::fflush(stdout) != 0)
        return complain(std::string("stdout: ") + std::strerror(errno), exit_failure);
    return exit_ok;
}

// Every buffer that a client exports or imports is a descriptor for a while.
void raise_descriptor_limit(spdlog::logger &log)
{
    rlimit limit = {};
    if (getrlimit(RLIMIT_NOFILE, &limit) < 0) return;
    const rlim_t before = std::exchange(limit.rlim_cur, limit.rlim_max);
    if (setrlimit(RLIMIT_NOFILE, &limit) < 0)
        log.warn("descriptors: expected to raise the limit from {} to {}; found: {}", before,
                 limit.rlim_max, std::strerror(errno));
    else
        log.debug("descriptors: limit raised from {} to {}", before, limit.rlim_max);
}

emu::LogFunction log_to(std::shared_ptr<spdlog::logger> log)
{
    return [log = std::move(log)](int level, std::string_view text) {
        log->log(spdlog::level::level_enum(level), spdlog::string_view_t(text.data(), text.size()));
    };
}

emu::ServerOptions server_options(const Config &config, std::shared_ptr<spdlog::logger> log)
{
    emu::ServerOptions options;
    for (const DeviceEntry &device : config.devices)
        options.devices.push_back(spec_with_state(device));
    options.path = config.socket;
    options.mode = config.mode;
    options.group = config.group;
    options.privileged = config.privileged;
    options.quota = config.standard.quota;
    options.weight = config.standard.weight;
    for (const auto &[user, limits] : config.users) {
        options.quota_of[user] = limits.quota;
        options.weight_of[user] = limits.weight;
    }
    options.drain_ns = config.drain_ns;
    options.log = log_to(std::move(log));
    return options;
}

// Serves until a signal comes.
int run_server(emu::Server &server, Supervisor &supervisor, spdlog::logger &log,
               const std::string &status)
{
    supervisor.watch(server);
    log.info(status);
    notify_ready(status);
    const int error = server.run();
    supervisor.end();
    if (error < 0) {
        log.error("serving ended: {}", std::strerror(-error));
        return exit_failure;
    }
    log.info("stopped");
    return exit_ok;
}

int serve_cards(const std::string &folder, Config &config)
{
    const std::shared_ptr<spdlog::logger> log = make_logger(config.log_level);
    if (!log) return complain("out of memory", exit_failure);
    std::string why;
    auto supervisor = Supervisor::create(log, why);
    if (!supervisor || make_state(config, why) < 0) return complain(why, exit_failure);
    emu::PciOptions options;
    for (const DeviceEntry &device : config.devices)
        options.devices.push_back(spec_with_state(device));
    options.folder = folder;
    options.log = log_to(log);
    auto server = emu::create_pci_server(std::move(options), why);
    if (!server) {
        if (const auto problems = check_devices(config); !problems.empty())
            return complain_all(problems, exit_usage);
        return complain("--pci: " + why, exit_failure);
    }
    const std::string count = std::to_string(config.devices.size());
    return run_server(**server, **supervisor, *log,
                      "serving " + count +
                          (config.devices.size() == 1 ? " card at " : " cards at ") + folder);
}

int serve(const CLI::App &app, Config &config)
{
    const std::shared_ptr<spdlog::logger> log = make_logger(config.log_level);
    if (!log) return complain("out of memory", exit_failure);
    std::string why;
    // First, so that every thread that follows has the signals blocked.
    auto supervisor = Supervisor::create(log, why);
    if (!supervisor) return complain(why, exit_failure);
    raise_descriptor_limit(*log);

    auto listener = take_listener(why);
    if (!listener) return complain(why, exit_failure);
    const bool activated = bool(*listener);
    if (!activated && config.socket.empty()) {
        auto path = default_socket(std::getenv("XDG_RUNTIME_DIR"), why);
        if (!path) return complain(why, exit_failure);
        config.socket = *path;
    }
    if (activated && (app.count("--socket") || app.count("--mode") || app.count("--group")))
        log->warn("socket activation: expected no --socket, --mode or --group, which are the "
                  "socket unit's; they are ignored");

    if (make_state(config, why) < 0) return complain(why, exit_failure);
    emu::ServerOptions options = server_options(config, log);
    if (activated) options.path.clear();
    options.listener = std::move(*listener);
    auto server = emu::Server::create(std::move(options), why);
    if (!server) {
        // A wrong device is said with its place in the file.
        if (const auto problems = check_devices(config); !problems.empty())
            return complain_all(problems, exit_usage);
        return complain(why, exit_failure);
    }
    const std::string place = activated ? "the socket of socket activation" : config.socket;
    const std::string count = std::to_string(config.devices.size());
    const std::string status =
        "serving " + count + (config.devices.size() == 1 ? " device at " : " devices at ") + place;
    return run_server(**server, **supervisor, *log, status);
}

int run(int argc, char **argv)
{
    CLI::App app("Serves emulated accelerators to the processes of this machine.", "accemud");
    CommandLine line;
    describe(app, line);
    try {
        app.parse(argc, argv);
    } catch (const CLI::ParseError &error) {
        if (error.get_exit_code() == static_cast<int>(CLI::ExitCodes::Success))
            return app.exit(error); // --help, --version
        return complain(std::string(error.what()) + " (see accemud --help)", exit_usage);
    }
    Config config;
    const auto problems = configure(app, line, config);
    if (!problems.empty()) return complain_all(problems, line.check ? exit_failure : exit_usage);
    if (line.check) return check(config);
    if (!app.count("--pci")) return serve(app, config);
    for (const char *other : {"--socket", "--mode", "--group"})
        if (app.count(other))
            return complain(std::string("--pci: expected no ") + other + " beside it", exit_usage);
    return serve_cards(line.pci, config);
}

} // namespace

int main(int argc, char **argv)
{
    // Clients come and go with their threads; with an arena for each few of them the heap grows
    // for hours by what is free in another. Packets are served without it.
    (void)mallopt(M_ARENA_MAX, 1);
    // And a threshold of its own is not raised by what was freed: large blocks go back at once.
    (void)mallopt(M_MMAP_THRESHOLD, 64 << 10);
    // The parser, the log and standard containers throw; nothing else here does.
    try {
        return run(argc, argv);
    } catch (const std::bad_alloc &) {
        return complain("out of memory", exit_failure);
    } catch (const std::exception &error) {
        return complain(error.what(), exit_failure);
    }
}
