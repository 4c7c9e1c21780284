// SPDX-License-Identifier: MIT
#include "tools/accc/place/instructions.h"

#include "arch/costs.h"
#include "program/isa/dense.h"
#include "program/text.h"
#include "tools/accc/place/cost.h"
#include "tools/accc/place/network.h"
#include "tools/accc/place/place.h"

#include <algorithm>
#include <cstdio>
#include <map>
#include <numeric>

namespace acc::accc
{
namespace
{

std::string us_text(double ns)
{
    char text[32];
    std::snprintf(text, sizeof(text), "%.3g us", ns / 1e3);
    return text;
}

uint32_t input_bits(const Graph &g, const Op &product)
{
    return g.value(product.inputs[0]).dtype == DType::I16 ? 16 : 8;
}

// Products and requantisations alone, each of the one before: layers of isa/dense.h, for those that
// are too large for a tile each. An item of the program is a row.
Result<CrossbarProgram> make_dense(const Graph &g, std::span<const size_t> ops,
                                   const arch::Arch &arch, const std::string &name,
                                   std::string *why)
{
    const auto refuse = [&] {
        return program::refuse(why, -EINVAL, "expected a chain of products; found another");
    };
    const std::vector<uint32_t> uses = g.uses();
    // Known before weights are copied for it.
    uint64_t units = 0;
    const Op *product = nullptr, *first = nullptr, *last = nullptr;
    ValueId at = kNoValue;
    for (const size_t i : ops) {
        const Op &op = g.ops[i];
        if (at != kNoValue && (op.inputs[0] != at || uses[at] != 1)) return refuse();
        at = op.output;
        if (op.kind == Kind::Mvm) {
            const Dims &w = g.value(op.inputs[1]).dims;
            units += static_cast<uint64_t>((w[0] + arch.rows - 1) / arch.rows) *
                     static_cast<uint64_t>((w[1] + arch.cols - 1) / arch.cols);
            if (!first) first = &op;
            if (g.value(op.inputs[0]).dims.back() != w[0]) return refuse();
        } else if (op.kind == Kind::Requantize && first) {
            last = &op;
        } else if (op.kind != Kind::Reshape ||
                   last_dim(g.value(op.output).dims) != last_dim(g.value(op.inputs[0]).dims)) {
            return refuse();
        }
    }
    if (!last) return refuse();
    const uint64_t of_tile = uint64_t{arch.cores} * arch.mvm_units;
    if (const uint64_t tiles = (units + of_tile - 1) / of_tile; tiles > arch.tiles)
        return program::refuse(why, -EINVAL,
                               "expected at most the " + std::to_string(arch.tiles) +
                                   " tiles of a slot; found " + std::to_string(tiles));
    std::vector<std::vector<int16_t>> weights;
    std::vector<isa::Dense> layers;
    for (const size_t i : ops) {
        const Op &op = g.ops[i];
        if (op.kind == Kind::Mvm) {
            product = &op;
        } else if (op.kind == Kind::Requantize) {
            const Dims &w = g.value(product->inputs[1]).dims;
            const std::vector<int8_t> &data = g.int8s(product->inputs[1]);
            const bool wide = g.value(op.output).dtype == DType::I16;
            weights.emplace_back(data.begin(), data.end());
            layers.push_back(
                {.inputs = static_cast<uint32_t>(w[0]),
                 .outputs = static_cast<uint32_t>(w[1]),
                 .weights = weights.back(),
                 .bias = {},
                 .activation = isa::Activation::None,
                 .weight_bits = 8,
                 .input_bits = input_bits(g, *product),
                 .requantize = isa::Requantize{
                     .bias = g.int32s(op.inputs[1]),
                     .multiplier = g.int32s(op.inputs[2]),
                     .shift = g.int32s(op.inputs[3]),
                     .zero_point = g.value(op.output).quant.zero_point,
                     .min = static_cast<int32_t>(std::max(op.lo, wide ? -32768.0f : -128.0f)),
                     .max = static_cast<int32_t>(std::min(op.hi, wide ? 32767.0f : 127.0f))}});
        }
    }
    const ValueId x = first->inputs[0];
    const isa::DensePorts ports = {.input_bytes = g.value(x).dtype == DType::I8,
                                   .output_bytes = g.value(at).dtype == DType::I8};
    CrossbarProgram out;
    ACC_TRY(out.program, isa::lower_dense(arch, layers, name, why, ports));
    const Dims &w = g.value(first->inputs[1]).dims;
    out.items = static_cast<uint64_t>(elements(g.value(x).dims) / w[0]);
    uint64_t offset[2] = {};
    for (const isa::Port &port : out.program.kernels[0].ports) {
        uint64_t &to = offset[port.input()];
        out.ports.push_back(
            {port.input() ? x : at, to,
             static_cast<uint64_t>(port.input() ? w[0] : last_dim(g.value(at).dims))});
        to += port.words;
    }
    out.cost = predict(out.program);
    return out;
}

Result<CrossbarProgram> make(const Graph &g, std::span<const size_t> ops, const arch::Arch &arch,
                             const std::string &name, std::string *why)
{
    ACC_TRY(const Network network, make_network(g, ops, why));
    auto lowered = isa::dataflow::lower(arch, network.nodes, name, why);
    if (!lowered) {
        std::string text;
        auto dense = make_dense(g, ops, arch, name, &text);
        if (!dense && why && text.find("chain") == std::string::npos) *why = text;
        return dense;
    }
    CrossbarProgram out;
    out.program = std::move(lowered->program);
    for (const auto &use : lowered->ports) {
        // What was put behind an output has the value of that.
        const uint32_t node =
            use.node < network.nodes.size() ? use.node : lowered->copied[use.node];
        out.ports.push_back({network.values[node], use.offset, network.nodes[node].out.words()});
    }
    std::vector<uint64_t> busy;
    out.cost = predict(out.program, &busy);
    std::map<std::pair<uint32_t, uint32_t>, uint64_t> of_core;
    const auto &streams = out.program.kernels[0].streams;
    for (size_t s = 0; s < streams.size(); s++)
        of_core[{streams[s].tile, streams[s].core}] = busy[s];
    for (size_t n = 0; n < network.nodes.size(); n++) {
        const auto &place = lowered->places[n];
        if (network.nodes[n].kind == isa::dataflow::NodeKind::Input) continue;
        ProgramLayer layer = {.source = network.sources[n],
                              .operation = network.operations[n],
                              .tile = place.tile,
                              .units = place.units,
                              .cores = place.cores};
        for (const uint32_t core : place.cores)
            layer.busy_cycles = std::max(layer.busy_cycles, of_core[{place.tile, core}]);
        out.layers.push_back(std::move(layer));
    }
    return out;
}

// Finds what could be programs, and decides.
class Lowerer
{
public:
    Lowerer(Graph &g, const LowerOptions &lowering, Diagnostics &diag)
        : g_(g), lowering_(lowering), diag_(diag), makers_(g.makers()), readers_(g.values.size()),
          whole_(g.ops.size())
    {
        for (size_t i = 0; i < g.ops.size(); i++)
            for (const ValueId id : g.ops[i].inputs)
                if (id != kNoValue) readers_[id].push_back(i);
        const std::vector<uint32_t> uses = g.uses();
        for (size_t i = 0; i < g.ops.size(); i++)
            can_.push_back(can_be_instructions(g, g.ops[i]));
        for (size_t i = 0; i < g.ops.size(); i++)
            if (g.ops[i].kind == Kind::Mvm) check_product(i, uses);
        for (size_t i = 0; i < g.ops.size(); i++) {
            // A window or a narrowing without its product.
            const Kind kind = g.ops[i].kind;
            if (kind == Kind::Requantize && !(maker(g.ops[i].inputs[0]) && whole_[i]))
                can_[i] = false;
            if (kind == Kind::Im2col && !whole_[i]) can_[i] = false;
        }
    }

