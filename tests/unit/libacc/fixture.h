// SPDX-License-Identifier: MIT
//
// What the tests of libacc's public API share: devices with the null engine, programs made
// of its kernels, and a look at what a test has left behind.
#pragma once

#include "acc/acc.hpp"
#include "acc/kernels.h"

#include "tests/sanitizers.h"

#include <gtest/gtest.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace acc::test
{

// Long enough for a loaded machine under a sanitizer; a test that reaches it has failed.
constexpr uint64_t patience_ns = 60'000'000'000;
inline uint64_t soon()
{
    return acc_deadline(patience_ns);
}

// A device with the null engine for a fixture: the embedded emulator's, or, of
// `libacc_test --service`, of a service; `other` ones are behind other drivers.
const char *null_uri(unsigned other = 0);

// Descriptors, mappings and threads of this process.
struct Holdings {
    size_t descriptors = 0;
    size_t threads = 0;
    std::set<std::string> arena; // mappings in the range that devices reach
    static Holdings now();
};

// A program whose kernels are the null engine's ops of these names.
std::vector<std::byte> null_image(std::vector<std::string_view> ops = {ACC_NULL_NOOP, ACC_NULL_COPY,
                                                                       ACC_NULL_SPIN, ACC_NULL_FAIL,
                                                                       ACC_NULL_HANG});

acc_packet noop_packet(uint64_t kernel_object, uint64_t completion = 0, uint16_t flags = 0);
acc_packet barrier_packet(std::initializer_list<uint64_t> signals, uint64_t completion = 0);

// Fails the test with the library's text where a call fails.
#define ASSERT_ACC(call) ASSERT_EQ((call), 0) << acc_error_text()
#define EXPECT_ACC(call) EXPECT_EQ((call), 0) << acc_error_text()
// That a call fails with this code and a text that holds `part`.
#define EXPECT_REFUSED(call, code, part)                                                           \
    do {                                                                                           \
        EXPECT_EQ((call), (code)) << acc_error_text();                                             \
        EXPECT_NE(std::string(acc_error_text()).find(part), std::string::npos)                     \
            << acc_error_text();                                                                   \
    } while (0)

// The value of an Expected<T>; a failure fails the test and gives an empty T.
template <typename T>
T take(Expected<T> expected)
{
    if (expected) return std::move(*expected);
    ADD_FAILURE() << expected.error().text;
    return T{};
}
inline void check(const Expected<void> &expected)
{
    if (!expected) ADD_FAILURE() << expected.error().text;
}

// Looks after each test that nothing is left: descriptors, mappings, threads.
class LeakTest : public testing::Test
{
protected:
    void SetUp() override;
    void TearDown() override;

private:
    Holdings before_;
};

// One device with the null engine, its kernels, a queue and a signal.
class NullTest : public LeakTest
{
protected:
    void SetUp() override;
    void TearDown() override;

    acc_kernel_info kernel(const char *name) { return take(program_.find(name)); }

    Device device_;
    Program program_;
    Queue queue_;
    Signal signal_;
};

} // namespace acc::test
