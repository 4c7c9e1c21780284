// SPDX-License-Identifier: MIT
#include "program/isa/dataflow.h"

#include "program/isa/dataflow_plan.h"
#include "program/text.h"

namespace acc::isa::dataflow
{
namespace
{

std::string check(const arch::Arch &arch, std::span<const Node> nodes)
{
    if (nodes.empty()) return "expected at least 1 node; found 0";
    for (size_t n = 0; n < nodes.size(); n++) {
        const Node &node = nodes[n];
        const std::string where = node.name + ": ";
        if (!node.out.words()) return where + "expected pixels and channels; found none";
        if (node.out.words() > kMaxAddress)
            return where + "expected at most " + number(kMaxAddress) + " words; found " +
                   number(node.out.words());
        for (const Then &then : node.then)
            if (then.join && (then.join->other >= n || nodes[then.join->other].out != node.out))
                return where + "expected a node before it of its shape to add; found another";
        if (node.kind == NodeKind::Input) continue;
        if (node.from >= n) return where + "expected an operand before it; found another";
        const Shape &in = nodes[node.from].out;
        const Window &w = node.window;
        for (int axis : {0, 1})
            if (!w.kernel[axis] || !w.stride[axis] || !w.dilation[axis])
                return where + "expected a window of a size; found none";
        switch (node.kind) {
        case NodeKind::Product:
            if (node.weights.size() != uint64_t{w.taps()} * in.c * node.out.c)
                return where + "expected " + number(uint64_t{w.taps()} * in.c * node.out.c) +
                       " weights; found " + number(node.weights.size());
            for (const auto &values : {node.bias, node.multiplier, node.shift})
                if (values.size() != node.out.c)
                    return where + "expected " + number(node.out.c) +
                           " values to requantise by; found " + number(values.size());
            if (node.input_bits > arch.input_bits || arch.weight_bits < 8)
                return where + "expected " + number(node.input_bits) +
                       " bits of inputs and 8 of weights; found an arch of fewer";
            break;
        case NodeKind::AveragePool:
            // Its sums are words.
            if (w.taps() > 255)
                return where + "expected at most 255 taps to average; found " + number(w.taps());
            [[fallthrough]];
        case NodeKind::MaxPool:
            if (in.c != node.out.c)
                return where + "expected " + number(in.c) + " channels; found " +
                       number(node.out.c);
            break;
        default:
            if (in != node.out) return where + "expected a result of its operand's shape";
            break;
        }
    }
    return {};
}

std::string cut_all(const arch::Arch &arch, std::span<const Node> nodes, Plan &plan)
{
    plan.nodes.assign(nodes.begin(), nodes.end());
    std::string why = cut(arch, plan);
    if (!why.empty()) return why;
    // A port takes one range of words: pixels whose channels several cores make meet in another.
    bool again = false;
    for (size_t n = 0; n < nodes.size(); n++) {
        Node &node = plan.nodes[n];
        if (!node.output || plan.cuts[n].owners.size() == 1 || node.out.h * node.out.w == 1)
            continue;
        node.output = false;
        Node copy;
        copy.name = node.name;
        copy.from = static_cast<uint32_t>(n);
        copy.out = node.out;
        copy.output = true;
        copy.bytes = node.bytes;
        plan.nodes.push_back(std::move(copy));
        again = true;
    }
    if (!again) return {};
    plan.cuts.clear();
    plan.parts.clear();
    return cut(arch, plan);
}

} // namespace

Result<Lowered> lower(const arch::Arch &arch, std::span<const Node> nodes, const std::string &name,
                      std::string *why)
{
    std::string text = check(arch, nodes);
    Plan plan;
    Lowered lowered;
    lowered.program.name = name;
    lowered.program.arch = arch;
    lowered.program.kernels.emplace_back().name = name;
    if (text.empty()) text = cut_all(arch, nodes, plan);
    if (text.empty()) text = order(plan, true);
    if (text.empty()) text = place(arch, plan);
    if (text.empty()) text = order(plan, false);
    if (text.empty()) text = write(arch, plan, lowered.program, lowered.ports);
    if (text.empty()) text = check_program(lowered.program, arch);
    if (!text.empty()) return program::refuse(why, -EINVAL, std::move(text));
    for (auto n = static_cast<uint32_t>(nodes.size()); n < plan.nodes.size(); n++)
        lowered.copied[n] = plan.nodes[n].from;
    for (const NodeCut &cut : plan.cuts) {
        Place &place = lowered.places.emplace_back();
        if (cut.direct) continue;
        place.tile = cut.tile;
        place.units = static_cast<uint32_t>(cut.units.size());
        for (const CoreCut &core : cut.cores)
            place.cores.push_back(core.core);
    }
    return lowered;
}

} // namespace acc::isa::dataflow
