// SPDX-License-Identifier: MIT
//
// Networks of dense layers on tiles, against a plain loop that knows nothing of tiles.
#include "program/isa/dense.h"
#include "tiles.h"

#include <algorithm>
#include <random>

namespace acc::emu::test
{
namespace
{

using isa::Activation;
using isa::Dense;
using Words = std::vector<int16_t>;

int16_t saturate(int64_t value)
{
    return static_cast<int16_t>(std::clamp<int64_t>(value, -32768, 32767));
}

// Blocks of `block` rows become words each, are added one after the other as the units of a
// core and then the cores come, `units` to a core from unit `first` on.
Words reference(const Dense &d, const Words &x, uint32_t block, uint32_t units, uint32_t first)
{
    Words y(d.outputs);
    const uint32_t blocks = (d.inputs + block - 1) / block;
    for (uint32_t n = 0; n < d.outputs; n++) {
        int64_t sum = 0, core = 0;
        bool any = false;
        for (uint32_t b = 0; b < blocks; b++) {
            int64_t product = 0;
            for (uint32_t k = b * block; k < std::min(d.inputs, (b + 1) * block); k++)
                product += int64_t{x[k]} * d.weights[size_t{k} * d.outputs + n];
            const int64_t word = saturate((product + 2048 - (product < 0)) >> 12);
            const uint32_t unit = (first + n / block * blocks + b) % units;
            core = unit == 0 || b == 0 ? word : saturate(core + word);
            if (unit + 1 == units || b + 1 == blocks) {
                sum = any ? saturate(sum + core) : core;
                any = true;
            }
        }
        if (!d.bias.empty()) sum = saturate(sum + d.bias[n]);
        if (d.activation == Activation::Relu) sum = std::max<int64_t>(sum, 0);
        y[n] = static_cast<int16_t>(sum);
    }
    return y;
}

struct Net {
    std::vector<Words> weights, biases;
    std::vector<Dense> layers;

