// SPDX-License-Identifier: MIT
//
// Images with code that a device refuses before anything of them runs, each for one reason, with
// its code and what was expected and found. The code is of a library whose constructor tries what
// ends its process: had any of it run, there had been one.
#include "roles.h"

#include "program/program_file.h"
#include "program/program_writer.h"
#include "program/signature.h"

#include <gmock/gmock.h>

#include <cerrno>

namespace acc::test
{
namespace
{

using testing::HasSubstr;

constexpr size_t kDesc = 16; // behind a note's header and name

class Refused : public testing::Test
{
protected:
    Refused()
    {
        auto info = acc_init<acc_device_info>();
        EXPECT_EQ(acc_device_get_info(client.device(), &info), 0);
        options.kind = ACC_FPGA_RTL;
        std::memcpy(options.shell, info.uuid, sizeof options.shell);
        good = key.sign(image());
    }
    void TearDown() override { EXPECT_EQ(region_processes(), 0u); }

    std::vector<std::byte> image() const
    {
        return native_image(read_file(HOSTILE_CONSTRUCTOR_LIBRARY), {"nothing", "copy"}, options);
    }
    void expect(std::span<const std::byte> file, int error, const std::string &expected,
                const std::string &found)
    {
        std::string text;
        EXPECT_EQ(client.refused(file, text), error) << text;
        EXPECT_THAT(text, HasSubstr("expected"));
        EXPECT_THAT(text, HasSubstr(expected));
        EXPECT_THAT(text, HasSubstr("found"));
        EXPECT_THAT(text, HasSubstr(found));
    }
    // The good file with some bits of one byte of a section changed.
    std::vector<std::byte> with_byte(const char *section, size_t at, uint8_t bits = 1) const
    {
        std::vector<std::byte> file = good;
        const auto parsed = program::ProgramFile::parse(file, nullptr);
        EXPECT_TRUE(parsed);
        const auto bytes = parsed->section(section);
        EXPECT_LT(at, bytes.size()) << section;
        file[static_cast<size_t>(bytes.data() - file.data()) + at] ^= std::byte{bits};
        return file;
    }

    TrustedKey key;
    RoleClient client{"inproc:fpga:preset=fast,keys=" + key.folder()};
    NativeOptions options;
    std::vector<std::byte> good;
};

// What the others are a change of is taken, and its constructor does what it is here for.
TEST_F(Refused, NotAsItIs)
{
    RoleClient own("inproc:fpga:preset=fast,keys=" + key.folder());
    own.load(good);
    NEEDS_REGION_PROCESS();
    EXPECT_THAT(own.run("nothing", {}).text, HasSubstr("call: socket"));
}

TEST_F(Refused, ForANoteThatIsCut)
{
    expect(with_byte(ACC_SECTION_COMPAT, 4, 0x40), -EINVAL, "whole note at byte 0", "end at 48");
    expect(with_byte(ACC_SECTION_KERNELS, 7, 0x80), -EINVAL, "whole note at byte 0", "end at");
    expect(with_byte(ACC_SECTION_COMPAT, 4, 4), -EINVAL, ACC_SECTION_COMPAT, "end at 48");
}

TEST_F(Refused, ForANoteOfAnotherKind)
{
    expect(with_byte(ACC_SECTION_COMPAT, 8), -EINVAL, "type 2", "type 3");
    expect(with_byte(ACC_SECTION_UNITS, 8, 8), -EINVAL, "type 3", "11");
    expect(with_byte(ACC_SECTION_KERNELS, 8, 8), -EINVAL, "type 4", "12");
    expect(with_byte(ACC_SECTION_RESOURCES, 8, 8), -EINVAL, "type 5", "13");
    expect(with_byte(ACC_SECTION_ID, 12), -EINVAL, "\"ACC\"", "another name");
}

TEST_F(Refused, ForWhatANoteSays)
{
    expect(with_byte(ACC_SECTION_ID, kDesc, 2), -EINVAL, "version 1", "3");
    expect(with_byte(ACC_SECTION_COMPAT, kDesc, 8), -EINVAL, "a target below", "10");
    expect(with_byte(ACC_SECTION_COMPAT, kDesc + 4, 8), -EINVAL, "ABI 0.1", "8.1");
    expect(with_byte(ACC_SECTION_COMPAT, kDesc + 24, 2), -EINVAL, "3 units", "1 and 2");
    expect(with_byte(ACC_SECTION_KERNELS, kDesc + 4, 4), -EINVAL, "unit below 1", "4");
    expect(with_byte(ACC_SECTION_KERNELS, kDesc + 20), -EINVAL, "zero padding", "another");
    expect(with_byte(ACC_SECTION_UNITS, kDesc + 87), -EINVAL, "NUL-padded name", "roles");
    expect(with_byte(ACC_SECTION_RESOURCES, kDesc, 2), -EINVAL, "below 1", "2");
    expect(with_byte(ACC_SECTION_RESOURCES, kDesc + 8, 2), -EINVAL, "1000", "1002");
}

TEST_F(Refused, ForAnotherShell)
{
    const auto other = with_byte(ACC_SECTION_COMPAT, kDesc + 8);
    expect(other, -EINVAL, "c8317e051b924d6aa4702ef984630cd5", "c9317e051b924d6aa4702ef984630cd5");
}

TEST_F(Refused, ForAnotherClass)
{
    expect(with_byte(ACC_SECTION_UNITS, kDesc + 4, 2), -EINVAL, "class 0 or 1", "2");
    RoleClient with_big("inproc:fpga:preset=fast,big=1,keys=" + key.folder());
    std::string text;
    EXPECT_EQ(with_big.refused(with_byte(ACC_SECTION_UNITS, kDesc + 4, 4), text), -EINVAL);
    EXPECT_THAT(text, HasSubstr("expected region class 0, 1 or 2; found 4"));
}

// Signed and all, and no region is big enough.
TEST_F(Refused, ForWhatNoRegionHas)
{
    options.takes[2] = 55;
    expect(key.sign(image()), -ENOSPC, "at most 54 BRAMs of a region", "55");
    options.takes[2] = 54;
    options.takes[0] = 40'001;
    options.takes[3] = 301;
    expect(key.sign(image()), -ENOSPC, "40000 LUTs, 300 DSPs", "40001, 301");
}

TEST_F(Refused, WithoutASignature)
{
    expect(image(), -EACCES, "a signature", "found none");
}

TEST_F(Refused, ForASignatureThatDoesNotFit)
{
    expect(with_byte(ACC_SECTION_SIGNATURE, 60), -EACCES, "signature that fits", "doesn't");
    expect(with_byte(".acc.image.fpga", 6000), -EACCES, "signature that fits", "doesn't");
    expect(with_byte(ACC_SECTION_UNITS, kDesc + 24), -EACCES, "signature that fits", "doesn't");
}

TEST_F(Refused, ForAKeyThatNobodyTrusts)
{
    const auto other = program::generate_key();
    ASSERT_TRUE(other);
    const auto file = program::sign(image(), *other, nullptr);
    ASSERT_TRUE(file);
    expect(*file, -EACCES, program::key_text(key.key().public_key()).substr(0, 16),
           program::key_text(other->public_key()).substr(0, 16));
}

} // namespace
} // namespace acc::test
