// SPDX-License-Identifier: MIT
//
// One MVM unit: a matrix of at most rows x cols weights that lies in one position of arrays,
// the slices of its weights in all polarities, each with a converter of its own.
// docs/crossbar-analog.md has the equations; every parameter is a member of Config.
//
// Threading: program(), advance(), calibrate() and compensate() want the unit to themselves.
// run() and the other const functions may run on any number of threads at once, each with a
// Scratch of its own.
//
// Randomness: every random number is a function of (seed, array, cell or column, event) and
// of nothing else. So results are the same bits for any number of threads and any split of a
// batch, as long as each vector keeps its `event`.
#pragma once

#include "common/result.h"
#include "emulator/crossbar/config.h"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace acc::emu::crossbar
{

struct UnitShape {
    uint32_t rows = 0, cols = 0; // used: at most those of an array
    uint32_t weight_bits = 16;   // 2 … 16, two's complement
    uint32_t input_bits = 16;    // 1 … 16
    bool input_signed = true;    // two's complement; the sign bit is a round of its own
};

// What run() counts; added to, never reset. Thread safety: none, one per thread.
struct UnitCounts {
    uint64_t activations = 0; // of arrays: arrays * vectors
    uint64_t conversions = 0; // that the converters make
    uint64_t clipped = 0;     // of them, above or below the range
};

// A cell that did not come within the tolerance of its target.
struct FailedCell {
    uint32_t array = 0; // of the unit
    uint32_t row = 0, col = 0;
    double target = 0, reached = 0; // µS
};

// What programming took. Pulses are counted per row of an array, the group that is written
// at a time; a row takes as many as its slowest cell.
struct ProgramReport {
    uint64_t pulses = 0;              // of all cells
    uint64_t row_pulses = 0;          // of all rows
    double ns = 0, pj = 0;            // modelled: rows one after the other
    uint64_t failed = 0;              // cells that write-verify gave up
    std::vector<FailedCell> failures; // the first of them, at most kMaxFailures
    static constexpr size_t kMaxFailures = 64;
};

// How often the rows of physical arrays were written: it outlives what is programmed. One
// for a slot. Thread safety: none.
class Wear
{
public:
    explicit Wear(uint32_t rows, uint64_t first_array = 0) : rows_(rows), first_(first_array) {}
    // Pulses that the row has had.
    uint64_t pulses(uint64_t array, uint32_t row) const;
    // How often the array was programmed: the event of its next programming.
    uint64_t programmings(uint64_t array) const;
    void add_programming(uint64_t array);
    void add_pulses(uint64_t array, uint32_t row, uint32_t pulses);
    uint64_t most_pulses() const { return most_; } // of any row
    uint64_t total_pulses() const { return total_; }

private:
    void grow(uint64_t array);
    uint32_t rows_ = 0;
    uint64_t first_ = 0;
    uint64_t most_ = 0, total_ = 0;
    std::vector<uint32_t> pulses_;       // [array][rows]
    std::vector<uint32_t> programmings_; // [array]
};

class MvmUnit
{
public:
    // How run() computes; all give what the equations say.
    enum class Path {
        Exact,  // no conversion can clip: the integer product
        Clip,   // ideal cells, every conversion evaluated in integers
        Analog, // conductances in floating point
    };
    // Buffers of one thread, kept from call to call.
    struct Scratch;
    struct FreeScratch {
        void operator()(Scratch *scratch) const;
    };
    using ScratchPtr = std::unique_ptr<Scratch, FreeScratch>;
    static ScratchPtr make_scratch();

    // Arrays that such a unit takes: slices of a weight in all polarities.
    static uint32_t arrays(const Config &config, uint32_t weight_bits);
    // Rounds of an input.
    static uint32_t rounds(const Config &config, uint32_t input_bits, bool input_signed);

    // An unprogrammed unit in the physical arrays first_array …. -EINVAL and `why` for a
    // shape that does not fit an array.
    static Result<std::unique_ptr<MvmUnit>> create(const Config &config, const UnitShape &shape,
                                                   uint64_t first_array, std::string &why);
    ~MvmUnit();

    // Writes weights, row-major [rows][cols], each of weight_bits. The clock of the unit
    // starts at 0. `wear` may be null: then this is the first programming of its arrays.
    // -EINVAL for a weight that is too large, -ENOMEM.
    Result<ProgramReport> program(std::span<const int16_t> weights, Wear *wear, std::string &why);

    // `seconds` since it was programmed: drift, and a new sample of slow (1/f) noise.
    void set_age(double seconds);
    double age() const;

    // sums[v][col] = what the digital side adds up for vector v, at `event` + v. x is
    // [vectors][rows]: of each word the low input_bits count. Exact where nothing clips and
    // nothing is noisy: sum over rows of x * weight.
    void run(const int16_t *x, size_t vectors, int64_t *sums, uint64_t event, Scratch &scratch,
             UnitCounts &counts) const;

    // Fits the range of each array's converter to the largest current that these vectors
    // make; without effect unless adc_range is calibrated. Until then the range is `max`. With
    // `extend` a range that was fitted before only grows.
    void calibrate(const int16_t *x, size_t vectors, uint64_t event, Scratch &scratch,
                   bool extend = false);
    // Global drift compensation: measures each array's current with every row on, and from
    // now on scales its codes by what it was after programming over what it is.
    void compensate(uint64_t event);

    Path path() const;
    const UnitShape &shape() const;
    uint32_t arrays() const;
    uint64_t stuck_cells() const;
    // Bytes that this unit holds.
    size_t memory() const;

    // Of a cell of array `array` of the unit, in µS: what was asked for, and what is there
    // now (programming noise, drift, stuck; without wires). For heat maps and tests.
    double target_conductance(uint32_t array, uint32_t row, uint32_t col) const;
    double conductance(uint32_t array, uint32_t row, uint32_t col) const;
    void conductances(uint32_t array, uint32_t row, std::span<double> out) const; // [cols]

    struct Impl;

private:
    explicit MvmUnit(std::unique_ptr<Impl> impl);
    std::unique_ptr<Impl> impl_;
};

} // namespace acc::emu::crossbar
