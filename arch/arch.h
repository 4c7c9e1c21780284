// SPDX-License-Identifier: MIT
//
// The architecture of a crossbar accelerator: one description that the compiler, the mapper
// and the device read. It is a TOML file (docs/arch.md lists every key); the members below
// have the names of its keys, which are unique across its tables.
//
//   version = 1                # of this format
//   base = "puma"              # optional: a preset to start from instead of the defaults
//   name = "wide arrays"       # optional
//   [array]
//   rows = 256
//
// Thread safety: values; the functions have no state.
#pragma once

#include "common/result.h"

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace acc::arch
{

inline constexpr uint32_t kVersion = 1;

// How a sign is held: biased weights with a digital correction; a pair of arrays; a sign bit
// in a slice of its own.
enum class Sign : uint8_t { Offset, Differential, Twos };
// What an ADC's codes span: its step is the unit current; its top is the largest current of
// the array; its range is fitted to data.
enum class AdcRange : uint8_t { Aligned, Max, Calibrated };
enum class ProgModel : uint8_t { None, NormalAbs, NormalRel, Pcm, RramMilo, RramWan };
// How wide fixed-point results become words again.
enum class Rounding : uint8_t { HalfAway, HalfEven, Trunc };
enum class Overflow : uint8_t { Wrap, Saturate };

// What operations cost. Each constant's source is in docs/crossbar.md, "Time and energy"; the
// functions over them are in costs.h.
struct Costs {
    double cycle_ns = 1.0;

    // An MVM: one column a cycle and round, `pipeline_rounds` more rounds to fill and drain.
    uint32_t pipeline_rounds = 2;
    double adc_ns_per_bit_and_column = 100.0 / 8 / 128;
    double adc_mw_per_bit = 2.0 / 8;
    double array_mw_per_cell = 0.3 / (128 * 128);
    double periphery_mw_per_row = (19.09 - 8 * 2.0 - 8 * 0.3) / 8 / 128;

    // Cores: cycles of a vector instruction per element and lane, and the power of what is in
    // a core beside its MVM units.
    uint32_t vector_lanes = 1;
    uint32_t vector_cycles = 1;
    uint32_t transcendental_cycles = 3;
    uint32_t pair_cycles = 2;           // the same, of sums of 32 bits
    uint32_t requant_cycles = 6;        // and of what makes words of them
    double add_cycles_per_column = 1.0; // partial sums of a matrix kernel
    double vector_unit_mw = 42.4 - 2 * 19.09;

    // Shared memory: an access of up to `access_words` words.
    uint32_t access_words = 16;
    uint32_t access_cycles = 3;
    double access_pj = 17.2 + 6.0;

    // On-chip network: header + words * noc_word_cycles + hops * noc_hop_cycles.
    uint32_t noc_header_cycles = 30;
    uint32_t noc_word_cycles = 1;
    uint32_t noc_hop_cycles = 0;
    double noc_pj_per_word = 16.13 + 0.41;

    // Of a tile that takes part in a dispatch, for as long as it lasts.
    double tile_static_mw = 0;

    double program_ns_per_row = 351e3 / 32 / 128;
    double program_pj_per_cell = 676e3 / 32 / (128 * 128);
};

struct Arch {
    std::string name = "default";
    uint64_t seed = 0; // of everything that is random

    // [machine]
    uint32_t slots = 4;                    // groups of tiles; each holds one unit of a program
    uint32_t tiles = 16;                   // of a slot
    uint32_t cores = 8;                    // of a tile
    uint32_t mvm_units = 2;                // of a core: one rows x cols matrix each
    uint64_t arrays = 0;                   // of a slot; 0: those of its tiles
    uint32_t registers = 1024;             // of a core, beside those of its MVM units; words
    uint32_t shared_words = 32768;         // of a tile, 16 bits each
    uint32_t fifos = 16;                   // of a tile, for what it receives
    uint32_t fifo_depth = 2;               // messages
    uint32_t core_instructions = 4096;     // that a core's memory holds
    uint32_t tile_instructions = 4096;     // the same of a tile's control unit
    uint64_t instruction_budget = 1 << 24; // of a stream in one pass; more is a fault

    // [numbers]
    uint32_t weight_bits = 16;
    uint32_t input_bits = 16;
    uint32_t frac_bits = 12; // of a word
    Rounding rounding = Rounding::HalfAway;
    Overflow overflow = Overflow::Saturate;

    // [array]
    uint32_t rows = 128; // word lines: inputs
    uint32_t cols = 128; // bit lines: outputs
    uint32_t cell_bits = 2;
    uint32_t dac_bits = 1; // of an input, applied in one round
    Sign sign = Sign::Differential;

    // [adc]
    uint32_t adc_bits = 9; // 0: ideal
    AdcRange adc_range = AdcRange::Aligned;
    uint32_t adcs_per_array = 1;
    double adc_offset_sigma = 0; // LSB
    double adc_gain_sigma = 0;

    // [cells]
    double g_on = 10, g_off = 0; // µS; 0: an infinite on/off ratio
    double v_read = 0.25;        // V
    ProgModel prog_model = ProgModel::None;
    double prog_sigma = 0;       // of g_on (normal_abs), of the target (normal_rel)
    double write_verify_tol = 0; // of g_on; 0: cells are written once
    uint32_t write_verify_max_iter = 20;
    double read_sigma = 0; // of a cell's conductance, each read
    double drift_nu = 0, drift_sigma = 0;
    double drift_t0 = 20; // s
    double p_stuck_on = 0, p_stuck_off = 0;

    // [wires]
    double r_wire_row = 0, r_wire_col = 0; // Ω of a segment
    double r_driver = 0, r_sense = 0;      // Ω
    bool row_gating = false; // rows whose digit is 0 float instead of being driven to 0 V

    Costs costs; // [costs]

    // --- What follows from it

    // Arrays of one MVM unit: the slices of a weight in all polarities.
    uint32_t arrays_per_unit() const;
    uint64_t arrays_per_tile() const { return uint64_t{cores} * mvm_units * arrays_per_unit(); }
    uint64_t arrays_per_slot() const { return arrays ? arrays : tiles * arrays_per_tile(); }
    // Registers of a core in their order: inputs of each unit, outputs of each unit, general.
    uint32_t input_registers() const { return mvm_units * rows; }
    uint32_t output_registers() const { return mvm_units * cols; }
    uint32_t core_registers() const { return input_registers() + output_registers() + registers; }
};

// Registers that an instruction can name.
inline constexpr uint32_t kMaxRegisters = 4096;
// Of a tile's control unit.
inline constexpr uint32_t kTileRegisters = 64;

// Reads a file's text. -EINVAL: `why` has one line per problem, "NAME:LINE:COLUMN: what was
// expected and found", in the order of the file.
Result<Arch> parse(std::string_view text, std::string_view name, std::string &why);

// A preset by its name, or the file at a path (which has a '/' or ends in ".toml"). -ENOENT
// names the presets, -EINVAL as parse(), else what reading the file gave.
Result<Arch> load(std::string_view preset_or_path, std::string &why);

// Sets one key from text, as an option or an axis of an exploration does: "adc_bits", "6".
// -ENOENT for an unknown key, -EINVAL for a value; the whole is checked by check().
int set(Arch &arch, std::string_view key, std::string_view value, std::string &why);

// What no single key says: empty, or what is wrong.
std::string check(const Arch &arch);
// What programs of instructions need beyond that: empty, or what is wrong. Matrix kernels
// alone can do without.
std::string check_programs(const Arch &arch);

// The whole as a file that parse() reads back, every key in it.
std::string to_toml(const Arch &arch);

// "puma", "isaac-like", "tiny": in the order of docs/arch.md.
std::span<const std::string_view> presets();
// Text of a preset's file. Precondition: it is one of presets().
std::string_view preset_text(std::string_view preset);

struct KeyInfo {
    std::string_view table, key, unit, what;
    std::string range; // "1 to 1024" or the names of an enumeration
};
std::vector<KeyInfo> keys();

std::string_view name_of(Sign value);
std::string_view name_of(AdcRange value);
std::string_view name_of(ProgModel value);
std::string_view name_of(Rounding value);
std::string_view name_of(Overflow value);

} // namespace acc::arch
