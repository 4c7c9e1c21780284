// SPDX-License-Identifier: MIT
#include "tests/conformance/suite.h"

#include <cstdio>
#include <cstring>
#include <dirent.h>
#include <fnmatch.h>
#include <iostream>

namespace acc::conformance
{

namespace
{

struct Entry {
    const char *where; // pattern of Target::kind
    const char *tests; // pattern of "Suite.Test"
    const char *reason;
};

constexpr Entry unsupported_table[] = {
    {"*:crossbar", "*Null.*", "only the null engine has kernels that spin, fail and hang"},
    {"*:fpga", "*Null.*", "only the null engine has kernels that spin, fail and hang"},
    {"node:*", "UapiMemfd.*", "a kernel driver takes dma-bufs"},
    {"node:*", "QueueRing.KickWithoutDoorbellAndWithoutPackets",
     "a card has no kick descriptor: a store to the doorbell is what wakes it"},
};

// {"node:*", "Suite.Test", "what is wrong, and where it is being mended"}
constexpr Entry expected_failure_table[] = {
    {"-", "-", "nothing is known to fail"},
};

template <size_t count>
const char *look_up(const Entry (&table)[count], const char *suite, const char *test)
{
    const std::string name = std::string(suite) + "." + test;
    for (const Entry &entry : table)
        if (!fnmatch(entry.where, target().kind.c_str(), 0) &&
            !fnmatch(entry.tests, name.c_str(), 0))
            return entry.reason;
    return nullptr;
}

size_t open_descriptors()
{
    DIR *folder = opendir("/proc/self/fd");
    if (!folder) return 0;
    size_t count = 0;
    while (const dirent *entry = readdir(folder))
        count += entry->d_name[0] != '.';
    closedir(folder);
    return count;
}

// Of memory objects and, in the arena, of anything.
size_t device_mappings()
{
    FILE *maps = std::fopen("/proc/self/maps", "re");
    if (!maps) return 0;
    size_t count = 0;
    char line[1024];
    while (std::fgets(line, sizeof line, maps)) {
        unsigned long from = 0;
        const bool arena = std::sscanf(line, "%lx", &from) == 1 && from >= target().va_start &&
                           from < target().va_end;
        count += arena || std::strstr(line, "/memfd:acc-") || std::strstr(line, "/dev/accel");
    }
    std::fclose(maps);
    return count;
}

class LeakCheck final : public testing::EmptyTestEventListener
{
    void OnTestStart(const testing::TestInfo &) override
    {
        descriptors_ = open_descriptors();
        mappings_ = device_mappings();
    }
    void OnTestEnd(const testing::TestInfo &) override
    {
        EXPECT_EQ(open_descriptors(), descriptors_) << "file descriptors leaked";
        EXPECT_EQ(device_mappings(), mappings_) << "mappings leaked";
    }
    size_t descriptors_ = 0, mappings_ = 0;
};

} // namespace

Target &target()
{
    static Target instance;
    return instance;
}

const char *unsupported(const char *suite, const char *test)
{
    return look_up(unsupported_table, suite, test);
}

const char *expected_failure(const char *suite, const char *test)
{
    return look_up(expected_failure_table, suite, test);
}

void watch_for_leaks()
{
    testing::UnitTest::GetInstance()->listeners().Append(new LeakCheck);
}

std::unique_ptr<Accel> open_accel()
{
    std::string why;
    auto transport = open_transport(target().uri, why);
    if (!transport) give_up(target().uri + " (" + why + ")", transport.error());
    return std::make_unique<Accel>(std::move(*transport));
}

void SuiteTest::SetUp()
{
    const auto *info = testing::UnitTest::GetInstance()->current_test_info();
    if (const char *why = unsupported(info->test_suite_name(), info->name()))
        GTEST_SKIP() << "unsupported: " << why;
    reason_ = expected_failure(info->test_suite_name(), info->name());
    if (reason_)
        fake_ = std::make_unique<testing::ScopedFakeTestPartResultReporter>(
            testing::ScopedFakeTestPartResultReporter::INTERCEPT_ALL_THREADS, &results_);
}

void SuiteTest::TearDown()
{
    if (!reason_) return;
    fake_.reset();
    bool failed = false;
    for (int i = 0; i < results_.size(); i++) {
        failed |= results_.GetTestPartResult(i).failed();
        std::cout << results_.GetTestPartResult(i) << '\n';
    }
    if (failed)
        GTEST_SKIP() << "expected failure: " << reason_;
    else
        ADD_FAILURE() << "unexpected pass: strike it off the list (" << reason_ << ")";
}

void DeviceTest::SetUp()
{
    SuiteTest::SetUp();
    if (!IsSkipped()) accel_ = open_accel();
}

void DeviceTest::TearDown()
{
    second_.reset();
    accel_.reset();
    SuiteTest::TearDown();
}

void DeviceTest::start_afresh()
{
    const int error = accel_->reset(DRM_ACC_RESET_DEVICE, 0);
    if (error == -EACCES) GTEST_SKIP() << "only who may reset the device knows what is resident";
    ASSERT_EQ(error, 0);
    second_.reset();
    accel_ = open_accel();
}

Accel &DeviceTest::second()
{
    if (!second_) second_ = open_accel();
    return *second_;
}

} // namespace acc::conformance
