// SPDX-License-Identifier: MIT
//
// The instructions of a planned network. Rows of a result are written out one after the other, each
// with a loop over its pixels: rings, padding and what may be dropped then are numbers in the code.
#include "program/isa/dataflow_plan.h"

#include <algorithm>

namespace acc::isa::dataflow
{
namespace
{

constexpr uint32_t kPointers = 24; // registers at the end: two of the loop, then addresses
constexpr uint32_t kScalars = kPointers + 2;

// What is done for one pixel. Addresses of the first pixel of a row; of the next ones they are
// `step` further.
class Body
{
public:
    void add(const Instruction &i) { items_.push_back({i, 0, 0, false}); }
    void access(Op op, uint32_t reg, uint32_t address, uint32_t n, uint32_t step)
    {
        Instruction i;
        i.op = op;
        i.d = static_cast<uint16_t>(reg);
        i.n = static_cast<uint16_t>(n);
        items_.push_back({i, address, step, true});
    }

    // The loop over `pixels`. Empty, or that there are too few registers for addresses.
    std::string write(uint32_t pixels, uint32_t scalars, std::vector<Instruction> &code) const
    {
        if (pixels == 1) {
            for (const Item &item : items_)
                code.push_back(item.memory ? direct(item) : item.instruction);
            return {};
        }
        // A register for those that move alike and lie in reach of an offset.
        std::vector<const Item *> memory;
        for (const Item &item : items_)
            if (item.memory && item.step) memory.push_back(&item);
        std::sort(memory.begin(), memory.end(), [](const Item *a, const Item *b) {
            return std::pair(a->step, a->address) < std::pair(b->step, b->address);
        });
        std::vector<std::pair<uint32_t, uint32_t>> pointers; // step, address
        for (const Item *item : memory)
            if (pointers.empty() || pointers.back().first != item->step ||
                item->address - pointers.back().second > kMaxElements)
                pointers.emplace_back(item->step, item->address);
        if (pointers.size() > kPointers)
            return "expected at most " + number(kPointers) + " addresses of a pixel; found " +
                   number(pointers.size());
        const uint32_t zero = scalars, count = scalars + 1, first = scalars + 2;
        for (size_t k = 0; k < pointers.size(); k++)
            code.push_back(
                set(first + static_cast<uint32_t>(k), static_cast<int32_t>(pointers[k].second)));
        code.push_back(set(count, static_cast<int32_t>(pixels)));
        const auto loop = static_cast<uint32_t>(code.size());
        for (const Item &item : items_) {
            if (!item.memory || !item.step) {
                code.push_back(item.memory ? direct(item) : item.instruction);
                continue;
            }
            size_t k = 0;
            while (pointers[k].first != item.step || item.address < pointers[k].second ||
                   item.address - pointers[k].second > kMaxElements)
                k++;
            const uint32_t at = first + static_cast<uint32_t>(k);
            const uint32_t offset = item.address - pointers[k].second;
            const Instruction &i = item.instruction;
            code.push_back(i.op == Op::Store  ? store_at(at, offset, i.d, i.n, 1)
                           : i.op == Op::Peek ? load_at(Op::PeekR, i.d, at, offset, i.n)
                                              : load_at(Op::LoadR, i.d, at, offset, i.n));
        }
        for (size_t k = 0; k < pointers.size(); k++) {
            const uint32_t at = first + static_cast<uint32_t>(k);
            code.push_back(immediate(Op::Iaddi, at, at, static_cast<int32_t>(pointers[k].first)));
        }
        code.push_back(immediate(Op::Iaddi, count, count, -1));
        code.push_back(branch(Op::Bne, count, zero, loop));
        return {};
    }

private:
    struct Item {
        Instruction instruction;
        uint32_t address = 0, step = 0;
        bool memory = false;
    };

    static Instruction direct(const Item &item)
    {
        const Instruction &i = item.instruction;
        return i.op == Op::Store  ? store(item.address, i.d, i.n, 1)
               : i.op == Op::Peek ? peek(i.d, item.address, i.n)
                                  : load(i.d, item.address, i.n);
    }

