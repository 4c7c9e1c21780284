// SPDX-License-Identifier: MIT
//
// acc-bench-crossbar: one MVM unit of 128 x 128 weights of 16 bits with inputs of 16 bits, 8
// slices of 2 bits, by each of the model's paths, beside a plain loop over every conversion
// and the same products by a BLAS. One thread. docs/benchmarks.md says what each number is.
#include "crossbar_parts.h"
#include "emulator/crossbar/simd.h"
#include "emulator/crossbar/unit.h"
#include "emulator/crossbar/wires.h"

#include <nlohmann/json.hpp>

#if ACC_HAVE_OPENBLAS
#include <cblas.h>
#endif

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <string_view>
#include <unistd.h>
#include <vector>

namespace
{

using namespace acc;
using namespace acc::emu::crossbar;

constexpr uint32_t kSide = 128;
constexpr size_t kVectors = 64; // different inputs, one after the other
bool short_run = false;
std::map<std::string, double> metrics;

void put(const std::string &name, double value)
{
    metrics[name] = value;
    std::printf("%-34s %14.6g\n", name.c_str(), value);
    std::fflush(stdout);
}

[[noreturn]] void fail(const std::string &why)
{
    std::fprintf(stderr, "acc-bench-crossbar: %s\n", why.c_str());
    std::exit(1);
}

// Microseconds a call, the best of several rounds: other programs only ever add to it.
double best_us(const std::function<void(size_t)> &call)
{
    const auto seconds = [&](size_t calls) {
        const auto start = std::chrono::steady_clock::now();
        for (size_t i = 0; i < calls; i++)
            call(i);
        return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    };
    size_t calls = 1;
    while (seconds(calls) < 2e-3 && calls < 1u << 20)
        calls *= 2;
    double best = seconds(calls);
    for (int round = 0; round < (short_run ? 3 : 200); round++)
        best = std::min(best, seconds(calls));
    return best / static_cast<double>(calls) * 1e6;
}

struct Operands {
    std::vector<int16_t> weights = std::vector<int16_t>(kSide * kSide);
    std::vector<int16_t> inputs = std::vector<int16_t>(kVectors * kSide);

    Operands()
    {
        std::mt19937_64 random(1);
        for (int16_t &w : weights)
            w = static_cast<int16_t>(random());
        for (int16_t &x : inputs)
            x = static_cast<int16_t>(random());
    }
};

std::unique_ptr<MvmUnit> make(const Config &config, const Operands &operands)
{
    std::string why;
    auto unit = MvmUnit::create(
        config,
        {.rows = kSide, .cols = kSide, .weight_bits = 16, .input_bits = 16, .input_signed = true},
        0, why);
    if (!unit) fail(why);
    if (!(*unit)->program(operands.weights, nullptr, why)) fail(why);
    return std::move(*unit);
}

double unit_us(const MvmUnit &unit, const Operands &operands)
{
    const auto scratch = MvmUnit::make_scratch();
    std::vector<int64_t> sums(kSide);
    UnitCounts counts;
    return best_us([&](size_t i) {
        unit.run(operands.inputs.data() + i % kVectors * kSide, 1, sums.data(), i, *scratch,
                 counts);
    });
}

// Every conversion in the plainest way: bits and levels, one column after the other.
struct PlainLoop {
    static constexpr uint32_t kArrays = 8;
    std::vector<uint8_t> levels = std::vector<uint8_t>(kArrays * kSide * kSide); // [a][col][row]
    uint32_t top = 0;

    PlainLoop(const Operands &operands, uint32_t adc_bits) : top((1u << adc_bits) - 1)
    {
        for (uint32_t a = 0; a < kArrays; a++)
            for (uint32_t col = 0; col < kSide; col++)
                for (uint32_t row = 0; row < kSide; row++)
                    levels[(a * kSide + col) * kSide + row] = static_cast<uint8_t>(
                        (operands.weights[row * kSide + col] + 32768) >> (2 * a) & 3);
    }

