// SPDX-License-Identifier: MIT
#include "common/npy.h"

#include <array>
#include <cstdio>
#include <cstring>
#include <gtest/gtest.h>
#include <random>
#include <string>
#include <unistd.h>

namespace
{

using acc::Npy;
using acc::parse_npy;

// A file with this header and `bytes` of data.
std::string file(std::string header, size_t bytes, char major = 1)
{
    const size_t prefix = major == 1 ? 10 : 12;
    header.resize((prefix + header.size() + 1 + 63) / 64 * 64 - prefix - 1, ' ');
    header += '\n';
    std::string text = std::string("\x93NUMPY", 6) + major + '\0';
    for (size_t i = 0; i < prefix - 8; ++i)
        text += static_cast<char>(header.size() >> (8 * i) & 0xff);
    return text + header + std::string(bytes, '\1');
}

std::string why_refused(const std::string &bytes)
{
    std::string why;
    const auto array = parse_npy(bytes, why);
    return array ? "accepted" : why;
}

class NpyFile : public testing::Test
{
protected:
    void SetUp() override
    {
        std::array<char, 32> name = {"/tmp/npy_test_XXXXXX"};
        const int fd = mkstemp(name.data());
        ASSERT_GE(fd, 0);
        close(fd);
        path_ = name.data();
    }
    void TearDown() override { unlink(path_.c_str()); }

    std::string path_;
};

TEST_F(NpyFile, RoundTripsEveryType)
{
    for (const char *type : {"f4", "i1", "u1", "i4", "i8"}) {
        for (const std::vector<size_t> &shape :
             {std::vector<size_t>{}, {0}, {7}, {2, 3}, {1, 2, 1, 2, 1, 2, 1, 2}}) {
            Npy array{type, shape, {}};
            array.data.resize(array.items() * array.item_bytes());
            for (size_t i = 0; i < array.data.size(); ++i)
                array.data[i] = static_cast<std::byte>(i * 37);
            std::string why;
            ASSERT_EQ(acc::write_npy(path_, array, why), 0) << why;
            const auto read = acc::read_npy(path_, why);
            ASSERT_TRUE(read) << why;
            EXPECT_EQ(read->type, type);
            EXPECT_EQ(read->shape, shape);
            EXPECT_EQ(read->data, array.data);
        }
    }
}

TEST_F(NpyFile, RefusesWhatIsNoRegularFile)
{
    std::string why;
    const auto missing = acc::read_npy("/nowhere/x.npy", why);
    EXPECT_EQ(missing.error(), -ENOENT);
    const auto folder = acc::read_npy("/tmp", why);
    EXPECT_EQ(folder.error(), -EINVAL);
    EXPECT_EQ(acc::write_npy("/nowhere/x.npy", Npy{"f4", {0}, {}}, why), -ENOENT);
    // A device is never removed, whatever happens.
    const Npy big{"u1", {1 << 20}, std::vector<std::byte>(1 << 20)};
    EXPECT_EQ(acc::write_npy("/dev/full", big, why), -ENOSPC);
    EXPECT_EQ(access("/dev/full", F_OK), 0);
}

TEST(Npy, ReadsBothVersionsAndAnyOrderOfKeys)
{
    std::string why;
    for (const char major : {'\1', '\2'}) {
        const auto array = parse_npy(
            file("{\"shape\": (2,3,), 'fortran_order':False, 'descr':'<f4'}", 24, major), why);
        ASSERT_TRUE(array) << why;
        EXPECT_EQ(array->describe(), "float32 [2,3]");
    }
}

TEST(Npy, RefusesMalformedHeaders)
{
    const std::string rest = "'fortran_order': False, 'shape': (2,), }";
    EXPECT_NE(why_refused("").find(".npy file"), std::string::npos);
    EXPECT_NE(why_refused(file("{'descr': '<f4', " + rest, 8, 3)).find("version"),
              std::string::npos);
    for (const char *descr : {">f4", "<f3", "<c8", "|O", "<f44", "f4", "", "|f4",
                              "<\x01"
                              "4"})
        EXPECT_NE(why_refused(file("{'descr': '" + std::string(descr) + "', " + rest, 8))
                      .find("expected little-endian"),
                  std::string::npos)
            << descr;
    for (const char *header :
         {"", "{", "}", "[]", "{'descr': '<f4'}", "{'descr': '<f4', 'descr': '<f4', ",
          "{'descr': '<f4', 'fortran_order': True, 'shape': (2,), }",
          "{'descr': '<f4', 'fortran_order': False, 'shape': (2,), 'more': 1}",
          "{'descr': '<f4', 'fortran_order': False, 'shape': (-2,), }",
          "{'descr': '<f4', 'fortran_order': False, 'shape': (2L,), }",
          "{'descr': '<f4', 'fortran_order': False, 'shape': (2,, }",
          "{'descr': '<f4', 'fortran_order': False, 'shape': 2, }",
          "{'descr': '<f4', 'fortran_order': False, 'shape': (2,), } x",
          "{'descr': '<f4', 'fortran_order': False, 'shape': (1,1,1,1,1,1,1,1,2), }"}) {
        const std::string why = why_refused(file(header, 8));
        EXPECT_EQ(why.substr(0, 8), "expected") << header << ": " << why;
    }
}

TEST(Npy, RefusesSizesThatOverflowOrDontFit)
{
    const auto shaped = [](const std::string &shape, size_t bytes) {
        return why_refused(
            file("{'descr': '<f4', 'fortran_order': False, 'shape': " + shape + ", }", bytes));
    };
    EXPECT_EQ(shaped("(2,)", 8), "accepted");
    EXPECT_EQ(shaped("(0, 4000000000)", 0), "accepted");
    EXPECT_NE(shaped("(2,)", 7).find("expected 8 bytes"), std::string::npos);
    EXPECT_NE(shaped("(2,)", 9).find("expected 8 bytes"), std::string::npos);
    EXPECT_NE(shaped("(4294967296, 4294967296, 4294967296)", 0).find("4 GiB"), std::string::npos);
    EXPECT_NE(shaped("(99999999999999999999999,)", 0).find("smaller"), std::string::npos);
}

TEST(Npy, SurvivesEveryTruncation)
{
    const std::string whole =
        file("{'descr': '<f4', 'fortran_order': False, 'shape': (2,3), }", 24);
    for (size_t size = 0; size < whole.size(); ++size) {
        // Of the exact size, so that a sanitizer sees one byte too many.
        const std::vector<char> cut(whole.begin(), whole.begin() + static_cast<long>(size));
        std::string why;
        const auto array = parse_npy({cut.data(), cut.size()}, why);
        EXPECT_FALSE(array) << size;
        EXPECT_FALSE(why.empty()) << size;
    }
}

TEST(Npy, SurvivesRandomChanges)
{
    const std::string whole =
        file("{'descr': '<i8', 'fortran_order': False, 'shape': (2,3), }", 48);
    const std::string tokens = "{}()',: 0123456789<|>fiu\"";
    std::mt19937 random(1);
    for (int round = 0; round < 100'000; ++round) {
        std::string changed = whole;
        for (uint32_t count = 1 + random() % 6; count; --count)
            changed[random() % changed.size()] =
                random() % 3 ? tokens[random() % tokens.size()] : static_cast<char>(random());
        std::string why;
        const auto array = parse_npy(changed, why);
        if (array)
            ASSERT_EQ(array->data.size(), array->items() * array->item_bytes());
        else
            ASSERT_FALSE(why.empty());
    }
}

} // namespace
