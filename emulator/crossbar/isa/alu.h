// SPDX-License-Identifier: MIT
//
// The vector unit of a core: every instruction that reads and writes registers alone.
#pragma once

#include "arch/arch.h"
#include "program/isa/instruction.h"

#include <cstdint>
#include <memory>

namespace acc::emu::crossbar
{

// Thread safety: one Alu, one thread (tables are made when they are first needed).
class Alu
{
public:
    explicit Alu(const arch::Arch &arch);

    // Executes one instruction from `op` Copy, Add … Srli, Iadd … Imuli, AddW … Join on a core's
    // registers, which it names in range. Elements go upwards, one after the other. `draw` is for
    // rndcmp: a number in [0, 2^16) for element k. Null, or what is wrong with an operand.
    const char *execute(const isa::Instruction &instruction, int16_t *registers, uint64_t draw_key);

    // Sums of an MVM as words: sums / 2^frac_bits.
    void narrow(const int64_t *sums, int16_t *words, uint32_t n) const;

    // Sums of an MVM as pairs, modulo 2^32.
    static void split(const int64_t *sums, int16_t *words, uint32_t n);

    // Whether execute() takes it.
    static bool takes(isa::Op op);
    static bool transcendental(isa::Op op);

private:
    using Table = std::unique_ptr<int16_t[]>; // by the word's bits
    const int16_t *table(isa::Op op);

    arch::Rounding rounding_;
    arch::Overflow overflow_;
    uint32_t frac_bits_;
    int16_t one_;
    Table tables_[4];
};

} // namespace acc::emu::crossbar
