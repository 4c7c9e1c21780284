// SPDX-License-Identifier: MIT
#include "program/isa/assembler.h"

#include <charconv>
#include <map>
#include <optional>

namespace acc::isa
{
namespace
{

constexpr size_t kMostProblems = 20;

bool is_word_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '.' || c == '-' || c == '+' || c == '@';
}

// A line without its comment as words, and each of , [ ] : on its own.
std::vector<std::string_view> tokens_of(std::string_view line)
{
    std::vector<std::string_view> tokens;
    size_t at = 0;
    while (at < line.size() && line[at] != '#' && line[at] != ';') {
        const char c = line[at];
        if (c == ' ' || c == '\t' || c == '\r') {
            at++;
            continue;
        }
        size_t end = at + 1;
        // " + " between a register and an offset is a token of its own.
        if (is_word_char(c))
            while (end < line.size() && is_word_char(line[end]))
                end++;
        tokens.push_back(line.substr(at, end - at));
        at = end;
    }
    return tokens;
}

std::optional<int64_t> number_of(std::string_view text)
{
    const bool negative = text.starts_with('-');
    if (negative) text.remove_prefix(1);
    int base = 10;
    if (text.starts_with("0x")) {
        base = 16;
        text.remove_prefix(2);
    }
    int64_t value = 0;
    const auto result = std::from_chars(text.data(), text.data() + text.size(), value, base);
    if (text.empty() || result.ec != std::errc() || result.ptr != text.data() + text.size())
        return {};
    return negative ? -value : value;
}

class Assembler
{
public:
    Assembler(std::string_view name, const arch::Arch &arch) : name_(name) { program_.arch = arch; }

    void line(std::string_view text)
    {
        number_++;
        tokens_ = tokens_of(text);
        at_ = 0;
        bad_ = false;
        if (tokens_.empty()) return;
        if (tokens_.size() >= 2 && tokens_[1] == ":") {
            label();
            if (at_ == tokens_.size()) return;
        }
        if (peek().starts_with('.'))
            directive();
        else if (const auto value = number_of(peek()); value && numbers_)
            values();
        else
            instruction();
        if (!bad_ && at_ != tokens_.size()) refuse("the end of the line");
    }

    void end()
    {
        end_numbers();
        for (const Fixup &f : fixups_) {
            const auto found = labels_.find({f.kernel, f.stream, f.label});
            if (found == labels_.end())
                problem(f.line, "expected a label of this stream; found '" + f.label + "'");
            else
                program_.kernels[f.kernel].streams[f.stream].code[f.instruction].imm =
                    found->second;
        }
    }

    std::string problems;
    Program take() { return std::move(program_); }

private:
    struct Fixup {
        size_t kernel, stream, instruction, line;
        std::string label;
    };

    void problem(size_t line, const std::string &text)
    {
        if (count_++ >= kMostProblems) return;
        problems +=
            (problems.empty() ? "" : "\n") + name_ + ":" + std::to_string(line) + ": " + text;
    }
    void refuse(const std::string &expected)
    {
        if (bad_) return;
        bad_ = true;
        problem(number_, "expected " + expected + "; found " +
                             (at_ < tokens_.size() ? "'" + std::string(peek()) + "'"
                                                   : std::string("the end of the line")));
    }

    std::string_view peek() const { return at_ < tokens_.size() ? tokens_[at_] : ""; }
    bool take(std::string_view token)
    {
        if (bad_ || peek() != token) return false;
        at_++;
        return true;
    }
    void need(std::string_view token)
    {
        if (!take(token)) refuse("'" + std::string(token) + "'");
    }
    int64_t number(int64_t least, int64_t most)
    {
        if (bad_) return least;
        const auto value = number_of(peek());
        if (!value || *value < least || *value > most) {
            refuse("a number from " + std::to_string(least) + " to " + std::to_string(most));
            return least;
        }
        at_++;
        return *value;
    }
    uint32_t unsigned_number(int64_t most) { return static_cast<uint32_t>(number(0, most)); }
    uint16_t reg()
    {
        const std::string_view token = peek();
        // in0, out0: the first register of an MVM unit's inputs or outputs.
        const auto unit_register = [&](std::string_view prefix, uint32_t base, uint32_t each) {
            if (!token.starts_with(prefix)) return std::optional<int64_t>();
            const auto unit = number_of(token.substr(prefix.size()));
            if (!unit || *unit < 0 || *unit >= program_.arch.mvm_units)
                return std::optional<int64_t>();
            return std::optional<int64_t>(base + *unit * each);
        };
        const arch::Arch &a = program_.arch;
        std::optional<int64_t> value;
        if (token.starts_with('r')) value = number_of(token.substr(1));
        if (!value) value = unit_register("in", 0, a.rows);
        if (!value) value = unit_register("out", a.input_registers(), a.cols);
        if (!value && token.starts_with('g')) {
            value = number_of(token.substr(1));
            if (value) *value += a.input_registers() + a.output_registers();
        }
        if (bad_ || !value || *value < 0 || *value > kMaxRegister) {
            refuse("a register r0 to r4095, in0, out0 or g0");
            return 0;
        }
        at_++;
        return static_cast<uint16_t>(*value);
    }
    std::string word(const char *what)
    {
        if (at_ == tokens_.size() || bad_) {
            refuse(what);
            return {};
        }
        return std::string(tokens_[at_++]);
    }

