// SPDX-License-Identifier: MIT
#include "tools/accc/place/instructions.h"

#include "arch/costs.h"
#include "program/isa/dense.h"
#include "program/text.h"
#include "tools/accc/place/cost.h"
#include "tools/accc/place/place.h"

#include <algorithm>
#include <cstdio>

namespace acc::accc
{
namespace
{

// A product, its requantisation, and reshapes between it and the next product.
struct Link {
    size_t product = 0, requantize = 0;
    std::vector<size_t> reshapes; // before the product
};

class Chains
{
public:
    explicit Chains(const Graph &g) : g_(g), reader_(g.values.size(), kNone), uses_(g.uses())
    {
        for (size_t i = 0; i < g.ops.size(); i++)
            for (const ValueId id : g.ops[i].inputs)
                if (id != kNoValue) reader_[id] = i;
    }

    // From the product at `at` on; empty if nothing of it can be in a program.
    std::vector<Link> from(size_t at) const
    {
        std::vector<Link> chain;
        Link link;
        link.product = at;
        for (;;) {
            const Op &product = g_.ops[link.product];
            const Op *requantize = only_reader(product.output, link.requantize);
            if (!requantize || requantize->kind != Kind::Requantize) return chain;
            chain.push_back(link);
            link = {};
            ValueId result = requantize->output;
            const Op *next = only_reader(result, link.product);
            while (next && next->kind == Kind::Reshape) {
                link.reshapes.push_back(link.product);
                result = next->output;
                next = only_reader(result, link.product);
            }
            if (!next || next->kind != Kind::Mvm || next->inputs[0] != result) return chain;
            if (last_dim(g_.value(result).dims) != last_dim(g_.value(requantize->output).dims))
                return chain;
        }
    }

private:
    static constexpr size_t kNone = SIZE_MAX;

    const Op *only_reader(ValueId id, size_t &index) const
    {
        if (uses_[id] != 1 || reader_[id] == kNone) return nullptr;
        index = reader_[id];
        return &g_.ops[index];
    }