    std::vector<Item> items_;
};

// One core of a node.
class CoreWriter
{
public:
    CoreWriter(const arch::Arch &arch, const Plan &plan, uint32_t n, uint32_t k)
        : arch_(arch), plan_(plan), node_(plan.nodes[n]), cut_(plan.cuts[n]), core_(cut_.cores[k]),
          k_(k), scalars_(arch.core_registers() - kScalars)
    {
    }

    std::string write(std::vector<Instruction> &code)
    {
        std::string why = plan_registers();
        if (!why.empty()) return why;
        const uint32_t words = static_cast<uint32_t>(parameters(node_, core_).size());
        const uint32_t skip = resident_ ? 0 : kRequantWords * channels();
        if (words > skip) code.push_back(load(parameters_, core_.parameters + skip, words - skip));
        for (uint32_t row = 0; row < node_.out.h; row++) {
            Body body;
            if (node_.kind == NodeKind::Product)
                multiply(row, body);
            else
                pool(row, body);
            if (core_.owner()) finish(row, body);
            why = body.write(node_.out.w, scalars_, code);
            if (!why.empty()) return why;
            drop_rows(row, code);
        }
        code.push_back(hlt());
        return {};
    }

private:
    uint32_t channels() const { return core_.c1 - core_.c0; }
    uint32_t general() const { return arch_.input_registers() + arch_.output_registers(); }

    // Of a product: windows in the units' inputs, results in their outputs, which mvmw leaves
    // alone, pairs and parameters in the general registers; partial sums and what is joined take
    // the place of the inputs, when these are done with. Of anything else: the result from r0 on,
    // then parameters, then what is read.
    std::string plan_registers()
    {
        uint32_t joins = 0;
        for (const Then &then : node_.then)
            joins += then.join ? kJoinWords : 0;
        if (node_.kind == NodeKind::Product) {
            result_ = arch_.input_registers();
            scratch_ = 0;
            parameters_ = general() + static_cast<uint32_t>(core_.units.size()) * 2 * arch_.cols;
            if (parameters_ + joins + kRequantWords > scalars_)
                return "expected at least " +
                       number(parameters_ + joins + kRequantWords + kScalars) +
                       " registers; found " + number(arch_.core_registers());
            resident_ = parameters_ + kRequantWords * channels() + joins <= scalars_;
            joins_ = parameters_ + (resident_ ? kRequantWords * channels() : 0);
            return {};
        }
        const bool average = node_.kind == NodeKind::AveragePool;
        chunk_ = std::min(node_.out.c, kAverageChannels);
        parameters_ = node_.out.c;
        joins_ = parameters_ + (average ? kRequantWords * chunk_ : 0);
        scratch_ = joins_ + joins;
        uint32_t room = std::max(node_.out.c, average ? 2 * chunk_ : 0);
        if (scratch_ + room > scalars_)
            return "expected at most " + number(scalars_) + " registers for a pixel; found " +
                   number(scratch_ + room);
        return {};
    }

    void multiply(uint32_t row, Body &body)
    {
        read_units(row, body);
        uint32_t mask = 0;
        for (size_t u = 0; u < core_.units.size(); u++)
            mask |= 1u << u;
        body.add(mvmw(general(), mask));
        for (size_t u = 0; u < core_.units.size(); u++) {
            const UnitCut &unit = cut_.units[core_.units[u]];
            const auto to = cut_.partials.find({unit.block, k_});
            if (to == cut_.partials.end() || !first_of_block(u)) continue;
            add_own(unit.block, body);
            body.access(Op::Store, pairs(u), to->second, 2 * (unit.n1 - unit.n0), 0);
        }
        for (size_t u = 0; u < core_.units.size(); u++) {
            const UnitCut &unit = cut_.units[core_.units[u]];
            if (cut_.partials.contains({unit.block, k_}) || !first_of_block(u)) continue;
            add_own(unit.block, body);
            for (const auto &[key, address] : cut_.partials) {
                if (key.first != unit.block) continue;
                body.access(Op::Load, scratch_, address, 2 * (unit.n1 - unit.n0), 0);
                body.add(binary(Op::AddW, pairs(u), pairs(u), scratch_, unit.n1 - unit.n0));
            }
            requantise(unit, pairs(u), body);
        }
        if (core_.owner()) limit(node_.limits, body);
    }