    uint64_t run(const int16_t *x, int64_t *sums) const
    {
        uint64_t clipped = 0;
        int64_t inputs = 0;
        std::vector<uint8_t> bits(16 * kSide);
        for (uint32_t row = 0; row < kSide; row++) {
            inputs += x[row];
            for (uint32_t r = 0; r < 16; r++)
                bits[r * kSide + row] = static_cast<uint16_t>(x[row]) >> r & 1;
        }
        for (uint32_t col = 0; col < kSide; col++) {
            int64_t sum = -inputs * 32768;
            for (uint32_t a = 0; a < kArrays; a++) {
                const uint8_t *level = levels.data() + (a * kSide + col) * kSide;
                for (uint32_t r = 0; r < 16; r++) {
                    uint32_t current = 0;
                    for (uint32_t row = 0; row < kSide; row++)
                        current += uint32_t{level[row]} * bits[r * kSide + row];
                    clipped += current > top;
                    const int64_t code = std::min(current, top);
                    sum += (r == 15 ? -code : code) * (int64_t{1} << (r + 2 * a));
                }
            }
            sums[col] = sum;
        }
        return clipped;
    }
};

#if ACC_HAVE_OPENBLAS
// The same conversions as one product of floats: 16 rounds x 128 rows by 128 x 1024 cells.
double openblas_us(const Operands &operands)
{
    openblas_set_num_threads(1);
    constexpr int rounds = 16, cells = 8 * kSide;
    std::vector<float> a(rounds * kSide), b(kSide * cells), c(rounds * cells);
    for (uint32_t row = 0; row < kSide; row++) {
        for (int r = 0; r < rounds; r++)
            a[r * kSide + row] = static_cast<float>(operands.inputs[row] >> r & 1);
        for (uint32_t col = 0; col < kSide; col++)
            for (uint32_t s = 0; s < 8; s++)
                b[row * cells + s * kSide + col] = static_cast<float>(
                    (operands.weights[row * kSide + col] + 32768) >> (2 * s) & 3);
    }
    return best_us([&](size_t) {
        cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, rounds, cells, kSide, 1, a.data(),
                    kSide, b.data(), cells, 0, c.data(), cells);
    });
}
#endif

size_t resident_bytes()
{
    FILE *file = std::fopen("/proc/self/statm", "re");
    unsigned long pages = 0, resident = 0;
    const bool good = file && std::fscanf(file, "%lu %lu", &pages, &resident) == 2;
    if (file) std::fclose(file);
    if (!good) fail("expected to read /proc/self/statm");
    return resident * static_cast<size_t>(sysconf(_SC_PAGESIZE));
}

// Resident bytes a weight, by units of 128 x 128.
double bytes_per_weight(const Config &config, const Operands &operands, size_t units)
{
    std::vector<std::unique_ptr<MvmUnit>> all;
    const size_t before = resident_bytes();
    for (size_t i = 0; i < units; i++)
        all.push_back(make(config, operands));
    const size_t after = resident_bytes();
    return static_cast<double>(after - std::min(before, after)) /
           static_cast<double>(units * kSide * kSide);
}

