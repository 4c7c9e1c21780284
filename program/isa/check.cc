// SPDX-License-Identifier: MIT
//
// Whether a program fits an arch and is well-formed.
#include "program/isa/program.h"

#include <algorithm>
#include <bit>
#include <map>
#include <set>
#include <tuple>

namespace acc::isa
{
namespace
{

std::string expected(const std::string &what, uint64_t found)
{
    return "expected " + what + "; found " + std::to_string(found);
}

std::string place(const Stream &s)
{
    return "tile " + std::to_string(s.tile) +
           (s.core == kControl ? " control" : " core " + std::to_string(s.core));
}

class StreamCheck
{
public:
    StreamCheck(const arch::Arch &arch, const Stream &stream, uint32_t tiles, uint32_t programmed)
        : arch_(arch), stream_(stream), tiles_(tiles), programmed_(programmed),
          core_(stream.core != kControl),
          registers_(core_ ? arch.core_registers() : arch::kTileRegisters)
    {
    }

    // Empty, or what is wrong with the instruction.
    std::string check(const Instruction &i) const
    {
        const OpInfo *info = op_info(static_cast<uint8_t>(i.op));
        if (!info) return expected("an opcode", static_cast<uint8_t>(i.op));
        if (core_ ? !info->core : !info->tile)
            return std::string("expected an instruction of ") +
                   (core_ ? "cores" : "control units") + "; found " + std::string(info->name);
        std::string why;
        Instruction decoded;
        if (!decode(encode(i), decoded, why)) return why;
        if (decoded != i) return "expected fields that their bits can hold; found " + text_of(i);
        why = check_fields(i, info->syntax);
        return why.empty() ? why : text_of(i) + ": " + why;
    }

private:
    std::string span(const char *name, uint32_t first, uint32_t n) const
    {
        if (first + n <= registers_) return {};
        return std::string("expected ") + name + " within " + std::to_string(registers_) +
               " registers; found r" + std::to_string(first) + " to r" +
               std::to_string(first + n - 1);
    }
    std::string memory(uint32_t address, uint32_t n) const
    {
        if (address + n <= arch_.shared_words) return {};
        return expected("words below " + std::to_string(arch_.shared_words), address + n - 1);
    }
    std::string count(uint32_t count) const
    {
        return count ? std::string() : expected("1 to 255 consumers", count);
    }
    std::string peer(const Instruction &i, uint32_t fifo) const
    {
        if (i.d >= tiles_) return expected("a tile below " + std::to_string(tiles_), i.d);
        return fifo < arch_.fifos ? std::string()
                                  : expected("a FIFO below " + std::to_string(arch_.fifos), fifo);
    }
    template <typename... T>
    static std::string first(T... checks)
    {
        std::string result;
        (void)((result = checks, result.empty()) && ...);
        return result;
    }