    uint32_t pairs(size_t u) const { return general() + static_cast<uint32_t>(u) * 2 * arch_.cols; }
    bool first_of_block(size_t u) const
    {
        return u == 0 || cut_.units[core_.units[u - 1]].block != cut_.units[core_.units[u]].block;
    }
    // A block's units of this core, into the first one's pairs.
    void add_own(uint32_t block, Body &body) const
    {
        size_t first = SIZE_MAX;
        for (size_t u = 0; u < core_.units.size(); u++) {
            const UnitCut &unit = cut_.units[core_.units[u]];
            if (unit.block != block) continue;
            if (first == SIZE_MAX)
                first = u;
            else
                body.add(binary(Op::AddW, pairs(first), pairs(first), pairs(u), unit.n1 - unit.n0));
        }
    }

    void read_units(uint32_t row, Body &body) const
    {
        for (size_t u = 0; u < core_.units.size(); u++) {
            const UnitCut &unit = cut_.units[core_.units[u]];
            const uint32_t to = static_cast<uint32_t>(u) * arch_.rows;
            size_t same = 0;
            while (cut_.units[core_.units[same]].c0 != unit.c0 ||
                   cut_.units[core_.units[same]].c1 != unit.c1)
                same++;
            if (same < u) {
                body.add(copy(to, static_cast<uint32_t>(same) * arch_.rows,
                              node_.window.taps() * (unit.c1 - unit.c0)));
                continue;
            }
            uint32_t at = to;
            for (const uint32_t p : core_.parts) {
                const Part &part = plan_.parts[p];
                if (part.join >= 0 || part.c0 < unit.c0 || part.c1 > unit.c1) continue;
                for (uint32_t ky = 0; ky < node_.window.kernel[0]; ky++)
                    at = read_row(part, row, ky, at, body);
            }
        }
    }

    // Address of a window's row ky, at output row `row` and its first pixel.
    uint32_t window_row(const Part &part, uint32_t row, uint32_t ky) const
    {
        const int64_t y = int64_t{row} * node_.window.stride[0] - node_.window.pad[0] +
                          int64_t{ky} * node_.window.dilation[0];
        return y < 0 || y >= part.h
                   ? part.pad_row
                   : part.row(static_cast<uint32_t>(y)) - part.left * part.channels();
    }

    uint32_t read_row(const Part &part, uint32_t row, uint32_t ky, uint32_t at, Body &body) const
    {
        const Window &w = node_.window;
        const uint32_t address = window_row(part, row, ky), c = part.channels();
        const Op op = part.takes ? Op::Load : Op::Peek;
        if (w.dilation[1] == 1) {
            body.access(op, at, address, w.kernel[1] * c, w.stride[1] * c);
            return at + w.kernel[1] * c;
        }
        for (uint32_t kx = 0; kx < w.kernel[1]; kx++, at += c)
            body.access(op, at, address + kx * w.dilation[1] * c, c, w.stride[1] * c);
        return at;
    }

    void requantise(const UnitCut &unit, uint32_t sums, Body &body) const
    {
        const uint32_t n = unit.n1 - unit.n0, first = unit.n0 - core_.c0;
        if (resident_) {
            body.add(
                binary(Op::Requant, result_ + first, sums, parameters_ + kRequantWords * first, n));
            return;
        }
        uint32_t joins = 0;
        for (const Then &then : node_.then)
            joins += then.join ? kJoinWords : 0;
        const uint32_t at = parameters_ + joins, room = (scalars_ - at) / kRequantWords;
        for (uint32_t k = 0; k < n; k += room) {
            const uint32_t m = std::min(room, n - k);
            body.access(Op::Load, at, core_.parameters + kRequantWords * (first + k),
                        kRequantWords * m, 0);
            body.add(binary(Op::Requant, result_ + first + k, sums + 2 * k, at, m));
        }
    }

