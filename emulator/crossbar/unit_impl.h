// SPDX-License-Identifier: MIT
//
// The inside of an MVM unit, shared by its paths: unit.cc programs, unit_integer.cc computes
// with ideal cells, unit_analog.cc with conductances.
#pragma once

#include "emulator/crossbar/device_models.h"
#include "emulator/crossbar/simd.h"
#include "emulator/crossbar/unit.h"

#include <array>
#include <vector>

namespace acc::emu::crossbar
{

// What an array of a unit holds of each weight: bits [shift, shift + bits) of its magnitude
// (differential), of weight + 2^(weight_bits - 1) (offset), or of the two's complement.
struct ArrayPart {
    uint32_t shift = 0, bits = 0;
    bool minus = false;     // counts negatively
    bool magnitude = false; // differential: of weights of one sign, `minus` says which
};

// A converter and what the digital side does with its codes.
struct Converter {
    double step = 1;         // units of current a code
    double gain = 1;         // of the real one
    double offset = 0;       // LSB
    double compensation = 1; // of drift
};

struct RoundPlan {
    uint32_t count = 0; // of an input
    std::array<int64_t, kLaneRounds> weights{};
    std::array<uint32_t, kLaneRounds> shifts{}; // where a digit lies in an input
    std::array<uint32_t, kLaneRounds> masks{};
};

struct MvmUnit::Scratch {
    std::vector<uint8_t> index;
    std::vector<uint16_t> limits;
    std::vector<int32_t> sums32;
    std::vector<int16_t> planes;
    std::vector<float> digits, floated;
    std::vector<double> sums;
};

struct MvmUnit::Impl {
    Config config;
    UnitShape shape;
    uint64_t first_array = 0;
    std::vector<ArrayPart> parts;
    RoundPlan plan;
    Path path = Path::Exact;

    std::vector<int16_t> weights; // as programmed
    bool programmed = false;
    uint32_t programming = 0, step = 0;
    double age = 0;
    uint64_t stuck = 0;

    // Exact: panels of 16 columns, [panels][pairs][16][2].
    std::vector<int16_t> panels;
    uint32_t max_pairs = 0;
    bool split = false; // inputs in two planes of 8 bits

    // Clip, by tables: see ClipJob; else [arrays][cols][rows] levels.
    bool tables = false;
    uint32_t per_group = 0, groups = 0, flush = 0, high_shift = 0;
    const uint8_t *table = nullptr;
    std::vector<uint8_t> packed, levels;
    std::array<int16_t, kLaneRounds> round_weights{};

    // Analog.
    std::vector<float> cells; // [arrays][col blocks][rows][16]
    std::vector<Converter> converters;
    std::vector<std::vector<double>> admittances; // of gated rows

    uint32_t col_blocks() const { return (shape.cols + kLaneCols - 1) / kLaneCols; }
    uint32_t pairs() const { return (shape.rows + 1) / 2; }
    uint32_t digit_max() const { return (1u << config.dac_bits) - 1; }
    double rho() const { return config.g_off / config.unit_conductance(); }
    uint64_t array_id(uint32_t array) const { return first_array + array; }
    ArrayWrite write(uint32_t array) const
    {
        return {.config = &config, .array = array_id(array), .programming = programming};
    }

    // The level that a weight puts into array `a`, before any cell is stuck.
    uint8_t level(uint32_t a, int32_t weight) const
    {
        const ArrayPart &part = parts[a];
        uint32_t bits = 0;
        if (part.magnitude)
            bits = (weight < 0) == part.minus ? static_cast<uint32_t>(weight < 0 ? -weight : weight)
                                              : 0;
        else
            bits = static_cast<uint32_t>(config.sign == arch::Sign::Offset
                                             ? weight + (1 << (shape.weight_bits - 1))
                                             : weight);
        return static_cast<uint8_t>(bits >> part.shift & ((1u << part.bits) - 1));
    }
    void row_levels(uint32_t a, uint32_t row, std::span<uint8_t> out) const;
    // The same as cells hold them: a stuck cell has an extreme one.
    void held_levels(uint32_t a, uint32_t row, std::span<uint8_t> out) const;

    // The value of an input's low input_bits.
    int32_t value(int16_t word) const
    {
        const uint32_t bits = static_cast<uint32_t>(static_cast<uint16_t>(word))
                              << (32 - shape.input_bits);
        return shape.input_signed ? static_cast<int32_t>(bits) >> (32 - shape.input_bits)
                                  : static_cast<int32_t>(bits >> (32 - shape.input_bits));
    }
    uint32_t digit(int16_t word, uint32_t round) const
    {
        return static_cast<uint16_t>(word) >> plan.shifts[round] & plan.masks[round];
    }

    void choose_path();
    void build(); // what the path needs; after programming
    void build_exact();
    void build_clip();
    void build_conductances(); // and after each step of the clock
    void build_converters();
    bool fits_exact() const;

    // One vector each; `sums` are written.
    void run_exact(const int16_t *x, int64_t *sums, Scratch &scratch) const;
    void run_clip(const int16_t *x, size_t vectors, int64_t *sums, Scratch &scratch,
                  UnitCounts &counts) const;
    // `peaks` [arrays], if not null, become the largest currents seen.
    void run_analog(const int16_t *x, int64_t *sums, uint64_t event, Scratch &scratch,
                    UnitCounts &counts, double *peaks) const;
    // Biased weights: 2^(weight_bits - 1) times the sum of the inputs was too much.
    int64_t bias(const int16_t *x) const;

private:
    void clip_scalar(const int16_t *x, int64_t *sums, UnitCounts &counts) const;
    void clip_limits(const int16_t *x, std::array<int64_t, kLaneRounds> &limits) const;
    bool clip_tables(const int16_t *x, size_t vectors, size_t lanes, int64_t *sums,
                     Scratch &scratch, UnitCounts &counts) const;
    void index_vector(const int16_t *x, size_t vector, size_t lanes, uint8_t *index) const;
};

} // namespace acc::emu::crossbar
