// SPDX-License-Identifier: MIT
//
// Passes over the model's own operators.
#include "tools/accc/passes/passes.h"

#include <algorithm>
#include <map>
#include <tuple>

namespace acc::accc
{
namespace
{

const std::vector<int64_t> *perm_of(const Op &op)
{
    const auto it = op.node.attrs.find("perm");
    return it == op.node.attrs.end() ? nullptr : std::get_if<std::vector<int64_t>>(&it->second);
}

bool is_output(const Graph &g, ValueId id)
{
    return std::find(g.outputs.begin(), g.outputs.end(), id) != g.outputs.end();
}

// Operators of one operand that do the same to each element.
bool elementwise(const std::string &op)
{
    for (const char *known :
         {"Relu",      "LeakyRelu", "Sigmoid", "Tanh",     "Elu",        "Selu", "HardSigmoid",
          "HardSwish", "Abs",       "Neg",     "Exp",      "Log",        "Sqrt", "Erf",
          "Floor",     "Ceil",      "Round",   "Softplus", "Reciprocal", "Gelu"})
        if (op == known) return true;
    return false;
}

} // namespace

Status merge_equal(Graph &g, Diagnostics &)
{
    // Constants are equal when they are the same value, or have the same type, dims and bytes.
    std::map<std::tuple<DType, Dims, std::string>, ValueId> constants;
    std::vector<ValueId> same(g.values.size());
    for (ValueId id = 0; id < g.values.size(); id++) {
        same[id] = id;
        const Value &v = g.value(id);
        if (!v.is_constant() || elements(v.dims) > 64 || !v.scales.empty()) continue;
        const auto bytes = g.bytes(id);
        std::string key(reinterpret_cast<const char *>(bytes.data()), bytes.size());
        same[id] = constants.emplace(std::tuple(v.dtype, v.dims, std::move(key)), id).first->second;
    }
    std::map<std::tuple<std::string, host::Attrs, std::vector<ValueId>, size_t>, size_t> seen;
    for (size_t i = 0; i < g.ops.size(); i++) {
        Op &op = g.ops[i];
        for (ValueId &id : op.inputs)
            if (id != kNoValue) id = same[id];
        const auto [it, fresh] =
            seen.emplace(std::tuple(op.node.op, op.node.attrs, op.inputs, op.more.size()), i);
        if (fresh) continue;
        const Op &first = g.ops[it->second];
        const std::vector<ValueId> ours = results(op), theirs = results(first);
        // Outputs keep memory of their own; a result that the first leaves out cannot be taken.
        bool takes = true;
        for (size_t k = 0; k < ours.size(); k++)
            takes =
                takes && (ours[k] == kNoValue || (theirs[k] != kNoValue && !is_output(g, ours[k])));
        if (!takes) continue;
        for (size_t k = 0; k < ours.size(); k++)
            if (ours[k] != kNoValue) same[ours[k]] = theirs[k];
        g.sources[op.source].fate = "the same as " + g.source(first).name;
    }
    return Ok{};
}

// Transpositions that undo the one before them, and Identity.
static void cancel(Graph &g)
{
    const std::vector<int64_t> maker = g.makers();
    for (Op &op : g.ops) {
        if (op.node.op == "Identity" && !is_output(g, op.output) && op.inputs[0] != kNoValue) {
            g.sources[op.source].fate = "another name of its input";
            g.replace(op.output, op.inputs[0]);
            continue;
        }
        if (op.node.op != "Transpose" || !perm_of(op)) continue;
        const ValueId x = op.inputs[0];
        if (maker[x] < 0 || is_output(g, op.output)) continue;
        const Op &first = g.ops[static_cast<size_t>(maker[x])];
        if (first.kind != Kind::Host || first.node.op != "Transpose" || !perm_of(first)) continue;
        bool undone = perm_of(first)->size() == perm_of(op)->size();
        for (size_t a = 0; undone && a < perm_of(op)->size(); a++)
            undone = (*perm_of(first))[static_cast<size_t>((*perm_of(op))[a])] ==
                     static_cast<int64_t>(a);
        if (!undone) continue;
        g.sources[op.source].fate = "undoes " + g.source(first).name;
        g.replace(op.output, first.inputs[0]);
    }
}

Status cancel_transposes(Graph &g, Diagnostics &)
{
    cancel(g);
    std::vector<uint32_t> uses = g.uses();
    std::vector<int64_t> maker = g.makers();
    // A transposition goes behind what works element by element, towards one that undoes it.
    for (size_t i = 0; i < g.ops.size(); i++) {
        Op &op = g.ops[i];
        if (op.node.op.empty() || !elementwise(op.node.op)) continue;
        const ValueId x = op.inputs[0];
        if (maker[x] < 0 || uses[x] != 1 || is_output(g, x)) continue;
        Op &before = g.ops[static_cast<size_t>(maker[x])];
        if (before.node.op != "Transpose" || !perm_of(before)) continue;
        // before: x = T(a); op: y = f(x)  ->  x' = f(a); y = T(x').
        std::swap(before.node, op.node);
        std::swap(before.source, op.source);
        g.value(x).dims = g.value(before.inputs[0]).dims;
        std::swap(g.value(x).name, g.value(op.output).name);
        // Before it goes on past others, if it has met that one.
        cancel(g);
        uses = g.uses();
        maker = g.makers();
    }
    return Ok{};
}

} // namespace acc::accc