    // Before the zero point is added, so that no word overflows.
    void limit(const Limits &l, Body &body) const
    {
        const int32_t least = l.min - l.zero_point, most = l.max - l.zero_point;
        if (least > -32768) body.add(immediate(Op::Maxi, result_, result_, least, channels()));
        if (most < 32767) body.add(immediate(Op::Mini, result_, result_, most, channels()));
        if (l.zero_point) body.add(immediate(Op::Addi, result_, result_, l.zero_point, channels()));
    }

    void pool(uint32_t row, Body &body) const
    {
        if (node_.kind == NodeKind::Input) {
            const Shape &s = node_.out;
            body.access(Op::Load, 0, cut_.port + row * s.w * s.c, s.c, s.c);
            return;
        }
        const Op op = node_.kind == NodeKind::MaxPool ? Op::Max : Op::Add;
        for (const uint32_t p : core_.parts) {
            const Part &part = plan_.parts[p];
            if (part.join >= 0) continue;
            const uint32_t c = part.channels();
            if (node_.kind == NodeKind::Copy) {
                body.access(Op::Load, part.c0, part.row(row), c, c);
                continue;
            }
            for (uint32_t ky = 0; ky < node_.window.kernel[0]; ky++)
                pool_row(part, op, row, ky, body);
        }
        if (node_.kind != NodeKind::AveragePool) return;
        for (uint32_t k = 0; k < node_.out.c; k += chunk_) {
            const uint32_t m = std::min(chunk_, node_.out.c - k);
            body.add(unary(Op::Widen, scratch_, k, m));
            body.add(binary(Op::Requant, k, scratch_, parameters_, m));
        }
    }

    void pool_row(const Part &part, Op op, uint32_t row, uint32_t ky, Body &body) const
    {
        const Window &w = node_.window;
        const uint32_t c = part.channels(), address = window_row(part, row, ky);
        const Op read = part.takes ? Op::Load : Op::Peek;
        // As many pixels of the row at once as there are registers for.
        const uint32_t together =
            w.dilation[1] == 1 ? std::min(w.kernel[1], (scalars_ - scratch_) / c) : 1;
        for (uint32_t kx = 0; kx < w.kernel[1]; kx += together) {
            const uint32_t m = std::min(together, w.kernel[1] - kx);
            body.access(read, scratch_, address + kx * w.dilation[1] * c, m * c, w.stride[1] * c);
            for (uint32_t i = 0; i < m; i++)
                if (ky == 0 && kx + i == 0)
                    body.add(copy(part.c0, scratch_, c));
                else
                    body.add(binary(op, part.c0, part.c0, scratch_ + i * c, c));
        }
    }

    // What is done with a result, and where it goes.
    void finish(uint32_t row, Body &body) const
    {
        uint32_t joins = 0;
        for (size_t j = 0; j < node_.then.size(); j++) {
            const Then &then = node_.then[j];
            if (then.join) {
                for (const uint32_t p : core_.parts) {
                    const Part &part = plan_.parts[p];
                    if (part.join != static_cast<int32_t>(j)) continue;
                    body.access(Op::Load, scratch_ + part.c0 - core_.c0, part.row(row),
                                part.channels(), part.channels());
                }
                body.add(
                    binary(Op::Join, result_, scratch_, joins_ + kJoinWords * joins++, channels()));
            }
            if (then.join)
                limit(then.limits, body);
            else
                limit({.zero_point = 0, .min = then.limits.min, .max = then.limits.max}, body);
        }
        for (const uint32_t p : cut_.feeds) {
            const Part &part = plan_.parts[p];
            if (cut_.owners[part.owner] != k_) continue;
            body.access(Op::Store, result_ + part.c0 - core_.c0,
                        part.remote ? part.staged_row(row) : part.row(row), part.channels(),
                        part.channels());
        }
        if (!node_.output) return;
        const size_t owner = static_cast<size_t>(
            std::find(cut_.owners.begin(), cut_.owners.end(), k_) - cut_.owners.begin());
        body.access(Op::Store, result_, cut_.output_at[owner] + row * node_.out.w * channels(),
                    channels(), channels());
    }

