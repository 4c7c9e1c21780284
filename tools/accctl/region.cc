// SPDX-License-Identifier: MIT
//
// accctl region list|show|load|pin|evict|blank: the slots of a device, and why they hold what
// they hold.
#include "accctl.h"

#include <cerrno>
#include <cinttypes>
#include <csignal>
#include <cstdio>
#include <ctime>

namespace acc::ctl
{
namespace
{

struct RegionOptions {
    uint32_t region = 0;
    std::string file, kernel;
    double seconds = -1;
};

// False after printing why not.
bool read_slot(const Device &device, uint32_t index, acc_slot_info &slot)
{
    slot = ACC_INIT(acc_slot_info);
    const int error = acc_device_get_slot(device.get(), index, &slot);
    if (error == -ENOENT) {
        acc_device_info info = ACC_INIT(acc_device_info);
        (void)acc_device_get_info(device.get(), &info);
        fail("expected a region below " + std::to_string(info.slots) + "; found " +
             std::to_string(index));
    } else if (error) {
        fail_acc(acc_device_uri(device.get()));
    }
    return !error;
}

Json resources_json(const uint64_t (&amount)[4])
{
    return {{"luts", amount[0]}, {"ffs", amount[1]}, {"brams", amount[2]}, {"dsps", amount[3]}};
}

Json slot_json(const acc_slot_info &slot, uint32_t index)
{
    Json json = {{"region", index},          {"state", slot_state_name(slot.state)},
                 {"class", slot.class_id},   {"capacity", slot.capacity},
                 {"used", slot.used},        {"pins", slot.pins},
                 {"loads", slot.loads},      {"dispatches", slot.dispatches},
                 {"busy_ns", slot.busy_ns},  {"load_ns", slot.load_ns},
                 {"resident", slot.resident}};
    if (slot.resources[0]) { // an FPGA's
        json["resources"] = resources_json(slot.resources);
        json["resources_used"] = resources_json(slot.resources_used);
    }
    return json;
}

void print_head()
{
    printf("%6s %-9s %5s %9s %9s %4s %6s %10s %10s %10s  %s\n", "region", "state", "class",
           "capacity", "used", "pins", "loads", "dispatches", "busy", "loading", "resident");
}

void print_slot(const Json &s)
{
    printf("%6" PRIu64 " %-9s %5" PRIu64 " %9" PRIu64 " %9" PRIu64 " %4" PRIu64 " %6" PRIu64
           " %10" PRIu64 " %10s %10s  %s\n",
           number(s, "region"), s["state"].get<std::string>().c_str(), number(s, "class"),
           number(s, "capacity"), number(s, "used"), number(s, "pins"), number(s, "loads"),
           number(s, "dispatches"), time_text(number(s, "busy_ns")).c_str(),
           time_text(number(s, "load_ns")).c_str(),
           one_line(s["resident"].get<std::string>()).c_str());
}

int list_regions(const Context &context)
{
    const Device device = the_device(context, "region list");
    if (!device) return exit_failure;
    Json regions = Json::array();
    acc_slot_info slot = ACC_INIT(acc_slot_info);
    for (uint32_t i = 0; acc_device_get_slot(device.get(), i, &slot) == 0; i++) {
        regions.push_back(slot_json(slot, i));
        slot = ACC_INIT(acc_slot_info);
    }
    if (context.json)
        return print_json({{"uri", acc_device_uri(device.get())}, {"regions", regions}});
    print_head();
    for (const Json &region : regions)
        print_slot(region);
    return finish_output();
}

// The decisions about one region, the newest first. -errno.
int trace_json(const Device &device, uint32_t region, Json &decisions)
{
    uint64_t before = ~uint64_t{0}; // others may come while these are read
    for (uint32_t i = 0;; i++) {
        acc_trace_info t = ACC_INIT(acc_trace_info);
        const int error = acc_device_get_trace(device.get(), i, &t);
        if (error == -ENOENT) return 0;
        if (error) return error;
        if (t.sequence >= before) continue;
        before = t.sequence;
        // Who waits or is refused waits for any.
        if (t.slot != region && t.slot != UINT32_MAX) continue;
        decisions.push_back({{"sequence", t.sequence},
                             {"time_ns", t.time_ns},
                             {"what", acc_trace_kind_name(t.kind)},
                             {"why", acc_trace_reason_name(t.reason)},
                             {"client", t.client},
                             {"unit", t.unit},
                             {"victim", t.victim},
                             {"victim_client", t.victim_client},
                             {"waiting", t.waiting},
                             {"load_ns", t.load_ns},
                             {"value_ns", t.value_ns},
                             {"waited_ns", t.waited_ns}});
    }
}

int show_region(const Context &context, const RegionOptions &options)
{
    const Device device = the_device(context, "region show");
    acc_slot_info slot;
    if (!device || !read_slot(device, options.region, slot)) return exit_failure;
    Json json = slot_json(slot, options.region);
    Json decisions = Json::array();
    const int error = trace_json(device, options.region, decisions);
    if (error && error != -EOPNOTSUPP) return fail_acc(acc_device_uri(device.get()));
    json["decisions"] = std::move(decisions);
    if (context.json) return print_json(json);
    print_head();
    print_slot(json);
    if (json.contains("resources")) {
        printf("\n%-9s %9s %9s\n", "resource", "has", "used");
        for (const auto &[key, name] :
             {std::pair("luts", "LUTs"), {"ffs", "FFs"}, {"brams", "BRAMs"}, {"dsps", "DSPs"}})
            printf("%-9s %9" PRIu64 " %9" PRIu64 "\n", name, number(json["resources"], key),
                   number(json["resources_used"], key));
    }
    if (error) printf("\nthe device does not trace its decisions\n");
    if (json["decisions"].empty()) return finish_output();
    printf("\n%8s %-9s %-13s %7s %10s %10s  %s\n", "decision", "what", "why", "client", "waited",
           "load", "unit");
    for (const Json &d : json["decisions"]) {
        std::string unit = one_line(d["unit"].get<std::string>());
        if (const std::string victim = d["victim"]; !victim.empty())
            unit += " over " + one_line(victim) + ", worth " + time_text(number(d, "value_ns"));
        printf("%8" PRIu64 " %-9s %-13s %7" PRIu64 " %10s %10s  %s\n", number(d, "sequence"),
               d["what"].get<std::string>().c_str(), d["why"].get<std::string>().c_str(),
               number(d, "client"), time_text(number(d, "waited_ns")).c_str(),
               time_text(number(d, "load_ns")).c_str(), unit.c_str());
    }
    return finish_output();
}

// Until SIGINT or SIGTERM, or for so many seconds: what is loaded is this command's.
void hold(double seconds)
{
    sigset_t ends;
    sigemptyset(&ends);
    sigaddset(&ends, SIGINT);
    sigaddset(&ends, SIGTERM);
    sigprocmask(SIG_BLOCK, &ends, nullptr);
    if (seconds < 0) {
        int which = 0;
        sigwait(&ends, &which);
        return;
    }
    timespec time = {};
    time.tv_sec = static_cast<time_t>(seconds);
    time.tv_nsec = static_cast<long>((seconds - static_cast<double>(time.tv_sec)) * 1e9);
    sigtimedwait(&ends, nullptr, &time);
}

// Loads the units of a program, or pins them; tells where they are.
int load(const Context &context, const RegionOptions &options, bool pin)
{
    const Device device = the_device(context, pin ? "region pin" : "region load");
    std::vector<std::byte> image;
    if (!device || !read_file(options.file, image)) return exit_failure;
    acc_program *made = nullptr;
    if (acc_program_load(device.get(), image.data(), image.size(), &made) < 0)
        return fail_acc(options.file);
    const Program program(made);
    uint32_t kernel = ACC_ALL_KERNELS;
    if (!options.kernel.empty()) {
        acc_kernel_info info = ACC_INIT(acc_kernel_info);
        if (acc_program_find(made, options.kernel.c_str(), &info) < 0)
            return fail_acc(options.file);
        kernel = info.index;
    }
    if ((pin ? acc_program_pin(made, kernel) : acc_program_prefetch(made, kernel)) < 0)
        return fail_acc(options.file);
    Json kernels = Json::array();
    bool resident = false;
    for (uint32_t i = 0; i < acc_program_kernels(made); i++) {
        acc_kernel_info info = ACC_INIT(acc_kernel_info);
        if (acc_program_kernel(made, i, &info) < 0) return fail_acc(options.file);
        if (kernel != ACC_ALL_KERNELS && i != kernel) continue;
        Json line = {{"kernel", info.name}, {"pinned", info.pinned != 0}, {"loads", info.loads}};
        line["region"] = info.slot == UINT32_MAX ? Json() : Json(info.slot);
        resident |= info.slot != UINT32_MAX;
        kernels.push_back(std::move(line));
    }
    if (context.json) {
        if (const int code = print_json({{"file", options.file}, {"kernels", kernels}}))
            return code;
    } else {
        for (const Json &line : kernels)
            printf("%-32s %s%s\n", one_line(line["kernel"].get<std::string>()).c_str(),
                   line["region"].is_null()
                       ? "not resident"
                       : ("region " + std::to_string(line["region"].get<uint64_t>())).c_str(),
                   line["pinned"].get<bool>() ? ", pinned" : "");
        if (const int code = finish_output()) return code;
    }
    fflush(stdout);
    if (!resident) return fail(options.file + ": expected a region that is free; found none");
    hold(options.seconds);
    return exit_ok;
}

int empty(const Context &context, const RegionOptions &options, bool blank)
{
    const Device device = the_device(context, blank ? "region blank" : "region evict");
    acc_slot_info slot;
    if (!device || !read_slot(device, options.region, slot)) return exit_failure;
    const std::string which = "region " + std::to_string(options.region);
    if (!blank) {
        if (slot.pins)
            return fail(which + ": expected no pins; found " + std::to_string(slot.pins) +
                        " (blank ends them)");
        if (slot.state == slot_empty || slot.state == slot_fault)
            return fail(which + ": expected something resident; found it " +
                        slot_state_name(slot.state));
    }
    if (acc_device_reset_slot(device.get(), options.region) < 0) return fail_acc(which);
    if (!read_slot(device, options.region, slot)) return exit_failure;
    if (context.json) return print_json(slot_json(slot, options.region));
    printf("%s: %s\n", which.c_str(), slot_state_name(slot.state));
    return finish_output();
}

} // namespace

void add_region_commands(CLI::App &app, Context &context)
{
    CLI::App *region =
        app.add_subcommand("region", "Regions (slots): what is where and why, and changes of it");
    region->require_subcommand(1);
    const auto add = [&](const char *name, const char *help,
                         int (*run)(const Context &, const RegionOptions &), bool of_region,
                         bool of_file) {
        CLI::App *command = region->add_subcommand(name, help);
        auto options = std::make_shared<RegionOptions>();
        if (of_region)
            command->add_option("REGION", options->region, "Number, from region list")->required();
        if (of_file) {
            command->add_option("FILE", options->file, "A program, .accx")
                ->required()
                ->type_name("");
            command
                ->add_option("--kernel", options->kernel, "The unit of this kernel (default: all)")
                ->type_name("NAME");
            command
                ->add_option("--seconds", options->seconds,
                             "How long the program stays (default: until SIGINT or SIGTERM)")
                ->type_name("S")
                ->check(CLI::Range(0.0, 1e6));
        }
        command->callback([&context, options, run] {
            context.command = [&context, options, run] { return run(context, *options); };
        });
    };
    add(
        "list", "Every region",
        [](const Context &c, const RegionOptions &) { return list_regions(c); }, false, false);
    add("show", "A region, and every decision about it that is kept, the newest first", show_region,
        true, false);
    add(
        "load", "Loads a program's units, as a hint, and holds it",
        [](const Context &c, const RegionOptions &o) { return load(c, o, false); }, false, true);
    add(
        "pin", "Loads and pins a program's units, and holds it",
        [](const Context &c, const RegionOptions &o) { return load(c, o, true); }, false, true);
    add(
        "evict", "Empties a region that holds an unpinned unit",
        [](const Context &c, const RegionOptions &o) { return empty(c, o, false); }, true, false);
    add(
        "blank", "Empties a region whatever it holds; ends its pins and its fault",
        [](const Context &c, const RegionOptions &o) { return empty(c, o, true); }, true, false);
}

} // namespace acc::ctl
