// SPDX-License-Identifier: MIT
#include "program/isa/dense.h"

#include "program/text.h"

#include <algorithm>
#include <map>
#include <set>

namespace acc::isa
{
namespace
{

struct Core {
    uint32_t tile = 0, core = 0;
    auto operator<=>(const Core &) const = default;
};

// A part of a layer's weights, in an MVM unit.
struct Block {
    uint32_t row = 0, col = 0; // blocks
    Core at;
    uint32_t unit = 0;
};

struct Message {
    uint32_t from = 0, from_address = 0, words = 0;
    uint32_t to = 0, to_address = 0, count = 0;
};

struct Layer {
    const Dense *dense = nullptr;
    uint32_t row_blocks = 0, col_blocks = 0;
    std::vector<Block> blocks;
    // Where input vector v is read: by tile, its address.
    std::vector<std::map<uint32_t, uint32_t>> input_at;
    // Of a column of blocks: its cores in order, the first of which is the owner, and where
    // the owner finds what each of the others has found.
    std::vector<std::vector<Core>> cores;
    std::vector<std::map<Core, uint32_t>> partial_at, partial_from; // at the owner; at its core
    std::vector<uint32_t> bias_at;
    std::vector<uint32_t> output_at; // of the last layer
};

class Lowering
{
public:
    Lowering(const arch::Arch &arch, const std::string &name) : arch_(arch)
    {
        program_.name = name;
        program_.arch = arch;
        program_.kernels.emplace_back().name = name;
    }

    std::string lower(std::span<const Dense> layers)
    {
        std::string why = check(layers);
        if (!why.empty()) return why;
        for (const Dense &dense : layers)
            place(dense);
        for (size_t l = 0; l < layers_.size(); l++)
            lay_out(l);
        for (const auto &[tile, used] : memory_)
            if (used > arch_.shared_words)
                return "expected at most " + std::to_string(arch_.shared_words) +
                       " words of shared memory in tile " + std::to_string(tile) + "; found " +
                       std::to_string(used);
        for (size_t l = 0; l < layers_.size(); l++)
            compute(l);
        why = route();
        if (!why.empty()) return why;
        Kernel &kernel = program_.kernels[0];
        for (auto &[core, code] : cores_) {
            code.push_back(hlt());
            kernel.streams.push_back({core.tile, core.core, std::move(code)});
        }
        for (auto &[tile, code] : controls_) {
            code.push_back(hlt());
            kernel.streams.push_back({tile, kControl, std::move(code)});
        }
        return check_program(program_, arch_);
    }

    Program take() { return std::move(program_); }

private:
    std::string check(std::span<const Dense> layers) const
    {
        const auto number = [](uint64_t value) { return std::to_string(value); };
        if (arch_.rows != arch_.cols)
            return "expected an arch with as many rows as cols; found " + number(arch_.rows) +
                   " and " + number(arch_.cols);
        if (arch_.registers < 2 * arch_.cols)
            return "expected at least " + number(2 * arch_.cols) + " registers; found " +
                   number(arch_.registers);
        if (layers.empty()) return "expected at least 1 layer; found 0";
        for (size_t l = 0; l < layers.size(); l++) {
            const Dense &d = layers[l];
            const std::string where = "layer " + number(l) + ": ";
            if (!d.inputs || !d.outputs) return where + "expected inputs and outputs; found none";
            if (l && d.inputs != layers[l - 1].outputs)
                return where + "expected " + number(layers[l - 1].outputs) +
                       " inputs, the outputs before it; found " + number(d.inputs);
            if (!d.weights.empty() && d.weights.size() != size_t{d.inputs} * d.outputs)
                return where + "expected " + number(size_t{d.inputs} * d.outputs) +
                       " weights; found " + number(d.weights.size());
            if (!d.bias.empty() && d.bias.size() != d.outputs)
                return where + "expected " + number(d.outputs) + " words of bias; found " +
                       number(d.bias.size());
        }
        return {};
    }

    uint32_t width(const Layer &layer, uint32_t col) const
    {
        return std::min(arch_.cols, layer.dense->outputs - col * arch_.cols);
    }
    uint32_t height(const Layer &layer, uint32_t row) const
    {
        return std::min(arch_.rows, layer.dense->inputs - row * arch_.rows);
    }

    // Units one after the other, a column of blocks at a time.
    void place(const Dense &dense)
    {
        Layer &layer = layers_.emplace_back();
        layer.dense = &dense;
        layer.row_blocks = (dense.inputs + arch_.rows - 1) / arch_.rows;
        layer.col_blocks = (dense.outputs + arch_.cols - 1) / arch_.cols;
        layer.cores.resize(layer.col_blocks);
        for (uint32_t col = 0; col < layer.col_blocks; col++) {
            for (uint32_t row = 0; row < layer.row_blocks; row++) {
                const uint32_t core = units_ / arch_.mvm_units;
                const Block block = {
                    row, col, {core / arch_.cores, core % arch_.cores}, units_++ % arch_.mvm_units};
                layer.blocks.push_back(block);
                auto &cores = layer.cores[col];
                if (cores.empty() || cores.back() != block.at) cores.push_back(block.at);
                add_matrix(layer, block);
            }
        }
        program_.tiles = std::max(program_.tiles, layer.blocks.back().at.tile + 1);
    }