    // Rows of the ring that no window needs any more.
    void drop_rows(uint32_t row, std::vector<Instruction> &code) const
    {
        for (const uint32_t p : core_.parts) {
            const Part &part = plan_.parts[p];
            if (part.takes) continue;
            const uint32_t before = row ? done_rows(node_, row - 1, part.h) : 0;
            for (uint32_t y = before; y < done_rows(node_, row, part.h); y++)
                for (uint32_t k = 0; k < part.row_words(); k += kMaxElements)
                    code.push_back(
                        drop(part.row(y) + k, std::min(kMaxElements, part.row_words() - k)));
        }
    }

    const arch::Arch &arch_;
    const Plan &plan_;
    const Node &node_;
    const NodeCut &cut_;
    const CoreCut &core_;
    const uint32_t k_;
    const uint32_t scalars_; // zero, the loop's count, addresses
    uint32_t result_ = 0, scratch_ = 0, parameters_ = 0, joins_ = 0, chunk_ = 0;
    bool resident_ = true;
};

class Writer
{
public:
    Writer(const arch::Arch &arch, const Plan &plan, Program &program, std::vector<PortUse> &ports)
        : arch_(arch), plan_(plan), program_(program), ports_(ports)
    {
    }

    std::string write()
    {
        program_.tiles = plan_.tiles;
        for (uint32_t n = 0; n < plan_.nodes.size(); n++) {
            const NodeCut &cut = plan_.cuts[n];
            if (cut.direct) continue;
            for (const UnitCut &unit : cut.units)
                add_matrix(n, unit);
            for (uint32_t k = 0; k < cut.cores.size(); k++) {
                const CoreCut &core = cut.cores[k];
                if (auto words = parameters(plan_.nodes[n], core); !words.empty())
                    kernel().data.push_back({.tile = cut.tile,
                                             .address = core.parameters,
                                             .count = kSticky,
                                             .words = std::move(words)});
                Stream stream{cut.tile, core.core, {}};
                const std::string why = CoreWriter(arch_, plan_, n, k).write(stream.code);
                if (!why.empty()) return plan_.nodes[n].name + ": " + why;
                kernel().streams.push_back(std::move(stream));
            }
        }
        for (const Part &part : plan_.parts)
            add_padding(part);
        add_ports();
        return add_messages();
    }

private:
    Kernel &kernel() { return program_.kernels[0]; }

    void add_matrix(uint32_t n, const UnitCut &unit)
    {
        const Node &node = plan_.nodes[n];
        const NodeCut &cut = plan_.cuts[n];
        const CoreCut &core = cut.cores[unit.core];
        Matrix &m = program_.matrices.emplace_back();
        m.tile = cut.tile;
        m.core = core.core;
        m.unit = unit.unit;
        m.rows = node.window.taps() * (unit.c1 - unit.c0);
        m.cols = unit.n1 - unit.n0;
        m.weight_bits = 8;
        m.input_bits = node.input_bits;
        m.weights.reserve(size_t{m.rows} * m.cols);
        // Rows in the order in which read_units() reads.
        for (const uint32_t p : core.parts) {
            const Part &part = plan_.parts[p];
            if (part.join >= 0 || part.c0 < unit.c0 || part.c1 > unit.c1) continue;
            for (uint32_t tap = 0; tap < node.window.taps(); tap++)
                for (uint32_t c = part.c0; c < part.c1; c++) {
                    const int8_t *line =
                        node.weights.data() + (size_t{tap} * cut.in.c + c) * node.out.c;
                    m.weights.insert(m.weights.end(), line + unit.n0, line + unit.n1);
                }
        }
    }