    void label()
    {
        if (!stream_) return refuse("a label after .core or .control");
        const auto key = std::make_tuple(kernel(), stream_index(), std::string(tokens_[0]));
        if (!labels_.emplace(key, static_cast<uint32_t>(stream().code.size())).second)
            refuse("a new label");
        at_ = 2;
    }

    void directive()
    {
        end_numbers();
        const std::string_view name = tokens_[at_++];
        if (name == ".program") {
            program_.name = word("a name");
        } else if (name == ".arch") {
            std::string why;
            auto loaded = arch::load(word("a preset or a path"), why);
            if (!loaded)
                problem(number_, why), bad_ = true;
            else
                program_.arch = std::move(*loaded);
        } else if (name == ".tiles") {
            program_.tiles = static_cast<uint32_t>(number(1, 4096));
        } else if (name == ".kernel") {
            program_.kernels.emplace_back().name = word("a name");
            stream_ = false;
        } else if (name == ".core" || name == ".control") {
            need_kernel();
            Stream s;
            s.tile = unsigned_number(4095);
            s.core = kControl;
            if (name == ".core") {
                need(",");
                s.core = unsigned_number(63);
            }
            if (bad_) return;
            program_.kernels.back().streams.push_back(std::move(s));
            stream_ = true;
            use_tile(program_.kernels.back().streams.back().tile);
        } else if (name == ".matrix") {
            matrix();
        } else if (name == ".data") {
            need_kernel();
            Data d;
            d.tile = unsigned_number(4095);
            need(",");
            d.address = unsigned_number(kMaxAddress);
            if (take(",")) d.count = static_cast<uint32_t>(number(1, kSticky));
            if (bad_) return;
            program_.kernels.back().data.push_back(std::move(d));
            use_tile(program_.kernels.back().data.back().tile);
            numbers_ = &program_.kernels.back().data.back().words;
        } else if (name == ".input" || name == ".output" || name == ".scalar" ||
                   name == ".input_i8" || name == ".output_i8") {
            port(name);
        } else {
            at_--;
            refuse(".program, .arch, .tiles, .matrix, .kernel, .core, .control, .data, .input, "
                   ".output, .input_i8, .output_i8 or .scalar");
        }
    }

    void need_kernel()
    {
        if (program_.kernels.empty() && !bad_) {
            at_--;
            refuse(".kernel before it");
        }
    }

    void matrix()
    {
        Matrix m;
        m.tile = unsigned_number(4095);
        need(",");
        m.core = unsigned_number(63);
        need(",");
        m.unit = unsigned_number(7);
        need(",");
        m.rows = static_cast<uint32_t>(number(1, 1024));
        need(",");
        m.cols = static_cast<uint32_t>(number(1, 1024));
        if (take(",")) {
            m.weight_bits = unsigned_number(16);
            need(",");
            m.input_bits = unsigned_number(16);
        }
        if (bad_) return;
        program_.matrices.push_back(std::move(m));
        use_tile(program_.matrices.back().tile);
        numbers_ = &program_.matrices.back().weights;
        // Ended early, a matrix has zeros: one that is all zeros is written in one line.
        fill_ = size_t{program_.matrices.back().rows} * program_.matrices.back().cols;
    }

    void port(std::string_view kind)
    {
        need_kernel();
        Port p;
        p.kind = kind == ".input"       ? PortKind::Input
                 : kind == ".output"    ? PortKind::Output
                 : kind == ".input_i8"  ? PortKind::InputBytes
                 : kind == ".output_i8" ? PortKind::OutputBytes
                                        : PortKind::Scalar;
        p.name = word("a name");
        need(",");
        p.tile = unsigned_number(4095);
        need(",");
        p.address = unsigned_number(kMaxAddress);
        if (p.kind != PortKind::Scalar) {
            need(",");
            p.words = static_cast<uint32_t>(number(1, kMaxAddress));
        }
        p.count = p.input() ? 1 : 0;
        if (p.input() && take(",")) p.count = static_cast<uint32_t>(number(1, kSticky));
        if (bad_) return;
        use_tile(p.tile);
        program_.kernels.back().ports.push_back(std::move(p));
    }

