// SPDX-License-Identifier: MIT
//
// Signatures as text: a line for a kernel, lines for its arguments; fields between tabs.
#include "libacc/interop/opencl/signature.h"

#include <charconv>

namespace acc::ocl
{
namespace
{

constexpr std::string_view kHead = "opencl-kernels 2";

// A text in a field: tabs and line ends are not ours to write.
std::string clean(std::string text)
{
    for (char &c : text)
        if (static_cast<unsigned char>(c) < ' ') c = ' ';
    return text;
}

class Fields
{
public:
    explicit Fields(std::string_view line) : rest_(line) {}

    std::string_view text()
    {
        if (ended_) {
            good_ = false;
            return {};
        }
        const size_t end = rest_.find('\t');
        const std::string_view out = rest_.substr(0, end);
        ended_ = end == std::string_view::npos;
        rest_ = ended_ ? std::string_view() : rest_.substr(end + 1);
        return out;
    }
    size_t number()
    {
        const std::string_view from = text();
        size_t out = 0;
        const auto result = std::from_chars(from.data(), from.data() + from.size(), out);
        if (result.ec != std::errc() || result.ptr != from.data() + from.size()) good_ = false;
        return out;
    }
    bool good() const { return good_ && ended_; }

private:
    std::string_view rest_;
    bool ended_ = false, good_ = true;
};

void add(std::string &out, size_t number)
{
    out += '\t';
    out += std::to_string(number);
}

} // namespace

std::string write_signatures(const std::vector<Signature> &all)
{
    std::string out(kHead);
    out += '\n';
    for (const Signature &s : all) {
        out += "k\t" + clean(s.name) + '\t' + clean(s.attributes);
        for (const size_t n :
             {s.bytes, s.required_group[0], s.required_group[1], s.required_group[2],
              s.group_hint[0], s.group_hint[1], s.group_hint[2], s.local_bytes, s.private_bytes,
              size_t{s.has_argument_info}, size_t{s.prints}, size_t{s.has_barriers}})
            add(out, n);
        out += '\n';
        for (const Argument &a : s.arguments) {
            out += "a\t" + clean(a.name) + '\t' + clean(a.type);
            for (const size_t n : {static_cast<size_t>(a.kind), size_t{a.space}, size_t{a.access},
                                   static_cast<size_t>(a.qualifiers), a.offset, a.bytes})
                add(out, n);
            out += '\n';
        }
    }
    return out;
}

bool read_signatures(std::string_view text, std::vector<Signature> &all)
{
    constexpr size_t kMostBytes = 4096;
    all.clear();
    bool first = true;
    while (!text.empty()) {
        const size_t end = text.find('\n');
        if (end == std::string_view::npos) return false;
        Fields line(text.substr(0, end));
        text.remove_prefix(end + 1);
        const std::string_view kind = line.text();
        if (first) {
            if (kind != kHead) return false;
            first = false;
            continue;
        }
        if (kind == "k") {
            Signature s;
            s.name = line.text();
            s.attributes = line.text();
            s.bytes = line.number();
            for (size_t &n : s.required_group)
                n = line.number();
            for (size_t &n : s.group_hint)
                n = line.number();
            s.local_bytes = line.number();
            s.private_bytes = line.number();
            s.has_argument_info = line.number() != 0;
            s.prints = line.number() != 0;
            s.has_barriers = line.number() != 0;
            if (!line.good() || s.bytes > kMostBytes) return false;
            all.push_back(std::move(s));
        } else if (kind == "a" && !all.empty()) {
            Argument a;
            a.name = line.text();
            a.type = line.text();
            const size_t sort = line.number();
            a.space = static_cast<cl_kernel_arg_address_qualifier>(line.number());
            a.access = static_cast<cl_kernel_arg_access_qualifier>(line.number());
            a.qualifiers = line.number();
            a.offset = line.number();
            a.bytes = line.number();
            if (!line.good() || sort > 2 || a.offset > all.back().bytes ||
                a.bytes > all.back().bytes - a.offset)
                return false;
            a.kind = static_cast<Argument::Kind>(sort);
            all.back().arguments.push_back(std::move(a));
        } else {
            return false;
        }
    }
    return !first;
}

} // namespace acc::ocl
