// SPDX-License-Identifier: MIT
#include "program/isa/dense.h"

#include "program/text.h"

#include <algorithm>
#include <map>

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
    uint32_t to = 0, to_address = 0; // for one read
};

// An input vector of a layer. Shared memory counts reads, not readers: a core that is an item
// ahead would take the read of one that is behind. So nobody reads what another reads. The first
// core of each tile gets the vector, and makes copies for the others there.
struct Vector {
    uint32_t home = 0;           // the tile where it is made
    std::map<Core, uint32_t> at; // who reads it, and the address of their own
    uint32_t messages = 0;       // to other tiles
    uint32_t sent_from = 0;      // what the control unit of `home` reads for these, if any

    // Of a tile; null: nobody there.
    const std::pair<const Core, uint32_t> *first(uint32_t tile) const
    {
        const auto it = at.lower_bound({tile, 0});
        return it == at.end() || it->first.tile != tile ? nullptr : &*it;
    }
};

struct Layer {
    const Dense *dense = nullptr;
    uint32_t row_blocks = 0, col_blocks = 0;
    std::vector<Block> blocks;
    std::vector<Vector> inputs;
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
    Lowering(const arch::Arch &arch, const std::string &name, DensePorts ports)
        : arch_(arch), ports_(ports)
    {
        program_.name = name;
        program_.arch = arch;
        program_.kernels.emplace_back().name = name;
    }