    // Words of .data, weights of .matrix.
    void values()
    {
        do {
            numbers_->push_back(static_cast<int16_t>(number(-32768, 65535)));
            (void)take(",");
        } while (!bad_ && at_ < tokens_.size());
    }
    void end_numbers()
    {
        if (numbers_ && fill_ && numbers_->size() < fill_) numbers_->resize(fill_);
        numbers_ = nullptr;
        fill_ = 0;
    }

    void target(Instruction &i)
    {
        const std::string name = word("a label");
        if (bad_) return;
        if (name.starts_with('@')) {
            const auto value = number_of(std::string_view(name).substr(1));
            if (value && *value >= 0 && *value <= kMaxTarget) {
                i.imm = static_cast<uint32_t>(*value);
                return;
            }
        }
        fixups_.push_back({kernel(), stream_index(), stream().code.size(), number_, name});
    }

    void instruction()
    {
        end_numbers();
        const OpInfo *info = find_op(peek());
        if (!info) return refuse("an instruction");
        if (!stream_) return refuse("instructions after .core or .control");
        at_++;
        Instruction i{.op = info->op};
        operands(i, info->syntax);
        if (!bad_) stream().code.push_back(i);
    }

    void elements(Instruction &i)
    {
        i.n = take(",") ? static_cast<uint16_t>(number(1, kMaxElements)) : uint16_t{1};
    }
    // [address] into imm, or [ra + offset] into a and b.
    void address(Instruction &i, bool indirect)
    {
        need("[");
        if (indirect) {
            i.a = reg();
            if (take("+")) i.b = static_cast<uint16_t>(number(0, 4095));
        } else {
            i.imm = unsigned_number(kMaxAddress);
        }
        need("]");
    }
    void count(Instruction &i, bool indirect)
    {
        const uint32_t value = take(",") ? static_cast<uint32_t>(number(1, kSticky)) : 1;
        high(i, indirect, value);
    }
    static void high(Instruction &i, bool indirect, uint32_t value)
    {
        if (indirect)
            i.flags = static_cast<uint8_t>(value);
        else
            i.imm |= value << 24;
    }

    void operands(Instruction &i, Syntax syntax)
    {
        const bool indirect = syntax == Syntax::LoadIndirect || syntax == Syntax::StoreIndirect ||
                              syntax == Syntax::DropIndirect || syntax == Syntax::SendIndirect ||
                              syntax == Syntax::RecvIndirect;
        switch (syntax) {
        case Syntax::Nothing:
            return;
        case Syntax::Jump:
            return target(i);
        case Syntax::Branch:
            i.a = reg();
            need(",");
            i.b = reg();
            need(",");
            return target(i);
        case Syntax::SetWord:
            i.d = reg();
            need(",");
            i.imm = static_cast<uint32_t>(number(-32768, 65535));
            return elements(i);
        case Syntax::Unary:
        case Syntax::PairWiden:
            i.d = reg();
            need(",");
            i.a = reg();
            return elements(i);
        case Syntax::Binary:
        case Syntax::Reduce:
        case Syntax::PairBinary:
        case Syntax::PairNarrow:
        case Syntax::PairJoin:
        case Syntax::Scalar:
            i.d = reg();
            need(",");
            i.a = reg();
            need(",");
            i.b = reg();
            if (syntax == Syntax::Scalar)
                i.n = 1;
            else
                elements(i);
            return;
        case Syntax::Immediate:
        case Syntax::ScalarImmediate:
            i.d = reg();
            need(",");
            i.a = reg();
            need(",");
            i.imm = static_cast<uint32_t>(number(-32768, 32767));
            if (syntax == Syntax::ScalarImmediate)
                i.n = 1;
            else
                elements(i);
            return;
        case Syntax::LoadWords:
        case Syntax::LoadIndirect:
            i.d = reg();
            need(",");
            address(i, indirect);
            return elements(i);
        case Syntax::DropWords:
        case Syntax::DropIndirect:
            address(i, indirect);
            return elements(i);
        case Syntax::StoreWords:
        case Syntax::StoreIndirect:
            address(i, indirect);
            need(",");
            i.d = reg();
            elements(i);
            return count(i, indirect);
        case Syntax::Multiply:
            i.flags = static_cast<uint8_t>(number(1, 255));
            if (take(",")) {
                i.a = static_cast<uint16_t>(number(0, 4095));
                need(",");
                i.b = static_cast<uint16_t>(number(0, 4095));
            }
            return;
        case Syntax::MultiplyWide:
            i.d = reg();
            need(",");
            i.flags = static_cast<uint8_t>(number(1, 255));
            return;
        case Syntax::SendWords:
        case Syntax::SendIndirect:
            address(i, indirect);
            need(",");
            i.n = static_cast<uint16_t>(number(1, kMaxElements));
            need(",");
            i.d = static_cast<uint16_t>(number(0, 4095));
            need(",");
            return high(i, indirect, unsigned_number(255));
        case Syntax::RecvWords:
        case Syntax::RecvIndirect:
            address(i, indirect);
            need(",");
            i.n = static_cast<uint16_t>(number(1, kMaxElements));
            need(",");
            i.d = static_cast<uint16_t>(number(0, 255));
            return count(i, indirect);
        }
    }

