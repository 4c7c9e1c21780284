// SPDX-License-Identifier: MIT
//
// Chains of functions of one value's elements: an activation and what scales, shifts and
// limits around it become one Table, whatever the exporter wrote it as.
#include "tools/accc/ir/formula.h"
#include "tools/accc/passes/passes.h"

#include <algorithm>
#include <cmath>
#include <optional>

namespace acc::accc
{
namespace
{

// A value as a function of the elements of another.
struct Elementwise {
    ValueId root = 0;
    std::string text = "x";
    size_t steps = 1;
    bool activation = false, product = false, limited = false;

    // Scales, shifts and limits alone are taken by the products before them. x * x, a root or a
    // logarithm (those of a normalisation, say) need more than the 8 bits of a table.
    bool worth() const { return activation || (product && limited); }
};

class TableFinder
{
public:
    explicit TableFinder(Graph &g)
        : g_(g), chains_(g.values.size()), short_(g.values.size()), inside_(g.values.size())
    {
    }

    void run()
    {
        for (const Op &op : g_.ops) {
            if (op.kind != Kind::Host || !op.more.empty()) continue;
            chains_[op.output] = longest(op);
            short_[op.output] = shortest(op);
        }
        std::vector<bool> needed(g_.values.size());
        for (const ValueId id : g_.outputs)
            needed[id] = true;
        for (size_t i = g_.ops.size(); i-- > 0;) {
            Op &op = g_.ops[i];
            const auto &chain = chains_[op.output];
            const auto &inside = inside_[op.output];
            if (chain && inside && !needed[op.output]) {
                // Part of a table behind it, and of nothing else.
                g_.sources[op.source].fate =
                    "fused into " + g_.sources[inside->source].name + ", in one table";
                take_in(op, Inside(*inside));
            } else if (chain && chain->worth()) {
                needed[chain->root] = true;
                take_in(op, {op.source, chain->root});
                op.kind = Kind::Table;
                op.inputs = {chain->root};
                op.node = {};
                op.node.attrs["formula"] = chain->text;
            } else {
                for (const ValueId id : op.inputs)
                    if (id != kNoValue) needed[id] = true;
            }
        }
    }

private:
    struct Inside {
        uint32_t source;
        ValueId root;
    };

    const Dims &dims(ValueId id) const { return g_.value(id).dims; }

    // What the operands were made by is worked out in this table.
    void take_in(const Op &op, Inside inside)
    {
        for (const ValueId id : op.inputs)
            if (id != kNoValue && id != inside.root) inside_[id] = inside;
    }

    // A constant of one value, of no more axes than what it meets.
    const float *scalar(ValueId id, size_t rank) const
    {
        const Value &v = g_.value(id);
        if (!v.is_constant() || v.dtype != DType::F32 || v.dims.size() > rank ||
            elements(v.dims) != 1)
            return nullptr;
        const float *value = g_.floats(id).data();
        return std::isfinite(*value) ? value : nullptr;
    }

    // From as far before it as a formula reaches.
    std::optional<Elementwise> longest(const Op &op) const
    {
        for (const ValueId id : op.inputs) {
            if (id == kNoValue || !chains_[id]) continue;
            if (auto chain = from(op, chains_[id]->root)) return chain;
        }
        for (const ValueId id : op.inputs) {
            if (id == kNoValue || g_.value(id).is_constant()) continue;
            if (auto chain = from(op, id)) return chain;
        }
        return std::nullopt;
    }

    // From its only computed operand on.
    std::optional<Elementwise> shortest(const Op &op) const
    {
        for (const ValueId id : op.inputs)
            if (id != kNoValue && !g_.value(id).is_constant()) return from(op, id);
        return std::nullopt;
    }

    // As a function of the elements of `root`; nothing where it is none, or a long one.
    std::optional<Elementwise> from(const Op &op, ValueId root) const
    {
        const Value &y = g_.value(op.output);
        if (y.dtype != DType::F32 || y.dims.empty()) return std::nullopt;
        Elementwise chain;
        chain.root = root;
        chain.steps = 0;
        std::vector<std::string> operands;
        size_t computed = 0;
        for (const ValueId id : op.inputs) {
            if (id == kNoValue) {
                operands.emplace_back(); // of Clip
                continue;
            }
            if (const float *value = scalar(id, y.dims.size())) {
                operands.push_back(formula_constant(*value));
                chain.steps++;
                continue;
            }
            if (g_.value(id).is_constant() || g_.value(id).dtype != DType::F32 ||
                dims(id) != y.dims)
                return std::nullopt;
            Elementwise operand;
            if (id != root && chains_[id] && chains_[id]->root == root)
                operand = *chains_[id];
            else if (id != root && short_[id] && short_[id]->root == root)
                operand = *short_[id];
            else if (id != root)
                return std::nullopt;
            chain.steps += operand.steps;
            chain.activation = chain.activation || operand.activation;
            chain.product = chain.product || operand.product;
            chain.limited = chain.limited || operand.limited;
            operands.push_back(operand.text);
            computed++;
        }
        const bool built =
            op.node.op == "Clip" ? clip(operands, chain) : function(op, operands, computed, chain);
        if (!built || computed == 0 || chain.steps > kMaxFormula) return std::nullopt;
        return chain;
    }

    static bool clip(const std::vector<std::string> &operands, Elementwise &chain)
    {
        chain.text = operands[0];
        chain.limited = true;
        for (const size_t i : {1u, 2u}) {
            if (operands.size() <= i || operands[i].empty()) continue;
            chain.text += " " + operands[i] + (i == 1 ? " Max" : " Min");
            chain.steps++;
        }
        // An operand that is no constant would be a limit for each element.
        return true;
    }

    static bool function(const Op &op, const std::vector<std::string> &operands, size_t computed,
                         Elementwise &chain)
    {
        const auto step = formula_function(op.node, operands.size());
        if (!step) return false;
        chain.text.clear();
        for (const std::string &operand : operands) {
            if (operand.empty()) return false;
            chain.text += operand + " ";
        }
        chain.text += *step;
        chain.steps++;
        const std::string &name = op.node.op;
        chain.activation = chain.activation || is_activation(name);
        chain.product = chain.product || (name == "Mul" && computed > 1);
        chain.limited = chain.limited || name == "Relu" || name == "Max" || name == "Min";
        return true;
    }

    Graph &g_;
    std::vector<std::optional<Elementwise>> chains_, short_; // by value
    std::vector<std::optional<Inside>> inside_;              // by value
};

} // namespace

Status fuse_chains(Graph &g, Diagnostics &)
{
    if (g.stage == Stage::Model) TableFinder(g).run();
    return Ok{};
}

} // namespace acc::accc
