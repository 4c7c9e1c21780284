// SPDX-License-Identifier: MIT
#include "libacc/interop/opencl/ir.h"

#include <algorithm>
#include <bit>
#include <cctype>
#include <charconv>

namespace acc::ocl
{
namespace
{

bool is_name_character(char c)
{
    return std::isalnum(static_cast<unsigned char>(c)) || c == '_' || c == '.' || c == '$' ||
           c == '-';
}

// A name behind its sigil, quoted or not; `at` goes behind it.
std::string read_name(std::string_view text, size_t &at)
{
    if (at < text.size() && text[at] == '"') {
        const size_t end = std::min(text.find('"', at + 1), text.size());
        std::string out(text.substr(at + 1, end - at - 1));
        at = end + 1;
        return out;
    }
    const size_t start = at;
    while (at < text.size() && is_name_character(text[at]))
        at++;
    return std::string(text.substr(start, at - start));
}

void skip_spaces(std::string_view text, size_t &at)
{
    while (at < text.size() && text[at] == ' ')
        at++;
}

bool take(std::string_view text, size_t &at, std::string_view word)
{
    if (text.substr(at, word.size()) != word) return false;
    at += word.size();
    return true;
}

size_t read_number(std::string_view text, size_t &at)
{
    size_t out = 0;
    const auto result = std::from_chars(text.data() + at, text.data() + text.size(), out);
    at = static_cast<size_t>(result.ptr - text.data());
    return out;
}

size_t round_up(size_t bytes, size_t align)
{
    return (bytes + align - 1) / align * align;
}

// Between the parenthesis at `at` and its twin; `at` goes behind that.
std::string_view in_parentheses(std::string_view text, size_t &at)
{
    const size_t start = at + 1;
    int depth = 0;
    bool quoted = false;
    for (; at < text.size(); at++) {
        const char c = text[at];
        if (c == '"') quoted = !quoted;
        if (quoted) continue;
        if (c == '(' || c == '{' || c == '[' || c == '<') depth++;
        if (c == ')' || c == '}' || c == ']' || c == '>') depth--;
        if (depth == 0) return text.substr(start, at++ - start);
    }
    return text.substr(start);
}

// At commas that are not inside of anything.
std::vector<std::string_view> split(std::string_view text)
{
    std::vector<std::string_view> out;
    size_t start = 0;
    int depth = 0;
    bool quoted = false;
    for (size_t i = 0; i <= text.size(); i++) {
        const char c = i < text.size() ? text[i] : ',';
        if (c == '"') quoted = !quoted;
        if (quoted && i < text.size()) continue;
        if (c == '(' || c == '{' || c == '[' || c == '<') depth++;
        if (c == ')' || c == '}' || c == ']' || c == '>') depth--;
        if (c != ',' || depth) continue;
        std::string_view part = text.substr(start, i - start);
        while (!part.empty() && part.front() == ' ')
            part.remove_prefix(1);
        if (!part.empty()) out.push_back(part);
        start = i + 1;
    }
    return out;
}

// What metadata holds: `!"text"` or `i32 7`, without the clothes.
std::string plain(std::string_view entry)
{
    if (entry.starts_with("!\"")) {
        entry.remove_prefix(2);
        entry.remove_suffix(1);
        return std::string(entry);
    }
    // A value that stands for its type (vec_type_hint).
    for (const std::string_view nothing : {" undef", " poison"})
        if (entry.ends_with(nothing))
            return std::string(entry.substr(0, entry.size() - nothing.size()));
    const size_t space = entry.rfind(' ');
    return std::string(space == std::string_view::npos ? entry : entry.substr(space + 1));
}

} // namespace

bool IrModule::read_members(std::string_view text, size_t &at, char end, bool packed,
                            IrType &out) const
{
    size_t bytes = 0, align = 1;
    for (;;) {
        skip_spaces(text, at);
        if (at >= text.size()) return false;
        if (text[at] == end) break;
        IrType member;
        if (!read_type(text, at, member)) return false;
        if (packed) member.align = 1;
        bytes = round_up(bytes, member.align) + member.bytes;
        align = std::max(align, member.align);
        skip_spaces(text, at);
        if (at < text.size() && text[at] == ',') at++;
    }
    at++;
    out = {round_up(bytes, align), align};
    return true;
}

// Sizes and alignments are those of x86-64's data layout.
bool IrModule::read_type(std::string_view text, size_t &at, IrType &out) const
{
    skip_spaces(text, at);
    if (at >= text.size()) return false;
    const char c = text[at];
    if (c == 'i' && at + 1 < text.size() &&
        std::isdigit(static_cast<unsigned char>(text[at + 1]))) {
        at++;
        const size_t bytes = std::bit_ceil((read_number(text, at) + 7) / 8);
        out = {bytes, std::min<size_t>(bytes, 16)};
        return true;
    }
    if (take(text, at, "half") || take(text, at, "bfloat")) return out = {2, 2}, true;
    if (take(text, at, "float")) return out = {4, 4}, true;
    if (take(text, at, "double")) return out = {8, 8}, true;
    if (take(text, at, "ptr")) {
        size_t next = at;
        skip_spaces(text, next);
        if (take(text, next, "addrspace(")) {
            (void)read_number(text, next);
            at = next + 1;
        }
        return out = {8, 8}, true;
    }
    if (c == '[' || (c == '<' && at + 1 < text.size() &&
                     std::isdigit(static_cast<unsigned char>(text[at + 1])))) {
        at++;
        const size_t count = read_number(text, at);
        if (!take(text, at, " x ")) return false;
        IrType element;
        if (!read_type(text, at, element)) return false;
        at++; // ] or >
        const size_t bytes = count * element.bytes;
        if (c == '[')
            out = {bytes, element.align};
        else
            out = {std::bit_ceil(bytes), std::bit_ceil(bytes)};
        return true;
    }
    if (take(text, at, "<{")) {
        if (!read_members(text, at, '}', true, out)) return false;
        return take(text, at, ">");
    }
    if (take(text, at, "{")) return read_members(text, at, '}', false, out);
    if (take(text, at, "%")) {
        const auto found = structs_.find(read_name(text, at));
        size_t start = 0;
        return found != structs_.end() && read_type(found->second, start, out);
    }
    return false;
}

std::vector<std::string> IrModule::node(std::string_view number) const
{
    std::vector<std::string> out;
    const auto found = nodes_.find(number);
    if (found == nodes_.end()) return out;
    for (const std::string_view entry : split(found->second))
        out.push_back(plain(entry));
    return out;
}

bool IrModule::read_kernel(std::string_view line, std::string &why)
{
    size_t at = line.find('@') + 1;
    IrKernel kernel;
    kernel.name = read_name(line, at);
    const auto bad = [&](std::string_view what) {
        why = "kernel " + kernel.name + ": expected a parameter that is known; found \"" +
              std::string(what) + "\"";
        return false;
    };
    for (const std::string_view text : split(in_parentheses(line, at))) {
        IrParameter parameter;
        size_t end = 0;
        if (!read_type(text, end, parameter.size)) return bad(text);
        parameter.type = text.substr(0, end);
        parameter.is_pointer = text.starts_with("ptr");
        const size_t by_value = text.find("byval(");
        if (by_value != std::string_view::npos) {
            size_t inner = by_value + 6;
            if (!read_type(text, inner, parameter.size)) return bad(text);
            parameter.by_value = true;
            parameter.type = text.substr(by_value + 6, inner - by_value - 6);
            const size_t align = text.find(" align ");
            if (align != std::string_view::npos) {
                size_t number = align + 7;
                parameter.size.align = std::max(parameter.size.align, read_number(text, number));
            }
        }
        kernel.parameters.push_back(std::move(parameter));
    }
    // !kind !number, again and again.
    for (at = line.find('!', at); at != std::string_view::npos; at = line.find('!', at)) {
        at++;
        const std::string kind = read_name(line, at);
        if (!take(line, at, " !")) continue;
        kernel.metadata[kind] = node(read_name(line, at));
    }
    kernels_.push_back(std::move(kernel));
    return true;
}

// `@kernel.variable = internal ... global TYPE undef`: a variable in local memory.
void IrModule::read_local(std::string_view line)
{
    size_t at = 1;
    const std::string name = read_name(line, at);
    const size_t type = line.find(" global ");
    if (line.find(" = internal ") != at || type == std::string_view::npos ||
        line.find(" undef", type) == std::string_view::npos)
        return;
    at = type + 8;
    IrType size;
    if (read_type(line, at, size)) locals_[name] = size.bytes;
}

// All that is mentioned by what is mentioned.
void IrModule::follow(IrKernel &kernel) const
{
    std::vector<std::string> open = {kernel.name};
    while (!open.empty()) {
        const auto found = mentions_.find(open.back());
        open.pop_back();
        if (found == mentions_.end()) continue;
        for (const std::string &name : found->second)
            if (kernel.reaches.insert(name).second) open.push_back(name);
    }
    const std::string prefix = kernel.name + ".";
    for (const auto &[name, bytes] : locals_)
        if (name.starts_with(prefix)) kernel.local_bytes += bytes;
}

bool IrModule::read(std::string_view text, std::string &why)
{
    std::vector<std::string_view> kernel_lines;
    std::string *function = nullptr;
    std::string name;
    for (size_t start = 0; start < text.size();) {
        const size_t end = std::min(text.find('\n', start), text.size());
        const std::string_view line = text.substr(start, end - start);
        start = end + 1;
        if (line.starts_with('%')) {
            size_t at = 1;
            std::string type = read_name(line, at);
            if (take(line, at, " = type ")) structs_[std::move(type)] = line.substr(at);
        } else if (line.starts_with('!')) {
            size_t at = 1;
            std::string number = read_name(line, at);
            const size_t open = line.find("!{", at);
            if (open != std::string_view::npos)
                nodes_[std::move(number)] = line.substr(open + 2, line.size() - open - 3);
        } else if (line.starts_with('@')) {
            read_local(line);
        } else if (line.starts_with("define ")) {
            size_t at = line.find('@') + 1;
            name = read_name(line, at);
            function = &name;
            mentions_[name];
            if (line.find(" spir_kernel ") < at) kernel_lines.push_back(line);
        } else if (line.starts_with('}')) {
            function = nullptr;
        } else if (function) {
            for (size_t at = line.find('@'); at != std::string_view::npos;
                 at = line.find('@', at)) {
                at++;
                mentions_[*function].insert(read_name(line, at));
            }
        }
    }
    for (const std::string_view line : kernel_lines)
        if (!read_kernel(line, why)) return false;
    for (IrKernel &kernel : kernels_)
        follow(kernel);
    return true;
}

std::string IrModule::adapt(std::string_view text, const std::set<std::string_view> &gone,
                            const std::set<std::string_view> &plain)
{
    std::string out;
    out.reserve(text.size());
    for (size_t start = 0; start < text.size();) {
        const size_t end = std::min(text.find('\n', start), text.size());
        std::string_view line = text.substr(start, end - start);
        start = end + 1;
        const bool defines = line.starts_with("define ");
        const size_t call = line.find("call ");
        if (line.starts_with("declare ") || line.starts_with('@')) {
            size_t at = line.find('@') + 1;
            if (gone.count(read_name(line, at))) continue;
        } else if (line.find("@__pocl_printf(") != std::string_view::npos &&
                   line.find(" null)") != std::string_view::npos) {
            // PoCL's printf() only mentions that function, which would not take it.
            out += line.substr(0, line.find('='));
            out += "= add i32 0, 0\n";
            continue;
        } else if (defines || call != std::string_view::npos) {
            size_t at = line.find('@', defines ? 0 : call);
            if (at != std::string_view::npos && plain.count(read_name(line, ++at))) {
                // Attributes are a group's number behind the parameters.
                const size_t group = line.find(" #", at);
                out += line.substr(0, group);
                if (defines) out += " alwaysinline nounwind {";
                out += '\n';
                continue;
            }
        }
        out += line;
        out += '\n';
    }
    return out;
}

} // namespace acc::ocl