    Net(const std::vector<uint32_t> &sizes, uint32_t seed, bool bias, int amplitude)
    {
        std::mt19937 random(seed);
        std::uniform_int_distribution<int> value(-amplitude, amplitude);
        for (size_t l = 0; l + 1 < sizes.size(); l++) {
            Words w(size_t{sizes[l]} * sizes[l + 1]), b(bias ? sizes[l + 1] : 0);
            for (auto *words : {&w, &b})
                for (int16_t &word : *words)
                    word = static_cast<int16_t>(value(random));
            weights.push_back(std::move(w));
            biases.push_back(std::move(b));
        }
        for (size_t l = 0; l + 1 < sizes.size(); l++)
            layers.push_back(
                {.inputs = sizes[l],
                 .outputs = sizes[l + 1],
                 .weights = weights[l],
                 .bias = biases[l],
                 .activation = l + 2 < sizes.size() ? Activation::Relu : Activation::None});
    }
};

// A lowered network as text and back, run for some items; all outputs against the reference.
void check_network(const std::vector<uint32_t> &sizes, uint32_t seed, bool bias, int amplitude,
                   const arch::Arch &arch, uint64_t items)
{
    const Net net(sizes, seed, bias, amplitude);
    std::string why;
    const auto program = isa::lower_dense(arch, net.layers, "net", &why);
    ASSERT_TRUE(program) << why;
    Tiles tiles(isa::disassemble(*program, true), arch);
    std::mt19937 random(seed + 1);
    std::uniform_int_distribution<int> value(-amplitude, amplitude);
    Words x(items * sizes.front()), expected;
    for (int16_t &word : x)
        word = static_cast<int16_t>(value(random));
    for (uint64_t item = 0; item < items; item++) {
        Words v(x.begin() + static_cast<ptrdiff_t>(item * sizes.front()),
                x.begin() + static_cast<ptrdiff_t>((item + 1) * sizes.front()));
        uint32_t unit = 0, cores = 0;
        const auto units_of = [&](const Dense &layer) {
            return (layer.inputs + arch.rows - 1) / arch.rows *
                   ((layer.outputs + arch.cols - 1) / arch.cols);
        };
        for (const Dense &layer : net.layers)
            cores += (units_of(layer) + arch.mvm_units - 1) / arch.mvm_units;
        const bool apart = cores <= arch.tiles * arch.cores;
        for (const Dense &layer : net.layers) {
            v = reference(layer, v, arch.rows, arch.mvm_units, apart ? 0 : unit % arch.mvm_units);
            unit += units_of(layer);
        }
        expected.insert(expected.end(), v.begin(), v.end());
    }
    const uint64_t from = tiles.memory.store(x),
                   to = tiles.memory.allocate(items * sizes.back() * 2);
    std::vector<Arg> args;
    for (const isa::Port &port : program->kernels[0].ports) {
        const uint64_t at = std::stoul(port.name.substr(1)) * arch.cols * 2;
        if (port.kind == isa::PortKind::Input)
            args.push_back({from + at, sizes.front()});
        else
            args.push_back({to + at, sizes.back()});
    }
    ASSERT_EQ(tiles.run(args, items), ACC_STATUS_OK) << tiles.dispatch.text;
    EXPECT_EQ(tiles.memory.load<int16_t>(to, items * sizes.back()), expected);
}

// Layers of int8 with a requantisation each, on tiles and in plain loops.
void check_integers(const std::vector<uint32_t> &sizes, uint32_t seed, const arch::Arch &arch,
                    uint64_t items)
{
    struct Layer {
        Words weights;
        std::vector<int32_t> bias, multiplier, shift;
        int32_t zero_point = 0, min = -128;
    };
    std::mt19937 random(seed);
    const auto between = [&](int32_t least, int32_t most) {
        return std::uniform_int_distribution<int32_t>(least, most)(random);
    };
    std::vector<Layer> layers;
    for (size_t l = 0; l + 1 < sizes.size(); l++) {
        Layer &layer = layers.emplace_back();
        for (uint32_t k = 0; k < sizes[l] * sizes[l + 1]; k++)
            layer.weights.push_back(static_cast<int16_t>(between(-128, 127)));
        layer.zero_point = between(-128, 127);
        if (l % 2) layer.min = layer.zero_point; // a Relu
        for (uint32_t n = 0; n < sizes[l + 1]; n++) {
            layer.bias.push_back(between(-(1 << 20), 1 << 20));
            layer.multiplier.push_back(between(1 << 30, INT32_MAX));
            layer.shift.push_back(between(38, 42)); // one that clips, one that does not
        }
    }
    std::vector<Dense> lowered;
    for (size_t l = 0; l < layers.size(); l++) {
        const isa::Requantize requantize = {.bias = layers[l].bias,
                                            .multiplier = layers[l].multiplier,
                                            .shift = layers[l].shift,
                                            .zero_point = layers[l].zero_point,
                                            .min = layers[l].min,
                                            .max = 127};
        lowered.push_back({.inputs = sizes[l],
                           .outputs = sizes[l + 1],
                           .weights = layers[l].weights,
                           .bias = {},
                           .activation = Activation::None,
                           .requantize = requantize});
    }
    std::string why;
    const auto program =
        isa::lower_dense(arch, lowered, "net", &why, {.input_bytes = true, .output_bytes = true});
    ASSERT_TRUE(program) << why;
    Tiles tiles(isa::disassemble(*program, true), arch);
    std::vector<int8_t> x(items * sizes.front()), expected;
    for (int8_t &value : x)
        value = static_cast<int8_t>(between(-128, 127));
    for (uint64_t item = 0; item < items; item++) {
        std::vector<int32_t> v(x.begin() + static_cast<ptrdiff_t>(item * sizes.front()),
                               x.begin() + static_cast<ptrdiff_t>((item + 1) * sizes.front()));
        for (const Layer &layer : layers) {
            const size_t outputs = layer.bias.size();
            std::vector<int32_t> y;
            for (size_t n = 0; n < outputs; n++) {
                int64_t sum = layer.bias[n];
                for (size_t k = 0; k < v.size(); k++)
                    sum += int64_t{v[k]} * layer.weights[k * outputs + n];
                const int64_t half = int64_t{1} << (layer.shift[n] - 1);
                const int64_t q =
                    layer.zero_point + ((sum * layer.multiplier[n] + half) >> layer.shift[n]);
                y.push_back(static_cast<int32_t>(std::clamp<int64_t>(q, layer.min, 127)));
            }
            v = std::move(y);
        }
        expected.insert(expected.end(), v.begin(), v.end());
    }
    const uint64_t from = tiles.memory.store(x), to = tiles.memory.allocate(items * sizes.back());
    std::vector<Arg> args;
    for (const isa::Port &port : program->kernels[0].ports) {
        const uint64_t at = std::stoul(port.name.substr(1)) * arch.cols;
        args.push_back(port.input() ? Arg{from + at, sizes.front()} : Arg{to + at, sizes.back()});
    }
    ASSERT_EQ(tiles.run(args, items), ACC_STATUS_OK) << tiles.dispatch.text;
    EXPECT_EQ(tiles.memory.load<int8_t>(to, items * sizes.back()), expected);
}

TEST(Dense, IntegersAreRequantisedToTheBit)
{
    arch::Arch arch = tiny();
    arch.tiles = 16;
    arch.registers = 256;
    arch.shared_words = 4096;
    for (uint32_t seed = 1; seed <= 3; seed++) {
        check_integers({16, 16}, seed, arch, 1);
        check_integers({5, 3, 7, 2}, seed, arch, 4);
        check_integers({50, 40, 16, 3, 16, 70}, seed, arch, 5);
        check_integers({200, 20, 33}, seed, arch, 3);
    }
    arch.registers = 6 * 16; // requantises six outputs at a time
    check_integers({40, 30, 9}, 4, arch, 2);
}

TEST(Dense, RefusesIntegersWithoutRoom)
{
    const Words weights(16 * 16);
    const std::vector<int32_t> one(16, 1), few(3, 1);
    isa::Requantize requantize = {.bias = one, .multiplier = one, .shift = one};
    Dense layer = {.inputs = 16,
                   .outputs = 16,
                   .weights = weights,
                   .bias = {},
                   .activation = Activation::None,
                   .requantize = requantize};
    arch::Arch arch = tiny();
    const auto refusal = [&] {
        std::string why;
        const auto program = isa::lower_dense(arch, {&layer, 1}, "net", &why);
        EXPECT_FALSE(program);
        if (!program) {
            EXPECT_EQ(program.error(), -EINVAL);
        }
        return why;
    };
    EXPECT_EQ(refusal(), "layer 0: expected at least 96 registers, for sums of 32 bits of each "
                         "unit and of another core; found 64");
    arch.registers = 96;
    layer.requantize->shift = few;
    EXPECT_EQ(refusal(), "layer 0: expected a bias, multiplier and shift for each of 16 outputs; "
                         "found 3");
    layer.requantize = requantize;
    layer.activation = Activation::Relu;
    EXPECT_EQ(refusal(),
              "layer 0: expected a requantisation or a bias and an activation; found both");
    layer.activation = Activation::None;
    layer.requantize->zero_point = 32767;
    EXPECT_EQ(refusal(), "layer 0: expected limits of 16 bits about the zero point; found -32768 "
                         "to 32767 about 32767");
}

TEST(Dense, NetworksComputeWhatThePlainLoopDoes)
{
    arch::Arch arch = tiny();
    arch.tiles = 16;
    arch.fifos = 16;
    check_network({16, 16}, 1, false, 3000, arch, 1);       // one unit
    check_network({40, 16}, 2, true, 2000, arch, 2);        // three units, two cores
    check_network({100, 24}, 3, true, 1500, arch, 1);       // a column over two tiles
    check_network({33, 50, 20, 5}, 4, true, 2500, arch, 7); // many readers, items ahead of others
    check_network({48, 48, 48, 48}, 5, false, 30000, arch, 2); // words saturate
    arch.mvm_units = 1;
    check_network({70, 40, 7}, 6, true, 2500, arch, 2);
    arch.cores = 1;
    check_network({40, 30, 7}, 7, true, 2500, arch, 4); // all sums cross tiles
    arch.mvm_units = 2;
    arch.tiles = 3; // too few for layers of their own
    check_network({40, 16, 16, 16}, 8, true, 2000, arch, 5);
}

TEST(Dense, RefusesWhatDoesNotFit)
{
    const auto refusal = [](const std::vector<Dense> &layers, const arch::Arch &arch) {
        std::string why;
        EXPECT_EQ(isa::lower_dense(arch, layers, "net", &why).error(), -EINVAL);
        return why;
    };
    const Dense a = {.inputs = 16, .outputs = 32, .weights = {}, .bias = {}};
    EXPECT_EQ(refusal({}, tiny()), "expected at least 1 layer; found 0");
    EXPECT_EQ(refusal({a, a}, tiny()),
              "layer 1: expected 32 inputs, the outputs before it; found 16");
    arch::Arch wide = tiny();
    wide.rows = 32;
    EXPECT_EQ(refusal({a}, wide), "expected an arch with as many rows as cols; found 32 and 16");
    const Dense large = {.inputs = 16, .outputs = 4096, .weights = {}, .bias = {}};
    EXPECT_EQ(refusal({large, {.inputs = 4096, .outputs = 16, .weights = {}, .bias = {}}}, tiny()),
              "expected at most 256 words of shared memory in tile 64; found 2112");
}

TEST(Dense, MlpL4HasItsPublishedSize)
{
    std::string why;
    const arch::Arch puma = *arch::load("puma", why);
    const uint32_t sizes[] = {1024, 2048, 1024, 1024, 128};
    std::vector<Dense> layers;
    for (size_t l = 0; l < 4; l++)
        layers.push_back({.inputs = sizes[l], .outputs = sizes[l + 1], .weights = {}, .bias = {}});
    const auto program = isa::lower_dense(puma, layers, "mlp_l4", &why);
    ASSERT_TRUE(program) << why;
    EXPECT_EQ(program->matrices.size(), 328u);
    EXPECT_EQ(program->tiles, 21u);
}

} // namespace
} // namespace acc::emu::test
