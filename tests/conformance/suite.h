// SPDX-License-Identifier: MIT
//
// What --device names, the lists of what a transport can't do, and the fixture of all
// suites.
#pragma once

#include "tests/conformance/queue.h"

#include <gtest/gtest-spi.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>

namespace acc::conformance
{

struct Target {
    std::string uri;
    std::string kind; // "inproc:null", "node:crossbar": transport and engine
    uint64_t va_start = 0, va_end = 0;
};
// Set by main() before the tests run.
Target &target();

// Opens the target once more; throws when that fails.
std::unique_ptr<Accel> open_accel();

// Why a test can't run or is known to fail on this target; null: neither.
const char *unsupported(const char *suite, const char *test);
const char *expected_failure(const char *suite, const char *test);

// Watches for descriptors and mappings that a test leaves behind.
void watch_for_leaks();

// A test skips what is unsupported, with the reason. What is expected to fail must.
class SuiteTest : public testing::Test
{
protected:
    void SetUp() override;
    void TearDown() override;

private:
    testing::TestPartResultArray results_;
    std::unique_ptr<testing::ScopedFakeTestPartResultReporter> fake_;
    const char *reason_ = nullptr;
};

// One invalid field at a time: `good` with one change must be refused with this errno.
template <typename T>
struct Refusal {
    const char *what;
    int error; // positive
    std::function<void(T &)> change;
};

template <typename T>
void expect_refusals(Accel &accel, unsigned long request, const T &good,
                     const std::vector<Refusal<T>> &refusals)
{
    for (const Refusal<T> &refusal : refusals) {
        T args = good;
        refusal.change(args);
        EXPECT_EQ(accel.call(request, args), -refusal.error) << refusal.what;
    }
}

// With an open of the device, made after the lists were asked.
class DeviceTest : public SuiteTest
{
protected:
    void SetUp() override;
    void TearDown() override;
    Accel &accel() { return *accel_; }
    // For tests of what is resident: a device that outlives its clients may keep what they had
    // loaded. Resets the whole device, and opens it again.
    void start_afresh();
    // Another open: another client of the same device, or a device of the same kind.
    Accel &second();

private:
    std::unique_ptr<Accel> accel_, second_;
};

} // namespace acc::conformance