    void run()
    {
        for (std::vector<size_t> &ops : candidates())
            take(std::move(ops));
        settle();
    }

private:
    const Op *maker(ValueId id) const
    {
        return makers_[id] < 0 ? nullptr : &g_.ops[static_cast<size_t>(makers_[id])];
    }

    // A product needs its requantisation, and a window that it has for itself.
    void check_product(size_t i, const std::vector<uint32_t> &uses)
    {
        const Op &op = g_.ops[i];
        const bool one = uses[op.output] == 1 && readers_[op.output].size() == 1;
        const size_t next = one ? readers_[op.output][0] : 0;
        if (!one || g_.ops[next].kind != Kind::Requantize || !can_[next]) {
            g_.sources[op.source].kernels = "its sums are not requantised alone";
            can_[i] = false;
            return;
        }
        const int64_t window = makers_[op.inputs[0]];
        if (window >= 0 && g_.ops[static_cast<size_t>(window)].kind == Kind::Im2col) {
            if (uses[op.inputs[0]] != 1) {
                g_.sources[op.source].kernels = "its windows are read by others too";
                can_[i] = false;
                return;
            }
            whole_[static_cast<size_t>(window)] = true;
        }
        whole_[next] = true;
    }

    // Connected operations with nothing between them that can't be in a program: what lies on
    // either side of such a thing has another depth.
    std::vector<std::vector<size_t>> candidates() const
    {
        const size_t count = g_.ops.size();
        std::vector<uint32_t> depth(count), group(count);
        std::iota(group.begin(), group.end(), 0u);
        const auto root = [&](uint32_t i) {
            while (group[i] != i)
                i = group[i] = group[group[i]];
            return i;
        };
        for (size_t i = 0; i < count; i++) {
            const auto each = [&](auto f) {
                for (const ValueId id : g_.ops[i].inputs)
                    if (id != kNoValue && makers_[id] >= 0) f(static_cast<size_t>(makers_[id]));
            };
            each([&](size_t j) {
                depth[i] = std::max(depth[i], depth[j] + (can_[i] != can_[j] ? 1 : 0));
            });
            each([&](size_t j) {
                if (can_[i] && can_[j] && depth[i] == depth[j])
                    group[root(static_cast<uint32_t>(i))] = root(static_cast<uint32_t>(j));
            });
        }
        std::map<uint32_t, std::vector<size_t>> by_root;
        for (size_t i = 0; i < count; i++)
            if (can_[i]) by_root[root(static_cast<uint32_t>(i))].push_back(i);
        std::vector<std::vector<size_t>> all;
        for (auto &[first, ops] : by_root)
            all.push_back(std::move(ops));
        return all;
    }

