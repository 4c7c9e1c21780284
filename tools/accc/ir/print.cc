// SPDX-License-Identifier: MIT
#include "tools/accc/ir/print.h"

#include <cstdio>

namespace acc::accc
{
namespace
{

std::string float_text(float value)
{
    char text[32];
    std::snprintf(text, sizeof(text), "%.9g", static_cast<double>(value));
    return text;
}

std::string type_text(const Value &v)
{
    std::string text = std::string(dtype_name(v.dtype)) + " " + dims_text(v.dims);
    if (v.dtype == DType::I8 && v.quant.scale > 0)
        text += " (scale " + float_text(v.quant.scale) + ", zero " +
                std::to_string(v.quant.zero_point) + ")";
    return text;
}

std::string pair_text(const char *name, const int64_t (&v)[2])
{
    return std::string(" ") + name + " " + std::to_string(v[0]) + "x" + std::to_string(v[1]);
}

bool has_window(Kind kind)
{
    return kind == Kind::Conv || kind == Kind::MaxPool || kind == Kind::AvgPool ||
           kind == Kind::Im2col;
}

std::string attributes(const Op &op)
{
    std::string text;
    if (has_window(op.kind)) {
        const Window &w = op.window;
        text += pair_text("kernel", w.kernel);
        if (w.stride[0] != 1 || w.stride[1] != 1) text += pair_text("stride", w.stride);
        if (w.dilation[0] != 1 || w.dilation[1] != 1) text += pair_text("dilation", w.dilation);
        if (w.pad[0] || w.pad[1]) text += pair_text("pad", w.pad);
        if (op.channels_last) text += " channels_last";
    }
    if (op.groups != 1) text += " groups " + std::to_string(op.groups);
    if (op.count_include_pad) text += " count_include_pad";
    if (op.kind == Kind::ScaleShift) text += " axis " + std::to_string(op.axis);
    if (op.kind == Kind::Transpose) {
        text += " perm";
        for (const int axis : op.perm)
            text += " " + std::to_string(axis);
    }
    if (op.clamps()) text += " clamp " + float_text(op.lo) + " " + float_text(op.hi);
    return text.empty() ? text : " {" + text.substr(1) + "}";
}

std::string value_text(const Graph &g, ValueId id)
{
    const Value &v = g.value(id);
    return v.is_constant() ? "const[" + dims_text(v.dims) + "]" : "%" + std::to_string(id);
}

} // namespace

std::string print_graph(const Graph &g)
{
    static const char *const stages[] = {"float", "physical", "lowered"};
    std::string text = "graph " + g.name + ", stage " + stages[static_cast<int>(g.stage)] + "\n";
    for (const ValueId id : g.inputs)
        text += "  input %" + std::to_string(id) + " " + g.value(id).name + " : " +
                type_text(g.value(id)) + "\n";
    for (const Op &op : g.ops) {
        text += "  %" + std::to_string(op.output) + " = " + kind_name(op.kind);
        for (size_t i = 0; i < op.inputs.size(); i++)
            text += (i ? ", " : " ") + value_text(g, op.inputs[i]);
        text += attributes(op) + " : " + type_text(g.value(op.output)) + "  # " +
                g.source(op).name + "\n";
    }
    for (size_t i = 0; i < g.outputs.size(); i++)
        text += "  output " + g.output_names[i] + " " + value_text(g, g.outputs[i]) + "\n";
    return text;
}

} // namespace acc::accc
