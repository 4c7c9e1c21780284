// SPDX-License-Identifier: MIT
//
// accctl tile stats|age|picture: what the tiles of a crossbar have been through, and its clock.
#include "tile.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cinttypes>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <span>
#include <utility>

namespace acc::ctl
{
namespace
{

struct TileOptions {
    bool all = false;
    std::string duration;
};

struct Member {
    const char *name;
    uint64_t acc_tile_info::*value;
};
constexpr Member kCounts[] = {
    {"arrays", &acc_tile_info::arrays},
    {"arrays_used", &acc_tile_info::arrays_used},
    {"activations", &acc_tile_info::activations},
    {"conversions", &acc_tile_info::conversions},
    {"clipped", &acc_tile_info::clipped},
    {"instructions", &acc_tile_info::instructions},
    {"row_pulses", &acc_tile_info::row_pulses},
    {"stuck_cells", &acc_tile_info::stuck_cells},
    {"failed_cells", &acc_tile_info::failed_cells},
};
// Of several tiles the most, not the sum.
constexpr Member kExtremes[] = {
    {"programmings", &acc_tile_info::programmings},
    {"most_row_pulses", &acc_tile_info::most_row_pulses},
    {"age_ns", &acc_tile_info::age_ns},
};
constexpr Member kTimes[] = {
    {"mvm", &acc_tile_info::mvm_ns},       {"vector", &acc_tile_info::vector_ns},
    {"access", &acc_tile_info::access_ns}, {"network", &acc_tile_info::network_ns},
    {"stall", &acc_tile_info::stall_ns},   {"program", &acc_tile_info::program_ns},
};
constexpr Member kEnergies[] = {
    {"adc", &acc_tile_info::adc_pj},
    {"cells", &acc_tile_info::cells_pj},
    {"periphery", &acc_tile_info::periphery_pj},
    {"core", &acc_tile_info::core_pj},
    {"memory", &acc_tile_info::memory_pj},
    {"network", &acc_tile_info::network_pj},
    {"static", &acc_tile_info::static_pj},
    {"program", &acc_tile_info::program_pj},
};

void add(acc_tile_info &total, const acc_tile_info &tile)
{
    const auto sum = [&](const auto &members) {
        for (const Member &m : members)
            total.*m.value += tile.*m.value;
    };
    sum(kCounts);
    sum(kTimes);
    sum(kEnergies);
    for (const Member &m : kExtremes)
        total.*m.value = std::max(total.*m.value, tile.*m.value);
}

Json json_of(const acc_tile_info &tile)
{
    Json json;
    for (const Member &m : kCounts)
        json[m.name] = tile.*m.value;
    for (const Member &m : kExtremes)
        json[m.name] = tile.*m.value;
    Json times, energies;
    for (const Member &m : kTimes)
        times[m.name] = tile.*m.value;
    for (const Member &m : kEnergies)
        energies[m.name] = tile.*m.value;
    json["ns"] = std::move(times);
    json["pj"] = std::move(energies);
    return json;
}

uint64_t energy_of(const acc_tile_info &tile)
{
    uint64_t pj = 0;
    for (const Member &m : kEnergies)
        pj += tile.*m.value;
    return pj;
}

bool has_done_anything(const acc_tile_info &tile)
{
    return tile.arrays_used || tile.activations || tile.row_pulses || energy_of(tile);
}

void print_parts(const char *what, const acc_tile_info &total, std::span<const Member> members,
                 std::string (*text)(uint64_t))
{
    uint64_t sum = 0;
    for (const Member &m : members)
        sum += total.*m.value;
    printf("%s:", what);
    for (const Member &m : members)
        printf(" %s %s (%.1f%%)%s", m.name, text(total.*m.value).c_str(),
               sum ? 100.0 * static_cast<double>(total.*m.value) / static_cast<double>(sum) : 0.0,
               &m == &members.back() ? "\n" : ",");
}

int stats(const Context &context, const TileOptions &options)
{
    const Device device = the_device(context, "tile stats");
    if (!device) return exit_failure;
    std::vector<acc_tile_info> tiles;
    acc_tile_info tile = ACC_INIT(acc_tile_info), total = {};
    int error = 0;
    for (uint32_t i = 0; (error = acc_device_get_tile(device.get(), i, &tile)) == 0; i++) {
        tiles.push_back(tile);
        add(total, tile);
        tile = ACC_INIT(acc_tile_info);
    }
    if (error != -ENOENT) return fail_acc(acc_device_uri(device.get()));
    if (context.json) {
        Json list = Json::array();
        for (const acc_tile_info &t : tiles) {
            Json json = {{"slot", t.slot}, {"tile", t.tile}};
            json.update(json_of(t));
            list.push_back(std::move(json));
        }
        return print_json({{"uri", acc_device_uri(device.get())},
                           {"tiles", std::move(list)},
                           {"total", json_of(total)}});
    }
    printf("%4s %4s %11s %12s %12s %9s %7s %9s %6s %6s %9s %10s %10s\n", "slot", "tile",
           "arrays used", "activations", "conversions", "clipped", "written", "worst row", "stuck",
           "failed", "age", "busy", "energy");
    size_t shown = 0;
    for (const acc_tile_info &t : tiles) {
        if (!options.all && !has_done_anything(t)) continue;
        shown++;
        printf("%4" PRIu32 " %4" PRIu32 " %5" PRIu64 "/%-5" PRIu64 " %12" PRIu64 " %12" PRIu64
               " %8.3f%% %7" PRIu64 " %9" PRIu64 " %6" PRIu64 " %6" PRIu64 " %9s %10s %10s\n",
               t.slot, t.tile, t.arrays_used, t.arrays, t.activations, t.conversions,
               t.conversions
                   ? 100.0 * static_cast<double>(t.clipped) / static_cast<double>(t.conversions)
                   : 0.0,
               t.programmings, t.most_row_pulses, t.stuck_cells, t.failed_cells,
               time_text(t.age_ns).c_str(), time_text(t.mvm_ns + t.vector_ns).c_str(),
               energy_text(energy_of(t)).c_str());
    }
    printf("%zu of %zu tiles%s\n", shown, tiles.size(),
           shown < tiles.size() ? "; the others have held and done nothing (--all shows them)"
                                : "");
    print_parts("energy", total, kEnergies, energy_text);
    print_parts("time, of what works side by side", total, kTimes, time_text);
    return finish_output();
}

int age(const Context &context, const TileOptions &options)
{
    uint64_t ns = 0;
    std::string why;
    if (!parse_duration(options.duration, ns, why)) return fail("tile age: " + why), exit_usage;
    const Device device = the_device(context, "tile age");
    if (!device) return exit_failure;
    const std::string uri = acc_device_uri(device.get());
    if (uri.starts_with("inproc:"))
        return fail(uri + ": expected a device that lives on when accctl ends; found one of this "
                          "process (its option age=SECONDS does the same from the start)");
    if (acc_device_age(device.get(), ns) < 0) return fail_acc("tile age");
    if (context.json) return print_json({{"uri", uri}, {"advanced_ns", ns}});
    printf("%s: cells are %s older\n", uri.c_str(), time_text(ns).c_str());
    return finish_output();
}

} // namespace

bool parse_duration(const std::string &text, uint64_t &ns, std::string &why)
{
    constexpr std::array<std::pair<const char *, double>, 9> units = {{{"ns", 1},
                                                                       {"us", 1e3},
                                                                       {"ms", 1e6},
                                                                       {"s", 1e9},
                                                                       {"m", 60e9},
                                                                       {"h", 3600e9},
                                                                       {"d", 86400e9},
                                                                       {"w", 7 * 86400e9},
                                                                       {"y", 365 * 86400e9}}};
    const size_t digits = std::min(text.find_first_not_of("0123456789."), text.size());
    const std::string figures = text.substr(0, digits);
    char *end = nullptr;
    const double number = std::strtod(figures.c_str(), &end);
    for (const auto &[unit, factor] : units) {
        if (figures.empty() || *end || text.substr(digits) != unit) continue;
        const double whole = std::round(number * factor);
        if (!(whole < 0x1p63)) {
            why = "expected at most 292 years; found " + text;
            return false;
        }
        ns = static_cast<uint64_t>(whole);
        return true;
    }
    why = "expected a duration as 90s, 1.5h, 1d or 1y (ns, us, ms, s, m, h, d, w, y); found '" +
          text + "'";
    return false;
}

void add_tile_commands(CLI::App &app, Context &context)
{
    CLI::App *noun = app.add_subcommand("tile", "Tiles of a crossbar: activity, wear, age");
    noun->require_subcommand(1);
    auto options = std::make_shared<TileOptions>();
    CLI::App *command = noun->add_subcommand(
        "stats", "Show what each tile has done since the device came up, its wear and its cells");
    command->add_flag("--all", options->all, "Tiles that have done nothing too");
    command->callback([&context, options] {
        context.command = [&context, options] { return stats(context, *options); };
    });
    command = noun->add_subcommand("age",
                                   "Let time pass for the cells of an emulated device: they drift");
    command->add_option("DURATION", options->duration, "How much: 90s, 1.5h, 1d, 1y")
        ->required()
        ->type_name("");
    command->callback([&context, options] {
        context.command = [&context, options] { return age(context, *options); };
    });
    add_picture_command(*noun, context);
}

} // namespace acc::ctl