    std::string lower(std::span<const Dense> layers)
    {
        std::string why = check(layers);
        if (!why.empty()) return why;
        // A core that is in two layers is busy for both: items follow each other faster where
        // none is, as long as tiles last.
        uint64_t apart = 0;
        for (const Dense &dense : layers)
            apart += cores_of(dense);
        const bool fits = apart <= uint64_t{arch_.tiles} * arch_.cores;
        for (const Dense &dense : layers) {
            if (fits) units_ = (units_ + arch_.mvm_units - 1) / arch_.mvm_units * arch_.mvm_units;
            place(dense);
        }
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
            if (d.requantize) {
                const std::string why = check_integers(d);
                if (!why.empty()) return where + why;
            }
            if (!d.bias.empty() && d.bias.size() != d.outputs)
                return where + "expected " + number(d.outputs) + " words of bias; found " +
                       number(d.bias.size());
        }
        return {};
    }

    std::string check_integers(const Dense &d) const
    {
        const Requantize &r = *d.requantize;
        const uint32_t least = (arch_.mvm_units + 1) * 2 * arch_.cols;
        if (arch_.registers < least)
            return "expected at least " + std::to_string(least) +
                   " registers, for sums of 32 bits of each unit and of another core; found " +
                   std::to_string(arch_.registers);
        for (const auto &list : {r.bias, r.multiplier, r.shift})
            if (list.size() != d.outputs)
                return "expected a bias, multiplier and shift for each of " +
                       std::to_string(d.outputs) + " outputs; found " + std::to_string(list.size());
        if (!d.bias.empty() || d.activation != Activation::None)
            return "expected a requantisation or a bias and an activation; found both";
        if (r.min > r.max || r.min < -32768 || r.max > 32767 || r.min - r.zero_point < -32768 ||
            r.max - r.zero_point > 32767)
            return "expected limits of 16 bits about the zero point; found " +
                   std::to_string(r.min) + " to " + std::to_string(r.max) + " about " +
                   std::to_string(r.zero_point);
        return {};
    }

    // Words of a sum.
    static uint32_t sum_words(const Layer &layer) { return layer.dense->requantize ? 2 : 1; }

    uint32_t width(const Layer &layer, uint32_t col) const
    {
        return std::min(arch_.cols, layer.dense->outputs - col * arch_.cols);
    }
    uint32_t height(const Layer &layer, uint32_t row) const
    {
        return std::min(arch_.rows, layer.dense->inputs - row * arch_.rows);
    }

    uint32_t blocks_of(uint32_t words) const { return (words + arch_.rows - 1) / arch_.rows; }
    uint64_t cores_of(const Dense &dense) const
    {
        const uint64_t units = uint64_t{blocks_of(dense.inputs)} * blocks_of(dense.outputs);
        return (units + arch_.mvm_units - 1) / arch_.mvm_units;
    }

    // Units one after the other, a column of blocks at a time.
    void place(const Dense &dense)
    {
        Layer &layer = layers_.emplace_back();
        layer.dense = &dense;
        layer.row_blocks = blocks_of(dense.inputs);
        layer.col_blocks = blocks_of(dense.outputs);
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
        m.weight_bits = d.weight_bits;
        m.input_bits = d.input_bits;
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

    void lay_out_vector(size_t l, uint32_t v)
    {
        Layer &layer = layers_[l];
        Vector &vector = layer.inputs[v];
        const uint32_t words = height(layer, v);
        // Where it comes from: the owner before it, or the first tile that wants it.
        vector.home = l ? layers_[l - 1].cores[v].front().tile : vector.at.begin()->first.tile;
        std::vector<Core> elsewhere; // first cores of other tiles
        for (auto &[core, address] : vector.at) {
            address = allocate(core.tile, words);
            if (core.tile != vector.home && vector.first(core.tile)->first == core)
                elsewhere.push_back(core);
        }
        vector.messages = static_cast<uint32_t>(elsewhere.size());
        if (vector.messages) vector.sent_from = allocate(vector.home, words);
        for (const Core &core : elsewhere)
            outputs_[l].push_back(
                {vector.home, vector.sent_from, words, core.tile, vector.at.at(core)});
        if (l == 0)
            program_.kernels[0].ports.push_back(
                {.name = "x" + std::to_string(v),
                 .kind = ports_.input_bytes ? PortKind::InputBytes : PortKind::Input,
                 .tile = vector.home,
                 .address = vector.at.begin()->second,
                 .words = words,
                 .count = 1});
    }

    // Memory of a layer, and the messages that fill it.
    void lay_out(size_t l)
    {
        Layer &layer = layers_[l];
        layer.inputs.resize(layer.row_blocks);
        for (const Block &block : layer.blocks)
            layer.inputs[block.row].at.emplace(block.at, 0);
        for (uint32_t v = 0; v < layer.row_blocks; v++)
            lay_out_vector(l, v);
        layer.partial_at.resize(layer.col_blocks);
        layer.partial_from.resize(layer.col_blocks);
        layer.bias_at.resize(layer.col_blocks);
        for (uint32_t col = 0; col < layer.col_blocks; col++) {
            const Core owner = layer.cores[col].front();
            const uint32_t words = width(layer, col);
            for (size_t k = 1; k < layer.cores[col].size(); k++) {
                const Core core = layer.cores[col][k];
                const uint32_t sums = words * sum_words(layer);
                const uint32_t at = allocate(owner.tile, sums);
                layer.partial_at[col][core] = at;
                if (core.tile == owner.tile) {
                    layer.partial_from[col][core] = at;
                    continue;
                }
                const uint32_t from = allocate(core.tile, sums);
                layer.partial_from[col][core] = from;
                partials_[l].push_back({core.tile, from, sums, owner.tile, at});
            }
            if (layer.dense->requantize) add_requantize(layer, col);
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
            program_.kernels[0].ports.push_back(
                {.name = "y" + std::to_string(col),
                 .kind = ports_.output_bytes ? PortKind::OutputBytes : PortKind::Output,
                 .tile = owner.tile,
                 .address = layer.output_at.back(),
                 .words = words,
                 .count = 0});
        }
    }

    // What requant reads of a column of blocks, beside its owner.
    void add_requantize(Layer &layer, uint32_t col)
    {
        const Requantize &r = *layer.dense->requantize;
        const uint32_t tile = layer.cores[col].front().tile, n = width(layer, col);
        std::vector<int16_t> words;
        for (uint32_t k = col * arch_.cols; k < col * arch_.cols + n; k++) {
            for (const int32_t pair : {r.bias[k], r.multiplier[k]}) {
                words.push_back(static_cast<int16_t>(pair));
                words.push_back(static_cast<int16_t>(pair >> 16));
            }
            words.push_back(static_cast<int16_t>(r.shift[k]));
        }
        layer.bias_at[col] = allocate(tile, kRequantWords * n);
        program_.kernels[0].data.push_back({.tile = tile,
                                            .address = layer.bias_at[col],
                                            .count = kSticky,
                                            .words = std::move(words)});
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
            load_inputs(l, core, blocks, code);
            uint32_t mask = 0;
            for (const Block *b : blocks)
                mask |= 1u << b->unit;
            code.push_back(layer.dense->requantize ? mvmw(general(), mask) : mvm(mask));
            for (uint32_t col = 0; col < layer.col_blocks; col++)
                if (const auto &all = layer.cores[col];
                    std::find(all.begin() + 1, all.end(), core) != all.end()) {
                    const uint32_t sum = add_own(layer, blocks, col, code);
                    code.push_back(store(layer.partial_from[col].at(core), sum,
                                         width(layer, col) * sum_words(layer), 1));
                }
            for (uint32_t col = 0; col < layer.col_blocks; col++)
                if (layer.cores[col].front() == core) finish_column(l, col, blocks, code);
        }
    }

    // A core's input vectors into its units, and on to those who get them from it. All cores do
    // this in the order of the vectors, in which the control units send them: nobody waits for a
    // later one of somebody who waits for an earlier one.
    void load_inputs(size_t l, const Core &core, std::vector<const Block *> blocks,
                     std::vector<Instruction> &code) const
    {
        const Layer &layer = layers_[l];
        std::stable_sort(blocks.begin(), blocks.end(),
                         [](const Block *a, const Block *b) { return a->row < b->row; });
        const Block *last = nullptr;
        for (const Block *b : blocks) {
            const Vector &vector = layer.inputs[b->row];
            const uint32_t to = b->unit * arch_.rows, words = height(layer, b->row);
            if (last && last->row == b->row) {
                code.push_back(copy(to, last->unit * arch_.rows, words));
                continue;
            }
            last = b;
            code.push_back(load(to, vector.at.at(core), words));
            if (vector.first(core.tile)->first != core) continue;
            for (const auto &[other, address] : vector.at)
                if (other.tile == core.tile && other != core)
                    code.push_back(store(address, to, words, 1));
            if (l == 0 && core.tile == vector.home && vector.messages)
                code.push_back(store(vector.sent_from, to, words, vector.messages));
        }
    }

    // The sum of a core's own units in a column: the register where it is.
    uint32_t add_own(const Layer &layer, const std::vector<const Block *> &blocks, uint32_t col,
                     std::vector<Instruction> &code) const
    {
        uint32_t sum = 0;
        bool first = true;
        const bool integers = layer.dense->requantize.has_value();
        for (size_t k = 0; k < blocks.size(); k++) {
            const Block *b = blocks[k];
            if (b->col != col) continue;
            // mvmw's pairs are unit after unit of those that it asks.
            const uint32_t out = integers ? general(static_cast<uint32_t>(k) * 2 * arch_.cols)
                                          : arch_.input_registers() + b->unit * arch_.cols;
            if (first)
                sum = out;
            else
                code.push_back(
                    binary(integers ? Op::AddW : Op::Add, sum, sum, out, width(layer, col)));
            first = false;
        }
        return sum;
    }

    void finish_column(size_t l, uint32_t col, const std::vector<const Block *> &blocks,
                       std::vector<Instruction> &code) const
    {
        const Layer &layer = layers_[l];
        const bool integers = layer.dense->requantize.has_value();
        const uint32_t n = width(layer, col);
        const uint32_t other = general((integers ? 2 * arch_.mvm_units : 1) * arch_.cols);
        uint32_t sum = add_own(layer, blocks, col, code);
        for (size_t k = 1; k < layer.cores[col].size(); k++) {
            code.push_back(
                load(other, layer.partial_at[col].at(layer.cores[col][k]), n * sum_words(layer)));
            code.push_back(binary(integers ? Op::AddW : Op::Add, sum, sum, other, n));
        }
        if (integers) sum = requantize(layer, col, sum, other, code);
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
        const Vector &next = layers_[l + 1].inputs[col];
        if (const auto *first = next.first(next.home))
            code.push_back(store(first->second, sum, n, 1));
        if (next.messages) code.push_back(store(next.sent_from, sum, n, next.messages));
    }

    // Words of the pairs at `sum`, in output registers, which mvmw leaves alone. `other` is the
    // first of the registers that are free.
    uint32_t requantize(const Layer &layer, uint32_t col, uint32_t sum, uint32_t other,
                        std::vector<Instruction> &code) const
    {
        const Requantize &r = *layer.dense->requantize;
        const uint32_t n = width(layer, col), to = arch_.input_registers();
        const uint32_t room = (arch_.core_registers() - other) / kRequantWords;
        for (uint32_t k = 0; k < n; k += room) {
            const uint32_t m = std::min(room, n - k);
            code.push_back(load(other, layer.bias_at[col] + kRequantWords * k, kRequantWords * m));
            code.push_back(binary(Op::Requant, to + k, sum + 2 * k, other, m));
        }
        // Before the zero point is added, so that no word overflows.
        const int32_t least = r.min - r.zero_point, most = r.max - r.zero_point;
        if (least > -32768) code.push_back(immediate(Op::Maxi, to, to, least, n));
        if (most < 32767) code.push_back(immediate(Op::Mini, to, to, most, n));
        if (r.zero_point) code.push_back(immediate(Op::Addi, to, to, r.zero_point, n));
        return to;
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
                    controls_[m.to].push_back(recv(m.to_address, m.words, fifo, 1));
                }
        }
        return {};
    }

    const arch::Arch &arch_;
    const DensePorts ports_;
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
                            const std::string &name, std::string *why, DensePorts ports)
{
    Lowering lowering(arch, name, ports);
    std::string text = lowering.lower(layers);
    if (!text.empty()) return program::refuse(why, -EINVAL, std::move(text));
    return lowering.take();
}

} // namespace acc::isa