    void add_padding(const Part &part)
    {
        const Node &node = plan_.nodes[part.reader];
        const uint32_t tile = plan_.cuts[part.reader].tile, c = part.channels();
        const auto pad = [&](uint32_t address, uint32_t words) {
            if (!words) return;
            kernel().data.push_back({.tile = tile,
                                     .address = address,
                                     .count = kSticky,
                                     .words = std::vector<int16_t>(words, node.pad_value)});
        };
        if (part.pads_rows) pad(part.pad_row, part.pitch());
        // The right of a row and the left of the next one lie side by side.
        pad(part.base, part.left * c);
        for (uint32_t y = 0; y < part.rows; y++)
            pad(part.base + y * part.pitch() + (part.left + part.w) * c,
                (part.right + (y + 1 < part.rows ? part.left : 0)) * c);
    }

    void add_ports()
    {
        const auto add = [&](const char *prefix, uint32_t &count, bool input, bool bytes,
                             uint32_t tile, uint32_t address, uint64_t words, PortUse use) {
            kernel().ports.push_back(
                {.name = prefix + number(count++),
                 .kind = input ? (bytes ? PortKind::InputBytes : PortKind::Input)
                               : (bytes ? PortKind::OutputBytes : PortKind::Output),
                 .tile = tile,
                 .address = address,
                 .words = static_cast<uint32_t>(words),
                 .count = input ? 1u : 0u});
            ports_.push_back(use);
        };
        uint32_t inputs = 0, outputs = 0;
        for (uint32_t n = 0; n < plan_.nodes.size(); n++) {
            const Node &node = plan_.nodes[n];
            const NodeCut &cut = plan_.cuts[n];
            if (node.kind != NodeKind::Input) continue;
            if (!cut.direct)
                add("x", inputs, true, node.bytes, cut.tile, cut.port, node.out.words(), {n, 0});
            else
                for (const uint32_t p : cut.feeds) {
                    const Part &part = plan_.parts[p];
                    add("x", inputs, true, node.bytes, plan_.cuts[part.reader].tile, part.base,
                        uint64_t{part.h} * part.row_words(), {n, part.c0});
                }
        }
        for (uint32_t n = 0; n < plan_.nodes.size(); n++) {
            const Node &node = plan_.nodes[n];
            const NodeCut &cut = plan_.cuts[n];
            if (!node.output) continue;
            for (size_t o = 0; o < cut.owners.size(); o++) {
                const CoreCut &core = cut.cores[cut.owners[o]];
                add("y", outputs, false, node.bytes, cut.tile, cut.output_at[o],
                    uint64_t{node.out.h} * node.out.w * (core.c1 - core.c0), {n, core.c0});
            }
        }
    }

    // A FIFO for each pair of tiles.
    std::string add_messages()
    {
        std::map<uint32_t, std::vector<Instruction>> controls;
        std::map<uint32_t, std::map<uint32_t, uint32_t>> fifos;
        for (const Plan::Message &message : plan_.messages) {
            const Part &part = plan_.parts[message.part];
            const uint32_t from = plan_.cuts[part.maker].tile, to = plan_.cuts[part.reader].tile;
            auto &of = fifos[to];
            const uint32_t fifo = of.emplace(from, static_cast<uint32_t>(of.size())).first->second;
            if (fifo >= arch_.fifos)
                return "expected at most " + number(arch_.fifos) + " tiles that send to tile " +
                       number(to) + ", one for each of its FIFOs; found more";
            for (uint32_t k = 0; k < part.row_words(); k += kMaxElements) {
                const uint32_t words = std::min(kMaxElements, part.row_words() - k);
                controls[from].push_back(send(part.staged_row(message.row) + k, words, to, fifo));
                controls[to].push_back(recv(part.row(message.row) + k, words, fifo, 1));
            }
        }
        for (auto &[tile, code] : controls) {
            code.push_back(hlt());
            kernel().streams.push_back({tile, kControl, std::move(code)});
        }
        return {};
    }

    const arch::Arch &arch_;
    const Plan &plan_;
    Program &program_;
    std::vector<PortUse> &ports_;
};

} // namespace

std::string write(const arch::Arch &arch, const Plan &plan, Program &program,
                  std::vector<PortUse> &ports)
{
    return Writer(arch, plan, program, ports).write();
}

} // namespace acc::isa::dataflow
