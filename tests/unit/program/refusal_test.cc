// SPDX-License-Identifier: MIT
//
// Every refusal of the container's reader, one invalid field each.
#include "edit.h"

#include "program/images.h"
#include "program/samples.h"

#include <gtest/gtest.h>

#include <functional>

namespace acc::program
{
namespace
{

constexpr size_t kDesc = 16; // of a note: after its header and name

Bytes good_file()
{
    constexpr std::string_view ops[] = {ACC_NULL_NOOP, ACC_NULL_COPY};
    constexpr std::string_view roles[] = {ACC_ROLE_ADD_F32, ACC_ROLE_RELU_F32};
    ProgramWriter writer;
    EXPECT_EQ(add_null(writer, ops), 0);
    EXPECT_EQ(add_fpga(writer, roles), 0);
    std::string why;
    auto file = writer.finish(&why);
    EXPECT_TRUE(file) << why;
    return file ? std::move(*file) : Bytes{};
}

struct Refusal {
    const char *word; // in the text
    std::function<void(Bytes &)> spoil;
};

void check(const Bytes &good, const std::vector<Refusal> &refusals)
{
    ASSERT_EQ(refusal(good), "");
    for (const Refusal &r : refusals) {
        Bytes bytes = good;
        r.spoil(bytes);
        const std::string text = refusal(bytes);
        EXPECT_NE(text.find(r.word), std::string::npos)
            << "wanted: " << r.word << "\nfound: " << text;
        EXPECT_NE(text.find("expected"), std::string::npos) << text;
    }
}

template <typename T, typename Field>
void set(Bytes &bytes, size_t offset, Field T::*field, std::type_identity_t<Field> value)
{
    T header = peek<T>(bytes, offset);
    header.*field = value;
    poke(bytes, offset, header);
}

TEST(Refusal, ElfHeader)
{
    const auto elf = [](auto field, uint64_t value) {
        return [=](Bytes &b) {
            Elf64_Ehdr h = peek<Elf64_Ehdr>(b, 0);
            h.*field = static_cast<std::remove_reference_t<decltype(h.*field)>>(value);
            poke(b, 0, h);
        };
    };
    const auto ident = [](size_t i, uint8_t value) { return [=](Bytes &b) { poke(b, i, value); }; };
    check(good_file(), {
                           {"found a file of 0", [](Bytes &b) { b.clear(); }},
                           {"found a file of 63", [](Bytes &b) { b.resize(63); }},
                           {"another magic", ident(0, 0)},
                           {"class code 1", ident(EI_CLASS, ELFCLASS32)},
                           {"data code 2", ident(EI_DATA, ELFDATA2MSB)},
                           {"ELF version 1", ident(EI_VERSION, 0)},
                           {"ELF version 1; found 2", elf(&Elf64_Ehdr::e_version, 2)},
                           {"type 2 (EXEC); found 1", elf(&Elf64_Ehdr::e_type, ET_REL)},
                           {"no processor; found 62", elf(&Elf64_Ehdr::e_machine, EM_X86_64)},
                           {"header size of 64; found 52", elf(&Elf64_Ehdr::e_ehsize, 52)},
                           {"no segments; found 1", elf(&Elf64_Ehdr::e_phnum, 1)},
                           {"64 bytes; found 40", elf(&Elf64_Ehdr::e_shentsize, 40)},
                           {"2 to 256 sections; found 0", elf(&Elf64_Ehdr::e_shnum, 0)},
                           {"2 to 256 sections; found 65535", elf(&Elf64_Ehdr::e_shnum, 65535)},
                           {"section table inside", elf(&Elf64_Ehdr::e_shoff, ~uint64_t{0} - 8)},
                           {"section table inside", elf(&Elf64_Ehdr::e_shoff, 1 << 30)},
                           {"section of names below", elf(&Elf64_Ehdr::e_shstrndx, 0)},
                           {"section of names below", elf(&Elf64_Ehdr::e_shstrndx, 200)},
                           {"string table; found type 7", elf(&Elf64_Ehdr::e_shstrndx, 1)},
                       });
}

TEST(Refusal, Sections)
{
    const auto section = [](const char *name, auto field, uint64_t value) {
        return [=](Bytes &b) {
            const size_t at = header_of(b, name);
            Elf64_Shdr h = peek<Elf64_Shdr>(b, at);
            h.*field = static_cast<std::remove_reference_t<decltype(h.*field)>>(value);
            poke(b, at, h);
        };
    };
    check(good_file(),
          {
              {"section 0 to be null",
               [](Bytes &b) {
                   set(b, peek<Elf64_Ehdr>(b, 0).e_shoff, &Elf64_Shdr::sh_type, SHT_NOTE);
               }},
              {"type PROGBITS, NOTE or STRTAB; found 8",
               section(ACC_SECTION_ID, &Elf64_Shdr::sh_type, SHT_NOBITS)},
              {"compressed", section(ACC_SECTION_ID, &Elf64_Shdr::sh_flags, SHF_COMPRESSED)},
              {"inside the file", section(ACC_SECTION_ID, &Elf64_Shdr::sh_offset, ~uint64_t{0})},
              {"inside the file", section(ACC_SECTION_ID, &Elf64_Shdr::sh_size, ~uint64_t{0})},
              {"name below", section(ACC_SECTION_ID, &Elf64_Shdr::sh_name, 1 << 20)},
              {"name below 0", section(".shstrtab", &Elf64_Shdr::sh_size, 0)},
          });
}

TEST(Refusal, SectionNames)
{
    Bytes twice = good_file();
    const size_t a = header_of(twice, ".acc.image.null"), b = header_of(twice, ".acc.image.fpga");
    set(twice, a, &Elf64_Shdr::sh_name, peek<Elf64_Shdr>(twice, b).sh_name);
    EXPECT_NE(refusal(twice).find(".acc.image.fpga twice"), std::string::npos) << refusal(twice);

    Bytes open = good_file();
    const auto names = peek<Elf64_Shdr>(open, header_of(open, ".shstrtab"));
    open[names.sh_offset + names.sh_size - 1] = std::byte{'x'};
    EXPECT_NE(refusal(open).find("end in NUL"), std::string::npos) << refusal(open);
}

TEST(Refusal, Notes)
{
    const auto note = [](const char *name, size_t field, uint32_t value) {
        return [=](Bytes &b) { poke(b, offset_of(b, name) + field, value); };
    };
    const auto rename = [](const char *name) {
        return [=](Bytes &b) { // the same length: another name
            const size_t at = header_of(b, name);
            const auto names = peek<Elf64_Shdr>(b, header_of(b, ".shstrtab"));
            poke(b, names.sh_offset + peek<Elf64_Shdr>(b, at).sh_name, 'X');
        };
    };
    check(good_file(),
          {
              {"named \"ACC\"", note(ACC_SECTION_ID, 12, 0x00434341 + 1)},
              {"named \"ACC\"", note(ACC_SECTION_ID, 0, 3)},
              {"whole note", note(ACC_SECTION_ID, 4, 4000)},
              {"whole note", note(ACC_SECTION_ID, 4, ~0u)},
              {"type 1 and 88 bytes; found type 9", note(ACC_SECTION_ID, 8, 9)},
              {"no such note", rename(ACC_SECTION_ID)},
              {"container version 1; found 7", note(ACC_SECTION_ID, kDesc, 7)},
              {"zero padding", note(ACC_SECTION_ID, kDesc + 4, 1)},
              {"NUL-padded name", note(ACC_SECTION_ID, kDesc + 40, 0)},
              {ACC_SECTION_COMPAT ": expected it", rename(ACC_SECTION_COMPAT)},
              {"type 2 and 32 bytes", note(ACC_SECTION_COMPAT, 8, 3)},
              {"target below 4; found 5", note(ACC_SECTION_COMPAT, kDesc, 5)},
              {"two for fpga", note(ACC_SECTION_COMPAT, kDesc, ACC_TARGET_FPGA)},
              {"ABI", note(ACC_SECTION_COMPAT, kDesc + 4, 0xffff)},
              {"the 9 units", note(ACC_SECTION_COMPAT, kDesc + 24, 9)},
              {"and 9 kernels", note(ACC_SECTION_COMPAT, kDesc + 28, 9)},
              {"note of type 3", note(ACC_SECTION_UNITS, 8, 4)},
              {"multiple of 88 bytes; found 100",
               [](Bytes &b) {
                   poke(b, offset_of(b, ACC_SECTION_UNITS) + 4, 100u);
                   set(b, header_of(b, ACC_SECTION_UNITS), &Elf64_Shdr::sh_size, 116);
               }},
              {"unit 0: expected a target", note(ACC_SECTION_UNITS, kDesc, 77)},
              {"unit 0: expected a NUL-padded name", note(ACC_SECTION_UNITS, kDesc + 40, 0)},
              {"note of type 4", note(ACC_SECTION_KERNELS, 8, 3)},
              {"kernel 0: expected a target", note(ACC_SECTION_KERNELS, kDesc, 77)},
              {"unit below 1; found 3", note(ACC_SECTION_KERNELS, kDesc + 4, 3)},
              {"kernel 0: expected zero padding", note(ACC_SECTION_KERNELS, kDesc + 20, 1)},
              {"kernel 0: expected a NUL-padded name", note(ACC_SECTION_KERNELS, kDesc + 24, 0)},
              {"found none", rename(".acc.image.null")},
              {"null: expected the 0 units",
               [](Bytes &b) {
                   // Its compat note says crossbar: null has units that nothing announces.
                   poke(b, offset_of(b, ACC_SECTION_COMPAT) + kDesc, uint32_t{ACC_TARGET_CROSSBAR});
               }},
          });
}

TEST(Refusal, KernelNamesTwice)
{
    constexpr std::string_view ops[] = {ACC_NULL_NOOP, ACC_NULL_NOOP};
    std::string why;
    EXPECT_FALSE(null_program(ops, &why));
    EXPECT_NE(why.find("\"noop\" twice"), std::string::npos) << why;
}

TEST(Refusal, EveryTruncation)
{
    const Bytes good = good_file();
    for (size_t size = 0; size < good.size(); size++)
        EXPECT_NE(refusal(Bytes(good.begin(), good.begin() + static_cast<std::ptrdiff_t>(size))),
                  "")
            << size << " of " << good.size();
}

TEST(Refusal, WriterSaysWhatIsMissing)
{
    std::string why;
    EXPECT_FALSE(ProgramWriter().finish(&why));
    EXPECT_NE(why.find("something for a target"), std::string::npos) << why;
    ProgramWriter bad;
    bad.set_image(9, {});
    EXPECT_FALSE(bad.finish(&why));
    EXPECT_NE(why.find("target 0, 1 or 2"), std::string::npos) << why;
    constexpr std::string_view roles[] = {"no_such_role"};
    EXPECT_FALSE(fpga_program(roles, &why));
    EXPECT_NE(why.find("\"no_such_role\""), std::string::npos) << why;
    const int16_t big[] = {128};
    MatrixSpec spec{.name = "m", .rows = 1, .cols = 1, .weights = big};
    EXPECT_FALSE(crossbar_program(std::span(&spec, 1), &why));
    EXPECT_NE(why.find("8 bits; found 128"), std::string::npos) << why;
    spec.rows = 2;
    EXPECT_FALSE(crossbar_program(std::span(&spec, 1), &why));
    EXPECT_NE(why.find("2 weights; found 1"), std::string::npos) << why;
    spec.cols = 0;
    EXPECT_FALSE(crossbar_program(std::span(&spec, 1), &why));
    EXPECT_NE(why.find("rows and columns"), std::string::npos) << why;
    EXPECT_FALSE(null_program({}, nullptr)); // a unit without kernels has no image
}

TEST(Refusal, CrossbarImages)
{
    const int16_t weights[] = {1, -8, 7, 0};
    const MatrixSpec specs[] = {
        {.name = "m", .rows = 2, .cols = 2, .weights = weights, .weight_bits = 4},
        {.name = "n", .rows = 2, .cols = 2, .weights = weights, .weight_bits = 16},
    };
    std::string why;
    const auto file = crossbar_program(specs, &why);
    ASSERT_TRUE(file) << why;
    const auto parsed = ProgramFile::parse(*file, &why);
    ASSERT_TRUE(parsed) << why;
    const auto image = parsed->image(ACC_TARGET_CROSSBAR);
    const Bytes good(image.begin(), image.end());
    ASSERT_TRUE(parse_xbar_image(good, 2, &why)) << why;

    const size_t m = sizeof(acc_xbar_image);
    const auto field = [&](size_t offset, auto value) {
        return [=](Bytes &b) { poke(b, m + offset, value); };
    };
    const Refusal refusals[] = {
        {"header of 16 bytes; found 3", [](Bytes &b) { b.resize(3); }},
        {"crossbar image", [](Bytes &b) { poke(b, 0, 1u); }},
        {"image version 1; found 2", [](Bytes &b) { poke(b, 4, 2u); }},
        {"each of 2 kernels; found 3", [](Bytes &b) { poke(b, 8, 3u); }},
        {"zero padding", [](Bytes &b) { poke(b, 12, 1u); }},
        {"inside the image of 60", [](Bytes &b) { b.resize(60); }},
        {"1 to 2^20 rows; found 0", field(0, 0u)},
        {"1 to 2^20 rows", field(0, ~0u)},
        {"1 to 2^20 columns; found 0", field(4, 0u)},
        {"2 to 16 weight bits; found 1", field(8, uint16_t{1})},
        {"2 to 16 weight bits; found 17", field(8, uint16_t{17})},
        {"1 to 16 input bits; found 0", field(10, uint16_t{0})},
        {"4 or 8 bytes; found 2", field(12, uint16_t{2})},
        {"flags 0 or 1; found 2", field(14, uint16_t{2})},
        {"weights inside", field(16, ~uint64_t{0})},
        {"4 bytes of weights; found 5", field(24, uint64_t{5})},
        {"weights of 3 bits; found -8", field(8, uint16_t{3})},
    };
    for (const Refusal &r : refusals) {
        Bytes bytes = good;
        r.spoil(bytes);
        EXPECT_FALSE(parse_xbar_image(bytes, 2, &why)) << r.word;
        EXPECT_NE(why.find(r.word), std::string::npos)
            << "wanted: " << r.word << "\nfound: " << why;
    }
}

TEST(Refusal, NamedImages)
{
    constexpr std::string_view roles[] = {ACC_ROLE_ADD_F32};
    std::string why;
    const auto file = fpga_program(roles, &why);
    ASSERT_TRUE(file) << why;
    const auto parsed = ProgramFile::parse(*file, &why);
    ASSERT_TRUE(parsed) << why;
    const auto image = parsed->image(ACC_TARGET_FPGA);
    Bytes bytes(image.begin(), image.end());
    EXPECT_FALSE(parse_fpga_image(bytes, 2, &why));
    EXPECT_NE(why.find("each of 2 kernels; found 1"), std::string::npos) << why;
    poke(bytes, 16, uint8_t{0});
    EXPECT_FALSE(parse_fpga_image(bytes, 1, &why));
    EXPECT_NE(why.find("kernel 0: expected a NUL-padded name"), std::string::npos) << why;
    EXPECT_FALSE(parse_null_image(Bytes(47), 1, &why));
    EXPECT_NE(why.find("1 kernels of 48 bytes; found 47"), std::string::npos) << why;
    EXPECT_FALSE(parse_null_image(Bytes(48), 1, &why));
}

} // namespace
} // namespace acc::program