    void add_matrix(const Layer &layer, const Block &block)
    {
        Matrix &m = program_.matrices.emplace_back();
        m.tile = block.at.tile;
        m.core = block.at.core;
        m.unit = block.unit;
        m.rows = height(layer, block.row);
        m.cols = width(layer, block.col);
        const Dense &d = *layer.dense;
        if (d.weights.empty()) return;
        m.weights.reserve(size_t{m.rows} * m.cols);
        for (uint32_t row = 0; row < m.rows; row++) {
            const auto line = d.weights.subspan(size_t{block.row * arch_.rows + row} * d.outputs +
                                                    size_t{block.col} * arch_.cols,
                                                m.cols);
            m.weights.insert(m.weights.end(), line.begin(), line.end());
        }
    }

    uint32_t allocate(uint32_t tile, uint32_t words)
    {
        uint32_t &used = memory_[tile];
        const uint32_t at = used;
        used += (words + arch_.costs.access_words - 1) / arch_.costs.access_words *
                arch_.costs.access_words;
        return at;
    }

    // Cores that read an input vector, by tile.
    static std::map<uint32_t, std::set<uint32_t>> readers(const Layer &layer, uint32_t vector)
    {
        std::map<uint32_t, std::set<uint32_t>> cores;
        for (const Block &block : layer.blocks)
            if (block.row == vector) cores[block.at.tile].insert(block.at.core);
        return cores;
    }

    // Memory of a layer, and the messages that fill it.
    void lay_out(size_t l)
    {
        Layer &layer = layers_[l];
        layer.input_at.resize(layer.row_blocks);
        for (uint32_t v = 0; v < layer.row_blocks; v++) {
            const auto cores = readers(layer, v);
            // Where it comes from: the owner before it, or the first tile that wants it.
            const uint32_t home = l ? layers_[l - 1].cores[v].front().tile : cores.begin()->first;
            auto &at = layer.input_at[v];
            const uint32_t words = height(layer, v);
            at[home] = allocate(home, words);
            for (const auto &[tile, readers] : cores) {
                if (tile == home) continue;
                at[tile] = allocate(tile, words);
                outputs_[l].push_back(
                    {home, at[home], words, tile, at[tile], static_cast<uint32_t>(readers.size())});
            }
            if (l == 0)
                program_.kernels[0].ports.push_back({.name = "x" + std::to_string(v),
                                                     .kind = PortKind::Input,
                                                     .tile = home,
                                                     .address = at[home],
                                                     .words = words,
                                                     .count = consumers(layer, v, home)});
        }
        layer.partial_at.resize(layer.col_blocks);
        layer.partial_from.resize(layer.col_blocks);
        layer.bias_at.resize(layer.col_blocks);
        for (uint32_t col = 0; col < layer.col_blocks; col++) {
            const Core owner = layer.cores[col].front();
            const uint32_t words = width(layer, col);
            for (size_t k = 1; k < layer.cores[col].size(); k++) {
                const Core core = layer.cores[col][k];
                const uint32_t at = allocate(owner.tile, words);
                layer.partial_at[col][core] = at;
                if (core.tile == owner.tile) {
                    layer.partial_from[col][core] = at;
                    continue;
                }
                const uint32_t from = allocate(core.tile, words);
                layer.partial_from[col][core] = from;
                partials_[l].push_back({core.tile, from, words, owner.tile, at, 1});
            }
            if (!layer.dense->bias.empty()) {
                layer.bias_at[col] = allocate(owner.tile, words);
                const auto bias = layer.dense->bias.subspan(size_t{col} * arch_.cols, words);
                program_.kernels[0].data.push_back({.tile = owner.tile,
                                                    .address = layer.bias_at[col],
                                                    .count = kSticky,
                                                    .words = {bias.begin(), bias.end()}});
            }
            if (l + 1 < layers_.size()) continue;
            layer.output_at.push_back(allocate(owner.tile, words));
            program_.kernels[0].ports.push_back({.name = "y" + std::to_string(col),
                                                 .kind = PortKind::Output,
                                                 .tile = owner.tile,
                                                 .address = layer.output_at.back(),
                                                 .words = words,
                                                 .count = 0});
        }
    }

    // Of an input vector where it is made: cores there, and messages to other tiles.
    uint32_t consumers(const Layer &layer, uint32_t vector, uint32_t home) const
    {
        uint32_t count = 0;
        for (const auto &[tile, cores] : readers(layer, vector))
            count += tile == home ? static_cast<uint32_t>(cores.size()) : 1;
        return count;
    }

    uint32_t general(uint32_t k = 0) const
    {
        return arch_.input_registers() + arch_.output_registers() + k;
    }

