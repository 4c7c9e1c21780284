// SPDX-License-Identifier: MIT
//
// Tiles at work: results, stalls to the cycle, deadlocks and faults by name.
#include "tiles.h"

#include <algorithm>
#include <cstring>
#include <functional>
#include <random>

namespace acc::emu::test
{
namespace
{

using crossbar::Machine;
using crossbar::MachineOptions;

const std::string kOut = ".kernel k\n.output y, 0, 0, 4\n.core 0, 0\n";
const std::string kEnd = "store [0], g0, 4\nhlt\n";

std::vector<int16_t> compute(const std::string &code, const arch::Arch &arch = tiny())
{
    return Tiles(kOut + code + kEnd, arch).output(4);
}

using Words = std::vector<int16_t>;

TEST(Machine, VectorInstructionsComputeWhatTheReferenceSays)
{
    // Q4.12: 1.0 is 4096.
    const std::string four = "set g8, 4096\nset g9, -2048\nset g10, 30000\nset g11, 1\n"
                             "set g12, 2048\nset g13, 3\nset g14, 30000\nset g15, -1\n";
    EXPECT_EQ(compute(four + "add g0, g8, g12, 4\n"), (Words{6144, -2045, 32767, 0}));
    EXPECT_EQ(compute(four + "sub g0, g9, g14, 1\n"), (Words{-32048, 0, 0, 0}));
    EXPECT_EQ(compute(four + "mul g0, g8, g12, 4\n"), (Words{2048, -2, 32767, 0}))
        << "-2048 * 3 / 4096 = -1.5 goes away from 0";
    EXPECT_EQ(compute(four + "div g0, g8, g12, 4\n"), (Words{8192, -32768, 4096, -4096}));
    EXPECT_EQ(compute(four + "min g0, g8, g12, 4\n"), (Words{2048, -2048, 30000, -1}));
    EXPECT_EQ(compute(four + "max g0, g8, g12, 4\n"), (Words{4096, 3, 30000, 1}));
    EXPECT_EQ(compute(four + "relu g0, g8, 4\n"), (Words{4096, 0, 30000, 1}));
    EXPECT_EQ(compute(four + "relud g0, g8, g12, 4\n"), (Words{2048, 0, 30000, -1}));
    EXPECT_EQ(compute(four + "lt g0, g8, g12, 4\n"), (Words{0, 4096, 0, 0}));
    EXPECT_EQ(compute(four + "leq g0, g8, g12, 4\n"), (Words{0, 4096, 4096, 0}));
    EXPECT_EQ(compute(four + "eq g0, g8, g12, 4\n"), (Words{0, 0, 4096, 0}));
    EXPECT_EQ(compute(four + "neq g0, g8, g12, 4\n"), (Words{4096, 4096, 0, 4096}));
    EXPECT_EQ(compute(four + "gt g0, g8, g12, 4\n"), (Words{4096, 0, 0, 4096}));
    EXPECT_EQ(compute(four + "geq g0, g8, g12, 4\n"), (Words{4096, 0, 4096, 4096}));
    EXPECT_EQ(compute(four + "and g0, g8, g12, 4\n"), (Words{0, 0, 30000, 1}));
    EXPECT_EQ(compute(four + "or g0, g8, g12, 4\n"), (Words{6144, -2045, 30000, -1}));
    EXPECT_EQ(compute(four + "not g0, g8, 4\n"), (Words{-4097, 2047, -30001, -2}));
    EXPECT_EQ(compute(four + "addi g0, g8, -1, 4\n"), (Words{4095, -2049, 29999, 0}));
    EXPECT_EQ(compute(four + "muli g0, g8, 2048, 4\n"), (Words{2048, -1024, 15000, 1}));
    EXPECT_EQ(compute(four + "slli g0, g8, 1, 4\n"), (Words{8192, -4096, 32767, 2}));
    EXPECT_EQ(compute(four + "srai g0, g8, 1, 4\n"), (Words{2048, -1024, 15000, 0}));
    EXPECT_EQ(compute(four + "srli g0, g9, 15, 1\n"), (Words{1, 0, 0, 0}));
    EXPECT_EQ(compute(four + "sigmoid g0, g8, 4\n"), (Words{2994, 1546, 4093, 2048}));
    EXPECT_EQ(compute(four + "tanh g0, g8, 4\n"), (Words{3119, -1893, 4096, 1}));
    EXPECT_EQ(compute(four + "exp g0, g8, 4\n"), (Words{11134, 2484, 32767, 4097}));
    EXPECT_EQ(compute(four + "log g0, g8, 4\n"), (Words{0, -32768, 8156, -32768}));
    EXPECT_EQ(compute(four + "mse g0, g8, g12, 2\n"), (Words{1026, 0, 0, 0}));
    EXPECT_EQ(compute("set g8, 4096, 4\nlog_softmax g0, g8, 4\n"), Words(4, -5678)); // -ln 4
    EXPECT_EQ(compute("set g8, -5678, 4\nset g12, 0, 3\nset g15, 4096\n"
                      "log_softmaxd g0, g8, g12, 4\n"),
              (Words{-1024, -1024, -1024, 3072}));
    EXPECT_EQ(compute(four + "iadd g0, g10, g14\nisub g1, g9, g14\nimul g2, g13, g10\n"
                             "idiv g3, g10, g13\n"),
              (Words{-5536, -32048, 24464, 10000}))
        << "integers wrap";
    EXPECT_EQ(compute(four + "irem g0, g10, g8\niaddi g1, g8, -1\nimuli g2, g8, 3\n"),
              (Words{30000 % 4096, 4095, 12288, 0}));
    // Half of a word that is 0.5 is 1.0.
    arch::Arch arch = tiny();
    arch.seed = 7;
    const std::string draws = "set g8, 2048, 8\nrndcmp g0, g8, 8\n";
    const Words a = compute(draws, arch), b = compute(draws, arch);
    EXPECT_EQ(a, b);
    EXPECT_TRUE(std::all_of(a.begin(), a.end(), [](int16_t w) { return w == 0 || w == 4096; }));
}

TEST(Machine, SumsOf32BitsAreRequantisedAsTheReferenceSays)
{
    // 70,000 = 1 · 65,536 + 4,464 and −3; their sum, and what overflows wraps.
    const std::string two = "set g8, 4464\nset g9, 1\nset g10, -3\nset g11, -1\n";
    EXPECT_EQ(compute(two + "addw g0, g8, g10\n"), (Words{4461, 1, 0, 0}));
    EXPECT_EQ(compute("set g8, -1\nset g9, 32767\nset g10, 1\naddw g0, g8, g10\n"),
              (Words{0, -32768, 0, 0}));
    struct Case {
        int32_t sum, bias, multiplier, shift;
    };
    std::vector<Case> cases = {
        {5, 0, 1, 1},  // 2.5 goes up
        {-5, 0, 1, 1}, // -2.5 too
        {1 << 30, -7, 1 << 30, 46},
        {INT32_MAX, INT32_MAX, INT32_MAX, 62}, // 33 bits
        {INT32_MIN, INT32_MIN, INT32_MAX, 62},
        {INT32_MAX, 0, 1, 1}, // more than a word: the largest
        {INT32_MIN, 0, 1, 1},
    };
    std::mt19937 random(5);
    for (int k = 0; k < 200; k++)
        cases.push_back({static_cast<int32_t>(random()), static_cast<int32_t>(random()) >> 4,
                         static_cast<int32_t>(random() >> 1),
                         static_cast<int32_t>(40 + random() % 23)});
    const auto low = [](int32_t v) { return std::to_string(static_cast<int16_t>(v)); };
    const auto high = [](int32_t v) { return std::to_string(v >> 16); };
    for (const Case &c : cases) {
        std::string code;
        for (const std::string &line :
             {"8, " + low(c.sum), "9, " + high(c.sum), "10, " + low(c.bias), "11, " + high(c.bias),
              "12, " + low(c.multiplier), "13, " + high(c.multiplier),
              "14, " + std::to_string(c.shift)})
            code += "set g" + line + "\n";
        const auto exact = (static_cast<__int128>(int64_t{c.sum} + c.bias) * c.multiplier +
                            (static_cast<__int128>(1) << (c.shift - 1))) >>
                           c.shift;
        const auto wanted = static_cast<int16_t>(std::clamp<__int128>(exact, INT16_MIN, INT16_MAX));
        arch::Arch wrap = tiny(); // what it saturates does not depend on the arch
        wrap.overflow = arch::Overflow::Wrap;
        EXPECT_EQ(compute(code + "requant g0, g8, g10\n", wrap)[0], wanted)
            << c.sum << " " << c.bias << " " << c.multiplier << " " << c.shift;
    }
    const auto fault = [](const std::string &code) {
        Tiles tiles(".kernel k\n.core 0, 0\n" + code + "requant g0, g8, g10\nhlt\n");
        EXPECT_EQ(tiles.run(), ACC_STATUS_ENGINE_ERROR);
        return tiles.dispatch.text;
    };
    EXPECT_NE(fault("set g13, -1\nset g14, 1\n").find("expected a multiplier of at least 0"),
              std::string::npos);
    EXPECT_NE(fault("set g14, 63\n").find("expected a shift of 1 to 62"), std::string::npos);
}

TEST(Machine, TwoScalesAreJoinedAsTheReferenceSays)
{
    std::mt19937 random(6);
    const auto low = [](int64_t v) { return std::to_string(static_cast<int16_t>(v)); };
    for (int k = 0; k < 200; k++) {
        const auto word = [&] { return static_cast<int16_t>(random()); };
        const int16_t d = word(), a = word(), d_zero = word(), a_zero = word();
        const auto d_factor = static_cast<int32_t>(random()),
                   a_factor = static_cast<int32_t>(random());
        const auto shift = static_cast<int32_t>(1 + random() % 62);
        std::string code = "set g0, " + low(d) + "\nset g8, " + low(a) + "\n";
        int at = 10;
        for (const int64_t v :
             {int64_t{d_factor}, int64_t{d_factor} >> 16, int64_t{a_factor},
              int64_t{a_factor} >> 16, int64_t{d_zero}, int64_t{a_zero}, int64_t{shift}})
            code += "set g" + std::to_string(at++) + ", " + low(v) + "\n";
        const auto exact = (static_cast<__int128>(d - d_zero) * d_factor +
                            static_cast<__int128>(a - a_zero) * a_factor +
                            (static_cast<__int128>(1) << (shift - 1))) >>
                           shift;
        const auto wanted = static_cast<int16_t>(std::clamp<__int128>(exact, INT16_MIN, INT16_MAX));
        arch::Arch wrap = tiny();
        wrap.overflow = arch::Overflow::Wrap;
        EXPECT_EQ(compute(code + "join g0, g8, g10\n", wrap)[0], wanted) << k;
    }
    Tiles tiles(".kernel k\n.core 0, 0\njoin g0, g8, g10\nhlt\n");
    EXPECT_EQ(tiles.run(), ACC_STATUS_ENGINE_ERROR);
    EXPECT_NE(tiles.dispatch.text.find("expected a shift of 1 to 62"), std::string::npos);
    // Words become pairs, also over themselves.
    EXPECT_EQ(compute("set g0, -3\nset g1, 7\nwiden g0, g0, 2\n"), (Words{-3, -1, 7, 0}));
    EXPECT_EQ(compute("set g2, -3\nset g3, 7\nwiden g0, g2, 2\n"), (Words{-3, -1, 7, 0}));
}

TEST(Machine, PeeksLeaveReadsToADrop)
{
    // Two items go through the same two words, each peeked at by address and by register.
    const std::string head = ".kernel k\n.input x, 0, 0, 2\n.output y, 0, 16, 4\n.core 0, 0\n"
                             "set g8, 1\npeek g0, [0], 2\npeekr g2, [g8 + 0]\nset g8, 0\n"
                             "peekr g3, [g8 + 0]\n";
    const std::vector<int16_t> x = {1, 2, 3, 4};
    Tiles tiles(head + "drop [0]\ndropr [g8 + 1]\nstore [16], g0, 4\nhlt\n");
    const uint64_t from = tiles.memory.store(x), to = tiles.memory.allocate(16);
    ASSERT_EQ(tiles.run({{from, 2}, {to, 4}}, 2), ACC_STATUS_OK) << tiles.dispatch.text;
    EXPECT_EQ(tiles.memory.load<int16_t>(to, 8), (Words{1, 2, 2, 1, 3, 4, 4, 3}));
    // Whoever drops nothing leaves no room for the next item.
    Tiles stuck(head + "drop [0]\nstore [16], g0, 4\nhlt\n");
    const uint64_t in = stuck.memory.store(x), out = stuck.memory.allocate(16);
    EXPECT_EQ(stuck.run({{in, 2}, {out, 4}}, 2), ACC_STATUS_ENGINE_ERROR);
    EXPECT_NE(stuck.dispatch.text.find("port x waits for word 1 to be read"), std::string::npos)
        << stuck.dispatch.text;
    // A drop waits for words to be there, and an address in a register is looked at.
    Tiles early(".kernel k\n.core 0, 0\ndrop [5]\nhlt\n");
    EXPECT_EQ(early.run(), ACC_STATUS_ENGINE_ERROR);
    EXPECT_NE(early.dispatch.text.find("waits for word 5 to be written"), std::string::npos);
    for (const char *code : {"peekr g1, [g0 + 0]", "dropr [g0 + 0]"}) {
        Tiles outside(std::string(".kernel k\n.core 0, 0\nset g0, 30000\n") + code + "\nhlt\n");
        EXPECT_EQ(outside.run(), ACC_STATUS_ENGINE_ERROR);
        EXPECT_NE(outside.dispatch.text.find("expected words below 256, found 30000"),
                  std::string::npos);
    }
}

TEST(Machine, ProductsKeep32BitsAndPortsTakeBytes)
{
    // Two units of a core, the second one narrower than the arrays; int8 in, int8 out.
    Tiles tiles(".matrix 0, 0, 0, 2, 2\n30000, -1\n30000, 2\n.matrix 0, 0, 1, 2, 1\n-3\n5\n"
                ".kernel k\n.input_i8 x, 0, 0, 2\n.output y, 0, 16, 6\n.output_i8 z, 0, 32, 2\n"
                ".core 0, 0\nload in0, [0], 2\ncopy in1, in0, 2\nmvmw g0, 3\n"
                "store [16], g0, 4\nstore [20], g32, 2\nstore [32], g4, 2\nhlt\n");
    const std::vector<int8_t> x = {100, -7, 127, 127, -128, -128};
    const uint64_t from = tiles.memory.store(x), y = tiles.memory.allocate(3 * 12),
                   z = tiles.memory.allocate(6);
    ASSERT_EQ(tiles.run({{from, 2}, {y, 6}, {z, 2}}, 3), ACC_STATUS_OK) << tiles.dispatch.text;
    EXPECT_EQ(tiles.memory.load<int32_t>(y, 9),
              (std::vector<int32_t>{93 * 30000, -114, -335, 254 * 30000, 127, 254, -256 * 30000,
                                    -128, -256}));
    EXPECT_EQ(tiles.memory.load<int8_t>(z, 6), std::vector<int8_t>(6));
    // An odd address is a byte's, a stride counts elements.
    EXPECT_EQ(tiles.run({{from + 1, 2}, {y, 6}, {z, 2}}, 1), ACC_STATUS_OK);
    EXPECT_EQ(tiles.run({{from, 1}, {y, 6}, {z, 2}}, 1), ACC_STATUS_INVALID_KERNARG);
    EXPECT_EQ(tiles.run({{from, 2}, {y + 1, 6}, {z, 2}}, 1), ACC_STATUS_INVALID_KERNARG);
    EXPECT_EQ(tiles.dispatch.text,
              "port y: expected an address aligned to 2 bytes; found " + std::to_string(y + 1));
}

TEST(Machine, BytesOutAreTheNearest)
{
    Tiles tiles(".kernel k\n.output_i8 y, 0, 0, 3\n.core 0, 0\nset g0, 300\nset g1, -300\n"
                "set g2, -5\nstore [0], g0, 3\nhlt\n");
    const uint64_t to = tiles.memory.allocate(3);
    ASSERT_EQ(tiles.run({{to, 3}}), ACC_STATUS_OK) << tiles.dispatch.text;
    EXPECT_EQ(tiles.memory.load<int8_t>(to, 3), (std::vector<int8_t>{127, -128, -5}));
}

TEST(Machine, RoundsAndOverflowsAsTheArchSays)
{
    // -1.5, 1.5, 2.5 and something too large.
    const std::string code = "set g8, -3\nset g9, 3\nset g10, 5\nset g11, 32767\nset g12, 2048, 3\n"
                             "set g15, 16384\nmul g0, g8, g12, 4\n";
    arch::Arch arch = tiny();
    EXPECT_EQ(compute(code, arch), (Words{-2, 2, 3, 32767}));
    arch.rounding = arch::Rounding::HalfEven;
    EXPECT_EQ(compute(code, arch), (Words{-2, 2, 2, 32767}));
    arch.rounding = arch::Rounding::Trunc;
    EXPECT_EQ(compute(code, arch), (Words{-1, 1, 2, 32767}));
    arch.overflow = arch::Overflow::Wrap;
    EXPECT_EQ(compute(code, arch), (Words{-1, 1, 2, static_cast<int16_t>(131068)}));
}

TEST(Machine, MultipliesWithMaskFilterAndStride)
{
    const std::string matrices = ".matrix 0, 0, 0, 3, 2\n4096, 8192\n0, 4096\n-4096, 0\n"
                                 ".matrix 0, 0, 1, 1, 1\n2048\n";
    const std::string inputs = "set in0, 4096\nset r1, 8192\nset r2, 2048\nset in1, 100\n";
    const std::string out = "copy g0, out0, 2\ncopy g2, out1, 1\n";
    const auto run = [&](const std::string &mvm) {
        return Tiles(matrices + kOut + inputs + mvm + out + kEnd).output(4);
    };
    EXPECT_EQ(run("mvm 3\n"), (Words{2048, 16384, 50, 0}));
    EXPECT_EQ(run("mvm 1\n"), (Words{2048, 16384, 0, 0}));
    EXPECT_EQ(run("mvm 2\n"), (Words{0, 0, 50, 0}));
    // Rows 0, 1, 2 are fed from registers 1, 2, 0.
    EXPECT_EQ(run("mvm 1, 3, 1\n"), (Words{8192 - 4096, 16384 + 2048, 0, 0}));
}

TEST(Machine, LoopsBranchesAndIndirectAccesses)
{
    // Sums the words 10 … 13 by a loop over addresses, and writes 4 results through a register.
    const std::string code = ".data 0, 10\n1, 2, 3, 4\n.core 0, 0\n"
                             "set g8, 10\nset g9, 14\n"
                             "more: loadr g10, [g8 + 0], 1\niadd g0, g0, g10\niaddi g8, g8, 1\n"
                             "blt g8, g9, more\n"
                             "storer [g7 + 0], g0, 4, 1\nhlt\n";
    EXPECT_EQ(Tiles(".kernel k\n.output y, 0, 0, 4\n" + code).output(4), (Words{10, 0, 0, 0}));
    // A load that overwrites the register its address comes from, in two accesses.
    const std::string over = ".data 0, 20\n" +
                             [] {
                                 std::string words;
                                 for (int k = 0; k < 32; k++)
                                     words += std::to_string(100 + k) + " ";
                                 return words;
                             }() +
                             "\n.core 0, 0\nset g0, 20\nloadr g0, [g0 + 0], 32\ncopy g0, g28, 4\n" +
                             kEnd;
    EXPECT_EQ(Tiles(".kernel k\n.output y, 0, 0, 4\n" + over).output(4),
              (Words{128, 129, 130, 131}));
}

// --- Time

uint64_t cycles(const std::string &text, const std::vector<Arg> &args = {},
                const arch::Arch &arch = tiny())
{
    Tiles tiles(text, arch);
    EXPECT_EQ(tiles.run(args), ACC_STATUS_OK) << tiles.dispatch.text;
    return tiles.dispatch.modelled_ns;
}

TEST(Machine, SingleInstructionsTakeWhatTheLawsSay)
{
    std::string why;
    const arch::Arch puma = *arch::load("puma", why);
    const std::string head = ".kernel k\n.core 0, 0\n";
    const auto of = [&](const std::string &code, const std::string &before = "") {
        return cycles(before + head + code + "hlt\n", {}, puma) - 1; // less hlt's cycle
    };
    EXPECT_EQ(of("nop\n"), 1u);
    EXPECT_EQ(of("add g0, g128, g256, 128\n"), 128u);
    EXPECT_EQ(of("sigmoid g0, g128, 128\n"), 384u);
    EXPECT_EQ(of("copy g0, g128, 128\n"), 128u);
    EXPECT_EQ(of("set g0, 1, 128\n"), 128u);
    EXPECT_EQ(of("iadd g0, g1, g2\n"), 1u);
    EXPECT_EQ(of("store [0], g0, 128, 1\n"), 24u);
    EXPECT_EQ(of("store [0], g0, 1, 1\n"), 3u);
    EXPECT_EQ(of("store [0], g0, 17, 1\n"), 6u);
    EXPECT_EQ(of("store [0], g0, 128, 1\nload g0, [0], 128\n"), 48u);
    const std::string matrix = ".matrix 0, 0, 0, 128, 128\n";
    EXPECT_EQ(of("mvm 1\n", matrix), 2304u);
    EXPECT_EQ(of("mvm 3\n", matrix + ".matrix 0, 0, 1, 128, 128\n"), 2304u) << "side by side";
    // A message of 128 words is there 158 cycles after it began, and in memory 24 later.
    const std::string send = ".tiles 2\n.kernel k\n.data 0, 0\n" + [] {
        std::string words;
        for (int k = 0; k < 128; k++)
            words += "1 ";
        return words;
    }() + "\n.control 0\nsend [0], 128, 1, 0\nhlt\n";
    EXPECT_EQ(cycles(send, {}, puma) - 1, 158u);
    EXPECT_EQ(cycles(send + ".control 1\nrecv [0], 128, 0, 1\nhlt\n", {}, puma) - 1, 158u + 24);
}

TEST(Machine, EnergyIsTheSumOfItsParts)
{
    std::string why;
    arch::Arch puma = *arch::load("puma", why);
    puma.sign = arch::Sign::Offset;
    puma.adc_bits = 8;
    Tiles one(".matrix 0, 0, 0, 128, 128\n.kernel k\n.core 0, 0\nmvm 1\nhlt\n", puma);
    const uint64_t stats = one.memory.allocate(sizeof(acc_xisa_tile_stats));
    ASSERT_EQ(one.run({}, 1, 0, stats), ACC_STATUS_OK) << one.dispatch.text;
    // PUMA's 43.98 nJ, and a cycle of the core for hlt.
    EXPECT_NEAR(static_cast<double>(one.dispatch.energy_pj), 43983 + 4.22, 1);
    const auto bytes = one.memory.load<std::byte>(stats, sizeof(acc_xisa_tile_stats));
    acc_xisa_tile_stats out;
    std::memcpy(&out, bytes.data(), sizeof(out));
    EXPECT_EQ(out.instructions, 2u);
    EXPECT_EQ(out.mvms, 1u);
    EXPECT_EQ(out.mvm_cycles, 2304u);
    EXPECT_EQ(out.vector_cycles, 1u);
    EXPECT_NEAR(static_cast<double>(out.adc_pj), 2304 * 2 * 8, 1); // 8 ADCs of 2 mW
    EXPECT_NEAR(static_cast<double>(out.adc_pj + out.cells_pj + out.periphery_pj + out.core_pj +
                                    out.memory_pj + out.network_pj + out.static_pj),
                static_cast<double>(one.dispatch.energy_pj), 4);
}

TEST(Machine, UnitsOfFewerBitsTakeFewerRoundsAndArrays)
{
    std::string why;
    arch::Arch puma = *arch::load("puma", why);
    const std::string code = "\n.kernel k\n.core 0, 0\nmvm 1\nhlt\n";
    Tiles whole(".matrix 0, 0, 0, 128, 128" + code, puma);
    Tiles half(".matrix 0, 0, 0, 128, 128, 8, 8" + code, puma);
    ASSERT_EQ(whole.run(), ACC_STATUS_OK) << whole.dispatch.text;
    ASSERT_EQ(half.run(), ACC_STATUS_OK) << half.dispatch.text;
    // Eight rounds of sixteen, and two that each product needs; half of the slices.
    EXPECT_EQ(whole.dispatch.modelled_ns - half.dispatch.modelled_ns, 8u * 128);
    EXPECT_LT(half.dispatch.energy_pj, 0.3 * static_cast<double>(whole.dispatch.energy_pj));
}

TEST(Machine, AConsumerStallsUntilEveryWordIsValid)
{
    // The last of 20 words is written late: the second access of the load waits for it, to the
    // cycle. Were only the first word of an access tested, word 19 would be read too early.
    const std::string text = ".kernel k\n.output y, 0, 100, 20\n"
                             ".core 0, 0\nset g0, 7, 20\nstore [0], g0, 19, 1\nset g1, 1, 50\n"
                             "set g0, 9\nstore [19], g0, 1, 1\nhlt\n"
                             ".core 0, 1\nload g0, [0], 20\nstore [100], g0, 20, 1\nhlt\n";
    Tiles tiles(text);
    const uint64_t to = tiles.memory.allocate(40);
    ASSERT_EQ(tiles.run({{to, 20}}), ACC_STATUS_OK) << tiles.dispatch.text;
    Words expected(20, 7);
    expected[19] = 9;
    EXPECT_EQ(tiles.memory.load<int16_t>(to, 20), expected);
    // set 20, store 2 accesses, set 50, set 1, store 1 access: word 19 is valid at 80. Then
    // store 2 accesses, load of the port 2 accesses, the message of 20 words: 50.
    const uint64_t valid = 20 + 2 * 3 + 50 + 1 + 3;
    EXPECT_EQ(tiles.dispatch.modelled_ns, valid + 2 * 3 + 50);
}

TEST(Machine, AProducerStallsUntilItsWordsAreRead)
{
    // One word with two consumers; the second store waits for both of them.
    const std::string text = ".kernel k\n"
                             ".core 0, 0\nstore [5], g0, 1, 2\nstore [5], g0, 1, 1\nhlt\n"
                             ".core 0, 1\nload g0, [5], 1\nset g1, 0, 60\nload g0, [5], 1\n"
                             "load g0, [5], 1\nhlt\n";
    Tiles tiles(text);
    ASSERT_EQ(tiles.run(), ACC_STATUS_OK) << tiles.dispatch.text;
    // Read at 3 (written at 3), and at 3 + 60 + 3; the second store then happens at once (it
    // began long ago), and the third load reads 3 cycles after its own beginning.
    EXPECT_EQ(tiles.dispatch.modelled_ns, 66u + 3 + 1);
    EXPECT_EQ(tiles.machine().tiles()[0].stall_free, 66u - 6);
    EXPECT_EQ(tiles.machine().tiles()[0].stall_valid, 0u);
}

TEST(Machine, FifosHoldTheirDepthAndSendersWait)
{
    // Three messages of one word into a FIFO of two, read late: the third waits for a place.
    const std::string text = ".kernel k\n.data 0, 0, 255\n1 2 3\n"
                             ".control 0\nsend [0], 1, 1, 3\nsend [1], 1, 1, 3\nsend [2], 1, 1, 3\n"
                             "hlt\n"
                             ".control 1\n" +
                             [] {
                                 std::string wait;
                                 for (int k = 0; k < 100; k++)
                                     wait += "nop\n";
                                 return wait;
                             }() +
                             "recv [0], 1, 3, 1\nrecv [1], 1, 3, 1\nrecv [2], 1, 3, 1\nhlt\n"
                             ".output y, 1, 0, 3\n";
    Tiles tiles(text);
    const uint64_t to = tiles.memory.allocate(6);
    ASSERT_EQ(tiles.run({{to, 3}}), ACC_STATUS_OK) << tiles.dispatch.text;
    EXPECT_EQ(tiles.memory.load<int16_t>(to, 3), (Words{1, 2, 3}));
    // A place is free at 103; the third message is there 31 cycles later, in memory after 3, out
    // through the port after its access and 33 more.
    EXPECT_EQ(tiles.dispatch.modelled_ns, 103u + 31 + 3 + 33);
}

TEST(Machine, ItemsAreAPipelineOfTheirOwn)
{
    // Each stream runs its code once an item; words keep them apart.
    const std::string text = ".kernel k\n.input x, 0, 0, 4\n.output y, 1, 0, 4\n"
                             ".core 0, 0\nload g0, [0], 4\nadd g0, g0, g0, 4\n"
                             "store [16], g0, 4, 1\nhlt\n"
                             ".control 0\nsend [16], 4, 1, 0\nhlt\n"
                             ".control 1\nrecv [0], 4, 0, 1\nhlt\n";
    const auto run = [&](uint64_t items) {
        Tiles tiles(text);
        Words x(items * 8), expected;
        for (size_t k = 0; k < x.size(); k++)
            x[k] = static_cast<int16_t>(k);
        const uint64_t from = tiles.memory.store(x), to = tiles.memory.allocate(items * 10);
        EXPECT_EQ(tiles.run({{from, 8}, {to, 5}}, items), ACC_STATUS_OK) << tiles.dispatch.text;
        const Words y = tiles.memory.load<int16_t>(to, items * 5);
        for (size_t item = 0; item < items; item++)
            for (size_t k = 0; k < 4; k++)
                EXPECT_EQ(y[item * 5 + k], 2 * x[item * 8 + k]);
        EXPECT_EQ(y[4], static_cast<int16_t>(0xa5a5)) << "between items nothing is written";
        return tiles.dispatch.modelled_ns;
    };
    const uint64_t one = run(1), ten = run(10);
    EXPECT_LT(ten, 10 * one) << "items overlap";
    EXPECT_EQ(run(10), ten);
}

TEST(Machine, TimingAloneTakesTheSameTime)
{
    const std::string text = ".matrix 0, 0, 0, 16, 16\n.kernel k\n.input x, 0, 0, 16\n"
                             ".output y, 0, 32, 16\n.core 0, 0\nload in0, [0], 16\nmvm 1\n"
                             "sigmoid g0, out0, 16\nstore [32], g0, 16, 1\nhlt\n";
    Tiles whole(text), timing(text, tiny(), MachineOptions{.timing_only = true});
    const uint64_t from = whole.memory.store(Words(16, 1)), to = whole.memory.allocate(32);
    ASSERT_EQ(whole.run({{from, 16}, {to, 16}}), ACC_STATUS_OK);
    // Nothing is read or written: these addresses are nobody's.
    ASSERT_EQ(timing.run({{2, 16}, {4, 16}}), ACC_STATUS_OK) << timing.dispatch.text;
    EXPECT_EQ(timing.dispatch.modelled_ns, whole.dispatch.modelled_ns);
    EXPECT_EQ(timing.dispatch.energy_pj, whole.dispatch.energy_pj);
}

// --- What goes wrong, by name

std::string fault_of(const std::string &text, acc_status status = ACC_STATUS_ENGINE_ERROR)
{
    Tiles tiles(text);
    EXPECT_EQ(tiles.run(), status);
    return tiles.dispatch.text;
}

TEST(Machine, NamesWhoWaitsForWhatInADeadlock)
{
    EXPECT_EQ(fault_of(".kernel k\n.core 0, 0\nload g0, [7], 1\nstore [8], g0, 1, 1\nhlt\n"
                       ".core 0, 1\nload g0, [8], 1\nstore [7], g0, 1, 1\nhlt\n"),
              "deadlock: tile 0 core 0 at 0 waits for word 7 to be written; "
              "tile 0 core 1 at 0 waits for word 8 to be written");
    EXPECT_EQ(fault_of(".kernel k\n.core 1, 0\nstore [3], g0, 2, 1\nstore [4], g0, 1, 1\nhlt\n"),
              "deadlock: tile 1 core 0 at 1 waits for word 4 to be read");
    EXPECT_EQ(fault_of(".kernel k\n.control 0\nrecv [0], 4, 2, 1\nhlt\n"),
              "deadlock: tile 0 control at 0 waits for a message in FIFO 2");
    EXPECT_EQ(fault_of(".tiles 2\n.kernel k\n.data 0, 0, 255\n1\n.control 0\nsend [0], 1, 1, 0\n"
                       "send [0], 1, 1, 0\nsend [0], 1, 1, 0\nhlt\n"),
              "deadlock: tile 0 control at 2 waits for room in FIFO 0 of tile 1");
    Tiles port(".kernel k\n.output y, 0, 9, 1\n");
    EXPECT_EQ(port.run({{port.memory.allocate(2), 1}}), ACC_STATUS_ENGINE_ERROR);
    EXPECT_EQ(port.dispatch.text, "deadlock: port y waits for word 9 to be written");
}

TEST(Machine, FaultsByName)
{
    const std::string head = ".kernel k\n.core 0, 0\n";
    EXPECT_EQ(fault_of(head + "nop\ndiv g0, g1, g2, 1\nhlt\n"),
              "division by zero: tile 0 core 0 instruction 1, div r64, r65, r66, 1");
    EXPECT_EQ(fault_of(head + "idiv g0, g1, g2\nhlt\n"),
              "division by zero: tile 0 core 0 instruction 0, idiv r64, r65, r66");
    EXPECT_EQ(fault_of(head + "irem g0, g1, g2\nhlt\n"),
              "division by zero: tile 0 core 0 instruction 0, irem r64, r65, r66");
    EXPECT_EQ(fault_of(head + "again: jmp again\n"),
              "more than 100000 instructions in a pass: tile 0 core 0 instruction 0, "
              "jmp @0");
    EXPECT_EQ(fault_of(head + "set g0, -1\nloadr g1, [g0 + 0], 2\nhlt\n"),
              "expected words below 256, found 65536: tile 0 core 0 instruction 1, "
              "loadr r65, [r64 + 0], 2");
    EXPECT_EQ(fault_of(".kernel k\n.data 0, 0\n1 2\n.control 0\nsend [0], 2, 1, 0\nhlt\n"
                       ".control 1\nrecv [0], 3, 0, 1\nhlt\n"),
              "expected a message of 3 words, found one of 2: tile 1 control instruction 0, recv "
              "[0], 3, 0, 1");
    // After a fault the machine is as good as new.
    Tiles tiles(".kernel k\n.scalar n, 0, 0\n.core 0, 0\nload g0, [0], 1\nset g1, 12\n"
                "idiv g2, g1, g0\nhlt\n");
    EXPECT_EQ(tiles.run({{0, 0}}), ACC_STATUS_ENGINE_ERROR);
    EXPECT_EQ(tiles.run({{3, 0}}), ACC_STATUS_OK);
    // Told to stop.
    Tiles stopped(head + "again: jmp again\n");
    stopped.stop = true;
    EXPECT_EQ(stopped.run(), ACC_STATUS_TIMEOUT);
}

TEST(Machine, RefusesArguments)
{
    Tiles tiles(".kernel k\n.input x, 0, 0, 4\n.scalar n, 0, 9\n.output y, 0, 0, 4\n");
    const uint64_t at = tiles.memory.allocate(64);
    const auto refusal = [&](const std::vector<Arg> &args, uint64_t items = 1) {
        EXPECT_EQ(tiles.run(args, items), ACC_STATUS_INVALID_KERNARG);
        return tiles.dispatch.text;
    };
    EXPECT_EQ(refusal({{at, 4}, {1, 0}, {at, 4}}, 0), "expected at least 1 item; found 0");
    EXPECT_EQ(refusal({{at, 4}}), "expected 64 bytes of arguments; found 32");
    EXPECT_EQ(refusal({{0, 4}, {1, 0}, {at, 4}}),
              "port x: expected an address aligned to 2 bytes; found 0");
    EXPECT_EQ(refusal({{at + 1, 4}, {1, 0}, {at, 4}}),
              "port x: expected an address aligned to 2 bytes; found " + std::to_string(at + 1));
    EXPECT_EQ(refusal({{at, 3}, {1, 0}, {at, 4}}),
              "port x: expected a stride of at least 4 words; found 3");
    EXPECT_EQ(refusal({{at, 4}, {70000, 0}, {at, 4}}),
              "port n: expected a value from -32768 to 65535; found 70000");
    EXPECT_EQ(refusal({{at, 4}, {1, 1}, {at, 4}}), "port n: expected a stride of 0; found another");
    EXPECT_EQ(refusal({{at, 4}, {1, 0}, {at, 1ull << 62}}, 8),
              "port y: expected items inside 64-bit addresses; found 8 at a stride of "
              "4611686018427387904");
    // Memory that is not there.
    EXPECT_EQ(tiles.run({{2, 4}, {1, 0}, {at, 4}}), ACC_STATUS_INVALID_ADDRESS);
    EXPECT_EQ(tiles.run({{at, 4}, {1, 0}, {2, 4}}), ACC_STATUS_INVALID_ADDRESS);
    EXPECT_EQ(tiles.run({{at, 4}, {1, 0}, {at, 4}}), ACC_STATUS_OK) << tiles.dispatch.text;
}

} // namespace
} // namespace acc::emu::test