    const Graph &g_;
    std::vector<size_t> reader_;
    const std::vector<uint32_t> uses_;
};

Op program_of(const Graph &g, const std::vector<Link> &chain)
{
    Op op;
    op.kind = Kind::Program;
    const Op &first = g.ops[chain[0].product];
    op.source = first.source;
    op.inputs = {first.inputs[0]};
    for (const Link &link : chain) {
        const Op &product = g.ops[link.product], &requantize = g.ops[link.requantize];
        const Value &y = g.value(requantize.output);
        const bool wide = y.dtype == DType::I16;
        op.inputs.push_back(product.inputs[1]);
        op.inputs.insert(op.inputs.end(), requantize.inputs.begin() + 1, requantize.inputs.end());
        op.layers.push_back(
            {.source = product.source,
             .zero_point = y.quant.zero_point,
             .min = static_cast<int32_t>(std::max(requantize.lo, wide ? -32768.0f : -128.0f)),
             .max = static_cast<int32_t>(std::min(requantize.hi, wide ? 32767.0f : 127.0f))});
        op.output = requantize.output;
    }
    return op;
}

// The same chain as kernels: a product and a requantisation each, of `batch` items.
double kernels_ns(const Graph &g, const std::vector<Link> &chain, uint64_t batch)
{
    double ns = 0;
    for (const Link &link : chain) {
        const Op &product = g.ops[link.product];
        const Value &x = g.value(product.inputs[0]);
        const Dims &w = g.value(product.inputs[1]).dims;
        const auto vectors = batch * static_cast<uint64_t>(elements(x.dims) / w[0]);
        ns += product_cost(w[0], w[1], vectors, x.dtype == DType::I16 ? 16 : 8).ns +
              role_cost(g, g.ops[link.requantize], batch).ns;
    }
    return ns;
}

std::string us_text(double ns)
{
    char text[32];
    std::snprintf(text, sizeof(text), "%.3g us", ns / 1e3);
    return text;
}

// The slowest product of a chain's blocks: no vector follows another faster.
double product_ns(const Graph &g, const std::vector<Link> &chain)
{
    const arch::Arch machine;
    const Op op = program_of(g, chain);
    double most = 0;
    for (size_t k = 0; k < chain.size(); k++) {
        const Dims &w = g.value(op.inputs[1 + 4 * k]).dims;
        isa::Matrix m;
        m.rows = static_cast<uint32_t>(std::min<int64_t>(machine.rows, w[0]));
        m.cols = static_cast<uint32_t>(std::min<int64_t>(machine.cols, w[1]));
        m.input_bits = input_bits(g, op, k);
        most = std::max(most, arch::mvm_ns(isa::use_of(machine, m)));
    }
    return most;
}

// Why a batch takes less time by kernels, or nothing. No program: what is known before it is made.
std::string dearer(const Graph &g, const std::vector<Link> &chain, uint64_t batch,
                   const isa::Program *program)
{
    const uint64_t items = batch * vectors_of(g, program_of(g, chain));
    const double kernels = kernels_ns(g, chain, batch);
    const double ns = program ? predict(*program).all_ns(items)
                              : static_cast<double>(items) * product_ns(g, chain);
    if (ns <= kernels) return {};
    return "by instructions " + us_text(ns) + (program ? "" : " or more") + ", by kernels " +
           us_text(kernels);
}

} // namespace

uint32_t input_bits(const Graph &graph, const Op &op, size_t k)
{
    const bool wide = k ? op.layers[k - 1].min < -128 || op.layers[k - 1].max > 127
                        : graph.value(op.inputs[0]).dtype == DType::I16;
    return wide ? 16 : 8;
}

uint64_t vectors_of(const Graph &graph, const Op &op)
{
    const Dims &w = graph.value(op.inputs[1]).dims;
    return static_cast<uint64_t>(elements(graph.value(op.inputs[0]).dims) / w[0]);
}

Result<isa::Program> make_program(const Graph &graph, const Op &op, const std::string &name,
                                  std::string *why)
{
    const arch::Arch machine;
    // Known before weights are copied for it.
    uint64_t units = 0;
    for (size_t k = 0; k < op.layers.size(); k++) {
        const Dims &w = graph.value(op.inputs[1 + 4 * k]).dims;
        const TileCut cut = cut_matrix(w[0], w[1]);
        units += uint64_t{cut.row_blocks} * cut.col_blocks;
    }
    const uint64_t of_tile = uint64_t{machine.cores} * machine.mvm_units;
    const uint64_t tiles = (units + of_tile - 1) / of_tile;
    if (tiles > machine.tiles)
        return program::refuse(why, -EINVAL,
                               "expected at most the " + std::to_string(machine.tiles) +
                                   " tiles of a slot; found " + std::to_string(tiles));
    std::vector<std::vector<int16_t>> weights;
    std::vector<isa::Dense> layers;
    for (size_t k = 0; k < op.layers.size(); k++) {
        const ValueId *constants = op.inputs.data() + 1 + 4 * k;
        const std::vector<int8_t> &w = graph.int8s(constants[0]);
        const Dims &dims = graph.value(constants[0]).dims;
        weights.emplace_back(w.begin(), w.end());
        layers.push_back({.inputs = static_cast<uint32_t>(dims[0]),
                          .outputs = static_cast<uint32_t>(dims[1]),
                          .weights = weights.back(),
                          .bias = {},
                          .activation = isa::Activation::None,
                          .weight_bits = 8,
                          .input_bits = input_bits(graph, op, k),
                          .requantize = isa::Requantize{.bias = graph.int32s(constants[1]),
                                                        .multiplier = graph.int32s(constants[2]),
                                                        .shift = graph.int32s(constants[3]),
                                                        .zero_point = op.layers[k].zero_point,
                                                        .min = op.layers[k].min,
                                                        .max = op.layers[k].max}});
    }
    const isa::DensePorts ports = {
        .input_bytes = graph.value(op.inputs[0]).dtype == DType::I8,
        .output_bytes = graph.value(op.output).dtype == DType::I8,
    };
    return isa::lower_dense(machine, layers, name, why, ports);
}

void lower_products(Graph &g, LowerTo how, uint64_t batch, Diagnostics &diag)
{
    if (how == LowerTo::Kernels) return;
    const Chains chains(g);
    std::vector<bool> gone(g.ops.size());
    std::vector<bool> tried(g.ops.size());
    for (size_t i = 0; i < g.ops.size(); i++) {
        if (gone[i] || tried[i] || g.ops[i].kind != Kind::Mvm) continue;
        std::vector<Link> chain = chains.from(i);
        if (chain.empty()) {
            g.sources[g.ops[i].source].kernels = "its sums are not requantised alone";
            continue;
        }
        std::string why;
        if (how == LowerTo::Auto) why = dearer(g, chain, batch, nullptr);
        if (why.empty()) {
            // As long a part from its beginning as fits.
            auto program = make_program(g, program_of(g, chain), "program", &why);
            while (!program && chain.size() > 1) {
                chain.pop_back();
                program = make_program(g, program_of(g, chain), "program", &why);
            }
            if (program) why = how == LowerTo::Auto ? dearer(g, chain, batch, &*program) : "";
        }
        if (!why.empty()) {
            for (const Link &link : chain) {
                tried[link.product] = true;
                Source &source = g.sources[g.ops[link.product].source];
                source.kernels = why;
                if (how == LowerTo::Instructions)
                    diag.warn("node '" + source.name + "' (" + source.op +
                              ") stays a kernel: " + why);
            }
            continue;
        }
        Op op = program_of(g, chain);
        for (const Link &link : chain) {
            gone[link.product] = gone[link.requantize] = true;
            for (const size_t r : link.reshapes)
                gone[r] = true;
        }
        const size_t last = chain.back().requantize;
        g.ops[last] = std::move(op);
        gone[last] = false;
    }
    size_t kept = 0;
    for (size_t i = 0; i < g.ops.size(); i++)
        if (!gone[i] && kept++ != i) g.ops[kept - 1] = std::move(g.ops[i]);
    g.ops.resize(kept);
}

} // namespace acc::accc
