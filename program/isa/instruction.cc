// SPDX-License-Identifier: MIT
#include "program/isa/instruction.h"

#include <array>

namespace acc::isa
{
namespace
{

constexpr OpInfo kOps[] = {
    {Op::Hlt, "hlt", Format::None, Syntax::Nothing, true, true},
    {Op::Nop, "nop", Format::None, Syntax::Nothing, true, true},
    {Op::Jmp, "jmp", Format::B, Syntax::Jump, true, true},
    {Op::Beq, "beq", Format::B, Syntax::Branch, true, true},
    {Op::Bne, "bne", Format::B, Syntax::Branch, true, true},
    {Op::Blt, "blt", Format::B, Syntax::Branch, true, true},
    {Op::Bge, "bge", Format::B, Syntax::Branch, true, true},
    {Op::Set, "set", Format::I, Syntax::SetWord, true, true},
    {Op::Copy, "copy", Format::R, Syntax::Unary, true, true},
    {Op::Load, "load", Format::I, Syntax::LoadWords, true, false},
    {Op::LoadR, "loadr", Format::R, Syntax::LoadIndirect, true, false},
    {Op::Store, "store", Format::I, Syntax::StoreWords, true, false},
    {Op::StoreR, "storer", Format::R, Syntax::StoreIndirect, true, false},
    {Op::Peek, "peek", Format::I, Syntax::LoadWords, true, false},
    {Op::PeekR, "peekr", Format::R, Syntax::LoadIndirect, true, false},
    {Op::Drop, "drop", Format::I, Syntax::DropWords, true, false},
    {Op::DropR, "dropr", Format::R, Syntax::DropIndirect, true, false},
    {Op::Mvm, "mvm", Format::R, Syntax::Multiply, true, false},
    {Op::MvmW, "mvmw", Format::R, Syntax::MultiplyWide, true, false},
    {Op::Send, "send", Format::I, Syntax::SendWords, false, true},
    {Op::SendR, "sendr", Format::R, Syntax::SendIndirect, false, true},
    {Op::Recv, "recv", Format::I, Syntax::RecvWords, false, true},
    {Op::RecvR, "recvr", Format::R, Syntax::RecvIndirect, false, true},
    {Op::Add, "add", Format::R, Syntax::Binary, true, false},
    {Op::Sub, "sub", Format::R, Syntax::Binary, true, false},
    {Op::Mul, "mul", Format::R, Syntax::Binary, true, false},
    {Op::Div, "div", Format::R, Syntax::Binary, true, false},
    {Op::And, "and", Format::R, Syntax::Binary, true, false},
    {Op::Or, "or", Format::R, Syntax::Binary, true, false},
    {Op::Not, "not", Format::R, Syntax::Unary, true, false},
    {Op::Eq, "eq", Format::R, Syntax::Binary, true, false},
    {Op::Neq, "neq", Format::R, Syntax::Binary, true, false},
    {Op::Lt, "lt", Format::R, Syntax::Binary, true, false},
    {Op::Leq, "leq", Format::R, Syntax::Binary, true, false},
    {Op::Gt, "gt", Format::R, Syntax::Binary, true, false},
    {Op::Geq, "geq", Format::R, Syntax::Binary, true, false},
    {Op::Min, "min", Format::R, Syntax::Binary, true, false},
    {Op::Max, "max", Format::R, Syntax::Binary, true, false},
    {Op::Mse, "mse", Format::R, Syntax::Reduce, true, false},
    {Op::Relu, "relu", Format::R, Syntax::Unary, true, false},
    {Op::Relud, "relud", Format::R, Syntax::Binary, true, false},
    {Op::Rndcmp, "rndcmp", Format::R, Syntax::Unary, true, false},
    {Op::Sigmoid, "sigmoid", Format::R, Syntax::Unary, true, false},
    {Op::Tanh, "tanh", Format::R, Syntax::Unary, true, false},
    {Op::Exp, "exp", Format::R, Syntax::Unary, true, false},
    {Op::Log, "log", Format::R, Syntax::Unary, true, false},
    {Op::LogSoftmax, "log_softmax", Format::R, Syntax::Unary, true, false},
    {Op::LogSoftmaxd, "log_softmaxd", Format::R, Syntax::Binary, true, false},
    {Op::Addi, "addi", Format::RI, Syntax::Immediate, true, false},
    {Op::Subi, "subi", Format::RI, Syntax::Immediate, true, false},
    {Op::Muli, "muli", Format::RI, Syntax::Immediate, true, false},
    {Op::Divi, "divi", Format::RI, Syntax::Immediate, true, false},
    {Op::Andi, "andi", Format::RI, Syntax::Immediate, true, false},
    {Op::Ori, "ori", Format::RI, Syntax::Immediate, true, false},
    {Op::Mini, "mini", Format::RI, Syntax::Immediate, true, false},
    {Op::Maxi, "maxi", Format::RI, Syntax::Immediate, true, false},
    {Op::Slli, "slli", Format::RI, Syntax::Immediate, true, false},
    {Op::Srai, "srai", Format::RI, Syntax::Immediate, true, false},
    {Op::Srli, "srli", Format::RI, Syntax::Immediate, true, false},
    {Op::Iadd, "iadd", Format::R, Syntax::Scalar, true, true},
    {Op::Isub, "isub", Format::R, Syntax::Scalar, true, true},
    {Op::Imul, "imul", Format::R, Syntax::Scalar, true, true},
    {Op::Idiv, "idiv", Format::R, Syntax::Scalar, true, true},
    {Op::Irem, "irem", Format::R, Syntax::Scalar, true, true},
    {Op::Iaddi, "iaddi", Format::RI, Syntax::ScalarImmediate, true, true},
    {Op::Imuli, "imuli", Format::RI, Syntax::ScalarImmediate, true, true},
    {Op::AddW, "addw", Format::R, Syntax::PairBinary, true, false},
    {Op::Requant, "requant", Format::R, Syntax::PairNarrow, true, false},
    {Op::Widen, "widen", Format::R, Syntax::PairWiden, true, false},
    {Op::Join, "join", Format::R, Syntax::PairJoin, true, false},
};

constexpr std::array<uint8_t, 256> index_by_code()
{
    std::array<uint8_t, 256> index{};
    for (size_t i = 0; i < std::size(kOps); i++)
        index[static_cast<uint8_t>(kOps[i].op)] = static_cast<uint8_t>(i + 1);
    return index;
}
constexpr std::array<uint8_t, 256> kIndex = index_by_code();

constexpr uint64_t field(uint64_t value, int first, int bits)
{
    return (value & ((uint64_t{1} << bits) - 1)) << first;
}

constexpr uint32_t bits_of(uint64_t word, int first, int bits)
{
    return static_cast<uint32_t>(word >> first & ((uint64_t{1} << bits) - 1));
}

} // namespace

const OpInfo *op_info(uint8_t op)
{
    return kIndex[op] ? &kOps[kIndex[op] - 1] : nullptr;
}

const OpInfo *find_op(std::string_view name)
{
    for (const OpInfo &info : kOps)
        if (info.name == name) return &info;
    return nullptr;
}

std::span<const OpInfo> all_ops()
{
    return kOps;
}

uint64_t encode(const Instruction &i)
{
    const auto code = static_cast<uint8_t>(i.op);
    const OpInfo *info = op_info(code);
    const uint64_t head = field(code, 0, 8);
    switch (info ? info->format : Format::None) {
    case Format::R:
        return head | field(i.n, 8, 12) | field(i.d, 20, 12) | field(i.a, 32, 12) |
               field(i.b, 44, 12) | field(i.flags, 56, 8);
    case Format::RI:
        return head | field(i.n, 8, 12) | field(i.d, 20, 12) | field(i.a, 32, 12) |
               field(i.imm, 44, 16);
    case Format::I:
        return head | field(i.n, 8, 12) | field(i.d, 20, 12) | field(i.imm, 32, 32);
    case Format::B:
        return head | field(i.imm, 8, 24) | field(i.a, 32, 12) | field(i.b, 44, 12);
    case Format::None:
        break;
    }
    return head;
}

bool decode(uint64_t word, Instruction &i, std::string &why)
{
    const auto code = static_cast<uint8_t>(word);
    const OpInfo *info = op_info(code);
    if (!info) {
        why = "expected an opcode of ISA version 1; found " + std::to_string(code);
        return false;
    }
    i = {.op = info->op};
    switch (info->format) {
    case Format::R:
        i.n = static_cast<uint16_t>(bits_of(word, 8, 12));
        i.d = static_cast<uint16_t>(bits_of(word, 20, 12));
        i.a = static_cast<uint16_t>(bits_of(word, 32, 12));
        i.b = static_cast<uint16_t>(bits_of(word, 44, 12));
        i.flags = static_cast<uint8_t>(bits_of(word, 56, 8));
        break;
    case Format::RI:
        i.n = static_cast<uint16_t>(bits_of(word, 8, 12));
        i.d = static_cast<uint16_t>(bits_of(word, 20, 12));
        i.a = static_cast<uint16_t>(bits_of(word, 32, 12));
        i.imm = static_cast<uint32_t>(static_cast<int16_t>(bits_of(word, 44, 16)));
        break;
    case Format::I:
        i.n = static_cast<uint16_t>(bits_of(word, 8, 12));
        i.d = static_cast<uint16_t>(bits_of(word, 20, 12));
        i.imm = bits_of(word, 32, 32);
        break;
    case Format::B:
        i.imm = bits_of(word, 8, 24);
        i.a = static_cast<uint16_t>(bits_of(word, 32, 12));
        i.b = static_cast<uint16_t>(bits_of(word, 44, 12));
        break;
    case Format::None:
        break;
    }
    // Fields that this opcode has no use for are 0 too, so that they can get one.
    const auto stray = [&]() -> bool {
        switch (info->syntax) {
        case Syntax::Jump:
            return i.a || i.b;
        case Syntax::SetWord:
            return i.signed_imm() < -32768 || i.signed_imm() > 65535;
        case Syntax::Unary:
        case Syntax::PairWiden:
            return i.b || i.flags;
        case Syntax::Binary:
        case Syntax::Reduce:
        case Syntax::PairBinary:
        case Syntax::PairNarrow:
        case Syntax::PairJoin:
            return i.flags;
        case Syntax::Scalar:
            return i.flags || i.n != 1;
        case Syntax::ScalarImmediate:
            return i.n != 1;
        case Syntax::LoadWords:
            return i.imm > kMaxAddress;
        case Syntax::LoadIndirect:
            return i.flags;
        case Syntax::DropWords:
            return i.d || i.imm > kMaxAddress;
        case Syntax::DropIndirect:
            return i.d || i.flags;
        case Syntax::Multiply:
            return i.n || i.d;
        case Syntax::MultiplyWide:
            return i.n || i.a || i.b;
        default:
            return false;
        }
    };
    if (encode(i) == word && !stray()) return true;
    why = "expected zeros in the bits that " + std::string(info->name) +
          " has no use for; found others";
    return false;
}

std::string text_of(const Instruction &i)
{
    const OpInfo *info = op_info(static_cast<uint8_t>(i.op));
    if (!info) return "?";
    const auto r = [](uint32_t number) { return "r" + std::to_string(number); };
    const auto number = [](int64_t value) { return std::to_string(value); };
    const auto direct = [&] { return "[" + number(i.imm & kMaxAddress) + "]"; };
    const auto indirect = [&] { return "[" + r(i.a) + " + " + number(i.b) + "]"; };
    const std::string comma = ", ", head = std::string(info->name) + " ";
    switch (info->syntax) {
    case Syntax::Nothing:
        return std::string(info->name);
    case Syntax::Jump:
        return head + "@" + number(i.imm);
    case Syntax::Branch:
        return head + r(i.a) + comma + r(i.b) + comma + "@" + number(i.imm);
    case Syntax::SetWord:
        return head + r(i.d) + comma + number(i.signed_imm()) + comma + number(i.n);
    case Syntax::Unary:
    case Syntax::PairWiden:
        return head + r(i.d) + comma + r(i.a) + comma + number(i.n);
    case Syntax::Binary:
    case Syntax::Reduce:
    case Syntax::PairBinary:
    case Syntax::PairNarrow:
    case Syntax::PairJoin:
        return head + r(i.d) + comma + r(i.a) + comma + r(i.b) + comma + number(i.n);
    case Syntax::Immediate:
        return head + r(i.d) + comma + r(i.a) + comma + number(i.signed_imm()) + comma +
               number(i.n);
    case Syntax::Scalar:
        return head + r(i.d) + comma + r(i.a) + comma + r(i.b);
    case Syntax::ScalarImmediate:
        return head + r(i.d) + comma + r(i.a) + comma + number(i.signed_imm());
    case Syntax::LoadWords:
        return head + r(i.d) + comma + direct() + comma + number(i.n);
    case Syntax::LoadIndirect:
        return head + r(i.d) + comma + indirect() + comma + number(i.n);
    case Syntax::DropWords:
        return head + direct() + comma + number(i.n);
    case Syntax::DropIndirect:
        return head + indirect() + comma + number(i.n);
    case Syntax::StoreWords:
        return head + direct() + comma + r(i.d) + comma + number(i.n) + comma + number(i.imm >> 24);
    case Syntax::StoreIndirect:
        return head + indirect() + comma + r(i.d) + comma + number(i.n) + comma + number(i.flags);
    case Syntax::Multiply:
        return head + number(i.flags) +
               (i.a || i.b ? comma + number(i.a) + comma + number(i.b) : "");
    case Syntax::MultiplyWide:
        return head + r(i.d) + comma + number(i.flags);
    case Syntax::SendWords:
        return head + direct() + comma + number(i.n) + comma + number(i.d) + comma +
               number(i.imm >> 24);
    case Syntax::SendIndirect:
        return head + indirect() + comma + number(i.n) + comma + number(i.d) + comma +
               number(i.flags);
    case Syntax::RecvWords:
        return head + direct() + comma + number(i.n) + comma + number(i.d) + comma +
               number(i.imm >> 24);
    case Syntax::RecvIndirect:
        return head + indirect() + comma + number(i.n) + comma + number(i.d) + comma +
               number(i.flags);
    }
    return "?";
}

} // namespace acc::isa