    std::string check_fields(const Instruction &i, Syntax syntax) const
    {
        const uint32_t n = i.n, high = i.imm >> 24, address = i.imm & kMaxAddress;
        const bool needs_n = syntax != Syntax::Nothing && syntax != Syntax::Jump &&
                             syntax != Syntax::Branch && syntax != Syntax::Multiply &&
                             syntax != Syntax::MultiplyWide;
        if (needs_n && n == 0) return expected("1 to 4095 elements", 0);
        switch (syntax) {
        case Syntax::Nothing:
            return {};
        case Syntax::Jump:
            return target(i.imm);
        case Syntax::Branch:
            return first(span("a", i.a, 1), span("b", i.b, 1), target(i.imm));
        case Syntax::SetWord:
            return span("d", i.d, n);
        case Syntax::Unary:
        case Syntax::Immediate:
        case Syntax::ScalarImmediate:
            if (i.op == Op::Slli || i.op == Op::Srai || i.op == Op::Srli)
                if (i.imm > 15) return expected("a shift of 0 to 15", i.imm);
            if (i.op == Op::Divi && i.imm == 0) return "division by zero";
            return first(span("d", i.d, n), span("a", i.a, n));
        case Syntax::Binary:
        case Syntax::Scalar:
            return first(span("d", i.d, n), span("a", i.a, n), span("b", i.b, n));
        case Syntax::Reduce:
            return first(span("d", i.d, 1), span("a", i.a, n), span("b", i.b, n));
        case Syntax::PairBinary:
            return first(span("d", i.d, 2 * n), span("a", i.a, 2 * n), span("b", i.b, 2 * n));
        case Syntax::PairNarrow:
            return first(span("d", i.d, n), span("a", i.a, 2 * n),
                         span("b", i.b, kRequantWords * n));
        case Syntax::PairWiden:
            return first(span("d", i.d, 2 * n), span("a", i.a, n));
        case Syntax::PairJoin:
            return first(span("d", i.d, n), span("a", i.a, n), span("b", i.b, kJoinWords));
        case Syntax::LoadWords:
            return first(span("d", i.d, n), memory(i.imm, n));
        case Syntax::LoadIndirect:
            return first(span("d", i.d, n), span("a", i.a, 1));
        case Syntax::DropWords:
            return memory(i.imm, n);
        case Syntax::DropIndirect:
            return span("a", i.a, 1);
        case Syntax::StoreWords:
            return first(span("d", i.d, n), memory(address, n), count(high));
        case Syntax::StoreIndirect:
            return first(span("d", i.d, n), span("a", i.a, 1), count(i.flags));
        case Syntax::Multiply:
            if (const std::string why = mask(i.flags); !why.empty()) return why;
            if (i.a > arch_.rows) return expected("a filter of at most the rows", i.a);
            if (i.b && i.b >= i.a) return expected("a stride below the filter", i.b);
            return {};
        case Syntax::MultiplyWide: {
            const std::string why = mask(i.flags);
            const auto units = static_cast<uint32_t>(std::popcount(i.flags));
            return first(why, span("d", i.d, units * 2 * arch_.cols));
        }
        case Syntax::SendWords:
            return first(memory(address, n), peer(i, high));
        case Syntax::SendIndirect:
            return first(span("a", i.a, 1), peer(i, i.flags));
        case Syntax::RecvWords:
            return first(memory(address, n), count(high), fifo(i.d));
        case Syntax::RecvIndirect:
            return first(span("a", i.a, 1), count(i.flags), fifo(i.d));
        }
        return {};
    }
    std::string mask(uint32_t units) const
    {
        if (units == 0) return expected("a mask of MVM units", 0);
        if (units & ~programmed_)
            return expected("MVM units with weights, mask " + std::to_string(programmed_), units);
        return {};
    }
    std::string fifo(uint32_t number) const
    {
        return number < arch_.fifos
                   ? std::string()
                   : expected("a FIFO below " + std::to_string(arch_.fifos), number);
    }
    std::string target(uint32_t at) const
    {
        if (at < stream_.code.size()) return {};
        return expected("a target below " + std::to_string(stream_.code.size()), at);
    }

