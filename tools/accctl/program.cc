// SPDX-License-Identifier: MIT
//
// accctl program show: what an .accx file holds, without a device.
#include "accctl.h"

#include <algorithm>
#include <array>
#include <cinttypes>
#include <cstdio>

namespace acc::ctl
{
namespace
{

struct ProgramOptions {
    std::string file;
    bool report = false;
};

std::string cell(const Json &value)
{
    if (value.is_null()) return "";
    if (value.is_string()) return one_line(value.get<std::string>());
    if (!value.is_structured())
        return one_line(value.dump(-1, ' ', false, Json::error_handler_t::replace));
    std::string text;
    for (const auto &[key, part] : value.items())
        text += (text.empty() ? "" : ", ") + (value.is_object() ? one_line(key) + " " : "") +
                cell(part);
    return text;
}

// Characters, not bytes: what a column needs on a terminal.
size_t width_of(const std::string &text)
{
    return static_cast<size_t>(std::count_if(
        text.begin(), text.end(), [](char c) { return (static_cast<uint8_t>(c) & 0xc0) != 0x80; }));
}

// Columns that say what a row is come first, if they are there.
constexpr std::array first_columns = {"node",   "op",   "engine",       "kernels",     "cut",
                                      "arrays", "macs", "weight_bytes", "moved_bytes", "reason"};

// An array of objects as columns, in the order in which members appear.
void print_table(const Json &rows)
{
    std::vector<std::string> keys;
    const auto add = [&](const std::string &key) {
        if (std::find(keys.begin(), keys.end(), key) == keys.end()) keys.push_back(key);
    };
    for (const char *key : first_columns)
        if (std::any_of(rows.begin(), rows.end(),
                        [&](const Json &row) { return row.contains(key); }))
            add(key);
    for (const Json &row : rows)
        for (const auto &[key, value] : row.items())
            add(key);
    std::vector<std::vector<std::string>> lines(1 + rows.size());
    std::vector<size_t> widths(keys.size());
    for (size_t column = 0; column < keys.size(); ++column) {
        lines[0].push_back(one_line(keys[column]));
        for (size_t row = 0; row < rows.size(); ++row)
            lines[row + 1].push_back(
                rows[row].contains(keys[column]) ? cell(rows[row][keys[column]]) : "");
        for (const auto &line : lines)
            widths[column] = std::max(widths[column], width_of(line[column]));
    }
    for (const auto &line : lines) {
        std::string text;
        for (size_t column = 0; column < line.size(); ++column) {
            text += std::string("  ") + line[column];
            if (column + 1 < line.size()) text.append(widths[column] - width_of(line[column]), ' ');
        }
        printf("%s\n", text.c_str());
    }
}

bool is_table(const Json &value)
{
    return value.is_array() && !value.empty() &&
           std::all_of(value.begin(), value.end(), [](const Json &row) { return row.is_object(); });
}

// The compiler may say more than this tool knows: plain members first, then each table.
void print_report(const Json &report)
{
    if (!report.is_object()) {
        printf("%s\n", report.dump(2, ' ', false, Json::error_handler_t::replace).c_str());
        return;
    }
    for (const auto &[key, value] : report.items())
        if (!is_table(value)) printf("%-12s %s\n", one_line(key).c_str(), cell(value).c_str());
    for (const auto &[key, value] : report.items()) {
        if (!is_table(value)) continue;
        printf("\n%s\n", one_line(key).c_str());
        print_table(value);
    }
}

void print_tensors(const char *title, const Json &tensors)
{
    for (const Json &tensor : tensors)
        printf("%-10s %s: %s %s, %" PRIu64 " bytes a sample\n", title, cell(tensor["name"]).c_str(),
               cell(tensor["type"]).c_str(), tensor["dims"].dump().c_str(),
               tensor["bytes"].get<uint64_t>());
}

void print_program(const Json &image)
{
    printf("%-10s %s, %s\n", "program", cell(image["name"]).c_str(),
           bytes_text(image["bytes"].get<uint64_t>()).c_str());
    printf("%-10s %s\n", "uuid", cell(image["uuid"]).c_str());
    printf("%-10s %s\n", "build", cell(image["build"]).c_str());
    if (!image["model"].is_null()) {
        const Json &model = image["model"];
        print_tensors("input", model["inputs"]);
        print_tensors("output", model["outputs"]);
        printf("%-10s %zu steps, %" PRIu64 " tensors, workspace %s a sample, constants %s\n",
               "model", model["steps"].size(), model["tensors"].get<uint64_t>(),
               bytes_text(model["workspace_bytes"].get<uint64_t>()).c_str(),
               bytes_text(image["const_bytes"].get<uint64_t>()).c_str());
    }
    for (const Json &target : image["targets"]) {
        printf("\n%s: ABI %s, image %s, %zu units, %zu kernels\n", cell(target["target"]).c_str(),
               cell(target["abi"]).c_str(),
               bytes_text(target["image_bytes"].get<uint64_t>()).c_str(), target["units"].size(),
               target["kernels"].size());
        // One row a kernel: what it does and the unit that it is loaded with.
        Json rows = Json::array();
        for (size_t i = 0; i < target["kernels"].size(); ++i) {
            const Json &kernel = target["kernels"][i];
            const Json &unit = target["units"][kernel["unit"].get<size_t>()];
            Json row = {{"kernel", kernel["name"]}};
            for (const char *what : {"roles", "ops"})
                if (target.contains(what)) row["does"] = target[what][i];
            if (target.contains("matrices")) {
                const Json &m = target["matrices"][i];
                if (m.contains("program")) { // of instructions
                    const Json &its = target["programs"][m["program"].get<size_t>()];
                    row["instructions"] = cell(m["streams"]) + " streams, " + cell(m["ports"]) +
                                          " ports, " + cell(its["matrices"]) + " MVM units in " +
                                          cell(its["tiles"]) + " tiles";
                } else {
                    row["matrix"] = cell(m["rows"]) + " x " + cell(m["cols"]);
                    row["bits"] = cell(m["input_bits"]) + " x " + cell(m["weight_bits"]);
                }
            }
            row["unit"] = unit["name"];
            // 0: the engine computes it.
            for (const char *what : {"capacity", "load_bytes"})
                if (unit[what] != 0) row[what] = unit[what];
            rows.push_back(row);
        }
        if (!rows.empty()) print_table(rows);
    }
}

int show_program(const Context &context, const ProgramOptions &options)
{
    std::vector<std::byte> bytes;
    Json image;
    if (!read_file(options.file, bytes) || !describe_image(options.file, bytes, image))
        return exit_failure;
    if (image["report"].is_string()) {
        Json report = Json::parse(image["report"].get<std::string>(), nullptr, false);
        if (report.is_discarded()) return fail(options.file + ": its report is no JSON");
        image["report"] = std::move(report);
    }
    if (options.report && image["report"].is_null())
        return fail(options.file + ": expected a placement report; found none");
    if (context.json) return print_json(options.report ? image["report"] : image);
    if (options.report)
        print_report(image["report"]);
    else
        print_program(image);
    return finish_output();
}

} // namespace

void add_program_commands(CLI::App &app, Context &context)
{
    CLI::App *program = app.add_subcommand("program", "Show program files");
    program->require_subcommand(1);
    CLI::App *command = program->add_subcommand("show", "What an .accx file holds");
    auto options = std::make_shared<ProgramOptions>();
    command->add_option("FILE", options->file, "A program, .accx")->required()->type_name("");
    command->add_flag("--report", options->report, "The compiler's placement report instead");
    command->callback([&context, options] {
        context.command = [&context, options] { return show_program(context, *options); };
    });
}

} // namespace acc::ctl
