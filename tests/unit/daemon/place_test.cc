// SPDX-License-Identifier: MIT
#include "emulator/accemud/place.h"
#include "emulator/emulator.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <sys/stat.h>
#include <unistd.h>

namespace acc::daemon
{
namespace
{

namespace fs = std::filesystem;

class DefaultSocket : public testing::Test
{
protected:
    void SetUp() override
    {
        std::string name = fs::temp_directory_path() / "acc-place-XXXXXX";
        ASSERT_NE(mkdtemp(name.data()), nullptr);
        folder_ = name;
        why_ = "untouched";
    }
    void TearDown() override { fs::remove_all(folder_); }

    mode_t mode_of(const fs::path &path)
    {
        struct stat status = {};
        EXPECT_EQ(stat(path.c_str(), &status), 0) << path;
        return status.st_mode & 0777;
    }

    fs::path folder_;
    std::string why_;
};

TEST_F(DefaultSocket, IsInTheSystemsFolderWhereThatCanBeMade)
{
    const std::string system = folder_ / "run-acc";
    for (int twice = 0; twice < 2; ++twice) {
        const auto path = default_socket("/nowhere", why_, system.c_str());
        ASSERT_TRUE(path) << why_;
        EXPECT_EQ(*path, system + "/acc.sock");
        EXPECT_EQ(mode_of(system) & 0700, mode_t{0700});
    }
}

TEST_F(DefaultSocket, IsInTheUsersFolderOtherwise)
{
    for (int twice = 0; twice < 2; ++twice) {
        const auto path = default_socket(folder_.c_str(), why_, "/nowhere/acc");
        ASSERT_TRUE(path) << why_;
        EXPECT_EQ(*path, folder_ / "acc/acc.sock");
        EXPECT_EQ(mode_of(folder_ / "acc"), mode_t{0700});
    }
}

TEST_F(DefaultSocket, RefusesWithBothNamed)
{
    const auto refused = [&](const char *runtime, const char *system, const std::string &text) {
        const auto path = default_socket(runtime, why_, system);
        EXPECT_EQ(path.error(), -EACCES);
        EXPECT_EQ(why_, "expected a place for the socket: " + text +
                            "); found neither; say --socket PATH");
    };
    const std::string nowhere = "/nowhere/acc (No such file or directory) or $XDG_RUNTIME_DIR/acc ";
    refused(nullptr, "/nowhere/acc", nowhere + "(XDG_RUNTIME_DIR is not set");
    refused("", "/nowhere/acc", nowhere + "(XDG_RUNTIME_DIR is not set");
    refused("relative", "/nowhere/acc", nowhere + "('relative' is no absolute path");
    refused("/nowhere", "/nowhere/acc", nowhere + "(/nowhere/acc: No such file or directory");

    const std::string file = folder_ / "acc";
    std::ofstream(file) << "a file";
    refused(folder_.c_str(), file.c_str(),
            file + " (Not a directory) or $XDG_RUNTIME_DIR/acc (" + file + ": Not a directory");

    const fs::path deep = folder_ / std::string(100, 'x');
    fs::create_directories(deep);
    const auto path = default_socket(deep.c_str(), why_, "/nowhere/acc");
    EXPECT_EQ(path.error(), -EACCES);
    EXPECT_NE(why_.find("expected a path of 1 to 107 bytes"), std::string::npos) << why_;
}

TEST_F(DefaultSocket, RefusesFoldersThatCannotBeWritten)
{
    if (geteuid() == 0) GTEST_SKIP() << "root may write to every folder";
    fs::create_directory(folder_ / "acc");
    fs::permissions(folder_ / "acc", fs::perms::owner_read | fs::perms::owner_exec);
    const auto path = default_socket(folder_.c_str(), why_, "/nowhere/acc");
    EXPECT_EQ(path.error(), -EACCES);
    EXPECT_NE(why_.find("/acc: Permission denied"), std::string::npos) << why_;
}

class PlaceState : public DefaultSocket
{
protected:
    int place(const std::string &dir, std::vector<std::string> specs)
    {
        config_ = Config();
        config_.state_dir = dir;
        for (const std::string &spec : specs)
            config_.devices.push_back({spec, "device " + spec});
        return place_state(config_, why_);
    }
    Config config_;
};

TEST_F(PlaceState, IsADirectoryOfEachDeviceThatKeeps)
{
    const std::string dir = folder_ / "state";
    ASSERT_EQ(place(dir, {"fpga", "crossbar", "null:slots=2", "crossbar:rows=64", "crossbar:"}), 0);
    const std::string specs[] = {"fpga", "crossbar:state=" + dir + "/1", "null:slots=2",
                                 "crossbar:rows=64,state=" + dir + "/3",
                                 "crossbar:state=" + dir + "/4"};
    for (size_t i = 0; i < std::size(specs); i++)
        EXPECT_EQ(spec_with_state(config_.devices[i]), specs[i]);
    EXPECT_FALSE(fs::exists(dir)) << "a check of the configuration makes nothing";
    ASSERT_EQ(make_state(config_, why_), 0) << why_;
    EXPECT_EQ(mode_of(dir), mode_t{0700});
    for (const size_t i : {1u, 3u, 4u}) {
        EXPECT_TRUE(emu::Emulator::create(spec_with_state(config_.devices[i]), why_)) << why_;
        EXPECT_TRUE(fs::exists(config_.devices[i].state));
    }
}

TEST_F(PlaceState, IsNothingWithoutTheKey)
{
    ASSERT_EQ(place("", {"crossbar"}), 0);
    EXPECT_EQ(spec_with_state(config_.devices[0]), "crossbar");
    EXPECT_EQ(make_state(config_, why_), 0);
    EXPECT_EQ(place("", {"crossbar:state=/x"}), 0) << "a device may say it itself";
}

TEST_F(PlaceState, SaysWhatIsWrong)
{
    EXPECT_EQ(place("/x", {"fpga", "null"}), -EINVAL);
    EXPECT_NE(why_.find("found none"), std::string::npos) << why_;
    EXPECT_EQ(place("/x,y", {"crossbar"}), -EINVAL);
    EXPECT_NE(why_.find("comma"), std::string::npos) << why_;
    for (const char *spec : {"crossbar:state=/z", "crossbar:rows=64,state=/z"}) {
        EXPECT_EQ(place("/x", {spec}), -EINVAL);
        EXPECT_NE(why_.find("device crossbar"), std::string::npos) << why_;
        EXPECT_NE(why_.find("found both"), std::string::npos) << why_;
    }
    ASSERT_EQ(place(folder_ / "no" / "such", {"crossbar"}), 0);
    EXPECT_EQ(make_state(config_, why_), -ENOENT);
    EXPECT_NE(why_.find("no/such"), std::string::npos) << why_;
}

} // namespace
} // namespace acc::daemon