    const arch::Arch &arch_;
    const Stream &stream_;
    const uint32_t tiles_, programmed_;
    const bool core_;
    const uint32_t registers_;
};

std::string check_stream(const arch::Arch &arch, const Stream &stream, uint32_t tiles,
                         uint32_t programmed)
{
    if (stream.tile >= tiles) return expected("a tile below " + std::to_string(tiles), stream.tile);
    if (stream.core != kControl && stream.core >= arch.cores)
        return expected("a core below " + std::to_string(arch.cores), stream.core);
    const uint32_t room = stream.core == kControl ? arch.tile_instructions : arch.core_instructions;
    if (stream.code.empty() || stream.code.size() > room)
        return expected("1 to " + std::to_string(room) + " instructions", stream.code.size());
    const StreamCheck check(arch, stream, tiles, programmed);
    for (size_t k = 0; k < stream.code.size(); k++) {
        const std::string why = check.check(stream.code[k]);
        if (!why.empty()) return "instruction " + std::to_string(k) + ": " + why;
    }
    // Whatever runs ends in one that does not go on to the next.
    const Op last = stream.code.back().op;
    if (last != Op::Hlt && last != Op::Jmp)
        return "expected hlt or jmp as the last instruction; found " + text_of(stream.code.back());
    return {};
}

std::string check_kernel(const Program &program, const arch::Arch &arch, const Kernel &kernel,
                         const std::map<std::pair<uint32_t, uint32_t>, uint32_t> &programmed)
{
    std::set<std::pair<uint32_t, uint32_t>> seen;
    for (const Stream &s : kernel.streams) {
        const auto units = programmed.find({s.tile, s.core});
        std::string why =
            check_stream(arch, s, program.tiles, units == programmed.end() ? 0 : units->second);
        if (why.empty() && !seen.insert({s.tile, s.core}).second)
            why = "expected one stream; found another";
        if (!why.empty()) return place(s) + ", " + why;
    }
    const auto range = [&](uint32_t tile, uint32_t address, uint64_t words) -> std::string {
        if (tile >= program.tiles)
            return expected("a tile below " + std::to_string(program.tiles), tile);
        if (words == 0 || address + words > arch.shared_words)
            return "expected words within " + std::to_string(arch.shared_words) +
                   " of shared memory; found " + std::to_string(words) + " at " +
                   std::to_string(address);
        return {};
    };
    for (const Data &d : kernel.data) {
        std::string why = range(d.tile, d.address, d.words.size());
        if (why.empty() && (d.count < 1 || d.count > kSticky))
            why = expected("1 to 255 consumers", d.count);
        if (!why.empty()) return "data: " + why;
    }
    for (const Port &p : kernel.ports) {
        std::string why = range(p.tile, p.address, p.words);
        if (why.empty() && p.input() && (p.count < 1 || p.count > kSticky))
            why = expected("1 to 255 consumers", p.count);
        if (why.empty() && p.kind == PortKind::Scalar && p.words != 1)
            why = expected("1 word of a scalar", p.words);
        if (!why.empty()) return "port " + p.name + ": " + why;
    }
    if (kernel.ports.size() > 256) return expected("at most 256 ports", kernel.ports.size());
    return {};
}

} // namespace

std::string check_program(const Program &program, const arch::Arch &arch)
{
    const arch::Arch &made = program.arch;
    std::string why = arch::check_programs(arch);
    if (!why.empty()) return why;
    const struct {
        const char *name;
        uint32_t needs, has;
        bool equal;
    } sizes[] = {
        {"rows", made.rows, arch.rows, true},
        {"cols", made.cols, arch.cols, true},
        {"mvm_units", made.mvm_units, arch.mvm_units, true},
        {"frac_bits", made.frac_bits, arch.frac_bits, true},
        {"input_bits", made.input_bits, arch.input_bits, true},
        {"weight_bits", made.weight_bits, arch.weight_bits, false},
        {"cores", made.cores, arch.cores, false},
        {"registers", made.registers, arch.registers, false},
        {"shared_words", made.shared_words, arch.shared_words, false},
        {"fifos", made.fifos, arch.fifos, false},
    };
    for (const auto &s : sizes)
        if (s.equal ? s.needs != s.has : s.needs > s.has)
            return std::string("expected a program for ") + (s.equal ? "" : "at most ") +
                   std::to_string(s.has) + " " + s.name + ", as this device has; found one for " +
                   std::to_string(s.needs);

    std::map<std::pair<uint32_t, uint32_t>, uint32_t> programmed; // units of a core, a mask
    for (const Matrix &m : program.matrices) {
        const std::string where = "matrix of tile " + std::to_string(m.tile) + " core " +
                                  std::to_string(m.core) + " unit " + std::to_string(m.unit) + ": ";
        if (m.tile >= program.tiles)
            return where + expected("a tile below " + std::to_string(program.tiles), m.tile);
        if (m.core >= arch.cores)
            return where + expected("a core below " + std::to_string(arch.cores), m.core);
        if (m.unit >= arch.mvm_units)
            return where + expected("a unit below " + std::to_string(arch.mvm_units), m.unit);
        if (m.rows < 1 || m.rows > arch.rows || m.cols < 1 || m.cols > arch.cols)
            return where + "expected at most " + std::to_string(arch.rows) + " x " +
                   std::to_string(arch.cols) + " weights; found " + std::to_string(m.rows) + " x " +
                   std::to_string(m.cols);
        if (!m.weights.empty() && m.weights.size() != size_t{m.rows} * m.cols)
            return where +
                   expected(std::to_string(size_t{m.rows} * m.cols) + " weights", m.weights.size());
        // A sign and something beside it.
        if (m.weight_bits == 1 || m.weight_bits > made.weight_bits)
            return where +
                   expected("0 or 2 to " + std::to_string(made.weight_bits) + " bits of weights",
                            m.weight_bits);
        if (m.input_bits == 1 || m.input_bits > made.input_bits)
            return where +
                   expected("0 or 2 to " + std::to_string(made.input_bits) + " bits of inputs",
                            m.input_bits);
        const uint32_t bits = arch_of(made, m).weight_bits;
        const int32_t limit = 1 << (bits - 1);
        for (const int16_t w : m.weights)
            if (w < -limit || w >= limit)
                return where + "expected weights of " + std::to_string(bits) + " bits; found " +
                       std::to_string(w);
        uint32_t &mask = programmed[{m.tile, m.core}];
        if (mask & 1u << m.unit) return where + "expected one matrix; found another";
        mask |= 1u << m.unit;
    }
    if (program.kernels.empty()) return expected("at least 1 kernel", 0);
    for (const Kernel &kernel : program.kernels) {
        why = check_kernel(program, arch, kernel, programmed);
        if (!why.empty()) return "kernel " + kernel.name + ", " + why;
    }
    return {};
}

arch::ArrayUse use_of(const arch::Arch &arch, const Matrix &m)
{
    arch::ArrayUse use = arch::unit_use(arch_of(arch, m));
    use.rows = m.rows;
    use.cols = m.cols;
    use.adcs = std::min(use.adcs, m.cols);
    return use;
}

} // namespace acc::isa
