// SPDX-License-Identifier: MIT
//
// The public C API on the device under test: what holds for it on every transport and every
// engine. What is libacc's alone is tested by tests/unit/libacc.
#pragma once

#include "acc/acc.h"
#include "tests/conformance/suite.h"

namespace acc::conformance
{

// EXPECT that a call succeeds, with its text.
#define EXPECT_OK(call) EXPECT_EQ((call), 0) << acc_error_text()
#define ASSERT_OK(call) ASSERT_EQ((call), 0) << acc_error_text()
// EXPECT a refusal, and that it says something.
#define EXPECT_REFUSED(call, error)                                                                \
    do {                                                                                           \
        EXPECT_EQ((call), -(error));                                                               \
        EXPECT_NE(acc_error_text()[0], 0) << "a refusal says what was expected and found";         \
    } while (0)

// A device with a queue, a signal and work for its engine, in the hands of libacc.
class ApiTest : public SuiteTest
{
protected:
    void SetUp() override
    {
        SuiteTest::SetUp();
        if (IsSkipped()) return;
        ASSERT_OK(acc_device_open(target().uri.c_str(), nullptr, &device_));
        acc_device_info info = ACC_INIT(acc_device_info);
        ASSERT_OK(acc_device_get_info(device_, &info));
        engine_ = info.engine;
        ASSERT_OK(acc_buffer_create(device_, page_bytes, nullptr, &page_));
        Work::prepare(engine_, 0, page());
        const auto image = Work::image(engine_, 0);
        ASSERT_OK(acc_program_load(device_, image.data(), image.size(), &program_));
        kernel_ = ACC_INIT(acc_kernel_info);
        ASSERT_OK(acc_program_kernel(program_, 0, &kernel_));
        ASSERT_OK(acc_queue_create(device_, nullptr, &queue_));
        ASSERT_OK(acc_signal_create(&device_, 1, 1, &signal_));
    }
    void TearDown() override
    {
        if (queue_) {
            EXPECT_OK(acc_queue_destroy(queue_));
        }
        if (signal_) {
            EXPECT_OK(acc_signal_destroy(signal_));
        }
        if (program_) {
            EXPECT_OK(acc_program_unload(program_));
        }
        if (page_) {
            EXPECT_OK(acc_buffer_destroy(page_));
        }
        if (device_) {
            EXPECT_OK(acc_device_close(device_));
        }
        SuiteTest::TearDown();
    }

    std::byte *page() const { return static_cast<std::byte *>(acc_buffer_data(page_)); }
    acc_dispatch work(acc_signal *completion) const
    {
        acc_dispatch dispatch = ACC_INIT(acc_dispatch);
        dispatch.kernel_object = kernel_.kernel_object;
        dispatch.kernarg_address = address_of(page());
        dispatch.completion = completion;
        return dispatch;
    }
    static int wait(acc_signal *signal, int64_t value = 0)
    {
        return acc_signal_wait(signal, ACC_COND_EQ, value, deadline(), nullptr);
    }
    static acc_signal_result result(acc_signal *signal)
    {
        acc_signal_result result = ACC_INIT(acc_signal_result);
        EXPECT_OK(acc_signal_get_result(signal, &result));
        return result;
    }

    acc_device *device_ = nullptr;
    acc_buffer *page_ = nullptr;
    acc_program *program_ = nullptr;
    acc_queue *queue_ = nullptr;
    acc_signal *signal_ = nullptr;
    acc_kernel_info kernel_ = {};
    uint32_t engine_ = 0;
};

} // namespace acc::conformance
