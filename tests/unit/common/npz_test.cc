// SPDX-License-Identifier: MIT
#include "common/npz.h"

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <gtest/gtest.h>
#include <iterator>
#include <string>
#include <sys/stat.h>
#include <utility>
#include <vector>
#include <zip.h>

namespace
{

using acc::Npy;
using acc::read_npz;
using Members = std::vector<std::pair<std::string, std::string>>;

class Npz : public testing::Test
{
protected:
    void SetUp() override
    {
        std::string name = "/tmp/npz_test_XXXXXX";
        ASSERT_NE(mkdtemp(name.data()), nullptr);
        folder_ = name;
        path_ = name + "/a.npz";
    }
    void TearDown() override { std::filesystem::remove_all(folder_); }

    // The bytes of an .npy file of whole numbers.
    std::string npy(const std::vector<int32_t> &values) const
    {
        Npy array{"i4", {values.size()}, {}};
        array.data.resize(values.size() * 4);
        std::copy_n(reinterpret_cast<const std::byte *>(values.data()), array.data.size(),
                    array.data.begin());
        std::string why;
        const std::string path = folder_ + "/one.npy";
        EXPECT_EQ(write_npy(path, array, why), 0) << why;
        return bytes_of(path);
    }

    static std::string bytes_of(const std::string &path)
    {
        std::ifstream file(path, std::ios::binary);
        return {std::istreambuf_iterator<char>(file), {}};
    }

    void write(const std::string &bytes) const { std::ofstream(path_, std::ios::binary) << bytes; }

    void archive(const Members &members, int method = ZIP_CM_DEFLATE) const
    {
        zip_t *file = zip_open(path_.c_str(), ZIP_CREATE | ZIP_TRUNCATE, nullptr);
        ASSERT_NE(file, nullptr);
        for (const auto &[name, bytes] : members) {
            zip_source_t *source = zip_source_buffer(file, bytes.data(), bytes.size(), 0);
            const zip_int64_t index = zip_file_add(file, name.c_str(), source, 0);
            ASSERT_GE(index, 0);
            ASSERT_EQ(zip_set_file_compression(file, static_cast<zip_uint64_t>(index), method, 0),
                      0);
        }
        ASSERT_EQ(zip_close(file), 0) << zip_strerror(file);
    }

    std::string refused(int code) const
    {
        std::string why;
        const auto arrays = read_npz(path_, why);
        if (arrays) return "accepted";
        EXPECT_EQ(arrays.error(), code) << why;
        return why;
    }

    std::string folder_, path_;
};

TEST_F(Npz, ReadsWhatIsStoredAndWhatIsCompressed)
{
    const Members members = {{"x.npy", npy({1, 2, 3})},
                             {"y.npy", npy(std::vector<int32_t>(1 << 19, 7))}};
    for (const int method : {ZIP_CM_STORE, ZIP_CM_DEFLATE}) {
        archive(members, method);
        std::string why;
        const auto arrays = read_npz(path_, why);
        ASSERT_TRUE(arrays) << why;
        ASSERT_EQ(arrays->size(), 2u);
        EXPECT_EQ(arrays->at("x").describe(), "int32 [3]");
        EXPECT_EQ(arrays->at("y").describe(), "int32 [524288]");
        EXPECT_EQ(arrays->at("y").data.back(), std::byte{0});
        EXPECT_EQ(arrays->at("y").data[arrays->at("y").data.size() - 4], std::byte{7});
        const auto one = read_npz(path_, "x", why);
        ASSERT_TRUE(one) << why;
        EXPECT_EQ(one->data, arrays->at("x").data);
    }
}

TEST_F(Npz, SaysWhatItHasInstead)
{
    archive({{"y.npy", npy({1})}, {"z.npy", "no array"}});
    std::string why;
    const auto missing = read_npz(path_, "x", why);
    ASSERT_FALSE(missing);
    EXPECT_EQ(missing.error(), -ENOENT);
    EXPECT_EQ(why, "expected an array 'x'; found y.npy, z.npy");
    EXPECT_TRUE(read_npz(path_, "y", why)) << "one that is bad is no matter for the others";
    EXPECT_EQ(refused(-EINVAL),
              "array 'z': expected a .npy file (\"\\x93NUMPY\"); found other bytes");
    archive({{"notes.txt", "text"}});
    EXPECT_EQ(refused(-EINVAL), "expected arrays, NAME.npy; found notes.txt");
}

TEST_F(Npz, RefusesWhatIsNoArchive)
{
    EXPECT_EQ(refused(-ENOENT), "No such file or directory");
    write("");
    EXPECT_NE(refused(-EINVAL).find("expected an .npz archive"), std::string::npos);
    write(std::string(1000, 'x'));
    EXPECT_NE(refused(-EINVAL).find("expected an .npz archive"), std::string::npos);
    std::filesystem::remove(path_);
    ASSERT_EQ(mkfifo(path_.c_str(), 0600), 0);
    EXPECT_EQ(refused(-EINVAL), "expected a regular file");
    std::filesystem::remove(path_);
    std::filesystem::create_directory(path_);
    EXPECT_EQ(refused(-EINVAL), "expected a regular file");
}

TEST_F(Npz, RefusesDamage)
{
    const std::string array = npy({1, 2, 3, 4, 5, 6, 7, 8});
    for (const int method : {ZIP_CM_STORE, ZIP_CM_DEFLATE}) {
        archive({{"x.npy", array}}, method);
        const std::string good = bytes_of(path_);
        for (size_t length = 0; length < good.size(); ++length) {
            write(good.substr(0, length));
            EXPECT_NE(refused(-EINVAL), "accepted") << length;
        }
        // Any byte: what is read is what was written, or nothing.
        size_t refusals = 0;
        for (size_t at = 0; at < good.size(); ++at) {
            std::string bad = good;
            bad[at] = static_cast<char>(bad[at] ^ 0x55);
            write(bad);
            std::string why;
            const auto arrays = read_npz(path_, why);
            if (!arrays) {
                ++refusals;
                EXPECT_FALSE(why.empty());
            } else if (!arrays->empty()) {
                EXPECT_EQ(arrays->begin()->second.describe(), "int32 [8]");
            }
        }
        EXPECT_GT(refusals, good.size() / 4);
        // What is stored has a checksum.
        std::string bad = good;
        bad[bad.find("NUMPY") + 100 < bad.size() ? bad.find("x.npy") + 30 : 40] ^= 1;
        write(bad);
        EXPECT_NE(refused(-EINVAL).find("array 'x': "), std::string::npos);
    }
}

TEST_F(Npz, BoundsWhatComesOut)
{
    archive({{"x.npy", npy({1})}, {"y.npy", npy({2})}}, ZIP_CM_STORE);
    std::string bytes = bytes_of(path_);
    // The directory claims 4 GiB - 2 for each: only the second is too much.
    size_t entries = 0;
    for (size_t at = 0; (at = bytes.find("PK\1\2", at)) != std::string::npos; at += 4, ++entries)
        bytes.replace(at + 24, 4, "\xfe\xff\xff\xff");
    ASSERT_EQ(entries, 2u);
    write(bytes);
    std::string why;
    const auto arrays = read_npz(path_, why);
    ASSERT_FALSE(arrays);
    EXPECT_TRUE(arrays.error() == -EFBIG || arrays.error() == -EINVAL) << arrays.error();
    EXPECT_FALSE(why.empty());
}

} // namespace
