// SPDX-License-Identifier: MIT
//
// accctl device list|show
#include "accctl.h"
#include "fidelity.h"

#include <array>
#include <cinttypes>
#include <cstdio>

namespace acc::ctl
{
namespace
{

// drm/acc_drm.h has the bits; this tool speaks of libacc's devices only.
constexpr std::array<const char *, 8> feature_names = {
    "atomics", "emulated", "modelled", "pace-real", "scatter", "userptr", "persistent", "trace"};

Json features_json(uint64_t features)
{
    Json names = Json::array();
    for (size_t bit = 0; bit < feature_names.size(); ++bit)
        if (features >> bit & 1) names.push_back(feature_names[bit]);
    return names;
}

std::string hex(const uint8_t *bytes, size_t count)
{
    std::string text;
    for (size_t i = 0; i < count; ++i) {
        std::array<char, 3> two = {};
        snprintf(two.data(), two.size(), "%02x", bytes[i]);
        text += two.data();
    }
    return text;
}

bool device_info(const Device &device, acc_device_info &info)
{
    info = ACC_INIT(acc_device_info);
    return acc_device_get_info(device.get(), &info) == 0;
}

// One line of `device list`: what it is, or why it can't be opened.
Json list_entry(const std::string &uri)
{
    acc_device *opened = nullptr;
    if (acc_device_open(uri.c_str(), nullptr, &opened) < 0)
        return {{"uri", uri}, {"error", one_line(acc_error_text())}};
    const Device device(opened);
    acc_device_info info;
    if (!device_info(device, info)) return {{"uri", uri}, {"error", one_line(acc_error_text())}};
    return {
        {"uri", uri},          {"engine", engine_name(info.engine)},       {"name", info.name},
        {"slots", info.slots}, {"features", features_json(info.features)}, {"config", info.config}};
}

int list_devices(const Context &context)
{
    std::vector<std::string> uris = context.devices;
    if (uris.empty()) {
        const auto collect = [](void *user, const char *uri) {
            static_cast<std::vector<std::string> *>(user)->emplace_back(uri);
            return 0;
        };
        if (acc_device_list(collect, &uris) < 0) return fail_acc("cannot list devices");
    }
    Json devices = Json::array();
    for (const std::string &uri : uris)
        devices.push_back(list_entry(uri));
    if (context.json) return print_json({{"devices", devices}});

    if (devices.empty()) printf("no device\n");
    for (const Json &device : devices) {
        const std::string uri = device["uri"];
        if (device.contains("error"))
            printf("%-24s %s\n", uri.c_str(), device["error"].get<std::string>().c_str());
        else
            printf("%-24s %-9s %3u slots  %s\n", uri.c_str(),
                   device["engine"].get<std::string>().c_str(), device["slots"].get<unsigned>(),
                   device["name"].get<std::string>().c_str());
    }
    return finish_output();
}

Json slots_json(const Device &device)
{
    Json slots = Json::array();
    acc_slot_info slot = ACC_INIT(acc_slot_info);
    for (uint32_t index = 0; acc_device_get_slot(device.get(), index, &slot) == 0; ++index) {
        slots.push_back({{"slot", index},
                         {"state", slot_state_name(slot.state)},
                         {"class", slot.class_id},
                         {"capacity", slot.capacity},
                         {"used", slot.used},
                         {"pins", slot.pins},
                         {"loads", slot.loads},
                         {"dispatches", slot.dispatches},
                         {"busy_ns", slot.busy_ns},
                         {"load_ns", slot.load_ns},
                         {"resident", slot.resident}});
        slot = ACC_INIT(acc_slot_info);
    }
    return slots;
}

Json faults_json(const Device &device)
{
    Json faults = Json::array();
    acc_fault_info fault = ACC_INIT(acc_fault_info);
    for (uint32_t index = 0; acc_device_get_fault(device.get(), index, &fault) == 0; ++index) {
        faults.push_back({{"sequence", fault.sequence},
                          {"time_ns", fault.time_ns},
                          {"queue", fault.queue},
                          {"code", acc_status_name(fault.code)},
                          {"packet", fault.packet_index},
                          {"address", fault.address},
                          {"kernel", fault.kernel},
                          {"text", fault.text}});
        fault = ACC_INIT(acc_fault_info);
    }
    return faults;
}

// Reads the device's clock with a barrier packet, between two readings of the host's.
Json clock_json(const Device &device)
{
    const auto refuse = [] { return Json{{"error", one_line(acc_error_text())}}; };
    acc_queue_options options = ACC_INIT(acc_queue_options);
    options.packets = 64;
    acc_queue *queue_handle = nullptr;
    if (acc_queue_create(device.get(), &options, &queue_handle) < 0) return refuse();
    const Queue queue(queue_handle);
    acc_device *const handle = device.get();
    acc_signal *signal_handle = nullptr;
    if (acc_signal_create(&handle, 1, 1, &signal_handle) < 0) return refuse();
    const Signal signal(signal_handle);

    const uint64_t before = acc_deadline(0);
    if (acc_queue_barrier(queue.get(), nullptr, 0, signal.get()) < 0 ||
        acc_signal_wait(signal.get(), ACC_COND_EQ, 0, acc_deadline(2'000'000'000), nullptr) < 0)
        return refuse();
    const uint64_t after = acc_deadline(0);
    acc_signal_result result = ACC_INIT(acc_signal_result);
    if (acc_signal_get_result(signal.get(), &result) < 0) return refuse();
    return {{"host_before_ns", before},
            {"device_ns", result.end_ns},
            {"host_after_ns", after},
            {"modelled_ns", result.modelled_ns},
            {"one_domain", before <= result.start_ns && result.start_ns <= result.end_ns &&
                               result.end_ns <= after}};
}

Json host_json()
{
    acc_topology_info host = ACC_INIT(acc_topology_info);
    if (acc_topology_get(&host) < 0) return {{"error", one_line(acc_error_text())}};
    return {{"processor", host.processor},
            {"packages", host.packages},
            {"numa_nodes", host.numa_nodes},
            {"cores", host.cores},
            {"processing_units", host.processing_units},
            {"memory_bytes", host.memory_bytes},
            {"cache_line", host.cache_line}};
}

void print_list(const char *title, const Json &lines)
{
    const char *head = title;
    for (const Json &line : lines) {
        printf("%-14s %s\n", head, line.get<std::string>().c_str());
        head = "";
    }
}

void print_device(const Json &d)
{
    const auto text = [&](const char *key) { return d[key].get<std::string>(); };
    const Json &limits = d["limits"];
    const auto number = [](const Json &from, const char *key) { return from[key].get<uint64_t>(); };

    printf("%-14s %s\n", "device", text("uri").c_str());
    printf("%-14s %s, engine %s\n", "name", text("name").c_str(), text("engine").c_str());
    printf("%-14s %s\n", "config", text("config").c_str());
    printf("%-14s %s; shell %s\n", "abi", text("abi").c_str(), text("shell").c_str());
    std::string features;
    for (const Json &feature : d["features"])
        features += (features.empty() ? "" : ", ") + feature.get<std::string>();
    printf("%-14s %s\n", "features", features.c_str());
    printf("%-14s %" PRIu64 " queues (%" PRIu64 " at once), rings to %" PRIu64
           " packets, buffers to %s\n",
           "limits", number(limits, "queues"), number(limits, "active_queues"),
           number(limits, "ring_packets"), bytes_text(number(limits, "buffer_bytes")).c_str());
    printf("%-14s 0x%" PRIx64 " to 0x%" PRIx64 ", pages of %s\n", "addresses",
           number(limits, "va_start"), number(limits, "va_end"),
           bytes_text(number(limits, "page_size")).c_str());
    print_list("modelled", d["modelled"]);
    print_list("not modelled", d["not_modelled"]);

    printf("%-14s slot state    capacity     used  pins  loads dispatches resident\n", "slots");
    for (const Json &slot : d["slots"])
        printf("%-14s %4" PRIu64 " %-8s %8" PRIu64 " %8" PRIu64 " %5" PRIu64 " %6" PRIu64
               " %10" PRIu64 " %s\n",
               "", number(slot, "slot"), slot["state"].get<std::string>().c_str(),
               number(slot, "capacity"), number(slot, "used"), number(slot, "pins"),
               number(slot, "loads"), number(slot, "dispatches"),
               slot["resident"].get<std::string>().c_str());

    const Json &c = d["counters"];
    printf("%-14s %" PRIu64 " packets, %" PRIu64 " dispatches, %" PRIu64 " faults, %" PRIu64
           " loads, %" PRIu64 " evictions\n",
           "counters", number(c, "packets"), number(c, "dispatches"), number(c, "faults"),
           number(c, "loads"), number(c, "evictions"));
    printf("%-14s busy %s; modelled %s and %s, loads %s and %s\n", "",
           time_text(number(c, "busy_ns")).c_str(), time_text(number(c, "modelled_ns")).c_str(),
           energy_text(number(c, "energy_pj")).c_str(), time_text(number(c, "load_ns")).c_str(),
           energy_text(number(c, "load_energy_pj")).c_str());
    printf("%-14s read %s, wrote %s, %" PRIu64 " array activations, %" PRIu64 " saturations\n", "",
           bytes_text(number(c, "bytes_read")).c_str(),
           bytes_text(number(c, "bytes_written")).c_str(), number(c, "mvms"),
           number(c, "saturations"));

    const Json &clock = d["clock"];
    if (clock.contains("error"))
        printf("%-14s %s\n", "clock", clock["error"].get<std::string>().c_str());
    else
        printf("%-14s device %" PRIu64 " ns, %s; modelled %" PRIu64 " ns\n", "clock",
               number(clock, "device_ns"),
               clock["one_domain"].get<bool>() ? "CLOCK_MONOTONIC" : "a clock of its own",
               number(clock, "modelled_ns"));
    if (d["faults"].empty()) printf("%-14s none of this open\n", "faults");
    for (const Json &fault : d["faults"])
        printf("%-14s %s at packet %" PRIu64 " of queue %" PRIu64 ": %s\n", "fault",
               fault["code"].get<std::string>().c_str(), number(fault, "packet"),
               number(fault, "queue"), fault["text"].get<std::string>().c_str());
    const Json &host = d["host"];
    if (!host.contains("error"))
        printf("%-14s %s, %" PRIu64 " cores, %s\n", "host",
               host["processor"].get<std::string>().c_str(), number(host, "cores"),
               bytes_text(number(host, "memory_bytes")).c_str());
}

int show_device(const Context &context, const std::string &uri)
{
    const Device device = open_device(uri);
    if (!device) return exit_failure;
    acc_device_info info;
    if (!device_info(device, info)) return fail_acc(acc_device_uri(device.get()));

    // First, so that the counters say what was before this command.
    acc_device_counters counters = ACC_INIT(acc_device_counters);
    if (acc_device_get_counters(device.get(), &counters) < 0)
        return fail_acc(acc_device_uri(device.get()));
    const Fidelity fidelity = fidelity_of(info);
    const Json json = {
        {"uri", acc_device_uri(device.get())},
        {"engine", engine_name(info.engine)},
        {"name", info.name},
        {"config", info.config},
        {"abi", std::to_string(info.abi_major) + "." + std::to_string(info.abi_minor)},
        {"vendor_id", info.vendor_id},
        {"device_id", info.device_id},
        {"shell", hex(info.uuid, sizeof(info.uuid))},
        {"features", features_json(info.features)},
        {"limits",
         {{"queues", info.max_queues},
          {"active_queues", info.max_active_queues},
          {"ring_packets", info.max_ring_packets},
          {"buffer_bytes", info.max_buffer_bytes},
          {"va_start", info.va_start},
          {"va_end", info.va_end},
          {"page_size", info.page_size}}},
        {"modelled", fidelity.modelled},
        {"not_modelled", fidelity.not_modelled},
        {"slots", slots_json(device)},
        {"counters", counters_json(counters)},
        {"clock", clock_json(device)},
        {"faults", faults_json(device)},
        {"host", host_json()},
    };
    if (context.json) return print_json(json);
    print_device(json);
    return finish_output();
}

} // namespace

void add_device_commands(CLI::App &app, Context &context)
{
    CLI::App *device = app.add_subcommand("device", "List and show devices");
    device->require_subcommand(1);
    CLI::App *list_command = device->add_subcommand("list", "Every device that can be opened here");
    list_command->callback(
        [&context] { context.command = [&context] { return list_devices(context); }; });
    CLI::App *show_command = device->add_subcommand(
        "show",
        "A device: what is modelled and what isn't, slots, counters, limits, clock, faults");
    show_command->callback([&context] {
        context.command = [&context] {
            if (context.devices.size() > 1) {
                fail("device show: expected one --device; found " +
                     std::to_string(context.devices.size()));
                return static_cast<int>(exit_usage);
            }
            return show_device(context, context.devices.empty() ? "" : context.devices[0]);
        };
    });
}

} // namespace acc::ctl
