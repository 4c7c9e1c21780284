// SPDX-License-Identifier: MIT
//
// Arch files: TOML, every problem with its line.
#include "arch/fields.h"

#include <toml++/toml.h>

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <memory>
#include <tuple>

namespace acc::arch
{
namespace
{

constexpr size_t kLargestFile = size_t{1} << 20;

std::string quoted(std::string_view text)
{
    std::string out = "'";
    for (const char c : text)
        out += static_cast<unsigned char>(c) < 0x20 ? '?' : c;
    return out + "'";
}

std::string found_text(const toml::node &node)
{
    switch (node.type()) {
    case toml::node_type::table:
        return "a table";
    case toml::node_type::array:
        return "an array";
    case toml::node_type::string:
        return "the string " + quoted(*node.value<std::string_view>());
    case toml::node_type::integer:
        return "the integer " + std::to_string(*node.value<int64_t>());
    case toml::node_type::floating_point: {
        char text[40];
        std::snprintf(text, sizeof(text), "the number %.17g", *node.value<double>());
        return text;
    }
    case toml::node_type::boolean:
        return *node.value<bool>() ? "true" : "false";
    default:
        return "a date or time";
    }
}

struct Problem {
    toml::source_position at;
    std::string text;
};

// Fields whose key the document has; what is no field's is found afterwards.
class Reader
{
public:
    Reader(const toml::table &top, std::vector<Problem> &problems) : top_(top), problems_(problems)
    {
    }

    template <typename T>
    void number(const Field &f, T &to, uint64_t least, uint64_t most)
    {
        const toml::node *node = find(f);
        if (!node) return;
        const auto *value = node->as_integer();
        if (value && value->get() >= 0 && static_cast<uint64_t>(value->get()) >= least &&
            static_cast<uint64_t>(value->get()) <= most)
            to = static_cast<T>(value->get());
        else
            refuse(f, *node,
                   "an integer from " + std::to_string(least) + " to " + std::to_string(most));
    }
    void real(const Field &f, double &to, double least, double most)
    {
        const toml::node *node = find(f);
        if (!node) return;
        const std::optional<double> value =
            node->is_number() ? node->value<double>() : std::nullopt;
        if (value && *value >= least && *value <= most) {
            to = *value;
            return;
        }
        char expected[96];
        std::snprintf(expected, sizeof(expected), "a number from %g to %g", least, most);
        refuse(f, *node, expected);
    }
    void flag(const Field &f, bool &to)
    {
        const toml::node *node = find(f);
        if (!node) return;
        if (const auto *value = node->as_boolean())
            to = value->get();
        else
            refuse(f, *node, "true or false");
    }
    template <typename E>
    void choice(const Field &f, E &to)
    {
        const toml::node *node = find(f);
        if (!node) return;
        const auto &names = Names<E>::all;
        if (const auto *value = node->as_string()) {
            const auto at = std::find(names.begin(), names.end(), value->get());
            if (at != names.end()) {
                to = static_cast<E>(at - names.begin());
                return;
            }
        }
        std::string expected = "one of";
        for (const std::string_view name : names)
            expected += " " + std::string(name);
        refuse(f, *node, expected);
    }

private:
    const toml::node *find(const Field &f) const
    {
        if (f.table.empty()) return top_.get(f.key);
        const toml::node *table = top_.get(f.table);
        return table && table->is_table() ? table->as_table()->get(f.key) : nullptr;
    }
    void refuse(const Field &f, const toml::node &node, const std::string &expected)
    {
        const std::string path = (f.table.empty() ? "" : std::string(f.table) + ".");
        problems_.push_back({node.source().begin, path + std::string(f.key) + ": expected " +
                                                      expected + "; found " + found_text(node)});
    }

