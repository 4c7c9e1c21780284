// SPDX-License-Identifier: MIT
#include "emulator/accemud/check.h"

#include "emulator/accemud/place.h"
#include "emulator/accemud/values.h"
#include "emulator/emulator.h"

#include <spdlog/common.h>
#include <spdlog/fmt/fmt.h>

#include <array>
#include <string_view>

namespace acc::daemon
{
namespace
{

std::string bytes_text(uint64_t bytes)
{
    constexpr std::array<std::string_view, 5> units = {"B", "KiB", "MiB", "GiB", "TiB"};
    size_t unit = 0;
    for (; unit + 1 < units.size() && bytes && bytes % 1024 == 0; ++unit)
        bytes /= 1024;
    return std::to_string(bytes) + " " + std::string(units[unit]);
}

std::string limits_text(const Limits &limits)
{
    const auto quota = limits.quota;
    const std::array<std::pair<const char *, uint64_t>, 5> counts = {{{"buffers", quota.buffers},
                                                                      {"queues", quota.queues},
                                                                      {"programs", quota.programs},
                                                                      {"pins", quota.pins},
                                                                      {"clients", quota.clients}}};
    std::string text = "weight " + std::to_string(limits.weight);
    if (quota.bytes) text += ", " + bytes_text(quota.bytes);
    for (const auto &[name, count] : counts)
        if (count) text += ", " + std::to_string(count) + " " + name;
    return text;
}

} // namespace

std::vector<std::string> check_devices(const Config &config)
{
    std::vector<std::string> problems;
    for (const DeviceEntry &device : config.devices) {
        std::string why = emu::Emulator::why_not_served(device.spec);
        if (!why.empty() || !emu::Emulator::create(device.spec, why))
            problems.push_back(device.where + ": " + why);
    }
    return problems;
}

std::string summary(const Config &config)
{
    std::string text;
    const auto line = [&](const std::string &name, const std::string &value) {
        text += fmt::format("{:<18}{}\n", name, value);
    };
    line("socket", (config.socket.empty() ? std::string(system_folder) + socket_name + ", or acc" +
                                                socket_name + " in XDG_RUNTIME_DIR"
                                          : config.socket) +
                       fmt::format(", mode {:04o}", config.mode) +
                       (config.group ? ", group " + group_name(*config.group) : ""));
    line("privileged",
         config.privileged ? "root, group " + group_name(*config.privileged) : "root");
    for (size_t i = 0; i < config.devices.size(); ++i)
        line("device " + std::to_string(i), config.devices[i].spec);
    line("default", limits_text(config.standard));
    for (const auto &[user, limits] : config.users)
        line("uid " + std::to_string(user), limits_text(limits));
    line("drain", std::to_string(config.drain_ns / 1'000'000) + " ms");
    line("state-dir", config.state_dir.empty() ? "none" : config.state_dir);
    const auto level = spdlog::level::to_string_view(spdlog::level::level_enum(config.log_level));
    line("log", std::string(level.data(), level.size()));
    return text;
}

} // namespace acc::daemon
