// SPDX-License-Identifier: MIT
//
// accctl client list|show
#include "accctl.h"

#include <cerrno>
#include <cinttypes>
#include <cstdio>
#include <unistd.h>

namespace acc::ctl
{
namespace
{

Json client_json(const acc_client_info &client, bool self)
{
    return {{"client", client.client},
            {"pid", client.pid},
            {"uid", client.uid},
            {"name", client.name},
            {"self", self},
            {"weight", client.weight},
            {"bytes", client.bytes},
            {"buffers", client.buffers},
            {"queues", client.queues},
            {"programs", client.programs},
            {"pins", client.pins},
            {"packets", client.packets},
            {"dispatches", client.dispatches},
            {"busy_ns", client.busy_ns},
            {"modelled_ns", client.modelled_ns},
            {"energy_pj", client.energy_pj}};
}

// All that this open may see, its own among them. False after printing why not.
bool clients_json(const Device &device, Json &clients)
{
    clients = Json::array();
    for (uint32_t index = 0;; ++index) {
        acc_client_info client = ACC_INIT(acc_client_info);
        const int error = acc_device_get_client(device.get(), index, &client);
        if (error == -ENOENT) return true;
        if (error < 0) {
            fail_acc(acc_device_uri(device.get()));
            return false;
        }
        // An open of this process is this command's: it makes one.
        clients.push_back(client_json(client, client.pid == static_cast<uint32_t>(getpid())));
    }
}

void print_list(const Json &clients)
{
    printf("%6s %8s %8s %6s %10s %6s %10s %10s  %s\n", "client", "pid", "uid", "weight", "memory",
           "queues", "packets", "busy", "name");
    for (const Json &client : clients)
        printf("%6" PRIu64 " %8" PRIu64 " %8" PRIu64 " %6" PRIu64 " %10s %6" PRIu64 " %10" PRIu64
               " %10s  %s%s\n",
               number(client, "client"), number(client, "pid"), number(client, "uid"),
               number(client, "weight"), bytes_text(number(client, "bytes")).c_str(),
               number(client, "queues"), number(client, "packets"),
               time_text(number(client, "busy_ns")).c_str(),
               one_line(client["name"].get<std::string>()).c_str(),
               client["self"].get<bool>() ? " (this command)" : "");
}

void print_client(const Json &client)
{
    printf("%-14s %" PRIu64 "%s\n", "client", number(client, "client"),
           client["self"].get<bool>() ? " (this command)" : "");
    printf("%-14s %s, pid %" PRIu64 ", uid %" PRIu64 "\n", "process",
           one_line(client["name"].get<std::string>()).c_str(), number(client, "pid"),
           number(client, "uid"));
    printf("%-14s %" PRIu64 "\n", "weight", number(client, "weight"));
    printf("%-14s %s in %" PRIu64 " buffers\n", "memory",
           bytes_text(number(client, "bytes")).c_str(), number(client, "buffers"));
    printf("%-14s %" PRIu64 " queues, %" PRIu64 " programs, %" PRIu64 " pins\n", "holds",
           number(client, "queues"), number(client, "programs"), number(client, "pins"));
    printf("%-14s %" PRIu64 " packets, %" PRIu64 " dispatches\n", "work", number(client, "packets"),
           number(client, "dispatches"));
    printf("%-14s busy %s; modelled %s and %s\n", "time",
           time_text(number(client, "busy_ns")).c_str(),
           time_text(number(client, "modelled_ns")).c_str(),
           energy_text(number(client, "energy_pj")).c_str());
}

// Opens the one device and reads its clients. False after printing why not.
bool read_clients(const Context &context, const char *command, Device &device, Json &clients,
                  int &code)
{
    if (context.devices.size() > 1) {
        fail(std::string(command) + ": expected one --device; found " +
             std::to_string(context.devices.size()));
        code = exit_usage;
        return false;
    }
    code = exit_failure;
    device = open_device(context.devices.empty() ? "" : context.devices[0]);
    return device && clients_json(device, clients);
}

int list_clients(const Context &context)
{
    Device device;
    Json clients;
    int code = exit_ok;
    if (!read_clients(context, "client list", device, clients, code)) return code;
    if (context.json)
        return print_json({{"uri", acc_device_uri(device.get())}, {"clients", clients}});
    print_list(clients);
    return finish_output();
}

int show_client(const Context &context, uint64_t id)
{
    Device device;
    Json clients;
    int code = exit_ok;
    if (!read_clients(context, "client show", device, clients, code)) return code;
    for (Json &client : clients) {
        if (number(client, "client") != id) continue;
        client["uri"] = acc_device_uri(device.get());
        if (context.json) return print_json(client);
        print_client(client);
        return finish_output();
    }
    return fail("client show: expected one of " + std::to_string(clients.size()) +
                " clients that client list names; found " + std::to_string(id));
}

} // namespace

void add_client_commands(CLI::App &app, Context &context)
{
    CLI::App *client = app.add_subcommand("client", "List and show who has a device open");
    client->require_subcommand(1);
    CLI::App *list_command =
        client->add_subcommand("list", "Every open of the device that may be seen: who, how much");
    list_command->callback(
        [&context] { context.command = [&context] { return list_clients(context); }; });
    CLI::App *show_command = client->add_subcommand("show", "One of them");
    auto id = std::make_shared<uint64_t>(0);
    show_command->add_option("ID", *id, "Number of the client, from client list")->required();
    show_command->callback(
        [&context, id] { context.command = [&context, id] { return show_client(context, *id); }; });
}

} // namespace acc::ctl
