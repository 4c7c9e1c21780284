// SPDX-License-Identifier: MIT
//
// Every key of an arch file, once: reader, writer, options and documentation walk this list.
#pragma once

#include "arch/arch.h"

#include <array>
#include <string_view>

namespace acc::arch
{

template <typename E>
struct Names;
template <>
struct Names<Sign> {
    static constexpr std::array<std::string_view, 3> all = {"offset", "differential", "twos"};
};
template <>
struct Names<AdcRange> {
    static constexpr std::array<std::string_view, 3> all = {"aligned", "max", "calibrated"};
};
template <>
struct Names<ProgModel> {
    static constexpr std::array<std::string_view, 6> all = {"none", "normal_abs", "normal_rel",
                                                            "pcm",  "rram_milo",  "rram_wan"};
};
template <>
struct Names<Rounding> {
    static constexpr std::array<std::string_view, 3> all = {"half_away", "half_even", "trunc"};
};
template <>
struct Names<Overflow> {
    static constexpr std::array<std::string_view, 2> all = {"wrap", "saturate"};
};

// Where a key is and what a person is told about it.
struct Field {
    std::string_view table, key, unit, what;
};

// Calls on.number(field, uint32_t or uint64_t &, least, most), on.real(field, double &, least,
// most), on.flag(field, bool &) and on.choice(field, enumeration &) for each key. `A` is Arch or
// const Arch.
template <typename A, typename V>
void for_each_field(A &a, V &&on)
{
    constexpr double big = 1e12;
    constexpr uint64_t large = uint64_t{1} << 62;

    on.number({"", "seed", "", "of everything that is random"}, a.seed, 0, ~uint64_t{0});

    const char *t = "machine";
    on.number({t, "slots", "", "groups of tiles, each for one unit of a program"}, a.slots, 1, 64);
    on.number({t, "tiles", "", "tiles of a slot"}, a.tiles, 1, 4096);
    on.number({t, "cores", "", "cores of a tile"}, a.cores, 1, 64);
    on.number({t, "mvm_units", "", "MVM units of a core"}, a.mvm_units, 1, 8);
    on.number({t, "arrays", "", "arrays of a slot; 0: those of its tiles"}, a.arrays, 0, 1u << 24);
    on.number({t, "registers", "words", "general registers of a core"}, a.registers, 16, 4096);
    on.number({t, "shared_words", "words", "shared memory of a tile"}, a.shared_words, 64,
              1u << 20);
    on.number({t, "fifos", "", "receive FIFOs of a tile"}, a.fifos, 1, 256);
    on.number({t, "fifo_depth", "messages", "that a FIFO holds"}, a.fifo_depth, 1, 256);
    on.number({t, "core_instructions", "", "instruction memory of a core"}, a.core_instructions, 16,
              1u << 20);
    on.number({t, "tile_instructions", "", "instruction memory of a tile's control unit"},
              a.tile_instructions, 16, 1u << 20);
    on.number({t, "instruction_budget", "", "instructions of a stream in one pass"},
              a.instruction_budget, 1, large);

    t = "numbers";
    on.number({t, "weight_bits", "bits", "weights of an MVM unit"}, a.weight_bits, 2, 16);
    on.number({t, "input_bits", "bits", "inputs of an MVM unit"}, a.input_bits, 1, 16);
    on.number({t, "frac_bits", "bits", "fraction of a word"}, a.frac_bits, 0, 15);
    on.choice({t, "rounding", "", "of results with more fraction bits"}, a.rounding);
    on.choice({t, "overflow", "", "of results that a word can't hold"}, a.overflow);

    t = "array";
    on.number({t, "rows", "", "word lines: inputs"}, a.rows, 1, 1024);
    on.number({t, "cols", "", "bit lines: outputs"}, a.cols, 1, 1024);
    on.number({t, "cell_bits", "bits", "levels of a cell"}, a.cell_bits, 1, 8);
    on.number({t, "dac_bits", "bits", "of an input, applied in a round"}, a.dac_bits, 1, 16);
    on.choice({t, "sign", "", "how a sign is held"}, a.sign);

    t = "adc";
    on.number({t, "adc_bits", "bits", "resolution; 0: ideal"}, a.adc_bits, 0, 16);
    on.choice({t, "adc_range", "", "what the codes span"}, a.adc_range);
    on.number({t, "adcs_per_array", "", "columns are shared among them"}, a.adcs_per_array, 1,
              1024);
    on.real({t, "adc_offset_sigma", "LSB", "spread of the offsets"}, a.adc_offset_sigma, 0, 1e6);
    on.real({t, "adc_gain_sigma", "", "spread of the gains"}, a.adc_gain_sigma, 0, 1);

    t = "cells";
    on.real({t, "g_on", "µS", "largest conductance"}, a.g_on, 1e-6, 1e6);
    on.real({t, "g_off", "µS", "smallest conductance; 0: infinite on/off ratio"}, a.g_off, 0, 1e6);
    on.real({t, "v_read", "V", "read voltage"}, a.v_read, 1e-6, 1e3);
    on.choice({t, "prog_model", "", "what programming leaves"}, a.prog_model);
    on.real({t, "prog_sigma", "ratio", "of g_on (normal_abs) or of the target (normal_rel)"},
            a.prog_sigma, 0, 10);
    on.real({t, "write_verify_tol", "ratio",
             "of g_on: cells are rewritten until within it; 0: written once"},
            a.write_verify_tol, 0, 1);
    on.number({t, "write_verify_max_iter", "", "attempts"}, a.write_verify_max_iter, 1, 10000);
    on.real({t, "read_sigma", "ratio", "of a conductance, each read"}, a.read_sigma, 0, 10);
    on.real({t, "drift_nu", "", "mean exponent of the drift"}, a.drift_nu, 0, 10);
    on.real({t, "drift_sigma", "", "spread of the exponents"}, a.drift_sigma, 0, 10);
    on.real({t, "drift_t0", "s", "when drift begins to count"}, a.drift_t0, 1e-9, big);
    on.real({t, "p_stuck_on", "", "probability of a cell stuck at g_on"}, a.p_stuck_on, 0, 1);
    on.real({t, "p_stuck_off", "", "probability of a cell stuck at g_off"}, a.p_stuck_off, 0, 1);

    t = "wires";
    on.real({t, "r_wire_row", "Ω", "a segment of a word line"}, a.r_wire_row, 0, 1e9);
    on.real({t, "r_wire_col", "Ω", "a segment of a bit line"}, a.r_wire_col, 0, 1e9);
    on.real({t, "r_driver", "Ω", "a row's driver"}, a.r_driver, 0, 1e9);
    on.real({t, "r_sense", "Ω", "a column's sense amplifier"}, a.r_sense, 0, 1e9);

    on.flag({t, "row_gating", "", "rows whose digit is 0 float"}, a.row_gating);

    t = "costs";
    auto &c = a.costs;
    on.real({t, "cycle_ns", "ns", "a cycle"}, c.cycle_ns, 1e-6, 1e6);
    on.number({t, "pipeline_rounds", "rounds", "to fill and drain an MVM"}, c.pipeline_rounds, 0,
              1000);
    on.real({t, "adc_ns_per_bit_and_column", "ns", "a conversion"}, c.adc_ns_per_bit_and_column, 0,
            1e6);
    on.real({t, "adc_mw_per_bit", "mW", "an ADC"}, c.adc_mw_per_bit, 0, 1e6);
    on.real({t, "array_mw_per_cell", "mW", "a cell that is read"}, c.array_mw_per_cell, 0, 1e6);
    on.real({t, "periphery_mw_per_row", "mW", "drivers, sample-and-hold, shift-and-add"},
            c.periphery_mw_per_row, 0, 1e6);
    on.number({t, "vector_lanes", "", "elements of a vector instruction at a time"}, c.vector_lanes,
              1, 4096);
    on.number({t, "vector_cycles", "cycles", "such a group"}, c.vector_cycles, 1, 10000);
    on.number({t, "transcendental_cycles", "cycles", "the same of sigmoid, tanh, exp, log …"},
              c.transcendental_cycles, 1, 10000);
    on.number({t, "pair_cycles", "cycles", "the same of addw"}, c.pair_cycles, 1, 10000);
    on.number({t, "requant_cycles", "cycles", "the same of requant"}, c.requant_cycles, 1, 10000);
    on.real({t, "add_cycles_per_column", "cycles", "partial sums of a matrix kernel"},
            c.add_cycles_per_column, 0, 1e6);
    on.real({t, "vector_unit_mw", "mW", "a core beside its MVM units"}, c.vector_unit_mw, 0, 1e6);
    on.number({t, "access_words", "words", "an access of shared memory"}, c.access_words, 1, 1024);
    on.number({t, "access_cycles", "cycles", "such an access"}, c.access_cycles, 1, 10000);
    on.real({t, "access_pj", "pJ", "such an access"}, c.access_pj, 0, big);
    on.number({t, "noc_header_cycles", "cycles", "a message on the network"}, c.noc_header_cycles,
              0, 1u << 20);
    on.number({t, "noc_word_cycles", "cycles", "each of its words"}, c.noc_word_cycles, 0,
              1u << 20);
    on.number({t, "noc_hop_cycles", "cycles", "each router on its way"}, c.noc_hop_cycles, 0,
              1u << 20);
    on.real({t, "noc_pj_per_word", "pJ", "a word and router"}, c.noc_pj_per_word, 0, big);
    on.real({t, "tile_static_mw", "mW", "a tile while a dispatch uses it"}, c.tile_static_mw, 0,
            1e6);
    on.real({t, "program_ns_per_row", "ns", "programming a row"}, c.program_ns_per_row, 0, big);
    on.real({t, "program_pj_per_cell", "pJ", "programming a cell"}, c.program_pj_per_cell, 0, big);
}

} // namespace acc::arch
