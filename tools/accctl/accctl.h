// SPDX-License-Identifier: MIT
//
// What the nouns of accctl share. A noun is one file: it registers its commands with the
// parser and returns an exit code. Errors are one line on stderr.
#pragma once

#include "acc/acc.hpp"

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include <cstdint>
#include <functional>
#include <initializer_list>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace acc::ctl
{

// Keeps the order in which members were added: what a person reads first comes first.
using Json = nlohmann::ordered_json;

enum ExitCode { exit_ok = 0, exit_failure = 1, exit_usage = 2 };

// The options before the noun, and what the chosen command does.
struct Context {
    std::vector<std::string> devices; // --device, in order
    bool json = false;
    std::function<int()> command;
};

void add_cl_commands(CLI::App &app, Context &context);
void add_client_commands(CLI::App &app, Context &context);
void add_device_commands(CLI::App &app, Context &context);
void add_explore_command(CLI::App &app, Context &context);
void add_omp_commands(CLI::App &app, Context &context);
void add_program_commands(CLI::App &app, Context &context);
void add_role_commands(CLI::App &app, Context &context);
void add_region_commands(CLI::App &app, Context &context);
void add_replay_command(CLI::App &app, Context &context);
void add_run_command(CLI::App &app, Context &context);
void add_tile_commands(CLI::App &app, Context &context);
void add_validate_command(CLI::App &app, Context &context);

// --- Errors and output
// -----------------------------------------------------------------------------

// Prints "accctl: text" as one line and returns exit_failure.
int fail(std::string_view text);
// The same, with libacc's text of the last error: "what: text".
int fail_acc(std::string_view what);
// For HTML.
std::string escaped(const std::string &text);
// One line whatever is in it.
std::string one_line(std::string_view text);
// Prints JSON on stdout. exit_ok, or exit_failure when stdout can't take it.
int print_json(const Json &json);
// As print_json, for text that was printed already.
int finish_output();

// A member that is a whole number.
uint64_t number(const Json &from, const char *key);

// "1.5 GiB", "12.3 µs", "4.2 nJ".
std::string bytes_text(uint64_t bytes);
std::string time_text(uint64_t ns);
std::string energy_text(uint64_t pj);

std::string_view engine_name(uint32_t engine);

// enum drm_acc_slot_state; drm/acc_drm.h has them, this tool speaks of libacc's devices only.
constexpr uint32_t slot_empty = 0, slot_fault = 4;
const char *slot_state_name(uint32_t state);

// --- Devices
// ------------------------------------------------------------------------------------------

// Opens `uri`, or what libacc prefers if empty. Null after printing why not.
Device open_device(const std::string &uri);

// The one that --device names, or what libacc prefers. Null after printing why not, with the words
// of `command` first.
Device the_device(const Context &context, const char *command);

// Of this program, or its name where the system does not say.
std::string own_path();

// The first of these folders, given from where this program is, that has a file of that name which
// can be read; without links and dots. Empty: none.
std::string folder_with(const char *file, std::initializer_list<const char *> folders);

// All of a file, up to 1 GiB. False after printing why not.
bool read_file(const std::string &path, std::vector<std::byte> &bytes);

// The description of an .accx image (acc_image_describe). False after printing why not.
bool describe_image(const std::string &path, const std::vector<std::byte> &image, Json &json);

Json counters_json(const acc_device_counters &counters);

} // namespace acc::ctl
