// SPDX-License-Identifier: MIT
//
// What operations cost: functions of the arch, never constants, so that an exploration that
// varies rows or ADC bits sees latency and energy change. docs/crossbar.md, "Time and energy",
// derives them; the constants are the arch file's table [costs].
//
// Units: nanoseconds and picojoules; cycles where it says so (cycle_ns makes them ns).
#pragma once

#include "arch/arch.h"

#include <cstdint>

namespace acc::arch
{

// What one input vector meets in one array position of a matrix: `arrays` arrays (slices of
// all polarities) of the same used part, each with ADCs of its own.
struct ArrayUse {
    uint32_t rows = 0; // used
    uint32_t cols = 0; // used: the others are not converted
    uint32_t arrays = 0;
    uint32_t input_bits = 0; // streamed dac_bits a round
    uint32_t adc_bits = 0;
    uint32_t dac_bits = 1;
    uint32_t adcs = 1; // of an array
};

// Time falls with dac_bits and adcs and grows with every other field, energy grows with all but
// dac_bits. At PUMA's point {128, 128, 8, 16, 8} they give 2304 ns and 43,983 pJ.
double mvm_ns(const ArrayUse &use, const Costs &costs = {});
double mvm_pj(const ArrayUse &use, const Costs &costs = {});
// The part of mvm_pj() that the ADCs take, and that the cells do; the rest is periphery.
double mvm_adc_pj(const ArrayUse &use, const Costs &costs = {});
double mvm_cells_pj(const ArrayUse &use, const Costs &costs = {});

// Adding up `row_blocks` partial sums of `cols` columns: a tree of vector operations.
double reduce_ns(uint32_t row_blocks, uint32_t cols, const Costs &costs = {});
double reduce_pj(uint32_t row_blocks, uint32_t cols, const Costs &costs = {});

// Programming one array's used part once.
double program_ns(uint32_t rows, const Costs &costs = {});
double program_pj(uint32_t rows, uint32_t cols, const Costs &costs = {});

// --- Instructions of cores and tiles. At PUMA's point and 128 words: 128 cycles for a vector
// instruction, 384 for a transcendental one, 24 for a load or store, 158 for a message.

uint64_t vector_cycles(uint32_t words, const Costs &costs = {});
uint64_t transcendental_cycles(uint32_t words, const Costs &costs = {});
uint64_t pair_cycles(uint32_t pairs, const Costs &costs = {});
uint64_t requant_cycles(uint32_t words, const Costs &costs = {});
// Accesses of shared memory that `words` words take; each lasts access_cycles.
uint32_t accesses(uint32_t words, const Costs &costs = {});
// A message on its way over `hops` routers: until the sender is free, and until it is there.
uint64_t send_cycles(uint32_t words, const Costs &costs = {});
uint64_t hop_cycles(uint32_t hops, const Costs &costs = {});

// Resolution that no column can exceed: ceil(log2(rows * (2^dac_bits - 1) * (2^cell_bits - 1) +
// 1)).
uint32_t exact_adc_bits(const Arch &arch);
// One MVM unit of an arch while it works. An ideal ADC is priced as the exact resolution.
ArrayUse unit_use(const Arch &arch);

// Routers between two tiles of a slot: the smallest square mesh of routers with four tiles
// each, by rows; from one router to itself it is 1.
uint32_t hops(const Arch &arch, uint32_t from, uint32_t to);

} // namespace acc::arch
