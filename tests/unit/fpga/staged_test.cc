// SPDX-License-Identifier: MIT
//
// Machine code on a device whose memory no process may map, as an emulated card of a virtual
// machine: it works on copies, which are written back when its dispatch has ended.
#include "roles.h"

#include <gmock/gmock.h>

#include <chrono>
#include <thread>

namespace acc::test
{
namespace
{

using testing::HasSubstr;

constexpr uint64_t kPage = 4096;

class Staged : public testing::Test
{
protected:
    void SetUp() override
    {
        NEEDS_REGION_PROCESS();
        open("fpga:preset=fast,staged=1");
    }
    void open(const char *spec, uint64_t timeout_ns = 0)
    {
        client.reset();
        service.reset();
        service = std::make_unique<RoleService>(spec);
        client = std::make_unique<RoleClient>(service->uri(), timeout_ns);
        client->load(native_image(read_file(HOSTILE_LIBRARY),
                                  {"nothing", "copy", "peek", "stamp", "spoil", "remember"}));
    }
    Completion stamp(uint64_t start, uint64_t bytes, uint64_t every, uint64_t value,
                     uint64_t pause_ms = 0)
    {
        return client->run("stamp", {start, bytes, every, value | pause_ms << 32});
    }
    static uint8_t &byte(uint64_t address) { return *RoleClient::at<uint8_t>(address); }