    const toml::table &top_;
    std::vector<Problem> &problems_;
};

// Keys that nothing reads: a misspelt one must not be a default in silence.
void find_unknown(const toml::table &top, std::vector<Problem> &problems)
{
    const std::vector<KeyInfo> known = keys();
    const auto refuse = [&](const toml::key &key, const std::string &text) {
        problems.push_back({key.source().begin, text + "; found " + quoted(key.str())});
    };
    std::string tables;
    for (const KeyInfo &k : known)
        if (!k.table.empty() && tables.find(k.table) == std::string::npos)
            tables += (tables.empty() ? "" : ", ") + std::string(k.table);
    for (const auto &[key, node] : top) {
        if (key == "version" || key == "base" || key == "name" || key == "seed") continue;
        const bool table_exists =
            std::any_of(known.begin(), known.end(), [name = key.str()](const KeyInfo &k) {
                return !k.table.empty() && k.table == name;
            });
        if (!table_exists) {
            refuse(key, "expected version, base, name, seed or one of the tables " + tables);
            continue;
        }
        const toml::table *table = node.as_table();
        if (!table) {
            problems.push_back(
                {node.source().begin,
                 std::string(key.str()) + ": expected a table; found " + found_text(node)});
            continue;
        }
        std::string names;
        for (const KeyInfo &k : known)
            if (k.table == key.str()) names += (names.empty() ? "" : ", ") + std::string(k.key);
        for (const auto &[inner, value] : *table) {
            const bool exists = std::any_of(known.begin(), known.end(),
                                            [t = key.str(), name = inner.str()](const KeyInfo &k) {
                                                return k.table == t && k.key == name;
                                            });
            if (!exists) refuse(inner, std::string(key.str()) + ": expected one of " + names);
        }
    }
}

void read_head(const toml::table &top, Arch &arch, std::vector<Problem> &problems)
{
    const toml::node *version = top.get("version");
    if (!version)
        problems.push_back({{1, 1}, "expected version = 1; found no version"});
    else if (!version->is_integer() || *version->value<int64_t>() != kVersion)
        problems.push_back(
            {version->source().begin, "version: expected 1; found " + found_text(*version)});
    if (const toml::node *base = top.get("base")) {
        std::string names;
        for (const std::string_view preset : presets())
            names += " " + std::string(preset);
        const auto *value = base->as_string();
        std::string why;
        if (value && std::find(presets().begin(), presets().end(), value->get()) != presets().end())
            arch = std::move(*parse(preset_text(value->get()), value->get(), why));
        else
            problems.push_back({base->source().begin,
                                "base: expected one of" + names + "; found " + found_text(*base)});
    }
    if (const toml::node *name = top.get("name")) {
        const auto *value = name->as_string();
        const auto plain = [](char c) {
            return static_cast<unsigned char>(c) >= 0x20 && c != '"' && c != '\\';
        };
        if (value && !value->get().empty() && value->get().size() <= 64 &&
            std::all_of(value->get().begin(), value->get().end(), plain))
            arch.name = value->get();
        else
            problems.push_back({name->source().begin,
                                "name: expected 1 to 64 bytes of text without quotes; found " +
                                    found_text(*name)});
    }
}

} // namespace

Result<Arch> parse(std::string_view text, std::string_view name, std::string &why)
try {
    std::vector<Problem> problems;
    Arch arch;
    const toml::table top = toml::parse(text, name);
    read_head(top, arch, problems);
    Reader reader(top, problems);
    for_each_field(arch, reader);
    find_unknown(top, problems);
    if (problems.empty()) {
        const std::string wrong = check(arch);
        if (wrong.empty()) return arch;
        problems.push_back({{1, 1}, wrong});
    }
    std::stable_sort(problems.begin(), problems.end(), [](const Problem &a, const Problem &b) {
        return std::tie(a.at.line, a.at.column) < std::tie(b.at.line, b.at.column);
    });
    why.clear();
    for (const Problem &p : problems)
        why += (why.empty() ? "" : "\n") + std::string(name) + ":" + std::to_string(p.at.line) +
               ":" + std::to_string(p.at.column) + ": " + p.text;
    return Error{-EINVAL};
} catch (const toml::parse_error &error) {
    const auto &at = error.source().begin;
    why = std::string(name) + ":" + std::to_string(at.line) + ":" + std::to_string(at.column) +
          ": expected TOML; found: " + std::string(error.description());
    return Error{-EINVAL};
}

Result<Arch> load(std::string_view source, std::string &why)
{
    const auto is_path = source.find('/') != source.npos || source.ends_with(".toml");
    if (!is_path) {
        const auto all = presets();
        if (std::find(all.begin(), all.end(), source) != all.end())
            return parse(preset_text(source), source, why);
        why = "expected a path or one of the presets";
        for (const std::string_view preset : all)
            why += " " + std::string(preset);
        why += "; found " + quoted(source);
        return Error{-ENOENT};
    }
    const std::string path(source);
    const auto close = [](FILE *file) { std::fclose(file); };
    const std::unique_ptr<FILE, decltype(close)> file(std::fopen(path.c_str(), "re"), close);
    if (!file) {
        const int code = errno;
        why = path + ": expected a file that can be read; found: " + std::strerror(code);
        return Error{-code};
    }
    std::string text(kLargestFile + 1, '\0');
    text.resize(std::fread(text.data(), 1, text.size(), file.get()));
    if (std::ferror(file.get())) {
        why = path + ": expected a file that can be read; found an error in reading it";
        return Error{-EIO};
    }
    if (text.size() > kLargestFile) {
        why = path + ": expected at most 1 MiB; found more";
        return Error{-E2BIG};
    }
    return parse(text, path, why);
}

} // namespace acc::arch
