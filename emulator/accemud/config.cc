// SPDX-License-Identifier: MIT
#include "emulator/accemud/config.h"

#include "emulator/accemud/values.h"

#include <toml++/toml.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstring>
#include <functional>
#include <limits>
#include <memory>
#include <span>
#include <tuple>

namespace acc::daemon
{
namespace
{

constexpr size_t largest_file = size_t{1} << 20;
constexpr int64_t most_things = std::numeric_limits<uint32_t>::max();

std::string kind_of(const toml::node &node)
{
    switch (node.type()) {
    case toml::node_type::table:
        return "a table";
    case toml::node_type::array:
        return "an array";
    case toml::node_type::string:
        return "the string " + quote(*node.value<std::string_view>());
    case toml::node_type::integer:
        return "the integer " + std::to_string(*node.value<int64_t>());
    case toml::node_type::floating_point:
        return "a floating-point number";
    case toml::node_type::boolean:
        return *node.value<bool>() ? "true" : "false";
    default:
        return "a date or time";
    }
}

class Reader
{
public:
    Reader(std::string name, Config &config) : name_(std::move(name)), config_(config) {}

    void document(const toml::table &top);
    void refuse(const toml::source_position &at, const std::string &text);
    std::vector<std::string> problems();

private:
    struct Entry {
        std::string_view key;
        std::function<void(const std::string &path, const toml::node &)> read;
    };
    struct Problem {
        toml::source_index line, column;
        std::string text;
    };

    std::string place(const toml::source_position &at) const;
    void refuse(const std::string &path, const toml::node &node, std::string_view expected);
    void table(const std::string &path, const toml::table &table, std::span<const Entry> entries);

    // The value of a node of the right type; otherwise refused, and null.
    const toml::table *as_table(const std::string &path, const toml::node &node);
    const std::string *as_string(const std::string &path, const toml::node &node,
                                 std::string_view expected);
    std::optional<int64_t> integer(const std::string &path, const toml::node &node, int64_t least,
                                   int64_t most);

    // For entries: a string that one of values.h reads.
    template <typename T>
    Entry text(std::string_view key, std::string_view expected, T &to,
               bool (*parse)(std::string_view, T &, std::string &));
    Entry absolute_path(std::string_view key, std::string &to, bool socket);
    Entry count(std::string_view key, uint64_t &to);

    void mode(const std::string &path, const toml::node &node);
    void bytes(const std::string &path, const toml::node &node, uint64_t &to);
    void limits(const std::string &path, const toml::node &node, Limits &to);
    void users(const std::string &path, const toml::node &node);
    void devices(const std::string &path, const toml::node &node);
    void device(const std::string &path, const toml::node &node);
    bool engine_options(const std::string &path, const toml::node &node, std::string &spec);