    std::unique_ptr<RoleService> service;
    std::unique_ptr<RoleClient> client;
};

TEST_F(Staged, ReadsAndWritesByPointersAndThroughTheHost)
{
    const uint64_t in = client->buffer(kPage), out = client->buffer(kPage);
    for (uint64_t i = 1; i < 20; i++) {
        *RoleClient::at<uint64_t>(in) = i; // each dispatch sees what is there when it begins
        const Completion done = client->run(i % 2 ? "peek" : "copy", {in, out});
        ASSERT_EQ(done.status, ACC_STATUS_OK) << done.text;
        ASSERT_EQ(*RoleClient::at<uint64_t>(out), i);
    }
}

// From its third dispatch in a row on a kernel's process would follow the ring: not a copy of it.
TEST_F(Staged, FollowsNoRing)
{
    const uint64_t out = client->buffer(kPage);
    for (uint64_t i = 0; i < 200; i++) {
        const Completion done = client->run("remember", {i + 1, out});
        ASSERT_EQ(done.status, ACC_STATUS_OK) << done.text;
        ASSERT_EQ(*RoleClient::at<uint64_t>(out), i); // one process for all of them
    }
}

TEST_F(Staged, WritesBackWhatItChangedAndNothingElse)
{
    const uint64_t bytes = 3u << 20, at = client->buffer(bytes);
    std::memset(RoleClient::at<void>(at), 7, bytes);
    const Completion done = stamp(at + 100, bytes - 200, 777, 9);
    ASSERT_EQ(done.status, ACC_STATUS_OK) << done.text;
    size_t wrong = 0;
    for (uint64_t i = 0; i < bytes; i++) {
        const bool stamped = i >= 100 && i < bytes - 100 && (i - 100) % 777 == 0;
        wrong += byte(at + i) != (stamped ? 9 : 7);
    }
    EXPECT_EQ(wrong, 0u);
}

// What the host writes to the page meanwhile, in either order, is still there.
TEST_F(Staged, OthersBytesOfAPageSurvive)
{
    const uint64_t at = client->buffer(kPage);
    client->start("stamp", {at, kPage, 2, 1 | uint64_t{30} << 32});
    for (uint64_t i = 1; i < kPage; i += 2) {
        byte(at + i) = 2;
        if (i % 512 == 1) std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
    const Completion done = client->finish();
    ASSERT_EQ(done.status, ACC_STATUS_OK) << done.text;
    for (uint64_t i = 0; i < kPage; i++)
        ASSERT_EQ(byte(at + i), 1 + i % 2) << i;
}

// What it wrote is there, however it ended: where the memory is mapped it would be as well.
TEST_F(Staged, WhatAFailedDispatchWroteIsWrittenBack)
{
    open("fpga:preset=fast,staged=1", 500'000'000);
    const uint64_t at = client->buffer(kPage);
    const uint32_t expected[] = {ACC_STATUS_ENGINE_ERROR, ACC_STATUS_TIMEOUT,
                                 ACC_STATUS_INVALID_KERNARG};
    for (uint64_t how = 0; how < 3; how++) {
        EXPECT_EQ(client->run("spoil", {at, how + 1, how}).status, expected[how]);
        EXPECT_EQ(*RoleClient::at<uint64_t>(at), how + 1);
    }
    EXPECT_EQ(client->run("nothing", {}).status, ACC_STATUS_OK);
}

TEST_F(Staged, ReadOnlyMemoryIsReadAndNotWritten)
{
    auto options = acc_init<acc_buffer_options>();
    options.flags = ACC_BUFFER_READ_ONLY;
    acc_buffer *made = nullptr;
    ASSERT_EQ(acc_buffer_create(client->device(), kPage, &options, &made), 0) << acc_error_text();
    const Buffer buffer(made);
    const auto in = reinterpret_cast<uint64_t>(acc_buffer_data(made));
    const uint64_t out = client->buffer(kPage);
    *RoleClient::at<uint64_t>(in) = 5;
    EXPECT_EQ(client->run("peek", {in, out}).status, ACC_STATUS_OK);
    EXPECT_EQ(*RoleClient::at<uint64_t>(out), 5u);
    for (const char *how : {"peek", "copy"}) {
        const Completion done = client->run(how, {out, in});
        EXPECT_EQ(done.status, ACC_STATUS_INVALID_ADDRESS) << done.text;
        EXPECT_EQ(done.address, in);
    }
    EXPECT_EQ(*RoleClient::at<uint64_t>(in), 5u);
}

// Freed while the dispatch runs: the change has no place any more, and that is told.
TEST_F(Staged, WhatIsFreedMeanwhileIsNotWritten)
{
    const uint64_t at = client->buffer(kPage), other = client->buffer(kPage);
    client->start("stamp", {at, kPage, 8, 1 | uint64_t{100} << 32});
    std::this_thread::sleep_for(std::chrono::milliseconds(30));
    client->free_buffer(at);
    const Completion done = client->finish();
    EXPECT_EQ(done.status, ACC_STATUS_INVALID_ADDRESS) << done.text;
    EXPECT_EQ(done.address, at);
    EXPECT_EQ(stamp(other, kPage, 8, 1).status, ACC_STATUS_OK);
}

TEST_F(Staged, TouchesNoMoreThanItMay)
{
    open("fpga:preset=fast,staged=1,staging=1");
    const uint64_t bytes = 2u << 20, at = client->buffer(bytes);
    for (int i = 0; i < 3; i++) // the room is for each dispatch
        EXPECT_EQ(stamp(at, 1u << 20, kPage, 1).status, ACC_STATUS_OK);
    const Completion done = stamp(at, bytes, kPage, 2);
    EXPECT_EQ(done.status, ACC_STATUS_ENGINE_ERROR);
    EXPECT_THAT(done.text, HasSubstr("at most 1 MiB of memory"));
    EXPECT_EQ(stamp(at, kPage, 1, 3).status, ACC_STATUS_OK);
    EXPECT_EQ(byte(at), 3);
}

// A client that dies in the middle harms nobody: the next one has the region.
TEST_F(Staged, AClientMayDie)
{
    open("fpga:preset=fast,regions=1,staged=1");
    {
        RoleClient doomed(service->uri());
        doomed.load(native_image(read_file(HOSTILE_LIBRARY), {"stamp"}));
        const uint64_t at = doomed.buffer(kPage);
        doomed.start("stamp", {at, kPage, 8, 1 | uint64_t{200} << 32});
        std::this_thread::sleep_for(std::chrono::milliseconds(20));
    }
    const uint64_t at = client->buffer(kPage);
    EXPECT_EQ(stamp(at, kPage, 1, 4).status, ACC_STATUS_OK);
    EXPECT_EQ(byte(at + kPage - 1), 4);
}

} // namespace
} // namespace acc::test