void measure()
{
    const Operands operands;
    Config base;
    base.sign = arch::Sign::Offset; // 8 slices of 2 bits
    std::printf("sign scheme: offset, 8 arrays; 16 rounds of 1 bit; %s\n", simd_name());

    // Memory first: nothing has been freed yet that could be used again.
    const size_t units = short_run ? 8 : 1526; // 25 million weights
    put("mvm_exact_bytes_per_weight", bytes_per_weight(base, operands, units));
    put("mvm_exact_25m_mb", metrics["mvm_exact_bytes_per_weight"] * 25e6 / 1e6);
    Config noisy = base;
    noisy.prog_model = arch::ProgModel::NormalRel;
    noisy.prog_sigma = 0.02;
    noisy.read_sigma = 0.01;
    put("mvm_noise_bytes_per_weight", bytes_per_weight(noisy, operands, short_run ? 2 : 40));

    put("mvm128_exact_us", unit_us(*make(base, operands), operands));

    Config clip = base;
    clip.adc_bits = 6; // random cells and bits: 96 +- 11 of 63 a round, and every column
    const auto clipping = make(clip, operands);
    const PlainLoop plain(operands, clip.adc_bits);
    UnitCounts counts;
    uint64_t clipped = 0;
    const auto scratch = MvmUnit::make_scratch();
    std::vector<int64_t> sums(kSide), loop(kSide);
    for (size_t v = 0; v < kVectors; v++) {
        const int16_t *x = operands.inputs.data() + v * kSide;
        clipping->run(x, 1, sums.data(), v, *scratch, counts);
        clipped += plain.run(x, loop.data());
        if (sums != loop) fail("the plain loop and the unit differ");
    }
    if (clipped != counts.clipped) fail("the plain loop and the unit count differently");
    put("mvm128_clip_percent",
        100.0 * static_cast<double>(clipped) / static_cast<double>(counts.conversions));
    put("mvm128_clip_us", unit_us(*clipping, operands));
    std::vector<int64_t> batch(kVectors * kSide);
    put("mvm128_clip_batch64_us", best_us([&](size_t) {
                                      clipping->run(operands.inputs.data(), kVectors, batch.data(),
                                                    0, *scratch, counts);
                                  }) / kVectors);
    Config pairs = clip;
    pairs.sign = arch::Sign::Differential;
    put("mvm128_clip_differential_us", unit_us(*make(pairs, operands), operands));
    put("mvm128_plainloop_us", best_us([&](size_t i) {
            plain.run(operands.inputs.data() + i % kVectors * kSide, loop.data());
        }));
#if ACC_HAVE_OPENBLAS
    put("mvm128_openblas_us", openblas_us(operands));
    put("mvm128_clip_over_openblas", metrics["mvm128_clip_us"] / metrics["mvm128_openblas_us"]);
#endif
    put("mvm128_clip_over_plainloop", metrics["mvm128_clip_us"] / metrics["mvm128_plainloop_us"]);

    put("mvm128_noise_us", unit_us(*make(noisy, operands), operands));
    if (have_wires()) {
        Config wires = base;
        wires.g_off = 1;
        wires.r_wire_row = wires.r_wire_col = 1;
        put("mvm128_irdrop_us", unit_us(*make(wires, operands), operands));
        std::vector<double> cells(kSide * kSide);
        for (size_t i = 0; i < cells.size(); i++)
            cells[i] = 1 + 3 * static_cast<double>(operands.weights[i] & 3);
        double best = 1e9;
        for (int round = 0; round < (short_run ? 1 : 5); round++) {
            const auto start = std::chrono::steady_clock::now();
            (void)effective_conductances(cells, kSide, kSide, Wires{.row = 1, .col = 1});
            best = std::min(
                best,
                std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
        }
        put("geff128_s", best);
    }
    set_simd(Simd::Avx512);
    put("mvm128_clip_avx512_us", unit_us(*clipping, operands));
    set_simd(Simd::Portable);
    std::printf("portable: %s\n", simd_name());
    put("mvm128_clip_portable_us", unit_us(*clipping, operands));
    put("mvm128_exact_portable_us", unit_us(*make(base, operands), operands));
    put("mvm128_noise_portable_us", unit_us(*make(noisy, operands), operands));
    set_simd(Simd::Best);
}

} // namespace

int main(int argc, char **argv)
{
    const char *out = nullptr;
    for (int i = 1; i < argc; ++i) {
        const std::string_view word = argv[i];
        if (word == "--short")
            short_run = true;
        else if (word == "--out" && i + 1 < argc)
            out = argv[++i];
        else {
            std::fprintf(stderr, "usage: acc-bench-crossbar [--short] [--out FILE.json]\n");
            return 2;
        }
    }
    std::string why;
    if (!bench_resident(put, short_run, why)) fail(why);
    measure();
    if (!bench_isa(put, short_run, why)) fail(why);
    if (!out) return 0;
    const std::string text = nlohmann::json(metrics).dump(2) + "\n";
    FILE *file = std::fopen(out, "we");
    const bool good = file && std::fwrite(text.data(), 1, text.size(), file) == text.size();
    if (file && std::fclose(file) == 0 && good) return 0;
    fail(std::string(out) + ": " + std::strerror(errno));
}
