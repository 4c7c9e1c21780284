// SPDX-License-Identifier: MIT
//
// Instructions of the crossbar's cores and of its tiles' control units. docs/crossbar-isa.md
// is the reference; the encoding, version 1, is one little-endian 64-bit word:
//
//   bits   0–7  8–19  20–31  32–43  44–55  56–63
//   R      op   n     d      a      b      flags      registers d, a, b; n elements
//   RI     op   n     d      a      imm16 (44–59), 0  the same with an immediate
//   I      op   n     d      imm32 (32–63)
//   B      op   target (8–31)       a      b          0
//
// What a format or an opcode does not use is 0; decode() refuses anything else.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace acc::isa
{

inline constexpr uint32_t kVersion = 1;
inline constexpr uint32_t kMaxElements = 4095;          // of n
inline constexpr uint32_t kMaxRegister = 4095;          // a register's number
inline constexpr uint32_t kMaxAddress = (1u << 24) - 1; // of a word of shared memory
inline constexpr uint32_t kMaxTarget = (1u << 24) - 1;  // of an instruction
// A word stored with this many consumers stays valid however often it is read.
inline constexpr uint32_t kSticky = 255;
// What requant reads of each element: bias and multiplier, a pair each, and the shift.
inline constexpr uint32_t kRequantWords = 5;
// What join reads once: the factors of d and of a, a pair each, their zero points, the shift.
inline constexpr uint32_t kJoinWords = 7;

enum class Op : uint8_t {
    // control
    Hlt = 0x01,
    Nop = 0x02,
    Jmp = 0x03,
    Beq = 0x04,
    Bne = 0x05,
    Blt = 0x06,
    Bge = 0x07,
    // data
    Set = 0x10,
    Copy = 0x11,
    Load = 0x12,
    LoadR = 0x13,
    Store = 0x14,
    StoreR = 0x15,
    Peek = 0x16,
    PeekR = 0x17,
    Mvm = 0x18,
    MvmW = 0x19,
    // tiles
    Send = 0x1a,
    SendR = 0x1b,
    Recv = 0x1c,
    RecvR = 0x1d,
    // words that were peeked at
    Drop = 0x1e,
    DropR = 0x1f,
    // vectors: fixed point
    Add = 0x20,
    Sub,
    Mul,
    Div,
    And,
    Or,
    Not,
    Eq,
    Neq,
    Lt,
    Leq,
    Gt,
    Geq,
    Min,
    Max,
    Mse,
    Relu,
    Relud,
    Rndcmp,
    // vectors: transcendental
    Sigmoid = 0x40,
    Tanh,
    Exp,
    Log,
    LogSoftmax,
    LogSoftmaxd,
    // vectors with an immediate
    Addi = 0x50,
    Subi,
    Muli,
    Divi,
    Andi,
    Ori,
    Mini,
    Maxi,
    Slli,
    Srai,
    Srli,
    // scalars: 16-bit integers
    Iadd = 0x60,
    Isub,
    Imul,
    Idiv,
    Irem,
    Iaddi = 0x68,
    Imuli,
    // sums of 32 bits, in pairs of words
    AddW = 0x70,
    Requant,
    Widen,
    Join,
};

struct Instruction {
    Op op = Op::Nop;
    uint8_t flags = 0;
    uint16_t n = 0, d = 0, a = 0, b = 0;
    // imm16 (sign-extended) of RI, imm32 of I, the target of B.
    uint32_t imm = 0;

    bool operator==(const Instruction &) const = default;
    int32_t signed_imm() const { return static_cast<int32_t>(imm); }
};

enum class Format : uint8_t { None, R, RI, I, B };

// How an instruction is written, and so which of its fields it has.
enum class Syntax : uint8_t {
    Nothing,         // hlt
    Jump,            // jmp target
    Branch,          // beq ra, rb, target
    SetWord,         // set rd, imm, n
    Unary,           // copy rd, ra, n
    Binary,          // add rd, ra, rb, n
    Reduce,          // mse rd, ra, rb, n        writes one word
    Immediate,       // addi rd, ra, imm, n
    Scalar,          // iadd rd, ra, rb
    ScalarImmediate, // iaddi rd, ra, imm
    LoadWords,       // load rd, [address], n     peek too
    LoadIndirect,    // loadr rd, [ra + offset], n
    DropWords,       // drop [address], n
    DropIndirect,    // dropr [ra + offset], n
    StoreWords,      // store [address], rd, n, count
    StoreIndirect,
    Multiply,     // mvm mask or mvm mask, filter, stride
    MultiplyWide, // mvmw rd, mask
    PairBinary,   // addw rd, ra, rb, n         n pairs each
    PairNarrow,   // requant rd, ra, rb, n      n words, n pairs, n of kRequantWords
    PairWiden,    // widen rd, ra, n            n pairs, n words
    PairJoin,     // join rd, ra, rb, n         n words each, kJoinWords
    SendWords,    // send [address], n, tile, fifo
    SendIndirect,
    RecvWords, // recv [address], n, fifo, count
    RecvIndirect,
};

struct OpInfo {
    Op op;
    std::string_view name;
    Format format;
    Syntax syntax;
    bool core, tile; // where it may stand
};

// Null for a code that isn't one.
const OpInfo *op_info(uint8_t op);
const OpInfo *find_op(std::string_view name);
std::span<const OpInfo> all_ops();

// Fields beyond the format are taken as 0.
uint64_t encode(const Instruction &instruction);
// False, and `why`, for an unknown opcode or bits that its format does not have.
bool decode(uint64_t word, Instruction &instruction, std::string &why);

// As the assembler reads it. Jumps name their target by number, "@12".
std::string text_of(const Instruction &instruction);

// --- Builders: what a compiler writes. Registers and sizes are checked by check_program().

inline Instruction hlt()
{
    return {.op = Op::Hlt};
}
inline Instruction jmp(uint32_t target)
{
    return {.op = Op::Jmp, .imm = target};
}
inline Instruction branch(Op op, uint32_t a, uint32_t b, uint32_t target)
{
    return {.op = op, .a = uint16_t(a), .b = uint16_t(b), .imm = target};
}
inline Instruction set(uint32_t d, int32_t value, uint32_t n = 1)
{
    return {.op = Op::Set, .n = uint16_t(n), .d = uint16_t(d), .imm = static_cast<uint32_t>(value)};
}
inline Instruction copy(uint32_t d, uint32_t a, uint32_t n)
{
    return {.op = Op::Copy, .n = uint16_t(n), .d = uint16_t(d), .a = uint16_t(a)};
}
inline Instruction load(uint32_t d, uint32_t address, uint32_t n)
{
    return {.op = Op::Load, .n = uint16_t(n), .d = uint16_t(d), .imm = address};
}
inline Instruction store(uint32_t address, uint32_t d, uint32_t n, uint32_t count)
{
    return {.op = Op::Store, .n = uint16_t(n), .d = uint16_t(d), .imm = address | count << 24};
}
inline Instruction load_at(Op op, uint32_t d, uint32_t a, uint32_t offset, uint32_t n)
{
    return {.op = op, .n = uint16_t(n), .d = uint16_t(d), .a = uint16_t(a), .b = uint16_t(offset)};
}
inline Instruction store_at(uint32_t a, uint32_t offset, uint32_t d, uint32_t n, uint32_t count)
{
    return {.op = Op::StoreR,
            .flags = uint8_t(count),
            .n = uint16_t(n),
            .d = uint16_t(d),
            .a = uint16_t(a),
            .b = uint16_t(offset)};
}
inline Instruction peek(uint32_t d, uint32_t address, uint32_t n)
{
    return {.op = Op::Peek, .n = uint16_t(n), .d = uint16_t(d), .imm = address};
}
inline Instruction drop(uint32_t address, uint32_t n)
{
    return {.op = Op::Drop, .n = uint16_t(n), .imm = address};
}
inline Instruction mvm(uint32_t mask, uint32_t filter = 0, uint32_t stride = 0)
{
    return {.op = Op::Mvm, .flags = uint8_t(mask), .a = uint16_t(filter), .b = uint16_t(stride)};
}
inline Instruction mvmw(uint32_t d, uint32_t mask)
{
    return {.op = Op::MvmW, .flags = uint8_t(mask), .d = uint16_t(d)};
}
inline Instruction send(uint32_t address, uint32_t n, uint32_t tile, uint32_t fifo)
{
    return {.op = Op::Send, .n = uint16_t(n), .d = uint16_t(tile), .imm = address | fifo << 24};
}
inline Instruction recv(uint32_t address, uint32_t n, uint32_t fifo, uint32_t count)
{
    return {.op = Op::Recv, .n = uint16_t(n), .d = uint16_t(fifo), .imm = address | count << 24};
}
inline Instruction binary(Op op, uint32_t d, uint32_t a, uint32_t b, uint32_t n)
{
    return {.op = op, .n = uint16_t(n), .d = uint16_t(d), .a = uint16_t(a), .b = uint16_t(b)};
}
inline Instruction unary(Op op, uint32_t d, uint32_t a, uint32_t n)
{
    return {.op = op, .n = uint16_t(n), .d = uint16_t(d), .a = uint16_t(a)};
}
inline Instruction immediate(Op op, uint32_t d, uint32_t a, int32_t imm, uint32_t n = 1)
{
    return {.op = op,
            .n = uint16_t(n),
            .d = uint16_t(d),
            .a = uint16_t(a),
            .imm = static_cast<uint32_t>(imm)};
}

} // namespace acc::isa
