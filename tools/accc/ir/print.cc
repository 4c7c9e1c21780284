// SPDX-License-Identifier: MIT
#include "tools/accc/ir/print.h"

#include <cstdio>

namespace acc::accc
{
namespace
{

constexpr int64_t kShort = 8; // values of a constant that is always shown

std::string float_text(float value)
{
    char text[32];
    std::snprintf(text, sizeof(text), "%.9g", static_cast<double>(value));
    return text;
}

std::string quoted_text(const std::string &text)
{
    std::string out = "\"";
    for (const char c : text) {
        char escaped[8];
        if (c == '"' || c == '\\') {
            out += '\\';
            out += c;
        } else if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) {
            std::snprintf(escaped, sizeof(escaped), "\\x%02x", static_cast<unsigned char>(c));
            out += escaped;
        } else {
            out += c;
        }
    }
    return out + "\"";
}

template <typename List>
std::string list_text(const List &list)
{
    std::string text;
    for (const auto v : list) {
        if (!text.empty()) text += ',';
        if constexpr (std::is_same_v<std::remove_cv_t<decltype(v)>, float>)
            text += float_text(v);
        else
            text += std::to_string(v);
    }
    return "[" + text + "]";
}

std::string type_text(const Value &v)
{
    std::string text = std::string(dtype_name(v.dtype)) + " " + dims_text(v.dims);
    if (v.quant.scale > 0)
        text +=
            " scale " + float_text(v.quant.scale) + " zero " + std::to_string(v.quant.zero_point);
    if (!v.scales.empty())
        text += " scales " + list_text(v.scales) + " along " + std::to_string(v.scale_axis);
    return text;
}

std::string data_text(const Data &data)
{
    if (const auto *f = std::get_if<std::vector<float>>(&data)) return list_text(*f);
    if (const auto *b = std::get_if<std::vector<int8_t>>(&data)) return list_text(*b);
    if (const auto *i = std::get_if<std::vector<int32_t>>(&data)) return list_text(*i);
    std::string text;
    for (const std::byte b : std::get<std::vector<std::byte>>(data)) {
        char two[4];
        std::snprintf(two, sizeof(two), "%02x", std::to_integer<unsigned>(b));
        text += two;
    }
    return "x" + text;
}

bool has_window(Kind kind)
{
    return kind == Kind::Conv || kind == Kind::MaxPool || kind == Kind::AvgPool ||
           kind == Kind::Im2col;
}

std::string attr_text(const host::Attr &attr)
{
    if (const auto *i = std::get_if<int64_t>(&attr)) return std::to_string(*i);
    if (const auto *f = std::get_if<float>(&attr)) return "f" + float_text(*f);
    if (const auto *s = std::get_if<std::string>(&attr)) return quoted_text(*s);
    if (const auto *l = std::get_if<std::vector<int64_t>>(&attr)) return list_text(*l);
    return "f" + list_text(std::get<std::vector<float>>(attr));
}

std::string attributes(const Op &op)
{
    std::string text;
    const auto add = [&](const std::string &name, const std::string &value = {}) {
        text += (text.empty() ? "" : ", ") + name + (value.empty() ? "" : " ") + value;
    };
    if (op.kind == Kind::Host || op.kind == Kind::Table)
        for (const auto &[name, value] : op.node.attrs)
            add(name, attr_text(value));
    if (has_window(op.kind)) {
        const Window &w = op.window;
        add("kernel", list_text(w.kernel));
        if (w.stride[0] != 1 || w.stride[1] != 1) add("stride", list_text(w.stride));
        if (w.dilation[0] != 1 || w.dilation[1] != 1) add("dilation", list_text(w.dilation));
        if (w.pad[0] || w.pad[1]) add("pad", list_text(w.pad));
        if (op.channels_last) add("channels_last");
    }
    if (op.groups != 1) add("groups", std::to_string(op.groups));
    if (op.count_include_pad) add("count_include_pad");
    if (op.kind == Kind::ScaleShift || op.kind == Kind::Concat || op.kind == Kind::Slice)
        add("axis", std::to_string(op.axis));
    if (op.kind == Kind::Slice) add("start", std::to_string(op.start));
    if (op.kind == Kind::Transpose) add("perm", list_text(op.perm));
    if (op.clamps()) add("clamp", "f" + list_text(std::vector<float>{op.lo, op.hi}));
    if (op.program) add("program", std::to_string(op.program));
    return text.empty() ? text : " {" + text + "}";
}

std::string reference(ValueId id)
{
    return id == kNoValue ? "none" : "%" + std::to_string(id);
}

std::string named(const Graph &g, ValueId id)
{
    return id == kNoValue ? "none" : reference(id) + " " + quoted_text(g.value(id).name);
}

} // namespace

std::string print_graph(const Graph &g, Constants constants)
{
    static const char *const stages[] = {"model", "float", "physical", "lowered"};
    std::string text =
        "graph " + quoted_text(g.name) + ", stage " + stages[static_cast<int>(g.stage)] + "\n";
    for (const Source &s : g.sources) {
        text += "node " + quoted_text(s.name) + " " + quoted_text(s.op);
        if (!s.fate.empty()) text += " fate " + quoted_text(s.fate);
        if (!s.host.empty()) text += " host " + quoted_text(s.host);
        text += "\n";
    }
    for (ValueId id = 0; id < g.values.size(); id++) {
        const Value &v = g.value(id);
        if (!v.is_constant()) continue;
        const bool whole = constants == Constants::Whole || elements(v.dims) <= kShort;
        text += "const " + named(g, id) + " : " + type_text(v) + " = " +
                (whole ? data_text(*v.data) : "...") + "\n";
    }
    for (const ValueId id : g.inputs)
        text += "input " + named(g, id) + " : " + type_text(g.value(id)) + "\n";
    for (const Op &op : g.ops) {
        text += named(g, op.output);
        for (const ValueId id : op.more)
            text += ", " + named(g, id);
        text +=
            std::string(" = ") + (op.kind == Kind::Host ? op.node.op.c_str() : kind_name(op.kind));
        for (size_t i = 0; i < op.inputs.size(); i++)
            text += (i ? ", " : " ") + reference(op.inputs[i]);
        text += attributes(op) + " : " + type_text(g.value(op.output));
        for (const ValueId id : op.more)
            text += ", " + (id == kNoValue ? "none" : type_text(g.value(id)));
        text += " # " + quoted_text(g.source(op).name) + "\n";
    }
    for (size_t i = 0; i < g.outputs.size(); i++)
        text += "output " + quoted_text(g.output_names[i]) + " " + reference(g.outputs[i]) + "\n";
    return text;
}

} // namespace acc::accc