    static bool ends_node(Kind kind)
    {
        return kind != Kind::Im2col && kind != Kind::Mvm && kind != Kind::Reshape;
    }

    // As long a part from the beginning as fits, then the rest.
    void take(std::vector<size_t> ops)
    {
        while (!ops.empty()) {
            // Reshapes at an edge belong to nobody.
            while (!ops.empty() && g_.ops[ops.front()].kind == Kind::Reshape)
                ops.erase(ops.begin());
            while (!ops.empty() && !ends_node(g_.ops[ops.back()].kind))
                ops.pop_back();
            if (ops.empty()) return;
            size_t products = 0;
            for (const size_t i : ops)
                products += g_.ops[i].kind == Kind::Mvm;
            if (!products) return;
            std::string why;
            size_t length = bounded(ops);
            Tried tried = try_part({ops.data(), length}, why);
            while (tried == Tried::TooLarge) {
                const size_t shorter = shortened(ops, length);
                if (shorter == 0) break;
                length = shorter;
                tried = try_part({ops.data(), length}, why);
            }
            if (tried != Tried::Good) stays({ops.data(), length}, why);
            ops.erase(ops.begin(), ops.begin() + static_cast<std::ptrdiff_t>(length));
        }
    }

    // Up to what the units of a slot hold.
    size_t bounded(const std::vector<size_t> &ops) const
    {
        const arch::Arch &a = lowering_.arch;
        const uint64_t most = uint64_t{a.tiles} * a.cores * a.mvm_units * a.rows * a.cols;
        uint64_t weights = 0;
        size_t length = 0;
        for (size_t k = 0; k < ops.size(); k++) {
            const Op &op = g_.ops[ops[k]];
            // Those of depthwise convolutions have zeros that take no room.
            if (op.kind == Kind::Mvm)
                weights += static_cast<uint64_t>(elements(g_.value(op.inputs[1]).dims)) / 8;
            if (weights > most) break;
            if (ends_node(op.kind)) length = k + 1;
        }
        return std::max(length, first_node(ops));
    }
    size_t first_node(const std::vector<size_t> &ops) const
    {
        size_t k = 0;
        while (k < ops.size() && !ends_node(g_.ops[ops[k]].kind))
            k++;
        return std::min(k + 1, ops.size());
    }
    // The end of a node at three quarters or before; 0: it is one node.
    size_t shortened(const std::vector<size_t> &ops, size_t length) const
    {
        for (size_t k = std::max<size_t>(length * 3 / 4, 1); k > 0; k--)
            if (k < length && ends_node(g_.ops[ops[k - 1]].kind)) return k;
        return 0;
    }

