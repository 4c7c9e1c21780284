// SPDX-License-Identifier: MIT
//
// Instructions as bits and as text, programs as images, and what is refused of each.
#include "program/isa/assembler.h"
#include "program/isa/program.h"
#include "program/program_file.h"
#include "tiles.h"

#include <random>

namespace acc::isa
{
namespace
{

using emu::test::tiny;

TEST(Isa, EveryInstructionSurvivesBitsAndText)
{
    std::mt19937 random(1);
    const auto below = [&](uint32_t n) { return random() % n; };
    for (const OpInfo &info : all_ops()) {
        EXPECT_EQ(find_op(info.name), &info);
        for (int k = 0; k < 50; k++) {
            Instruction i{.op = info.op};
            const bool r = info.format == Format::R;
            if (info.format != Format::None && info.format != Format::B) {
                i.n = static_cast<uint16_t>(1 + below(kMaxElements));
                i.d = static_cast<uint16_t>(below(kMaxRegister + 1));
            }
            if (r || info.format == Format::RI || info.format == Format::B)
                i.a = static_cast<uint16_t>(below(kMaxRegister + 1));
            if (r || info.format == Format::B) i.b = static_cast<uint16_t>(below(kMaxRegister + 1));
            if (info.format == Format::RI)
                i.imm = static_cast<uint32_t>(int32_t(below(65536)) - 32768);
            if (info.format == Format::B) i.imm = below(kMaxTarget + 1);
            switch (info.syntax) {
            case Syntax::Jump:
                i.a = i.b = 0;
                break;
            case Syntax::SetWord:
                i.imm = static_cast<uint32_t>(int32_t(below(98304)) - 32768);
                break;
            case Syntax::Unary:
            case Syntax::PairWiden:
                i.b = 0;
                break;
            case Syntax::Scalar:
            case Syntax::ScalarImmediate:
                i.n = 1;
                break;
            case Syntax::DropWords:
                i.d = 0;
                [[fallthrough]];
            case Syntax::LoadWords:
                i.imm = below(kMaxAddress + 1);
                break;
            case Syntax::DropIndirect:
                i.d = 0;
                break;
            case Syntax::StoreWords:
            case Syntax::RecvWords:
                i.imm = below(kMaxAddress + 1) | (1 + below(255)) << 24;
                i.d = static_cast<uint16_t>(below(256));
                break;
            case Syntax::SendWords:
                i.imm = below(kMaxAddress + 1) | below(256) << 24;
                break;
            case Syntax::StoreIndirect:
            case Syntax::RecvIndirect:
                i.flags = static_cast<uint8_t>(1 + below(255));
                i.d = static_cast<uint16_t>(below(256));
                break;
            case Syntax::SendIndirect:
                i.flags = static_cast<uint8_t>(below(256));
                break;
            case Syntax::Multiply:
                i.n = i.d = 0;
                i.flags = static_cast<uint8_t>(1 + below(255));
                break;
            case Syntax::MultiplyWide:
                i.n = i.a = i.b = 0;
                i.flags = static_cast<uint8_t>(1 + below(255));
                break;
            default:
                break;
            }
            std::string why;
            Instruction back;
            ASSERT_TRUE(decode(encode(i), back, why)) << text_of(i) << ": " << why;
            ASSERT_EQ(back, i) << text_of(i);
            // Text: through the assembler, whose checks of sizes come later than its reading.
            arch::Arch arch;
            const std::string head =
                info.core ? ".kernel k\n.core 0, 0\n" : ".kernel k\n.control 0\n";
            const auto program = assemble(head + text_of(i) + "\nhlt\n", "t", arch, why);
            if (program) {
                ASSERT_EQ(program->kernels[0].streams[0].code[0], i) << text_of(i);
            } else {
                ASSERT_TRUE(why.starts_with("t: kernel k")) << text_of(i) << ": " << why;
            }
        }
    }
}

TEST(Isa, RefusesBitsThatMeanNothing)
{
    std::string why;
    Instruction i;
    EXPECT_FALSE(decode(0, i, why));
    EXPECT_EQ(why, "expected an opcode of ISA version 1; found 0");
    EXPECT_FALSE(decode(0xff, i, why));
    // hlt with anything else; add with flags; addi with its top bits; jmp with registers.
    EXPECT_FALSE(decode(encode(hlt()) | 1ull << 8, i, why));
    EXPECT_EQ(why, "expected zeros in the bits that hlt has no use for; found others");
    EXPECT_FALSE(decode(encode(binary(Op::Add, 1, 2, 3, 4)) | 1ull << 60, i, why));
    EXPECT_FALSE(decode(encode(immediate(Op::Addi, 1, 2, 3, 4)) | 1ull << 60, i, why));
    EXPECT_FALSE(decode(encode(jmp(1)) | 1ull << 32, i, why));
    EXPECT_FALSE(decode(encode(unary(Op::Relu, 1, 2, 3)) | 1ull << 44, i, why));
    EXPECT_FALSE(decode(encode(immediate(Op::Iaddi, 1, 2, 3, 2)), i, why)) << "a scalar has n = 1";
    // Every word that decodes is the one that it encodes to.
    std::mt19937_64 random(2);
    for (int k = 0; k < 20000; k++) {
        const uint64_t word = random();
        if (!decode(word, i, why)) continue;
        ASSERT_EQ(encode(i), word);
    }
}

const char *const kSample = R"(.program sample
.tiles 2
.matrix 0, 0, 1, 2, 3
    1, 2, 3
    -4, 5, -6
.matrix 1, 0, 0, 1, 2, 4, 8
    7, -8
.kernel main
.input x, 0, 0, 2, 1
.output y, 1, 8, 3
.scalar n, 0, 40
.data 0, 100, 7
    1, -1, 32767
.core 0, 0
loop:   load in1, [0], 2    # comment
        mvm 2
        relu g0, out1, 3
        store [16], g0, 3
        beq g5, g5, end
        jmp loop
end:    hlt
.control 0
        send [16], 3, 1, 2
        hlt
.control 1
        recv [8], 3, 2, 1
        hlt
)";

Program sample()
{
    std::string why;
    auto program = assemble(kSample, "sample.s", tiny(), why);
    EXPECT_TRUE(program) << why;
    return program ? *program : Program{};
}

TEST(Isa, AssemblesWhatItDisassembles)
{
    const Program program = sample();
    ASSERT_EQ(program.kernels.size(), 1u);
    const Kernel &kernel = program.kernels[0];
    EXPECT_EQ(kernel.streams[0].code[0], load(16, 0, 2)); // in1 of 16 rows
    EXPECT_EQ(kernel.streams[0].code[2], unary(Op::Relu, 64, 48, 3));
    EXPECT_EQ(kernel.streams[0].code[4], branch(Op::Beq, 69, 69, 6));
    EXPECT_EQ(kernel.streams[0].code[5], jmp(0));
    EXPECT_EQ(kernel.data[0].words, (std::vector<int16_t>{1, -1, 32767}));
    EXPECT_EQ(kernel.ports.size(), 3u);
    const std::string text = disassemble(program, true);
    std::string why;
    const auto again = assemble(text, "again.s", tiny(), why);
    ASSERT_TRUE(again) << why << "\n" << text;
    EXPECT_EQ(disassemble(*again, true), text);
}

TEST(Isa, RefusesTextWithItsLine)
{
    const auto refusal = [](const std::string &text) {
        std::string why;
        EXPECT_FALSE(assemble(text, "x.s", tiny(), why)) << text;
        return why;
    };
    const std::string core = ".kernel k\n.core 0, 0\n";
    EXPECT_EQ(refusal("hlt\n"),
              "x.s:1: expected instructions after .core or .control; found 'hlt'");
    EXPECT_EQ(refusal(core + "frob r1\nhlt\n"), "x.s:3: expected an instruction; found 'frob'");
    EXPECT_EQ(refusal(core + "add r1, r2\nhlt\n"),
              "x.s:3: expected ','; found the end of the line");
    EXPECT_EQ(refusal(core + "add r1, r2, r9999, 1\nhlt\n"),
              "x.s:3: expected a register r0 to r4095, in0, out0 or g0; found 'r9999'");
    EXPECT_EQ(refusal(core + "jmp nowhere\nhlt\n"),
              "x.s:3: expected a label of this stream; found 'nowhere'");
    EXPECT_EQ(refusal(core + "a: nop\na: hlt\n"), "x.s:4: expected a new label; found 'a'");
    EXPECT_EQ(refusal(core + "set r1, 70000\nhlt\n"),
              "x.s:3: expected a number from -32768 to 65535; found '70000'");
    EXPECT_EQ(refusal(".core 0, 0\n"), "x.s:1: expected .kernel before it; found '.core'");
    EXPECT_EQ(refusal(".frob\n").substr(0, 23), "x.s:1: expected .progra");
    // Of the whole, not of a line.
    EXPECT_EQ(
        refusal(core + "nop\n"),
        "x.s: kernel k, tile 0 core 0, expected hlt or jmp as the last instruction; found nop");
    EXPECT_EQ(refusal(core + "add r1, r2, r3, 200\nhlt\n"),
              "x.s: kernel k, tile 0 core 0, instruction 0: add r1, r2, r3, 200: expected d within "
              "128 registers; found r1 to r200");
    EXPECT_EQ(
        refusal(core + "mvm 1\nhlt\n"),
        "x.s: kernel k, tile 0 core 0, instruction 0: mvm 1: expected MVM units with weights, "
        "mask 0; found 1");
    EXPECT_EQ(refusal(".matrix 0, 0, 0, 1, 1, 4, 8\n8\n" + core + "hlt\n"),
              "x.s: matrix of tile 0 core 0 unit 0: expected weights of 4 bits; found 8");
    EXPECT_EQ(
        refusal(".matrix 0, 0, 0, 1, 1, 1, 8\n" + core + "hlt\n"),
        "x.s: matrix of tile 0 core 0 unit 0: expected 0 or 2 to 16 bits of weights; found 1");
    EXPECT_EQ(refusal(".matrix 0, 0, 0, 1, 1, 8, 1\n" + core + "hlt\n"),
              "x.s: matrix of tile 0 core 0 unit 0: expected 0 or 2 to 16 bits of inputs; found 1");
    EXPECT_EQ(refusal(".matrix 0, 0, 0, 2, 2\n" + core + "mvmw g40, 1\nhlt\n"),
              "x.s: kernel k, tile 0 core 0, instruction 0: mvmw r104, 1: expected d within 128 "
              "registers; found r104 to r135");
    EXPECT_EQ(refusal(core + "mvmw g0, 1\nhlt\n"),
              "x.s: kernel k, tile 0 core 0, instruction 0: mvmw r64, 1: expected MVM units with "
              "weights, mask 0; found 1");
    EXPECT_EQ(refusal(core + "addw g0, g0, g40, 20\nhlt\n"),
              "x.s: kernel k, tile 0 core 0, instruction 0: addw r64, r64, r104, 20: expected b "
              "within 128 registers; found r104 to r143");
    EXPECT_EQ(refusal(core + "peek g63, [0], 2\nhlt\n"),
              "x.s: kernel k, tile 0 core 0, instruction 0: peek r127, [0], 2: expected d within "
              "128 registers; found r127 to r128");
    EXPECT_EQ(refusal(core + "drop [255], 2\nhlt\n"),
              "x.s: kernel k, tile 0 core 0, instruction 0: drop [255], 2: expected words below "
              "256; found 256");
    EXPECT_EQ(refusal(core + "widen g40, g0, 13\nhlt\n"),
              "x.s: kernel k, tile 0 core 0, instruction 0: widen r104, r64, 13: expected d within "
              "128 registers; found r104 to r129");
    EXPECT_EQ(refusal(core + "join g0, g8, g58, 1\nhlt\n"),
              "x.s: kernel k, tile 0 core 0, instruction 0: join r64, r72, r122, 1: expected b "
              "within 128 registers; found r122 to r128");
    EXPECT_EQ(refusal(core + "requant g0, g0, g40, 5\nhlt\n"),
              "x.s: kernel k, tile 0 core 0, instruction 0: requant r64, r64, r104, 5: expected b "
              "within 128 registers; found r104 to r128");
    EXPECT_EQ(
        refusal(core + "send [0], 1, 0, 0\nhlt\n"),
        "x.s: kernel k, tile 0 core 0, instruction 0: expected an instruction of cores; found "
        "send");
    EXPECT_EQ(
        refusal(core + "load r0, [250], 10\nhlt\n"),
        "x.s: kernel k, tile 0 core 0, instruction 0: load r0, [250], 10: expected words below "
        "256; found 259");
    EXPECT_EQ(refusal(core + "divi r0, r0, 0, 1\nhlt\n"),
              "x.s: kernel k, tile 0 core 0, instruction 0: divi r0, r0, 0, 1: division by zero");
    EXPECT_EQ(refusal(core + "hlt\n.core 0, 0\nhlt\n"),
              "x.s: kernel k, tile 0 core 0, expected one stream; found another");
}

TEST(Isa, ImagesAreReadBack)
{
    const Program program = sample();
    std::string why;
    const auto image = write_image({&program, 1}, &why);
    ASSERT_TRUE(image) << why;
    const auto back = parse_image(image->bytes, 1, &why);
    ASSERT_TRUE(back) << why;
    ASSERT_EQ(back->programs.size(), 1u);
    Program read = back->programs[0];
    read.name = program.name;
    read.kernels[0].name = program.kernels[0].name;
    EXPECT_EQ(disassemble(read, true), disassemble(program, true));
    EXPECT_EQ(check_program(read, tiny()), "");
    const auto file = write_file({&program, 1}, &why);
    ASSERT_TRUE(file) << why;
    const auto parsed = program::ProgramFile::parse(*file, &why);
    ASSERT_TRUE(parsed) << why;
    EXPECT_EQ(parsed->kernels(ACC_TARGET_CROSSBAR)[0].kernarg_bytes, 16u + 3 * 16);
}

TEST(Isa, SurvivesDamagedImages)
{
    const Program program = sample();
    std::string why;
    const auto image = write_image({&program, 1}, &why);
    ASSERT_TRUE(image) << why;
    // Every cut, and every 32-bit word made hostile: an error or a program, never a crash.
    for (size_t size = 0; size < image->bytes.size(); size += 4)
        (void)parse_image(std::span(image->bytes).first(size), 1, &why);
    size_t refused = 0;
    for (size_t at = 0; at + 4 <= image->bytes.size(); at += 4)
        for (const uint32_t value : {0u, 1u, 0x7fffffffu, 0xffffffffu, 0xfffffff8u}) {
            std::vector<std::byte> bytes = image->bytes;
            std::memcpy(bytes.data() + at, &value, 4);
            why.clear();
            const auto parsed = parse_image(bytes, 1, &why);
            if (parsed) {
                (void)check_program(parsed->programs.empty() ? Program{} : parsed->programs[0],
                                    tiny());
                continue;
            }
            refused++;
            EXPECT_EQ(parsed.error(), -EINVAL);
            EXPECT_NE(why.find("expected"), std::string::npos) << why;
        }
    EXPECT_GT(refused, 200u);
}

TEST(Isa, ProgramsFitTheArchTheyWereMadeFor)
{
    const Program program = sample();
    const auto refusal = [&](const char *key, const char *value) {
        arch::Arch arch = tiny();
        std::string why;
        EXPECT_EQ(arch::set(arch, key, value, why), 0) << why;
        return check_program(program, arch);
    };
    EXPECT_EQ(refusal("rows", "32"),
              "expected a program for 32 rows, as this device has; found one for 16");
    EXPECT_EQ(refusal("frac_bits", "8"),
              "expected a program for 8 frac_bits, as this device has; found one for 12");
    EXPECT_EQ(refusal("shared_words", "128"),
              "expected a program for at most 128 shared_words, as this device has; found one for "
              "256");
    EXPECT_EQ(refusal("shared_words", "512"), "");
    EXPECT_EQ(
        refusal("registers", "4096"),
        "expected at most 4096 registers of a core, mvm_units * (rows + cols) + registers, as "
        "instructions can name; found 4160");
}

} // namespace
} // namespace acc::isa