    const std::string name_;
    Config &config_;
    std::vector<Problem> problems_;
    std::map<uid_t, std::string> seen_users_;
};

std::string Reader::place(const toml::source_position &at) const
{
    return name_ + ":" + std::to_string(at.line) + ":" + std::to_string(at.column);
}

void Reader::refuse(const toml::source_position &at, const std::string &text)
{
    problems_.push_back({at.line, at.column, place(at) + ": " + text});
}

void Reader::refuse(const std::string &path, const toml::node &node, std::string_view expected)
{
    refuse(node.source().begin,
           path + ": expected " + std::string(expected) + "; found " + kind_of(node));
}

std::vector<std::string> Reader::problems()
{
    std::stable_sort(problems_.begin(), problems_.end(), [](const Problem &a, const Problem &b) {
        return std::tie(a.line, a.column) < std::tie(b.line, b.column);
    });
    std::vector<std::string> texts;
    for (Problem &problem : problems_)
        texts.push_back(std::move(problem.text));
    return texts;
}

// ------------------------------------------------------------------ types and ranges

void Reader::table(const std::string &path, const toml::table &table,
                   std::span<const Entry> entries)
{
    const std::string prefix = path.empty() ? "" : path + ".";
    for (const auto &[key, node] : table) {
        const auto fits = [name = key.str()](const Entry &entry) { return entry.key == name; };
        const auto entry = std::find_if(entries.begin(), entries.end(), fits);
        if (entry != entries.end()) {
            entry->read(prefix + std::string(entry->key), node);
            continue;
        }
        std::string names;
        for (const Entry &one : entries)
            names += (names.empty() ? "" : ", ") + std::string(one.key);
        refuse(key.source().begin, (path.empty() ? "" : path + ": ") + "expected one of " + names +
                                       "; found the key " + quote(key.str()));
    }
}

const toml::table *Reader::as_table(const std::string &path, const toml::node &node)
{
    if (const toml::table *table = node.as_table()) return table;
    refuse(path, node, "a table");
    return nullptr;
}

const std::string *Reader::as_string(const std::string &path, const toml::node &node,
                                     std::string_view expected)
{
    if (const auto *value = node.as_string()) return &value->get();
    refuse(path, node, expected);
    return nullptr;
}

std::optional<int64_t> Reader::integer(const std::string &path, const toml::node &node,
                                       int64_t least, int64_t most)
{
    const auto *value = node.as_integer();
    if (value && value->get() >= least && value->get() <= most) return value->get();
    refuse(path, node, "an integer from " + std::to_string(least) + " to " + std::to_string(most));
    return {};
}

template <typename T>
Reader::Entry Reader::text(std::string_view key, std::string_view expected, T &to,
                           bool (*parse)(std::string_view, T &, std::string &))
{
    return {key, [this, expected, &to, parse](const std::string &path, const toml::node &node) {
                const std::string *value = as_string(path, node, expected);
                std::string why;
                if (value && !parse(*value, to, why))
                    refuse(node.source().begin, path + ": " + why);
            }};
}

// Relative to what would be a matter of how the daemon was started.
Reader::Entry Reader::absolute_path(std::string_view key, std::string &to, bool socket)
{
    return {key, [this, &to, socket](const std::string &path, const toml::node &node) {
                const std::string *value = as_string(path, node, "an absolute path in a string");
                if (!value) return;
                std::string why;
                if (!value->starts_with('/') || value->find('\0') != value->npos)
                    refuse(path, node, "an absolute path");
                else if (socket && !check_socket_path(*value, why))
                    refuse(node.source().begin, path + ": " + why);
                else
                    to = *value;
            }};
}

Reader::Entry Reader::count(std::string_view key, uint64_t &to)
{
    return {key, [this, &to](const std::string &path, const toml::node &node) {
                if (const auto value = integer(path, node, 0, most_things)) to = uint64_t(*value);
            }};
}

void Reader::mode(const std::string &path, const toml::node &node)
{
    constexpr std::string_view expected = "permissions in octal from 0000 to 0777, as \"0660\" or "
                                          "0o660";
    std::string why;
    if (const auto *value = node.as_string()) {
        if (!parse_mode(value->get(), config_.mode, why))
            refuse(node.source().begin, path + ": " + why);
        return;
    }
    // 660 is most likely meant as octal, and is not: only a number that says so is taken.
    const auto *value = node.as_integer();
    if (value && value->flags() == toml::value_flags::format_as_octal && value->get() >= 0 &&
        value->get() <= 0777)
        config_.mode = mode_t(value->get());
    else
        refuse(path, node, expected);
}

void Reader::bytes(const std::string &path, const toml::node &node, uint64_t &to)
{
    std::string why;
    const auto *number = node.as_integer();
    const auto *string = node.as_string();
    if (number && number->get() >= 0)
        to = uint64_t(number->get());
    else if (!string)
        refuse(path, node, "bytes as 4096 or \"4 GiB\"");
    else if (!parse_bytes(string->get(), to, why))
        refuse(node.source().begin, path + ": " + why);
}

// ------------------------------------------------------------------------- the keys

void Reader::document(const toml::table &top)
{
    constexpr std::string_view group = "the name or number of a group in a string";
    // The keys of the command line, by the same names; then tables.
    const std::array<Entry, 10> entries = {
        absolute_path("socket", config_.socket, true),
        Entry{"mode",
              [this](const std::string &path, const toml::node &node) { mode(path, node); }},
        text("group", group, config_.group, parse_group),
        text("privileged-group", group, config_.privileged, parse_group),
        absolute_path("state-dir", config_.state_dir, false),
        text("log", "trace, debug, info, warn, error or off in a string", config_.log_level,
             parse_log_level),
        text("drain", "a time in a string, as \"5 s\"", config_.drain_ns, parse_duration),
        Entry{"device",
              [this](const std::string &path, const toml::node &node) { devices(path, node); }},
        Entry{"default", [this](const std::string &path,
                                const toml::node &node) { limits(path, node, config_.standard); }},
        // Below: an entry starts from the default, wherever that stands in the file.
        Entry{"user", [](const std::string &, const toml::node &) {}},
    };
    table("", top, entries);
    if (const toml::node *node = top.get("user")) users("user", *node);
}

void Reader::limits(const std::string &path, const toml::node &node, Limits &to)
{
    const toml::table *values = as_table(path, node);
    if (!values) return;
    const std::array<Entry, 7> entries = {
        Entry{"bytes", [this, &to](const std::string &key,
                                   const toml::node &value) { bytes(key, value, to.quota.bytes); }},
        count("buffers", to.quota.buffers),
        count("queues", to.quota.queues),
        count("programs", to.quota.programs),
        count("pins", to.quota.pins),
        count("clients", to.quota.clients),
        Entry{"weight",
              [this, &to](const std::string &key, const toml::node &value) {
                  if (const auto weight = integer(key, value, 1, 10000))
                      to.weight = uint32_t(*weight);
              }},
    };
    table(path, *values, entries);
}

void Reader::users(const std::string &path, const toml::node &node)
{
    const toml::table *entries = as_table(path, node);
    if (!entries) return;
    for (const auto &[key, value] : *entries) {
        uid_t user = 0;
        std::string why;
        if (!parse_user(key.str(), user, why)) {
            refuse(key.source().begin, path + ": " + why);
            continue;
        }
        // "alice" and "1000" may be one.
        const auto [seen, first] = seen_users_.emplace(user, key.str());
        if (!first) {
            refuse(key.source().begin, path + ": expected each user once; found " +
                                           quote(seen->second) + " and " + quote(key.str()) +
                                           ", both uid " + std::to_string(user));
            continue;
        }
        Limits &own = config_.users[user] = config_.standard;
        limits(path + "." + std::string(key.str()), value, own);
    }
}

void Reader::devices(const std::string &path, const toml::node &node)
{
    const toml::array *entries = node.as_array();
    if (!entries) {
        refuse(path, node, "tables, each [[device]]");
        return;
    }
    size_t index = 0;
    for (const toml::node &entry : *entries)
        device(path + "[" + std::to_string(index++) + "]", entry);
}

void Reader::device(const std::string &path, const toml::node &node)
{
    const toml::table *values = as_table(path, node);
    if (!values) return;
    std::string engine, options;
    bool good = true;
    const std::array<Entry, 2> entries = {
        Entry{"engine",
              [&](const std::string &key, const toml::node &value) {
                  constexpr std::string_view expected = "the name of an engine in a string, as "
                                                        "\"crossbar\"";
                  const std::string *name = as_string(key, value, expected);
                  good = name != nullptr;
                  if (!name) return;
                  engine = *name;
                  // What is behind a colon would be options that nobody checked.
                  if (engine.empty() ||
                      engine.find_first_of(std::string_view(":,=\0", 4)) != std::string::npos) {
                      refuse(key, value, "the name of an engine; options are a table of their own");
                      good = false;
                  }
              }},
        Entry{"options",
              [&](const std::string &key, const toml::node &value) {
                  good = engine_options(key, value, options) && good;
              }},
    };
    table(path, *values, entries);
    if (good && engine.empty()) {
        refuse(node.source().begin, path + ": expected the key 'engine'; found none");
        return;
    }
    if (!good) return;
    config_.devices.push_back({engine + (options.empty() ? "" : ":" + options),
                               place(node.source().begin) + ": " + path});
}

// A table -> "key=value,key=value". What an option may be is the engine's to say.
bool Reader::engine_options(const std::string &path, const toml::node &node, std::string &spec)
{
    const toml::table *values = as_table(path, node);
    if (!values) return false;
    const size_t before = problems_.size();
    for (const auto &[key, value] : *values) {
        const std::string_view name = key.str();
        const std::string where = path + "." + std::string(name);
        if (name.empty() ||
            name.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789_") != name.npos) {
            refuse(key.source().begin,
                   path + ": expected names of a-z, 0-9 and _; found the key " + quote(name));
            continue;
        }
        std::string text;
        if (const auto *number = value.as_integer()) {
            text = std::to_string(number->get());
        } else if (const auto *flag = value.as_boolean()) {
            text = flag->get() ? "1" : "0";
        } else if (const auto *string = value.as_string()) {
            text = string->get();
            uint64_t amount = 0;
            std::string why;
            if (name == "memory" && !parse_bytes(string->get(), amount, why)) {
                refuse(value.source().begin, where + ": " + why);
                continue;
            }
            if (name == "memory") text = std::to_string(amount);
        } else {
            refuse(where, value, "an integer, a string, true or false");
            continue;
        }
        if (text.find_first_of(std::string_view(",\0", 2)) != text.npos) {
            refuse(where, value, "a value without commas");
            continue;
        }
        spec += (spec.empty() ? "" : ",") + std::string(name) + "=" + text;
    }
    return problems_.size() == before;
}

std::string refusal_of_file(const std::string &path, const std::string &text)
{
    return path + ": " + text;
}

} // namespace

std::vector<std::string> parse_config(std::string_view text, const std::string &name,
                                      Config &config)
{
    Reader reader(name, config);
    try {
        reader.document(toml::parse(text));
    } catch (const toml::parse_error &error) {
        std::string line(error.description());
        std::replace_if(
            line.begin(), line.end(), [](unsigned char c) { return c < 0x20; }, ' ');
        reader.refuse(error.source().begin, "expected TOML; found: " + line);
    } catch (const std::exception &error) {
        return {refusal_of_file(name, error.what())};
    }
    return reader.problems();
}

std::vector<std::string> read_config(const std::string &path, Config &config)
{
    const std::unique_ptr<std::FILE, int (*)(std::FILE *)> file(std::fopen(path.c_str(), "rbe"),
                                                                std::fclose);
    if (!file) return {refusal_of_file(path, std::strerror(errno))};
    std::string text(largest_file + 1, '\0');
    const size_t got = std::fread(text.data(), 1, text.size(), file.get());
    if (std::ferror(file.get())) return {refusal_of_file(path, std::strerror(errno))};
    if (got > largest_file) return {refusal_of_file(path, "expected at most 1 MiB; found more")};
    text.resize(got);
    return parse_config(text, path, config);
}

} // namespace acc::daemon
