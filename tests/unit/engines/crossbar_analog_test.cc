// SPDX-License-Identifier: MIT
//
// The analog model behind the engine: options, kernels' operations, threads and batches.
#include "emulator/crossbar/wires.h"
#include "harness.h"

#include <drm/acc_drm.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <random>

namespace acc::emu::test
{
namespace
{

// A matrix of several arrays in each direction on a device with these options.
class Device
{
public:
    static constexpr uint32_t kRows = 70, kCols = 50;

    explicit Device(const std::string &text, uint16_t output_bytes = 8, uint64_t weight_seed = 1)
        : engine_(make(create_crossbar_engine, "rows=32,cols=24," + text)), weights_(kRows * kCols)
    {
        std::mt19937_64 random(weight_seed);
        for (int16_t &w : weights_)
            w = static_cast<int16_t>(static_cast<int8_t>(random()));
        program::MatrixSpec spec;
        spec.name = "m";
        spec.rows = kRows;
        spec.cols = kCols;
        spec.weight_bits = spec.input_bits = 8;
        spec.output_bytes = output_bytes;
        spec.input_signed = true;
        spec.weights = weights_;
        std::string why;
        const auto image = program::crossbar_program({&spec, 1}, &why);
        EXPECT_TRUE(image) << why;
        auto parsed = engine_->parse(*image, why);
        EXPECT_TRUE(parsed) << why;
        program_ = std::move(*parsed);
        EXPECT_EQ(engine_->load(0, *program_, 0), 0);
    }

    void reload() { EXPECT_EQ(engine_->load(0, *program_, 0), 0); }

    Outcome launch(acc_mvm_operation operation, const std::vector<int8_t> &inputs, uint64_t output)
    {
        acc_mvm_args args = {};
        args.operation = operation;
        args.output = output;
        if (!inputs.empty()) {
            args.input = memory.store(inputs, 0);
            args.vectors = inputs.size() / kRows;
            args.input_stride = kRows;
        }
        if (operation == ACC_MVM_MULTIPLY) args.output_stride = kCols;
        return run(*engine_, *program_, 0, args, memory);
    }

    std::vector<int64_t> multiply(const std::vector<int8_t> &inputs, uint64_t *clipped = nullptr)
    {
        const size_t n = inputs.size() / kRows * kCols;
        const uint64_t output = memory.store(std::vector<int64_t>(n), 0);
        const Outcome outcome = launch(ACC_MVM_MULTIPLY, inputs, output);
        EXPECT_EQ(outcome.status, ACC_STATUS_OK) << outcome.dispatch.text;
        EXPECT_GT(outcome.dispatch.modelled_ns, 0u);
        if (clipped) *clipped = outcome.dispatch.saturations;
        return memory.load<int64_t>(output, n);
    }

    acc_mvm_stats stats()
    {
        const uint64_t output = memory.store(std::vector<acc_mvm_stats>(1), 0);
        EXPECT_EQ(launch(ACC_MVM_STATS, {}, output).status, ACC_STATUS_OK);
        return memory.load<acc_mvm_stats>(output, 1)[0];
    }

    std::vector<int64_t> product(const std::vector<int8_t> &inputs) const
    {
        std::vector<int64_t> out(inputs.size() / kRows * kCols);
        for (size_t v = 0; v < inputs.size() / kRows; v++)
            for (uint32_t k = 0; k < kRows; k++)
                for (uint32_t n = 0; n < kCols; n++)
                    out[v * kCols + n] += int64_t{inputs[v * kRows + k]} * weights_[k * kCols + n];
        return out;
    }