    // The instructions of a layer's cores: products first, then what others wait for, then
    // what waits for others.
    void compute(size_t l)
    {
        const Layer &layer = layers_[l];
        std::map<Core, std::vector<const Block *>> by_core;
        for (const Block &block : layer.blocks)
            by_core[block.at].push_back(&block);
        for (const auto &[core, blocks] : by_core) {
            auto &code = cores_[core];
            std::map<uint32_t, uint32_t> loaded; // vector, register
            uint32_t mask = 0;
            for (const Block *b : blocks) {
                const uint32_t to = b->unit * arch_.rows, words = height(layer, b->row);
                if (loaded.count(b->row))
                    code.push_back(copy(to, loaded[b->row], words));
                else
                    code.push_back(load(to, layer.input_at[b->row].at(core.tile), words));
                loaded.emplace(b->row, to);
                mask |= 1u << b->unit;
            }
            code.push_back(mvm(mask));
            for (uint32_t col = 0; col < layer.col_blocks; col++)
                if (const auto &all = layer.cores[col];
                    std::find(all.begin() + 1, all.end(), core) != all.end()) {
                    const uint32_t sum = add_own(layer, blocks, col, code);
                    code.push_back(
                        store(layer.partial_from[col].at(core), sum, width(layer, col), 1));
                }
            for (uint32_t col = 0; col < layer.col_blocks; col++)
                if (layer.cores[col].front() == core) finish_column(l, col, blocks, code);
        }
    }

    // The sum of a core's own units in a column: the register where it is.
    uint32_t add_own(const Layer &layer, const std::vector<const Block *> &blocks, uint32_t col,
                     std::vector<Instruction> &code) const
    {
        uint32_t sum = 0;
        bool first = true;
        for (const Block *b : blocks) {
            if (b->col != col) continue;
            const uint32_t out = arch_.input_registers() + b->unit * arch_.cols;
            if (first)
                sum = out;
            else
                code.push_back(binary(Op::Add, sum, sum, out, width(layer, col)));
            first = false;
        }
        return sum;
    }

    void finish_column(size_t l, uint32_t col, const std::vector<const Block *> &blocks,
                       std::vector<Instruction> &code) const
    {
        const Layer &layer = layers_[l];
        const uint32_t n = width(layer, col), other = general(arch_.cols);
        const uint32_t sum = add_own(layer, blocks, col, code);
        for (size_t k = 1; k < layer.cores[col].size(); k++) {
            code.push_back(load(other, layer.partial_at[col].at(layer.cores[col][k]), n));
            code.push_back(binary(Op::Add, sum, sum, other, n));
        }
        if (!layer.dense->bias.empty()) {
            code.push_back(load(other, layer.bias_at[col], n));
            code.push_back(binary(Op::Add, sum, sum, other, n));
        }
        switch (layer.dense->activation) {
        case Activation::Relu:
            code.push_back(unary(Op::Relu, sum, sum, n));
            break;
        case Activation::Sigmoid:
            code.push_back(unary(Op::Sigmoid, sum, sum, n));
            break;
        case Activation::Tanh:
            code.push_back(unary(Op::Tanh, sum, sum, n));
            break;
        case Activation::None:
            break;
        }
        if (l + 1 == layers_.size()) {
            code.push_back(store(layer.output_at[col], sum, n, 1));
            return;
        }
        const uint32_t home = layer.cores[col].front().tile;
        code.push_back(store(layers_[l + 1].input_at[col].at(home), sum, n,
                             consumers(layers_[l + 1], col, home)));
    }

    // The control units' instructions: all messages in one order, a FIFO for each pair of tiles.
    std::string route()
    {
        for (size_t l = 0; l < layers_.size(); l++) {
            for (const auto *messages : {&outputs_[l], &partials_[l]})
                for (const Message &m : *messages) {
                    auto &fifos = fifos_[m.to];
                    const auto fifo =
                        fifos.emplace(m.from, static_cast<uint32_t>(fifos.size())).first->second;
                    if (fifo >= arch_.fifos)
                        return "expected at most " + std::to_string(arch_.fifos) +
                               " tiles that send to tile " + std::to_string(m.to) +
                               ", one for each of its FIFOs; found more";
                    controls_[m.from].push_back(send(m.from_address, m.words, m.to, fifo));
                    controls_[m.to].push_back(recv(m.to_address, m.words, fifo, m.count));
                }
        }
        return {};
    }

    const arch::Arch &arch_;
    Program program_;
    std::vector<Layer> layers_;
    uint32_t units_ = 0;
    std::map<uint32_t, uint32_t> memory_;                    // words used, by tile
    std::map<size_t, std::vector<Message>> outputs_;         // of the inputs of layer l
    std::map<size_t, std::vector<Message>> partials_;        // of layer l
    std::map<uint32_t, std::map<uint32_t, uint32_t>> fifos_; // of a tile, by who sends
    std::map<Core, std::vector<Instruction>> cores_;
    std::map<uint32_t, std::vector<Instruction>> controls_;
};

} // namespace

Result<Program> lower_dense(const arch::Arch &arch, std::span<const Dense> layers,
                            const std::string &name, std::string *why)
{
    Lowering lowering(arch, name);
    std::string text = lowering.lower(layers);
    if (!text.empty()) return program::refuse(why, -EINVAL, std::move(text));
    return lowering.take();
}

} // namespace acc::isa