    enum class Tried { Good, TooLarge, Dearer };
    Tried try_part(std::span<const size_t> part, std::string &why)
    {
        size_t products = 0;
        for (const size_t i : part)
            products += g_.ops[i].kind == Kind::Mvm;
        if (!products) {
            why = "it has no product";
            return Tried::Dearer;
        }
        if (lowering_.how == LowerTo::Auto) {
            why = dearer(part, nullptr);
            if (!why.empty()) return Tried::Dearer;
        }
        const auto program = make(g_, part, lowering_.arch, "program", &why);
        if (!program) return Tried::TooLarge;
        if (lowering_.how == LowerTo::Auto) {
            why = dearer(part, &*program);
            if (!why.empty()) return Tried::Dearer;
        }
        programs_++;
        for (const size_t i : part)
            g_.ops[i].program = programs_;
        return Tried::Good;
    }

    // Why a batch takes less time by kernels, or nothing. No program: what is known before it is
    // made, that no item is faster than its slowest product.
    std::string dearer(std::span<const size_t> part, const CrossbarProgram *program) const
    {
        double kernels = 0, slowest = 0;
        for (const size_t i : part) {
            const Op &op = g_.ops[i];
            kernels += role_cost(g_, op, lowering_.batch).ns;
            if (op.kind != Kind::Mvm) continue;
            const Dims &w = g_.value(op.inputs[1]).dims;
            const auto vectors =
                static_cast<uint64_t>(elements(g_.value(op.inputs[0]).dims) / w[0]);
            kernels += product_cost(w[0], w[1], lowering_.batch * vectors, input_bits(g_, op)).ns;
            isa::Matrix m;
            m.rows = static_cast<uint32_t>(std::min<int64_t>(lowering_.arch.rows, w[0]));
            m.cols = static_cast<uint32_t>(std::min<int64_t>(lowering_.arch.cols, w[1]));
            m.input_bits = input_bits(g_, op);
            // A depthwise product converts few columns at a time.
            if (makers_[op.inputs[0]] < 0 ||
                g_.ops[static_cast<size_t>(makers_[op.inputs[0]])].kind != Kind::Im2col)
                slowest = std::max(slowest, static_cast<double>(vectors) *
                                                arch::mvm_ns(isa::use_of(lowering_.arch, m),
                                                             lowering_.arch.costs));
        }
        const double ns = program ? program->cost.all_ns(lowering_.batch * program->items)
                                  : slowest * static_cast<double>(lowering_.batch);
        if (ns <= kernels) return program ? slower(part, *program) : std::string();
        return "by instructions " + us_text(ns) + (program ? "" : " or more") + ", by kernels " +
               us_text(kernels);
    }

    // The same of the emulator's own time: nobody should wait longer for the same result.
    std::string slower(std::span<const size_t> part, const CrossbarProgram &program) const
    {
        double kernels = 0;
        for (const size_t i : part)
            kernels += emulated_ns(g_, g_.ops[i], lowering_.batch);
        const ProgramCost &cost = program.cost;
        const double ns = emulated_ns(cost.instructions, cost.accesses, cost.products, cost.macs,
                                      lowering_.batch * program.items);
        if (ns <= kernels) return {};
        return "the emulator takes " + us_text(ns) + " by instructions, " + us_text(kernels) +
               " by kernels";
    }