    int16_t weight(uint32_t row, uint32_t col) const { return weights_[row * kCols + col]; }
    Engine &engine() { return *engine_; }
    const EngineProgram &program() const { return *program_; }
    PageMemory memory;

private:
    std::unique_ptr<Engine> engine_;
    std::vector<int16_t> weights_;
    std::unique_ptr<EngineProgram> program_;
};

std::vector<int8_t> random_inputs(size_t vectors)
{
    std::mt19937_64 random(9);
    std::vector<int8_t> inputs(vectors * Device::kRows);
    for (int8_t &x : inputs)
        x = static_cast<int8_t>(random());
    return inputs;
}

double error_of(const std::vector<int64_t> &a, const std::vector<int64_t> &b)
{
    double sum = 0;
    for (size_t i = 0; i < a.size(); i++)
        sum += std::pow(static_cast<double>(a[i] - b[i]), 2);
    return std::sqrt(sum / static_cast<double>(a.size()));
}

const std::string noisy = "seed=5,g_off=1,prog_model=normal_abs,prog_sigma=0.02,read_sigma=0.02,"
                          "p_stuck_on=0.001,adc_bits=4,";

} // namespace

TEST(CrossbarAnalog, SchemesAreExact)
{
    const auto inputs = random_inputs(5);
    const struct {
        const char *options;
        uint64_t arrays;
    } cases[] = {
        {"sign=offset", 3 * 3 * 4},
        {"sign=twos", 3 * 3 * 5},
        {"sign=differential,g_off=1", 3 * 3 * 8},
        {"sign=offset,dac_bits=3,adc_bits=10", 3 * 3 * 4},
        {"sign=twos,cell_bits=3,g_off=2,adc_bits=0", 3 * 3 * 4},
    };
    for (const auto &k : cases) {
        Device device(k.options);
        uint64_t clipped = 1;
        EXPECT_EQ(device.multiply(inputs, &clipped), device.product(inputs)) << k.options;
        EXPECT_EQ(clipped, 0u);
        EXPECT_EQ(device.program().units[0].capacity, k.arrays) << k.options;
        EXPECT_EQ(device.stats().arrays, k.arrays);
    }
}

// Outputs of 4 bytes saturate where noise pushes them out; these don't get there.
TEST(CrossbarAnalog, NarrowOutputs)
{
    const auto inputs = random_inputs(2);
    Device device("sign=offset", 4);
    const uint64_t output = device.memory.store(std::vector<int32_t>(100), 0);
    ASSERT_EQ(device.launch(ACC_MVM_MULTIPLY, inputs, output).status, ACC_STATUS_OK);
    const auto narrow = device.memory.load<int32_t>(output, 100);
    EXPECT_EQ(std::vector<int64_t>(narrow.begin(), narrow.end()), device.product(inputs));
}

TEST(CrossbarAnalog, SameBitsForAnyThreadsAndBatches)
{
    const auto inputs = random_inputs(12);
    // Every path: all of it, every conversion of ideal cells, the integer product, wires.
    for (const std::string &options :
         {noisy, std::string("adc_bits=4,"), std::string("sign=offset,adc_bits=4,"),
          std::string(""), (crossbar::have_wires() ? "r_wire_row=2,r_wire_col=2," : "") + noisy}) {
        uint64_t clipped = 0;
        const auto expected = Device(options + "threads=1").multiply(inputs, &clipped);
        EXPECT_EQ(clipped > 0, !options.empty());
        for (const char *threads : {"threads=1", "threads=2", "threads=4"}) {
            const std::string what = options + threads;
            Device device(what);
            uint64_t count = 0;
            EXPECT_EQ(device.multiply(inputs, &count), expected) << what;
            EXPECT_EQ(count, clipped) << what;
            Device split(what);
            std::vector<int64_t> joined;
            for (size_t at = 0, n = 1; at < 12; at += n, n = std::min<size_t>(n + 1, 12 - at)) {
                const auto part =
                    split.multiply({inputs.begin() + static_cast<ptrdiff_t>(at * 70),
                                    inputs.begin() + static_cast<ptrdiff_t>((at + n) * 70)});
                joined.insert(joined.end(), part.begin(), part.end());
            }
            EXPECT_EQ(joined, expected) << what;
        }
    }
    Device again(noisy);
    const auto expected = again.multiply(inputs);
    EXPECT_EQ(Device(noisy).multiply(inputs), expected);
    EXPECT_NE(again.multiply(inputs), expected); // later vectors, other read noise
    EXPECT_NE(Device("seed=6," + noisy.substr(7)).multiply(inputs), expected);
}

TEST(CrossbarAnalog, ReprogrammedCellsAreDrawnAgain)
{
    const auto inputs = random_inputs(4);
    Device device("seed=5,adc_bits=0,prog_model=normal_rel,prog_sigma=0.05");
    const auto first = device.multiply(inputs);
    EXPECT_EQ(device.multiply(inputs), first); // no read noise
    device.reload();
    EXPECT_NE(device.multiply(inputs), first);
    const acc_mvm_stats stats = device.stats();
    EXPECT_EQ(stats.programmings, 2u);
    EXPECT_EQ(stats.most_row_pulses, 2u);
    EXPECT_EQ(stats.slot_row_pulses, 2u * 8 * 3 * 70);
}

TEST(CrossbarAnalog, Counters)
{
    const auto inputs = random_inputs(3);
    Device device(noisy + "write_verify_tol=0.01,write_verify_max_iter=2");
    uint64_t clipped = 0;
    (void)device.multiply(inputs, &clipped);
    const acc_mvm_stats stats = device.stats();
    EXPECT_EQ(stats.activations, 3u * 72);
    EXPECT_EQ(stats.conversions, 3u * 8 * 3 * 8 * 50); // rounds, row blocks, columns
    EXPECT_EQ(stats.clipped, clipped);
    EXPECT_GT(stats.clipped, 0u);
    EXPECT_GT(stats.stuck_cells, 0u);
    EXPECT_GT(stats.failed_cells, stats.stuck_cells);
    EXPECT_EQ(stats.most_row_pulses, 2u);
    EXPECT_GT(stats.memory_bytes, 0u);
    EXPECT_EQ(stats.age_ns, 0u);
    // Of ideal cells too.
    Device ideal("adc_bits=5");
    (void)ideal.multiply(inputs, &clipped);
    EXPECT_EQ(ideal.stats().clipped, clipped);
    EXPECT_EQ(ideal.stats().activations, 3u * 72);
    EXPECT_EQ(ideal.stats().conversions, 3u * 8 * 3 * 8 * 50);
    EXPECT_EQ(ideal.stats().stuck_cells, 0u);
}

TEST(CrossbarAnalog, Calibration)
{
    const auto inputs = random_inputs(8);
    Device device("sign=offset,adc_bits=6,adc_range=calibrated");
    const auto exact = device.product(inputs);
    const double before = error_of(device.multiply(inputs), exact);
    const Outcome outcome = device.launch(ACC_MVM_CALIBRATE, inputs, 0);
    ASSERT_EQ(outcome.status, ACC_STATUS_OK) << outcome.dispatch.text;
    EXPECT_GT(outcome.dispatch.energy_pj, 0u);
    uint64_t clipped = 1;
    EXPECT_LT(error_of(device.multiply(inputs, &clipped), exact), before * 0.8);
    EXPECT_EQ(clipped, 0u);
}

TEST(CrossbarAnalog, AgeAndCompensation)
{
    const auto inputs = random_inputs(4);
    const std::string year = "adc_bits=0,drift_nu=0.05,drift_sigma=0.002,age=31536000";
    Device aged(year), kept(year + ",compensate=1");
    const auto exact = aged.product(inputs);
    const double loss = error_of(aged.multiply(inputs), exact);
    EXPECT_LT(error_of(kept.multiply(inputs), exact), loss / 5);
    ASSERT_EQ(aged.launch(ACC_MVM_COMPENSATE, {}, 0).status, ACC_STATUS_OK);
    EXPECT_EQ(aged.multiply(inputs), kept.multiply(inputs));
}

// What a device is told to age is as old as one that was made so; the clock stands otherwise.
TEST(CrossbarAnalog, TheClockMovesWhenItIsTold)
{
    const auto inputs = random_inputs(4);
    const std::string drifts = "adc_bits=0,drift_nu=0.05,drift_sigma=0.01,seed=3";
    Device told(drifts), old(drifts + ",age=86400");
    const auto fresh = told.multiply(inputs);
    EXPECT_EQ(told.multiply(inputs), fresh);
    ASSERT_EQ(told.engine().age(80000'000'000'000), 0);
    ASSERT_EQ(told.engine().age(6400'000'000'000), 0);
    EXPECT_EQ(told.stats().age_ns, 86400'000'000'000u);
    EXPECT_EQ(told.multiply(inputs), old.multiply(inputs));
    EXPECT_NE(told.multiply(inputs), fresh);
    told.reload(); // written anew, cells are young again
    EXPECT_EQ(told.stats().age_ns, 0u);
    EXPECT_EQ(told.engine().age(uint64_t{1} << 63), -EINVAL);
    EXPECT_EQ(make(create_fpga_engine)->age(1), -EOPNOTSUPP);
}

TEST(CrossbarAnalog, TilesAddUpToTheDispatches)
{
    const auto inputs = random_inputs(3);
    // Of 72 arrays, tiles of 4 cores of a unit of 16 bits in pairs: 64 in the first, 8 in the next.
    for (const std::string &options : {std::string("adc_bits=5"), noisy}) {
        Device device("cores=4,mvm_units=1,tiles=3," + options);
        uint64_t clipped = 0;
        acc_mvm_args args = {};
        args.input = device.memory.store(inputs, 0);
        args.output = device.memory.store(std::vector<int64_t>(3 * Device::kCols), 0);
        args.vectors = 3;
        args.input_stride = Device::kRows;
        args.output_stride = Device::kCols;
        const Outcome outcome = run(device.engine(), device.program(), 0, args, device.memory);
        ASSERT_EQ(outcome.status, ACC_STATUS_OK) << outcome.dispatch.text;
        clipped = outcome.dispatch.saturations;
        const acc_mvm_stats stats = device.stats();
        EXPECT_EQ(stats.first_array, 0u);
        EXPECT_EQ(stats.tile_arrays, 64u);
        EXPECT_EQ(stats.array_rows, 32u);
        drm_acc_tile sum = {};
        for (uint32_t t = 0; t < 12; t++) {
            drm_acc_tile tile = {};
            ASSERT_EQ(device.engine().tile(t, tile), 0);
            EXPECT_EQ(tile.slot, t / 3);
            EXPECT_EQ(tile.tile, t % 3);
            EXPECT_EQ(tile.arrays, 64u);
            EXPECT_EQ(tile.arrays_used, t == 0 ? 64u : t == 1 ? 8u : 0u);
            EXPECT_EQ(tile.most_row_pulses, t < 2 ? 1u : 0u);
            sum.activations += tile.activations;
            sum.conversions += tile.conversions;
            sum.clipped += tile.clipped;
            sum.row_pulses += tile.row_pulses;
            sum.stuck_cells += tile.stuck_cells;
            sum.program_pj += tile.program_pj;
            sum.adc_pj += tile.adc_pj + tile.cells_pj + tile.periphery_pj + tile.core_pj;
        }
        EXPECT_EQ(sum.activations, 3u * 72);
        EXPECT_EQ(sum.conversions, stats.conversions);
        EXPECT_EQ(sum.clipped, clipped);
        EXPECT_EQ(sum.row_pulses, stats.slot_row_pulses);
        EXPECT_EQ(sum.stuck_cells, stats.stuck_cells);
        EXPECT_NEAR(double(sum.adc_pj), double(outcome.dispatch.energy_pj), 5);
        EXPECT_NEAR(double(sum.program_pj), double(device.program().units[0].load_pj), 2);
        drm_acc_tile past = {};
        EXPECT_EQ(device.engine().tile(12, past), -ENOENT);
        device.engine().unload(0);
        ASSERT_EQ(device.engine().tile(0, past), 0);
        EXPECT_EQ(past.arrays_used, 0u);
        EXPECT_EQ(past.most_row_pulses, 1u) << "wear stays";
    }
}

// The levels of all slices, weighted, are the weights again; with noise they are not far off.
TEST(CrossbarAnalog, CellsCanBeRead)
{
    for (const bool noise : {false, true}) {
        Device device(noise ? "g_off=1,prog_model=normal_abs,prog_sigma=0.002" : "g_off=0");
        const acc_mvm_stats stats = device.stats();
        const size_t cells = stats.array_rows * stats.array_cols;
        const uint64_t output = device.memory.store(std::vector<float>(2 * cells), 0);
        acc_mvm_args args = {};
        args.operation = ACC_MVM_CELLS;
        args.output = output;
        std::vector<double> asked(32 * 24), found(32 * 24);
        for (uint64_t a = 0; a < 8; a++) { // of the last block: 6 rows, 2 columns
            args.vectors = stats.arrays - 8 + a;
            const Outcome outcome = run(device.engine(), device.program(), 0, args, device.memory);
            ASSERT_EQ(outcome.status, ACC_STATUS_OK) << outcome.dispatch.text;
            const auto values = device.memory.load<float>(output, 2 * cells);
            const double unit = noise ? 3 : 10.0 / 3, off = noise ? 1 : 0;
            const double weight = (a % 2 ? -1 : 1) * std::pow(4, a / 2); // pairs, least first
            for (size_t c = 0; c < cells; c++) {
                const bool there = c / 24 < 6 && c % 24 < 2;
                ASSERT_EQ(std::isnan(values[c]), !there);
                ASSERT_EQ(std::isnan(values[cells + c]), !there);
                if (!there) continue;
                asked[c] += weight * (values[c] - off) / unit;
                found[c] += weight * (values[cells + c] - off) / unit;
            }
        }
        double error = 0;
        for (uint32_t row = 0; row < 6; row++) {
            for (uint32_t col = 0; col < 2; col++) {
                const size_t c = row * 24 + col;
                EXPECT_NEAR(asked[c], device.weight(64 + row, 48 + col), 1e-4);
                error = std::max(error, std::abs(found[c] - asked[c]));
            }
        }
        if (noise)
            EXPECT_GT(error, 0.01);
        else
            EXPECT_LT(error, 1e-4);
        const auto refused = [&](auto change) {
            acc_mvm_args bad = args;
            change(bad);
            return run(device.engine(), device.program(), 0, bad, device.memory).status;
        };
        EXPECT_EQ(refused([&](auto &a) { a.vectors = stats.arrays; }), ACC_STATUS_INVALID_KERNARG);
        EXPECT_EQ(refused([](auto &a) { a.output = 0; }), ACC_STATUS_INVALID_KERNARG);
        EXPECT_EQ(refused([](auto &a) { a.output++; }), ACC_STATUS_INVALID_KERNARG);
        EXPECT_EQ(refused([](auto &a) { a.input = a.output; }), ACC_STATUS_INVALID_KERNARG);
        EXPECT_EQ(refused([](auto &a) { a.operation = 5; }), ACC_STATUS_INVALID_KERNARG);
        EXPECT_EQ(refused([](auto &a) { a.output = 4096; }), ACC_STATUS_INVALID_ADDRESS);
    }
}

// Timing alone: the same time and energy, and nothing is read or written.
TEST(CrossbarAnalog, TimingAlone)
{
    for (const std::string &options : {std::string("adc_bits=5"), noisy}) {
        Device whole(options), timing("timing_only=1," + options);
        const auto inputs = random_inputs(3);
        const uint64_t output = whole.memory.store(std::vector<int64_t>(3 * Device::kCols), 0);
        const Outcome a = whole.launch(ACC_MVM_MULTIPLY, inputs, output);
        acc_mvm_args args = {};
        args.input = args.output = 4096; // nothing is there
        args.vectors = 3;
        args.input_stride = Device::kRows;
        args.output_stride = Device::kCols;
        const Outcome b = run(timing.engine(), timing.program(), 0, args, timing.memory);
        ASSERT_EQ(b.status, ACC_STATUS_OK) << b.dispatch.text;
        EXPECT_EQ(a.dispatch.modelled_ns, b.dispatch.modelled_ns);
        EXPECT_EQ(a.dispatch.energy_pj, b.dispatch.energy_pj);
        EXPECT_EQ(a.dispatch.mvms, b.dispatch.mvms);
        EXPECT_EQ(b.dispatch.saturations, 0u);
        EXPECT_EQ(timing.stats().conversions, whole.stats().conversions);
    }
}

TEST(CrossbarAnalog, StopsInTime)
{
    std::atomic<bool> stop{true};
    Device device(noisy);
    acc_mvm_args args = {};
    args.input = device.memory.store(random_inputs(1), 0);
    args.output = device.memory.store(std::vector<int64_t>(50), 0);
    args.vectors = 1;
    args.input_stride = 70;
    args.output_stride = 50;
    EXPECT_EQ(run(device.engine(), device.program(), 0, args, device.memory, &stop).status,
              ACC_STATUS_TIMEOUT);
    args.vectors = 1'000'000; // beyond what is bound
    EXPECT_EQ(run(device.engine(), device.program(), 0, args, device.memory).status,
              ACC_STATUS_INVALID_ADDRESS);
}

} // namespace acc::emu::test