    void use_tile(uint32_t tile) { program_.tiles = std::max(program_.tiles, tile + 1); }
    size_t kernel() const { return program_.kernels.size() - 1; }
    size_t stream_index() const { return program_.kernels.back().streams.size() - 1; }
    Stream &stream() { return program_.kernels.back().streams.back(); }

    const std::string name_;
    Program program_;
    std::vector<std::string_view> tokens_;
    size_t at_ = 0, number_ = 0, count_ = 0;
    bool bad_ = false, stream_ = false;
    std::vector<int16_t> *numbers_ = nullptr; // that lines of numbers continue
    size_t fill_ = 0;
    std::map<std::tuple<size_t, size_t, std::string>, uint32_t> labels_;
    std::vector<Fixup> fixups_;
};

void write_numbers(std::string &out, std::span<const int16_t> values, size_t per_line)
{
    for (size_t k = 0; k < values.size(); k++)
        out += (k % per_line ? ", " : "    ") + std::to_string(values[k]) +
               (k % per_line == per_line - 1 || k + 1 == values.size() ? "\n" : "");
}

} // namespace

Result<Program> assemble(std::string_view text, std::string_view name, const arch::Arch &arch,
                         std::string &why)
{
    Assembler assembler(name, arch);
    while (!text.empty()) {
        const size_t end = std::min(text.find('\n'), text.size());
        assembler.line(text.substr(0, end));
        text.remove_prefix(std::min(end + 1, text.size()));
    }
    assembler.end();
    why = std::move(assembler.problems);
    if (!why.empty()) return Error{-EINVAL};
    Program program = assembler.take();
    why = check_program(program, program.arch);
    if (why.empty()) return program;
    why = std::string(name) + ": " + why;
    return Error{-EINVAL};
}

std::string disassemble(const Program &program, bool weights)
{
    const auto number = [](uint64_t value) { return std::to_string(value); };
    const std::string comma = ", ";
    std::string out = ".program " + program.name + "\n.tiles " + number(program.tiles) + "\n";
    for (const Matrix &m : program.matrices) {
        out += ".matrix " + number(m.tile) + comma + number(m.core) + comma + number(m.unit) +
               comma + number(m.rows) + comma + number(m.cols);
        if (m.weight_bits || m.input_bits)
            out += comma + number(m.weight_bits) + comma + number(m.input_bits);
        out += "\n";
        if (weights) write_numbers(out, m.weights, m.cols);
    }
    for (const Kernel &kernel : program.kernels) {
        out += "\n.kernel " + kernel.name + "\n";
        for (const Port &p : kernel.ports) {
            out += std::string(p.input()    ? ".input"
                               : p.output() ? ".output"
                                            : ".scalar") +
                   (p.bytes() ? "_i8 " : " ") + p.name + comma + number(p.tile) + comma +
                   number(p.address);
            if (p.kind != PortKind::Scalar) out += comma + number(p.words);
            if (p.input()) out += comma + number(p.count);
            out += "\n";
        }
        for (const Data &d : kernel.data) {
            out += ".data " + number(d.tile) + comma + number(d.address) + comma + number(d.count) +
                   "\n";
            write_numbers(out, d.words, 16);
        }
        for (const Stream &s : kernel.streams) {
            out += s.core == kControl ? ".control " + number(s.tile) + "\n"
                                      : ".core " + number(s.tile) + comma + number(s.core) + "\n";
            for (size_t k = 0; k < s.code.size(); k++) {
                std::string line = "    " + text_of(s.code[k]);
                line.resize(std::max<size_t>(line.size() + 1, 44), ' ');
                out += line + "# " + number(k) + "\n";
            }
        }
    }
    return out;
}

} // namespace acc::isa