    void stays(std::span<const size_t> part, const std::string &why)
    {
        for (const size_t i : part) {
            const Op &op = g_.ops[i];
            if (op.kind != Kind::Mvm) continue;
            Source &source = g_.sources[op.source];
            source.kernels = why;
            if (lowering_.how == LowerTo::Instructions)
                diag_.warn("node '" + source.name + "' (" + source.op + ") stays a kernel: " + why);
        }
    }

    // Puts what is one program side by side: each operation or program when all that it reads is
    // there, the earliest first.
    void settle()
    {
        if (!programs_) return;
        const size_t count = g_.ops.size();
        std::vector<std::vector<size_t>> members(programs_ + 1);
        for (size_t i = 0; i < count; i++)
            if (g_.ops[i].program) members[g_.ops[i].program].push_back(i);
        std::vector<bool> done(count);
        const auto ready = [&](size_t i, uint32_t program) {
            for (const ValueId id : g_.ops[i].inputs) {
                if (id == kNoValue || makers_[id] < 0) continue;
                const auto j = static_cast<size_t>(makers_[id]);
                if (!done[j] && !(program && g_.ops[j].program == program)) return false;
            }
            return true;
        };
        std::vector<size_t> order;
        std::vector<size_t> left(count);
        std::iota(left.begin(), left.end(), size_t{0});
        while (!left.empty()) {
            std::vector<size_t> later;
            for (const size_t i : left) {
                if (done[i]) continue;
                const uint32_t program = g_.ops[i].program;
                bool can = true;
                if (program)
                    for (const size_t m : members[program])
                        can = can && ready(m, program);
                else
                    can = ready(i, 0);
                if (!can) {
                    later.push_back(i);
                    continue;
                }
                const std::vector<size_t> one = {i};
                for (const size_t m : program ? members[program] : one) {
                    done[m] = true;
                    order.push_back(m);
                }
            }
            left = std::move(later);
        }
        std::vector<Op> ops;
        ops.reserve(count);
        // Numbered in the order of the graph.
        std::map<uint32_t, uint32_t> numbers;
        for (const size_t i : order) {
            Op &op = ops.emplace_back(std::move(g_.ops[i]));
            if (op.program)
                op.program = numbers.emplace(op.program, static_cast<uint32_t>(numbers.size() + 1))
                                 .first->second;
        }
        g_.ops = std::move(ops);
    }

    Graph &g_;
    const LowerOptions &lowering_;
    Diagnostics &diag_;
    const std::vector<int64_t> makers_;
    std::vector<std::vector<size_t>> readers_; // of each value
    std::vector<bool> can_, whole_;            // whole: it has its product
    uint32_t programs_ = 0;
};

} // namespace

Result<CrossbarProgram> make_program(const Graph &graph, std::pair<size_t, size_t> range,
                                     const arch::Arch &arch, const std::string &name,
                                     std::string *why)
{
    std::vector<size_t> ops(range.second - range.first);
    std::iota(ops.begin(), ops.end(), range.first);
    return make(graph, ops, arch, name, why);
}

std::vector<std::pair<size_t, size_t>> program_ranges(const Graph &graph)
{
    std::vector<std::pair<size_t, size_t>> ranges;
    for (size_t i = 0; i < graph.ops.size(); i++) {
        const uint32_t program = graph.ops[i].program;
        if (!program) continue;
        if (i && graph.ops[i - 1].program == program)
            ranges.back().second = i + 1;
        else
            ranges.emplace_back(i, i + 1);
    }
    return ranges;
}

void lower_products(Graph &graph, const LowerOptions &lowering, Diagnostics &diag)
{
    if (lowering.how == LowerTo::Kernels) return;
    Lowerer(graph, lowering, diag).run();
}

} // namespace acc::accc
